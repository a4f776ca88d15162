package authz_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// A role that is found with its compiled policies is the one of the snapshot, also after
// it was changed or deleted, or made again under its name.
func TestRoleByIDIsTheSnapshots(t *testing.T) {
	w := newWorld(t)
	w.loadRoles(2)
	id, name := benchRoleID(0), "app-role-000000"
	decided := func() {
		w.view(func(r store.Reader) {
			check := authz.Check{Action: "s3:GetObject", Resource: benchResource(0)}
			if d, err := w.authz.Decide(r, w.benchSession(r, id), &check, &w.env); err != nil || !d.Allowed {
				t.Fatal(err, d.Message)
			}
		})
	}
	same := func(step string) {
		t.Helper()
		w.view(func(r store.Reader) {
			want, wantErr := identity.RoleByID(r, id)
			got, err := w.authz.RoleByID(r, id)
			if got != want || !errors.Is(err, wantErr) {
				t.Errorf("%s: %p, %v; want %p, %v", step, got, err, want, wantErr)
			}
		})
	}
	same("never used")
	decided()
	same("used")

	tag := func(tx store.Tx) error {
		return identity.Roles.Edit(tx, func(r *identity.Role) error {
			r.Tags = append(r.Tags, identity.Tag{Key: "k", Value: "v"})
			return nil
		}, string(home), name)
	}
	undone := errors.New("undone")
	err := w.store.Update(context.Background(), func(tx store.Tx) error {
		if err := tag(tx); err != nil {
			return err
		}
		if role, err := w.authz.RoleByID(tx, id); err != nil || len(role.Tags) != 1 {
			t.Errorf("a transaction does not see its own change: %+v, %v", role, err)
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	same("after a change that was not made")
	w.update(tag)
	same("changed")
	decided()
	same("changed and used")

	var record identity.Role
	w.update(func(tx store.Tx) error {
		role, err := identity.RoleByID(tx, id)
		if err != nil {
			return err
		}
		record = *role
		identity.Roles.Delete(tx, string(home), name)
		identity.Entities.Delete(tx, id)
		return nil
	})
	same("deleted")
	w.update(func(tx store.Tx) error {
		record.ID = benchRoleID(7)
		if err := identity.Roles.Put(tx, &record, string(home), name); err != nil {
			return err
		}
		return identity.Entities.Put(tx, &identity.Entity{Account: home, Type: identity.TypeRole, Name: name}, record.ID)
	})
	same("made again under its name")
}
