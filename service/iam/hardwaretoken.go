package iam

import (
	"errors"
	"fmt"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// Hardware tokens come into an account by its operator: their makers deliver the
// seeds, and AWS's API has no operation that takes one. From then on they are enabled,
// resynchronised and deactivated like virtual devices, by serial number.

// TokenError refuses a hardware token. It never tells a seed.
type TokenError struct{ Problem string }

func (e *TokenError) Error() string { return e.Problem }

func tokenError(format string, args ...any) error {
	return &TokenError{fmt.Sprintf(format, args...)}
}

// Token is a hardware token of an account, and who uses it: a user's name, root, or
// nobody.
type Token struct {
	Serial string
	User   string
}

// ImportTokens adds hardware tokens to the account of c, all or none of them. Refusals
// are *TokenError.
func (s *Service) ImportTokens(c *service.Call, tokens []mfa.Token) error {
	for _, t := range tokens {
		if !identity.ValidTokenSerial(t.Serial) {
			return tokenError("line %d: a serial number has from 9 to 256 letters, digits and _-.+=@", t.Line)
		}
		if identity.MFADevices.Has(c.Reader, c.Account(), t.Serial) {
			return tokenError("line %d: the account has a token %s", t.Line, t.Serial)
		}
		d := &identity.MFADevice{Account: c.Scope.Account, Name: t.Serial, Created: second(c.Now)}
		var err error
		if d.Seed, err = s.ring.Seal(keyring.MFASeeds, string(identity.MFADevices.Key(c.Account(), d.Key())), t.Seed); err != nil {
			return fmt.Errorf("seal the seed of token %s: %w", t.Serial, err)
		}
		if err := identity.MFADevices.Put(c.Tx, d, c.Account(), d.Key()); err != nil {
			return err
		}
	}
	return editCounts(c, func(n *identity.Counts) error {
		if n.HardwareTokens += len(tokens); n.HardwareTokens > s.limits.UsersPerAccount { // as for virtual devices
			return tokenError("an account has at most %d tokens", s.limits.UsersPerAccount)
		}
		return nil
	})
}

// RemoveToken takes a hardware token that nobody uses out of the account of c, and
// forgets its seed. Refusals are *TokenError.
func (s *Service) RemoveToken(c *service.Call, serial string) error {
	d, err := identity.MFADevices.Get(c.Reader, c.Account(), serial)
	if errors.Is(err, store.ErrNotFound) || err == nil && d.Kind() != identity.HardwareToken {
		return tokenError("the account has no token %s", serial)
	}
	if err != nil {
		return err
	}
	if d.Owner != "" {
		return tokenError("token %s is in use: deactivate it first (aws iam deactivate-mfa-device)", serial)
	}
	identity.MFADevices.Delete(c.Tx, c.Account(), d.Key())
	return count(c, tokensCount, -1)
}

// Tokens are the hardware tokens in the account of c.
func (s *Service) Tokens(c *service.Call) ([]Token, error) {
	list := []Token{}
	var lost error
	err := identity.MFADevices.Scan(c.Reader, "", func(_ store.Key, d *identity.MFADevice) bool {
		if d.Kind() != identity.HardwareToken {
			return true
		}
		t := Token{Serial: d.Name}
		switch d.Owner {
		case "":
		case c.Account():
			t.User = rootName
		default:
			u, err := identity.UserByID(c.Reader, d.Owner)
			if err != nil {
				lost = fmt.Errorf("user %s of token %s: %w", d.Owner, d.Name, err)
				return false
			}
			t.User = u.Name
		}
		list = append(list, t)
		return true
	}, c.Account())
	return list, errors.Join(err, lost)
}
