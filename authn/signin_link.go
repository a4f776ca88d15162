package authn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"regexp"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// LinkLifetime is how long a one-time link works.
const LinkLifetime = 15 * time.Minute

// MakeLink makes a one-time link for a person and ends those that they had. It returns the
// secret, which belongs behind the # of the address, where no server or proxy sees it. Who
// may do this, and the record of it, are the caller's.
func MakeLink(tx store.Tx, p *identity.Person, purpose identity.LinkPurpose, by string, now time.Time, rand io.Reader) (secret string, link *identity.OneTimeLink, err error) {
	err = identity.OneTimeLinks.Scan(tx, "", func(key store.Key, l *identity.OneTimeLink) bool {
		if l.PersonID == p.ID() || !now.Before(l.Expires) {
			tx.Delete(key)
		}
		return true
	})
	if err != nil {
		return "", nil, err
	}
	if secret, err = drawCode(rand); err != nil {
		return "", nil, err
	}
	link = &identity.OneTimeLink{
		Account:  p.Account.ID,
		PersonID: p.ID(),
		Purpose:  purpose,
		Created:  now,
		Expires:  now.Add(LinkLifetime),
		By:       by,
		Stamp:    p.Stamp(),
	}
	return secret, link, identity.OneTimeLinks.Put(tx, link, identity.Digest(secret))
}

// OpenLink uses a one-time link up. What it opens is a sign-in under way: a claim of root,
// or a recovery, which still asks for the password.
func (s *SignIns) OpenLink(ctx context.Context, v Visitor, typed string) (Outcome, error) {
	now := s.now()
	const gone = "This link is not good any more: it works once, for 15 minutes. Have a new one made."
	giveBack, until, err := s.spend(ctx, v.Address, now)
	if err != nil {
		return Outcome{}, fmt.Errorf("open a link: %w", err)
	}
	if giveBack == nil {
		s.Observe(AttemptThrottled)
		return waitUntil(until, now, "failed sign-ins from your network"), nil
	}
	code, ok := readCode(typed)
	if !ok {
		s.Observe(AttemptFailed)
		return refused(gone), nil
	}
	var out Outcome
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		out = refused(gone)
		link, err := identity.OneTimeLinks.Get(tx, identity.Digest(code))
		if errors.Is(err, store.ErrNotFound) || err == nil && !now.Before(link.Expires) {
			return nil
		}
		if err != nil {
			return err
		}
		identity.OneTimeLinks.Delete(tx, identity.Digest(code))
		p, err := identity.FindPerson(tx, link.PersonID)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if !identity.SameDigest(link.Stamp, p.Stamp()) {
			return nil
		}
		e, err := s.eventOf(v, p, "PasswordRecoveryRequested", now)
		if err != nil {
			return err
		}
		if e.Additional, err = json.Marshal(map[string]string{"linkPurpose": string(link.Purpose), "linkMadeBy": link.By}); err != nil {
			return err
		}
		e.SetSignIn("")
		if err := s.Trail.AppendTo(tx, e); err != nil {
			return err
		}
		step := identity.StepRecover
		if p.Root() {
			step = identity.StepClaim // only the owner of the host makes such
		} else if p.Login() == nil {
			out = refused("Nobody can sign in by this link: the user has no password any more.")
			return nil
		}
		g := progress{destination: "/"}
		out, err = s.ask(tx, v, p, g.with(identity.ByLink, now), step, now)
		return err
	})
	if err != nil {
		return Outcome{}, fmt.Errorf("open a link: %w", err)
	}
	if out.Result == Next {
		giveBack()
	}
	s.observe(out)
	return out, nil
}

// ClaimAs is how root will sign in.
type ClaimAs struct {
	Email string
	// Alias is a name for the account, which may stay without one.
	Alias string
	// Password may be empty for who sets a passkey up.
	Password string
}

var aliasForm = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)

// Claim takes root's choices down. Nothing is set before the first MFA device is: see
// ConfirmTOTP. It can be done again until then.
func (s *SignIns) Claim(ctx context.Context, v Visitor, cookie string, as ClaimAs) (Outcome, error) {
	now := s.now()
	email := canonical(as.Email)
	if parsed, err := mail.ParseAddress(email); err != nil || parsed.Address != email || !strings.Contains(email, "@") {
		return refused("This is not an e-mail address. It need not receive mail: it is the name by which root signs in."), nil
	}
	alias := canonical(as.Alias)
	if _, err := arn.ParseAccountID(alias); alias != "" && (err == nil || !aliasForm.MatchString(alias) || len(alias) < 3 || len(alias) > 63) {
		return refused("The name of an account has 3 to 63 lower-case letters, digits and single dashes, and is not a number of 12 digits."), nil
	}
	var chosen chosenPassword
	if as.Password != "" {
		early := Outcome{}
		err := s.Store.View(ctx, func(r store.Reader) error {
			_, p, ok, err := s.open(r, cookie, now, identity.StepClaim)
			if err != nil || !ok {
				early = startAgain()
				return err
			}
			why, err := unfit(r, p, as.Password, true, email, alias)
			if why != "" {
				early = refused(why)
			}
			return err
		})
		if err != nil || early.Message != "" {
			return early, err
		}
		if busy, err := s.hash(ctx, as.Password, &chosen); err != nil || busy.Message != "" {
			return busy, err
		}
	}
	return s.step(ctx, cookie, func(tx store.Tx, h *identity.SignIn, p *identity.Person, now time.Time) (Outcome, error) {
		claim := &identity.Claim{Email: email, Alias: alias}
		if chosen.hash != "" {
			claim.Password = &identity.LoginProfile{Hash: chosen.hash, Created: now, Changed: now}
		} else if h.Claim != nil {
			claim.Password = h.Claim.Password
		}
		if out, err := s.free(tx, h.Account, claim); err != nil || out.Message != "" {
			return out, err
		}
		next := *h
		next.Claim = claim
		return s.keep(tx, p, &next, now)
	}, identity.StepClaim)
}

// free refuses a claim of names that others have.
func (s *SignIns) free(r store.Reader, account arn.AccountID, c *identity.Claim) (Outcome, error) {
	for name, table := range map[string]store.Table[identity.Alias]{c.Email: identity.RootEmails, c.Alias: identity.Aliases} {
		if name == "" {
			continue
		}
		has, err := table.Get(r, name)
		if err == nil && has.Account != account {
			return refused(fmt.Sprintf("Another account has %s already. Choose another one.", name)), nil
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return Outcome{}, err
		}
	}
	return Outcome{}, nil
}

// claimed sets what root chose, all at once. That the names are free was checked.
func (s *SignIns) claimed(tx store.Tx, v Visitor, p *identity.Person, h *identity.SignIn, now time.Time) error {
	if h.Claim.Alias != "" && h.Claim.Alias != p.Account.Alias {
		if err := identity.SetAlias(tx, h.Account, h.Claim.Alias); err != nil {
			return err
		}
	}
	if old := p.Account.RootEmail; old != "" {
		if old != h.Claim.Email {
			// While the old address is still root's, so that it is told.
			if err := s.recordNewEmail(tx, v, p, now); err != nil {
				return err
			}
		}
		identity.RootEmails.Delete(tx, old)
	}
	if err := identity.RootEmails.Put(tx, &identity.Alias{Account: h.Account}, h.Claim.Email); err != nil {
		return err
	}
	err := identity.Accounts.Edit(tx, func(a *identity.Account) error {
		a.RootEmail, a.RootLogin = h.Claim.Email, h.Claim.Password
		return nil
	}, string(h.Account))
	if err != nil {
		return err
	}
	fresh, err := identity.FindPerson(tx, p.ID())
	if err != nil {
		return err
	}
	*p = *fresh
	ForgetFailures(tx, PurposePassword, p.ID())
	e, err := s.eventOf(v, p, "PasswordRecoveryCompleted", now)
	if err != nil {
		return err
	}
	e.SetSignIn("")
	return s.Trail.AppendTo(tx, e)
}

// recordNewEmail records, as AWS does, that root's e-mail address changes.
func (s *SignIns) recordNewEmail(tx store.Tx, v Visitor, p *identity.Person, now time.Time) error {
	e, err := s.eventOf(v, p, "EmailUpdated", now)
	if err != nil {
		return err
	}
	e.SetSignIn("")
	return s.Trail.AppendTo(tx, e)
}

// LinkPath is where a link of a person leads: the path and fragment of its address.
func LinkPath(p *identity.Person, secret string) string {
	if p.Root() {
		return "/claim#" + secret
	}
	return "/signin/recover#" + secret
}
