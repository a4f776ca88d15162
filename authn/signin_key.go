package authn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

const msgNoKeys = "Security keys and passkeys do not work at this address."

// errNoKeys: the server's address is none at which browsers offer security keys.
var errNoKeys = errors.New("there are no security keys at this address")

// HasKeys tells whether security keys and passkeys work here.
func (s *SignIns) HasKeys() bool { return s.Keys() != nil }

// BeginKey starts the ceremony of a security key in a sign-in under way: the second factor
// is shown with one, or one is registered, by who enrols or claims. passkey asks for a key
// that signs in without a name, which a claim without password needs. options are for the
// browser; the answer goes to FinishKey or RegisterKey with the same cookie.
func (s *SignIns) BeginKey(ctx context.Context, cookie string, passkey bool) (options []byte, out Outcome, err error) {
	keys := s.Keys()
	if keys == nil {
		return nil, refused(msgNoKeys), nil
	}
	now := s.now()
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		options, out = nil, Outcome{}
		h, p, ok, err := s.open(tx, cookie, now, identity.StepFactor, identity.StepEnrol, identity.StepClaim)
		if err != nil {
			return err
		}
		if !ok || h.Step == identity.StepClaim && h.Claim == nil {
			out = startAgain()
			return nil
		}
		var c *Ceremony
		if h.Step == identity.StepFactor {
			c, err = keys.BeginLogin(tx, p, false, now, s.Rand)
			if errors.Is(err, ErrNoSecurityKey) {
				out = refused("You have no security key or passkey here. Use a code.")
				return nil
			}
		} else {
			if out, err = s.roomForDevice(tx, p, h, false); err != nil || out.Message != "" {
				return err
			}
			alone := h.Step == identity.StepClaim && h.Claim.Password == nil
			c, err = keys.BeginRegistration(tx, p, passkey || alone, now, s.Rand)
		}
		if err != nil {
			return err
		}
		options, out = c.Options, Outcome{Result: Next, SignIn: cookie}
		return identity.SignIns.Edit(tx, func(h *identity.SignIn) error {
			h.Ceremony = []byte(c.Handle)
			return nil
		}, identity.Digest(cookie))
	})
	return options, out, err
}

// FinishKey is the second factor by a security key or passkey: response is the browser's
// answer, as JSON.
func (s *SignIns) FinishKey(ctx context.Context, v Visitor, cookie string, response []byte, remember bool) (Outcome, error) {
	keys := s.Keys()
	if keys == nil {
		return refused(msgNoKeys), nil
	}
	var ceremony []byte
	asserted, judged := s.judge(ctx, keys, response, func(r store.Reader) (string, string, error) {
		h, p, ok, err := s.open(r, cookie, s.now(), identity.StepFactor)
		if err != nil || !ok {
			return "", "", err
		}
		ceremony = h.Ceremony
		return p.ID(), string(ceremony), nil
	})
	return s.step(ctx, cookie, func(tx store.Tx, h *identity.SignIn, p *identity.Person, now time.Time) (Outcome, error) {
		if !bytes.Equal(h.Ceremony, ceremony) {
			return refused("Another sign-in with this key was begun meanwhile. Try again."), nil
		}
		login, err := finish(tx, keys, asserted, judged, now)
		if err != nil {
			return s.refusedFactor(tx, v, p, err, now)
		}
		g := of(h).with(identity.ByPasskey, now)
		g.device, g.remember = login.Device.Key(), remember
		return s.advance(tx, v, p, g, now)
	}, identity.StepFactor)
}

// RegisterKey ends an enrolment or a claim with a security key or passkey, which the person
// calls label.
func (s *SignIns) RegisterKey(ctx context.Context, v Visitor, cookie, label string, response []byte) (Outcome, error) {
	keys := s.Keys()
	switch {
	case keys == nil:
		return refused(msgNoKeys), nil
	case !identity.ValidKeyLabel(label):
		return refused("The name of a security key has at most 64 letters, digits and +=,.@_- only."), nil
	}
	return s.step(ctx, cookie, func(tx store.Tx, h *identity.SignIn, p *identity.Person, now time.Time) (Outcome, error) {
		if h.Step == identity.StepClaim {
			if h.Claim == nil {
				return startAgain(), nil
			}
			if out, err := s.free(tx, h.Account, h.Claim); err != nil || out.Message != "" {
				return out, err
			}
		}
		if out, err := s.roomForDevice(tx, p, h, false); err != nil || out.Message != "" {
			return out, err
		}
		credential, err := keys.FinishRegistration(tx, p, string(h.Ceremony), response, now)
		if err != nil {
			return refusedCode(err, now)
		}
		d, err := identity.NewSecurityKey(p, label, credential, now, s.Rand)
		if err != nil {
			return Outcome{}, err
		}
		if err := s.giveDevice(tx, v, p, h, d, now); err != nil {
			return Outcome{}, err
		}
		return s.enrolled(tx, v, p, h, of(h).with(identity.ByPasskey, now), d.Key(), now)
	}, identity.StepEnrol, identity.StepClaim)
}

// BeginPasskey starts a sign-in in which a passkey says who comes. options are for the
// browser; handle is for a cookie of the same browser, and for FinishPasskey. Nothing is
// kept here.
func (s *SignIns) BeginPasskey() (options []byte, handle string, err error) {
	keys := s.Keys()
	if keys == nil {
		return nil, "", errNoKeys
	}
	c, err := keys.BeginDiscoverableLogin(s.now(), s.Rand)
	if err != nil {
		return nil, "", err
	}
	return c.Options, c.Handle, nil
}

// FinishPasskey signs in with a passkey, which knows its user by a PIN, a finger or a face:
// it is two factors, and the password is not asked for.
func (s *SignIns) FinishPasskey(ctx context.Context, v Visitor, handle string, response []byte, destination string) (Outcome, error) {
	keys := s.Keys()
	if keys == nil {
		return refused(msgNoKeys), nil
	}
	now := s.now()
	giveBack, until, err := s.spend(ctx, v.Address, now)
	if err != nil {
		return Outcome{}, fmt.Errorf("sign in with a passkey: %w", err)
	}
	if giveBack == nil {
		s.Observe(AttemptThrottled)
		return waitUntil(until, now, "failed sign-ins from your network"), nil
	}
	asserted, judged := s.judge(ctx, keys, response, func(store.Reader) (string, string, error) { return "", handle, nil })
	if judged != nil { // nothing is written for what is no passkey's answer
		out, err := refusedCode(judged, now)
		if err != nil {
			return Outcome{}, fmt.Errorf("sign in with a passkey: %w", err)
		}
		s.observe(out)
		return out, nil
	}
	var out Outcome
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		now := s.now() // it may have waited for its turn, beyond the end of the ceremony
		login, err := keys.FinishLogin(tx, asserted, now)
		if err != nil {
			out, err = refusedCode(err, now)
			return err
		}
		p, err := identity.FindPerson(tx, login.PersonID)
		if err != nil {
			return err
		}
		// Who may not sign in any more is told no more than a stranger is. The passkey was
		// right, so the failure is theirs.
		if !login.UserVerified || !p.Root() && p.Login() == nil {
			out = refused("This passkey does not let you in here. Sign in with your name and password, or ask an administrator.")
			return s.recordFailure(tx, v, p, true, now)
		}
		g := progress{destination: Destination(destination), device: login.Device.Key()}
		g = g.with(identity.ByPasskey, now)
		out, err = s.advance(tx, v, p, g, now)
		return err
	})
	if err != nil {
		return Outcome{}, fmt.Errorf("sign in with a passkey: %w", err)
	}
	if out.Result != Refused {
		giveBack()
	}
	s.observe(out)
	return out, nil
}

// judge does what costs of an answer before any transaction: verifying a signature while
// others wait to write would let strangers slow everybody down. of finds for whom the
// ceremony was begun, and its handle. No more answers are looked at at once than there are
// cores to spare: that also bounds addresses which have no budget, those of proxies.
func (s *SignIns) judge(ctx context.Context, keys *WebAuthn, response []byte, of func(store.Reader) (personID, handle string, err error)) (a *Asserted, err error) {
	select {
	case s.verifying <- struct{}{}:
		defer func() { <-s.verifying }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	err = s.Store.View(ctx, func(r store.Reader) error {
		personID, handle, err := of(r)
		if err == nil {
			a, err = keys.Judge(r, personID, handle, response, s.now())
		}
		return err
	})
	return a, err
}

// finish ends a sign-in with what judge found.
func finish(tx store.Tx, keys *WebAuthn, a *Asserted, judged error, now time.Time) (*SecurityKeyLogin, error) {
	if judged != nil {
		return nil, judged
	}
	return keys.FinishLogin(tx, a, now)
}

// BeginStepUpKey starts to show a security key again; handle is for FinishStepUpKey, and
// for a cookie of the same browser until then. Without a key the outcome says so.
func (s *SignIns) BeginStepUpKey(ctx context.Context, b *session.Browser) (options []byte, handle string, out Outcome, err error) {
	keys := s.Keys()
	if keys == nil {
		return nil, "", refused(msgNoKeys), nil
	}
	err = s.Store.View(ctx, func(r store.Reader) error {
		p, err := identity.FindPerson(r, b.PersonID)
		if errors.Is(err, store.ErrNotFound) {
			out = startAgain()
			return nil
		}
		if err != nil {
			return err
		}
		c, err := keys.BeginLogin(r, p, false, s.now(), s.Rand)
		if errors.Is(err, ErrNoSecurityKey) {
			out = refused("You have no security key or passkey here. Use a code.")
			return nil
		}
		if err != nil {
			return err
		}
		options, handle, out = c.Options, c.Handle, Outcome{Result: Next}
		return nil
	})
	return options, handle, out, err
}

// FinishStepUpKey shows a security key again.
func (s *SignIns) FinishStepUpKey(ctx context.Context, v Visitor, b *session.Browser, handle string, response []byte) (Outcome, error) {
	keys := s.Keys()
	if keys == nil {
		return refused(msgNoKeys), nil
	}
	asserted, judged := s.judge(ctx, keys, response, func(store.Reader) (string, string, error) { return b.PersonID, handle, nil })
	return s.stepUp(ctx, v, b, func(tx store.Tx, _ *identity.Person, now time.Time) (identity.Factor, string, error) {
		login, err := finish(tx, keys, asserted, judged, now)
		if err != nil {
			return "", "", err
		}
		return identity.ByPasskey, login.Device.Key(), nil
	})
}
