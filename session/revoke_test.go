package session_test

import (
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
