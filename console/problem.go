package console

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/aws/smithy-go"
)

// Problem is what went wrong, in the order in which people ask: what happened, why,
// what to do now.
type Problem struct {
	Status int
	Title  string // what happened
	Why    string // why, in AWS's words where they are AWS's
	Do     []Step // what to do now
	Code   string // AWS's error code, if it is one
	ID     string // request id; that of the visit if it is empty
	Cause  error  // for the log; never shown
}

// Step is a thing to do: a sentence, and where it can be done.
type Step struct{ Text, Path string }

func (p *Problem) Error() string {
	if p.Cause != nil {
		return p.Title + ": " + p.Cause.Error()
	}
	return p.Title
}

func (p *Problem) Unwrap() error { return p.Cause }

// ErrSignedOut is returned where somebody has to be signed in and nobody is, or no
// longer.
var ErrSignedOut = errors.New("nobody is signed in")

var (
	errNoPage = &Problem{
		Status: http.StatusNotFound, Title: "There is no such page",
		Why: "Nothing has this address. It may have been mistyped, or what it showed was deleted.",
		Do:  []Step{{"Go to the start page.", "/"}},
	}
	errWrongMethod = &Problem{
		Status: http.StatusMethodNotAllowed, Title: "That cannot be done at this address",
		Why: "The address exists, but does not take this kind of request.",
		Do:  []Step{{"Go to the start page.", "/"}},
	}
	errWrongHost = &Problem{
		Status: http.StatusMisdirectedRequest, Title: "The console has another name",
		Why: "This server is reached on this machine only, and by the name localhost. Whoever gave it another name may want to look like it.",
		Do:  []Step{{Text: "Open the address that the server printed at its start. If people are to reach it by this name, start it with --url."}},
	}
	errForeign = &Problem{
		Status: http.StatusForbidden, Title: "The request came from another site",
		Why: "Another web site, or a page at another address of this server, sent this form. Nothing was changed.",
		Do:  []Step{{"Open the console at its own address and do it there.", "/"}},
	}
)

// ProblemOf says what an error means to the person. A page that can go on shows it
// with the template "problem"; else the handler returns the error.
func (v *Visit) ProblemOf(err error) *Problem {
	p := problemOf(err)
	if p.ID == "" {
		p.ID = v.ID
	}
	return &p
}

func problemOf(err error) Problem {
	var known *Problem
	if errors.As(err, &known) {
		return *known
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return Problem{
			Status: http.StatusInternalServerError, Title: "Something went wrong here",
			Why: "The server met an error that it did not expect. It is in the server's log under the request id below.",
			Do:  []Step{{Text: "Try again. If it stays, give the request id to who runs this server."}},
		}
	}
	p := Problem{Status: http.StatusBadRequest, Code: api.ErrorCode(), Why: api.ErrorMessage()}
	if api.ErrorFault() == smithy.FaultServer {
		p.Status = http.StatusInternalServerError
	}
	var status interface{ HTTPStatusCode() int }
	if errors.As(err, &status) {
		p.Status = status.HTTPStatusCode()
	}
	var id interface{ ServiceRequestID() string }
	if errors.As(err, &id) {
		p.ID = id.ServiceRequestID()
	}
	p.Title, p.Do = inWords(p)
	p.Why = inPlainWords(p.Why)
	return p
}

// inWords says what an AWS error code means, and what helps.
func inWords(p Problem) (string, []Step) {
	switch p.Code {
	case "AccessDenied", "AccessDeniedException":
		p.Do = []Step{{"See why, and the smallest change that would allow it.", "/why/" + url.PathEscape(p.ID)}}
		if p.ID == "" {
			p.Do = []Step{{"Ask who looks after this account for the permission.", ""}}
		}
		return "You do not have permission for this", p.Do
	case "NoSuchEntity", "NoSuchEntityException", "ResourceNotFoundException":
		return "There is no such thing any more", []Step{{"It may have been renamed or deleted. Go back to the list and look for it.", ""}}
	case "EntityAlreadyExists", "EntityAlreadyExistsException":
		return "That name is taken", []Step{{"Go back and choose another name.", ""}}
	case "DeleteConflict", "DeleteConflictException":
		return "It is still in use", []Step{{"Remove first what the message names, then try again.", ""}}
	case "LimitExceeded", "LimitExceededException":
		return "The quota is used up", []Step{{"Remove what is no longer used, or raise the quota.", ""}}
	case "ConcurrentModification", "ConcurrentModificationException":
		return "Someone else changed it at the same time", []Step{{"Reload the page, see what is there now, and try again.", ""}}
	case "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException":
		return "Too many requests", []Step{{"Wait a moment, then try again.", ""}}
	case "ServiceUnavailable", "ServiceFailure", "InternalFailure", "InternalError":
		return "The service cannot answer just now", []Step{{"Try again. If it stays, give the request id to who runs this server.", ""}}
	case "ValidationError", "ValidationException":
		return "What was typed is not valid", []Step{{"Correct what the message names, and try again.", ""}}
	case "MalformedPolicyDocument", "MalformedPolicyDocumentException":
		return "The policy is not valid", []Step{{"Go back, correct what the message names, and save again.", ""}}
	default:
		return "That was refused", []Step{{"Go back, correct what the message names, and try again.", ""}}
	}
}

// sessionOver reports whether AWS's answer means that the person's session is.
func sessionOver(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return errors.Is(err, ErrSignedOut)
	}
	switch api.ErrorCode() {
	case "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException":
		return true
	}
	return false
}

// fail is the one place where an error becomes an answer.
func (v *Visit) fail(err error) {
	if sessionOver(err) && !errors.Is(err, errPanic) {
		err = v.signedOut()
		if err == nil {
			return
		}
	}
	var stepUp *errStepUp
	if errors.As(err, &stepUp) {
		if err = v.Redirect(stepUp.path()); err == nil {
			return
		}
	}
	p := v.ProblemOf(err)
	if p.Status >= http.StatusInternalServerError {
		v.console.config.Log.Error("a page failed", "request_id", p.ID, "page", v.route.Pattern, "error", err)
	}
	var failed error
	switch {
	case v.wantsJSON():
		failed = v.JSON(p.Status, map[string]string{"error": p.Title + ". " + p.Why, "requestId": p.ID})
	case v.WantsFragment():
		failed = v.write(p.Status, "problem", "problem", p)
	default:
		failed = v.write(p.Status, "problem", "layout", v.frame(Page{Title: p.Title, Layout: v.layoutOfProblem(), Body: p}))
	}
	if failed != nil {
		v.console.config.Log.Error("the page of an error failed", "request_id", p.ID, "error", failed)
		if !v.w.begun {
			http.Error(v.w, "Internal error. Request id: "+p.ID, http.StatusInternalServerError)
		}
	}
}

func (v *Visit) layoutOfProblem() Layout {
	if v.Person == nil {
		return Card
	}
	return Framed
}

// signedOut leads to the sign-in page and back. What was posted must not be lost:
// for that, the answer is a page that can be sent again.
func (v *Visit) signedOut() error {
	back := "/signin?" + url.Values{"return": {v.here()}}.Encode()
	if v.wantsJSON() {
		return v.JSON(http.StatusUnauthorized, map[string]string{"error": "Your session has ended.", "location": back})
	}
	if v.Request.Method == http.MethodGet || v.Request.Method == http.MethodHead {
		if v.WantsFragment() {
			back = "/signin"
		}
		return v.Redirect(back)
	}
	v.Person = nil
	return &Problem{
		Status: http.StatusUnauthorized, Title: "Your session has ended",
		Why: "Nothing was changed, and what you sent is not lost.",
		Do: []Step{
			{"Sign in again in another tab.", "/signin"},
			{Text: "Then reload this page and let the browser send the form again."},
		},
	}
}
