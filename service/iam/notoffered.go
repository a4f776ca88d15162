package iam

import (
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/service"
)

// Operations on what only AWS has: organizations, product providers who ask for
// temporary delegation, and role templates. They answer what AWS answers to an account
// that has no part in these.

// noOrganization refuses an operation on the organization of an account that is in none.
func noOrganization[I, O any](*service.Call, *I) (*O, error) {
	return nil, &types.OrganizationNotFoundException{Message: aws.String("The request was rejected because no organization is associated with your account.")}
}

// GetOrganizationsAccessReport finds no report, since nobody can generate one.
func (s *Service) GetOrganizationsAccessReport(_ *service.Call, in *iam.GetOrganizationsAccessReportInput) (*iam.GetOrganizationsAccessReportOutput, error) {
	return nil, noSuchJob(*in.JobId)
}

// mayGenerateOrganizationsAccessReport: the resource is the part of the organization
// that the report is about.
func mayGenerateOrganizationsAccessReport(c *service.Call, in *iam.GenerateOrganizationsAccessReportInput) ([]authz.Check, error) {
	check := authz.On(fmt.Sprintf("arn:%s:iam::%s:access-report/%s", c.Scope.Partition, c.Account(), *in.EntityPath))
	if in.OrganizationsPolicyId != nil {
		check = check.With("iam:OrganizationsPolicyId", *in.OrganizationsPolicyId)
	}
	return []authz.Check{check}, nil
}

// AcquireRole finds no template to make a role of.
func (s *Service) AcquireRole(_ *service.Call, in *iam.AcquireRoleInput) (*iam.AcquireRoleOutput, error) {
	return nil, noTemplate(*in.TemplateArn)
}

// GetRoleTemplateVersion finds no template.
func (s *Service) GetRoleTemplateVersion(_ *service.Call, in *iam.GetRoleTemplateVersionInput) (*iam.GetRoleTemplateVersionOutput, error) {
	return nil, noTemplate(*in.TemplateArn)
}

func noTemplate(name string) error {
	if a, err := arn.Parse(name); err != nil || a.Service != "iam" {
		return invalidInput("ARN %s is not valid.", name)
	}
	return noSuchEntity("The role template with ARN %s cannot be found.", name)
}

// onTemplate asks about a role template.
func onTemplate[I any](get func(*I) *string) checks[I] {
	return func(_ *service.Call, in *I) ([]authz.Check, error) {
		return []authz.Check{authz.On(*get(in)).With("iam:TemplateArn", *get(in))}, nil
	}
}

// CreateDelegationRequest is for product providers that AWS has taken on; whoever calls
// here is none. Hence there are no requests, and the other operations find none.
func (s *Service) CreateDelegationRequest(*service.Call, *iam.CreateDelegationRequestInput) (*iam.CreateDelegationRequestOutput, error) {
	return nil, service.Denied("Delegation requests can only be created by product providers that are registered with AWS.")
}

// ListDelegationRequests lists none.
func (s *Service) ListDelegationRequests(*service.Call, *iam.ListDelegationRequestsInput) (*iam.ListDelegationRequestsOutput, error) {
	return &iam.ListDelegationRequestsOutput{DelegationRequests: []types.DelegationRequest{}}, nil
}

// GetDelegationRequest finds no request.
func (s *Service) GetDelegationRequest(_ *service.Call, in *iam.GetDelegationRequestInput) (*iam.GetDelegationRequestOutput, error) {
	return nil, noDelegation(*in.DelegationRequestId)
}

// AssociateDelegationRequest finds no request.
func (s *Service) AssociateDelegationRequest(_ *service.Call, in *iam.AssociateDelegationRequestInput) (*iam.AssociateDelegationRequestOutput, error) {
	return nil, noDelegation(*in.DelegationRequestId)
}

// UpdateDelegationRequest finds no request.
func (s *Service) UpdateDelegationRequest(_ *service.Call, in *iam.UpdateDelegationRequestInput) (*iam.UpdateDelegationRequestOutput, error) {
	return nil, noDelegation(*in.DelegationRequestId)
}

// AcceptDelegationRequest finds no request.
func (s *Service) AcceptDelegationRequest(_ *service.Call, in *iam.AcceptDelegationRequestInput) (*iam.AcceptDelegationRequestOutput, error) {
	return nil, noDelegation(*in.DelegationRequestId)
}

// RejectDelegationRequest finds no request.
func (s *Service) RejectDelegationRequest(_ *service.Call, in *iam.RejectDelegationRequestInput) (*iam.RejectDelegationRequestOutput, error) {
	return nil, noDelegation(*in.DelegationRequestId)
}

// SendDelegationToken finds no request.
func (s *Service) SendDelegationToken(_ *service.Call, in *iam.SendDelegationTokenInput) (*iam.SendDelegationTokenOutput, error) {
	return nil, noDelegation(*in.DelegationRequestId)
}

// GetHumanReadableSummary finds no request to sum up.
func (s *Service) GetHumanReadableSummary(_ *service.Call, in *iam.GetHumanReadableSummaryInput) (*iam.GetHumanReadableSummaryOutput, error) {
	a, err := arn.Parse(*in.EntityArn)
	if err != nil {
		return nil, service.Invalid("Invalid ARN:  Could not be parsed!")
	}
	if kind, _, id := a.Split(); a.Service == "iam" && kind == delegationRequest && id != "" {
		return nil, noDelegation(id)
	}
	return nil, invalidInput("ARN %s is not valid.", *in.EntityArn)
}

func noDelegation(id string) error {
	return noSuchEntity("The delegation request with id %s cannot be found.", id)
}

// delegationRequest is the type of resource in the ARNs of delegation requests.
const delegationRequest = "delegation-request"

// mayCreateDelegationRequest asks about any request, by what is asked for in it.
func mayCreateDelegationRequest(c *service.Call, in *iam.CreateDelegationRequestInput) ([]authz.Check, error) {
	check := authz.On(delegationARN(c, "*")).
		With("iam:NotificationChannel", *in.NotificationChannel).
		With("iam:DelegationDuration", strconv.Itoa(int(*in.SessionDuration)))
	if in.Permissions.PolicyTemplateArn != nil {
		check = check.With("iam:TemplateArn", *in.Permissions.PolicyTemplateArn)
	}
	return []authz.Check{check}, nil
}

func mayGetHumanReadableSummary(_ *service.Call, in *iam.GetHumanReadableSummaryInput) ([]authz.Check, error) {
	return []authz.Check{authz.On(*in.EntityArn)}, nil
}

// onDelegation asks about a delegation request.
func onDelegation[I any](get func(*I) *string) checks[I] {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		return []authz.Check{authz.On(delegationARN(c, *get(in)))}, nil
	}
}

func delegationARN(c *service.Call, id string) string {
	return arn.ARN{Partition: c.Scope.Partition, Service: "iam", Account: c.Account(), Resource: delegationRequest + "/" + id}.String()
}
