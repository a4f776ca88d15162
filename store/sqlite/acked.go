package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/lanyard-iam/lanyard/store"
)

// ackedBytes: commit number and checksum, 8 bytes each. They lie in one disk sector, which
// is written whole or not at all.
const ackedBytes = 16

// acked remembers the last acknowledged commit outside of the database, so that a
// database which has lost commits is noticed.
type acked struct {
	file   *os.File
	commit uint64
}

func openAcked(path string) (*acked, error) {
	f, err := openPrivate(path)
	if err != nil {
		return nil, err
	}
	a := &acked{file: f}
	if err := a.read(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

func (a *acked) read() error {
	var b [ackedBytes + 1]byte
	switch n, err := io.ReadFull(a.file, b[:]); {
	case n == 0 && errors.Is(err, io.EOF):
		// Made just now. It gets its full size and is synced, so that later writes change
		// a sector in place.
		a.write(0)
		return a.file.Sync()
	case n != ackedBytes:
		return fmt.Errorf("%w: %d bytes", store.ErrCorrupt, n)
	}
	if store.Checksum(b[:8]) != binary.BigEndian.Uint64(b[8:]) {
		return fmt.Errorf("%w: wrong checksum", store.ErrCorrupt)
	}
	a.commit = binary.BigEndian.Uint64(b[:8])
	return nil
}

// write notes that commit is durable. It may fail: an older number is true as well.
func (a *acked) write(commit uint64) {
	var b [ackedBytes]byte
	binary.BigEndian.PutUint64(b[:8], commit)
	binary.BigEndian.PutUint64(b[8:], store.Checksum(b[:8]))
	a.file.WriteAt(b[:], 0)
	a.commit = commit
}

func (a *acked) Close() error { return a.file.Close() }
