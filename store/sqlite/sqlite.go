// Package sqlite is the store engine on a local disk: state in memory, SQLite as its durable
// copy and as the log. Its README tells how it works and what it does when disks fail.
package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/internal/engine"
)

// The files in the data directory.
const (
	databaseFile = "lanyard.db"
	lockFile     = "lanyard.lock"
	ackedFile    = "lanyard.acked"
)

const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// Errors of Open beside those of package store. Their wrapping says what to do.
var (
	// ErrInUse: another process uses the data directory.
	ErrInUse = errors.New("data directory is in use")
	// ErrPermissions: others than the owner can get at the data.
	ErrPermissions = errors.New("data can be read by other users")
	// ErrReadOnly: the data directory cannot be written to.
	ErrReadOnly = errors.New("data directory is read-only")
)

// Store is a store.Store in a directory.
type Store struct {
	*engine.Engine
	backend *disk
}

// LastWrite is when something was written, since the store was opened; else it is zero.
func (s *Store) LastWrite() time.Time {
	if at := s.backend.lastCommit.Load(); at != 0 {
		return time.Unix(0, at).UTC()
	}
	return time.Time{}
}

// Exists reports whether dir holds a database.
func Exists(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, databaseFile))
	return err == nil && info.Size() > 0
}

// Open opens the store in dir; it makes the directory and the database if there are none.
// It reads and verifies all state.
func Open(dir string) (*Store, error) {
	return open(dir, options{})
}

// options are what tests change.
type options struct {
	checkpointPages, chapterEntries, openMarks int // 0: the constants
	// fault, if there is one, is told the result of a step ("commit", "recover") and returns
	// the one to go on with.
	fault func(step string, err error) error
}

func open(dir string, opts options) (_ *Store, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("open %s: %w", dir, readOnly(err))
		}
	}()
	if err := prepareDir(dir); err != nil {
		return nil, err
	}
	lock, err := lockDir(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	d := &disk{path: filepath.Join(dir, databaseFile), lock: lock, options: opts}
	if err := prepareFile(d.path); err != nil {
		return nil, err
	}
	if d.acked, err = openAcked(filepath.Join(dir, ackedFile)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.acked.Close()
		}
	}()
	if err := syncDir(dir); err != nil {
		return nil, err
	}
	d.opens.reset()
	state, err := d.connect()
	if err != nil {
		return nil, err
	}
	if err := d.openReaders(); err != nil {
		d.disconnect()
		return nil, err
	}
	return &Store{engine.New(d, state), d}, nil
}

// prepareDir makes sure that dir is a directory for its owner only. It does not tighten an
// existing one: --data may have been given /tmp, or a home directory, by mistake.
func prepareDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	switch err := os.Mkdir(dir, dirMode); {
	case err == nil:
		return os.Chmod(dir, dirMode) // a strange umask may have taken bits away
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return errors.New("not a directory")
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w: mode %04o; run: chmod 700 %s", ErrPermissions, mode, dir)
	}
	return nil
}

// prepareFile makes sure that path is a file for its owner only. SQLite gives the -wal and
// -shm files the mode of the database.
func prepareFile(path string) error {
	f, err := openPrivate(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// openPrivate opens or makes a file that only its owner can use.
func openPrivate(path string) (_ *os.File, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, fileMode)
	if err == nil {
		if err := f.Chmod(fileMode); err != nil {
			f.Close()
			return nil, err
		}
		return f, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if f, err = os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW, 0); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("%w: %s has mode %04o; run: chmod 600 %s", ErrPermissions, filepath.Base(path), info.Mode().Perm(), path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// readOnly names the errors that a read-only disk shows itself by.
func readOnly(err error) error {
	if errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) || resultCode(err) == codeReadOnly {
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}

var _ store.Store = (*Store)(nil)
