package console

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service/signin"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

const loginPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["signin:AuthorizeOAuth2Access","signin:CreateOAuth2Token"],"Resource":"arn:aws:signin:*:*:oauth2/public-client/*"}]}`

// asked is the query string that `aws login` makes, with some parameters changed; an empty
// one is left out.
func asked(change ...string) string {
	challenge := sha256.Sum256([]byte("verifier"))
	q := url.Values{
		"response_type": {"code"}, "client_id": {signin.SameDevice}, "state": {"9b7c1e52-0c1f-4c56-9d3a-0f0f5e7f3a11"}, "code_challenge_method": {"SHA-256"},
		"scope": {"openid"}, "redirect_uri": {"http://127.0.0.1:53037/oauth/callback"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
	}
	for i := 0; i+1 < len(change); i += 2 {
		if q.Set(change[i], change[i+1]); change[i+1] == "" {
			q.Del(change[i])
		}
	}
	return q.Encode()
}

func askedRemote() string {
	return asked("client_id", signin.CrossDevice, "redirect_uri", "https://id.example.com/v1/sessions/confirmation")
}

// Consent is asked of who is signed in, and the answer goes to the program.
func TestConsent(t *testing.T) {
	w := newWorld(t)
	page := "/v1/authorize?" + asked()
	w.get(page).leadsTo(t, "/signin?"+url.Values{"return": {page}}.Encode())
	w.signIn("alice", loginPolicy)
	w.get("/signin?"+url.Values{"return": {page}}.Encode()).leadsTo(t, page)
	a := w.get(page)
	a.contains(t, "Sign in to the AWS CLI?", "on this computer", "alice", "1111-2222-3333", "With MFA", "127.0.0.1:53037", "21:00 UTC", "Not you?")
	if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' http://127.0.0.1:*;") {
		t.Errorf("the answer could not go to the program: %s", csp)
	}
	if csp := w.get("/users").Header.Get("Content-Security-Policy"); strings.Contains(csp, "127.0.0.1") {
		t.Errorf("other pages: %s", csp)
	}
	form := a.fieldsOf(t, "/v1/authorize")
	form.Set("answer", "allow")
	a = w.post("/v1/authorize", form)
	to, err := url.Parse(a.Header.Get("Location"))
	w.must(err)
	q := to.Query()
	if a.StatusCode != http.StatusSeeOther || to.Host != "127.0.0.1:53037" || to.Path != "/oauth/callback" || q.Get("state") != "9b7c1e52-0c1f-4c56-9d3a-0f0f5e7f3a11" || q.Get("code") == "" || q.Get("iss") != "https://id.example.com" {
		t.Fatalf("back to the program: %d %s", a.StatusCode, to)
	}
	if a.body != "" || a.Header.Get("Referrer-Policy") != "no-referrer" || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the answer with the code: %v %q", a.Header, a.body)
	}
	if strings.Contains(w.log.String(), q.Get("code")) {
		t.Error("the code is in the log")
	}
	form.Set("answer", "cancel")
	w.post("/v1/authorize", form).leadsTo(t, "http://127.0.0.1:53037/oauth/callback?error=access_denied&state=9b7c1e52-0c1f-4c56-9d3a-0f0f5e7f3a11&iss=https%3A%2F%2Fid.example.com")
	// What says neither is a no.
	form.Del("answer")
	if to := w.post("/v1/authorize", form).Header.Get("Location"); !strings.Contains(to, "error=access_denied") {
		t.Errorf("no answer leads to %s", to)
	}
	// The session ended while the page was open.
	form.Set("answer", "allow")
	w.post("/signout", nil)
	w.post("/v1/authorize", form).leadsTo(t, page)
}

// A code for another device is on the page, and in no address.
func TestConsentForAnotherDevice(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", loginPolicy)
	a := w.get("/v1/authorize?" + askedRemote())
	a.contains(t, "on another device", "Did you start this yourself, just now?", "you, as a code")
	form := a.fieldsOf(t, "/v1/authorize")
	form.Set("answer", "allow")
	a = w.post("/v1/authorize", form)
	a.contains(t, "Paste this code", "ten minutes", "you can close this tab")
	if a.Header.Get("Location") != "" || !strings.Contains(a.body, `data-leave="/v1/sessions/confirmation"`) {
		t.Errorf("the code: %v", a.Header)
	}
	pasted := between(t, a.body, "<pre tabindex=\"0\"><code>", "</code>")
	text, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(pasted, "&#43;", "+"))
	w.must(err)
	if q, err := url.ParseQuery(string(text)); err != nil || q.Get("state") != "9b7c1e52-0c1f-4c56-9d3a-0f0f5e7f3a11" || q.Get("code") == "" {
		t.Errorf("to paste: %s", text)
	}
	if a := w.get("/v1/sessions/confirmation"); a.StatusCode != http.StatusGone {
		t.Errorf("later: %d", a.StatusCode)
	}
	form.Set("answer", "cancel")
	w.post("/v1/authorize", form).contains(t, "Nothing was given", "close this tab")
}

func between(t *testing.T, text, from, to string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, from)
	found, _, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("no %s … %s in\n%s", from, to, text)
	}
	return found
}

// T211: what is not good is a page of ours, signed in or not, and leads nowhere.
func TestT211_ConsentRequests(t *testing.T) {
	w := newWorld(t)
	for _, who := range []string{"nobody", "alice"} {
		if who == "alice" {
			w.signIn("alice", loginPolicy)
		}
		for name, query := range map[string]string{
			"nothing":              "",
			"another client":       asked("client_id", "arn:aws:signin:::devtools/other"),
			"another host":         asked("redirect_uri", "https://evil.example/oauth/callback"),
			"a name of this one":   asked("redirect_uri", "http://localhost:53037/oauth/callback"),
			"a user in the host":   asked("redirect_uri", "http://127.0.0.1:1@evil.example/oauth/callback"),
			"another page of ours": asked("client_id", signin.CrossDevice, "redirect_uri", "https://id.example.com/users"),
			"no challenge":         asked("code_challenge", ""),
			"another method":       asked("code_challenge_method", "S256"),
			"no state":             asked("state", ""),
			"another scope":        asked("scope", "openid admin"),
			"twice":                asked() + "&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Foauth%2Fcallback",
			"markup":               asked("client_id", "<script>alert(1)</script>"),
			"long":                 asked() + "&x=" + strings.Repeat("x", 9<<10),
		} {
			a := w.get("/v1/authorize?" + query)
			if a.StatusCode != http.StatusBadRequest || a.Header.Get("Location") != "" || strings.Contains(a.body, `="https://evil.example`) {
				t.Errorf("%s, %s: %d %s", who, name, a.StatusCode, a.Header.Get("Location"))
			}
			a.contains(t, "asks for a sign-in in a way that is not valid", "Run aws login again", "AWS_ENDPOINT_URL_SIGNIN must be https://id.example.com")
			for _, answer := range []string{"allow", "cancel"} {
				if a := w.post("/v1/authorize", url.Values{"request": {query}, "answer": {answer}}); a.StatusCode != http.StatusBadRequest || a.Header.Get("Location") != "" {
					t.Errorf("%s, %s, %s: %d %s", who, name, answer, a.StatusCode, a.Header.Get("Location"))
				}
			}
		}
	}
}

// Who may not is told why, and so is the program.
func TestConsentDenied(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"signin:*","Resource":"arn:aws:signin:*:*:oauth2/public-client/localhost"}]}`)
	for _, query := range []string{asked(), askedRemote()} {
		form := w.get("/v1/authorize?"+query).fieldsOf(t, "/v1/authorize")
		form.Set("answer", "allow")
		a := w.post("/v1/authorize", form)
		if query == asked() {
			if a.StatusCode != http.StatusSeeOther {
				t.Errorf("may on this device: %d", a.StatusCode)
			}
			continue
		}
		a.contains(t, "The AWS CLI is not signed in", "You do not have permission for this", "signin:AuthorizeOAuth2Access", "public-client/remote", "Request id")
		if a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, `href="/why/`) || strings.Contains(a.body, `value="allow"`) {
			t.Errorf("%d:\n%s", a.StatusCode, a.body)
		}
	}
	w.signIn("bob")
	form := w.get("/v1/authorize?"+asked()).fieldsOf(t, "/v1/authorize")
	form.Set("answer", "allow")
	w.post("/v1/authorize", form).contains(t, "You do not have permission for this", "Tell the program")
}

// T223: no other site can have the question answered, frame it, or have it answered by
// somebody whom the page did not name. An old sign-in is asked for a factor.
func TestT223_ConsentIsThePersons(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", loginPolicy)
	a := w.get("/v1/authorize?" + asked())
	if a.Header.Get("X-Frame-Options") != "DENY" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("it can be framed: %v", a.Header)
	}
	form := a.fieldsOf(t, "/v1/authorize")
	form.Set("answer", "allow")
	r := httptest.NewRequest(http.MethodPost, "/v1/authorize", strings.NewReader(form.Encode()))
	r.Host, r.Header = w.console.config.URL.Host, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Content-Type": {"application/x-www-form-urlencoded"}}
	if a := w.do(r); a.StatusCode != http.StatusForbidden || a.Header.Get("Location") != "" {
		t.Errorf("another site answers: %d", a.StatusCode)
	}
	w.signIn("bob", loginPolicy)
	a = w.post("/v1/authorize", form)
	if a.StatusCode != http.StatusConflict || a.Header.Get("Location") != "" {
		t.Errorf("somebody else answers: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	a.contains(t, "Somebody else has signed in", "bob")
	form = a.fieldsOf(t, "/v1/authorize")
	form.Set("answer", "allow")
	if a := w.post("/v1/authorize", form); !strings.HasPrefix(a.Header.Get("Location"), "http://127.0.0.1:53037/") {
		t.Errorf("having looked again: %d", a.StatusCode)
	}
	w.later(11 * time.Minute)
	factor := "/signin/factor?" + url.Values{"to": {"/v1/authorize?" + asked()}}.Encode()
	w.get("/v1/authorize?"+asked()).leadsTo(t, factor)
	w.post("/v1/authorize", form).leadsTo(t, factor)
}

// The page shows what is hostile as text.
func TestConsentHostileNames(t *testing.T) {
	w := newWorld(t)
	w.signIn("a,b=c@d", loginPolicy)
	_, err := w.api().IAM.GetUser(t.Context(), &iam.GetUserInput{UserName: aws.String("a,b=c@d")})
	if err == nil {
		t.Error("more than the policy allows")
	}
	state := `"><script>alert(1)</script>`
	a := w.get("/v1/authorize?" + asked("state", state))
	a.contains(t, "a,b=c@d")
	if strings.Contains(a.body, "<script>alert") {
		t.Error("markup of the state is in the page")
	}
	form := a.fieldsOf(t, "/v1/authorize")
	form.Set("answer", "allow")
	to, err := url.Parse(w.post("/v1/authorize", form).Header.Get("Location"))
	if err != nil || to.Query().Get("state") != state {
		t.Errorf("the state comes back as %v (%v)", to, err)
	}
}

// signInRole signs somebody in as a role, the way of the federation endpoint.
func (w *world) signInRole(issuer string) {
	w.t.Helper()
	const id = "AROADEVELOPERSDEVELO"
	w.edit(func(tx store.Tx) error {
		err := identity.Roles.Put(tx, &identity.Role{Account: ours, ID: id, Name: "developers", Path: "/", MaxSessionDuration: 3600,
			Inline: []identity.InlinePolicy{{Name: "all", Document: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`}}}, string(ours), "developers")
		if err != nil {
			return err
		}
		if err := identity.Entities.Put(tx, &identity.Entity{Account: ours, Type: identity.TypeRole, Name: "developers"}, id); err != nil {
			return err
		}
		cookie, err := w.sessions.NewBrowser(tx, &session.Session{Kind: session.Role, Account: ours, PrincipalID: id, Name: "carol"},
			&identity.BrowserSession{Issuer: issuer}, w.now, w.console.config.Rand)
		w.cookies[SessionCookie] = &http.Cookie{Name: SessionCookie, Value: cookie}
		return err
	})
}

// Whoever comes from another system is led back there, by a link, if it is a page.
func TestSignOutOfAFederatedSession(t *testing.T) {
	w := newWorld(t)
	w.get("/signout").leadsTo(t, "/signin")
	for issuer, linked := range map[string]bool{
		"https://sso.example.com/portal?x=1": true,
		"http://sso.example.com/":            false,
		"https://u@sso.example.com/":         false,
		"javascript:alert(1)":                false,
		"":                                   false,
	} {
		w.signInRole(issuer)
		w.get("/users").contains(t, "developers/carol", "Federated user")
		w.get("/signout").contains(t, "Sign out?", "developers/carol", "Stay signed in")
		a := w.post("/signout", nil)
		if !linked {
			a.leadsTo(t, "/signin")
			w.get("/signin").contains(t, "You are signed out.")
			continue
		}
		a.contains(t, "You are signed out", "Go to sso.example.com")
		if !strings.Contains(a.body, `href="https://sso.example.com/portal?x=1"`) {
			t.Errorf("no link:\n%s", a.body)
		}
		w.get("/users").leadsTo(t, "/signin?return=%2Fusers")
	}
}

// A role's session can have aws login, too, while it is new.
func TestConsentAsARole(t *testing.T) {
	w := newWorld(t)
	w.signInRole("https://sso.example.com/")
	a := w.get("/v1/authorize?" + asked())
	a.contains(t, "developers/carol", "Federated user")
	form := a.fieldsOf(t, "/v1/authorize")
	form.Set("answer", "allow")
	if a := w.post("/v1/authorize", form); !strings.HasPrefix(a.Header.Get("Location"), "http://127.0.0.1:53037/oauth/callback?code=") {
		t.Errorf("%d %s", a.StatusCode, textOf(a.doc))
	}
	w.later(11 * time.Minute)
	w.get("/v1/authorize?"+asked()).contains(t, "Sign in again for this")
}

// Who has no MFA device is not asked again for the password that they have just typed, but
// is when that was long ago.
func TestConsentWithAPassword(t *testing.T) {
	w := newWorld(t)
	w.signIn("bob", loginPolicy)
	w.signInRoot()
	_, err := w.api().IAM.CreateLoginProfile(t.Context(), &iam.CreateLoginProfileInput{UserName: aws.String("bob"), Password: aws.String(goodPassword)})
	w.must(err)
	page := "/v1/authorize?" + asked()
	w.post("/signin", url.Values{"account": {string(ours)}, "username": {"bob"}, "password": {goodPassword}, "return": {page}}).leadsTo(t, page)
	w.get(page).contains(t, "Sign in to the AWS CLI?", "bob", "Without MFA")
	w.later(11 * time.Minute)
	w.get(page).leadsTo(t, "/signin/factor?"+url.Values{"to": {page}}.Encode())
}
