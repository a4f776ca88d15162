package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/store"
)

// T553 (CVE-2021-38553): whatever the umask, the directory is 0700 and every file 0600.
func TestT553_Umask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077, 0o777} {
		t.Run(fmt.Sprintf("%03o", umask), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			old := syscall.Umask(umask)
			s, err := Open(dir)
			if err == nil {
				fill(t, s, 10)
			}
			syscall.Umask(old)
			if err != nil {
				t.Fatalf("T553: %v", err)
			}
			defer s.Close()
			names := checkModes(t, dir)
			for _, name := range []string{databaseFile, databaseFile + "-wal", databaseFile + "-shm", lockFile, ackedFile} {
				if !names[name] {
					t.Errorf("T553: no file %s", name)
				}
			}
		})
	}
}

func checkModes(t *testing.T, dir string) (names map[string]bool) {
	t.Helper()
	names = make(map[string]bool)
	if err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fileMode
		if entry.IsDir() {
			want = dirMode
		}
		if info.Mode().Perm() != want {
			t.Errorf("T553: %s has mode %04o, want %04o", entry.Name(), info.Mode().Perm(), want)
		}
		names[entry.Name()] = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return names
}

// T382: a second opener, wrong permissions, read-only media: refused, and the message says
// what to do.
func TestT382_SecondOpener(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir)
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("T382: second Open: %v, want ErrInUse with our pid", err)
	}
	fill(t, s, 1) // the first is not disturbed
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatalf("T382: Open after Close: %v", err)
	}
	s.Close()
}

func TestT382_Permissions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	for _, test := range []struct {
		path string
		mode fs.FileMode
		ok   bool
	}{
		{dir, 0o755, false}, {dir, 0o710, false}, {dir, 0o701, false}, {dir, 0o700, true},
		{filepath.Join(dir, databaseFile), 0o640, false}, {filepath.Join(dir, databaseFile), 0o604, false}, {filepath.Join(dir, databaseFile), 0o600, true},
		{filepath.Join(dir, ackedFile), 0o644, false}, {filepath.Join(dir, ackedFile), 0o600, true},
		{filepath.Join(dir, lockFile), 0o666, false}, {filepath.Join(dir, lockFile), 0o600, true},
	} {
		if err := os.Chmod(test.path, test.mode); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir)
		if err == nil {
			s.Close()
		}
		if (err == nil) != test.ok || !test.ok && (!errors.Is(err, ErrPermissions) || !strings.Contains(err.Error(), "chmod")) {
			t.Errorf("T382: %s with mode %04o: %v", filepath.Base(test.path), test.mode, err)
		}
	}
}

func TestT382_OddFiles(t *testing.T) {
	temp := t.TempDir()
	file := filepath.Join(temp, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil {
		t.Error("T382: a file was opened as a data directory")
	}
	for _, name := range []string{databaseFile, lockFile, ackedFile} {
		dir := filepath.Join(temp, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(file, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil {
			t.Errorf("T382: %s was opened through a symbolic link", name)
		}
	}
	if content, err := os.ReadFile(file); err != nil || len(content) != 0 {
		t.Errorf("T382: a file behind a link was written: %q, %v", content, err)
	}
}

// mountTemp mounts a small tmpfs, if the tests may.
func mountTemp(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		t.Skipf("cannot mount a file system: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

func TestT382_ReadOnlyMedia(t *testing.T) {
	dir := mountTemp(t, "8m")
	remount := func(flags uintptr) {
		t.Helper()
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	remount(syscall.MS_RDONLY)
	if _, err := Open(dir); !errors.Is(err, ErrReadOnly) {
		t.Errorf("T382: read-only media: %v, want ErrReadOnly", err)
	}
	remount(0)
	if s, err = Open(dir); err != nil {
		t.Fatalf("T382: media writable again: %v", err)
	}
	s.Close()
}

// The directory's name holds everything that means something in a URI.
func TestStrangeDirectoryName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?mode=memory&x=%41#frag:é")
	for range 2 {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		fill(t, s, 1)
		s.Close()
	}
	if !Exists(dir) || Exists(filepath.Dir(dir)) {
		t.Error("Exists is wrong about where the database is")
	}
}

// alter changes the database of a closed store by SQL.
func alter(t *testing.T, dir string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, databaseFile))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// made returns a closed directory with n roles.
func made(t *testing.T, n int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, n)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// insertRaw adds a row to state as a release with other kinds would have.
func insertRaw(t *testing.T, dir string, raw []byte) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, databaseFile))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	key := []byte(store.MakeKey(store.Kind(raw[0]), "x"))
	sum := rowChecksum(key, store.Checksum(raw))
	m := meta{commits: 5, revision: 5, records: 1, total: sum}
	if _, err := db.Exec(putState, key, raw, int64(sum)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(setMeta, int64(m.commits), int64(m.revision), m.records, int64(m.total), int64(m.checksum())); err != nil {
		t.Fatal(err)
	}
}

// T387: data of a newer release is refused with a message, and stays as it is.
func TestT387_Downgrade(t *testing.T) {
	for what, change := range map[string]func(t *testing.T, dir string){
		"newer format":         func(t *testing.T, dir string) { alter(t, dir, fmt.Sprintf("PRAGMA user_version = %d", format+1)) },
		"unknown kind":         func(t *testing.T, dir string) { insertRaw(t, dir, append([]byte{250, 1}, `{}`...)) },
		"newer kind's version": func(t *testing.T, dir string) { insertRaw(t, dir, append([]byte{byte(store.User), 99}, `{}`...)) },
	} {
		t.Run(what, func(t *testing.T) {
			dir := made(t, 0)
			change(t, dir)
			before, err := os.ReadFile(filepath.Join(dir, databaseFile))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir); !errors.Is(err, store.ErrNewer) {
				t.Errorf("T387: %v, want ErrNewer", err)
			}
			after, err := os.ReadFile(filepath.Join(dir, databaseFile))
			if err != nil || string(before) != string(after) {
				t.Errorf("T387: the refused database was changed (%v)", err)
			}
		})
	}
}

// T380, T381: what is not there, or not ours, or older than it should be.
func TestT381_MissingOrForeign(t *testing.T) {
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	truncate := func(name string, size int64) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, name), size); err != nil {
				t.Fatal(err)
			}
		}
	}
	sqlite := func(statements ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { alter(t, dir, statements...) }
	}
	for what, change := range map[string]func(*testing.T, string){
		"database missing":       remove(databaseFile),
		"database empty":         truncate(databaseFile, 0),
		"database cut":           truncate(databaseFile, 3*4096),
		"database cut in a page": truncate(databaseFile, 10_000),
		"acked file cut":         truncate(ackedFile, 7),
		"acked file emptied to zeros": func(t *testing.T, dir string) {
			truncate(ackedFile, 0)(t, dir)
			truncate(ackedFile, ackedBytes)(t, dir)
		},
		"not a database": func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, databaseFile), []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"another program's database": sqlite(`PRAGMA application_id = 1`),
		"no application id":          sqlite(`PRAGMA application_id = 0`),
		"older format":               sqlite(`PRAGMA user_version = 0`),
		"another schema":             sqlite(`CREATE TABLE other (x)`),
		"an index less":              sqlite(`DROP INDEX log_time`),
		"a trigger more":             sqlite(`CREATE TRIGGER t AFTER INSERT ON state BEGIN DELETE FROM log; END`),
		"no meta row":                sqlite(`DELETE FROM meta`),
		"another meta row":           sqlite(`UPDATE meta SET revision = revision + 1`),
		"a row lost":                 sqlite(`DELETE FROM state WHERE key = (SELECT max(key) FROM state)`),
		"a row changed":              sqlite(`UPDATE state SET value = CAST('x' AS BLOB) WHERE key = (SELECT max(key) FROM state)`),
		"two rows swapped":           sqlite(`UPDATE state SET (value, checksum) = (SELECT value, checksum FROM state AS s WHERE s.key <> state.key) WHERE key IN (SELECT key FROM state LIMIT 2)`),
		"a row twice":                sqlite(`INSERT INTO state SELECT CAST(key || 'x' AS BLOB), value, checksum FROM state LIMIT 1`),
	} {
		t.Run(what, func(t *testing.T) {
			dir := made(t, 40)
			change(t, dir)
			s, err := Open(dir)
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("T381: %v, want ErrCorrupt", err)
			}
		})
	}
	t.Run("older copy", func(t *testing.T) {
		dir := made(t, 10)
		path := filepath.Join(dir, databaseFile)
		older, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		fill(t, s, 20)
		s.Close()
		if err := os.WriteFile(path, older, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), ackedFile) {
			t.Errorf("T381: an older copy: %v, want ErrCorrupt and a hint", err)
		}
		if err := os.Remove(filepath.Join(dir, ackedFile)); err != nil { // as the hint says
			t.Fatal(err)
		}
		if s, err = Open(dir); err != nil {
			t.Fatalf("T381: an older copy, restored on purpose: %v", err)
		}
		s.Close()
	})
}

func TestTimesOfLogSurviveReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	at := time.Date(2026, 11, 22, 8, 0, 0, 123456789, time.FixedZone("", 3600))
	for round := range 2 {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			if err := s.Append(t.Context(), []store.LogEntry{{Stream: "s", At: at, Data: []byte("x")}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.View(t.Context(), func(r store.Reader) error {
			return r.ScanLog("s", store.LogQuery{From: at, To: at}, func(e store.LogEntry) bool {
				if !e.At.Equal(at) || e.At.Location() != time.UTC {
					t.Errorf("entry of %v, want %v in UTC", e.At, at)
				}
				return true
			})
		}); err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
}
