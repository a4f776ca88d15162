package policy

import (
	"fmt"
	"strings"
	"testing"
)

// The rows of the threat model about policy documents. Each refusal stands
// beside a twin that is accepted and differs in one detail. T114 is in
// property_test.go; T117 to T120 are in decision_test.go.

func refuse(t *testing.T, kind Kind, document string) {
	t.Helper()
	if d, err := Parse(document, kind); err == nil || d != nil {
		t.Errorf("accepted: %.200s", document)
	}
}

func accept(t *testing.T, kind Kind, document string) *Document {
	t.Helper()
	d, err := Parse(document, kind)
	if err != nil {
		t.Fatalf("%v (%s): %.200s", err, err.(*SyntaxError).Detail, document)
	}
	return d
}

func managed(statement string) string {
	return `{"Version":"2012-10-17","Statement":` + statement + `}`
}

func TestT101_DuplicateKeys(t *testing.T) {
	accept(t, ManagedPolicy, managed(`{"Effect":"Deny","Action":"a:b","Resource":"*","Condition":{"Bool":{"k":"true"}}}`))
	for _, twice := range []string{
		`{"Effect":"Deny","Effect":"Allow","Action":"a:b","Resource":"*"}`,
		`{"Effect":"Deny","Action":"a:b","Action":"*","Resource":"*"}`,
		`{"Effect":"Deny","Action":"a:b","Resource":"*","Condition":{"Bool":{"k":"true"},"Bool":{"k":"false"}}}`,
		`{"Effect":"Deny","Action":"a:b","Resource":"*","Condition":{"Bool":{"k":"true","k":"false"}}}`,
		`{"Effect":"Deny","Action":"a:b","Resource":"*","Condition":{"Bool":{"k":"true","\u006b":"false"}}}`,
		`{"Effect":"Deny","Action":"a:b","Resource":"*","Condition":{"Bool":{"k":"true","K":"false"}}}`,
	} {
		refuse(t, ManagedPolicy, managed(twice))
	}
	refuse(t, ManagedPolicy, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"},"Statement":[]}`)
	// Many keys, where the reader compares by map.
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf(`"k%d":"true"`, i)
	}
	block := `{"Effect":"Deny","Action":"a:b","Resource":"*","Condition":{"Bool":{%s}}}`
	accept(t, ManagedPolicy, managed(fmt.Sprintf(block, strings.Join(many, ","))))
	refuse(t, ManagedPolicy, managed(fmt.Sprintf(block, strings.Join(append(many, `"k3":"false"`), ","))))
	refuse(t, ManagedPolicy, managed(fmt.Sprintf(block, strings.Join(append(many, `"K3":"false"`), ","))))
	for i := range many {
		if _, err := readJSON("{" + strings.Join(append(many, many[i]), ",") + "}"); err == nil {
			t.Errorf("%s stands twice, and was accepted", many[i])
		}
	}
}

func TestT102_ElementNamesInAnotherCase(t *testing.T) {
	accept(t, ManagedPolicy, managed(`{"Effect":"Allow","Action":"a:b","Resource":"*"}`))
	refuse(t, ManagedPolicy, managed(`{"effect":"Allow","Action":"a:b","Resource":"*"}`))
	refuse(t, ManagedPolicy, managed(`{"EFFECT":"Allow","Action":"a:b","Resource":"*"}`))
	refuse(t, ManagedPolicy, managed(`{"Effect":"Deny","eFFECT":"Allow","Action":"a:b","Resource":"*"}`))
	refuse(t, ManagedPolicy, managed(`{"Effect":"Allow","Action":"a:b","resource":"*"}`))
	refuse(t, ManagedPolicy, `{"version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:b","Resource":"*"}}`)
}

func TestT103_UnknownAndContradictingElements(t *testing.T) {
	refuse(t, ManagedPolicy, managed(`{"Efect":"Allow","Action":"a:b","Resource":"*"}`))
	refuse(t, ManagedPolicy, managed(`{"Effect":"Allow","Actions":"a:b","Resource":"*"}`))
	refuse(t, ManagedPolicy, managed(`{"Effect":"Allow","Action":"a:b","NotAction":"c:d","Resource":"*"}`))
	refuse(t, ManagedPolicy, managed(`{"Effect":"Allow","Principal":"*","Action":"a:b","Resource":"*"}`))
	accept(t, ResourcePolicy, managed(`{"Effect":"Allow","Principal":"*","Action":"a:b","Resource":"*"}`))
}

func TestT104_Characters(t *testing.T) {
	with := func(s string) string { return managed(`{"Effect":"Allow","Action":"a:b` + s + `","Resource":"*"}`) }
	accept(t, ManagedPolicy, with("é\u00ff"))
	for _, bad := range []string{"\xff", "\xc3", "\xed\xa0\x80", "\x00", "\x1f", "\u2028", "\u202e", "\uff47", "\u212a", `\u0000`, `\u001f`, `\ud800`, `\udc00\ud800`, `\ud83dx`} {
		refuse(t, ManagedPolicy, with(bad))
	}
	refuse(t, ManagedPolicy, "\ufeff"+with(""))
	// Spelled as an escape a letter stays what it is: full-width b is not b.
	w := newWorld(t, alice).grants(`{"Effect":"Allow","Action":"a:\uff42","Resource":"*"}`)
	w.deny("a:b", "*")
	w = newWorld(t, alice).grants(`{"Effect":"Allow","Action":"a:\u212a","Resource":"*"}`)
	w.deny("a:k", "*")
	w = newWorld(t, alice).grants(`{"Effect":"Allow","Action":"a:\u0062","Resource":"*"}`)
	w.allow("a:b", "*")
}

func TestT105_TrailingAndLeadingText(t *testing.T) {
	good := managed(`{"Effect":"Allow","Action":"a:b","Resource":"*"}`)
	accept(t, ManagedPolicy, "\n\t "+good+" \r\n")
	for _, bad := range []string{good + " trailing", good + good, good + ",", "x" + good, "[" + good + "]", good[:len(good)-1], ""} {
		refuse(t, ManagedPolicy, bad)
	}
}

func TestT106_SizeAndDepth(t *testing.T) {
	refuse(t, ManagedPolicy, strings.Repeat("[", 10_000))
	refuse(t, ManagedPolicy, managed(strings.Repeat("[", 100)+strings.Repeat("]", 100)))
	refuse(t, ManagedPolicy, strings.Repeat(" ", 1<<20))
	statement := `{"Effect":"Allow","Action":"a:b","Resource":"*"}`
	refuse(t, ManagedPolicy, managed("["+strings.Repeat(statement+",", 100_000)+statement+"]"))
	accept(t, ManagedPolicy, managed("["+strings.Repeat(statement+",", 2_000)+statement+"]"))
	longest := managed(statement)
	accept(t, ManagedPolicy, longest+strings.Repeat(" ", MaxDocumentChars-len(longest)))
	refuse(t, ManagedPolicy, longest+strings.Repeat(" ", MaxDocumentChars-len(longest)+1))
	// Reading costs no n²: an object with as many keys as fit.
	var b strings.Builder
	for i := range 11_000 {
		fmt.Fprintf(&b, `"k%d":"",`, i)
	}
	accept(t, ManagedPolicy, managed(`{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"StringLike":{`+b.String()+`"k":""}}}`))
}

func TestT107_WrongTypes(t *testing.T) {
	for _, bad := range []string{
		`{"Effect":"Allow","Action":5,"Resource":"*"}`,
		`{"Effect":"Allow","Action":null,"Resource":"*"}`,
		`{"Effect":"Allow","Action":[["a:b"]],"Resource":"*"}`,
		`{"Effect":["Allow"],"Action":"a:b","Resource":"*"}`,
		`{"Effect":"Allow","Action":[],"Resource":"*"}`,
		`{"Effect":"Allow","Action":"a:b","Resource":[]}`,
		`{"Effect":"Allow","Action":"a:b","Resource":""}`,
		`{"Effect":"Allow","Action":"a:b","Resource":{"x":"*"}}`,
		`{"Effect":"Allow","Action":"a:b","Resource":true}`,
		`{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":null}`,
		`{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"Bool":{"k":null}}}`,
		`{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"Bool":{"k":[["true"]]}}}`,
		`"x"`, `null`, `7`, `[]`,
	} {
		refuse(t, ManagedPolicy, managed(bad))
	}
}

func TestT108_Versions(t *testing.T) {
	for version, resolved := range map[string]bool{`"Version":"2012-10-17",`: true, `"Version":"2008-10-17",`: false, ``: false} {
		d := accept(t, InlinePolicy, `{`+version+`"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::home/${aws:username}",
			"Condition":{"StringLike":{"aws:username":["${aws:username}","x"]}}}}`)
		w := newWorld(t, alice)
		w.in.Identity = NewSet([]Attached{{Document: d}})
		w.context.SetString("aws:username", "alice")
		if got := w.decide("s3:GetObject", "arn:aws:s3:::home/alice").Allowed; got != resolved {
			t.Errorf("%q: variable resolved: %v", version, got)
		}
		w.context.SetString("aws:username", "x")
		if got := w.decide("s3:GetObject", "arn:aws:s3:::home/${aws:username}").Allowed; got == resolved {
			t.Errorf("%q: variable is literal text: %v", version, got)
		}
	}
	refuse(t, InlinePolicy, `{"Version":"2099-01-01","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	refuse(t, InlinePolicy, `{"Version":20121017,"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
}

// T109: the work of a match is counted by its growth: a pattern of n wildcards
// against n characters must not cost 2ⁿ, and does not even cost n²·n.
func TestT109_WildcardsAreCheap(t *testing.T) {
	const n = 6000
	value := strings.Repeat("a", 8000)
	for _, pattern := range []string{
		strings.Repeat("*a", n/2) + "b",
		strings.Repeat("*a", n/2) + "*",
		"*" + strings.Repeat("a", n) + "b*",
		strings.Repeat("*?", n/2) + "b",
		strings.Repeat("a*", n/2) + "b",
	} {
		if matchGlob(pattern, value) != (pattern[len(pattern)-1] == '*' && !strings.Contains(pattern, "b")) {
			t.Errorf("%.20s… matches wrongly", pattern)
		}
		w := newWorld(t, alice).grants(`{"Effect":"Allow","Action":"*","Resource":["arn:aws:s3:::` + pattern + `","arn:aws:s3:::x${aws:username}` + pattern + `"]}`)
		w.context.SetString("aws:username", "a")
		w.decide("s3:GetObject", "arn:aws:s3:::x"+value)
		w = newWorld(t, alice).grants(`{"Effect":"Allow","Action":"a:` + pattern + `","Resource":"*"}`)
		w.decide("a:"+value, "*")
	}
}

func TestT110_SubstitutedValuesAreLiteral(t *testing.T) {
	w := newWorld(t, alice).grants(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::home/${aws:username}/*"}`)
	for _, name := range []string{"*", "?", "a*", "${aws:username}", "$", "${*}", "bob/..", ""} {
		w.context.SetString("aws:username", name)
		w.deny("s3:GetObject", "arn:aws:s3:::home/bob/x")
		w.allow("s3:GetObject", "arn:aws:s3:::home/"+name+"/x")
	}
	checkConditions(t, []conditionCase{
		{`"StringLike":{"k":"${aws:username}"}`, keys{"aws:username": "*", "k": "x"}, false},
		{`"StringLike":{"k":"${aws:username}*"}`, keys{"aws:username": "a?", "k": "abc"}, false},
		{`"StringLike":{"k":"${aws:username}*"}`, keys{"aws:username": "a?", "k": "a?c"}, true},
		{`"StringEquals":{"k":"${aws:username}"}`, keys{"aws:username": "${k}", "k": "${k}"}, true},
		{`"StringEqualsIgnoreCase":{"k":"${aws:username}!"}`, keys{"aws:username": "Alice", "k": "aLICE!"}, true},
		{`"ArnLike":{"k":"arn:aws:iam::${a}:user/x"}`, keys{"a": "1:user/x:2", "k": "arn:aws:iam::1:user/x:2:user/x"}, false},
		{`"ArnLike":{"k":"arn:aws:iam::${a}:user/x"}`, keys{"a": "*", "k": "arn:aws:iam::1:user/x"}, false},
		{`"ArnLike":{"k":"arn:aws:iam::${a}:user/x"}`, keys{"a": "1", "k": "arn:aws:iam::1:user/x"}, true},
		{`"ArnEquals":{"k":"${a}"}`, keys{"a": aliceARN, "k": aliceARN}, true},
		{`"ArnEquals":{"k":"${a}"}`, keys{"a": "arn:aws:iam::*:user/*", "k": aliceARN}, false},
		{`"StringLike":{"k":"${*}${?}${$}*"}`, keys{"k": "*?$x"}, true},
		{`"StringLike":{"k":"${*}${?}${$}*"}`, keys{"k": "ab$x"}, false},
	})
}

// T111: what has no value makes the entry match nothing, in a Deny, too; a
// default stands in.
func TestT111_UndefinedVariables(t *testing.T) {
	everything := `{"Effect":"Allow","Action":"*","Resource":"*"},`
	object := "arn:aws:s3:::home/x/y"
	w := newWorld(t, alice).grants(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::home/${aws:username}*"}`)
	w.deny("s3:GetObject", object)
	w.deny("s3:GetObject", "arn:aws:s3:::home/${aws:username}")
	w = newWorld(t, alice).grants(everything + `{"Effect":"Deny","Action":"*","Resource":"arn:aws:s3:::home/${aws:username}*"}`)
	w.allow("s3:GetObject", object)
	w = newWorld(t, alice).grants(everything + `{"Effect":"Deny","Action":"*","NotResource":"arn:aws:s3:::home/${aws:username}*"}`)
	w.deny("s3:GetObject", object)
	w = newWorld(t, alice).grants(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::home/${aws:PrincipalTag/x, 'none'}/*"}`)
	w.allow("s3:GetObject", "arn:aws:s3:::home/none/k")
	w.context.SetString("aws:PrincipalTag/X", "team")
	w.deny("s3:GetObject", "arn:aws:s3:::home/none/k")
	w.allow("s3:GetObject", "arn:aws:s3:::home/team/k")
	// A variable before the sixth part of an ARN is no variable.
	w = newWorld(t, alice).grants(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:iam::${aws:PrincipalAccount}:user/alice"}`)
	w.context.SetString("aws:PrincipalAccount", "111122223333")
	w.deny("iam:GetUser", aliceARN)
	checkConditions(t, []conditionCase{
		{`"StringEquals":{"k":"${absent}"}`, keys{"k": "x"}, false},
		{`"StringNotEquals":{"k":"${absent}"}`, keys{"k": "x"}, true},
		{`"StringLike":{"k":"*${absent}*"}`, keys{"k": "x"}, false},
		{`"StringEquals":{"k":"${absent, 'x'}"}`, keys{"k": "x"}, true},
		{`"StringEquals":{"k":"${l}"}`, keys{"k": "x", "l": []string{"x"}}, false},
		{`"StringEquals":{"k":"x${l}"}`, keys{"k": "x", "l": []string{"x"}}, false},
		{`"StringNotEquals":{"k":["${absent}","x"]}`, keys{"k": "x"}, false},
	})
}

// T112: NotPrincipal exempts only who is named completely.
func TestT112_NotPrincipal(t *testing.T) {
	refuse(t, ResourcePolicy, managed(`{"Effect":"Allow","NotPrincipal":{"AWS":"111122223333"},"Action":"a:b","Resource":"*"}`))
	const account, role, session, user = `"111122223333"`, `"arn:aws:iam::111122223333:role/path/R"`, `"arn:aws:sts::111122223333:assumed-role/R/s"`, `"arn:aws:iam::111122223333:user/alice"`
	for _, c := range []struct {
		caller *Caller
		list   string
		exempt bool
	}{
		{roleSession, account + "," + role + "," + session, true},
		{roleSession, account + "," + role, false},
		{roleSession, role + "," + session, false},
		{roleSession, account + "," + session, false},
		{alice, account + "," + user, true},
		{alice, user, false},
		{alice, account, false},
		{&Caller{Type: Anonymous}, account, false},
	} {
		w := newWorld(t, c.caller)
		w.in.Resource = setOf(t, ResourcePolicy, "", "bucket", `
			{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},
			{"Effect":"Deny","NotPrincipal":{"AWS":[`+c.list+`]},"Action":"*","Resource":"*"}`)
		if got := w.decide("s3:GetObject", "arn:aws:s3:::b/k").Allowed; got != c.exempt {
			t.Errorf("%s, not denied is %s: allowed %v", c.caller.ARN, c.list, got)
		}
	}
}

func TestT113_AllowNotAction(t *testing.T) {
	w := newWorld(t, alice).grants(`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`)
	w.deny("iam:GetUser", aliceARN)
	w.allow("organizations:LeaveOrganization", "*")
	w.allow("sts:AssumeRole", "arn:aws:iam::111122223333:role/Admin")
}

// T115: a session policy never widens, and a boundary neither.
func TestT115_SessionAndBoundaryOnlyNarrow(t *testing.T) {
	everything := `{"Effect":"Allow","Action":"*","Resource":"*"}`
	w := newWorld(t, roleSession).grants(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`)
	w.in.Session = setOf(t, SessionPolicy, "", "session", everything)
	w.allow("s3:GetObject", "arn:aws:s3:::b/k")
	w.deny("s3:PutObject", "arn:aws:s3:::b/k")
	w.in.Boundary = setOf(t, ManagedPolicy, "", "boundary", everything)
	w.deny("s3:PutObject", "arn:aws:s3:::b/k")
	w.in.Boundary = setOf(t, ManagedPolicy, "", "boundary", `{"Effect":"Allow","Action":"s3:Put*","Resource":"*"}`)
	w.deny("s3:GetObject", "arn:aws:s3:::b/k")
	w.deny("s3:PutObject", "arn:aws:s3:::b/k")
	w.in.Boundary, w.in.Session = nil, NewSet(nil)
	w.deny("s3:GetObject", "arn:aws:s3:::b/k")
}

// T116: both sides across accounts, either side within one.
func TestT116_AcrossAccounts(t *testing.T) {
	const key = "arn:aws:s3:::b/k"
	grant := `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`
	for _, principal := range []string{`"*"`, `{"AWS":"111122223333"}`, `{"AWS":"` + aliceARN + `"}`} {
		w := newWorld(t, alice)
		w.account = "444455556666"
		w.in.Resource = setOf(t, ResourcePolicy, "", "bucket", `{"Effect":"Allow","Principal":`+principal+`,"Action":"s3:GetObject","Resource":"*"}`)
		w.deny("s3:GetObject", key)
		w.grants(grant).allow("s3:GetObject", key)
		w.in.Boundary = NewSet(nil)
		w.deny("s3:GetObject", key)
		w.in.Boundary, w.in.Resource = nil, nil
		w.deny("s3:GetObject", key)
	}
	w := newWorld(t, alice).grants(grant)
	w.allow("s3:GetObject", key)
	w.in.Identity, w.in.Resource = nil, setOf(t, ResourcePolicy, "", "bucket", `{"Effect":"Allow","Principal":{"AWS":"`+aliceARN+`"},"Action":"*","Resource":"*"}`)
	w.allow("s3:GetObject", key)
}

// T121: a trust policy that named a user names that one only, not another who
// came later by the same name; and it then shows the id.
func TestT121_RecreatedPrincipal(t *testing.T) {
	const text = `{"Version":"2012-10-17",  "Statement":[{"Effect":"Allow","Principal":{"AWS":[ "arn:aws:iam::111122223333:user\/alice" ,"444455556666"]},"Action":"sts:AssumeRole"}]}`
	d := accept(t, TrustPolicy, text).WithPins(map[string]string{aliceARN: "AIDAJQABLZS4A3QDU576Q", bobARN: "AIDAX"})
	w := newWorld(t, alice)
	w.in.Resource, w.in.ResourceIsTrust = NewSet([]Attached{{Document: d}}), true
	w.allow("sts:AssumeRole", "arn:aws:iam::111122223333:role/R")
	again := *alice
	again.ID = "AIDAZZZZZZZZZZZZZZZZZ"
	w.caller = &again
	w.deny("sts:AssumeRole", "arn:aws:iam::111122223333:role/R")

	shown := d.ReplacePrincipals(func(p string) string {
		if p == aliceARN {
			return "AIDAJQABLZS4A3QDU576Q"
		}
		return p
	})
	want := strings.Replace(text, `arn:aws:iam::111122223333:user\/alice`, "AIDAJQABLZS4A3QDU576Q", 1)
	if shown != want {
		t.Errorf("shown as %s", shown)
	}
	w.in.Resource = NewSet([]Attached{{Document: accept(t, TrustPolicy, shown)}})
	w.deny("sts:AssumeRole", "arn:aws:iam::111122223333:role/R")
	w.caller = alice
	w.allow("sts:AssumeRole", "arn:aws:iam::111122223333:role/R")
	if got := fmt.Sprint(d.Principals()); got != "[{AWS arn:aws:iam::111122223333:user/alice 3} {AWS 444455556666 2}]" {
		t.Error(got)
	}
}

// T123: ten groups with ten of the largest managed policies each. What does not
// bear on the action costs nothing: the candidates that are looked at are few.
func TestT123_ManyPolicies(t *testing.T) {
	var docs []Attached
	for i := range 110 {
		var statements []string
		for j := 0; len(strings.Join(statements, ",")) < 6000; j++ {
			statements = append(statements, fmt.Sprintf(`{"Effect":"Allow","Action":["s3:Get%d*","ec2:Run%d"],"Resource":"arn:aws:s3:::b%d/%d/*"}`, j, j, i, j))
		}
		docs = append(docs, Attached{Document: accept(t, ManagedPolicy, managed("["+strings.Join(statements, ",")+"]"))})
	}
	set := NewSet(docs)
	looked := 0
	action, tail := []byte("s3:get7object"), "b42/7/x"
	for i := longest(&set.index.prefixes, action); i >= 0; i = set.index.prefixes.parents[i] {
		b := &set.index.wild[i]
		for r := longest(&b.resources, tail); r >= 0; r = b.resources.parents[r] {
			looked += int(b.from[r+1] - b.from[r])
		}
	}
	if looked != 1 {
		t.Errorf("of %d statements %d are looked at, and 1 could match", len(set.index.statements), looked)
	}
	w := newWorld(t, alice)
	w.in.Identity = set
	w.allow("s3:Get7Object", "arn:aws:s3:::b42/7/x")
	w.deny("s3:Get7Object", "arn:aws:s3:::b42/8/x")
}

// A statement with hundreds of actions and resources does not fill the index
// with their product.
func TestIndexIsBounded(t *testing.T) {
	var actions, resources []string
	for i := range 300 {
		actions = append(actions, fmt.Sprintf(`"s3:Get%d"`, i))
		resources = append(resources, fmt.Sprintf(`"arn:aws:s3:::b/%d"`, i))
	}
	w := newWorld(t, alice).grants(`{"Effect":"Allow","Action":[` + strings.Join(actions, ",") + `],"Resource":[` + strings.Join(resources, ",") + `]}`)
	n := 0
	for _, b := range w.in.Identity.index.exact {
		n += len(b.candidates)
	}
	if n != len(actions) {
		t.Errorf("%d candidates for %d actions", n, len(actions))
	}
	w.allow("s3:Get299", "arn:aws:s3:::b/7")
	w.deny("s3:Get299", "arn:aws:s3:::b/300")
	w.deny("s3:Get300", "arn:aws:s3:::b/7")
}

// T124: whom control policies restrain.
func TestT124_Exemptions(t *testing.T) {
	everything := `{"Effect":"Allow","Action":"*","Resource":"*"}`
	narrow := setOf(t, ServiceControlPolicy, "", "scp", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)
	full := setOf(t, ServiceControlPolicy, "", "FullAWSAccess", everything)
	root := &Caller{Type: Root, Account: "111122223333", ARN: "arn:aws:iam::111122223333:root", ID: "111122223333"}
	w := newWorld(t, root)
	w.allow("iam:GetUser", aliceARN)
	w.in.SCPs = []*Set{full, narrow}
	w.deny("iam:GetUser", aliceARN)
	w.allow("s3:GetObject", "arn:aws:s3:::b/k")
	w.in.SCPs = []*Set{narrow, full}
	w.deny("iam:GetUser", aliceARN)
	w.in.SCPs = []*Set{full, nil}
	w.deny("s3:GetObject", "arn:aws:s3:::b/k")

	linked := *roleSession
	w = newWorld(t, &linked).grants(everything)
	w.in.SCPs = []*Set{narrow}
	w.in.RCPs = []*Set{setOf(t, ResourceControlPolicy, "", "rcp", `{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}`)}
	w.deny("iam:GetUser", aliceARN)
	w.deny("s3:GetObject", "arn:aws:s3:::b/k")
	linked.ServiceLinked = true
	w.allow("iam:GetUser", aliceARN)
	w.allow("s3:GetObject", "arn:aws:s3:::b/k")

	service := newWorld(t, &Caller{Type: Service, Service: "logs.amazonaws.com"})
	service.in.SCPs = []*Set{narrow}
	service.in.Resource = setOf(t, ResourcePolicy, "", "b", `{"Effect":"Allow","Principal":{"Service":"logs.amazonaws.com"},"Action":"*","Resource":"*"}`)
	service.allow("kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:key/k")
	service.in.RCPs = w.in.RCPs
	service.deny("s3:PutObject", "arn:aws:s3:::b/k")
	service.caller = &Caller{Type: Service, Service: "ec2.amazonaws.com"}
	service.deny("kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:key/k")
}

func TestT127_PublicResourcePolicy(t *testing.T) {
	w := newWorld(t, &Caller{Type: Anonymous})
	w.deny("s3:GetObject", "arn:aws:s3:::b/k")
	w.in.Resource = setOf(t, ResourcePolicy, "", "b", `{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}`)
	w.allow("s3:GetObject", "arn:aws:s3:::b/k")
	w.deny("s3:PutObject", "arn:aws:s3:::b/k")
}

func TestT128_TextIsKept(t *testing.T) {
	text := "{ \"Statement\" : [ {\"Resource\":\"*\",\n\t\"Action\":\"a:\\u0062\" ,\"Effect\":\"Allow\"}],\"Version\":\"2012-10-17\"}\n"
	if d := accept(t, ManagedPolicy, text); d.Text() != text {
		t.Errorf("%q", d.Text())
	}
	if n := CountNonSpace(" é\t\"a b\"\r\n"); n != 5 {
		t.Errorf("counted %d", n)
	}
}
