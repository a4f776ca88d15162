package respond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
)

const leakedKey = "AKIARTX3GSDSSZTB5BQM"

var leakedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// call is a call as the server tells of it.
func call(t *testing.T, after time.Duration, key, name string, change func(map[string]any)) *audit.KeyCall {
	t.Helper()
	record := map[string]any{
		"eventTime": leakedAt.Add(after).Format(time.RFC3339), "eventSource": "iam.amazonaws.com", "eventName": name, "requestID": "r-" + name,
		"sourceIPAddress": "192.0.2.1", "userAgent": "app/1 of ours",
		"userIdentity": map[string]any{"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/team/alice"},
	}
	if change != nil {
		change(record)
	}
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	return &audit.KeyCall{Account: "111122223333", AccessKeyID: key, ReadOnly: strings.HasPrefix(name, "Get"), Record: text}
}

func report(t *testing.T, key *identity.KeyState, calls ...*audit.KeyCall) (*Report, string) {
	t.Helper()
	r := newReport(key, leakedAt, true)
	for _, c := range calls {
		r.add(c)
	}
	r.finish(&audit.KeyTrail{From: leakedAt.Add(-time.Hour), To: leakedAt.Add(time.Hour)})
	var text strings.Builder
	if err := r.Write(&text, false, leakedAt.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	return r, text.String()
}

// What comes from elsewhere than before stands out; a made-up call in the key's name
// tells nothing, neither of where the key is nor of where it was.
func TestNewAddressesAndPrograms(t *testing.T) {
	from := func(address, agent string) func(map[string]any) {
		return func(r map[string]any) { r["sourceIPAddress"], r["userAgent"] = address, agent }
	}
	stranger := func(r map[string]any) {
		r["sourceIPAddress"], r["userIdentity"] = "203.0.113.66", map[string]any{"type": "Unknown"}
		r["errorCode"], r["errorMessage"] = "SignatureDoesNotMatch", "no"
	}
	key := &identity.KeyState{ID: leakedKey, Account: "111122223333"}
	calls := []*audit.KeyCall{
		call(t, -time.Minute, leakedKey, "GetUser", nil),
		call(t, -time.Minute, leakedKey, "GetUser", stranger),
		call(t, time.Minute, leakedKey, "GetUser", nil),
		call(t, time.Minute, leakedKey, "CreateUser", from("198.51.100.7", "python\x1b[31m")),
	}
	r, text := report(t, key, calls...)
	for _, want := range []string{"NEW 198.51.100.7: 1 call", "    192.0.2.1: 2 calls", "NEW python", "    app/1 of ours", "from 198.51.100.7 (NEW)", "not believed", "not known"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("what a caller sent reaches the terminal as it is")
	}
	if strings.Contains(text, "NEW 203.0.113.66") || r.Attempts.Calls != 1 || r.counts.key != 3 {
		t.Errorf("a made-up call counts: %+v %+v", r.Attempts, r.counts)
	}
	if _, text = report(t, key, calls[1:]...); strings.Contains(text, "NEW") || !strings.Contains(text, "no call before") {
		t.Errorf("nothing to compare with, and yet:\n%s", text)
	}
}

// One program is one, however its user agent lists the features that a call used: the AWS
// CLI has them in another order each time, and nothing new is in that.
func TestProgramsAreToldFromCalls(t *testing.T) {
	by := func(agent string) func(map[string]any) {
		return func(r map[string]any) { r["userAgent"] = agent }
	}
	key := &identity.KeyState{ID: leakedKey, Account: "111122223333"}
	r, text := report(t, key,
		call(t, -time.Minute, leakedKey, "GetUser", by("aws-cli/1.45 lang/python#3.11 m/g,Z,b cfg/retry-mode#legacy")),
		call(t, time.Minute, leakedKey, "GetUser", by("aws-cli/1.45 lang/python#3.11 m/b,Z,g cfg/retry-mode#legacy")),
		call(t, time.Minute, leakedKey, "GetUser", by("aws-cli/1.45 lang/python#3.12 m/b,Z,g cfg/retry-mode#legacy")))
	if len(r.Agents) != 2 || strings.Contains(text, "NEW aws-cli/1.45 lang/python#3.11") || !strings.Contains(text, "NEW aws-cli/1.45 lang/python#3.12 cfg") {
		t.Errorf("%+v\n%s", r.Agents, text)
	}
	if len(r.Calls) != 3 || !strings.Contains(r.Calls[1].Agent, "m/b,Z,g") {
		t.Errorf("the calls are not as they were made: %+v", r.Calls)
	}
}

// Every operation that opens something names it and the command that shows it, from what
// the request or the response says; an argument is one word of the shell, whatever it is.
func TestOpenings(t *testing.T) {
	key := &identity.KeyState{ID: leakedKey, Account: "111122223333"}
	for _, c := range []struct {
		name              string
		request, response map[string]any
		what, look        string
	}{
		{"CreateUser", map[string]any{"userName": "mallory"}, nil, "user mallory", "aws iam get-user --user-name mallory"},
		{"CreateAccessKey", nil, map[string]any{"accessKey": map[string]any{"accessKeyId": "AKIA2", "userName": "bob"}}, "access key AKIA2 of bob", "lanyard respond key AKIA2"},
		{"UpdateAccessKey", map[string]any{"accessKeyId": "AKIA2", "status": "Active"}, nil, "access key AKIA2 made Active", "--access-key-id AKIA2"},
		{"CreatePolicy", nil, map[string]any{"policy": map[string]any{"arn": "arn:aws:iam::1:policy/p", "defaultVersionId": "v1"}}, "policy arn:aws:iam::1:policy/p", "--policy-arn arn:aws:iam::1:policy/p --version-id v1"},
		{"UploadSSHPublicKey", map[string]any{}, nil, "SSH public key of user alice", "--user-name alice"},
		{"CreateUser", map[string]any{"userName": "a'; rm -rf /"}, nil, "user a'; rm -rf /", `--user-name 'a'\''; rm -rf /'`},
		{"CreateUser", map[string]any{"userName": 7}, nil, "user alice", "--user-name alice"},
	} {
		r, text := report(t, key, call(t, 0, leakedKey, c.name, func(r map[string]any) { r["requestParameters"], r["responseElements"] = c.request, c.response }))
		if len(r.Made) != 1 || !strings.Contains(text, c.what+"\n") || !strings.Contains(text, c.look+"\n") {
			t.Errorf("%s: %+v, want %s, %s", c.name, r.Made, c.what, c.look)
		}
	}
	// What failed made nothing, and neither did what only looked.
	r, _ := report(t, key,
		call(t, 0, leakedKey, "CreateUser", func(r map[string]any) { r["errorCode"] = "AccessDenied" }),
		call(t, 0, leakedKey, "GetUser", nil),
		&audit.KeyCall{AccessKeyID: leakedKey, Record: []byte("{")})
	if len(r.Made) != 0 || len(r.Calls) != 3 {
		t.Errorf("made %+v by %+v", r.Made, r.Calls)
	}
}

// fake is a server whose every answer may be an error; it keeps the order of the steps.
type fake struct {
	steps []string
	fail  string
}

func (f *fake) step(name string) error {
	f.steps = append(f.steps, name)
	if strings.HasPrefix(name, f.fail) && f.fail != "" {
		return errors.New(f.fail + " fails")
	}
	return nil
}

func (f *fake) Revoke(context.Context, string) (time.Time, error) {
	return leakedAt, f.step("revoke")
}

func (f *fake) Calls(_ context.Context, _ string, yield func(*audit.KeyCall)) (*audit.KeyTrail, error) {
	return &audit.KeyTrail{From: leakedAt, To: leakedAt}, f.step("calls")
}

func (f *fake) Keep(_, _, _ string) (string, error) { return "kept", f.step("keep") }
func (f *fake) Discard()                            { _ = f.step("discard") }

// client is IAM's, answered by the fake before anything is sent.
func (f *fake) client() *iam.Client {
	answer := middleware.InitializeMiddlewareFunc("fake", func(ctx context.Context, in middleware.InitializeInput, _ middleware.InitializeHandler) (out middleware.InitializeOutput, md middleware.Metadata, err error) {
		name := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", in.Parameters), "*iam."), "Input")
		err = f.step(name)
		switch name {
		case "UpdateAccessKey":
			out.Result = &iam.UpdateAccessKeyOutput{}
		case "ListAttachedUserPolicies":
			out.Result = &iam.ListAttachedUserPoliciesOutput{}
		case "AttachUserPolicy":
			out.Result = &iam.AttachUserPolicyOutput{}
		case "CreateAccessKey":
			out.Result = &iam.CreateAccessKeyOutput{AccessKey: newKey}
		case "DeleteAccessKey":
			out.Result = &iam.DeleteAccessKeyOutput{}
		}
		return out, md, err
	})
	return iam.New(iam.Options{Region: "us-east-1", APIOptions: []func(*middleware.Stack) error{
		func(s *middleware.Stack) error { return s.Initialize.Add(answer, middleware.Before) },
	}})
}

// The steps come in the order that leaves the safer state; one that fails does not keep
// the others from being taken; and no key stays whose secret nobody has.
func TestStepsAndTheirFailures(t *testing.T) {
	all := "UpdateAccessKey revoke ListAttachedUserPolicies AttachUserPolicy calls OpenVault CreateAccessKey keep"
	for _, c := range []struct{ fail, steps, failed string }{
		{"", all, ""},
		{"UpdateAccessKey", all, "deactivate"},
		{"revoke", all, "revoke"},
		{"ListAttached", strings.Replace(all, " AttachUserPolicy", "", 1), "quarantine"},
		{"AttachUserPolicy", all, "quarantine"},
		{"calls", strings.TrimSuffix(all, " OpenVault CreateAccessKey keep"), "-"},
		{"OpenVault", strings.TrimSuffix(all, " CreateAccessKey keep"), "replace"},
		{"CreateAccessKey", strings.TrimSuffix(all, "keep") + "discard", "replace"},
		{"keep", all + " DeleteAccessKey", "replace"},
	} {
		f := &fake{fail: c.fail}
		r := &Responder{
			Key:    &identity.KeyState{ID: leakedKey, Exists: true, Active: true, UserName: "alice"},
			Server: Server{f.Revoke, f.Calls}, IAM: f.client(), Partition: "aws", Leaked: leakedAt,
			OpenVault: func(string) (Vault, error) { return f, f.step("OpenVault") },
		}
		report, err := r.Run(t.Context())
		if got := strings.Join(f.steps, " "); got != c.steps {
			t.Errorf("%s fails: %s, want %s", c.fail, got, c.steps)
		}
		if (err != nil) != (c.failed == "-") {
			t.Errorf("%s fails: %v", c.fail, err)
		}
		if err := report.Err(); c.failed != "-" && (err != nil) != (c.failed != "") || err != nil && !strings.Contains(err.Error(), c.failed) {
			t.Errorf("%s fails: the report says %v", c.fail, err)
		}
	}
	// An interruption stops between two steps.
	ctx, cancel := context.WithCancel(t.Context())
	f := &fake{}
	r := &Responder{Key: &identity.KeyState{ID: leakedKey, Exists: true, Active: true, UserName: "alice"}, Server: Server{f.Revoke, f.Calls}, IAM: f.client(), Partition: "aws"}
	cancel()
	report, err := r.Run(ctx)
	if !errors.Is(err, context.Canceled) || len(report.Steps) != 1 {
		t.Errorf("interrupted: %v, %+v", err, report.Steps)
	}
}

var newKey = &types.AccessKey{AccessKeyId: aws.String("AKIARTX3GSDSSZTB5BQN"), SecretAccessKey: aws.String("secret"), UserName: aws.String("alice")}

// The note is Markdown whatever callers sent: nothing of theirs is a heading, a link or
// the end of a listing.
func TestNoteOfHostileNames(t *testing.T) {
	key := &identity.KeyState{ID: leakedKey, Account: "111122223333", Exists: true, UserName: "alice", Password: true, Others: []identity.OtherKey{{ID: "AKIARTX3GSDSSZTB5BQN", Active: true, Created: leakedAt}}}
	r, _ := report(t, key,
		call(t, -time.Minute, leakedKey, "GetUser", nil),
		call(t, 0, leakedKey, "CreateUser", func(r map[string]any) {
			r["requestParameters"] = map[string]any{"userName": "x`\n# All is well [here](javascript:alert)\x1b[2J"}
			r["sourceIPAddress"], r["userAgent"] = "198.51.100.7", "a\n\n## Nothing happened\n```"
		}))
	text := r.Markdown(leakedAt.Add(time.Hour))
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "# All") || strings.HasPrefix(line, "## Nothing") || strings.HasPrefix(line, "```") {
			t.Errorf("a caller wrote the line %q", line)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("what a caller sent reaches a terminal as it is")
	}
	for _, want := range []string{"# Access key " + leakedKey + " leaked\n", "- `198.51.100.7`: 1 call", "- user `x'", "password goes on working", "`AKIARTX3GSDSSZTB5BQN`, made 2026-03-01"} {
		if !strings.Contains(text, want) {
			t.Errorf("the note lacks %q:\n%s", want, text)
		}
	}
}

// Look tells from the key and its user alone how far the response is, and changes nothing.
func TestLook(t *testing.T) {
	for _, c := range []struct {
		key  identity.KeyState
		fail string
		want string
	}{
		{identity.KeyState{Exists: true, Active: true}, "", "to do, to do, to do"},
		{identity.KeyState{Exists: true, Revoked: leakedAt}, "", "already, already, to do"},
		{identity.KeyState{Exists: true, Active: true, Revoked: leakedAt}, "", "to do, to do, to do"}, // active again
		{identity.KeyState{}, "", "already, to do, skipped"},
		{identity.KeyState{Exists: true}, "ListAttached", "already, to do, failed"},
	} {
		f := &fake{fail: c.fail}
		r := &Responder{Key: &c.key, Server: Server{f.Revoke, f.Calls}, IAM: f.client(), Partition: "aws"}
		var got []string
		for _, s := range r.Look(t.Context()) {
			got = append(got, string(s.State))
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%+v: %v, want %s", c.key, got, c.want)
		}
		for _, step := range f.steps {
			if step != "ListAttachedUserPolicies" {
				t.Errorf("looking did %s", step)
			}
		}
	}
}
