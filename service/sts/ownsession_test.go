package sts_test

//lint:file-ignore SA1019 PackedPolicySize is what every client but the newest SDK reads.

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/service/sts"
	"github.com/lanyard-iam/lanyard/store"
)

const denyAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`

func TestGetSessionToken(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice", denyAll) // no permission needed, and none can be taken
	root := w.root(ours)
	for _, c := range []struct {
		p       *authn.Principal
		seconds *int32
		want    time.Duration
	}{
		{alice, nil, 12 * time.Hour},
		{alice, aws.Int32(900), 15 * time.Minute},
		{alice, aws.Int32(129600), 36 * time.Hour},
		{root, nil, time.Hour},
		{root, aws.Int32(900), 15 * time.Minute},
		{root, aws.Int32(129600), time.Hour},
	} {
		out, err := w.call(c.p, "GetSessionToken", &awssts.GetSessionTokenInput{DurationSeconds: c.seconds})
		w.must(err)
		given := out.(*awssts.GetSessionTokenOutput)
		w.measured(given.Credentials, given.SessionTokenSize, given.SessionTokenUtilization)
		cr := given.Credentials
		if got := cr.Expiration.Sub(w.now); got != c.want {
			t.Errorf("%s for %v: %v, want %v", c.p.ARN, aws.ToInt32(c.seconds), got, c.want)
		}
		p := w.with(cr)
		if p.Kind != c.p.Kind || p.ID != c.p.ID || p.ARN != c.p.ARN || p.Session.Issuer != c.p.AccessKeyID {
			t.Errorf("%s became %+v", c.p.ARN, p)
		}
	}
}

func TestT288_WhatSessionsMayNotCall(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice", allowAll)
	role := w.role(ours, "r", trusts(string(ours)), may(allowAll))
	plain, err := w.sessionToken(alice, nil, nil)
	w.must(err)
	vouched, err := w.federated(alice, &awssts.GetFederationTokenInput{Name: aws.String("bob"), Policy: aws.String(allowAll)})
	w.must(err)
	user, federated, assumed := w.with(plain.Credentials), w.with(vouched.Credentials), w.assumed(alice, role)
	inputs := map[string]any{
		"AssumeRole":                 &awssts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("work")},
		"GetCallerIdentity":          &awssts.GetCallerIdentityInput{},
		"GetFederationToken":         &awssts.GetFederationTokenInput{Name: aws.String("carol")},
		"GetSessionToken":            &awssts.GetSessionTokenInput{},
		"GetAccessKeyInfo":           &awssts.GetAccessKeyInfoInput{AccessKeyId: &alice.AccessKeyID},
		"DecodeAuthorizationMessage": &awssts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String("x")},
	}
	for _, c := range []struct {
		kind    string
		p       *authn.Principal
		refused string // operations
	}{
		{"GetSessionToken", user, "GetFederationToken GetSessionToken GetAccessKeyInfo DecodeAuthorizationMessage"},
		{"GetFederationToken", federated, "AssumeRole GetFederationToken GetSessionToken GetAccessKeyInfo DecodeAuthorizationMessage"},
		{"AssumeRole", assumed, "GetFederationToken GetSessionToken"},
	} {
		for op, in := range inputs {
			_, err := w.call(c.p, op, in)
			if strings.Contains(c.refused, op) {
				w.refused(c.kind+" calls "+op, err, "AccessDenied", "Cannot call "+op+" with session credentials")
			} else if e := new(types.InvalidAuthorizationMessageException); err != nil && !errors.As(err, &e) {
				t.Errorf("%s calls %s: %v", c.kind, op, err)
			}
		}
	}
}

// A token may be longer than what counts as full.
func TestSessionTokenUtilizationEndsAt100(t *testing.T) {
	w := newWorld(t)
	in := &awssts.GetFederationTokenInput{Name: aws.String("bob"), Policy: aws.String(allowAll + strings.Repeat(" ", 2048-len(allowAll)))}
	for i := range 6 {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(fmt.Sprint("k", i)), Value: aws.String(strings.Repeat("v", 256))})
	}
	out, err := w.federated(w.root(ours), in)
	w.must(err)
	w.measured(out.Credentials, out.SessionTokenSize, out.SessionTokenUtilization)
	if *out.SessionTokenSize <= 4096 || *out.SessionTokenUtilization != 100 {
		t.Errorf("%d bytes, %d%%", *out.SessionTokenSize, *out.SessionTokenUtilization)
	}
}

func TestGetFederationToken(t *testing.T) {
	w := newWorld(t)
	const s3AndSQS = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","sqs:*","sts:GetFederationToken"],"Resource":"*"}]}`
	const s3 = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","ec2:*"],"Resource":"*"}]}`
	alice := w.user(ours, "alice", s3AndSQS)

	// Without session policies: an identity that may do nothing.
	out, err := w.federated(alice, &awssts.GetFederationTokenInput{Name: aws.String("bob")})
	w.must(err)
	if got := out.FederatedUser; *got.Arn != "arn:aws:sts::111111111111:federated-user/bob" || *got.FederatedUserId != "111111111111:bob" {
		t.Errorf("federated user %s, %s", *got.Arn, *got.FederatedUserId)
	}
	if out.PackedPolicySize != nil {
		t.Error("PackedPolicySize without policies")
	}
	w.measured(out.Credentials, out.SessionTokenSize, out.SessionTokenUtilization)
	if got := out.Credentials.Expiration.Sub(w.now); got != 12*time.Hour {
		t.Errorf("lives %v", got)
	}
	bob := w.with(out.Credentials)
	if bob.Kind != authn.FederatedUser || bob.IssuerARN != alice.ARN || bob.UserID != "111111111111:bob" {
		t.Errorf("principal %+v", bob)
	}

	// With one: what both sides allow. The policy of 130 characters takes 4%, as
	// recorded from AWS.
	out, err = w.federated(alice, &awssts.GetFederationTokenInput{Name: aws.String("carol"), Policy: aws.String(s3 + strings.Repeat(" ", 130-len(s3))), DurationSeconds: aws.Int32(900)})
	w.must(err)
	if got := aws.ToInt32(out.PackedPolicySize); got != 4 {
		t.Errorf("PackedPolicySize %d", got)
	}
	carol := w.with(out.Credentials)
	for _, c := range []struct {
		action     string
		bob, carol bool
	}{
		{"s3:GetObject", false, true},
		{"sqs:SendMessage", false, false},
		{"ec2:RunInstances", false, false},
	} {
		if w.allows(bob, c.action, "*") != c.bob || w.allows(carol, c.action, "*") != c.carol {
			t.Errorf("%s: without policy %v, with one %v", c.action, w.allows(bob, c.action, "*"), w.allows(carol, c.action, "*"))
		}
	}

	// The permission is asked for, on the federated user.
	limited := w.user(ours, "limited", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:GetFederationToken","Resource":"arn:aws:sts::111111111111:federated-user/team-*"}]}`)
	_, err = w.federated(limited, &awssts.GetFederationTokenInput{Name: aws.String("team-a")})
	w.must(err)
	_, err = w.federated(limited, &awssts.GetFederationTokenInput{Name: aws.String("admin")})
	w.refused("another name", err, "AccessDenied", "User: "+limited.ARN+" is not authorized to perform: sts:GetFederationToken on resource: arn:aws:sts::111111111111:federated-user/admin because no identity-based policy allows the sts:GetFederationToken action")
	team := []types.Tag{{Key: aws.String("Team"), Value: aws.String("a")}}
	_, err = w.federated(limited, &awssts.GetFederationTokenInput{Name: aws.String("team-a"), Tags: team})
	w.refused("tags", err, "AccessDenied", "User: "+limited.ARN+" is not authorized to perform: sts:TagSession on resource: arn:aws:sts::111111111111:federated-user/team-a because no identity-based policy allows the sts:TagSession action")

	_, err = w.federated(alice, &awssts.GetFederationTokenInput{Name: aws.String("bob"), Policy: aws.String("{")})
	if _, ok := errors.AsType[*types.MalformedPolicyDocumentException](err); !ok {
		t.Errorf("a bad policy: %v", err)
	}
	_, err = w.federated(alice, &awssts.GetFederationTokenInput{Name: aws.String("bob"), PolicyArns: []types.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/NoSuch")}}})
	w.refused("an absent policy", err, "ValidationError", "Policy arn:aws:iam::aws:policy/NoSuch does not exist or is not attachable.")

	// Root: an hour at most, and everything that the session policy allows.
	root := w.root(ours)
	out, err = w.federated(root, &awssts.GetFederationTokenInput{Name: aws.String("dan"), Policy: aws.String(s3), DurationSeconds: aws.Int32(129600), Tags: team})
	w.must(err)
	dan := w.with(out.Credentials)
	if got := out.Credentials.Expiration.Sub(w.now); got != time.Hour || dan.IssuerARN != root.ARN || !dan.Session.IssuerRoot {
		t.Errorf("root's federated user lives %v, issued by %s", got, dan.IssuerARN)
	}
	if got := dan.Session.Tags; len(got) != 1 || got[0] != (identity.Tag{Key: "Team", Value: "a"}) {
		t.Errorf("tags %v", got)
	}
}

func TestGetCallerIdentity(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice", denyAll)
	bob := w.user(ours, "bob", allowAll)
	assumed := w.assumed(bob, w.role(theirs, "r", trusts(bob.ARN), may(denyAll)))
	vouched, err := w.federated(bob, &awssts.GetFederationTokenInput{Name: aws.String("carol")})
	w.must(err)
	for _, c := range []struct {
		p                     *authn.Principal
		account, name, userID string
	}{
		{alice, "111111111111", "arn:aws:iam::111111111111:user/alice", alice.ID},
		{w.root(ours), "111111111111", "arn:aws:iam::111111111111:root", "111111111111"},
		{assumed, "222222222222", "arn:aws:sts::222222222222:assumed-role/r/work", assumed.ID + ":work"},
		{w.with(vouched.Credentials), "111111111111", "arn:aws:sts::111111111111:federated-user/carol", "111111111111:carol"},
	} {
		out, err := w.call(c.p, "GetCallerIdentity", &awssts.GetCallerIdentityInput{})
		w.must(err)
		got := out.(*awssts.GetCallerIdentityOutput)
		if *got.Account != c.account || *got.Arn != c.name || *got.UserId != c.userID {
			t.Errorf("%s: %s %s %s", c.name, *got.Account, *got.Arn, *got.UserId)
		}
	}
}

func TestT301_GetAccessKeyInfo(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice", allowAll)
	nobody := w.user(ours, "nobody")
	stranger := w.user(theirs, "stranger")
	out, err := w.sessionToken(alice, nil, nil)
	w.must(err)
	w.accessKey("testtesttesttest", theirs) // a fixed key of a development server
	get := func(p *authn.Principal, id string) (string, error) {
		out, err := w.call(p, "GetAccessKeyInfo", &awssts.GetAccessKeyInfoInput{AccessKeyId: &id})
		if err != nil {
			return "", err
		}
		return *out.(*awssts.GetAccessKeyInfoOutput).Account, nil
	}
	for id, want := range map[string]string{
		alice.AccessKeyID:            "111111111111",
		stranger.AccessKeyID:         "222222222222",
		*out.Credentials.AccessKeyId: "111111111111",
		"ASIAY34FZKBOKMUTVV7A":       "609629065308", // AWS's own
		"testtesttesttest":           "222222222222",
	} {
		if got, err := get(alice, id); got != want || err != nil {
			t.Errorf("%s: %s, %v; want %s", id, got, err, want)
		}
	}
	for _, bad := range []string{"AKIAIOSFODNN7EXAMPL1", "AROAY34FZKBOKMUTVV7A", "AKIAAAAAAAAAAAAAAAAA", "0123456789abcdef", strings.Repeat("A", 128)} {
		_, err := get(alice, bad)
		w.refused(bad, err, "ValidationError", bad+" is invalid")
	}
	_, err = get(nobody, alice.AccessKeyID)
	w.refused("without permission", err, "AccessDenied", "User: "+nobody.ARN+" is not authorized to perform: sts:GetAccessKeyInfo on resource: * because no identity-based policy allows the sts:GetAccessKeyInfo action")
}

func TestT302_DecodeAuthorizationMessage(t *testing.T) {
	w := newWorld(t)
	alice, stranger := w.user(ours, "alice", allowAll), w.user(theirs, "stranger", allowAll)
	nobody := w.user(ours, "nobody")
	// What someone of the account is told who is denied something.
	var message string
	w.must(w.store.View(t.Context(), func(r store.Reader) error {
		trace, err := w.authz.Explain(r, nobody, &authz.Check{Action: "iam:CreateUser", Resource: "*"}, &authz.Environment{Now: w.now})
		if err != nil {
			return err
		}
		message, err = w.messages.Seal(ours, trace)
		return err
	}))
	call := func(p *authn.Principal, message string) (any, error) {
		return w.call(p, "DecodeAuthorizationMessage", &awssts.DecodeAuthorizationMessageInput{EncodedMessage: &message})
	}
	out, err := call(alice, message)
	w.must(err)
	var decoded struct {
		Allowed *bool
		Context struct{ Action string }
	}
	w.must(json.Unmarshal([]byte(*out.(*awssts.DecodeAuthorizationMessageOutput).DecodedMessage), &decoded))
	if decoded.Allowed == nil || *decoded.Allowed || decoded.Context.Action != "iam:CreateUser" {
		t.Errorf("decoded %+v", decoded)
	}
	_, err = call(stranger, message)
	w.refused("another account's", err, "InvalidAuthorizationMessageException", "Message is not valid.")
	for i := range message {
		changed := []byte(message)
		changed[i] ^= 1
		_, err = call(alice, string(changed))
		w.refused(fmt.Sprintf("tampered at %d", i), err, "InvalidAuthorizationMessageException", "Message is not valid.")
	}
	_, err = call(nobody, message)
	w.refused("without permission", err, "AccessDenied", "User: "+nobody.ARN+" is not authorized to perform: sts:DecodeAuthorizationMessage on resource: * because no identity-based policy allows the sts:DecodeAuthorizationMessage action")
}

// Every operation of the SDK is either built or said not to be.
func TestCoverage(t *testing.T) {
	w := newWorld(t)
	set := sts.New(sts.Config{}).Operations()
	known := map[string]bool{}
	for _, op := range set.Operations {
		known[op.Name] = true
		if op.NewInput() == nil || op.NewOutput() == nil {
			t.Errorf("%s has no types", op.Name)
		}
	}
	for _, name := range set.NotYet {
		if known[name] {
			t.Errorf("%s is built and not", name)
		}
		known[name] = true
	}
	client := reflect.TypeFor[*awssts.Client]()
	for i := range client.NumMethod() {
		name := client.Method(i).Name
		if name == "Options" {
			continue
		}
		if !known[name] {
			t.Errorf("%s of the SDK is unknown", name)
		}
		delete(known, name)
	}
	if len(known) > 0 {
		t.Errorf("operations that the SDK does not have: %v", known)
	}
	// What hands out credentials waits for its record; what uses a code up writes.
	code := aws.String("123456")
	for _, c := range []struct {
		op   string
		in   any
		want service.Access
	}{
		{"GetCallerIdentity", &awssts.GetCallerIdentityInput{}, service.Read},
		{"AssumeRole", &awssts.AssumeRoleInput{}, service.Issue},
		{"AssumeRole", &awssts.AssumeRoleInput{TokenCode: code}, service.Write},
		{"GetSessionToken", &awssts.GetSessionTokenInput{}, service.Issue},
		{"GetSessionToken", &awssts.GetSessionTokenInput{TokenCode: code}, service.Write},
		{"GetFederationToken", &awssts.GetFederationTokenInput{}, service.Issue},
	} {
		op := w.ops[c.op]
		if got := op.Access(c.in); got != c.want {
			t.Errorf("access of %s is %v, want %v", c.op, got, c.want)
		}
		if want := c.op != "GetFederationToken"; op.ReadOnly != want {
			t.Errorf("%s is recorded as readOnly %v", c.op, op.ReadOnly)
		}
	}
}

// A server without randomness hands out nothing, and a code stays used.
func TestNoRandomness(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice")
	phone := w.phone(alice, "phone")
	good := w.random
	w.random = strings.NewReader("")
	_, err := w.sessionToken(alice, &phone.serial, phone.code(0))
	if err == nil || !service.IsCommitted(err) {
		t.Errorf("without randomness: %v", err)
	}
	w.random = good
	_, err = w.sessionToken(alice, &phone.serial, phone.code(0))
	w.refused("the code again", err, "AccessDenied", wrongCode)
}

func BenchmarkAssumeRole(b *testing.B) {
	w := newWorld(b)
	alice := w.user(ours, "alice")
	role := w.role(ours, "r", trusts(alice.ARN))
	in := &awssts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("work")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.call(alice, "AssumeRole", in); err != nil {
			b.Fatal(err)
		}
	}
}
