package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/store"
)

// The tables of what signing in leaves behind. A person is known by PersonID: the unique
// id of the user, the account id for root; a role session or federated user in the
// console by the id of the role or issuer, ":" and the session's name. Secrets that a
// browser or a person keeps are in keys and records as digests only (see Digest).
var (
	BrowserSessions = store.Table[BrowserSession]{Kind: store.BrowserSession} // person id, digest of the cookie's secret
	SignIns         = store.Table[SignIn]{Kind: store.SignIn}                 // digest of the cookie's secret
	OneTimeLinks    = store.Table[OneTimeLink]{Kind: store.OneTimeLink}       // digest of the link's secret
	RecoveryCodesOf = store.Table[RecoveryCodes]{Kind: store.RecoveryCodes}   // person id
	KnownDevices    = store.Table[KnownDevice]{Kind: store.KnownDevice}       // person id, digest of the cookie's secret
	PersonStates    = store.Table[PersonState]{Kind: store.PersonState}       // principal id, session name or empty, name of the state
	SignInRulesOf   = store.Table[SignInRules]{Kind: store.SignInRules}       // account
)

// RootEmails finds the account of a root user by the e-mail address, which is unique in
// the installation.
var RootEmails = store.Table[Alias]{Kind: store.RootEmail} // folded e-mail address

// Factor is a way in which a person proved who they are.
type Factor string

// The factors. A passkey with user verification is two factors in one.
const (
	ByPassword Factor = "password"
	ByTOTP     Factor = "totp"     // a code of an authenticator app or hardware token
	ByPasskey  Factor = "passkey"  // a FIDO security key or passkey
	ByRecovery Factor = "recovery" // a recovery code
	ByLink     Factor = "link"     // a one-time link
)

// BrowserSession is a browser in which somebody is signed in. It is valid until Expires,
// while it is used at least once in the idle time, and while Stamp is what SignInStamp says
// of its person; session.OpenBrowser is the judge.
type BrowserSession struct {
	Account  arn.AccountID `json:"account"`
	PersonID string        `json:"person"`
	Created  time.Time     `json:"created"`
	LastSeen time.Time     `json:"seen"` // to the minute
	Expires  time.Time     `json:"expires"`
	// Stamp is SignInStamp of the person when they signed in; empty for role sessions and
	// federated users, who have no sign-in of their own.
	Stamp string `json:"stamp,omitempty"`
	// Factors are those that were shown at sign-in, and since when the newest second
	// factor is good: what asks for a recent one looks at FactorTime.
	Factors    []Factor  `json:"factors,omitempty"`
	FactorTime time.Time `json:"factorTime,omitzero"`
	// AccessKeyID and Token are the temporary credentials with which the console calls the
	// API for the person. Their secret is derived and stored nowhere.
	AccessKeyID string `json:"key"`
	Token       string `json:"token"`
	// Address and UserAgent are those of the sign-in.
	Address   string `json:"address,omitempty"`
	UserAgent string `json:"agent,omitempty"`
	// Issuer is the sign-in page of an identity broker, of federated console sessions.
	Issuer string `json:"issuer,omitempty"`
	// Switched is the role that the person has switched to; nil while they are themselves.
	Switched *SwitchedRole `json:"switched,omitempty"`
}

// SwitchedRole is a role as which somebody works in the console.
type SwitchedRole struct {
	Account     arn.AccountID `json:"account"`
	Role        string        `json:"role"` // path and name
	DisplayName string        `json:"display,omitempty"`
	Colour      string        `json:"colour,omitempty"`
	// Until is when it ends at the latest, however often its session is renewed.
	Until time.Time `json:"until"`
	// AccessKeyID and Token are those of the role's session, which lasts until Expires. Its
	// secret is derived, as that of the person's.
	AccessKeyID string    `json:"key"`
	Token       string    `json:"token"`
	Expires     time.Time `json:"expires"`
}

// SignInStep is what a sign-in lacks.
type SignInStep string

// The steps, in the order in which they are asked for.
const (
	StepFactor   SignInStep = "factor"   // the second factor
	StepPassword SignInStep = "password" // a new password: the old one was reset or is too old
	StepEnrol    SignInStep = "enrol"    // a first MFA device, which the account or root's safety asks for
	StepClaim    SignInStep = "claim"    // root's sign-in is being set up
	StepRecover  SignInStep = "recover"  // the password, of who came by a recovery link
)

// SignIn is a sign-in on its way: somebody showed a password, or opened a one-time link, and
// something is lacking. It is good for that next step and for nothing else, for five minutes
// (a claim and an enrolment for fifteen).
type SignIn struct {
	Account     arn.AccountID `json:"account"`
	PersonID    string        `json:"person"`
	Step        SignInStep    `json:"step"`
	Factors     []Factor      `json:"factors,omitempty"` // shown so far
	FactorTime  time.Time     `json:"factorTime,omitzero"`
	Stamp       string        `json:"stamp"` // SignInStamp when it began: a change ends it
	Created     time.Time     `json:"created"`
	Expires     time.Time     `json:"expires"`
	Destination string        `json:"to,omitempty"` // path within the console
	// Device is the key of the virtual MFA device that is being set up, and Seed its seed,
	// sealed as in the device that it will be: until its codes were shown it exists nowhere
	// else. Ceremony is the WebAuthn ceremony under way.
	Device   string `json:"device,omitempty"`
	Seed     []byte `json:"seed,omitempty"`
	Ceremony []byte `json:"ceremony,omitempty"`
	// Claim is what root chose so far; it is set with the first MFA device, all at once.
	Claim *Claim `json:"claim,omitempty"`
}

// Claim is how a root user will sign in.
type Claim struct {
	Email    string        `json:"email"`
	Alias    string        `json:"alias,omitempty"`
	Password *LoginProfile `json:"password,omitempty"` // nil for who will have a passkey alone
}

// LinkPurpose is what a one-time link is for.
type LinkPurpose string

// The purposes.
const (
	LinkClaim   LinkPurpose = "claim"   // set up root's sign-in; made on the host only
	LinkRecover LinkPurpose = "recover" // sign in without the lost factor, and enrol a new one
)

// OneTimeLink lets one person in once.
type OneTimeLink struct {
	Account  arn.AccountID `json:"account"`
	PersonID string        `json:"person"`
	Purpose  LinkPurpose   `json:"purpose"`
	Created  time.Time     `json:"created"`
	Expires  time.Time     `json:"expires"`
	By       string        `json:"by"`    // ARN of who made it, or the login name on the host
	Stamp    string        `json:"stamp"` // SignInStamp when it was made: a change ends it
}

// RecoveryCodes are what opens a person's account when the MFA devices are lost: each once.
type RecoveryCodes struct {
	Made    time.Time `json:"made"`
	Digests []string  `json:"digests"` // of the codes that are left
}

// KnownDevice is a browser in which a person has signed in with all factors. From it they
// are let try although others' failures throttle their name, and it may stand for the second
// factor where the account's rules allow.
type KnownDevice struct {
	Created   time.Time `json:"created"`
	LastSeen  time.Time `json:"seen"`
	Expires   time.Time `json:"expires"`
	Stamp     string    `json:"stamp"`             // SignInStamp: a change forgets the device
	Remember  time.Time `json:"remember,omitzero"` // until when no second factor is asked for
	Address   string    `json:"address,omitempty"`
	UserAgent string    `json:"agent,omitempty"`
}

// PersonState is something that the console keeps for a person: the progress of a
// checklist, a draft of an access plan, preferences.
type PersonState struct {
	Changed time.Time `json:"changed"`
	Value   []byte    `json:"value"` // JSON of whoever owns the name
}

// SignInRules are an account's rules for signing in. The zero value is the default: MFA is
// asked of who has a device, and of root.
type SignInRules struct {
	// MFARequired is since when everybody with a password must have an MFA device; zero if
	// they need not. For GraceDays after it, or after their password was made, people can
	// put it off.
	MFARequired time.Time `json:"mfaRequired,omitzero"`
	GraceDays   int       `json:"graceDays,omitempty"`
	// RememberDays is for how many days a browser may stand for the second factor; zero
	// means never.
	RememberDays int `json:"rememberDays,omitempty"`
}

// SignInStamp is a digest of what a user signs in with: the password and the MFA devices.
// A browser session whose stamp differs has ended: changing either, or disabling the
// user's sign-in, ends it without anybody having to remember to.
func (u *User) SignInStamp() string { return signInStamp(u.Login, u.MFA) }

// RootStamp is SignInStamp of the root user.
func (a *Account) RootStamp() string { return signInStamp(a.RootLogin, a.RootMFA) }

func signInStamp(login *LoginProfile, devices []EnabledDevice) string {
	h := sha256.New()
	if login != nil {
		io.WriteString(h, login.Hash)
	}
	for _, d := range devices {
		io.WriteString(h, "\x00"+d.Serial+"\x00"+d.Enabled.UTC().Format(time.RFC3339Nano))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

// Digest is what is kept of a secret with at least 80 bits of chance in it: a fast hash is
// enough for what nobody can guess.
func Digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// SameDigest compares digests in constant time.
func SameDigest(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
