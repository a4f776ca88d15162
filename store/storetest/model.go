package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/store"
)

// model is what the store should hold: a map and a list.
type model struct {
	people map[string]int
	log    []int64 // Unix times of the entries, which are also their data
}

// testModel runs random transactions on the store and on a map, which must agree.
func testModel(t *testing.T, e Engine) {
	s := fixture{t, e.Open(t)}
	defer func() { s.Store.Close() }()
	rapid.Check(t, func(rt *rapid.T) {
		s.wipe()
		m := model{people: make(map[string]int)}
		clock := epoch
		names := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g", "\x00", "a\x00"})

		actions := map[string]func(*rapid.T){
			"update": func(rt *rapid.T) {
				next := model{maps.Clone(m.people), slices.Clone(m.log)}
				fail := rapid.IntRange(0, 3).Draw(rt, "fail") == 0
				steps := rapid.IntRange(0, 6).Draw(rt, "steps")
				wrong := errors.New("wrong")
				err := s.Update(context.Background(), func(tx store.Tx) error {
					for range steps {
						name := names.Draw(rt, "name")
						switch rapid.IntRange(0, 3).Draw(rt, "step") {
						case 0:
							n := rapid.IntRange(0, 9).Draw(rt, "n")
							next.people[name] = n
							if err := people.Put(tx, &person{Name: name, N: n}, account, name); err != nil {
								return err
							}
						case 1:
							delete(next.people, name)
							people.Delete(tx, account, name)
						case 2:
							_, known := next.people[name]
							if known {
								next.people[name]++
							}
							err := people.Edit(tx, func(p *person) error { p.N++; return nil }, account, name)
							if known != (err == nil) || err != nil && !errors.Is(err, store.ErrNotFound) {
								rt.Errorf("Edit of %q (known: %v): %v", name, known, err)
							}
						case 3:
							clock = clock.Add(2 * time.Second)
							next.log = append(next.log, clock.Unix())
							tx.Append("trail", clock, fmt.Append(nil, clock.Unix()))
						}
						next.compare(rt, tx)
					}
					if fail {
						return wrong
					}
					return nil
				})
				switch {
				case fail && errors.Is(err, wrong):
				case !fail && err == nil:
					m = next
				default:
					rt.Fatalf("Update: %v", err)
				}
			},
			"append": func(rt *rapid.T) {
				var entries []store.LogEntry
				for range rapid.IntRange(0, 3).Draw(rt, "entries") {
					clock = clock.Add(2 * time.Second)
					m.log = append(m.log, clock.Unix())
					entries = append(entries, store.LogEntry{Stream: "trail", At: clock, Data: fmt.Append(nil, clock.Unix())})
				}
				s.append(entries...)
			},
			"trim": func(rt *rapid.T) {
				if len(m.log) == 0 {
					return
				}
				n := rapid.IntRange(0, len(m.log)-1).Draw(rt, "first to keep")
				if err := s.TrimLog(context.Background(), "trail", time.Unix(m.log[n], -1)); err != nil {
					rt.Fatal(err)
				}
				m.log = m.log[n:]
			},
			"": func(rt *rapid.T) { // after every action
				s.view(func(r store.Reader) { m.compare(rt, r) })
			},
			"read log": func(rt *rapid.T) {
				var log []int64
				for _, entry := range s.log("trail", store.LogQuery{}) {
					if string(entry.Data) != fmt.Sprint(entry.At.Unix()) {
						rt.Errorf("the entry of %d says %s", entry.At.Unix(), entry.Data)
					}
					log = append(log, entry.At.Unix())
				}
				same(rt, "log", log, m.log)
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

// wipe empties the store, which is quicker than opening another.
func (f fixture) wipe() {
	f.Helper()
	f.update(func(tx store.Tx) error {
		return people.Scan(tx, "", func(key store.Key, _ *person) bool { tx.Delete(key); return true })
	})
	if err := f.TrimLog(context.Background(), "", epoch.AddDate(1, 0, 0)); err != nil {
		f.Fatalf("TrimLog: %v", err)
	}
}

// compare holds the state that r reads against the model.
func (m model) compare(tb rapid.TB, r store.Reader) {
	tb.Helper()
	want := slices.Sorted(maps.Keys(m.people))
	var found []string
	if err := people.Scan(r, "", func(key store.Key, p *person) bool {
		found = append(found, key.Last())
		if n, ok := m.people[key.Last()]; !ok || n != p.N {
			tb.Errorf("%q is %d, want %d (%v)", key.Last(), p.N, n, ok)
		}
		return true
	}, account); err != nil {
		tb.Fatal(err)
	}
	if !slices.Equal(found, want) {
		tb.Fatalf("people %q, want %q", found, want)
	}
	for _, name := range want {
		if p, err := people.Get(r, account, name); err != nil || p.N != m.people[name] {
			tb.Errorf("Get(%q) is %v, %v", name, p, err)
		}
	}
}
