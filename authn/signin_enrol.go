package authn

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/store"
)

// NewDevice is a virtual MFA device that is being set up: what a phone needs of it. It is
// shown once; another one is made if it is asked for again.
type NewDevice struct {
	Name string
	Seed string // base32, to type
	URL  string // otpauth:, to open on the phone itself
	QR   []byte // PNG
}

// deviceName is what IAM takes as the name of a virtual MFA device.
var deviceName = regexp.MustCompile(`^[\w+=,.@-]{1,226}$`)

// BeginTOTP makes the seed of a new device for somebody who enrols or claims. The device is
// in the sign-in under way and nowhere else until ConfirmTOTP: given up, it leaves nothing.
func (s *SignIns) BeginTOTP(ctx context.Context, cookie, name string) (*NewDevice, Outcome, error) {
	if !deviceName.MatchString(name) {
		return nil, refused("The name of a device has letters, digits and +=,.@_- only."), nil
	}
	seed, err := mfa.GenerateSeed(s.Rand)
	if err != nil {
		return nil, Outcome{}, err
	}
	defer clear(seed)
	var out Outcome
	var device *NewDevice
	now := s.now()
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		device, out = nil, Outcome{}
		h, p, ok, err := s.open(tx, cookie, now, identity.StepEnrol, identity.StepClaim)
		if err != nil {
			return err
		}
		if !ok || h.Step == identity.StepClaim && h.Claim == nil {
			out = startAgain()
			return nil
		}
		key := "/" + name
		taken, err := nameTaken(tx, p, h, key)
		if err != nil {
			return err
		}
		if taken {
			out = refused(fmt.Sprintf("The account has an MFA device with the name %s already. Choose another name.", name))
			return nil
		}
		if out, err = s.roomForDevice(tx, p, h, true); err != nil || out.Message != "" {
			return err
		}
		sealed, err := s.Ring.Seal(keyring.MFASeeds, string(identity.MFADevices.Key(string(h.Account), key)), seed)
		if err != nil {
			return err
		}
		device = &NewDevice{Name: name, Seed: mfa.Base32(seed), URL: mfa.OTPAuthURL(name, string(h.Account), seed)}
		return identity.SignIns.Edit(tx, func(h *identity.SignIn) error {
			h.Device, h.Seed = key, sealed
			return nil
		}, identity.Digest(cookie))
	})
	if err != nil || device == nil {
		return nil, out, err
	}
	if device.QR, err = mfa.QRPNG(device.URL); err != nil {
		return nil, Outcome{}, err
	}
	return device, Outcome{Result: Next, SignIn: cookie}, nil
}

// nameTaken tells whether another device of the account has the name. Those that the new
// one takes the place of are in nobody's way.
func nameTaken(r store.Reader, p *identity.Person, h *identity.SignIn, key string) (bool, error) {
	d, err := identity.MFADevices.Get(r, string(h.Account), key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && !(replaces(h) && d.Owner == p.ID()), err
}

// roomForDevice refuses one more device than there may be. Who recovers gives up the others.
func (s *SignIns) roomForDevice(r store.Reader, p *identity.Person, h *identity.SignIn, virtual bool) (Outcome, error) {
	if have := len(p.Devices()); have >= s.DevicesPerPerson && !replaces(h) {
		return refused(fmt.Sprintf("You have %d MFA devices, as many as there may be. Remove one first.", have)), nil
	}
	counts, err := identity.CountsOf.Get(r, string(h.Account))
	if errors.Is(err, store.ErrNotFound) {
		return Outcome{}, nil
	}
	if err == nil && virtual && counts.MFADevices >= s.DevicesPerAccount {
		return refused("The account has as many virtual MFA devices as it may have. Ask an administrator."), nil
	}
	return Outcome{}, err
}

// replaces tells whether the new device takes the place of those that the person had.
func replaces(h *identity.SignIn) bool {
	g := of(h)
	return g.has(identity.ByLink)
}

// ConfirmTOTP ends an enrolment: two consecutive codes show that the phone has the seed. A
// claim takes effect with it.
func (s *SignIns) ConfirmTOTP(ctx context.Context, v Visitor, cookie, code1, code2 string) (Outcome, error) {
	return s.step(ctx, cookie, func(tx store.Tx, h *identity.SignIn, p *identity.Person, now time.Time) (Outcome, error) {
		if len(h.Seed) == 0 {
			return startAgain(), nil
		}
		if h.Step == identity.StepClaim && h.Claim.Password == nil {
			return refused("Root needs a password beside codes. Choose one first, or set up a passkey."), nil
		}
		if h.Step == identity.StepClaim {
			if out, err := s.free(tx, h.Account, h.Claim); err != nil || out.Message != "" {
				return out, err
			}
		}
		if taken, err := nameTaken(tx, p, h, h.Device); taken || err != nil {
			return refused("The account has an MFA device with this name by now. Choose another name."), err
		}
		if out, err := s.roomForDevice(tx, p, h, true); err != nil || out.Message != "" {
			return out, err
		}
		d := &identity.MFADevice{
			Account: h.Account,
			Name:    h.Device[1:],
			Path:    "/",
			Seed:    h.Seed,
			Created: now,
			Owner:   p.ID(),
			Enabled: now,
		}
		ok, err := s.mfa.CheckNew(d, typedCode(code1), typedCode(code2), now)
		if err != nil {
			return Outcome{}, err
		}
		if !ok {
			return refused("These are not two codes of this device, one after the other. Wait for a new code, type it, and then the one after it."), nil
		}
		if err := s.giveDevice(tx, v, p, h, d, now); err != nil {
			return Outcome{}, err
		}
		return s.enrolled(tx, v, p, h, of(h).with(identity.ByTOTP, now), d.Key(), now)
	}, identity.StepEnrol, identity.StepClaim)
}

// giveDevice puts a new device, which the person has shown to have, into the store.
func (s *SignIns) giveDevice(tx store.Tx, v Visitor, p *identity.Person, h *identity.SignIn, d *identity.MFADevice, now time.Time) error {
	var given []identity.EnabledDevice
	if !replaces(h) {
		given = append(given, p.Devices()...)
	} else if err := s.takeDevices(tx, p); err != nil {
		return err
	}
	key := d.Kind() == identity.SecurityKey
	var err error
	if key {
		err = identity.PutSecurityKey(tx, d)
	} else {
		err = identity.MFADevices.Put(tx, d, string(d.Account), d.Key())
	}
	if err != nil {
		return err
	}
	given = append(given, identity.EnabledDevice{Serial: d.Key(), Enabled: now})
	err = identity.EditPerson(tx, p, func(c identity.Credentials) { *c.Devices = given })
	if err != nil {
		return err
	}
	err = identity.EditCounts(tx, d.Account, func(n *identity.Counts) error {
		if key {
			n.SecurityKeys++
		} else {
			n.MFADevices++
		}
		n.MFADevicesInUse++
		return nil
	})
	if err != nil {
		return err
	}
	e, err := s.eventOf(v, p, "EnableMFADevice", now)
	if err != nil {
		return err
	}
	e.Source, e.Type = sourceIAM, ""
	name := p.Name()
	if p.Root() {
		name = "AWS ROOT USER"
	}
	serial := d.Serial(p.Account.Partition)
	e.SetRequest(&iam.EnableMFADeviceInput{UserName: &name, SerialNumber: &serial}, s.Redact)
	return s.Trail.AppendTo(tx, e)
}

// takeDevices takes a person's devices from them, who has lost them: virtual ones are gone,
// as they are in nobody's hand; hardware tokens are free for others.
func (s *SignIns) takeDevices(tx store.Tx, p *identity.Person) error {
	account := string(p.Account.ID)
	virtual, keys := 0, 0
	for _, enabled := range p.Devices() {
		d, err := identity.MFADevices.Get(tx, account, enabled.Serial)
		if err != nil {
			return fmt.Errorf("MFA device %s of %s: %w", enabled.Serial, p.ARN(), err)
		}
		switch d.Kind() {
		case identity.HardwareToken:
			err = identity.MFADevices.Edit(tx, func(d *identity.MFADevice) error {
				d.Owner, d.Enabled = "", time.Time{}
				return nil
			}, account, d.Key())
		case identity.SecurityKey:
			keys++
			identity.DeleteSecurityKey(tx, d)
		default:
			virtual++
			identity.MFADevices.Delete(tx, account, d.Key())
		}
		if err != nil {
			return err
		}
	}
	inUse := len(p.Devices())
	return identity.EditCounts(tx, p.Account.ID, func(n *identity.Counts) error {
		n.MFADevicesInUse -= inUse
		n.MFADevices -= virtual
		n.SecurityKeys -= keys
		return nil
	})
}

// enrolled goes on when a person has a new device: root is claimed, and who has no recovery
// codes, or lost what they had, gets some.
func (s *SignIns) enrolled(tx store.Tx, v Visitor, p *identity.Person, h *identity.SignIn, g progress, device string, now time.Time) (Outcome, error) {
	g.device = device
	if h.Step == identity.StepClaim {
		if err := s.claimed(tx, v, p, h, now); err != nil {
			return Outcome{}, err
		}
		if h.Claim.Password != nil {
			g = g.with(identity.ByPassword, now)
		}
	}
	have, err := recoveryCodes(tx, p.ID())
	if err != nil {
		return Outcome{}, err
	}
	if replaces(h) {
		ForgetFailures(tx, PurposeMFA, p.ID()) // they were with devices that are gone
	}
	if len(have.Digests) == 0 || replaces(h) {
		if g.recovery, err = MakeRecoveryCodes(tx, p.ID(), now, s.Rand); err != nil {
			return Outcome{}, err
		}
		ForgetFailures(tx, PurposeRecovery, p.ID())
	}
	return s.advance(tx, v, p, g, now)
}
