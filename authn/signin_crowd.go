package authn

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/netip"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/store"
)

// A crowd is counts of what strangers can make up without end: names that nobody has, and
// networks. They are in the store, so that a restart forgives nobody and does not tell by
// whom it forgives which names exist, and they are bounded.
type crowd struct {
	purpose Purpose
	most    int
}

var (
	// unknownNames counts, by their digests under a key, attempts at names that nobody has,
	// as those at names that somebody has are counted: being throttled does not tell which
	// are which. What people type for a name may be a password.
	unknownNames = crowd{"stranger", 16384}
	// spentNetworks are the networks that have no budget left, by prefix, until they have
	// all of it again.
	spentNetworks = crowd{"network", 1024}
)

// put keeps a count. When there are too many, another has to go: the one behind it.
func (c crowd) put(tx store.Tx, t *identity.Throttle, id string) error {
	if identity.Throttles.Has(tx, string(c.purpose), id) {
		return identity.Throttles.Put(tx, t, string(c.purpose), id)
	}
	n, err := c.count(tx, 1)
	if err != nil {
		return err
	}
	if n > c.most {
		victim := c.behind(tx, id)
		if victim == "" {
			victim = c.behind(tx, "")
		}
		identity.Throttles.Delete(tx, string(c.purpose), victim)
		if _, err := c.count(tx, -1); err != nil {
			return err
		}
	}
	return identity.Throttles.Put(tx, t, string(c.purpose), id)
}

// count adds to the number of counts, which has a record beside them.
func (c crowd) count(tx store.Tx, n int) (int, error) {
	t, err := throttleOf(tx, c.purpose, "")
	if err != nil {
		return 0, err
	}
	n = max(0, t.Failures+n)
	return n, identity.Throttles.Put(tx, &identity.Throttle{Failures: n}, string(c.purpose), "")
}

// behind is the id that follows, or "".
func (c crowd) behind(r store.Reader, id string) (next string) {
	r.Scan(store.Prefix(store.Throttle, string(c.purpose)), identity.Throttles.Key(string(c.purpose), id), func(key store.Key, _ *store.Item) bool {
		next = key.Last()
		return false
	})
	return next
}

// sweep removes counts that hold nobody back any more.
func (c crowd) sweep(tx store.Tx, now time.Time) error {
	var over []string
	err := identity.Throttles.Scan(tx, "", func(key store.Key, t *identity.Throttle) bool {
		if id := key.Last(); id != "" && !now.Before(t.Until) {
			over = append(over, id)
		}
		return true
	}, string(c.purpose))
	if err != nil || len(over) == 0 {
		return err
	}
	for _, id := range over {
		identity.Throttles.Delete(tx, string(c.purpose), id)
	}
	_, err = c.count(tx, -len(over))
	return err
}

// unknown is under what attempts at a name that nobody has are counted.
func (s *SignIns) unknown(a *attempt) string {
	name := []byte(a.name.counted(a.account))
	return base64.RawURLEncoding.EncodeToString(s.Ring.Active(keyring.SessionTokens).Derive("attempts at unknown names", name, 16))
}

// spend takes one failure from the budgets of an address, until it is given back. A nil
// giveBack means that there is none left; until is when there will be.
func (s *SignIns) spend(ctx context.Context, from netip.Addr, now time.Time) (giveBack func(), until time.Time, err error) {
	if err := s.recall(ctx, now); err != nil {
		return nil, time.Time{}, err
	}
	giveBack, until, spent := s.budgets.take(from, now)
	if spent.prefix.IsValid() {
		err = s.Store.Update(ctx, func(tx store.Tx) error {
			return spentNetworks.put(tx, &identity.Throttle{Failures: 1, Since: now, Until: spent.until}, spent.prefix.String())
		})
		if err != nil {
			err = fmt.Errorf("keep the budget of a network: %w", err)
		}
	}
	return giveBack, until, err
}

// recall reads, once, which budgets were spent before the start.
func (s *SignIns) recall(ctx context.Context, now time.Time) error {
	s.budgets.mu.Lock()
	defer s.budgets.mu.Unlock()
	if s.budgets.recalled {
		return nil
	}
	var broken error
	err := s.Store.View(ctx, func(r store.Reader) error {
		return identity.Throttles.Scan(r, "", func(key store.Key, t *identity.Throttle) bool {
			if id := key.Last(); id != "" {
				var prefix netip.Prefix
				if prefix, broken = netip.ParsePrefix(id); broken != nil {
					return false
				}
				s.budgets.spent(prefix, t.Until, now)
			}
			return true
		}, string(spentNetworks.purpose))
	})
	if err == nil {
		err = broken
	}
	if err != nil {
		return fmt.Errorf("read the budgets of networks: %w", err)
	}
	s.budgets.recalled = true
	return nil
}
