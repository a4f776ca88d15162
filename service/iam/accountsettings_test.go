package iam

import (
	"maps"
	"regexp"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func TestOutboundWebIdentityFederation(t *testing.T) {
	const (
		on  = "Outbound web identity federation is already enabled for this account."
		off = "Outbound web identity federation is not enabled for this account."
	)
	w := newWorld(t)
	enable, disable, info := &iam.EnableOutboundWebIdentityFederationInput{}, &iam.DisableOutboundWebIdentityFederationInput{}, &iam.GetOutboundWebIdentityFederationInfoInput{}
	refused(w.root(), w.iam.GetOutboundWebIdentityFederationInfo, info, "FeatureDisabled", off)
	refused(w.root(), w.iam.DisableOutboundWebIdentityFederation, disable, "FeatureDisabled", off)

	issuer := *do(w.root(), w.iam.EnableOutboundWebIdentityFederation, enable).IssuerIdentifier
	if !regexp.MustCompile(`^https://[0-9a-f]{8}-[0-9a-f-]{27}\.tokens\.lanyard\.internal$`).MatchString(issuer) {
		t.Errorf("issuer = %s", issuer)
	}
	refused(w.root(), w.iam.EnableOutboundWebIdentityFederation, enable, "FeatureEnabled", on)
	if got := do(w.root(), w.iam.GetOutboundWebIdentityFederationInfo, info); *got.IssuerIdentifier != issuer || !got.JwtVendingEnabled {
		t.Errorf("info = %s", asJSON(got))
	}

	// Another account has its own switch and its own issuer.
	refused(w.rootOf(theirs), w.iam.GetOutboundWebIdentityFederationInfo, info, "FeatureDisabled", off)
	if other := *do(w.rootOf(theirs), w.iam.EnableOutboundWebIdentityFederation, enable).IssuerIdentifier; other == issuer {
		t.Errorf("two accounts have the issuer %s", other)
	}

	// Whoever trusts the issuer need not be told anew when the switch was off for a while.
	do(w.root(), w.iam.DisableOutboundWebIdentityFederation, disable)
	refused(w.root(), w.iam.GetOutboundWebIdentityFederationInfo, info, "FeatureDisabled", off)
	if again := *do(w.root(), w.iam.EnableOutboundWebIdentityFederation, enable).IssuerIdentifier; again != issuer {
		t.Errorf("the issuer was %s and is %s", issuer, again)
	}
}

func TestSecurityTokenServicePreferences(t *testing.T) {
	w := newWorld(t)
	shown := func(a actor) int32 {
		return do(a, w.iam.GetAccountSummary, &iam.GetAccountSummaryInput{}).SummaryMap["GlobalEndpointTokenVersion"]
	}
	if got := shown(w.root()); got != 2 {
		t.Errorf("at first version %d", got)
	}
	do(w.root(), w.iam.EnableOutboundWebIdentityFederation, &iam.EnableOutboundWebIdentityFederationInput{})
	for version, want := range map[types.GlobalEndpointTokenVersion]int32{"v1Token": 1, "v2Token": 2} {
		do(w.root(), w.iam.SetSecurityTokenServicePreferences, &iam.SetSecurityTokenServicePreferencesInput{GlobalEndpointTokenVersion: version})
		if got := shown(w.root()); got != want {
			t.Errorf("%s is shown as %d", version, got)
		}
	}
	do(w.root(), w.iam.SetSecurityTokenServicePreferences, &iam.SetSecurityTokenServicePreferencesInput{GlobalEndpointTokenVersion: "v1Token"})
	if got := shown(w.rootOf(theirs)); got != 2 {
		t.Errorf("another account's version is %d", got)
	}
	do(w.root(), w.iam.GetOutboundWebIdentityFederationInfo, &iam.GetOutboundWebIdentityFederationInfoInput{}) // the other switch is as it was
}

func TestAccountProperties(t *testing.T) {
	w := newWorld(t)
	off := map[string]string{"RoleManager/Enabled": "false"}
	check := func() {
		t.Helper()
		if got := do(w.root(), w.iam.GetAccountProperties, &iam.GetAccountPropertiesInput{}).Properties; !maps.Equal(got, off) {
			t.Errorf("properties = %v", got)
		}
	}
	check()
	do(w.root(), w.iam.PutAccountProperties, &iam.PutAccountPropertiesInput{Properties: off})
	for message, properties := range map[string]map[string]string{
		"Properties must not be empty":                                                           {},
		"Property key must be in format Namespace/PropertyName: RoleManager":                     {"RoleManager": "true"},
		"Property key must be in format Namespace/PropertyName: a/b/c":                           {"a/b/c": "true"},
		"Property key must be in format Namespace/PropertyName: a/":                              {"a/": "true"},
		"All properties must belong to the same namespace":                                       {"RoleManager/Enabled": "true", "Other/Enabled": "true"},
		"Unsupported namespace: Other":                                                           {"Other/Enabled": "true"},
		"RoleManager namespace requires Enabled property":                                        {"RoleManager/Other": "true"},
		"Enabled must be 'true' or 'false'":                                                      {"RoleManager/Enabled": "yes"},
		"Role Manager cannot be enabled: role templates are AWS's own, and there are none here.": {"RoleManager/Enabled": "true"},
	} {
		refused(w.root(), w.iam.PutAccountProperties, &iam.PutAccountPropertiesInput{Properties: properties}, "InvalidInput", message)
	}
	check()

	// A guard rail on the namespace, as AWS writes it.
	admin := w.user("admin")
	w.may("admin", allow("iam:PutAccountProperties", "*"), statement("Deny", "iam:PutAccountProperties", "*", `{"ForAnyValue:StringEquals":{"iam:AccountPropertyNamespaces":"RoleManager"}}`))
	denied(admin, w.iam.PutAccountProperties, &iam.PutAccountPropertiesInput{Properties: off})
	refused(admin, w.iam.PutAccountProperties, &iam.PutAccountPropertiesInput{Properties: map[string]string{"Other/Enabled": "true"}}, "InvalidInput", "Unsupported namespace: Other")
	denied(admin, w.iam.GetAccountProperties, &iam.GetAccountPropertiesInput{})
	w.may("admin", allowIf("iam:GetAccountProperties", "*", `{"ForAllValues:StringEquals":{"iam:AccountPropertyNamespaces":["RoleManager"]},"Null":{"iam:AccountPropertyNamespaces":"false"}}`))
	do(admin, w.iam.GetAccountProperties, &iam.GetAccountPropertiesInput{})
}

// Accounts that are in no organization hear so.
func TestOrganizationFeatures(t *testing.T) {
	const code, message = "OrganizationNotFoundException", "The request was rejected because no organization is associated with your account."
	w := newWorld(t)
	admin := w.user("admin")
	for _, a := range []actor{w.root(), admin} {
		w.may("admin", allow("iam:*", "*"))
		refused(a, noOrganization[iam.ListOrganizationsFeaturesInput, iam.ListOrganizationsFeaturesOutput], &iam.ListOrganizationsFeaturesInput{}, code, message)
		refused(a, noOrganization[iam.EnableOrganizationsRootSessionsInput, iam.EnableOrganizationsRootSessionsOutput], &iam.EnableOrganizationsRootSessionsInput{}, code, message)
		refused(a, noOrganization[iam.DisableOrganizationsRootSessionsInput, iam.DisableOrganizationsRootSessionsOutput], &iam.DisableOrganizationsRootSessionsInput{}, code, message)
		refused(a, noOrganization[iam.EnableOrganizationsRootCredentialsManagementInput, iam.EnableOrganizationsRootCredentialsManagementOutput], &iam.EnableOrganizationsRootCredentialsManagementInput{}, code, message)
		refused(a, noOrganization[iam.DisableOrganizationsRootCredentialsManagementInput, iam.DisableOrganizationsRootCredentialsManagementOutput], &iam.DisableOrganizationsRootCredentialsManagementInput{}, code, message)
	}
	w.may("admin", allow("iam:ListUsers", "*"))
	denied(admin, noOrganization[iam.ListOrganizationsFeaturesInput, iam.ListOrganizationsFeaturesOutput], &iam.ListOrganizationsFeaturesInput{})
}

// Nobody can ask for temporary delegation, so no request is found, and who may look is
// asked first.
func TestDelegationRequests(t *testing.T) {
	w := newWorld(t)
	admin := w.user("admin")
	id, entity := aws.String("dr-0123456789abcdef"), "arn:aws:iam::111122223333:delegation-request/dr-0123456789abcdef"
	create := &iam.CreateDelegationRequestInput{
		Description: aws.String("x"), NotificationChannel: aws.String("arn:aws:sns:us-east-1:111122223333:t"), RequestorWorkflowId: aws.String("workflow"), SessionDuration: aws.Int32(900),
		Permissions: &types.DelegationPermission{PolicyTemplateArn: aws.String("arn:aws:iam:::delegation-template/x")},
	}
	denied(admin, w.iam.CreateDelegationRequest, create)
	w.may("admin", allowIf("iam:CreateDelegationRequest", "*", `{"NumericLessThanEquals":{"iam:DelegationDuration":"900"},"StringEquals":{"iam:NotificationChannel":"arn:aws:sns:us-east-1:111122223333:t","iam:TemplateArn":"arn:aws:iam:::delegation-template/x"}}`))
	refused(admin, w.iam.CreateDelegationRequest, create, "AccessDenied", "Delegation requests can only be created by product providers that are registered with AWS.")
	create.SessionDuration = aws.Int32(901)
	if _, err := try(admin, w.iam.CreateDelegationRequest, create); codeOf(err) != "AccessDenied" || err.Error() == "AccessDenied: Delegation requests can only be created by product providers that are registered with AWS." {
		t.Errorf("for longer than the policy allows: %v", err)
	}

	const missing = "The delegation request with id dr-0123456789abcdef cannot be found."
	all := func(answer func(err error, what string)) {
		t.Helper()
		_, err := try(admin, w.iam.GetDelegationRequest, &iam.GetDelegationRequestInput{DelegationRequestId: id})
		answer(err, "Get")
		_, err = try(admin, w.iam.AssociateDelegationRequest, &iam.AssociateDelegationRequestInput{DelegationRequestId: id})
		answer(err, "Associate")
		_, err = try(admin, w.iam.UpdateDelegationRequest, &iam.UpdateDelegationRequestInput{DelegationRequestId: id})
		answer(err, "Update")
		_, err = try(admin, w.iam.AcceptDelegationRequest, &iam.AcceptDelegationRequestInput{DelegationRequestId: id})
		answer(err, "Accept")
		_, err = try(admin, w.iam.RejectDelegationRequest, &iam.RejectDelegationRequestInput{DelegationRequestId: id})
		answer(err, "Reject")
		_, err = try(admin, w.iam.SendDelegationToken, &iam.SendDelegationTokenInput{DelegationRequestId: id})
		answer(err, "Send")
		_, err = try(admin, w.iam.GetHumanReadableSummary, &iam.GetHumanReadableSummaryInput{EntityArn: &entity})
		answer(err, "Summary")
	}
	w.may("admin", allow("iam:*", "arn:aws:iam::111122223333:delegation-request/other"))
	all(func(err error, what string) {
		t.Helper()
		if codeOf(err) != "AccessDenied" {
			t.Errorf("%s: %v", what, err)
		}
	})
	w.may("admin", allow("iam:*", entity))
	all(func(err error, what string) { t.Helper(); checkError(t, what, err, "NoSuchEntity", missing) })

	summary := func(name, code, message string) {
		t.Helper()
		refused(w.root(), w.iam.GetHumanReadableSummary, &iam.GetHumanReadableSummaryInput{EntityArn: &name}, code, message)
	}
	summary("a name that is no ARN", "ValidationError", "Invalid ARN:  Could not be parsed!")
	summary("arn:aws:iam::111122223333:user/alice", "InvalidInput", "ARN arn:aws:iam::111122223333:user/alice is not valid.")

	list := do(w.root(), w.iam.ListDelegationRequests, &iam.ListDelegationRequestsInput{})
	if list.DelegationRequests == nil || len(list.DelegationRequests) != 0 || list.IsTruncated || list.Marker != nil {
		t.Errorf("requests: %s", asJSON(list))
	}
	denied(admin, w.iam.ListDelegationRequests, &iam.ListDelegationRequestsInput{})
}

func TestRoleTemplates(t *testing.T) {
	const template = "arn:aws:iam::aws:role-template/Reader"
	w := newWorld(t)
	admin := w.user("admin")
	acquire, get := &iam.AcquireRoleInput{TemplateArn: aws.String(template)}, &iam.GetRoleTemplateVersionInput{TemplateArn: aws.String(template)}
	denied(admin, w.iam.AcquireRole, acquire)
	denied(admin, w.iam.GetRoleTemplateVersion, get)
	w.may("admin", allowIf("iam:*", template, `{"StringEquals":{"iam:TemplateArn":"`+template+`"}}`))
	const missing = "The role template with ARN arn:aws:iam::aws:role-template/Reader cannot be found."
	refused(admin, w.iam.AcquireRole, acquire, "NoSuchEntity", missing)
	refused(admin, w.iam.GetRoleTemplateVersion, get, "NoSuchEntity", missing)
	refused(w.root(), w.iam.AcquireRole, &iam.AcquireRoleInput{TemplateArn: aws.String("arn:aws:s3:::bucket/template")}, "InvalidInput", "ARN arn:aws:s3:::bucket/template is not valid.")
	w.consistent(t)
}
