//go:build race

package store

import "fmt"

// guard is the checksum of a shared value at the moment it was decoded.
type guard struct{ sum uint64 }

func guardOf(kind Kind, v any) guard {
	raw, err := encode(kind, v)
	if err != nil {
		return guard{}
	}
	return guard{Checksum(raw)}
}

// CheckShared panics if somebody changed the shared value of item. It does so only in
// race builds. For engines, which call it when they let go of an item.
func CheckShared(key Key, item *Item) {
	c := item.content.Load()
	if _, untouched := c.value.(encoded); !untouched && guardOf(item.kind, c.value) != c.guard {
		panic(fmt.Sprintf("store: a shared %s record was modified in place: %q", item.kind, key.Parts()))
	}
}
