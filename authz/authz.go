// Package authz owns the question "may they": it gathers, from one snapshot, the
// policies that bear on a caller, builds the condition keys of the request, asks
// package policy, and says no in AWS's words. It writes what was decided into the
// request's audit event, so that nobody decides without recording.
//
// What the policies mean is package policy's; which questions an operation must
// have answered is the operation's table's (package service).
package authz

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/cache"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/store"
)

// Limits of what is kept compiled. A document or principal that falls out is
// compiled again when it is next needed.
const (
	maxDocuments  = 1 << 17 // distinct policy documents
	maxPrincipals = 1 << 18 // users, roles and sessions with session policies: more than the 100,000 roles of a large account
)

// Authorizer answers checks. It is safe for concurrent use; what it caches is
// checked against the snapshot on every use, so that a committed change is seen
// by the next request.
type Authorizer struct {
	managed    *awsmanaged.Catalogue
	documents  *cache.Cache[*policy.Document] // by kind and text
	principals *cache.Cache[*compiled]        // by unique id, or session id for session policies
	scratch    sync.Pool                      // *scratch
}

// New makes an Authorizer that resolves AWS managed policies from a catalogue.
func New(managed *awsmanaged.Catalogue) *Authorizer {
	return &Authorizer{
		managed:    managed,
		documents:  cache.New[*policy.Document](maxDocuments),
		principals: cache.New[*compiled](maxPrincipals),
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
	d := policy.Evaluate(&s.request, &s.inputs, nil)
	if d.Allowed {
		return Result{Decision: d}, nil
	}
	return Result{Decision: d, Message: message(d, &s.request, check)}, nil
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
		Identity: set.identity,
		Boundary: set.boundary,
		Session:  session,
		Resource: check.ResourcePolicy,
	}
	s.inputs.ResourceIsTrust = check.Trust
	s.caller = caller(p)
	resource := check.Resource
	if resource == "" {
		resource = "*"
	}
	owner := check.Account
	if owner == "" {
		owner = p.Account
	}
	fill(&s.context, p, set.tags, check, owner, env)
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

// compiled is everything that follows from a principal's records, together with
// the very record versions that it was made from.
type compiled struct {
	identity *policy.Set
	boundary *policy.Set
	tags     []identity.Tag
	made     []dependency
}

// dependency is a record that a compiled principal was made from. Records are
// never changed in place, so an equal pointer means an equal record.
type dependency struct {
	key  store.Key
	item *store.Item
}

func (c *compiled) current(r store.Reader) bool {
	for i := range c.made {
		if item, _ := r.Get(c.made[i].key); item != c.made[i].item {
			return false
		}
	}
	return true
}

// nobody is a principal on whom no policy hangs.
var nobody = &compiled{identity: policy.NewSet(nil)}

// policiesOf returns the compiled policies of the user, role or issuing user
// behind a principal. A principal whose entity is gone has none, so that every
// check is denied.
func (a *Authorizer) policiesOf(r store.Reader, p *authn.Principal) (*compiled, error) {
	switch p.Kind {
	case authn.Root, authn.Service, authn.Anonymous:
		return nobody, nil
	case authn.FederatedUser:
		if p.Session != nil && p.Session.IssuerRoot {
			return nobody, nil
		}
	}
	if c, ok := a.principals.Get(p.ID); ok && c.current(r) {
		return c, nil
	}
	c, err := a.compile(r, p.ID)
	if errors.Is(err, store.ErrNotFound) {
		a.principals.Delete(p.ID)
		return nobody, nil
	}
	if err != nil {
		return nil, err
	}
	a.principals.Put(p.ID, c)
	return c, nil
}

// compile gathers and compiles the policies of a user or role.
func (a *Authorizer) compile(r store.Reader, id string) (*compiled, error) {
	g := gathering{a: a, r: r}
	entity, err := gather(&g, identity.Entities, id)
	if err != nil {
		return nil, err
	}
	account := string(entity.Account)
	switch entity.Type {
	case identity.TypeUser:
		u, err := gather(&g, identity.Users, account, entity.Name)
		if err != nil {
			return nil, err
		}
		owner := "user/" + u.Name
		g.inline(u.Inline, policy.SourceUserInline, owner)
		if err := g.managed(u.Attached, owner); err != nil {
			return nil, err
		}
		for _, groupID := range u.Groups {
			ge, err := gather(&g, identity.Entities, groupID)
			if err != nil {
				return nil, err
			}
			group, err := gather(&g, identity.Groups, string(ge.Account), ge.Name)
			if err != nil {
				return nil, err
			}
			owner := "group/" + group.Name
			g.inline(group.Inline, policy.SourceGroupInline, owner)
			if err := g.managed(group.Attached, owner); err != nil {
				return nil, err
			}
		}
		return g.finish(u.Boundary, u.Tags)
	case identity.TypeRole:
		role, err := gather(&g, identity.Roles, account, entity.Name)
		if err != nil {
			return nil, err
		}
		owner := "role/" + role.Name
		g.inline(role.Inline, policy.SourceRoleInline, owner)
		if err := g.managed(role.Attached, owner); err != nil {
			return nil, err
		}
		return g.finish(role.Boundary, role.Tags)
	}
	return nil, store.ErrNotFound
}

// gathering collects documents and remembers which records they came from.
type gathering struct {
	a    *Authorizer
	r    store.Reader
	made []dependency
	docs []policy.Attached
	err  error
}

// gather reads a record and remembers its version.
func gather[T any](g *gathering, table store.Table[T], parts ...string) (*T, error) {
	key := table.Key(parts...)
	item, ok := g.r.Get(key)
	g.made = append(g.made, dependency{key: key, item: item})
	if !ok {
		return nil, store.ErrNotFound
	}
	return table.Value(item)
}

func (g *gathering) inline(policies []identity.InlinePolicy, kind policy.SourceType, owner string) {
	for _, p := range policies {
		doc, err := g.a.document(p.Document, policy.InlinePolicy)
		if err != nil {
			g.err = fmt.Errorf("inline policy %s of %s: %w", p.Name, owner, err)
			return
		}
		g.docs = append(g.docs, policy.Attached{Source: policy.Source{Type: kind, ID: p.Name, Owner: owner}, Document: doc})
	}
}

// managed adds managed policies. One that cannot be found is an error and not an
// omission: it may have held a Deny.
func (g *gathering) managed(arns []string, owner string) error {
	for _, name := range arns {
		attached, err := g.managedPolicy(name, owner)
		if err != nil {
			return err
		}
		g.docs = append(g.docs, attached)
	}
	return nil
}

func (g *gathering) managedPolicy(name, owner string) (policy.Attached, error) {
	if p, ok := g.a.managed.Find(name); ok {
		doc, err := g.a.document(p.DefaultDocument(), policy.ManagedPolicy)
		if err != nil {
			return policy.Attached{}, fmt.Errorf("AWS managed policy %s: %w", name, err)
		}
		return policy.Attached{Source: policy.Source{Type: policy.SourceAWSManaged, ID: p.Name, ARN: name, Owner: owner}, Document: doc}, nil
	}
	a, err := arn.Parse(name)
	if err != nil {
		return policy.Attached{}, fmt.Errorf("managed policy %q: %w", name, err)
	}
	_, _, short := a.Split()
	p, err := gather(g, identity.Policies, a.Account, identity.Fold(short))
	if err != nil {
		// Not ErrNotFound, which would read as "no such principal".
		return policy.Attached{}, fmt.Errorf("managed policy %s: %v", name, err)
	}
	doc, err := g.a.document(p.DefaultDocument(), policy.ManagedPolicy)
	if err != nil {
		return policy.Attached{}, fmt.Errorf("managed policy %s: %w", name, err)
	}
	return policy.Attached{Source: policy.Source{Type: policy.SourceCustomerManaged, ID: p.Name, ARN: name, Owner: owner}, Document: doc}, nil
}

func (g *gathering) finish(boundary string, tags []identity.Tag) (*compiled, error) {
	if g.err != nil {
		return nil, g.err
	}
	c := &compiled{identity: policy.NewSet(g.docs), tags: tags}
	if boundary != "" {
		attached, err := g.managedPolicy(boundary, "")
		if err != nil {
			return nil, err
		}
		attached.Source.Type = policy.SourceBoundary
		c.boundary = policy.NewSet([]policy.Attached{attached})
	}
	c.made = g.made
	return c, nil
}

// sessionPolicies returns the compiled session policies of a principal, nil where
// none limit it. A federated user without any may do nothing.
func (a *Authorizer) sessionPolicies(r store.Reader, p *authn.Principal) (*policy.Set, error) {
	s := p.Session
	if s == nil || (p.Kind != authn.AssumedRole && p.Kind != authn.FederatedUser) {
		return nil, nil
	}
	if s.Policy == "" && len(s.PolicyARNs) == 0 {
		if p.Kind == authn.FederatedUser {
			return nobody.identity, nil
		}
		return nil, nil
	}
	key := string(s.ID[:])
	if c, ok := a.principals.Get(key); ok && c.current(r) {
		return c.identity, nil
	}
	g := gathering{a: a, r: r}
	if s.Policy != "" {
		doc, err := a.document(s.Policy, policy.SessionPolicy)
		if err != nil {
			return nil, err
		}
		g.docs = append(g.docs, policy.Attached{Source: policy.Source{Type: policy.SourceSession, ID: "session policy"}, Document: doc})
	}
	for _, name := range s.PolicyARNs {
		attached, err := g.managedPolicy(name, "")
		if err != nil {
			return nil, err
		}
		attached.Source.Type = policy.SourceSession
		g.docs = append(g.docs, attached)
	}
	c := &compiled{identity: policy.NewSet(g.docs), made: g.made}
	a.principals.Put(key, c)
	return c.identity, nil
}

// document compiles a policy document, once for all who carry the same text.
func (a *Authorizer) document(text string, kind policy.Kind) (*policy.Document, error) {
	key := string(rune('0'+kind)) + text
	if doc, ok := a.documents.Get(key); ok {
		return doc, nil
	}
	doc, err := policy.Parse(text, kind)
	if err != nil {
		return nil, err
	}
	a.documents.Put(key, doc)
	return doc, nil
}

// TrustPolicy is the compiled trust policy of a role, for the check of an
// AssumeRole call.
func (a *Authorizer) TrustPolicy(role *identity.Role, partition arn.Partition) (*policy.Set, error) {
	doc, err := a.document(role.TrustPolicy, policy.TrustPolicy)
	if err != nil {
		return nil, fmt.Errorf("trust policy of %s: %w", role.Name, err)
	}
	if len(role.TrustPins) > 0 {
		doc = doc.WithPins(role.TrustPins)
	}
	return policy.NewSet([]policy.Attached{{
		Source:   policy.Source{Type: policy.SourceTrust, ID: "trust policy", Owner: "role/" + role.Name},
		Document: doc,
	}}), nil
}
