package iam

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// CreateUser makes a user, without any credentials or permissions.
func (s *Service) CreateUser(c *service.Call, in *iam.CreateUserInput) (*iam.CreateUserOutput, error) {
	name := *in.UserName
	tags, err := s.setTags(nil, in.Tags, anyCase)
	if err != nil {
		return nil, err
	}
	if identity.Users.Has(c.Reader, c.Account(), identity.Fold(name)) {
		return nil, userExists(name)
	}
	if err := countOneMore(c, usersCount, quota{"UsersPerAccount", s.limits.UsersPerAccount}); err != nil {
		return nil, err
	}
	id, err := enter(c, arn.PrefixUser, identity.TypeUser, name)
	if err != nil {
		return nil, err
	}
	u := &identity.User{
		Account: c.Scope.Account,
		ID:      id,
		Name:    name,
		Path:    pathOf(in.Path),
		Created: second(c.Now),
		Tags:    tags,
	}
	if in.PermissionsBoundary != nil {
		if err := s.setBoundary(c, userBearer(u), in.PermissionsBoundary); err != nil {
			return nil, err
		}
	}
	if err := identity.Users.Put(c.Tx, u, c.Account(), identity.Fold(name)); err != nil {
		return nil, err
	}
	return &iam.CreateUserOutput{User: userDetail(c, u)}, nil
}

// GetUser describes a user, by default the caller. The root user is described as
// an unnamed user with the account's id.
func (s *Service) GetUser(c *service.Call, in *iam.GetUserInput) (*iam.GetUserOutput, error) {
	who, err := personOf(c, in.UserName)
	if err != nil {
		return nil, err
	}
	if who.root {
		root, err := rootUser(c)
		if err != nil {
			return nil, err
		}
		return &iam.GetUserOutput{User: root}, nil
	}
	u, err := findUser(c, who.name)
	if err != nil {
		return nil, err
	}
	return &iam.GetUserOutput{User: userDetail(c, u)}, nil
}

// ListUsers lists the users below a path.
func (s *Service) ListUsers(c *service.Call, in *iam.ListUsersInput) (*iam.ListUsersOutput, error) {
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, types.User) bool) error {
		return identity.Users.Scan(c.Reader, after, func(key store.Key, u *identity.User) bool {
			return !below(u.Path, in.PathPrefix) || yield(key.Last(), userEntry(c, u))
		}, c.Account())
	})
	if err != nil {
		return nil, err
	}
	return &iam.ListUsersOutput{Users: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// UpdateUser gives a user another name or path. The unique id stays, and with it
// everything that hangs on the user.
func (s *Service) UpdateUser(c *service.Call, in *iam.UpdateUserInput) (*iam.UpdateUserOutput, error) {
	u, err := findUser(c, *in.UserName)
	if err != nil {
		return nil, err
	}
	renamed := *u
	if in.NewPath != nil {
		renamed.Path = *in.NewPath
	}
	if in.NewUserName != nil {
		renamed.Name = *in.NewUserName
	}
	before, after := identity.Fold(u.Name), identity.Fold(renamed.Name)
	if before != after {
		if identity.Users.Has(c.Reader, c.Account(), after) {
			return nil, userExists(renamed.Name)
		}
		if err := moveUser(c, &renamed, before, after); err != nil {
			return nil, err
		}
	}
	return &iam.UpdateUserOutput{}, identity.Users.Put(c.Tx, &renamed, c.Account(), after)
}

// moveUser keeps the keys and indexes that hold the folded name of a renamed user
// in step.
func moveUser(c *service.Call, u *identity.User, before, after string) error {
	identity.Users.Delete(c.Tx, c.Account(), before)
	for _, group := range u.Groups {
		identity.Members.Delete(c.Tx, c.Account(), group, before)
		if err := identity.Members.Put(c.Tx, &identity.Member{UserID: u.ID}, c.Account(), group, after); err != nil {
			return err
		}
	}
	for _, key := range u.AccessKeys {
		err := identity.AccessKeys.Edit(c.Tx, func(k *identity.AccessKey) error {
			k.UserName = after
			return nil
		}, key)
		if err != nil {
			return fmt.Errorf("access key %s of user %s: %w", key, u.Name, err)
		}
	}
	return rename(c, userBearer(u))
}

// DeleteUser removes a user on whom nothing hangs any more but tags and a
// permissions boundary.
func (s *Service) DeleteUser(c *service.Call, in *iam.DeleteUserInput) (*iam.DeleteUserOutput, error) {
	u, err := findUser(c, *in.UserName)
	if err != nil {
		return nil, err
	}
	// The order is AWS's, as far as it is known.
	for _, first := range []struct {
		conflict bool
		action   string
	}{
		{u.Login != nil, "delete login profile"},
		{len(u.AccessKeys) > 0, "delete access keys"},
		{len(u.MFA) > 0, "delete MFA device"},
		{len(u.Inline) > 0, "delete policies"},
		{len(u.Attached) > 0, "detach all policies"},
		{len(u.Groups) > 0, "remove users from group"},
	} {
		if first.conflict {
			return nil, deleteConflict("Cannot delete entity, must %s first.", first.action)
		}
	}
	if err := holdsNothing(c, u); err != nil {
		return nil, err
	}
	if u.Boundary != "" {
		deleteUse(c, userBearer(u), u.Boundary, identity.AsBoundary)
	}
	forget(c, u.ID)
	identity.Users.Delete(c.Tx, c.Account(), identity.Fold(u.Name))
	return &iam.DeleteUserOutput{}, count(c, usersCount, -1)
}

// TagUser puts tags on a user.
func (s *Service) TagUser(c *service.Call, in *iam.TagUserInput) (*iam.TagUserOutput, error) {
	return &iam.TagUserOutput{}, editUser(c, *in.UserName, func(u *identity.User) (err error) {
		u.Tags, err = s.setTags(u.Tags, in.Tags, anyCase)
		return err
	})
}

// UntagUser takes tags from a user.
func (s *Service) UntagUser(c *service.Call, in *iam.UntagUserInput) (*iam.UntagUserOutput, error) {
	return &iam.UntagUserOutput{}, editUser(c, *in.UserName, func(u *identity.User) error {
		u.Tags = removeTags(u.Tags, in.TagKeys, anyCase)
		return nil
	})
}

// ListUserTags lists the tags of a user.
func (s *Service) ListUserTags(c *service.Call, in *iam.ListUserTagsInput) (*iam.ListUserTagsOutput, error) {
	u, err := findUser(c, *in.UserName)
	if err != nil {
		return nil, err
	}
	page, err := s.listTags(c, in, u.Tags)
	if err != nil {
		return nil, err
	}
	return &iam.ListUserTagsOutput{Tags: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// userEntry is a user as lists show them.
func userEntry(c *service.Call, u *identity.User) types.User {
	return types.User{
		Arn:              aws.String(u.ARN(c.Scope.Partition)),
		CreateDate:       shown(u.Created),
		PasswordLastUsed: shown(u.PasswordLastUsed),
		Path:             &u.Path,
		UserId:           &u.ID,
		UserName:         &u.Name,
	}
}

// userDetail is a user as CreateUser and GetUser show them.
func userDetail(c *service.Call, u *identity.User) *types.User {
	out := userEntry(c, u)
	out.PermissionsBoundary = toBoundary(c, u.Boundary)
	out.Tags = sdkTags(u.Tags)
	return &out
}

// rootUser is the root user in the form of a user: the account's id, no name.
func rootUser(c *service.Call) (*types.User, error) {
	account, err := identity.Accounts.Get(c.Reader, c.Account())
	if err != nil {
		return nil, fmt.Errorf("account %s: %w", c.Account(), err)
	}
	return &types.User{
		Arn:        aws.String(c.Scope.Root()),
		CreateDate: shown(account.Created),
		UserId:     aws.String(c.Account()),
	}, nil
}

// person is whom an operation is about: a user of the caller's account, or its
// root user.
type person struct {
	name string
	root bool
}

// personOf is the user of that name or, without a name, the caller. Sessions of
// roles and federated users are nobody whom such an operation could be about.
func personOf(c *service.Call, name *string) (person, error) {
	if name != nil {
		return person{name: *name}, nil
	}
	switch c.Principal.Kind {
	case authn.User:
		u, err := identity.UserByID(c.Reader, c.Principal.ID)
		if err != nil {
			return person{}, orNoSuchUser(err, c.Principal.Name)
		}
		return person{name: u.Name}, nil
	case authn.Root:
		return person{root: true}, nil
	}
	return person{}, mustNameUser()
}

// mustNameUser refuses a request without UserName that does not come from a user.
func mustNameUser() error {
	return service.Invalid("Must specify userName when calling with non-User credentials")
}

// check asks about the person as a resource.
func (p person) check(c *service.Call) (authz.Check, error) {
	if p.root {
		return authz.On(c.Scope.Root()), nil
	}
	u, err := identity.FindUser(c.Reader, c.Scope.Account, p.name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		// Whether there is such a user is told only to those who may act on them.
		return authz.On(c.Scope.User("/", p.name)), nil
	case err != nil:
		return authz.Check{}, err
	}
	return authz.On(u.ARN(c.Scope.Partition)).WithResourceTags(u.Tags), nil
}

func findUser(c *service.Call, name string) (*identity.User, error) {
	u, err := identity.FindUser(c.Reader, c.Scope.Account, name)
	return u, orNoSuchUser(err, name)
}

func editUser(c *service.Call, name string, edit func(*identity.User) error) error {
	return orNoSuchUser(identity.Users.Edit(c.Tx, edit, c.Account(), identity.Fold(name)), name)
}

func orNoSuchUser(err error, name string) error {
	return orNoSuchEntity(err, "The user with name %s cannot be found.", name)
}

func userExists(name string) error { return alreadyExists("User with name %s already exists.", name) }

// onUser states that an operation acts on the user whom get finds in its input, or
// on the caller where it finds none.
func onUser[I any](get func(*I) *string) func(*service.Call, *I) ([]authz.Check, error) {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		check, err := checkUser(c, get(in))
		if err != nil {
			return nil, err
		}
		return []authz.Check{check}, nil
	}
}

func checkUser(c *service.Call, name *string) (authz.Check, error) {
	who, err := personOf(c, name)
	if err != nil {
		return authz.Check{}, err
	}
	return who.check(c)
}

// mayCreateUser asks to create a user.
func mayCreateUser(c *service.Call, in *iam.CreateUserInput) ([]authz.Check, error) {
	check := authz.On(c.Scope.User(pathOf(in.Path), *in.UserName))
	if in.PermissionsBoundary != nil {
		check = check.With("iam:PermissionsBoundary", *in.PermissionsBoundary)
	}
	return creates(check, in.Tags, "iam:TagUser"), nil
}

// mayUpdateUser: a user moves from one ARN to another, and the caller needs the
// permission for both.
func mayUpdateUser(c *service.Call, in *iam.UpdateUserInput) ([]authz.Check, error) {
	source, err := checkUser(c, in.UserName)
	if err != nil {
		return nil, err
	}
	target := source
	target.Resource = movedARN(source.Resource, in.NewPath, in.NewUserName)
	if target.Resource == source.Resource {
		return []authz.Check{source}, nil
	}
	return []authz.Check{source, target}, nil
}

// movedARN is the ARN of an entity once it has another path or name.
func movedARN(from string, newPath, newName *string) string {
	a, err := arn.Parse(from)
	if err != nil {
		return from
	}
	kind, path, name := a.Split()
	if newPath != nil {
		path = *newPath
	}
	if newName != nil {
		name = *newName
	}
	a.Resource = kind + path + name
	return a.String()
}

func mayTagUser(c *service.Call, in *iam.TagUserInput) ([]authz.Check, error) {
	check, err := checkUser(c, in.UserName)
	if err != nil {
		return nil, err
	}
	return []authz.Check{check.WithRequestTags(requestTags(in.Tags))}, nil
}

func mayUntagUser(c *service.Call, in *iam.UntagUserInput) ([]authz.Check, error) {
	check, err := checkUser(c, in.UserName)
	if err != nil {
		return nil, err
	}
	return []authz.Check{check.WithList("aws:TagKeys", in.TagKeys)}, nil
}

// mayListUsers: AWS names the path that is listed as the resource.
func mayListUsers(c *service.Call, in *iam.ListUsersInput) ([]authz.Check, error) {
	return []authz.Check{authz.On(c.Scope.User(listedPath(in.PathPrefix), ""))}, nil
}

// listedPath is the PathPrefix of a list, up to its last slash.
func listedPath(prefix *string) string {
	path := pathOf(prefix)
	return path[:strings.LastIndexByte(path, '/')+1]
}
