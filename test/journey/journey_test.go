package journey

import (
	"encoding/base32"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"

	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/test/browser"
)

const account = "111122223333"

// ownSecurity is what AWS's documentation lets people do for themselves.
const ownSecurity = `{"Version":"2012-10-17","Statement":[
{"Effect":"Allow","Action":["iam:ChangePassword","iam:EnableMFADevice","iam:DeactivateMFADevice","iam:ResyncMFADevice","iam:ListAccessKeys"],"Resource":"arn:aws:iam::*:user/${aws:username}"},
{"Effect":"Allow","Action":["iam:CreateVirtualMFADevice","iam:DeleteVirtualMFADevice"],"Resource":"arn:aws:iam::*:mfa/*"}]}`

// tab is a browser at an installation.
type tab struct {
	*browser.Browser
	*installation
}

// secret is what a page with a secret shows under a label.
func (b tab) secret(label string) string {
	b.t.Helper()
	b.WaitText("This is the only time it can be seen.")
	value := browser.Eval[string](b.Browser, `document.querySelector('.secret button[aria-label="Copy `+label+`"]')?.dataset.copy ?? ""`)
	if value == "" {
		b.t.Fatalf("the page shows no %s:\n%s", label, b.Text("body"))
	}
	return value
}

// stored says that a secret is kept, and waits until the page of it has gone.
func (b tab) stored() {
	b.t.Helper()
	b.Press("I have stored it")
	b.gone(".secret")
}

func (b tab) gone(selector string) {
	b.t.Helper()
	b.Wait(`document.readyState === "complete" && !document.querySelector('` + selector + `')`)
}

// signedIn waits for a page of the console that greets somebody.
func (b tab) signedIn(name string) {
	b.t.Helper()
	b.Wait(`document.readyState === "complete" && document.querySelector("header .who .name")?.textContent.trim().startsWith("` + name + `")`)
}

// password fills the sign-in page.
func (b tab) password(user, password string) {
	b.t.Helper()
	b.Open(b.page("/signin", "as", "user", "account", account))
	b.Fill("username", user)
	b.Fill("password", password)
	b.Press("Sign in")
}

func (b tab) signOut() {
	b.t.Helper()
	b.Open(b.page("/security"))
	b.Press("Sign out")
	b.WaitText("You are signed out.")
}

// prove shows the password or the key again, if the console asks for that before it goes
// on, and tells whether it did. shown is what the page has that else comes.
func (b tab) prove(password, shown string) bool {
	b.t.Helper()
	b.Wait(`document.readyState === "complete" && (location.pathname === "/signin/factor" || document.querySelector('` + shown + `'))`)
	if !strings.HasPrefix(b.Path(), "/signin/factor") {
		return false
	}
	if browser.Eval[bool](b.Browser, `document.querySelector("[name=password]") !== null`) {
		b.Fill("password", password)
		b.Press("Go on")
	} else {
		b.Press("Use your passkey or security key")
	}
	b.Wait(`document.readyState === "complete" && location.pathname !== "/signin/factor"`)
	return true
}

// makeUser makes a user with a console password and gives that.
func (b tab) makeUser(name string) string {
	b.t.Helper()
	b.Open(b.page("/users/new"))
	b.Fill("name", name)
	b.Click("[name=password]")
	b.Press("Create user")
	password := b.secret("Password")
	b.stored()
	return password
}

// authenticator is an app on a phone.
type authenticator struct {
	seed []byte
	last int64 // the step of the code that was shown last
}

// newApp reads the key that the page shows, and confirms it with two codes.
func (b tab) newApp() *authenticator {
	b.t.Helper()
	b.Wait(`document.querySelector(".qr img")?.complete`)
	text := strings.ReplaceAll(browser.Eval[string](b.Browser, `[...document.querySelectorAll("dt")].find((e) => e.textContent === "Key").nextElementSibling.textContent`), " ", "")
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimSpace(text))
	if err != nil {
		b.t.Fatalf("the key %q: %v", text, err)
	}
	app := &authenticator{seed: seed}
	b.Fill("code1", b.code(app))
	b.Fill("code2", b.code(app))
	b.Press("Finish")
	return app
}

// code is one that was not shown before. Time passes until there is one.
func (b tab) code(a *authenticator) string {
	b.t.Helper()
	now := mfa.StepAt(b.now())
	if a.last == 0 {
		a.last = now - 2
	}
	a.last++
	if now < a.last {
		b.later(30 * time.Second * time.Duration(a.last-now))
	} else if now > a.last+1 {
		a.last = now
	}
	return mfa.Code(a.seed, a.last)
}

// claim makes root's passkey, by a link, and signs root in with it.
func (b tab) claim(link string) webauthn.AuthenticatorID {
	b.t.Helper()
	key := b.SecurityKey(true)
	b.Open(link)
	b.Wait(`document.querySelector("[name=secret]")?.value.length > 10`)
	b.Press("Go on")
	b.Fill("email", "root@example.com")
	b.Press("Go on to MFA")
	b.Press("Set up a passkey or security key")
	b.WaitText("Your recovery codes")
	b.stored()
	b.signedIn("root")
	return key
}

// From the link that the server prints to people who sign in with what they like, lose it,
// and come in again; and from a key to one that leaked.
func TestJourney(t *testing.T) {
	needAWS(t)
	admin := tab{browser.New(t), nil}
	user := tab{browser.New(t), nil}
	s := serve(t, t.TempDir(), "--dev", "--account", account)
	admin.installation, user.installation = s, s
	t.Cleanup(func() { admin.Open("about:blank"); user.Open("about:blank") }) // before the server ends

	var alicePassword, adaPassword string
	const newPassword = "Quiet-rivers-7-run-deep"
	ok := true
	part := func(name string, b tab, f func(t *testing.T)) {
		t.Helper()
		if !ok {
			return // what comes later needs what came before
		}
		began := time.Now()
		b.Run(t, name, func(t *testing.T) {
			outer := s.t
			s.t = t
			defer func() { s.t, ok = outer, !t.Failed() }()
			f(t)
		})
		t.Logf("%s: %.1f s", name, time.Since(began).Seconds())
	}

	part("root claims the account with a passkey", admin, func(t *testing.T) {
		key := admin.SecurityKey(true)
		admin.Open(s.link)
		admin.Wait(`document.querySelector("[name=secret]")?.value.length > 10 && location.hash === ""`)
		admin.Screenshots("journey-claim-1")
		admin.Press("Go on")
		admin.Fill("email", "root@example.com")
		admin.Screenshots("journey-claim-2")
		admin.Press("Go on to MFA")
		admin.WaitText("Step 2 of 3")
		admin.Screenshots("journey-claim-3")
		admin.Press("Set up a passkey or security key")
		admin.WaitText("Your recovery codes")
		admin.Screenshots("journey-recovery-codes")
		if codes := strings.Fields(admin.secret("Codes")); len(codes) != 10 {
			t.Errorf("%d recovery codes", len(codes))
		}
		admin.stored()
		admin.signedIn("root")
		admin.Unplug(key)
	})
	part("root makes an administrator and a user", admin, func(t *testing.T) {
		adaPassword = admin.makeUser("ada")
		admin.Open(s.page("/users/ada"))
		admin.Fill("policy", "AdministratorAccess")
		admin.Press("Attach")
		admin.Wait(`[...document.querySelectorAll("th")].some((e) => e.textContent === "AdministratorAccess")`)
		alicePassword = admin.makeUser("alice")
		admin.Open(s.page("/users/alice"))
		admin.Press("Add an inline policy")
		admin.Fill("inline", "own-security")
		admin.Fill("document", ownSecurity)
		admin.Press("Save the inline policy")
		admin.Wait(`[...document.querySelectorAll("th")].some((e) => e.textContent === "own-security")`)
		admin.signOut()
	})
	part("the administrator chooses a password", admin, func(t *testing.T) {
		admin.password("ada", adaPassword)
		admin.WaitText("Choose a new password")
		adaPassword = newPassword + "-ada-9"
		admin.Fill("password", adaPassword)
		admin.Fill("again", adaPassword)
		admin.Press("Set the password and go on")
		admin.signedIn("ada")
	})
	var phone *authenticator
	var codes []string
	var key webauthn.AuthenticatorID
	part("the user chooses a password", user, func(t *testing.T) {
		user.password("alice", alicePassword)
		user.WaitText("Choose a new password")
		user.Screenshots("journey-new-password")
		user.Fill("password", newPassword)
		user.Fill("again", newPassword)
		user.Press("Set the password and go on")
		user.signedIn("alice")
	})
	part("the user adds a passkey and an authenticator app", user, func(t *testing.T) {
		key = user.SecurityKey(true)
		user.Open(s.page("/security"))
		user.Screenshots("journey-security-empty")
		user.Open(s.page("/security/mfa/new"))
		user.prove(newPassword, "[name=device]")
		user.Press("Add a passkey or security key")
		user.Press("Make recovery codes")
		if user.prove(newPassword, ".secret") {
			user.Press("Make recovery codes")
		}
		codes = strings.Fields(user.secret("Codes"))
		user.stored()
		user.Hands(key, false)
		user.Open(s.page("/security/mfa/new"))
		user.Fill("device", "phone")
		user.Press("Set up an authenticator app")
		phone = user.newApp()
		user.Wait(`location.pathname === "/security"`)
		user.WaitText("phone")
		user.Screenshots("journey-security")
		user.signOut()
	})
	part("passkey", user, func(t *testing.T) {
		user.Open(s.page("/signin"))
		user.Screenshots("journey-signin")
		user.Press("Sign in with a passkey")
		user.Hands(key, true)
		user.signedIn("alice")
		user.Hands(key, false)
		user.signOut()
	})
	part("password and code", user, func(t *testing.T) {
		user.password("alice", newPassword)
		user.WaitText("or with a code")
		user.Screenshots("journey-factor")
		user.Fill("code", user.code(phone))
		user.Press("Sign in")
		user.signedIn("alice")
		user.signOut()
	})
	part("recovery code", user, func(t *testing.T) {
		user.password("alice", newPassword)
		user.Press("Lost the device? Use a recovery code")
		user.Fill("recovery", codes[0])
		user.Press("Sign in with the recovery code")
		user.signedIn("alice")
		user.signOut()
	})
	var link string
	part("the administrator makes a recovery link", admin, func(t *testing.T) {
		admin.Open(s.page("/users/alice", "tab", "credentials"))
		admin.Press("Make a one-time recovery link")
		if admin.prove(adaPassword, ".secret") {
			admin.Press("Make a one-time recovery link")
		}
		link = admin.secret("Link")
		admin.stored()
	})
	recovered := func(link, device string) {
		t.Helper()
		user.Open("about:blank")
		user.Open(link)
		user.Wait(`document.querySelector("[name=secret]")?.value.length > 10`)
		user.Press("Go on")
		user.Fill("password", newPassword)
		user.Press("Go on")
		user.WaitText("takes the place of the lost one")
		user.Fill("device", device)
		user.Press("Set up an authenticator app")
		phone = user.newApp()
		codes = strings.Fields(user.secret("Codes"))
		user.stored()
		user.signedIn("alice")
	}
	part("the user lost all devices", user, func(t *testing.T) {
		recovered(link, "second-phone")
		user.signOut()
		user.password("alice", newPassword)
		user.Fill("code", user.code(phone))
		user.Press("Sign in")
		user.signedIn("alice")
		user.signOut()
	})
	part("the user lost all devices again, and the host helps", user, func(t *testing.T) {
		recovered(s.run("recover", "--user", "alice"), "third-phone")
	})

	var old, rotated keys
	part("an access key is rotated", admin, func(t *testing.T) {
		admin.Open(s.page("/access-keys/new", "user", "alice"))
		admin.Press("Create access key")
		old = keys{ID: admin.secret("Access key ID"), Secret: admin.secret("Secret access key")}
		admin.stored()
		calls := func(k keys, want bool) {
			t.Helper()
			out, err := s.aws(k, "sts", "get-caller-identity", "--query", "Arn", "--output", "text")
			switch {
			case want && (err != nil || !strings.HasSuffix(out, ":user/alice")):
				t.Errorf("the key %s is %q: %v", k.ID, out, err)
			case !want && (err == nil || !strings.Contains(err.Error(), "InvalidClientTokenId")):
				t.Errorf("the key %s, which is off: %q, %v", k.ID, out, err)
			}
		}
		calls(old, true)
		admin.Open(s.page("/access-keys/" + old.ID))
		admin.Press("Make a new key")
		rotated = keys{ID: admin.secret("Access key ID"), Secret: admin.secret("Secret access key")}
		admin.stored()
		admin.WaitText("The new key has not been used yet")
		admin.Screenshots("journey-rotation-1")
		calls(rotated, true)
		calls(old, true)
		// The page finds out by itself.
		admin.WaitText("Both keys are used")
		admin.WaitText("aws-cli")
		admin.Screenshots("journey-rotation-2")
		admin.Press("Deactivate the old key")
		admin.WaitText("is inactive. It can be reactivated")
		calls(old, false)
		calls(rotated, true)
		admin.Open(s.page("/access-keys/" + old.ID))
		admin.WaitText("Something still has the old key")
		admin.Screenshots("journey-rotation-3")
		admin.Press("Delete " + old.ID)
		admin.Fill("typed", old.ID)
		admin.Press("Delete")
		admin.WaitText("was deleted")
		calls(old, false)
	})
	part("a denial is explained", admin, func(t *testing.T) {
		_, err := s.aws(rotated, "iam", "create-user", "--user-name", "mallory")
		if err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Fatalf("alice makes users: %v", err)
		}
		admin.Open(s.page("/why"))
		admin.WaitText("iam:CreateUser")
		admin.Click(`tr:has(td[data-label=Action]) th a`)
		admin.WaitText("The smallest change that would alter it")
		admin.WaitText("arn:aws:iam::" + account + ":user/mallory")
		admin.Screenshots("journey-why")
		admin.Wait(`document.querySelector("section[aria-labelledby=change] li").textContent.includes("iam:CreateUser")`)
	})
	part("a key leaked", admin, func(t *testing.T) {
		admin.Open(s.page("/access-keys/" + rotated.ID))
		admin.Press("This key leaked")
		admin.WaitText("Stop it")
		admin.Press("Stop this key now")
		admin.WaitText("CreateUser") // the report
		admin.Screenshots("journey-exposed-key")
		if _, err := s.aws(rotated, "sts", "get-caller-identity"); err == nil || !strings.Contains(err.Error(), "InvalidClientTokenId") {
			t.Errorf("the key that leaked: %v", err)
		}
		admin.Open(s.page("/access-keys/" + rotated.ID))
		admin.WaitText("Inactive")
	})
	part("the trail tells who signed in", admin, func(t *testing.T) {
		out, err := s.aws(s.owner(), "cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=ConsoleLogin", "--query", "Events[].CloudTrailEvent", "--output", "json")
		if err != nil {
			t.Fatal(err)
		}
		var records []string
		if err := json.Unmarshal([]byte(out), &records); err != nil {
			t.Fatal(err)
		}
		type login struct{ who, mfa string }
		seen := map[login]int{}
		for _, text := range records {
			var r struct {
				UserIdentity        struct{ Type, UserName string }
				AdditionalEventData struct{ MFAUsed string }
				ResponseElements    struct{ ConsoleLogin string }
			}
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				t.Fatal(err)
			}
			if r.ResponseElements.ConsoleLogin != "Success" {
				t.Errorf("a sign-in that failed: %s", text)
			}
			who := r.UserIdentity.UserName
			if r.UserIdentity.Type == "Root" {
				who = "root"
			}
			seen[login{who, r.AdditionalEventData.MFAUsed}]++
		}
		for want, n := range map[login]int{{"root", "Yes"}: 1, {"ada", "No"}: 1, {"alice", "No"}: 1, {"alice", "Yes"}: 5} {
			if seen[want] < n {
				t.Errorf("%d sign-ins of %s with MFAUsed %s, want at least %d; all: %v", seen[want], want.who, want.mfa, n, seen)
			}
		}
	})
}

// With a database: what was set up before a restart lets people in after it.
func TestJourneyOverARestart(t *testing.T) {
	b := tab{browser.New(t), nil}
	dir := t.TempDir()
	place := []string{"--data", filepath.Join(dir, "data"), "--seal-key-file", filepath.Join(dir, "seal.key")}
	initialize := exec.Command(lanyard, append([]string{"init", "--account", account}, place...)...)
	initialize.Env = clean()
	if out, err := initialize.CombinedOutput(); err != nil {
		t.Fatalf("lanyard init: %v\n%s", err, out)
	}
	s := serve(t, dir, place...)
	b.installation = s
	b.claim(s.run("claim"))
	cookies := s.console
	b.Open("about:blank")
	s.stop()

	// The port is another one; the name, to which passkeys and cookies belong, is not.
	s = serve(t, dir, place...)
	b.installation = s
	if s.console == cookies {
		t.Log("the same port again")
	}
	b.Open(s.page("/users"))
	b.signedIn("root") // the session is in the database
	b.signOut()
	t.Cleanup(func() { b.Open("about:blank") })
}

// BenchmarkFirstPaint tells when a page shows its first words, from the moment when the
// browser is told to go there. Style sheet and script it has from the visit before.
func BenchmarkFirstPaint(b *testing.B) {
	t := tab{browser.New(b), serve(b, b.TempDir(), "--dev", "--account", account)}
	b.Cleanup(func() { t.Open("about:blank") })
	t.Hands(t.claim(t.link), false)
	for _, page := range []string{"/signin?again=1", "/", "/users"} {
		b.Run(strings.TrimSuffix(page, "?again=1"), func(b *testing.B) {
			var took []float64
			t.Open(t.page("") + page)
			for b.Loop() {
				t.Open("about:blank")
				t.Open(t.page("") + page)
				t.Wait(`performance.getEntriesByName("first-contentful-paint").length > 0`)
				took = append(took, browser.Eval[float64](t.Browser, `performance.getEntriesByName("first-contentful-paint")[0].startTime`))
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2], "ms/median")
			b.ReportMetric(took[len(took)*95/100], "ms/p95")
			b.ReportMetric(0, "ns/op")
		})
	}
}
