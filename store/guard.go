//go:build !race

package store

// guard notices changes to shared values in race builds; here it is empty.
type guard struct{}

func guardOf(Kind, any) guard { return guard{} }

// CheckShared panics if somebody changed the shared value of item. It does so only in
// race builds. For engines, which call it when they let go of an item.
func CheckShared(Key, *Item) {}
