package console

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/lanyard-iam/lanyard/service/signin"
	"github.com/lanyard-iam/lanyard/session"
)

// signOutRoutes is the way out that a link can lead to: an identity broker's "sign out"
// (Action=logout of the federation endpoint) ends here, and the person says yes.
func (c *Console) signOutRoutes() []Route {
	return []Route{
		{Pattern: "GET /signout", Handle: showSignOut, Access: Anyone},
		{Pattern: "POST /signin/instead", Handle: c.signInInstead, Access: Anyone},
	}
}

// SignedIn is the session of a browser, nil if nobody is signed in.
func (c *Console) SignedIn(r *http.Request) (*session.Browser, error) {
	p, err := c.config.Person(r)
	if p == nil {
		return nil, err
	}
	return p.Browser, err
}

// SignOut ends a session.
func (c *Console) SignOut(ctx context.Context, b *session.Browser) error {
	return c.config.SignIns.SignOut(ctx, b)
}

// takenPage says who is signed in, and offers to sign them out for a sign-in by a link.
type takenPage struct {
	Person  *Person
	Why     string
	Request string // query string of the link
}

// Taken asks somebody who follows a sign-in link, and is signed in as somebody else or with
// other credentials of the same name, what to do. Nothing changes before they say so: the link may be of an attacker, who wants them
// to work, and to type secrets, in an account of the attacker's.
func (c *Console) Taken(w http.ResponseWriter, r *http.Request, query, message string) {
	c.serve(w, r, Route{Access: Anyone, Handle: func(v *Visit) error {
		if v.Person == nil { // it has ended just now
			return v.Redirect(linkPath(query))
		}
		return v.Render("taken", Page{
			Title: "You are signed in already", Layout: Card, Status: http.StatusConflict,
			Body: takenPage{Person: v.Person, Why: ended(message), Request: query},
		})
	}})
}

// linkPath is that of a sign-in link: of what stood in its query, the parts that it has.
func linkPath(query string) string {
	q := url.Values{"Action": {"login"}}
	if given, err := url.ParseQuery(query); err == nil {
		for _, name := range []string{"SigninToken", "Issuer", "Destination"} {
			if value := given.Get(name); value != "" {
				q.Set(name, value)
			}
		}
	}
	return signin.FederationPath + "?" + q.Encode()
}

// signInInstead signs the person out and goes on with the link.
func (c *Console) signInInstead(v *Visit) error {
	to := linkPath(v.Form("request"))
	if v.Person == nil || v.Form("who") != v.Person.ARN {
		return v.Redirect(to) // which asks anew
	}
	if err := c.config.SignIns.SignOut(v.Request.Context(), v.Person.Browser); err != nil {
		return err
	}
	v.keep(SessionCookie, "", 0)
	return v.Redirect(to)
}

type signOutPage struct{ Person *Person }

func showSignOut(v *Visit) error {
	if v.Person == nil {
		return v.Redirect("/signin")
	}
	return v.Render("signout", Page{Title: "Sign out?", Layout: Card, Body: signOutPage{v.Person}})
}

// signedOutPage shows somebody whom another system let in the way back to it.
type signedOutPage struct{ Issuer, Host string }

// signedOutOf answers a sign-out of a session that came from an issuer's page, if that is a
// page that can be linked to. The link says where it leads, and nothing goes there by itself:
// the address is what the sign-in URL said.
func (v *Visit) signedOutOf(issuer string) (answered bool, err error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return false, nil
	}
	v.Person = nil
	return true, v.Render("signedout", Page{Title: "You are signed out", Layout: Card, Body: signedOutPage{Issuer: issuer, Host: u.Host}})
}

// Refused shows a browser that the federation endpoint did not sign it in.
func (c *Console) Refused(w http.ResponseWriter, r *http.Request, status int, message string) {
	c.serve(w, r, Route{Access: Anyone, Handle: func(*Visit) error {
		p := &Problem{Status: status, Title: "The sign-in link did not work", Why: ended(message)}
		switch status {
		case http.StatusUnauthorized:
			p.Why = "The sign-in link was used before, is older than 15 minutes, or stands for a session that has ended."
			p.Do = []Step{{Text: "Go back to where you came from, and open the console from there again."}}
		case http.StatusTooManyRequests:
			p.Do = []Step{{Text: "Sign out where you no longer need it, or wait: browsers that are not used are signed out after an hour."}}
		case http.StatusNotFound:
			p.Do = []Step{{Text: "Ask who runs this server."}}
		default:
			p.Do = []Step{{Text: "Tell who looks after the page that led you here: the sign-in URL that it makes is wrong."}}
		}
		return p
	}})
}

// ended is a message of the API as a person reads it.
func ended(message string) string {
	if message == "" || strings.HasSuffix(message, ".") || strings.HasSuffix(message, "/") {
		return message
	}
	return message + "."
}
