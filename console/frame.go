package console

import (
	"hash/crc32"
	"net/http"
	"strings"
	"time"
)

// frame is the view model of the layout: all that stands around a page.
type frame struct {
	Title   string
	Lead    string
	Crumbs  []Crumb
	Nav     []navSection
	Now     time.Time
	Here    string // the path of the navigation entry to mark
	Person  *Person
	Region  string
	Flashes []Flash
	Theme   string // "light", "dark", or empty to follow the system
	Path    string // of this page, to come back to
	CLI     []Command
	Left    time.Duration // until the session ends
	Card    bool
	Body    any
	// Replaces says that somebody is signed in already, whose place another would take.
	Replaces bool
}

// Soon reports whether the session is about to end.
func (f frame) Soon() bool { return f.Left <= 5*time.Minute }

// Who names the person's account, and Digits are its id as people read it.
func (p Person) Who() string {
	if p.Alias != "" {
		return p.Alias
	}
	return p.Digits()
}

// Digits is the account id in groups of four, as AWS's console shows it.
func (p Person) Digits() string { return digits(p.Account) }

func digits(account string) string {
	if len(account) != 12 {
		return account
	}
	return account[:4] + "-" + account[4:8] + "-" + account[8:]
}

// colourOf is the colour of an account that nobody gave one: red if its alias says that
// it is production, else one that stays the same for it.
func colourOf(account, alias string) Colour {
	if strings.Contains(strings.ToLower(alias), "prod") {
		return Red
	}
	others := [...]Colour{Teal, Purple, Orange, LightBlue, Green, Pink, Yellow, DarkBlue}
	digits := crc32.ChecksumIEEE([]byte(account))
	return others[digits%uint32(len(others))]
}

// navSection is a group of entries in the navigation.
type navSection struct {
	Title   string
	Entries []navEntry
}

type navEntry struct{ Text, Path, Icon string }

// allNavigation is the navigation when every page exists.
func allNavigation() []navSection {
	return []navSection{
		{"", []navEntry{
			{"Home", "/", "home"},
			{"My security", "/security", "lock"},
		}},
		{"Access management", []navEntry{
			{"Users", "/users", "user"},
			{"Groups", "/groups", "users"},
			{"Roles", "/roles", "role"},
			{"Policies", "/policies", "policy"},
			{"Identity providers", "/identity-providers", "link"},
		}},
		{"Understand access", []navEntry{
			{"Why denied", "/why", "why"},
			{"Policy simulator", "/simulator", "play"},
			{"Event history", "/events", "clock"},
			{"Credential report", "/credential-report", "report"},
		}},
		{"Stay safe", []navEntry{
			{"Findings", "/findings", "shield"},
			{"Checklists", "/checklists", "check"},
			{"Credential advisor", "/credential-advisor", "compass"},
			{"Access plan", "/access-plan", "plan"},
			{"Exposed key", "/exposed-key", "alarm"},
		}},
		{"Lanyard", []navEntry{
			{"Settings", "/settings", "gear"},
			{"Health", "/health", "pulse"},
		}},
	}
}

// navigation keeps what leads somewhere.
func navigation(paths map[string]bool) []navSection {
	var kept []navSection
	for _, section := range allNavigation() {
		var entries []navEntry
		for _, entry := range section.Entries {
			if paths[entry.Path] {
				entries = append(entries, entry)
			}
		}
		if len(entries) > 0 {
			kept = append(kept, navSection{section.Title, entries})
		}
	}
	return kept
}

// frame puts a page into the layout.
func (v *Visit) frame(page Page) frame {
	f := frame{
		Title:   page.Title,
		Lead:    page.Lead,
		Crumbs:  page.Crumbs,
		Nav:     v.console.nav,
		Now:     v.Now,
		Here:    page.Nav,
		Person:  v.Person,
		Region:  v.console.config.Region,
		Flashes: v.takeFlashes(),
		Theme:   theme(v.Request),
		Path:    v.here(),
		CLI:     page.CLI,
		Card:    page.Layout == Card || v.Person == nil,
		Body:    page.Body,

		Replaces: page.Replaces && v.Person != nil,
	}
	if f.Here == "" {
		first, _, _ := strings.Cut(strings.TrimPrefix(v.Request.URL.Path, "/"), "/")
		f.Here = "/" + first
	}
	if v.Person != nil {
		f.Left = max(0, v.Person.Expires.Sub(v.Now))
	}
	return f
}

const themeCookie = "__Host-lanyard-theme"

// theme is what the browser's cookie says, if it is one of ours.
func theme(r *http.Request) string {
	cookie, err := r.Cookie(themeCookie)
	if err != nil || cookie.Value != "light" && cookie.Value != "dark" {
		return ""
	}
	return cookie.Value
}

// setTheme remembers light, dark or the system's choice in the browser.
func (c *Console) setTheme(v *Visit) error {
	cookie := http.Cookie{
		Name: themeCookie, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Value: v.Form("theme"), MaxAge: int((365 * day).Seconds()),
	}
	if cookie.Value != "light" && cookie.Value != "dark" {
		cookie.Value, cookie.MaxAge = "", -1
	}
	v.SetCookie(&cookie)
	return v.Redirect(v.Form("return"))
}
