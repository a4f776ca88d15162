package arn_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/lanyard-iam/lanyard/arn"
	"pgregory.net/rapid"
)

func TestAccountIsReadBackFromAnAccessKeyID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		account := arn.AccountID(fmt.Sprintf("%012d", rapid.Int64Range(0, 999_999_999_999).Draw(t, "account")))
		random := rapid.SliceOfN(rapid.Byte(), 10, 10).Draw(t, "random")
		id, err := arn.NewAccessKeyID(arn.PrefixAccessKey, account, bytes.NewReader(random))
		if err != nil {
			t.Fatal(err)
		}
		if len(id) != 20 || !strings.HasPrefix(id, "AKIA") {
			t.Fatalf("id %q does not look like an access key id", id)
		}
		if got, ok := arn.AccountOfAccessKey(id); !ok || got != account {
			t.Fatalf("account of %s = %s, %v; want %s", id, got, ok, account)
		}
		if !arn.IsAccessKey(id) || arn.IsSessionKey(id) {
			t.Fatalf("%s is not seen to be a long-term key", id)
		}
	})
}

// The key id is a public example with a known account (published with the
// description of the encoding).
func TestAccountOfAKnownAWSKey(t *testing.T) {
	if got, ok := arn.AccountOfAccessKey("ASIAY34FZKBOKMUTVV7A"); !ok || got != "609629065308" {
		t.Errorf("account = %s, %v; want 609629065308", got, ok)
	}
}

func TestFormOfAccessKeyIDs(t *testing.T) {
	for _, id := range []string{"", "AKIA", "akiay34fzkbokmutvv7a", "AKIAY34FZKBOKMUTVV7", "AKIAY34FZKBOKMUTVV7AA", "AKIAY34FZKBOKMUTVV71", "AIDAY34FZKBOKMUTVV7A"} {
		if arn.IsAccessKey(id) || arn.IsSessionKey(id) {
			t.Errorf("%q passes as the id of an access key", id)
		}
	}
	if !arn.IsSessionKey("ASIAY34FZKBOKMUTVV7A") || arn.IsAccessKey("ASIAY34FZKBOKMUTVV7A") {
		t.Error("a session's key is taken for another")
	}
}

func TestUniqueIDHas21Characters(t *testing.T) {
	id, err := arn.NewUniqueID(arn.PrefixUser, rand.Reader)
	if err != nil || len(id) != 21 || !strings.HasPrefix(id, "AIDA") {
		t.Errorf("id = %q, %v", id, err)
	}
}

func TestParse(t *testing.T) {
	a, err := arn.Parse("arn:aws:iam::123456789012:user/div/team/alice")
	if err != nil {
		t.Fatal(err)
	}
	kind, path, name := a.Split()
	if kind != "user" || path != "/div/team/" || name != "alice" {
		t.Errorf("split = %q %q %q", kind, path, name)
	}
	if a.String() != "arn:aws:iam::123456789012:user/div/team/alice" {
		t.Errorf("String = %s", a)
	}
	for _, bad := range []string{"", "arn", "arn:aws:iam::1", "nra:aws:iam::1:user/a", "arn::iam::1:user/a", "arn:aws:::1:x", "arn:aws:iam::1:"} {
		if _, err := arn.Parse(bad); err == nil {
			t.Errorf("Parse(%q) succeeded", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("arn:aws:iam::123456789012:role/x")
	f.Add("arn:aws:s3:::bucket/key:with:colons")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := arn.Parse(s)
		if err == nil && a.String() != s {
			t.Errorf("Parse(%q) writes %q", s, a)
		}
		a.Split()
		arn.AccountOfAccessKey(s)
	})
}
