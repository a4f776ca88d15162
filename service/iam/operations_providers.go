package iam

import "github.com/lanyard-iam/lanyard/service"

// providerOperations are the operations on identity providers.
func (s *Service) providerOperations() []service.Operation {
	return nil
}
