package iam

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// CreateGroup makes a user group, without members or permissions.
func (s *Service) CreateGroup(c *service.Call, in *iam.CreateGroupInput) (*iam.CreateGroupOutput, error) {
	name := *in.GroupName
	if identity.Groups.Has(c.Reader, c.Account(), identity.Fold(name)) {
		return nil, groupExists(name)
	}
	if err := countOneMore(c, groupsCount, quota{"GroupsPerAccount", s.limits.GroupsPerAccount}); err != nil {
		return nil, err
	}
	id, err := enter(c, arn.PrefixGroup, identity.TypeGroup, name)
	if err != nil {
		return nil, err
	}
	g := &identity.Group{
		Account: c.Scope.Account,
		ID:      id,
		Name:    name,
		Path:    pathOf(in.Path),
		Created: second(c.Now),
	}
	if err := identity.Groups.Put(c.Tx, g, c.Account(), identity.Fold(name)); err != nil {
		return nil, err
	}
	return &iam.CreateGroupOutput{Group: groupDetail(c, g)}, nil
}

// GetGroup describes a group and lists its members, in the order of their names.
func (s *Service) GetGroup(c *service.Call, in *iam.GetGroupInput) (*iam.GetGroupOutput, error) {
	g, err := findGroup(c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, types.User) bool) error {
		var lost error
		err := identity.Members.Scan(c.Reader, after, func(key store.Key, m *identity.Member) bool {
			var u *identity.User
			if u, lost = identity.Users.Get(c.Reader, c.Account(), key.Last()); lost != nil {
				lost = fmt.Errorf("member %s of group %s: %w", m.UserID, g.Name, lost)
				return false
			}
			return yield(key.Last(), userEntry(c, u))
		}, c.Account(), g.ID)
		return errors.Join(err, lost)
	})
	if err != nil {
		return nil, err
	}
	return &iam.GetGroupOutput{Group: groupDetail(c, g), Users: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// ListGroups lists the groups below a path.
func (s *Service) ListGroups(c *service.Call, in *iam.ListGroupsInput) (*iam.ListGroupsOutput, error) {
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, types.Group) bool) error {
		return identity.Groups.Scan(c.Reader, after, func(key store.Key, g *identity.Group) bool {
			return !below(g.Path, in.PathPrefix) || yield(key.Last(), *groupDetail(c, g))
		}, c.Account())
	})
	if err != nil {
		return nil, err
	}
	return &iam.ListGroupsOutput{Groups: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// UpdateGroup gives a group another name or path. Members and policies stay.
func (s *Service) UpdateGroup(c *service.Call, in *iam.UpdateGroupInput) (*iam.UpdateGroupOutput, error) {
	g, err := findGroup(c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	renamed := *g
	if in.NewPath != nil {
		renamed.Path = *in.NewPath
	}
	if in.NewGroupName != nil {
		renamed.Name = *in.NewGroupName
	}
	before, after := identity.Fold(g.Name), identity.Fold(renamed.Name)
	if before != after {
		if identity.Groups.Has(c.Reader, c.Account(), after) {
			return nil, groupExists(renamed.Name)
		}
		identity.Groups.Delete(c.Tx, c.Account(), before)
		if err := rename(c, groupBearer(&renamed)); err != nil {
			return nil, err
		}
	}
	return &iam.UpdateGroupOutput{}, identity.Groups.Put(c.Tx, &renamed, c.Account(), after)
}

// DeleteGroup removes a group that has no members and no policies.
func (s *Service) DeleteGroup(c *service.Call, in *iam.DeleteGroupInput) (*iam.DeleteGroupOutput, error) {
	g, err := findGroup(c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	members, err := hasMembers(c, g)
	if err != nil {
		return nil, err
	}
	switch {
	case members:
		return nil, deleteConflict("Cannot delete entity, must remove users from group first.")
	case len(g.Inline) > 0:
		return nil, deleteConflict("Cannot delete entity, must delete policies first.")
	case len(g.Attached) > 0:
		return nil, deleteConflict("Cannot delete entity, must detach all policies first.")
	}
	identity.Entities.Delete(c.Tx, g.ID)
	identity.Groups.Delete(c.Tx, c.Account(), identity.Fold(g.Name))
	return &iam.DeleteGroupOutput{}, count(c, groupsCount, -1)
}

// AddUserToGroup makes a user a member of a group. It succeeds if they are one.
func (s *Service) AddUserToGroup(c *service.Call, in *iam.AddUserToGroupInput) (*iam.AddUserToGroupOutput, error) {
	g, err := findGroup(c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	var user string
	err = editUser(c, *in.UserName, func(u *identity.User) error {
		user = u.ID
		if slices.Contains(u.Groups, g.ID) {
			return nil
		}
		if err := (quota{"GroupsPerUser", s.limits.GroupsPerUser}).admits(len(u.Groups)); err != nil {
			return err
		}
		u.Groups = append(u.Groups, g.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.AddUserToGroupOutput{}, identity.Members.Put(c.Tx, &identity.Member{UserID: user}, c.Account(), g.ID, identity.Fold(*in.UserName))
}

// RemoveUserFromGroup ends a membership.
func (s *Service) RemoveUserFromGroup(c *service.Call, in *iam.RemoveUserFromGroupInput) (*iam.RemoveUserFromGroupOutput, error) {
	g, err := findGroup(c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	err = editUser(c, *in.UserName, func(u *identity.User) error {
		at := slices.Index(u.Groups, g.ID)
		if at < 0 {
			return noSuchEntity("The user with name %s is not in the group with name %s.", *in.UserName, *in.GroupName)
		}
		u.Groups = slices.Delete(u.Groups, at, at+1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	identity.Members.Delete(c.Tx, c.Account(), g.ID, identity.Fold(*in.UserName))
	return &iam.RemoveUserFromGroupOutput{}, nil
}

// ListGroupsForUser lists the groups that a user is in, in the order of their names.
func (s *Service) ListGroupsForUser(c *service.Call, in *iam.ListGroupsForUserInput) (*iam.ListGroupsForUserOutput, error) {
	u, err := findUser(c, *in.UserName)
	if err != nil {
		return nil, err
	}
	groups := make([]*identity.Group, len(u.Groups))
	for i, id := range u.Groups {
		if groups[i], err = identity.GroupByID(c.Reader, id); err != nil {
			return nil, fmt.Errorf("group %s of user %s: %w", id, u.Name, err)
		}
	}
	slices.SortFunc(groups, func(a, b *identity.Group) int {
		return strings.Compare(identity.Fold(a.Name), identity.Fold(b.Name))
	})
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, types.Group) bool) error {
		for _, g := range groups {
			if name := identity.Fold(g.Name); name > after && !yield(name, *groupDetail(c, g)) {
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.ListGroupsForUserOutput{Groups: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// groupDetail is a group as all operations show it.
func groupDetail(c *service.Call, g *identity.Group) *types.Group {
	return &types.Group{
		Arn:        aws.String(g.ARN(c.Scope.Partition)),
		CreateDate: shown(g.Created),
		GroupId:    &g.ID,
		GroupName:  &g.Name,
		Path:       &g.Path,
	}
}

func hasMembers(c *service.Call, g *identity.Group) (bool, error) {
	found := false
	err := identity.Members.Scan(c.Reader, "", func(store.Key, *identity.Member) bool {
		found = true
		return false
	}, c.Account(), g.ID)
	return found, err
}

func findGroup(c *service.Call, name string) (*identity.Group, error) {
	g, err := identity.FindGroup(c.Reader, c.Scope.Account, name)
	return g, orNoSuchEntity(err, "The group with name %s cannot be found.", name)
}

func groupExists(name string) error { return alreadyExists("Group with name %s already exists.", name) }

// onGroup states that an operation acts on the group whom get finds in its input.
func onGroup[I any](get func(*I) *string) func(*service.Call, *I) ([]authz.Check, error) {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		check, err := checkGroup(c, *get(in))
		if err != nil {
			return nil, err
		}
		return []authz.Check{check}, nil
	}
}

func checkGroup(c *service.Call, name string) (authz.Check, error) {
	g, err := identity.FindGroup(c.Reader, c.Scope.Account, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return authz.On(c.Scope.Group("/", name)), nil
	case err != nil:
		return authz.Check{}, err
	}
	return authz.On(g.ARN(c.Scope.Partition)), nil
}

func mayCreateGroup(c *service.Call, in *iam.CreateGroupInput) ([]authz.Check, error) {
	return []authz.Check{authz.On(c.Scope.Group(pathOf(in.Path), *in.GroupName))}, nil
}

// mayUpdateGroup: as for users, both ARNs count.
func mayUpdateGroup(c *service.Call, in *iam.UpdateGroupInput) ([]authz.Check, error) {
	source, err := checkGroup(c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	target := authz.On(movedARN(source.Resource, in.NewPath, in.NewGroupName))
	if target.Resource == source.Resource {
		return []authz.Check{source}, nil
	}
	return []authz.Check{source, target}, nil
}

func mayListGroups(c *service.Call, in *iam.ListGroupsInput) ([]authz.Check, error) {
	return []authz.Check{authz.On(c.Scope.Group(listedPath(in.PathPrefix), ""))}, nil
}
