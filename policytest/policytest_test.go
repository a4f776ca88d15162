package policytest

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

var files = map[string]string{
	"deploy.json": `{"Version": "2012-10-17", "Statement": [
  {"Sid": "Upload", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::releases/*"},
  {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::releases/*",
   "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}},
  {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::releases/legal/*"},
  {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"},
  {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::home/${aws:username}/*"}
]}`,
	"guard.json":  `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "s3:Put*", "Resource": "*"}]}`,
	"trust.json":  `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:user/alice"}, "Action": "sts:AssumeRole"}}`,
	"broken.json": "{\n \"Version\": \"2012-10-17\",\n \"Statement\": [{\"Effect\": \"Alow\", \"Action\": \"s3:*\", \"Resource\": \"*\"}]}",
}

func open(path string) ([]byte, error) {
	if text, ok := files[path]; ok {
		return []byte(text), nil
	}
	return nil, os.ErrNotExist
}

var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func judged(t *testing.T, text string) *Report {
	t.Helper()
	cases, err := Read("x.test.yaml", []byte(text), open, now)
	if err != nil {
		t.Fatal(err)
	}
	r := &Report{}
	for i := range cases {
		c := &cases[i]
		if c.Offline == nil {
			r.Add("x.test.yaml", c, Unjudged("no server"))
			continue
		}
		result, err := c.Judge(*c.Offline, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Add("x.test.yaml", c, result)
	}
	return r
}

const table = `
principals:
  alice: {arn: "arn:aws:iam::111122223333:user/alice", policies: deploy.json, tags: {team: red}}
  bounded:
    arn: arn:aws:iam::111122223333:role/bounded
    policies: [deploy.json]
    boundary:
      Version: "2012-10-17"
      Statement:
        - Effect: Allow
          Action: s3:Get*
          Resource: "*"
  guarded: {policies: [deploy.json], scps: [guard.json]}
  tagged:
    arn: arn:aws:iam::111122223333:user/tagged
    tags: {team: red}
    policies: |
      {"Version": "2012-10-17",
       "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:PrincipalTag/team}/*"}}
  far: {arn: "arn:aws:iam::111122223333:role/far"}
tests:
  - {principal: alice, action: s3:PutObject, resource: "arn:aws:s3:::releases/a", expect: %s}
  - {principal: alice, action: s3:PutObject, resource: "arn:aws:s3:::releases/legal/a", expect: %s}
  - {principal: alice, action: s3:DeleteObject, resource: "arn:aws:s3:::releases/a", expect: %s}
  - {principal: alice, action: s3:DeleteObject, resource: "arn:aws:s3:::releases/a", context: {aws:multifactorauthpresent: true}, expect: %s}
  - {principal: alice, action: s3:GetObject, resource: "arn:aws:s3:::home/alice/cv", expect: %s}
  - {principal: bounded, action: s3:PutObject, resource: "arn:aws:s3:::releases/a", expect: %s}
  - {principal: guarded, action: s3:PutObject, resource: "arn:aws:s3:::releases/a", expect: %s}
  - {principal: tagged, action: s3:GetObject, resource: "arn:aws:s3:::b/red/x", expect: %s}
  - {principal: alice, action: sts:AssumeRole, resource: "arn:aws:iam::111122223333:role/r", resource-policy: trust.json, expect: %s}
  - {principal: bounded, action: sts:AssumeRole, resource: "arn:aws:iam::111122223333:role/r", resource-policy: trust.json, expect: %s}
  - {policies: deploy.json, action: s3:PutObject, resource: "arn:aws:s3:::releases/a", expect: %s}
`

// Every answer is the engine's: what is expected does not change it.
func TestJudge(t *testing.T) {
	want := []any{"allowed", "explicitDeny", "implicitDeny", "allowed", "allowed", "implicitDeny", "explicitDeny", "allowed", "allowed", "implicitDeny", "allowed"}
	r := judged(t, fmt.Sprintf(table, want...))
	for i, o := range r.Tests {
		if !o.Passed || o.Decision != want[i] || o.Verdict == "" {
			t.Errorf("%d: %+v", i, o)
		}
	}
	if r.Failed != 0 || r.Passed != len(want) {
		t.Errorf("%d failed, %d passed", r.Failed, r.Passed)
	}
	wrong := make([]any, len(want))
	for i := range want {
		if wrong[i] = "denied"; want[i] != "allowed" {
			wrong[i] = "allowed"
		}
	}
	r = judged(t, fmt.Sprintf(table, wrong...))
	for i, o := range r.Tests {
		if o.Passed || o.Decision != want[i] {
			t.Errorf("%d, expected otherwise: %+v", i, o)
		}
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{
		"FAIL  x.test.yaml:22  s3:PutObject on arn:aws:s3:::releases/a\n",
		"expected denied, got allowed: by deploy.json[1] (Upload), identity-based policy\n      deploy.json[1] (Upload), line 2, allows s3:PutObject\n",
		"expected allowed, got explicitDeny: by deploy.json[3], identity-based policy\n      deploy.json[3], line 5, denies s3:*\n",
		"got implicitDeny: no identity-based policy allows it\n      nearest is deploy.json[2], lines 3-4, allows s3:DeleteObject\n",
		"not in the test's context: aws:MultiFactorAuthPresent",
		"got implicitDeny: no permissions boundary allows it\n      nearest is x.test.yaml[1], lines 10-12, allows s3:Get*\n", // where it stands in the file
		"tagged: s3:GetObject on arn:aws:s3:::b/red/x\n      expected denied, got allowed: by x.test.yaml[1], identity-based policy\n      x.test.yaml[1], line 19, allows",
		"no role trust policy allows it",
	} {
		if !strings.Contains(text.String(), says) {
			t.Errorf("%q is not in\n%s", says, text.String())
		}
	}
}

func TestServerPrincipals(t *testing.T) {
	cases, err := Read("x", []byte(`{
	"principals": {"far": {"arn": "arn:aws:iam::111122223333:role/far"}},
	"tests": [
		{"principal": "far", "action": ["s3:GetObject", "s3:PutObject"], "resource": ["arn:aws:s3:::b/1", "arn:aws:s3:::b/2"], "expect": "denied", "name": "far"},
		{"principal": "arn:aws:iam::111122223333:user/bob", "action": "iam:GetUser", "expect": "allowed"}
	]}`), open, now) // with tabs, as JSON may
	if err != nil || len(cases) != 5 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for i := range cases {
		if cases[i].Offline != nil {
			t.Errorf("%d is judged here", i)
		}
	}
	if c := cases[3]; c.Title() != "far, s3:PutObject, arn:aws:s3:::b/2" || c.Principal != "arn:aws:iam::111122223333:role/far" || c.As != "far" || c.Line != 4 {
		t.Errorf("%+v", c)
	}
	if c := cases[4]; c.Resource != "*" || c.Title() != "iam:GetUser on *" {
		t.Errorf("%+v", c)
	}
}

// JSON is what programs write: with escapes that YAML does not have.
func TestJSON(t *testing.T) {
	cases, err := Read("x", []byte(`{"tests": [
		{"name": "a\/b \u00e9 \ud83d\uDE00 \\/ \\ud83d \"\n", "policies": "deploy.json", "action": "s3:GetObject", "expect": "denied"}]}`), open, now)
	if err != nil {
		t.Fatal(err)
	}
	if want := "a/b é 😀 \\/ \\ud83d \"\n"; cases[0].Name != want {
		t.Errorf("%q, want %q", cases[0].Name, want)
	}
}

// The documents of a file stand on its lines: many far below would be many long texts.
func TestDocumentsAreBounded(t *testing.T) {
	const one = "- {policies: '{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}]}', action: 's3:GetObject', expect: allowed}\n"
	_, err := Read("x", []byte(strings.Repeat("\n", 100_000)+"tests:\n"+strings.Repeat(one, 1000)), open, now)
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("%v", err)
	}
	cases, err := Read("x", []byte("tests:\n"+strings.Repeat(one, 5000)), open, now)
	if err != nil || len(cases) != 5000 {
		t.Fatalf("%d, %v", len(cases), err)
	}
	if near, far := cases[0].Cost(cases[0].Offline), cases[4999].Cost(cases[4999].Offline); near != far {
		t.Errorf("a test costs %d, and %d far below", near, far)
	}
}

// A suggestion names whom it is about, if there is anybody.
func TestSuggestionsOfNobody(t *testing.T) {
	all := "{Version: 2012-10-17, Statement: [{Effect: Allow, Action: '*', Resource: '*'}]}"
	r := judged(t, `
principals:
  nobody: {policies: `+all+`, boundary: deploy.json}
tests:
- {policies: deploy.json, action: ec2:RunInstances, expect: allowed}
- {principal: nobody, action: ec2:RunInstances, expect: allowed}
- {policies: `+all+`, action: s3:GetObject, resource: "arn:aws:s3:::b/x", resource-owner: "444455556666", expect: allowed}
`)
	for i, want := range []string{
		"add ec2:RunInstances on * to an identity-based policy",
		"allow ec2:RunInstances on * in the permissions boundary",
		"allow the caller to s3:GetObject in the policy of arn:aws:s3:::b/x",
	} {
		if got := r.Tests[i].Changes; len(got) != 1 || got[0] != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestFaults(t *testing.T) {
	test := func(members string) string { return "tests:\n  - {" + members + "}\n" }
	const fine = "policies: deploy.json, action: s3:GetObject, expect: denied"
	if _, err := Read("x", []byte(test(fine)), open, now); err != nil {
		t.Fatal(err)
	}
	deep := "tests: " + strings.Repeat("[", 5000)
	for name, c := range map[string]struct{ text, says string }{
		"empty":                  {"", "x: the file is empty"},
		"only a comment":         {"# nothing\n", "x: the file is empty"},
		"no tests":               {"principals: {}", "there are no tests"},
		"an empty list of tests": {"tests: []", "there are no tests"},
		"a list":                 {"- a", "x:1:1: here are to be principals, tests"},
		"no YAML":                {"tests: [", "x: "},
		"nested":                 {deep, "x"},
		"two documents":          {"tests: []\n---\ntests: []\n", "more than one YAML document"},
		"an alias":               {"a: &a [x]\ntests: *a\n", "anchors and aliases"},
		"laughs":                 {"a: &a [x,x]\nb: &b [*a,*a]\ntests: [*b]\n", "anchors and aliases"},
		"a tag":                  {"tests: !!binary aGVsbG8=", "tags are not taken"},
		"an unknown key":         {test(fine + ", resorce: b"), `the key "resorce" is not known`},
		"an unknown key above":   {"test: []\n", `x:1:1: the key "test" is not known`},
		"a key twice":            {test(fine + ", expect: allowed"), `the key "expect" is there twice`},
		"a key that is a list":   {"? [a]\n: b\n", "a key is a word"},
		"no action":              {test("policies: deploy.json, expect: denied"), "x:2:5: the test has no action"},
		"no actions":             {test("policies: deploy.json, action: [], expect: denied"), "no action"},
		"no expectation":         {test("policies: deploy.json, action: s3:GetObject"), "the test has no expect"},
		"another expectation":    {test("policies: deploy.json, action: s3:GetObject, expect: maybe"), "allowed, denied"},
		"a null":                 {test("policies: deploy.json, action: s3:GetObject, expect: null"), "a text is wanted"},
		"a wildcard":             {test("policies: deploy.json, action: 's3:*', expect: denied"), "without wildcards"},
		"no ARN":                 {test(fine + ", resource: bucket"), "neither an ARN nor *"},
		"nobody":                 {test("action: s3:GetObject, expect: denied"), "either a principal or policies"},
		"two of them":            {test(fine + ", principal: a"), "either a principal or policies"},
		"an unknown principal":   {test("principal: bob, action: s3:GetObject, expect: denied"), `"bob" is neither`},
		"a group":                {test("principal: 'arn:aws:iam::111122223333:group/g', action: s3:GetObject, expect: denied"), "neither"},
		"a wrong address":        {test(fine + ", context: {aws:SourceIp: home}"), `"home" is no value of the context key aws:SourceIp`},
		"a key in two cases":     {test(fine + ", context: {a:b: 1, A:B: 2}"), "there twice"},
		"no context":             {test(fine + ", context: [a]"), "names, each with a value"},
		"no file":                {test("policies: gone.json, action: s3:GetObject, expect: denied"), "x:2:16: file does not exist"},
		"a broken file":          {test("policies: broken.json, action: s3:GetObject, expect: denied"), "broken.json:3:"},
		"a broken document":      {"principals:\n  a:\n    policies:\n      Version: '2012-10-17'\n      Statement:\n        - Efect: Allow\ntests: []\n", "x:6:"},
		"an owner":               {test(fine + ", resource-owner: me"), "no account id"},
		"a policy of nobody's":   {test(fine + ", resource-policy: trust.json"), "say which principal"},
		"a broken trust policy":  {test("principal: 'arn:aws:iam::111122223333:role/r', action: s3:GetObject, expect: denied, resource-policy: broken.json"), "broken.json:3:"},
		"two boundaries":         {"principals: {a: {policies: deploy.json, boundary: [deploy.json, deploy.json]}}\n" + test(fine), "one boundary"},
		"a principal without":    {"principals: {a: {tags: {b: c}}}\n" + test(fine), "has no policies"},
		"too many":               {"tests:\n  - policies: deploy.json\n    expect: denied\n    action: [" + strings.Repeat("a:b,", 200) + "]\n    resource: [" + strings.Repeat("'*',", 200) + "]\n", "more than 10000 tests"},
		"too large":              {strings.Repeat("#", MaxFile+1), "larger than"},
	} {
		_, err := Read("x", []byte(c.text), open, now)
		var fault *Fault
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// What a report says of hostile names stays text, in each form.
func TestReports(t *testing.T) {
	r := &Report{}
	c := &Case{Test: Test{Name: "a\x1b[31m]]><b attr=\"1\">&\u202e", Action: "s3:GetObject", Resource: "*", Expect: Allowed}, Line: 7, As: "<ci>"}
	r.Add("a<b>.yaml", c, Result{Decision: "implicitDeny", Verdict: "no <one>", Because: []string{"nearest\x00"}, Missing: []string{"k"}, Changes: []string{"c"}})
	r.Add("a<b>.yaml", c, Result{Decision: "allowed", Passed: true, Verdict: "by x"})
	r.Add("other.yaml", c, Unjudged("the server has no %s", "bob"))
	forged := &Case{Test: Test{Name: "x\nok    other.yaml:9  all", Action: "s3:GetObject", Resource: "*"}, As: "\nok    y"}
	r.Add("other.yaml", forged, Result{Decision: "allowed", Because: []string{"\nok    z"}})
	var text, junit strings.Builder
	if err := errors.Join(r.WriteText(&text), r.WriteJUnit(&junit)); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(text.String(), "\x1b\x00\u202e") || strings.Count(text.String(), "FAIL") != 3 || strings.Count(text.String(), "\nok ") != 1 || !strings.Contains(text.String(), "could not be judged: the server has no bob") {
		t.Errorf("%q", text.String())
	}
	var suites struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Suite    []struct {
			Name  string `xml:"name,attr"`
			Tests int    `xml:"tests,attr"`
			Case  []struct {
				Name    string `xml:"name,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
					Text    string `xml:",chardata"`
				} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	d := xml.NewDecoder(strings.NewReader(junit.String()))
	if err := d.Decode(&suites); err != nil {
		t.Fatal(err, junit.String())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) && err != nil {
		t.Error(err)
	}
	if suites.Tests != 4 || suites.Failures != 3 || len(suites.Suite) != 2 || suites.Suite[0].Tests != 2 || suites.Suite[0].Name != "a<b>.yaml" ||
		suites.Suite[0].Case[0].Failure == nil || suites.Suite[0].Case[1].Failure != nil || !strings.Contains(suites.Suite[0].Case[0].Failure.Text, "<ci>: s3:GetObject on *\nexpected allowed") {
		t.Errorf("%+v", suites)
	}
	b, err := json.Marshal(r)
	if err != nil || !json.Valid(b) {
		t.Error(err)
	}
}

// No file makes the reader panic, and every mistake is a fault of it. Written as JSON, what
// stands in the file is judged like what stands beside it.
func FuzzRead(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(table, "allowed", "denied", "denied", "allowed", "allowed", "denied", "denied", "allowed", "allowed", "denied", "allowed")))
	f.Add([]byte("tests: [{policies: deploy.json, action: s3:GetObject, expect: denied}]"))
	f.Add([]byte("a: &a [x]\ntests: *a\n"))
	f.Add([]byte("{\n\t\"tests\": []}"))
	f.Add([]byte("tests:\n- policies: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: 'a:*', Resource: '*'}]}\n  action: a:b\n  expect: allowed\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cases, err := Read("x", text, open, now)
		if err != nil {
			var fault *Fault
			if !errors.As(err, &fault) || fault.Text == "" {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if len(cases) == 0 || len(cases) > maxCases {
			t.Fatalf("%d cases", len(cases))
		}
		for i := range min(len(cases), 20) {
			c := &cases[i]
			if err := c.Check(); err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
			if c.Offline == nil || c.Cost(c.Offline) > 1<<22 {
				continue
			}
			r, err := c.Judge(*c.Offline, nil)
			if err != nil || r.Decision == "" || r.Passed != c.Expect.Met(r.Decision) {
				t.Fatalf("%+v: %+v, %v", c, r, err)
			}
		}
	})
}
