package iam

import (
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// ec2Service is whom a role is passed to when it is put into an instance profile.
const ec2Service = "ec2.amazonaws.com"

func profilesCount(n *identity.Counts) *int { return &n.InstanceProfiles }

// CreateInstanceProfile makes an empty instance profile.
func (s *Service) CreateInstanceProfile(c *service.Call, in *iam.CreateInstanceProfileInput) (*iam.CreateInstanceProfileOutput, error) {
	name := *in.InstanceProfileName
	if identity.InstanceProfiles.Has(c.Reader, c.Account(), identity.Fold(name)) {
		return nil, alreadyExists("Instance Profile %s already exists.", name)
	}
	tags, err := s.setTags(nil, in.Tags, exactCase)
	if err != nil {
		return nil, err
	}
	if err := countOneMore(c, profilesCount, quota{"InstanceProfilesPerAccount", s.limits.InstanceProfilesPerAccount}); err != nil {
		return nil, err
	}
	id, err := enter(c, arn.PrefixInstanceProfile, identity.TypeInstanceProfile, name)
	if err != nil {
		return nil, err
	}
	p := &identity.InstanceProfile{Account: c.Scope.Account, ID: id, Name: name, Path: pathOf(in.Path), Created: second(c.Now), Tags: tags}
	if err := identity.InstanceProfiles.Put(c.Tx, p, c.Account(), identity.Fold(name)); err != nil {
		return nil, err
	}
	out, err := toInstanceProfile(c, p)
	if err != nil {
		return nil, err
	}
	return &iam.CreateInstanceProfileOutput{InstanceProfile: out}, nil
}

// GetInstanceProfile describes an instance profile and its role.
func (s *Service) GetInstanceProfile(c *service.Call, in *iam.GetInstanceProfileInput) (*iam.GetInstanceProfileOutput, error) {
	p, err := findInstanceProfile(c, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	out, err := toInstanceProfile(c, p)
	if err != nil {
		return nil, err
	}
	return &iam.GetInstanceProfileOutput{InstanceProfile: out}, nil
}

// ListInstanceProfiles lists instance profiles by name.
func (s *Service) ListInstanceProfiles(c *service.Call, in *iam.ListInstanceProfilesInput) (*iam.ListInstanceProfilesOutput, error) {
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, *identity.InstanceProfile) bool) error {
		return identity.InstanceProfiles.Scan(c.Reader, after, func(key store.Key, p *identity.InstanceProfile) bool {
			return !below(p.Path, in.PathPrefix) || yield(key.Last(), p)
		}, c.Account())
	})
	if err != nil {
		return nil, err
	}
	profiles, err := toListedProfiles(c, page.Items)
	if err != nil {
		return nil, err
	}
	return &iam.ListInstanceProfilesOutput{InstanceProfiles: profiles, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// ListInstanceProfilesForRole lists the instance profiles that hold a role.
func (s *Service) ListInstanceProfilesForRole(c *service.Call, in *iam.ListInstanceProfilesForRoleInput) (*iam.ListInstanceProfilesForRoleOutput, error) {
	r, err := findRole(c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, *identity.InstanceProfile) bool) error {
		for _, key := range slices.Sorted(slices.Values(r.InstanceProfiles)) {
			if key <= after {
				continue
			}
			p, err := identity.InstanceProfiles.Get(c.Reader, c.Account(), key)
			if err != nil {
				return err
			}
			if !yield(key, p) {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	profiles, err := toListedProfiles(c, page.Items)
	if err != nil {
		return nil, err
	}
	return &iam.ListInstanceProfilesForRoleOutput{InstanceProfiles: profiles, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// AddRoleToInstanceProfile puts a role into an instance profile, which holds one.
func (s *Service) AddRoleToInstanceProfile(c *service.Call, in *iam.AddRoleToInstanceProfileInput) (*iam.AddRoleToInstanceProfileOutput, error) {
	return &iam.AddRoleToInstanceProfileOutput{}, editInstanceProfile(c, *in.InstanceProfileName, func(p *identity.InstanceProfile) error {
		return editRole(c, *in.RoleName, func(r *identity.Role) error {
			if p.Role != "" {
				return limitExceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
			}
			p.Role = identity.Fold(r.Name)
			r.InstanceProfiles = append(r.InstanceProfiles, identity.Fold(p.Name))
			return nil
		})
	})
}

// RemoveRoleFromInstanceProfile takes a role out of an instance profile.
func (s *Service) RemoveRoleFromInstanceProfile(c *service.Call, in *iam.RemoveRoleFromInstanceProfileInput) (*iam.RemoveRoleFromInstanceProfileOutput, error) {
	return &iam.RemoveRoleFromInstanceProfileOutput{}, editInstanceProfile(c, *in.InstanceProfileName, func(p *identity.InstanceProfile) error {
		return editRole(c, *in.RoleName, func(r *identity.Role) error {
			if p.Role != identity.Fold(r.Name) {
				return noSuchEntity("Role %s in Instance Profile %s cannot be found.", *in.RoleName, *in.InstanceProfileName)
			}
			p.Role = ""
			r.InstanceProfiles = slices.DeleteFunc(r.InstanceProfiles, func(key string) bool { return key == identity.Fold(p.Name) })
			return nil
		})
	})
}

// DeleteInstanceProfile deletes an empty instance profile.
func (s *Service) DeleteInstanceProfile(c *service.Call, in *iam.DeleteInstanceProfileInput) (*iam.DeleteInstanceProfileOutput, error) {
	p, err := findInstanceProfile(c, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	if p.Role != "" {
		return nil, deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
	}
	identity.InstanceProfiles.Delete(c.Tx, c.Account(), identity.Fold(p.Name))
	identity.Entities.Delete(c.Tx, p.ID)
	return &iam.DeleteInstanceProfileOutput{}, count(c, profilesCount, -1)
}

// TagInstanceProfile adds tags to an instance profile.
func (s *Service) TagInstanceProfile(c *service.Call, in *iam.TagInstanceProfileInput) (*iam.TagInstanceProfileOutput, error) {
	return &iam.TagInstanceProfileOutput{}, editInstanceProfile(c, *in.InstanceProfileName, func(p *identity.InstanceProfile) (err error) {
		p.Tags, err = s.setTags(p.Tags, in.Tags, exactCase)
		return err
	})
}

// UntagInstanceProfile removes tags from an instance profile.
func (s *Service) UntagInstanceProfile(c *service.Call, in *iam.UntagInstanceProfileInput) (*iam.UntagInstanceProfileOutput, error) {
	return &iam.UntagInstanceProfileOutput{}, editInstanceProfile(c, *in.InstanceProfileName, func(p *identity.InstanceProfile) error {
		p.Tags = removeTags(p.Tags, in.TagKeys, exactCase)
		return nil
	})
}

// ListInstanceProfileTags lists the tags of an instance profile.
func (s *Service) ListInstanceProfileTags(c *service.Call, in *iam.ListInstanceProfileTagsInput) (*iam.ListInstanceProfileTagsOutput, error) {
	p, err := findInstanceProfile(c, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	page, err := s.listTags(c, in, p.Tags)
	if err != nil {
		return nil, err
	}
	return &iam.ListInstanceProfileTagsOutput{Tags: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// toInstanceProfile is an instance profile with its tags.
func toInstanceProfile(c *service.Call, p *identity.InstanceProfile) (*types.InstanceProfile, error) {
	out, err := toListedProfile(c, p)
	if err != nil {
		return nil, err
	}
	out.Tags = sdkTags(p.Tags)
	return out, nil
}

// toListedProfile is an instance profile as lists show it: without tags.
func toListedProfile(c *service.Call, p *identity.InstanceProfile) (*types.InstanceProfile, error) {
	out := &types.InstanceProfile{
		Arn:                 aws.String(p.ARN(c.Scope.Partition)),
		InstanceProfileName: aws.String(p.Name),
		InstanceProfileId:   aws.String(p.ID),
		Path:                aws.String(p.Path),
		CreateDate:          shown(p.Created),
		Roles:               []types.Role{},
	}
	if p.Role == "" {
		return out, nil
	}
	r, err := identity.Roles.Get(c.Reader, string(p.Account), p.Role)
	if err != nil {
		return nil, err
	}
	role, err := toListedRole(c, r)
	if err != nil {
		return nil, err
	}
	out.Roles = append(out.Roles, *role)
	return out, nil
}

func toListedProfiles(c *service.Call, list []*identity.InstanceProfile) ([]types.InstanceProfile, error) {
	out := make([]types.InstanceProfile, 0, len(list))
	for _, p := range list {
		listed, err := toListedProfile(c, p)
		if err != nil {
			return nil, err
		}
		out = append(out, *listed)
	}
	return out, nil
}

func findInstanceProfile(c *service.Call, name string) (*identity.InstanceProfile, error) {
	p, err := identity.InstanceProfiles.Get(c.Reader, c.Account(), identity.Fold(name))
	return p, orNoSuchEntity(err, "Instance Profile %s cannot be found.", name)
}

func editInstanceProfile(c *service.Call, name string, change func(*identity.InstanceProfile) error) error {
	err := identity.InstanceProfiles.Edit(c.Tx, change, c.Account(), identity.Fold(name))
	return orNoSuchEntity(err, "Instance Profile %s cannot be found.", name)
}

// onProfile states that an operation acts on the instance profile that get finds
// in its input.
func onProfile[I any](get func(*I) *string) checks[I] {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		name := *get(in)
		p, err := identity.InstanceProfiles.Get(c.Reader, c.Account(), identity.Fold(name))
		if errors.Is(err, store.ErrNotFound) {
			return []authz.Check{authz.On(c.Scope.InstanceProfile("/", name))}, nil
		}
		if err != nil {
			return nil, err
		}
		return []authz.Check{authz.On(p.ARN(c.Scope.Partition)).WithResourceTags(p.Tags)}, nil
	}
}

// mayCreateInstanceProfile asks to create an instance profile.
func mayCreateInstanceProfile(c *service.Call, in *iam.CreateInstanceProfileInput) ([]authz.Check, error) {
	check := authz.On(c.Scope.InstanceProfile(pathOf(in.Path), *in.InstanceProfileName))
	return creates(check, in.Tags, "iam:TagInstanceProfile"), nil
}

// mayListInstanceProfiles: AWS names the path that is listed as the resource.
func mayListInstanceProfiles(c *service.Call, in *iam.ListInstanceProfilesInput) ([]authz.Check, error) {
	return []authz.Check{authz.On(c.Scope.InstanceProfile(listedPath(in.PathPrefix), ""))}, nil
}

// mayAddRole asks to put a role into an instance profile. That hands the role to
// machines, so the caller must also be allowed to pass it to EC2.
func mayAddRole(c *service.Call, in *iam.AddRoleToInstanceProfileInput) ([]authz.Check, error) {
	list, err := onProfile(func(in *iam.AddRoleToInstanceProfileInput) *string { return in.InstanceProfileName })(c, in)
	if err != nil {
		return nil, err
	}
	role, _, err := checkBearer(c, identity.TypeRole, *in.RoleName)
	return append(list, role.WithAction("iam:PassRole").With("iam:PassedToService", ec2Service)), err
}
