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
)

// tags reads "k=v" pairs.
func tags(pairs ...string) (out []types.Tag) {
	for _, p := range pairs {
		k, v, _ := strings.Cut(p, "=")
		out = append(out, types.Tag{Key: &k, Value: &v})
	}
	return out
}

func pairs(tags []types.Tag) (out []string) {
	for _, t := range tags {
		out = append(out, aws.ToString(t.Key)+"="+aws.ToString(t.Value))
	}
	return out
}

func TestTagUser(t *testing.T) {
	w := newWorld(t)
	root, alice := w.root(), aws.String("alice")
	w.user("alice")
	tag := func(p ...string) *iam.TagUserInput { return &iam.TagUserInput{UserName: alice, Tags: tags(p...)} }
	list := func() []string {
		return pairs(do(root, w.iam.ListUserTags, &iam.ListUserTagsInput{UserName: alice}).Tags)
	}
	do(root, w.iam.TagUser, tag("Department=sales", "Cost=", "area=north"))
	equal(t, "tags, sorted by key", list(), []string{"Cost=", "Department=sales", "area=north"})
	do(root, w.iam.TagUser, tag("department=support")) // replaces, whatever the case
	equal(t, "tags", list(), []string{"Cost=", "area=north", "department=support"})
	do(root, w.iam.UntagUser, &iam.UntagUserInput{UserName: alice, TagKeys: []string{"COST", "never-there"}})
	equal(t, "tags", list(), []string{"area=north", "department=support"})

	refused(root, w.iam.TagUser, tag("a=1", "A=2"), "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
	for _, reserved := range []string{"aws:x=1", "AWS:x=1", "x=aws:1", "x=Aws:1"} {
		refused(root, w.iam.TagUser, tag(reserved), "InvalidInput", "Tag keys and values cannot begin with aws:")
	}
	equal(t, "tags after refusals", list(), []string{"area=north", "department=support"})
	do(root, w.iam.UntagUser, &iam.UntagUserInput{UserName: alice, TagKeys: []string{"area", "department"}})
	if got := do(root, w.iam.ListUserTags, &iam.ListUserTagsInput{UserName: alice}).Tags; got == nil || len(got) != 0 {
		t.Errorf("no tags = %#v: the list itself is there, and empty", got)
	}
	if got := do(root, w.iam.GetUser, &iam.GetUserInput{UserName: alice}).User.Tags; got != nil {
		t.Errorf("GetUser shows %v", got)
	}
}

func TestFiftyTags(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	var fifty []string
	for i := range 50 {
		fifty = append(fifty, fmt.Sprintf("key%02d=v", i))
	}
	do(w.root(), w.iam.TagUser, &iam.TagUserInput{UserName: aws.String("alice"), Tags: tags(fifty...)})
	refused(w.root(), w.iam.TagUser, &iam.TagUserInput{UserName: aws.String("alice"), Tags: tags("one=more")},
		"LimitExceeded", "Cannot exceed quota for TagsPerResource: 50")
	do(w.root(), w.iam.TagUser, &iam.TagUserInput{UserName: aws.String("alice"), Tags: tags("KEY00=replaced")})
	var seen []string
	sizes := pages(func(marker *string) (int, bool, *string) {
		out := do(w.root(), w.iam.ListUserTags, &iam.ListUserTagsInput{UserName: aws.String("alice"), Marker: marker, MaxItems: aws.Int32(20)})
		seen = append(seen, pairs(out.Tags)...)
		return len(out.Tags), out.IsTruncated, out.Marker
	})
	if !slices.Equal(sizes, []int{20, 20, 10}) || len(seen) != 50 || !slices.IsSorted(seen) {
		t.Errorf("pages of %v with %q", sizes, seen)
	}
}

// Keys in scripts of several bytes a letter exceed what a marker can carry.
func TestListTagsWithLongKeys(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	var all []string
	for i := range 9 {
		all = append(all, strings.Repeat("鍵", 100)+strings.Repeat(string(rune('ア'+i)), 20)+"=v")
	}
	do(w.root(), w.iam.TagUser, &iam.TagUserInput{UserName: aws.String("alice"), Tags: tags(all...)})
	var seen []string
	pages(func(marker *string) (int, bool, *string) {
		out := do(w.root(), w.iam.ListUserTags, &iam.ListUserTagsInput{UserName: aws.String("alice"), Marker: marker, MaxItems: aws.Int32(2)})
		seen = append(seen, pairs(out.Tags)...)
		return len(out.Tags), out.IsTruncated, out.Marker
	})
	slices.Sort(all)
	equal(t, "tags", seen, all)
}

func TestTagsDoNotTouchTheSharedRecord(t *testing.T) {
	s := &Service{limits: DefaultLimits()}
	have := make([]identity.Tag, 2, 8) // with room to append in place
	have[0], have[1] = identity.Tag{Key: "b", Value: "1"}, identity.Tag{Key: "c", Value: "2"}
	before := slices.Clone(have)
	if _, err := s.setTags(have, tags("a=0", "C=3"), anyCase); err != nil {
		t.Fatal(err)
	}
	removeTags(have, []string{"b"}, exactCase)
	if !slices.Equal(have, before) || have[:3][2] != (identity.Tag{}) {
		t.Errorf("the shared tags became %v", have[:3])
	}
}

// Tags decide where permissions hang on them: only who may tag can change them.
func TestT334_OnlyTagUser(t *testing.T) {
	w := newWorld(t)
	eve := w.user("eve")
	w.user("target")
	abac := allowIf("iam:CreateAccessKey", "*", `{"StringEquals":{"iam:ResourceTag/team":"eve"}}`)
	w.may("eve", abac)
	take := &iam.CreateAccessKeyInput{UserName: aws.String("target")}
	tag := &iam.TagUserInput{UserName: aws.String("target"), Tags: tags("team=eve")}
	denied(eve, w.iam.CreateAccessKey, take)
	denied(eve, w.iam.TagUser, tag)
	w.may("eve", abac, allow("iam:TagUser", "*"), statement("Deny", "iam:TagUser", "*", `{"ForAnyValue:StringEquals":{"aws:TagKeys":["team"]}}`))
	denied(eve, w.iam.TagUser, tag)
	// With the grant, as on AWS.
	w.may("eve", abac, allow("iam:TagUser", "*"))
	do(eve, w.iam.TagUser, tag)
	do(eve, w.iam.CreateAccessKey, take)
}

// The tags that something is created with count as its own, whatever it is.
func TestTagsAtCreationAreTheResourcesOwn(t *testing.T) {
	w := newWorld(t)
	admin, name := w.user("admin"), aws.String("new")
	w.may("admin", allowIf("iam:*", "*", `{"StringEquals":{"aws:ResourceTag/team":"blue"}}`))
	for what, create := range map[string]func([]types.Tag) error{
		"user": func(given []types.Tag) error {
			_, err := try(admin, w.iam.CreateUser, &iam.CreateUserInput{UserName: name, Tags: given})
			return err
		},
		"role": func(given []types.Tag) error {
			_, err := try(admin, w.iam.CreateRole, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(trusting(string(ours))), Tags: given})
			return err
		},
		"policy": func(given []types.Tag) error {
			_, err := try(admin, w.iam.CreatePolicy, &iam.CreatePolicyInput{PolicyName: name, PolicyDocument: aws.String(allow("s3:GetObject", "*")), Tags: given})
			return err
		},
		"instance profile": func(given []types.Tag) error {
			_, err := try(admin, w.iam.CreateInstanceProfile, &iam.CreateInstanceProfileInput{InstanceProfileName: name, Tags: given})
			return err
		},
		"MFA device": func(given []types.Tag) error {
			_, err := try(admin, w.iam.CreateVirtualMFADevice, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: name, Tags: given})
			return err
		},
	} {
		for _, given := range [][]types.Tag{nil, tags("team=red")} {
			if err := create(given); codeOf(err) != "AccessDenied" {
				t.Errorf("%s with tags %q: %v, want AccessDenied", what, pairs(given), err)
			}
		}
		if err := create(tags("team=blue")); err != nil {
			t.Errorf("%s with the tag asked for: %v", what, err)
		}
	}
}
