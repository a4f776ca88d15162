// Package memory is the store engine without a disk, for tests and development servers.
// Its README tells how it works.
package memory

import (
	"time"

	"github.com/lanyard-iam/lanyard/store/internal/engine"
)

// maxLogBytes bounds the entries of all streams together.
const maxLogBytes = 64 << 20

// Store is a store.Store in memory.
type Store struct {
	*engine.Engine
	log *log
}

// New returns an empty store.
func New() *Store { return newStore(maxLogBytes) }

func newStore(logBytes int) *Store {
	backend := &backend{log: newLog(logBytes)}
	return &Store{
		Engine: engine.New(backend, engine.State{Tree: engine.NewTree()}),
		log:    backend.log,
	}
}

// Snapshot is the content of a store at one moment. It stays as it is whatever happens to
// the store, and can be restored any number of times.
type Snapshot struct {
	state engine.State
	log   streams
}

// Snapshot returns the present durable content. An update that commits meanwhile may have
// its log entries in the snapshot without its state: take snapshots of a quiet store.
func (s *Store) Snapshot() (Snapshot, error) {
	state, err := s.Published()
	if err != nil {
		return Snapshot{}, err
	}
	return Snapshot{state: state, log: s.log.snapshot()}, nil
}

// Restore brings back the content of snap, which must be one of this store's, in a time
// that does not depend on its size.
func (s *Store) Restore(snap Snapshot) error {
	return s.Replace(snap.state.Tree, func() { s.log.restore(snap.log) })
}

// backend keeps the log; state is in the engine's tree already.
type backend struct{ *log }

func (b *backend) Commit(batch *engine.Batch) error {
	b.append(batch.Entries)
	return nil
}

// Recover is not called: a commit to memory is never in doubt.
func (b *backend) Recover() (engine.State, error) { panic("memory: nothing to recover") }

func (b *backend) TrimLog(prefix string, before time.Time) (more bool, err error) {
	return b.trim(prefix, before), nil
}

func (b *backend) Close() error { return nil }
