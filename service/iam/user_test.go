package iam

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

func userNames(users []types.User) []string {
	return names(users, func(u types.User) *string { return u.UserName })
}

func TestCreateUserIsReadBackAtOnce(t *testing.T) {
	w := newWorld(t)
	made := do(w.root(), w.iam.CreateUser, &iam.CreateUserInput{
		UserName: aws.String("Alice"),
		Path:     aws.String("/division/team/"),
		Tags:     []types.Tag{{Key: aws.String("Team"), Value: aws.String("blue")}, {Key: aws.String("Cost"), Value: aws.String("7")}},
	}).User
	if got, want := *made.Arn, "arn:aws:iam::111122223333:user/division/team/Alice"; got != want {
		t.Errorf("ARN = %s, want %s", got, want)
	}
	if id := *made.UserId; len(id) != 21 || !strings.HasPrefix(id, "AIDA") {
		t.Errorf("unique id = %s", id)
	}
	if !made.CreateDate.Equal(w.now.Truncate(time.Second)) {
		t.Errorf("CreateDate = %s: not the second of the request", made.CreateDate)
	}
	read := do(w.root(), w.iam.GetUser, &iam.GetUserInput{UserName: aws.String("aLICE")}).User // in any case
	if asJSON(read) != asJSON(made) {
		t.Errorf("GetUser = %s\nCreateUser = %s", asJSON(read), asJSON(made))
	}
	equal(t, "tag keys, sorted", names(read.Tags, func(t types.Tag) *string { return t.Key }), []string{"Cost", "Team"})
	if read.PasswordLastUsed != nil || read.PermissionsBoundary != nil {
		t.Error("a new user has a used password or a boundary")
	}
	w.consistent(t)
}

func TestUserErrors(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	w.user("bob")
	root := w.root()
	refused(root, w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("ALICE")},
		"EntityAlreadyExists", "User with name ALICE already exists.")
	refused(root, w.iam.GetUser, &iam.GetUserInput{UserName: aws.String("Carol")},
		"NoSuchEntity", "The user with name Carol cannot be found.")
	refused(root, w.iam.UpdateUser, &iam.UpdateUserInput{UserName: aws.String("carol")},
		"NoSuchEntity", "The user with name carol cannot be found.")
	refused(root, w.iam.UpdateUser, &iam.UpdateUserInput{UserName: aws.String("alice"), NewUserName: aws.String("Bob")},
		"EntityAlreadyExists", "User with name Bob already exists.")
	refused(root, w.iam.DeleteUser, &iam.DeleteUserInput{UserName: aws.String("carol")},
		"NoSuchEntity", "The user with name carol cannot be found.")
	refused(root, w.iam.TagUser, &iam.TagUserInput{UserName: aws.String("carol")},
		"NoSuchEntity", "The user with name carol cannot be found.")
	refused(root, w.iam.UntagUser, &iam.UntagUserInput{UserName: aws.String("carol")},
		"NoSuchEntity", "The user with name carol cannot be found.")
	refused(root, w.iam.ListUserTags, &iam.ListUserTagsInput{UserName: aws.String("carol")},
		"NoSuchEntity", "The user with name carol cannot be found.")
	refused(root, w.iam.ListGroupsForUser, &iam.ListGroupsForUserInput{UserName: aws.String("carol")},
		"NoSuchEntity", "The user with name carol cannot be found.")
	refused(root, w.iam.ListUsers, &iam.ListUsersInput{Marker: aws.String("AAAA")},
		"ValidationError", "Invalid Marker.")
	w.consistent(t)
}

func TestUserQuota(t *testing.T) {
	w := newWorld(t)
	w.iam.limits.UsersPerAccount = 2
	w.user("a")
	w.user("b")
	refused(w.root(), w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("c")},
		"LimitExceeded", "Cannot exceed quota for UsersPerAccount: 2")
	do(w.root(), w.iam.DeleteUser, &iam.DeleteUserInput{UserName: aws.String("a")})
	w.user("c")
	// The quota is that of the account, not of the installation.
	do(w.rootOf(theirs), w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("a")})
	w.consistent(t)
}

func TestGetUserWithoutName(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.may("alice", allow("iam:GetUser", "arn:aws:iam::111122223333:user/alice"))
	for _, caller := range []actor{alice, alice.inSession()} {
		if got := do(caller, w.iam.GetUser, &iam.GetUserInput{}).User; *got.UserName != "alice" {
			t.Errorf("alice is %s", *got.UserName)
		}
	}
	root := do(w.root(), w.iam.GetUser, &iam.GetUserInput{}).User
	if *root.Arn != "arn:aws:iam::111122223333:root" || *root.UserId != "111122223333" || root.UserName != nil {
		t.Errorf("root is %s", asJSON(root))
	}
	refused(w.asRole(), w.iam.GetUser, &iam.GetUserInput{},
		"ValidationError", "Must specify userName when calling with non-User credentials")

	// A caller who was renamed meanwhile is still the same caller.
	do(w.root(), w.iam.UpdateUser, &iam.UpdateUserInput{UserName: aws.String("alice"), NewUserName: aws.String("alicia")})
	w.may("alicia", allow("iam:GetUser", "*"))
	if got := do(alice, w.iam.GetUser, &iam.GetUserInput{}).User; *got.UserName != "alicia" {
		t.Errorf("alice, renamed, is %s", *got.UserName)
	}
}

func TestListUsers(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	for _, u := range []struct{ path, name string }{{"/", "dave"}, {"/ops/", "Alice"}, {"/ops/night/", "carol"}, {"/opsx/", "bob"}} {
		do(root, w.iam.CreateUser, &iam.CreateUserInput{UserName: &u.name, Path: &u.path, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
	}
	do(w.rootOf(theirs), w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("eve")})

	all := do(root, w.iam.ListUsers, &iam.ListUsersInput{})
	equal(t, "all users", userNames(all.Users), []string{"Alice", "bob", "carol", "dave"})
	if all.IsTruncated || all.Marker != nil {
		t.Error("a complete list is truncated")
	}
	if all.Users[0].Tags != nil {
		t.Error("ListUsers shows tags")
	}
	below := do(root, w.iam.ListUsers, &iam.ListUsersInput{PathPrefix: aws.String("/ops/")})
	equal(t, "users below /ops/", userNames(below.Users), []string{"Alice", "carol"})
	none := do(root, w.iam.ListUsers, &iam.ListUsersInput{PathPrefix: aws.String("/none/")})
	if none.Users == nil || len(none.Users) != 0 {
		t.Errorf("no users = %#v: the list itself is there, and empty", none.Users)
	}
}

func TestListUsersInPages(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.user(fmt.Sprintf("user%d", i))
	}
	var seen []string
	sizes := pages(func(marker *string) (int, bool, *string) {
		out := do(w.root(), w.iam.ListUsers, &iam.ListUsersInput{Marker: marker, MaxItems: aws.Int32(3)})
		seen = append(seen, userNames(out.Users)...)
		return len(out.Users), out.IsTruncated, out.Marker
	})
	if !slices.Equal(sizes, []int{3, 3, 1}) || len(seen) != 7 || !slices.IsSorted(seen) {
		t.Errorf("pages of %v with %q", sizes, seen)
	}
	// A user deleted between two pages spoils nothing.
	first := do(w.root(), w.iam.ListUsers, &iam.ListUsersInput{MaxItems: aws.Int32(2)})
	do(w.root(), w.iam.DeleteUser, &iam.DeleteUserInput{UserName: aws.String("user1")})
	second := do(w.root(), w.iam.ListUsers, &iam.ListUsersInput{MaxItems: aws.Int32(2), Marker: first.Marker})
	equal(t, "the page after a deleted user", userNames(second.Users), []string{"user2", "user3"})
}

func TestUpdateUserKeepsEverythingThatHangsOnTheUser(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	before := w.record("alice")
	w.group("devs")
	do(w.root(), w.iam.AddUserToGroup, &iam.AddUserToGroupInput{GroupName: aws.String("devs"), UserName: aws.String("alice")})
	key := w.key("alice")
	device := w.device("phone")
	w.enable("alice", device)

	do(w.root(), w.iam.UpdateUser, &iam.UpdateUserInput{UserName: aws.String("alice"), NewUserName: aws.String("Alicia"), NewPath: aws.String("/new/")})
	w.consistent(t)
	after := w.record("alicia")
	if after.ID != before.ID || after.Name != "Alicia" || after.ARN("aws") != "arn:aws:iam::111122223333:user/new/Alicia" {
		t.Errorf("renamed: %+v", after)
	}
	refused(w.root(), w.iam.GetUser, &iam.GetUserInput{UserName: aws.String("alice")}, "NoSuchEntity", "The user with name alice cannot be found.")
	if got := do(w.root(), w.iam.GetAccessKeyLastUsed, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &key}); *got.UserName != "Alicia" {
		t.Errorf("the key is %s's", *got.UserName)
	}
	members := do(w.root(), w.iam.GetGroup, &iam.GetGroupInput{GroupName: aws.String("devs")}).Users
	equal(t, "members", userNames(members), []string{"Alicia"})
	// The old name is free, and whoever takes it is another user.
	w.user("alice")
	if w.record("alice").ID == before.ID {
		t.Error("the unique id was given again")
	}
	// Only the case changes: the same user, shown otherwise.
	do(w.root(), w.iam.UpdateUser, &iam.UpdateUserInput{UserName: aws.String("alice"), NewUserName: aws.String("ALICE")})
	if got := w.record("alice").Name; got != "ALICE" {
		t.Errorf("name = %s", got)
	}
	w.consistent(t)
}

// Everything that a user has blocks the deletion, in AWS's order.
func TestDeleteUserPreconditions(t *testing.T) {
	w := newWorld(t)
	root, alice := w.root(), aws.String("alice")
	w.user("alice")
	w.group("devs")
	do(root, w.iam.CreateLoginProfile, &iam.CreateLoginProfileInput{UserName: alice, Password: aws.String("Tr0ub4dor&3")})
	key := w.key("alice")
	device := w.device("phone")
	w.enable("alice", device)
	w.may("alice", allow("s3:*", "*"))
	w.edit(func(tx store.Tx) error { // as AttachUserPolicy does
		const policy = "arn:aws:iam::aws:policy/ReadOnlyAccess"
		if err := identity.Attachments.Put(tx, &identity.Attachment{}, string(ours), policy, string(identity.AsPermissions), string(identity.TypeUser), w.record("alice").ID); err != nil {
			return err
		}
		return identity.Users.Edit(tx, func(u *identity.User) error {
			u.Attached = []string{policy}
			return nil
		}, string(ours), "alice")
	})
	do(root, w.iam.AddUserToGroup, &iam.AddUserToGroupInput{GroupName: aws.String("devs"), UserName: alice})

	deletion := &iam.DeleteUserInput{UserName: alice}
	blocked := func(by string) {
		t.Helper()
		refused(root, w.iam.DeleteUser, deletion, "DeleteConflict", "Cannot delete entity, must "+by+" first.")
	}
	blocked("delete login profile")
	do(root, w.iam.DeleteLoginProfile, &iam.DeleteLoginProfileInput{UserName: alice})
	blocked("delete access keys")
	do(root, w.iam.DeleteAccessKey, &iam.DeleteAccessKeyInput{UserName: alice, AccessKeyId: &key})
	blocked("delete MFA device")
	do(root, w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{UserName: alice, SerialNumber: &device.serial})
	blocked("delete policies")
	w.may("alice")
	blocked("detach all policies")
	w.edit(func(tx store.Tx) error {
		identity.Attachments.Delete(tx, string(ours), "arn:aws:iam::aws:policy/ReadOnlyAccess", string(identity.AsPermissions), string(identity.TypeUser), w.record("alice").ID)
		return identity.Users.Edit(tx, func(u *identity.User) error {
			u.Attached = nil
			return nil
		}, string(ours), "alice")
	})
	blocked("remove users from group")
	do(root, w.iam.RemoveUserFromGroup, &iam.RemoveUserFromGroupInput{GroupName: aws.String("devs"), UserName: alice})
	do(root, w.iam.TagUser, &iam.TagUserInput{UserName: alice, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
	do(root, w.iam.DeleteUser, deletion) // tags do not block
	w.consistent(t)
}

// What is kept by unique id goes with the user: nothing of it can meet a later one.
func TestDeleteUserForgetsThePerson(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	id := w.record("alice").ID
	w.edit(func(tx store.Tx) error {
		if err := authn.CountFailure(tx, authn.PurposeMFA, id, w.now); err != nil {
			return err
		}
		if err := authn.CountFailure(tx, authn.PurposePassword, id, w.now); err != nil {
			return err
		}
		if err := identity.LastUses.Put(tx, &identity.LastUse{At: w.now}, id); err != nil {
			return err
		}
		return session.Revoke(tx, id, w.now)
	})
	do(w.root(), w.iam.DeleteUser, &iam.DeleteUserInput{UserName: aws.String("alice")})
	w.view(func(r store.Reader) error {
		if identity.Throttles.Has(r, "mfa", id) || identity.Throttles.Has(r, "password", id) ||
			identity.LastUses.Has(r, id) || identity.Revocations.Has(r, id) || identity.Entities.Has(r, id) {
			t.Error("rows of a deleted user remain")
		}
		return nil
	})
	w.consistent(t)
}

func TestUserPermissions(t *testing.T) {
	const aliceARN = "arn:aws:iam::111122223333:user/team/alice"
	w := newWorld(t)
	admin := w.user("admin")
	do(w.root(), w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("alice"), Path: aws.String("/team/"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("blue")}}})

	get := &iam.GetUserInput{UserName: aws.String("Alice")}
	denied(admin, w.iam.GetUser, get)
	w.may("admin", allow("iam:GetUser", "arn:aws:iam::111122223333:user/alice")) // not her path
	denied(admin, w.iam.GetUser, get)
	w.may("admin", allow("iam:GetUser", aliceARN))
	do(admin, w.iam.GetUser, get)
	w.may("admin", allowIf("iam:GetUser", "*", `{"StringEquals":{"iam:ResourceTag/team":"blue","aws:ResourceTag/team":"blue"}}`))
	do(admin, w.iam.GetUser, get)
	denied(admin, w.iam.GetUser, &iam.GetUserInput{UserName: aws.String("admin")})

	// The sentence is AWS's: a list is about the path.
	_, err := try(admin, w.iam.ListUsers, &iam.ListUsersInput{})
	checkError(t, "ListUsers", err, "AccessDenied",
		"User: arn:aws:iam::111122223333:user/admin is not authorized to perform: iam:ListUsers on resource: arn:aws:iam::111122223333:user/ because no identity-based policy allows the iam:ListUsers action")
	w.may("admin", allow("iam:ListUsers", "arn:aws:iam::111122223333:user/*"))
	do(admin, w.iam.ListUsers, &iam.ListUsersInput{})
	w.may("admin", allow("iam:ListUsers", "arn:aws:iam::111122223333:user/team/*"))
	denied(admin, w.iam.ListUsers, &iam.ListUsersInput{})
	do(admin, w.iam.ListUsers, &iam.ListUsersInput{PathPrefix: aws.String("/team/")})

	// To rename, one needs both the old and the new ARN.
	update := &iam.UpdateUserInput{UserName: aws.String("alice"), NewUserName: aws.String("root-like"), NewPath: aws.String("/admins/")}
	w.may("admin", allow("iam:UpdateUser", aliceARN))
	denied(admin, w.iam.UpdateUser, update)
	w.may("admin", allow("iam:UpdateUser", "arn:aws:iam::111122223333:user/admins/*"))
	denied(admin, w.iam.UpdateUser, update)
	w.may("admin", allow("iam:UpdateUser", aliceARN), allow("iam:UpdateUser", "arn:aws:iam::111122223333:user/admins/*"))
	do(admin, w.iam.UpdateUser, update)

	// Tags at creation are judged, and need the permission to tag.
	create := &iam.CreateUserInput{UserName: aws.String("bob"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("red")}}}
	w.may("admin", allow("iam:CreateUser", "*"))
	denied(admin, w.iam.CreateUser, create)
	w.may("admin", allow("iam:CreateUser", "*"), allowIf("iam:TagUser", "*", `{"StringEquals":{"aws:RequestTag/team":"blue"}}`))
	denied(admin, w.iam.CreateUser, create)
	w.may("admin", allow("iam:CreateUser", "*"), allowIf("iam:TagUser", "*", `{"StringEquals":{"aws:RequestTag/team":"red"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}`))
	do(admin, w.iam.CreateUser, create)

	// So are tags that are set or removed later.
	w.may("admin", allowIf("iam:*", "*", `{"ForAllValues:StringEquals":{"aws:TagKeys":["cost"]}}`))
	denied(admin, w.iam.TagUser, &iam.TagUserInput{UserName: aws.String("bob"), Tags: create.Tags})
	denied(admin, w.iam.UntagUser, &iam.UntagUserInput{UserName: aws.String("bob"), TagKeys: []string{"team"}})
	do(admin, w.iam.UntagUser, &iam.UntagUserInput{UserName: aws.String("bob"), TagKeys: []string{"cost"}})
}

// Who must give new users a boundary cannot make one without it.
func TestCreateUserWithinABoundary(t *testing.T) {
	const boundary = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	w := newWorld(t)
	admin := w.user("admin")
	w.may("admin", allowIf("iam:CreateUser", "*", `{"StringEquals":{"iam:PermissionsBoundary":"`+boundary+`"}}`))
	denied(admin, w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("bob")})
	denied(admin, w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("bob"), PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
	made := do(admin, w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("bob"), PermissionsBoundary: aws.String(boundary)}).User
	if b := made.PermissionsBoundary; b == nil || *b.PermissionsBoundaryArn != boundary || b.PermissionsBoundaryType != "Policy" {
		t.Errorf("boundary = %s", asJSON(made.PermissionsBoundary))
	}
	w.consistent(t)
	if listed := do(w.root(), w.iam.ListUsers, &iam.ListUsersInput{}).Users; listed[1].PermissionsBoundary != nil {
		t.Error("ListUsers shows boundaries")
	}
	do(w.root(), w.iam.UpdateUser, &iam.UpdateUserInput{UserName: aws.String("bob"), NewUserName: aws.String("robert")})
	w.consistent(t)
	do(w.root(), w.iam.DeleteUser, &iam.DeleteUserInput{UserName: aws.String("robert")}) // a boundary does not block
	w.consistent(t)
}

// A caller with another account's root cannot reach our users by any spelling.
func TestT300_UsersOfAnotherAccount(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	eve := w.rootOf(theirs)
	refused(eve, w.iam.GetUser, &iam.GetUserInput{UserName: aws.String("alice")}, "NoSuchEntity", "The user with name alice cannot be found.")
	refused(eve, w.iam.DeleteUser, &iam.DeleteUserInput{UserName: aws.String("alice")}, "NoSuchEntity", "The user with name alice cannot be found.")
	if users := do(eve, w.iam.ListUsers, &iam.ListUsersInput{}).Users; len(users) != 0 {
		t.Errorf("another account lists our users: %q", userNames(users))
	}
}

// A marker works for the list that it was made for, and for no other.
func TestT397_MarkersOfLists(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"a", "b", "c"} {
		w.user(name)
		w.group(name)
		do(w.rootOf(theirs), w.iam.CreateUser, &iam.CreateUserInput{UserName: &name})
	}
	one := aws.Int32(1)
	marker := do(w.root(), w.iam.ListUsers, &iam.ListUsersInput{MaxItems: one}).Marker
	invalid := func(a actor, in *iam.ListUsersInput) {
		t.Helper()
		refused(a, w.iam.ListUsers, in, "ValidationError", "Invalid Marker.")
	}
	do(w.root(), w.iam.ListUsers, &iam.ListUsersInput{Marker: marker}) // another page size is fine
	invalid(w.rootOf(theirs), &iam.ListUsersInput{Marker: marker})
	invalid(w.root(), &iam.ListUsersInput{Marker: marker, PathPrefix: aws.String("/")})
	refused(w.root(), w.iam.ListGroups, &iam.ListGroupsInput{Marker: marker}, "ValidationError", "Invalid Marker.")
	for i := range *marker {
		for _, c := range []string{"A", "-", "_", "=", "é", ""} {
			tampered := (*marker)[:i] + c + (*marker)[i+1:]
			if tampered != *marker {
				invalid(w.root(), &iam.ListUsersInput{Marker: &tampered})
			}
		}
	}
}
