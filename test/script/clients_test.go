package script_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// debianCLI is the AWS CLI 2.9.19 of Debian 12, which knows no AWS_ENDPOINT_URL.
const debianCLI = "/usr/bin/aws"

// client is an AWS CLI to run the stories with.
type client struct {
	name         string
	path         string
	endpointFlag bool   // it needs --endpoint-url
	first        bool   // the first of those that are installed
	warmed       string // socket of a process that has it loaded, or empty
}

func clients(t *testing.T) []*client {
	t.Helper()
	var found []*client
	if path, err := exec.LookPath("aws"); err == nil && path != debianCLI {
		if text, err := exec.Command("pyenv", "which", "aws").Output(); err == nil && strings.Contains(path, "/shims/") {
			path = strings.TrimSpace(string(text)) // what the shim would run, without its detour
		}
		found = append(found, &client{name: "aws", path: path})
	} else {
		t.Log("SKIPPED: no AWS CLI but Debian's is installed")
	}
	if _, err := os.Stat(debianCLI); err == nil {
		found = append(found, &client{name: "aws-2.9.19", path: debianCLI, endpointFlag: true})
	} else {
		t.Log("SKIPPED: Debian's AWS CLI is not installed")
	}
	if len(found) > 0 {
		found[0].first = true
	}
	return found
}

// warm starts a process that has the installed CLI loaded and forks for every
// command, since most of the time of an AWS CLI goes into loading Python modules:
// the same code, three times as fast. A CLI that is no Python script, or does not
// bear it, is started as it is.
func (c *client) warm(t *testing.T) {
	t.Helper()
	script, err := os.Open(c.path)
	if err != nil {
		return
	}
	defer script.Close()
	shebang, _ := bufio.NewReader(script).ReadString('\n')
	python, ok := strings.CutPrefix(strings.TrimSpace(shebang), "#!")
	if !ok || !strings.Contains(python, "python") {
		return
	}
	dir, err := os.MkdirTemp("", "lanyard-aws-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(python, "testdata/warm.py", socket)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=warm", "AWS_SECRET_ACCESS_KEY=warm", "AWS_DEFAULT_REGION=us-east-1", "AWS_MAX_ATTEMPTS=1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
	stdin, err := cmd.StdinPipe() // the process ends when this closes, however the test ends
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); line == "ready\n" {
		c.warmed = socket
	} else {
		t.Logf("%s cannot be loaded once; it is started for every command", c.path)
	}
}

// install puts an `aws` into a folder of the PATH.
func (c *client) install(bin string, warm bool) error {
	aws := filepath.Join(bin, "aws")
	if warm {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		return os.Symlink(self, aws)
	}
	line := "exec " + c.path
	if c.endpointFlag {
		line += ` --endpoint-url "$LANYARD_ENDPOINT"`
	}
	return os.WriteFile(aws, []byte("#!/bin/sh\n"+line+" \"$@\"\n"), 0o755)
}

// The variables by which a story's `aws` finds the process that has it loaded.
const (
	warmVariable = "LANYARD_TEST_WARM"
	flagVariable = "LANYARD_TEST_ENDPOINT_FLAG"
)

// askWarm is `aws` in the stories: it hands its arguments, environment, folder and
// files to the process that has the CLI loaded, and returns the exit code.
func askWarm(args []string) int {
	if os.Getenv(flagVariable) != "" {
		args = append([]string{"--endpoint-url", os.Getenv("LANYARD_ENDPOINT")}, args...)
	}
	code, err := forward(os.Getenv(warmVariable), args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "aws of the test:", err)
		return 255
	}
	return code
}

func forward(socket string, args []string) (int, error) {
	dir, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	text, err := json.Marshal(map[string]any{"args": args, "env": os.Environ(), "dir": dir})
	if err != nil {
		return 0, err
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	size := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	if _, _, err := conn.WriteMsgUnix(size, syscall.UnixRights(0, 1, 2), nil); err != nil {
		return 0, err
	}
	if _, err := conn.Write(text); err != nil {
		return 0, err
	}
	var code [1]byte
	if _, err := conn.Read(code[:]); err != nil {
		return 0, fmt.Errorf("the command ended without an exit code: %w", err)
	}
	return int(code[0]), nil
}
