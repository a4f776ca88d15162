package iam

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/service"
)

// The most characters, white space not counted, of all inline policies of one
// entity together (IAM User Guide, quotas). AWS does not raise them.
const (
	maxUserPolicySize  = 2048
	maxGroupPolicySize = 5120
	maxRolePolicySize  = 10240
)

// PutUserPolicy writes an inline policy of a user.
func (s *Service) PutUserPolicy(c *service.Call, in *iam.PutUserPolicyInput) (*iam.PutUserPolicyOutput, error) {
	return &iam.PutUserPolicyOutput{}, s.putInline(c, identity.TypeUser, *in.UserName, *in.PolicyName, *in.PolicyDocument)
}

// PutGroupPolicy writes an inline policy of a group.
func (s *Service) PutGroupPolicy(c *service.Call, in *iam.PutGroupPolicyInput) (*iam.PutGroupPolicyOutput, error) {
	return &iam.PutGroupPolicyOutput{}, s.putInline(c, identity.TypeGroup, *in.GroupName, *in.PolicyName, *in.PolicyDocument)
}

// PutRolePolicy writes an inline policy of a role.
func (s *Service) PutRolePolicy(c *service.Call, in *iam.PutRolePolicyInput) (*iam.PutRolePolicyOutput, error) {
	return &iam.PutRolePolicyOutput{}, s.putInline(c, identity.TypeRole, *in.RoleName, *in.PolicyName, *in.PolicyDocument)
}

// GetUserPolicy reads an inline policy of a user.
func (s *Service) GetUserPolicy(c *service.Call, in *iam.GetUserPolicyInput) (*iam.GetUserPolicyOutput, error) {
	b, p, err := getInline(c, identity.TypeUser, *in.UserName, *in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &iam.GetUserPolicyOutput{UserName: aws.String(b.name), PolicyName: aws.String(p.Name), PolicyDocument: encodeDocument(p.Document)}, nil
}

// GetGroupPolicy reads an inline policy of a group.
func (s *Service) GetGroupPolicy(c *service.Call, in *iam.GetGroupPolicyInput) (*iam.GetGroupPolicyOutput, error) {
	b, p, err := getInline(c, identity.TypeGroup, *in.GroupName, *in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &iam.GetGroupPolicyOutput{GroupName: aws.String(b.name), PolicyName: aws.String(p.Name), PolicyDocument: encodeDocument(p.Document)}, nil
}

// GetRolePolicy reads an inline policy of a role.
func (s *Service) GetRolePolicy(c *service.Call, in *iam.GetRolePolicyInput) (*iam.GetRolePolicyOutput, error) {
	b, p, err := getInline(c, identity.TypeRole, *in.RoleName, *in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &iam.GetRolePolicyOutput{RoleName: aws.String(b.name), PolicyName: aws.String(p.Name), PolicyDocument: encodeDocument(p.Document)}, nil
}

// DeleteUserPolicy deletes an inline policy of a user.
func (s *Service) DeleteUserPolicy(c *service.Call, in *iam.DeleteUserPolicyInput) (*iam.DeleteUserPolicyOutput, error) {
	return &iam.DeleteUserPolicyOutput{}, deleteInline(c, identity.TypeUser, *in.UserName, *in.PolicyName)
}

// DeleteGroupPolicy deletes an inline policy of a group.
func (s *Service) DeleteGroupPolicy(c *service.Call, in *iam.DeleteGroupPolicyInput) (*iam.DeleteGroupPolicyOutput, error) {
	return &iam.DeleteGroupPolicyOutput{}, deleteInline(c, identity.TypeGroup, *in.GroupName, *in.PolicyName)
}

// DeleteRolePolicy deletes an inline policy of a role.
func (s *Service) DeleteRolePolicy(c *service.Call, in *iam.DeleteRolePolicyInput) (*iam.DeleteRolePolicyOutput, error) {
	return &iam.DeleteRolePolicyOutput{}, deleteInline(c, identity.TypeRole, *in.RoleName, *in.PolicyName)
}

// ListUserPolicies lists the names of a user's inline policies.
func (s *Service) ListUserPolicies(c *service.Call, in *iam.ListUserPoliciesInput) (*iam.ListUserPoliciesOutput, error) {
	page, err := s.listInline(c, in, identity.TypeUser, *in.UserName)
	if err != nil {
		return nil, err
	}
	return &iam.ListUserPoliciesOutput{PolicyNames: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// ListGroupPolicies lists the names of a group's inline policies.
func (s *Service) ListGroupPolicies(c *service.Call, in *iam.ListGroupPoliciesInput) (*iam.ListGroupPoliciesOutput, error) {
	page, err := s.listInline(c, in, identity.TypeGroup, *in.GroupName)
	if err != nil {
		return nil, err
	}
	return &iam.ListGroupPoliciesOutput{PolicyNames: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// ListRolePolicies lists the names of a role's inline policies.
func (s *Service) ListRolePolicies(c *service.Call, in *iam.ListRolePoliciesInput) (*iam.ListRolePoliciesOutput, error) {
	page, err := s.listInline(c, in, identity.TypeRole, *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &iam.ListRolePoliciesOutput{PolicyNames: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// putInline writes an inline policy, in place of one of that name if there is one.
// The quota is for the sum of all inline policies of one entity.
func (s *Service) putInline(c *service.Call, kind identity.EntityType, name, policyName, document string) error {
	written := identity.InlinePolicy{Name: policyName, Document: document}
	return editBearer(c, kind, name, func(b *bearer) error {
		size, limit := policy.CountNonSpace(written.Document), maxInlineSize(kind)
		for _, p := range *b.inline {
			if p.Name != written.Name {
				size += policy.CountNonSpace(p.Document)
			}
		}
		if size > limit {
			return limitExceeded("Maximum policy size of %d bytes exceeded for %s %s", limit, kind, b.name)
		}
		if _, err := parseDocument(written.Document, policy.InlinePolicy); err != nil {
			return err
		}
		if i, found := findInline(*b.inline, written.Name); found {
			(*b.inline)[i] = written
		} else {
			*b.inline = slices.Insert(*b.inline, i, written)
		}
		return nil
	})
}

func getInline(c *service.Call, kind identity.EntityType, name, policyName string) (*bearer, identity.InlinePolicy, error) {
	b, err := findBearer(c, kind, name)
	if err != nil {
		return nil, identity.InlinePolicy{}, err
	}
	i, found := findInline(*b.inline, policyName)
	if !found {
		return nil, identity.InlinePolicy{}, noSuchInline(kind, policyName)
	}
	return b, (*b.inline)[i], nil
}

func deleteInline(c *service.Call, kind identity.EntityType, name, policyName string) error {
	return editBearer(c, kind, name, func(b *bearer) error {
		i, found := findInline(*b.inline, policyName)
		if !found {
			return noSuchInline(kind, policyName)
		}
		*b.inline = slices.Delete(*b.inline, i, i+1)
		return nil
	})
}

func (s *Service) listInline(c *service.Call, in any, kind identity.EntityType, name string) (service.Paged[string], error) {
	b, err := findBearer(c, kind, name)
	if err != nil {
		return service.Paged[string]{}, err
	}
	return service.Page(c, s.markers, in, func(after string, yield func(string, string) bool) error {
		for _, p := range *b.inline {
			if p.Name > after && !yield(p.Name, p.Name) {
				return nil
			}
		}
		return nil
	})
}

// findInline finds a policy in a list sorted by name. Names of inline policies
// are compared exactly.
func findInline(list []identity.InlinePolicy, name string) (int, bool) {
	return slices.BinarySearchFunc(list, name, func(p identity.InlinePolicy, name string) int { return strings.Compare(p.Name, name) })
}

func noSuchInline(kind identity.EntityType, policyName string) error {
	return noSuchEntity("The %s policy with name %s cannot be found.", kind, policyName)
}

// maxInlineSize is the limit of a kind of entity.
func maxInlineSize(kind identity.EntityType) int {
	switch kind {
	case identity.TypeUser:
		return maxUserPolicySize
	case identity.TypeGroup:
		return maxGroupPolicySize
	default:
		return maxRolePolicySize
	}
}

// inlineDetails are inline policies as GetAccountAuthorizationDetails shows them.
func inlineDetails(list []identity.InlinePolicy) []types.PolicyDetail {
	out := make([]types.PolicyDetail, len(list))
	for i, p := range list {
		out[i] = types.PolicyDetail{PolicyName: aws.String(p.Name), PolicyDocument: encodeDocument(p.Document)}
	}
	return out
}
