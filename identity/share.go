package identity

import (
	"unique"

	"github.com/lanyard-iam/lanyard/store"
)

// The records of which there are very many share the strings that are the same in very
// many: accounts, ARNs of managed policies, tags; and a record shares its name with the
// one that finds it. A string is found again until the next garbage collection, so that
// a few copies of each remain, and nothing is kept for the sake of being found.

var (
	_ store.Sharer = (*User)(nil)
	_ store.Sharer = (*Role)(nil)
	_ store.Sharer = (*Entity)(nil)
)

// ShareStrings implements store.Sharer.
func (u *User) ShareStrings() {
	share(&u.Account)
	share(&u.Name)
	share(&u.Path)
	share(&u.Boundary)
	shareAll(u.Attached)
	shareAll(u.Groups)
	shareTags(u.Tags)
	shareNames(u.Inline)
}

// ShareStrings implements store.Sharer.
func (r *Role) ShareStrings() {
	share(&r.Account)
	share(&r.Name) // with its Entity, which is read just before it
	share(&r.Path)
	share(&r.Boundary)
	shareAll(r.Attached)
	shareTags(r.Tags)
	shareNames(r.Inline)
}

// ShareStrings implements store.Sharer.
func (e *Entity) ShareStrings() {
	share(&e.Account)
	share(&e.Type)
	share(&e.Name)
}

func share[S ~string](s *S) {
	if len(*s) > 1 { // those of one byte take no memory
		*s = unique.Make(*s).Value()
	}
}

func shareAll(list []string) {
	for i := range list {
		share(&list[i])
	}
}

func shareTags(tags []Tag) {
	for i := range tags {
		share(&tags[i].Key)
		share(&tags[i].Value)
	}
}

func shareNames(policies []InlinePolicy) {
	for i := range policies {
		share(&policies[i].Name)
	}
}
