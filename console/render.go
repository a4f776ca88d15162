package console

import (
	"bytes"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed templates
var templateFiles embed.FS

// views are the templates of all pages. A page is parsed when it is first visited: each
// is a set with all components in it, and a server where nobody visits needs none.
type views struct {
	pages map[string]func() (*template.Template, error)
	// nonce stands in the templates where the nonce of a response will stand. It is
	// random, is replaced in everything that is sent, and so cannot be known to who
	// would smuggle it into a page.
	nonce []byte
	base  *template.Template
}

func loadViews(a *assets) (*views, error) {
	var mark [16]byte
	if _, err := rand.Read(mark[:]); err != nil {
		return nil, fmt.Errorf("make a mark: %w", err)
	}
	s := &views{pages: map[string]func() (*template.Template, error){}, nonce: []byte(hex.EncodeToString(mark[:]))}
	base, err := template.New("").Option("missingkey=error").Funcs(s.functions(a)).ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse the templates: %w", err)
	}
	s.base = base
	return s, s.add(templateFiles, "templates/pages")
}

// add takes the pages of a folder, each into a set of its own, so that all of them
// may define "content".
func (s *views) add(files fs.FS, folder string) error {
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return fmt.Errorf("read the pages: %w", err)
	}
	for _, entry := range entries {
		s.pages[strings.TrimSuffix(entry.Name(), ".html")] = sync.OnceValues(func() (*template.Template, error) {
			set, err := s.base.Clone()
			if err != nil {
				return nil, err
			}
			return set.ParseFS(files, path.Join(folder, entry.Name()))
		})
	}
	return nil
}

// functions are what templates can call. Those that return markup escape what they
// are given.
func (s *views) functions(a *assets) template.FuncMap {
	return template.FuncMap{
		"asset":    a.path,
		"nonce":    func() string { return string(s.nonce) },
		"hx":       s.hx,
		"icon":     icon,
		"status":   status,
		"severity": severity,
		"code":     code,
		"when":     when,
		"initial":  initial,
		"lower":    strings.ToLower,
		"count":    count,
		"left":     left,
	}
}

// hxNames are the attributes of htmx that templates may use: none of them is
// evaluated as script.
var hxNames = map[string]bool{
	"get": true, "post": true, "target": true, "select": true, "swap": true, "trigger": true,
	"include": true, "indicator": true, "push-url": true, "sync": true, "disable": true,
}

// hx writes attributes of htmx, with the nonce without which they would be ignored.
func (s *views) hx(pairs ...string) (template.HTMLAttr, error) {
	if len(pairs)%2 != 0 {
		return "", fmt.Errorf("hx: %q has no value", pairs[len(pairs)-1])
	}
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		name, value := pairs[i], pairs[i+1]
		switch {
		case !hxNames[name]:
			return "", fmt.Errorf("hx: no attribute %q", name)
		case (name == "get" || name == "post") && LocalPath(value) != value:
			return "", fmt.Errorf("hx: %q is not a path of the console", value)
		case name == "trigger" && strings.Contains(value, "["):
			return "", fmt.Errorf("hx: a filter of a trigger is evaluated as script: %q", value)
		}
		fmt.Fprintf(&b, `hx-%s="%s" `, name, template.HTMLEscapeString(value))
	}
	fmt.Fprintf(&b, `hx-nonce="%s"`, s.nonce)
	return template.HTMLAttr(b.String()), nil
}

// write answers with a template of a page.
func (v *Visit) write(status int, page, name string, data any) error {
	whole, err := v.execute(page, name, data)
	if err != nil {
		return err
	}
	return v.send(status, whole)
}

// execute executes a template into memory, so that a failure leaves room for the page
// that says so.
func (v *Visit) execute(page, name string, data any) ([]byte, error) {
	parsed := v.console.views.pages[page]
	if parsed == nil {
		return nil, fmt.Errorf("there is no page %q", page)
	}
	set, err := parsed()
	if err != nil {
		return nil, fmt.Errorf("parse the page %s: %w", page, err)
	}
	b := bytes.NewBuffer(make([]byte, 0, 16<<10)) // most pages fit
	if err := v.console.render(b, set, name, data); err != nil {
		return nil, fmt.Errorf("write the page %s: %w", page, err)
	}
	return b.Bytes(), nil
}

// send answers with what execute made.
func (v *Visit) send(status int, page []byte) error {
	var random [16]byte
	if _, err := io.ReadFull(v.console.config.Rand, random[:]); err != nil {
		return fmt.Errorf("make a nonce: %w", err)
	}
	nonce := hex.EncodeToString(random[:])
	v.secure(nonce)
	v.storeFlashes()
	page = bytes.ReplaceAll(writeActing(page, v.Person), v.console.views.nonce, []byte(nonce))
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.Header().Set("Content-Length", strconv.Itoa(len(page))) // else it goes out in chunks
	v.w.WriteHeader(status)
	if v.Request.Method == http.MethodHead {
		return nil
	}
	_, err := v.w.Write(page)
	return err
}

// render executes a template in its turn.
func (c *Console) render(b *bytes.Buffer, set *template.Template, name string, data any) error {
	c.rendering <- struct{}{}
	defer func() { <-c.rendering }() // also if a method of data panics
	return set.ExecuteTemplate(b, name, data)
}

// secure sets the headers of everything that is not an asset. Without a nonce no
// script may run at all.
func (v *Visit) secure(nonce string) {
	secureHeaders(v.w.Header(), nonce, v.route.Loopback, v.console.config.URL.Scheme == "https")
}

func secureHeaders(h http.Header, nonce string, loopback, https bool) {
	script, forms := "'none'", "'self'"
	if nonce != "" {
		script = "'nonce-" + nonce + "'"
	}
	if loopback {
		// Else Chromium stops the form that ends at the AWS CLI's own listener.
		forms += " http://127.0.0.1:*"
	}
	h.Set("Content-Security-Policy", "default-src 'none'; script-src "+script+"; style-src 'self'; img-src 'self' data:; "+
		"connect-src 'self'; form-action "+forms+"; base-uri 'none'; frame-ancestors 'none'; "+
		"require-trusted-types-for 'script'; trusted-types htmx")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Permissions-Policy", "publickey-credentials-get=(self), publickey-credentials-create=(self)")
	h.Set("Cache-Control", "no-store")
	if https {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}
