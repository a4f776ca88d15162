package authn_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/webauthnx"
	"github.com/lanyard-iam/lanyard/internal/webauthnx/softkey"
	"github.com/lanyard-iam/lanyard/store"
)

const site = "https://id.example.com"

// keyScene is an account whose people register security keys and sign in with them.
type keyScene struct {
	*scene
	keys *authn.WebAuthn
}

func newKeyScene(t *testing.T) *keyScene {
	s := &keyScene{scene: newScene(t)}
	rp, err := webauthnx.New(webauthnx.Config{ID: "id.example.com", Origin: site, DisplayName: "Lanyard"})
	s.must(err)
	s.keys = &authn.WebAuthn{Site: rp, Ring: s.mfa.Ring}
	s.update(func(tx store.Tx) error {
		for id, name := range map[string]string{alice.ID: "alice", "AIDABOB": "bob"} {
			u := &identity.User{Account: account, ID: id, Name: name, Path: "/"}
			if err := identity.Users.Put(tx, u, string(account), name); err != nil {
				return err
			}
			if err := identity.Entities.Put(tx, &identity.Entity{Account: account, Type: identity.TypeUser, Name: name}, id); err != nil {
				return err
			}
		}
		return identity.Accounts.Put(tx, &identity.Account{ID: account, Partition: "aws"}, string(account))
	})
	return s
}

func (s *keyScene) view(fn func(r store.Reader) error) {
	s.t.Helper()
	s.must(s.store.View(s.t.Context(), fn))
}

func (s *keyScene) person(r store.Reader, id string) *identity.Person {
	s.t.Helper()
	p, err := identity.FindPerson(r, id)
	s.must(err)
	return p
}

func (s *keyScene) beginRegistration(person string, passkey bool) (c *authn.Ceremony) {
	s.t.Helper()
	s.view(func(r store.Reader) (err error) {
		c, err = s.keys.BeginRegistration(r, s.person(r, person), passkey, s.now, rand.Reader)
		return err
	})
	return c
}

// finishRegistration ends a registration and keeps the device, unless it is refused.
func (s *keyScene) finishRegistration(person string, c *authn.Ceremony, answer []byte) (d *identity.MFADevice, refusal error) {
	s.t.Helper()
	err := s.store.Update(s.t.Context(), func(tx store.Tx) error {
		p := s.person(tx, person)
		credential, err := s.keys.FinishRegistration(tx, p, c.Handle, answer, s.now)
		if err != nil {
			return err
		}
		if d, err = identity.NewSecurityKey(p, "key", credential, s.now, rand.Reader); err != nil {
			return err
		}
		err = identity.EditPerson(tx, p, func(c identity.Credentials) {
			*c.Devices = append(*c.Devices, identity.EnabledDevice{Serial: d.Key(), Enabled: d.Enabled})
		})
		return errors.Join(err, identity.PutSecurityKey(tx, d))
	})
	return d, err
}

// register gives a person a key.
func (s *keyScene) register(person string, k *softkey.Key, passkey bool) *identity.MFADevice {
	s.t.Helper()
	c := s.beginRegistration(person, passkey)
	d, err := s.finishRegistration(person, c, k.Create(c.Options, site))
	s.must(err)
	return d
}

// beginLogin starts a sign-in: of a person, or of whoever comes.
func (s *keyScene) beginLogin(person string) (c *authn.Ceremony) {
	s.t.Helper()
	s.view(func(r store.Reader) (err error) {
		if person == "" {
			c, err = s.keys.BeginDiscoverableLogin(s.now, rand.Reader)
		} else {
			c, err = s.keys.BeginLogin(r, s.person(r, person), false, s.now, rand.Reader)
		}
		return err
	})
	return c
}

// finishLogin ends a sign-in as an operation does: what is refused without having been
// counted is not kept.
func (s *keyScene) finishLogin(person string, c *authn.Ceremony, answer []byte) (login *authn.SecurityKeyLogin, refusal error) {
	s.t.Helper()
	err := s.store.Update(s.t.Context(), func(tx store.Tx) error {
		var asserted *authn.Asserted
		if asserted, refusal = s.keys.Judge(tx, person, c.Handle, answer, s.now); refusal == nil {
			login, refusal = s.keys.FinishLogin(tx, asserted, s.now)
		}
		if mfa, ok := errors.AsType[*authn.MFAError](refusal); ok && mfa.Counted {
			return nil
		}
		return refusal
	})
	if err != nil && refusal == nil {
		s.t.Fatal(err)
	}
	return login, refusal
}

func (s *keyScene) login(person string, k *softkey.Key, forge ...func(*softkey.Draft)) (*authn.SecurityKeyLogin, error) {
	s.t.Helper()
	c := s.beginLogin(person)
	return s.finishLogin(person, c, k.Get(c.Options, site, forge...))
}

// device is the record of a device as it is now.
func (s *keyScene) device(d *identity.MFADevice) (now *identity.MFADevice) {
	s.t.Helper()
	s.view(func(r store.Reader) (err error) {
		now, err = identity.MFADevices.Get(r, string(account), d.Key())
		return err
	})
	return now
}

func (s *keyScene) failures(person string) (n int) {
	s.view(func(r store.Reader) error {
		if t, err := identity.Throttles.Get(r, "mfa", person); err == nil {
			n = t.Failures
		}
		return nil
	})
	return n
}

// marks is how many ceremonies are marked as used up.
func (s *keyScene) marks() (n int) {
	s.view(func(r store.Reader) error {
		return identity.UsedCeremonies.Scan(r, "", func(store.Key, *identity.UsedCeremony) bool { n++; return true })
	})
	return n
}

// refused checks a refusal, and whether it was counted.
func (s *keyScene) refused(what string, err error, want webauthnx.Refusal, counted bool) {
	s.t.Helper()
	refusal, ok := errors.AsType[*authn.MFAError](err)
	if !ok || !errors.Is(err, want) || refusal.Counted != counted || refusal.Message != want.Error() {
		s.t.Errorf("%s: %+v, want %v, counted %v", what, err, want, counted)
	}
}

func wrongKey(d *softkey.Draft) { d.Signer = softkey.New(softkey.ES256).Signer }

func TestSecurityKeyAsSecondFactor(t *testing.T) {
	s := newKeyScene(t)
	k := softkey.New(softkey.ES256)
	k.Flags &^= softkey.UserVerified
	d := s.register(alice.ID, k, false)
	if d.Serial("aws") != "arn:aws:iam::111111111111:u2f/user/alice/"+d.Name || d.WebAuthn.Counter != 1 || !d.LastUsed.IsZero() {
		t.Errorf("registered %+v", d)
	}
	s.now = s.now.Add(time.Hour)
	login, err := s.login(alice.ID, k)
	s.must(err)
	if login.PersonID != alice.ID || login.UserVerified || login.Device.Key() != d.Key() {
		t.Errorf("signed in %+v", login)
	}
	if now := s.device(d); now.WebAuthn.Counter != 2 || !now.LastUsed.Equal(s.now) || !now.Cloned.IsZero() {
		t.Errorf("the device is %+v", now)
	}
	var keys []*identity.MFADevice
	s.view(func(r store.Reader) (err error) { keys, err = authn.SecurityKeys(r, s.person(r, alice.ID)); return err })
	if len(keys) != 1 || keys[0].Key() != d.Key() {
		t.Errorf("her keys: %v", keys)
	}
}

func TestPasskeySaysWhoItIs(t *testing.T) {
	s := newKeyScene(t)
	for _, person := range []string{alice.ID, "AIDABOB", string(account)} {
		k := softkey.NewPasskey(softkey.EdDSA)
		d := s.register(person, k, true)
		login, err := s.login("", k)
		s.must(err)
		if login.PersonID != person || !login.UserVerified || login.Device.Key() != d.Key() {
			t.Errorf("signed in %+v", login)
		}
	}
	var root *identity.MFADevice
	s.view(func(r store.Reader) error {
		keys, err := authn.SecurityKeys(r, s.person(r, string(account)))
		if err == nil {
			root = keys[0]
		}
		return err
	})
	if !strings.HasPrefix(root.Serial("aws"), "arn:aws:iam::111111111111:u2f/root-account/key-") {
		t.Errorf("root's key is %s", root.Serial("aws"))
	}
	_, err := s.login("", softkey.NewPasskey(softkey.EdDSA))
	s.refused("a stranger's passkey", err, webauthnx.UnknownCredential, false)
}

func TestWhoCannotBegin(t *testing.T) {
	s := newKeyScene(t)
	s.view(func(r store.Reader) error {
		if _, err := s.keys.BeginLogin(r, s.person(r, "AIDABOB"), false, s.now, rand.Reader); err != authn.ErrNoSecurityKey {
			t.Errorf("bob without keys: %v", err)
		}
		return nil
	})
	s.keys.Site = nil
	if _, err := s.keys.BeginDiscoverableLogin(s.now, rand.Reader); !errors.Is(err, webauthnx.ErrNoSite) {
		t.Errorf("without a site: %v", err)
	}
}

func TestT269_ACeremonyIsUsedOnce(t *testing.T) {
	s := newKeyScene(t)
	k := softkey.NewPasskey(softkey.ES256) // without a counter, which would tell replays too
	c := s.beginRegistration(alice.ID, false)
	answer := k.Create(c.Options, site)
	_, err := s.finishRegistration(alice.ID, c, answer)
	s.must(err)
	_, err = s.finishRegistration(alice.ID, c, answer)
	s.refused("a registration again", err, webauthnx.WrongChallenge, false)
	_, err = s.finishRegistration(alice.ID, c, softkey.New(softkey.ES256).Create(c.Options, site))
	s.refused("another key in the same registration", err, webauthnx.WrongChallenge, false)

	for _, person := range []string{alice.ID, ""} {
		c := s.beginLogin(person)
		answer := k.Get(c.Options, site)
		_, err := s.finishLogin(person, c, answer)
		s.must(err)
		_, err = s.finishLogin(person, c, answer)
		s.refused("a sign-in again", err, webauthnx.WrongChallenge, false)
	}
	// A failure that counts uses it up too.
	c = s.beginLogin(alice.ID)
	_, err = s.finishLogin(alice.ID, c, k.Get(c.Options, site, wrongKey))
	s.refused("a wrong key", err, webauthnx.WrongSignature, true)
	_, err = s.finishLogin(alice.ID, c, k.Get(c.Options, site))
	s.refused("the right one after it", err, webauthnx.WrongChallenge, false)

	c = s.beginLogin(alice.ID)
	answer = k.Get(c.Options, site)
	s.now = s.now.Add(webauthnx.Lifetime)
	_, err = s.finishLogin(alice.ID, c, answer)
	s.refused("after five minutes", err, webauthnx.Expired, false)
}

func TestT269_ParallelReplays(t *testing.T) {
	s := newKeyScene(t)
	k := softkey.NewPasskey(softkey.EdDSA)
	s.register(alice.ID, k, true)
	c := s.beginLogin("")
	answer := k.Get(c.Options, site)
	var in atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			err := s.store.Update(t.Context(), func(tx store.Tx) error {
				asserted, err := s.keys.Judge(tx, "", c.Handle, answer, s.now)
				if err == nil {
					_, err = s.keys.FinishLogin(tx, asserted, s.now)
				}
				return err
			})
			if err == nil {
				in.Add(1)
			}
		})
	}
	wg.Wait()
	if in.Load() != 1 {
		t.Errorf("%d of 50 came in", in.Load())
	}
}

func TestT269_Handles(t *testing.T) {
	s := newKeyScene(t)
	k := softkey.New(softkey.ES256)
	s.register(alice.ID, k, false)
	c := s.beginLogin(alice.ID)
	if len(c.Handle) > 600 || strings.Contains(c.Handle, alice.ID) {
		t.Errorf("handle %s", c.Handle)
	}
	answer := k.Get(c.Options, site)
	message, err := s.mfa.Ring.Seal("authorization-message", "", []byte("12345678{}"))
	s.must(err)
	for what, handle := range map[string]string{
		"none": "", "no base64": "?", "short": "AAAA", "cut": c.Handle[:len(c.Handle)-4], "long": strings.Repeat("A", 1<<20),
		"changed": "B" + c.Handle[1:], "another message": string(message),
	} {
		_, err := s.finishLogin(alice.ID, &authn.Ceremony{Handle: handle}, answer)
		s.refused("handle: "+what, err, webauthnx.WrongChallenge, false)
	}
	registration := s.beginRegistration(alice.ID, false)
	_, err = s.finishLogin(alice.ID, registration, answer)
	s.refused("a registration's handle", err, webauthnx.WrongCeremony, true)
	_, err = s.finishRegistration(alice.ID, s.beginLogin(alice.ID), softkey.New(softkey.ES256).Create(registration.Options, site))
	s.refused("a sign-in's handle", err, webauthnx.WrongCeremony, false)
	_, err = s.finishLogin(alice.ID, c, answer)
	s.must(err)
}

// What marks the past goes by itself.
func TestT269_MarksAreDropped(t *testing.T) {
	s := newKeyScene(t)
	k := softkey.New(softkey.EdDSA)
	s.register(alice.ID, k, false)
	for range 40 {
		_, err := s.login(alice.ID, k)
		s.must(err)
	}
	if n := s.marks(); n != 41 {
		t.Errorf("%d marks", n)
	}
	s.now = s.now.Add(webauthnx.Lifetime + 2*time.Second)
	for n, want := range []int{26, 11, 3, 4} {
		_, err := s.login(alice.ID, k)
		s.must(err)
		if have := s.marks(); have != want {
			t.Errorf("%d marks after sign-in %d, want %d", have, n, want)
		}
	}
	// Who only looks at the page, or brings nonsense, leaves nothing.
	for range 5 {
		c := s.beginLogin("")
		_, err := s.finishLogin("", c, []byte("{}"))
		s.refused("nonsense", err, webauthnx.Malformed, false)
	}
	if n := s.marks(); n != 4 {
		t.Errorf("%d marks", n)
	}
}

func TestT273_VerificationIsTold(t *testing.T) {
	s := newKeyScene(t)
	k := softkey.New(softkey.ES256)
	s.register(alice.ID, k, false)
	unverified := func(d *softkey.Draft) { d.Flags &^= softkey.UserVerified }
	for _, forge := range [][]func(*softkey.Draft){nil, {unverified}} {
		login, err := s.login(alice.ID, k, forge...)
		s.must(err)
		if login.UserVerified != (forge == nil) {
			t.Errorf("%+v", login)
		}
	}
	var c *authn.Ceremony
	s.view(func(r store.Reader) (err error) {
		c, err = s.keys.BeginLogin(r, s.person(r, alice.ID), true, s.now, rand.Reader)
		return err
	})
	_, err := s.finishLogin(alice.ID, c, k.Get(c.Options, site, unverified))
	s.refused("where it is required", err, webauthnx.NotVerified, false)
	_, err = s.finishLogin(alice.ID, c, k.Get(c.Options, site))
	s.must(err) // an honest mistake does not use the ceremony up
}

func TestT274_ACloneIsRefusedAndKept(t *testing.T) {
	s := newKeyScene(t)
	for _, person := range []string{alice.ID, ""} {
		k := softkey.New(softkey.ES256)
		d := s.register(alice.ID, k, true)
		_, err := s.login(alice.ID, k)
		s.must(err)
		_, err = s.login(person, k, func(d *softkey.Draft) { d.Counter = 1 })
		s.refused("a copy", err, webauthnx.Cloned, true)
		now := s.device(d)
		if !now.Cloned.Equal(s.now.Truncate(time.Second)) || now.WebAuthn.Counter != 2 {
			t.Errorf("the device is %+v", now)
		}
		s.now = s.now.Add(time.Minute)
		if _, err = s.login(person, k); err != nil {
			t.Errorf("the owner's key: %v", err)
		}
		if s.device(d).Cloned.IsZero() {
			t.Error("the warning is forgotten")
		}
	}
}

func TestT275_PeopleAndTheirKeys(t *testing.T) {
	s := newKeyScene(t)
	hers, his := softkey.New(softkey.ES256), softkey.New(softkey.ES256)
	s.register(alice.ID, hers, false)
	s.register("AIDABOB", his, false)
	his.UserHandle = []byte(alice.ID)
	_, err := s.login(alice.ID, his)
	s.refused("bob's key for alice", err, webauthnx.WrongPerson, true)
	_, err = s.login("", his)
	s.refused("bob's key, which says alice", err, webauthnx.WrongPerson, false)
	c := s.beginLogin(alice.ID)
	_, err = s.finishLogin("AIDABOB", c, hers.Get(c.Options, site))
	s.refused("alice's sign-in finished for bob", err, webauthnx.WrongPerson, true)
	c = s.beginLogin("")
	_, err = s.finishLogin(alice.ID, c, hers.Get(c.Options, site))
	s.refused("anybody's sign-in finished for alice", err, webauthnx.WrongPerson, true)

	// excludeCredentials is the browser's; the server looks too, in all accounts.
	registration := s.beginRegistration(alice.ID, false)
	var options struct {
		ExcludeCredentials []struct{ ID string }
	}
	s.must(json.Unmarshal(registration.Options, &options))
	if len(options.ExcludeCredentials) != 1 {
		t.Errorf("options %s", registration.Options)
	}
	_, err = s.finishRegistration(alice.ID, registration, hers.Create(registration.Options, site))
	s.refused("her key again", err, webauthnx.AlreadyRegistered, false)
	_, err = s.finishRegistration(alice.ID, registration, his.Create(registration.Options, site))
	s.refused("bob's key", err, webauthnx.AlreadyRegistered, false)
	_, err = s.finishRegistration("AIDABOB", registration, softkey.New(softkey.ES256).Create(registration.Options, site))
	s.refused("alice's registration finished by bob", err, webauthnx.WrongPerson, false)
	_, err = s.finishRegistration(alice.ID, registration, softkey.New(softkey.ES256).Create(registration.Options, site))
	s.must(err)
}

// Failures count for the person who was named, but a signature cannot be guessed: the
// owner of a key is not shut out by others' failures, nor a stranger's passkey counted
// for anybody.
func TestFailuresWithSecurityKeys(t *testing.T) {
	s := newKeyScene(t)
	k := softkey.NewPasskey(softkey.ES256)
	s.register(alice.ID, k, true)
	for n := range 7 {
		_, err := s.login(alice.ID, k, wrongKey)
		s.refused("a wrong key", err, webauthnx.WrongSignature, true)
		if s.failures(alice.ID) != n+1 {
			t.Errorf("%d failures after %d", s.failures(alice.ID), n+1)
		}
	}
	if err := s.check(s.code(0)); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("codes: %v", err)
	}
	_, err := s.login("", k, wrongKey)
	s.refused("a wrong key without a name", err, webauthnx.WrongSignature, false)
	_, err = s.login(alice.ID, k, func(d *softkey.Draft) { d.ClientData["origin"] = "https://localhost" })
	s.refused("another address of the site", err, webauthnx.WrongOrigin, false)
	if s.failures(alice.ID) != 7 {
		t.Errorf("%d failures", s.failures(alice.ID))
	}
	_, err = s.login(alice.ID, k)
	s.must(err)
	if s.failures(alice.ID) != 0 {
		t.Error("her success does not end the count")
	}
	s.must(s.check(s.code(0)))
}

// A code tells when its device was last used.
func TestCodesTellLastUse(t *testing.T) {
	s := newKeyScene(t)
	s.must(s.check(s.code(0)))
	d := s.device(&identity.MFADevice{Path: "/", Name: "phone"})
	if !d.LastUsed.Equal(s.now) {
		t.Errorf("last used %v", d.LastUsed)
	}
}

// An answer is judged before the transaction: what changed in between counts.
func TestT274_WhatChangedSinceAnAnswerWasJudged(t *testing.T) {
	s := newKeyScene(t)
	k := softkey.New(softkey.ES256)
	d := s.register(alice.ID, k, true)
	judge := func(counter uint32) *authn.Asserted {
		t.Helper()
		c := s.beginLogin(alice.ID)
		answer := k.Get(c.Options, site, func(d *softkey.Draft) { d.Counter = counter })
		var asserted *authn.Asserted
		s.view(func(r store.Reader) (err error) {
			asserted, err = s.keys.Judge(r, alice.ID, c.Handle, answer, s.now)
			return err
		})
		return asserted
	}
	finish := func(a *authn.Asserted) (refusal error) {
		t.Helper()
		s.must(s.store.Update(t.Context(), func(tx store.Tx) error {
			_, refusal = s.keys.FinishLogin(tx, a, s.now)
			return nil
		}))
		return refusal
	}
	// Two that were judged against the same counter, of a key and its copy.
	one, copied := judge(7), judge(7)
	if err := finish(one); err != nil {
		t.Fatal(err)
	}
	s.refused("the copy", finish(copied), webauthnx.Cloned, true)
	if s.device(d).Cloned.IsZero() {
		t.Error("the copy is not noted")
	}
	// T269: one ceremony, judged once and finished twice.
	one = judge(9)
	if err := finish(one); err != nil {
		t.Fatal(err)
	}
	s.refused("again", finish(one), webauthnx.WrongChallenge, false)
	// ... and again when its mark may be gone, and a first time too late.
	one, late := judge(10), judge(11)
	if err := finish(one); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(webauthnx.Lifetime)
	s.refused("too late", finish(late), webauthnx.Expired, false)
	s.now = s.now.Add(time.Second)
	if err := finish(judge(12)); err != nil { // drops old marks
		t.Fatal(err)
	}
	s.refused("again, its mark gone", finish(one), webauthnx.Expired, false)
	// T275: a key that was removed meanwhile, signing rightly or with a counter that went back.
	gone, back := judge(13), judge(3)
	s.must(s.store.Update(t.Context(), func(tx store.Tx) error { identity.DeleteSecurityKey(tx, s.device(d)); return nil }))
	s.refused("a removed key", finish(gone), webauthnx.UnknownCredential, true)
	s.refused("a removed key", finish(back), webauthnx.Cloned, true)
}
