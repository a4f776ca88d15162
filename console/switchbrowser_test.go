package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/test/browser"
)

// A person follows a link to a role, switches, works as it, and comes back.
func TestSwitchRoleInABrowser(t *testing.T) {
	b := browser.New(t)
	w := newSwitchWorld(t)
	w.later(time.Until(w.now)) // the browser's clock is the real one
	w.signIn("alice")
	base := w.enter(b)
	who := func(want string) {
		t.Helper()
		b.Wait(`document.readyState === "complete" && document.querySelector("header .who .name")?.textContent.trim() === "` + want + `"`)
	}
	b.Open(base + "/switchrole?account=acme-prod&roleName=deploy&displayName=Deploy&color=red")
	who("alice")
	b.Screenshots("switch-form")
	b.Press("Switch role")
	who("Deploy")
	b.WaitText("You work as the role deploy")
	b.Open(base + "/roles")
	b.Screenshots("switch-roles")
	b.Click("header .who")
	b.WaitText("Back to alice")
	b.Screenshots("switch-menu")
	b.Press("Back to alice")
	who("alice")
	b.WaitText("You are alice again.")
	b.Open(base + "/switchrole")
	b.WaitText("Recent roles")
	b.Screenshots("switch-recent")

	// The editor of inline policies, with what the buttons beside Save show.
	w.signInTo(ours)
	w.post("/users/alice/inline", url.Values{"inline": {"mine"}, "document": {nothing}})
	base = w.enter(b)
	b.Open(base + "/users/alice/inline?policy=mine")
	b.Fill("document", strings.Replace(nothing, "s3:ListAllMyBuckets", "s3:Get*", 1))
	b.WaitText("no faults found")
	b.Press("Format")
	b.Wait(`document.readyState === "complete" && document.querySelector("#editor").value.includes("\n  \"Version\"")`)
	b.Press("Show the changes")
	b.WaitText("What saving changes")
	b.Screenshots("inline-changes")
	b.Press("Save the inline policy")
	b.WaitText("The inline policy mine was saved.")
	if a := w.get("/users/alice/inline?policy=mine"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "s3:Get*") {
		t.Errorf("saved: %d", a.StatusCode)
	}
}
