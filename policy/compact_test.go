package policy

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A compact document holds the very statements that it was made of.
func TestCompactIsTheSameDocument(t *testing.T) {
	some := 0
	rapid.Check(t, func(t *rapid.T) {
		kind := pick(t, []Kind{InlinePolicy, ManagedPolicy, SessionPolicy, TrustPolicy}, "kind")
		for _, a := range compileSet(t, []object{drawDocument(t, kind)}, kind).docs {
			d := a.Document
			c := d.Compact()
			if c.code != "" {
				some++
			}
			if c.Text() != d.Text() || c.Len() != d.Len() {
				t.Fatalf("%q became %q", d.Text(), c.Text())
			}
			for i, s := range c.list() {
				want := d.statements[i]
				if len(want.conditions) == 0 {
					want.conditions = nil // nil and empty are the same
				}
				if c.conditional(i) != d.conditional(i) {
					t.Fatalf("statement %d of %s has conditions: %v", i, d.Text(), c.conditional(i))
				}
				if !reflect.DeepEqual(s, want) || c.sid(i) != d.sid(i) {
					t.Fatalf("statement %d of %s\nis     %+v\nbecame %+v", i, d.Text(), want, s)
				}
			}
		}
	})
	if some == 0 {
		t.Error("no document was compact")
	}
}

// What does not fit stays as it is, and what just fits, fits.
func TestCompactBounds(t *testing.T) {
	list := func(n int, one string) string { return `[` + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + `]` }
	statement := func(more string) string {
		return `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"` + more + `}`
	}
	for _, c := range []struct {
		name, document string
		kind           Kind
		compact        bool
	}{
		{"one statement", statement(""), InlinePolicy, true},
		{"statements", list(compactStatements, statement("")), InlinePolicy, true},
		{"statements too many", list(compactStatements+1, statement("")), InlinePolicy, false},
		{"actions", `{"Effect":"Deny","NotAction":` + list(9, `"s3:Get*"`) + `,"NotResource":` + list(9, `"arn:aws:s3:::*"`) + `}`, InlinePolicy, true},
		{"conditions", statement(`,"Condition":{"Bool":{"a:a":"true","a:b":true},"StringLike":{"a:a":["x*","y"],"a:b":` + list(compactValues, `"1"`) + `}}`), InlinePolicy, true},
		{"values too many", statement(`,"Condition":{"StringLike":{"a:a":` + list(compactValues+1, `"v"`) + `}}`), InlinePolicy, false},
		{"a number", statement(`,"Condition":{"NumericEquals":{"a:a":1}}`), InlinePolicy, false},
		{"a variable", `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${aws:username}"}`, InlinePolicy, false},
		{"a variable in a condition", statement(`,"Condition":{"StringEquals":{"a:a":"${aws:username}"}}`), InlinePolicy, false},
		{"an escape", `{"Effect":"Allow","Action":"s3:\u0047etObject","Resource":"*"}`, InlinePolicy, false},
		{"a principal", `{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*"}`, TrustPolicy, false},
		{"long", statement(strings.Repeat(" ", compactText)), InlinePolicy, false},
	} {
		d, err := Parse(`{"Version":"2012-10-17","Statement":`+c.document+`}`, c.kind)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		compact := d.Compact()
		if (compact.code != "") != c.compact {
			t.Errorf("%s: compact is %v", c.name, !c.compact)
		}
	}
}

func TestDecideCompactAllocatesNothing(t *testing.T) {
	d := accept(t, InlinePolicy, `{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Allow","Action":["s3:PutObject","s3:GetObject"],
		"Resource":"arn:aws:s3:::b/*","Condition":{"StringLike":{"aws:userid":"AIDA*"}}}]}`)
	compact := d.Compact()
	var ctx Context
	ctx.SetString("aws:userid", "AIDAEXAMPLE")
	in := &Inputs{Identity: NewSet([]Attached{{Document: &compact}})}
	req := &Request{Caller: benchCaller(), Action: "s3:GetObject", Resource: "arn:aws:s3:::b/x", Context: &ctx}
	if n := testing.AllocsPerRun(100, func() {
		if d := Evaluate(req, in, nil); !d.Allowed || d.Sid != "A" {
			t.Fatal(d)
		}
	}); n != 0 {
		t.Errorf("a decision allocates %v times", n)
	}
}
