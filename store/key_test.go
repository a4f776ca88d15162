package store

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// part draws a part of a key; the bytes that have a meaning in keys are frequent.
func part() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return string(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 'a', 'b', 0xff}), 0, 6).Draw(t, "bytes"))
	})
}

func TestKeyProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(part(), 1, 4).Draw(t, "a")
		b := rapid.SliceOfN(part(), 1, 4).Draw(t, "b")
		ka, kb := MakeKey(User, a...), MakeKey(User, b...)
		if ka.Kind() != User || ka.Last() != a[len(a)-1] {
			t.Fatalf("key of %q has kind %v and last part %q", a, ka.Kind(), ka.Last())
		}
		if parts := ka.Parts(); !slices.Equal(parts, a) && !(len(a) == 1 && a[0] == "" && parts == nil) {
			t.Fatalf("key of %q has parts %q", a, parts)
		}
		if order := slices.Compare(a, b); order != strings.Compare(string(ka), string(kb)) {
			t.Fatalf("keys of %q and %q do not sort as their parts do", a, b)
		}
		within := len(b) > len(a) && slices.Equal(b[:len(a)], a)
		if strings.HasPrefix(string(kb), string(Prefix(User, a...))) != within {
			t.Fatalf("is %q within %q? %v", b, a, !within)
		}
	})
}

func TestKeyOfNothing(t *testing.T) {
	if k := Key(""); k.Kind() != 0 || k.Parts() != nil || k.Last() != "" {
		t.Errorf("the empty key has kind %v, parts %q, last %q", k.Kind(), k.Parts(), k.Last())
	}
	if MakeKey(Role) != Prefix(Role) || len(MakeKey(Role)) != 1 {
		t.Error("a key without parts is not its kind")
	}
}

func BenchmarkMakeKey(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		MakeKey(Role, "123456789012", "application-role")
	}
}
