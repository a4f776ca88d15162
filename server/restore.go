package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/sqlite"
)

// Restored says what Restore did.
type Restored struct {
	BackupReport
	DataDir string    `json:"dataDirectory,omitempty"` // empty after a dry run
	Time    time.Time `json:"restored,omitzero"`
	// KeyTried: the seal key at hand opens the backup. It is false only after a dry run where
	// there is none.
	KeyTried bool `json:"sealKeyTried"`
	// BrowserSessions, Links and Codes are how many of them were ended; so was every session of
	// temporary credentials, of which nobody knows the number.
	BrowserSessions int `json:"browserSessionsEnded"`
	Links           int `json:"linksEnded"`
}

// ErrSealKey: the seal key at hand does not open a backup.
var ErrSealKey = errors.New("this is not the seal key of the backup")

// Restore makes a data directory of a backup. Before anything is in place, all of the backup
// is verified, and that the seal key opens it. With dry, nothing more is done.
//
// A backup takes everything back to when it was made, the end of things too: what was revoked,
// used up or ended since then would be good again. What is good for a time only, and nobody
// misses for long, therefore ends with a restoration, whenever it was begun.
func Restore(ctx context.Context, c Config, file string, dry bool) (*Restored, error) {
	if c.Dev {
		return nil, errors.New("--dev keeps everything in memory: nothing can be restored into it")
	}
	if c.SealKeyFile != "" && within(c.DataDir, c.SealKeyFile) {
		return nil, errors.New("the seal key must not lie in the data directory: whoever copies the one would have the other")
	}
	if dry {
		st, err := sqlite.OpenCopy(ctx, file)
		if err != nil {
			return nil, err
		}
		defer st.Close()
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		_, restored, err := c.judge(st, file, info.Size(), true)
		return restored, err
	}
	draft, err := sqlite.NewDraft(c.DataDir, file)
	if err != nil {
		return nil, err
	}
	restored, err := c.restore(ctx, draft, file)
	if err == nil {
		err = draft.Place()
	}
	return restored, errors.Join(err, draft.Close())
}

func (c Config) restore(ctx context.Context, draft *sqlite.Draft, file string) (*Restored, error) {
	st, err := draft.Verify(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	ring, restored, err := c.judge(st, file, draft.Bytes(), false)
	if err = errors.Join(err, st.Close()); err != nil {
		return nil, err
	}
	if st, err = draft.Open(); err != nil {
		return nil, err
	}
	s, err := offline(c, st)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	s.ring = ring
	restored.DataDir, restored.Time = c.DataDir, s.clock.Now().UTC()
	return restored, errors.Join(s.restored(ctx, restored), s.Close())
}

// judge tells what a verified backup holds, and refuses one that the seal key does not open.
func (c Config) judge(st store.Store, file string, bytes int64, dry bool) (*keyring.Ring, *Restored, error) {
	report, err := Inspect(st)
	if err != nil {
		return nil, nil, err
	}
	report.File, report.Bytes = file, bytes
	restored := &Restored{BackupReport: *report}
	seal, origin, err := c.sealSource().Find()
	switch {
	case errors.Is(err, keyring.ErrNoSealKey) && dry:
		return nil, restored, nil
	case errors.Is(err, keyring.ErrNoSealKey):
		return nil, nil, fmt.Errorf("there is no seal key at %s: put the one with the id %s there first; without it nothing in the backup opens", c.SealKeyFile, report.SealKeyID)
	case err != nil:
		return nil, nil, err
	}
	ring, err := loadRing(st, seal)
	if errors.Is(err, keyring.ErrWrongSealKey) {
		return nil, nil, fmt.Errorf("%w: it needs the one with the id %s, and that of %s has the id %s", ErrSealKey, report.SealKeyID, origin, seal.ID())
	}
	restored.KeyTried = err == nil
	return ring, restored, err
}

// restored ends what a restoration is not to bring back, and puts it on the trail of every
// account, in one transaction.
func (s *Server) restored(ctx context.Context, report *Restored) error {
	if err := renew(s.ring, s.rand, report.Time); err != nil {
		return err
	}
	who := peer{uid: uint32(os.Getuid())}
	return s.store.Update(ctx, func(tx store.Tx) error {
		if err := rings.Put(tx, &wrappedRing{Wrapped: s.ring.Marshal()}, ringName); err != nil {
			return err
		}
		report.BrowserSessions = drop(tx, store.BrowserSession)
		report.Links = drop(tx, store.OneTimeLink)
		for _, kind := range []store.Kind{store.SignIn, store.KnownDevice, store.Ceremony, store.OAuthCode, store.OAuthGrant} {
			drop(tx, kind)
		}
		if err := useUpCodes(tx, report.Time); err != nil {
			return err
		}
		state := backupState{Untold: report.Time}
		what := map[string]any{"lastEvent": report.LastEvent.UTC().Format(time.RFC3339)}
		if b := report.Backup; b != nil {
			what["backupId"], what["backupTime"] = b.ID, b.Begun.UTC().Format(time.RFC3339)
			done := *b // or there would be nothing to restore
			done.Ended, done.Bytes = b.Begun, report.Bytes
			state.Begun, state.Ended = &done, &done
		} else if old, err := backupsOf(tx); err != nil {
			return err
		} else {
			state.Begun, state.Ended = old.Begun, old.Ended
		}
		if err := backupStates.Put(tx, &state, backupName); err != nil {
			return err
		}
		return s.recordEverywhere(tx, "RestoreBackup", report.Time, who, what)
	})
}

// tellRestored tells people of a restoration, when a server starts that knows how to.
func (s *Server) tellRestored(ctx context.Context) error {
	state, err := s.lastBackup(ctx)
	if err != nil || state.Untold.IsZero() {
		return err
	}
	return s.store.Update(ctx, func(tx store.Tx) error {
		state, err := backupsOf(tx)
		if err != nil || state.Untold.IsZero() {
			return err
		}
		for _, account := range s.Accounts() {
			const name = "RestoreBackup"
			page, err := s.trail.Lookup(tx, audit.Query{Account: account, Attribute: audit.EventName, Value: name, Limit: 1, Now: s.clock.Now()})
			if err != nil {
				return err
			}
			e := s.localEvent(account, ownSource, name, state.Untold)
			for _, found := range page.Entries {
				e.ID = found.ID
			}
			if err := s.outbox.Put(tx, e); err != nil {
				return err
			}
		}
		told := *state
		told.Untold = time.Time{}
		return backupStates.Put(tx, &told, backupName)
	})
}

// drop deletes all records of a kind.
func drop(tx store.Tx, kind store.Kind) (n int) {
	tx.Scan(store.Prefix(kind), "", func(key store.Key, _ *store.Item) bool {
		tx.Delete(key)
		n++
		return true
	})
	return n
}

// useUpCodes makes TOTP devices accept no code of a time that was: those that were used since
// the backup are not known to be.
func useUpCodes(tx store.Tx, now time.Time) error {
	var devices []*identity.MFADevice
	var keys []store.Key
	if err := identity.MFADevices.Scan(tx, "", func(key store.Key, d *identity.MFADevice) bool {
		if d.Kind() != identity.SecurityKey {
			devices, keys = append(devices, d), append(keys, key)
		}
		return true
	}); err != nil {
		return err
	}
	for i, d := range devices {
		last := mfa.StepAt(now) + d.Drift + mfa.Skew
		if err := identity.MFADevices.Edit(tx, func(d *identity.MFADevice) error {
			d.LastStep = max(d.LastStep, last)
			return nil
		}, keys[i].Parts()...); err != nil {
			return err
		}
	}
	return nil
}

// renewed are the keys that a restoration makes anew. The old ones are destroyed, and with them
// whatever they protect that is kept elsewhere: temporary credentials; the ceremonies of security
// keys and the encoded messages of denials.
var renewed = [...]keyring.Class{keyring.SessionTokens, keyring.Messages}

func renew(ring *keyring.Ring, rand interface{ Read([]byte) (int, error) }, now time.Time) error {
	for _, class := range renewed {
		change, err := ring.Rotate(class, now, rand)
		if err == nil {
			err = change.Apply()
		}
		if err != nil {
			return err
		}
	}
	for _, key := range ring.List() {
		for _, class := range renewed {
			if key.Class != class || key.State != keyring.DecryptOnly {
				continue
			}
			change, err := ring.Retire(key.ID)
			if err == nil {
				err = change.Apply()
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// BackupFile is the file that a backup into to will be: to itself, or one in the directory to.
func BackupFile(to string, now time.Time) (string, error) {
	info, err := os.Stat(to)
	switch {
	case err == nil && info.IsDir():
		return filepath.Join(to, "lanyard-"+now.UTC().Format("20060102T150405Z")+".db"), nil
	case err == nil:
		return "", fmt.Errorf("%s: %w", to, fs.ErrExist)
	case errors.Is(err, fs.ErrNotExist):
		_, err := os.Stat(filepath.Dir(to))
		return to, err
	default:
		return "", err
	}
}
