package iam

import "github.com/lanyard-iam/lanyard/service"

// serviceRoleOperations are the operations on service-linked roles.
func (s *Service) serviceRoleOperations() []service.Operation {
	return nil
}
