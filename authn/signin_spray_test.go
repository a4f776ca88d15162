package authn_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/store"
)

// T231, T232: one password tried with very many names from very many addresses raises an alarm,
// and is slowed down. Who is known goes on as ever, and a restart does not end it.
func TestT232_SprayOverEverything(t *testing.T) {
	d := newDoor(t)
	d.user("carol", bobPassword)
	known := authn.Visitor{Address: home}
	known.Devices = d.is(d.pass(known, "acme", "bob", bobPassword), authn.SignedIn).Devices
	n := 0
	guess := func() authn.Outcome {
		n++
		from := authn.Visitor{Address: netip.AddrFrom4([4]byte{100, byte(n >> 8), byte(n), 1})}
		return d.pass(from, "acme", fmt.Sprint("somebody", n), "Summer2026!")
	}
	alarm := func() time.Time {
		until, err := d.in.Alarm(t.Context())
		d.must(err)
		return until
	}
	for range 200 {
		d.is(guess(), authn.Refused)
	}
	if !alarm().IsZero() {
		t.Error("an alarm too early")
	}
	for range 100 { // what is right is no failure
		d.is(d.pass(authn.Visitor{Address: netip.MustParseAddr("203.0.113.9")}, "acme", "carol", bobPassword), authn.SignedIn)
	}
	if !alarm().IsZero() {
		t.Error("an alarm about who signs in")
	}
	d.is(guess(), authn.Refused)
	d.is(guess(), authn.Refused)
	if got := alarm().Sub(d.now); got != 30*time.Minute {
		t.Errorf("the alarm lasts %s", got)
	}
	for _, restart := range []bool{false, true} {
		if restart {
			d.restart()
		}
		looked := 0
		for range 50 {
			if out := guess(); out.Result == authn.Refused {
				looked++
			} else if out.Result != authn.Wait || !strings.Contains(out.Message, "very many sign-ins fail") || !out.Until.After(d.now) {
				t.Fatalf("%+v", out)
			}
		}
		if looked != 10 {
			t.Errorf("restart %t: %d were looked at", restart, looked)
		}
		// A name that somebody has waits as one that nobody has.
		d.is(d.pass(authn.Visitor{Address: abroad}, "acme", "carol", bobPassword), authn.Wait)
		// The browser is known. An address is not enough: who shares it would learn who exists.
		known.Devices = d.is(d.pass(authn.Visitor{Address: abroad, Devices: known.Devices}, "acme", "bob", bobPassword), authn.SignedIn).Devices
		for _, name := range []string{"carol", "bob", "nobody"} {
			d.is(d.pass(authn.Visitor{Address: netip.MustParseAddr("203.0.113.9")}, "acme", name, bobPassword), authn.Wait)
		}
	}
	d.now = d.now.Add(time.Second) // new browsers have their turn
	d.is(d.pass(authn.Visitor{Address: netip.MustParseAddr("198.51.100.77")}, "acme", "carol", bobPassword), authn.SignedIn)
	d.must(d.trail.Sync(t.Context()))
	d.view(func(r store.Reader) error {
		found, err := d.trail.Lookup(r, audit.Query{Account: account, Attribute: audit.EventName, Value: "PasswordSprayDetected", Now: d.now.Add(time.Hour)})
		if len(found.Entries) != 1 || !strings.Contains(found.Entries[0].Record, `"eventType":"AwsServiceEvent"`) || !strings.Contains(found.Entries[0].Record, `"failures":202`) {
			t.Errorf("%+v", found.Entries)
		}
		return err
	})
	d.now = d.now.Add(31 * time.Minute)
	if !alarm().IsZero() {
		t.Error("the alarm does not end")
	}
	for range 30 {
		d.is(guess(), authn.Refused)
	}
}

// A few failures now and then never add up.
func TestT232_NoAlarmOfOldFailures(t *testing.T) {
	d := newDoor(t)
	for i := range 400 {
		if i%100 == 0 {
			d.now = d.now.Add(10 * time.Minute)
		}
		d.is(d.pass(authn.Visitor{Address: netip.AddrFrom4([4]byte{100, byte(i >> 8), byte(i), 1})}, "acme", fmt.Sprint("somebody", i), "wrong"), authn.Refused)
	}
	if until, err := d.in.Alarm(t.Context()); err != nil || !until.IsZero() {
		t.Errorf("%s, %v", until, err)
	}
}
