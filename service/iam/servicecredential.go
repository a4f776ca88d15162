package iam

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// serviceSecretBytes is the randomness of a service password: 360 bits, which
// base64 writes as 60 characters.
const serviceSecretBytes = 45

// apiKeyPrefix is what the API keys of a service begin with. Of the services that
// have credentials of their own, those with an empty prefix have user names and
// passwords instead.
func apiKeyPrefix(serviceName string) (prefix string, ok bool) {
	switch serviceName {
	case "codecommit.amazonaws.com", "cassandra.amazonaws.com":
		return "", true
	case "bedrock.amazonaws.com":
		return "ABSK", true
	case "logs.amazonaws.com":
		return "ACWL", true
	case "cloudwatch.amazonaws.com":
		return "APIAACWM", true
	case "aws-external-anthropic.amazonaws.com":
		return "AEAA", true
	}
	return "", false
}

// CreateServiceSpecificCredential gives a user a name and password, or an API key,
// for one service. The secret is in the answer and can never be read again.
func (s *Service) CreateServiceSpecificCredential(c *service.Call, in *iam.CreateServiceSpecificCredentialInput) (*iam.CreateServiceSpecificCredentialOutput, error) {
	name, err := serviceNamed(*in.ServiceName)
	if err != nil {
		return nil, err
	}
	if prefix, _ := apiKeyPrefix(name); prefix == "" && in.CredentialAgeDays != nil {
		return nil, invalidInput("CredentialAgeDays is only valid for services that support API keys, and %s does not.", name)
	}
	u, err := credentialHolder(c, in.UserName)
	if err != nil {
		return nil, err
	}
	have, taken := 0, make(map[string]bool)
	err = identity.ServiceCredentials.Scan(c.Reader, "", func(key store.Key, other *identity.ServiceCredential) bool {
		if other.Service == name {
			taken[identity.Fold(other.Login)] = true
			if key.Parts()[1] == u.id {
				have++
			}
		}
		return true
	}, c.Account())
	if err != nil {
		return nil, err
	}
	if err := (quota{"ServiceSpecificCredentialsPerUser", s.limits.ServiceCredentialsPerService}).admits(have); err != nil {
		return nil, err
	}
	id, err := arn.NewUniqueID(arn.PrefixServiceCredential, c.Rand)
	if err != nil {
		return nil, err
	}
	credential := &identity.ServiceCredential{ID: id, Service: name, Login: freeLogin(u.name, c.Account(), taken), Created: second(c.Now)}
	if in.CredentialAgeDays != nil {
		credential.Expires = credential.Created.AddDate(0, 0, int(*in.CredentialAgeDays))
	}
	out, err := renewSecret(c, u, credential)
	if err != nil {
		return nil, err
	}
	if err := identity.ServiceCredentials.Put(c.Tx, credential, c.Account(), u.id, id); err != nil {
		return nil, err
	}
	return &iam.CreateServiceSpecificCredentialOutput{ServiceSpecificCredential: out}, nil
}

// ListServiceSpecificCredentials lists the credentials of a user, by default the
// caller, or those of all users, for one service or for all.
func (s *Service) ListServiceSpecificCredentials(c *service.Call, in *iam.ListServiceSpecificCredentialsInput) (*iam.ListServiceSpecificCredentialsOutput, error) {
	wanted, err := listedService(in)
	if err != nil {
		return nil, err
	}
	prefix := []string{c.Account()}
	var u holder
	if !aws.ToBool(in.AllUsers) {
		if u, err = credentialHolder(c, in.UserName); err != nil {
			return nil, err
		}
		prefix = append(prefix, u.id)
	}
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, types.ServiceSpecificCredentialMetadata) bool) error {
		var lost error
		err := identity.ServiceCredentials.Scan(c.Reader, after, func(key store.Key, credential *identity.ServiceCredential) bool {
			if wanted != "" && credential.Service != wanted {
				return true
			}
			// All users are met one after the other.
			if id := key.Parts()[1]; u.id != id {
				var owner *identity.User
				if owner, lost = identity.UserByID(c.Reader, id); lost != nil {
					lost = fmt.Errorf("owner of service-specific credential %s: %v", credential.ID, lost) // not "not found": the credential is there
					return false
				}
				u = holder{id: id, name: owner.Name}
			}
			return yield(identity.ServiceCredentials.Cursor(key, prefix...), toServiceCredentialEntry(c, u, credential))
		}, prefix...)
		return errors.Join(err, lost)
	})
	if err != nil {
		return nil, err
	}
	return &iam.ListServiceSpecificCredentialsOutput{ServiceSpecificCredentials: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// UpdateServiceSpecificCredential activates or deactivates a credential. One that
// has expired stays so.
func (s *Service) UpdateServiceSpecificCredential(c *service.Call, in *iam.UpdateServiceSpecificCredentialInput) (*iam.UpdateServiceSpecificCredentialOutput, error) {
	inactive, err := settable(in.Status, "a service-specific credential")
	if err != nil {
		return nil, err
	}
	u, err := credentialHolder(c, in.UserName)
	if err != nil {
		return nil, err
	}
	return &iam.UpdateServiceSpecificCredentialOutput{}, editServiceCredential(c, u, *in.ServiceSpecificCredentialId, func(credential *identity.ServiceCredential) error {
		credential.Inactive = inactive
		return nil
	})
}

// ResetServiceSpecificCredential replaces the secret of a credential. All else
// about it stays, when it expires included.
func (s *Service) ResetServiceSpecificCredential(c *service.Call, in *iam.ResetServiceSpecificCredentialInput) (*iam.ResetServiceSpecificCredentialOutput, error) {
	u, err := credentialHolder(c, in.UserName)
	if err != nil {
		return nil, err
	}
	out := new(iam.ResetServiceSpecificCredentialOutput)
	return out, editServiceCredential(c, u, *in.ServiceSpecificCredentialId, func(credential *identity.ServiceCredential) (err error) {
		out.ServiceSpecificCredential, err = renewSecret(c, u, credential)
		return err
	})
}

// DeleteServiceSpecificCredential removes a credential.
func (s *Service) DeleteServiceSpecificCredential(c *service.Call, in *iam.DeleteServiceSpecificCredentialInput) (*iam.DeleteServiceSpecificCredentialOutput, error) {
	u, err := credentialHolder(c, in.UserName)
	if err != nil {
		return nil, err
	}
	if !identity.ServiceCredentials.Has(c.Reader, c.Account(), u.id, *in.ServiceSpecificCredentialId) {
		return nil, orNoServiceCredential(store.ErrNotFound, *in.ServiceSpecificCredentialId)
	}
	identity.ServiceCredentials.Delete(c.Tx, c.Account(), u.id, *in.ServiceSpecificCredentialId)
	return &iam.DeleteServiceSpecificCredentialOutput{}, nil
}

// toServiceCredentialEntry is a credential as lists show it.
func toServiceCredentialEntry(c *service.Call, u holder, credential *identity.ServiceCredential) types.ServiceSpecificCredentialMetadata {
	out := types.ServiceSpecificCredentialMetadata{
		CreateDate:                  shown(credential.Created),
		ExpirationDate:              shown(credential.Expires),
		ServiceName:                 &credential.Service,
		ServiceSpecificCredentialId: &credential.ID,
		Status:                      statusOf(credential.Inactive),
		UserName:                    &u.name,
	}
	if credential.Expired(c.Now) {
		out.Status = types.StatusTypeExpired
	}
	if prefix, _ := apiKeyPrefix(credential.Service); prefix == "" {
		out.ServiceUserName = &credential.Login
	} else {
		out.ServiceCredentialAlias = &credential.Login
	}
	return out
}

// renewSecret draws a secret for a credential and returns what is shown of it, once.
// An API key contains its alias, so that whoever checks one finds the credential.
func renewSecret(c *service.Call, u holder, credential *identity.ServiceCredential) (*types.ServiceSpecificCredential, error) {
	var b [serviceSecretBytes]byte
	if _, err := io.ReadFull(c.Rand, b[:]); err != nil {
		return nil, fmt.Errorf("draw service password: %w", err)
	}
	entry := toServiceCredentialEntry(c, u, credential)
	out := &types.ServiceSpecificCredential{
		CreateDate:                  entry.CreateDate,
		ExpirationDate:              entry.ExpirationDate,
		ServiceCredentialAlias:      entry.ServiceCredentialAlias,
		ServiceName:                 entry.ServiceName,
		ServiceSpecificCredentialId: entry.ServiceSpecificCredentialId,
		ServiceUserName:             entry.ServiceUserName,
		Status:                      entry.Status,
		UserName:                    entry.UserName,
	}
	secret := base64.StdEncoding.EncodeToString(b[:])
	if prefix, _ := apiKeyPrefix(credential.Service); prefix == "" {
		out.ServicePassword = &secret
	} else {
		secret = prefix + base64.StdEncoding.EncodeToString([]byte(credential.Login+":"+secret))
		out.ServiceCredentialSecret = &secret
	}
	credential.SetSecret(secret)
	return out, nil
}

// freeLogin is the first name of jane-at-123456789012, jane+1-at-123456789012 and so
// on that is not taken: by another credential of the user, or by one of a user who
// had the name before.
func freeLogin(user, account string, taken map[string]bool) string {
	for n := 0; ; n++ {
		login := user
		if n > 0 {
			login += "+" + strconv.Itoa(n)
		}
		if login += "-at-" + account; !taken[identity.Fold(login)] {
			return login
		}
	}
}

// serviceNamed is the canonical name of a service that has credentials of its own.
func serviceNamed(name string) (string, error) {
	canonical := identity.Fold(name)
	if _, ok := apiKeyPrefix(canonical); !ok {
		return "", noSuchEntity("No such service %s is supported for Service Specific Credentials", name)
	}
	return canonical, nil
}

// listedService is the service whose credentials a list is to show, empty for all.
func listedService(in *iam.ListServiceSpecificCredentialsInput) (string, error) {
	if aws.ToBool(in.AllUsers) && in.UserName != nil {
		return "", service.Invalid("UserName cannot be specified when AllUsers is true.")
	}
	if aws.ToString(in.ServiceName) == "" {
		return "", nil
	}
	return serviceNamed(*in.ServiceName)
}

// credentialHolder is whose service-specific credentials an operation means,
// without a name the caller: a user's session as well as a user's key.
func credentialHolder(c *service.Call, name *string) (holder, error) {
	who, err := personOf(c, name)
	if err != nil {
		return holder{}, err
	}
	return who.holder(c)
}

func editServiceCredential(c *service.Call, u holder, id string, change func(*identity.ServiceCredential) error) error {
	return orNoServiceCredential(identity.ServiceCredentials.Edit(c.Tx, change, c.Account(), u.id, id), id)
}

func orNoServiceCredential(err error, id string) error {
	return orNoSuchEntity(err, "No such credential %s exists", id)
}

// mayCreateServiceCredential asks about the user, with what the credential will be.
func mayCreateServiceCredential(c *service.Call, in *iam.CreateServiceSpecificCredentialInput) ([]authz.Check, error) {
	check, err := checkUser(c, in.UserName)
	if err != nil {
		return nil, err
	}
	check = check.With("iam:ServiceSpecificCredentialServiceName", identity.Fold(*in.ServiceName))
	if in.CredentialAgeDays != nil {
		check = check.With("iam:ServiceSpecificCredentialAgeDays", strconv.Itoa(int(*in.CredentialAgeDays)))
	}
	return []authz.Check{check}, nil
}

// mayListServiceCredentials asks about the user, or about all of the account.
func mayListServiceCredentials(c *service.Call, in *iam.ListServiceSpecificCredentialsInput) ([]authz.Check, error) {
	check := authz.On(c.Scope.User("/", "*"))
	if !aws.ToBool(in.AllUsers) {
		var err error
		if check, err = checkUser(c, in.UserName); err != nil {
			return nil, err
		}
	}
	if name := aws.ToString(in.ServiceName); name != "" {
		check = check.With("iam:ServiceSpecificCredentialServiceName", identity.Fold(name))
	}
	return []authz.Check{check}, nil
}

// onServiceCredential states that an operation changes a credential that exists: it
// asks about the user, and the condition key is the credential's service.
func onServiceCredential[I any](user, id func(*I) *string) checks[I] {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		who, err := personOf(c, user(in))
		if err != nil {
			return nil, err
		}
		check, err := who.check(c)
		if err != nil {
			return nil, err
		}
		u, err := who.holder(c)
		if err != nil {
			return []authz.Check{check}, nil // the operation says so, to those who may
		}
		credential, err := identity.ServiceCredentials.Get(c.Reader, c.Account(), u.id, *id(in))
		switch {
		case err == nil:
			check = check.With("iam:ServiceSpecificCredentialServiceName", credential.Service)
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
		return []authz.Check{check}, nil
	}
}
