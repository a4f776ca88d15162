package authn_test

import (
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// T293: a browser session that is made of another session is as old as that one.
func TestT293_BrowserOfAnOlderSession(t *testing.T) {
	d := newDoor(t)
	issued := d.now.Add(-30 * time.Minute)
	d.update(func(tx store.Tx) error {
		s := &session.Session{Kind: session.Federated, Account: account, PrincipalID: idOf("bob"), Name: "eve", Issued: issued}
		cookie, err := d.codec.NewBrowser(tx, s, &identity.BrowserSession{}, d.now, zeros{})
		if err != nil {
			return err
		}
		b, err := d.codec.OpenBrowser(tx, cookie, d.now)
		if err == nil && !b.Session.Issued.Equal(issued) {
			t.Errorf("issued %s, want %s", b.Session.Issued, issued)
		}
		return err
	})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
