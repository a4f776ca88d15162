package webauthnx

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// parameters are the algorithms that we accept, the best first.
func parameters() (list []protocol.CredentialParameter) {
	for _, alg := range []int{EdDSA, ES256, RS256} {
		list = append(list, protocol.CredentialParameter{
			Type:      protocol.PublicKeyCredentialType,
			Algorithm: webauthncose.COSEAlgorithmIdentifier(alg),
		})
	}
	return list
}

// acceptedAttestation are the formats of statements that we verify. Two are left out:
// android-safetynet, which Google has ended, and compound, which no authenticator sends
// to those who ask for none.
func acceptedAttestation(format string) bool {
	switch protocol.AttestationFormat(format) {
	case protocol.AttestationFormatNone, protocol.AttestationFormatPacked, protocol.AttestationFormatFIDOUniversalSecondFactor,
		protocol.AttestationFormatTPM, protocol.AttestationFormatApple, protocol.AttestationFormatAndroidKey:
		return true
	}
	return false
}

// RegistrationOptions say what kind of credential is to be made.
type RegistrationOptions struct {
	// Passkey asks for a credential with which one can sign in without a name and without
	// a password: discoverable, and with an authenticator that knows its user. Otherwise
	// any security key will do, as a second factor.
	Passkey bool
	// Registered are the credentials that the person has. The browser refuses to make
	// another one on the same authenticator.
	Registered []*Credential
}

// BeginRegistration starts to register a credential for a person. options is the argument
// of the browser's PublicKeyCredential.parseCreationOptionsFromJSON.
func (rp *RelyingParty) BeginRegistration(p Person, o RegistrationOptions, now time.Time, rand io.Reader) (options, state []byte, err error) {
	if len(p.ID) == 0 || len(p.ID) > maxHandle {
		return nil, nil, errors.New("a person's id has 1 to 64 bytes")
	}
	c, err := rp.begin(ceremony{Type: protocol.CreateCeremony, Person: p.ID, Verify: o.Passkey, Passkey: o.Passkey}, now, rand)
	if err != nil {
		return nil, nil, err
	}
	resident := protocol.ResidentKeyRequirementPreferred
	if o.Passkey {
		resident = protocol.ResidentKeyRequirementRequired
	}
	return c.encoded(protocol.PublicKeyCredentialCreationOptions{
		RelyingParty: protocol.RelyingPartyEntity{ID: rp.config.ID, CredentialEntity: protocol.CredentialEntity{Name: rp.config.DisplayName}},
		User: protocol.UserEntity{
			ID:               protocol.URLEncodedBase64(p.ID),
			CredentialEntity: protocol.CredentialEntity{Name: p.Name},
			DisplayName:      p.DisplayName,
		},
		Challenge:             c.Challenge,
		Parameters:            parameters(),
		Timeout:               int(Lifetime / time.Millisecond),
		CredentialExcludeList: descriptors(o.Registered),
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: &o.Passkey,
			ResidentKey:        resident,
			UserVerification:   verification(o.Passkey),
		},
		Attestation: protocol.PreferNoAttestation,
		Extensions:  protocol.AuthenticationExtensions{CredProps: true},
	})
}

// FinishRegistration judges the browser's answer (the JSON of the credential's toJSON) and
// yields the credential to be kept. personID is who is registering now, and has to be who
// began; taken tells whether a credential id is registered already, with anybody. It
// refuses with a [Refusal]; other errors are the server's own trouble.
func (rp *RelyingParty) FinishRegistration(state, personID, response []byte, now time.Time, taken func(credentialID []byte) (bool, error)) (*Credential, error) {
	c, err := rp.resume(state, protocol.CreateCeremony, now)
	if err != nil {
		return nil, err
	}
	if len(personID) == 0 || !bytes.Equal(c.Person, personID) {
		return nil, WrongPerson
	}
	answer, err := readCreated(response)
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
	object := &parsed.Response.AttestationObject
	data := &object.AuthData
	if err := rp.judgeAuthenticator(c, data); err != nil {
		return nil, err
	}
	id := data.AttData.CredentialID
	if len(id) == 0 || !bytes.Equal(id, answer.id) {
		return nil, Malformed
	}
	algorithm, err := judgeKey(data.AttData.CredentialPublicKey)
	if err != nil {
		return nil, err
	}
	if !acceptedAttestation(object.Format) {
		return nil, WrongAttestation
	}
	_, err = parsed.Verify(answer.client.Challenge, rp.config.ID, rp.origins(), nil, nil, protocol.TopOriginExplicitVerificationMode, false,
		c.Verify, true, nil, parameters(), protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		return nil, WrongAttestation // all else has been looked at
	}
	registered, err := taken(id)
	switch {
	case err != nil:
		return nil, err
	case registered:
		return nil, AlreadyRegistered
	}
	credential := &Credential{
		ID:             bytes.Clone(id),
		PublicKey:      bytes.Clone(data.AttData.CredentialPublicKey),
		Algorithm:      algorithm,
		Counter:        data.Counter,
		Transports:     transports(answer.transports),
		Attestation:    object.Format,
		BackupEligible: data.Flags.HasBackupEligible(),
		BackedUp:       data.Flags.HasBackupState(),
		UserVerified:   data.Flags.HasUserVerified(),
		Discoverable:   c.Passkey || answer.discoverable,
	}
	if aaguid := data.AttData.AAGUID; !bytes.Equal(aaguid, make([]byte, len(aaguid))) {
		credential.AAGUID = bytes.Clone(aaguid)
	}
	return credential, nil
}
