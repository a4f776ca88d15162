package server

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

func newTestUsage(t testing.TB, ids ...string) (*usage, store.Store) {
	st := memory.New()
	t.Cleanup(func() { st.Close() })
	err := st.Update(t.Context(), func(tx store.Tx) error {
		for _, id := range ids {
			if err := identity.Entities.Put(tx, &identity.Entity{Account: "111122223333", Type: identity.TypeUser, Name: id}, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return newUsage(st, slog.New(slog.DiscardHandler)), st
}

func userWithKey(id string) *authn.Principal {
	return &authn.Principal{Kind: authn.User, ID: id, AccessKeyID: "AKIA" + id}
}

func activityOf(t *testing.T, st store.Store, id, service string) (a identity.Activity) {
	t.Helper()
	err := st.View(t.Context(), func(r store.Reader) error {
		found, err := identity.Activities.Get(r, id, service)
		if err == nil {
			a = *found
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestActivity(t *testing.T) {
	u, st := newTestUsage(t, "alice")
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	check := func(what string, at time.Time, region string, actions ...string) {
		t.Helper()
		u.flush(t.Context())
		a := activityOf(t, st, "alice", "iam")
		var got []string
		for _, use := range a.Actions {
			got = append(got, fmt.Sprint(use.Name, " ", use.Region, " ", use.At.Sub(start)))
		}
		if !a.At.Equal(at) || a.Region != region || fmt.Sprint(got) != fmt.Sprint(actions) {
			t.Errorf("%s: %s %s %q", what, a.At, a.Region, got)
		}
	}
	u.Note(userWithKey("alice"), "iam", "ListUsers", "us-east-1", start)
	u.Note(userWithKey("alice"), "iam", "GetUser", "us-east-1", start.Add(time.Second))
	check("two", start.Add(time.Second), "us-east-1", "GetUser us-east-1 1s", "ListUsers us-east-1 0s")

	u.Note(userWithKey("alice"), "iam", "ListUsers", "us-east-1", start.Add(activityGrain-time.Second))
	check("soon again", start.Add(time.Second), "us-east-1", "GetUser us-east-1 1s", "ListUsers us-east-1 0s")
	u.calls = make(map[call]moment) // a restart
	u.Note(userWithKey("alice"), "iam", "ListUsers", "us-east-1", start.Add(activityGrain-time.Second))
	check("soon again, after a restart", start.Add(time.Second), "us-east-1", "GetUser us-east-1 1s", "ListUsers us-east-1 0s")

	u.Note(userWithKey("alice"), "iam", "ListUsers", "eu-west-1", start.Add(2*time.Second))
	check("in another region", start.Add(2*time.Second), "eu-west-1", "GetUser us-east-1 1s", "ListUsers eu-west-1 2s")
	u.Note(userWithKey("alice"), "iam", "GetUser", "us-east-1", start.Add(activityGrain+time.Second))
	check("later", start.Add(activityGrain+time.Second), "us-east-1", "GetUser us-east-1 15m1s", "ListUsers eu-west-1 2s")

	// An action that the call took beside is used, too; each in its own service.
	u.Note(userWithKey("alice"), "lanyard", "EnableSecurityKey", "us-east-1", start.Add(time.Hour), "iam:EnableMFADevice", "iam:PassRole")
	check("with an action of another service", start.Add(time.Hour), "us-east-1",
		"EnableMFADevice us-east-1 1h0m0s", "GetUser us-east-1 15m1s", "ListUsers eu-west-1 2s")

	// Who is not an entity leaves no record: the root user, the owner, the deleted.
	u.Note(&authn.Principal{Kind: authn.Root, ID: "111122223333", Session: new(session.Session)}, "iam", "GetUser", "us-east-1", start)
	u.Note(&authn.Principal{Kind: authn.Service, ID: "owner"}, "iam", "GetUser", "us-east-1", start)
	u.Note(userWithKey("deleted"), "iam", "GetUser", "us-east-1", start)
	u.flush(t.Context())
	for _, id := range []string{"111122223333", "owner", "deleted"} {
		if a := activityOf(t, st, id, "iam"); !a.At.IsZero() {
			t.Errorf("activity of %s: %+v", id, a)
		}
	}
}

// However many call, what waits to be written and what need not be is bounded.
func TestActivityIsBounded(t *testing.T) {
	u, _ := newTestUsage(t)
	for i := range 3 * maxPendingUses {
		u.Note(userWithKey(fmt.Sprint(i)), "iam", "GetUser", "us-east-1", time.Unix(1, 0))
	}
	if len(u.pending) > maxPendingUses || len(u.pendingCalls) > maxPendingUses || len(u.calls) > maxNotedCalls {
		t.Errorf("%d uses and %d calls wait, %d are noted", len(u.pending), len(u.pendingCalls), len(u.calls))
	}
	for range 2 * maxNotedCalls / maxPendingUses {
		u.flush(context.Background())
		for i := range maxPendingUses {
			u.Note(userWithKey(fmt.Sprint(len(u.calls), "-", i)), "iam", "GetUser", "us-east-1", time.Unix(1, 0))
		}
	}
	if len(u.calls) > maxNotedCalls {
		t.Errorf("%d are noted", len(u.calls))
	}
}

// What every request pays: a use and a call that were noted before.
func BenchmarkNote(b *testing.B) {
	u, _ := newTestUsage(b, "alice")
	p, at := userWithKey("alice"), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		u.Note(p, "sts", "GetCallerIdentity", "us-east-1", at)
	}
}
