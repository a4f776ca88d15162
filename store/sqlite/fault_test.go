package sqlite

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/internal/engine"
)

// put stores a role and a log entry that names it.
func put(s *Store, name string) error {
	return s.Update(always, func(tx store.Tx) error {
		tx.Append("trail", time.Unix(1767225600, 0), []byte(name))
		return roles.Put(tx, makeRole(1), account, name)
	})
}

// content is what a store holds: the names of the roles, and the log entries.
func content(tb testing.TB, s *Store) (names, logged []string) {
	tb.Helper()
	if err := s.View(always, func(r store.Reader) error {
		if err := roles.Scan(r, "", func(key store.Key, _ *role) bool {
			names = append(names, key.Last())
			return true
		}, account); err != nil {
			return err
		}
		return r.ScanLog("trail", store.LogQuery{}, func(e store.LogEntry) bool {
			logged = append(logged, string(e.Data))
			return true
		})
	}); err != nil {
		tb.Fatal(err)
	}
	slices.Sort(logged)
	return names, logged
}

func expect(tb testing.TB, what string, s *Store, want []string) {
	tb.Helper()
	want = slices.Sorted(slices.Values(want))
	names, logged := content(tb, s)
	if !slices.Equal(names, want) || !slices.Equal(logged, want) {
		extra := func(got []string) []string {
			return slices.DeleteFunc(got, func(s string) bool { return slices.Contains(want, s) })
		}
		tb.Errorf("%s: %d records and %d log entries, want %d of each; unexpected: %v, %v", what, len(names), len(logged), len(want), extra(names), extra(logged))
	}
}

// untilFull writes concurrently until writes fail, and returns what was acknowledged.
func untilFull(t *testing.T, s *Store, prefix string) (acked []string) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100_000 {
				name := fmt.Sprintf("%s-%d-%d", prefix, g, i)
				if err := put(s, name); err != nil {
					if !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrInDoubt) {
						t.Errorf("T379: %v, want ErrUnavailable, or ErrInDoubt", err)
					}
					return
				}
				mu.Lock()
				acked = append(acked, name)
				mu.Unlock()
			}
			t.Error("T379: the disk does not become full")
		})
	}
	wg.Wait()
	// Where a batch of eight found no space, single writes may.
	for i := 0; ; i++ {
		name := fmt.Sprintf("%s-single-%d", prefix, i)
		if put(s, name) != nil {
			return acked
		}
		acked = append(acked, name)
	}
}

// T379: no space is left. Writes fail and say so, reads go on, nothing is damaged, and
// service resumes by itself when there is space.
func TestT379_DiskFull(t *testing.T) {
	dir := mountTemp(t, "2m")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 512<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	acked := untilFull(t, s, "a")
	if len(acked) == 0 {
		t.Fatal("T379: nothing was written before the disk was full")
	}
	for range 3 { // again and again, without space
		if err := put(s, "no"); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("T379: write on a full disk: %v, want ErrUnavailable", err)
		}
	}
	expect(t, "T379: reads on a full disk", s, acked)
	if err := s.TrimLog(t.Context(), "nothing", time.Now()); err != nil && !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("T379: TrimLog on a full disk: %v", err)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := put(s, "space"); err != nil {
		t.Fatalf("T379: write when there is space again: %v", err)
	}
	acked = append(acked, "space")
	expect(t, "T379: with space again", s, acked)

	acked = append(acked, untilFull(t, s, "b")...)
	if err := s.Close(); err != nil { // the checkpoint at Close finds no space either
		t.Errorf("T379: Close on a full disk: %v", err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatalf("T379: start on a full disk: %v", err)
	}
	expect(t, "T379: start on a full disk", s, acked)
}

// The same without a file system of our own: SQLite is told a limit.
func TestT379_DatabaseFull(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	limit := func(pages int) {
		t.Helper()
		if err := s.backend.exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(100)
	acked := untilFull(t, s, "a")
	expect(t, "T379: reads while full", s, acked)
	limit(10_000)
	if err := put(s, "space"); err != nil {
		t.Fatalf("T379: write when there is space again: %v", err)
	}
	acked = append(acked, "space")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	expect(t, "T379: after restart", s, acked)
}

// rlimitChild is set in the process that limits the size of its files: the directory.
const rlimitChild = "LANYARD_TEST_RLIMIT_CHILD"

// T378: write(2) fails with an error other than "no space". SQLite cannot say what became of
// the commit; nothing is acknowledged until it has been found out.
func TestT378_WriteError(t *testing.T) {
	if dir := os.Getenv(rlimitChild); dir != "" {
		writeErrors(t, dir)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self, "-test.run=^TestT378_WriteError$", "-test.v")
	child.Env = append(os.Environ(), rlimitChild+"="+filepath.Join(t.TempDir(), "data"))
	if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("T378: %v\n%s", err, out)
	}
}

func writeErrors(t *testing.T, dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	limit := func(size uint64) {
		t.Helper()
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: ^uint64(0)}); err != nil {
			t.Fatal(err)
		}
	}
	limit(300 << 10)
	// The WAL reaches the limit. Recovery moves it into the database, so that this may go on a
	// few times.
	acked := untilFull(t, s, "a")
	limit(1)
	for range 3 {
		if err := put(s, "no"); !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrInDoubt) {
			t.Errorf("T378: write while the disk fails: %v, want ErrUnavailable", err)
		}
	}
	if len(acked) == 0 {
		t.Error("T378: nothing was written before the disk failed")
	}
	if err := s.View(t.Context(), func(r store.Reader) error {
		for _, name := range acked {
			if !roles.Has(r, account, name) {
				t.Errorf("T378: %s was acknowledged and cannot be read", name)
			}
		}
		return nil
	}); err != nil {
		t.Errorf("T378: reads while the disk fails: %v", err)
	}
	limit(^uint64(0))
	if err := put(s, "space"); err != nil {
		t.Fatalf("T378: write when the disk works again: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatalf("T378: start after the failure: %v", err)
	}
	names, logged := content(t, s)
	for _, name := range append(acked, "space") {
		if !slices.Contains(names, name) || !slices.Contains(logged, name) {
			t.Errorf("T378: %s was acknowledged and is not there after a restart", name)
		}
	}
}

// T378: fsync reports an error. Before anybody is answered the state is read again: the commit
// is there, and acknowledged, or it is not, and certainly failed. If that cannot be read for a
// while the callers are told of the doubt, and nothing is committed until it is settled.
func TestT378_CommitInDoubt(t *testing.T) {
	for _, landed := range []bool{true, false} {
		for _, broken := range []bool{false, true} {
			t.Run(fmt.Sprintf("landed=%v,broken=%v", landed, broken), func(t *testing.T) { commitInDoubt(t, landed, broken) })
		}
	}
}

func commitInDoubt(t *testing.T, landed, isBroken bool) {
	var failing, broken atomic.Bool
	var recoveries atomic.Int32
	dir := filepath.Join(t.TempDir(), "data")
	eio := errors.New("input/output error")
	s, err := open(dir, options{fault: func(step string, err error) error {
		switch {
		case step == "recover":
			recoveries.Add(1)
			if broken.Load() {
				return eio
			}
		case failing.Load():
			return eio
		}
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	if err := put(s, "before"); err != nil {
		t.Fatal(err)
	}
	revision := revision(t, s)
	if !landed { // the transaction is rolled back, as if its pages had never been written
		s.backend.drop.Close()
	}
	failing.Store(true)
	broken.Store(isBroken)
	want := []string{"before"}
	if landed {
		want = append(want, "doubtful")
	}
	err = s.Update(t.Context(), func(tx store.Tx) error {
		tx.Append("trail", time.Unix(1767225600, 0), []byte("doubtful"))
		if !landed {
			roles.Delete(tx, account, "before") // its statement is gone: the write fails
		}
		return roles.Put(tx, makeRole(1), account, "doubtful")
	})
	failing.Store(false)
	switch {
	case isBroken:
		if !errors.Is(err, store.ErrInDoubt) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("T378: commit in doubt: %v, want ErrInDoubt alone", err)
		}
		if names, _ := content(t, s); !slices.Equal(names, []string{"before"}) {
			t.Errorf("T378: readers see what is in doubt: %v", names)
		}
		for range 3 { // recovery fails: nothing is acknowledged
			if err := put(s, "no"); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("T378: write while recovery fails: %v, want ErrUnavailable", err)
			}
			if err := s.TrimLog(t.Context(), "trail", time.Now()); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("T378: TrimLog while recovery fails: %v, want ErrUnavailable", err)
			}
		}
		broken.Store(false)
	case landed:
		if err != nil {
			t.Errorf("T378: the commit is on disk, its caller was told %v", err)
		}
	default:
		if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrInDoubt) {
			t.Errorf("T378: the commit is not on disk, its caller was told %v", err)
		}
	}
	if recoveries.Load() == 0 {
		t.Error("T378: an error of fsync was answered without reading again")
	}
	if !isBroken {
		expect(t, "T378: after the answer", s, want)
		if b, err := os.ReadFile(filepath.Join(dir, databaseFile+"-wal")); err != nil || len(b) == 0 {
			t.Errorf("T378: the WAL before the failure may come back: the new one has %d bytes, %v", len(b), err)
		}
	}
	if err := put(s, "after"); err != nil {
		t.Fatalf("T378: write after recovery: %v", err)
	}
	want = append(want, "after")
	expect(t, "T378: after recovery", s, want)
	for _, err := range s.Watch(t.Context(), revision) {
		// Only a state that was adopted later came about by no change that watchers can be told.
		if resync := isBroken && landed; errors.Is(err, store.ErrResync) != resync {
			t.Errorf("T378: watch over a recovery: %v", err)
		}
		break
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	expect(t, "T378: after a restart", s, want)
}

func revision(tb testing.TB, s *Store) (n uint64) {
	tb.Helper()
	state, err := s.Published()
	if err != nil {
		tb.Fatal(err)
	}
	return state.Revision
}

// T380: single bits of the files are flipped, as a failing disk does, both after a clean stop
// and in what a killed process left. Every flip is refused, or makes no difference to the state;
// a damaged log is refused when it is read.
func TestT380_FlippedBits(t *testing.T) {
	flips := 100
	if n, err := strconv.Atoi(os.Getenv("LANYARD_BIT_FLIPS")); err == nil {
		flips = n
	}
	dir := filepath.Join(t.TempDir(), "data")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 60 {
		want = append(want, fmt.Sprintf("role-%02d", i))
		if err := put(s, want[i]); err != nil {
			t.Fatal(err)
		}
		if i == 30 { // half of it is in the database, half in the WAL
			if err := s.backend.exec(`PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
				t.Fatal(err)
			}
		}
	}
	killed := readFiles(t, dir, databaseFile, databaseFile+"-wal", ackedFile)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	stopped := readFiles(t, dir, databaseFile, ackedFile)

	refused, harmless, logRefused, logShort := 0, 0, 0, 0
	random := rand.New(rand.NewPCG(1, 2))
	for i := range flips {
		image := []map[string][]byte{killed, stopped}[i%2]
		names := slices.Sorted(func(yield func(string) bool) {
			for name := range image {
				if !yield(name) {
					return
				}
			}
		})
		name := names[random.IntN(len(names))]
		if name == ackedFile && i%16 > 1 { // it is small: once in a while is enough
			name = databaseFile
		}
		bit := random.IntN(len(image[name]) * 8)
		what := fmt.Sprintf("T380: flip %d: bit %d of %s", i, bit, name)

		at := filepath.Join(t.TempDir(), "data")
		if err := os.Mkdir(at, 0o700); err != nil {
			t.Fatal(err)
		}
		for file, b := range image {
			if file == name {
				b = slices.Clone(b)
				b[bit/8] ^= 1 << (bit % 8)
			}
			if err := os.WriteFile(filepath.Join(at, file), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Open(at)
		if err != nil {
			refused++
			if !errors.Is(err, store.ErrCorrupt) && !errors.Is(err, store.ErrNewer) {
				t.Errorf("%s: refused with an unclear message: %v", what, err)
			}
			continue
		}
		harmless++
		var names2, logged []string
		err = s.View(always, func(r store.Reader) error {
			if err := roles.Scan(r, "", func(key store.Key, v *role) bool {
				names2 = append(names2, key.Last())
				if v.TrustPolicy != makeRole(1).TrustPolicy {
					t.Errorf("%s: another policy is served", what)
				}
				return true
			}, account); err != nil {
				return err
			}
			return r.ScanLog("trail", store.LogQuery{}, func(e store.LogEntry) bool {
				logged = append(logged, string(e.Data))
				return true
			})
		})
		if !slices.Equal(names2, want) {
			t.Errorf("%s: other records are served: %v", what, names2)
		}
		switch {
		case errors.Is(err, store.ErrCorrupt):
			logRefused++
		case err != nil:
			t.Errorf("%s: log: %v", what, err)
		case len(logged) < len(want):
			logShort++ // a page of the index: see the README
		}
		for _, entry := range logged {
			if !slices.Contains(want, entry) {
				t.Errorf("%s: the log says %q", what, entry)
			}
		}
		// Writing on top of undetected damage does not make it pass for sound either.
		written := put(s, "role-60") == nil
		s.Close()
		if s, err = Open(at); err != nil {
			continue
		}
		var after []string
		if err := s.View(always, func(r store.Reader) error {
			return roles.Scan(r, "", func(key store.Key, _ *role) bool { after = append(after, key.Last()); return true }, account)
		}); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if written && !slices.Equal(after, append(slices.Clone(want), "role-60")) {
			t.Errorf("%s: other records are served after a write and a restart: %v", what, after)
		}
		s.Close()
	}
	t.Logf("T380: %d flips: %d refused at start, %d of no effect on the state, of which %d refused when the log was read and %d hid log entries", flips, refused, harmless, logRefused, logShort)
	if refused == 0 || harmless == 0 {
		t.Error("T380: the flips do not test what they should")
	}
}

func readFiles(t *testing.T, dir string, names ...string) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = b
	}
	return files
}

var _ engine.Backend = (*disk)(nil)
