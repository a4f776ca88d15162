// Package session owns temporary credentials: what a session is, the sealed
// token that carries it, the secret that belongs to the token, and whether it has
// been revoked; and the sessions of browsers, which hold such credentials.
//
// A session is not stored. Its token is a sealed, versioned, self-contained
// value, and its secret access key is derived from the token key and the token's
// id, so that any node verifies a request without a database read. Who may get a
// session is package service/sts's business; who is calling with one, package
// authn's.
package session

import (
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
)

// Kind says which operation made a session; it decides what the session may call.
type Kind uint8

// The kinds of session. Values are on the wire of sealed tokens: never renumber.
const (
	User      Kind = 1 // GetSessionToken by an IAM user
	Root      Kind = 2 // GetSessionToken by the root user
	Role      Kind = 3 // AssumeRole and its kin
	Federated Kind = 4 // GetFederationToken
	// LocalRoot is a root session that the owner of the host took through the
	// local socket. Unlike one of GetSessionToken it may call IAM without MFA:
	// it is how root's first MFA device is set up.
	LocalRoot Kind = 5
)

// Session is what a session token says. It is complete: a request signed with
// its credentials is judged from it and from the current policies alone.
type Session struct {
	Kind        Kind
	ID          [16]byte      // random; the secret access key is derived from it
	AccessKeyID string        // ASIA…
	Account     arn.AccountID // account of the principal
	PrincipalID string        // AIDA… of the user, AROA… of the role, account id for root; for Federated the issuer's
	Name        string        // role session name or federated user name; empty for User and Root
	Issued      time.Time     // second precision
	Expires     time.Time     // second precision

	// MFA state as the fact table of MFA keys has it. MFAKnown tells whether
	// aws:MultiFactorAuthPresent is in the request context at all.
	MFAKnown bool
	MFA      bool
	MFATime  time.Time // when the code was accepted; zero without MFA

	Policy         string   // inline session policy, as sent
	PolicyARNs     []string // managed session policies
	Tags           []identity.Tag
	TransitiveTags []string // keys of those Tags that go on into chained sessions
	SourceIdentity string
	// Chained is true when the credentials that asked for this session were
	// temporary themselves; sessions made by it last an hour at most.
	Chained bool
	// Issuer is the access key id that asked for the session (AKIA… or ASIA…).
	Issuer string
	// Origin is the long-term access key (AKIA…) at the beginning of the chain of
	// sessions that led to this one, so that what a leaked key minted, directly or
	// through other sessions, can be revoked. It is empty where no key was: sessions
	// of the owner of the host, and what these mint.
	Origin string
	// IssuerRoot is true for a Federated session made by the root user.
	IssuerRoot bool
	// Console is true for the session with which the console calls for somebody who is
	// signed in there. A User or Root with it may call what their long-term credentials
	// may, IAM without MFA, too, unless policies say otherwise: it is how the first MFA
	// device is set up.
	Console bool

	// SignIn is the ARN of the sign-in session of `aws login` to which the session belongs;
	// empty for all others. Its id is that of an identity.OAuthGrant of Person, with which
	// the session ends. It may call what one with Console may.
	SignIn string

	// Bearer is the ID of the session of which this one was made for the same bearer: its own,
	// but for the console's session of a sign-in link and those of `aws login`, which are
	// copies of another with a new end. Who assumes a role chooses the session's name, and a
	// broker asks for everybody with one key: this alone tells whose a session is.
	Bearer [16]byte

	// key is the token key, from which the secret access key is derived. Mint and
	// Open set it.
	key *keyring.Key
}

// Person is the id by which records of signing in know whose session it is: that of the
// user, the account id for root, and for who comes by a role or an issuer that id and the
// session's name.
func (s *Session) Person() string {
	switch s.Kind {
	case User, Root, LocalRoot:
		return s.PrincipalID
	}
	return s.PrincipalID + ":" + s.Name
}

// SameBearer tells whether two sessions of one Person are the same human's or program's: of
// a role, those with one source identity, which nobody can change along a chain of roles, or
// where there is none, those made of one session. Name, second and issuer would not do: a
// broker asks for the sessions of many people with one key, and they may get one name in one
// second.
func (s *Session) SameBearer(of *Session) bool {
	switch {
	case s.Kind != Role && s.Kind != Federated:
		return true
	case s.SourceIdentity != "" || of.SourceIdentity != "":
		return s.SourceIdentity == of.SourceIdentity
	}
	return s.Bearer == of.Bearer
}
