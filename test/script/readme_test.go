package script_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The clock is the server's: "sleep 30" moves it, and codes are of its time.
const readmePrelude = `
sleep() { curl -sf -X POST "$LANYARD_ENDPOINT/_lanyard/clock" -d "{\"advance\":\"${1}s\"}" >/dev/null; }
lanyard() {
	if [ "$1" = totp ]; then
		set -- totp --at "$(curl -sf "$LANYARD_ENDPOINT/_lanyard/clock" | sed 's/.*"now":"\([^"]*\)".*/\1/')" "${@:2}"
	fi
	command lanyard "$@"
}
`

// TestReadme does what the README's five minutes say, as they are printed.
func TestReadme(t *testing.T) {
	t.Parallel()
	found := clients(t)
	if len(found) == 0 {
		t.Skip("no AWS CLI is installed")
	}
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## Five minutes with the AWS CLI\n")
	if !ok {
		t.Fatal("the README has no five minutes")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	script := readmePrelude
	blocks := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1) {
		script += block[1]
		blocks++
	}
	if blocks < 4 || !strings.Contains(script, "sleep 30") {
		t.Fatalf("the README has %d blocks of commands", blocks)
	}
	last := regexp.MustCompile("And see all of it on record: `(.*?)`").FindStringSubmatch(section)
	if last == nil {
		t.Fatal("the README does not show the record")
	}
	script += last[1] + "\n"

	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(lanyard, filepath.Join(bin, "lanyard")); err != nil {
		t.Fatal(err)
	}
	if err := found[0].install(bin, false); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "lanyard.sock")
	env := append(os.Environ(), "HOME="+dir, "XDG_RUNTIME_DIR="+dir, "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true")
	server := exec.Command(lanyard, "server", "--dev", "--listen", "127.0.0.1:0")
	server.Env = env
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server is not ready")
		}
	}
	shell := exec.Command("bash", "-c", script)
	shell.Dir, shell.Env = dir, env
	out, err := shell.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`assumed-role/LanyardOwner/`,
		`An error occurred \(AccessDenied\) when calling the ListUsers operation: .* with an explicit deny in an identity-based policy`,
		`DENIED  iam:ListUsers`,
		`DenyAllButMFASetUpWithoutMFA`,
		`"UserName": "alice"`,
		`"EventName": "ListUsers"`,
	} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("the README's commands do not show %s", want)
		}
	}
	// Let in at the end, and nothing else was refused.
	if n := strings.Count(string(out), "An error occurred"); n != 1 {
		t.Errorf("%d commands were refused, the README says one", n)
	}
	if !strings.Contains(string(out), `"Users": [`) {
		t.Error("alice was not let in with MFA")
	}
}
