package sqlite

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
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
					t.Errorf("%s: a scan for second %d visits %d entries: %v …", what, second, len(found), found[:min(len(found), 20)])
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

// logged is a store with a way to look into its log.
type logged struct {
	*Store
	t *testing.T
}

func openLogged(t *testing.T, dir string, o options) logged {
	t.Helper()
	s, err := open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return logged{s, t}
}

// add appends an entry, whose mark is the second.
func (s logged) add(stream string, second int) {
	s.t.Helper()
	if err := s.Append(s.t.Context(), []store.LogEntry{{Stream: stream, At: time.Unix(int64(second), 0), Data: fmt.Append(nil, second), Marks: []store.Mark{store.Mark(second)}}}); err != nil {
		s.t.Fatal(err)
	}
}

// find checks that a second is found in both directions, once, and returns how many entries were visited.
func (s logged) find(stream string, second int) (visited int) {
	s.t.Helper()
	for _, newest := range []bool{false, true} {
		n, wanted := 0, 0
		if err := s.View(s.t.Context(), func(r store.Reader) error {
			return r.ScanLog(stream, store.LogQuery{Marks: []store.Mark{store.Mark(second)}, NewestFirst: newest}, func(e store.LogEntry) bool {
				n++
				if string(e.Data) == fmt.Sprint(second) {
					wanted++
				}
				return true
			})
		}); err != nil || wanted != 1 {
			s.t.Errorf("second %d of %s is found %d times: %v", second, stream, wanted, err)
		}
		visited = max(visited, n)
	}
	return visited
}

func (s logged) chapters(where string) (n int) {
	s.t.Helper()
	if err := s.backend.readers.QueryRow(`SELECT count(*) FROM chapter WHERE ` + where).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// What was written while the clock was ahead does not keep what is written after the next
// start from chapters, before that time and behind it.
func TestChaptersAfterTheFuture(t *testing.T) {
	const ahead = 1000
	for _, few := range []int{1, 30} { // of the time to come
		dir := filepath.Join(t.TempDir(), "data")
		s := openLogged(t, dir, options{chapterEntries: 10})
		for i := range 50 {
			s.add("trail", i)
		}
		for i := range few {
			s.add("trail", ahead+10*i)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openLogged(t, dir, options{chapterEntries: 10})
		for i := 50; i < 200; i++ {
			s.add("trail", i)
		}
		for second := range 200 {
			if n := s.find("trail", second); n > 40 {
				t.Errorf("%d of the future: a scan for second %d visits %d entries", few, second, n)
				break
			}
		}
		for i := ahead - 50; i < ahead+600; i++ {
			if i%10 != 0 {
				s.add("trail", i)
			}
		}
		for i := range few {
			s.find("trail", ahead+10*i)
		}
		for second := ahead + 401; second < ahead+600; second += 7 {
			if second%10 != 0 {
				if n := s.find("trail", second); n > 400 {
					t.Errorf("%d of the future, now past: a scan for second %d visits %d entries", few, second, n)
					break
				}
			}
		}
		if n := s.chapters("last_first > 1400000000000"); n < 10 {
			t.Errorf("%d of the future, now past: %d chapters behind it", few, n)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever the clock does, and however often the store is opened, a scan for a mark finds what
// one for nothing finds of it, in the same order.
func TestChaptersOfAnyTimes(t *testing.T) {
	root := t.TempDir()
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		dir, o := filepath.Join(root, fmt.Sprint(runs)), options{chapterEntries: 3, openMarks: rapid.SampledFrom([]int{0, 8}).Draw(rt, "openMarks")}
		s := openLogged(t, dir, o)
		defer func() { s.Close() }()
		read := func(q store.LogQuery, with string) (found []string) {
			if err := s.View(t.Context(), func(r store.Reader) error {
				return r.ScanLog("trail", q, func(e store.LogEntry) bool {
					if strings.Contains(string(e.Data), with) {
						found = append(found, string(e.Data))
					}
					return true
				})
			}); err != nil {
				rt.Fatal(err)
			}
			return found
		}
		number := 0
		clock := int64(1000)
		for range rapid.IntRange(1, 12).Draw(rt, "times") {
			switch rapid.IntRange(0, 4).Draw(rt, "what happens") {
			case 0:
				s.Close()
				s = openLogged(t, dir, o)
			case 1:
				clock += rapid.Int64Range(-40, 40).Draw(rt, "the clock jumps")
			case 2:
				if err := s.TrimLog(t.Context(), "trail", time.Unix(clock-rapid.Int64Range(-10, 20).Draw(rt, "trim"), 0)); err != nil {
					rt.Fatal(err)
				}
			}
			for range rapid.IntRange(0, 8).Draw(rt, "entries") {
				clock += rapid.Int64Range(-1, 3).Draw(rt, "later")
				number++
				if err := s.Append(t.Context(), []store.LogEntry{
					{Stream: "trail", At: time.Unix(clock, 0), Data: fmt.Appendf(nil, "%d of %d.", number, number%5), Marks: []store.Mark{store.Mark(number % 5)}},
					{Stream: "other", At: time.Unix(clock, 0), Data: []byte("another"), Marks: []store.Mark{9, 10}},
				}); err != nil {
					rt.Fatal(err)
				}
			}
			for mark := range 5 {
				for _, newest := range []bool{false, true} {
					with := fmt.Sprintf(" of %d.", mark)
					want, got := read(store.LogQuery{NewestFirst: newest}, with), read(store.LogQuery{NewestFirst: newest, Marks: []store.Mark{store.Mark(mark)}}, with)
					if !slices.Equal(got, want) {
						rt.Fatalf("newest first %v: with the mark %d %v, without %v", newest, mark, got, want)
					}
				}
			}
		}
	})
}

// A chapter only says what can be left out: with damage in it, all is found.
func TestDamagedChapters(t *testing.T) {
	for name, statement := range map[string]string{
		"a filter":        `UPDATE chapter SET filter = zeroblob(length(filter)) WHERE id % 3 = 0`,
		"all filters":     `UPDATE chapter SET filter = zeroblob(length(filter))`,
		"no filter":       `UPDATE chapter SET filter = x''`,
		"a list":          `UPDATE chapter SET blocks = zeroblob(length(blocks)) WHERE id % 3 = 1`,
		"an end":          `UPDATE chapter SET last_first = last_first + 50000000000 WHERE id % 3 = 0`,
		"a beginning":     `UPDATE chapter SET after_first = after_first - 50000000000 WHERE id % 3 = 0`,
		"whose it is":     `UPDATE chapter SET stream = 'trail' WHERE stream = 'other'`,
		"other beginning": `UPDATE chapter SET after_id = after_id + 2`,
	} {
		dir := filepath.Join(t.TempDir(), "data")
		s := openLogged(t, dir, options{chapterEntries: 3})
		for i := range 300 {
			s.add("trail", i)
			s.add("other", i+5)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		alter(t, dir, statement)
		s = openLogged(t, dir, options{chapterEntries: 3})
		for second := 0; second < 300; second += 7 {
			if s.find("trail", second); t.Failed() {
				t.Fatalf("damage in %s", name)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A block that gets the time and the number of one that was deleted is read once.
func TestNumberGivenAgain(t *testing.T) {
	s := openLogged(t, filepath.Join(t.TempDir(), "data"), options{})
	defer s.Close()
	for range 3 {
		s.add("trail", 100)
		s.find("trail", 100)
		if err := s.TrimLog(t.Context(), "trail", time.Unix(200, 0)); err != nil {
			t.Fatal(err)
		}
	}
}

// Marks of streams that are quiet do not take the room of one that is written.
func TestChaptersOfQuietStreams(t *testing.T) {
	s := openLogged(t, filepath.Join(t.TempDir(), "data"), options{chapterEntries: 10, openMarks: 40})
	defer s.Close()
	for i := range 6 {
		for second := range 8 {
			s.add(fmt.Sprint("quiet ", i), second)
		}
	}
	for second := range 200 {
		s.add("busy", second)
	}
	if n := s.chapters("stream = 'busy'"); n > 25 {
		t.Errorf("%d chapters of 200 entries", n)
	}
	if n := s.backend.opens.marks; n > 50 {
		t.Errorf("%d marks are in memory", n)
	}
	for i := range 6 {
		if n := s.find(fmt.Sprint("quiet ", i), 3); n > 4 {
			t.Errorf("a scan visits %d entries of a quiet stream", n)
		}
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
