package wire_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/server"
	"github.com/lanyard-iam/lanyard/service"
	own "github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/service/signin"
)

// device is an MFA device and what was used of it.
type device struct {
	w      *world
	serial string
	seed   []byte
	last   int64
}

// step is the time step of the server's clock, which only a development server
// lets anyone move; another one has the machine's.
func (w *world) step() int64 {
	if w.settable {
		return mfa.StepAt(w.lanyard.Now())
	}
	return mfa.StepAt(w.now())
}

// newDevice makes a device that nobody uses.
func (w *world) newDevice() *device {
	w.t.Helper()
	r := w.ok(w.iam(w.admin, "CreateVirtualMFADevice", "VirtualMFADeviceName", w.name("device")))
	text, err := base64.StdEncoding.DecodeString(r.field("Base32StringSeed"))
	if err != nil {
		w.t.Fatal(err)
	}
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(string(text), "="))
	if err != nil {
		w.t.Fatal(err)
	}
	return &device{w: w, serial: r.field("SerialNumber"), seed: seed}
}

// enable gives the device to a user.
func (d *device) enable(user string) *device {
	d.w.t.Helper()
	one, two := d.pair()
	d.w.ok(d.w.iam(d.w.admin, "EnableMFADevice", "UserName", user, "SerialNumber", d.serial, "AuthenticationCode1", one, "AuthenticationCode2", two))
	return d
}

// pair are two consecutive codes that were not used.
func (d *device) pair() (one, two string) {
	d.last = max(d.last+2, d.w.step())
	return mfa.Code(d.seed, d.last-1), mfa.Code(d.seed, d.last)
}

// code is a code that was not used, at a time when it is good.
func (d *device) code() string {
	d.last = max(d.last+1, d.w.step())
	if d.last > d.w.step()+1 {
		d.w.lanyard.Advance(30 * time.Second)
	}
	return mfa.Code(d.seed, d.last)
}

// wrong is a code that is good at no step near.
func (d *device) wrong() string {
	now := d.w.step()
	for n := range 1_000_000 {
		code := fmt.Sprintf("%06d", n)
		good := false
		for step := now - 300; step <= now+300; step++ {
			good = good || mfa.Code(d.seed, step) == code
		}
		if !good {
			return code
		}
	}
	panic("every code is good")
}

// sample makes parameters with which an operation succeeds, and the entities
// that they name. They are made by the administrator, for one request.
type sample func(w *world, caller string) []string

// Samples of one parameter.
func onNew(parameter, kind string, more ...string) sample {
	return func(w *world, _ string) []string { return append([]string{parameter, w.name(kind)}, more...) }
}

func onUser(more ...string) sample {
	return func(w *world, _ string) []string { return append([]string{"UserName", w.user(allow("a:b"))}, more...) }
}

func onGroup(more ...string) sample {
	return func(w *world, _ string) []string {
		return append([]string{"GroupName", w.group(allow("a:b"))}, more...)
	}
}

func onRole(more ...string) sample {
	return func(w *world, _ string) []string { return append([]string{"RoleName", w.role(allow("a:b"))}, more...) }
}

func onPolicy(more ...string) sample {
	return func(w *world, _ string) []string {
		return append([]string{"PolicyArn", w.policy(allow("a:b"))}, more...)
	}
}

// onEntity names a user by its ARN.
func onEntity(parameter string, more ...string) sample {
	return func(w *world, _ string) []string {
		return append([]string{parameter, "arn:aws:iam::" + string(ours) + ":user/" + w.user(allow("a:b"))}, more...)
	}
}

func onProfile(more ...string) sample {
	return func(w *world, _ string) []string {
		name := w.name("profile")
		w.ok(w.iam(w.admin, "CreateInstanceProfile", "InstanceProfileName", name))
		return append([]string{"InstanceProfileName", name}, more...)
	}
}

func onDevice(more ...string) sample {
	return func(w *world, _ string) []string {
		return append([]string{"SerialNumber", w.newDevice().serial}, more...)
	}
}

func nothing(*world, string) []string { return nil }

// job begins a report of the administrator's.
func job(more ...string) sample {
	return func(w *world, _ string) []string {
		policy := w.policy(allow("a:b"))
		r := w.ok(w.iam(w.admin, "GenerateServiceLastAccessedDetails", "Arn", policy))
		return append([]string{"JobId", r.field("JobId")}, more...)
	}
}

// attached attaches a policy to an entity first.
func attached(operation string, of sample) sample {
	return func(w *world, caller string) []string {
		parameters := append(of(w, caller), "PolicyArn", readOnly)
		w.ok(w.iam(w.admin, operation, parameters...))
		return parameters
	}
}

const (
	readOnly = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
	password = "correct-Horse-7-battery"
)

// tag are the parameters of one tag, and untag that of its key.
var (
	tag   = []string{"Tags.member.1.Key", "team", "Tags.member.1.Value", "red"}
	untag = []string{"TagKeys.member.1", "team"}
)

// samples are all operations that the server offers. An operation that is new
// fails TestT420 until it is here.
var samples = map[string]sample{
	"iam:CreateUser":    onNew("UserName", "made"),
	"iam:GetUser":       onUser(),
	"iam:ListUsers":     nothing,
	"iam:UpdateUser":    onUser("NewPath", "/x/"),
	"iam:DeleteUser":    func(w *world, _ string) []string { return []string{"UserName", w.user()} },
	"iam:TagUser":       onUser(tag...),
	"iam:UntagUser":     onUser(untag...),
	"iam:ListUserTags":  onUser(),
	"iam:CreateGroup":   onNew("GroupName", "made"),
	"iam:GetGroup":      onGroup(),
	"iam:ListGroups":    nothing,
	"iam:UpdateGroup":   onGroup("NewPath", "/x/"),
	"iam:DeleteGroup":   func(w *world, _ string) []string { return []string{"GroupName", w.group()} },
	"iam:PutUserPolicy": onUser("PolicyName", "p", "PolicyDocument", allow("a:b")),
	"iam:AddUserToGroup": func(w *world, _ string) []string {
		return []string{"GroupName", w.group(), "UserName", w.user()}
	},
	"iam:RemoveUserFromGroup": func(w *world, _ string) []string {
		p := []string{"GroupName", w.group(), "UserName", w.user()}
		w.ok(w.iam(w.admin, "AddUserToGroup", p...))
		return p
	},
	"iam:ListGroupsForUser": onUser(),

	"iam:CreateAccessKey": onUser(),
	"iam:ListAccessKeys":  onUser(),
	"iam:UpdateAccessKey": func(w *world, _ string) []string {
		user := w.user()
		return []string{"UserName", user, "AccessKeyId", w.key(user).id, "Status", "Inactive"}
	},
	"iam:DeleteAccessKey": func(w *world, _ string) []string {
		user := w.user()
		return []string{"UserName", user, "AccessKeyId", w.key(user).id}
	},
	"iam:GetAccessKeyLastUsed": func(w *world, _ string) []string { return []string{"AccessKeyId", w.key(w.user()).id} },

	"iam:CreateLoginProfile": onUser("Password", password),
	"iam:GetLoginProfile":    onLogin(),
	"iam:UpdateLoginProfile": onLogin("PasswordResetRequired", "true"),
	"iam:DeleteLoginProfile": onLogin(),
	"iam:ChangePassword": func(w *world, caller string) []string {
		if caller != "" { // again and again the same first password
			w.iam(w.admin, "DeleteLoginProfile", "UserName", caller)
			w.ok(w.iam(w.admin, "CreateLoginProfile", "UserName", caller, "Password", password))
		}
		return []string{"OldPassword", password, "NewPassword", password + "!"}
	},
	"iam:UpdateAccountPasswordPolicy": nothing,
	"iam:GetAccountPasswordPolicy":    withPasswordPolicy,
	"iam:DeleteAccountPasswordPolicy": withPasswordPolicy,
	"iam:CreateAccountAlias":          onNew("AccountAlias", "made"),
	"iam:ListAccountAliases":          nothing,
	"iam:DeleteAccountAlias": func(w *world, _ string) []string {
		p := []string{"AccountAlias", w.name("alias")}
		w.ok(w.iam(w.admin, "CreateAccountAlias", p...))
		return p
	},

	"iam:CreateVirtualMFADevice": onNew("VirtualMFADeviceName", "made"),
	"iam:EnableMFADevice": func(w *world, _ string) []string {
		d := w.newDevice()
		one, two := d.pair()
		return []string{"UserName", w.user(), "SerialNumber", d.serial, "AuthenticationCode1", one, "AuthenticationCode2", two}
	},
	"iam:DeactivateMFADevice": onWorn(),
	"iam:ResyncMFADevice": func(w *world, _ string) []string {
		user := w.user()
		d := w.newDevice().enable(user)
		one, two := d.pair()
		return []string{"UserName", user, "SerialNumber", d.serial, "AuthenticationCode1", one, "AuthenticationCode2", two}
	},
	"iam:GetMFADevice":           onWorn(),
	"iam:ListMFADevices":         onUser(),
	"iam:ListVirtualMFADevices":  nothing,
	"iam:DeleteVirtualMFADevice": onDevice(),
	"iam:TagMFADevice":           onDevice(tag...),
	"iam:UntagMFADevice":         onDevice(untag...),
	"iam:ListMFADeviceTags":      onDevice(),

	"iam:CreateOpenIDConnectProvider": func(w *world, _ string) []string {
		return []string{"Url", "https://" + w.name("idp"), "ThumbprintList.member.1", strings.Repeat("a0", 20)}
	},
	"iam:GetOpenIDConnectProvider":                onOIDC(),
	"iam:ListOpenIDConnectProviders":              nothing,
	"iam:AddClientIDToOpenIDConnectProvider":      onOIDC("ClientID", "app"),
	"iam:RemoveClientIDFromOpenIDConnectProvider": onOIDC("ClientID", "app"),
	"iam:UpdateOpenIDConnectProviderThumbprint":   onOIDC("ThumbprintList.member.1", strings.Repeat("b1", 20)),
	"iam:DeleteOpenIDConnectProvider":             onOIDC(),
	"iam:TagOpenIDConnectProvider":                onOIDC(tag...),
	"iam:UntagOpenIDConnectProvider":              onOIDC(untag...),
	"iam:ListOpenIDConnectProviderTags":           onOIDC(),
	"iam:CreateSAMLProvider":                      onNew("Name", "made", "SAMLMetadataDocument", samlMetadata()),
	"iam:GetSAMLProvider":                         onSAML(),
	"iam:ListSAMLProviders":                       nothing,
	"iam:UpdateSAMLProvider":                      onSAML("AssertionEncryptionMode", "Allowed"),
	"iam:DeleteSAMLProvider":                      onSAML(),
	"iam:TagSAMLProvider":                         onSAML(tag...),
	"iam:UntagSAMLProvider":                       onSAML(untag...),
	"iam:ListSAMLProviderTags":                    onSAML(),

	"iam:CreateRole":             onNew("RoleName", "made", "AssumeRolePolicyDocument", trusting(string(ours))),
	"iam:GetRole":                onRole(),
	"iam:ListRoles":              nothing,
	"iam:UpdateRole":             onRole("Description", "x"),
	"iam:UpdateRoleDescription":  onRole("Description", "x"),
	"iam:UpdateAssumeRolePolicy": onRole("PolicyDocument", trusting(string(theirs))),
	"iam:DeleteRole":             func(w *world, _ string) []string { return []string{"RoleName", w.role()} },
	"iam:TagRole":                onRole(tag...),
	"iam:UntagRole":              onRole(untag...),
	"iam:ListRoleTags":           onRole(),

	"iam:CreateServiceLinkedRole": onNew("CustomSuffix", "made", "AWSServiceName", "autoscaling.amazonaws.com"),
	"iam:DeleteServiceLinkedRole": onLinkedRole,
	"iam:GetServiceLinkedRoleDeletionStatus": func(w *world, caller string) []string {
		deleted := w.ok(w.iam(w.admin, "DeleteServiceLinkedRole", onLinkedRole(w, caller)...))
		return []string{"DeletionTaskId", deleted.field("DeletionTaskId")}
	},

	"iam:CreatePolicy":        onNew("PolicyName", "made", "PolicyDocument", allow("a:b")),
	"iam:GetPolicy":           onPolicy(),
	"iam:ListPolicies":        func(*world, string) []string { return []string{"Scope", "Local"} },
	"iam:DeletePolicy":        onPolicy(),
	"iam:CreatePolicyVersion": onPolicy("PolicyDocument", allow("a:c")),
	"iam:GetPolicyVersion":    onPolicy("VersionId", "v1"),
	"iam:ListPolicyVersions":  onPolicy(),
	"iam:SetDefaultPolicyVersion": func(w *world, caller string) []string {
		return append(secondVersion(w), "VersionId", "v2")
	},
	"iam:DeletePolicyVersion": func(w *world, caller string) []string {
		return append(secondVersion(w), "VersionId", "v2")
	},
	"iam:ListEntitiesForPolicy": onPolicy(),
	"iam:TagPolicy":             onPolicy(tag...),
	"iam:UntagPolicy":           onPolicy(untag...),
	"iam:ListPolicyTags":        onPolicy(),

	"iam:AttachUserPolicy":          onUser("PolicyArn", readOnly),
	"iam:AttachGroupPolicy":         onGroup("PolicyArn", readOnly),
	"iam:AttachRolePolicy":          onRole("PolicyArn", readOnly),
	"iam:DetachUserPolicy":          attached("AttachUserPolicy", onUser()),
	"iam:DetachGroupPolicy":         attached("AttachGroupPolicy", onGroup()),
	"iam:DetachRolePolicy":          attached("AttachRolePolicy", onRole()),
	"iam:ListAttachedUserPolicies":  onUser(),
	"iam:ListAttachedGroupPolicies": onGroup(),
	"iam:ListAttachedRolePolicies":  onRole(),
	"iam:PutGroupPolicy":            onGroup("PolicyName", "p", "PolicyDocument", allow("a:b")),
	"iam:PutRolePolicy":             onRole("PolicyName", "p", "PolicyDocument", allow("a:b")),
	"iam:GetUserPolicy":             onUser("PolicyName", "p0"),
	"iam:GetGroupPolicy":            onGroup("PolicyName", "p0"),
	"iam:GetRolePolicy":             onRole("PolicyName", "p0"),
	"iam:DeleteUserPolicy":          onUser("PolicyName", "p0"),
	"iam:DeleteGroupPolicy":         onGroup("PolicyName", "p0"),
	"iam:DeleteRolePolicy":          onRole("PolicyName", "p0"),
	"iam:ListUserPolicies":          onUser(),
	"iam:ListGroupPolicies":         onGroup(),
	"iam:ListRolePolicies":          onRole(),

	"iam:PutUserPermissionsBoundary":    onUser("PermissionsBoundary", readOnly),
	"iam:PutRolePermissionsBoundary":    onRole("PermissionsBoundary", readOnly),
	"iam:DeleteUserPermissionsBoundary": onBounded("PutUserPermissionsBoundary", onUser()),
	"iam:DeleteRolePermissionsBoundary": onBounded("PutRolePermissionsBoundary", onRole()),

	"iam:CreateInstanceProfile":       onNew("InstanceProfileName", "made"),
	"iam:GetInstanceProfile":          onProfile(),
	"iam:ListInstanceProfiles":        nothing,
	"iam:ListInstanceProfilesForRole": onRole(),
	"iam:AddRoleToInstanceProfile": func(w *world, caller string) []string {
		return append(onProfile()(w, caller), "RoleName", w.role())
	},
	"iam:RemoveRoleFromInstanceProfile": func(w *world, caller string) []string {
		p := append(onProfile()(w, caller), "RoleName", w.role())
		w.ok(w.iam(w.admin, "AddRoleToInstanceProfile", p...))
		return p
	},
	"iam:DeleteInstanceProfile":    onProfile(),
	"iam:TagInstanceProfile":       onProfile(tag...),
	"iam:UntagInstanceProfile":     onProfile(untag...),
	"iam:ListInstanceProfileTags":  onProfile(),
	"iam:GetAccountSummary":        nothing,
	"iam:GenerateCredentialReport": nothing,
	"iam:GenerateServiceLastAccessedDetails": func(w *world, _ string) []string {
		return []string{"Arn", w.policy(allow("a:b"))}
	},
	"iam:GenerateOrganizationsAccessReport": func(*world, string) []string {
		return []string{"EntityPath", "o-a1b2c3d4e5/r-f6g7h8i9j0example"}
	},
	"iam:GetOrganizationsAccessReport": func(*world, string) []string {
		return []string{"JobId", "00000000-0000-0000-0000-000000000000"}
	},
	"iam:GetServiceLastAccessedDetails":             job(),
	"iam:GetServiceLastAccessedDetailsWithEntities": job("ServiceNamespace", "s3"),
	"iam:GetCredentialReport": func(w *world, _ string) []string {
		w.ok(w.iam(w.admin, "GenerateCredentialReport"))
		return nil
	},
	"iam:GetAccountAuthorizationDetails": nothing,

	"iam:UploadServerCertificate":   onNewServerCertificate,
	"iam:GetServerCertificate":      onServerCertificate(),
	"iam:ListServerCertificates":    nothing,
	"iam:UpdateServerCertificate":   onServerCertificate("NewPath", "/x/"),
	"iam:DeleteServerCertificate":   onServerCertificate(),
	"iam:TagServerCertificate":      onServerCertificate(tag...),
	"iam:UntagServerCertificate":    onServerCertificate(untag...),
	"iam:ListServerCertificateTags": onServerCertificate(),

	"iam:UploadSigningCertificate": onNewSigningCertificate,
	"iam:ListSigningCertificates":  onUser(),
	"iam:UpdateSigningCertificate": onSigningCertificate("Status", "Inactive"),
	"iam:DeleteSigningCertificate": onSigningCertificate(),
	"iam:UploadSSHPublicKey":       onNewSSHKey,
	"iam:GetSSHPublicKey":          onSSHKey("Encoding", "PEM"),
	"iam:ListSSHPublicKeys":        onUser(),
	"iam:UpdateSSHPublicKey":       onSSHKey("Status", "Inactive"),
	"iam:DeleteSSHPublicKey":       onSSHKey(),

	"iam:CreateServiceSpecificCredential": onUser("ServiceName", codecommit),
	"iam:ListServiceSpecificCredentials":  onUser(),
	"iam:UpdateServiceSpecificCredential": onServiceCredential("Status", "Inactive"),
	"iam:ResetServiceSpecificCredential":  onServiceCredential(),
	"iam:DeleteServiceSpecificCredential": onServiceCredential(),
	"iam:SimulateCustomPolicy": func(*world, string) []string {
		return []string{"PolicyInputList.member.1", allow("a:b"), "ActionNames.member.1", "a:b"}
	},
	"iam:SimulatePrincipalPolicy":           onEntity("PolicySourceArn", "ActionNames.member.1", "a:b"),
	"iam:GetContextKeysForCustomPolicy":     func(*world, string) []string { return []string{"PolicyInputList.member.1", allow("a:b")} },
	"iam:GetContextKeysForPrincipalPolicy":  onEntity("PolicySourceArn"),
	"iam:ListPoliciesGrantingServiceAccess": onEntity("Arn", "ServiceNamespaces.member.1", "s3"),

	"iam:EnableOutboundWebIdentityFederation": func(w *world, _ string) []string {
		w.iam(w.admin, "DisableOutboundWebIdentityFederation")
		return nil
	},
	"iam:DisableOutboundWebIdentityFederation": withOutbound,
	"iam:GetOutboundWebIdentityFederationInfo": withOutbound,
	"iam:SetSecurityTokenServicePreferences":   func(*world, string) []string { return []string{"GlobalEndpointTokenVersion", "v1Token"} },
	"iam:GetAccountProperties":                 nothing,
	"iam:PutAccountProperties": func(*world, string) []string {
		return []string{"Properties.entry.1.key", "RoleManager/Enabled", "Properties.entry.1.value", "false"}
	},
	"iam:ListOrganizationsFeatures":                     nothing,
	"iam:EnableOrganizationsRootCredentialsManagement":  nothing,
	"iam:DisableOrganizationsRootCredentialsManagement": nothing,
	"iam:EnableOrganizationsRootSessions":               nothing,
	"iam:DisableOrganizationsRootSessions":              nothing,
	"iam:AcquireRole":                                   onTemplate,
	"iam:GetRoleTemplateVersion":                        onTemplate,
	"iam:CreateDelegationRequest": func(*world, string) []string {
		return []string{"Description", "x", "Permissions.PolicyTemplateArn", "arn:aws:iam:::delegation-template/x", "RequestorWorkflowId", "workflow", "NotificationChannel", "arn:aws:sns:us-east-1:111122223333:x", "SessionDuration", "900"}
	},
	"iam:ListDelegationRequests":     nothing,
	"iam:GetDelegationRequest":       onDelegation,
	"iam:AssociateDelegationRequest": onDelegation,
	"iam:UpdateDelegationRequest":    onDelegation,
	"iam:AcceptDelegationRequest":    onDelegation,
	"iam:RejectDelegationRequest":    onDelegation,
	"iam:SendDelegationToken":        onDelegation,
	"iam:GetHumanReadableSummary": func(*world, string) []string {
		return []string{"EntityArn", "arn:aws:iam::" + string(ours) + ":delegation-request/dr-0123456789abcdef"}
	},

	"sts:AssumeRoot": func(*world, string) []string {
		return []string{"TargetPrincipal", string(theirs), "TaskPolicyArn.arn", "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"}
	},
	"sts:AssumeRole": func(w *world, _ string) []string {
		return []string{"RoleArn", roleARN(w.role()), "RoleSessionName", "wire"}
	},
	"sts:DecodeAuthorizationMessage": func(w *world, _ string) []string {
		_, nobody := w.caller()
		return []string{"EncodedMessage", w.iam(nobody, "ListUsers").header.Get("X-Lanyard-Authorization-Message")}
	},
	"sts:GetAccessKeyInfo":   func(w *world, _ string) []string { return []string{"AccessKeyId", w.key(w.user()).id} },
	"sts:GetCallerIdentity":  nothing,
	"sts:GetFederationToken": func(*world, string) []string { return []string{"Name", "wire"} },
	"sts:GetSessionToken":    nothing,

	"cloudtrail:LookupEvents": nothing,

	"lanyard:DescribeAccessKey": func(w *world, _ string) []string { return []string{"AccessKeyId", w.key(w.user()).id} },
	"lanyard:ListKeyCalls":      func(w *world, _ string) []string { return []string{"AccessKeyId", w.key(w.user()).id} },
	"lanyard:RevokeSessions":    func(w *world, _ string) []string { return []string{"AccessKeyId", w.key(w.user()).id} },
	"lanyard:GetDecision": func(w *world, _ string) []string {
		_, nobody := w.caller()
		return []string{"RequestId", w.iam(nobody, "ListUsers").header.Get("X-Amzn-Requestid")}
	},
	"lanyard:GetFreshCredentialReport": nothing,
	"lanyard:ListCredentialReports":    nothing,
	"lanyard:GetCredentialReport":      func(w *world, _ string) []string { return []string{"Id", w.credentialReport()} },
	"lanyard:CompareCredentialReports": func(w *world, _ string) []string {
		id := w.credentialReport()
		return []string{"From", id, "To", id}
	},
	"lanyard:ListCredentials":  func(*world, string) []string { return []string{"MFADevices", "json:true"} },
	"lanyard:ListSuppressions": nothing,
	"lanyard:PutSuppression": func(w *world, _ string) []string {
		return []string{"FindingId", "ROOT-01", "Arn", "arn:aws:iam::" + w.lanyard.Account + ":root", "Reason", "soon", "Until", fmt.Sprintf("json:%d", w.now().Add(time.Hour).Unix())}
	},
	"lanyard:DeleteSuppression": func(w *world, _ string) []string {
		finding := []string{"FindingId", "ROOT-02", "Arn", "arn:aws:iam::" + w.lanyard.Account + ":root"}
		w.ok(w.own(w.admin, "PutSuppression", append(finding, "Reason", "soon", "Until", fmt.Sprintf("json:%d", w.now().Add(time.Hour).Unix()))...))
		return finding
	},
	"lanyard:FindEntities":          func(*world, string) []string { return []string{"Type", "User", "Query", "a"} },
	"lanyard:ListDenials":           nothing,
	"lanyard:GetPolicyTests":        onPolicy(),
	"lanyard:PutPolicyTests":        onPolicy("Tests", policyTests),
	"lanyard:DeletePolicyTests":     onPolicy(),
	"lanyard:RunPolicyTests":        onPolicy("Tests", policyTests),
	"lanyard:ListBrowserSessions":   nothing,
	"lanyard:EndBrowserSession":     func(*world, string) []string { return []string{"Id", "0123456789abcdef"} },
	"lanyard:EndAllBrowserSessions": nothing,
	"lanyard:GetOwnSignIn":          nothing,
	"lanyard:BeginSecurityKey":      nothing,
	"lanyard:EnableSecurityKey":     func(*world, string) []string { return []string{"Name", "key", "Ceremony", "none", "Response", "{}"} },
	"lanyard:EnableHardwareToken": func(*world, string) []string {
		return []string{"SerialNumber", "GAHT12345678", "Seed", "none", "AuthenticationCode1", "123456", "AuthenticationCode2", "654321"}
	},
	"lanyard:ChangeRootPassword": func(*world, string) []string {
		return []string{"OldPassword", "none", "NewPassword", password}
	},
	"lanyard:GetRecoveryCodes":    nothing,
	"lanyard:CreateRecoveryCodes": nothing,
	"lanyard:CreateRecoveryLink":  onLogin(),
	"lanyard:GetSignInRules":      nothing,
	"lanyard:PutSignInRules":      nothing,

	"lanyard:GetSecurityNotifications": nothing,
	"lanyard:PutSecurityNotifications": func(*world, string) []string {
		return []string{"WebhookUrl", "https://hooks.invalid/lanyard", "MailRoot", "json:true"}
	},
	"lanyard:SendTestNotification": func(w *world, _ string) []string {
		receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		w.t.Cleanup(receiver.Close)
		w.ok(w.own(w.admin, "PutSecurityNotifications", "WebhookUrl", receiver.URL))
		w.lanyard.Advance(10 * time.Second) // from one test to the next
		return nil
	},
	"lanyard:DescribeServer": nothing, "lanyard:CreateSupportBundle": nothing,

	"lanyard:GetState":    func(*world, string) []string { return []string{"Name", "plan/none"} },
	"lanyard:ListStates":  nothing,
	"lanyard:PutState":    func(*world, string) []string { return []string{"Name", "plan/a", "Value", "{}"} },
	"lanyard:DeleteState": func(*world, string) []string { return []string{"Name", "plan/a"} },
}

func onLogin(more ...string) sample {
	return func(w *world, _ string) []string {
		user := w.user()
		w.ok(w.iam(w.admin, "CreateLoginProfile", "UserName", user, "Password", password))
		return append([]string{"UserName", user}, more...)
	}
}

func onLinkedRole(w *world, _ string) []string {
	made := w.ok(w.iam(w.admin, "CreateServiceLinkedRole", "CustomSuffix", w.name("linked"), "AWSServiceName", "autoscaling.amazonaws.com"))
	return []string{"RoleName", made.field("RoleName")}
}

func onWorn() sample {
	return func(w *world, _ string) []string {
		user := w.user()
		return []string{"UserName", user, "SerialNumber", w.newDevice().enable(user).serial}
	}
}

func onOIDC(more ...string) sample {
	return func(w *world, _ string) []string {
		r := w.ok(w.iam(w.admin, "CreateOpenIDConnectProvider", "Url", "https://"+w.name("idp")))
		return append([]string{"OpenIDConnectProviderArn", r.field("OpenIDConnectProviderArn")}, more...)
	}
}

func onSAML(more ...string) sample {
	return func(w *world, _ string) []string {
		r := w.ok(w.iam(w.admin, "CreateSAMLProvider", "Name", w.name("idp"), "SAMLMetadataDocument", samlMetadata()))
		return append([]string{"SAMLProviderArn", r.field("SAMLProviderArn")}, more...)
	}
}

// samlMetadata is metadata of an identity provider with a certificate made for it.
var samlMetadata = sync.OnceValue(func() string {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"}, NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		panic(err)
	}
	return `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com">` +
		`<IDPSSODescriptor><KeyDescriptor><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` + base64.StdEncoding.EncodeToString(der) +
		`</X509Certificate></X509Data></KeyInfo></KeyDescriptor></IDPSSODescriptor><!--` + strings.Repeat("-\n", 300) + `x--></EntityDescriptor>`
})

func onBounded(operation string, of sample) sample {
	return func(w *world, caller string) []string {
		p := of(w, caller)
		w.ok(w.iam(w.admin, operation, append(p, "PermissionsBoundary", readOnly)...))
		return p
	}
}

func withPasswordPolicy(w *world, _ string) []string {
	w.ok(w.iam(w.admin, "UpdateAccountPasswordPolicy"))
	return nil
}

func withOutbound(w *world, _ string) []string {
	w.iam(w.admin, "EnableOutboundWebIdentityFederation") // it may be enabled
	return nil
}

func onTemplate(*world, string) []string {
	return []string{"TemplateArn", "arn:aws:iam::aws:role-template/Reader"}
}

func onDelegation(*world, string) []string {
	return []string{"DelegationRequestId", "dr-0123456789abcdef"}
}

func secondVersion(w *world) []string {
	p := onPolicy()(w, "")
	w.ok(w.iam(w.admin, "CreatePolicyVersion", append(p, "PolicyDocument", allow("a:c"))...))
	return p
}

// policyTests are the tests of a policy in JSON.
const policyTests = `json:[{"Action":"a:b","Expected":"allowed","Context":[{"Key":"aws:SourceIp","Values":["192.0.2.1"]}]}]`

// open are the operations that need no permission: AWS lets every caller with
// credentials use them. Nothing else may be without a question to the policies.
var open = []string{
	"sts:GetCallerIdentity", "sts:GetSessionToken",
	"lanyard:GetState", "lanyard:ListStates", "lanyard:PutState", "lanyard:DeleteState",
	"lanyard:ListBrowserSessions", "lanyard:EndBrowserSession", "lanyard:EndAllBrowserSessions",
	"lanyard:GetOwnSignIn", "lanyard:GetRecoveryCodes", "lanyard:CreateRecoveryCodes",
}

// missing are operations whose sample cannot succeed: there are no FIDO keys, and what
// is not offered is not there.
var missing = map[string]string{
	"iam:GetMFADevice": "NoSuchEntity",

	"iam:ListOrganizationsFeatures":                     "OrganizationNotFoundException",
	"iam:EnableOrganizationsRootCredentialsManagement":  "OrganizationNotFoundException",
	"iam:DisableOrganizationsRootCredentialsManagement": "OrganizationNotFoundException",
	"iam:EnableOrganizationsRootSessions":               "OrganizationNotFoundException",
	"iam:DisableOrganizationsRootSessions":              "OrganizationNotFoundException",
	"iam:AcquireRole":                                   "NoSuchEntity",
	"iam:GetRoleTemplateVersion":                        "NoSuchEntity",
	"iam:CreateDelegationRequest":                       "AccessDenied",
	"iam:GetDelegationRequest":                          "NoSuchEntity",
	"iam:AssociateDelegationRequest":                    "NoSuchEntity",
	"iam:UpdateDelegationRequest":                       "NoSuchEntity",
	"iam:AcceptDelegationRequest":                       "NoSuchEntity",
	"iam:RejectDelegationRequest":                       "NoSuchEntity",
	"iam:SendDelegationToken":                           "NoSuchEntity",
	"iam:GetHumanReadableSummary":                       "NoSuchEntity",
	"sts:AssumeRoot":                                    "AccessDenied",
	"lanyard:GetState":                                  "ResourceNotFoundException",
	"lanyard:EndBrowserSession":                         "ResourceNotFoundException",
	"lanyard:BeginSecurityKey":                          "ValidationException",
	"lanyard:EnableSecurityKey":                         "ValidationException",
	"lanyard:EnableHardwareToken":                       "InvalidSeedException",
	"lanyard:ChangeRootPassword":                        "ValidationException",
	"lanyard:CreateRecoveryCodes":                       "RecentFactorRequiredException",
	// A report is nobody's but of whom it was made for.
	"iam:GetServiceLastAccessedDetails":             "NoSuchEntity",
	"iam:GetOrganizationsAccessReport":              "NoSuchEntity",
	"iam:GenerateOrganizationsAccessReport":         "OrganizationNotFoundException",
	"iam:GetServiceLastAccessedDetailsWithEntities": "NoSuchEntity",
}

// call performs an operation of any service with query parameters.
func (w *world) call(by credentials, operation string, parameters ...string) *reply {
	w.t.Helper()
	prefix, name, _ := strings.Cut(operation, ":")
	switch prefix {
	case "iam":
		return w.iam(by, name, parameters...)
	case "sts":
		return w.sts(by, name, parameters...)
	case own.SigningName:
		return w.own(by, name, parameters...)
	}
	return w.lookup(by, "{}")
}

func operations(t *testing.T) (names []string, of map[string]service.Operation) {
	t.Helper()
	sets, err := server.Operations()
	if err != nil {
		t.Fatal(err)
	}
	of = make(map[string]service.Operation)
	for _, set := range sets {
		if set.SigningName == signin.SigningName {
			continue // who asks there signs in another way: see signin_test.go
		}
		for _, op := range set.Operations {
			name := set.SigningName + ":" + op.Name
			names, of[name] = append(names, name), op
		}
	}
	return names, of
}

// T413: no operation is performed for someone without credentials, or with a
// wrong secret (T510). What is public is three paths that tell nothing.
func TestT413_RoutesWithoutCredentials(t *testing.T) {
	w, _ := newDurableWorld(t, nil)
	names, _ := operations(t)
	_, wrong := w.caller(allow("*"))
	wrong.secret = "guess"
	for _, name := range names {
		prefix, operation, _ := strings.Cut(name, ":")
		var m *message
		status, code, wrongCode := http.StatusForbidden, "MissingAuthenticationToken", mismatch
		switch prefix {
		case "iam":
			m = w.form(versionIAM, operation)
		case "sts":
			m = w.form(versionSTS, operation)
		case own.SigningName:
			m = w.ownMessage(operation, "{}")
			status, code, wrongCode = http.StatusBadRequest, "MissingAuthenticationTokenException", "InvalidSignatureException"
		default:
			m = w.json(operation, "{}")
			status, code, wrongCode = http.StatusBadRequest, "MissingAuthenticationTokenException", "InvalidSignatureException"
		}
		if r := w.send(m); r.status != status || r.code() != code {
			t.Errorf("T413: %s without credentials: %d %s", name, r.status, r.body)
		}
		w.refused(w.call(wrong, name), wrongCode)
	}
	public := []string{"/livez", "/readyz", "/version"}
	for _, method := range []string{"GET", "POST"} {
		for _, path := range []string{
			"/livez", "/readyz", "/version", "/", "/livez/", "/livez/x", "//livez", "/LIVEZ", "/metrics", "/debug/pprof/", "/debug/vars", "/_lanyard/clock", "/_lanyard/reset",
			"/status", "/credentials", "/why", "/health", "/admin", "/init", "/restore", "/latest/meta-data/", "/%6civez", "/config", "/env",
		} {
			m := &message{method: method, target: path, version: "HTTP/1.1", lines: []string{"Host: " + w.address, "Content-Length: 0"}}
			r := w.send(m)
			if want := slices.Contains(public, path); want != (r.status == http.StatusOK) {
				t.Errorf("T413: %s %s without credentials: %d %s", method, path, r.status, r.body)
			}
			if to := r.header.Get("Location"); strings.HasPrefix(to, "http://localhost:") || strings.HasPrefix(to, "/signin") {
				continue // a page of the console, which asks to sign in
			}
			if r.status != http.StatusOK && (r.status < 400 || r.status >= 500) {
				t.Errorf("T413: %s %s: %d", method, path, r.status)
			}
		}
	}
	// Headers that proxies and probes send change nothing.
	if r := w.send(&message{method: "GET", target: "/livez", version: "HTTP/1.1", lines: []string{"Host: " + w.address, "User-Agent: kube-probe/1.30", "X-Original-URL: /credentials"}}); r.body != "ok\n" {
		t.Errorf("T413: /livez: %q", r.body)
	}
}

// kind is a sort of caller: how it gets permissions, and what it may never call.
type kind struct {
	name string
	// credentials are those of a caller with one policy, empty for none.
	credentials func(w *world, policy string) credentials
	user        string // the IAM user, if the caller is one
	// never tells the code of operations that the kind cannot call at all.
	never func(operation string) string
	// all is set for root, whom no policy limits.
	all bool
}

func never(code string, operations ...string) func(string) string {
	return func(operation string) string {
		if slices.Contains(operations, operation) {
			return code
		}
		return ""
	}
}

// kinds makes a caller of each sort.
func kinds(w *world) []kind {
	set := func(name, document string) {
		w.t.Helper()
		if document == "" {
			document = allow("nothing:Nothing")
		}
		w.ok(w.iam(w.admin, "PutUserPolicy", "UserName", name, "PolicyName", "only", "PolicyDocument", document))
	}
	user, key := w.caller()
	plain, plainKey := w.caller()
	session := w.ok(w.sts(plainKey, "GetSessionToken")).credentials()
	strong, strongKey := w.caller()
	d := w.newDevice().enable(strong)
	strongSession := w.ok(w.sts(strongKey, "GetSessionToken", "SerialNumber", d.serial, "TokenCode", d.code())).credentials()
	role := w.role()
	roleSession := w.assume(role)
	issuer, issuerKey := w.caller()

	// What sessions of a user may call of STS.
	ofSTS := func(operation string) string {
		if strings.HasPrefix(operation, "sts:") && operation != "sts:AssumeRole" && operation != "sts:GetCallerIdentity" {
			return "AccessDenied"
		}
		return ""
	}
	return []kind{
		{name: "root", credentials: func(*world, string) credentials { return w.root }, all: true, never: func(op string) string {
			switch op {
			case "sts:AssumeRole", "sts:AssumeRoot", "sts:GetSessionToken", "sts:GetFederationToken":
				return "AccessDenied"
			case "iam:ChangePassword":
				return "InvalidUserType"
			}
			return ""
		}},
		{name: "user", user: user, credentials: func(w *world, p string) credentials { set(user, p); return key }, never: never("")},
		{name: "session without MFA", user: plain, credentials: func(w *world, p string) credentials { set(plain, p); return session }, never: func(op string) string {
			if strings.HasPrefix(op, "iam:") {
				return badKey
			}
			return ofSTS(op)
		}},
		{name: "session with MFA", user: strong, credentials: func(w *world, p string) credentials { set(strong, p); return strongSession }, never: ofSTS},
		{name: "role", credentials: func(w *world, p string) credentials {
			if p == "" {
				p = allow("nothing:Nothing")
			}
			w.ok(w.iam(w.admin, "PutRolePolicy", "RoleName", role, "PolicyName", "only", "PolicyDocument", p))
			return roleSession
		}, never: func(op string) string {
			switch op {
			case "sts:GetSessionToken", "sts:GetFederationToken":
				return "AccessDenied"
			case "iam:ChangePassword":
				return "InvalidUserType"
			}
			return ""
		}},
		{name: "federated user", credentials: func(w *world, p string) credentials {
			if p == "" {
				p = allow("nothing:Nothing")
			}
			w.ok(w.iam(w.admin, "PutUserPolicy", "UserName", issuer, "PolicyName", "only", "PolicyDocument", allow("*")))
			return w.ok(w.sts(issuerKey, "GetFederationToken", "Name", "wire", "Policy", p)).credentials()
		}, never: func(op string) string {
			switch {
			case strings.HasPrefix(op, "iam:"):
				return badKey
			case op == "sts:GetCallerIdentity" || !strings.HasPrefix(op, "sts:"):
				return ""
			}
			return "AccessDenied"
		}},
	}
}

// T420: every operation × every kind of caller × what its policies say. A caller
// without permission is denied, by the name of the operation's own action; one
// with this permission alone is let through; an explicit deny beats everything.
func TestT420_EveryOperation(t *testing.T) {
	t.Parallel()
	names, of := operations(t)
	for name := range samples {
		if _, ok := of[name]; !ok {
			t.Errorf("T420: %s has a sample and is not offered", name)
		}
	}
	w := newWorld(t)
	callers := kinds(w)
	for _, name := range names {
		op := of[name]
		sample := samples[name]
		if sample == nil {
			t.Errorf("T420: %s is new: add it to the samples", name)
			continue
		}
		if isOpen := slices.Contains(open, name); isOpen != (op.Checks == nil) {
			t.Errorf("T420: %s asks the policies: %v; it is on the list of open operations: %v", name, op.Checks != nil, isOpen)
		}
		// More actions than the operation's own may be asked for.
		prefix, _, _ := strings.Cut(name, ":")
		action := op.MainAction(prefix)
		actions := append([]string{action}, op.Actions...)
		for _, k := range callers {
			what := name + " by " + k.name
			parameters := sample(w, k.user)
			if code := k.never(name); code != "" {
				if r := w.refused(w.call(k.credentials(w, allow("*")), name, parameters...), code); r.status == http.StatusOK {
					t.Errorf("T420: %s succeeds, whom AWS never lets call it", what)
				}
				continue
			}
			if !k.all && op.Checks != nil {
				w.denied(what, action, w.call(k.credentials(w, ""), name, parameters...))
				both := document(map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}, map[string]any{"Effect": "Deny", "Action": action, "Resource": "*"})
				w.denied(what+" against a deny", action, w.call(k.credentials(w, both), name, parameters...))
			}
			r := w.call(k.credentials(w, allow(actions...)), name, parameters...)
			if code := missing[name]; r.status != http.StatusOK && (code == "" || r.code() != code) {
				t.Errorf("T420: %s with the permission: %d %s", what, r.status, r.body)
			}
			if rec := w.record(r); rec == nil || rec.ErrorCode != strings.Replace(r.code(), "NoSuchEntity", "NoSuchEntityException", 1) {
				t.Errorf("T420: %s is not on record as answered", what)
			}
		}
	}
}

// denied insists on AWS's denial of an action.
func (w *world) denied(what, action string, r *reply) {
	w.t.Helper()
	code := "AccessDenied"
	if strings.Contains(r.code(), "Exception") { // as JSON services spell it
		code += "Exception"
	}
	if r.code() != code || !strings.Contains(r.message(), "is not authorized to perform: "+action+" on resource: ") {
		w.t.Errorf("%s: %d %s, want a denial of %s", what, r.status, r.body, action)
		return
	}
	if rec := w.record(r); rec == nil || rec.ErrorCode != code {
		w.t.Errorf("%s: the denial is not on record", what)
	}
}

// credentialReport is the id of a report that is kept.
func (w *world) credentialReport() string {
	w.ok(w.iam(w.admin, "GenerateCredentialReport"))
	var out struct{ Reports []struct{ Id string } }
	if err := json.Unmarshal([]byte(w.ok(w.own(w.admin, "ListCredentialReports")).body), &out); err != nil || len(out.Reports) == 0 {
		w.t.Fatalf("%v, %d reports", err, len(out.Reports))
	}
	return out.Reports[0].Id
}
