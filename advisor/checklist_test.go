package advisor_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/advisor"
)

const oldKey, newKey, sessionKey = "AKIAOLDOLDOLDOLDOLD2", "AKIANEWNEWNEWNEWNEW2", "ASIASESSIONSESSION23"

// trailOf answers queries from a list of events, newest first, as LookupEvents would.
// Each event names what it refers to.
type trailOf []struct {
	advisor.Event
	names []string
}

func (all trailOf) look(t interface{ Fatalf(string, ...any) }, name string, f *advisor.Facts, p *advisor.Progress) *advisor.Checklist {
	p.Events = map[advisor.Query][]advisor.Event{}
	for range 5 {
		for _, q := range advisor.Wanted(name, f, p) {
			p.Events[q] = []advisor.Event{}
			for _, e := range all {
				value := map[string]string{"EventName": e.Name, "Username": e.User, "AccessKeyId": e.Key, "ReadOnly": "false"}[q.Attribute]
				record := fmt.Sprintf("%q", e.names)
				if (value == q.Value || q.Attribute == "ResourceName" && slices.Contains(e.names, q.Value)) && q.Matches(e.Name, record) {
					p.Events[q] = append(p.Events[q], e.Event)
				}
			}
		}
	}
	c, err := advisor.MakeChecklist(name, f, p)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c
}

func (all *trailOf) add(e advisor.Event, names ...string) {
	e.ID = fmt.Sprintf("event-%d", len(*all)+1)
	*all = append(trailOf{{e, names}}, *all...)
	slices.SortStableFunc(*all, func(a, b struct {
		advisor.Event
		names []string
	}) int {
		return b.At.Compare(a.At)
	})
}

// states are the states of the steps: d done, n not yet, - not applicable.
func states(c *advisor.Checklist) string {
	var out strings.Builder
	for _, s := range c.Steps {
		out.WriteString(map[advisor.StepState]string{advisor.Done: "d", advisor.NotYet: "n", advisor.NotApplicable: "-"}[s.State])
	}
	return out.String()
}

func minutes(n float64) time.Time { return ago(0).Add(-time.Duration(n * float64(time.Minute))) }

func request(pairs ...string) map[string]any {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

func TestSecureAccount(t *testing.T) {
	yes := true
	changed := trailOf{}
	changed.add(advisor.Event{Name: "CreateUser", At: minutes(10)})
	requires := strings.Replace(allow("*", "*"), `"Statement":{`, `"Statement":{"Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}},`, 1)
	requires = strings.Replace(requires, "Allow", "Deny", 1)
	for _, c := range []struct {
		what   string
		change func(*advisor.Facts, *trailOf)
		want   string
	}{
		{"nothing but root", func(f *advisor.Facts, e *trailOf) { f.Users, f.Root.MFA, *e = nil, false, nil }, "ndnn-nn"},
		{"root with MFA", func(f *advisor.Facts, _ *trailOf) { f.Users = nil }, "ddnn-dd"},
		{"root with a key", func(f *advisor.Facts, _ *trailOf) { f.Users, f.Root.Keys = nil, []advisor.Key{key("", 1, -1)} }, "dnnn-dn"},
		{"an administrator by a group", func(f *advisor.Facts, _ *trailOf) { f.Users[0].Groups = []string{"admins"} }, "dddnndd"},
		{"one without MFA", func(f *advisor.Facts, _ *trailOf) { f.Users[0].Groups, f.Users[0].MFA = []string{"admins"}, false }, "ddnnndn"},
		{"one who cannot sign in", func(f *advisor.Facts, _ *trailOf) {
			f.Users[0].Groups, f.Users[0].Password = []string{"admins"}, nil
		}, "ddnn-dd"},
		{"one by a role", func(f *advisor.Facts, _ *trailOf) {
			f.Users[0].Inline = []advisor.Inline{{"assume", allow("sts:AssumeRole", "*")}}
		}, "dddnndd"},
		{"a short password policy", func(f *advisor.Facts, _ *trailOf) { f.PasswordPolicy = &advisor.PasswordPolicy{MinimumLength: 6} }, "ddnnndd"},
		{"a password policy", func(f *advisor.Facts, _ *trailOf) { f.PasswordPolicy = &advisor.PasswordPolicy{MinimumLength: 8} }, "ddndndd"},
		{"MFA required by the account", func(f *advisor.Facts, _ *trailOf) { f.MFARequired = &yes }, "ddnnddd"},
		{"MFA required by a policy", func(f *advisor.Facts, _ *trailOf) {
			f.Users[0].Inline = []advisor.Inline{{"x", requires}}
		}, "ddnnddd"},
		{"MFA required by the role that is all one may assume", func(f *advisor.Facts, _ *trailOf) {
			f.Roles[0].Trust = trust(`{"AWS":"arn:aws:iam::111122223333:root"}`, `,"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`)
			f.Users[0].Attached, f.Users[0].Inline = nil, []advisor.Inline{{"assume", allow("sts:AssumeRole", "*")}}
		}, "dddnddd"},
		{"a role of another account, of which nobody knows", func(f *advisor.Facts, _ *trailOf) {
			f.Users[0].Attached, f.Users[0].Inline = nil, []advisor.Inline{{"assume", allow("sts:AssumeRole", "arn:aws:iam::444455556666:role/x")}}
		}, "ddnnndd"},
		{"only what leads to MFA", func(f *advisor.Facts, _ *trailOf) {
			f.Users[0].Attached, f.Users[0].Inline = nil, []advisor.Inline{{"x", allow("iam:EnableMFADevice", "*")}}
		}, "ddnnddd"},
		{"a finding of high severity", func(f *advisor.Facts, _ *trailOf) { f.Roles[0].Trust = trust(`"*"`, "") }, "dddnndn"},
		{"everything", func(f *advisor.Facts, _ *trailOf) {
			f.Users[0].Groups, f.PasswordPolicy, f.MFARequired = []string{"admins"}, &advisor.PasswordPolicy{MinimumLength: 14}, &yes
		}, "ddddddd"},
	} {
		f, trail := safe(), slices.Clone(changed)
		c.change(f, &trail)
		list := trail.look(t, advisor.SecureAccount, f, &advisor.Progress{})
		if got := states(list); got != c.want {
			t.Errorf("%s: %s, not %s\n%+v", c.what, got, c.want, list.Steps)
		}
	}
}

func TestFirstCredentials(t *testing.T) {
	session := advisor.Event{
		Name: "GetSessionToken", At: minutes(60), User: "alice", Type: "IAMUser", Key: oldKey, Request: request("serialNumber", "arn:aws:iam::111122223333:mfa/alice"),
		Response: map[string]any{"credentials": request("accessKeyId", sessionKey)},
	}
	call := advisor.Event{Name: "ListUsers", At: minutes(50), User: "alice", Type: "IAMUser", Key: sessionKey}
	with := func(e advisor.Event, change func(*advisor.Event)) advisor.Event {
		change(&e)
		return e
	}
	for _, c := range []struct {
		what   string
		user   func(*advisor.User)
		events []advisor.Event
		want   string
	}{
		{"nothing", func(u *advisor.User) { u.MFA, u.Keys = false, nil }, nil, "nnn-"},
		{"a device", func(*advisor.User) {}, nil, "dnnn"},
		{"a session, unused", nil, []advisor.Event{session}, "ddnd"},
		{"a session without a code", nil, []advisor.Event{with(session, func(e *advisor.Event) { e.Request = nil })}, "dnnn"},
		{"one that was refused", nil, []advisor.Event{with(session, func(e *advisor.Event) { e.Error, e.Response = "AccessDenied", nil })}, "dnnn"},
		{"a role assumed within a session with MFA", nil, []advisor.Event{with(session, func(e *advisor.Event) { e.Name, e.Request, e.MFA = "AssumeRole", nil, true })}, "ddnd"},
		{"another's session of the same name", nil, []advisor.Event{with(session, func(e *advisor.Event) { e.Type = "AssumedRole" })}, "dnnn"},
		{"used", nil, []advisor.Event{session, call}, "dddd"},
		{"used in vain", nil, []advisor.Event{session, with(call, func(e *advisor.Event) { e.Error = "AccessDenied" })}, "ddnd"},
		{"the key is used for the work", nil, []advisor.Event{session, call, with(call, func(e *advisor.Event) { e.Key = oldKey })}, "dddn"},
		{"the key was used for the work before", nil, []advisor.Event{with(call, func(e *advisor.Event) { e.Key, e.At = oldKey, minutes(70) }), session, call}, "dddd"},
		{"it was used for the work two days ago", nil, []advisor.Event{
			with(session, func(e *advisor.Event) { e.At = ago(3) }), with(call, func(e *advisor.Event) { e.Key, e.At = oldKey, ago(2) }), call,
		}, "dddd"},
		{"it is used for sessions", nil, []advisor.Event{session, call, with(session, func(e *advisor.Event) { e.At = minutes(5) })}, "dddd"},
		{"no key", func(u *advisor.User) { u.Keys = nil }, []advisor.Event{session, call}, "ddd-"},
	} {
		f := safe()
		f.Users = f.Users[:1]
		f.Users[0].Keys = []advisor.Key{key(oldKey, 10, 1)}
		if c.user != nil {
			c.user(&f.Users[0])
		}
		var trail trailOf
		for _, e := range c.events {
			trail.add(e)
		}
		if list := trail.look(t, advisor.FirstCredentials, f, &advisor.Progress{User: "alice"}); states(list) != c.want {
			t.Errorf("%s: %s, not %s\n%+v", c.what, states(list), c.want, list.Steps)
		}
	}
}

// life is a key's: what the facts and the trail say after each thing that happens.
type life struct {
	f     *advisor.Facts
	trail trailOf
	p     *advisor.Progress
}

func newLife() *life {
	f := safe()
	f.Users = f.Users[:1]
	f.Users[0].Keys = []advisor.Key{key(oldKey, 10, 1)}
	l := &life{f: f, p: &advisor.Progress{User: "alice", Key: oldKey}}
	l.event("CreateAccessKey", ago(10), request("userName", "alice"), map[string]any{"accessKey": request("accessKeyId", oldKey, "userName", "alice")})
	return l
}

func (l *life) event(name string, at time.Time, in, out map[string]any) {
	names := []string{"alice", oldKey}
	l.trail.add(advisor.Event{Name: name, At: at, User: "admin", Type: "IAMUser", Key: sessionKey, Request: in, Response: out}, names...)
}

func (l *life) user() *advisor.User { return &l.f.Users[0] }

func (l *life) happens(what string) {
	find := func(id string) *advisor.Key {
		if i := slices.IndexFunc(l.user().Keys, func(k advisor.Key) bool { return k.ID == id }); i >= 0 {
			return &l.user().Keys[i]
		}
		return nil
	}
	old, next := find(oldKey), find(newKey)
	now := l.f.Now
	l.f.Now = now.Add(time.Minute)
	switch what {
	case "second":
		if next == nil {
			l.user().Keys = append(l.user().Keys, advisor.Key{ID: newKey, Active: true, Created: now})
		}
	case "new used":
		if next != nil {
			next.Used = now
			l.trail.add(advisor.Event{Name: "ListUsers", At: now, User: "alice", Key: newKey})
		}
	case "old used":
		if old != nil && old.Active {
			old.Used = now
			l.trail.add(advisor.Event{Name: "ListUsers", At: now, User: "alice", Key: oldKey})
		}
	case "off", "on":
		if old != nil {
			old.Active = what == "on"
			l.event("UpdateAccessKey", now, request("userName", "alice", "accessKeyId", oldKey, "status", map[bool]string{true: "Active", false: "Inactive"}[old.Active]), nil)
		}
	case "deleted":
		if old != nil {
			l.user().Keys = slices.DeleteFunc(l.user().Keys, func(k advisor.Key) bool { return k.ID == oldKey })
			l.event("DeleteAccessKey", now, request("userName", "alice", "accessKeyId", oldKey), nil)
		}
	case "revoked":
		l.event("RevokeSessions", now, nil, nil)
	case "looked":
		l.trail.add(advisor.Event{Name: "LookupEvents", At: now, User: "carol", Key: sessionKey}, "AccessKeyId", oldKey)
	case "report read":
		l.event("ListKeyCalls", now, request("accessKeyId", oldKey), nil)
	case "quarantined":
		l.event("AttachUserPolicy", now, request("userName", "alice", "policyArn", "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"), nil)
		l.trail[0].names = append(l.trail[0].names, "AWSCompromisedKeyQuarantineV3")
	case "a day":
		l.f.Now = now.Add(24 * time.Hour)
	case "user deleted":
		l.f.Users = nil
	}
}

func TestKeys(t *testing.T) {
	for _, c := range []struct {
		name, events, want string
	}{
		{advisor.RotateKey, "", "nnnnn"},
		{advisor.RotateKey, "second", "dnnnn"},
		{advisor.RotateKey, "second,new used", "dddnn"},
		{advisor.RotateKey, "second,old used,new used", "dddnn"},
		{advisor.RotateKey, "second,new used,old used", "ddnnn"},
		{advisor.RotateKey, "second,new used,old used,new used", "ddnnn"},
		{advisor.RotateKey, "second,new used,old used,a day", "dddnn"},
		{advisor.RotateKey, "second,new used,off", "ddddn"},
		{advisor.RotateKey, "second,new used,off,on", "dddnn"},
		{advisor.RotateKey, "second,new used,off,deleted", "ddddd"},
		{advisor.RotateKey, "deleted", "--ddd"},
		{advisor.RotateKey, "deleted,second", "dnddd"},
		{advisor.KeyLeaked, "", "nnnnnn"},
		{advisor.KeyLeaked, "looked,revoked", "nnnnnn"},
		{advisor.KeyLeaked, "looked,revoked,off", "dnnnnn"},
		{advisor.KeyLeaked, "off,revoked", "ddnnnn"},
		{advisor.KeyLeaked, "off,revoked,off", "ddnnnn"},
		{advisor.KeyLeaked, "off,revoked,on", "nnnnnn"},
		{advisor.KeyLeaked, "off,revoked,on,off", "dnnnnn"},
		{advisor.KeyLeaked, "off,looked", "dnndnn"},
		{advisor.KeyLeaked, "off,report read", "dnndnn"},
		{advisor.KeyLeaked, "report read,off", "dnnnnn"},
		{advisor.KeyLeaked, "off,quarantined", "dndnnn"},
		{advisor.KeyLeaked, "off,second", "dnnndn"},
		{advisor.KeyLeaked, "off,revoked,quarantined,looked,second,deleted", "dddddd"},
		{advisor.KeyLeaked, "off,revoked,deleted,user deleted", "dd-n-d"},
	} {
		l := newLife()
		for _, what := range strings.Split(c.events, ",") {
			l.happens(what)
		}
		if list := l.trail.look(t, c.name, l.f, l.p); states(list) != c.want {
			t.Errorf("%s after %s: %s, not %s\n%+v", c.name, c.events, states(list), c.want, list.Steps)
		}
	}
}

// TestChecklistLaws: whatever happens to a key, a step that is done or open says what
// was seen; an inactive step follows the key's state; what was deleted stays deleted; and
// looking at a checklist changes nothing.
func TestChecklistLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLife()
		for range rapid.IntRange(0, 8).Draw(t, "n") {
			l.happens(rapid.SampledFrom([]string{"second", "new used", "old used", "off", "on", "deleted", "revoked", "looked", "report read", "quarantined", "a day"}).Draw(t, "what"))
		}
		exists := slices.IndexFunc(l.user().Keys, func(k advisor.Key) bool { return k.ID == oldKey })
		works := exists >= 0 && l.user().Keys[exists].Active
		for _, name := range []string{advisor.RotateKey, advisor.KeyLeaked} {
			c := l.trail.look(t, name, l.f, l.p)
			if again := l.trail.look(t, name, l.f, l.p); states(again) != states(c) {
				t.Fatalf("%s: %s, then %s", name, states(c), states(again))
			}
			done := 0
			for _, s := range c.Steps {
				if len(s.Evidence) == 0 || s.Why == "" || len(s.Commands) == 0 || !strings.HasPrefix(s.Page, "/") {
					t.Errorf("%s: %+v", name, s)
				}
				if s.State != advisor.NotYet {
					done++
				}
				if s.ID == "inactive" && (s.State == advisor.Done) == works || s.ID == "deleted" && (s.State == advisor.Done) != (exists < 0) {
					t.Errorf("%s: %s is %s; the key works: %t, exists: %t", name, s.ID, s.State, works, exists >= 0)
				}
				if s.ID == "sessions" && s.State == advisor.Done && works {
					t.Errorf("sessions are ended while the key mints more")
				}
			}
			if c.Done != done {
				t.Errorf("%d done, counted %d", c.Done, done)
			}
		}
	})
}

func TestUnknown(t *testing.T) {
	var trail trailOf
	p := &advisor.Progress{Key: "AKIANOBODYNOBODY2345", Events: map[advisor.Query][]advisor.Event{}}
	f := safe()
	for _, q := range advisor.Wanted(advisor.KeyLeaked, f, p) {
		p.Events[q] = []advisor.Event{{Name: "UpdateAccessKey", Error: "NoSuchEntityException"}}
	}
	if _, err := advisor.MakeChecklist(advisor.KeyLeaked, f, p); !errors.Is(err, advisor.ErrUnknownKey) {
		t.Errorf("%v", err)
	}
	if _, err := advisor.MakeChecklist("nonsense", f, p); err == nil {
		t.Error("nonsense is a checklist")
	}
	if _, err := advisor.MakeChecklist(advisor.RotateKey, f, &advisor.Progress{Key: oldKey}); err == nil || errors.Is(err, advisor.ErrUnknownKey) {
		t.Errorf("nobody asked the trail: %v", err)
	}
	l := newLife()
	l.happens("deleted")
	l.f.Users = nil
	l.p.User = ""
	trail = l.trail
	trail.look(t, advisor.RotateKey, l.f, l.p)
	if l.p.Owner() != "alice" {
		t.Errorf("it was %q's", l.p.Owner())
	}
}

func TestWhatAChecklistSays(t *testing.T) {
	var out bytes.Buffer
	l := newLife()
	for _, what := range []string{"second", "new used", "off", "revoked"} {
		l.happens(what)
	}
	for _, name := range []string{advisor.RotateKey, advisor.KeyLeaked} {
		if err := l.trail.look(t, name, l.f, l.p).WriteText(&out); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out)
	}
	f := safe()
	f.Root.MFA = false
	if err := (trailOf{}).look(t, advisor.SecureAccount, f, &advisor.Progress{}).WriteText(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "checklists.txt", out.Bytes())
}
