package authn

import (
	"fmt"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/password"
	"github.com/lanyard-iam/lanyard/store"
)

// maxPrevious is how many earlier passwords are remembered: as many as
// PasswordReusePrevention can ask for.
const maxPrevious = 24

// How long a password that people choose in the console is at least (NIST SP 800-63B-4,
// 3.1.1.2): one that lets in alone, and one beside a second factor. The account's policy
// may ask for more.
const (
	minPasswordAlone   = 15
	minPasswordWithMFA = 8
)

// PasswordRules are what an account's policy asks of a password; nil is the policy of an
// account that has set none.
func PasswordRules(p *identity.PasswordPolicy) password.Policy {
	if p == nil {
		return password.Default()
	}
	return password.Policy{
		MinimumLength: int(p.MinimumLength),
		Uppercase:     p.RequireUppercase,
		Lowercase:     p.RequireLowercase,
		Number:        p.RequireNumbers,
		Symbol:        p.RequireSymbols,
	}
}

// PasswordUnfit says in AWS's words why an account's policy does not admit a password, or
// "".
func PasswordUnfit(p *identity.PasswordPolicy, account *identity.Account, text string) string {
	if wrong := PasswordRules(p).Check(text); wrong != "" {
		return wrong
	}
	if p == nil && (text == account.Alias || text == string(account.ID)) {
		return "Password should not be identical to the account name"
	}
	return ""
}

// EarlierPasswords are the hashes of the passwords that PasswordReusePrevention forbids,
// the present one first.
func EarlierPasswords(login *identity.LoginProfile, p *identity.PasswordPolicy) []string {
	if login == nil || p == nil || p.ReusePrevention == 0 {
		return nil
	}
	hashes := append([]string{login.Hash}, login.Previous...)
	return hashes[:min(len(hashes), int(p.ReusePrevention))]
}

// Replace sets a new password and remembers the one before.
func Replace(login *identity.LoginProfile, hash string, now time.Time) {
	previous := append([]string{login.Hash}, login.Previous...)
	login.Previous = previous[:min(len(previous), maxPrevious)]
	login.Hash = hash
	login.Changed = now
	login.ResetRequired = false
}

// willHaveMFA tells whether a person has a second factor, or is about to be asked for one.
func (s *SignIns) willHaveMFA(p *identity.Person, rules *identity.SignInRules) bool {
	required, _ := mustEnrol(p, rules)
	return required || len(p.Devices()) > 0
}

// minPassword is how many characters a new password needs at least, and what else.
func minPassword(r store.Reader, p *identity.Person, mfa bool) (least int, asks string, err error) {
	policy, err := passwordPolicy(r, p.Account.ID)
	if err != nil {
		return 0, "", err
	}
	least = minPasswordAlone
	if mfa {
		least = minPasswordWithMFA
	}
	if p.Root() { // the account's policy is for its users
		policy = nil
	}
	rules := PasswordRules(policy)
	return max(least, rules.MinimumLength), asked(rules), nil
}

// asked says in a sentence which kinds of characters a policy asks for.
func asked(p password.Policy) string {
	var must, other []string
	for _, kind := range []struct {
		name     string
		required bool
	}{{"an uppercase letter", p.Uppercase}, {"a lowercase letter", p.Lowercase}, {"a number", p.Number}, {"a symbol", p.Symbol}} {
		if kind.required {
			must = append(must, kind.name)
		} else {
			other = append(other, kind.name)
		}
	}
	var parts []string
	if len(must) > 0 {
		parts = append(parts, strings.Join(must, ", "))
	}
	if more := p.Classes - len(must); more > 0 {
		parts = append(parts, fmt.Sprintf("%d of these: %s", more, strings.Join(other, ", ")))
	}
	if len(parts) == 0 {
		return ""
	}
	return "It needs " + strings.Join(parts, ", and ") + "."
}

// RootPasswordUnfit says why a new password of a root user, who always has to have a second
// factor, will not do, or "".
func RootPasswordUnfit(r store.Reader, root *identity.Person, text string) (string, error) {
	return unfit(r, root, text, true)
}

// unfit says why a password that somebody chose in the console will not do, or "". Beside
// the account's policy it must be long enough and not be one that everybody tries first.
func unfit(r store.Reader, p *identity.Person, text string, mfa bool, names ...string) (string, error) {
	least, _, err := minPassword(r, p, mfa)
	if err != nil {
		return "", err
	}
	policy, err := passwordPolicy(r, p.Account.ID)
	if err != nil {
		return "", err
	}
	if p.Root() {
		policy = nil
	}
	n := len([]rune(text))
	names = append(names, p.Name(), string(p.Account.ID), p.Account.Alias, p.Account.RootEmail)
	switch {
	case n > password.MaxLength || len(text) > maxTyped:
		return fmt.Sprintf("A password has at most %d characters.", password.MaxLength), nil
	case n < least && mfa:
		return fmt.Sprintf("The password needs at least %d characters.", least), nil
	case n < least:
		return fmt.Sprintf("The password needs at least %d characters, since it is your only factor. With an MFA device a shorter one will do.", least), nil
	case password.Common(text):
		return "This password is among those that are tried first, because many people use it. Choose another one: several unrelated words are good.", nil
	case password.Derived(text, names...):
		return "The password is too close to your name or that of the account. Choose another one.", nil
	}
	if why := PasswordUnfit(policy, p.Account, text); why != "" {
		return why + ".", nil
	}
	return "", nil
}
