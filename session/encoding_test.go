package session

import (
	"reflect"
	"testing"
	"time"
)

// parse reads only what a token key has sealed; all the same it must cope with
// anything, since a bug in an older release may have sealed anything.
func FuzzParse(f *testing.F) {
	s := &Session{Kind: Role, Account: "123456789012", Issued: time.Unix(1, 0), Expires: time.Unix(2, 0), PolicyARNs: []string{"a"}}
	seed, err := s.append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(seed))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		s, ok := parse(text)
		if !ok {
			if s != nil {
				t.Fatal("a failed parse returns something")
			}
			return
		}
		again, err := s.append(nil)
		if err != nil {
			return // duplicate tag keys, which no operation makes
		}
		if len(again) > s.sizeBound() {
			t.Fatalf("encoding of %d bytes, bound %d", len(again), s.sizeBound())
		}
		back, ok := parse(string(again))
		if !ok || !reflect.DeepEqual(back, s) {
			t.Fatalf("%+v reads back as %+v", s, back)
		}
	})
}
