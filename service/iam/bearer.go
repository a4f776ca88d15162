package iam

import (
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// bearer is a user, group or role as the one on whom policies hang, so that the
// operations on attached policies, inline policies and boundaries, three of each,
// are written once. It points into the record: a bearer from findBearer is
// read only, like the record; editBearer's may be changed.
type bearer struct {
	kind     identity.EntityType
	id       string
	name     string
	path     string
	tags     []identity.Tag
	attached *[]string // ARNs in canonical form
	inline   *[]identity.InlinePolicy
	boundary *string // nil for groups, which have none
}

func userBearer(u *identity.User) *bearer {
	return &bearer{kind: identity.TypeUser, id: u.ID, name: u.Name, path: u.Path, tags: u.Tags, attached: &u.Attached, inline: &u.Inline, boundary: &u.Boundary}
}

func groupBearer(g *identity.Group) *bearer {
	return &bearer{kind: identity.TypeGroup, id: g.ID, name: g.Name, path: g.Path, attached: &g.Attached, inline: &g.Inline}
}

func roleBearer(r *identity.Role) *bearer {
	return &bearer{kind: identity.TypeRole, id: r.ID, name: r.Name, path: r.Path, tags: r.Tags, attached: &r.Attached, inline: &r.Inline, boundary: &r.Boundary}
}

// lookUpBearer finds a bearer by name, or returns store.ErrNotFound.
func lookUpBearer(c *service.Call, kind identity.EntityType, name string) (*bearer, error) {
	switch kind {
	case identity.TypeUser:
		u, err := identity.FindUser(c.Reader, c.Scope.Account, name)
		if err != nil {
			return nil, err
		}
		return userBearer(u), nil
	case identity.TypeGroup:
		g, err := identity.FindGroup(c.Reader, c.Scope.Account, name)
		if err != nil {
			return nil, err
		}
		return groupBearer(g), nil
	default:
		r, err := identity.FindRole(c.Reader, c.Scope.Account, name)
		if err != nil {
			return nil, err
		}
		return roleBearer(r), nil
	}
}

// findBearer finds a bearer to read, or says in AWS's words that there is none.
func findBearer(c *service.Call, kind identity.EntityType, name string) (*bearer, error) {
	b, err := lookUpBearer(c, kind, name)
	return b, orNoSuchEntity(err, "The %s with name %s cannot be found.", kind, name)
}

// editBearer changes a bearer's record.
func editBearer(c *service.Call, kind identity.EntityType, name string, change func(*bearer) error) error {
	key := identity.Fold(name)
	var err error
	switch kind {
	case identity.TypeUser:
		err = identity.Users.Edit(c.Tx, func(u *identity.User) error { return change(userBearer(u)) }, c.Account(), key)
	case identity.TypeGroup:
		err = identity.Groups.Edit(c.Tx, func(g *identity.Group) error { return change(groupBearer(g)) }, c.Account(), key)
	default:
		err = identity.Roles.Edit(c.Tx, func(r *identity.Role) error {
			if err := modifiable(r); err != nil {
				return err
			}
			return change(roleBearer(r))
		}, c.Account(), key)
	}
	return orNoSuchEntity(err, "The %s with name %s cannot be found.", kind, name)
}

// arn is the bearer's ARN.
func (b *bearer) arn(scope arn.Scope) string {
	switch b.kind {
	case identity.TypeUser:
		return scope.User(b.path, b.name)
	case identity.TypeGroup:
		return scope.Group(b.path, b.name)
	default:
		return scope.Role(b.path, b.name)
	}
}

// checkBearer asks about a user, group or role: by its real path, name and tags, or
// by the name in the request and the path "/" when there is none.
func checkBearer(c *service.Call, kind identity.EntityType, name string) (authz.Check, *bearer, error) {
	b, err := lookUpBearer(c, kind, name)
	if errors.Is(err, store.ErrNotFound) {
		b = &bearer{kind: kind, name: name, path: "/"}
	} else if err != nil {
		return authz.Check{}, nil, err
	}
	return authz.On(b.arn(c.Scope)).WithResourceTags(b.tags), b, nil
}

// checks is how an operation with input I states what it must be allowed.
type checks[I any] = func(*service.Call, *I) ([]authz.Check, error)

// onBearer states that an operation reads about the bearer whom get finds in its
// input.
func onBearer[I any](kind identity.EntityType, get func(*I) *string) checks[I] {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		check, _, err := checkBearer(c, kind, *get(in))
		return []authz.Check{check}, err
	}
}

// changes states that an operation changes the permissions of a bearer. The
// boundary that the bearer has is a condition key of that
// (iam:PermissionsBoundary), which is how administration is delegated within a
// boundary.
func changes[I any](kind identity.EntityType, get func(*I) *string) checks[I] {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		check, b, err := checkBearer(c, kind, *get(in))
		if err != nil {
			return nil, err
		}
		if b.boundary != nil && *b.boundary != "" {
			check = check.With("iam:PermissionsBoundary", inPartition(*b.boundary, c.Scope.Partition))
		}
		return []authz.Check{check}, nil
	}
}

// attaches states that an operation attaches a managed policy to a bearer, or
// detaches it.
func attaches[I any](kind identity.EntityType, get, policyARN func(*I) *string) checks[I] {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		list, err := changes(kind, get)(c, in)
		if err != nil {
			return nil, err
		}
		list[0] = list[0].With("iam:PolicyARN", *policyARN(in))
		return list, nil
	}
}

// bounds states that an operation sets a bearer's boundary: the condition key is
// the boundary that is asked for.
func bounds[I any](kind identity.EntityType, get, boundary func(*I) *string) checks[I] {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		check, _, err := checkBearer(c, kind, *get(in))
		return []authz.Check{check.With("iam:PermissionsBoundary", *boundary(in))}, err
	}
}

// tagging adds to the checks of an operation the tags that its request brings.
func tagging[I any](on checks[I], tags func(*I) []types.Tag) checks[I] {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		list, err := on(c, in)
		if err != nil {
			return nil, err
		}
		list[0] = list[0].WithRequestTags(requestTags(tags(in)))
		return list, nil
	}
}

// untagging adds to the checks of an operation the keys of the tags that it
// removes.
func untagging[I any](on checks[I], keys func(*I) []string) checks[I] {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		list, err := on(c, in)
		if err != nil {
			return nil, err
		}
		list[0] = list[0].WithList("aws:TagKeys", keys(in))
		return list, nil
	}
}

// creates asks to create a tagged resource. Tags need the permission to tag as
// well, and count as the resource's own (IAM User Guide, "aws:ResourceTag").
func creates(resource authz.Check, tags []types.Tag, tagAction string) []authz.Check {
	given := requestTags(tags)
	check := resource.WithRequestTags(given).WithResourceTags(given)
	if len(given) == 0 {
		return []authz.Check{check}
	}
	return []authz.Check{check, check.WithAction(tagAction)}
}
