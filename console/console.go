// Package console is the web console: the pages on which people sign in and look
// after an account.
//
// It owns how a page looks, travels and fails: the frame around it, the security
// headers, the one place where errors become pages, flash messages, assets. It
// decides nothing about who may do what: a page acts through the AWS API with the
// credentials of the person's session, so authorization and the trail are those of
// the API. Who is signed in is told to it by Config.Person.
//
// # To add a page
//
// 1. A line in the table of routes.go: the method and pattern, and the handler.
//
//	{Pattern: "GET /users/{name}", Handle: c.showUser},
//
// A route without an Access is for people who are signed in; others are led to the
// sign-in page and back.
//
// 2. The handler, in the file of its area, with a view model of its own type.
// Whatever error it returns becomes a page: return errors of AWS clients as they
// are, and a *Problem where there is more to say.
//
//	type userPage struct {
//		Name string
//		Tags []Pair
//	}
//
//	func (c *Console) showUser(v *Visit) error {
//		name := v.Request.PathValue("name")
//		…
//		return v.Render("user", Page{
//			Title:  name,
//			Crumbs: []Crumb{{"Users", "/users"}},
//			CLI:    []Command{CLI("aws", "iam", "get-user", "--user-name", name)},
//			Body:   userPage{…},
//		})
//	}
//
// A view model is data: what fills it is a method of Visit that takes it. (Templates call
// methods by name, so the linker keeps all that can be reached from the type of a view model;
// from a method that takes a Visit, that is every operation of AWS's clients.)
//
// A handler of a POST ends with v.Flash and v.Redirect, or renders the form again
// with Field.Error set.
//
// 3. The template templates/pages/user.html. Its dot is Page.Body. It defines
// "content", and "actions" if there are buttons beside the title. It needs no
// Title: the frame writes the only h1.
//
//	{{define "actions"}}<a class="button" href="/users">Back</a>{{end}}
//	{{define "content"}}
//	<section class="panel"><header><h2>Tags</h2></header>
//	  {{template "pairs" .Tags}}
//	</section>
//	{{end}}
//
// Elements for the script-less case come first: a form posts, a link leads. htmx
// attributes are written by {{hx "get" "/users/rows" "target" "#rows"}}, which
// stamps the nonce, and a form that posts gets a field that says who opened it
// (acting.go); anything else with hx- in a template fails a test, as do style
// attributes and inline handlers. Containers are plain HTML with the classes of
// lanyard.css; what has behaviour or more than one part is a component of
// components.go, with a template of the same name in components.html. The gallery
// (gallery_test.go, templates in testdata) shows each.
//
// 4. A test: newWorld(t) gives a console over the whole API, newTest(t) one with routes
// of the test's own and a person signed in. Their get and post give parsed pages, which
// checkHTML has looked over. What a script does is tried with package test/browser, which
// also takes pictures: b.Screenshots("users").
package console

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/service/signin"
	"github.com/lanyard-iam/lanyard/session"
)

// Config is what a console needs from the server.
type Config struct {
	// URL is where people reach the console. Links, redirects and the origin of
	// security keys come from it, never from what a request says.
	URL *url.URL
	// Region is the server's region.
	Region string
	// Person says who is signed in. No person and no error is nobody.
	Person func(*http.Request) (*Person, error)
	// API is the API in that person's hands.
	API func(*Person, *http.Request) *API
	// Offers tells whether this version has an operation, such as sts:AssumeRole.
	Offers func(operation string) bool
	// Version is the server's. Ready is an error while it cannot answer requests.
	Version string
	Ready   func(context.Context) error
	// SignIns judges who wants in.
	SignIns *authn.SignIns
	// Login reads what `aws login` asks for.
	Login *signin.Service
	Log   *slog.Logger
	Clock func() time.Time
	// Rand makes nonces and request ids; nil is crypto/rand.
	Rand io.Reader
}

// passkeys tells whether people can sign in with passkeys.
func (c *Config) passkeys() bool { return c.SignIns != nil && c.SignIns.HasKeys() }

// Person is who is signed in, as the frame shows them.
type Person struct {
	Account string // 12 digits
	Alias   string // the account's alias, or empty
	Colour  Colour // the account's colour
	ARN     string
	Name    string // what they call themselves: a user's name, "root", a role's session
	Kind    string // "IAM user", "Root user", "Federated user"
	MFA     bool
	MFATime time.Time
	Expires time.Time // when the session ends unless it is renewed

	// Switched is the role as which they work; nil if it is none.
	Switched *Switched

	// Browser is the session.
	Browser *session.Browser
}

// Colour is the colour by which people tell accounts apart, by AWS's names.
type Colour string

// The colours of accounts. The zero value is grey.
const (
	NoColour  Colour = ""
	Pink      Colour = "pink"
	Purple    Colour = "purple"
	DarkBlue  Colour = "darkBlue"
	LightBlue Colour = "lightBlue"
	Teal      Colour = "teal"
	Green     Colour = "green"
	Yellow    Colour = "yellow"
	Orange    Colour = "orange"
	Red       Colour = "red"
)

// Console answers the requests of browsers.
type Console struct {
	config Config
	views  *views
	assets *assets
	mux    *http.ServeMux
	nav    []navSection // the entries that lead somewhere
	guard  http.Handler // refuses what other sites send, then serves

	surveys  *surveys
	refusals refusals
	// rendering has a token for each page that is being written. That takes a core for
	// its time; a crowd of visitors would else delay every request of the API.
	rendering chan struct{}
}

// New makes a console. Its templates are parsed here, so that a broken one stops
// the server from starting.
func New(config Config) (*Console, error) {
	c, err := newConsole(config)
	if err != nil {
		return nil, err
	}
	return c, c.mount(c.routes())
}

func newConsole(config Config) (*Console, error) {
	if config.Rand == nil {
		config.Rand = rand.Reader
	}
	c := &Console{config: config, mux: http.NewServeMux(), rendering: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))}
	c.surveys = newSurveys(config.Clock, config.Region, func(err error) { config.Log.Error("read an account for a page", "error", err) })
	var err error
	if c.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if c.views, err = loadViews(c.assets); err != nil {
		return nil, err
	}
	return c, nil
}

// mount puts the routes behind what guards them all.
func (c *Console) mount(routes []Route) error {
	cross := http.NewCrossOriginProtection()
	// A proxy in front may have changed the Host header; browsers do not lie about
	// the origin.
	if err := cross.AddTrustedOrigin(c.origin()); err != nil {
		return fmt.Errorf("the console's URL: %w", err)
	}
	paths := map[string]bool{}
	for _, route := range routes {
		if route.Foreign {
			cross.AddInsecureBypassPattern(route.Pattern)
		}
		c.mux.Handle(route.Pattern, c.handler(route))
		if path, ok := strings.CutPrefix(route.Pattern, "GET "); ok {
			paths[strings.TrimSuffix(path, "{$}")] = true
		}
	}
	c.nav = navigation(paths)
	c.mux.Handle("GET /assets/{file}", c.assets)
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.serve(w, r, Route{Access: Anyone, Handle: func(*Visit) error { return errForeign }})
	}))
	guarded := cross.Handler(http.HandlerFunc(c.route))
	c.guard = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Where a browser is too old for Sec-Fetch-Site, the standard library compares the
		// host of the origin only. Ours has a scheme and a port as well.
		if origin := r.Header.Get("Origin"); origin != "" && origin != c.origin() && r.Header.Get("Sec-Fetch-Site") == "" {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}
		guarded.ServeHTTP(w, r)
	})
	return nil
}

// ServeHTTP answers one request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Of whatever is answered: a page says more.
	secureHeaders(w.Header(), "", false, c.config.URL.Scheme == "https")
	if loopback(c.config.URL.Hostname()) && !loopback(hostname(r.Host)) {
		// A page of another site has pointed its name at this machine.
		c.serve(w, r, Route{Access: Anyone, Handle: func(*Visit) error { return errWrongHost }})
		return
	}
	if to := c.properHost(r); to != "" {
		http.Redirect(w, r, to, http.StatusPermanentRedirect)
		return
	}
	c.guard.ServeHTTP(w, r)
}

// Close ends what the console does in the background.
func (c *Console) Close() { c.surveys.Close() }

// Owns reports whether a request is for a page of the console.
func (c *Console) Owns(r *http.Request) bool {
	_, pattern := c.mux.Handler(r)
	return pattern != ""
}

// properHost leads from the other names of this machine to the one of the console's
// URL: the sessions and the passkeys of a browser belong to a name.
func (c *Console) properHost(r *http.Request) string {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || strings.EqualFold(r.Host, c.config.URL.Host) {
		return ""
	}
	if !loopback(hostname(r.Host)) || !loopback(c.config.URL.Hostname()) {
		return ""
	}
	return c.origin() + r.URL.RequestURI()
}

// origin is the console's own, as browsers write it.
func (c *Console) origin() string { return c.config.URL.Scheme + "://" + c.config.URL.Host }

func hostname(host string) string {
	return (&url.URL{Host: host}).Hostname()
}

func loopback(name string) bool {
	if address, err := netip.ParseAddr(name); err == nil {
		return address.IsLoopback()
	}
	return strings.EqualFold(name, "localhost")
}

// route finds the page, and answers in the console's own words where there is none.
func (c *Console) route(w http.ResponseWriter, r *http.Request) {
	if _, pattern := c.mux.Handler(r); pattern != "" {
		c.mux.ServeHTTP(w, r)
		return
	}
	err := errNoPage
	if allowed := c.allowed(r); allowed != "" {
		w.Header().Set("Allow", allowed)
		err = errWrongMethod
	}
	c.serve(w, r, Route{Access: Anyone, Handle: func(*Visit) error { return err }})
}

// allowed lists the methods that the path of a request does have.
func (c *Console) allowed(r *http.Request) string {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		probe := *r
		probe.Method = method
		if _, pattern := c.mux.Handler(&probe); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	return strings.Join(allowed, ", ")
}

func (c *Console) handler(route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, route) })
}

// serve is the life of one visit: who is it, may they see this page at all, the
// handler, and whatever went wrong.
func (c *Console) serve(w http.ResponseWriter, r *http.Request, route Route) {
	v := &Visit{
		Request: r,
		ID:      uuid.Must(uuid.NewRandomFromReader(c.config.Rand)).String(),
		Now:     c.config.Clock().UTC(),
		console: c,
		route:   route,
		w:       &answer{ResponseWriter: w},
	}
	err := func() (err error) {
		defer func() {
			switch p := recover(); {
			case p == http.ErrAbortHandler: //nolint:errorlint // net/http compares it so
				panic(p)
			case p != nil:
				c.config.Log.Error("panic in a page", "request_id", v.ID, "page", route.Pattern, "panic", p, "stack", string(debug.Stack()))
				err = errPanic
			}
		}()
		if v.Person, err = c.config.Person(r); err != nil {
			v.Person = nil
			return fmt.Errorf("who is signed in: %w", err)
		}
		if v.Person != nil && v.Person.Switched != nil {
			if err := c.switched(v); err != nil {
				return err
			}
		}
		if v.Person != nil && c.config.API != nil {
			v.api = c.config.API(v.Person, r)
		}
		if v.Person == nil && route.Access != Anyone {
			return ErrSignedOut
		}
		if err := v.readForm(); err != nil {
			return err
		}
		if err := v.sameActing(); err != nil {
			return err
		}
		return route.Handle(v)
	}()
	if err == nil {
		return
	}
	if v.w.begun {
		c.config.Log.Error("a page broke off", "request_id", v.ID, "page", route.Pattern, "error", err)
		panic(http.ErrAbortHandler)
	}
	v.fail(err)
}

// answer remembers whether anything has been sent.
type answer struct {
	http.ResponseWriter
	begun bool
}

func (a *answer) WriteHeader(status int) {
	a.begun = true
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	a.begun = true
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach what is below.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// errPanic stands for what a panic was about, which is in the log.
var errPanic = errors.New("the page panicked")
