package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/service/signin"
	"github.com/lanyard-iam/lanyard/session"
)

const authorizePath = "/v1/authorize"

// authorizeRoutes are the pages of `aws login`. A program opens the first one in a
// browser; whether what it asks for is well-formed is service/signin's to say, and whether
// the person may is the API's.
func (c *Console) authorizeRoutes() []Route {
	return []Route{
		// Anyone: what is not well-formed is not worth a sign-in.
		{Pattern: "GET " + authorizePath, Handle: c.showAuthorize, Access: Anyone, Loopback: true},
		{Pattern: "POST " + authorizePath, Handle: c.authorize, Access: Anyone, Loopback: true},
		{Pattern: "GET /v1/sessions/confirmation", Handle: showNoConfirmation, Access: Anyone},
	}
}

// consentPage asks whether a program may have credentials of the person.
type consentPage struct {
	Person  *Person
	Remote  bool
	Root    bool
	Pairs   []Pair
	Request string // the query string, carried on by the form
	Switch  string // path: sign in as somebody else, and back
	Changed bool   // somebody else signed in since the page was shown
	Problem *Problem
}

func (c *Console) showAuthorize(v *Visit) error {
	r, err := c.loginRequest(v, v.Request.URL.RawQuery)
	if err != nil {
		return err
	}
	here := authorizePath + "?" + r.Query()
	if v.Person == nil {
		return v.Redirect("/signin?" + url.Values{"return": {here}}.Encode())
	}
	if err := v.StepUp(here); err != nil {
		return err
	}
	return c.consent(v, r, nil)
}

// loginRequest reads what a program asks for. What is wrong with it is told here, and never
// by a redirect to where it says.
func (c *Console) loginRequest(v *Visit, query string) (*signin.AuthorizeRequest, error) {
	r, err := c.config.Login.ParseAuthorize(query)
	if err == nil {
		return r, nil
	}
	return nil, &Problem{
		Status: http.StatusBadRequest,
		Title:  "A program asks for a sign-in in a way that is not valid",
		Why:    v.ProblemOf(err).Why,
		Do: []Step{
			{Text: "Run aws login again, with AWS CLI 2.32.0 or later."},
			{Text: "AWS_ENDPOINT_URL_SIGNIN must be " + c.origin() + "."},
		},
	}
}

// consent shows the question; with a problem it shows why the answer cannot be yes.
func (c *Console) consent(v *Visit, r *signin.AuthorizeRequest, problem *Problem) error {
	here := authorizePath + "?" + r.Query()
	body := consentPage{
		Person:  v.Person,
		Remote:  !r.SameDevice(),
		Root:    v.Person.Browser.Session.Kind == session.Root,
		Request: r.Query(),
		Switch:  "/signin?" + url.Values{"return": {here}, "again": {"1"}}.Encode(),
		Problem: problem,
	}
	ends := v.Person.Browser.Session.Expires
	body.Pairs = []Pair{
		{Key: "It gets", Value: "temporary credentials: all that you may do, in the AWS API"},
		{Key: "For how long", Value: fmt.Sprintf("15 minutes at a time, until %s at the latest (%s)", ends.UTC().Format("15:04 UTC"), left(ends.Sub(v.Now)))},
		{Key: "The answer goes to", Value: answerGoesTo(r), Mono: r.SameDevice()},
	}
	page := Page{Title: "Sign in to the AWS CLI?", Layout: Card, Body: &body}
	if problem != nil {
		page.Title, page.Status = "The AWS CLI is not signed in", problem.Status
	}
	if who := v.Form("who"); who != "" && who != v.Person.ARN {
		body.Changed, page.Status = true, http.StatusConflict
	}
	return v.Render("authorize", page)
}

// answerGoesTo names where the program is, as far as it can be known.
func answerGoesTo(r *signin.AuthorizeRequest) string {
	if !r.SameDevice() {
		return "you, as a code that you paste on the other device"
	}
	u, err := url.Parse(r.RedirectURI)
	if err != nil {
		return r.RedirectURI
	}
	return u.Host
}

func (c *Console) authorize(v *Visit) error {
	r, err := c.loginRequest(v, v.Form("request"))
	if err != nil {
		return err
	}
	if v.Form("answer") != "allow" {
		return c.decline(v, r)
	}
	here := authorizePath + "?" + r.Query()
	if v.Person == nil {
		return v.Redirect(here) // by way of the sign-in page
	}
	if v.Form("who") != v.Person.ARN {
		return c.consent(v, r, nil)
	}
	if err := v.StepUp(here); err != nil {
		return err
	}
	out, err := v.API().Login.Authorize(v.Request.Context(), r)
	if sessionOver(err) {
		return v.Redirect(here)
	}
	if err != nil {
		if p := v.ProblemOf(err); p.Status < http.StatusInternalServerError {
			return c.consent(v, r, p)
		}
		return err
	}
	if r.SameDevice() {
		return v.leave(aws.ToString(out.Location))
	}
	return v.Render("confirmation", Page{
		Title: "Paste this code", Layout: Card,
		Lead: "aws login --remote waits for it.",
		Body: confirmationPage{Code: aws.ToString(out.ConfirmationCode), Leave: "/v1/sessions/confirmation"},
	})
}

// confirmationPage has the code that goes to another machine by hand. The address of the
// page becomes Leave, so that the code is in no address, no history and no log.
type confirmationPage struct{ Code, Leave string }

// decline says no: to the program, where it can be told.
func (c *Console) decline(v *Visit, r *signin.AuthorizeRequest) error {
	if to := c.config.Login.Denied(r); to != "" {
		return v.leave(to)
	}
	return v.Render("declined", Page{Title: "Nothing was given", Layout: Card, Lead: "The program on the other device got no credentials."})
}

// leave sends the browser to a program on its own machine, which service/signin has looked
// at. It is the one way out of the console by a redirect.
func (v *Visit) leave(location string) error {
	if !strings.HasPrefix(location, "http://127.0.0.1:") {
		return fmt.Errorf("the callback of a program is not on this machine: %q", location)
	}
	v.secure("")
	v.w.Header().Set("Location", location)
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// showNoConfirmation is what is left of the page of a code.
func showNoConfirmation(*Visit) error {
	return &Problem{
		Status: http.StatusGone,
		Title:  "The code was shown once",
		Why:    "A code for aws login --remote is shown only as the answer to your consent. It is good once, for ten minutes.",
		Do:     []Step{{Text: "If you have not pasted it yet, run aws login --remote again. Else you can close this tab."}},
	}
}
