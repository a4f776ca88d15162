package engine

import (
	"context"
	"iter"
	"sync"

	"github.com/lanyard-iam/lanyard/store"
)

// maxChanges is how many transactions a watcher may be behind: at the highest write rate
// about a quarter of a second, and minutes at a usual one.
const maxChanges = 4096

// maxChangedKeys bounds what those transactions hold: a few large ones are as much as
// many of the usual size.
const maxChangedKeys = 16 * maxChanges

// changes remembers the latest transactions for watchers, which read at their own pace:
// a slow one costs nothing.
type changes struct {
	mu     sync.Mutex
	floor  uint64 // every transaction after this revision is in list
	list   []store.Change
	keys   int           // in list
	more   chan struct{} // closed at the next addition; nil if nobody waits
	closed bool
}

func (c *changes) add(list []store.Change) {
	if len(list) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, list...)
	for _, change := range list {
		c.keys += len(change.Keys)
	}
	// Cut in halves, so that the copying is amortized.
	if len(c.list) > 2*maxChanges || c.keys > 2*maxChangedKeys {
		cut := 0
		for ; cut < len(c.list) && (len(c.list)-cut > maxChanges || c.keys > maxChangedKeys); cut++ {
			c.floor = c.list[cut].Revision
			c.keys -= len(c.list[cut].Keys)
		}
		c.list = append([]store.Change(nil), c.list[cut:]...)
	}
	c.notify()
}

// reset forgets everything: the state at revision did not come about by changes.
func (c *changes) reset(revision uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.floor, c.list, c.keys = revision, nil, 0
	c.notify()
}

func (c *changes) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.notify()
}

func (c *changes) notify() {
	if c.more != nil {
		close(c.more)
		c.more = nil
	}
}

// after returns the changes behind the revision from; or, if there are none yet, a
// channel that is closed when this may have changed.
func (c *changes) after(from uint64) (found []store.Change, more <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, nil, store.ErrClosed
	case from < c.floor:
		return nil, nil, store.ErrResync
	}
	i := len(c.list)
	for i > 0 && c.list[i-1].Revision > from {
		i--
	}
	if i < len(c.list) {
		return c.list[i:len(c.list):len(c.list)], nil, nil
	}
	if c.more == nil {
		c.more = make(chan struct{})
	}
	return nil, c.more, nil
}

// Watch implements store.Store.
func (e *Engine) Watch(ctx context.Context, from uint64) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		for {
			found, more, err := e.changes.after(from)
			if err != nil {
				yield(store.Change{}, err)
				return
			}
			for _, change := range found {
				if !yield(change, nil) {
					return
				}
				from = change.Revision
			}
			if more == nil {
				continue
			}
			select {
			case <-more:
			case <-ctx.Done():
				yield(store.Change{}, ctx.Err())
				return
			}
		}
	}
}
