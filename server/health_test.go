package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

// The page Health tells how much is on the disk, and for how long records are kept.
func TestHealthTellsOfTheData(t *testing.T) {
	dir := t.TempDir()
	config := Config{
		DataDir: filepath.Join(dir, "data"), SealKeyFile: filepath.Join(dir, "seal.key"), Socket: filepath.Join(dir, "s"),
		Accounts: []arn.AccountID{DefaultAccount}, Listen: "127.0.0.1:0", Retention: 30 * 24 * time.Hour,
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
	check := func(name string) (state, text string) {
		t.Helper()
		d, err := s.describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range d.Checks {
			if *c.Name == name {
				return *c.State, *c.Text
			}
		}
		t.Fatalf("no check %s", name)
		return "", ""
	}
	if state, text := check("data"); state != lanyard.StateGood || !strings.Contains(text, " on disk; 6 records have about ") {
		t.Errorf("data: %s, %s", state, text)
	}
	if got := waits(1, "record") + ", " + waits(0, "record") + ", " + plural(2, "day"); got != "1 record waits, 0 records wait, 2 days" {
		t.Error(got)
	}
	if _, text := check("trail"); !strings.Contains(text, "kept for 30 days") {
		t.Errorf("trail: %s", text)
	}
	if state, text := check("disk"); !strings.Contains(text, " are free") {
		t.Errorf("disk: %s, %s", state, text)
	}
	if state, text := check("backup"); state != lanyard.StateWarning || !strings.HasPrefix(text, "never") {
		t.Errorf("backup: %s, %s", state, text)
	}
	who := peer{uid: uint32(os.Getuid())}
	begun, err := s.backup(t.Context(), BackupRequest{}, who)
	if err != nil {
		t.Fatal(err)
	}
	if state, _ := check("backup"); state != lanyard.StateWarning {
		t.Error("a backup that was begun counts")
	}
	if _, err := s.backup(t.Context(), BackupRequest{ID: begun.ID, Bytes: 42e6}, who); err != nil {
		t.Fatal(err)
	}
	if state, text := check("backup"); state != lanyard.StateGood || text != "0 s ago, 42.0 MB" {
		t.Errorf("backup: %s, %s", state, text)
	}
	s.clock.Advance(8 * 24 * time.Hour)
	if state, text := check("backup"); state != lanyard.StateWarning || !strings.HasPrefix(text, "the last one is 8 days old") {
		t.Errorf("backup: %s, %s", state, text)
	}
	s.clock.Reset()
	d, err := s.describe(t.Context())
	if err != nil || *d.SealKey.Id != s.ring.SealKeyID() || len(d.SealKey.Keys) != 5 || *d.SealKey.Origin != config.SealKeyFile || *d.TLS.By != lanyard.TLSNone || d.Store.LastWrite == nil {
		t.Errorf("%+v, %v", d, err)
	}
	s.config.DataDir = filepath.Join(dir, "gone")
	if state, text := check("data"); state != lanyard.StateFailed || !strings.Contains(text, "cannot be read") || strings.Contains(text, dir) {
		t.Errorf("data: %s", text)
	}
}

// A certificate is judged before it ends.
func TestHealthTellsOfTheCertificate(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for name, c := range map[string]struct {
		from, to time.Duration
		state    string
		text     string
	}{
		"good":  {-time.Hour, 40*24*time.Hour + time.Hour, lanyard.StateGood, "ends in 40 days"},
		"soon":  {-time.Hour, 3*24*time.Hour + time.Hour, lanyard.StateWarning, "ends in 3 days"},
		"last":  {-time.Hour, 25 * time.Hour, lanyard.StateWarning, "ends in 1 day:"},
		"ended": {-10 * 24 * time.Hour, -3 * 24 * time.Hour, lanyard.StateFailed, "ended 3 days ago"},
		"later": {time.Hour, 24 * time.Hour, lanyard.StateFailed, "begins in the future"},
	} {
		t.Run(name, func(t *testing.T) {
			cert, key := filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
			writeCertificate(t, cert, key, now.Add(c.from), now.Add(c.to))
			s, err := New(Config{Dev: true, Listen: "127.0.0.1:0", Socket: filepath.Join(t.TempDir(), "s"), TLSCert: cert, TLSKey: key})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			d, err := s.describe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, check := range d.Checks {
				if *check.Name == "certificate" {
					found = true
					if *check.State != c.state || !strings.HasPrefix(*check.Text, c.text) {
						t.Errorf("%s, %s", *check.State, *check.Text)
					}
				}
			}
			if !found || *d.TLS.By != lanyard.TLSServer || *d.TLS.KeyType != "ECDSA, P-256" || len(d.TLS.Names) != 2 || *d.TLS.Issuer != "CN=Lanyard test" {
				t.Errorf("%+v", d.TLS)
			}
		})
	}
}

func writeCertificate(t *testing.T, cert, key string, from, to time.Time) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Lanyard test"}, NotBefore: from, NotAfter: to,
		DNSNames: []string{"id.example.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Counting looks at every record, and weighs some.
func TestRecordsAreCounted(t *testing.T) {
	st := memory.New()
	defer st.Close()
	const n = 5000
	if err := st.Update(t.Context(), func(tx store.Tx) error {
		for i := range n {
			if err := identity.RootEmails.Put(tx, &identity.Alias{Account: "111122223333"}, fmt.Sprintf("%06d@example.com", i)); err != nil {
				return err
			}
		}
		return identity.Accounts.Put(tx, &identity.Account{ID: "111122223333"}, "111122223333")
	}); err != nil {
		t.Fatal(err)
	}
	var c counted
	kinds, err := c.of(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	item, err := store.NewItem(store.RootEmail, &identity.Alias{Account: "111122223333"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := item.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	each := int64(len(raw) + len(identity.RootEmails.Key("000000@example.com")))
	if k := kinds[store.RootEmail]; k.records != n || k.bytes != n*each || k.weighed > n/10 {
		t.Errorf("%+v, each has %d bytes", k, each)
	}
	if kinds[store.Account].records != 1 || kinds[store.User].records != 0 {
		t.Error("of other kinds")
	}
}

// The page Health tells when notifications wait too long, and of whom it does not tell.
func TestHealthTellsOfNotificationsThatWait(t *testing.T) {
	now := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	s, err := New(Config{Dev: true, Listen: "127.0.0.1:0", Socket: filepath.Join(t.TempDir(), "s"), Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	is := func(state, text string) {
		t.Helper()
		d, err := s.describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, c := range d.Checks {
			if *c.Name == "notifications" {
				if found = true; *c.State != state || *c.Text != text {
					t.Errorf("%s: %s", *c.State, *c.Text)
				}
			}
		}
		if !found {
			t.Error("no such row")
		}
	}
	is(lanyard.StateGood, "none waits")
	err = s.store.Update(t.Context(), func(tx store.Tx) error {
		for _, n := range []identity.Notice{{Slot: "a", First: now}, {Slot: "b", First: now.Add(time.Minute)}} {
			n.To.To = "https://hooks.example.com/secret"
			if err := identity.Notices.Put(tx, &n, string(DefaultAccount), "x", "y", n.Slot); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	is(lanyard.StateGood, "2 notifications wait to be delivered, the oldest since 2026-11-27 09:00 UTC")
	now = now.Add(time.Hour)
	is(lanyard.StateFailed, "2 notifications wait to be delivered, the oldest since 2026-11-27 09:00 UTC")
}
