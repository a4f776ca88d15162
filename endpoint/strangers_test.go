package endpoint

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
)

func TestStrangersAreLimitedBySourceAndAccount(t *testing.T) {
	s := NewStrangers(slog.New(slog.DiscardHandler), func(Reason) {})
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const ours, theirs = arn.AccountID("111122223333"), arn.AccountID("444455556666")
	for i, step := range []struct {
		pass    time.Duration
		source  string
		account arn.AccountID
		ask     int
		want    int
		why     Reason
	}{
		{0, "192.0.2.1", ours, 2000, sourceBurst, ReasonSource},
		{0, "192.0.2.1", theirs, 1, 0, ReasonSource},
		{10 * time.Second, "192.0.2.1", ours, 100, 10, ReasonSource},
		{-time.Hour, "192.0.2.1", ours, 10, 0, ReasonSource}, // nothing is won by stepping back
		{2 * time.Hour, "192.0.2.2", ours, 2000, sourceBurst, ReasonSource},
		{0, "2001:db8::1", ours, 150, 150, ""},
		{0, "2001:db8::2", ours, 150, 100, ReasonSource}, // the same /64
		// The hours gave the account all of its burst again, of which 500 are gone.
		{0, "2001:db8:0:1::1", ours, 250, 250, ""},
		{0, "192.0.2.3", ours, 240, 240, ""},
		{0, "192.0.2.4", ours, 100, 10, ReasonAccount},
		{0, "192.0.2.5", theirs, 100, 100, ""}, // another account has its own
	} {
		now = now.Add(step.pass)
		got, last := 0, Reason("")
		for range step.ask {
			why, ok := s.admit(netip.MustParseAddr(step.source), step.account, now)
			if ok {
				got++
			}
			last = why
		}
		if got != step.want || last != step.why {
			t.Errorf("step %d: %d admitted, want %d; refused for %q, want %q", i, got, step.want, last, step.why)
		}
	}
	for range 3 * maxSources { // bounded, and does not admit more than the account may
		now = now.Add(time.Microsecond)
		s.admit(netip.AddrFrom4([4]byte{10, byte(now.UnixMicro() >> 16), byte(now.UnixMicro() >> 8), byte(now.UnixMicro())}), ours, now)
	}
}

// However many are not recorded, the log has a line a minute that says how many and why.
func TestSummaryOfStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		counted := make(map[Reason]int)
		s := NewStrangers(slog.New(slog.NewTextHandler(&log, nil)), func(why Reason) { counted[why]++ })
		for range 90 {
			for range 100 {
				s.unrecorded(ReasonUnknownKey)
			}
			s.unrecorded(ReasonSource)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "unknown_key=6") || !strings.Contains(lines[1], "source_limit=") {
			t.Errorf("the log has %q", lines)
		}
		if counted[ReasonUnknownKey] != 9000 || counted[ReasonSource] != 90 {
			t.Errorf("counted: %v", counted)
		}
	})
}
