// Package lanyard is our own service: what AWS's console can do and AWS's API cannot.
//
// The console is a client like any other, so all that it needs is an operation that is
// authorized and recorded like the others. What AWS has an operation for is never here.
// Where AWS has an action for something, that action is asked for and not one of our own: to
// see why a request was denied takes sts:DecodeAuthorizationMessage, whose message holds the
// same facts. Else AWS's PowerUserAccess, which allows all but iam:* and account:*, would be
// a way around. What a person may always do with what is theirs asks for nothing.
//
// The protocol is awsJson 1.1, the inputs and outputs are the types of this package, and
// [Client] calls it. It is an interface between parts of one release, not a contract.
package lanyard

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/internal/password"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/notify"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/session"
)

// SigningName is the service in the credential scope, Target the prefix of X-Amz-Target.
const (
	SigningName = "lanyard"
	Target      = "Lanyard_20261127"
)

// Config is what the operations work with. All fields but Keys must
// be set.
type Config struct {
	Trail    *audit.Trail
	Sessions *session.Codec
	// ConsoleURL is the public address of the console, empty if there is none.
	ConsoleURL func() string
	// Keys runs the ceremonies of security keys; nil, or one that returns nil, where
	// browsers offer none. DevicesPerPerson is the quota of MFA devices.
	Keys             func() *authn.WebAuthn
	DevicesPerPerson int
	// Ring seals the seeds of hardware tokens, of which an account has at most
	// TokensPerAccount. Passwords hashes root's.
	Ring             *keyring.Ring
	TokensPerAccount int
	Passwords        *password.Hasher
	// Authz has the policies by which tests are judged.
	Authz *authz.Authorizer
	// Outbox is what tells people of security events.
	Outbox *notify.Outbox
	// Managed are AWS's policies, which FindEntities looks through.
	Managed *awsmanaged.Catalogue
	// CredentialReport writes a piece of the account's credential report: the heading and
	// the users behind a cursor ("" is from root on), limit at most. It returns the cursor
	// of the next piece, or "".
	CredentialReport func(c *service.Call, w io.Writer, after string, limit int) (string, error)
	// Describe tells how the server runs, and SupportBundle collects, in a zip, what helps to
	// find out what is wrong with it.
	Describe      func(context.Context) (*DescribeServerOutput, error)
	SupportBundle func(context.Context) ([]byte, error)
}

// Service is the service. It is safe for concurrent use.
type Service struct {
	config    Config
	mfa       *authn.MFA
	comparing chan struct{} // holds a place for each comparison of reports
}

// New returns the service.
func New(c Config) *Service {
	return &Service{config: c, mfa: &authn.MFA{Ring: c.Ring}, comparing: make(chan struct{}, 2)}
}

// Operations is the service as the pipeline sees it.
func (s *Service) Operations() service.Set {
	return service.Set{
		SigningName:    SigningName,
		EventSource:    "lanyard.internal",
		ActionPrefix:   "lanyard",
		Version:        "2026-11-27",
		TargetPrefixes: []string{Target},
		Operations: []service.Operation{
			service.Op("DescribeAccessKey", service.Read, s.DescribeAccessKey, mayDescribeAccessKey,
				service.AsksFor[DescribeAccessKeyInput]("iam:ListAccessKeys")),
			service.Op("ListKeyCalls", service.Read, s.ListKeyCalls, account,
				service.AsksFor[ListKeyCallsInput]("cloudtrail:LookupEvents"),
				service.Before(syncTrail[ListKeyCallsInput](s))),
			service.Op("RevokeSessions", service.Write, s.RevokeSessions, mayRevokeSessions,
				service.AsksFor[RevokeSessionsInput]("iam:UpdateAccessKey"),
				service.AlsoNeeds[RevokeSessionsInput]("iam:PutRolePolicy", "iam:PutUserPolicy")),
			service.Op("GetDecision", service.Read, s.GetDecision, account,
				service.AsksFor[GetDecisionInput]("sts:DecodeAuthorizationMessage"),
				service.Before(syncTrail[GetDecisionInput](s))),
			service.Op("ListDenials", service.Read, s.ListDenials, account,
				service.AsksFor[ListDenialsInput]("cloudtrail:LookupEvents"),
				service.Before(syncTrail[ListDenialsInput](s))),
			service.Op("FindEntities", service.Read, s.FindEntities, mayFindEntities,
				service.AsksFor[FindEntitiesInput]("iam:ListUsers"),
				service.AlsoNeeds[FindEntitiesInput]("iam:ListGroups", "iam:ListRoles", "iam:ListPolicies")),
			service.Op("GetFreshCredentialReport", service.Read, s.GetFreshCredentialReport, account,
				service.AsksFor[GetFreshCredentialReportInput]("iam:GetCredentialReport")),
			service.Op("ListCredentialReports", service.Read, s.ListCredentialReports, account,
				service.AsksFor[ListCredentialReportsInput]("iam:GetCredentialReport")),
			service.Op("GetCredentialReport", service.Read, s.GetCredentialReport, account,
				service.AsksFor[GetCredentialReportInput]("iam:GetCredentialReport")),
			service.Op("CompareCredentialReports", service.Read, s.CompareCredentialReports, account,
				service.AsksFor[CompareCredentialReportsInput]("iam:GetCredentialReport")),
			service.Op("ListCredentials", service.Read, s.ListCredentials, mayListCredentials,
				service.AsksFor[ListCredentialsInput]("iam:ListAccessKeys"),
				service.AlsoNeeds[ListCredentialsInput]("iam:ListMFADevices")),
			service.Op("ListSuppressions", service.Read, s.ListSuppressions, account),
			service.Op("PutSuppression", service.Write, s.PutSuppression, account),
			service.Op("DeleteSuppression", service.Write, s.DeleteSuppression, account),
			service.Op("GetPolicyTests", service.Read, s.GetPolicyTests, onTested(func(in *GetPolicyTestsInput) *string { return in.PolicyArn })),
			service.Op("PutPolicyTests", service.Write, s.PutPolicyTests, onTested(func(in *PutPolicyTestsInput) *string { return in.PolicyArn })),
			service.Op("DeletePolicyTests", service.Write, s.DeletePolicyTests, onTested(func(in *DeletePolicyTestsInput) *string { return in.PolicyArn })),
			service.Op("RunPolicyTests", service.Read, s.RunPolicyTests, mayRunPolicyTests,
				service.AlsoNeeds[RunPolicyTestsInput]("iam:GetPolicyVersion", "iam:SimulateCustomPolicy", "iam:SimulatePrincipalPolicy", "lanyard:GetPolicyTests")),
			service.Op("ListBrowserSessions", service.Read, s.ListBrowserSessions, nil),
			service.Op("EndBrowserSession", service.Write, s.EndBrowserSession, nil),
			service.Op("EndAllBrowserSessions", service.Write, s.EndAllBrowserSessions, nil),
			service.Op("GetOwnSignIn", service.Read, s.GetOwnSignIn, nil),
			service.Op("BeginSecurityKey", service.Read, s.BeginSecurityKey, onSelf,
				service.AsksFor[BeginSecurityKeyInput]("iam:EnableMFADevice")),
			service.Op("EnableSecurityKey", service.Write, s.EnableSecurityKey, onOwnDevices,
				service.AsksFor[EnableSecurityKeyInput]("iam:EnableMFADevice")),
			service.Op("EnableHardwareToken", service.Write, s.EnableHardwareToken, mayEnableHardwareToken,
				service.AsksFor[EnableHardwareTokenInput]("iam:EnableMFADevice"),
				service.AlsoNeeds[EnableHardwareTokenInput]("iam:CreateVirtualMFADevice"),
				service.RecordedWith(hardwareTokenRecord)),
			service.Op("ChangeRootPassword", service.Write, s.ChangeRootPassword, onRoot,
				service.Before(s.prepareRootPassword)),
			service.Op("GetRecoveryCodes", service.Read, s.GetRecoveryCodes, nil),
			service.Op("CreateRecoveryCodes", service.Write, s.CreateRecoveryCodes, nil),
			service.Op("CreateRecoveryLink", service.Write, s.CreateRecoveryLink, onUser,
				service.AsksFor[CreateRecoveryLinkInput]("iam:DeactivateMFADevice")),
			service.Op("GetSignInRules", service.Read, s.GetSignInRules, account),
			service.Op("PutSignInRules", service.Write, s.PutSignInRules, account,
				service.AsksFor[PutSignInRulesInput]("iam:UpdateAccountPasswordPolicy")),
			// To see them takes no less than to change them: the URL of a webhook is a secret.
			service.Op("GetSecurityNotifications", service.Read, s.GetSecurityNotifications, onSecurityContact[GetSecurityNotificationsInput],
				service.AsksFor[GetSecurityNotificationsInput]("account:PutAlternateContact")),
			service.Op("PutSecurityNotifications", service.Write, s.PutSecurityNotifications, onSecurityContact[PutSecurityNotificationsInput],
				service.AsksFor[PutSecurityNotificationsInput]("account:PutAlternateContact")),
			service.Op("SendTestNotification", service.Write, s.SendTestNotification, onSecurityContact[SendTestNotificationInput],
				service.AsksFor[SendTestNotificationInput]("account:PutAlternateContact"),
				service.Before(s.sendTest)),
			service.Op("DescribeServer", service.Read, s.DescribeServer, account),
			service.Op("CreateSupportBundle", service.Write, s.CreateSupportBundle, account,
				service.Before(s.collectSupport)),
			service.Op("GetState", service.Read, s.GetState, nil),
			service.Op("ListStates", service.Read, s.ListStates, nil),
			service.Op("PutState", service.Write, s.PutState, nil),
			service.Op("DeleteState", service.Write, s.DeleteState, nil),
		},
	}
}

func notFound(format string, args ...any) error {
	return &service.Error{Code: "ResourceNotFoundException", Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

func limitExceeded(format string, args ...any) error {
	return &service.Error{Code: "LimitExceededException", Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}
