package iam

import (
	"fmt"
	"strings"
)

// Bounds of what an operator may set. What an entity has is in its record, which every
// decision about it reads.
const (
	maxPerAccount  = 10_000_000
	maxPerEntity   = 1000
	maxTrustPolicy = 131_072 // the longest document that the API takes
)

// adjustable is a quota that an operator may set.
type adjustable struct {
	name  string // AWS's, as in "Cannot exceed quota for UsersPerAccount: 5000"
	limit *int
	most  int
}

// adjustables are the quotas by their names. The others belong to the API: how many
// tags there may be, how many versions a policy has, how long a document is.
func (l *Limits) adjustables() []adjustable {
	return []adjustable{
		{"UsersPerAccount", &l.UsersPerAccount, maxPerAccount},
		{"GroupsPerAccount", &l.GroupsPerAccount, maxPerAccount},
		{"RolesPerAccount", &l.RolesPerAccount, maxPerAccount},
		{"PoliciesPerAccount", &l.PoliciesPerAccount, maxPerAccount},
		{"InstanceProfilesPerAccount", &l.InstanceProfilesPerAccount, maxPerAccount},
		{"ServerCertificatesPerAccount", &l.ServerCertificatesPerAccount, maxPerAccount},
		{"OpenIdConnectProvidersPerAccount", &l.OIDCProvidersPerAccount, maxPerAccount},
		{"SAMLProvidersPerAccount", &l.SAMLProvidersPerAccount, maxPerAccount},
		{"PoliciesPerUser", &l.PoliciesPerUser, maxPerEntity},
		{"PoliciesPerGroup", &l.PoliciesPerGroup, maxPerEntity},
		{"PoliciesPerRole", &l.PoliciesPerRole, maxPerEntity},
		{"GroupsPerUser", &l.GroupsPerUser, maxPerEntity},
		{"AccessKeysPerUser", &l.AccessKeysPerUser, maxPerEntity},
		{"MFADevicesPerUser", &l.MFADevicesPerUser, maxPerEntity},
		{"CertificatesPerUser", &l.SigningCertificatesPerUser, maxPerEntity},
		{"SSHPublicKeysPerUser", &l.SSHPublicKeysPerUser, maxPerEntity},
		{"ServiceSpecificCredentialsPerUser", &l.ServiceCredentialsPerService, maxPerEntity},
		{"ACLSizePerRole", &l.TrustPolicySize, maxTrustPolicy},
	}
}

// Set sets a quota by its name.
func (l *Limits) Set(name string, limit int) error {
	all := l.adjustables()
	names := make([]string, len(all))
	for i, a := range all {
		if a.name != name {
			names[i] = a.name
			continue
		}
		if limit < 1 || limit > a.most {
			return fmt.Errorf("quota %s: %d is not from 1 to %d", name, limit, a.most)
		}
		*a.limit = limit
		return nil
	}
	return fmt.Errorf("there is no quota %q; there are %s", name, strings.Join(names, ", "))
}
