package wire_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/server"
)

// localGet asks the owner's socket; out is decoded into if the answer is good.
func (w *world) localGet(path string, out any) (status int, body string) {
	w.t.Helper()
	resp, err := w.local.Get("http://local" + path)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.localAnswer(resp, out)
}

func (w *world) localPost(path string, in, out any) (status int, body string) {
	w.t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.local.Post("http://local"+path, "application/json", strings.NewReader(string(text)))
	if err != nil {
		w.t.Fatal(err)
	}
	return w.localAnswer(resp, out)
}

func (w *world) localAnswer(resp *http.Response, out any) (status int, body string) {
	w.t.Helper()
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.StatusCode == http.StatusOK && out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			w.t.Fatalf("%v: %s", err, answer)
		}
	}
	return resp.StatusCode, string(answer)
}

// calls are what a key did, as lanyard respond asks for it.
func (w *world) calls(id string) (calls []audit.KeyCall, trail *audit.KeyTrail) {
	w.t.Helper()
	status, body := w.localGet("/keys/calls?id="+id, nil)
	if status != http.StatusOK {
		w.t.Fatalf("calls of %s: %d %s", id, status, body)
	}
	lines := bufio.NewScanner(strings.NewReader(body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line server.KeyCallsLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.Error != "" || trail != nil {
			w.t.Fatalf("%v, %s", err, lines.Text())
		}
		if line.Call != nil {
			calls = append(calls, *line.Call)
		}
		trail = line.Trail
	}
	if trail == nil {
		w.t.Fatal("the answer ends early")
	}
	return calls, trail
}

// T293, T389: a leaked key's revocation ends what it minted: for its user, federated
// users, roles, and through chains of roles into another account; with the next request,
// and after a restart. Other sessions of the same roles and of the same user, and those
// begun with the key afterwards, stay.
func TestT293_RevocationOfALeakedKey(t *testing.T) {
	w, _ := newDurableWorld(t, nil)
	name, leaked := w.caller(allow("iam:*", "sts:*"))
	second := w.key(name)
	_, colleague := w.caller(allow("sts:*"))
	trust := document(map[string]any{"Effect": "Allow", "Principal": map[string]any{"AWS": []string{string(ours), string(theirs)}}, "Action": "sts:AssumeRole"})
	other := w.owner(theirs, false)
	for _, role := range []string{"first", "last"} {
		w.ok(w.iam(w.admin, "CreateRole", "RoleName", role, "AssumeRolePolicyDocument", trust))
		w.ok(w.iam(w.admin, "PutRolePolicy", "RoleName", role, "PolicyName", "p", "PolicyDocument", allow("sts:*", "iam:*")))
	}
	w.ok(w.iam(other, "CreateRole", "RoleName", "abroad", "AssumeRolePolicyDocument", trust))
	w.ok(w.iam(other, "PutRolePolicy", "RoleName", "abroad", "PolicyName", "p", "PolicyDocument", allow("sts:*")))
	assume := func(by credentials, role string) credentials {
		t.Helper()
		return w.temporary(w.sts(by, "AssumeRole", "RoleArn", role, "RoleSessionName", "session"))
	}
	abroad := "arn:aws:iam::" + string(theirs) + ":role/abroad"
	everything := func(key credentials) map[string]credentials {
		own := w.temporary(w.sts(key, "GetSessionToken"))
		direct := assume(key, roleARN("first"))
		chained := assume(direct, abroad)
		return map[string]credentials{
			"GetSessionToken":           own,
			"GetFederationToken":        w.temporary(w.sts(key, "GetFederationToken", "Name", "fed", "Policy", allow("*"))),
			"AssumeRole":                direct,
			"AssumeRole of own session": assume(own, roleARN("first")),
			"a chain of two":            chained,
			"a chain of three":          assume(chained, roleARN("last")),
		}
	}
	minted := everything(leaked)
	stays := everything(second)
	for kind, c := range everything(colleague) {
		stays["a colleague's "+kind] = c
	}
	stays["the owner's chain"] = assume(w.admin, roleARN("first"))
	for kind, c := range map[string]credentials{"the leaked key": leaked, "the user's other key": second} {
		stays[kind] = c
	}
	for kind, c := range minted {
		if r := w.sts(c, "GetCallerIdentity"); r.status != http.StatusOK {
			t.Fatalf("%s: %d %s", kind, r.status, r.body)
		}
	}

	// As on AWS, sessions go on over a deactivated key, unless they are revoked.
	w.ok(w.iam(w.admin, "UpdateAccessKey", "UserName", name, "AccessKeyId", leaked.id, "Status", "Inactive"))
	for _, c := range minted {
		w.ok(w.sts(c, "GetCallerIdentity"))
	}
	w.ok(w.iam(w.admin, "UpdateAccessKey", "UserName", name, "AccessKeyId", leaked.id, "Status", "Active"))

	reply, status, body := w.revoke(server.RevokeRequest{Principals: []string{leaked.id}})
	if status != http.StatusOK || len(reply.Revoked) != 1 {
		t.Fatalf("revoke: %d %s", status, body)
	}
	if k := reply.Revoked[0]; k.Type != "key" || k.ID != leaked.id || k.ARN != userARN(name) || !slices.Equal(k.AccessKeys, []string{leaked.id}) {
		t.Errorf("revoked %+v", k)
	}
	for kind, c := range everything(leaked) {
		stays["begun afterwards, by "+kind] = c
	}
	check := func(when string) {
		t.Helper()
		for kind, c := range minted {
			if r := w.sts(c, "GetCallerIdentity"); r.code() != "ExpiredToken" && r.code() != "ExpiredTokenException" {
				t.Errorf("%s: %s of the leaked key: %d %s", when, kind, r.status, r.body)
			}
			if r := w.sts(c, "AssumeRole", "RoleArn", roleARN("last"), "RoleSessionName", "persistent"); r.status == http.StatusOK {
				t.Errorf("%s: %s of the leaked key mints another session", when, kind)
			}
		}
		for kind, c := range stays {
			if r := w.sts(c, "GetCallerIdentity"); r.status != http.StatusOK {
				t.Errorf("%s: %s: %d %s", when, kind, r.status, r.body)
			}
		}
	}
	check("at once")
	trail := w.ok(w.lookup(w.admin, `{"LookupAttributes":[{"AttributeKey":"ResourceName","AttributeValue":"`+leaked.id+`"}]}`)).body
	for _, want := range []string{"RevokeSessions", "localUser", "issuedBefore", "accessKeyId"} {
		if !strings.Contains(trail, want) {
			t.Errorf("the trail says nothing of %s: %.2000s", want, trail)
		}
	}

	// A deleted key's sessions can be revoked, too: deletion alone leaves those of roles.
	late := assume(leaked, roleARN("last"))
	w.ok(w.iam(w.admin, "DeleteAccessKey", "UserName", name, "AccessKeyId", leaked.id))
	w.ok(w.sts(late, "GetCallerIdentity"))
	if reply, status, body = w.revoke(server.RevokeRequest{Principals: []string{leaked.id}}); status != http.StatusOK || reply.Revoked[0].ARN != "" {
		t.Errorf("of a deleted key: %d %s", status, body)
	}
	w.refused(w.sts(late, "GetCallerIdentity"), "ExpiredToken")

	// What it did is still known: its own calls, and those of all it minted, in both accounts.
	calls, from := w.calls(leaked.id)
	var accounts []arn.AccountID
	for _, c := range calls {
		if !slices.Contains(accounts, c.Account) {
			accounts = append(accounts, c.Account)
		}
		if c.AccessKeyID == second.id || c.AccessKeyID == colleague.id || c.AccessKeyID == w.admin.id {
			t.Errorf("a call of another key: %s", c.Record)
		}
	}
	if len(accounts) != 2 || !slices.Equal(from.Accounts, []arn.AccountID{ours, theirs}) || from.From.After(time.Now()) {
		t.Errorf("calls in accounts %v of %+v", accounts, from)
	}
	for kind, c := range minted {
		if !slices.ContainsFunc(calls, func(call audit.KeyCall) bool {
			return call.AccessKeyID == c.id && strings.Contains(string(call.Record), "GetCallerIdentity")
		}) {
			t.Errorf("the calls of %s are missing", kind)
		}
	}
}

// A chain's revocation survives the end of the process.
func TestT389_RevocationOfAKeySurvivesARestart(t *testing.T) {
	p := install(t, t.TempDir())
	w := p.start()
	_, leaked := w.caller(allow("sts:*"))
	_, colleague := w.caller(allow("sts:*"))
	trust := document(map[string]any{"Effect": "Allow", "Principal": map[string]any{"AWS": string(ours)}, "Action": "sts:AssumeRole"})
	w.ok(w.iam(w.admin, "CreateRole", "RoleName", "deploy", "AssumeRolePolicyDocument", trust))
	w.ok(w.iam(w.admin, "PutRolePolicy", "RoleName", "deploy", "PolicyName", "p", "PolicyDocument", allow("sts:*")))
	chain := func(key credentials) credentials {
		first := w.temporary(w.sts(key, "AssumeRole", "RoleArn", roleARN("deploy"), "RoleSessionName", "one"))
		return w.temporary(w.sts(first, "AssumeRole", "RoleArn", roleARN("deploy"), "RoleSessionName", "two"))
	}
	stolen, honest := chain(leaked), chain(colleague)
	if _, status, body := w.revoke(server.RevokeRequest{Principals: []string{leaked.id}}); status != http.StatusOK {
		t.Fatal(body)
	}
	p.stop(syscall.SIGKILL)
	w = p.start()
	w.refused(w.sts(stolen, "GetCallerIdentity"), "ExpiredToken")
	w.ok(w.sts(honest, "GetCallerIdentity"))
}

func TestKeysOfTheOwnersSocket(t *testing.T) {
	w := newWorld(t)
	name, key := w.caller(allow("iam:*"))
	var reply identity.KeyState
	if status, body := w.localGet("/key?id="+key.id, &reply); status != http.StatusOK || !reply.Exists || !reply.Active || reply.UserName != name || reply.Account != ours {
		t.Errorf("key: %d %s", status, body)
	}
	gone, err := arn.NewAccessKeyID(arn.PrefixAccessKey, theirs, strings.NewReader(strings.Repeat("x", 20)))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := arn.NewAccessKeyID(arn.PrefixAccessKey, "999999999999", strings.NewReader(strings.Repeat("x", 20)))
	if err != nil {
		t.Fatal(err)
	}
	if status, body := w.localGet("/key?id="+gone, &reply); status != http.StatusOK || strings.Contains(body, `"exists":true`) {
		t.Errorf("a key that is not there: %d %s", status, body)
	}
	for _, id := range []string{foreign, "root", "", "AKIA", "ASIAY34FZKBOKMUTVV7A"} {
		for _, path := range []string{"/key?id=", "/keys/calls?id="} {
			if status, body := w.localGet(path+id, nil); status != http.StatusNotFound {
				t.Errorf("%s%s: %d %s", path, id, status, body)
			}
		}
	}

	// Whether found secrets work here is told, and not one word of them is kept.
	asked := []server.Candidate{
		{ID: key.id, Secret: key.secret}, {ID: key.id, Secret: key.secret[1:] + "\x00"}, {ID: key.id}, {ID: gone, Secret: key.secret}, {ID: foreign},
		{ID: w.admin.id, Secret: w.admin.secret}, {ID: "not an id\x00"},
	}
	want := []server.KeyCheck{
		{ID: key.id, Standing: server.KeyActive, Match: true, Account: ours, UserARN: userARN(name)},
		{ID: key.id, Standing: server.KeyActive, Account: ours, UserARN: userARN(name)},
		{ID: key.id, Standing: server.KeyActive, Account: ours, UserARN: userARN(name)},
		{ID: gone, Standing: server.KeyGone, Account: theirs},
		{ID: foreign, Standing: server.KeyUnknown},
		{ID: w.admin.id, Standing: server.KeyTemporary, Account: ours},
		{ID: "not an id\x00", Standing: server.KeyUnknown},
	}
	var checks server.KeyCheckReply
	if status, body := w.localPost("/keys/check", server.KeyCheckRequest{Keys: asked}, &checks); status != http.StatusOK || !slices.Equal(checks.Keys, want) {
		t.Errorf("check: %d %s\nwant %+v", status, body, want)
	} else if strings.Contains(body, key.secret[1:]) {
		t.Errorf("the answer has the secret: %s", body)
	}
	w.ok(w.iam(w.admin, "UpdateAccessKey", "UserName", name, "AccessKeyId", key.id, "Status", "Inactive"))
	if _, body := w.localPost("/keys/check", server.KeyCheckRequest{Keys: asked[:1]}, &checks); checks.Keys[0].Standing != server.KeyInactive || !checks.Keys[0].Match {
		t.Errorf("inactive: %s", body)
	}
	if status, _ := w.localPost("/keys/check", server.KeyCheckRequest{Keys: make([]server.Candidate, server.MaxCandidates+1)}, nil); status != http.StatusBadRequest {
		t.Errorf("too many: %d", status)
	}
	if status, _ := w.localPost("/keys/check", fmt.Sprintf("%s %s", key.id, key.secret), nil); status != http.StatusBadRequest {
		t.Errorf("no request: %d", status)
	}
	if trail := w.ok(w.lookup(w.admin, `{}`)).body; strings.Contains(trail, key.secret[1:]) {
		t.Error("the trail has the secret")
	}
}
