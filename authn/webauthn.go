package authn

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/webauthnx"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/store"
)

// ErrNoSecurityKey says that a person has no security key or passkey to sign in with.
var ErrNoSecurityKey = errors.New("no security key or passkey is registered")

// WebAuthn runs the ceremonies of security keys and passkeys against the devices of
// people.
//
// A ceremony is begun with a snapshot only: what its end has to know leaves the server
// sealed, as the handle, and comes back with the browser's answer. So strangers who open
// the sign-in page cost no write and no memory. It is finished inside a transaction, once:
// an answer that is accepted, or counted as a failure, uses the ceremony up.
type WebAuthn struct {
	Site *webauthnx.RelyingParty
	Ring *keyring.Ring
}

// Ceremony is a ceremony that has begun.
type Ceremony struct {
	// Options are JSON for the browser: the argument of PublicKeyCredential's
	// parseCreationOptionsFromJSON or parseRequestOptionsFromJSON.
	Options []byte
	// Handle is what the end of the ceremony needs: some 400 characters of base64url, for
	// a cookie or a record. It must come back from the browser that got the options and
	// from nowhere else, or people could be led to finish a stranger's ceremony.
	Handle string
}

// SecurityKeyLogin is a sign-in with a security key or passkey that was accepted.
type SecurityKeyLogin struct {
	PersonID string
	Device   *identity.MFADevice // read only
	// UserVerified is whether the key knew its user (PIN, finger, face): if so, it is two
	// factors in one.
	UserVerified bool
}

// handleLabel keeps handles apart from other sealed messages.
const handleLabel = "webauthn ceremony"

// BeginRegistration starts to register a security key for a person: a passkey, with which
// one signs in without name and password, or any key, as a second factor.
func (w *WebAuthn) BeginRegistration(r store.Reader, p *identity.Person, passkey bool, now time.Time, rand io.Reader) (*Ceremony, error) {
	registered, err := credentials(r, p)
	if err != nil {
		return nil, err
	}
	who := webauthnx.Person{ID: []byte(p.ID()), Name: p.Name() + "@" + string(p.Account.ID), DisplayName: p.Name()}
	return w.begun(now)(w.Site.BeginRegistration(who, webauthnx.RegistrationOptions{Passkey: passkey, Registered: registered}, now, rand))
}

// FinishRegistration judges the browser's answer to a registration that the same person
// began, and yields the credential, which nobody has: identity.NewSecurityKey makes a
// device of it, identity.PutSecurityKey stores it. Refusals are *MFAError and wrap a
// webauthnx.Refusal; nothing of them has to be kept.
func (w *WebAuthn) FinishRegistration(tx store.Tx, p *identity.Person, handle string, response []byte, now time.Time) (*webauthnx.Credential, error) {
	c, err := w.open(tx, handle)
	if err != nil {
		return nil, refusedKey(err, false)
	}
	credential, err := w.Site.FinishRegistration(c.state, []byte(p.ID()), response, now, func(id []byte) (bool, error) {
		return identity.Passkeys.Has(tx, identity.PasskeyKey(id)), nil
	})
	if err != nil {
		return nil, refusedKey(err, false)
	}
	return credential, c.use(tx, now)
}

// BeginLogin starts a sign-in of a known person with a security key. verify asks for one
// that knows its user; without it, keys do so if they can. The error is ErrNoSecurityKey
// if the person has none.
func (w *WebAuthn) BeginLogin(r store.Reader, p *identity.Person, verify bool, now time.Time, rand io.Reader) (*Ceremony, error) {
	registered, err := credentials(r, p)
	if err != nil {
		return nil, err
	}
	if len(registered) == 0 {
		return nil, ErrNoSecurityKey
	}
	return w.begun(now)(w.Site.BeginLogin([]byte(p.ID()), registered, verify, now, rand))
}

// BeginDiscoverableLogin starts a sign-in in which a passkey says who comes.
func (w *WebAuthn) BeginDiscoverableLogin(now time.Time, rand io.Reader) (*Ceremony, error) {
	return w.begun(now)(w.Site.BeginDiscoverableLogin(now, rand))
}

// Asserted is the answer to a sign-in, as Judge found it.
type Asserted struct {
	ceremony *opened
	personID string
	device   *identity.MFADevice // nil if nobody has the credential
	login    *webauthnx.Login    // nil if it is refused
	refusal  webauthnx.Refusal   // or else why
}

// Judge judges the browser's answer to a sign-in against a snapshot: it does the work, such
// as verifying the signature, and changes nothing. personID is the PersonID for whom the
// sign-in was begun, empty for a discoverable one. FinishLogin says what came of it.
func (w *WebAuthn) Judge(r store.Reader, personID, handle string, response []byte, now time.Time) (*Asserted, error) {
	c, err := w.open(r, handle)
	if err != nil {
		return nil, refusedKey(err, false)
	}
	a := &Asserted{ceremony: c, personID: personID}
	a.login, err = w.Site.FinishLogin(c.state, []byte(personID), response, now, func(id []byte) (*webauthnx.Owned, error) {
		var err error
		a.device, err = identity.SecurityKeyByCredential(r, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("find a security key by its credential: %w", err)
		}
		return &webauthnx.Owned{PersonID: []byte(a.device.Owner), Credential: a.device.WebAuthn}, nil
	})
	if refusal, refused := errors.AsType[webauthnx.Refusal](err); refused {
		if !a.kept(refusal) {
			return nil, refusedKey(refusal, false)
		}
		a.refusal, err = refusal, nil
	}
	return a, err
}

// kept tells whether a refusal leaves something behind.
func (a *Asserted) kept(refusal webauthnx.Refusal) bool {
	return a.personID != "" && !honest(refusal) || refusal == webauthnx.Cloned
}

// FinishLogin ends a sign-in with an answer that was judged, and keeps with the device that
// it was used. It looks again at what may have changed since: the ceremony is not used up,
// the key is still the person's, its counter went on. Of a person who was found by their
// passkey it says that they are who they are; whether they may sign in is left to the caller.
//
// Refusals are *MFAError and wrap a webauthnx.Refusal. Those that an honest browser and
// key do not give count as failures of the person for whom the sign-in was begun. But
// signatures cannot be guessed: so an answer is looked at even while the person has to
// wait before another code, and failures without a name count for nobody. Nobody can
// shut a person with a security key out.
func (w *WebAuthn) FinishLogin(tx store.Tx, a *Asserted, now time.Time) (*SecurityKeyLogin, error) {
	if now.Unix() >= a.ceremony.end { // it was in time when it was judged; a mark may be dropped
		return nil, refusedKey(webauthnx.Expired, false)
	}
	if a.ceremony.used(tx) {
		return nil, refusedKey(webauthnx.WrongChallenge, false)
	}
	if a.login == nil {
		return nil, w.failed(tx, a, a.device, a.refusal, now)
	}
	device, err := identity.SecurityKeyByCredential(tx, a.login.Credential.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, w.failed(tx, a, nil, webauthnx.UnknownCredential, now)
	case err != nil:
		return nil, fmt.Errorf("find a security key by its credential: %w", err)
	case device.Owner != a.device.Owner || !bytes.Equal(device.WebAuthn.PublicKey, a.login.Credential.PublicKey):
		return nil, w.failed(tx, a, nil, webauthnx.UnknownCredential, now)
	case webauthnx.Regressed(device.WebAuthn.Counter, a.login.Credential.Counter):
		return nil, w.failed(tx, a, device, webauthnx.Cloned, now)
	}
	if err := a.ceremony.use(tx, now); err != nil {
		return nil, err
	}
	ForgetFailures(tx, PurposeMFA, device.Owner)
	device, err = editKey(tx, device, func(d *identity.MFADevice) {
		d.WebAuthn, d.LastUsed = &a.login.Credential, now.UTC().Truncate(time.Second)
	})
	if err != nil {
		return nil, err
	}
	return &SecurityKeyLogin{PersonID: device.Owner, Device: device, UserVerified: a.login.UserVerified}, nil
}

// failed keeps what is to be kept of a refused answer.
func (w *WebAuthn) failed(tx store.Tx, a *Asserted, device *identity.MFADevice, refusal webauthnx.Refusal, now time.Time) error {
	keep := a.kept(refusal)
	if a.personID != "" && !honest(refusal) {
		if err := CountFailure(tx, PurposeMFA, a.personID, now); err != nil {
			return err
		}
	}
	// The device is known then, and its key has signed; it may have been removed meanwhile.
	if refusal == webauthnx.Cloned && identity.MFADevices.Has(tx, string(device.Account), device.Key()) {
		_, err := editKey(tx, device, func(d *identity.MFADevice) { d.Cloned = now.UTC().Truncate(time.Second) })
		if err != nil {
			return err
		}
	}
	if keep {
		if err := a.ceremony.use(tx, now); err != nil {
			return err
		}
	}
	return refusedKey(refusal, keep)
}

// honest are the refusals that people get who do nothing wrong: too slow, a key without
// PIN, a site that is reached by another name than it is configured with.
func honest(r webauthnx.Refusal) bool {
	switch r {
	case webauthnx.Expired, webauthnx.NotPresent, webauthnx.NotVerified, webauthnx.WrongOrigin:
		return true
	}
	return false
}

// refusedKey is a refusal as callers get it; other errors stay as they are.
func refusedKey(err error, counted bool) error {
	refusal, ok := errors.AsType[webauthnx.Refusal](err)
	if !ok {
		return err
	}
	return &MFAError{Message: refusal.Error(), Counted: counted, Cause: refusal}
}

// editKey changes a security key and yields it as it is now.
func editKey(tx store.Tx, d *identity.MFADevice, edit func(*identity.MFADevice)) (*identity.MFADevice, error) {
	account, key := string(d.Account), d.Key()
	err := identity.MFADevices.Edit(tx, func(d *identity.MFADevice) error {
		edit(d)
		return nil
	}, account, key)
	if err != nil {
		return nil, fmt.Errorf("edit MFA device %s of account %s: %w", key, account, err)
	}
	return identity.MFADevices.Get(tx, account, key)
}

// SecurityKeys are the security keys and passkeys of a person, in the order in which they
// were registered; read only.
func SecurityKeys(r store.Reader, p *identity.Person) (keys []*identity.MFADevice, err error) {
	for _, e := range p.Devices() {
		d, err := identity.MFADevices.Get(r, string(p.Account.ID), e.Serial)
		if err != nil {
			return nil, fmt.Errorf("MFA device %s of %s: %w", e.Serial, p.ARN(), err)
		}
		if d.Kind() == identity.SecurityKey && d.WebAuthn != nil {
			keys = append(keys, d)
		}
	}
	return keys, nil
}

func credentials(r store.Reader, p *identity.Person) (list []*webauthnx.Credential, err error) {
	keys, err := SecurityKeys(r, p)
	for _, d := range keys {
		list = append(list, d.WebAuthn)
	}
	return list, err
}

// endBytes is how many bytes of an opened handle say when the ceremony ends.
const endBytes = 8

// begun seals the state of a ceremony that has begun.
func (w *WebAuthn) begun(now time.Time) func(options, state []byte, err error) (*Ceremony, error) {
	return func(options, state []byte, err error) (*Ceremony, error) {
		if err != nil {
			return nil, err
		}
		end := now.Add(webauthnx.Lifetime).Unix()
		sealed, err := w.Ring.Seal(keyring.Messages, handleLabel, slices.Concat(binary.BigEndian.AppendUint64(nil, uint64(end)), state))
		if err != nil {
			return nil, fmt.Errorf("seal a ceremony: %w", err)
		}
		return &Ceremony{Options: options, Handle: base64.RawURLEncoding.EncodeToString(sealed)}, nil
	}
}

// opened is a ceremony that has come back.
type opened struct {
	state []byte
	end   int64
}

// open reads a handle, unless its ceremony was used up.
func (w *WebAuthn) open(r store.Reader, handle string) (*opened, error) {
	// The longest that we seal holds a person's id and a challenge.
	if len(handle) > 2048 {
		return nil, webauthnx.WrongChallenge
	}
	sealed, err := base64.RawURLEncoding.DecodeString(handle)
	if err != nil {
		return nil, webauthnx.WrongChallenge
	}
	plain, err := w.Ring.Open(keyring.Messages, handleLabel, sealed)
	if err != nil || len(plain) < endBytes {
		return nil, webauthnx.WrongChallenge // a stranger's, or sealed with a key that is retired
	}
	c := &opened{state: plain[endBytes:], end: int64(binary.BigEndian.Uint64(plain))}
	if c.used(r) {
		return nil, webauthnx.WrongChallenge
	}
	return c, nil
}

func (c *opened) used(r store.Reader) bool { return identity.UsedCeremonies.Has(r, c.key()...) }

// key is that of the ceremony's mark.
func (c *opened) key() []string {
	sum := sha256.Sum256(c.state) // with a challenge in it, no two are the same
	return []string{sortable(c.end), base64.RawURLEncoding.EncodeToString(sum[:])}
}

func sortable(unix int64) string { return fmt.Sprintf("%012d", unix) }

// use marks the ceremony as used up, and drops some marks that are no longer needed: as
// each use leaves one and takes several, there are never many more than were made in the
// last minutes.
func (c *opened) use(tx store.Tx, now time.Time) error {
	const drop = 16
	var old [][]string
	err := identity.UsedCeremonies.Scan(tx, "", func(key store.Key, _ *identity.UsedCeremony) bool {
		if key.Parts()[0] >= sortable(now.Unix()) || len(old) == drop {
			return false
		}
		old = append(old, key.Parts())
		return true
	})
	if err != nil {
		return fmt.Errorf("read the ceremonies that were used up: %w", err)
	}
	for _, key := range old {
		identity.UsedCeremonies.Delete(tx, key...)
	}
	return identity.UsedCeremonies.Put(tx, &identity.UsedCeremony{}, c.key()...)
}
