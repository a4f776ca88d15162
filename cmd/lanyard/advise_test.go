package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/advisor"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test ./cmd/lanyard -update): %v\n%s", path, err, got)
	}
}

// adviseFacts is an account with something of everything, and a name that would ring a
// terminal's bell.
func adviseFacts() *advisor.Facts {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	ago := func(days int) time.Time { return now.AddDate(0, 0, -days) }
	const admin = "arn:aws:iam::aws:policy/AdministratorAccess"
	return &advisor.Facts{
		Now: now, Reported: now, Account: "111122223333", Partition: "aws", Root: advisor.Root{ARN: "arn:aws:iam::111122223333:root"},
		Policies: map[string]advisor.Policy{admin: {Name: "AdministratorAccess", Document: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`}},
		Users: []advisor.User{
			{Name: "alice", ARN: "arn:aws:iam::111122223333:user/alice", ID: "AIDAALICE", Created: ago(300), Groups: []string{"admins"}, Password: &advisor.Password{Changed: ago(20), Used: ago(1)}},
			{Name: "bell\a", ARN: "arn:aws:iam::111122223333:user/bell\a", ID: "AIDABELL", Created: ago(300), Keys: []advisor.Key{
				{ID: "AKIAOLD", Active: true, Created: ago(120), Used: ago(3)}, {ID: "AKIALEFT", Created: ago(20)},
			}},
		},
		Groups: []advisor.Group{{Name: "admins", ARN: "arn:aws:iam::111122223333:group/admins", Permissions: advisor.Permissions{Attached: []string{admin}}}},
		Roles: []advisor.Role{{
			Name: "partner", Path: "/", ARN: "arn:aws:iam::111122223333:role/partner", ID: "AROAPARTNER", Created: ago(10), Used: ago(2),
			Trust: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"sts:AssumeRole"}}`,
		}},
		Suppressions: []advisor.Suppression{
			{ID: "KEY-05", ARN: "arn:aws:iam::111122223333:user/bell\a", Reason: "until the audit is over", By: "carol", At: ago(1), Until: now.AddDate(0, 0, 5)},
			{ID: "TRUST-02", ARN: "arn:aws:iam::111122223333:role/partner", Reason: "they change it", By: "carol", At: ago(30), Until: ago(1)},
		},
		Notes: []string{"the calls of 200 access keys were compared, those used last, of 300 in use"},
	}
}

func TestWhatAdvisePrints(t *testing.T) {
	var out bytes.Buffer
	if err := printReport(&out, advisor.Review(adviseFacts())); err != nil {
		t.Fatal(err)
	}
	golden(t, "advise.txt", out.Bytes())
}
