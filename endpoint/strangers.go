package endpoint

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/internal/cache"
)

// Anyone can send a request that names one of our access keys and is not signed with
// its secret. Such attempts are recorded in the trail of the key's account, where
// someone looks who wants to know of guesses; but a stranger must not fill the disk
// with them, which would end all changes. So their records are limited for each
// source and, since a stranger may have many sources, for each account. A record is
// some 800 bytes: an account that is attacked all the time gets 140 MB a day, 12 GB
// in the 90 days that records are kept.
const (
	sourceBurst = 250 // a misconfigured client that tries every operation, with room
	sourceRate  = rate.Limit(1)

	accountBurst = 1000 // four such clients at once
	accountRate  = rate.Limit(2)

	// maxSources bounds the table of sources: less than a megabyte. A source that is
	// forgotten begins anew; the account's limit holds.
	maxSources = 4096
	// sourceBits6 is the part of an IPv6 address that makes a source: whoever has
	// one address has the rest of its /64 too.
	sourceBits6 = 64

	// summaryEvery is how often a line of the log says how many were not recorded.
	summaryEvery = time.Minute
)

// Reason is why an attempt that was not believed is counted and not recorded.
type Reason string

// The reasons.
const (
	ReasonUnknownKey Reason = "unknown_key" // its access key is none of ours: nobody's trail
	ReasonSource     Reason = "source_limit"
	ReasonAccount    Reason = "account_limit"
	ReasonQueue      Reason = "queue_full" // the rest of the trail's queue is for requests that were believed
)

// Reasons are all of them, for metrics.
var Reasons = []Reason{ReasonUnknownKey, ReasonSource, ReasonAccount, ReasonQueue}

// Strangers limits the records of attempts that were not believed and counts the
// others. It is safe for concurrent use.
type Strangers struct {
	log   *slog.Logger
	count func(Reason)

	mu       sync.Mutex
	sources  *cache.Cache[netip.Prefix, *rate.Limiter]
	accounts map[arn.AccountID]*rate.Limiter // only accounts that exist get here
	unsaid   map[Reason]int                  // since the last summary
}

// NewStrangers makes one that writes its summaries to log and tells count of each
// attempt that leaves no record.
func NewStrangers(log *slog.Logger, count func(Reason)) *Strangers {
	return &Strangers{
		log:      log,
		count:    count,
		sources:  cache.New[netip.Prefix, *rate.Limiter](maxSources),
		accounts: make(map[arn.AccountID]*rate.Limiter),
		unsaid:   make(map[Reason]int),
	}
}

// admit tells whether an attempt from source may be recorded in the account's trail,
// and why not. now is the server's time.
func (s *Strangers) admit(source netip.Addr, account arn.AccountID, now time.Time) (why Reason, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bits := source.BitLen()
	if source.Is6() {
		bits = sourceBits6
	}
	prefix, _ := source.Prefix(bits) // no address, no error: such share one limit
	limiter, known := s.sources.Get(prefix)
	if !known {
		limiter = rate.NewLimiter(sourceRate, sourceBurst)
		s.sources.Put(prefix, limiter)
	}
	if !limiter.AllowN(now, 1) {
		return ReasonSource, false
	}
	limiter = s.accounts[account]
	if limiter == nil {
		limiter = rate.NewLimiter(accountRate, accountBurst)
		s.accounts[account] = limiter
	}
	if !limiter.AllowN(now, 1) {
		return ReasonAccount, false
	}
	return "", true
}

// unrecorded counts an attempt that leaves no record. A summary follows within
// summaryEvery.
func (s *Strangers) unrecorded(why Reason) {
	s.count(why)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unsaid) == 0 {
		time.AfterFunc(summaryEvery, s.summarize)
	}
	s.unsaid[why]++
}

func (s *Strangers) summarize() {
	s.mu.Lock()
	unsaid := s.unsaid
	s.unsaid = make(map[Reason]int)
	s.mu.Unlock()
	var counts []any
	for _, why := range Reasons {
		if n := unsaid[why]; n > 0 {
			counts = append(counts, string(why), n)
		}
	}
	s.log.Warn("attempts that were not believed are not recorded", counts...)
}

// Admit tells whether an attempt that was not believed, somewhere else than here, may be
// recorded in the account's trail; one that may not is counted.
func (s *Strangers) Admit(source netip.Addr, account arn.AccountID, now time.Time) bool {
	why, ok := s.admit(source, account, now)
	if !ok {
		s.unrecorded(why)
	}
	return ok
}
