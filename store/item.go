package store

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"sync/atomic"
)

// headerBytes precede the JSON of a stored value: kind and schema version.
const headerBytes = 2

// Item is one version of a record's value. It never changes: a record that is
// written gets another Item, so that an unchanged pointer means an unchanged record,
// and caches may hang on it.
//
// The value is decoded when it is first asked for, once, and shared from then on. The
// encoded bytes are dropped at that moment: a record is in memory in one form.
type Item struct {
	content atomic.Pointer[content]
	sum     uint64
	kind    Kind
}

// content is what an item holds now: encoded before the value is first asked for, a *T
// after. There is one for each record, so it is small.
type content struct {
	guard guard
	value any
}

// encoded is a value as it is stored.
type encoded []byte

// NewItem encodes v as a record of kind. Later changes to v do not reach the item.
func NewItem(kind Kind, v any) (*Item, error) {
	if !kind.Known() {
		return nil, fmt.Errorf("store: record of unknown kind %d", kind)
	}
	raw, err := encode(kind, v)
	if err != nil {
		return nil, err
	}
	return newItem(kind, raw, Checksum(raw)), nil
}

// OpenItem makes an item of stored bytes, which it keeps; sum is their [Checksum]. A value
// of an older version is upgraded; one of a newer version or of an unknown kind gives
// [ErrNewer]. For engines.
func OpenItem(raw []byte, sum uint64) (*Item, error) {
	current, err := upgraded(kinds[:], raw)
	if err != nil {
		return nil, err
	}
	// The checksum stays that of the bytes on disk until they are written anew.
	return newItem(Kind(raw[0]), current, sum), nil
}

func newItem(kind Kind, raw []byte, sum uint64) *Item {
	if row := rows[kind]; isRow(raw) && sum == row.sum {
		return row
	}
	return makeItem(kind, raw, sum)
}

// rows are the items of records that say all they have to say by their key. There is
// one for each kind: indexes have a great many such records.
var rows = func() (rows [len(kinds)]*Item) {
	for kind := range rows {
		raw := append([]byte{byte(kind), kinds[kind].version()}, empty...)
		rows[kind] = makeItem(Kind(kind), raw, Checksum(raw))
	}
	return rows
}()

const empty = "{}"

func isRow(raw encoded) bool { return string(raw[headerBytes:]) == empty }

func makeItem(kind Kind, raw []byte, sum uint64) *Item {
	it := &Item{kind: kind, sum: sum}
	it.content.Store(&content{value: encoded(raw)})
	return it
}

func encode(kind Kind, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("store: encode %s record: %w", kind, err)
	}
	if len(body)+headerBytes > MaxItemBytes {
		return nil, fmt.Errorf("%w: %s record of %d bytes, limit %d", ErrTooLarge, kind, len(body)+headerBytes, MaxItemBytes)
	}
	raw := make([]byte, 0, headerBytes+len(body))
	raw = append(raw, byte(kind), kinds[kind].version())
	return append(raw, body...), nil
}

// Kind returns the kind of the record.
func (it *Item) Kind() Kind { return it.kind }

// Sum returns the [Checksum] of the bytes that were stored for the item. For engines.
func (it *Item) Sum() uint64 { return it.sum }

// Bytes returns the value as it is stored: kind, version, JSON. Do not modify them. For
// engines; it encodes anew if the item was decoded meanwhile.
func (it *Item) Bytes() ([]byte, error) {
	c := it.content.Load()
	if raw, ok := c.value.(encoded); ok {
		return raw, nil
	}
	return encode(it.kind, c.value)
}

// A Sharer is a record that, once decoded, puts strings which many records have in the
// place of its own equal ones, so that they are in memory once. It must not change
// otherwise.
type Sharer interface{ ShareStrings() }

// value decodes the item as a T. The result is shared: read only.
func value[T any](it *Item) (*T, error) {
	for {
		c := it.content.Load()
		if v, ok := c.value.(*T); ok {
			return v, nil
		}
		v := new(T)
		raw, ok := c.value.(encoded)
		if !ok {
			return nil, fmt.Errorf("store: %s record is a %T, not a %T", it.kind, c.value, v)
		}
		if err := json.Unmarshal(raw[headerBytes:], v); err != nil {
			return nil, fmt.Errorf("%w: decode %s record: %v", ErrCorrupt, it.kind, err)
		}
		if isRow(raw) {
			return v, nil // the item stays as it is, for all who share it
		}
		if s, ok := any(v).(Sharer); ok {
			s.ShareStrings()
		}
		if it.content.CompareAndSwap(c, &content{value: v, guard: guardOf(it.kind, v)}) {
			return v, nil
		}
	}
}

// Checksum is what engines keep beside stored bytes to notice damage: two CRCs of
// different polynomials. It guards against accidents, not against forgery.
func Checksum(b []byte) uint64 {
	return uint64(crc32.Checksum(b, castagnoli))<<32 | uint64(crc32.ChecksumIEEE(b))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
