package session

import (
	"slices"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// Login is a sign-in session of `aws login`: a program that a person lets have their
// credentials.
type Login struct {
	ID string
	identity.OAuthGrant
}

// Logins are the sign-in sessions of a person that have not expired and that no change of
// what they sign in with has ended, the newest first.
func Logins(r store.Reader, person string, now time.Time) ([]Login, error) {
	var all []Login
	err := identity.OAuthGrants.Scan(r, "", func(key store.Key, grant *identity.OAuthGrant) bool {
		if now.Before(grant.Expires) {
			all = append(all, Login{identity.OAuthGrants.Cursor(key, person), *grant})
		}
		return true
	}, person)
	if err != nil {
		return nil, err
	}
	good := all[:0]
	for _, l := range all {
		same, err := SameStamp(r, person, l.Stamp)
		if err != nil {
			return nil, err
		}
		if same {
			good = append(good, l)
		}
	}
	slices.SortFunc(good, func(a, b Login) int { return b.Created.Compare(a.Created) })
	return good, nil
}

// EndLogin ends a sign-in session of a person, with the credentials that were made of it.
// It reports whether there was one.
func EndLogin(tx store.Tx, person, id string) bool {
	there := identity.OAuthGrants.Has(tx, person, id)
	identity.OAuthGrants.Delete(tx, person, id)
	return there
}
