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
	surveysAtOnce = 3
	// surveyLimit ends one that does not.
	surveyLimit = 2 * time.Minute
	// surveyPatience is how long a page waits for one: small accounts answer in that time,
	// so that what was just put right is gone at once.
	surveyPatience = 12 * time.Millisecond
	// surveySlow is how long the last one took where it is in vain to wait for the next.
	surveySlow = 50 * time.Millisecond
	// surveyAge is after how long one is made again though nothing changed: keys are used
	// and grow old without a change.
	surveyAge = 5 * time.Minute
	// trailAge is for how long the newest in the trail is new enough: each page that is
	// opened writes to it.
	trailAge = 3 * time.Second
	// surveyRest is how many times as long as it took one rests before the next, where
	// changes never cease.
	surveyRest = 2
)

// surveys are the last looks at accounts, for each person: what one may see, another may
// not. They are made in the background; Close ends that.
type surveys struct {
	clock func() time.Time
	// host is the clock by which a look's work is timed: the other one can be set.
	host func() time.Time
	// patience waits for a page, and slow is how long the last one took where it is in vain to
	// wait for the next.
	patience func() <-chan time.Time
	slow     time.Duration
	// read does the work, and check tells whether something changed since.
	read  func(ctx context.Context, p *looker, key *surveyKey) (*look, error)
	check func(ctx context.Context, p *looker, since time.Time) (bool, error)
	fail  func(error)
	// denials are what looks were refused lately.
	denials *denials

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
// different things. What is looked for is the account, of which there are findings, a plan
// and checklists, a checklist of a person or a key, or the newest in the trail.
type surveyKey struct {
	account, session string
	what             lookFor
	name, subject    string
}

type lookFor uint8

const (
	forAccount lookFor = iota
	forChecklist
	forTrail
	forUse
	forAssumers
)

// always tells whether it is looked each time: what matters are reads, too.
func (k *surveyKey) always() bool {
	return k.what != forAccount && k.what != forAssumers
}

// surveyed is a look at an account, as far as it is.
type surveyed struct {
	key    surveyKey
	look   *look     // the last whole one; nil: there is none yet
	err    error     // of the last attempt
	quiet  time.Time // until then nothing changed since the look
	moved  bool      // something changed since, and it is not looked again yet
	tried  time.Time // when the last attempt ended, and took is how long it took, by the clock of the host
	took   time.Duration
	weight int
	// slow tells that the last one took much longer than a page waits.
	slow bool
	// done is closed when the one under way ends; nil: none is. reading is closed when it
	// is known that something changed, and the account is read.
	done, reading chan struct{}
	started       time.Time // when that began, by the clock of the host
}

// look is what a survey saw. It is read only.
type look struct {
	began time.Time
	// Of the account: what was found, the ages of active keys, the plan with its sections,
	// and the checklists that are about it.
	report     *advisor.Report
	keyAges    []Point
	plan       *advisor.Plan
	sections   []advisor.Section
	checklists map[string]checked
	checklist  *advisor.Checklist // of a checklist of a person or a key
	trail      *newest            // of the trail
	use        *serviceUse        // of a policy, a user or a role
	assumers   []advisor.Assumer  // of a role
}

// checked is a checklist, or why it cannot be made: who may not read the trail sees the
// findings all the same.
type checked struct {
	*advisor.Checklist
	err error
}

// weigh is how much a look holds.
func (l *look) weigh() int {
	n := 1
	if l.report != nil {
		n += len(l.report.Findings) + len(l.report.Suppressed)
	}
	if l.use != nil {
		n += l.use.weigh()
	}
	n += len(l.assumers)
	if p := l.plan; p != nil {
		n += 2 * (len(p.People) + len(p.Groups) + len(p.Roles) + len(p.Workloads)) // and their rows
	}
	return n
}

func newSurveys(clock func() time.Time, region string, fail func(error)) *surveys {
	s := &surveys{
		clock: clock, host: time.Now, fail: fail, byKey: map[surveyKey]*list.Element{}, recent: list.New(), slots: make(chan struct{}, surveysAtOnce),
		denials:  newDenials(clock),
		patience: func() <-chan time.Time { return time.After(surveyPatience) }, slow: surveySlow,
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.read = func(ctx context.Context, p *looker, key *surveyKey) (*look, error) {
		return p.look(ctx, key, region, clock)
	}
	s.check = func(ctx context.Context, p *looker, since time.Time) (bool, error) {
		return p.changed(ctx, since, clock())
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
	case forTrail:
		seen, err := p.newest(ctx, clock().UTC())
		return &look{trail: seen}, err
	case forUse:
		seen, err := p.serviceUse(ctx, key.subject)
		return &look{use: seen}, err
	case forAssumers:
		facts, err := surveyor.ReadPolicies(ctx)
		if err != nil {
			return nil, err
		}
		return &look{assumers: advisor.Assumers(facts, key.subject)}, nil
	default:
		surveyor.AtOnce = 2 // and the other processors are for those who wait for pages
		facts, err := surveyor.ReadAll(ctx)
		if err != nil {
			return nil, err
		}
		study := advisor.NewStudy(facts)
		seen := &look{report: study.Report(), keyAges: keyAges(facts), plan: study.Plan(time.Time{}), checklists: map[string]checked{}}
		seen.sections = seen.plan.Sections()
		for _, info := range advisor.Checklists() {
			if info.Subject != advisor.AboutAccount {
				continue
			}
			list, err := surveyor.ChecklistOf(ctx, info.Name, study)
			if err != nil && !refused(err) {
				return nil, err
			}
			seen.checklists[info.Name] = checked{list, err}
		}
		return seen, nil
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
func (s *surveys) of(p *looker, key surveyKey) (*view, error) {
	s.mu.Lock()
	kept := s.entry(key)
	if last := kept.look; last != nil && key.what == forTrail && s.clock().Sub(last.began) < trailAge {
		s.mu.Unlock()
		return &view{look: last}, nil
	}
	s.mu.Unlock()
	done, reading, ours := s.start(p, kept)
	if done != nil {
		select {
		case <-done:
		case <-reading:
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
	return &view{look: kept.look, Refreshing: !ours || kept.done != nil || kept.moved}, nil
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

// start looks in the background whether something changed, and if so again, unless too much
// is under way. It returns what is closed at the end of that, or nil. Where it is known to
// take much longer than a page waits, or does already, reading is closed as soon as the account
// is read; else nil. ours tells that it began with this visit: one that was under way may have
// read what the person has changed since.
func (s *surveys) start(p *looker, kept *surveyed) (done, reading chan struct{}, ours bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := func() (done, reading chan struct{}) {
		if kept.slow && kept.look != nil || time.Since(kept.started) > s.slow {
			return kept.done, kept.reading
		}
		return kept.done, nil
	}
	if kept.done != nil {
		done, reading = known()
		return done, reading, false
	}
	if s.ctx.Err() != nil {
		return nil, nil, false
	}
	select {
	case s.slots <- struct{}{}:
	default:
		return nil, nil, false // the next visit tries again
	}
	kept.done, kept.reading, kept.started = make(chan struct{}), make(chan struct{}), time.Now()
	done, reading = known()
	last, since := kept.look, kept.quiet
	rests := s.host().Sub(kept.tried) < surveyRest*kept.took
	s.work.Go(func() {
		defer func() { <-s.slots }()
		ctx, cancel := context.WithTimeout(s.denials.in(s.ctx, &kept.key), surveyLimit)
		defer cancel()
		s.run(ctx, p, kept, last, since, rests)
	})
	return done, reading, true
}

// run is what start begins. Who reads it there holds no lock, so that what is kept comes
// with it.
func (s *surveys) run(ctx context.Context, p *looker, kept *surveyed, last *look, since time.Time, rests bool) {
	began, start, begun := s.clock().UTC(), time.Now(), s.host()
	moved, made, err := s.attempt(ctx, p, kept, last, since, rests)
	if err != nil && s.ctx.Err() == nil && !refused(err) {
		s.fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kept.err = err
	switch {
	case made != nil:
		made.began = began
		kept.look, kept.quiet, kept.moved = made, began, false
	case refused(err):
		kept.look, kept.moved = nil, false
	case err == nil:
		kept.moved = moved
		if !moved {
			kept.quiet = began
		}
	}
	if made != nil || err != nil {
		kept.tried = s.host()
		kept.took = kept.tried.Sub(begun)
		kept.slow = time.Since(start) > s.slow
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

// attempt looks again if something moved. What is broken in that must not end the server.
func (s *surveys) attempt(ctx context.Context, p *looker, kept *surveyed, last *look, since time.Time, rests bool) (moved bool, made *look, err error) {
	defer func() {
		if broken := recover(); broken != nil {
			made, err = nil, fmt.Errorf("panic: %v\n%s", broken, debug.Stack())
		}
	}()
	moved = last == nil || kept.key.always() || s.clock().Sub(last.began) >= surveyAge
	if !moved {
		moved, err = s.check(ctx, p, since)
	}
	if err != nil || !moved || rests {
		return moved, nil, err
	}
	close(kept.reading)
	made, err = s.read(ctx, p, &kept.key)
	if err != nil {
		made = nil
	}
	return moved, made, err
}

// survey returns the person's look at the account. That they may still look is asked each
// time; what they may no longer see is forgotten.
func (v *Visit) survey() (*view, error) {
	s := v.console.surveys
	key := surveyKey{what: forAccount, account: v.Person.Account, session: v.Person.looks()}
	ctx := v.Request.Context()
	if err := v.mayLook(ctx); err != nil {
		if refused(err) {
			s.forget(key.account, key.session)
		}
		return nil, err
	}
	return s.of(v.looker(), key)
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

// review is the person's look at the account, with the suppressions of this moment.
func (v *Visit) review() (*view, error) {
	seen, err := v.survey()
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
func (p *looker) changed(ctx context.Context, since, now time.Time) (bool, error) {
	since = since.Truncate(time.Second) // as events are: one of the same second may be later
	out, err := p.api.CloudTrail.LookupEvents(ctx, &cloudtrail.LookupEventsInput{
		LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: cttypes.LookupAttributeKeyReadOnly, AttributeValue: aws.String("false")}},
		StartTime:        &since, MaxResults: aws.Int32(1),
	})
	if refused(err) {
		return now.Sub(since) > 10*time.Second, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the trail: %w", err)
	}
	return len(out.Events) > 0 || out.NextToken != nil, nil
}

// newest is what the home page shows of the trail.
type newest struct {
	signIns     []cttypes.Event
	changes     []cttypes.Event
	denials     []lanyard.Denial
	moreDenials bool
}

// newest reads the trail: it may be long, and those who sign in rare in it.
func (p *looker) newest(ctx context.Context, now time.Time) (*newest, error) {
	var n newest
	return &n, together(
		func() error {
			out, err := firstEvents(ctx, p.api, &cloudtrail.LookupEventsInput{
				LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: cttypes.LookupAttributeKeyEventName, AttributeValue: aws.String("ConsoleLogin")}}, MaxResults: aws.Int32(homeSignIns),
			})
			if err == nil {
				n.signIns = out.Events
			}
			return err
		},
		func() (err error) { // what was refused and who signed in are beside it
			n.changes, err = eventsAmong(ctx, p.api, cttypes.LookupAttributeKeyReadOnly, "false", readForChanges, homeChanges, func(r *record) bool {
				return r.isDeed() && r.ErrorCode == "" && r.EventType != "AwsConsoleSignIn"
			})
			return err
		},
		func() error {
			out, err := lanyard.Call[lanyard.ListDenialsOutput](ctx, p.api.Lanyard, &lanyard.ListDenialsInput{StartTime: aws.Time(now.Add(-day)), MaxResults: aws.Int32(homeDenials)})
			if err == nil {
				n.denials, n.moreDenials = out.Denials, out.NextToken != nil
			}
			return err
		},
	)
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
