package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
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
		plain := new(packer).plain(entries)
		for i, b := range new(packer).blocks(entries) {
			b.id = int64(i)
			got, err := b.unpack()
			if err != nil || len(got) == 0 {
				t.Fatalf("a block of %d entries: %v", len(got), err)
			}
			if b.last-b.first >= int64(blockSpan) || got[0].At.UnixNano() != b.first || got[len(got)-1].At.UnixNano() != b.last {
				t.Fatalf("a block from %d to %d holds entries from %v to %v", b.first, b.last, got[0].At, got[len(got)-1].At)
			}
			if len(got) > 1 && len(plain[i].entries) > blockBytes+20*len(got) || len(b.entries) > len(plain[i].entries) {
				t.Fatalf("a block of %d entries has %d bytes, %d compressed", len(got), len(plain[i].entries), len(b.entries))
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

// The longest entry, behind a block that is almost full or alone, can be read.
func TestLongestBlock(t *testing.T) {
	for what, fill := range map[string]func([]byte){"compressible": func([]byte) {}, "random": func(b []byte) { rand.NewChaCha8([32]byte{}).Read(b) }} {
		long := make([]byte, store.MaxEntryBytes)
		fill(long)
		for _, before := range []int{0, 1, blockBytes - 10} {
			want := []store.LogEntry{{Stream: "s", At: time.Unix(0, 0), Data: long[:before]}, {Stream: "s", At: time.Unix(0, int64(blockSpan)-1), Data: long}}
			var got []store.LogEntry
			for _, b := range new(packer).blocks(want) {
				entries, err := b.unpack()
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				got = append(got, entries...)
			}
			if len(got) != 2 || !bytes.Equal(got[0].Data, want[0].Data) || !bytes.Equal(got[1].Data, want[1].Data) {
				t.Errorf("%s, behind %d bytes: %d entries, or others", what, before, len(got))
			}
		}
	}
}

// A database of format 1, whose blocks are not compressed, is read and written on, and then
// refused by releases that know format 1 only.
func TestFormat1(t *testing.T) {
	dir := made(t, 10)
	records := func(from int) (entries []store.LogEntry) {
		for i := range 20 {
			entries = append(entries, store.LogEntry{Stream: "trail", At: time.Unix(100, int64(from+i)), Data: fmt.Appendf(nil, "record %d, like the others", from+i)})
		}
		return entries
	}
	alter(t, dir, `DROP TABLE chapter`, `PRAGMA user_version = 1`)
	version := func() (n int) {
		t.Helper()
		db, err := sql.Open("sqlite", filepath.Join(dir, databaseFile))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.QueryRow(`PRAGMA user_version`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	old := new(packer).plain(records(0))[0]
	alter(t, dir, fmt.Sprintf(`INSERT INTO log (stream, first, last, entries, checksum) VALUES ('trail', %d, %d, x'%x', %d)`, old.first, old.last, old.entries, int64(old.checksum())))
	if s, err := Open(dir); err != nil || s.Close() != nil || version() != 1 {
		t.Errorf("after a release was only tried, the format is %d: %v", version(), err)
	}
	for from := 20; from < 60; from += 20 {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Append(t.Context(), records(from)); err != nil {
			t.Fatal(err)
		}
		n := 0
		if err := s.View(t.Context(), func(r store.Reader) error {
			return r.ScanLog("trail", store.LogQuery{}, func(e store.LogEntry) bool {
				if want := records(n)[0]; !e.At.Equal(want.At) || string(e.Data) != string(want.Data) {
					t.Errorf("entry %d is %q of %v", n, e.Data, e.At)
				}
				n++
				return true
			})
		}); err != nil || n != from+20 {
			t.Errorf("%d entries, want %d: %v", n, from+20, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, databaseFile))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if version() != format {
		t.Errorf("the format is %d, want %d", version(), format)
	}
	var squeezed int
	if err := db.QueryRow(`SELECT count(*) FROM log WHERE hex(substr(entries, 1, 1)) = '01'`).Scan(&squeezed); err != nil || squeezed != 2 {
		t.Errorf("%d blocks are compressed, want 2: %v", squeezed, err)
	}
}

// FuzzUnpack: damaged blocks that pass the checksum (they do not) are an error, not a crash.
func FuzzUnpack(f *testing.F) {
	b := new(packer).blocks([]store.LogEntry{{Stream: "s", At: time.Unix(1, 0), Data: []byte("one")}, {Stream: "s", At: time.Unix(1, 5), Data: []byte("two")}})
	f.Add(b[0].entries)
	f.Add([]byte{0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Add([]byte{0x80})
	f.Add([]byte{0})
	f.Add([]byte{compressed})
	f.Add([]byte{compressed, 0})
	f.Add([]byte{compressed, 255, 255, 255, 255, 15, 0}) // says it holds 4 GB
	f.Add(new(packer).blocks([]store.LogEntry{{Stream: "s", At: time.Unix(1, 0), Data: make([]byte, 100)}})[0].entries)
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
		if bound := max(len(raw), plainBytes); total > bound {
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
