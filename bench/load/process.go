package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/sigv4"
)

// The stores a server can have.
const (
	sqlite = "sqlite"
	memory = "memory"
)

const (
	account = "111122223333"
	// startLimit is how long a server may take to become ready, stopLimit to stop.
	startLimit = 10 * time.Second
	stopLimit  = 30 * time.Second
	// ticks is USER_HZ, the unit of CPU time in /proc, on every Linux platform of Go.
	ticks = 100
)

// server is a running lanyard.
type server struct {
	cmd     *exec.Cmd
	address string
	ready   time.Duration // from start until it said that it is ready
	binary  string
	socket  string
	stderr  *bytes.Buffer
	exited  chan error
}

// start runs a server on a free port, its files in dir, and waits until it is ready.
// Quotas are as its flag --quota has them.
func start(ctx context.Context, binary, store, dir string, quotas ...string) (*server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{address: address, binary: binary, socket: filepath.Join(dir, "s"), stderr: new(bytes.Buffer), exited: make(chan error, 1)}
	args := []string{"server", "--listen", address, "--socket", s.socket, "--log-level", "error"}
	for _, quota := range quotas {
		args = append(args, "--quota", quota)
	}
	switch store {
	case memory:
		args = append(args, "--dev", "--account", account)
	case sqlite:
		place := []string{"--data", filepath.Join(dir, "data"), "--seal-key-file", filepath.Join(dir, "seal.key")}
		args = append(args, place...)
		initialize := exec.CommandContext(ctx, binary, append([]string{"init", "--account", account}, place...)...)
		if out, err := initialize.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("lanyard init: %w: %s", err, out)
		}
	}
	s.cmd = exec.CommandContext(ctx, binary, args...)
	s.cmd.Stderr = s.stderr
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.exited <- s.cmd.Wait() }()
	for {
		if s.answers() {
			s.ready = time.Since(began)
			return s, nil
		}
		select {
		case err := <-s.exited:
			return nil, fmt.Errorf("the server ended: %w: %s", err, s.stderr)
		case <-time.After(time.Millisecond):
		}
		if time.Since(began) > startLimit {
			return nil, errors.Join(fmt.Errorf("the server is not ready after %v", startLimit), s.stop())
		}
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (s *server) answers() bool {
	r, err := http.Get("http://" + s.address + "/readyz")
	if err != nil {
		return false
	}
	r.Body.Close()
	return r.StatusCode == http.StatusOK
}

// stop ends the server as an operator does.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case err := <-s.exited:
		if err != nil {
			return fmt.Errorf("the server ended: %w: %s", err, s.stderr)
		}
		return nil
	case <-time.After(stopLimit):
		return errors.Join(fmt.Errorf("the server did not stop in %v", stopLimit), s.cmd.Process.Kill())
	}
}

// cpu is the CPU time the server has used, in seconds. See proc_pid_stat(5): utime
// and stime are fields 14 and 15, and the second field may hold spaces.
func (s *server) cpu() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("unexpected /proc stat: %q", text)
	}
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticks, errors.Join(err1, err2)
}

// memory is the resident set in bytes of the server and of the processes that it started.
func (s *server) memory() (float64, error) { return s.sum("VmRSS:") }

// peak is the most that each of them had since it began, added up: no less than they had
// together at any time. Who is measured is not stopped to look at it, as many looks would.
func (s *server) peak() (float64, error) { return s.sum("VmHWM:") }

func (s *server) sum(field string) (float64, error) {
	all, err := statusBytes(s.cmd.Process.Pid, field)
	if err != nil {
		return 0, err
	}
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", s.cmd.Process.Pid))
	for _, thread := range threads {
		children, _ := os.ReadFile(thread)
		for child := range strings.FieldsSeq(string(children)) {
			if pid, err := strconv.Atoi(child); err == nil {
				bytes, _ := statusBytes(pid, field) // or it has ended
				all += bytes
			}
		}
	}
	return all, nil
}

// statusBytes is a size that /proc tells of a process, in bytes.
func statusBytes(pid int, field string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kb * 1024, err
		}
	}
	return 0, fmt.Errorf("no %s in /proc status", field)
}

// owner is temporary credentials of the owner, from the local socket.
func (s *server) owner(ctx context.Context) (sigv4.Credentials, error) {
	cmd := exec.CommandContext(ctx, s.binary, "env", "--socket", s.socket, "--output", "json")
	out, err := cmd.Output()
	if err != nil {
		return sigv4.Credentials{}, fmt.Errorf("lanyard env: %w", err)
	}
	// As a credential_process prints it.
	var c struct{ AccessKeyId, SecretAccessKey, SessionToken string }
	if err := json.Unmarshal(out, &c); err != nil {
		return sigv4.Credentials{}, fmt.Errorf("lanyard env: %w", err)
	}
	return sigv4.Credentials{AccessKeyID: c.AccessKeyId, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, nil
}
