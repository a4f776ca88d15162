package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/endpoint"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/sqlite"
)

// A backup is a copy of the database, taken by the owner of the host in a process of their
// own: SQLite lets it read beside the server, which neither waits nor works for it (ADR 12).
// The server is asked before, so that the trail is complete and says that a copy of everything
// was taken, by whom; and told afterwards, so that it knows when the last one was. Without a
// server the same is done on the data directory.

// BackupNote is what an installation knows of a backup. That of the backup itself is in it.
type BackupNote struct {
	ID      string    `json:"id"`
	Begun   time.Time `json:"begun"`
	By      string    `json:"by"`      // the login name
	Version string    `json:"version"` // of the program that took it
	// Ended and Bytes are set once it is complete.
	Ended time.Time `json:"ended,omitzero"`
	Bytes int64     `json:"bytes,omitempty"`
}

// backupState is the record of backups: the last that was begun, the last that came to an end.
type backupState struct {
	Begun *BackupNote `json:"begun,omitempty"`
	Ended *BackupNote `json:"ended,omitempty"`
	// Untold is when the installation was restored, until people are told of it.
	Untold time.Time `json:"untold,omitzero"`
}

var backupStates = store.Table[backupState]{Kind: store.Meta}

const backupName = "backup"

func backupsOf(r store.Reader) (*backupState, error) {
	state, err := backupStates.Get(r, backupName)
	if errors.Is(err, store.ErrNotFound) {
		return new(backupState), nil
	}
	return state, err
}

// BackupRequest begins a backup or, with the id of one, says that it is complete.
type BackupRequest struct {
	ID    string `json:"id,omitempty"`
	Bytes int64  `json:"bytes,omitempty"`
}

// BackupReply says what is to be copied.
type BackupReply struct {
	ID      string `json:"id"`
	DataDir string `json:"dataDirectory"`
	// SealKey is where the seal key is: a path, or empty if it is in a variable.
	SealKey string `json:"sealKey"`
}

func (s *Server) serveBackup(w http.ResponseWriter, r *http.Request) {
	var in BackupRequest
	if err := readJSON(r, &in); err != nil {
		localError(w, http.StatusBadRequest, err.Error())
		return
	}
	if s.config.Dev {
		localError(w, http.StatusBadRequest, "this server keeps everything in memory (--dev), and nothing of it is there to be restored; name another one with --data, or print an account with `lanyard export`")
		return
	}
	reply, err := s.backup(r.Context(), in, r.Context().Value(peerKey{}).(peer))
	if errors.Is(err, errNoBackup) {
		localError(w, http.StatusNotFound, err.Error())
		return
	}
	if err != nil {
		s.log.Error("backup", "error", err)
		localError(w, http.StatusInternalServerError, err.Error())
		return
	}
	localReply(w, reply)
}

// errNoBackup: the backup that is said to be complete is not the last one that was begun.
var errNoBackup = errors.New("another backup was begun meanwhile, or none was")

// backup begins a backup, or ends it.
func (s *Server) backup(ctx context.Context, in BackupRequest, who peer) (*BackupReply, error) {
	dir, err := filepath.Abs(s.config.DataDir)
	if err != nil {
		return nil, err
	}
	reply := &BackupReply{ID: in.ID, DataDir: dir}
	if s.sealOrigin != keyring.FromEnvironment {
		if reply.SealKey, err = filepath.Abs(s.sealOrigin); err != nil {
			return nil, err
		}
	}
	if in.ID != "" {
		s.log.Info("backup", "id", in.ID, "bytes", in.Bytes)
		return reply, s.endBackup(ctx, in, who)
	}
	s.log.Warn("a backup is taken", "by", loginName(who.uid))
	reply.ID = endpoint.NewRequestID(s.rand)
	if err := s.beginBackup(ctx, reply.ID, who); err != nil {
		return nil, err
	}
	return reply, s.trail.Sync(ctx)
}

func (s *Server) beginBackup(ctx context.Context, id string, who peer) error {
	now := s.clock.Now().UTC()
	return s.store.Update(ctx, func(tx store.Tx) error {
		old, err := backupsOf(tx)
		if err != nil {
			return err
		}
		state := backupState{Begun: &BackupNote{ID: id, Begun: now, By: loginName(who.uid), Version: s.config.Version}, Ended: old.Ended, Untold: old.Untold}
		if err := backupStates.Put(tx, &state, backupName); err != nil {
			return err
		}
		return s.recordEverywhere(tx, "CreateBackup", now, who, map[string]any{"backupId": id})
	})
}

func (s *Server) endBackup(ctx context.Context, in BackupRequest, who peer) error {
	now := s.clock.Now().UTC()
	return s.store.Update(ctx, func(tx store.Tx) error {
		state, err := backupsOf(tx)
		if err != nil {
			return err
		}
		if state.Begun == nil || state.Begun.ID != in.ID {
			return errNoBackup
		}
		ended := *state.Begun
		ended.Ended, ended.Bytes = now, in.Bytes
		if err := backupStates.Put(tx, &backupState{Begun: &ended, Ended: &ended, Untold: state.Untold}, backupName); err != nil {
			return err
		}
		return s.recordEverywhere(tx, "BackupCompleted", now, who, map[string]any{"backupId": in.ID, "bytes": in.Bytes})
	})
}

// recordEverywhere puts something that the owner of the host did on the trail of every account.
func (s *Server) recordEverywhere(tx store.Tx, event string, now time.Time, who peer, what map[string]any) error {
	what["localUser"], what["localUid"] = loginName(who.uid), who.uid
	additional, err := json.Marshal(what)
	if err != nil {
		return err
	}
	for _, account := range s.Accounts() {
		e := s.localEvent(account, ownSource, event, now)
		e.Type = "AwsServiceEvent"
		e.Additional = additional
		if err := s.trail.AppendTo(tx, e); err != nil {
			return err
		}
	}
	return nil
}

// ownSource is the event source of what belongs to this installation and to no service of AWS.
const ownSource = "lanyard.internal"

// OpenOffline opens a data directory that no server uses, for what its owner does with all of
// it. It takes no seal key: nothing in it is opened.
func OpenOffline(c Config) (*Offline, error) {
	if !sqlite.Exists(c.DataDir) {
		return nil, fmt.Errorf("%s: %w", c.DataDir, ErrNotInitialized)
	}
	st, err := sqlite.Open(c.DataDir)
	if err != nil {
		return nil, err
	}
	s, err := offline(c, st)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return &Offline{s}, nil
}

// Offline is a data directory that no server uses.
type Offline struct{ s *Server }

// Backup does what POST /backup does.
func (o *Offline) Backup(ctx context.Context, in BackupRequest) (*BackupReply, error) {
	return o.s.backup(ctx, in, peer{uid: uint32(os.Getuid())})
}

// Close gives the data directory free.
func (o *Offline) Close() error { return o.s.Close() }

// offline is a server that answers nothing, on a store.
func offline(c Config, st store.Store) (*Server, error) {
	s := &Server{config: c, log: slog.New(slog.DiscardHandler), rand: random(c), clock: newClock(c), store: st, sealOrigin: c.SealKeyFile}
	if _, origin, err := c.sealSource().Find(); err == nil {
		s.sealOrigin = origin
	}
	s.config.Drain = DefaultDrain
	var err error
	if s.config.Accounts, s.config.Region, err = accountsAndRegion(st); err != nil {
		return nil, err
	}
	// No page of events is asked for, so that any key does.
	s.trail, err = audit.NewTrail(st, audit.Options{Key: make([]byte, 32), Retention: longRetention})
	return s, err
}

// longRetention makes all events be found, however long ago a backup was taken.
const longRetention = 100 * 365 * 24 * time.Hour

// accountsAndRegion are the accounts of a store, and a region of their partition.
func accountsAndRegion(st store.Store) ([]arn.AccountID, string, error) {
	region := DefaultRegion
	err := st.View(context.Background(), func(r store.Reader) error {
		return identity.Accounts.Scan(r, "", func(_ store.Key, a *identity.Account) bool {
			for _, other := range []string{DefaultRegion, "cn-north-1", "us-gov-west-1"} {
				if arn.PartitionOf(other) == a.Partition {
					region = other
				}
			}
			return false
		})
	})
	if err != nil {
		return nil, "", err
	}
	ids, err := accounts(st, region)
	return ids, region, err
}

// BackupReport is what a backup holds.
type BackupReport struct {
	File string `json:"file"`
	// BackupNote is that of the backup. A file that is none, but a copy of a database that was
	// closed, has none, or that of an earlier one.
	Backup     *BackupNote     `json:"backup,omitempty"`
	Bytes      int64           `json:"bytes"`
	SealKeyID  string          `json:"sealKeyId"` // of the key that opens the secrets in it
	Accounts   []arn.AccountID `json:"accounts"`
	Users      int             `json:"users"`
	Roles      int             `json:"roles"`
	AccessKeys int             `json:"accessKeys"`
	LastEvent  time.Time       `json:"lastEvent,omitzero"` // the newest on the trail
	LastName   string          `json:"lastEventName,omitempty"`
}

// Inspect tells what a database holds.
func Inspect(st store.Store) (*BackupReport, error) {
	s, err := offline(Config{}, st)
	if err != nil {
		return nil, err
	}
	defer s.trail.Close(context.Background())
	return s.inspect()
}

func (s *Server) inspect() (*BackupReport, error) {
	report := &BackupReport{Accounts: s.Accounts()}
	err := s.store.View(context.Background(), func(r store.Reader) error {
		record, err := rings.Get(r, ringName)
		if errors.Is(err, store.ErrNotFound) {
			return ErrNotInitialized
		}
		if err != nil {
			return err
		}
		if report.SealKeyID, err = keyring.SealKeyID(record.Wrapped); err != nil {
			return err
		}
		for kind, n := range map[store.Kind]*int{store.User: &report.Users, store.Role: &report.Roles, store.AccessKey: &report.AccessKeys} {
			r.Scan(store.Prefix(kind), "", func(store.Key, *store.Item) bool { *n++; return true })
		}
		state, err := backupsOf(r)
		if err != nil {
			return err
		}
		if state.Begun != nil && state.Begun.Ended.IsZero() { // else it is no backup, but a copy of files
			report.Backup = state.Begun
		}
		for _, account := range s.Accounts() {
			page, err := s.trail.Lookup(r, audit.Query{Account: account, Limit: 1, Now: time.Now().Add(longRetention / 2)})
			if err != nil {
				return err
			}
			for _, e := range page.Entries {
				if e.Time.After(report.LastEvent) {
					report.LastEvent, report.LastName = e.Time, e.Name
				}
			}
		}
		return nil
	})
	return report, err
}
