package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/store"
)

// The tables of certificates, SSH keys and credentials for single services. Those
// of users are keyed by the user's unique id: they stay when the user is renamed,
// and take no room in the User record, which every decision reads.
var (
	ServerCertificates  = store.Table[ServerCertificate]{Kind: store.ServerCertificate}   // account, folded name
	SigningCertificates = store.Table[SigningCertificate]{Kind: store.SigningCertificate} // account, user id, certificate id
	SSHPublicKeys       = store.Table[SSHPublicKey]{Kind: store.SSHPublicKey}             // account, user id, key id
	ServiceCredentials  = store.Table[ServiceCredential]{Kind: store.ServiceCredential}   // account, user id, credential id
)

// ServerCertificate is a TLS certificate with its private key.
type ServerCertificate struct {
	Account    arn.AccountID `json:"account"`
	ID         string        `json:"id"` // ASCA…
	Name       string        `json:"name"`
	Path       string        `json:"path"`
	Body       string        `json:"body"`            // PEM
	Chain      string        `json:"chain,omitempty"` // PEM
	PrivateKey []byte        `json:"key"`             // PEM, sealed: keyring class PrivateKeys, additional data = the record's key
	Uploaded   time.Time     `json:"uploaded"`
	Expires    time.Time     `json:"expires"`
	Tags       []Tag         `json:"tags,omitempty"`
}

// ARN is the certificate's ARN in a partition.
func (s *ServerCertificate) ARN(p arn.Partition) string {
	return arn.Scope{Partition: p, Account: s.Account}.ServerCertificate(s.Path, s.Name)
}

// SigningCertificate is a user's X.509 certificate.
type SigningCertificate struct {
	ID          string    `json:"id"`
	Body        string    `json:"body"` // PEM
	Fingerprint string    `json:"fp"`   // SHA-256, hexadecimal
	Inactive    bool      `json:"inactive,omitempty"`
	Uploaded    time.Time `json:"uploaded"`
}

// SSHPublicKey is a user's SSH key.
type SSHPublicKey struct {
	ID       string    `json:"id"`   // APKA…
	Body     string    `json:"body"` // "ssh-rsa AAAA…"
	Inactive bool      `json:"inactive,omitempty"`
	Uploaded time.Time `json:"uploaded"`
}

// ServiceCredential is a user's name and password, or API key, for one service.
type ServiceCredential struct {
	ID      string `json:"id"` // ACCA…
	Service string `json:"service"`
	// Login is the public half: the service user name of a password, the alias of an
	// API key. It stays when the user is renamed; no other credential for the service
	// has it in the account.
	Login    string    `json:"login"`
	Digest   []byte    `json:"digest"` // see SetSecret
	Inactive bool      `json:"inactive,omitempty"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`
}

// SetSecret replaces the credential's secret.
//
// The secret is kept as a digest and not sealed, unlike the secret of an access
// key. That one has to be had in clear, since a signature can be checked in no other
// way. This one is presented as it is (HTTP Basic, a bearer token), so that whoever
// checks it needs no more than to compare, and then nobody, not even with database
// and seal key in hand, can learn it. It is random and of 360 bits: guessing is
// hopeless at any speed, and a slow hash would only slow down those who check.
func (c *ServiceCredential) SetSecret(secret string) { c.Digest = c.digest(secret) }

// HasSecret tells, in constant time, whether secret is the credential's. Whether the
// credential is active and has not expired is another question.
func (c *ServiceCredential) HasSecret(secret string) bool {
	return subtle.ConstantTimeCompare(c.Digest, c.digest(secret)) == 1
}

// digest is bound to the credential, so that a digest moved to another one is worth
// nothing.
func (c *ServiceCredential) digest(secret string) []byte {
	sum := sha256.Sum256([]byte("service credential\x00" + c.ID + "\x00" + secret))
	return sum[:]
}

// Expired tells whether the credential has ended by itself.
func (c *ServiceCredential) Expired(at time.Time) bool {
	return !c.Expires.IsZero() && !at.Before(c.Expires)
}
