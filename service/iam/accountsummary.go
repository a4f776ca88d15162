package iam

import (
	"cmp"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// policyVersionsInUseQuota is only shown: the other quotas imply it (IAM API,
// GetAccountSummary).
const policyVersionsInUseQuota = 10000

// tokenVersion is GlobalEndpointTokenVersion unless the account sets another: session
// tokens are valid in every region, which AWS calls version 2.
const tokenVersion = 2

// GetAccountSummary counts the account's entities and names its quotas.
func (s *Service) GetAccountSummary(c *service.Call, _ *iam.GetAccountSummaryInput) (*iam.GetAccountSummaryOutput, error) {
	n, err := orZero(identity.CountsOf.Get(c.Reader, c.Account()))
	if err != nil {
		return nil, err
	}
	account, err := orZero(identity.Accounts.Get(c.Reader, c.Account()))
	if err != nil {
		return nil, err
	}
	settings, err := orZero(identity.SettingsOf.Get(c.Reader, c.Account()))
	if err != nil {
		return nil, err
	}
	summary := make(map[string]int32)
	for key, value := range map[types.SummaryKeyType]int{
		types.SummaryKeyTypeUsers:                    n.Users,
		types.SummaryKeyTypeUsersQuota:               s.limits.UsersPerAccount,
		types.SummaryKeyTypeGroups:                   n.Groups,
		types.SummaryKeyTypeGroupsQuota:              s.limits.GroupsPerAccount,
		types.SummaryKeyTypeRoles:                    n.Roles,
		types.SummaryKeyTypeRolesQuota:               s.limits.RolesPerAccount,
		types.SummaryKeyTypePolicies:                 n.Policies,
		types.SummaryKeyTypePoliciesQuota:            s.limits.PoliciesPerAccount,
		types.SummaryKeyTypePolicySizeQuota:          maxPolicySize,
		types.SummaryKeyTypePolicyVersionsInUse:      n.PolicyVersions,
		types.SummaryKeyTypePolicyVersionsInUseQuota: policyVersionsInUseQuota,
		types.SummaryKeyTypeVersionsPerPolicyQuota:   s.limits.VersionsPerPolicy,
		types.SummaryKeyTypeInstanceProfiles:         n.InstanceProfiles,
		types.SummaryKeyTypeInstanceProfilesQuota:    s.limits.InstanceProfilesPerAccount,
		types.SummaryKeyTypeProviders:                n.OIDCProviders + n.SAMLProviders,

		types.SummaryKeyTypeUserPolicySizeQuota:           maxUserPolicySize,
		types.SummaryKeyTypeGroupPolicySizeQuota:          maxGroupPolicySize,
		types.SummaryKeyTypeRolePolicySizeQuota:           maxRolePolicySize,
		types.SummaryKeyTypeAssumeRolePolicySizeQuota:     s.limits.TrustPolicySize,
		types.SummaryKeyTypeGroupsPerUserQuota:            s.limits.GroupsPerUser,
		types.SummaryKeyTypeAccessKeysPerUserQuota:        s.limits.AccessKeysPerUser,
		types.SummaryKeyTypeAttachedPoliciesPerUserQuota:  s.limits.PoliciesPerUser,
		types.SummaryKeyTypeAttachedPoliciesPerGroupQuota: s.limits.PoliciesPerGroup,
		types.SummaryKeyTypeAttachedPoliciesPerRoleQuota:  s.limits.PoliciesPerRole,

		types.SummaryKeyTypeMFADevices:                        n.MFADevices + n.HardwareTokens + n.SecurityKeys,
		types.SummaryKeyTypeMFADevicesInUse:                   n.MFADevicesInUse,
		types.SummaryKeyTypeAccountMFAEnabled:                 one(len(account.RootMFA) > 0),
		types.SummaryKeyTypeAccountAccessKeysPresent:          0, // the root user has none
		types.SummaryKeyTypeAccountPasswordPresent:            one(account.RootLogin != nil),
		types.SummaryKeyTypeAccountSigningCertificatesPresent: 0,
		types.SummaryKeyTypeServerCertificates:                n.ServerCertificates,
		types.SummaryKeyTypeServerCertificatesQuota:           s.limits.ServerCertificatesPerAccount,
		types.SummaryKeyTypeSigningCertificatesPerUserQuota:   s.limits.SigningCertificatesPerUser,
		types.SummaryKeyTypeGlobalEndpointTokenVersion:        cmp.Or(int(settings.TokenVersion), tokenVersion),
	} {
		summary[string(key)] = int32(value)
	}
	return &iam.GetAccountSummaryOutput{SummaryMap: summary}, nil
}

// orZero takes a record that does not exist yet as one without content.
func orZero[T any](v *T, err error) (*T, error) {
	if errors.Is(err, store.ErrNotFound) {
		return new(T), nil
	}
	return v, err
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
