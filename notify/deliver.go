package notify

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// How the worker goes about it.
const (
	// keepTrying is for how long a notice is tried to be delivered.
	keepTrying = 72 * time.Hour
	// firstPause and longestPause are between attempts; each is three times the one before.
	firstPause   = 10 * time.Second
	longestPause = 8 * time.Hour
	// lookEvery is how often the worker looks by itself.
	lookEvery = 30 * time.Second
	// atOnce is how many destinations are told at the same time: a slow one holds up no other.
	atOnce = 8
	// mailBurst letters are sent to an address at once, and then one in mailEvery: what comes
	// faster waits, and is merged.
	mailBurst = 20
	mailEvery = 30 * time.Second
)

// target is a destination of an account.
type target struct {
	account arn.AccountID
	to      string
}

// Run delivers what waits, until ctx ends.
func (o *Outbox) Run(ctx context.Context) {
	busy := map[target]bool{}
	done := make(chan target)
	defer func() {
		for len(busy) > 0 {
			delete(busy, <-done)
		}
	}()
	look := time.NewTimer(0)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case t := <-done:
			delete(busy, t)
		case <-o.wake:
		case <-look.C:
		}
		due, pause, err := o.due(ctx)
		if err != nil && ctx.Err() == nil {
			o.config.Log.Warn("what waits to be told was not read", "error", err)
		}
		for t, notices := range due {
			if !busy[t] && len(busy) < atOnce {
				busy[t] = true
				go func() {
					if err := o.deliver(ctx, notices); err != nil && ctx.Err() == nil {
						// What was delivered would be delivered again at once.
						o.config.Log.Warn("what became of a notification was not kept", "error", err)
						select {
						case <-time.After(lookEvery):
						case <-ctx.Done():
						}
					}
					done <- t
				}()
			}
		}
		look.Reset(pause)
	}
}

// due is what is to be delivered now, and after what time to look again. What was tried least
// comes first, so that no notice that a receiver will not take stands in the way of others, and
// then the kind that there is least of, so that a flood of one hides no other.
func (o *Outbox) due(ctx context.Context) (map[target][]*identity.Notice, time.Duration, error) {
	now := o.config.Clock()
	due, pause := map[target][]*identity.Notice{}, lookEvery
	// An update that does nothing begins after the transaction that has woken us, and returns
	// when that is durable, and seen by a view.
	err := o.config.Store.Update(ctx, func(store.Tx) error { return nil })
	if err == nil {
		err = o.config.Store.View(ctx, func(r store.Reader) error {
			return identity.Notices.Scan(r, "", func(_ store.Key, n *identity.Notice) bool {
				// Longer than the longest pause is of a clock that was wrong.
				if wait := n.Next.Sub(now); wait > 0 && wait <= longestPause {
					pause = min(pause, max(wait, time.Second))
				} else {
					t := target{n.Account, n.To.To}
					due[t] = append(due[t], n)
				}
				return true
			})
		})
	}
	for t, notices := range due {
		if wait := o.pace.wait(t, now); wait > 0 {
			delete(due, t)
			pause = min(pause, max(wait, time.Second))
		}
		alike := map[string]int{}
		for _, n := range notices {
			alike[n.Event]++
		}
		slices.SortFunc(notices, func(a, b *identity.Notice) int {
			return cmp.Or(a.Attempts-b.Attempts, alike[a.Event]-alike[b.Event], a.Time.Compare(b.Time))
		})
	}
	return due, pause, err
}

// pace keeps mail from becoming a flood. Programs take what comes.
type pace struct {
	mu sync.Mutex
	of map[target]*rate.Limiter // of those who had mail lately
}

// wait is for how long an address gets no mail.
func (p *pace) wait(t target, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.of[t]
	if l == nil {
		return 0
	}
	missing := 1 - l.TokensAt(now)
	return time.Duration(missing * float64(mailEvery))
}

// take counts a letter, unless it is one too many.
func (p *pace) take(t target, now time.Time) bool {
	if isHook(t.to) {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.of = map[target]*rate.Limiter{}
	}
	for other, l := range p.of {
		if l.TokensAt(now) >= mailBurst {
			delete(p.of, other)
		}
	}
	if p.of[t] == nil {
		p.of[t] = rate.NewLimiter(rate.Every(mailEvery), mailBurst)
	}
	return p.of[t].AllowN(now, 1)
}

// deliver tells one destination what waits for it, until it fails. An error is the store's.
func (o *Outbox) deliver(ctx context.Context, notices []*identity.Notice) error {
	for _, n := range notices {
		var settings *identity.Notifications
		err := o.config.Store.View(ctx, func(r store.Reader) (err error) {
			settings, err = Settings(r, n.Account)
			return err
		})
		if err != nil || !o.pace.take(target{n.Account, n.To.To}, o.config.Clock()) {
			return err
		}
		sent := o.send(ctx, n, settings)
		if sent != nil && ctx.Err() != nil {
			return nil // the server stops; it was no attempt
		}
		if err := o.settle(ctx, n, sent); err != nil || sent != nil {
			return err
		}
	}
	return nil
}

// settle keeps what became of an attempt.
func (o *Outbox) settle(ctx context.Context, sent *identity.Notice, failed error) error {
	now := o.config.Clock().UTC()
	var lost int // events that are given up
	// It may have been delivered though the server stops.
	err := o.config.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		lost = 0
		n, err := identity.Notices.Get(tx, key(sent)...)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		next, left := *n, true
		switch newer := n.More - sent.More; {
		case failed == nil && newer > 0: // what came meanwhile is news
			next.More, next.First = newer-1, sent.Time
			next.Attempts, next.Next = 0, time.Time{}
		case failed == nil:
			left = false
		default:
			next.Attempts++
			next.Next = now.Add(pauseAfter(next.Attempts))
			if now.Sub(n.First) >= keepTrying {
				lost, next.More, next.First = n.More, 0, n.Time
			}
			if now.Sub(n.Time) >= keepTrying {
				lost, left = lost+1, false
			}
		}
		if !left {
			identity.Notices.Delete(tx, key(n)...)
		} else if err := identity.Notices.Put(tx, &next, key(n)...); err != nil {
			return err
		}
		return o.note(tx, sent, failed, lost, now)
	})
	if f, ok := errors.AsType[*Failure](failed); ok {
		log := o.config.Log.With("account", sent.Account, "to", HostOf(sent.To.To), "event", sent.Event, "id", sent.ID, "why", f.Why, "cause", f.cause)
		switch {
		case lost > 0:
			log.Warn("notifications were given up", "events", lost)
		case sent.Attempts == 0:
			log.Warn("a notification was not delivered, and will be tried again")
		}
	}
	return err
}

// pauseAfter is how long to wait after so many attempts.
func pauseAfter(attempts int) time.Duration {
	pause := firstPause
	for range attempts - 1 {
		if pause *= 3; pause >= longestPause {
			return longestPause
		}
	}
	return pause
}

// note keeps how it went with a destination that the account still has.
func (o *Outbox) note(tx store.Tx, n *identity.Notice, failed error, lost int, now time.Time) error {
	settings, err := Settings(tx, n.Account)
	if err != nil {
		return err
	}
	present, err := o.Destinations(tx, n.Account, settings)
	if err != nil || !slices.ContainsFunc(present, named(n.To.To)) {
		return err
	}
	next := *settings
	next.Told = map[string]identity.Delivery{}
	for _, d := range present { // and of no other
		if told, ok := settings.Told[d.To]; ok {
			next.Told[d.To] = told
		}
	}
	told := next.Told[n.To.To]
	if failed == nil {
		told.Delivered = now.Truncate(time.Second)
	} else {
		told.Failed, told.Failure = now.Truncate(time.Second), failed.Error()
	}
	told.GivenUp += lost
	next.Told[n.To.To] = told
	return identity.NotificationsOf.Put(tx, &next, string(n.Account))
}

// Note keeps how a test went.
func (o *Outbox) Note(tx store.Tx, account arn.AccountID, to string, failed error, now time.Time) error {
	return o.note(tx, &identity.Notice{Account: account, To: identity.Destination{To: to}}, failed, 0, now)
}
