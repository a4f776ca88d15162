package iam

import (
	"slices"
	"strings"

	"github.com/lanyard-iam/lanyard/service"
)

// Operations is the service: all its operations, and the names of those to come.
func (s *Service) Operations() service.Set {
	built := slices.Concat(
		s.userOperations(), s.policyOperations(), s.certificateOperations(), s.providerOperations(),
		s.serviceRoleOperations(), s.accountOperations(), s.simulationOperations(), s.reportOperations(),
	)
	notYet := slices.DeleteFunc(strings.Fields(allOperations), func(name string) bool {
		return slices.ContainsFunc(built, func(op service.Operation) bool { return op.Name == name })
	})
	return service.Set{
		SigningName:  "iam",
		EventSource:  "iam.amazonaws.com",
		Version:      "2010-05-08",
		Namespace:    "https://iam.amazonaws.com/doc/2010-05-08/",
		ActionPrefix: "iam",
		Global:       true,
		Operations:   built,
		NotYet:       notYet,
	}
}

// allOperations are the operations of the SDK's model. A test compares them with it.
const allOperations = `
	AcceptDelegationRequest AcquireRole AddClientIDToOpenIDConnectProvider AddRoleToInstanceProfile
	AddUserToGroup AssociateDelegationRequest AttachGroupPolicy AttachRolePolicy AttachUserPolicy
	ChangePassword CreateAccessKey CreateAccountAlias CreateDelegationRequest CreateGroup
	CreateInstanceProfile CreateLoginProfile CreateOpenIDConnectProvider CreatePolicy
	CreatePolicyVersion CreateRole CreateSAMLProvider CreateServiceLinkedRole
	CreateServiceSpecificCredential CreateUser CreateVirtualMFADevice DeactivateMFADevice
	DeleteAccessKey DeleteAccountAlias DeleteAccountPasswordPolicy DeleteGroup DeleteGroupPolicy
	DeleteInstanceProfile DeleteLoginProfile DeleteOpenIDConnectProvider DeletePolicy
	DeletePolicyVersion DeleteRole DeleteRolePermissionsBoundary DeleteRolePolicy DeleteSAMLProvider
	DeleteSSHPublicKey DeleteServerCertificate DeleteServiceLinkedRole DeleteServiceSpecificCredential
	DeleteSigningCertificate DeleteUser DeleteUserPermissionsBoundary DeleteUserPolicy
	DeleteVirtualMFADevice DetachGroupPolicy DetachRolePolicy DetachUserPolicy
	DisableOrganizationsRootCredentialsManagement DisableOrganizationsRootSessions
	DisableOutboundWebIdentityFederation EnableMFADevice EnableOrganizationsRootCredentialsManagement
	EnableOrganizationsRootSessions EnableOutboundWebIdentityFederation GenerateCredentialReport
	GenerateOrganizationsAccessReport GenerateServiceLastAccessedDetails GetAccessKeyLastUsed
	GetAccountAuthorizationDetails GetAccountPasswordPolicy GetAccountProperties GetAccountSummary
	GetContextKeysForCustomPolicy GetContextKeysForPrincipalPolicy GetCredentialReport
	GetDelegationRequest GetGroup GetGroupPolicy GetHumanReadableSummary GetInstanceProfile
	GetLoginProfile GetMFADevice GetOpenIDConnectProvider GetOrganizationsAccessReport
	GetOutboundWebIdentityFederationInfo GetPolicy GetPolicyVersion GetRole GetRolePolicy
	GetRoleTemplateVersion GetSAMLProvider GetSSHPublicKey GetServerCertificate
	GetServiceLastAccessedDetails GetServiceLastAccessedDetailsWithEntities
	GetServiceLinkedRoleDeletionStatus GetUser GetUserPolicy ListAccessKeys ListAccountAliases
	ListAttachedGroupPolicies ListAttachedRolePolicies ListAttachedUserPolicies ListDelegationRequests
	ListEntitiesForPolicy ListGroupPolicies ListGroups ListGroupsForUser ListInstanceProfileTags
	ListInstanceProfiles ListInstanceProfilesForRole ListMFADeviceTags ListMFADevices
	ListOpenIDConnectProviderTags ListOpenIDConnectProviders ListOrganizationsFeatures ListPolicies
	ListPoliciesGrantingServiceAccess ListPolicyTags ListPolicyVersions ListRolePolicies ListRoleTags
	ListRoles ListSAMLProviderTags ListSAMLProviders ListSSHPublicKeys ListServerCertificateTags
	ListServerCertificates ListServiceSpecificCredentials ListSigningCertificates ListUserPolicies
	ListUserTags ListUsers ListVirtualMFADevices PutAccountProperties PutGroupPolicy
	PutRolePermissionsBoundary PutRolePolicy PutUserPermissionsBoundary PutUserPolicy
	RejectDelegationRequest RemoveClientIDFromOpenIDConnectProvider RemoveRoleFromInstanceProfile
	RemoveUserFromGroup ResetServiceSpecificCredential ResyncMFADevice SendDelegationToken
	SetDefaultPolicyVersion SetSecurityTokenServicePreferences SimulateCustomPolicy
	SimulatePrincipalPolicy TagInstanceProfile TagMFADevice TagOpenIDConnectProvider TagPolicy TagRole
	TagSAMLProvider TagServerCertificate TagUser UntagInstanceProfile UntagMFADevice
	UntagOpenIDConnectProvider UntagPolicy UntagRole UntagSAMLProvider UntagServerCertificate UntagUser
	UpdateAccessKey UpdateAccountPasswordPolicy UpdateAssumeRolePolicy UpdateDelegationRequest
	UpdateGroup UpdateLoginProfile UpdateOpenIDConnectProviderThumbprint UpdateRole
	UpdateRoleDescription UpdateSAMLProvider UpdateSSHPublicKey UpdateServerCertificate
	UpdateServiceSpecificCredential UpdateSigningCertificate UpdateUser UploadSSHPublicKey
	UploadServerCertificate UploadSigningCertificate
`
