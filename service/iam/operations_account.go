package iam

import "github.com/lanyard-iam/lanyard/service"

// accountOperations are the operations on the switches and properties of an account, and on delegation requests.
func (s *Service) accountOperations() []service.Operation {
	return nil
}
