package iam

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// maxPolicySize is the most characters of a managed policy, white space not
// counted. AWS does not raise it.
const maxPolicySize = 6144

func policiesCount(n *identity.Counts) *int       { return &n.Policies }
func policyVersionsCount(n *identity.Counts) *int { return &n.PolicyVersions }

// CreatePolicy makes a customer managed policy with its version v1.
func (s *Service) CreatePolicy(c *service.Call, in *iam.CreatePolicyInput) (*iam.CreatePolicyOutput, error) {
	name, document := *in.PolicyName, *in.PolicyDocument
	if err := checkManagedDocument(document); err != nil {
		return nil, err
	}
	if identity.Policies.Has(c.Reader, c.Account(), identity.Fold(name)) {
		return nil, alreadyExists("A policy called %s already exists. Duplicate names are not allowed.", name)
	}
	tags, err := s.setTags(nil, in.Tags, exactCase)
	if err != nil {
		return nil, err
	}
	if err := countOneMore(c, policiesCount, quota{"PoliciesPerAccount", s.limits.PoliciesPerAccount}); err != nil {
		return nil, err
	}
	if err := count(c, policyVersionsCount, 1); err != nil {
		return nil, err
	}
	id, err := enter(c, arn.PrefixPolicy, identity.TypePolicy, name)
	if err != nil {
		return nil, err
	}
	p := &identity.Policy{
		Account: c.Scope.Account, ID: id, Name: name, Path: pathOf(in.Path), Description: aws.ToString(in.Description),
		Created: second(c.Now), Updated: second(c.Now), Default: 1, Last: 1,
		Versions: []identity.PolicyVersion{{Number: 1, Document: document, Created: second(c.Now)}},
		Tags:     tags,
	}
	if err := identity.Policies.Put(c.Tx, p, c.Account(), identity.Fold(name)); err != nil {
		return nil, err
	}
	return &iam.CreatePolicyOutput{Policy: customerManaged(p, c.Scope.Partition).toPolicy(c)}, nil
}

// GetPolicy describes a managed policy.
func (s *Service) GetPolicy(c *service.Call, in *iam.GetPolicyInput) (*iam.GetPolicyOutput, error) {
	m, err := s.findManaged(c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return &iam.GetPolicyOutput{Policy: m.toPolicy(c)}, nil
}

// ListPolicies lists the account's own managed policies and then those of AWS.
func (s *Service) ListPolicies(c *service.Call, in *iam.ListPoliciesInput) (*iam.ListPoliciesOutput, error) {
	usage := identity.AsPermissions
	if in.PolicyUsageFilter == types.PolicyUsageTypePermissionsBoundary {
		usage = identity.AsBoundary
	}
	usedOnly := in.OnlyAttached || in.PolicyUsageFilter != ""
	wanted := func(path, key string) bool {
		return below(path, in.PathPrefix) && (!usedOnly || inUse(c, key, usage))
	}
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, *managedPolicy) bool) error {
		return s.scanManaged(c, in.Scope, after, wanted, yield)
	})
	if err != nil {
		return nil, err
	}
	out := &iam.ListPoliciesOutput{Policies: []types.Policy{}, IsTruncated: page.IsTruncated, Marker: page.Marker}
	for _, m := range page.Items {
		out.Policies = append(out.Policies, m.toListed(c))
	}
	return out, nil
}

// DeletePolicy deletes a policy that nobody uses and that has no version left but
// the default one.
func (s *Service) DeletePolicy(c *service.Call, in *iam.DeletePolicyInput) (*iam.DeletePolicyOutput, error) {
	var gone identity.Policy
	err := s.editPolicy(c, *in.PolicyArn, func(p *identity.Policy) error {
		if inUse(c, p.ARN(canonicalPartition), identity.AsPermissions, identity.AsBoundary) {
			return deleteConflict("Cannot delete a policy attached to entities.")
		}
		if len(p.Versions) > 1 {
			return deleteConflict("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		gone = *p
		return nil
	})
	if err != nil {
		return nil, err
	}
	identity.Policies.Delete(c.Tx, c.Account(), identity.Fold(gone.Name))
	identity.Entities.Delete(c.Tx, gone.ID)
	identity.PolicyTests.Delete(c.Tx, c.Account(), gone.ID)
	if err := count(c, policiesCount, -1); err != nil {
		return nil, err
	}
	return &iam.DeletePolicyOutput{}, count(c, policyVersionsCount, -len(gone.Versions))
}

// CreatePolicyVersion adds a version, and makes it the default one if asked to.
func (s *Service) CreatePolicyVersion(c *service.Call, in *iam.CreatePolicyVersionInput) (*iam.CreatePolicyVersionOutput, error) {
	document := *in.PolicyDocument
	if err := checkManagedDocument(document); err != nil {
		return nil, err
	}
	var made types.PolicyVersion
	err := s.editPolicy(c, *in.PolicyArn, func(p *identity.Policy) error {
		if len(p.Versions) >= s.limits.VersionsPerPolicy {
			return limitExceeded("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", s.limits.VersionsPerPolicy)
		}
		p.Last++ // numbers are not reused, also not those of deleted versions
		p.Versions = append(p.Versions, identity.PolicyVersion{Number: p.Last, Document: document, Created: second(c.Now)})
		p.Updated = second(c.Now)
		if in.SetAsDefault {
			p.Default = p.Last
		}
		versions := customerManaged(p, c.Scope.Partition).versions
		made = versions[len(versions)-1].toListed()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.CreatePolicyVersionOutput{PolicyVersion: &made}, count(c, policyVersionsCount, 1)
}

// GetPolicyVersion returns a version with its document.
func (s *Service) GetPolicyVersion(c *service.Call, in *iam.GetPolicyVersionInput) (*iam.GetPolicyVersionOutput, error) {
	m, err := s.findManaged(c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(m.versions, func(v policyVersion) bool { return v.id == *in.VersionId })
	if i < 0 {
		return nil, noSuchVersion(*in.PolicyArn, *in.VersionId)
	}
	return &iam.GetPolicyVersionOutput{PolicyVersion: new(m.versions[i].toVersion())}, nil
}

// ListPolicyVersions lists the versions, newest first.
func (s *Service) ListPolicyVersions(c *service.Call, in *iam.ListPolicyVersionsInput) (*iam.ListPolicyVersionsOutput, error) {
	m, err := s.findManaged(c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, types.PolicyVersion) bool) error {
		for _, v := range slices.Backward(m.versions) {
			number, _ := versionNumber(v.id)
			// Cursors ascend, and a newer version may come between two pages.
			if cursor := fmt.Sprintf("%010d", math.MaxInt32-number); cursor > after && !yield(cursor, v.toListed()) {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.ListPolicyVersionsOutput{Versions: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// SetDefaultPolicyVersion puts a version in force.
func (s *Service) SetDefaultPolicyVersion(c *service.Call, in *iam.SetDefaultPolicyVersionInput) (*iam.SetDefaultPolicyVersionOutput, error) {
	return &iam.SetDefaultPolicyVersionOutput{}, s.editPolicy(c, *in.PolicyArn, func(p *identity.Policy) error {
		i, err := versionIndex(p, *in.PolicyArn, *in.VersionId)
		if err != nil {
			return err
		}
		if p.Default != p.Versions[i].Number {
			p.Default = p.Versions[i].Number
			p.Updated = second(c.Now)
		}
		return nil
	})
}

// DeletePolicyVersion deletes a version that is not the default one.
func (s *Service) DeletePolicyVersion(c *service.Call, in *iam.DeletePolicyVersionInput) (*iam.DeletePolicyVersionOutput, error) {
	err := s.editPolicy(c, *in.PolicyArn, func(p *identity.Policy) error {
		i, err := versionIndex(p, *in.PolicyArn, *in.VersionId)
		if err != nil {
			return err
		}
		if p.Versions[i].Number == p.Default {
			return deleteConflict("Cannot delete the default version of a policy.")
		}
		p.Versions = slices.Delete(p.Versions, i, i+1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.DeletePolicyVersionOutput{}, count(c, policyVersionsCount, -1)
}

// ListEntitiesForPolicy lists who uses a managed policy.
func (s *Service) ListEntitiesForPolicy(c *service.Call, in *iam.ListEntitiesForPolicyInput) (*iam.ListEntitiesForPolicyOutput, error) {
	m, err := s.findManaged(c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, *bearer) bool) error {
		var failed error
		err := scanUses(c, m.key, after, func(u use) bool {
			if !u.matches(c, m.key, in) {
				return true
			}
			b, err := lookUpBearer(c, u.kind, u.name)
			if err != nil {
				failed = fmt.Errorf("%s uses %s: %w", u.id, m.key, err)
				return false
			}
			return !below(b.path, in.PathPrefix) || yield(u.cursor(), b)
		})
		return errors.Join(failed, err)
	})
	if err != nil {
		return nil, err
	}
	out := &iam.ListEntitiesForPolicyOutput{
		PolicyUsers: []types.PolicyUser{}, PolicyGroups: []types.PolicyGroup{}, PolicyRoles: []types.PolicyRole{},
		IsTruncated: page.IsTruncated, Marker: page.Marker,
	}
	for _, b := range page.Items {
		switch b.kind {
		case identity.TypeUser:
			out.PolicyUsers = append(out.PolicyUsers, types.PolicyUser{UserName: aws.String(b.name), UserId: aws.String(b.id)})
		case identity.TypeGroup:
			out.PolicyGroups = append(out.PolicyGroups, types.PolicyGroup{GroupName: aws.String(b.name), GroupId: aws.String(b.id)})
		default:
			out.PolicyRoles = append(out.PolicyRoles, types.PolicyRole{RoleName: aws.String(b.name), RoleId: aws.String(b.id)})
		}
	}
	return out, nil
}

// TagPolicy adds tags to a customer managed policy.
func (s *Service) TagPolicy(c *service.Call, in *iam.TagPolicyInput) (*iam.TagPolicyOutput, error) {
	return &iam.TagPolicyOutput{}, s.editPolicy(c, *in.PolicyArn, func(p *identity.Policy) (err error) {
		p.Tags, err = s.setTags(p.Tags, in.Tags, exactCase)
		return err
	})
}

// UntagPolicy removes tags from a customer managed policy.
func (s *Service) UntagPolicy(c *service.Call, in *iam.UntagPolicyInput) (*iam.UntagPolicyOutput, error) {
	return &iam.UntagPolicyOutput{}, s.editPolicy(c, *in.PolicyArn, func(p *identity.Policy) error {
		p.Tags = removeTags(p.Tags, in.TagKeys, exactCase)
		return nil
	})
}

// ListPolicyTags lists the tags of a managed policy.
func (s *Service) ListPolicyTags(c *service.Call, in *iam.ListPolicyTagsInput) (*iam.ListPolicyTagsOutput, error) {
	m, err := s.findManaged(c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	page, err := s.listTags(c, in, m.tags)
	if err != nil {
		return nil, err
	}
	return &iam.ListPolicyTagsOutput{Tags: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// checkManagedDocument checks a document that is to become a version.
func checkManagedDocument(document string) error {
	if policy.CountNonSpace(document) > maxPolicySize {
		return limitExceeded("Cannot exceed quota for PolicySize: %d", maxPolicySize)
	}
	_, err := parseDocument(document, policy.ManagedPolicy)
	return err
}

// versionIndex finds a version of a policy.
func versionIndex(p *identity.Policy, policyARN, id string) (int, error) {
	if number, ok := versionNumber(id); ok {
		if i := slices.IndexFunc(p.Versions, func(v identity.PolicyVersion) bool { return v.Number == number }); i >= 0 {
			return i, nil
		}
	}
	return 0, noSuchVersion(policyARN, id)
}

// The two parts of the list of all managed policies, as cursors begin.
const (
	localPolicies = "1"
	awsPolicies   = "2"
)

// scanManaged yields the wanted managed policies of a scope that lie behind a
// cursor: the account's own by name, and AWS's by path and name. Whether one is wanted
// is asked by its path and key before it is read.
func (s *Service) scanManaged(c *service.Call, scope types.PolicyScopeType, after string, wanted func(path, key string) bool, yield func(string, *managedPolicy) bool) error {
	more := true
	if rest, begun := strings.CutPrefix(after, localPolicies); scope != types.PolicyScopeTypeAws && (begun || after == "") {
		err := identity.Policies.Scan(c.Reader, rest, func(key store.Key, p *identity.Policy) bool {
			if wanted(p.Path, p.ARN(canonicalPartition)) {
				more = yield(localPolicies+key.Last(), customerManaged(p, c.Scope.Partition))
			}
			return more
		}, c.Account())
		if err != nil {
			return err
		}
	}
	if scope == types.PolicyScopeTypeLocal || !more {
		return nil
	}
	rest, _ := strings.CutPrefix(after, awsPolicies)
	if !strings.HasPrefix(after, awsPolicies) {
		rest = ""
	}
	policies, err := identity.ManagedAfter(c.Reader, s.managed, rest)
	if err != nil {
		return err
	}
	for p := range policies {
		if !wanted(p.Path, p.ARN(canonicalPartition)) {
			continue
		}
		if !yield(awsPolicies+p.Path+p.Name, awsManaged(p, c.Scope.Partition)) {
			return nil
		}
	}
	return nil
}

// use is one row of the index of attachments: an entity that uses a policy.
type use struct {
	usage identity.Usage
	kind  identity.EntityType
	id    string
	name  string // folded
}

func (u use) cursor() string { return string(u.usage) + "/" + string(u.kind) + "/" + u.id }

// matches tells whether ListEntitiesForPolicy asks for a use. An entity that uses
// a policy in both ways is listed once.
func (u use) matches(c *service.Call, key string, in *iam.ListEntitiesForPolicyInput) bool {
	switch in.EntityFilter {
	case types.EntityTypeUser:
		if u.kind != identity.TypeUser {
			return false
		}
	case types.EntityTypeGroup:
		if u.kind != identity.TypeGroup {
			return false
		}
	case types.EntityTypeRole:
		if u.kind != identity.TypeRole {
			return false
		}
	case types.EntityTypeLocalManagedPolicy, types.EntityTypeAWSManagedPolicy: // no policy is attached to a policy
		return false
	}
	switch in.PolicyUsageFilter {
	case types.PolicyUsageTypePermissionsPolicy:
		return u.usage == identity.AsPermissions
	case types.PolicyUsageTypePermissionsBoundary:
		return u.usage == identity.AsBoundary
	}
	return u.usage == identity.AsBoundary ||
		!identity.Attachments.Has(c.Reader, c.Account(), key, string(identity.AsBoundary), string(u.kind), u.id)
}

// scanUses yields the uses of a policy that lie behind a cursor.
func scanUses(c *service.Call, key, after string, yield func(use) bool) error {
	from := store.Key("")
	if parts := strings.SplitN(after, "/", 3); len(parts) == 3 {
		from = identity.Attachments.Key(c.Account(), key, parts[0], parts[1], parts[2])
	}
	var err error
	c.Reader.Scan(store.Prefix(identity.Attachments.Kind, c.Account(), key), from, func(k store.Key, _ *store.Item) bool {
		parts := k.Parts() // account, policy, usage, entity type, entity id
		var entity *identity.Entity
		if entity, err = identity.Entities.Get(c.Reader, parts[4]); err != nil {
			err = fmt.Errorf("%s %s, which uses policy %s: %w", parts[3], parts[4], key, err)
			return false
		}
		return yield(use{usage: identity.Usage(parts[2]), kind: identity.EntityType(parts[3]), id: parts[4], name: entity.Name})
	})
	return err
}

// onPolicy states that an operation acts on the managed policy whose ARN get finds
// in its input. The policy's owner is the account in the ARN, so that a policy of
// another account is refused and nothing is told of it.
func onPolicy[I any](s *Service, get func(*I) *string) checks[I] {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		check := authz.On(*get(in))
		if a, err := arn.Parse(check.Resource); err == nil {
			check.Account = arn.AccountID(a.Account)
		}
		if m, err := s.lookUpManaged(c, check.Resource); err == nil { // else the operation says what is wrong
			check = check.WithResourceTags(m.tags)
		}
		return []authz.Check{check}, nil
	}
}

// readsPolicy is onPolicy for operations that only read: policies that AWS manages
// are open to every account.
func readsPolicy[I any](s *Service, get func(*I) *string) checks[I] {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		list, err := onPolicy(s, get)(c, in)
		if err == nil && list[0].Account == awsOwner {
			list[0].Account = c.Scope.Account
		}
		return list, err
	}
}

// mayCreatePolicy asks to create a managed policy.
func mayCreatePolicy(c *service.Call, in *iam.CreatePolicyInput) ([]authz.Check, error) {
	check := authz.On(c.Scope.Policy(pathOf(in.Path), *in.PolicyName))
	return creates(check, in.Tags, "iam:TagPolicy"), nil
}

// mayListPolicies: AWS names the path that is listed as the resource.
func mayListPolicies(c *service.Call, in *iam.ListPoliciesInput) ([]authz.Check, error) {
	return []authz.Check{authz.On(c.Scope.Policy(listedPath(in.PathPrefix), ""))}, nil
}
