package session

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// Revoke makes the sessions of a principal that were issued before a moment
// invalid from the next request on: those of a role (AROA…), of a user including
// the federated ones that the user issued (AIDA…), or of the root user (account
// id); or those that a long-term access key (AKIA…) minted, directly or through
// other sessions, whosesoever they are. Sessions know their issue time to the second, so the moment is rounded up:
// a session of the same second may be ended although it is a little younger.
//
// A revocation is never taken back, by an earlier moment least of all.
func Revoke(tx store.Tx, id string, before time.Time) error {
	if cut := before.Truncate(time.Second); !cut.Equal(before) {
		before = cut.Add(time.Second)
	}
	old, err := identity.Revocations.Get(tx, id)
	switch {
	case err == nil && !before.After(old.Before):
		return nil
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("read revocation of %s: %w", id, err)
	}
	return identity.Revocations.Put(tx, &identity.Revocation{Before: before.UTC()}, id)
}

// Revoked tells whether a session was issued before the sessions of its principal, or of
// the key at its origin, were last revoked, or belongs to a sign-in session of `aws login`
// or a browser session that has ended. An error means that it is not known; callers refuse the session.
func Revoked(r store.Reader, s *Session) (bool, error) {
	if s.SignIn != "" {
		if good, err := signedIn(r, s); !good || err != nil {
			return true, err
		}
	}
	if s.Console {
		if good, err := inBrowser(r, s); !good || err != nil {
			return true, err
		}
	}
	revoked, err := revokedFor(r, s, s.PrincipalID)
	if revoked || err != nil || s.Origin == "" {
		return revoked, err
	}
	return revokedFor(r, s, s.Origin)
}

func revokedFor(r store.Reader, s *Session, id string) (bool, error) {
	revocation, err := identity.Revocations.Get(r, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read revocation of %s: %w", id, err)
	}
	return s.Issued.Before(revocation.Before), nil
}

// signedIn tells whether the sign-in session of s is there, and what its person signs in
// with is the same.
func signedIn(r store.Reader, s *Session) (bool, error) {
	grant, err := identity.OAuthGrants.Get(r, s.Person(), s.SignIn[strings.LastIndexByte(s.SignIn, '/')+1:])
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the sign-in session %s: %w", s.SignIn, err)
	}
	return SameStamp(r, grant.PersonID, grant.Stamp)
}

// inBrowser tells whether the browser session of s is there, and what its person signs in
// with is the same: a page that began before it ended does nothing after.
func inBrowser(r store.Reader, s *Session) (bool, error) {
	all, err := browsers(r, s.Person())
	if err != nil {
		return false, fmt.Errorf("read the browser sessions of %s: %w", s.Person(), err)
	}
	for _, b := range all {
		if b.AccessKeyID == s.AccessKeyID {
			return SameStamp(r, b.PersonID, b.Stamp)
		}
	}
	return false, nil
}

// SameStamp tells whether what a person signs in with is still what it was when stamp was
// taken. An empty stamp is of who has no sign-in of their own.
func SameStamp(r store.Reader, person, stamp string) (bool, error) {
	if stamp == "" {
		return true, nil
	}
	now, err := Stamp(r, person)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && identity.SameDigest(stamp, now), err
}
