package iam

import (
	"fmt"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
)

// Limits are the quotas of an account (IAM User Guide, "IAM and AWS STS quotas").
// An operator may raise them; the sizes of documents and the limits that are part
// of the API's model are fixed and not here.
type Limits struct {
	UsersPerAccount            int // also how many virtual MFA devices there may be
	GroupsPerAccount           int
	RolesPerAccount            int
	PoliciesPerAccount         int
	InstanceProfilesPerAccount int
	OIDCProvidersPerAccount    int
	SAMLProvidersPerAccount    int
	PoliciesPerUser            int
	PoliciesPerGroup           int
	PoliciesPerRole            int
	GroupsPerUser              int
	AccessKeysPerUser          int
	MFADevicesPerUser          int
	TagsPerResource            int
	VersionsPerPolicy          int
	TrustPolicySize            int // characters that are not white space

	ServerCertificatesPerAccount int
	SigningCertificatesPerUser   int
	SSHPublicKeysPerUser         int
	ServiceCredentialsPerService int // of one user
}

// DefaultLimits are AWS's defaults.
func DefaultLimits() Limits {
	return Limits{
		UsersPerAccount:            5000,
		GroupsPerAccount:           300,
		RolesPerAccount:            1000,
		PoliciesPerAccount:         1500,
		InstanceProfilesPerAccount: 1000,
		OIDCProvidersPerAccount:    100,
		SAMLProvidersPerAccount:    100,
		PoliciesPerUser:            10,
		PoliciesPerGroup:           10,
		PoliciesPerRole:            10,
		GroupsPerUser:              10,
		AccessKeysPerUser:          2,
		MFADevicesPerUser:          8,
		TagsPerResource:            50,
		VersionsPerPolicy:          5,
		TrustPolicySize:            2048,

		ServerCertificatesPerAccount: 20,
		SigningCertificatesPerUser:   2,
		SSHPublicKeysPerUser:         5,
		ServiceCredentialsPerService: 2,
	}
}

// quota is a limit with the name that AWS's messages give it.
type quota struct {
	name  string
	limit int
}

// admits refuses one more of something of which there are already have.
func (q quota) admits(have int) error {
	if have >= q.limit {
		return limitExceeded("Cannot exceed quota for %s: %d", q.name, q.limit)
	}
	return nil
}

// counter selects one of an account's counts.
type counter func(*identity.Counts) *int

func usersCount(n *identity.Counts) *int        { return &n.Users }
func groupsCount(n *identity.Counts) *int       { return &n.Groups }
func devicesCount(n *identity.Counts) *int      { return &n.MFADevices }
func tokensCount(n *identity.Counts) *int       { return &n.HardwareTokens }
func securityKeysCount(n *identity.Counts) *int { return &n.SecurityKeys }
func devicesInUseCount(n *identity.Counts) *int { return &n.MFADevicesInUse }

// countOneMore adds one to a count, unless the quota is used up. Counts are kept so
// that a quota costs one read and no scan.
func countOneMore(c *service.Call, of counter, q quota) error {
	return editCounts(c, func(n *identity.Counts) error {
		if err := q.admits(*of(n)); err != nil {
			return err
		}
		*of(n)++
		return nil
	})
}

// count adds to a count that has no quota of its own, or takes from one.
func count(c *service.Call, of counter, delta int) error {
	return editCounts(c, func(n *identity.Counts) error {
		*of(n) += delta
		if *of(n) < 0 {
			return fmt.Errorf("the counts of account %s are out of step", c.Account())
		}
		return nil
	})
}

// editCounts changes the counts of the account.
func editCounts(c *service.Call, edit func(*identity.Counts) error) error {
	return identity.EditCounts(c.Tx, c.Scope.Account, edit)
}
