package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/sqlite"
)

// installation is a data directory with its seal key and two accounts.
func installation(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	c := Config{
		DataDir: filepath.Join(dir, "data"), SealKeyFile: filepath.Join(dir, "keys", "seal.key"), Version: "test",
		Listen: "127.0.0.1:0", Accounts: []arn.AccountID{"111122223333", "222233334444"},
	}
	if _, err := Init(c); err != nil {
		t.Fatal(err)
	}
	c.Accounts = nil
	return c
}

// takeBackup does what lanyard backup does on a stopped server.
func takeBackup(t *testing.T, c Config) (file string) {
	t.Helper()
	o, err := OpenOffline(c)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	begun, err := o.Backup(t.Context(), BackupRequest{})
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "backup.db")
	if err := sqlite.Copy(t.Context(), begun.DataDir, file, func(*sqlite.Store) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Backup(t.Context(), BackupRequest{ID: "another"}); !errors.Is(err, errNoBackup) {
		t.Errorf("the end of a backup that was not begun: %v", err)
	}
	if _, err := o.Backup(t.Context(), BackupRequest{ID: begun.ID, Bytes: 1234}); err != nil {
		t.Fatal(err)
	}
	return file
}

// T384: what was good for a time is over after a restoration; what lasts is as it was.
func TestT384_RestoreEndsWhatIsGoodForATime(t *testing.T) {
	c := installation(t)
	st, err := sqlite.Open(c.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	seal, _, err := c.sealKey()
	if err != nil {
		t.Fatal(err)
	}
	ring, err := loadRing(st, seal)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	account := arn.AccountID("111122223333")
	creds, err := session.NewCodec(ring).Mint(&session.Session{Kind: session.LocalRoot, Account: account, PrincipalID: string(account), Issued: now, Expires: now.Add(time.Hour)}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	message, err := ring.Seal(keyring.Messages, "x", []byte("ceremony"))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := ring.Seal(keyring.AccessKeySecrets, "x", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	seed := bytes.Repeat([]byte{7}, 20)
	virtual := &identity.MFADevice{Account: account, Path: "/", Name: "phone", Owner: "AIDA", LastStep: mfa.StepAt(now) - 100, Drift: 3, Seed: seed}
	ended := []store.Kind{store.BrowserSession, store.SignIn, store.OneTimeLink, store.KnownDevice, store.Ceremony, store.OAuthCode, store.OAuthGrant}
	if err := st.Update(t.Context(), func(tx store.Tx) error {
		for _, kind := range ended {
			for _, name := range []string{"a", "b"} {
				item, err := store.NewItem(kind, &struct{}{})
				if err != nil {
					return err
				}
				tx.Put(store.MakeKey(kind, name, "x"), item)
			}
		}
		if err := identity.RecoveryCodesOf.Put(tx, &identity.RecoveryCodes{Digests: []string{"d"}}, "AIDA"); err != nil {
			return err
		}
		return identity.MFADevices.Put(tx, virtual, string(account), virtual.Key())
	}); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	file := takeBackup(t, c)

	to := c
	to.DataDir = filepath.Join(t.TempDir(), "restored")
	restored, err := Restore(t.Context(), to, file, false)
	if err != nil {
		t.Fatal(err)
	}
	if restored.BrowserSessions != 2 || restored.Links != 2 || !restored.KeyTried || restored.Backup == nil || restored.Backup.Version != "test" ||
		len(restored.Accounts) != 2 || restored.LastName != "CreateBackup" || restored.SealKeyID != seal.ID() {
		t.Errorf("%+v", restored)
	}
	if st, err = sqlite.Open(to.DataDir); err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if ring, err = loadRing(st, seal); err != nil {
		t.Fatal(err)
	}
	if missing := ring.Missing(); len(missing) > 0 {
		t.Errorf("no keys for %v", missing)
	}
	if _, err := session.NewCodec(ring).Open(creds.AccessKeyID, creds.SessionToken); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("a session of before: %v", err)
	}
	if _, err := ring.Open(keyring.Messages, "x", message); !errors.Is(err, keyring.ErrUnknownKey) {
		t.Errorf("a ceremony of before: %v", err)
	}
	if got, err := ring.Open(keyring.AccessKeySecrets, "x", secret); err != nil || string(got) != "secret" {
		t.Errorf("a secret of before: %q, %v", got, err)
	}
	if err := st.View(t.Context(), func(r store.Reader) error {
		for _, kind := range ended {
			r.Scan(store.Prefix(kind), "", func(key store.Key, _ *store.Item) bool {
				t.Errorf("%v is left: %q", kind, key)
				return true
			})
		}
		if _, err := identity.RecoveryCodesOf.Get(r, "AIDA"); err != nil {
			t.Errorf("recovery codes: %v", err)
		}
		d, err := identity.MFADevices.Get(r, string(account), virtual.Key())
		if err != nil {
			return err
		}
		// Every code that a person can have typed before, the clock of their device included.
		for step := mfa.StepAt(restored.Time) + d.Drift - mfa.Skew; step <= mfa.StepAt(restored.Time)+d.Drift+mfa.Skew; step++ {
			if _, ok := mfa.Verify(seed, mfa.Code(seed, step), restored.Time, d.LastStep, d.Drift); ok {
				t.Errorf("a code of %d steps later works again", step-mfa.StepAt(restored.Time))
			}
		}
		later := restored.Time.Add(2 * mfa.Skew * mfa.Period)
		if _, ok := mfa.Verify(seed, mfa.Code(seed, mfa.StepAt(later)+d.Drift), later, d.LastStep, d.Drift); !ok {
			t.Error("a minute later the device is still refused")
		}
		state, err := backupsOf(r)
		if err != nil || state.Ended == nil || state.Ended.ID != restored.Backup.ID || state.Ended.Bytes == 0 {
			t.Errorf("the last backup is %+v, %v", state.Ended, err)
		}
		trail, err := audit.NewTrail(st, audit.Options{Key: make([]byte, 32)})
		if err != nil {
			return err
		}
		defer trail.Close(context.Background())
		for _, account := range restored.Accounts {
			page, err := trail.Lookup(r, audit.Query{Account: account, Limit: 2, Now: now.Add(time.Minute)})
			if err != nil {
				return err
			}
			if len(page.Entries) != 2 || page.Entries[0].Name != "RestoreBackup" || !strings.Contains(page.Entries[0].Record, restored.Backup.ID) || page.Entries[1].Name != "CreateBackup" {
				t.Errorf("the trail of %s ends with %+v", account, page.Entries)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// Who is told of security events is told of a restoration, once, by the first server that starts.
func TestARestorationIsTold(t *testing.T) {
	c := installation(t)
	st, err := sqlite.Open(c.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Update(t.Context(), func(tx store.Tx) error {
		return identity.NotificationsOf.Put(tx, &identity.Notifications{Webhook: &identity.Destination{To: "https://hooks.example.com/"}}, "222233334444")
	}); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	to := c
	to.DataDir = filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(t.Context(), to, takeBackup(t, c), false); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := New(to)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.store.View(t.Context(), func(r store.Reader) error {
			page, err := s.trail.Lookup(r, audit.Query{Account: "222233334444", Attribute: audit.EventName, Value: "RestoreBackup", Now: time.Now()})
			if err != nil || len(page.Entries) != 1 {
				t.Fatalf("%d events, %v", len(page.Entries), err)
			}
			n := 0
			err = identity.Notices.Scan(r, "", func(_ store.Key, notice *identity.Notice) bool {
				n++
				if notice.Event != "RestoreBackup" || notice.Account != "222233334444" || notice.ID != page.Entries[0].ID || notice.To.To != "https://hooks.example.com/" {
					t.Errorf("%+v", notice)
				}
				return true
			})
			if n != 1 {
				t.Errorf("%d notices", n)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRestoreRefusals(t *testing.T) {
	c := installation(t)
	file := takeBackup(t, c)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other := installation(t)
	for what, refused := range map[string]struct {
		change func(c *Config, path string)
		want   string
	}{
		"another seal key": {func(c *Config, _ string) { c.SealKeyFile = other.SealKeyFile }, "not the seal key of the backup"},
		"no seal key":      {func(c *Config, _ string) { c.SealKeyFile += "x" }, "there is no seal key at"},
		"the key beside":   {func(c *Config, _ string) { c.SealKeyFile = filepath.Join(c.DataDir, "seal.key") }, "must not lie in the data directory"},
		"data":             {func(c *Config, _ string) { c.DataDir = other.DataDir }, "not empty"},
		"a flipped byte": {func(_ *Config, path string) {
			at := bytes.LastIndex(good, []byte(OwnerRole))
			bad := bytes.Clone(good)
			bad[at]++
			os.WriteFile(path, bad, 0o600)
		}, "corrupt"},
		"a later release": {func(_ *Config, path string) {
			later := bytes.Clone(good)
			binary.BigEndian.PutUint32(later[60:], 99) // SQLite's user_version, our format
			os.WriteFile(path, later, 0o600)
		}, "run the newer release"},
		"cut":       {func(_ *Config, path string) { os.WriteFile(path, good[:len(good)/2], 0o600) }, "corrupt"},
		"no backup": {func(_ *Config, path string) { os.WriteFile(path, []byte("SQLite format 3"), 0o600) }, "corrupt"},
		"none":      {func(_ *Config, path string) { os.Remove(path) }, "no such file"},
		"a WAL":     {func(_ *Config, path string) { os.WriteFile(path+"-wal", good, 0o600) }, "later changes"},
		"memory":    {func(c *Config, _ string) { c.Dev = true }, "in memory"},
	} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "backup.db")
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
			to := c
			to.DataDir = filepath.Join(t.TempDir(), "restored")
			refused.change(&to, path)
			if _, err := Restore(t.Context(), to, path, false); err == nil || !strings.Contains(err.Error(), refused.want) {
				t.Errorf("%v, want %q", err, refused.want)
			}
			if to.DataDir != other.DataDir {
				if _, err := os.Stat(to.DataDir); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("a directory is left: %v", err)
				}
			}
		})
	}
	if s, err := New(other); err != nil {
		t.Errorf("the data that was there: %v", err)
	} else {
		s.Close()
	}
}

// A full disk leaves nothing behind.
func TestRestoreOntoAFullDisk(t *testing.T) {
	c := installation(t)
	file := takeBackup(t, c)
	to := c
	to.DataDir = mountTemp(t, "64k")
	if _, err := Restore(t.Context(), to, file, false); err == nil {
		t.Fatal("restored")
	}
	left, _ := os.ReadDir(to.DataDir)
	for _, e := range left {
		if e.Name() != "lanyard.lock" {
			t.Errorf("left over: %s", e.Name())
		}
	}
}

// mountTemp mounts a small file system, if the tests may.
func mountTemp(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		t.Skipf("cannot mount a file system: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}
