package iam

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

func groupNames(groups []types.Group) []string {
	return names(groups, func(g types.Group) *string { return g.GroupName })
}

func (w *world) join(user, group string) {
	w.t.Helper()
	do(w.root(), w.iam.AddUserToGroup, &iam.AddUserToGroupInput{UserName: &user, GroupName: &group})
}

func TestGroupLife(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	made := do(root, w.iam.CreateGroup, &iam.CreateGroupInput{GroupName: aws.String("Devs"), Path: aws.String("/eng/")}).Group
	if *made.Arn != "arn:aws:iam::111122223333:group/eng/Devs" || !strings.HasPrefix(*made.GroupId, "AGPA") {
		t.Errorf("made %s", asJSON(made))
	}
	w.user("bob")
	w.user("alice")
	w.join("bob", "devs")
	w.join("ALICE", "DEVS") // in any case
	w.join("alice", "devs") // again: no error, no second membership
	w.consistent(t)

	read := do(root, w.iam.GetGroup, &iam.GetGroupInput{GroupName: aws.String("devs")})
	if asJSON(read.Group) != asJSON(made) {
		t.Errorf("GetGroup = %s\nCreateGroup = %s", asJSON(read.Group), asJSON(made))
	}
	equal(t, "members", userNames(read.Users), []string{"alice", "bob"})
	equal(t, "groups of alice", groupNames(do(root, w.iam.ListGroupsForUser, &iam.ListGroupsForUserInput{UserName: aws.String("alice")}).Groups), []string{"Devs"})

	do(root, w.iam.UpdateGroup, &iam.UpdateGroupInput{GroupName: aws.String("devs"), NewGroupName: aws.String("Builders"), NewPath: aws.String("/")})
	w.consistent(t)
	renamed := do(root, w.iam.GetGroup, &iam.GetGroupInput{GroupName: aws.String("builders")})
	if *renamed.Group.GroupId != *made.GroupId || *renamed.Group.Arn != "arn:aws:iam::111122223333:group/Builders" || len(renamed.Users) != 2 {
		t.Errorf("renamed %s", asJSON(renamed.Group))
	}

	deletion := &iam.DeleteGroupInput{GroupName: aws.String("builders")}
	conflict := func(by string) {
		t.Helper()
		refused(root, w.iam.DeleteGroup, deletion, "DeleteConflict", "Cannot delete entity, must "+by+" first.")
	}
	conflict("remove users from group")
	for _, u := range []string{"alice", "bob"} {
		do(root, w.iam.RemoveUserFromGroup, &iam.RemoveUserFromGroupInput{GroupName: aws.String("builders"), UserName: &u})
	}
	editGroup := func(edit func(*identity.Group)) {
		w.edit(func(tx store.Tx) error {
			return identity.Groups.Edit(tx, func(g *identity.Group) error { edit(g); return nil }, string(ours), "builders")
		})
	}
	editGroup(func(g *identity.Group) { g.Inline = []identity.InlinePolicy{{Name: "p", Document: allow("*", "*")}} })
	conflict("delete policies")
	editGroup(func(g *identity.Group) {
		g.Inline, g.Attached = nil, []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}
	})
	conflict("detach all policies")
	editGroup(func(g *identity.Group) { g.Attached = nil })
	do(root, w.iam.DeleteGroup, deletion)
	w.consistent(t)
}

func TestGroupErrors(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	w.user("alice")
	w.group("devs")
	w.group("ops")
	const noGroup, noUser = "The group with name nil cannot be found.", "The user with name nil cannot be found."
	missing, devs, alice := aws.String("nil"), aws.String("devs"), aws.String("alice")
	refused(root, w.iam.CreateGroup, &iam.CreateGroupInput{GroupName: aws.String("DEVS")}, "EntityAlreadyExists", "Group with name DEVS already exists.")
	refused(root, w.iam.GetGroup, &iam.GetGroupInput{GroupName: missing}, "NoSuchEntity", noGroup)
	refused(root, w.iam.UpdateGroup, &iam.UpdateGroupInput{GroupName: missing}, "NoSuchEntity", noGroup)
	refused(root, w.iam.UpdateGroup, &iam.UpdateGroupInput{GroupName: devs, NewGroupName: aws.String("OPS")}, "EntityAlreadyExists", "Group with name OPS already exists.")
	refused(root, w.iam.DeleteGroup, &iam.DeleteGroupInput{GroupName: missing}, "NoSuchEntity", noGroup)
	refused(root, w.iam.AddUserToGroup, &iam.AddUserToGroupInput{GroupName: missing, UserName: alice}, "NoSuchEntity", noGroup)
	refused(root, w.iam.AddUserToGroup, &iam.AddUserToGroupInput{GroupName: devs, UserName: missing}, "NoSuchEntity", noUser)
	refused(root, w.iam.RemoveUserFromGroup, &iam.RemoveUserFromGroupInput{GroupName: missing, UserName: alice}, "NoSuchEntity", noGroup)
	refused(root, w.iam.RemoveUserFromGroup, &iam.RemoveUserFromGroupInput{GroupName: devs, UserName: missing}, "NoSuchEntity", noUser)
	refused(root, w.iam.RemoveUserFromGroup, &iam.RemoveUserFromGroupInput{GroupName: devs, UserName: alice}, "NoSuchEntity", "The user with name alice is not in the group with name devs.")
	w.iam.limits.GroupsPerAccount = 2
	refused(root, w.iam.CreateGroup, &iam.CreateGroupInput{GroupName: aws.String("third")}, "LimitExceeded", "Cannot exceed quota for GroupsPerAccount: 2")
	w.consistent(t)
}

func TestGroupsPerUser(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	for i := range 11 {
		w.group(fmt.Sprintf("g%02d", i))
	}
	for i := range 10 {
		w.join("alice", fmt.Sprintf("g%02d", 9-i))
	}
	refused(w.root(), w.iam.AddUserToGroup, &iam.AddUserToGroupInput{GroupName: aws.String("g10"), UserName: aws.String("alice")},
		"LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10")
	w.join("alice", "g00") // one of hers: nothing changes

	var seen []string
	sizes := pages(func(marker *string) (int, bool, *string) {
		out := do(w.root(), w.iam.ListGroupsForUser, &iam.ListGroupsForUserInput{UserName: aws.String("alice"), Marker: marker, MaxItems: aws.Int32(4)})
		seen = append(seen, groupNames(out.Groups)...)
		return len(out.Groups), out.IsTruncated, out.Marker
	})
	if !slices.Equal(sizes, []int{4, 4, 2}) || !slices.IsSorted(seen) || len(seen) != 10 {
		t.Errorf("pages of %v with %q", sizes, seen)
	}
}

func TestGetGroupInPages(t *testing.T) {
	w := newWorld(t)
	w.group("devs")
	for i := range 5 {
		name := fmt.Sprintf("u%d", i)
		w.user(name)
		w.join(name, "devs")
	}
	var seen []string
	sizes := pages(func(marker *string) (int, bool, *string) {
		out := do(w.root(), w.iam.GetGroup, &iam.GetGroupInput{GroupName: aws.String("devs"), Marker: marker, MaxItems: aws.Int32(2)})
		seen = append(seen, userNames(out.Users)...)
		return len(out.Users), out.IsTruncated, out.Marker
	})
	if !slices.Equal(sizes, []int{2, 2, 1}) || !slices.Equal(seen, []string{"u0", "u1", "u2", "u3", "u4"}) {
		t.Errorf("pages of %v with %q", sizes, seen)
	}
}

func TestListGroups(t *testing.T) {
	w := newWorld(t)
	for _, g := range []struct{ path, name string }{{"/", "c"}, {"/x/", "B"}, {"/x/y/", "a"}} {
		do(w.root(), w.iam.CreateGroup, &iam.CreateGroupInput{GroupName: &g.name, Path: &g.path})
	}
	equal(t, "all", groupNames(do(w.root(), w.iam.ListGroups, &iam.ListGroupsInput{}).Groups), []string{"a", "B", "c"})
	equal(t, "below /x/", groupNames(do(w.root(), w.iam.ListGroups, &iam.ListGroupsInput{PathPrefix: aws.String("/x/")}).Groups), []string{"a", "B"})
}

func TestGroupPermissions(t *testing.T) {
	w := newWorld(t)
	w.group("devs")
	admin := w.user("admin")
	get := &iam.GetGroupInput{GroupName: aws.String("devs")}
	denied(admin, w.iam.GetGroup, get)
	w.may("admin", allow("iam:GetGroup", "arn:aws:iam::111122223333:group/Devs"))
	denied(admin, w.iam.GetGroup, get) // the resource has the real name
	w.may("admin", allow("iam:GetGroup", "arn:aws:iam::111122223333:group/devs"))
	do(admin, w.iam.GetGroup, &iam.GetGroupInput{GroupName: aws.String("DEVS")})

	w.may("admin", allow("iam:ListGroups", "arn:aws:iam::111122223333:group/"))
	do(admin, w.iam.ListGroups, &iam.ListGroupsInput{})

	update := &iam.UpdateGroupInput{GroupName: aws.String("devs"), NewGroupName: aws.String("admins")}
	w.may("admin", allow("iam:UpdateGroup", "arn:aws:iam::111122223333:group/devs"))
	denied(admin, w.iam.UpdateGroup, update)
	w.may("admin", allow("iam:UpdateGroup", "arn:aws:iam::111122223333:group/*"))
	do(admin, w.iam.UpdateGroup, update)
}

// To join a group is to get its permissions: the right to add a user is a right on
// the group, and without it there is no way in.
func TestT322_OnlyAddUserToGroup(t *testing.T) {
	w := newWorld(t)
	eve := w.user("eve")
	w.group("admins")
	w.group("guests")
	w.edit(func(tx store.Tx) error {
		return identity.Groups.Edit(tx, func(g *identity.Group) error {
			g.Inline = []identity.InlinePolicy{{Name: "all", Document: allow("*", "*")}}
			return nil
		}, string(ours), "admins")
	})
	join := &iam.AddUserToGroupInput{GroupName: aws.String("admins"), UserName: aws.String("eve")}
	denied(eve, w.iam.AddUserToGroup, join)
	w.may("eve", allow("iam:AddUserToGroup", "arn:aws:iam::111122223333:group/guests"))
	denied(eve, w.iam.AddUserToGroup, join)
	denied(eve, w.iam.ListUsers, &iam.ListUsersInput{})
	// With the grant it has the effect that it has on AWS.
	w.may("eve", allow("iam:AddUserToGroup", "arn:aws:iam::111122223333:group/*"))
	do(eve, w.iam.AddUserToGroup, join)
	do(eve, w.iam.ListUsers, &iam.ListUsersInput{})
}
