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
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// trusting is a trust policy that names an AWS principal.
func trusting(principal string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":"sts:AssumeRole"}]}`, principal)
}

// role makes a role that trusts our account, as root.
func (w *world) role(name string) {
	w.t.Helper()
	do(w.root(), w.iam.CreateRole, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trusting(string(ours)))})
}

func (w *world) roleRecord(name string) (r *identity.Role) {
	w.t.Helper()
	w.view(func(reader store.Reader) (err error) {
		r, err = identity.FindRole(reader, ours, name)
		return err
	})
	return r
}

func roleNames(list []types.Role) []string {
	return names(list, func(r types.Role) *string { return r.RoleName })
}

func tag(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }

func TestCreateRoleIsReadBackAtOnce(t *testing.T) {
	w := newWorld(t)
	document := "{ \"Version\": \"2012-10-17\",\n \"Statement\": {\"Effect\":\"Allow\", \"Principal\":{\"Service\":\"ec2.amazonaws.com\"}, \"Action\":\"sts:AssumeRole\"} }"
	made := do(w.root(), w.iam.CreateRole, &iam.CreateRoleInput{
		RoleName: aws.String("Builder"), Path: aws.String("/ci/"), AssumeRolePolicyDocument: &document,
		Description: aws.String("builds"), MaxSessionDuration: aws.Int32(7200),
		PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess"),
		Tags:                []types.Tag{tag("team", "blue")},
	}).Role
	got := do(w.root(), w.iam.GetRole, &iam.GetRoleInput{RoleName: aws.String("builder")}).Role
	if got.RoleLastUsed == nil || got.RoleLastUsed.LastUsedDate != nil || got.RoleLastUsed.Region != nil {
		t.Errorf("last use of an unused role = %s", asJSON(got.RoleLastUsed))
	}
	got.RoleLastUsed = nil
	if asJSON(got) != asJSON(made) {
		t.Errorf("created\n%s\nread\n%s", asJSON(made), asJSON(got))
	}
	if *got.Arn != "arn:aws:iam::111122223333:role/ci/Builder" || *got.RoleName != "Builder" || *got.MaxSessionDuration != 7200 ||
		*got.Description != "builds" || !strings.HasPrefix(*got.RoleId, "AROA") || !got.CreateDate.Equal(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("role = %s", asJSON(got))
	}
	if b := got.PermissionsBoundary; b.PermissionsBoundaryType != "Policy" || *b.PermissionsBoundaryArn != "arn:aws:iam::aws:policy/ReadOnlyAccess" {
		t.Errorf("boundary = %s", asJSON(b))
	}
	// RFC 3986: space is %20, and nothing reserved stays as it is.
	if want := "%7B%20%22Version%22%3A%20%222012-10-17%22%2C%0A%20"; !strings.HasPrefix(*got.AssumeRolePolicyDocument, want) {
		t.Errorf("trust policy = %s", *got.AssumeRolePolicyDocument)
	}

	plain := do(w.root(), w.iam.CreateRole, &iam.CreateRoleInput{RoleName: aws.String("plain"), AssumeRolePolicyDocument: &document}).Role
	if *plain.Path != "/" || *plain.MaxSessionDuration != 3600 || plain.PermissionsBoundary != nil || plain.Tags != nil {
		t.Errorf("defaults: %s", asJSON(plain))
	}
	w.consistent(t)
}

func TestRoleErrors(t *testing.T) {
	w := newWorld(t)
	w.role("Builder")
	create := func(change func(in *iam.CreateRoleInput)) *iam.CreateRoleInput {
		in := &iam.CreateRoleInput{RoleName: aws.String("new"), AssumeRolePolicyDocument: aws.String(trusting(string(ours)))}
		change(in)
		return in
	}
	refusedRole := func(code, message string, change func(in *iam.CreateRoleInput)) {
		t.Helper()
		refused(w.root(), w.iam.CreateRole, create(change), code, message)
	}
	refusedRole("EntityAlreadyExists", "Role with name BUILDER already exists.", func(in *iam.CreateRoleInput) { in.RoleName = aws.String("BUILDER") })
	refusedRole("MalformedPolicyDocument", "This policy contains invalid Json", func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = aws.String("{") })
	refusedRole("MalformedPolicyDocument", "Has prohibited field Resource.", func(in *iam.CreateRoleInput) {
		in.AssumeRolePolicyDocument = aws.String(`{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole","Resource":"*"}}`)
	})
	refusedRole("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048", func(in *iam.CreateRoleInput) {
		in.AssumeRolePolicyDocument = aws.String(strings.Replace(trusting(string(ours)), `"Effect"`, `"Sid":"`+strings.Repeat("x", 2048)+`","Effect"`, 1))
	})
	refusedRole("ValidationError", "Value (ReadOnlyAccess) for parameter PermissionsBoundary is invalid.", func(in *iam.CreateRoleInput) { in.PermissionsBoundary = aws.String("ReadOnlyAccess") })
	refusedRole("NoSuchEntity", "Policy arn:aws:iam::aws:policy/None does not exist or is not attachable.", func(in *iam.CreateRoleInput) { in.PermissionsBoundary = aws.String("arn:aws:iam::aws:policy/None") })
	refusedRole("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.", func(in *iam.CreateRoleInput) { in.Tags = []types.Tag{tag("Team", "a"), tag("team", "b")} })
	refusedRole("UnmodifiableEntity", "Cannot perform the operation on the protected role 'new' - this role is only modifiable by AWS", func(in *iam.CreateRoleInput) { in.Path = aws.String("/aws-service-role/x.amazonaws.com/") })

	// What was refused left nothing behind.
	w.consistent(t)
	equal(t, "roles", roleNames(do(w.root(), w.iam.ListRoles, &iam.ListRolesInput{}).Roles), []string{"Builder"})

	const missing = "The role with name none cannot be found."
	none := aws.String("none")
	refused(w.root(), w.iam.GetRole, &iam.GetRoleInput{RoleName: none}, "NoSuchEntity", missing)
	refused(w.root(), w.iam.UpdateRole, &iam.UpdateRoleInput{RoleName: none}, "NoSuchEntity", missing)
	refused(w.root(), w.iam.UpdateRoleDescription, &iam.UpdateRoleDescriptionInput{RoleName: none, Description: none}, "NoSuchEntity", missing)
	refused(w.root(), w.iam.UpdateAssumeRolePolicy, &iam.UpdateAssumeRolePolicyInput{RoleName: none, PolicyDocument: aws.String(trusting(string(ours)))}, "NoSuchEntity", missing)
	refused(w.root(), w.iam.DeleteRole, &iam.DeleteRoleInput{RoleName: none}, "NoSuchEntity", missing)
	refused(w.root(), w.iam.TagRole, &iam.TagRoleInput{RoleName: none}, "NoSuchEntity", missing)
	refused(w.root(), w.iam.UntagRole, &iam.UntagRoleInput{RoleName: none}, "NoSuchEntity", missing)
	refused(w.root(), w.iam.ListRoleTags, &iam.ListRoleTagsInput{RoleName: none}, "NoSuchEntity", missing)
	refused(w.root(), w.iam.ListInstanceProfilesForRole, &iam.ListInstanceProfilesForRoleInput{RoleName: none}, "NoSuchEntity", missing)
}

func TestRoleQuota(t *testing.T) {
	w := newWorld(t)
	w.iam.limits.RolesPerAccount = 2
	w.role("a")
	w.role("b")
	in := &iam.CreateRoleInput{RoleName: aws.String("c"), AssumeRolePolicyDocument: aws.String(trusting(string(ours)))}
	refused(w.root(), w.iam.CreateRole, in, "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 2")
	do(w.root(), w.iam.DeleteRole, &iam.DeleteRoleInput{RoleName: aws.String("a")})
	do(w.root(), w.iam.CreateRole, in)
	w.consistent(t)
}

func TestListRolesOmitsWhatAWSOmits(t *testing.T) {
	w := newWorld(t)
	for _, r := range []struct{ path, name string }{{"/", "d"}, {"/ops/", "B"}, {"/ops/night/", "c"}, {"/opsx/", "a"}} {
		do(w.root(), w.iam.CreateRole, &iam.CreateRoleInput{
			RoleName: &r.name, Path: &r.path, AssumeRolePolicyDocument: aws.String(trusting(string(ours))),
			PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess"), Tags: []types.Tag{tag("k", "v")},
		})
	}
	all := do(w.root(), w.iam.ListRoles, &iam.ListRolesInput{})
	equal(t, "roles", roleNames(all.Roles), []string{"a", "B", "c", "d"})
	for _, r := range all.Roles {
		if r.Tags != nil || r.PermissionsBoundary != nil || r.RoleLastUsed != nil {
			t.Errorf("ListRoles shows %s", asJSON(r))
		}
		if r.AssumeRolePolicyDocument == nil || r.MaxSessionDuration == nil {
			t.Errorf("ListRoles lacks the trust policy or session duration: %s", asJSON(r))
		}
	}
	below := do(w.root(), w.iam.ListRoles, &iam.ListRolesInput{PathPrefix: aws.String("/ops/")})
	equal(t, "roles below /ops/", roleNames(below.Roles), []string{"B", "c"})

	var seen []string
	sizes := pages(func(marker *string) (int, bool, *string) {
		out := do(w.root(), w.iam.ListRoles, &iam.ListRolesInput{Marker: marker, MaxItems: aws.Int32(3)})
		seen = append(seen, roleNames(out.Roles)...)
		return len(out.Roles), out.IsTruncated, out.Marker
	})
	if !slices.Equal(sizes, []int{3, 1}) || !slices.Equal(seen, roleNames(all.Roles)) {
		t.Errorf("pages of %v with %q", sizes, seen)
	}
}

func TestUpdateRoleLeavesWhatIsLeftOut(t *testing.T) {
	w := newWorld(t)
	w.role("r")
	name := aws.String("r")
	check := func(description string, duration int32) {
		t.Helper()
		got := do(w.root(), w.iam.GetRole, &iam.GetRoleInput{RoleName: name}).Role
		if aws.ToString(got.Description) != description || *got.MaxSessionDuration != duration {
			t.Errorf("role = %s", asJSON(got))
		}
	}
	do(w.root(), w.iam.UpdateRole, &iam.UpdateRoleInput{RoleName: name, MaxSessionDuration: aws.Int32(43200)})
	check("", 43200)
	do(w.root(), w.iam.UpdateRole, &iam.UpdateRoleInput{RoleName: name, Description: aws.String("new")})
	check("new", 43200)
	updated := do(w.root(), w.iam.UpdateRoleDescription, &iam.UpdateRoleDescriptionInput{RoleName: name, Description: aws.String("newer")}).Role
	if *updated.Description != "newer" || updated.RoleLastUsed != nil {
		t.Errorf("UpdateRoleDescription = %s", asJSON(updated))
	}
	do(w.root(), w.iam.UpdateRole, &iam.UpdateRoleInput{RoleName: name, Description: aws.String("")})
	check("", 43200)
}

func TestDeleteRolePreconditions(t *testing.T) {
	w := newWorld(t)
	root, name := w.root(), aws.String("r")
	do(root, w.iam.CreateRole, &iam.CreateRoleInput{
		RoleName: name, AssumeRolePolicyDocument: aws.String(trusting(string(ours))),
		PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess"), Tags: []types.Tag{tag("k", "v")},
	})
	id := w.roleRecord("r").ID
	profile, policyARN := aws.String("p"), aws.String("arn:aws:iam::aws:policy/SecurityAudit")
	do(root, w.iam.CreateInstanceProfile, &iam.CreateInstanceProfileInput{InstanceProfileName: profile})
	do(root, w.iam.AddRoleToInstanceProfile, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: profile, RoleName: name})
	do(root, w.iam.AttachRolePolicy, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: policyARN})
	do(root, w.iam.PutRolePolicy, &iam.PutRolePolicyInput{RoleName: name, PolicyName: name, PolicyDocument: aws.String(allow("s3:*", "*"))})
	w.edit(func(tx store.Tx) error { return identity.LastUses.Put(tx, &identity.LastUse{At: w.now}, id) })

	blocked := func(message string) {
		t.Helper()
		refused(root, w.iam.DeleteRole, &iam.DeleteRoleInput{RoleName: name}, "DeleteConflict", message)
	}
	blocked("Cannot delete entity, must remove roles from instance profile first.")
	do(root, w.iam.RemoveRoleFromInstanceProfile, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: profile, RoleName: name})
	blocked("Cannot delete entity, must detach all policies first.")
	do(root, w.iam.DetachRolePolicy, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: policyARN})
	blocked("Cannot delete entity, must delete policies first.")
	do(root, w.iam.DeleteRolePolicy, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: name})
	do(root, w.iam.DeleteRole, &iam.DeleteRoleInput{RoleName: name}) // tags and the boundary do not block
	w.consistent(t)
	w.view(func(r store.Reader) error {
		if identity.LastUses.Has(r, id) || identity.Entities.Has(r, id) {
			t.Error("rows of a deleted role remain")
		}
		return nil
	})
	w.role("r")
	if w.roleRecord("r").ID == id {
		t.Error("the unique id was given again")
	}
}

// Roles below /aws-reserved/ are those of permission sets. TestServiceLinkedRolesAreProtected
// is about the others that are not the customer's.
func TestProtectedRolesAreNotModifiable(t *testing.T) {
	w := newWorld(t)
	w.role("AWSReservedSSO_Admin_0123456789abcdef")
	w.edit(func(tx store.Tx) error {
		return identity.Roles.Edit(tx, func(r *identity.Role) error {
			r.Path = "/aws-reserved/sso.amazonaws.com/"
			return nil
		}, string(ours), "awsreservedsso_admin_0123456789abcdef")
	})
	const message = "Cannot perform the operation on the protected role 'AWSReservedSSO_Admin_0123456789abcdef' - this role is only modifiable by AWS"
	name, document, policyARN := aws.String("awsreservedsso_admin_0123456789abcdef"), aws.String(allow("*", "*")), aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")
	root, code := w.root(), "UnmodifiableEntity"
	refused(root, w.iam.UpdateRole, &iam.UpdateRoleInput{RoleName: name}, code, message)
	refused(root, w.iam.UpdateRoleDescription, &iam.UpdateRoleDescriptionInput{RoleName: name, Description: name}, code, message)
	refused(root, w.iam.UpdateAssumeRolePolicy, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: aws.String(trusting("*"))}, code, message)
	refused(root, w.iam.DeleteRole, &iam.DeleteRoleInput{RoleName: name}, code, message)
	refused(root, w.iam.AttachRolePolicy, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: policyARN}, code, message)
	refused(root, w.iam.DetachRolePolicy, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: policyARN}, code, message)
	refused(root, w.iam.PutRolePolicy, &iam.PutRolePolicyInput{RoleName: name, PolicyName: name, PolicyDocument: document}, code, message)
	refused(root, w.iam.DeleteRolePolicy, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: name}, code, message)
	refused(root, w.iam.PutRolePermissionsBoundary, &iam.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: policyARN}, code, message)
	refused(root, w.iam.DeleteRolePermissionsBoundary, &iam.DeleteRolePermissionsBoundaryInput{RoleName: name}, code, message)
	refused(root, w.iam.TagRole, &iam.TagRoleInput{RoleName: name, Tags: []types.Tag{tag("k", "v")}}, code, message)
	refused(root, w.iam.UntagRole, &iam.UntagRoleInput{RoleName: name, TagKeys: []string{"k"}}, code, message)
	do(root, w.iam.GetRole, &iam.GetRoleInput{RoleName: name})
}

func TestRoleLastUsedLooks400DaysBack(t *testing.T) {
	w := newWorld(t)
	w.role("r")
	at := w.now.Add(-time.Hour)
	w.edit(func(tx store.Tx) error {
		return identity.LastUses.Put(tx, &identity.LastUse{At: at, Region: "eu-west-1"}, w.roleRecord("r").ID)
	})
	last := do(w.root(), w.iam.GetRole, &iam.GetRoleInput{RoleName: aws.String("r")}).Role.RoleLastUsed
	if !last.LastUsedDate.Equal(second(at)) || *last.Region != "eu-west-1" {
		t.Errorf("last use = %s", asJSON(last))
	}
	w.later(400 * 24 * time.Hour)
	last = do(w.root(), w.iam.GetRole, &iam.GetRoleInput{RoleName: aws.String("r")}).Role.RoleLastUsed
	if last == nil || last.LastUsedDate != nil {
		t.Errorf("last use of a role not used for more than 400 days = %s", asJSON(last))
	}
}

func TestRoleTags(t *testing.T) {
	w := newWorld(t)
	w.role("r")
	name := aws.String("r")
	do(w.root(), w.iam.TagRole, &iam.TagRoleInput{RoleName: name, Tags: []types.Tag{tag("Team", "blue"), tag("cost", "7")}})
	do(w.root(), w.iam.TagRole, &iam.TagRoleInput{RoleName: name, Tags: []types.Tag{tag("team", "red")}}) // keys of roles have no case
	got := do(w.root(), w.iam.ListRoleTags, &iam.ListRoleTagsInput{RoleName: name}).Tags
	if want := []types.Tag{tag("cost", "7"), tag("team", "red")}; asJSON(got) != asJSON(want) {
		t.Errorf("tags = %s", asJSON(got))
	}
	do(w.root(), w.iam.UntagRole, &iam.UntagRoleInput{RoleName: name, TagKeys: []string{"TEAM", "none"}})
	got = do(w.root(), w.iam.GetRole, &iam.GetRoleInput{RoleName: name}).Role.Tags
	if want := []types.Tag{tag("cost", "7")}; asJSON(got) != asJSON(want) {
		t.Errorf("tags = %s", asJSON(got))
	}
}

func TestRolePermissions(t *testing.T) {
	w := newWorld(t)
	admin := w.user("admin")
	do(w.root(), w.iam.CreateRole, &iam.CreateRoleInput{RoleName: aws.String("Builder"), Path: aws.String("/ci/"), AssumeRolePolicyDocument: aws.String(trusting(string(ours))), Tags: []types.Tag{tag("team", "blue")}})

	// The resource is the role as it is, whatever the request spells.
	get := &iam.GetRoleInput{RoleName: aws.String("BUILDER")}
	w.may("admin", allow("iam:GetRole", "arn:aws:iam::111122223333:role/BUILDER"))
	denied(admin, w.iam.GetRole, get)
	w.may("admin", allow("iam:GetRole", "arn:aws:iam::111122223333:role/ci/Builder"))
	do(admin, w.iam.GetRole, get)
	w.may("admin", allowIf("iam:GetRole", "*", `{"StringEquals":{"aws:ResourceTag/team":"blue","iam:ResourceTag/team":"blue"}}`))
	do(admin, w.iam.GetRole, get)

	// Whether a role exists is told only to those who may know.
	refusedMessage := "User: arn:aws:iam::111122223333:user/admin is not authorized to perform: iam:GetRole on resource: arn:aws:iam::111122223333:role/none because no identity-based policy allows the iam:GetRole action"
	refused(admin, w.iam.GetRole, &iam.GetRoleInput{RoleName: aws.String("none")}, "AccessDenied", refusedMessage)

	// A list is about a path.
	w.may("admin", allow("iam:ListRoles", "arn:aws:iam::111122223333:role/ci/*"))
	denied(admin, w.iam.ListRoles, &iam.ListRolesInput{})
	do(admin, w.iam.ListRoles, &iam.ListRolesInput{PathPrefix: aws.String("/ci/")})

	// Tags at creation are judged, and need the permission to tag.
	create := &iam.CreateRoleInput{RoleName: aws.String("new"), AssumeRolePolicyDocument: aws.String(trusting(string(ours))), Tags: []types.Tag{tag("team", "red")}}
	w.may("admin", allow("iam:CreateRole", "*"))
	denied(admin, w.iam.CreateRole, create)
	w.may("admin", allow("iam:CreateRole", "*"), allowIf("iam:TagRole", "*", `{"StringEquals":{"aws:RequestTag/team":"blue"}}`))
	denied(admin, w.iam.CreateRole, create)
	w.may("admin", allow("iam:CreateRole", "*"), allowIf("iam:TagRole", "*", `{"StringEquals":{"aws:RequestTag/team":"red","aws:ResourceTag/team":"red"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}`))
	do(admin, w.iam.CreateRole, create)
}

// T334: who may tag a role decides what attribute-based policies allow; the tags
// that are asked for and those that are there are both judged.
func TestT334_TaggingRolesIsJudgedByTags(t *testing.T) {
	w := newWorld(t)
	mallory := w.user("mallory")
	w.role("r")
	name := aws.String("r")
	do(w.root(), w.iam.TagRole, &iam.TagRoleInput{RoleName: name, Tags: []types.Tag{tag("project", "public")}})
	promote := &iam.TagRoleInput{RoleName: name, Tags: []types.Tag{tag("project", "secret")}}
	denied(mallory, w.iam.TagRole, promote)
	w.may("mallory", allowIf("iam:*Role", "*", `{"StringEquals":{"aws:RequestTag/project":"public"}}`))
	denied(mallory, w.iam.TagRole, promote)
	w.may("mallory", allowIf("iam:*Role", "*", `{"ForAllValues:StringNotEquals":{"aws:TagKeys":["project"]}}`))
	denied(mallory, w.iam.TagRole, promote)
	denied(mallory, w.iam.UntagRole, &iam.UntagRoleInput{RoleName: name, TagKeys: []string{"project"}})
	do(mallory, w.iam.UntagRole, &iam.UntagRoleInput{RoleName: name, TagKeys: []string{"other"}})
	if got := w.roleRecord("r").Tags; !slices.Equal(got, []identity.Tag{{Key: "project", Value: "public"}}) {
		t.Errorf("tags = %v", got)
	}
}
