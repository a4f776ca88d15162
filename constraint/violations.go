package constraint

import (
	"strconv"
	"strings"

	"github.com/aws/smithy-go"
)

// Violations is what [Table.Validate] finds wrong with a request. It is a
// [smithy.APIError], the client's fault, and its text is AWS's.
type Violations struct {
	// Code is the error code on the wire: ValidationError for Query services,
	// ValidationException for awsJson. A service that answers with an exception
	// of its own looks at List and returns that instead, as CloudTrail does
	// for maxResults.
	Code string
	// List holds one violation at least, in the order of the input's fields.
	List []Violation
}

// Violation is one constraint that one member does not satisfy.
type Violation struct {
	// Path is the member's place as AWS spells it: userName, tags.1.member.key.
	Path string
	// Value is how the value is shown: null, 'v' or [a, b]; "" if it is not.
	Value string
	// Constraint is what the member must do, for example "Member must not be
	// null".
	Constraint string
}

// Error returns code and message.
func (v *Violations) Error() string { return v.Code + ": " + v.ErrorMessage() }

// ErrorCode returns Code.
func (v *Violations) ErrorCode() string { return v.Code }

// ErrorFault returns the client's.
func (v *Violations) ErrorFault() smithy.ErrorFault { return smithy.FaultClient }

// ErrorMessage returns AWS's text for all violations together.
func (v *Violations) ErrorMessage() string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(len(v.List)))
	if len(v.List) == 1 {
		b.WriteString(" validation error detected: ")
	} else {
		b.WriteString(" validation errors detected: ")
	}
	for i, violation := range v.List {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString("Value ")
		if violation.Value != "" {
			b.WriteString(violation.Value)
			b.WriteByte(' ')
		}
		b.WriteString("at '")
		b.WriteString(violation.Path)
		b.WriteString("' failed to satisfy constraint: ")
		b.WriteString(violation.Constraint)
	}
	return b.String()
}

// The sentences of AWS.
const (
	notNull      = "Member must not be null"
	atMostLong   = "Member must have length less than or equal to "
	atLeastLong  = "Member must have length greater than or equal to "
	atMost       = "Member must have value less than or equal to "
	atLeast      = "Member must have value greater than or equal to "
	matchPattern = "Member must satisfy regular expression pattern: "
	oneOf        = "Member must satisfy enum value set"
)
