package console

import (
	"net/http"

	"github.com/lanyard-iam/lanyard/authn"
)

// showStepUp lets somebody who is signed in show a factor again.
func (c *Console) showStepUp(v *Visit, to, problem string) error {
	factors, err := c.config.SignIns.StepUpFactors(v.Request.Context(), v.Person.Browser)
	if err != nil {
		return err
	}
	body := factorPage{Who: v.Person.Self(), Error: problem, StepUp: true, Return: authn.Destination(to)}
	body.Code, body.Device, body.Key, body.Names = factorFields(factors.Devices, v.Form("device"))
	body.Key = body.Key && c.config.passkeys()
	if factors.Password {
		body.Password = &Field{Name: "password", Label: "Your password", Type: "password", Autocomplete: "current-password", Autofocus: true, MaxLength: 1024}
	}
	if body.Code == nil && !body.Key && body.Password == nil {
		return &Problem{
			Status: http.StatusForbidden,
			Title:  "Sign in again for this",
			Why:    "What destroys, or hands out a credential, asks for a factor of the last ten minutes, and there is none that you could show here.",
			Do:     []Step{{Text: "Sign in again.", Path: "/signin?again=1"}},
		}
	}
	page := Page{Title: "Show that it is you", Layout: Card, Body: body}
	if problem != "" {
		page.Status = http.StatusUnprocessableEntity
	}
	return v.Render("factor", page)
}

func (c *Console) stepUp(v *Visit) error {
	ctx, to := v.Request.Context(), authn.Destination(v.Form("to"))
	var out authn.Outcome
	var err error
	if password := v.Request.PostFormValue("password"); password != "" {
		out, err = c.config.SignIns.StepUpByPassword(ctx, v.visitor(), v.Person.Browser, password)
	} else {
		out, err = c.config.SignIns.StepUpByCode(ctx, v.visitor(), v.Person.Browser, v.Form("device"), v.Form("code"))
	}
	out.Destination = to
	return v.follow(out, err, func(message string) error { return c.showStepUp(v, to, message) })
}
