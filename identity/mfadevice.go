package identity

import (
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/internal/webauthnx"
)

// MFADevice is an MFA device of any kind, whether or not someone uses it.
type MFADevice struct {
	Account arn.AccountID `json:"account"`
	// Path and Name together are the device's key (see Key). A virtual device has
	// those of its ARN; a hardware token has its serial number as its name and no
	// path; a security key's path is "u2f/user/NAME/".
	Name    string    `json:"name"`
	Path    string    `json:"path"`
	Seed    []byte    `json:"seed,omitempty"` // sealed: keyring class MFASeeds; security keys have none
	Created time.Time `json:"created"`
	Tags    []Tag     `json:"tags,omitempty"`
	// Owner is the unique id of the user who uses the device, the account id for
	// the root user, or empty.
	Owner   string    `json:"owner,omitempty"`
	Enabled time.Time `json:"enabled,omitzero"`
	// LastStep is the newest TOTP time step that was accepted: no code of it or
	// of an older step is accepted again, whatever the clock does (RFC 6238, 5.2).
	LastStep int64 `json:"lastStep,omitempty"`
	// Drift is how many steps the device's clock is ahead of ours, as last seen.
	Drift int64 `json:"drift,omitempty"`
	// LastUsed is when somebody last signed in, or showed who they are, with it.
	LastUsed time.Time `json:"lastUsed,omitzero"`
	// WebAuthn is the credential of a security key, whose index PutSecurityKey keeps.
	WebAuthn *webauthnx.Credential `json:"webauthn,omitempty"`
	// Cloned is when a security key was last refused because its counter went back:
	// there may be a copy of it.
	Cloned time.Time `json:"cloned,omitzero"`
	// Certifications are those of a security key: "FIDO" to "L1".
	Certifications map[string]string `json:"certifications,omitempty"`
}

// DeviceKind is what an MFA device is.
type DeviceKind uint8

// The kinds of MFA device.
const (
	VirtualDevice DeviceKind = iota + 1 // an authenticator app
	HardwareToken                       // a token that shows codes, known by its maker's serial number
	SecurityKey                         // a FIDO security key or passkey, which shows no codes
)

const securityKeyPrefix = "u2f/"

// Key is the device's key in its account, see SerialKey.
func (d *MFADevice) Key() string { return d.Path + d.Name }

// Kind is what the device is.
func (d *MFADevice) Kind() DeviceKind {
	switch key := d.Key(); {
	case strings.HasPrefix(key, "/"):
		return VirtualDevice
	case strings.HasPrefix(key, securityKeyPrefix):
		return SecurityKey
	}
	return HardwareToken
}

// Serial is the device's serial number as clients name it in a partition.
func (d *MFADevice) Serial(p arn.Partition) string {
	return SerialOf(arn.Scope{Partition: p, Account: d.Account}, d.Key())
}

// SerialKey finds the account and the key of the device with a serial number: for a
// virtual device "/div/phone" of arn:aws:iam::111122223333:mfa/div/phone, for a security
// key "u2f/user/alice/key-ID", and for a hardware token, whose serial number names no
// account, that number in the account own.
func SerialKey(own arn.AccountID, serial string) (account arn.AccountID, key string, ok bool) {
	if ValidTokenSerial(serial) {
		return own, serial, true
	}
	a, err := arn.Parse(serial)
	if err != nil || a.Service != "iam" {
		return "", "", false
	}
	account = arn.AccountID(a.Account)
	if rest, ok := strings.CutPrefix(a.Resource, "mfa/"); ok && rest != "" {
		return account, "/" + rest, true
	}
	if rest, ok := strings.CutPrefix(a.Resource, securityKeyPrefix); ok && rest != "" {
		return account, a.Resource, true
	}
	return "", "", false
}

// SerialOf is the serial number of the device with that key.
func SerialOf(scope arn.Scope, key string) string {
	if rest, ok := strings.CutPrefix(key, securityKeyPrefix); ok {
		return scope.SecurityKey(rest)
	}
	if i := strings.LastIndexByte(key, '/') + 1; i > 0 {
		return scope.MFADevice(key[:i], key[i:])
	}
	return key
}

// ValidTokenSerial accepts the serial numbers of hardware tokens: what the API takes
// for a serial number, without the characters that ARNs and paths are made of.
func ValidTokenSerial(s string) bool {
	return len(s) >= 9 && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_-.+=@", r))
	})
}
