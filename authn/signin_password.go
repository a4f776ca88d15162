package authn

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/password"
	"github.com/lanyard-iam/lanyard/store"
)

// PasswordSignIn is what the first page asks for: an account and a user's name, or the
// e-mail address of a root user.
type PasswordSignIn struct {
	Account string // id or alias; unused with Email
	User    string
	Email   string
	// Password is as it was typed.
	Password    string
	Destination string
}

// name is who is meant, in the one spelling by which attempts are counted: however it is
// typed, it is the same.
type name struct{ account, user, email string }

const maxName = 320 // an e-mail address; names of accounts and users are shorter

// canonical is the text of a name without what people add and programs confuse: spaces
// around it, case, and other characters for the same ones.
func canonical(typed string) string {
	if len(typed) > maxTyped {
		return ""
	}
	text := identity.Fold(strings.TrimSpace(norm.NFKC.String(typed)))
	if len(text) > maxName || strings.ContainsFunc(text, unicode.IsControl) {
		return ""
	}
	return text
}

func (in *PasswordSignIn) name() name {
	if in.Email != "" {
		return name{email: canonical(in.Email)}
	}
	n := name{account: canonical(in.Account), user: canonical(in.User)}
	// People write account ids in groups: 1111-2222-3333.
	if id := strings.ReplaceAll(n.account, "-", ""); len(id) == 12 && strings.Trim(id, "0123456789") == "" {
		n.account = id
	}
	return n
}

// counted is the text by which attempts at a name are counted that nobody has: whichever name
// of the account was typed, as for a name that somebody has.
func (n name) counted(account arn.AccountID) string {
	if account != "" {
		n.account = string(account)
	}
	return n.account + "\x00" + n.user + "\x00" + n.email
}

// find finds who has a name. p is nil if nobody has; account is then the one in whose
// trail the attempt belongs, if there is such.
func (n name) find(r store.Reader) (p *identity.Person, account arn.AccountID, err error) {
	if n.email != "" {
		found, err := identity.RootEmails.Get(r, n.email)
		if errors.Is(err, store.ErrNotFound) {
			return nil, "", nil
		}
		if err != nil {
			return nil, "", err
		}
		p, err = identity.FindPerson(r, string(found.Account))
		return p, found.Account, err
	}
	id := n.account
	if alias, err := identity.Aliases.Get(r, n.account); err == nil {
		id = string(alias.Account)
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, "", err
	}
	home, err := identity.Accounts.Get(r, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	u, err := identity.FindUser(r, home.ID, n.user)
	if errors.Is(err, store.ErrNotFound) {
		return nil, home.ID, nil
	}
	if err != nil {
		return nil, "", err
	}
	return &identity.Person{Account: home, User: u}, home.ID, nil
}

// Password is the first step: a name and a password. For a name that nobody has, one of
// somebody without a password, and a wrong password the answer is the same, and so is the
// work.
func (s *SignIns) Password(ctx context.Context, v Visitor, in PasswordSignIn) (Outcome, error) {
	n := in.name()
	return s.byPassword(ctx, v, attempt{name: n, find: n.find, password: in.Password},
		func(tx store.Tx, p *identity.Person, now time.Time) (Outcome, error) {
			g := progress{destination: Destination(in.Destination)}
			return s.advance(tx, v, p, g.with(identity.ByPassword, now), now)
		})
}

// RecoverPassword is the step after a recovery link was opened: the person's password.
func (s *SignIns) RecoverPassword(ctx context.Context, v Visitor, cookie, text string) (Outcome, error) {
	var id string
	err := s.Store.View(ctx, func(r store.Reader) error {
		_, p, ok, err := s.open(r, cookie, s.now(), identity.StepRecover)
		if ok {
			id = p.ID()
		}
		return err
	})
	if err != nil || id == "" {
		return startAgain(), err
	}
	// Counted for the link alone: it is there for who was shut out by others' guesses, too.
	return s.byPassword(ctx, v, attempt{find: person(id), password: text, link: identity.Digest(cookie)},
		func(tx store.Tx, _ *identity.Person, now time.Time) (Outcome, error) {
			h, p, ok, err := s.open(tx, cookie, now, identity.StepRecover)
			if err != nil || !ok || p.ID() != id {
				return startAgain(), err
			}
			identity.SignIns.Delete(tx, identity.Digest(cookie))
			return s.advance(tx, v, p, of(h).with(identity.ByPassword, now), now)
		})
}

// person finds somebody who is known already.
func person(id string) func(store.Reader) (*identity.Person, arn.AccountID, error) {
	return func(r store.Reader) (*identity.Person, arn.AccountID, error) {
		p, err := identity.FindPerson(r, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil, "", nil
		}
		if err != nil {
			return nil, "", err
		}
		return p, p.Account.ID, nil
	}
}

// attempt is one at a password.
type attempt struct {
	name     name   // that was typed; empty if the person is known
	link     string // digest of the sign-in by a recovery link in which it is made, or empty
	inside   bool   // by who is signed in
	find     func(store.Reader) (*identity.Person, arn.AccountID, error)
	password string

	// What is found of it.
	person  *identity.Person // nil for a stranger
	account arn.AccountID
	device  string // digest of the known device, or the link, for which the attempt is counted
	hash    string // what the password is compared with
}

// byPassword looks at a password, and goes on with then if it is right.
func (s *SignIns) byPassword(ctx context.Context, v Visitor, a attempt, then func(store.Tx, *identity.Person, time.Time) (Outcome, error)) (Outcome, error) {
	if len(a.password) > maxTyped {
		s.Observe(AttemptFailed)
		return refused(msgWrong), nil
	}
	now := s.now()
	// Who has to wait is told without taking a turn.
	var waits Outcome
	slowed := false
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		if waits, err = s.mayTry(r, v, &a, now); err == nil {
			slowed, err = takesTurn(r, &a, now)
		}
		return err
	})
	if err != nil {
		return Outcome{}, fmt.Errorf("sign-in: %w", err)
	}
	if waits.Result == Wait {
		s.Observe(AttemptThrottled)
		return waits, nil
	}
	if slowed {
		if until := s.slow.take(now); !until.IsZero() {
			s.Observe(AttemptSlowed)
			return Outcome{Result: Wait, Until: until, Message: "Try again in " + about(until.Sub(now)) + ": " + msgSlow + "."}, nil
		}
	}
	giveBack := func() {}
	if a.device == "" {
		var until time.Time
		if giveBack, until, err = s.spend(ctx, v.Address, now); err != nil {
			return Outcome{}, fmt.Errorf("sign-in: %w", err)
		}
		if giveBack == nil {
			s.Observe(AttemptThrottled)
			return waitUntil(until, now, "failed sign-ins from your network"), nil
		}
	}
	right, rehashed, waits, err := s.compare(ctx, v, &a, now)
	if err != nil {
		return Outcome{}, fmt.Errorf("sign-in: %w", err)
	}
	if waits.Result == Wait {
		giveBack()
		return waits, nil
	}
	if !right {
		s.Observe(AttemptFailed)
		s.offerFailure(v, &a, now)
		return refused(msgWrong), nil
	}
	giveBack()
	var out Outcome
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		p, err := identity.FindPerson(tx, a.person.ID())
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err != nil || p.Login() == nil || p.Login().Hash != a.hash {
			out = refused(msgWrong) // changed while we looked
			return nil
		}
		if err := s.forgive(tx, &a, now); err != nil {
			return err
		}
		if rehashed != "" {
			if err := restamp(tx, p, a.link, func(c identity.Credentials) { (*c.Login).Hash = rehashed }); err != nil {
				return err
			}
		}
		if hard, err := hardExpired(tx, p, now); err != nil {
			return err
		} else if hard {
			out = refused("Your password has expired. An administrator must set a new one.")
			return s.recordFailure(tx, v, p, false, now)
		}
		out, err = then(tx, p, now)
		return err
	})
	if err != nil {
		return Outcome{}, fmt.Errorf("sign-in: %w", err)
	}
	s.observe(out)
	return out, nil
}

// mayTry finds whom an attempt is for and whether it may be looked at.
func (s *SignIns) mayTry(r store.Reader, v Visitor, a *attempt, now time.Time) (Outcome, error) {
	var err error
	a.hash, a.device = "", ""
	if a.person, a.account, err = a.find(r); err != nil {
		return Outcome{}, err
	}
	purpose, who := unknownNames.purpose, ""
	if a.person == nil {
		who = s.unknown(a)
	} else {
		if login := a.person.Login(); login != nil {
			a.hash = login.Hash
		}
		if a.device = a.link; a.link == "" {
			if a.device, err = knownDevice(r, v, a.person, now); err != nil {
				return Outcome{}, err
			}
		}
		purpose, who = a.countedFor()
	}
	t, err := throttleOf(r, purpose, who)
	if err != nil {
		return Outcome{}, err
	}
	return mustWait(*t, now), nil
}

// mustWait is what a person is told for whom so much was counted.
func mustWait(t identity.Throttle, now time.Time) Outcome {
	switch {
	case t.Failures >= maxPasswordFailures:
		return Outcome{Result: Wait, Message: "Too many wrong passwords. This sign-in is closed until an administrator sets a new password, or the owner of the host recovers it."}
	case now.Before(t.Until):
		return waitUntil(t.Until, now, "wrong passwords for this name")
	}
	return Outcome{}
}

func (a *attempt) countedFor() (Purpose, string) {
	if a.device != "" {
		return PurposeDevice, a.device
	}
	return PurposePassword, a.person.ID()
}

// forgive forgets the failures, after a right password.
func (s *SignIns) forgive(tx store.Tx, a *attempt, now time.Time) error {
	purpose, who := a.countedFor()
	ForgetFailures(tx, purpose, who)
	if !a.apart() {
		return nil
	}
	return forgiveSpray(tx, now)
}

// apart tells whether nothing is known of where an attempt comes from.
func (a *attempt) apart() bool { return a.device == "" && !a.inside }

// compare counts an attempt and then looks at the password. rehashed is a hash of it at
// today's cost, if the stored one is of another.
func (s *SignIns) compare(ctx context.Context, v Visitor, a *attempt, now time.Time) (right bool, rehashed string, waits Outcome, err error) {
	turn, err := s.Passwords.Turn(ctx)
	if errors.Is(err, password.ErrBusy) {
		s.Observe(AttemptBusy)
		return false, "", Outcome{Result: Wait, Until: now.Add(5 * time.Second), Message: msgBusy}, nil
	}
	if err != nil {
		return false, "", Outcome{}, err
	}
	defer turn.Done()
	begun := false
	err = s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if waits, err = s.mayTry(tx, v, a, now); err != nil || waits.Result == Wait {
			return err
		}
		if begun = false; a.apart() {
			if begun, err = s.countSpray(tx, now); err != nil {
				return err
			}
		}
		if a.person != nil {
			purpose, who := a.countedFor()
			return CountFailure(tx, purpose, who, now)
		}
		who := s.unknown(a)
		t, err := throttleOf(tx, unknownNames.purpose, who)
		if err != nil {
			return err
		}
		failed := failure(*t, 1, now)
		return unknownNames.put(tx, &failed, who)
	})
	if err != nil || waits.Result == Wait {
		s.Observe(AttemptThrottled)
		return false, "", waits, err
	}
	if begun {
		s.warnOfSpray()
	}
	if a.hash == "" {
		turn.Pretend(a.password)
		return false, "", Outcome{}, nil
	}
	right, err = turn.Matches(a.password, a.hash)
	if err != nil {
		return false, "", Outcome{}, fmt.Errorf("password of %s: %w", a.person.ARN(), err)
	}
	if right && turn.Outdated(a.hash) {
		rehashed, err = turn.Hash(a.password, s.Rand)
	}
	return right, rehashed, Outcome{}, err
}

// hardExpired tells whether a password is too old and the account's policy has only an
// administrator set a new one.
func hardExpired(r store.Reader, p *identity.Person, now time.Time) (bool, error) {
	policy, err := passwordPolicy(r, p.Account.ID)
	if err != nil || policy == nil || !policy.HardExpiry {
		return false, err
	}
	_, expired, err := mustChange(r, p, now)
	return expired, err
}

// restamp changes what a person signs in with without ending anything that goes on with what
// they signed in with before: the change is ours and not theirs. link is the digest of the
// sign-in under way in which it happens, if it is by a link.
func restamp(tx store.Tx, p *identity.Person, link string, edit func(identity.Credentials)) error {
	before := p.Stamp()
	if err := identity.EditPerson(tx, p, edit); err != nil {
		return err
	}
	after := p.Stamp()
	errs := []error{
		renewStamps(tx, identity.BrowserSessions, func(b *identity.BrowserSession) *string { return &b.Stamp }, before, after, p.ID()),
		renewStamps(tx, identity.KnownDevices, func(d *identity.KnownDevice) *string { return &d.Stamp }, before, after, p.ID()),
		renewStamps(tx, identity.OAuthGrants, func(g *identity.OAuthGrant) *string { return &g.Stamp }, before, after, p.ID()),
		renewStamps(tx, identity.OAuthCodes, func(c *identity.OAuthCode) *string { return &c.Stamp }, before, after, p.ID()),
		renewStamps(tx, identity.OneTimeLinks, func(l *identity.OneTimeLink) *string { return &l.Stamp }, before, after), // few wait
	}
	err := identity.SignIns.Edit(tx, func(h *identity.SignIn) error {
		if h.Stamp == before {
			h.Stamp = after
		}
		return nil
	}, link)
	if !errors.Is(err, store.ErrNotFound) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// renewStamps replaces a stamp in the records under a prefix.
func renewStamps[T any](tx store.Tx, table store.Table[T], of func(*T) *string, before, after string, prefix ...string) error {
	var failed error
	err := table.Scan(tx, "", func(key store.Key, record *T) bool {
		if *of(record) == before {
			failed = table.Edit(tx, func(record *T) error {
				*of(record) = after
				return nil
			}, key.Parts()...)
		}
		return failed == nil
	}, prefix...)
	return errors.Join(err, failed)
}

// SetPassword is the step in which somebody whose password was reset, or is too old, sets
// a new one. It ends their other browser sessions.
func (s *SignIns) SetPassword(ctx context.Context, v Visitor, cookie, text string) (Outcome, error) {
	var chosen chosenPassword
	var early Outcome
	now := s.now()
	err := s.Store.View(ctx, func(r store.Reader) error {
		_, p, ok, err := s.open(r, cookie, now, identity.StepPassword)
		if err != nil {
			return err
		}
		if !ok {
			early = startAgain()
			return nil
		}
		rules, err := signInRules(r, p.Account.ID)
		if err != nil {
			return err
		}
		why, err := unfit(r, p, text, s.willHaveMFA(p, rules))
		if why != "" {
			early = refused(why)
			return err
		}
		chosen.login = p.Login()
		policy, err := passwordPolicy(r, p.Account.ID)
		chosen.earlier = EarlierPasswords(chosen.login, policy)
		if chosen.earlier == nil && chosen.login != nil {
			// Whatever the account's rules: somebody else knows it, or it is too old.
			chosen.earlier = []string{chosen.login.Hash}
		}
		return err
	})
	if err != nil || early.Message != "" {
		return early, err
	}
	if busy, err := s.hash(ctx, text, &chosen); err != nil || busy.Message != "" {
		return busy, err
	}
	if chosen.reused {
		return refused("You have this password, or had it before. Choose another one."), nil
	}
	return s.step(ctx, cookie, func(tx store.Tx, h *identity.SignIn, p *identity.Person, now time.Time) (Outcome, error) {
		if p.Login() == nil || p.Login().Hash != chosen.login.Hash {
			return startAgain(), nil
		}
		if err := identity.EditPerson(tx, p, func(c identity.Credentials) { Replace(*c.Login, chosen.hash, now) }); err != nil {
			return Outcome{}, err
		}
		if err := s.recordNewPassword(tx, v, p, now); err != nil {
			return Outcome{}, err
		}
		return s.advance(tx, v, p, of(h), now)
	}, identity.StepPassword)
}

// chosenPassword is what was found out about a new password before the transaction.
type chosenPassword struct {
	login   *identity.LoginProfile // at the time
	earlier []string
	hash    string
	reused  bool
}

// hash compares a new password with the earlier ones and hashes it.
func (s *SignIns) hash(ctx context.Context, text string, c *chosenPassword) (busy Outcome, err error) {
	turn, err := s.Passwords.Turn(ctx)
	if errors.Is(err, password.ErrBusy) {
		s.Observe(AttemptBusy)
		return Outcome{Result: Wait, Until: s.now().Add(5 * time.Second), Message: msgBusy}, nil
	}
	if err != nil {
		return Outcome{}, err
	}
	defer turn.Done()
	for _, hash := range c.earlier {
		same, err := turn.Matches(text, hash)
		if err != nil {
			return Outcome{}, fmt.Errorf("an earlier password: %w", err)
		}
		c.reused = c.reused || same
	}
	c.hash, err = turn.Hash(text, s.Rand)
	return Outcome{}, err
}
