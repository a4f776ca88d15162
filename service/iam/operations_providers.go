package iam

import (
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/service"
)

// providerOperations are the operations on identity providers.
func (s *Service) providerOperations() []service.Operation {
	const read, write = service.Read, service.Write
	return []service.Operation{
		service.Op("CreateOpenIDConnectProvider", write, s.CreateOpenIDConnectProvider, mayCreateOIDCProvider, service.AlsoNeeds[iam.CreateOpenIDConnectProviderInput]("iam:TagOpenIDConnectProvider")),
		service.Op("GetOpenIDConnectProvider", read, s.GetOpenIDConnectProvider, onOIDCProvider(func(in *iam.GetOpenIDConnectProviderInput) *string { return in.OpenIDConnectProviderArn })),
		service.Op("ListOpenIDConnectProviders", read, s.ListOpenIDConnectProviders, mayListOIDCProviders),
		service.Op("AddClientIDToOpenIDConnectProvider", write, s.AddClientIDToOpenIDConnectProvider, onOIDCProvider(func(in *iam.AddClientIDToOpenIDConnectProviderInput) *string { return in.OpenIDConnectProviderArn })),
		service.Op("RemoveClientIDFromOpenIDConnectProvider", write, s.RemoveClientIDFromOpenIDConnectProvider, onOIDCProvider(func(in *iam.RemoveClientIDFromOpenIDConnectProviderInput) *string { return in.OpenIDConnectProviderArn })),
		service.Op("UpdateOpenIDConnectProviderThumbprint", write, s.UpdateOpenIDConnectProviderThumbprint, onOIDCProvider(func(in *iam.UpdateOpenIDConnectProviderThumbprintInput) *string { return in.OpenIDConnectProviderArn })),
		service.Op("DeleteOpenIDConnectProvider", write, s.DeleteOpenIDConnectProvider, onOIDCProvider(func(in *iam.DeleteOpenIDConnectProviderInput) *string { return in.OpenIDConnectProviderArn })),
		service.Op("TagOpenIDConnectProvider", write, s.TagOpenIDConnectProvider, tagging(onOIDCProvider(func(in *iam.TagOpenIDConnectProviderInput) *string { return in.OpenIDConnectProviderArn }), func(in *iam.TagOpenIDConnectProviderInput) []types.Tag { return in.Tags })),
		service.Op("UntagOpenIDConnectProvider", write, s.UntagOpenIDConnectProvider, untagging(onOIDCProvider(func(in *iam.UntagOpenIDConnectProviderInput) *string { return in.OpenIDConnectProviderArn }), func(in *iam.UntagOpenIDConnectProviderInput) []string { return in.TagKeys })),
		service.Op("ListOpenIDConnectProviderTags", read, s.ListOpenIDConnectProviderTags, onOIDCProvider(func(in *iam.ListOpenIDConnectProviderTagsInput) *string { return in.OpenIDConnectProviderArn })),

		service.Op("CreateSAMLProvider", write, s.CreateSAMLProvider, mayCreateSAMLProvider, service.Before(prepareCreateSAMLProvider), service.AlsoNeeds[iam.CreateSAMLProviderInput]("iam:TagSAMLProvider")),
		service.Op("GetSAMLProvider", read, s.GetSAMLProvider, onSAMLProvider(func(in *iam.GetSAMLProviderInput) *string { return in.SAMLProviderArn })),
		service.Op("ListSAMLProviders", read, s.ListSAMLProviders, mayListSAMLProviders),
		service.Op("UpdateSAMLProvider", write, s.UpdateSAMLProvider, onSAMLProvider(func(in *iam.UpdateSAMLProviderInput) *string { return in.SAMLProviderArn }), service.Before(prepareUpdateSAMLProvider)),
		service.Op("DeleteSAMLProvider", write, s.DeleteSAMLProvider, onSAMLProvider(func(in *iam.DeleteSAMLProviderInput) *string { return in.SAMLProviderArn })),
		service.Op("TagSAMLProvider", write, s.TagSAMLProvider, tagging(onSAMLProvider(func(in *iam.TagSAMLProviderInput) *string { return in.SAMLProviderArn }), func(in *iam.TagSAMLProviderInput) []types.Tag { return in.Tags })),
		service.Op("UntagSAMLProvider", write, s.UntagSAMLProvider, untagging(onSAMLProvider(func(in *iam.UntagSAMLProviderInput) *string { return in.SAMLProviderArn }), func(in *iam.UntagSAMLProviderInput) []string { return in.TagKeys })),
		service.Op("ListSAMLProviderTags", read, s.ListSAMLProviderTags, onSAMLProvider(func(in *iam.ListSAMLProviderTagsInput) *string { return in.SAMLProviderArn })),
	}
}
