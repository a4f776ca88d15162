package iam

import (
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
)

// policyOperations are the operations on roles and policies, and on the account as
// a whole.
func (s *Service) policyOperations() []service.Operation {
	const read, write = service.Read, service.Write
	const user, group, role = identity.TypeUser, identity.TypeGroup, identity.TypeRole
	return []service.Operation{
		service.Op("CreateRole", write, s.CreateRole, mayCreateRole, service.AlsoNeeds[iam.CreateRoleInput]("iam:TagRole")),
		service.Op("GetRole", read, s.GetRole, onRole(func(in *iam.GetRoleInput) *string { return in.RoleName })),
		service.Op("ListRoles", read, s.ListRoles, mayListRoles),
		service.Op("UpdateRole", write, s.UpdateRole, onRole(func(in *iam.UpdateRoleInput) *string { return in.RoleName })),
		service.Op("UpdateRoleDescription", write, s.UpdateRoleDescription, onRole(func(in *iam.UpdateRoleDescriptionInput) *string { return in.RoleName })),
		service.Op("UpdateAssumeRolePolicy", write, s.UpdateAssumeRolePolicy, onRole(func(in *iam.UpdateAssumeRolePolicyInput) *string { return in.RoleName })),
		service.Op("DeleteRole", write, s.DeleteRole, onRole(func(in *iam.DeleteRoleInput) *string { return in.RoleName })),
		service.Op("TagRole", write, s.TagRole, tagging(onRole(func(in *iam.TagRoleInput) *string { return in.RoleName }), func(in *iam.TagRoleInput) []types.Tag { return in.Tags })),
		service.Op("UntagRole", write, s.UntagRole, untagging(onRole(func(in *iam.UntagRoleInput) *string { return in.RoleName }), func(in *iam.UntagRoleInput) []string { return in.TagKeys })),
		service.Op("ListRoleTags", read, s.ListRoleTags, onRole(func(in *iam.ListRoleTagsInput) *string { return in.RoleName })),

		service.Op("CreatePolicy", write, s.CreatePolicy, mayCreatePolicy, service.AlsoNeeds[iam.CreatePolicyInput]("iam:TagPolicy")),
		service.Op("GetPolicy", read, s.GetPolicy, readsPolicy(s, func(in *iam.GetPolicyInput) *string { return in.PolicyArn })),
		service.Op("ListPolicies", read, s.ListPolicies, mayListPolicies),
		service.Op("DeletePolicy", write, s.DeletePolicy, onPolicy(s, func(in *iam.DeletePolicyInput) *string { return in.PolicyArn })),
		service.Op("CreatePolicyVersion", write, s.CreatePolicyVersion, onPolicy(s, func(in *iam.CreatePolicyVersionInput) *string { return in.PolicyArn })),
		service.Op("GetPolicyVersion", read, s.GetPolicyVersion, readsPolicy(s, func(in *iam.GetPolicyVersionInput) *string { return in.PolicyArn })),
		service.Op("ListPolicyVersions", read, s.ListPolicyVersions, readsPolicy(s, func(in *iam.ListPolicyVersionsInput) *string { return in.PolicyArn })),
		service.Op("SetDefaultPolicyVersion", write, s.SetDefaultPolicyVersion, onPolicy(s, func(in *iam.SetDefaultPolicyVersionInput) *string { return in.PolicyArn })),
		service.Op("DeletePolicyVersion", write, s.DeletePolicyVersion, onPolicy(s, func(in *iam.DeletePolicyVersionInput) *string { return in.PolicyArn })),
		service.Op("ListEntitiesForPolicy", read, s.ListEntitiesForPolicy, readsPolicy(s, func(in *iam.ListEntitiesForPolicyInput) *string { return in.PolicyArn })),
		service.Op("TagPolicy", write, s.TagPolicy, tagging(onPolicy(s, func(in *iam.TagPolicyInput) *string { return in.PolicyArn }), func(in *iam.TagPolicyInput) []types.Tag { return in.Tags })),
		service.Op("UntagPolicy", write, s.UntagPolicy, untagging(onPolicy(s, func(in *iam.UntagPolicyInput) *string { return in.PolicyArn }), func(in *iam.UntagPolicyInput) []string { return in.TagKeys })),
		service.Op("ListPolicyTags", read, s.ListPolicyTags, readsPolicy(s, func(in *iam.ListPolicyTagsInput) *string { return in.PolicyArn })),

		service.Op("AttachUserPolicy", write, s.AttachUserPolicy, attaches(user, func(in *iam.AttachUserPolicyInput) *string { return in.UserName }, func(in *iam.AttachUserPolicyInput) *string { return in.PolicyArn })),
		service.Op("AttachGroupPolicy", write, s.AttachGroupPolicy, attaches(group, func(in *iam.AttachGroupPolicyInput) *string { return in.GroupName }, func(in *iam.AttachGroupPolicyInput) *string { return in.PolicyArn })),
		service.Op("AttachRolePolicy", write, s.AttachRolePolicy, attaches(role, func(in *iam.AttachRolePolicyInput) *string { return in.RoleName }, func(in *iam.AttachRolePolicyInput) *string { return in.PolicyArn })),
		service.Op("DetachUserPolicy", write, s.DetachUserPolicy, attaches(user, func(in *iam.DetachUserPolicyInput) *string { return in.UserName }, func(in *iam.DetachUserPolicyInput) *string { return in.PolicyArn })),
		service.Op("DetachGroupPolicy", write, s.DetachGroupPolicy, attaches(group, func(in *iam.DetachGroupPolicyInput) *string { return in.GroupName }, func(in *iam.DetachGroupPolicyInput) *string { return in.PolicyArn })),
		service.Op("DetachRolePolicy", write, s.DetachRolePolicy, attaches(role, func(in *iam.DetachRolePolicyInput) *string { return in.RoleName }, func(in *iam.DetachRolePolicyInput) *string { return in.PolicyArn })),
		service.Op("ListAttachedUserPolicies", read, s.ListAttachedUserPolicies, onBearer(user, func(in *iam.ListAttachedUserPoliciesInput) *string { return in.UserName })),
		service.Op("ListAttachedGroupPolicies", read, s.ListAttachedGroupPolicies, onBearer(group, func(in *iam.ListAttachedGroupPoliciesInput) *string { return in.GroupName })),
		service.Op("ListAttachedRolePolicies", read, s.ListAttachedRolePolicies, onBearer(role, func(in *iam.ListAttachedRolePoliciesInput) *string { return in.RoleName })),

		service.Op("PutUserPolicy", write, s.PutUserPolicy, changes(user, func(in *iam.PutUserPolicyInput) *string { return in.UserName })),
		service.Op("PutGroupPolicy", write, s.PutGroupPolicy, changes(group, func(in *iam.PutGroupPolicyInput) *string { return in.GroupName })),
		service.Op("PutRolePolicy", write, s.PutRolePolicy, changes(role, func(in *iam.PutRolePolicyInput) *string { return in.RoleName })),
		service.Op("GetUserPolicy", read, s.GetUserPolicy, onBearer(user, func(in *iam.GetUserPolicyInput) *string { return in.UserName })),
		service.Op("GetGroupPolicy", read, s.GetGroupPolicy, onBearer(group, func(in *iam.GetGroupPolicyInput) *string { return in.GroupName })),
		service.Op("GetRolePolicy", read, s.GetRolePolicy, onBearer(role, func(in *iam.GetRolePolicyInput) *string { return in.RoleName })),
		service.Op("DeleteUserPolicy", write, s.DeleteUserPolicy, changes(user, func(in *iam.DeleteUserPolicyInput) *string { return in.UserName })),
		service.Op("DeleteGroupPolicy", write, s.DeleteGroupPolicy, changes(group, func(in *iam.DeleteGroupPolicyInput) *string { return in.GroupName })),
		service.Op("DeleteRolePolicy", write, s.DeleteRolePolicy, changes(role, func(in *iam.DeleteRolePolicyInput) *string { return in.RoleName })),
		service.Op("ListUserPolicies", read, s.ListUserPolicies, onBearer(user, func(in *iam.ListUserPoliciesInput) *string { return in.UserName })),
		service.Op("ListGroupPolicies", read, s.ListGroupPolicies, onBearer(group, func(in *iam.ListGroupPoliciesInput) *string { return in.GroupName })),
		service.Op("ListRolePolicies", read, s.ListRolePolicies, onBearer(role, func(in *iam.ListRolePoliciesInput) *string { return in.RoleName })),

		service.Op("PutUserPermissionsBoundary", write, s.PutUserPermissionsBoundary, bounds(user, func(in *iam.PutUserPermissionsBoundaryInput) *string { return in.UserName }, func(in *iam.PutUserPermissionsBoundaryInput) *string { return in.PermissionsBoundary })),
		service.Op("PutRolePermissionsBoundary", write, s.PutRolePermissionsBoundary, bounds(role, func(in *iam.PutRolePermissionsBoundaryInput) *string { return in.RoleName }, func(in *iam.PutRolePermissionsBoundaryInput) *string { return in.PermissionsBoundary })),
		service.Op("DeleteUserPermissionsBoundary", write, s.DeleteUserPermissionsBoundary, changes(user, func(in *iam.DeleteUserPermissionsBoundaryInput) *string { return in.UserName })),
		service.Op("DeleteRolePermissionsBoundary", write, s.DeleteRolePermissionsBoundary, changes(role, func(in *iam.DeleteRolePermissionsBoundaryInput) *string { return in.RoleName })),

		service.Op("CreateInstanceProfile", write, s.CreateInstanceProfile, mayCreateInstanceProfile, service.AlsoNeeds[iam.CreateInstanceProfileInput]("iam:TagInstanceProfile")),
		service.Op("GetInstanceProfile", read, s.GetInstanceProfile, onProfile(func(in *iam.GetInstanceProfileInput) *string { return in.InstanceProfileName })),
		service.Op("ListInstanceProfiles", read, s.ListInstanceProfiles, mayListInstanceProfiles),
		service.Op("ListInstanceProfilesForRole", read, s.ListInstanceProfilesForRole, onRole(func(in *iam.ListInstanceProfilesForRoleInput) *string { return in.RoleName })),
		service.Op("AddRoleToInstanceProfile", write, s.AddRoleToInstanceProfile, mayAddRole, service.AlsoNeeds[iam.AddRoleToInstanceProfileInput]("iam:PassRole")),
		service.Op("RemoveRoleFromInstanceProfile", write, s.RemoveRoleFromInstanceProfile, onProfile(func(in *iam.RemoveRoleFromInstanceProfileInput) *string { return in.InstanceProfileName })),
		service.Op("DeleteInstanceProfile", write, s.DeleteInstanceProfile, onProfile(func(in *iam.DeleteInstanceProfileInput) *string { return in.InstanceProfileName })),
		service.Op("TagInstanceProfile", write, s.TagInstanceProfile, tagging(onProfile(func(in *iam.TagInstanceProfileInput) *string { return in.InstanceProfileName }), func(in *iam.TagInstanceProfileInput) []types.Tag { return in.Tags })),
		service.Op("UntagInstanceProfile", write, s.UntagInstanceProfile, untagging(onProfile(func(in *iam.UntagInstanceProfileInput) *string { return in.InstanceProfileName }), func(in *iam.UntagInstanceProfileInput) []string { return in.TagKeys })),
		service.Op("ListInstanceProfileTags", read, s.ListInstanceProfileTags, onProfile(func(in *iam.ListInstanceProfileTagsInput) *string { return in.InstanceProfileName })),

		service.Op("GetAccountSummary", read, s.GetAccountSummary, onAccount[iam.GetAccountSummaryInput]),
		service.Op("GetAccountAuthorizationDetails", read, s.GetAccountAuthorizationDetails, onAccount[iam.GetAccountAuthorizationDetailsInput]),
	}
}
