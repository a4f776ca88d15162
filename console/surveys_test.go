package console

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/advisor"
)

// surveying is a kept survey whose work is a function, with a clock of its own.
type surveying struct {
	*surveys
	t     *testing.T
	mu    sync.Mutex
	now   time.Time
	reads atomic.Int64
	last  error // that was to be logged
}

func newSurveying(t *testing.T, read func(ctx context.Context) (*look, error)) *surveying {
	x := &surveying{t: t, now: time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)}
	x.surveys = newSurveys(func() time.Time {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.now
	}, region, func(err error) { x.last = err })
	x.surveys.read = func(ctx context.Context, _ *looker, _ *surveyKey) (*look, error) {
		x.reads.Add(1)
		return read(ctx)
	}
	x.host = x.clock
	x.patience = func() <-chan time.Time { return nil } // for ever
	t.Cleanup(x.Close)
	return x
}

func (x *surveying) later(d time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now = x.now.Add(d)
}

// ask looks as somebody; changed tells whether something changed.
func (x *surveying) ask(who string, changed bool) (*view, error) {
	x.check = func(context.Context, *looker, time.Time) (bool, error) { return changed, nil }
	return x.of(&looker{}, surveyKey{account: string(ours), session: who})
}

func (x *surveying) must(v *view, err error) *view {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
	return v
}

func nothingFound(context.Context) (*look, error) { return &look{}, nil }

// One look serves until something changes, or it is old.
func TestSurveysAreKept(t *testing.T) {
	x := newSurveying(t, nothingFound)
	x.must(x.ask("a", true))
	for range 3 {
		x.later(time.Minute)
		if v := x.must(x.ask("a", false)); v.Refreshing {
			t.Error("nothing changed, and it looks again")
		}
	}
	if n := x.reads.Load(); n != 1 {
		t.Errorf("%d reads of what did not change", n)
	}
	x.must(x.ask("a", true))
	x.later(surveyAge)
	x.must(x.ask("a", false))
	if n := x.reads.Load(); n != 3 {
		t.Errorf("%d reads, not 3: a change, and age", n)
	}
	x.must(x.ask("b", false))
	if n := x.reads.Load(); n != 4 {
		t.Error("somebody else's look was shown")
	}
}

// A page that comes while the account is read cannot know whether what was just put right
// was read before or after: it does not take that look for one of this moment.
func TestSurveysThatBeganBeforeTheVisit(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	x := newSurveying(t, func(context.Context) (*look, error) {
		begun <- struct{}{}
		<-end
		return &look{}, nil
	})
	first := make(chan *view)
	go func() {
		v, _ := x.ask("a", true)
		first <- v
	}()
	<-begun
	second := make(chan *view)
	go func() {
		v, _ := x.of(&looker{}, surveyKey{account: string(ours), session: "a"}) // something was changed just before
		second <- v
	}()
	select {
	case <-second:
		t.Fatal("it did not wait for the look under way")
	case <-time.After(50 * time.Millisecond):
	}
	close(end)
	if v := <-first; v == nil || v.Refreshing {
		t.Error("the visit that began the look takes it for an old one")
	}
	if v := <-second; v == nil || !v.Refreshing {
		t.Error("a look that began before the visit passes for one of this moment")
	}
}

// A clock that is set while the account is read does not make the look seem slow, after
// which it would rest for as long again.
func TestSurveysWhenTheClockIsSet(t *testing.T) {
	var x *surveying
	x = newSurveying(t, func(context.Context) (*look, error) {
		x.later(time.Hour)
		return &look{}, nil
	})
	x.host = time.Now
	for n := range 3 {
		time.Sleep(20 * time.Millisecond) // longer than twice what it took
		x.must(x.ask("a", true))
		if got := x.reads.Load(); got != int64(n+1) {
			t.Fatalf("read %d times, though %d times something had changed", got, n+1)
		}
	}
}

// A slow survey does not hold up the page: the last look is shown, and the new one when it
// is there. Where changes never cease it rests between.
func TestSurveysRunBehindThePage(t *testing.T) {
	var x *surveying
	step := make(chan struct{})
	x = newSurveying(t, func(context.Context) (*look, error) {
		<-step
		x.later(10 * time.Second)
		return &look{}, nil
	})
	now := make(chan time.Time)
	close(now)
	x.patience = func() <-chan time.Time { return now }
	if _, err := x.ask("a", true); !errors.Is(err, errLooking) {
		t.Fatalf("%v", err)
	}
	if _, err := x.ask("a", true); !errors.Is(err, errLooking) || x.reads.Load() > 1 {
		t.Fatalf("%v, %d reads", err, x.reads.Load())
	}
	step <- struct{}{}
	x.settle(t)
	wait := func() <-chan time.Time { return nil }
	hurry := x.patience
	x.patience = wait
	first := x.must(x.ask("a", false))
	if first.Refreshing {
		t.Error("it is of this moment")
	}
	if v := x.must(x.ask("a", true)); !v.Refreshing || x.reads.Load() != 1 {
		t.Error("it did not rest after ten seconds of work")
	}
	x.later(surveyRest * 10 * time.Second)
	x.patience = hurry
	if v := x.must(x.ask("a", true)); !v.Refreshing || v.look != first.look {
		t.Error("the last look is to be shown while the next one is made")
	}
	step <- struct{}{}
	x.settle(t)
	x.patience = wait
	if v := x.must(x.ask("a", false)); v.Refreshing || v.look == first.look {
		t.Error("the new look is not shown")
	}
}

// A page does not wait for a survey that is known to be slow, or has been for a while: it
// has the last look, or says that there is none yet.
func TestSurveysThatAreSlowAreNotWaitedFor(t *testing.T) {
	step := make(chan struct{})
	x := newSurveying(t, func(context.Context) (*look, error) {
		<-step
		return &look{}, nil
	})
	never := x.patience
	now := make(chan time.Time)
	close(now)
	x.patience = func() <-chan time.Time { return now }
	if _, err := x.ask("a", true); !errors.Is(err, errLooking) {
		t.Fatal(err)
	}
	time.Sleep(2 * surveySlow)
	x.patience = never // so that who waits waits for ever
	if _, err := x.ask("a", true); !errors.Is(err, errLooking) {
		t.Fatal(err)
	}
	step <- struct{}{}
	x.settle(t)
	first := x.must(x.ask("a", false))
	if v := x.must(x.ask("a", true)); !v.Refreshing || v.look != first.look {
		t.Error("the last look is to be shown at once")
	}
	step <- struct{}{}
	x.settle(t)
	if v := x.must(x.ask("a", false)); v.Refreshing || v.look == first.look {
		t.Error("the new look is not shown")
	}
}

// settle waits until no survey is under way.
func (x *surveying) settle(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); len(x.slots) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a survey does not end")
		}
	}
}

// What fails is told once and tried again; a panic is an error; a refusal forgets.
func TestSurveysFail(t *testing.T) {
	var answer func() (*look, error)
	x := newSurveying(t, func(context.Context) (*look, error) { return answer() })
	answer = func() (*look, error) { return nil, errors.New("no disk") }
	if _, err := x.ask("a", true); err == nil || err.Error() != "no disk" || x.last == nil {
		t.Errorf("%v, logged %v", err, x.last)
	}
	answer = func() (*look, error) { panic("broken") }
	if _, err := x.ask("a", true); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("%v", err)
	}
	answer = func() (*look, error) { return &look{}, nil }
	good := x.must(x.ask("a", true))
	answer = func() (*look, error) { return nil, errors.New("no disk") }
	if v := x.must(x.ask("a", true)); v.look != good.look {
		t.Error("the last look was lost to a failure")
	}
	x.last = nil
	answer = func() (*look, error) { return nil, &smithy.GenericAPIError{Code: "AccessDenied"} }
	if _, err := x.ask("a", true); !refused(err) || x.last != nil {
		t.Errorf("%v; a refusal is no failure of the server's: %v", err, x.last)
	}
}

// Neither looks nor what is in them nor work is without bound.
func TestSurveysHaveBounds(t *testing.T) {
	x := newSurveying(t, nothingFound)
	for i := range 3 * surveysKept {
		x.must(x.ask(fmt.Sprint(i), true))
	}
	if x.recent.Len() != surveysKept || len(x.byKey) != surveysKept || x.weight != surveysKept {
		t.Errorf("%d of %d are kept, weight %d", x.recent.Len(), len(x.byKey), x.weight)
	}
	x.surveys.read = func(context.Context, *looker, *surveyKey) (*look, error) {
		return &look{report: &advisor.Report{Findings: make([]advisor.Finding, factsKept/2)}}, nil
	}
	for i := range 4 {
		x.must(x.ask(fmt.Sprint("large", i), true))
	}
	if x.recent.Len() > 2 || x.weight > factsKept {
		t.Errorf("%d large ones are kept, weight %d", x.recent.Len(), x.weight)
	}

	// More than can be under way are tried at the next visit.
	step := make(chan struct{})
	x.surveys.read = func(ctx context.Context, _ *looker, _ *surveyKey) (*look, error) {
		select {
		case <-step:
		case <-ctx.Done():
		}
		return &look{}, ctx.Err()
	}
	now := make(chan time.Time)
	close(now)
	x.patience = func() <-chan time.Time { return now }
	for i := range surveysAtOnce + 3 {
		if _, err := x.ask(fmt.Sprint("slow", i), true); !errors.Is(err, errLooking) {
			t.Errorf("%v", err)
		}
	}
	if len(x.slots) != surveysAtOnce {
		t.Errorf("%d are under way", len(x.slots))
	}
	x.Close() // ends them
	if len(x.slots) != 0 {
		t.Error("Close did not wait")
	}
	if _, err := x.ask("late", true); !errors.Is(err, errLooking) || len(x.slots) != 0 {
		t.Errorf("after Close: %v", err)
	}
}

// What a look is denied is asked for once in a while: the trail is not full of what a person
// did not try. Other denials stay, and are answered each time.
func TestLooksAreDeniedOnce(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.somebodyUnsafe("mallory")
	_, err := w.api().IAM.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String("mallory")})
	w.must(err)
	denied := func() map[string]int {
		n := map[string]int{}
		for _, r := range w.records(ours) {
			if strings.Contains(r, `"errorCode":"AccessDenied`) && strings.Contains(r, "user/alice") {
				name, _, _ := strings.Cut(r[strings.Index(r, `"eventName":"`)+len(`"eventName":"`):], `"`)
				n[name]++
			}
		}
		return n
	}
	w.signIn("alice", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetAccountAuthorizationDetails","iam:GenerateCredentialReport","iam:GetCredentialReport","lanyard:*"],"Resource":"*"}]}`)
	look := func() *answered {
		a := w.settled("/findings")
		a.contains(t, "A user with a password has no MFA")
		return a
	}
	look()
	first := denied()
	for _, name := range []string{"ListCredentials", "LookupEvents"} {
		if first[name] == 0 {
			t.Fatalf("%s is not denied: %v", name, first)
		}
	}
	looked := 0
	w.aws.Observe = func(_, operation string, _ int, _ time.Duration) {
		if operation == "GetAccountAuthorizationDetails" {
			looked++
		}
	}
	for range 4 { // each after a while in which something may have changed
		w.later(time.Minute - time.Second)
		look()
	}
	w.aws.Observe = nil
	if looked < 8 {
		t.Errorf("only %d times looked", looked)
	}
	if again := denied(); !maps.Equal(again, first) {
		t.Errorf("denied again: %v, before %v", again, first)
	}
	w.later(3 * time.Minute)
	look()
	if again := denied(); again["ListCredentials"] != 2*first["ListCredentials"] {
		t.Errorf("not asked again: %v", again)
	}
	// Another session, of another person, is not answered with it.
	w.signIn("bob", everything)
	w.settled("/findings").lacks(t, "you may not read it")
}
