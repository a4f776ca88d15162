package iam

import (
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// What signing certificates, SSH keys and service-specific credentials have in
// common: they hang on a user by unique id, and can be switched off.

// holder is a user with certificates, keys or credentials. Root has none: its id is
// the account's, under which nothing is kept.
type holder struct {
	id   string
	name string
	root bool
}

func (p person) holder(c *service.Call) (holder, error) {
	if p.root {
		return holder{id: c.Account(), root: true}, nil
	}
	u, err := findUser(c, p.name)
	if err != nil {
		return holder{}, err
	}
	return holder{id: u.ID, name: u.Name}, nil
}

// holderOf is whose certificates or SSH keys an operation means. Without a name that
// is the owner of the key that signed the request.
func holderOf(c *service.Call, name *string) (holder, error) {
	who, err := keyOwner(c, name)
	if err != nil {
		return holder{}, err
	}
	return who.holder(c)
}

// holdsNothing refuses to delete a user while certificates, SSH keys or
// service-specific credentials are left.
func holdsNothing(c *service.Call, u *identity.User) error {
	certificates, err := howMany(c, identity.SigningCertificates, c.Account(), u.ID)
	if err != nil {
		return err
	}
	if certificates > 0 {
		return deleteConflict("Cannot delete entity, must delete signing certificates first.")
	}
	keys, err := howMany(c, identity.SSHPublicKeys, c.Account(), u.ID)
	if err != nil {
		return err
	}
	credentials, err := howMany(c, identity.ServiceCredentials, c.Account(), u.ID)
	if err != nil {
		return err
	}
	if keys+credentials > 0 {
		return deleteConflict("Cannot delete entity, must remove referenced objects first.")
	}
	return nil
}

// howMany counts the records below a prefix, of which there are few.
func howMany[T any](c *service.Call, table store.Table[T], prefix ...string) (n int, err error) {
	err = table.Scan(c.Reader, "", func(store.Key, *T) bool {
		n++
		return true
	}, prefix...)
	return n, err
}

// settable is the status that an update may set, as whether it means inactive. The
// model's third, Expired, is only ever shown.
func settable(status types.StatusType, what string) (inactive bool, err error) {
	switch status {
	case types.StatusTypeActive:
		return false, nil
	case types.StatusTypeInactive:
		return true, nil
	}
	return false, invalidInput("The status of %s can be set to Active or Inactive.", what)
}

func statusOf(inactive bool) types.StatusType {
	if inactive {
		return types.StatusTypeInactive
	}
	return types.StatusTypeActive
}
