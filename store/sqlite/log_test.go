package sqlite

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/store"
)

// Packing loses nothing, keeps the order of time, and holds its limits.
func TestBlocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := time.Unix(rapid.Int64Range(-1<<32, 1<<32).Draw(t, "base"), 0)
		var entries []store.LogEntry
		for i := range rapid.IntRange(0, 40).Draw(t, "entries") {
			entries = append(entries, store.LogEntry{
				Stream: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "stream"),
				At:     base.Add(time.Duration(rapid.Int64Range(0, 3e9).Draw(t, "at"))),
				Data:   slices.Repeat([]byte{byte(i)}, rapid.SampledFrom([]int{0, 1, 1000, blockBytes / 2, blockBytes + 1}).Draw(t, "size")),
			})
		}
		var unpacked []store.LogEntry
		for i, b := range new(packer).blocks(entries) {
			b.id = int64(i)
			got, err := b.unpack()
			if err != nil || len(got) == 0 {
				t.Fatalf("a block of %d entries: %v", len(got), err)
			}
			if b.last-b.first >= int64(blockSpan) || got[0].At.UnixNano() != b.first || got[len(got)-1].At.UnixNano() != b.last {
				t.Fatalf("a block from %d to %d holds entries from %v to %v", b.first, b.last, got[0].At, got[len(got)-1].At)
			}
			if len(got) > 1 && len(b.entries) > blockBytes+20*len(got) {
				t.Fatalf("a block of %d entries has %d bytes", len(got), len(b.entries))
			}
			for n, e := range got {
				if p, err := parseCursor(e.Cursor); err != nil || p != (place{b.first, b.id, uint32(n)}) {
					t.Fatalf("cursor of entry %d of block %d: %+v, %v", n, i, p, err)
				}
			}
			unpacked = append(unpacked, got...)
		}
		for _, stream := range []string{"a", "b"} {
			var want, got []string
			sorted := slices.Clone(entries)
			slices.SortStableFunc(sorted, func(a, b store.LogEntry) int { return a.At.Compare(b.At) })
			for _, e := range sorted {
				if e.Stream == stream {
					want = append(want, fmt.Sprint(e.At.UnixNano(), len(e.Data), e.Data[:min(1, len(e.Data))]))
				}
			}
			for _, e := range unpacked {
				if e.Stream == stream {
					got = append(got, fmt.Sprint(e.At.UnixNano(), len(e.Data), e.Data[:min(1, len(e.Data))]))
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("stream %s: unpacked %v, packed %v", stream, got, want)
			}
		}
	})
}

// FuzzUnpack: damaged blocks that pass the checksum (they do not) are an error, not a crash.
func FuzzUnpack(f *testing.F) {
	b := new(packer).blocks([]store.LogEntry{{Stream: "s", At: time.Unix(1, 0), Data: []byte("one")}, {Stream: "s", At: time.Unix(1, 5), Data: []byte("two")}})
	f.Add(b[0].entries)
	f.Add([]byte{0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Add([]byte{0x80})
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		b := &block{stream: "s", entries: raw}
		entries, err := b.unpack()
		if err != nil && (entries != nil || !errors.Is(err, store.ErrCorrupt)) {
			t.Errorf("%x: %v, %v", raw, entries, err)
		}
		total := 0
		for _, e := range entries {
			total += len(e.Data)
		}
		if total > len(raw) {
			t.Errorf("%d bytes from %d", total, len(raw))
		}
	})
}

// FuzzCursor: a cursor comes back from a client.
func FuzzCursor(f *testing.F) {
	f.Add(string(place{1, 2, 3}.cursor()))
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
		if again, err := parseCursor(p.cursor()); err != nil || again != p {
			t.Errorf("%q: %+v, then %+v", text, p, again)
		}
	})
}
