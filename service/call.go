package service

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/store"
)

// Call is one request to an operation, after authentication.
type Call struct {
	// Context ends when nobody waits for the answer any more. It is for waiting
	// only: what an operation needs to know is in the Call.
	Context context.Context

	// Now is the time of the request. It is read once, so that an operation that
	// is run again by its transaction sees the same time.
	Now  time.Time
	Rand io.Reader

	// SignedNow is the server's time as clients know it, which the dates in what they
	// signed are compared with. Only a settable development clock makes it differ
	// from Now.
	SignedNow time.Time

	Principal *authn.Principal
	// Scope is the caller's account in the partition of the request's region.
	Scope     arn.Scope
	Region    string
	RequestID string

	// Header is the request's header, for what the models do not know of. It is read only.
	Header http.Header

	// Event is the request's audit record. Operations add resources and
	// additional data to it; the pipeline does the rest.
	Event *audit.Event

	// Reader is the snapshot, or the transaction, in which everything about this
	// call is read.
	Reader store.Reader
	// Tx is the transaction of a Write operation, nil otherwise.
	Tx store.Tx

	// Update runs a transaction of its own, whose changes stay whatever becomes of
	// the request: an attempt at a password is counted before the password is
	// looked at. It is for Before steps; inside the operation's transaction it would
	// wait for itself. fn may run more than once.
	Update func(fn func(store.Tx) error) error

	// Ask answers further questions to the policy engine, for operations whose
	// need is known only while they run. It returns the AccessDenied error.
	Ask func(authz.Check) error

	// kept is what Prepare made.
	kept any
}

// Keep stores what a Before step made for the handler.
func (c *Call) Keep(v any) { c.kept = v }

// Kept returns what the Before step kept, or nil.
func (c *Call) Kept() any { return c.kept }

// Account is the caller's account.
func (c *Call) Account() string { return string(c.Scope.Account) }
