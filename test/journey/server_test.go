// Package journey holds what people do with Lanyard from beginning to end: the real
// binary, Chromium with security keys, and the AWS CLI as it is installed.
//
// With LANYARD_SCREENSHOTS the pages on the way are kept as pictures there.
package journey

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// lanyard is the binary, built once.
var lanyard string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lanyard-journey-")
	if err != nil {
		panic(err)
	}
	lanyard = filepath.Join(dir, "lanyard")
	// What the binary is built of is not imported here: looking at it tells the
	// test cache that it matters.
	for _, pattern := range []string{"../../*/*.go", "../../*/*/*.go", "../../console/*/*", "../../console/templates/pages/*"} {
		sources, _ := filepath.Glob(pattern)
		for _, source := range sources {
			_, _ = os.Stat(source)
		}
	}
	build := exec.Command("go", "build", "-o", lanyard, "../../cmd/lanyard")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build lanyard:", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// installation is a running server and the place where its files are.
type installation struct {
	t       testing.TB
	dir     string
	cmd     *exec.Cmd
	exited  chan struct{}
	api     string // where programs reach it
	console string // where people do
	link    string // by which root can be claimed, as the server prints it

	mu  sync.Mutex
	log bytes.Buffer
}

// readiness is how long a server may take to listen on a busy machine.
const readiness = time.Minute

// serve starts a server that ends with the test.
func serve(t testing.TB, dir string, args ...string) *installation {
	t.Helper()
	s := &installation{t: t, dir: dir, exited: make(chan struct{})}
	s.cmd = exec.Command(lanyard, append([]string{"server", "--listen", "127.0.0.1:0", "--socket", s.socket()}, args...)...)
	s.cmd.Env = clean()
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			s.mu.Lock()
			defer s.mu.Unlock()
			t.Logf("the server said:\n%s", &s.log)
		}
	})
	ready := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(stderr)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			s.mu.Lock()
			fmt.Fprintln(&s.log, lines.Text())
			s.mu.Unlock()
			fields := strings.Fields(lines.Text())
			switch {
			case len(fields) == 2 && fields[0] == "Endpoint":
				s.api = fields[1]
			case len(fields) == 2 && fields[0] == "Console":
				s.console = fields[1]
			case len(fields) > 2 && fields[0] == "Claim":
				s.link = fields[2]
			case len(fields) > 1 && fields[0] == "In": // "another terminal": the last words
				close(ready)
			}
		}
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	select {
	case <-ready:
	case <-s.exited:
		t.Fatal("the server ended")
	case <-time.After(readiness):
		t.Fatal("the server does not get ready")
	}
	s.console = strings.TrimSuffix(s.console, "/")
	return s
}

func (s *installation) socket() string { return filepath.Join(s.dir, "s") }

// stop ends the server as an operator does.
func (s *installation) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(readiness):
		_ = s.cmd.Process.Kill()
		<-s.exited
		s.t.Error("the server did not stop when told to")
	}
}

// clean is the environment without what would lead clients elsewhere.
func clean() (kept []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "LANYARD_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// run runs the lanyard command beside the server and gives what it prints.
func (s *installation) run(args ...string) string {
	s.t.Helper()
	cmd := exec.Command(lanyard, append(args, "--socket", s.socket())...)
	cmd.Env = clean()
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			out = exit.Stderr
		}
		s.t.Fatalf("lanyard %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// later lets time pass, where the server is one for development.
func (s *installation) later(d time.Duration) {
	s.t.Helper()
	r, err := http.Post(s.api+"/_lanyard/clock", "application/json", strings.NewReader(fmt.Sprintf(`{"advance":%q}`, d)))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		s.t.Fatalf("the clock: %s", r.Status)
	}
}

// now is the time by the server's clock.
func (s *installation) now() time.Time {
	s.t.Helper()
	r, err := http.Get(s.api + "/_lanyard/clock")
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	var clock struct{ Now time.Time }
	if err := json.NewDecoder(r.Body).Decode(&clock); err != nil {
		s.t.Fatal(err)
	}
	return clock.Now
}

// keys are credentials of a program.
type keys struct{ ID, Secret, Token string }

// owner is credentials of the owner of the installation, in its first account unless args
// name another.
func (s *installation) owner(args ...string) keys {
	s.t.Helper()
	var c struct{ AccessKeyId, SecretAccessKey, SessionToken string }
	if err := json.Unmarshal([]byte(s.run(append([]string{"env", "--output", "json"}, args...)...)), &c); err != nil {
		s.t.Fatal(err)
	}
	return keys{c.AccessKeyId, c.SecretAccessKey, c.SessionToken}
}

// aws runs the AWS CLI with credentials and gives what it prints, and the error of a
// refusal.
func (s *installation) aws(k keys, args ...string) (string, error) {
	s.t.Helper()
	// Debian's AWS CLI knows the flag and no AWS_ENDPOINT_URL.
	cmd := exec.Command("aws", append([]string{"--endpoint-url", s.api}, args...)...)
	cmd.Env = append(clean(), "HOME="+s.dir, "AWS_PAGER=", "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID="+k.ID, "AWS_SECRET_ACCESS_KEY="+k.Secret)
	if k.Token != "" {
		cmd.Env = append(cmd.Env, "AWS_SESSION_TOKEN="+k.Token)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("aws %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(stdout.String()), nil
}

// path is a page's address.
func (s *installation) page(path string, query ...string) string {
	values := url.Values{}
	for i := 0; i < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	if len(values) > 0 {
		path += "?" + values.Encode()
	}
	return s.console + path
}

// needAWS skips a test where the AWS CLI is not installed.
func needAWS(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("SKIPPED: aws is not installed")
	}
}
