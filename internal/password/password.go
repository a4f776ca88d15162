// Package password owns passwords: how one is hashed and compared, and whether it
// meets a password policy. It knows nothing of who has which password; records,
// counting of failures and error codes are package service/iam's, the account's
// policy is package identity's.
//
// Keyboards and systems write one character in several ways. Passwords are hashed in
// Unicode's NFKC form, in which these are the same; hashes made of passwords as they were
// typed go on working.
package password

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
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

func (c Cost) bounded() bool {
	return 0 < c.Memory && c.Memory <= maxMemory && 0 < c.Time && c.Time <= maxTime && 0 < c.Threads && c.Threads <= maxThreads
}

// Recommended is the cost for production: the smallest of the equivalent settings
// in the OWASP Password Storage Cheat Sheet, some 20 ms on one core.
func Recommended() Cost { return Cost{Memory: 7168, Time: 5, Threads: 1} }

// ErrTooLong refuses to hash a password of more than MaxLength characters.
var ErrTooLong = fmt.Errorf("a password has at most %d characters", MaxLength)

// errHash says that a stored hash is not one of ours. It names no part of it.
var errHash = errors.New("stored password hash is malformed")

// ErrBusy refuses to wait for a turn, because enough others do.
var ErrBusy = errors.New("too many passwords are waiting to be hashed")

// MaxWaiting is how many callers may wait for their turn at a Hasher. At the
// recommended cost they are served within seconds; more would wait for longer than
// clients do, and each holds a request's memory.
const MaxWaiting = 64

// Hasher admits a fixed number of callers at a time to hash and compare passwords,
// since that takes tens of megabytes and a core, and lets a bounded number wait.
// It is safe for concurrent use.
type Hasher struct {
	cost  Cost
	keys  func(job) []byte
	slots chan struct{} // one token for each caller at work
	inner chan struct{} // one token for each caller at work or waiting
}

// NewHasher makes a Hasher for new hashes of the given cost, at which at most
// parallel callers (the number of cores) work at a time, in this
// process.
func NewHasher(cost Cost, parallel int) *Hasher {
	parallel = max(parallel, 1)
	return &Hasher{
		cost:  cost,
		keys:  job.derive,
		slots: make(chan struct{}, parallel),
		inner: make(chan struct{}, parallel+MaxWaiting),
	}
}

// Use lets the work be done in processes of their own. It is called before the first Turn.
func (h *Hasher) Use(p *Processes) { h.keys = p.derive }

// Turn waits until the caller may hash and compare, which Done must end. A request
// takes one turn for all its work: it queues once, and what it has begun is not
// thrown away. The error is [ErrBusy], at once, if [MaxWaiting] others wait, or says
// why ctx was done first.
func (h *Hasher) Turn(ctx context.Context) (*Turn, error) {
	select {
	case h.inner <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	select {
	case h.slots <- struct{}{}:
		return &Turn{h}, nil
	case <-ctx.Done():
		<-h.inner
		return nil, fmt.Errorf("wait for a turn to hash: %w", context.Cause(ctx))
	}
}

// Turn is the permission to use one core for hashing and comparing. It serves one
// goroutine.
type Turn struct{ hasher *Hasher }

// Done ends the turn. It is called once.
func (t *Turn) Done() {
	<-t.hasher.slots
	<-t.hasher.inner
}

// Hash returns the hash of a password as a PHC string, with a salt drawn from rand.
func (t *Turn) Hash(password string, rand io.Reader) (string, error) {
	if tooLong(password) {
		return "", ErrTooLong
	}
	salt := make([]byte, saltBytes)
	if _, err := io.ReadFull(rand, salt); err != nil {
		return "", fmt.Errorf("draw salt: %w", err)
	}
	p := phc{Cost: t.hasher.cost, salt: salt}
	p.key = t.derive(p, normal(password), keyBytes)
	return p.String(), nil
}

func normal(password string) string { return norm.NFKC.String(password) }

// Matches tells whether password is the one that stored was made from. The cost is
// that of the stored hash. An error means that stored is not a hash.
func (t *Turn) Matches(password, stored string) (bool, error) {
	p, err := parse(stored)
	if err != nil {
		return false, err
	}
	if tooLong(password) {
		return false, nil
	}
	return t.matches(p, password), nil
}

// matches compares as normalized, and as typed where that is something else. The work
// depends on the password and the cost alone.
func (t *Turn) matches(p phc, password string) bool {
	form := normal(password)
	same := subtle.ConstantTimeCompare(t.derive(p, form, len(p.key)), p.key)
	if form != password {
		same |= subtle.ConstantTimeCompare(t.derive(p, password, len(p.key)), p.key)
	}
	return same == 1
}

// derive computes the key of n bytes of a password, with the salt and at the cost of p.
func (t *Turn) derive(p phc, password string, n int) []byte {
	return t.hasher.keys(job{Cost: p.Cost, Password: []byte(password), Salt: p.salt, Bytes: n})
}

// Pretend does the work of Matches where there is no hash, because nobody has the name
// that was typed: so that the time of the answer does not tell.
func (t *Turn) Pretend(password string) {
	if tooLong(password) {
		return
	}
	p := phc{Cost: t.hasher.cost, salt: make([]byte, saltBytes), key: make([]byte, keyBytes)}
	t.matches(p, password)
}

// Outdated tells whether a stored hash was made at another cost than new ones are, so that
// it should be made anew when the password is at hand.
func (t *Turn) Outdated(stored string) bool {
	p, err := parse(stored)
	return err != nil || p.Cost != t.hasher.cost
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

func deriveKey(password, salt []byte, c Cost, n int) []byte {
	return argon2.IDKey(password, salt, c.Time, c.Memory, c.Threads, uint32(n))
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
	if !p.bounded() {
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
