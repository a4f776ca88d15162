// Package softkey is an authenticator in software, for tests: with the browser around it,
// it makes the answers that a security key or passkey makes, and lets a test forge any
// part of them. It knows nothing of the code that judges them.
package softkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// The algorithms, by their COSE numbers.
const (
	ES256 = -7
	EdDSA = -8
	RS256 = -257
)

// The flags of authenticator data.
const (
	UserPresent    = 1 << 0
	UserVerified   = 1 << 2
	BackupEligible = 1 << 3
	BackedUp       = 1 << 4
	Attested       = 1 << 6 // attested credential data follow
	Extended       = 1 << 7 // extensions follow
)

// Key is a credential on an authenticator.
type Key struct {
	ID         []byte
	UserHandle []byte // of the person for whom it was made
	Algorithm  int
	Signer     crypto.Signer
	// Flags are set in each answer.
	Flags byte
	// Counter is counted up by each answer, unless Synced.
	Counter uint32
	Synced  bool
	AAGUID  [16]byte
}

// New makes a security key that knows its user.
func New(algorithm int) *Key {
	k := &Key{ID: make([]byte, 32), Algorithm: algorithm, Flags: UserPresent | UserVerified}
	rand.Read(k.ID)
	var err error
	switch algorithm {
	case ES256:
		k.Signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, k.Signer, err = ed25519.GenerateKey(rand.Reader)
	case RS256:
		k.Signer, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		err = fmt.Errorf("softkey: no algorithm %d", algorithm)
	}
	if err != nil {
		panic(err)
	}
	return k
}

// NewPasskey makes a passkey that is synced between devices.
func NewPasskey(algorithm int) *Key {
	k := New(algorithm)
	k.Flags |= BackupEligible | BackedUp
	k.Synced = true
	return k
}

// Draft is an answer before it is put together. A test changes it to forge the answer;
// what is in a Raw field replaces what would be made of the fields before it.
type Draft struct {
	ClientData    map[string]any
	RawClientData []byte

	RPID          string
	Flags         byte
	Counter       uint32
	AAGUID        [16]byte // of a new credential, as the next two
	CredentialID  []byte
	COSE          map[int]any
	RawCOSE       []byte
	RawExtensions []byte
	RawAuthData   []byte

	// Statement makes the attestation statement of a new credential.
	Statement      func(authData, clientDataHash []byte) (format string, statement map[string]any)
	RawAttestation []byte

	// Signer signs when a credential is used.
	Signer     crypto.Signer
	UserHandle []byte

	// Edit changes the answer's JSON at last.
	Edit func(answer, response map[string]any)
}

// options are what a softkey reads of the options of both ceremonies.
type options struct {
	Challenge string `json:"challenge"`
	RPID      string `json:"rpId"`
	RP        struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
}

func read(optionsJSON []byte) options {
	var o options
	if err := json.Unmarshal(optionsJSON, &o); err != nil {
		panic(fmt.Sprintf("softkey: the options are not JSON: %v", err))
	}
	return o
}

// draft is what both kinds of answer begin as.
func (k *Key) draft(ceremony, challenge, rpID, origin string) *Draft {
	if !k.Synced {
		k.Counter++
	}
	return &Draft{
		ClientData: map[string]any{
			"type": ceremony, "challenge": challenge, "origin": origin, "crossOrigin": false,
			"other_keys_can_be_added_here": "do not compare clientDataJSON against a template.",
		},
		RPID:    rpID,
		Flags:   k.Flags,
		Counter: k.Counter,
		Signer:  k.Signer,
	}
}

// Create answers navigator.credentials.create on a page of origin: the JSON of toJSON.
func (k *Key) Create(optionsJSON []byte, origin string, forge ...func(*Draft)) []byte {
	o := read(optionsJSON)
	handle, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	if err != nil {
		panic(fmt.Sprintf("softkey: user id %q: %v", o.User.ID, err))
	}
	k.UserHandle = handle
	d := k.draft("webauthn.create", o.Challenge, o.RP.ID, origin)
	d.Flags |= Attested
	d.AAGUID, d.CredentialID, d.COSE = k.AAGUID, k.ID, k.COSE()
	d.Statement = func([]byte, []byte) (string, map[string]any) { return "none", map[string]any{} }
	for _, f := range forge {
		f(d)
	}
	clientData, authData := d.clientData(), d.authData()
	hash := sha256.Sum256(clientData)
	format, statement := d.Statement(authData, hash[:])
	attestation := d.RawAttestation // which Statement may set
	if attestation == nil {
		attestation = Encode(map[string]any{"fmt": format, "attStmt": statement, "authData": authData})
	}
	return d.answer(d.CredentialID, map[string]any{
		"clientDataJSON":    text(clientData),
		"attestationObject": text(attestation),
		"transports":        []any{"usb", "nfc"},
	}, map[string]any{"credProps": map[string]any{"rk": true}})
}

// Get answers navigator.credentials.get on a page of origin: the JSON of toJSON.
func (k *Key) Get(optionsJSON []byte, origin string, forge ...func(*Draft)) []byte {
	o := read(optionsJSON)
	d := k.draft("webauthn.get", o.Challenge, o.RPID, origin)
	d.CredentialID, d.UserHandle = k.ID, k.UserHandle
	for _, f := range forge {
		f(d)
	}
	clientData, authData := d.clientData(), d.authData()
	hash := sha256.Sum256(clientData)
	response := map[string]any{
		"clientDataJSON":    text(clientData),
		"authenticatorData": text(authData),
		"signature":         text(Sign(d.Signer, append(authData, hash[:]...))),
	}
	if d.UserHandle != nil {
		response["userHandle"] = text(d.UserHandle)
	}
	return d.answer(d.CredentialID, response, map[string]any{})
}

func (d *Draft) answer(id []byte, response, extensions map[string]any) []byte {
	answer := map[string]any{
		"id": text(id), "rawId": text(id), "type": "public-key", "authenticatorAttachment": "cross-platform",
		"response": response, "clientExtensionResults": extensions,
	}
	if d.Edit != nil {
		d.Edit(answer, response)
	}
	return toJSON(answer)
}

func (d *Draft) clientData() []byte {
	if d.RawClientData != nil {
		return d.RawClientData
	}
	return toJSON(d.ClientData)
}

func (d *Draft) authData() []byte {
	if d.RawAuthData != nil {
		return d.RawAuthData
	}
	hash := sha256.Sum256([]byte(d.RPID))
	b := append(hash[:], d.Flags)
	b = binary.BigEndian.AppendUint32(b, d.Counter)
	if d.Flags&Attested != 0 {
		b = append(b, d.AAGUID[:]...)
		b = binary.BigEndian.AppendUint16(b, uint16(len(d.CredentialID)))
		b = append(b, d.CredentialID...)
		if d.RawCOSE != nil {
			b = append(b, d.RawCOSE...)
		} else {
			b = append(b, Encode(d.COSE)...)
		}
	}
	return append(b, d.RawExtensions...)
}

// COSE is the public key as a COSE_Key.
func (k *Key) COSE() map[int]any {
	switch public := k.Signer.Public().(type) {
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			panic(err)
		}
		return map[int]any{1: 2, 3: ES256, -1: 1, -2: point[1:33], -3: point[33:]}
	case ed25519.PublicKey:
		return map[int]any{1: 1, 3: EdDSA, -1: 6, -2: []byte(public)}
	case *rsa.PublicKey:
		return map[int]any{1: 3, 3: RS256, -1: public.N.Bytes(), -2: []byte{1, 0, 1}}
	}
	panic("softkey: a key of an unknown type")
}

// Sign signs as WebAuthn wants it for the signer's type of key.
func Sign(signer crypto.Signer, message []byte) []byte {
	hash := crypto.SHA256
	if _, ok := signer.(ed25519.PrivateKey); ok {
		hash = 0 // it signs the message itself
	} else {
		sum := sha256.Sum256(message)
		message = sum[:]
	}
	signature, err := signer.Sign(rand.Reader, message, hash)
	if err != nil {
		panic(err)
	}
	return signature
}

// SelfAttested makes the statement "packed" that is signed with the new credential itself.
func (k *Key) SelfAttested(authData, clientDataHash []byte) (string, map[string]any) {
	return "packed", map[string]any{"alg": k.Algorithm, "sig": Sign(k.Signer, append(authData[:len(authData):len(authData)], clientDataHash...))}
}

// Encode is the CBOR of a value.
func Encode(v any) []byte {
	b, err := webauthncbor.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func toJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
