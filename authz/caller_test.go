package authz

import (
	"testing"

	"github.com/lanyard-iam/lanyard/authn"
)

// Sessions of service-linked roles are marked, so that no policy of an organization
// restrains them; those of roles that only look like one are not.
func TestServiceLinkedCallers(t *testing.T) {
	for path, want := range map[string]bool{
		"/aws-service-role/ecs.amazonaws.com/":   true,
		"/":                                      false,
		"/aws-service-roles/ecs.amazonaws.com/":  false,
		"/x/aws-service-role/ecs.amazonaws.com/": false,
	} {
		if got := caller(&authn.Principal{Kind: authn.AssumedRole, Path: path}).ServiceLinked; got != want {
			t.Errorf("a role at %s: service-linked is %v", path, got)
		}
	}
	if caller(&authn.Principal{Kind: authn.User, Path: "/aws-service-role/ecs.amazonaws.com/"}).ServiceLinked {
		t.Error("a user is service-linked")
	}
}
