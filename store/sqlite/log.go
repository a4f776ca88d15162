package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
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
	// scanChapters is how many chapters it reads at a time.
	scanChapters = 32
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
	// Of blocks that were just packed, the number of entries and their marks, most of them
	// once. unmarked: some entry has none.
	n        int
	marks    []store.Mark
	unmarked bool
}

func (b *block) point() point { return point{b.first, b.id} }

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
	var marks []store.Mark
	var recent [64]uint64 // marks of b, plus 1
	memory, start := p.memory[:0], 0
	for _, entry := range sorted {
		at := engine.Nanos(entry.At)
		if b == nil || b.stream != entry.Stream || uint64(at)-uint64(b.first) >= uint64(blockSpan) || len(b.entries)+len(entry.Data) > blockBytes {
			if b != nil {
				b.marks = slices.Clone(marks)
			}
			done = append(done, block{stream: entry.Stream, first: at})
			b, start = &done[len(done)-1], len(memory)
			marks, recent = marks[:0], [64]uint64{}
		}
		b.n++
		b.unmarked = b.unmarked || len(entry.Marks) == 0
		for _, m := range entry.Marks {
			if last := &recent[m%64]; *last != uint64(m)+1 {
				*last = uint64(m) + 1
				marks = append(marks, m)
			}
		}
		memory = binary.AppendUvarint(memory, uint64(at)-uint64(b.first))
		memory = binary.AppendUvarint(memory, uint64(len(entry.Data)))
		memory = append(memory, entry.Data...)
		b.last, b.entries = at, memory[start:]
	}
	if b != nil {
		b.marks = marks
	}
	p.memory = memory
	return done
}

// unpack returns the entries of a block, without cursors.
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

// The two directions of a scan, of blocks between two, both inclusive, and of the chapters
// from the one on that a place lies in.
const (
	blocksOldest   = `SELECT id, first, last, entries, checksum FROM log WHERE stream = ? AND (first, id) >= (?, ?) AND (first, id) <= (?, ?) ORDER BY first, id LIMIT ?`
	blocksNewest   = `SELECT id, first, last, entries, checksum FROM log WHERE stream = ? AND (first, id) >= (?, ?) AND (first, id) <= (?, ?) ORDER BY first DESC, id DESC LIMIT ?`
	chaptersOldest = `SELECT id, after_first, after_id, last_first, last_id, filter FROM chapter WHERE stream = ? AND (last_first, last_id) >= (?, ?) ORDER BY last_first, last_id LIMIT ?`
	chaptersNewest = `SELECT id, after_first, after_id, last_first, last_id, filter FROM chapter WHERE stream = ? AND (after_first, after_id) < (?, ?) ORDER BY after_first DESC, after_id DESC LIMIT ?`
	chapterBlocks  = `SELECT blocks FROM chapter WHERE id = ? AND stream = ? AND (after_first, after_id, last_first, last_id) = (?, ?, ?, ?)`
)

// scan is a scan that is under way.
type scan struct {
	*disk
	ctx    context.Context
	stream string
	query  store.LogQuery
	after  place // where it begins, if query.After says so
	open   stretch
	isOpen bool // there is an open one
	fn     func(store.LogEntry) bool
}

// errStop: the caller of a scan has enough.
var errStop = errors.New("stop")

// ScanLog implements engine.Backend.
func (d *disk) ScanLog(ctx context.Context, stream string, q store.LogQuery, fn func(store.LogEntry) bool) error {
	s := &scan{disk: d, ctx: ctx, stream: stream, query: q, fn: fn}
	from, to := lowest, highest
	if !q.From.IsZero() {
		from.first = engine.Nanos(q.From.Add(-blockSpan)) // a block that begins earlier may reach into the range
	}
	if !q.To.IsZero() {
		to.first = engine.Nanos(q.To)
	}
	if q.After != "" {
		var err error
		if s.after, err = parseCursor(q.After); err != nil {
			return err
		}
		if at := (point{s.after.first, s.after.id}); q.NewestFirst {
			to = earlier(to, at)
		} else {
			from = later(from, at)
		}
	}
	var err error
	switch {
	case len(q.Marks) == 0 || !d.indexed.Load():
		err = s.blocks(from, to)
	case q.NewestFirst:
		err = s.newest(from, to)
	default:
		err = s.oldest(from, to)
	}
	if err != nil && err != errStop {
		return fmt.Errorf("read log %q: %w", stream, err)
	}
	return nil
}

// newest visits what may have the marks, from the newest to the oldest block of a range.
func (s *scan) newest(from, to point) error {
	// The open chapter is looked at first: what it loses meanwhile is in chapters by then.
	s.open, s.isOpen = s.opens.look(s.stream, s.query.Marks)
	if s.isOpen && s.open.newest && s.open.after.compare(to) < 0 {
		if err := s.gap(later(from, s.open.after.next()), to); err != nil {
			return err
		}
		to = s.open.after
		if err := s.passed(to); err != nil {
			return err
		}
	}
	for from.compare(to) <= 0 {
		chapters, more, err := s.chapters(chaptersNewest, to)
		if err != nil {
			return err
		}
		for _, c := range chapters {
			if c.last.compare(to) < 0 {
				if err := s.gap(later(from, c.last.next()), to); err != nil {
					return err
				}
			}
			if err := s.chapter(c, from, to); err != nil {
				return err
			}
			to = c.after
			if err := s.passed(to); err != nil {
				return err
			}
		}
		if !more {
			return s.gap(from, to)
		}
	}
	return nil
}

// oldest is newest in the other direction.
func (s *scan) oldest(from, to point) error {
	s.open, s.isOpen = s.opens.look(s.stream, s.query.Marks)
	for from.compare(to) <= 0 {
		chapters, more, err := s.chapters(chaptersOldest, from)
		if err != nil {
			return err
		}
		for _, c := range chapters {
			if c.after.compare(from) >= 0 {
				if err := s.gap(from, earlier(to, c.after)); err != nil {
					return err
				}
			}
			if err := s.chapter(c, from, to); err != nil {
				return err
			}
			from = later(from, c.last.next())
			if err := s.passed(c.last); err != nil {
				return err
			}
		}
		if !more {
			return s.gap(from, to)
		}
	}
	return nil
}

// passed says that a scan has come to a block: newest first it is the next one to visit, else
// the last that was. The cursor has the number of an entry behind all that a block has, which
// says so in both directions.
func (s *scan) passed(p point) error {
	if s.query.Passed != nil && !s.query.Passed(place{p.first, p.id, math.MaxUint32}.cursor()) {
		return errStop
	}
	return nil
}

// gap visits what may have the marks in a range that lies in no chapter, but for the open one.
func (s *scan) gap(from, to point) error {
	low, high := later(from, s.open.after.next()), earlier(to, s.open.last)
	if !s.isOpen || low.compare(high) > 0 {
		return s.blocks(from, to)
	}
	below := func() error { return s.blocks(from, earlier(to, s.open.after)) }
	above := func() error { return s.blocks(later(from, s.open.last.next()), to) }
	if s.query.NewestFirst {
		below, above = above, below
	}
	if err := below(); err != nil {
		return err
	}
	if err := s.some(s.open.found, low, high); err != nil {
		return err
	}
	return above()
}

// chapters reads the next chapters. One that is damaged is as none: it only says what can be
// left out.
func (s *scan) chapters(query string, at point) (found []*chapter, more bool, err error) {
	if err := s.ctx.Err(); err != nil {
		return nil, false, err
	}
	rows, err := s.readers.QueryContext(always, query, s.stream, at.first, at.id, scanChapters)
	if err != nil {
		return nil, false, s.readError(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		c := &chapter{stream: s.stream}
		var column sql.RawBytes
		if err := rows.Scan(&c.id, &c.after.first, &c.after.id, &c.last.first, &c.last.id, &column); err != nil {
			return nil, false, translate(err)
		}
		words, ok := c.open(column)
		if !ok || len(words) == 0 || len(words)%8 != 0 {
			continue
		}
		c.mayHave = filter(words).mayHave(s.query.Marks)
		found = append(found, c)
	}
	// Without a good one there is no place to go on from.
	return found, n == scanChapters && len(found) > 0, translate(rows.Err())
}

// chapter visits the blocks of a chapter, in a range, that may have the marks.
func (s *scan) chapter(c *chapter, from, to point) error {
	from, to = later(from, c.after.next()), earlier(to, c.last)
	if !c.mayHave || from.compare(to) > 0 {
		return nil
	}
	if err := s.ctx.Err(); err != nil {
		return err
	}
	var column []byte
	err := s.readers.QueryRowContext(always, chapterBlocks, c.id, s.stream, c.after.first, c.after.id, c.last.first, c.last.id).Scan(&column)
	if errors.Is(err, sql.ErrNoRows) { // it was deleted a moment ago
		return s.blocks(from, to)
	}
	if err != nil {
		return s.readError(err)
	}
	list, ok := c.open(column)
	found, n, err := candidates(list, s.query.Marks)
	if !ok || err != nil || 2*len(found) > n { // damaged, or quicker together
		return s.blocks(from, to)
	}
	return s.some(found, from, to)
}

// some visits the blocks of a list, which is in order, in a range.
func (s *scan) some(list []point, from, to point) error {
	for i := range list {
		p := list[i]
		if s.query.NewestFirst {
			p = list[len(list)-1-i]
		}
		if p.compare(from) < 0 || p.compare(to) > 0 {
			continue
		}
		if err := s.blocks(p, p); err != nil { // none, if it was trimmed
			return err
		}
	}
	return nil
}

// blocks visits all blocks of a range.
func (s *scan) blocks(from, to point) error {
	query := blocksOldest
	if s.query.NewestFirst {
		query = blocksNewest
	}
	for from.compare(to) <= 0 {
		found, err := s.read(query, from, to)
		if err != nil {
			return err
		}
		for _, b := range found {
			if err := s.visit(b); err != nil {
				return err
			}
		}
		if len(found) < scanBlocks {
			return nil
		}
		if last := found[len(found)-1].point(); s.query.NewestFirst {
			to = last.before()
		} else {
			from = last.next()
		}
	}
	return nil
}

// visit hands out the entries of a block.
func (s *scan) visit(b *block) error {
	entries, err := b.unpack()
	if err != nil {
		return err
	}
	begins := s.query.After != "" && b.first == s.after.first && b.id == s.after.id
	for i := range entries {
		n := i
		if s.query.NewestFirst {
			n = len(entries) - 1 - i
		}
		if begins && (n == int(s.after.n) || n < int(s.after.n) != s.query.NewestFirst) {
			continue // it was seen before
		}
		if !s.query.Matches(entries[n].At) {
			continue
		}
		entries[n].Cursor = place{b.first, b.id, uint32(n)}.cursor()
		if !s.fn(entries[n]) {
			return errStop
		}
	}
	return nil
}

// read reads the next blocks of a range, and verifies them.
func (s *scan) read(query string, from, to point) ([]*block, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	rows, err := s.readers.QueryContext(always, query, s.stream, from.first, from.id, to.first, to.id, scanBlocks)
	if err != nil {
		return nil, s.readError(err)
	}
	defer rows.Close()
	var found []*block
	for rows.Next() {
		b := &block{stream: s.stream}
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

func (d *disk) readError(err error) error {
	if d.closed.Load() {
		return store.ErrClosed
	}
	return translate(err)
}

// TrimLog implements engine.Backend.
func (d *disk) TrimLog(prefix string, before time.Time) (more bool, err error) {
	limit := engine.Nanos(before.Add(-blockSpan)) // a block that begins later may hold entries to keep
	err = d.transact(func() error {
		streams, err := d.streams(prefix)
		if err != nil {
			return err
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
			if d.version < 3 {
				continue
			}
			if _, err := d.conn.ExecContext(always, `DELETE FROM chapter WHERE id IN (SELECT id FROM chapter WHERE stream = ? AND last_first <= ? ORDER BY last_first LIMIT ?)`, stream, limit, trimBlocks); err != nil {
				return err
			}
		}
		more = left == 0
		return nil
	})
	return more, err
}

// streams lists the streams with a prefix by hops through the index, not past every block.
func (d *disk) streams(prefix string) (names []string, err error) {
	for from, hop := prefix, ">="; ; hop = ">" {
		var next sql.NullString
		if err := d.conn.QueryRowContext(always, `SELECT min(stream) FROM log WHERE stream `+hop+` ?`, from).Scan(&next); err != nil {
			return nil, err
		}
		if !next.Valid || !strings.HasPrefix(next.String, prefix) {
			return names, nil
		}
		from = next.String
		names = append(names, from)
	}
}
