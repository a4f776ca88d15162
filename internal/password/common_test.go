package password

import (
	"slices"
	"testing"
)

func TestT237_CommonPasswords(t *testing.T) {
	if !slices.IsSorted(commonList()) || len(commonList()) < 5000 {
		t.Fatalf("the list of %d is not sorted or too short", len(commonList()))
	}
	for text, want := range map[string]bool{
		"password": true, "Password1!": true, "P@ssw0rd2026": true, "PASSWORD": true, "!!iloveyou!!": true,
		"aaaaaaaaaaaaaaaa": true, "abcabcabcabcabc": true, "passwordpassword": true, "abcdefghijklmnop": true, "poiuytrewq": true, "1234567890": true,
		"correct horse battery": false, "Tr0ub4dor&3xyz": false, "passwordless-is-better-than": false, "ünïcödé wörds": false, "": false,
	} {
		if got := Common(text); got != want {
			t.Errorf("Common(%q) = %v", text, got)
		}
	}
}

func TestT237_DerivedPasswords(t *testing.T) {
	for _, test := range []struct {
		text, name string
		want       bool
	}{
		{"alice2026!", "Alice", true},
		{"ecila-123", "alice", true},
		{"alicealice", "alice", true},
		{"alice likes green tea", "alice", false},
		{"bob@example.com", "bob@example.com", true},
		{"bob12345", "bob@example.com", true},
		{"xy-xy-xy-1", "xy", false},
		{"anything at all", "", false},
	} {
		if got := Derived(test.text, test.name); got != test.want {
			t.Errorf("Derived(%q, %q) = %v", test.text, test.name, got)
		}
	}
}
