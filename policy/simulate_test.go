package policy

import (
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// T122: a simulation decides as an evaluation does, names the statement that
// decided, and what it does not miss would change nothing.
func TestT122_SimulateAgreesWithEvaluate(t *testing.T) {
	effects, told := map[Effect]int{}, 0
	rapid.Check(t, func(t *rapid.T) {
		in := compile(t, drawInputs(t), pick(t, []func(*Set) *Set{asIs, compacted, indexed}, "form"))
		for range 5 {
			req, _ := drawRequest(t)
			d, s := Evaluate(req, in, nil), Simulate(req, in)
			if describe(d) != describe(s.Decision) {
				t.Fatalf("simulated %s, evaluated %s", describe(s.Decision), describe(d))
			}
			effects[d.Effect]++
			checkMatched(t, req, in, &s)
			checkMissing(t, req, in, &s, &told)
		}
	})
	if effects[Allowed] == 0 || effects[ExplicitDeny] == 0 || effects[ImplicitDeny] == 0 || told == 0 {
		t.Errorf("the test proves nothing: %v, %d keys tried", effects, told)
	}
}

// checkMatched compares the statements with those of a trace.
func checkMatched(t *rapid.T, req *Request, in *Inputs, s *Simulation) {
	var trace Trace
	Evaluate(req, in, &trace)
	want, omitted := map[Position]int{}, 0
	for _, l := range trace.Layers {
		for _, m := range l.Matched {
			controls := l.Layer == LayerSCP || l.Layer == LayerRCP || l.Exempt != ""
			grants := l.Layer == LayerIdentity || l.Layer == LayerResource || l.Layer == LayerTrust
			if !controls && (s.Effect == ExplicitDeny && m.Effect == "Deny" || s.Effect == Allowed && grants) {
				want[Position{m.Line, m.Column}]++
			}
		}
		if len(l.Matched) == maxTracedStatements {
			omitted++
		}
	}
	if omitted > 0 {
		return
	}
	for _, m := range s.Matched {
		if want[m.Start]--; want[m.Start] < 0 {
			t.Fatalf("%v of %q did not make this: %s", m.Start, m.Source.ID, describe(s.Decision))
		}
		if m.End.Line < m.Start.Line || m.End.Line == m.Start.Line && m.End.Column <= m.Start.Column+1 {
			t.Fatalf("from %v to %v", m.Start, m.End)
		}
	}
	for at, n := range want {
		if n != 0 {
			t.Fatalf("a statement at %v is left out of %s", at, describe(s.Decision))
		}
	}
}

// checkMissing gives the request a key that the simulation does not ask for.
func checkMissing(t *rapid.T, req *Request, in *Inputs, s *Simulation, told *int) {
	alone := *in
	alone.SCPs, alone.RCPs = nil, nil // whose keys are not looked at
	before := Evaluate(req, &alone, nil)
	missing := map[string]bool{}
	for _, key := range s.Missing {
		if req.Context.Has(key) {
			t.Fatalf("%s is missing and there", key)
		}
		missing[key] = true
	}
	for _, key := range someKeys {
		if missing[key] || req.Context.Has(key) {
			continue
		}
		*told++
		req.Context.SetString(key, pick(t, someStrings, "told"))
		if after := Evaluate(req, &alone, nil); describe(after) != describe(before) {
			t.Fatalf("%s was not missing, and turns %s into %s", key, describe(before), describe(after))
		}
	}
}

// Places one after the other are those that a count from the beginning finds.
func TestPlaces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		runes := rapid.SliceOf(rapid.SampledFrom([]rune("ab\n\r{é世"))).Draw(t, "text")
		text := string(runes)
		places, at := newPlaces(text), 0
		line, column := 1, 1
		for i, r := range runes {
			if rapid.Bool().Draw(t, "asked") || i == 0 {
				if got := places.of(at); got != (Position{line, column}) {
					t.Fatalf("byte %d of %q is at %v, not at %d:%d", at, text, got, line, column)
				}
			}
			at += utf8.RuneLen(r)
			if column++; r == '\n' {
				line, column = line+1, 1
			}
		}
	})
}

func TestGrants(t *testing.T) {
	for statement, want := range map[string]map[string]bool{
		`"Effect":"Allow","Action":"s3:GetObject"`:              {"s3": true, "S3": true, "s": false, "sqs": false},
		`"Effect":"Allow","Action":["sqs:*","s3:Get*"]`:         {"s3": true, "sqs": true, "ec2": false},
		`"Effect":"Allow","Action":"*"`:                         {"s3": true},
		`"Effect":"Deny","Action":"*"`:                          {"s3": false},
		`"Effect":"Allow","NotAction":"s3:*"`:                   {"s3": false, "sqs": true},
		`"Effect":"Allow","NotAction":["S3:**","sqs:Send*"]`:    {"s3": false, "sqs": true, "ec2": true},
		`"Effect":"Allow","NotAction":"*"`:                      {"s3": false},
		`"Effect":"Allow","NotAction":"s3:GetObject"`:           {"s3": true},
		`"Effect":"Allow","Action":"s3-object-lambda:GetThing"`: {"s3": false, "s3-object-lambda": true},
	} {
		doc, err := Parse(`{"Version":"2012-10-17","Statement":{`+statement+`,"Resource":"*"}}`, InlinePolicy)
		if err != nil {
			t.Fatal(err)
		}
		for service, grants := range want {
			if doc.Grants(service) != grants {
				t.Errorf("%s grants %s: %v", statement, service, !grants)
			}
		}
	}
}

// FuzzSetTyped: what is accepted as a value of a type is one, alone and in a list.
func FuzzSetTyped(f *testing.F) {
	for _, seed := range []string{"", "7", "-7.50", "true", "False", "2026", "2026-11-22T12:00:00+01:00", "QQ==", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "1e9"} {
		for kind := range uint8(6) {
			f.Add(kind, seed)
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, text string) {
		var c Context
		k := KeyType(kind % 6)
		one, list := c.SetTyped("a:one", k, text), c.SetTypedList("a:list", k, []string{text})
		if one != list || c.Has("a:one") != one || c.Has("a:list") != list {
			t.Fatalf("%q as %d: %v alone, %v in a list", text, k, one, list)
		}
		if !one {
			return
		}
		alone, _ := c.Get("a:one")
		listed, _ := c.Get("a:list")
		if alone[0] != listed[0] {
			t.Fatalf("%q as %d: %q alone, %q in a list", text, k, alone, listed)
		}
		if k != BinaryKey && !c.SetTyped("a:one", k, alone[0]) {
			t.Fatalf("%q as %d is shown as %q, which is none", text, k, alone)
		}
	})
}
