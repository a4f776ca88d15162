package authn_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

const (
	account   = arn.AccountID("111111111111")
	serial    = "arn:aws:iam::111111111111:mfa/phone"
	wrongCode = "MultiFactorAuthentication failed with invalid MFA one time pass code."
)

var alice = &authn.Principal{Kind: authn.User, Account: account, ID: "AIDAALICE", Name: "alice"}

// scene is a person with a device, and a clock that stands still.
type scene struct {
	t     *testing.T
	now   time.Time
	store *memory.Store
	mfa   *authn.MFA
	seed  []byte
}

func newScene(t *testing.T) *scene {
	s := &scene{t: t, now: time.Date(2026, 7, 1, 12, 0, 10, 0, time.UTC), store: memory.New()}
	t.Cleanup(func() { s.store.Close() })
	seal, err := keyring.GenerateSealKey(rand.Reader)
	s.must(err)
	ring, err := keyring.New(seal, rand.Reader, s.now)
	s.must(err)
	s.mfa = &authn.MFA{Ring: ring}
	s.seed, err = mfa.GenerateSeed(rand.Reader)
	s.must(err)
	s.putDevice("phone", "phone")
	return s
}

// putDevice records alice's device with the seed sealed for the record of sealedFor.
func (s *scene) putDevice(name, sealedFor string) {
	s.t.Helper()
	sealed, err := s.mfa.Ring.Seal(keyring.MFASeeds, string(identity.MFADevices.Key(string(account), "/"+sealedFor)), s.seed)
	s.must(err)
	s.update(func(tx store.Tx) error {
		return identity.MFADevices.Put(tx, &identity.MFADevice{Account: account, Name: name, Path: "/", Seed: sealed, Owner: alice.ID}, string(account), "/"+name)
	})
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) update(fn func(store.Tx) error) {
	s.t.Helper()
	s.must(s.store.Update(s.t.Context(), fn))
}

func (s *scene) code(offset int64) string { return mfa.Code(s.seed, mfa.StepAt(s.now)+offset) }

// wrong is a code that the device does not show now.
func (s *scene) wrong() string {
	for n := 0; ; n++ {
		if code := fmt.Sprintf("%06d", n); code != s.code(-1) && code != s.code(0) && code != s.code(1) {
			return code
		}
	}
}

// check presents a code; what is found out is kept.
func (s *scene) check(code string) (refusal error) {
	s.t.Helper()
	s.update(func(tx store.Tx) error {
		refusal = s.mfa.Check(tx, alice, serial, code, s.now)
		return nil
	})
	return refusal
}

func (s *scene) checkPair(first, second string) (refusal error) {
	s.t.Helper()
	s.update(func(tx store.Tx) error {
		d, err := identity.MFADevices.Get(tx, string(account), "/phone")
		if err != nil {
			return err
		}
		refusal = s.mfa.CheckPair(tx, d, alice.ID, first, second, mfa.ResyncWindow, s.now, "no")
		return nil
	})
	return refusal
}

func (s *scene) throttle() *identity.Throttle {
	s.t.Helper()
	var t *identity.Throttle
	s.must(s.store.View(s.t.Context(), func(r store.Reader) (err error) {
		t, err = identity.Throttles.Get(r, "mfa", alice.ID)
		return err
	}))
	return t
}

func TestT261_AcceptedCodeIsKeptWithTheDevice(t *testing.T) {
	s := newScene(t)
	code := s.code(0)
	s.must(s.check(code))
	if err := s.check(code); err == nil || err.Error() != wrongCode {
		t.Errorf("again: %v", err)
	}
	s.must(s.store.View(t.Context(), func(r store.Reader) error {
		d, err := identity.MFADevices.Get(r, string(account), "/phone")
		if err == nil && d.LastStep != mfa.StepAt(s.now) {
			t.Errorf("last step %d, now %d", d.LastStep, mfa.StepAt(s.now))
		}
		return err
	}))
}

// Only the person has the device: not whom they vouch for, though a federated
// user's principal carries the issuer's id, and nobody in another account.
func TestT267_OnlyThePersonUsesTheDevice(t *testing.T) {
	s := newScene(t)
	for what, p := range map[string]*authn.Principal{
		"federated user": {Kind: authn.FederatedUser, Account: account, ID: alice.ID},
		"role session":   {Kind: authn.AssumedRole, Account: account, ID: alice.ID},
		"foreigner":      {Kind: authn.User, Account: "222222222222", ID: alice.ID},
		"other user":     {Kind: authn.User, Account: account, ID: "AIDABOB"},
		"root":           {Kind: authn.Root, Account: account, ID: string(account)},
	} {
		s.update(func(tx store.Tx) error {
			refusal, ok := errors.AsType[*authn.MFAError](s.mfa.Check(tx, p, serial, s.code(0), s.now))
			if !ok || refusal.Counted || !strings.HasSuffix(refusal.Message, "valid and associated with this user.") {
				t.Errorf("%s: %v", what, refusal)
			}
			return nil
		})
	}
	s.must(s.check(s.code(0)))
}

// Someone who guesses as fast as is allowed has, in a month, fewer guesses than a
// chance of 1 in 10^4 needs.
func TestT263_GuessesInAMonth(t *testing.T) {
	s := newScene(t)
	end := s.now.Add(30 * 24 * time.Hour)
	guesses := 0
	for s.now.Before(end) && guesses < 1000 {
		if err := s.check(s.wrong()); err.Error() == wrongCode {
			guesses++
			continue
		}
		s.now = s.throttle().Until
	}
	if chance := float64(guesses) * 3e-6; guesses < 10 || chance >= 1e-4 {
		t.Errorf("%d guesses have a chance of %g", guesses, chance)
	}
}

// The delay stops growing instead of overflowing.
func TestT263_ManyFailures(t *testing.T) {
	s := newScene(t)
	s.update(func(tx store.Tx) error {
		return identity.Throttles.Put(tx, &identity.Throttle{Failures: 1 << 40}, "mfa", alice.ID)
	})
	_ = s.check(s.wrong())
	if got := s.throttle().Until.Sub(s.now); got != 48*time.Hour {
		t.Errorf("delay %v", got)
	}
}

func TestT539_T574_ParallelGuesses(t *testing.T) {
	s := newScene(t)
	wrong := s.wrong()
	var looked atomic.Int32
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			var outcome error
			err := s.store.Update(t.Context(), func(tx store.Tx) error {
				outcome = s.mfa.Check(tx, alice, serial, wrong, s.now)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if refusal, ok := errors.AsType[*authn.MFAError](outcome); !ok {
				t.Errorf("accepted, or failed: %v", outcome)
			} else if refusal.Counted {
				looked.Add(1)
			}
		})
	}
	wg.Wait()
	if n := looked.Load(); n != 5 {
		t.Errorf("%d of 200 guesses at once were looked at", n)
	}
}

// Resynchronising goes through the same throttle and uses codes up (T265: it is
// no oracle).
func TestT264_T265_Pairs(t *testing.T) {
	s := newScene(t)
	if err := s.checkPair(s.code(0), s.code(0)); err == nil || err.Error() != "no" {
		t.Errorf("the same code twice: %v", err)
	}
	// A device that is 50 minutes ahead.
	s.must(s.checkPair(s.code(100), s.code(101)))
	if err := s.checkPair(s.code(100), s.code(101)); err == nil {
		t.Error("a pair worked twice")
	}
	if s.check(s.code(0)) == nil {
		t.Error("a code of our own time")
	}
	if err := s.check(s.code(102)); err != nil {
		t.Errorf("the next code of the device: %v", err)
	}
	for range 5 {
		if err := s.checkPair(s.wrong(), s.wrong()); err == nil || err.Error() != "no" {
			t.Errorf("a wrong pair: %v", err)
		}
	}
	if err := s.checkPair(s.code(110), s.code(111)); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("a pair after five wrong ones: %v", err)
	}
	if err := s.check(s.code(110)); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("a code after five wrong pairs: %v", err)
	}
}

// A seed that was moved from another record does not open. That is our trouble,
// not the person's: it is no refusal, and does not count.
func TestSeedOfAnotherRecordFailsClosed(t *testing.T) {
	s := newScene(t)
	s.putDevice("phone", "other")
	err := s.check(s.code(0))
	if _, refused := errors.AsType[*authn.MFAError](err); err == nil || refused {
		t.Errorf("check: %v", err)
	}
	for _, secret := range []string{string(s.seed), mfa.Base32(s.seed), s.code(0)} {
		if strings.Contains(err.Error(), secret) {
			t.Error("the error tells a secret")
		}
	}
}
