package authz

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/store"
)

// Policies are the policies that hang on a user, its groups included, on a group, or
// on a role.
type Policies struct {
	Identity []policy.Attached
	Boundary *policy.Set // nil where there is none
}

// PoliciesOf returns the policies of a user, group or role: the very documents that
// decide about its requests. The error is store.ErrNotFound when there is none.
func (a *Authorizer) PoliciesOf(r store.Reader, id string) (Policies, error) {
	entity, err := identity.Entities.Get(r, id)
	if err != nil {
		return Policies{}, err
	}
	if entity.Type == identity.TypeGroup { // no caller, so nothing is kept compiled
		g := gathering{a: a, r: r}
		if err := g.group(id); err != nil {
			return Policies{}, fmt.Errorf("gather policies: %w", err)
		}
		return Policies{Identity: g.docs}, nil
	}
	c, err := a.policiesOfEntity(r, id)
	if err != nil {
		return Policies{}, fmt.Errorf("gather policies of %s: %w", id, err)
	}
	if c == gone {
		return Policies{}, store.ErrNotFound
	}
	return Policies{Identity: slices.Clone(c.identity.Documents()), Boundary: c.boundary()}, nil
}

// Hypothesis is what hypothetical requests of one caller are judged by.
type Hypothesis struct {
	// Caller is a user, or a role as what its sessions are in common: kind
	// AssumedRole, without a name of the session. nil is someone of Account of whom
	// nothing else is known.
	Caller  *authn.Principal
	Account arn.AccountID // the caller's
	Tags    []identity.Tag

	Identity []policy.Attached
	Boundary *policy.Set
	SCPs     []*policy.Set // level by level from the organization's root
	// Resource is the policy of every resource; Trust marks it as a role's trust
	// policy.
	Resource *policy.Set
	Trust    bool
	// Owner is the account of resources whose ARN names none. The resource's side is
	// judged if Resource or Owner is given; otherwise only the caller's is.
	Owner arn.AccountID

	Now time.Time
	// Given sets the condition keys of the requests. They replace what is known of
	// caller and time.
	Given func(*policy.Context) error
}

// Simulator answers what would be decided about requests, by the same steps as
// Decide. It is for one goroutine.
type Simulator struct {
	inputs  policy.Inputs
	trust   bool
	caller  policy.Caller
	context policy.Context
	owner   arn.AccountID
	// judgesOwner and ownerStated: what Hypothesis says of the owner, and whether
	// aws:ResourceAccount is given.
	judgesOwner, ownerStated bool
}

// NewSimulator makes a Simulator. The error is that of Given.
func NewSimulator(h *Hypothesis) (*Simulator, error) {
	s := &Simulator{
		inputs:      policy.Inputs{Identity: policy.NewSet(h.Identity), Boundary: h.Boundary, SCPs: h.SCPs, Resource: h.Resource},
		trust:       h.Trust,
		caller:      policy.Caller{Type: policy.User, Account: string(h.Account)},
		owner:       cmp.Or(h.Owner, h.Account),
		judgesOwner: h.Resource != nil || h.Owner != "",
	}
	fillTime(&s.context, h.Now)
	if h.Caller != nil {
		s.caller = caller(h.Caller)
		fillPrincipal(&s.context, h.Caller, principalTags(h.Tags))
	}
	if err := h.Given(&s.context); err != nil {
		return nil, err
	}
	s.ownerStated = s.context.Has("aws:ResourceAccount")
	return s, nil
}

// Simulated is the answer to a hypothetical request.
type Simulated struct {
	policy.Simulation
	// CrossAccount tells that the resource belongs to another account than the
	// caller, and that both sides were judged.
	CrossAccount bool
}

// Ask decides about an action on a resource: an ARN, or "*".
func (s *Simulator) Ask(action, resource string) Simulated {
	request, owner := s.request(action, resource)
	return Simulated{
		Simulation:   policy.Simulate(&request, &s.inputs),
		CrossAccount: s.judgesOwner && string(owner) != s.caller.Account,
	}
}

// Explain is Ask with all reasons.
func (s *Simulator) Explain(action, resource string) *policy.Trace {
	request, _ := s.request(action, resource)
	trace := &policy.Trace{}
	policy.Evaluate(&request, &s.inputs, trace)
	return trace
}

func (s *Simulator) request(action, resource string) (policy.Request, arn.AccountID) {
	owner := s.owner
	if a, err := arn.Parse(resource); err == nil {
		if id, err := arn.ParseAccountID(a.Account); err == nil {
			owner = id
		}
	}
	if !s.ownerStated {
		s.context.SetString("aws:ResourceAccount", string(owner))
	}
	request := policy.Request{Caller: &s.caller, Action: action, Resource: resource, Context: &s.context}
	if s.judgesOwner {
		request.ResourceAccount = string(owner)
	}
	s.inputs.ResourceIsTrust = s.trust && policy.IsTrustAction(action)
	return request, owner
}
