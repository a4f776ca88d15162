package iam

import (
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/certificate"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// noRootCertificates says why there are none and what there is instead.
const noRootCertificates = "The root user cannot have signing certificates: nothing could limit them. Upload the certificate for an IAM user."

// UploadSigningCertificate gives a user an X.509 certificate.
func (s *Service) UploadSigningCertificate(c *service.Call, in *iam.UploadSigningCertificateInput) (*iam.UploadSigningCertificateOutput, error) {
	u, err := holderOf(c, in.UserName)
	if err != nil {
		return nil, err
	}
	if u.root {
		return nil, service.Denied(noRootCertificates)
	}
	body := unixLines(*in.CertificateBody)
	parsed, err := certificate.Parse(body)
	if err != nil {
		return nil, refusedCertificate(err)
	}
	if err := refusedSigningCertificate(parsed.Valid(c.Now)); err != nil {
		return nil, err
	}
	if err := unusedCertificate(c, parsed.Fingerprint()); err != nil {
		return nil, err
	}
	have, err := howMany(c, identity.SigningCertificates, c.Account(), u.id)
	if err != nil {
		return nil, err
	}
	if err := (quota{"CertificatesPerUser", s.limits.SigningCertificatesPerUser}).admits(have); err != nil {
		return nil, err
	}
	id, err := arn.NewSigningCertificateID(c.Rand)
	if err != nil {
		return nil, err
	}
	cert := &identity.SigningCertificate{ID: id, Body: body, Fingerprint: parsed.Fingerprint(), Uploaded: second(c.Now)}
	if err := identity.SigningCertificates.Put(c.Tx, cert, c.Account(), u.id, id); err != nil {
		return nil, err
	}
	out := toSigningCertificate(u, cert)
	return &iam.UploadSigningCertificateOutput{Certificate: &out}, nil
}

// ListSigningCertificates lists the certificates of a user. Root has none.
func (s *Service) ListSigningCertificates(c *service.Call, in *iam.ListSigningCertificatesInput) (*iam.ListSigningCertificatesOutput, error) {
	u, err := holderOf(c, in.UserName)
	if err != nil {
		return nil, err
	}
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, types.SigningCertificate) bool) error {
		return identity.SigningCertificates.Scan(c.Reader, after, func(key store.Key, cert *identity.SigningCertificate) bool {
			return yield(key.Last(), toSigningCertificate(u, cert))
		}, c.Account(), u.id)
	})
	if err != nil {
		return nil, err
	}
	return &iam.ListSigningCertificatesOutput{Certificates: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// UpdateSigningCertificate activates or deactivates a certificate.
func (s *Service) UpdateSigningCertificate(c *service.Call, in *iam.UpdateSigningCertificateInput) (*iam.UpdateSigningCertificateOutput, error) {
	inactive, err := settable(in.Status, "a signing certificate")
	if err != nil {
		return nil, err
	}
	u, err := holderOf(c, in.UserName)
	if err != nil {
		return nil, err
	}
	err = identity.SigningCertificates.Edit(c.Tx, func(cert *identity.SigningCertificate) error {
		cert.Inactive = inactive
		return nil
	}, c.Account(), u.id, *in.CertificateId)
	return &iam.UpdateSigningCertificateOutput{}, orNoSigningCertificate(err, *in.CertificateId)
}

// DeleteSigningCertificate removes a certificate.
func (s *Service) DeleteSigningCertificate(c *service.Call, in *iam.DeleteSigningCertificateInput) (*iam.DeleteSigningCertificateOutput, error) {
	u, err := holderOf(c, in.UserName)
	if err != nil {
		return nil, err
	}
	if !identity.SigningCertificates.Has(c.Reader, c.Account(), u.id, *in.CertificateId) {
		return nil, orNoSigningCertificate(store.ErrNotFound, *in.CertificateId)
	}
	identity.SigningCertificates.Delete(c.Tx, c.Account(), u.id, *in.CertificateId)
	return &iam.DeleteSigningCertificateOutput{}, nil
}

func toSigningCertificate(u holder, cert *identity.SigningCertificate) types.SigningCertificate {
	return types.SigningCertificate{
		CertificateBody: &cert.Body,
		CertificateId:   &cert.ID,
		Status:          statusOf(cert.Inactive),
		UploadDate:      shown(cert.Uploaded),
		UserName:        &u.name,
	}
}

// signingCertificatesOf are the certificates of a user, oldest first.
func signingCertificatesOf(c *service.Call, user string) (list []*identity.SigningCertificate, err error) {
	err = identity.SigningCertificates.Scan(c.Reader, "", func(_ store.Key, cert *identity.SigningCertificate) bool {
		list = append(list, cert)
		return true
	}, c.Account(), user)
	slices.SortFunc(list, func(a, b *identity.SigningCertificate) int { return a.Uploaded.Compare(b.Uploaded) })
	return list, err
}

// unusedCertificate refuses a certificate that some user of the account has. It
// looks at all of them, of which there are at most two for each user, since uploads
// are rare.
func unusedCertificate(c *service.Call, fingerprint string) error {
	used := false
	err := identity.SigningCertificates.Scan(c.Reader, "", func(_ store.Key, cert *identity.SigningCertificate) bool {
		used = cert.Fingerprint == fingerprint
		return !used
	}, c.Account())
	if err == nil && used {
		return &types.DuplicateCertificateException{Message: aws.String("The same certificate is associated with an IAM user in the account.")}
	}
	return err
}

// refusedSigningCertificate is AWS's error for a certificate outside its time.
func refusedSigningCertificate(err error) error {
	switch {
	case errors.Is(err, certificate.ErrNotYetValid):
		return &types.InvalidCertificateException{Message: aws.String("The certificate is not yet valid.")}
	case errors.Is(err, certificate.ErrExpired):
		return &types.InvalidCertificateException{Message: aws.String("The certificate has expired.")}
	}
	return err
}

func orNoSigningCertificate(err error, id string) error {
	return orNoSuchEntity(err, "The Certificate with id %s cannot be found.", id)
}
