package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// checkHTML fails for what would keep somebody from using a page, and for what the
// content security policy would stop. It is a small relative of axe.
func checkHTML(t testing.TB, page string) {
	t.Helper()
	for _, err := range faults(page) {
		t.Errorf("%v", err)
	}
}

func parse(t testing.TB, page string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// faults are what is wrong with a page.
func faults(page string) []error {
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return []error{err}
	}
	c := checker{ids: map[string]*html.Node{}, landmarks: map[string]int{}}
	walk(doc, c.collect)
	walk(doc, c.element)
	c.page(doc)
	return c.errs
}

type checker struct {
	errs      []error
	ids       map[string]*html.Node
	labels    map[string]bool // ids that a label is for
	heading   int
	landmarks map[string]int
	nonce     string
}

func (c *checker) fault(n *html.Node, format string, args ...any) {
	var b strings.Builder
	_ = html.Render(&b, &html.Node{Type: n.Type, Data: n.Data, DataAtom: n.DataAtom, Attr: n.Attr})
	c.errs = append(c.errs, errors.New(fmt.Sprintf(format, args...)+": "+b.String()))
}

// collect looks at what other elements refer to.
func (c *checker) collect(n *html.Node) {
	if id, ok := attribute(n, "id"); ok {
		if c.ids[id] != nil {
			c.fault(n, "the id %q is there twice", id)
		}
		c.ids[id] = n
	}
	if n.DataAtom == atom.Label {
		if c.labels == nil {
			c.labels = map[string]bool{}
		}
		if id, ok := attribute(n, "for"); ok && textOf(n) != "" {
			c.labels[id] = true
		}
	}
	if nonce, ok := attribute(n, "nonce"); ok {
		c.nonce = nonce
	}
}

// element checks one element.
func (c *checker) element(n *html.Node) {
	c.policy(n)
	for _, name := range []string{"aria-labelledby", "aria-describedby", "for", "commandfor", "popovertarget", "aria-controls", "data-filter"} {
		value, ok := attribute(n, name)
		for id := range strings.FieldsSeq(value) {
			if c.ids[id] == nil {
				c.fault(n, "%s refers to %q, which is not there", name, id)
			}
		}
		if ok && strings.TrimSpace(value) == "" {
			c.fault(n, "%s is empty", name)
		}
	}
	if value, ok := attribute(n, "tabindex"); ok {
		if i, err := strconv.Atoi(value); err != nil || i > 0 {
			c.fault(n, "a positive tabindex")
		}
	}
	if value, ok := attribute(n, "role"); ok && value == "region" && c.name(n) == "" {
		c.fault(n, "a region without a name")
	}
	switch n.DataAtom {
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		level := int(n.Data[1] - '0')
		if inside(n, atom.Dialog) {
			break // a dialog begins anew
		}
		if level > c.heading+1 {
			c.fault(n, "a heading of level %d after one of level %d", level, c.heading)
		}
		c.heading = level
		if textOf(n) == "" {
			c.fault(n, "an empty heading")
		}
	case atom.Input, atom.Select, atom.Textarea:
		kind, _ := attribute(n, "type")
		if kind == "hidden" {
			break
		}
		if c.name(n) == "" {
			c.fault(n, "a field without a label")
		}
		if value, _ := attribute(n, "type"); value == "password" {
			if _, ok := attribute(n, "autocomplete"); !ok {
				c.fault(n, "a password field does not say which password it is")
			}
		}
		if _, ok := attribute(n, "name"); !ok {
			c.fault(n, "a field without a name is not sent")
		}
	case atom.Button, atom.A, atom.Summary:
		if c.name(n) == "" {
			c.fault(n, "a %s without a name", n.Data)
		}
		if href, ok := attribute(n, "href"); n.DataAtom == atom.A && (!ok || href == "" || strings.HasPrefix(href, "javascript:")) {
			c.fault(n, "a link that leads nowhere")
		}
		if target, ok := attribute(n, "target"); ok && target != "_blank" {
			c.fault(n, "a link into a frame")
		}
	case atom.Img:
		if _, ok := attribute(n, "alt"); !ok {
			c.fault(n, "a picture without a text")
		}
	case atom.Svg:
		if hidden, _ := attribute(n, "aria-hidden"); hidden != "true" && childText(n, "title") == "" {
			c.fault(n, "a drawing that is neither hidden nor named")
		}
		if role, _ := attribute(n, "role"); role == "img" && childText(n, "desc") == "" {
			c.fault(n, "a drawing without a description")
		}
	case atom.Form:
		action, ok := attribute(n, "action")
		if ok && LocalPath(action) != action {
			c.fault(n, "a form that posts elsewhere")
		}
		method, _ := attribute(n, "method")
		_, key := attribute(n, "data-webauthn")
		acting := false
		walk(n, func(n *html.Node) {
			name, _ := attribute(n, "name")
			value, _ := attribute(n, "value")
			acting = acting || name == actingField && value != ""
		})
		if (strings.EqualFold(method, "post") || key) && !acting && !forAnyone(action) {
			c.fault(n, "a form that does not say who opened it")
		}
	case atom.Fieldset:
		if childText(n, "legend") == "" {
			c.fault(n, "a group of fields without a legend")
		}
	case atom.Dialog:
		if c.name(n) == "" {
			c.fault(n, "a dialog without a name")
		}
	case atom.Th:
		if _, ok := attribute(n, "scope"); !ok {
			c.fault(n, "a table head without a scope")
		}
	case atom.Table:
		if !has(n, atom.Th) {
			c.fault(n, "a table without heads")
		}
	case atom.Td:
		if table := above(n, atom.Table); table != nil && class(table, "stack") {
			if label, _ := attribute(n, "data-label"); label == "" && !class(n, "pick") && !class(n, "nothing") {
				c.fault(n, "a cell of table.stack without data-label")
			}
		}
	case atom.Nav:
		c.landmarks["nav "+c.name(n)]++
		if c.name(n) == "" {
			c.fault(n, "a navigation without a name")
		}
	case atom.Main:
		c.landmarks["main"]++
	case atom.Ul, atom.Ol:
		for child := range n.ChildNodes() {
			if child.Type == html.ElementNode && child.DataAtom != atom.Li {
				c.fault(n, "a list with something in it that is no item: %s", child.Data)
			}
		}
	case atom.Li:
		if n.Parent.DataAtom != atom.Ul && n.Parent.DataAtom != atom.Ol {
			c.fault(n, "an item outside a list")
		}
	case atom.Dt, atom.Dd:
		if above(n, atom.Dl) == nil {
			c.fault(n, "a %s outside dl", n.Data)
		}
	case atom.Pre:
		if value, _ := attribute(n, "tabindex"); value != "0" && above(n, atom.Details) == nil {
			c.fault(n, "a listing that cannot be scrolled by keyboard")
		}
	case atom.Template, atom.Iframe, atom.Object, atom.Embed, atom.Style, atom.Base, atom.Marquee:
		c.fault(n, "no place for this element")
	}
}

// forAnyone tells whether a form is about signing in or looks, which nobody has to be for.
func forAnyone(action string) bool {
	for _, prefix := range []string{"/signin", "/signout", "/claim", "/preferences/", "/security/stored"} {
		if strings.HasPrefix(action, prefix) {
			return true
		}
	}
	return action == "" // of a key while nobody is signed in
}

// policy checks what the content security policy forbids, and htmx's own rule.
func (c *checker) policy(n *html.Node) {
	hx := false
	for _, a := range n.Attr {
		switch {
		case strings.HasPrefix(a.Key, "on"):
			c.fault(n, "an inline handler")
		case a.Key == "style":
			c.fault(n, "an inline style")
		case strings.HasPrefix(a.Key, "hx-on"), strings.HasPrefix(a.Key, "hx-live"), strings.HasPrefix(a.Key, "hx-vals"), strings.HasPrefix(a.Key, "data-hx"):
			c.fault(n, "an attribute that htmx evaluates")
		case strings.HasPrefix(a.Key, "hx-"):
			hx = true
		}
	}
	if _, posts := attribute(n, "hx-post"); posts && n.DataAtom != atom.Form && above(n, atom.Form) == nil {
		c.fault(n, "something outside a form posts, and does not say who opened the page")
	}
	if hx {
		if nonce, _ := attribute(n, "hx-nonce"); nonce == "" || c.nonce != "" && nonce != c.nonce {
			c.fault(n, "hx- attributes without the page's nonce")
		}
	}
	switch n.DataAtom {
	case atom.Script:
		if src, _ := attribute(n, "src"); src == "" || !strings.HasPrefix(src, "/assets/") {
			c.fault(n, "an inline script")
		}
		if nonce, _ := attribute(n, "nonce"); nonce == "" {
			c.fault(n, "a script without a nonce")
		}
	case atom.Meta:
		if name, _ := attribute(n, "name"); name == "htmx-config" {
			value, _ := attribute(n, "content")
			var config struct {
				Extensions string
				SafeEval   bool
			}
			if err := json.Unmarshal([]byte(value), &config); err != nil || config.Extensions != "hx-csp" || config.SafeEval {
				c.fault(n, "the configuration of htmx")
			}
		}
	}
}

// page checks what a page has to have once.
func (c *checker) page(doc *html.Node) {
	var title, h1 int
	var lang string
	walk(doc, func(n *html.Node) {
		switch n.DataAtom {
		case atom.Title:
			if n.Namespace == "" && textOf(n) != "" {
				title++
			}
		case atom.H1:
			h1++
		case atom.Html:
			lang, _ = attribute(n, "lang")
		}
	})
	if title != 1 {
		c.errs = append(c.errs, fmt.Errorf("%d titles", title))
	}
	if h1 != 1 {
		c.errs = append(c.errs, fmt.Errorf("%d headings of level 1", h1))
	}
	if lang == "" {
		c.errs = append(c.errs, errors.New("the page does not say its language"))
	}
	if c.landmarks["main"] != 1 {
		c.errs = append(c.errs, fmt.Errorf("%d main landmarks", c.landmarks["main"]))
	}
	for name, n := range c.landmarks {
		if n > 1 {
			c.errs = append(c.errs, fmt.Errorf("the landmark %q is there %d times", name, n))
		}
	}
}

// name is what a screen reader calls an element.
func (c *checker) name(n *html.Node) string {
	if label, _ := attribute(n, "aria-label"); strings.TrimSpace(label) != "" {
		return label
	}
	if ids, ok := attribute(n, "aria-labelledby"); ok {
		var names []string
		for id := range strings.FieldsSeq(ids) {
			if c.ids[id] != nil {
				names = append(names, textOf(c.ids[id]))
			}
		}
		return strings.Join(names, " ")
	}
	switch n.DataAtom {
	case atom.Input, atom.Select, atom.Textarea:
		if id, _ := attribute(n, "id"); c.labels[id] {
			return id
		}
		if kind, _ := attribute(n, "type"); kind == "submit" {
			value, _ := attribute(n, "value")
			return value
		}
		if label := above(n, atom.Label); label != nil {
			return textOf(label)
		}
		return ""
	case atom.Nav, atom.Dialog, atom.Pre, atom.Div, atom.Section:
		return ""
	}
	return textOf(n)
}

func walk(n *html.Node, f func(*html.Node)) {
	if n.Type == html.ElementNode {
		f(n)
	}
	for child := range n.ChildNodes() {
		walk(child, f)
	}
}

func attribute(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

func class(n *html.Node, name string) bool {
	value, _ := attribute(n, "class")
	for c := range strings.FieldsSeq(value) {
		if c == name {
			return true
		}
	}
	return false
}

// textOf is the text of an element in one line, without what is only drawn.
func textOf(n *html.Node) string {
	var b strings.Builder
	var f func(*html.Node)
	f = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
		if hidden, _ := attribute(n, "aria-hidden"); hidden == "true" || n.DataAtom == atom.Script {
			return
		}
		for child := range n.ChildNodes() {
			f(child)
		}
		if n.Type == html.ElementNode && n.DataAtom != atom.Code && n.DataAtom != atom.Span && n.DataAtom != atom.A && n.DataAtom != atom.Strong {
			b.WriteByte(' ')
		}
	}
	f(n)
	return strings.Join(strings.Fields(b.String()), " ")
}

func childText(n *html.Node, name string) string {
	for child := range n.ChildNodes() {
		if child.Type == html.ElementNode && child.Data == name {
			return textOf(child)
		}
	}
	return ""
}

func above(n *html.Node, a atom.Atom) *html.Node {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.DataAtom == a {
			return p
		}
	}
	return nil
}

func inside(n *html.Node, a atom.Atom) bool { return above(n, a) != nil }

func has(n *html.Node, a atom.Atom) bool {
	found := false
	walk(n, func(n *html.Node) { found = found || n.DataAtom == a })
	return found
}

// TestCheckHTML shows that the checker finds what it is for.
func TestCheckHTML(t *testing.T) {
	const before, after = `<!doctype html><html lang="en"><title>T</title><script nonce="n" src="/assets/x.js"></script><main><h1>H</h1>`, `</main></html>`
	if errs := faults(before + `<h2>A</h2><form action="/x"><label for="a">A</label><input id="a" name="a"><button>Go</button></form>` + after); len(errs) > 0 {
		t.Errorf("a good page: %v", errs)
	}
	for body, want := range map[string]string{
		`<h3>A</h3>`:       "a heading of level 3 after one of level 1",
		`<h1>A</h1>`:       "2 headings of level 1",
		`<main></main>`:    "2 main landmarks",
		`<input name="a">`: "a field without a label",
		`<label for="a"> </label><input name="a" id="a">`: "a field without a label",
		`<button></button>`: "a button without a name",
		`<button><svg aria-hidden="true"><title>x</title></svg></button>`: "a button without a name",
		`<a>x</a>`:                                    "a link that leads nowhere",
		`<img src="/x">`:                              "a picture without a text",
		`<svg></svg>`:                                 "a drawing that is neither hidden nor named",
		`<p id="a"></p><p id="a"></p>`:                `the id "a" is there twice`,
		`<p tabindex="1"></p>`:                        "a positive tabindex",
		`<p style="color:red"></p>`:                   "an inline style",
		`<p onclick="x()"></p>`:                       "an inline handler",
		`<p hx-get="/x"></p>`:                         "hx- attributes without the page's nonce",
		`<p hx-get="/x" hx-nonce="m"></p>`:            "hx- attributes without the page's nonce",
		`<p hx-on:click="x()" hx-nonce="n"></p>`:      "an attribute that htmx evaluates",
		`<script>x()</script>`:                        "an inline script",
		`<form action="https://evil.example"></form>`: "a form that posts elsewhere",
		`<form action="/users" method="post"></form>`: "a form that does not say who opened it",
		`<p hx-post="/x" hx-nonce="n"></p>`:           "something outside a form posts",
		`<nav></nav>`:                                 "a navigation without a name",
		`<dialog></dialog>`:                           "a dialog without a name",
		`<table><tr><td>x</td></tr></table>`:          "a table without heads",
		`<table class="stack"><tr><th scope="col">x</th><td>x</td></tr></table>`: "a cell of table.stack without data-label",
		`<p aria-describedby="b"></p>`:                                           `aria-describedby refers to "b"`,
		`<fieldset></fieldset>`:                                                  "a group of fields without a legend",
		`<ul><p>x</p></ul>`:                                                      "a list with something in it that is no item",
		`<pre>x</pre>`:                                                           "a listing that cannot be scrolled by keyboard",
	} {
		if text := errors.Join(faults(before + body + after)...); text == nil || !strings.Contains(text.Error(), want) {
			t.Errorf("%s: want %q, got %v", body, want, text)
		}
	}
}
