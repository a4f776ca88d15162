package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

var key = []byte("an example of a key, 32 bytes...")

// disk is a store whose log can be made to fail or to be slow, and that remembers how
// often it was written.
type disk struct {
	store.Store
	mu     sync.Mutex
	err    error
	slow   time.Duration
	writes int
}

func (d *disk) Append(ctx context.Context, entries []store.LogEntry) error {
	d.mu.Lock()
	err, slow := d.err, d.slow
	d.writes++
	d.mu.Unlock()
	time.Sleep(slow)
	if err != nil {
		return err
	}
	return d.Store.Append(ctx, entries)
}

func (d *disk) set(err error, slow time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err, d.slow = err, slow
}

func (d *disk) written() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writes
}

// newTrail returns a trail over a disk; both end with the test.
func newTrail(t testing.TB, o audit.Options) (*audit.Trail, *disk) {
	t.Helper()
	d := &disk{Store: memory.New()}
	o.Key = key
	trail, err := audit.NewTrail(d, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.set(nil, 0)
		if err := trail.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return trail, d
}

// read is the example's numbered read; the number is in its id.
func read(n int) *audit.Event {
	e := event(alice, "iam", "GetUser", true)
	e.ID = fmt.Sprintf("%08d-0000-4000-8000-000000000000", n)
	e.Time = at.Add(time.Duration(n) * time.Millisecond)
	return e
}

// ids are the ids of all records in an account's trail, oldest first.
func ids(t testing.TB, trail *audit.Trail, s store.Store, account arn.AccountID) (ids []string) {
	t.Helper()
	q := audit.Query{Account: account, Now: at.Add(time.Hour)}
	for {
		page := lookup(t, trail, s, q)
		for _, e := range page.Entries {
			ids = append(ids, e.ID)
		}
		if q.Token = page.Next; q.Token == "" {
			slices.Reverse(ids)
			return ids
		}
	}
}

func lookup(t testing.TB, trail *audit.Trail, s store.Store, q audit.Query) (page audit.Page) {
	t.Helper()
	if err := s.View(context.Background(), func(r store.Reader) (err error) {
		page, err = trail.Lookup(r, q)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return page
}

func TestRecordsOfAChangeCommitWithIt(t *testing.T) {
	trail, s := newTrail(t, audit.Options{})
	refused := errors.New("refused")
	for i, outcome := range []error{nil, refused} {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			if err := trail.AppendTo(tx, read(i)); err != nil {
				return err
			}
			return outcome
		})
		if !errors.Is(err, outcome) {
			t.Fatal(err)
		}
	}
	if got := ids(t, trail, s, account); !slices.Equal(got, []string{read(0).ID}) {
		t.Errorf("the trail has %v, want the record of the change that happened", got)
	}
}

func TestCopiesGoToTheOtherAccountsTrail(t *testing.T) {
	trail, s := newTrail(t, audit.Options{})
	const other = "210987654321"
	e := event(alice, "sts", "AssumeRole", true)
	e.SharedID = "shared"
	e.Decision = &audit.Decision{Allowed: true, Policy: "private"}
	e.Copies = []audit.Copy{{ID: "second", Account: other, Identity: audit.UserIdentity{Type: "AWSAccount", PrincipalID: alice.PrincipalID, AccountID: account}}}
	if err := trail.AppendNow(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if got := trail.Stats().Appended; got != 2 {
		t.Errorf("%d records appended, want 2", got)
	}
	var records []string
	for _, a := range []arn.AccountID{account, other} {
		if err := s.View(t.Context(), func(r store.Reader) error {
			found, err := trail.Find(r, a, e.RequestID)
			if err != nil {
				return err
			}
			records = append(records, found.Record)
			if (found.Decision != nil) != (a == account) {
				t.Errorf("%s: decision is %v", a, found.Decision)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{
		`"type":"IAMUser"|"accessKeyId":"AKIAEXAMPLEALICE0001"|"eventID":"6e5ed1ff-6b1e-4c1d-8b19-1d9e0a6e7f01"|"recipientAccountId":"123456789012"|"sharedEventID":"shared"`,
		`"userIdentity":{"type":"AWSAccount","principalId":"AIDAEXAMPLE4ALICE0001","accountId":"123456789012"}|"eventID":"second"|"recipientAccountId":"210987654321"|"sharedEventID":"shared"`,
	} {
		for w := range strings.SplitSeq(want, "|") {
			if !strings.Contains(records[i], w) {
				t.Errorf("record %d lacks %s: %s", i, w, records[i])
			}
		}
	}
}

func TestEventsThatCannotBeFiledAreRefused(t *testing.T) {
	trail, _ := newTrail(t, audit.Options{})
	for name, change := range map[string]func(*audit.Event){
		"no account":  func(e *audit.Event) { e.Account = "" },
		"odd account": func(e *audit.Event) { e.Account = "1/2" },
		"odd copy":    func(e *audit.Event) { e.Copies = []audit.Copy{{ID: "x"}} },
		"no id":       func(e *audit.Event) { e.ID = "" },
		"no time":     func(e *audit.Event) { e.Time = time.Time{} },
		"beyond limits": func(e *audit.Event) {
			huge := strings.Repeat("\x00", 1<<20)
			e.Resources = slices.Repeat([]audit.Resource{{ARN: huge, AccountID: arn.AccountID(huge), Type: huge}}, 200)
			e.SharedID, e.Type, e.SourceIP, e.Region, e.Name = huge, huge, huge, huge, huge
			e.Identity = audit.UserIdentity{Type: huge, PrincipalID: huge, ARN: huge, AccountID: huge, UserName: huge, InvokedBy: huge}
			e.Decision = &audit.Decision{Trace: []byte(`"` + strings.Repeat("x", 250<<10) + `"`)}
		},
	} {
		e := read(1)
		change(e)
		if err := trail.Enqueue(t.Context(), e); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got := trail.Stats(); got != (audit.Stats{}) {
		t.Errorf("stats are %+v", got)
	}
}

func TestNewTrailWantsAKey(t *testing.T) {
	for _, o := range []audit.Options{{}, {Key: key[:15]}, {Key: key, Linger: -1}} {
		if _, err := audit.NewTrail(nil, o); err == nil {
			t.Errorf("options %+v accepted", o)
		}
	}
}

// Reads linger in the queue for a moment, so that many are written at once.
func TestReadsAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trail, d := newTrail(t, audit.Options{Linger: 50 * time.Millisecond})
		for i := range 100 {
			if err := trail.Enqueue(t.Context(), read(i)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := d.written(); n != 0 {
			t.Errorf("%d writes before the moment is over", n)
		}
		if s := trail.Stats(); s.Queued != 100 || s.QueuedBytes < 50_000 {
			t.Errorf("stats are %+v", s)
		}
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if n := d.written(); n != 1 {
			t.Errorf("%d writes, want 1", n)
		}
		if s := trail.Stats(); s != (audit.Stats{Appended: 100}) {
			t.Errorf("stats are %+v", s)
		}
	})
}

// AppendNow does not linger, and takes along what waits.
func TestAppendNowTakesTheQueueAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trail, d := newTrail(t, audit.Options{Linger: time.Hour})
		began := time.Now()
		for i := range 10 {
			if err := trail.Enqueue(t.Context(), read(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := trail.AppendNow(t.Context(), read(10)); err != nil {
			t.Fatal(err)
		}
		if time.Since(began) != 0 || d.written() != 1 {
			t.Errorf("%d writes after %v", d.written(), time.Since(began))
		}
		if got := ids(t, trail, d, account); len(got) != 11 || got[10] != read(10).ID {
			t.Errorf("the trail has %v", got)
		}
	})
}

// Sync is what makes LookupEvents read what its caller did before.
func TestSyncMakesTheQueueVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trail, d := newTrail(t, audit.Options{Linger: time.Hour})
		if err := trail.Sync(t.Context()); err != nil || d.written() != 0 {
			t.Errorf("of an empty queue: %v, %d writes", err, d.written())
		}
		d.set(nil, time.Second)
		for i := range 3 {
			if err := trail.Enqueue(t.Context(), read(i)); err != nil {
				t.Fatal(err)
			}
			if i == 0 { // is in the writer's hands when the others come
				go trail.Sync(t.Context())
				synctest.Wait()
			}
		}
		if err := trail.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, trail, d, account); len(got) != 3 {
			t.Errorf("the trail has %v", got)
		}
		// What is in the writer's hands counts, although the queue is empty.
		if err := trail.Enqueue(t.Context(), read(3)); err != nil {
			t.Fatal(err)
		}
		go trail.Sync(t.Context())
		synctest.Wait()
		if err := trail.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, trail, d, account); len(got) != 4 {
			t.Errorf("the trail has %v", got)
		}
	})
}

// T371: the disk is full. Reads go on until the queue is full, then they wait; answers
// with credentials are refused; nothing that was accepted is lost, and all is well when
// there is space again.
func TestT371_DiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failures := make(chan error, 1000)
		trail, d := newTrail(t, audit.Options{QueueBytes: 20_000, Failed: func(err error) { failures <- err }})
		full := fmt.Errorf("disk full: %w", store.ErrUnavailable)
		d.set(full, 0)

		// Reads go on while there is room.
		accepted := 0
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := trail.Enqueue(ctx, read(accepted))
			cancel()
			if err != nil {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Fatal(err)
				}
				break
			}
			accepted++
		}
		if accepted < 10 || accepted > 30 {
			t.Errorf("%d reads accepted", accepted)
		}
		if trail.Stats().QueuedBytes > 20_000 {
			t.Errorf("stats are %+v", trail.Stats())
		}
		if n := uint64(len(failures)); n == 0 || trail.Stats().Failures != n || !errors.Is(<-failures, store.ErrUnavailable) {
			t.Errorf("told of %d failures; stats: %+v", n, trail.Stats())
		}

		// The next one waits for room, for as long as its caller does.
		waiting := make(chan error, 1)
		go func() { waiting <- trail.Enqueue(t.Context(), read(accepted)) }()
		synctest.Wait()
		select {
		case err := <-waiting:
			t.Fatalf("did not wait: %v", err)
		default:
		}

		// Attempts are not more frequent than once a second in the end.
		time.Sleep(time.Minute)
		before := d.written()
		time.Sleep(time.Minute)
		if n := d.written() - before; n < 55 || n > 65 {
			t.Errorf("%d attempts in a minute", n)
		}

		d.set(nil, 0)
		if err := <-waiting; err != nil {
			t.Fatal(err)
		}
		if err := trail.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := make([]string, accepted+1)
		for i := range want {
			want[i] = read(i).ID
		}
		if got := ids(t, trail, d, account); !slices.Equal(got, want) {
			t.Errorf("the trail has %v, want %v", got, want)
		}
	})
}

// Half of the queue is not for strangers, who are told at once.
func TestOfferLeavesHalfOfTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trail, d := newTrail(t, audit.Options{QueueBytes: 20_000, Linger: time.Hour})
		d.set(store.ErrUnavailable, 0)
		offered := 0
		for ; offered < 100; offered++ {
			if err := trail.Offer(read(offered)); err != nil {
				if !errors.Is(err, audit.ErrNoRoom) {
					t.Error(err)
				}
				break
			}
		}
		if s := trail.Stats(); offered < 5 || s.QueuedBytes > 10_000 {
			t.Errorf("%d accepted: %+v", offered, s)
		}
		for i := range 5 {
			if err := trail.Enqueue(t.Context(), read(offered+i)); err != nil {
				t.Error(err)
			}
		}
		d.set(nil, 0)
		if err := trail.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, trail, d, account); len(got) != offered+5 {
			t.Errorf("%d records, want %d", len(got), offered+5)
		}
		if err := trail.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := trail.Offer(read(99)); !errors.Is(err, store.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// T371: who waits for the record is told of the failure, soon, and nothing of the
// attempt stays behind: the caller records it as failed.
func TestT371_AppendNowFailsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trail, d := newTrail(t, audit.Options{Linger: time.Hour})
		d.set(store.ErrUnavailable, 0)
		if err := trail.Enqueue(t.Context(), read(0)); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			began := time.Now()
			if err := trail.AppendNow(t.Context(), read(1)); !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("attempt %d: %v", i, err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("attempt %d took %v", i, took)
			}
		}
		if err := trail.Sync(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Sync: %v", err)
		}
		if s := trail.Stats(); s.Queued != 1 || !s.Failing {
			t.Errorf("stats are %+v", s)
		}
		d.set(nil, 0)
		if err := trail.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := trail.Stats(); s.Queued != 0 || s.Failing {
			t.Errorf("stats are %+v", s)
		}
		if got := ids(t, trail, d, account); !slices.Equal(got, []string{read(0).ID}) {
			t.Errorf("the trail has %v", got)
		}
	})
}

// doubtful is a store whose next Append fails in doubt, after it was made or not, and
// that cannot say which for a while.
type doubtful struct {
	store.Store
	mu            sync.Mutex
	armed, landed bool
	unsettled     int // attempts to settle the doubt that fail
}

func (d *doubtful) Append(ctx context.Context, entries []store.LogEntry) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.armed {
		return d.Store.Append(ctx, entries)
	}
	d.armed = false
	if d.landed {
		if err := d.Store.Append(ctx, entries); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: fsync", store.ErrInDoubt)
}

func (d *doubtful) Update(ctx context.Context, fn func(store.Tx) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.unsettled > 0 {
		d.unsettled--
		return store.ErrUnavailable
	}
	return d.Store.Update(ctx, fn)
}

// T378, T373: the store cannot tell whether a batch is durable. No record of it is lost or
// there twice; who waits for one is told of the doubt, and who came later of a failure.
func TestT378_ABatchInDoubtIsNotRepeatedUnseen(t *testing.T) {
	for _, landed := range []bool{true, false} {
		for _, unsettled := range []int{0, 3} {
			synctest.Test(t, func(t *testing.T) {
				s := &doubtful{Store: memory.New(), armed: true, landed: landed, unsettled: unsettled}
				defer s.Close()
				trail, err := audit.NewTrail(s, audit.Options{Key: key, Linger: time.Hour})
				if err != nil {
					t.Fatal(err)
				}
				want := []string{read(1).ID, read(2).ID}
				if err := trail.Enqueue(t.Context(), read(1)); err != nil {
					t.Fatal(err)
				}
				if err := trail.AppendNow(t.Context(), read(0)); !errors.Is(err, store.ErrInDoubt) || errors.Is(err, store.ErrUnavailable) {
					t.Errorf("AppendNow: %v, want ErrInDoubt alone", err)
				}
				if landed {
					want = append([]string{read(0).ID}, want...)
				}
				if err := trail.Enqueue(t.Context(), read(2)); err != nil {
					t.Fatal(err)
				}
				if err := trail.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := ids(t, trail, s, account); !slices.Equal(got, want) {
					t.Errorf("landed=%v, unsettled=%d: the trail has %v, want %v", landed, unsettled, got, want)
				}
			})
		}
	}
}

// A caller who went away while their record waited takes it along; one whose record was
// being written learns how that ended.
func TestAppendNowOfACallerWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trail, d := newTrail(t, audit.Options{})
		d.set(nil, time.Minute)
		outcomes := make([]error, 3)
		var all sync.WaitGroup
		for i := range 3 { // the first is being written when the others come
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			all.Go(func() { outcomes[i] = trail.AppendNow(ctx, read(i)) })
			synctest.Wait()
		}
		all.Wait()
		if outcomes[0] != nil || !errors.Is(outcomes[1], context.DeadlineExceeded) || !errors.Is(outcomes[2], context.DeadlineExceeded) {
			t.Errorf("outcomes: %v", outcomes)
		}
		if got := ids(t, trail, d, account); !slices.Equal(got, []string{read(0).ID}) {
			t.Errorf("the trail has %v", got)
		}
		if s := trail.Stats(); s != (audit.Stats{Appended: 1}) {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// It writes what is left, at once.
		trail, d := newTrail(t, audit.Options{Linger: time.Hour})
		for i := range 5 {
			if err := trail.Enqueue(t.Context(), read(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := trail.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, trail, d, account); len(got) != 5 {
			t.Errorf("the trail has %v", got)
		}
		// Afterwards nothing is accepted.
		for name, err := range map[string]error{
			"Enqueue":   trail.Enqueue(t.Context(), read(9)),
			"AppendNow": trail.AppendNow(t.Context(), read(9)),
		} {
			if !errors.Is(err, store.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestCloseSaysWhatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &disk{Store: memory.New(), err: store.ErrUnavailable}
		defer s.Close()
		trail, err := audit.NewTrail(s, audit.Options{Key: key})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			if err := trail.Enqueue(t.Context(), read(i)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		if err := trail.Close(ctx); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "5 records") {
			t.Errorf("Close: %v", err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("gave up after %v", took)
		}
	})
}

// T373: many callers at once. Nothing is lost, nothing doubled, and what one caller did
// stays in its order, whichever way it was recorded.
func TestT373_ConcurrentEvents(t *testing.T) {
	callers, each := 100, 1000
	if testing.Short() {
		each = 100
	}
	trail, s := newTrail(t, audit.Options{QueueBytes: 1 << 20, Linger: time.Millisecond})
	accountOf := func(c int) arn.AccountID { return arn.AccountID(fmt.Sprintf("%012d", 100+c%10)) }
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			e := event(audit.UserIdentity{Type: "IAMUser", UserName: fmt.Sprint("user", c)}, "iam", "GetUser", true)
			e.UserAgent, e.TLS = "", nil
			e.Account = accountOf(c)
			for i := range each {
				e.ID = fmt.Sprintf("%d-%d", c, i)
				e.Time = at
				var err error
				switch {
				case i%100 == 50:
					err = trail.AppendNow(context.Background(), e)
				default:
					err = trail.Enqueue(context.Background(), e)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := trail.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := trail.Stats(); got != (audit.Stats{Appended: uint64(callers * each)}) {
		t.Errorf("stats are %+v", got)
	}
	next := make(map[string]int)
	for a := range 10 {
		if err := s.View(t.Context(), func(r store.Reader) error {
			return r.ScanLog("trail/"+string(accountOf(a)), store.LogQuery{}, func(le store.LogEntry) bool {
				_, rest, _ := bytes.Cut(le.Data, []byte(`"eventID":"`))
				id, _, _ := bytes.Cut(rest, []byte(`"`))
				caller, number, _ := strings.Cut(string(id), "-")
				if number != fmt.Sprint(next[caller]) {
					t.Errorf("record %s of caller %s where %d should be", number, caller, next[caller])
					return false
				}
				next[caller]++
				return true
			})
		}); err != nil {
			t.Fatal(err)
		}
	}
	for c := range callers {
		if next[fmt.Sprint(c)] != each {
			t.Errorf("%d records of caller %d", next[fmt.Sprint(c)], c)
		}
	}
}

// T372 for the trail's part: a crash takes what waits in the queue, and nothing else.
// Only reads and refusals wait there.
func TestT372_ACrashTakesOnlyTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trail, d := newTrail(t, audit.Options{Linger: time.Hour})
		if err := d.Update(t.Context(), func(tx store.Tx) error { return trail.AppendTo(tx, read(0)) }); err != nil {
			t.Fatal(err)
		}
		if err := trail.AppendNow(t.Context(), read(1)); err != nil {
			t.Fatal(err)
		}
		if err := trail.Enqueue(t.Context(), read(2)); err != nil {
			t.Fatal(err)
		}
		// What another process finds in the store at this moment:
		if got := ids(t, trail, d, account); !slices.Equal(got, []string{read(0).ID, read(1).ID}) {
			t.Errorf("the trail has %v", got)
		}
	})
}

func BenchmarkEnqueue(b *testing.B) {
	trail, _ := newTrail(b, audit.Options{})
	redactor := audit.NewRedactor(nil)
	in := &iam.GetUserInput{UserName: p("alice")}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		e := read(1)
		for pb.Next() {
			e.SetRequest(in, redactor)
			if err := trail.Enqueue(context.Background(), e); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkAppendNow(b *testing.B) {
	trail, _ := newTrail(b, audit.Options{})
	b.ReportAllocs()
	b.SetParallelism(32) // 64 callers on two cores
	b.RunParallel(func(pb *testing.PB) {
		e := read(1)
		for pb.Next() {
			if err := trail.AppendNow(context.Background(), e); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// A crowd that comes again and again shares commits: each waits until the others are there,
// and not longer. One that is alone waits for nobody, soon after the crowd has gone.
func TestACrowdSharesItsCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const people, rounds = 8, 20
		trail, d := newTrail(t, audit.Options{Linger: time.Hour})
		d.set(nil, 500*time.Microsecond)
		began := time.Now()
		var crowd sync.WaitGroup
		for i := range people {
			crowd.Go(func() {
				for n := range rounds {
					time.Sleep(time.Duration(i) * 100 * time.Microsecond) // what it does between
					if err := trail.AppendNow(t.Context(), read(i*rounds+n)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		crowd.Wait()
		if n, took := d.written(), time.Since(began); n > rounds+5 || took > rounds*1500*time.Microsecond {
			t.Errorf("%d appends took %d writes and %v", people*rounds, n, took)
		}

		before := d.written()
		began = time.Now()
		for n := range rounds {
			if err := trail.AppendNow(t.Context(), read(people*rounds+n)); err != nil {
				t.Fatal(err)
			}
		}
		if n, took := d.written()-before, time.Since(began); n != rounds || took > rounds*500*time.Microsecond+people*2*time.Millisecond {
			t.Errorf("one alone: %d writes and %v", n, took)
		}
	})
}
