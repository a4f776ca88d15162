package iam

import (
	"fmt"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// What users, groups, roles, policies and instance profiles have in common.

// enter draws the unique id of a new entity and enters it in the index.
func enter(c *service.Call, prefix string, kind identity.EntityType, name string) (id string, err error) {
	id, err = arn.NewUniqueID(prefix, c.Rand)
	if err != nil {
		return "", err
	}
	if identity.Entities.Has(c.Reader, id) { // 85 bits are random: something is wrong with them
		return "", fmt.Errorf("unique id %s was drawn twice", id)
	}
	entity := &identity.Entity{Account: c.Scope.Account, Type: kind, Name: identity.Fold(name)}
	return id, identity.Entities.Put(c.Tx, entity, id)
}

// rename keeps the index from an entity's unique id to its name in step. The bearer has
// the new name.
func rename(c *service.Call, b *bearer) error {
	entity := &identity.Entity{Account: c.Scope.Account, Type: b.kind, Name: identity.Fold(b.name)}
	return identity.Entities.Put(c.Tx, entity, b.id)
}

// forget removes what is kept about a user or role by unique id, once they are gone.
func forget(c *service.Call, id string) {
	identity.Entities.Delete(c.Tx, id)
	identity.Revocations.Delete(c.Tx, id)
	identity.LastUses.Delete(c.Tx, id)
	c.Tx.Scan(store.Prefix(identity.Activities.Kind, id), "", func(key store.Key, _ *store.Item) bool {
		c.Tx.Delete(key)
		return true
	})
	authn.ForgetPerson(c.Tx, id)
}

// pathOf is the path of a new entity.
func pathOf(path *string) string {
	if path == nil {
		return "/"
	}
	return *path
}

// below tells whether a path is in the list that PathPrefix selects.
func below(path string, prefix *string) bool {
	return prefix == nil || strings.HasPrefix(path, *prefix)
}

// second is a moment as AWS keeps and shows it.
func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// shown is a moment as an output has it; absent if it never was.
func shown(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = second(t)
	return &t
}
