package console

import (
	"crypto/rand"
	"encoding/json"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/service/signin"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/test/browser"
)

// federationEndpoint is what signs people in to this console by links.
func (w *world) federationEndpoint() *signin.Federation {
	c := w.console
	return &signin.Federation{API: w.aws, Public: func() *url.URL { return c.config.URL },
		Console: &signin.Console{SignedIn: c.SignedIn, SignOut: c.SignOut, Refused: c.Refused, Taken: c.Taken}}
}

// federation follows a link of an identity broker, as a browser on the console's name.
func (w *world) federation(target string) *http.Response {
	w.t.Helper()
	return w.federationWith(target, http.Header{})
}

func (w *world) federationWith(target string, header http.Header) *http.Response {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodGet, w.site+target, nil)
	r.Header = header
	for _, cookie := range w.cookies {
		r.AddCookie(cookie)
	}
	answer := httptest.NewRecorder()
	w.federationEndpoint().ServeHTTP(answer, r)
	for _, cookie := range answer.Result().Cookies() {
		if cookie.MaxAge < 0 {
			delete(w.cookies, cookie.Name)
		} else {
			w.cookies[cookie.Name] = cookie
		}
	}
	return answer.Result()
}

// signinLink is one that signs in as the role developers, with a session name.
func (w *world) signinLink(name string) string {
	w.t.Helper()
	return w.linkOf(w.brokered(session.Session{Name: name}))
}

// brokered are credentials of the role developers.
func (w *world) brokered(s session.Session) session.Credentials {
	w.t.Helper()
	const id = "AROADEVELOPERSDEVELO"
	var c session.Credentials
	w.edit(func(tx store.Tx) error {
		err := identity.Roles.Put(tx, &identity.Role{Account: ours, ID: id, Name: "developers", Path: "/", MaxSessionDuration: 3600}, string(ours), "developers")
		if err != nil {
			return err
		}
		if err := identity.Entities.Put(tx, &identity.Entity{Account: ours, Type: identity.TypeRole, Name: "developers"}, id); err != nil {
			return err
		}
		s.Kind, s.Account, s.PrincipalID, s.Issued, s.Expires = session.Role, ours, id, w.now, w.now.Add(time.Hour)
		c, err = w.sessions.Mint(&s, rand.Reader)
		return err
	})
	return c
}

// linkOf is a sign-in link that a broker makes of credentials.
func (w *world) linkOf(c session.Credentials) string {
	w.t.Helper()
	given, err := json.Marshal(map[string]string{"sessionId": c.AccessKeyID, "sessionKey": c.SecretAccessKey, "sessionToken": c.SessionToken})
	w.must(err)
	answer := w.federation("/federation?" + url.Values{"Action": {"getSigninToken"}, "Session": {string(given)}}.Encode())
	var out struct{ SigninToken string }
	if err := json.NewDecoder(answer.Body).Decode(&out); err != nil || out.SigninToken == "" {
		w.t.Fatalf("%s: %v", answer.Status, err)
	}
	return "/federation?" + url.Values{"Action": {"login"}, "SigninToken": {out.SigninToken}, "Destination": {"/users"}}.Encode()
}

// T241: a link that an attacker sends does not change who is signed in: the person is asked.
func TestT241_SignInLinkOfSomebodyElse(t *testing.T) {
	w := newWorld(t)
	link := w.signinLink("mallory")
	w.signIn("alice", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	mine := w.cookies[SessionCookie].Value
	stillMine := func() {
		t.Helper()
		if w.cookies[SessionCookie].Value != mine {
			t.Fatal("somebody else is signed in")
		}
		w.get("/users").contains(t, "alice", "IAM user")
	}
	for range 2 { // looking uses nothing up
		answer := w.federation(link)
		if answer.StatusCode != http.StatusConflict || len(answer.Cookies()) > 0 {
			t.Fatalf("%s, %v", answer.Status, answer.Cookies())
		}
		stillMine()
	}
	// What a link says of who is present is not believed.
	if answer := w.federation(link + "&Present=AROADEVELOPERSDEVELO%3Amallory"); answer.StatusCode != http.StatusConflict {
		t.Errorf("%s", answer.Status)
	}
	stillMine()

	answer := w.federation(link)
	read, err := io.ReadAll(answer.Body)
	w.must(err)
	body := html.UnescapeString(string(read))
	for _, want := range []string{"alice", "developers/mallory", "Sign out and go on", "Stay signed in", `action="/signin/instead"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
	form := url.Values{"request": {strings.TrimPrefix(link, "/federation?")}, "who": {"arn:aws:iam::" + string(ours) + ":user/alice"}}
	// Another site cannot say yes.
	foreign := httptest.NewRequest(http.MethodPost, "/signin/instead", strings.NewReader(form.Encode()))
	foreign.Host, foreign.Header = w.console.config.URL.Host, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Content-Type": {"application/x-www-form-urlencoded"}}
	if a := w.do(foreign); a.StatusCode != http.StatusForbidden {
		t.Errorf("another site says yes: %d", a.StatusCode)
	}
	stillMine()
	// Nor does a yes of somebody else count.
	w.post("/signin/instead", url.Values{"request": form["request"], "who": {"arn:aws:iam::111122223333:user/bob"}}).leadsTo(t, linkPath(form.Get("request")))
	stillMine()
	old := w.cookies[SessionCookie]
	a := w.post("/signin/instead", form)
	a.leadsTo(t, linkPath(form.Get("request")))
	if w.cookies[SessionCookie] != nil {
		t.Error("still signed in")
	}
	if answer := w.federation(a.Header.Get("Location")); answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("%s", answer.Status)
	}
	w.get("/users").contains(t, "developers/mallory")
	// The session before is over.
	w.cookies[SessionCookie] = old
	w.get("/users").leadsTo(t, "/signin?return=%2Fusers")
}

// T241: who made a link chose the name of its session, so one of the same name asks, too. Only
// a link of the very credentials that are there replaces the session, which is then over.
func TestT241_SignInLinkOfTheSameName(t *testing.T) {
	w := newWorld(t)
	mine := w.brokered(session.Session{Name: "carol", SourceIdentity: "carol@example.com"})
	if a := w.federation(w.linkOf(mine)); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	here := w.cookies[SessionCookie]
	for what, other := range map[string]session.Session{
		"no source identity":      {Name: "carol"},
		"another source identity": {Name: "carol", SourceIdentity: "mallory@example.com"},
		"another session of hers": {Name: "carol", SourceIdentity: "carol@example.com"}, // or so its maker said
	} {
		link := w.linkOf(w.brokered(other))
		a := w.federation(link)
		read, err := io.ReadAll(a.Body)
		w.must(err)
		if a.StatusCode != http.StatusConflict || len(a.Cookies()) > 0 || !strings.Contains(string(read), "developers/carol with other credentials") {
			t.Errorf("T241: %s: %s, %v: %s", what, a.Status, a.Cookies(), read)
		}
		for _, of := range []string{mine.AccessKeyID, "AROADEVELOPERSDEVELO:carol"} { // what a link says is not believed
			if a := w.federation(link + "&Present=" + url.QueryEscape(of)); a.StatusCode != http.StatusConflict {
				t.Errorf("T241: %s: %s", what, a.Status)
			}
		}
		w.get("/users").contains(t, "developers/carol")
	}
	w.later(time.Minute)
	if a := w.federation(w.linkOf(mine)); a.StatusCode != http.StatusSeeOther || w.cookies[SessionCookie].Value == here.Value {
		t.Fatalf("T241: the same credentials: %s", a.Status)
	}
	w.get("/users").contains(t, "developers/carol")
	w.cookies[SessionCookie] = here
	w.get("/users").leadsTo(t, "/signin?return=%2Fusers")
}

// T249: whoever may assume a role chooses the name of the session. However often they sign in
// under the name of somebody else, it ends none of the other's sessions: each has room for
// their own.
func TestT249_SameNameDoesNotPushOut(t *testing.T) {
	w := newWorld(t)
	alone := func(c session.Credentials) *http.Response {
		clear(w.cookies) // another browser
		return w.federation(w.linkOf(c))
	}
	hers := w.brokered(session.Session{Name: "carol"})
	alone(hers)
	first := w.cookies[SessionCookie]
	w.later(time.Minute)
	for range 2 * session.MaxBrowsers {
		alone(w.brokered(session.Session{Name: "carol"}))
	}
	w.cookies[SessionCookie] = first
	w.get("/users").contains(t, "developers/carol")
	// Her own are bounded: the one that was not used for longest ends.
	for range session.MaxBrowsers {
		w.later(time.Second)
		alone(hers)
	}
	w.cookies[SessionCookie] = first
	w.get("/users").leadsTo(t, "/signin?return=%2Fusers")
}

// T241: browsers leave the cookie out where another site posts, so a posted link is looked
// at only once it is followed.
func TestT241_PostedSignInLink(t *testing.T) {
	w := newWorld(t)
	link := w.signinLink("mallory")
	r := httptest.NewRequest(http.MethodPost, w.site+"/federation", strings.NewReader(strings.TrimPrefix(link, "/federation?")))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	w.federationEndpoint().ServeHTTP(answer, r)
	if answer.Code != http.StatusSeeOther || len(answer.Result().Cookies()) > 0 || !strings.HasPrefix(answer.Header().Get("Location"), w.site+"/federation?Action=login") {
		t.Errorf("%d to %s, %v", answer.Code, answer.Header().Get("Location"), answer.Result().Cookies())
	}
}

// T241: a link that a page of another site loads as an image or a frame, or a browser ahead
// of time, signs nobody in: the cookie that says who is there does not come with it. It can
// still be followed.
func TestT241_SignInLinkInAPage(t *testing.T) {
	w := newWorld(t)
	link := w.signinLink("mallory")
	w.signIn("alice")
	mine := w.cookies[SessionCookie]
	for name, header := range map[string]http.Header{
		"image":    {"Sec-Fetch-Dest": {"image"}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Site": {"cross-site"}},
		"fetch":    {"Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"cross-site"}},
		"frame":    {"Sec-Fetch-Dest": {"iframe"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Site": {"cross-site"}},
		"prefetch": {"Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Purpose": {"prefetch;prerender"}},
	} {
		delete(w.cookies, SessionCookie) // as of SameSite=Lax
		if a := w.federationWith(link, header); a.StatusCode != http.StatusForbidden || len(a.Cookies()) > 0 {
			t.Errorf("T241: %s: %s, %v", name, a.Status, a.Cookies())
		}
		w.cookies[SessionCookie] = mine
	}
	delete(w.cookies, SessionCookie)
	if a := w.federationWith(link, http.Header{"Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Site": {"cross-site"}}); a.StatusCode != http.StatusSeeOther || len(a.Cookies()) != 1 {
		t.Errorf("T241: followed: %s", a.Status)
	}
}

// CloudTrail's mark of what was done in the console is on what a federated session does there,
// whoever sends the requests, and not on what its broker's credentials do.
func TestFederatedRecordsAreFromTheConsole(t *testing.T) {
	w := newWorld(t)
	w.signInRole("")
	w.post("/groups", url.Values{"name": {"inside"}}).leadsTo(t, "/groups/inside")
	var broker session.Credentials
	w.edit(func(tx store.Tx) (err error) {
		broker, err = w.sessions.Mint(&session.Session{Kind: session.Role, Account: ours, PrincipalID: "AROADEVELOPERSDEVELO", Name: "carol", Issued: w.now, Expires: w.now.Add(time.Hour)}, rand.Reader)
		return err
	})
	outside := httptest.NewServer(w.aws)
	defer outside.Close()
	client := iam.NewFromConfig(config(outside.Client(), region, broker), func(o *iam.Options) { o.BaseEndpoint = &outside.URL })
	_, err := client.CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: aws.String("outside")})
	w.must(err)
	marked := map[string]bool{}
	for _, r := range w.records(ours) {
		if strings.Contains(r, `"eventName":"CreateGroup"`) {
			marked[strings.Split(strings.SplitAfter(r, `"groupName":"`)[1], `"`)[0]] = strings.Contains(r, `"sessionCredentialFromConsole":"true"`)
		}
	}
	if !maps.Equal(marked, map[string]bool{"inside": true, "outside": false}) {
		t.Errorf("%v", marked)
	}
}

// Two role sessions of one name and one second, for which one broker's key asked, are two
// people's: only what is made of one session, as the console's of its sign-in link, is its
// bearer's.
func TestT249_RoleSessionsOfOneSecond(t *testing.T) {
	w := newWorld(t)
	asked := func() session.Session {
		w.signInRole("")
		s := session.Session{Kind: session.Role, Account: ours, PrincipalID: "AROADEVELOPERSDEVELO", Name: "carol", Issued: w.now, Expires: w.now.Add(time.Hour), Issuer: "AKIAAAAAAAAAAAAAAAAA"}
		credentials, err := w.sessions.Mint(&s, rand.Reader)
		w.must(err)
		opened, err := w.sessions.Open(credentials.AccessKeyID, credentials.SessionToken)
		w.must(err)
		return *opened
	}
	in := func(s session.Session) *API {
		w.edit(func(tx store.Tx) error {
			cookie, err := w.sessions.NewBrowser(tx, &s, &identity.BrowserSession{}, w.now, rand.Reader)
			w.cookies[SessionCookie] = &http.Cookie{Name: SessionCookie, Value: cookie}
			return err
		})
		return w.api()
	}
	first, second := asked(), asked()
	one, two, again := in(first), in(second), in(first)
	for api, want := range map[*API]int{one: 2, two: 1, again: 2} {
		out, err := lanyard.Call[lanyard.ListBrowserSessionsOutput](t.Context(), api.Lanyard, &lanyard.ListBrowserSessionsInput{})
		w.must(err)
		if len(out.Sessions) != want {
			t.Errorf("T249: %d sessions, want %d", len(out.Sessions), want)
		}
	}
}

// Who can assume a role chooses the session name. Two who have the same one, as
// developers/carol, are one identity to policies and to what is kept for a person; neither
// sees where the other is signed in, or signs the other out.
func TestT249_RoleSessionsOfOneName(t *testing.T) {
	w := newWorld(t)
	as := func(source string) (*API, *http.Cookie) {
		t.Helper()
		w.signInRole("")
		if source != "" {
			w.edit(func(tx store.Tx) error {
				cookie, err := w.sessions.NewBrowser(tx, &session.Session{Kind: session.Role, Account: ours, PrincipalID: "AROADEVELOPERSDEVELO", Name: "carol", SourceIdentity: source},
					&identity.BrowserSession{}, w.now, rand.Reader)
				w.cookies[SessionCookie] = &http.Cookie{Name: SessionCookie, Value: cookie}
				return err
			})
		}
		return w.api(), w.cookies[SessionCookie]
	}
	list := func(api *API) []lanyard.BrowserSession {
		t.Helper()
		out, err := lanyard.Call[lanyard.ListBrowserSessionsOutput](t.Context(), api.Lanyard, &lanyard.ListBrowserSessionsInput{})
		w.must(err)
		return out.Sessions
	}
	end := func(api *API, here bool) int32 {
		t.Helper()
		out, err := lanyard.Call[lanyard.EndAllBrowserSessionsOutput](t.Context(), api.Lanyard, &lanyard.EndAllBrowserSessionsInput{IncludeCurrent: &here})
		w.must(err)
		return *out.Ended
	}
	one, first := as("")
	w.later(time.Second)
	two, second := as("")
	w.later(time.Second)
	named, _ := as("carol@example.com")
	w.later(time.Second)
	again, _ := as("carol@example.com")
	for i, want := range map[*API]int{one: 1, two: 1, named: 2, again: 2} {
		if got := len(list(i)); got != want {
			t.Errorf("%d sessions, want %d", got, want)
		}
	}
	id := list(one)[0].Id
	if _, err := lanyard.Call[lanyard.EndBrowserSessionOutput](t.Context(), two.Lanyard, &lanyard.EndBrowserSessionInput{Id: id}); err == nil {
		t.Error("one of the same name ends another's session")
	}
	if n := end(two, true); n != 1 {
		t.Errorf("%d ended", n)
	}
	w.cookies[SessionCookie] = second
	w.get("/users").leadsTo(t, "/signin?return=%2Fusers")
	w.cookies[SessionCookie] = first
	w.get("/users").contains(t, "developers/carol")
	if n := end(again, false); n != 1 {
		t.Errorf("%d ended", n)
	}
}

// What has run out by itself is not counted as ended.
func TestEndedAreLiveOnes(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice")
	id := w.cookies[SessionCookie]
	w.signIn("alice") // elsewhere, left alone from now on
	w.signIn("alice") // likewise
	w.cookies[SessionCookie] = id
	here := false
	end := func(want int32) {
		t.Helper()
		out, err := lanyard.Call[lanyard.EndAllBrowserSessionsOutput](t.Context(), w.api().Lanyard, &lanyard.EndAllBrowserSessionsInput{IncludeCurrent: &here})
		w.must(err)
		if *out.Ended != want {
			t.Errorf("%d ended, want %d", *out.Ended, want)
		}
	}
	for range 3 {
		w.later(25 * time.Minute)
		w.get("/security")
	}
	end(0)
	w.signIn("alice")
	w.cookies[SessionCookie] = id
	end(1)
	end(0)
}

// Whoever is signed in is told so before they sign in as somebody else, or follow a one-time
// link.
func TestT241_OtherSignInsSayWhoIsThere(t *testing.T) {
	w := newWorld(t)
	w.get("/signin/recover").contains(t, "Recover your sign-in")
	w.signIn("alice")
	for _, path := range []string{"/signin?again=1", "/signin/recover", "/claim"} {
		w.get(path).contains(t, "You are signed in as alice", "takes its place")
	}
}

// Somebody who is signed in follows a broker's link, is asked, and goes on as the other.
func TestSignInLinkInABrowser(t *testing.T) {
	b := browser.New(t)
	w := newWorld(t)
	w.later(time.Until(w.now)) // the browser's clock is the real one
	link := w.signinLink("mallory")
	w.signIn("alice", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	base := w.enter(b)
	b.Expect("status of 409")
	b.Open(base + link)
	b.WaitText("You are signed in already")
	b.Screenshots("signin-instead")
	b.Press("Sign out and go on")
	b.WaitText("developers/mallory")
	b.Wait(`location.pathname === "/users"`)
}
