package authz_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

func TestUserAndRolePolicies(t *testing.T) {
	w := newWorld(t)
	managed := w.policy("Managed", allow("sqs:SendMessage"))
	devs := w.group("devs", func(g *identity.Group) {
		g.Inline = inline(allow("s3:GetObject"))
		g.Attached = []string{"arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"}
	})
	alice := as(w.user("alice", func(u *identity.User) {
		u.Groups = []string{devs.ID}
		u.Inline = inline(allow("ec2:StartInstances"))
		u.Attached = []string{managed}
	}))
	for _, action := range []string{"s3:GetObject", "dynamodb:PutItem", "ec2:StartInstances", "sqs:SendMessage"} {
		w.may(alice, action)
	}
	w.mayNot(alice, "s3:PutObject")

	app := w.roleSession(w.role("app", func(r *identity.Role) {
		r.Inline = inline(allow("s3:*"))
		r.Attached = []string{managed}
	}), nil)
	w.may(app, "s3:PutObject")
	w.may(app, "sqs:SendMessage")
	w.mayNot(app, "ec2:StartInstances")
}

// TestT078_NextRequestSeesTheChange: whatever a decision was made from, a change of
// it is seen by the next decision. Each case begins with alice's allowed request in
// the cache, changes one record, and expects a denial; undo expects the first answer.
func TestT078_NextRequestSeesTheChange(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(w *world, tx store.Tx) error
	}{
		{"deny added to the user", func(w *world, tx store.Tx) error {
			return editUser(tx, func(u *identity.User) { u.Inline = inline(deny("s3:*")) })
		}},
		{"deny added to the group", func(w *world, tx store.Tx) error {
			return identity.Groups.Edit(tx, func(g *identity.Group) error { g.Inline = inline(deny("s3:*")); return nil }, string(home), "devs")
		}},
		{"another default version", func(w *world, tx store.Tx) error {
			return identity.Policies.Edit(tx, func(p *identity.Policy) error {
				p.Versions = append(p.Versions, identity.PolicyVersion{Number: 2, Document: doc(allow("sqs:*")), Created: noon})
				p.Default, p.Last = 2, 2
				return nil
			}, string(home), "readers")
		}},
		{"policy detached from the group", func(w *world, tx store.Tx) error {
			return identity.Groups.Edit(tx, func(g *identity.Group) error { g.Attached = nil; return nil }, string(home), "devs")
		}},
		{"user removed from the group", func(w *world, tx store.Tx) error {
			return editUser(tx, func(u *identity.User) { u.Groups = nil })
		}},
		{"tag changed", func(w *world, tx store.Tx) error {
			return editUser(tx, func(u *identity.User) { u.Tags[0].Value = "red" })
		}},
		{"boundary set", func(w *world, tx store.Tx) error {
			return editUser(tx, func(u *identity.User) { u.Boundary = "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess" })
		}},
		{"boundary narrowed", func(w *world, tx store.Tx) error {
			return identity.Policies.Edit(tx, func(p *identity.Policy) error {
				p.Versions[0].Document = doc(allow("sqs:*"))
				return nil
			}, string(home), "limit")
		}},
		{"user deleted", func(w *world, tx store.Tx) error {
			id := w.userRecord(tx).ID
			identity.Users.Delete(tx, string(home), "alice")
			identity.Entities.Delete(tx, id)
			return nil
		}},
		{"user deleted and made again", func(w *world, tx store.Tx) error {
			u := *w.userRecord(tx)
			identity.Entities.Delete(tx, u.ID)
			u.ID = "AIDAANOTHERALICE00000"
			if err := identity.Entities.Put(tx, &identity.Entity{Account: home, Type: identity.TypeUser, Name: "alice"}, u.ID); err != nil {
				return err
			}
			return identity.Users.Put(tx, &u, string(home), "alice")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			readers := w.policy("Readers", `"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"blue"}}`)
			limit := w.policy("Limit", allow("s3:*"))
			devs := w.group("devs", func(g *identity.Group) { g.Attached = []string{readers} })
			alice := as(w.user("alice", func(u *identity.User) {
				u.Groups = []string{devs.ID}
				u.Tags = []identity.Tag{{Key: "team", Value: "blue"}}
				u.Boundary = limit
			}))
			w.may(alice, "s3:GetObject")
			w.may(alice, "s3:GetObject") // from the cache

			// Inside the transaction the change holds at once; outside it does not.
			check := authz.Check{Action: "s3:GetObject"}
			undone := errors.New("undone")
			err := w.store.Update(t.Context(), func(tx store.Tx) error {
				if err := tt.change(w, tx); err != nil {
					t.Fatal(err)
				}
				w.may(alice, "s3:GetObject")
				if d, err := w.authz.Decide(tx, alice, &check, &w.env); err != nil || d.Allowed {
					t.Errorf("in the transaction: %+v, %v; want a denial", d, err)
				}
				w.may(alice, "s3:GetObject")
				return undone
			})
			if !errors.Is(err, undone) {
				t.Fatal(err)
			}
			w.may(alice, "s3:GetObject")

			w.update(func(tx store.Tx) error {
				if d, err := w.authz.Decide(tx, alice, &check, &w.env); err != nil || !d.Allowed {
					t.Errorf("before the change: %+v, %v; want the first answer", d, err)
				}
				return tt.change(w, tx)
			})
			w.mayNot(alice, "s3:GetObject")
		})
	}
}

func editUser(tx store.Tx, edit func(*identity.User)) error {
	return identity.Users.Edit(tx, func(u *identity.User) error { edit(u); return nil }, string(home), "alice")
}

func (w *world) userRecord(r store.Reader) *identity.User {
	u, err := identity.FindUser(r, home, "alice")
	if err != nil {
		w.Fatal(err)
	}
	return u
}

// TestRenamedUserKeepsPolicies: a new name is a new record under the same id.
func TestRenamedUserKeepsPolicies(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice", func(u *identity.User) { u.Inline = inline(allow("s3:*")) })
	w.may(as(alice), "s3:GetObject")
	w.update(func(tx store.Tx) error {
		identity.Users.Delete(tx, string(home), "alice")
		alice.Name = "Alicia"
		if err := identity.Entities.Put(tx, &identity.Entity{Account: home, Type: identity.TypeUser, Name: "alicia"}, alice.ID); err != nil {
			return err
		}
		return identity.Users.Put(tx, alice, string(home), "alicia")
	})
	w.may(as(alice), "s3:GetObject")
	w.mayNot(as(alice), "sqs:SendMessage")
}

// TestRestoredStateIsSeen: the development server's reset replaces the whole state.
func TestRestoredStateIsSeen(t *testing.T) {
	w := newWorld(t)
	alice := as(w.user("alice", func(u *identity.User) { u.Inline = inline(allow("s3:*")) }))
	before, err := w.store.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	w.update(func(tx store.Tx) error {
		return editUser(tx, func(u *identity.User) { u.Inline = inline(deny("s3:*")) })
	})
	w.mayNot(alice, "s3:GetObject")
	if err := w.store.Restore(before); err != nil {
		t.Fatal(err)
	}
	w.may(alice, "s3:GetObject")
}

// TestChangesAndDecisionsTogether: decisions run while a deny comes and goes. A
// decision on a snapshot says what the snapshot says, never what another one said.
func TestChangesAndDecisionsTogether(t *testing.T) {
	w := newWorld(t)
	alice := as(w.user("alice", func(u *identity.User) { u.Inline = inline(allow("s3:*")) }))
	check := authz.Check{Action: "s3:GetObject"}
	var deciders sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		deciders.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				w.view(func(r store.Reader) {
					d, err := w.authz.Decide(r, alice, &check, &w.env)
					if want := len(w.userRecord(r).Inline) == 1; err != nil || d.Allowed != want {
						t.Errorf("allowed = %v, %v; the snapshot says %v", d.Allowed, err, want)
					}
				})
			}
		})
	}
	for i := range 300 {
		w.update(func(tx store.Tx) error {
			return editUser(tx, func(u *identity.User) {
				u.Inline = inline(allow("s3:*"))
				if i%2 == 0 {
					u.Inline = append(u.Inline, identity.InlinePolicy{Name: "stop", Document: doc(deny("*"))})
				}
			})
		})
	}
	close(done)
	deciders.Wait()
}

// TestFailsClosed: what cannot be read may have held a Deny, so that there is no
// answer at all, even where another policy allows.
func TestFailsClosed(t *testing.T) {
	const missing = "arn:aws:iam::111122223333:policy/missing"
	everything := inline(allow("*"))
	for _, tt := range []struct {
		name  string
		setUp func(w *world) *authn.Principal
		want  string
	}{
		{"user's policy missing", func(w *world) *authn.Principal {
			return as(w.user("alice", func(u *identity.User) { u.Inline, u.Attached = everything, []string{missing} }))
		}, missing},
		{"role's policy missing", func(w *world) *authn.Principal {
			return w.roleSession(w.role("app", func(r *identity.Role) { r.Inline, r.Attached = everything, []string{missing} }), nil)
		}, missing},
		{"group's policy missing", func(w *world) *authn.Principal {
			g := w.group("devs", func(g *identity.Group) { g.Attached = []string{missing} })
			return as(w.user("alice", func(u *identity.User) { u.Inline, u.Groups = everything, []string{g.ID} }))
		}, missing},
		{"boundary missing", func(w *world) *authn.Principal {
			return as(w.user("alice", func(u *identity.User) { u.Inline, u.Boundary = everything, missing }))
		}, missing},
		{"session policy missing", func(w *world) *authn.Principal {
			return w.roleSession(w.role("app", func(r *identity.Role) { r.Inline = everything }),
				func(s *session.Session) { s.PolicyARNs = []string{missing} })
		}, missing},
		{"unknown AWS managed policy", func(w *world) *authn.Principal {
			return as(w.user("alice", func(u *identity.User) {
				u.Inline, u.Attached = everything, []string{"arn:aws:iam::aws:policy/NoSuchThing"}
			}))
		}, "arn:aws:iam::aws:policy/NoSuchThing"},
		{"policy of that name under another path", func(w *world) *authn.Principal {
			w.policy("there", allow("*"))
			return as(w.user("alice", func(u *identity.User) {
				u.Inline, u.Attached = everything, []string{"arn:aws:iam::111122223333:policy/elsewhere/there"}
			}))
		}, "elsewhere/there"},
		{"not an ARN", func(w *world) *authn.Principal {
			return as(w.user("alice", func(u *identity.User) { u.Inline, u.Attached = everything, []string{"there"} }))
		}, "there"},
		{"group missing", func(w *world) *authn.Principal {
			return as(w.user("alice", func(u *identity.User) { u.Inline, u.Groups = everything, []string{"AGPA00000000000000000"} }))
		}, "AGPA00000000000000000"},
		{"record behind the id missing", func(w *world) *authn.Principal {
			p := as(w.user("alice", func(u *identity.User) { u.Inline = everything }))
			w.update(func(tx store.Tx) error { identity.Users.Delete(tx, string(home), "alice"); return nil })
			return p
		}, "AIDA"},
		{"record behind the id is another's", func(w *world) *authn.Principal {
			p := as(w.user("alice", func(u *identity.User) { u.Inline = everything }))
			w.update(func(tx store.Tx) error {
				return editUser(tx, func(u *identity.User) { u.ID = "AIDAANOTHERALICE00000" })
			})
			return p
		}, "AIDAANOTHERALICE00000"},
		{"unreadable document", func(w *world) *authn.Principal {
			return as(w.user("alice", func(u *identity.User) {
				u.Inline = append(inline(allow("*")), identity.InlinePolicy{Name: "torn", Document: `{"Version":"2012-10-17","Statement":[{"Eff`})
			}))
		}, "torn"},
		{"unreadable session policy", func(w *world) *authn.Principal {
			return w.roleSession(w.role("app", func(r *identity.Role) { r.Inline = everything }),
				func(s *session.Session) { s.Policy = "{" })
		}, "session policies"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			p := tt.setUp(w)
			for range 2 { // and so it stays
				result, err := w.ask(p, authz.Check{Action: "s3:GetObject"})
				if err == nil || result.Allowed || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("result %+v, error %v; want an error about %s", result, err, tt.want)
				}
			}
		})
	}
}

// TestDeletedPrincipalIsDenied: of somebody who was deleted after their request was
// authenticated nothing is left, not even what a resource's policy gave to their ARN.
func TestDeletedPrincipalIsDenied(t *testing.T) {
	w := newWorld(t)
	alice := as(w.user("alice", func(u *identity.User) { u.Inline = inline(allow("*")) }))
	bucket := authz.Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Account: home, ResourcePolicy: w.resourcePolicy(
		`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/alice"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"`)}
	if d := w.decide(alice, bucket); !d.Allowed {
		t.Fatal(d.Message)
	}
	w.update(func(tx store.Tx) error {
		identity.Users.Delete(tx, string(home), "alice")
		identity.Entities.Delete(tx, alice.ID)
		return nil
	})
	for range 2 {
		if d := w.decide(alice, bucket); d.Allowed {
			t.Errorf("a deleted user may read the bucket by %v", d.Source)
		}
		w.mayNot(alice, "s3:GetObject")
	}
}

func TestRoot(t *testing.T) {
	w := newWorld(t)
	w.may(root(home), "iam:DeleteUser")
	if d := w.decide(root(home), authz.Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Account: foreign}); d.Allowed {
		t.Error("root of one account may read the other's bucket")
	}
	denying := authz.Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Account: home, ResourcePolicy: w.resourcePolicy(
		`"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"`)}
	if d := w.decide(root(home), denying); d.Allowed {
		t.Error("root is above an explicit deny of the resource")
	}
	w.mayNot(&authn.Principal{Kind: authn.Anonymous}, "s3:GetObject")
}

// TestFederatedUser: the issuing user's policies and the session's, both.
func TestFederatedUser(t *testing.T) {
	w := newWorld(t)
	issuer := w.user("alice", func(u *identity.User) { u.Inline = inline(allow("s3:*"), allow("sqs:*")) })
	narrow := w.policy("narrow", allow("sqs:SendMessage"))

	none := w.federated(issuer, nil)
	w.mayNot(none, "s3:GetObject") // without session policies: nothing

	bob := w.federated(issuer, func(s *session.Session) {
		s.Policy, s.PolicyARNs = doc(allow("s3:GetObject"), allow("ec2:*")), []string{narrow}
	})
	w.may(bob, "s3:GetObject")
	w.may(bob, "sqs:SendMessage")
	w.mayNot(bob, "s3:PutObject")
	w.mayNot(bob, "ec2:StartInstances") // the issuer may not

	w.update(func(tx store.Tx) error {
		return editUser(tx, func(u *identity.User) { u.Inline = inline(allow("sqs:*")) })
	})
	w.mayNot(bob, "s3:GetObject")

	// Root's session: all that its policies allow.
	w.update(func(tx store.Tx) error { return identity.Accounts.Put(tx, &identity.Account{ID: home}, string(home)) })
	carol := w.session(session.Session{Kind: session.Federated, PrincipalID: string(home), Name: "carol", IssuerRoot: true, Policy: doc(allow("s3:GetObject"))})
	w.may(carol, "s3:GetObject")
	w.mayNot(carol, "s3:PutObject")
	w.mayNot(w.session(session.Session{Kind: session.Federated, PrincipalID: string(home), Name: "dan", IssuerRoot: true}), "s3:GetObject")
}

func TestT077_CacheKeys(t *testing.T) {
	// Users whose names and whose accounts' ids run into each other when joined.
	w := newWorld(t)
	for _, name := range []string{"a", "a\x00b", "a|b", "a:b", "b"} {
		u := w.user(name, func(u *identity.User) {
			u.Inline = inline(fmt.Sprintf(`"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::%x/*"`, name))
		})
		own := authz.Check{Action: "s3:GetObject", Resource: fmt.Sprintf("arn:aws:s3:::%x/k", name)}
		other := authz.Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::others/k"}
		if d := w.decide(as(u), own); !d.Allowed {
			t.Errorf("%q may not use their own bucket: %s", name, d.Message)
		}
		if d := w.decide(as(u), other); d.Allowed {
			t.Errorf("%q may use another's bucket by %v", name, d.Source)
		}
	}

	// One text means different things as policies of different kinds: as a trust
	// policy it lacks its principal.
	text := doc(allow("sts:AssumeRole"))
	p := as(w.user("carol", func(u *identity.User) { u.Inline = []identity.InlinePolicy{{Name: "x", Document: text}} }))
	w.may(p, "sts:AssumeRole")
	if _, err := w.authz.TrustPolicy(&identity.Role{Account: home, Name: "r", TrustPolicy: text}, "aws"); err == nil {
		t.Error("an identity-based policy was taken for a trust policy")
	}

	// Two sessions of one role differ by their session policies.
	r := w.role("app", func(r *identity.Role) { r.Inline = inline(allow("*")) })
	s3 := w.roleSession(r, func(s *session.Session) { s.Policy = doc(allow("s3:*")) })
	sqs := w.roleSession(r, func(s *session.Session) { s.Policy = doc(allow("sqs:*")) })
	for range 2 {
		w.may(s3, "s3:GetObject")
		w.mayNot(sqs, "s3:GetObject")
		w.may(sqs, "sqs:SendMessage")
		w.mayNot(s3, "sqs:SendMessage")
	}

	// The same role and user names in two accounts.
	ours := w.role("twin", func(r *identity.Role) { r.Inline = inline(allow("s3:*")) })
	theirs := w.role("twin", func(r *identity.Role) { r.Account, r.Inline = foreign, inline(allow("sqs:*")) })
	w.may(w.roleSession(ours, nil), "s3:GetObject")
	p = w.session(session.Session{Kind: session.Role, Account: foreign, PrincipalID: theirs.ID, Name: "ci"})
	w.may(p, "sqs:SendMessage")
	w.mayNot(p, "s3:GetObject")
}

// TestT110_ValuesStayLiteral: what a caller chose (names, tags, source identity)
// stands for itself in a policy variable, whatever characters it is made of.
func TestT110_ValuesStayLiteral(t *testing.T) {
	hostile := []string{"*", "?", "a*", "${aws:username}", "${*}", "$", "${aws:PrincipalTag/team}", "x/*"}
	for _, value := range hostile {
		w := newWorld(t)
		tagged := func(s *session.Session) {
			s.Tags = []identity.Tag{{Key: "team", Value: value}}
			s.SourceIdentity = value
		}
		p := w.roleSession(w.role("app", func(r *identity.Role) {
			r.Inline = inline(
				`"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/team}/k"`,
				`"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/${aws:SourceIdentity}/k"`,
				`"Effect":"Allow","Action":"s3:ListBucket","Resource":"*","Condition":{"StringLike":{"s3:prefix":"${aws:PrincipalTag/team}"}}`)
		}), tagged)
		for _, action := range []string{"s3:GetObject", "s3:PutObject"} {
			if d := w.decide(p, authz.On("arn:aws:s3:::b/"+value+"/k").WithAction(action)); !d.Allowed {
				t.Errorf("%s: the literal %q is not matched: %s", action, value, d.Message)
			}
			for _, other := range []string{"red", "app", "alice", "a", "ab", "x/y", ""} {
				if d := w.decide(p, authz.On("arn:aws:s3:::b/"+other+"/k").WithAction(action)); d.Allowed {
					t.Errorf("%s: %q matched %q", action, value, other)
				}
			}
		}
		if d := w.decide(p, authz.On("arn:aws:s3:::b").WithAction("s3:ListBucket").With("s3:prefix", "home")); d.Allowed {
			t.Errorf("StringLike: the tag value %q matched home", value)
		}
	}
}

// TestT115_SessionPoliciesNeverWiden also covers boundaries, and what a resource's
// policy says for the session, the role and the account.
func TestT115_SessionPoliciesNeverWiden(t *testing.T) {
	w := newWorld(t)
	limit := w.policy("limit", allow("s3:GetObject"), allow("sqs:*"))
	r := w.role("app", func(r *identity.Role) {
		r.Path = "/team/"
		r.Inline = inline(allow("s3:GetObject"), allow("s3:PutObject"))
		r.Boundary = limit
	})
	full := w.roleSession(r, nil)
	w.may(full, "s3:GetObject")
	w.mayNot(full, "s3:PutObject") // the boundary is narrower
	w.mayNot(full, "sqs:SendMessage")

	wide := w.roleSession(r, func(s *session.Session) { s.Policy = doc(allow("*")) })
	w.may(wide, "s3:GetObject")
	w.mayNot(wide, "s3:PutObject")
	w.mayNot(wide, "sqs:SendMessage")

	narrow := w.roleSession(r, func(s *session.Session) { s.PolicyARNs = []string{"arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"} })
	w.mayNot(narrow, "s3:GetObject")
	w.mayNot(narrow, "dynamodb:GetItem")

	for _, tt := range []struct {
		principal    string
		full, narrow bool
	}{
		{"arn:aws:sts::111122223333:assumed-role/app/ci", true, true}, // the session itself
		{"arn:aws:iam::111122223333:role/team/app", true, false},      // the role: limited by boundary and session policy
		{"111122223333", true, false},                                 // the account: its own policies decide
	} {
		check := authz.Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Account: home, ResourcePolicy: w.resourcePolicy(
			`"Effect":"Allow","Principal":{"AWS":"` + tt.principal + `"},"Action":"s3:*","Resource":"*"`)}
		if d := w.decide(full, check); d.Allowed != tt.full {
			t.Errorf("%s, full session: %v %s", tt.principal, d.Allowed, d.Message)
		}
		if d := w.decide(narrow, check); d.Allowed != tt.narrow {
			t.Errorf("%s, narrow session: %v %s", tt.principal, d.Allowed, d.Message)
		}
	}
}

// TestT116_BothSides: in an account one side suffices, across accounts both must
// allow; a role's trust policy must always.
func TestT116_BothSides(t *testing.T) {
	w := newWorld(t)
	yes := as(w.user("yes", func(u *identity.User) { u.Inline = inline(allow("s3:GetObject"), allow("sts:AssumeRole")) }))
	no := as(w.user("no", nil))
	silent := w.resourcePolicy(`"Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"s3:*","Resource":"*"`)
	names := w.resourcePolicy(`"Effect":"Allow","Principal":{"AWS":["` + yes.ARN + `","` + no.ARN + `"]},"Action":"s3:*","Resource":"*"`)
	for _, tt := range []struct {
		name  string
		p     *authn.Principal
		owner string
		res   *policy.Set
		want  bool
	}{
		{"same account, identity only", yes, "111122223333", silent, true},
		{"same account, resource only", no, "111122223333", names, true},
		{"same account, neither", no, "111122223333", silent, false},
		{"cross-account, identity only", yes, "444455556666", silent, false},
		{"cross-account, no resource policy", yes, "444455556666", nil, false},
		{"cross-account, resource only", no, "444455556666", names, false},
		{"cross-account, both", yes, "444455556666", names, true},
	} {
		check := authz.Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Account: foreign, ResourcePolicy: tt.res}
		if tt.owner == string(home) {
			check.Account = home
		}
		if d := w.decide(tt.p, check); d.Allowed != tt.want {
			t.Errorf("%s: allowed = %v, want %v: %s", tt.name, d.Allowed, tt.want, d.Message)
		}
	}

	trusting := func(principal string) *identity.Role {
		return &identity.Role{Account: home, Name: "app", Path: "/", TrustPolicy: doc(`"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"`)}
	}
	for _, tt := range []struct {
		name string
		p    *authn.Principal
		role *identity.Role
		want bool
	}{
		{"trusted account, identity allows", yes, trusting("111122223333"), true},
		{"trusted account, identity silent", no, trusting("111122223333"), false},
		{"trusted user", no, trusting(no.ARN), true},
		{"another trusted", yes, trusting(no.ARN), false},
	} {
		trust, err := w.authz.TrustPolicy(tt.role, "aws")
		if err != nil {
			t.Fatal(err)
		}
		check := authz.Check{Action: "sts:AssumeRole", Resource: tt.role.ARN("aws"), ResourcePolicy: trust, Trust: true, Short: true}
		d := w.decide(tt.p, check)
		if d.Allowed != tt.want {
			t.Errorf("%s: allowed = %v, want %v", tt.name, d.Allowed, tt.want)
		}
		if want := "User: " + tt.p.ARN + " is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/app"; !tt.want && d.Message != want {
			t.Errorf("%s: message %q, want %q", tt.name, d.Message, want)
		}
	}
}

// TestPinnedTrust: a trust policy that names a user means the one there was when it
// was saved.
func TestPinnedTrust(t *testing.T) {
	w := newWorld(t)
	alice := as(w.user("alice", nil))
	role := &identity.Role{
		Account: home, Name: "app", Path: "/", TrustPins: identity.Pins{alice.ARN: alice.ID},
		TrustPolicy: doc(`"Effect":"Allow","Principal":{"AWS":"` + alice.ARN + `"},"Action":"sts:AssumeRole"`),
	}
	trust, err := w.authz.TrustPolicy(role, "aws")
	if err != nil {
		t.Fatal(err)
	}
	check := authz.Check{Action: "sts:AssumeRole", Resource: role.ARN("aws"), ResourcePolicy: trust, Trust: true}
	if d := w.decide(alice, check); !d.Allowed {
		t.Error(d.Message)
	}
	w.update(func(tx store.Tx) error { identity.Entities.Delete(tx, alice.ID); return nil })
	if d := w.decide(as(w.user("alice", nil)), check); d.Allowed {
		t.Error("another alice is trusted")
	}
}

// TestT123_ManyPolicies: a user with all that the quotas permit and more is decided
// about without an allocation, and compiling grows with what is attached, not with
// its square.
func TestT123_ManyPolicies(t *testing.T) {
	compile := func(groups int) float64 {
		w := newWorld(t)
		p := w.userInGroups(groups, 10)
		check := authz.Check{Action: "s3:GetObject", Resource: fmt.Sprintf("arn:aws:s3:::team-%d/report.csv", groups-1)}
		if d := w.decide(p, check); !d.Allowed {
			t.Fatal(d.Message)
		}
		w.view(func(r store.Reader) {
			n := testing.AllocsPerRun(100, func() {
				if d, err := w.authz.Decide(r, p, &check, &w.env); err != nil || !d.Allowed {
					t.Fatal(err, d.Message)
				}
			})
			if n > 0 && !raceEnabled {
				t.Errorf("a decision over %d policies allocates %v times", groups*11, n)
			}
		})
		return testing.AllocsPerRun(5, func() {
			err := w.store.Update(context.Background(), func(tx store.Tx) error {
				if err := editUser(tx, func(u *identity.User) { u.Tags = append(u.Tags, identity.Tag{Key: fmt.Sprint(len(u.Tags))}) }); err != nil {
					return err
				}
				_, err := w.authz.Decide(tx, p, &check, &w.env)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	if ten, forty := compile(10), compile(40); forty > 6*ten {
		t.Errorf("compiling four times the policies allocates %v times, against %v", forty, ten)
	}
}

// TestT292_NarrowSessionStaysNarrow: a session's policies hold for what it does to
// itself and its own role, too.
func TestT292_NarrowSessionStaysNarrow(t *testing.T) {
	w := newWorld(t)
	r := w.role("admin", func(r *identity.Role) { r.Attached = []string{"arn:aws:iam::aws:policy/AdministratorAccess"} })
	issuer := w.user("alice", func(u *identity.User) { u.Attached = r.Attached })
	narrow := doc(allow("s3:GetObject"))
	for _, p := range []*authn.Principal{
		w.roleSession(r, func(s *session.Session) { s.Policy = narrow }),
		w.federated(issuer, func(s *session.Session) { s.Policy = narrow }),
	} {
		w.may(p, "s3:GetObject")
		for action, resource := range map[string]string{
			"iam:CreateAccessKey":  issuer.ARN("aws"),
			"iam:PutRolePolicy":    r.ARN("aws"),
			"iam:AttachRolePolicy": r.ARN("aws"),
			"sts:AssumeRole":       r.ARN("aws"),
			"sts:GetSessionToken":  "*",
		} {
			d := w.decide(p, authz.On(resource).WithAction(action))
			want := "User: " + p.ARN + " is not authorized to perform: " + action + " on resource: " + resource +
				" because no session policy allows the " + action + " action"
			if d.Allowed || d.Message != want {
				t.Errorf("%s: allowed = %v, message %q, want %q", action, d.Allowed, d.Message, want)
			}
		}
	}
}

// TestT300_OtherAccount: a wide permission ends at the account's border, where the
// account is the resource's owner, not a part of its name.
func TestT300_OtherAccount(t *testing.T) {
	w := newWorld(t)
	admin := w.roleSession(w.role("admin", func(r *identity.Role) { r.Attached = []string{"arn:aws:iam::aws:policy/AdministratorAccess"} }), nil)
	for _, p := range []*authn.Principal{admin, root(home)} {
		d := w.decide(p, authz.Check{Action: "iam:DeleteUser", Resource: "arn:aws:iam::444455556666:user/bob", Account: foreign})
		if d.Allowed || d.Layer != policy.LayerResource {
			t.Errorf("%s: allowed = %v in layer %v", p.ARN, d.Allowed, d.Layer)
		}
	}
}

// TestPolicyARNOfDenial: an explicit deny names the managed policy it stands in.
func TestPolicyARNOfDenial(t *testing.T) {
	w := newWorld(t)
	guard := w.policy("guard", deny("s3:*"))
	alice := as(w.user("alice", func(u *identity.User) { u.Inline, u.Attached = inline(allow("*")), []string{guard} }))
	d, record := w.onRecord(alice, authz.On("arn:aws:s3:::b/k").WithAction("s3:GetObject"))
	want := "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::b/k" +
		" with an explicit deny in an identity-based policy: arn:aws:iam::111122223333:policy/guard"
	if d.Message != want {
		t.Errorf("message %q\nwant    %q", d.Message, want)
	}
	if record.Allowed || record.Policy != guard || record.Owner != "user/alice" || record.Index != 1 {
		t.Errorf("record %+v", record)
	}
}
