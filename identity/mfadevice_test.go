package identity_test

import (
	"encoding/json"
	"testing"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
)

// A device recorded before there were others than virtual ones is one of those.
func TestDevicesOfOlderRecords(t *testing.T) {
	var d identity.MFADevice
	if err := json.Unmarshal([]byte(`{"account":"111122223333","name":"phone","path":"/div/","seed":"AAAA","created":"2026-03-01T12:00:00Z","owner":"AIDAALICE","lastStep":7}`), &d); err != nil {
		t.Fatal(err)
	}
	if d.Kind() != identity.VirtualDevice || d.Key() != "/div/phone" || d.Serial("aws") != "arn:aws:iam::111122223333:mfa/div/phone" || len(d.Seed) != 3 || d.LastStep != 7 {
		t.Errorf("%+v", d)
	}
}

func TestSerialKeys(t *testing.T) {
	const own = arn.AccountID("111122223333")
	for serial, want := range map[string]struct {
		account arn.AccountID
		key     string
	}{
		"GAHT12345678":                                {own, "GAHT12345678"},
		"gaht-123_4.5+6=7@8":                          {own, "gaht-123_4.5+6=7@8"},
		"arn:aws:iam::444455556666:mfa/phone":         {"444455556666", "/phone"},
		"arn:aws:iam::444455556666:mfa/a/b":           {"444455556666", "/a/b"},
		"arn:aws:iam::444455556666:u2f/user/al/k-ID":  {"444455556666", "u2f/user/al/k-ID"},
		"arn:aws:iam::444455556666:u2f/root-account/": {"444455556666", "u2f/root-account/"},
		"arn:aws:iam::444455556666:mfa/":              {},
		"arn:aws:iam::444455556666:u2f/":              {},
		"arn:aws:iam::444455556666:user/phone":        {},
		"arn:aws:sts::444455556666:mfa/phone":         {},
		"/phone-of-alice":                             {},
		"u2f/user/al/k-ID":                            {},
		"GAHT":                                        {},
		"GAHT 12345678":                               {},
		"":                                            {},
	} {
		account, key, ok := identity.SerialKey(own, serial)
		if account != want.account || key != want.key || ok != (want.key != "") {
			t.Errorf("%q: %s %q %v", serial, account, key, ok)
		}
	}
}

// A serial number leads to one key, and that key back to the serial number.
func FuzzSerialKey(f *testing.F) {
	for _, serial := range []string{"GAHT12345678", "arn:aws:iam::111122223333:mfa/a/b", "arn:aws:iam::111122223333:u2f/user/al/k-ID", "arn:aws:iam::1:mfa//", "u2f/x"} {
		f.Add(serial)
	}
	f.Fuzz(func(t *testing.T, serial string) {
		account, key, ok := identity.SerialKey("111122223333", serial)
		if !ok {
			return
		}
		again := identity.SerialOf(arn.Scope{Partition: "aws", Account: account}, key)
		account2, key2, ok := identity.SerialKey("111122223333", again)
		if !ok || account2 != account || key2 != key {
			t.Fatalf("%q is %s %q, and that %q", serial, account, key, again)
		}
	})
}
