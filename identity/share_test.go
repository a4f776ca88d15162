package identity

import (
	"encoding/json"
	"reflect"
	"testing"
	"unsafe"

	"github.com/lanyard-iam/lanyard/store"
)

// Records that were decoded one after another have their common strings once, and say
// what they said.
func TestCommonStringsAreShared(t *testing.T) {
	role := Role{
		Account: "111122223333", ID: "AROA1", Name: "app", Path: "/team/", Boundary: "arn:aws:iam::111122223333:policy/edge",
		Tags: []Tag{{Key: "team", Value: "blue"}}, Attached: []string{"arn:aws:iam::111122223333:policy/p", ""},
		Inline: []InlinePolicy{{Name: "data", Document: "{}"}}, InstanceProfiles: []string{"app"},
	}
	decoded := func() *Role {
		t.Helper()
		item, err := store.NewItem(store.Role, &role)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Roles.Value(item)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	// A garbage collection between the two would let the strings be forgotten.
	for range 100 {
		a, b := decoded(), decoded()
		if !reflect.DeepEqual(a, &role) || !reflect.DeepEqual(b, &role) {
			t.Fatalf("%+v\n%+v", a, b)
		}
		same := func(x, y string) bool { return unsafe.StringData(x) == unsafe.StringData(y) }
		if same(string(a.Account), string(b.Account)) && same(a.Name, b.Name) && same(a.Path, b.Path) && same(a.Boundary, b.Boundary) && same(a.Attached[0], b.Attached[0]) &&
			same(a.Tags[0].Key, b.Tags[0].Key) && same(a.Tags[0].Value, b.Tags[0].Value) && same(a.Inline[0].Name, b.Inline[0].Name) {
			return
		}
	}
	t.Error("two records never had the same strings")
}

// Sharing changes no user and no entity either.
func TestSharingChangesNothing(t *testing.T) {
	user := User{Account: "111122223333", Name: "alice", Path: "/", Attached: []string{"a", "bc"}, Groups: []string{"AGPA1"}, Tags: []Tag{{Key: "k"}}}
	entity := Entity{Account: "111122223333", Type: TypeRole, Name: "app"}
	for _, v := range []store.Sharer{&user, &entity, &User{}, &Role{}, &Entity{}} {
		before, _ := json.Marshal(v)
		v.ShareStrings()
		if after, _ := json.Marshal(v); string(after) != string(before) {
			t.Errorf("%s became %s", before, after)
		}
	}
}
