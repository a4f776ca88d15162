package console

import (
	"net/http"
	"net/url"
	"strings"
)

// signOutRoutes is the way out that a link can lead to: an identity broker's "sign out"
// (Action=logout of the federation endpoint) ends here, and the person says yes.
func (c *Console) signOutRoutes() []Route {
	return []Route{{Pattern: "GET /signout", Handle: showSignOut, Access: Anyone}}
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
