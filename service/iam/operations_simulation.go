package iam

import "github.com/lanyard-iam/lanyard/service"

// simulationOperations are the operations on the policy simulator and its kin.
func (s *Service) simulationOperations() []service.Operation {
	return nil
}
