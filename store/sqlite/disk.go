package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/internal/engine"
)

const (
	// applicationID marks the file as Lanyard's (PRAGMA application_id): "Lany".
	applicationID = 0x4c616e79
	// format is the version of the schema below and of what its columns hold (PRAGMA
	// user_version). Kinds of record have their own versions, in package store. Format 1 had no
	// compressed blocks of log, and format 2 no chapters, so what they hold is right in format 3.
	format = 3

	// checkpointPages bounds the WAL: a checkpoint of 8 MB takes some 20 ms.
	checkpointPages = 2000
	// walKeepBytes: a WAL that grew beyond this (a large batch) is cut at the next chance.
	walKeepBytes = 64 << 20
	// cacheKiB is SQLite's page cache per connection. State is in memory anyway.
	cacheKiB = 4 << 10
	// logReaders bounds how many logs are read at the same time.
	logReaders = 4
	// busyTimeout is for an operator who looks into the database with another program.
	busyTimeout = 5 * time.Second
)

// schema is compared with what a database says about itself, word for word.
var schema = []string{
	`CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), commits INTEGER NOT NULL, revision INTEGER NOT NULL, records INTEGER NOT NULL, total INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT`,
	`CREATE TABLE state (key BLOB PRIMARY KEY, value BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
	`CREATE TABLE log (id INTEGER PRIMARY KEY, stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, entries BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT`,
	`CREATE INDEX log_time ON log (stream, first)`,
	`CREATE TABLE chapter (id INTEGER PRIMARY KEY, stream TEXT NOT NULL, after_first INTEGER NOT NULL, after_id INTEGER NOT NULL, last_first INTEGER NOT NULL, last_id INTEGER NOT NULL, filter BLOB NOT NULL, blocks BLOB NOT NULL) STRICT`,
	`CREATE INDEX chapter_after ON chapter (stream, after_first, after_id)`,
	`CREATE INDEX chapter_last ON chapter (stream, last_first, last_id)`,
}

// schemaOf is the schema of a format.
func schemaOf(version int64) []string {
	if version < 3 {
		return schema[:4]
	}
	return schema
}

// Statements of the writer.
const (
	putState  = `INSERT INTO state (key, value, checksum) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value, checksum = excluded.checksum`
	dropState = `DELETE FROM state WHERE key = ?`
	addBlock  = `INSERT INTO log (stream, first, last, entries, checksum) VALUES (?, ?, ?, ?, ?)`

	// Of chapters.
	addChapter = `INSERT INTO chapter (stream, after_first, after_id, last_first, last_id, filter, blocks) VALUES (?, ?, ?, ?, ?, ?, ?)`
	// Chapters are apart from each other: only the first that ends behind a point can hold it.
	dropChapter = `DELETE FROM chapter WHERE id = (SELECT id FROM chapter WHERE stream = ? AND (last_first, last_id) >= (?, ?) ORDER BY last_first, last_id LIMIT 1) AND (after_first, after_id) < (?, ?)`
	lastBlock   = `SELECT first, id FROM log WHERE stream = ? AND (first, id) <= (?, ?) ORDER BY first DESC, id DESC LIMIT 1`
	nextBlock   = `SELECT first, id FROM log WHERE stream = ? AND (first, id) > (?, ?) ORDER BY first, id LIMIT 1`
	lastChapter = `SELECT last_first, last_id FROM chapter WHERE stream = ? AND (last_first, last_id) <= (?, ?) ORDER BY last_first DESC, last_id DESC LIMIT 1`
	nextChapter = `SELECT after_first, after_id FROM chapter WHERE stream = ? AND (after_first, after_id) > (?, ?) ORDER BY after_first, after_id LIMIT 1`

	setMeta = `INSERT INTO meta (id, commits, revision, records, total, checksum) VALUES (1, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET commits = excluded.commits, revision = excluded.revision, records = excluded.records, total = excluded.total, checksum = excluded.checksum`
)

// always is the context of everything the writer does: a commit under way is not
// interrupted, because nobody could say what became of it.
var always = context.Background()

// disk is the backend of the engine.
type disk struct {
	path  string
	lock  *os.File
	acked *acked
	// still: the file is a copy that nobody changes. It is only read, and no file is made beside it.
	still bool
	options

	pool    *sql.DB   // of the writer, one connection
	conn    *sql.Conn // nil after a failure, until Recover
	put     *sql.Stmt // the statements above
	drop    *sql.Stmt
	add     *sql.Stmt
	set     *sql.Stmt
	readers *sql.DB // of ScanLog; stays over a Recover
	closed  atomic.Bool
	// lastCommit is when it was, in nanoseconds since 1970; 0 before the first.
	lastCommit atomic.Int64

	meta   meta
	packer packer // of Commit, which runs one at a time
	// version is the format of the database. The first batch makes an earlier one one of this
	// format, which an older release refuses since it could not read it; a release that
	// was only tried leaves the database to the older one.
	version int64
	opens   openChapters
	turns   []*turn     // of the transaction under way
	indexed atomic.Bool // there is a table of chapters
}

// meta is the row of that table: what the rest of the database must add up to.
type meta struct {
	commits  uint64
	revision uint64
	records  int64
	total    uint64 // sum of the rows' checksums
}

func (m meta) checksum() uint64 {
	var b [32]byte
	binary.BigEndian.PutUint64(b[0:], m.commits)
	binary.BigEndian.PutUint64(b[8:], m.revision)
	binary.BigEndian.PutUint64(b[16:], uint64(m.records))
	binary.BigEndian.PutUint64(b[24:], m.total)
	return store.Checksum(b[:])
}

// rowChecksum is that of a row of state; sum is that of the value.
func rowChecksum(key []byte, sum uint64) uint64 {
	return sum ^ store.Checksum(key)*0x9E3779B97F4A7C15 // odd: equal CRCs of key and value do not cancel out
}

func (d *disk) dsn(params url.Values) string {
	if d.still {
		params = url.Values{"mode": {"ro"}, "immutable": {"1"}, "_query_only": {"1"}}
	}
	params.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()))
	params.Add("_pragma", fmt.Sprintf("cache_size(-%d)", cacheKiB))
	params.Add("_pragma", "trusted_schema(0)")
	params.Add("_pragma", "cell_size_check(1)")
	params.Set("_defensive", "1")
	params.Set("_dqs", "0")
	return (&url.URL{Scheme: "file", OmitHost: true, Path: d.path, RawQuery: params.Encode()}).String()
}

// openReaders prepares the connections that read logs; they open when first used.
func (d *disk) openReaders() (err error) {
	d.readers, err = sql.Open("sqlite", d.dsn(url.Values{"mode": {"ro"}, "_query_only": {"1"}}))
	if err != nil {
		return err
	}
	d.readers.SetMaxOpenConns(logReaders)
	d.readers.SetMaxIdleConns(1)
	return nil
}

// connect opens the database, and reads and verifies its state.
func (d *disk) connect() (_ engine.State, err error) {
	defer func() {
		if err != nil {
			d.disconnect()
		}
	}()
	d.pool, err = sql.Open("sqlite", d.dsn(url.Values{ // which are others for a copy
		"mode": {"rw"},
		"_pragma": {
			"journal_mode(WAL)",
			"synchronous(FULL)",
			"fullfsync(1)", // macOS: F_FULLFSYNC, or fsync means little
			"checkpoint_fullfsync(1)",
			fmt.Sprintf("wal_autocheckpoint(%d)", cmp.Or(d.checkpointPages, checkpointPages)),
			fmt.Sprintf("journal_size_limit(%d)", walKeepBytes),
		},
	}))
	if err != nil {
		return engine.State{}, err
	}
	d.pool.SetMaxOpenConns(1)
	if d.conn, err = d.pool.Conn(always); err != nil {
		return engine.State{}, translate(err)
	}
	if err := d.identify(); err != nil {
		return engine.State{}, err
	}
	state, err := d.load()
	if err != nil {
		return engine.State{}, err
	}
	for text, stmt := range map[string]**sql.Stmt{putState: &d.put, dropState: &d.drop, addBlock: &d.add, setMeta: &d.set} {
		if *stmt, err = d.conn.PrepareContext(always, text); err != nil {
			return engine.State{}, translate(err)
		}
	}
	return state, nil
}

func (d *disk) disconnect() {
	for _, stmt := range []*sql.Stmt{d.put, d.drop, d.add, d.set} {
		if stmt != nil {
			stmt.Close()
		}
	}
	if d.conn != nil {
		d.conn.Close()
	}
	if d.pool != nil {
		d.pool.Close()
	}
	d.pool, d.conn, d.put, d.drop, d.add, d.set = nil, nil, nil, nil, nil, nil
}

// identify makes the schema in an empty database, and refuses one that is not ours.
func (d *disk) identify() error {
	var id, version int64
	if err := d.queryRow(`PRAGMA application_id`, &id); err != nil {
		return err
	}
	if err := d.queryRow(`PRAGMA user_version`, &version); err != nil {
		return err
	}
	found, err := d.schema()
	if err != nil {
		return err
	}
	switch {
	case id == 0 && version == 0 && len(found) == 0 && !d.still:
		return d.create()
	case id != applicationID:
		return fmt.Errorf("%w: %s is not a Lanyard database", store.ErrCorrupt, d.name())
	case version > format:
		return fmt.Errorf("%w: %s has format %d, this release knows up to %d; run the newer release, or restore a backup that this one made",
			store.ErrNewer, d.name(), version, format)
	case version < 1 || !slices.Equal(found, schemaOf(version)):
		return fmt.Errorf("%w: the schema of %s is not that of format %d", store.ErrCorrupt, d.name(), version)
	}
	d.reached(version)
	return nil
}

func (d *disk) name() string { return filepath.Base(d.path) }

// reached notes the format of the database.
func (d *disk) reached(version int64) {
	d.version = version
	d.indexed.Store(version >= 3)
}

// schema returns the statements by which the database says it was made, in that order.
func (d *disk) schema() (statements []string, err error) {
	rows, err := d.conn.QueryContext(always, `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid`)
	if err != nil {
		return nil, translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, translate(err)
		}
		statements = append(statements, s)
	}
	return statements, translate(rows.Err())
}

func (d *disk) create() (err error) {
	if d.acked.commit > 0 {
		return fmt.Errorf("%w: %s is missing or empty, but %d commits were acknowledged; restore a backup", store.ErrCorrupt, databaseFile, d.acked.commit)
	}
	if err := d.exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	for _, s := range slices.Concat(schema, []string{
		fmt.Sprintf(`PRAGMA application_id = %d`, applicationID),
		fmt.Sprintf(`PRAGMA user_version = %d`, format),
		fmt.Sprintf(`INSERT INTO meta VALUES (1, 0, 0, 0, 0, %d)`, int64(meta{}.checksum())),
		`COMMIT`,
	}) {
		if err := d.exec(s); err != nil {
			return err
		}
	}
	d.reached(format)
	return nil
}

// load reads all state and verifies it.
func (d *disk) load() (engine.State, error) {
	var m meta
	var commits, revision, total, checksum int64
	if err := d.queryRow(`SELECT commits, revision, records, total, checksum FROM meta`, &commits, &revision, &m.records, &total, &checksum); err != nil {
		return engine.State{}, err
	}
	m.commits, m.revision, m.total = uint64(commits), uint64(revision), uint64(total)
	if m.checksum() != uint64(checksum) {
		return engine.State{}, corrupt("the table meta has a wrong checksum")
	}
	if !d.still && m.commits < d.acked.commit {
		return engine.State{}, corrupt("commits %d to %d were acknowledged but are not there (if you restored an older copy on purpose, delete %s)",
			m.commits+1, d.acked.commit, ackedFile)
	}

	rows, err := d.conn.QueryContext(always, `SELECT key, value, checksum FROM state ORDER BY key`)
	if err != nil {
		return engine.State{}, translate(err)
	}
	defer rows.Close()
	tree := engine.NewTree()
	var sums uint64
	for rows.Next() {
		var key, value sql.RawBytes
		var checksum int64
		if err := rows.Scan(&key, &value, &checksum); err != nil {
			return engine.State{}, translate(err)
		}
		sum := store.Checksum(value)
		if rowChecksum(key, sum) != uint64(checksum) {
			return engine.State{}, corrupt("a record of kind %v has a wrong checksum", store.Key(key).Kind())
		}
		item, err := store.OpenItem(bytes.Clone(value), sum)
		if err != nil {
			return engine.State{}, err
		}
		if item.Kind() != store.Key(key).Kind() {
			return engine.State{}, corrupt("a record of kind %v under a key of kind %v", item.Kind(), store.Key(key).Kind())
		}
		tree.Load(store.Key(key), item)
		sums += uint64(checksum)
	}
	if err := rows.Err(); err != nil {
		return engine.State{}, translate(err)
	}
	if int64(tree.Len()) != m.records || sums != m.total {
		return engine.State{}, corrupt("%d records found, %d expected, or some are not the latest", tree.Len(), m.records)
	}
	d.meta = m
	return engine.State{Tree: tree, Revision: m.revision, Commit: m.commits}, nil
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format+"; restore a backup", append([]any{store.ErrCorrupt}, args...)...)
}

// Commit implements engine.Backend.
func (d *disk) Commit(b *engine.Batch) error {
	if d.still {
		return errors.New("a copy is not written to")
	}
	m := d.meta
	m.commits, m.revision = b.Commit, b.Revision
	err := d.transact(func() error { return d.write(b, &m) })
	if err != nil {
		return err
	}
	d.meta = m
	d.reached(format)
	d.opens.take(d.turns)
	d.acked.write(m.commits)
	d.lastCommit.Store(time.Now().UnixNano())
	return nil
}

func (d *disk) write(b *engine.Batch, m *meta) error {
	if d.version < format {
		for _, s := range append(slices.Clone(schema[len(schemaOf(d.version)):]), fmt.Sprintf(`PRAGMA user_version = %d`, format)) {
			if err := d.exec(s); err != nil {
				return err
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b.Writes)) {
		w, k := b.Writes[key], []byte(key)
		if w.Old != nil {
			m.records--
			m.total -= rowChecksum(k, w.Old.Sum())
		}
		switch {
		case w.New != nil:
			raw, err := w.New.Bytes()
			if err != nil {
				return err
			}
			sum := rowChecksum(k, w.New.Sum())
			if _, err := d.put.ExecContext(always, k, raw, int64(sum)); err != nil {
				return err
			}
			m.records++
			m.total += sum
		case w.Old != nil:
			if _, err := d.drop.ExecContext(always, k); err != nil {
				return err
			}
		}
	}
	d.turns = nil
	if err := d.sealFullest(); err != nil {
		return err
	}
	var t *turn
	for _, block := range d.packer.blocks(b.Entries) {
		if t == nil || t.stream != block.stream {
			var err error
			if t, err = d.turnOf(block.stream, block.first); err != nil {
				return err
			}
		}
		result, err := d.add.ExecContext(always, block.stream, block.first, block.last, block.entries, int64(block.checksum()))
		if err != nil {
			return err
		}
		if block.id, err = result.LastInsertId(); err != nil {
			return err
		}
		if err := d.list(t, &block); err != nil {
			return err
		}
	}
	_, err := d.set.ExecContext(always, int64(m.commits), int64(m.revision), m.records, int64(m.total), int64(m.checksum()))
	return err
}

// transact runs fn in a transaction of the writer.
func (d *disk) transact(fn func() error) error {
	if d.conn == nil {
		return fmt.Errorf("%w: not connected", engine.ErrInDoubt)
	}
	err := d.exec(`BEGIN IMMEDIATE`)
	if err == nil {
		if err = fn(); err == nil {
			err = d.exec(`COMMIT`)
			if d.fault != nil {
				err = d.fault("commit", err)
			}
		}
		if err != nil {
			// SQLite has rolled back by itself after some errors, and then refuses this.
			d.conn.ExecContext(always, `ROLLBACK`)
		}
	}
	if err == nil {
		return nil
	}
	switch resultCode(err) {
	case lib.SQLITE_FULL, lib.SQLITE_BUSY, lib.SQLITE_TOOBIG, lib.SQLITE_NOMEM, lib.SQLITE_CONSTRAINT:
		return translate(err) // it certainly did not happen
	default:
		return fmt.Errorf("%w: %w", engine.ErrInDoubt, translate(err))
	}
}

// Recover implements engine.Backend.
func (d *disk) Recover() (engine.State, error) {
	d.disconnect()
	d.opens.reset()
	state, err := d.connect()
	if err != nil {
		return engine.State{}, err
	}
	// Pages that a failed fsync left behind may be in the kernel's cache only, and count as
	// written. The checkpoint writes all of the WAL again, elsewhere, and syncs that.
	var busy, inLog, moved int
	if err := d.queryRow(`PRAGMA wal_checkpoint(TRUNCATE)`, &busy, &inLog, &moved); err != nil {
		return engine.State{}, err
	}
	if d.fault != nil {
		if err := d.fault("recover", nil); err != nil {
			return engine.State{}, err
		}
	}
	if busy != 0 {
		return engine.State{}, errors.New("checkpoint: the database is in use by another program")
	}
	// The emptied WAL may come back with a power failure, and with it a commit that was just
	// found missing, until something is committed into its new generation. Setting the version
	// to what it is writes a page, and changes nothing.
	if err := d.exec(fmt.Sprintf(`PRAGMA user_version = %d`, d.version)); err != nil {
		return engine.State{}, err
	}
	d.acked.write(state.Commit)
	return state, nil
}

// Close implements engine.Backend.
func (d *disk) Close() error {
	d.closed.Store(true)
	d.sealOpen()
	d.readers.Close() // before the writer's connection, which tidies up
	d.disconnect()
	if d.still {
		return nil
	}
	return errors.Join(d.acked.Close(), d.lock.Close())
}

func (d *disk) exec(statement string) error {
	_, err := d.conn.ExecContext(always, statement)
	return translate(err)
}

func (d *disk) queryRow(query string, into ...any) error {
	err := d.conn.QueryRowContext(always, query).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return corrupt("a row is missing")
	}
	return translate(err)
}

const (
	codeReadOnly = lib.SQLITE_READONLY
	codeFull     = lib.SQLITE_FULL
)

// resultCode is SQLite's primary result code of err, 0 if it has none.
func resultCode(err error) int {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// translate adds store.ErrCorrupt to what SQLite says about damage.
func translate(err error) error {
	switch resultCode(err) {
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_MISMATCH:
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	default:
		return err
	}
}
