package memory

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/store"
)

var epoch = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func read(tb testing.TB, s *Store, stream string) (entries []string) {
	tb.Helper()
	if err := s.View(context.Background(), func(r store.Reader) error {
		return r.ScanLog(stream, store.LogQuery{}, func(e store.LogEntry) bool {
			entries = append(entries, string(e.Data))
			return true
		})
	}); err != nil {
		tb.Fatal(err)
	}
	return entries
}

// A server that runs for weeks does not fill the memory: the oldest entries of the largest
// stream go.
func TestLogIsBounded(t *testing.T) {
	s := newStore(100)
	defer s.Close()
	add := func(stream, text string, second int) {
		t.Helper()
		if err := s.Append(t.Context(), []store.LogEntry{{Stream: stream, At: epoch.Add(time.Duration(second) * time.Second), Data: []byte(text)}}); err != nil {
			t.Fatal(err)
		}
	}
	add("small", "0123456789", 0)
	for i := range 50 {
		add("large", fmt.Sprintf("%010d", i), i)
	}
	if small := read(t, s, "small"); len(small) != 1 {
		t.Errorf("the small stream has %d entries, want the one", len(small))
	}
	large := read(t, s, "large")
	if len(large) != 9 || large[0] != fmt.Sprintf("%010d", 41) || large[8] != fmt.Sprintf("%010d", 49) {
		t.Errorf("the large stream has %v, want the newest nine", large)
	}
}

// The log comes back with the state.
func TestRestoreLog(t *testing.T) {
	s := newStore(100)
	defer s.Close()
	add := func(text string) {
		t.Helper()
		if err := s.Append(t.Context(), []store.LogEntry{{Stream: "trail", At: epoch, Data: []byte(text)}}); err != nil {
			t.Fatal(err)
		}
	}
	add("first")
	snap, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for i := range 40 { // overflows: the first entry is gone
			add(fmt.Sprintf("%05d", i))
		}
		if entries := read(t, s, "trail"); entries[0] == "first" {
			t.Error("the log is not bounded")
		}
		if err := s.Restore(snap); err != nil {
			t.Fatal(err)
		}
		if entries := read(t, s, "trail"); len(entries) != 1 || entries[0] != "first" {
			t.Errorf("the log after Restore: %q", entries)
		}
	}
}

func TestSnapshotOfClosedStore(t *testing.T) {
	s := New()
	snap, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := s.Snapshot(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Snapshot: %v", err)
	}
	if err := s.Restore(snap); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Restore: %v", err)
	}
}

// FuzzCursor: a cursor comes back from a client.
func FuzzCursor(f *testing.F) {
	f.Add(string(makePlace(epoch, 7).cursor()))
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseCursor(store.Cursor(text))
		if err != nil {
			if !errors.Is(err, store.ErrCursor) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if text != "" && len(p) != 16 {
			t.Errorf("%q is a place of %d bytes", text, len(p))
		}
	})
}

var things = store.Table[struct{ N int }]{Kind: store.Meta}

// BenchmarkRestore must take the same time whatever the size.
func BenchmarkRestore(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := New()
			defer s.Close()
			if err := s.Update(b.Context(), func(tx store.Tx) error {
				for i := range n {
					if err := things.Put(tx, &struct{ N int }{i}, fmt.Sprint(i)); err != nil {
						return err
					}
					tx.Append("trail", epoch, []byte("x"))
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
			snap, err := s.Snapshot()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Restore(snap); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUpdate(b *testing.B) {
	s := New()
	defer s.Close()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := s.Update(b.Context(), func(tx store.Tx) error {
			return things.Put(tx, &struct{ N int }{i}, fmt.Sprint(i%10_000))
		}); err != nil {
			b.Fatal(err)
		}
	}
}
