package authn_test

import (
	"encoding/base32"
	"fmt"
	"strings"
	"testing"
	"time"

	"crypto/rand"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

func (d *door) link(id string, purpose identity.LinkPurpose) (secret string) {
	d.Helper()
	p := d.person(id)
	d.update(func(tx store.Tx) (err error) {
		secret, _, err = authn.MakeLink(tx, p, purpose, "tester", d.now, rand.Reader)
		return err
	})
	return secret
}

func (d *door) follow(secret string) authn.Outcome {
	d.Helper()
	out, err := d.in.OpenLink(d.Context(), authn.Visitor{}, secret)
	d.must(err)
	return out
}

// begin sets a phone up in a sign-in under way.
func (d *door) begin(cookie, name string) *authn.NewDevice {
	d.Helper()
	device, out, err := d.in.BeginTOTP(d.Context(), cookie, name)
	d.must(err)
	if device == nil {
		d.Fatalf("no device: %+v", out)
	}
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(device.Seed)
	d.must(err)
	d.seeds[name] = seed
	return device
}

func (d *door) confirm(cookie, name string, first, second int64) authn.Outcome {
	d.Helper()
	out, err := d.in.ConfirmTOTP(d.Context(), authn.Visitor{}, cookie, d.code(name, first), d.code(name, second))
	d.must(err)
	return out
}

// claim sets the root user up.
func (d *door) claim() authn.Outcome {
	d.Helper()
	cookie := d.next(d.follow(d.link(string(account), identity.LinkClaim)), identity.StepClaim)
	out, err := d.in.Claim(d.Context(), authn.Visitor{}, cookie, authn.ClaimAs{Email: " Root@Example.com ", Alias: "example", Password: rootPassword})
	d.must(err)
	cookie = d.next(out, identity.StepClaim)
	d.begin(cookie, "root-phone")
	return d.confirm(cookie, "root-phone", -1, 0)
}

func (d *door) root(text string) authn.Outcome {
	d.Helper()
	out, err := d.in.Password(d.Context(), authn.Visitor{}, authn.PasswordSignIn{Email: rootMail, Password: text})
	d.must(err)
	return out
}

func TestClaim(t *testing.T) {
	d := newDoor(t)
	d.is(d.root(rootPassword), authn.Refused)
	out := d.is(d.claim(), authn.SignedIn)
	b := d.browser(out.Browser)
	if b.Session.Kind != session.Root || !b.Session.MFA || len(out.RecoveryCodes) != 10 {
		t.Errorf("%+v, %d codes", b.Session, len(out.RecoveryCodes))
	}
	p := d.person(string(account))
	if a := p.Account; a.Alias != "example" || a.RootEmail != rootMail || len(a.RootMFA) != 1 || !a.RootPasswordLastUsed.Equal(d.now) {
		t.Errorf("%+v", a)
	}
	d.is(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), authn.Refused) // the old alias
	d.is(d.pass(authn.Visitor{}, "example", "bob", bobPassword), authn.SignedIn)
	// T253: root is always asked for the factor.
	cookie := d.next(d.root(rootPassword), identity.StepFactor)
	d.now = d.now.Add(time.Minute)
	out, err := d.in.Code(t.Context(), authn.Visitor{}, cookie, "", d.code("root-phone", 0), true)
	d.must(err)
	d.is(out, authn.SignedIn)
	var names []string
	for _, r := range d.records() {
		names = append(names, fmt.Sprint(r["eventName"], " ", r["awsRegion"], " ", r["userIdentity"].(map[string]any)["type"]))
	}
	want := "PasswordRecoveryRequested us-east-1 Root, EnableMFADevice us-east-1 Root, PasswordRecoveryCompleted us-east-1 Root, ConsoleLogin us-east-1 Root"
	if got := strings.Join(names, ", "); !strings.HasPrefix(got, want) {
		t.Errorf("recorded %s", got)
	}
}

// Nothing of a claim that was given up is set.
func TestClaimIsAllOrNothing(t *testing.T) {
	d := newDoor(t)
	before := *d.person(string(account)).Account
	cookie := d.next(d.follow(d.link(string(account), identity.LinkClaim)), identity.StepClaim)
	for as, why := range map[authn.ClaimAs]string{
		{Email: "no mail", Password: rootPassword}:                               "e-mail",
		{Email: "Root <root@example.com>", Password: rootPassword}:               "e-mail",
		{Email: rootMail, Alias: "123456789012", Password: rootPassword}:         "name of an account",
		{Email: rootMail, Alias: "a--b", Password: rootPassword}:                 "name of an account",
		{Email: rootMail, Password: "short"}:                                     "at least 8",
		{Email: "tipperary@example.com", Password: "Tipperary-1!"}:               "too close",
		{Email: rootMail, Password: strings.Repeat("long Pass1 ", 12) + "12345"}: "at most",
	} {
		out, err := d.in.Claim(t.Context(), authn.Visitor{}, cookie, as)
		d.must(err)
		if d.is(out, authn.Refused); !strings.Contains(out.Message, why) {
			t.Errorf("%+v: %s", as, out.Message)
		}
	}
	// A device before anything was chosen.
	if device, out, err := d.in.BeginTOTP(t.Context(), cookie, "early"); err != nil || device != nil || out.Result != authn.StartAgain {
		t.Errorf("%+v, %v", out, err)
	}
	// No password, and codes alone.
	out, err := d.in.Claim(t.Context(), authn.Visitor{}, cookie, authn.ClaimAs{Email: rootMail})
	d.must(err)
	cookie = d.next(out, identity.StepClaim)
	d.begin(cookie, "p1")
	if out := d.confirm(cookie, "p1", -1, 0); out.Result != authn.Refused || !strings.Contains(out.Message, "password") {
		t.Errorf("%+v", out)
	}
	out, err = d.in.Claim(t.Context(), authn.Visitor{}, cookie, authn.ClaimAs{Email: rootMail, Alias: "mine", Password: rootPassword})
	d.must(err)
	cookie = d.next(out, identity.StepClaim)
	if after := *d.person(string(account)).Account; fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("%+v is set", after)
	}
	d.must(d.in.Sweep(t.Context()))
	d.now = d.now.Add(15 * time.Minute)
	if out := d.confirm(cookie, "p1", -1, 0); out.Result != authn.StartAgain {
		t.Errorf("%+v", out)
	}
	d.must(d.in.Sweep(t.Context()))
	d.view(func(r store.Reader) error {
		for _, kind := range []store.Kind{store.SignIn, store.OneTimeLink, store.MFADevice, store.RootEmail, store.RecoveryCodes} {
			r.Scan(store.Prefix(kind), "", func(k store.Key, _ *store.Item) bool { t.Errorf("%s is left", kind); return true })
		}
		return nil
	})
}

func TestClaimOfNamesThatOthersHave(t *testing.T) {
	d := newDoor(t)
	const other = "222222222222"
	d.update(func(tx store.Tx) error {
		d.must(identity.Accounts.Put(tx, &identity.Account{ID: other, Partition: "aws"}, other))
		d.must(identity.SetAlias(tx, other, "taken"))
		return identity.RootEmails.Put(tx, &identity.Alias{Account: other}, "taken@example.com")
	})
	cookie := d.next(d.follow(d.link(string(account), identity.LinkClaim)), identity.StepClaim)
	for _, as := range []authn.ClaimAs{{Email: "taken@example.com", Password: rootPassword}, {Email: rootMail, Alias: "taken", Password: rootPassword}} {
		out, err := d.in.Claim(t.Context(), authn.Visitor{}, cookie, as)
		d.must(err)
		d.is(out, authn.Refused)
	}
	out, err := d.in.Claim(t.Context(), authn.Visitor{}, cookie, authn.ClaimAs{Email: rootMail, Alias: "late", Password: rootPassword})
	d.must(err)
	cookie = d.next(out, identity.StepClaim)
	d.begin(cookie, "phone")
	// Somebody takes the name meanwhile: nothing is set.
	d.update(func(tx store.Tx) error { return identity.SetAlias(tx, other, "late") })
	d.is(d.confirm(cookie, "phone", -1, 0), authn.Refused)
	if p := d.person(string(account)); len(p.Devices()) != 0 || p.Account.RootEmail != "" {
		t.Errorf("%+v", p.Account)
	}
}

// T245: links work once, for fifteen minutes, for their person; a new one ends the old.
func TestT245_Links(t *testing.T) {
	d := newDoor(t)
	d.phone("bob", "phone")
	d.key("bob", []byte("bob's key"))
	old := d.link(idOf("bob"), identity.LinkRecover)
	link := d.link(idOf("bob"), identity.LinkRecover)
	d.is(d.follow(old), authn.Refused)
	for _, forged := range []string{"", "0000-0000-0000-0000", link[:18], link + "0", strings.Repeat("A", 1<<20)} {
		d.is(d.follow(forged), authn.Refused)
	}
	// As people type it.
	cookie := d.next(d.follow(" "+strings.ReplaceAll(strings.ToLower(link), "-", "")+" "), identity.StepRecover)
	d.is(d.follow(link), authn.Refused)

	// The password is asked for, and counted as anywhere.
	out, err := d.in.RecoverPassword(t.Context(), authn.Visitor{}, cookie, "wrong")
	d.must(err)
	d.is(out, authn.Refused)
	laptop := d.is(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), authn.Next)
	_ = laptop
	out, err = d.in.RecoverPassword(t.Context(), authn.Visitor{}, cookie, bobPassword)
	d.must(err)
	cookie = d.next(out, identity.StepEnrol)
	if !out.Pending.Recovering || !out.Pending.Later.IsZero() {
		t.Errorf("%+v", out.Pending)
	}
	later, err := d.in.EnrolLater(t.Context(), authn.Visitor{}, cookie)
	d.must(err)
	d.is(later, authn.Refused)

	// The new device takes the place of the lost one.
	d.begin(cookie, "new")
	out = d.is(d.confirm(cookie, "new", -1, 0), authn.SignedIn)
	if p := d.person(idOf("bob")); len(p.Devices()) != 1 || p.Devices()[0].Serial != "/new" || len(out.RecoveryCodes) != 10 {
		t.Errorf("%+v", p.Devices())
	}
	d.view(func(r store.Reader) error {
		n, err := identity.CountsOf.Get(r, string(account))
		if err != nil || n.MFADevices != 1 || n.MFADevicesInUse != 1 || identity.MFADevices.Has(r, string(account), "/phone") {
			t.Errorf("counts %+v, %v", n, err)
		}
		if _, err := identity.SecurityKeyByCredential(r, []byte("bob's key")); err != store.ErrNotFound || n.SecurityKeys != 0 {
			t.Errorf("the lost key: %v, counts %+v", err, n)
		}
		return nil
	})
	link = d.link(idOf("bob"), identity.LinkRecover)
	d.now = d.now.Add(15 * time.Minute)
	d.is(d.follow(link), authn.Refused)
}

// Wrong codes with the lost device, whoever typed them, do not keep the new one out: neither
// when it is set up nor at the first sign-in with it.
func TestRecoveryAfterWrongCodes(t *testing.T) {
	d := newDoor(t)
	d.phone("bob", "phone")
	cookie := d.next(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), identity.StepFactor)
	for range 5 {
		out, err := d.in.Code(t.Context(), authn.Visitor{}, cookie, "", d.badCode(), false)
		d.must(err)
		d.is(out, authn.Refused)
	}
	out, err := d.in.Code(t.Context(), authn.Visitor{}, cookie, "", d.badCode(), false)
	d.must(err)
	d.is(out, authn.Wait)

	cookie = d.next(d.follow(d.link(idOf("bob"), identity.LinkRecover)), identity.StepRecover)
	out, err = d.in.RecoverPassword(t.Context(), authn.Visitor{}, cookie, bobPassword)
	d.must(err)
	cookie = d.next(out, identity.StepEnrol)
	d.user("alice", "")
	d.phone("alice", "hers")
	if device, _, err := d.in.BeginTOTP(t.Context(), cookie, "hers"); err != nil || device != nil {
		t.Errorf("the name of another's device: %+v, %v", device, err)
	}
	d.begin(cookie, "phone") // the name of the lost one, which gives way
	d.is(d.confirm(cookie, "phone", 0, 0), authn.Refused)
	d.begin(cookie, "new")
	for range 6 { // typed wrong, with the seed on the screen
		d.is(d.confirm(cookie, "new", 0, 0), authn.Refused)
	}
	d.begin(cookie, "phone")
	d.is(d.confirm(cookie, "phone", -1, 0), authn.SignedIn)
	if have := d.person(idOf("bob")).Devices(); len(have) != 1 || have[0].Serial != "/phone" {
		t.Errorf("%+v", have)
	}

	cookie = d.next(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), identity.StepFactor)
	d.now = d.now.Add(30 * time.Second)
	out, err = d.in.Code(t.Context(), authn.Visitor{}, cookie, "", d.code("phone", 0), false)
	d.must(err)
	d.is(out, authn.SignedIn)
}

// Root's recovery, which only the owner of the host can start, sets everything anew.
func TestRecoverRoot(t *testing.T) {
	d := newDoor(t)
	first := d.is(d.claim(), authn.SignedIn)
	d.now = d.now.Add(time.Hour - time.Second)
	cookie := d.next(d.follow(d.link(string(account), identity.LinkRecover)), identity.StepClaim)
	out, err := d.in.Claim(t.Context(), authn.Visitor{}, cookie, authn.ClaimAs{Email: "new@example.com", Password: "Quite another one 7"})
	d.must(err)
	cookie = d.next(out, identity.StepClaim)
	d.begin(cookie, "root-new")
	told := map[string]string{} // root's address when an event was recorded
	d.notable = func(tx store.Tx, e *audit.Event) {
		a, err := identity.Accounts.Get(tx, string(account))
		d.must(err)
		told[e.Name] = a.RootEmail
	}
	d.is(d.root(rootPassword), authn.Next) // until it is done, all is as it was
	d.is(d.confirm(cookie, "root-new", -1, 0), authn.SignedIn)
	d.is(d.root(rootPassword), authn.Refused)
	if told["EmailUpdated"] != rootMail || told["PasswordRecoveryCompleted"] != "new@example.com" {
		t.Errorf("the address at which root is told of another one: %v", told)
	}
	if d.open(first.Browser) {
		t.Error("the old browser session lives on")
	}
	if p := d.person(string(account)); len(p.Devices()) != 1 || p.Account.RootEmail != "new@example.com" || p.Account.Alias != "example" {
		t.Errorf("%+v", p.Account)
	}
	out, err = d.in.Password(t.Context(), authn.Visitor{}, authn.PasswordSignIn{Email: "new@example.com", Password: "Quite another one 7"})
	d.must(err)
	d.next(out, identity.StepFactor)
}

// T264: enrolment shows a seed once, wants two consecutive codes, and given up leaves nothing.
func TestT264_Enrolment(t *testing.T) {
	d := newDoor(t)
	d.update(func(tx store.Tx) error {
		return identity.SignInRulesOf.Put(tx, &identity.SignInRules{MFARequired: d.now, GraceDays: 7}, string(account))
	})
	out := d.pass(authn.Visitor{}, "acme", "bob", bobPassword)
	cookie := d.next(out, identity.StepEnrol)
	if !out.Pending.Later.Equal(d.now.AddDate(0, 0, 7)) {
		t.Errorf("later until %s", out.Pending.Later)
	}
	one := d.begin(cookie, "phone")
	first := d.seeds["phone"]
	if len(first) < 20 || len(one.QR) == 0 || !strings.HasPrefix(one.URL, "otpauth://totp/phone") {
		t.Errorf("%+v", one)
	}
	if two := d.begin(cookie, "phone"); two.Seed == one.Seed {
		t.Error("the seed is shown twice")
	}
	// Codes of the seed that was given up, the same code twice, the wrong order, with a gap.
	second := d.seeds["phone"]
	for _, codes := range [][2]string{
		{mfa.Code(first, mfa.StepAt(d.now)-1), mfa.Code(first, mfa.StepAt(d.now))},
		{d.code("phone", 0), d.code("phone", 0)}, {d.code("phone", 0), d.code("phone", -1)}, {d.code("phone", -2), d.code("phone", 0)},
	} {
		out, err := d.in.ConfirmTOTP(t.Context(), authn.Visitor{}, cookie, codes[0], codes[1])
		d.must(err)
		d.is(out, authn.Refused)
	}
	_ = second
	for _, bad := range []string{"", "a/b", "ünder", strings.Repeat("x", 300)} {
		if device, out, err := d.in.BeginTOTP(t.Context(), cookie, bad); err != nil || device != nil || out.Result != authn.Refused {
			t.Errorf("%q: %+v, %v", bad, out, err)
		}
	}
	// Later.
	out, err := d.in.EnrolLater(t.Context(), authn.Visitor{}, cookie)
	d.must(err)
	d.is(out, authn.SignedIn)
	d.now = d.now.AddDate(0, 0, 7)
	out = d.pass(authn.Visitor{}, "acme", "bob", bobPassword)
	cookie = d.next(out, identity.StepEnrol)
	out, err = d.in.EnrolLater(t.Context(), authn.Visitor{}, cookie)
	d.must(err)
	d.is(out, authn.Refused)

	// The name is free: what was given up is not there.
	d.begin(cookie, "phone")
	out = d.is(d.confirm(cookie, "phone", -1, 0), authn.SignedIn)
	if b := d.browser(out.Browser); !b.Session.MFA || len(out.RecoveryCodes) != 10 {
		t.Errorf("%+v", b.Session)
	}
	// The codes of the enrolment are used up.
	cookie = d.next(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), identity.StepFactor)
	out, err = d.in.Code(t.Context(), authn.Visitor{}, cookie, "", d.code("phone", 0), false)
	d.must(err)
	d.is(out, authn.Refused)
}

// T279: recovery codes work once; a new set ends the old; they are counted apart.
func TestT279_RecoveryCodes(t *testing.T) {
	d := newDoor(t)
	d.phone("bob", "phone")
	make10 := func() (codes []string) {
		d.update(func(tx store.Tx) (err error) {
			codes, err = authn.MakeRecoveryCodes(tx, idOf("bob"), d.now, rand.Reader)
			return err
		})
		return codes
	}
	use := func(code string) authn.Outcome {
		cookie := d.next(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), identity.StepFactor)
		out, err := d.in.RecoveryCode(t.Context(), authn.Visitor{}, cookie, code)
		d.must(err)
		return out
	}
	old, codes := make10(), []string(nil)
	codes = make10()
	used := 0
	d.notable = func(_ store.Tx, e *audit.Event) {
		if e.Name == "CheckMfa" && strings.Contains(string(e.Additional), audit.RecoveryCode) {
			used++
		}
	}
	d.is(use(old[0]), authn.Refused)
	out := d.is(use(strings.ToLower(codes[3])), authn.SignedIn)
	if b := d.browser(out.Browser); !b.Session.MFA || b.Factors[1] != identity.ByRecovery {
		t.Errorf("%+v", b)
	}
	d.is(use(codes[3]), authn.Refused)
	d.is(use(codes[9]), authn.SignedIn)
	if used != 2 {
		t.Errorf("%d of 2 codes that were used are on record", used)
	}
	for range 5 {
		d.is(use("0000-0000-0000-0000"), authn.Refused)
	}
	d.is(use(codes[0]), authn.Wait)
	// Codes of the phone are not held up by that.
	cookie := d.next(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), identity.StepFactor)
	out, err := d.in.Code(t.Context(), authn.Visitor{}, cookie, "", d.code("phone", 0), false)
	d.must(err)
	d.is(out, authn.SignedIn)
	d.view(func(r store.Reader) error {
		kept, err := identity.RecoveryCodesOf.Get(r, idOf("bob"))
		if err != nil || len(kept.Digests) != 8 || strings.Contains(fmt.Sprint(kept), codes[0]) {
			t.Errorf("%+v, %v", kept, err)
		}
		return nil
	})
}

func TestRememberedDevice(t *testing.T) {
	d := newDoor(t)
	d.phone("bob", "phone")
	rules := &identity.SignInRules{RememberDays: 30}
	put := func() {
		d.update(func(tx store.Tx) error { return identity.SignInRulesOf.Put(tx, rules, string(account)) })
	}
	put()
	var v authn.Visitor
	cookie := d.next(d.pass(v, "acme", "bob", bobPassword), identity.StepFactor)
	out, err := d.in.Code(t.Context(), v, cookie, "", d.code("phone", 0), true)
	d.must(err)
	v.Devices = d.is(out, authn.SignedIn).Devices
	d.now = d.now.AddDate(0, 0, 1)
	out = d.is(d.pass(v, "acme", "bob", bobPassword), authn.SignedIn)
	if d.browser(out.Browser).Session.MFA {
		t.Error("a remembered browser is no second factor towards policies")
	}
	stolen := v
	v.Devices = out.Devices
	d.next(d.pass(stolen, "acme", "bob", bobPassword), identity.StepFactor) // an old cookie
	d.next(d.pass(authn.Visitor{}, "acme", "bob", bobPassword), identity.StepFactor)
	rules.RememberDays = 0
	put()
	d.next(d.pass(v, "acme", "bob", bobPassword), identity.StepFactor)
	rules.RememberDays = 30
	put()
	d.is(d.pass(v, "acme", "bob", bobPassword), authn.SignedIn)
	d.now = d.now.AddDate(0, 0, 29)
	d.next(d.pass(v, "acme", "bob", bobPassword), identity.StepFactor)
}
