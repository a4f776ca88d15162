package endpoint

import (
	"sync"
	"time"
)

// Anyone can send requests that name an access key and are not signed with its
// secret. They are recorded in the trail of the key's account, where someone
// looks who wants to know of guesses; but a stranger must not be able to fill the
// disk with them, which would end all changes. So their number is limited: after
// a thousand, one a second. A day of it is some 60 MB.
const (
	strangersAtOnce = 1000
	strangersEvery  = time.Second
)

// allowance is a token bucket. The zero value is full.
type allowance struct {
	mu   sync.Mutex
	debt time.Duration // how long until the bucket is full again
	last time.Time
}

// take tells whether one more is within the allowance.
func (a *allowance) take(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	// A clock that steps back gives nothing and takes nothing.
	if passed := now.Sub(a.last); passed > 0 {
		a.debt = max(0, a.debt-passed)
	}
	a.last = now
	if a.debt > (strangersAtOnce-1)*strangersEvery {
		return false
	}
	a.debt += strangersEvery
	return true
}
