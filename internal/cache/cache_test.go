package cache_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/lanyard-iam/lanyard/internal/cache"
)

func TestHoldsNoMoreThanItsLimit(t *testing.T) {
	c := cache.New[string, int](1000)
	for i := range 100_000 {
		c.Put(fmt.Sprint(i), i)
	}
	if n := c.Len(); n > 1000 {
		t.Errorf("holds %d entries, limit 1000", n)
	}
}

func TestWhatIsUsedStays(t *testing.T) {
	c := cache.New[string, int](1000)
	c.Put("used", 1)
	for i := range 100_000 {
		c.Put(fmt.Sprint(i), i)
		if _, ok := c.Get("used"); !ok {
			t.Fatalf("lost after %d other entries although used all the time", i)
		}
	}
}

func TestDeleteForgetsBothGenerations(t *testing.T) {
	c := cache.New[string, int](32)
	c.Put("k", 1)
	for i := range 40 {
		c.Put(fmt.Sprint(i), i)
	}
	c.Put("k", 2)
	c.Delete("k")
	if v, ok := c.Get("k"); ok {
		t.Errorf("k = %d after Delete", v)
	}
}

func TestConcurrentUse(t *testing.T) {
	c := cache.New[string, int](64)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				k := fmt.Sprint((i * g) % 100)
				if v, ok := c.Get(k); ok && fmt.Sprint(v) != k {
					t.Errorf("key %s holds %d", k, v)
				}
				var n int
				fmt.Sscan(k, &n)
				c.Put(k, n)
			}
		})
	}
	wg.Wait()
}
