package audit_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/sqlite"
)

// A day of an account: one line for each event, in the order in which they happened.
func day(t testing.TB, trail *audit.Trail) {
	redactor := audit.NewRedactor(nil)
	record := func(second int, id string, e *audit.Event) {
		e.ID, e.RequestID = id, "request-"+id
		e.Time = at.Truncate(time.Second).Add(time.Duration(second)*time.Second + 700*time.Millisecond)
		if err := trail.Enqueue(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	e := event(root, "iam", "CreateUser", false)
	e.SetRequest(&iam.CreateUserInput{UserName: p("carol")}, redactor)
	e.SetResponse(&iam.CreateUserOutput{User: &iamtypes.User{UserName: p("carol"), UserId: p("AIDAEXAMPLE4CAROL0001"), Arn: p("arn:aws:iam::123456789012:user/carol")}}, redactor)
	record(0, "create", e)

	e = event(root, "iam", "AttachUserPolicy", false)
	e.SetRequest(&iam.AttachUserPolicyInput{UserName: p("carol"), PolicyArn: p("arn:aws:iam::aws:policy/ReadOnlyAccess")}, redactor)
	record(1, "attach", e)

	e = event(alice, "sts", "AssumeRole", true)
	e.Resources = []audit.Resource{{ARN: "arn:aws:iam::123456789012:role/deploy", AccountID: account, Type: "AWS::IAM::Role"}}
	e.SetRequest(&sts.AssumeRoleInput{RoleArn: p("arn:aws:iam::123456789012:role/deploy"), RoleSessionName: p("ci")}, redactor)
	e.SetResponse(&sts.AssumeRoleOutput{
		Credentials:     &ststypes.Credentials{AccessKeyId: p("ASIAEXAMPLEDEPLOY001"), SecretAccessKey: p("secret"), SessionToken: p("secret")},
		AssumedRoleUser: &ststypes.AssumedRoleUser{AssumedRoleId: p("AROAEXAMPLE4DEPLOY001:ci"), Arn: p("arn:aws:sts::123456789012:assumed-role/deploy/ci")},
	}, redactor)
	record(2, "assume", e)

	e = event(deployer, "iam", "DeleteUser", false)
	e.SetRequest(&iam.DeleteUserInput{UserName: p("carol")}, redactor)
	e.SetError(&smithy.GenericAPIError{Code: "AccessDenied"}, "AccessDenied", "no")
	e.Decision = &audit.Decision{Action: "iam:DeleteUser", Resource: "arn:aws:iam::123456789012:user/carol", Layer: "identity", Index: -1, Trace: json.RawMessage("{\"steps\":\n[1,2]}")}
	record(3, "denied", e)

	e = event(bob, "sts", "GetCallerIdentity", true)
	e.Decision = &audit.Decision{Allowed: true, Action: "sts:GetCallerIdentity", Resource: "*", Policy: "p", Owner: "group/devs", Sid: "s", Index: 2}
	record(4, "whoami", e)

	e = event(alice, "iam", "DeleteUser", false)
	e.SetRequest(&iam.DeleteUserInput{UserName: p("dave")}, redactor)
	e.SetError(&iamtypes.NoSuchEntityException{}, "NoSuchEntity", "The user with name dave cannot be found.")
	record(5, "failed", e)
	if err := trail.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func names(page audit.Page) (ids []string) {
	for _, e := range page.Entries {
		ids = append(ids, e.ID)
	}
	return ids
}

func TestLookupFilters(t *testing.T) {
	trail, s := newTrail(t, audit.Options{})
	day(t, trail)
	for _, c := range []struct {
		attribute audit.Attribute
		value     string
		want      string
	}{
		{"", "", "failed whoami denied assume attach create"},
		{audit.EventID, "attach", "attach"},
		{audit.EventID, "att", ""},
		{audit.EventName, "DeleteUser", "failed denied"},
		{audit.EventName, "deleteuser", ""},
		{audit.EventSource, "sts.amazonaws.com", "whoami assume"},
		{audit.ReadOnly, "true", "whoami assume"},
		{audit.ReadOnly, "false", "failed denied attach create"},
		{audit.ReadOnly, "yes", ""},
		{audit.Username, "alice", "failed assume"},
		{audit.Username, "root", "attach create"},
		{audit.Username, "ci", "denied"},  // a role session goes by its name
		{audit.Username, "bob", "whoami"}, // so does a federated user
		{audit.AccessKeyID, "ASIAEXAMPLEDEPLOY001", "denied"},
		{audit.ResourceType, "AWS::IAM::User", "failed attach create"},
		{audit.ResourceType, "AWS::IAM::AccessKey", "assume"},
		{audit.ResourceType, "AWS::IAM::Role", "assume"},
		{audit.ResourceName, "carol", "attach create"},
		{audit.ResourceName, "AIDAEXAMPLE4CAROL0001", "create"},
		{audit.ResourceName, "arn:aws:iam::123456789012:user/carol", "create"},
		{audit.ResourceName, "arn:aws:iam::aws:policy/ReadOnlyAccess", "attach"},
		{audit.ResourceName, "ASIAEXAMPLEDEPLOY001", "assume"}, // who made these credentials?
		{"Colour", "blue", ""},
	} {
		page := lookup(t, trail, s, audit.Query{Account: account, Now: at.Add(time.Hour), Attribute: c.attribute, Value: c.value})
		if got := strings.Join(names(page), " "); got != c.want || page.Next != "" {
			t.Errorf("%s=%s: %q (next %q), want %q", c.attribute, c.value, got, page.Next, c.want)
		}
	}
	if page := lookup(t, trail, s, audit.Query{Account: "999999999999", Now: at.Add(time.Hour)}); len(page.Entries) != 0 {
		t.Errorf("another account sees %v", names(page))
	}
}

// Times have whole seconds, in records and in comparisons: the events of this day
// happened 0.7 s after theirs.
func TestLookupRange(t *testing.T) {
	trail, s := newTrail(t, audit.Options{})
	day(t, trail)
	second := func(n float64) time.Time {
		return at.Truncate(time.Second).Add(time.Duration(n * float64(time.Second)))
	}
	for _, c := range []struct {
		start, end time.Time
		want       string
	}{
		{second(2), second(3), "denied assume"}, // both inclusive
		{second(2), second(2), "assume"},
		{second(1.5), second(3.5), "denied assume"},
		{second(2.1), second(2.9), ""},
		{second(4), time.Time{}, "failed whoami"},
		{time.Time{}, second(0), "create"},
		{second(6), time.Time{}, ""},
	} {
		page := lookup(t, trail, s, audit.Query{Account: account, Now: at.Add(time.Hour), Start: c.start, End: c.end})
		if got := strings.Join(names(page), " "); got != c.want {
			t.Errorf("%v to %v: %q, want %q", c.start, c.end, got, c.want)
		}
	}
}

// The example of a real LookupEvents answer for AssumeRole shows these resources, in no
// particular order.
func TestLookupEntry(t *testing.T) {
	trail, s := newTrail(t, audit.Options{})
	day(t, trail)
	page := lookup(t, trail, s, audit.Query{Account: account, Now: at.Add(time.Hour), Attribute: audit.EventName, Value: "AssumeRole"})
	e := page.Entries[0]
	if !strings.HasPrefix(e.Record, `{"eventVersion":"1.08","userIdentity":{"type":"IAMUser"`) {
		t.Errorf("record: %s", e.Record)
	}
	want := audit.Entry{
		ID: "assume", RequestID: "request-assume", Name: "AssumeRole", Source: "sts.amazonaws.com", Username: "alice",
		AccessKeyID: "AKIAEXAMPLEALICE0001", ReadOnly: true, Time: time.Date(2024, 8, 1, 13, 33, 30, 0, time.UTC),
		References: []audit.Reference{
			{Type: "AWS::IAM::Role", Name: "arn:aws:iam::123456789012:role/deploy"},
			{Type: "AWS::STS::AssumedRole", Name: "ci"},
			{Type: "AWS::STS::AssumedRole", Name: "arn:aws:sts::123456789012:assumed-role/deploy/ci"},
			{Type: "AWS::STS::AssumedRole", Name: "AROAEXAMPLE4DEPLOY001:ci"},
			{Type: "AWS::IAM::AccessKey", Name: "ASIAEXAMPLEDEPLOY001"},
		},
	}
	if e.Record = ""; !entriesEqual(e, want) {
		t.Errorf("entry is %+v,\nwant     %+v", e, want)
	}
}

func entriesEqual(a, b audit.Entry) bool {
	references := slices.Equal(a.References, b.References)
	a.References, b.References = nil, nil
	return references && fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b)
}

func TestLookupPages(t *testing.T) {
	trail, s := newTrail(t, audit.Options{})
	const events = 120
	for i := range events {
		e := read(i)
		if i%2 == 1 {
			e.Name = "GetRole"
		}
		if err := trail.Enqueue(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := trail.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{0, 1, 7, 50, 60, 1000} {
		for _, name := range []string{"", "GetUser"} {
			q := audit.Query{Account: account, Now: at.Add(time.Hour), Limit: limit}
			step := 1
			if name != "" {
				q.Attribute, q.Value, step = audit.EventName, name, 2
			}
			effective := limit
			if effective == 0 || effective > audit.MaxPage {
				effective = audit.MaxPage
			}
			var got []string
			pages := 0
			for {
				page := lookup(t, trail, s, q)
				pages++
				if len(page.Entries) > effective || page.Next != "" && len(page.Entries) < effective {
					t.Errorf("limit %d: a page of %d", limit, len(page.Entries))
				}
				got = append(got, names(page)...)
				// What happens meanwhile does not shift the pages.
				if pages == 1 {
					e := read(events)
					e.Time = at.Add(time.Minute)
					e.Name = "AddedLater"
					if err := trail.AppendNow(t.Context(), e); err != nil {
						t.Fatal(err)
					}
				}
				if q.Token = page.Next; q.Token == "" {
					break
				}
			}
			var want []string
			for i := events - step; i >= 0; i -= step {
				want = append(want, read(i).ID)
			}
			got = slices.DeleteFunc(got, func(id string) bool { return id == read(events).ID })
			if !slices.Equal(got, want) {
				t.Errorf("limit %d, %q: %d events, want %d", limit, name, len(got), len(want))
			}
		}
	}
}

// A search for what is not there reads a bounded number of entries, and says where to go on.
func TestLookupIsBounded(t *testing.T) {
	trail, s := newTrail(t, audit.Options{})
	const events = 60_000
	e := event(audit.UserIdentity{Type: "Root"}, "iam", "GetUser", true)
	e.UserAgent, e.TLS, e.SourceIP, e.RequestID = "", nil, "", ""
	for i := range events {
		e.ID = fmt.Sprint(i)
		if e.ErrorCode = ""; i == 3 {
			e.ErrorCode = "AccessDenied"
		}
		e.Time = at.Add(time.Duration(i) * time.Millisecond)
		if err := trail.Enqueue(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := trail.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	// All records have the mark of root, so that the store leaves none out.
	q := audit.Query{Account: account, Now: at.Add(time.Hour), Attribute: audit.Username, Value: "root", Denied: true}
	page := lookup(t, trail, s, q)
	if len(page.Entries) != 0 || page.Next == "" {
		t.Fatalf("first call: %d entries, next %q", len(page.Entries), page.Next)
	}
	q.Token = page.Next
	page = lookup(t, trail, s, q)
	if got := names(page); !slices.Equal(got, []string{"3"}) || page.Next != "" {
		t.Errorf("second call: %v, next %q", got, page.Next)
	}
}

// T397, T602: a token is good for its query and for nothing else.
func TestT397_Tokens(t *testing.T) {
	trail, s := newTrail(t, audit.Options{})
	day(t, trail)
	q := audit.Query{Account: account, Now: at.Add(time.Hour), Limit: 2, Attribute: audit.ReadOnly, Value: "false", Start: at.Add(-time.Hour), End: at.Add(time.Hour)}
	token := lookup(t, trail, s, q).Next
	try := func(change func(q *audit.Query)) error {
		q := q
		q.Token = token
		change(&q)
		return s.View(t.Context(), func(r store.Reader) error {
			_, err := trail.Lookup(r, q)
			return err
		})
	}
	for name, change := range map[string]func(*audit.Query){
		"itself":        func(q *audit.Query) {},
		"another limit": func(q *audit.Query) { q.Limit = 50 },
		"another zone":  func(q *audit.Query) { q.Start = q.Start.In(time.FixedZone("", 3600)) },
		"later":         func(q *audit.Query) { q.Now = q.Now.Add(time.Hour) },
	} {
		if err := try(change); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := map[string]func(*audit.Query){
		"another account":   func(q *audit.Query) { q.Account = "210987654321" },
		"another attribute": func(q *audit.Query) { q.Attribute = audit.EventName },
		"another value":     func(q *audit.Query) { q.Value = "true" },
		"another start":     func(q *audit.Query) { q.Start = q.Start.Add(1) },
		"no end":            func(q *audit.Query) { q.End = time.Time{} },
		"start for end":     func(q *audit.Query) { q.Start, q.End = q.End, q.Start },
		"truncated":         func(q *audit.Query) { q.Token = token[:len(token)-1] },
		"mac alone":         func(q *audit.Query) { q.Token = token[:22] },
		"longer":            func(q *audit.Query) { q.Token += "AAAA" },
		"not base64":        func(q *audit.Query) { q.Token = "***" },
		"no bytes":          func(q *audit.Query) { q.Token = "AAAA" },
		"huge":              func(q *audit.Query) { q.Token = strings.Repeat("A", 1<<20) },
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		flipped := slices.Clone(raw)
		flipped[i] ^= 1
		bad[fmt.Sprint("byte ", i)] = func(q *audit.Query) { q.Token = base64.RawURLEncoding.EncodeToString(flipped) }
	}
	for name, change := range bad {
		if err := try(change); !errors.Is(err, audit.ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// The key decides: another trail's token is foreign.
	other, err := audit.NewTrail(s, audit.Options{Key: []byte("another key of 16 bytes or more")})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(t.Context())
	q.Token = token
	if err := s.View(t.Context(), func(r store.Reader) error { _, err := other.Lookup(r, q); return err }); !errors.Is(err, audit.ErrToken) {
		t.Errorf("another key: %v", err)
	}
}

// FuzzToken: whatever a client sends as a token, it is an honest answer or ErrToken.
func FuzzToken(f *testing.F) {
	trail, s := newTrail(f, audit.Options{})
	day(f, trail)
	q := audit.Query{Account: account, Now: at.Add(time.Hour), Limit: 2}
	good := lookup(f, trail, s, q).Next
	f.Add(good)
	f.Add(good[:len(good)-2])
	f.Add("AAAA")
	f.Add("\xff\n=")
	f.Fuzz(func(t *testing.T, token string) {
		q := q
		q.Token = token
		err := s.View(t.Context(), func(r store.Reader) error {
			_, err := trail.Lookup(r, q)
			return err
		})
		if ok := token == good || token == ""; (err == nil) != ok || err != nil && !errors.Is(err, audit.ErrToken) {
			t.Errorf("token %q: %v", token, err)
		}
	})
}

// FuzzEntry: bytes of a damaged log are an error at worst.
func FuzzEntry(f *testing.F) {
	trail, s := newTrail(f, audit.Options{})
	day(f, trail)
	if err := s.View(f.Context(), func(r store.Reader) error {
		return r.ScanLog("trail/"+account, store.LogQuery{}, func(le store.LogEntry) bool {
			f.Add(le.Data)
			return true
		})
	}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		trail, s := newTrail(t, audit.Options{})
		if err := s.Append(t.Context(), []store.LogEntry{{Stream: "trail/" + account, At: at, Data: data}}); err != nil {
			t.Skip(err)
		}
		for _, attribute := range []audit.Attribute{"", audit.EventName, audit.ResourceName} {
			_ = s.View(t.Context(), func(r store.Reader) error {
				_, err := trail.Lookup(r, audit.Query{Account: account, Now: at, Attribute: attribute, Value: "x"})
				_, other := trail.LastDenied(r, account)
				return errors.Join(err, other)
			})
		}
	})
}

// T370: requests that were denied, could not be understood, or came with a key whose
// signature does not hold are on record like all others, and can be found.
func TestT370_RefusalsAreOnRecord(t *testing.T) {
	trail, s := newTrail(t, audit.Options{})
	stranger := audit.UserIdentity{Type: "Unknown", AccountID: account, AccessKeyID: "AKIAEXAMPLESTOLEN001"}
	for i, c := range []struct {
		who           audit.UserIdentity
		code, message string
	}{
		{alice, "AccessDenied", "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: iam:ListUsers"},
		{alice, "ValidationError", "1 validation error detected"},
		{alice, "Throttling", "Rate exceeded"},
		{stranger, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."},
	} {
		e := event(c.who, "iam", "ListUsers", true)
		e.ID, e.Time = c.code, at.Add(time.Duration(i)*time.Second)
		e.SetError(&smithy.GenericAPIError{Code: c.code}, c.code, c.message)
		if err := trail.Enqueue(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := trail.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, e := range lookup(t, trail, s, audit.Query{Account: account, Now: at.Add(time.Hour)}).Entries {
		if !strings.Contains(e.Record, `"errorCode":"`+e.ID+`","errorMessage":"`) {
			t.Errorf("%s: %s", e.ID, e.Record)
		}
	}
	page := lookup(t, trail, s, audit.Query{Account: account, Now: at.Add(time.Hour), Attribute: audit.AccessKeyID, Value: stranger.AccessKeyID})
	if got := names(page); !slices.Equal(got, []string{"SignatureDoesNotMatch"}) {
		t.Errorf("what the stolen key was tried for: %v", got)
	}
}

// T375: the clock steps back. Nothing is lost or hidden; events are shown by their time,
// and pages lead through all of them.
func TestT375_ClockStepsBack(t *testing.T) {
	trail, s := newTrail(t, audit.Options{})
	var want []string
	for i := range 10 {
		e := read(i)
		if i >= 5 { // an hour was taken back
			e.Time = e.Time.Add(-time.Hour)
		}
		if err := trail.AppendNow(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range []int{5, 6, 7, 8, 9, 0, 1, 2, 3, 4} {
		want = append(want, read(i).ID)
	}
	if got := ids(t, trail, s, account); !slices.Equal(got, want) {
		t.Errorf("the trail has %v, want %v", got, want)
	}
}

func TestFindAndLastDenied(t *testing.T) {
	trail, s := newTrail(t, audit.Options{})
	day(t, trail)
	if err := s.View(t.Context(), func(r store.Reader) error {
		e, err := trail.Find(r, account, "request-whoami")
		if err != nil {
			return err
		}
		want := audit.Decision{Allowed: true, Action: "sts:GetCallerIdentity", Resource: "*", Policy: "p", Owner: "group/devs", Sid: "s", Index: 2}
		if e.ID != "whoami" || fmt.Sprintf("%#v", *e.Decision) != fmt.Sprintf("%#v", want) {
			t.Errorf("found %s with %+v", e.ID, e.Decision)
		}
		if e, err = trail.Find(r, account, "request-attach"); err != nil || e.Decision != nil {
			t.Errorf("attach: %+v, %v", e.Decision, err)
		}
		// Newer events are not denied: one was allowed, one failed.
		e, err = trail.LastDenied(r, account)
		if err != nil {
			return err
		}
		if e.ID != "denied" || e.Decision.Layer != "identity" || e.Decision.Index != -1 || string(e.Decision.Trace) != `{"steps":[1,2]}` {
			t.Errorf("last denied is %s with %+v", e.ID, e.Decision)
		}
		for name, err := range map[string]error{
			"unknown request": second(trail.Find(r, account, "nope")),
			"other account":   second(trail.Find(r, "999999999999", "request-whoami")),
			"nothing denied":  second(trail.LastDenied(r, "999999999999")),
		} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestRetention(t *testing.T) {
	trail, s := newTrail(t, audit.Options{Retention: 24 * time.Hour})
	for i := range 4 { // 36, 24, 12 and 0 hours old
		e := read(i)
		e.Time = at.Truncate(time.Second).Add(time.Duration(i-3) * 12 * time.Hour)
		if err := trail.AppendNow(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	now := at.Truncate(time.Second)
	count := func(now time.Time) int {
		return len(lookup(t, trail, s, audit.Query{Account: account, Now: now, Start: at.Add(-1000 * time.Hour)}).Entries)
	}
	if got := count(now); got != 3 {
		t.Errorf("%d events are young enough, want 3", got)
	}
	if err := trail.Trim(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if got := count(now.Add(-time.Hour * 24 * 30)); got != 3 {
		t.Errorf("%d events are left, want 3", got)
	}
}

// What was stored by this version is readable by every later one.
func TestStoredEntriesOfVersion1(t *testing.T) {
	const head = "\x01\x02" + "\x03id1" + "\x04req1" + "\x0aDeleteUser" + "\x11iam.amazonaws.com" + "\x05alice" + "\x04AKIA" +
		"\x01" + "\x0eAWS::IAM::User" + "\x05carol"
	const decision = `{"allowed":false,"action":"a","resource":"r","statement":-1}`
	const data = head + "\x00\x00\x00\x3c" + decision + `{"eventVersion":"1.09"}`

	trail, s := newTrail(t, audit.Options{})
	appendRaw := func(at time.Time, data string) {
		if err := s.Append(t.Context(), []store.LogEntry{{Stream: "trail/" + account, At: at, Data: []byte(data)}}); err != nil {
			t.Fatal(err)
		}
	}
	appendRaw(at, data)
	if err := s.View(t.Context(), func(r store.Reader) error {
		e, err := trail.LastDenied(r, account)
		if err != nil {
			return err
		}
		if e.ID != "id1" || e.RequestID != "req1" || e.Name != "DeleteUser" || e.Source != "iam.amazonaws.com" || e.Username != "alice" || e.AccessKeyID != "AKIA" ||
			e.ReadOnly || !slices.Equal(e.References, []audit.Reference{{Type: "AWS::IAM::User", Name: "carol"}}) || e.Record != `{"eventVersion":"1.09"}` || e.Decision.Index != -1 {
			t.Errorf("read as %+v", e)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}

	// Anything else is an error and never a panic, nor silently passed over.
	bad := []string{"", "\x01", "\x02" + data[1:], data[:20], data[:len(head)+2], data[:len(head)+30], "\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}
	for i, d := range bad {
		appendRaw(at.Add(time.Duration(i+1)*time.Hour), d)
		if err := s.View(t.Context(), func(r store.Reader) error {
			_, err := trail.Lookup(r, audit.Query{Account: account, Now: at.Add(100 * time.Hour)})
			return err
		}); err == nil {
			t.Errorf("entry %q was read", d)
		}
	}
}

// The page is what a plain loop over all events would find.
func TestLookupAgreesWithALoop(t *testing.T) {
	users := []string{"alice", "bob", "carol"}
	events := []string{"GetUser", "CreateUser", "DeleteUser"}
	rapid.Check(t, func(rt *rapid.T) {
		trail, s := newTrail(t, audit.Options{})
		type known struct{ id, user, name string }
		var all []known
		when := at
		for i := range rapid.IntRange(0, 30).Draw(rt, "events") {
			k := known{fmt.Sprint(i), rapid.SampledFrom(users).Draw(rt, "user"), rapid.SampledFrom(events).Draw(rt, "name")}
			when = when.Add(time.Duration(rapid.IntRange(1, 3000).Draw(rt, "ms")) * time.Millisecond)
			e := event(audit.UserIdentity{Type: "IAMUser", UserName: k.user}, "iam", k.name, k.name == "GetUser")
			e.ID, e.Time = k.id, when
			var err error
			switch rapid.IntRange(0, 2).Draw(rt, "way") {
			case 0:
				err = trail.Enqueue(t.Context(), e)
			case 1:
				err = trail.AppendNow(t.Context(), e)
			case 2:
				err = s.Update(t.Context(), func(tx store.Tx) error { return trail.AppendTo(tx, e) })
			}
			if err != nil {
				rt.Fatal(err)
			}
			all = append(all, k)
		}
		if err := trail.Sync(t.Context()); err != nil {
			rt.Fatal(err)
		}
		q := audit.Query{Account: account, Now: when, Limit: rapid.IntRange(1, 5).Draw(rt, "limit")}
		match := func(known) bool { return true }
		switch rapid.IntRange(0, 2).Draw(rt, "filter") {
		case 1:
			q.Attribute, q.Value = audit.Username, rapid.SampledFrom(users).Draw(rt, "value")
			match = func(k known) bool { return k.user == q.Value }
		case 2:
			q.Attribute, q.Value = audit.EventName, rapid.SampledFrom(events).Draw(rt, "value")
			match = func(k known) bool { return k.name == q.Value }
		}
		var want, got []string
		for _, k := range slices.Backward(all) {
			if match(k) {
				want = append(want, k.id)
			}
		}
		for {
			page := lookup(t, trail, s, q)
			got = append(got, names(page)...)
			if q.Token = page.Next; q.Token == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("%s=%s: %v, want %v", q.Attribute, q.Value, got, want)
		}
	})
}

// BenchmarkLookup reads from a trail of 100,000 records on disk.
func BenchmarkLookup(b *testing.B) {
	s, err := sqlite.Open(filepath.Join(b.TempDir(), "data"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	trail, err := audit.NewTrail(s, audit.Options{Key: key})
	if err != nil {
		b.Fatal(err)
	}
	defer trail.Close(b.Context())
	const events = 100_000
	for i := range events {
		e := read(i)
		if i == 0 {
			e.Name = "First"
		}
		if err := trail.Enqueue(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
	if err := trail.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	for name, q := range map[string]audit.Query{
		"recent":       {},
		"filtered":     {Attribute: audit.EventName, Value: "GetUser"},
		"the oldest":   {Attribute: audit.EventName, Value: "First"},
		"event id":     {Attribute: audit.EventID, Value: read(events / 2).ID},
		"nobody":       {Attribute: audit.Username, Value: "nobody"},
		"whole budget": {Attribute: audit.EventName, Value: "GetUser", Denied: true},
		"old range":    {End: at.Add(time.Minute)},
	} {
		q.Account, q.Now = account, at.Add(time.Hour)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				lookup(b, trail, s, q)
			}
		})
	}
}

// sparse hands out what is of an event name, and says of all else that it has passed it: a
// store whose chapters are of one entry.
type sparse struct {
	store.Reader
	name   string
	passed int
}

func (s *sparse) ScanLog(stream string, q store.LogQuery, fn func(store.LogEntry) bool) error {
	if len(q.Marks) == 0 {
		return s.Reader.ScanLog(stream, q, fn)
	}
	q.Marks = nil
	return s.Reader.ScanLog(stream, q, func(e store.LogEntry) bool {
		if strings.Contains(string(e.Data), s.name) {
			return fn(e)
		}
		s.passed++
		return q.Passed(e.Cursor)
	})
}

// What a look-up leaves out unread is work, too: a page ends, maybe empty, and the next goes
// on behind.
func TestLookupIsBoundedWhereItFindsNothing(t *testing.T) {
	trail, s := newTrail(t, audit.Options{})
	const events = 2500
	for i := range events {
		e := read(i)
		if i == 3 {
			e.Name = "DeleteUser"
		}
		if err := trail.Enqueue(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := trail.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	look := func(each func(*sparse) (found int, next string, err error)) (pages, found int) {
		t.Helper()
		for {
			r := &sparse{name: "DeleteUser"}
			var n int
			var next string
			err := s.View(t.Context(), func(inner store.Reader) (err error) {
				r.Reader = inner
				n, next, err = each(r)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if r.passed > 1000 {
				t.Errorf("one page passes %d", r.passed)
			}
			pages, found = pages+1, found+n
			if next == "" {
				return pages, found
			}
		}
	}
	q := audit.Query{Account: account, Attribute: audit.EventName, Value: "DeleteUser", Now: at.Add(time.Hour)}
	if pages, found := look(func(r *sparse) (int, string, error) {
		page, err := trail.Lookup(r, q)
		q.Token = page.Next
		return len(page.Entries), page.Next, err
	}); pages != 3 || found != 1 {
		t.Errorf("Lookup: %d found on %d pages", found, pages)
	}
	token := ""
	if pages, found := look(func(r *sparse) (int, string, error) {
		keys := map[string]time.Time{}
		if token == "" {
			keys[alice.AccessKeyID] = time.Time{}
		}
		page, err := trail.KeyCalls(r, audit.CallQuery{Account: account, Keys: keys, Token: token, Now: at.Add(time.Minute)})
		token = page.Next
		return len(page.Calls), page.Next, err
	}); pages != 3 || found != 1 {
		t.Errorf("KeyCalls: %d found on %d pages", found, pages)
	}
}

// Find, which cannot go on, gives up.
func TestFindIsBounded(t *testing.T) {
	trail, s := newTrail(t, audit.Options{})
	for i := range 20_100 {
		if err := trail.Enqueue(t.Context(), read(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := trail.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := s.View(t.Context(), func(inner store.Reader) error {
		r := &sparse{Reader: inner, name: "nothing"}
		if _, err := trail.Find(r, account, "x"); !errors.Is(err, store.ErrNotFound) || r.passed != 20_000 {
			t.Errorf("%v after %d", err, r.passed)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
