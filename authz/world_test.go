package authz_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

const (
	home    = arn.AccountID("111122223333")
	foreign = arn.AccountID("444455556666")
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// world is a store with IAM entities in it and an Authorizer that has to keep up
// with their changes. Entities are written as records: what the IAM API would
// refuse, such as attaching a policy that does not exist, can be set up here.
type world struct {
	testing.TB
	store *memory.Store
	authz *authz.Authorizer
	env   authz.Environment
	ids   uint64
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	catalogue, err := awsmanaged.Load()
	if err != nil {
		tb.Fatal(err)
	}
	s := memory.New()
	tb.Cleanup(func() { s.Close() })
	return &world{
		TB: tb, store: s, authz: authz.New(catalogue),
		env: authz.Environment{
			Now: noon, SourceIP: netip.MustParseAddr("198.51.100.7"), UserAgent: "aws-cli/2.31.0",
			Secure: true, Region: "eu-central-1", Partition: "aws",
		},
	}
}

// doc is a policy document of these statements, each a JSON object without its
// braces: `"Effect":"Allow","Action":"s3:*","Resource":"*"`.
func doc(statements ...string) string {
	text := `{"Version":"2012-10-17","Statement":[`
	for i, s := range statements {
		if i > 0 {
			text += ","
		}
		text += "{" + s + "}"
	}
	return text + "]}"
}

func allow(action string) string {
	return fmt.Sprintf(`"Effect":"Allow","Action":%q,"Resource":"*"`, action)
}

func deny(action string) string {
	return fmt.Sprintf(`"Effect":"Deny","Action":%q,"Resource":"*"`, action)
}

func inline(statements ...string) []identity.InlinePolicy {
	return []identity.InlinePolicy{{Name: "inline", Document: doc(statements...)}}
}

func (w *world) update(fn func(tx store.Tx) error) {
	w.Helper()
	if err := w.store.Update(context.Background(), fn); err != nil {
		w.Fatal(err)
	}
}

func (w *world) view(fn func(r store.Reader)) {
	w.Helper()
	if err := w.store.View(context.Background(), func(r store.Reader) error { fn(r); return nil }); err != nil {
		w.Fatal(err)
	}
}

// id makes a unique id that no other entity of this world has.
func (w *world) id(prefix string) string {
	w.ids++
	return fmt.Sprintf("%s%017d", prefix, w.ids)
}

// put stores an entity beside the row that finds it by its id.
func put[T any](w *world, table store.Table[T], kind identity.EntityType, account arn.AccountID, id, name string, v *T) {
	w.Helper()
	w.update(func(tx store.Tx) error {
		entity := identity.Entity{Account: account, Type: kind, Name: identity.Fold(name)}
		if err := identity.Entities.Put(tx, &entity, id); err != nil {
			return err
		}
		return table.Put(tx, v, string(account), identity.Fold(name))
	})
}

func (w *world) user(name string, edit func(*identity.User)) *identity.User {
	w.Helper()
	u := &identity.User{Account: home, ID: w.id(arn.PrefixUser), Name: name, Path: "/", Created: noon}
	if edit != nil {
		edit(u)
	}
	put(w, identity.Users, identity.TypeUser, u.Account, u.ID, u.Name, u)
	return u
}

func (w *world) group(name string, edit func(*identity.Group)) *identity.Group {
	w.Helper()
	g := &identity.Group{Account: home, ID: w.id(arn.PrefixGroup), Name: name, Path: "/", Created: noon}
	edit(g)
	put(w, identity.Groups, identity.TypeGroup, g.Account, g.ID, g.Name, g)
	return g
}

func (w *world) role(name string, edit func(*identity.Role)) *identity.Role {
	w.Helper()
	r := &identity.Role{Account: home, ID: w.id(arn.PrefixRole), Name: name, Path: "/", Created: noon, MaxSessionDuration: 3600}
	if edit != nil {
		edit(r)
	}
	put(w, identity.Roles, identity.TypeRole, r.Account, r.ID, r.Name, r)
	return r
}

// policy stores a customer managed policy and returns its ARN.
func (w *world) policy(name string, statements ...string) string {
	w.Helper()
	p := &identity.Policy{
		Account: home, ID: w.id(arn.PrefixPolicy), Name: name, Path: "/", Created: noon, Updated: noon,
		Default: 1, Last: 1, Versions: []identity.PolicyVersion{{Number: 1, Document: doc(statements...), Created: noon}},
	}
	put(w, identity.Policies, identity.TypePolicy, home, p.ID, p.Name, p)
	return p.ARN("aws")
}

// as is the principal of a user who signs with a long-term key.
func as(u *identity.User) *authn.Principal {
	name := u.ARN("aws")
	return &authn.Principal{Kind: authn.User, Account: u.Account, ID: u.ID, Name: u.Name, Path: u.Path, ARN: name, PrincipalARN: name, UserID: u.ID}
}

func root(account arn.AccountID) *authn.Principal {
	name := arn.Scope{Partition: "aws", Account: account}.Root()
	return &authn.Principal{Kind: authn.Root, Account: account, ID: string(account), ARN: name, PrincipalARN: name, UserID: string(account)}
}

// session is the principal of temporary credentials, as authn finds it.
func (w *world) session(s session.Session) *authn.Principal {
	w.Helper()
	w.ids++
	binary.BigEndian.PutUint64(s.ID[:], w.ids)
	s.Account = cmp.Or(s.Account, home)
	s.Issued, s.Expires = noon.Add(-time.Minute), noon.Add(time.Hour)
	var p *authn.Principal
	w.view(func(r store.Reader) {
		var err error
		if p, err = authn.OfSession(r, &s, "aws"); err != nil {
			w.Fatal(err)
		}
	})
	return p
}

func (w *world) roleSession(r *identity.Role, edit func(*session.Session)) *authn.Principal {
	w.Helper()
	s := session.Session{Kind: session.Role, PrincipalID: r.ID, Name: "ci", MFAKnown: true}
	if edit != nil {
		edit(&s)
	}
	return w.session(s)
}

func (w *world) federated(issuer *identity.User, edit func(*session.Session)) *authn.Principal {
	w.Helper()
	s := session.Session{Kind: session.Federated, PrincipalID: issuer.ID, Name: "bob"}
	if edit != nil {
		edit(&s)
	}
	return w.session(s)
}

func (w *world) ask(p *authn.Principal, check authz.Check) (result authz.Result, err error) {
	w.Helper()
	w.view(func(r store.Reader) { result, err = w.authz.Decide(r, p, &check, &w.env) })
	return result, err
}

func (w *world) decide(p *authn.Principal, check authz.Check) authz.Result {
	w.Helper()
	result, err := w.ask(p, check)
	if err != nil {
		w.Fatalf("%s by %s: %v", check.Action, p.ARN, err)
	}
	return result
}

// onRecord is decide with what the trail keeps of it.
func (w *world) onRecord(p *authn.Principal, check authz.Check) (result authz.Result, record *audit.Decision) {
	w.Helper()
	w.view(func(r store.Reader) {
		var err error
		if result, record, err = w.authz.DecideOnRecord(r, p, &check, &w.env); err != nil {
			w.Fatalf("%s by %s: %v", check.Action, p.ARN, err)
		}
	})
	return result, record
}

// may and mayNot expect an answer to "action on *".
func (w *world) may(p *authn.Principal, action string) {
	w.Helper()
	if d := w.decide(p, authz.Check{Action: action}); !d.Allowed {
		w.Errorf("%s may not %s: %s", p.ARN, action, d.Message)
	}
}

func (w *world) mayNot(p *authn.Principal, action string) {
	w.Helper()
	if d := w.decide(p, authz.Check{Action: action}); d.Allowed {
		w.Errorf("%s may %s by %v", p.ARN, action, d.Source)
	}
}

func (w *world) trace(p *authn.Principal, check authz.Check) (trace *policy.Trace) {
	w.Helper()
	w.view(func(r store.Reader) {
		var err error
		if trace, err = w.authz.Explain(r, p, &check, &w.env); err != nil {
			w.Fatal(err)
		}
	})
	return trace
}

// resourcePolicy compiles the policy of a resource.
func (w *world) resourcePolicy(statements ...string) *policy.Set {
	w.Helper()
	d, err := policy.Parse(doc(statements...), policy.ResourcePolicy)
	if err != nil {
		w.Fatal(err)
	}
	return policy.NewSet([]policy.Attached{{Source: policy.Source{Type: policy.SourceResource, ID: "bucket policy"}, Document: d}})
}
