package authn

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// Whoever tries one password with very many names, from very many addresses, stays under
// the count of each name and the budget of each address. So the failures of all are counted
// together. Past a threshold there is an alarm: an event on the trail of each account, a
// warning in the log, a metric, a line on the page Health. While it lasts, passwords from
// browsers that are new to a person are looked at one after the other, at a slow rate. Nobody
// is shut out by it: a browser in which the person has signed in before, a passkey and a
// one-time link go on as ever.
const (
	sprayWindow   = 10 * time.Minute
	sprayFailures = 200 // of all names, within the window
	sprayLasts    = 30 * time.Minute

	slowRate  = rate.Limit(1) // of one installation, on each node
	slowBurst = 10

	maxAlarmed = 100 // accounts on whose trails an alarm is
)

// purposeSpray is the one count of all names. It is in the store, as those of names: a
// restart does not end an alarm.
const purposeSpray Purpose = "spray"

const msgSlow = "very many sign-ins fail at this server at the moment, so those from new browsers take turns. A passkey, or a browser in which you signed in before, need not wait"

// sprayOf is the count of all failures.
func sprayOf(r store.Reader) (*identity.Throttle, error) { return throttleOf(r, purposeSpray, "") }

// countSpray counts an attempt that may be one of many, in the transaction that counts it
// for its name. begun reports that this one raises the alarm.
func (s *SignIns) countSpray(tx store.Tx, now time.Time) (begun bool, err error) {
	t, err := sprayOf(tx)
	if err != nil {
		return false, err
	}
	next := *t
	if next.Failures == 0 || now.Sub(next.Since) >= sprayWindow {
		next.Failures, next.Since = 0, now
	}
	next.Failures++
	if next.Failures-1 > sprayFailures { // this one may be right yet
		begun = !now.Before(t.Until)
		next.Until = now.Add(sprayLasts)
	}
	if begun {
		if err := s.recordSpray(tx, next.Failures, now); err != nil {
			return false, err
		}
	}
	return begun, identity.Throttles.Put(tx, &next, string(purposeSpray), "")
}

// forgiveSpray takes an attempt back that was right.
func forgiveSpray(tx store.Tx, now time.Time) error {
	t, err := sprayOf(tx)
	if err != nil || t.Failures == 0 || now.Sub(t.Since) >= sprayWindow {
		return err
	}
	next := *t
	next.Failures--
	return identity.Throttles.Put(tx, &next, string(purposeSpray), "")
}

// recordSpray records that an alarm begins, for whoever reads the trail of an account.
func (s *SignIns) recordSpray(tx store.Tx, failures int, now time.Time) error {
	var accounts []*identity.Account
	err := identity.Accounts.Scan(tx, "", func(_ store.Key, a *identity.Account) bool {
		accounts = append(accounts, a)
		return len(accounts) < maxAlarmed
	})
	if err != nil {
		return err
	}
	details, err := json.Marshal(map[string]any{"failures": failures, "windowMinutes": int(sprayWindow / time.Minute), "slowedUntil": now.Add(sprayLasts)})
	if err != nil {
		return err
	}
	for _, a := range accounts {
		e, err := s.event(Visitor{}, a.ID, "PasswordSprayDetected", now)
		if err != nil {
			return err
		}
		e.Type, e.SourceIP, e.UserAgent = "AwsServiceEvent", sourceSignIn, sourceSignIn
		e.Identity = audit.UserIdentity{Type: "AWSService", AccountID: string(a.ID), InvokedBy: sourceSignIn}
		e.Additional = details
		if err := s.Trail.AppendTo(tx, e); err != nil {
			return err
		}
	}
	return nil
}

// Alarm tells until when there is an alarm; zero if there is none.
func (s *SignIns) Alarm(ctx context.Context) (until time.Time, err error) {
	now := s.now()
	err = s.Store.View(ctx, func(r store.Reader) error {
		until, err = WaitUntil(r, purposeSpray, "", now)
		return err
	})
	return until, err
}

// slow lets those take turns who come with new browsers while there is an alarm.
type slow struct {
	mu    sync.Mutex
	turns *rate.Limiter
}

func newSlow() *slow { return &slow{turns: rate.NewLimiter(slowRate, slowBurst)} }

func (s *slow) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turns = rate.NewLimiter(slowRate, slowBurst)
}

// take takes a turn; a zero time is that there was one.
func (s *slow) take(now time.Time) (until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	turn := s.turns.ReserveN(now, 1)
	if d := turn.DelayFrom(now); d > 0 {
		turn.CancelAt(now)
		return now.Add(d)
	}
	return time.Time{}
}

// takesTurn says whether an attempt has to wait for a turn. It does not look at who has signed in
// from an address before: who shares the address would learn which names exist.
func takesTurn(r store.Reader, a *attempt, now time.Time) (bool, error) {
	if !a.apart() {
		return false, nil
	}
	t, err := sprayOf(r)
	return err == nil && now.Before(t.Until), err
}

// warnOfSpray says in the log that an alarm has begun.
func (s *SignIns) warnOfSpray() {
	s.Log.Warn("very many sign-ins fail: passwords from new browsers are slowed", "failures", sprayFailures, "window", sprayWindow, "for", sprayLasts)
}
