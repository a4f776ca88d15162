package authn_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/webauthnx/softkey"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

const es256 = -7

// beginKey starts a ceremony in a sign-in under way.
func (d *door) beginKey(cookie string, passkey bool) []byte {
	d.Helper()
	options, out, err := d.in.BeginKey(d.Context(), cookie, passkey)
	d.must(err)
	if options == nil {
		d.Fatalf("%+v", out)
	}
	return options
}

// enrolKey gives a user a passkey at sign-in.
func (d *door) enrolKey(name string) *softkey.Key {
	d.Helper()
	d.update(func(tx store.Tx) error {
		return identity.SignInRulesOf.Put(tx, &identity.SignInRules{MFARequired: d.now.Add(-time.Hour)}, string(account))
	})
	cookie := d.next(d.pass(authn.Visitor{}, "acme", name, bobPassword), identity.StepEnrol)
	key := softkey.NewPasskey(es256)
	out, err := d.in.RegisterKey(d.Context(), authn.Visitor{}, cookie, "laptop", key.Create(d.beginKey(cookie, true), site))
	d.must(err)
	if b := d.browser(d.is(out, authn.SignedIn).Browser); !b.Session.MFA || len(out.RecoveryCodes) != 10 {
		d.Fatalf("%+v", b)
	}
	return key
}

func (d *door) passkey(key *softkey.Key) authn.Outcome {
	d.Helper()
	options, handle, err := d.in.BeginPasskey()
	d.must(err)
	out, err := d.in.FinishPasskey(d.Context(), authn.Visitor{Address: home}, handle, key.Get(options, site), "/users")
	d.must(err)
	return out
}

func TestSignInByKey(t *testing.T) {
	d := newDoor(t)
	key := d.enrolKey("bob")
	d.view(func(r store.Reader) error {
		n, err := identity.CountsOf.Get(r, string(account))
		if err != nil || n.SecurityKeys != 1 || n.MFADevicesInUse != 1 || n.MFADevices != 0 {
			t.Errorf("counts %+v, %v", n, err)
		}
		return nil
	})
	// As the second factor.
	out := d.pass(authn.Visitor{}, "acme", "bob", bobPassword)
	cookie := d.next(out, identity.StepFactor)
	if got := out.Pending.Devices; len(got) != 1 || got[0].Kind != identity.SecurityKey || got[0].Name != "laptop" {
		t.Errorf("%+v", got)
	}
	answer := key.Get(d.beginKey(cookie, false), site)
	stranger := softkey.NewPasskey(es256)
	out, err := d.in.FinishKey(t.Context(), authn.Visitor{}, cookie, stranger.Get(d.beginKey(cookie, false), site), false)
	d.must(err)
	d.is(out, authn.Refused)
	// The answer to a ceremony that was begun anew since is worth nothing.
	out, err = d.in.FinishKey(t.Context(), authn.Visitor{}, cookie, answer, false)
	d.must(err)
	d.is(out, authn.Refused)
	out, err = d.in.FinishKey(t.Context(), authn.Visitor{}, cookie, key.Get(d.beginKey(cookie, false), site), false)
	d.must(err)
	if b := d.browser(d.is(out, authn.SignedIn).Browser); !b.Session.MFA || len(b.Factors) != 2 {
		t.Errorf("%+v", b)
	}
	// Alone: two factors in one.
	out = d.is(d.passkey(key), authn.SignedIn)
	if b := d.browser(out.Browser); !b.Session.MFA || b.PersonID != idOf("bob") || out.Destination != "/users" {
		t.Errorf("%+v", b)
	}
	d.is(d.passkey(stranger), authn.Refused)
	last := d.records()
	text, ok := last[len(last)-1]["additionalEventData"].(map[string]any)["MFAIdentifier"].(string)
	if !ok || !strings.HasPrefix(text, "arn:aws:iam::111111111111:u2f/user/bob/laptop-") {
		t.Errorf("MFAIdentifier %q", text)
	}

	// T238: whose sign-in an administrator took or reset.
	d.edit("bob", func(u *identity.User) { u.Login.ResetRequired = true })
	d.next(d.passkey(key), identity.StepPassword)
	d.edit("bob", func(u *identity.User) { u.Login = nil })
	d.is(d.passkey(key), authn.Refused)
}

// T234: nobody's wrong passwords shut out who has a passkey.
func TestT234_PasskeyIsLetIn(t *testing.T) {
	d := newDoor(t)
	key := d.enrolKey("bob")
	for range 8 {
		d.pass(authn.Visitor{}, "acme", "bob", "wrong")
	}
	d.is(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), authn.Wait)
	d.is(d.passkey(key), authn.SignedIn)
}

// A root user may have a passkey and no password at all.
func TestClaimWithPasskeyAlone(t *testing.T) {
	d := newDoor(t)
	cookie := d.next(d.follow(d.link(string(account), identity.LinkClaim)), identity.StepClaim)
	out, err := d.in.Claim(t.Context(), authn.Visitor{}, cookie, authn.ClaimAs{Email: rootMail})
	d.must(err)
	cookie = d.next(out, identity.StepClaim)
	key := softkey.NewPasskey(es256)
	out, err = d.in.RegisterKey(t.Context(), authn.Visitor{}, cookie, "safe", key.Create(d.beginKey(cookie, false), site))
	d.must(err)
	if b := d.browser(d.is(out, authn.SignedIn).Browser); b.Session.Kind != session.Root || !b.Session.MFA {
		t.Errorf("%+v", b)
	}
	d.is(d.passkey(key), authn.SignedIn)
	d.is(d.root(""), authn.Refused)
}

// Who is signed in shows a factor again: another cookie, which ends when the first would have.
func TestStepUp(t *testing.T) {
	d := newDoor(t)
	key := d.enrolKey("bob")
	d.update(func(tx store.Tx) error { identity.SignInRulesOf.Delete(tx, string(account)); return nil })
	first := d.is(d.passkey(key), authn.SignedIn)
	was := d.browser(first.Browser)
	d.now = d.now.Add(30 * time.Minute)
	options, handle, out, err := d.in.BeginStepUpKey(t.Context(), was)
	d.must(err)
	d.is(out, authn.Next)
	out, err = d.in.FinishStepUpKey(t.Context(), authn.Visitor{}, was, handle, key.Get(options, site))
	d.must(err)
	now := d.browser(d.is(out, authn.SignedIn).Browser)
	if d.open(first.Browser) {
		t.Error("the first cookie still opens")
	}
	if !now.Session.MFATime.Equal(d.now) || !now.Expires.Equal(was.Expires) || !now.Created.Equal(was.Created) {
		t.Errorf("%+v", now)
	}
	// A session that has ended is not renewed.
	out, err = d.in.FinishStepUpKey(t.Context(), authn.Visitor{}, was, handle, key.Get(options, site))
	d.must(err)
	if out.Result == authn.SignedIn {
		t.Error("an ended session is renewed")
	}

	// A code, and its count.
	d.user("carol", bobPassword)
	plain := d.browser(d.is(d.pass(authn.Visitor{}, "acme", "carol", bobPassword), authn.SignedIn).Browser)
	f, err := d.in.StepUpFactors(t.Context(), plain)
	d.must(err)
	if !f.Password || len(f.Devices) != 0 {
		t.Errorf("%+v", f)
	}
	out, err = d.in.StepUpByPassword(t.Context(), authn.Visitor{}, plain, "wrong")
	d.must(err)
	d.is(out, authn.Refused)
	out, err = d.in.StepUpByPassword(t.Context(), authn.Visitor{}, plain, bobPassword)
	d.must(err)
	if b := d.browser(d.is(out, authn.SignedIn).Browser); b.Session.MFA || !b.FactorTime.Equal(d.now) {
		t.Errorf("%+v", b)
	}
	d.phone("carol", "phone")
	cookie := d.next(d.pass(authn.Visitor{}, "acme", "carol", bobPassword), identity.StepFactor)
	out, err = d.in.Code(t.Context(), authn.Visitor{}, cookie, "", d.code("phone", 0), false)
	d.must(err)
	b := d.browser(d.is(out, authn.SignedIn).Browser)
	out, err = d.in.StepUpByPassword(t.Context(), authn.Visitor{}, b, bobPassword)
	d.must(err)
	d.is(out, authn.Refused)
	for range 5 {
		out, err = d.in.StepUpByCode(t.Context(), authn.Visitor{}, b, "", d.badCode())
		d.must(err)
		d.is(out, authn.Refused)
	}
	out, err = d.in.StepUpByCode(t.Context(), authn.Visitor{}, b, "", d.code("phone", 1))
	d.must(err)
	d.is(out, authn.Wait)
	d.now = out.Until
	out, err = d.in.StepUpByCode(t.Context(), authn.Visitor{}, b, "", d.code("phone", 0))
	d.must(err)
	d.is(out, authn.SignedIn)
}
