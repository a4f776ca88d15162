package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Table gives typed access to the records of one kind, stored as the JSON of T:
//
//	var users = store.Table[user]{Kind: store.User}
//
// Values that it hands out are shared by all readers. They are READ ONLY; change a
// record with Edit. Race builds check that (see [CheckShared]).
type Table[T any] struct{ Kind Kind }

// Key returns the key of the record with these parts.
func (t Table[T]) Key(parts ...string) Key { return MakeKey(t.Kind, parts...) }

// Get returns the record, shared and read only, or [ErrNotFound].
func (t Table[T]) Get(r Reader, parts ...string) (*T, error) {
	it, ok := r.Get(MakeKey(t.Kind, parts...))
	if !ok {
		return nil, ErrNotFound
	}
	return value[T](it)
}

// Has reports whether there is such a record.
func (t Table[T]) Has(r Reader, parts ...string) bool {
	_, ok := r.Get(MakeKey(t.Kind, parts...))
	return ok
}

// Item returns the present version of the record, or nil. As long as the pointer
// stays the same, so does the record.
func (t Table[T]) Item(r Reader, parts ...string) *Item {
	it, _ := r.Get(MakeKey(t.Kind, parts...))
	return it
}

// Value decodes an item that [Table.Item] or [Reader.Scan] returned; shared, read only.
func (t Table[T]) Value(it *Item) (*T, error) {
	if it.kind != t.Kind {
		return nil, fmt.Errorf("store: a %s record in the table of %s", it.kind, t.Kind)
	}
	return value[T](it)
}

// Put stores v. The caller may go on using v: the table keeps its encoding.
func (t Table[T]) Put(tx Tx, v *T, parts ...string) error {
	it, err := NewItem(t.Kind, v)
	if err != nil {
		return err
	}
	tx.Put(MakeKey(t.Kind, parts...), it)
	return nil
}

// Edit changes the record: fn gets a deep copy, which is stored unless fn fails. A copy
// that fn left as it was is not written. Without a record it returns [ErrNotFound].
func (t Table[T]) Edit(tx Tx, fn func(*T) error, parts ...string) error {
	key := MakeKey(t.Kind, parts...)
	it, ok := tx.Get(key)
	if !ok {
		return ErrNotFound
	}
	old, err := it.Bytes()
	if err != nil {
		return err
	}
	v := new(T)
	if err := json.Unmarshal(old[headerBytes:], v); err != nil {
		return fmt.Errorf("%w: decode %s record: %v", ErrCorrupt, t.Kind, err)
	}
	if err := fn(v); err != nil {
		return err
	}
	changed, err := NewItem(t.Kind, v)
	if err != nil {
		return err
	}
	if now, _ := changed.Bytes(); !bytes.Equal(old, now) {
		tx.Put(key, changed)
	}
	return nil
}

// Delete removes the record, if there is one.
func (t Table[T]) Delete(tx Tx, parts ...string) { tx.Delete(MakeKey(t.Kind, parts...)) }

// Cursor returns what Scan takes as after to go on behind key: the parts of key that
// follow prefix. For a single part made of ordinary characters it is that part.
func (t Table[T]) Cursor(key Key, prefix ...string) string {
	return strings.TrimPrefix(string(key), string(Prefix(t.Kind, prefix...)))
}

// Scan calls fn for the records whose first parts are prefix (and that have at least one
// part more) in the order of their keys, until fn returns false. It begins behind the
// cursor after ("" means from the start), which may come from outside: whatever it
// holds, no other records than those of prefix are visited. Values are shared: read only.
func (t Table[T]) Scan(r Reader, after string, fn func(key Key, v *T) bool, prefix ...string) error {
	p := Prefix(t.Kind, prefix...)
	var from Key
	if after != "" {
		from = p + Key(after)
	}
	var err error
	r.Scan(p, from, func(key Key, it *Item) bool {
		var v *T
		if v, err = value[T](it); err != nil {
			return false
		}
		return fn(key, v)
	})
	return err
}
