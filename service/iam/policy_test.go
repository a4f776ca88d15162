package iam

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

const (
	readOnly      = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
	serviceLinked = "arn:aws:iam::aws:policy/aws-service-role/AWSOrganizationsServiceTrustPolicy"
)

// policy makes a managed policy, as root.
func (w *world) policy(name, document string) (policyARN string) {
	w.t.Helper()
	return *do(w.root(), w.iam.CreatePolicy, &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document}).Policy.Arn
}

// version adds a version, as root.
func (w *world) version(policyARN, document string, isDefault bool) (id string) {
	w.t.Helper()
	return *do(w.root(), w.iam.CreatePolicyVersion, &iam.CreatePolicyVersionInput{PolicyArn: &policyARN, PolicyDocument: &document, SetAsDefault: isDefault}).PolicyVersion.VersionId
}

func (w *world) versions(policyARN string) (ids []string, isDefault string) {
	w.t.Helper()
	for _, v := range do(w.root(), w.iam.ListPolicyVersions, &iam.ListPolicyVersionsInput{PolicyArn: &policyARN}).Versions {
		ids = append(ids, *v.VersionId)
		if v.IsDefaultVersion {
			isDefault += *v.VersionId
		}
	}
	return ids, isDefault
}

func policyNames(list []types.Policy) []string {
	return names(list, func(p types.Policy) *string { return p.PolicyName })
}

func TestCreatePolicyIsReadBackAtOnce(t *testing.T) {
	w := newWorld(t)
	made := do(w.root(), w.iam.CreatePolicy, &iam.CreatePolicyInput{
		PolicyName: aws.String("Deploy"), Path: aws.String("/ci/"), PolicyDocument: aws.String(allow("s3:*", "*")),
		Description: aws.String("deploys"), Tags: []types.Tag{tag("Team", "blue"), tag("team", "red")}, // keys of policies have case
	}).Policy
	got := do(w.root(), w.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: made.Arn}).Policy
	if asJSON(got) != asJSON(made) {
		t.Errorf("created\n%s\nread\n%s", asJSON(made), asJSON(got))
	}
	if *got.Arn != "arn:aws:iam::111122223333:policy/ci/Deploy" || !strings.HasPrefix(*got.PolicyId, "ANPA") || *got.DefaultVersionId != "v1" ||
		*got.AttachmentCount != 0 || *got.PermissionsBoundaryUsageCount != 0 || !got.IsAttachable || *got.Description != "deploys" ||
		!got.CreateDate.Equal(*got.UpdateDate) || len(got.Tags) != 2 {
		t.Errorf("policy = %s", asJSON(got))
	}
	w.consistent(t)
}

// testPolicy keeps tests with a policy, as package lanyard does.
func (w *world) testPolicy(id string) {
	w.edit(func(tx store.Tx) error {
		return identity.PolicyTests.Put(tx, &identity.PolicyTestSet{Revision: 1}, string(ours), id)
	})
}

// Tests go with their policy.
func TestDeletePolicyWithTests(t *testing.T) {
	w := newWorld(t)
	made := do(w.root(), w.iam.CreatePolicy, &iam.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: aws.String(allow("s3:*", "*"))})
	w.testPolicy(*made.Policy.PolicyId)
	w.consistent(t)
	do(w.root(), w.iam.DeletePolicy, &iam.DeletePolicyInput{PolicyArn: made.Policy.Arn})
	w.consistent(t)
}

func TestPolicyErrors(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	w.policy("Deploy", allow("s3:*", "*"))
	create := func(name, document string) *iam.CreatePolicyInput {
		return &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document}
	}
	// The name is taken in every case and on every path.
	taken := create("DEPLOY", allow("s3:*", "*"))
	taken.Path = aws.String("/other/")
	refused(root, w.iam.CreatePolicy, taken, "EntityAlreadyExists", "A policy called DEPLOY already exists. Duplicate names are not allowed.")
	refused(root, w.iam.CreatePolicy, create("p", "{"), "MalformedPolicyDocument", "This policy contains invalid Json")
	refused(root, w.iam.CreatePolicy, create("p", `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`), "MalformedPolicyDocument", "Policy document must be version 2012-10-17 or greater.")
	refused(root, w.iam.CreatePolicy, create("p", trusting("*")), "MalformedPolicyDocument", "Policy document should not specify a principal.")
	w.consistent(t)

	for _, c := range []struct{ policy, code, message string }{
		{"arn:aws:iam::111122223333:policy/none", "NoSuchEntity", "Policy arn:aws:iam::111122223333:policy/none was not found."},
		{"arn:aws:iam::111122223333:policy/deploy", "NoSuchEntity", "Policy arn:aws:iam::111122223333:policy/deploy was not found."},     // another case
		{"arn:aws:iam::111122223333:policy/x/Deploy", "NoSuchEntity", "Policy arn:aws:iam::111122223333:policy/x/Deploy was not found."}, // another path
		{"arn:aws-cn:iam::111122223333:policy/Deploy", "NoSuchEntity", "Policy arn:aws-cn:iam::111122223333:policy/Deploy was not found."},
		{"arn:aws:iam::111122223333:role/Deploy", "InvalidInput", "ARN arn:aws:iam::111122223333:role/Deploy is not valid."},
		{"arn:aws:s3::111122223333:policy/Deploy", "InvalidInput", "ARN arn:aws:s3::111122223333:policy/Deploy is not valid."},
		{"not an ARN, however long", "ValidationError", "Invalid ARN:  Could not be parsed!"},
	} {
		p := &c.policy
		document, version := aws.String(allow("*", "*")), aws.String("v1")
		refused(root, w.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: p}, c.code, c.message)
		refused(root, w.iam.DeletePolicy, &iam.DeletePolicyInput{PolicyArn: p}, c.code, c.message)
		refused(root, w.iam.CreatePolicyVersion, &iam.CreatePolicyVersionInput{PolicyArn: p, PolicyDocument: document}, c.code, c.message)
		refused(root, w.iam.GetPolicyVersion, &iam.GetPolicyVersionInput{PolicyArn: p, VersionId: version}, c.code, c.message)
		refused(root, w.iam.ListPolicyVersions, &iam.ListPolicyVersionsInput{PolicyArn: p}, c.code, c.message)
		refused(root, w.iam.SetDefaultPolicyVersion, &iam.SetDefaultPolicyVersionInput{PolicyArn: p, VersionId: version}, c.code, c.message)
		refused(root, w.iam.DeletePolicyVersion, &iam.DeletePolicyVersionInput{PolicyArn: p, VersionId: version}, c.code, c.message)
		refused(root, w.iam.ListEntitiesForPolicy, &iam.ListEntitiesForPolicyInput{PolicyArn: p}, c.code, c.message)
		refused(root, w.iam.TagPolicy, &iam.TagPolicyInput{PolicyArn: p}, c.code, c.message)
		refused(root, w.iam.UntagPolicy, &iam.UntagPolicyInput{PolicyArn: p}, c.code, c.message)
		refused(root, w.iam.ListPolicyTags, &iam.ListPolicyTagsInput{PolicyArn: p}, c.code, c.message)
	}
}

// T300: a policy of another account is refused to everyone here, root included,
// and nothing is told of it.
func TestT300_PoliciesOfAnotherAccount(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	foreign := *do(w.rootOf(theirs), w.iam.CreatePolicy, &iam.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: aws.String(allow("*", "*"))}).Policy.Arn
	absent := "arn:aws:iam::444455556666:policy/none"
	admin := w.user("admin")
	w.may("admin", allow("*", "*"))
	for _, p := range []*string{&foreign, &absent} {
		for _, a := range []actor{w.root(), admin} {
			denied(a, w.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: p})
			denied(a, w.iam.GetPolicyVersion, &iam.GetPolicyVersionInput{PolicyArn: p, VersionId: aws.String("v1")})
			denied(a, w.iam.ListEntitiesForPolicy, &iam.ListEntitiesForPolicyInput{PolicyArn: p})
			denied(a, w.iam.DeletePolicy, &iam.DeletePolicyInput{PolicyArn: p})
			denied(a, w.iam.CreatePolicyVersion, &iam.CreatePolicyVersionInput{PolicyArn: p, PolicyDocument: aws.String(allow("*", "*"))})
		}
		message := "Policy " + *p + " does not exist or is not attachable."
		refused(w.root(), w.iam.AttachUserPolicy, &iam.AttachUserPolicyInput{UserName: aws.String("alice"), PolicyArn: p}, "NoSuchEntity", message)
		refused(w.root(), w.iam.PutUserPermissionsBoundary, &iam.PutUserPermissionsBoundaryInput{UserName: aws.String("alice"), PermissionsBoundary: p}, "NoSuchEntity", message)
	}
	w.consistent(t)
}

// Policies that AWS manages are everyone's to read and nobody's to change.
func TestAWSManagedPolicies(t *testing.T) {
	w := newWorld(t)
	admin := w.user("admin")
	w.may("admin", allow("*", "*"))
	got := do(admin, w.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: aws.String(administrator)}).Policy
	if *got.Arn != administrator || *got.PolicyId != "ANPAIWMBCKSKIEE64ZLYK" || *got.DefaultVersionId != "v1" || !got.IsAttachable {
		t.Errorf("policy = %s", asJSON(got))
	}
	version := do(admin, w.iam.GetPolicyVersion, &iam.GetPolicyVersionInput{PolicyArn: aws.String(administrator), VersionId: aws.String("v1")}).PolicyVersion
	if document := decoded(t, version.Document); !strings.Contains(document, `"Action": "*"`) || !version.IsDefaultVersion {
		t.Errorf("document = %s", document)
	}
	if linked := do(admin, w.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: aws.String(serviceLinked)}).Policy; linked.IsAttachable {
		t.Error("the policy of a service-linked role is attachable")
	}
	for _, a := range []actor{admin, w.root()} {
		denied(a, w.iam.DeletePolicy, &iam.DeletePolicyInput{PolicyArn: aws.String(readOnly)})
		denied(a, w.iam.CreatePolicyVersion, &iam.CreatePolicyVersionInput{PolicyArn: aws.String(readOnly), PolicyDocument: aws.String(allow("*", "*"))})
		denied(a, w.iam.SetDefaultPolicyVersion, &iam.SetDefaultPolicyVersionInput{PolicyArn: aws.String(readOnly), VersionId: aws.String("v1")})
		denied(a, w.iam.DeletePolicyVersion, &iam.DeletePolicyVersionInput{PolicyArn: aws.String(readOnly), VersionId: aws.String("v1")})
		denied(a, w.iam.TagPolicy, &iam.TagPolicyInput{PolicyArn: aws.String(readOnly)})
		denied(a, w.iam.UntagPolicy, &iam.UntagPolicyInput{PolicyArn: aws.String(readOnly)})
	}
}

// T106: the size of a managed policy is counted without white space, and is
// checked before the document is looked at.
func TestT106_PolicySize(t *testing.T) {
	w := newWorld(t)
	sized := func(n int) *string {
		document := allow("s3:*", "arn:aws:s3:::")
		document = strings.Replace(document, "arn:aws:s3:::", "arn:aws:s3:::"+strings.Repeat("x", n-len(document)), 1)
		document = strings.ReplaceAll(document, ",", " ,\n\t\r ")
		return &document
	}
	do(w.root(), w.iam.CreatePolicy, &iam.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: sized(6144)})
	const code, message = "LimitExceeded", "Cannot exceed quota for PolicySize: 6144"
	refused(w.root(), w.iam.CreatePolicy, &iam.CreatePolicyInput{PolicyName: aws.String("q"), PolicyDocument: sized(6145)}, code, message)
	refused(w.root(), w.iam.CreatePolicyVersion, &iam.CreatePolicyVersionInput{PolicyArn: aws.String("arn:aws:iam::111122223333:policy/p"), PolicyDocument: sized(6145)}, code, message)
	refused(w.root(), w.iam.CreatePolicy, &iam.CreatePolicyInput{PolicyName: aws.String("q"), PolicyDocument: aws.String(strings.Repeat("[", 10_000))}, code, message)
}

func TestPolicyQuota(t *testing.T) {
	w := newWorld(t)
	w.iam.limits.PoliciesPerAccount = 1
	p := w.policy("a", allow("s3:*", "*"))
	in := &iam.CreatePolicyInput{PolicyName: aws.String("b"), PolicyDocument: aws.String(allow("s3:*", "*"))}
	refused(w.root(), w.iam.CreatePolicy, in, "LimitExceeded", "Cannot exceed quota for PoliciesPerAccount: 1")
	do(w.root(), w.iam.DeletePolicy, &iam.DeletePolicyInput{PolicyArn: &p})
	do(w.root(), w.iam.CreatePolicy, in)
	w.consistent(t)
}

// T125: at most five versions; the default one stays; a deleted one is gone, and
// its number is not given again.
func TestT125_PolicyVersions(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	p := w.policy("p", allow("s3:v1", "*"))
	w.later(time.Hour)
	for i := 2; i <= 5; i++ {
		if id := w.version(p, allow(fmt.Sprintf("s3:v%d", i), "*"), i == 3); id != fmt.Sprintf("v%d", i) {
			t.Errorf("version %d is %s", i, id)
		}
	}
	ids, isDefault := w.versions(p)
	equal(t, "versions", ids, []string{"v5", "v4", "v3", "v2", "v1"})
	if isDefault != "v3" {
		t.Errorf("default = %s", isDefault)
	}
	refused(root, w.iam.CreatePolicyVersion, &iam.CreatePolicyVersionInput{PolicyArn: &p, PolicyDocument: aws.String(allow("s3:*", "*"))},
		"LimitExceeded", "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.")
	deletion := func(id string) *iam.DeletePolicyVersionInput {
		return &iam.DeletePolicyVersionInput{PolicyArn: &p, VersionId: &id}
	}
	refused(root, w.iam.DeletePolicyVersion, deletion("v3"), "DeleteConflict", "Cannot delete the default version of a policy.")
	refused(root, w.iam.DeletePolicy, &iam.DeletePolicyInput{PolicyArn: &p}, "DeleteConflict",
		"This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	do(root, w.iam.DeletePolicyVersion, deletion("v5"))
	for _, id := range []string{"v5", "v6", "v0", "v03", "v3.x", "v99999999999999999999"} {
		message := "Policy " + p + " version " + id + " does not exist or is not attachable."
		refused(root, w.iam.DeletePolicyVersion, deletion(id), "NoSuchEntity", message)
		refused(root, w.iam.SetDefaultPolicyVersion, &iam.SetDefaultPolicyVersionInput{PolicyArn: &p, VersionId: &id}, "NoSuchEntity", message)
		refused(root, w.iam.GetPolicyVersion, &iam.GetPolicyVersionInput{PolicyArn: &p, VersionId: &id}, "NoSuchEntity", message)
	}
	if id := w.version(p, allow("s3:v6", "*"), false); id != "v6" {
		t.Errorf("the number of a deleted version was given again: %s", id)
	}
	if _, isDefault := w.versions(p); isDefault != "v3" {
		t.Errorf("default = %s", isDefault)
	}
	do(root, w.iam.SetDefaultPolicyVersion, &iam.SetDefaultPolicyVersionInput{PolicyArn: &p, VersionId: aws.String("v1")})
	got := do(root, w.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: &p}).Policy
	if *got.DefaultVersionId != "v1" || !got.UpdateDate.Equal(got.CreateDate.Add(time.Hour)) {
		t.Errorf("policy = %s", asJSON(got))
	}
	for _, id := range []string{"v2", "v3", "v4", "v6"} {
		do(root, w.iam.DeletePolicyVersion, deletion(id))
	}
	w.consistent(t)
	do(root, w.iam.DeletePolicy, &iam.DeletePolicyInput{PolicyArn: &p})
	w.consistent(t)
	// A policy of that name is a new one, and starts at v1.
	if w.policy("p", allow("s3:*", "*")); *do(root, w.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: &p}).Policy.PolicyId == *got.PolicyId {
		t.Error("the unique id was given again")
	}
}

// T126: whoever writes at the same time, there is one default version at each moment.
func TestT126_OneDefaultVersion(t *testing.T) {
	w := newWorld(t)
	p := w.policy("p", allow("s3:*", "*"))
	w.version(p, allow("s3:*", "*"), false)
	ctx, stop := context.WithCancel(t.Context())
	var writers, readers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			for range 25 {
				if i%2 == 0 {
					made, err := try(w.root(), w.iam.CreatePolicyVersion, &iam.CreatePolicyVersionInput{PolicyArn: &p, PolicyDocument: aws.String(allow("s3:*", "*")), SetAsDefault: true})
					if err == nil {
						try(w.root(), w.iam.SetDefaultPolicyVersion, &iam.SetDefaultPolicyVersionInput{PolicyArn: &p, VersionId: aws.String("v1")})
						try(w.root(), w.iam.DeletePolicyVersion, &iam.DeletePolicyVersionInput{PolicyArn: &p, VersionId: made.PolicyVersion.VersionId})
					}
				} else {
					do(w.root(), w.iam.SetDefaultPolicyVersion, &iam.SetDefaultPolicyVersionInput{PolicyArn: &p, VersionId: aws.String("v2")})
				}
			}
		})
	}
	readers.Go(func() {
		for ctx.Err() == nil {
			if ids, isDefault := w.versions(p); !slices.Contains(ids, isDefault) {
				t.Errorf("of %q the default is %q", ids, isDefault)
				return
			}
		}
	})
	writers.Wait()
	stop()
	readers.Wait()
	w.consistent(t)
}

// T128: what is put is what is got, byte for byte, in the encoding of RFC 3986.
func TestT128_DocumentsComeBackByteForByte(t *testing.T) {
	w := newWorld(t)
	document := "{ \"Version\" : \"2012-10-17\",\r\n\t\"Statement\":[{\"Sid\":\"a1\",\"Effect\":\"Allow\",\"Action\":\"s3:Get*\",\"Resource\":\"arn:aws:s3:::b/${aws:username}/caf\u00e9 + ~_.-%20&=?#'()*!\"}]}  "
	const encoded = "%7B%20%22Version%22%20%3A%20%222012-10-17%22%2C%0D%0A%09%22Statement%22%3A%5B%7B%22Sid%22%3A%22a1%22%2C%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22s3%3AGet%2A%22%2C%22Resource%22%3A%22arn%3Aaws%3As3%3A%3A%3Ab%2F%24%7Baws%3Ausername%7D%2Fcaf%C3%A9%20%2B%20~_.-%2520%26%3D%3F%23%27%28%29%2A%21%22%7D%5D%7D%20%20"
	root, name := w.root(), aws.String("x")
	check := func(what string, got *string) {
		t.Helper()
		if aws.ToString(got) != encoded || decoded(t, got) != document {
			t.Errorf("%s: %s", what, aws.ToString(got))
		}
	}
	p := w.policy("x", document)
	check("GetPolicyVersion", do(root, w.iam.GetPolicyVersion, &iam.GetPolicyVersionInput{PolicyArn: &p, VersionId: aws.String("v1")}).PolicyVersion.Document)
	w.user("x")
	do(root, w.iam.PutUserPolicy, &iam.PutUserPolicyInput{UserName: name, PolicyName: name, PolicyDocument: &document})
	check("GetUserPolicy", do(root, w.iam.GetUserPolicy, &iam.GetUserPolicyInput{UserName: name, PolicyName: name}).PolicyDocument)
	w.group("x")
	do(root, w.iam.PutGroupPolicy, &iam.PutGroupPolicyInput{GroupName: name, PolicyName: name, PolicyDocument: &document})
	check("GetGroupPolicy", do(root, w.iam.GetGroupPolicy, &iam.GetGroupPolicyInput{GroupName: name, PolicyName: name}).PolicyDocument)
	w.role("x")
	do(root, w.iam.PutRolePolicy, &iam.PutRolePolicyInput{RoleName: name, PolicyName: name, PolicyDocument: &document})
	check("GetRolePolicy", do(root, w.iam.GetRolePolicy, &iam.GetRolePolicyInput{RoleName: name, PolicyName: name}).PolicyDocument)
	details := do(root, w.iam.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{})
	check("details of the user", details.UserDetailList[0].UserPolicyList[0].PolicyDocument)
	check("details of the group", details.GroupDetailList[0].GroupPolicyList[0].PolicyDocument)
	check("details of the role", details.RoleDetailList[0].RolePolicyList[0].PolicyDocument)
	check("details of the policy", details.Policies[0].PolicyVersionList[0].Document)
}

func TestListPolicies(t *testing.T) {
	w := newWorld(t)
	for _, p := range []struct{ path, name string }{{"/", "d"}, {"/ops/", "B"}, {"/ops/night/", "c"}, {"/job-function/", "a"}} {
		do(w.root(), w.iam.CreatePolicy, &iam.CreatePolicyInput{PolicyName: &p.name, Path: &p.path, PolicyDocument: aws.String(allow("s3:*", "*")), Description: aws.String("x"), Tags: []types.Tag{tag("k", "v")}})
	}
	w.user("alice")
	alice := aws.String("alice")
	do(w.root(), w.iam.AttachUserPolicy, &iam.AttachUserPolicyInput{UserName: alice, PolicyArn: aws.String("arn:aws:iam::111122223333:policy/ops/B")})
	do(w.root(), w.iam.AttachUserPolicy, &iam.AttachUserPolicyInput{UserName: alice, PolicyArn: aws.String(readOnly)})
	do(w.root(), w.iam.PutUserPermissionsBoundary, &iam.PutUserPermissionsBoundaryInput{UserName: alice, PermissionsBoundary: aws.String("arn:aws:iam::111122223333:policy/d")})

	inPages := func(in *iam.ListPoliciesInput, size int32) (seen []string) {
		t.Helper()
		pages(func(marker *string) (int, bool, *string) {
			page := *in
			page.Marker, page.MaxItems = marker, &size
			out := do(w.root(), w.iam.ListPolicies, &page)
			if len(out.Policies) > int(size) {
				t.Errorf("a page of %d", len(out.Policies))
			}
			seen = append(seen, policyNames(out.Policies)...)
			return len(out.Policies), out.IsTruncated, out.Marker
		})
		return seen
	}
	list := func(in *iam.ListPoliciesInput) []string { t.Helper(); return inPages(in, 1000) }
	own := []string{"a", "B", "c", "d"}
	equal(t, "own policies", list(&iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal}), own)
	all, managed := list(&iam.ListPoliciesInput{}), list(&iam.ListPoliciesInput{Scope: types.PolicyScopeTypeAws})
	equal(t, "all policies", all, slices.Concat(own, managed))
	equal(t, "all policies", list(&iam.ListPoliciesInput{Scope: types.PolicyScopeTypeAll}), all)
	if len(managed) != w.iam.managed.Len() {
		t.Errorf("%d policies of AWS, want %d", len(managed), w.iam.managed.Len())
	}
	equal(t, "below a path", list(&iam.ListPoliciesInput{PathPrefix: aws.String("/ops/")}), []string{"B", "c"})
	equal(t, "below a path that AWS has too", list(&iam.ListPoliciesInput{PathPrefix: aws.String("/job-function/")}), slices.Concat([]string{"a"}, list(&iam.ListPoliciesInput{Scope: types.PolicyScopeTypeAws, PathPrefix: aws.String("/job-function/")})))
	equal(t, "attached", list(&iam.ListPoliciesInput{OnlyAttached: true}), []string{"B", "ReadOnlyAccess"})
	equal(t, "attached, of AWS", list(&iam.ListPoliciesInput{OnlyAttached: true, Scope: types.PolicyScopeTypeAws}), []string{"ReadOnlyAccess"})
	equal(t, "permissions policies", list(&iam.ListPoliciesInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsPolicy}), []string{"B", "ReadOnlyAccess"})
	equal(t, "boundaries", list(&iam.ListPoliciesInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}), []string{"d"})

	for _, p := range do(w.root(), w.iam.ListPolicies, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal}).Policies {
		attachments, boundaries := int32(0), int32(0)
		switch *p.PolicyName {
		case "B":
			attachments = 1
		case "d":
			boundaries = 1
		}
		if p.Tags != nil || p.Description != nil || *p.AttachmentCount != attachments || *p.PermissionsBoundaryUsageCount != boundaries {
			t.Errorf("listed: %s", asJSON(p))
		}
	}
	equal(t, "policies in pages of 100", inPages(&iam.ListPoliciesInput{}, 100), all)
	jobs := &iam.ListPoliciesInput{PathPrefix: aws.String("/job-function/")}
	for size := int32(1); size < 5; size++ {
		equal(t, fmt.Sprintf("policies in pages of %d", size), inPages(jobs, size), list(jobs))
	}
	empty := do(w.rootOf(theirs), w.iam.ListPolicies, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal})
	if empty.Policies == nil || len(empty.Policies) != 0 || empty.IsTruncated {
		t.Errorf("another account has %s", asJSON(empty))
	}
}

func TestListPolicyVersionsInPages(t *testing.T) {
	w := newWorld(t)
	p := w.policy("p", allow("s3:*", "*"))
	for range 3 {
		w.version(p, allow("s3:*", "*"), false)
	}
	first := do(w.root(), w.iam.ListPolicyVersions, &iam.ListPolicyVersionsInput{PolicyArn: &p, MaxItems: aws.Int32(2)})
	w.version(p, allow("s3:*", "*"), false) // between two pages
	second := do(w.root(), w.iam.ListPolicyVersions, &iam.ListPolicyVersionsInput{PolicyArn: &p, MaxItems: aws.Int32(2), Marker: first.Marker})
	var ids []string
	for _, v := range slices.Concat(first.Versions, second.Versions) {
		ids = append(ids, *v.VersionId)
		if v.Document != nil {
			t.Error("ListPolicyVersions shows documents")
		}
	}
	equal(t, "versions", ids, []string{"v4", "v3", "v2", "v1"})
	if second.IsTruncated {
		t.Error("the last page is truncated")
	}
}

func TestListEntitiesForPolicy(t *testing.T) {
	w := newWorld(t)
	root, p := w.root(), w.policy("p", allow("s3:*", "*"))
	do(root, w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("Alice"), Path: aws.String("/ops/")})
	w.user("bob")
	w.user("carol")
	w.group("devs")
	w.role("builder")
	for _, u := range []string{"alice", "bob"} {
		do(root, w.iam.AttachUserPolicy, &iam.AttachUserPolicyInput{UserName: &u, PolicyArn: &p})
	}
	for _, u := range []string{"bob", "carol"} {
		do(root, w.iam.PutUserPermissionsBoundary, &iam.PutUserPermissionsBoundaryInput{UserName: &u, PermissionsBoundary: &p})
	}
	do(root, w.iam.AttachGroupPolicy, &iam.AttachGroupPolicyInput{GroupName: aws.String("devs"), PolicyArn: &p})
	do(root, w.iam.AttachRolePolicy, &iam.AttachRolePolicyInput{RoleName: aws.String("builder"), PolicyArn: &p})

	show := func(out *iam.ListEntitiesForPolicyOutput) (all []string) {
		for _, u := range out.PolicyUsers {
			all = append(all, "user "+*u.UserName)
		}
		for _, g := range out.PolicyGroups {
			all = append(all, "group "+*g.GroupName)
		}
		for _, r := range out.PolicyRoles {
			all = append(all, "role "+*r.RoleName)
		}
		slices.Sort(all)
		return all
	}
	everyone := []string{"group devs", "role builder", "user Alice", "user bob", "user carol"} // bob once
	for _, c := range []struct {
		what string
		in   iam.ListEntitiesForPolicyInput
		want []string
	}{
		{"everyone", iam.ListEntitiesForPolicyInput{}, everyone},
		{"users", iam.ListEntitiesForPolicyInput{EntityFilter: types.EntityTypeUser}, []string{"user Alice", "user bob", "user carol"}},
		{"groups", iam.ListEntitiesForPolicyInput{EntityFilter: types.EntityTypeGroup}, []string{"group devs"}},
		{"roles", iam.ListEntitiesForPolicyInput{EntityFilter: types.EntityTypeRole}, []string{"role builder"}},
		{"policies", iam.ListEntitiesForPolicyInput{EntityFilter: types.EntityTypeLocalManagedPolicy}, nil},
		{"by permissions", iam.ListEntitiesForPolicyInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsPolicy}, []string{"group devs", "role builder", "user Alice", "user bob"}},
		{"by boundary", iam.ListEntitiesForPolicyInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}, []string{"user bob", "user carol"}},
		{"below a path", iam.ListEntitiesForPolicyInput{PathPrefix: aws.String("/ops/")}, []string{"user Alice"}},
	} {
		c.in.PolicyArn = &p
		equal(t, c.what, show(do(root, w.iam.ListEntitiesForPolicy, &c.in)), c.want)
	}
	var seen []string
	pages(func(marker *string) (int, bool, *string) {
		out := do(root, w.iam.ListEntitiesForPolicy, &iam.ListEntitiesForPolicyInput{PolicyArn: &p, Marker: marker, MaxItems: aws.Int32(2)})
		seen = append(seen, show(out)...)
		return len(show(out)), out.IsTruncated, out.Marker
	})
	slices.Sort(seen)
	equal(t, "in pages", seen, everyone)

	// A renamed user is listed by the new name.
	do(root, w.iam.UpdateUser, &iam.UpdateUserInput{UserName: aws.String("bob"), NewUserName: aws.String("robert")})
	got := show(do(root, w.iam.ListEntitiesForPolicy, &iam.ListEntitiesForPolicyInput{PolicyArn: &p, EntityFilter: types.EntityTypeUser}))
	equal(t, "after a renaming", got, []string{"user Alice", "user carol", "user robert"})
	w.consistent(t)
	refused(root, w.iam.DeletePolicy, &iam.DeletePolicyInput{PolicyArn: &p}, "DeleteConflict", "Cannot delete a policy attached to entities.")
}

// A policy that is only used as a boundary cannot be deleted either: whom it bounds
// would be free.
func TestDeletePolicyThatIsABoundary(t *testing.T) {
	w := newWorld(t)
	p := w.policy("p", allow("s3:*", "*"))
	w.user("alice")
	do(w.root(), w.iam.PutUserPermissionsBoundary, &iam.PutUserPermissionsBoundaryInput{UserName: aws.String("alice"), PermissionsBoundary: &p})
	refused(w.root(), w.iam.DeletePolicy, &iam.DeletePolicyInput{PolicyArn: &p}, "DeleteConflict", "Cannot delete a policy attached to entities.")
	do(w.root(), w.iam.DeleteUserPermissionsBoundary, &iam.DeleteUserPermissionsBoundaryInput{UserName: aws.String("alice")})
	do(w.root(), w.iam.DeletePolicy, &iam.DeletePolicyInput{PolicyArn: &p})
	w.consistent(t)
}

func TestPolicyTags(t *testing.T) {
	w := newWorld(t)
	p := w.policy("p", allow("s3:*", "*"))
	do(w.root(), w.iam.TagPolicy, &iam.TagPolicyInput{PolicyArn: &p, Tags: []types.Tag{tag("Team", "blue"), tag("cost", "7")}})
	do(w.root(), w.iam.TagPolicy, &iam.TagPolicyInput{PolicyArn: &p, Tags: []types.Tag{tag("team", "red"), tag("cost", "8")}})
	got := do(w.root(), w.iam.ListPolicyTags, &iam.ListPolicyTagsInput{PolicyArn: &p}).Tags
	if want := []types.Tag{tag("Team", "blue"), tag("cost", "8"), tag("team", "red")}; asJSON(got) != asJSON(want) {
		t.Errorf("tags = %s", asJSON(got))
	}
	do(w.root(), w.iam.UntagPolicy, &iam.UntagPolicyInput{PolicyArn: &p, TagKeys: []string{"Team", "none"}})
	got = do(w.root(), w.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: &p}).Policy.Tags
	if want := []types.Tag{tag("cost", "8"), tag("team", "red")}; asJSON(got) != asJSON(want) {
		t.Errorf("tags = %s", asJSON(got))
	}
	if got := do(w.root(), w.iam.ListPolicyTags, &iam.ListPolicyTagsInput{PolicyArn: aws.String(readOnly)}).Tags; len(got) != 0 {
		t.Errorf("tags of a policy of AWS = %s", asJSON(got))
	}
}

func TestPolicyPermissions(t *testing.T) {
	w := newWorld(t)
	admin := w.user("admin")
	p := w.policy("p", allow("s3:*", "*"))
	do(w.root(), w.iam.TagPolicy, &iam.TagPolicyInput{PolicyArn: &p, Tags: []types.Tag{tag("team", "blue")}})
	get := &iam.GetPolicyInput{PolicyArn: &p}
	denied(admin, w.iam.GetPolicy, get)
	w.may("admin", allow("iam:GetPolicy", p))
	do(admin, w.iam.GetPolicy, get)
	denied(admin, w.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: aws.String(readOnly)})
	w.may("admin", allowIf("iam:GetPolicy", "*", `{"StringEquals":{"aws:ResourceTag/team":"blue"}}`))
	do(admin, w.iam.GetPolicy, get)
	w.may("admin", allow("iam:GetPolicy", "arn:aws:iam::aws:policy/*"))
	do(admin, w.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: aws.String(readOnly)})
	denied(admin, w.iam.GetPolicy, get)
	// Another case than the policy's is no way around a Deny on its ARN.
	w.may("admin", allow("iam:*", "*"), statement("Deny", "iam:*", p, ""))
	refused(admin, w.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: aws.String("arn:aws:iam::111122223333:policy/P")},
		"NoSuchEntity", "Policy arn:aws:iam::111122223333:policy/P was not found.")

	create := &iam.CreatePolicyInput{PolicyName: aws.String("q"), Path: aws.String("/x/"), PolicyDocument: aws.String(allow("s3:*", "*")), Tags: []types.Tag{tag("team", "red")}}
	w.may("admin", allow("iam:CreatePolicy", "arn:aws:iam::111122223333:policy/x/q"))
	denied(admin, w.iam.CreatePolicy, create)
	w.may("admin", allow("iam:CreatePolicy", "arn:aws:iam::111122223333:policy/x/q"), allowIf("iam:TagPolicy", "*", `{"StringEquals":{"aws:RequestTag/team":"red"}}`))
	do(admin, w.iam.CreatePolicy, create)
}

// T311, T312: a new default version is new permissions for all who have the policy.
func TestT311_T312_DefaultVersionsNeedTheirOwnPermission(t *testing.T) {
	w := newWorld(t)
	mallory := w.user("mallory")
	p := w.policy("p", allow("*", "*"))
	w.version(p, allow("iam:GetUser", "*"), true) // v1 was too broad
	do(w.root(), w.iam.AttachUserPolicy, &iam.AttachUserPolicyInput{UserName: aws.String("mallory"), PolicyArn: &p})
	broad := &iam.CreatePolicyVersionInput{PolicyArn: &p, PolicyDocument: aws.String(allow("*", "*")), SetAsDefault: true}
	back := &iam.SetDefaultPolicyVersionInput{PolicyArn: &p, VersionId: aws.String("v1")}
	denied(mallory, w.iam.CreatePolicyVersion, broad)
	denied(mallory, w.iam.SetDefaultPolicyVersion, back)
	// With one permission alone, the other is still refused.
	w.may("mallory", allow("iam:CreatePolicyVersion", p))
	denied(mallory, w.iam.SetDefaultPolicyVersion, back)
	w.may("mallory", allow("iam:SetDefaultPolicyVersion", p))
	denied(mallory, w.iam.CreatePolicyVersion, broad)
	// With it, the effect is AWS's: at once, but never beyond the boundary.
	do(w.root(), w.iam.PutUserPermissionsBoundary, &iam.PutUserPermissionsBoundaryInput{UserName: aws.String("mallory"), PermissionsBoundary: aws.String(w.policy("b", allow("iam:SetDefaultPolicyVersion", "*")))})
	do(mallory, w.iam.SetDefaultPolicyVersion, back)
	denied(mallory, w.iam.CreatePolicyVersion, broad)
	do(w.root(), w.iam.DeleteUserPermissionsBoundary, &iam.DeleteUserPermissionsBoundaryInput{UserName: aws.String("mallory")})
	do(mallory, w.iam.CreatePolicyVersion, broad)
}

// The index of uses is what counts are taken from; a stranger's rows are not ours.
func TestCountsOfUsesAreOfOneAccount(t *testing.T) {
	w := newWorld(t)
	do(w.rootOf(theirs), w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("eve")})
	do(w.rootOf(theirs), w.iam.AttachUserPolicy, &iam.AttachUserPolicyInput{UserName: aws.String("eve"), PolicyArn: aws.String(readOnly)})
	if got := do(w.root(), w.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: aws.String(readOnly)}).Policy; *got.AttachmentCount != 0 {
		t.Errorf("another account's attachments are counted: %s", asJSON(got))
	}
	w.view(func(r store.Reader) error {
		n := 0
		err := identity.Attachments.Scan(r, "", func(store.Key, *identity.Attachment) bool { n++; return true }, string(theirs))
		if n != 1 {
			t.Errorf("their index has %d rows", n)
		}
		return err
	})
}
