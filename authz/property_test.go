package authz_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

var errUndone = errors.New("undone")

// Whatever is changed, undone, deleted, made again or restored, in whatever order and with
// whatever decisions in between: an Authorizer that has seen it all decides as one that
// was made this moment. So it does inside of transactions.
func TestWhatIsKeptIsNeverStale(t *testing.T) {
	catalogue, err := awsmanaged.Load()
	if err != nil {
		t.Fatal(err)
	}
	changed := 0
	rapid.Check(t, func(t *rapid.T) {
		s := memory.New()
		defer s.Close()
		w := &scene{t: t, store: s, old: authz.New(catalogue), catalogue: catalogue, ids: map[string]string{}, callers: map[authn.Kind][]string{}}
		w.update(nil, func(tx store.Tx) {
			for _, kind := range []string{"user", "group", "role", "policy"} {
				for i := range 2 {
					w.put(tx, kind, i)
				}
			}
		})
		var snapshots []memory.Snapshot
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				snap, err := s.Snapshot()
				if err != nil {
					t.Fatal(err)
				}
				snapshots = append(snapshots, snap)
			case 1:
				if len(snapshots) > 0 {
					if err := s.Restore(rapid.SampledFrom(snapshots).Draw(t, "snapshot")); err != nil {
						t.Fatal(err)
					}
					w.look()
				}
			case 2, 3:
				w.update(errUndone, func(tx store.Tx) { w.change(tx); w.agree(tx); w.change(tx); w.agree(tx) })
			default:
				w.update(nil, func(tx store.Tx) { w.change(tx); w.agree(tx) })
			}
			w.view()
		}
		changed += w.changed
	})
	if t.Logf("%d answers became others", changed); changed == 0 {
		t.Error("the test proves nothing")
	}
}

// scene is two users, groups, roles and policies.
type scene struct {
	t         *rapid.T
	store     *memory.Store
	old       *authz.Authorizer
	catalogue *awsmanaged.Catalogue
	n         int
	callers   map[authn.Kind][]string // the ids of all that there ever were
	ids       map[string]string       // by kind and number, of the state at hand
	before    map[string]string
	changed   int
}

func (w *scene) update(outcome error, fn func(store.Tx)) {
	ids := map[string]string{}
	for k, v := range w.ids {
		ids[k] = v
	}
	err := w.store.Update(context.Background(), func(tx store.Tx) error { fn(tx); return outcome })
	if !errors.Is(err, outcome) {
		w.t.Fatal(err)
	}
	if outcome != nil {
		w.ids = ids
	}
}

// look finds the ids of a state that was restored.
func (w *scene) look() {
	clear(w.ids)
	_ = w.store.View(context.Background(), func(r store.Reader) error {
		for i := range 2 {
			if u, err := identity.Users.Get(r, string(home), fmt.Sprint("user", i)); err == nil {
				w.ids[fmt.Sprint("user", i)] = u.ID
			}
			if g, err := identity.Groups.Get(r, string(home), fmt.Sprint("group", i)); err == nil {
				w.ids[fmt.Sprint("group", i)] = g.ID
			}
			if role, err := identity.Roles.Get(r, string(home), fmt.Sprint("role", i)); err == nil {
				w.ids[fmt.Sprint("role", i)] = role.ID
			}
		}
		return nil
	})
}

var sceneActions = []string{"a:One", "a:Two", "b:One"}

func (w *scene) document() string {
	var statements []string
	for range rapid.IntRange(1, 3).Draw(w.t, "statements") {
		action := rapid.SampledFrom([]string{"*", "a:*", "a:One", "a:Two", "b:One"}).Draw(w.t, "action")
		if rapid.IntRange(0, 3).Draw(w.t, "effect") == 0 {
			statements = append(statements, deny(action))
		} else {
			statements = append(statements, allow(action))
		}
	}
	return doc(statements...)
}

func (w *scene) inline() (list []identity.InlinePolicy) {
	for i := range rapid.IntRange(0, 2).Draw(w.t, "inline") {
		list = append(list, identity.InlinePolicy{Name: fmt.Sprint("in", i), Document: w.document()})
	}
	return list
}

const (
	scenePolicy  = "arn:aws:iam::111122223333:policy/policy"
	sceneManaged = "arn:aws:iam::aws:policy/AdministratorAccess"
)

func (w *scene) attached() (list []string) {
	for _, name := range []string{scenePolicy + "0", scenePolicy + "1", sceneManaged} {
		if rapid.Bool().Draw(w.t, "attached") {
			list = append(list, name)
		}
	}
	return list
}

func (w *scene) boundary() string {
	return rapid.SampledFrom([]string{"", "", scenePolicy + "0", scenePolicy + "1"}).Draw(w.t, "boundary")
}

// put makes an entity, or makes it again under its name.
func (w *scene) put(tx store.Tx, kind string, i int) {
	w.n++
	name := fmt.Sprint(kind, i)
	id := map[string]string{"user": arn.PrefixUser, "group": arn.PrefixGroup, "role": arn.PrefixRole, "policy": arn.PrefixPolicy}[kind] + fmt.Sprintf("%017d", w.n)
	if old, ok := w.ids[name]; ok {
		identity.Entities.Delete(tx, old)
	}
	w.ids[name] = id
	switch kind {
	case "user":
		w.callers[authn.User] = append(w.callers[authn.User], id)
	case "role":
		w.callers[authn.AssumedRole] = append(w.callers[authn.AssumedRole], id)
	}
	must(w.t, identity.Entities.Put(tx, &identity.Entity{Account: home, Type: identity.EntityType(kind), Name: name}, id))
	switch kind {
	case "user":
		must(w.t, identity.Users.Put(tx, &identity.User{Account: home, ID: id, Name: name, Path: "/", Inline: w.inline(), Attached: w.attached(), Boundary: w.boundary(), Groups: w.groups(tx)}, string(home), name))
	case "group":
		must(w.t, identity.Groups.Put(tx, &identity.Group{Account: home, ID: id, Name: name, Path: "/", Inline: w.inline(), Attached: w.attached()}, string(home), name))
	case "role":
		must(w.t, identity.Roles.Put(tx, &identity.Role{Account: home, ID: id, Name: name, Path: "/", Inline: w.inline(), Attached: w.attached(), Boundary: w.boundary()}, string(home), name))
	case "policy":
		must(w.t, identity.Policies.Put(tx, &identity.Policy{Account: home, ID: id, Name: name, Path: "/", Default: 1, Last: 1,
			Versions: []identity.PolicyVersion{{Number: 1, Document: w.document()}}}, string(home), name))
	}
}

func (w *scene) groups(tx store.Tx) (list []string) {
	for i := range 2 {
		name := fmt.Sprint("group", i)
		if identity.Groups.Has(tx, string(home), name) && rapid.Bool().Draw(w.t, "member") {
			list = append(list, w.ids[name])
		}
	}
	return list
}

func must(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *scene) change(tx store.Tx) {
	i := rapid.IntRange(0, 1).Draw(w.t, "which")
	name := func(kind string) string { return fmt.Sprint(kind, i) }
	ignore := func(err error) {
		if !errors.Is(err, store.ErrNotFound) {
			must(w.t, err)
		}
	}
	switch rapid.IntRange(0, 9).Draw(w.t, "change") {
	case 0:
		w.put(tx, "user", i)
	case 1:
		w.put(tx, "role", i)
	case 2: // members of a group that is gone are members no more
		for j := range 2 {
			ignore(identity.Users.Edit(tx, func(u *identity.User) error {
				u.Groups = slices.DeleteFunc(u.Groups, func(id string) bool { return id == w.ids[name("group")] })
				return nil
			}, string(home), fmt.Sprint("user", j)))
		}
		w.put(tx, "group", i)
	case 3:
		w.put(tx, "policy", i)
	case 4:
		identity.Users.Delete(tx, string(home), name("user"))
		identity.Entities.Delete(tx, w.ids[name("user")])
	case 5:
		identity.Roles.Delete(tx, string(home), name("role"))
		identity.Entities.Delete(tx, w.ids[name("role")])
	case 6:
		ignore(identity.Users.Edit(tx, func(u *identity.User) error {
			u.Inline, u.Attached, u.Boundary, u.Groups = w.inline(), w.attached(), w.boundary(), w.groups(tx)
			return nil
		}, string(home), name("user")))
	case 7:
		ignore(identity.Roles.Edit(tx, func(r *identity.Role) error {
			r.Inline, r.Attached, r.Boundary = w.inline(), w.attached(), w.boundary()
			return nil
		}, string(home), name("role")))
	case 8:
		ignore(identity.Groups.Edit(tx, func(g *identity.Group) error {
			g.Inline, g.Attached = w.inline(), w.attached()
			return nil
		}, string(home), name("group")))
	case 9: // an AWS managed policy is imported, or its import undone
		if rapid.Bool().Draw(w.t, "import") {
			must(w.t, identity.ManagedPolicies.Put(tx, &identity.ManagedPolicy{ID: "ANPA0000000000000000A", Default: "v1",
				Versions: []identity.ManagedPolicyVersion{{ID: "v1", Document: w.document()}}}, "/AdministratorAccess"))
		} else {
			identity.ManagedPolicies.Delete(tx, "/AdministratorAccess")
		}
	}
}

func (w *scene) view() {
	must(w.t, w.store.View(context.Background(), func(r store.Reader) error {
		answers := w.agree(r)
		if w.before != nil && !reflect.DeepEqual(answers, w.before) {
			w.changed++
		}
		w.before = answers
		return nil
	}))
}

// agree asks both Authorizers, also about those who are gone.
func (w *scene) agree(r store.Reader) map[string]string {
	w.t.Helper()
	fresh, answers := authz.New(w.catalogue), map[string]string{}
	for kind, ids := range w.callers {
		for _, id := range ids {
			p := &authn.Principal{Kind: kind, Account: home, ID: id, Name: "x", ARN: "arn:aws:iam::111122223333:user/x", PrincipalARN: "arn:aws:iam::111122223333:user/x"}
			for _, action := range sceneActions {
				check := authz.Check{Action: action}
				got, gotErr := w.old.Decide(r, p, &check, &authz.Environment{Now: noon, Partition: "aws"})
				want, wantErr := fresh.Decide(r, p, &check, &authz.Environment{Now: noon, Partition: "aws"})
				if !reflect.DeepEqual(got, want) || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
					w.t.Fatalf("%s %s: %+v, %v; want %+v, %v", p.ID, action, got, gotErr, want, wantErr)
				}
				answers[p.ID+action] = fmt.Sprint(want.Effect, wantErr)
			}
			role, err := w.old.RoleByID(r, p.ID)
			wantRole, wantErr := identity.RoleByID(r, p.ID)
			if role != wantRole || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				w.t.Fatalf("role %s: %p, %v; want %p, %v", p.ID, role, err, wantRole, wantErr)
			}
		}
	}
	return answers
}
