package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/lanyard-iam/lanyard/store"
)

// startDev makes the accounts of a development server and remembers the state to
// which a reset returns.
func (s *Server) startDev() error {
	err := s.store.Update(context.Background(), func(tx store.Tx) error {
		if err := s.bootstrap(tx, s.config.Accounts); err != nil {
			return err
		}
		if s.config.AccessKey == "" {
			return nil
		}
		return s.makeFixedKey(tx)
	})
	if err != nil {
		return err
	}
	s.start, err = s.memory.Snapshot()
	return err
}

// devOnly guards the development routes against pages in the developer's own
// browser: they are for programs, and a cross-site request says that it is one.
func devOnly(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		loopback, _ := isLoopback(hostPort(r.Host))
		if r.Header.Get("Origin") != "" || (r.Header.Get("Sec-Fetch-Site") != "" && r.Header.Get("Sec-Fetch-Site") != "none") || !loopback {
			http.Error(w, "for programs on this machine only", http.StatusForbidden)
			return
		}
		if r.Method != http.MethodPost && r.Method != http.MethodGet {
			w.Header().Set("Allow", "GET, POST")
			http.Error(w, "use POST", http.StatusMethodNotAllowed)
			return
		}
		next(w, r)
	}
}

// hostPort adds a port to a Host header without one.
func hostPort(host string) string {
	if _, err := isLoopback(host); err != nil {
		return host + ":80"
	}
	return host
}

// clockRequest is the body of POST /_lanyard/clock. Exactly one member is given.
type clockRequest struct {
	// Now sets the clock, as an RFC 3339 time.
	Now *time.Time `json:"now"`
	// Advance moves it, as a Go duration: "15m", "-1h30m".
	Advance string `json:"advance"`
	// Reset makes it the machine's clock again.
	Reset bool `json:"reset"`
}

// serveClock shows (GET) and sets (POST) the server's time. Time goes on from
// where it is set. The dates of signatures are still compared with the machine's
// time: the clocks of clients do not move with this one.
func (s *Server) serveClock(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		var in clockRequest
		if err := readJSON(r, &in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		given := 0
		for _, ok := range []bool{in.Now != nil, in.Advance != "", in.Reset} {
			if ok {
				given++
			}
		}
		if given != 1 {
			http.Error(w, `say one of {"now": "2026-01-02T15:04:05Z"}, {"advance": "15m"}, {"reset": true}`, http.StatusBadRequest)
			return
		}
		switch {
		case in.Now != nil:
			s.clock.Set(*in.Now)
		case in.Advance != "":
			d, err := time.ParseDuration(in.Advance)
			if err != nil {
				http.Error(w, `advance is a duration such as "15m": `+err.Error(), http.StatusBadRequest)
				return
			}
			s.clock.Advance(d)
		default:
			s.clock.Reset()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"now": s.clock.Now().UTC().Format(time.RFC3339Nano)})
}

// serveReset brings state, trail and clock back to the start.
func (s *Server) serveReset(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		http.Error(w, "use POST", http.StatusMethodNotAllowed)
		return
	}
	began := time.Now()
	s.clock.Reset()
	s.usage.Reset()
	s.signIns.Reset()
	// What waits in the queue is of before the reset: it is written, and goes.
	err := s.trail.Sync(r.Context())
	if err == nil {
		err = s.memory.Restore(s.start)
	}
	if err != nil {
		s.log.Error("reset", "error", err)
		http.Error(w, "the state could not be reset", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"reset": true, "microseconds": time.Since(began).Microseconds()})
}

// signatureClock is the time that a signature's date is compared with in
// development: the machine's, so that an advanced clock does not lock clients out.
func (s *Server) signatureClock() time.Time { return s.clock.base() }

const maxJSON = 64 << 10

// readJSON reads a small JSON body strictly.
func readJSON(r *http.Request, v any) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxJSON+1))
	if err != nil {
		return err
	}
	if len(body) > maxJSON {
		return errors.New("the body is too large")
	}
	if len(body) == 0 {
		return errors.New("a JSON body is needed")
	}
	return json.Unmarshal(body, v)
}
