package signin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service/signin"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// federate asks /federation, as a broker or a browser; it follows no redirect.
func (w *world) federate(method string, parameters ...string) (*http.Response, string) {
	w.t.Helper()
	form := make(url.Values)
	for i := 0; i < len(parameters); i += 2 {
		form.Add(parameters[i], parameters[i+1])
	}
	var body io.Reader
	target := w.http.URL + signin.FederationPath
	if method == "POST" {
		body = strings.NewReader(form.Encode())
	} else {
		target += "?" + form.Encode()
	}
	r, err := http.NewRequest(method, target, body)
	w.must(err)
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		r.Host = "localhost:4747" // the console's
	}
	answer, err := (&http.Client{Transport: w.http.Client().Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	w.must(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	w.must(err)
	return answer, string(text)
}

func (w *world) role(change func(*session.Session)) session.Credentials {
	s := &session.Session{Kind: session.Role, Account: account, PrincipalID: role, Name: "john.doe", Issued: w.now(), Expires: w.now().Add(time.Hour), Origin: "AKIAIOSFODNN7EXAMPLE"}
	if change != nil {
		change(s)
	}
	return w.mint(s)
}

func sessionJSON(c session.Credentials) string {
	text, _ := json.Marshal(map[string]string{"sessionId": c.AccessKeyID, "sessionKey": c.SecretAccessKey, "sessionToken": c.SessionToken})
	return string(text)
}

// signinToken is a broker's part.
func (w *world) signinToken(c session.Credentials, more ...string) string {
	w.t.Helper()
	answer, text := w.federate("GET", append([]string{"Action", "getSigninToken", "Session", sessionJSON(c)}, more...)...)
	var out struct{ SigninToken string }
	if err := json.Unmarshal([]byte(text), &out); err != nil || answer.StatusCode != 200 || out.SigninToken == "" {
		w.t.Fatalf("%s: %s", answer.Status, text)
	}
	return out.SigninToken
}

// login is a browser's part: the session that it ends up with, or nil.
func (w *world) login(token string, more ...string) (*http.Response, *session.Browser) {
	w.t.Helper()
	answer, _ := w.federate("GET", append([]string{"Action", "login", "SigninToken", token}, more...)...)
	if cookies := answer.Cookies(); len(cookies) > 0 {
		c := cookies[0]
		var b *session.Browser
		w.edit(func(tx store.Tx) {
			var err error
			if b, err = w.sessions.OpenBrowser(tx, c.Value, w.now()); err != nil {
				w.t.Errorf("the cookie opens nothing: %v", err)
			}
		})
		if c.Name != "__Host-lanyard" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
			w.t.Errorf("cookie %+v", c) // T240
		}
		return answer, b
	}
	return answer, nil
}

// Who only looks whether the address is there uses nothing up.
func TestFederationMethods(t *testing.T) {
	w := newWorld(t)
	token := w.signinToken(w.role(nil))
	for _, method := range []string{"HEAD", "OPTIONS", "PUT", "DELETE"} {
		answer, _ := w.federate(method, "Action", "login", "SigninToken", token, "Destination", "/")
		if answer.StatusCode != http.StatusMethodNotAllowed || len(answer.Cookies()) > 0 || !strings.Contains(answer.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %s, %v", method, answer.Status, answer.Header)
		}
	}
	if _, b := w.login(token, "Destination", "/"); b == nil {
		t.Error("the token is used up")
	}
}

// The steps of AWS's guide: a broker's role session becomes a session of the console.
func TestFederatedConsole(t *testing.T) {
	w := newWorld(t)
	credentials := w.role(func(s *session.Session) { s.SourceIdentity = "john" })
	token := w.signinToken(credentials, "SessionDuration", "43200", "SessionType", "json")
	answer, b := w.login(token, "Issuer", "https://idp.example.com/", "Destination", "http://localhost:4747/users?x=1")
	if answer.StatusCode != 303 || answer.Header.Get("Location") != "/users?x=1" || b == nil {
		t.Fatalf("%s, %v", answer.Status, answer.Header)
	}
	if answer.Header.Get("Cache-Control") != "no-store" || answer.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%v", answer.Header)
	}
	if b.Session.Kind != session.Role || b.Session.SourceIdentity != "john" || b.Issuer != "https://idp.example.com/" || b.Session.Origin != "AKIAIOSFODNN7EXAMPLE" {
		t.Errorf("%+v", b)
	}
	if left := b.Expires.Sub(w.now()); left < 12*time.Hour-time.Minute || left > 12*time.Hour {
		t.Errorf("it lasts %s", left)
	}
	// The same by POST, and without a duration: as long as the credentials.
	answer, text := w.federate("POST", "Action", "getSigninToken", "Session", sessionJSON(credentials))
	var out struct{ SigninToken string }
	if err := json.Unmarshal([]byte(text), &out); err != nil || answer.StatusCode != 200 {
		t.Fatalf("%s: %s", answer.Status, text)
	}
	if _, b = w.login(out.SigninToken, "Destination", "/"); b == nil || b.Expires.Sub(w.now()) > time.Hour {
		t.Errorf("%+v", b)
	}
	// A federated user.
	federated := w.mint(&session.Session{Kind: session.Federated, Account: account, PrincipalID: alice, Name: "bob", Issued: w.now(), Expires: w.now().Add(time.Hour)})
	if _, b = w.login(w.signinToken(federated), "Destination", "/"); b == nil || b.Session.Kind != session.Federated {
		t.Errorf("%+v", b)
	}

	made := w.records("GetSigninToken")
	if len(made) != 3 || !strings.Contains(made[2], `"type":"AssumedRole"`) || !strings.Contains(made[2], `"eventType":"AwsApiCall"`) || !strings.Contains(made[2], credentials.AccessKeyID) {
		t.Errorf("%s", made)
	}
	signedIn := w.records("ConsoleLogin")
	if len(signedIn) != 3 {
		t.Fatalf("%s", signedIn)
	}
	for _, want := range []string{
		`"userIdentity":{"type":"AssumedRole","principalId":"AROADEVELOPERSDEVELO:john.doe","arn":"arn:aws:sts::111122223333:assumed-role/developers/john.doe","accountId":"111122223333","sessionContext":{`,
		`"eventName":"ConsoleLogin"`, `"eventType":"AwsConsoleSignIn"`, `"requestParameters":null,"responseElements":{"ConsoleLogin":"Success"}`,
		`"additionalEventData":{"LoginTo":"http://localhost:4747/users?x=1","MobileVersion":"No","MFAUsed":"No"}`, `"readOnly":false`,
	} {
		if !strings.Contains(signedIn[2], want) {
			t.Errorf("no %s in %s", want, signedIn[2])
		}
	}
	if !strings.Contains(signedIn[0], `"type":"FederatedUser"`) || strings.Contains(signedIn[0], "requestID") {
		t.Errorf("%s", signedIn[0])
	}
	for _, rec := range append(made, signedIn...) {
		for _, secret := range []string{token, credentials.SecretAccessKey, credentials.SessionToken} {
			if strings.Contains(rec, secret) {
				t.Errorf("a secret in %s", rec)
			}
		}
	}
}

// T248: what is not a role's or a federated user's credentials makes no sign-in token, and a
// token is good once, for fifteen minutes.
func TestT248_SigninTokens(t *testing.T) {
	w := newWorld(t)
	now := w.now()
	good := w.role(nil)
	user := func(kind session.Kind, id string) session.Credentials {
		return w.mint(&session.Session{Kind: kind, Account: account, PrincipalID: id, Issued: now, Expires: now.Add(time.Hour), MFAKnown: true, MFA: true, MFATime: now})
	}
	long := good
	long.AccessKeyID, long.SessionToken = "AKIAIOSFODNN7EXAMPLE", ""
	wrong, other := good, good
	wrong.SecretAccessKey = strings.Repeat("x", 40)
	other.AccessKeyID = w.role(nil).AccessKeyID
	login := w.program().login()
	for what, c := range map[string]struct {
		session  string
		duration string
	}{
		"long-term keys":                     {session: sessionJSON(long)},
		"GetSessionToken":                    {session: sessionJSON(user(session.User, alice))},
		"root's GetSessionToken":             {session: sessionJSON(user(session.Root, string(account)))},
		"the owner's root":                   {session: sessionJSON(user(session.LocalRoot, string(account)))},
		"aws login":                          {session: fmt.Sprintf(`{"sessionId":%q,"sessionKey":%q,"sessionToken":%q}`, login.AccessToken.AccessKeyID, login.AccessToken.SecretAccessKey, login.AccessToken.SessionToken)},
		"a wrong secret":                     {session: sessionJSON(wrong)},
		"another key's token":                {session: sessionJSON(other)},
		"another installation's":             {session: sessionJSON(newWorld(t).role(nil))},
		"an expired session":                 {session: sessionJSON(w.role(func(s *session.Session) { s.Issued, s.Expires = now.Add(-2*time.Hour), now.Add(-time.Second) }))},
		"a role that is gone":                {session: sessionJSON(w.role(func(s *session.Session) { s.PrincipalID = "AROAGONE" }))},
		"no JSON":                            {session: "x"},
		"nothing":                            {session: ""},
		"an empty object":                    {session: "{}"},
		"twelve hours and a second":          {session: sessionJSON(good), duration: "43201"},
		"fourteen minutes":                   {session: sessionJSON(good), duration: "899"},
		"a duration of text":                 {session: sessionJSON(good), duration: "1h"},
		"a negative duration":                {session: sessionJSON(good), duration: "-900"},
		"a duration of a chained role":       {session: sessionJSON(w.role(func(s *session.Session) { s.Chained = true })), duration: "3600"},
		"a duration with GetFederationToken": {session: sessionJSON(w.mint(&session.Session{Kind: session.Federated, Account: account, PrincipalID: alice, Name: "bob", Issued: now, Expires: now.Add(time.Hour)})), duration: "3600"},
	} {
		parameters := []string{"Action", "getSigninToken", "Session", c.session}
		if c.duration != "" {
			parameters = append(parameters, "SessionDuration", c.duration)
		}
		for _, method := range []string{"GET", "POST"} {
			if answer, text := w.federate(method, parameters...); answer.StatusCode != 400 || strings.Contains(text, "SigninToken") || strings.Contains(text, good.SecretAccessKey) {
				t.Errorf("T248: %s: %s %s", what, answer.Status, text)
			}
		}
	}
	if answer, text := w.federate("GET", "Action", "getSigninToken", "Session", sessionJSON(good), "Session", sessionJSON(good)); answer.StatusCode != 400 {
		t.Errorf("T248: two sessions: %s %s", answer.Status, text)
	}
	w.edit(func(tx store.Tx) { w.must(session.Revoke(tx, role, now.Add(time.Second))) })
	if answer, text := w.federate("GET", "Action", "getSigninToken", "Session", sessionJSON(good)); answer.StatusCode != 400 {
		t.Errorf("T248: revoked: %s %s", answer.Status, text)
	}
	w.edit(func(tx store.Tx) { identity.Revocations.Delete(tx, role) })

	token := w.signinToken(good)
	if _, b := w.login(token, "Destination", "/"); b == nil {
		t.Fatal("not signed in")
	}
	if answer, b := w.login(token, "Destination", "/"); b != nil || answer.StatusCode != 401 {
		t.Errorf("T248: twice: %s", answer.Status)
	}
	failures := w.records("ConsoleLogin")
	if len(failures) != 2 || !strings.Contains(failures[0], `"responseElements":{"ConsoleLogin":"Failure"}`) || !strings.Contains(failures[0], `"errorMessage":"Failed authentication"`) {
		t.Errorf("T248: %s", failures)
	}
	token = w.signinToken(good)
	w.ahead += 15*time.Minute + time.Second
	if answer, b := w.login(token, "Destination", "/"); b != nil || answer.StatusCode != 401 {
		t.Errorf("T248: after 15 minutes: %s", answer.Status)
	}
	w.ahead = 0
	// What ends the session in between ends the token.
	token = w.signinToken(good)
	w.edit(func(tx store.Tx) { w.must(session.Revoke(tx, role, now.Add(time.Second))) })
	if answer, b := w.login(token, "Destination", "/"); b != nil || answer.StatusCode != 401 {
		t.Errorf("T248: revoked: %s", answer.Status)
	}
	for _, bad := range []string{"", "x", token + "A", "QUFB." + strings.Repeat("A", 43)} {
		if answer, b := w.login(bad, "Destination", "/"); b != nil || answer.StatusCode < 400 || answer.StatusCode >= 500 {
			t.Errorf("T248: %q: %s", bad, answer.Status)
		}
	}
	// An authorization code is none.
	if answer, b := w.login(w.program().code(w.console()), "Destination", "/"); b != nil || answer.StatusCode != 401 {
		t.Errorf("T248: an authorization code: %s", answer.Status)
	}
}

// T213: a sign-in leads to pages of the console and nowhere else.
func TestT213_Destinations(t *testing.T) {
	w := newWorld(t)
	token := w.signinToken(w.role(nil))
	for _, to := range []string{
		"https://evil.example/", "//evil.example/", `/\evil.example/`, `\\evil.example`, "http://localhost:4747@evil.example/", "http://localhost:4747.evil.example/", "https://localhost:4747/",
		"javascript:alert(1)", "data:text/html,x", "http:evil", "/\t/evil.example", " /", "", "users", "http://user@localhost:4747/", "/%zz", "/a\r\nSet-Cookie: x=y", "/ü",
		"https://console.aws.amazon.com/",
	} {
		if answer, b := w.login(token, "Destination", to); b != nil || answer.StatusCode != 400 {
			t.Errorf("T213: %q: %s to %s", to, answer.Status, answer.Header.Get("Location"))
		}
	}
	for _, issuer := range []string{"javascript:alert(1)", "idp.example.com", "https://", "data:x", "https://u:p@idp.example.com/", "https://idp.example.com/ x"} {
		if answer, b := w.login(token, "Destination", "/", "Issuer", issuer); b != nil || answer.StatusCode != 400 {
			t.Errorf("T213: issuer %q: %s", issuer, answer.Status)
		}
	}
	// None of these used the token up.
	if answer, b := w.login(token, "Destination", w.http.URL, "Issuer", "https://idp.example.com/login?x"); b == nil || answer.Header.Get("Location") != "/" {
		t.Errorf("%s to %s", answer.Status, answer.Header.Get("Location"))
	}
}

// A browser that comes by another name is led to the console's, where its cookie belongs.
func TestFederationElsewhere(t *testing.T) {
	w := newWorld(t)
	get := func(method, target, kind, body string) *http.Response {
		t.Helper()
		r, err := http.NewRequest(method, w.http.URL+target, strings.NewReader(body))
		w.must(err)
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		answer, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
		w.must(err)
		answer.Body.Close()
		return answer
	}
	if a := get("GET", "/federation?Action=login&SigninToken=x&Destination=%2F", "", ""); a.StatusCode != 303 || a.Header.Get("Location") != "http://localhost:4747/federation?Action=login&SigninToken=x&Destination=%2F" {
		t.Errorf("%s to %s", a.Status, a.Header.Get("Location"))
	}
	// Who signs out is asked first.
	if a := get("GET", "/federation?Action=logout", "", ""); a.StatusCode != 303 || a.Header.Get("Location") != "http://localhost:4747/signout" {
		t.Errorf("%s to %s", a.Status, a.Header.Get("Location"))
	}
	const form = "application/x-www-form-urlencoded"
	for _, c := range [][4]string{
		{"GET", "/federation", "", ""}, {"GET", "/federation?Action=x", "", ""}, {"POST", "/federation", form, ""}, {"POST", "/federation?Action=login", form, "SigninToken=x"},
		{"POST", "/federation", "application/json", `{"Action":"login"}`}, {"POST", "/federation", form, "Action=login&x=" + strings.Repeat("x", 70<<10)}, {"POST", "/federation", form, "%zz"},
	} {
		if a := get(c[0], c[1], c[2], c[3]); a.StatusCode != 400 {
			t.Errorf("%s %s: %s", c[0], c[1], a.Status)
		}
	}
}
