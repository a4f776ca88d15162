package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/lanyard-iam/lanyard/store"
)

// tx is a closure's view of the working tree; it lives while the engine's mu is held.
type tx struct {
	e        *Engine
	ctx      context.Context
	revision uint64
	undo     []undo
	entries  []store.LogEntry
	err      error // the first write that exceeded a limit

	// scanned is the tree that a running Scan walks over, nil if there is none. A write
	// leaves it alone and goes on with a copy.
	scanned *Tree
}

type undo struct {
	key store.Key
	old *store.Item
}

var _ store.Tx = (*tx)(nil)

func (t *tx) Get(key store.Key) (*store.Item, bool) { return t.e.working.Get(key) }
func (t *tx) Revision() uint64                      { return t.revision }

func (t *tx) Scan(prefix, after store.Key, fn func(store.Key, *store.Item) bool) {
	outer := t.scanned
	t.scanned = t.e.working
	// An outer scan may be walking over another tree by now, but never over the one that
	// is written to: every write below a scan leaves that scan's tree.
	defer func() { t.scanned = outer }()
	scan(t.scanned, prefix, after, fn)
}

func (t *tx) ScanLog(stream string, q store.LogQuery, fn func(store.LogEntry) bool) error {
	return t.e.backend.ScanLog(t.ctx, stream, q, fn)
}

func (t *tx) Put(key store.Key, item *store.Item) {
	switch {
	case len(key) > store.MaxKeyBytes:
		t.fail(fmt.Errorf("%w: key of %d bytes, limit %d", store.ErrTooLarge, len(key), store.MaxKeyBytes))
	case item == nil || item.Kind() != key.Kind():
		t.fail(fmt.Errorf("store: key of kind %v for a record of another", key.Kind()))
	default:
		t.write()
		old, _ := t.e.working.Set(key, item)
		t.undo = append(t.undo, undo{key, old})
	}
}

func (t *tx) Delete(key store.Key) {
	if _, ok := t.e.working.Get(key); !ok {
		return
	}
	t.write()
	old, _ := t.e.working.Delete(key)
	t.undo = append(t.undo, undo{key, old})
}

func (t *tx) write() {
	if t.scanned == t.e.working {
		t.e.working = t.scanned.Copy()
	}
}

func (t *tx) Append(stream string, at time.Time, data []byte, marks ...store.Mark) {
	if err := checkEntry(stream, data); err != nil {
		t.fail(err)
		return
	}
	t.entries = append(t.entries, store.LogEntry{Stream: stream, At: at, Data: data, Marks: marks})
}

func checkEntry(stream string, data []byte) error {
	switch {
	case stream == "" || len(stream) > store.MaxStreamBytes:
		return fmt.Errorf("store: log stream's name of %d bytes", len(stream))
	case len(data) > store.MaxEntryBytes:
		return fmt.Errorf("%w: log entry of %d bytes, limit %d", store.ErrTooLarge, len(data), store.MaxEntryBytes)
	}
	return nil
}

func (t *tx) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

func (t *tx) rollback() {
	t.scanned = nil
	for i := len(t.undo) - 1; i >= 0; i-- {
		if u := t.undo[i]; u.old == nil {
			t.e.working.Delete(u.key)
		} else {
			t.e.working.Set(u.key, u.old)
		}
	}
}

// join adds what the transaction did to the batch.
func (t *tx) join(b *Batch) {
	b.Entries = append(b.Entries, t.entries...)
	if len(t.undo) == 0 {
		return
	}
	if b.Writes == nil {
		b.Writes = make(map[store.Key]Write)
	}
	keys := make([]store.Key, 0, len(t.undo))
	for _, u := range t.undo {
		w, known := b.Writes[u.key]
		if !known {
			w.Old = u.old
		}
		w.New, _ = t.e.working.Get(u.key)
		b.Writes[u.key] = w
		keys = append(keys, u.key)
	}
	t.e.revision = t.revision
	b.changes = append(b.changes, store.Change{Revision: t.revision, Keys: keys})
}
