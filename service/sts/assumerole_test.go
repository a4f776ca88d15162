package sts_test

//lint:file-ignore SA1019 PackedPolicySize is what every client but the newest SDK reads.

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/google/uuid"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

type change = func(*awssts.AssumeRoleInput)

func TestAssumeRole(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice")
	role := w.role(ours, "Worker", trusts(alice.ARN), func(r *identity.Role) { r.Path = "/div/" })
	w.pass(250 * time.Millisecond)
	out, err := w.assume(alice, role)
	w.must(err)
	p := w.with(out.Credentials)
	if got, want := *out.AssumedRoleUser.Arn, "arn:aws:sts::111111111111:assumed-role/Worker/work"; got != want || p.ARN != want {
		t.Errorf("ARN %s, %s; want %s", got, p.ARN, want)
	}
	if got := *out.AssumedRoleUser.AssumedRoleId; got != p.ID+":work" || got != p.UserID || !strings.HasPrefix(got, "AROA") {
		t.Errorf("AssumedRoleId %s, of role %s", got, p.ID)
	}
	if got, want := *out.Credentials.Expiration, w.now.Truncate(time.Second).Add(time.Hour); !got.Equal(want) {
		t.Errorf("expires %v, want %v", got, want)
	}
	if out.PackedPolicySize != nil || out.SourceIdentity != nil {
		t.Errorf("PackedPolicySize %v, SourceIdentity %v without a reason", out.PackedPolicySize, out.SourceIdentity)
	}
	w.measured(out.Credentials, out.SessionTokenSize, out.SessionTokenUtilization)
	if s := p.Session; s.Issuer != alice.AccessKeyID || s.Chained || s.Name != "work" {
		t.Errorf("session %+v", s)
	}
	if got := w.event.Resources; len(got) != 1 || got[0] != (audit.Resource{ARN: role, AccountID: ours, Type: "AWS::IAM::Role"}) {
		t.Errorf("resources of the record: %v", got)
	}
	if w.event.SharedID != "" || w.event.Copies != nil {
		t.Error("a call within an account is recorded in another one")
	}

	w.pass(time.Hour - 251*time.Millisecond)
	w.with(out.Credentials)
	w.pass(time.Millisecond)
	if _, err := w.signIn(out.Credentials); err != errExpired {
		t.Errorf("an hour later: %v", err)
	}
}

// Who may assume a role: the role trust table of the fact book.
func TestTrust(t *testing.T) {
	w := newWorld(t)
	const (
		none  = ""
		allow = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`
		deny  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"*"}]}`
	)
	n := 0
	for _, c := range []struct {
		account arn.AccountID // of the caller; the role is ours
		policy  string        // of the caller
		trust   string        // whom the role trusts: user, account or nobody
		want    bool
	}{
		{ours, none, "user", true},
		{ours, allow, "user", true},
		{ours, deny, "user", false},
		{ours, none, "account", false},
		{ours, allow, "account", true},
		{ours, deny, "account", false},
		{ours, allow, "other", false},
		{theirs, none, "user", false},
		{theirs, allow, "user", true},
		{theirs, deny, "user", false},
		{theirs, none, "account", false},
		{theirs, allow, "account", true},
		{theirs, allow, "other", false},
	} {
		n++
		var policies []string
		if c.policy != none {
			policies = append(policies, c.policy)
		}
		caller := w.user(c.account, fmt.Sprint("caller", n), policies...)
		principal := map[string]string{"user": caller.ARN, "account": string(c.account), "other": "arn:aws:iam::333333333333:root"}[c.trust]
		role := w.role(ours, fmt.Sprint("role", n), trusts(principal))
		if c.want {
			w.assumed(caller, role)
		} else {
			w.notAssumed(fmt.Sprintf("%+v", c), caller, role)
		}
	}
}

func TestT281_ExternalID(t *testing.T) {
	w := newWorld(t)
	broker := w.user(theirs, "broker", allowAll)
	role := w.role(ours, "r", trusts(string(theirs), `"StringEquals":{"sts:ExternalId":"Acme-42"}`))
	like := w.role(ours, "like", trusts(string(theirs), `"StringLike":{"sts:ExternalId":"Acme-*"}`))
	with := func(id string) change { return func(in *awssts.AssumeRoleInput) { in.ExternalId = &id } }

	w.assumed(broker, role, with("Acme-42"))
	w.assumed(broker, like, with("Acme-42"))
	w.notAssumed("without an external id", broker, role)
	for _, id := range []string{"acme-42", "Acme-4", "Acme-42-", "Acme-42/../Acme-42"} {
		w.notAssumed(fmt.Sprintf("external id %q", id), broker, role, with(id))
	}
	w.notAssumed("another prefix", broker, like, with("acme-42"))

	// A role that does not exist is refused in the same words.
	for _, absent := range []string{
		"arn:aws:iam::111111111111:role/nosuch",
		"arn:aws:iam::999999999999:role/r",      // no such account
		"arn:aws:iam::111111111111:role/path/r", // other path
		"arn:aws:iam::111111111111:role/R",      // other case
		"arn:aws-cn:iam::111111111111:role/r",   // other partition
	} {
		w.notAssumed("absent", broker, absent, with("Acme-42"))
	}
}

func TestRoleARNThatIsNone(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice", allowAll)
	// Recorded from AWS.
	for _, bad := range []string{"nothing-valid-in-here", "arn::b:::something/test-role", "arn:a::::something/test-role", "arn:a:::something/test-role", "arn:a:a::aaaaaaaaaa:"} {
		_, err := w.assume(alice, bad)
		w.refused(bad, err, "ValidationError", bad+" is invalid")
	}
	for _, bad := range []string{"arn:aws:s3:::bucket/test-role", "arn:aws:iam::111111111111:user/alice", "arn:aws:iam::1:role/r", "arn:aws:iam:us-east-1:111111111111:role/r", "arn:aws:iam::111111111111:role/", "arn:aws:iam::111111111111:role"} {
		_, err := w.assume(alice, bad)
		w.refused(bad, err, "ValidationError", "Request ARN is invalid")
	}
}

func TestT283_T284_T552_Durations(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice")
	short := w.role(ours, "short", trusts(string(ours)), may(allowAll))
	long := w.role(ours, "long", trusts("*"), maxSession(12*time.Hour), may(allowAll))
	unset := w.role(ours, "unset", trusts("*"), maxSession(0))
	shortByName := w.role(ours, "short-by-name", trusts(alice.ARN))
	for _, c := range []struct {
		role    string
		seconds int32
		ok      bool
	}{
		{shortByName, 900, true}, {shortByName, 3600, true}, {shortByName, 3601, false}, {shortByName, 43200, false},
		{long, 3601, true}, {long, 43200, true},
		{unset, 3600, true}, {unset, 3601, false},
	} {
		out, err := w.assume(alice, c.role, seconds(c.seconds))
		if !c.ok {
			w.refused(fmt.Sprint(c.role, c.seconds), err, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
			continue
		}
		w.must(err)
		if got := out.Credentials.Expiration.Sub(w.now); got != time.Duration(c.seconds)*time.Second {
			t.Errorf("%s for %d s expires after %v", c.role, c.seconds, got)
		}
	}

	// From a role session, and from a GetSessionToken session, an hour is the most.
	plain, err := w.sessionToken(alice, nil, nil)
	w.must(err)
	for _, p := range []*authn.Principal{w.assumed(alice, long, seconds(43200)), w.with(plain.Credentials)} {
		_, err := w.assume(p, long, seconds(3601))
		w.refused(p.ARN, err, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
		out, err := w.assume(p, long)
		w.must(err)
		if got := out.Credentials.Expiration.Sub(w.now); got != time.Hour {
			t.Errorf("chained session of %v", got)
		}
		if !w.with(out.Credentials).Session.Chained {
			t.Error("the session does not know that it is chained")
		}
	}
	// How long a role's sessions may be is told to those who may assume it.
	w.notAssumed("a role that is not open to us", w.user(ours, "bob"), short, seconds(43200))
}

// The limits are package constraint's; that they hold for STS is shown here.
func TestT281_T284_T285_Limits(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice")
	role := w.role(ours, "r", trusts(alice.ARN), maxSession(12*time.Hour))
	named := func(name string) change { return func(in *awssts.AssumeRoleInput) { in.RoleSessionName = &name } }
	external := func(id string) change { return func(in *awssts.AssumeRoleInput) { in.ExternalId = &id } }
	as := func(id string) change { return func(in *awssts.AssumeRoleInput) { in.SourceIdentity = &id } }
	for _, good := range []change{
		seconds(900), seconds(43200),
		named("ab"), named(strings.Repeat("n", 64)), named("_+=,.@-"),
		external("ab"), external(strings.Repeat("x", 1224)), external("_+=,.@:/-"),
		as("ab"), as(strings.Repeat("s", 64)),
	} {
		w.assumed(alice, role, good)
	}
	for what, bad := range map[string]change{
		"899 s":                        seconds(899),
		"43,201 s":                     seconds(43201),
		"no time at all":               seconds(0),
		"negative":                     seconds(-3600),
		"session name of 1":            named("a"),
		"session name of 65":           named(strings.Repeat("n", 65)),
		"session name with space":      named("a b"),
		"session name with line break": named("ab\n"),
		"session name with umlaut":     named("süß"),
		"external id of 1":             external("a"),
		"no external id":               external(""),
		"external id of 1,225":         external(strings.Repeat("x", 1225)),
		"external id with a star":      external("Acme-*"),
		"source identity of 1":         as("a"),
		"source identity of 65":        as(strings.Repeat("s", 65)),
		"reserved source identity":     as("aws:alice"),
		"51 tags": func(in *awssts.AssumeRoleInput) {
			for i := range 51 {
				tags(fmt.Sprint(i), "x")(in)
			}
		},
	} {
		if _, err := w.assume(alice, role, bad); err == nil || !strings.Contains(err.Error(), "validation error") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, lifetime := range []int32{899, 129601} {
		if _, err := w.call(alice, "GetSessionToken", &awssts.GetSessionTokenInput{DurationSeconds: &lifetime}); err == nil {
			t.Errorf("GetSessionToken for %d s", lifetime)
		}
	}
	for _, name := range []string{"a", strings.Repeat("n", 33), "a b"} {
		if _, err := w.call(alice, "GetFederationToken", &awssts.GetFederationTokenInput{Name: &name}); err == nil {
			t.Errorf("GetFederationToken for %q", name)
		}
	}
}

func TestDurationAndSessionNameInTrustPolicies(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice")
	role := w.role(ours, "r", trusts(alice.ARN, `"NumericLessThanEquals":{"sts:DurationSeconds":"1800"},"StringEquals":{"sts:RoleSessionName":"${aws:username}"}`))
	named := func(name string) change { return func(in *awssts.AssumeRoleInput) { in.RoleSessionName = &name } }
	w.assumed(alice, role, named("alice"), seconds(1800))
	w.notAssumed("too long", alice, role, named("alice"), seconds(1801))
	w.notAssumed("an hour by default", alice, role, named("alice"))
	w.notAssumed("someone else's name", alice, role, named("bob"), seconds(1800))
}

func TestT286_SourceIdentityIsFixed(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice")
	first := w.role(ours, "first", trusts(alice.ARN), may(allowAll))
	second := w.role(ours, "second", trusts(string(ours)), may(allowAll))
	unset := w.role(ours, "unset", trustsFor(`"sts:AssumeRole"`, "*"))
	as := func(id string) change { return func(in *awssts.AssumeRoleInput) { in.SourceIdentity = &id } }
	notSet := func(what string, p *authn.Principal, role string, changes ...change) {
		t.Helper()
		_, err := w.assume(p, role, changes...)
		w.refused(what, err, "AccessDenied", "User: "+p.ARN+" is not authorized to perform: sts:SetSourceIdentity on resource: "+role)
	}

	notSet("a role that does not let it be set", alice, unset, as("Saanvi"))

	out, err := w.assume(alice, first, as("Saanvi"))
	w.must(err)
	if aws.ToString(out.SourceIdentity) != "Saanvi" {
		t.Errorf("SourceIdentity %v", out.SourceIdentity)
	}
	p := w.with(out.Credentials)
	notSet("another one", p, second, as("Diego"))
	notSet("another case", p, second, as("saanvi"))
	notSet("inherited by a role that does not let it be set", p, unset)

	out, err = w.assume(p, second, as("Saanvi"))
	w.must(err)
	again := w.with(out.Credentials)
	kept, err := w.assume(again, second)
	w.must(err)
	if got := w.with(kept.Credentials); got.SourceIdentity() != "Saanvi" || aws.ToString(kept.SourceIdentity) != "Saanvi" {
		t.Errorf("dropped along the chain: %q", got.SourceIdentity())
	}

	watched := w.role(ours, "watched", trusts(string(ours), `"StringEquals":{"aws:SourceIdentity":"Saanvi"}`))
	w.assumed(again, watched)
	w.notAssumed("without a source identity", w.assumed(alice, first), watched)
	named := w.role(ours, "named", trusts(alice.ARN, `"StringEquals":{"sts:SourceIdentity":"Saanvi"}`))
	w.assumed(alice, named, as("Saanvi"))
	w.notAssumed("under another name", alice, named, as("Diego"))
}

func tags(pairs ...string) change {
	return func(in *awssts.AssumeRoleInput) {
		for i := 0; i < len(pairs); i += 2 {
			in.Tags = append(in.Tags, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
		}
	}
}

func transitive(keys ...string) change {
	return func(in *awssts.AssumeRoleInput) { in.TransitiveTagKeys = keys }
}

func TestT287_T162_SessionTags(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice")
	first := w.role(ours, "first", trusts(alice.ARN), may(allowAll, probeTags), roleTags(identity.Tag{Key: "project", Value: "role"}, identity.Tag{Key: "Cost", Value: "7"}))
	second := w.role(ours, "second", trusts(string(ours)), may(allowAll, probeTags), roleTags(identity.Tag{Key: "Team", Value: "role"}))

	for _, c := range []struct {
		what    string
		changes []change
		message string
	}{
		{"the same key in another case", []change{tags("Project", "x", "PROJECT", "y")}, "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{"a transitive key without a tag", []change{tags("Project", "x"), transitive("Team")}, "The specified transitive tag key must be included in the requested tags."},
		{"a transitive key without any tag", []change{transitive("Team")}, "The specified transitive tag key must be included in the requested tags."},
		{"a reserved key", []change{tags("aws:x", "y")}, "Tag keys and values must not begin with aws:."},
		{"a reserved key in another case", []change{tags("AWS:x", "y")}, "Tag keys and values must not begin with aws:."},
		{"a reserved value", []change{tags("x", "aws:y")}, "Tag keys and values must not begin with aws:."},
	} {
		_, err := w.assume(alice, first, c.changes...)
		w.refused(c.what, err, "InvalidParameterValue", c.message)
	}

	out, err := w.assume(alice, first, tags("Project", "Automation", "Team", "Blue", "note", "x y"), transitive("PROJECT", "Team", "team"))
	w.must(err)
	if aws.ToInt32(out.PackedPolicySize) == 0 {
		t.Error("no PackedPolicySize although tags were passed")
	}
	p := w.with(out.Credentials)
	if got := fmt.Sprint(p.Session.TransitiveTags); got != "[Project Team]" {
		t.Errorf("transitive: %s", got)
	}
	w.sees(p, "a session tag overrides the role's", "Project=Automation")
	w.sees(p, "the role's other tags stay", "Cost=7")

	for _, changes := range [][]change{{tags("Team", "Red")}, {tags("team", "Red")}, {tags("Team", "Blue")}, {tags("x", "y", "PROJECT", "z"), transitive("x")}} {
		_, err := w.assume(p, second, changes...)
		w.refused("an inherited tag again", err, "InvalidParameterValue", "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
	}

	out, err = w.assume(p, second, tags("extra", "1", "third", "2"), transitive("third"))
	w.must(err)
	if aws.ToInt32(out.PackedPolicySize) == 0 {
		t.Error("no PackedPolicySize although tags were inherited")
	}
	q := w.with(out.Credentials)
	w.sees(q, "transitive tags go on", "Project=Automation")
	w.sees(q, "and beat the target role's own", "Team=Blue")
	if w.hasTag(q, "note=x") || w.hasTag(q, "Cost=7") {
		t.Error("tags that are not transitive, or the first role's, went on")
	}
	if got := fmt.Sprint(q.Session.TransitiveTags); got != "[Project Team third]" {
		t.Errorf("transitive in the chain: %s", got)
	}
}

// probeTags allows tag:<key>=<value> where the caller has such a tag.
const probeTags = `{"Version":"2012-10-17","Statement":[
	{"Effect":"Deny","Action":"tag:Project=Automation","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalTag/Project":"Automation"}}},
	{"Effect":"Deny","Action":"tag:Team=Blue","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalTag/Team":"Blue"}}},
	{"Effect":"Deny","Action":"tag:Cost=7","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalTag/Cost":"7"}}},
	{"Effect":"Deny","Action":"tag:note=?","Resource":"*","Condition":{"Null":{"aws:PrincipalTag/note":"true"}}}]}`

func (w *world) hasTag(p *authn.Principal, tag string) bool {
	w.t.Helper()
	return w.allows(p, "tag:"+tag, "*")
}

func (w *world) sees(p *authn.Principal, what, tag string) {
	w.t.Helper()
	if !w.hasTag(p, tag) {
		w.t.Errorf("%s: no %s", what, tag)
	}
}

func TestTagConditionsOfTrustPolicies(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice")
	untagged := w.role(ours, "untagged", trustsFor(`"sts:AssumeRole"`, "*"))
	_, err := w.assume(alice, untagged, tags("a", "b"))
	w.refused("tags without sts:TagSession", err, "AccessDenied", "User: "+alice.ARN+" is not authorized to perform: sts:TagSession on resource: "+untagged)

	role := w.role(ours, "r", trusts("*", `"StringEquals":{"aws:RequestTag/Project":"Automation"},"ForAllValues:StringEquals":{"aws:TagKeys":["Project","Team"],"sts:TransitiveTagKeys":["Project"]}`))
	w.assumed(alice, role, tags("Project", "Automation"))
	w.assumed(alice, role, tags("Project", "Automation", "Team", "x"), transitive("Project"))
	w.notAssumed("another value", alice, role, tags("Project", "Other"))
	w.notAssumed("no tag", alice, role)
	w.notAssumed("another key", alice, role, tags("Project", "Automation", "Cost", "7"))
	w.notAssumed("another transitive key", alice, role, tags("Project", "Automation", "Team", "x"), transitive("Team"))

	// Inherited tags need sts:TagSession as well, and show in place of the role's.
	first := w.role(ours, "first", trusts(alice.ARN), may(allowAll))
	p := w.assumed(alice, first, tags("Project", "Automation"), transitive("Project"))
	_, err = w.assume(p, untagged)
	w.refused("inherited tags without sts:TagSession", err, "AccessDenied", "User: "+p.ARN+" is not authorized to perform: sts:TagSession on resource: "+untagged)
	shown := w.role(ours, "shown", trusts("*", `"StringEquals":{"aws:ResourceTag/project":"Automation","iam:ResourceTag/Stage":"prod"}`),
		roleTags(identity.Tag{Key: "project", Value: "own"}, identity.Tag{Key: "Stage", Value: "prod"}))
	w.assumed(p, shown)
	w.notAssumed("the role's own tag", alice, shown)
}

func TestT289_RootMayNotAssumeRoles(t *testing.T) {
	w := newWorld(t)
	role := w.role(ours, "r", trusts("*"))
	root := w.root(ours)
	_, err := w.assume(root, role)
	w.refused("root by access key", err, "AccessDenied", "Roles may not be assumed by root accounts.")
	out, err := w.sessionToken(root, nil, nil)
	w.must(err)
	_, err = w.assume(w.with(out.Credentials), role)
	w.refused("root by session", err, "AccessDenied", "Roles may not be assumed by root accounts.")
}

func TestT291_SessionPolicies(t *testing.T) {
	w := newWorld(t)
	const s3 = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`
	alice := w.user(ours, "alice")
	role := w.role(ours, "r", trusts(alice.ARN), may(s3, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}`))
	w.policy(ours, "mine", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}]}`)
	w.policy(theirs, "foreign", allowAll)
	text := func(p string) change { return func(in *awssts.AssumeRoleInput) { in.Policy = &p } }
	managed := func(arns ...string) change {
		return func(in *awssts.AssumeRoleInput) {
			for _, a := range arns {
				in.PolicyArns = append(in.PolicyArns, types.PolicyDescriptorType{Arn: &a})
			}
		}
	}

	// The session may do what both role and session policies allow.
	narrow := w.assumed(alice, role, text(s3))
	wide := w.assumed(alice, role, text(allowAll))
	byARN := w.assumed(alice, role, managed("arn:aws:iam::111111111111:policy/mine", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"))
	for _, c := range []struct {
		action              string
		narrow, wide, byARN bool
	}{
		{"s3:PutObject", true, true, false},
		{"s3:GetObject", true, true, true},
		{"sqs:SendMessage", false, true, true},
		{"sqs:DeleteQueue", false, true, false},
		{"iam:CreateUser", false, false, false},
	} {
		for name, got := range map[string][2]bool{
			"narrow": {w.allows(narrow, c.action, "*"), c.narrow},
			"wide":   {w.allows(wide, c.action, "*"), c.wide},
			"by ARN": {w.allows(byARN, c.action, "*"), c.byARN},
		} {
			if got[0] != got[1] {
				t.Errorf("%s session: %s = %v", name, c.action, got[0])
			}
		}
	}

	for _, bad := range []string{"{", "[]", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*"}]}`} {
		_, err := w.assume(alice, role, text(bad))
		if _, ok := errors.AsType[*types.MalformedPolicyDocumentException](err); !ok {
			t.Errorf("policy %s: %v", bad, err)
		}
	}

	// 2,048 characters, with ARNs; ten ARNs.
	padded := func(n int) string { return s3 + strings.Repeat(" ", n-len(s3)) }
	const tooLong = "1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to 2048"
	out, err := w.assume(alice, role, text(padded(2048)))
	w.must(err)
	if got := *out.PackedPolicySize; got != 50 {
		t.Errorf("2,048 characters take %d%%", got)
	}
	w.measured(out.Credentials, out.SessionTokenSize, out.SessionTokenUtilization)
	if *out.SessionTokenUtilization < 50 {
		t.Errorf("a token with 2,048 characters of policy takes %d%%", *out.SessionTokenUtilization)
	}
	_, err = w.assume(alice, role, text(padded(2049)))
	w.refused("2,049 characters", err, "ValidationError", tooLong)
	_, err = w.assume(alice, role, text(padded(2048)), managed("arn:aws:iam::111111111111:policy/mine"))
	w.refused("2,048 characters and an ARN", err, "ValidationError", tooLong)
	w.assumed(alice, role, text(padded(2048-38)), managed("arn:aws:iam::111111111111:policy/mine"))
	eleven := make([]string, 11)
	for i := range eleven {
		eleven[i] = "arn:aws:iam::111111111111:policy/mine"
	}
	w.assumed(alice, role, managed(eleven[:10]...))
	_, err = w.assume(alice, role, managed(eleven...))
	w.refused("eleven ARNs", err, "ValidationError", "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to 10")

	for _, absent := range []string{"arn:aws:iam::111111111111:policy/nosuch", "arn:aws:iam::222222222222:policy/foreign", "arn:aws:iam::111111111111:policy/path/mine", "arn:aws:iam::aws:policy/NoSuchPolicy"} {
		_, err := w.assume(alice, role, managed(absent))
		w.refused(absent, err, "ValidationError", "Policy "+absent+" does not exist or is not attachable.")
	}
	for _, bad := range []string{"AmazonS3ReadOnlyAccess", "arn:aws:iam::111111111111:role/r", "arn:aws:s3:::policy/x"} {
		_, err := w.assume(alice, role, managed(bad))
		w.refused(bad, err, "ValidationError", bad+" is invalid")
	}
	// What policies there are is told only to those who may assume the role.
	w.notAssumed("an absent policy", w.user(ours, "bob"), role, managed("arn:aws:iam::111111111111:policy/nosuch"))
}

// policy makes a customer managed policy.
func (w *world) policy(account arn.AccountID, name, document string) {
	p := &identity.Policy{Account: account, Name: name, Path: "/", Default: 1, Last: 1, Versions: []identity.PolicyVersion{{Number: 1, Document: document}}}
	w.update(func(tx store.Tx) error {
		return identity.Policies.Put(tx, p, string(account), identity.Fold(name))
	})
}

func TestPackedPolicyTooLarge(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice")
	role := w.role(ours, "r", trusts(alice.ARN))
	var pairs []string
	for i := range 50 {
		pairs = append(pairs, fmt.Sprintf("key-%02d", i), strings.Repeat("ü", 40))
	}
	_, err := w.assume(alice, role, tags(pairs...))
	w.refused("50 long tags", err, "PackedPolicyTooLarge", "Packed policy consumes 109% of allotted space, please use smaller policy.")
}

func TestProvidedContextsAreNotIgnored(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice")
	_, err := w.assume(alice, w.role(ours, "r", trusts(alice.ARN)), func(in *awssts.AssumeRoleInput) {
		in.ProvidedContexts = []types.ProvidedContext{{ProviderArn: aws.String("arn:aws:iam::aws:contextProvider/IdentityCenter"), ContextAssertion: aws.String("assertion")}}
	})
	w.refused("a context", err, "ValidationError", "ProvidedContexts are not supported.")
}

func TestT292_ANarrowSessionStaysNarrow(t *testing.T) {
	w := newWorld(t)
	const onlyAssume = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	alice := w.user(ours, "alice")
	role := w.role(ours, "r", trusts(string(ours)), may(allowAll))
	byName := w.role(ours, "by-name", trusts("arn:aws:iam::111111111111:role/entry"), may(allowAll))
	entry := w.role(ours, "entry", trusts(alice.ARN), may(allowAll))
	p := w.assumed(alice, entry, func(in *awssts.AssumeRoleInput) { in.Policy = aws.String(onlyAssume) })
	w.notAssumed("a wider session of another role", p, role)
	w.notAssumed("of one that trusts the role by name", p, byName)
	w.notAssumed("of its own role", p, entry)
	for _, op := range []string{"GetSessionToken", "GetFederationToken"} {
		in := map[string]any{"GetSessionToken": &awssts.GetSessionTokenInput{}, "GetFederationToken": &awssts.GetFederationTokenInput{Name: aws.String("me")}}[op]
		_, err := w.call(p, op, in)
		w.refused(op, err, "AccessDenied", "Cannot call "+op+" with session credentials")
	}
}

func TestT293_Revocation(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice", allowAll)
	role := w.role(ours, "r", trusts(alice.ARN))
	other := w.role(ours, "other", trusts(alice.ARN))
	old, err := w.assume(alice, role)
	w.must(err)
	bystander, err := w.assume(alice, other)
	w.must(err)
	own, err := w.sessionToken(alice, nil, nil)
	w.must(err)
	vouched, err := w.federated(alice, &awssts.GetFederationTokenInput{Name: aws.String("bob")})
	w.must(err)
	w.pass(time.Minute)

	p := w.with(old.Credentials)
	w.update(func(tx store.Tx) error { return session.Revoke(tx, p.ID, w.now) })
	if _, err := w.signIn(old.Credentials); err != errRevoked {
		t.Errorf("the old session: %v", err)
	}
	w.with(bystander.Credentials)
	w.assumed(alice, role)

	w.with(own.Credentials)
	w.update(func(tx store.Tx) error { return session.Revoke(tx, alice.ID, w.now) })
	for _, cr := range []*types.Credentials{own.Credentials, vouched.Credentials} {
		if _, err := w.signIn(cr); err != errRevoked {
			t.Errorf("a session that the user made: %v", err)
		}
	}
	w.with(bystander.Credentials) // of a role, not of the user
}

// The same by policy, as the console's "Revoke active sessions" does it.
func TestT293_RevocationByPolicy(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice")
	role := w.role(ours, "r", trusts(alice.ARN), may(allowAll))
	old := w.assumed(alice, role)
	if !w.allows(old, "s3:GetObject", "*") {
		t.Fatal("denied from the start")
	}
	w.pass(time.Minute)
	w.update(func(tx store.Tx) error {
		return identity.Roles.Edit(tx, func(r *identity.Role) error {
			r.Inline = append(r.Inline, identity.InlinePolicy{Name: "AWSRevokeOlderSessions",
				Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"` + w.now.Format(time.RFC3339) + `"}}}]}`})
			return nil
		}, string(ours), "r")
	})
	if w.allows(old, "s3:GetObject", "*") {
		t.Error("the old session goes on")
	}
	if !w.allows(w.assumed(alice, role), "s3:GetObject", "*") {
		t.Error("a new session is denied")
	}
}

func TestT294_DeletedAndRecreated(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice", allowAll)
	role := w.role(ours, "r", trusts(alice.ARN), may(allowAll))
	out, err := w.assume(alice, role)
	w.must(err)
	own, err := w.sessionToken(alice, nil, nil)
	w.must(err)

	// Changing the trust policy does not end sessions.
	w.update(func(tx store.Tx) error {
		return identity.Roles.Edit(tx, func(r *identity.Role) error { r.TrustPolicy = trusts(string(theirs)); return nil }, string(ours), "r")
	})
	w.with(out.Credentials)

	w.deleteRole(ours, "r")
	if _, err := w.signIn(out.Credentials); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("session of a deleted role: %v", err)
	}
	w.notAssumed("a deleted role", alice, role)
	w.role(ours, "r", trusts(alice.ARN), may(allowAll))
	if _, err := w.signIn(out.Credentials); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("session of a role that was made again: %v", err)
	}
	w.assumed(alice, role)

	w.deleteUser(alice)
	w.user(ours, "alice", allowAll)
	if _, err := w.signIn(own.Credentials); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("session of a user who was made again: %v", err)
	}
}

func TestT121_ARecreatedUserIsNotTrusted(t *testing.T) {
	w := newWorld(t)
	alice := w.user(ours, "alice")
	role := w.role(ours, "r", trusts(alice.ARN), func(r *identity.Role) { r.TrustPins = identity.Pins{alice.ARN: alice.ID} })
	w.assumed(alice, role)
	w.deleteUser(alice)
	w.notAssumed("a new user of the old name", w.user(ours, "alice"), role)
}

func TestCrossAccountCallIsRecordedInBothAccounts(t *testing.T) {
	w := newWorld(t)
	broker := w.user(theirs, "broker", allowAll)
	role := w.role(ours, "r", trusts(string(theirs)))
	p := w.assumed(broker, role)
	e := w.event
	if p.Account != ours || e.Account != theirs {
		t.Errorf("session in %s, record in %s", p.Account, e.Account)
	}
	if len(e.Copies) != 1 {
		t.Fatalf("%d copies", len(e.Copies))
	}
	c := e.Copies[0]
	if c.Account != ours || c.Identity != (audit.UserIdentity{Type: "AWSAccount", PrincipalID: broker.ID, AccountID: string(theirs)}) {
		t.Errorf("copy %+v", c)
	}
	for _, id := range []string{e.SharedID, c.ID} {
		if _, err := uuid.Parse(id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	if e.SharedID == c.ID || c.ID == e.ID {
		t.Error("ids are shared that must differ")
	}
	w.notAssumed("denied", broker, w.role(ours, "closed", trusts(string(ours))))
	if w.event.Copies != nil {
		t.Error("a denied call is recorded in the other account")
	}
}
