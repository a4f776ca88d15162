package iam

import (
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/lanyard-iam/lanyard/service"
)

// reportOperations are the operations on reports: credentials, and what was last accessed.
func (s *Service) reportOperations() []service.Operation {
	const read, write = service.Read, service.Write
	return []service.Operation{
		service.Op("GenerateCredentialReport", write, s.GenerateCredentialReport, onAccount[iam.GenerateCredentialReportInput], service.Before(s.prepareCredentialReport), service.RecordedAs[iam.GenerateCredentialReportInput](true)),
		service.Op("GetCredentialReport", read, s.GetCredentialReport, onAccount[iam.GetCredentialReportInput]),

		service.Op("GenerateServiceLastAccessedDetails", read, s.GenerateServiceLastAccessedDetails, s.mayGenerateServiceLastAccessedDetails),
		service.Op("GetServiceLastAccessedDetails", read, s.GetServiceLastAccessedDetails, onAccount[iam.GetServiceLastAccessedDetailsInput]),
		service.Op("GetServiceLastAccessedDetailsWithEntities", read, s.GetServiceLastAccessedDetailsWithEntities, onAccount[iam.GetServiceLastAccessedDetailsWithEntitiesInput]),

		service.Op("GenerateOrganizationsAccessReport", read, noOrganization[iam.GenerateOrganizationsAccessReportInput, iam.GenerateOrganizationsAccessReportOutput], mayGenerateOrganizationsAccessReport, service.NotOffered[iam.GenerateOrganizationsAccessReportInput](needsOrganization)),
		service.Op("GetOrganizationsAccessReport", read, s.GetOrganizationsAccessReport, onAccount[iam.GetOrganizationsAccessReportInput], service.NotOffered[iam.GetOrganizationsAccessReportInput](needsOrganization)),
	}
}
