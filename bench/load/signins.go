package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanyard-iam/lanyard/bench/internal/stat"
)

const (
	// signInsAtOnce is how many people try to sign in at a time, each from an address of
	// their own, and signInUsers how many of them exist.
	signInsAtOnce = 500
	signInUsers   = 50
	// signInPause is how long one who was asked to come back later stays away, in the
	// middle: a fifth of what the page says. Who was let in comes again after it, too.
	signInPause = time.Second
	// signInCallers is how many programs call the API meanwhile: enough to see a delay,
	// too few to be one.
	signInCallers = 4

	rightPassword = "Seven-tired-0xen-sing"
	wrongPassword = "Correct horse 7 battery"
)

// measureSignIns tells what a crowd that signs in does to the requests of others, and to
// memory: people who know their passwords, and somebody who guesses.
func measureSignIns(ctx context.Context, o options, store, dir string) error {
	for who, password := range map[string]string{"right": rightPassword, "guessed": wrongPassword} {
		if err := measureCrowd(ctx, o, store, filepath.Join(dir, "signins-"+store+"-"+who), who, password); err != nil {
			return err
		}
	}
	return nil
}

func measureCrowd(ctx context.Context, o options, store, dir, who, password string) error {
	s, err := start(ctx, o.binary, store, dir)
	if err != nil {
		return err
	}
	err = func() error {
		w, err := newWorkload(ctx, s, o)
		if err != nil {
			return err
		}
		for i := range signInUsers {
			name := fmt.Sprintf("person-%03d", i)
			if _, _, err := s.ask(w.owner, "CreateUser", "UserName", name); err != nil {
				return err
			}
			if _, _, err := s.ask(w.owner, "CreateLoginProfile", "UserName", name, "Password", rightPassword); err != nil {
				return err
			}
		}
		var quiet, busy, most, compared, refused []float64
		for range o.runs {
			f, err := w.calls(o.duration)
			if err != nil {
				return err
			}
			quiet = append(quiet, f.p99.Seconds()*1e3)
			c, err := w.crowd(password, o.duration)
			if err != nil {
				return err
			}
			busy, most = append(busy, c.p99.Seconds()*1e3), append(most, c.memory/1e6)
			compared, refused = append(compared, float64(c.Compared)), append(refused, float64(c.Busy))
		}
		fmt.Printf("| %s | %s | %.1f ms | %.1f ms | %.1f | %.0f MB | %.0f/s | %.0f/s |\n", store, who, stat.Median(quiet), stat.Median(busy), stat.Median(busy)/stat.Median(quiet),
			stat.Median(most), stat.Median(compared)/o.duration.Seconds(), stat.Median(refused)/o.duration.Seconds())
		return nil
	}()
	return errors.Join(err, s.stop())
}

// calls asks who the caller is, over and over, from a few connections.
func (w *workload) calls(d time.Duration) (figures, error) {
	r, err := w.server.sign(w.user, "sts", "GetCallerIdentity")
	if err != nil {
		return figures{}, err
	}
	end := time.Now().Add(d)
	return w.server.drive(w.ctx, signInCallers, func(int) request {
		if time.Now().After(end) {
			return nil
		}
		time.Sleep(2 * time.Millisecond) // as many programs that do other things, too
		return r
	})
}

// crowdFigures are what a crowd did, and to whom.
type crowdFigures struct {
	figures          // of the API's callers
	attempts         // of the crowd
	memory   float64 // the most that the server had at any time, bytes
}

// attempts are how many attempts of a crowd came out how.
type attempts struct {
	Compared int64 // the password was compared
	Busy     int64 // they were told to come back later
}

// crowd measures API calls while a crowd signs in. The crowd is a process of its own, as
// it is in life: else callers would wait for their turn in it, and not for the server.
func (w *workload) crowd(password string, d time.Duration) (out crowdFigures, err error) {
	self, err := os.Executable()
	if err != nil {
		return out, err
	}
	cmd := exec.CommandContext(w.ctx, self, "-crowd", w.server.address, "-password", password)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return out, err
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		return out, err
	}
	if err := cmd.Start(); err != nil {
		return out, err
	}
	defer func() {
		if end := errors.Join(in.Close(), cmd.Wait()); end != nil {
			err = errors.Join(err, fmt.Errorf("the crowd: %w", end))
		}
	}()
	counts := json.NewDecoder(answers)
	soFar := func() (a attempts, err error) {
		if _, err = io.WriteString(in, "\n"); err == nil {
			err = counts.Decode(&a)
		}
		return a, err
	}
	time.Sleep(d / 4) // all are there
	before, err := soFar()
	if err != nil {
		return out, err
	}
	if out.figures, err = w.calls(d); err != nil {
		return out, err
	}
	after, err := soFar()
	if err != nil {
		return out, err
	}
	out.attempts = attempts{after.Compared - before.Compared, after.Busy - before.Busy}
	out.memory, err = w.server.peak()
	return out, err
}

// beCrowd is the process of a crowd. It signs in until in ends, from many addresses at
// once: with a wrong password mostly under names that nobody has, with the right one as
// those who have it. For each line of in it tells how the attempts came out so far.
func beCrowd(ctx context.Context, address, password string, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	server := &server{address: address}
	var compared, busy atomic.Int64
	var wait sync.WaitGroup
	defer wait.Wait()
	for i := range signInsAtOnce {
		wait.Go(func() {
			if err := beOne(ctx, server, i, password, &compared, &busy); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}
	answers := json.NewEncoder(out)
	for asked := bufio.NewScanner(in); asked.Scan(); {
		if ctx.Err() != nil {
			break
		}
		if err := answers.Encode(attempts{compared.Load(), busy.Load()}); err != nil {
			return err
		}
	}
	err := context.Cause(ctx)
	cancel(nil)
	return err
}

// beOne is one of a crowd, from an address of its own, until the context ends.
func beOne(ctx context.Context, server *server, i int, password string, compared, busy *atomic.Int64) error {
	c, err := server.dialFrom(net.IPv4(127, byte(1+i/200), byte(1+i%200), 1))
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })()
	for n := 0; ; n++ {
		// Names are tried again and again where somebody has them, who is then
		// protected; names that nobody has are new each time, and cost as much.
		name := fmt.Sprintf("person-%03d", i%signInUsers)
		if password == wrongPassword && i%10 != 0 {
			name = fmt.Sprintf("guess-%d-%d", i, n)
		}
		status, body, err := c.send(server.form("/signin", url.Values{"as": {"user"}, "account": {account}, "username": {name}, "password": {password}}), true)
		switch {
		case err != nil:
			return err
		case status == http.StatusSeeOther && password == rightPassword:
			compared.Add(1)
		case status == http.StatusUnprocessableEntity && bytes.Contains(body, []byte("That is not right")):
			compared.Add(1)
			continue
		case status == http.StatusUnprocessableEntity:
			busy.Add(1)
		default:
			return fmt.Errorf("POST /signin: status %d: %s", status, body)
		}
		select {
		case <-time.After(signInPause/2 + rand.N(signInPause)): // not all at the same moment
		case <-ctx.Done():
			return nil
		}
	}
}
