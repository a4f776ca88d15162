package wire_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/server"
	own "github.com/lanyard-iam/lanyard/service/lanyard"
)

const (
	ours   = server.DefaultAccount
	theirs = arn.AccountID("444455556666")

	versionIAM = "2010-05-08"
	versionSTS = "2011-06-15"
)

// world is a running server with two accounts, seen through its socket.
type world struct {
	t       testing.TB
	lanyard *lanyardtest.Lanyard
	address string
	local   *http.Client
	admin   credentials
	root    credentials
	// settable tells whether the server's clock can be moved.
	settable bool
	made     int // names given
}

// newWorld starts a server in memory.
func newWorld(t testing.TB) *world {
	t.Helper()
	l := lanyardtest.New(t, func(c *server.Config) { c.Accounts = []arn.AccountID{ours, theirs} })
	w := attach(t, l)
	w.settable = true
	return w
}

// newDurableWorld starts a server over a data directory; change may be nil.
func newDurableWorld(t testing.TB, change func(*server.Config)) (*world, server.Config) {
	t.Helper()
	dir := t.TempDir()
	config := server.Config{
		DataDir:     filepath.Join(dir, "data"),
		SealKeyFile: filepath.Join(dir, "key", "seal.key"),
		Listen:      "127.0.0.1:0",
		Version:     "test",
		Accounts:    []arn.AccountID{ours, theirs},
	}
	if change != nil {
		change(&config)
	}
	if _, err := server.Init(config); err != nil {
		t.Fatal(err)
	}
	config.Accounts = nil
	// A socket's path is short, a test's name is not.
	sockets, err := os.MkdirTemp("", "lanyard")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	config.Socket = filepath.Join(sockets, "s")
	return attach(t, lanyardtest.Start(t, config)), config
}

func attach(t testing.TB, l *lanyardtest.Lanyard) *world {
	t.Helper()
	w := &world{t: t, lanyard: l, address: strings.TrimPrefix(l.URL, "http://"), local: server.NewLocalClient(l.Socket)}
	t.Cleanup(w.local.CloseIdleConnections)
	w.admin = w.owner(ours, false)
	w.root = w.owner(ours, true)
	return w
}

// owner are credentials from the local socket: of the owner's role or of root.
func (w *world) owner(account arn.AccountID, root bool) credentials {
	w.t.Helper()
	body := fmt.Sprintf(`{"account":%q,"root":%v}`, account, root)
	resp, err := w.local.Post("http://local/credentials", "application/json", strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var reply server.CredentialsReply
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("credentials of the owner: %s, %v", resp.Status, err)
	}
	return credentials{reply.AccessKeyID, reply.SecretAccessKey, reply.SessionToken}
}

// now is the time that signatures are made at: the machine's.
func (w *world) now() time.Time { return time.Now() }

// name makes a name that no one has.
func (w *world) name(kind string) string {
	w.made++
	return fmt.Sprintf("%s-%d", kind, w.made)
}

// form is a request of the query protocol, not yet signed.
func (w *world) form(version, action string, parameters ...string) *message {
	body := url.Values{"Action": {action}, "Version": {version}}
	for i := 0; i+1 < len(parameters); i += 2 {
		body.Set(parameters[i], parameters[i+1])
	}
	return w.post(body.Encode())
}

func (w *world) post(body string) *message {
	return &message{method: "POST", target: "/", version: "HTTP/1.1", body: body, lines: []string{
		"Host: " + w.address,
		"Content-Type: application/x-www-form-urlencoded; charset=utf-8",
		fmt.Sprintf("Content-Length: %d", len(body)),
		"User-Agent: wire",
	}}
}

// get is a request of the query protocol in a URL.
func (w *world) get(query string) *message {
	return &message{method: "GET", target: "/?" + query, version: "HTTP/1.1", lines: []string{"Host: " + w.address}}
}

// json is a request of CloudTrail.
func (w *world) json(operation, body string) *message {
	m := w.post(body)
	m.set("Content-Type", "application/x-amz-json-1.1")
	m.add("X-Amz-Target", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101."+operation)
	return m
}

// ownMessage is a request to our own service.
func (w *world) ownMessage(operation, body string) *message {
	m := w.post(body)
	m.set("Content-Type", "application/x-amz-json-1.1")
	m.add("X-Amz-Target", own.Target+"."+operation)
	return m
}

// own performs an operation of our own service. A parameter that is no string is given as
// JSON behind "json:".
func (w *world) own(by credentials, operation string, parameters ...string) *reply {
	w.t.Helper()
	members := map[string]any{}
	for i := 0; i < len(parameters); i += 2 {
		members[parameters[i]] = parameters[i+1]
		if text, ok := strings.CutPrefix(parameters[i+1], "json:"); ok {
			members[parameters[i]] = json.RawMessage(text)
		}
	}
	body, err := json.Marshal(members)
	if err != nil {
		w.t.Fatal(err)
	}
	m := w.ownMessage(operation, string(body))
	m.sign(signature{by: by, at: w.now(), service: own.SigningName})
	return w.send(m)
}

func (w *world) send(m *message) *reply {
	w.t.Helper()
	return send(w.t, w.address, m.bytes())
}

// iam and sts send honest requests.
func (w *world) iam(by credentials, action string, parameters ...string) *reply {
	w.t.Helper()
	m := w.form(versionIAM, action, parameters...)
	m.sign(signature{by: by, at: w.now(), service: "iam"})
	return w.send(m)
}

func (w *world) sts(by credentials, action string, parameters ...string) *reply {
	w.t.Helper()
	m := w.form(versionSTS, action, parameters...)
	m.sign(signature{by: by, at: w.now(), service: "sts"})
	return w.send(m)
}

func (w *world) lookup(by credentials, body string) *reply {
	w.t.Helper()
	m := w.json("LookupEvents", body)
	m.sign(signature{by: by, at: w.now(), service: "cloudtrail"})
	return w.send(m)
}

// ok insists on success.
func (w *world) ok(r *reply) *reply {
	w.t.Helper()
	if r.status != http.StatusOK {
		w.t.Fatalf("status %d: %s", r.status, r.body)
	}
	return r
}

// refused insists on a refusal with a code, and that the trail knows of it.
func (w *world) refused(r *reply, code string) *reply {
	w.t.Helper()
	if got := r.code(); got != code {
		w.t.Errorf("%s: status %d, code %q, want %s: %s", w.t.Name(), r.status, got, code, r.body)
		return r
	}
	rec := w.record(r)
	if rec == nil {
		w.t.Errorf("%s: the refusal is not in the trail: %s", w.t.Name(), r.body)
	} else if rec.ErrorCode != code && rec.ErrorCode != code+"Exception" {
		w.t.Errorf("%s: the trail has error code %q, the caller was told %s", w.t.Name(), rec.ErrorCode, code)
	}
	return r
}

// record is what the trail has of a request.
type record struct {
	EventID, EventName, EventSource string
	ErrorCode, ErrorMessage         string
	RequestID                       string
	UserIdentity                    struct{ Type, ARN, AccessKeyID, AccountID string }
	RequestParameters               map[string]any
	ResponseElements                map[string]any
	raw                             string
	decision                        string
}

// record finds a request in the trail, or nil.
func (w *world) record(r *reply) *record {
	w.t.Helper()
	resp, err := w.local.Get("http://local/why?id=" + url.QueryEscape(r.requestID()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if r.requestID() == "" || resp.StatusCode == http.StatusNotFound {
		return nil
	}
	var why server.WhyReply
	if err := json.Unmarshal(body, &why); err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("why: %s %s, %v", resp.Status, body, err)
	}
	rec := &record{raw: string(why.Record), decision: string(body)}
	if err := json.Unmarshal(why.Record, rec); err != nil {
		w.t.Fatal(err)
	}
	return rec
}

// exists tells whether there is a user.
func (w *world) exists(user string) bool {
	w.t.Helper()
	r := w.iam(w.admin, "GetUser", "UserName", user)
	if r.status != http.StatusOK && r.code() != "NoSuchEntity" {
		w.t.Fatalf("GetUser: %s", r.body)
	}
	return r.status == http.StatusOK
}

// allow is a policy document that allows actions on everything.
func allow(actions ...string) string { return statement("Allow", actions...) }

func deny(actions ...string) string { return statement("Deny", actions...) }

func statement(effect string, actions ...string) string {
	return document(map[string]any{"Effect": effect, "Action": actions, "Resource": "*"})
}

func document(statements ...map[string]any) string {
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// trusting is a trust policy for some principals.
func trusting(principals ...string) string {
	return document(map[string]any{"Effect": "Allow", "Principal": map[string]any{"AWS": principals}, "Action": []string{"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"}})
}

func userARN(name string) string { return "arn:aws:iam::" + string(ours) + ":user/" + name }
func roleARN(name string) string { return "arn:aws:iam::" + string(ours) + ":role/" + name }
func policyARN(name string) string {
	return "arn:aws:iam::" + string(ours) + ":policy/" + name
}

// user makes a user with inline policies.
func (w *world) user(policies ...string) string {
	w.t.Helper()
	name := w.name("user")
	w.ok(w.iam(w.admin, "CreateUser", "UserName", name))
	for i, p := range policies {
		w.ok(w.iam(w.admin, "PutUserPolicy", "UserName", name, "PolicyName", fmt.Sprint("p", i), "PolicyDocument", p))
	}
	return name
}

// key makes an access key of a user.
func (w *world) key(user string) credentials {
	w.t.Helper()
	return w.ok(w.iam(w.admin, "CreateAccessKey", "UserName", user)).credentials()
}

// caller is a new user with policies, and its key.
func (w *world) caller(policies ...string) (string, credentials) {
	w.t.Helper()
	name := w.user(policies...)
	return name, w.key(name)
}

// role makes a role that trusts the account, with inline policies.
func (w *world) role(policies ...string) string {
	w.t.Helper()
	name := w.name("role")
	w.ok(w.iam(w.admin, "CreateRole", "RoleName", name, "AssumeRolePolicyDocument", trusting(string(ours))))
	for i, p := range policies {
		w.ok(w.iam(w.admin, "PutRolePolicy", "RoleName", name, "PolicyName", fmt.Sprint("p", i), "PolicyDocument", p))
	}
	return name
}

// assume makes a session of a role for the owner.
func (w *world) assume(role string, parameters ...string) credentials {
	w.t.Helper()
	return w.ok(w.sts(w.admin, "AssumeRole", append([]string{"RoleArn", roleARN(role), "RoleSessionName", "wire"}, parameters...)...)).credentials()
}

// policy makes a managed policy and returns its ARN.
func (w *world) policy(document string) string {
	w.t.Helper()
	name := w.name("policy")
	w.ok(w.iam(w.admin, "CreatePolicy", "PolicyName", name, "PolicyDocument", document))
	return policyARN(name)
}

// group makes a group and returns its name.
func (w *world) group(policies ...string) string {
	w.t.Helper()
	name := w.name("group")
	w.ok(w.iam(w.admin, "CreateGroup", "GroupName", name))
	for i, p := range policies {
		w.ok(w.iam(w.admin, "PutGroupPolicy", "GroupName", name, "PolicyName", fmt.Sprint("p", i), "PolicyDocument", p))
	}
	return name
}

// bounded puts a permissions boundary on a user.
func (w *world) bounded(user, boundary string) {
	w.t.Helper()
	w.ok(w.iam(w.admin, "PutUserPermissionsBoundary", "UserName", user, "PermissionsBoundary", boundary))
}

// debugLog logs everything to w.
func debugLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
}
