package policy

import (
	"cmp"
	"fmt"
	"strings"
)

// Suggestion is one change that a denied request needs.
type Suggestion struct {
	Layer Layer `json:"layer"`
	// Text says what to change, for a person.
	Text string `json:"text"`
	// Policy and Statement are what to change; absent where something is to be
	// added, or the request itself has to be made differently.
	Policy    *TracedPolicy `json:"policy,omitempty"`
	Statement int           `json:"statement,omitempty"`
	// MFA: the request would pass if it were made after signing in with MFA.
	MFA bool `json:"mfa,omitempty"`
}

// Suggest returns the smallest change that would alter a denial: one Suggestion
// for each layer that stands in the way, all of which are needed. It is empty
// for an allowed request. That a change would help is no advice to make it.
func (t *Trace) Suggest() []Suggestion {
	var list []Suggestion
	for _, b := range t.Blocks {
		if b.Effect == ExplicitDeny {
			list = append(list, t.suggestDenies(b.Layer)...)
		} else {
			list = append(list, t.suggestAllow(b.Layer))
		}
	}
	return list
}

// suggestDenies is about each matching Deny of a layer.
func (t *Trace) suggestDenies(layer Layer) []Suggestion {
	var list []Suggestion
	for _, l := range t.Layers {
		if l.Layer != layer || l.Exempt != "" {
			continue
		}
		for _, s := range l.Matched {
			if s.Effect != "Deny" {
				continue
			}
			g := Suggestion{Layer: layer, Policy: &s.Policy, Statement: s.Statement}
			switch mfa, other := s.mfaConditions(true), s.otherConditions(true); {
			case len(mfa) > 0:
				g.MFA = true
				g.Text = fmt.Sprintf("%s denies because %s: %s", s.name(), explain(mfa), signInWithMFA)
			case len(other) > 0:
				g.Text = fmt.Sprintf("%s denies because %s: make the request differently, or change that condition", s.name(), explain(other))
			default:
				g.Text = fmt.Sprintf("remove or narrow the Deny of %s: no Allow overrides it", s.name())
			}
			list = append(list, g)
		}
	}
	return list
}

// suggestAllow is about the Allow that a layer lacks.
func (t *Trace) suggestAllow(layer Layer) Suggestion {
	g := Suggestion{Layer: layer}
	missing := t.missing(layer)
	if missing == nil || len(missing.Near) == 0 {
		g.Text = t.addStatement(layer, missing)
		return g
	}
	s := missing.Near[0]
	faults := s.faults()
	const onlyConditions, onlyResource = 1, 2
	switch {
	case faults == onlyConditions && s.mfaUnmet():
		g.Policy, g.Statement, g.MFA = &s.Policy, s.Statement, true
		g.Text = fmt.Sprintf("%s requires %s: %s", s.name(), require(s.mfaConditions(false)), signInWithMFA)
	case faults == onlyConditions:
		unmet := append(s.mfaConditions(false), s.otherConditions(false)...)
		g.Policy, g.Statement = &s.Policy, s.Statement
		g.Text = fmt.Sprintf("%s would allow it, but requires %s", s.name(), require(unmet))
	case faults == onlyResource && !s.NotResource:
		g.Policy, g.Statement = &s.Policy, s.Statement
		g.Text = fmt.Sprintf("add %s to the resources of %s", t.Resource, s.name())
	default:
		g.Text = t.addStatement(layer, missing)
	}
	return g
}

// missing returns the layer, or the level of it, that allows nothing.
func (t *Trace) missing(layer Layer) *TracedLayer {
	for i := range t.Layers {
		if l := &t.Layers[i]; l.Layer == layer && l.Exempt == "" && l.Effect == ImplicitDeny {
			return l
		}
	}
	return nil
}

func (t *Trace) addStatement(layer Layer, l *TracedLayer) string {
	grant := t.Action + " on " + t.Resource
	switch layer {
	case LayerIdentity:
		return fmt.Sprintf("add %s to an identity-based policy%s", grant, t.Principal.whose())
	case LayerBoundary:
		return fmt.Sprintf("allow %s in the permissions boundary%s", grant, t.Principal.whose())
	case LayerSession:
		if l != nil && l.Present {
			return fmt.Sprintf("begin a session whose session policy allows %s", grant)
		}
		return fmt.Sprintf("begin the federated user's session with a session policy that allows %s", grant)
	case LayerSCP:
		level := 1
		if l != nil {
			level = l.Level
		}
		return fmt.Sprintf("allow %s in a service control policy at level %d of the organization", grant, level)
	case LayerTrust:
		return fmt.Sprintf("add %s with %s to the trust policy of %s", t.Principal.trustName(), t.Action, t.Resource)
	}
	return fmt.Sprintf("allow %s to %s in the policy of %s", t.Principal.trustName(), t.Action, t.Resource)
}

// entity returns user/NAME, role/NAME … of the caller.
func (p *TracedPrincipal) entity() string {
	arn := p.ARN
	if arn == "" {
		arn = p.Name
	}
	if tail := arnTail(arn); tail >= 0 {
		return arn[tail:]
	}
	return p.Name
}

// whose is " of " the caller, or empty where a policy is asked without anybody who has it.
func (p *TracedPrincipal) whose() string {
	if of := p.entity(); of != "" {
		return " of " + of
	}
	return ""
}

// trustName returns the caller as a Principal element would name it: a role
// rather than one session of it.
func (p *TracedPrincipal) trustName() string {
	if p.Type == AssumedRole && p.ARN != "" {
		return p.ARN
	}
	return cmp.Or(p.Name, "the caller")
}

// name returns the statement as people call it: policy, place, Sid.
func (s *TracedStatement) name() string {
	policy := s.Policy.Name
	if policy == "" {
		policy = s.Policy.Type.String()
	}
	name := fmt.Sprintf("%s[%d]", policy, s.Statement)
	if s.Sid != "" {
		name += " (" + s.Sid + ")"
	}
	return name
}

const signInWithMFA = "sign in with MFA (aws sts get-session-token --serial-number MFA-DEVICE --token-code CODE) and repeat the request"

func isMFAKey(key string) bool {
	return equalFold(key, "aws:MultiFactorAuthPresent") || equalFold(key, "aws:MultiFactorAuthAge")
}

// mfaConditions returns the conditions about MFA that hold, or do not.
func (s *TracedStatement) mfaConditions(holds bool) []TracedCondition {
	return s.conditions(holds, true)
}

func (s *TracedStatement) otherConditions(holds bool) []TracedCondition {
	return s.conditions(holds, false)
}

func (s *TracedStatement) conditions(holds, mfa bool) []TracedCondition {
	var list []TracedCondition
	for _, c := range s.Conditions {
		if c.Holds == holds && isMFAKey(c.Key) == mfa {
			list = append(list, c)
		}
	}
	return list
}

// mfaUnmet reports whether MFA is all that is missing.
func (s *TracedStatement) mfaUnmet() bool {
	return len(s.mfaConditions(false)) > 0 && len(s.otherConditions(false)) == 0
}

// explain says of conditions that hold what was seen.
func explain(list []TracedCondition) string {
	return join(list, func(c TracedCondition) string { return c.Key + " is " + c.seen() })
}

// require says of conditions that do not hold what they want, and what was seen.
func require(list []TracedCondition) string {
	return join(list, func(c TracedCondition) string { return c.String() + " (it is " + c.seen() + ")" })
}

func join(list []TracedCondition, text func(TracedCondition) string) string {
	parts := make([]string, len(list))
	for i, c := range list {
		parts[i] = text(c)
	}
	return strings.Join(parts, " and ")
}

func (c TracedCondition) seen() string {
	if !c.Present {
		return "absent"
	}
	return strings.Join(c.Seen, ", ")
}

// String returns the condition in a line, in the order of a policy: operator,
// key, values.
func (c TracedCondition) String() string {
	return fmt.Sprintf("%s %s %s", c.Operator, c.Key, strings.Join(c.Values, " or "))
}
