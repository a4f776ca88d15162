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
	t.Context = slices.DeleteFunc(t.Context, func(k policy.TracedKey) bool {
		name := strings.ToLower(k.Key)
		return strings.HasPrefix(name, "aws:resourcetag/") || strings.HasPrefix(name, "iam:resourcetag/")
	})
}

func isResourceSide(l policy.Layer) bool {
	return l == policy.LayerResource || l == policy.LayerTrust || l == policy.LayerRCP
}
