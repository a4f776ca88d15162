package webauthnx

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
)

// BeginLogin starts a sign-in of a known person with one of their credentials. verify
// says that the authenticator has to know its user. options is the argument of the
// browser's PublicKeyCredential.parseRequestOptionsFromJSON.
func (rp *RelyingParty) BeginLogin(personID []byte, registered []*Credential, verify bool, now time.Time, rand io.Reader) (options, state []byte, err error) {
	// Without a list the browser would offer everybody's.
	if len(personID) == 0 || len(registered) == 0 {
		return nil, nil, errors.New("a sign-in with a security key needs a person who has one")
	}
	return rp.beginLogin(ceremony{Person: personID, Verify: verify}, registered, now, rand)
}

// BeginDiscoverableLogin starts a sign-in in which the passkey says who comes. As it takes
// the place of name and password, its authenticator has to know its user.
func (rp *RelyingParty) BeginDiscoverableLogin(now time.Time, rand io.Reader) (options, state []byte, err error) {
	return rp.beginLogin(ceremony{Verify: true}, nil, now, rand)
}

func (rp *RelyingParty) beginLogin(c ceremony, registered []*Credential, now time.Time, rand io.Reader) (options, state []byte, err error) {
	c.Type = protocol.AssertCeremony
	begun, err := rp.begin(c, now, rand)
	if err != nil {
		return nil, nil, err
	}
	return begun.encoded(protocol.PublicKeyCredentialRequestOptions{
		Challenge:          begun.Challenge,
		Timeout:            int(Lifetime / time.Millisecond),
		RelyingPartyID:     rp.config.ID,
		AllowedCredentials: descriptors(registered),
		UserVerification:   verification(c.Verify),
	})
}

// Owned is a credential with the id of the person who has it.
type Owned struct {
	PersonID   []byte
	Credential *Credential
}

// Login is a sign-in that was accepted.
type Login struct {
	PersonID []byte
	// Credential is the credential as it is to be kept from now on: its counter and
	// whether it is synced may have changed.
	Credential Credential
	// UserVerified is whether the authenticator knew its user this time.
	UserVerified bool
}

// FinishLogin judges the browser's answer (the JSON of the credential's toJSON). personID
// is who signs in now, and has to be for whom the ceremony was begun: nobody, if it is
// discoverable. find yields the credential with an id, nil if nobody has it. It has to be
// the person's; in a discoverable login the answer has to say whose it is, and rightly.
//
// It refuses with a [Refusal]; other errors are the server's own trouble. [Cloned] is told
// only to who has the credential's key: it is a reason to warn its owner.
func (rp *RelyingParty) FinishLogin(state, personID, response []byte, now time.Time, find func(credentialID []byte) (*Owned, error)) (*Login, error) {
	c, err := rp.resume(state, protocol.AssertCeremony, now)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(c.Person, personID) {
		return nil, WrongPerson
	}
	answer, err := readAsserted(response)
	if err != nil {
		return nil, err
	}
	if err := rp.judgeClient(c, &answer.client); err != nil {
		return nil, err
	}
	parsed, err := answer.parse()
	if err != nil {
		return nil, Malformed
	}
	data := &parsed.Response.AuthenticatorData
	if data.Flags.HasAttestedCredentialData() {
		return nil, Malformed
	}
	if err := rp.judgeAuthenticator(c, data); err != nil {
		return nil, err
	}

	owned, err := find(answer.id)
	if err != nil {
		return nil, err
	}
	if owned == nil || !bytes.Equal(owned.Credential.ID, answer.id) {
		return nil, UnknownCredential
	}
	bound, handle := len(c.Person) > 0, answer.userHandle
	switch {
	case len(owned.PersonID) == 0,
		bound && !bytes.Equal(c.Person, owned.PersonID),
		!bound && len(handle) == 0,
		len(handle) > 0 && !bytes.Equal(handle, owned.PersonID):
		return nil, WrongPerson
	}

	kept := *owned.Credential
	err = parsed.Verify(answer.client.Challenge, rp.config.ID, "", rp.origins(), nil, nil, protocol.TopOriginExplicitVerificationMode, false,
		c.Verify, true, kept.PublicKey, protocol.SignaturePolicy{})
	if err != nil {
		return nil, WrongSignature // all else has been looked at
	}
	// Only who has the key comes this far.
	if data.Flags.HasBackupEligible() != kept.BackupEligible {
		return nil, BackupChanged
	}
	if Regressed(kept.Counter, data.Counter) {
		return nil, Cloned
	}
	kept.Counter = data.Counter
	kept.BackedUp = data.Flags.HasBackupState()
	return &Login{PersonID: owned.PersonID, Credential: kept, UserVerified: data.Flags.HasUserVerified()}, nil
}

// Regressed tells whether a signature counter did not go on from the one that is kept, as
// that of a copy would not. Keys that do not count say zero always.
func Regressed(kept, now uint32) bool { return now <= kept && (now != 0 || kept != 0) }
