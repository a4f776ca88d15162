package authn

import (
	"bytes"
	"strings"
	"testing"
)

// What is typed as a code is one spelling of a code, or nothing.
func FuzzReadCode(f *testing.F) {
	f.Add("Q7RM-4K2P-XH9D-T3WV")
	f.Add(" q7rm 4k2p xh9d t3wv\n")
	f.Add("OILo-0000-0000-0000")
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := readCode(typed)
		if !ok {
			return
		}
		if again, ok := readCode(code); !ok || again != code {
			t.Errorf("%q is %q, and that is %q", typed, code, again)
		}
		if len(code) != 19 || strings.Trim(code, crockford+"-") != "" {
			t.Errorf("%q is %q", typed, code)
		}
	})
}

func TestCodesAreReadAsTheyAreDrawn(t *testing.T) {
	for _, b := range [][]byte{make([]byte, 10), bytes.Repeat([]byte{0xff}, 10), []byte("0123456789")} {
		code, err := drawCode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if read, ok := readCode(strings.ToLower(strings.ReplaceAll(code, "-", " "))); !ok || read != code {
			t.Errorf("%x is drawn as %q and read as %q", b, code, read)
		}
	}
	if code, _ := drawCode(bytes.NewReader(bytes.Repeat([]byte{0xff}, 10))); code != "ZZZZ-ZZZZ-ZZZZ-ZZZZ" {
		t.Errorf("all bits: %s", code)
	}
}

// Cookies of known devices are bounded, and name whom they were made for.
func FuzzDeviceCookie(f *testing.F) {
	secret := strings.Repeat("A", 43)
	f.Add("AIDA1."+secret+"~111122223333."+secret, "AIDA1")
	f.Add("~.~", "")
	f.Fuzz(func(t *testing.T, cookie, person string) {
		entries := deviceEntries(cookie, person)
		if len(entries) > maxInBrowser {
			t.Fatalf("%d entries", len(entries))
		}
		for _, entry := range entries {
			if id, _, _ := strings.Cut(entry, "."); id == "" || id == person || deviceOf(entry, id) == "" {
				t.Errorf("%q: entry %q", cookie, entry)
			}
		}
	})
}

// Names that are typed come to one spelling, which stays as it is.
func FuzzName(f *testing.F) {
	f.Add("1111-2222-3333", " Bob ", "")
	f.Add("ＡＣＭＥ", "ﬁ", "Root@Example.com")
	f.Add("a\x00b", "\u202e", "")
	f.Fuzz(func(t *testing.T, account, user, email string) {
		in := PasswordSignIn{Account: account, User: user, Email: email}
		n := in.name()
		again := (&PasswordSignIn{Account: n.account, User: n.user, Email: n.email}).name()
		if n.email == "" {
			again.email = ""
		}
		if again != n && email == "" {
			t.Errorf("%q comes to %q, and that to %q", in, n, again)
		}
		if len(n.account) > maxName || len(n.user) > maxName || len(n.email) > maxName {
			t.Errorf("%q is long", n)
		}
	})
}

// Wherever a sign-in leads, it stays here.
func FuzzDestination(f *testing.F) {
	for _, path := range []string{"/users?x=1#y", "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil", "javascript:1", ""} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		to := Destination(path)
		if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
			t.Errorf("%q leads to %q", path, to)
		}
	})
}
