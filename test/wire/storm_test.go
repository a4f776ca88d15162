package wire_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lanyard-iam/lanyard/lanyardtest"
)

// T404: 500 people who sign in at a time, over and over, and one client that asks who it is.
// Hashing passwords takes no more memory than the bound, and requests no more than twice as
// long, at the 99th percentile. A busy machine makes the times worthless, so that they are
// compared only if LANYARD_STORM is set; the memory always is.
func TestT404_SignInStorm(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	const (
		people    = 500
		maxMemory = 400 << 20
	)
	strict := os.Getenv("LANYARD_STORM") != ""
	long := 2 * time.Second
	if strict {
		long = 15 * time.Second
	}
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
	asking := sts.NewFromConfig((&lanyardtest.Lanyard{URL: p.url}).ConfigFor(w.admin.id, w.admin.secret, w.admin.token))
	p99 := func() time.Duration {
		var took []time.Duration
		for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(time.Millisecond) {
			began := time.Now()
			if _, err := asking.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took[len(took)*99/100]
	}
	p99() // warm
	quiet := p99()

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
	time.Sleep(500 * time.Millisecond)
	stormy := p99()
	stop()
	all.Wait()
	peak := memoryPeak(t, p.cmd.Process.Pid)
	t.Logf("%d attempts, %d let in, %d not looked at; GetCallerIdentity p99 %v, in the storm %v; %d MB", attempts.Load(), let.Load(), seen.Load(), quiet, stormy, peak>>20)
	if let.Load() == 0 {
		t.Error("nobody was let in")
	}
	if peak > maxMemory {
		t.Errorf("%d MB", peak>>20)
	}
	if strict && stormy > 2*quiet {
		t.Errorf("GetCallerIdentity p99 went from %v to %v", quiet, stormy)
	}
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
