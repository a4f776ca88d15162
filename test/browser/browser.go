// Package browser drives a real Chromium for tests. A test that uses it fails on
// any error in the browser's console, which is where violations of the content
// security policy end up, and can give itself a security key.
//
// Where no Chromium is installed, the tests are skipped, and scripts/test says so.
package browser

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// Browser is one tab in a browser of its own, with no cookies and no history.
type Browser struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	messages []string
	expected []string
}

// patience is how long one step may take on a busy machine.
const patience = 30 * time.Second

// New starts a browser that ends with the test. It skips the test where there is
// no Chromium.
func New(t testing.TB) *Browser {
	t.Helper()
	path := find()
	if path == "" {
		t.Skip("SKIPPED: no chromium is installed")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // the tests may run as root
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("font-render-hinting", "none"),
		chromedp.UserDataDir(t.TempDir()),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	b := &Browser{t: t, ctx: ctx}
	messages := chromedp.Console(ctx)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 800), chromedp.Navigate("about:blank")); err != nil {
		cancel()
		stop()
		t.Fatalf("start the browser: %v", err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleException || m.Type == chromedp.ConsoleWarning {
				b.mu.Lock()
				b.messages = append(b.messages, m.String()+" ("+m.URL+")")
				b.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() {
		time.Sleep(100 * time.Millisecond) // for the last messages to arrive
		_ = chromedp.Cancel(ctx)
		cancel()
		stop()
		<-read
		b.complain()
	})
	return b
}

// find looks for a Chromium. LANYARD_CHROMIUM names one.
func find() string {
	if path := os.Getenv("LANYARD_CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// complain fails the test for every message of the console that nobody expected.
func (b *Browser) complain() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, message := range b.messages {
		expected := false
		for _, text := range b.expected {
			expected = expected || strings.Contains(message, text)
		}
		if !expected {
			b.t.Errorf("the browser's console: %s", message)
		}
	}
}

// Run runs a part of the test under a name of its own.
func (b *Browser) Run(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		whole := b.t
		b.t = t
		defer func() { b.t = whole }()
		f(t)
	})
}

// Serve runs a server that ends before the browser does, and after its page has gone.
func (b *Browser) Serve(handler http.Handler) *httptest.Server {
	server := httptest.NewServer(handler)
	b.t.Cleanup(func() {
		b.Open("about:blank")
		server.Close()
	})
	return server
}

// Expect allows messages in the console that contain text, such as the status of a
// request that is meant to fail.
func (b *Browser) Expect(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, text)
}

// Do runs steps of chromedp, each within patience.
func (b *Browser) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	for i, step := range steps {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		err := chromedp.Do(ctx, step)
		cancel()
		if err != nil {
			b.t.Fatalf("step %d at %s: %v", i+1, b.where(), err)
		}
	}
}

// Get runs an action of chromedp and returns its value.
func Get[T any](b *Browser, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("at %s: %v", b.where(), err)
	}
	return value
}

// Eval evaluates an expression in the page. The policy of the page does not apply
// to it.
func Eval[T any](b *Browser, expression string) T {
	b.t.Helper()
	return Get(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

func (b *Browser) where() string {
	ctx, cancel := context.WithTimeout(b.ctx, time.Second)
	defer cancel()
	location, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		return "an unknown page"
	}
	return location
}

// Open goes to a page.
func (b *Browser) Open(url string) { b.t.Helper(); b.Do(chromedp.Navigate(url)) }

// Path is the path of the page that is open, with its query.
func (b *Browser) Path() string {
	b.t.Helper()
	return Eval[string](b, "location.pathname + location.search + location.hash")
}

// Click clicks what the CSS selector finds, once it can be seen.
func (b *Browser) Click(selector string) {
	b.t.Helper()
	b.Do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Press clicks the button or link with that text or label, with the mouse; in the
// dialog, if one is open. It waits until the page is whole, script included.
func (b *Browser) Press(name string) {
	b.t.Helper()
	find := `(() => {
		if (document.readyState !== "complete") return null;
		const element = [...(document.querySelector("dialog[open]") ?? document).querySelectorAll("button, a, summary, [type=submit]")].find((e) => e.checkVisibility() && !e.disabled &&
			[e.textContent, e.getAttribute("aria-label") ?? ""].some((s) => s.trim().replace(/\s+/g, " ") === ` + strconv.Quote(name) + `));
		if (!element) return null;
		element.scrollIntoView({ block: "center", behavior: "instant" });
		const box = element.getBoundingClientRect();
		return [box.x + box.width / 2, box.y + box.height / 2];
	})()`
	deadline := time.Now().Add(patience)
	for {
		if at := Eval[[]float64](b, find); len(at) == 2 {
			b.Do(chromedp.MouseClickXY(at[0], at[1]))
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("no button %q at %s:\n%s", name, b.where(), b.Text("body"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Fill types into the field with that name, in place of what is in it.
func (b *Browser) Fill(name, value string) {
	b.t.Helper()
	field := `[name="` + name + `"]:not([type=hidden])`
	b.Do(chromedp.WaitVisible(chromedp.CSS(field)))
	Eval[bool](b, `(() => { document.querySelector(`+strconv.Quote(field)+`).value = ""; return true })()`)
	b.Do(chromedp.SendKeys(chromedp.CSS(field), value))
}

// Keys types keys into the page.
func (b *Browser) Keys(keys string) { b.t.Helper(); b.Do(chromedp.KeyEvent(keys)) }

// Text is the text of what the CSS selector finds, as it is seen.
func (b *Browser) Text(selector string) string {
	b.t.Helper()
	return Get(b, chromedp.Text(chromedp.CSS(selector)))
}

// WaitText waits until the page shows a text.
func (b *Browser) WaitText(text string) {
	b.t.Helper()
	b.Wait(`document.body?.innerText.includes(` + strconv.Quote(text) + `)`)
}

// Wait waits until an expression is true in the page, over changes of the page.
func (b *Browser) Wait(expression string) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		cancel()
		if err == nil && yes {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("at %s, never became true: %s (%v)\n%s", b.where(), expression, err, b.Text("body"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// SecurityKey plugs in a virtual authenticator that verifies its user by itself.
// Resident ones hold passkeys.
func (b *Browser) SecurityKey(resident bool) webauthn.AuthenticatorID {
	b.t.Helper()
	transport := webauthn.AuthenticatorTransportUsb
	if resident {
		transport = webauthn.AuthenticatorTransportInternal
	}
	b.call("turn on virtual authenticators", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{})
		return err
	})
	var id webauthn.AuthenticatorID
	b.call("plug in a security key", func(ctx context.Context) error {
		result, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
			Options: &webauthn.VirtualAuthenticatorOptions{
				Protocol:                    webauthn.AuthenticatorProtocolCtap2,
				Transport:                   transport,
				HasResidentKey:              resident,
				HasUserVerification:         true,
				IsUserVerified:              true,
				AutomaticPresenceSimulation: true,
			},
		})
		id = result.AuthenticatorID
		return err
	})
	return id
}

// Hands puts the person's hand to a security key, or takes it off. With the hand off, a
// page that asks waits; with it on, the key answers whatever page asks, also one that
// offers passkeys while it asks for a password.
func (b *Browser) Hands(id webauthn.AuthenticatorID, on bool) {
	b.t.Helper()
	b.call("touch a security key", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: id, Enabled: on})
		return err
	})
}

// Unplug takes a security key away.
func (b *Browser) Unplug(id webauthn.AuthenticatorID) {
	b.t.Helper()
	b.call("unplug a security key", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: id})
		return err
	})
}

// Credentials are what a security key holds.
func (b *Browser) Credentials(id webauthn.AuthenticatorID) []*webauthn.Credential {
	b.t.Helper()
	var credentials []*webauthn.Credential
	b.call("look into a security key", func(ctx context.Context) error {
		result, err := chromedp.Call(ctx, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: id})
		credentials = result.Credentials
		return err
	})
	return credentials
}

func (b *Browser) call(what string, f func(context.Context) error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := f(ctx); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// Allow grants pages a permission that a person would be asked for.
func (b *Browser) Allow(permission string) {
	b.t.Helper()
	b.call("grant a permission", func(ctx context.Context) error {
		_, err := chromedp.CallBrowser(ctx, cdpbrowser.SetPermission, cdpbrowser.SetPermissionParams{
			Permission: &cdpbrowser.PermissionDescriptor{Name: permission},
			Setting:    cdpbrowser.PermissionSettingGranted,
		})
		return err
	})
}

// Screenshots writes the page that is open as <name>-{light,dark}-{1280,390}.png,
// whole, into the folder that LANYARD_SCREENSHOTS names, else among the artifacts of the
// test (go test -artifacts).
// It fails if the page is wider than the screen.
func (b *Browser) Screenshots(name string) {
	b.t.Helper()
	folder := b.folder()
	for _, width := range []int64{1280, 390} {
		height := int64(800)
		if width == 390 {
			height = 844
		}
		b.Do(chromedp.EmulateViewport(width, height))
		for _, scheme := range []string{"light", "dark"} {
			b.Scheme(scheme)
			if wide := Eval[int](b, "document.documentElement.scrollWidth"); int64(wide) > width {
				b.t.Errorf("%s is %d pixels wide on a screen of %d", name, wide, width)
			}
			picture := Get(b, chromedp.FullScreenshot(100))
			file := filepath.Join(folder, name+"-"+scheme+"-"+strconv.FormatInt(width, 10)+".png")
			if err := os.WriteFile(file, picture, 0o644); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	b.Scheme("light")
	b.Do(chromedp.EmulateViewport(1280, 800))
}

// folder is where pictures go.
func (b *Browser) folder() string {
	b.t.Helper()
	folder := os.Getenv("LANYARD_SCREENSHOTS")
	if folder == "" {
		folder = b.t.ArtifactDir()
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		b.t.Fatal(err)
	}
	return folder
}

// Scheme makes the system light or dark.
func (b *Browser) Scheme(scheme string) {
	b.t.Helper()
	b.call("set the colour scheme", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// Errors are the messages of the console so far, for tests that want some.
func (b *Browser) Errors() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for _, message := range b.messages {
		errs = append(errs, errors.New(message))
	}
	return errors.Join(errs...)
}
