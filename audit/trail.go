package audit

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lanyard-iam/lanyard/store"
)

// Options are how a Trail behaves; zero values are the defaults.
type Options struct {
	// Key authenticates the tokens that continue a Lookup. At least 16 bytes;
	// tokens survive a restart if it does.
	Key []byte
	// Retention is how long records are kept and found; 90 days, as CloudTrail's
	// event history.
	Retention time.Duration
	// Linger is how long an enqueued record may wait for others to be written with
	// it; 50 ms. It bounds what a crash can lose.
	Linger time.Duration
	// QueueBytes bounds the records that wait to be written; 16 MiB. Beyond it
	// requests wait.
	QueueBytes int
	// Failed, if set, is told of each failed attempt to write. It must not block.
	Failed func(error)
	// Notable, if set, is shown each event that AppendTo records, in its transaction:
	// what it puts there is there if the deed is. It may run again, as the transaction.
	Notable func(store.Tx, *Event) error
}

// Defaults and limits.
const (
	defaultRetention  = 90 * 24 * time.Hour
	defaultLinger     = 50 * time.Millisecond
	defaultQueueBytes = 16 << 20
	minKeyBytes       = 16

	// company is how long a crowd of waiters waits for its stragglers at most, and glances
	// how many times it looks meanwhile whether all are there.
	company = 2 * time.Millisecond
	glances = 8

	// batchBytes bounds one write, so that the commits of changes that queue up
	// behind it are not held up for long.
	batchBytes = 1 << 20
	// firstPause and longestPause are how long the trail waits between attempts to
	// write. AppendNow fails with an attempt, so longestPause is also how long
	// callers wait for the news that the disk is still full.
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
)

// Trail is the audit trail of all accounts, kept in the logs of a store.
//
// One goroutine writes what is enqueued, in the order in which it came. A record
// that was accepted is never dropped: if the store cannot write, the trail keeps
// it and tries again until Close. Nor is it written twice: if the store cannot tell
// whether it wrote, the trail looks before it tries again.
type Trail struct {
	store   store.Store
	options Options
	scratch sync.Pool // of *[]byte, to encode into

	mu      sync.Mutex
	queue   []item        // accepted; the writer takes from the front
	doubt   doubt         // what the front of the queue may be in the store already
	inHand  bool          // the writer has taken items that are not durable yet
	events  int           // accepted and not durable yet
	bytes   int           // their size
	room    chan struct{} // closed, and made anew, when bytes shrinks
	closed  bool
	failure error // of the last attempt to write
	total   Stats // what only grows

	wake    chan struct{} // something was queued, or Close was called
	hurry   chan struct{} // do not linger
	stop    context.CancelFunc
	stopped chan struct{} // the writer has ended
}

// item is a place in the queue: an event with its copies or, without entries, the
// mark of a Sync.
type item struct {
	entries []store.LogEntry
	bytes   int
	// told is how the item came out, for those who wait; nil for Enqueue.
	told chan error
}

// doubt is a batch of which the store could not tell whether it is durable: the
// first items of the queue, as many as are left of it, and its first entry, by
// which it is found, since a batch is there as a whole or not at all.
type doubt struct {
	items int
	first store.LogEntry
}

// Stats are figures about the queue, for metrics.
type Stats struct {
	Queued      int    // records accepted by Enqueue or AppendNow and not durable yet
	QueuedBytes int    // their size
	Appended    uint64 // records that became durable through the queue since the start
	Failures    uint64 // attempts to write that failed since the start
	Failing     bool   // the last attempt failed, and records wait for the next one
}

// NewTrail starts a trail in s. Close it before s.
func NewTrail(s store.Store, o Options) (*Trail, error) {
	if len(o.Key) < minKeyBytes {
		return nil, fmt.Errorf("audit: the key for page tokens has %d bytes, at least %d are needed", len(o.Key), minKeyBytes)
	}
	if o.Retention == 0 {
		o.Retention = defaultRetention
	}
	if o.Linger == 0 {
		o.Linger = defaultLinger
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = defaultQueueBytes
	}
	if o.Retention < 0 || o.Linger < 0 || o.QueueBytes < 0 {
		return nil, errors.New("audit: negative option")
	}
	ctx, stop := context.WithCancel(context.Background())
	t := &Trail{
		store:   s,
		options: o,
		scratch: sync.Pool{New: func() any { return new([]byte) }},
		room:    make(chan struct{}),
		wake:    make(chan struct{}, 1),
		hurry:   make(chan struct{}, 1),
		stop:    stop,
		stopped: make(chan struct{}),
	}
	go t.write(ctx)
	return t, nil
}

// AppendTo adds the event to a transaction: its record becomes durable with the
// change that it describes, or not at all. tx may run again; AppendTo has no effect
// outside it.
func (t *Trail) AppendTo(tx store.Tx, e *Event) error {
	entries, err := t.entries(e)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		tx.Append(entry.Stream, entry.At, entry.Data, entry.Marks...)
	}
	if t.options.Notable != nil {
		return t.options.Notable(tx, e)
	}
	return nil
}

// Enqueue accepts the event, to be written within a moment. When the queue is full
// it waits for room. If it fails, because ctx ended or the trail is closed, the
// event is not recorded and its request must not be answered with anything of value.
func (t *Trail) Enqueue(ctx context.Context, e *Event) error {
	return t.accept(ctx, e, nil)
}

// ErrNoRoom: the queue is too full for an event that was offered.
var ErrNoRoom = errors.New("audit: the queue has no room for this event")

// Offer is Enqueue for the events of strangers. It does not wait, and leaves half of
// the queue to the others: beyond that it fails with ErrNoRoom.
func (t *Trail) Offer(e *Event) error {
	it, err := t.item(e, nil)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed && t.bytes+it.bytes > t.options.QueueBytes/2 {
		return ErrNoRoom
	}
	return t.push(it)
}

// AppendNow returns when the event is durable. If it fails the event is not in the
// trail, nor will be: the caller may record the failure under the same id. Only
// after store.ErrInDoubt it may be there: the failure is another event then.
func (t *Trail) AppendNow(ctx context.Context, e *Event) error {
	told := make(chan error, 1)
	if err := t.accept(ctx, e, told); err != nil {
		return err
	}
	return t.await(ctx, told)
}

// Sync returns when all that was accepted before is durable, and so visible to
// Lookup, or when an attempt to write it has failed.
func (t *Trail) Sync(ctx context.Context) error {
	t.mu.Lock()
	if len(t.queue) == 0 && !t.inHand {
		t.mu.Unlock()
		return nil
	}
	if t.closed {
		t.mu.Unlock()
		return store.ErrClosed
	}
	mark := item{told: make(chan error, 1)}
	t.queue = append(t.queue, mark)
	t.mu.Unlock()
	signal(t.wake)
	signal(t.hurry)
	return t.await(ctx, mark.told)
}

// Close writes what is left and ends the trail. If ctx ends first, what could not be
// written is lost, and the error says how much.
func (t *Trail) Close(ctx context.Context) error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	signal(t.wake)
	signal(t.hurry)
	select {
	case <-t.stopped:
	case <-ctx.Done():
		t.stop()
		<-t.stopped
	}
	t.stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.events > 0 {
		return fmt.Errorf("audit: %d records could not be written: %w", t.events, cmp.Or(t.failure, context.Canceled))
	}
	return nil
}

// Stats returns the trail's figures.
func (t *Trail) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.total
	s.Queued, s.QueuedBytes = t.events, t.bytes
	s.Failing = t.failure != nil && t.events > 0
	return s
}

// Trim deletes the records that are older than the retention at now. The server calls
// it from time to time; Lookup does not show them in any case.
func (t *Trail) Trim(ctx context.Context, now time.Time) error {
	return t.store.TrimLog(ctx, streams, now.Add(-t.options.Retention))
}

// item is the event as it waits in the queue.
func (t *Trail) item(e *Event, told chan error) (item, error) {
	entries, err := t.entries(e)
	it := item{entries: entries, told: told}
	for _, entry := range entries {
		it.bytes += len(entry.Data)
	}
	return it, err
}

// accept puts the event into the queue once there is room.
func (t *Trail) accept(ctx context.Context, e *Event, told chan error) error {
	it, err := t.item(e, told)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	// An event that is larger than the whole queue is let in alone.
	for !t.closed && t.bytes > 0 && t.bytes+it.bytes > t.options.QueueBytes {
		room := t.room
		t.mu.Unlock()
		signal(t.hurry)
		select {
		case <-room:
			t.mu.Lock()
		case <-ctx.Done():
			t.mu.Lock()
			return fmt.Errorf("audit: the queue is full: %w", context.Cause(ctx))
		}
	}
	return t.push(it)
}

// push appends to the queue. mu is held.
func (t *Trail) push(it item) error {
	if t.closed {
		return store.ErrClosed
	}
	t.queue = append(t.queue, it)
	t.events += len(it.entries)
	t.bytes += it.bytes
	signal(t.wake)
	if it.told != nil || t.bytes >= batchBytes {
		signal(t.hurry)
	}
	return nil
}

// waiting is how many of the items someone waits for.
func waiting(batch []item) int {
	n := 0
	for i := range batch {
		if batch[i].told != nil {
			n++
		}
	}
	return n
}

// await returns how the item with told came out. If ctx ends while the item is in the
// queue, it is taken back. Once the writer has it the outcome is near, and awaited:
// an answer given without knowing it could contradict the trail.
func (t *Trail) await(ctx context.Context, told chan error) error {
	select {
	case err := <-told:
		return err
	case <-ctx.Done():
	}
	t.mu.Lock()
	i := slices.IndexFunc(t.queue, func(it item) bool { return it.told == told })
	if i >= 0 {
		t.forget(t.queue[i])
		t.queue = slices.Delete(t.queue, i, i+1)
		t.makeRoom()
	}
	t.mu.Unlock()
	if i >= 0 {
		return fmt.Errorf("audit: waiting for the trail: %w", context.Cause(ctx))
	}
	return <-told
}

// write is the writer: it takes from the queue until the trail is closed and empty, or
// ctx ends.
func (t *Trail) write(ctx context.Context) {
	defer close(t.stopped)
	defer t.abandon()
	pause, linger, crowd := firstPause, true, 0
	for t.ready(ctx, linger, crowd) {
		batch, doubt, more := t.take()
		// A crowd that came in two parts is still one.
		linger, crowd = !more, max(waiting(batch), crowd*7/8)
		err := t.commit(ctx, batch, doubt)
		if err == nil {
			pause = firstPause
			continue
		}
		if t.options.Failed != nil {
			t.options.Failed(err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause, linger = min(2*pause, longestPause), false
	}
}

// ready waits until there is something to write and, with linger, for a moment more: crowd
// is how many waited together lately.
func (t *Trail) ready(ctx context.Context, linger bool, crowd int) bool {
	for {
		t.mu.Lock()
		empty, closed := len(t.queue) == 0, t.closed
		t.mu.Unlock()
		if ctx.Err() != nil || empty && closed {
			return false
		}
		if !empty {
			linger = linger && !closed
			break
		}
		select {
		case <-t.wake:
		case <-ctx.Done():
		}
	}
	if linger {
		select {
		case <-t.hurry:
			// Those who wait came together a moment ago, and will again: for a moment
			// more, they share one commit instead of many.
			for n := 0; crowd > 1 && n < glances && t.waiters() < crowd; n++ {
				time.Sleep(company / glances)
			}
		case <-time.After(t.options.Linger):
		case <-ctx.Done():
		}
	}
	return true
}

// waiters counts those who wait for what is queued.
func (t *Trail) waiters() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return waiting(t.queue)
}

// take takes the next batch from the front of the queue; one in doubt goes by itself.
// more tells that it left some.
func (t *Trail) take() (batch []item, d doubt, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d, t.doubt = t.doubt, doubt{}
	n, size := d.items, 0
	for d.items == 0 && n < len(t.queue) && (n == 0 || size+t.queue[n].bytes <= batchBytes) {
		size += t.queue[n].bytes
		n++
	}
	batch, t.queue = t.queue[:n:n], t.queue[n:]
	if len(t.queue) == 0 {
		t.queue = nil // batch has the array
	}
	t.inHand = true
	return batch, d, len(t.queue) > 0
}

// commit makes a batch durable, unless it is in doubt and turns out to be. If that
// fails, everyone who waits is told so and their items are withdrawn; the others go
// back to the front of the queue.
func (t *Trail) commit(ctx context.Context, batch []item, d doubt) error {
	var entries []store.LogEntry
	for _, it := range batch {
		entries = append(entries, it.entries...)
	}
	var err error
	switch {
	case d.items > 0:
		err = t.appendMissing(ctx, d.first, entries)
	case len(entries) > 0:
		err = t.store.Append(ctx, entries)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.makeRoom()
	t.inHand = false
	t.failure = err
	if err == nil {
		t.total.Appended += uint64(len(entries))
		for _, it := range batch {
			t.forget(it)
			if it.told != nil {
				it.told <- nil
			}
		}
		return nil
	}
	t.total.Failures++
	// Whoever came meanwhile is told as well, and need not wait for a further attempt.
	// Of theirs nothing was written.
	behind := err
	inDoubt := errors.Is(err, store.ErrInDoubt)
	if inDoubt {
		d.first = entries[0]
		behind = fmt.Errorf("%w: the records before this one are in doubt: %s", store.ErrUnavailable, err)
	}
	back := t.withdraw(batch, err)
	if inDoubt || d.items > 0 {
		d.items = len(back)
		t.doubt = d
	}
	t.queue = append(back, t.withdraw(t.queue, behind)...)
	return err
}

// appendMissing appends the entries of a batch that was in doubt, if it is not there.
// The store settles the doubt before the closure looks, or does not let it.
func (t *Trail) appendMissing(ctx context.Context, first store.LogEntry, entries []store.LogEntry) error {
	return t.store.Update(ctx, func(tx store.Tx) error {
		found := false
		err := tx.ScanLog(first.Stream, store.LogQuery{From: first.At, To: first.At}, func(e store.LogEntry) bool {
			found = bytes.Equal(e.Data, first.Data) // the event's id is in them
			return !found
		})
		if err != nil || found {
			return err
		}
		for _, e := range entries {
			tx.Append(e.Stream, e.At, e.Data, e.Marks...)
		}
		return nil
	})
}

// withdraw tells those who wait that their items failed, and returns the other items.
func (t *Trail) withdraw(items []item, err error) (kept []item) {
	for _, it := range items {
		if it.told == nil {
			kept = append(kept, it)
			continue
		}
		t.forget(it)
		it.told <- err
	}
	return kept
}

// forget stops counting an item that is durable or withdrawn.
func (t *Trail) forget(it item) {
	t.events -= len(it.entries)
	t.bytes -= it.bytes
}

// makeRoom wakes those who wait for room, to look again.
func (t *Trail) makeRoom() {
	close(t.room)
	t.room = make(chan struct{})
}

// abandon tells those who still wait that the trail is closed.
func (t *Trail) abandon() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.queue = slices.DeleteFunc(t.queue, func(it item) bool {
		if it.told == nil {
			return false
		}
		t.forget(it)
		it.told <- store.ErrClosed
		return true
	})
	t.makeRoom()
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
