package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
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
			compared, refused = append(compared, float64(c.compared)), append(refused, float64(c.busy))
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

// crowdFigures are what a crowd did.
type crowdFigures struct {
	figures          // of the API's callers
	memory   float64 // the most that the server had, bytes
	compared int64   // passwords that were compared
	busy     int64   // attempts that were told to come back later
}

// crowd signs in without end for a while, from many addresses at once: with a wrong
// password mostly under names that nobody has, with the right one as those who have it.
func (w *workload) crowd(password string, d time.Duration) (crowdFigures, error) {
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	var out crowdFigures
	var compared, busy atomic.Int64
	var failed atomic.Pointer[error]
	var wait sync.WaitGroup
	for i := range signInsAtOnce {
		wait.Go(func() {
			c, err := w.server.dialFrom(net.IPv4(127, byte(1+i/200), byte(1+i%200), 1))
			if err != nil {
				failed.CompareAndSwap(nil, &err)
				return
			}
			defer c.Close()
			for n := 0; ctx.Err() == nil; n++ {
				// Names are tried again and again where somebody has them, who is then
				// protected; names that nobody has are new each time, and cost as much.
				name := fmt.Sprintf("person-%03d", i%signInUsers)
				if password == wrongPassword && i%10 != 0 {
					name = fmt.Sprintf("guess-%d-%d", i, n)
				}
				status, body, err := c.send(w.server.form("/signin", url.Values{"as": {"user"}, "account": {account}, "username": {name}, "password": {password}}), true)
				switch {
				case ctx.Err() != nil:
					return
				case err != nil:
					failed.CompareAndSwap(nil, &err)
					return
				case status == http.StatusSeeOther && password == rightPassword:
					compared.Add(1)
				case status == http.StatusUnprocessableEntity && bytes.Contains(body, []byte("That is not right")):
					compared.Add(1)
					continue
				case status == http.StatusUnprocessableEntity:
					busy.Add(1)
				default:
					err := fmt.Errorf("POST /signin: status %d: %s", status, body)
					failed.CompareAndSwap(nil, &err)
					return
				}
				select {
				case <-time.After(signInPause/2 + rand.N(signInPause)): // not all at the same moment
				case <-ctx.Done():
				}
			}
		})
	}
	wait.Go(func() {
		for ctx.Err() == nil {
			if m, err := w.server.memory(); err == nil {
				out.memory = max(out.memory, m)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	time.Sleep(d / 4) // all are there
	compared.Store(0)
	busy.Store(0)
	var err error
	out.figures, err = w.calls(d)
	out.compared, out.busy = compared.Load(), busy.Load()
	cancel()
	wait.Wait()
	if problem := failed.Load(); problem != nil {
		err = errors.Join(err, *problem)
	}
	return out, err
}
