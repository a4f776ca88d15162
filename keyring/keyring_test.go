package keyring

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var now = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func newSealKey(tb testing.TB) SealKey {
	tb.Helper()
	k, err := GenerateSealKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func newRing(tb testing.TB) (*Ring, SealKey) {
	tb.Helper()
	seal := newSealKey(tb)
	r, err := New(seal, rand.Reader, now)
	if err != nil {
		tb.Fatal(err)
	}
	return r, seal
}

func mustSeal(tb testing.TB, r *Ring, class Class, ad, text string) []byte {
	tb.Helper()
	sealed, err := r.Seal(class, ad, []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return sealed
}

func rotate(tb testing.TB, r *Ring, class Class, at time.Time) {
	tb.Helper()
	c, err := r.Rotate(class, at, rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	if err := c.Apply(); err != nil {
		tb.Fatal(err)
	}
}

// The vectors of https://c2sp.org/XAES-256-GCM.
func TestXAESVectors(t *testing.T) {
	for _, v := range []struct {
		key  byte
		ad   string
		want string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		aead := newXAES(bytes.Repeat([]byte{v.key}, 32))
		nonce := []byte("ABCDEFGHIJKLMNOPQRSTUVWX")
		got := aead.Seal(nil, nonce, []byte("XAES-256-GCM"), []byte(v.ad))
		if hex.EncodeToString(got) != v.want {
			t.Errorf("key %d: %x, want %s", v.key, got, v.want)
		}
		if plain, err := aead.Open(nil, nonce, got, []byte(v.ad)); err != nil || string(plain) != "XAES-256-GCM" {
			t.Errorf("key %d does not open what it sealed: %q, %v", v.key, plain, err)
		}
	}
}

func TestSealOpen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seal, err := GenerateSealKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		r, err := New(seal, rand.Reader, now)
		if err != nil {
			t.Fatal(err)
		}
		class := rapid.SampledFrom(Classes()).Draw(t, "class")
		ad, plain := rapid.String().Draw(t, "ad"), rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		sealed, err := r.Seal(class, ad, plain)
		if err != nil {
			t.Fatal(err)
		}
		if r, err = Open(seal, r.Marshal()); err != nil { // after a restart
			t.Fatal(err)
		}
		if opened, err := r.Open(class, ad, sealed); err != nil || !bytes.Equal(opened, plain) {
			t.Fatalf("opened %q, %v, want %q", opened, err, plain)
		}
		if len(plain) > 8 && bytes.Contains(sealed, plain) {
			t.Fatal("the sealed value contains the plaintext")
		}
	})
}

func TestEveryByteFlipped(t *testing.T) {
	r, seal := newRing(t)
	sealed := mustSeal(t, r, MFASeeds, "device", "a seed")
	for i := range sealed {
		for bit := range 8 {
			bad := bytes.Clone(sealed)
			bad[i] ^= 1 << bit
			if plain, err := r.Open(MFASeeds, "device", bad); err == nil || plain != nil {
				t.Fatalf("a value with bit %d of byte %d flipped opens", bit, i)
			}
		}
	}
	blob := r.Marshal()
	for i := range blob {
		for bit := range 8 {
			bad := bytes.Clone(blob)
			bad[i] ^= 1 << bit
			if got, err := Open(seal, bad); err == nil || got != nil {
				t.Fatalf("a ring with bit %d of byte %d flipped opens", bit, i)
			}
		}
	}
	for n := range sealed {
		if _, err := r.Open(MFASeeds, "device", sealed[:n]); err == nil {
			t.Fatalf("a value cut to %d bytes opens", n)
		}
	}
	for n := range blob {
		if _, err := Open(seal, blob[:n]); err == nil {
			t.Fatalf("a ring cut to %d bytes opens", n)
		}
	}
}

func TestMovedValueDoesNotOpen(t *testing.T) {
	r, _ := newRing(t)
	sealed := mustSeal(t, r, AccessKeySecrets, "alice", "secret")
	other, _ := newRing(t)
	for what, open := range map[string]func() ([]byte, error){
		"another record":           func() ([]byte, error) { return r.Open(AccessKeySecrets, "mallory", sealed) },
		"no record":                func() ([]byte, error) { return r.Open(AccessKeySecrets, "", sealed) },
		"a longer name":            func() ([]byte, error) { return r.Open(AccessKeySecrets, "alice\x00", sealed) },
		"another class":            func() ([]byte, error) { return r.Open(MFASeeds, "alice", sealed) },
		"an unknown class":         func() ([]byte, error) { return r.Open("", "alice", sealed) },
		"another ring":             func() ([]byte, error) { return other.Open(AccessKeySecrets, "alice", sealed) },
		"the id of a class's twin": func() ([]byte, error) { return r.Open(AccessKeySecrets+"\x00", "alice", sealed) },
	} {
		if plain, err := open(); err == nil {
			t.Errorf("a value moved to %s opens: %q", what, plain)
		}
	}
	// Not even if the keys of the two classes were the same.
	key := r.Active(AccessKeySecrets)
	head := sealed[:headerBytes]
	if _, err := open(key.aead, sealed[headerBytes:], bound(head, MFASeeds, "alice")); err == nil {
		t.Error("the class is not bound")
	}
}

func TestRotation(t *testing.T) {
	r, seal := newRing(t)
	first := r.Active(AccessKeySecrets).ID()
	old := mustSeal(t, r, AccessKeySecrets, "alice", "old")
	other := r.Active(MFASeeds).ID()

	rotate(t, r, AccessKeySecrets, now.Add(time.Hour))
	second := r.Active(AccessKeySecrets).ID()
	if second == first {
		t.Fatal("Rotate did not change the active key")
	}
	if r.Active(MFASeeds).ID() != other {
		t.Error("Rotate changed another class")
	}
	young := mustSeal(t, r, AccessKeySecrets, "alice", "young")

	r, err := Open(seal, r.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	for text, sealed := range map[string][]byte{"old": old, "young": young} {
		if plain, err := r.Open(AccessKeySecrets, "alice", sealed); err != nil || string(plain) != text {
			t.Errorf("after rotation: %q, %v, want %q", plain, err, text)
		}
	}
	states := make(map[uint32]State)
	for _, info := range r.List() {
		states[info.ID] = info.State
	}
	if states[first] != DecryptOnly || states[second] != Active || len(states) != len(Classes())+1 {
		t.Errorf("states after rotation: %v", states)
	}

	if _, err := r.Retire(second); !errors.Is(err, ErrActive) {
		t.Errorf("Retire of the active key: %v, want ErrActive", err)
	}
	c, err := r.Retire(first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(AccessKeySecrets, "alice", old); err != nil {
		t.Errorf("a prepared change took effect before Apply: %v", err)
	}
	if err := c.Apply(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(AccessKeySecrets, "alice", old); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("value of a retired key: %v, want ErrUnknownKey", err)
	}
	if _, ok := r.Key(AccessKeySecrets, first); ok {
		t.Error("a retired key is still there")
	}
	if _, err := r.Retire(first); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("second Retire: %v, want ErrUnknownKey", err)
	}
	if _, err := r.Rotate("nonsense", now, rand.Reader); err == nil {
		t.Error("Rotate of an unknown class succeeded")
	}
}

func TestChangeStoredBeforeApplied(t *testing.T) {
	r, seal := newRing(t)
	first, err := r.Rotate(MFASeeds, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.Rotate(PrivateKeys, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	stored := first.Marshal()
	if err := first.Apply(); err != nil {
		t.Fatal(err)
	}
	if err := second.Apply(); !errors.Is(err, ErrOutdated) {
		t.Errorf("Apply of an outdated change: %v, want ErrOutdated", err)
	}
	sealed := mustSeal(t, r, MFASeeds, "d", "seed")
	again, err := Open(seal, stored)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Open(MFASeeds, "d", sealed); err != nil || string(plain) != "seed" {
		t.Errorf("the ring stored before Apply does not open what was sealed after: %q, %v", plain, err)
	}
}

// T386: the seal key is changed with no value re-sealed; the wrong one is named as such and
// changes nothing.
func TestT386_SealKey(t *testing.T) {
	r, before := newRing(t)
	sealed := mustSeal(t, r, AccessKeySecrets, "alice", "secret")
	blob := r.Marshal()
	after := newSealKey(t)
	if _, err := Open(after, blob); !errors.Is(err, ErrWrongSealKey) {
		t.Errorf("T386: Open with a wrong seal key: %v, want ErrWrongSealKey", err)
	}
	c := r.Reseal(after)
	resealed := c.Marshal()
	if err := c.Apply(); err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{resealed, r.Marshal()} {
		if _, err := Open(before, b); !errors.Is(err, ErrWrongSealKey) {
			t.Errorf("T386: Open with the previous seal key: %v, want ErrWrongSealKey", err)
		}
		again, err := Open(after, b)
		if err != nil {
			t.Fatalf("T386: Open after Reseal: %v", err)
		}
		if plain, err := again.Open(AccessKeySecrets, "alice", sealed); err != nil || string(plain) != "secret" {
			t.Errorf("T386: value after Reseal: %q, %v", plain, err)
		}
	}
	if _, err := Open(before, blob); err != nil {
		t.Errorf("T386: the ring as it was stored before does not open any more: %v", err)
	}
}

func TestNewerVersions(t *testing.T) {
	r, seal := newRing(t)
	blob, sealed := r.Marshal(), mustSeal(t, r, MFASeeds, "", "x")
	blob[0], sealed[0] = ringVersion+1, valueVersion+1
	if _, err := Open(seal, blob); !errors.Is(err, ErrNewer) {
		t.Errorf("ring of a newer version: %v", err)
	}
	if _, err := r.Open(MFASeeds, "", sealed); !errors.Is(err, ErrNewer) {
		t.Errorf("value of a newer version: %v", err)
	}
}

func TestMissingClass(t *testing.T) {
	r, seal := newRing(t)
	k := r.prepare().to // a ring of a release that did not know the class yet
	delete(k.byID, k.active[Messages].ID())
	delete(k.active, Messages)
	r, err := Open(seal, k.marshal())
	if err != nil {
		t.Fatal(err)
	}
	if missing := r.Missing(); !slices.Equal(missing, []Class{Messages}) {
		t.Errorf("missing: %v", missing)
	}
	if _, err := r.Seal(Messages, "", nil); err == nil || r.Active(Messages) != nil {
		t.Errorf("Seal without a key: %v", err)
	}
	rotate(t, r, Messages, now)
	if len(r.Missing()) != 0 {
		t.Errorf("missing after Rotate: %v", r.Missing())
	}
	mustSeal(t, r, Messages, "", "x")
}

// T298: a random nonce has 192 bits, so that 10⁹ tokens, or 2⁸⁰, do not use a key up. What
// can be tested is that each is drawn anew and that it decides about the key.
func TestT298_Nonces(t *testing.T) {
	r, _ := newRing(t)
	seen := make(map[string]bool)
	for range 10_000 {
		sealed := mustSeal(t, r, SessionTokens, "", "same")
		nonce := string(sealed[headerBytes : headerBytes+nonceBytes])
		if seen[nonce] {
			t.Fatal("T298: a nonce was repeated")
		}
		seen[nonce] = true
	}
	aead := r.Active(SessionTokens).AEAD()
	if aead.NonceSize() != 24 {
		t.Errorf("T298: nonces of %d bytes", aead.NonceSize())
	}
	nonce := make([]byte, 24)
	base := aead.Seal(nil, nonce, make([]byte, 64), nil)
	for i := range nonce { // each byte of the nonce changes the whole key stream
		other := bytes.Clone(nonce)
		other[i] ^= 1
		if c := aead.Seal(nil, other, make([]byte, 64), nil); bytes.Equal(c[:16], base[:16]) || bytes.Equal(c[48:64], base[48:64]) {
			t.Errorf("T298: byte %d of the nonce has no effect", i)
		}
	}
}

func TestDerive(t *testing.T) {
	r, seal := newRing(t)
	key := r.Active(SessionTokens)
	secret := key.Derive("session secret", []byte("id"), 30)
	for what, other := range map[string][]byte{
		"purpose":  key.Derive("session", []byte("id"), 30),
		"info":     key.Derive("session secret", []byte("ie"), 30),
		"boundary": key.Derive("session secreti", []byte("d"), 30),
		"key":      r.Active(Messages).Derive("session secret", []byte("id"), 30),
	} {
		if bytes.Equal(secret, other) {
			t.Errorf("another %s derives the same", what)
		}
	}
	again, err := Open(seal, r.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	rotate(t, again, SessionTokens, now.Add(time.Hour))
	old, ok := again.Key(SessionTokens, key.ID())
	if !ok || !bytes.Equal(old.Derive("session secret", []byte("id"), 30), secret) || len(secret) != 30 {
		t.Error("a key derives something else after a restart and a rotation")
	}
	if _, ok := again.Key(Messages, key.ID()); ok {
		t.Error("a key was found in another class")
	}
}

// T385: no key in clear, in any spelling, in what is stored or printed.
func TestT385_NoKeyInClear(t *testing.T) {
	r, seal := newRing(t)
	rotate(t, r, AccessKeySecrets, now)
	var out bytes.Buffer
	out.Write(r.Marshal())
	out.Write(mustSeal(t, r, AccessKeySecrets, "alice", "planted-canary"))
	logger := slog.New(slog.NewMultiHandler(slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)))
	type holder struct {
		Seal SealKey
		Ring *Ring
		Key  *Key
	}
	h := holder{seal, r, r.Active(MFASeeds)}
	for _, v := range []any{seal, &seal, r, h.Key, h, &h, []SealKey{seal}, r.List()} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		logger.Info("x", "v", v)
		json.NewEncoder(&out).Encode(v)
	}
	_, err := Open(newSealKey(t), r.Marshal())
	fmt.Fprintln(&out, err)
	_, err = ParseSealKey(seal.Text() + "A")
	fmt.Fprintln(&out, err)

	secrets := [][]byte{[]byte("planted-canary"), seal.secret[:]}
	for _, key := range r.keys.Load().byID {
		secrets = append(secrets, key.record.Secret, key.deriver)
	}
	for _, secret := range secrets {
		for _, form := range []string{
			string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)),
			base64.StdEncoding.EncodeToString(secret)[:16], base64.RawURLEncoding.EncodeToString(secret)[:16], strings.Trim(fmt.Sprint(secret), "[]"),
		} {
			if strings.Contains(out.String(), form) {
				t.Fatal("T385: a secret is in the output")
			}
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	r, _ := newRing(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				text := fmt.Sprint(i)
				sealed, err := r.Seal(MFASeeds, "ad", []byte(text))
				if err != nil {
					t.Error(err)
					return
				}
				if plain, err := r.Open(MFASeeds, "ad", sealed); err != nil || string(plain) != text {
					t.Errorf("%q, %v", plain, err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			rotate(t, r, MFASeeds, now)
			r.Marshal()
		}
	})
	wg.Wait()
}

// FuzzOpen: bytes that were not sealed by the ring open nothing.
func FuzzOpen(f *testing.F) {
	r, seal := newRing(f)
	sealed, blob := mustSeal(f, r, MFASeeds, "d", "seed"), r.Marshal()
	f.Add(sealed)
	f.Add(blob)
	f.Add(sealed[:headerBytes+nonceBytes])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if plain, err := r.Open(MFASeeds, "d", b); err == nil && !bytes.Equal(b, sealed) || err != nil && plain != nil {
			t.Errorf("%x opens to %q, %v", b, plain, err)
		}
		if ring, err := Open(seal, b); err == nil && !bytes.Equal(b, blob) || err != nil && ring != nil {
			t.Errorf("%x opens as a ring", b)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	r, _ := newRing(b)
	text := make([]byte, 400)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Seal(SessionTokens, "ad", text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	r, _ := newRing(b)
	sealed := mustSeal(b, r, SessionTokens, "ad", strings.Repeat("x", 400))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Open(SessionTokens, "ad", sealed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDerive(b *testing.B) {
	r, _ := newRing(b)
	key, id := r.Active(SessionTokens), make([]byte, 16)
	b.ReportAllocs()
	for b.Loop() {
		key.Derive("session secret", id, 30)
	}
}
