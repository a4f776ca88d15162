package iam

import (
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/lanyard-iam/lanyard/service"
)

// simulationOperations are the operations on the policy simulator and its kin.
func (s *Service) simulationOperations() []service.Operation {
	const read = service.Read
	return []service.Operation{
		service.Op("SimulateCustomPolicy", read, s.SimulateCustomPolicy, maySimulateText[iam.SimulateCustomPolicyInput]),
		service.Op("SimulatePrincipalPolicy", read, s.SimulatePrincipalPolicy, onEntity(func(in *iam.SimulatePrincipalPolicyInput) *string { return in.PolicySourceArn })),
		service.Op("GetContextKeysForCustomPolicy", read, s.GetContextKeysForCustomPolicy, maySimulateText[iam.GetContextKeysForCustomPolicyInput]),
		service.Op("GetContextKeysForPrincipalPolicy", read, s.GetContextKeysForPrincipalPolicy, onEntity(func(in *iam.GetContextKeysForPrincipalPolicyInput) *string { return in.PolicySourceArn })),
		service.Op("ListPoliciesGrantingServiceAccess", read, s.ListPoliciesGrantingServiceAccess, onEntity(func(in *iam.ListPoliciesGrantingServiceAccessInput) *string { return in.Arn })),
	}
}
