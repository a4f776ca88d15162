package audit

import "strings"

// This file is what the trail never says, and what LookupEvents finds by: two
// tables over the members of AWS's inputs and outputs, by the names of the models.

// secret tells whether a member is left out wherever it appears. It is dropped and
// not masked, as AWS does: a mask would tell that there was something, and how long.
//
// AWS records sessionToken; we do not, since with an access key id and a derived
// secret in other hands it is all that a session is.
func secret(member string) bool {
	switch member {
	case "Password", "OldPassword", "NewPassword",
		"SecretAccessKey", "SessionToken",
		"PrivateKey", "AddPrivateKey",
		"ServicePassword", "ServiceCredentialSecret",
		"RecoveryCodes", "RecoveryLink",
		"Base32StringSeed", "QRCodePNG",
		"AuthenticationCode1", "AuthenticationCode2", "TokenCode",
		"AccessToken", "RefreshToken", "IdToken", "CodeVerifier", "SigninToken", "Cookie",
		"SAMLAssertion", "WebIdentityToken", "TradeInToken", "ContextAssertion":
		return true
	}
	return false
}

// misplaced tells whether a text that is no secret by its name is one all the same:
// people who upload certificates and SSH keys mistake the file of the private key
// for that of the public one.
func misplaced(text string) bool { return strings.Contains(text, "PRIVATE KEY-----") }

// hidden is what AWS records in the place of such texts.
const hidden = "HIDDEN_DUE_TO_SECURITY_REASONS"

// unrecorded tells whether AWS records neither requestParameters nor
// responseElements of an operation at all, not even when it fails.
func unrecorded(operation string) bool { return operation == "ChangePassword" }

// referenceType is the type of the resource that a member names, or empty. structure
// is the name of the Go type that has the member.
//
// AWS publishes no such table; this one gives what recorded events show: the names
// in the request, and name, unique id and ARN of what the response describes.
func referenceType(structure, member string) string {
	switch structure {
	case "User", "Group", "Role", "Policy", "InstanceProfile":
		if member == "Arn" || member == structure+"Id" {
			return "AWS::IAM::" + structure
		}
	case "ServerCertificateMetadata":
		if member == "Arn" || member == "ServerCertificateId" {
			return "AWS::IAM::ServerCertificate"
		}
	case "AssumedRoleUser":
		return "AWS::STS::AssumedRole"
	case "FederatedUser":
		return "AWS::STS::FederatedUser"
	case "GetFederationTokenInput":
		if member == "Name" {
			return "AWS::STS::FederatedUser"
		}
	}
	switch member {
	case "UserName", "NewUserName":
		return "AWS::IAM::User"
	case "GroupName", "NewGroupName":
		return "AWS::IAM::Group"
	case "RoleName", "RoleArn":
		return "AWS::IAM::Role"
	case "PolicyName", "PolicyArn":
		return "AWS::IAM::Policy"
	case "InstanceProfileName":
		return "AWS::IAM::InstanceProfile"
	case "AccessKeyId":
		return "AWS::IAM::AccessKey"
	case "SerialNumber", "VirtualMFADeviceName":
		return "AWS::IAM::MfaDevice"
	case "AccountAlias":
		return "AWS::IAM::AccountAlias"
	case "RoleSessionName":
		return "AWS::STS::AssumedRole"
	case "OpenIDConnectProviderArn":
		return "AWS::IAM::OpenIDConnectProvider"
	case "SAMLProviderArn":
		return "AWS::IAM::SamlProvider"
	case "ServerCertificateName", "NewServerCertificateName":
		return "AWS::IAM::ServerCertificate"
	case "CertificateId":
		return "AWS::IAM::SigningCertificate"
	case "SSHPublicKeyId":
		return "AWS::IAM::SshPublicKey"
	}
	return ""
}

// recordedName is a member's name in a record: AWS lowers the first letter and no
// other, so that SAMLAssertionID becomes sAMLAssertionID.
func recordedName(member string) string {
	return strings.ToLower(member[:1]) + member[1:]
}
