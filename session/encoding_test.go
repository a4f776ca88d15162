package session

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
)

func TestParseRefuses(t *testing.T) {
	s := &Session{Kind: Role, Account: "123456789012", Issued: time.Unix(1, 0), Expires: time.Unix(2, 0), PolicyARNs: []string{"a"}, Tags: []identity.Tag{{Key: "k", Value: "v"}}}
	b, err := s.append(nil)
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	if _, ok := parse(version2, good); !ok {
		t.Fatal("a good encoding is refused")
	}
	refused := func(what, text string) {
		t.Helper()
		if s, ok := parse(version2, text); ok || s != nil {
			t.Errorf("%s: %+v", what, s)
		}
	}
	for n := range len(good) {
		refused(fmt.Sprintf("cut to %d bytes", n), good[:n])
	}
	if s, ok := parse(version1, good); !ok || s.Origin != "" {
		t.Errorf("as version 1: %+v", s)
	}
	if _, ok := parse(version1, good[:1]+string(rune(flagOrigin))+good[2:]); ok {
		t.Error("version 1 knows the flag of version 2")
	}
	refused("something behind it", good+"\x00")
	refused("an unknown flag", good[:1]+"\x80"+good[2:])
	if s, ok := parse(version4, good[:1]+"\x80"+good[2:]); ok {
		t.Errorf("a bearer that is missing: %+v", s)
	}
	bearer := "0123456789abcdef"
	if s, ok := parse(version4, good[:1]+"\x80"+good[2:]+bearer); !ok || string(s.Bearer[:]) != bearer {
		t.Errorf("a bearer: %+v", s)
	}
	refused("an account of 13 digits", good[:18]+"\xff\xff\xff\xff\xff"+good[23:])
	tagFlags := len(good) - 5 // flags, length, k, length, v
	refused("an unknown flag of a tag", good[:tagFlags]+"\x02"+good[tagFlags+1:])
	refused("a length that overflows", strings.Repeat("\xff", 64))
}

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
		s, ok := parse(version4, text)
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
		back, ok := parse(version4, string(again))
		if !ok || !reflect.DeepEqual(back, s) {
			t.Fatalf("%+v reads back as %+v", s, back)
		}
	})
}
