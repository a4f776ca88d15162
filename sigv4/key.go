package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
	"sync"
	"sync/atomic"
)

// SigningKey derives the key that signs for one day (yyyymmdd), region and
// service from a secret access key.
func SigningKey(secret, date, region, service string) [32]byte {
	key := []byte("AWS4" + secret)
	for _, part := range [...]string{date, region, service, terminator} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return [32]byte(key)
}

// signer computes signatures with one signing key. It keeps one keyed HMAC
// ready: re-keying costs three times what reusing it does. Concurrent users of
// the same key that find it taken make their own.
type signer struct {
	key   [32]byte
	spare atomic.Pointer[hash.Hash]
}

// sign leaves the signature of s.toSign, in hex, in s.signature.
func (k *signer) sign(s *scratch) {
	mac := k.spare.Swap(nil)
	if mac == nil {
		fresh := hmac.New(sha256.New, k.key[:])
		mac = &fresh
	}
	(*mac).Reset()
	(*mac).Write(s.toSign)
	s.raw = (*mac).Sum(s.raw[:0])
	k.spare.Store(mac)
	s.signature = hex.AppendEncode(s.signature[:0], s.raw)
}

// keyID names a derived key.
type keyID struct{ accessKeyID, date, region, service string }

// keyCache holds derived keys, at most max of them. Only keys that have made a
// valid signature get in, so strangers cannot push others out.
type keyCache struct {
	mu   sync.RWMutex
	keys map[keyID]*signer
	max  int
	// forgotten counts calls of forget: a key derived before one must not get in
	// after it.
	forgotten uint64
}

// get returns the key or nil, and the mark that add wants.
func (c *keyCache) get(id keyID) (*signer, uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.keys[id], c.forgotten
}

// add keeps a key, unless keys have been forgotten since mark.
func (c *keyCache) add(id keyID, k *signer, mark uint64) {
	// The parts are slices of a request's headers, which the cache must not pin.
	id = keyID{strings.Clone(id.accessKeyID), strings.Clone(id.date), strings.Clone(id.region), strings.Clone(id.service)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forgotten != mark {
		return
	}
	if len(c.keys) >= c.max {
		for victim := range c.keys { // any will do: yesterday's keys are the bulk of a full cache
			delete(c.keys, victim)
			break
		}
	}
	c.keys[id] = k
}

func (c *keyCache) forget(accessKeyID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgotten++
	for id := range c.keys {
		if id.accessKeyID == accessKeyID {
			delete(c.keys, id)
		}
	}
}
