package service

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"
)

// Error is an answer that refuses: AWS's code and message for the caller, and a
// private cause for the operator. Modelled exceptions of the SDK may be returned
// by operations as they are; Error is for the codes that the models lack, such as
// ValidationError and AccessDenied.
type Error struct {
	Code    string
	Status  int
	Message string
	Cause   error
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Cause)
	}
	return e.Code + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// ErrorCode, ErrorMessage and ErrorFault make an Error a smithy.APIError like the
// SDK's own exceptions.
func (e *Error) ErrorCode() string    { return e.Code }
func (e *Error) ErrorMessage() string { return e.Message }
func (e *Error) ErrorFault() smithy.ErrorFault {
	if e.Status >= 500 {
		return smithy.FaultServer
	}
	return smithy.FaultClient
}

// HTTPStatusCode is the status that the error travels with.
func (e *Error) HTTPStatusCode() int { return e.Status }

// Invalid is a ValidationError: a parameter that cannot be right.
func Invalid(format string, args ...any) error {
	return &Error{Code: "ValidationError", Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

// Denied is an AccessDenied error with AWS's sentence.
func Denied(message string) error {
	return &Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: message}
}

// Throttled asks the caller to come back later, which clients do by themselves:
// their SDKs retry this code with growing pauses.
func Throttled(cause error) error {
	return &Error{Code: "Throttling", Status: http.StatusBadRequest, Message: "Rate exceeded", Cause: cause}
}

// Committed marks a refusal whose changes are to be kept all the same: a wrong
// MFA code is refused and counted.
type Committed struct{ Err error }

func (c *Committed) Error() string { return c.Err.Error() }
func (c *Committed) Unwrap() error { return c.Err }

// Commit wraps a refusal so that the transaction of the operation commits.
func Commit(err error) error { return &Committed{Err: err} }

// IsCommitted tells whether a refusal keeps its changes.
func IsCommitted(err error) bool {
	_, ok := errors.AsType[*Committed](err)
	return ok
}

// status is an error that travels with another status than its kind has.
type status struct {
	error
	code int
}

func (s *status) Unwrap() error       { return s.error }
func (s *status) HTTPStatusCode() int { return s.code }

// WithStatus makes an exception travel with an HTTP status of its own, where the model
// gives several to one exception.
func WithStatus(err error, code int) error { return &status{err, code} }
