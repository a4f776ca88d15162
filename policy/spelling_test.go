package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

// spell writes v as JSON in one of its many spellings: members in any order, white space
// anywhere, characters escaped or not, an array of one string as that string alone.
func spell(t *rapid.T, v any) string {
	space := func() string {
		return rapid.SampledFrom([]string{"", "", "", "", " ", "\n", "\t", "\r\n", "    "}).Draw(t, "space")
	}
	switch v := v.(type) {
	case object:
		parts := make([]string, 0, len(v))
		for _, name := range rapid.Permutation(slices.Sorted(maps.Keys(v))).Draw(t, "order") {
			parts = append(parts, space()+spellString(t, name)+space()+":"+space()+spell(t, v[name])+space())
		}
		return "{" + strings.Join(parts, ",") + "}"
	case []any:
		if len(v) == 1 && chance(t, 2, "alone") {
			return spell(t, v[0])
		}
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = space() + spell(t, item) + space()
		}
		return "[" + strings.Join(parts, ",") + "]"
	case string:
		return spellString(t, v)
	}
	text, _ := json.Marshal(v)
	return string(text)
}

func spellString(t *rapid.T, s string) string {
	every := rapid.SampledFrom([]int{0, 0, 0, 1, 4, 9}).Draw(t, "escapes") // one of so many; 0: none
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch escape := every > 0 && chance(t, every, "escape"); {
		case !escape && c == '"', !escape && c == '\\', escape && c == '/' && chance(t, 2, "short"):
			b.WriteByte('\\')
			b.WriteRune(c)
		case escape || c < ' ' || c > 'ÿ':
			for _, u := range utf16.Encode([]rune{c}) {
				fmt.Fprintf(&b, rapid.SampledFrom([]string{`\u%04x`, `\u%04X`}).Draw(t, "hex"), u)
			}
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// embellish adds to a document what does not change its meaning, and values of other
// JSON types, which do not either.
func embellish(t *rapid.T, doc object) object {
	doc = maps.Clone(doc)
	statements := slices.Clone(doc["Statement"].([]any))
	for i := range statements {
		s := maps.Clone(statements[i].(object))
		if chance(t, 2, "sid") {
			s["Sid"] = fmt.Sprintf("S%d", i)
		}
		if block, ok := s["Condition"].(object); ok {
			s["Condition"] = unquote(t, block)
		}
		statements[i] = s
	}
	doc["Statement"] = statements
	return doc
}

// unquote writes some values that are numbers or booleans as those.
func unquote(t *rapid.T, block object) object {
	bare := func(v any) any {
		s, _ := v.(string)
		if s == "true" || s == "false" || s == "7" || s == "7.0" || s == "-3" {
			if chance(t, 2, "bare") {
				return json.RawMessage(s)
			}
		}
		return v
	}
	out := object{}
	for operator, keys := range block {
		out[operator] = object{}
		for key, values := range keys.(object) {
			if list, ok := values.([]any); ok {
				list = slices.Clone(list)
				for i := range list {
					list[i] = bare(list[i])
				}
				out[operator].(object)[key] = list
			} else {
				out[operator].(object)[key] = bare(values)
			}
		}
	}
	return out
}

// However a document is spelled and kept, it means the same, in decisions and in all that
// is told of it.
func TestSpellingAndFormDoNotMatter(t *testing.T) {
	some, escaped := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		in := refInputs{}
		for range rapid.IntRange(1, 3).Draw(t, "documents") {
			in.identity = append(in.identity, embellish(t, drawDocument(t, InlinePolicy)))
		}
		var full, compact []Attached
		for i, doc := range in.identity {
			text := spell(t, doc)
			d, err := Parse(text, InlinePolicy)
			if err != nil {
				t.Fatalf("%+v\n%s", err, text)
			}
			c := d.Compact()
			if c.code != "" {
				some++
				if strings.Contains(text, `\`) {
					escaped++
				}
			}
			source := Source{ID: fmt.Sprint(i)}
			full, compact = append(full, Attached{source, d}), append(compact, Attached{source, &c})
			if a, b := ContextKeys(d), ContextKeys(&c); !slices.Equal(a, b) {
				t.Fatalf("context keys %q, compact %q", a, b)
			}
			for _, service := range []string{"iam", "s3", "sts", "ec2"} {
				if d.Grants(service) != c.Grants(service) {
					t.Fatalf("compact grants %s: %v\n%s", service, c.Grants(service), text)
				}
			}
			if a, b := d.WithPins(nil), c.WithPins(nil); a.Text() != b.Text() || len(a.statements) != len(b.statements) || b.code != "" {
				t.Fatalf("pinned %+v, compact %+v", a, b)
			}
		}
		forms := []*Set{{docs: full}, {docs: compact}, {docs: full, index: newIndex(full)}, {docs: compact, index: newIndex(compact)}, NewSet(compact)}
		for _, s := range forms[1:] {
			for _, service := range []string{"iam", "s3", "sts", "ec2"} {
				if a, b := forms[0].AllowsService(service), s.AllowsService(service); a != b {
					t.Fatalf("AllowsService(%s): %v, compact %v\n%v", service, a, b, in.identity)
				}
			}
			for _, action := range someActions {
				if a, b := forms[0].AllowsAction(action), s.AllowsAction(action); a != b {
					t.Fatalf("AllowsAction(%s): %v, compact %v\n%v", action, a, b, in.identity)
				}
			}
		}
		for range 6 {
			req, ref := drawRequest(t)
			want := checkAgainstReference(t, req, ref, plainly(t, in))
			var wantTrace Trace
			Evaluate(req, &Inputs{Identity: forms[0]}, &wantTrace)
			wantSimulation := Simulate(req, &Inputs{Identity: forms[0]})
			for i, s := range forms {
				inputs := &Inputs{Identity: s}
				var trace Trace
				d := Evaluate(req, inputs, &trace)
				if describe(d) != describe(want) || d.Sid != wantTrace.Decision.Sid {
					t.Fatalf("form %d: %s %q, want %s\n%s", i, describe(d), d.Sid, describe(want), dump(req, in))
				}
				if !reflect.DeepEqual(trace, wantTrace) {
					t.Fatalf("form %d: trace\n%+v\nwant\n%+v", i, trace, wantTrace)
				}
				if x := Simulate(req, inputs); !reflect.DeepEqual(x.Matched, wantSimulation.Matched) || !slices.Equal(x.Missing, wantSimulation.Missing) || x.Effect != d.Effect {
					t.Fatalf("form %d: simulation\n%+v\nwant\n%+v", i, x, wantSimulation)
				}
				if x, _, _ := EvaluateGrounds(req, inputs); describe(x) != describe(d) || x.Sid != d.Sid {
					t.Fatalf("form %d: with grounds %s", i, describe(x))
				}
			}
		}
	})
	if t.Logf("%d compact, %d of them with escapes", some, escaped); some == 0 || escaped == 0 {
		t.Error("the test proves nothing")
	}
}

// plainly is the inputs as encoding/json reads them, for the reference.
func plainly(t *rapid.T, in refInputs) refInputs {
	text, err := json.Marshal(in.identity)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	out := refInputs{}
	if err := d.Decode(&out.identity); err != nil {
		t.Fatal(err)
	}
	return out
}
