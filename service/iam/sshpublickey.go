package iam

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/sshkey"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// UploadSSHPublicKey gives a user an SSH public key. It is kept in one form,
// whichever it came in.
func (s *Service) UploadSSHPublicKey(c *service.Call, in *iam.UploadSSHPublicKeyInput) (*iam.UploadSSHPublicKeyOutput, error) {
	u, err := holderOf(c, in.UserName)
	if err != nil {
		return nil, err
	}
	parsed, err := sshkey.Parse(*in.SSHPublicKeyBody)
	if err != nil {
		return nil, refusedSSHKey(err)
	}
	key := &identity.SSHPublicKey{Body: parsed.SSH(), Uploaded: second(c.Now)}
	have, same := 0, false
	err = identity.SSHPublicKeys.Scan(c.Reader, "", func(_ store.Key, other *identity.SSHPublicKey) bool {
		have++
		same = same || other.Body == key.Body
		return true
	}, c.Account(), u.id)
	if err != nil {
		return nil, err
	}
	if same {
		return nil, &types.DuplicateSSHPublicKeyException{Message: aws.String("The SSH public key is already associated with the specified IAM user.")}
	}
	if err := (quota{"SSHPublicKeysPerUser", s.limits.SSHPublicKeysPerUser}).admits(have); err != nil {
		return nil, err
	}
	if key.ID, err = arn.NewUniqueID(arn.PrefixPublicKey, c.Rand); err != nil {
		return nil, err
	}
	if err := identity.SSHPublicKeys.Put(c.Tx, key, c.Account(), u.id, key.ID); err != nil {
		return nil, err
	}
	return &iam.UploadSSHPublicKeyOutput{SSHPublicKey: toSSHPublicKey(u, key, parsed, *in.SSHPublicKeyBody)}, nil
}

// GetSSHPublicKey shows a user's SSH public key in the form that is asked for.
func (s *Service) GetSSHPublicKey(c *service.Call, in *iam.GetSSHPublicKeyInput) (*iam.GetSSHPublicKeyOutput, error) {
	u, err := holderOf(c, in.UserName)
	if err != nil {
		return nil, err
	}
	key, err := identity.SSHPublicKeys.Get(c.Reader, c.Account(), u.id, *in.SSHPublicKeyId)
	if err != nil {
		return nil, orNoSSHKey(err, *in.SSHPublicKeyId)
	}
	parsed, err := sshkey.Parse(key.Body)
	if err != nil {
		return nil, fmt.Errorf("SSH public key %s: %w", key.ID, err)
	}
	body := key.Body
	if in.Encoding == types.EncodingTypePem {
		if body, err = parsed.PEM(); err != nil {
			return nil, fmt.Errorf("SSH public key %s: %w", key.ID, err)
		}
	}
	return &iam.GetSSHPublicKeyOutput{SSHPublicKey: toSSHPublicKey(u, key, parsed, body)}, nil
}

// ListSSHPublicKeys lists the SSH public keys of a user. Root has none.
func (s *Service) ListSSHPublicKeys(c *service.Call, in *iam.ListSSHPublicKeysInput) (*iam.ListSSHPublicKeysOutput, error) {
	u, err := holderOf(c, in.UserName)
	if err != nil {
		return nil, err
	}
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, types.SSHPublicKeyMetadata) bool) error {
		return identity.SSHPublicKeys.Scan(c.Reader, after, func(_ store.Key, key *identity.SSHPublicKey) bool {
			return yield(key.ID, types.SSHPublicKeyMetadata{
				SSHPublicKeyId: &key.ID,
				Status:         statusOf(key.Inactive),
				UploadDate:     shown(key.Uploaded),
				UserName:       &u.name,
			})
		}, c.Account(), u.id)
	})
	if err != nil {
		return nil, err
	}
	return &iam.ListSSHPublicKeysOutput{SSHPublicKeys: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// UpdateSSHPublicKey activates or deactivates an SSH public key.
func (s *Service) UpdateSSHPublicKey(c *service.Call, in *iam.UpdateSSHPublicKeyInput) (*iam.UpdateSSHPublicKeyOutput, error) {
	inactive, err := settable(in.Status, "an SSH public key")
	if err != nil {
		return nil, err
	}
	u, err := holderOf(c, in.UserName)
	if err != nil {
		return nil, err
	}
	err = identity.SSHPublicKeys.Edit(c.Tx, func(key *identity.SSHPublicKey) error {
		key.Inactive = inactive
		return nil
	}, c.Account(), u.id, *in.SSHPublicKeyId)
	return &iam.UpdateSSHPublicKeyOutput{}, orNoSSHKey(err, *in.SSHPublicKeyId)
}

// DeleteSSHPublicKey removes an SSH public key.
func (s *Service) DeleteSSHPublicKey(c *service.Call, in *iam.DeleteSSHPublicKeyInput) (*iam.DeleteSSHPublicKeyOutput, error) {
	u, err := holderOf(c, in.UserName)
	if err != nil {
		return nil, err
	}
	if !identity.SSHPublicKeys.Has(c.Reader, c.Account(), u.id, *in.SSHPublicKeyId) {
		return nil, orNoSSHKey(store.ErrNotFound, *in.SSHPublicKeyId)
	}
	identity.SSHPublicKeys.Delete(c.Tx, c.Account(), u.id, *in.SSHPublicKeyId)
	return &iam.DeleteSSHPublicKeyOutput{}, nil
}

func toSSHPublicKey(u holder, key *identity.SSHPublicKey, parsed *sshkey.Key, body string) *types.SSHPublicKey {
	return &types.SSHPublicKey{
		Fingerprint:      aws.String(parsed.Fingerprint()),
		SSHPublicKeyBody: &body,
		SSHPublicKeyId:   &key.ID,
		Status:           statusOf(key.Inactive),
		UploadDate:       shown(key.Uploaded),
		UserName:         &u.name,
	}
}

// refusedSSHKey is AWS's error for a text that is no SSH public key.
func refusedSSHKey(err error) error {
	switch {
	case errors.Is(err, sshkey.ErrEncoding):
		return &types.UnrecognizedPublicKeyEncodingException{Message: aws.String("Invalid public key uploaded.")}
	case errors.Is(err, sshkey.ErrInvalid):
		return &types.InvalidPublicKeyException{Message: aws.String("The public key is malformed, or is not an RSA key of at least 2048 bits.")}
	}
	return err
}

func orNoSSHKey(err error, id string) error {
	return orNoSuchEntity(err, "The SSH Public Key with id %s cannot be found", id)
}
