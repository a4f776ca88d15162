// Package cloudtrail is the AWS service that answers questions about the audit
// trail: LookupEvents, as the event history of an account.
//
// It owns the parameters and errors of the API and the form of its answers. What a
// record says, how it is kept and how it is found is package audit's. Trails in
// CloudTrail's sense, which deliver records to a bucket, are not built yet.
package cloudtrail

import (
	"github.com/lanyard-iam/lanyard/audit"
)

// Service is CloudTrail over one audit trail.
type Service struct {
	trail *audit.Trail
}

// New makes the service.
func New(trail *audit.Trail) *Service { return &Service{trail: trail} }
