package iam

import (
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// defaultSessionDuration is a role's MaxSessionDuration, in seconds, unless the
// request gives one.
const defaultSessionDuration = 3600

// maxRoleName is the longest name of a role (shape roleNameType), which the name of a
// service-linked role must not pass with its suffix.
const maxRoleName = 64

// lastUsedWindow is how far back RoleLastUsed looks (IAM API, RoleLastUsed).
const lastUsedWindow = 400 * 24 * time.Hour

func rolesCount(n *identity.Counts) *int { return &n.Roles }

// CreateRole makes a role.
func (s *Service) CreateRole(c *service.Call, in *iam.CreateRoleInput) (*iam.CreateRoleOutput, error) {
	name := *in.RoleName
	r := &identity.Role{
		Account: c.Scope.Account, Name: name, Path: pathOf(in.Path), Created: second(c.Now),
		Description:        aws.ToString(in.Description),
		MaxSessionDuration: defaultSessionDuration,
		TrustPolicy:        *in.AssumeRolePolicyDocument,
	}
	if in.MaxSessionDuration != nil {
		r.MaxSessionDuration = *in.MaxSessionDuration
	}
	if err := modifiable(r); err != nil {
		return nil, err
	}
	var err error
	if r.TrustPins, err = s.trust(c, r.TrustPolicy); err != nil {
		return nil, err
	}
	if identity.Roles.Has(c.Reader, c.Account(), identity.Fold(name)) {
		return nil, alreadyExists("Role with name %s already exists.", name)
	}
	if r.Tags, err = s.setTags(nil, in.Tags, anyCase); err != nil {
		return nil, err
	}
	if err := countOneMore(c, rolesCount, quota{"RolesPerAccount", s.limits.RolesPerAccount}); err != nil {
		return nil, err
	}
	if r.ID, err = enter(c, arn.PrefixRole, identity.TypeRole, name); err != nil {
		return nil, err
	}
	if in.PermissionsBoundary != nil {
		if err := s.setBoundary(c, roleBearer(r), in.PermissionsBoundary); err != nil {
			return nil, err
		}
	}
	if err := identity.Roles.Put(c.Tx, r, c.Account(), identity.Fold(name)); err != nil {
		return nil, err
	}
	out, err := toRole(c, r)
	if err != nil {
		return nil, err
	}
	return &iam.CreateRoleOutput{Role: out}, nil
}

// GetRole describes a role, with the time of its last use.
func (s *Service) GetRole(c *service.Call, in *iam.GetRoleInput) (*iam.GetRoleOutput, error) {
	r, err := findRole(c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	out, err := toRole(c, r)
	if err != nil {
		return nil, err
	}
	if out.RoleLastUsed, err = roleLastUsed(c, r); err != nil {
		return nil, err
	}
	return &iam.GetRoleOutput{Role: out}, nil
}

// ListRoles lists roles by name.
func (s *Service) ListRoles(c *service.Call, in *iam.ListRolesInput) (*iam.ListRolesOutput, error) {
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, *identity.Role) bool) error {
		return identity.Roles.Scan(c.Reader, after, func(key store.Key, r *identity.Role) bool {
			return !below(r.Path, in.PathPrefix) || yield(key.Last(), r)
		}, c.Account())
	})
	if err != nil {
		return nil, err
	}
	out := &iam.ListRolesOutput{Roles: []types.Role{}, IsTruncated: page.IsTruncated, Marker: page.Marker}
	for _, r := range page.Items {
		listed, err := toListedRole(c, r)
		if err != nil {
			return nil, err
		}
		out.Roles = append(out.Roles, *listed)
	}
	return out, nil
}

// UpdateRole changes the description and the longest session of a role; what the
// request leaves out stays as it is.
func (s *Service) UpdateRole(c *service.Call, in *iam.UpdateRoleInput) (*iam.UpdateRoleOutput, error) {
	return &iam.UpdateRoleOutput{}, labelRole(c, *in.RoleName, func(r *identity.Role) error {
		if in.Description != nil {
			r.Description = *in.Description
		}
		if in.MaxSessionDuration != nil {
			if err := modifiable(r); err != nil {
				return err
			}
			r.MaxSessionDuration = *in.MaxSessionDuration
		}
		return nil
	})
}

// UpdateRoleDescription changes the description of a role.
func (s *Service) UpdateRoleDescription(c *service.Call, in *iam.UpdateRoleDescriptionInput) (*iam.UpdateRoleDescriptionOutput, error) {
	err := labelRole(c, *in.RoleName, func(r *identity.Role) error {
		r.Description = *in.Description
		return nil
	})
	if err != nil {
		return nil, err
	}
	r, err := findRole(c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	out, err := toRole(c, r)
	if err != nil {
		return nil, err
	}
	return &iam.UpdateRoleDescriptionOutput{Role: out}, nil
}

// UpdateAssumeRolePolicy replaces the trust policy of a role.
func (s *Service) UpdateAssumeRolePolicy(c *service.Call, in *iam.UpdateAssumeRolePolicyInput) (*iam.UpdateAssumeRolePolicyOutput, error) {
	return &iam.UpdateAssumeRolePolicyOutput{}, editRole(c, *in.RoleName, func(r *identity.Role) (err error) {
		r.TrustPolicy = *in.PolicyDocument
		r.TrustPins, err = s.trust(c, r.TrustPolicy)
		return err
	})
}

// DeleteRole deletes a role from which everything has been taken. Its sessions end
// with it: they carry its unique id, which is never given again.
func (s *Service) DeleteRole(c *service.Call, in *iam.DeleteRoleInput) (*iam.DeleteRoleOutput, error) {
	r, err := findRole(c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	if err := modifiable(r); err != nil {
		return nil, err
	}
	switch {
	case len(r.InstanceProfiles) > 0:
		return nil, deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
	case len(r.Attached) > 0:
		return nil, deleteConflict("Cannot delete entity, must detach all policies first.")
	case len(r.Inline) > 0:
		return nil, deleteConflict("Cannot delete entity, must delete policies first.")
	}
	if r.Boundary != "" {
		deleteUse(c, roleBearer(r), r.Boundary, identity.AsBoundary)
	}
	return &iam.DeleteRoleOutput{}, dropRole(c, r)
}

// TagRole adds tags to a role.
func (s *Service) TagRole(c *service.Call, in *iam.TagRoleInput) (*iam.TagRoleOutput, error) {
	return &iam.TagRoleOutput{}, labelRole(c, *in.RoleName, func(r *identity.Role) (err error) {
		r.Tags, err = s.setTags(r.Tags, in.Tags, anyCase)
		return err
	})
}

// UntagRole removes tags from a role.
func (s *Service) UntagRole(c *service.Call, in *iam.UntagRoleInput) (*iam.UntagRoleOutput, error) {
	return &iam.UntagRoleOutput{}, labelRole(c, *in.RoleName, func(r *identity.Role) error {
		r.Tags = removeTags(r.Tags, in.TagKeys, anyCase)
		return nil
	})
}

// ListRoleTags lists the tags of a role.
func (s *Service) ListRoleTags(c *service.Call, in *iam.ListRoleTagsInput) (*iam.ListRoleTagsOutput, error) {
	r, err := findRole(c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	page, err := s.listTags(c, in, r.Tags)
	if err != nil {
		return nil, err
	}
	return &iam.ListRoleTagsOutput{Tags: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// toRole is a role with its tags and boundary.
func toRole(c *service.Call, r *identity.Role) (*types.Role, error) {
	out, err := toListedRole(c, r)
	if err != nil {
		return nil, err
	}
	out.PermissionsBoundary = toBoundary(c, r.Boundary)
	out.Tags = sdkTags(r.Tags)
	return out, nil
}

// toListedRole is a role as lists show it: without boundary, last use and tags.
func toListedRole(c *service.Call, r *identity.Role) (*types.Role, error) {
	trust, err := trustPolicy(c, r)
	if err != nil {
		return nil, err
	}
	out := &types.Role{
		Arn:                      aws.String(r.ARN(c.Scope.Partition)),
		RoleName:                 aws.String(r.Name),
		RoleId:                   aws.String(r.ID),
		Path:                     aws.String(r.Path),
		CreateDate:               shown(r.Created),
		AssumeRolePolicyDocument: encodeDocument(trust),
		MaxSessionDuration:       aws.Int32(r.MaxSessionDuration),
	}
	if r.Description != "" {
		out.Description = aws.String(r.Description)
	}
	return out, nil
}

// roleLastUsed is the last use of a role; an empty element when it was not used
// within the tracking period.
func roleLastUsed(c *service.Call, r *identity.Role) (*types.RoleLastUsed, error) {
	last, err := identity.LastUses.Get(c.Reader, r.ID)
	if errors.Is(err, store.ErrNotFound) {
		return &types.RoleLastUsed{}, nil
	}
	if err != nil {
		return nil, err
	}
	if c.Now.Sub(last.At) > lastUsedWindow {
		return &types.RoleLastUsed{}, nil
	}
	return &types.RoleLastUsed{LastUsedDate: shown(last.At), Region: aws.String(last.Region)}, nil
}

func findRole(c *service.Call, name string) (*identity.Role, error) {
	r, err := identity.FindRole(c.Reader, c.Scope.Account, name)
	return r, orNoSuchEntity(err, "The role with name %s cannot be found.", name)
}

// dropRole removes the record of a role that no index refers to any more.
func dropRole(c *service.Call, r *identity.Role) error {
	forget(c, r.ID)
	identity.Roles.Delete(c.Tx, c.Account(), identity.Fold(r.Name))
	return count(c, rolesCount, -1)
}

// editRole changes a role that customers may change.
func editRole(c *service.Call, name string, change func(*identity.Role) error) error {
	return labelRole(c, name, func(r *identity.Role) error {
		if err := modifiable(r); err != nil {
			return err
		}
		return change(r)
	})
}

// labelRole changes the description or the tags of a role, which are the customer's on
// service-linked roles too (IAM User Guide, "Edit a service-linked role description").
func labelRole(c *service.Call, name string, change func(*identity.Role) error) error {
	err := identity.Roles.Edit(c.Tx, func(r *identity.Role) error {
		if r.LinkedService() == "" {
			if err := modifiable(r); err != nil {
				return err
			}
		}
		return change(r)
	}, c.Account(), identity.Fold(name))
	return orNoSuchEntity(err, "The role with name %s cannot be found.", name)
}

// modifiable refuses changes to roles that belong to AWS services: below these
// paths lie service-linked roles and the roles of permission sets.
func modifiable(r *identity.Role) error {
	if strings.HasPrefix(r.Path, arn.ServiceLinkedPath) || strings.HasPrefix(r.Path, "/aws-reserved/") {
		return &types.UnmodifiableEntityException{
			Message: aws.String("Cannot perform the operation on the protected role '" + r.Name + "' - this role is only modifiable by AWS"),
		}
	}
	return nil
}

// mayCreateRole asks to create a role.
func mayCreateRole(c *service.Call, in *iam.CreateRoleInput) ([]authz.Check, error) {
	check := authz.On(c.Scope.Role(pathOf(in.Path), *in.RoleName))
	if in.PermissionsBoundary != nil {
		check = check.With("iam:PermissionsBoundary", *in.PermissionsBoundary)
	}
	return creates(check, in.Tags, "iam:TagRole"), nil
}

// mayListRoles: AWS names the path that is listed as the resource.
func mayListRoles(c *service.Call, in *iam.ListRolesInput) ([]authz.Check, error) {
	return []authz.Check{authz.On(c.Scope.Role(listedPath(in.PathPrefix), ""))}, nil
}

// onRole states that an operation acts on the role that get finds in its input.
func onRole[I any](get func(*I) *string) checks[I] { return onBearer(identity.TypeRole, get) }
