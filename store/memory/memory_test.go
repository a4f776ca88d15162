package memory_test

import (
	"errors"
	"testing"

	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

type user struct {
	Name string
	Tags map[string]string `json:",omitempty"`
}

var users = store.Table[user]{Kind: store.User}

func TestRestore(t *testing.T) {
	s := memory.New()
	defer s.Close()
	put := func(name string) {
		t.Helper()
		if err := s.Update(t.Context(), func(tx store.Tx) error {
			return users.Put(tx, &user{Name: name}, "123456789012", name)
		}); err != nil {
			t.Fatal(err)
		}
	}
	names := func() (found []string, revision uint64) {
		t.Helper()
		if err := s.View(t.Context(), func(r store.Reader) error {
			revision = r.Revision()
			return users.Scan(r, "", func(_ store.Key, u *user) bool {
				found = append(found, u.Name)
				return true
			}, "123456789012")
		}); err != nil {
			t.Fatal(err)
		}
		return found, revision
	}
	put("alice")
	snap, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	put("bob")
	for range 2 {
		put("carol")
		_, before := names()
		if err := s.Restore(snap); err != nil {
			t.Fatal(err)
		}
		found, after := names()
		if len(found) != 1 || found[0] != "alice" {
			t.Errorf("after Restore: %q, want only alice", found)
		}
		if after <= before {
			t.Errorf("revision went from %d to %d over Restore", before, after)
		}
	}
	for _, err := range s.Watch(t.Context(), 1) {
		if !errors.Is(err, store.ErrResync) {
			t.Errorf("Watch across Restore: %v, want ErrResync", err)
		}
	}
}
