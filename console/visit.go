package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Visit is one request for a page, and the way to answer it.
type Visit struct {
	Request *http.Request
	// Person is who is signed in. It is nil only on routes for Anyone.
	Person *Person
	// ID is the request id that pages of errors show and the log has.
	ID string
	// Now is the time of this request, in UTC.
	Now time.Time

	console *Console
	api     *API // of Person
	route   Route
	w       *answer
	flashes []Flash // to be shown on the next page
}

// Page is what a handler gives to Render.
type Page struct {
	Title  string  // the title of the window, and the heading
	Lead   string  // one sentence under the heading; may be empty
	Crumbs []Crumb // the way here from the navigation, without the page itself
	Nav    string  // the navigation entry to mark, if it is not the start of the path
	// CLI is what one would type to see or do the same.
	CLI []Command
	// Layout is the frame around the page.
	Layout Layout
	// Replaces says that the page leads to another sign-in in place of the present one, of
	// which the frame then warns.
	Replaces bool
	// Status is 200 if it is zero. A form that comes back with errors says 422.
	Status int
	// Body is the dot of the page's templates.
	Body any
}

// Layout is what stands around a page.
type Layout int

// Framed is the console with its navigation; who is not signed in gets Card
// instead. Card is one narrow panel, for signing in and what is like it.
const (
	Framed Layout = iota
	Card
)

// Crumb is one step of the way to a page.
type Crumb struct{ Text, Path string }

const maxBody = 256 << 10

// readForm bounds the body and reads it where it is a form. Handlers may trust
// Form and Values.
func (v *Visit) readForm() error {
	r := v.Request
	limit := v.route.MaxBody
	if limit == 0 {
		limit = maxBody
	}
	r.Body = http.MaxBytesReader(v.w, r.Body, limit)
	if r.Method != http.MethodPost {
		return nil
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var err error
	switch kind {
	case "application/x-www-form-urlencoded":
		err = r.ParseForm()
	case "multipart/form-data":
		err = r.ParseMultipartForm(limit) // all of it fits in memory
	}
	return unreadable(err)
}

// unreadable turns what is wrong with a body into the person's problem.
func unreadable(err error) error {
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &large):
		return &Problem{
			Status: http.StatusRequestEntityTooLarge,
			Title:  "That is too large",
			Why:    fmt.Sprintf("What was sent is larger than the %d KB that this page takes.", large.Limit>>10),
			Do:     []Step{{Text: "Go back and send less."}},
		}
	default:
		return &Problem{
			Status: http.StatusBadRequest,
			Title:  "The form could not be read",
			Why:    "What the browser sent is not a well-formed form.",
			Do:     []Step{{Text: "Go back, reload the page and try again."}},
			Cause:  err,
		}
	}
}

// Form is the value of a field of a posted form, without the space around it.
// Passwords are to be read with Request.PostFormValue.
func (v *Visit) Form(name string) string {
	return strings.TrimSpace(v.Request.PostFormValue(name))
}

// Query is a value of the address.
func (v *Visit) Query(name string) string {
	return strings.TrimSpace(v.Request.URL.Query().Get(name))
}

// ReadJSON reads a JSON body strictly.
func (v *Visit) ReadJSON(into any) error {
	d := json.NewDecoder(v.Request.Body)
	d.DisallowUnknownFields()
	return unreadable(d.Decode(into))
}

// Render answers with the page of that name.
func (v *Visit) Render(name string, page Page) error {
	status := page.Status
	if status == 0 {
		status = http.StatusOK
	}
	return v.write(status, name, "layout", v.frame(page))
}

// Fragment answers htmx with one template of a page.
func (v *Visit) Fragment(page, template string, body any) error {
	return v.write(http.StatusOK, page, template, body)
}

// NoNews answers htmx that nothing is to be swapped.
func (v *Visit) NoNews() error {
	v.secure("")
	v.w.WriteHeader(http.StatusNoContent)
	return nil
}

// WantsFragment reports whether htmx asks, and not the browser itself.
func (v *Visit) WantsFragment() bool { return v.Request.Header.Get("HX-Request") == "true" }

// wantsJSON reports whether our script asks, as it does for security keys.
func (v *Visit) wantsJSON() bool { return v.Request.Header.Get("Accept") == "application/json" }

// JSON answers our script.
func (v *Visit) JSON(status int, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode an answer: %w", err)
	}
	v.secure("")
	v.storeFlashes()
	v.w.Header().Set("Content-Type", "application/json")
	v.w.WriteHeader(status)
	_, err = v.w.Write(text)
	return err
}

// Download answers with a file to be kept.
func (v *Visit) Download(name, contentType string, body []byte) error {
	v.secure("")
	v.w.Header().Set("Content-Type", contentType)
	v.w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	_, err := v.w.Write(body)
	return err
}

// Redirect leads to another page of the console after a change. A path that would
// lead elsewhere leads home. To our script, the answer is the place to go to.
func (v *Visit) Redirect(path string) error {
	path = LocalPath(path)
	if v.wantsJSON() {
		return v.JSON(http.StatusOK, map[string]string{"location": path})
	}
	v.secure("")
	v.storeFlashes()
	if v.WantsFragment() {
		v.w.Header().Set("HX-Redirect", path)
		v.w.WriteHeader(http.StatusOK)
		return nil
	}
	v.w.Header().Set("Location", path)
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// SetCookie adds a cookie to the answer.
func (v *Visit) SetCookie(cookie *http.Cookie) { http.SetCookie(v.w, cookie) }

// RemoteAddr and the like are read from Request; the URL of the console is here,
// since what a request says of it cannot be believed.
func (v *Visit) URL() *url.URL { return v.console.config.URL }

// LocalPath returns path if it is one of this console, and "/" if it could lead a
// browser anywhere else.
func LocalPath(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\t\r\n") {
		return "/"
	}
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil {
		return "/"
	}
	return path
}

// here is the path of this page with its query, to come back to.
func (v *Visit) here() string {
	if v.Request.Method != http.MethodGet && v.Request.Method != http.MethodHead {
		return v.Request.URL.EscapedPath()
	}
	return v.Request.URL.RequestURI()
}
