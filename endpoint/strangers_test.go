package endpoint

import (
	"testing"
	"time"
)

func TestAllowance(t *testing.T) {
	var a allowance
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	taken := func(n int) (got int) {
		for range n {
			if a.take(now) {
				got++
			}
		}
		return got
	}
	for _, step := range []struct {
		pass      time.Duration
		ask, want int
	}{
		{0, 2000, strangersAtOnce},
		{0, 1, 0},
		{10 * strangersEvery, 100, 10},
		{-time.Hour, 10, 0}, // the clock steps back: nothing is won
		{time.Hour, 5000, strangersAtOnce},
		{strangersEvery / 2, 1, 0},
		{strangersEvery / 2, 2, 1},
	} {
		now = now.Add(step.pass)
		if got := taken(step.ask); got != step.want {
			t.Errorf("after %s, %d of %d are within the allowance, want %d", step.pass, got, step.ask, step.want)
		}
	}
}
