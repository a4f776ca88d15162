package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// How finely the last use of a key or role is kept. AWS's own reports have 15
// minutes; a minute costs little and answers "is it still in use?" sooner.
const (
	usageGrain = time.Minute
	usageFlush = 100 * time.Millisecond
	// maxPendingUses bounds the memory of uses not written yet. A use beyond it
	// is dropped: the next one, a grain later, is noted.
	maxPendingUses = 10_000
)

// usage notes when access keys and roles were last used. It is apart from the
// audit trail, which has every use; losing the newest note in a crash loses
// nothing that the trail does not hold.
type usage struct {
	store store.Store
	log   *slog.Logger

	mu      sync.Mutex
	noted   map[string]identity.LastUse // what was last written, per id
	pending map[string]identity.LastUse
}

func newUsage(st store.Store, log *slog.Logger) *usage {
	return &usage{store: st, log: log, noted: make(map[string]identity.LastUse), pending: make(map[string]identity.LastUse)}
}

// Note remembers a use; it never blocks on the store.
func (u *usage) Note(id, service, region string, at time.Time) {
	use := identity.LastUse{At: at.Truncate(time.Second), Service: service, Region: region}
	u.mu.Lock()
	defer u.mu.Unlock()
	if last, ok := u.noted[id]; ok && last.Service == service && last.Region == region && at.Sub(last.At).Abs() < usageGrain {
		return
	}
	if len(u.pending) >= maxPendingUses {
		return
	}
	if len(u.noted) >= maxPendingUses {
		clear(u.noted)
	}
	u.noted[id], u.pending[id] = use, use
}

// Run writes what was noted until the context ends.
func (u *usage) Run(ctx context.Context) {
	t := time.NewTicker(usageFlush)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			u.flush(context.WithoutCancel(ctx))
			return
		case <-t.C:
			u.flush(ctx)
		}
	}
}

func (u *usage) flush(ctx context.Context) {
	u.mu.Lock()
	if len(u.pending) == 0 {
		u.mu.Unlock()
		return
	}
	uses := u.pending
	u.pending = make(map[string]identity.LastUse)
	u.mu.Unlock()
	err := u.store.Update(ctx, func(tx store.Tx) error {
		for id, use := range uses {
			if !identity.AccessKeys.Has(tx, id) && !identity.Entities.Has(tx, id) {
				continue // deleted meanwhile
			}
			if err := identity.LastUses.Put(tx, &use, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		return
	}
	if !errors.Is(err, context.Canceled) && !errors.Is(err, store.ErrClosed) {
		u.log.Warn("last use of keys not written", "error", err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for id := range uses {
		delete(u.noted, id) // the next use is noted again
	}
}

// Reset forgets everything, for the development reset.
func (u *usage) Reset() {
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(u.noted)
	clear(u.pending)
}
