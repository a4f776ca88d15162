package authz_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

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

// benchTrust and benchInline are documents as people write them. Those of each role
// differ, so that no two roles share a compiled document.
func benchTrust(i int) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/deployer-%06d"},"Action":"sts:AssumeRole"}]}`, i)
}

func benchInline(i int) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":"Data","Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::app-%06d/*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}]}`, i)
}

// benchRoleID is the unique id of a role: 17 characters that, as AWS's, do not grow
// with the time of creation.
func benchRoleID(i int) string {
	return fmt.Sprintf("%s%017d", arn.PrefixRole, uint64(i)*0x9e3779b97f4a7c15%1e17)
}

func benchResource(i int) string { return fmt.Sprintf("arn:aws:s3:::app-%06d/reports/2026/11.csv", i) }

// loadRoles fills the world with an account of n roles, each with a trust policy
// and an inline policy of its own and one of 200 managed policies attached, with
// the index rows that the IAM API keeps beside them.
func (w *world) loadRoles(n int) {
	w.Helper()
	policies := make([]string, 200)
	for i := range policies {
		policies[i] = w.policy(fmt.Sprintf("Shared-%03d", i),
			`"Sid":"Logs","Effect":"Allow","Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":"arn:aws:logs:*:*:log-group:/app/*"`,
			`"Sid":"OnlyOverTLS","Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}`)
	}
	role := func(tx store.Tx, i int) error {
		r := identity.Role{
			Account: home, ID: benchRoleID(i), Name: fmt.Sprintf("app-role-%06d", i), Path: "/", Created: noon, MaxSessionDuration: 3600,
			TrustPolicy: benchTrust(i), Attached: []string{policies[i%len(policies)]},
			Inline: []identity.InlinePolicy{{Name: "data", Document: benchInline(i)}},
		}
		name := identity.Fold(r.Name)
		if err := identity.Roles.Put(tx, &r, string(home), name); err != nil {
			return err
		}
		if err := identity.Entities.Put(tx, &identity.Entity{Account: home, Type: identity.TypeRole, Name: name}, r.ID); err != nil {
			return err
		}
		return identity.Attachments.Put(tx, &identity.Attachment{}, string(home), r.Attached[0], string(identity.AsPermissions), string(identity.TypeRole), r.ID)
	}
	const perTransaction = 1000
	for i := 0; i < n; i += perTransaction {
		w.update(func(tx store.Tx) error {
			for j := i; j < min(i+perTransaction, n); j++ {
				if err := role(tx, j); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// decideAll lets a session of every role use its bucket.
func (w *world) decideAll(n int) {
	w.Helper()
	w.view(func(r store.Reader) {
		for i := range n {
			check := authz.Check{Action: "s3:GetObject", Resource: benchResource(i)}
			if d, err := w.authz.Decide(r, w.benchSession(r, benchRoleID(i)), &check, &w.env); err != nil || !d.Allowed {
				w.Fatalf("role %d: %v %s", i, err, d.Message)
			}
		}
	})
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
		w.loadRoles(n)
		loaded := heap()
		w.decideAll(n)
		decided := heap()
		w.view(func(r store.Reader) {
			for i := range n {
				role, err := identity.RoleByID(r, benchRoleID(i))
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

// BenchmarkRolesDecide decides what the session of a random role of the large account
// asks: the policies are found by the role's id, as the session names it. With
// "lookup", the role's record is found, too, as it is when a session is believed.
//
// Times are medians of batches, for other work disturbs most means. What belongs to
// a random role has to come from main memory, so beside them stands what one read of
// it takes, if it depends on the one before, in a block of about the same size.
func BenchmarkRolesDecide(b *testing.B) {
	w := newWorld(b)
	n := manyRoles()
	w.loadRoles(n)
	w.decideAll(n)
	memory, at := randomCycle(1<<24), int64(0)
	allIDs, allResources, touched := make([]string, n), make([]string, n), 0
	for i := range n {
		allIDs[i], allResources[i] = benchRoleID(i), benchResource(i)
	}
	for _, bench := range []struct {
		name   string
		lookUp bool
	}{{"decide", false}, {"lookup+decide", true}} {
		b.Run(bench.name, func(b *testing.B) {
			// What a request brings (ids, names) was read just now: it is touched a
			// batch at a time, so that it is not what has to be fetched from memory.
			const batch = 64
			var ids, resources [batch]string
			random := rand.New(rand.NewPCG(1, 2))
			check := authz.Check{Action: "s3:GetObject"}
			p := authn.Principal{
				Kind: authn.AssumedRole, Account: home, Name: "app", Path: "/", ARN: "arn:aws:sts::111122223333:assumed-role/app/ci",
				PrincipalARN: "arn:aws:iam::111122223333:role/app", Session: &session.Session{Kind: session.Role, Name: "ci", Issued: noon, MFAKnown: true},
			}
			decisions, reads := make([]time.Duration, 0, b.N/batch+1), make([]time.Duration, 0, b.N/batch+1)
			w.view(func(r store.Reader) {
				b.ReportAllocs()
				for done := 0; done < b.N; done += batch {
					for i := range batch {
						role := random.IntN(n)
						ids[i], resources[i] = allIDs[role], allResources[role]
						for _, s := range [...]string{ids[i], resources[i]} {
							touched += int(s[0]) + int(s[len(s)-1])
						}
					}
					start := time.Now()
					for i := range batch {
						p.ID, check.Resource = ids[i], resources[i]
						if bench.lookUp {
							role, err := w.authz.RoleByID(r, p.ID)
							if err != nil {
								b.Fatal(err)
							}
							p.Name, p.Tags = role.Name, role.Tags
						}
						if d, err := w.authz.Decide(r, &p, &check, &w.env); err != nil || !d.Allowed {
							b.Fatal(err, d.Message)
						}
					}
					decisions = append(decisions, time.Since(start)/batch)
					start = time.Now()
					for range batch {
						at = memory[at]
					}
					reads = append(reads, time.Since(start)/batch)
				}
			})
			slices.Sort(decisions)
			slices.Sort(reads)
			b.ReportMetric(float64(decisions[len(decisions)/2]), "ns/op")
			b.ReportMetric(float64(reads[len(reads)/2]), "ns/memory-read")
			if at < 0 || touched < 0 { // never; but they have to be computed
				b.Fatal(at, touched)
			}
		})
	}
}

// randomCycle is a cycle through all elements of a slice, in random order (Sattolo).
func randomCycle(n int) []int64 {
	random := rand.New(rand.NewPCG(3, 4))
	next := make([]int64, n)
	for i := range next {
		next[i] = int64(i)
	}
	for i := n - 1; i > 0; i-- {
		j := random.IntN(i)
		next[i], next[j] = next[j], next[i]
	}
	return next
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

// BenchmarkOnRecord is BenchmarkUserInGroups with the record of the decision, for a
// statement with a condition, whose value is kept, and for one without.
func BenchmarkOnRecord(b *testing.B) {
	w := newWorld(b)
	p := w.userInGroups(3, 1)
	for _, bench := range []struct {
		name  string
		check authz.Check
	}{
		{"condition", authz.Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::team-2/report.csv"}},
		{"sole", authz.Check{Action: "dynamodb:Query", Resource: "arn:aws:dynamodb:eu-central-1:111122223333:table/team-2-0"}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			w.view(func(r store.Reader) {
				for b.Loop() {
					if d, _, err := w.authz.DecideOnRecord(r, p, &bench.check, &w.env); err != nil || !d.Allowed {
						b.Fatal(d.Message, err)
					}
				}
			})
		})
	}
}
