package policy

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// This is a second evaluator: slow, and written from AWS's documentation over
// plain decoded JSON, sharing no code with the package. Property tests and a
// fuzz target hold the two together.

type object = map[string]any

// refContext is the condition keys by lower-case name.
type refContext map[string]refKey

type refKey struct {
	multi  bool
	values []string
	when   *time.Time // of a key of type Date
}

type refRequest struct {
	caller          *Caller
	action          string
	resource        string
	resourceAccount string
	context         refContext
}

type refInputs struct {
	identity, boundary, session, resource []object
	hasBoundary, hasSession               bool
	isTrust                               bool
	scps, rcps                            [][]object
}

// refAnswer is a layer's opinion.
type refAnswer struct {
	allow, deny bool
	forms       map[string]bool // any, account, entity, session, service, federated
}

func refEvaluate(r refRequest, in refInputs) (Effect, Layer) {
	type layer struct {
		name Layer
		says refAnswer
	}
	resourceName := LayerResource
	if in.isTrust {
		resourceName = LayerTrust
	}
	c := r.caller
	principalOfAccount := c.Type == Root || c.Type == User || c.Type == AssumedRole || c.Type == FederatedUser

	scpAllows := true
	scp := refAnswer{}
	if principalOfAccount && !c.ServiceLinked {
		for _, level := range in.scps {
			a := refLayer(level, r)
			scp.deny = scp.deny || a.deny
			scpAllows = scpAllows && a.allow
		}
	}
	rcp := refAnswer{}
	if !c.ServiceLinked {
		for _, level := range in.rcps {
			rcp.deny = rcp.deny || refLayer(level, r).deny
		}
	}
	resource := refLayer(in.resource, r)
	identity, boundary := refLayer(in.identity, r), refLayer(in.boundary, r)
	if c.Type == Root {
		identity, boundary = refAnswer{allow: true}, refAnswer{allow: true}
	}
	if !in.hasBoundary {
		boundary.allow = true
	}
	session := refLayer(in.session, r)
	if !in.hasSession && c.Type != FederatedUser {
		session.allow = true
	}

	// 1. Any explicit deny.
	for _, l := range []layer{
		{LayerSCP, scp}, {LayerRCP, rcp}, {resourceName, resource},
		{LayerIdentity, identity}, {LayerBoundary, boundary}, {LayerSession, session},
	} {
		if l.says.deny {
			return ExplicitDeny, l.name
		}
	}

	// Callers without an account: the resource's policy alone.
	if !principalOfAccount {
		ok := len(resource.forms) > 0
		if c.Type == WebIdentity || c.Type == SAML {
			ok = resource.forms["federated"]
		}
		if ok {
			return Allowed, resourceName
		}
		return ImplicitDeny, resourceName
	}
	if !scpAllows {
		return ImplicitDeny, LayerSCP
	}

	must := func(needIdentity, needBoundary, needSession bool) (Effect, Layer) {
		switch {
		case needIdentity && !identity.allow:
			return ImplicitDeny, LayerIdentity
		case needBoundary && !boundary.allow:
			return ImplicitDeny, LayerBoundary
		case needSession && !session.allow:
			return ImplicitDeny, LayerSession
		}
		return Allowed, LayerIdentity
	}

	if r.resourceAccount != "" && r.resourceAccount != c.Account {
		if e, l := must(true, true, true); e != Allowed {
			return e, l
		}
		if len(resource.forms) == 0 {
			return ImplicitDeny, resourceName
		}
		return Allowed, resourceName
	}

	if in.isTrust && len(resource.forms) == 0 {
		return ImplicitDeny, LayerTrust
	}
	// The table of resource-policy principals.
	f := resource.forms
	var e Effect
	var l Layer
	switch {
	case c.Type == Root:
		e, l = must(false, false, in.hasSession)
	case c.Type == User && (f["entity"] || f["any"]):
		e, l = must(false, false, in.hasSession)
	case c.Type == AssumedRole && (f["session"] || f["any"]):
		e, l = must(false, false, false)
	case c.Type == AssumedRole && f["entity"]:
		e, l = must(false, true, true)
	case c.Type == FederatedUser && f["session"]:
		e, l = must(false, false, false)
	case c.Type == FederatedUser && (f["entity"] || f["any"]):
		e, l = must(false, true, true)
	default:
		e, l = must(true, true, true)
	}
	if e == Allowed && (in.isTrust || !identity.allow || c.Type == AssumedRole && (f["session"] || f["any"]) && !identity.allow) {
		l = resourceName
	}
	return e, l
}

func refLayer(docs []object, r refRequest) refAnswer {
	a := refAnswer{forms: map[string]bool{}}
	for _, doc := range docs {
		modern := doc["Version"] == "2012-10-17"
		for _, s := range refList(doc["Statement"]) {
			s := s.(object)
			forms, applies := refPrincipal(s, r.caller)
			if !applies || !refAction(s, r) || !refResource(s, r, modern) || !refConditions(s, r, modern) {
				continue
			}
			if s["Effect"] == "Deny" {
				a.deny = true
				continue
			}
			a.allow = true
			for f := range forms {
				a.forms[f] = true
			}
		}
	}
	return a
}

func refList(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	if v == nil {
		return nil
	}
	return []any{v}
}

func refAction(s object, r refRequest) bool {
	element, not := s["Action"], false
	if element == nil {
		element, not = s["NotAction"], true
	}
	for _, p := range refList(element) {
		if refGlob(refLiteral(strings.ToLower(p.(string)), true), strings.ToLower(r.action)) {
			return !not
		}
	}
	return not
}

func refResource(s object, r refRequest, modern bool) bool {
	element, not := s["Resource"], false
	if element == nil {
		element, not = s["NotResource"], true
	}
	if element == nil {
		return true
	}
	for _, p := range refList(element) {
		if refOneResource(p.(string), r, modern) {
			return !not
		}
	}
	return not
}

func refOneResource(pattern string, r refRequest, modern bool) bool {
	if pattern == "*" {
		return true
	}
	want, have := strings.SplitN(pattern, ":", 6), strings.SplitN(r.resource, ":", 6)
	if len(want) != 6 || len(have) != 6 || have[0] != "arn" {
		return false
	}
	for i := range 5 {
		if !refGlob(refLiteral(want[i], true), have[i]) {
			return false
		}
	}
	p, ok := refPattern(want[5], r.context, true, modern)
	return ok && refGlob(p, have[5])
}

// refChar is a character of a pattern, a wildcard or a literal.
type refChar struct {
	c    rune
	wild bool
}

func refLiteral(s string, wild bool) []refChar {
	var p []refChar
	for _, c := range s {
		p = append(p, refChar{c, wild && (c == '*' || c == '?')})
	}
	return p
}

var refVariable = regexp.MustCompile(`^\$\{([^},]+)(?:, '([^']*)')?\}`)

// refPattern puts the values of variables in, as literals.
func refPattern(s string, ctx refContext, wild, modern bool) ([]refChar, bool) {
	var p []refChar
	for s != "" {
		if m := refVariable.FindStringSubmatch(s); m != nil && modern {
			s = s[len(m[0]):]
			switch key, found := ctx[strings.ToLower(m[1])]; {
			case m[1] == "*" || m[1] == "?" || m[1] == "$":
				p = append(p, refLiteral(m[1], false)...)
			case found && key.multi:
				return nil, false
			case found:
				p = append(p, refLiteral(key.values[0], false)...)
			case strings.Contains(m[0], ", '"):
				p = append(p, refLiteral(m[2], false)...)
			default:
				return nil, false
			}
			continue
		}
		c := []rune(s)[0]
		p = append(p, refChar{c, wild && (c == '*' || c == '?')})
		s = s[len(string(c)):]
	}
	return p, true
}

// refGlob is the textbook table of pattern against text.
func refGlob(p []refChar, s string) bool {
	text := []rune(s)
	can := make([]bool, len(text)+1) // can[j]: the pattern so far matches text[:j]
	can[0] = true
	for _, c := range p {
		next := make([]bool, len(text)+1)
		for j := range next {
			switch {
			case c.wild && c.c == '*':
				next[j] = can[j] || j > 0 && next[j-1]
			case j > 0 && (c.wild || c.c == text[j-1]):
				next[j] = can[j-1]
			}
		}
		can = next
	}
	return can[len(text)]
}

func refPrincipal(s object, c *Caller) (map[string]bool, bool) {
	element, not := s["Principal"], false
	if element == nil {
		element, not = s["NotPrincipal"], true
	}
	if element == nil {
		return nil, true
	}
	forms := map[string]bool{}
	if element == "*" {
		element = object{"AWS": "*"}
	}
	for typ, names := range element.(object) {
		for _, n := range refList(names) {
			if form := refNames(typ, n.(string), c); form != "" {
				forms[form] = true
			}
		}
	}
	if !not {
		return forms, len(forms) > 0
	}
	need := map[CallerType][]string{
		Root: {"account"}, User: {"account", "entity"},
		AssumedRole: {"account", "entity", "session"}, FederatedUser: {"account", "entity", "session"},
		Service: {"service"}, WebIdentity: {"federated"}, SAML: {"federated"}, Anonymous: {"any"},
	}[c.Type]
	exempt := true
	for _, n := range need {
		exempt = exempt && forms[n]
	}
	return nil, !exempt && !forms["any"]
}

func refNames(typ, n string, c *Caller) string {
	switch {
	case typ == "Service" && c.Type == Service && n == c.Service:
		return "service"
	case typ == "Federated" && (c.Type == WebIdentity || c.Type == SAML) && n == c.Federated:
		return "federated"
	case typ != "AWS":
		return ""
	case n == "*":
		return "any"
	case c.Account != "" && (n == c.Account || n == "arn:aws:iam::"+c.Account+":root"):
		return "account"
	case (c.Type == AssumedRole || c.Type == FederatedUser) && n == c.ARN:
		return "session"
	case c.Type == User && (n == c.ARN || n == c.ID):
		return "entity"
	case c.Type == AssumedRole && (n == c.PrincipalARN || n == c.ID):
		return "entity"
	case c.Type == FederatedUser && (n == c.IssuerARN || n == c.IssuerID):
		return "entity"
	}
	return ""
}

func refConditions(s object, r refRequest, modern bool) bool {
	block, _ := s["Condition"].(object)
	for operator, keys := range block {
		for key, values := range keys.(object) {
			if !refCondition(operator, key, refList(values), r.context, modern) {
				return false
			}
		}
	}
	return true
}

func refCondition(operator, key string, policyValues []any, ctx refContext, modern bool) bool {
	set := ""
	if prefix, rest, found := strings.Cut(operator, ":"); found {
		set, operator = prefix, rest
	}
	k, present := ctx[strings.ToLower(key)]
	var want []string
	for _, v := range policyValues {
		switch v := v.(type) {
		case string:
			want = append(want, v)
		case bool:
			want = append(want, strconv.FormatBool(v))
		case json.Number:
			want = append(want, v.String())
		}
	}
	empty := strings.Join(k.values, "") == ""
	if operator == "Null" {
		switch set {
		case "ForAllValues":
			return true
		case "ForAnyValue":
			return false
		}
		for _, v := range want {
			if strings.EqualFold(v, "true") && !present || strings.EqualFold(v, "false") && present && !empty {
				return true
			}
		}
		return false
	}
	operator, ifExists := strings.CutSuffix(operator, "IfExists")
	negated := strings.Contains(operator, "Not")
	operator = strings.Replace(operator, "Not", "", 1)
	if !present {
		if ifExists || set == "ForAllValues" {
			return true
		}
		return negated && set == "" && len(want) > 0
	}
	if len(want) == 0 {
		return false
	}
	matchesAny := func(have string) bool {
		for _, w := range want {
			if refCompare(operator, have, w, k, ctx, modern) {
				return true
			}
		}
		return false
	}
	hits := 0
	for _, have := range k.values {
		if matchesAny(have) {
			hits++
		}
	}
	n := len(k.values)
	switch {
	case set == "ForAllValues" && empty && k.when == nil:
		return true
	case set == "ForAllValues" && negated:
		return hits == 0
	case set == "ForAllValues":
		return hits == n
	case set == "ForAnyValue" && negated:
		return hits < n
	case negated:
		return hits == 0
	}
	return hits > 0
}

func refCompare(operator, have, want string, k refKey, ctx refContext, modern bool) bool {
	switch {
	case strings.HasPrefix(operator, "String"):
		p, ok := refPattern(want, ctx, operator == "StringLike", modern)
		if operator == "StringEqualsIgnoreCase" {
			have = strings.ToLower(have)
			for i := range p {
				p[i].c = []rune(strings.ToLower(string(p[i].c)))[0]
			}
		}
		return ok && refGlob(p, have)
	case strings.HasPrefix(operator, "Arn"):
		parts, h := strings.SplitN(have, ":", 6), strings.SplitN(want, ":", 6)
		if len(parts) != 6 || parts[0] != "arn" {
			return false
		}
		if m := refVariable.FindString(want); m == want && modern { // one variable and nothing else
			p, ok := refPattern(want, ctx, true, modern)
			return ok && refGlob(p, have)
		}
		if len(h) != 6 {
			return false
		}
		for i := range 6 {
			if p, ok := refPattern(h[i], ctx, true, modern); !ok || !refGlob(p, parts[i]) {
				return false
			}
		}
		return true
	case operator == "Bool":
		return strings.EqualFold(have, want)
	case operator == "BinaryEquals":
		b, _ := base64.StdEncoding.DecodeString(want)
		return string(b) == have
	case strings.HasSuffix(operator, "IpAddress"):
		if !strings.Contains(want, "/") {
			want += map[bool]string{true: "/128", false: "/32"}[strings.Contains(want, ":")]
		}
		ip, block := net.ParseIP(have), (*net.IPNet)(nil)
		_, block, _ = net.ParseCIDR(want)
		return ip != nil && block.Contains(ip)
	case strings.HasPrefix(operator, "Numeric"):
		a, ok := refNumber(have)
		b, ok2 := refNumber(want)
		return ok && ok2 && k.when == nil && refOrder(operator, a.Cmp(b))
	}
	a, ok := refDate(have)
	if k.when != nil {
		a, ok = *k.when, true
	}
	b, ok2 := refDate(want)
	return ok && ok2 && refOrder(operator, a.Compare(b))
}

func refNumber(s string) (*big.Rat, bool) {
	if !regexp.MustCompile(`^[+-]?(\d+(\.\d+)?|\.\d+)$`).MatchString(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

func refDate(s string) (time.Time, bool) {
	if regexp.MustCompile(`^-?\d+$`).MatchString(s) && len(s) != 4 {
		n, err := strconv.ParseInt(s, 10, 64)
		return time.Unix(n, 0), err == nil
	}
	for _, layout := range []string{
		"2006", "2006-01", "2006-01-02", "2006-01-02T15:04", "2006-01-02T15:04Z07:00",
		"2006-01-02T15:04:05", "2006-01-02T15:04:05Z07:00",
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func refOrder(operator string, order int) bool {
	for _, family := range []string{"Numeric", "Date"} {
		operator = strings.TrimPrefix(operator, family)
	}
	switch operator {
	case "Equals":
		return order == 0
	case "LessThan":
		return order < 0
	case "LessThanEquals":
		return order <= 0
	case "GreaterThan":
		return order > 0
	}
	return order >= 0
}
