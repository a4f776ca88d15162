package identity_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/webauthnx"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

func TestNewSecurityKey(t *testing.T) {
	const account = arn.AccountID("111122223333")
	now := time.Date(2026, 7, 1, 12, 0, 0, 5, time.UTC)
	credential := &webauthnx.Credential{ID: []byte("id"), PublicKey: []byte("key"), Algorithm: webauthnx.ES256}
	root := &identity.Person{Account: &identity.Account{ID: account}}
	alice := &identity.Person{Account: root.Account, User: &identity.User{Account: account, ID: "AIDAALICE", Name: "alice"}}
	for p, serial := range map[*identity.Person]string{
		alice: "arn:aws:iam::111122223333:u2f/user/alice/my-key-AEAQCAIBAEAQCAIBAEAQCAIBAE",
		root:  "arn:aws:iam::111122223333:u2f/root-account/my-key-AEAQCAIBAEAQCAIBAEAQCAIBAE",
	} {
		d, err := identity.NewSecurityKey(p, "my-key", credential, now, bytes.NewReader(bytes.Repeat([]byte{1}, 16)))
		if err != nil {
			t.Fatal(err)
		}
		if d.Serial("aws") != serial || d.Kind() != identity.SecurityKey || d.Label() != "my-key" || d.Owner != p.ID() || !d.Enabled.Equal(now.Truncate(time.Second)) {
			t.Errorf("%+v: %s, %s", d, d.Serial("aws"), d.Label())
		}
		if of, key, ok := identity.SerialKey("999999999999", serial); !ok || of != account || key != d.Key() {
			t.Errorf("%s is of %s, %s", serial, of, key)
		}
	}
	if _, err := identity.NewSecurityKey(alice, "k", credential, now, strings.NewReader("short")); err == nil {
		t.Error("a key without chance in its name")
	}
	for label, ok := range map[string]bool{
		"my-key": true, "a+=,.@-_9": true, strings.Repeat("a", 64): true,
		"": false, strings.Repeat("a", 65): false, "my key": false, "a/b": false, "a:b": false, "schlüssel": false, "a\x00": false,
	} {
		if identity.ValidKeyLabel(label) != ok {
			t.Errorf("label %q", label)
		}
	}
	if phone := (&identity.MFADevice{Path: "/", Name: "my-phone"}); phone.Label() != "my-phone" {
		t.Errorf("label %s", phone.Label())
	}
}

func TestSecurityKeyIndex(t *testing.T) {
	s := memory.New()
	defer s.Close()
	update := func(fn func(store.Tx) error) error { return s.Update(t.Context(), fn) }
	device := func(account arn.AccountID, name, id string) *identity.MFADevice {
		return &identity.MFADevice{Account: account, Path: "u2f/user/alice/", Name: name, Owner: "AIDAALICE", WebAuthn: &webauthnx.Credential{ID: []byte(id)}}
	}
	put := func(d *identity.MFADevice) error {
		return update(func(tx store.Tx) error { return identity.PutSecurityKey(tx, d) })
	}
	find := func(id string) (d *identity.MFADevice, err error) {
		s.View(t.Context(), func(r store.Reader) error {
			d, err = identity.SecurityKeyByCredential(r, []byte(id))
			return nil
		})
		return d, err
	}
	long := strings.Repeat("x", 1023)
	first := device("111122223333", "key-1", long)
	if err := put(first); err != nil {
		t.Fatal(err)
	}
	if err := put(first); err != nil { // again is no other
		t.Error(err)
	}
	if d, err := find(long); err != nil || d.Key() != first.Key() {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := find(long[1:]); err != store.ErrNotFound {
		t.Errorf("another credential: %v", err)
	}
	for _, d := range []*identity.MFADevice{device("111122223333", "key-2", long), device("444455556666", "key-1", long)} {
		if err := put(d); !errors.Is(err, identity.ErrRegistered) {
			t.Errorf("the credential on another device: %v", err)
		}
	}
	if err := put(&identity.MFADevice{Path: "/", Name: "phone", WebAuthn: first.WebAuthn}); err == nil {
		t.Error("a phone with a credential")
	}
	if err := put(&identity.MFADevice{Path: "u2f/user/a/", Name: "key"}); err == nil {
		t.Error("a key without one")
	}
	if err := update(func(tx store.Tx) error { identity.DeleteSecurityKey(tx, first); return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := find(long); err != store.ErrNotFound {
		t.Errorf("a deleted key: %v", err)
	}
	if err := put(device("444455556666", "key-1", long)); err != nil {
		t.Errorf("a credential that was free again: %v", err)
	}
	// A row that leads nowhere is a fault of ours, not an unknown key.
	update(func(tx store.Tx) error {
		identity.MFADevices.Delete(tx, "444455556666", "u2f/user/alice/key-1")
		return nil
	})
	if _, err := find(long); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("half a key: %v", err)
	}
}

// The JSON of a credential is on disk for years.
func TestStoredCredential(t *testing.T) {
	const stored = `{"id":"AQ==","key":"Ag==","alg":-7,"counter":3,"aaguid":"BA==","transports":["usb"],"attestation":"none","backupEligible":true,"backedUp":true,"verified":true,"discoverable":true}`
	var c webauthnx.Credential
	if err := json.Unmarshal([]byte(stored), &c); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(c)
	if err != nil || string(again) != stored {
		t.Errorf("%s, %v", again, err)
	}
}
