package advisor_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/advisor"
)

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func ago(days float64) time.Time { return now.Add(-time.Duration(days * 24 * float64(time.Hour))) }

const (
	account = "111122223333"
	admin   = "arn:aws:iam::aws:policy/AdministratorAccess"
	reader  = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
)

func allow(action, resource string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"%s","Resource":"%s"}}`, action, resource)
}

func trust(principal, more string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":` + principal + `,"Action":"sts:AssumeRole"` + more + `}}`
}

// safe is an account in which there is nothing to find.
func safe() *advisor.Facts {
	return &advisor.Facts{
		Now: now, Reported: now, Account: account, Partition: "aws",
		Root:     advisor.Root{ARN: "arn:aws:iam::111122223333:root", MFA: true},
		Policies: map[string]advisor.Policy{admin: {Name: "AdministratorAccess", Document: allow("*", "*")}, reader: {Name: "IAMReadOnlyAccess", Document: allow("iam:Get*", "*")}},
		Calls:    map[string][]advisor.Call{},
		Users:    []advisor.User{alice(), {Name: "machine", ARN: "arn:aws:iam::111122223333:user/machine", ID: "AIDAMACHINEMACHINE234", Created: ago(300), Keys: []advisor.Key{key("AKIAMACHINE", 10, 1)}}},
		Groups:   []advisor.Group{{Name: "admins", ARN: "arn:aws:iam::111122223333:group/admins", Permissions: advisor.Permissions{Attached: []string{admin}}}},
		Roles: []advisor.Role{{
			Name: "deploy", ARN: "arn:aws:iam::111122223333:role/deploy", ID: "AROADEPLOYDEPLOY2345", Path: "/", Created: ago(300),
			Trust: trust(`{"AWS":"arn:aws:iam::111122223333:root"}`, ""), Permissions: advisor.Permissions{Attached: []string{admin}},
		}},
	}
}

// alice has a password and MFA.
func alice() advisor.User {
	return advisor.User{
		Name: "alice", ARN: "arn:aws:iam::111122223333:user/alice", ID: "AIDAALICEALICEALICE23", Created: ago(300), MFA: true,
		Password: &advisor.Password{Changed: ago(200), Used: ago(2)}, Permissions: advisor.Permissions{Attached: []string{reader}},
	}
}

func key(id string, created, used float64) advisor.Key {
	k := advisor.Key{ID: id, Active: true, Created: ago(created)}
	if used >= 0 {
		k.Used = ago(used)
	}
	return k
}

// ids are the open findings as ID name, where name ends the ARN.
func ids(r *advisor.Report) []string {
	list := []string{}
	for _, f := range r.Findings {
		list = append(list, f.ID+" "+f.ARN[strings.LastIndexAny(f.ARN, ":/")+1:])
	}
	return list
}

func TestNothingIsFoundInASafeAccount(t *testing.T) {
	r := advisor.Review(safe())
	if len(r.Findings) != 0 || len(r.Notes) != 0 || r.Score != 100 {
		t.Errorf("%v %v, score %d", ids(r), r.Notes, r.Score)
	}
}

// calls are calls of one key: each "minute address agent".
func calls(list ...string) []advisor.Call {
	var out []advisor.Call
	for _, text := range list {
		var minute float64
		var c advisor.Call
		fmt.Sscan(text, &minute, &c.Address, &c.Agent)
		c.At = ago(1).Add(time.Duration(minute * float64(time.Minute)))
		out = append(out, c)
	}
	return out
}

// TestRules: each rule finds what it is about and nothing else does; when that is
// fixed, nothing is found any more. What is close to it but allowed is not found.
func TestRules(t *testing.T) {
	user := func(f *advisor.Facts) *advisor.User { return &f.Users[0] }
	role := func(f *advisor.Facts) *advisor.Role { return &f.Roles[0] }
	trusts := func(text string) func(*advisor.Facts) {
		return func(f *advisor.Facts) { role(f).Trust = text }
	}
	keys := func(keys ...advisor.Key) func(*advisor.Facts) {
		return func(f *advisor.Facts) { user(f).Keys = keys }
	}
	called := func(list ...string) func(*advisor.Facts) {
		return func(f *advisor.Facts) {
			user(f).Keys = []advisor.Key{key("AKIA1", 20, 1)}
			f.Calls["AKIA1"] = calls(list...)
		}
	}
	alone := func(more func(*advisor.User, *advisor.Facts)) func(*advisor.Facts) {
		return func(f *advisor.Facts) {
			user(f).MFA = false
			more(user(f), f)
		}
	}
	takesOver := strings.Replace(allow("X", "*"), `"X"`, `["iam:Create*","iam:Attach*","iam:Put*","iam:Update*"]`, 1)
	const provider = "arn:aws:iam::111122223333:oidc-provider/token.example.com"
	tokens := func(condition string) func(*advisor.Facts) {
		return func(f *advisor.Facts) {
			f.Providers = []advisor.Provider{{ARN: provider, Audiences: []string{"here"}}}
			role(f).Trust = strings.Replace(trust(`{"Federated":"`+provider+`"}`, condition), "AssumeRole", "AssumeRoleWithWebIdentity", 1)
		}
	}
	inactive := key("AKIA1", 20, 5)
	inactive.Active = false
	for _, c := range []struct {
		what  string
		fault func(*advisor.Facts)
		want  string // "" nothing
	}{
		{"root without MFA", func(f *advisor.Facts) { f.Root.MFA = false }, "ROOT-01 root"},
		{"root used a week ago", func(f *advisor.Facts) { f.Root.Uses = []advisor.Use{{ago(7), "CreateUser"}} }, "ROOT-02 root"},
		{"root used 31 days ago", func(f *advisor.Facts) { f.Root.Uses = []advisor.Use{{ago(31), "CreateUser"}} }, ""},
		{"root set up its MFA", func(f *advisor.Facts) {
			f.Root.Uses = []advisor.Use{{ago(1), "CreateVirtualMFADevice"}, {ago(1), "EnableMFADevice"}}
		}, ""},

		{"a password without MFA", func(f *advisor.Facts) { user(f).MFA = false }, "MFA-01 alice"},
		{"no password, no MFA", alone(func(u *advisor.User, _ *advisor.Facts) { u.Password = nil }), ""},
		{"a password never used for 89 days", func(f *advisor.Facts) { *user(f).Password = advisor.Password{Changed: ago(89)} }, ""},
		{"a password never used for 90 days", func(f *advisor.Facts) { *user(f).Password = advisor.Password{Changed: ago(90)} }, "PASS-01 alice"},
		{"a password used 100 days ago", func(f *advisor.Facts) { *user(f).Password = advisor.Password{Changed: ago(300), Used: ago(100)} }, "PASS-01 alice"},
		{"a password changed after it was used", func(f *advisor.Facts) { *user(f).Password = advisor.Password{Changed: ago(10), Used: ago(100)} }, ""},

		{"an administrator of any name", alone(func(u *advisor.User, f *advisor.Facts) {
			u.Attached, u.Inline = nil, []advisor.Inline{{"harmless", takesOver}}
		}), "ADMIN-01 alice"},
		{"one with a key only", alone(func(u *advisor.User, f *advisor.Facts) {
			u.Password, u.Keys = nil, []advisor.Key{key("AKIA1", 20, 1)}
			u.Inline = []advisor.Inline{{"x", takesOver}}
		}), "ADMIN-01 alice"},
		{"one who cannot sign in", alone(func(u *advisor.User, f *advisor.Facts) {
			u.Password, u.Inline = nil, []advisor.Inline{{"x", takesOver}}
		}), ""},
		{"one whose policy wants MFA", alone(func(u *advisor.User, f *advisor.Facts) {
			u.Password, u.Keys = nil, []advisor.Key{key("AKIA1", 20, 1)}
			u.Inline = []advisor.Inline{{"x", strings.Replace(takesOver, `"Resource"`, `"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}},"Resource"`, 1)}}
		}), ""},
		{"one within a boundary", alone(func(u *advisor.User, f *advisor.Facts) {
			u.Inline, u.Boundary = []advisor.Inline{{"x", takesOver}}, reader
		}), "MFA-01 alice"},
		{"one who is denied changes of IAM", alone(func(u *advisor.User, f *advisor.Facts) {
			u.Inline = []advisor.Inline{{"x", takesOver}, {"y", strings.Replace(allow("iam:Create*", "*"), "Allow", "Deny", 1)}}
		}), "MFA-01 alice"},
		{"AdministratorAccess that is not what its name says", alone(func(u *advisor.User, f *advisor.Facts) {
			u.Attached = []string{admin}
			f.Policies[admin] = advisor.Policy{Name: "AdministratorAccess", Document: allow("s3:GetObject", "*")}
		}), "MFA-01 alice"},

		{"* on *, attached", func(f *advisor.Facts) { user(f).Attached = []string{admin} }, "POLICY-01 alice"},
		{"* on *, inline", func(f *advisor.Facts) { user(f).Inline = []advisor.Inline{{"x", allow("*", "*")}} }, "POLICY-01 alice"},
		{"* on *, by a group", func(f *advisor.Facts) { user(f).Groups = []string{"admins"} }, "POLICY-01 admins"},
		{"everything but IAM", func(f *advisor.Facts) {
			user(f).Inline = []advisor.Inline{{"x", strings.Replace(allow("iam:*", "*"), `"Action"`, `"NotAction"`, 1)}}
		}, ""},
		{"* on one thing", func(f *advisor.Facts) { user(f).Inline = []advisor.Inline{{"x", allow("*", "arn:aws:s3:::b/*")}} }, ""},

		{"anyone", trusts(trust(`"*"`, "")), "TRUST-01 deploy"},
		{"anyone, as AWS", trusts(trust(`{"AWS":["*","arn:aws:iam::111122223333:root"]}`, "")), "TRUST-01 deploy"},
		{"anyone with MFA of their own", trusts(trust(`"*"`, `,"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`)), "TRUST-01 deploy"},
		{"anyone of an organization", trusts(trust(`"*"`, `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`)), ""},
		{"anyone of this account", trusts(trust(`"*"`, `,"Condition":{"StringEquals":{"aws:PrincipalAccount":"111122223333"}}`)), ""},
		{"a foreign account", trusts(trust(`{"AWS":"444455556666"}`, "")), "TRUST-02 deploy"},
		{"a foreign root's ARN beside a service", trusts(trust(`{"AWS":["arn:aws:iam::444455556666:root"],"Service":"ec2.amazonaws.com"}`, "")), "TRUST-02 deploy"},
		{"a foreign account with an external id", trusts(trust(`{"AWS":"444455556666"}`, `,"Condition":{"StringEquals":{"sts:ExternalId":"x"}}`)), ""},
		{"a foreign account with MFA", trusts(trust(`{"AWS":"444455556666"}`, `,"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`)), ""},
		{"a role of a foreign account", trusts(trust(`{"AWS":"arn:aws:iam::444455556666:role/ci"}`, "")), ""},
		{"any subject of an identity provider", tokens(""), "TRUST-03 deploy"},
		{"any subject of the right audience", tokens(`,"Condition":{"StringEquals":{"token.example.com:aud":"here"}}`), "TRUST-03 deploy"},
		{"a subject of any name", tokens(`,"Condition":{"StringLike":{"token.example.com:sub":"repo:*","token.example.com:aud":"here"}}`), "TRUST-03 deploy"},
		{"any subject for an audience that the provider does not have", tokens(`,"Condition":{"StringEquals":{"token.example.com:aud":"there"}}`), ""},
		{"subjects of one repository", tokens(`,"Condition":{"StringLike":{"token.example.com:sub":"repo:acme/app:*"}}`), ""},
		{"tokens of one group", tokens(`,"Condition":{"StringEquals":{"token.example.com:groups":"x"}}`), ""},
		{"a SAML provider", trusts(trust(`{"Federated":"arn:aws:iam::111122223333:saml-provider/idp"}`, "")), ""},

		{"root's key", func(f *advisor.Facts) { f.Root.Keys = []advisor.Key{key("", 3, -1)} }, "ROOT-03 root"},

		{"all of a service, inline", func(f *advisor.Facts) { user(f).Inline = []advisor.Inline{{"x", allow("s3:*", "*")}} }, "POLICY-02 alice"},
		{"all of a service, with a condition", func(f *advisor.Facts) {
			user(f).Inline = []advisor.Inline{{"x", strings.Replace(allow("s3:*", "*"), `"Resource"`, `"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}},"Resource"`, 1)}}
		}, ""},
		{"all reading of a service", func(f *advisor.Facts) { user(f).Inline = []advisor.Inline{{"x", allow("s3:Get*", "*")}} }, ""},
		{"all of a service denied", func(f *advisor.Facts) {
			user(f).Inline = []advisor.Inline{{"x", strings.Replace(allow("s3:*", "*"), "Allow", "Deny", 1)}}
		}, ""},
		{"a role's own policy that allows everything", func(f *advisor.Facts) { role(f).Inline = []advisor.Inline{{"x", allow("*", "*")}} }, "POLICY-02 deploy"},
		{"an own managed policy, attached", func(f *advisor.Facts) {
			f.Policies["arn:aws:iam::111122223333:policy/wide"] = advisor.Policy{Name: "wide", Document: allow("ec2:*", "*")}
			role(f).Attached = append(role(f).Attached, "arn:aws:iam::111122223333:policy/wide")
		}, "POLICY-02 wide"},
		{"an own managed policy as a boundary", func(f *advisor.Facts) {
			f.Policies["arn:aws:iam::111122223333:policy/wide"] = advisor.Policy{Name: "wide", Document: allow("ec2:*", "*")}
			role(f).Boundary = "arn:aws:iam::111122223333:policy/wide"
		}, ""},

		{"a service", trusts(trust(`{"Service":"ec2.amazonaws.com"}`, "")), ""},

		{"a key of 89 days", keys(key("AKIA1", 89, 1)), ""},
		{"a key of 90 days", keys(key("AKIA1", 90, 1)), "KEY-01 alice"},
		{"a key never used for 90 days", keys(key("AKIA1", 90, -1)), "KEY-02 alice"},
		{"a key not used for 90 days", keys(key("AKIA1", 200, 90)), "KEY-02 alice"},
		{"a key never used, young", keys(key("AKIA1", 3, -1)), ""},
		{"two active keys", keys(key("AKIA1", 20, 3), key("AKIA2", 10, 1)), "KEY-04 alice"},
		{"two active keys, one unused", keys(key("AKIA1", 95, -1), key("AKIA2", 10, 1)), "KEY-02 alice"},
		{"an inactive key", keys(inactive), "KEY-05 alice"},

		{"two at a time", called("0 203.0.113.1 cli", "1 198.51.100.7 cli", "2 203.0.113.1 cli", "3 198.51.100.7 cli"), "KEY-03 alice"},
		{"one after the other", called("0 203.0.113.1 cli", "1 203.0.113.1 cli", "2 198.51.100.7 cli", "3 198.51.100.7 cli"), ""},
		{"away and back after a pause", called("0 203.0.113.1 cli", "20 198.51.100.7 cli", "25 198.51.100.7 cli", "40 203.0.113.1 cli"), ""},
		{"a single call from elsewhere", called("0 203.0.113.1 cli", "1 198.51.100.7 cli", "2 203.0.113.1 cli"), ""},
		{"addresses of one network", called("0 203.0.113.1 cli", "1 203.0.113.9 cli", "2 203.0.113.1 cli", "3 203.0.113.9 cli"), ""},
		{"IPv6 and IPv4 of one machine", called("0 203.0.113.1 cli", "1 2001:db8::1 cli", "2 203.0.113.1 cli", "3 2001:db8::1 cli"), ""},
		{"IPv6 and IPv4 of two programs", called("0 203.0.113.1 cli", "1 2001:db8::1 boto", "2 203.0.113.1 cli", "3 2001:db8::1 boto"), "KEY-03 alice"},
		{"services", called("0 a.amazonaws.com cli", "1 b.amazonaws.com cli", "2 a.amazonaws.com cli", "3 b.amazonaws.com cli"), ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			f := safe()
			c.fault(f)
			r := advisor.Review(f)
			if got := strings.Join(ids(r), ", "); got != c.want {
				t.Fatalf("found %q, not %q", got, c.want)
			}
			if c.want == "" {
				return
			}
			found := r.Findings[0]
			rule, ok := advisor.RuleOf(found.ID)
			if !strings.HasPrefix(found.Ref, found.ID+"-") || !strings.HasPrefix(found.Page, "/") {
				t.Errorf("ref %q, page %q", found.Ref, found.Page)
			}
			if !ok || len(found.Fix) == 0 || len(found.Evidence) == 0 || found.Why == "" || found.Title != rule.Title || r.Score >= 100 {
				t.Errorf("%+v, score %d", found, r.Score)
			}
			if text := fmt.Sprintf("%q", found.Fix); strings.Contains(text, "THE-") || strings.Contains(text, "  #") {
				t.Errorf("the fix cannot be pasted: %s", text)
			}
			repair(t, f, &found)
			if r := advisor.Review(f); len(r.Findings) != 0 || r.Score != 100 {
				t.Errorf("fixed, there is still %v", ids(r))
			}
		})
	}
}

// repair does to the facts what the commands of a fix would do to the account.
func repair(t interface{ Fatalf(string, ...any) }, f *advisor.Facts, found *advisor.Finding) {
	if found.ID == "ROOT-02" { // nothing but time mends it
		f.Root.Uses = nil
		return
	}
	if found.ID == "POLICY-02" { // only somebody who knows the work can say what it needs
		f.Users[0].Inline, f.Roles[0].Inline = nil, nil
		delete(f.Policies, "arn:aws:iam::111122223333:policy/wide")
		f.Roles[0].Attached = []string{admin}
		return
	}
	for _, command := range found.Fix {
		if i := strings.Index(command, "aws iam list-access-keys "); i >= 0 { // root's
			f.Root.Keys = nil
			continue
		}
		if i := strings.Index(command, "aws iam "); i >= 0 {
			command = command[i:]
		}
		for _, part := range strings.Split(command, " && ") {
			apply(t, f, part)
		}
	}
}

func apply(t interface{ Fatalf(string, ...any) }, f *advisor.Facts, command string) {
	words := strings.Fields(command)
	option := func(name string) string {
		if i := slices.Index(words, "--"+name); i >= 0 {
			return strings.Trim(words[i+1], "')")
		}
		t.Fatalf("%s has no --%s", command, name)
		return ""
	}
	user := func() *advisor.User {
		name := option("user-name")
		i := slices.IndexFunc(f.Users, func(u advisor.User) bool { return u.Name == name })
		if i < 0 {
			t.Fatalf("%s: there is no such user", command)
		}
		return &f.Users[i]
	}
	group := func() *advisor.Group {
		i := slices.IndexFunc(f.Groups, func(g advisor.Group) bool { return g.Name == option("group-name") })
		return &f.Groups[i]
	}
	without := func(list []string, gone string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == gone })
	}
	if len(words) < 3 || words[0] != "aws" || words[1] != "iam" {
		return
	}
	switch words[2] {
	case "create-virtual-mfa-device", "create-access-key", "create-role", "attach-role-policy":
		if words[2] == "create-access-key" {
			u := user()
			u.Keys = append(u.Keys, key("AKIANEW"+u.Name, 0, -1))
		}
	case "put-user-policy", "put-group-policy": // of one statement, to assume a role
	case "enable-mfa-device":
		if option("user-name") == "root" {
			f.Root.MFA = true
		} else {
			user().MFA = true
		}
	case "delete-login-profile":
		user().Password = nil
	case "update-access-key":
		u, id := user(), option("access-key-id")
		i := slices.IndexFunc(u.Keys, func(k advisor.Key) bool { return k.ID == id })
		u.Keys[i].Active = false
	case "delete-access-key":
		u, id := user(), option("access-key-id")
		n := len(u.Keys)
		if u.Keys = slices.DeleteFunc(slices.Clone(u.Keys), func(k advisor.Key) bool { return k.ID == id }); len(u.Keys) != n-1 {
			t.Fatalf("%s: there is no such key", command)
		}
	case "detach-user-policy":
		u := user()
		u.Attached = without(u.Attached, option("policy-arn"))
	case "delete-user-policy":
		u, name := user(), option("policy-name")
		u.Inline = slices.DeleteFunc(slices.Clone(u.Inline), func(p advisor.Inline) bool { return p.Name == name })
	case "detach-group-policy":
		g := group()
		g.Attached = without(g.Attached, option("policy-arn"))
	case "update-assume-role-policy":
		i := slices.IndexFunc(f.Roles, func(r advisor.Role) bool { return r.Name == option("role-name") })
		_, document, _ := strings.Cut(command, "--policy-document ")
		f.Roles[i].Trust = strings.ReplaceAll(strings.Trim(document, "'"), `'"$EXTERNAL_ID"'`, "0123456789abcdef")
		f.Roles[i].Trust = strings.ReplaceAll(f.Roles[i].Trust, `'"$SUBJECT"'`, "repo:acme/app:ref:refs/heads/main")
	default:
		t.Fatalf("this test does not know %s", command)
	}
}

// TestTheFixOfATrustPolicyKeepsTheOthers: who came in by the policy and is no stranger
// still does.
func TestTheFixOfATrustPolicyKeepsTheOthers(t *testing.T) {
	f := safe()
	f.Roles[0].Trust = `{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Allow","Principal":{"AWS":["444455556666","arn:aws:iam::111122223333:root"],"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},
		{"Sid":"B","Effect":"Deny","Principal":"*","Action":"sts:AssumeRole","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}]}`
	found := advisor.Review(f).Findings[0]
	repair(t, f, &found)
	got := f.Roles[0].Trust
	want := `{"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:root"],"Service":"ec2.amazonaws.com"},"Sid":"A"},` +
		`{"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"0123456789abcdef"}},"Effect":"Allow","Principal":{"AWS":["444455556666"]}},` +
		`{"Action":"sts:AssumeRole","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}},"Effect":"Deny","Principal":"*","Sid":"B"}],"Version":"2012-10-17"}`
	if got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}
}

// TestAPolicyThatCannotBeReadIsNoted: it is not judged, and that is said.
func TestAPolicyThatCannotBeReadIsNoted(t *testing.T) {
	f := safe()
	f.Roles[0].Trust = "not JSON"
	if r := advisor.Review(f); len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "role/deploy") {
		t.Errorf("%v", r.Notes)
	}
}

// TestALongPolicyOfAWSIsRead: shown with white space, it is longer than a policy may be.
func TestALongPolicyOfAWSIsRead(t *testing.T) {
	f := safe()
	f.Users[0].MFA = false
	f.Policies[reader] = advisor.Policy{Name: "IAMReadOnlyAccess", Document: strings.Replace(allow("*", "*"), `"Statement"`, strings.Repeat(" ", 140_000)+`"Statement"`, 1)}
	if r := advisor.Review(f); len(r.Notes) != 0 || !slices.Contains(ids(r), "ADMIN-01 alice") {
		t.Errorf("%v %v", ids(r), r.Notes)
	}
}

// TestNothingOfAShellGetsThrough: names are other people's.
func TestNothingOfAShellGetsThrough(t *testing.T) {
	f := safe()
	f.Users[0].Name, f.Users[0].MFA = "a'; rm -rf $HOME; '", false
	for _, line := range advisor.Review(f).Findings[0].Fix {
		if strings.Contains(line, "rm -rf") && !strings.Contains(line, `'a'\''; rm -rf $HOME; '\'''`) && !strings.Contains(line, `'a'\''; rm -rf $HOME; '\''.seed'`) {
			t.Errorf("%s", line)
		}
	}
}

func TestSuppression(t *testing.T) {
	f := safe()
	f.Root.MFA, f.Users[0].MFA = false, false
	before := advisor.Review(f)
	s := advisor.Suppression{ID: "MFA-01", ARN: f.Users[0].ARN, Reason: "leaves on Monday", By: "carol", At: ago(1), Until: now.Add(time.Second)}
	f.Suppressions = []advisor.Suppression{s}
	r := advisor.Review(f)
	if got := ids(r); len(got) != 1 || got[0] != "ROOT-01 root" || len(r.Suppressed) != 1 || *r.Suppressed[0].Suppression != s || r.Score <= before.Score || r.AtLeast(advisor.High) != 1 {
		t.Errorf("suppressed: %v, %+v, score %d", got, r.Suppressed, r.Score)
	}
	f.Now = s.Until
	r = advisor.Review(f)
	if len(r.Findings) != 2 || len(r.Suppressed) != 0 || r.Score != before.Score {
		t.Errorf("ended: %v, %v", ids(r), r.Suppressed)
	}
	if i := slices.IndexFunc(r.Findings, func(f advisor.Finding) bool { return f.ID == "MFA-01" }); r.Findings[i].Suppression == nil {
		t.Error("nobody is told that a suppression has ended")
	}
	f.Now, f.Suppressions[0].ARN = now, "arn:aws:iam::111122223333:user/bob"
	if r := advisor.Review(f); len(r.Findings) != 2 {
		t.Errorf("the suppression of another's finding hides %v", r.Suppressed)
	}
}

// drawFacts makes an account with faults of all kinds.
func drawFacts(t *rapid.T) *advisor.Facts {
	f := safe()
	f.Users = nil
	f.Root.MFA = rapid.Bool().Draw(t, "root MFA")
	for i := range rapid.IntRange(0, 4).Draw(t, "users") {
		u := alice()
		u.Name = fmt.Sprintf("user%d", i)
		u.ARN = "arn:aws:iam::111122223333:user/" + u.Name
		u.MFA = rapid.Bool().Draw(t, "MFA")
		if rapid.Bool().Draw(t, "no password") {
			u.Password = nil
		} else {
			u.Password.Used = ago(float64(rapid.IntRange(0, 150).Draw(t, "password used")))
		}
		for n := range rapid.IntRange(0, 2).Draw(t, "keys") {
			made := rapid.IntRange(0, 200).Draw(t, "made")
			k := key(fmt.Sprintf("AKIA%d%d", i, n), float64(made), float64(rapid.IntRange(-1, made).Draw(t, "used")))
			k.Active = rapid.Bool().Draw(t, "active")
			if rapid.Bool().Draw(t, "shared") && now.Sub(k.Used) <= advisor.RecentCalls {
				f.Calls[k.ID] = calls("0 203.0.113.1 cli", "1 198.51.100.7 cli", "2 203.0.113.1 cli", "3 198.51.100.7 cli")
			}
			u.Keys = append(u.Keys, k)
		}
		if rapid.Bool().Draw(t, "in admins") {
			u.Groups = []string{"admins"}
		}
		if rapid.Bool().Draw(t, "administrator") {
			u.Attached = []string{admin, reader}
		}
		f.Users = append(f.Users, u)
	}
	f.Roles[0].Trust = rapid.SampledFrom([]string{
		f.Roles[0].Trust, trust(`"*"`, ""), trust(`{"AWS":["444455556666","777788889999"]}`, ""), trust(`{"AWS":"444455556666"}`, `,"Condition":{"StringEquals":{"sts:ExternalId":"x"}}`),
	}).Draw(t, "trust")
	return f
}

func same(a, b advisor.Finding) bool { return a.ID == b.ID && a.ARN == b.ARN && a.Key == b.Key }

// TestFixing: a fix ends its finding; it makes none; and others that end with it are
// about the same key or password, or follow from the policy that was taken away. The
// score does not fall. Findings of keys name the key.
func TestFixing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t)
		before := advisor.Review(f)
		if len(before.Findings) == 0 {
			return
		}
		for i := range f.Users {
			if u := &f.Users[i]; !u.KeyIDsMatter(f.Now) {
				for j := range u.Keys {
					u.Keys[j].ID = ""
				}
			}
		}
		if again := advisor.Review(f); fmt.Sprint(again) != fmt.Sprint(before) {
			t.Fatalf("a key's id matters that was not asked for: %v, %v", ids(before), ids(again))
		}
		fixed := rapid.SampledFrom(before.Findings).Draw(t, "fixed")
		repair(t, f, &fixed)
		after := advisor.Review(f)
		if after.Score < before.Score {
			t.Errorf("the score fell from %d to %d", before.Score, after.Score)
		}
		for _, found := range after.Findings {
			if same(found, fixed) {
				t.Errorf("%s of %s is still there", fixed.ID, fixed.ARN)
			}
			if !slices.ContainsFunc(before.Findings, func(b advisor.Finding) bool { return same(b, found) }) &&
				!(found.ID == "MFA-01" && fixed.ID == "POLICY-01") { // an administrator no more, but still without MFA
				t.Errorf("the fix of %s made %s of %s", fixed.ID, found.ID, found.ARN)
			}
		}
		for _, found := range before.Findings {
			if !same(found, fixed) && !slices.ContainsFunc(after.Findings, func(a advisor.Finding) bool { return same(a, found) }) &&
				found.ARN != fixed.ARN && fixed.ID != "POLICY-01" {
				t.Errorf("the fix of %s of %s ended %s of %s", fixed.ID, fixed.ARN, found.ID, found.ARN)
			}
		}
	})
}

// TestSuppressing: a suppression hides exactly what it names.
func TestSuppressing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t)
		before := advisor.Review(f)
		if len(before.Findings) == 0 {
			return
		}
		chosen := rapid.SampledFrom(before.Findings).Draw(t, "suppressed")
		f.Suppressions = []advisor.Suppression{{ID: chosen.ID, ARN: chosen.ARN, Until: now.Add(time.Hour)}}
		after := advisor.Review(f)
		if len(after.Findings)+len(after.Suppressed) != len(before.Findings) || after.Score < before.Score {
			t.Errorf("%v, then %v and %d suppressed", ids(before), ids(after), len(after.Suppressed))
		}
		for _, found := range after.Suppressed {
			if found.ID != chosen.ID || found.ARN != chosen.ARN {
				t.Errorf("%s of %s is suppressed", found.ID, found.ARN)
			}
		}
	})
}
