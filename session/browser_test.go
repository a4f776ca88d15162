package session_test

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

func codecAndStore(t *testing.T, now time.Time) (*session.Codec, store.Store) {
	t.Helper()
	seal, err := keyring.GenerateSealKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New(seal, rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	db := memory.New()
	t.Cleanup(func() { db.Close() })
	return session.NewCodec(ring), db
}

// The name of a role session may have dots, which part the cookie, too.
func TestBrowserOfANameWithDots(t *testing.T) {
	now := time.Now()
	codec, db := codecAndStore(t, now)
	err := db.Update(t.Context(), func(tx store.Tx) error {
		cookie, err := codec.NewBrowser(tx, &session.Session{Kind: session.Role, Account: "111122223333", PrincipalID: "AROAEXAMPLE", Name: "john.doe@example.com"}, &identity.BrowserSession{}, now, rand.Reader)
		if err != nil {
			return err
		}
		b, err := codec.OpenBrowser(tx, cookie, now)
		if err == nil && b.Session.Name != "john.doe@example.com" {
			t.Errorf("%+v", b.Session)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// T249: who share the name of a role's session have room each, but not without end: then new
// ones are refused, nobody is signed out, and there is room again once unused ones have ended.
func TestT249_BrowsersOfOneName(t *testing.T) {
	now := time.Now()
	codec, db := codecAndStore(t, now)
	in := func(name string) (cookie string, err error) {
		t.Helper()
		err = db.Update(t.Context(), func(tx store.Tx) error {
			cookie, err = codec.NewBrowser(tx, &session.Session{Kind: session.Role, Account: "111122223333", PrincipalID: "AROAEXAMPLE", Name: name}, &identity.BrowserSession{}, now, rand.Reader)
			return err
		})
		return cookie, err
	}
	first, err := in("carol")
	if err != nil {
		t.Fatal(err)
	}
	more := 0
	for err == nil && more < 5000 {
		_, err = in("carol")
		more++
	}
	if !errors.Is(err, session.ErrTooManyBrowsers) {
		t.Fatalf("after %d: %v", more, err)
	}
	if _, err := in("dave"); err != nil {
		t.Errorf("another name: %v", err)
	}
	err = db.View(t.Context(), func(r store.Reader) error {
		_, err := codec.OpenBrowser(r, first, now)
		return err
	})
	if err != nil {
		t.Errorf("the first: %v", err)
	}
	now = now.Add(session.BrowserIdle)
	if _, err := in("carol"); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}
