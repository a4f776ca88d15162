package session_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

func TestT293_RevocationEndsWhatWasIssuedBefore(t *testing.T) {
	st := memory.New()
	defer st.Close()
	revoke := func(id string, before time.Time) {
		t.Helper()
		if err := st.Update(t.Context(), func(tx store.Tx) error { return session.Revoke(tx, id, before) }); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string, id string, issued time.Time, want bool) {
		t.Helper()
		err := st.View(t.Context(), func(r store.Reader) error {
			got, err := session.Revoked(r, &session.Session{PrincipalID: id, Issued: issued.Truncate(time.Second)})
			if got != want {
				t.Errorf("%s: session of %s issued at %s revoked = %v", when, id, issued.Format("04:05.000"), got)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	check("at first", "AROA1", now, false)

	revoke("AROA1", now)
	check("after a revocation", "AROA1", now.Add(-time.Second), true)
	check("after a revocation", "AROA1", now, false)
	check("after a revocation", "AROA1", now.Add(time.Second), false)
	check("after a revocation", "AROA2", now.Add(-time.Second), false)

	revoke("AROA1", now.Add(-time.Hour))
	check("after one of an earlier moment", "AROA1", now.Add(-time.Second), true)

	revoke("AROA1", now.Add(500*time.Millisecond))
	check("after one within a second", "AROA1", now.Add(400*time.Millisecond), true)
	check("after one within a second", "AROA1", now.Add(time.Second), false)
}

// What a key minted ends with the key's revocation, whosesoever session it is; what
// other keys minted of the same principal stays, and so does what no key is behind.
func TestRevocationOfAKeyEndsWhatItMinted(t *testing.T) {
	st := memory.New()
	defer st.Close()
	const leaked, other = "AKIAY34FZKBOKMUTVV7A", "AKIAY34FZKBOKMUTVV7B"
	if err := st.Update(t.Context(), func(tx store.Tx) error { return session.Revoke(tx, leaked, now) }); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		origin string
		issued time.Time
		want   bool
	}{
		{leaked, now.Add(-time.Second), true},
		{leaked, now, false}, // begun after the key was activated again
		{other, now.Add(-time.Second), false},
		{"", now.Add(-time.Second), false},
	} {
		for _, principal := range []string{"AROA1", "AIDA1"} {
			err := st.View(t.Context(), func(r store.Reader) error {
				got, err := session.Revoked(r, &session.Session{PrincipalID: principal, Origin: c.origin, Issued: c.issued})
				if got != c.want {
					t.Errorf("session of %s by %q issued at %s: revoked = %v", principal, c.origin, c.issued, got)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// BenchmarkRevoked is the question that every request with a session asks.
func BenchmarkRevoked(b *testing.B) {
	for _, revocations := range []int{0, 1000} {
		b.Run(fmt.Sprint(revocations), func(b *testing.B) {
			st := memory.New()
			defer st.Close()
			err := st.Update(b.Context(), func(tx store.Tx) error {
				for i := range revocations {
					if err := session.Revoke(tx, fmt.Sprintf("AKIAY34FZKBOKM%06d", i), now); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			s := &session.Session{PrincipalID: "AROAJQABLZS4A3QDU576Q", Origin: "AKIAY34FZKBOKMUTVV7A", Issued: now}
			err = st.View(b.Context(), func(r store.Reader) error {
				for b.Loop() {
					if revoked, err := session.Revoked(r, s); revoked || err != nil {
						return fmt.Errorf("revoked %v: %w", revoked, err)
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}
