package sqlite

import (
	"cmp"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/internal/engine"
)

const (
	// blockSpan bounds the time between a block's first and last entry, and with it the error
	// in the order of a scan.
	blockSpan = time.Second
	// blockBytes bounds a block, beyond its first entry: SQLite reads it as a whole.
	blockBytes = 256 << 10
	// scanBlocks is how many blocks a scan reads at a time. It processes them without a read
	// transaction, which would keep the WAL from being reset.
	scanBlocks = 16
	// trimBlocks is how many blocks one transaction deletes.
	trimBlocks = 512
	// plainBytes bounds a block that is read, compressed or not: it is longer than any written.
	plainBytes = blockBytes + store.MaxEntryBytes
)

// The first byte of a block's entries tells whether they are compressed. It is 0 where they
// are not, as in all of format 1: the first entry is 0 nanoseconds after itself.
const compressed = 1

// block is a row of the table log: entries of one stream, in the order of time.
type block struct {
	id          int64
	stream      string
	first, last int64  // nanoseconds since 1970
	entries     []byte // as packer and unpack have them
}

func (b *block) checksum() uint64 {
	head := make([]byte, 16, 16+len(b.stream))
	binary.BigEndian.PutUint64(head, uint64(b.first))
	binary.BigEndian.PutUint64(head[8:], uint64(b.last))
	head = append(head, b.stream...)
	return store.Checksum(b.entries) ^ store.Checksum(head)*0x9E3779B97F4A7C15
}

// packer packs entries into blocks. Blocks are good until the next use of their packer,
// which writes them into the same memory.
type packer struct{ memory, squeezed []byte }

// packerBytes is how much a packer keeps of either memory.
const packerBytes = 2 << 20

func (p *packer) blocks(entries []store.LogEntry) []block {
	done := p.plain(entries)
	if cap(p.squeezed) > packerBytes {
		p.squeezed = nil
	}
	p.squeezed = p.squeezed[:0]
	for i := range done {
		p.squeeze(&done[i])
	}
	return done
}

// squeeze compresses a block, if that makes it shorter. The records of a trail are much
// alike: thirty need an eighth of the space, and with it of the work of writing pages to
// the WAL and from there to the database, which is far more than that of compressing.
func (p *packer) squeeze(b *block) {
	start := len(p.squeezed)
	p.squeezed = append(slices.Grow(p.squeezed, 1+s2.MaxEncodedLen(len(b.entries))), compressed)
	room := p.squeezed[start+1 : cap(p.squeezed)]
	n := len(s2.Encode(room, b.entries))
	if 1+n >= len(b.entries) {
		p.squeezed = p.squeezed[:start]
		return
	}
	p.squeezed = p.squeezed[:start+1+n]
	b.entries = p.squeezed[start:]
}

// plain packs entries without compression. Per entry: nanoseconds after the block's first,
// length (both uvarint), data.
func (p *packer) plain(entries []store.LogEntry) []block {
	if cap(p.memory) > packerBytes {
		p.memory = nil
	}
	// Stable: entries of the same time stay in the order in which they were appended.
	sorted := slices.Clone(entries)
	slices.SortStableFunc(sorted, func(a, b store.LogEntry) int {
		return cmp.Or(cmp.Compare(a.Stream, b.Stream), a.At.Compare(b.At))
	})
	var done []block
	var b *block // the last of done
	memory, start := p.memory[:0], 0
	for _, entry := range sorted {
		at := engine.Nanos(entry.At)
		if b == nil || b.stream != entry.Stream || uint64(at)-uint64(b.first) >= uint64(blockSpan) || len(b.entries)+len(entry.Data) > blockBytes {
			done = append(done, block{stream: entry.Stream, first: at})
			b, start = &done[len(done)-1], len(memory)
		}
		memory = binary.AppendUvarint(memory, uint64(at)-uint64(b.first))
		memory = binary.AppendUvarint(memory, uint64(len(entry.Data)))
		memory = append(memory, entry.Data...)
		b.last, b.entries = at, memory[start:]
	}
	p.memory = memory
	return done
}

// unpack returns the entries of a block, with their cursors.
func (b *block) unpack() ([]store.LogEntry, error) {
	rest := b.entries
	if len(rest) > 0 && rest[0] == compressed {
		rest = rest[1:]
		if n, err := s2.DecodedLen(rest); err != nil || n > plainBytes {
			return nil, store.ErrCorrupt
		}
		var err error
		if rest, err = s2.Decode(nil, rest); err != nil {
			return nil, store.ErrCorrupt
		}
	}
	var entries []store.LogEntry
	for len(rest) > 0 {
		after, n := binary.Uvarint(rest)
		if n <= 0 {
			return nil, store.ErrCorrupt
		}
		size, m := binary.Uvarint(rest[n:])
		if m <= 0 || size > uint64(len(rest)-n-m) {
			return nil, store.ErrCorrupt
		}
		rest = rest[n+m:]
		entries = append(entries, store.LogEntry{
			Stream: b.stream,
			At:     time.Unix(0, int64(uint64(b.first)+after)).UTC(),
			Data:   rest[:size:size],
			Cursor: place{b.first, b.id, uint32(len(entries))}.cursor(),
		})
		rest = rest[size:]
	}
	return entries, nil
}

// place is where an entry lies: its block, by the order of the index, and its number there.
type place struct {
	first int64
	id    int64
	n     uint32
}

const placeBytes = 20

func (p place) cursor() store.Cursor {
	var b [placeBytes]byte
	binary.BigEndian.PutUint64(b[0:], uint64(p.first))
	binary.BigEndian.PutUint64(b[8:], uint64(p.id))
	binary.BigEndian.PutUint32(b[16:], p.n)
	return store.Cursor(base64.RawURLEncoding.EncodeToString(b[:]))
}

func parseCursor(c store.Cursor) (place, error) {
	b, err := base64.RawURLEncoding.DecodeString(string(c))
	if err != nil || len(b) != placeBytes {
		return place{}, store.ErrCursor
	}
	return place{
		first: int64(binary.BigEndian.Uint64(b[0:])),
		id:    int64(binary.BigEndian.Uint64(b[8:])),
		n:     binary.BigEndian.Uint32(b[16:]),
	}, nil
}

// The two directions of a scan. Both begin in the block of the cursor, of which entries
// may be left.
const (
	scanOldest = `SELECT id, first, last, entries, checksum FROM log WHERE stream = ? AND (first, id) >= (?, ?) AND first >= ? AND first <= ? ORDER BY first, id LIMIT ?`
	scanNewest = `SELECT id, first, last, entries, checksum FROM log WHERE stream = ? AND (first, id) <= (?, ?) AND first >= ? AND first <= ? ORDER BY first DESC, id DESC LIMIT ?`
)

// ScanLog implements engine.Backend.
func (d *disk) ScanLog(stream string, q store.LogQuery, fn func(store.LogEntry) bool) error {
	query, at := scanOldest, place{first: math.MinInt64, id: math.MinInt64}
	if q.NewestFirst {
		query, at = scanNewest, place{first: math.MaxInt64, id: math.MaxInt64}
	}
	// skip tells which entries of the first block were seen before.
	skip := func(int) bool { return false }
	if q.After != "" {
		p, err := parseCursor(q.After)
		if err != nil {
			return err
		}
		at = p
		skip = func(n int) bool {
			if q.NewestFirst {
				return n >= int(p.n)
			}
			return n <= int(p.n)
		}
	}
	begin := at
	for {
		found, err := d.readBlocks(query, stream, at, q)
		if err != nil {
			return fmt.Errorf("read log %q: %w", stream, err)
		}
		for _, b := range found {
			entries, err := b.unpack()
			if err != nil {
				return fmt.Errorf("read log %q: %w", stream, err)
			}
			if b.first != begin.first || b.id != begin.id {
				skip = func(int) bool { return false }
			}
			for i := range entries {
				n := i
				if q.NewestFirst {
					n = len(entries) - 1 - i
				}
				if skip(n) || !q.Matches(entries[n].At) {
					continue
				}
				if !fn(entries[n]) {
					return nil
				}
			}
			// The next read begins behind this block.
			at = place{first: b.first, id: b.id + 1}
			if q.NewestFirst {
				at.id = b.id - 1
			}
		}
		if len(found) < scanBlocks {
			return nil
		}
	}
}

// readBlocks reads the next blocks from at, and verifies them.
func (d *disk) readBlocks(query, stream string, at place, q store.LogQuery) ([]*block, error) {
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if !q.From.IsZero() {
		from = engine.Nanos(q.From.Add(-blockSpan)) // a block that begins earlier may reach into the range
	}
	if !q.To.IsZero() {
		to = engine.Nanos(q.To)
	}
	rows, err := d.readers.QueryContext(always, query, stream, at.first, at.id, from, to, scanBlocks)
	if err != nil {
		if d.closed.Load() {
			return nil, store.ErrClosed
		}
		return nil, translate(err)
	}
	defer rows.Close()
	var found []*block
	for rows.Next() {
		b := &block{stream: stream}
		var checksum int64
		if err := rows.Scan(&b.id, &b.first, &b.last, &b.entries, &checksum); err != nil {
			return nil, translate(err)
		}
		if b.checksum() != uint64(checksum) {
			return nil, fmt.Errorf("%w: block %d has a wrong checksum", store.ErrCorrupt, b.id)
		}
		found = append(found, b)
	}
	return found, translate(rows.Err())
}

// TrimLog implements engine.Backend.
func (d *disk) TrimLog(stream string, before time.Time) (more bool, err error) {
	limit := engine.Nanos(before.Add(-blockSpan)) // a block that begins later may hold entries to keep
	err = d.transact(func() error {
		streams := []string{stream}
		if stream == "" {
			var err error
			if streams, err = d.streams(); err != nil {
				return err
			}
		}
		left := int64(trimBlocks)
		for _, stream := range streams {
			result, err := d.conn.ExecContext(always, `DELETE FROM log WHERE id IN (SELECT id FROM log WHERE stream = ? AND first <= ? ORDER BY first LIMIT ?)`, stream, limit, left)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			left -= n
		}
		more = left == 0
		return nil
	})
	return more, err
}

// streams lists the streams by hops through the index, not past every block.
func (d *disk) streams() (names []string, err error) {
	for last := ""; ; {
		var next sql.NullString
		if err := d.conn.QueryRowContext(always, `SELECT min(stream) FROM log WHERE stream > ?`, last).Scan(&next); err != nil {
			return nil, err
		}
		if !next.Valid {
			return names, nil
		}
		last = next.String
		names = append(names, last)
	}
}
