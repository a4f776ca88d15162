package server

import (
	"strings"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// TestSuppressionsHaveBounds: of their number, length and time; what is wrong changes
// nothing, and what ended long ago is forgotten.
func TestSuppressionsHaveBounds(t *testing.T) {
	s, err := New(Config{Dev: true, Listen: "127.0.0.1:0", Socket: t.TempDir() + "/s"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := s.clock.Now().UTC()
	good := SuppressRequest{ID: "ROOT-01", ARN: "arn:aws:iam::111122223333:root", Reason: "because", Until: now.Add(time.Hour)}
	for want, change := range map[string]func(*SuppressRequest){
		"no finding's id":           func(r *SuppressRequest) { r.ID = "ROOT-99" },
		"is no ARN":                 func(r *SuppressRequest) { r.ARN = "root" },
		"no ARN of":                 func(r *SuppressRequest) { r.ARN += strings.Repeat("x", 3000) },
		"there is no account":       func(r *SuppressRequest) { r.ARN = "arn:aws:iam::999999999999:root" },
		"is not of account":         func(r *SuppressRequest) { r.Account = "999999999999" },
		"say why":                   func(r *SuppressRequest) { r.Reason = " " },
		"in at most 500 characters": func(r *SuppressRequest) { r.Reason = strings.Repeat("x", 501) },
		"is to be in the future":    func(r *SuppressRequest) { r.Until = now.Add(-time.Second) },
		"is to be within a year":    func(r *SuppressRequest) { r.Until = now.AddDate(2, 0, 0) },
	} {
		in := good
		change(&in)
		if _, err := s.suppress(t.Context(), in, peer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	of := func() (list SuppressionsReply) {
		if err := s.store.View(t.Context(), func(r store.Reader) (err error) {
			list, err = suppressionsOf(r, "111122223333")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return list
	}
	if n := len(of().Suppressions); n != 0 {
		t.Errorf("%d suppressions of what was refused", n)
	}
	if err := s.store.Update(t.Context(), func(tx store.Tx) error {
		for id, ended := range map[string]time.Duration{"KEY-01": 91 * 24 * time.Hour, "KEY-02": time.Hour} {
			if err := identity.Suppressions.Put(tx, &identity.Suppression{ID: id, ARN: good.ARN, Until: now.Add(-ended)}, "111122223333", id, good.ARN); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.suppress(t.Context(), good, peer{}); err != nil {
		t.Fatal(err)
	}
	if got := of().Suppressions; len(got) != 2 || got[0].ID != "KEY-02" || got[1].Reason != "because" || got[1].By == "" || got[1].At.IsZero() {
		t.Errorf("%+v", got)
	}
	if _, err := s.unsuppress(t.Context(), good, peer{}); err != nil || len(of().Suppressions) != 1 {
		t.Errorf("taken back: %v, %+v", err, of())
	}
	if _, err := s.unsuppress(t.Context(), good, peer{}); err == nil {
		t.Error("it was taken back twice")
	}
}
