package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/sqlite"
)

// ErrNotInitialized says that a data directory has no Lanyard in it.
var ErrNotInitialized = errors.New("the data directory is not initialized: run `lanyard init` first")

// wrappedRing is the record of the keys that protect all others, wrapped by the
// seal key.
type wrappedRing struct {
	Wrapped []byte `json:"wrapped"`
}

var rings = store.Table[wrappedRing]{Kind: store.Keyring}

const ringName = "ring"

// loadRing opens the keys of a store.
func loadRing(st store.Store, seal keyring.SealKey) (*keyring.Ring, error) {
	var wrapped []byte
	err := st.View(context.Background(), func(r store.Reader) error {
		record, err := rings.Get(r, ringName)
		if errors.Is(err, store.ErrNotFound) {
			return ErrNotInitialized
		}
		if err != nil {
			return err
		}
		wrapped = bytes.Clone(record.Wrapped)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return keyring.Open(seal, wrapped)
}

// InitReport says what Init made and what it found.
type InitReport struct {
	DataDir     string
	SealKeyFile string
	SealKeyMade bool
	Accounts    []arn.AccountID
}

// Init makes a data directory with its seal key and accounts. It refuses a
// directory that holds a Lanyard already. Keys and accounts come into being in one
// transaction: an init that was interrupted can be done again.
func Init(config Config) (InitReport, error) {
	if len(config.Accounts) == 0 {
		return InitReport{}, errors.New("name at least one account: --account 123456789012")
	}
	if config.Dev {
		return InitReport{}, errors.New("--dev needs no init")
	}
	if err := config.Validate(); err != nil {
		return InitReport{}, err
	}
	report := InitReport{DataDir: config.DataDir, SealKeyFile: config.SealKeyFile, Accounts: config.Accounts}
	s := &Server{config: config, log: config.Log, rand: random(config), clock: newClock(config)}
	st, err := sqlite.Open(config.DataDir)
	if err != nil {
		return report, fmt.Errorf("make the data directory %s: %w", config.DataDir, err)
	}
	defer st.Close()
	s.store = st
	err = st.View(context.Background(), func(r store.Reader) error {
		if rings.Has(r, ringName) {
			return fmt.Errorf("%s holds a Lanyard already", config.DataDir)
		}
		return nil
	})
	if err != nil {
		return report, err
	}
	seal, made, err := s.initSealKey()
	if err != nil {
		return report, err
	}
	report.SealKeyMade = made
	if s.ring, err = keyring.New(seal, s.rand, s.clock.Now()); err != nil {
		return report, err
	}
	if err := s.makeServices(); err != nil {
		return report, err
	}
	return report, st.Update(context.Background(), func(tx store.Tx) error {
		if err := rings.Put(tx, &wrappedRing{Wrapped: s.ring.Marshal()}, ringName); err != nil {
			return err
		}
		return s.bootstrap(tx, config.Accounts)
	})
}

// initSealKey finds the seal key, or makes one in SealKeyFile.
func (s *Server) initSealKey() (seal keyring.SealKey, made bool, err error) {
	seal, _, err = s.config.sealSource().Find()
	if !errors.Is(err, keyring.ErrNoSealKey) {
		return seal, false, err
	}
	if seal, err = keyring.GenerateSealKey(s.rand); err != nil {
		return seal, false, err
	}
	if err := os.MkdirAll(filepath.Dir(s.config.SealKeyFile), 0o700); err != nil {
		return seal, false, err
	}
	return seal, true, keyring.WriteSealKey(s.config.SealKeyFile, seal)
}

// accounts lists the accounts of a store, the oldest first. All must live in the
// partition of the server's region.
func accounts(st store.Store, region string) ([]arn.AccountID, error) {
	var found []*identity.Account
	err := st.View(context.Background(), func(r store.Reader) error {
		return identity.Accounts.Scan(r, "", func(_ store.Key, a *identity.Account) bool {
			found = append(found, a)
			return true
		})
	})
	if err != nil {
		return nil, err
	}
	// Accounts made by one init share their time; their order is that of the ids.
	slices.SortStableFunc(found, func(a, b *identity.Account) int { return a.Created.Compare(b.Created) })
	ids := make([]arn.AccountID, len(found))
	for i, a := range found {
		if p := arn.PartitionOf(region); a.Partition != p {
			return nil, fmt.Errorf("account %s was made in the partition %s, and the region %s is in %s: say --region with one of its own", a.ID, a.Partition, region, p)
		}
		ids[i] = a.ID
	}
	return ids, nil
}
