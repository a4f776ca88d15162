package policy

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Names that differ in case only are one name, to the hash as well; and no others are,
// also where they differ in the bit in which upper and lower case differ.
func TestNamesFold(t *testing.T) {
	fold := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= 'A' && r <= 'Z' || r >= 'À' && r <= 'Þ' && r != '×' {
				return r + 0x20
			}
			return r
		}, s)
	}
	same, other := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.StringOfN(rapid.RuneFrom([]rune("abzABZ09/:-_@`[{]}^~ÀàÞþ×÷ßÿÉéKſ\x00 ")), 0, 20, -1).Draw(t, "name")
		b := strings.Map(func(r rune) rune {
			if chance(t, 3, "change") {
				return r ^ 0x20
			}
			return r
		}, a)
		want := fold(a) == fold(b)
		if want {
			same++
		} else {
			other++
		}
		if equalFold(a, b) != want {
			t.Fatalf("equalFold(%q, %q) = %v", a, b, !want)
		}
		if want && hashFold(a) != hashFold(b) {
			t.Fatalf("%q and %q have different hashes", a, b)
		}
		var ctx Context
		ctx.SetString(a, "v")
		ctx.SetString("another", "v")
		if ctx.Has(b) != want && fold(b) != "another" {
			t.Fatalf("a context with %q has %q: %v", a, b, !want)
		}
	})
	if same == 0 || other == 0 {
		t.Errorf("%d were the same, %d not: the test proves nothing", same, other)
	}
}
