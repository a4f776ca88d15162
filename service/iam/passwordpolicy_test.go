package iam

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

func TestPasswordPolicyLife(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	const none = "The Password Policy with domain name 111122223333 cannot be found."
	refused(root, w.iam.GetAccountPasswordPolicy, &iam.GetAccountPasswordPolicyInput{}, "NoSuchEntity", none)
	refused(root, w.iam.DeleteAccountPasswordPolicy, &iam.DeleteAccountPasswordPolicyInput{}, "NoSuchEntity", none)

	w.rules(iam.UpdateAccountPasswordPolicyInput{
		MinimumPasswordLength: aws.Int32(14), RequireSymbols: true, RequireNumbers: true, RequireUppercaseCharacters: true, RequireLowercaseCharacters: true,
		AllowUsersToChangePassword: true, MaxPasswordAge: aws.Int32(90), PasswordReusePrevention: aws.Int32(24), HardExpiry: aws.Bool(true),
	})
	p := do(root, w.iam.GetAccountPasswordPolicy, &iam.GetAccountPasswordPolicyInput{}).PasswordPolicy
	if *p.MinimumPasswordLength != 14 || !p.RequireSymbols || !p.RequireNumbers || !p.RequireUppercaseCharacters || !p.RequireLowercaseCharacters ||
		!p.AllowUsersToChangePassword || *p.MaxPasswordAge != 90 || *p.PasswordReusePrevention != 24 || !*p.HardExpiry || !p.ExpirePasswords {
		t.Errorf("policy = %s", asJSON(p))
	}
	// There is no partial update: what is left out goes back to its default.
	w.rules(iam.UpdateAccountPasswordPolicyInput{RequireNumbers: true})
	p = do(root, w.iam.GetAccountPasswordPolicy, &iam.GetAccountPasswordPolicyInput{}).PasswordPolicy
	if *p.MinimumPasswordLength != 6 || p.RequireSymbols || !p.RequireNumbers || p.RequireUppercaseCharacters || p.RequireLowercaseCharacters ||
		p.AllowUsersToChangePassword || p.MaxPasswordAge != nil || p.PasswordReusePrevention != nil || *p.HardExpiry || p.ExpirePasswords {
		t.Errorf("policy = %s", asJSON(p))
	}
	do(root, w.iam.DeleteAccountPasswordPolicy, &iam.DeleteAccountPasswordPolicyInput{})
	refused(root, w.iam.GetAccountPasswordPolicy, &iam.GetAccountPasswordPolicyInput{}, "NoSuchEntity", none)
}

func TestPasswordPolicyBindsNewPasswords(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	w.rules(iam.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: aws.Int32(10), RequireUppercaseCharacters: true, RequireSymbols: true})
	create := func(text string) *iam.CreateLoginProfileInput {
		return &iam.CreateLoginProfileInput{UserName: aws.String("alice"), Password: &text}
	}
	refused(w.root(), w.iam.CreateLoginProfile, create("abc"), "PasswordPolicyViolation",
		"Password should have a minimum length of 10, Password should have at least one uppercase letter, Password should have at least one symbol")
	do(w.root(), w.iam.CreateLoginProfile, create("ABCDEFGHI!"))
	// A stricter policy does not touch the password that there is.
	w.rules(iam.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: aws.Int32(20)})
	if !w.hasPassword("alice", "ABCDEFGHI!") {
		t.Error("the password is gone")
	}
}

// Without a policy of its own, an account's name is no password.
func TestPasswordIsNotTheAccountName(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	w.edit(func(tx store.Tx) error { // the model admits no such alias; the rule does not depend on it
		return identity.Accounts.Edit(tx, func(a *identity.Account) error { a.Alias = "Acme-Corp-1"; return nil }, string(ours))
	})
	refused(w.root(), w.iam.CreateLoginProfile, &iam.CreateLoginProfileInput{UserName: aws.String("alice"), Password: aws.String("Acme-Corp-1")},
		"PasswordPolicyViolation", "Password should not be identical to the account name")
}

func TestPasswordPolicyPermissions(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.rules(iam.UpdateAccountPasswordPolicyInput{})
	denied(alice, w.iam.GetAccountPasswordPolicy, &iam.GetAccountPasswordPolicyInput{})
	denied(alice, w.iam.UpdateAccountPasswordPolicy, &iam.UpdateAccountPasswordPolicyInput{})
	w.may("alice", allow("iam:*AccountPasswordPolicy", "*"))
	do(alice, w.iam.GetAccountPasswordPolicy, &iam.GetAccountPasswordPolicyInput{})
	do(alice, w.iam.UpdateAccountPasswordPolicy, &iam.UpdateAccountPasswordPolicyInput{})
	do(alice, w.iam.DeleteAccountPasswordPolicy, &iam.DeleteAccountPasswordPolicyInput{})
}
