package server

import (
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// The texts of credential reports go when no kept one is as old: not with the trail's
// retention, and of each account for itself.
func TestCredentialReportsAreTrimmed(t *testing.T) {
	dir := t.TempDir()
	other := arn.AccountID("222233334444")
	config := Config{
		DataDir: filepath.Join(dir, "data"), SealKeyFile: filepath.Join(dir, "seal.key"), Socket: filepath.Join(dir, "s"),
		Accounts: []arn.AccountID{DefaultAccount, other}, Listen: "127.0.0.1:0", Retention: 30 * 24 * time.Hour,
	}
	if _, err := Init(config); err != nil {
		t.Fatal(err)
	}
	config.Accounts = nil
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := s.clock.Now().UTC().Truncate(time.Second)
	var all []identity.CredentialReport
	add := func(account arn.AccountID, id string, days int) {
		t.Helper()
		w := identity.NewCredentialReport(id, now.AddDate(0, 0, -days))
		if _, err := io.WriteString(w, "user,arn,user_creation_time\n"); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		err := s.store.Update(t.Context(), func(tx store.Tx) error {
			kept, err := identity.CredentialReportsIn(tx, account)
			if err != nil {
				return err
			}
			w.Append(tx, account)
			after := *kept
			after.Add(&w.CredentialReport)
			return identity.CredentialReportsOf.Put(tx, &after, string(account))
		})
		if err != nil {
			t.Fatal(err)
		}
		if account == DefaultAccount {
			all = append(all, w.CredentialReport)
		}
	}
	for i := range identity.MaxCredentialReports + 3 {
		add(DefaultAccount, "ours", 700-40*i)
	}
	add(other, "theirs", 710)
	if err := s.trail.Trim(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if err := s.trimReports(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = s.store.View(t.Context(), func(r store.Reader) error {
		for i := range all {
			if err := all[i].WriteText(r, DefaultAccount, io.Discard); (err == nil) != (i >= 3) {
				t.Errorf("report %d: %v", i, err)
			}
		}
		theirs, err := identity.CredentialReportsIn(r, other)
		if err != nil {
			return err
		}
		return theirs.Newest().WriteText(r, other, io.Discard)
	})
	if err != nil {
		t.Error(err)
	}
}
