package console

import (
	"errors"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// TestT243_MarkupInEveryString fills every component with markup, and finds it as
// text everywhere.
func TestT243_MarkupInEveryString(t *testing.T) {
	const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>{{.}}</textarea></title></svg>` + "`;--"
	n := 0
	x := newTest(t, galleryRoutes(func(s string) string { n++; return s + hostile })...)
	x.person.Alias, x.person.Name, x.person.Kind = hostile, hostile, hostile
	for _, path := range []string{"/gallery", "/card"} {
		a := x.get(path)
		if a.StatusCode != 200 {
			t.Fatalf("%s: %d\n%s", path, a.StatusCode, x.log.String())
		}
		if strings.Contains(a.body, "<script>") || strings.Contains(a.body, "<img") {
			t.Errorf("%s has markup that was a string", path)
		}
		if !strings.Contains(html.UnescapeString(a.body), hostile) {
			t.Errorf("%s does not show the string", path)
		}
		if strings.Contains(a.body, string(x.console.views.nonce)) {
			t.Errorf("%s shows the mark of nonces", path)
		}
	}
	if n < 100 {
		t.Errorf("only %d strings were twisted", n)
	}
}

// TestT243_MarkupInErrorsAndMessages goes through what says something of a request.
func TestT243_MarkupInErrorsAndMessages(t *testing.T) {
	const hostile = `<script>alert(1)</script>`
	x := newTest(t,
		Route{Pattern: "GET /error", Handle: func(*Visit) error { return &smithy.GenericAPIError{Code: hostile, Message: hostile} }},
		Route{Pattern: "POST /say", Handle: func(v *Visit) error { v.Flash(Good, hostile); return v.Redirect("/said") }},
		Route{Pattern: "GET /said", Handle: func(v *Visit) error { return v.Render("problem", Page{Title: hostile, Body: Problem{}}) }},
	)
	x.get("/error").contains(t, hostile)
	if to := x.post("/say", nil).Header.Get("Location"); to != "/said" {
		t.Fatalf("led to %q", to)
	}
	x.get("/said?<script>").contains(t, hostile)
	if strings.Contains(x.get("/"+url.PathEscape(hostile)).body, "<script>") {
		t.Error("the page of an unknown path has markup")
	}
}

// TestTemplatesHaveNoHx looks for htmx attributes and inline code in the templates
// themselves: hx writes them, with the nonce.
func TestTemplatesHaveNoHx(t *testing.T) {
	forbidden := regexp.MustCompile(`\s(hx-[a-z]+|data-hx-[a-z]+|style|on[a-z]+)=|<style|javascript:`)
	n := 0
	err := fs.WalkDir(templateFiles, "templates", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		text, err := templateFiles.ReadFile(path)
		if found := forbidden.Find(text); found != nil {
			t.Errorf("%s has %q", path, found)
		}
		return err
	})
	if err != nil || n < 3 {
		t.Fatalf("%d templates, %v", n, err)
	}
}

func TestHx(t *testing.T) {
	x := newTest(t)
	hx := x.console.views.hx
	if got, err := hx("get", "/users?a=1&b=2", "target", `#"x`); err != nil || string(got) != `hx-get="/users?a=1&amp;b=2" hx-target="#&#34;x" hx-nonce="`+string(x.console.views.nonce)+`"` {
		t.Errorf("%s, %v", got, err)
	}
	for _, pairs := range [][]string{
		{"on:click", "alert(1)"}, {"vals", "js:{x:1}"}, {"live", "x"}, {"get"}, {"get", "https://evil.example/"}, {"post", "//evil.example/"}, {"trigger", "keyup[ctrlKey]"},
	} {
		if got, err := hx(pairs...); err == nil {
			t.Errorf("%q gave %s", pairs, got)
		}
	}
}

// TestHeaders: T242 (frames), T251 (caches), T252 (the others), on every kind of answer.
func TestHeaders_T242_T251_T252(t *testing.T) {
	x := newTest(t, append(galleryRoutes(plain),
		Route{Pattern: "GET /json", Handle: func(v *Visit) error { return v.JSON(200, nil) }},
		Route{Pattern: "GET /file", Handle: func(v *Visit) error { return v.Download("a.csv", "text/csv", []byte("x")) }},
		Route{Pattern: "GET /part", Handle: func(v *Visit) error { return v.Fragment("parts", "rows", []string{"x"}) }},
		Route{Pattern: "GET /consent", Loopback: true, Handle: func(v *Visit) error { return v.Render("parts", Page{Title: "x"}) }},
	)...)
	nonces := map[string]bool{}
	for _, path := range []string{"/gallery", "/card", "/nowhere", "/users", "/json", "/file", "/part", "/consent", "/x/../users"} {
		a := x.get(path)
		for name, want := range map[string]string{
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "no-referrer",
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
			"Permissions-Policy":        "publickey-credentials-get=(self), publickey-credentials-create=(self)",
			"Strict-Transport-Security": "max-age=31536000",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		csp := a.Header.Get("Content-Security-Policy")
		nonce := regexp.MustCompile(`script-src '(nonce-([0-9a-f]{32})|none)'`).FindStringSubmatch(csp)
		if nonce == nil || nonces[nonce[2]] && nonce[2] != "" {
			t.Errorf("%s: the policy is %q", path, csp)
			continue
		}
		nonces[nonce[2]] = true
		forms := "'self'"
		if path == "/consent" {
			forms = "'self' http://127.0.0.1:*"
		}
		want := "default-src 'none'; script-src '" + nonce[1] + "'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action " + forms +
			"; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types htmx"
		if csp != want {
			t.Errorf("%s: the policy is\n%s, not\n%s", path, csp, want)
		}
		if nonce[2] != "" && !strings.Contains(a.body, `nonce="`+nonce[2]+`"`) {
			t.Errorf("%s: the nonce is not in the page", path)
		}
	}
	x.console.config.URL.Scheme = "http"
	if got := x.get("/gallery").Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("HSTS over http: %q", got)
	}
}

func TestAssets(t *testing.T) {
	x := newTest(t)
	path, err := x.console.assets.path("lanyard.css")
	if err != nil {
		t.Fatal(err)
	}
	a := x.get(path)
	if a.StatusCode != 200 || a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || a.Header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
	if got := x.get("/assets/lanyard.css?v=old").Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("an old address may be kept: %q", got)
	}
	r := httptest.NewRequest(http.MethodGet, "/assets/lanyard.css", nil)
	r.Host = "id.example.com"
	r.Header.Set("If-None-Match", a.Header.Get("ETag"))
	if got := x.do(r); got.StatusCode != http.StatusNotModified || got.body != "" {
		t.Errorf("an asset that the browser has: %d", got.StatusCode)
	}
	for _, path := range []string{"/assets/nothing.css", "/assets/htmx.LICENSE", "/assets/..%2fconsole.go"} {
		if got := x.get(path); got.StatusCode != 404 {
			t.Errorf("%s: %d", path, got.StatusCode)
		}
	}
}

// TestT241_OtherSites: no post of another site is believed, whatever it looks like.
func TestT241_OtherSites(t *testing.T) {
	changed := 0
	x := newTest(t,
		Route{Pattern: "POST /change", Handle: func(v *Visit) error { changed++; return v.Redirect("/") }},
		Route{Pattern: "POST /saml", Foreign: true, Access: Anyone, Handle: func(v *Visit) error { changed++; return v.Redirect("/") }},
	)
	send := func(path string, headers map[string]string) *answered {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader("a=b"))
		r.Host = "id.example.com"
		for name, value := range headers {
			r.Header.Set(name, value)
		}
		return x.do(r)
	}
	for _, headers := range []map[string]string{
		{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
		{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://id.example.com"}, {"Origin": "https://id.example.com:8443"},
		{"Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"},
	} {
		a := send("/change", headers)
		if a.StatusCode != http.StatusForbidden {
			t.Errorf("%v: %d", headers, a.StatusCode)
		}
		a.contains(t, "The request came from another site", "Nothing was changed", "Request id")
	}
	if changed != 0 {
		t.Fatal("something was changed")
	}
	for _, headers := range []map[string]string{{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "https://id.example.com"}, {}} {
		if a := send("/change", headers); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%v: %d", headers, a.StatusCode)
		}
	}
	if a := send("/saml", map[string]string{"Sec-Fetch-Site": "cross-site"}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("a foreign post that is wanted: %d", a.StatusCode)
	}
	// T627: a path that only looks like the exempt one is not.
	if a := send("/saml/", map[string]string{"Sec-Fetch-Site": "cross-site"}); a.StatusCode != http.StatusForbidden {
		t.Errorf("beside the exempt path: %d", a.StatusCode)
	}
}

// TestT244_PoisonedHost: what a request says of the host is in no answer.
func TestT244_PoisonedHost(t *testing.T) {
	x := newTest(t, Route{Pattern: "GET /users", Handle: func(v *Visit) error { return v.Redirect("/users/" + v.URL().Host) }})
	r := httptest.NewRequest(http.MethodGet, "/users", nil)
	r.Host = "evil.example"
	for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Original-URL"} {
		r.Header.Set(name, "evil.example")
	}
	if a := x.do(r); a.Header.Get("Location") != "/users/id.example.com" {
		t.Errorf("led to %q", a.Header.Get("Location"))
	}

	x.console.config.URL = &url.URL{Scheme: "http", Host: "localhost:4747"}
	for host, want := range map[string]string{
		"127.0.0.1:4747": "http://localhost:4747/users?a=%2F", "[::1]:4747": "http://localhost:4747/users?a=%2F",
		"localhost:4747": "/users/localhost:4747", "LOCALHOST:4747": "/users/localhost:4747",
	} {
		r := httptest.NewRequest(http.MethodGet, "/users?a=%2F", nil)
		r.Host = host
		if got := x.do(r).Header.Get("Location"); got != want {
			t.Errorf("%s leads to %q", host, got)
		}
	}
	// A page whose name was made to mean this machine is told nothing.
	for _, host := range []string{"evil.example", "evil.example:4747", "localhost.evil.example", "192.0.2.1:4747"} {
		r := httptest.NewRequest(http.MethodPost, "/users", nil)
		r.Host = host
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if a := x.do(r); a.StatusCode != http.StatusMisdirectedRequest || a.Header.Get("Location") != "" {
			t.Errorf("%s is answered %d", host, a.StatusCode)
		}
	}
}

func TestLocalPath(t *testing.T) {
	for path, want := range map[string]string{
		"/users": "/users", "/users?a=b#c": "/users?a=b#c", "/": "/", "": "/", "users": "/", "//evil.example": "/", "/\\evil.example": "/",
		"https://evil.example": "/", "/\t/evil.example": "/", "/\n/evil.example": "/", "javascript:alert(1)": "/", "/%zz": "/", "\\\\evil": "/",
	} {
		if got := LocalPath(path); got != want {
			t.Errorf("LocalPath(%q) = %q", path, got)
		}
	}
}

// TestErrors: what comes back where a page fails, in each of the ways it can.
func TestErrors(t *testing.T) {
	denied := &smithy.OperationError{ServiceID: "IAM", OperationName: "CreateUser", Err: &awshttp.ResponseError{
		RequestID: "11111111-2222-3333-4444-555555555555",
		ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: 403}},
			Err:      &smithy.GenericAPIError{Code: "AccessDenied", Message: "User: alice is not authorized"},
		},
	}}
	var err error
	x := newTest(t,
		Route{Pattern: "GET /fails", Handle: func(*Visit) error { return err }},
		Route{Pattern: "POST /fails", Handle: func(*Visit) error { return err }},
		Route{Pattern: "GET /panics", Handle: func(*Visit) error { panic("a secret of the operator") }},
		Route{Pattern: "GET /users/{name}", Handle: func(v *Visit) error {
			if v.Query("panic") != "" {
				panic("no memory")
			}
			return errors.New("no memory")
		}},
		Route{Pattern: "GET /breaks", Handle: func(v *Visit) error { return v.Render("nothing", Page{Title: "x"}) }},
	)
	for _, c := range []struct {
		err    error
		status int
		texts  []string
	}{
		{denied, 403, []string{"You do not have permission for this", "User: alice is not authorized", "See why", "AccessDenied", "11111111-2222-3333-4444-555555555555"}},
		{fmt.Errorf("list: %w", &smithy.GenericAPIError{Code: "NoSuchEntity", Message: "The user with name bob cannot be found."}), 400, []string{"There is no such thing any more", "bob cannot be found"}},
		{&smithy.GenericAPIError{Code: "Unheard", Message: "Of"}, 400, []string{"That was refused", "Unheard"}},
		{&smithy.GenericAPIError{Code: "Unheard", Message: "Of", Fault: smithy.FaultServer}, 500, []string{"Unheard"}},
		{errors.New("the disk is full"), 500, []string{"Something went wrong here", "Request id"}},
		{&Problem{Status: 409, Title: "Not now", Why: "Because.", Do: []Step{{"Wait.", "/wait"}}}, 409, []string{"Not now", "Because.", "Wait."}},
	} {
		err = c.err
		a := x.get("/fails")
		if a.StatusCode != c.status {
			t.Errorf("%v: %d", c.err, a.StatusCode)
		}
		a.contains(t, c.texts...)
	}
	err = errors.New("the disk is full")
	if a := x.get("/fails"); strings.Contains(a.body, "disk") {
		t.Error("the page tells what only the log should")
	}
	if !strings.Contains(x.log.String(), "the disk is full") {
		t.Error("the log does not tell")
	}

	a := x.get("/panics")
	id := regexp.MustCompile(`Request id <code>([0-9a-f-]{36})</code>`).FindStringSubmatch(a.body)
	if a.StatusCode != 500 || id == nil || strings.Contains(a.body, "operator") {
		t.Fatalf("a panic: %d\n%s", a.StatusCode, a.body)
	}
	if !strings.Contains(x.log.String(), id[1]) || !strings.Contains(x.log.String(), "a secret of the operator") {
		t.Error("the panic is not in the log under its request id")
	}
	// The last lines of the log are in support bundles, which name nobody.
	x.log.Reset()
	x.get("/users/margarethe")
	x.get("/users/margarethe?panic=1")
	if text := x.log.String(); strings.Contains(text, "margarethe") || strings.Count(text, "GET /users/{name}") < 2 {
		t.Errorf("the log: %s", text)
	}
	if a := x.get("/breaks"); a.StatusCode != 500 {
		t.Errorf("a page without a template: %d", a.StatusCode)
	}

	err = denied
	r := httptest.NewRequest(http.MethodGet, "/fails", nil)
	r.Host = "id.example.com"
	r.Header.Set("HX-Request", "true")
	part := x.do(r)
	if part.StatusCode != 403 || strings.Contains(part.body, "<main") || !strings.Contains(part.body, `role="alert"`) {
		t.Errorf("to htmx: %d %s", part.StatusCode, part.body)
	}
	r = httptest.NewRequest(http.MethodPost, "/fails", strings.NewReader("{}"))
	r.Host = "id.example.com"
	r.Header.Set("Accept", "application/json")
	if a := x.do(r); a.StatusCode != 403 || !strings.Contains(a.body, `"error":"You do not have permission for this. User: alice is not authorized"`) {
		t.Errorf("to the script: %d %s", a.StatusCode, a.body)
	}
}

func TestNoSuchPage(t *testing.T) {
	x := newTest(t, Route{Pattern: "POST /change", Handle: func(v *Visit) error { return nil }})
	if a := x.get("/nowhere"); a.StatusCode != 404 {
		t.Errorf("%d", a.StatusCode)
	}
	a := x.get("/change")
	if a.StatusCode != 405 || a.Header.Get("Allow") != "POST" {
		t.Errorf("%d, Allow: %q", a.StatusCode, a.Header.Get("Allow"))
	}
	x.person = nil
	x.get("/nowhere").contains(t, "There is no such page")
}

func TestHead(t *testing.T) {
	x := newTest(t, galleryRoutes(plain)...)
	r := httptest.NewRequest(http.MethodHead, "/gallery", nil)
	r.Host = "id.example.com"
	if a := x.do(r); a.StatusCode != 200 || a.body != "" {
		t.Errorf("%d, %d bytes", a.StatusCode, len(a.body))
	}
}

// TestSignedOut leads to the sign-in page and back, and loses nothing that was typed.
func TestSignedOut(t *testing.T) {
	var err error
	x := newTest(t,
		Route{Pattern: "GET /users", Handle: func(*Visit) error { return err }},
		Route{Pattern: "POST /users", Handle: func(*Visit) error { return err }},
	)
	x.person = nil
	for range 2 {
		if a := x.get("/users?filter=a%26b"); a.StatusCode != 303 || a.Header.Get("Location") != "/signin?return=%2Fusers%3Ffilter%3Da%2526b" {
			t.Errorf("%d to %q", a.StatusCode, a.Header.Get("Location"))
		}
		a := x.post("/users", url.Values{"name": {"bob"}})
		if a.StatusCode != 401 {
			t.Errorf("a post: %d", a.StatusCode)
		}
		a.contains(t, "Your session has ended", "Nothing was changed", "Sign in again in another tab")
		// The same when the session ends only at the API.
		x.person = &Person{Account: "111122223333", Name: "alice"}
		err = &smithy.GenericAPIError{Code: "ExpiredToken", Message: "The security token included in the request is expired"}
	}
	r := httptest.NewRequest(http.MethodGet, "/users", nil)
	r.Host = "id.example.com"
	r.Header.Set("HX-Request", "true")
	if a := x.do(r); a.Header.Get("HX-Redirect") != "/signin" {
		t.Errorf("htmx: %v", a.Header)
	}
	r = httptest.NewRequest(http.MethodPost, "/users", strings.NewReader("{}"))
	r.Host = "id.example.com"
	r.Header.Set("Accept", "application/json")
	if a := x.do(r); a.StatusCode != 401 || !strings.Contains(a.body, `"location":"/signin?return=%2Fusers"`) {
		t.Errorf("the script: %d %s", a.StatusCode, a.body)
	}
}

func TestBodies(t *testing.T) {
	x := newTest(t,
		Route{Pattern: "POST /form", Handle: func(v *Visit) error { v.Flash(Good, "Got "+v.Form("name")+"."); return v.Redirect("/x") }},
		Route{Pattern: "POST /large", MaxBody: 1 << 20, Handle: func(v *Visit) error { return v.Redirect("/x") }},
		Route{Pattern: "POST /json", Handle: func(v *Visit) error {
			var in struct{ Name string }
			if err := v.ReadJSON(&in); err != nil {
				return err
			}
			return v.JSON(200, in)
		}},
	)
	large := url.Values{"name": {strings.Repeat("x", 300<<10)}}
	a := x.post("/form", large)
	if a.StatusCode != 413 {
		t.Errorf("a large form: %d", a.StatusCode)
	}
	a.contains(t, "That is too large", "256 KB")
	if a := x.post("/large", large); a.StatusCode != 303 {
		t.Errorf("a large form where it may be: %d", a.StatusCode)
	}
	for body, status := range map[string]int{`{"Name":"x"}`: 200, `{"Name":"x","Other":1}`: 400, `{`: 400, ``: 400, `{"Name":"` + strings.Repeat("x", 300<<10) + `"}`: 413} {
		r := httptest.NewRequest(http.MethodPost, "/json", strings.NewReader(body))
		r.Host = "id.example.com"
		r.Header.Set("Accept", "application/json")
		r.Header.Set("Content-Type", "application/json")
		if a := x.do(r); a.StatusCode != status {
			t.Errorf("%.20s: %d", body, a.StatusCode)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/form", strings.NewReader("a=%zz"))
	r.Host = "id.example.com"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if a := x.do(r); a.StatusCode != 400 {
		t.Errorf("a broken form: %d", a.StatusCode)
	}
}

// TestFlash: T240, and that a message is shown once.
func TestFlash(t *testing.T) {
	x := newTest(t,
		Route{Pattern: "POST /change", Handle: func(v *Visit) error {
			v.Flash(Good, "The user bob was created.")
			v.Flash(Warning, "Bob has no MFA.")
			return v.Redirect("/page")
		}},
		Route{Pattern: "POST /much", Handle: func(v *Visit) error { v.Flash(Good, strings.Repeat("x", 5000)); return v.Redirect("/page") }},
		Route{Pattern: "GET /page", Handle: func(v *Visit) error { return v.Render("parts", Page{Title: "Page"}) }},
	)
	a := x.post("/change", nil)
	if cookie := a.Cookies()[0]; !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" || !strings.HasPrefix(cookie.Name, "__Host-") {
		t.Errorf("the cookie is %v", cookie)
	}
	x.get("/page").contains(t, "The user bob was created.", "Bob has no MFA.")
	if strings.Contains(x.get("/page").body, "bob") {
		t.Error("the message is shown twice")
	}
	x.post("/much", nil)
	x.get("/page").contains(t, "It is done.")
	for _, value := range []string{"!", "bnVsbA", "W3siayI6IngiLCJ0IjoieSJ9XQ", "eyJrIjoxfQ"} {
		x.cookies[flashCookie] = &http.Cookie{Name: flashCookie, Value: value}
		if a := x.get("/page"); a.StatusCode != 200 {
			t.Errorf("a cookie %q: %d", value, a.StatusCode)
		}
	}
}

func TestTheme(t *testing.T) {
	x := newTest(t, galleryRoutes(plain)...)
	if a := x.post("/preferences/theme", url.Values{"theme": {"dark"}, "return": {"/users?a=b"}}); a.Header.Get("Location") != "/users?a=b" {
		t.Errorf("led to %q", a.Header.Get("Location"))
	}
	if !strings.Contains(x.get("/gallery").body, `<html lang="en" data-theme="dark">`) {
		t.Error("the page is not dark")
	}
	if a := x.post("/preferences/theme", url.Values{"theme": {`"><script>`}, "return": {"//evil.example"}}); a.Header.Get("Location") != "/" {
		t.Errorf("led to %q", a.Header.Get("Location"))
	}
	x.cookies[themeCookie] = &http.Cookie{Name: themeCookie, Value: "pink"}
	if !strings.Contains(x.get("/gallery").body, `<html lang="en">`) {
		t.Error("a theme that is none")
	}
}

// TestNavigation shows what exists, and marks where one is.
func TestNavigation(t *testing.T) {
	x := newTest(t, Route{Pattern: "GET /users/{name}", Handle: func(v *Visit) error { return v.Render("parts", Page{Title: "x"}) }},
		Route{Pattern: "GET /users", Handle: func(v *Visit) error { return nil }}, Route{Pattern: "GET /{$}", Handle: func(v *Visit) error { return nil }})
	a := x.get("/users/alice")
	if !strings.Contains(a.body, `<a href="/users" aria-current="page">`) || strings.Contains(a.body, `href="/roles"`) || !strings.Contains(a.body, `<a href="/"><svg`) {
		t.Errorf("the navigation is wrong:\n%s", a.body)
	}
}

func TestShellQuoting(t *testing.T) {
	for word, want := range map[string]string{
		"alice": "alice", "": "''", "o'hara": `'o'\''hara'`, "a b": "'a b'", "$(rm -rf /)": "'$(rm -rf /)'", "arn:aws:iam::1:user/a+b=c,d@e": "arn:aws:iam::1:user/a+b=c,d@e",
		"`x`": "'`x`'", "a\nb": "'a\nb'", "~": "'~'", "file://x.json": "file://x.json", "é": "'é'",
	} {
		if got := CLI("aws", word).Line; got != "aws "+want {
			t.Errorf("%q: %s", word, got)
		}
	}
}

func TestWords(t *testing.T) {
	now := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		30 * time.Second: "just now", time.Minute: "1 minute ago", 47 * time.Hour: "47 hours ago", 94 * day: "3 months ago", 59 * day: "59 days ago",
		800 * day: "2 years ago", -3 * time.Hour: "in 3 hours", -time.Second: "just now",
	} {
		if got := ago(now, now.Add(-d)); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
	for n, want := range map[string]string{count(1, "policy"): "1 policy", count(2, "policy"): "2 policies", count(0, "day"): "0 days", count(3, "key"): "3 keys", count(2, "user"): "2 users"} {
		if n != want {
			t.Errorf("%s, not %s", n, want)
		}
	}
	if !strings.Contains(string(when(now, time.Time{})), "Never") || !strings.Contains(string(when(now, now.Add(-day*3))), `datetime="2026-11-24T09:00:00Z"`) {
		t.Error("when")
	}
	for d, want := range map[time.Duration]string{11*time.Hour + 40*time.Minute: "11 h 40 min", 4*time.Minute + 59*time.Second: "4 min", 12 * time.Second: "12 s"} {
		if got := left(d); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
}

func TestDiff(t *testing.T) {
	for _, c := range [][3]string{
		{"a\nb\nc\n", "a\nx\nc\n", " a\n−b\n+x\n c\n"},
		{"", "a\n", "+a\n"}, {"a", "", "−a\n"}, {"a\n", "a", " a\n"}, {"", "", ""},
		{"a\nb\na\nb\n", "b\na\nb\na\n", "−a\n b\n a\n b\n+a\n"},
		{strings.Repeat("x\n", 3000) + "a", strings.Repeat("x\n", 3000) + "b", strings.Repeat("−x\n", 3000) + "−a\n" + strings.Repeat("+x\n", 3000) + "+b\n"},
	} {
		var b strings.Builder
		for _, line := range DiffOf("v1", "v2", c[0], c[1]).Lines {
			b.WriteString(line.Sign() + line.Text + "\n")
		}
		if b.String() != c[2] {
			t.Errorf("%.30q to %.30q: %.200q", c[0], c[1], b.String())
		}
	}
}

// TestCharts: charts of nothing, of one value and of zeroes are charts too.
func TestCharts(t *testing.T) {
	for _, points := range [][]Point{nil, {{"a", 0}}, {{"a", 1}, {"b", 1 << 40}}, make([]Point, 2000)} {
		labels, values := make([]string, len(points)), make([]int, len(points))
		for _, c := range []Chart{Sparkline("t", "l", "w", points), Histogram("t", "l", "w", points), Stacked("t", "l", labels, []Series{{"s", Good, values}})} {
			if len(c.Rows) != len(points) || !strings.Contains(string(c.SVG), "<desc>") {
				t.Errorf("%d points: %.300s", len(points), c.SVG)
			}
		}
	}
}
