// Package script runs the stories in *.txtar: a real server on a free port, and
// the clients that people use, unmodified. A story reads like something a person
// would type; the few commands that a shell would give are
//
//	server [flags…]        start a server on a free port and wait until it listens;
//	                       its address is in LANYARD_ENDPOINT, that of metrics in
//	                       LANYARD_METRICS
//	! server [flags…]      it refuses to start; what it says is in the file "refusal"
//	server stop|kill|hup   stop it (SIGTERM), kill it (SIGKILL), send it SIGHUP
//	eval command…          set the variables that the command prints, as eval "$(…)"
//	capture NAME command…  set NAME to what the command prints
//	use VALUE              become who has these credentials: id, secret and, if any, token
//	post PATH [JSON]       POST to the server, as curl would
//	get PATH|URL           GET, as curl would; the answer is in the file "answer"
//	code FILE [STEPS]      set CODE to the present TOTP code of a seed, in server time
//	forge KIND NAME        make a certificate, ssh-key or saml metadata, as people bring them
//	mask FILE              write the last standard output to FILE, with what differs
//	                       from run to run (request ids, key ids, ages) masked
//
// Stories run with every AWS CLI that is installed; those that are about the
// server alone begin with [!first] skip. `go test ./test/script -update` rewrites
// what cmp compares with; read the diff.
package script_test

import (
	"bufio"
	"bytes"
	"encoding/base32"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lanyard-iam/lanyard/mfa"
)

// lanyard is the binary that the stories run, built once.
var lanyard string

var update = flag.Bool("update", false, "rewrite what the stories compare with")

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "aws" {
		os.Exit(askWarm(os.Args[1:]))
	}
	dir, err := os.MkdirTemp("", "lanyard-script-")
	if err != nil {
		panic(err)
	}
	lanyard = filepath.Join(dir, "lanyard")
	// What the binary is built of is not imported here: looking at it tells the
	// test cache that it matters.
	sources, _ := filepath.Glob("../../cmd/lanyard/*.go")
	for _, source := range sources {
		_, _ = os.Stat(source)
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

func TestScripts(t *testing.T) {
	mirror := terraformMirror()
	for _, c := range clients(t) {
		c.warm(t)
		t.Run(c.name, func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir:                 ".",
				RequireExplicitExec: true,
				UpdateScripts:       *update,
				Setup:               func(env *testscript.Env) error { return setup(env, c, mirror) },
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"server":  cmdServer,
					"eval":    cmdEval,
					"capture": cmdCapture,
					"use":     cmdUse,
					"post":    cmdPost,
					"get":     cmdGet,
					"code":    cmdCode,
					"mask":    cmdMask,
					"forge":   cmdForge,
				},
				Condition: func(name string) (bool, error) {
					switch name {
					case "boto3":
						return exec.Command("python3", "-c", "import boto3").Run() == nil, nil
					case "terraform":
						return mirror != "", nil
					case "newcli": // one that reads AWS_ENDPOINT_URL, and knows later operations
						return !c.endpointFlag, nil
					case "root":
						return os.Getuid() == 0, nil
					case "first": // what only concerns the server is told once
						return c.first, nil
					}
					if operation, ok := strings.CutPrefix(name, "knows:"); ok { // an operation of IAM, or SERVICE.OPERATION, in the client's model
						service, of, found := strings.Cut(operation, ".")
						if !found {
							service, of = "iam", operation
						}
						cmd := exec.Command(c.path, service, of, "--generate-cli-skeleton")
						cmd.Env = append(os.Environ(), "AWS_DEFAULT_REGION=us-east-1")
						return cmd.Run() == nil, nil
					}
					return false, fmt.Errorf("unknown condition %s", name)
				},
			})
		})
	}
}

// terraformMirror is a folder with the AWS provider for the Terraform that is
// installed, or empty: the one that LANYARD_TF_MIRROR names, else one a few levels
// below the root.
func terraformMirror() string {
	if _, err := exec.LookPath("terraform"); err != nil {
		return ""
	}
	const provider = "registry.terraform.io/hashicorp/aws"
	if dir := os.Getenv("LANYARD_TF_MIRROR"); dir != "" {
		if _, err := os.Stat(filepath.Join(dir, provider)); err == nil {
			return dir
		}
		return ""
	}
	roots, _ := filepath.Glob("/[^.]*")
	for _, below := range []string{"", "*", "*/*", "*/*/*"} {
		for _, root := range roots {
			switch root {
			case "/proc", "/sys", "/dev", "/run":
				continue
			}
			if found, _ := filepath.Glob(filepath.Join(root, below, provider)); len(found) > 0 {
				return strings.TrimSuffix(found[0], "/"+provider)
			}
		}
	}
	return ""
}

type serverKey struct{}

// process is the server of a story.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

func setup(env *testscript.Env, c *client, mirror string) error {
	bin := filepath.Join(env.WorkDir, ".bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	// The main story runs the CLI as it was installed, and so does the one whose roles the
	// CLI assumes by itself: it keeps their credentials below HOME as it was when it began.
	asInstalled := strings.HasSuffix(env.WorkDir, "script-main") || strings.HasSuffix(env.WorkDir, "script-credential")
	if err := c.install(bin, c.warmed != "" && !asInstalled); err != nil {
		return err
	}
	if err := os.Symlink(lanyard, filepath.Join(bin, "lanyard")); err != nil {
		return err
	}
	env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
	env.Setenv("HOME", env.WorkDir)
	for _, name := range []string{"PYENV_ROOT", "PYENV_VERSION"} {
		if v, ok := os.LookupEnv(name); ok {
			env.Setenv(name, v)
		}
	}
	env.Setenv("TERRAFORM_MIRROR", mirror)
	env.Setenv("AWS_PAGER", "")
	env.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	env.Setenv("AWS_CONFIG_FILE", filepath.Join(env.WorkDir, ".aws-config"))
	env.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(env.WorkDir, ".aws-credentials"))
	env.Setenv("XDG_RUNTIME_DIR", env.WorkDir)
	env.Setenv("XDG_STATE_HOME", env.WorkDir)
	env.Setenv(warmVariable, c.warmed)
	if c.endpointFlag {
		env.Setenv(flagVariable, "1")
	}
	env.Values[serverKey{}] = new(process)
	env.Defer(func() { env.Values[serverKey{}].(*process).signal(syscall.SIGKILL) })
	return nil
}

func (p *process) signal(sig syscall.Signal) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	<-p.exited
	p.cmd = nil
}

// cmdServer starts and stops the server.
func cmdServer(ts *testscript.TestScript, neg bool, args []string) {
	p := ts.Value(serverKey{}).(*process)
	switch strings.Join(args, " ") {
	case "stop":
		p.signal(syscall.SIGTERM)
		return
	case "kill":
		p.signal(syscall.SIGKILL)
		return
	case "hup":
		ts.Check(p.cmd.Process.Signal(syscall.SIGHUP))
		return
	}
	if neg && p.cmd != nil {
		// A second server beside the one that runs, which is to be refused.
		p = new(process)
	}
	p.signal(syscall.SIGTERM)
	cmd := exec.Command(lanyard, append([]string{"server", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = environ(ts)
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	p.cmd, p.exited = cmd, make(chan struct{})
	url := make(chan string, 1)
	var endpoint, metrics string
	var text bytes.Buffer
	go func() {
		lines := bufio.NewScanner(stderr)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			fmt.Fprintln(&text, lines.Text())
			switch label, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), " "); label {
			case "Endpoint":
				endpoint = strings.TrimSpace(value)
			case "Metrics":
				metrics = strings.TrimSpace(value)
			case "In": // "another terminal": the last words, when it listens
				url <- endpoint
			}
		}
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	select {
	case u := <-url:
		if neg {
			p.signal(syscall.SIGKILL)
			ts.Fatalf("the server started")
		}
		ts.Setenv("LANYARD_ENDPOINT", u)
		ts.Setenv("LANYARD_METRICS", metrics)
		for _, s := range []string{"IAM", "STS", "CLOUDTRAIL", "SIGNIN"} {
			ts.Setenv("AWS_ENDPOINT_URL_"+s, u)
		}
	case <-p.exited:
		p.cmd = nil
		ts.Logf("%s", text.String())
		ts.Check(os.WriteFile(ts.MkAbs("refusal"), text.Bytes(), 0o644))
		if !neg {
			ts.Fatalf("the server did not start")
		}
	case <-time.After(30 * time.Second):
		ts.Fatalf("the server is not ready after 30 s")
	}
}

func run(ts *testscript.TestScript, neg bool, args []string) string {
	if len(args) == 0 {
		ts.Fatalf("which command?")
	}
	cmd := exec.Command(args[0], args[1:]...)
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path := filepath.Join(dir, args[0]); !strings.Contains(args[0], "/") {
			if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
				cmd = exec.Command(path, args[1:]...)
				break
			}
		}
	}
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = environ(ts)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	ts.Logf("%s%s", stdout.String(), stderr.String())
	if (err != nil) != neg {
		ts.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(stdout.String())
}

// environ is the environment of the story, as far as its commands need it.
func environ(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{
		"PATH", "HOME", "WORK", "TMPDIR", "PYENV_ROOT", "PYENV_VERSION", "XDG_RUNTIME_DIR",
		"XDG_STATE_HOME", "XDG_CONFIG_HOME", "TERRAFORM_MIRROR", warmVariable, flagVariable,
		"LANYARD_ENDPOINT", "LANYARD_SOCKET", "LANYARD_DATA", "LANYARD_SEAL_KEY_FILE", "LANYARD_SEAL_KEY", "LANYARD_ACCESS_KEY", "LANYARD_QUOTA",
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AWS_PAGER", "AWS_EC2_METADATA_DISABLED", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE",
		"AWS_ENDPOINT_URL_IAM", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_CLOUDTRAIL", "AWS_ENDPOINT_URL_SIGNIN",
	} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

func cmdEval(ts *testscript.TestScript, neg bool, args []string) {
	for line := range strings.Lines(run(ts, neg, args)) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "unset "); ok {
			ts.Setenv(name, "")
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if !ok {
			ts.Fatalf("not an assignment: %s", line)
		}
		ts.Setenv(name, strings.Trim(value, "'"))
	}
}

func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: capture NAME command…")
	}
	ts.Setenv(args[0], run(ts, neg, args[1:]))
}

func cmdUse(ts *testscript.TestScript, neg bool, args []string) {
	fields := strings.Fields(strings.Join(args, " "))
	if neg || len(fields) < 2 || len(fields) > 3 {
		ts.Fatalf("usage: use 'ID SECRET [TOKEN]'")
	}
	ts.Setenv("AWS_ACCESS_KEY_ID", fields[0])
	ts.Setenv("AWS_SECRET_ACCESS_KEY", fields[1])
	ts.Setenv("AWS_SESSION_TOKEN", "")
	if len(fields) == 3 {
		ts.Setenv("AWS_SESSION_TOKEN", fields[2])
	}
	if ts.Getenv("AWS_DEFAULT_REGION") == "" {
		ts.Setenv("AWS_DEFAULT_REGION", "us-east-1")
	}
}

func cmdPost(ts *testscript.TestScript, neg bool, args []string) {
	body := ""
	if len(args) == 2 {
		body = args[1]
	}
	resp, err := http.Post(ts.Getenv("LANYARD_ENDPOINT")+args[0], "application/json", strings.NewReader(body))
	ts.Check(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Logf("%s %s", resp.Status, text)
	if (resp.StatusCode != http.StatusOK) != neg {
		ts.Fatalf("POST %s: %s %s", args[0], resp.Status, text)
	}
}

func cmdGet(ts *testscript.TestScript, neg bool, args []string) {
	url := args[0]
	if strings.HasPrefix(url, "/") {
		url = ts.Getenv("LANYARD_ENDPOINT") + url
	}
	resp, err := http.Get(url)
	ts.Check(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Logf("%s %s", resp.Status, text)
	ts.Check(os.WriteFile(ts.MkAbs("answer"), text, 0o644))
	if (resp.StatusCode != http.StatusOK) != neg {
		ts.Fatalf("GET %s: %s", url, resp.Status)
	}
}

func cmdMask(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: mask FILE")
	}
	text := ts.ReadFile("stdout")
	for _, m := range []struct{ pattern, by string }{
		{`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`, "REQUEST-ID"},
		{`\b(AKIA|ASIA|AIDA|AROA|ANPA|AGPA|AIPA)[A-Z2-7]{16,17}\b`, "$1…"},
		{`  (now|\d+ (second|minute)s? ago)  `, "  AGE  "},
		{`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)`, "TIME"},
		{`127\.0\.0\.1:\d+`, "127.0.0.1:PORT"},
		{`assumed-role/LanyardOwner/[\w+=,.@-]+`, "assumed-role/LanyardOwner/LOGIN"},
		{regexp.QuoteMeta(ts.Getenv("WORK")), "$$WORK"},
	} {
		text = regexp.MustCompile(m.pattern).ReplaceAllString(text, m.by)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

// cmdCode sets CODE to a TOTP code, in the server's time: a development server
// tells it, another one has the machine's.
func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(strings.TrimSpace(ts.ReadFile(args[0])), "="))
	ts.Check(err)
	steps := 0
	if len(args) > 1 {
		steps, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	now := time.Now()
	if resp, err := http.Get(ts.Getenv("LANYARD_ENDPOINT") + "/_lanyard/clock"); err == nil {
		defer resp.Body.Close()
		var clock struct{ Now time.Time }
		if resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(&clock) == nil {
			now = clock.Now
		}
	}
	ts.Setenv("CODE", mfa.Code(seed, mfa.StepAt(now)+int64(steps)))
}
