package sqlite

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/storetest"
)

func TestConformance(t *testing.T) {
	dirs := make(map[store.Store]string)
	openIn := func(tb testing.TB, dir string) store.Store {
		tb.Helper()
		s, err := Open(dir)
		if err != nil {
			tb.Fatal(err)
		}
		dirs[s] = dir
		return s
	}
	storetest.Run(t, storetest.Engine{
		Open: func(tb testing.TB) store.Store {
			dir, err := os.MkdirTemp(t.TempDir(), "")
			if err != nil {
				tb.Fatal(err)
			}
			return openIn(tb, filepath.Join(dir, "data"))
		},
		Reopen: func(tb testing.TB, s store.Store) store.Store {
			tb.Helper()
			if err := s.Close(); err != nil {
				tb.Fatal(err)
			}
			return openIn(tb, dirs[s])
		},
	})
}
