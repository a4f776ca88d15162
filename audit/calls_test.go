package audit_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/sqlite"
)

// What a key did is read oldest first, and tells what lacked a permission; what the
// retention has passed is not there, and neither are other accounts.
func TestCalls(t *testing.T) {
	trail, s := newTrail(t, audit.Options{Retention: 24 * time.Hour})
	old := read(1)
	old.ID, old.Time = "old", at.Add(-25*time.Hour)
	if err := trail.AppendNow(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	day(t, trail)
	calls := func(key string, stop int) (ids, denied []string, oldest time.Time) {
		t.Helper()
		err := s.View(t.Context(), func(r store.Reader) (err error) {
			oldest, err = trail.Calls(r, account, at.Add(time.Minute), func(id []byte) bool { return string(id) == key }, func(e *audit.Entry) bool {
				ids = append(ids, e.ID)
				if e.Denied {
					denied = append(denied, e.ID)
				}
				return len(ids) != stop
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return ids, denied, oldest
	}
	got, denied, oldest := calls(alice.AccessKeyID, 0)
	if !slices.Equal(got, []string{"assume", "failed"}) || len(denied) != 0 {
		t.Errorf("alice's key: %v, denied %v", got, denied)
	}
	if !oldest.Truncate(time.Second).Equal(at.Truncate(time.Second)) {
		t.Errorf("the oldest record is of %s", oldest)
	}
	if got, denied, _ = calls(deployer.AccessKeyID, 0); !slices.Equal(got, denied) || len(got) != 1 {
		t.Errorf("the role's session: %v, denied %v", got, denied)
	}
	if got, _, _ = calls(alice.AccessKeyID, 1); !slices.Equal(got, []string{"assume"}) {
		t.Errorf("stopped: %v", got)
	}
	if got, _, _ = calls("", 0); len(got) != 0 {
		t.Errorf("no key: %v", got)
	}
	err := s.View(t.Context(), func(r store.Reader) error {
		oldest, err := trail.Calls(r, "999999999999", at, func([]byte) bool { return true }, func(*audit.Entry) bool { t.Error("a record of another account"); return true })
		if !oldest.IsZero() {
			t.Errorf("an empty trail begins %s", oldest)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkCalls looks for one key in a trail of 100,000 records on disk.
func BenchmarkCalls(b *testing.B) {
	s, err := sqlite.Open(filepath.Join(b.TempDir(), "data"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	trail, err := audit.NewTrail(s, audit.Options{Key: key})
	if err != nil {
		b.Fatal(err)
	}
	defer trail.Close(b.Context())
	for i := range 100_000 {
		if err := trail.Enqueue(b.Context(), read(i)); err != nil {
			b.Fatal(err)
		}
	}
	if err := trail.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		err := s.View(b.Context(), func(r store.Reader) error {
			_, err := trail.Calls(r, account, at.Add(time.Hour), func([]byte) bool { return false }, func(*audit.Entry) bool { return true })
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
