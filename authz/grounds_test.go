package authz_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
)

// TestRecordOfAllowed: the record of an allowed request has the statements that allowed
// it and what was seen of their conditions.
func TestRecordOfAllowed(t *testing.T) {
	w := newWorld(t)
	alice := as(w.user("alice", func(u *identity.User) {
		u.Inline = inline(`"Sid":"TLS","Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}`, allow("iam:*"))
	}))
	_, record := w.onRecord(alice, authz.Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"})
	if record.Sole || record.Grounds == nil || len(record.Grounds.Statements) != 1 {
		t.Fatalf("grounds %+v", record.Grounds)
	}
	g := record.Grounds.Statements[0]
	if g.Sid != "TLS" || g.Policy.Owner != "user/alice" || len(g.Conditions) != 1 || strings.Join(g.Conditions[0].Seen, " ") != "true" {
		t.Errorf("ground %+v", g)
	}
	if _, record = w.onRecord(alice, authz.Check{Action: "iam:GetUser"}); !record.Sole || record.Grounds != nil || record.Index != 2 {
		t.Errorf("record %+v", record)
	}
	if _, record = w.onRecord(alice, authz.Check{Action: "sqs:SendMessage"}); record.Sole || record.Grounds != nil {
		t.Errorf("grounds of a denial: %+v", record.Grounds)
	}
	if _, record = w.onRecord(root(home), authz.Check{Action: "iam:GetUser"}); record.Sole || record.Grounds != nil {
		t.Errorf("grounds of root: %+v", record.Grounds)
	}
}

// TestForeignGrounds: what a caller's trail keeps of a cross-account call says nothing
// of the other account's policy and tags, whether the call was allowed or denied.
func TestForeignGrounds(t *testing.T) {
	w := newWorld(t)
	const tag, external = "canary-tag-value", "canary-external-id"
	alice := as(w.user("alice", func(u *identity.User) {
		u.Inline = inline(
			`"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*","Condition":{"StringLike":{"iam:ResourceTag/Stage":"*"}}`,
			`"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/Stage":"dev"}}`)
	}))
	for _, trusted := range []string{string(home), string(foreign)} {
		role := &identity.Role{Account: foreign, Name: "partner", TrustPolicy: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + trusted +
			`"},"Action":"sts:AssumeRole","Condition":{"StringLike":{"sts:ExternalId":"` + external + `*"}}}}`}
		trust, err := w.authz.TrustPolicy(role, "aws")
		if err != nil {
			t.Fatal(err)
		}
		check := authz.Check{Action: "sts:AssumeRole", Resource: "arn:aws:iam::444455556666:role/partner", Account: foreign, ResourcePolicy: trust, Trust: true}.
			WithResourceTags([]identity.Tag{{Key: "Stage", Value: tag}}).With("sts:ExternalId", external+"-and-more")
		d, record := w.onRecord(alice, check)
		if d.Allowed != (trusted == string(home)) {
			t.Fatalf("trusting %s: allowed = %v: %s", trusted, d.Allowed, d.Message)
		}
		text, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		trace := w.trace(alice, check)
		trace.Context = nil // the external id is in the request, too
		traced, err := json.Marshal(trace)
		if err != nil {
			t.Fatal(err)
		}
		for _, canary := range []string{tag, external} {
			if strings.Contains(string(text), canary) {
				t.Errorf("trusting %s: the record has %s: %s", trusted, canary, text)
			}
			if strings.Contains(string(traced), canary) {
				t.Errorf("trusting %s: the trace has %s: %s", trusted, canary, traced)
			}
		}
		if d.Allowed && (len(record.Grounds.Statements) != 1 || record.Grounds.Statements[0].Layer != policy.LayerIdentity) {
			t.Errorf("grounds %+v", record.Grounds)
		}
	}
}
