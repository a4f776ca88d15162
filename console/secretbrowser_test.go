package console

import (
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/test/browser"
)

// A secret that was shown is not shown again by Back, neither after it was stored nor after
// somebody went elsewhere: the browser keeps whole pages for that.
func TestBackShowsNoSecretAgain(t *testing.T) {
	b := browser.New(t)
	w := newWorld(t)
	w.at(time.Now().UTC())
	w.signInRoot()
	base := w.enter(b)
	for name, leave := range map[string]func(){
		"stored": func() {
			b.Press("I have stored it")
			b.WaitText("MFA devices")
		},
		"elsewhere": func() {
			b.Open(base + "/groups")
			b.WaitText("No groups yet")
		},
	} {
		b.Open(base + "/users/new")
		b.Fill("name", name)
		b.Click("[name=password]")
		b.Press("Create user")
		b.WaitText("This is the only time it can be seen.")
		password := browser.Eval[string](b, `document.querySelector('.secret button[aria-label="Copy Password"]').dataset.copy`)
		leave()
		browser.Eval[bool](b, `setTimeout(() => history.back(), 50) > 0`)
		b.Wait(`document.readyState === "complete" && location.pathname === "/users/` + name + `" && document.querySelector("h1")?.textContent === "` + name + `"`)
		if browser.Eval[bool](b, `document.documentElement.outerHTML.includes("`+password+`")`) {
			t.Errorf("%s: Back shows the password again", name)
		}
	}

	// The page of recovery codes is one that Chromium keeps.
	b.Open(base + "/security/recovery-codes")
	b.Press("Make recovery codes")
	b.WaitText("Your recovery codes")
	codes := browser.Eval[string](b, `document.querySelector('.secret button[aria-label="Copy Codes"]').dataset.copy`)
	browser.Eval[bool](b, `setTimeout(() => { location.href = "/groups" }, 50) > 0`)
	b.WaitText("No groups yet")
	browser.Eval[bool](b, `setTimeout(() => history.back(), 50) > 0`)
	time.Sleep(time.Second)
	b.Wait(`document.readyState === "complete" && document.querySelector("h1")?.textContent === "My security"`)
	if len(codes) < 100 || browser.Eval[bool](b, `document.documentElement.outerHTML.includes("`+codes[:19]+`")`) {
		t.Errorf("Back shows the recovery codes again: %s", b.Text("body"))
	}
}
