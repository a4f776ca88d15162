package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

func keyIDs(keys []types.AccessKeyMetadata) []string {
	return names(keys, func(k types.AccessKeyMetadata) *string { return k.AccessKeyId })
}

func TestAccessKeyLife(t *testing.T) {
	w := newWorld(t)
	root, alice := w.root(), aws.String("alice")
	w.user("alice")
	made := do(root, w.iam.CreateAccessKey, &iam.CreateAccessKeyInput{UserName: alice}).AccessKey
	if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(*made.AccessKeyId) {
		t.Errorf("id = %s", *made.AccessKeyId)
	}
	if account, ok := arn.AccountOfAccessKey(*made.AccessKeyId); !ok || account != ours {
		t.Errorf("the id is of account %s", account)
	}
	if !regexp.MustCompile(`^[A-Za-z0-9+/]{40}$`).MatchString(*made.SecretAccessKey) {
		t.Errorf("the secret has another form: %d characters", len(*made.SecretAccessKey))
	}
	if made.Status != types.StatusTypeActive || *made.UserName != "alice" || !made.CreateDate.Equal(second(w.now)) {
		t.Errorf("made %s", asJSON(made))
	}
	w.consistent(t)

	w.later(time.Hour)
	newer := w.key("alice")
	list := do(root, w.iam.ListAccessKeys, &iam.ListAccessKeysInput{UserName: alice}).AccessKeyMetadata
	equal(t, "keys, oldest first", keyIDs(list), []string{*made.AccessKeyId, newer})

	do(root, w.iam.UpdateAccessKey, &iam.UpdateAccessKeyInput{UserName: alice, AccessKeyId: made.AccessKeyId, Status: types.StatusTypeInactive})
	list = do(root, w.iam.ListAccessKeys, &iam.ListAccessKeysInput{UserName: alice}).AccessKeyMetadata
	if list[0].Status != types.StatusTypeInactive || list[1].Status != types.StatusTypeActive {
		t.Errorf("after deactivating the first: %s", asJSON(list))
	}
	do(root, w.iam.UpdateAccessKey, &iam.UpdateAccessKeyInput{UserName: alice, AccessKeyId: made.AccessKeyId, Status: types.StatusTypeActive})
	if list = do(root, w.iam.ListAccessKeys, &iam.ListAccessKeysInput{UserName: alice}).AccessKeyMetadata; list[0].Status != types.StatusTypeActive {
		t.Errorf("after activating the first again: %s", asJSON(list))
	}

	do(root, w.iam.DeleteAccessKey, &iam.DeleteAccessKeyInput{UserName: alice, AccessKeyId: made.AccessKeyId})
	equal(t, "keys that remain", keyIDs(do(root, w.iam.ListAccessKeys, &iam.ListAccessKeysInput{UserName: alice}).AccessKeyMetadata), []string{newer})
	w.consistent(t)
}

// The secret is in the answer and nowhere else: the record holds it sealed, bound
// to that record.
func TestSecretAccessKeyIsSealed(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	made := do(w.root(), w.iam.CreateAccessKey, &iam.CreateAccessKeyInput{UserName: aws.String("alice")}).AccessKey
	var key *identity.AccessKey
	w.view(func(r store.Reader) (err error) {
		key, err = identity.AccessKeys.Get(r, *made.AccessKeyId)
		return err
	})
	record, _ := json.Marshal(key)
	if bytes.Contains(record, []byte(*made.SecretAccessKey)) || bytes.Contains(key.Secret, []byte(*made.SecretAccessKey)) {
		t.Error("the record shows the secret")
	}
	secret, err := w.ring.Open(keyring.AccessKeySecrets, string(identity.AccessKeys.Key(key.ID)), key.Secret)
	if err != nil || string(secret) != *made.SecretAccessKey {
		t.Errorf("the sealed secret opens to something else (%v)", err)
	}
	if _, err := w.ring.Open(keyring.AccessKeySecrets, string(identity.AccessKeys.Key(w.key("alice"))), key.Secret); err == nil {
		t.Error("the secret opens in the record of another key")
	}
}

func TestAccessKeyErrors(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	w.user("alice")
	w.user("bob")
	key := w.key("alice")
	w.key("alice")
	alice, bob, missing := aws.String("alice"), aws.String("bob"), aws.String("nil")
	refused(root, w.iam.CreateAccessKey, &iam.CreateAccessKeyInput{UserName: alice}, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
	refused(root, w.iam.CreateAccessKey, &iam.CreateAccessKeyInput{UserName: missing}, "NoSuchEntity", "The user with name nil cannot be found.")
	refused(root, w.iam.ListAccessKeys, &iam.ListAccessKeysInput{UserName: missing}, "NoSuchEntity", "The user with name nil cannot be found.")
	unknown := "AKIAUNKNOWNUNKNOWNUN"
	for _, user := range []*string{alice, bob, nil} {
		id := unknown
		if user == bob { // a key that there is, but not of this user
			id = key
		}
		noKey := "The Access Key with id " + id + " cannot be found"
		refused(root, w.iam.UpdateAccessKey, &iam.UpdateAccessKeyInput{UserName: user, AccessKeyId: &id, Status: types.StatusTypeInactive}, "NoSuchEntity", noKey)
		refused(root, w.iam.DeleteAccessKey, &iam.DeleteAccessKeyInput{UserName: user, AccessKeyId: &id}, "NoSuchEntity", noKey)
	}
	refused(root, w.iam.UpdateAccessKey, &iam.UpdateAccessKeyInput{UserName: alice, AccessKeyId: &key, Status: types.StatusTypeExpired},
		"InvalidInput", "The status of an access key can be set to Active or Inactive.")
	refused(root, w.iam.GetAccessKeyLastUsed, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &unknown}, "NoSuchEntity", "The Access Key with id "+unknown+" cannot be found")
	w.consistent(t)
}

// Both keys count, active or not.
func TestInactiveKeysCount(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	key := w.key("alice")
	w.key("alice")
	do(w.root(), w.iam.UpdateAccessKey, &iam.UpdateAccessKeyInput{UserName: aws.String("alice"), AccessKeyId: &key, Status: types.StatusTypeInactive})
	refused(w.root(), w.iam.CreateAccessKey, &iam.CreateAccessKeyInput{UserName: aws.String("alice")}, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
}

func TestRootHasNoAccessKeys(t *testing.T) {
	w := newWorld(t)
	for _, root := range []actor{w.root(), w.root().inSession()} {
		refused(root, w.iam.CreateAccessKey, &iam.CreateAccessKeyInput{}, "AccessDenied", noRootKeys)
		if keys := do(root, w.iam.ListAccessKeys, &iam.ListAccessKeysInput{}).AccessKeyMetadata; keys == nil || len(keys) != 0 {
			t.Errorf("root's keys = %#v", keys)
		}
	}
	for _, hint := range []string{"lanyard env --root", "IAM user or role"} {
		if !strings.Contains(noRootKeys, hint) {
			t.Errorf("the refusal does not say what to use instead: %s", hint)
		}
	}
	w.consistent(t)
}

// Without a name, the owner of the signing key is meant; temporary credentials have
// no such key.
func TestAccessKeysWithoutName(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.may("alice", allow("iam:*AccessKey*", "arn:aws:iam::111122223333:user/alice"))
	made := do(alice, w.iam.CreateAccessKey, &iam.CreateAccessKeyInput{}).AccessKey
	if *made.UserName != "alice" {
		t.Errorf("the key is %s's", *made.UserName)
	}
	equal(t, "her keys", keyIDs(do(alice, w.iam.ListAccessKeys, &iam.ListAccessKeysInput{}).AccessKeyMetadata), []string{*made.AccessKeyId})
	const mustName = "Must specify userName when calling with non-User credentials"
	for _, caller := range []actor{alice.inSession(), w.asRole()} {
		refused(caller, w.iam.CreateAccessKey, &iam.CreateAccessKeyInput{}, "ValidationError", mustName)
		refused(caller, w.iam.ListAccessKeys, &iam.ListAccessKeysInput{}, "ValidationError", mustName)
		refused(caller, w.iam.UpdateAccessKey, &iam.UpdateAccessKeyInput{AccessKeyId: made.AccessKeyId, Status: types.StatusTypeActive}, "ValidationError", mustName)
		refused(caller, w.iam.DeleteAccessKey, &iam.DeleteAccessKeyInput{AccessKeyId: made.AccessKeyId}, "ValidationError", mustName)
	}
	do(alice.inSession(), w.iam.ListAccessKeys, &iam.ListAccessKeysInput{UserName: aws.String("alice")})
	do(alice, w.iam.UpdateAccessKey, &iam.UpdateAccessKeyInput{AccessKeyId: made.AccessKeyId, Status: types.StatusTypeInactive})
	do(alice, w.iam.DeleteAccessKey, &iam.DeleteAccessKeyInput{AccessKeyId: made.AccessKeyId})
}

func TestAccessKeyLastUsed(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	key := w.key("alice")
	ask := &iam.GetAccessKeyLastUsedInput{AccessKeyId: &key}
	unused := do(w.root(), w.iam.GetAccessKeyLastUsed, ask)
	if u := unused.AccessKeyLastUsed; u.LastUsedDate != nil || *u.Region != "N/A" || *u.ServiceName != "N/A" || *unused.UserName != "alice" {
		t.Errorf("never used: %s", asJSON(u))
	}
	w.edit(func(tx store.Tx) error {
		return identity.LastUses.Put(tx, &identity.LastUse{At: w.now, Service: "s3", Region: "eu-west-1"}, key)
	})
	if u := do(w.root(), w.iam.GetAccessKeyLastUsed, ask).AccessKeyLastUsed; !u.LastUsedDate.Equal(second(w.now)) || *u.Region != "eu-west-1" || *u.ServiceName != "s3" {
		t.Errorf("used: %s", asJSON(u))
	}
	do(w.root(), w.iam.DeleteAccessKey, &iam.DeleteAccessKeyInput{UserName: aws.String("alice"), AccessKeyId: &key})
	w.view(func(r store.Reader) error {
		if identity.LastUses.Has(r, key) {
			t.Error("the last use of a deleted key remains")
		}
		return nil
	})
}

// The id of a key is drawn anew when there is such a key already, in any account.
func TestAccessKeyIDsAreUnique(t *testing.T) {
	w := newWorld(t)
	fixed := strings.Repeat("0123456789", 2) // two draws give the same id, a third another
	draws := &io.LimitedReader{R: strings.NewReader(fixed + "abcdefghij"), N: 30}
	w.edit(func(tx store.Tx) error {
		c := &service.Call{Reader: tx, Tx: tx, Rand: draws, Scope: arn.Scope{Partition: "aws", Account: ours}}
		first, err := newAccessKeyID(c)
		if err != nil {
			return err
		}
		if err := identity.AccessKeys.Put(tx, &identity.AccessKey{ID: first, Account: ours}, first); err != nil {
			return err
		}
		next, err := newAccessKeyID(c)
		if err != nil || next == first || draws.N != 0 {
			t.Errorf("after %s: %s, %v, with %d bytes left", first, next, err, draws.N)
		}
		c.Rand = strings.NewReader(strings.Repeat("0123456789", 100))
		if id, err := newAccessKeyID(c); err == nil {
			t.Errorf("a generator that repeats itself gave %s", id)
		}
		return nil
	})
}

func TestAccessKeyPermissions(t *testing.T) {
	w := newWorld(t)
	admin := w.user("admin")
	w.user("alice")
	key := w.key("alice")
	last := &iam.GetAccessKeyLastUsedInput{AccessKeyId: &key}
	unknown := &iam.GetAccessKeyLastUsedInput{AccessKeyId: aws.String("AKIAUNKNOWNUNKNOWNUN")}
	denied(admin, w.iam.GetAccessKeyLastUsed, last)
	denied(admin, w.iam.GetAccessKeyLastUsed, unknown)
	w.may("admin", allow("iam:GetAccessKeyLastUsed", "arn:aws:iam::111122223333:user/alice"))
	do(admin, w.iam.GetAccessKeyLastUsed, last)
	denied(admin, w.iam.GetAccessKeyLastUsed, unknown) // whether there is such a key is not theirs to know
	w.may("admin", allow("iam:GetAccessKeyLastUsed", "*"))
	refused(admin, w.iam.GetAccessKeyLastUsed, unknown, "NoSuchEntity", "The Access Key with id AKIAUNKNOWNUNKNOWNUN cannot be found")
}

// A key of one account cannot be named from another, not even by its id.
func TestT300_AccessKeysOfAnotherAccount(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	key := w.key("alice")
	eve := w.rootOf(theirs)
	do(eve, w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("alice")}) // the same name
	noKey := "The Access Key with id " + key + " cannot be found"
	refused(eve, w.iam.UpdateAccessKey, &iam.UpdateAccessKeyInput{UserName: aws.String("alice"), AccessKeyId: &key, Status: types.StatusTypeInactive}, "NoSuchEntity", noKey)
	refused(eve, w.iam.DeleteAccessKey, &iam.DeleteAccessKeyInput{UserName: aws.String("alice"), AccessKeyId: &key}, "NoSuchEntity", noKey)
	refused(eve, w.iam.GetAccessKeyLastUsed, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &key}, "NoSuchEntity", noKey)
	w.consistent(t)
}

// CreateAccessKey is a right on the user whose key it is.
func TestT313_OnlyCreateAccessKey(t *testing.T) {
	w := newWorld(t)
	eve := w.user("eve")
	w.user("admin")
	forAdmin := &iam.CreateAccessKeyInput{UserName: aws.String("admin")}
	denied(eve, w.iam.CreateAccessKey, forAdmin)
	w.may("eve", allow("iam:CreateAccessKey", "arn:aws:iam::111122223333:user/${aws:username}"))
	denied(eve, w.iam.CreateAccessKey, forAdmin)
	do(eve, w.iam.CreateAccessKey, &iam.CreateAccessKeyInput{})
	w.may("eve", allow("iam:CreateAccessKey", "*"))
	do(eve, w.iam.CreateAccessKey, forAdmin) // with the grant, as on AWS
}

// A user name that looks like the root user's names no root user.
func TestT508_RootLikeUserNames(t *testing.T) {
	w := newWorld(t)
	eve := w.user("eve")
	for _, name := range []string{"root", "ROOT", "111122223333", "arn:aws:iam::111122223333:root"} {
		in := &iam.CreateAccessKeyInput{UserName: &name}
		w.may("eve")
		denied(eve, w.iam.CreateAccessKey, in)
		w.may("eve", allow("iam:*", "*"))
		for _, caller := range []actor{eve, w.root()} {
			if _, err := try(caller, w.iam.CreateAccessKey, in); codeOf(err) != "NoSuchEntity" {
				t.Errorf("CreateAccessKey for %q: %v", name, err)
			}
		}
	}
	w.consistent(t)
}

// Randomness that fails makes the operation fail, with nothing done.
func TestCreateAccessKeyWithoutRandomness(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	err := w.db.Update(t.Context(), func(tx store.Tx) error {
		c := &service.Call{Reader: tx, Tx: tx, Rand: strings.NewReader("0123456789"), Principal: w.root().p, Scope: arn.Scope{Partition: "aws", Account: ours}, Now: w.now}
		_, err := w.iam.CreateAccessKey(c, &iam.CreateAccessKeyInput{UserName: aws.String("alice")})
		return err
	})
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error = %v", err)
	}
	w.consistent(t)
}

// A session that a session policy restricts cannot escape through a key that knows
// no restriction, neither for the role's own people nor for others.
func TestT505_RestrictedSessionMakesNoKeys(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	role := w.asRole() // the role itself may do everything
	restricted := *role.p.Session
	restricted.ID = [16]byte{1}
	restricted.Policy = allow("s3:*", "*")
	role.p.Session = &restricted
	create := &iam.CreateAccessKeyInput{UserName: aws.String("alice")}
	denied(role, w.iam.CreateAccessKey, create)
	restricted.ID = [16]byte{2}
	restricted.Policy = ""
	do(role, w.iam.CreateAccessKey, create)
}
