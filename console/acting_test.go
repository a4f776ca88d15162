package console

import (
	"context"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// actingIn is who the page at a path says its form is opened by.
func (w *world) actingIn(path, action string) string {
	w.t.Helper()
	return w.get(path).fieldsOf(w.t, action).Get(actingField)
}

// A form that somebody opened as one identity does nothing as another: not after a switch,
// not after going back, not after a sign-in as somebody else in another tab.
func TestT241_FormOfWhomOneIsNoMore(t *testing.T) {
	w := newSwitchWorld(t)
	w.signInRoot()
	w.signIn("alice", everything)
	w.signIn("bob", everything)
	w.signIn("alice")
	const alice, deploy = "arn:aws:iam::111122223333:user/alice", "arn:aws:sts::444455556666:assumed-role/deploy/alice"
	form := func(name, by string) url.Values { return url.Values{"name": {name}, actingField: {by}} }
	made := func(name string) bool {
		_, err := w.api().IAM.GetUser(context.Background(), &iam.GetUserInput{UserName: &name})
		return err == nil
	}
	refused := func(name, by, was, is string) {
		t.Helper()
		a := w.post("/users", form(name, by))
		if a.StatusCode != http.StatusConflict || made(name) {
			t.Errorf("T241: a form of %s was sent as %s: %d, made %v", by, is, a.StatusCode, made(name))
		}
		a.contains(t, "You are somebody else now; nothing was done", "opened by "+was, "become "+is)
	}
	allowed := func(name, by string) {
		t.Helper()
		if a := w.post("/users", form(name, by)); a.StatusCode >= 400 || !made(name) {
			t.Errorf("a form of %s is not taken: %d\n%s", by, a.StatusCode, textOf(a.doc))
		}
	}

	own := w.actingIn("/users/new", "/users")
	if own != alice {
		t.Errorf("alice's form says it is of %q", own)
	}
	allowed("u1", own)

	w.post("/switchrole", to(string(theirs), "deploy")).leadsTo(t, "/")
	role := w.actingIn("/users/new", "/users")
	if role != deploy {
		t.Errorf("the role's form says it is of %q", role)
	}
	refused("u2", own, "user/alice of the account 1111-2222-3333", "assumed-role/deploy/alice of the account 4444-5555-6666")
	allowed("u2", role)
	w.later(55*time.Minute + time.Second)
	w.get("/users") // renews the role's session
	allowed("u3", role)

	w.post("/switchrole/back", nil).leadsTo(t, "/")
	refused("u4", role, "assumed-role/deploy/alice", "user/alice")
	allowed("u4", own)
	w.post("/switchrole", to(string(ours), "auditor")).leadsTo(t, "/")
	refused("u5", role, "assumed-role/deploy/alice", "assumed-role/auditor/alice")

	w.signIn("alice") // anew: she is who she was
	allowed("u5", own)
	w.signIn("bob")
	refused("u6", own, "user/alice", "user/bob")
	w.signInRoot()
	refused("u6", own, "user/alice", "root of the account")

	// htmx gets the same as a part of a page.
	w.signIn("bob")
	part := w.fragment(http.MethodPost, "/users", form("u6", own))
	if part.StatusCode != http.StatusConflict || strings.Contains(part.body, "<main") {
		t.Errorf("htmx: %d %s", part.StatusCode, part.body)
	}
	part.contains(t, "You are somebody else now; nothing was done")
	if a := w.post("/users", form("u6", `"><script>alert(1)</script>`)); a.StatusCode != http.StatusConflict || strings.Contains(a.body, "<script>alert(1)") {
		t.Errorf("a forged name: %d", a.StatusCode)
	}
	if made("u6") {
		t.Error("T241: u6 was made")
	}
}

// Every route that changes something refuses the form of another, and one that does not say
// whose it is, before anything else.
func TestT241_EveryFormSaysWhoOpenedIt(t *testing.T) {
	w := newWorld(t)
	w.signIn("admin", everything)
	tried := 0
	for _, route := range w.console.routes() {
		path, ok := strings.CutPrefix(route.Pattern, "POST ")
		if !ok || route.Access == Anyone || strings.HasPrefix(path, "/switchrole") || strings.HasSuffix(path, "/stored") && path != "/access-keys/stored" {
			continue
		}
		tried++
		path = wildcard.ReplaceAllString(path, "admin")
		for _, by := range []string{"", "arn:aws:iam::111122223333:user/other", "arn:aws:iam::111122223333:user/Admin"} {
			for kind, body := range map[string]string{"application/x-www-form-urlencoded": url.Values{actingField: {by}}.Encode(), "application/json": "{}", "": ""} {
				r := httptest.NewRequest(http.MethodPost, w.site+path, strings.NewReader(body))
				r.Header = http.Header{"Content-Type": {kind}, "Sec-Fetch-Site": {"same-origin"}}
				if kind != "application/x-www-form-urlencoded" {
					r.Header.Set(actingHeader, by)
				}
				r.AddCookie(w.cookies[SessionCookie])
				answer := httptest.NewRecorder()
				w.console.ServeHTTP(answer, r)
				if answer.Code != http.StatusConflict || !strings.Contains(answer.Body.String(), "nothing was done") {
					t.Errorf("T241: POST %s as %q with %q: %d", path, by, kind, answer.Code)
				}
			}
		}
	}
	if tried < 60 {
		t.Errorf("only %d routes were tried", tried)
	}
	if _, err := w.api().IAM.GetUser(t.Context(), &iam.GetUserInput{UserName: aws.String("admin")}); err != nil {
		t.Error(err)
	}
}

// What writeActing looks for is how the templates write their forms, whichever page shows them.
func TestFormsOfTemplates(t *testing.T) {
	posts := 0
	err := fs.WalkDir(templateFiles, "templates", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(templateFiles, path)
		if err != nil {
			return err
		}
		source := string(text)
		if strings.Count(source, "<form") != strings.Count(source, "<form ") || strings.Count(source, "<form") != strings.Count(source, "</form>") {
			t.Errorf("%s: a form that is not between <form … and </form>", path)
		}
		all := regexp.MustCompile(`(?i)\b(form)?method\s*=\s*["']?post`).FindAllString(source, -1)
		marked := regexp.MustCompile(`<form [^>]*( |\}\})method="post"`).FindAllString(source, -1)
		if len(all) != len(marked) {
			t.Errorf("%s: %d forms post, %d are written <form … method=\"post\">", path, len(all), len(marked))
		}
		posts += len(marked)
		return nil
	})
	if err != nil || posts < 60 {
		t.Errorf("%d forms, %v", posts, err)
	}
}

func TestWriteActing(t *testing.T) {
	p := &Person{ARN: "arn:aws:iam::111122223333:user/a&b/alice"}
	const field = `<input type="hidden" name="acting" value="arn:aws:iam::111122223333:user/a&amp;b/alice">`
	for page, want := range map[string]string{
		`<p>x</p>`:                                                   `<p>x</p>`,
		`<form action="/search"><b></b></form>x`:                     `<form action="/search"><b></b></form>x`,
		`<form action="/x" method="post">y</form>`:                   `<form action="/x" method="post">y` + field + `</form>`,
		`<form data-webauthn="get">y</form>`:                         `<form data-webauthn="get">y` + field + `</form>`,
		`<form method="dialog"></form><form a method="post"></form>`: `<form method="dialog"></form><form a method="post">` + field + `</form>`,
		`<form a method="post">`:                                     `<form a method="post">`,
	} {
		if got := string(writeActing([]byte(page), p)); got != want {
			t.Errorf("%s\nis   %s\nwant %s", page, got, want)
		}
		if got := string(writeActing([]byte(page), nil)); got != page {
			t.Errorf("for nobody: %s", got)
		}
	}
}
