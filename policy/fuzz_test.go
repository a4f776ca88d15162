package policy

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// FuzzParse: a document that is refused leaves nothing behind; one that is
// accepted is JSON to others, too, parses to the same again, is the same in compact
// form, and shows its principals where they stand.
func FuzzParse(f *testing.F) {
	f.Add(typicalInline, uint8(InlinePolicy))
	f.Add(typicalTrust, uint8(TrustPolicy))
	for _, c := range readMalformed(f) {
		f.Add(c.document, uint8(c.kind))
	}
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","NotAction":"*","NotResource":"arn:aws:s3:::${aws:username, 'x'}${*}",
		"Condition":{"ForAllValues:StringNotLikeIfExists":{"aws:TagKeys":["a*","\u00e9"]},"IpAddress":{"aws:SourceIp":"2001:db8::/32"},
		"DateLessThan":{"aws:CurrentTime":"2026-11-22T12:00:00.5+01:00"},"NumericLessThan":{"k":-1.50}}}}`, uint8(ManagedPolicy))
	f.Fuzz(func(t *testing.T, text string, kind uint8) {
		d, err := Parse(text, Kind(kind))
		if err != nil {
			if d != nil {
				t.Fatal("an error, and a document")
			}
			if e, ok := err.(*SyntaxError); ok && (e.Message == "" || e.Line < 1 || e.Column < 1) {
				t.Fatalf("%+v", e)
			}
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatal("accepted, and not JSON")
		}
		again, err := Parse(d.Text(), Kind(kind))
		if err != nil || !reflect.DeepEqual(d, again) {
			t.Fatalf("parsed otherwise the second time: %v", err)
		}
		compact := d.Compact()
		for i, s := range compact.list() {
			if !reflect.DeepEqual(s, d.statements[i]) || compact.sid(i) != d.sid(i) || compact.Len() != d.Len() {
				t.Fatalf("statement %d of %s\nis     %+v\nbecame %+v", i, text, d.statements[i], s)
			}
		}
		if same := d.ReplacePrincipals(func(p string) string { return p }); same != text {
			t.Fatalf("replacing nothing gave %q", same)
		}
		rest, left := d.ReplaceActions(func(a string) []string { return []string{a} })
		if kept, err := Parse(rest, Kind(kind)); err != nil || left != d.Len() || kept.Len() != left {
			t.Fatalf("keeping all actions gave %q: %v", rest, err)
		}
		caller := Caller{Type: User, Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/alice"}
		req := Request{Caller: &caller, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}
		set := NewSet([]Attached{{Document: d}})
		fast, slow := Evaluate(&req, &Inputs{Identity: set}, nil), Evaluate(&req, &Inputs{Identity: indexed(set)}, nil)
		if describe(fast) != describe(slow) {
			t.Fatalf("with index %s, without %s", describe(slow), describe(fast))
		}
	})
}

// FuzzEvaluate lets the fuzzer steer the generators of TestAgainstReference.
func FuzzEvaluate(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		in := drawInputs(t)
		req, ref := drawRequest(t)
		checkAgainstReference(t, req, ref, in)
	}))
}

// FuzzGlob holds the matcher against the textbook table.
func FuzzGlob(f *testing.F) {
	for _, p := range []string{"", "*", "a*b?c", "*a*a*", "?é?*", "**?", "a?b*a?c*?"} {
		f.Add(p, "aébacaa")
	}
	f.Fuzz(func(t *testing.T, p, s string) {
		if len(p) > 64 || len(s) > 256 {
			t.Skip()
		}
		matchGlob(p, s) // any bytes do no harm; valid text has one meaning
		if !utf8.ValidString(p) || !utf8.ValidString(s) {
			t.Skip()
		}
		if got, want := matchGlob(p, s), refGlob(refLiteral(p, true), s); got != want {
			t.Fatalf("matchGlob(%q, %q) = %v", p, s, got)
		}
		pattern := template{}
		for _, c := range refLiteral(p, true) {
			tok := token{kind: literalToken, text: string(c.c)}
			if c.wild && c.c == '*' {
				tok = token{kind: starToken}
			} else if c.wild {
				tok = token{kind: oneToken}
			}
			pattern = append(pattern, tok)
		}
		if got, want := pattern.match(s, nil, false), matchGlob(p, s); got != want {
			t.Fatalf("template %q on %q: %v", p, s, got)
		}
	})
}
