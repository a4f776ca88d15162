package password

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// hasher keeps tests fast; what is tested does not depend on the cost.
func hasher(parallel int) *Hasher {
	return NewHasher(Cost{Memory: 64, Time: 1, Threads: 1}, parallel)
}

// cheap is a turn at such a hasher.
func cheap(t testing.TB) *Turn {
	t.Helper()
	turn, err := hasher(1).Turn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return turn
}

func TestHashMatchesOnlyItsPassword(t *testing.T) {
	h := cheap(t)
	rapid.Check(t, func(t *rapid.T) {
		password := rapid.StringN(1, MaxLength, -1).Draw(t, "password")
		other := rapid.StringN(1, MaxLength, -1).Draw(t, "other")
		stored, err := h.Hash(password, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := h.Matches(password, stored); err != nil || !ok {
			t.Fatalf("the password itself: %v, %v", ok, err)
		}
		if ok, err := h.Matches(other, stored); err != nil || ok != (normal(other) == normal(password)) {
			t.Fatalf("another password: %v, %v", ok, err)
		}
		if strings.Contains(stored, password) && len(password) > 3 {
			t.Fatalf("hash %q shows the password", stored)
		}
	})
}

// The vector is one of the reference implementation's (phc-winner-argon2, test.c).
func TestMatchesIsArgon2id(t *testing.T) {
	h := cheap(t) // the cost is that of the stored hash
	const stored = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	if ok, err := h.Matches("password", stored); !ok || err != nil {
		t.Errorf("the password: %v, %v", ok, err)
	}
	if ok, err := h.Matches("Password", stored); ok || err != nil {
		t.Errorf("another password: %v, %v", ok, err)
	}
}

func TestTwoHashesOfOnePasswordDiffer(t *testing.T) {
	h := cheap(t)
	a, _ := h.Hash("correct horse", rand.Reader)
	b, _ := h.Hash("correct horse", rand.Reader)
	if a == b {
		t.Error("the salt does not vary")
	}
}

// T236: one password, however the keyboard writes it; and one hashed before passwords were
// normalized goes on working.
func TestT236_PasswordsAreNormalized(t *testing.T) {
	h := cheap(t)
	stored, err := h.Hash("Cafe\u0301 ①", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for typed, want := range map[string]bool{"Caf\u00e9 1": true, "Cafe\u0301 1": true, "Caf\u00e9\u00a01": true, "Cafe 1": false, "caf\u00e9 1": false} {
		if ok, err := h.Matches(typed, stored); ok != want || err != nil {
			t.Errorf("%+q: %v, %v", typed, ok, err)
		}
	}
	old := phc{Cost: h.hasher.cost, salt: make([]byte, saltBytes)}
	old.key = h.derive(old, "x\u00a0y²", keyBytes)
	if ok, err := h.Matches("x\u00a0y²", old.String()); !ok || err != nil {
		t.Errorf("hashed as typed: %v, %v", ok, err)
	}
	if ok, _ := h.Matches("x y2", old.String()); ok {
		t.Error("another text opens a hash of a password as typed")
	}
}

func TestOutdated(t *testing.T) {
	h := cheap(t)
	stored, _ := h.Hash("x", rand.Reader)
	if h.Outdated(stored) {
		t.Error("a new hash is outdated")
	}
	if !h.Outdated(strings.Replace(stored, "t=1", "t=2", 1)) {
		t.Error("a hash of another cost is not")
	}
}

func TestTooLongIsNeverHashed(t *testing.T) {
	h := cheap(t)
	long := strings.Repeat("é", MaxLength)
	if _, err := h.Hash(long, rand.Reader); err != nil {
		t.Errorf("%d characters of two bytes: %v", MaxLength, err)
	}
	if _, err := h.Hash(long+"x", rand.Reader); err != ErrTooLong {
		t.Errorf("one more: %v", err)
	}
	stored, _ := h.Hash("x", rand.Reader)
	if ok, err := h.Matches(strings.Repeat("x", 1<<20), stored); ok || err != nil {
		t.Errorf("a megabyte: %v, %v", ok, err)
	}
}

func TestMalformedHashesAreRefused(t *testing.T) {
	h := cheap(t)
	good, err := h.Hash("x", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", "x", "$", "$$$$$",
		strings.Replace(good, "argon2id", "argon2i", 1),
		strings.Replace(good, "v=19", "v=16", 1),
		strings.Replace(good, "m=64", "m=0", 1),
		strings.Replace(good, "m=64", "m=4294967295", 1), // would ask for 4 TiB
		strings.Replace(good, "m=64", "m=-1", 1),
		strings.Replace(good, "m=64", "m=+64", 1),
		strings.Replace(good, "t=1", "t=4000000000", 1),
		strings.Replace(good, "p=1", "p=255", 1),
		strings.Replace(good, "p=1", "p=1,x=2", 1),
		good + "=", good + "$", good[:len(good)-30],
	} {
		if ok, err := h.Matches("x", bad); ok || err == nil {
			t.Errorf("Matches(%q) = %v, %v", bad, ok, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	stored, _ := cheap(f).Hash("x", rand.Reader)
	f.Add(stored)
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=,t=,p=$$")
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := parse(s); err == nil && p.String() != s {
			t.Errorf("parse(%q) writes %q", s, p)
		}
	})
}

// As many work at a time as there are slots, as many wait as there are places, and
// whoever comes then is told at once.
func TestT404_HashingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const parallel = 2
		h := hasher(parallel)
		var working, most, served int
		var lock sync.Mutex
		var all sync.WaitGroup
		release := make(chan struct{})
		for range parallel + MaxWaiting {
			all.Go(func() {
				turn, err := h.Turn(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				defer turn.Done()
				lock.Lock()
				working++
				most = max(most, working)
				lock.Unlock()
				<-release
				lock.Lock()
				working--
				served++
				lock.Unlock()
			})
		}
		synctest.Wait()
		if working != parallel {
			t.Errorf("%d work at a time", working)
		}
		for range 10 {
			if _, err := h.Turn(t.Context()); !errors.Is(err, ErrBusy) {
				t.Errorf("with all places taken: %v", err)
			}
		}
		close(release)
		all.Wait()
		if served != parallel+MaxWaiting || most != parallel {
			t.Errorf("%d were served, at most %d at a time", served, most)
		}
		// The places are free again.
		turn, err := h.Turn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		turn.Done()
	})
}

// Who gives up leaves the queue.
func TestT404_WaitingEndsWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hasher(1)
		turn, err := h.Turn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // more than there are places
			ctx, gone := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for range MaxWaiting {
				all.Go(func() {
					if _, err := h.Turn(ctx); !errors.Is(err, context.Canceled) {
						t.Errorf("whose request has ended: %v", err)
					}
				})
			}
			synctest.Wait()
			gone()
			all.Wait()
		}
		turn.Done()
		if turn, err = h.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
		turn.Done()
	})
}

func TestDefaultPolicy(t *testing.T) {
	for _, test := range []struct{ password, wrong string }{
		{"Tr0ub4dor", ""},
		{"correct-Horse", ""},
		{"pass-w0rd", ""},
		// As reported for the real service.
		{"passw0rdpassw0rd", "Password should meet 1 more of the following requirements: Password should have at least one uppercase letter, Password should have at least one symbol"},
		{"password", "Password should meet 2 more of the following requirements: Password should have at least one uppercase letter, Password should have at least one number, Password should have at least one symbol"},
		{"aA1", "Password should have a minimum length of 8"},
		{"", "Password should have a minimum length of 8, Password should meet 3 more of the following requirements: Password should have at least one uppercase letter, Password should have at least one lowercase letter, Password should have at least one number, Password should have at least one symbol"},
		// Letters beyond A–Z, other digits and other signs belong to no class.
		{"ÄÖÜäöü²³ ~", "Password should meet 3 more of the following requirements: Password should have at least one uppercase letter, Password should have at least one lowercase letter, Password should have at least one number, Password should have at least one symbol"},
	} {
		if got := Default().Check(test.password); got != test.wrong {
			t.Errorf("Check(%q) =\n %s\nwant\n %s", test.password, got, test.wrong)
		}
	}
}

func TestAccountPolicy(t *testing.T) {
	p := Policy{MinimumLength: 10, Uppercase: true, Symbol: true}
	for _, test := range []struct{ password, wrong string }{
		{"ABCDEFGH-J", ""},
		{"éééééééÉA!", ""}, // length is counted in characters, not bytes
		{"A!", "Password should have a minimum length of 10"},
		{"abcdefghij1", "Password should have at least one uppercase letter, Password should have at least one symbol"},
	} {
		if got := p.Check(test.password); got != test.wrong {
			t.Errorf("Check(%q) = %q, want %q", test.password, got, test.wrong)
		}
	}
	if got := (Policy{}).Check(""); got != "" {
		t.Errorf("a policy that asks for nothing refuses: %q", got)
	}
}

func TestEverySymbolCounts(t *testing.T) {
	for _, r := range symbols {
		if got := (Policy{Symbol: true}).Check(string(r)); got != "" {
			t.Errorf("%q: %s", r, got)
		}
	}
}

// More characters never make a good password bad.
func TestPolicyIsMonotonic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{
			MinimumLength: rapid.IntRange(0, 20).Draw(t, "length"),
			Uppercase:     rapid.Bool().Draw(t, "upper"),
			Lowercase:     rapid.Bool().Draw(t, "lower"),
			Number:        rapid.Bool().Draw(t, "number"),
			Symbol:        rapid.Bool().Draw(t, "symbol"),
			Classes:       rapid.IntRange(0, 4).Draw(t, "classes"),
		}
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		if p.Check(a) == "" && p.Check(a+b) != "" {
			t.Errorf("%q is good, %q is not: %s", a, a+b, p.Check(a+b))
		}
	})
}

func BenchmarkHash(b *testing.B) {
	h, err := NewHasher(Recommended(), 1).Turn(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Hash("correct horse battery staple", rand.Reader); err != nil {
			b.Fatal(err)
		}
	}
}
