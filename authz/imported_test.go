package authz_test

import (
	"testing"

	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// TestImportedManagedPolicy: an AWS managed policy that is imported decides from the next
// request on, in place of the catalogue's or as a new one, and so does its removal.
func TestImportedManagedPolicy(t *testing.T) {
	w := newWorld(t)
	const readOnly, unknown = "arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/service-role/NobodyKnowsThis"
	alice := as(w.user("alice", func(u *identity.User) { u.Attached = []string{readOnly} }))
	bob := as(w.user("bob", func(u *identity.User) { u.Attached = []string{unknown} }))
	put := func(place, document string) {
		w.update(func(tx store.Tx) error {
			return identity.ManagedPolicies.Put(tx, &identity.ManagedPolicy{
				ID: "ANPA0000000000000000A", Created: noon, Updated: noon, Default: "v2",
				Versions: []identity.ManagedPolicyVersion{{ID: "v2", Document: document}, {ID: "v3", Document: doc(allow("*"))}},
			}, place)
		})
	}
	w.may(alice, "iam:GetUser")
	w.mayNot(alice, "sqs:SendMessage")
	if _, err := w.ask(bob, authz.Check{Action: "sqs:SendMessage"}); err == nil {
		t.Error("a policy that does not exist is passed over: it may have held a Deny")
	}
	put("/ReadOnlyAccess", doc(allow("sqs:*")))
	put("/service-role/NobodyKnowsThis", doc(allow("sqs:*")))
	w.mayNot(alice, "iam:GetUser")
	w.may(alice, "sqs:SendMessage")
	w.may(bob, "sqs:SendMessage")
	put("/ReadOnlyAccess", doc(allow("sns:*")))
	w.mayNot(alice, "sqs:SendMessage")
	w.may(alice, "sns:Publish")
	w.update(func(tx store.Tx) error {
		identity.ManagedPolicies.Delete(tx, "/ReadOnlyAccess")
		return nil
	})
	w.may(alice, "iam:GetUser")
	w.mayNot(alice, "sns:Publish")
}
