package console

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/survey"
)

// The bounds of what is kept of surveys.
const (
	// surveysKept is how many there are, of all people together, and factsKept how many
	// findings, users, roles and so on they may hold together.
	surveysKept = 64
	factsKept   = 400_000
	// surveysAtOnce is how many accounts are read at a time. Each asks a few things at once.
	surveysAtOnce = 2
	// surveyLimit ends one that does not.
	surveyLimit = 2 * time.Minute
	// surveyPatience is how long a page waits for one: small accounts answer in that time,
	// so that what was just put right is gone at once.
	surveyPatience = 12 * time.Millisecond
	// surveyAge is after how long one is made again though nothing changed: keys are used
	// and grow old without a change.
	surveyAge = 5 * time.Minute
	// surveyRest is how many times as long as it took one rests before the next, where
	// changes never cease.
	surveyRest = 2
)

// surveys are the last looks at accounts, for each person: what one may see, another may
// not. They are made in the background; Close ends that.
type surveys struct {
	clock func() time.Time
	// patience waits for a page.
	patience func() <-chan time.Time
	// read does the work.
	read func(ctx context.Context, p *looker, key *surveyKey) (*look, error)
	fail func(error)

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	slots  chan struct{}

	mu     sync.Mutex
	byKey  map[surveyKey]*list.Element // of *surveyed
	recent *list.List                  // the one used last is in front
	weight int
}

// surveyKey is whose look at which account it is: two sessions of one name may see
// different things. What is looked for is findings, a plan with its day of review, or a
// checklist with what it is about.
type surveyKey struct {
	account, session string
	what             lookFor
	name, subject    string
}

type lookFor uint8

const (
	forFindings lookFor = iota
	forPlan
	forChecklist
)

// surveyed is a look at an account, as far as it is.
type surveyed struct {
	key    surveyKey
	look   *look // the last whole one; nil: there is none yet
	err    error // of the last attempt
	tried  time.Time
	took   time.Duration
	weight int
	// done is closed when the one under way ends; nil: none is.
	done chan struct{}
}

// look is what a survey saw. It is read only.
type look struct {
	began     time.Time
	report    *advisor.Report
	keyAges   []Point            // of active keys; of findings only
	plan      *advisor.Plan      // of a plan only
	checklist *advisor.Checklist // of a checklist only
}

// weigh is how much a look holds.
func (l *look) weigh() int {
	n := 1
	if l.report != nil {
		n += len(l.report.Findings) + len(l.report.Suppressed)
	}
	if p := l.plan; p != nil {
		n += len(p.People) + len(p.Groups) + len(p.Roles) + len(p.Workloads)
	}
	return n
}

func newSurveys(clock func() time.Time, region string, fail func(error)) *surveys {
	s := &surveys{
		clock: clock, fail: fail, byKey: map[surveyKey]*list.Element{}, recent: list.New(), slots: make(chan struct{}, surveysAtOnce),
		patience: func() <-chan time.Time { return time.After(surveyPatience) },
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.read = func(ctx context.Context, p *looker, key *surveyKey) (*look, error) {
		return p.look(ctx, key, region, clock)
	}
	return s
}

// look reads the account and judges it.
func (p *looker) look(ctx context.Context, key *surveyKey, region string, clock func() time.Time) (*look, error) {
	surveyor := p.surveyor(region, clock)
	switch key.what {
	case forChecklist:
		list, err := surveyor.Checklist(ctx, key.name, key.subject)
		return &look{checklist: list}, err
	case forPlan:
		facts, err := surveyor.ReadAll(ctx)
		if err != nil {
			return nil, err
		}
		review, _ := time.Parse(time.DateOnly, key.subject) // none: by default
		return &look{plan: advisor.MakePlan(facts, review)}, nil
	default:
		facts, err := surveyor.Read(ctx)
		if err != nil {
			return nil, err
		}
		return &look{report: advisor.Review(facts), keyAges: keyAges(facts)}, nil
	}
}

// keyAges counts the active access keys by age.
func keyAges(f *advisor.Facts) []Point {
	ages := []Point{{Label: "< 30 d"}, {Label: "30–60"}, {Label: "60–90"}, {Label: "90–180"}, {Label: "180–365"}, {Label: "> 1 year"}}
	ends := []time.Duration{30 * day, 60 * day, 90 * day, 180 * day, 365 * day}
	for i := range f.Users {
		for _, k := range f.Users[i].Keys {
			if !k.Active {
				continue
			}
			n, _ := slices.BinarySearch(ends, f.Now.Sub(k.Created)+1)
			ages[n].Value++
		}
	}
	return ages
}

// looker is whoever looks at their account, also when their request is over.
type looker struct {
	account string
	api     *API
}

func (v *Visit) looker() *looker { return &looker{account: v.Person.Account, api: v.API()} }

// surveyor reads the account as the person.
func (p *looker) surveyor(region string, clock func() time.Time) *survey.Surveyor {
	s := &survey.Surveyor{
		IAM: p.api.IAM, CloudTrail: p.api.CloudTrail, Account: p.account, Partition: string(arn.PartitionOf(region)), Partial: true,
	}
	s.Ours(p.api.Lanyard)
	s.Now = func(context.Context) (time.Time, error) { return clock().UTC(), nil }
	return s
}

// Close ends the surveys under way and waits for them.
func (s *surveys) Close() {
	s.cancel()
	s.work.Wait()
}

// view is a look for a page: perhaps not of this moment.
type view struct {
	*look
	// Refreshing tells that a newer one is being made, or waits for its turn.
	Refreshing bool
}

// errLooking is returned while there is no look at all yet.
var errLooking = errors.New("the account is being read")

// of returns the person's look at their account, and sees that there will be a newer one
// if something changed. It waits for that only as long as a page can.
func (s *surveys) of(p *looker, key surveyKey, changed func(since time.Time) (bool, error)) (*view, error) {
	s.mu.Lock()
	kept := s.entry(key)
	last, done := kept.look, kept.done
	rests := s.clock().Sub(kept.tried) < surveyRest*kept.took
	s.mu.Unlock()
	stale := last == nil
	if !stale && done == nil {
		moved, err := changed(last.began)
		if err != nil {
			return nil, err
		}
		stale = moved || s.clock().Sub(last.began) >= surveyAge
	}
	if stale && done == nil && !rests {
		done = s.start(p, key)
	}
	if done != nil {
		select {
		case <-done:
		case <-s.patience():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept.look == nil && kept.done == nil && kept.err != nil {
		err := kept.err
		kept.err, kept.took = nil, 0 // whoever comes again tries again
		return nil, err
	}
	if kept.look == nil {
		return nil, errLooking
	}
	return &view{look: kept.look, Refreshing: kept.done != nil || stale && kept.look == last}, nil
}

// forget drops the looks of a session at its account.
func (s *surveys) forget(account, session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, e := range s.byKey {
		if key.account == account && key.session == session {
			s.drop(e)
		}
	}
}

// entry finds or makes what is kept under a key, and drops what was not used for longest.
func (s *surveys) entry(key surveyKey) *surveyed {
	e, ok := s.byKey[key]
	if !ok {
		e = s.recent.PushFront(&surveyed{key: key})
		s.byKey[key] = e
	}
	s.recent.MoveToFront(e)
	s.trim()
	return e.Value.(*surveyed)
}

func (s *surveys) trim() {
	for s.recent.Len() > surveysKept || s.weight > factsKept && s.recent.Len() > 1 {
		s.drop(s.recent.Back())
	}
}

func (s *surveys) drop(e *list.Element) {
	kept := s.recent.Remove(e).(*surveyed)
	delete(s.byKey, kept.key)
	s.weight -= kept.weight
	kept.weight = 0
}

// start begins a survey in the background, unless too many are under way or one of this
// key is. It returns what is closed at its end, or nil.
func (s *surveys) start(p *looker, key surveyKey) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.entry(key)
	if kept.done != nil {
		return kept.done
	}
	if s.ctx.Err() != nil {
		return nil
	}
	select {
	case s.slots <- struct{}{}:
	default:
		return nil // the next visit tries again
	}
	done := make(chan struct{})
	kept.done = done
	s.work.Go(func() {
		defer func() { <-s.slots }()
		s.run(p, kept)
	})
	return done
}

func (s *surveys) run(p *looker, kept *surveyed) {
	ctx, cancel := context.WithTimeout(s.ctx, surveyLimit)
	defer cancel()
	began := s.clock().UTC()
	made, err := s.attempt(ctx, p, &kept.key, began)
	if err != nil && s.ctx.Err() == nil && !refused(err) {
		s.fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kept.tried = s.clock()
	kept.took, kept.err = kept.tried.Sub(began), err
	if err == nil {
		kept.look = made
	} else if refused(err) {
		kept.look = nil
	}
	if e := s.byKey[kept.key]; e != nil && e.Value == kept {
		s.weight -= kept.weight
		kept.weight = 0
		if kept.look != nil {
			kept.weight = kept.look.weigh()
		}
		s.weight += kept.weight
		s.trim()
	}
	close(kept.done)
	kept.done = nil
}

// attempt keeps what is broken in a survey from ending the server.
func (s *surveys) attempt(ctx context.Context, p *looker, key *surveyKey, began time.Time) (made *look, err error) {
	defer func() {
		if broken := recover(); broken != nil {
			made, err = nil, fmt.Errorf("panic: %v\n%s", broken, debug.Stack())
		}
	}()
	if made, err = s.read(ctx, p, key); err != nil {
		return nil, err
	}
	made.began = began
	return made, nil
}

// survey returns the person's look at the account. That they may still look is asked each
// time; what they may no longer see is forgotten.
func (v *Visit) survey(key surveyKey) (*view, error) {
	s := v.console.surveys
	key.account, key.session = v.Person.Account, v.Person.Browser.ID()
	ctx := v.Request.Context()
	if err := v.mayLook(ctx); err != nil {
		if refused(err) {
			s.forget(key.account, key.session)
		}
		return nil, err
	}
	return s.of(v.looker(), key, func(since time.Time) (bool, error) { return v.changed(ctx, since) })
}

// mayLook asks for a little of what a survey asks for.
func (v *Visit) mayLook(ctx context.Context) error {
	return together(
		func() error {
			_, err := v.API().IAM.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(1)})
			return err
		},
		func() error {
			_, err := lanyard.Call[lanyard.GetFreshCredentialReportOutput](ctx, v.API().Lanyard, &lanyard.GetFreshCredentialReportInput{MaxItems: aws.Int32(1)})
			return err
		},
	)
}

// review is the person's look for findings, with the suppressions of this moment.
func (v *Visit) review() (*view, error) {
	seen, err := v.survey(surveyKey{what: forFindings})
	if err != nil {
		return nil, err
	}
	out, err := lanyard.Call[lanyard.ListSuppressionsOutput](v.Request.Context(), v.API().Lanyard, &lanyard.ListSuppressionsInput{})
	now := *seen.look
	switch {
	case refused(err):
		now.report = now.report.With(nil, v.Now)
	case err != nil:
		return nil, err
	case out.Marker == nil:
		now.report = now.report.With(survey.Accepted(out.Suppressions), v.Now)
	} // else there are too many to ask each time
	return &view{&now, seen.Refreshing}, nil
}

// changed tells whether the trail has a change since then. Who may not read the trail
// learns of changes by time only.
func (v *Visit) changed(ctx context.Context, since time.Time) (bool, error) {
	since = since.Truncate(time.Second) // as events are: one of the same second may be later
	out, err := v.API().CloudTrail.LookupEvents(ctx, &cloudtrail.LookupEventsInput{
		LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: cttypes.LookupAttributeKeyReadOnly, AttributeValue: aws.String("false")}},
		StartTime:        &since, MaxResults: aws.Int32(1),
	})
	if refused(err) {
		return v.Now.Sub(since) > 10*time.Second, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the trail: %w", err)
	}
	return len(out.Events) > 0 || out.NextToken != nil, nil
}

// together runs independent calls at once and returns the first error, in their order.
func together(calls ...func() error) error {
	errs := make([]error, len(calls))
	noting := make([]func(), len(calls))
	for i, call := range calls {
		noting[i] = func() { errs[i] = call() }
	}
	atOnce(noting...)
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
