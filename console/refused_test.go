package console

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// The form that comes back is the page of the template, whatever was typed.
func TestT243_RefusalsArePages(t *testing.T) {
	x := newTest(t)
	x.person = nil
	said := []string{"", "alice", `"><script>alert(1)</script>`, `' onfocus=alert(1) x='`, "a&amp;b + c%2F", "{{.Root}}", "é\x00\xff\u2028", strings.Repeat("x", 200)}
	nonce := func(v *Visit, b []byte) string { // without what differs from page to page
		return strings.ReplaceAll(string(b), string(v.console.views.nonce), "")
	}
	for _, root := range []bool{false, true} {
		for _, theme := range []string{"", "dark"} {
			for i := range said {
				in := typed{account: said[i], name: said[(i+3)%len(said)], to: "/why?x=" + said[(i+5)%len(said)], problem: "That is not right: " + said[(i+1)%len(said)]}
				if root {
					in.account = ""
				}
				r := httptest.NewRequest(http.MethodPost, "/signin", nil)
				if theme != "" {
					r.AddCookie(&http.Cookie{Name: themeCookie, Value: theme})
				}
				w := httptest.NewRecorder()
				v := &Visit{console: x.console, Request: r, w: &answer{ResponseWriter: w}}
				if err := x.console.refuse(v, root, in); err != nil {
					t.Fatal(err)
				}
				whole, err := v.execute("signin", "layout", v.frame(x.console.signInPage(v, root, in)))
				if err != nil {
					t.Fatal(err)
				}
				got, want := elements(t, w.Body.String()), elements(t, nonce(v, whole))
				if got != want {
					t.Errorf("%+v:\n%s\nwant\n%s", in, got, want)
				}
				if w.Code != http.StatusUnprocessableEntity {
					t.Errorf("status %d", w.Code)
				}
				checkHTML(t, w.Body.String())
			}
		}
	}
}

// elements is what a browser makes of a page, without nonces.
func elements(t *testing.T, page string) string {
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		for i := range n.Attr {
			if n.Attr[i].Key == "nonce" {
				n.Attr[i].Val = ""
			}
			if n.Attr[i].Key == "href" {
				if u, err := url.Parse(n.Attr[i].Val); err == nil {
					u.RawQuery = u.Query().Encode()
					n.Attr[i].Val = u.String()
				}
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	doc := parse(t, page)
	walk(doc)
	var b strings.Builder
	if err := html.Render(&b, doc); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Nobody can make the console keep more of them by typing something else.
func TestRefusalsAreFew(t *testing.T) {
	x := newTest(t)
	x.person = nil
	for i := range 300 {
		in := typed{account: strings.Repeat("a", i%7), name: strings.Repeat("n", i%5), to: strings.Repeat("/", i), problem: strings.Repeat("p", i+1)}
		r := httptest.NewRequest(http.MethodPost, "/signin", nil)
		r.AddCookie(&http.Cookie{Name: themeCookie, Value: strings.Repeat("dark", i%3)})
		v := &Visit{console: x.console, Request: r, w: &answer{ResponseWriter: httptest.NewRecorder()}}
		if err := x.console.refuse(v, i%2 == 0, in); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(x.console.refusals.forms); n != 2*2*2*2 {
		t.Errorf("%d kinds are kept", n)
	}
}
