// Package store keeps Lanyard's records: an ordered key space of typed values
// with transactions, and append-only logs.
//
// There are two spaces, because the two kinds of data are used in opposite ways:
//
//   - State (users, policies, keys, …) is small, read by every request and
//     changed seldom. An engine holds all of it in memory as an immutable tree:
//     [Store.View] hands out a consistent snapshot without a lock or a disk access.
//   - Logs (the audit trail) are large, written by every request and read
//     seldom. They live on disk only, in the order of time.
//
// [Store.Update] changes state and appends to logs in one transaction; it returns
// when the whole is durable. Engines commit the transactions that arrive
// together in one go (group commit), so that many callers share one fsync.
//
// The package owns the vocabulary (keys, kinds of record, items, tables) and the
// contract; store/storetest is that contract as tests. Engines are store/memory
// and store/sqlite. What a record contains, which records belong together and
// who may see them is decided by the packages that own the records.
package store

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Limits of one write. They bound what a single request can make an engine
// hold; writes beyond them fail with [ErrTooLarge], they are never cut short.
const (
	// MaxKeyBytes bounds a key: the longest AWS name is an ARN of 2,048 bytes
	// (policy ARNs in attachments), beside an account and an entity.
	MaxKeyBytes = 4 << 10
	// MaxItemBytes bounds an encoded record. The largest is a role with its trust
	// policy and 10,240 bytes of inline policies.
	MaxItemBytes = 1 << 20
	// MaxEntryBytes bounds a log entry. CloudTrail's own limit is 256 KB.
	MaxEntryBytes = 1 << 20
	// MaxStreamBytes bounds the name of a log stream.
	MaxStreamBytes = 128
)

// Errors of every engine. Test for them with errors.Is.
var (
	// ErrNotFound: no record has the key.
	ErrNotFound = errors.New("store: not found")
	// ErrTooLarge: a key, record or log entry exceeds its limit; nothing was written.
	ErrTooLarge = errors.New("store: too large")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store: closed")
	// ErrUnavailable: the change could not be made durable (disk full, I/O error)
	// and was not made; reads go on. Callers answer 503.
	ErrUnavailable = errors.New("store: cannot write now")
	// ErrInDoubt: an I/O error left open whether the change is durable, and what is
	// stored could not be read back within a moment. It may have been made, or not.
	// Callers neither repeat it unseen nor say that nothing happened; to look, they
	// use Update: it settles the doubt before its closure runs.
	ErrInDoubt = errors.New("store: whether the change was made is not known")
	// ErrCorrupt: stored bytes are damaged, or missing.
	ErrCorrupt = errors.New("store: data is corrupt")
	// ErrNewer: the data was written by a later release than this one.
	ErrNewer = errors.New("store: data was written by a newer release")
	// ErrResync: a watcher is too far behind, or what it watched was replaced;
	// it has to read everything again.
	ErrResync = errors.New("store: changes no longer available, read everything again")
)

// Reader reads the state as it was at one moment. It is only valid inside the
// closure it was handed to.
type Reader interface {
	// Get returns the record of key. The item is shared with every other reader.
	Get(key Key) (*Item, bool)
	// Scan calls fn for the records whose key starts with prefix, in ascending
	// order of keys, beginning behind after (exclusive; "" means from the start),
	// until fn returns false. In a [Tx], fn may write: the scan goes on over the
	// records as they were when it began.
	Scan(prefix, after Key, fn func(Key, *Item) bool)
	// Revision numbers the state. It grows with every transaction that changes
	// state and never repeats, not even after a failed commit. In a [Tx] it is
	// the number that the transaction will have.
	Revision() uint64
	// ScanLog reads the durable entries of a stream, until fn returns false. The
	// order is that of LogEntry.At to within one second, the same in every
	// scan, and exactly the reverse with q.NewestFirst. Logs are not part of the
	// snapshot: entries committed meanwhile may be seen, those appended by the
	// surrounding transaction are not. It ends with the error of the context of the
	// surrounding View or Update once that has ended.
	ScanLog(stream string, q LogQuery, fn func(LogEntry) bool) error
}

// Tx is a running transaction; it reads its own writes. Writes that exceed a limit
// make the whole Update fail with [ErrTooLarge].
type Tx interface {
	Reader
	// Put stores item under key. The item's kind must be the key's.
	Put(key Key, item *Item)
	// Delete removes the record of key, if there is one.
	Delete(key Key)
	// Append adds an entry to a stream; it becomes durable with the state written
	// by the same transaction, or not at all. The store keeps data and marks.
	Append(stream string, at time.Time, data []byte, marks ...Mark)
}

// Store is an engine. Its methods may be called from any goroutine.
type Store interface {
	// View runs fn on a snapshot of the last durable state.
	View(ctx context.Context, fn func(Reader) error) error
	// Update runs fn, alone, and returns once its writes are durable and visible to
	// every later View. If fn returns an error or panics, none of its writes
	// happened. fn may run more than once (an engine may retry), so it takes the
	// time and randomness as values, does not touch the network, and does not call
	// Update or Append (it would wait for itself).
	//
	// fn may see writes that are not durable yet; what it returned is handed on
	// only after they are. If they fail to become so, Update returns
	// [ErrUnavailable] or [ErrInDoubt] whatever fn returned.
	Update(ctx context.Context, fn func(Tx) error) error
	// Append adds entries to logs, all or none, and returns when they are durable.
	// It shares its commit with other callers, and fails as Update does. The store
	// keeps the entries' data and marks.
	Append(ctx context.Context, entries []LogEntry) error
	// TrimLog deletes the entries of the streams whose names begin with prefix ("" means of
	// all streams) that are older than before, to within one second: none is deleted too
	// early.
	TrimLog(ctx context.Context, prefix string, before time.Time) error
	// Watch yields the transactions that changed state after the revision from, in
	// order, waiting for further ones until ctx ends (then it yields ctx's error).
	// It yields [ErrResync] and ends where the watcher is too far behind.
	Watch(ctx context.Context, from uint64) iter.Seq2[Change, error]
	// Close waits for running commits and releases what the engine holds.
	Close() error
}

// LogEntry is one entry of a log stream.
type LogEntry struct {
	Stream string
	At     time.Time
	Data   []byte
	// Marks are what the entry can be looked for by, all of it or nothing. Append takes
	// them; ScanLog does not return them.
	Marks []Mark
	// Cursor continues a scan behind this entry. It is set by ScanLog, and
	// ignored by Append.
	Cursor Cursor
}

// Mark is a hash of something that entries are looked for by. What it is a hash of is the
// business of whoever appends; it must not change as long as entries live.
type Mark uint32

// Cursor is a place in a stream; its text is the engine's own. One that was not
// made by the engine makes ScanLog fail with [ErrCursor].
type Cursor string

// ErrCursor: a cursor was not made by this engine.
var ErrCursor = errors.New("store: invalid cursor")

// LogQuery selects entries of a stream.
type LogQuery struct {
	From, To    time.Time // inclusive; zero means unbounded
	NewestFirst bool
	After       Cursor // "" means from the first entry
	// Marks are a hint: the caller has no use for entries that were appended with other
	// marks and none of these, so a scan need not visit them. It may all the same, for hashes
	// collide, and an engine may not know the marks of what it wrote long ago. Entries
	// without marks are always visited. Empty means no hint.
	Marks []Mark
	// Passed, if it is set, is called where a scan has left entries out for their marks, with
	// a cursor behind them, at least once for every PassedMost of them. The scan ends if it
	// returns false. So who counts the calls bounds the work of a scan that finds nothing.
	Passed func(Cursor) bool
}

// PassedMost is how many entries a scan leaves out at most without a word (see
// LogQuery.Passed).
const PassedMost = 64 << 10

// Matches reports whether an entry of time at lies in the query's range.
func (q LogQuery) Matches(at time.Time) bool {
	return (q.From.IsZero() || !at.Before(q.From)) && (q.To.IsZero() || !at.After(q.To))
}

// Change is one transaction, seen from outside: which records it put or deleted.
type Change struct {
	Revision uint64
	Keys     []Key
}
