package authn

import (
	"errors"
	"fmt"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/sigv4"
	"github.com/lanyard-iam/lanyard/store"
)

// Authenticator establishes who signed a request. It is safe for concurrent use.
type Authenticator struct {
	Verifier *sigv4.Verifier
	Sessions *session.Codec
	Ring     *keyring.Ring
	// RoleByID finds the role of a session. It may know a quicker way than
	// identity.RoleByID, which is used where it is nil.
	RoleByID func(r store.Reader, id string) (*identity.Role, error)
}

// Attempt is a signed request that wants to be believed.
type Attempt struct {
	Authorization *sigv4.Authorization
	Request       *sigv4.Request
	Options       sigv4.Options
	// Partition is that of the region in the credential scope; the ARNs of the
	// principal are written in it.
	Partition arn.Partition
	// Now is the server's time, by which sessions expire. SignedNow is the time
	// that the date of the signature is compared with.
	Now, SignedNow time.Time
}

// Authenticate verifies the signature and yields the principal. Refusals are
// *sigv4.Error, which knows its code in every protocol; any other error is the
// server's own trouble.
//
// The signature is verified before anything about the key is told, so that an
// expired, inactive or revoked credential is distinguishable only by who holds
// its secret; an unknown key costs the same work as a known one.
func (a *Authenticator) Authenticate(r store.Reader, t Attempt) (*Principal, error) {
	if t.Authorization.SecurityToken != "" {
		return a.bySession(r, t)
	}
	return a.byAccessKey(r, t)
}

// refuse does the work of a wrong signature and then says why the key is refused.
func (a *Authenticator) refuse(t Attempt, kind sigv4.ErrorKind) error {
	return a.Verifier.Verify(t.Authorization, t.Request, t.Options, sigv4.Key{Err: &sigv4.Error{Kind: kind}}, t.SignedNow)
}

func (a *Authenticator) byAccessKey(r store.Reader, t Attempt) (*Principal, error) {
	id := t.Authorization.AccessKeyID
	key, err := identity.AccessKeys.Get(r, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, a.refuse(t, sigv4.InvalidClientToken)
	}
	if err != nil {
		return nil, err
	}
	secret := func() (string, error) {
		plain, err := a.Ring.Open(keyring.AccessKeySecrets, string(identity.AccessKeys.Key(id)), key.Secret)
		if err != nil {
			return "", fmt.Errorf("open the secret of access key %s: %w", id, err)
		}
		return string(plain), nil
	}
	if err := a.Verifier.Verify(t.Authorization, t.Request, t.Options, sigv4.Key{Secret: secret}, t.SignedNow); err != nil {
		return nil, err
	}
	return ofAccessKey(r, id, t.Partition)
}

func (a *Authenticator) bySession(r store.Reader, t Attempt) (*Principal, error) {
	s, err := a.Sessions.Open(t.Authorization.AccessKeyID, t.Authorization.SecurityToken)
	if err != nil {
		return nil, a.refuse(t, sigv4.InvalidSessionToken)
	}
	secret := func() (string, error) { return a.Sessions.Secret(s), nil }
	if err := a.Verifier.Verify(t.Authorization, t.Request, t.Options, sigv4.Key{Secret: secret}, t.SignedNow); err != nil {
		return nil, err
	}
	if !t.Now.Before(s.Expires) {
		return nil, &sigv4.Error{Kind: sigv4.ExpiredToken}
	}
	// Deleted, or deleted and made again under the same name, is as revoked.
	return a.Again(r, &Principal{Session: s}, t.Partition)
}

// Again checks, in a later snapshot, that a principal's credentials are still good,
// and yields the principal as it is there: a user may have been renamed. The
// refusals are those of Authenticate.
func (a *Authenticator) Again(r store.Reader, p *Principal, partition arn.Partition) (*Principal, error) {
	if p.Session != nil {
		revoked, err := session.Revoked(r, p.Session)
		if err != nil {
			return nil, err
		}
		if revoked {
			return nil, &sigv4.Error{Kind: sigv4.ExpiredToken}
		}
		roleByID := a.RoleByID
		if roleByID == nil {
			roleByID = identity.RoleByID
		}
		fresh, err := ofSession(r, p.Session, partition, roleByID)
		if errors.Is(err, store.ErrNotFound) {
			return nil, &sigv4.Error{Kind: sigv4.InvalidSessionToken}
		}
		return fresh, err
	}
	return ofAccessKey(r, p.AccessKeyID, partition)
}

// ofAccessKey is the principal that a long-term access key speaks for.
func ofAccessKey(r store.Reader, id string, partition arn.Partition) (*Principal, error) {
	key, err := identity.AccessKeys.Get(r, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && key.Inactive {
		return nil, &sigv4.Error{Kind: sigv4.InvalidClientToken}
	}
	if err != nil {
		return nil, err
	}
	user, err := identity.UserByID(r, key.UserID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &sigv4.Error{Kind: sigv4.InvalidClientToken}
	}
	if err != nil {
		return nil, err
	}
	p := userPrincipal(user, partition)
	p.AccessKeyID = id
	return p, nil
}

// OfSession is the principal that a session speaks for. It returns
// store.ErrNotFound when the user or role no longer exists; one of the same name
// made since has another unique id and does not count.
func OfSession(r store.Reader, s *session.Session, partition arn.Partition) (*Principal, error) {
	return ofSession(r, s, partition, identity.RoleByID)
}

func ofSession(r store.Reader, s *session.Session, partition arn.Partition, roleByID func(store.Reader, string) (*identity.Role, error)) (*Principal, error) {
	var p *Principal
	scope := arn.Scope{Partition: partition, Account: s.Account}
	switch s.Kind {
	case session.User:
		user, err := identity.UserByID(r, s.PrincipalID)
		if err != nil {
			return nil, err
		}
		p = userPrincipal(user, partition)
	case session.Root, session.LocalRoot:
		if _, err := identity.Accounts.Get(r, string(s.Account)); err != nil {
			return nil, err
		}
		p = rootPrincipal(scope)
	case session.Role:
		role, err := roleByID(r, s.PrincipalID)
		if err != nil {
			return nil, err
		}
		p = &Principal{
			Kind:         AssumedRole,
			Account:      role.Account,
			ID:           role.ID,
			Name:         role.Name,
			Path:         role.Path,
			ARN:          scope.AssumedRole(role.Name, s.Name),
			PrincipalARN: scope.Role(role.Path, role.Name),
			UserID:       role.ID + ":" + s.Name,
			Tags:         role.Tags,
		}
	case session.Federated:
		p = &Principal{
			Kind:    FederatedUser,
			Account: s.Account,
			ID:      s.PrincipalID,
			Name:    s.Name,
			ARN:     scope.FederatedUser(s.Name),
			UserID:  string(s.Account) + ":" + s.Name,
		}
		p.PrincipalARN = p.ARN
		if s.IssuerRoot {
			if _, err := identity.Accounts.Get(r, string(s.Account)); err != nil {
				return nil, err
			}
			p.IssuerARN = scope.Root()
			break
		}
		user, err := identity.UserByID(r, s.PrincipalID)
		if err != nil {
			return nil, err
		}
		p.IssuerARN = user.ARN(partition)
		p.Path, p.Tags = user.Path, user.Tags
	default:
		return nil, fmt.Errorf("session of unknown kind %d", s.Kind)
	}
	p.Session = s
	p.AccessKeyID = s.AccessKeyID
	p.MFAKnown, p.MFA, p.MFATime = s.MFAKnown, s.MFA, s.MFATime
	return p, nil
}

func userPrincipal(u *identity.User, partition arn.Partition) *Principal {
	name := u.ARN(partition)
	return &Principal{
		Kind:         User,
		Account:      u.Account,
		ID:           u.ID,
		Name:         u.Name,
		Path:         u.Path,
		ARN:          name,
		PrincipalARN: name,
		UserID:       u.ID,
		Tags:         u.Tags,
	}
}

func rootPrincipal(scope arn.Scope) *Principal {
	return &Principal{
		Kind:         Root,
		Account:      scope.Account,
		ID:           string(scope.Account),
		ARN:          scope.Root(),
		PrincipalARN: scope.Root(),
		UserID:       string(scope.Account),
	}
}

// AccountOf tells to whose trail an attempt belongs that was not believed: the account
// of the long-term key that it names, or of the session whose token it brings. An
// access key id that only encodes one of our accounts is nobody's: anyone can make one.
func (a *Authenticator) AccountOf(r store.Reader, claimed *sigv4.Authorization) (arn.AccountID, bool) {
	if claimed.AccessKeyID == "" {
		return "", false
	}
	if key, err := identity.AccessKeys.Get(r, claimed.AccessKeyID); err == nil {
		return key.Account, true
	}
	if claimed.SecurityToken == "" {
		return "", false
	}
	s, err := a.Sessions.Open(claimed.AccessKeyID, claimed.SecurityToken)
	if err != nil || !identity.Accounts.Has(r, string(s.Account)) {
		return "", false
	}
	return s.Account, true
}

// UserIdentity is the principal as CloudTrail's userIdentity shows it.
func (p *Principal) UserIdentity() audit.UserIdentity {
	id := audit.UserIdentity{
		PrincipalID: p.UserID,
		ARN:         p.ARN,
		AccountID:   string(p.Account),
		AccessKeyID: p.AccessKeyID,
	}
	var issuer *audit.SessionIssuer
	switch p.Kind {
	case Root:
		id.Type = "Root"
	case User:
		id.Type, id.UserName = "IAMUser", p.Name
	case AssumedRole:
		id.Type = "AssumedRole"
		issuer = &audit.SessionIssuer{Type: "Role", PrincipalID: p.ID, ARN: p.PrincipalARN, AccountID: id.AccountID, UserName: p.Name}
	case FederatedUser:
		id.Type = "FederatedUser"
		issuer = &audit.SessionIssuer{Type: "IAMUser", PrincipalID: p.ID, ARN: p.IssuerARN, AccountID: id.AccountID}
		if p.Session != nil && p.Session.IssuerRoot {
			issuer.Type = "Root"
		} else if a, err := arn.Parse(p.IssuerARN); err == nil {
			_, _, issuer.UserName = a.Split()
		}
	case Service:
		return audit.UserIdentity{Type: "AWSService", InvokedBy: p.Name}
	default:
		return audit.UserIdentity{Type: "Unknown", AccountID: string(p.Account)}
	}
	if s := p.Session; s != nil {
		id.Session = &audit.SessionContext{
			Issuer: issuer,
			Attributes: audit.SessionAttributes{
				CreationDate:     s.Issued.UTC().Format(time.RFC3339),
				MFAAuthenticated: "false",
			},
			SourceIdentity: s.SourceIdentity,
			SignInSession:  s.SignIn,
		}
		if s.MFA {
			id.Session.Attributes.MFAAuthenticated = "true"
		}
	}
	return id
}
