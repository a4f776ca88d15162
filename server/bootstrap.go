package server

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// The entities that exist from the start. They are ordinary: they show in lists,
// can be changed and deleted, and what they may is decided by their policies.
const (
	// OwnerRole is the role that the owner of the host uses through the local
	// socket, so that what they do is on record under their login name.
	OwnerRole = "LanyardOwner"
	ownerPath = "/lanyard/"
	// localService is the service principal that may assume OwnerRole. It is this
	// server, which answers on the local socket; no request can claim it.
	localService = "local.lanyard.internal"
	ownerTrust   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + localService + `"},"Action":["sts:AssumeRole","sts:SetSourceIdentity"]}]}`

	// fixedUser owns the fixed access key of --dev.
	fixedUser = "administrator"

	administratorAccess = "arn:aws:iam::aws:policy/AdministratorAccess"
)

// bootstrap makes accounts that do not exist yet, each with the owner's role.
func (s *Server) bootstrap(tx store.Tx, accounts []arn.AccountID) error {
	for _, id := range accounts {
		if identity.Accounts.Has(tx, string(id)) {
			continue
		}
		if err := identity.Accounts.Put(tx, &identity.Account{ID: id, Partition: arn.PartitionOf(s.config.Region), Created: s.clock.Now().UTC()}, string(id)); err != nil {
			return err
		}
		if err := s.makeOwnerRole(tx, id); err != nil {
			return fmt.Errorf("account %s: %w", id, err)
		}
	}
	return nil
}

// systemCall is a call of the server itself to an operation. It is not
// authorized; its caller decides what it is for.
func (s *Server) systemCall(tx store.Tx, account arn.AccountID) *service.Call {
	partition := arn.PartitionOf(s.config.Region)
	return &service.Call{
		Now:       s.clock.Now().UTC(),
		Rand:      s.rand,
		Principal: &authn.Principal{Kind: authn.Service, Account: account, Name: localService},
		Scope:     arn.Scope{Partition: partition, Account: account},
		Region:    s.config.Region,
		Event:     new(audit.Event),
		Reader:    tx,
		Tx:        tx,
	}
}

func (s *Server) makeOwnerRole(tx store.Tx, account arn.AccountID) error {
	c := s.systemCall(tx, account)
	if _, err := s.iam.CreateRole(c, &awsiam.CreateRoleInput{
		RoleName:                 aws.String(OwnerRole),
		Path:                     aws.String(ownerPath),
		Description:              aws.String("Used by the owner of this host through lanyard env."),
		AssumeRolePolicyDocument: aws.String(ownerTrust),
		MaxSessionDuration:       aws.Int32(12 * 60 * 60),
	}); err != nil {
		return fmt.Errorf("make the role %s: %w", OwnerRole, err)
	}
	_, err := s.iam.AttachRolePolicy(c, &awsiam.AttachRolePolicyInput{
		RoleName:  aws.String(OwnerRole),
		PolicyArn: aws.String(administratorAccess),
	})
	return err
}

// makeFixedKey makes the administrator of --access-key, in the first account.
func (s *Server) makeFixedKey(tx store.Tx) error {
	id, secret, err := s.config.fixedKey()
	if err != nil {
		return err
	}
	account := s.config.Accounts[0]
	c := s.systemCall(tx, account)
	out, err := s.iam.CreateUser(c, &awsiam.CreateUserInput{UserName: aws.String(fixedUser), Path: aws.String(ownerPath)})
	if err != nil {
		return fmt.Errorf("make the user of the fixed access key: %w", err)
	}
	if _, err := s.iam.AttachUserPolicy(c, &awsiam.AttachUserPolicyInput{
		UserName:  aws.String(fixedUser),
		PolicyArn: aws.String(administratorAccess),
	}); err != nil {
		return err
	}
	sealed, err := s.ring.Seal(keyring.AccessKeySecrets, string(identity.AccessKeys.Key(id)), []byte(secret))
	if err != nil {
		return err
	}
	if err := identity.AccessKeys.Put(tx, &identity.AccessKey{
		ID:       id,
		Account:  account,
		UserID:   aws.ToString(out.User.UserId),
		UserName: identity.Fold(fixedUser),
		Secret:   sealed,
		Created:  c.Now,
	}, id); err != nil {
		return err
	}
	return identity.Users.Edit(tx, func(u *identity.User) error {
		u.AccessKeys = append(u.AccessKeys, id)
		return nil
	}, string(account), identity.Fold(fixedUser))
}

// ownerRole finds the owner's role of an account and makes it again if someone
// deleted it: whoever owns the host cannot be locked out of it.
func (s *Server) ownerRole(tx store.Tx, account arn.AccountID) (*identity.Role, error) {
	if !identity.Accounts.Has(tx, string(account)) {
		return nil, fmt.Errorf("there is no account %s here", account)
	}
	role, err := identity.FindRole(tx, account, OwnerRole)
	if errors.Is(err, store.ErrNotFound) {
		if err := s.makeOwnerRole(tx, account); err != nil {
			return nil, err
		}
		return identity.FindRole(tx, account, OwnerRole)
	}
	return role, err
}
