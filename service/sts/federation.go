package sts

//lint:file-ignore SA1019 PackedPolicySize is what every client but the newest SDK reads.

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/session"
)

// mayGetFederationToken states what must be allowed for a federated user's
// session: to make it, and to give it tags.
func (s *Service) mayGetFederationToken(c *service.Call, in *sts.GetFederationTokenInput) ([]authz.Check, error) {
	if err := longTerm(c.Principal, "GetFederationToken"); err != nil {
		return nil, err
	}
	tags, err := parseTags(c.Principal, in.Tags, nil)
	if err != nil {
		return nil, err
	}
	check := authz.On(c.Scope.FederatedUser(aws.ToString(in.Name))).WithRequestTags(tags.requested)
	checks := []authz.Check{check}
	if tags.any() {
		checks = append(checks, check.WithAction("sts:TagSession"))
	}
	return checks, nil
}

// GetFederationToken gives a user or the root user credentials for someone whom
// they vouch for. What these may do is what both their policies and the session
// policies allow; without session policies that is nothing.
func (s *Service) GetFederationToken(c *service.Call, in *sts.GetFederationTokenInput) (*sts.GetFederationTokenOutput, error) {
	p := c.Principal
	policyARNs, err := sessionPolicies(in.Policy, in.PolicyArns)
	if err != nil {
		return nil, err
	}
	if err := s.mustExist(c, p.Account, policyARNs); err != nil {
		return nil, err
	}
	tags, err := parseTags(p, in.Tags, nil)
	if err != nil {
		return nil, err
	}
	sn := &session.Session{
		Kind:        session.Federated,
		Account:     p.Account,
		PrincipalID: p.ID,
		Name:        aws.ToString(in.Name),
		Policy:      aws.ToString(in.Policy),
		PolicyARNs:  policyARNs,
		Tags:        tags.all(),
		IssuerRoot:  p.Kind == authn.Root,
		// The MFA keys are absent for federated users.
	}
	packed, err := packedSize(sn, in.Policy != nil || len(in.PolicyArns) > 0 || tags.any())
	if err != nil {
		return nil, err
	}
	credentials, err := s.issue(c, sn, ownLifetime(p, in.DurationSeconds))
	if err != nil {
		return nil, err
	}
	out := &sts.GetFederationTokenOutput{
		Credentials: credentials,
		FederatedUser: &types.FederatedUser{
			Arn:             aws.String(c.Scope.FederatedUser(sn.Name)),
			FederatedUserId: aws.String(string(p.Account) + ":" + sn.Name),
		},
		PackedPolicySize: packed,
	}
	out.SessionTokenSize, out.SessionTokenUtilization = tokenSize(credentials)
	return out, nil
}
