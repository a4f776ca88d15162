package console

import (
	"net/url"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/test/browser"
)

// TestPrinted looks at the pages that people take to a meeting on paper: what they say, whose
// account it is about and of when, black on white, and nothing to press.
func TestPrinted(t *testing.T) {
	b := browser.New(t)
	w, _, _ := furnished(t)
	w.later(time.Until(w.now))
	w.signIn("alice")
	w.patient()
	w.post("/credential-report", nil).leadsTo(t, "/credential-report")
	w.settled("/findings")
	base := w.enter(b)
	for name, page := range map[string]struct{ path, says string }{
		"access-plan":       {"/access-plan", "Break-glass"},
		"checklists":        {"/checklists", "Secure this account"},
		"checklist":         {"/checklists/secure-account", "Set a password policy"},
		"findings":          {"/findings", "A user with a password has no MFA"},
		"credential-report": {"/credential-report", "a-user-with-a-rather-long-name-that-has-to-wrap-on-a-telephone"},
		"credential-advice": {"/credential-advisor?" + url.Values{"who": {"workload"}, "where": {"container"}, "reaches": {"yes"}, "lasting": {"1h"}, "name": {"billing"}}.Encode(), "Use this"},
	} {
		b.Run(t, name, func(t *testing.T) {
			b.Open(base + page.path)
			b.WaitText(page.says)
			if name == "credential-report" { // of what is filtered out, the paper says so
				b.Fill("filter", "rather-long")
				page.says = "1 of "
			}
			b.Print("print-"+name, func() {
				b.WaitText(page.says)
				b.WaitText("Account example-prod (1111-2222-3333), as seen by alice on " + w.now.Format("2006-01-02"))
				for what, expression := range map[string]string{
					"things to press": `[...document.querySelectorAll("button, .button, input, select, nav, header.bar, dialog")].filter((e) => e.checkVisibility()).map((e) => e.outerHTML)`,
					"pale words": `[...document.body.querySelectorAll("*")].filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).filter((e) => {
						const [r, g, b] = getComputedStyle(e).color.match(/[\d.]+/g).map(Number);
						return 0.2126 * r + 0.7152 * g + 0.0722 * b > 140;
					}).map((e) => getComputedStyle(e).color + " " + e.outerHTML)`,
					"dark grounds":         `[document.documentElement, document.body, ...document.querySelectorAll(".panel, .alert, pre, table, .tablebox")].filter((e) => !["rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"].includes(getComputedStyle(e).backgroundColor)).map((e) => getComputedStyle(e).backgroundColor + " " + e.className)`,
					"rows that may be cut": `[...document.querySelectorAll("tr")].filter((e) => e.checkVisibility() && getComputedStyle(e).breakInside !== "avoid").map((e) => e.outerHTML)`,
					"what is cut off":      `[...document.querySelectorAll("main *")].filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== "visible" && !e.classList.contains("hidden")).map((e) => e.outerHTML)`,
				} {
					for _, found := range browser.Eval[[]string](b, expression) {
						t.Errorf("%s: %.200s", what, found)
					}
				}
			})
		})
	}
}
