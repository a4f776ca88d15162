package iam

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// A large account: 100,000 users with a key each, and 10,000 roles with documents.
const (
	manyUsers = 100_000
	manyRoles = 10_000
)

// company puts users and roles into the store.
func (w *world) company(users, roles int) {
	w.t.Helper()
	w.crowd(users)
	trust := trusting(string(ours))
	for from := 0; from < roles; from += 1000 {
		w.edit(func(tx store.Tx) error {
			for i := from; i < min(roles, from+1000); i++ {
				name := fmt.Sprintf("role%06d", i)
				inline := []identity.InlinePolicy{{Name: "own", Document: allow("s3:GetObject", "arn:aws:s3:::"+name+"/"+strings.Repeat("x", 200))}}
				role := &identity.Role{Account: ours, ID: fmt.Sprintf("AROA%017d", i), Name: name, Path: "/", Created: w.now, MaxSessionDuration: 3600, TrustPolicy: trust, Inline: inline}
				if err := identity.Roles.Put(tx, role, string(ours), name); err != nil {
					return err
				}
				if err := identity.Entities.Put(tx, &identity.Entity{Account: ours, Type: identity.TypeRole, Name: name}, role.ID); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// rootCall is a Call of the root user in a snapshot.
func (w *world) rootCall(r store.Reader) *service.Call {
	return &service.Call{Now: w.now, Principal: w.root().p, Scope: arn.Scope{Partition: "aws", Account: ours}, Reader: r}
}

// walk reads all details, page by page, and calls page after each, with the number of
// entities on it.
func (w *world) walk(size int32, page func(entities int)) {
	w.t.Helper()
	in := &iam.GetAccountAuthorizationDetailsInput{MaxItems: &size}
	for {
		var out *iam.GetAccountAuthorizationDetailsOutput
		w.view(func(r store.Reader) (err error) {
			out, err = w.iam.GetAccountAuthorizationDetails(w.rootCall(r), in)
			return err
		})
		page(len(out.UserDetailList) + len(out.GroupDetailList) + len(out.RoleDetailList) + len(out.Policies))
		if in.Marker = out.Marker; !out.IsTruncated {
			return
		}
	}
}

// heap is what lives, in bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC() // and what the first one only made ready
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Reading all of an account in pages leaves nothing behind, and no page grows with the
// account: a second walk needs no more memory than the first has left.
func TestDetailsOfALargeAccountAreReadInBoundedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	w := newWorld(t)
	w.company(10_000, 2_000)
	seen := 0
	w.walk(1000, func(n int) { seen += n }) // decodes the records, which stay decoded
	if seen != 12_000 {
		t.Fatalf("%d of 12000 entities", seen)
	}
	const most = 8 << 20 // a page of 1,000, and what the collector has not seen yet
	before, pages := heap(), 0
	w.walk(1000, func(n int) {
		if pages++; n > 1000 {
			t.Errorf("a page of %d", n)
		}
		if pages%4 == 0 {
			if grown := heap() - before; grown > most {
				t.Errorf("after %d pages %d bytes more live", pages, grown)
			}
		}
	})
	if pages < 12 {
		t.Errorf("%d pages", pages)
	}
}

// Making the report of a large account does not hold its text, of which there are some
// 200 bytes a user.
func TestCredentialReportIsMadeInBoundedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	w := newWorld(t)
	w.crowd(20_000)
	call := func() (m *identity.CredentialReportWriter) {
		w.view(func(r store.Reader) (err error) {
			m, err = makeReport(w.rootCall(r))
			return err
		})
		return m
	}
	first := call() // decodes the records, which stay decoded
	before := heap()
	kept := call()
	if grown := heap() - before; grown > int64(first.Bytes)/4 {
		t.Errorf("a report of %d bytes is %d bytes in memory", first.Bytes, grown)
	}
	runtime.KeepAlive(kept)
	runtime.KeepAlive(first)
}

// A page of 100 users, from the middle of 100,000.
func BenchmarkListUsersOf100000(b *testing.B) {
	w := newWorld(b)
	w.crowd(manyUsers)
	in := &iam.ListUsersInput{PathPrefix: aws.String("/")}
	in.Marker = aws.String(w.markerAt(in, fmt.Sprintf("user%06d", manyUsers/2)))
	b.ReportAllocs()
	for b.Loop() {
		w.view(func(r store.Reader) error {
			out, err := w.iam.ListUsers(w.rootCall(r), in)
			if err == nil && len(out.Users) != 100 {
				b.Fatalf("%d users", len(out.Users))
			}
			return err
		})
	}
}

// markerAt walks to a place in the list of users.
func (w *world) markerAt(in *iam.ListUsersInput, name string) string {
	w.t.Helper()
	in = &iam.ListUsersInput{PathPrefix: in.PathPrefix, MaxItems: aws.Int32(1000)}
	for {
		out := do(w.root(), w.iam.ListUsers, in)
		if in.Marker = out.Marker; *out.Users[len(out.Users)-1].UserName >= name {
			return *out.Marker
		}
	}
}

// All details of 100,000 users and 10,000 roles, in pages of 1,000: the time of one
// walk, and what it left on the heap.
func BenchmarkDetailsOf110000(b *testing.B) {
	w := newWorld(b)
	w.company(manyUsers, manyRoles)
	w.walk(1000, func(int) {})
	before := heap()
	b.ReportAllocs()
	for b.Loop() {
		w.walk(1000, func(int) {})
	}
	b.ReportMetric(float64(heap()-before)/(1<<20), "MB-left")
}
