package iam

import (
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/service"
)

// certificateOperations are the operations on certificates, SSH keys and the credentials of single services.
func (s *Service) certificateOperations() []service.Operation {
	const read, write = service.Read, service.Write
	return []service.Operation{
		service.Op("UploadServerCertificate", write, s.UploadServerCertificate, mayUploadServerCertificate, service.Before(prepareServerCertificate), service.AlsoNeeds[iam.UploadServerCertificateInput]("iam:TagServerCertificate")),
		service.Op("GetServerCertificate", read, s.GetServerCertificate, onServerCertificate(func(in *iam.GetServerCertificateInput) *string { return in.ServerCertificateName })),
		service.Op("ListServerCertificates", read, s.ListServerCertificates, mayListServerCertificates),
		service.Op("UpdateServerCertificate", write, s.UpdateServerCertificate, mayUpdateServerCertificate),
		service.Op("DeleteServerCertificate", write, s.DeleteServerCertificate, onServerCertificate(func(in *iam.DeleteServerCertificateInput) *string { return in.ServerCertificateName })),
		service.Op("TagServerCertificate", write, s.TagServerCertificate, tagging(onServerCertificate(func(in *iam.TagServerCertificateInput) *string { return in.ServerCertificateName }), func(in *iam.TagServerCertificateInput) []types.Tag { return in.Tags })),
		service.Op("UntagServerCertificate", write, s.UntagServerCertificate, untagging(onServerCertificate(func(in *iam.UntagServerCertificateInput) *string { return in.ServerCertificateName }), func(in *iam.UntagServerCertificateInput) []string { return in.TagKeys })),
		service.Op("ListServerCertificateTags", read, s.ListServerCertificateTags, onServerCertificate(func(in *iam.ListServerCertificateTagsInput) *string { return in.ServerCertificateName })),

		service.Op("UploadSigningCertificate", write, s.UploadSigningCertificate, onKeyOwner(func(in *iam.UploadSigningCertificateInput) *string { return in.UserName })),
		service.Op("ListSigningCertificates", read, s.ListSigningCertificates, onKeyOwner(func(in *iam.ListSigningCertificatesInput) *string { return in.UserName })),
		service.Op("UpdateSigningCertificate", write, s.UpdateSigningCertificate, onKeyOwner(func(in *iam.UpdateSigningCertificateInput) *string { return in.UserName })),
		service.Op("DeleteSigningCertificate", write, s.DeleteSigningCertificate, onKeyOwner(func(in *iam.DeleteSigningCertificateInput) *string { return in.UserName })),

		service.Op("UploadSSHPublicKey", write, s.UploadSSHPublicKey, onKeyOwner(func(in *iam.UploadSSHPublicKeyInput) *string { return in.UserName })),
		service.Op("GetSSHPublicKey", read, s.GetSSHPublicKey, onKeyOwner(func(in *iam.GetSSHPublicKeyInput) *string { return in.UserName })),
		service.Op("ListSSHPublicKeys", read, s.ListSSHPublicKeys, onKeyOwner(func(in *iam.ListSSHPublicKeysInput) *string { return in.UserName })),
		service.Op("UpdateSSHPublicKey", write, s.UpdateSSHPublicKey, onKeyOwner(func(in *iam.UpdateSSHPublicKeyInput) *string { return in.UserName })),
		service.Op("DeleteSSHPublicKey", write, s.DeleteSSHPublicKey, onKeyOwner(func(in *iam.DeleteSSHPublicKeyInput) *string { return in.UserName })),

		service.Op("CreateServiceSpecificCredential", write, s.CreateServiceSpecificCredential, mayCreateServiceCredential),
		service.Op("ListServiceSpecificCredentials", read, s.ListServiceSpecificCredentials, mayListServiceCredentials),
		service.Op("UpdateServiceSpecificCredential", write, s.UpdateServiceSpecificCredential, onServiceCredential(
			func(in *iam.UpdateServiceSpecificCredentialInput) *string { return in.UserName },
			func(in *iam.UpdateServiceSpecificCredentialInput) *string { return in.ServiceSpecificCredentialId })),
		service.Op("ResetServiceSpecificCredential", write, s.ResetServiceSpecificCredential, onServiceCredential(
			func(in *iam.ResetServiceSpecificCredentialInput) *string { return in.UserName },
			func(in *iam.ResetServiceSpecificCredentialInput) *string { return in.ServiceSpecificCredentialId })),
		service.Op("DeleteServiceSpecificCredential", write, s.DeleteServiceSpecificCredential, onServiceCredential(
			func(in *iam.DeleteServiceSpecificCredentialInput) *string { return in.UserName },
			func(in *iam.DeleteServiceSpecificCredentialInput) *string { return in.ServiceSpecificCredentialId })),
	}
}
