package authz

import (
	"slices"
	"strings"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/policy"
)

// foreign tells whether a check is about a resource of another account.
func foreign(p *authn.Principal, check *Check) bool {
	return check.Account != "" && check.Account != p.Account
}

// hideResourceSide takes out of a trace what belongs to the account of the
// resource: its policy, with the external ids and conditions in it, and the tags of
// the resource. What remains is that this side did not allow; a role that does not
// exist looks the same as one that trusts somebody else.
func hideResourceSide(t *policy.Trace) {
	for i := range t.Layers {
		if l := &t.Layers[i]; isResourceSide(l.Layer) {
			*l = policy.TracedLayer{Layer: l.Layer, Present: true, Effect: policy.ImplicitDeny}
		}
	}
	for i := range t.Blocks {
		if isResourceSide(t.Blocks[i].Layer) {
			t.Blocks[i].Effect = policy.ImplicitDeny
		}
	}
	if isResourceSide(t.Decision.Layer) {
		t.Decision = policy.TracedDecision{Effect: policy.ImplicitDeny, Layer: t.Decision.Layer}
	}
	t.Context = slices.DeleteFunc(t.Context, func(k policy.TracedKey) bool { return isResourceTag(k.Key) })
	for i := range t.Layers {
		for _, list := range [][]policy.TracedStatement{t.Layers[i].Matched, t.Layers[i].Near} {
			for j := range list {
				hideTags(list[j].Conditions)
			}
		}
	}
}

// hideGrounds is hideResourceSide for what is kept of an allowed request.
func hideGrounds(g *policy.Grounds) {
	g.Statements = slices.DeleteFunc(g.Statements, func(s policy.Ground) bool { return isResourceSide(s.Layer) })
	for i := range g.Statements {
		hideTags(g.Statements[i].Conditions)
	}
	g.Omitted = 0 // which would count the other account's, too
}

// hideTags takes out what was seen of the tags of the resource. Whether the condition
// holds stays: the caller learns it from the answer.
func hideTags(conditions []policy.TracedCondition) {
	for i := range conditions {
		if c := &conditions[i]; isResourceTag(c.Key) {
			c.Present, c.Seen = true, []string{"a tag of another account's resource, not shown"}
		}
	}
}

func isResourceTag(key string) bool {
	key = strings.ToLower(key)
	return strings.HasPrefix(key, "aws:resourcetag/") || strings.HasPrefix(key, "iam:resourcetag/")
}

func isResourceSide(l policy.Layer) bool {
	return l == policy.LayerResource || l == policy.LayerTrust || l == policy.LayerRCP
}
