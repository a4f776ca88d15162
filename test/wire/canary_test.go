package wire_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/server"
)

// buffer is a log that can be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// canaries are planted secrets, and everything in which none may be found.
type canaries struct {
	w       *world
	secrets map[string]string // what it is, by the secret
	places  map[string]string // text, by where it is from
}

func (c *canaries) plant(what string, secrets ...string) {
	for _, s := range secrets {
		if len(s) < 6 {
			c.w.t.Fatalf("%s: %q is too short to be looked for", what, s)
		}
		c.secrets[s] = what
	}
}

// send sends a request, plants its signature, and keeps what the trail says. An
// answer is looked through, too, unless it is the one that hands out a secret.
func (c *canaries) send(m *message, handsOut bool) *reply {
	c.w.t.Helper()
	if _, sig, ok := strings.Cut(m.get("Authorization"), "Signature="); ok && sig != "" {
		c.plant("signature", sig)
	}
	if _, sig, ok := strings.Cut(m.target, "X-Amz-Signature="); ok {
		c.plant("signature", sig)
	}
	r := c.w.send(m)
	n := len(c.places)
	if !handsOut {
		c.places[fmt.Sprintf("answer %d to %.60s", n, m.body+m.target)] = fmt.Sprint(r.header) + r.body
	}
	if rec := c.w.record(r); rec != nil {
		c.places[fmt.Sprintf("record %d of %s", n, rec.EventName)] = rec.decision
	}
	return r
}

func (c *canaries) iam(by credentials, handsOut bool, action string, parameters ...string) *reply {
	c.w.t.Helper()
	m := c.w.form(versionIAM, action, parameters...)
	m.sign(signature{by: by, at: c.w.now(), service: "iam"})
	return c.send(m, handsOut)
}

func (c *canaries) sts(by credentials, handsOut bool, action string, parameters ...string) *reply {
	c.w.t.Helper()
	m := c.w.form(versionSTS, action, parameters...)
	m.sign(signature{by: by, at: c.w.now(), service: "sts"})
	return c.send(m, handsOut)
}

// issued plants the secrets of credentials that were handed out.
func (c *canaries) issued(r *reply) credentials {
	c.w.t.Helper()
	by := c.w.ok(r).credentials()
	c.plant("secret access key", by.secret)
	if by.token != "" {
		c.plant("session token", by.token)
	}
	return by
}

// forms are how a secret could stand somewhere: as it is, encoded, or escaped.
func forms(secret string) map[string]string {
	raw := []byte(secret)
	return map[string]string{
		"as it is":  secret,
		"in hex":    hex.EncodeToString(raw),
		"in base64": strings.TrimRight(base64.StdEncoding.EncodeToString(raw), "="),
		"in base32": strings.TrimRight(base32.StdEncoding.EncodeToString(raw), "="),
		"in a URL":  escape(secret),
		"in JSON":   strings.Trim(fmt.Sprintf("%q", secret), `"`),
		"in part":   string(raw[:len(raw)/2+3]), // a good part of it
	}
}

// scan looks for every secret in every place.
func (c *canaries) scan() {
	c.w.t.Helper()
	for secret, what := range c.secrets {
		if strings.HasPrefix(what, "code") {
			continue // six digits occur by themselves: see the quoted search below
		}
		for form, text := range forms(secret) {
			if len(text) < 12 {
				continue
			}
			for place, content := range c.places {
				if i := strings.Index(content, text); i >= 0 {
					c.w.t.Errorf("T369: %s, %s, in %s: …%q…", what, form, place, content[max(0, i-80):min(len(content), i+len(text)+20)])
				}
			}
		}
	}
	for secret, what := range c.secrets {
		if !strings.HasPrefix(what, "code") {
			continue
		}
		quoted := regexp.MustCompile(`["'>=:]` + secret + `["'<&]`)
		for place, content := range c.places {
			if quoted.MatchString(content) {
				c.w.t.Errorf("T369: %s in %s", what, place)
			}
		}
	}
}

// T369 (T530, T547, T548, T597), T385: no secret is anywhere but in the one
// answer that hands it out: not in logs at their most talkative, in the trail,
// in errors, in metrics, or in the files.
func TestT369_T385_Canaries(t *testing.T) {
	t.Parallel()
	var log buffer
	w, config := newDurableWorld(t, func(c *server.Config) { c.Log, c.AdminListen = debugLog(&log), "127.0.0.1:0" })
	c := &canaries{w: w, secrets: make(map[string]string), places: make(map[string]string)}
	c.plant("secret access key of the owner", w.admin.secret, w.root.secret)
	c.plant("session token of the owner", w.admin.token, w.root.token)
	admin := w.admin

	// Passwords: set, changed, mistaken, refused for their form, in places where
	// nobody expects them.
	const first, second, third = "Canary-passw0rd-first", "Canary-passw0rd-second", "Canary-passw0rd-third"
	const wrong, weird, query, odd = "Canary-passw0rd-wrong", "Canary-passw0rd-\u5bc6\u7801", "Canary-passw0rd-query", "Canary-passw0rd-odd"
	c.plant("password", first, second, third, wrong, weird, query, odd)
	c.iam(admin, false, "CreateUser", "UserName", "alice", "Path", "/canary-control/")
	c.iam(admin, false, "PutUserPolicy", "UserName", "alice", "PolicyName", "p", "PolicyDocument", allow("iam:ChangePassword"))
	alice := c.issued(c.iam(admin, true, "CreateAccessKey", "UserName", "alice"))
	w.ok(c.iam(admin, false, "CreateLoginProfile", "UserName", "alice", "Password", first))
	c.iam(admin, false, "CreateLoginProfile", "UserName", "alice", "Password", third)
	c.iam(admin, false, "CreateLoginProfile", "UserName", "absent", "Password", third)
	w.ok(c.iam(alice, false, "ChangePassword", "OldPassword", first, "NewPassword", second))
	c.iam(alice, false, "ChangePassword", "OldPassword", wrong, "NewPassword", third)
	w.ok(c.iam(admin, false, "UpdateLoginProfile", "UserName", "alice", "Password", third))
	c.iam(admin, false, "UpdateLoginProfile", "UserName", "alice", "Password", weird)
	c.iam(alice, false, "UpdateLoginProfile", "UserName", "alice", "Password", third)    // denied
	c.iam(admin, false, "CreateUser", "UserName", "bob", "Password", odd)                // no such parameter
	c.iam(admin, false, "CreateLoginProfile", "UserName", "alice", "Password.Text", odd) // nor such a form
	c.iam(admin, false, "UpdateLoginProfile", "Password", odd)                           // a parameter is missing
	get := w.get("Action=UpdateLoginProfile&Password=" + query + "&UserName=alice&Version=" + versionIAM)
	get.sign(signature{by: admin, at: w.now(), service: "iam", expires: "60"})
	w.ok(c.send(get, false))
	for _, body := range []string{"Action=" + odd, "Action=CreateUser&Version=" + odd, "Action=CreateLoginProfile&Password=" + odd + "&Password=" + odd, "%zz" + odd} {
		m := w.post(body)
		m.sign(signature{by: admin, at: w.now(), service: "iam"})
		c.send(m, false)
	}
	target := w.json(odd, "{}")
	target.sign(signature{by: admin, at: w.now(), service: "cloudtrail"})
	c.send(target, false)
	for _, body := range []string{`{"Password":"` + odd + `"}`, `{"MaxResults":"` + odd + `"}`, `{"` + odd} {
		m := w.json("LookupEvents", body)
		m.sign(signature{by: admin, at: w.now(), service: "cloudtrail"})
		c.send(m, false)
	}

	// Keys in the wrong place: the secret where the id belongs, a wrong secret, a
	// token beside a long-term key. AWS's answer to the first repeats to the sender
	// what they sent; it goes nowhere else.
	for _, by := range []credentials{{id: alice.secret, secret: alice.id}, {id: alice.id, secret: "Canary-secret-of-nobody-1"}, {id: alice.id, secret: alice.secret, token: w.admin.token}} {
		c.iam(by, by.id == alice.secret, "ListUsers")
	}
	c.plant("secret access key", "Canary-secret-of-nobody-1")
	c.sts(admin, false, "GetAccessKeyInfo", "AccessKeyId", alice.secret[:20])

	// MFA: seeds and codes.
	r := w.ok(c.iam(admin, true, "CreateVirtualMFADevice", "VirtualMFADeviceName", "alice"))
	text, err := base64.StdEncoding.DecodeString(r.field("Base32StringSeed"))
	if err != nil {
		t.Fatal(err)
	}
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(string(text))
	if err != nil {
		t.Fatal(err)
	}
	c.plant("MFA seed", string(text), string(seed), r.field("Base32StringSeed"))
	c.plant("QR code", r.field("QRCodePNG")[:200])
	serial := r.field("SerialNumber")
	step := mfa.StepAt(w.now())
	one, two := mfa.Code(seed, step-1), mfa.Code(seed, step)
	c.plant("code", one, two)
	w.ok(c.iam(admin, false, "EnableMFADevice", "UserName", "alice", "SerialNumber", serial, "AuthenticationCode1", one, "AuthenticationCode2", two))
	c.sts(alice, false, "GetSessionToken", "SerialNumber", serial, "TokenCode", two) // used
	next := mfa.Code(seed, step+1)
	c.plant("code", next)
	strong := c.issued(c.sts(alice, true, "GetSessionToken", "SerialNumber", serial, "TokenCode", next))
	c.iam(strong, false, "ListUsers")

	// Sessions of every kind, and what they are refused.
	w.ok(c.iam(admin, false, "CreateRole", "RoleName", "canary", "AssumeRolePolicyDocument", trusting(string(ours))))
	role := c.issued(c.sts(admin, true, "AssumeRole", "RoleArn", roleARN("canary"), "RoleSessionName", "wire", "ExternalId", "canary-external-id"))
	c.iam(role, false, "ListUsers")
	w.ok(c.iam(admin, false, "PutUserPolicy", "UserName", "alice", "PolicyName", "p", "PolicyDocument", allow("*")))
	federated := c.issued(c.sts(alice, true, "GetFederationToken", "Name", "wire", "Policy", allow("*")))
	c.sts(federated, false, "GetCallerIdentity")
	plain := c.issued(c.sts(alice, true, "GetSessionToken"))
	c.sts(plain, false, "GetFederationToken", "Name", "wire")
	flipped := role
	flipped.token = flipped.token[:len(flipped.token)-4] + "AAAA"
	c.sts(flipped, false, "GetCallerIdentity")

	c.plantCertificates(admin, "alice")

	// What shows much, to those who may see everything.
	for _, action := range []string{"GetAccountAuthorizationDetails", "ListVirtualMFADevices", "ListUsers", "GetAccountSummary"} {
		w.ok(c.iam(admin, false, action))
	}
	for _, action := range []string{"ListAccessKeys", "GetLoginProfile", "ListMFADevices", "GetUser"} {
		w.ok(c.iam(admin, false, action, "UserName", "alice"))
	}
	events := w.ok(w.lookup(admin, `{"MaxResults":50}`))
	c.places["LookupEvents"] = events.body
	// Malformed HTTP with an Authorization header in it.
	m := w.signedList()
	_, sig, _ := strings.Cut(m.get("Authorization"), "Signature=")
	c.plant("signature", sig)
	m.add("Bad Header", m.get("Authorization"))
	send(t, w.address, m.bytes())

	resp, err := http.Get(w.lanyard.AdminURL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	c.places["metrics"] = string(metrics)
	c.places["log"] = log.String()
	files := 0
	err = filepath.WalkDir(config.DataDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		c.places["file "+entry.Name()] = string(content)
		files++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// The search finds what is there: a path that is no secret is in the files, the
	// trail and the answers, and requests are in the log.
	all := ""
	for place, content := range c.places {
		if strings.HasPrefix(place, "file ") {
			all += content
		}
	}
	for what, found := range map[string]bool{
		"files":   strings.Contains(all, "/canary-control/"),
		"log":     strings.Contains(c.places["log"], `"operation":"ChangePassword"`),
		"metrics": strings.Contains(c.places["metrics"], "ChangePassword"),
		"answers": strings.Contains(events.body, "canary"),
	} {
		if !found {
			t.Errorf("T369: the search would find nothing in %s", what)
		}
	}
	if len(c.secrets) < 50 || files < 2 {
		t.Errorf("T369: only %d secrets and %d files", len(c.secrets), files)
	}
	c.scan()
	if strings.Contains(c.places["log"], "canary-external-id") {
		t.Error("T369: the external id is in the log")
	}

	// T385: whoever has the files and no key, or another one, has nothing.
	stolen := config
	stolen.DataDir = filepath.Join(t.TempDir(), "stolen")
	if err := steal(config.DataDir, stolen.DataDir); err != nil {
		t.Fatal(err)
	}
	open := func(what, keyFile string, ok bool) {
		stolen.SealKeyFile = keyFile
		s, err := server.New(stolen)
		if err == nil {
			s.Close()
		}
		if (err == nil) != ok {
			t.Errorf("T385: the stolen data, opened %s: %v", what, err)
		}
	}
	stolen.Socket += "2"
	other := filepath.Join(t.TempDir(), "seal.key")
	open("with the right key", config.SealKeyFile, true)
	open("without a key", other, false)
	key, err := keyring.GenerateSealKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := keyring.WriteSealKey(other, key); err != nil {
		t.Fatal(err)
	}
	open("with another key", other, false)
	open("with the right key again", config.SealKeyFile, true)
}

// steal copies a directory, for its new owner's eyes only.
func steal(from, to string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	for _, e := range entries {
		content, readErr := os.ReadFile(filepath.Join(from, e.Name()))
		err = errors.Join(err, readErr, os.WriteFile(filepath.Join(to, e.Name()), content, 0o600))
	}
	return err
}
