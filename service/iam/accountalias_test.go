package iam

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

func TestAccountAlias(t *testing.T) {
	w := newWorld(t)
	root, eve := w.root(), w.rootOf(theirs)
	list := func(a actor) []string {
		return do(a, w.iam.ListAccountAliases, &iam.ListAccountAliasesInput{}).AccountAliases
	}
	create := func(alias string) *iam.CreateAccountAliasInput {
		return &iam.CreateAccountAliasInput{AccountAlias: &alias}
	}
	remove := func(alias string) *iam.DeleteAccountAliasInput {
		return &iam.DeleteAccountAliasInput{AccountAlias: &alias}
	}
	if got := list(root); got == nil || len(got) != 0 {
		t.Errorf("aliases = %#v: the list itself is there, and empty", got)
	}
	do(root, w.iam.CreateAccountAlias, create("acme"))
	equal(t, "aliases", list(root), []string{"acme"})
	w.consistent(t)

	// An alias is unique in the installation, for its own account too.
	refused(eve, w.iam.CreateAccountAlias, create("acme"), "EntityAlreadyExists", "The account alias acme already exists.")
	refused(root, w.iam.CreateAccountAlias, create("acme"), "EntityAlreadyExists", "The account alias acme already exists.")
	refused(eve, w.iam.DeleteAccountAlias, remove("acme"), "NoSuchEntity", "The account alias acme cannot be found.")
	refused(root, w.iam.DeleteAccountAlias, remove("none"), "NoSuchEntity", "The account alias none cannot be found.")
	refused(root, w.iam.CreateAccountAlias, create("444455556666"), "ValidationError", "The account alias 444455556666 is invalid. It must not be a number of 12 digits.")

	// A second alias replaces the first, which others may take.
	do(root, w.iam.CreateAccountAlias, create("acme-corp"))
	equal(t, "aliases", list(root), []string{"acme-corp"})
	do(eve, w.iam.CreateAccountAlias, create("acme"))
	w.consistent(t)
	do(root, w.iam.DeleteAccountAlias, remove("acme-corp"))
	if got := list(root); len(got) != 0 {
		t.Errorf("aliases = %q", got)
	}
	w.consistent(t)

	alice := w.user("alice")
	denied(alice, w.iam.ListAccountAliases, &iam.ListAccountAliasesInput{})
	denied(alice, w.iam.CreateAccountAlias, create("x-y-z"))
	w.may("alice", allow("iam:*AccountAlias*", "*"))
	do(alice, w.iam.CreateAccountAlias, create("x-y-z"))
	do(alice, w.iam.DeleteAccountAlias, &iam.DeleteAccountAliasInput{AccountAlias: aws.String("x-y-z")})
}
