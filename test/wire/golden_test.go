package wire_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares text with a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run with -update to accept):\n%s", path, got)
	}
}

// changing are the parts of answers and records that differ from run to run.
var changing = []struct{ pattern, name string }{
	{`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`, "UUID"},
	{`\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`, "TIME"},
	{`\b20\d{6}T\d{6}Z`, "STAMP"},
	{`\b20\d{6}/`, "DAY/"},
	{`\b[0-9a-f]{64}\b`, "HASH"},
	{`\b[A-Z][a-z]{2} \d{1,2}, 20\d\d,? \d{1,2}:\d\d:\d\d [AP]M`, "TIME"},
	{`\b(AIDA|AROA|AKIA|ASIA|AGPA|ANPA|AIPA)[A-Z2-7]{16,17}\b`, "$1…"},
	{`"localU(id|ser)":("[^"]*"|\d+)`, `"localU$1":…`},
	{`LanyardOwner/[\w+=,.@-]+`, "LanyardOwner/OWNER"},
	{`LanyardOwner","sessionName":"[^"]*"`, "LanyardOwner"},
	{`(AROA…):[\w+=,.@-]+`, "$1:SESSION"},
}

func stable(s string) string {
	for _, c := range changing {
		s = regexp.MustCompile(c.pattern).ReplaceAllString(s, c.name)
	}
	return s
}

// answer is an answer as a golden file has it: status, the headers that mean
// something, body.
func answer(r *reply) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s\n", r.status, http.StatusText(r.status))
	for _, name := range []string{"Content-Type", "X-Amzn-Errortype"} {
		for _, v := range r.header.Values(name) {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	return b.String() + "\n" + strings.TrimRight(r.body, "\n") + "\n"
}

// The bodies of the common failures, in each protocol.
func TestGoldenErrors(t *testing.T) {
	w := newWorld(t)
	_, nobody := w.caller()
	role := w.assume(w.role(), "DurationSeconds", "900")
	bent := func(m *message, s signature, after ...func(*message)) *reply {
		if s.at.IsZero() {
			s.at = w.now()
		}
		m.sign(s)
		for _, f := range after {
			f(m)
		}
		return w.send(m)
	}
	list := func() *message { return w.form(versionIAM, "ListUsers") }
	lookup := func() *message { return w.json("LookupEvents", "{}") }
	guess := nobody
	guess.secret = "guess"
	unknown := credentials{id: "AKIAIOSFODNN7EXAMPLE", secret: "x"}
	cut := role
	cut.token = role.token[1:]
	malformed := func(m *message) {
		m.set("Authorization", strings.Replace(m.get("Authorization"), ", Signature=", " Sig=", 1))
	}
	cases := []struct {
		name  string
		reply *reply
	}{
		{"query: no signature", w.send(list())},
		{"query: Authorization header without signature", bent(list(), signature{by: nobody, service: "iam"}, malformed)},
		{"query: unknown access key", bent(list(), signature{by: unknown, service: "iam"})},
		{"query: wrong secret", bent(list(), signature{by: guess, service: "iam"})},
		{"query: damaged session token", bent(list(), signature{by: cut, service: "iam"})},
		{"query: no permission (IAM)", bent(list(), signature{by: nobody, service: "iam"})},
		{"query: no permission (STS)", bent(w.form(versionSTS, "AssumeRole", "RoleArn", roleARN("absent"), "RoleSessionName", "wire"), signature{by: nobody, service: "sts"})},
		{"query: parameter does not fit", bent(w.form(versionIAM, "CreateUser", "UserName", "a b"), signature{by: w.admin, service: "iam"})},
		{"query: parameter missing", bent(w.form(versionIAM, "CreateUser"), signature{by: w.admin, service: "iam"})},
		{"query: no such entity", bent(w.form(versionIAM, "GetUser", "UserName", "absent"), signature{by: w.admin, service: "iam"})},
		{"query: malformed policy", bent(w.form(versionIAM, "CreatePolicy", "PolicyName", "p", "PolicyDocument", "{"), signature{by: w.admin, service: "iam"})},
		{"query: unknown operation", bent(w.form(versionIAM, "MakeTea"), signature{by: w.admin, service: "iam"})},
		{"query: operation to come", bent(w.form(versionSTS, "GetDelegatedAccessToken"), signature{by: w.admin, service: "sts"})},
		{"query: unknown version", bent(w.form("2001-01-01", "ListUsers"), signature{by: w.admin, service: "iam"})},
		{"query: no action", bent(w.post("Version="+versionIAM), signature{by: w.admin, service: "iam"})},
		{"query: parameter twice", bent(w.post("Action=ListUsers&Version="+versionIAM+"&Marker=a&Marker=b"), signature{by: w.admin, service: "iam"})},
		{"query: method", bent(&message{method: "PUT", target: "/", version: "HTTP/1.1", lines: []string{"Host: " + w.address, "Content-Length: 0"}}, signature{by: w.admin, service: "iam"})},
		{"json: no signature", w.send(lookup())},
		{"json: Authorization header without signature", bent(lookup(), signature{by: nobody, service: "cloudtrail"}, malformed)},
		{"json: unknown access key", bent(lookup(), signature{by: unknown, service: "cloudtrail"})},
		{"json: wrong secret", bent(lookup(), signature{by: guess, service: "cloudtrail"})},
		{"json: damaged session token", bent(lookup(), signature{by: cut, service: "cloudtrail"})},
		{"json: no permission", bent(lookup(), signature{by: nobody, service: "cloudtrail"})},
		{"json: parameter does not fit", bent(w.json("LookupEvents", `{"MaxResults":51}`), signature{by: w.admin, service: "cloudtrail"})},
		{"json: wrong type", bent(w.json("LookupEvents", `{"MaxResults":"x"}`), signature{by: w.admin, service: "cloudtrail"})},
		{"json: damaged token", bent(w.json("LookupEvents", `{"NextToken":"x"}`), signature{by: w.admin, service: "cloudtrail"})},
		{"json: unknown operation", bent(w.json("MakeTea", "{}"), signature{by: w.admin, service: "cloudtrail"})},
		{"json: operation to come", bent(w.json("CreateTrail", "{}"), signature{by: w.admin, service: "cloudtrail"})},
	}
	w.lanyard.Advance(20 * 60e9)
	cases = append(cases,
		struct {
			name  string
			reply *reply
		}{"query: session over", bent(list(), signature{by: role, service: "iam"})},
		struct {
			name  string
			reply *reply
		}{"json: session over", bent(lookup(), signature{by: role, service: "cloudtrail"})},
	)
	var b strings.Builder
	for _, c := range cases {
		fmt.Fprintf(&b, "---- %s\n%s\n", c.name, stable(answer(c.reply)))
	}
	golden(t, "errors.txt", b.String())
}

// The sentence of a denial, for each kind of policy that can be its reason.
func TestGoldenDenials(t *testing.T) {
	w := newWorld(t)
	var b strings.Builder
	tell := func(what string, r *reply) {
		t.Helper()
		if r.code() != "AccessDenied" {
			t.Errorf("%s: %d %s", what, r.status, r.body)
		}
		fmt.Fprintf(&b, "%s\n\t%s\n", what, stable(r.message()))
	}
	_, key := w.caller()
	tell("no identity policy allows", w.iam(key, "ListUsers"))
	_, key = w.caller(allow("iam:*"), deny("iam:ListUsers"))
	tell("an identity policy denies", w.iam(key, "ListUsers"))
	name, key := w.caller()
	w.ok(w.iam(w.admin, "AddUserToGroup", "GroupName", w.group(deny("iam:ListUsers")), "UserName", name))
	tell("a group's policy denies", w.iam(key, "ListUsers"))
	name, key = w.caller(allow("iam:*"))
	w.bounded(name, w.policy(allow("iam:GetUser")))
	tell("no boundary allows", w.iam(key, "ListUsers"))
	w.bounded(name, w.policy(document(map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}, map[string]any{"Effect": "Deny", "Action": "iam:ListUsers", "Resource": "*"})))
	tell("a boundary denies", w.iam(key, "ListUsers"))
	role := w.role(allow("iam:*"))
	tell("no session policy allows", w.iam(w.assume(role, "Policy", allow("iam:GetUser")), "ListUsers"))
	tell("a session policy denies", w.iam(w.assume(role, "Policy", document(map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}, map[string]any{"Effect": "Deny", "Action": "iam:ListUsers", "Resource": "*"})), "ListUsers"))
	tell("a role without policies", w.iam(w.assume(w.role()), "ListUsers"))
	name, key = w.caller(allow("sts:AssumeRole"))
	closed := w.name("role")
	w.ok(w.iam(w.admin, "CreateRole", "RoleName", closed, "AssumeRolePolicyDocument", trusting(string(theirs))))
	assume := func(by credentials, role string) *reply {
		return w.sts(by, "AssumeRole", "RoleArn", roleARN(role), "RoleSessionName", "wire")
	}
	tell("no trust policy allows", assume(key, closed))
	w.ok(w.iam(w.admin, "UpdateAssumeRolePolicy", "RoleName", closed, "PolicyDocument", document(
		map[string]any{"Effect": "Allow", "Principal": map[string]any{"AWS": string(ours)}, "Action": "sts:AssumeRole"},
		map[string]any{"Effect": "Deny", "Principal": map[string]any{"AWS": userARN(name)}, "Action": "sts:AssumeRole"})))
	tell("a trust policy denies", assume(key, closed))
	_, plain := w.caller()
	tell("the trust policy allows the account, and no identity policy the call", assume(plain, w.role()))
	tell("an absent role", assume(plain, "absent"))
	tell("root may not assume roles", assume(w.root, w.role()))
	session := w.ok(w.sts(plain, "GetSessionToken")).credentials()
	tell("a session asks for a session", w.sts(session, "GetSessionToken"))
	tell("a session calls STS", w.sts(session, "GetAccessKeyInfo", "AccessKeyId", plain.id))
	tell("a code without a device", w.sts(plain, "GetSessionToken", "SerialNumber", "arn:aws:iam::"+string(ours)+":mfa/absent", "TokenCode", "123456"))
	golden(t, "denials.txt", b.String())
}

// Records of the trail as LookupEvents tells them, from end to end.
func TestGoldenRecords(t *testing.T) {
	w := newWorld(t)
	w.admin = w.root // whose name does not depend on who runs the test
	var b strings.Builder
	tell := func(what string, r *reply) {
		t.Helper()
		rec := w.record(r)
		if rec == nil {
			t.Errorf("%s: not on record", what)
			return
		}
		// The same as LookupEvents gives.
		events := w.ok(w.lookup(w.root, `{"MaxResults":50}`)).body
		if !strings.Contains(events, rec.EventID) {
			t.Errorf("%s: LookupEvents does not know it", what)
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, []byte(rec.raw), "", "  "); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "---- %s\n%s\n\n", what, stable(indented.String()))
	}
	tell("a user is made", w.iam(w.root, "CreateUser", "UserName", "alice", "Path", "/people/", "Tags.member.1.Key", "team", "Tags.member.1.Value", "red"))
	tell("and is there already", w.iam(w.root, "CreateUser", "UserName", "alice"))
	r := w.iam(w.root, "CreateAccessKey", "UserName", "alice")
	tell("an access key is made", r)
	key := r.credentials()
	tell("a call is denied", w.iam(key, "ListUsers"))
	tell("a password is set", w.iam(w.root, "CreateLoginProfile", "UserName", "alice", "Password", password))
	tell("a policy is put", w.iam(w.root, "PutUserPolicy", "UserName", "alice", "PolicyName", "p", "PolicyDocument", allow("iam:ListUsers", "sts:*")))
	tell("a list is read", w.iam(key, "ListUsers"))
	tell("who am I", w.sts(key, "GetCallerIdentity"))
	tell("a session", w.sts(key, "GetSessionToken", "DurationSeconds", "900"))
	w.ok(w.iam(w.root, "CreateRole", "RoleName", "auditor", "AssumeRolePolicyDocument", trusting(string(ours))))
	assumed := w.sts(key, "AssumeRole", "RoleArn", roleARN("auditor"), "RoleSessionName", "wire", "ExternalId", "4711", "SourceIdentity", "alice")
	tell("a role is assumed", assumed)
	tell("by whom nothing may be done", w.iam(assumed.credentials(), "GetRole", "RoleName", "auditor"))
	federated := w.sts(key, "GetFederationToken", "Name", "guest", "Policy", allow("*"))
	tell("a federated user", federated)
	tell("who calls", w.sts(federated.credentials(), "GetCallerIdentity"))
	wrong := key
	wrong.secret = "guess"
	tell("a wrong secret", w.iam(wrong, "ListUsers"))
	tell("an inactive key", func() *reply {
		w.ok(w.iam(w.root, "UpdateAccessKey", "UserName", "alice", "AccessKeyId", key.id, "Status", "Inactive"))
		return w.iam(key, "ListUsers")
	}())
	tell("the trail is read", w.lookup(w.root, `{"MaxResults":1,"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"CreateUser"}]}`))
	golden(t, "records.txt", b.String())
}
