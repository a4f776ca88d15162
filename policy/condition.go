package policy

import (
	"encoding/base64"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// condition is one key of one operator of a Condition element, compiled.
// (docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html)
type condition struct {
	comparison comparison
	qualifier  qualifier
	ifExists   bool
	negated    bool // the values combine as NOR
	hash       uint32
	key        string
	values     []string // as the policy spells them
	// operands are the values in the comparison's own type; nil where plain
	// text is compared.
	operands any
}

// comparison is what an operator does with one value of the request and one of
// the policy, negation apart: StringNotEquals compares as StringEquals does.
type comparison uint8

const (
	compareString     comparison = iota + 1 // operands: []template, or nil
	compareStringFold                       // "
	compareStringLike                       // "
	numberEqual                             // operands: []decimal
	numberLess
	numberLessOrEqual
	numberGreater
	numberGreaterOrEqual
	dateEqual // operands: []time.Time
	dateLess
	dateLessOrEqual
	dateGreater
	dateGreaterOrEqual
	compareBool
	compareBinary // operands: []string, decoded
	compareIP     // operands: []netip.Prefix
	compareARN    // operands: []arnOperand
	compareNull
)

// qualifier is a set operator: how the values of a multivalued key combine.
type qualifier uint8

const (
	noQualifier qualifier = iota
	forAllValues
	forAnyValue
)

// operator is an operator's name taken apart.
type operator struct {
	comparison comparison
	qualifier  qualifier
	ifExists   bool
	negated    bool
}

func (o *operator) set(c comparison, negated bool) bool {
	o.comparison, o.negated = c, negated
	return true
}

// parseOperator reads an operator as the key of a Condition element; names are
// case-sensitive.
func parseOperator(name string) (op operator, ok bool) {
	if rest, ok := strings.CutPrefix(name, "ForAllValues:"); ok {
		name, op.qualifier = rest, forAllValues
	} else if rest, ok := strings.CutPrefix(name, "ForAnyValue:"); ok {
		name, op.qualifier = rest, forAnyValue
	}
	if name == "Null" { // which has no …IfExists
		return op, op.set(compareNull, false)
	}
	name, op.ifExists = strings.CutSuffix(name, "IfExists")
	switch name {
	case "StringEquals":
		ok = op.set(compareString, false)
	case "StringNotEquals":
		ok = op.set(compareString, true)
	case "StringEqualsIgnoreCase":
		ok = op.set(compareStringFold, false)
	case "StringNotEqualsIgnoreCase":
		ok = op.set(compareStringFold, true)
	case "StringLike":
		ok = op.set(compareStringLike, false)
	case "StringNotLike":
		ok = op.set(compareStringLike, true)
	case "NumericEquals":
		ok = op.set(numberEqual, false)
	case "NumericNotEquals":
		ok = op.set(numberEqual, true)
	case "NumericLessThan":
		ok = op.set(numberLess, false)
	case "NumericLessThanEquals":
		ok = op.set(numberLessOrEqual, false)
	case "NumericGreaterThan":
		ok = op.set(numberGreater, false)
	case "NumericGreaterThanEquals":
		ok = op.set(numberGreaterOrEqual, false)
	case "DateEquals":
		ok = op.set(dateEqual, false)
	case "DateNotEquals":
		ok = op.set(dateEqual, true)
	case "DateLessThan":
		ok = op.set(dateLess, false)
	case "DateLessThanEquals":
		ok = op.set(dateLessOrEqual, false)
	case "DateGreaterThan":
		ok = op.set(dateGreater, false)
	case "DateGreaterThanEquals":
		ok = op.set(dateGreaterOrEqual, false)
	case "Bool":
		ok = op.set(compareBool, false)
	case "BinaryEquals":
		ok = op.set(compareBinary, false)
	case "IpAddress":
		ok = op.set(compareIP, false)
	case "NotIpAddress":
		ok = op.set(compareIP, true)
	case "ArnEquals", "ArnLike":
		ok = op.set(compareARN, false)
	case "ArnNotEquals", "ArnNotLike":
		ok = op.set(compareARN, true)
	}
	return op, ok
}

// String returns the operator's name in a policy. ArnEquals and ArnLike are the
// same operator; ArnLike is the name given.
func (o operator) String() string {
	names := [...][2]string{
		compareString:        {"StringEquals", "StringNotEquals"},
		compareStringFold:    {"StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"},
		compareStringLike:    {"StringLike", "StringNotLike"},
		numberEqual:          {"NumericEquals", "NumericNotEquals"},
		numberLess:           {"NumericLessThan"},
		numberLessOrEqual:    {"NumericLessThanEquals"},
		numberGreater:        {"NumericGreaterThan"},
		numberGreaterOrEqual: {"NumericGreaterThanEquals"},
		dateEqual:            {"DateEquals", "DateNotEquals"},
		dateLess:             {"DateLessThan"},
		dateLessOrEqual:      {"DateLessThanEquals"},
		dateGreater:          {"DateGreaterThan"},
		dateGreaterOrEqual:   {"DateGreaterThanEquals"},
		compareBool:          {"Bool"},
		compareBinary:        {"BinaryEquals"},
		compareIP:            {"IpAddress", "NotIpAddress"},
		compareARN:           {"ArnLike", "ArnNotLike"},
		compareNull:          {"Null"},
	}
	name := names[o.comparison][0]
	if o.negated {
		name = names[o.comparison][1]
	}
	name = [...]string{noQualifier: "", forAllValues: "ForAllValues:", forAnyValue: "ForAnyValue:"}[o.qualifier] + name
	if o.ifExists {
		name += "IfExists"
	}
	return name
}

// newCondition compiles one key of an operator. The error is about the values.
func newCondition(op operator, key string, values []string, variables bool) (condition, error) {
	c := condition{
		comparison: op.comparison, qualifier: op.qualifier, ifExists: op.ifExists, negated: op.negated,
		hash: hashFold(key), key: key, values: values,
	}
	var err error
	switch op.comparison {
	case compareString, compareStringFold, compareStringLike:
		c.operands, err = stringOperands(values, variables, op.comparison == compareStringLike)
	case numberEqual, numberLess, numberLessOrEqual, numberGreater, numberGreaterOrEqual:
		c.operands, err = operands(values, parseDecimal, "a number")
	case dateEqual, dateLess, dateLessOrEqual, dateGreater, dateGreaterOrEqual:
		c.operands, err = operands(values, parseInstant, "a date")
	case compareBinary:
		c.operands, err = operands(values, func(s string) (string, bool) {
			b, err := base64.StdEncoding.DecodeString(s)
			return string(b), err == nil
		}, "base64")
	case compareIP:
		c.operands, err = operands(values, parsePrefix, "an IP address or a CIDR block")
	case compareARN:
		c.operands, err = arnOperands(values, variables)
	case compareBool, compareNull:
		for _, v := range values {
			if !equalFold(v, "true") && !equalFold(v, "false") {
				err = errors.New(strconv.Quote(v) + " is not true or false")
			}
		}
	}
	return c, err
}

func operands[T any](values []string, parse func(string) (T, bool), what string) ([]T, error) {
	out := make([]T, len(values))
	for i, v := range values {
		var ok bool
		if out[i], ok = parse(v); !ok {
			return nil, errors.New(strconv.Quote(v) + " is not " + what)
		}
	}
	return out, nil
}

// stringOperands returns a template for each value with variables, nil for the
// others, and no slice at all where no value has any.
func stringOperands(values []string, variables, wild bool) (any, error) {
	var out []template
	for i, v := range values {
		if !variables || !strings.Contains(v, "${") {
			continue
		}
		t, err := parseTemplate(v, wild)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = make([]template, len(values))
		}
		out[i] = t
	}
	if out == nil {
		return nil, nil
	}
	return out, nil
}

// arnOperand is a value of an ARN operator: a pattern, or, where it holds
// variables, a template for each of the six parts. A value that is one variable
// and nothing else is compared whole.
type arnOperand struct {
	pattern arnPattern
	parts   []template
}

func arnOperands(values []string, variables bool) ([]arnOperand, error) {
	out := make([]arnOperand, len(values))
	for i, v := range values {
		if !variables || !strings.Contains(v, "${") {
			out[i].pattern, _ = newARNPattern(v, false)
			if v == "*" { // not an ARN; only Resource takes it for any
				out[i].pattern.form = neverARN
			}
			continue
		}
		t, err := parseTemplate(v, true)
		if err != nil {
			return nil, err
		}
		out[i].parts = t.split(6)
	}
	return out, nil
}

func (o *arnOperand) match(s string, tail int, c *Context) bool {
	switch {
	case tail < 0:
		return false
	case o.parts == nil:
		return o.pattern.match(s, tail, c)
	case len(o.parts) == 1 && len(o.parts[0]) == 1 && o.parts[0][0].kind == variableToken:
		return o.parts[0].match(s, c, false)
	case len(o.parts) != 6:
		return false
	}
	for _, part := range o.parts[:5] {
		end := strings.IndexByte(s, ':')
		if !part.match(s[:end], c, false) {
			return false
		}
		s = s[end+1:]
	}
	return o.parts[5].match(s, c, false)
}

// holds reports whether the condition is met.
//
// Two cases are not in AWS's documentation. A key with several values under an
// operator without a set qualifier is met if any of them matches, and under a
// negated one if none does. A condition without values is met only by a missing
// key, and only where …IfExists or ForAllValues says so.
func (c *condition) holds(ctx *Context) bool {
	e := ctx.find(c.key, c.hash)
	if c.comparison == compareNull {
		return c.nullHolds(e)
	}
	if e == nil {
		switch {
		case c.ifExists || c.qualifier == forAllValues:
			return true
		case c.qualifier == forAnyValue || len(c.values) == 0:
			return false
		}
		return c.negated
	}
	if len(c.values) == 0 {
		return false
	}
	if !e.multi {
		if c.qualifier == forAllValues && e.value.kind == stringValue && e.value.s == "" {
			return true
		}
		return c.matches(&e.value, ctx) != c.negated
	}
	some, all, null := false, true, true
	for _, s := range e.set {
		m := c.matches(&value{s: s}, ctx)
		if c.qualifier != noQualifier {
			m = m != c.negated
		}
		some, all, null = some || m, all && m, null && s == ""
	}
	switch c.qualifier {
	case forAllValues: // a set of nothing but empty strings counts as no set
		return all || null
	case forAnyValue:
		return some
	}
	return some != c.negated
}

// nullHolds evaluates Null: true asks for an absent key, false for one that is
// present with a value that is not empty. A set qualifier makes a constant of
// it, as Access Analyzer's NULL_WITH_QUALIFIER warns.
func (c *condition) nullHolds(e *entry) bool {
	if c.qualifier != noQualifier {
		return c.qualifier == forAllValues
	}
	for _, v := range c.values {
		if absent := equalFold(v, "true"); absent && e == nil || !absent && e != nil && !e.null() {
			return true
		}
	}
	return false
}

// null reports whether a present key has no value but empty ones.
func (e *entry) null() bool {
	if !e.multi {
		return e.value.kind == stringValue && e.value.s == ""
	}
	for _, s := range e.set {
		if s != "" {
			return false
		}
	}
	return true
}

// matches reports whether one value of the request matches any of the policy's.
// A value that is not of the comparison's type matches none.
func (c *condition) matches(v *value, ctx *Context) bool {
	switch c.comparison {
	case compareString, compareStringFold, compareStringLike:
		return c.matchesText(v.text(), ctx)
	case numberEqual, numberLess, numberLessOrEqual, numberGreater, numberGreaterOrEqual:
		return c.matchesNumber(v)
	case dateEqual, dateLess, dateLessOrEqual, dateGreater, dateGreaterOrEqual:
		return c.matchesDate(v)
	case compareBool:
		for _, p := range c.values {
			if equalFold(p, v.s) && v.kind == stringValue {
				return true
			}
		}
	case compareBinary:
		for _, p := range c.operands.([]string) {
			if p == v.s && v.kind == stringValue {
				return true
			}
		}
	case compareIP:
		return c.matchesIP(v)
	case compareARN:
		s := v.text()
		tail := arnTail(s)
		operands := c.operands.([]arnOperand)
		for i := range operands {
			if operands[i].match(s, tail, ctx) {
				return true
			}
		}
	}
	return false
}

func (c *condition) matchesText(s string, ctx *Context) bool {
	templates, _ := c.operands.([]template)
	for i, p := range c.values {
		switch {
		case templates != nil && templates[i] != nil:
			if templates[i].match(s, ctx, c.comparison == compareStringFold) {
				return true
			}
		case c.comparison == compareString:
			if p == s {
				return true
			}
		case c.comparison == compareStringFold:
			if equalFold(p, s) {
				return true
			}
		default:
			if matchGlob(p, s) {
				return true
			}
		}
	}
	return false
}

func (c *condition) matchesNumber(v *value) bool {
	var buf [20]byte
	var n decimal
	ok := false
	switch v.kind {
	case stringValue:
		n, ok = parseDecimal(v.s)
	case intValue:
		n, ok = parseDecimal(string(strconv.AppendInt(buf[:0], v.i, 10)))
	}
	if !ok {
		return false
	}
	for _, p := range c.operands.([]decimal) {
		if ordered(c.comparison-numberEqual, n.compare(p)) {
			return true
		}
	}
	return false
}

func (c *condition) matchesDate(v *value) bool {
	t, ok := v.t, true
	switch v.kind {
	case stringValue:
		t, ok = parseInstant(v.s)
	case intValue:
		t = time.Unix(v.i, 0)
	case addrValue:
		ok = false
	}
	if !ok {
		return false
	}
	for _, p := range c.operands.([]time.Time) {
		if ordered(c.comparison-dateEqual, t.Compare(p)) {
			return true
		}
	}
	return false
}

// ordered reports whether an order satisfies a comparison, given as its
// distance from numberEqual or dateEqual.
func ordered(c comparison, order int) bool {
	switch c {
	case 0: // equal
		return order == 0
	case numberLess - numberEqual:
		return order < 0
	case numberLessOrEqual - numberEqual:
		return order <= 0
	case numberGreater - numberEqual:
		return order > 0
	default:
		return order >= 0
	}
}

func (c *condition) matchesIP(v *value) bool {
	ip, ok := v.ip, v.ip.Zone() == ""
	switch v.kind {
	case stringValue:
		ip, ok = parseAddr(v.s)
	case intValue, timeValue:
		ok = false
	}
	if !ok {
		return false
	}
	for _, p := range c.operands.([]netip.Prefix) {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

func (c *condition) operator() operator {
	return operator{c.comparison, c.qualifier, c.ifExists, c.negated}
}
