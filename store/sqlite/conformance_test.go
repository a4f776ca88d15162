package sqlite

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/storetest"
)

func TestConformance(t *testing.T) { conform(t, options{}) }

// What holds of chapters that are hardly ever written holds of many short ones.
func TestShortChapters(t *testing.T) { conform(t, options{chapterEntries: 3}) }

func conform(t *testing.T, opts options) {
	dirs := make(map[store.Store]string)
	openIn := func(tb testing.TB, dir string) store.Store {
		tb.Helper()
		s, err := open(dir, opts)
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
