package iam

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// rootName is what the root user goes by where MFA operations name a user.
const rootName = "root"

// wrongCodes is AWS's sentence for codes that do not enable or resynchronise a device.
const wrongCodes = "Authentication code for device is not valid."

// CreateVirtualMFADevice makes a device that nobody uses yet. Its seed is in the
// answer, as text and as QR code, and can never be read again.
func (s *Service) CreateVirtualMFADevice(c *service.Call, in *iam.CreateVirtualMFADeviceInput) (*iam.CreateVirtualMFADeviceOutput, error) {
	d := &identity.MFADevice{
		Account: c.Scope.Account,
		Name:    *in.VirtualMFADeviceName,
		Path:    pathOf(in.Path),
		Created: second(c.Now),
	}
	var err error
	if d.Tags, err = s.setTags(nil, in.Tags, exactCase); err != nil {
		return nil, err
	}
	if identity.MFADevices.Has(c.Reader, c.Account(), d.Key()) {
		return nil, alreadyExists("MFADevice entity at the same path and name already exists.")
	}
	// There may be as many devices as users.
	if err := countOneMore(c, devicesCount, quota{"VirtualMFADevicesPerAccount", s.limits.UsersPerAccount}); err != nil {
		return nil, err
	}
	drawn := c.Kept().(*drawnSeed)
	d.Seed, err = s.ring.Seal(keyring.MFASeeds, string(identity.MFADevices.Key(c.Account(), d.Key())), drawn.seed)
	if err != nil {
		return nil, fmt.Errorf("seal the seed of MFA device %s: %w", d.Key(), err)
	}
	if err := identity.MFADevices.Put(c.Tx, d, c.Account(), d.Key()); err != nil {
		return nil, err
	}
	return &iam.CreateVirtualMFADeviceOutput{VirtualMFADevice: &types.VirtualMFADevice{
		SerialNumber:     aws.String(d.Serial(c.Scope.Partition)),
		Base32StringSeed: []byte(mfa.Base32(drawn.seed)),
		QRCodePNG:        drawn.qr,
		Tags:             sdkTags(d.Tags),
	}}, nil
}

// EnableMFADevice gives a device to a user, who shows with two consecutive codes
// that they have its seed.
func (s *Service) EnableMFADevice(c *service.Call, in *iam.EnableMFADeviceInput) (*iam.EnableMFADeviceOutput, error) {
	who, err := wearerOf(c, in.UserName)
	if err != nil {
		return nil, err
	}
	w, err := who.wearer(c)
	if err != nil {
		return nil, err
	}
	d, err := findDevice(c, *in.SerialNumber)
	if err != nil {
		return nil, err
	}
	if d.Owner != "" { // a security key is in use from when it is registered
		return nil, alreadyExists("MFA Device is already in use.")
	}
	if err := (quota{"MFADevicesPerUser", s.limits.MFADevicesPerUser}).admits(len(w.devices)); err != nil {
		return nil, err
	}
	err = s.mfa.CheckPair(c.Tx, d, w.id, *in.AuthenticationCode1, *in.AuthenticationCode2, mfa.EnableWindow, c.Now, wrongCodes)
	if err != nil {
		return nil, refusedCodes(err)
	}
	now := second(c.Now)
	err = identity.MFADevices.Edit(c.Tx, func(d *identity.MFADevice) error {
		d.Owner, d.Enabled = w.id, now
		return nil
	}, c.Account(), d.Key())
	if err != nil {
		return nil, err
	}
	err = who.editDevices(c, func(devices []identity.EnabledDevice) []identity.EnabledDevice {
		return append(devices, identity.EnabledDevice{Serial: d.Key(), Enabled: now})
	})
	if err != nil {
		return nil, err
	}
	if err := authn.KeepSignedIn(c.Tx, c.Principal, w.id); err != nil {
		return nil, err
	}
	return &iam.EnableMFADeviceOutput{}, count(c, devicesInUseCount, 1)
}

// DeactivateMFADevice takes a device from its user. A virtual device and a hardware
// token remain and can be enabled again, but not with codes that were used before; a
// security key is gone and has to be registered anew.
func (s *Service) DeactivateMFADevice(c *service.Call, in *iam.DeactivateMFADeviceInput) (*iam.DeactivateMFADeviceOutput, error) {
	who, err := wearerOf(c, in.UserName)
	if err != nil {
		return nil, err
	}
	if who.root && in.UserName == nil {
		return nil, mustNameUser() // root may omit it in sessions of AssumeRoot only
	}
	w, err := who.wearer(c)
	if err != nil {
		return nil, err
	}
	d, err := findDeviceOf(c, w, *in.SerialNumber)
	if err != nil {
		return nil, err
	}
	if err := release(c, d); err != nil {
		return nil, err
	}
	err = who.editDevices(c, func(devices []identity.EnabledDevice) []identity.EnabledDevice {
		return slices.DeleteFunc(devices, func(e identity.EnabledDevice) bool { return e.Serial == d.Key() })
	})
	if err != nil {
		return nil, err
	}
	if err := authn.KeepSignedIn(c.Tx, c.Principal, w.id); err != nil {
		return nil, err
	}
	return &iam.DeactivateMFADeviceOutput{}, count(c, devicesInUseCount, -1)
}

// release makes a device one that nobody uses.
func release(c *service.Call, d *identity.MFADevice) error {
	if d.Kind() == identity.SecurityKey {
		identity.DeleteSecurityKey(c.Tx, d)
		return count(c, securityKeysCount, -1)
	}
	return identity.MFADevices.Edit(c.Tx, func(d *identity.MFADevice) error {
		d.Owner, d.Enabled = "", time.Time{}
		return nil
	}, c.Account(), d.Key())
}

// ResyncMFADevice finds out by two consecutive codes how far the clock of a device
// in use is from ours. Wrong codes count as failures of the user, like those at
// sign-in, so that they cannot be guessed here either.
func (s *Service) ResyncMFADevice(c *service.Call, in *iam.ResyncMFADeviceInput) (*iam.ResyncMFADeviceOutput, error) {
	who, err := wearerOf(c, in.UserName)
	if err != nil {
		return nil, err
	}
	w, err := who.wearer(c)
	if err != nil {
		return nil, err
	}
	d, err := findDeviceOf(c, w, *in.SerialNumber)
	if err != nil {
		return nil, err
	}
	if d.Kind() == identity.SecurityKey { // which has no clock
		return nil, orNoSuchDevice(store.ErrNotFound, *in.SerialNumber)
	}
	err = s.mfa.CheckPair(c.Tx, d, d.Owner, *in.AuthenticationCode1, *in.AuthenticationCode2, mfa.ResyncWindow, c.Now, wrongCodes)
	if err != nil {
		return nil, refusedCodes(err)
	}
	return &iam.ResyncMFADeviceOutput{}, nil
}

// GetMFADevice describes a FIDO security key of a user, by default the caller. As on
// AWS it knows no other devices.
func (s *Service) GetMFADevice(c *service.Call, in *iam.GetMFADeviceInput) (*iam.GetMFADeviceOutput, error) {
	who, err := wearerOf(c, in.UserName)
	if err != nil {
		return nil, err
	}
	w, err := who.wearer(c)
	if err != nil {
		return nil, err
	}
	d, err := lookUpDevice(c, *in.SerialNumber)
	if err == nil && (d.Owner != w.id || d.Kind() != identity.SecurityKey) {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, orNoSuchEntity(err, "MFADevice with serial number %s doesn't exist.", *in.SerialNumber)
	}
	return &iam.GetMFADeviceOutput{
		SerialNumber:   aws.String(d.Serial(c.Scope.Partition)),
		UserName:       &w.name,
		EnableDate:     shown(d.Enabled),
		Certifications: d.Certifications,
	}, nil
}

// ListMFADevices lists the devices of a user, by default the caller, in the order
// in which they were enabled.
func (s *Service) ListMFADevices(c *service.Call, in *iam.ListMFADevicesInput) (*iam.ListMFADevicesOutput, error) {
	who, err := wearerOf(c, in.UserName)
	if err != nil {
		return nil, err
	}
	w, err := who.wearer(c)
	if err != nil {
		return nil, err
	}
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, types.MFADevice) bool) error {
		from, _ := strconv.Atoi(after) // a list of eight is continued by number
		for i, e := range w.devices[min(from, len(w.devices)):] {
			entry := types.MFADevice{
				EnableDate:   shown(e.Enabled),
				SerialNumber: aws.String(identity.SerialOf(c.Scope, e.Serial)),
				UserName:     &w.name,
			}
			if !yield(strconv.Itoa(from+i+1), entry) {
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.ListMFADevicesOutput{MFADevices: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// ListVirtualMFADevices lists the account's virtual devices, with those who use them.
func (s *Service) ListVirtualMFADevices(c *service.Call, in *iam.ListVirtualMFADevicesInput) (*iam.ListVirtualMFADevicesOutput, error) {
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, types.VirtualMFADevice) bool) error {
		var lost error
		err := identity.MFADevices.Scan(c.Reader, after, func(key store.Key, d *identity.MFADevice) bool {
			if d.Kind() != identity.VirtualDevice || !hasStatus(d, in.AssignmentStatus) {
				return true
			}
			var entry types.VirtualMFADevice
			if entry, lost = deviceEntry(c, d); lost != nil {
				return false
			}
			return yield(key.Last(), entry)
		}, c.Account())
		return errors.Join(err, lost)
	})
	if err != nil {
		return nil, err
	}
	return &iam.ListVirtualMFADevicesOutput{VirtualMFADevices: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// DeleteVirtualMFADevice removes a device that nobody uses.
func (s *Service) DeleteVirtualMFADevice(c *service.Call, in *iam.DeleteVirtualMFADeviceInput) (*iam.DeleteVirtualMFADeviceOutput, error) {
	d, err := findVirtual(c, *in.SerialNumber)
	if err != nil {
		return nil, err
	}
	if d.Owner != "" {
		return nil, deleteConflict("MFA VirtualDevice in use. Must deactivate first.")
	}
	identity.MFADevices.Delete(c.Tx, c.Account(), d.Key())
	return &iam.DeleteVirtualMFADeviceOutput{}, count(c, devicesCount, -1)
}

// TagMFADevice puts tags on a device.
func (s *Service) TagMFADevice(c *service.Call, in *iam.TagMFADeviceInput) (*iam.TagMFADeviceOutput, error) {
	return &iam.TagMFADeviceOutput{}, editVirtual(c, *in.SerialNumber, func(d *identity.MFADevice) (err error) {
		d.Tags, err = s.setTags(d.Tags, in.Tags, exactCase)
		return err
	})
}

// UntagMFADevice takes tags from a device.
func (s *Service) UntagMFADevice(c *service.Call, in *iam.UntagMFADeviceInput) (*iam.UntagMFADeviceOutput, error) {
	return &iam.UntagMFADeviceOutput{}, editVirtual(c, *in.SerialNumber, func(d *identity.MFADevice) error {
		d.Tags = removeTags(d.Tags, in.TagKeys, exactCase)
		return nil
	})
}

// ListMFADeviceTags lists the tags of a device.
func (s *Service) ListMFADeviceTags(c *service.Call, in *iam.ListMFADeviceTagsInput) (*iam.ListMFADeviceTagsOutput, error) {
	d, err := findVirtual(c, *in.SerialNumber)
	if err != nil {
		return nil, err
	}
	page, err := s.listTags(c, in, d.Tags)
	if err != nil {
		return nil, err
	}
	return &iam.ListMFADeviceTagsOutput{Tags: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// deviceEntry is a device as ListVirtualMFADevices shows it.
func deviceEntry(c *service.Call, d *identity.MFADevice) (types.VirtualMFADevice, error) {
	entry := types.VirtualMFADevice{
		SerialNumber: aws.String(d.Serial(c.Scope.Partition)),
		EnableDate:   shown(d.Enabled),
	}
	switch d.Owner {
	case "":
	case c.Account():
		root, err := rootUser(c)
		if err != nil {
			return entry, err
		}
		entry.User = root
	default:
		u, err := identity.UserByID(c.Reader, d.Owner)
		if err != nil {
			return entry, fmt.Errorf("user %s of MFA device %s: %w", d.Owner, d.Key(), err)
		}
		owner := userEntry(c, u)
		entry.User = &owner
	}
	return entry, nil
}

func hasStatus(d *identity.MFADevice, status types.AssignmentStatusType) bool {
	switch status {
	case types.AssignmentStatusTypeAssigned:
		return d.Owner != ""
	case types.AssignmentStatusTypeUnassigned:
		return d.Owner == ""
	}
	return true
}

// drawnSeed is the seed of a device about to be made and the picture of it, which
// takes milliseconds to draw.
type drawnSeed struct{ seed, qr []byte }

func prepareVirtualMFADevice(c *service.Call, in *iam.CreateVirtualMFADeviceInput) error {
	seed, err := mfa.GenerateSeed(c.Rand)
	if err != nil {
		return err
	}
	qr, err := mfa.QRPNG(mfa.OTPAuthURL(*in.VirtualMFADeviceName, c.Account(), seed))
	if err != nil {
		return fmt.Errorf("QR code of MFA device %s: %w", *in.VirtualMFADeviceName, err)
	}
	c.Keep(&drawnSeed{seed, qr})
	return nil
}

// wearerOf is whose devices an MFA operation is about. The root user goes by the
// name "root" there, which for root itself always means root.
func wearerOf(c *service.Call, name *string) (person, error) {
	if name != nil && c.Principal.Kind == authn.Root && identity.Fold(*name) == rootName {
		return person{root: true}, nil
	}
	return personOf(c, name)
}

// wearer is a person with their MFA devices.
type wearer struct {
	id      string // unique id of the user, account id of root
	name    string
	devices []identity.EnabledDevice // read only
}

func (p person) wearer(c *service.Call) (wearer, error) {
	if p.root {
		account, err := identity.Accounts.Get(c.Reader, c.Account())
		if err != nil {
			return wearer{}, fmt.Errorf("account %s: %w", c.Account(), err)
		}
		return wearer{id: c.Account(), name: rootName, devices: account.RootMFA}, nil
	}
	u, err := findUser(c, p.name)
	if err != nil {
		return wearer{}, err
	}
	return wearer{id: u.ID, name: u.Name, devices: u.MFA}, nil
}

// editDevices changes the list of a person's devices.
func (p person) editDevices(c *service.Call, edit func([]identity.EnabledDevice) []identity.EnabledDevice) error {
	if p.root {
		return identity.Accounts.Edit(c.Tx, func(a *identity.Account) error {
			a.RootMFA = edit(a.RootMFA)
			return nil
		}, c.Account())
	}
	return editUser(c, p.name, func(u *identity.User) error {
		u.MFA = edit(u.MFA)
		return nil
	})
}

// refusedCodes is AWS's error for codes that were not accepted. The failure that
// was counted is kept.
func refusedCodes(err error) error {
	refused, ok := errors.AsType[*authn.MFAError](err)
	if !ok {
		return err
	}
	if refused.Counted {
		return service.Commit(invalidAuthenticationCode(refused.Message))
	}
	return invalidAuthenticationCode(refused.Message)
}

// lookUpDevice finds a device of the caller's account by serial number, or returns
// store.ErrNotFound.
func lookUpDevice(c *service.Call, serial string) (*identity.MFADevice, error) {
	account, key, ok := identity.SerialKey(c.Scope.Account, serial)
	if !ok || account != c.Scope.Account {
		return nil, store.ErrNotFound
	}
	return identity.MFADevices.Get(c.Reader, c.Account(), key)
}

func findDevice(c *service.Call, serial string) (*identity.MFADevice, error) {
	d, err := lookUpDevice(c, serial)
	return d, orNoSuchDevice(err, serial)
}

// findVirtual finds a virtual device: only such a one is made, tagged and deleted by
// operations.
func findVirtual(c *service.Call, serial string) (*identity.MFADevice, error) {
	d, err := findDevice(c, serial)
	if err == nil && d.Kind() != identity.VirtualDevice {
		return nil, orNoSuchDevice(store.ErrNotFound, serial)
	}
	return d, err
}

// findDeviceOf finds a device in use by that person.
func findDeviceOf(c *service.Call, w wearer, serial string) (*identity.MFADevice, error) {
	d, err := findDevice(c, serial)
	if err == nil && d.Owner != w.id {
		return nil, orNoSuchDevice(store.ErrNotFound, serial)
	}
	return d, err
}

func editVirtual(c *service.Call, serial string, edit func(*identity.MFADevice) error) error {
	d, err := findVirtual(c, serial)
	if err != nil {
		return err
	}
	return identity.MFADevices.Edit(c.Tx, edit, c.Account(), d.Key())
}

func orNoSuchDevice(err error, serial string) error {
	return orNoSuchEntity(err, "VirtualMFADevice with serial number %s doesn't exist.", serial)
}

// onWearer states that an operation acts on the person whose device it is about.
func onWearer[I any](get func(*I) *string) func(*service.Call, *I) ([]authz.Check, error) {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		who, err := wearerOf(c, get(in))
		if err != nil {
			return nil, err
		}
		check, err := who.check(c)
		if err != nil {
			return nil, err
		}
		return []authz.Check{check}, nil
	}
}

// onDevice states that an operation acts on the device whose serial number get
// finds in its input.
func onDevice[I any](get func(*I) *string) func(*service.Call, *I) ([]authz.Check, error) {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		check, err := checkDevice(c, *get(in))
		if err != nil {
			return nil, err
		}
		return []authz.Check{check}, nil
	}
}

func checkDevice(c *service.Call, serial string) (authz.Check, error) {
	account, key, ok := identity.SerialKey(c.Scope.Account, serial)
	if !ok || !strings.HasPrefix(key, "/") {
		return authz.On("*"), nil // not the serial number of a virtual device
	}
	// The ARN is written anew: policies must see it as we write it, however a
	// client spells the partition or region.
	check := authz.On(identity.SerialOf(arn.Scope{Partition: c.Scope.Partition, Account: account}, key))
	check.Account = account
	if account != c.Scope.Account {
		return check, nil
	}
	d, err := identity.MFADevices.Get(c.Reader, c.Account(), key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return check, nil
	case err != nil:
		return authz.Check{}, err
	}
	return check.WithResourceTags(d.Tags), nil
}

// mayCreateVirtualMFADevice asks to create a virtual device.
func mayCreateVirtualMFADevice(c *service.Call, in *iam.CreateVirtualMFADeviceInput) ([]authz.Check, error) {
	check := authz.On(c.Scope.MFADevice(pathOf(in.Path), *in.VirtualMFADeviceName))
	return creates(check, in.Tags, "iam:TagMFADevice"), nil
}

func mayTagMFADevice(c *service.Call, in *iam.TagMFADeviceInput) ([]authz.Check, error) {
	check, err := checkDevice(c, *in.SerialNumber)
	if err != nil {
		return nil, err
	}
	return []authz.Check{check.WithRequestTags(requestTags(in.Tags))}, nil
}

func mayUntagMFADevice(c *service.Call, in *iam.UntagMFADeviceInput) ([]authz.Check, error) {
	check, err := checkDevice(c, *in.SerialNumber)
	if err != nil {
		return nil, err
	}
	return []authz.Check{check.WithList("aws:TagKeys", in.TagKeys)}, nil
}

func mayListVirtualMFADevices(c *service.Call, in *iam.ListVirtualMFADevicesInput) ([]authz.Check, error) {
	return []authz.Check{authz.On(c.Scope.MFADevice("/", ""))}, nil
}
