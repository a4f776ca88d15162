package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// The numbers are on people's disks. This list grows; no line of it changes.
func TestKindsKeepTheirNumbers(t *testing.T) {
	names := strings.Fields(`- Account Keyring User Group Role Policy InstanceProfile AccessKey MFADevice NameIndex
		Membership Attachment Counts LastUsed PasswordPolicy AccountAlias TOTPState Throttle Revocation DenialTrace Meta
		ServerCertificate SigningCertificate SSHPublicKey ServiceCredential OIDCProvider SAMLProvider RoleDeletion Report
		Activity AccountSettings DelegationRequest ManagedPolicy Suppression
		BrowserSession SignIn OneTimeLink RecoveryCodes KnownDevice PersonState SignInRules PasskeyIndex Ceremony
		OAuthCode OAuthGrant RootEmail PolicyTests Notifications Notice`)
	for i, name := range names[1:] {
		if k := Kind(i + 1); k.String() != name || !k.Known() {
			t.Errorf("kind %d is %v, was %s", k, k, name)
		}
	}
	if len(kinds) != len(names) {
		t.Errorf("%d kinds, this test knows %d: add the new ones", len(kinds)-1, len(names)-1)
	}
	if Kind(0).Known() || Kind(200).Known() || Kind(200).String() != "Kind(200)" {
		t.Error("an unknown kind is known")
	}
}

// T387: records of older releases are upgraded step by step, newer ones are refused.
func TestT387_Upgrade(t *testing.T) {
	type v3 struct {
		FirstName, LastName string
		Admin               bool
	}
	broken := errors.New("broken")
	schema := []kindInfo{1: {name: "Person", upgrades: []upgrade{
		func(old []byte) ([]byte, error) { // version 1 had one name
			var v1 struct{ Name string }
			if err := json.Unmarshal(old, &v1); err != nil {
				return nil, err
			}
			first, last, _ := strings.Cut(v1.Name, " ")
			return json.Marshal(v3{FirstName: first, LastName: last})
		},
		func(old []byte) ([]byte, error) { // version 2 did not know administrators
			if bytes.Contains(old, []byte("Mallory")) {
				return nil, broken
			}
			var v v3
			if err := json.Unmarshal(old, &v); err != nil {
				return nil, err
			}
			v.Admin = v.FirstName == "Root"
			return json.Marshal(v)
		},
	}}}
	for _, test := range []struct {
		what    string
		raw     []byte
		want    string
		failure error
	}{
		{"version 1", append([]byte{1, 1}, `{"Name":"Root User"}`...), `{"FirstName":"Root","LastName":"User","Admin":true}`, nil},
		{"version 2", append([]byte{1, 2}, `{"FirstName":"Alice"}`...), `{"FirstName":"Alice","LastName":"","Admin":false}`, nil},
		{"version 3, byte for byte", append([]byte{1, 3}, ` {"Admin" :true}`...), ` {"Admin" :true}`, nil},
		{"version 4", append([]byte{1, 4}, `{}`...), "", ErrNewer},
		{"version 0", append([]byte{1, 0}, `{}`...), "", ErrCorrupt},
		{"unknown kind", append([]byte{2, 1}, `{}`...), "", ErrNewer},
		{"kind 0", append([]byte{0, 1}, `{}`...), "", ErrCorrupt},
		{"an upgrade that fails", append([]byte{1, 1}, `{"Name":"Mallory"}`...), "", broken},
		{"one byte", []byte{1}, "", ErrCorrupt},
		{"nothing", nil, "", ErrCorrupt},
	} {
		got, err := upgraded(schema, test.raw)
		if !errors.Is(err, test.failure) || (test.failure == nil && (err != nil || string(got) != "\x01\x03"+test.want)) {
			t.Errorf("T387: %s: %q, %v", test.what, got, err)
		}
	}
}

type thing struct {
	Name string
	Tags map[string]string `json:",omitempty"`
}

var things = Table[thing]{Kind: Meta}

func TestItemDecodesOnce(t *testing.T) {
	it, err := NewItem(Meta, thing{Name: "x", Tags: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := it.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	values := make([]*thing, 16)
	var wg sync.WaitGroup
	for i := range values {
		wg.Go(func() { values[i], _ = things.Value(it) })
	}
	wg.Wait()
	for _, v := range values {
		if v == nil || v != values[0] {
			t.Fatal("concurrent readers got different values")
		}
	}
	if again, err := it.Bytes(); err != nil || !bytes.Equal(again, raw) || it.Sum() != Checksum(raw) {
		t.Errorf("an item encodes to %q after it was decoded, was %q (%v)", again, raw, err)
	}
	if _, err := (Table[thing]{Kind: Role}).Value(it); err == nil {
		t.Error("an item was read through the table of another kind")
	}
}

func TestItemErrors(t *testing.T) {
	if _, err := NewItem(0, 1); err == nil {
		t.Error("an item of kind 0")
	}
	if _, err := NewItem(Meta, func() {}); err == nil {
		t.Error("an item of a function")
	}
	if _, err := NewItem(Meta, strings.Repeat("x", MaxItemBytes)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large item: %v", err)
	}
	bad := append([]byte{byte(Meta), 1}, `{"Name":`...)
	it, err := OpenItem(bad, Checksum(bad))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := things.Value(it); !errors.Is(err, ErrCorrupt) {
		t.Errorf("half a record: %v, want ErrCorrupt", err)
	}
}

// In race builds, a shared value that is modified in place is noticed.
func TestCheckShared(t *testing.T) {
	if fmt.Sprint(guardOf(Meta, thing{})) == "{}" {
		t.Skip("not a race build")
	}
	it, err := NewItem(Meta, thing{Name: "x", Tags: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	CheckShared("", it)
	v, err := things.Value(it)
	if err != nil {
		t.Fatal(err)
	}
	CheckShared("", it)
	v.Tags["a"] = "c"
	defer func() {
		if recover() == nil {
			t.Error("a modified value was not noticed")
		}
	}()
	CheckShared("", it)
}

// FuzzOpenItem: bytes from a disk either are a record of a known kind, or an error.
func FuzzOpenItem(f *testing.F) {
	f.Add(append([]byte{byte(Meta), 1}, `{"Name":"x"}`...))
	f.Add([]byte{byte(Meta), 2, '{', '}'})
	f.Add([]byte{0, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		it, err := OpenItem(raw, Checksum(raw))
		if err != nil {
			if it != nil || !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
				t.Errorf("%x: %v, %v", raw, it, err)
			}
			return
		}
		if !it.Kind().Known() {
			t.Errorf("%x is a %v", raw, it.Kind())
		}
		if v, err := value[thing](it); err == nil {
			if again, err := encode(it.Kind(), v); err != nil || len(again) < headerBytes {
				t.Errorf("%x does not encode again: %v", raw, err)
			}
		}
	})
}

// A record that says all by its key shares its item with the others of its kind, and with
// whatever type of value it is read.
func TestEmptyRecordsShareAnItem(t *testing.T) {
	type row struct {
		Name string `json:",omitempty"`
	}
	item := func(kind Kind, v any) *Item {
		it, err := NewItem(kind, v)
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	shared := item(Attachment, struct{}{})
	if item(Attachment, &row{}) != shared || item(User, struct{}{}) == shared || item(Attachment, &row{Name: "a"}) == shared {
		t.Error("the wrong items are shared")
	}
	raw, err := shared.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := OpenItem(bytes.Clone(raw), Checksum(raw)); err != nil || opened != shared {
		t.Errorf("opened: %v, %v", opened, err)
	}
	a, err := value[row](shared)
	if err != nil {
		t.Fatal(err)
	}
	a.Name = "of nobody else"
	if b, err := value[row](shared); err != nil || b.Name != "" {
		t.Errorf("a shared item is %+v, %v", b, err)
	}
	if _, err := value[struct{}](shared); err != nil {
		t.Error(err)
	}
}

// Version 1 of an attachment had a name; the checksum is that of what is on disk.
func TestUpgradeAttachment(t *testing.T) {
	raw := []byte("\x0c\x01" + `{"n":"alice"}`)
	it, err := OpenItem(raw, Checksum(raw))
	if err != nil {
		t.Fatal(err)
	}
	if now, _ := it.Bytes(); string(now) != "\x0c\x02{}" || it.Sum() != Checksum(raw) {
		t.Errorf("%q, %x", now, it.Sum())
	}
}
