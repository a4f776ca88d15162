package authn_test

import (
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/password"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// T231, T233: whether a name has an owner is not to be told by naming its account in another
// way when it is throttled.
func TestT233_AliasAndIDHaveOneCount(t *testing.T) {
	for _, name := range []string{"bob", "nobody"} {
		d := newDoor(t)
		for range 5 {
			d.is(d.pass(authn.Visitor{}, "acme", name, "wrong"), authn.Refused)
		}
		for _, spelt := range []string{string(account), " ACME", "1111-1111-1111"} {
			if out := d.pass(authn.Visitor{}, spelt, name, "wrong"); out.Result != authn.Wait {
				t.Errorf("%s in %s: result %d, %q", name, spelt, out.Result, out.Message)
			}
		}
	}
}

// T245: a link dies when what its person signs in with changes.
func TestT245_LinkAfterAChange(t *testing.T) {
	d := newDoor(t)
	d.phone("bob", "phone")
	secret := d.link(idOf("bob"), identity.LinkRecover)
	d.edit("bob", func(u *identity.User) { u.Login.Hash = d.hash("another long password 9!") })
	d.is(d.follow(secret), authn.Refused)
	d.is(d.follow(secret), authn.Refused)
}

// T234: others' guesses do not shut out who comes by a recovery link, which has guesses of
// its own, and few.
func TestT234_RecoveryWhileThrottled(t *testing.T) {
	d := newDoor(t)
	d.phone("bob", "phone")
	d.update(func(tx store.Tx) error {
		return identity.Throttles.Put(tx, &identity.Throttle{Failures: 100, Since: d.now, Until: d.now.Add(48 * time.Hour)}, string(authn.PurposePassword), idOf("bob"))
	})
	d.is(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), authn.Wait)
	recover := func(cookie, text string) authn.Outcome {
		out, err := d.in.RecoverPassword(t.Context(), authn.Visitor{}, cookie, text)
		d.must(err)
		return out
	}
	cookie := d.next(d.follow(d.link(idOf("bob"), identity.LinkRecover)), identity.StepRecover)
	d.is(recover(cookie, "wrong"), authn.Refused)
	d.next(recover(cookie, bobPassword), identity.StepEnrol)
	d.is(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), authn.Wait)

	cookie = d.next(d.follow(d.link(idOf("bob"), identity.LinkRecover)), identity.StepRecover)
	for range 5 {
		d.is(recover(cookie, "wrong"), authn.Refused)
	}
	d.is(recover(cookie, bobPassword), authn.Wait)
	d.now = d.now.Add(time.Hour)
	d.must(d.in.Sweep(t.Context()))
	d.view(func(r store.Reader) error {
		return identity.Throttles.Scan(r, "", func(key store.Key, _ *identity.Throttle) bool {
			if key.Parts()[0] == string(authn.PurposeDevice) {
				t.Errorf("left behind: %q", key.Parts())
			}
			return true
		})
	})
}

// Who has only the password of somebody with a second factor fills neither the trail nor the
// store with it, and cannot keep what they do at first off the trail.
func TestT232_ChallengesAreRecordedSparingly(t *testing.T) {
	d := newDoor(t)
	d.phone("bob", "phone")
	recorded := func() (n int) {
		for _, r := range d.records() {
			if r["eventName"] == "CheckMfa" {
				n++
			}
		}
		return n
	}
	var cookie string
	for range 50 {
		cookie = d.next(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), identity.StepFactor)
	}
	if n := recorded(); n != 20 {
		t.Errorf("%d records of 50 challenges", n)
	}
	d.now = d.now.Add(10 * time.Minute)
	for range 50 {
		cookie = d.next(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), identity.StepFactor)
	}
	if n := recorded(); n != 40 {
		t.Errorf("%d records after a while", n)
	}
	// Who shows the factor, too, begins anew.
	out, err := d.in.Code(t.Context(), authn.Visitor{}, cookie, "", d.code("phone", 0), false)
	d.must(err)
	d.is(out, authn.SignedIn)
	d.next(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), identity.StepFactor)
	if n := recorded(); n != 41 {
		t.Errorf("%d records after a sign-in", n)
	}
	d.update(func(tx store.Tx) error { authn.ForgetPerson(tx, idOf("bob")); return nil })
	d.view(func(r store.Reader) error {
		return identity.Throttles.Scan(r, "", func(key store.Key, _ *identity.Throttle) bool {
			if key.Last() == idOf("bob") {
				t.Errorf("left behind: %q", key.Parts())
			}
			return true
		})
	})
}

// A password that is hashed anew at its next use, because what hashes cost has changed, is the
// same password: it ends neither what its person is signed in to nor the recovery under way.
func TestT249_ANewHashEndsNothing(t *testing.T) {
	d := newDoor(t)
	outdated := func() {
		turn, err := password.NewHasher(password.Cost{Memory: 64, Time: 2, Threads: 1}, 1).Turn(t.Context())
		d.must(err)
		defer turn.Done()
		hash, err := turn.Hash(bobPassword, rand.Reader)
		d.must(err)
		d.edit("bob", func(u *identity.User) { u.Login.Hash = hash })
	}
	outdated()
	stamp := d.person(idOf("bob")).Stamp()
	d.update(func(tx store.Tx) error {
		grant := &identity.OAuthGrant{Account: account, PersonID: idOf("bob"), Expires: d.now.Add(time.Hour), Stamp: stamp}
		d.must(identity.OAuthGrants.Put(tx, grant, idOf("bob"), "grant"))
		code := &identity.OAuthCode{Account: account, PersonID: idOf("bob"), Expires: d.now.Add(time.Minute), Stamp: stamp}
		return identity.OAuthCodes.Put(tx, code, idOf("bob"), "code")
	})
	link := d.link(idOf("bob"), identity.LinkRecover)
	d.is(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), authn.SignedIn)
	fresh := d.person(idOf("bob")).Stamp()
	if fresh == stamp {
		t.Fatal("the password was not hashed anew")
	}
	d.view(func(r store.Reader) error {
		grant, err := identity.OAuthGrants.Get(r, idOf("bob"), "grant")
		d.must(err)
		code, err := identity.OAuthCodes.Get(r, idOf("bob"), "code")
		if grant.Stamp != fresh || code.Stamp != fresh {
			t.Error("a sign-in of `aws login` has ended")
		}
		return err
	})
	cookie := d.next(d.follow(link), identity.StepRecover)
	outdated() // and the hash is the one from before the recovery
	d.update(func(tx store.Tx) error {
		return identity.SignIns.Edit(tx, func(h *identity.SignIn) error { h.Stamp = d.person(idOf("bob")).Stamp(); return nil }, identity.Digest(cookie))
	})
	out, err := d.in.RecoverPassword(t.Context(), authn.Visitor{}, cookie, bobPassword)
	d.must(err)
	d.next(out, identity.StepEnrol)
}

// One code, recovery code, link and half sign-in lets in one of many who come with it at once.
func TestT235_OneOfMany(t *testing.T) {
	d := newDoor(t)
	d.phone("bob", "phone")
	var codes []string
	d.update(func(tx store.Tx) (err error) {
		codes, err = authn.MakeRecoveryCodes(tx, idOf("bob"), d.now, rand.Reader)
		return err
	})
	const many = 8
	at := func(what string, try func(i int) (authn.Outcome, error), won authn.Result) {
		t.Helper()
		var wait sync.WaitGroup
		var n atomic.Int32
		for i := range many {
			wait.Go(func() {
				out, err := try(i)
				if err != nil {
					t.Error(err)
				}
				if out.Result == won {
					n.Add(1)
				}
			})
		}
		wait.Wait()
		if n.Load() != 1 {
			t.Errorf("T235: %s lets %d in", what, n.Load())
		}
	}
	half := func() (cookies [many]string) {
		for i := range cookies {
			cookies[i] = d.next(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), identity.StepFactor)
		}
		return cookies
	}
	cookies, code := half(), d.code("phone", 0)
	at("a code", func(i int) (authn.Outcome, error) {
		return d.in.Code(t.Context(), authn.Visitor{}, cookies[i], "", code, false)
	}, authn.SignedIn)
	d.update(func(tx store.Tx) error { authn.ForgetFailures(tx, authn.PurposeMFA, idOf("bob")); return nil })
	cookies = half()
	at("a recovery code", func(i int) (authn.Outcome, error) {
		return d.in.RecoveryCode(t.Context(), authn.Visitor{}, cookies[i], codes[0])
	}, authn.SignedIn)
	d.update(func(tx store.Tx) error { authn.ForgetFailures(tx, authn.PurposeRecovery, idOf("bob")); return nil })
	cookies = half()
	at("a half sign-in", func(i int) (authn.Outcome, error) {
		return d.in.RecoveryCode(t.Context(), authn.Visitor{}, cookies[0], codes[1+i])
	}, authn.SignedIn)
	link := d.link(idOf("bob"), identity.LinkRecover)
	at("a link", func(int) (authn.Outcome, error) { return d.in.OpenLink(t.Context(), authn.Visitor{}, link) }, authn.Next)
}

// T263: a code at sign-in may be that of any device, so with more devices a guess is right more
// often, and fewer are looked at: the chance in a month stays below 1 in 10^4.
func TestT263_GuessesAtManyDevices(t *testing.T) {
	for devices := 1; devices <= 8; devices++ {
		d := newDoor(t)
		for i := range devices {
			d.phone("bob", fmt.Sprint("phone", i))
		}
		until := func() (until time.Time) {
			d.view(func(r store.Reader) (err error) {
				until, err = authn.WaitUntil(r, authn.PurposeMFA, idOf("bob"), d.now)
				return err
			})
			return until
		}
		guesses := 0
		for end := d.now.AddDate(0, 0, 30); d.now.Before(end) && guesses < 100; {
			cookie := d.next(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), identity.StepFactor)
			out, err := d.in.Code(t.Context(), authn.Visitor{}, cookie, "", d.badCode(), false)
			d.must(err)
			if out.Result == authn.Refused {
				guesses++
			}
			wait := until()
			if guesses == 1 && !wait.IsZero() {
				t.Errorf("T263: with %d devices one wrong code shuts out until %s", devices, wait)
			}
			if !wait.IsZero() {
				d.now = wait
			}
		}
		if chance := float64(guesses*devices) * 3e-6; guesses < 3 || chance >= 1e-4 {
			t.Errorf("T263: with %d devices %d guesses have a chance of %g", devices, guesses, chance)
		}
	}
}

// T263: who says which of many devices a code is of has as many tries as with one, and a code
// of another one of them is not taken.
func TestT263_ACodeOfTheDeviceThatIsNamed(t *testing.T) {
	d := newDoor(t)
	for i := range 8 {
		d.phone("bob", fmt.Sprint("phone", i))
	}
	show := func(device, code string) authn.Outcome {
		cookie := d.next(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), identity.StepFactor)
		out, err := d.in.Code(t.Context(), authn.Visitor{}, cookie, device, code, false)
		d.must(err)
		return out
	}
	for _, device := range []string{"/phone2", "/nobodys", "/phone3"} {
		d.is(show(device, d.code("phone1", 0)), authn.Refused)
	}
	d.is(show("/phone1", d.badCode()), authn.Refused)
	d.is(show("/phone1", d.code("phone1", 0)), authn.SignedIn)
	for range 5 {
		d.is(show("/phone1", d.badCode()), authn.Refused)
	}
	d.is(show("/phone1", d.code("phone1", 1)), authn.Wait)
}

// T268, T273: a password that is shown again makes no second factor newer.
func TestStepUpByPasswordKeepsTheTimeOfMFA(t *testing.T) {
	d := newDoor(t)
	d.phone("bob", "phone")
	cookie := d.next(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), identity.StepFactor)
	out, err := d.in.Code(t.Context(), authn.Visitor{}, cookie, "", d.code("phone", 0), false)
	d.must(err)
	shown := d.now
	b := d.browser(d.is(out, authn.SignedIn).Browser)
	// The device is removed in this session, which lives on.
	d.edit("bob", func(u *identity.User) { u.MFA = nil })
	d.update(func(tx store.Tx) error { return b.Keep(tx) })
	d.now = d.now.Add(30 * time.Minute)
	out, err = d.in.StepUpByPassword(t.Context(), authn.Visitor{}, b, bobPassword)
	d.must(err)
	renewed := d.browser(d.is(out, authn.SignedIn).Browser)
	if !renewed.Session.MFATime.Equal(shown) || !renewed.FactorTime.Equal(d.now) {
		t.Errorf("MFA at %s, factor at %s; the code was shown at %s", renewed.Session.MFATime, renewed.FactorTime, shown)
	}
}

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
