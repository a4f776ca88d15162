package lanyard

import (
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/service"
)

type (
	// EnableHardwareTokenInput brings a hardware token that the account does not know yet,
	// by serial number and seed, and gives it to the caller, who shows with two consecutive
	// codes that they have it. A token that the owner of the host has brought is enabled
	// by EnableMFADevice of IAM.
	EnableHardwareTokenInput struct {
		SerialNumber, Seed                       *string
		SeedEncoding                             *string // "hex" or "base32"; absent: the one that fits
		AuthenticationCode1, AuthenticationCode2 *string
	}
	// EnableHardwareTokenOutput names the device.
	EnableHardwareTokenOutput struct{ SerialNumber *string }
)

// EnableHardwareToken gives the caller a hardware token of their own. It is on record as
// EnableMFADevice, without the seed.
func (s *Service) EnableHardwareToken(c *service.Call, in *EnableHardwareTokenInput) (*EnableHardwareTokenOutput, error) {
	seed, err := mfa.ParseSeed(*in.Seed, aws.ToString(in.SeedEncoding))
	if err != nil {
		return nil, &service.Error{Code: "InvalidSeedException", Status: http.StatusBadRequest, Message: err.Error()}
	}
	defer clear(seed)
	p, err := self(c)
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return nil, service.Invalid("MFA devices are for IAM users and the root user.")
	case !identity.ValidTokenSerial(*in.SerialNumber):
		return nil, service.Invalid("A serial number has from 9 to 256 letters, digits and _-.+=@")
	case identity.MFADevices.Has(c.Reader, c.Account(), *in.SerialNumber):
		return nil, &service.Error{Code: "EntityAlreadyExistsException", Status: http.StatusConflict, Message: fmt.Sprintf("The account has a token %s.", *in.SerialNumber)}
	}
	if err := s.roomForDevice(p); err != nil {
		return nil, err
	}
	now := c.Now.UTC().Truncate(time.Second)
	d := &identity.MFADevice{Account: c.Scope.Account, Name: *in.SerialNumber, Owner: p.ID(), Created: now, Enabled: now, LastUsed: now}
	if d.Seed, err = s.config.Ring.Seal(keyring.MFASeeds, string(identity.MFADevices.Key(c.Account(), d.Key())), seed); err != nil {
		return nil, fmt.Errorf("seal the seed of token %s: %w", d.Name, err)
	}
	right, err := s.mfa.CheckNew(d, *in.AuthenticationCode1, *in.AuthenticationCode2, c.Now)
	if err != nil {
		return nil, err
	}
	if !right {
		return nil, &service.Error{Code: "InvalidAuthenticationCodeException", Status: http.StatusForbidden, Message: "Authentication code for device is not valid."}
	}
	if err := identity.MFADevices.Put(c.Tx, d, c.Account(), d.Key()); err != nil {
		return nil, err
	}
	err = identity.EditCounts(c.Tx, d.Account, func(n *identity.Counts) error {
		if n.HardwareTokens >= s.config.TokensPerAccount {
			return limitExceeded("An account has at most %d tokens.", s.config.TokensPerAccount)
		}
		n.HardwareTokens++
		n.MFADevicesInUse++
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &EnableHardwareTokenOutput{SerialNumber: in.SerialNumber}, give(c, p, d)
}

// mayEnableHardwareToken asks for both halves of it, as for an authenticator app: who may
// only enable devices is meant to use those that the account gives them.
func mayEnableHardwareToken(c *service.Call, in *EnableHardwareTokenInput) ([]authz.Check, error) {
	checks, err := onOwnDevices(c, in)
	return append(checks, authz.On(c.Scope.MFADevice("/", *in.SerialNumber)).WithAction("iam:CreateVirtualMFADevice")), err
}

// hardwareTokenRecord is EnableMFADevice as IAM records it.
func hardwareTokenRecord(in *EnableHardwareTokenInput, _ bool) (request, response any) {
	return &iam.EnableMFADeviceInput{SerialNumber: in.SerialNumber}, &iam.EnableMFADeviceOutput{}
}
