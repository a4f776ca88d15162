package identity

import (
	"errors"
	"fmt"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/store"
)

// KeyState describes a long-term access key to who has to deal with it: its owner, its
// user's other keys, and whether its sessions were ended.
type KeyState struct {
	ID      string        `json:"accessKeyId"`
	Account arn.AccountID `json:"account"`
	// Exists is false for a key that was deleted, of which Account is all that is
	// known, and Revoked.
	Exists   bool      `json:"exists"`
	Active   bool      `json:"active"`
	Created  time.Time `json:"created,omitzero"`
	UserName string    `json:"userName,omitempty"`
	UserARN  string    `json:"userArn,omitempty"`
	Password bool      `json:"password,omitempty"` // the user can sign in with one
	// Others are the user's other access keys.
	Others []OtherKey `json:"otherKeys,omitempty"`
	// Revoked is the moment before which sessions were issued that are over; zero if
	// the key's sessions were never revoked.
	Revoked time.Time `json:"revokedBefore,omitzero"`
}

// OtherKey is another access key of the same user.
type OtherKey struct {
	ID      string    `json:"accessKeyId"`
	Active  bool      `json:"active"`
	Created time.Time `json:"created"`
}

// DescribeKey describes a key that exists, or one that was deleted of which the id says
// that it was of an account here. Of others it knows nothing: store.ErrNotFound.
func DescribeKey(r store.Reader, partition arn.Partition, id string) (*KeyState, error) {
	state := &KeyState{ID: id}
	switch cut, err := Revocations.Get(r, id); {
	case err == nil:
		state.Revoked = cut.Before
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	key, err := AccessKeys.Get(r, id)
	if errors.Is(err, store.ErrNotFound) {
		account, ok := arn.AccountOfAccessKey(id)
		if !ok || !Accounts.Has(r, string(account)) {
			return nil, fmt.Errorf("there is no access key %s here, and its id names no account of this server: %w", id, store.ErrNotFound)
		}
		state.Account = account
		return state, nil
	}
	if err != nil {
		return nil, err
	}
	state.Account, state.Exists, state.Active, state.Created = key.Account, true, !key.Inactive, key.Created
	u, err := UserByID(r, key.UserID)
	if err != nil {
		return nil, fmt.Errorf("user of access key %s: %v", id, err) // not "not found": the key is there
	}
	state.UserName, state.UserARN, state.Password = u.Name, u.ARN(partition), u.Login != nil
	for _, other := range u.AccessKeys {
		if other == id {
			continue
		}
		k, err := AccessKeys.Get(r, other)
		if err != nil {
			return nil, fmt.Errorf("access key %s of user %s: %v", other, u.Name, err)
		}
		state.Others = append(state.Others, OtherKey{ID: other, Active: !k.Inactive, Created: k.Created})
	}
	return state, nil
}
