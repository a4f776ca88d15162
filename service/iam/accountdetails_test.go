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

func TestAccountSummary(t *testing.T) {
	w := newWorld(t)
	empty := do(w.root(), w.iam.GetAccountSummary, &iam.GetAccountSummaryInput{}).SummaryMap
	for _, key := range types.SummaryKeyType("").Values() {
		if _, ok := empty[string(key)]; !ok {
			t.Errorf("%s is missing", key)
		}
	}
	if len(empty) != len(types.SummaryKeyType("").Values()) {
		t.Errorf("%d keys, the API has %d", len(empty), len(types.SummaryKeyType("").Values()))
	}
	w.user("alice")
	w.user("bob")
	w.group("devs")
	w.role("r")
	w.profile("p")
	p := w.policy("p", allow("s3:*", "*"))
	w.version(p, allow("s3:*", "*"), false)
	do(w.rootOf(theirs), w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("eve")})
	got := do(w.root(), w.iam.GetAccountSummary, &iam.GetAccountSummaryInput{}).SummaryMap
	for key, want := range map[string]int32{
		"Users": 2, "UsersQuota": 5000, "Groups": 1, "GroupsQuota": 300, "Roles": 1, "RolesQuota": 1000,
		"Policies": 1, "PoliciesQuota": 1500, "PolicyVersionsInUse": 2, "PolicyVersionsInUseQuota": 10000, "VersionsPerPolicyQuota": 5,
		"InstanceProfiles": 1, "InstanceProfilesQuota": 1000, "PolicySizeQuota": 6144, "UserPolicySizeQuota": 2048,
		"GroupPolicySizeQuota": 5120, "RolePolicySizeQuota": 10240, "AssumeRolePolicySizeQuota": 2048,
		"AttachedPoliciesPerUserQuota": 10, "AttachedPoliciesPerGroupQuota": 10, "AttachedPoliciesPerRoleQuota": 10,
		"AccessKeysPerUserQuota": 2, "GroupsPerUserQuota": 10, "AccountMFAEnabled": 0, "AccountAccessKeysPresent": 0,
	} {
		if got[key] != want {
			t.Errorf("%s = %d, want %d", key, got[key], want)
		}
	}
	w.iam.limits.RolesPerAccount = 5000
	if raised := do(w.root(), w.iam.GetAccountSummary, &iam.GetAccountSummaryInput{}).SummaryMap["RolesQuota"]; raised != 5000 {
		t.Errorf("a raised quota is shown as %d", raised)
	}
	alice := w.as("alice")
	denied(alice, w.iam.GetAccountSummary, &iam.GetAccountSummaryInput{})
	denied(alice, w.iam.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{})
}

// detailed makes an account that uses everything.
func detailed(t *testing.T) *world {
	w := newWorld(t)
	root := w.root()
	own := w.policy("own", allow("s3:*", "*"))
	w.version(own, allow("s3:Get*", "*"), true)
	w.policy("unused", allow("s3:*", "*"))
	w.user("alice")
	w.user("bob")
	w.group("devs")
	w.role("builder")
	w.role("trusted")
	w.profile("machines")
	name, policyName, document := aws.String("alice"), aws.String("p"), aws.String(allow("ec2:*", "*"))
	do(root, w.iam.AddUserToGroup, &iam.AddUserToGroupInput{GroupName: aws.String("devs"), UserName: name})
	do(root, w.iam.PutUserPolicy, &iam.PutUserPolicyInput{UserName: name, PolicyName: policyName, PolicyDocument: document})
	do(root, w.iam.PutGroupPolicy, &iam.PutGroupPolicyInput{GroupName: aws.String("devs"), PolicyName: policyName, PolicyDocument: document})
	do(root, w.iam.PutRolePolicy, &iam.PutRolePolicyInput{RoleName: aws.String("builder"), PolicyName: policyName, PolicyDocument: document})
	do(root, w.iam.AttachUserPolicy, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: &own})
	do(root, w.iam.AttachGroupPolicy, &iam.AttachGroupPolicyInput{GroupName: aws.String("devs"), PolicyArn: aws.String(readOnly)})
	do(root, w.iam.AttachRolePolicy, &iam.AttachRolePolicyInput{RoleName: aws.String("builder"), PolicyArn: &own})
	do(root, w.iam.PutUserPermissionsBoundary, &iam.PutUserPermissionsBoundaryInput{UserName: name, PermissionsBoundary: aws.String(administrator)})
	do(root, w.iam.TagUser, &iam.TagUserInput{UserName: name, Tags: []types.Tag{tag("k", "v")}})
	do(root, w.iam.TagRole, &iam.TagRoleInput{RoleName: aws.String("builder"), Tags: []types.Tag{tag("k", "v")}})
	do(root, w.iam.AddRoleToInstanceProfile, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("machines"), RoleName: aws.String("builder")})
	do(root, w.iam.UpdateAssumeRolePolicy, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("builder"), PolicyDocument: aws.String(trusting("arn:aws:iam::111122223333:role/trusted"))})
	return w
}

func detailNames(out *iam.GetAccountAuthorizationDetailsOutput) []string {
	return slices.Concat(
		names(out.UserDetailList, func(u types.UserDetail) *string { return u.UserName }),
		names(out.GroupDetailList, func(g types.GroupDetail) *string { return g.GroupName }),
		names(out.RoleDetailList, func(r types.RoleDetail) *string { return r.RoleName }),
		names(out.Policies, func(p types.ManagedPolicyDetail) *string { return p.PolicyName }),
	)
}

func TestAccountDetails(t *testing.T) {
	w := detailed(t)
	out := do(w.root(), w.iam.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{})
	// Of AWS's policies, those that are in use.
	all := []string{"alice", "bob", "devs", "builder", "trusted", "own", "unused", "AdministratorAccess", "ReadOnlyAccess"}
	equal(t, "details", detailNames(out), all)

	own := "arn:aws:iam::111122223333:policy/own"
	alice := out.UserDetailList[0]
	equal(t, "alice's groups", alice.GroupList, []string{"devs"})
	if *alice.AttachedManagedPolicies[0].PolicyArn != own || *alice.PermissionsBoundary.PermissionsBoundaryArn != administrator ||
		*alice.UserPolicyList[0].PolicyName != "p" || decoded(t, alice.UserPolicyList[0].PolicyDocument) != allow("ec2:*", "*") || len(alice.Tags) != 1 {
		t.Errorf("alice: %s", asJSON(alice))
	}
	devs := out.GroupDetailList[0]
	if *devs.AttachedManagedPolicies[0].PolicyArn != readOnly || *devs.GroupPolicyList[0].PolicyName != "p" {
		t.Errorf("devs: %s", asJSON(devs))
	}
	builder := out.RoleDetailList[0]
	if *builder.AttachedManagedPolicies[0].PolicyName != "own" || *builder.RolePolicyList[0].PolicyName != "p" || builder.RoleLastUsed == nil ||
		*builder.InstanceProfileList[0].InstanceProfileName != "machines" || *builder.InstanceProfileList[0].Roles[0].RoleName != "builder" ||
		decoded(t, builder.AssumeRolePolicyDocument) != trusting("arn:aws:iam::111122223333:role/trusted") || len(builder.Tags) != 1 {
		t.Errorf("builder: %s", asJSON(builder))
	}
	p := out.Policies[0]
	if *p.AttachmentCount != 2 || *p.DefaultVersionId != "v2" || len(p.PolicyVersionList) != 2 || !p.PolicyVersionList[1].IsDefaultVersion ||
		decoded(t, p.PolicyVersionList[0].Document) != allow("s3:*", "*") {
		t.Errorf("own: %s", asJSON(p))
	}
	if admin := out.Policies[2]; *admin.PermissionsBoundaryUsageCount != 1 || *admin.AttachmentCount != 0 {
		t.Errorf("AdministratorAccess: %s", asJSON(admin))
	}

	for _, c := range []struct {
		filter []types.EntityType
		want   []string
	}{
		{[]types.EntityType{types.EntityTypeUser}, []string{"alice", "bob"}},
		{[]types.EntityType{types.EntityTypeGroup, types.EntityTypeRole}, []string{"devs", "builder", "trusted"}},
		{[]types.EntityType{types.EntityTypeLocalManagedPolicy}, []string{"own", "unused"}},
		{[]types.EntityType{types.EntityTypeAWSManagedPolicy}, []string{"AdministratorAccess", "ReadOnlyAccess"}},
	} {
		got := do(w.root(), w.iam.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{Filter: c.filter})
		equal(t, fmt.Sprint(c.filter), detailNames(got), c.want)
	}
	for size := int32(1); size < 10; size++ {
		var seen []string
		pages(func(marker *string) (int, bool, *string) {
			got := do(w.root(), w.iam.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{Marker: marker, MaxItems: &size})
			seen = append(seen, detailNames(got)...)
			return len(detailNames(got)), got.IsTruncated, got.Marker
		})
		equal(t, fmt.Sprintf("details in pages of %d", size), seen, all)
	}
	marker := do(w.root(), w.iam.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(1)}).Marker
	refused(w.root(), w.iam.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{Marker: marker, Filter: []types.EntityType{types.EntityTypeRole}},
		"ValidationError", "Invalid Marker.")
	theirsOut := do(w.rootOf(theirs), w.iam.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{})
	if len(detailNames(theirsOut)) != 0 || theirsOut.IsTruncated {
		t.Errorf("another account sees %q", detailNames(theirsOut))
	}
}

// A page ends early when its documents grow too large, and the next one goes on.
func TestAccountDetailsAreBounded(t *testing.T) {
	w := newWorld(t)
	var want []string
	document := strings.Replace(allow("s3:*", "*"), ",", strings.Repeat(" ", 120_000)+",", 1) // three bytes each when encoded
	for i := range 7 {
		want = append(want, fmt.Sprintf("p%d", i))
		w.policy(want[i], document)
	}
	var seen []string
	sizes := pages(func(marker *string) (int, bool, *string) {
		out := do(w.root(), w.iam.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{Marker: marker, MaxItems: aws.Int32(1000)})
		seen = append(seen, detailNames(out)...)
		return len(out.Policies), out.IsTruncated, out.Marker
	})
	equal(t, "policies", seen, want)
	if !slices.Equal(sizes, []int{3, 3, 1}) {
		t.Errorf("pages of %v", sizes)
	}
}
