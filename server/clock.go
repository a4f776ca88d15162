package server

import (
	"sync/atomic"
	"time"
)

// clock is the server's time: a base clock, moved by an offset that only the
// development clock sets.
type clock struct {
	base   func() time.Time
	offset atomic.Int64
}

func (c *clock) Now() time.Time { return c.base().Add(time.Duration(c.offset.Load())) }

// Set moves the clock so that it now shows t; it goes on from there.
func (c *clock) Set(t time.Time) { c.offset.Store(int64(t.Sub(c.base()))) }

// Advance moves the clock by d.
func (c *clock) Advance(d time.Duration) { c.offset.Add(int64(d)) }

// Reset makes the clock show the base's time again.
func (c *clock) Reset() { c.offset.Store(0) }
