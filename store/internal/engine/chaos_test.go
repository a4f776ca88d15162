package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanyard-iam/lanyard/store"
)

// A crowd of writers on a disk that fails in every way, and a stop at any moment, also
// while the committer waits for company: everyone is answered, what was acknowledged is
// there and seen at once, what was refused is not and never comes, and nobody else learns
// of what was undone.
func TestChaos(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() {
		seeds = 30
	}
	outcomes := map[string]int{}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { chaos(t, seed, outcomes) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Log(outcomes)
	for _, outcome := range []string{"acknowledged", "unavailable", "in doubt", "closed", "undone"} {
		if outcomes[outcome] == 0 {
			t.Errorf("no write was %s: the test proves nothing", outcome)
		}
	}
}

func chaos(t *testing.T, seed uint64, outcomes map[string]int) {
	random := rand.New(rand.NewPCG(seed, 0))
	// The backend is called by one at a time.
	durable := State{Tree: NewTree()}
	trouble := random.IntN(4) * 5 // in a hundred
	broken := 0
	stop := time.Duration(random.IntN(60_000)) * time.Microsecond // drawn now: then random is the backend's
	apply := func(b *Batch) {
		durable = State{Tree: durable.Tree.Copy(), Revision: b.Revision, Commit: b.Commit}
		for key, w := range b.Writes {
			if w.New == nil {
				durable.Tree.Delete(key)
			} else {
				durable.Tree.Set(key, w.New)
			}
		}
	}
	e := newEngine(&slow{
		commit: func(b *Batch) error {
			time.Sleep(time.Duration(random.IntN(2000)) * time.Microsecond)
			switch n := random.IntN(100); {
			case n < trouble:
				return errors.New("disk full")
			case n < 2*trouble:
				broken = random.IntN(recoverAttempts + 3)
				if random.IntN(2) == 0 {
					apply(b)
				}
				return fmt.Errorf("%w: fsync", ErrInDoubt)
			}
			apply(b)
			return nil
		},
		recover: func() (State, error) {
			if broken--; broken >= 0 {
				return State{}, errors.New("still broken")
			}
			return State{Tree: durable.Tree.Copy(), Revision: durable.Revision, Commit: durable.Commit}, nil
		},
	})

	undone := errors.New("undone")
	var mu sync.Mutex // of results
	results := map[string]error{}
	var writers sync.WaitGroup
	for w := range 2 * crowd {
		own := rand.New(rand.NewPCG(seed, uint64(w+1)))
		writers.Go(func() {
			for i := range 12 {
				if own.IntN(3) == 0 {
					time.Sleep(time.Duration(own.IntN(3000)) * time.Microsecond)
				}
				name := fmt.Sprintf("%d.%d", w, i)
				undo := own.IntN(8) == 0
				err := e.Update(context.Background(), func(tx store.Tx) error {
					if err := notes.Put(tx, &note{name}, name); err != nil {
						return err
					}
					if undo {
						return undone
					}
					return nil
				})
				mu.Lock()
				results[name] = err
				mu.Unlock()
				if err == nil {
					seen := false
					if failed := e.View(context.Background(), func(r store.Reader) error { seen = notes.Has(r, name); return nil }); failed == nil && !seen {
						t.Errorf("%s was acknowledged, and the next reader does not see it", name)
					}
				}
			}
		})
	}
	writers.Go(func() { // those who read see one state after the other
		last := uint64(0)
		for {
			err := e.View(context.Background(), func(r store.Reader) error {
				if r.Revision() < last {
					t.Errorf("revision %d after %d", r.Revision(), last)
				}
				last = r.Revision()
				return nil
			})
			if err != nil {
				return
			}
			time.Sleep(100 * time.Microsecond)
		}
	})
	time.Sleep(stop)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	writers.Wait()

	for name, err := range results {
		_, there := durable.Tree.Get(notes.Key(name))
		outcome := ""
		switch {
		case err == nil:
			outcome = "acknowledged"
		case errors.Is(err, undone):
			outcome = "undone"
		case errors.Is(err, store.ErrInDoubt):
			outcome = "in doubt"
		case errors.Is(err, store.ErrClosed):
			outcome = "closed"
		case errors.Is(err, store.ErrUnavailable):
			outcome = "unavailable"
		default:
			t.Errorf("%s: %v", name, err)
		}
		outcomes[outcome]++
		if outcome != "in doubt" && there != (err == nil) {
			t.Errorf("%s was %s (%v), there: %v", name, outcome, err, there)
		}
	}
}
