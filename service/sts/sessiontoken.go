package sts

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/session"
)

// Lifetimes of the sessions that long-term credentials get for themselves (STS
// API, GetSessionToken and GetFederationToken). The range of the parameter is in
// the API's model; what the root user asks for beyond an hour is cut, silently.
const (
	ownDefault = 12 * time.Hour
	rootMost   = time.Hour
)

// GetSessionToken gives a user or the root user temporary credentials of their
// own; with an MFA code, such as carry that MFA was used.
func (s *Service) GetSessionToken(c *service.Call, in *sts.GetSessionTokenInput) (*sts.GetSessionTokenOutput, error) {
	p := c.Principal
	if err := longTerm(p, "GetSessionToken"); err != nil {
		return nil, err
	}
	withMFA, err := s.useCode(c, in.SerialNumber, in.TokenCode)
	if err != nil {
		return nil, err
	}
	sn := &session.Session{
		Kind:        session.User,
		Account:     p.Account,
		PrincipalID: p.ID,
		MFAKnown:    true,
		MFA:         withMFA,
	}
	if withMFA {
		sn.MFATime = c.Now
	}
	if p.Kind == authn.Root {
		sn.Kind = session.Root
	}
	credentials, err := s.issue(c, sn, ownLifetime(p, in.DurationSeconds))
	if err != nil {
		return nil, keepCode(in.TokenCode, err)
	}
	out := &sts.GetSessionTokenOutput{Credentials: credentials}
	out.SessionTokenSize, out.SessionTokenUtilization = tokenSize(credentials)
	return out, nil
}

// longTerm refuses callers without long-term credentials: a session may not get
// itself another one and so outlive itself.
func longTerm(p *authn.Principal, operation string) error {
	if p.Temporary() || (p.Kind != authn.User && p.Kind != authn.Root) {
		return service.Denied("Cannot call " + operation + " with session credentials")
	}
	return nil
}

func ownLifetime(p *authn.Principal, parameter *int32) time.Duration {
	lifetime := seconds(parameter, ownDefault)
	if p.Kind == authn.Root {
		return min(lifetime, rootMost)
	}
	return lifetime
}

// useCode checks an MFA code of the caller and uses it up. It reports false when
// the request brings neither code nor serial number.
func (s *Service) useCode(c *service.Call, serial, code *string) (bool, error) {
	if serial == nil && code == nil {
		return false, nil
	}
	if err := s.config.MFA.Check(c.Tx, c.Principal, aws.ToString(serial), aws.ToString(code), c.Now); err != nil {
		return false, refusedCode(err)
	}
	return true, nil
}
