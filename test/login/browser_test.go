package login_test

import (
	"testing"

	"github.com/lanyard-iam/lanyard/test/browser"
)

// The same in a real browser: its policies let the answer go to the program, and nothing
// else.
func TestInTheBrowser(t *testing.T) {
	a := newAlice(t)
	b := browser.New(t)
	p := newCLI(a)
	b.Open(p.url())
	b.Fill("account", a.Account)
	b.Fill("username", "alice")
	b.Fill("password", password)
	b.Click(`form[action="/signin"] button[type=submit]`)
	b.WaitText("Second factor")
	b.Fill("code", a.code())
	b.Press("Sign in")
	b.WaitText("Sign in to the AWS CLI?")
	b.Screenshots("aws-login")
	b.Press("Allow")
	b.WaitText("You can close this window.")
	p.works(p.received().Get("code"))

	p = newCLI(a)
	b.Open(p.url())
	b.Press("Cancel")
	b.WaitText("You can close this window.")
	if back := p.received(); back.Get("error") != "access_denied" {
		t.Errorf("cancelled: %v", back)
	}

	p = newRemoteCLI(a)
	b.Open(p.url())
	b.WaitText("Did you start this yourself")
	b.Screenshots("aws-login-remote")
	b.Press("Allow")
	b.WaitText("Paste this code")
	b.Wait(`location.pathname === "/v1/sessions/confirmation" && location.search === ""`)
	b.Screenshots("aws-login-code")
	b.Allow("clipboard-write")
	b.Allow("clipboard-read")
	b.Click("button[data-copy]")
	b.Wait(`document.querySelector("button.copy.done")`)
	p.works(p.pasted(browser.Eval[string](b, "navigator.clipboard.readText()")))
	b.Expect("410")
	b.Open(a.console() + "/v1/sessions/confirmation")
	b.WaitText("The code was shown once")

	// Not every user may.
	a.mayNot()
	p = newCLI(a)
	b.Open(p.url())
	b.Expect("403")
	b.Press("Allow")
	b.WaitText("You do not have permission for this")
	b.Screenshots("aws-login-denied")
	b.Press("Tell the program")
	b.WaitText("You can close this window.")
	if back := p.received(); back.Get("error") != "access_denied" {
		t.Errorf("denied: %v", back)
	}
	b.Expect("400")
	b.Open(a.console() + "/v1/authorize?response_type=code&redirect_uri=https%3A%2F%2Fevil.example%2F")
	b.WaitText("in a way that is not valid")
	b.Screenshots("aws-login-invalid")
	b.Open("about:blank")
}

func TestFederationInTheBrowser(t *testing.T) {
	a := newAlice(t)
	b := browser.New(t)
	link := a.broker("https://sso.example.com/portal", "/users")
	b.Open(link)
	b.WaitText("developers/carol@example.com")
	b.Screenshots("federation-users")
	b.Expect("401")
	b.Open(link)
	b.WaitText("The sign-in link did not work")
	b.Screenshots("federation-refused")
	b.Open(a.URL + "/federation?Action=logout")
	b.WaitText("Sign out?")
	b.Screenshots("signout")
	b.Press("Sign out")
	b.WaitText("Go to sso.example.com")
	b.Wait(`location.pathname === "/signin"`)
	b.Screenshots("signedout")
	b.Open("about:blank")
}
