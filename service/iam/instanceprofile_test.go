package iam

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func (w *world) profile(name string) {
	w.t.Helper()
	do(w.root(), w.iam.CreateInstanceProfile, &iam.CreateInstanceProfileInput{InstanceProfileName: &name})
}

func profileNames(list []types.InstanceProfile) []string {
	return names(list, func(p types.InstanceProfile) *string { return p.InstanceProfileName })
}

func TestInstanceProfiles(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	made := do(root, w.iam.CreateInstanceProfile, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("Web"), Path: aws.String("/app/"), Tags: []types.Tag{tag("k", "v")}}).InstanceProfile
	if *made.Arn != "arn:aws:iam::111122223333:instance-profile/app/Web" || !strings.HasPrefix(*made.InstanceProfileId, "AIPA") || len(made.Roles) != 0 || len(made.Tags) != 1 {
		t.Errorf("made %s", asJSON(made))
	}
	get := func() *types.InstanceProfile {
		return do(root, w.iam.GetInstanceProfile, &iam.GetInstanceProfileInput{InstanceProfileName: aws.String("WEB")}).InstanceProfile
	}
	if asJSON(get()) != asJSON(made) {
		t.Errorf("read %s", asJSON(get()))
	}
	refused(root, w.iam.CreateInstanceProfile, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("web")}, "EntityAlreadyExists", "Instance Profile web already exists.")

	w.role("Server")
	w.role("other")
	in := func(profile, role string) *iam.AddRoleToInstanceProfileInput {
		return &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &profile, RoleName: &role}
	}
	out := func(profile, role string) *iam.RemoveRoleFromInstanceProfileInput {
		return &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: &profile, RoleName: &role}
	}
	do(root, w.iam.AddRoleToInstanceProfile, in("web", "SERVER"))
	const full = "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"
	refused(root, w.iam.AddRoleToInstanceProfile, in("web", "other"), "LimitExceeded", full)
	refused(root, w.iam.AddRoleToInstanceProfile, in("web", "server"), "LimitExceeded", full)
	refused(root, w.iam.AddRoleToInstanceProfile, in("none", "server"), "NoSuchEntity", "Instance Profile none cannot be found.")
	refused(root, w.iam.AddRoleToInstanceProfile, in("web", "none"), "NoSuchEntity", "The role with name none cannot be found.")
	if got := get(); len(got.Roles) != 1 || *got.Roles[0].RoleName != "Server" || got.Roles[0].AssumeRolePolicyDocument == nil {
		t.Errorf("profile = %s", asJSON(got))
	}
	w.profile("batch")
	do(root, w.iam.AddRoleToInstanceProfile, in("batch", "server"))
	forRole := do(root, w.iam.ListInstanceProfilesForRole, &iam.ListInstanceProfilesForRoleInput{RoleName: aws.String("server")})
	equal(t, "profiles of the role", profileNames(forRole.InstanceProfiles), []string{"batch", "Web"})
	first := do(root, w.iam.ListInstanceProfilesForRole, &iam.ListInstanceProfilesForRoleInput{RoleName: aws.String("server"), MaxItems: aws.Int32(1)})
	second := do(root, w.iam.ListInstanceProfilesForRole, &iam.ListInstanceProfilesForRoleInput{RoleName: aws.String("server"), Marker: first.Marker})
	equal(t, "in pages", profileNames(slices.Concat(first.InstanceProfiles, second.InstanceProfiles)), []string{"batch", "Web"})

	deletion := &iam.DeleteInstanceProfileInput{InstanceProfileName: aws.String("web")}
	refused(root, w.iam.DeleteInstanceProfile, deletion, "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
	refused(root, w.iam.RemoveRoleFromInstanceProfile, out("web", "other"), "NoSuchEntity", "Role other in Instance Profile web cannot be found.")
	refused(root, w.iam.RemoveRoleFromInstanceProfile, out("none", "server"), "NoSuchEntity", "Instance Profile none cannot be found.")
	do(root, w.iam.RemoveRoleFromInstanceProfile, out("web", "server"))
	refused(root, w.iam.RemoveRoleFromInstanceProfile, out("web", "server"), "NoSuchEntity", "Role server in Instance Profile web cannot be found.")
	equal(t, "profiles of the role", w.roleRecord("server").InstanceProfiles, []string{"batch"})
	do(root, w.iam.DeleteInstanceProfile, deletion)
	refused(root, w.iam.GetInstanceProfile, &iam.GetInstanceProfileInput{InstanceProfileName: aws.String("web")}, "NoSuchEntity", "Instance Profile web cannot be found.")
	refused(root, w.iam.DeleteInstanceProfile, deletion, "NoSuchEntity", "Instance Profile web cannot be found.")
	w.consistent(t)
}

func TestListInstanceProfiles(t *testing.T) {
	w := newWorld(t)
	for _, p := range []struct{ path, name string }{{"/", "d"}, {"/ops/", "B"}, {"/opsx/", "a"}} {
		do(w.root(), w.iam.CreateInstanceProfile, &iam.CreateInstanceProfileInput{InstanceProfileName: &p.name, Path: &p.path, Tags: []types.Tag{tag("k", "v")}})
	}
	all := do(w.root(), w.iam.ListInstanceProfiles, &iam.ListInstanceProfilesInput{})
	equal(t, "profiles", profileNames(all.InstanceProfiles), []string{"a", "B", "d"})
	for _, p := range all.InstanceProfiles {
		if p.Tags != nil {
			t.Error("ListInstanceProfiles shows tags")
		}
	}
	below := do(w.root(), w.iam.ListInstanceProfiles, &iam.ListInstanceProfilesInput{PathPrefix: aws.String("/ops/")})
	equal(t, "below /ops/", profileNames(below.InstanceProfiles), []string{"B"})
	none := do(w.rootOf(theirs), w.iam.ListInstanceProfiles, &iam.ListInstanceProfilesInput{})
	if none.InstanceProfiles == nil || len(none.InstanceProfiles) != 0 {
		t.Errorf("another account has %s", asJSON(none))
	}
}

func TestInstanceProfileQuota(t *testing.T) {
	w := newWorld(t)
	w.iam.limits.InstanceProfilesPerAccount = 2
	w.profile("a")
	w.profile("b")
	refused(w.root(), w.iam.CreateInstanceProfile, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("c")}, "LimitExceeded", "Cannot exceed quota for InstanceProfilesPerAccount: 2")
	w.consistent(t)
}

func TestInstanceProfileTags(t *testing.T) {
	w := newWorld(t)
	w.profile("p")
	name := aws.String("p")
	do(w.root(), w.iam.TagInstanceProfile, &iam.TagInstanceProfileInput{InstanceProfileName: name, Tags: []types.Tag{tag("b", "1"), tag("a", "2"), tag("A", "3")}})
	do(w.root(), w.iam.UntagInstanceProfile, &iam.UntagInstanceProfileInput{InstanceProfileName: name, TagKeys: []string{"b"}})
	got := do(w.root(), w.iam.ListInstanceProfileTags, &iam.ListInstanceProfileTagsInput{InstanceProfileName: name}).Tags
	if want := []types.Tag{tag("A", "3"), tag("a", "2")}; asJSON(got) != asJSON(want) {
		t.Errorf("tags = %s", asJSON(got))
	}
	none := aws.String("none")
	const missing = "Instance Profile none cannot be found."
	refused(w.root(), w.iam.TagInstanceProfile, &iam.TagInstanceProfileInput{InstanceProfileName: none}, "NoSuchEntity", missing)
	refused(w.root(), w.iam.UntagInstanceProfile, &iam.UntagInstanceProfileInput{InstanceProfileName: none}, "NoSuchEntity", missing)
	refused(w.root(), w.iam.ListInstanceProfileTags, &iam.ListInstanceProfileTagsInput{InstanceProfileName: none}, "NoSuchEntity", missing)
}

// T303, T324, T325: to put a role into an instance profile is to pass it to EC2.
func TestT303_T325_AddRoleNeedsPassRole(t *testing.T) {
	w := newWorld(t)
	mallory := w.user("mallory")
	w.profile("web")
	w.role("admins")
	do(w.root(), w.iam.TagRole, &iam.TagRoleInput{RoleName: aws.String("admins"), Tags: []types.Tag{tag("level", "high")}})
	add := &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("WEB"), RoleName: aws.String("ADMINS")}
	const profile, role = "arn:aws:iam::111122223333:instance-profile/web", "arn:aws:iam::111122223333:role/admins"
	adds := allow("iam:AddRoleToInstanceProfile", profile)
	denied(mallory, w.iam.AddRoleToInstanceProfile, add)
	w.may("mallory", allow("iam:PassRole", role))
	denied(mallory, w.iam.AddRoleToInstanceProfile, add)
	w.may("mallory", adds)
	_, err := try(mallory, w.iam.AddRoleToInstanceProfile, add)
	checkError(t, "AddRoleToInstanceProfile", err, "AccessDenied", fmt.Sprintf(
		"User: arn:aws:iam::111122223333:user/mallory is not authorized to perform: iam:PassRole on resource: %s because no identity-based policy allows the iam:PassRole action", role))
	w.may("mallory", adds, allow("iam:PassRole", "arn:aws:iam::111122223333:role/interns"))
	denied(mallory, w.iam.AddRoleToInstanceProfile, add)
	w.may("mallory", adds, allowIf("iam:PassRole", "*", `{"StringEquals":{"iam:PassedToService":"lambda.amazonaws.com"}}`))
	denied(mallory, w.iam.AddRoleToInstanceProfile, add)
	w.may("mallory", adds, allow("iam:PassRole", "*"), statement("Deny", "iam:PassRole", "*", `{"StringEquals":{"aws:ResourceTag/level":"high"}}`))
	denied(mallory, w.iam.AddRoleToInstanceProfile, add)
	w.may("mallory", adds, allowIf("iam:PassRole", role, `{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}`))
	do(mallory, w.iam.AddRoleToInstanceProfile, add)
	// Taking it out is about the profile alone.
	w.may("mallory", allow("iam:RemoveRoleFromInstanceProfile", profile))
	do(mallory, w.iam.RemoveRoleFromInstanceProfile, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: aws.String("web"), RoleName: aws.String("admins")})
}
