package constraint

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// patterns returns every pattern of the data.
func patterns(t *testing.T) (all []string) {
	t.Helper()
	for _, data := range []string{iamData, stsData, cloudtrailData} {
		for line := range strings.Lines(data) {
			if _, pattern, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\tpattern="); ok {
				all = append(all, pattern)
			}
		}
	}
	if len(all) < 90 {
		t.Fatalf("only %d patterns", len(all))
	}
	return all
}

func TestEveryPatternCompiles(t *testing.T) {
	for _, p := range patterns(t) {
		if _, _, err := compile(p); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// A class decides as the automaton of the same pattern would.
func TestClassesAgreeWithRegexp(t *testing.T) {
	type pair struct {
		class *class
		re    *regexp.Regexp
	}
	var pairs []pair
	for _, p := range patterns(t) {
		c, _, err := compile(p)
		if err != nil || c == nil {
			continue
		}
		re2, _ := translate(p)
		pairs = append(pairs, pair{c, regexp.MustCompile(`\A(?:` + re2 + `)\z`)})
	}
	if len(pairs) < 60 {
		t.Fatalf("only %d classes", len(pairs))
	}
	edges := rapid.SampledFrom([]rune("\x00\x08\t\n\v\f\r\x1f !/09:;@AZ[\\]^_`az{|}~\x7f\u0080\u0085\u009f\u00a0\u00a1\u00ff\u0100\u0fff\u1000\u10ff\u1100\u2028\ud7ff\ue000\ufffd\ufffe\uffff\U00010000\U0010ffff"))
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(pairs).Draw(t, "pattern")
		s := rapid.StringOf(rapid.OneOf(edges, rapid.Rune())).Draw(t, "value")
		if got, want := p.class.match(s), p.re.MatchString(s); got != want {
			t.Fatalf("%v: %q: %v, want %v", p.re, s, got, want)
		}
	})
}

func TestTranslate(t *testing.T) {
	for _, test := range []struct{ java, matches, refuses string }{
		{`[\u0020-\u00FF]+`, "\u0020\u00ff", "\u001f"},
		{`[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*`, "\U00010000\U0010ffff\ufffd", "\ufffe"},
		{`[\u10000-\u10FFFF]+`, "\u1000019\u10ffF", "\U00010000"}, // four digits, as in Java
		{`\s+`, " \t\n\v\f\r", "\u00a0"},
		{`[\s]+`, " \t\n\v\f\r", "\u00a0"},
		{`.*`, "\t\x00x", "\u2028"},
		{`.*`, "", "\n"},
		{`a.b`, "axb", "a\u0085b"},
		{`(?s).*`, "\n\r\u2028", "\xff\xfe\xfd\xfc" + ""},
		{`a|b`, "b", "ab"},
		{`^ab$`, "ab", "ab\n"},
		{`\d{12}`, "123456789012", "１２３４５６７８９０１２"},
		{`[\w]+`, "a_9", "é"},
	} {
		p := &pattern{text: test.java}
		if !p.match(test.matches) {
			t.Errorf("%s does not match %q", test.java, test.matches)
		}
		if test.java != `(?s).*` && p.match(test.refuses) {
			t.Errorf("%s matches %q", test.java, test.refuses)
		}
	}
	for _, java := range []string{`[a[b]]`, `\u12`, `\uD800`, `\uDC00\uD800`, `\uZZZZ`, `(?!a)`, `[`} {
		if _, _, err := compile(java); err == nil {
			t.Errorf("%s compiles", java)
		}
		if p := (&pattern{text: java}); p.match("") || p.match("a") {
			t.Errorf("%s, which does not compile, matches", java)
		}
	}
}

// The rewritten pattern of account aliases means what the original's
// look-ahead means, for every string over three characters that stand for all.
func TestAccountAliasPattern(t *testing.T) {
	p := &pattern{text: `^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`}
	ends := func(c byte) bool { return c == 'a' || c == '0' }
	original := func(s string) bool {
		if len(s) < 3 || len(s) > 63 || !ends(s[0]) || !ends(s[len(s)-1]) {
			return false
		}
		for i := 1; i < len(s)-1; i++ {
			if s[i] == '-' && s[i+1] == '-' || s[i] == 'A' {
				return false
			}
		}
		return true
	}
	var try func(s string)
	try = func(s string) {
		if len(s) >= 3 && p.match(s) != original(s) {
			t.Errorf("%q: %v, want %v", s, p.match(s), original(s))
		}
		if len(s) < 7 {
			for _, c := range []string{"a", "0", "-", "A"} {
				try(s + c)
			}
		}
	}
	try("")
	for n := 60; n <= 63; n++ {
		try(strings.Repeat("a", n))
	}
}

func TestParseRefuses(t *testing.T) {
	for _, data := range []string{
		"service",
		"service\tiam",
		"operation\tX",
		"operation\tX\tXRequest",
		"operation\tX\tXRequest\tsigned\nstructure\tXRequest",
		"structure\tX\tMember",
		"structure\tX\nstructure\tX",
		"list\tX",
		"map\tX\tK",
		"string\tX\tmin=a",
		"string\tX\tlength=1",
		"float\tX\tmax=1",
		"union\tX",
		"error\tX\tX",
		"error\tX\tX\tfour",
	} {
		if _, err := parse(data, style{}); err == nil {
			t.Errorf("%q is accepted", data)
		}
	}
}
