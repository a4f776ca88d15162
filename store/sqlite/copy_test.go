package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
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
)

// copyChild is set in a process that copies a database until it is killed: "directory file".
const copyChild = "LANYARD_TEST_COPY_CHILD"

func accept(*Store) error { return nil }

// dump is all that a store holds.
func dump(tb testing.TB, s *Store) (all []string) {
	tb.Helper()
	if err := s.View(tb.Context(), func(r store.Reader) error {
		r.Scan("", "", func(key store.Key, it *store.Item) bool {
			raw, err := it.Bytes()
			if err != nil {
				tb.Error(err)
			}
			all = append(all, fmt.Sprintf("%q %q", key, raw))
			return true
		})
		return r.ScanLog("trail", store.LogQuery{}, func(e store.LogEntry) bool {
			all = append(all, fmt.Sprintf("%v %q", e.At, e.Data))
			return true
		})
	}); err != nil {
		tb.Fatal(err)
	}
	return all
}

// A copy that is made while transactions commit is the state after one of them, with its log.
func TestCopyOfWhatIsWritten(t *testing.T) {
	temp := t.TempDir()
	dir := filepath.Join(temp, "data")
	s, err := open(dir, options{checkpointPages: 50})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stop := make(chan struct{})
	var written atomic.Int64
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := s.Update(context.Background(), func(tx store.Tx) error {
					n := int64(0)
					if v, err := slots.Get(tx, "count"); err == nil {
						n = v.ID
					}
					n++
					tx.Append("trail", killTime(int(n)/1000), []byte(strconv.FormatInt(n, 10)))
					if err := slots.Put(tx, &slot{ID: n, Text: strings.Repeat("x", 500)}, "item", strconv.FormatInt(n, 10)); err != nil {
						return err
					}
					return slots.Put(tx, &slot{ID: n}, "count")
				}); err != nil {
					t.Error(err)
					return
				}
				written.Add(1)
			}
		})
	}
	for round := range 4 {
		for before := written.Load(); written.Load() < before+200; {
			time.Sleep(time.Millisecond)
		}
		begun := written.Load()
		to := filepath.Join(temp, fmt.Sprint("copy", round))
		if err := Copy(t.Context(), dir, to, accept); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(to)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		copied, err := OpenCopy(t.Context(), to)
		if err != nil {
			t.Fatal(err)
		}
		if err := copied.View(t.Context(), func(r store.Reader) error {
			count, err := slots.Get(r, "count")
			if err != nil {
				return err
			}
			logged, items := int64(0), int64(0)
			if err := slots.Scan(r, "", func(store.Key, *slot) bool { items++; return true }, "item"); err != nil {
				return err
			}
			err = r.ScanLog("trail", store.LogQuery{}, func(store.LogEntry) bool { logged++; return true })
			if logged != count.ID || items != count.ID || count.ID < begun {
				t.Errorf("count %d, %d items, %d entries of the log; %d were written before the copy began", count.ID, items, logged, begun)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
		if err := copied.Update(t.Context(), func(tx store.Tx) error { return slots.Put(tx, &slot{}, "x") }); err == nil {
			t.Error("a copy was written to")
		}
		if err := copied.Close(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	writers.Wait()
	// The server's own files are as they were: nothing of the reader is left, and the WAL is
	// begun anew once nobody reads it.
	entries, _ := os.ReadDir(temp)
	if len(entries) != 5 {
		t.Errorf("beside the copies there is something: %v", entries)
	}
	want := dump(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(dump(t, s), want) {
		t.Error("the store is not what it was")
	}
}

func TestCopyRefusals(t *testing.T) {
	dir := made(t, 10)
	temp := t.TempDir()
	to := filepath.Join(temp, "copy")
	if err := os.WriteFile(to, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Copy(t.Context(), dir, to, accept); !errors.Is(err, fs.ErrExist) {
		t.Errorf("onto a file: %v", err)
	}
	os.Remove(to)
	// Somebody makes the file meanwhile.
	if err := Copy(t.Context(), dir, to, func(*Store) error { return os.WriteFile(to, []byte("precious"), 0o600) }); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file that came meanwhile: %v", err)
	}
	if text, _ := os.ReadFile(to); string(text) != "precious" {
		t.Errorf("it is now %q", text)
	}
	os.Remove(to)
	if err := Copy(t.Context(), t.TempDir(), to, accept); err == nil || !strings.Contains(err.Error(), "no database") {
		t.Errorf("of nothing: %v", err)
	}
	if err := Copy(t.Context(), dir, filepath.Join(temp, "none", "copy"), accept); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into no directory: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, inside := range []string{dir, link} {
		if err := Copy(t.Context(), dir, filepath.Join(inside, "copy"), accept); err == nil || !strings.Contains(err.Error(), "lost with it") {
			t.Errorf("into its own directory: %v", err)
		}
	}
	no := errors.New("not what was wanted")
	if err := Copy(t.Context(), dir, to, func(*Store) error { return no }); !errors.Is(err, no) {
		t.Errorf("not accepted: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Copy(gone, dir, to, accept); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if left, _ := os.ReadDir(temp); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestCopyToAFullDisk(t *testing.T) {
	dir := made(t, 2000)
	full := mountTemp(t, "128k")
	to := filepath.Join(full, "copy")
	if err := Copy(t.Context(), dir, to, accept); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full disk: %v", err)
	}
	if left, _ := os.ReadDir(full); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// A copy that is made is killed at a random moment: either there is none, or it is whole.
func TestCopyKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := made(t, 3000)
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := dump(t, s)
	temp := t.TempDir()
	whole := 0
	for round := range 12 {
		to := filepath.Join(temp, fmt.Sprint("copy", round))
		child := exec.Command(self, "-test.run=^$")
		child.Env = append(os.Environ(), copyChild+"="+dir+" "+to)
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if round > 0 { // the first is left to end
			time.Sleep(rand.N(150 * time.Millisecond))
			child.Process.Kill()
		}
		child.Wait()
		copied, err := OpenCopy(t.Context(), to)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Errorf("round %d: %v", round, err)
			continue
		}
		whole++
		if !slices.Equal(dump(t, copied), want) {
			t.Errorf("round %d: the copy is another", round)
		}
		copied.Close()
		if err := put(s, fmt.Sprint("round", round)); err != nil { // the server goes on
			t.Error(err)
		}
		want = dump(t, s)
	}
	if whole == 0 {
		t.Error("no copy was made: the test tests nothing")
	}
}

// runCopyChild makes a copy.
func runCopyChild(job string) int {
	dir, to, _ := strings.Cut(job, " ")
	if err := Copy(context.Background(), dir, to, accept); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return 0
}

// What happened to a copy is found, or does not matter.
func TestDamagedCopies(t *testing.T) {
	dir := made(t, 0)
	s, err := open(dir, options{chapterEntries: 16})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 300 {
		if err := s.Update(t.Context(), func(tx store.Tx) error {
			tx.Append("trail", killTime(n/4), []byte(strings.Repeat(strconv.Itoa(n), 20)), store.Mark(n%7))
			if n%10 == 9 {
				slots.Delete(tx, strconv.Itoa(n-5)) // so that there are free places
			}
			return slots.Put(tx, &slot{ID: int64(n), Text: strings.Repeat("y", n)}, strconv.Itoa(n))
		}); err != nil {
			t.Fatal(err)
		}
	}
	want := dump(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	good := filepath.Join(temp, "good")
	if err := Copy(t.Context(), dir, good, accept); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	look := func(what string, text []byte) (found bool) {
		t.Helper()
		bad := filepath.Join(temp, "bad")
		if err := os.WriteFile(bad, text, 0o600); err != nil {
			t.Fatal(err)
		}
		copied, err := OpenCopy(t.Context(), bad)
		if err != nil {
			return true
		}
		defer copied.Close()
		if !slices.Equal(dump(t, copied), want) {
			t.Errorf("%s: not found, and other data", what)
		}
		return false
	}
	if look("nothing", text) {
		t.Fatal("a good copy is refused")
	}
	for size := 0; size < len(text); size += max(1, len(text)/23) {
		if !look(fmt.Sprintf("cut to %d bytes", size), text[:size]) {
			t.Errorf("cut to %d of %d bytes, and not found", size, len(text))
		}
	}
	if !look("without its last byte", text[:len(text)-1]) {
		t.Error("without its last byte, and not found")
	}
	found := 0
	flips := 600
	for range flips {
		at, bit := rand.IntN(len(text)), rand.IntN(8)
		text[at] ^= 1 << bit
		if look(fmt.Sprintf("bit %d of byte %d", bit, at), text) {
			found++
		}
		text[at] ^= 1 << bit
	}
	t.Logf("%d of %d flipped bits were found; the others change nothing that is kept", found, flips)
	if found < flips/3 {
		t.Error("so few: the test tests nothing")
	}
}

func TestOtherFilesThanCopies(t *testing.T) {
	dir := made(t, 3)
	temp := t.TempDir()
	to := filepath.Join(temp, "copy")
	if err := Copy(t.Context(), dir, to, accept); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCopy(t.Context(), filepath.Join(temp, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
	if _, err := OpenCopy(t.Context(), temp); err == nil {
		t.Error("a directory is opened")
	}
	for name, text := range map[string]string{"empty": "", "text": "key: value\n", "zip": "PK\x03\x04" + strings.Repeat("\x00", 4096)} {
		path := filepath.Join(temp, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenCopy(t.Context(), path); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The files of a server, copied while it ran: what is in the WAL would be lost.
	if err := os.WriteFile(to+"-wal", []byte("changes"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCopy(t.Context(), to); err == nil || !strings.Contains(err.Error(), "later changes") {
		t.Errorf("with a WAL: %v", err)
	}
	os.Remove(to + "-wal")
	moved := filepath.Join(temp, "moved")
	if err := os.Mkdir(moved, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(to, filepath.Join(moved, databaseFile)); err != nil {
		t.Fatal(err)
	}
	alter(t, moved, `PRAGMA user_version = 99`)
	if _, err := OpenCopy(t.Context(), filepath.Join(moved, databaseFile)); !errors.Is(err, store.ErrNewer) {
		t.Errorf("of a later release: %v", err)
	}
}

func TestDraft(t *testing.T) {
	dir := made(t, 5)
	temp := t.TempDir()
	to := filepath.Join(temp, "copy")
	if err := Copy(t.Context(), dir, to, accept); err != nil {
		t.Fatal(err)
	}
	draft := func(into string) (*Draft, error) { return NewDraft(into, to) }
	if _, err := draft(dir); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("onto data: %v", err)
	}
	target := filepath.Join(temp, "new", "data")
	d, err := draft(target)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(target); !errors.Is(err, ErrInUse) {
		t.Errorf("opened meanwhile: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that was made for nothing: %v", err)
	}

	// One that a killed process left behind, in a directory that was there.
	if err := os.MkdirAll(filepath.Join(target, draftPrefix+"1", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(target, 0o700); err != nil {
		t.Fatal(err)
	}
	if d, err = draft(target); err != nil {
		t.Fatal(err)
	}
	read, err := d.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := dump(t, read)
	read.Close()
	changed, err := d.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := put(changed, "restored"); err != nil {
		t.Fatal(err)
	}
	if err := changed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Place(); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	s, err := Open(target)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := dump(t, s); len(got) != len(want)+2 {
		t.Errorf("%d records and entries, want two more than %d", len(got), len(want))
	}
	names := checkModes(t, target)
	if names[draftPrefix+"1"] {
		t.Error("what was left behind is still there")
	}
}
