package authz_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// manyRoles is how many roles the large account of the benchmarks has; short runs
// make do with fewer.
func manyRoles() int {
	if testing.Short() {
		return 2_000
	}
	return 100_000
}

// benchTrust, benchInline and benchManaged are documents as people write them.
// Those of each role differ, so that no two roles share a compiled document.
func benchTrust(i int) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/deployer-%06d"},"Action":"sts:AssumeRole"}]}`, i)
}

func benchInline(i int) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":"Data","Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::app-%06d/*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}]}`, i)
}

const benchManaged = `{"Version":"2012-10-17","Statement":[` +
	`{"Sid":"Logs","Effect":"Allow","Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":"arn:aws:logs:*:*:log-group:/app/*"},` +
	`{"Sid":"OnlyOverTLS","Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`

// loadRoles fills the world with an account of n roles, each with a trust policy
// and an inline policy of its own and one of 200 managed policies attached, with
// the index rows that the IAM API keeps beside them. It returns their ids.
func (w *world) loadRoles(n int) []string {
	w.Helper()
	ids := make([]string, n)
	policies := make([]string, 200)
	w.update(func(tx store.Tx) error {
		for i := range policies {
			p := identity.Policy{
				Account: home, ID: w.id(arn.PrefixPolicy), Name: fmt.Sprintf("Shared-%03d", i), Path: "/", Created: noon, Updated: noon,
				Default: 1, Last: 1, Versions: []identity.PolicyVersion{{Number: 1, Document: benchManaged, Created: noon}},
			}
			policies[i] = p.ARN("aws")
			if err := identity.Policies.Put(tx, &p, string(home), identity.Fold(p.Name)); err != nil {
				return err
			}
		}
		for i := range n {
			r := identity.Role{
				Account: home, ID: w.id(arn.PrefixRole), Name: fmt.Sprintf("app-role-%06d", i), Path: "/", Created: noon, MaxSessionDuration: 3600,
				TrustPolicy: benchTrust(i), Attached: []string{policies[i%len(policies)]},
				Inline: []identity.InlinePolicy{{Name: "data", Document: benchInline(i)}},
			}
			ids[i] = r.ID
			name := identity.Fold(r.Name)
			if err := identity.Roles.Put(tx, &r, string(home), name); err != nil {
				return err
			}
			if err := identity.Entities.Put(tx, &identity.Entity{Account: home, Type: identity.TypeRole, Name: name}, r.ID); err != nil {
				return err
			}
			attachment := identity.Attachment{Name: name}
			if err := identity.Attachments.Put(tx, &attachment, string(home), r.Attached[0], string(identity.AsPermissions), string(identity.TypeRole), r.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return ids
}

// benchSession is the session of a role made by loadRoles.
func (w *world) benchSession(r store.Reader, id string) *authn.Principal {
	p, err := authn.OfSession(r, &session.Session{
		Kind: session.Role, Account: home, PrincipalID: id, Name: "ci", Issued: noon, MFAKnown: true,
	}, "aws")
	if err != nil {
		w.Fatal(err)
	}
	return p
}

// benchCheck is the question whose answer depends on the role: its own bucket.
func benchCheck(i int) *authz.Check {
	return &authz.Check{Action: "s3:GetObject", Resource: fmt.Sprintf("arn:aws:s3:::app-%06d/reports/2026/11.csv", i)}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkRolesMemory reports what a role costs in memory once it was used:
// its record and index rows, its trust policy and its permissions compiled, and
// what is cached for the next decision.
func BenchmarkRolesMemory(b *testing.B) {
	n := manyRoles()
	for b.Loop() {
		before := heap()
		w := newWorld(b)
		ids := w.loadRoles(n)
		loaded := heap()
		w.view(func(r store.Reader) {
			for i, id := range ids {
				d, err := w.authz.Decide(r, w.benchSession(r, id), benchCheck(i), &w.env)
				if err != nil || !d.Allowed {
					b.Fatalf("role %d: %v %s", i, err, d.Message)
				}
			}
		})
		decided := heap()
		w.view(func(r store.Reader) {
			for _, id := range ids {
				role, err := identity.RoleByID(r, id)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := w.authz.TrustPolicy(role, "aws"); err != nil {
					b.Fatal(err)
				}
			}
		})
		assumed := heap()
		b.ReportMetric(float64(loaded-before)/float64(n), "B/role-stored")
		b.ReportMetric(float64(decided-before)/float64(n), "B/role-decided")
		b.ReportMetric(float64(assumed-before)/float64(n), "B/role-assumed")
		runtime.KeepAlive(w)
		w.store.Close()
	}
}

// BenchmarkRolesDecide finds a random role of the large account by its id, as the
// session of a request names it, and decides what the session asks.
func BenchmarkRolesDecide(b *testing.B) {
	w := newWorld(b)
	ids := w.loadRoles(manyRoles())
	resources := make([]string, len(ids))
	w.view(func(r store.Reader) {
		for i, id := range ids {
			check := benchCheck(i)
			resources[i] = check.Resource
			if d, err := w.authz.Decide(r, w.benchSession(r, id), check, &w.env); err != nil || !d.Allowed {
				b.Fatalf("role %d: %v %s", i, err, d.Message)
			}
		}
	})
	for _, bench := range []struct {
		name   string
		lookUp bool
	}{{"decide", false}, {"lookup+decide", true}} {
		b.Run(bench.name, func(b *testing.B) {
			random := rand.New(rand.NewPCG(1, 2))
			check := authz.Check{Action: "s3:GetObject"}
			p := authn.Principal{
				Kind: authn.AssumedRole, Account: home, Name: "app", Path: "/", ARN: "arn:aws:sts::111122223333:assumed-role/app/ci",
				PrincipalARN: "arn:aws:iam::111122223333:role/app", Session: &session.Session{Kind: session.Role, Name: "ci", Issued: noon, MFAKnown: true},
			}
			b.ReportAllocs()
			w.view(func(r store.Reader) {
				for b.Loop() {
					i := random.IntN(len(ids))
					p.ID, check.Resource = ids[i], resources[i]
					if bench.lookUp {
						role, err := identity.RoleByID(r, p.ID)
						if err != nil {
							b.Fatal(err)
						}
						p.Name, p.Tags = role.Name, role.Tags
					}
					if d, err := w.authz.Decide(r, &p, &check, &w.env); err != nil || !d.Allowed {
						b.Fatal(err, d.Message)
					}
				}
			})
		})
	}
}

// BenchmarkUserInGroups decides for a user whose permission comes from the last of
// three groups, each with an inline and a managed policy.
func BenchmarkUserInGroups(b *testing.B) {
	w := newWorld(b)
	p := w.userInGroups(3, 1)
	check := authz.Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::team-2/report.csv"}
	if d := w.decide(p, check); !d.Allowed {
		b.Fatal(d.Message)
	}
	b.ReportAllocs()
	w.view(func(r store.Reader) {
		for b.Loop() {
			if _, err := w.authz.Decide(r, p, &check, &w.env); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// userInGroups is a user in groups, each with an inline policy and attached
// managed policies of its own.
func (w *world) userInGroups(groups, attached int) *authn.Principal {
	w.Helper()
	var in []string
	for i := range groups {
		in = append(in, w.group(fmt.Sprintf("team-%d", i), func(g *identity.Group) {
			g.Inline = inline(fmt.Sprintf(`"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::team-%d/*","Condition":{"Bool":{"aws:SecureTransport":"true"}}`, i))
			for j := range attached {
				g.Attached = append(g.Attached, w.policy(fmt.Sprintf("team-%d-%d", i, j),
					fmt.Sprintf(`"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:Query"],"Resource":"arn:aws:dynamodb:*:111122223333:table/team-%d-%d"`, i, j)))
			}
		}).ID)
	}
	return as(w.user("alice", func(u *identity.User) {
		u.Groups = in
		u.Inline = inline(`"Effect":"Allow","Action":"iam:ChangePassword","Resource":"arn:aws:iam::111122223333:user/${aws:username}"`)
	}))
}

// BenchmarkCompile gathers and compiles the policies of the user anew, as after
// every change to them: the documents are known, their combination is not.
func BenchmarkCompile(b *testing.B) {
	w := newWorld(b)
	p := w.userInGroups(10, 10)
	check := authz.Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::team-9/report.csv"}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		err := w.store.Update(context.Background(), func(tx store.Tx) error {
			err := identity.Users.Edit(tx, func(u *identity.User) error {
				u.Tags = []identity.Tag{{Key: "n", Value: fmt.Sprint(n)}}
				return nil
			}, string(home), "alice")
			if err != nil {
				return err
			}
			_, err = w.authz.Decide(tx, p, &check, &w.env)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
