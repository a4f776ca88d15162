package console

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// drain goes on until a list is empty, stops at the first refusal, and has an end where a
// list has none.
func TestDrain(t *testing.T) {
	type in struct{}
	refused := errors.New("refused")
	drainAll := func(items []int, page int, remove func(int) error) ([]int, error) {
		err := drain(t.Context(), func(context.Context, *in, ...func(*iam.Options)) (*[]int, error) {
			return &items, nil
		}, &in{}, func(out *[]int) ([]int, bool) {
			return slices.Clone((*out)[:min(page, len(*out))]), len(*out) > page
		}, func(n int) error {
			if err := remove(n); err != nil {
				return err
			}
			items = slices.DeleteFunc(items, func(m int) bool { return m == n })
			return nil
		})
		return items, err
	}
	all := func(int) error { return nil }
	if left, err := drainAll([]int{1, 2, 3, 4, 5}, 2, all); err != nil || len(left) != 0 {
		t.Errorf("three pages: %v, %v are left", err, left)
	}
	if left, err := drainAll(nil, 2, all); err != nil || len(left) != 0 {
		t.Errorf("nothing: %v, %v", err, left)
	}
	three := func(n int) error {
		if n == 3 {
			return refused
		}
		return nil
	}
	if left, err := drainAll([]int{1, 2, 3, 4, 5}, 2, three); !errors.Is(err, refused) || !slices.Equal(left, []int{3, 4, 5}) {
		t.Errorf("a refusal: %v, %v are left", err, left)
	}
	err := drain(t.Context(), func(context.Context, *in, ...func(*iam.Options)) (*in, error) { return &in{}, nil }, &in{},
		func(*in) ([]int, bool) { return []int{1}, true }, all)
	if !errors.Is(err, errTooMuch) {
		t.Errorf("without an end: %v", err)
	}
	if err := drain(t.Context(), func(context.Context, *in, ...func(*iam.Options)) (*in, error) { return nil, refused }, &in{},
		func(*in) ([]int, bool) { return nil, false }, all); !errors.Is(err, refused) {
		t.Errorf("a list that is refused: %v", err)
	}
}

// Whatever hangs on them, users, groups and roles are deleted.
func TestDeleteWithAllThatHangsOnIt(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	ctx, client := t.Context(), w.api().IAM
	alice, team, deploy, readOnly := aws.String("alice"), aws.String("team"), aws.String("deploy"), aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")
	inline, document := aws.String("own"), aws.String(nothing)
	must := func(_ any, err error) { t.Helper(); w.must(err) }
	must(client.CreateUser(ctx, &iam.CreateUserInput{UserName: alice}))
	must(client.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: team}))
	must(client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: deploy, AssumeRolePolicyDocument: aws.String(trusting("arn:aws:iam::111122223333:root"))}))
	must(client.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: alice, GroupName: team}))
	must(client.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: alice, Password: aws.String("Quiet-rivers-7-run-deep")}))
	must(client.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: alice}))
	must(client.CreateServiceSpecificCredential(ctx, &iam.CreateServiceSpecificCredentialInput{UserName: alice, ServiceName: aws.String("codecommit.amazonaws.com")}))
	must(client.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: alice, PolicyArn: readOnly}))
	must(client.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: alice, PolicyName: inline, PolicyDocument: document}))
	must(client.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: team, PolicyArn: readOnly}))
	must(client.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: team, PolicyName: inline, PolicyDocument: document}))
	must(client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: deploy, PolicyArn: readOnly}))
	must(client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: deploy, PolicyName: inline, PolicyDocument: document}))
	must(client.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: deploy}))
	must(client.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: deploy, RoleName: deploy}))

	w.post("/groups/team/delete", url.Values{"typed": {"team"}}).leadsTo(t, "/groups")
	must(client.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: team}))
	must(client.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: alice, GroupName: team}))
	w.post("/users/alice/delete", url.Values{"typed": {"alice"}}).leadsTo(t, "/users")
	w.post("/roles/deploy/delete", url.Values{"typed": {"deploy"}}).leadsTo(t, "/roles")
}
