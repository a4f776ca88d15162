package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Ground is a statement that allows a request, with its conditions and what was
// seen of them. Its JSON keys are stable: it is kept beside the audit record of
// the request.
type Ground struct {
	Layer     Layer        `json:"layer"`
	Policy    TracedPolicy `json:"policy"`
	Statement int          `json:"statement"` // from 1
	Sid       string       `json:"sid,omitempty"`
	// Conditions are the statement's, all of which held.
	Conditions []TracedCondition `json:"conditions,omitempty"`
}

// Grounds is why a request was allowed: far less than a Trace, and enough to say
// what was decisive and what would have changed the answer.
type Grounds struct {
	// Needed are the layers without whose Allow the request would have been denied.
	// None is needed where an identity-based and a resource-based policy of one
	// account each suffice.
	Needed []Layer `json:"needed,omitempty"`
	// Statements are those that allow, layer by layer.
	Statements []Ground `json:"statements,omitempty"`
	// Omitted counts allowing statements that are left out for brevity.
	Omitted int `json:"omitted,omitempty"`
}

// usualGrounds has room for the grounds of most requests, in one piece of memory.
type usualGrounds struct {
	Grounds
	needed     [1]Layer
	statements [1]Ground
	conditions [1]TracedCondition
	seen       [1]string
}

// maxGrounds bounds the statements of one layer among the grounds.
const maxGrounds = 6

// EvaluateGrounds is Evaluate for a request that goes on record: sole says that the
// deciding statement alone allowed it, without a condition, and then there is nothing
// else to tell. Otherwise the grounds of an allowed request are returned; root has none.
//
// Control policies of an organization are not among the grounds: that all of their
// levels allow is the rule and no reason.
func EvaluateGrounds(req *Request, in *Inputs) (d Decision, sole bool, g *Grounds) {
	var buf [actionBuffer]byte
	q := newQuery(req, buf[:0])
	v := judge(&q, in)
	d = decide(req, in, &v)
	if d.Allowed {
		sole, g = grounds(req, in, &q, &v, d)
	}
	return d, sole, g
}

// standing is a layer with its verdict.
type standing struct {
	layer   Layer
	set     *Set
	verdict verdict
	needed  bool
}

func grounds(req *Request, in *Inputs, q *query, v *verdicts, d Decision) (sole bool, g *Grounds) {
	resource := LayerResource
	if in.ResourceIsTrust {
		resource = LayerTrust
	}
	layers := [...]standing{
		{layer: resource, set: in.Resource, verdict: v.resource},
		{layer: LayerIdentity, set: in.Identity, verdict: v.identity},
		{layer: LayerBoundary, set: in.Boundary, verdict: v.boundary},
		{layer: LayerSession, set: in.Session, verdict: v.session},
	}
	needed, allows := 0, 0
	sole = true
	for i := range layers {
		l := &layers[i]
		if l.verdict.allow == 0 {
			continue
		}
		allows++
		without := *v
		switch i {
		case 0:
			without.resource.allow, without.resource.forms = 0, 0
		case 1:
			without.identity.allow = 0
		case 2:
			without.boundary.allow = 0
		case 3:
			without.session.allow = 0
		}
		if l.needed = !decide(req, in, &without).Allowed; l.needed {
			needed++
			sole = sole && !l.verdict.more && l.layer == d.Layer && !l.set.conditional(l.verdict.allow)
		}
	}
	if sole = sole && needed == 1; sole || allows == 0 {
		return sole, nil
	}
	u := new(usualGrounds)
	u.Needed, u.Statements = u.needed[:0], u.statements[:0]
	for i := range layers {
		l := &layers[i]
		if l.needed {
			u.Needed = append(u.Needed, l.layer)
		}
		// Where none is needed, these two stand in for each other.
		if l.needed || needed == 0 && l.verdict.allow != 0 && (l.layer == LayerIdentity || l.layer == resource) {
			u.add(l, q)
		}
	}
	return false, &u.Grounds
}

// conditional tells whether the statement of an ordinal has conditions.
func (s *Set) conditional(ordinal int32) bool {
	a, i := s.statement(ordinal)
	return a.Document.conditional(i)
}

// add adds the statements of a layer that allow.
func (g *usualGrounds) add(l *standing, q *query) {
	all := ordinals{l.verdict.allow}
	if l.verdict.more {
		v := verdict{all: new(ordinals)}
		l.set.judgeInto(q, &v)
		all = *v.all
		slices.Sort(all)
	}
	if n := len(all); n > maxGrounds {
		g.Omitted += n - maxGrounds
		all = all[:maxGrounds]
	}
	for _, ordinal := range all {
		a, i := l.set.statement(ordinal)
		s := &a.Document.list()[i]
		ground := Ground{Layer: l.layer, Policy: traced(&a.Source), Statement: i + 1, Sid: a.Document.sid(i)}
		var room []string // for what was seen of the first condition of the first statement
		if len(g.Statements) == 0 {
			ground.Conditions, room = g.conditions[:0], g.seen[:0]
		}
		for j := range s.conditions {
			c, _ := s.conditions[j].trace(q.context, room)
			ground.Conditions, room = append(ground.Conditions, c), nil
		}
		if len(s.conditions) == 0 {
			ground.Conditions = nil
		}
		g.Statements = append(g.Statements, ground)
	}
}

// ordinals are the allowing statements of a set.
type ordinals []int32

func (o *ordinals) add(ordinal int32) {
	if !slices.Contains(*o, ordinal) {
		*o = append(*o, ordinal)
	}
}

// Name is the statement as people call it: policy, place, Sid, whose.
func (g *Ground) Name() string {
	s := TracedStatement{Policy: g.Policy, Statement: g.Statement, Sid: g.Sid}
	name := s.name()
	if g.Policy.Owner != "" {
		name += " of " + g.Policy.Owner
	}
	return name
}

// Render writes the grounds for people: each statement that allowed, with its
// conditions and what was seen, and the smallest change that would have made a
// denial of it.
func (g *Grounds) Render() string {
	var b strings.Builder
	var last Layer
	for i := range g.Statements {
		s := &g.Statements[i]
		title := ""
		if s.Layer != last {
			title, last = s.Layer.String(), s.Layer
		}
		fmt.Fprintf(&b, "  %-24s allow  %s\n", title, s.Name())
		for _, c := range s.Conditions {
			fmt.Fprintf(&b, "  %-24s          %s\n", "", c.describe())
		}
	}
	if g.Omitted > 0 {
		fmt.Fprintf(&b, "  %-24s        and %s\n", "", count(g.Omitted, "more statement, not kept", "more statements, not kept"))
	}
	if changes := g.Suggest(); len(changes) > 0 {
		b.WriteString("\n  Smallest change that would have denied it:\n")
		for _, c := range changes {
			fmt.Fprintf(&b, "    - %s\n", c)
		}
	}
	return Printable(b.String())
}

// Suggest returns the smallest changes that would have made a denial of an allowed
// request, any one of which is enough. Another is always to add a Deny.
func (g *Grounds) Suggest() []string {
	if len(g.Needed) == 0 && len(g.Statements) > 0 {
		return []string{withdraw(g.Statements, g.Omitted)}
	}
	// The layers with the fewest statements: all of a layer have to go.
	fewest := 0
	byLayer := make([][]Ground, len(g.Needed))
	for i, layer := range g.Needed {
		for _, s := range g.Statements {
			if s.Layer == layer {
				byLayer[i] = append(byLayer[i], s)
			}
		}
		if n := len(byLayer[i]); n > 0 && (fewest == 0 || n < fewest) {
			fewest = n
		}
	}
	var list []string
	for _, statements := range byLayer {
		if n := len(statements); n > 0 && n == fewest {
			list = append(list, withdraw(statements, g.Omitted))
		}
	}
	return list
}

// withdraw says what has to happen to statements for none of them to allow.
func withdraw(statements []Ground, omitted int) string {
	if len(statements) == 1 && omitted == 0 {
		s := &statements[0]
		if len(s.Conditions) == 0 {
			return "take it out of " + s.Name()
		}
		return fmt.Sprintf("take it out of %s, or a request that does not meet %s", s.Name(), otherwise(s.Conditions))
	}
	parts := make([]string, len(statements))
	for i := range statements {
		s := &statements[i]
		parts[i] = s.Name()
		if len(s.Conditions) > 0 {
			parts[i] += " (or a request that does not meet " + otherwise(s.Conditions) + ")"
		}
	}
	if omitted > 0 { // of which layer is not kept
		parts = append(parts, "and perhaps "+count(omitted, "statement that is", "statements that are")+" not kept in the record")
	}
	return "all of these would have to change, since each allows it: " + strings.Join(parts, "; ")
}

// otherwise says what would not have met one of the conditions.
func otherwise(conditions []TracedCondition) string {
	parts := make([]string, len(conditions))
	for i, c := range conditions {
		parts[i] = c.String() + " (it is " + c.seen() + ")"
	}
	return strings.Join(parts, " or ")
}
