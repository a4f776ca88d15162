package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// SessionCookie is the cookie of a browser session. Its prefix binds it to this very host
// and to https, or localhost (RFC 6265bis, 4.1.3.2).
const SessionCookie = "__Host-lanyard"

// recently is how old the factor that a person showed last may be where something is
// destroyed or a credential is handed out.
const recently = 10 * time.Minute

// Gate says who is signed in. All fields must be set.
type Gate struct {
	Store    store.Store
	Sessions *session.Codec
	// AWS answers the API.
	AWS    http.Handler
	Region string
	Clock  func() time.Time
}

// Person finds who the cookie of a request belongs to, and notes that they are here.
// Nobody and no error is nobody.
func (g *Gate) Person(r *http.Request) (*Person, error) {
	cookies := r.CookiesNamed(SessionCookie)
	if len(cookies) != 1 { // two are somebody's trick
		return nil, nil
	}
	now := g.Clock().UTC()
	var p *Person
	err := g.Store.View(r.Context(), func(rd store.Reader) error {
		b, err := g.Sessions.OpenBrowser(rd, cookies[0].Value, now)
		if err != nil {
			return err
		}
		p, err = g.describe(rd, b)
		return err
	})
	if err == nil {
		err = g.seen(r, p.Browser, now)
	}
	if errors.Is(err, session.ErrNotSignedIn) || errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// API is the API in the hands of the person who sent a request. It is apart from Person,
// which templates see: see package internal/paging on what a linker makes of clients there.
func (g *Gate) API(p *Person, r *http.Request) *API {
	var still session.Still // their own session ends with the browser's by itself
	if b := p.Browser; b.Role != nil {
		still = func(rd store.Reader) error { return g.Sessions.StillActing(rd, b, g.Clock().UTC()) }
	}
	return newAPI(g.AWS, g.Region, p.Browser.Credentials(g.Sessions), still, r)
}

// seen writes that the session is used, once in a while.
func (g *Gate) seen(r *http.Request, b *session.Browser, now time.Time) error {
	if r.Method == http.MethodGet && r.Header.Get("HX-Request") == "true" {
		return nil // a page that looks again by itself is nobody's doing
	}
	if write, err := b.Seen(nil, now); !write || err != nil {
		return err
	}
	return g.Store.Update(r.Context(), func(tx store.Tx) error {
		_, err := b.Seen(tx, now)
		return err
	})
}

func (g *Gate) describe(r store.Reader, b *session.Browser) (*Person, error) {
	principal, err := authn.OfSession(r, b.Acting(), arn.PartitionOf(g.Region))
	if errors.Is(err, store.ErrNotFound) && b.Role != nil {
		b.Role = nil // it is deleted
		principal, err = authn.OfSession(r, b.Session, arn.PartitionOf(g.Region))
	}
	if err != nil {
		return nil, err
	}
	account, err := identity.Accounts.Get(r, string(principal.Account))
	if err != nil {
		return nil, fmt.Errorf("account of who is signed in: %w", err)
	}
	p := &Person{
		Account: string(principal.Account),
		Alias:   account.Alias,
		Colour:  colourOf(string(principal.Account), account.Alias),
		ARN:     principal.ARN,
		Name:    principal.Name,
		MFA:     principal.MFA,
		MFATime: b.FactorTime,
		Expires: b.Ends(),
		Browser: b,
	}
	p.Name, p.Kind = called(principal, b.Session.Name)
	if b.Switched != nil {
		return p, g.describeSwitch(r, b, p)
	}
	return p, nil
}

// called is how a principal is called, whose session has that name, and what kind it is.
func called(p *authn.Principal, session string) (name, kind string) {
	switch p.Kind {
	case authn.Root:
		return "root", "Root user"
	case authn.User:
		return p.Name, "IAM user"
	case authn.AssumedRole:
		return p.Name + "/" + session, "Federated user"
	}
	return p.Name, "Federated user"
}

// describeSwitch says of somebody who has switched to a role who they were.
func (g *Gate) describeSwitch(r store.Reader, b *session.Browser, p *Person) error {
	self, err := authn.OfSession(r, b.Session, arn.PartitionOf(g.Region))
	if err != nil {
		return err
	}
	to := b.Switched
	name, kind := called(self, b.Session.Name)
	p.Switched = &Switched{From: name, Kind: kind, Role: to.Role, Account: string(to.Account), DisplayName: to.DisplayName, Colour: Colour(to.Colour), Ended: b.Role == nil, Until: to.Until}
	if b.Role == nil {
		return nil
	}
	p.Kind, p.Name = "Role", firstOf(to.DisplayName, to.Role+" @ "+p.Who())
	if to.Colour != "" {
		p.Colour = Colour(to.Colour)
	}
	return nil
}

// API is the API in the hands of the person who is signed in.
func (v *Visit) API() *API { return v.api }

// errStepUp leads to the page on which a factor is shown again, and back.
type errStepUp struct{ back string }

func (e *errStepUp) Error() string { return "a recent factor is needed" }

// StepUp insists on a factor that was shown lately, before something is destroyed or a
// credential is handed out. A handler returns its error, which leads the person through
// /signin/factor and to the page back, where they say once more what they want.
func (v *Visit) StepUp(back string) error {
	b := v.Person.Browser // the factor is the person's, also where they work as a role
	if v.Now.Sub(b.FactorTime) < recently {
		return nil
	}
	if b.Session.Kind == session.Role || b.Session.Kind == session.Federated {
		if v.Now.Sub(b.Created) < recently {
			return nil // whoever let them in has just done so
		}
		return &Problem{
			Status: http.StatusForbidden,
			Title:  "Sign in again for this",
			Why:    "What destroys, or hands out a credential, asks for a sign-in of the last ten minutes. Yours comes from another system, which has to vouch for you again.",
			Do:     []Step{{Text: "Sign out, and come back the way you came."}},
		}
	}
	return &errStepUp{back: LocalPath(back)}
}

// factorPath is where a factor is shown again.
func (e *errStepUp) path() string { return "/signin/factor?to=" + url.QueryEscape(e.back) }
