// Package webauthnx owns WebAuthn as a relying party: the options that a browser gets,
// and the judgement of what its authenticator answers, when a security key or passkey is
// registered and when somebody signs in with one. It is the only package that knows the
// library (github.com/go-webauthn/webauthn), which reads CBOR and COSE, verifies
// signatures and attestation statements.
//
// A ceremony has two ends. Begin… yields options for the browser and the ceremony, a few
// bytes that Finish… needs again; Finish… yields what is to be kept, or a [Refusal]. What
// the answer says is read strictly here first, with every rule of WebAuthn section 7 that
// needs no cryptography, so that two readers cannot disagree about it, and each refusal
// has its own sentence. Then the library judges the same bytes.
//
// Left to the callers (package authn has it ready): a ceremony comes back from where its
// person cannot change it, and is used once; credentials are kept, and found by id; a
// person's attempts are counted. Attestation is not asked for. A statement that comes
// nevertheless has to be right (those of Apple, Android and TPMs up to the roots that the
// library knows), but nobody is trusted the more for it.
//
// Time and randomness are the callers', but for one: the library compares the
// certificates of an attestation statement with the machine's clock.
package webauthnx

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
)

// The bounds of a ceremony.
const (
	// Lifetime is how long after its beginning a ceremony can be finished.
	Lifetime = 5 * time.Minute
	// MaxResponse is how long a browser's answer may be. Real ones have less than 10 KB.
	MaxResponse = 64 << 10

	maxHandle      = 64 // bytes of a user handle (WebAuthn, 5.4.3)
	challengeBytes = 32
)

// Config is the relying party: where people sign in.
type Config struct {
	ID          string // the host name that credentials are bound to
	Origin      string // scheme, host and port as a browser writes them
	DisplayName string
}

// ForURL is the relying party of a public URL: its host, and exactly its origin.
func ForURL(public, displayName string) (Config, error) {
	u, err := url.Parse(public)
	if err != nil {
		return Config{}, fmt.Errorf("the public URL cannot be read: %w", err)
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		port = ""
	}
	origin := u.Scheme + "://" + host
	if port != "" {
		origin += ":" + port
	}
	return Config{ID: host, Origin: origin, DisplayName: displayName}, nil
}

// ErrNoSite says that there can be no security keys where the server is reached. Errors
// that wrap it say why.
var ErrNoSite = errors.New("security keys and passkeys do not work here")

// RelyingParty runs ceremonies. It is safe for concurrent use. A nil one runs none: they
// begin and end with [ErrNoSite].
type RelyingParty struct {
	config Config
	idHash [sha256.Size]byte
}

// New makes a relying party. Browsers offer WebAuthn for host names only, not for
// addresses, and over HTTPS only, but for localhost; other configurations are refused with
// an error that wraps [ErrNoSite].
func New(c Config) (*RelyingParty, error) {
	u, err := url.Parse(c.Origin)
	switch {
	case c.ID == "" || c.DisplayName == "":
		return nil, fmt.Errorf("%w: the relying party has no name", ErrNoSite)
	case isAddress(c.ID):
		return nil, fmt.Errorf("%w: browsers want a host name, and %s is an address", ErrNoSite, c.ID)
	case err != nil || u.Scheme+"://"+u.Host != c.Origin:
		return nil, fmt.Errorf("%w: %q is no origin", ErrNoSite, c.Origin)
	case strings.ContainsFunc(c.ID, func(r rune) bool { return r >= 0x80 || 'A' <= r && r <= 'Z' }):
		return nil, fmt.Errorf("%w: the host name %q must be written as browsers do (lower case, xn-- for other letters than a to z)", ErrNoSite, c.ID)
	case u.Hostname() != c.ID && !strings.HasSuffix(u.Hostname(), "."+c.ID):
		return nil, fmt.Errorf("%w: %s is not a site of %s", ErrNoSite, c.Origin, c.ID)
	case u.Scheme != "https" && (u.Scheme != "http" || !isLocalhost(u.Hostname())):
		return nil, fmt.Errorf("%w: browsers want HTTPS, and %s has none", ErrNoSite, c.Origin)
	}
	return &RelyingParty{config: c, idHash: sha256.Sum256([]byte(c.ID))}, nil
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func isLocalhost(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// Person is somebody for whom a credential is made. ID is what the authenticator hands
// back at sign-in (the "user handle"): it tells nothing about the person, and never
// changes. Name and DisplayName are what the authenticator shows.
type Person struct {
	ID                []byte
	Name, DisplayName string
}

// Credential is the public half of a security key or passkey, as it is kept. Its JSON is
// stored: names stay.
type Credential struct {
	ID        []byte `json:"id"`
	PublicKey []byte `json:"key"` // COSE_Key
	Algorithm int    `json:"alg"` // ES256, EdDSA or RS256
	// Counter is the highest signature counter seen. Passkeys that are synced have none:
	// it stays zero.
	Counter     uint32   `json:"counter,omitempty"`
	AAGUID      []byte   `json:"aaguid,omitempty"` // model of the authenticator, as it says itself
	Transports  []string `json:"transports,omitempty"`
	Attestation string   `json:"attestation"` // format of the statement, mostly "none"
	// BackupEligible tells a passkey that may be synced from a key that cannot leave its
	// device, and never changes; BackedUp is whether it is synced now.
	BackupEligible bool `json:"backupEligible,omitempty"`
	BackedUp       bool `json:"backedUp,omitempty"`
	// UserVerified is whether the authenticator knew its user (PIN, finger, face) at
	// registration.
	UserVerified bool `json:"verified,omitempty"`
	// Discoverable is whether one can sign in with it without saying who one is, as the
	// browser told.
	Discoverable bool `json:"discoverable,omitempty"`
}

func (c *Credential) descriptor() protocol.CredentialDescriptor {
	d := protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: c.ID}
	for _, t := range c.Transports {
		d.Transport = append(d.Transport, protocol.AuthenticatorTransport(t))
	}
	return d
}

func descriptors(credentials []*Credential) (list []protocol.CredentialDescriptor) {
	for _, c := range credentials {
		list = append(list, c.descriptor())
	}
	return list
}

// A ceremony is what Finish… has to know of Begin….
type ceremony struct {
	Type      protocol.CeremonyType `json:"t"`
	Challenge []byte                `json:"c"`
	Person    []byte                `json:"p,omitempty"` // none: the credential will say
	Verify    bool                  `json:"v,omitempty"` // the authenticator has to know its user
	Passkey   bool                  `json:"k,omitempty"` // a discoverable credential was required
	Expires   time.Time             `json:"e"`
}

func (rp *RelyingParty) begin(c ceremony, now time.Time, rand io.Reader) (*ceremony, error) {
	if rp == nil {
		return nil, ErrNoSite
	}
	c.Challenge = make([]byte, challengeBytes)
	if _, err := io.ReadFull(rand, c.Challenge); err != nil {
		return nil, fmt.Errorf("draw a challenge: %w", err)
	}
	c.Expires = now.Add(Lifetime).UTC()
	return &c, nil
}

// encoded yields the options and the ceremony as bytes.
func (c *ceremony) encoded(options any) (optionsJSON, state []byte, err error) {
	if optionsJSON, err = json.Marshal(options); err != nil {
		return nil, nil, fmt.Errorf("encode the options of a ceremony: %w", err)
	}
	if state, err = json.Marshal(c); err != nil {
		return nil, nil, fmt.Errorf("encode a ceremony: %w", err)
	}
	return optionsJSON, state, nil
}

// resume reads a ceremony and looks whether it can still be finished.
func (rp *RelyingParty) resume(state []byte, want protocol.CeremonyType, now time.Time) (*ceremony, error) {
	if rp == nil {
		return nil, ErrNoSite
	}
	var c ceremony
	if err := json.Unmarshal(state, &c); err != nil {
		return nil, fmt.Errorf("read a ceremony: %w", err)
	}
	switch {
	case len(c.Challenge) < challengeBytes:
		return nil, errors.New("read a ceremony: it has no challenge")
	case c.Type != want:
		return nil, WrongCeremony
	case !now.Before(c.Expires):
		return nil, Expired
	}
	return &c, nil
}

// judgeClient applies the rules for what the browser says (WebAuthn 7.1, steps 7 to 12;
// 7.2, steps 11 to 16).
func (rp *RelyingParty) judgeClient(c *ceremony, said *clientData) error {
	challenge := base64.RawURLEncoding.EncodeToString(c.Challenge)
	switch {
	case said.Type != string(c.Type):
		return WrongCeremony
	case subtle.ConstantTimeCompare([]byte(said.Challenge), []byte(challenge)) != 1:
		return WrongChallenge
	case said.Origin != rp.config.Origin || said.CrossOrigin || said.TopOrigin:
		return WrongOrigin
	}
	return nil
}

// judgeAuthenticator applies the rules for what the authenticator says of the site and of
// its user.
func (rp *RelyingParty) judgeAuthenticator(c *ceremony, data *protocol.AuthenticatorData) error {
	switch {
	case !bytes.Equal(data.RPIDHash, rp.idHash[:]):
		return WrongSite
	case !data.Flags.HasUserPresent():
		return NotPresent
	case c.Verify && !data.Flags.HasUserVerified():
		return NotVerified
	case data.Flags.HasBackupState() && !data.Flags.HasBackupEligible():
		return Malformed
	}
	return nil
}

// origins, in the form of the library's arguments.
func (rp *RelyingParty) origins() []string { return []string{rp.config.Origin} }

func verification(required bool) protocol.UserVerificationRequirement {
	if required {
		return protocol.VerificationRequired
	}
	return protocol.VerificationPreferred
}

// transports are those that browsers know; a list may tell nothing else about a device.
func transports(said []string) (known []string) {
	for _, t := range said {
		switch protocol.AuthenticatorTransport(t) {
		case protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal:
			if !slices.Contains(known, t) {
				known = append(known, t)
			}
		}
	}
	return known
}
