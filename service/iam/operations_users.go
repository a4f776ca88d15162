package iam

import (
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/lanyard-iam/lanyard/service"
)

// userOperations are the operations on people and their credentials.
func (s *Service) userOperations() []service.Operation {
	const read, write = service.Read, service.Write
	return []service.Operation{
		service.Op("CreateUser", write, s.CreateUser, mayCreateUser, service.AlsoNeeds[iam.CreateUserInput]("iam:TagUser")),
		service.Op("GetUser", read, s.GetUser, onUser(func(in *iam.GetUserInput) *string { return in.UserName })),
		service.Op("ListUsers", read, s.ListUsers, mayListUsers),
		service.Op("UpdateUser", write, s.UpdateUser, mayUpdateUser),
		service.Op("DeleteUser", write, s.DeleteUser, onUser(func(in *iam.DeleteUserInput) *string { return in.UserName })),
		service.Op("TagUser", write, s.TagUser, mayTagUser),
		service.Op("UntagUser", write, s.UntagUser, mayUntagUser),
		service.Op("ListUserTags", read, s.ListUserTags, onUser(func(in *iam.ListUserTagsInput) *string { return in.UserName })),

		service.Op("CreateGroup", write, s.CreateGroup, mayCreateGroup),
		service.Op("GetGroup", read, s.GetGroup, onGroup(func(in *iam.GetGroupInput) *string { return in.GroupName })),
		service.Op("ListGroups", read, s.ListGroups, mayListGroups),
		service.Op("UpdateGroup", write, s.UpdateGroup, mayUpdateGroup),
		service.Op("DeleteGroup", write, s.DeleteGroup, onGroup(func(in *iam.DeleteGroupInput) *string { return in.GroupName })),
		service.Op("AddUserToGroup", write, s.AddUserToGroup, onGroup(func(in *iam.AddUserToGroupInput) *string { return in.GroupName })),
		service.Op("RemoveUserFromGroup", write, s.RemoveUserFromGroup, onGroup(func(in *iam.RemoveUserFromGroupInput) *string { return in.GroupName })),
		service.Op("ListGroupsForUser", read, s.ListGroupsForUser, onUser(func(in *iam.ListGroupsForUserInput) *string { return in.UserName })),

		service.Op("CreateAccessKey", write, s.CreateAccessKey, onKeyOwner(func(in *iam.CreateAccessKeyInput) *string { return in.UserName })),
		service.Op("ListAccessKeys", read, s.ListAccessKeys, onKeyOwner(func(in *iam.ListAccessKeysInput) *string { return in.UserName })),
		service.Op("UpdateAccessKey", write, s.UpdateAccessKey, onKeyOwner(func(in *iam.UpdateAccessKeyInput) *string { return in.UserName })),
		service.Op("DeleteAccessKey", write, s.DeleteAccessKey, onKeyOwner(func(in *iam.DeleteAccessKeyInput) *string { return in.UserName })),
		service.Op("GetAccessKeyLastUsed", read, s.GetAccessKeyLastUsed, mayGetAccessKeyLastUsed),

		service.Op("CreateLoginProfile", write, s.CreateLoginProfile, onPasswordOwner(func(in *iam.CreateLoginProfileInput) *string { return in.UserName }), service.Before(s.prepareCreateLoginProfile)),
		service.Op("GetLoginProfile", read, s.GetLoginProfile, onPasswordOwner(func(in *iam.GetLoginProfileInput) *string { return in.UserName })),
		service.Op("UpdateLoginProfile", write, s.UpdateLoginProfile, onUser(func(in *iam.UpdateLoginProfileInput) *string { return in.UserName }), service.Before(s.prepareUpdateLoginProfile)),
		service.Op("DeleteLoginProfile", write, s.DeleteLoginProfile, onPasswordOwner(func(in *iam.DeleteLoginProfileInput) *string { return in.UserName })),
		service.Op("ChangePassword", write, s.ChangePassword, s.mayChangePassword, service.Before(s.prepareChangePassword)),

		service.Op("UpdateAccountPasswordPolicy", write, s.UpdateAccountPasswordPolicy, onAccount[iam.UpdateAccountPasswordPolicyInput]),
		service.Op("GetAccountPasswordPolicy", read, s.GetAccountPasswordPolicy, s.mayGetAccountPasswordPolicy),
		service.Op("DeleteAccountPasswordPolicy", write, s.DeleteAccountPasswordPolicy, onAccount[iam.DeleteAccountPasswordPolicyInput]),

		service.Op("CreateAccountAlias", write, s.CreateAccountAlias, onAccount[iam.CreateAccountAliasInput]),
		service.Op("ListAccountAliases", read, s.ListAccountAliases, onAccount[iam.ListAccountAliasesInput]),
		service.Op("DeleteAccountAlias", write, s.DeleteAccountAlias, onAccount[iam.DeleteAccountAliasInput]),

		service.Op("CreateVirtualMFADevice", write, s.CreateVirtualMFADevice, mayCreateVirtualMFADevice, service.Before(prepareVirtualMFADevice), service.AlsoNeeds[iam.CreateVirtualMFADeviceInput]("iam:TagMFADevice")),
		service.Op("EnableMFADevice", write, s.EnableMFADevice, onWearer(func(in *iam.EnableMFADeviceInput) *string { return in.UserName })),
		service.Op("DeactivateMFADevice", write, s.DeactivateMFADevice, onWearer(func(in *iam.DeactivateMFADeviceInput) *string { return in.UserName })),
		service.Op("ResyncMFADevice", write, s.ResyncMFADevice, onWearer(func(in *iam.ResyncMFADeviceInput) *string { return in.UserName })),
		service.Op("GetMFADevice", read, s.GetMFADevice, onWearer(func(in *iam.GetMFADeviceInput) *string { return in.UserName })),
		service.Op("ListMFADevices", read, s.ListMFADevices, onWearer(func(in *iam.ListMFADevicesInput) *string { return in.UserName })),
		service.Op("ListVirtualMFADevices", read, s.ListVirtualMFADevices, mayListVirtualMFADevices),
		service.Op("DeleteVirtualMFADevice", write, s.DeleteVirtualMFADevice, onDevice(func(in *iam.DeleteVirtualMFADeviceInput) *string { return in.SerialNumber })),
		service.Op("TagMFADevice", write, s.TagMFADevice, mayTagMFADevice),
		service.Op("UntagMFADevice", write, s.UntagMFADevice, mayUntagMFADevice),
		service.Op("ListMFADeviceTags", read, s.ListMFADeviceTags, onDevice(func(in *iam.ListMFADeviceTagsInput) *string { return in.SerialNumber })),
	}
}
