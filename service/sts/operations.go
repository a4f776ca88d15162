package sts

import (
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lanyard-iam/lanyard/service"
)

// Operations is the service: its routing, its permissions, its coverage.
func (s *Service) Operations() service.Set {
	return service.Set{
		SigningName:  "sts",
		EventSource:  "sts.amazonaws.com",
		Version:      "2011-06-15",
		Namespace:    "https://sts.amazonaws.com/doc/2011-06-15/",
		ActionPrefix: "sts",
		Operations: []service.Operation{
			service.Op("AssumeRole", service.Issue, s.AssumeRole, s.mayAssumeRole,
				service.AccessFrom(func(in *sts.AssumeRoleInput) service.Access { return issueOrWrite(in.TokenCode) }),
				service.AlsoNeeds[sts.AssumeRoleInput]("sts:TagSession", "sts:SetSourceIdentity")),
			service.Op("AssumeRoot", service.Issue, s.AssumeRoot, mayAssumeRoot, service.NotOffered[sts.AssumeRootInput]("no account belongs to an organization, which root sessions are for")),
			service.Op("DecodeAuthorizationMessage", service.Read, s.DecodeAuthorizationMessage, anywhere[sts.DecodeAuthorizationMessageInput]),
			service.Op("GetAccessKeyInfo", service.Read, s.GetAccessKeyInfo, anywhere[sts.GetAccessKeyInfoInput]),
			service.Op("GetCallerIdentity", service.Read, s.GetCallerIdentity, nil), // cannot be denied
			service.Op("GetFederationToken", service.Issue, s.GetFederationToken, s.mayGetFederationToken,
				service.RecordedAs[sts.GetFederationTokenInput](false),
				service.AlsoNeeds[sts.GetFederationTokenInput]("sts:TagSession")),
			service.Op("GetSessionToken", service.Issue, s.GetSessionToken, nil, // needs no permission; no policy can block it
				service.AccessFrom(func(in *sts.GetSessionTokenInput) service.Access { return issueOrWrite(in.TokenCode) })),
		},
		NotYet: []string{
			"AssumeRoleWithSAML",
			"AssumeRoleWithWebIdentity",
			"GetDelegatedAccessToken",
			"GetWebIdentityToken",
		},
	}
}

// issueOrWrite is what handing out credentials does: with an MFA code it writes,
// since the code is used up.
func issueOrWrite(code *string) service.Access {
	if code != nil {
		return service.Write
	}
	return service.Issue
}
