package iam

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// benchWorld is a world with room for many users, and a Call of its root user.
func benchWorld(b *testing.B) (*world, func(store.Reader, store.Tx) *service.Call) {
	w := newWorld(b)
	w.iam.limits.UsersPerAccount = 1 << 30
	seed := rand.NewChaCha8([32]byte{})
	return w, func(r store.Reader, tx store.Tx) *service.Call {
		return &service.Call{Now: w.now, Rand: seed, Principal: w.root().p, Scope: arn.Scope{Partition: "aws", Account: ours}, Reader: r, Tx: tx}
	}
}

// The operation and its transaction in memory, without authorization and audit.
func BenchmarkCreateUser(b *testing.B) {
	w, call := benchWorld(b)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		name := fmt.Sprintf("user%d", n)
		err := w.db.Update(b.Context(), func(tx store.Tx) error {
			_, err := w.iam.CreateUser(call(tx, tx), &iam.CreateUserInput{UserName: &name})
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreateAndDeleteAccessKey(b *testing.B) {
	w, call := benchWorld(b)
	w.user("alice")
	b.ReportAllocs()
	for b.Loop() {
		err := w.db.Update(b.Context(), func(tx store.Tx) error {
			c := call(tx, tx)
			out, err := w.iam.CreateAccessKey(c, &iam.CreateAccessKeyInput{UserName: aws.String("alice")})
			if err != nil {
				return err
			}
			_, err = w.iam.DeleteAccessKey(c, &iam.DeleteAccessKeyInput{UserName: aws.String("alice"), AccessKeyId: out.AccessKey.AccessKeyId})
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// A page of 100 users, from the middle of 5,000.
func BenchmarkListUsers(b *testing.B) {
	w, call := benchWorld(b)
	w.edit(func(tx store.Tx) error {
		for i := range 5000 {
			if _, err := w.iam.CreateUser(call(tx, tx), &iam.CreateUserInput{UserName: aws.String(fmt.Sprintf("user%04d", i))}); err != nil {
				return err
			}
		}
		return nil
	})
	in := &iam.ListUsersInput{MaxItems: aws.Int32(1000)}
	in.Marker = do(w.root(), w.iam.ListUsers, in).Marker
	in.MaxItems = nil
	b.ReportAllocs()
	for b.Loop() {
		w.view(func(r store.Reader) error {
			_, err := w.iam.ListUsers(call(r, nil), in)
			return err
		})
	}
}
