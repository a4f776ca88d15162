package iam

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/password"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

const (
	goodPassword  = "Tr0ub4dor&3"
	otherPassword = "c0rrect-Horse"
)

// password gives a user a password, as root.
func (w *world) password(user, text string) {
	w.t.Helper()
	do(w.root(), w.iam.CreateLoginProfile, &iam.CreateLoginProfileInput{UserName: &user, Password: &text})
}

// rules sets the account's password policy, as root.
func (w *world) rules(in iam.UpdateAccountPasswordPolicyInput) {
	w.t.Helper()
	do(w.root(), w.iam.UpdateAccountPasswordPolicy, &in)
}

// hasPassword checks a user's password as sign-in does.
func (w *world) hasPassword(user, text string) bool {
	w.t.Helper()
	turn, err := w.iam.passwords.Turn(context.Background())
	w.must(err)
	defer turn.Done()
	ok, err := turn.Matches(text, w.record(user).Login.Hash)
	w.must(err)
	return ok
}

func change(from, to string) *iam.ChangePasswordInput {
	return &iam.ChangePasswordInput{OldPassword: &from, NewPassword: &to}
}

func TestLoginProfileLife(t *testing.T) {
	w := newWorld(t)
	root, alice := w.root(), aws.String("alice")
	w.user("alice")
	made := do(root, w.iam.CreateLoginProfile, &iam.CreateLoginProfileInput{UserName: aws.String("Alice"), Password: aws.String(goodPassword), PasswordResetRequired: true}).LoginProfile
	if *made.UserName != "alice" || !made.PasswordResetRequired || !made.CreateDate.Equal(second(w.now)) {
		t.Errorf("made %s", asJSON(made))
	}
	read := do(root, w.iam.GetLoginProfile, &iam.GetLoginProfileInput{UserName: alice}).LoginProfile
	if asJSON(read) != asJSON(made) {
		t.Errorf("GetLoginProfile = %s\nCreateLoginProfile = %s", asJSON(read), asJSON(made))
	}
	if hash := w.record("alice").Login.Hash; !strings.HasPrefix(hash, "$argon2id$") || strings.Contains(hash, goodPassword) {
		t.Errorf("kept as %q", hash)
	}
	if !w.hasPassword("alice", goodPassword) || w.hasPassword("alice", otherPassword) {
		t.Error("the hash is not that of the password")
	}

	w.later(time.Hour)
	do(root, w.iam.UpdateLoginProfile, &iam.UpdateLoginProfileInput{UserName: alice, PasswordResetRequired: aws.Bool(false)})
	if l := w.record("alice").Login; l.ResetRequired || l.Changed.Equal(second(w.now)) {
		t.Errorf("only the flag was to change: %+v", l)
	}
	do(root, w.iam.UpdateLoginProfile, &iam.UpdateLoginProfileInput{UserName: alice, Password: aws.String(otherPassword)})
	if l := w.record("alice").Login; !w.hasPassword("alice", otherPassword) || !l.Changed.Equal(second(w.now)) || l.Created.Equal(l.Changed) {
		t.Errorf("after an update: %+v", l)
	}
	do(root, w.iam.DeleteLoginProfile, &iam.DeleteLoginProfileInput{UserName: alice})
	if w.record("alice").Login != nil {
		t.Error("the login profile is still there")
	}
	w.consistent(t)
}

func TestLoginProfileErrors(t *testing.T) {
	w := newWorld(t)
	root, alice, missing := w.root(), aws.String("alice"), aws.String("nil")
	w.user("alice")
	const noProfile, noUser = "Login Profile for User alice cannot be found.", "The user with name nil cannot be found."
	refused(root, w.iam.GetLoginProfile, &iam.GetLoginProfileInput{UserName: alice}, "NoSuchEntity", noProfile)
	refused(root, w.iam.UpdateLoginProfile, &iam.UpdateLoginProfileInput{UserName: alice, Password: aws.String(goodPassword)}, "NoSuchEntity", noProfile)
	refused(root, w.iam.DeleteLoginProfile, &iam.DeleteLoginProfileInput{UserName: alice}, "NoSuchEntity", noProfile)
	refused(root, w.iam.CreateLoginProfile, &iam.CreateLoginProfileInput{UserName: missing, Password: aws.String(goodPassword)}, "NoSuchEntity", noUser)
	refused(root, w.iam.GetLoginProfile, &iam.GetLoginProfileInput{UserName: missing}, "NoSuchEntity", noUser)
	refused(root, w.iam.UpdateLoginProfile, &iam.UpdateLoginProfileInput{UserName: missing, Password: aws.String(goodPassword)}, "NoSuchEntity", noUser)
	refused(root, w.iam.DeleteLoginProfile, &iam.DeleteLoginProfileInput{UserName: missing}, "NoSuchEntity", noUser)
	refused(root, w.iam.CreateLoginProfile, &iam.CreateLoginProfileInput{UserName: alice}, "ValidationError",
		"1 validation error detected: Value null at 'password' failed to satisfy constraint: Member must not be null")
	weak := "Password should meet 1 more of the following requirements: Password should have at least one number, Password should have at least one symbol"
	refused(root, w.iam.CreateLoginProfile, &iam.CreateLoginProfileInput{UserName: alice, Password: aws.String("onlyLetters")}, "PasswordPolicyViolation", weak)
	w.password("alice", goodPassword)
	refused(root, w.iam.CreateLoginProfile, &iam.CreateLoginProfileInput{UserName: alice, Password: aws.String(otherPassword)}, "EntityAlreadyExists", "Login Profile for user alice already exists.")
	refused(root, w.iam.UpdateLoginProfile, &iam.UpdateLoginProfileInput{UserName: alice, Password: aws.String("onlyLetters")}, "PasswordPolicyViolation", weak)
	if !w.hasPassword("alice", goodPassword) {
		t.Error("a refused update changed the password")
	}

	// Root's own password is not kept here.
	mustName := "Must specify userName when calling with non-User credentials"
	refused(root, w.iam.CreateLoginProfile, &iam.CreateLoginProfileInput{Password: aws.String(goodPassword)}, "ValidationError", mustName)
	refused(root, w.iam.GetLoginProfile, &iam.GetLoginProfileInput{}, "ValidationError", mustName)
	refused(root, w.iam.DeleteLoginProfile, &iam.DeleteLoginProfileInput{}, "ValidationError", mustName)
	refused(root, w.iam.ChangePassword, change(goodPassword, otherPassword), "InvalidUserType", "Only IAM Users can change their own password")
	refused(w.asRole(), w.iam.ChangePassword, change(goodPassword, otherPassword), "InvalidUserType", "Only IAM Users can change their own password")
}

func TestLoginProfileWithoutName(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.may("alice", allow("iam:*LoginProfile", "arn:aws:iam::111122223333:user/alice"))
	do(alice, w.iam.CreateLoginProfile, &iam.CreateLoginProfileInput{Password: aws.String(goodPassword)})
	do(alice, w.iam.GetLoginProfile, &iam.GetLoginProfileInput{})
	do(alice, w.iam.DeleteLoginProfile, &iam.DeleteLoginProfileInput{})
}

func TestChangePassword(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	denied(alice, w.iam.ChangePassword, change(goodPassword, otherPassword))
	w.may("alice", allow("iam:ChangePassword", "arn:aws:iam::111122223333:user/${aws:username}"))
	refused(alice, w.iam.ChangePassword, change(goodPassword, otherPassword), "NoSuchEntity", "Login Profile for User alice cannot be found.")

	do(w.root(), w.iam.CreateLoginProfile, &iam.CreateLoginProfileInput{UserName: aws.String("alice"), Password: aws.String(goodPassword), PasswordResetRequired: true})
	refused(alice, w.iam.ChangePassword, change("wrong", otherPassword), "AccessDenied", "The old password is not correct.")
	refused(alice, w.iam.ChangePassword, change(goodPassword, "short"), "PasswordPolicyViolation",
		"Password should have a minimum length of 8, Password should meet 2 more of the following requirements: Password should have at least one uppercase letter, Password should have at least one number, Password should have at least one symbol")
	w.later(time.Hour)
	do(alice, w.iam.ChangePassword, change(goodPassword, otherPassword))
	if l := w.record("alice").Login; !w.hasPassword("alice", otherPassword) || l.ResetRequired || !l.Changed.Equal(second(w.now)) {
		t.Errorf("after the change: %+v", l)
	}
	refused(alice, w.iam.ChangePassword, change(goodPassword, "An0ther&one"), "AccessDenied", "The old password is not correct.")
	w.consistent(t)
}

// AllowUsersToChangePassword gives every user the right to change their own
// password, without a policy of theirs, and a Deny takes it away.
func TestAllowUsersToChangePassword(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.password("alice", goodPassword)
	denied(alice, w.iam.ChangePassword, change(goodPassword, otherPassword))
	w.rules(iam.UpdateAccountPasswordPolicyInput{AllowUsersToChangePassword: true})
	do(alice, w.iam.ChangePassword, change(goodPassword, otherPassword))
	do(alice, w.iam.GetAccountPasswordPolicy, &iam.GetAccountPasswordPolicyInput{})
	denied(alice, w.iam.UpdateLoginProfile, &iam.UpdateLoginProfileInput{UserName: aws.String("alice"), Password: aws.String(goodPassword)})
	denied(alice, w.iam.DeleteAccountPasswordPolicy, &iam.DeleteAccountPasswordPolicyInput{})
	w.may("alice", statement("Deny", "iam:ChangePassword", "*", `{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}`))
	denied(alice, w.iam.ChangePassword, change(otherPassword, goodPassword))
	do(alice.inSession(), w.iam.ChangePassword, change(otherPassword, goodPassword))
}

// Whoever holds a user's keys cannot find out the password with them: failures are
// kept, and from the fifth on every attempt waits, a right one too.
func TestGuessingThePasswordIsThrottled(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.may("alice", allow("iam:ChangePassword", "*"))
	w.password("alice", goodPassword)
	for range 5 {
		refused(alice, w.iam.ChangePassword, change("guess", otherPassword), "AccessDenied", "The old password is not correct.")
	}
	wait := "Too many wrong passwords. Try again after " + w.now.Add(5*time.Minute).UTC().Format(time.RFC3339) + "."
	refused(alice, w.iam.ChangePassword, change(goodPassword, otherPassword), "AccessDenied", wait)
	refused(alice, w.iam.ChangePassword, change("guess", otherPassword), "AccessDenied", wait)
	w.later(5 * time.Minute)
	do(alice, w.iam.ChangePassword, change(goodPassword, otherPassword))
	refused(alice, w.iam.ChangePassword, change("guess", goodPassword), "AccessDenied", "The old password is not correct.")
}

// Of requests that arrive together no more are looked at than of requests one after
// the other: not answered with "wrong", and not compared either, which the time of
// the answer might tell. None finds a right password after the last.
func TestT235_ParallelGuesses(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.may("alice", allow("iam:ChangePassword", "*"))
	w.password("alice", goodPassword)
	const (
		guesses = 200
		limit   = 5
		wait    = "Too many wrong passwords. Try again after "
	)
	var compared atomic.Int32
	op := w.ops["ChangePassword"]
	counted := op
	counted.Prepare = func(c *service.Call, in any) error {
		err := op.Prepare(c, in)
		if err == nil && prepared(c).comparedWith != "" {
			compared.Add(1)
		}
		return err
	}
	w.ops["ChangePassword"] = counted
	answers := make(chan error, guesses)
	start := make(chan struct{})
	for range guesses {
		go func() {
			<-start
			_, err := try(alice, w.iam.ChangePassword, change("guess", otherPassword))
			answers <- err
		}()
	}
	close(start)
	wrong, waiting, busy := 0, 0, 0
	for range guesses {
		err := <-answers
		e, ok := errors.AsType[smithy.APIError](err)
		switch {
		case ok && e.ErrorMessage() == "The old password is not correct.":
			wrong++
		case ok && strings.HasPrefix(e.ErrorMessage(), wait):
			waiting++
		case codeOf(err) == "Throttling":
			busy++
		default:
			t.Errorf("a guess was answered with %v", err)
		}
	}
	if n := compared.Load(); n != limit || wrong != limit || waiting+busy != guesses-limit {
		t.Errorf("%d were compared, %d wrong, %d had to wait, %d found no place", n, wrong, waiting, busy)
	}
	refused(alice, w.iam.ChangePassword, change(goodPassword, otherPassword), "AccessDenied", wait+w.now.Add(5*time.Minute).UTC().Format(time.RFC3339)+".")
	if n := compared.Load(); n != limit || !w.hasPassword("alice", goodPassword) {
		t.Errorf("after the limit: %d were compared", n)
	}
}

// The attempt counts from the moment before the password is looked at, also when the
// request ends in between, and a right password takes all of them back, also when
// the new one is refused.
func TestAttemptsAtThePasswordAreCountedFirst(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.may("alice", allow("iam:ChangePassword", "*"))
	w.password("alice", goodPassword)
	failures := func() (n int) {
		w.view(func(r store.Reader) error {
			if throttle, err := identity.Throttles.Get(r, string(authn.PurposePassword), w.record("alice").ID); err == nil {
				n = throttle.Failures
			}
			return nil
		})
		return n
	}
	op := w.ops["ChangePassword"]
	lost := op
	lost.Handle = func(*service.Call, any) (any, error) { return nil, errors.New("the server stops here") }
	w.ops["ChangePassword"] = lost
	if _, err := try(alice, w.iam.ChangePassword, change("guess", otherPassword)); err == nil || failures() != 1 {
		t.Errorf("a guess without an outcome: %v, %d failures", err, failures())
	}
	w.ops["ChangePassword"] = op
	for range 3 {
		refused(alice, w.iam.ChangePassword, change("guess", otherPassword), "AccessDenied", "The old password is not correct.")
	}
	if n := failures(); n != 4 {
		t.Errorf("%d failures, want 4", n)
	}
	for range 10 { // the fifth attempt each time, and right
		if _, err := try(alice, w.iam.ChangePassword, change(goodPassword, "short")); codeOf(err) != "PasswordPolicyViolation" {
			t.Errorf("a weak password: %v", err)
		}
	}
	if n := failures(); n != 0 {
		t.Errorf("%d failures after the right password", n)
	}
}

// Whether and where a password is among the remembered ones changes nothing about
// the work: every one of them is looked at, and the new hash is always made.
func TestComparingDoesNotStopAtAMatch(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.may("alice", allow("iam:ChangePassword", "*"))
	w.rules(iam.UpdateAccountPasswordPolicyInput{PasswordReusePrevention: aws.Int32(24)})
	w.password("alice", "password-0")
	for i := range 3 {
		do(w.root(), w.iam.UpdateLoginProfile, &iam.UpdateLoginProfileInput{UserName: aws.String("alice"), Password: aws.String(fmt.Sprint("password-", i+1))})
	}
	// found is what the Before step of an operation makes.
	found := func(a actor, name string, in any) (found *newPassword, err error) {
		op := w.ops[name]
		op.Handle = func(c *service.Call, _ any) (any, error) {
			found = prepared(c)
			return nil, nil
		}
		_, err = a.perform(op, in)
		return found, err
	}
	try := map[string]func(text string) (*newPassword, error){
		"UpdateLoginProfile": func(text string) (*newPassword, error) {
			return found(w.root(), "UpdateLoginProfile", &iam.UpdateLoginProfileInput{UserName: aws.String("alice"), Password: &text})
		},
		"ChangePassword": func(text string) (*newPassword, error) {
			return found(alice, "ChangePassword", change("password-3", text))
		},
		"ChangePassword with a wrong old one": func(text string) (*newPassword, error) {
			return found(alice, "ChangePassword", change("guess", text))
		},
	}
	reset := func() {
		w.edit(func(tx store.Tx) error {
			authn.ForgetFailures(tx, authn.PurposePassword, w.record("alice").ID)
			return nil
		})
	}
	for name, prepare := range try {
		for text, reused := range map[string]bool{"password-3": true, "password-1": true, "password-0": true, "other-password": false} {
			reset()
			got, err := prepare(text)
			if err != nil || got.reused != reused || len(got.earlier) != 4 || got.hash == "" {
				t.Errorf("%s: %s: %v, reused %v, compared with %d, hashed %v", name, text, err, got.reused, len(got.earlier), got.hash != "")
			}
		}
	}
	// A hash that cannot be read, behind the one that matches, is stumbled upon.
	w.edit(func(tx store.Tx) error {
		return identity.Users.Edit(tx, func(u *identity.User) error {
			previous := slices.Clone(u.Login.Previous)
			previous[len(previous)-1] = "damaged"
			u.Login.Previous = previous
			return nil
		}, string(ours), "alice")
	})
	for name, prepare := range try {
		reset()
		if _, err := prepare("password-3"); err == nil || codeOf(err) != "" {
			t.Errorf("%s looked at less than all hashes: %v", name, err)
		}
	}
}

// Who finds too many others waiting is asked to come back.
func TestT404_TooManyPasswords(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.may("alice", allow("iam:ChangePassword", "*"))
	w.password("alice", goodPassword)
	w.user("bob")
	gone, end := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range 2 { // as many as the world's hasher serves at a time
		turn, err := w.iam.passwords.Turn(t.Context())
		w.must(err)
		defer turn.Done()
	}
	for range password.MaxWaiting {
		waiting.Go(func() {
			// The loop below takes a place now and then.
			err := password.ErrBusy
			for errors.Is(err, password.ErrBusy) {
				_, err = w.iam.passwords.Turn(gone)
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("a waiting request: %v", err)
			}
		})
	}
	// Until all of them wait there is a place: a request that has ended leaves it.
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for {
		_, err := w.iam.passwords.Turn(ended)
		if errors.Is(err, password.ErrBusy) {
			break
		}
		runtime.Gosched()
	}
	refused(w.root(), w.iam.CreateLoginProfile, &iam.CreateLoginProfileInput{UserName: aws.String("bob"), Password: aws.String(goodPassword)}, "Throttling", "Rate exceeded")
	refused(w.root(), w.iam.UpdateLoginProfile, &iam.UpdateLoginProfileInput{UserName: aws.String("alice"), Password: aws.String(otherPassword)}, "Throttling", "Rate exceeded")
	for range 10 { // nobody's attempt is counted that was not looked at
		refused(alice, w.iam.ChangePassword, change("guess", otherPassword), "Throttling", "Rate exceeded")
	}
	end()
	waiting.Wait()
}

func TestPasswordReusePrevention(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.may("alice", allow("iam:ChangePassword", "*"))
	w.rules(iam.UpdateAccountPasswordPolicyInput{PasswordReusePrevention: aws.Int32(3)})
	w.password("alice", "password-0")
	reused := func(from, to string) {
		t.Helper()
		refused(alice, w.iam.ChangePassword, change(from, to), "PasswordPolicyViolation", "Password should differ from the last 3 passwords")
	}
	do(alice, w.iam.ChangePassword, change("password-0", "password-1"))
	do(alice, w.iam.ChangePassword, change("password-1", "password-2"))
	reused("password-2", "password-2")
	reused("password-2", "password-1")
	reused("password-2", "password-0")
	refused(w.root(), w.iam.UpdateLoginProfile, &iam.UpdateLoginProfileInput{UserName: aws.String("alice"), Password: aws.String("password-0")},
		"PasswordPolicyViolation", "Password should differ from the last 3 passwords")
	do(alice, w.iam.ChangePassword, change("password-2", "password-3"))
	do(alice, w.iam.ChangePassword, change("password-3", "password-0")) // four changes ago

	// As many as the policy can ask for are remembered, and no more.
	w.rules(iam.UpdateAccountPasswordPolicyInput{})
	for i := range 30 {
		do(w.root(), w.iam.UpdateLoginProfile, &iam.UpdateLoginProfileInput{UserName: aws.String("alice"), Password: aws.String(fmt.Sprintf("long-password-%d", i))})
	}
	if n := len(w.record("alice").Login.Previous); n != 24 {
		t.Errorf("%d passwords are remembered", n)
	}
}

func TestHardExpiry(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.may("alice", allow("iam:ChangePassword", "*"))
	w.password("alice", goodPassword)
	w.rules(iam.UpdateAccountPasswordPolicyInput{MaxPasswordAge: aws.Int32(90), HardExpiry: aws.Bool(true)})
	w.later(90*24*time.Hour + time.Second)
	refused(alice, w.iam.ChangePassword, change(goodPassword, otherPassword), "AccessDenied", "The password has expired. An administrator must set a new one.")
	do(w.root(), w.iam.UpdateLoginProfile, &iam.UpdateLoginProfileInput{UserName: aws.String("alice"), Password: aws.String("fresh-password")})
	do(alice, w.iam.ChangePassword, change("fresh-password", otherPassword))
	// Without HardExpiry the user may replace an expired password.
	w.rules(iam.UpdateAccountPasswordPolicyInput{MaxPasswordAge: aws.Int32(90)})
	w.later(91 * 24 * time.Hour)
	do(alice, w.iam.ChangePassword, change(otherPassword, goodPassword))
}

// What was found out before the transaction is not used when the password was
// changed in between.
func TestPasswordChangedMeanwhile(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.may("alice", allow("iam:ChangePassword", "*"))
	w.password("alice", goodPassword)
	op := w.ops["ChangePassword"]
	meanwhile := func(change func()) {
		slow := op
		slow.Prepare = func(c *service.Call, in any) error {
			err := op.Prepare(c, in)
			change()
			return err
		}
		w.ops["ChangePassword"] = slow
	}
	inTheWay := "Login Profile for User alice cannot be modified while login profile is being changed."
	meanwhile(func() {
		do(w.root(), w.iam.UpdateLoginProfile, &iam.UpdateLoginProfileInput{UserName: aws.String("alice"), Password: aws.String("Set-by-4dmin")})
	})
	refused(alice, w.iam.ChangePassword, change(goodPassword, otherPassword), "EntityTemporarilyUnmodifiable", inTheWay)

	// A profile that appears in between was compared with nothing.
	do(w.root(), w.iam.DeleteLoginProfile, &iam.DeleteLoginProfileInput{UserName: aws.String("alice")})
	meanwhile(func() { w.password("alice", goodPassword) })
	refused(alice, w.iam.ChangePassword, change(goodPassword, otherPassword), "EntityTemporarilyUnmodifiable", inTheWay)

	// A password found to be reused is not set because the policy went away.
	w.rules(iam.UpdateAccountPasswordPolicyInput{PasswordReusePrevention: aws.Int32(5)})
	meanwhile(func() { w.rules(iam.UpdateAccountPasswordPolicyInput{}) })
	refused(alice, w.iam.ChangePassword, change(goodPassword, goodPassword), "EntityTemporarilyUnmodifiable", inTheWay)
	if !w.hasPassword("alice", goodPassword) {
		t.Error("the password was changed")
	}
}

// Deleting a login profile takes the password and nothing else.
func TestDeleteLoginProfileKeepsKeys(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	w.password("alice", goodPassword)
	w.key("alice")
	w.edit(func(tx store.Tx) error {
		return identity.Users.Edit(tx, func(u *identity.User) error { u.PasswordLastUsed = w.now; return nil }, string(ours), "alice")
	})
	if got := do(w.root(), w.iam.GetUser, &iam.GetUserInput{UserName: aws.String("alice")}).User.PasswordLastUsed; got == nil || !got.Equal(second(w.now)) {
		t.Errorf("PasswordLastUsed = %v", got)
	}
	do(w.root(), w.iam.DeleteLoginProfile, &iam.DeleteLoginProfileInput{UserName: aws.String("alice")})
	if u := w.record("alice"); len(u.AccessKeys) != 1 || !u.PasswordLastUsed.IsZero() {
		t.Errorf("what remains: %+v", u)
	}
}

func TestT314_OnlyCreateLoginProfile(t *testing.T) {
	w := newWorld(t)
	eve := w.user("eve")
	w.user("admin")
	create := &iam.CreateLoginProfileInput{UserName: aws.String("admin"), Password: aws.String(goodPassword)}
	denied(eve, w.iam.CreateLoginProfile, create)
	w.may("eve", allow("iam:CreateLoginProfile", "arn:aws:iam::111122223333:user/eve"))
	denied(eve, w.iam.CreateLoginProfile, create)
	w.may("eve", allow("iam:CreateLoginProfile", "arn:aws:iam::111122223333:user/admin"))
	do(eve, w.iam.CreateLoginProfile, create)
}

func TestT315_OnlyUpdateLoginProfile(t *testing.T) {
	w := newWorld(t)
	eve := w.user("eve")
	w.user("admin")
	w.password("admin", goodPassword)
	update := &iam.UpdateLoginProfileInput{UserName: aws.String("admin"), Password: aws.String(otherPassword)}
	denied(eve, w.iam.UpdateLoginProfile, update)
	// A refusal for lack of permission tells nothing about the password.
	w.rules(iam.UpdateAccountPasswordPolicyInput{PasswordReusePrevention: aws.Int32(5)})
	denied(eve, w.iam.UpdateLoginProfile, &iam.UpdateLoginProfileInput{UserName: aws.String("admin"), Password: aws.String(goodPassword)})
	w.may("eve", allow("iam:UpdateLoginProfile", "arn:aws:iam::111122223333:user/*"))
	do(eve, w.iam.UpdateLoginProfile, update)
}

// Passwords and MFA codes are counted apart: neither opens or closes the other.
func TestPasswordsAndCodesAreCountedApart(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.may("alice", allow("iam:ChangePassword", "*"))
	w.password("alice", goodPassword)
	phone := w.device("phone")
	w.enable("alice", phone)
	for range 5 {
		refused(alice, w.iam.ChangePassword, change("guess", otherPassword), "AccessDenied", "The old password is not correct.")
	}
	w.must(w.present("alice", phone, 0))
	denied(alice, w.iam.ChangePassword, change(goodPassword, otherPassword)) // the code was right, the wait remains
}
