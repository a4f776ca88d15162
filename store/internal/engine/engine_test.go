package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanyard-iam/lanyard/store"
)

// slow is a backend whose commits last as long as the test says.
type slow struct {
	commit  func(*Batch) error
	recover func() (State, error)

	mu      sync.Mutex
	batches []*Batch
}

func (s *slow) Commit(b *Batch) error {
	if s.commit != nil {
		if err := s.commit(b); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, b)
	return nil
}

func (s *slow) Recover() (State, error) { return s.recover() }
func (s *slow) ScanLog(context.Context, string, store.LogQuery, func(store.LogEntry) bool) error {
	return nil
}
func (s *slow) TrimLog(string, time.Time) (bool, error) { return false, nil }
func (s *slow) Close() error                            { return nil }

type note struct{ Text string }

var notes = store.Table[note]{Kind: store.Meta}

func newEngine(b Backend) *Engine { return New(b, State{Tree: NewTree()}) }

func write(e *Engine, name string) error {
	return e.Update(context.Background(), func(tx store.Tx) error { return notes.Put(tx, &note{name}, name) })
}

func has(t *testing.T, e *Engine, name string) (found bool) {
	t.Helper()
	if err := e.View(context.Background(), func(r store.Reader) error { found = notes.Has(r, name); return nil }); err != nil {
		t.Fatal(err)
	}
	return found
}

// Callers that arrive while a commit is under way share the next one.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &slow{commit: func(*Batch) error { time.Sleep(time.Second); return nil }}
		e := newEngine(disk)
		begin := time.Now()
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if err := write(e, fmt.Sprint(i)); err != nil {
					t.Error(err)
				}
			})
			if i == 0 {
				synctest.Wait() // its commit is under way
			}
		}
		wg.Wait()
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("100 callers waited %v, want two commits", took)
		}
		if n := len(disk.batches); n != 2 {
			t.Errorf("%d batches, want 2", n)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Behind a crowd the committer waits for it to come again; behind a few it does not.
func TestCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &slow{commit: func(*Batch) error { time.Sleep(time.Second); return nil }}
		e := newEngine(disk)
		// together writes n records while the commit of another one is under way, so that
		// they share a batch, and then a last one, whose commit it times.
		together := func(name string, n int) time.Duration {
			var wg sync.WaitGroup
			wg.Go(func() { write(e, name+" first") })
			synctest.Wait()
			for i := range n {
				wg.Go(func() { write(e, fmt.Sprint(name, i)) })
			}
			wg.Wait()
			begin := time.Now()
			if err := write(e, name+" last"); err != nil {
				t.Error(err)
			}
			return time.Since(begin)
		}
		if took := together("few", crowd-1); took != time.Second {
			t.Errorf("behind %d the next commit took %v", crowd-1, took)
		}
		for n, want := range map[int]time.Duration{crowd: crowd * companyEach, 40: 40 * companyEach, 200: companyMost} {
			if took := together(fmt.Sprint("crowd", n, " "), n); took != time.Second+want {
				t.Errorf("behind %d the next commit took %v", n, took)
			}
		}
		// Who comes long after the crowd does not wait for it.
		var crowded sync.WaitGroup
		for i := range 40 {
			crowded.Go(func() { write(e, fmt.Sprint("gone ", i)) })
		}
		crowded.Wait()
		time.Sleep(time.Minute)
		begin := time.Now()
		if err := write(e, "late"); err != nil || time.Since(begin) != time.Second {
			t.Errorf("a minute behind the crowd: %v after %v", err, time.Since(begin))
		}
		begin = time.Now()
		if err := write(e, "alone"); err != nil || time.Since(begin) != time.Second {
			t.Errorf("behind one: %v after %v", err, time.Since(begin))
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A closure sees the writes before it, durable or not; readers see only what is durable.
func TestVisibility(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(&slow{commit: func(*Batch) error { time.Sleep(time.Second); return nil }})
		go write(e, "first")
		time.Sleep(500 * time.Millisecond) // half of its commit
		if has(t, e, "first") {
			t.Error("a reader sees a write before it is durable")
		}
		if err := e.Update(t.Context(), func(tx store.Tx) error {
			if !notes.Has(tx, "first") {
				t.Error("a closure does not see the write before it")
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		// That Update wrote nothing, but returned what depends on the first: it waited.
		if !has(t, e, "first") {
			t.Error("an Update returned before what it saw was durable")
		}
		e.Close()
	})
}

// What was built on a commit that fails, fails with it: other writes, and answers.
func TestFailedCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failing := true
		full := errors.New("disk full")
		e := newEngine(&slow{commit: func(*Batch) error {
			time.Sleep(time.Second)
			if failing {
				return full
			}
			return nil
		}})
		var wg sync.WaitGroup
		check := func(what string, err error) {
			if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, full) {
				t.Errorf("%s: %v, want ErrUnavailable because of the disk", what, err)
			}
		}
		wg.Go(func() { check("the batch that fails", write(e, "first")) })
		time.Sleep(500 * time.Millisecond)
		wg.Go(func() { check("a write behind it", write(e, "second")) })
		wg.Go(func() {
			check("an entry behind it", e.Append(t.Context(), []store.LogEntry{{Stream: "trail"}}))
		})
		wg.Go(func() {
			check("an answer that depends on it", e.Update(t.Context(), func(tx store.Tx) error {
				if notes.Has(tx, "first") {
					return errors.New("exists already")
				}
				return nil
			}))
		})
		wg.Wait()
		failing = false
		if err := e.Update(t.Context(), func(tx store.Tx) error {
			for _, name := range []string{"first", "second"} {
				if notes.Has(tx, name) {
					t.Errorf("the write of %s is still there after its commit failed", name)
				}
			}
			return notes.Put(tx, &note{}, "third")
		}); err != nil {
			t.Error(err)
		}
		if has(t, e, "first") || !has(t, e, "third") {
			t.Error("wrong state after a failed commit and a good one")
		}
		var revisions []uint64
		for change, err := range e.Watch(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			revisions = append(revisions, change.Revision)
			break
		}
		// The failed ones had 1 and 2: they are not given again.
		if !slices.Equal(revisions, []uint64{3}) {
			t.Errorf("revisions %v, want 3", revisions)
		}
		e.Close()
	})
}

// doubtful is an engine on a disk whose next commit fails in doubt, after it landed or not;
// the first attempts to recover after that, broken of them, fail as well.
func doubtful(landed bool, broken int) (e *Engine, disk *slow, recovered *int) {
	disk, recovered = &slow{}, new(int)
	durable := State{Tree: NewTree()}
	failed := false
	disk.commit = func(b *Batch) error {
		doubt := !failed && notesIn(b)["doubtful"]
		if !doubt || landed {
			durable = State{Tree: durable.Tree.Copy(), Revision: b.Revision, Commit: b.Commit}
			for key, w := range b.Writes {
				durable.Tree.Set(key, w.New)
			}
		}
		if doubt {
			failed = true
			time.Sleep(time.Second)
			return fmt.Errorf("%w: fsync", ErrInDoubt)
		}
		return nil
	}
	disk.recover = func() (State, error) {
		if *recovered++; *recovered <= broken {
			return State{}, errors.New("still broken")
		}
		return State{Tree: durable.Tree.Copy(), Revision: durable.Revision, Commit: durable.Commit}, nil
	}
	return newEngine(disk), disk, recovered
}

func notesIn(b *Batch) map[string]bool {
	names := make(map[string]bool)
	for key := range b.Writes {
		names[key.Last()] = true
	}
	return names
}

// A commit in doubt is not answered before Recover has said what became of it: the answer
// is then a success or a definite failure, also for what gathered behind it.
func TestDoubtIsResolvedBeforeTheAnswer(t *testing.T) {
	for _, landed := range []bool{true, false} {
		for _, broken := range []int{0, 2} {
			t.Run(fmt.Sprintf("landed=%v,broken=%d", landed, broken), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e, disk, recovered := doubtful(landed, broken)
					if err := write(e, "before"); err != nil {
						t.Fatal(err)
					}
					check := func(what string, err error) {
						if landed && err != nil || !landed && (!errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrInDoubt)) {
							t.Errorf("%s: %v", what, err)
						}
						if !landed && err == nil {
							t.Errorf("%s: acknowledged, and is not there", what)
						}
					}
					var wg sync.WaitGroup
					wg.Go(func() { check("the commit in doubt", write(e, "doubtful")) })
					synctest.Wait()
					wg.Go(func() { check("what gathered behind it", write(e, "behind")) })
					wg.Wait()
					if *recovered != broken+1 {
						t.Errorf("%d attempts to recover, want %d", *recovered, broken+1)
					}
					if has(t, e, "doubtful") != landed || has(t, e, "behind") != landed {
						t.Errorf("readers see %v, %v", has(t, e, "doubtful"), has(t, e, "behind"))
					}
					if err := write(e, "after"); err != nil || !has(t, e, "after") {
						t.Errorf("write after recovery: %v", err)
					}
					// Each batch has one number; that of one which is not there is given again.
					for i, b := range disk.batches {
						want := uint64(i + 1)
						if landed && i > 0 {
							want++ // the doubtful one is not in the list
						}
						if b.Commit != want {
							t.Errorf("commit %d, want %d", b.Commit, want)
						}
					}
					for change, err := range e.Watch(t.Context(), 1) {
						if want := map[bool]uint64{true: 2, false: 4}[landed]; err != nil || change.Revision != want {
							t.Errorf("watchers see %+v, %v; want revision %d", change, err, want)
						}
						break
					}
					e.Close()
				})
			})
		}
	}
}

// A doubt that cannot be resolved is told as such, within a time; what gathered behind it
// certainly did not happen. The next writes settle it first and then see what is there.
func TestDoubtThatCannotBeResolved(t *testing.T) {
	for _, landed := range []bool{true, false} {
		t.Run(fmt.Sprintf("landed=%v", landed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const more = 3
				e, _, recovered := doubtful(landed, recoverAttempts+more)
				if err := write(e, "before"); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() {
					if err := write(e, "doubtful"); !errors.Is(err, store.ErrInDoubt) || errors.Is(err, store.ErrUnavailable) {
						t.Errorf("commit in doubt: %v, want ErrInDoubt alone", err)
					}
				})
				synctest.Wait()
				wg.Go(func() {
					if err := write(e, "behind"); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrInDoubt) {
						t.Errorf("what gathered behind it: %v, want ErrUnavailable alone", err)
					}
				})
				wg.Wait()
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("callers were held for %v", took)
				}
				if has(t, e, "doubtful") || !has(t, e, "before") {
					t.Error("readers see what is in doubt, or no longer what is not")
				}
				ran := false
				for range more {
					if err := e.Update(t.Context(), func(store.Tx) error { ran = true; return nil }); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrInDoubt) || ran {
						t.Errorf("a closure while the doubt lasts: %v, ran: %v", err, ran)
					}
				}
				if *recovered != recoverAttempts+more {
					t.Errorf("%d attempts to recover", *recovered)
				}
				// Now it works, and a closure looks before it writes.
				if err := e.Update(t.Context(), func(tx store.Tx) error {
					if notes.Has(tx, "doubtful") != landed {
						t.Errorf("the closure sees the doubtful write: %v", !landed)
					}
					return notes.Put(tx, &note{}, "after")
				}); err != nil {
					t.Errorf("write after recovery: %v", err)
				}
				if has(t, e, "doubtful") != landed || has(t, e, "behind") || !has(t, e, "after") {
					t.Error("wrong state after recovery")
				}
				e.Close()
			})
		})
	}
}

// Callers that arrive while an attempt to recover is under way share its outcome.
func TestCallersShareAnAttemptToRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, disk, _ := doubtful(true, 0)
		attempts := 0
		disk.recover = func() (State, error) {
			attempts++
			time.Sleep(time.Second)
			return State{}, errors.New("still broken")
		}
		if err := write(e, "doubtful"); !errors.Is(err, store.ErrInDoubt) {
			t.Fatal(err)
		}
		attempts = 0
		began := time.Now()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if err := write(e, "x"); !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("write while recovery fails: %v", err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); attempts != 1 || took != time.Second {
			t.Errorf("%d attempts in %v, want one", attempts, took)
		}
		e.Close()
	})
}

// A batch tells the backend the difference to the last durable state, however many closures
// wrote the same record.
func TestBatchIsTheDifference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &slow{commit: func(*Batch) error { time.Sleep(time.Second); return nil }}
		e := newEngine(disk)
		for _, name := range []string{"kept", "changed", "deleted"} {
			if err := write(e, name); err != nil {
				t.Fatal(err)
			}
		}
		durable, _ := e.Published()
		go write(e, "hold") // the following gather behind this
		synctest.Wait()
		var wg sync.WaitGroup
		for _, step := range []func(store.Tx){
			func(tx store.Tx) {
				notes.Put(tx, &note{"1"}, "changed")
				notes.Put(tx, &note{"1"}, "new")
				notes.Put(tx, &note{"1"}, "fleeting")
			},
			func(tx store.Tx) {
				notes.Put(tx, &note{"2"}, "changed")
				notes.Delete(tx, "deleted")
				notes.Delete(tx, "fleeting")
			},
		} {
			wg.Go(func() { e.Update(context.Background(), func(tx store.Tx) error { step(tx); return nil }) })
			synctest.Wait()
		}
		wg.Wait()
		b := disk.batches[len(disk.batches)-1]
		if len(b.Writes) != 4 {
			t.Errorf("%d writes, want 4", len(b.Writes))
		}
		for name, want := range map[string]struct{ old, now bool }{"changed": {true, true}, "deleted": {true, false}, "new": {false, true}, "fleeting": {false, false}} {
			w := b.Writes[notes.Key(name)]
			before, _ := durable.Tree.Get(notes.Key(name))
			if w.Old != before || (w.Old != nil) != want.old || (w.New != nil) != want.now {
				t.Errorf("%s: %+v", name, w)
			}
		}
		e.Close()
	})
}

func TestNanos(t *testing.T) {
	var last int64
	for i, at := range []time.Time{{}, time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(0, -1), time.Unix(0, 0), time.Unix(1, 1), time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		n := Nanos(at)
		if i > 0 && n < last {
			t.Errorf("Nanos(%v) is smaller than that of an earlier time", at)
		}
		last = n
	}
}
