package authn

import (
	"errors"
	"fmt"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/store"
)

// AWS's sentences for refused codes (recorded).
const (
	msgWrongCode   = "MultiFactorAuthentication failed with invalid MFA one time pass code."
	msgWrongSerial = "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user."
	msgBothNeeded  = "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
)

// MFAError refuses a code, or the answer of a security key. Callers answer AccessDenied
// with the message; if Counted, a failure was counted in the transaction, which must be
// kept.
type MFAError struct {
	Message string
	Counted bool
	Until   time.Time // when the person has to wait
	Cause   error     // the webauthnx.Refusal of a security key's answer
}

func (e *MFAError) Error() string { return e.Message }

func (e *MFAError) Unwrap() error { return e.Cause }

// MFA checks the codes of virtual MFA devices and hardware tokens. Its methods run inside a
// transaction: what they find out about a device and a person (the code that was
// used, the failure that was counted) must be kept whatever becomes of the rest
// of the request.
type MFA struct {
	Ring *keyring.Ring
}

// Check verifies a code of the caller's own device and uses it up. Refusals are
// *MFAError. serial is the device's ARN, or the number on a hardware token.
//
// Only the root user and IAM users have devices. A role session or federated user
// is told the same as a user who names someone else's device.
func (m *MFA) Check(tx store.Tx, p *Principal, serial, code string, now time.Time) error {
	if serial == "" || code == "" {
		return &MFAError{Message: msgBothNeeded}
	}
	account, key, ok := identity.SerialKey(p.Account, serial)
	if !ok || account != p.Account || (p.Kind != User && p.Kind != Root) {
		return &MFAError{Message: msgWrongSerial}
	}
	device, err := identity.MFADevices.Get(tx, string(account), key)
	if errors.Is(err, store.ErrNotFound) || (err == nil && (device.Owner != p.ID || device.Kind() == identity.SecurityKey)) {
		return &MFAError{Message: msgWrongSerial}
	}
	if err != nil {
		return fmt.Errorf("read MFA device: %w", err)
	}
	return m.attempt(tx, device, p.ID, now, msgWrongCode, func(seed []byte) (used, bool) {
		step, ok := mfa.Verify(seed, code, now, device.LastStep, device.Drift)
		return used{step: step, drift: device.Drift}, ok
	})
}

// CheckPair verifies two consecutive codes of a device and uses them up, as
// enabling and resynchronising do: window is mfa.EnableWindow or
// mfa.ResyncWindow. personID is the unique id of the user, or the account id of
// the root user, for whom the device is; failures count for them. Refusals are
// *MFAError with the message refusal.
func (m *MFA) CheckPair(tx store.Tx, device *identity.MFADevice, personID, code1, code2 string, window time.Duration, now time.Time, refusal string) error {
	return m.attempt(tx, device, personID, now, refusal, func(seed []byte) (used, bool) {
		step, drift, ok := mfa.VerifyPair(seed, code1, code2, now, device.LastStep, window)
		return used{step: step, drift: drift}, ok
	})
}

// CheckOwn verifies a code of the device of a person with the key only, or of any that shows
// codes if only is empty, and uses it up. A wrong one counts for each that it could be of. It
// returns the key of the device.
func (m *MFA) CheckOwn(tx store.Tx, p *identity.Person, only, code string, now time.Time, refusal string) (key string, err error) {
	var devices []*identity.MFADevice
	for _, enabled := range p.Devices() {
		device, err := identity.MFADevices.Get(tx, string(p.Account.ID), enabled.Serial)
		if err != nil {
			return "", fmt.Errorf("MFA device %s of %s: %w", enabled.Serial, p.ARN(), err)
		}
		if device.Kind() != identity.SecurityKey && (only == "" || device.Key() == only) {
			devices = append(devices, device)
		}
	}
	err = m.guard(tx, p.ID(), max(1, len(devices)), now, refusal, func() (bool, error) {
		for _, device := range devices {
			ok, err := m.try(tx, device, now, func(seed []byte) (used, bool) {
				step, ok := mfa.Verify(seed, code, now, device.LastStep, device.Drift)
				return used{step: step, drift: device.Drift}, ok
			})
			if ok || err != nil {
				key = device.Key()
				return ok, err
			}
		}
		return false, nil
	})
	return key, err
}

// CheckNew tells whether two consecutive codes are those of a device that is not in the
// store yet, and writes into it what they tell. Nothing is counted and nobody has to wait:
// whoever asks knows the seed, so there is nothing to guess, and failures with a device
// that was lost must not keep the next one out.
func (m *MFA) CheckNew(device *identity.MFADevice, code1, code2 string, now time.Time) (bool, error) {
	seed, err := m.seed(device)
	if err != nil {
		return false, err
	}
	defer clear(seed)
	step, drift, ok := mfa.VerifyPair(seed, code1, code2, now, device.LastStep, mfa.EnableWindow)
	if ok {
		device.LastStep, device.Drift = step, drift
	}
	return ok, nil
}

// used is what an accepted code tells about its device.
type used struct{ step, drift int64 }

// attempt looks at a code of a device, unless the person has to wait, and keeps the outcome.
func (m *MFA) attempt(tx store.Tx, device *identity.MFADevice, personID string, now time.Time, refusal string, verify func(seed []byte) (used, bool)) error {
	return m.guard(tx, personID, 1, now, refusal, func() (bool, error) { return m.try(tx, device, now, verify) })
}

// guard lets try look at a code, which may be that of n devices, unless the person has to
// wait, and counts.
func (m *MFA) guard(tx store.Tx, personID string, n int, now time.Time, refusal string, try func() (bool, error)) error {
	until, err := WaitUntil(tx, PurposeMFA, personID, now)
	if err != nil {
		return err
	}
	if !until.IsZero() {
		// The code is not looked at, so this tells nothing about it.
		return &MFAError{Message: fmt.Sprintf("MultiFactorAuthentication failed, too many invalid one time pass codes. Try again after %s.", until.Format(time.RFC3339)), Until: until}
	}
	ok, err := try()
	if err != nil {
		return err
	}
	if !ok {
		if err := countFailures(tx, PurposeMFA, personID, n, now); err != nil {
			return err
		}
		return &MFAError{Message: refusal, Counted: true}
	}
	ForgetFailures(tx, PurposeMFA, personID)
	return nil
}

// try looks at a code of a device, and keeps what it tells if it is right.
func (m *MFA) try(tx store.Tx, device *identity.MFADevice, now time.Time, verify func(seed []byte) (used, bool)) (bool, error) {
	seed, err := m.seed(device)
	if err != nil {
		return false, err
	}
	u, ok := verify(seed)
	clear(seed)
	if !ok {
		return false, nil
	}
	return true, identity.MFADevices.Edit(tx, func(d *identity.MFADevice) error {
		d.LastStep, d.Drift, d.LastUsed = u.step, u.drift, now.UTC().Truncate(time.Second)
		return nil
	}, string(device.Account), device.Key())
}

func (m *MFA) seed(device *identity.MFADevice) ([]byte, error) {
	account, key := string(device.Account), device.Key()
	seed, err := m.Ring.Open(keyring.MFASeeds, string(identity.MFADevices.Key(account, key)), device.Seed)
	if err != nil {
		return nil, fmt.Errorf("open the seed of MFA device %s of account %s: %w", key, account, err)
	}
	return seed, nil
}
