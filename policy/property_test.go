package policy

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The vocabulary of random policies and requests is small, so that statements
// match about as often as not.
var (
	someActionPatterns = []string{
		"*", "iam:*", "iam:Get*", "iam:GetUser", "IAM:getuser", "iam:?etUser", "iam:*User", "iam:**r",
		"iam:GetUserPolicy", "s3:GetObject", "s3:*Object*", "s3:Get*", "sts:AssumeRole", "sts:*",
	}
	someActions          = []string{"iam:GetUser", "iam:CreateUser", "iam:getuserpolicy", "s3:GetObject", "s3:PutObject", "sts:AssumeRole"}
	someTrustActions     = []string{"sts:AssumeRole", "sts:Assume*WithSAML", "sts:AssumeRole*Identity", "sts:TagSession"}
	someResourcePatterns = []string{
		"*", "arn:aws:iam::111122223333:user/alice", "arn:aws:iam::*:user/*", "arn:aws:iam::111122223333:user/${aws:username}",
		"arn:aws:iam::111122223333:*", "arn:aws:iam::1111*3:user/a?ice", "arn:aws:iam::111122223333:role/R",
		"arn:aws:s3:::b*", "arn:aws:s3:::bucket/${aws:PrincipalTag/team, 'none'}/*", "arn:aws:s3:::bucket/?", "arn:*:s3:::bucket/*",
		"arn:aws:s3:::${aws:username}/*", "arn:aws:s3:::bucket/${*}", "arn:aws:s3:::bucket/${aws:TagKeys}", "arn:aws:s3:::*/x*",
		"arn:aws:s3:::bucket/blue", "arn:aws:s3:::bucket/blue/x",
	}
	someResources = []string{
		"*", "arn:aws:iam::111122223333:user/alice", "arn:aws:iam::444455556666:user/bob", "arn:aws:iam::111122223333:role/R",
		"arn:aws:s3:::bucket/blue/x", "arn:aws:s3:::bucket/none/x:y", "arn:aws:s3:::bucket/a", "arn:aws:s3:::bucket/*", "arn:aws:s3:::alice/x",
		"arn:aws:s3:::bucket/", "arn:aws:s3:::bucket/é", "arn:aws:s3::bucket", "",
	}
	someStrings    = []string{"alice", "Alice", "blue", "*", "a*", "a?ice", "", "${aws:username}", "true", "é", "É", "al", "10.1.2.3", "7"}
	somePatterns   = append([]string{"${aws:username}", "x${aws:PrincipalTag/team}*", "${*}", "${aws:PrincipalTag/team, 'blue'}", "*${aws:username}*e", "É"}, someStrings[:7]...)
	someNumbers    = []string{"0", "-0", "7", "7.0", "+7.50", "-3", "100000000000000000000000000000000000000001", ".5"}
	someDates      = []string{"2026", "2026-11-22", "2026-11-22T12:00Z", "2026-11-22T13:00:00+01:00", "1795348800", "2030-01-01T00:00:00Z"}
	someCIDRs      = []string{"10.0.0.0/8", "10.1.2.3", "10.1.2.99/24", "2001:db8::/32", "::ffff:10.0.0.0/104", "0.0.0.0/0"}
	someARNs       = []string{"arn:aws:iam::111122223333:user/alice", "arn:aws:iam::*:user/*", "arn:aws:iam::111122223333:user/${aws:username}", "arn:aws:s3:::b:c", "arn:aws:s3:::b*", "*", "arn:*", "a?n:*:*:*:*:*", "${aws:PrincipalArn}"}
	someKeys       = []string{"aws:username", "aws:PrincipalTag/team", "aws:TagKeys", "aws:MultiFactorAuthPresent", "aws:CurrentTime", "aws:EpochTime", "aws:SourceIp", "aws:PrincipalArn", "aws:RequestTag/É"}
	somePrincipals = []any{
		"*", object{"AWS": "*"}, object{"AWS": "111122223333"}, object{"AWS": "arn:aws:iam::111122223333:root"},
		object{"AWS": "arn:aws:iam::111122223333:user/alice"}, object{"AWS": "arn:aws:iam::111122223333:role/path/R"},
		object{"AWS": "arn:aws:sts::111122223333:assumed-role/R/s"}, object{"AWS": "arn:aws:sts::111122223333:federated-user/fred"},
		object{"AWS": []any{"AIDAJQABLZS4A3QDU576Q", "AROAJQABLZS4A3QDU576Q"}}, object{"AWS": "444455556666", "Service": "ec2.amazonaws.com"},
		object{"Federated": "accounts.google.com"}, object{"Federated": "arn:aws:iam::111122223333:saml-provider/corp"},
		object{"AWS": []any{"111122223333", "arn:aws:iam::111122223333:user/alice"}},
		object{"AWS": []any{"111122223333", "arn:aws:iam::111122223333:role/path/R", "arn:aws:sts::111122223333:assumed-role/R/s"}},
		object{"AWS": []any{"111122223333", "arn:aws:iam::111122223333:user/alice", "arn:aws:sts::111122223333:federated-user/fred"}},
	}
	someCallers = []*Caller{
		{Type: Root, Account: "111122223333", ARN: "arn:aws:iam::111122223333:root", PrincipalARN: "arn:aws:iam::111122223333:root", ID: "111122223333"},
		alice,
		{Type: User, Account: "444455556666", ARN: "arn:aws:iam::444455556666:user/bob", PrincipalARN: "arn:aws:iam::444455556666:user/bob", ID: "AIDAAAAAAAAAAAAAAAAAA"},
		roleSession,
		{Type: AssumedRole, Account: "111122223333", ARN: "arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForX/s", PrincipalARN: "arn:aws:iam::111122223333:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX", ID: "AROAAAAAAAAAAAAAAAAAA", ServiceLinked: true},
		federated,
		{Type: Service, Service: "ec2.amazonaws.com"},
		{Type: WebIdentity, Federated: "accounts.google.com"},
		{Type: SAML, Federated: "arn:aws:iam::111122223333:saml-provider/corp"},
		{Type: Anonymous},
	}
)

var (
	alice = &Caller{
		Type: User, Account: "111122223333", ID: "AIDAJQABLZS4A3QDU576Q",
		ARN: "arn:aws:iam::111122223333:user/alice", PrincipalARN: "arn:aws:iam::111122223333:user/alice",
	}
	roleSession = &Caller{
		Type: AssumedRole, Account: "111122223333", ID: "AROAJQABLZS4A3QDU576Q",
		ARN: "arn:aws:sts::111122223333:assumed-role/R/s", PrincipalARN: "arn:aws:iam::111122223333:role/path/R",
	}
	federated = &Caller{
		Type: FederatedUser, Account: "111122223333", ID: "111122223333:fred",
		ARN: "arn:aws:sts::111122223333:federated-user/fred", PrincipalARN: "arn:aws:sts::111122223333:federated-user/fred",
		IssuerARN: "arn:aws:iam::111122223333:user/alice", IssuerID: "AIDAJQABLZS4A3QDU576Q",
	}
)

func pick[T any](t *rapid.T, from []T, label string) T { return rapid.SampledFrom(from).Draw(t, label) }

func chance(t *rapid.T, of int, label string) bool { return rapid.IntRange(1, of).Draw(t, label) == 1 }

// oneOrMore draws a string, or an array of them.
func oneOrMore(t *rapid.T, from []string, label string) any {
	if rapid.Bool().Draw(t, label+" alone") {
		return pick(t, from, label)
	}
	list := rapid.SliceOfNDistinct(rapid.SampledFrom(from), 1, 3, rapid.ID).Draw(t, label)
	values := make([]any, len(list))
	for i, v := range list {
		values[i] = v
	}
	return values
}

func drawCondition(t *rapid.T) object {
	families := []struct {
		operators []string
		values    []string
	}{
		{[]string{"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"}, somePatterns},
		{[]string{"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals"}, someNumbers},
		{[]string{"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"}, someDates},
		{[]string{"Bool"}, []string{"true", "false", "True"}},
		{[]string{"BinaryEquals"}, []string{"YWxpY2U=", ""}},
		{[]string{"IpAddress", "NotIpAddress"}, someCIDRs},
		{[]string{"ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"}, someARNs},
		{[]string{"Null"}, []string{"true", "false"}},
	}
	block := object{}
	for range rapid.IntRange(1, 2).Draw(t, "conditions") {
		family := pick(t, families, "family")
		operator := pick(t, family.operators, "operator")
		if operator != "Null" && chance(t, 4, "if exists") {
			operator += "IfExists"
		}
		operator = pick(t, []string{"", "", "", "ForAllValues:", "ForAnyValue:"}, "qualifier") + operator
		values := oneOrMore(t, family.values, "values")
		if chance(t, 20, "no values") {
			values = []any{}
		}
		block[operator] = object{pick(t, someKeys, "key"): values}
	}
	return block
}

func drawStatement(t *rapid.T, kind Kind) object {
	s := object{"Effect": pick(t, []string{"Allow", "Allow", "Deny"}, "effect")}
	switch {
	case kind == TrustPolicy:
		s["Action"] = oneOrMore(t, someTrustActions, "action")
	case chance(t, 6, "not action"):
		s["NotAction"] = oneOrMore(t, someActionPatterns[1:], "not action")
	default:
		s["Action"] = oneOrMore(t, someActionPatterns, "action")
	}
	switch {
	case kind == TrustPolicy:
	case chance(t, 6, "not resource"):
		s["NotResource"] = oneOrMore(t, someResourcePatterns[1:], "not resource")
	default:
		s["Resource"] = oneOrMore(t, someResourcePatterns, "resource")
	}
	switch kind {
	case ResourcePolicy:
		s["Principal"] = pick(t, somePrincipals, "principal")
		if s["Effect"] == "Deny" && chance(t, 2, "not principal") {
			s["NotPrincipal"] = s["Principal"]
			delete(s, "Principal")
		}
	case TrustPolicy:
		s["Principal"] = pick(t, somePrincipals, "principal")
	case ResourceControlPolicy:
		s["Principal"], s["Effect"] = "*", "Deny"
	}
	if chance(t, 2, "has conditions") {
		s["Condition"] = drawCondition(t)
	}
	return s
}

func drawDocument(t *rapid.T, kind Kind) object {
	doc := object{"Version": "2012-10-17"}
	if kind != ManagedPolicy && chance(t, 5, "old version") {
		doc["Version"] = "2008-10-17"
	}
	var statements []any
	for range rapid.IntRange(1, 4).Draw(t, "statements") {
		statements = append(statements, drawStatement(t, kind))
	}
	doc["Statement"] = statements
	return doc
}

func drawDocuments(t *rapid.T, kind Kind) []object {
	var docs []object
	for range rapid.IntRange(0, 3).Draw(t, "documents") {
		docs = append(docs, drawDocument(t, kind))
	}
	return docs
}

func drawInputs(t *rapid.T) refInputs {
	in := refInputs{identity: drawDocuments(t, InlinePolicy)}
	if in.hasBoundary = chance(t, 3, "boundary"); in.hasBoundary {
		in.boundary = drawDocuments(t, ManagedPolicy)
	}
	if in.hasSession = chance(t, 3, "session"); in.hasSession {
		in.session = drawDocuments(t, SessionPolicy)
	}
	switch rapid.IntRange(0, 3).Draw(t, "resource policy") {
	case 1:
		in.isTrust = true
		in.resource = drawDocuments(t, TrustPolicy)
	case 2, 3:
		in.resource = drawDocuments(t, ResourcePolicy)
	}
	if chance(t, 3, "scps") {
		for range rapid.IntRange(1, 3).Draw(t, "levels") {
			in.scps = append(in.scps, drawDocuments(t, ServiceControlPolicy))
		}
	}
	if chance(t, 4, "rcps") {
		in.rcps = append(in.rcps, drawDocuments(t, ResourceControlPolicy))
	}
	return in
}

// drawRequest returns the same request for both evaluators.
func drawRequest(t *rapid.T) (*Request, refRequest) {
	ctx, ref := new(Context), refContext{}
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, key := range someKeys {
		if chance(t, 3, "absent") {
			continue
		}
		k := refKey{}
		switch key {
		case "aws:TagKeys":
			k.multi = true
			k.values = rapid.SliceOfN(rapid.SampledFrom(someStrings), 0, 3).Draw(t, key)
			ctx.SetStrings(key, k.values)
			if len(k.values) == 0 {
				continue
			}
		case "aws:MultiFactorAuthPresent":
			v := rapid.Bool().Draw(t, key)
			ctx.SetBool(key, v)
			k.values = []string{strconv.FormatBool(v)}
		case "aws:CurrentTime":
			ctx.SetTime(key, noon)
			k.values, k.when = []string{"2026-11-22T12:00:00Z"}, &noon
		case "aws:EpochTime":
			v := pick(t, []int64{0, 7, -3, noon.Unix()}, key)
			ctx.SetInt(key, v)
			k.values = []string{strconv.FormatInt(v, 10)}
			when := time.Unix(v, 0)
			if len(k.values[0]) == 4 {
				k.when = &when
			}
		case "aws:SourceIp":
			v := netip.MustParseAddr(pick(t, []string{"10.1.2.3", "192.0.2.1", "2001:db8::1", "::ffff:10.9.9.9"}, key))
			ctx.SetIP(key, v)
			k.values = []string{v.Unmap().String()}
		case "aws:PrincipalArn":
			k.values = []string{pick(t, []string{"arn:aws:iam::111122223333:user/alice", "arn:aws:s3:::b:c", "nothing", "arn:aws:iam::*:user/*"}, key)}
			ctx.SetString(key, k.values[0])
		default:
			k.values = []string{pick(t, someStrings, key)}
			ctx.SetString(strings.ToUpper(key), k.values[0])
		}
		ref[strings.ToLower(key)] = k
	}
	req := &Request{
		Caller: pick(t, someCallers, "caller"), Action: pick(t, someActions, "action"), Resource: pick(t, someResources, "resource"),
		ResourceAccount: pick(t, []string{"", "", "111122223333", "444455556666"}, "resource account"), Context: ctx,
	}
	return req, refRequest{req.Caller, req.Action, req.Resource, req.ResourceAccount, ref}
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

func compileSet(t fataler, docs []object, kind Kind) *Set {
	t.Helper()
	var attached []Attached
	for i, doc := range docs {
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatalf("%v", err)
		}
		d, err := Parse(string(text), kind)
		if err != nil {
			t.Fatalf("%v: %+v\n%s", err, err, text)
		}
		attached = append(attached, Attached{Source{ID: strconv.Itoa(i)}, d})
	}
	return NewSet(attached)
}

// compile turns the reference's inputs into the package's. wrap may change each set.
func compile(t fataler, in refInputs, wrap func(*Set) *Set) *Inputs {
	t.Helper()
	out := &Inputs{Identity: wrap(compileSet(t, in.identity, InlinePolicy)), ResourceIsTrust: in.isTrust}
	if in.hasBoundary {
		out.Boundary = wrap(compileSet(t, in.boundary, ManagedPolicy))
	}
	if in.hasSession {
		out.Session = wrap(compileSet(t, in.session, SessionPolicy))
	}
	if in.isTrust {
		out.Resource = wrap(compileSet(t, in.resource, TrustPolicy))
	} else if in.resource != nil {
		out.Resource = wrap(compileSet(t, in.resource, ResourcePolicy))
	}
	for _, level := range in.scps {
		out.SCPs = append(out.SCPs, wrap(compileSet(t, level, ServiceControlPolicy)))
	}
	for _, level := range in.rcps {
		out.RCPs = append(out.RCPs, wrap(compileSet(t, level, ResourceControlPolicy)))
	}
	return out
}

func asIs(s *Set) *Set { return s }

func indexed(s *Set) *Set { return &Set{docs: s.docs, index: newIndex(s.docs)} }

func unindexed(s *Set) *Set { return &Set{docs: s.docs} }

// compacted has its documents in compact form, those that can be.
func compacted(s *Set) *Set {
	docs := slices.Clone(s.docs)
	for i := range docs {
		d := docs[i].Document.Compact()
		docs[i].Document = &d
	}
	return &Set{docs: docs}
}

// checkAgainstReference is the property that holds the two evaluators together.
func checkAgainstReference(t fataler, req *Request, ref refRequest, in refInputs) Decision {
	t.Helper()
	d := Evaluate(req, compile(t, in, unindexed), nil)
	if effect, layer := refEvaluate(ref, in); d.Effect != effect || d.Layer != layer || d.Allowed != (effect == Allowed) {
		t.Fatalf("got %v by %v, the reference says %v by %v\n%s", d.Effect, d.Layer, effect, layer, dump(req, in))
	}
	if x := Evaluate(req, compile(t, in, indexed), nil); describe(x) != describe(d) {
		t.Fatalf("with index %s, without %s\n%s", describe(x), describe(d), dump(req, in))
	}
	for _, wrap := range []func(*Set) *Set{compacted, func(s *Set) *Set { return indexed(compacted(s)) }} {
		if x := Evaluate(req, compile(t, in, wrap), nil); describe(x) != describe(d) {
			t.Fatalf("with compact documents %s, without %s\n%s", describe(x), describe(d), dump(req, in))
		}
	}
	return d
}

func describe(d Decision) string {
	s := d.Effect.String() + " " + d.Layer.String() + " " + strconv.Itoa(d.Statement)
	if d.Source != nil {
		s += " of " + d.Source.ID
	}
	return s
}

func dump(req *Request, in refInputs) string {
	text, _ := json.MarshalIndent(object{
		"caller": req.Caller, "action": req.Action, "resource": req.Resource, "account": req.ResourceAccount,
		"context": maps.Collect(req.Context.All()), "identity": in.identity, "boundary": in.boundary, "session": in.session,
		"resourcePolicy": in.resource, "trust": in.isTrust, "scps": in.scps, "rcps": in.rcps,
	}, "", " ")
	return string(text)
}

func TestAgainstReference(t *testing.T) {
	effects := map[Effect]int{}
	rapid.Check(t, func(t *rapid.T) {
		in := drawInputs(t)
		for range 12 {
			req, ref := drawRequest(t)
			effects[checkAgainstReference(t, req, ref, in).Effect]++
		}
	})
	t.Log(effects)
	for _, e := range []Effect{Allowed, ExplicitDeny, ImplicitDeny} {
		if effects[e] == 0 {
			t.Errorf("no request ended in %v: the test proves nothing", e)
		}
	}
}

// T114: an explicit deny wins wherever it stands, and neither the order of
// statements nor of documents matters.
func TestT114_ExplicitDenyWinsInEveryOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInputs(t)
		req, ref := drawRequest(t)
		before := Evaluate(req, compile(t, in, asIs), nil)

		shuffled := in
		for _, docs := range []*[]object{&shuffled.identity, &shuffled.boundary, &shuffled.session, &shuffled.resource} {
			*docs = rapid.Permutation(*docs).Draw(t, "documents")
			for i, doc := range *docs {
				doc = maps.Clone(doc)
				doc["Statement"] = rapid.Permutation(doc["Statement"].([]any)).Draw(t, "statements")
				(*docs)[i] = doc
			}
		}
		if after := Evaluate(req, compile(t, shuffled, asIs), nil); after.Effect != before.Effect || after.Layer != before.Layer {
			t.Fatalf("in another order %s, before %s", describe(after), describe(before))
		}

		deny := func(kind Kind) object {
			s := object{"Effect": "Deny", "Action": "*", "Resource": "*"}
			switch kind {
			case ResourcePolicy, ResourceControlPolicy:
				s["Principal"] = "*"
			case TrustPolicy:
				s["Principal"], s["Action"] = "*", "sts:AssumeRole"
				delete(s, "Resource")
			}
			return object{"Version": "2012-10-17", "Statement": s}
		}
		denied := in
		applies := true
		switch layer := rapid.IntRange(0, 5).Draw(t, "layer"); layer {
		case 0:
			denied.identity = append(slices.Clone(in.identity), deny(InlinePolicy))
			applies = req.Caller.Type != Root
		case 1:
			denied.hasBoundary, denied.boundary = true, append(slices.Clone(in.boundary), deny(ManagedPolicy))
			applies = req.Caller.Type != Root
		case 2:
			denied.hasSession, denied.session = true, append(slices.Clone(in.session), deny(SessionPolicy))
		case 3:
			denied.scps = append(slices.Clone(in.scps), []object{deny(ServiceControlPolicy)})
			applies = req.Caller.Account != "" && !req.Caller.ServiceLinked
		case 4:
			denied.rcps = append(slices.Clone(in.rcps), []object{deny(ResourceControlPolicy)})
			applies = !req.Caller.ServiceLinked
		case 5:
			kind := ResourcePolicy
			if in.isTrust {
				kind = TrustPolicy
				applies = ref.action == "sts:AssumeRole"
			}
			denied.resource = append(slices.Clone(in.resource), deny(kind))
		}
		if after := Evaluate(req, compile(t, denied, asIs), nil); applies && after.Effect != ExplicitDeny {
			t.Fatalf("a Deny of everything was added, and yet: %s\n%s", describe(after), dump(req, denied))
		}
	})
}

// Adding any Deny, or removing any Allow, never allows what was denied.
func TestMonotonic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInputs(t)
		req, _ := drawRequest(t)
		if Evaluate(req, compile(t, in, asIs), nil).Allowed {
			return
		}
		narrowed := in
		kind, docs := InlinePolicy, &narrowed.identity
		switch layer := rapid.IntRange(0, 3).Draw(t, "layer"); {
		case layer == 1 && in.hasBoundary:
			kind, docs = ManagedPolicy, &narrowed.boundary
		case layer == 2 && in.hasSession:
			kind, docs = SessionPolicy, &narrowed.session
		case layer == 3 && in.resource != nil:
			kind, docs = ResourcePolicy, &narrowed.resource
			if in.isTrust {
				kind = TrustPolicy
			}
		}
		*docs = slices.Clone(*docs)
		if rapid.Bool().Draw(t, "add") {
			s := drawStatement(t, kind)
			s["Effect"] = "Deny"
			*docs = append(*docs, object{"Version": "2012-10-17", "Statement": s})
		} else if len(*docs) > 0 {
			i := rapid.IntRange(0, len(*docs)-1).Draw(t, "document")
			doc := maps.Clone((*docs)[i])
			statements := slices.Clone(doc["Statement"].([]any))
			j := rapid.IntRange(0, len(statements)-1).Draw(t, "statement")
			if len(statements) == 1 || statements[j].(object)["Effect"] == "Deny" {
				return
			}
			doc["Statement"] = slices.Delete(statements, j, j+1)
			(*docs)[i] = doc
		}
		if d := Evaluate(req, compile(t, narrowed, asIs), nil); d.Allowed {
			t.Fatalf("less policy allows more: %s\n%s", describe(d), dump(req, narrowed))
		}
	})
}

// A trace changes no decision, names the deciding statement among those that
// matched, and says what would have to change.
func TestTraceAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := compile(t, drawInputs(t), pick(t, []func(*Set) *Set{asIs, indexed, compacted}, "form"))
		req, _ := drawRequest(t)
		d := Evaluate(req, in, nil)
		var trace Trace
		if traced := Evaluate(req, in, &trace); describe(traced) != describe(d) || trace.Decision.Effect != d.Effect {
			t.Fatalf("with a trace %s, without %s", describe(traced), describe(d))
		}
		if d.Statement != 0 {
			found := false
			for _, l := range trace.Layers {
				for _, s := range l.Matched {
					found = found || l.Layer == d.Layer && s.Policy.Name == d.Source.ID && s.Statement == d.Statement
				}
				found = found || l.Omitted > 0
			}
			if !found {
				t.Fatalf("%s is not among the statements that matched: %+v", describe(d), trace.Layers)
			}
		}
		if changes := trace.Suggest(); d.Allowed != (len(changes) == 0) {
			t.Fatalf("%s, and the suggestions are %v", describe(d), changes)
		}
		text, err := json.Marshal(&trace)
		if err != nil {
			t.Fatal(err)
		}
		var back Trace
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		var one, two strings.Builder
		trace.Render(&one)
		back.Render(&two)
		if one.String() != two.String() {
			t.Fatalf("a stored trace reads otherwise:\n%s\n%s", one.String(), two.String())
		}
	})
}

// The grounds of an allowed request are what a trace shows, and without the statements of
// a layer that they call needed, the request is denied; without any other layer's, it is not.
func TestGroundsAgree(t *testing.T) {
	grounded, sole := 0, 0
	check := func(t *rapid.T) {
		in := compile(t, drawInputs(t), pick(t, []func(*Set) *Set{asIs, indexed, compacted}, "form"))
		req, _ := drawRequest(t)
		d, only, g := EvaluateGrounds(req, in)
		if plain := Evaluate(req, in, nil); d != plain {
			t.Fatalf("with grounds %s, without %s", describe(d), describe(plain))
		}
		if !d.Allowed {
			if only || g != nil {
				t.Fatalf("grounds of a denial: %+v", g)
			}
			return
		}
		var trace Trace
		Evaluate(req, in, &trace)
		without := func(layer Layer) bool {
			less := *in
			empty := NewSet(nil)
			switch layer {
			case LayerIdentity:
				less.Identity = empty
			case LayerBoundary:
				less.Boundary = empty
			case LayerSession:
				less.Session = empty
			default:
				less.Resource = empty
			}
			return Evaluate(req, &less, nil).Allowed
		}
		if only {
			sole++
			if without(d.Layer) {
				t.Fatalf("%s is no sole ground", describe(d))
			}
			for _, l := range trace.Layers {
				if l.Layer == d.Layer {
					allows := 0
					for _, s := range l.Matched {
						if s.Effect == "Allow" {
							allows++
						}
					}
					if allows != 1 {
						t.Fatalf("%s is sole among %d", describe(d), allows)
					}
				}
			}
			return
		}
		if g == nil {
			if d.Source != nil {
				t.Fatalf("%s has no grounds", describe(d))
			}
			return // root
		}
		grounded++
		for _, l := range trace.Layers {
			if l.Layer == LayerSCP || l.Layer == LayerRCP || !l.Present {
				continue
			}
			if needed := slices.Contains(g.Needed, l.Layer); l.Exempt == "" && needed == without(l.Layer) {
				t.Fatalf("needed are %v, and without the %s allowed = %v", g.Needed, l.Layer, !needed)
			}
			var kept []string
			for _, s := range g.Statements {
				if s.Layer == l.Layer {
					kept = append(kept, s.Name())
				}
			}
			var matched []string
			for _, s := range l.Matched {
				if s.Effect == "Allow" {
					g := Ground{Policy: s.Policy, Statement: s.Statement, Sid: s.Sid}
					matched = append(matched, g.Name())
				}
			}
			slices.Sort(kept)
			slices.Sort(matched)
			if slices.Contains(g.Needed, l.Layer) && g.Omitted == 0 && !slices.Equal(kept, matched) {
				t.Fatalf("the grounds name %v, the trace %v", kept, matched)
			}
		}
	}
	// A request that one statement alone allows is rare among random ones: of three hundred,
	// there is now and then none.
	for range 10 {
		if rapid.Check(t, check); grounded > 0 && sole > 0 {
			t.Logf("%d with grounds, %d sole", grounded, sole)
			return
		}
	}
	t.Error("the test proves nothing")
}

// The prefix table finds what trying every key finds.
func TestPrefixTable(t *testing.T) {
	text := rapid.StringMatching(`(common-start/)?[ab]{0,12}`)
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfNDistinct(text, 0, 12, rapid.ID).Draw(t, "keys")
		table := newPrefixTable(slices.Clone(keys))
		for range 10 {
			s := text.Draw(t, "text")
			var want, got []string
			for _, key := range keys {
				if strings.HasPrefix(s, key) {
					want = append(want, key)
				}
			}
			for i := longest(&table, s); i >= 0; i = table.parents[i] {
				got = append(got, table.keys[i])
			}
			slices.SortFunc(want, func(a, b string) int { return len(b) - len(a) })
			if !slices.Equal(got, want) {
				t.Fatalf("prefixes of %q among %q: got %q, want %q", s, keys, got, want)
			}
		}
	})
}

// The two glob matchers agree with the textbook table, ? after literal text and
// before characters of several bytes included.
func TestGlob(t *testing.T) {
	pattern, value := rapid.StringMatching(`[ab?*é]{0,10}`), rapid.StringMatching(`[abé]{0,14}`)
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			p, s := pattern.Draw(t, "pattern"), value.Draw(t, "value")
			want := refGlob(refLiteral(p, true), s)
			if got := matchGlob(p, s); got != want {
				t.Fatalf("matchGlob(%q, %q) = %v", p, s, got)
			}
			compiled, err := parseTemplate(p, true)
			if err != nil || compiled.match(s, nil, false) != want {
				t.Fatalf("template %q on %q: not %v (%v)", p, s, want, err)
			}
			p, s = strings.ReplaceAll(p, "é", "c"), strings.ReplaceAll(s, "é", "c") // actions are ASCII
			if got := matchAction(strings.ToUpper(p), []byte(s)); got != want {
				t.Fatalf("matchAction(%q, %q) = %v", p, s, got)
			}
		}
	})
}
