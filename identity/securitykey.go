package identity

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/internal/webauthnx"
	"github.com/lanyard-iam/lanyard/store"
)

// The tables of security keys and passkeys beside MFADevices.
var (
	// Passkeys finds the device with a credential: an authenticator says only that, when
	// somebody signs in without a name. A credential belongs to one device in the whole
	// installation.
	Passkeys = store.Table[Passkey]{Kind: store.PasskeyIndex} // digest of the credential id
	// UsedCeremonies are the WebAuthn ceremonies that may not be finished again. Those of
	// the past, which come first, may go.
	UsedCeremonies = store.Table[UsedCeremony]{Kind: store.Ceremony} // end of the ceremony (sortable), digest of it
)

// Passkey is a row of the index from credential to device.
type Passkey struct {
	Account arn.AccountID `json:"account"`
	Device  string        `json:"device"` // key of the MFA device
}

// UsedCeremony marks a WebAuthn ceremony as used up: its key says which.
type UsedCeremony struct{}

// PasskeyKey is the key of a credential in the index. Ids have up to 1023 bytes, which is
// why it is a digest.
func PasskeyKey(credentialID []byte) string {
	sum := sha256.Sum256(credentialID)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// SecurityKeyByCredential finds the security key with a credential. The error is
// store.ErrNotFound when there is none.
func SecurityKeyByCredential(r store.Reader, credentialID []byte) (*MFADevice, error) {
	row, err := Passkeys.Get(r, PasskeyKey(credentialID))
	if err != nil {
		return nil, err
	}
	d, err := MFADevices.Get(r, string(row.Account), row.Device)
	if errors.Is(err, store.ErrNotFound) {
		// Not ErrNotFound: the index is wrong, which nobody may take for an unknown key.
		return nil, fmt.Errorf("MFA device %s of account %s is in the index of passkeys only", row.Device, row.Account)
	}
	return d, err
}

// NewSecurityKey is a security key that a person has registered: it is in use from now on.
// label is what the person calls it (see ValidKeyLabel); chance from rand makes the serial
// number one that nobody had before.
func NewSecurityKey(p *Person, label string, credential *webauthnx.Credential, now time.Time, rand io.Reader) (*MFADevice, error) {
	var chance [16]byte
	if _, err := io.ReadFull(rand, chance[:]); err != nil {
		return nil, fmt.Errorf("draw the id of a security key: %w", err)
	}
	path := securityKeyPrefix + "root-account/"
	if !p.Root() {
		path = securityKeyPrefix + "user/" + p.User.Name + "/"
	}
	now = now.UTC().Truncate(time.Second)
	return &MFADevice{
		Account:  p.Account.ID,
		Path:     path,
		Name:     label + "-" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(chance[:]),
		Created:  now,
		Owner:    p.ID(),
		Enabled:  now,
		WebAuthn: credential,
	}, nil
}

// ValidKeyLabel accepts what a person may call a security key: as on AWS, 1 to 64 letters
// and digits of ASCII and the characters + = , . @ - _.
func ValidKeyLabel(label string) bool {
	return label != "" && len(label) <= 64 && !strings.ContainsFunc(label, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("+=,.@-_", r))
	})
}

// Label is what the owner of a security key calls it: its name without the id; any other
// device's name.
func (d *MFADevice) Label() string {
	if i := strings.LastIndexByte(d.Name, '-'); i > 0 && d.Kind() == SecurityKey {
		return d.Name[:i]
	}
	return d.Name
}

// ErrRegistered says that a credential belongs to another device already.
var ErrRegistered = errors.New("the credential belongs to another device")

// PutSecurityKey stores a security key and its row in the index, or returns ErrRegistered.
// The owner's list of devices, and the counts, are the caller's.
func PutSecurityKey(tx store.Tx, d *MFADevice) error {
	if d.WebAuthn == nil || d.Kind() != SecurityKey {
		return fmt.Errorf("MFA device %s is no security key", d.Key())
	}
	row := Passkey{Account: d.Account, Device: d.Key()}
	index := PasskeyKey(d.WebAuthn.ID)
	switch other, err := Passkeys.Get(tx, index); {
	case err == nil && *other != row:
		return ErrRegistered
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	}
	if err := MFADevices.Put(tx, d, string(d.Account), d.Key()); err != nil {
		return err
	}
	return Passkeys.Put(tx, &row, index)
}

// DeleteSecurityKey removes a security key and its row in the index.
func DeleteSecurityKey(tx store.Tx, d *MFADevice) {
	MFADevices.Delete(tx, string(d.Account), d.Key())
	if d.WebAuthn != nil {
		Passkeys.Delete(tx, PasskeyKey(d.WebAuthn.ID))
	}
}
