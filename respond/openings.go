package respond

import (
	"strings"
)

// openings is what an operation of IAM makes or changes through which a thief may come
// back: what kind of thing, its name, and the command that shows it. {name} stands for a
// request parameter, {@name} for an element of the response. kind is empty for operations
// that open nothing.
func openings(operation string) (kind, name, look string) {
	const (
		user  = "{userName}"
		group = "{groupName}"
		role  = "{roleName}"
	)
	switch operation {
	case "CreateUser":
		return "user", user, "aws iam get-user --user-name " + user
	case "UpdateUser":
		return "user renamed", "{userName} to {newUserName}", "aws iam get-user --user-name {newUserName}"
	case "CreateAccessKey":
		return "access key", "{@accessKey.accessKeyId} of {@accessKey.userName}", "lanyard respond key {@accessKey.accessKeyId}"
	case "UpdateAccessKey":
		return "access key", "{accessKeyId} made {status}", "aws iam get-access-key-last-used --access-key-id {accessKeyId}"
	case "CreateLoginProfile", "UpdateLoginProfile":
		return "password of user", user, "aws iam get-login-profile --user-name " + user
	case "EnableMFADevice", "DeactivateMFADevice", "ResyncMFADevice":
		return "MFA device", "{serialNumber} of " + user, "aws iam list-mfa-devices --user-name " + user
	case "CreateVirtualMFADevice":
		return "MFA device", "{virtualMFADeviceName}", "aws iam list-virtual-mfa-devices"
	case "UploadSSHPublicKey", "UpdateSSHPublicKey":
		return "SSH public key of user", user, "aws iam list-ssh-public-keys --user-name " + user
	case "UploadSigningCertificate", "UpdateSigningCertificate":
		return "signing certificate of user", user, "aws iam list-signing-certificates --user-name " + user
	case "CreateServiceSpecificCredential", "UpdateServiceSpecificCredential", "ResetServiceSpecificCredential":
		return "service credential of user", user, "aws iam list-service-specific-credentials --user-name " + user
	case "CreateGroup":
		return "group", group, "aws iam get-group --group-name " + group
	case "AddUserToGroup", "RemoveUserFromGroup":
		return "membership", user + " in " + group, "aws iam list-groups-for-user --user-name " + user
	case "CreateRole", "UpdateRole":
		return "role", role, "aws iam get-role --role-name " + role
	case "UpdateAssumeRolePolicy":
		return "trust policy of role", role, "aws iam get-role --role-name " + role
	case "CreateServiceLinkedRole":
		return "role", "{@role.roleName}", "aws iam get-role --role-name {@role.roleName}"
	case "CreatePolicy":
		return "policy", "{@policy.arn}", "aws iam get-policy-version --policy-arn {@policy.arn} --version-id {@policy.defaultVersionId}"
	case "CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicyVersion":
		return "policy", "{policyArn}", "aws iam list-policy-versions --policy-arn {policyArn}"
	case "AttachUserPolicy", "DetachUserPolicy":
		return "policies of user", user + ": {policyArn}", "aws iam list-attached-user-policies --user-name " + user
	case "AttachGroupPolicy", "DetachGroupPolicy":
		return "policies of group", group + ": {policyArn}", "aws iam list-attached-group-policies --group-name " + group
	case "AttachRolePolicy", "DetachRolePolicy":
		return "policies of role", role + ": {policyArn}", "aws iam list-attached-role-policies --role-name " + role
	case "PutUserPolicy":
		return "policy of user", user + ": {policyName}", "aws iam get-user-policy --user-name " + user + " --policy-name {policyName}"
	case "PutGroupPolicy":
		return "policy of group", group + ": {policyName}", "aws iam get-group-policy --group-name " + group + " --policy-name {policyName}"
	case "PutRolePolicy":
		return "policy of role", role + ": {policyName}", "aws iam get-role-policy --role-name " + role + " --policy-name {policyName}"
	case "DeleteUserPolicy":
		return "policy of user, deleted", user + ": {policyName}", "aws iam list-user-policies --user-name " + user
	case "DeleteGroupPolicy":
		return "policy of group, deleted", group + ": {policyName}", "aws iam list-group-policies --group-name " + group
	case "DeleteRolePolicy":
		return "policy of role, deleted", role + ": {policyName}", "aws iam list-role-policies --role-name " + role
	case "PutUserPermissionsBoundary", "DeleteUserPermissionsBoundary":
		return "boundary of user", user, "aws iam get-user --user-name " + user
	case "PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary":
		return "boundary of role", role, "aws iam get-role --role-name " + role
	case "CreateInstanceProfile", "AddRoleToInstanceProfile":
		return "instance profile", "{instanceProfileName}", "aws iam get-instance-profile --instance-profile-name {instanceProfileName}"
	case "CreateOpenIDConnectProvider":
		return "identity provider", "{@openIDConnectProviderArn}", "aws iam get-open-id-connect-provider --open-id-connect-provider-arn {@openIDConnectProviderArn}"
	case "AddClientIDToOpenIDConnectProvider", "UpdateOpenIDConnectProviderThumbprint":
		return "identity provider", "{openIDConnectProviderArn}", "aws iam get-open-id-connect-provider --open-id-connect-provider-arn {openIDConnectProviderArn}"
	case "CreateSAMLProvider":
		return "identity provider", "{@sAMLProviderArn}", "aws iam get-saml-provider --saml-provider-arn {@sAMLProviderArn}"
	case "UpdateSAMLProvider":
		return "identity provider", "{sAMLProviderArn}", "aws iam get-saml-provider --saml-provider-arn {sAMLProviderArn}"
	case "UploadServerCertificate":
		return "server certificate", "{serverCertificateName}", "aws iam get-server-certificate --server-certificate-name {serverCertificateName}"
	case "UpdateAccountPasswordPolicy", "DeleteAccountPasswordPolicy":
		return "password policy", "of the account", "aws iam get-account-password-policy"
	}
	return "", "", ""
}

// fill puts what a record says into a template, each as one word of a shell if the text
// is a command.
func (r *record) fill(template string, command bool) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(template, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		value := r.text(name)
		if value == "" && strings.HasSuffix(name, "serName") {
			value = r.caller() // who leaves the user out means themself
		}
		if command {
			value = quote(value)
		}
		b.WriteString(value)
		template = after
	}
}

// text is a member of the request, or with @ of the response, by its path; empty if it
// is not there.
func (r *record) text(path string) string {
	at := any(r.Request)
	if p, ok := strings.CutPrefix(path, "@"); ok {
		at, path = any(r.Response), p
	}
	for name := range strings.SplitSeq(path, ".") {
		m, _ := at.(map[string]any)
		at = m[name]
	}
	s, _ := at.(string)
	return s
}

// caller is the name of the user who called.
func (r *record) caller() string {
	if _, rest, ok := strings.Cut(r.UserIdentity.ARN, ":user/"); ok {
		return rest[strings.LastIndexByte(rest, '/')+1:]
	}
	return ""
}
