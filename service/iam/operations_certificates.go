package iam

import "github.com/lanyard-iam/lanyard/service"

// certificateOperations are the operations on certificates, SSH keys and the credentials of single services.
func (s *Service) certificateOperations() []service.Operation {
	return nil
}
