package iam

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// large is an account with a thousand roles, each with an inline and an attached
// policy, and a trust policy that names a role.
func large(b *testing.B) *world {
	w := newWorld(b)
	w.role("caller")
	p := w.policy("p", allow("s3:*", "*"))
	for i := range 999 {
		name := aws.String(fmt.Sprintf("role%04d", i))
		do(w.root(), w.iam.CreateRole, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(trusting("arn:aws:iam::111122223333:role/caller"))})
		do(w.root(), w.iam.AttachRolePolicy, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: &p})
		do(w.root(), w.iam.PutRolePolicy, &iam.PutRolePolicyInput{RoleName: name, PolicyName: name, PolicyDocument: aws.String(allow("s3:*", "*"))})
	}
	return w
}

// call runs fn as an operation on a snapshot, without authorization.
func call(b *testing.B, w *world, fn func(c *service.Call) error) {
	err := w.db.View(context.Background(), func(r store.Reader) error {
		return fn(&service.Call{Now: w.now, Rand: rand.Reader, Scope: arn.Scope{Partition: "aws", Account: ours}, Principal: w.root().p, Reader: r})
	})
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkGetRole(b *testing.B) {
	w := large(b)
	b.ReportAllocs()
	for b.Loop() {
		call(b, w, func(c *service.Call) error {
			_, err := w.iam.GetRole(c, &iam.GetRoleInput{RoleName: aws.String("role0500")})
			return err
		})
	}
}

func BenchmarkListRolesPageOf100(b *testing.B) {
	w := large(b)
	b.ReportAllocs()
	for b.Loop() {
		call(b, w, func(c *service.Call) error {
			_, err := w.iam.ListRoles(c, &iam.ListRolesInput{})
			return err
		})
	}
}

func BenchmarkGetPolicyAttachedTo999Roles(b *testing.B) {
	w := large(b)
	b.ReportAllocs()
	for b.Loop() {
		call(b, w, func(c *service.Call) error {
			_, err := w.iam.GetPolicy(c, &iam.GetPolicyInput{PolicyArn: aws.String("arn:aws:iam::111122223333:policy/p")})
			return err
		})
	}
}

func BenchmarkAccountDetailsPageOf100(b *testing.B) {
	w := large(b)
	b.ReportAllocs()
	for b.Loop() {
		call(b, w, func(c *service.Call) error {
			_, err := w.iam.GetAccountAuthorizationDetails(c, &iam.GetAccountAuthorizationDetailsInput{})
			return err
		})
	}
}
