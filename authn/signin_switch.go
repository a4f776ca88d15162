package authn

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// AccountOf is the account that somebody typed as id or alias. Whether there is such an
// account is for AssumeRole to say, which refuses one that there is none in the same words
// and with the same work as a role that trusts nobody. So an alias that nobody has stands
// for an account, too: one under a key, always the same, and nobody's but by a chance of
// one in 10^12, which would let nobody in either.
func (s *SignIns) AccountOf(ctx context.Context, typed string) (arn.AccountID, error) {
	if id, err := arn.ParseAccountID(typed); err == nil {
		return id, nil // no alias is twelve digits
	}
	number := binary.BigEndian.Uint64(s.Ring.Active(keyring.SessionTokens).Derive("account of an unknown alias", []byte(typed), 8))
	id := arn.AccountID(fmt.Sprintf("%012d", number%1e12))
	err := s.Store.View(ctx, func(r store.Reader) error {
		alias, err := identity.Aliases.Get(r, typed)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err == nil {
			id = alias.Account
		}
		return err
	})
	return id, err
}

// SwitchRole makes the person of a browser session work as a role, of which they have been
// given a session by AssumeRole: whether they may was decided there. The switch lasts as
// long as a session of the role may, and no longer than the browser session.
func (s *SignIns) SwitchRole(ctx context.Context, v Visitor, b *session.Browser, to identity.SwitchedRole) error {
	return s.switchTo(ctx, v, b, to, "SwitchRole")
}

// RenewRole is SwitchRole for another session of the role as which the person works already.
// It does not put off the end of the switch.
func (s *SignIns) RenewRole(ctx context.Context, v Visitor, b *session.Browser, to identity.SwitchedRole) error {
	return s.switchTo(ctx, v, b, to, "RenewRole")
}

func (s *SignIns) switchTo(ctx context.Context, v Visitor, b *session.Browser, to identity.SwitchedRole, event string) error {
	now := s.Clock().UTC()
	return s.Store.Update(ctx, func(tx store.Tx) error {
		present, err := s.Sessions.Reopen(tx, b, now)
		if err != nil {
			return err
		}
		to := to
		if event == "RenewRole" {
			if present.Switched == nil || present.Switched.Account != to.Account || present.Switched.Role != to.Role {
				return nil // they went back, or on, meanwhile
			}
			to.Until = present.Switched.Until
		}
		sn, err := s.Sessions.Open(to.AccessKeyID, to.Token)
		if err != nil {
			return err
		}
		to.Expires = sn.Expires
		role, err := identity.RoleByID(tx, sn.PrincipalID)
		if err != nil {
			return err
		}
		if event == "SwitchRole" {
			to.Until = now.Add(max(time.Hour, time.Duration(role.MaxSessionDuration)*time.Second))
			if present.Expires.Before(to.Until) {
				to.Until = present.Expires
			}
		}
		if _, err := s.Sessions.Switch(tx, present, &to); err != nil {
			return err
		}
		return s.recordSwitch(tx, v, present, sn, event, to.DisplayName, now)
	})
}

// SwitchBack makes the person of a browser session themselves again.
func (s *SignIns) SwitchBack(ctx context.Context, v Visitor, b *session.Browser) error {
	now := s.Clock().UTC()
	return s.Store.Update(ctx, func(tx store.Tx) error {
		present, err := s.Sessions.Reopen(tx, b, now)
		if err != nil || present.Switched == nil {
			return err
		}
		if err := present.SwitchBack(tx); err != nil {
			return err
		}
		return s.recordSwitch(tx, v, present, present.Acting(), "ExitRole", present.Switched.DisplayName, now)
	})
}

// recordSwitch is CloudTrail's record of a switch, in the account of the role and in the name
// of its session. AWS says no more of who it was than SwitchFrom.
func (s *SignIns) recordSwitch(tx store.Tx, v Visitor, b *session.Browser, as *session.Session, event, display string, now time.Time) error {
	partition := arn.PartitionOf(s.Region)
	from, err := OfSession(tx, b.Session, partition)
	if err != nil {
		return err
	}
	who, err := OfSession(tx, as, partition)
	if errors.Is(err, store.ErrNotFound) {
		who, err = from, nil // the role is gone
	}
	if err != nil {
		return fmt.Errorf("whom a switch leads to: %w", err)
	}
	e, err := s.event(v, who.Account, event, now)
	if err != nil {
		return err
	}
	e.Identity = who.UserIdentity()
	data := struct {
		SwitchFrom  string
		RedirectTo  string
		DisplayName string `json:",omitempty"`
	}{SwitchFrom: from.ARN, RedirectTo: s.URL() + "/", DisplayName: display}
	if e.Additional, err = json.Marshal(data); err != nil {
		return err
	}
	e.SetSignIn("")
	return s.Trail.AppendTo(tx, e)
}
