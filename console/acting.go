package console

import (
	"bytes"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/lanyard-iam/lanyard/arn"
)

// A form acts as who opened it, or not at all. The cookie is that of whoever the browser
// is when the form is sent, and between the two somebody may have switched to a role, gone
// back, or signed in as somebody else in another tab. So each form says who opened it, by
// their ARN: it is the same after a renewal, a step-up and another sign-in of the same
// person. It is no secret: other sites are kept away by the origin check.
const (
	actingField  = "acting"
	actingHeader = "Lanyard-Acting" // where our script sends JSON
)

var (
	formBegins = []byte("<form ")
	formEnds   = []byte("</form>")
	formSends  = [][]byte{[]byte(` method="post"`), []byte(" data-webauthn=")}
)

// writeActing puts the field into all forms of a page that send something. What people
// wrote has no "<" in a page, so that these are the forms of the templates. The field comes
// last, where it moves no other field.
func writeActing(page []byte, p *Person) []byte {
	if p == nil {
		return page
	}
	field := []byte(`<input type="hidden" name="` + actingField + `" value="` + template.HTMLEscapeString(p.ARN) + `">`)
	out := make([]byte, 0, len(page)+8*len(field))
	for {
		begin := bytes.Index(page, formBegins)
		if begin < 0 {
			return append(out, page...)
		}
		end := bytes.Index(page[begin:], formEnds)
		if end < 0 {
			return append(out, page...)
		}
		end += begin
		tag, _, _ := bytes.Cut(page[begin:end], []byte(">"))
		out = append(out, page[:end]...)
		if slices.ContainsFunc(formSends, func(mark []byte) bool { return bytes.Contains(tag, mark) }) {
			out = append(out, field...)
		}
		out = append(out, formEnds...)
		page = page[end+len(formEnds):]
	}
}

// forAnybody tells whether a form may be sent by another than who opened it. Those for
// Anyone are about signing in and out, and look themselves at who is there; switching is
// done as oneself; and "I have stored it" does nothing, on a page that may be older than
// the session.
func (v *Visit) forAnybody() bool {
	path := v.Request.URL.Path
	return v.Request.Method != http.MethodPost || v.Person == nil || v.route.Access == Anyone || v.route.Foreign ||
		path == switchPath || strings.HasPrefix(path, switchPath+"/") || path == "/stored" || path == "/security/stored"
}

// sameActing refuses a form that somebody else has opened. It is asked before anything is
// done.
func (v *Visit) sameActing() error {
	opened := v.Request.PostForm.Get(actingField)
	if opened == "" {
		opened = v.Request.Header.Get(actingHeader)
	}
	if v.forAnybody() || opened == v.Person.ARN {
		return nil
	}
	p := &Problem{
		Status: http.StatusConflict, Title: "You are somebody else now; nothing was done",
		Why: "This form was opened by " + whoIs(opened) + ". In another tab you have become " + whoIs(v.Person.ARN) + ", and what you sent may not be meant for that.",
		Do:  []Step{{"Go on as " + v.Person.Name + ", and open the page again.", "/"}},
	}
	switch {
	case opened == "":
		p.Title, p.Why = "The form does not say who opened it; nothing was done", "You are "+whoIs(v.Person.ARN)+" now. The page may be older than this version of the server."
	case v.Person.Switched != nil || v.Person.MaySwitch():
		p.Do = append(p.Do, Step{"Or switch role, or go back, and send the form then.", switchPath})
	default:
		p.Do = append(p.Do, Step{"Or sign in as who you were.", "/signin"})
	}
	return p
}

// whoIs is an ARN in words.
func whoIs(name string) string {
	a, err := arn.Parse(name)
	if err != nil {
		return "somebody else"
	}
	return a.Resource + " of the account " + digits(string(a.Account))
}
