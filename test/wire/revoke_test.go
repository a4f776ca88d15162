package wire_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/server"
)

// revoke asks for sessions to be ended, as lanyard revoke does.
func (w *world) revoke(request server.RevokeRequest) (reply server.RevokeReply, status int, body string) {
	w.t.Helper()
	text, err := json.Marshal(request)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.local.Post("http://local/revoke", "application/json", strings.NewReader(string(text)))
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(answer, &reply); err != nil {
			w.t.Fatal(err)
		}
	}
	return reply, resp.StatusCode, string(answer)
}

// temporary takes the credentials out of an answer of STS.
func (w *world) temporary(r *reply) credentials {
	w.t.Helper()
	w.ok(r)
	var part [3]string
	for i, name := range []string{"AccessKeyId", "SecretAccessKey", "SessionToken"} {
		m := regexp.MustCompile("<" + name + ">([^<]*)</").FindStringSubmatch(r.body)
		if m == nil {
			w.t.Fatalf("no %s: %s", name, r.body)
		}
		part[i] = m[1]
	}
	return credentials{part[0], part[1], part[2]}
}

// TestRevokedSessionsEnd: of a user, a role and root; with the next request, and for
// ever. What is no session stays, and so do later sessions and everybody else's.
func TestRevokedSessionsEnd(t *testing.T) {
	p := install(t, t.TempDir())
	w := p.start()
	name, key := w.caller(allow("iam:*", "sts:*"))
	_, other := w.caller(allow("iam:*", "sts:*"))
	trust := document(map[string]any{"Effect": "Allow", "Principal": map[string]any{"AWS": string(ours)}, "Action": "sts:AssumeRole"})
	for _, role := range []string{"deploy", "audit"} {
		w.ok(w.iam(w.admin, "CreateRole", "RoleName", role, "AssumeRolePolicyDocument", trust))
	}
	assume := func(role string) credentials {
		return w.temporary(w.sts(key, "AssumeRole", "RoleArn", "arn:aws:iam::"+string(ours)+":role/"+role, "RoleSessionName", "session"))
	}
	begin := map[string]func() credentials{
		"session token": func() credentials { return w.temporary(w.sts(key, "GetSessionToken")) },
		"federated":     func() credentials { return w.temporary(w.sts(key, "GetFederationToken", "Name", "fed")) },
		"role":          func() credentials { return assume("deploy") },
		"root":          func() credentials { return w.owner(ours, true) },
	}
	stays := map[string]credentials{
		"the user's key":         key,
		"another user's session": w.temporary(w.sts(other, "GetSessionToken")),
		"another role's session": assume("audit"),
		"the owner's session":    w.admin,
	}
	old, young := map[string]credentials{}, map[string]credentials{}
	for kind, fn := range begin {
		old[kind] = fn()
		w.ok(w.sts(old[kind], "GetCallerIdentity"))
	}

	request := server.RevokeRequest{Principals: []string{name, "role/deploy", "arn:aws:iam::" + string(ours) + ":root"}}
	reply, status, body := w.revoke(request)
	if status != http.StatusOK || len(reply.Revoked) != 3 {
		t.Fatalf("revoke: %d %s", status, body)
	}
	if user := reply.Revoked[0]; user.Type != "user" || !slices.Equal(user.AccessKeys, []string{key.id}) {
		t.Errorf("revoked %+v", user)
	}
	for kind, fn := range begin { // at once: the answer waits until these are new ones
		young[kind] = fn()
	}
	check := func(when string) {
		t.Helper()
		for kind, c := range old {
			if r := w.sts(c, "GetCallerIdentity"); r.code() != "ExpiredToken" && r.code() != "InvalidClientTokenId" {
				t.Errorf("%s: revoked session (%s): %d %s", when, kind, r.status, r.body)
			}
		}
		for kind, c := range young {
			if r := w.sts(c, "GetCallerIdentity"); r.status != http.StatusOK {
				t.Errorf("%s: new session (%s): %d %s", when, kind, r.status, r.body)
			}
		}
		for kind, c := range stays {
			if r := w.sts(c, "GetCallerIdentity"); r.status != http.StatusOK {
				t.Errorf("%s: %s: %d %s", when, kind, r.status, r.body)
			}
		}
	}
	check("at once")
	trail := w.ok(w.lookup(w.admin, `{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"RevokeSessions"}]}`)).body
	for _, want := range []string{reply.Revoked[0].ID, reply.Revoked[1].ARN, reply.Revoked[2].ARN, "localUser", "issuedBefore", "AwsServiceEvent"} {
		if !strings.Contains(trail, want) {
			t.Errorf("the trail says nothing of %s: %s", want, trail)
		}
	}
	// An earlier moment takes nothing back.
	again, status, body := w.revoke(server.RevokeRequest{Principals: []string{"user/" + name}, Before: time.Now().Add(-time.Hour)})
	if status != http.StatusOK || !again.Revoked[0].Before.Equal(reply.Revoked[0].Before) {
		t.Errorf("earlier: %d %s", status, body)
	}

	p.stop(syscall.SIGTERM)
	w = p.start()
	check("after a restart")
}

// TestRevokeRefuses: a request with one fault ends no session at all.
func TestRevokeRefuses(t *testing.T) {
	w := newWorld(t)
	name, key := w.caller(allow("sts:*"))
	w.ok(w.iam(w.admin, "CreateUser", "UserName", "both"))
	w.ok(w.iam(w.admin, "CreateRole", "RoleName", "BOTH", "AssumeRolePolicyDocument",
		document(map[string]any{"Effect": "Allow", "Principal": map[string]any{"AWS": "*"}, "Action": "sts:AssumeRole"})))
	session := w.temporary(w.sts(key, "GetSessionToken"))
	for _, c := range []struct {
		request server.RevokeRequest
		want    string
	}{
		{server.RevokeRequest{}, "name from 1 to 1000"},
		{server.RevokeRequest{Principals: make([]string, 1001)}, "name from 1 to 1000"},
		{server.RevokeRequest{Principals: []string{name, "nobody"}}, `no user or role \"nobody\"`},
		{server.RevokeRequest{Principals: []string{name, "both"}}, "say user/both or role/both"},
		{server.RevokeRequest{Principals: []string{name, ""}}, `no user or role`},
		{server.RevokeRequest{Principals: []string{name, "group/x"}}, `no user or role`},
		{server.RevokeRequest{Principals: []string{name, "user/\x00\x1b[31m" + strings.Repeat("a", 5000)}}, `no user or role`},
		{server.RevokeRequest{Principals: []string{name, "arn:aws:iam::" + string(ours) + ":user/elsewhere/both"}}, "did you mean arn:aws:iam::" + string(ours) + ":user/both?"},
		{server.RevokeRequest{Principals: []string{name, "arn:aws:iam::999999999999:root"}}, "there is no account 999999999999"},
		{server.RevokeRequest{Principals: []string{name, "arn:aws:sts::" + string(ours) + ":assumed-role/BOTH/s"}}, "is one session"},
		{server.RevokeRequest{Principals: []string{name}, Account: theirs}, "no user or role"},
		{server.RevokeRequest{Principals: []string{name}, Before: time.Now().Add(time.Hour)}, "is in the future"},
	} {
		if _, status, body := w.revoke(c.request); status != http.StatusBadRequest || !strings.Contains(body, c.want) {
			t.Errorf("%.100s: %d %.300s, want %s", fmt.Sprint(c.request), status, body, c.want)
		}
	}
	w.ok(w.sts(session, "GetCallerIdentity"))
	if trail := w.ok(w.lookup(w.admin, `{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"RevokeSessions"}]}`)).body; strings.Contains(trail, "issuedBefore") {
		t.Errorf("on the trail: %s", trail)
	}
}
