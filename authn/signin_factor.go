package authn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// Code is the second factor by a code of the person's device with a key ([OwnDevice]), or of
// any that shows codes if device is empty. remember asks to let this browser stand for the second factor for a while, where the account's
// rules allow that.
func (s *SignIns) Code(ctx context.Context, v Visitor, cookie, device, code string, remember bool) (Outcome, error) {
	return s.step(ctx, cookie, func(tx store.Tx, h *identity.SignIn, p *identity.Person, now time.Time) (Outcome, error) {
		key, err := s.mfa.CheckOwn(tx, p, device, typedCode(code), now, msgWrongCode)
		if err != nil {
			return s.refusedFactor(tx, v, p, err, now)
		}
		g := of(h).with(identity.ByTOTP, now)
		g.device, g.remember = key, remember
		return s.advance(tx, v, p, g, now)
	}, identity.StepFactor)
}

// typedCode is a code as it was typed without the spaces in which apps show it.
func typedCode(code string) string {
	if len(code) > 64 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '-' || r == '\u00a0' || r == '\u202f' {
			return -1
		}
		return r
	}, code)
}

// refusedFactor is the outcome of a factor that was refused, and its record.
func (s *SignIns) refusedFactor(tx store.Tx, v Visitor, p *identity.Person, err error, now time.Time) (Outcome, error) {
	out, err := refusedCode(err, now)
	if err != nil || out.Result == Wait {
		return out, err
	}
	return out, s.recordFailure(tx, v, p, true, now)
}

// refusedCode is what the person is told of a code that was refused.
func refusedCode(err error, now time.Time) (Outcome, error) {
	no, ok := errors.AsType[*MFAError](err)
	switch {
	case !ok:
		return Outcome{}, err
	case !no.Until.IsZero():
		return waitUntil(no.Until, now, "wrong codes"), nil
	case no.Message == msgWrongCode:
		return refused("This code is not right, or was used before. Wait for the next one, and check the clock of your device."), nil
	}
	return refused(no.Message), nil
}

// RecoveryCode is the second factor by a recovery code, each of which works once.
func (s *SignIns) RecoveryCode(ctx context.Context, v Visitor, cookie, code string) (Outcome, error) {
	return s.step(ctx, cookie, func(tx store.Tx, h *identity.SignIn, p *identity.Person, now time.Time) (Outcome, error) {
		until, err := WaitUntil(tx, PurposeRecovery, p.ID(), now)
		if err != nil {
			return Outcome{}, err
		}
		if !until.IsZero() {
			return waitUntil(until, now, "wrong recovery codes"), nil
		}
		ok, err := useRecoveryCode(tx, p.ID(), code)
		if err != nil {
			return Outcome{}, err
		}
		if !ok {
			return refused("This recovery code is not right, or was used before."),
				errors.Join(CountFailure(tx, PurposeRecovery, p.ID(), now), s.recordFailure(tx, v, p, true, now))
		}
		ForgetFailures(tx, PurposeRecovery, p.ID())
		if err := s.recordRecoveryCode(tx, v, p, now); err != nil {
			return Outcome{}, err
		}
		return s.advance(tx, v, p, of(h).with(identity.ByRecovery, now), now)
	}, identity.StepFactor)
}

// recoveryCodesMade is how many recovery codes are in a set.
const recoveryCodesMade = 10

func recoveryCodes(r store.Reader, id string) (*identity.RecoveryCodes, error) {
	codes, err := identity.RecoveryCodesOf.Get(r, id)
	if errors.Is(err, store.ErrNotFound) {
		return &identity.RecoveryCodes{}, nil
	}
	return codes, err
}

// useRecoveryCode uses a recovery code of a person up, if it is one.
func useRecoveryCode(tx store.Tx, id, typed string) (bool, error) {
	code, ok := readCode(typed)
	if !ok {
		return false, nil
	}
	codes, err := recoveryCodes(tx, id)
	if err != nil {
		return false, err
	}
	digest := identity.Digest(code)
	var left []string
	ok = false
	for _, d := range codes.Digests { // all are compared, wherever the right one is
		if identity.SameDigest(d, digest) {
			ok = true
		} else {
			left = append(left, d)
		}
	}
	if !ok {
		return false, nil
	}
	return true, identity.RecoveryCodesOf.Put(tx, &identity.RecoveryCodes{Made: codes.Made, Digests: left}, id)
}

// MakeRecoveryCodes makes a person's recovery codes, instead of those they had. They are
// shown once.
func MakeRecoveryCodes(tx store.Tx, id string, now time.Time, rand io.Reader) (codes []string, err error) {
	kept := &identity.RecoveryCodes{Made: now}
	for range recoveryCodesMade {
		code, err := drawCode(rand)
		if err != nil {
			return nil, fmt.Errorf("recovery codes: %w", err)
		}
		codes = append(codes, code)
		kept.Digests = append(kept.Digests, identity.Digest(code))
	}
	return codes, identity.RecoveryCodesOf.Put(tx, kept, id)
}
