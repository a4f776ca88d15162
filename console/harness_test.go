package console

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// tester is a console with somebody signed in, or nobody if person is nil. It keeps
// cookies as a browser does.
type tester struct {
	t       *testing.T
	console *Console
	person  *Person
	moving  sync.Mutex // held while now changes, or is read by the console
	now     time.Time
	site    string // where security keys are used
	log     bytes.Buffer
	cookies map[string]*http.Cookie
}

// newTest makes a console with routes, or with its own if there are none.
func newTest(t *testing.T, routes ...Route) *tester {
	t.Helper()
	x := &tester{t: t, now: time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC), cookies: map[string]*http.Cookie{}}
	x.person = &Person{
		Account: "111122223333", Alias: "production", Colour: Red,
		ARN: "arn:aws:iam::111122223333:user/alice", Name: "alice", Kind: "IAM user",
		MFA: true, MFATime: x.now.Add(-2 * time.Minute), Expires: x.now.Add(11*time.Hour + 40*time.Minute),
	}
	var err error
	x.console, err = newConsole(Config{
		URL:    &url.URL{Scheme: "https", Host: "id.example.com"},
		Region: "us-east-1",
		Person: func(*http.Request) (*Person, error) { return x.person, nil },
		Log:    slog.New(slog.NewTextHandler(&x.log, nil)),
		Clock:  x.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.console.views.add(os.DirFS("testdata"), "pages"); err != nil {
		t.Fatal(err)
	}
	if len(routes) == 0 {
		routes = x.console.routes()
	}
	if err := x.console.mount(routes); err != nil {
		t.Fatal(err)
	}
	return x
}

// clock is the console's: what goes on in the background reads it, too.
func (x *tester) clock() time.Time {
	x.moving.Lock()
	defer x.moving.Unlock()
	return x.now
}

// at sets the time.
func (x *tester) at(t time.Time) {
	x.moving.Lock()
	defer x.moving.Unlock()
	x.now = t
}

// answered is an answer, parsed if it is a page.
type answered struct {
	*http.Response
	body string
	doc  *html.Node
}

// do sends a request as a browser would, and checks whatever page comes back.
func (x *tester) do(r *http.Request) *answered {
	x.t.Helper()
	for _, cookie := range x.cookies {
		r.AddCookie(cookie)
	}
	if p, err := x.console.config.Person(r); r.Method == http.MethodPost && r.Header.Get(actingHeader) == "" && err == nil && p != nil {
		r.Header.Set(actingHeader, p.ARN) // as the page says that has just been opened; the field of a form counts before it
	}
	w := httptest.NewRecorder()
	x.console.ServeHTTP(w, r)
	a := &answered{Response: w.Result(), body: w.Body.String()}
	for _, cookie := range a.Cookies() {
		if cookie.MaxAge < 0 {
			delete(x.cookies, cookie.Name)
		} else {
			x.cookies[cookie.Name] = cookie
		}
	}
	if strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") && a.body != "" {
		if strings.HasPrefix(a.body, "<!doctype") {
			checkHTML(x.t, a.body)
		}
		a.doc = parse(x.t, a.body)
	}
	return a
}

// get opens a page.
func (x *tester) get(path string) *answered {
	x.t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = x.console.config.URL.Host
	return x.do(r)
}

// post sends a form from a page of the console.
func (x *tester) post(path string, form url.Values) *answered {
	x.t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Host = x.console.config.URL.Host
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return x.do(r)
}

// contains fails unless the text of the page has all of these.
func (a *answered) contains(t *testing.T, texts ...string) {
	t.Helper()
	text := a.body
	if a.doc != nil {
		text = textOf(a.doc)
	}
	for _, want := range texts {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the answer:\n%s", want, text)
		}
	}
}
