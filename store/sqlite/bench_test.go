package sqlite

import (
	"bytes"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/store"
)

const account = "123456789012"

type role struct {
	Name, ID, Path, Description, TrustPolicy string
	Tags                                     map[string]string
}

var roles = store.Table[role]{Kind: store.Role}

// makeRole is a role of about 1 KB.
func makeRole(i int) *role {
	return &role{
		Name:        fmt.Sprintf("role-%06d", i),
		ID:          fmt.Sprintf("AROA%016d", i),
		Path:        "/division/team/",
		Description: "a role as they are in real accounts",
		TrustPolicy: string(bytes.Repeat([]byte(`{"Effect":"Allow"}`), 40)),
		Tags:        map[string]string{"team": "identity", "stage": "production"},
	}
}

func openTemp(tb testing.TB) *Store {
	tb.Helper()
	s, err := Open(tb.TempDir() + "/data")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// fill stores n roles.
func fill(tb testing.TB, s *Store, n int) {
	tb.Helper()
	for from := 0; from < n; from += 1000 {
		if err := s.Update(tb.Context(), func(tx store.Tx) error {
			for i := from; i < min(from+1000, n); i++ {
				if err := roles.Put(tx, makeRole(i), account, fmt.Sprintf("role-%06d", i)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			tb.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := openTemp(b)
	fill(b, s, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.View(b.Context(), func(r store.Reader) error {
			_, err := roles.Get(r, account, "role-005000")
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpdate64 is what a CreateUser writes, by 64 callers: three records and an entry
// of the audit trail.
func BenchmarkUpdate64(b *testing.B) {
	s := openTemp(b)
	entry := bytes.Repeat([]byte("x"), 1200)
	var n atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(64 / runtime.GOMAXPROCS(0))
	before := commits(b, s)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			name := fmt.Sprintf("user-%d", n.Add(1))
			if err := s.Update(b.Context(), func(tx store.Tx) error {
				if err := roles.Put(tx, makeRole(1), account, name); err != nil {
					return err
				}
				tx.Append("trail/"+account, time.Unix(1767225600, n.Load()*1000), entry)
				for _, kind := range []store.Kind{store.NameIndex, store.Counts} {
					key := name
					if kind == store.Counts {
						key = "users"
					}
					it, err := store.NewItem(kind, map[string]string{"n": name})
					if err != nil {
						return err
					}
					tx.Put(store.MakeKey(kind, account, key), it)
				}
				return nil
			}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	seconds := b.Elapsed().Seconds()
	b.ReportMetric(float64(b.N)/seconds, "updates/s")
	b.ReportMetric(float64(commits(b, s)-before)/seconds, "commits/s")
}

func BenchmarkUpdate1(b *testing.B) {
	s := openTemp(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := s.Update(b.Context(), func(tx store.Tx) error {
			return roles.Put(tx, makeRole(1), account, fmt.Sprint(i))
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppend64 appends audit events of 1.2 kB, by 64 callers.
func BenchmarkAppend64(b *testing.B) {
	s := openTemp(b)
	entry := bytes.Repeat([]byte("x"), 1200)
	var n atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(64 / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			e := store.LogEntry{Stream: "trail/" + account, At: time.Unix(1767225600, n.Add(1)*1000), Data: entry}
			if err := s.Append(b.Context(), []store.LogEntry{e}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkOpen100k opens a directory of 100,000 roles of 1 KB.
func BenchmarkOpen100k(b *testing.B) {
	dir := b.TempDir() + "/data"
	s, err := Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	const n = 100_000
	fill(b, s, n)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s, err := Open(dir)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/n, "B/record")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkOpenEmpty(b *testing.B) {
	dir := b.TempDir() + "/data"
	for b.Loop() {
		s, err := Open(dir)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// commits is how many batches were written so far.
func commits(tb testing.TB, s *Store) uint64 {
	tb.Helper()
	state, err := s.Published()
	if err != nil {
		tb.Fatal(err)
	}
	return state.Commit
}
