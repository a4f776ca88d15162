// Package service owns what an operation is: its name, its handler over the AWS
// SDK's own input and output types, what it must be authorized for, and whether
// it changes anything; the Call that a handler receives; and the Error that it
// returns. One package per AWS service lies below it, each with an operations.go
// that is its routing, its permission code and its coverage document on one
// screen.
//
// How a request becomes a Call, and what happens to the result, is package
// endpoint's: an operation never authenticates, authorizes, logs or encodes.
package service

import (
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
)

// Access says whether an operation changes anything that is kept.
type Access uint8

const (
	// Read operations see one snapshot. Their audit record is appended in batches.
	Read Access = iota
	// Write operations run inside the one transaction that also carries their
	// audit record.
	Write
	// Issue operations change no record, but hand out credentials: they see one
	// snapshot, and the answer waits until their audit record is durable.
	Issue
)

// Operation is one operation of a service, as the pipeline sees it. Build it with
// Op, which infers the types from the handler.
type Operation struct {
	Name   string
	Access func(in any) Access
	// ReadOnly is CloudTrail's readOnly, which is about meaning and not about
	// transactions: AssumeRole is read-only to CloudTrail.
	ReadOnly bool
	// NewInput makes an empty input to decode into.
	NewInput func() any
	// NewOutput makes an empty output; the coverage document and tests use it.
	NewOutput func() any
	// Validate refuses parameters with exceptions of the operation's own, before
	// the constraints of the model are looked at. It may be nil.
	Validate func(in any) error
	// Prepare does costly work that needs no transaction, such as hashing a
	// password, before the transaction begins. Its Call reads a snapshot. It may be
	// nil.
	Prepare func(c *Call, in any) error
	// Checks are the questions that must all be answered with yes. An operation
	// without checks (nil) is open to every authenticated caller.
	Checks func(c *Call, in any) ([]authz.Check, error)
	// Handle performs the operation.
	Handle func(c *Call, in any) (any, error)
	// NotOffered says why the operation refuses all who may call it, or has nothing to
	// tell them, and is empty for one that does what AWS's does. Such an operation is
	// routed, validated, authorized and recorded like the others, but does not count as
	// built.
	NotOffered string
	// Action is the IAM action that checks ask for which name none; empty is service:Name.
	Action  string
	Actions []string // further IAM actions asked for, for documents

	// Schema says where an operation of a restJson service lies in HTTP: the SDK's
	// schemas of the operation, its input and its output. nil for other protocols.
	Schema *smithy.OperationSchema
	// Who finds for whom a public operation, which nobody signs, is asked: by what the
	// request brings, such as an authorization code. It runs in the operation's
	// transaction, before the checks, which are asked of the principal it returns. nil
	// for operations that must be signed.
	Who func(c *Call, in any) (*authn.Principal, error)
	// Recorded is what the audit record has as requestParameters and responseElements,
	// for operations whose records name things otherwise than their API does; out is
	// nil for a refusal. nil records input and output.
	Recorded func(in, out any) (request, response any)
	// Console operations are for the console alone: no AWS client knows them.
	Console bool
}

// MainAction is the IAM action by which policies know an operation of a service.
func (op *Operation) MainAction(prefix string) string {
	if op.Action != "" {
		return op.Action
	}
	return prefix + ":" + op.Name
}

// Option changes how an operation is treated.
type Option[I any] func(*Operation)

// Op makes an operation of a handler. access is what it does; checks states what
// must be allowed. checks may be nil only for operations that AWS lets every
// authenticated caller use.
func Op[I, O any](name string, access Access, handle func(*Call, *I) (*O, error), checks func(*Call, *I) ([]authz.Check, error), options ...Option[I]) Operation {
	op := newOperation(name, access,
		func() any { return new(I) },
		func() any { return new(O) },
		func(c *Call, in any) (any, error) {
			out, err := handle(c, in.(*I))
			if err != nil {
				return nil, err
			}
			return out, nil
		})
	if checks != nil {
		op.Checks = func(c *Call, in any) ([]authz.Check, error) { return checks(c, in.(*I)) }
	}
	for _, option := range options {
		option(op)
	}
	return *op
}

// newOperation is what Op does that is the same for all types. There are hundreds of those:
// what is in the program once for each of them counts, so that it is not inlined.
//
//go:noinline
func newOperation(name string, access Access, newInput, newOutput func() any, handle func(*Call, any) (any, error)) *Operation {
	return &Operation{
		Name:      name,
		Access:    func(any) Access { return access },
		ReadOnly:  access != Write,
		NewInput:  newInput,
		NewOutput: newOutput,
		Handle:    handle,
	}
}

// AccessFrom decides per request whether the operation writes: AssumeRole does
// when an MFA code, which is single-use, comes with it.
func AccessFrom[I any](access func(in *I) Access) Option[I] {
	return func(op *Operation) {
		op.Access = func(in any) Access { return access(in.(*I)) }
	}
}

// ValidatedBy lets an operation refuse parameters with exceptions of its own, for
// services whose errors are more particular than ValidationException.
func ValidatedBy[I any](validate func(in *I) error) Option[I] {
	return func(op *Operation) {
		op.Validate = func(in any) error { return validate(in.(*I)) }
	}
}

// Before adds costly work that needs no transaction. It runs once the caller is
// authorized, as of the snapshot that it reads; what it makes is kept with Call.Keep
// for the handler, which must check that what was read is still so. The checks are
// asked again in the transaction.
func Before[I any](prepare func(c *Call, in *I) error) Option[I] {
	return func(op *Operation) {
		op.Prepare = func(c *Call, in any) error { return prepare(c, in.(*I)) }
	}
}

// RecordedAs sets CloudTrail's readOnly apart from what the transaction is.
func RecordedAs[I any](readOnly bool) Option[I] {
	return func(op *Operation) { op.ReadOnly = readOnly }
}

// NotOffered marks an operation that only refuses, with the reason for the documents.
func NotOffered[I any](reason string) Option[I] {
	return func(op *Operation) { op.NotOffered = reason }
}

// AsksFor has an operation authorized by another action than that of its own name.
func AsksFor[I any](action string) Option[I] {
	return func(op *Operation) { op.Action = action }
}

// AlsoNeeds names further actions that the checks ask for, for the documents.
func AlsoNeeds[I any](actions ...string) Option[I] {
	return func(op *Operation) { op.Actions = append(op.Actions, actions...) }
}

// At places an operation of a restJson service, by the SDK's schemas.
func At[I any](op, in, out *smithy.Schema) Option[I] {
	return func(o *Operation) { o.Schema = smithy.NewOperationSchema(op, in, out) }
}

// Public makes an operation one that is not signed. who finds for whom it is asked, in
// the operation's transaction. An error of it is the answer; where the account is known
// all the same, it puts it into the call's event, so that the attempt is recorded there.
func Public[I any](who func(c *Call, in *I) (*authn.Principal, error)) Option[I] {
	return func(o *Operation) {
		o.Who = func(c *Call, in any) (*authn.Principal, error) { return who(c, in.(*I)) }
	}
}

// RecordedWith sets what the audit record has as requestParameters and responseElements.
// ok tells whether the request succeeded.
func RecordedWith[I any](recorded func(in *I, ok bool) (request, response any)) Option[I] {
	return func(o *Operation) {
		o.Recorded = func(in, out any) (any, any) { return recorded(in.(*I), out != nil) }
	}
}

// ForConsole marks an operation that only the console calls.
func ForConsole[I any]() Option[I] {
	return func(o *Operation) { o.Console = true }
}

// Set is one AWS service: what it is called on the wire and its operations.
type Set struct {
	// SigningName is the service in the credential scope ("iam").
	SigningName string
	// EventSource is CloudTrail's eventSource ("iam.amazonaws.com").
	EventSource string
	// Version is the API version ("2010-05-08"); Namespace is the XML namespace
	// of query services; TargetPrefixes are the accepted prefixes of X-Amz-Target
	// of awsJson services, the SDK's first.
	Version        string
	Namespace      string
	TargetPrefixes []string
	// ActionPrefix is the prefix of IAM actions ("iam").
	ActionPrefix string
	// Global services are recorded in us-east-1 wherever they are called.
	Global     bool
	Operations []Operation
	// NotYet are operations of AWS's API that are not built: they answer a 4xx
	// error that says so.
	NotYet []string
	// NotYetAt are the places of those of NotYet that belong to a restJson service.
	NotYetAt []*smithy.Schema
	// Refusal gives an error the shape of the service's own exceptions, for services
	// whose clients expect them; nil leaves errors as they are.
	Refusal func(error) error
}
