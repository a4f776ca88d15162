package iam

import (
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/lanyard-iam/lanyard/service"
)

// Why operations are not offered. Each reason is also in docs/divergences.md.
const (
	needsOrganization  = "no account belongs to an organization"
	needsProviders     = "AWS has no product providers here who could ask"
	needsRoleTemplates = "role templates are AWS's own, and there are none here"
	needsRoleManager   = "the only property switches Role Manager on, and " + needsRoleTemplates
)

// accountOperations are the operations on the switches and properties of an account, and on delegation requests.
func (s *Service) accountOperations() []service.Operation {
	const read, write = service.Read, service.Write
	return []service.Operation{
		service.Op("EnableOutboundWebIdentityFederation", write, s.EnableOutboundWebIdentityFederation, onAccount[iam.EnableOutboundWebIdentityFederationInput]),
		service.Op("DisableOutboundWebIdentityFederation", write, s.DisableOutboundWebIdentityFederation, onAccount[iam.DisableOutboundWebIdentityFederationInput]),
		service.Op("GetOutboundWebIdentityFederationInfo", read, s.GetOutboundWebIdentityFederationInfo, onAccount[iam.GetOutboundWebIdentityFederationInfoInput]),
		service.Op("SetSecurityTokenServicePreferences", write, s.SetSecurityTokenServicePreferences, onAccount[iam.SetSecurityTokenServicePreferencesInput]),
		service.Op("GetAccountProperties", read, s.GetAccountProperties, mayGetAccountProperties, service.NotOffered[iam.GetAccountPropertiesInput](needsRoleManager)),
		service.Op("PutAccountProperties", write, s.PutAccountProperties, mayPutAccountProperties, service.NotOffered[iam.PutAccountPropertiesInput](needsRoleManager)),

		service.Op("ListOrganizationsFeatures", read, noOrganization[iam.ListOrganizationsFeaturesInput, iam.ListOrganizationsFeaturesOutput], onAccount[iam.ListOrganizationsFeaturesInput], service.NotOffered[iam.ListOrganizationsFeaturesInput](needsOrganization)),
		service.Op("EnableOrganizationsRootCredentialsManagement", write, noOrganization[iam.EnableOrganizationsRootCredentialsManagementInput, iam.EnableOrganizationsRootCredentialsManagementOutput], onAccount[iam.EnableOrganizationsRootCredentialsManagementInput], service.NotOffered[iam.EnableOrganizationsRootCredentialsManagementInput](needsOrganization)),
		service.Op("DisableOrganizationsRootCredentialsManagement", write, noOrganization[iam.DisableOrganizationsRootCredentialsManagementInput, iam.DisableOrganizationsRootCredentialsManagementOutput], onAccount[iam.DisableOrganizationsRootCredentialsManagementInput], service.NotOffered[iam.DisableOrganizationsRootCredentialsManagementInput](needsOrganization)),
		service.Op("EnableOrganizationsRootSessions", write, noOrganization[iam.EnableOrganizationsRootSessionsInput, iam.EnableOrganizationsRootSessionsOutput], onAccount[iam.EnableOrganizationsRootSessionsInput], service.NotOffered[iam.EnableOrganizationsRootSessionsInput](needsOrganization)),
		service.Op("DisableOrganizationsRootSessions", write, noOrganization[iam.DisableOrganizationsRootSessionsInput, iam.DisableOrganizationsRootSessionsOutput], onAccount[iam.DisableOrganizationsRootSessionsInput], service.NotOffered[iam.DisableOrganizationsRootSessionsInput](needsOrganization)),

		service.Op("AcquireRole", write, s.AcquireRole, onTemplate(func(in *iam.AcquireRoleInput) *string { return in.TemplateArn }), service.NotOffered[iam.AcquireRoleInput](needsRoleTemplates)),
		service.Op("GetRoleTemplateVersion", read, s.GetRoleTemplateVersion, onTemplate(func(in *iam.GetRoleTemplateVersionInput) *string { return in.TemplateArn }), service.NotOffered[iam.GetRoleTemplateVersionInput](needsRoleTemplates)),

		service.Op("CreateDelegationRequest", write, s.CreateDelegationRequest, mayCreateDelegationRequest, service.NotOffered[iam.CreateDelegationRequestInput](needsProviders)),
		service.Op("ListDelegationRequests", read, s.ListDelegationRequests, onAccount[iam.ListDelegationRequestsInput], service.NotOffered[iam.ListDelegationRequestsInput](needsProviders)),
		service.Op("GetDelegationRequest", read, s.GetDelegationRequest, onDelegation(func(in *iam.GetDelegationRequestInput) *string { return in.DelegationRequestId }), service.NotOffered[iam.GetDelegationRequestInput](needsProviders)),
		service.Op("GetHumanReadableSummary", read, s.GetHumanReadableSummary, mayGetHumanReadableSummary, service.NotOffered[iam.GetHumanReadableSummaryInput](needsProviders)),
		service.Op("AssociateDelegationRequest", write, s.AssociateDelegationRequest, onDelegation(func(in *iam.AssociateDelegationRequestInput) *string { return in.DelegationRequestId }), service.NotOffered[iam.AssociateDelegationRequestInput](needsProviders)),
		service.Op("UpdateDelegationRequest", write, s.UpdateDelegationRequest, onDelegation(func(in *iam.UpdateDelegationRequestInput) *string { return in.DelegationRequestId }), service.NotOffered[iam.UpdateDelegationRequestInput](needsProviders)),
		service.Op("AcceptDelegationRequest", write, s.AcceptDelegationRequest, onDelegation(func(in *iam.AcceptDelegationRequestInput) *string { return in.DelegationRequestId }), service.NotOffered[iam.AcceptDelegationRequestInput](needsProviders)),
		service.Op("RejectDelegationRequest", write, s.RejectDelegationRequest, onDelegation(func(in *iam.RejectDelegationRequestInput) *string { return in.DelegationRequestId }), service.NotOffered[iam.RejectDelegationRequestInput](needsProviders)),
		service.Op("SendDelegationToken", write, s.SendDelegationToken, onDelegation(func(in *iam.SendDelegationTokenInput) *string { return in.DelegationRequestId }), service.NotOffered[iam.SendDelegationTokenInput](needsProviders)),
	}
}
