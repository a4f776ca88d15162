package identity

import (
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/store"
)

// FindUser finds a user by name, in any case. The error is store.ErrNotFound
// when there is none.
func FindUser(r store.Reader, account arn.AccountID, name string) (*User, error) {
	return Users.Get(r, string(account), Fold(name))
}

// FindGroup finds a group by name.
func FindGroup(r store.Reader, account arn.AccountID, name string) (*Group, error) {
	return Groups.Get(r, string(account), Fold(name))
}

// FindRole finds a role by name.
func FindRole(r store.Reader, account arn.AccountID, name string) (*Role, error) {
	return Roles.Get(r, string(account), Fold(name))
}

// UserByID finds a user by unique id.
func UserByID(r store.Reader, id string) (*User, error) {
	e, err := Entities.Get(r, id)
	if err != nil {
		return nil, err
	}
	if e.Type != TypeUser {
		return nil, store.ErrNotFound
	}
	return Users.Get(r, string(e.Account), e.Name)
}

// GroupByID finds a group by unique id.
func GroupByID(r store.Reader, id string) (*Group, error) {
	e, err := Entities.Get(r, id)
	if err != nil {
		return nil, err
	}
	if e.Type != TypeGroup {
		return nil, store.ErrNotFound
	}
	return Groups.Get(r, string(e.Account), e.Name)
}

// RoleByID finds a role by unique id.
func RoleByID(r store.Reader, id string) (*Role, error) {
	e, err := Entities.Get(r, id)
	if err != nil {
		return nil, err
	}
	if e.Type != TypeRole {
		return nil, store.ErrNotFound
	}
	return Roles.Get(r, string(e.Account), e.Name)
}

// ARN is the user's ARN in a partition.
func (u *User) ARN(p arn.Partition) string {
	return arn.Scope{Partition: p, Account: u.Account}.User(u.Path, u.Name)
}

// ARN is the group's ARN in a partition.
func (g *Group) ARN(p arn.Partition) string {
	return arn.Scope{Partition: p, Account: g.Account}.Group(g.Path, g.Name)
}

// ARN is the role's ARN in a partition.
func (r *Role) ARN(p arn.Partition) string {
	return arn.Scope{Partition: p, Account: r.Account}.Role(r.Path, r.Name)
}

// ARN is the policy's ARN in a partition.
func (p *Policy) ARN(partition arn.Partition) string {
	return arn.Scope{Partition: partition, Account: p.Account}.Policy(p.Path, p.Name)
}

// ARN is the instance profile's ARN in a partition.
func (p *InstanceProfile) ARN(partition arn.Partition) string {
	return arn.Scope{Partition: partition, Account: p.Account}.InstanceProfile(p.Path, p.Name)
}
