package iam

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
)

// AttachUserPolicy attaches a managed policy to a user.
func (s *Service) AttachUserPolicy(c *service.Call, in *iam.AttachUserPolicyInput) (*iam.AttachUserPolicyOutput, error) {
	return &iam.AttachUserPolicyOutput{}, s.attach(c, identity.TypeUser, *in.UserName, *in.PolicyArn)
}

// AttachGroupPolicy attaches a managed policy to a group.
func (s *Service) AttachGroupPolicy(c *service.Call, in *iam.AttachGroupPolicyInput) (*iam.AttachGroupPolicyOutput, error) {
	return &iam.AttachGroupPolicyOutput{}, s.attach(c, identity.TypeGroup, *in.GroupName, *in.PolicyArn)
}

// AttachRolePolicy attaches a managed policy to a role.
func (s *Service) AttachRolePolicy(c *service.Call, in *iam.AttachRolePolicyInput) (*iam.AttachRolePolicyOutput, error) {
	return &iam.AttachRolePolicyOutput{}, s.attach(c, identity.TypeRole, *in.RoleName, *in.PolicyArn)
}

// DetachUserPolicy detaches a managed policy from a user.
func (s *Service) DetachUserPolicy(c *service.Call, in *iam.DetachUserPolicyInput) (*iam.DetachUserPolicyOutput, error) {
	return &iam.DetachUserPolicyOutput{}, s.detach(c, identity.TypeUser, *in.UserName, *in.PolicyArn)
}

// DetachGroupPolicy detaches a managed policy from a group.
func (s *Service) DetachGroupPolicy(c *service.Call, in *iam.DetachGroupPolicyInput) (*iam.DetachGroupPolicyOutput, error) {
	return &iam.DetachGroupPolicyOutput{}, s.detach(c, identity.TypeGroup, *in.GroupName, *in.PolicyArn)
}

// DetachRolePolicy detaches a managed policy from a role.
func (s *Service) DetachRolePolicy(c *service.Call, in *iam.DetachRolePolicyInput) (*iam.DetachRolePolicyOutput, error) {
	return &iam.DetachRolePolicyOutput{}, s.detach(c, identity.TypeRole, *in.RoleName, *in.PolicyArn)
}

// ListAttachedUserPolicies lists the managed policies attached to a user.
func (s *Service) ListAttachedUserPolicies(c *service.Call, in *iam.ListAttachedUserPoliciesInput) (*iam.ListAttachedUserPoliciesOutput, error) {
	page, err := s.listAttached(c, in, identity.TypeUser, *in.UserName, in.PathPrefix)
	if err != nil {
		return nil, err
	}
	return &iam.ListAttachedUserPoliciesOutput{AttachedPolicies: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// ListAttachedGroupPolicies lists the managed policies attached to a group.
func (s *Service) ListAttachedGroupPolicies(c *service.Call, in *iam.ListAttachedGroupPoliciesInput) (*iam.ListAttachedGroupPoliciesOutput, error) {
	page, err := s.listAttached(c, in, identity.TypeGroup, *in.GroupName, in.PathPrefix)
	if err != nil {
		return nil, err
	}
	return &iam.ListAttachedGroupPoliciesOutput{AttachedPolicies: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// ListAttachedRolePolicies lists the managed policies attached to a role.
func (s *Service) ListAttachedRolePolicies(c *service.Call, in *iam.ListAttachedRolePoliciesInput) (*iam.ListAttachedRolePoliciesOutput, error) {
	page, err := s.listAttached(c, in, identity.TypeRole, *in.RoleName, in.PathPrefix)
	if err != nil {
		return nil, err
	}
	return &iam.ListAttachedRolePoliciesOutput{AttachedPolicies: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// attach attaches a managed policy. One that is attached already stays so.
func (s *Service) attach(c *service.Call, kind identity.EntityType, name, policyARN string) error {
	return editBearer(c, kind, name, func(b *bearer) error {
		m, err := s.findAttachable(c, policyARN)
		if err != nil || slices.Contains(*b.attached, m.key) {
			return err
		}
		if err := s.attachmentQuota(kind).admits(len(*b.attached)); err != nil {
			return err
		}
		*b.attached = append(*b.attached, m.key)
		return putUse(c, b, m.key, identity.AsPermissions)
	})
}

// detach detaches a managed policy.
func (s *Service) detach(c *service.Call, kind identity.EntityType, name, policyARN string) error {
	return editBearer(c, kind, name, func(b *bearer) error {
		m, err := s.findManaged(c, policyARN)
		if err != nil {
			return err
		}
		i := slices.Index(*b.attached, m.key)
		if i < 0 {
			return noSuchEntity("Policy %s was not found.", policyARN)
		}
		*b.attached = slices.Delete(*b.attached, i, i+1)
		deleteUse(c, b, m.key, identity.AsPermissions)
		return nil
	})
}

func (s *Service) listAttached(c *service.Call, in any, kind identity.EntityType, name string, prefix *string) (service.Paged[types.AttachedPolicy], error) {
	b, err := findBearer(c, kind, name)
	if err != nil {
		return service.Paged[types.AttachedPolicy]{}, err
	}
	return service.Page(c, s.markers, in, func(after string, yield func(string, types.AttachedPolicy) bool) error {
		for _, key := range slices.Sorted(slices.Values(*b.attached)) {
			if key > after && below(policyPathOf(key), prefix) && !yield(key, attachedPolicy(c, key)) {
				return nil
			}
		}
		return nil
	})
}

func attachedPolicy(c *service.Call, key string) types.AttachedPolicy {
	return types.AttachedPolicy{
		PolicyArn:  aws.String(inPartition(key, c.Scope.Partition)),
		PolicyName: aws.String(policyNameOf(key)),
	}
}

// attachmentQuota is the quota of managed policies on one entity, by AWS's name.
func (s *Service) attachmentQuota(kind identity.EntityType) quota {
	switch kind {
	case identity.TypeUser:
		return quota{"PoliciesPerUser", s.limits.PoliciesPerUser}
	case identity.TypeGroup:
		return quota{"PoliciesPerGroup", s.limits.PoliciesPerGroup}
	default:
		return quota{"PoliciesPerRole", s.limits.PoliciesPerRole}
	}
}

// putUse and deleteUse keep the index from managed policy to those who use it.
func putUse(c *service.Call, b *bearer, key string, usage identity.Usage) error {
	return identity.Attachments.Put(c.Tx, &identity.Attachment{}, c.Account(), key, string(usage), string(b.kind), b.id)
}

func deleteUse(c *service.Call, b *bearer, key string, usage identity.Usage) {
	identity.Attachments.Delete(c.Tx, c.Account(), key, string(usage), string(b.kind), b.id)
}
