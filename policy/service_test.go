package policy

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func identitySet(t fataler, statements ...string) *Set {
	text := `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	d, err := Parse(text, InlinePolicy)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return NewSet([]Attached{{Document: d}})
}

func TestAllowsService(t *testing.T) {
	allow := func(actions string) string {
		return `{"Effect":"Allow","Action":` + actions + `,"Resource":"arn:aws:s3:::b"}`
	}
	deny := func(actions string) string { return `{"Effect":"Deny","Action":` + actions + `,"Resource":"*"}` }
	for _, c := range []struct {
		statements string
		s3, iam    bool
		get, put   bool // s3:GetObject, s3:PutObject
	}{
		{allow(`"s3:GetObject"`), true, false, true, false},
		{allow(`"S3:getobject"`), true, false, true, false},
		{allow(`"s3:Get*"`), true, false, true, false},
		{allow(`"s3:*"`), true, false, true, true},
		{allow(`"*"`), true, true, true, true},
		{allow(`["ec2:*","iam:GetUser"]`), false, true, false, false},
		{allow(`"s3:GetObject"`) + "," + deny(`"s3:*"`), false, false, false, false},
		{allow(`"s3:GetObject"`) + "," + deny(`"s3:Get*"`), false, false, false, false},
		{allow(`"s3:Get*"`) + "," + deny(`"s3:GetObject"`), true, false, false, false},
		{allow(`"s3:Get*"`) + "," + deny(`"s3:Get?"`), true, false, true, false},
		{allow(`"s3:*"`) + "," + deny(`"s3:Get*"`), true, false, false, true},
		{allow(`"*"`) + "," + deny(`"*"`), false, false, false, false},
		{allow(`"*"`) + `,{"Effect":"Deny","NotAction":"iam:*","Resource":"*"}`, false, true, false, false},
		{allow(`"*"`) + `,{"Effect":"Deny","NotAction":["iam:*","s3:PutObject"],"Resource":"*"}`, true, true, false, true},
		{allow(`"*"`) + `,{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::b"}`, true, true, true, true},
		{allow(`"*"`) + `,{"Effect":"Deny","Action":"s3:*","NotResource":"arn:aws:s3:::b"}`, true, true, true, true},
		{allow(`"*"`) + `,{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`, true, true, true, true},
		{`{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}`, false, true, false, false},
		{`{"Effect":"Allow","NotAction":"s3:Get*","Resource":"*"}`, true, true, false, true},
		{`{"Effect":"Allow","NotAction":"*","Resource":"*"}`, false, false, false, false},
		{`{"Effect":"Allow","NotAction":["s3:*","iam:*"],"Resource":"*"}`, false, false, false, false},
	} {
		s := identitySet(t, c.statements)
		compact := s.docs[0].Document.Compact()
		for _, s := range []*Set{s, NewSet([]Attached{{Document: &compact}})} {
			got := []bool{s.AllowsService("s3"), s.AllowsService("iam"), s.AllowsAction("s3:GetObject"), s.AllowsAction("s3:PutObject")}
			if fmt.Sprint(got) != fmt.Sprint([]bool{c.s3, c.iam, c.get, c.put}) {
				t.Errorf("%s: %v", c.statements, got)
			}
		}
	}
	if NewSet(nil).AllowsService("s3") {
		t.Error("a set without documents allows s3")
	}
}

// Whatever a decision allows, its service and its action are allowed: no report
// leaves out what someone can do.
func TestAllowedActionsHaveAnAllowedService(t *testing.T) {
	actions := []string{"s3:GetObject", "s3:PutObject", "iam:GetUser", "sts:AssumeRole"}
	patterns := append([]string{"*", "s3:*", "s3:*Object", "iam:Get*", "s3:?utObject", "sts:*"}, actions...)
	rapid.Check(t, func(t *rapid.T) {
		var statements []string
		for range rapid.IntRange(1, 5).Draw(t, "statements") {
			statements = append(statements, fmt.Sprintf(`{"Effect":%q,%q:[%q,%q],%q:%q}`,
				rapid.SampledFrom([]string{"Allow", "Allow", "Deny"}).Draw(t, "effect"),
				rapid.SampledFrom([]string{"Action", "Action", "NotAction"}).Draw(t, "element"),
				rapid.SampledFrom(patterns).Draw(t, "pattern"), rapid.SampledFrom(patterns).Draw(t, "pattern"),
				rapid.SampledFrom([]string{"Resource", "NotResource"}).Draw(t, "resources"),
				rapid.SampledFrom([]string{"*", "arn:aws:s3:::b", "arn:aws:s3:::*"}).Draw(t, "resource")))
		}
		s := identitySet(t, statements...)
		for _, action := range actions {
			q := query{caller: &Caller{}, action: []byte(strings.ToLower(action)), resource: "arn:aws:s3:::b", tail: arnTail("arn:aws:s3:::b"), context: &Context{}}
			v := s.judge(&q)
			if v.allow == 0 || v.deny != 0 {
				continue
			}
			if namespace, _, _ := strings.Cut(action, ":"); !s.AllowsService(namespace) || !s.AllowsAction(action) {
				t.Fatalf("%s is allowed: service %v, action %v, by\n%s", action, s.AllowsService(namespace), s.AllowsAction(action), strings.Join(statements, "\n"))
			}
		}
	})
}
