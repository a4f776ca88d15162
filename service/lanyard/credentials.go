package lanyard

import (
	"cmp"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// credentialsPage is how many users are looked at for a page at most, and
// credentialsFound how many that have something are on it: with eight keys and devices
// each, at their longest, the answer stays within what a client reads.
const (
	credentialsPage  = 5000
	credentialsFound = 1000
)

type (
	// ListCredentialsInput goes through the pages. MFADevices asks for those, too.
	ListCredentialsInput struct {
		MFADevices *bool
		Marker     *string
		MaxItems   *int32
	}
	// ListCredentialsOutput are the users who have access keys or MFA devices, by name.
	// Without a marker it was the last page; before it one may be empty.
	ListCredentialsOutput struct {
		Users  []UserCredentials
		Marker *string
	}
	// UserCredentials is what a user signs requests and proves themselves with.
	UserCredentials struct {
		UserName   *string
		AccessKeys []AccessKeyEntry
		MFADevices []MFADeviceEntry
	}
	// AccessKeyEntry is what iam:ListAccessKeys says of a key.
	AccessKeyEntry struct {
		AccessKeyId *string
		Active      *bool
		CreateDate  *time.Time
	}
	// MFADeviceEntry is what iam:ListMFADevices says of a device.
	MFADeviceEntry struct {
		SerialNumber *string
		EnableDate   *time.Time
	}
)

// ListCredentials lists of all users at once what iam:ListAccessKeys and iam:ListMFADevices
// list of one. It takes to be allowed those for each user whose credentials are listed.
func (s *Service) ListCredentials(c *service.Call, in *ListCredentialsInput) (*ListCredentialsOutput, error) {
	limit := credentialsFound
	if in.MaxItems != nil {
		limit = min(limit, int(*in.MaxItems))
	}
	out := &ListCredentialsOutput{Users: []UserCredentials{}}
	var (
		failed error
		last   store.Key
		looked int
	)
	err := identity.Users.Scan(c.Reader, aws.ToString(in.Marker), func(key store.Key, u *identity.User) bool {
		if len(out.Users) == limit || looked == credentialsPage {
			out.Marker = aws.String(identity.Users.Cursor(last, c.Account()))
			return false
		}
		last = key
		looked++
		var entry *UserCredentials
		if entry, failed = credentialsOf(c, u, aws.ToBool(in.MFADevices)); entry != nil {
			out.Users = append(out.Users, *entry)
		}
		return failed == nil
	}, c.Account())
	if err := cmp.Or(failed, err); err != nil {
		return nil, err
	}
	return out, nil
}

// credentialsOf is nil for somebody who has none.
func credentialsOf(c *service.Call, u *identity.User, devices bool) (*UserCredentials, error) {
	devices = devices && len(u.MFA) > 0
	if len(u.AccessKeys) == 0 && !devices {
		return nil, nil
	}
	on := authz.On(u.ARN(c.Scope.Partition)).WithResourceTags(u.Tags)
	entry := &UserCredentials{UserName: &u.Name, AccessKeys: []AccessKeyEntry{}, MFADevices: []MFADeviceEntry{}}
	if len(u.AccessKeys) > 0 {
		if err := c.Ask(on.WithAction("iam:ListAccessKeys")); err != nil {
			return nil, err
		}
	}
	for _, id := range u.AccessKeys {
		key, err := identity.AccessKeys.Get(c.Reader, id)
		if err != nil {
			return nil, fmt.Errorf("access key %s of user %s: %w", id, u.Name, err)
		}
		entry.AccessKeys = append(entry.AccessKeys, AccessKeyEntry{&key.ID, aws.Bool(!key.Inactive), &key.Created})
	}
	if !devices {
		return entry, nil
	}
	if err := c.Ask(on.WithAction("iam:ListMFADevices")); err != nil {
		return nil, err
	}
	for _, d := range u.MFA {
		entry.MFADevices = append(entry.MFADevices, MFADeviceEntry{aws.String(identity.SerialOf(c.Scope, d.Serial)), &d.Enabled})
	}
	return entry, nil
}

// mayListCredentials asks about everybody. Who is then somebody's is asked of each.
func mayListCredentials(c *service.Call, in *ListCredentialsInput) ([]authz.Check, error) {
	everybody := authz.On(c.Scope.User("/", "*"))
	checks := []authz.Check{everybody}
	if aws.ToBool(in.MFADevices) {
		checks = append(checks, everybody.WithAction("iam:ListMFADevices"))
	}
	return checks, nil
}
