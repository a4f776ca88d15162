package memory

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/btree"

	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/internal/engine"
)

// trimChunk bounds how many entries one step of trimming deletes, while commits wait.
const trimChunk = 4096

// place orders the entries of a stream: time (8 bytes), then sequence number (8 bytes).
type place string

func makePlace(at time.Time, seq uint64) place {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], sortable(at))
	binary.BigEndian.PutUint64(b[8:], seq)
	return place(b[:])
}

// sortable maps times to integers in their order; the sign bit is flipped so that times
// before 1970 sort first.
func sortable(at time.Time) uint64 { return uint64(engine.Nanos(at)) ^ 1<<63 }

// size is what an entry counts for.
func size(e *store.LogEntry) int { return len(e.Data) + 4*len(e.Marks) }

// hasAny reports whether an entry is worth a visit. What is wanted is sorted.
func hasAny(marks, wanted []store.Mark) bool {
	if len(wanted) == 1 { // as usual
		return slices.Contains(marks, wanted[0])
	}
	return slices.ContainsFunc(marks, func(m store.Mark) bool {
		_, found := slices.BinarySearch(wanted, m)
		return found
	})
}

// stream is the entries of one stream; streams are copied before they are shared.
type stream struct {
	entries *btree.Map[place, store.LogEntry]
	bytes   int
}

type streams map[string]stream

// log is the log space in memory.
type log struct {
	limit int

	mu      sync.Mutex
	streams streams
	bytes   int
	seq     uint64
}

func newLog(limit int) *log { return &log{limit: limit, streams: make(streams)} }

func (l *log) append(entries []store.LogEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, entry := range entries {
		s, ok := l.streams[entry.Stream]
		if !ok {
			s.entries = btree.NewMap[place, store.LogEntry](0)
		}
		l.seq++
		entry.Cursor = ""
		s.entries.Set(makePlace(entry.At, l.seq), entry)
		s.bytes += size(&entry)
		l.bytes += size(&entry)
		l.streams[entry.Stream] = s
	}
	for l.bytes > l.limit {
		l.drop(l.largest())
	}
}

func (l *log) largest() (name string) {
	most := -1
	for n, s := range l.streams {
		if s.bytes > most {
			name, most = n, s.bytes
		}
	}
	return name
}

// drop deletes the oldest entry of a stream.
func (l *log) drop(name string) {
	s := l.streams[name]
	_, entry, ok := s.entries.PopMin()
	if !ok {
		delete(l.streams, name)
		return
	}
	s.bytes -= size(&entry)
	l.bytes -= size(&entry)
	l.streams[name] = s
}

// trim drops up to trimChunk entries older than before, of the streams with a prefix.
func (l *log) trim(prefix string, before time.Time) (more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := trimChunk
	for n := range l.streams {
		if !strings.HasPrefix(n, prefix) {
			continue
		}
		for ; left > 0; left-- {
			if p, _, ok := l.streams[n].entries.Min(); !ok || p >= makePlace(before, 0) {
				break
			}
			l.drop(n)
		}
	}
	return left == 0
}

func (l *log) snapshot() streams {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.streams.copy()
}

func (l *log) restore(saved streams) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams = saved.copy()
	l.bytes = 0
	for _, s := range l.streams {
		l.bytes += s.bytes
	}
}

func (ss streams) copy() streams {
	c := make(streams, len(ss))
	for name, s := range ss {
		s.entries = s.entries.Copy()
		c[name] = s
	}
	return c
}

// How often, in entries, a scan looks whether it is still wanted, and calls LogQuery.Passed.
const (
	checkEvery  = 256
	passedEvery = 4096
)

// ScanLog implements engine.Backend.
func (l *log) ScanLog(ctx context.Context, name string, q store.LogQuery, fn func(store.LogEntry) bool) error {
	after, err := parseCursor(q.After)
	if err != nil {
		return err
	}
	l.mu.Lock()
	s, ok := l.streams[name]
	if ok {
		s.entries = s.entries.Copy()
	}
	l.mu.Unlock()
	if !ok {
		return nil
	}
	wanted := slices.Sorted(slices.Values(q.Marks))
	steps, passed := 0, 0
	visit := func(p place, entry store.LogEntry) bool {
		if steps++; steps%checkEvery == 0 {
			if err = ctx.Err(); err != nil {
				return false
			}
		}
		if p == after {
			return true
		}
		if !q.Matches(entry.At) {
			return false // the scan began in the range: this is its other end
		}
		if len(wanted) > 0 && len(entry.Marks) > 0 && !hasAny(entry.Marks, wanted) {
			if passed++; passed%passedEvery == 0 && q.Passed != nil {
				return q.Passed(p.cursor())
			}
			return true
		}
		entry.Cursor, entry.Marks = p.cursor(), nil
		return fn(entry)
	}
	if q.NewestFirst {
		to := q.To
		if to.IsZero() {
			to = time.Unix(0, math.MaxInt64)
		}
		from := makePlace(to, math.MaxUint64)
		if after != "" {
			from = min(from, after)
		}
		s.entries.Descend(from, visit)
		return err
	}
	var from place
	if !q.From.IsZero() {
		from = makePlace(q.From, 0)
	}
	s.entries.Ascend(max(from, after), visit)
	return err
}

func (p place) cursor() store.Cursor {
	return store.Cursor(base64.RawURLEncoding.EncodeToString([]byte(p)))
}

func parseCursor(c store.Cursor) (place, error) {
	if c == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(string(c))
	if err != nil || len(b) != 16 {
		return "", store.ErrCursor
	}
	return place(b), nil
}
