package password

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"sync"
	"time"
)

const (
	// processIdle is how long a process without work is kept.
	processIdle = time.Minute
	// processPatience is how long one hash may take before its process is given up: a
	// hundred times what it does. The process gives way to everything else, so that on a
	// machine without a moment of rest this is also how long somebody who signs in waits
	// until their password is hashed in place.
	processPatience = 3 * time.Second

	// protocolVersion is that of job and result. A server may run on after its program's
	// file was replaced; then the file's next version says that it does not know the job.
	protocolVersion = 1
)

// job is one key to derive, and result is what came of it. They go over the pipes of a
// process as JSON, one value after the other.
type (
	job struct {
		Version  int
		Cost     Cost
		Password []byte
		Salt     []byte
		Bytes    int
	}
	result struct {
		Version int
		Key     []byte
	}
)

// derive computes the key here.
func (j job) derive() []byte { return deriveKey(j.Password, j.Salt, j.Cost, j.Bytes) }

// Processes hash outside the server's process: the Go scheduler lets a goroutine that
// computes have its processor for 10 ms at a time, and a request that arrives meanwhile
// waits; the operating system gives it the processor at once. The memory that hashing takes
// leaves with the process, which is ended when it has had nothing to do for a minute.
//
// They are a matter of speed alone: where no process can be started, or one fails, the
// key is computed in place. Safe for concurrent use.
type Processes struct {
	command func() *exec.Cmd
	log     *slog.Logger

	mu     sync.Mutex
	idle   []*process
	closed bool
	told   bool // that hashing goes on in place
}

// NewProcesses runs the command that calls [Serve] with its standard input and output, as
// many times as there are hashes at a time. Close them.
func NewProcesses(command func() *exec.Cmd, log *slog.Logger) *Processes {
	return &Processes{command: command, log: log}
}

// process is one that runs and, while it is in the list of idle ones, has no work.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	to    *json.Encoder
	from  *json.Decoder
	bored *time.Timer // ends it, while it is idle
}

// Close ends the processes. Those at work end with their work; what is asked afterwards is
// computed in place.
func (p *Processes) Close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, process := range idle {
		process.bored.Stop()
		process.end()
	}
}

func (p *Processes) derive(j job) []byte {
	process, used, err := p.take()
	if err == nil {
		var key []byte
		if key, err = p.ask(process, j); err != nil && used { // it may have died while it was idle
			if process, err = begin(p.command()); err == nil {
				key, err = p.ask(process, j)
			}
		}
		if err == nil {
			return key
		}
	}
	if !errors.Is(err, errClosed) {
		p.tell(err)
	}
	return j.derive()
}

// ask has a process derive a key, and keeps the process if it is good for more.
func (p *Processes) ask(process *process, j job) ([]byte, error) {
	key, err := process.derive(j)
	if err != nil {
		process.end()
		return nil, err
	}
	p.give(process)
	return key, nil
}

// tell says that hashing goes on in place, once until a process works again.
func (p *Processes) tell(err error) {
	p.mu.Lock()
	told := p.told
	p.told = true
	p.mu.Unlock()
	if !told {
		p.log.Warn("passwords are hashed in the server's own process, which slows other requests down", "error", err)
	}
}

var errClosed = errors.New("closed")

// take yields a process without work: the one that was used last, or a new one.
func (p *Processes) take() (_ *process, used bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false, errClosed
	}
	if last := len(p.idle) - 1; last >= 0 {
		process := p.idle[last]
		p.idle = p.idle[:last]
		process.bored.Stop()
		return process, true, nil
	}
	fresh, err := begin(p.command())
	return fresh, false, err
}

// give takes a process back that has no work any more.
func (p *Processes) give(process *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		process.end()
		return
	}
	p.told = false // they work, again
	p.idle = append(p.idle, process)
	process.bored = time.AfterFunc(processIdle, func() { p.retire(process) })
}

// retire ends a process if it is idle still.
func (p *Processes) retire(bored *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, process := range p.idle {
		if process == bored {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			process.end()
			return
		}
	}
}

func begin(cmd *exec.Cmd) (*process, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd: cmd, in: in, to: json.NewEncoder(in), from: json.NewDecoder(out)}, nil
}

// end lets a process go: it ends when its input does.
func (p *process) end() {
	_ = p.in.Close()
	go func() {
		late := time.AfterFunc(processPatience, func() { _ = p.cmd.Process.Kill() })
		_ = p.cmd.Wait() // how it ended does not matter any more
		late.Stop()
	}()
}

func (p *process) derive(j job) ([]byte, error) {
	late := time.AfterFunc(processPatience, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop() // one that is killed as it answers fails at its next job
	j.Version = protocolVersion
	if err := p.to.Encode(j); err != nil {
		return nil, fmt.Errorf("process that hashes: %w", err)
	}
	var r result
	if err := p.from.Decode(&r); err != nil {
		return nil, fmt.Errorf("process that hashes: %w", err)
	}
	if r.Version != protocolVersion || len(r.Key) != j.Bytes {
		return nil, errors.New("process that hashes: another version")
	}
	return r.Key, nil
}

// Serve is what a process of [Processes] does until its input ends.
func Serve(in io.Reader, out io.Writer) error {
	from, to := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var j job
		if err := from.Decode(&j); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		r := result{Version: protocolVersion}
		if j.Version == protocolVersion && j.Cost.bounded() && j.Bytes >= 16 && j.Bytes <= 64 {
			r.Key = j.derive()
		}
		if err := to.Encode(r); err != nil {
			return err
		}
	}
}
