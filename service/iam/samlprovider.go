package iam

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base32"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/samlx"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

const (
	// maxSAMLKeys bounds a provider's private keys (IAM API, GetSAMLProvider): the
	// present one, and the next while they are exchanged.
	maxSAMLKeys = 2
	// minSAMLKeyBits is the shortest RSA modulus that is taken.
	minSAMLKeyBits = 2048
	// samlValidYears is how long metadata without validUntil are valid.
	samlValidYears = 100
)

func samlProvidersCount(n *identity.Counts) *int { return &n.SAMLProviders }

// CreateSAMLProvider makes a SAML provider of a metadata document.
func (s *Service) CreateSAMLProvider(c *service.Call, in *iam.CreateSAMLProviderInput) (*iam.CreateSAMLProviderOutput, error) {
	p := &identity.SAMLProvider{Account: c.Scope.Account, Name: *in.Name, Created: second(c.Now)}
	var err error
	if p.Tags, err = s.setTags(nil, in.Tags, exactCase); err != nil {
		return nil, err
	}
	if identity.SAMLProviders.Has(c.Reader, c.Account(), identity.Fold(p.Name)) {
		return nil, alreadyExists("Provider with name %s already exists.", p.Name)
	}
	if err := countOneMore(c, samlProvidersCount, quota{"SAMLProvidersPerAccount", s.limits.SAMLProvidersPerAccount}); err != nil {
		return nil, err
	}
	if p.UUID, err = newSAMLID(c.Rand); err != nil {
		return nil, err
	}
	if err := s.setSAML(c, p, c.Kept().(*samlParts), in.AssertionEncryptionMode); err != nil {
		return nil, err
	}
	if err := identity.SAMLProviders.Put(c.Tx, p, c.Account(), identity.Fold(p.Name)); err != nil {
		return nil, err
	}
	return &iam.CreateSAMLProviderOutput{SAMLProviderArn: aws.String(p.ARN(c.Scope.Partition)), Tags: sdkTags(p.Tags)}, nil
}

// GetSAMLProvider describes a provider, with its metadata byte for byte and of its
// private keys no more than that there are some.
func (s *Service) GetSAMLProvider(c *service.Call, in *iam.GetSAMLProviderInput) (*iam.GetSAMLProviderOutput, error) {
	p, err := findSAMLProvider(c, *in.SAMLProviderArn)
	if err != nil {
		return nil, err
	}
	out := &iam.GetSAMLProviderOutput{
		SAMLProviderUUID:        aws.String(p.UUID),
		SAMLMetadataDocument:    aws.String(string(p.Metadata)),
		CreateDate:              shown(p.Created),
		ValidUntil:              shown(p.ValidUntil),
		Tags:                    sdkTags(p.Tags),
		AssertionEncryptionMode: types.AssertionEncryptionModeType(p.Encryption),
		PrivateKeyList:          []types.SAMLPrivateKey{},
	}
	for _, k := range p.Keys {
		out.PrivateKeyList = append(out.PrivateKeyList, types.SAMLPrivateKey{KeyId: aws.String(k.ID), Timestamp: shown(k.Added)})
	}
	return out, nil
}

// ListSAMLProviders lists all providers by name; it has no pages.
func (s *Service) ListSAMLProviders(c *service.Call, _ *iam.ListSAMLProvidersInput) (*iam.ListSAMLProvidersOutput, error) {
	list := []types.SAMLProviderListEntry{}
	err := identity.SAMLProviders.Scan(c.Reader, "", func(_ store.Key, p *identity.SAMLProvider) bool {
		list = append(list, types.SAMLProviderListEntry{Arn: aws.String(p.ARN(c.Scope.Partition)), CreateDate: shown(p.Created), ValidUntil: shown(p.ValidUntil)})
		return true
	}, c.Account())
	return &iam.ListSAMLProvidersOutput{SAMLProviderList: list}, err
}

// UpdateSAMLProvider changes those of a provider's properties that are given.
func (s *Service) UpdateSAMLProvider(c *service.Call, in *iam.UpdateSAMLProviderInput) (*iam.UpdateSAMLProviderOutput, error) {
	if in.AddPrivateKey != nil && in.RemovePrivateKey != nil {
		return nil, invalidInput("A private key cannot be removed in the request that adds another.")
	}
	return &iam.UpdateSAMLProviderOutput{SAMLProviderArn: in.SAMLProviderArn}, editSAMLProvider(c, *in.SAMLProviderArn, func(p *identity.SAMLProvider) error {
		if in.RemovePrivateKey != nil {
			i := slices.IndexFunc(p.Keys, func(k identity.SAMLKey) bool { return k.ID == *in.RemovePrivateKey })
			if i < 0 {
				return noSuchEntity("The private key with id %s cannot be found.", *in.RemovePrivateKey)
			}
			p.Keys = slices.Delete(p.Keys, i, i+1)
		}
		return s.setSAML(c, p, c.Kept().(*samlParts), in.AssertionEncryptionMode)
	})
}

// DeleteSAMLProvider deletes a provider, whoever trusts it.
func (s *Service) DeleteSAMLProvider(c *service.Call, in *iam.DeleteSAMLProviderInput) (*iam.DeleteSAMLProviderOutput, error) {
	p, err := findSAMLProvider(c, *in.SAMLProviderArn)
	if err != nil {
		return nil, err
	}
	identity.SAMLProviders.Delete(c.Tx, c.Account(), identity.Fold(p.Name))
	return &iam.DeleteSAMLProviderOutput{}, count(c, samlProvidersCount, -1)
}

// TagSAMLProvider adds tags to a provider.
func (s *Service) TagSAMLProvider(c *service.Call, in *iam.TagSAMLProviderInput) (*iam.TagSAMLProviderOutput, error) {
	return &iam.TagSAMLProviderOutput{}, editSAMLProvider(c, *in.SAMLProviderArn, func(p *identity.SAMLProvider) (err error) {
		p.Tags, err = s.setTags(p.Tags, in.Tags, exactCase)
		return err
	})
}

// UntagSAMLProvider removes tags from a provider.
func (s *Service) UntagSAMLProvider(c *service.Call, in *iam.UntagSAMLProviderInput) (*iam.UntagSAMLProviderOutput, error) {
	return &iam.UntagSAMLProviderOutput{}, editSAMLProvider(c, *in.SAMLProviderArn, func(p *identity.SAMLProvider) error {
		p.Tags = removeTags(p.Tags, in.TagKeys, exactCase)
		return nil
	})
}

// ListSAMLProviderTags lists the tags of a provider.
func (s *Service) ListSAMLProviderTags(c *service.Call, in *iam.ListSAMLProviderTagsInput) (*iam.ListSAMLProviderTagsOutput, error) {
	p, err := findSAMLProvider(c, *in.SAMLProviderArn)
	if err != nil {
		return nil, err
	}
	page, err := s.listTags(c, in, p.Tags)
	if err != nil {
		return nil, err
	}
	return &iam.ListSAMLProviderTagsOutput{Tags: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// samlParts are the parts of a request that take time to read.
type samlParts struct {
	document string
	metadata *samlx.Metadata // nil if the request has none
	key      []byte          // PKCS #8, nil if the request has none
}

func prepareCreateSAMLProvider(c *service.Call, in *iam.CreateSAMLProviderInput) error {
	return keepSAMLParts(c, in.SAMLMetadataDocument, in.AddPrivateKey)
}

func prepareUpdateSAMLProvider(c *service.Call, in *iam.UpdateSAMLProviderInput) error {
	return keepSAMLParts(c, in.SAMLMetadataDocument, in.AddPrivateKey)
}

func keepSAMLParts(c *service.Call, document, key *string) error {
	parts := &samlParts{document: aws.ToString(document)}
	var err error
	if document != nil {
		parts.metadata, err = samlx.ParseMetadata(*document)
		switch {
		case errors.Is(err, samlx.ErrTooManyKeys):
			return limitExceeded("Cannot exceed quota for KeysPerSAMLProvider: 10")
		case errors.Is(err, samlx.ErrTooManyIDPs):
			return limitExceeded("Cannot exceed quota for IdPsPerSAMLProvider: 10")
		case err != nil:
			return invalidInput("Could not parse metadata: %v", err)
		}
	}
	if key != nil {
		if parts.key, err = parseSAMLKey(*key); err != nil {
			return err
		}
	}
	c.Keep(parts)
	return nil
}

// parseSAMLKey reads the private key that assertions are encrypted for: RSA, in the
// clear, and nothing beside it. The refusals tell nothing of it.
func parseSAMLKey(text string) (pkcs8 []byte, err error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || strings.TrimSpace(string(rest)) != "" || len(block.Headers) > 0 {
		return nil, invalidInput("The private key must be one unencrypted key in PEM format.")
	}
	var key any
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, invalidInput("The private key must be one unencrypted key in PEM format.")
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if err != nil || !ok || rsaKey.N.BitLen() < minSAMLKeyBits {
		return nil, invalidInput("The private key must be an RSA key of at least %d bits.", minSAMLKeyBits)
	}
	return x509.MarshalPKCS8PrivateKey(rsaKey)
}

// setSAML puts what a request brings into a provider, and checks that the whole of it
// makes sense.
func (s *Service) setSAML(c *service.Call, p *identity.SAMLProvider, parts *samlParts, mode types.AssertionEncryptionModeType) error {
	if parts.metadata != nil {
		p.Metadata = []byte(parts.document)
		p.ValidUntil = parts.metadata.ValidUntil
		if p.ValidUntil.IsZero() {
			p.ValidUntil = second(c.Now).AddDate(samlValidYears, 0, 0)
		}
	}
	if parts.key != nil {
		if err := s.addSAMLKey(c, p, parts.key); err != nil {
			return err
		}
	}
	if mode != "" {
		p.Encryption = string(mode)
	}
	if p.Encryption == string(types.AssertionEncryptionModeTypeRequired) && len(p.Keys) == 0 {
		return invalidInput("Assertion encryption cannot be required without a private key.")
	}
	return nil
}

func (s *Service) addSAMLKey(c *service.Call, p *identity.SAMLProvider, pkcs8 []byte) error {
	if err := (quota{"PrivateKeysPerSAMLProvider", maxSAMLKeys}).admits(len(p.Keys)); err != nil {
		return err
	}
	id, err := newSAMLID(c.Rand)
	if err != nil {
		return err
	}
	sealed, err := s.ring.Seal(keyring.PrivateKeys, samlKeyBinding(p, id), pkcs8)
	if err != nil {
		return fmt.Errorf("seal a private key of SAML provider %s: %w", p.Name, err)
	}
	p.Keys = append(p.Keys, identity.SAMLKey{ID: id, Sealed: sealed, Added: second(c.Now)})
	return nil
}

// samlKeyBinding is the additional data under which a private key is sealed.
func samlKeyBinding(p *identity.SAMLProvider, id string) string {
	return string(identity.SAMLProviders.Key(string(p.Account), identity.Fold(p.Name), id))
}

// newSAMLID draws the id of a provider or of a private key: 26 letters and digits.
func newSAMLID(rand io.Reader) (string, error) {
	var random [16]byte
	if _, err := io.ReadFull(rand, random[:]); err != nil {
		return "", err
	}
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random[:]), nil
}

// lookUpSAMLProvider finds a provider of the caller's account by its exact ARN. The
// error is store.ErrNotFound if there is none, or AWS's for what is no provider's ARN.
func lookUpSAMLProvider(c *service.Call, providerARN string) (*identity.SAMLProvider, error) {
	scope, name, err := parseProviderARN("saml-provider", providerARN)
	if err != nil {
		return nil, err
	}
	if scope != c.Scope {
		return nil, store.ErrNotFound
	}
	p, err := identity.SAMLProviders.Get(c.Reader, c.Account(), identity.Fold(name))
	if err == nil && p.Name != name { // another case: policies would judge another ARN
		return nil, store.ErrNotFound
	}
	return p, err
}

func findSAMLProvider(c *service.Call, providerARN string) (*identity.SAMLProvider, error) {
	p, err := lookUpSAMLProvider(c, providerARN)
	return p, orNoSuchEntity(err, "Manifest not found for arn %s", providerARN)
}

func editSAMLProvider(c *service.Call, providerARN string, edit func(*identity.SAMLProvider) error) error {
	p, err := findSAMLProvider(c, providerARN)
	if err != nil {
		return err
	}
	return identity.SAMLProviders.Edit(c.Tx, edit, c.Account(), identity.Fold(p.Name))
}

// onSAMLProvider states that an operation acts on the provider whose ARN get finds in
// its input.
func onSAMLProvider[I any](get func(*I) *string) checks[I] {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		check := onProvider(*get(in))
		if p, err := lookUpSAMLProvider(c, check.Resource); err == nil {
			check = check.WithResourceTags(p.Tags)
		}
		return []authz.Check{check}, nil
	}
}

// mayCreateSAMLProvider asks to create a provider.
func mayCreateSAMLProvider(c *service.Call, in *iam.CreateSAMLProviderInput) ([]authz.Check, error) {
	return creates(authz.On(c.Scope.SAMLProvider(*in.Name)), in.Tags, "iam:TagSAMLProvider"), nil
}

// mayListSAMLProviders: AWS names all of them as the resource.
func mayListSAMLProviders(c *service.Call, _ *iam.ListSAMLProvidersInput) ([]authz.Check, error) {
	return []authz.Check{authz.On(c.Scope.SAMLProvider("*"))}, nil
}
