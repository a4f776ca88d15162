package audit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/sqlite"
)

// What a key and the session that it began did is read oldest first, and tells what lacked
// a permission; what the retention has passed is not there, and neither are other accounts.
func TestCalls(t *testing.T) {
	trail, s := newTrail(t, audit.Options{Retention: 24 * time.Hour})
	old := read(1)
	old.ID, old.Time = "old", at.Add(-25*time.Hour)
	if err := trail.AppendNow(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	day(t, trail)
	calls := func(key string) (ids, denied []string, oldest time.Time, known map[string]time.Time) {
		t.Helper()
		known = map[string]time.Time{key: {}}
		for _, c := range keyCalls(t, trail, s, known, &oldest) {
			ids = append(ids, eventID(t, c))
			if c.Denied {
				denied = append(denied, eventID(t, c))
			}
		}
		return ids, denied, oldest, known
	}
	got, denied, oldest, known := calls(alice.AccessKeyID)
	if !slices.Equal(got, []string{"assume", "denied", "failed"}) || !slices.Equal(denied, []string{"denied"}) {
		t.Errorf("alice's key: %v, denied %v", got, denied)
	}
	if !oldest.Truncate(time.Second).Equal(at.Truncate(time.Second)) {
		t.Errorf("the oldest record is of %s", oldest)
	}
	if _, found := known["ASIAEXAMPLEDEPLOY001"]; !found || len(known) != 2 {
		t.Errorf("alice's key minted %v", known)
	}
	if got, denied, _, _ = calls(deployer.AccessKeyID); !slices.Equal(got, denied) || len(got) != 1 {
		t.Errorf("the role's session: %v, denied %v", got, denied)
	}
	if got, _, _, _ = calls("AKIAEXAMPLENOBODY001"); len(got) != 0 {
		t.Errorf("a key that did nothing: %v", got)
	}
	err := s.View(t.Context(), func(r store.Reader) error {
		page, err := trail.KeyCalls(r, audit.CallQuery{Account: "999999999999", Keys: map[string]time.Time{alice.AccessKeyID: {}}, Now: at})
		if !page.Oldest.IsZero() || len(page.Calls) > 0 || page.Next != "" {
			t.Errorf("another account's trail: %+v", page)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// keyCalls reads all pages.
func keyCalls(t *testing.T, trail *audit.Trail, s store.Store, keys map[string]time.Time, oldest *time.Time) (all []audit.KeyCall) {
	t.Helper()
	for token, first := "", true; first || token != ""; first = false {
		found := keys
		if !first { // a client that comes back knows nothing but the token
			found = map[string]time.Time{}
		}
		err := s.View(t.Context(), func(r store.Reader) error {
			page, err := trail.KeyCalls(r, audit.CallQuery{Account: account, Keys: found, Token: token, Now: at.Add(time.Minute)})
			if first && oldest != nil {
				*oldest = page.Oldest
			}
			token = page.Next
			all = append(all, page.Calls...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(keys, found)
	}
	return all
}

func eventID(t *testing.T, c audit.KeyCall) string {
	t.Helper()
	var record struct {
		EventID string `json:"eventID"`
	}
	if err := json.Unmarshal(c.Record, &record); err != nil {
		t.Fatal(err)
	}
	return record.EventID
}

// The calls of a key that did much, and of a session that it began on the first page and
// that is used on the last, are all found by who has nothing but the tokens, once each and
// in order. A token is good for its account, unchanged.
func TestKeyCallsInPages(t *testing.T) {
	trail, s := newTrail(t, audit.Options{})
	const many = 1200
	var want []string
	add := func(i int, id string, e *audit.Event) {
		t.Helper()
		e.ID, e.RequestID, e.Time = id, "request-"+id, at.Add(time.Duration(i-many)*time.Millisecond)
		if err := trail.Enqueue(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	session := alice
	session.AccessKeyID = "ASIAEXAMPLESESSION01"
	for i := range many {
		id := fmt.Sprintf("call-%d", i)
		e := event(alice, "iam", "GetUser", true)
		switch {
		case i == 0:
			e = event(alice, "sts", "GetSessionToken", true)
			e.SetResponse(&sts.GetSessionTokenOutput{Credentials: &ststypes.Credentials{AccessKeyId: &session.AccessKeyID}}, audit.NewRedactor(nil))
		case i%100 == 7:
			add(i, id, event(bob, "iam", "GetUser", true))
			continue
		case i == many-1:
			e = event(session, "iam", "DeleteUser", false)
		}
		want = append(want, id)
		add(i, id, e)
	}
	if err := trail.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range keyCalls(t, trail, s, map[string]time.Time{alice.AccessKeyID: {}}, nil) {
		got = append(got, eventID(t, c))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d calls, want %d", len(got), len(want))
	}
	err := s.View(t.Context(), func(r store.Reader) error {
		q := audit.CallQuery{Account: account, Keys: map[string]time.Time{alice.AccessKeyID: {}}, Now: at}
		page, err := trail.KeyCalls(r, q)
		if err != nil || page.Next == "" {
			t.Fatalf("one page: %v", err)
		}
		for name, change := range map[string]func(*audit.CallQuery){
			"another account": func(q *audit.CallQuery) { q.Account = "999999999999" },
			"cut":             func(q *audit.CallQuery) { q.Token = q.Token[:len(q.Token)-2] },
			"made up":         func(q *audit.CallQuery) { q.Token = "AAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
		} {
			wrong := q
			wrong.Token = page.Next
			change(&wrong)
			if _, err := trail.KeyCalls(r, wrong); !errors.Is(err, audit.ErrToken) {
				t.Errorf("%s: %v", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// scans counts the scans of a log.
type scans struct {
	store.Reader
	marked, all int
}

func (s *scans) ScanLog(stream string, q store.LogQuery, fn func(store.LogEntry) bool) error {
	s.all++
	if len(q.Marks) > 0 {
		s.marked++
	}
	return s.Reader.ScanLog(stream, q, fn)
}

// A key that begins very many sessions is not looked for from each of them on again, and one
// that begins few is looked for with marks in between; all that the sessions did is found.
func TestKeyCallsOfManySessions(t *testing.T) {
	for name, test := range map[string]struct{ records, every, most, marked int }{
		"many sessions": {records: 6000, every: 6, most: 10, marked: 1},
		"few sessions":  {records: 14_000, every: 7000, most: 6, marked: 3},
	} {
		trail, s := newTrail(t, audit.Options{})
		var want []string
		var session audit.UserIdentity
		for i := range test.records {
			e := event(bob, "iam", "GetUser", true)
			switch i % test.every {
			case 1:
				session = alice
				session.AccessKeyID = fmt.Sprintf("ASIAEXAMPLE%09d", i)
				e = event(alice, "sts", "GetSessionToken", true)
				e.SetResponse(&sts.GetSessionTokenOutput{Credentials: &ststypes.Credentials{AccessKeyId: &session.AccessKeyID}}, audit.NewRedactor(nil))
			case 4:
				e = event(session, "iam", "GetUser", true)
			}
			e.ID, e.RequestID, e.Time = fmt.Sprintf("call-%d", i), fmt.Sprintf("request-%d", i), at.Add(time.Duration(i-test.records)*time.Millisecond)
			if i%test.every == 1 || i%test.every == 4 {
				want = append(want, e.ID)
			}
			if err := trail.Enqueue(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		if err := trail.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		count := &scans{}
		q := audit.CallQuery{Account: account, Keys: map[string]time.Time{alice.AccessKeyID: {}}, Now: at}
		for first := true; first || q.Token != ""; first = false {
			if err := s.View(t.Context(), func(r store.Reader) error {
				count.Reader = r
				page, err := trail.KeyCalls(count, q)
				for _, c := range page.Calls {
					got = append(got, eventID(t, c))
				}
				q.Token = page.Next
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d calls, want %d", name, len(got), len(want))
		}
		if count.all > test.most || count.marked < test.marked {
			t.Errorf("%s: %d scans, %d of them with marks; want at most %d, and %d", name, count.all, count.marked, test.most, test.marked)
		}
	}
}

// BenchmarkCalls looks for one key in a trail of 100,000 records on disk.
func BenchmarkCalls(b *testing.B) {
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
	for i := range 100_000 {
		if err := trail.Enqueue(b.Context(), read(i)); err != nil {
			b.Fatal(err)
		}
	}
	if err := trail.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		err := s.View(b.Context(), func(r store.Reader) error {
			q := audit.CallQuery{Account: account, Keys: map[string]time.Time{"AKIAEXAMPLENOBODY001": {}}, Now: at.Add(time.Hour)}
			for first := true; first || q.Token != ""; first = false {
				page, err := trail.KeyCalls(r, q)
				if err != nil {
					return err
				}
				q.Token = page.Next
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
