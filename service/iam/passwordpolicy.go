package iam

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// defaultMinimumLength is what UpdateAccountPasswordPolicy sets if it names no
// length. (An account without any policy has other rules: password.Default.)
const defaultMinimumLength = 6

// UpdateAccountPasswordPolicy sets the account's password policy. Whatever the
// request does not name goes back to its default.
func (s *Service) UpdateAccountPasswordPolicy(c *service.Call, in *iam.UpdateAccountPasswordPolicyInput) (*iam.UpdateAccountPasswordPolicyOutput, error) {
	p := &identity.PasswordPolicy{
		MinimumLength:    defaultMinimumLength,
		RequireSymbols:   in.RequireSymbols,
		RequireNumbers:   in.RequireNumbers,
		RequireUppercase: in.RequireUppercaseCharacters,
		RequireLowercase: in.RequireLowercaseCharacters,
		AllowChange:      in.AllowUsersToChangePassword,
		MaxAge:           aws.ToInt32(in.MaxPasswordAge),
		ReusePrevention:  aws.ToInt32(in.PasswordReusePrevention),
		HardExpiry:       aws.ToBool(in.HardExpiry),
	}
	if in.MinimumPasswordLength != nil {
		p.MinimumLength = *in.MinimumPasswordLength
	}
	return &iam.UpdateAccountPasswordPolicyOutput{}, identity.PasswordPolicies.Put(c.Tx, p, c.Account())
}

// GetAccountPasswordPolicy describes the account's password policy, if it has set one.
func (s *Service) GetAccountPasswordPolicy(c *service.Call, in *iam.GetAccountPasswordPolicyInput) (*iam.GetAccountPasswordPolicyOutput, error) {
	p, err := identity.PasswordPolicies.Get(c.Reader, c.Account())
	if err != nil {
		return nil, orNoPasswordPolicy(c, err)
	}
	return &iam.GetAccountPasswordPolicyOutput{PasswordPolicy: passwordPolicyDetail(p)}, nil
}

// DeleteAccountPasswordPolicy returns the account to the default rules.
func (s *Service) DeleteAccountPasswordPolicy(c *service.Call, in *iam.DeleteAccountPasswordPolicyInput) (*iam.DeleteAccountPasswordPolicyOutput, error) {
	if !identity.PasswordPolicies.Has(c.Reader, c.Account()) {
		return nil, orNoPasswordPolicy(c, store.ErrNotFound)
	}
	identity.PasswordPolicies.Delete(c.Tx, c.Account())
	return &iam.DeleteAccountPasswordPolicyOutput{}, nil
}

func passwordPolicyDetail(p *identity.PasswordPolicy) *types.PasswordPolicy {
	out := &types.PasswordPolicy{
		AllowUsersToChangePassword: p.AllowChange,
		ExpirePasswords:            p.MaxAge > 0,
		HardExpiry:                 &p.HardExpiry,
		MinimumPasswordLength:      &p.MinimumLength,
		RequireLowercaseCharacters: p.RequireLowercase,
		RequireNumbers:             p.RequireNumbers,
		RequireSymbols:             p.RequireSymbols,
		RequireUppercaseCharacters: p.RequireUppercase,
	}
	if p.MaxAge > 0 {
		out.MaxPasswordAge = &p.MaxAge
	}
	if p.ReusePrevention > 0 {
		out.PasswordReusePrevention = &p.ReusePrevention
	}
	return out
}

// passwordPolicyOf is the account's policy, or nil if it has set none.
func passwordPolicyOf(c *service.Call) (*identity.PasswordPolicy, error) {
	p, err := identity.PasswordPolicies.Get(c.Reader, c.Account())
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return p, err
}

// admitPassword refuses a new password that the account's policy does not admit.
func admitPassword(c *service.Call, p *identity.PasswordPolicy, text string) error {
	account, err := identity.Accounts.Get(c.Reader, c.Account())
	if err != nil {
		return fmt.Errorf("account %s: %w", c.Account(), err)
	}
	if wrong := authn.PasswordUnfit(p, account, text); wrong != "" {
		return passwordPolicyViolation(wrong)
	}
	return nil
}

func orNoPasswordPolicy(c *service.Call, err error) error {
	return orNoSuchEntity(err, "The Password Policy with domain name %s cannot be found.", c.Account())
}

// onAccount states that an operation acts on nothing that has an ARN.
func onAccount[I any](*service.Call, *I) ([]authz.Check, error) {
	return []authz.Check{authz.On("*")}, nil
}

// selfServicePolicy is what AllowUsersToChangePassword comes to: a policy on the
// users of the account, beside their own. A Deny anywhere still prevails.
const selfServicePolicy = `{"Version": "2012-10-17", "Statement": {
	"Effect": "Allow",
	"Principal": "*",
	"Action": ["iam:ChangePassword", "iam:GetAccountPasswordPolicy"],
	"Resource": "*"
}}`

func compileSelfService() (*policy.Set, error) {
	doc, err := policy.Parse(selfServicePolicy, policy.ResourcePolicy)
	if err != nil {
		return nil, fmt.Errorf("self-service policy: %w", err)
	}
	return policy.NewSet([]policy.Attached{{
		Source:   policy.Source{Type: policy.SourceResource, ID: "account password policy"},
		Document: doc,
	}}), nil
}

// orSelfService adds to a check about an IAM user's own password what the account's
// password policy allows all of them.
func (s *Service) orSelfService(c *service.Call, check authz.Check) ([]authz.Check, error) {
	rules, err := passwordPolicyOf(c)
	if err != nil {
		return nil, err
	}
	if rules != nil && rules.AllowChange && c.Principal.Kind == authn.User {
		check.ResourcePolicy = s.selfService
	}
	return []authz.Check{check}, nil
}

func (s *Service) mayGetAccountPasswordPolicy(c *service.Call, _ *iam.GetAccountPasswordPolicyInput) ([]authz.Check, error) {
	return s.orSelfService(c, authz.On("*"))
}
