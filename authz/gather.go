package authz

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/store"
)

// compiled is everything that follows from the records of a user or role, or from
// the session policies of a session, together with the very record versions that
// it was made from.
//
// Most roles have a policy of their own and a managed one. All of this is one piece of
// memory for them: when the role is a random one of very many, a decision spends its
// time on fetching it, and pieces would be fetched one after the other.
type compiled struct {
	own      policy.Document // the first of the own policies
	identity policy.Set
	// checked is the revision of the last snapshot whose records were found to
	// be these.
	checked atomic.Uint64
	role    *identity.Role // whose it is; nil for users
	extras  *extras        // nil for the many who have none
	docs    [2]policy.Attached
	from    [2]dependency // the first of the records; the rest are empty
}

// extras is what few have.
type extras struct {
	boundary *policy.Set
	tags     []principalTag
	from     []dependency // the other records
}

func (c *compiled) boundary() *policy.Set {
	if c.extras == nil {
		return nil
	}
	return c.extras.boundary
}

func (c *compiled) tags() []principalTag {
	if c.extras == nil {
		return nil
	}
	return c.extras.tags
}

// principalTag is a tag under the name of its condition key.
type principalTag struct{ key, value string }

func principalTags(tags []identity.Tag) []principalTag {
	var named []principalTag
	for _, t := range tags {
		named = append(named, principalTag{"aws:PrincipalTag/" + t.Key, t.Value})
	}
	return named
}

// dependency is a record that something was made from. Records are never changed
// in place, so an equal pointer means an equal record.
type dependency struct {
	key  store.Key
	item *store.Item
}

// depend finds a record. The key it notes is the store's own copy: there are as many
// as there are roles.
func depend(r store.Reader, key store.Key) (d dependency, ok bool) {
	r.Scan(key, "", func(k store.Key, item *store.Item) bool {
		if ok = k == key; ok {
			d = dependency{key: k, item: item}
		}
		return false
	})
	return d, ok
}

func (d *dependency) current(r store.Reader) bool {
	item, _ := r.Get(d.key)
	return item == d.item
}

// touched has what a decision needs of c fetched from memory, all at once. It is true.
func (c *compiled) touched() bool {
	sum := c.own.Touch()
	if c.role != nil {
		sum += len(c.role.Name)
	}
	return sum >= 0
}

// current reports whether c is still true in r.
func (c *compiled) current(r store.Reader) bool {
	if c.checked.Load() == r.Revision() {
		return true
	}
	for i := range c.from {
		if d := &c.from[i]; d.key != "" && !d.current(r) {
			return false
		}
	}
	if c.extras != nil {
		for i := range c.extras.from {
			if !c.extras.from[i].current(r) {
				return false
			}
		}
	}
	c.note(r)
	return true
}

// note remembers that c is true in r, if r is a snapshot: all of one revision are the
// same. A transaction has the revision of its outcome from the beginning, whatever it
// is going to write.
func (c *compiled) note(r store.Reader) {
	if _, writing := r.(store.Tx); !writing {
		c.checked.Store(r.Revision())
	}
}

// nobody is a principal on whom no policy hangs; gone is a user or role that no
// longer exists.
var (
	nobody = &compiled{identity: *policy.NewSet(nil)}
	gone   = &compiled{identity: *policy.NewSet(nil)}
)

// policiesOf returns the compiled policies of the user, role or issuing user
// behind a principal. A principal whose entity is gone has none, so that every
// check is denied.
func (a *Authorizer) policiesOf(r store.Reader, p *authn.Principal) (*compiled, error) {
	switch p.Kind {
	case authn.Root, authn.Service, authn.Anonymous:
		return nobody, nil
	case authn.FederatedUser:
		if p.Session != nil && p.Session.IssuerRoot {
			return a.rootIssued()
		}
	}
	return a.policiesOfEntity(r, p.ID)
}

// policiesOfEntity returns the compiled policies of a user or role by unique id.
func (a *Authorizer) policiesOfEntity(r store.Reader, id string) (*compiled, error) {
	if c, ok := a.principals.Get(id); ok && c.touched() && c.current(r) {
		return c, nil
	}
	c, err := a.compile(r, id)
	if err != nil {
		return nil, err
	}
	if c == gone {
		a.principals.Delete(id)
		return gone, nil
	}
	a.principals.Put(id, c)
	return c, nil
}

// RoleByID is identity.RoleByID, and quicker for a role whose policies are compiled:
// its record is at hand with them, and one of the first things that a decision for
// its session needs.
func (a *Authorizer) RoleByID(r store.Reader, id string) (*identity.Role, error) {
	if c, ok := a.principals.Get(id); ok && c.touched() && c.role != nil && c.current(r) {
		return c.role, nil
	}
	return identity.RoleByID(r, id)
}

// rootIssued is the policies of the root user where they limit somebody else: a
// federated user may do what root may, which is all, and what the session's
// policies allow.
func (a *Authorizer) rootIssued() (*compiled, error) {
	doc, err := a.document(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, policy.InlinePolicy)
	if err != nil {
		return nil, err
	}
	return &compiled{identity: *policy.NewSet([]policy.Attached{{
		Source:   policy.Source{Type: policy.SourceUserInline, ID: "root user", Owner: "root"},
		Document: doc,
	}})}, nil
}

// compile gathers and compiles the policies of a user or role; the result is gone
// if there is none with this id. Anything else that is missing is an error and not
// an omission: it may have held a Deny.
func (a *Authorizer) compile(r store.Reader, id string) (*compiled, error) {
	entity, err := identity.Entities.Get(r, id)
	if errors.Is(err, store.ErrNotFound) {
		return gone, nil
	}
	if err != nil {
		return nil, err
	}
	g := gathering{a: a, r: r}
	switch entity.Type {
	case identity.TypeUser:
		err = g.user(entity, id)
	case identity.TypeRole:
		err = g.role(entity, id)
	default:
		return gone, nil
	}
	if err != nil {
		return nil, err
	}
	return g.finish(), nil
}

// gathering collects documents and remembers which records they came from. The
// record by which an id is found is not one of them: the entity's own record has
// the id, too, and goes when the entity does.
type gathering struct {
	a        *Authorizer
	r        store.Reader
	records  []dependency
	docs     []policy.Attached
	own      []policy.Document // of the first docs
	boundary *policy.Set
	tags     []principalTag
	asRole   *identity.Role
}

func (g *gathering) user(entity *identity.Entity, id string) error {
	u, err := gather(g, identity.Users, string(entity.Account), entity.Name)
	if err != nil {
		return fmt.Errorf("user %s: %w", id, err)
	}
	if u.ID != id {
		return fmt.Errorf("user %s is found under the id %s", u.ID, id)
	}
	if err := g.inlineOwn(u.Inline, policy.Source{Type: policy.SourceUserInline, OwnerType: policy.OwnerUser, Owner: u.Name}); err != nil {
		return err
	}
	if err := g.attached(u.Attached, policy.OwnerUser, u.Name); err != nil {
		return err
	}
	for _, id := range u.Groups {
		if err := g.group(id); err != nil {
			return err
		}
	}
	return g.limit(u.Boundary, u.Tags)
}

func (g *gathering) group(id string) error {
	entity, err := identity.Entities.Get(g.r, id)
	if err != nil {
		return fmt.Errorf("group %s: %w", id, err)
	}
	group, err := gather(g, identity.Groups, string(entity.Account), entity.Name)
	if err != nil {
		return fmt.Errorf("group %s: %w", id, err)
	}
	if group.ID != id {
		return fmt.Errorf("group %s is found under the id %s", group.ID, id)
	}
	for _, p := range group.Inline {
		doc, err := g.a.document(p.Document, policy.InlinePolicy) // its other members have it, too
		if err != nil {
			return fmt.Errorf("inline policy %s of group %s: %w", p.Name, group.Name, err)
		}
		source := policy.Source{Type: policy.SourceGroupInline, ID: p.Name, OwnerType: policy.OwnerGroup, Owner: group.Name}
		g.docs = append(g.docs, policy.Attached{Source: source, Document: doc})
	}
	return g.attached(group.Attached, policy.OwnerGroup, group.Name)
}

func (g *gathering) role(entity *identity.Entity, id string) error {
	role, err := gather(g, identity.Roles, string(entity.Account), entity.Name)
	if err != nil {
		return fmt.Errorf("role %s: %w", id, err)
	}
	if role.ID != id {
		return fmt.Errorf("role %s is found under the id %s", role.ID, id)
	}
	g.asRole = role
	if err := g.inlineOwn(role.Inline, policy.Source{Type: policy.SourceRoleInline, OwnerType: policy.OwnerRole, Owner: role.Name}); err != nil {
		return err
	}
	if err := g.attached(role.Attached, policy.OwnerRole, role.Name); err != nil {
		return err
	}
	return g.limit(role.Boundary, role.Tags)
}

// gather reads a record and remembers its version.
func gather[T any](g *gathering, table store.Table[T], parts ...string) (*T, error) {
	record, ok := depend(g.r, table.Key(parts...))
	if !ok {
		return nil, store.ErrNotFound
	}
	g.records = append(g.records, record)
	return table.Value(record.item)
}

// inlineOwn adds, before all others, the policies that a user or role has for itself.
// Hardly ever has another one the same, so they are kept with the rest of it, and small.
func (g *gathering) inlineOwn(policies []identity.InlinePolicy, source policy.Source) error {
	for _, p := range policies {
		doc, err := policy.Parse(p.Document, policy.InlinePolicy)
		if err != nil {
			return fmt.Errorf("inline policy %s of %s: %w", p.Name, source.AttachedTo(), err)
		}
		source.ID = p.Name
		g.docs = append(g.docs, policy.Attached{Source: source})
		g.own = append(g.own, doc.Compact())
	}
	return nil
}

func (g *gathering) attached(arns []string, ownerType policy.OwnerType, owner string) error {
	for _, name := range arns {
		attached, err := g.managed(name)
		if err != nil {
			return err
		}
		attached.Source.OwnerType, attached.Source.Owner = ownerType, owner
		g.docs = append(g.docs, attached)
	}
	return nil
}

// limit adds the boundary, if there is one, and the tags.
func (g *gathering) limit(boundary string, tags []identity.Tag) error {
	g.tags = principalTags(tags)
	if boundary == "" {
		return nil
	}
	attached, err := g.managed(boundary)
	if err != nil {
		return fmt.Errorf("permissions boundary: %w", err)
	}
	attached.Source.Type = policy.SourceBoundary
	g.boundary = policy.NewSet([]policy.Attached{attached})
	return nil
}

func (g *gathering) finish() *compiled {
	c := &compiled{role: g.asRole}
	docs := append(c.docs[:0], g.docs...)
	for i := range g.own {
		if i == 0 {
			c.own = g.own[0]
			docs[0].Document = &c.own
		} else {
			docs[i].Document = &g.own[i]
		}
	}
	c.identity = policy.MakeSet(docs)
	others := g.records[copy(c.from[:], g.records):]
	if g.boundary != nil || g.tags != nil || len(others) > 0 {
		c.extras = &extras{g.boundary, g.tags, others}
	}
	c.note(g.r)
	return c
}

// managed is a managed policy's default version, compiled. The record of one of AWS's
// is there only if the policy was imported; that there is none is a fact to depend
// on, too.
type managed struct {
	attached policy.Attached
	record   dependency
}

// managed returns a managed policy, attached to nobody yet.
func (g *gathering) managed(name string) (policy.Attached, error) {
	m, ok := g.a.managed.Get(name)
	if !ok || !m.record.current(g.r) {
		var err error
		if m, err = g.readManaged(name); err != nil {
			return policy.Attached{}, fmt.Errorf("managed policy %s: %w", name, err)
		}
		g.a.managed.Put(name, m)
	}
	g.records = append(g.records, m.record)
	return m.attached, nil
}

func (g *gathering) readManaged(name string) (*managed, error) {
	if place, ok := awsmanaged.Place(name); ok {
		p, err := identity.FindManaged(g.r, g.a.catalogue, name)
		if err != nil {
			return nil, err
		}
		doc, err := g.a.document(p.DefaultDocument(), policy.ManagedPolicy)
		if err != nil {
			return nil, err
		}
		return &managed{attached: policy.Attached{Source: policy.Source{Type: policy.SourceAWSManaged, ID: p.Name, ARN: name}, Document: doc},
			record: dependency{key: identity.ManagedPolicies.Key(place), item: identity.ManagedPolicies.Item(g.r, place)}}, nil
	}
	parsed, err := arn.Parse(name)
	if err != nil {
		return nil, err
	}
	_, _, short := parsed.Split()
	record, ok := depend(g.r, identity.Policies.Key(parsed.Account, identity.Fold(short)))
	if !ok {
		return nil, store.ErrNotFound
	}
	p, err := identity.Policies.Value(record.item)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(p.ARN(parsed.Partition), name) {
		return nil, store.ErrNotFound // another path, or not the ARN of a policy at all
	}
	doc, err := g.a.document(p.DefaultDocument(), policy.ManagedPolicy)
	if err != nil {
		return nil, err
	}
	return &managed{
		attached: policy.Attached{Source: policy.Source{Type: policy.SourceCustomerManaged, ID: p.Name, ARN: name}, Document: doc},
		record:   record,
	}, nil
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
			return &nobody.identity, nil
		}
		return nil, nil
	}
	if c, ok := a.sessions.Get(s.ID); ok && c.current(r) {
		return &c.identity, nil
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
		attached, err := g.managed(name)
		if err != nil {
			return nil, err
		}
		attached.Source.Type = policy.SourceSession
		g.docs = append(g.docs, attached)
	}
	c := g.finish()
	a.sessions.Put(s.ID, c)
	return &c.identity, nil
}

// documentKey finds a compiled document. What a text means depends on its kind.
type documentKey struct {
	kind policy.Kind
	text string
}

// document compiles a policy document, once for all who carry the same text.
func (a *Authorizer) document(text string, kind policy.Kind) (*policy.Document, error) {
	key := documentKey{kind, text}
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
		Source:   policy.Source{Type: policy.SourceTrust, ID: "trust policy", OwnerType: policy.OwnerRole, Owner: role.Name},
		Document: doc,
	}}), nil
}
