package iam

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// Limits of one provider (IAM API, CreateOpenIDConnectProvider). They are fixed.
const (
	maxClientIDs   = 100
	maxThumbprints = 5
)

const httpsScheme = "https://"

func oidcProvidersCount(n *identity.Counts) *int { return &n.OIDCProviders }

// CreateOpenIDConnectProvider makes an OpenID Connect provider. Thumbprints that are
// not given are not fetched: a handler has no network.
func (s *Service) CreateOpenIDConnectProvider(c *service.Call, in *iam.CreateOpenIDConnectProviderInput) (*iam.CreateOpenIDConnectProviderOutput, error) {
	issuer, err := issuerURL(*in.Url)
	if err != nil {
		return nil, err
	}
	p := &identity.OIDCProvider{Account: c.Scope.Account, URL: issuer, Created: second(c.Now)}
	for _, id := range in.ClientIDList {
		if err := addClientID(p, id); err != nil {
			return nil, err
		}
	}
	if p.Thumbprints, err = thumbprints(in.ThumbprintList); err != nil {
		return nil, err
	}
	if p.Tags, err = s.setTags(nil, in.Tags, exactCase); err != nil {
		return nil, err
	}
	if identity.OIDCProviders.Has(c.Reader, c.Account(), issuer) {
		return nil, alreadyExists("Provider with url %s already exists.", *in.Url)
	}
	if err := countOneMore(c, oidcProvidersCount, quota{"OpenIdConnectProvidersPerAccount", s.limits.OIDCProvidersPerAccount}); err != nil {
		return nil, err
	}
	if err := identity.OIDCProviders.Put(c.Tx, p, c.Account(), issuer); err != nil {
		return nil, err
	}
	return &iam.CreateOpenIDConnectProviderOutput{OpenIDConnectProviderArn: aws.String(p.ARN(c.Scope.Partition)), Tags: sdkTags(p.Tags)}, nil
}

// GetOpenIDConnectProvider describes a provider. Its URL is shown without scheme, as
// AWS does.
func (s *Service) GetOpenIDConnectProvider(c *service.Call, in *iam.GetOpenIDConnectProviderInput) (*iam.GetOpenIDConnectProviderOutput, error) {
	p, err := findOIDCProvider(c, *in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	return &iam.GetOpenIDConnectProviderOutput{
		Url:            aws.String(p.URL),
		ClientIDList:   append([]string{}, p.ClientIDs...),
		ThumbprintList: append([]string{}, p.Thumbprints...),
		CreateDate:     shown(p.Created),
		Tags:           sdkTags(p.Tags),
	}, nil
}

// ListOpenIDConnectProviders lists all providers by URL; it has no pages.
func (s *Service) ListOpenIDConnectProviders(c *service.Call, _ *iam.ListOpenIDConnectProvidersInput) (*iam.ListOpenIDConnectProvidersOutput, error) {
	list := []types.OpenIDConnectProviderListEntry{}
	err := identity.OIDCProviders.Scan(c.Reader, "", func(_ store.Key, p *identity.OIDCProvider) bool {
		list = append(list, types.OpenIDConnectProviderListEntry{Arn: aws.String(p.ARN(c.Scope.Partition))})
		return true
	}, c.Account())
	return &iam.ListOpenIDConnectProvidersOutput{OpenIDConnectProviderList: list}, err
}

// AddClientIDToOpenIDConnectProvider adds a client id, unless the provider has it.
func (s *Service) AddClientIDToOpenIDConnectProvider(c *service.Call, in *iam.AddClientIDToOpenIDConnectProviderInput) (*iam.AddClientIDToOpenIDConnectProviderOutput, error) {
	return &iam.AddClientIDToOpenIDConnectProviderOutput{}, editOIDCProvider(c, *in.OpenIDConnectProviderArn, func(p *identity.OIDCProvider) error {
		return addClientID(p, *in.ClientID)
	})
}

// RemoveClientIDFromOpenIDConnectProvider removes a client id, if the provider has it.
func (s *Service) RemoveClientIDFromOpenIDConnectProvider(c *service.Call, in *iam.RemoveClientIDFromOpenIDConnectProviderInput) (*iam.RemoveClientIDFromOpenIDConnectProviderOutput, error) {
	return &iam.RemoveClientIDFromOpenIDConnectProviderOutput{}, editOIDCProvider(c, *in.OpenIDConnectProviderArn, func(p *identity.OIDCProvider) error {
		p.ClientIDs = slices.DeleteFunc(p.ClientIDs, func(id string) bool { return id == *in.ClientID })
		return nil
	})
}

// UpdateOpenIDConnectProviderThumbprint replaces all thumbprints.
func (s *Service) UpdateOpenIDConnectProviderThumbprint(c *service.Call, in *iam.UpdateOpenIDConnectProviderThumbprintInput) (*iam.UpdateOpenIDConnectProviderThumbprintOutput, error) {
	return &iam.UpdateOpenIDConnectProviderThumbprintOutput{}, editOIDCProvider(c, *in.OpenIDConnectProviderArn, func(p *identity.OIDCProvider) (err error) {
		p.Thumbprints, err = thumbprints(in.ThumbprintList)
		return err
	})
}

// DeleteOpenIDConnectProvider deletes a provider, whoever trusts it; there need be none
// (IAM API: "This operation is idempotent").
func (s *Service) DeleteOpenIDConnectProvider(c *service.Call, in *iam.DeleteOpenIDConnectProviderInput) (*iam.DeleteOpenIDConnectProviderOutput, error) {
	p, err := lookUpOIDCProvider(c, *in.OpenIDConnectProviderArn)
	if errors.Is(err, store.ErrNotFound) {
		return &iam.DeleteOpenIDConnectProviderOutput{}, nil
	}
	if err != nil {
		return nil, err
	}
	identity.OIDCProviders.Delete(c.Tx, c.Account(), p.URL)
	return &iam.DeleteOpenIDConnectProviderOutput{}, count(c, oidcProvidersCount, -1)
}

// TagOpenIDConnectProvider adds tags to a provider.
func (s *Service) TagOpenIDConnectProvider(c *service.Call, in *iam.TagOpenIDConnectProviderInput) (*iam.TagOpenIDConnectProviderOutput, error) {
	return &iam.TagOpenIDConnectProviderOutput{}, editOIDCProvider(c, *in.OpenIDConnectProviderArn, func(p *identity.OIDCProvider) (err error) {
		p.Tags, err = s.setTags(p.Tags, in.Tags, exactCase)
		return err
	})
}

// UntagOpenIDConnectProvider removes tags from a provider.
func (s *Service) UntagOpenIDConnectProvider(c *service.Call, in *iam.UntagOpenIDConnectProviderInput) (*iam.UntagOpenIDConnectProviderOutput, error) {
	return &iam.UntagOpenIDConnectProviderOutput{}, editOIDCProvider(c, *in.OpenIDConnectProviderArn, func(p *identity.OIDCProvider) error {
		p.Tags = removeTags(p.Tags, in.TagKeys, exactCase)
		return nil
	})
}

// ListOpenIDConnectProviderTags lists the tags of a provider.
func (s *Service) ListOpenIDConnectProviderTags(c *service.Call, in *iam.ListOpenIDConnectProviderTagsInput) (*iam.ListOpenIDConnectProviderTagsOutput, error) {
	p, err := findOIDCProvider(c, *in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	page, err := s.listTags(c, in, p.Tags)
	if err != nil {
		return nil, err
	}
	return &iam.ListOpenIDConnectProviderTagsOutput{Tags: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// issuerURL checks a provider's URL and returns it without scheme, otherwise as it is:
// the issuer in a token is compared with it letter by letter.
func issuerURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "", service.Invalid("Invalid Open ID Connect Provider URL")
	}
	rest, ok := strings.CutPrefix(text, httpsScheme)
	if !ok {
		return "", invalidInput("Invalid Open ID Connect Provider URL. The URL must begin with https://.")
	}
	host, path, _ := strings.Cut(rest, "/")
	// An ARN is written into policies, where * and ? mean something else.
	if !isHost(host) || strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`?#*"<>\^{|}`+"`", r) }) {
		return "", invalidInput("Invalid Open ID Connect Provider URL.")
	}
	return rest, nil
}

// isHost accepts the name of a host, or its IPv4 address, without port and without
// anything before it.
func isHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Is4()
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.ContainsFunc(label, func(r rune) bool {
			return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-')
		}) {
			return false
		}
	}
	return true
}

// addClientID adds a client id that the provider does not have.
func addClientID(p *identity.OIDCProvider, id string) error {
	if slices.Contains(p.ClientIDs, id) {
		return nil
	}
	if err := (quota{"ClientIdsPerOpenIdConnectProvider", maxClientIDs}).admits(len(p.ClientIDs)); err != nil {
		return err
	}
	p.ClientIDs = append(p.ClientIDs, id)
	return nil
}

// thumbprints checks the SHA-1 sums of certificates and brings them to lower case.
func thumbprints(list []string) ([]string, error) {
	if len(list) > maxThumbprints {
		return nil, invalidInput("Thumbprint list must contain fewer than 5 entries.") // AWS means: at most
	}
	var out []string
	for _, t := range list {
		if _, err := hex.DecodeString(t); err != nil {
			return nil, invalidInput("Thumbprint must be the SHA-1 sum of a certificate: 40 hexadecimal digits.")
		}
		out = append(out, strings.ToLower(t))
	}
	return out, nil
}

// lookUpOIDCProvider finds a provider of the caller's account by ARN. The error is
// store.ErrNotFound if there is none, or AWS's for what is no provider's ARN.
func lookUpOIDCProvider(c *service.Call, providerARN string) (*identity.OIDCProvider, error) {
	scope, issuer, err := parseProviderARN("oidc-provider", providerARN)
	if err != nil {
		return nil, err
	}
	if scope != c.Scope {
		return nil, store.ErrNotFound
	}
	return identity.OIDCProviders.Get(c.Reader, c.Account(), issuer)
}

func findOIDCProvider(c *service.Call, providerARN string) (*identity.OIDCProvider, error) {
	p, err := lookUpOIDCProvider(c, providerARN)
	return p, orNoSuchEntity(err, "OpenIDConnect Provider not found for arn %s", providerARN)
}

func editOIDCProvider(c *service.Call, providerARN string, edit func(*identity.OIDCProvider) error) error {
	p, err := findOIDCProvider(c, providerARN)
	if err != nil {
		return err
	}
	return identity.OIDCProviders.Edit(c.Tx, edit, c.Account(), p.URL)
}

// parseProviderARN takes the ARN of a provider of one kind ("oidc-provider") apart.
func parseProviderARN(kind, text string) (arn.Scope, string, error) {
	a, err := arn.Parse(text)
	if err != nil {
		return arn.Scope{}, "", service.Invalid("Invalid ARN:  Could not be parsed!") // two spaces: AWS does this
	}
	name, ok := strings.CutPrefix(a.Resource, kind+"/")
	if !ok || name == "" || a.Service != "iam" || a.Region != "" {
		return arn.Scope{}, "", invalidInput("ARN %s is not valid.", text)
	}
	return arn.Scope{Partition: a.Partition, Account: arn.AccountID(a.Account)}, name, nil
}

// onProvider is the question about the provider that an ARN names, whatever it is:
// the operation says what is wrong with it.
func onProvider(providerARN string) authz.Check {
	check := authz.On(providerARN)
	if a, err := arn.Parse(providerARN); err == nil {
		check.Account = arn.AccountID(a.Account)
	}
	return check
}

// onOIDCProvider states that an operation acts on the provider whose ARN get finds in
// its input.
func onOIDCProvider[I any](get func(*I) *string) checks[I] {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		check := onProvider(*get(in))
		if p, err := lookUpOIDCProvider(c, check.Resource); err == nil {
			check = check.WithResourceTags(p.Tags)
		}
		return []authz.Check{check}, nil
	}
}

// mayCreateOIDCProvider asks to create a provider.
func mayCreateOIDCProvider(c *service.Call, in *iam.CreateOpenIDConnectProviderInput) ([]authz.Check, error) {
	check := authz.On(c.Scope.OIDCProvider(strings.TrimPrefix(*in.Url, httpsScheme)))
	return creates(check, in.Tags, "iam:TagOpenIDConnectProvider"), nil
}

// mayListOIDCProviders: AWS names all of them as the resource.
func mayListOIDCProviders(c *service.Call, _ *iam.ListOpenIDConnectProvidersInput) ([]authz.Check, error) {
	return []authz.Check{authz.On(c.Scope.OIDCProvider("*"))}, nil
}
