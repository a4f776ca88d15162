package keyring

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Credential is the name of the seal key among systemd's credentials
// (LoadCredential=, see systemd.exec(5)).
const Credential = "lanyard.seal-key"

// maxSealKeyBytes bounds what is read from a file: the key is 44 characters.
const maxSealKeyBytes = 1 << 10

var (
	// ErrNoSealKey: no source has a seal key.
	ErrNoSealKey = errors.New("keyring: there is no seal key")
	// ErrInvalidSealKey: the text is not 32 random bytes in base64.
	ErrInvalidSealKey = errors.New("keyring: a seal key is 32 random bytes in base64")
	// ErrExposed: a seal key's file can be read by others than its owner.
	ErrExposed = errors.New("keyring: the seal key's file can be read by other users")
)

// SealKey seals the ring: 32 random bytes that are kept apart from the database.
type SealKey struct{ secret [secretBytes]byte }

// GenerateSealKey makes a seal key.
func GenerateSealKey(rand io.Reader) (SealKey, error) {
	var k SealKey
	if _, err := io.ReadFull(rand, k.secret[:]); err != nil {
		return SealKey{}, fmt.Errorf("keyring: make a seal key: %w", err)
	}
	return k, nil
}

// ParseSealKey reads a seal key in base64 (RFC 4648, section 4); white space around it is
// ignored. The error does not contain the text.
func ParseSealKey(text string) (SealKey, error) {
	b, err := textEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != secretBytes || bytes.Count(b, b[:1]) == len(b) {
		return SealKey{}, ErrInvalidSealKey
	}
	return SealKey{[secretBytes]byte(b)}, nil
}

// Text returns the key in base64. It is the secret itself.
func (k SealKey) Text() string { return textEncoding.EncodeToString(k.secret[:]) }

// Format keeps the key out of logs, whatever the verb.
func (k SealKey) Format(f fmt.State, _ rune) { io.WriteString(f, "keyring.SealKey") }

func (k SealKey) aead() cipher.AEAD { return newXAES(expand(k.secret[:], labelSealing, secretBytes)) }

// tag tells seal keys apart without saying anything about them.
func (k SealKey) tag() [sealTagBytes]byte {
	return [sealTagBytes]byte(expand(k.secret[:], "lanyard keyring tag", sealTagBytes))
}

// ID tells seal keys apart, for people. It says nothing about the key.
func (k SealKey) ID() string {
	tag := k.tag()
	return hex.EncodeToString(tag[:])
}

// SealKeyID is the ID of the seal key that opens a ring that Marshal made.
func SealKeyID(blob []byte) (string, error) {
	if len(blob) < 1+sealTagBytes {
		return "", fmt.Errorf("%w: a ring of %d bytes", ErrDamaged, len(blob))
	}
	if blob[0] > ringVersion {
		return "", fmt.Errorf("%w: version %d", ErrNewer, blob[0])
	}
	return hex.EncodeToString(blob[1 : 1+sealTagBytes]), nil
}

// Source says where to look for the seal key, in this order. Empty fields are skipped.
type Source struct {
	File                 string // path of a file
	Value                string // the key itself, from an environment variable
	CredentialsDirectory string // systemd's $CREDENTIALS_DIRECTORY
}

// FromEnvironment is the origin of a key that is a Source's Value.
const FromEnvironment = "environment"

// Find returns the seal key of the first source that has one, and says which that was. A
// source that has a bad one is an error: falling through to the next would hide it.
func (s Source) Find() (key SealKey, origin string, err error) {
	if s.File != "" {
		key, err = ReadSealKey(s.File)
		if !errors.Is(err, fs.ErrNotExist) {
			return key, s.File, err
		}
	}
	if s.Value != "" {
		key, err = ParseSealKey(s.Value)
		return key, FromEnvironment, err
	}
	if s.CredentialsDirectory != "" {
		path := filepath.Join(s.CredentialsDirectory, Credential)
		// systemd gives access by an ACL, which shows as group permissions.
		key, err = readSealKey(path, 0o007)
		if !errors.Is(err, fs.ErrNotExist) {
			return key, path, err
		}
	}
	return SealKey{}, "", ErrNoSealKey
}

// ReadSealKey reads a seal key from a file, which nobody but its owner may have any
// permission for; otherwise it fails with [ErrExposed].
func ReadSealKey(path string) (SealKey, error) { return readSealKey(path, 0o077) }

func readSealKey(path string, forbidden fs.FileMode) (SealKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return SealKey{}, fmt.Errorf("keyring: seal key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return SealKey{}, fmt.Errorf("keyring: seal key: %w", err)
	case !info.Mode().IsRegular():
		return SealKey{}, fmt.Errorf("%w: %s is not a file", ErrInvalidSealKey, path)
	case info.Mode().Perm()&forbidden != 0:
		return SealKey{}, fmt.Errorf("%w: %s has mode %04o; run: chmod 600 %s", ErrExposed, path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSealKeyBytes))
	if err != nil {
		return SealKey{}, fmt.Errorf("keyring: seal key: %w", err)
	}
	key, err := ParseSealKey(string(text))
	if err != nil {
		return SealKey{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// WriteSealKey writes the key to a new file with mode 0600, whatever the umask, and syncs it.
// It fails with fs.ErrExist rather than replace a file: that might hold the only key to a
// database.
func WriteSealKey(path string, key SealKey) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("keyring: seal key: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(path)
			err = fmt.Errorf("keyring: seal key: %w", err)
		}
	}()
	_, err = f.WriteString(key.Text() + "\n")
	if err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
