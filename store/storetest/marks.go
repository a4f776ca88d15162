package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/store"
)

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
