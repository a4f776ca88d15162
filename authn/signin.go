package authn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/password"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// How long a sign-in may be on its way, and what it leaves behind.
const (
	signInLifetime = 5 * time.Minute
	enrolLifetime  = 15 * time.Minute // to find the phone, and to install an app on it

	deviceLifetime = 90 * 24 * time.Hour
	maxDevices     = 20 // known devices of one person
)

// maxTyped bounds what anybody types into a page, in bytes.
const maxTyped = 4 << 10

// SignIns signs people in: it judges passwords, codes and links one step after the other,
// keeps what is under way between the steps, and puts every attempt on record. It opens its
// own transactions. It knows nothing of pages: a step takes what was typed and yields an
// Outcome. It is safe for concurrent use.
//
// An attempt is counted as a failure before what was typed is looked at, in a transaction
// of its own, so that any number of attempts that arrive together are as many as one after
// the other.
type SignIns struct {
	SignInConfig
	mfa       MFA
	budgets   *budgets
	slow      *slow
	verifying chan struct{} // a token for each signature that is being verified
}

// SignInConfig is what SignIns needs.
type SignInConfig struct {
	Store     store.Store
	Ring      *keyring.Ring
	Sessions  *session.Codec
	Passwords *password.Hasher
	Trail     *audit.Trail
	Redact    *audit.Redactor
	// Keys runs the ceremonies of security keys; nil, or one that returns nil, where the
	// server's address is none at which browsers offer them.
	Keys   func() *WebAuthn
	Log    *slog.Logger
	Clock  func() time.Time
	Rand   io.Reader
	Region string
	// URL is the public address of the console.
	URL func() string
	// Admit tells whether a failure from an address may go into the trail of an account:
	// strangers must not fill it.
	Admit func(from netip.Addr, account arn.AccountID, now time.Time) bool
	// Observe, if set, is told how each attempt came out, for metrics.
	Observe func(Attempted)
	// DevicesPerPerson and DevicesPerAccount are the quotas of MFA devices.
	DevicesPerPerson, DevicesPerAccount int
}

// Attempted is how an attempt came out, for metrics.
type Attempted string

// The ways in which attempts come out.
const (
	AttemptSucceeded Attempted = "success"
	AttemptContinued Attempted = "continued" // right so far
	AttemptFailed    Attempted = "failure"
	AttemptThrottled Attempted = "throttled" // not looked at
	AttemptBusy      Attempted = "busy"      // not looked at
	AttemptSlowed    Attempted = "slowed"    // not looked at: there is an alarm
)

// Attempteds are all of them.
var Attempteds = []Attempted{AttemptSucceeded, AttemptContinued, AttemptFailed, AttemptThrottled, AttemptBusy, AttemptSlowed}

// NewSignIns makes the one that all browsers use.
func NewSignIns(c SignInConfig) *SignIns {
	if c.Observe == nil {
		c.Observe = func(Attempted) {}
	}
	if c.Keys == nil {
		c.Keys = func() *WebAuthn { return nil }
	}
	return &SignIns{SignInConfig: c, mfa: MFA{Ring: c.Ring}, budgets: newBudgets(), slow: newSlow(), verifying: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))}
}

// Visitor is a browser that wants in.
type Visitor struct {
	// Address is where it is; the zero Addr if that is not known, as behind a proxy.
	Address   netip.Addr
	UserAgent string
	TLS       *audit.TLSDetails // nil on plain HTTP
	// Devices is the cookie that says who has signed in from this browser before.
	Devices string
}

// Result says what became of a step.
type Result uint8

// The results.
const (
	// Refused: what was typed is not right, or not good enough; the same step can be tried
	// again. Message says why.
	Refused Result = iota
	// Wait: nothing was looked at; not before Until is it worth trying.
	Wait
	// Next: right so far. SignIn is the cookie of what is under way, Pending what it lacks.
	Next
	// SignedIn: Browser is the cookie of the browser session.
	SignedIn
	// StartAgain: what was under way has ended, or never was.
	StartAgain
)

// Outcome is what a step of signing in leads to.
type Outcome struct {
	Result  Result
	Message string // one or two plain sentences; empty for Next and SignedIn
	Until   time.Time

	SignIn  string // Next: the value of the cookie of the sign-in under way
	Pending *Pending

	Browser     string // SignedIn: the value of the cookie of the browser session
	Devices     string // SignedIn: the value of the cookie of known devices
	Destination string // SignedIn: a path within the console
	// RecoveryCodes are new ones, to be shown once: here and never again.
	RecoveryCodes []string
}

// Pending is a sign-in under way, as its page shows it.
type Pending struct {
	Step    identity.SignInStep
	Person  string // the user's name, or "root"
	Root    bool
	Account arn.AccountID
	Alias   string
	Expires time.Time
	// Devices and RecoveryCodes are what a second factor can be shown with.
	Devices       []OwnDevice
	RecoveryCodes bool
	// RememberDays is for how long the factor can be remembered in this browser; zero: not.
	RememberDays int
	// Expired: a new password is asked for because the old one is too old; else it was reset.
	Expired bool
	// MinPassword is how many characters a new password needs at least.
	MinPassword int
	// PasswordAsks is what else the rules ask of a new password, as a sentence, or empty.
	PasswordAsks string
	// Later is until when an enrolment can be put off; zero: it cannot.
	Later time.Time
	// Email, ClaimedAlias and PasswordSet are what a claim has so far; Chosen, that all are
	// settled.
	Chosen       bool
	Email        string
	ClaimedAlias string
	PasswordSet  bool
	// Recovering: the new device takes the place of those that the person had.
	Recovering bool
}

// OwnDevice is an MFA device of a person.
type OwnDevice struct {
	Key  string // tells it from the others
	Kind identity.DeviceKind
	Name string
}

// Sentences that are said in more than one place.
const (
	msgWrong = "That is not right: check the account, the name and the password."
	msgAgain = "This sign-in took too long, or was finished elsewhere. Start again."
	msgBusy  = "Many people are signing in at the moment. Try again in a few seconds."
)

func refused(message string) Outcome { return Outcome{Result: Refused, Message: message} }
func startAgain() Outcome            { return Outcome{Result: StartAgain, Message: msgAgain} }

func waitUntil(until, now time.Time, what string) Outcome {
	return Outcome{Result: Wait, Until: until, Message: fmt.Sprintf("Too many %s. Try again in %s.", what, about(until.Sub(now)))}
}

// about is a duration in words, rounded up.
func about(d time.Duration) string {
	unit := func(n int64, name string) string {
		if n == 1 {
			return "1 " + name
		}
		return fmt.Sprintf("%d %ss", n, name)
	}
	switch up := func(u time.Duration) int64 { return int64((d + u - 1) / u) }; {
	case d <= 90*time.Second:
		return unit(max(up(time.Second), 1), "second")
	case d <= 90*time.Minute:
		return unit(up(time.Minute), "minute")
	default:
		return unit(up(time.Hour), "hour")
	}
}

// Destination is a path within the console to go to after signing in, or "/" for anything
// that would lead elsewhere.
func Destination(path string) string {
	if len(path) > 2048 || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") ||
		strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return "/"
	}
	return path
}

func (s *SignIns) now() time.Time { return s.Clock().UTC().Truncate(time.Second) }

// progress is how far a sign-in has come.
type progress struct {
	factors     []identity.Factor
	factorTime  time.Time
	destination string
	device      string // key of the MFA device that was used
	remember    bool   // the person wants no second factor asked for in this browser
	later       bool   // the person puts enrolment off
	recovery    []string
}

func (g *progress) has(f identity.Factor) bool {
	for _, have := range g.factors {
		if have == f {
			return true
		}
	}
	return false
}

// second tells whether a second factor was shown.
func (g *progress) second() bool {
	return g.has(identity.ByTOTP) || g.has(identity.ByPasskey) || g.has(identity.ByRecovery)
}

func of(h *identity.SignIn) progress {
	return progress{factors: h.Factors, factorTime: h.FactorTime, destination: h.Destination}
}

// with is the progress with one more factor.
func (g progress) with(f identity.Factor, now time.Time) progress {
	g.factors = append(append([]identity.Factor(nil), g.factors...), f)
	if f != identity.ByPassword && f != identity.ByLink {
		g.factorTime = now
	}
	return g
}

// advance finds what a sign-in lacks and asks for it, or lets the person in.
func (s *SignIns) advance(tx store.Tx, v Visitor, p *identity.Person, g progress, now time.Time) (Outcome, error) {
	rules, err := signInRules(tx, p.Account.ID)
	if err != nil {
		return Outcome{}, err
	}
	if len(p.Devices()) > 0 && !g.second() && !g.has(identity.ByLink) {
		remembered, err := s.remembered(tx, v, p, rules, now)
		if err != nil {
			return Outcome{}, err
		}
		if !remembered {
			return s.ask(tx, v, p, g, identity.StepFactor, now)
		}
	}
	must, expired, err := mustChange(tx, p, now)
	if err != nil {
		return Outcome{}, err
	}
	if must && (g.has(identity.ByPassword) || !expired) { // who uses no password need not have a new one

		return s.ask(tx, v, p, g, identity.StepPassword, now)
	}
	if g.has(identity.ByLink) && !g.second() {
		return s.ask(tx, v, p, g, identity.StepEnrol, now)
	}
	if len(p.Devices()) == 0 && !g.second() {
		required, until := mustEnrol(p, rules)
		if required && !(g.later && now.Before(until)) {
			return s.ask(tx, v, p, g, identity.StepEnrol, now)
		}
	}
	return s.letIn(tx, v, p, g, now)
}

// mustEnrol tells whether a person needs an MFA device, and until when they can put it off.
func mustEnrol(p *identity.Person, rules *identity.SignInRules) (required bool, until time.Time) {
	if p.Root() {
		return true, time.Time{}
	}
	if rules.MFARequired.IsZero() {
		return false, time.Time{}
	}
	from := rules.MFARequired
	if login := p.Login(); login != nil && login.Created.After(from) {
		from = login.Created
	}
	return true, from.AddDate(0, 0, rules.GraceDays)
}

// mustChange tells whether a person needs a new password, and whether that is because the
// present one is too old.
func mustChange(r store.Reader, p *identity.Person, now time.Time) (must, expired bool, err error) {
	login := p.Login()
	if login == nil || p.Root() {
		return false, false, nil
	}
	policy, err := passwordPolicy(r, p.Account.ID)
	if err != nil {
		return false, false, err
	}
	expired = policy != nil && policy.MaxAge > 0 && !now.Before(login.Changed.AddDate(0, 0, int(policy.MaxAge)))
	return login.ResetRequired || expired, expired, nil
}

func signInRules(r store.Reader, account arn.AccountID) (*identity.SignInRules, error) {
	rules, err := identity.SignInRulesOf.Get(r, string(account))
	if errors.Is(err, store.ErrNotFound) {
		return &identity.SignInRules{}, nil
	}
	return rules, err
}

func passwordPolicy(r store.Reader, account arn.AccountID) (*identity.PasswordPolicy, error) {
	policy, err := identity.PasswordPolicies.Get(r, string(account))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return policy, err
}

// ask keeps what is under way until the person has done the next step. Each step has a new
// cookie, which is good for nothing else.
func (s *SignIns) ask(tx store.Tx, v Visitor, p *identity.Person, g progress, step identity.SignInStep, now time.Time) (Outcome, error) {
	h := &identity.SignIn{
		Account:     p.Account.ID,
		PersonID:    p.ID(),
		Step:        step,
		Factors:     g.factors,
		FactorTime:  g.factorTime,
		Stamp:       p.Stamp(),
		Created:     now,
		Expires:     now.Add(signInLifetime),
		Destination: g.destination,
	}
	if step == identity.StepEnrol || step == identity.StepClaim {
		h.Expires = now.Add(enrolLifetime)
	}
	if step == identity.StepFactor {
		if err := s.recordChallenge(tx, v, p, now); err != nil {
			return Outcome{}, err
		}
	}
	return s.keep(tx, p, h, now)
}

func (s *SignIns) keep(tx store.Tx, p *identity.Person, h *identity.SignIn, now time.Time) (Outcome, error) {
	cookie, err := drawSecret(s.Rand)
	if err != nil {
		return Outcome{}, err
	}
	if err := identity.SignIns.Put(tx, h, identity.Digest(cookie)); err != nil {
		return Outcome{}, err
	}
	pending, err := s.pending(tx, p, h, now)
	return Outcome{Result: Next, SignIn: cookie, Pending: pending}, err
}

// letIn makes the browser session.
func (s *SignIns) letIn(tx store.Tx, v Visitor, p *identity.Person, g progress, now time.Time) (Outcome, error) {
	ForgetFailures(tx, purposeChallenge, p.ID())
	if g.has(identity.ByPassword) {
		err := identity.EditPerson(tx, p, func(c identity.Credentials) { *c.LastUsed = now })
		if err != nil {
			return Outcome{}, err
		}
	}
	cookie, err := s.newBrowser(tx, v, p, g, now)
	if err != nil {
		return Outcome{}, err
	}
	devices, err := s.knowDevice(tx, v, p, g, now)
	if err != nil {
		return Outcome{}, err
	}
	if err := s.recordSuccess(tx, v, p, g, now); err != nil {
		return Outcome{}, err
	}
	return Outcome{Result: SignedIn, Browser: cookie, Devices: devices, Destination: Destination(g.destination), RecoveryCodes: g.recovery}, nil
}

func (s *SignIns) newBrowser(tx store.Tx, v Visitor, p *identity.Person, g progress, now time.Time) (cookie string, err error) {
	shown := g.factorTime
	if g.has(identity.ByPassword) && len(p.Devices()) == 0 {
		shown = now // a step-up could ask for nothing but what was just typed
	}
	return s.Sessions.NewBrowser(tx, s.sessionOf(p, &g), &identity.BrowserSession{
		Factors:    g.factors,
		FactorTime: shown,
		Address:    v.from(),
		UserAgent:  v.agent(),
	}, now, s.Rand)
}

// sessionOf is who is signed in, as the API is to know them.
func (s *SignIns) sessionOf(p *identity.Person, g *progress) *session.Session {
	sess := &session.Session{Kind: session.User, Account: p.Account.ID, PrincipalID: p.ID(), MFAKnown: true}
	if p.Root() {
		sess.Kind = session.Root
	}
	if g.second() {
		sess.MFA, sess.MFATime = true, g.factorTime
	}
	return sess
}

// open finds the sign-in under way of a cookie, which must be at that step. ok is false
// when there is none that is good.
func (s *SignIns) open(r store.Reader, cookie string, now time.Time, steps ...identity.SignInStep) (h *identity.SignIn, p *identity.Person, ok bool, err error) {
	if !wellFormedSecret(cookie) {
		return nil, nil, false, nil
	}
	h, err = identity.SignIns.Get(r, identity.Digest(cookie))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, false, nil
	}
	if err != nil {
		return nil, nil, false, err
	}
	for _, step := range steps {
		ok = ok || h.Step == step
	}
	if !ok || !now.Before(h.Expires) {
		return nil, nil, false, nil
	}
	p, err = identity.FindPerson(r, h.PersonID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, false, nil
	}
	if err != nil {
		return nil, nil, false, err
	}
	return h, p, identity.SameDigest(h.Stamp, p.Stamp()), nil
}

// step runs one step of a sign-in under way in a transaction. do uses the sign-in up by
// what it returns: one that led on is gone, one that was refused stays.
func (s *SignIns) step(ctx context.Context, cookie string, do func(tx store.Tx, h *identity.SignIn, p *identity.Person, now time.Time) (Outcome, error), steps ...identity.SignInStep) (Outcome, error) {
	var out Outcome
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		now := s.now()
		h, p, ok, err := s.open(tx, cookie, now, steps...)
		if err != nil {
			return err
		}
		if !ok {
			out = startAgain()
			return nil
		}
		if out, err = do(tx, h, p, now); err != nil {
			return err
		}
		if out.Result == Next || out.Result == SignedIn || out.Result == StartAgain {
			identity.SignIns.Delete(tx, identity.Digest(cookie))
		}
		return nil
	})
	if err != nil {
		return Outcome{}, fmt.Errorf("sign-in: %w", err)
	}
	s.observe(out)
	return out, nil
}

func (s *SignIns) observe(out Outcome) {
	switch out.Result {
	case SignedIn:
		s.Observe(AttemptSucceeded)
	case Next:
		s.Observe(AttemptContinued)
	case Wait:
		s.Observe(AttemptThrottled)
	case Refused:
		s.Observe(AttemptFailed)
	}
}

// Pending shows the sign-in under way of a cookie, if there is one that is good.
func (s *SignIns) Pending(ctx context.Context, cookie string) (pending *Pending, err error) {
	now := s.now()
	err = s.Store.View(ctx, func(r store.Reader) error {
		h, p, ok, err := s.open(r, cookie, now, identity.StepFactor, identity.StepPassword, identity.StepEnrol, identity.StepClaim, identity.StepRecover)
		if err != nil || !ok {
			return err
		}
		pending, err = s.pending(r, p, h, now)
		return err
	})
	return pending, err
}

func (s *SignIns) pending(r store.Reader, p *identity.Person, h *identity.SignIn, now time.Time) (*Pending, error) {
	g := of(h)
	out := &Pending{
		Step:    h.Step,
		Person:  p.Name(),
		Root:    p.Root(),
		Account: p.Account.ID,
		Alias:   p.Account.Alias,
		Expires: h.Expires,
	}
	rules, err := signInRules(r, p.Account.ID)
	if err != nil {
		return nil, err
	}
	switch h.Step {
	case identity.StepFactor:
		out.RememberDays = rules.RememberDays
		if out.Devices, err = ownDevices(r, p); err != nil {
			return nil, err
		}
		codes, err := recoveryCodes(r, p.ID())
		if err != nil {
			return nil, err
		}
		out.RecoveryCodes = len(codes.Digests) > 0
	case identity.StepPassword:
		if _, out.Expired, err = mustChange(r, p, now); err != nil {
			return nil, err
		}
		if out.MinPassword, out.PasswordAsks, err = minPassword(r, p, s.willHaveMFA(p, rules)); err != nil {
			return nil, err
		}
	case identity.StepEnrol:
		out.Recovering = g.has(identity.ByLink)
		if _, until := mustEnrol(p, rules); !out.Recovering && now.Before(until) {
			out.Later = until
		}
	case identity.StepClaim:
		out.Email = p.Account.RootEmail
		if h.Claim != nil {
			out.Chosen, out.Email, out.ClaimedAlias, out.PasswordSet = true, h.Claim.Email, h.Claim.Alias, h.Claim.Password != nil
		}
		if out.MinPassword, out.PasswordAsks, err = minPassword(r, p, true); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// EnrolLater puts the enrolment of a first MFA device off, where the account's rules let the
// person do that.
func (s *SignIns) EnrolLater(ctx context.Context, v Visitor, cookie string) (Outcome, error) {
	return s.step(ctx, cookie, func(tx store.Tx, h *identity.SignIn, p *identity.Person, now time.Time) (Outcome, error) {
		g := of(h)
		g.later = true
		rules, err := signInRules(tx, p.Account.ID)
		if err != nil {
			return Outcome{}, err
		}
		if _, until := mustEnrol(p, rules); g.has(identity.ByLink) || !now.Before(until) {
			return refused("An MFA device is needed to sign in. It cannot be put off any longer."), nil
		}
		return s.advance(tx, v, p, g, now)
	}, identity.StepEnrol)
}

// Reset forgets what is counted in memory, as at a start.
func (s *SignIns) Reset() {
	s.budgets.reset()
	s.slow.reset()
}

// Sweep removes what was under way and has ended, and browser sessions and known devices
// that are over.
func (s *SignIns) Sweep(ctx context.Context) error {
	now := s.now()
	return s.Store.Update(ctx, func(tx store.Tx) error {
		return errors.Join(
			sweep(tx, identity.SignIns, func(h *identity.SignIn) time.Time { return h.Expires }, now),
			sweep(tx, identity.OneTimeLinks, func(l *identity.OneTimeLink) time.Time { return l.Expires }, now),
			sweep(tx, identity.KnownDevices, func(d *identity.KnownDevice) time.Time { return d.Expires }, now),
			sweep(tx, identity.BrowserSessions, func(b *identity.BrowserSession) time.Time {
				if idle := b.LastSeen.Add(session.BrowserIdle); idle.Before(b.Expires) {
					return idle
				}
				return b.Expires
			}, now),
			spentNetworks.sweep(tx, now),
		)
	})
}

func sweep[T any](tx store.Tx, table store.Table[T], ends func(*T) time.Time, now time.Time) error {
	return table.Scan(tx, "", func(key store.Key, v *T) bool {
		if !now.Before(ends(v)) {
			tx.Delete(key)
			if table.Kind == store.KnownDevice || table.Kind == store.SignIn {
				ForgetFailures(tx, PurposeDevice, key.Last())
			}
		}
		return true
	})
}
