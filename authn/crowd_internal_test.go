package authn

import (
	"fmt"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

// However many there are, no more than so many are kept, the newest among them, and those
// of other purposes stay.
func TestCrowdIsBounded(t *testing.T) {
	s := memory.New()
	defer s.Close()
	c := crowd{"test", 20}
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	ids := func() (found []string, counted int) {
		err := s.View(t.Context(), func(r store.Reader) error {
			return identity.Throttles.Scan(r, "", func(key store.Key, v *identity.Throttle) bool {
				if key.Last() == "" {
					counted = v.Failures
				} else {
					found = append(found, key.Last())
				}
				return true
			}, string(c.purpose))
		})
		if err != nil {
			t.Fatal(err)
		}
		return found, counted
	}
	for i := range 200 {
		id := fmt.Sprintf("%d", (i*7919)%200)
		err := s.Update(t.Context(), func(tx store.Tx) error {
			for _, other := range []Purpose{"tes", "test2"} {
				if err := identity.Throttles.Put(tx, &identity.Throttle{}, string(other), id); err != nil {
					return err
				}
			}
			return c.put(tx, &identity.Throttle{Failures: 1, Until: now.Add(time.Duration(i) * time.Second)}, id)
		})
		if err != nil {
			t.Fatal(err)
		}
		found, counted := ids()
		if len(found) != min(i+1, c.most) || counted != len(found) {
			t.Fatalf("%d counts, said to be %d, after %d", len(found), counted, i+1)
		}
		err = s.View(t.Context(), func(r store.Reader) error {
			for _, other := range []Purpose{c.purpose, "tes", "test2"} {
				if !identity.Throttles.Has(r, string(other), id) {
					t.Errorf("%s of %s is gone", other, id)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Update(t.Context(), func(tx store.Tx) error { return c.sweep(tx, now.Add(time.Hour)) }); err != nil {
		t.Fatal(err)
	}
	if found, counted := ids(); len(found) != 0 || counted != 0 {
		t.Errorf("%d counts, said to be %d, are kept though they hold nobody back", len(found), counted)
	}
}
