package authn

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/cache"
)

// How many failures an address and its neighbours have. What is right costs nothing, so
// that an office behind one address can come in; who guesses at many names does not get
// far. These are kept in memory: they slow guessing down, the counts of persons end it.
const (
	addressBurst = 30
	addressRate  = rate.Limit(1.0 / 10)
	subnetBurst  = 120
	subnetRate   = rate.Limit(1.0 / 2)
	subnetBits4  = 24
	subnetBits6  = 64 // whoever has one address of it has them all

	maxAddresses = 8192 // of each kind, about a megabyte
)

// budgets are the budgets of failures by address. A visitor on the host itself has none:
// that may be a proxy, behind which everybody is, and whoever is behind it could shut all
// others out. What they can cost is bounded otherwise: passwords by the turns of hashing
// and the counts of names, passkeys by the turns of SignIns.judge, all together by the
// count of the installation.
type budgets struct {
	mu        sync.Mutex
	addresses *cache.Cache[netip.Prefix, *rate.Limiter]
	subnets   *cache.Cache[netip.Prefix, *rate.Limiter]
}

func newBudgets() *budgets {
	return &budgets{
		addresses: cache.New[netip.Prefix, *rate.Limiter](maxAddresses),
		subnets:   cache.New[netip.Prefix, *rate.Limiter](maxAddresses),
	}
}

// reset gives everybody their budget back.
func (b *budgets) reset() {
	fresh := newBudgets()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addresses, b.subnets = fresh.addresses, fresh.subnets
}

// take spends one failure of the budgets, until it is given back. A zero giveBack means
// that there is none left; until is when there will be.
func (b *budgets) take(from netip.Addr, now time.Time) (giveBack func(), until time.Time) {
	from = from.Unmap()
	if !from.IsValid() || from.IsLoopback() {
		return func() {}, time.Time{}
	}
	bits := subnetBits4
	if from.Is6() {
		bits = subnetBits6
	}
	subnet, err := from.WithZone("").Prefix(bits)
	if err != nil {
		return func() {}, time.Time{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	first, until := reserve(b.addresses, netip.PrefixFrom(from.WithZone(""), from.BitLen()), addressRate, addressBurst, now)
	if first == nil {
		return nil, until
	}
	second, until := reserve(b.subnets, subnet, subnetRate, subnetBurst, now)
	if second == nil {
		first.CancelAt(now)
		return nil, until
	}
	return func() {
		first.CancelAt(now)
		second.CancelAt(now)
	}, time.Time{}
}

func reserve(of *cache.Cache[netip.Prefix, *rate.Limiter], key netip.Prefix, limit rate.Limit, burst int, now time.Time) (*rate.Reservation, time.Time) {
	limiter, ok := of.Get(key)
	if !ok {
		limiter = rate.NewLimiter(limit, burst)
		of.Put(key, limiter)
	}
	r := limiter.ReserveN(now, 1)
	if d := r.DelayFrom(now); d > 0 {
		r.CancelAt(now)
		return nil, now.Add(d)
	}
	return r, time.Time{}
}

// strangers counts attempts at names that nobody has, as those at names that somebody has
// are counted, so that being throttled does not tell which are which. It forgets at a
// restart and, of very many, the oldest.
type strangers struct {
	mu     sync.Mutex
	counts *cache.Cache[string, identity.Throttle]
}

const maxStrangers = 16384

func newStrangers() *strangers {
	return &strangers{counts: cache.New[string, identity.Throttle](maxStrangers)}
}

// reset forgets everybody.
func (s *strangers) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts = newStrangers().counts
}

// get is the count of a name.
func (s *strangers) get(name string) identity.Throttle {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, _ := s.counts.Get(identity.Digest(name))
	return t
}

// count counts an attempt, unless the name has to wait.
func (s *strangers) count(name string, now time.Time) identity.Throttle {
	key := identity.Digest(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	t, _ := s.counts.Get(key)
	if now.Before(t.Until) || t.Failures >= maxPasswordFailures {
		return t
	}
	s.counts.Put(key, failure(t, now))
	return t
}
