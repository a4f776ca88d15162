package console

import (
	"html"
	"strings"
	"testing"
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
		if strings.Contains(html.UnescapeString(a.body), string(x.console.views.nonce)) {
			t.Errorf("%s shows the mark of nonces", path)
		}
	}
	if n < 100 {
		t.Errorf("only %d strings were twisted", n)
	}
}
