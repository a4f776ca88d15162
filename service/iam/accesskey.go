package iam

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// secretBytes is the randomness of a secret access key: 240 bits, which base64
// writes as the 40 characters of AWS's.
const secretBytes = 30

// maxDraws bounds how often an access key id is drawn anew. Of 39 random bits and
// 10,000 keys, one draw meets a used one with a chance of 1 in 50 million.
const maxDraws = 8

// noRootKeys says why there are none and what there is instead.
const noRootKeys = "The root user cannot have access keys: nothing could limit them, and they would never expire. " +
	"For the tasks that only root can do use temporary credentials (lanyard env --root); for all others create an IAM user or role and use its credentials."

// CreateAccessKey makes a long-term access key for a user. Its secret is in the
// answer and can never be read again.
func (s *Service) CreateAccessKey(c *service.Call, in *iam.CreateAccessKeyInput) (*iam.CreateAccessKeyOutput, error) {
	who, err := keyOwner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	if who.root {
		return nil, service.Denied(noRootKeys)
	}
	u, err := findUser(c, who.name)
	if err != nil {
		return nil, err
	}
	if err := (quota{"AccessKeysPerUser", s.limits.AccessKeysPerUser}).admits(len(u.AccessKeys)); err != nil {
		return nil, err
	}
	id, err := newAccessKeyID(c)
	if err != nil {
		return nil, err
	}
	secret, err := newSecret(c.Rand)
	if err != nil {
		return nil, err
	}
	sealed, err := s.ring.Seal(keyring.AccessKeySecrets, string(identity.AccessKeys.Key(id)), []byte(secret))
	if err != nil {
		return nil, fmt.Errorf("seal access key %s: %w", id, err)
	}
	key := &identity.AccessKey{
		ID:       id,
		Account:  c.Scope.Account,
		UserID:   u.ID,
		UserName: identity.Fold(u.Name),
		Secret:   sealed,
		Created:  second(c.Now),
	}
	if err := identity.AccessKeys.Put(c.Tx, key, id); err != nil {
		return nil, err
	}
	err = editUser(c, u.Name, func(u *identity.User) error {
		u.AccessKeys = append(u.AccessKeys, id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.CreateAccessKeyOutput{AccessKey: &types.AccessKey{
		AccessKeyId:     &id,
		CreateDate:      shown(key.Created),
		SecretAccessKey: &secret,
		Status:          types.StatusTypeActive,
		UserName:        &u.Name,
	}}, nil
}

// ListAccessKeys lists the access keys of a user, oldest first. Root has none.
func (s *Service) ListAccessKeys(c *service.Call, in *iam.ListAccessKeysInput) (*iam.ListAccessKeysOutput, error) {
	who, err := keyOwner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	if who.root {
		return &iam.ListAccessKeysOutput{AccessKeyMetadata: []types.AccessKeyMetadata{}}, nil
	}
	u, err := findUser(c, who.name)
	if err != nil {
		return nil, err
	}
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, types.AccessKeyMetadata) bool) error {
		for _, id := range u.AccessKeys[slices.Index(u.AccessKeys, after)+1:] {
			key, err := identity.AccessKeys.Get(c.Reader, id)
			if err != nil {
				return fmt.Errorf("access key %s of user %s: %w", id, u.Name, err)
			}
			if !yield(id, accessKeyEntry(key, u)) {
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.ListAccessKeysOutput{AccessKeyMetadata: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// UpdateAccessKey activates or deactivates an access key.
func (s *Service) UpdateAccessKey(c *service.Call, in *iam.UpdateAccessKeyInput) (*iam.UpdateAccessKeyOutput, error) {
	inactive, err := settable(in.Status, "an access key")
	if err != nil {
		return nil, err
	}
	if _, err := ownKey(c, in.UserName, *in.AccessKeyId); err != nil {
		return nil, err
	}
	return &iam.UpdateAccessKeyOutput{}, identity.AccessKeys.Edit(c.Tx, func(k *identity.AccessKey) error {
		k.Inactive = inactive
		return nil
	}, *in.AccessKeyId)
}

// DeleteAccessKey removes an access key.
func (s *Service) DeleteAccessKey(c *service.Call, in *iam.DeleteAccessKeyInput) (*iam.DeleteAccessKeyOutput, error) {
	u, err := ownKey(c, in.UserName, *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	identity.AccessKeys.Delete(c.Tx, *in.AccessKeyId)
	identity.LastUses.Delete(c.Tx, *in.AccessKeyId)
	return &iam.DeleteAccessKeyOutput{}, editUser(c, u.Name, func(u *identity.User) error {
		u.AccessKeys = slices.DeleteFunc(u.AccessKeys, func(id string) bool { return id == *in.AccessKeyId })
		return nil
	})
}

// GetAccessKeyLastUsed tells whose a key is, and when and for what it was last used.
func (s *Service) GetAccessKeyLastUsed(c *service.Call, in *iam.GetAccessKeyLastUsedInput) (*iam.GetAccessKeyLastUsedOutput, error) {
	_, u, err := keyInAccount(c, *in.AccessKeyId)
	if err != nil {
		return nil, orNoSuchKey(err, *in.AccessKeyId)
	}
	last := &types.AccessKeyLastUsed{Region: aws.String("N/A"), ServiceName: aws.String("N/A")}
	use, err := identity.LastUses.Get(c.Reader, *in.AccessKeyId)
	switch {
	case err == nil:
		last.LastUsedDate = shown(use.At)
		last.Region, last.ServiceName = orNotApplicable(use.Region), orNotApplicable(use.Service)
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	return &iam.GetAccessKeyLastUsedOutput{AccessKeyLastUsed: last, UserName: &u.Name}, nil
}

func accessKeyEntry(key *identity.AccessKey, u *identity.User) types.AccessKeyMetadata {
	return types.AccessKeyMetadata{
		AccessKeyId: &key.ID,
		CreateDate:  shown(key.Created),
		Status:      statusOf(key.Inactive),
		UserName:    &u.Name,
	}
}

func orNotApplicable(s string) *string {
	if s == "" {
		s = "N/A"
	}
	return &s
}

// newAccessKeyID draws an access key id that no key has.
func newAccessKeyID(c *service.Call) (string, error) {
	for range maxDraws {
		id, err := arn.NewAccessKeyID(arn.PrefixAccessKey, c.Scope.Account, c.Rand)
		if err != nil {
			return "", err
		}
		if !identity.AccessKeys.Has(c.Reader, id) {
			return id, nil
		}
	}
	return "", fmt.Errorf("no free access key id in %d draws", maxDraws)
}

func newSecret(rand io.Reader) (string, error) {
	var b [secretBytes]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("draw secret access key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(b[:]), nil
}

// keyOwner is whose access keys an operation means. Without a name that is the
// owner of the key that signed the request, so that temporary credentials, which
// were signed with none of theirs, must name the user.
func keyOwner(c *service.Call, name *string) (person, error) {
	if name == nil && c.Principal.Temporary() && c.Principal.Kind != authn.Root {
		return person{}, mustNameUser()
	}
	return personOf(c, name)
}

// ownKey finds the owner of a key, if the key is that of the user whom an operation
// means. A key of someone else is as good as none.
func ownKey(c *service.Call, name *string, id string) (*identity.User, error) {
	who, err := keyOwner(c, name)
	if err != nil {
		return nil, err
	}
	if who.root {
		return nil, orNoSuchKey(store.ErrNotFound, id)
	}
	u, err := findUser(c, who.name)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(u.AccessKeys, id) {
		return nil, orNoSuchKey(store.ErrNotFound, id)
	}
	return u, nil
}

// keyInAccount finds a key of the caller's account and its owner.
func keyInAccount(c *service.Call, id string) (*identity.AccessKey, *identity.User, error) {
	key, err := identity.AccessKeys.Get(c.Reader, id)
	if err != nil {
		return nil, nil, err
	}
	if key.Account != c.Scope.Account {
		return nil, nil, store.ErrNotFound
	}
	u, err := identity.Users.Get(c.Reader, c.Account(), key.UserName)
	if err != nil {
		return nil, nil, fmt.Errorf("owner of access key %s: %v", id, err) // not "not found": the key is there
	}
	return key, u, nil
}

func orNoSuchKey(err error, id string) error {
	return orNoSuchEntity(err, "The Access Key with id %s cannot be found", id)
}

// onKeyOwner states that an operation acts on the user whose access keys it means.
func onKeyOwner[I any](get func(*I) *string) func(*service.Call, *I) ([]authz.Check, error) {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		who, err := keyOwner(c, get(in))
		if err != nil {
			return nil, err
		}
		check, err := who.check(c)
		if err != nil {
			return nil, err
		}
		return []authz.Check{check}, nil
	}
}

// mayGetAccessKeyLastUsed: the resource is the key's owner. A key that is not in
// the account belongs to nobody whom a policy could name, so that only callers
// who may ask about everybody learn that.
func mayGetAccessKeyLastUsed(c *service.Call, in *iam.GetAccessKeyLastUsedInput) ([]authz.Check, error) {
	_, u, err := keyInAccount(c, *in.AccessKeyId)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return []authz.Check{authz.On("*")}, nil
	case err != nil:
		return nil, err
	}
	return []authz.Check{authz.On(u.ARN(c.Scope.Partition)).WithResourceTags(u.Tags)}, nil
}
