// Package password owns passwords: how one is hashed and compared, and whether it
// meets a password policy. It knows nothing of who has which password; records,
// counting of failures and error codes are package service/iam's, the account's
// policy is package identity's.
//
// Passwords are taken byte for byte. Unicode normalization (NFKC) is not applied:
// IAM admits only U+0020–U+00FF in passwords, where people's keyboards produce the
// composed form.
package password

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
)

// MaxLength is the longest password, in characters, that IAM's model admits. Longer
// ones are refused before they are hashed, so that nobody buys much hashing with
// one request.
const MaxLength = 128

const (
	saltBytes = 16 // RFC 9106, 3.1
	keyBytes  = 32

	// Bounds of the parameters accepted in a stored hash: a damaged record must
	// not be able to ask for all memory.
	maxMemory  = 1 << 20 // KiB
	maxTime    = 64
	maxThreads = 16
)

// Cost is how expensive one guess is: argon2id's parameters.
type Cost struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8
}

// Recommended is the cost for production: the smallest of the equivalent settings
// in the OWASP Password Storage Cheat Sheet, some 20 ms on one core.
func Recommended() Cost { return Cost{Memory: 19456, Time: 2, Threads: 1} }

// ErrTooLong refuses to hash a password of more than MaxLength characters.
var ErrTooLong = fmt.Errorf("a password has at most %d characters", MaxLength)

// errHash says that a stored hash is not one of ours. It names no part of it.
var errHash = errors.New("stored password hash is malformed")

// Hasher hashes and compares passwords, at most a fixed number at a time: each
// takes tens of megabytes and a core, and callers beyond that number wait.
// It is safe for concurrent use.
type Hasher struct {
	cost  Cost
	slots chan struct{}
}

// NewHasher makes a Hasher for new hashes of the given cost, of which at most
// parallel (the number of cores) run at a time.
func NewHasher(cost Cost, parallel int) *Hasher {
	return &Hasher{cost: cost, slots: make(chan struct{}, max(parallel, 1))}
}

// Hash returns the hash of a password as a PHC string, with a salt drawn from rand.
func (h *Hasher) Hash(password string, rand io.Reader) (string, error) {
	if tooLong(password) {
		return "", ErrTooLong
	}
	salt := make([]byte, saltBytes)
	if _, err := io.ReadFull(rand, salt); err != nil {
		return "", fmt.Errorf("draw salt: %w", err)
	}
	p := phc{Cost: h.cost, salt: salt}
	p.key = h.derive(password, p.Cost, salt, keyBytes)
	return p.String(), nil
}

// Matches tells whether password is the one that stored was made from. The cost is
// that of the stored hash. An error means that stored is not a hash.
func (h *Hasher) Matches(password, stored string) (bool, error) {
	p, err := parse(stored)
	if err != nil {
		return false, err
	}
	if tooLong(password) {
		return false, nil
	}
	key := h.derive(password, p.Cost, p.salt, uint32(len(p.key)))
	return subtle.ConstantTimeCompare(key, p.key) == 1, nil
}

func (h *Hasher) derive(password string, c Cost, salt []byte, n uint32) []byte {
	h.slots <- struct{}{}
	defer func() { <-h.slots }()
	return argon2.IDKey([]byte(password), salt, c.Time, c.Memory, c.Threads, n)
}

func tooLong(password string) bool {
	return len(password) > MaxLength && len([]rune(password)) > MaxLength
}

// phc is a hash in the PHC string format:
// $argon2id$v=19$m=19456,t=2,p=1$salt$key
type phc struct {
	Cost
	salt, key []byte
}

func (p phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.Memory, p.Time, p.Threads,
		base64.RawStdEncoding.EncodeToString(p.salt), base64.RawStdEncoding.EncodeToString(p.key))
}

func parse(s string) (phc, error) {
	part := strings.Split(s, "$")
	if len(part) != 6 || part[0] != "" || part[1] != "argon2id" || part[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return phc{}, errHash
	}
	var p phc
	if _, err := fmt.Sscanf(part[3], "m=%d,t=%d,p=%d", &p.Memory, &p.Time, &p.Threads); err != nil {
		return phc{}, errHash
	}
	if p.Memory == 0 || p.Memory > maxMemory || p.Time == 0 || p.Time > maxTime || p.Threads == 0 || p.Threads > maxThreads {
		return phc{}, errHash
	}
	encoding := base64.RawStdEncoding.Strict()
	var err1, err2 error
	p.salt, err1 = encoding.DecodeString(part[4])
	p.key, err2 = encoding.DecodeString(part[5])
	if err1 != nil || err2 != nil || len(p.salt) < 8 || len(p.salt) > 64 || len(p.key) < 16 || len(p.key) > 64 {
		return phc{}, errHash
	}
	if p.String() != s { // exactly one spelling of each hash
		return phc{}, errHash
	}
	return p, nil
}
