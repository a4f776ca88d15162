package policy

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// Simulation is a decision with what AWS's policy simulator reports beside it.
type Simulation struct {
	Decision
	// What each layer says on its own: ImplicitDeny, too, where it is not present.
	Identity, Boundary, Resource Effect
	// SCP is what all levels of service control policies say together.
	SCP Effect
	// Matched are the statements that made the decision: of an explicit deny those
	// that deny, of an allowed request those of the identity's and the resource's
	// policies that allow. Statements of control policies are not named.
	Matched []Match
	// Missing are the condition keys that the statements about the action refer to
	// and the context lacks, sorted. Control policies are not looked at.
	Missing []string
}

// Match is a statement that applies to a request, and where it stands.
type Match struct {
	Source Source
	Start  Position
	End    Position // behind its last character
}

// Position is a place in a document's text, counted from 1, in characters.
type Position struct{ Line, Column int }

// Simulate decides a request as Evaluate does and reports how.
func Simulate(req *Request, in *Inputs) Simulation {
	var buf [actionBuffer]byte
	q := newQuery(req, buf[:0])
	v := judge(&q, in)
	s := Simulation{
		Decision: decide(req, in, &v),
		Identity: v.identity.effect(), Boundary: v.boundary.effect(), Resource: v.resource.effect(), SCP: v.scps.effect(),
	}
	type layer struct {
		set *Set
		v   verdict
	}
	switch s.Effect {
	case ExplicitDeny:
		for _, l := range []layer{{in.Identity, v.identity}, {in.Boundary, v.boundary}, {in.Session, v.session}, {in.Resource, v.resource}} {
			if l.v.deny != 0 {
				s.Matched = append(s.Matched, l.set.matching(&q, true)...)
			}
		}
	case Allowed:
		for _, l := range []layer{{in.Identity, v.identity}, {in.Resource, v.resource}} {
			if l.v.allow != 0 {
				s.Matched = append(s.Matched, l.set.matching(&q, false)...)
			}
		}
	}
	var missing keyNames
	for _, set := range []*Set{in.Identity, in.Boundary, in.Session, in.Resource} {
		set.missing(&q, &missing)
	}
	s.Missing = missing.sorted()
	return s
}

func (l levels) effect() Effect {
	switch {
	case l.deny != 0:
		return ExplicitDeny
	case l.allow:
		return Allowed
	}
	return ImplicitDeny
}

// matching returns the statements of one effect that apply to a request.
func (s *Set) matching(q *query, deny bool) []Match {
	var list []Match
	for i := range s.docs {
		a := &s.docs[i]
		at := newPlaces(a.Document.text)
		statements := a.Document.list() // in the order of the text
		for j := range statements {
			st := &statements[j]
			if st.deny != deny || !st.matchesAction(q) || !st.matchesResource(q) {
				continue
			}
			if _, ok := st.matchesPrincipal(q); ok && st.matchesConditions(q) {
				list = append(list, Match{Source: a.Source, Start: at.of(int(st.start)), End: at.of(int(st.end))})
			}
		}
	}
	return list
}

// missing adds the keys that statements about the action refer to and the context
// lacks.
func (s *Set) missing(q *query, names *keyNames) {
	if s == nil {
		return
	}
	for i := range s.docs {
		statements := s.docs[i].Document.list()
		for j := range statements {
			st := &statements[j]
			if !st.matchesAction(q) {
				continue
			}
			if _, ok := st.matchesPrincipal(q); !ok {
				continue
			}
			for key := range st.keys() {
				if !q.context.Has(key) {
					names.add(key)
				}
			}
		}
	}
}

// ContextKeys returns the condition keys that documents refer to, in Condition
// elements and as policy variables: each once, as first spelled, sorted.
func ContextKeys(docs ...*Document) []string {
	var names keyNames
	for _, d := range docs {
		for _, s := range d.list() {
			for key := range s.keys() {
				names.add(key)
			}
		}
	}
	return names.sorted()
}

// keyNames are names of condition keys as first spelled, by their lower-case form:
// case does not tell keys apart.
type keyNames map[string]string

func (n *keyNames) add(key string) {
	if *n == nil {
		*n = make(keyNames)
	}
	if folded := strings.ToLower(key); (*n)[folded] == "" {
		(*n)[folded] = key
	}
}

func (n keyNames) sorted() []string {
	if n == nil {
		return nil
	}
	return slices.Sorted(maps.Values(n))
}

// keys yields the condition keys that a statement refers to.
func (s *statement) keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range s.resources {
			if v := s.resources[i].variables; v != nil && !v.keys(yield) {
				return
			}
		}
		for i := range s.conditions {
			c := &s.conditions[i]
			if !yield(c.key) {
				return
			}
			switch operands := c.operands.(type) {
			case []template:
				for _, t := range operands {
					if !t.keys(yield) {
						return
					}
				}
			case []arnOperand:
				for _, o := range operands {
					for _, t := range o.parts {
						if !t.keys(yield) {
							return
						}
					}
				}
			}
		}
	}
}

func (t template) keys(yield func(string) bool) bool {
	for i := range t {
		if t[i].kind == variableToken && !yield(t[i].text) {
			return false
		}
	}
	return true
}

// Grants reports whether a statement of the document allows any action of a
// service, given by its prefix ("s3"), whatever the conditions and other statements.
func (d *Document) Grants(service string) bool {
	return slices.ContainsFunc(d.list(), func(s statement) bool {
		if s.deny {
			return false
		}
		if s.notAction { // all but these: none is left where all of the service are named
			return !slices.ContainsFunc(s.actions, func(pattern string) bool {
				prefix, name, _ := strings.Cut(pattern, ":")
				return pattern == "*" || equalFold(prefix, service) && name != "" && strings.Trim(name, "*") == ""
			})
		}
		return slices.ContainsFunc(s.actions, func(pattern string) bool {
			prefix, name, _ := strings.Cut(pattern, ":")
			return pattern == "*" || equalFold(prefix, service) && name != ""
		})
	})
}

// Glob reports whether s as a whole matches a pattern in which * stands for any run
// of characters and ? for one.
func Glob(pattern, s string) bool { return matchGlob(pattern, s) }
