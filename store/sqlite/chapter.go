package sqlite

import (
	"cmp"
	"database/sql"
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/lanyard-iam/lanyard/store"
)

// A chapter says of a stretch of a stream which marks its blocks have, so that a scan for a
// mark can leave out blocks, and most chapters, unread. The stretch begins behind one block
// and ends with another, in the order of a scan, and holds no block that the chapter does
// not know: one that comes late, into the stretch, deletes the chapter.
//
// Blocks that lie in no chapter are read by every scan: those of earlier formats, those that
// came late, and those that a process killed before it could write their chapter.
const (
	// chapterEntries is how many entries end a chapter.
	chapterEntries = 1024
	// chapterDelay is how much later than a chapter's last block the newest one is when the
	// chapter is written, for blocks are not committed quite in the order of their times.
	chapterDelay = 2e9
	// What waits in memory for its chapter to be written is bounded: of a stream, as so many
	// chapters, and of all.
	waitingChapters = 32
	openMarks       = 4 << 20
	// closeEntries are worth a chapter when the store is closed.
	closeEntries = 64
)

// point is where a block lies in its stream.
type point struct{ first, id int64 }

// These are no places of blocks.
var lowest, highest = point{math.MinInt64, math.MinInt64}, point{math.MaxInt64, math.MaxInt64}

func (p point) compare(o point) int {
	return cmp.Or(cmp.Compare(p.first, o.first), cmp.Compare(p.id, o.id))
}

// next and before are the ends of ranges that begin and end beside p. Ids of blocks are
// positive, so that neither overflows at one.
func (p point) next() point   { return point{p.first, p.id + 1} }
func (p point) before() point { return point{p.first, p.id - 1} }

func later(a, b point) point {
	if a.compare(b) < 0 {
		return b
	}
	return a
}

func earlier(a, b point) point {
	if a.compare(b) < 0 {
		return a
	}
	return b
}

// filter is a Bloom filter in which the bits of a mark lie in one word.
type filter []byte

// A mark sets five bits of a word, and there is a word for every five marks: of the marks
// that are not there, about one in a hundred seems to be.
const filterBits = 12

func filterOf(blocks ...listed) filter {
	n := 0
	for i := range blocks {
		if blocks[i].unmarked {
			return filter{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
		}
		n += len(blocks[i].marks)
	}
	f := make(filter, 8*max(1, (n*filterBits+63)/64))
	for i := range blocks {
		for _, m := range blocks[i].marks {
			at, bits := f.spot(m)
			binary.LittleEndian.PutUint64(f[at:], binary.LittleEndian.Uint64(f[at:])|bits)
		}
	}
	return f
}

// spot is where the bits of a mark are.
func (f filter) spot(m store.Mark) (at int, bits uint64) {
	h := uint64(m) * 0x9E3779B97F4A7C15
	h ^= h >> 32
	h *= 0xD6E8FEB86659FD93
	at = 8 * int(h>>32*uint64(len(f)/8)>>32)
	for range 5 {
		bits |= 1 << (h & 63)
		h >>= 6
	}
	return at, bits
}

// mayHave reports false only if the filter was made of none of the marks.
func (f filter) mayHave(marks []store.Mark) bool {
	return slices.ContainsFunc(marks, func(m store.Mark) bool {
		at, bits := f.spot(m)
		return binary.LittleEndian.Uint64(f[at:])&bits == bits
	})
}

// chapter is a row of the table of that name.
type chapter struct {
	id          int64
	stream      string
	after, last point // it begins behind after
	mayHave     bool  // one of the marks that a scan is for
}

// listed is what a chapter, or an open one, knows of a block.
type listed struct {
	point
	n        int // entries
	marks    []store.Mark
	unmarked bool // there is an entry in it that every scan visits
}

// hasAny reports whether the block has one of some marks, which are sorted.
func (b *listed) hasAny(sorted []store.Mark) bool {
	return b.unmarked || slices.ContainsFunc(b.marks, func(m store.Mark) bool {
		_, found := slices.BinarySearch(sorted, m)
		return found
	})
}

// seal adds to a column of the chapter what tells damage.
func (c *chapter) seal(column []byte) []byte {
	return binary.BigEndian.AppendUint64(column, c.checksum(column))
}

// open is seal backwards; ok is false if there is damage.
func (c *chapter) open(column []byte) (_ []byte, ok bool) {
	if n := len(column) - 8; n >= 0 && c.checksum(column[:n]) == binary.BigEndian.Uint64(column[n:]) {
		return column[:n], true
	}
	return nil, false
}

func (c *chapter) checksum(column []byte) uint64 {
	head := make([]byte, 0, 32+store.MaxStreamBytes)
	for _, n := range [...]int64{c.after.first, c.after.id, c.last.first, c.last.id} {
		head = binary.BigEndian.AppendUint64(head, uint64(n))
	}
	head = append(head, c.stream...)
	return store.Checksum(column) ^ store.Checksum(head)*0x9E3779B97F4A7C15
}

// appendBlocks writes the list of a chapter's blocks. Per block: time and id, less those of
// the one before it, the length of its filter in words, and the filter.
func appendBlocks(dst []byte, blocks []listed) []byte {
	var last point
	for _, b := range blocks {
		dst = binary.AppendVarint(dst, b.first-last.first)
		dst = binary.AppendVarint(dst, b.id-last.id)
		last = b.point
		f := filterOf(b)
		dst = append(binary.AppendUvarint(dst, uint64(len(f)/8)), f...)
	}
	return dst
}

// candidates reads a list of blocks, of which it returns those that may have one of the
// marks, and how many there are in all.
func candidates(list []byte, marks []store.Mark) (found []point, n int, err error) {
	var at point
	for ; len(list) > 0; n++ {
		first, a := binary.Varint(list)
		id, b := binary.Varint(list[max(a, 0):])
		words, c := binary.Uvarint(list[max(a, 0)+max(b, 0):])
		if a <= 0 || b <= 0 || c <= 0 {
			return nil, 0, store.ErrCorrupt
		}
		list = list[a+b+c:]
		if words == 0 || words > uint64(len(list)/8) {
			return nil, 0, store.ErrCorrupt
		}
		at = point{at.first + first, at.id + id}
		if filter(list[:8*words]).mayHave(marks) {
			found = append(found, at)
		}
		list = list[8*words:]
	}
	return found, n, nil
}

// openChapter is what is known of a stream's newest blocks, behind the last that was there
// when the store was opened or a chapter was written. Only the committer changes it.
type openChapter struct {
	after   point
	limit   point    // it ends before: behind lie blocks of a time that is to come
	blocks  []listed // in order
	entries int
	marks   int
}

// openChapters are those of all streams.
type openChapters struct {
	mu      sync.Mutex
	streams map[string]*openChapter
	marks   int
}

func (o *openChapters) reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.streams, o.marks = make(map[string]*openChapter), 0
}

// stretch is an open chapter as a scan sees it.
type stretch struct {
	after, last point
	found       []point // blocks that have one of its marks
	newest      bool    // no chapter lies behind it
}

// look returns the stretch of an open chapter; ok is false if there is none.
func (o *openChapters) look(stream string, marks []store.Mark) (s stretch, ok bool) {
	blocks, s := o.copy(stream)
	if len(blocks) == 0 {
		return s, false
	}
	// Without the lock, for which commits would wait: the marks of a block do not change.
	sorted := slices.Sorted(slices.Values(marks))
	for i := range blocks {
		if b := &blocks[i]; b.hasAny(sorted) {
			s.found = append(s.found, b.point)
		}
	}
	s.last = blocks[len(blocks)-1].point
	return s, true
}

func (o *openChapters) copy(stream string) ([]listed, stretch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.streams[stream]
	if c == nil {
		return nil, stretch{}
	}
	return slices.Clone(c.blocks), stretch{after: c.after, newest: c.limit == highest}
}

// turn is what a transaction does to an open chapter: it writes a chapter of its first
// blocks, and adds some.
type turn struct {
	stream string
	open   *openChapter
	sealed int
	after  point
	added  []listed
}

// due is how many of the blocks to write a chapter of now.
func (o *openChapters) due(c *openChapter, most int) int {
	if c.entries < most {
		return 0
	}
	if c.entries >= waitingChapters*most {
		return len(c.blocks)
	}
	entries := 0
	for n, b := range c.blocks {
		if entries >= most {
			return n
		}
		if b.first >= c.blocks[len(c.blocks)-1].first-chapterDelay {
			return 0
		}
		entries += b.n
	}
	return 0
}

// fullest are the streams with the most marks, of which chapters are to be written now that
// there are more marks than most. Some more than needed, for the next time to be later.
func (o *openChapters) fullest(most int) map[string]bool {
	if o.marks <= most {
		return nil
	}
	names := slices.SortedFunc(maps.Keys(o.streams), func(a, b string) int { return cmp.Compare(o.streams[b].marks, o.streams[a].marks) })
	full := make(map[string]bool)
	for left := o.marks; left > most-most/16; {
		left -= o.streams[names[len(full)]].marks
		full[names[len(full)]] = true
	}
	return full
}

// sealFullest makes room in memory.
func (d *disk) sealFullest() error {
	for stream := range d.opens.fullest(cmp.Or(d.openMarks, openMarks)) {
		c := d.opens.streams[stream]
		t := &turn{stream: stream, open: c, after: c.after}
		d.turns = append(d.turns, t)
		if len(c.blocks) > 0 {
			if err := d.sealChapter(t, len(c.blocks)); err != nil {
				return err
			}
		}
	}
	return nil
}

// turnOf begins a transaction's turn with a stream, to which it adds a block of a time.
func (d *disk) turnOf(stream string, first int64) (*turn, error) {
	if i := slices.IndexFunc(d.turns, func(t *turn) bool { return t.stream == stream }); i >= 0 {
		return d.turns[i], nil
	}
	c := d.opens.streams[stream] // only this goroutine writes
	if c != nil && first >= c.limit.first {
		// The time has come.
		if c.entries >= min(closeEntries, cmp.Or(d.chapterEntries, closeEntries)) {
			if err := d.sealChapter(&turn{stream: stream, open: c, after: c.after}, len(c.blocks)); err != nil {
				return nil, err
			}
		}
		c = nil
	}
	if c == nil {
		var err error
		if c, err = d.openAt(stream, first); err != nil {
			return nil, err
		}
	}
	t := &turn{stream: stream, open: c, after: c.after}
	d.turns = append(d.turns, t)
	if n := d.opens.due(c, cmp.Or(d.chapterEntries, chapterEntries)); n > 0 {
		return t, d.sealChapter(t, n)
	}
	return t, nil
}

// openAt opens a chapter for blocks of a time and later: behind the blocks and chapters that
// are there, but for those of a time that is to come. They were written when the clock was
// wrong, and what is written now is not late for their sake.
func (d *disk) openAt(stream string, first int64) (*openChapter, error) {
	// What begins a little later is of blocks that were committed out of order.
	now := point{first + min(chapterDelay, math.MaxInt64-max(first, 0)), math.MaxInt64}
	at := point{first, math.MaxInt64}
	if err := d.dropAround(stream, at); err != nil {
		return nil, err
	}
	c := &openChapter{after: lowest, limit: highest}
	for _, q := range []struct {
		query string
		from  *point
		found func(point)
	}{
		{nextChapter, &at, func(p point) { now, c.limit = earlier(now, p), p.next() }},
		{lastBlock, &now, func(p point) { c.after = p }},
		{lastChapter, &now, func(p point) { c.after = later(c.after, p) }},
		{nextBlock, &now, func(p point) { c.limit = earlier(c.limit, p) }},
	} {
		var p point
		err := d.conn.QueryRowContext(always, q.query, stream, q.from.first, q.from.id).Scan(&p.first, &p.id)
		switch {
		case err == nil:
			q.found(p)
		case !errors.Is(err, sql.ErrNoRows):
			return nil, err
		}
	}
	return c, nil
}

// dropAround deletes the chapter in whose stretch a point is.
func (d *disk) dropAround(stream string, p point) error {
	_, err := d.conn.ExecContext(always, dropChapter, stream, p.first, p.id, p.first, p.id)
	return err
}

// sealChapter writes a chapter of the first n blocks of an open one.
func (d *disk) sealChapter(t *turn, n int) error {
	blocks := t.open.blocks[:n]
	t.sealed = n
	c := &chapter{stream: t.stream, after: t.after, last: blocks[n-1].point}
	t.after = c.last
	if !slices.ContainsFunc(blocks, func(b listed) bool { return !b.unmarked }) {
		return nil // there would be nothing to leave out
	}
	_, err := d.conn.ExecContext(always, addChapter, c.stream, c.after.first, c.after.id, c.last.first, c.last.id,
		c.seal(filterOf(blocks...)), c.seal(appendBlocks(nil, blocks)))
	return err
}

// list notes a block that the transaction has written.
func (d *disk) list(t *turn, b *block) error {
	p := point{b.first, b.id}
	if p.compare(t.after) <= 0 || p.compare(t.open.limit) >= 0 {
		return d.dropAround(t.stream, p)
	}
	t.added = append(t.added, listed{p, b.n, b.marks, b.unmarked})
	return nil
}

// take makes the turns of a transaction that is durable.
func (o *openChapters) take(turns []*turn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range turns {
		c := t.open
		if before := o.streams[t.stream]; before != nil && before != c {
			o.marks -= before.marks
		}
		o.streams[t.stream] = c
		for _, b := range c.blocks[:t.sealed] {
			c.entries -= b.n
			c.marks -= len(b.marks)
			o.marks -= len(b.marks)
		}
		c.blocks = slices.Delete(c.blocks, 0, t.sealed)
		c.after = t.after
		for _, b := range t.added {
			i := len(c.blocks)
			for i > 0 && b.compare(c.blocks[i-1].point) < 0 {
				i--
			}
			if i > 0 && c.blocks[i-1].point == b.point {
				// That one was deleted, and its number given again.
				i--
				c.entries -= c.blocks[i].n
				c.marks -= len(c.blocks[i].marks)
				o.marks -= len(c.blocks[i].marks)
				c.blocks = slices.Delete(c.blocks, i, i+1)
			}
			c.blocks = slices.Insert(c.blocks, i, b)
			c.entries += b.n
			c.marks += len(b.marks)
			o.marks += len(b.marks)
		}
	}
}

// sealOpen writes chapters of what is worth one before the store is closed. It may fail: the
// blocks lie in no chapter then.
func (d *disk) sealOpen() {
	if d.conn == nil || d.version < format {
		return
	}
	var turns []*turn
	for stream, c := range d.opens.streams {
		if c.entries >= min(closeEntries, cmp.Or(d.chapterEntries, closeEntries)) {
			turns = append(turns, &turn{stream: stream, open: c, after: c.after})
		}
	}
	if len(turns) == 0 {
		return
	}
	_ = d.transact(func() error {
		for _, t := range turns {
			if err := d.sealChapter(t, len(t.open.blocks)); err != nil {
				return err
			}
		}
		return nil
	})
}
