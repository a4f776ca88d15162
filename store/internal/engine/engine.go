// Package engine is what store/memory and store/sqlite have in common: the tree of
// records, the order of writers, group commit and the watch.
//
// It owns everything that happens in memory; making a batch durable, and reading logs,
// is left to a [Backend].
//
// # The life of an update
//
//  1. The caller takes mu. Its closure runs, in the caller's own goroutine, on the
//     working tree: the last durable state plus the changes of closures that ran before
//     it and are being committed. An undo list restores the tree if the closure fails.
//  2. The changes join the gathering batch; the caller releases mu and waits.
//  3. The committer takes the gathering batch and a copy (O(1)) of the working tree, and
//     hands the batch to the backend. Meanwhile further closures run and gather in the
//     next batch: this is group commit. Only behind a batch of many does the committer
//     wait a moment for those it has just released: they come again, and share a commit.
//  4. When the batch is durable the copy becomes the published snapshot, watchers learn
//     of the changes, and the batch's callers return.
//
// If the commit fails, everything that was built on it goes: the batch and the one
// gathering behind it fail with store.ErrUnavailable, and the working tree goes back to
// the published snapshot, which readers never stopped using.
//
// # Doubt
//
// An error of fsync leaves open whether the batch is durable. Its callers are held while
// the backend reads anew what is stored: the number of the last commit there says whether
// the batch happened, and they are told so. If that cannot be read for a moment
// (recoverAttempts), they get store.ErrInDoubt, and nothing further runs or commits before
// it could be: each later writer begins with an attempt.
package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/btree"

	"github.com/lanyard-iam/lanyard/store"
)

// Tree is the ordered key space. Its Copy is O(1) and shares nodes.
type Tree = btree.Map[store.Key, *store.Item]

// NewTree returns an empty tree.
func NewTree() *Tree { return btree.NewMap[store.Key, *store.Item](0) }

// State is what a backend has stored.
type State struct {
	Tree     *Tree
	Revision uint64 // of the last transaction that changed the tree
	Commit   uint64 // the number of the last batch
}

// Write is what a batch does to one record: from Old (nil: there was none) to New (nil:
// there is none any more).
type Write struct{ Old, New *store.Item }

// Batch is what one commit makes durable.
type Batch struct {
	Commit   uint64 // one more than the last durable batch
	Revision uint64
	Writes   map[store.Key]Write
	Entries  []store.LogEntry

	changes []store.Change
	done    chan struct{}
	err     error // set before done is closed
}

func newBatch() *Batch { return &Batch{done: make(chan struct{})} }

func (b *Batch) empty() bool { return len(b.Writes) == 0 && len(b.Entries) == 0 }

func (b *Batch) finish(err error) {
	b.err = err
	close(b.done)
}

// Backend makes batches durable. The engine calls Commit, Recover and TrimLog one at a
// time; ScanLog at any time.
type Backend interface {
	// Commit makes the batch durable, all or nothing. After an error that wraps
	// [ErrInDoubt] the engine calls Recover before anything else.
	Commit(b *Batch) error
	// Recover brings the backend back to work after a commit of unknown outcome, and
	// returns what is stored, read and verified anew. What it returns is durable, and
	// what it does not return will never turn up.
	Recover() (State, error)
	// ScanLog ends with ctx's error once ctx has ended.
	ScanLog(ctx context.Context, stream string, q store.LogQuery, fn func(store.LogEntry) bool) error
	// TrimLog deletes a bounded number of old entries and reports whether there are more.
	TrimLog(prefix string, before time.Time) (more bool, err error)
	Close() error
}

// ErrInDoubt: a backend's work failed in a way that leaves open whether it is durable, such
// as an error of fsync. Such a commit is never acknowledged, and never repeated, on the word
// of a second fsync. Callers of the engine see store.ErrInDoubt, and only if Recover failed.
var ErrInDoubt = errors.New("commit in doubt")

// After a commit in doubt the engine tries this often to recover, with a pause after each
// attempt that doubles: its callers, and all who come meanwhile, are held for 0.7 s and the
// attempts themselves. Disks that hiccup are back by then; one that is gone stays gone.
const (
	recoverAttempts = 4
	recoverPause    = 100 * time.Millisecond
)

// A batch of crowd transactions or more lets the committer wait for company before the next
// one: companyEach for each of them, about what a request takes, so that all can be back. Where
// 64 clients write, that saves a tenth of all CPU time over a fixed millisecond, and latency, too.
const (
	crowd       = 8
	companyEach = 50 * time.Microsecond
	companyMost = 3 * time.Millisecond
)

// company is how long the committer waits behind a batch of n transactions, from its end.
func company(n int) time.Duration {
	if n < crowd {
		return 0
	}
	return min(time.Duration(n)*companyEach, companyMost)
}

// Engine implements store.Store on a backend.
type Engine struct {
	backend   Backend
	published atomic.Pointer[snapshot]
	changes   changes
	wake      chan struct{} // capacity 1: the gathering batch is not empty
	stopped   chan struct{} // the committer has ended

	// committing is held while the backend works; it is taken before mu.
	committing lock
	commit     uint64 // number of the last durable batch
	// inDoubt: what the backend holds is not known. Written under committing; while it
	// is set nothing flies. attempts counts the failures to settle it.
	inDoubt  atomic.Bool
	attempts atomic.Uint64

	mu        sync.Mutex
	working   *Tree
	revision  uint64 // the last one given to a transaction, durable or not
	gathering *Batch
	flying    *Batch // handed to the backend; nil if none
	closed    bool
}

var _ store.Store = (*Engine)(nil)

// lock is a mutex of which the wait can be given up.
type lock chan struct{}

func (l lock) Lock()   { l <- struct{}{} }
func (l lock) Unlock() { <-l }

// New starts an engine on what backend has stored.
func New(backend Backend, state State) *Engine {
	e := &Engine{
		backend:    backend,
		wake:       make(chan struct{}, 1),
		stopped:    make(chan struct{}),
		committing: make(lock, 1),
		commit:     state.Commit,
		working:    state.Tree,
		revision:   state.Revision,
		gathering:  newBatch(),
	}
	e.publish(State{state.Tree.Copy(), state.Revision, state.Commit})
	e.changes.reset(state.Revision)
	go e.run()
	return e
}

func (e *Engine) publish(state State) {
	e.published.Store(&snapshot{state, e.backend})
}

// snapshot is the published state.
type snapshot struct {
	State
	backend Backend
}

func (s *snapshot) Get(key store.Key) (*store.Item, bool) { return s.Tree.Get(key) }
func (s *snapshot) Revision() uint64                      { return s.State.Revision }

func (s *snapshot) Scan(prefix, after store.Key, fn func(store.Key, *store.Item) bool) {
	scan(s.Tree, prefix, after, fn)
}

// view is a snapshot in the hands of one View; it implements store.Reader.
type view struct {
	*snapshot
	ctx context.Context
}

func (v *view) ScanLog(stream string, q store.LogQuery, fn func(store.LogEntry) bool) error {
	return v.backend.ScanLog(v.ctx, stream, q, fn)
}

func scan(tree *Tree, prefix, after store.Key, fn func(store.Key, *store.Item) bool) {
	tree.Ascend(max(prefix, after), func(key store.Key, item *store.Item) bool {
		if !strings.HasPrefix(string(key), string(prefix)) {
			return false
		}
		return key == after && after != "" || fn(key, item)
	})
}

// View implements store.Store.
func (e *Engine) View(ctx context.Context, fn func(store.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := e.published.Load()
	if s == nil {
		return store.ErrClosed
	}
	return fn(&view{s, ctx})
}

// Update implements store.Store.
func (e *Engine) Update(ctx context.Context, fn func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.settled(ctx); err != nil {
		return err
	}
	depends, err := e.apply(ctx, fn)
	if depends == nil {
		return err
	}
	// From here on the outcome is the batch's, whatever happens to ctx: a caller that left
	// now would not know whether its change happened.
	<-depends.done
	if depends.err != nil {
		return depends.err
	}
	return err
}

// apply runs fn on the working tree and returns the batch whose fate decides whether
// what fn wrote, or merely saw, is true; nil if that is durable already.
func (e *Engine) apply(ctx context.Context, fn func(store.Tx) error) (depends *Batch, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, store.ErrClosed
	}
	t := &tx{e: e, ctx: ctx, revision: e.revision + 1}
	// Deferred, so that a panic or runtime.Goexit (t.Fatal) in fn undoes its writes too.
	completed := false
	defer func() {
		if !completed {
			t.rollback()
		}
		t.e = nil
	}()
	if err = fn(t); err == nil {
		err = t.err
	}
	if err == nil {
		completed = true
		t.join(e.gathering)
	}
	switch {
	case !e.gathering.empty():
		e.signal()
		return e.gathering, err
	default:
		return e.flying, err
	}
}

// Append implements store.Store.
func (e *Engine) Append(ctx context.Context, entries []store.LogEntry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(entries) == 0 {
		return nil
	}
	for _, entry := range entries {
		if err := checkEntry(entry.Stream, entry.Data); err != nil {
			return err
		}
	}
	if err := e.settled(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return store.ErrClosed
	}
	b := e.gathering
	b.Entries = append(b.Entries, entries...)
	e.signal()
	e.mu.Unlock()
	<-b.done
	return b.err
}

func (e *Engine) signal() {
	select {
	case e.wake <- struct{}{}:
	default: // the committer knows already
	}
}

// run is the committer.
func (e *Engine) run() {
	defer close(e.stopped)
	last, ended := 0, time.Now()
	for range e.wake {
		time.Sleep(company(last) - time.Since(ended)) // of a crowd that left long ago, none
		last, ended = e.commitGathered(), time.Now()
	}
}

// commitGathered commits the gathering batch and returns how many transactions were in it.
func (e *Engine) commitGathered() int {
	e.committing.Lock()
	defer e.committing.Unlock()

	e.mu.Lock()
	empty := e.gathering.empty()
	e.mu.Unlock()
	if empty {
		return 0
	}
	// Closures do not begin while there is a doubt, but one may just have begun.
	if err := e.settle(); err != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.discard(err)
		return 0
	}

	e.mu.Lock()
	b := e.gathering
	if b.empty() { // it was built on what settle replaced
		e.mu.Unlock()
		return 0
	}
	e.gathering, e.flying = newBatch(), b
	next := State{Tree: e.working.Copy(), Revision: e.revision, Commit: e.commit + 1}
	b.Commit, b.Revision = next.Commit, next.Revision
	e.mu.Unlock()

	err := e.durable(b)

	e.mu.Lock()
	e.flying = nil
	if err == nil {
		e.commit = b.Commit
		e.publish(next)
	} else {
		e.discard(err)
	}
	e.mu.Unlock()

	if err == nil {
		for key, w := range b.Writes {
			if w.Old != nil {
				store.CheckShared(key, w.Old)
			}
		}
		e.changes.add(b.changes)
	}
	b.finish(err)
	return len(b.changes)
}

// discard goes back to the published state. What has gathered was not handed to the backend,
// and fails because of err. mu and committing are held.
func (e *Engine) discard(err error) {
	e.working = e.published.Load().Tree.Copy()
	if e.gathering.empty() {
		return // and has no callers
	}
	if errors.Is(err, store.ErrInDoubt) {
		err = fmt.Errorf("%w: built on a change in doubt: %s", store.ErrUnavailable, err)
	}
	e.gathering.finish(err)
	e.gathering = newBatch()
}

// durable makes b durable or says what became of it, as store.Store's errors do.
func (e *Engine) durable(b *Batch) error {
	err := e.backend.Commit(b)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, ErrInDoubt):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	e.inDoubt.Store(true)
	for attempt := range recoverAttempts {
		if attempt > 0 {
			time.Sleep(recoverPause << (attempt - 1))
		}
		state, failure := e.backend.Recover()
		switch {
		case failure != nil:
			err = fmt.Errorf("%w; recover: %w", err, failure)
		case state.Commit == b.Commit:
			e.inDoubt.Store(false)
			return nil
		case state.Commit == e.commit:
			e.inDoubt.Store(false)
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		default:
			return fmt.Errorf("%w: %w; commit %d is on disk, neither this one nor the one before it", store.ErrInDoubt, err, state.Commit)
		}
	}
	return fmt.Errorf("%w: %w", store.ErrInDoubt, err)
}

// settled is settle for the callers of the engine, before they begin.
func (e *Engine) settled(ctx context.Context) error {
	if !e.inDoubt.Load() {
		return nil
	}
	attempts := e.attempts.Load()
	select {
	case e.committing <- struct{}{}:
		defer e.committing.Unlock()
	case <-ctx.Done():
		return ctx.Err()
	}
	if e.inDoubt.Load() && e.attempts.Load() != attempts {
		// One that failed while this caller waited: it would only be repeated.
		return fmt.Errorf("%w: recovery failed a moment ago", store.ErrUnavailable)
	}
	return e.settle()
}

// settle ends an unresolved doubt: what the backend holds becomes the state. Called with
// committing held.
func (e *Engine) settle() error {
	if !e.inDoubt.Load() {
		return nil
	}
	if e.published.Load() == nil {
		return store.ErrClosed
	}
	state, err := e.backend.Recover()
	if err != nil {
		e.attempts.Add(1)
		return fmt.Errorf("%w: recover: %w", store.ErrUnavailable, err)
	}
	if state.Commit != e.commit {
		e.adopt(state)
	}
	e.inDoubt.Store(false)
	return nil
}

// adopt publishes what the backend holds in place of what the engine knew: a batch in doubt
// did reach the disk. Called with committing held.
func (e *Engine) adopt(state State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.commit = state.Commit
	e.revision = max(e.revision, state.Revision)
	e.publish(State{state.Tree, e.revision, e.commit})
	e.changes.reset(e.revision)
	e.discard(fmt.Errorf("%w: state was read again; try again", store.ErrUnavailable))
}

// Published returns the durable state. The tree must not be changed.
func (e *Engine) Published() (State, error) {
	s := e.published.Load()
	if s == nil {
		return State{}, store.ErrClosed
	}
	return s.State, nil
}

// Replace puts tree in the place of the whole state, between two commits, and calls with
// (which may be nil) at the same moment. Watchers have to read everything again. For
// backends without a disk.
func (e *Engine) Replace(tree *Tree, with func()) error {
	e.committing.Lock()
	defer e.committing.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return store.ErrClosed
	}
	// What has gathered happened before the replacement, which wipes it out.
	e.gathering.finish(nil)
	e.gathering = newBatch()
	e.revision++
	// Copy marks the tree it copies; only this engine may do that to its own trees, and
	// they are only touched here and in commitGathered, under committing.
	e.working = tree.Copy()
	e.publish(State{tree, e.revision, e.commit})
	e.changes.reset(e.revision)
	if with != nil {
		with()
	}
	return nil
}

// TrimLog implements store.Store.
func (e *Engine) TrimLog(ctx context.Context, prefix string, before time.Time) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		more, err := e.trimSome(prefix, before)
		if err != nil || !more {
			return err
		}
	}
}

func (e *Engine) trimSome(prefix string, before time.Time) (bool, error) {
	e.committing.Lock()
	defer e.committing.Unlock()
	if e.published.Load() == nil {
		return false, store.ErrClosed
	}
	if err := e.settle(); err != nil {
		return false, err
	}
	more, err := e.backend.TrimLog(prefix, before)
	if err != nil {
		// Trimming may be repeated: its doubt is settled by the next writer.
		e.inDoubt.Store(errors.Is(err, ErrInDoubt))
		return false, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return more, nil
}

// Close implements store.Store.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		<-e.stopped
		return store.ErrClosed
	}
	e.closed = true
	e.mu.Unlock()
	e.signal()
	close(e.wake)
	<-e.stopped

	e.committing.Lock()
	defer e.committing.Unlock()
	last := e.published.Swap(nil)
	e.changes.close()
	last.Tree.Scan(func(key store.Key, item *store.Item) bool {
		store.CheckShared(key, item)
		return true
	})
	return e.backend.Close()
}
