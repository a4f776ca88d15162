package console

import (
	"errors"
	"regexp"
	"strings"

	"github.com/aws/smithy-go"
)

// Denied is a part of a page that the person may not see; template "denied" says so
// quietly, and the rest of the page goes on.
type Denied struct {
	Action string // that is missing, such as iam:ListUsers; empty: not known
	ID     string // of the request
}

var deniedAction = regexp.MustCompile(`not authorized to perform: ([A-Za-z0-9-]+:[A-Za-z0-9*]+)`)

// refused tells whether an error is AWS's no to the person, and not a failure.
func refused(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && strings.HasPrefix(api.ErrorCode(), "AccessDenied")
}

// deniedOf describes an error that refused tells of; of any other it is nil.
func (v *Visit) deniedOf(err error) *Denied {
	if !refused(err) {
		return nil
	}
	p := v.ProblemOf(err)
	d := &Denied{ID: p.ID}
	if found := deniedAction.FindStringSubmatch(p.Why); found != nil {
		d.Action = found[1]
	}
	return d
}
