package lanyard

import (
	"fmt"
	"net/http"
	"time"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

type (
	// ChangeRootPasswordInput replaces the password of the root user, which IAM's
	// ChangePassword does not. OldPassword is left out, and only then, where there is none.
	ChangeRootPasswordInput struct{ OldPassword, NewPassword *string }
	// ChangeRootPasswordOutput is empty.
	ChangeRootPasswordOutput struct{}
)

// rootPassword is what was found out about a new password of root before the transaction.
type rootPassword struct {
	wait         time.Time // until when no password is looked at
	comparedWith string    // the hash that was root's; empty: there was no password
	matches      bool      // the old password is right
	hash         string    // of the new one
}

// ChangeRootPassword replaces root's password and ends root's other sessions. It is on record
// as the sign-in page's PasswordUpdated, as AWS has it.
func (s *Service) ChangeRootPassword(c *service.Call, in *ChangeRootPasswordInput) (*ChangeRootPasswordOutput, error) {
	p, err := rootWithFactor(c, in)
	if err != nil {
		return nil, err
	}
	found, ok := c.Kept().(*rootPassword)
	if !ok {
		return nil, changedMeanwhile()
	}
	switch {
	case !found.wait.IsZero():
		return nil, service.Denied(fmt.Sprintf("Too many wrong passwords. Try again after %s.", found.wait.Format(time.RFC3339)))
	case hashOf(p) != found.comparedWith:
		return nil, changedMeanwhile()
	case found.comparedWith == "": // the factor is all that there is to show
	case !found.matches:
		return nil, service.Denied("The old password is not correct.") // it is counted already
	default:
		authn.ForgetFailures(c.Tx, authn.PurposePassword, p.ID())
	}
	why, err := authn.RootPasswordUnfit(c.Tx, p, *in.NewPassword)
	if err != nil {
		return nil, err
	}
	if why == "" && found.matches && *in.NewPassword == *in.OldPassword {
		why = "This is the password that you have. Choose another one."
	}
	if why != "" { // the old password was right all the same
		return nil, service.Commit(&service.Error{Code: "PasswordPolicyViolationException", Status: http.StatusBadRequest, Message: why})
	}
	now := c.Now.UTC().Truncate(time.Second)
	err = identity.EditPerson(c.Tx, p, func(list identity.Credentials) {
		if *list.Login == nil {
			*list.Login = &identity.LoginProfile{Hash: found.hash, Created: now, Changed: now}
			return
		}
		authn.Replace(*list.Login, found.hash, now)
	})
	if err != nil {
		return nil, err
	}
	return &ChangeRootPasswordOutput{}, authn.KeepSignedIn(c.Tx, c.Principal, p.ID())
}

// hashOf is the hash of a person's password, empty if they have none.
func hashOf(p *identity.Person) string {
	if p.Login() == nil {
		return ""
	}
	return p.Login().Hash
}

// rootWithFactor is the caller, if it is the root user in the console, who has shown a device
// lately, and the old password, if there is one.
func rootWithFactor(c *service.Call, in *ChangeRootPasswordInput) (*identity.Person, error) {
	switch {
	case c.Principal.Kind != authn.Root:
		return nil, service.Invalid("Only the root user can change the root user's password.")
	case c.Principal.Session == nil || !c.Principal.Session.Console:
		// Whoever has root's access key must not come into the console by it.
		return nil, service.Invalid("The root user's password is changed in the console.")
	}
	p, err := self(c)
	if err != nil {
		return nil, err
	}
	switch old := in.OldPassword != nil; {
	case old && p.Login() == nil:
		return nil, notFound("The root user has no password yet. Set the first one without OldPassword.")
	case !old && p.Login() != nil:
		return nil, service.Invalid("The root user has a password: OldPassword is needed.")
	case !old && p.Account.RootEmail == "":
		return nil, service.Invalid("The root user has no e-mail address with which a password could be used. Claim the account first: run lanyard claim on the server's host.")
	case !old || len(p.Devices()) > 0:
		return p, needFactor(c)
	}
	return p, nil
}

// prepareRootPassword compares and hashes, which takes too long for a transaction. The attempt
// is counted before the password is looked at: else all that arrive together would be let
// through before the first of them has failed.
func (s *Service) prepareRootPassword(c *service.Call, in *ChangeRootPasswordInput) error {
	p, err := rootWithFactor(c, in)
	if err != nil {
		return err
	}
	found := &rootPassword{}
	if in.OldPassword == nil {
		turn, err := s.config.Passwords.Turn(c.Context)
		if err != nil {
			return service.Throttled(err)
		}
		defer turn.Done()
		if found.hash, err = turn.Hash(*in.NewPassword, c.Rand); err != nil {
			return err
		}
		c.Keep(found)
		return nil
	}
	if found.wait, err = authn.WaitUntil(c.Reader, authn.PurposePassword, p.ID(), c.Now); err != nil {
		return err
	}
	if !found.wait.IsZero() { // not worth a turn
		c.Keep(found)
		return nil
	}
	turn, err := s.config.Passwords.Turn(c.Context)
	if err != nil {
		return service.Throttled(err)
	}
	defer turn.Done()
	err = c.Update(func(tx store.Tx) error {
		fresh, err := identity.FindPerson(tx, p.ID())
		if err != nil {
			return err
		}
		if p = fresh; p.Login() == nil {
			return nil
		}
		if found.wait, err = authn.WaitUntil(tx, authn.PurposePassword, p.ID(), c.Now); err != nil || !found.wait.IsZero() {
			return err
		}
		return authn.CountFailure(tx, authn.PurposePassword, p.ID(), c.Now)
	})
	if err != nil || p.Login() == nil {
		return err
	}
	if found.wait.IsZero() {
		found.comparedWith = p.Login().Hash
		if found.matches, err = turn.Matches(*in.OldPassword, found.comparedWith); err != nil {
			return fmt.Errorf("root's password: %w", err)
		}
		if found.hash, err = turn.Hash(*in.NewPassword, c.Rand); err != nil {
			return err
		}
	}
	c.Keep(found)
	return nil
}

func changedMeanwhile() error {
	return &service.Error{Code: "ConcurrentModificationException", Status: http.StatusConflict, Message: "The root user's password was changed meanwhile. Try again."}
}

// onRoot states that an operation acts on the root user.
func onRoot(c *service.Call, _ *ChangeRootPasswordInput) ([]authz.Check, error) {
	c.Event.Source, c.Event.Name = "signin.amazonaws.com", "PasswordUpdated"
	return []authz.Check{authz.On(c.Scope.Root())}, nil
}
