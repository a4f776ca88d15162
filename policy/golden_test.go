package policy

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (rewrite with -update):\n%s", path, got)
	}
}

var kindNames = []string{
	ManagedPolicy: "managed", InlinePolicy: "inline", SessionPolicy: "session", TrustPolicy: "trust",
	ResourcePolicy: "resource", ServiceControlPolicy: "scp", ResourceControlPolicy: "rcp",
}

// malformedCase is a block of testdata/malformed.txt: a line with a kind and a
// title, the document, and what Parse says to it.
type malformedCase struct {
	title    string
	kind     Kind
	document string
}

func readMalformed(t testing.TB) []malformedCase {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "malformed.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []malformedCase
	for block := range bytes.SplitSeq(bytes.TrimSpace(data), []byte("\n\n")) {
		head, rest, _ := strings.Cut(string(block), "\n")
		kind, title, _ := strings.Cut(head, ": ")
		document, _, _ := strings.Cut(rest, "\n=>")
		i := slices.Index(kindNames, kind)
		if i < 1 {
			t.Fatalf("unknown kind in %q", head)
		}
		cases = append(cases, malformedCase{title, Kind(i), document})
	}
	return cases
}

// TestMalformedMessages: AWS's message, and the place and detail for people.
// "ok" stands where a document is accepted.
func TestMalformedMessages(t *testing.T) {
	var b strings.Builder
	for i, c := range readMalformed(t) {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s: %s\n%s\n=> ", kindNames[c.kind], c.title, c.document)
		_, err := Parse(c.document, c.kind)
		if err == nil {
			b.WriteString("ok\n")
			continue
		}
		e := err.(*SyntaxError)
		fmt.Fprintf(&b, "%s\n   %d:%d %s\n", e.Message, e.Line, e.Column, e.Detail)
	}
	golden(t, "malformed.txt", b.String())
}

// TestDenialSentences: one sentence for each layer and effect.
func TestDenialSentences(t *testing.T) {
	req := &Request{Caller: alice, Action: "iam:CreateUser", Resource: "arn:aws:iam::111122223333:user/bob"}
	assume := &Request{Caller: alice, Action: "sts:AssumeRole", Resource: "arn:aws:iam::111122223333:role/R"}
	managed := &Source{ID: "P", ARN: "arn:aws:iam::111122223333:policy/P"}
	inline := &Source{ID: "P"}
	var b strings.Builder
	say := func(title string, d Decision, r *Request) { fmt.Fprintf(&b, "%s\n  %s\n", title, d.Message(r)) }
	for l := LayerIdentity; l <= LayerTrust; l++ {
		r := req
		if l == LayerTrust {
			r = assume
		}
		if l != LayerRCP { // which always allows
			say(l.String()+", implicit", Decision{Effect: ImplicitDeny, Layer: l}, r)
		}
		say(l.String()+", explicit", Decision{Effect: ExplicitDeny, Layer: l, Source: inline}, r)
		say(l.String()+", explicit, managed policy", Decision{Effect: ExplicitDeny, Layer: l, Source: managed}, r)
	}
	cross := *req
	cross.ResourceAccount = "444455556666"
	say("managed policy, across accounts", Decision{Effect: ExplicitDeny, Layer: LayerIdentity, Source: managed}, &cross)
	session := *req
	session.Caller = roleSession
	say("role session", Decision{Effect: ImplicitDeny, Layer: LayerIdentity}, &session)
	nothing := *req
	nothing.Resource = ""
	say("no resource", Decision{Effect: ImplicitDeny, Layer: LayerIdentity}, &nothing)
	anonymous := *req
	anonymous.Caller = &Caller{Type: Anonymous}
	say("anonymous", Decision{Effect: ImplicitDeny, Layer: LayerResource}, &anonymous)
	say("allowed", Decision{Effect: Allowed, Allowed: true}, req)
	golden(t, "sentences.txt", b.String())
}

// TestRender shows explanations as people read them.
func TestRender(t *testing.T) {
	identity := func(statements string) *Set { return setOf(t, InlinePolicy, "user/alice", "AlicePolicy", statements) }
	readOnly := identity(`
  {"Sid": "Read", "Effect": "Allow", "Action": ["iam:Get*", "iam:List*"], "Resource": "*"},
  {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::reports/*"},
  {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}`)
	needMFA := identity(`
  {"Effect": "Allow", "Action": "*", "Resource": "*"},
  {"Sid": "DenyWithoutMFA", "Effect": "Deny", "NotAction": ["iam:*MFADevice", "sts:GetSessionToken"], "Resource": "*",
   "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}}`)
	full := setOf(t, ServiceControlPolicy, "", "FullAWSAccess", `{"Effect": "Allow", "Action": "*", "Resource": "*"}`)
	trust := setOf(t, TrustPolicy, "role/R", "", `
  {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole",
   "Condition": {"StringEquals": {"sts:ExternalId": "c7f3"}, "Bool": {"aws:MultiFactorAuthPresent": "true"}}}`)
	user := "arn:aws:iam::111122223333:user/bob"
	var ctx Context
	ctx.SetString("aws:username", "alice")
	ctx.SetString("sts:ExternalId", "wrong\x1b[2J")
	scenes := []struct {
		title string
		req   Request
		in    Inputs
	}{
		{"an action that nothing allows", Request{Action: "iam:CreateUser", Resource: user}, Inputs{Identity: readOnly, SCPs: []*Set{full}}},
		{"allowed", Request{Action: "iam:GetUser", Resource: user}, Inputs{Identity: readOnly}},
		{"a deny without MFA", Request{Action: "iam:GetUser", Resource: user, Context: &ctx}, Inputs{Identity: needMFA}},
		{"another resource", Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::payroll/x"}, Inputs{Identity: readOnly}},
		{"two layers in the way", Request{Action: "iam:CreateUser", Resource: user}, Inputs{Identity: readOnly, Boundary: readOnly, SCPs: []*Set{full, NewSet(nil)}}},
		{"a trust policy's conditions", Request{Action: "sts:AssumeRole", Resource: "arn:aws:iam::111122223333:role/R", Context: &ctx},
			Inputs{Identity: readOnly, Resource: trust, ResourceIsTrust: true}},
	}
	var b strings.Builder
	for _, s := range scenes {
		s.req.Caller = alice
		var trace Trace
		Evaluate(&s.req, &s.in, &trace)
		fmt.Fprintf(&b, "== %s\n", s.title)
		if err := trace.Render(&b); err != nil {
			t.Fatal(err)
		}
		b.WriteString("\n")
	}
	golden(t, "explanations.txt", b.String())
}

// setOf wraps statements into a document of the kind.
func setOf(t testing.TB, kind Kind, owner, name, statements string) *Set {
	t.Helper()
	d, err := Parse(`{"Version": "2012-10-17", "Statement": [`+statements+`]}`, kind)
	if err != nil {
		t.Fatalf("%v (%s)", err, err.(*SyntaxError).Detail)
	}
	source := map[Kind]SourceType{
		ManagedPolicy: SourceCustomerManaged, InlinePolicy: SourceUserInline, SessionPolicy: SourceSession, TrustPolicy: SourceTrust,
		ResourcePolicy: SourceResource, ServiceControlPolicy: SourceSCP, ResourceControlPolicy: SourceRCP,
	}[kind]
	typ, owner, _ := strings.Cut(owner, "/")
	ownerType := map[string]OwnerType{"user": OwnerUser, "role": OwnerRole}[typ]
	return NewSet([]Attached{{Source{Type: source, ID: name, OwnerType: ownerType, Owner: owner}, d}})
}
