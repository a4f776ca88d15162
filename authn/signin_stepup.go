package authn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// Somebody who is signed in shows a factor again, before something that cannot be undone.
// The browser session becomes another one, with another cookie, that ends when it would
// have ended.

// Factors are what somebody who is signed in can show again.
type Factors struct {
	Devices       []OwnDevice
	RecoveryCodes int  // that are left
	Password      bool // it counts for who has no device only
}

// StepUpFactors are those of who is signed in.
func (s *SignIns) StepUpFactors(ctx context.Context, b *session.Browser) (f Factors, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		p, err := identity.FindPerson(r, b.PersonID)
		if err != nil {
			return err
		}
		if f.Devices, err = ownDevices(r, p); err != nil {
			return err
		}
		codes, err := recoveryCodes(r, p.ID())
		if err != nil {
			return err
		}
		f.RecoveryCodes = len(codes.Digests)
		f.Password = len(f.Devices) == 0 && p.Login() != nil
		return nil
	})
	if errors.Is(err, store.ErrNotFound) { // a role has none
		return Factors{}, nil
	}
	return f, err
}

// ownDevices are the MFA devices of a person.
func ownDevices(r store.Reader, p *identity.Person) (list []OwnDevice, err error) {
	for _, d := range p.Devices() {
		device, err := identity.MFADevices.Get(r, string(p.Account.ID), d.Serial)
		if err != nil {
			return nil, fmt.Errorf("MFA device %s of %s: %w", d.Serial, p.ARN(), err)
		}
		list = append(list, OwnDevice{Key: device.Key(), Kind: device.Kind(), Name: device.Label()})
	}
	return list, nil
}

// StepUpByCode shows a code of a device, as [SignIns.Code] does.
func (s *SignIns) StepUpByCode(ctx context.Context, v Visitor, b *session.Browser, device, code string) (Outcome, error) {
	return s.stepUp(ctx, v, b, func(tx store.Tx, p *identity.Person, now time.Time) (identity.Factor, string, error) {
		key, err := s.mfa.CheckOwn(tx, p, device, typedCode(code), now, msgWrongCode)
		return identity.ByTOTP, key, err
	})
}

// StepUpByPassword shows the password, of somebody who has no MFA device. It makes the
// browser session no safer towards policies.
func (s *SignIns) StepUpByPassword(ctx context.Context, v Visitor, b *session.Browser, text string) (Outcome, error) {
	return s.byPassword(ctx, v, attempt{find: person(b.PersonID), password: text, inside: true},
		func(tx store.Tx, p *identity.Person, now time.Time) (Outcome, error) {
			if len(p.Devices()) > 0 {
				return refused("Show your MFA device instead."), nil
			}
			return s.renew(tx, v, b, p, identity.ByPassword, "", now)
		})
}

// StepUpByNewKey counts a security key as shown that somebody who is signed in registered just
// now, if it knew its user: to show it again would take the same key, and the same finger. Any
// other is refused.
func (s *SignIns) StepUpByNewKey(ctx context.Context, v Visitor, b *session.Browser, serial string) (Outcome, error) {
	const justNow = time.Minute
	var out Outcome
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		out = refused("Show your security key.")
		now := s.now()
		p, err := identity.FindPerson(tx, b.PersonID)
		if errors.Is(err, store.ErrNotFound) {
			out = startAgain()
			return nil
		}
		if err != nil {
			return err
		}
		keys, err := SecurityKeys(tx, p)
		if err != nil {
			return err
		}
		for _, d := range keys {
			if d.Serial(p.Account.Partition) == serial && d.WebAuthn.UserVerified && d.LastUsed.IsZero() && now.Sub(d.Enabled) < justNow {
				out, err = s.renew(tx, v, b, p, identity.ByPasskey, d.Key(), now)
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Outcome{}, fmt.Errorf("count a new key as shown: %w", err)
	}
	return out, nil
}

// stepUp looks at a factor of who is signed in.
func (s *SignIns) stepUp(ctx context.Context, v Visitor, b *session.Browser, show func(store.Tx, *identity.Person, time.Time) (identity.Factor, string, error)) (Outcome, error) {
	var out Outcome
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		now := s.now()
		p, err := identity.FindPerson(tx, b.PersonID)
		if errors.Is(err, store.ErrNotFound) {
			out = startAgain()
			return nil
		}
		if err != nil {
			return err
		}
		factor, key, err := show(tx, p, now)
		if err != nil {
			if out, err = refusedCode(err, now); err != nil || out.Result == Wait {
				return err
			}
			return s.recordStepUp(tx, v, p, "", failedAuthentication, now)
		}
		out, err = s.renew(tx, v, b, p, factor, key, now)
		return err
	})
	if err != nil {
		return Outcome{}, fmt.Errorf("show a factor again: %w", err)
	}
	s.observe(out)
	return out, nil
}

// renew makes another browser session of one in which a factor was shown.
func (s *SignIns) renew(tx store.Tx, v Visitor, b *session.Browser, p *identity.Person, factor identity.Factor, device string, now time.Time) (Outcome, error) {
	// It may have ended meanwhile.
	present, err := s.Sessions.Reopen(tx, b, now)
	if errors.Is(err, session.ErrNotSignedIn) {
		return startAgain(), nil
	}
	if err != nil {
		return Outcome{}, err
	}
	g := progress{factors: present.Factors, device: device}
	if !g.has(factor) {
		g.factors = append(append([]identity.Factor(nil), g.factors...), factor)
	}
	g.factorTime = now
	sess := s.sessionOf(p, &g)
	sess.Expires = present.Expires
	if factor == identity.ByPassword { // whatever was shown before has not become newer
		sess.MFATime = present.Session.MFATime
	}
	record := &identity.BrowserSession{
		Created:    present.Created,
		Factors:    g.factors,
		FactorTime: now,
		Address:    v.from(),
		UserAgent:  v.agent(),
		Switched:   present.Switched,
	}
	cookie, err := s.Sessions.NewBrowser(tx, sess, record, now, s.Rand)
	if err != nil {
		return Outcome{}, err
	}
	present.End(tx)
	return Outcome{Result: SignedIn, Browser: cookie, Destination: "/"}, s.recordStepUp(tx, v, p, device, "", now)
}

// recordStepUp records that somebody who is signed in showed a factor again.
func (s *SignIns) recordStepUp(tx store.Tx, v Visitor, p *identity.Person, device, failure string, now time.Time) error {
	if failure != "" && !s.admit(v, p.Account.ID, now) {
		return nil
	}
	e, err := s.eventOf(v, p, "CheckMfa", now)
	if err != nil {
		return err
	}
	data := make(map[string]string)
	if len(p.Devices()) > 0 {
		data["MfaType"] = mfaType(p)
	}
	if device != "" {
		data["MFAIdentifier"] = identity.SerialOf(arn.Scope{Partition: p.Account.Partition, Account: p.Account.ID}, device)
	}
	if e.Additional, err = json.Marshal(data); err != nil {
		return err
	}
	e.SetSignIn(failure)
	return s.Trail.AppendTo(tx, e)
}
