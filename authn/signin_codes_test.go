package authn_test

import (
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// second signs bob in up to the second factor and shows a code.
func (d *door) second(code string) authn.Outcome {
	d.Helper()
	cookie := d.next(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), identity.StepFactor)
	out, err := d.in.Code(d.Context(), authn.Visitor{}, cookie, "", code, false)
	d.must(err)
	return out
}

// T262: at the sign-in page a code of one step to each side will do, and none further off.
func TestT262_CodesAtSignIn(t *testing.T) {
	for offset, want := range map[int64]authn.Result{-2: authn.Refused, -1: authn.SignedIn, 0: authn.SignedIn, 1: authn.SignedIn, 2: authn.Refused} {
		d := newDoor(t)
		d.phone("bob", "phone")
		if out := d.second(d.code("phone", offset)); out.Result != want {
			t.Errorf("step %d: %+v", offset, out)
		}
	}
	// One that is older than the last accepted is used up with it.
	d := newDoor(t)
	d.phone("bob", "phone")
	d.is(d.second(d.code("phone", 1)), authn.SignedIn)
	d.is(d.second(d.code("phone", 0)), authn.Refused)
}

// T266: a clock that goes back gives no code a second use.
func TestT266_ClockGoesBackAtSignIn(t *testing.T) {
	d := newDoor(t)
	d.phone("bob", "phone")
	now := d.now
	used := d.code("phone", 0)
	d.is(d.second(used), authn.SignedIn)
	d.now = now.Add(-5 * time.Minute)
	d.is(d.second(used), authn.Refused)
	d.is(d.second(d.code("phone", 0)), authn.Refused)
	d.now = now.Add(time.Minute)
	d.is(d.second(d.code("phone", 0)), authn.SignedIn)
}

// T267: another person's device shows nothing, at sign-in neither.
func TestT267_AnothersDeviceAtSignIn(t *testing.T) {
	d := newDoor(t)
	d.user("carol", bobPassword)
	d.phone("bob", "phone")
	d.phone("carol", "other")
	d.is(d.second(d.code("other", 0)), authn.Refused)
	d.is(d.second(d.code("phone", 0)), authn.SignedIn)
}

// T268: the age of MFA counts from when the factor was shown, whatever the session is used
// for since.
func TestT268_AgeFromTheFactor(t *testing.T) {
	d := newDoor(t)
	d.phone("bob", "phone")
	shown := d.now
	out := d.is(d.second(d.code("phone", 0)), authn.SignedIn)
	for range 3 {
		d.now = d.now.Add(20 * time.Minute)
		b := d.browser(out.Browser)
		d.update(func(tx store.Tx) error { _, err := b.Seen(tx, d.now); return err })
		if !b.Session.MFA || !b.Session.MFATime.Equal(shown.UTC().Truncate(time.Second)) {
			t.Fatalf("%+v", b.Session)
		}
	}
}
