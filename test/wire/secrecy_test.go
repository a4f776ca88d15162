package wire_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestT417_SecretsAreNotInTheProcess: what ps, /proc, a dump of the goroutines and a
// crash show has no secret in it.
func TestT417_SecretsAreNotInTheProcess(t *testing.T) {
	t.Parallel()
	p := install(t, t.TempDir())
	w := p.start()
	user, key := w.caller(allow("*"))
	const password = "Canary-Password-7!"
	w.ok(w.iam(w.admin, "CreateLoginProfile", "UserName", user, "Password", password))
	session := w.temporary(w.sts(key, "GetSessionToken"))
	sealKey, err := os.ReadFile(p.place[3])
	if err != nil {
		t.Fatal(err)
	}
	w.ok(w.iam(key, "ListUsers"))
	secrets := []string{key.secret, session.secret, session.token, w.admin.secret, password, strings.TrimSpace(string(sealKey))}
	search := func(where, text string) {
		t.Helper()
		for _, s := range secrets {
			if s != "" && strings.Contains(text, s) {
				t.Errorf("%s has %.4s…", where, s)
			}
		}
	}
	for _, name := range []string{"cmdline", "environ"} {
		text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(p.cmd.Process.Pid), name))
		if err != nil {
			t.Fatal(err)
		}
		search(name, string(text))
	}
	said := p.said
	if err := p.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(said.String(), "goroutine "); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("SIGUSR1 dumps no goroutines: %s", said.String())
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGABRT); err != nil { // a crash of Go's runtime
		t.Fatal(err)
	}
	<-p.exited
	p.cmd = nil
	if text := said.String(); !strings.Contains(text, "SIGABRT: abort") {
		t.Errorf("no crash: %s", text)
	}
	search("standard error", said.String())
}

// TestT511_InternalRoutes: what the owner and developers may ask, nobody else can.
func TestT511_InternalRoutes(t *testing.T) {
	w, _ := newDurableWorld(t, nil)
	for _, path := range []string{"/status", "/credentials", "/revoke", "/why", "/import", "/_lanyard/reset", "/_lanyard/clock", "/debug/pprof/", "/metrics", "/minio/bootstrap/v1/verify"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			req, err := http.NewRequest(method, w.lanyard.URL+path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			asksToSignIn := path == "/why" && strings.HasPrefix(resp.Header.Get("Location"), "http://localhost:") // a page of the console
			if !asksToSignIn && (resp.StatusCode < 400 || resp.StatusCode >= 500) {
				t.Errorf("%s %s: %s", method, path, resp.Status)
			}
			for _, secret := range []string{"accessKeyId", "HOME=", "PATH=", string(ours), w.lanyard.Socket} {
				if strings.Contains(string(body), secret) {
					t.Errorf("%s %s tells %q: %s", method, path, secret, body)
				}
			}
		}
	}
}
