package iam

import "github.com/lanyard-iam/lanyard/service"

// reportOperations are the operations on reports: credentials, and what was last accessed.
func (s *Service) reportOperations() []service.Operation {
	return nil
}
