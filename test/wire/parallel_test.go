package wire_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
	"github.com/lanyard-iam/lanyard/lanyardtest"
)

// at once runs fn n times, all at the same time, and returns the errors.
func atOnce(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// Of 50 people who make a user of one name, one does, and 49 learn that there is one.
func TestOneOfManyMakesTheUser(t *testing.T) {
	t.Parallel()
	client := iam.NewFromConfig(lanyardtest.New(t).Config())
	names := []string{"alice", "Alice", "ALICE"} // which are one name
	for round := range 5 {
		made := 0
		for i, err := range atOnce(50, func(i int) error {
			_, err := client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &names[i%len(names)]})
			return err
		}) {
			var exists *types.EntityAlreadyExistsException
			switch {
			case err == nil:
				made++
			case !errors.As(err, &exists):
				t.Errorf("round %d, request %d: %v", round, i, err)
			}
		}
		if made != 1 {
			t.Errorf("round %d: the user was made %d times", round, made)
		}
		if _, err := client.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: &names[0]}); err != nil {
			t.Fatal(err)
		}
	}
}

// A quota is kept to, however many try at once.
func TestQuotasHoldAgainstManyAtOnce(t *testing.T) {
	t.Parallel()
	client := iam.NewFromConfig(lanyardtest.New(t).Config())
	if _, err := client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("alice")}); err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, err := range atOnce(50, func(int) error {
		_, err := client.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String("alice")})
		return err
	}) {
		var full *types.LimitExceededException
		if err == nil {
			made++
		} else if !errors.As(err, &full) {
			t.Error(err)
		}
	}
	if made != 2 {
		t.Errorf("%d access keys were made", made)
	}
}

// What Terraform does at parallelism 50: users, groups, roles and policies are made,
// tied together, tagged, changed and taken apart again, all at once, some of it about
// the same entities. Nothing fails but by a rule of IAM, nothing is lost, and the
// lists from both ends of each tie agree.
func TestManyChangesAtOnce(t *testing.T) {
	t.Parallel()
	client, ctx := iam.NewFromConfig(lanyardtest.New(t).Config()), t.Context()
	document := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`)
	trust := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	shared, err := client.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("shared"), PolicyDocument: document})
	if err != nil {
		t.Fatal(err)
	}
	policy := shared.Policy.Arn
	if _, err := client.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("everybody")}); err != nil {
		t.Fatal(err)
	}
	before, err := client.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})
	if err != nil {
		t.Fatal(err)
	}

	const stacks = 50
	// Each stack is a chain of changes; those of all stacks run at once.
	steps := func(i int, down bool) []func() error {
		user, group, role := aws.String(fmt.Sprint("user", i)), aws.String(fmt.Sprint("group", i)), aws.String(fmt.Sprint("role", i))
		profile, everybody := aws.String(fmt.Sprint("profile", i)), aws.String("everybody")
		tags := []types.Tag{{Key: aws.String("stack"), Value: aws.String(fmt.Sprint(i))}}
		if down {
			return []func() error{
				func() error {
					_, err := client.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: everybody, UserName: user})
					return err
				},
				func() error {
					_, err := client.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: group, UserName: user})
					return err
				},
				func() error {
					_, err := client.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: user, PolicyArn: policy})
					return err
				},
				func() error { _, err := client.DeleteUser(ctx, &iam.DeleteUserInput{UserName: user}); return err },
				func() error { _, err := client.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: group}); return err },
				func() error {
					_, err := client.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: profile, RoleName: role})
					return err
				},
				func() error {
					_, err := client.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: profile})
					return err
				},
				func() error {
					_, err := client.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: role, PolicyName: aws.String("inline")})
					return err
				},
				func() error {
					_, err := client.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: role, PolicyArn: policy})
					return err
				},
				func() error { _, err := client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: role}); return err },
			}
		}
		return []func() error{
			func() error {
				_, err := client.CreateUser(ctx, &iam.CreateUserInput{UserName: user, Tags: tags})
				return err
			},
			func() error { _, err := client.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: group}); return err },
			func() error {
				_, err := client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: role, AssumeRolePolicyDocument: trust})
				return err
			},
			func() error {
				_, err := client.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: profile})
				return err
			},
			func() error {
				_, err := client.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: everybody, UserName: user})
				return err
			},
			func() error {
				_, err := client.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: group, UserName: user})
				return err
			},
			func() error {
				_, err := client.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: user, PolicyArn: policy})
				return err
			},
			func() error {
				_, err := client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: policy})
				return err
			},
			func() error {
				_, err := client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: role, PolicyName: aws.String("inline"), PolicyDocument: document})
				return err
			},
			func() error {
				_, err := client.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: profile, RoleName: role})
				return err
			},
			func() error { _, err := client.TagRole(ctx, &iam.TagRoleInput{RoleName: role, Tags: tags}); return err },
			func() error { _, err := client.GetUser(ctx, &iam.GetUserInput{UserName: user}); return err },
			func() error {
				_, err := client.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: policy})
				return err
			},
		}
	}
	run := func(down bool) {
		t.Helper()
		errs := atOnce(stacks, func(i int) error {
			for n, step := range steps(i, down) {
				if err := step(); err != nil {
					return fmt.Errorf("stack %d, step %d: %w", i, n, err)
				}
			}
			return nil
		})
		for _, err := range errs {
			if err != nil {
				t.Error(err)
			}
		}
	}
	// Beside them, people who spoil each other's work may be refused, and by AWS's
	// errors only.
	quarrel := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-quarrel:
					return
				default:
				}
				name := aws.String(fmt.Sprint("quarrel", n%3))
				var err error
				switch (n + i) % 6 {
				case 0:
					_, err = client.CreateUser(ctx, &iam.CreateUserInput{UserName: name})
				case 1:
					_, err = client.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: aws.String("everybody"), UserName: name})
				case 2:
					_, err = client.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: policy})
				case 3:
					_, err = client.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: aws.String("everybody"), UserName: name})
				case 4:
					_, err = client.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: name, PolicyArn: policy})
				case 5:
					_, err = client.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name})
				}
				var refusal smithy.APIError
				if err != nil && (!errors.As(err, &refusal) || !slices.Contains([]string{"NoSuchEntity", "EntityAlreadyExists", "DeleteConflict"}, refusal.ErrorCode())) {
					t.Errorf("a quarrel: %v", err)
				}
			}
		})
	}
	run(false)
	close(quarrel)
	wg.Wait()

	// From both ends: the group's users and the policy's are those of the details.
	var fromUsers, fromPolicy, fromGroup []string
	details := iam.NewGetAccountAuthorizationDetailsPaginator(client, &iam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{types.EntityTypeUser, types.EntityTypeRole}})
	for details.HasMorePages() {
		page, err := details.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.UserDetailList {
			if len(u.AttachedManagedPolicies) > 0 && *u.AttachedManagedPolicies[0].PolicyArn == *policy {
				fromUsers = append(fromUsers, *u.UserName)
			}
			if slices.Contains(u.GroupList, "everybody") {
				fromGroup = append(fromGroup, *u.UserName)
			}
		}
		for _, r := range page.RoleDetailList {
			if len(r.AttachedManagedPolicies) > 0 && *r.AttachedManagedPolicies[0].PolicyArn == *policy {
				fromUsers = append(fromUsers, *r.RoleName)
				if len(r.RolePolicyList) != 1 || len(r.InstanceProfileList) != 1 || len(r.Tags) != 1 {
					t.Errorf("role %s lacks something", *r.RoleName)
				}
			}
		}
	}
	uses := iam.NewListEntitiesForPolicyPaginator(client, &iam.ListEntitiesForPolicyInput{PolicyArn: policy})
	for uses.HasMorePages() {
		page, err := uses.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.PolicyUsers {
			fromPolicy = append(fromPolicy, *u.UserName)
		}
		for _, r := range page.PolicyRoles {
			fromPolicy = append(fromPolicy, *r.RoleName)
		}
	}
	var members []string
	group := iam.NewGetGroupPaginator(client, &iam.GetGroupInput{GroupName: aws.String("everybody")})
	for group.HasMorePages() {
		page, err := group.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Users {
			members = append(members, *u.UserName)
		}
	}
	for _, list := range [][]string{fromUsers, fromPolicy, fromGroup, members} {
		slices.Sort(list)
	}
	if !slices.Equal(fromUsers, fromPolicy) || !slices.Equal(fromGroup, members) {
		t.Errorf("the ends disagree:\npolicy\n%q\n%q\ngroup\n%q\n%q", fromUsers, fromPolicy, fromGroup, members)
	}
	stacked := func(name string) bool { return !strings.HasPrefix(name, "quarrel") }
	if n := len(slices.DeleteFunc(fromUsers, func(s string) bool { return !stacked(s) })); n != 2*stacks {
		t.Errorf("%d of %d attachments are there", n, 2*stacks)
	}

	// And down again, to where it began.
	run(true)
	for n := range 3 {
		name := aws.String(fmt.Sprint("quarrel", n))
		_, _ = client.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: aws.String("everybody"), UserName: name})
		_, _ = client.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: name, PolicyArn: policy})
		_, _ = client.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name})
	}
	after, err := client.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})
	if err != nil {
		t.Fatal(err)
	}
	for key, n := range before.SummaryMap {
		if after.SummaryMap[key] != n {
			t.Errorf("%s was %d and is %d", key, n, after.SummaryMap[key])
		}
	}
	if _, err := client.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: policy}); err != nil {
		t.Errorf("something is attached still: %v", err)
	}
	if _, err := client.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: aws.String("everybody")}); err != nil {
		t.Errorf("someone is a member still: %v", err)
	}
}
