package authn

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/lanyard-iam/lanyard/internal/cache"
)

// How many failures an address and its neighbours have. What is right costs nothing, so
// that an office behind one address can come in; who guesses at many names does not get
// far. They slow guessing down, the counts of persons end it. They are kept in memory; those
// that are spent are kept in the store, too, so that a restart gives nothing back.
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
	addresses *cache.Cache[netip.Prefix, *budget]
	subnets   *cache.Cache[netip.Prefix, *budget]
	recalled  bool // what the store has of earlier
}

// budget is that of an address or a subnet. kept is until when the store says that it is
// spent.
type budget struct {
	*rate.Limiter
	kept time.Time
}

// spent is a budget that has just been spent, and when all of it will be there again.
type spent struct {
	prefix netip.Prefix
	until  time.Time
}

func newBudgets() *budgets {
	return &budgets{
		addresses: cache.New[netip.Prefix, *budget](maxAddresses),
		subnets:   cache.New[netip.Prefix, *budget](maxAddresses),
	}
}

// reset gives everybody their budget back.
func (b *budgets) reset() {
	fresh := newBudgets()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addresses, b.subnets, b.recalled = fresh.addresses, fresh.subnets, false
}

// take is [SignIns.spend] in memory. gone is set when the store has to be told.
func (b *budgets) take(from netip.Addr, now time.Time) (giveBack func(), until time.Time, gone spent) {
	from = from.Unmap()
	if !from.IsValid() || from.IsLoopback() {
		return func() {}, time.Time{}, spent{}
	}
	bits := subnetBits4
	if from.Is6() {
		bits = subnetBits6
	}
	subnet, err := from.WithZone("").Prefix(bits)
	if err != nil {
		return func() {}, time.Time{}, spent{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	first, until, gone := b.reserve(netip.PrefixFrom(from.WithZone(""), from.BitLen()), now)
	if first == nil {
		return nil, until, gone
	}
	second, until, gone := b.reserve(subnet, now)
	if second == nil {
		first.CancelAt(now)
		return nil, until, gone
	}
	return func() {
		first.CancelAt(now)
		second.CancelAt(now)
	}, time.Time{}, spent{}
}

// of finds the budget of an address or, of more than one, of a subnet.
func (b *budgets) of(prefix netip.Prefix) *budget {
	all, limit, burst := b.subnets, subnetRate, subnetBurst
	if prefix.IsSingleIP() {
		all, limit, burst = b.addresses, addressRate, addressBurst
	}
	found, ok := all.Get(prefix)
	if !ok {
		found = &budget{Limiter: rate.NewLimiter(limit, burst)}
		all.Put(prefix, found)
	}
	return found
}

func (b *budgets) reserve(prefix netip.Prefix, now time.Time) (*rate.Reservation, time.Time, spent) {
	of := b.of(prefix)
	r := of.ReserveN(now, 1)
	d := r.DelayFrom(now)
	if d <= 0 {
		return r, time.Time{}, spent{}
	}
	r.CancelAt(now)
	var gone spent
	if !now.Before(of.kept) {
		of.kept = now.Add(of.refill(float64(of.Burst()) - of.TokensAt(now)))
		gone = spent{prefix, of.kept}
	}
	return nil, now.Add(d), gone
}

// refill is how long a budget takes to get so many failures back.
func (b *budget) refill(failures float64) time.Duration {
	return time.Duration(failures / float64(b.Limit()) * float64(time.Second))
}

// spent takes a budget away that will not be there in full before until.
func (b *budgets) spent(prefix netip.Prefix, until, now time.Time) {
	left := until.Sub(now)
	if left <= 0 {
		return
	}
	of := b.of(prefix)
	of.kept = until
	of.ReserveN(now, min(of.Burst(), int(math.Ceil(left.Seconds()*float64(of.Limit())))))
}
