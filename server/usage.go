package server

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// How finely the last use of a key or role is kept. AWS's own reports have 15
// minutes; a minute costs little and answers "is it still in use?" sooner. What
// someone used of a service is kept as finely as AWS does.
const (
	usageGrain    = time.Minute
	activityGrain = 15 * time.Minute
	usageFlush    = 100 * time.Millisecond
	// maxPendingUses bounds the memory of uses not written yet. A use beyond it
	// is dropped: the next one, a grain later, is noted.
	maxPendingUses = 10_000
	// maxNotedCalls bounds the memory of the calls that need not be written again
	// soon. If it does not hold all, the record is looked at instead.
	maxNotedCalls = 50_000
)

// usage notes when access keys and roles were last used, and what users and roles
// last called. It is apart from the audit trail, which has every use; losing the
// newest note in a crash loses nothing that the trail does not hold.
type usage struct {
	store store.Store
	log   *slog.Logger

	mu    sync.Mutex
	noted map[string]identity.LastUse // what was last written, per id
	calls map[call]moment             // likewise, per call
	// What is to be written.
	pending      map[string]identity.LastUse
	pendingCalls map[call]moment
}

// call is an action that a user or role called.
type call struct{ id, service, action string }

type moment struct {
	at     time.Time
	region string
}

func newUsage(st store.Store, log *slog.Logger) *usage {
	u := &usage{store: st, log: log}
	u.Reset()
	return u
}

// passRole is not tracked, as on AWS: services that are elsewhere ask for it, so that nobody
// here knows whether it was used.
const passRole = "iam:PassRole"

// Note remembers a call; it never blocks on the store. asked are further actions that the
// call took: who tags what they create uses iam:TagUser, too.
func (u *usage) Note(p *authn.Principal, service, action, region string, at time.Time, asked ...string) {
	at = at.Truncate(time.Second)
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case p.Kind == authn.AssumedRole:
		u.noteUse(p.ID, identity.LastUse{At: at, Service: service, Region: region})
	case p.Session == nil && p.AccessKeyID != "":
		u.noteUse(p.AccessKeyID, identity.LastUse{At: at, Service: service, Region: region})
	}
	switch p.Kind {
	case authn.User, authn.AssumedRole, authn.FederatedUser:
		u.noteCall(call{p.ID, service, action}, moment{at, region})
		for _, one := range asked {
			if service, action, ok := strings.Cut(one, ":"); ok && one != passRole {
				u.noteCall(call{p.ID, service, action}, moment{at, region})
			}
		}
	}
}

func (u *usage) noteUse(id string, use identity.LastUse) {
	if last, ok := u.noted[id]; ok && last.Service == use.Service && last.Region == use.Region && use.At.Sub(last.At).Abs() < usageGrain {
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

func (u *usage) noteCall(c call, m moment) {
	if last, ok := u.calls[c]; ok && last.region == m.region && m.at.Sub(last.at).Abs() < activityGrain {
		return
	}
	if len(u.pendingCalls) >= maxPendingUses {
		return
	}
	if len(u.calls) >= maxNotedCalls {
		clear(u.calls)
	}
	u.calls[c], u.pendingCalls[c] = m, m
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
	uses, calls := u.pending, u.pendingCalls
	if len(uses) == 0 && len(calls) == 0 {
		u.mu.Unlock()
		return
	}
	u.pending, u.pendingCalls = make(map[string]identity.LastUse), make(map[call]moment)
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
		return writeCalls(tx, calls)
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
	for c := range calls {
		delete(u.calls, c)
	}
}

// writeCalls enters calls in the records, each of which is written once.
func writeCalls(tx store.Tx, calls map[call]moment) error {
	type place struct{ id, service string }
	grouped := make(map[place][]identity.ActionUse)
	for c, m := range calls {
		at := place{c.id, c.service}
		grouped[at] = append(grouped[at], identity.ActionUse{Name: c.action, At: m.at, Region: m.region})
	}
	for at, uses := range grouped {
		if !identity.Entities.Has(tx, at.id) {
			continue // deleted meanwhile
		}
		activity := new(identity.Activity)
		old, err := identity.Activities.Get(tx, at.id, at.service)
		switch {
		case err == nil:
			*activity = *old
			activity.Actions = slices.Clone(old.Actions)
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		changed := false
		for _, use := range uses {
			changed = activity.Note(use, activityGrain) || changed
		}
		if !changed {
			continue
		}
		if err := identity.Activities.Put(tx, activity, at.id, at.service); err != nil {
			return err
		}
	}
	return nil
}

// Reset forgets everything, for the development reset.
func (u *usage) Reset() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.noted, u.calls = make(map[string]identity.LastUse), make(map[call]moment)
	u.pending, u.pendingCalls = make(map[string]identity.LastUse), make(map[call]moment)
}
