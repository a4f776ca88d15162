package sqlite

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/store"
)

// A filter has what it was made of, and little else.
func TestFilter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		marks := rapid.SliceOf(rapid.Custom(func(t *rapid.T) store.Mark { return store.Mark(rapid.Uint32().Draw(t, "mark")) })).Draw(t, "marks")
		half := rapid.IntRange(0, len(marks)).Draw(t, "half")
		for _, f := range []filter{filterOf(listed{marks: marks}), filterOf(listed{marks: marks[:half]}, listed{marks: marks[half:]}), filterOf(listed{unmarked: true}, listed{marks: marks})} {
			for _, m := range marks {
				if !f.mayHave([]store.Mark{^m, m}) {
					t.Fatalf("%d is not in a filter made of %v", m, marks)
				}
			}
		}
	})
	var marks []store.Mark
	for i := range 10_000 {
		marks = append(marks, store.Mark(i*7919))
	}
	f, wrong := filterOf(listed{marks: marks}), 0
	for i := range 10_000 {
		if f.mayHave([]store.Mark{store.Mark(i*7919 + 1)}) {
			wrong++
		}
	}
	if wrong > 200 {
		t.Errorf("of 10,000 marks that are not there %d seem to be", wrong)
	}
}

// Scans read little of what they are not for: in an open store, in one that was closed and
// opened, and around what came late.
func TestChapters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	const blocks, each = 600, 10
	add := func(second, n int, marks ...store.Mark) {
		t.Helper()
		var entries []store.LogEntry
		for i := range n {
			own := append([]store.Mark{store.Mark(1000*second + i + 1_000_000)}, marks...)
			entries = append(entries, store.LogEntry{Stream: "trail", At: time.Unix(int64(second), int64(i)), Data: fmt.Appendf(nil, "%d/%d", second, i), Marks: own})
		}
		if err := s.Append(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
	}
	for second := range blocks {
		add(second, each, 1)
	}
	scan := func(q store.LogQuery) (found []string) {
		t.Helper()
		if err := s.View(t.Context(), func(r store.Reader) error {
			return r.ScanLog("trail", q, func(e store.LogEntry) bool { found = append(found, string(e.Data)); return true })
		}); err != nil {
			t.Fatal(err)
		}
		return found
	}
	chapters := func() (n int) {
		t.Helper()
		if err := s.backend.readers.QueryRow(`SELECT count(*) FROM chapter`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	// most is how many entries may be read for one.
	check := func(what string, most int) {
		t.Helper()
		for _, newest := range []bool{false, true} {
			for second := 0; second < blocks; second += 37 {
				found := scan(store.LogQuery{Marks: []store.Mark{store.Mark(1000*second + 3 + 1_000_000)}, NewestFirst: newest})
				if len(found) > most || !slices.Contains(found, fmt.Sprintf("%d/3", second)) {
					t.Errorf("%s: a scan for second %d visits %d entries: %.200v", what, second, len(found), found)
				}
			}
			if n := len(scan(store.LogQuery{Marks: []store.Mark{1}, NewestFirst: newest})); n < blocks*each {
				t.Errorf("%s: a scan for all finds %d", what, n)
			}
		}
	}
	if n := chapters(); n != blocks*each/chapterEntries {
		t.Errorf("%d chapters of %d entries", n, blocks*each)
	}
	check("open", 20*each)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	before := chapters()
	if before != blocks*each/chapterEntries+1 {
		t.Errorf("%d chapters after closing", before)
	}
	check("opened again", 20*each)
	add(100, 1, 2) // in the midst of the first chapter
	if found := scan(store.LogQuery{Marks: []store.Mark{2}}); !slices.Contains(found, "100/0") {
		t.Errorf("what came late is not found: %v", found)
	}
	if n := chapters(); n != before-1 {
		t.Errorf("%d chapters, of %d before something came late into one", n, before)
	}
	check("with a late block", 20*each+chapterEntries+each)
	if err := s.TrimLog(t.Context(), "trail", time.Unix(blocks/2, 0)); err != nil {
		t.Fatal(err)
	}
	if n := chapters(); n != 3 && n != 4 {
		t.Errorf("%d chapters of the half that is left", n)
	}
	if found := scan(store.LogQuery{Marks: []store.Mark{1}}); len(found) < blocks*each/2 || len(found) > (blocks/2+1)*each {
		t.Errorf("%d entries are left", len(found))
	}
}

// FuzzCandidates: a list of blocks that passes its checksum though it is damaged is an error,
// not a crash.
func FuzzCandidates(f *testing.F) {
	f.Add(appendBlocks(nil, []listed{{point: point{5, 1}, marks: []store.Mark{1, 2}}, {point: point{4, 9}, unmarked: true}}))
	f.Add([]byte{2, 2, 0})
	f.Add([]byte{0x80})
	f.Add([]byte{2, 2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, list []byte) {
		found, n, err := candidates(list, []store.Mark{1})
		if err != nil && found != nil || len(found) > n || n > len(list) {
			t.Errorf("%x: %v of %d, %v", list, found, n, err)
		}
	})
}
