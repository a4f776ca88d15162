// Package iam owns the rules of the IAM API (version 2010-05-08): what may be
// created, changed and deleted, in which order, with which error. One file per
// resource, and in each the same order: operations, conversion of the record to
// the SDK's type, helpers. operations.go is the list of operations.
//
// Records and indexes are package identity's, the lengths and patterns of
// parameters package constraint's; who calls, whether they may, and what is put
// on record is done by package endpoint before and after an operation runs. What
// an operation must be authorized for is stated beside its name in the list.
package iam

import (
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/internal/password"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/service"
)

// Config is what the service is built from. All fields but Limits are needed.
type Config struct {
	Ring      *keyring.Ring         // seals access keys and MFA seeds
	Markers   *service.Markers      // for paginated lists
	Passwords *password.Hasher      // for login profiles
	Managed   *awsmanaged.Catalogue // the policies that AWS manages
	Authz     *authz.Authorizer     // gathers policies for the simulator
	Limits    Limits                // the zero value means DefaultLimits
	JobKey    []byte                // enciphers the ids of reports on what was last accessed
	// Actions names the actions of a service that are offered here, of which reports
	// tell who called them. It is not asked before the first request.
	Actions func(namespace string) []string
}

// Service is IAM. It holds no state of its own, but which reports are being made:
// everything is in the store.
type Service struct {
	ring        *keyring.Ring
	markers     *service.Markers
	passwords   *password.Hasher
	managed     *awsmanaged.Catalogue
	authz       *authz.Authorizer
	mfa         *authn.MFA
	selfService *policy.Set
	limits      Limits
	reporting   *reporting
	jobs        accessJobs
	actions     func(namespace string) []string
	namespaces  []namespace
}

// New builds the service.
func New(cfg Config) (*Service, error) {
	selfService, err := compileSelfService()
	if err != nil {
		return nil, err
	}
	namespaces, err := parseNamespaces(namespaceList)
	if err != nil {
		return nil, err
	}
	if cfg.Limits == (Limits{}) {
		cfg.Limits = DefaultLimits()
	}
	return &Service{
		ring:        cfg.Ring,
		markers:     cfg.Markers,
		passwords:   cfg.Passwords,
		managed:     cfg.Managed,
		authz:       cfg.Authz,
		mfa:         &authn.MFA{Ring: cfg.Ring},
		selfService: selfService,
		limits:      cfg.Limits,
		reporting:   newReporting(),
		jobs:        accessJobs{key: cfg.JobKey},
		actions:     cfg.Actions,
		namespaces:  namespaces,
	}, nil
}
