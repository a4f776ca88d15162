package iam

import (
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

func decoded(t *testing.T, document *string) string {
	t.Helper()
	text, err := url.PathUnescape(aws.ToString(document))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// shownTrust is a role's trust policy as GetRole and ListRoles show it.
func (w *world) shownTrust(t *testing.T, name string) string {
	t.Helper()
	got := decoded(t, do(w.root(), w.iam.GetRole, &iam.GetRoleInput{RoleName: &name}).Role.AssumeRolePolicyDocument)
	for _, r := range do(w.root(), w.iam.ListRoles, &iam.ListRolesInput{}).Roles {
		if *r.RoleName == name {
			if listed := decoded(t, r.AssumeRolePolicyDocument); listed != got {
				t.Errorf("GetRole shows %s, ListRoles %s", got, listed)
			}
		}
	}
	return got
}

func TestTrustPolicyPrincipals(t *testing.T) {
	w := newWorld(t)
	do(w.root(), w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("Bob"), Path: aws.String("/team/")})
	do(w.rootOf(theirs), w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("eve")})
	w.role("caller")
	w.role("r")
	w.group("devs")
	update := func(principal string) *iam.UpdateAssumeRolePolicyInput {
		return &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("r"), PolicyDocument: aws.String(trusting(principal))}
	}
	for _, principal := range []string{
		"*",
		"111122223333",
		"arn:aws:iam::111122223333:root",
		"444455556666",
		"arn:aws:iam::444455556666:root",
		"arn:aws:iam::111122223333:user/team/Bob",
		"arn:aws:iam::444455556666:user/eve",
		"arn:aws:iam::111122223333:role/caller",
		"arn:aws:sts::111122223333:assumed-role/caller/session",
		"arn:aws:sts::111122223333:federated-user/anyone",
		w.record("bob").ID,
		w.roleRecord("caller").ID,
	} {
		do(w.root(), w.iam.UpdateAssumeRolePolicy, update(principal))
		if got := w.shownTrust(t, "r"); got != trusting(principal) {
			t.Errorf("trust in %s is shown as %s", principal, got)
		}
	}
	before := w.shownTrust(t, "r")
	for _, principal := range []string{
		"arn:aws:iam::111122223333:user/none",
		"arn:aws:iam::111122223333:user/Bob",      // his path is /team/
		"arn:aws:iam::111122223333:user/team/bob", // his name is Bob
		"arn:aws:iam::444455556666:user/team/Bob", // another account has no Bob
		"arn:aws:iam::111122223333:role/Bob",      // Bob is a user
		"arn:aws:iam::111122223333:role/CALLER",
		"arn:aws-cn:iam::111122223333:role/caller", // another partition
		"arn:aws:sts::111122223333:assumed-role/none/session",
		"arn:aws:sts::111122223333:assumed-role/Caller/session",
		"999999999999", // nobody has this account
		"arn:aws:iam::999999999999:root",
		"arn:aws:iam::999999999999:role/caller",
		"arn:aws:sts::999999999999:federated-user/anyone",
		"AIDAAAAAAAAAAAAAAAAAA",
		"AROAAAAAAAAAAAAAAAAAA",
	} {
		refused(w.root(), w.iam.UpdateAssumeRolePolicy, update(principal), "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"`+principal+`"`)
		refused(w.root(), w.iam.CreateRole, &iam.CreateRoleInput{RoleName: aws.String("new"), AssumeRolePolicyDocument: update(principal).PolicyDocument},
			"MalformedPolicyDocument", `Invalid principal in policy: "AWS":"`+principal+`"`)
	}
	if after := w.shownTrust(t, "r"); after != before {
		t.Errorf("refused updates changed the trust policy to %s", after)
	}
	// Others than AWS principals need not exist.
	do(w.root(), w.iam.UpdateAssumeRolePolicy, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("r"), PolicyDocument: aws.String(
		`{"Statement":[{"Effect":"Allow","Principal":{"Service":["ec2.amazonaws.com","lambda.amazonaws.com"]},"Action":"sts:AssumeRole"},` +
			`{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:saml-provider/idp"},"Action":"sts:AssumeRoleWithSAML"}]}`)})
	if pins := w.roleRecord("r").TrustPins; len(pins) != 0 {
		t.Errorf("pins = %v", pins)
	}
}

// T121: bob is trusted, deleted, and made again. The new bob is another one: the
// policy names the old one's id, and cannot be saved again like that.
func TestT121_DeletedPrincipal(t *testing.T) {
	const bobARN, callerARN = "arn:aws:iam::111122223333:user/bob", "arn:aws:iam::111122223333:role/caller"
	w := newWorld(t)
	w.user("bob")
	w.role("caller")
	old := w.record("bob").ID
	document := "{\"Version\":\"2012-10-17\",\n\t\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"" + bobARN + "\", \"" + callerARN + "\"]},\n\"Action\":\"sts:AssumeRole\",\"Condition\":{\"ArnLike\":{\"aws:PrincipalArn\":\"" + bobARN + "\"}}}]}"
	do(w.root(), w.iam.CreateRole, &iam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: &document})
	if got := w.shownTrust(t, "r"); got != document {
		t.Errorf("trust policy = %s", got)
	}
	if pins := w.roleRecord("r").TrustPins; pins[bobARN] != old || pins[callerARN] != w.roleRecord("caller").ID || len(pins) != 2 {
		t.Errorf("pins = %v", pins)
	}

	do(w.root(), w.iam.DeleteUser, &iam.DeleteUserInput{UserName: aws.String("bob")})
	w.user("bob")
	shown := w.shownTrust(t, "r")
	want := "{\"Version\":\"2012-10-17\",\n\t\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"" + old + "\", \"" + callerARN + "\"]},\n\"Action\":\"sts:AssumeRole\",\"Condition\":{\"ArnLike\":{\"aws:PrincipalArn\":\"" + bobARN + "\"}}}]}"
	if shown != want {
		t.Errorf("trust policy =\n%s\nwant\n%s", shown, want)
	}
	update := &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("r"), PolicyDocument: &shown}
	refused(w.root(), w.iam.UpdateAssumeRolePolicy, update, "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"`+old+`"`)

	// To trust the new bob, the policy is saved anew.
	update.PolicyDocument = &document
	do(w.root(), w.iam.UpdateAssumeRolePolicy, update)
	if got := w.roleRecord("r").TrustPins[bobARN]; got != w.record("bob").ID || got == old {
		t.Errorf("pin = %s", got)
	}
	if got := w.shownTrust(t, "r"); got != document {
		t.Errorf("trust policy = %s", got)
	}
}

// A user who is renamed is still the one who is trusted, and is shown by the new ARN.
func TestTrustFollowsARename(t *testing.T) {
	w := newWorld(t)
	w.user("bob")
	do(w.root(), w.iam.CreateRole, &iam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(trusting("arn:aws:iam::111122223333:user/bob"))})
	do(w.root(), w.iam.UpdateUser, &iam.UpdateUserInput{UserName: aws.String("bob"), NewUserName: aws.String("robert"), NewPath: aws.String("/x/")})
	if got := w.shownTrust(t, "r"); got != trusting("arn:aws:iam::111122223333:user/x/robert") {
		t.Errorf("trust policy = %s", got)
	}
	w.view(func(r store.Reader) error {
		role, err := identity.FindRole(r, ours, "r")
		if err == nil && role.TrustPolicy != trusting("arn:aws:iam::111122223333:user/bob") {
			t.Errorf("stored: %s", role.TrustPolicy)
		}
		return err
	})
}

// T323: who may update a trust policy may let themselves in, and nobody else may.
func TestT323_UpdateAssumeRolePolicyNeedsPermissionOnTheRole(t *testing.T) {
	w := newWorld(t)
	mallory := w.user("mallory")
	w.role("admins")
	w.role("interns")
	in := &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("admins"), PolicyDocument: aws.String(trusting("arn:aws:iam::111122223333:user/mallory"))}
	denied(mallory, w.iam.UpdateAssumeRolePolicy, in)
	w.may("mallory", allow("iam:UpdateAssumeRolePolicy", "arn:aws:iam::111122223333:role/interns"))
	denied(mallory, w.iam.UpdateAssumeRolePolicy, in)
	if got := w.roleRecord("admins").TrustPolicy; got != trusting(string(ours)) {
		t.Errorf("trust policy = %s", got)
	}
	w.may("mallory", allow("iam:UpdateAssumeRolePolicy", "arn:aws:iam::111122223333:role/admins"))
	do(mallory, w.iam.UpdateAssumeRolePolicy, in)
}
