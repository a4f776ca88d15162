package audit

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/policy"
)

// Event is one record of the trail while its request is under way: opened first,
// filled on the way, written once at the end, whatever happened.
//
// The names are those of the record (CloudTrail User Guide, "CloudTrail record
// contents").
type Event struct {
	ID        string    // eventID
	RequestID string    // requestID
	Time      time.Time // eventTime: when the request completed, written with second precision
	Source    string    // eventSource: iam.amazonaws.com
	Name      string    // eventName: CreateUser
	Type      string    // eventType; empty means AwsApiCall
	Region    string    // awsRegion
	SourceIP  string    // sourceIPAddress
	UserAgent string    // userAgent
	Identity  UserIdentity
	ReadOnly  bool
	// Account is recipientAccountId and the trail that the record goes to.
	Account arn.AccountID
	// SharedID is sharedEventID: the same in all Copies of a cross-account call.
	SharedID string

	// ErrorCode and ErrorMessage are set by SetError.
	ErrorCode    string
	ErrorMessage string

	Additional json.RawMessage // additionalEventData; nil is left out
	Resources  []Resource
	TLS        *TLSDetails // nil on plain HTTP
	// FromConsole is sessionCredentialFromConsole: the console made the call, for somebody
	// who is signed in there.
	FromConsole bool

	// Copies are the records of the same call in other accounts' trails: the
	// account whose role was assumed sees it, too.
	Copies []Copy

	// Decision is what the policy engine found, for `lanyard why`. It is kept
	// beside the record and is no part of it. A denial has a full Trace.
	Decision *Decision

	// request and response are requestParameters and responseElements as JSON.
	// Only SetRequest and SetResponse fill them, so that nothing gets in past the
	// Redactor. nil is written as null.
	request, response []byte
	// references are the resources that request and response name.
	references []Reference
}

// Copy is what differs in the record of a call in another account's trail.
type Copy struct {
	ID       string // eventID
	Account  arn.AccountID
	Identity UserIdentity
}

// Decision is the private companion of a record: why the request was allowed or
// denied.
type Decision struct {
	Allowed  bool            `json:"allowed"`
	Action   string          `json:"action"`
	Resource string          `json:"resource"`
	Layer    string          `json:"layer,omitempty"`  // which kind of policy decided
	Policy   string          `json:"policy,omitempty"` // name or ARN of the deciding policy
	Owner    string          `json:"owner,omitempty"`  // whose policy it is: "group/devs"
	Sid      string          `json:"sid,omitempty"`
	Index    int             `json:"statement"`       // index of the deciding statement, -1 if none
	Trace    json.RawMessage `json:"trace,omitempty"` // policy.Trace of a denial
	// Sole: the deciding statement is the only one that allowed it, and has no condition.
	// Otherwise Grounds are the statements that did; nil for a denial, and for root.
	Sole    bool            `json:"sole,omitempty"`
	Grounds *policy.Grounds `json:"grounds,omitempty"`
}

// Resource is an entry of the record's resources.
type Resource struct {
	ARN       string        `json:"ARN"`
	AccountID arn.AccountID `json:"accountId,omitempty"`
	Type      string        `json:"type,omitempty"` // AWS::IAM::Role
}

// TLSDetails is the record's tlsDetails.
type TLSDetails struct {
	Version     string `json:"tlsVersion"`
	CipherSuite string `json:"cipherSuite"`
	HostHeader  string `json:"clientProvidedHostHeader,omitempty"`
}

// UserIdentity is the record's userIdentity (CloudTrail User Guide, "CloudTrail
// userIdentity element").
type UserIdentity struct {
	Type        string          `json:"type"`
	PrincipalID string          `json:"principalId,omitempty"`
	ARN         string          `json:"arn,omitempty"`
	AccountID   string          `json:"accountId,omitempty"`
	AccessKeyID string          `json:"accessKeyId,omitempty"`
	UserName    string          `json:"userName,omitempty"`
	InvokedBy   string          `json:"invokedBy,omitempty"`
	Session     *SessionContext `json:"sessionContext,omitempty"`
	// NoAccessKey writes an empty accessKeyId, as AWS does of root and of failures at the
	// sign-in page.
	NoAccessKey bool `json:"-"`
}

// SessionContext is userIdentity.sessionContext, present for temporary credentials.
type SessionContext struct {
	Issuer         *SessionIssuer    `json:"sessionIssuer,omitempty"`
	WebIdentity    *struct{}         `json:"webIdFederationData,omitempty"`
	Attributes     SessionAttributes `json:"attributes"`
	SourceIdentity string            `json:"sourceIdentity,omitempty"`
	SignInSession  string            `json:"signInSessionArn,omitempty"`
}

// SessionIssuer is who the session's permissions come from.
type SessionIssuer struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	UserName    string `json:"userName,omitempty"`
}

// SessionAttributes are when the session began and whether MFA was used. Both
// are strings in AWS's records.
type SessionAttributes struct {
	CreationDate     string `json:"creationDate"`
	MFAAuthenticated string `json:"mfaAuthenticated"`
}

// RecoveryCode is the MfaType of CheckMfa where a recovery code stood for an MFA device; AWS
// has no such codes.
const RecoveryCode = "Recovery Code"

// Restart forgets what an operation put into the event, so that it can run again:
// everything that says how the request was judged and answered. What is known of
// the request itself stays.
func (e *Event) Restart() {
	e.ErrorCode, e.ErrorMessage = "", ""
	e.SharedID = ""
	e.Additional, e.Resources, e.Copies, e.Decision = nil, nil, nil, nil
	e.request, e.response, e.references = nil, nil, nil
}

// SetError records that the request failed with err, and that the caller was told
// code and message. A refusal leaves no responseElements, and one for lack of
// permission no requestParameters either: AWS records none of a call that it did not
// look at.
func (e *Event) SetError(err error, code, message string) {
	e.ErrorCode, e.ErrorMessage = recordedCode(e.Source, err, code), message
	e.response = nil
	if isDenial(code) {
		e.request, e.references = nil, nil
	}
}

// SetSignIn records how an event of the sign-in page came out, as AWS does: in the words
// {"ConsoleLogin":"Success"}, with a sentence and no error code for a failure.
func (e *Event) SetSignIn(failure string) {
	outcome := "Success"
	if failure != "" {
		outcome, e.ErrorMessage = "Failure", failure
	}
	e.response = append(appendText([]byte{'{'}, e.Name, maxName), `:"`+outcome+`"}`...)
}

// isDenial tells whether an error code says that a permission is lacking. JSON services
// append Exception.
func isDenial(code string) bool {
	return code == "AccessDenied" || code == "AccessDeniedException"
}

// denied tells whether the request failed for lack of a permission.
func (e *Event) denied() bool {
	return isDenial(e.ErrorCode) || e.ErrorCode != "" && e.Decision != nil && !e.Decision.Allowed
}

// recordedCode is errorCode in the record of a request to source that failed with err:
// the code on the wire, but for IAM, whose records have the name of the exception:
// NoSuchEntityException where the caller sees NoSuchEntity.
func recordedCode(source string, err error, wire string) string {
	var api smithy.APIError
	// PasswordPolicyViolation lacks the suffix in a recorded event of AWS.
	if source != sourceIAM || wire == "PasswordPolicyViolation" || !errors.As(err, &api) {
		return wire
	}
	t := reflect.TypeOf(api)
	if t.Kind() != reflect.Pointer || !strings.HasSuffix(t.Elem().PkgPath(), "/service/iam/types") {
		return wire
	}
	return t.Elem().Name()
}

// username is Username in LookupEvents: who called, by the name that people know.
func (u *UserIdentity) username() string {
	switch u.Type {
	case "Root":
		return "root"
	case "AssumedRole", "FederatedUser":
		// AROA…:session, or account:name.
		_, name, _ := strings.Cut(u.PrincipalID, ":")
		return name
	}
	return u.UserName
}

// Reference is a resource that a request named or made, as LookupEvents finds and
// returns it.
type Reference struct {
	Type string // AWS::IAM::User
	Name string // a name, unique id or ARN
}

// maxReferences bounds the references of one event. The largest, AssumeRole, has five.
const (
	maxReferences   = 32
	usualReferences = 5
)

// Refers returns the name of the first resource of a type that the request named, or empty.
func (e *Event) Refers(resourceType string) string {
	for _, r := range e.references {
		if r.Type == resourceType {
			return r.Name
		}
	}
	return ""
}

// refer adds a reference that is not there yet.
func (e *Event) refer(r Reference) {
	if r.Name == "" || len(e.references) >= maxReferences || slices.Contains(e.references, r) {
		return
	}
	if e.references == nil {
		e.references = make([]Reference, 0, usualReferences)
	}
	e.references = append(e.references, r)
}
