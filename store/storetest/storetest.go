// Package storetest is the contract of package store, as tests that every engine runs:
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, storetest.Engine{Open: func(tb testing.TB) store.Store { return memory.New() }})
//	}
package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/store"
)

// Engine is what Run tests.
type Engine struct {
	// Open makes an empty store. Run closes it.
	Open func(tb testing.TB) store.Store
	// Reopen closes s and opens it again; nil if the engine keeps nothing.
	Reopen func(tb testing.TB, s store.Store) store.Store
}

// Run tests whether the engine keeps the contract.
func Run(t *testing.T, e Engine) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Engine)
	}{
		{"ReadsItsWrites", testReadsItsWrites},
		{"SnapshotIsolation", testSnapshotIsolation},
		{"ScanOrder", testScanOrder},
		{"ScanCursor", testScanCursor},
		{"ScanWhileWriting", testScanWhileWriting},
		{"FailedUpdateLeavesNothing", testFailedUpdate},
		{"ItemsAreShared", testItemsAreShared},
		{"Edit", testEdit},
		{"GroupCommit", testGroupCommit},
		{"ConcurrentReaders", testConcurrentReaders},
		{"Revision", testRevision},
		{"Watch", testWatch},
		{"WatchTooSlow", testWatchTooSlow},
		{"T596_Limits", testLimits},
		{"LogRange", testLogRange},
		{"LogPaging", testLogPaging},
		{"LogTogetherWithState", testLogWithState},
		{"LogTrim", testLogTrim},
		{"Context", testContext},
		{"Close", testClose},
		{"Model", testModel},
		{"LogMarks", testLogMarks},
		{"LogPassed", testLogPassed},
		{"Durable", testDurable},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, e) })
	}
}

// person is the record of these tests.
type person struct {
	Name string
	N    int               `json:",omitempty"`
	Tags map[string]string `json:",omitempty"`
}

var people = store.Table[person]{Kind: store.User}

const account = "123456789012"

var epoch = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// fixture is a store with helpers that fail the test.
type fixture struct {
	testing.TB
	store.Store
}

func open(tb testing.TB, e Engine) fixture {
	tb.Helper()
	f := fixture{tb, e.Open(tb)}
	tb.Cleanup(func() { f.Store.Close() })
	return f
}

func (f fixture) view(fn func(store.Reader)) {
	f.Helper()
	if err := f.View(context.Background(), func(r store.Reader) error { fn(r); return nil }); err != nil {
		f.Fatalf("View: %v", err)
	}
}

func (f fixture) update(fn func(store.Tx) error) {
	f.Helper()
	if err := f.Update(context.Background(), fn); err != nil {
		f.Fatalf("Update: %v", err)
	}
}

// put stores people by their names.
func (f fixture) put(names ...string) {
	f.Helper()
	f.update(func(tx store.Tx) error {
		for _, name := range names {
			if err := people.Put(tx, &person{Name: name}, account, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// names are the people stored, in the order of a scan.
func (f fixture) names() (found []string) {
	f.Helper()
	f.view(func(r store.Reader) { found = namesIn(f, r, "") })
	return found
}

func namesIn(tb testing.TB, r store.Reader, after string) (found []string) {
	tb.Helper()
	if err := people.Scan(r, after, func(_ store.Key, p *person) bool {
		found = append(found, p.Name)
		return true
	}, account); err != nil {
		tb.Fatalf("Scan: %v", err)
	}
	return found
}

func (f fixture) log(stream string, q store.LogQuery) (found []store.LogEntry) {
	f.Helper()
	f.view(func(r store.Reader) {
		if err := r.ScanLog(stream, q, func(e store.LogEntry) bool {
			found = append(found, e)
			return true
		}); err != nil {
			f.Fatalf("ScanLog: %v", err)
		}
	})
	return found
}

func data(entries []store.LogEntry) (all []string) {
	for _, e := range entries {
		all = append(all, string(e.Data))
	}
	return all
}

func (f fixture) append(entries ...store.LogEntry) {
	f.Helper()
	if err := f.Append(context.Background(), entries); err != nil {
		f.Fatalf("Append: %v", err)
	}
}

func same[T comparable](tb rapid.TB, what string, got, want []T) {
	tb.Helper()
	if !slices.Equal(got, want) {
		tb.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func testReadsItsWrites(t *testing.T, e Engine) {
	s := open(t, e)
	s.put("alice", "bob")
	s.update(func(tx store.Tx) error {
		people.Delete(tx, account, "alice")
		if err := people.Put(tx, &person{Name: "carol"}, account, "carol"); err != nil {
			return err
		}
		if _, err := people.Get(tx, account, "alice"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get of a record deleted by the same transaction: %v, want ErrNotFound", err)
		}
		if p, err := people.Get(tx, account, "carol"); err != nil || p.Name != "carol" {
			t.Errorf("Get of a record put by the same transaction: %v, %v", p, err)
		}
		same(t, "scan in the transaction", namesIn(t, tx, ""), []string{"bob", "carol"})
		return nil
	})
	same(t, "after the transaction", s.names(), []string{"bob", "carol"})
}

func testSnapshotIsolation(t *testing.T, e Engine) {
	s := open(t, e)
	s.put("alice", "bob")
	s.view(func(before store.Reader) {
		s.update(func(tx store.Tx) error {
			people.Delete(tx, account, "alice")
			return people.Put(tx, &person{Name: "bob", N: 2}, account, "bob")
		})
		same(t, "the view that began before", namesIn(t, before, ""), []string{"alice", "bob"})
		if p, err := people.Get(before, account, "bob"); err != nil || p.N != 0 {
			t.Errorf("the view that began before sees bob as %+v, %v", p, err)
		}
		s.view(func(after store.Reader) {
			same(t, "a view that began after", namesIn(t, after, ""), []string{"bob"})
			if before.Revision() >= after.Revision() {
				t.Errorf("revisions %d and %d of the views before and after", before.Revision(), after.Revision())
			}
		})
	})
}

// Names chosen so that they would change order or meaning if keys were joined carelessly.
var awkward = []string{"", "\x00", "\x00\x00", "\x00a", "\x01", "\x01\x01", "\x02", " ", "+", "a", "a\x00", "a\x00b", "a\x01", "a.b", "a/b", "aa", "b", "é", "\xff", "\xff\xff"}

func testScanOrder(t *testing.T, e Engine) {
	s := open(t, e)
	shuffled := slices.Clone(awkward)
	slices.Reverse(shuffled)
	s.put(shuffled...)
	s.update(func(tx store.Tx) error { // neighbours on all sides that a scan must not reach
		for _, other := range []string{"", "12345678901", "123456789012\x00", "123456789013"} {
			if err := people.Put(tx, &person{Name: "stranger"}, other, "a"); err != nil {
				return err
			}
		}
		it, err := store.NewItem(store.Group, person{Name: "stranger"})
		tx.Put(store.MakeKey(store.Group, account, "a"), it)
		return err
	})
	var found []string
	s.view(func(r store.Reader) {
		if err := people.Scan(r, "", func(key store.Key, _ *person) bool {
			if parts := key.Parts(); len(parts) != 2 || parts[0] != account || parts[1] != key.Last() || key.Kind() != store.User {
				t.Errorf("key %q has the parts %q", key, parts)
			}
			found = append(found, key.Last())
			return true
		}, account); err != nil {
			t.Fatal(err)
		}
	})
	same(t, "scan", found, awkward)
}

func testScanCursor(t *testing.T, e Engine) {
	s := open(t, e)
	names := awkward[1:] // without "": its cursor would be that of the start; AWS names are not empty
	s.put(names...)
	for size := 1; size <= len(names)+1; size++ {
		var found []string
		for cursor := ""; ; {
			page := 0
			s.view(func(r store.Reader) {
				if err := people.Scan(r, cursor, func(key store.Key, _ *person) bool {
					found = append(found, key.Last())
					cursor = people.Cursor(key, account)
					page++
					return page < size
				}, account); err != nil {
					t.Fatal(err)
				}
			})
			if page < size {
				break
			}
		}
		same(t, fmt.Sprintf("pages of %d", size), found, names)
	}
	s.view(func(r store.Reader) {
		same(t, "from a cursor that is no record", namesIn(t, r, "aaa"), []string{"b", "é", "\ufffd", "\ufffd\ufffd"})
		same(t, "from a cursor behind all", namesIn(t, r, "\xff\xff\xff"), nil)
	})
}

func testScanWhileWriting(t *testing.T, e Engine) {
	s := open(t, e)
	var names []string
	for i := range 500 { // several nodes of a tree
		names = append(names, fmt.Sprintf("%03d", i))
	}
	s.put(names...)
	s.update(func(tx store.Tx) error {
		var outer, inner []string
		err := people.Scan(tx, "", func(key store.Key, p *person) bool {
			outer = append(outer, p.Name)
			people.Delete(tx, account, p.Name)
			if err := people.Put(tx, &person{Name: p.Name + "'"}, account, p.Name+"'"); err != nil {
				t.Error(err)
			}
			if p.Name == "250" {
				if err := people.Scan(tx, "", func(key store.Key, p *person) bool {
					inner = append(inner, p.Name)
					people.Delete(tx, account, p.Name)
					return len(inner) < 400
				}, account); err != nil {
					t.Error(err)
				}
			}
			return true
		}, account)
		same(t, "the scan sees what was there when it began", outer, names)
		if len(inner) != 400 || inner[0] != "000'" || inner[399] != "399" {
			t.Errorf("the inner scan went over %d records, from %q to %q", len(inner), inner[0], inner[len(inner)-1])
		}
		return err
	})
	found := s.names()
	if len(found) != 500-251 || found[0] != "251'" {
		t.Errorf("%d records left, beginning with %q", len(found), found[0])
	}
}

func testFailedUpdate(t *testing.T, e Engine) {
	s := open(t, e)
	s.put("alice", "bob")
	revision := revisionOf(s)
	write := func(tx store.Tx) {
		people.Delete(tx, account, "alice")
		for _, name := range []string{"bob", "carol"} {
			if err := people.Put(tx, &person{Name: name, N: 1}, account, name); err != nil {
				t.Error(err)
			}
		}
		people.Delete(tx, account, "carol")
		tx.Append("trail", epoch, []byte("never"))
	}
	wrong := errors.New("wrong")
	if err := s.Update(t.Context(), func(tx store.Tx) error { write(tx); return wrong }); !errors.Is(err, wrong) {
		t.Errorf("Update returned %v, want the closure's error", err)
	}
	func() {
		defer func() {
			if p := recover(); p != "aargh" {
				t.Errorf("recovered %v, want the closure's panic", p)
			}
		}()
		s.Update(t.Context(), func(tx store.Tx) error { write(tx); panic("aargh") })
	}()
	func() {
		defer func() { recover() }()
		s.Update(t.Context(), func(tx store.Tx) error { // from inside of a scan
			return people.Scan(tx, "", func(store.Key, *person) bool { write(tx); panic("aargh") }, account)
		})
	}()
	var wg sync.WaitGroup
	wg.Go(func() { // as t.Fatal does
		s.Update(context.Background(), func(tx store.Tx) error { write(tx); runtime.Goexit(); return nil })
	})
	wg.Wait()

	same(t, "people", s.names(), []string{"alice", "bob"})
	same(t, "log", data(s.log("trail", store.LogQuery{})), nil)
	s.view(func(r store.Reader) {
		if p, err := people.Get(r, account, "bob"); err != nil || p.N != 0 {
			t.Errorf("bob is %+v, %v", p, err)
		}
	})
	if now := revisionOf(s); now != revision {
		t.Errorf("revision went from %d to %d without a change", revision, now)
	}
	s.put("dora") // and the store still works
	same(t, "people", s.names(), []string{"alice", "bob", "dora"})
}

func testItemsAreShared(t *testing.T, e Engine) {
	s := open(t, e)
	mine := &person{Name: "alice", Tags: map[string]string{"team": "red"}}
	s.update(func(tx store.Tx) error {
		err := people.Put(tx, mine, account, "alice")
		mine.Tags["team"] = "changed after Put"
		return err
	})
	s.put("bob")
	var item *store.Item
	var value *person
	s.view(func(r store.Reader) {
		item = people.Item(r, account, "alice")
		var err error
		if value, err = people.Get(r, account, "alice"); err != nil || value.Tags["team"] != "red" {
			t.Errorf("alice is %+v, %v", value, err)
		}
		if people.Item(r, account, "nobody") != nil || people.Has(r, account, "nobody") || !people.Has(r, account, "bob") {
			t.Error("Item or Has is wrong about who is there")
		}
		if _, err := (store.Table[int]{Kind: store.User}).Get(r, account, "alice"); err == nil {
			t.Error("a record was read as two types")
		}
	})
	s.put("bob") // another record changes
	s.view(func(r store.Reader) {
		again, err := people.Value(people.Item(r, account, "alice"))
		if people.Item(r, account, "alice") != item || err != nil || again != value {
			t.Error("an unchanged record has another item or value")
		}
	})
	s.put("alice") // a new version
	s.view(func(r store.Reader) {
		if people.Item(r, account, "alice") == item {
			t.Error("a changed record has the same item")
		}
	})
	if value.Tags["team"] != "red" {
		t.Error("a value changed under its reader")
	}
}

func testEdit(t *testing.T, e Engine) {
	s := open(t, e)
	s.update(func(tx store.Tx) error {
		return people.Put(tx, &person{Name: "alice", Tags: map[string]string{"team": "red"}}, account, "alice")
	})
	edit := func(fn func(*person) error, name string) error {
		return s.Update(t.Context(), func(tx store.Tx) error { return people.Edit(tx, fn, account, name) })
	}
	var before *person
	s.view(func(r store.Reader) { before, _ = people.Get(r, account, "alice") })
	if err := edit(func(p *person) error { p.Tags["team"] = "blue"; return nil }, "alice"); err != nil {
		t.Error(err)
	}
	if before.Tags["team"] != "red" {
		t.Error("Edit changed the value that readers share")
	}
	s.view(func(r store.Reader) {
		if p, err := people.Get(r, account, "alice"); err != nil || p.Tags["team"] != "blue" {
			t.Errorf("after Edit: %+v, %v", p, err)
		}
	})
	revision := revisionOf(s)
	if err := edit(func(p *person) error { return nil }, "alice"); err != nil || revisionOf(s) != revision {
		t.Errorf("an Edit that changes nothing was written (%v)", err)
	}
	if err := edit(func(p *person) error { p.N = 7; return errors.New("no") }, "alice"); err == nil || revisionOf(s) != revision {
		t.Errorf("an Edit that failed was written (%v)", err)
	}
	if err := edit(func(p *person) error { return nil }, "nobody"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Edit of nobody: %v, want ErrNotFound", err)
	}
}

func revisionOf(s fixture) (revision uint64) {
	s.Helper()
	s.view(func(r store.Reader) { revision = r.Revision() })
	return revision
}

// testGroupCommit: closures of one batch see each other's writes, and one that fails takes
// no other with it.
func testGroupCommit(t *testing.T, e Engine) {
	s := open(t, e)
	s.put("counter")
	const callers, rounds = 16, 20
	odd := errors.New("odd")
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := make(map[int]bool)
	failed := 0
	for caller := range callers {
		wg.Go(func() {
			for round := range rounds {
				var n int
				err := s.Update(context.Background(), func(tx store.Tx) error {
					if err := people.Edit(tx, func(p *person) error { p.N++; n = p.N; return nil }, account, "counter"); err != nil {
						return err
					}
					tx.Append("counts", epoch, fmt.Append(nil, n))
					if (caller+round)%5 == 0 {
						return odd
					}
					return nil
				})
				mu.Lock()
				switch {
				case errors.Is(err, odd):
					failed++
				case err != nil:
					t.Error(err)
				case seen[n]:
					t.Errorf("two callers counted to %d", n)
				default:
					seen[n] = true
				}
				mu.Unlock()
				s.view(func(r store.Reader) {
					if p, _ := people.Get(r, account, "counter"); err == nil && p.N < n {
						t.Errorf("an acknowledged %d is not visible yet: %d", n, p.N)
					}
				})
			}
		})
	}
	wg.Wait()
	want := callers*rounds - failed
	s.view(func(r store.Reader) {
		if p, err := people.Get(r, account, "counter"); err != nil || p.N != want || len(seen) != want {
			t.Errorf("counter at %+v (%v), %d acknowledged, want %d", p, err, len(seen), want)
		}
	})
	if entries := s.log("counts", store.LogQuery{}); len(entries) != want {
		t.Errorf("%d log entries, want %d", len(entries), want)
	}
}

// testConcurrentReaders: no reader sees half of a transaction.
func testConcurrentReaders(t *testing.T, e Engine) {
	s := open(t, e)
	s.put("left", "right")
	done := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for last := 0; ; {
				s.view(func(r store.Reader) {
					left, _ := people.Get(r, account, "left")
					right, _ := people.Get(r, account, "right")
					if left.N != right.N || left.N < last {
						t.Errorf("a reader sees %d and %d, after %d", left.N, right.N, last)
					}
					last = left.N
				})
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for range 4 {
		writers.Go(func() {
			for range 50 {
				s.update(func(tx store.Tx) error {
					for _, name := range []string{"left", "right"} {
						if err := people.Edit(tx, func(p *person) error { p.N++; return nil }, account, name); err != nil {
							return err
						}
					}
					return nil
				})
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}

func testRevision(t *testing.T, e Engine) {
	s := open(t, e)
	var given []uint64
	for i := range 5 {
		var inside uint64
		s.update(func(tx store.Tx) error {
			inside = tx.Revision()
			return people.Put(tx, &person{N: i}, account, "alice")
		})
		if now := revisionOf(s); now != inside {
			t.Errorf("a transaction was promised the revision %d, and got %d", inside, now)
		}
		given = append(given, inside)
		s.append(store.LogEntry{Stream: "trail", At: epoch, Data: []byte("x")})
		s.update(func(tx store.Tx) error {
			tx.Append("trail", epoch, nil)
			people.Delete(tx, account, "nobody")
			return nil
		})
		if now := revisionOf(s); now != inside {
			t.Errorf("revision went from %d to %d without a change of state", inside, now)
		}
	}
	if !slices.IsSorted(given) || len(slices.Compact(given)) != 5 {
		t.Errorf("revisions %d do not rise", given)
	}
}

func testWatch(t *testing.T, e Engine) {
	s := open(t, e)
	s.put("alice")
	from := revisionOf(s)
	ctx, cancel := context.WithCancel(t.Context())
	next, stop := iter.Pull2(s.Watch(ctx, from))
	defer stop()
	expect := func(keys ...store.Key) {
		t.Helper()
		change, err, ok := next()
		if err != nil || !ok || !slices.Equal(change.Keys, keys) || change.Revision <= from {
			t.Errorf("watch: %v %v %v, want %q after revision %d", change, err, ok, keys, from)
		}
		from = change.Revision
	}
	s.put("bob", "carol")
	s.append(store.LogEntry{Stream: "trail", At: epoch})
	s.update(func(tx store.Tx) error { people.Delete(tx, account, "bob"); return nil })
	expect(people.Key(account, "bob"), people.Key(account, "carol"))
	expect(people.Key(account, "bob"))
	go s.Update(context.Background(), func(tx store.Tx) error { // while the watcher waits
		return people.Put(tx, &person{}, account, "dora")
	})
	expect(people.Key(account, "dora"))
	cancel()
	if _, err, ok := next(); !ok || !errors.Is(err, context.Canceled) {
		t.Errorf("watch after cancel: %v, %v", err, ok)
	}
	if _, _, ok := next(); ok {
		t.Error("watch goes on after its context ended")
	}
	// From the beginning, every change is there, in order.
	var seen uint64
	for change, err := range s.Watch(t.Context(), 0) {
		if err != nil || change.Revision <= seen {
			t.Fatalf("watch from the start: %v after %d, %v", change, seen, err)
		}
		if seen = change.Revision; seen == from {
			break
		}
	}
	go s.Close()
	for _, err := range s.Watch(t.Context(), from) {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("watch at Close: %v", err)
		}
	}
}

func testWatchTooSlow(t *testing.T, e Engine) {
	s := open(t, e)
	s.put("alice")
	from := revisionOf(s)
	// More than any engine has to remember. Concurrently, so that it is quick on a disk.
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for i := range 150 {
				s.update(func(tx store.Tx) error { return people.Put(tx, &person{N: i}, account, fmt.Sprint(g)) })
			}
		})
	}
	wg.Wait()
	for _, err := range s.Watch(t.Context(), from) {
		if !errors.Is(err, store.ErrResync) {
			t.Errorf("watch of a slow watcher: %v, want ErrResync", err)
		}
	}
	from = revisionOf(s)
	s.put("bob")
	for change, err := range s.Watch(t.Context(), from) {
		if err != nil || !slices.Equal(change.Keys, []store.Key{people.Key(account, "bob")}) {
			t.Errorf("watch after the resync: %v, %v", change, err)
		}
		break
	}
}

// testLimits: a write at a limit is durable, one beyond it is an error, and nothing of its
// transaction happens.
func testLimits(t *testing.T, e Engine) {
	s := open(t, e)
	keyOf := func(bytes int) string { return strings.Repeat("k", bytes-len(people.Key(account, ""))) }
	nameOf := func(bytes int) string { return strings.Repeat("n", bytes-len(`..{"Name":""}`)) }
	entryOf := func(bytes int) []byte { return make([]byte, bytes) }
	put := func(key, name string) func(store.Tx) error {
		return func(tx store.Tx) error {
			if err := people.Put(tx, &person{Name: "by-catch"}, account, "by-catch"); err != nil {
				return err
			}
			return people.Put(tx, &person{Name: name}, account, key)
		}
	}
	for _, test := range []struct {
		what string
		run  func(store.Tx) error
		ok   bool
	}{
		{"longest key", put(keyOf(store.MaxKeyBytes), "a"), true},
		{"key too long", put(keyOf(store.MaxKeyBytes+1), "a"), false},
		{"largest item", put("b", nameOf(store.MaxItemBytes)), true},
		{"item too large", put("b", nameOf(store.MaxItemBytes+1)), false},
		{"largest entry", func(tx store.Tx) error { tx.Append("s", epoch, entryOf(store.MaxEntryBytes)); return nil }, true},
		{"entry too large", func(tx store.Tx) error {
			tx.Append("s", epoch, entryOf(store.MaxEntryBytes+1))
			return put("c", "c")(tx)
		}, false},
	} {
		s.update(func(tx store.Tx) error { people.Delete(tx, account, "by-catch"); return nil })
		err := s.Update(t.Context(), test.run)
		if (err == nil) != test.ok || err != nil && !errors.Is(err, store.ErrTooLarge) {
			t.Errorf("T596: %s: %v", test.what, err)
		}
		if !test.ok && slices.Contains(s.names(), "by-catch") {
			t.Errorf("T596: %s: a part of the failed transaction was written", test.what)
		}
	}
	if err := s.Append(t.Context(), []store.LogEntry{{Stream: "s", At: epoch}, {Stream: "s", At: epoch, Data: entryOf(store.MaxEntryBytes + 1)}}); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("T596: Append of an entry too large: %v", err)
	}
	for _, stream := range []string{"", strings.Repeat("s", store.MaxStreamBytes+1)} {
		if err := s.Append(t.Context(), []store.LogEntry{{Stream: stream, At: epoch}}); err == nil {
			t.Errorf("T596: Append to a stream with a name of %d bytes succeeded", len(stream))
		}
	}
	if entries := s.log("s", store.LogQuery{}); len(entries) != 1 || len(entries[0].Data) != store.MaxEntryBytes {
		t.Errorf("T596: %d entries in the log, want the largest", len(entries))
	}
	if err := s.Update(t.Context(), func(tx store.Tx) error {
		it, err := store.NewItem(store.Group, 1)
		tx.Put(people.Key(account, "x"), it)
		return err
	}); err == nil {
		t.Error("a group was stored under the key of a user")
	}
}

// fillLog appends an entry per second, and returns what they say.
func fillLog(s fixture, stream string, n int) (all []string) {
	s.Helper()
	for i := range n {
		text := fmt.Sprintf("%s-%03d", stream, i)
		all = append(all, text)
		s.append(store.LogEntry{Stream: stream, At: epoch.Add(time.Duration(i) * time.Second), Data: []byte(text)})
	}
	return all
}

func testLogRange(t *testing.T, e Engine) {
	s := open(t, e)
	all := fillLog(s, "a", 60)
	fillLog(s, "ab", 3)
	second := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second) }
	for _, test := range []struct {
		what     string
		from, to time.Time
		want     []string
	}{
		{"all", time.Time{}, time.Time{}, all},
		{"from, inclusive", second(10), time.Time{}, all[10:]},
		{"to, inclusive", time.Time{}, second(10), all[:11]},
		{"both", second(10), second(20), all[10:21]},
		{"one", second(10), second(10), all[10:11]},
		{"between two", second(10).Add(1), second(11).Add(-1), nil},
		{"upside down", second(20), second(10), nil},
		{"later than all", second(60), time.Time{}, nil},
		{"earlier than all", time.Time{}, second(-1), nil},
		{"far away", time.Date(1, 2, 3, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), all},
	} {
		q := store.LogQuery{From: test.from, To: test.to}
		same(t, test.what, data(s.log("a", q)), test.want)
		q.NewestFirst = true
		reversed := slices.Clone(test.want)
		slices.Reverse(reversed)
		same(t, test.what+", newest first", data(s.log("a", q)), reversed)
	}
	for _, e := range s.log("a", store.LogQuery{From: second(3), To: second(3)}) {
		if !e.At.Equal(second(3)) || e.Stream != "a" {
			t.Errorf("entry of %v in %q, want %v in a", e.At, e.Stream, second(3))
		}
	}
	same(t, "a stream that is not there", data(s.log("nothing", store.LogQuery{})), nil)

	// Times out of order, and before 1970, in one commit.
	var mixed []store.LogEntry
	for _, n := range []int{3, -5_000_000_000, 1, 2, 2, -1} {
		mixed = append(mixed, store.LogEntry{Stream: "mixed", At: second(n), Data: fmt.Append(nil, n)})
	}
	s.append(mixed...)
	same(t, "entries out of order", data(s.log("mixed", store.LogQuery{})), []string{"-5000000000", "-1", "1", "2", "2", "3"})
}

func testLogPaging(t *testing.T, e Engine) {
	s := open(t, e)
	// Entries close together and far apart, many in a commit and one.
	var all []string
	for commit := range 12 {
		var entries []store.LogEntry
		for i := range commit%4*7 + 1 {
			text := fmt.Sprintf("%d.%d", commit, i)
			all = append(all, text)
			at := epoch.Add(time.Duration(commit)*10*time.Second + time.Duration(i)*300*time.Millisecond)
			entries = append(entries, store.LogEntry{Stream: "trail", At: at, Data: []byte(text)})
		}
		s.append(entries...)
	}
	reversed := slices.Clone(all)
	slices.Reverse(reversed)
	for _, newest := range []bool{false, true} {
		want := all
		if newest {
			want = reversed
		}
		for _, size := range []int{1, 3, 10, len(all), len(all) + 1} {
			var found []string
			for q := (store.LogQuery{NewestFirst: newest}); ; {
				page := 0
				s.view(func(r store.Reader) {
					if err := r.ScanLog("trail", q, func(e store.LogEntry) bool {
						found = append(found, string(e.Data))
						q.After = e.Cursor
						page++
						return page < size
					}); err != nil {
						t.Fatal(err)
					}
				})
				if page < size {
					break
				}
			}
			same(t, fmt.Sprintf("pages of %d, newest first %v", size, newest), found, want)
		}
	}
	// A scan may go on in the other direction.
	entries := s.log("trail", store.LogQuery{})
	back := s.log("trail", store.LogQuery{NewestFirst: true, After: entries[5].Cursor})
	same(t, "back from the sixth", data(back), reversed[len(all)-5:])
	s.view(func(r store.Reader) {
		for _, bad := range []store.Cursor{"x", "!!!!", "AAAA", store.Cursor(strings.Repeat("A", 1000))} {
			if err := r.ScanLog("trail", store.LogQuery{After: bad}, func(store.LogEntry) bool { return true }); !errors.Is(err, store.ErrCursor) {
				t.Errorf("cursor %q: %v, want ErrCursor", bad, err)
			}
		}
	})
}

func testLogWithState(t *testing.T, e Engine) {
	s := open(t, e)
	s.update(func(tx store.Tx) error {
		tx.Append("trail", epoch, []byte("alice was made"))
		if err := tx.ScanLog("trail", store.LogQuery{}, func(store.LogEntry) bool { t.Error("a log entry is readable before its commit"); return true }); err != nil {
			t.Error(err)
		}
		return people.Put(tx, &person{Name: "alice"}, account, "alice")
	})
	same(t, "log", data(s.log("trail", store.LogQuery{})), []string{"alice was made"})
	var wg sync.WaitGroup
	for i := range 20 { // read-only requests append beside writers
		wg.Go(func() {
			if i%2 == 0 {
				s.append(store.LogEntry{Stream: "trail", At: epoch, Data: []byte("read")})
			} else {
				s.put(fmt.Sprint(i))
			}
		})
	}
	wg.Wait()
	if n := len(s.log("trail", store.LogQuery{})); n != 11 {
		t.Errorf("%d log entries, want 11", n)
	}
}

func testLogTrim(t *testing.T, e Engine) {
	s := open(t, e)
	a, b := fillLog(s, "a", 30), fillLog(s, "b", 30)
	second := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second) }
	trim := func(stream string, before time.Time) {
		t.Helper()
		if err := s.TrimLog(t.Context(), stream, before); err != nil {
			t.Fatal(err)
		}
	}
	// What is left must begin no later than the time given, and no more than a second earlier.
	check := func(stream string, all []string, first int) {
		t.Helper()
		left := data(s.log(stream, store.LogQuery{}))
		if len(left) < len(all)-first || len(left) > len(all)-first+1 || !slices.Equal(left, all[len(all)-len(left):]) {
			t.Errorf("stream %s after trimming to %d of %d: %v", stream, first, len(all), left)
		}
	}
	trim("a", second(10))
	check("a", a, 10)
	check("b", b, 0)
	trim("", second(20))
	check("a", a, 20)
	check("b", b, 20)
	longer := fillLog(s, "b/longer", 30)
	trim("b/", second(25))
	check("b/longer", longer, 25)
	check("b", b, 20)
	trim("b", second(28))
	check("b/longer", longer, 28)
	check("b", b, 28)
	check("a", a, 20)
	trim("c", second(1000))
	trim("", second(1000))
	check("a", a, 30)
	check("b", b, 30)
	same(t, "log after trimming all", data(s.log("a", store.LogQuery{})), nil)
	fillLog(s, "a", 2)
	same(t, "log after that", data(s.log("a", store.LogQuery{})), a[:2])
}

func testContext(t *testing.T, e Engine) {
	s := open(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, err := range map[string]error{
		"View":    s.View(ctx, func(store.Reader) error { t.Error("View ran"); return nil }),
		"Update":  s.Update(ctx, func(store.Tx) error { t.Error("Update ran"); return nil }),
		"Append":  s.Append(ctx, []store.LogEntry{{Stream: "trail"}}),
		"TrimLog": s.TrimLog(ctx, "", epoch),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a context that has ended: %v", what, err)
		}
	}
	// A context that ends while the commit is under way leaves no doubt about the outcome.
	ctx, cancel = context.WithCancel(t.Context())
	if err := s.Update(ctx, func(tx store.Tx) error { cancel(); return people.Put(tx, &person{}, account, "alice") }); err != nil {
		t.Errorf("Update whose context ended meanwhile: %v", err)
	}
	s.view(func(r store.Reader) {
		if !people.Has(r, account, "alice") {
			t.Error("an acknowledged update is not there")
		}
	})
}

func testClose(t *testing.T, e Engine) {
	s := open(t, e)
	s.put("alice")
	var wg sync.WaitGroup
	for range 8 { // each is either done or told that it is not
		wg.Go(func() {
			for {
				if err := s.Update(context.Background(), func(tx store.Tx) error {
					return people.Edit(tx, func(p *person) error { p.N++; return nil }, account, "alice")
				}); err != nil {
					if !errors.Is(err, store.ErrClosed) {
						t.Errorf("Update at Close: %v", err)
					}
					return
				}
			}
		})
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	wg.Wait()
	for what, err := range map[string]error{
		"View":    s.View(t.Context(), func(store.Reader) error { return nil }),
		"Update":  s.Update(t.Context(), func(store.Tx) error { return nil }),
		"Append":  s.Append(t.Context(), []store.LogEntry{{Stream: "trail"}}),
		"TrimLog": s.TrimLog(t.Context(), "", epoch),
		"Close":   s.Close(),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s of a closed store: %v, want ErrClosed", what, err)
		}
	}
}

func testDurable(t *testing.T, e Engine) {
	if e.Reopen == nil {
		t.Skip("the engine keeps nothing")
	}
	s := open(t, e)
	s.put(awkward...)
	s.update(func(tx store.Tx) error {
		people.Delete(tx, account, "a")
		tx.Append("trail", epoch, []byte("a was deleted"))
		return people.Put(tx, &person{Name: "b", N: 2}, account, "b")
	})
	s.append(store.LogEntry{Stream: "trail", At: epoch.Add(time.Minute), Data: []byte("read")})
	revision, names := revisionOf(s), s.names()
	for range 2 {
		s.Store = e.Reopen(t, s.Store)
		same(t, "people after reopening", s.names(), names)
		same(t, "log after reopening", data(s.log("trail", store.LogQuery{})), []string{"a was deleted", "read"})
		if now := revisionOf(s); now != revision {
			t.Errorf("revision %d after reopening, want %d", now, revision)
		}
	}
	s.put("zoe")
	if now := revisionOf(s); now <= revision {
		t.Errorf("revision %d after a change, was %d", now, revision)
	}
}
