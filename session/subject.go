package session

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// Subject is whose sessions can be ended: a user, a role, an account's root user, or a
// long-term access key, of which it is those that the key minted.
type Subject struct {
	ARN     string        `json:"arn,omitempty"` // of a key, that of its user; empty if it was deleted
	Type    string        `json:"type"`          // user, role, root or key
	ID      string        `json:"id"`
	Account arn.AccountID `json:"-"`
	// Before is the moment before which sessions were issued that are over. It is
	// a whole second, and later than what was asked for if the sessions had been
	// revoked up to then already.
	Before time.Time `json:"before"`
	// AccessKeys are the long-term keys that still work.
	AccessKeys []string `json:"accessKeys,omitempty"`
	Password   bool     `json:"password,omitempty"` // of a user, who can still sign in
}

// NoSubject is a name that fits nobody who has sessions, or several.
type NoSubject string

func (e NoSubject) Error() string { return string(e) }

// End ends the sessions of a subject that were issued before a moment, and notes from
// when on sessions are good.
func (s *Subject) End(tx store.Tx, before time.Time) error {
	if err := Revoke(tx, s.ID, before); err != nil {
		return err
	}
	cut, err := identity.Revocations.Get(tx, s.ID)
	if err != nil {
		return fmt.Errorf("read revocation of %s: %w", s.ID, err)
	}
	s.Before = cut.Before
	return nil
}

// FindSubject finds who has sessions by an ARN, a unique id, user/NAME, role/NAME, root, a
// name that only one has, or the id of an access key. What is no ARN and no id is looked
// for in the account of the scope. The error may be a NoSubject.
func FindSubject(r store.Reader, scope arn.Scope, given string) (Subject, error) {
	kind, name := "", given
	switch a, err := arn.Parse(given); {
	case err == nil:
		scope.Account = arn.AccountID(a.Account)
		kind, _, name = a.Split()
		if a.Service == "sts" {
			return Subject{}, NoSubject(given + " is one session; name its role or user, all of whose sessions end")
		}
		found, err := subjectNamed(r, scope, kind, name, given)
		if err == nil && !strings.EqualFold(found.ARN, given) {
			err = NoSubject(fmt.Sprintf("there is no %s; did you mean %s?", given, found.ARN))
		}
		return found, err
	case given == "root":
		return subjectNamed(r, scope, given, "", given)
	case strings.HasPrefix(given, arn.PrefixUser) || strings.HasPrefix(given, arn.PrefixRole):
		if e, err := identity.Entities.Get(r, given); err == nil {
			scope.Account = e.Account
			return subjectNamed(r, scope, string(e.Type), e.Name, given)
		}
	}
	if arn.IsAccessKey(given) {
		return keySubject(r, scope.Partition, given)
	}
	if k, n, ok := strings.Cut(given, "/"); ok {
		kind, name = k, n[strings.LastIndexByte(n, '/')+1:]
	}
	return subjectNamed(r, scope, kind, name, given)
}

func keySubject(r store.Reader, partition arn.Partition, id string) (Subject, error) {
	key, err := identity.DescribeKey(r, partition, id)
	if errors.Is(err, store.ErrNotFound) {
		return Subject{}, NoSubject(fmt.Sprintf("there is no access key %s here, and its id names no account of this server", id))
	}
	if err != nil {
		return Subject{}, err
	}
	found := Subject{ARN: key.UserARN, Type: "key", ID: id, Account: key.Account}
	if key.Active {
		found.AccessKeys = []string{id}
	}
	return found, nil
}

// subjectNamed finds a user or role of an account, or its root user; either of the first
// two, if kind is empty.
func subjectNamed(r store.Reader, scope arn.Scope, kind, name, given string) (Subject, error) {
	if !identity.Accounts.Has(r, string(scope.Account)) {
		return Subject{}, NoSubject(fmt.Sprintf("there is no account %s here", scope.Account))
	}
	if kind == "root" {
		return Subject{ARN: scope.Root(), Type: "root", ID: string(scope.Account), Account: scope.Account}, nil
	}
	var found []Subject
	if kind == "" || kind == "user" {
		u, err := identity.FindUser(r, scope.Account, name)
		if err == nil {
			s, err := userSubject(r, scope, u)
			if err != nil {
				return Subject{}, err
			}
			found = append(found, s)
		} else if !errors.Is(err, store.ErrNotFound) {
			return Subject{}, err
		}
	}
	if kind == "" || kind == "role" {
		role, err := identity.FindRole(r, scope.Account, name)
		if err == nil {
			found = append(found, Subject{ARN: role.ARN(scope.Partition), Type: "role", ID: role.ID, Account: scope.Account})
		} else if !errors.Is(err, store.ErrNotFound) {
			return Subject{}, err
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Subject{}, NoSubject(fmt.Sprintf("there is no user or role %q in account %s", given, scope.Account))
	}
	return Subject{}, NoSubject(fmt.Sprintf("%q is a user and a role: say user/%s or role/%s", given, name, name))
}

func userSubject(r store.Reader, scope arn.Scope, u *identity.User) (Subject, error) {
	s := Subject{ARN: u.ARN(scope.Partition), Type: "user", ID: u.ID, Account: scope.Account, Password: u.Login != nil}
	for _, id := range u.AccessKeys {
		key, err := identity.AccessKeys.Get(r, id)
		if err != nil {
			return Subject{}, fmt.Errorf("access key %s of user %s: %v", id, u.Name, err)
		}
		if !key.Inactive {
			s.AccessKeys = append(s.AccessKeys, id)
		}
	}
	return s, nil
}
