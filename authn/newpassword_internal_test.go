package authn

import (
	"testing"

	"github.com/lanyard-iam/lanyard/identity"
)

// What a page says of a new password is what the policy asks for.
func TestAskedOfAPassword(t *testing.T) {
	for want, policy := range map[string]*identity.PasswordPolicy{
		"It needs 3 of these: an uppercase letter, a lowercase letter, a number, a symbol.": nil,
		"It needs an uppercase letter, a symbol.":                                           {RequireUppercase: true, RequireSymbols: true},
		"": {MinimumLength: 20},
	} {
		if got := asked(PasswordRules(policy)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
