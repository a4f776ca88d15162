package session

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/internal/cache"
	"github.com/lanyard-iam/lanyard/keyring"
)

// MaxToken is the longest session token in characters. AWS says that no maximum
// may be assumed; ours is well above what PackedBudget lets a token grow to and
// leaves room in the header block of a request.
const MaxToken = 8 << 10

// ErrInvalid is the only error of Open: it does not tell a forged token from a
// truncated one, from one of another access key or installation, or from one
// whose key is retired.
var ErrInvalid = errors.New("session token is invalid")

// Credentials are what the owner of a session gets.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Expires         time.Time
}

// Codec makes and opens session tokens with the token keys of a ring. It is safe
// for concurrent use.
//
// A token is the base64 of
//
//	magic (3) version (1) token key id (4) nonce (24) sealed session (…) tag (16)
//
// sealed with XAES-256-GCM, whose nonces may be drawn at random without a limit. The associated data are the bytes before the nonce and
// the access key id, so that a token opens only together with the access key id
// that was issued with it. The magic makes every token begin with "Lany", by
// which scanners for leaked secrets can know it.
type Codec struct {
	ring *keyring.Ring
	// opened remembers the sessions of tokens that were opened lately, by the digest of
	// access key id and token. A session follows from these two alone, as long as the
	// ring has the key; what may end it otherwise is judged elsewhere, each time.
	opened *cache.Cache[digest, *Session]
}

type digest = [sha256.Size]byte

// maxOpened bounds the sessions that a Codec remembers: about 1 KB each, at most 8.
const maxOpened = 2048

// NewCodec returns a Codec with the token keys of a ring.
func NewCodec(ring *keyring.Ring) *Codec {
	return &Codec{ring: ring, opened: cache.New[digest, *Session](maxOpened)}
}

// The layout of a token.
const (
	magic    = "\x2d\xa9\xf2" // "Lany" in base64
	version1 = 1
	version2 = 2 // knows the origin of chains
	version3 = 3 // knows console sessions
	version4 = 4 // knows bearers

	tokenKeyAt = len(magic) + 1
	nonceAt    = tokenKeyAt + 4
	nonceSize  = 24
	sealedAt   = nonceAt + nonceSize
	tagSize    = 16

	accessKeyIDSize = 20
	secretSize      = 30 // bytes: 40 characters of base64
	adSize          = nonceAt + accessKeyIDSize
	randomSize      = nonceSize + len(Session{}.ID) + 10 // and the body of an access key id
	maxSealed       = MaxToken / 4 * 3
)

// tokenText refuses trailing bits that encode nothing: without Strict, several
// spellings of the last character would be the same token.
var tokenText = base64.RawStdEncoding.Strict()

// Mint makes the credentials of a new session. It sets ID and AccessKeyID, makes a session
// that is no copy of another its own bearer, and cuts Issued, Expires and MFATime to seconds, as the token holds them. rand must
// be crypto/rand's, or credentials can be guessed.
func (c *Codec) Mint(s *Session, rand io.Reader) (Credentials, error) {
	random := make([]byte, randomSize)
	if _, err := io.ReadFull(rand, random); err != nil {
		return Credentials{}, fmt.Errorf("draw session id: %w", err)
	}
	nonce, body := random[:nonceSize], random[nonceSize+copy(s.ID[:], random[nonceSize:]):]
	if s.Bearer == ([16]byte{}) {
		s.Bearer = s.ID
	}
	var err error
	if s.AccessKeyID, err = arn.NewAccessKeyID(arn.PrefixSessionKey, s.Account, bytes.NewReader(body)); err != nil {
		return Credentials{}, err
	}
	s.Issued = s.Issued.UTC().Truncate(time.Second)
	s.Expires = s.Expires.UTC().Truncate(time.Second)
	s.MFATime = s.MFATime.UTC().Truncate(time.Second)

	if s.key = c.ring.Active(keyring.SessionTokens); s.key == nil {
		return Credentials{}, errors.New("the keyring has no key for session tokens")
	}
	buf := make([]byte, adSize, adSize+sealedAt+s.sizeBound()+tagSize)
	buf = append(buf, magic...)
	buf = append(buf, version4)
	buf = binary.BigEndian.AppendUint32(buf, s.key.ID())
	buf = append(buf, nonce...)
	if buf, err = s.append(buf); err != nil {
		return Credentials{}, err
	}
	token := buf[adSize:]
	if len(token)+tagSize > maxSealed {
		return Credentials{}, fmt.Errorf("session of %d bytes is too large for a token", len(token))
	}
	plain := token[sealedAt:]
	sealed := s.key.AEAD().Seal(plain[:0], token[nonceAt:sealedAt], plain, associated(buf, token, s.AccessKeyID))
	token = token[:sealedAt+len(sealed)]
	return Credentials{
		AccessKeyID:     s.AccessKeyID,
		SecretAccessKey: c.Secret(s),
		SessionToken:    tokenText.EncodeToString(token),
		Expires:         s.Expires,
	}, nil
}

// Open returns the session of a token, if accessKeyID was issued with it. It does
// not judge whether the session has expired or been revoked. The session is shared by
// all who open the token: it is read only.
func (c *Codec) Open(accessKeyID, token string) (*Session, error) {
	// The decoder would skip line breaks, which makes a second spelling.
	if len(token) > MaxToken || len(accessKeyID) != accessKeyIDSize || strings.ContainsAny(token, "\r\n") {
		return nil, ErrInvalid
	}
	var text [1024]byte // no end of either can pose as the other's: the id's size is fixed
	id := sha256.Sum256(append(append(text[:0], accessKeyID...), token...))
	if s, ok := c.opened.Get(id); ok {
		if _, ok := c.ring.Key(keyring.SessionTokens, s.key.ID()); !ok {
			c.opened.Delete(id)
			return nil, ErrInvalid // retired
		}
		return s, nil
	}
	n := tokenText.DecodedLen(len(token))
	if n < sealedAt+tagSize {
		return nil, ErrInvalid
	}
	buf := make([]byte, adSize, adSize+n)
	buf, err := tokenText.AppendDecode(buf, []byte(token))
	if err != nil {
		return nil, ErrInvalid
	}
	b := buf[adSize:]
	version := b[len(magic)]
	if string(b[:len(magic)]) != magic || version < version1 || version > version4 {
		return nil, ErrInvalid
	}
	key, ok := c.ring.Key(keyring.SessionTokens, binary.BigEndian.Uint32(b[tokenKeyAt:]))
	if !ok {
		return nil, ErrInvalid
	}
	plain, err := key.AEAD().Open(b[sealedAt:sealedAt], b[nonceAt:sealedAt], b[sealedAt:], associated(buf, b, accessKeyID))
	if err != nil {
		return nil, ErrInvalid
	}
	s, ok := parse(version, string(plain))
	if !ok {
		return nil, ErrInvalid
	}
	s.AccessKeyID = strings.Clone(accessKeyID)
	s.key = key
	c.opened.Put(id, s)
	return s, nil
}

// Secret derives the secret access key of a session that Mint or Open yielded: 40
// characters, as AWS's are.
func (c *Codec) Secret(s *Session) string {
	if s.key == nil {
		panic("session: secret of a session that has no token")
	}
	info := append(s.ID[:], s.AccessKeyID...)
	return base64.StdEncoding.EncodeToString(s.key.Derive("session secret", info, secretSize))
}

// associated writes the associated data into the space that buf begins with.
func associated(buf, token []byte, accessKeyID string) []byte {
	copy(buf[:nonceAt], token)
	copy(buf[nonceAt:adSize], accessKeyID)
	return buf[:adSize]
}
