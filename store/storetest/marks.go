package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/store"
)

// logInParts scans as log does, but ends each nth time that entries were left out, and goes on
// from there.
func (f fixture) logInParts(stream string, q store.LogQuery, n int) (found []store.LogEntry) {
	f.Helper()
	for again := true; again; {
		again = false
		calls := 0
		q.Passed = func(at store.Cursor) bool {
			if calls++; calls < n {
				return true
			}
			again = again || at != q.After // a scan that begins there may say so once more
			q.After = at
			return !again
		}
		f.view(func(r store.Reader) {
			if err := r.ScanLog(stream, q, func(e store.LogEntry) bool { found = append(found, e); return true }); err != nil {
				f.Fatalf("ScanLog: %v", err)
			}
		})
	}
	return found
}

// testLogPassed: a scan that finds nothing says now and then how far it has come, and ends
// when it is told to, and when its context ends.
func testLogPassed(t *testing.T, e Engine) {
	s := open(t, e)
	const n = 3 * store.PassedMost
	for second := range n / 1024 {
		entries := make([]store.LogEntry, 1024)
		for i := range entries {
			entries[i] = store.LogEntry{Stream: "marked", At: epoch.Add(time.Duration(second) * time.Second), Data: []byte("x"), Marks: []store.Mark{1}}
		}
		s.append(entries...)
	}
	for _, newest := range []bool{false, true} {
		calls, handed := 0, 0
		count := func(store.LogEntry) bool { handed++; return true }
		q := store.LogQuery{NewestFirst: newest, Marks: []store.Mark{2}, Passed: func(store.Cursor) bool { calls++; return true }}
		s.view(func(r store.Reader) {
			if err := r.ScanLog("marked", q, count); err != nil {
				t.Fatal(err)
			}
		})
		if calls < (n-handed)/store.PassedMost {
			t.Errorf("%d calls for %d entries that were left out, newest first %v", calls, n-handed, newest)
		}
		all := calls
		calls = 0
		q.Passed = func(store.Cursor) bool { calls++; return calls < 2 }
		s.view(func(r store.Reader) {
			if err := r.ScanLog("marked", q, count); err != nil {
				t.Fatal(err)
			}
		})
		if calls != 2 || all <= 2 {
			t.Errorf("a scan that is told to end at its second word says %d, of %d", calls, all)
		}
		for what, marks := range map[string][]store.Mark{"that leaves all out": {2}, "that visits all": {1}, "of everything": nil} {
			for _, fn := range []func(func(store.Reader, context.CancelFunc) error) error{
				func(scan func(store.Reader, context.CancelFunc) error) error {
					ctx, end := context.WithCancel(t.Context())
					defer end()
					return s.View(ctx, func(r store.Reader) error { return scan(r, end) })
				},
				func(scan func(store.Reader, context.CancelFunc) error) error {
					ctx, end := context.WithCancel(t.Context())
					defer end()
					return s.Update(ctx, func(tx store.Tx) error { return scan(tx, end) })
				},
			} {
				work := 0
				err := fn(func(r store.Reader, end context.CancelFunc) error {
					return r.ScanLog("marked", store.LogQuery{NewestFirst: newest, Marks: marks,
						Passed: func(store.Cursor) bool { work++; end(); return true }}, func(store.LogEntry) bool { work++; end(); return true })
				})
				if !errors.Is(err, context.Canceled) || work > n/4 {
					t.Errorf("a scan %s goes on after the end of its context: %d steps, %v", what, work, err)
				}
			}
		}
	}
}

// testLogMarks: a scan with marks visits every entry that has one of them or none at all, in
// the order of the scan without; after commits in and out of the order of time, trimming and
// reopening.
func testLogMarks(t *testing.T, e Engine) {
	s := fixture{t, e.Open(t)}
	defer func() { s.Store.Close() }()
	rapid.Check(t, func(rt *rapid.T) {
		s.wipe()
		clock, n := epoch, 0
		has := map[string][]store.Mark{} // by the entry's data
		mark := rapid.SampledFrom([]store.Mark{0, 1, 64, 65, 1 << 31, 1<<32 - 1})
		marks := rapid.SliceOfN(mark, 0, 3)
		entry := func(rt *rapid.T) store.LogEntry {
			at := clock.Add(time.Duration(rapid.IntRange(0, 2000).Draw(rt, "ms")) * time.Millisecond)
			n++
			entry := store.LogEntry{Stream: "marked", At: at, Data: fmt.Append(nil, n), Marks: marks.Draw(rt, "marks")}
			has[string(entry.Data)] = slices.Clone(entry.Marks)
			return entry
		}
		actions := map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				var entries []store.LogEntry
				for range rapid.IntRange(1, 5).Draw(rt, "entries") {
					entries = append(entries, entry(rt))
				}
				s.append(entries...)
			},
			"update": func(rt *rapid.T) {
				s.update(func(tx store.Tx) error {
					e := entry(rt)
					tx.Append(e.Stream, e.At, e.Data, e.Marks...)
					return nil
				})
			},
			"wait": func(rt *rapid.T) {
				clock = clock.Add(time.Duration(rapid.IntRange(0, 10).Draw(rt, "seconds")) * time.Second)
			},
			"step back": func(rt *rapid.T) {
				clock = clock.Add(-time.Duration(rapid.IntRange(0, 20).Draw(rt, "seconds")) * time.Second)
			},
			"trim": func(rt *rapid.T) {
				before := clock.Add(-time.Duration(rapid.IntRange(0, 60).Draw(rt, "seconds")) * time.Second)
				if err := s.TrimLog(context.Background(), "marked", before); err != nil {
					rt.Fatal(err)
				}
			},
			"scan": func(rt *rapid.T) {
				q := store.LogQuery{NewestFirst: rapid.Bool().Draw(rt, "newest first")}
				all := s.log("marked", q)
				if len(all) > 0 && rapid.Bool().Draw(rt, "continue") {
					q.After = all[rapid.IntRange(0, len(all)-1).Draw(rt, "after")].Cursor
				}
				if rapid.Bool().Draw(rt, "from") {
					q.From = clock.Add(-time.Duration(rapid.IntRange(0, 30).Draw(rt, "seconds ago")) * time.Second)
				}
				if rapid.Bool().Draw(rt, "to") {
					q.To = clock.Add(-time.Duration(rapid.IntRange(0, 30).Draw(rt, "seconds ago")) * time.Second)
				}
				all = s.log("marked", q)
				q.Marks = rapid.SliceOfN(mark, 1, 3).Draw(rt, "wanted")
				found := s.log("marked", q)
				for _, e := range all {
					if i := slices.IndexFunc(found, func(f store.LogEntry) bool { return f.Cursor == e.Cursor }); i == 0 {
						if string(found[0].Data) != string(e.Data) || !found[0].At.Equal(e.At) {
							rt.Fatalf("entry %s of %v came as %s of %v", e.Data, e.At, found[0].Data, found[0].At)
						}
						found = found[1:]
						continue
					}
					own := has[string(e.Data)]
					if len(own) == 0 || slices.ContainsFunc(own, func(m store.Mark) bool { return slices.Contains(q.Marks, m) }) {
						rt.Fatalf("the scan for %v left out entry %s, of %v, or it came out of order", q.Marks, e.Data, own)
					}
				}
				whole := s.log("marked", q)
				inParts := s.logInParts("marked", q, rapid.IntRange(1, 3).Draw(rt, "passed"))
				same(rt, "the scan that stops where it has left entries out, and goes on", data(inParts), data(whole))
				if len(found) > 0 {
					rt.Fatalf("the scan for %v also found %v, which the scan without does not", q.Marks, data(found))
				}
			},
		}
		if e.Reopen != nil {
			actions["reopen"] = func(rt *rapid.T) {
				if rapid.IntRange(0, 4).Draw(rt, "reopen") == 0 { // it is slow
					s.Store = e.Reopen(t, s.Store)
				}
			}
		}
		rt.Repeat(actions)
	})
}
