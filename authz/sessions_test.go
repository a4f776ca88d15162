package authz_test

import (
	"errors"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/session"
)

// TestPermitted is the table "Compare AWS STS credentials" of the IAM User Guide:
// what each kind of credentials may not even ask for.
func TestPermitted(t *testing.T) {
	const (
		yes     = ""
		invalid = "InvalidClientTokenId"
		denied  = "AccessDenied"
	)
	of := func(kind session.Kind, mfa bool) *authn.Principal {
		return &authn.Principal{MFAKnown: true, MFA: mfa, Session: &session.Session{Kind: kind}}
	}
	operations := [...][2]string{
		{"iam", "ListUsers"}, {"sts", "GetCallerIdentity"}, {"sts", "AssumeRole"}, {"sts", "GetSessionToken"},
		{"sts", "GetFederationToken"}, {"sts", "DecodeAuthorizationMessage"}, {"cloudtrail", "LookupEvents"},
	}
	// GetSessionToken and GetFederationToken refuse session credentials by themselves.
	for _, tt := range []struct {
		name string
		p    *authn.Principal
		want [len(operations)]string
	}{
		{"long-term key", &authn.Principal{}, [...]string{yes, yes, yes, yes, yes, yes, yes}},
		{"GetSessionToken", of(session.User, false), [...]string{invalid, yes, yes, yes, yes, denied, yes}},
		{"GetSessionToken with MFA", of(session.User, true), [...]string{yes, yes, yes, yes, yes, denied, yes}},
		{"root's GetSessionToken", of(session.Root, false), [...]string{invalid, yes, yes, yes, yes, denied, yes}},
		{"root's GetSessionToken with MFA", of(session.Root, true), [...]string{yes, yes, yes, yes, yes, denied, yes}},
		{"GetFederationToken", of(session.Federated, false), [...]string{invalid, yes, denied, yes, yes, denied, yes}},
		{"GetFederationToken, whatever it says of MFA", of(session.Federated, true), [...]string{invalid, yes, denied, yes, yes, denied, yes}},
		{"AssumeRole", of(session.Role, false), [...]string{yes, yes, yes, yes, yes, yes, yes}},
		{"the owner's local root session", of(session.LocalRoot, false), [...]string{yes, yes, yes, yes, yes, yes, yes}},
	} {
		for i, op := range operations {
			got := yes
			if err := authz.Permitted(tt.p, op[0], op[1]); err != nil {
				api, ok := errors.AsType[smithy.APIError](err)
				if !ok {
					t.Fatalf("%s: %s:%s: %v is not an AWS error", tt.name, op[0], op[1], err)
				}
				got = api.ErrorCode()
				want := "Cannot call " + op[1] + " with session credentials"
				if got == invalid {
					want = "The security token included in the request is invalid"
				}
				if api.ErrorMessage() != want {
					t.Errorf("%s: %s:%s: message %q, want %q", tt.name, op[0], op[1], api.ErrorMessage(), want)
				}
			}
			if got != tt.want[i] {
				t.Errorf("%s: %s:%s: %q, want %q", tt.name, op[0], op[1], got, tt.want[i])
			}
		}
	}
}
