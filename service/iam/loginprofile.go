package iam

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/password"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// CreateLoginProfile gives a user a password. It was hashed by prepareNewPassword.
func (s *Service) CreateLoginProfile(c *service.Call, in *iam.CreateLoginProfileInput) (*iam.CreateLoginProfileOutput, error) {
	if in.Password == nil { // only root itself may omit it, in a session of AssumeRoot
		return nil, service.Invalid("1 validation error detected: Value null at 'password' failed to satisfy constraint: Member must not be null")
	}
	u, err := passwordOwner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	if u.Login != nil {
		return nil, alreadyExists("Login Profile for user %s already exists.", u.Name)
	}
	rules, err := passwordPolicyOf(c)
	if err != nil {
		return nil, err
	}
	if err := admitPassword(c, rules, *in.Password); err != nil {
		return nil, err
	}
	now := second(c.Now)
	login := &identity.LoginProfile{
		Hash:          prepared(c).hash,
		Created:       now,
		Changed:       now,
		ResetRequired: in.PasswordResetRequired,
	}
	err = editUser(c, u.Name, func(u *identity.User) error {
		u.Login = login
		return nil
	})
	if err != nil {
		return nil, err
	}
	authn.ForgetFailures(c.Tx, authn.PurposePassword, u.ID)
	return &iam.CreateLoginProfileOutput{LoginProfile: loginProfileDetail(u.Name, login)}, nil
}

// GetLoginProfile tells that a user has a password, and since when.
func (s *Service) GetLoginProfile(c *service.Call, in *iam.GetLoginProfileInput) (*iam.GetLoginProfileOutput, error) {
	u, err := passwordOwner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	if u.Login == nil {
		return nil, noLoginProfile(u.Name)
	}
	return &iam.GetLoginProfileOutput{LoginProfile: loginProfileDetail(u.Name, u.Login)}, nil
}

// UpdateLoginProfile sets a user's password, or whether they must change it.
func (s *Service) UpdateLoginProfile(c *service.Call, in *iam.UpdateLoginProfileInput) (*iam.UpdateLoginProfileOutput, error) {
	u, err := findUser(c, *in.UserName)
	if err != nil {
		return nil, err
	}
	if u.Login == nil {
		return nil, noLoginProfile(u.Name)
	}
	reset := u.Login.ResetRequired
	if in.Password != nil {
		reset = false
	}
	if in.PasswordResetRequired != nil {
		reset = *in.PasswordResetRequired
	}
	if in.Password != nil {
		authn.ForgetFailures(c.Tx, authn.PurposePassword, u.ID) // they were about the old one
		return &iam.UpdateLoginProfileOutput{}, setPassword(c, u, *in.Password, reset)
	}
	return &iam.UpdateLoginProfileOutput{}, editUser(c, u.Name, func(u *identity.User) error {
		u.Login.ResetRequired = reset
		return nil
	})
}

// DeleteLoginProfile takes a user's password. Access keys and sessions are not
// affected.
func (s *Service) DeleteLoginProfile(c *service.Call, in *iam.DeleteLoginProfileInput) (*iam.DeleteLoginProfileOutput, error) {
	u, err := passwordOwner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	if u.Login == nil {
		return nil, noLoginProfile(u.Name)
	}
	return &iam.DeleteLoginProfileOutput{}, editUser(c, u.Name, func(u *identity.User) error {
		u.Login = nil
		u.PasswordLastUsed = time.Time{}
		return nil
	})
}

// ChangePassword lets a user replace their own password. Wrong old passwords are
// counted, so that who has a user's keys cannot guess the password with them. What
// prepareChangePassword counted as a failure before it compared is forgotten here
// if the password was right; it stays if that was never found out.
func (s *Service) ChangePassword(c *service.Call, in *iam.ChangePasswordInput) (*iam.ChangePasswordOutput, error) {
	if c.Principal.Kind != authn.User {
		return nil, onlyUsers()
	}
	u, err := identity.UserByID(c.Reader, c.Principal.ID)
	if err != nil {
		return nil, orNoSuchUser(err, c.Principal.Name)
	}
	if u.Login == nil {
		return nil, noLoginProfile(u.Name)
	}
	found := prepared(c)
	if !found.wait.IsZero() {
		return nil, service.Denied(fmt.Sprintf("Too many wrong passwords. Try again after %s.", found.wait.Format(time.RFC3339)))
	}
	if found.comparedWith != u.Login.Hash {
		return nil, changedMeanwhile(u.Name)
	}
	if !found.oldMatches {
		return nil, service.Denied("The old password is not correct.") // it is counted already
	}
	authn.ForgetFailures(c.Tx, authn.PurposePassword, u.ID)
	if err := replacePassword(c, u, *in.NewPassword); err != nil {
		return nil, service.Commit(err) // the old password was right all the same
	}
	return &iam.ChangePasswordOutput{}, authn.KeepSignedIn(c.Tx, c.Principal, u.ID)
}

// replacePassword sets the new password of a user who knows the old one.
func replacePassword(c *service.Call, u *identity.User, text string) error {
	rules, err := passwordPolicyOf(c)
	if err != nil {
		return err
	}
	if rules != nil && rules.HardExpiry && rules.MaxAge > 0 && !c.Now.Before(u.Login.Changed.AddDate(0, 0, int(rules.MaxAge))) {
		return service.Denied("The password has expired. An administrator must set a new one.")
	}
	return setPassword(c, u, text, false)
}

// setPassword replaces a user's password by one that the account's policy admits
// and that prepareNewPassword hashed and compared with the earlier ones.
func setPassword(c *service.Call, u *identity.User, text string, reset bool) error {
	rules, err := passwordPolicyOf(c)
	if err != nil {
		return err
	}
	if err := admitPassword(c, rules, text); err != nil {
		return err
	}
	found := prepared(c)
	if !slices.Equal(found.earlier, authn.EarlierPasswords(u.Login, rules)) {
		return changedMeanwhile(u.Name)
	}
	if found.reused {
		return passwordPolicyViolation(fmt.Sprintf("Password should differ from the last %d passwords", rules.ReusePrevention))
	}
	return editUser(c, u.Name, func(u *identity.User) error {
		authn.Replace(u.Login, found.hash, second(c.Now))
		u.Login.ResetRequired = reset
		return nil
	})
}

// newPassword is what was found out about a new password before the transaction.
// Hashing takes tens of milliseconds, during which nobody else could write.
//
// It is found out with the same work whatever is found, and refused only by the
// handler: else the time of the answer would tell whether, and where, a password is
// among those remembered.
type newPassword struct {
	hash string
	// wait is until when no old password is compared. The other fields are then zero.
	wait time.Time
	// comparedWith is the hash that the old password was compared with.
	comparedWith string
	oldMatches   bool
	// earlier are the hashes that the new password was compared with.
	earlier []string
	reused  bool
}

// prepared is what the Before step kept. It keeps nothing where it finds no password
// to compare with; should there be one by now, nothing matches.
func prepared(c *service.Call) *newPassword {
	if found, ok := c.Kept().(*newPassword); ok {
		return found
	}
	return new(newPassword)
}

func (s *Service) prepareCreateLoginProfile(c *service.Call, in *iam.CreateLoginProfileInput) error {
	if in.Password == nil {
		return nil
	}
	return s.prepareNewPassword(c, *in.Password, nil)
}

func (s *Service) prepareUpdateLoginProfile(c *service.Call, in *iam.UpdateLoginProfileInput) error {
	if in.Password == nil {
		return nil
	}
	u, err := identity.FindUser(c.Reader, c.Scope.Account, *in.UserName)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return s.prepareNewPassword(c, *in.Password, u)
}

func (s *Service) prepareNewPassword(c *service.Call, text string, u *identity.User) error {
	turn, err := s.turn(c)
	if err != nil {
		return err
	}
	defer turn.Done()
	found, err := examine(c, turn, text, u)
	if err != nil {
		return err
	}
	c.Keep(found)
	return nil
}

func (s *Service) prepareChangePassword(c *service.Call, in *iam.ChangePasswordInput) error {
	if c.Principal.Kind != authn.User {
		return nil // the operation says so
	}
	until, err := authn.WaitUntil(c.Reader, authn.PurposePassword, c.Principal.ID, c.Now)
	if err != nil {
		return err
	}
	if !until.IsZero() { // not worth a turn
		c.Keep(&newPassword{wait: until})
		return nil
	}
	turn, err := s.turn(c)
	if err != nil {
		return err
	}
	defer turn.Done()
	u, until, err := countAttempt(c)
	if err != nil {
		return err
	}
	if !until.IsZero() {
		c.Keep(&newPassword{wait: until})
		return nil
	}
	if u == nil {
		return nil // the operation says so
	}
	matches, err := turn.Matches(*in.OldPassword, u.Login.Hash)
	if err != nil {
		return fmt.Errorf("password of user %s: %w", u.Name, err)
	}
	found, err := examine(c, turn, *in.NewPassword, u)
	if err != nil {
		return err
	}
	found.comparedWith, found.oldMatches = u.Login.Hash, matches
	c.Keep(found)
	return nil
}

// countAttempt counts an attempt at the caller's password as a failure, in a
// transaction of its own, before the password is looked at. Counted afterwards,
// all requests that arrive together would be let through before the first of them
// has failed. It returns the user whose password may now be looked at, nil if
// there is none to look at, or until when the caller has to wait.
func countAttempt(c *service.Call) (u *identity.User, until time.Time, err error) {
	err = c.Update(func(tx store.Tx) error {
		u, until = nil, time.Time{}
		found, err := identity.UserByID(tx, c.Principal.ID)
		if errors.Is(err, store.ErrNotFound) || (err == nil && found.Login == nil) {
			return nil
		}
		if err != nil {
			return err
		}
		if until, err = authn.WaitUntil(tx, authn.PurposePassword, found.ID, c.Now); err != nil || !until.IsZero() {
			return err
		}
		u = found
		return authn.CountFailure(tx, authn.PurposePassword, u.ID, c.Now)
	})
	return u, until, err
}

// turn waits for a turn at the hasher. The error is for the caller.
func (s *Service) turn(c *service.Call) (*password.Turn, error) {
	turn, err := s.passwords.Turn(c.Context)
	if err != nil {
		return nil, service.Throttled(err)
	}
	return turn, nil
}

// examine compares a new password with all of the earlier ones of the user, if
// there is one, and hashes it.
func examine(c *service.Call, turn *password.Turn, text string, u *identity.User) (*newPassword, error) {
	found := new(newPassword)
	if u != nil && u.Login != nil {
		rules, err := passwordPolicyOf(c)
		if err != nil {
			return nil, err
		}
		found.earlier = authn.EarlierPasswords(u.Login, rules)
		for _, hash := range found.earlier {
			same, err := turn.Matches(text, hash)
			if err != nil {
				return nil, fmt.Errorf("earlier password of user %s: %w", u.Name, err)
			}
			found.reused = found.reused || same
		}
	}
	var err error
	if found.hash, err = turn.Hash(text, c.Rand); err != nil {
		return nil, err
	}
	return found, nil
}

func loginProfileDetail(user string, login *identity.LoginProfile) *types.LoginProfile {
	return &types.LoginProfile{
		CreateDate:            shown(login.Created),
		PasswordResetRequired: login.ResetRequired,
		UserName:              &user,
	}
}

// passwordOwner is the user whose password an operation means, by default the
// caller. Root's password is not kept here.
func passwordOwner(c *service.Call, name *string) (*identity.User, error) {
	who, err := personOf(c, name)
	if err != nil {
		return nil, err
	}
	if who.root {
		return nil, mustNameUser()
	}
	return findUser(c, who.name)
}

func onlyUsers() error { return invalidUserType("Only IAM Users can change their own password") }

func noLoginProfile(user string) error {
	return noSuchEntity("Login Profile for User %s cannot be found.", user)
}

// changedMeanwhile refuses a request whose password was compared with hashes that
// are no longer the user's. It succeeds when it is sent again.
func changedMeanwhile(user string) error {
	return temporarilyUnmodifiable("Login Profile for User %s cannot be modified while login profile is being changed.", user)
}

// onPasswordOwner states that an operation acts on the user whose password it means.
func onPasswordOwner[I any](get func(*I) *string) func(*service.Call, *I) ([]authz.Check, error) {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		if get(in) == nil && c.Principal.Kind == authn.Root {
			return nil, mustNameUser()
		}
		check, err := checkUser(c, get(in))
		if err != nil {
			return nil, err
		}
		return []authz.Check{check}, nil
	}
}

func (s *Service) mayChangePassword(c *service.Call, _ *iam.ChangePasswordInput) ([]authz.Check, error) {
	if c.Principal.Kind != authn.User {
		return nil, onlyUsers()
	}
	check, err := checkUser(c, nil)
	if err != nil {
		return nil, err
	}
	return s.orSelfService(c, check)
}
