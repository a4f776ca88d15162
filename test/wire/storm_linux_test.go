package wire_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"golang.org/x/sys/unix"
)

// T404: 500 people who sign in at a time, over and over. Hashing passwords takes no more
// memory than the bound, and no processor that a request could have. What that does to
// requests is measured by bench/load.
func TestT404_SignInStorm(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	const (
		people    = 500
		maxMemory = 400 << 20
	)
	p := install(t, t.TempDir())
	w := p.start()
	client := w.client()
	for i := range 20 {
		name := aws.String(fmt.Sprint("storm", i))
		if _, err := client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: name}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.CreateLoginProfile(t.Context(), &iam.CreateLoginProfileInput{UserName: name, Password: aws.String(password)}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var attempts, seen, let atomic.Int64
	browser := &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: people},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	where := strings.Replace(p.url, "127.0.0.1", "localhost", 1) + "/signin"
	var all sync.WaitGroup
	for i := range people {
		all.Go(func() {
			form := url.Values{"as": {"user"}, "return": {"/"}, "account": {string(ours)}, "username": {fmt.Sprint("storm", i%20)}, "password": {password}}
			for ctx.Err() == nil {
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, where, strings.NewReader(form.Encode()))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				answer, err := browser.Do(r)
				if err != nil {
					continue
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				attempts.Add(1)
				switch answer.StatusCode {
				case http.StatusSeeOther:
					let.Add(1)
				case http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable:
					seen.Add(1)
				default:
					t.Errorf("status %d", answer.StatusCode)
				}
				time.Sleep(time.Second) // as long as somebody needs to press the button again
			}
		})
	}
	time.Sleep(3 * time.Second)
	stop()
	all.Wait()
	for _, pid := range children(t, p.cmd.Process.Pid) {
		if how, err := unix.SchedGetAttr(pid, 0); err != nil || how.Policy != unix.SCHED_IDLE {
			t.Errorf("the process that hashes does not give way to others: %+v, %v", how, err)
		}
	}
	peak := memoryPeak(t, p.cmd.Process.Pid)
	t.Logf("%d attempts, %d let in, %d not looked at; %d MB", attempts.Load(), let.Load(), seen.Load(), peak>>20)
	if let.Load() == 0 {
		t.Error("nobody was let in")
	}
	if peak > maxMemory {
		t.Errorf("%d MB", peak>>20)
	}
}

// children are the processes that a process has started and that run: those that hash.
func children(t *testing.T, pid int) []int {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(lists) == 0 {
		t.Log("this system does not tell the children of a process")
		return nil
	}
	var all []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for pid := range strings.FieldsSeq(string(text)) {
			n, err := strconv.Atoi(pid)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, n)
		}
	}
	if len(all) == 0 {
		t.Error("the server has no process that hashes")
	}
	return all
}

// memoryPeak is the largest resident size that a process had.
func memoryPeak(t *testing.T, pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip("no /proc")
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Skip("no peak")
	return 0
}
