package console

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/lanyard-iam/lanyard/test/browser"
)

// open serves a console to a browser. Its clock is the real one, as the browser's is.
func (x *tester) open(b *browser.Browser) string {
	x.t.Helper()
	server := b.Serve(x.console)
	u, _ := url.Parse(server.URL)
	x.console.config.URL = &url.URL{Scheme: "http", Host: "localhost:" + u.Port()}
	x.at(time.Now().UTC())
	x.person.Expires = x.now.Add(11*time.Hour + 40*time.Minute)
	return x.console.config.URL.String()
}

// TestGallery looks at every component in a real browser, and takes its picture in
// light and dark, wide and narrow.
func TestGallery(t *testing.T) {
	b := browser.New(t)
	x := newTest(t, galleryRoutes(plain)...)
	base := x.open(b)
	b.Open(base + "/gallery")
	b.WaitText("First steps")
	b.Screenshots("gallery")
	b.Press("Delete")
	b.WaitText("Delete the user bob?")
	b.Screenshots("gallery-dialog")
	b.Press("Cancel")
	b.Click(".who")
	b.WaitText("Sign out")
	b.Screenshots("gallery-menu")
	b.Do(chromedp.EmulateViewport(390, 844))
	b.Open(base + "/gallery")
	b.Press("Navigation")
	b.Wait(`document.getElementById("nav").matches(":popover-open")`)
	b.Screenshots("gallery-nav")
	b.Open(base + "/nowhere")
	b.Screenshots("gallery-problem")
	b.Expect("404")
	x.person = nil
	b.Open(base + "/card")
	b.Screenshots("gallery-card")
}

// TestScript goes through all that the script does, and what htmx does under our
// policy.
func TestScript(t *testing.T) {
	b := browser.New(t)
	routes := append(galleryRoutes(plain),
		Route{Pattern: "GET /x/rows", Handle: func(v *Visit) error {
			if !v.WantsFragment() {
				t.Error("htmx did not say that it asks")
			}
			return v.Fragment("parts", "rows", []string{"one <b>", "two"})
		}},
		Route{Pattern: "GET /x/denied", Handle: func(v *Visit) error { return errForeign }},
		Route{Pattern: "GET /x/moved", Handle: func(v *Visit) error { return v.Redirect("/users") }},
		Route{Pattern: "GET /parts", Handle: func(v *Visit) error { return v.Render("parts", Page{Title: "Parts"}) }},
		Route{Pattern: "GET /claim", Access: Anyone, Handle: func(v *Visit) error {
			return v.Render("link", Page{Title: "Claim", Layout: Card})
		}},
	)
	for i := range routes {
		if routes[i].Pattern == "GET /users" {
			routes[i].Handle = func(v *Visit) error { return v.Render("problem", Page{Title: "The users", Body: Problem{}}) }
		}
	}
	x := newTest(t, routes...)
	base := x.open(b)

	b.Run(t, "htmx", func(t *testing.T) {
		b.Open(base + "/parts")
		b.Press("Load")
		b.WaitText("two")
		if text := b.Text("#rows"); !strings.Contains(text, "one <b>") {
			t.Errorf("the rows are %q", text)
		}
		b.Press("More") // came with the fragment: its nonce is that of another answer
		b.Wait(`document.querySelectorAll("#rows li").length === 2 && !document.querySelector("#rows .stale")`)
		b.Press("Fail")
		b.WaitText("The request came from another site")
		b.Expect("403")
		b.Press("Move")
		b.Wait(`location.pathname === "/users"`)
	})
	b.Run(t, "keys", func(t *testing.T) {
		b.Open(base + "/parts")
		b.Keys("/")
		b.Wait(`document.activeElement.id === "search"`)
		b.Keys("gu") // typed into the field
		if got := b.Path(); got != "/parts" {
			t.Errorf("a key in a field led to %s", got)
		}
		b.Open(base + "/parts")
		b.Keys("?")
		b.WaitText("Keyboard shortcuts")
		b.Press("Close")
		b.Wait(`!document.querySelector("dialog[open]")`)
		b.Keys("g")
		b.Keys("u")
		b.Wait(`location.pathname === "/users"`)
	})
	b.Run(t, "filter", func(t *testing.T) {
		b.Open(base + "/gallery")
		b.Fill("filter", "no mfa")
		b.WaitText("1 of 5 users")
		if n := browser.Eval[int](b, `[...document.querySelectorAll("#user-table tbody tr")].filter(r => r.checkVisibility()).length`); n != 1 {
			t.Errorf("%d rows are shown", n)
		}
		b.Fill("filter", "nobody")
		b.WaitText("No row matches.")
		b.Fill("filter", "a")
		b.WaitText("5 of 5 users")
		b.Open(base + "/gallery?filter=bob")
		b.WaitText("1 of 5 users")
	})
	b.Run(t, "dialog", func(t *testing.T) {
		b.Open(base + "/gallery")
		b.Press("Delete")
		b.Wait(`document.getElementById("delete").open`)
		off := `document.querySelector("#delete [type=submit]").disabled`
		if !browser.Eval[bool](b, off) {
			t.Error("the name need not be typed")
		}
		b.Fill("typed", "bo")
		if !browser.Eval[bool](b, off) {
			t.Error("half the name is enough")
		}
		b.Fill("typed", "bob")
		b.Wait(`!` + off)
		b.Keys("\x1b")
		b.Wait(`!document.getElementById("delete").open`)
		b.Wait(`document.activeElement.textContent === "Delete"`)
	})
	b.Run(t, "copy", func(t *testing.T) {
		b.Open(base + "/gallery")
		b.Allow("clipboard-write")
		b.Allow("clipboard-read")
		b.Press("Copy Secret access key")
		b.WaitText("Access key for alice")
		b.Wait(`document.querySelector("button[aria-label=Copied]")`)
		if got := browser.Eval[string](b, "navigator.clipboard.readText()"); got != "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" {
			t.Errorf("copied %q", got)
		}
	})
	b.Run(t, "secret", func(t *testing.T) {
		b.Open(base + "/gallery")
		shown := `[...document.querySelectorAll(".mask code")].some(c => c.checkVisibility())`
		if browser.Eval[bool](b, shown) {
			t.Error("the secret is shown before anyone asks")
		}
		b.Click(".mask summary")
		b.Wait(shown)
		if href := browser.Eval[string](b, `document.querySelector("a[download]").href`); href != "data:text/csv;charset=utf-8,Access%20key%20ID%2CSecret%20access%20key%0D%0AAKIAEXAMPLE3K7QNR5TB%2CwJalrXUtnFEMI%2FK7MDENG%2FbPxRfiCYEXAMPLEKEY%0D%0A" {
			t.Errorf("the file is %s", href)
		}
		b.Wait(`location.search === "?left"`)
	})
	b.Run(t, "fragment", func(t *testing.T) {
		b.Open(base + "/claim#Q7RM-4K2P-XH9D-T3WV")
		b.Wait(`document.querySelector("[name=secret]").value === "Q7RM-4K2P-XH9D-T3WV" && location.hash === ""`)
	})
	b.Run(t, "theme", func(t *testing.T) {
		b.Open(base + "/gallery")
		b.Scheme("light")
		dark := `getComputedStyle(document.body).backgroundColor === "rgb(13, 19, 26)"`
		b.Click(".who")
		b.Press("Dark")
		b.Wait(dark)
		b.Open(base + "/gallery")
		if !browser.Eval[bool](b, dark) {
			t.Error("the next page is light")
		}
		b.Click(".who")
		b.Press("System")
		b.Wait(`!(` + dark + `)`)
	})
	b.Run(t, "session", func(t *testing.T) {
		x.person.Expires = time.Now().Add(11*time.Hour + 30*time.Second)
		b.Open(base + "/parts")
		if browser.Eval[bool](b, `document.getElementById("session").checkVisibility()`) {
			t.Error("there is a warning eleven hours ahead")
		}
		x.person.Expires = time.Now().Add(4*time.Minute + 58*time.Second)
		x.at(time.Now().UTC())
		b.Open(base + "/parts")
		b.WaitText("Your session ends in 4 min")
		x.person.Expires = time.Now().Add(2 * time.Second)
		b.Open(base + "/parts")
		b.WaitText("Your session has ended.")
	})
}

// TestT241_AnotherSitePosts has a page of another origin post to the console.
func TestT241_AnotherSitePosts(t *testing.T) {
	b := browser.New(t)
	changed := false
	x := newTest(t, append(galleryRoutes(plain), Route{Pattern: "POST /change", Access: Anyone, Handle: func(v *Visit) error {
		changed = true
		return nil
	}})...)
	base := x.open(b)
	evil := b.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<title>x</title><link rel=icon href="data:,"><form method=post action="` + base + `/change"><button>Go</button></form>`))
	}))
	b.Open(evil.URL)
	b.Press("Go")
	b.WaitText("The request came from another site")
	b.Expect("403")
	if changed {
		t.Error("another site changed something")
	}
}

// TestSecurityKeys goes through the ceremonies as the script runs them: options from the
// server, a credential to it, the place to go to or what is wrong.
func TestSecurityKeys(t *testing.T) {
	const challenge = "AAECAwQFBgcICQoLDA0ODw"
	type finished struct {
		Name       string `json:"name"`
		Credential struct {
			ID       string `json:"id"`
			Type     string `json:"type"`
			Response struct {
				ClientDataJSON    string `json:"clientDataJSON"`
				AttestationObject string `json:"attestationObject"`
				Signature         string `json:"signature"`
				UserHandle        string `json:"userHandle"`
			} `json:"response"`
		} `json:"credential"`
	}
	var registered string
	var fail error
	b := browser.New(t)
	var base string
	read := func(v *Visit) (finished, error) {
		var in finished
		// The rest of a credential is the security key library's to read.
		if err := json.NewDecoder(v.Request.Body).Decode(&in); err != nil {
			return in, err
		}
		data, err := base64.RawURLEncoding.DecodeString(in.Credential.Response.ClientDataJSON)
		if err != nil || !strings.Contains(string(data), `"challenge":"`+challenge+`"`) || !strings.Contains(string(data), `"origin":"`+base+`"`) || in.Credential.Type != "public-key" {
			t.Errorf("the credential is %+v, signed over %s", in, data)
		}
		return in, nil
	}
	routes := append(galleryRoutes(plain),
		Route{Pattern: "GET /keys", Access: Anyone, Handle: func(v *Visit) error { return v.Render("keys", Page{Title: "Keys", Layout: Card}) }},
		Route{Pattern: "GET /autofill", Access: Anyone, Handle: func(v *Visit) error {
			return v.Render("keys", Page{Title: "Keys", Layout: Card, Body: "autofill"})
		}},
		Route{Pattern: "GET /done", Access: Anyone, Handle: func(v *Visit) error { return v.Render("parts", Page{Title: "Done"}) }},
		Route{Pattern: "POST /create/begin", Access: Anyone, Handle: func(v *Visit) error {
			exclude := []any{}
			if registered != "" {
				exclude = append(exclude, map[string]any{"type": "public-key", "id": registered})
			}
			return v.JSON(200, map[string]any{"publicKey": map[string]any{
				"challenge": challenge, "rp": map[string]any{"id": "localhost", "name": "Lanyard"},
				"user":                   map[string]any{"id": "YWxpY2U", "name": "alice", "displayName": "alice"},
				"pubKeyCredParams":       []any{map[string]any{"type": "public-key", "alg": -7}, map[string]any{"type": "public-key", "alg": -257}},
				"authenticatorSelection": map[string]any{"residentKey": "required", "userVerification": "required"},
				"excludeCredentials":     exclude,
			}})
		}},
		Route{Pattern: "POST /create/finish", Access: Anyone, Handle: func(v *Visit) error {
			in, err := read(v)
			if err != nil {
				return err
			}
			if in.Name != "My key" || in.Credential.Response.AttestationObject == "" {
				t.Errorf("got %+v", in)
			}
			registered = in.Credential.ID
			return v.Redirect("/done?created")
		}},
		Route{Pattern: "POST /get/begin", Access: Anyone, Handle: func(v *Visit) error {
			if fail != nil {
				return fail
			}
			return v.JSON(200, map[string]any{"publicKey": map[string]any{"challenge": challenge, "rpId": "localhost", "userVerification": "required"}})
		}},
		Route{Pattern: "POST /get/finish", Access: Anyone, Handle: func(v *Visit) error {
			in, err := read(v)
			if err != nil {
				return err
			}
			if in.Credential.ID != registered || in.Credential.Response.Signature == "" || in.Credential.Response.UserHandle != "YWxpY2U" {
				t.Errorf("got %+v", in)
			}
			return v.Redirect("/done?signed-in")
		}},
	)
	x := newTest(t, routes...)
	base = x.open(b)
	x.person = nil
	key := b.SecurityKey(true)

	b.Open(base + "/keys")
	b.Press("Register")
	b.Wait(`location.search === "?created"`)
	if n := len(b.Credentials(key)); n != 1 {
		t.Fatalf("the key holds %d credentials", n)
	}
	b.Open(base + "/keys")
	b.Press("Register")
	b.WaitText("This security key is registered already. Use another one.")
	b.Press("Use")
	b.Wait(`location.search === "?signed-in"`)

	fail = &Problem{Status: 403, Title: "That did not work", Why: "Try again."}
	b.Expect("403")
	b.Open(base + "/keys")
	b.Press("Use")
	b.WaitText("That did not work. Try again.")
	fail = nil
	b.Press("Use")
	b.Wait(`location.search === "?signed-in"`)

	b.Open(base + "/autofill")
	b.Wait(`location.search === "?signed-in"`)
}
