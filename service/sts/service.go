// Package sts owns the operations of AWS Security Token Service: who gets
// temporary credentials, for how long, and what they carry along: session
// policies, session tags, source identity and the state of MFA.
//
// It leaves the form of credentials to package session, the check of MFA codes to
// package authn, and the meaning of trust policies to packages authz and policy.
// What a kind of credentials may call at all is package authz's, too.
//
// Sources: STS API Reference; IAM User Guide, "Temporary security credentials in
// IAM" and "Pass session tags in AWS STS".
package sts

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/session"
)

// Config is what STS is built from. All fields must be set.
type Config struct {
	Sessions *session.Codec
	MFA      *authn.MFA
	// Trust compiles the trust policy of a role.
	Trust func(role *identity.Role, partition arn.Partition) (*policy.Set, error)
	// Managed knows the AWS managed policies, which may be session policies.
	Managed *awsmanaged.Catalogue
	// Decode opens an encoded authorization message of an account. Any error means
	// that it is not one.
	Decode func(account arn.AccountID, message string) (string, error)
}

// Service is AWS STS.
type Service struct {
	config Config
}

// New makes STS.
func New(config Config) *Service { return &Service{config: config} }

// issue makes the credentials of a session for the caller, valid from now on.
func (s *Service) issue(c *service.Call, sn *session.Session, lifetime time.Duration) (*types.Credentials, error) {
	sn.Issued = c.Now
	sn.Expires = c.Now.Add(lifetime)
	sn.Issuer = c.Principal.AccessKeyID
	sn.Origin = c.Principal.Origin()
	cr, err := s.config.Sessions.Mint(sn, c.Rand)
	if err != nil {
		return nil, err
	}
	return &types.Credentials{
		AccessKeyId:     aws.String(cr.AccessKeyID),
		SecretAccessKey: aws.String(cr.SecretAccessKey),
		SessionToken:    aws.String(cr.SessionToken),
		Expiration:      aws.Time(cr.Expires),
	}, nil
}

// fullToken is the length in bytes of a session token that counts as full (STS API,
// MinimumSessionTokenSize). A token may be longer, up to session.MaxToken.
const fullToken = 4096

// tokenSize is SessionTokenSize, in bytes, and SessionTokenUtilization, in percent,
// rounded up.
func tokenSize(credentials *types.Credentials) (size, utilization *int32) {
	n := int32(len(*credentials.SessionToken))
	return &n, aws.Int32(min((n*100+fullToken-1)/fullToken, 100))
}

// seconds is a duration parameter, or what applies without it.
func seconds(parameter *int32, otherwise time.Duration) time.Duration {
	if parameter == nil {
		return otherwise
	}
	return time.Duration(*parameter) * time.Second
}
