// Package cache owns one bounded cache: a map in two generations. It holds no
// rule about what is cached or when it is stale; callers check that on every hit.
package cache

import (
	"hash/maphash"
	"sync"
)

const shards = 16

// Cache is a bounded map, safe for concurrent use. When the young generation is
// full it becomes the old one and the old one is dropped, so that what is used
// often stays and at most limit entries are held; there is no list to maintain on
// a hit.
type Cache[K comparable, V any] struct {
	seed   maphash.Seed
	shards [shards]shard[K, V]
	limit  int // per generation and shard
}

type shard[K comparable, V any] struct {
	mu         sync.RWMutex
	young, old map[K]V
}

// New makes a cache of at most limit entries.
func New[K comparable, V any](limit int) *Cache[K, V] {
	c := &Cache[K, V]{seed: maphash.MakeSeed(), limit: max(1, limit/(2*shards))}
	for i := range c.shards {
		c.shards[i].young = make(map[K]V)
	}
	return c
}

func (c *Cache[K, V]) shard(key K) *shard[K, V] {
	return &c.shards[maphash.Comparable(c.seed, key)%shards]
}

// Get returns what is kept under key.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	s := c.shard(key)
	s.mu.RLock()
	v, ok := s.young[key]
	if ok {
		s.mu.RUnlock()
		return v, true
	}
	v, ok = s.old[key]
	s.mu.RUnlock()
	if ok {
		c.Put(key, v) // used again: survives the next turn
	}
	return v, ok
}

// Put keeps v under key.
func (c *Cache[K, V]) Put(key K, v V) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.young) >= c.limit {
		if _, ok := s.young[key]; !ok {
			s.old, s.young = s.young, make(map[K]V)
		}
	}
	delete(s.old, key)
	s.young[key] = v
}

// Delete forgets what is kept under key.
func (c *Cache[K, V]) Delete(key K) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.young, key)
	delete(s.old, key)
}

// Len is how many entries are held.
func (c *Cache[K, V]) Len() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += len(s.young) + len(s.old)
		s.mu.RUnlock()
	}
	return n
}
