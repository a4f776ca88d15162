package iam

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
)

// PutUserPermissionsBoundary sets the permissions boundary of a user.
func (s *Service) PutUserPermissionsBoundary(c *service.Call, in *iam.PutUserPermissionsBoundaryInput) (*iam.PutUserPermissionsBoundaryOutput, error) {
	return &iam.PutUserPermissionsBoundaryOutput{}, s.putBoundary(c, identity.TypeUser, *in.UserName, in.PermissionsBoundary)
}

// PutRolePermissionsBoundary sets the permissions boundary of a role.
func (s *Service) PutRolePermissionsBoundary(c *service.Call, in *iam.PutRolePermissionsBoundaryInput) (*iam.PutRolePermissionsBoundaryOutput, error) {
	return &iam.PutRolePermissionsBoundaryOutput{}, s.putBoundary(c, identity.TypeRole, *in.RoleName, in.PermissionsBoundary)
}

// DeleteUserPermissionsBoundary takes the permissions boundary off a user.
func (s *Service) DeleteUserPermissionsBoundary(c *service.Call, in *iam.DeleteUserPermissionsBoundaryInput) (*iam.DeleteUserPermissionsBoundaryOutput, error) {
	return &iam.DeleteUserPermissionsBoundaryOutput{}, deleteBoundary(c, identity.TypeUser, *in.UserName)
}

// DeleteRolePermissionsBoundary takes the permissions boundary off a role.
func (s *Service) DeleteRolePermissionsBoundary(c *service.Call, in *iam.DeleteRolePermissionsBoundaryInput) (*iam.DeleteRolePermissionsBoundaryOutput, error) {
	return &iam.DeleteRolePermissionsBoundaryOutput{}, deleteBoundary(c, identity.TypeRole, *in.RoleName)
}

func (s *Service) putBoundary(c *service.Call, kind identity.EntityType, name string, policyARN *string) error {
	return editBearer(c, kind, name, func(b *bearer) error { return s.setBoundary(c, b, policyARN) })
}

// deleteBoundary takes a boundary off. Without one there is nothing to do.
func deleteBoundary(c *service.Call, kind identity.EntityType, name string) error {
	return editBearer(c, kind, name, func(b *bearer) error {
		dropBoundary(c, b)
		return nil
	})
}

// setBoundary gives a user or role that is being made or changed a permissions
// boundary, in place of the one that it may have.
func (s *Service) setBoundary(c *service.Call, b *bearer, policyARN *string) error {
	if _, err := parsePolicyARN(*policyARN); err != nil {
		return service.Invalid("Value (%s) for parameter PermissionsBoundary is invalid.", *policyARN)
	}
	m, err := s.findAttachable(c, *policyARN)
	if err != nil {
		return err
	}
	dropBoundary(c, b)
	*b.boundary = m.key
	return putUse(c, b, m.key, identity.AsBoundary)
}

// dropBoundary takes the boundary off a user or role, and out of the index.
func dropBoundary(c *service.Call, b *bearer) {
	if *b.boundary != "" {
		deleteUse(c, b, *b.boundary, identity.AsBoundary)
		*b.boundary = ""
	}
}

// boundaryType is what the live service answers; the SDK's only constant,
// PermissionsBoundaryPolicy, is not.
const boundaryType types.PermissionsBoundaryAttachmentType = "Policy"

// toBoundary is a boundary as outputs show it, nil for none.
func toBoundary(c *service.Call, key string) *types.AttachedPermissionsBoundary {
	if key == "" {
		return nil
	}
	return &types.AttachedPermissionsBoundary{
		PermissionsBoundaryType: boundaryType,
		PermissionsBoundaryArn:  aws.String(inPartition(key, c.Scope.Partition)),
	}
}
