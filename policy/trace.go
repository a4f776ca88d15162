package policy

import (
	"cmp"
	"slices"
	"strings"
)

// Trace is a decision with all its reasons, self-contained: it is stored in
// encoded authorization messages and read back by people's tools. Its JSON keys
// are stable.
type Trace struct {
	Principal       TracedPrincipal `json:"principal"`
	Action          string          `json:"action"`
	Resource        string          `json:"resource"`
	ResourceAccount string          `json:"resourceAccount,omitempty"`
	// Context is the condition keys of the request.
	Context  []TracedKey    `json:"context"`
	Decision TracedDecision `json:"decision"`
	// Layers are all kinds of policy that bear on the request, in AWS's order.
	Layers []TracedLayer `json:"layers"`
	// Blocks are the layers that would each have to change for the request to be
	// allowed, the one that decided first. Empty for an allowed request.
	Blocks []TracedBlock `json:"blocks,omitempty"`
}

// TracedPrincipal is the caller.
type TracedPrincipal struct {
	Type    CallerType `json:"type"`
	Name    string     `json:"name"` // as in denial messages: an ARN where there is one
	Account string     `json:"account,omitempty"`
	ID      string     `json:"id,omitempty"`
	// ARN is the value of aws:PrincipalArn.
	ARN string `json:"principalArn,omitempty"`
}

// TracedKey is a condition key with the values seen.
type TracedKey struct {
	Key    string   `json:"key"`
	Values []string `json:"values"`
}

// TracedDecision is a Decision.
type TracedDecision struct {
	Effect    Effect        `json:"effect"`
	Layer     Layer         `json:"layer"`
	Policy    *TracedPolicy `json:"policy,omitempty"`
	Statement int           `json:"statement,omitempty"`
	Sid       string        `json:"sid,omitempty"`
	Message   string        `json:"message,omitempty"`
}

// TracedPolicy is a Source.
type TracedPolicy struct {
	Type  SourceType `json:"type"`
	Name  string     `json:"name,omitempty"`
	ARN   string     `json:"arn,omitempty"`
	Owner string     `json:"owner,omitempty"`
}

// TracedBlock is a layer that denies, and how.
type TracedBlock struct {
	Layer  Layer  `json:"layer"`
	Effect Effect `json:"effect"`
}

// TracedLayer is what one kind of policy, or one level of control policies, says.
type TracedLayer struct {
	Layer Layer `json:"layer"`
	// Level counts control policies from the organization's root, from 1.
	Level int `json:"level,omitempty"`
	// Present is false where there is no such policy.
	Present bool `json:"present"`
	// Exempt says why the layer does not restrain the caller, if so.
	Exempt string `json:"exempt,omitempty"`
	// Effect is what the layer's statements say together.
	Effect     Effect `json:"effect"`
	Policies   int    `json:"policies"`
	Statements int    `json:"statements"`
	// Matched are the statements that apply, denies first.
	Matched []TracedStatement `json:"matched,omitempty"`
	// Near are statements that do not apply, the nearest first: those about the
	// action, or else the one most like it.
	Near []TracedStatement `json:"near,omitempty"`
	// Omitted counts statements left out of Matched and Near for brevity.
	Omitted int `json:"omitted,omitempty"`
}

// TracedStatement is a statement held against the request, element by element.
type TracedStatement struct {
	Policy    TracedPolicy `json:"policy"`
	Statement int          `json:"statement"` // from 1
	Sid       string       `json:"sid,omitempty"`
	Effect    string       `json:"effect"` // Allow or Deny
	// The place of the statement in the document, from 1, the end included.
	Line      int `json:"line"`
	Column    int `json:"column"`
	EndLine   int `json:"endLine"`
	EndColumn int `json:"endColumn"`
	// What of it matches.
	PrincipalMatches  bool              `json:"principalMatches"`
	ActionMatches     bool              `json:"actionMatches"`
	ResourceMatches   bool              `json:"resourceMatches"`
	ConditionsMatch   bool              `json:"conditionsMatch"`
	Conditions        []TracedCondition `json:"conditions,omitempty"`
	Action            []string          `json:"action"` // or NotAction
	NotAction         bool              `json:"notAction,omitempty"`
	Resource          []string          `json:"resource,omitempty"` // or NotResource
	NotResource       bool              `json:"notResource,omitempty"`
	TruncatedElements bool              `json:"truncated,omitempty"`
}

// TracedCondition is one key of a Condition element.
type TracedCondition struct {
	Operator string   `json:"operator"`
	Key      string   `json:"key"`
	Values   []string `json:"values"`
	Present  bool     `json:"present"`
	Seen     []string `json:"seen,omitempty"`
	Holds    bool     `json:"holds"`
}

// Bounds of a trace, which has to fit into an encoded authorization message.
const (
	maxTracedStatements = 8  // of each sort in a layer
	maxTracedValues     = 12 // of an element or a condition
)

func (t *Trace) fill(req *Request, in *Inputs, q *query, v verdicts, d Decision) {
	*t = Trace{
		Principal: TracedPrincipal{
			Type: req.Caller.Type, Name: req.Caller.displayName(), Account: req.Caller.Account,
			ID: req.Caller.ID, ARN: req.Caller.PrincipalARN,
		},
		Action: req.Action, Resource: req.Resource, ResourceAccount: req.ResourceAccount,
		Context: []TracedKey{},
		Decision: TracedDecision{
			Effect: d.Effect, Layer: d.Layer, Statement: d.Statement, Sid: d.Sid, Message: d.Message(req),
		},
	}
	if d.Source != nil {
		t.Decision.Policy = new(traced(d.Source))
	}
	for key, values := range req.Context.All() {
		t.Context = append(t.Context, TracedKey{key, slices.Clone(values)})
	}
	t.layers(in, q)
	t.blocks(req, in, v, d)
}

func traced(s *Source) TracedPolicy { return TracedPolicy{s.Type, s.ID, s.ARN, s.AttachedTo()} }

func (t *Trace) layers(in *Inputs, q *query) {
	for i, set := range in.SCPs {
		t.layer(LayerSCP, i+1, set, q, scpsApply(q.caller), "service control policies do not restrain this caller")
	}
	for i, set := range in.RCPs {
		t.layer(LayerRCP, i+1, set, q, rcpsApply(q.caller), "resource control policies do not restrain service-linked roles")
	}
	if in.ResourceIsTrust {
		t.layer(LayerTrust, 0, in.Resource, q, true, "")
	} else {
		t.layer(LayerResource, 0, in.Resource, q, true, "")
	}
	isRoot := q.caller.Type == Root
	t.layer(LayerIdentity, 0, in.Identity, q, !isRoot, "the root user is allowed everything by its identity")
	t.layer(LayerBoundary, 0, in.Boundary, q, !isRoot, "the root user has no permissions boundary")
	t.layer(LayerSession, 0, in.Session, q, true, "")
}

func (t *Trace) layer(layer Layer, level int, set *Set, q *query, applies bool, exempt string) {
	l := TracedLayer{Layer: layer, Level: level, Present: set != nil}
	if !applies {
		l.Exempt = exempt
	}
	if set == nil {
		t.Layers = append(t.Layers, l)
		return
	}
	l.Policies = len(set.docs)
	l.Effect = set.judge(q).effect()
	var like *TracedStatement // the most like the request of those not about the action
	likeness := otherService
	for i := range set.docs {
		a := &set.docs[i]
		l.Statements += a.Document.Len()
		for j := range a.Document.Len() {
			s := a.trace(j, q)
			switch {
			case s.matched():
				l.Matched = append(l.Matched, s)
			case s.ActionMatches:
				l.Near = append(l.Near, s)
			default:
				l.Omitted++
				if n := s.likeness(string(q.action)); n > likeness {
					like, likeness = &s, n
				}
			}
		}
	}
	if l.Matched == nil && l.Near == nil && like != nil {
		l.Near = append(l.Near, *like)
		l.Omitted--
	}
	slices.SortStableFunc(l.Matched, func(a, b TracedStatement) int { return -strings.Compare(a.Effect, b.Effect) })
	slices.SortStableFunc(l.Near, func(a, b TracedStatement) int { return cmp.Compare(a.faults(), b.faults()) })
	for _, list := range []*[]TracedStatement{&l.Matched, &l.Near} {
		if n := len(*list); n > maxTracedStatements {
			*list = (*list)[:maxTracedStatements]
			l.Omitted += n - maxTracedStatements
		}
	}
	t.Layers = append(t.Layers, l)
}

func (v verdict) effect() Effect {
	switch {
	case v.deny != 0:
		return ExplicitDeny
	case v.allow != 0:
		return Allowed
	}
	return ImplicitDeny
}

// trace holds statement i of the document against the request.
func (a *Attached) trace(i int, q *query) TracedStatement {
	s := &a.Document.list()[i]
	t := TracedStatement{
		Policy: traced(&a.Source), Statement: i + 1, Sid: a.Document.sid(i), Effect: "Allow",
		ActionMatches: s.matchesAction(q), ResourceMatches: s.matchesResource(q), ConditionsMatch: s.matchesConditions(q),
		NotAction: s.notAction, NotResource: s.notResource,
	}
	if s.deny {
		t.Effect = "Deny"
	}
	_, t.PrincipalMatches = s.matchesPrincipal(q)
	t.Line, t.Column = position(a.Document.text, int(s.start))
	t.EndLine, t.EndColumn = position(a.Document.text, int(s.end)-1)
	t.Action, t.TruncatedElements = clip(s.actions, t.TruncatedElements)
	var resources []string
	for _, r := range s.resources {
		resources = append(resources, r.text)
	}
	t.Resource, t.TruncatedElements = clip(resources, t.TruncatedElements)
	for j := range s.conditions {
		c, truncated := s.conditions[j].trace(q.context, nil)
		t.Conditions = append(t.Conditions, c)
		t.TruncatedElements = t.TruncatedElements || truncated
	}
	return t
}

// trace holds a condition against the request's keys. The values are the policy's and
// the request's own, which nobody changes; room may be where a value is put.
func (c *condition) trace(ctx *Context, room []string) (t TracedCondition, truncated bool) {
	t = TracedCondition{Operator: c.operator().String(), Key: c.key, Holds: c.holds(ctx)}
	shorten := func(list []string) []string {
		truncated = truncated || len(list) > maxTracedValues
		return list[:min(len(list), maxTracedValues):min(len(list), maxTracedValues)]
	}
	t.Values = shorten(c.values)
	if e := ctx.find(c.key, c.hash); e != nil {
		if t.Present, t.Seen = true, e.set; !e.multi {
			t.Seen = append(room, e.value.text())
		}
		t.Seen = shorten(t.Seen)
	}
	return t, truncated
}

func clip(list []string, truncated bool) ([]string, bool) {
	if len(list) > maxTracedValues {
		return slices.Clone(list[:maxTracedValues]), true
	}
	return slices.Clone(list), truncated
}

func (s *TracedStatement) matched() bool { return s.faults() == 0 }

// faults weighs what keeps a statement from applying: a condition is nearer to
// being met than a resource or a principal to being added.
func (s *TracedStatement) faults() int {
	n := 0
	if !s.ConditionsMatch {
		n++
	}
	if !s.ResourceMatches {
		n += 2
	}
	if !s.PrincipalMatches {
		n += 4
	}
	if !s.ActionMatches {
		n += 8
	}
	if n > 0 && s.Effect == "Deny" { // it is an Allow that is missed
		n += 16
	}
	return n
}

// otherService is the greatest likeness of a statement about another service, which
// is not near at all.
const otherService = 3

// likeness says how much a statement about other actions is like the request.
func (s *TracedStatement) likeness(action string) int {
	n := 0
	service, _, _ := strings.Cut(action, ":")
	if slices.ContainsFunc(s.Action, func(p string) bool {
		prefix, _, _ := strings.Cut(p, ":")
		return equalFold(prefix, service)
	}) {
		n += 4
	}
	if s.Effect == "Allow" {
		n += 2
	}
	if s.ResourceMatches {
		n++
	}
	return n
}

// blocks finds all layers that stand between the request and an Allow: it asks
// decide again and again, each time as if the layer that denied last did not.
func (t *Trace) blocks(req *Request, in *Inputs, v verdicts, d Decision) {
	supposed := *in
	for !d.Allowed {
		b := TracedBlock{d.Layer, d.Effect}
		if slices.Contains(t.Blocks, b) {
			return
		}
		t.Blocks = append(t.Blocks, b)
		one := &verdict{} // what to change
		switch d.Layer {
		case LayerSCP:
			v.scps = levels{allow: v.scps.allow || d.Effect == ImplicitDeny}
			d = decide(req, &supposed, &v)
			continue
		case LayerRCP:
			v.rcps = levels{allow: true}
			d = decide(req, &supposed, &v)
			continue
		case LayerIdentity:
			one, supposed.Identity = &v.identity, stand(supposed.Identity)
		case LayerBoundary:
			one, supposed.Boundary = &v.boundary, stand(supposed.Boundary)
		case LayerSession:
			one, supposed.Session = &v.session, stand(supposed.Session)
		case LayerResource, LayerTrust:
			one, supposed.Resource = &v.resource, stand(supposed.Resource)
		}
		if d.Effect == ExplicitDeny {
			one.deny = 0
		} else {
			one.allow, one.forms = 1, byEntity|byService|byFederated
		}
		d = decide(req, &supposed, &v)
	}
}

// stand returns a set with a statement to point at, where there is none yet.
func stand(s *Set) *Set {
	if s != nil && len(s.docs) > 0 {
		return s
	}
	return &Set{docs: []Attached{{Document: &Document{statements: make([]statement, 1)}}}}
}
