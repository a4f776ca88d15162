package lanyard_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// TestSignInRules: what is set is what is kept; requiring MFA again does not start the
// grace anew.
func TestSignInRules(t *testing.T) {
	l := lanyardtest.New(t)
	c := clientFor(l, l.AccessKeyID, l.SecretAccessKey)
	put := func(in *lanyard.PutSignInRulesInput) *lanyard.SignInRules {
		t.Helper()
		if _, err := lanyard.Call[lanyard.PutSignInRulesOutput](t.Context(), c, in); err != nil {
			t.Fatal(err)
		}
		out, err := lanyard.Call[lanyard.GetSignInRulesOutput](t.Context(), c, &lanyard.GetSignInRulesInput{})
		if err != nil {
			t.Fatal(err)
		}
		return out.Rules
	}
	if r := put(&lanyard.PutSignInRulesInput{}); *r.MFARequired || *r.GraceDays != 0 || *r.RememberDays != 0 || r.Since != nil {
		t.Errorf("default: %+v", r)
	}
	first := put(&lanyard.PutSignInRulesInput{MFARequired: aws.Bool(true), GraceDays: aws.Int32(7)})
	l.Advance(48 * 3600e9)
	again := put(&lanyard.PutSignInRulesInput{MFARequired: aws.Bool(true), GraceDays: aws.Int32(30), RememberDays: aws.Int32(14)})
	if !*again.MFARequired || !again.Since.Equal(*first.Since) || *again.GraceDays != 30 || *again.RememberDays != 14 {
		t.Errorf("again: %+v", again)
	}
	_, err := lanyard.Call[lanyard.PutSignInRulesOutput](t.Context(), c, &lanyard.PutSignInRulesInput{GraceDays: aws.Int32(91)})
	if !strings.Contains(code(err), "less than or equal to 90") {
		t.Errorf("a long grace: %s", code(err))
	}
	_, err = lanyard.Call[lanyard.GetSignInRulesOutput](t.Context(), newUser(t, l, "eve"), &lanyard.GetSignInRulesInput{})
	if !strings.HasPrefix(code(err), "AccessDenied") || !strings.Contains(code(err), "lanyard:GetSignInRules") {
		t.Errorf("eve: %s", code(err))
	}
}

// TestRecoveryLink: for who may take the user's MFA devices away, not for oneself, and
// recorded without the secret.
func TestRecoveryLink(t *testing.T) {
	l := lanyardtest.New(t)
	aws1 := iam.NewFromConfig(l.Config())
	helper := newUser(t, l, "helper", "iam:DeactivateMFADevice")
	eve := newUser(t, l, "eve", "lanyard:CreateRecoveryLink", "iam:ListMFADevices")
	ask := func(c *lanyard.Client, user string) (*lanyard.CreateRecoveryLinkOutput, string) {
		out, err := lanyard.Call[lanyard.CreateRecoveryLinkOutput](t.Context(), c, &lanyard.CreateRecoveryLinkInput{UserName: &user})
		if err != nil {
			return nil, code(err)
		}
		return out, ""
	}
	if _, why := ask(helper, "eve"); !strings.Contains(why, "has no password") {
		t.Errorf("without a password: %s", why)
	}
	for _, name := range []string{"eve", "helper"} {
		if _, err := aws1.CreateLoginProfile(t.Context(), &iam.CreateLoginProfileInput{UserName: &name, Password: aws.String("Correct-horse-9-staple")}); err != nil {
			t.Fatal(err)
		}
	}
	out, why := ask(helper, "EVE")
	if why != "" || !strings.Contains(*out.RecoveryLink, "/signin/recover#") || out.Expires.Sub(l.Now()) > 15*60e9 {
		t.Fatalf("%+v, %s", out, why)
	}
	if _, why := ask(helper, "helper"); !strings.Contains(why, "for themselves") {
		t.Errorf("oneself: %s", why)
	}
	if _, why := ask(eve, "helper"); !strings.HasPrefix(why, "AccessDenied") || !strings.Contains(why, "iam:DeactivateMFADevice") {
		t.Errorf("eve: %s", why)
	}
	if _, why := ask(helper, "nobody"); !strings.HasPrefix(why, "ResourceNotFoundException") {
		t.Errorf("nobody: %s", why)
	}
	_, secret, _ := strings.Cut(*out.RecoveryLink, "#")
	events, err := cloudtrail.NewFromConfig(l.Config()).LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{})
	if err != nil {
		t.Fatal(err)
	}
	seen := false
	for _, e := range events.Events {
		seen = seen || *e.EventName == "CreateRecoveryLink"
		if strings.Contains(*e.CloudTrailEvent, secret) {
			t.Errorf("on record with its secret: %s", *e.CloudTrailEvent)
		}
	}
	if !seen {
		t.Error("not on record")
	}
}

// TestRecoveryCodesNeedAFactor: an access key alone makes none.
func TestRecoveryCodesNeedAFactor(t *testing.T) {
	l := lanyardtest.New(t)
	c := newUser(t, l, "alice")
	_, err := lanyard.Call[lanyard.CreateRecoveryCodesOutput](t.Context(), c, &lanyard.CreateRecoveryCodesInput{})
	if !strings.HasPrefix(code(err), "RecentFactorRequiredException") {
		t.Errorf("%s", code(err))
	}
	out, err := lanyard.Call[lanyard.GetRecoveryCodesOutput](t.Context(), c, &lanyard.GetRecoveryCodesInput{})
	if err != nil || *out.Left != 0 {
		t.Errorf("%+v, %v", out, err)
	}
}
