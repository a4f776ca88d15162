package lanyard

import (
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// RecentFactor is for how long a second factor that was shown is enough for what cannot be
// undone.
const RecentFactor = 10 * time.Minute

// BrowserSession is a browser in which the caller is signed in.
type BrowserSession struct {
	Id        *string
	Created   *time.Time
	LastSeen  *time.Time
	Expires   *time.Time // if it is not used any more
	Address   *string
	UserAgent *string
	Factors   []string
	Current   *bool // the request comes from it
}

// Login is a sign-in session of `aws login`: a program that the caller lets have their
// credentials.
type Login struct {
	Id        *string
	ClientId  *string // …devtools/same-device or …devtools/cross-device
	Created   *time.Time
	LastUsed  *time.Time
	Expires   *time.Time
	Address   *string
	UserAgent *string
}

// KnownDevice is a browser in which the caller was signed in, and from which they may try
// again although others' failures hold their name up.
type KnownDevice struct {
	Created    *time.Time
	LastSeen   *time.Time
	Address    *string
	UserAgent  *string
	Remembered *time.Time // until when no second factor is asked for; absent if it is
}

// Browser sessions and recovery codes are the caller's own: nobody else's can be named.
type (
	// ListBrowserSessionsInput is empty.
	ListBrowserSessionsInput struct{}
	// ListBrowserSessionsOutput are the caller's sessions, the last used first, those of
	// `aws login`, the newest first, and the browsers that are known.
	ListBrowserSessionsOutput struct {
		Sessions     []BrowserSession
		Logins       []Login
		KnownDevices []KnownDevice
	}
	// EndBrowserSessionInput names a session, of a browser or of `aws login`.
	EndBrowserSessionInput struct{ Id *string }
	// EndBrowserSessionOutput is empty.
	EndBrowserSessionOutput struct{}
	// EndAllBrowserSessionsInput ends all, those of `aws login` too, but the one that the request comes from, or that
	// one, too; and may forget the browsers that are known.
	EndAllBrowserSessionsInput struct{ IncludeCurrent, ForgetDevices *bool }
	// EndAllBrowserSessionsOutput says how many they were.
	EndAllBrowserSessionsOutput struct{ Ended *int32 }
	// GetRecoveryCodesInput is empty.
	GetRecoveryCodesInput struct{}
	// GetRecoveryCodesOutput says how many codes are left, and since when there are such.
	GetRecoveryCodesOutput struct {
		Left *int32
		Made *time.Time
	}
	// CreateRecoveryCodesInput is empty.
	CreateRecoveryCodesInput struct{}
	// CreateRecoveryCodesOutput are the new codes, which are shown once.
	CreateRecoveryCodesOutput struct{ RecoveryCodes []string }

	// CreateRecoveryLinkInput names a user of the account who lost their MFA devices.
	CreateRecoveryLinkInput struct{ UserName *string }
	// CreateRecoveryLinkOutput is the link, which works once.
	CreateRecoveryLinkOutput struct {
		RecoveryLink *string
		Expires      *time.Time
	}

	// GetSignInRulesInput is empty.
	GetSignInRulesInput struct{}
	// GetSignInRulesOutput are the account's rules.
	GetSignInRulesOutput struct{ Rules *SignInRules }
	// PutSignInRulesInput sets the account's rules.
	PutSignInRulesInput struct {
		MFARequired             *bool
		GraceDays, RememberDays *int32
	}
	// PutSignInRulesOutput are the rules that are set.
	PutSignInRulesOutput struct{ Rules *SignInRules }
)

// SignInRules are an account's rules for people who sign in.
type SignInRules struct {
	MFARequired  *bool
	Since        *time.Time // of MFARequired
	GraceDays    *int32     // for how long after Since an MFA device can be put off
	RememberDays *int32     // for how long a browser may stand for the second factor; 0: never
}

// browsersOf is under which id the caller's browser sessions are.
func browsersOf(p *authn.Principal) string {
	id, name := person(p)
	if name != "" {
		return id + ":" + name
	}
	return id
}

// ListBrowserSessions lists where the caller is signed in.
func (s *Service) ListBrowserSessions(c *service.Call, _ *ListBrowserSessionsInput) (*ListBrowserSessionsOutput, error) {
	who := browsersOf(c.Principal)
	all, logins, err := s.signedIn(c)
	if err != nil {
		return nil, err
	}
	out := &ListBrowserSessionsOutput{Sessions: []BrowserSession{}, Logins: []Login{}, KnownDevices: []KnownDevice{}}
	for _, b := range all {
		entry := BrowserSession{
			Id:        aws.String(b.ID()),
			Created:   aws.Time(b.Created),
			LastSeen:  aws.Time(b.LastSeen),
			Expires:   aws.Time(b.Ends()),
			Address:   text(b.Address),
			UserAgent: text(b.UserAgent),
			Current:   aws.Bool(b.AccessKeyID == c.Principal.AccessKeyID),
		}
		for _, f := range b.Factors {
			entry.Factors = append(entry.Factors, string(f))
		}
		out.Sessions = append(out.Sessions, entry)
	}
	for _, l := range logins {
		out.Logins = append(out.Logins, Login{
			Id:        aws.String(l.ID),
			ClientId:  aws.String(l.ClientID),
			Created:   aws.Time(l.Created),
			LastUsed:  aws.Time(l.LastUsed),
			Expires:   aws.Time(l.Expires),
			Address:   text(l.Address),
			UserAgent: text(l.UserAgent),
		})
	}
	stamp, err := session.Stamp(c.Reader, who)
	if errors.Is(err, store.ErrNotFound) { // a role: it has no devices
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	return out, identity.KnownDevices.Scan(c.Reader, "", func(_ store.Key, d *identity.KnownDevice) bool {
		if c.Now.Before(d.Expires) && identity.SameDigest(d.Stamp, stamp) {
			known := KnownDevice{Created: aws.Time(d.Created), LastSeen: aws.Time(d.LastSeen), Address: text(d.Address), UserAgent: text(d.UserAgent)}
			if c.Now.Before(d.Remember) {
				known.Remembered = aws.Time(d.Remember)
			}
			out.KnownDevices = append(out.KnownDevices, known)
		}
		return true
	}, who)
}

// text is an optional member.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// signedIn are the browser sessions and the sessions of `aws login` of the caller that are
// good now.
//
// Those of a role or a federated user are found by role and session name, which is AWS's
// identity (aws:userid), and what is kept for a person is shared by all who have it. But
// whoever may assume a role chooses the name, unless its trust policy says otherwise: so
// addresses, browsers and the power to end a session are for who can be told to be the same.
func (s *Service) signedIn(c *service.Call) (browsers []*session.Browser, logins []session.Login, err error) {
	who := browsersOf(c.Principal)
	all, err := s.config.Sessions.Browsers(c.Reader, who, c.Now)
	if err != nil {
		return nil, nil, err
	}
	for _, b := range all {
		if sameBearer(c.Principal, b.Session) {
			browsers = append(browsers, b)
		}
	}
	every, err := session.Logins(c.Reader, who, c.Now)
	for _, l := range every {
		if s.sealedFor(c.Principal, l.AccessKeyID, l.Token) {
			logins = append(logins, l)
		}
	}
	return browsers, logins, err
}

// sameBearer tells whether a session of the caller's role and session name, or user, is the
// caller's own.
func sameBearer(p *authn.Principal, of *session.Session) bool {
	return p.Kind != authn.AssumedRole && p.Kind != authn.FederatedUser || p.Session.SameBearer(of)
}

// sealedFor is sameBearer of a session that a record holds.
func (s *Service) sealedFor(p *authn.Principal, accessKeyID, token string) bool {
	if p.Kind != authn.AssumedRole && p.Kind != authn.FederatedUser {
		return true
	}
	of, err := s.config.Sessions.Open(accessKeyID, token)
	return err == nil && sameBearer(p, of)
}

// EndBrowserSession signs the caller out in one browser.
func (s *Service) EndBrowserSession(c *service.Call, in *EndBrowserSessionInput) (*EndBrowserSessionOutput, error) {
	browsers, logins, err := s.signedIn(c)
	if err != nil {
		return nil, err
	}
	for _, l := range logins {
		if l.ID == *in.Id {
			session.EndLogin(c.Tx, l.PersonID, l.ID)
			return &EndBrowserSessionOutput{}, nil
		}
	}
	for _, b := range browsers {
		if b.ID() == *in.Id {
			b.End(c.Tx)
			return &EndBrowserSessionOutput{}, nil
		}
	}
	return nil, notFound("You have no browser session with the id %s.", *in.Id)
}

// EndAllBrowserSessions signs the caller out everywhere. Ended are those that were good;
// codes of `aws login` that wait to be redeemed are worthless after it.
func (s *Service) EndAllBrowserSessions(c *service.Call, in *EndAllBrowserSessionsInput) (*EndAllBrowserSessionsOutput, error) {
	who := browsersOf(c.Principal)
	browsers, logins, err := s.signedIn(c)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, b := range browsers {
		if b.AccessKeyID != c.Principal.AccessKeyID || aws.ToBool(in.IncludeCurrent) {
			b.End(c.Tx)
			n++
		}
	}
	for _, l := range logins {
		session.EndLogin(c.Tx, who, l.ID)
		n++
	}
	err = identity.OAuthCodes.Scan(c.Tx, "", func(key store.Key, code *identity.OAuthCode) bool {
		if s.sealedFor(c.Principal, code.AccessKeyID, code.Token) {
			c.Tx.Delete(key)
		}
		return true
	}, who)
	if err == nil && aws.ToBool(in.ForgetDevices) {
		err = authn.ForgetDevices(c.Tx, who)
	}
	return &EndAllBrowserSessionsOutput{Ended: aws.Int32(int32(n))}, err
}

// GetRecoveryCodes says how many recovery codes the caller has left; the codes themselves
// nobody knows.
func (s *Service) GetRecoveryCodes(c *service.Call, _ *GetRecoveryCodesInput) (*GetRecoveryCodesOutput, error) {
	codes, err := identity.RecoveryCodesOf.Get(c.Reader, c.Principal.ID)
	if errors.Is(err, store.ErrNotFound) || c.Principal.Kind != authn.User && c.Principal.Kind != authn.Root {
		return &GetRecoveryCodesOutput{Left: aws.Int32(0)}, nil
	}
	if err != nil {
		return nil, err
	}
	return &GetRecoveryCodesOutput{Left: aws.Int32(int32(len(codes.Digests))), Made: aws.Time(codes.Made)}, nil
}

// CreateRecoveryCodes makes the caller's recovery codes anew; those they had are worth
// nothing any more. They stand for an MFA device, so one must have been shown lately.
func (s *Service) CreateRecoveryCodes(c *service.Call, _ *CreateRecoveryCodesInput) (*CreateRecoveryCodesOutput, error) {
	if err := needFactor(c); err != nil {
		return nil, err
	}
	if c.Principal.Kind != authn.User && c.Principal.Kind != authn.Root {
		return nil, service.Invalid("Recovery codes are for IAM users and the root user.")
	}
	codes, err := authn.MakeRecoveryCodes(c.Tx, c.Principal.ID, c.Now.UTC().Truncate(time.Second), c.Rand)
	if err != nil {
		return nil, err
	}
	authn.ForgetFailures(c.Tx, authn.PurposeRecovery, c.Principal.ID)
	return &CreateRecoveryCodesOutput{RecoveryCodes: codes}, nil
}

// needFactor refuses who has not shown a second factor lately.
func needFactor(c *service.Call) error {
	if c.Principal.MFA && c.Now.Sub(c.Principal.MFATime) <= RecentFactor {
		return nil
	}
	return &service.Error{Code: "RecentFactorRequiredException", Status: http.StatusForbidden, Message: "Show your MFA device again: this takes a factor that was shown in the last 10 minutes."}
}

// CreateRecoveryLink makes a one-time link by which a user who lost their MFA devices comes
// in, with the password, and sets a new device up.
func (s *Service) CreateRecoveryLink(c *service.Call, in *CreateRecoveryLinkInput) (*CreateRecoveryLinkOutput, error) {
	console := s.config.ConsoleURL()
	if console == "" {
		return nil, service.Invalid("There is no console at this server: its owner starts it with --url.")
	}
	u, err := identity.FindUser(c.Reader, c.Scope.Account, *in.UserName)
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("The user with name %s cannot be found.", *in.UserName)
	}
	if err != nil {
		return nil, err
	}
	if c.Principal.Kind == authn.User && c.Principal.ID == u.ID {
		return nil, service.Invalid("Nobody makes a recovery link for themselves: ask another administrator, or use a recovery code.")
	}
	p, err := identity.FindPerson(c.Reader, u.ID)
	if err != nil {
		return nil, err
	}
	if p.Login() == nil {
		return nil, service.Invalid("The user %s has no password, and the link asks for it.", u.Name)
	}
	secret, link, err := authn.MakeLink(c.Tx, p, identity.LinkRecover, c.Principal.ARN, c.Now.UTC().Truncate(time.Second), c.Rand)
	if err != nil {
		return nil, err
	}
	c.Event.Resources = []audit.Resource{{ARN: p.ARN(), AccountID: c.Scope.Account, Type: "AWS::IAM::User"}}
	return &CreateRecoveryLinkOutput{RecoveryLink: aws.String(console + authn.LinkPath(p, secret)), Expires: &link.Expires}, nil
}

// onUser states that an operation acts on the user that it names.
func onUser(c *service.Call, in *CreateRecoveryLinkInput) ([]authz.Check, error) {
	u, err := identity.FindUser(c.Reader, c.Scope.Account, *in.UserName)
	if errors.Is(err, store.ErrNotFound) {
		return []authz.Check{authz.On(c.Scope.User("/", *in.UserName))}, nil
	}
	if err != nil {
		return nil, err
	}
	return []authz.Check{authz.On(u.ARN(c.Scope.Partition)).WithResourceTags(u.Tags)}, nil
}

// GetSignInRules returns the account's rules.
func (s *Service) GetSignInRules(c *service.Call, _ *GetSignInRulesInput) (*GetSignInRulesOutput, error) {
	rules, err := identity.SignInRulesOf.Get(c.Reader, c.Account())
	if errors.Is(err, store.ErrNotFound) {
		return &GetSignInRulesOutput{Rules: rulesOf(&identity.SignInRules{})}, nil
	}
	if err != nil {
		return nil, err
	}
	return &GetSignInRulesOutput{Rules: rulesOf(rules)}, nil
}

// PutSignInRules sets the account's rules. What is left out goes back to its default. Grace
// counts from when MFA was first required.
func (s *Service) PutSignInRules(c *service.Call, in *PutSignInRulesInput) (*PutSignInRulesOutput, error) {
	rules := &identity.SignInRules{GraceDays: int(aws.ToInt32(in.GraceDays)), RememberDays: int(aws.ToInt32(in.RememberDays))}
	if aws.ToBool(in.MFARequired) {
		rules.MFARequired = c.Now.UTC().Truncate(time.Second)
		if old, err := identity.SignInRulesOf.Get(c.Reader, c.Account()); err == nil && !old.MFARequired.IsZero() {
			rules.MFARequired = old.MFARequired
		} else if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	return &PutSignInRulesOutput{Rules: rulesOf(rules)}, identity.SignInRulesOf.Put(c.Tx, rules, c.Account())
}

func rulesOf(r *identity.SignInRules) *SignInRules {
	out := &SignInRules{MFARequired: aws.Bool(!r.MFARequired.IsZero()), GraceDays: aws.Int32(int32(r.GraceDays)), RememberDays: aws.Int32(int32(r.RememberDays))}
	if !r.MFARequired.IsZero() {
		out.Since = &r.MFARequired
	}
	return out
}
