package iam

import "github.com/lanyard-iam/lanyard/service"

// serviceRoleOperations are the operations on service-linked roles.
func (s *Service) serviceRoleOperations() []service.Operation {
	const read, write = service.Read, service.Write
	return []service.Operation{
		service.Op("CreateServiceLinkedRole", write, s.CreateServiceLinkedRole, s.mayCreateServiceLinkedRole),
		service.Op("DeleteServiceLinkedRole", write, s.DeleteServiceLinkedRole, mayDeleteServiceLinkedRole),
		service.Op("GetServiceLinkedRoleDeletionStatus", read, s.GetServiceLinkedRoleDeletionStatus, mayGetServiceLinkedRoleDeletionStatus),
	}
}
