package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	driver "modernc.org/sqlite"

	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/internal/engine"
)

const (
	// copyPages is how many pages are copied between two looks at what else goes on.
	copyPages = 256
	// copySync is after how many bytes a copy is brought to the disk. What a kernel has to write
	// all at once keeps the commits of a server waiting that syncs the same disk.
	copySync = 4 << 20
	// copyLog is how large the WAL of a server may grow while its database is copied: until the
	// copy is made, nothing in it can be written over.
	copyLog = 1 << 30
)

// ErrTooBusy: a server wrote so much while its database was copied that the copy was given up.
var ErrTooBusy = errors.New("the server writes faster than the copy can be made")

// Copy makes a verified copy of the database of dir, as it is at one moment, in the new file to.
// Another process may be using dir: the copy is made by SQLite's backup API, under a read
// transaction, for which nobody waits. The copy gets its name once it is complete, verified as
// OpenCopy does, accepted by check, and on the disk; before that, whatever happens, there is no
// such file. The database can be opened again from the copy alone.
func Copy(ctx context.Context, dir, to string, check func(*Store) error) (err error) {
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s: %w", to, fs.ErrExist)
	}
	if !Exists(dir) {
		return fmt.Errorf("%s holds no database", dir)
	}
	if sameFile(filepath.Dir(to), dir) {
		return fmt.Errorf("%s would lie in the data directory, and be lost with it", to)
	}
	part, err := os.CreateTemp(filepath.Dir(to), "."+filepath.Base(to)+".part-") // of mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	defer part.Close()
	if err := part.Chmod(fileMode); err != nil { // a strange umask may have taken bits away
		return err
	}
	source := &disk{path: filepath.Join(dir, databaseFile)}
	if err := source.copyTo(ctx, part); err != nil {
		return fmt.Errorf("copy %s: %w", source.path, noSpace(err))
	}
	copied, err := openCopy(ctx, part.Name())
	if err != nil {
		return fmt.Errorf("the copy that was made is not sound, and neither may be %s: %w", source.path, err)
	}
	err = check(copied)
	if err = errors.Join(err, copied.Close()); err != nil {
		return err
	}
	if err := part.Sync(); err != nil {
		return err
	}
	if err := giveName(part.Name(), to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// sameFile tells whether two paths lead to one file or directory.
func sameFile(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// copyTo writes the database, as of now, into an empty file.
func (d *disk) copyTo(ctx context.Context, to *os.File) error {
	pool, err := sql.Open("sqlite", d.dsn(url.Values{"mode": {"ro"}, "_query_only": {"1"}}))
	if err != nil {
		return err
	}
	defer pool.Close()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return translate(err)
	}
	defer conn.Close()
	// The transaction begins with the first read. Without it, each commit of the server would
	// make the backup begin anew.
	var commits int64
	if _, err := conn.ExecContext(ctx, `BEGIN`); err != nil {
		return translate(err)
	}
	if err := conn.QueryRowContext(ctx, `SELECT commits FROM meta`).Scan(&commits); err != nil {
		return translate(err)
	}
	return conn.Raw(func(c any) error {
		// No journal: a copy that is not complete is thrown away. It is synced here, in small
		// steps.
		target := (&url.URL{Scheme: "file", OmitHost: true, Path: to.Name(),
			RawQuery: url.Values{"mode": {"rw"}, "_pragma": {"journal_mode(off)", "synchronous(off)", "cache_size(-1024)"}}.Encode()}).String()
		backup, err := c.(interface {
			NewBackup(string) (*driver.Backup, error)
		}).NewBackup(target)
		if err != nil {
			return err
		}
		err = d.steps(ctx, backup, to)
		return errors.Join(translate(err), translate(backup.Finish()))
	})
}

// steps copies all pages.
func (d *disk) steps(ctx context.Context, backup *driver.Backup, to *os.File) error {
	synced := int64(0)
	for {
		more, err := backup.Step(copyPages)
		if err != nil || !more {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if info, err := os.Stat(d.path + "-wal"); err == nil && info.Size() > copyLog {
			return fmt.Errorf("%w: %s grew to %d MB meanwhile", ErrTooBusy, filepath.Base(d.path)+"-wal", info.Size()>>20)
		}
		info, err := to.Stat()
		if err != nil {
			return err
		}
		if info.Size()-synced >= copySync {
			if err := to.Sync(); err != nil {
				return err
			}
			synced = info.Size()
		}
	}
}

// noSpace says of SQLite's error for a full disk what it is.
func noSpace(err error) error {
	if resultCode(err) == codeFull {
		return fmt.Errorf("%w: %w", syscall.ENOSPC, err)
	}
	return err
}

// giveName gives a file its name, unless there is a file of that name.
func giveName(part, to string) error {
	err := os.Link(part, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// Not all file systems know links. Between the look and the rename is a moment in which
	// somebody else could make such a file.
	if _, e := os.Lstat(to); !errors.Is(e, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", to, errors.Join(fs.ErrExist, e))
	}
	return os.Rename(part, to)
}

// OpenCopy opens a copy of a database for reading and verifies all of it: the structure of the
// file, every record of the state, and every block of the logs. No file is made beside it.
func OpenCopy(ctx context.Context, path string) (*Store, error) {
	s, err := openCopy(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// openCopy is OpenCopy with errors that do not say which file it is about.
func openCopy(ctx context.Context, path string) (_ *Store, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a file")
	}
	if err := alone(path); err != nil {
		return nil, err
	}
	d := &disk{path: path, still: true}
	d.opens.reset()
	state, err := d.connect()
	if err != nil {
		return nil, err
	}
	if err := d.openReaders(); err != nil {
		d.disconnect()
		return nil, err
	}
	s := &Store{engine.New(d, state), d}
	if err := d.verify(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// alone refuses a file of a server, beside which lie the changes that are not in it yet.
func alone(path string) error {
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		return fmt.Errorf("%s-wal beside it holds later changes: these are files of a server, and no backup; start a server on them", filepath.Base(path))
	}
	return nil
}

// verify looks at what connect did not look at.
func (d *disk) verify(ctx context.Context) error {
	var found string
	if err := d.readers.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&found); err != nil {
		return translate(err)
	}
	if found != "ok" {
		return fmt.Errorf("%w: %s", store.ErrCorrupt, found)
	}
	if err := d.verifyLog(ctx); err != nil {
		return err
	}
	if !d.indexed.Load() {
		return nil
	}
	return d.verifyChapters(ctx)
}

func (d *disk) verifyLog(ctx context.Context) error {
	rows, err := d.readers.QueryContext(ctx, `SELECT id, stream, first, last, entries, checksum FROM log`)
	if err != nil {
		return translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var b block
		var entries sql.RawBytes
		var checksum int64
		if err := rows.Scan(&b.id, &b.stream, &b.first, &b.last, &entries, &checksum); err != nil {
			return translate(err)
		}
		b.entries = entries
		if b.checksum() != uint64(checksum) {
			return fmt.Errorf("%w: block %d of the log %q has a wrong checksum", store.ErrCorrupt, b.id, b.stream)
		}
		if _, err := b.unpack(); err != nil {
			return fmt.Errorf("%w: block %d of the log %q cannot be read", store.ErrCorrupt, b.id, b.stream)
		}
	}
	return translate(rows.Err())
}

func (d *disk) verifyChapters(ctx context.Context) error {
	rows, err := d.readers.QueryContext(ctx, `SELECT id, stream, after_first, after_id, last_first, last_id, filter, blocks FROM chapter`)
	if err != nil {
		return translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var c chapter
		var filter, blocks sql.RawBytes
		if err := rows.Scan(&c.id, &c.stream, &c.after.first, &c.after.id, &c.last.first, &c.last.id, &filter, &blocks); err != nil {
			return translate(err)
		}
		for _, column := range [][]byte{filter, blocks} {
			if _, ok := c.open(column); !ok {
				return fmt.Errorf("%w: chapter %d of the log %q has a wrong checksum", store.ErrCorrupt, c.id, c.stream)
			}
		}
	}
	return translate(rows.Err())
}

// Draft is a directory that is on its way to hold a database, in a temporary directory inside it.
type Draft struct {
	dir, temp string
	lock      *os.File
	made      bool // the directory
	bytes     int64
}

// Bytes is the size of what was copied.
func (d *Draft) Bytes() int64 { return d.bytes }

// draftPrefix is how temporary directories are called. Those that a process left behind when it
// was killed are deleted by the next one.
const draftPrefix = ".restore-"

// ErrNotEmpty: a directory holds something already.
var ErrNotEmpty = errors.New("the directory is not empty")

// NewDraft locks dir, which is made if there is none and has to be empty otherwise, and puts a
// copy of file into it, under a temporary name. End it with Close.
func NewDraft(dir, file string) (_ *Draft, err error) {
	from, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	if err := alone(file); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	_, statErr := os.Stat(dir)
	d := &Draft{dir: dir, made: errors.Is(statErr, fs.ErrNotExist)}
	defer func() {
		if err != nil {
			d.Close()
			err = fmt.Errorf("data directory %s: %w", dir, readOnly(err))
		}
	}()
	if !d.made {
		if err := d.empty(); err != nil { // before anything is made in it
			return nil, err
		}
	}
	if err := prepareDir(dir); err != nil {
		return nil, err
	}
	if d.lock, err = lockDir(filepath.Join(dir, lockFile)); err != nil {
		return nil, err
	}
	if err := d.empty(); err != nil {
		return nil, err
	}
	if err := d.sweep(); err != nil {
		return nil, err
	}
	if d.temp, err = os.MkdirTemp(dir, draftPrefix); err != nil {
		return nil, err
	}
	to, err := openPrivate(filepath.Join(d.temp, databaseFile))
	if err != nil {
		return nil, err
	}
	d.bytes, err = io.Copy(to, from)
	return d, errors.Join(err, to.Sync(), to.Close())
}

// empty refuses a directory in which is more than a lock, or what a killed process left.
func (d *Draft) empty() error {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != lockFile && e.Name() != "lost+found" && !isDraft(e.Name()) {
			return fmt.Errorf("%w: it holds %s", ErrNotEmpty, e.Name())
		}
	}
	return nil
}

func isDraft(name string) bool { return strings.HasPrefix(name, draftPrefix) }

func (d *Draft) sweep() error {
	entries, err := os.ReadDir(d.dir)
	for _, e := range entries {
		if isDraft(e.Name()) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(d.dir, e.Name())))
		}
	}
	return err
}

// Verify opens what was copied as OpenCopy does, with errors that do not name the file.
func (d *Draft) Verify(ctx context.Context) (*Store, error) {
	return openCopy(ctx, filepath.Join(d.temp, databaseFile))
}

// Open opens what was copied as Open does, so that it can be changed.
func (d *Draft) Open() (*Store, error) { return Open(d.temp) }

// Place makes the database, which is closed, that of the directory.
func (d *Draft) Place() error {
	// What SQLite could not bring into the file when it was closed is in another beside it.
	if info, err := os.Stat(filepath.Join(d.temp, databaseFile+"-wal")); err == nil && info.Size() > 0 {
		return errors.New("the database could not be closed; is the disk full?")
	}
	if err := os.Rename(filepath.Join(d.temp, databaseFile), filepath.Join(d.dir, databaseFile)); err != nil {
		return err
	}
	d.made = false
	return syncDir(d.dir)
}

// Close deletes what is temporary, and the directory if it was made for nothing.
func (d *Draft) Close() error {
	var errs []error
	if d.temp != "" {
		errs = append(errs, os.RemoveAll(d.temp))
	}
	if d.lock != nil {
		if d.made {
			errs = append(errs, os.Remove(filepath.Join(d.dir, lockFile)))
		}
		errs = append(errs, d.lock.Close())
	}
	if d.made && d.lock != nil {
		errs = append(errs, os.Remove(d.dir))
	}
	return errors.Join(errs...)
}
