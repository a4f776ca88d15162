package policy

import (
	"slices"
	"strings"
)

// AllowsService tells whether the documents allow anyone any action of a service
// (whose namespace is the part of an action before the colon), on some resource and
// under some condition. It is the question behind reports on who could use what: it
// looks at permissions only, and says yes where a document can be read so.
//
// A Deny counts where it leaves nothing: on all resources and without a condition.
func (s *Set) AllowsService(namespace string) bool {
	return s.grants(strings.ToLower(namespace) + ":*")
}

// AllowsAction is AllowsService for one action.
func (s *Set) AllowsAction(action string) bool { return s.grants(strings.ToLower(action)) }

// grants tells whether an Allow grants an action that pattern stands for, and no Deny
// takes all of what it grants.
func (s *Set) grants(pattern string) bool {
	lists := make([][]statement, len(s.docs))
	for i := range s.docs {
		lists[i] = s.docs[i].Document.list()
	}
	for _, list := range lists {
		for i := range list {
			st := &list[i]
			if st.deny {
				continue
			}
			if st.notAction {
				// Everything but what is named: something is left unless one of the
				// names takes it all.
				if !coversAny(st.actions, pattern) && !denied(lists, pattern) {
					return true
				}
				continue
			}
			for _, granted := range st.actions {
				if both := narrowed(granted, pattern); both != "" && !denied(lists, both) {
					return true
				}
			}
		}
	}
	return false
}

// denied tells whether a statement takes away all that pattern stands for.
func denied(lists [][]statement, pattern string) bool {
	for _, list := range lists {
		for i := range list {
			st := &list[i]
			if !st.deny || len(st.conditions) > 0 || st.notResource || !slices.ContainsFunc(st.resources, func(p arnPattern) bool { return p.form == anyARN }) {
				continue
			}
			if st.notAction {
				if !slices.ContainsFunc(st.actions, func(p string) bool { return mayMeet(p, pattern) }) {
					return true
				}
			} else if coversAny(st.actions, pattern) {
				return true
			}
		}
	}
	return false
}

func coversAny(patterns []string, pattern string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return covers(p, pattern) })
}

// covers tells whether p matches all that pattern matches. It is sure of a yes: a *
// of p takes whatever the text of the pattern is, but a ? takes one character, which a
// * of the pattern is not.
func covers(p, pattern string) bool {
	if strings.Contains(p, "?") && strings.Contains(pattern, "*") {
		return false
	}
	return matchAction(p, []byte(pattern))
}

// mayMeet is false only if no action matches both: it is sure of a no.
func mayMeet(p, pattern string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return matchAction(p, []byte(pattern))
	}
	p, pattern = literalPrefix(p), literalPrefix(pattern)
	n := min(len(p), len(pattern))
	return equalFold(p[:n], pattern[:n])
}

// narrowed is a pattern for what both a pattern of a document and one of ours, an
// action or "namespace:*", match; empty if they have nothing in common.
func narrowed(p, pattern string) string {
	namespace, name, _ := strings.Cut(pattern, ":")
	if p == "*" {
		return pattern
	}
	if name != "*" {
		if matchAction(p, []byte(pattern)) {
			return pattern
		}
		return ""
	}
	service, action, _ := strings.Cut(p, ":")
	if !equalFold(service, namespace) {
		return ""
	}
	return namespace + ":" + strings.ToLower(action)
}
