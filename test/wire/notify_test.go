package wire_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/lanyardtest"
)

// What people are to be told of is not lost with the server: it is killed right after it has
// acknowledged deeds, while nobody listens; later all of them come, each at least once.
func TestNotificationsSurviveAKill(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close() // nobody listens for now
	p := install(t, t.TempDir())
	start := func() *world {
		p.run("--egress-allow", "127.0.0.1")
		return attach(t, &lanyardtest.Lanyard{URL: p.url, Socket: p.socket, Account: string(ours)})
	}
	w := start()
	w.ok(w.own(w.admin, "PutSecurityNotifications", "WebhookUrl", "http://"+address+"/hook"))
	want := map[string]bool{}
	for cycle := range 3 {
		for range 3 {
			r := w.ok(w.own(w.admin, "PutSignInRules", "GraceDays", fmt.Sprintf("json:%d", cycle)))
			want[w.record(r).EventID] = true
		}
		w.own(w.admin, "PutSignInRules", "GraceDays", "json:99") // is refused, so nobody hears of it
		p.stop(syscall.SIGKILL)
		w = start()
	}

	var mu sync.Mutex
	got := map[string]string{}
	if l, err = net.Listen("tcp", address); err != nil {
		t.Skipf("the address was taken meanwhile: %v", err)
	}
	receiver := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct{ ID, Event string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		mu.Lock()
		got[body.ID] = body.Event
		mu.Unlock()
	}))
	_ = receiver.Listener.Close()
	receiver.Listener = l
	receiver.Start()
	defer receiver.Close()
	all := func() bool {
		mu.Lock()
		defer mu.Unlock()
		for id := range want {
			if got[id] != "PutSignInRules" {
				return false
			}
		}
		deeds := 0
		for _, event := range got {
			if event == "PutSignInRules" {
				deeds++
			}
		}
		if deeds > len(want) {
			t.Error("what was refused was told")
		}
		return deeds == len(want)
	}
	for deadline := time.Now().Add(60 * time.Second); !all(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("want %v, got %v", want, got)
		}
	}
	p.stop(syscall.SIGTERM)
}
