// Package endpoint is the front door for AWS clients: one listener, all services,
// one request one function. It names the operation that a request asks for, lets
// authn say who asks, runs authorization, operation and audit record in one
// transaction, and answers in the protocol of the request.
//
// It owns the order of these steps and nothing else: what an operation does is
// in the packages under service, whether a caller may is package authz's, how
// bytes become inputs and outputs become bytes is package protocol's.
package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/smithy-go"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/protocol"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/sigv4"
	"github.com/lanyard-iam/lanyard/store"
)

// Handler answers AWS requests. All fields but Pause, Observe and Used must be set.
type Handler struct {
	Store    store.Store
	Authn    *authn.Authenticator
	Authz    *authz.Authorizer
	Messages *authz.Messages
	Trail    *audit.Trail
	Redact   *audit.Redactor
	Services *Services
	// Strangers limits the records of attempts that were not believed.
	Strangers *Strangers
	Log       *slog.Logger
	// Clock is the server's time. SignatureClock is the time that the dates of
	// signatures are compared with; only a settable development clock makes the
	// two differ, since it does not move the clocks of the clients.
	Clock          func() time.Time
	SignatureClock func() time.Time
	Rand           io.Reader
	// Region is used for requests that name none. Its partition is that of all
	// accounts.
	Region string
	// Pause waits, as time.Sleep does, where an answer would come too fast for its
	// client (see tooFast). nil never waits.
	Pause func(time.Duration)
	// Observe is told about every answer, for metrics.
	Observe func(service, operation string, status int, took time.Duration)
	// Used is told who called what, whether or not they may, and which actions other than
	// that of the operation's name were asked for. It must not block.
	Used func(p *authn.Principal, service, action, region string, at time.Time, asked ...string)

	buffers sync.Pool // of *[]byte, for answers
}

// ServeHTTP is the life of one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := h.open(r)
	defer h.finish(w, x)

	x.err = func() error {
		if err := h.identify(x); err != nil {
			return err
		}
		if err := h.authenticate(x); err != nil {
			return err
		}
		if err := h.decode(x); err != nil {
			return err
		}
		return h.perform(x)
	}()
}

// exchange is one request on its way through the pipeline, and its answer.
type exchange struct {
	ctx     context.Context
	http    *http.Request
	began   time.Time
	now     time.Time
	body    []byte
	env     authz.Environment
	event   *audit.Event
	request string // request id
	// console says that the console makes the request, of which it may ask more.
	console bool
	still   session.Still

	// what identify finds
	protocol protocol.Protocol
	service  *Service
	op       *service.Operation
	form     protocol.Form
	claim    claim

	seen uint64 // the revision in which the caller was authenticated
	call service.Call
	in   any
	out  any
	// trace is why the request was denied. It is written and sealed when no
	// transaction is open any more.
	trace *policy.Trace
	// asked are the actions that were asked for, but that of the operation's name.
	asked []string

	err      error
	recorded bool // the audit record is in the trail, or will be
}

// open begins the audit record and gives the request its id.
func (h *Handler) open(r *http.Request) *exchange {
	now := h.Clock().UTC()
	x := &exchange{ctx: r.Context(), http: r, began: time.Now(), now: now, request: NewRequestID(h.Rand)}
	x.still, x.console = session.ConsoleOf(x.ctx)
	x.env = authz.Environment{
		Now:       now,
		SourceIP:  sourceIP(r),
		UserAgent: r.UserAgent(),
		Referer:   r.Referer(),
		Secure:    r.TLS != nil,
		Region:    h.Region,
		Partition: arn.PartitionOf(h.Region),
	}
	x.event = &audit.Event{
		ID:        NewRequestID(h.Rand),
		RequestID: x.request,
		Time:      now,
		SourceIP:  x.env.SourceIP.String(),
		UserAgent: x.env.UserAgent,
		TLS:       audit.TLSOf(r.TLS, r.Host),
	}
	return x
}

// finish records what has not been recorded and answers. It runs whatever happened.
func (h *Handler) finish(w http.ResponseWriter, x *exchange) {
	if p := recover(); p != nil {
		h.Log.Error("panic in a request", "request_id", x.request, "panic", p, "stack", string(debug.Stack()))
		x.err = fmt.Errorf("panic: %v", p)
	}
	body := h.errorBody(x)
	switch {
	case x.recorded:
	case x.call.Principal == nil, x.op != nil && x.op.Who != nil:
		h.recordStranger(x)
	default:
		if errors.Is(x.err, store.ErrInDoubt) {
			// The record of success may be there. This is another one, that of the answer.
			x.event.ID = NewRequestID(h.Rand)
			for i := range x.event.Copies {
				x.event.Copies[i].ID = NewRequestID(h.Rand)
			}
		}
		h.describe(x, x.err)
		if err := h.Trail.Enqueue(x.ctx, x.event); err != nil {
			x.err = unavailable(err)
			body = h.errorBody(x)
		}
	}
	if h.Used != nil && x.call.Principal != nil && x.op != nil {
		h.Used(x.call.Principal, x.service.SigningName, x.op.Name, x.env.Region, x.now, x.asked...)
	}
	status := h.respond(w, x, body)
	if h.Observe != nil {
		h.Observe(x.serviceName(), x.operationName(), status, time.Since(x.began))
	}
	level := slog.LevelDebug
	if status >= 500 {
		level = slog.LevelError
	}
	if h.Log.Enabled(x.ctx, level) {
		attrs := []any{"request_id", x.request, "service", x.serviceName(), "operation", x.operationName(), "status", status, "took", time.Since(x.began)}
		if x.err != nil {
			attrs = append(attrs, "code", body.Code)
			if status >= 500 {
				attrs = append(attrs, "error", x.err)
			}
		}
		h.Log.Log(x.ctx, level, "request", attrs...)
	}
}

// recordStranger records an attempt that was not believed, within limits. It does not
// wait for the trail, and the answer stays the same.
func (h *Handler) recordStranger(x *exchange) {
	if x.event.Account == "" {
		if x.claim.keyID() != "" {
			h.Strangers.unrecorded(ReasonUnknownKey)
		}
		return
	}
	if why, ok := h.Strangers.admit(x.env.SourceIP, x.event.Account, x.now); !ok {
		h.Strangers.unrecorded(why)
		return
	}
	h.describe(x, x.err)
	if err := h.Trail.Offer(x.event); err != nil {
		h.Strangers.unrecorded(ReasonQueue)
	}
}

// authenticate establishes who is calling. For whom a public operation is asked is
// found in its transaction (see identifyCaller).
func (h *Handler) authenticate(x *exchange) error {
	if x.op != nil && x.op.Who != nil {
		x.event.Identity = audit.UserIdentity{Type: "Unknown"}
		h.begin(x)
		return nil
	}
	// Whose trail a failed attempt belongs to is known only if the key is.
	x.event.Identity = audit.UserIdentity{Type: "Unknown", AccessKeyID: x.claim.keyID()}
	var principal *authn.Principal
	err := h.Store.View(x.ctx, func(r store.Reader) error {
		var err error
		x.seen = r.Revision()
		principal, err = h.Authn.Authenticate(r, x.claim.authentication(h, x))
		if err != nil {
			if account, ok := h.Authn.AccountOf(r, &x.claim.authorization); ok {
				x.event.Account = account
				x.event.Identity.AccountID = string(account)
			}
			return err
		}
		return x.stillThere(r)
	})
	if err != nil {
		return err
	}
	h.begin(x)
	x.calledBy(principal)
	if x.op == nil {
		return x.service.unknownOperation(x.event.Name)
	}
	return authz.Permitted(principal, x.service.SigningName, x.op.Name)
}

// begin makes the call that the operation will get.
func (h *Handler) begin(x *exchange) {
	x.call = service.Call{
		Context:   x.ctx,
		Update:    func(fn func(store.Tx) error) error { return unavailable(h.Store.Update(x.ctx, fn)) },
		Now:       x.now,
		SignedNow: h.SignatureClock().UTC(),
		Rand:      h.Rand,
		Scope:     arn.Scope{Partition: x.env.Partition},
		Region:    x.env.Region,
		RequestID: x.request,
		Header:    x.http.Header,
		Event:     x.event,
	}
}

// calledBy makes the call one of principal's.
func (x *exchange) calledBy(principal *authn.Principal) {
	x.event.Account = principal.Account
	x.event.Identity = principal.UserIdentity()
	x.event.FromConsole = x.console || principal.Session != nil && principal.Session.Console
	x.call.Principal = principal
	x.call.Scope.Account = principal.Account
}

// decode turns the body into the operation's input and checks its parameters.
func (h *Handler) decode(x *exchange) error {
	x.in = x.op.NewInput()
	var err error
	switch x.protocol {
	case protocol.Query:
		err = protocol.DecodeQuery(x.form, x.in)
	case protocol.RESTJSON:
		err = x.service.bindings[x.op.Name].Decode(x.http.URL.EscapedPath(), x.form, x.http.Header, x.body, x.in)
	default:
		err = protocol.DecodeJSON(x.body, x.in)
	}
	if err != nil {
		return err
	}
	if x.op.Validate != nil {
		if err := x.op.Validate(x.in); err != nil {
			return err
		}
	}
	return x.service.constraints.Validate(x.op.Name, x.in)
}

// perform runs the operation: authorization, handler and audit record in one
// transaction where it writes, on one snapshot where it does not.
func (h *Handler) perform(x *exchange) error {
	if x.op.Who != nil {
		// Asked in a snapshot first: strangers do not hold up those who write.
		err := h.Store.View(x.ctx, func(r store.Reader) error {
			x.call.Reader = r
			return h.identifyCaller(x)
		})
		if err != nil {
			return err
		}
	}
	if x.op.Prepare != nil {
		// Authorized first, and again in the transaction: what Prepare costs, and
		// what its time and its errors tell, is for those who may.
		err := h.Store.View(x.ctx, func(r store.Reader) error {
			x.call.Reader = r
			if err := h.authorize(x); err != nil {
				return err
			}
			return x.op.Prepare(&x.call, x.in)
		})
		if err != nil {
			return err
		}
	}
	access := x.op.Access(x.in)
	if access == service.Write {
		var refusal error
		err := h.Store.Update(x.ctx, func(tx store.Tx) error {
			x.call.Reader, x.call.Tx = tx, tx
			if err := h.identifyCaller(x); err != nil {
				return err
			}
			out, err := h.run(x)
			if err != nil && !service.IsCommitted(err) {
				return err
			}
			x.out, refusal = out, err
			h.describe(x, err)
			return h.Trail.AppendTo(tx, x.event)
		})
		if err != nil {
			return unavailable(err)
		}
		x.recorded = true
		return refusal
	}
	err := h.Store.View(x.ctx, func(r store.Reader) error {
		x.call.Reader, x.call.Tx = r, nil
		if access == service.Issue || x.op.Who != nil {
			if err := h.identifyCaller(x); err != nil {
				return err
			}
		}
		var err error
		x.out, err = h.run(x)
		return err
	})
	if err != nil {
		return err
	}
	h.describe(x, nil)
	if access == service.Issue {
		err = h.Trail.AppendNow(x.ctx, x.event) // no credentials without their record
	} else {
		err = h.Trail.Enqueue(x.ctx, x.event)
	}
	if err != nil {
		x.out = nil
		return unavailable(err)
	}
	x.recorded = true
	return nil
}

// identifyCaller makes sure, in the snapshot of the operation, of whom it is done for.
func (h *Handler) identifyCaller(x *exchange) error {
	if x.op.Who == nil {
		return h.stillValid(x)
	}
	principal, err := x.op.Who(&x.call, x.in)
	if err != nil {
		return err
	}
	x.calledBy(principal)
	return nil
}

// stillValid looks at the caller's credentials once more, in the snapshot in which
// the operation changes or hands out something: a request that waited must not
// outlive the key or session that signed it.
func (h *Handler) stillValid(x *exchange) error {
	if x.call.Tx == nil && x.call.Reader.Revision() == x.seen {
		return nil // it is the snapshot in which they were found good
	}
	principal, err := h.Authn.Again(x.call.Reader, x.call.Principal, x.env.Partition)
	if err != nil {
		return err
	}
	x.call.Principal = principal
	return x.stillThere(x.call.Reader)
}

// stillThere asks of what the console sends whether its browser may still do so. A role to
// which somebody has switched must not outlive their sign-in.
func (x *exchange) stillThere(r store.Reader) error {
	if x.still == nil {
		return nil
	}
	err := x.still(r)
	if errors.Is(err, session.ErrNotSignedIn) {
		return &sigv4.Error{Kind: sigv4.ExpiredToken}
	}
	return err
}

// run asks every question of the operation and then lets it work.
func (h *Handler) run(x *exchange) (any, error) {
	if err := h.authorize(x); err != nil {
		return nil, err
	}
	return x.op.Handle(&x.call, x.in)
}

// authorize asks every question of the operation. It may run twice, so it begins
// by forgetting what an earlier run left in the record.
func (h *Handler) authorize(x *exchange) error {
	x.event.Restart()
	x.trace, x.asked = nil, x.asked[:0]
	x.call.Ask = func(c authz.Check) error { return h.ask(x, &c) }
	if x.op.Checks == nil {
		return nil
	}
	checks, err := x.op.Checks(&x.call, x.in)
	if err != nil {
		return err
	}
	for i := range checks {
		if err := h.ask(x, &checks[i]); err != nil {
			return err
		}
	}
	return nil
}

// ask puts one question to the policy engine and writes the answer into the
// request's record.
func (h *Handler) ask(x *exchange, check *authz.Check) error {
	if check.Action == "" {
		check.Action = x.op.MainAction(x.service.ActionPrefix)
	}
	if own, ok := strings.CutPrefix(check.Action, x.service.ActionPrefix+":"); (!ok || own != x.op.Name) && !slices.Contains(x.asked, check.Action) {
		x.asked = append(x.asked, check.Action)
	}
	result, record, err := h.Authz.DecideOnRecord(x.call.Reader, x.call.Principal, check, &x.env)
	if err != nil {
		h.Log.Error("no decision", "request_id", x.request, "action", check.Action, "error", err)
		return &service.Error{Code: "AccessDenied", Status: http.StatusForbidden, Cause: err,
			Message: fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", x.call.Principal.ARN, check.Action, check.Resource)}
	}
	x.event.Decision = record
	if result.Allowed {
		return nil
	}
	x.trace, err = h.Authz.Explain(x.call.Reader, x.call.Principal, check, &x.env)
	if err != nil {
		h.Log.Error("no explanation", "request_id", x.request, "action", check.Action, "error", err)
	}
	return service.Denied(result.Message)
}

// describe completes the audit record with what was asked and answered.
func (h *Handler) describe(x *exchange, err error) {
	e := x.event
	e.Time = h.Clock().UTC()
	if x.op != nil {
		e.ReadOnly = x.op.ReadOnly
	}
	in, out := x.in, x.out
	if err != nil {
		out = nil
	}
	if in != nil && x.op.Recorded != nil {
		in, out = x.op.Recorded(in, out)
	}
	if in != nil {
		e.SetRequest(in, h.Redact)
	}
	if err == nil {
		e.SetResponse(out, h.Redact)
		return
	}
	if x.trace != nil && e.Decision != nil {
		if text, err := json.Marshal(x.trace); err == nil {
			e.Decision.Trace = text
		}
	}
	body := h.bodyOf(x, err)
	e.SetError(err, body.Code, body.Message)
	if out != nil {
		e.SetResponse(out, h.Redact)
	}
}

// unavailable turns trouble with the store into an answer that says so and that
// clients retry. Refusals pass through.
func unavailable(err error) error {
	if _, ok := errors.AsType[smithy.APIError](err); ok {
		return err
	}
	if errors.Is(err, store.ErrInDoubt) {
		return &service.Error{Code: "ServiceUnavailable", Status: http.StatusServiceUnavailable, Cause: err,
			Message: "The change could not be confirmed and may have been made. Please look before you try again."}
	}
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &service.Error{Code: "ServiceUnavailable", Status: http.StatusServiceUnavailable, Cause: err,
			Message: "The change could not be stored durably and was not made. Please try again later."}
	}
	return err
}

// sourceIP is the address of the peer, with IPv4 in its own form however the
// socket spells it.
func sourceIP(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}
