package session_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

// The name of a role session may have dots, which part the cookie, too.
func TestBrowserOfANameWithDots(t *testing.T) {
	now := time.Now()
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
	codec := session.NewCodec(ring)
	err = db.Update(t.Context(), func(tx store.Tx) error {
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
