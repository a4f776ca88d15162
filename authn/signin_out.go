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
