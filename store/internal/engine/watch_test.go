package engine

import (
	"errors"
	"testing"

	"github.com/lanyard-iam/lanyard/store"
)

// What is remembered for watchers is bounded by keys as well as by transactions.
func TestChangesAreBounded(t *testing.T) {
	for _, test := range []struct{ transactions, keys int }{{3 * maxChanges, 1}, {100, maxChangedKeys / 10}, {3, 3 * maxChangedKeys}} {
		var c changes
		for i := range test.transactions {
			c.add([]store.Change{{Revision: uint64(i + 1), Keys: make([]store.Key, test.keys)}})
			held := 0
			for _, change := range c.list {
				held += len(change.Keys)
			}
			if held != c.keys || held > 2*maxChangedKeys || len(c.list) > 2*maxChanges {
				t.Fatalf("%+v: %d transactions with %d keys (%d) are held", test, len(c.list), held, c.keys)
			}
			if len(c.list) > 0 && (c.list[0].Revision != c.floor+1 || c.list[len(c.list)-1].Revision != uint64(i+1)) || len(c.list) == 0 && c.floor != uint64(i+1) {
				t.Fatalf("%+v: behind %d are %d transactions", test, c.floor, len(c.list))
			}
		}
		if _, _, err := c.after(0); !errors.Is(err, store.ErrResync) {
			t.Errorf("%+v: a watcher who missed some learns %v", test, err)
		}
	}
}
