package identity

import (
	"errors"
	"fmt"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/store"
)

// Person is who signs in by themselves: an IAM user, or the root user of an account. What
// it holds is shared and read only; EditPerson changes it.
type Person struct {
	Account *Account
	User    *User // nil for root
}

// FindPerson finds a person by PersonID. The error is store.ErrNotFound when there is none.
func FindPerson(r store.Reader, id string) (*Person, error) {
	u, err := UserByID(r, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	p := &Person{User: u}
	account := id
	if u != nil {
		account = string(u.Account)
	}
	if p.Account, err = Accounts.Get(r, account); err != nil {
		return nil, err
	}
	return p, nil
}

// Root tells whether the person is the root user.
func (p *Person) Root() bool { return p.User == nil }

// ID is the PersonID.
func (p *Person) ID() string {
	if p.Root() {
		return string(p.Account.ID)
	}
	return p.User.ID
}

// Name is the user's name, or "root".
func (p *Person) Name() string {
	if p.Root() {
		return "root"
	}
	return p.User.Name
}

// ARN is the person's ARN in the partition of their account.
func (p *Person) ARN() string {
	if p.Root() {
		return arn.Scope{Partition: p.Account.Partition, Account: p.Account.ID}.Root()
	}
	return p.User.ARN(p.Account.Partition)
}

// Login is the person's password, or nil.
func (p *Person) Login() *LoginProfile {
	if p.Root() {
		return p.Account.RootLogin
	}
	return p.User.Login
}

// Devices are the MFA devices that the person uses.
func (p *Person) Devices() []EnabledDevice {
	if p.Root() {
		return p.Account.RootMFA
	}
	return p.User.MFA
}

// Stamp is the person's SignInStamp.
func (p *Person) Stamp() string {
	if p.Root() {
		return p.Account.RootStamp()
	}
	return p.User.SignInStamp()
}

// Credentials are what a person signs in with, for EditPerson.
type Credentials struct {
	Login    **LoginProfile
	Devices  *[]EnabledDevice
	LastUsed *time.Time // of the password
}

// EditPerson changes what a person signs in with, and the person to what they then are.
func EditPerson(tx store.Tx, p *Person, edit func(Credentials)) error {
	account := string(p.Account.ID)
	var err error
	if p.Root() {
		err = Accounts.Edit(tx, func(a *Account) error {
			edit(Credentials{&a.RootLogin, &a.RootMFA, &a.RootPasswordLastUsed})
			return nil
		}, account)
	} else {
		err = Users.Edit(tx, func(u *User) error {
			edit(Credentials{&u.Login, &u.MFA, &u.PasswordLastUsed})
			return nil
		}, account, Fold(p.User.Name))
	}
	if err != nil {
		return fmt.Errorf("change the sign-in of %s: %w", p.ARN(), err)
	}
	fresh, err := FindPerson(tx, p.ID())
	if err != nil {
		return err
	}
	*p = *fresh
	return nil
}

// EditCounts changes the counts of an account, which are zero at first.
func EditCounts(tx store.Tx, account arn.AccountID, edit func(*Counts) error) error {
	err := CountsOf.Edit(tx, edit, string(account))
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	n := new(Counts)
	if err := edit(n); err != nil {
		return err
	}
	return CountsOf.Put(tx, n, string(account))
}

// SetAlias gives an account an alias, or none if it is empty, and gives up the earlier one.
// That the alias is free is for the caller to check.
func SetAlias(tx store.Tx, account arn.AccountID, alias string) error {
	err := Accounts.Edit(tx, func(a *Account) error {
		if a.Alias != "" {
			Aliases.Delete(tx, a.Alias)
		}
		a.Alias = alias
		return nil
	}, string(account))
	if err != nil || alias == "" {
		return err
	}
	return Aliases.Put(tx, &Alias{Account: account}, alias)
}
