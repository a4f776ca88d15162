package keyring

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseSealKey(t *testing.T) {
	good := newSealKey(t)
	text := good.Text()
	for _, test := range []struct {
		what, text string
		ok         bool
	}{
		{"as printed", text, true},
		{"with white space around", "\n  " + text + " \r\n", true},
		{"empty", "", false},
		{"blank", " \n", false},
		{"one character less", text[:len(text)-1], false},
		{"one character more", text + "A", false},
		{"twice", text + text, false},
		{"white space within", text[:10] + " " + text[10:], false},
		{"bits behind the end", strings.Repeat("A", 10) + "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB=", false},
		{"16 bytes", "AAECAwQFBgcICQoLDA0ODw==", false},
		{"all zero", strings.Repeat("A", 43) + "=", false},
		{"not base64", strings.Repeat("*", 44), false},
	} {
		k, err := ParseSealKey(test.text)
		if (err == nil) != test.ok || test.ok && k != good || !test.ok && !errors.Is(err, ErrInvalidSealKey) {
			t.Errorf("%s: %v", test.what, err)
		}
	}
}

func TestSealKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.key")
	key := newSealKey(t)
	if _, err := ReadSealKey(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := WriteSealKey(path, key); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadSealKey(path); err != nil || got != key {
		t.Errorf("read what was written: %v", err)
	}
	if err := WriteSealKey(path, newSealKey(t)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second write: %v, want ErrExist", err)
	}
	if got, err := ReadSealKey(path); err != nil || got != key {
		t.Errorf("after a refused write: %v", err)
	}
	for mode, ok := range map[fs.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o660: false, 0o644: false, 0o620: false, 0o601: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := ReadSealKey(path)
		if (err == nil) != ok || !ok && (!errors.Is(err, ErrExposed) || !strings.Contains(err.Error(), "chmod 600")) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	if _, err := ReadSealKey(filepath.Dir(path)); err == nil {
		t.Error("a directory was read as a seal key")
	}
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSealKey(big); !errors.Is(err, ErrInvalidSealKey) {
		t.Errorf("a large file: %v", err)
	}
}

func TestSourceOrder(t *testing.T) {
	dir := t.TempDir()
	file, credentials := filepath.Join(dir, "seal.key"), filepath.Join(dir, "credentials")
	inFile, inValue, inCredential := newSealKey(t), newSealKey(t), newSealKey(t)
	if err := os.Mkdir(credentials, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(path string, key SealKey, mode fs.FileMode) {
		t.Helper()
		if err := WriteSealKey(path, key); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	all := Source{File: file, Value: inValue.Text(), CredentialsDirectory: credentials}
	expect := func(what string, s Source, want SealKey, origin string) {
		t.Helper()
		key, from, err := s.Find()
		if err != nil || key != want || from != origin {
			t.Errorf("%s: from %q, %v", what, from, err)
		}
	}
	expect("no file", all, inValue, "environment")
	write(filepath.Join(credentials, Credential), inCredential, 0o440)
	expect("a credential that systemd shows as group readable", Source{File: file, CredentialsDirectory: credentials}, inCredential, filepath.Join(credentials, Credential))
	write(file, inFile, 0o600)
	expect("all three", all, inFile, file)

	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := all.Find(); !errors.Is(err, ErrExposed) {
		t.Errorf("a bad first source: %v, want ErrExposed", err)
	}
	if _, _, err := (Source{Value: "nonsense", CredentialsDirectory: credentials}).Find(); !errors.Is(err, ErrInvalidSealKey) {
		t.Errorf("a bad second source: %v, want ErrInvalidSealKey", err)
	}
	if _, _, err := (Source{File: filepath.Join(dir, "none"), CredentialsDirectory: dir}).Find(); !errors.Is(err, ErrNoSealKey) {
		t.Errorf("no source: %v, want ErrNoSealKey", err)
	}
}

func TestSealKeyID(t *testing.T) {
	a, err := GenerateSealKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := GenerateSealKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := New(a, rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	id, err := SealKeyID(ring.Marshal())
	if err != nil || id != a.ID() || id != ring.SealKeyID() || len(id) != 16 || id == b.ID() {
		t.Errorf("%q, %v; of the keys: %q, %q", id, err, a.ID(), b.ID())
	}
	if strings.Contains(a.Text(), id) {
		t.Error("the id is part of the key")
	}
	for _, blob := range [][]byte{nil, ring.Marshal()[:8]} {
		if _, err := SealKeyID(blob); !errors.Is(err, ErrDamaged) {
			t.Errorf("%x: %v", blob, err)
		}
	}
	newer := ring.Marshal()
	newer[0]++
	if _, err := SealKeyID(newer); !errors.Is(err, ErrNewer) {
		t.Errorf("newer: %v", err)
	}
}
