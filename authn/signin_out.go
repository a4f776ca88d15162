package authn

import (
	"context"

	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// SignOut ends a browser session.
func (s *SignIns) SignOut(ctx context.Context, b *session.Browser) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		b.End(tx)
		return nil
	})
}

// KeepSignedIn is called in the transaction that changed the password or the MFA devices of
// a person, which ends the sessions in which they are signed in: if the caller did that to
// themselves in the console, the session from which they did it goes on.
func KeepSignedIn(tx store.Tx, caller *Principal, person string) error {
	if caller.Kind != User && caller.Kind != Root || caller.ID != person || caller.Session == nil || !caller.Session.Console {
		return nil
	}
	return session.KeepCaller(tx, person, caller.AccessKeyID)
}
