package protocol

import (
	"errors"
	"reflect"
	"strings"

	"github.com/aws/smithy-go"
)

// Fault says whose mistake an error is; Query spells it out in the body.
type Fault uint8

const (
	// Sender is the client's fault: the same request will fail again.
	Sender Fault = iota
	// Receiver is the server's fault.
	Receiver
)

// String returns the word that Query puts into <Type>.
func (f Fault) String() string {
	if f == Receiver {
		return "Receiver"
	}
	return "Sender"
}

// ErrorBody is what a client learns about a failure.
type ErrorBody struct {
	// Code is the error code on the wire, for example NoSuchEntity.
	Code string
	// Message is AWS's text; it must hold nothing that the caller may not see.
	Message string
	// Status is the HTTP status code.
	Status int
	// Fault is the client's or the server's.
	Fault Fault
	// Exception is the name of the modelled exception, which CloudTrail records
	// as errorCode: NoSuchEntityException for NoSuchEntity. It equals Code for
	// errors outside the service's model.
	Exception string
}

// ErrorOf returns the body that stands for err.
//
// An error that is, or wraps, a [smithy.APIError] (the SDK's exception types,
// this package's parse errors, package constraint's violations) speaks for
// itself. Anything else is the server's own trouble: it becomes InternalFailure
// and its text stays out of the answer.
//
// status looks up the HTTP status that the service's model gives an error code
// (see constraint.Table.Status); it may be nil. An error may also bring its own
// by a method HTTPStatusCode() int.
func ErrorOf(err error, status func(code string) (int, bool)) ErrorBody {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() == "" {
		return ErrorBody{
			Code:      "InternalFailure",
			Message:   "The request processing has failed because of an unknown error, exception or failure.",
			Status:    500,
			Fault:     Receiver,
			Exception: "InternalFailure",
		}
	}
	body := ErrorBody{
		Code:      api.ErrorCode(),
		Message:   api.ErrorMessage(),
		Exception: api.ErrorCode(),
	}
	if t := reflect.TypeOf(api); t.Kind() == reflect.Pointer && strings.HasSuffix(t.Elem().Name(), "Exception") {
		body.Exception = t.Elem().Name()
	}
	body.Status = httpStatus(api, body.Code, status)
	if body.Status >= 500 {
		body.Fault = Receiver
	}
	return body
}

func httpStatus(api smithy.APIError, code string, modelled func(string) (int, bool)) int {
	if own, ok := api.(interface{ HTTPStatusCode() int }); ok {
		return own.HTTPStatusCode()
	}
	if modelled != nil {
		if status, ok := modelled(code); ok {
			return status
		}
	}
	return CommonStatus(code, api.ErrorFault())
}

// CommonStatus returns the HTTP status of the error codes that every service
// shares and no model lists. AWS's awsJson services answer their own spellings
// (AccessDeniedException …) with 400, the default.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html.
func CommonStatus(code string, fault smithy.ErrorFault) int {
	switch code {
	case "AccessDenied", "ExpiredToken", "InvalidClientTokenId", "MissingAuthenticationToken",
		"NotAuthorized", "OptInRequired", "SignatureDoesNotMatch":
		return 403
	case "RequestEntityTooLarge":
		return 413
	case "UnsupportedMediaType":
		return 415
	case "ServiceUnavailable":
		return 503
	}
	if fault == smithy.FaultServer {
		return 500
	}
	return 400
}

// refuse returns the client's error for a body that cannot be read. Messages
// may name parameters, never repeat values: a value may be a secret.
func refuse(code, message string) error {
	return &smithy.GenericAPIError{Code: code, Message: message, Fault: smithy.FaultClient}
}
