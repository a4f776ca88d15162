package policy

import (
	"slices"
	"strings"
)

// statement is one compiled Statement. Its strings share the document's text.
type statement struct {
	actions    []string
	resources  []arnPattern
	principals []principal
	conditions []condition
	start, end uint32 // the bytes of the document it stands on
	sidAt      uint32 // where its Sid stands, or 0
	// The elements present, by their names.
	deny, notAction, notResource, notPrincipal bool
}

// query is a request made ready for matching.
type query struct {
	caller   *Caller
	action   []byte // lower-case
	resource string
	tail     int // arnTail(resource)
	context  *Context
}

// newQuery makes a request ready; buf is for its action.
func newQuery(req *Request, buf []byte) query {
	return query{
		caller: req.Caller, action: lowerAction(req.Action, buf),
		resource: req.Resource, tail: arnTail(req.Resource), context: req.Context,
	}
}

// actionBuffer holds any AWS action name; a longer one costs an allocation.
const actionBuffer = 96

// lowerAction returns the action in lower case, in buf if that is long enough.
func lowerAction(action string, buf []byte) []byte {
	for i := range len(action) {
		buf = append(buf, lower(action[i]))
	}
	return buf
}

func (s *statement) matchesAction(q *query) bool {
	return slices.ContainsFunc(s.actions, func(p string) bool { return matchAction(p, q.action) }) != s.notAction
}

// matchesResource is true for statements of trust policies, which have no
// Resource: they are about the role they belong to.
func (s *statement) matchesResource(q *query) bool {
	if len(s.resources) == 0 {
		return true
	}
	for i := range s.resources {
		if s.resources[i].match(q.resource, q.tail, q.context) {
			return !s.notResource
		}
	}
	return s.notResource
}

// matchesPrincipal returns the forms by which the statement names the caller.
// ok is true for statements without a principal, which apply to whom their
// policy is attached to.
func (s *statement) matchesPrincipal(q *query) (forms grantForm, ok bool) {
	switch {
	case s.notPrincipal:
		if namesAll(s.principals, q.caller) {
			return 0, false
		}
		return byAny, true
	case s.principals == nil:
		return 0, true
	}
	forms = matchAny(s.principals, q.caller)
	return forms, forms != 0
}

func (s *statement) matchesConditions(q *query) bool {
	for i := range s.conditions {
		if !s.conditions[i].holds(q.context) {
			return false
		}
	}
	return true
}

// literalPrefix returns the text of an action pattern before its first wildcard.
func literalPrefix(pattern string) string {
	if i := strings.IndexAny(pattern, "*?"); i >= 0 {
		return pattern[:i]
	}
	return pattern
}
