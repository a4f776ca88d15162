package wire_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/server"
	"github.com/lanyard-iam/lanyard/transfer"
)

// putManaged hands an AWS managed policy to the server, as lanyard import does.
func (w *world) putManaged(text string) (status int, body string) {
	w.t.Helper()
	resp, err := w.local.Post("http://local/managed-policies", "application/json", strings.NewReader(text))
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// TestImportedManagedPolicies: they decide, are shown and are on the trail, with the next
// request and after a restart; what cannot be one is refused.
func TestImportedManagedPolicies(t *testing.T) {
	p := install(t, t.TempDir())
	w := p.start()
	name, key := w.caller()
	const readOnly = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
	w.ok(w.iam(w.admin, "AttachUserPolicy", "UserName", name, "PolicyArn", readOnly))
	w.ok(w.iam(key, "ListUsers"))
	policy := func(path, name, version, document string) string {
		text, err := json.Marshal(server.ManagedPolicy{Path: path, Name: name, Default: version, Versions: []server.ManagedPolicyVersion{{ID: version, Document: document}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if status, body := w.putManaged(policy("/", "IAMReadOnlyAccess", "v77", allow("iam:ListRoles"))); status != http.StatusOK || !strings.Contains(body, "updated") {
		t.Fatalf("%d %s", status, body)
	}
	check := func(when string) {
		t.Helper()
		if r := w.iam(key, "ListUsers"); r.code() != "AccessDenied" {
			t.Errorf("%s: the catalogue's policy decides: %d", when, r.status)
		}
		if r := w.iam(key, "ListRoles"); r.status != http.StatusOK {
			t.Errorf("%s: the imported policy does not decide: %s", when, r.body)
		}
		if r := w.iam(w.admin, "GetPolicy", "PolicyArn", readOnly); !strings.Contains(r.body, "<DefaultVersionId>v77<") {
			t.Errorf("%s: %s", when, r.body)
		}
		if r := w.lookup(w.admin, `{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"ImportManagedPolicy"}]}`); strings.Count(r.body, "EventId") != 1 || !strings.Contains(r.body, "IAMReadOnlyAccess") {
			t.Errorf("%s: the trail: %s", when, r.body)
		}
	}
	check("at once")
	if status, body := w.putManaged(policy("/", "IAMReadOnlyAccess", "v77", allow("iam:ListRoles"))); status != http.StatusOK || !strings.Contains(body, "unchanged") {
		t.Errorf("again: %d %s", status, body)
	}
	for _, bad := range []string{
		"", "{", `{"path":"/","name":"x"}`,
		policy("", "x", "v1", allow("*")), policy("/a", "x", "v1", allow("*")), policy("//", "x", "v1", allow("*")), policy("/", "", "v1", allow("*")), policy("/", "a/b", "v1", allow("*")),
		policy("/", "x\x00y", "v1", allow("*")), policy("/", strings.Repeat("x", 129), "v1", allow("*")), policy("/"+strings.Repeat("x", 600)+"/", "x", "v1", allow("*")),
		policy("/", "x", "1", allow("*")), policy("/", "x", "v0", allow("*")), policy("/", "x", "v1", "{}"), policy("/", "x", "v1", "no"),
		policy("/", "x", "v1", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`),
		policy("/", "x", "v1", `{"Version":"2012-10-17","Statement":[`+strings.Repeat(`{"Effect":"Allow","Action":"s3:*","Resource":"*"},`, 12_000)+`{"Effect":"Allow","Action":"*","Resource":"*"}]}`),
		`{"path":"/","name":"x","default":"v2","versions":[{"id":"v1","document":"{}"}]}`,
		`{"path":"/","name":"x","id":"AIDA0000000000000000A","default":"v1","versions":[]}`,
		`{"path":"/","name":"` + strings.Repeat("x", 17<<20) + `"}`,
	} {
		if status, body := w.putManaged(bad); status != http.StatusBadRequest {
			t.Errorf("%.120s: %d %s", bad, status, body)
		}
	}
	p.stop(syscall.SIGTERM)
	w = p.start()
	check("after a restart")
}

// killer lets some changes through, and then kills the server.
type killer struct {
	left atomic.Int64
	kill func()
}

func (k *killer) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if !bytes.HasPrefix(body, []byte("Action=Get")) && !bytes.HasPrefix(body, []byte("Action=List")) && k.left.Add(-1) == 0 {
		go k.kill() // while this request is under way
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestAServerKilledInAnImport: after a kill in the middle, the same import goes on, and
// ends as one that was not disturbed.
func TestAServerKilledInAnImport(t *testing.T) {
	text, err := os.ReadFile("../../transfer/testdata/account.json")
	if err != nil {
		t.Fatal(err)
	}
	file, err := transfer.Open(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	run := func(w *world, k *killer) (*transfer.Report, error) {
		client := iam.New(w.client().Options(), func(o *iam.Options) {
			if k != nil {
				o.HTTPClient, o.Retryer = k, aws.NopRetryer{}
			}
		})
		im := &transfer.Importer{Client: client, Account: ours, Partition: "aws", Accounts: []arn.AccountID{ours}}
		return im.Run(context.Background(), file)
	}
	names := func(w *world) string { // of the entities and what hangs on them
		var b bytes.Buffer
		if err := transfer.Export(context.Background(), w.client(), &b); err != nil {
			t.Fatal(err)
		}
		var lines []string
		text := regexp.MustCompile(`"RoleLastUsed": \{[^}]*\}`).ReplaceAllString(b.String(), "")
		for _, line := range strings.Split(text, "\n") {
			if !strings.Contains(line, `Id":`) && !strings.Contains(line, `Date":`) || strings.Contains(line, "VersionId") {
				lines = append(lines, line)
			}
		}
		return strings.Join(lines, "\n")
	}
	var want string
	for _, after := range []int64{0, 2, 9, 17, 30} {
		p := install(t, t.TempDir())
		w := p.start()
		if after > 0 {
			k := &killer{kill: func() { _ = p.cmd.Process.Kill() }}
			k.left.Store(after)
			if _, err := run(w, k); err == nil {
				t.Errorf("the import was not disturbed after %d changes", after)
			}
			p.stop(syscall.SIGKILL)
			w = p.start()
		}
		report, err := run(w, nil)
		if err != nil || report.Err() != nil {
			t.Fatalf("killed after %d changes: %v %v", after, err, report.Err())
		}
		if got := names(w); want == "" {
			want = got
		} else if got != want {
			t.Errorf("killed after %d changes: %s", after, fmt.Sprintf("%.3000s", got))
		}
		p.stop(syscall.SIGTERM)
	}
}
