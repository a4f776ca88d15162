package endpoint

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/protocol"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

// The answer to a change in doubt does not say that nothing happened, and its record is not
// that of the change, which may be in the trail under its own id.
func TestAChangeInDoubt(t *testing.T) {
	s := memory.New()
	defer s.Close()
	trail, err := audit.NewTrail(s, audit.Options{Key: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	h := &Handler{Trail: trail, Log: slog.New(slog.DiscardHandler), Clock: func() time.Time { return now }, Rand: rand.Reader,
		Services: &Services{all: []*Service{{}}}}
	for _, test := range []struct {
		err      error
		sentence string
		ownID    bool
	}{
		{store.ErrUnavailable, "was not made", true},
		{fmt.Errorf("%w: fsync", store.ErrInDoubt), "may have been made", false},
	} {
		id := NewRequestID(rand.Reader)
		x := &exchange{
			ctx: t.Context(), protocol: protocol.Query, request: "r", err: unavailable(test.err),
			call:  service.Call{Principal: &authn.Principal{}},
			http:  httptest.NewRequest(http.MethodPost, "/", nil),
			event: &audit.Event{ID: id, RequestID: id, Time: now, Name: "CreateUser", Source: "iam.amazonaws.com", Account: "111122223333"},
		}
		w := httptest.NewRecorder()
		h.finish(w, x)
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), test.sentence) || !errors.Is(x.err, test.err) {
			t.Errorf("%v: %d %s", test.err, w.Code, w.Body)
		}
		if err := trail.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.View(t.Context(), func(r store.Reader) error {
			entry, err := trail.Find(r, "111122223333", id)
			if err == nil && (entry.ID == id) != test.ownID {
				t.Errorf("%v: the record's id is that of the change: %v", test.err, entry.ID == id)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := trail.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
