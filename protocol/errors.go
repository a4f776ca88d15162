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
	// Members are what the modelled exception says beyond its message, for restJson.
	Members []ErrorMember
}

// ErrorMember is a member of a modelled exception.
type ErrorMember struct{ Name, Text string }

// ErrorOf returns the body that stands for err.
//
// An error that is, or wraps, a [smithy.APIError] (the SDK's exception types,
// this package's parse errors, package constraint's violations) speaks for
// itself. Anything else is the server's own trouble: it becomes InternalFailure
// and its text stays out of the answer.
//
// status looks up the HTTP status that the service's model gives an error code
// (see constraint.Table.Status); it may be nil. An error, or what wraps it, may also
// bring its own by a method HTTPStatusCode() int.
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
	body.Members = errorMembers(api)
	body.Status = httpStatus(err, api, body.Code, status)
	if body.Status >= 500 {
		body.Fault = Receiver
	}
	return body
}

// errorMembers are the texts that a modelled exception of the SDK has beyond its
// message: the SDK capitalizes their names, and appends _ where Go has other uses
// for them.
func errorMembers(err smithy.APIError) (members []ErrorMember) {
	v := reflect.ValueOf(err)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct || !strings.HasSuffix(v.Type().Elem().PkgPath(), "/types") {
		return nil
	}
	for v, i := v.Elem(), 0; i < v.NumField(); i++ {
		f, value := v.Type().Field(i), v.Field(i)
		if !f.IsExported() || f.Name == "Message" || f.Name == "ErrorCodeOverride" {
			continue
		}
		if value.Kind() == reflect.Pointer {
			value = value.Elem()
		}
		if value.Kind() == reflect.String && value.Len() > 0 {
			name := strings.TrimSuffix(f.Name, "_")
			members = append(members, ErrorMember{strings.ToLower(name[:1]) + name[1:], value.String()})
		}
	}
	return members
}

func httpStatus(err error, api smithy.APIError, code string, modelled func(string) (int, bool)) int {
	var own interface{ HTTPStatusCode() int }
	if errors.As(err, &own) {
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
