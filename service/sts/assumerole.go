package sts

//lint:file-ignore SA1019 PackedPolicySize is what every client but the newest SDK reads.

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/google/uuid"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// Lifetimes of role sessions (STS API, AssumeRole; IAM User Guide, "Role
// chaining"). The range of the parameter is in the API's model.
const (
	roleDefault = time.Hour
	chainedMost = time.Hour
)

// Refusals of AssumeRole in AWS's words.
const (
	msgRootMayNot    = "Roles may not be assumed by root accounts."
	msgChainTooLong  = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
	msgRoleTooLong   = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
	msgInvalidARN    = "Request ARN is invalid"
	msgNoContextKeys = "ProvidedContexts are not supported."
)

// assumption is what is found out about an AssumeRole request while its checks
// are stated.
type assumption struct {
	role       *identity.Role // nil if there is none
	account    arn.AccountID  // of the role
	lifetime   time.Duration
	tags       sessionTags
	policyARNs []string
	// source is the source identity of the new session; sourceChanged says that
	// the caller's session has another one.
	source        string
	sourceChanged bool
}

// mayAssumeRole states what must be allowed for a role to be assumed: sts:AssumeRole
// by the role's trust policy and, as package policy has it, by the caller's own
// policies; sts:TagSession if the session is to have tags and
// sts:SetSourceIdentity if it is to have a source identity, passed or inherited.
//
// An MFA code is used up here, before anything is asked, since trust policies ask
// whether MFA was used. From then on every answer is final: the code stays used.
func (s *Service) mayAssumeRole(c *service.Call, in *sts.AssumeRoleInput) ([]authz.Check, error) {
	if c.Principal.Kind == authn.Root {
		return nil, service.Denied(msgRootMayNot)
	}
	a, err := s.assumption(c, in)
	if err != nil {
		return nil, err
	}
	withMFA, err := s.useCode(c, in.SerialNumber, in.TokenCode)
	if err != nil {
		return nil, err
	}
	checks, err := s.checks(c, in, a, withMFA)
	if err != nil {
		return nil, keepCode(in.TokenCode, err)
	}
	c.Keep(a)
	if !withMFA {
		return checks, nil
	}
	for _, check := range checks {
		if err := c.Ask(check); err != nil {
			return nil, keepCode(in.TokenCode, err)
		}
	}
	return nil, nil
}

// assumption looks at the request's parameters and finds the role.
func (s *Service) assumption(c *service.Call, in *sts.AssumeRoleInput) (*assumption, error) {
	if len(in.ProvidedContexts) > 0 {
		return nil, service.Invalid(msgNoContextKeys) // ignoring them would lose what they were to restrict
	}
	a := &assumption{lifetime: seconds(in.DurationSeconds, roleDefault)}
	var err error
	if a.policyARNs, err = sessionPolicies(in.Policy, in.PolicyArns); err != nil {
		return nil, err
	}
	if a.tags, err = parseTags(c.Principal, in.Tags, in.TransitiveTagKeys); err != nil {
		return nil, err
	}
	inherited := c.Principal.SourceIdentity()
	a.source = inherited
	if in.SourceIdentity != nil {
		a.source = *in.SourceIdentity
		a.sourceChanged = inherited != "" && inherited != a.source
	}
	a.role, a.account, err = findRole(c, aws.ToString(in.RoleArn))
	return a, err
}

// findRole finds a role by its ARN, in any account. A role that does not exist is
// no error: the caller is denied it in the same words as one that may not be
// assumed.
func findRole(c *service.Call, name string) (*identity.Role, arn.AccountID, error) {
	a, err := arn.Parse(name)
	if err != nil {
		return nil, "", service.Invalid("%s is invalid", name)
	}
	kind, _, short := a.Split()
	account, err := arn.ParseAccountID(a.Account)
	if err != nil || a.Service != "iam" || a.Region != "" || kind != "role" || short == "" {
		return nil, "", service.Invalid(msgInvalidARN)
	}
	role, err := identity.FindRole(c.Reader, account, short)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, account, nil
	case err != nil:
		return nil, account, fmt.Errorf("find role %s: %w", name, err)
	}
	// Access cannot be delegated between partitions, so the role is looked for in
	// the caller's; path and case must be the role's own.
	if role.ARN(c.Scope.Partition) != name {
		return nil, account, nil
	}
	return role, account, nil
}

// checks are the questions about an assumption.
func (s *Service) checks(c *service.Call, in *sts.AssumeRoleInput, a *assumption, withMFA bool) ([]authz.Check, error) {
	trust := policy.NewSet(nil) // of a role that does not exist: trusts nobody
	var roleTags []identity.Tag
	if a.role != nil {
		var err error
		if trust, err = s.config.Trust(a.role, c.Scope.Partition); err != nil {
			return nil, err
		}
		roleTags = a.tags.overlay(a.role.Tags)
	}
	check := authz.Check{
		Action:         "sts:AssumeRole",
		Resource:       aws.ToString(in.RoleArn),
		Account:        a.account,
		ResourcePolicy: trust,
		Trust:          true,
		Short:          true,
		Keys: append(make([]authz.Key, 0, 4),
			authz.Key{Name: "sts:RoleSessionName", Value: aws.ToString(in.RoleSessionName)},
			authz.Key{Name: "sts:DurationSeconds", Value: strconv.Itoa(int(a.lifetime / time.Second))}),
	}
	if in.ExternalId != nil {
		check.Keys = append(check.Keys, authz.Key{Name: "sts:ExternalId", Value: *in.ExternalId})
	}
	if in.SourceIdentity != nil {
		check.Keys = append(check.Keys, authz.Key{Name: "sts:SourceIdentity", Value: *in.SourceIdentity})
	}
	check = check.WithResourceTags(roleTags).WithRequestTags(a.tags.requested)
	if len(a.tags.transitive) > 0 {
		check = check.WithList("sts:TransitiveTagKeys", a.tags.transitive)
	}
	if withMFA {
		// For this evaluation alone: the session does not carry it (IAM User
		// Guide, "Secure API access with MFA").
		check = check.With("aws:MultiFactorAuthPresent", "true").With("aws:MultiFactorAuthAge", "0")
	}

	checks := []authz.Check{check}
	if a.tags.any() {
		checks = append(checks, check.WithAction("sts:TagSession"))
	}
	if a.source != "" {
		setting := check.WithAction("sts:SetSourceIdentity")
		if a.sourceChanged {
			// A source identity is fixed along the whole chain: nothing can allow
			// to change it. Asking a policy that trusts nobody says so in AWS's
			// words and leaves the denial in the record.
			setting.ResourcePolicy = policy.NewSet(nil)
		}
		checks = append(checks, setting)
	}
	return checks, nil
}

// AssumeRole gives the caller a session of a role.
func (s *Service) AssumeRole(c *service.Call, in *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	out, err := s.assumeRole(c, in, c.Kept().(*assumption))
	if err != nil {
		return nil, keepCode(in.TokenCode, err)
	}
	return out, nil
}

func (s *Service) assumeRole(c *service.Call, in *sts.AssumeRoleInput, a *assumption) (*sts.AssumeRoleOutput, error) {
	p, role := c.Principal, a.role
	if role == nil {
		return nil, fmt.Errorf("role %s does not exist, but may be assumed", aws.ToString(in.RoleArn))
	}
	if p.Temporary() && a.lifetime > chainedMost {
		return nil, service.Invalid(msgChainTooLong)
	}
	if a.lifetime > max(roleDefault, time.Duration(role.MaxSessionDuration)*time.Second) {
		return nil, service.Invalid(msgRoleTooLong)
	}
	if err := s.mustExist(c, role.Account, a.policyARNs); err != nil {
		return nil, err
	}
	sn := &session.Session{
		Kind:           session.Role,
		Account:        role.Account,
		PrincipalID:    role.ID,
		Name:           aws.ToString(in.RoleSessionName),
		Policy:         aws.ToString(in.Policy),
		PolicyARNs:     a.policyARNs,
		Tags:           a.tags.all(),
		TransitiveTags: a.tags.handedOn(),
		SourceIdentity: a.source,
		Chained:        p.Temporary(),
		// Whether MFA was used is known of every role session. It was if the
		// caller's own session says so; a code passed to AssumeRole counted for
		// its evaluation only.
		MFAKnown: true,
		MFA:      p.MFA,
		MFATime:  p.MFATime,
	}
	packed, err := packedSize(sn, in.Policy != nil || len(in.PolicyArns) > 0 || a.tags.any())
	if err != nil {
		return nil, err
	}
	credentials, err := s.issue(c, sn, a.lifetime)
	if err != nil {
		return nil, err
	}
	if err := recordRole(c, role); err != nil {
		return nil, err
	}
	scope := arn.Scope{Partition: c.Scope.Partition, Account: role.Account}
	out := &sts.AssumeRoleOutput{
		Credentials: credentials,
		AssumedRoleUser: &types.AssumedRoleUser{
			AssumedRoleId: aws.String(role.ID + ":" + sn.Name),
			Arn:           aws.String(scope.AssumedRole(role.Name, sn.Name)),
		},
		PackedPolicySize: packed,
	}
	out.SessionTokenSize, out.SessionTokenUtilization = tokenSize(credentials)
	if a.source != "" {
		out.SourceIdentity = aws.String(a.source)
	}
	return out, nil
}

// recordRole names the role in the audit record. When the role is of another
// account, that account gets a record of its own, which shows of the caller no
// more than account and unique id (CloudTrail User Guide, "AWS STS API calls").
func recordRole(c *service.Call, role *identity.Role) error {
	e := c.Event
	e.Resources = append(e.Resources, audit.Resource{
		ARN:       role.ARN(c.Scope.Partition),
		AccountID: role.Account,
		Type:      "AWS::IAM::Role",
	})
	if role.Account == c.Principal.Account {
		return nil
	}
	shared, err := uuid.NewRandomFromReader(c.Rand)
	if err != nil {
		return fmt.Errorf("draw sharedEventID: %w", err)
	}
	id, err := uuid.NewRandomFromReader(c.Rand)
	if err != nil {
		return fmt.Errorf("draw eventID: %w", err)
	}
	e.SharedID = shared.String()
	e.Copies = append(e.Copies, audit.Copy{
		ID:      id.String(),
		Account: role.Account,
		Identity: audit.UserIdentity{
			Type:        "AWSAccount",
			PrincipalID: c.Principal.UserID,
			AccountID:   string(c.Principal.Account),
		},
	})
	return nil
}
