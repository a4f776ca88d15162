// Package authz owns the question "may they": it gathers, from one snapshot, the
// policies that bear on a caller, builds the condition keys of the request, asks
// package policy, and says no in AWS's words. It writes what was decided into the
// request's audit event, so that nobody decides without recording.
//
// What the policies mean is package policy's; which questions an operation must
// have answered is the operation's table's (package service).
package authz

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/internal/cache"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/store"
)

// Limits of what is kept compiled. What falls out is compiled again when it is
// next needed.
const (
	// maxDocuments is how many distinct policy documents are remembered by their
	// text, so that all who carry the same text share one. Those that principals
	// in the cache use stay, remembered or not; those that a user or role has for
	// itself are not among these.
	maxDocuments = 1 << 14
	// maxManaged is managed policies: far beyond the quota of an account.
	maxManaged = 1 << 15
	// maxPrincipals is users and roles: more than the 100,000 roles of a large
	// account.
	maxPrincipals = 1 << 18
	// maxSessions is sessions with session policies.
	maxSessions = 1 << 15
)

// Authorizer answers checks. It is safe for concurrent use; what it caches is
// checked against the snapshot on every use, so that a committed change is seen
// by the next request.
type Authorizer struct {
	catalogue  *awsmanaged.Catalogue
	documents  *cache.Cache[documentKey, *policy.Document]
	managed    *cache.Cache[string, *managed]    // by ARN
	principals *cache.Cache[string, *compiled]   // by unique id
	sessions   *cache.Cache[[16]byte, *compiled] // by session id
	scratch    sync.Pool                         // *scratch
}

// New makes an Authorizer that resolves AWS managed policies from a catalogue.
func New(catalogue *awsmanaged.Catalogue) *Authorizer {
	return &Authorizer{
		catalogue:  catalogue,
		documents:  cache.New[documentKey, *policy.Document](maxDocuments),
		managed:    cache.New[string, *managed](maxManaged),
		principals: cache.New[string, *compiled](maxPrincipals),
		sessions:   cache.New[[16]byte, *compiled](maxSessions),
		scratch:    sync.Pool{New: func() any { return new(scratch) }},
	}
}

// scratch is what one decision needs, kept for the next one.
type scratch struct {
	context policy.Context
	caller  policy.Caller
	request policy.Request
	inputs  policy.Inputs
}

// Environment is where and when a request arrived: the sources of the condition
// keys that every request has.
type Environment struct {
	Now       time.Time
	SourceIP  netip.Addr
	UserAgent string
	Referer   string
	Secure    bool // the request came over TLS
	Region    string
	Partition arn.Partition
}

// Result is the answer to a check.
type Result struct {
	policy.Decision
	// Message is AWS's denial sentence; empty when allowed.
	Message string
}

// Decide answers one check for a caller. An error means that no answer could be
// found, which callers treat as a denial.
func (a *Authorizer) Decide(r store.Reader, p *authn.Principal, check *Check, env *Environment) (Result, error) {
	s := a.scratch.Get().(*scratch)
	defer a.scratch.Put(s)
	if err := a.prepare(s, r, p, check, env); err != nil {
		return Result{}, err
	}
	return s.result(policy.Evaluate(&s.request, &s.inputs, nil), check), nil
}

func (s *scratch) result(d policy.Decision, check *Check) Result {
	if d.Allowed {
		return Result{Decision: d}
	}
	return Result{Decision: d, Message: message(d, &s.request, check)}
}

// Explain answers a check again, with every reason.
func (a *Authorizer) Explain(r store.Reader, p *authn.Principal, check *Check, env *Environment) (*policy.Trace, error) {
	s := a.scratch.Get().(*scratch)
	defer a.scratch.Put(s)
	if err := a.prepare(s, r, p, check, env); err != nil {
		return nil, err
	}
	trace := new(policy.Trace)
	policy.Evaluate(&s.request, &s.inputs, trace)
	if foreign(p, check) {
		hideResourceSide(trace)
	}
	return trace, nil
}

func message(d policy.Decision, req *policy.Request, check *Check) string {
	if check.Short {
		return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", req.Caller.ARN, req.Action, req.Resource)
	}
	return d.Message(req)
}

// prepare fills s with the request, its context and all policies that bear on it.
func (a *Authorizer) prepare(s *scratch, r store.Reader, p *authn.Principal, check *Check, env *Environment) error {
	set, err := a.policiesOf(r, p)
	if err != nil {
		return fmt.Errorf("gather policies of %s: %w", p.ARN, err)
	}
	session, err := a.sessionPolicies(r, p)
	if err != nil {
		return fmt.Errorf("gather session policies of %s: %w", p.ARN, err)
	}
	s.inputs = policy.Inputs{
		Identity:        &set.identity,
		Boundary:        set.boundary(),
		Session:         session,
		Resource:        check.ResourcePolicy,
		ResourceIsTrust: check.Trust,
	}
	if set == gone {
		s.inputs.Resource = nil // a policy that still names them lets nobody in
	}
	s.caller = caller(p)
	resource := check.Resource
	if resource == "" {
		resource = "*"
	}
	owner := check.Account
	if owner == "" {
		owner = p.Account
	}
	fill(&s.context, p, set.tags(), check, owner, env)
	s.request = policy.Request{
		Caller:          &s.caller,
		Action:          check.Action,
		Resource:        resource,
		ResourceAccount: string(owner),
		Context:         &s.context,
	}
	return nil
}

func caller(p *authn.Principal) policy.Caller {
	c := policy.Caller{
		Account:      string(p.Account),
		ARN:          p.ARN,
		PrincipalARN: p.PrincipalARN,
		ID:           p.ID,
	}
	switch p.Kind {
	case authn.Root:
		c.Type = policy.Root
	case authn.User:
		c.Type = policy.User
	case authn.AssumedRole:
		c.Type = policy.AssumedRole
		c.ServiceLinked = strings.HasPrefix(p.Path, arn.ServiceLinkedPath)
	case authn.FederatedUser:
		c.Type = policy.FederatedUser
		c.IssuerARN = p.IssuerARN
		c.IssuerID = p.ID
	case authn.Service:
		c.Type = policy.Service
		c.Service = p.Name
	default:
		c.Type = policy.Anonymous
	}
	return c
}
