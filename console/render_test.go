package console

import "testing"

// Pages are parsed when they are first visited; here is seen that all of them can be.
func TestEveryPageParses(t *testing.T) {
	a, err := loadAssets()
	if err != nil {
		t.Fatal(err)
	}
	v, err := loadViews(a)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.pages) < 50 {
		t.Errorf("%d pages", len(v.pages))
	}
	for name, parsed := range v.pages {
		if set, err := parsed(); err != nil || set.Lookup("content") == nil {
			t.Errorf("%s: %v, or no content", name, err)
		}
	}
}
