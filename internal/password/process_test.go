package password

import (
	"bytes"
	"crypto/rand"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// asProcess is set in the environment of this test's program where it is to hash.
const asProcess = "PASSWORD_TEST_SERVE"

func TestMain(m *testing.M) {
	if os.Getenv(asProcess) != "" {
		if err := Serve(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// started counts the processes that a test's command starts, and logs what is said.
type started struct {
	mu   sync.Mutex
	cmds []*exec.Cmd
	said bytes.Buffer
}

func (s *started) processes(t *testing.T, command func() *exec.Cmd) *Processes {
	t.Helper()
	p := NewProcesses(func() *exec.Cmd {
		cmd := command()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cmds = append(s.cmds, cmd)
		return cmd
	}, slog.New(slog.NewTextHandler(&s.said, nil)))
	t.Cleanup(p.Close)
	return p
}

func self(t *testing.T) func() *exec.Cmd {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return func() *exec.Cmd {
		cmd := exec.Command(path)
		cmd.Env = []string{asProcess + "=yes"}
		return cmd
	}
}

// works tells that hashes of the two kinds of hasher are good for each other.
func works(t *testing.T, p *Processes) {
	t.Helper()
	h := hasher(1)
	h.Use(p)
	turn, err := h.Turn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer turn.Done()
	stored, err := turn.Hash("Correct horse", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, reader := range []*Turn{turn, cheap(t)} {
		if ok, err := reader.Matches("Correct horse", stored); !ok || err != nil {
			t.Errorf("the password: %v, %v", ok, err)
		}
		if ok, err := reader.Matches("Correct horsf", stored); ok || err != nil {
			t.Errorf("another password: %v, %v", ok, err)
		}
	}
}

func TestProcesses(t *testing.T) {
	var s started
	p := s.processes(t, self(t))
	works(t, p)
	works(t, p)
	if len(s.cmds) != 1 || s.said.Len() > 0 {
		t.Errorf("%d processes, and %q; want one that is used again, and silence", len(s.cmds), s.said.String())
	}

	// One that dies is replaced by the next, and nobody notices.
	if err := s.cmds[0].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	works(t, p)
	works(t, p)
	if len(s.cmds) != 2 || s.said.Len() > 0 {
		t.Errorf("%d processes, and %q; want two, and silence", len(s.cmds), s.said.String())
	}

	p.Close()
	works(t, p)
	if len(s.cmds) != 2 {
		t.Errorf("%d processes; want none begun after the end", len(s.cmds))
	}
}

func TestProcessesAtOnce(t *testing.T) {
	var s started
	p := s.processes(t, self(t))
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() { works(t, p) })
	}
	wait.Wait()
	if len(s.cmds) > 8 {
		t.Errorf("%d processes for 8 callers", len(s.cmds))
	}
}

// Where there is no process, or one that does not know the job, passwords are hashed all
// the same, and the log says so, once and without the password.
func TestProcessesThatFail(t *testing.T) {
	for name, command := range map[string]func() *exec.Cmd{
		"no program":  func() *exec.Cmd { return exec.Command("/does/not/exist") },
		"silent":      func() *exec.Cmd { return exec.Command("true") },
		"of no sense": func() *exec.Cmd { return exec.Command("cat") },
	} {
		t.Run(name, func(t *testing.T) {
			var s started
			p := s.processes(t, command)
			works(t, p)
			works(t, p)
			said := s.said.String()
			if strings.Count(said, "own process") != 1 || strings.Contains(said, "horse") {
				t.Errorf("the log says %q", said)
			}
		})
	}
}

func TestProcessesWithoutWorkEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewProcesses(nil, nil)
		ended := make(chan struct{})
		idle := &process{cmd: exec.Command("true"), in: closer(ended)}
		p.give(idle)
		time.Sleep(processIdle - time.Second)
		if got, used, err := p.take(); got != idle || !used || err != nil {
			t.Fatalf("%v, %v; want the idle one", got, err)
		}
		time.Sleep(2 * processIdle) // it works
		p.give(idle)
		time.Sleep(processIdle - time.Second)
		select {
		case <-ended:
			t.Fatal("ended too soon")
		default:
		}
		time.Sleep(2 * time.Second)
		<-ended
		if len(p.idle) != 0 {
			t.Error("it is kept")
		}
	})
}

type closer chan struct{}

func (c closer) Write(p []byte) (int, error) { return len(p), nil }
func (c closer) Close() error                { close(c); return nil }
