package iam

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// maxDetailsBytes bounds the policy documents in one page of account details, as
// they are sent. A page ends early then, which AWS's description of MaxItems
// admits: without it, a thousand policies of five long versions each would be a
// single answer.
const maxDetailsBytes = 1 << 20

// GetAccountAuthorizationDetails lists users, groups, roles and managed policies,
// in this order, with everything that hangs on them.
func (s *Service) GetAccountAuthorizationDetails(c *service.Call, in *iam.GetAccountAuthorizationDetailsInput) (*iam.GetAccountAuthorizationDetailsOutput, error) {
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, *detail) bool) error {
		return s.scanDetails(c, in.Filter, after, yield)
	})
	if err != nil {
		return nil, err
	}
	out := &iam.GetAccountAuthorizationDetailsOutput{
		UserDetailList: []types.UserDetail{}, GroupDetailList: []types.GroupDetail{}, RoleDetailList: []types.RoleDetail{}, Policies: []types.ManagedPolicyDetail{},
		IsTruncated: page.IsTruncated, Marker: page.Marker,
	}
	for _, d := range page.Items {
		switch {
		case d.user != nil:
			out.UserDetailList = append(out.UserDetailList, *d.user)
		case d.group != nil:
			out.GroupDetailList = append(out.GroupDetailList, *d.group)
		case d.role != nil:
			out.RoleDetailList = append(out.RoleDetailList, *d.role)
		default:
			out.Policies = append(out.Policies, *d.policy)
		}
	}
	return out, nil
}

// detail is one entity: one of the fields is set.
type detail struct {
	user   *types.UserDetail
	group  *types.GroupDetail
	role   *types.RoleDetail
	policy *types.ManagedPolicyDetail
}

// bytes is the size of the documents in a detail.
func (d *detail) bytes() int {
	n := 0
	add := func(list []types.PolicyDetail) {
		for i := range list {
			n += len(*list[i].PolicyDocument)
		}
	}
	switch {
	case d.user != nil:
		add(d.user.UserPolicyList)
	case d.group != nil:
		add(d.group.GroupPolicyList)
	case d.role != nil:
		add(d.role.RolePolicyList)
		n += len(*d.role.AssumeRolePolicyDocument)
	case d.policy != nil:
		for i := range d.policy.PolicyVersionList {
			n += len(*d.policy.PolicyVersionList[i].Document)
		}
	}
	return n
}

// scanDetails yields the details of the kinds of entity that filter names (none
// means all) that lie behind a cursor, kind by kind. A cursor begins with the
// number of its kind.
func (s *Service) scanDetails(c *service.Call, filter []types.EntityType, after string, yield func(string, *detail) bool) error {
	size, more := 0, true
	for i, part := range []struct {
		kind types.EntityType
		scan detailScan
	}{
		{types.EntityTypeUser, scanTable(c, identity.Users, describeUser)},
		{types.EntityTypeGroup, scanTable(c, identity.Groups, describeGroup)},
		{types.EntityTypeRole, scanTable(c, identity.Roles, describeRole)},
		{types.EntityTypeLocalManagedPolicy, scanTable(c, identity.Policies, describeCustomerPolicy)},
		{types.EntityTypeAWSManagedPolicy, s.scanUsedAWSPolicies(c)},
	} {
		number := strconv.Itoa(i + 1)
		rest, begun := strings.CutPrefix(after, number)
		if !begun {
			if after > number { // this kind is behind us
				continue
			}
			rest = ""
		}
		if len(filter) > 0 && !slices.Contains(filter, part.kind) {
			continue
		}
		var failed error
		err := part.scan(rest, func(cursor string, describe func() (*detail, error)) bool {
			if size >= maxDetailsBytes {
				failed = service.ErrPageFull
				return false
			}
			var d *detail
			if d, failed = describe(); failed != nil {
				return false
			}
			size += d.bytes()
			more = yield(number+cursor, d)
			return more
		})
		if err := cmp.Or(failed, err); err != nil || !more {
			return err
		}
	}
	return nil
}

// detailScan yields the entities of one kind behind a cursor. Describing one costs
// more than passing it, and is left to the caller.
type detailScan func(after string, yield func(cursor string, describe func() (*detail, error)) bool) error

func scanTable[T any](c *service.Call, table store.Table[T], describe func(*service.Call, *T) (*detail, error)) detailScan {
	return func(after string, yield func(string, func() (*detail, error)) bool) error {
		return table.Scan(c.Reader, after, func(key store.Key, v *T) bool {
			return yield(key.Last(), func() (*detail, error) { return describe(c, v) })
		}, c.Account())
	}
}

// scanUsedAWSPolicies yields the policies of AWS that anyone in the account uses.
func (s *Service) scanUsedAWSPolicies(c *service.Call) detailScan {
	return func(after string, yield func(string, func() (*detail, error)) bool) error {
		policies, err := identity.ManagedAfter(c.Reader, s.managed, after)
		if err != nil {
			return err
		}
		for p := range policies {
			if !inUse(c, p.ARN(canonicalPartition), identity.AsPermissions, identity.AsBoundary) {
				continue
			}
			describe := func() (*detail, error) { return describePolicy(c, awsManaged(p, c.Scope.Partition)), nil }
			if !yield(p.Path+p.Name, describe) {
				return nil
			}
		}
		return nil
	}
}

func describeUser(c *service.Call, u *identity.User) (*detail, error) {
	groups := make([]string, 0, len(u.Groups))
	for _, id := range u.Groups {
		g, err := identity.GroupByID(c.Reader, id)
		if err != nil {
			return nil, fmt.Errorf("group %s of user %s: %w", id, u.Name, err)
		}
		groups = append(groups, g.Name)
	}
	return &detail{user: &types.UserDetail{
		Arn:                     aws.String(u.ARN(c.Scope.Partition)),
		UserName:                aws.String(u.Name),
		UserId:                  aws.String(u.ID),
		Path:                    aws.String(u.Path),
		CreateDate:              shown(u.Created),
		GroupList:               groups,
		UserPolicyList:          inlineDetails(u.Inline),
		AttachedManagedPolicies: attachedPolicies(c, u.Attached),
		PermissionsBoundary:     toBoundary(c, u.Boundary),
		Tags:                    sdkTags(u.Tags),
	}}, nil
}

func describeGroup(c *service.Call, g *identity.Group) (*detail, error) {
	return &detail{group: &types.GroupDetail{
		Arn:                     aws.String(g.ARN(c.Scope.Partition)),
		GroupName:               aws.String(g.Name),
		GroupId:                 aws.String(g.ID),
		Path:                    aws.String(g.Path),
		CreateDate:              shown(g.Created),
		GroupPolicyList:         inlineDetails(g.Inline),
		AttachedManagedPolicies: attachedPolicies(c, g.Attached),
	}}, nil
}

func describeRole(c *service.Call, r *identity.Role) (*detail, error) {
	trust, err := trustPolicy(c, r)
	if err != nil {
		return nil, err
	}
	last, err := roleLastUsed(c, r)
	if err != nil {
		return nil, err
	}
	profiles := make([]*identity.InstanceProfile, len(r.InstanceProfiles))
	for i, key := range r.InstanceProfiles {
		if profiles[i], err = identity.InstanceProfiles.Get(c.Reader, c.Account(), key); err != nil {
			return nil, fmt.Errorf("instance profile %s of role %s: %w", key, r.Name, err)
		}
	}
	listed, err := toListedProfiles(c, profiles)
	if err != nil {
		return nil, err
	}
	return &detail{role: &types.RoleDetail{
		Arn:                      aws.String(r.ARN(c.Scope.Partition)),
		RoleName:                 aws.String(r.Name),
		RoleId:                   aws.String(r.ID),
		Path:                     aws.String(r.Path),
		CreateDate:               shown(r.Created),
		AssumeRolePolicyDocument: encodeDocument(trust),
		InstanceProfileList:      listed,
		RolePolicyList:           inlineDetails(r.Inline),
		AttachedManagedPolicies:  attachedPolicies(c, r.Attached),
		PermissionsBoundary:      toBoundary(c, r.Boundary),
		RoleLastUsed:             last,
		Tags:                     sdkTags(r.Tags),
	}}, nil
}

func describeCustomerPolicy(c *service.Call, p *identity.Policy) (*detail, error) {
	return describePolicy(c, customerManaged(p, c.Scope.Partition)), nil
}

func describePolicy(c *service.Call, m *managedPolicy) *detail {
	p := m.toPolicy(c)
	out := &types.ManagedPolicyDetail{
		Arn: p.Arn, PolicyName: p.PolicyName, PolicyId: p.PolicyId, Path: p.Path, Description: p.Description,
		DefaultVersionId: p.DefaultVersionId, IsAttachable: p.IsAttachable,
		AttachmentCount: p.AttachmentCount, PermissionsBoundaryUsageCount: p.PermissionsBoundaryUsageCount,
		CreateDate: p.CreateDate, UpdateDate: p.UpdateDate,
		PolicyVersionList: make([]types.PolicyVersion, 0, len(m.versions)),
	}
	for i := range m.versions {
		out.PolicyVersionList = append(out.PolicyVersionList, m.versions[i].toVersion())
	}
	return &detail{policy: out}
}

// attachedPolicies are attached managed policies in the order of their ARNs.
func attachedPolicies(c *service.Call, keys []string) []types.AttachedPolicy {
	out := make([]types.AttachedPolicy, 0, len(keys))
	for _, key := range slices.Sorted(slices.Values(keys)) {
		out = append(out, attachedPolicy(c, key))
	}
	return out
}
