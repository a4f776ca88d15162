package authn

import (
	"errors"
	"fmt"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// Purpose is a kind of secret that can be guessed. Failures are counted for a
// person and a purpose: a right password must not buy new guesses at codes.
type Purpose string

// The purposes.
const (
	PurposeMFA      Purpose = "mfa"
	PurposePassword Purpose = "password"
	PurposeRecovery Purpose = "recovery" // recovery codes
	// PurposeDevice counts, by the digest of a known device or of a sign-in by a recovery
	// link, the passwords that were tried there: others who throttle a name do not lock its
	// owner out.
	PurposeDevice Purpose = "device"
)

// maxPasswordFailures is how many wrong passwords in a row end a person's sign-in by
// password until somebody else sets a new one (NIST SP 800-63B, 3.2.2).
const maxPasswordFailures = 100

// How often a person may present a wrong secret. The count belongs to the person
// and not to the device, key, session or address, and ends with the next right
// one. The first freeFailures come without delay; each one after that doubles the
// time in which nothing is looked at at all, up to maxDelay.
//
// Three MFA codes are valid at any time, so that a guess succeeds with a chance of
// 3 in 10^6. In a month the rule leaves room for 29 guesses: a chance below 1 in
// 10^4. A guess that may be right in several ways, as one at sign-in for any device of
// several, counts as so many, and delays for so many times as long: the chance stays.
const (
	freeFailures = 5
	firstDelay   = 5 * time.Minute
	maxDelay     = 48 * time.Hour
)

// WaitUntil tells until when a person has to wait before another secret is looked
// at; it is zero when they need not wait. personID is the unique id of the user or
// the account id of the root user.
func WaitUntil(r store.Reader, purpose Purpose, personID string, now time.Time) (time.Time, error) {
	throttle, err := throttleOf(r, purpose, personID)
	if err != nil || !now.Before(throttle.Until) {
		return time.Time{}, err
	}
	return throttle.Until.UTC(), nil
}

// CountFailure counts a wrong secret. The transaction must be kept although the
// request is refused.
func CountFailure(tx store.Tx, purpose Purpose, personID string, now time.Time) error {
	return countFailures(tx, purpose, personID, 1, now)
}

func countFailures(tx store.Tx, purpose Purpose, personID string, n int, now time.Time) error {
	throttle, err := throttleOf(tx, purpose, personID)
	if err != nil {
		return err
	}
	failed := failure(*throttle, n, now)
	return identity.Throttles.Put(tx, &failed, string(purpose), personID)
}

// ForgetFailures starts the count anew, after a right secret or when the person is
// gone.
func ForgetFailures(tx store.Tx, purpose Purpose, personID string) {
	identity.Throttles.Delete(tx, string(purpose), personID)
}

// ForgetPerson removes what signing in left behind of somebody who is gone.
func ForgetPerson(tx store.Tx, personID string) {
	for _, purpose := range []Purpose{PurposeMFA, PurposePassword, PurposeRecovery, purposeChallenge} {
		ForgetFailures(tx, purpose, personID)
	}
	identity.RecoveryCodesOf.Delete(tx, personID)
	for _, kind := range []store.Kind{store.BrowserSession, store.KnownDevice, store.PersonState} {
		tx.Scan(store.Prefix(kind, personID), "", func(key store.Key, _ *store.Item) bool {
			tx.Delete(key)
			if kind == store.KnownDevice {
				ForgetFailures(tx, PurposeDevice, key.Last())
			}
			return true
		})
	}
}

func throttleOf(r store.Reader, purpose Purpose, personID string) (*identity.Throttle, error) {
	throttle, err := identity.Throttles.Get(r, string(purpose), personID)
	if errors.Is(err, store.ErrNotFound) {
		return &identity.Throttle{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read throttle of %s: %w", personID, err)
	}
	return throttle, nil
}

// failure counts one more failure, of a guess that could have been right in n ways. The
// first delays nobody: of eight devices it would for hours, and everybody mistypes.
func failure(t identity.Throttle, n int, now time.Time) identity.Throttle {
	if t.Failures == 0 {
		t.Since = now
	}
	t.Failures += n
	if over := t.Failures - freeFailures; over >= 0 && t.Failures > n {
		delay := maxDelay
		if over < 16 { // beyond that the shift is far over maxDelay, and may overflow
			delay = min(firstDelay<<over, maxDelay)
		}
		t.Until = now.Add(time.Duration(n) * delay)
	}
	return t
}
