// Package authn owns the question "who is calling": it verifies the signature of
// a request against the access key or session that it names, and yields a
// Principal, complete and never looked up again. It also owns the check of MFA
// codes against a person's devices, so that a code is single-use and throttled
// wherever it is presented, and the ceremonies of security keys and passkeys.
//
// Whether the caller may do what they ask is package authz's business.
package authn

import (
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/session"
)

// Kind is what sort of principal calls.
type Kind uint8

// The kinds of principal.
const (
	Anonymous     Kind = iota
	Root               // the root user of an account
	User               // an IAM user, by long-term key or GetSessionToken session
	AssumedRole        // a role session
	FederatedUser      // a GetFederationToken session
	Service            // a part of Lanyard acting by itself: the local owner's socket
)

// Principal is who signed a request.
type Principal struct {
	Kind    Kind
	Account arn.AccountID
	// ID is the unique id of the user or role, the account id for root; for a
	// FederatedUser it is the id of the user who issued the session.
	ID string
	// Name is the user's or role's name, for a FederatedUser the federated name,
	// for a Service its DNS name.
	Name string
	Path string // of the user or role
	// ARN is the caller as GetCallerIdentity and messages show it: the session's
	// ARN for role sessions and federated users.
	ARN string
	// PrincipalARN is the condition key aws:PrincipalArn: the role's ARN for its
	// sessions, else ARN.
	PrincipalARN string
	// UserID is the condition key aws:userid: AIDA…, AROA…:session,
	// account:name, or the account id.
	UserID string

	AccessKeyID string
	// Session is set when the credentials are temporary.
	Session *session.Session

	// MFAKnown, MFA and MFATime are the MFA condition keys' sources: whether
	// aws:MultiFactorAuthPresent is in the context, its value, and since when.
	MFAKnown bool
	MFA      bool
	MFATime  time.Time

	// Tags are the principal's tags for aws:PrincipalTag: those of the user or
	// role, overridden by session tags.
	Tags []identity.Tag

	// IssuerARN is the ARN of the user or root that made a FederatedUser's session.
	IssuerARN string
}

// Temporary tells whether the caller's credentials expire by themselves.
func (p *Principal) Temporary() bool { return p.Session != nil }

// Origin is the long-term access key that the caller's credentials go back to, or empty.
func (p *Principal) Origin() string {
	if p.Session != nil {
		return p.Session.Origin
	}
	if p.Kind == User {
		return p.AccessKeyID
	}
	return ""
}

// SessionName is the role session name, or empty.
func (p *Principal) SessionName() string {
	if p.Kind == AssumedRole && p.Session != nil {
		return p.Session.Name
	}
	return ""
}

// SourceIdentity is the source identity that the session carries, or empty.
func (p *Principal) SourceIdentity() string {
	if p.Session == nil {
		return ""
	}
	return p.Session.SourceIdentity
}
