package iam

import (
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// CreateAccountAlias gives the account an alias, unique in this installation. An
// account has one: an earlier one is given up.
func (s *Service) CreateAccountAlias(c *service.Call, in *iam.CreateAccountAliasInput) (*iam.CreateAccountAliasOutput, error) {
	alias := *in.AccountAlias
	if _, err := arn.ParseAccountID(alias); err == nil {
		// It would read as the id of another account in sign-in addresses.
		return nil, service.Invalid("The account alias %s is invalid. It must not be a number of 12 digits.", alias)
	}
	if identity.Aliases.Has(c.Reader, alias) {
		return nil, alreadyExists("The account alias %s already exists.", alias)
	}
	return &iam.CreateAccountAliasOutput{}, identity.SetAlias(c.Tx, c.Scope.Account, alias)
}

// ListAccountAliases lists the account's alias, if it has one.
func (s *Service) ListAccountAliases(c *service.Call, in *iam.ListAccountAliasesInput) (*iam.ListAccountAliasesOutput, error) {
	account, err := identity.Accounts.Get(c.Reader, c.Account())
	if err != nil {
		return nil, err
	}
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, string) bool) error {
		if account.Alias > after {
			yield(account.Alias, account.Alias)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.ListAccountAliasesOutput{AccountAliases: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// DeleteAccountAlias gives up the account's alias.
func (s *Service) DeleteAccountAlias(c *service.Call, in *iam.DeleteAccountAliasInput) (*iam.DeleteAccountAliasOutput, error) {
	owner, err := identity.Aliases.Get(c.Reader, *in.AccountAlias)
	if errors.Is(err, store.ErrNotFound) || (err == nil && owner.Account != c.Scope.Account) {
		return nil, noSuchEntity("The account alias %s cannot be found.", aws.ToString(in.AccountAlias))
	}
	if err != nil {
		return nil, err
	}
	return &iam.DeleteAccountAliasOutput{}, identity.SetAlias(c.Tx, c.Scope.Account, "")
}
