package sts

import (
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// anywhere states the operation's own action, on no resource in particular.
func anywhere[I any](*service.Call, *I) ([]authz.Check, error) {
	return []authz.Check{authz.On("*")}, nil
}

// GetCallerIdentity tells callers who they are.
func (s *Service) GetCallerIdentity(c *service.Call, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	return &sts.GetCallerIdentityOutput{
		Account: aws.String(string(c.Principal.Account)),
		Arn:     aws.String(c.Principal.ARN),
		UserId:  aws.String(c.Principal.UserID),
	}, nil
}

// GetAccessKeyInfo tells which account an access key id belongs to: by the record
// of the key, or else, also for keys of AWS itself and for temporary ones, by the
// account that the id encodes. It does not tell whether the key exists or works.
func (s *Service) GetAccessKeyInfo(c *service.Call, in *sts.GetAccessKeyInfoInput) (*sts.GetAccessKeyInfoOutput, error) {
	id := aws.ToString(in.AccessKeyId)
	key, err := identity.AccessKeys.Get(c.Reader, id)
	switch {
	case err == nil:
		return &sts.GetAccessKeyInfoOutput{Account: aws.String(string(key.Account))}, nil
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	account, ok := arn.AccountOfAccessKey(id)
	if !ok || !(strings.HasPrefix(id, arn.PrefixAccessKey) || strings.HasPrefix(id, arn.PrefixSessionKey)) {
		return nil, service.Invalid("%s is invalid", id)
	}
	return &sts.GetAccessKeyInfoOutput{Account: aws.String(string(account))}, nil
}

// DecodeAuthorizationMessage decodes why a request of the caller's account was
// denied.
func (s *Service) DecodeAuthorizationMessage(c *service.Call, in *sts.DecodeAuthorizationMessageInput) (*sts.DecodeAuthorizationMessageOutput, error) {
	text, err := s.config.Decode(c.Principal.Account, aws.ToString(in.EncodedMessage))
	if err != nil {
		return nil, &types.InvalidAuthorizationMessageException{Message: aws.String("Message is not valid.")}
	}
	return &sts.DecodeAuthorizationMessageOutput{DecodedMessage: aws.String(text)}, nil
}
