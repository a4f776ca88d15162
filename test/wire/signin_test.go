package wire_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// rest is a request of a restJson service, not yet signed.
func (w *world) rest(method, target, body string) *message {
	m := &message{method: method, target: target, version: "HTTP/1.1", body: body, lines: []string{"Host: " + w.address, "User-Agent: wire"}}
	if body != "" {
		m.add("Content-Type", "application/json")
		m.add("Content-Length", fmt.Sprint(len(body)))
	}
	return m
}

// errorType is the error code of a restJson answer.
func (r *reply) errorType() string { return r.header.Get("X-Amzn-Errortype") }

// T413: sign-in is open to all, and does nothing for who brings no secret.
func TestT413_SignInWithoutSecrets(t *testing.T) {
	w := newWorld(t)
	_, caller := w.caller(allow("*"))
	wrong := caller
	wrong.secret = "guess"
	const authorize = `{"responseType":"code","clientId":"arn:aws:signin:::devtools/same-device","redirectUri":"http://127.0.0.1:5000/oauth/callback","scope":"openid","state":"s","codeChallenge":"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU","codeChallengeMethod":"SHA-256"}`
	const token = `{"clientId":"arn:aws:signin:::devtools/same-device","grantType":"refresh_token","refreshToken":"x"}`
	for _, c := range []struct {
		what   string
		m      *message
		by     *credentials
		status int
		code   string
	}{
		{"nothing", w.rest("POST", "/v1/token", ""), nil, 400, "ValidationException"},
		{"no proof", w.rest("POST", "/v1/token", token), nil, 400, "ValidationException"},
		{"no proof, but a signature", w.rest("POST", "/v1/token", token), &caller, 400, "ValidationException"},
		{"no JSON", w.rest("POST", "/v1/token", "{"), nil, 400, "ValidationException"},
		{"a name twice", w.rest("POST", "/v1/token", token[:len(token)-1]+`,"clientId":"x"}`), nil, 400, "ValidationException"},
		{"too much", w.rest("POST", "/v1/token", `{"x":"`+strings.Repeat("x", 1<<20)+`"}`), nil, 413, "RequestEntityTooLargeException"},
		{"another method", w.rest("DELETE", "/v1/token", ""), nil, 404, "UnknownOperationException"},
		{"another spelling", w.rest("POST", "/v1/%74oken", token), nil, 405, ""},
		{"an operation that is not built", w.rest("POST", "/v1/token?x-amz-client-auth-method=iam", `{"grant_type":"client_credentials","resource":"x"}`), nil, 400, "MissingAuthenticationTokenException"},
		{"the same, signed", w.rest("POST", "/v1/token?x-amz-client-auth-method=iam", `{"grant_type":"client_credentials","resource":"x"}`), &caller, 400, "UnsupportedOperationException"},
		{"consent without a signature, which is a form of the console", w.rest("POST", "/v1/authorize", authorize), nil, 400, ""},
		{"consent with a wrong secret", w.rest("POST", "/v1/authorize", authorize), &wrong, 403, "InvalidSignatureException"},
		{"consent by an access key", w.rest("POST", "/v1/authorize", authorize), &caller, 403, "AccessDeniedException"},
		{"consent by root", w.rest("POST", "/v1/authorize", authorize), &w.root, 403, "AccessDeniedException"},
		{"consent to what is bad", w.rest("POST", "/v1/authorize", strings.Replace(authorize, "127.0.0.1", "evil.example", 1)), &w.root, 403, "AccessDeniedException"},
		{"a broker without credentials", w.rest("GET", "/federation?Action=getSigninToken", ""), nil, 400, "ValidationException"},
		{"a broker with nonsense", w.rest("GET", "/federation?Action=getSigninToken&Session=x", ""), nil, 400, "ValidationException"},
		{"a browser without a token", w.rest("GET", "/federation?Action=login&Destination=%2F", ""), nil, 303, ""},
	} {
		if c.by != nil {
			c.m.sign(signature{by: *c.by, at: w.now(), service: "signin"})
		}
		r := w.send(c.m)
		if c.what == "another spelling" && r.status >= 400 && r.status < 500 {
			continue // whatever the query protocol says of it
		}
		if r.status != c.status || r.errorType() != c.code {
			t.Errorf("T413: %s: %d %s %s, want %d %s", c.what, r.status, r.errorType(), r.body, c.status, c.code)
		}
		if strings.Contains(r.body, "evil") {
			t.Errorf("T413: %s: %s", c.what, r.body)
		}
	}
}

// The federation endpoint as a script of an identity broker uses it, and what the trail
// tells of it.
func TestFederationEndpoint(t *testing.T) {
	w := newWorld(t)
	c := w.assume(w.role(allow("*")))
	form := fmt.Sprintf(`{"sessionId":%q,"sessionKey":%q,"sessionToken":%q}`, c.id, c.secret, c.token)
	r := w.ok(w.send(w.rest("GET", "/federation?Action=getSigninToken&SessionType=json&Session="+escape(form), "")))
	token, _, _ := strings.Cut(strings.TrimPrefix(r.body, `{"SigninToken":"`), `"`)
	if len(token) < 43 {
		t.Fatal(r.body)
	}
	if rec := w.record(r); rec == nil || rec.EventName != "GetSigninToken" || rec.UserIdentity.Type != "AssumedRole" || strings.Contains(rec.raw, c.secret) || strings.Contains(rec.raw, token) {
		t.Errorf("%+v", rec)
	}
	login := w.rest("GET", "/federation?Action=login&Issuer=&Destination=%2F&SigninToken="+token, "")
	// By the address of the server a browser is led to its name.
	first := w.send(login)
	if first.status != http.StatusSeeOther || !strings.HasPrefix(first.header.Get("Location"), "http://localhost:") {
		t.Fatalf("%d %v", first.status, first.header)
	}
	login.set("Host", strings.Replace(w.address, "127.0.0.1", "localhost", 1))
	second := w.send(login)
	if second.status != http.StatusSeeOther || second.header.Get("Location") != "/" || !strings.HasPrefix(second.header.Get("Set-Cookie"), "__Host-lanyard=AROA") {
		t.Errorf("%d %v %s", second.status, second.header, second.body)
	}
	if third := w.send(login); third.status != http.StatusUnauthorized || third.header.Get("Set-Cookie") != "" {
		t.Errorf("%d %v %s", third.status, third.header, third.body)
	}
	if events := w.lookup(w.admin, `{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"ConsoleLogin"}]}`); strings.Count(events.body, "AwsConsoleSignIn") != 2 {
		t.Errorf("%s", events.body)
	}
}
