package lanyard

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// MFADevice is an MFA device of the caller, with what AWS's API does not tell of it.
type MFADevice struct {
	SerialNumber *string
	Name         *string
	Kind         *string // "virtual", "hardware", "securitykey"
	EnableDate   *time.Time
	LastUsed     *time.Time // absent: never
	Passkey      *bool      // it signs in without name and password
	Cloned       *time.Time // when its counter went back: there may be a copy of it
}

type (
	// GetOwnSignInInput is empty.
	GetOwnSignInInput struct{}
	// GetOwnSignInOutput is how the caller signs in. The devices are in the order in which
	// they were enabled.
	GetOwnSignInOutput struct {
		Email           *string    // by which the root user signs in; absent: it is not claimed
		PasswordChanged *time.Time // absent: there is no password
		MFADevices      []MFADevice
		MFARequired     *bool // the caller has to have a device
	}
	// BeginSecurityKeyInput starts to register a security key for the caller; a passkey,
	// which signs in without name and password, if that is asked for.
	BeginSecurityKeyInput struct{ Passkey *bool }
	// BeginSecurityKeyOutput has the options for the browser, as JSON, and what
	// EnableSecurityKey needs to have back from the same browser.
	BeginSecurityKeyOutput struct{ Options, Ceremony *string }
	// EnableSecurityKeyInput is the end of it: Response is what the browser answered, as
	// JSON, and Name what the caller calls the key.
	EnableSecurityKeyInput struct{ Name, Ceremony, Response *string }
	// EnableSecurityKeyOutput names the device.
	EnableSecurityKeyOutput struct{ SerialNumber *string }
)

// GetOwnSignIn says how the caller signs in.
func (s *Service) GetOwnSignIn(c *service.Call, _ *GetOwnSignInInput) (*GetOwnSignInOutput, error) {
	out := &GetOwnSignInOutput{MFADevices: []MFADevice{}, MFARequired: aws.Bool(false)}
	p, err := self(c)
	if err != nil || p == nil {
		return out, err
	}
	if login := p.Login(); login != nil {
		out.PasswordChanged = instant(login.Changed)
	}
	for _, e := range p.Devices() {
		d, err := identity.MFADevices.Get(c.Reader, c.Account(), e.Serial)
		if err != nil {
			return nil, fmt.Errorf("MFA device %s of %s: %w", e.Serial, p.ARN(), err)
		}
		entry := MFADevice{SerialNumber: aws.String(d.Serial(c.Scope.Partition)), Name: aws.String(d.Label()), EnableDate: aws.Time(d.Enabled), LastUsed: instant(d.LastUsed), Cloned: instant(d.Cloned)}
		switch d.Kind() {
		case identity.VirtualDevice:
			entry.Kind = aws.String("virtual")
		case identity.HardwareToken:
			entry.Kind = aws.String("hardware")
		case identity.SecurityKey:
			entry.Kind = aws.String("securitykey")
			entry.Passkey = aws.Bool(d.WebAuthn != nil && d.WebAuthn.Discoverable)
		}
		out.MFADevices = append(out.MFADevices, entry)
	}
	if p.Root() {
		out.MFARequired = aws.Bool(true)
		if p.Account.RootEmail != "" {
			out.Email = &p.Account.RootEmail
		}
		return out, nil
	}
	rules, err := identity.SignInRulesOf.Get(c.Reader, c.Account())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	out.MFARequired = aws.Bool(err == nil && !rules.MFARequired.IsZero())
	return out, nil
}

// self is the caller as a person who signs in: nil for who is none.
func self(c *service.Call) (*identity.Person, error) {
	if c.Principal.Kind != authn.User && c.Principal.Kind != authn.Root {
		return nil, nil
	}
	return identity.FindPerson(c.Reader, c.Principal.ID)
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// BeginSecurityKey starts the ceremony by which a browser makes a credential on a security
// key.
func (s *Service) BeginSecurityKey(c *service.Call, in *BeginSecurityKeyInput) (*BeginSecurityKeyOutput, error) {
	keys, p, err := s.registrar(c)
	if err != nil {
		return nil, err
	}
	ceremony, err := keys.BeginRegistration(c.Reader, p, aws.ToBool(in.Passkey), c.Now, c.Rand)
	if err != nil {
		return nil, err
	}
	return &BeginSecurityKeyOutput{Options: aws.String(string(ceremony.Options)), Ceremony: &ceremony.Handle}, nil
}

// EnableSecurityKey gives the caller the security key with which the browser answered. It is
// on record as EnableMFADevice, which is what it is towards policies, too.
func (s *Service) EnableSecurityKey(c *service.Call, in *EnableSecurityKeyInput) (*EnableSecurityKeyOutput, error) {
	keys, p, err := s.registrar(c)
	if err != nil {
		return nil, err
	}
	credential, err := keys.FinishRegistration(c.Tx, p, *in.Ceremony, []byte(*in.Response), c.Now)
	if refused, ok := errors.AsType[*authn.MFAError](err); ok {
		return nil, &service.Error{Code: "SecurityKeyRefusedException", Status: http.StatusBadRequest, Message: refused.Message}
	}
	if err != nil {
		return nil, err
	}
	d, err := identity.NewSecurityKey(p, *in.Name, credential, c.Now, c.Rand)
	if err != nil {
		return nil, err
	}
	if err := identity.PutSecurityKey(c.Tx, d); err != nil {
		return nil, err
	}
	err = identity.EditCounts(c.Tx, d.Account, func(n *identity.Counts) error {
		n.SecurityKeys++
		n.MFADevicesInUse++
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &EnableSecurityKeyOutput{SerialNumber: aws.String(d.Serial(c.Scope.Partition))}, give(c, p, d)
}

// registrar is what registers security keys, and the caller, who has room for one more.
func (s *Service) registrar(c *service.Call) (*authn.WebAuthn, *identity.Person, error) {
	p, err := self(c)
	switch {
	case err != nil:
		return nil, nil, err
	case p == nil:
		return nil, nil, service.Invalid("MFA devices are for IAM users and the root user.")
	case c.Principal.Session == nil || !c.Principal.Session.Console:
		// A passkey signs in without a password: whoever has an access key must not have a
		// way into the console by it.
		return nil, nil, service.Invalid("Security keys are registered in the console.")
	case len(p.Devices()) > 0:
		if err := needFactor(c); err != nil {
			return nil, nil, err
		}
	}
	var keys *authn.WebAuthn
	if s.config.Keys != nil {
		keys = s.config.Keys()
	}
	if keys == nil {
		return nil, nil, service.Invalid("Security keys and passkeys do not work at this server's address: browsers want a host name and HTTPS, or localhost.")
	}
	return keys, p, s.roomForDevice(p)
}

// roomForDevice refuses a device to who has as many as one may have.
func (s *Service) roomForDevice(p *identity.Person) error {
	if len(p.Devices()) >= s.config.DevicesPerPerson {
		return limitExceeded("Cannot exceed quota for MFADevicesPerUser: %d", s.config.DevicesPerPerson)
	}
	return nil
}

// give puts an MFA device on the list of the caller's, and keeps them signed in where they are.
func give(c *service.Call, p *identity.Person, d *identity.MFADevice) error {
	err := identity.EditPerson(c.Tx, p, func(list identity.Credentials) {
		*list.Devices = append(*list.Devices, identity.EnabledDevice{Serial: d.Key(), Enabled: d.Enabled})
	})
	if err != nil {
		return err
	}
	c.Event.Resources = []audit.Resource{{ARN: p.ARN(), AccountID: c.Scope.Account, Type: "AWS::IAM::User"}}
	return authn.KeepSignedIn(c.Tx, c.Principal, p.ID())
}

// onSelf states that an operation acts on the caller, as the person who signs in.
func onSelf[I any](c *service.Call, _ *I) ([]authz.Check, error) {
	p, err := self(c)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return []authz.Check{authz.On("*")}, nil
	}
	if p.Root() {
		return []authz.Check{authz.On(c.Scope.Root())}, nil
	}
	return []authz.Check{authz.On(p.ARN()).WithResourceTags(p.User.Tags)}, nil
}

// onOwnDevices is onSelf for what is on record as EnableMFADevice of IAM.
func onOwnDevices[I any](c *service.Call, in *I) ([]authz.Check, error) {
	c.Event.Source, c.Event.Name = "iam.amazonaws.com", "EnableMFADevice"
	return onSelf(c, in)
}
