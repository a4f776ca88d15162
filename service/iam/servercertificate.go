package iam

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/certificate"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

func serverCertificatesCount(n *identity.Counts) *int { return &n.ServerCertificates }

// UploadServerCertificate keeps a TLS certificate with its private key, which no
// operation gives back. prepareServerCertificate found the certificate good.
func (s *Service) UploadServerCertificate(c *service.Call, in *iam.UploadServerCertificateInput) (*iam.UploadServerCertificateOutput, error) {
	name := *in.ServerCertificateName
	found := c.Kept().(*examinedCertificate)
	if found.refusal != nil {
		return nil, found.refusal
	}
	if identity.ServerCertificates.Has(c.Reader, c.Account(), identity.Fold(name)) {
		return nil, serverCertificateExists(name)
	}
	tags, err := s.setTags(nil, in.Tags, exactCase)
	if err != nil {
		return nil, err
	}
	if err := countOneMore(c, serverCertificatesCount, quota{"ServerCertificatesPerAccount", s.limits.ServerCertificatesPerAccount}); err != nil {
		return nil, err
	}
	id, err := enter(c, arn.PrefixServerCertificate, identity.TypeServerCertificate, name)
	if err != nil {
		return nil, err
	}
	cert := &identity.ServerCertificate{
		Account:  c.Scope.Account,
		ID:       id,
		Name:     name,
		Path:     pathOf(in.Path),
		Body:     found.body,
		Chain:    found.chain,
		Uploaded: second(c.Now),
		Expires:  found.cert.NotAfter(),
		Tags:     tags,
	}
	if err := s.sealPrivateKey(c, cert, []byte(found.key)); err != nil {
		return nil, err
	}
	if err := identity.ServerCertificates.Put(c.Tx, cert, c.Account(), identity.Fold(name)); err != nil {
		return nil, err
	}
	return &iam.UploadServerCertificateOutput{ServerCertificateMetadata: toServerCertificate(c, cert), Tags: sdkTags(tags)}, nil
}

// GetServerCertificate describes a certificate and gives it and its chain back, but
// not the key.
func (s *Service) GetServerCertificate(c *service.Call, in *iam.GetServerCertificateInput) (*iam.GetServerCertificateOutput, error) {
	cert, err := findServerCertificate(c, *in.ServerCertificateName)
	if err != nil {
		return nil, err
	}
	out := &types.ServerCertificate{
		CertificateBody:           &cert.Body,
		ServerCertificateMetadata: toServerCertificate(c, cert),
		Tags:                      sdkTags(cert.Tags),
	}
	if cert.Chain != "" {
		out.CertificateChain = &cert.Chain
	}
	return &iam.GetServerCertificateOutput{ServerCertificate: out}, nil
}

// ListServerCertificates lists certificates by name.
func (s *Service) ListServerCertificates(c *service.Call, in *iam.ListServerCertificatesInput) (*iam.ListServerCertificatesOutput, error) {
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, types.ServerCertificateMetadata) bool) error {
		return identity.ServerCertificates.Scan(c.Reader, after, func(key store.Key, cert *identity.ServerCertificate) bool {
			return !below(cert.Path, in.PathPrefix) || yield(key.Last(), *toServerCertificate(c, cert))
		}, c.Account())
	})
	if err != nil {
		return nil, err
	}
	return &iam.ListServerCertificatesOutput{ServerCertificateMetadataList: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// UpdateServerCertificate gives a certificate another name or path. The id stays.
func (s *Service) UpdateServerCertificate(c *service.Call, in *iam.UpdateServerCertificateInput) (*iam.UpdateServerCertificateOutput, error) {
	cert, err := findServerCertificate(c, *in.ServerCertificateName)
	if err != nil {
		return nil, err
	}
	renamed := *cert
	if in.NewPath != nil {
		renamed.Path = *in.NewPath
	}
	if in.NewServerCertificateName != nil {
		renamed.Name = *in.NewServerCertificateName
	}
	before, after := identity.Fold(cert.Name), identity.Fold(renamed.Name)
	if before != after {
		if identity.ServerCertificates.Has(c.Reader, c.Account(), after) {
			return nil, serverCertificateExists(renamed.Name)
		}
		// The key was sealed for the place where it was.
		key, err := s.openPrivateKey(c, cert)
		if err != nil {
			return nil, err
		}
		if err := s.sealPrivateKey(c, &renamed, key); err != nil {
			return nil, err
		}
		identity.ServerCertificates.Delete(c.Tx, c.Account(), before)
		entity := &identity.Entity{Account: c.Scope.Account, Type: identity.TypeServerCertificate, Name: after}
		if err := identity.Entities.Put(c.Tx, entity, cert.ID); err != nil {
			return nil, err
		}
	}
	return &iam.UpdateServerCertificateOutput{}, identity.ServerCertificates.Put(c.Tx, &renamed, c.Account(), after)
}

// DeleteServerCertificate removes a certificate and its key.
func (s *Service) DeleteServerCertificate(c *service.Call, in *iam.DeleteServerCertificateInput) (*iam.DeleteServerCertificateOutput, error) {
	cert, err := findServerCertificate(c, *in.ServerCertificateName)
	if err != nil {
		return nil, err
	}
	identity.ServerCertificates.Delete(c.Tx, c.Account(), identity.Fold(cert.Name))
	identity.Entities.Delete(c.Tx, cert.ID)
	return &iam.DeleteServerCertificateOutput{}, count(c, serverCertificatesCount, -1)
}

// TagServerCertificate adds tags to a certificate.
func (s *Service) TagServerCertificate(c *service.Call, in *iam.TagServerCertificateInput) (*iam.TagServerCertificateOutput, error) {
	return &iam.TagServerCertificateOutput{}, editServerCertificate(c, *in.ServerCertificateName, func(cert *identity.ServerCertificate) (err error) {
		cert.Tags, err = s.setTags(cert.Tags, in.Tags, exactCase)
		return err
	})
}

// UntagServerCertificate removes tags from a certificate.
func (s *Service) UntagServerCertificate(c *service.Call, in *iam.UntagServerCertificateInput) (*iam.UntagServerCertificateOutput, error) {
	return &iam.UntagServerCertificateOutput{}, editServerCertificate(c, *in.ServerCertificateName, func(cert *identity.ServerCertificate) error {
		cert.Tags = removeTags(cert.Tags, in.TagKeys, exactCase)
		return nil
	})
}

// ListServerCertificateTags lists the tags of a certificate.
func (s *Service) ListServerCertificateTags(c *service.Call, in *iam.ListServerCertificateTagsInput) (*iam.ListServerCertificateTagsOutput, error) {
	cert, err := findServerCertificate(c, *in.ServerCertificateName)
	if err != nil {
		return nil, err
	}
	page, err := s.listTags(c, in, cert.Tags)
	if err != nil {
		return nil, err
	}
	return &iam.ListServerCertificateTagsOutput{Tags: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

func toServerCertificate(c *service.Call, cert *identity.ServerCertificate) *types.ServerCertificateMetadata {
	return &types.ServerCertificateMetadata{
		Arn:                   aws.String(cert.ARN(c.Scope.Partition)),
		Expiration:            shown(cert.Expires),
		Path:                  &cert.Path,
		ServerCertificateId:   &cert.ID,
		ServerCertificateName: &cert.Name,
		UploadDate:            shown(cert.Uploaded),
	}
}

// examinedCertificate is what was found out about an upload before the transaction:
// checking the signatures of a chain takes milliseconds. What is wrong with it is
// said by the handler.
type examinedCertificate struct {
	body, key, chain string // as trimmedPEM makes them
	cert             *certificate.Certificate
	refusal          error
}

func prepareServerCertificate(c *service.Call, in *iam.UploadServerCertificateInput) error {
	found := &examinedCertificate{
		body:  trimmedPEM(*in.CertificateBody),
		key:   trimmedPEM(*in.PrivateKey),
		chain: trimmedPEM(aws.ToString(in.CertificateChain)),
	}
	found.refusal = found.examine(c)
	c.Keep(found)
	return nil
}

// examine checks that certificate, key and chain are well formed and belong
// together, and that the certificate is valid now (IAM User Guide, "Manage server
// certificates").
func (e *examinedCertificate) examine(c *service.Call) (err error) {
	if e.cert, err = certificate.Parse(e.body); err != nil {
		return refusedCertificate(err)
	}
	if err := e.cert.Matches(e.key); err != nil {
		return refusedCertificate(err)
	}
	if err := e.cert.Valid(c.Now); err != nil {
		return refusedCertificate(err)
	}
	if e.chain == "" {
		return nil
	}
	return refusedChain(e.cert.ChainedBy(e.chain))
}

// refusedCertificate is AWS's error for a certificate or key that is refused.
func refusedCertificate(err error) error {
	switch {
	case errors.Is(err, certificate.ErrMismatch):
		return &types.KeyPairMismatchException{Message: aws.String("Public key certificate and private key doesn't match.")}
	case errors.Is(err, certificate.ErrMalformed):
		return malformedCertificate("Unable to parse certificate. Please ensure the certificate is in PEM format.")
	case errors.Is(err, certificate.ErrUnsupported):
		return malformedCertificate("The certificate's public key is not supported. It must be an RSA key of 1024 to 8192 bits or an ECDSA key.")
	case errors.Is(err, certificate.ErrNotYetValid):
		return malformedCertificate("Certificate is not yet valid. The 'Not Before' date restriction on the certificate has not passed.")
	case errors.Is(err, certificate.ErrExpired):
		return malformedCertificate("Certificate is no longer valid. The 'Not After' date restriction on the certificate has passed.")
	case errors.Is(err, certificate.ErrKeyEncrypted):
		return malformedCertificate("Unable to parse key; the body is encrypted.")
	case errors.Is(err, certificate.ErrKeyMalformed):
		return malformedCertificate("Invalid Private Key.")
	}
	return err
}

// refusedChain is AWS's error for a chain that is refused.
func refusedChain(err error) error {
	const wrong = "Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any intermediaries in order."
	if broken, ok := errors.AsType[*certificate.ChainError](err); ok {
		return malformedCertificate(fmt.Sprintf("%s The index within the chain of the invalid certificate is: %d", wrong, broken.Index))
	}
	if err != nil {
		return malformedCertificate(wrong)
	}
	return nil
}

// trimmedPEM is a text in PEM as it is kept of a server certificate: as it was sent,
// but with the line ends of Unix and without white space around it. AWS must do the
// same: Terraform compares what it reads back with the trimmed text of the file. That
// of a signing certificate it compares with the text itself.
func trimmedPEM(text string) string { return strings.TrimSpace(unixLines(text)) }

// unixLines gives a text the line ends of Unix, which is what XML would make of others
// in the answer anyway.
func unixLines(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// sealPrivateKey seals a certificate's key for the record that the certificate's
// name belongs to.
func (s *Service) sealPrivateKey(c *service.Call, cert *identity.ServerCertificate, key []byte) (err error) {
	place := identity.ServerCertificates.Key(c.Account(), identity.Fold(cert.Name))
	if cert.PrivateKey, err = s.ring.Seal(keyring.PrivateKeys, string(place), key); err != nil {
		return fmt.Errorf("seal the key of server certificate %s: %w", cert.ID, err)
	}
	return nil
}

func (s *Service) openPrivateKey(c *service.Call, cert *identity.ServerCertificate) ([]byte, error) {
	place := identity.ServerCertificates.Key(c.Account(), identity.Fold(cert.Name))
	key, err := s.ring.Open(keyring.PrivateKeys, string(place), cert.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("open the key of server certificate %s: %w", cert.ID, err)
	}
	return key, nil
}

func findServerCertificate(c *service.Call, name string) (*identity.ServerCertificate, error) {
	cert, err := identity.ServerCertificates.Get(c.Reader, c.Account(), identity.Fold(name))
	return cert, orNoServerCertificate(err, name)
}

func editServerCertificate(c *service.Call, name string, change func(*identity.ServerCertificate) error) error {
	return orNoServerCertificate(identity.ServerCertificates.Edit(c.Tx, change, c.Account(), identity.Fold(name)), name)
}

func orNoServerCertificate(err error, name string) error {
	return orNoSuchEntity(err, "The Server Certificate with name %s cannot be found.", name)
}

func serverCertificateExists(name string) error {
	return alreadyExists("The Server Certificate with name %s already exists.", name)
}

// onServerCertificate states that an operation acts on the certificate that get
// finds in its input.
func onServerCertificate[I any](get func(*I) *string) checks[I] {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		name := *get(in)
		cert, err := identity.ServerCertificates.Get(c.Reader, c.Account(), identity.Fold(name))
		if errors.Is(err, store.ErrNotFound) {
			return []authz.Check{authz.On(c.Scope.ServerCertificate("/", name))}, nil
		}
		if err != nil {
			return nil, err
		}
		return []authz.Check{authz.On(cert.ARN(c.Scope.Partition)).WithResourceTags(cert.Tags)}, nil
	}
}

// mayUploadServerCertificate asks to upload a certificate.
func mayUploadServerCertificate(c *service.Call, in *iam.UploadServerCertificateInput) ([]authz.Check, error) {
	check := authz.On(c.Scope.ServerCertificate(pathOf(in.Path), *in.ServerCertificateName))
	return creates(check, in.Tags, "iam:TagServerCertificate"), nil
}

// mayListServerCertificates: AWS names the path that is listed as the resource.
func mayListServerCertificates(c *service.Call, in *iam.ListServerCertificatesInput) ([]authz.Check, error) {
	return []authz.Check{authz.On(c.Scope.ServerCertificate(listedPath(in.PathPrefix), ""))}, nil
}

// mayUpdateServerCertificate: a certificate moves from one ARN to another, and the
// caller needs the permission for both.
func mayUpdateServerCertificate(c *service.Call, in *iam.UpdateServerCertificateInput) ([]authz.Check, error) {
	list, err := onServerCertificate(func(in *iam.UpdateServerCertificateInput) *string { return in.ServerCertificateName })(c, in)
	if err != nil {
		return nil, err
	}
	target := list[0]
	target.Resource = movedARN(target.Resource, in.NewPath, in.NewServerCertificateName)
	if target.Resource == list[0].Resource {
		return list, nil
	}
	return append(list, target), nil
}
