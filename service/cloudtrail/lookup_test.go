package cloudtrail_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/protocol"
	"github.com/lanyard-iam/lanyard/service"
	api "github.com/lanyard-iam/lanyard/service/cloudtrail"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

const account = "123456789012"

var now = time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)

// history is an account's event history, asked as the pipeline does.
type history struct {
	*testing.T
	store store.Store
	trail *audit.Trail
	op    service.Operation
}

// newHistory returns a history whose records linger in the queue for ever, unless
// somebody asks for them.
func newHistory(t *testing.T) *history {
	h := &history{T: t, store: memory.New()}
	var err error
	if h.trail, err = audit.NewTrail(h.store, audit.Options{Key: []byte("a key of sixteen bytes"), Linger: time.Hour}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.trail.Close(context.Background()); err != nil {
			t.Error(err)
		}
		h.store.Close()
	})
	set := api.New(h.trail).Operations()
	h.op = set.Operations[slices.IndexFunc(set.Operations, func(op service.Operation) bool { return op.Name == "LookupEvents" })]
	return h
}

// happened records that user called an operation of IAM, some seconds ago.
func (h *history) happened(secondsAgo int, user, operation, on string) {
	h.Helper()
	e := &audit.Event{
		ID: fmt.Sprintf("%s-%s-%d", user, operation, secondsAgo), Time: now.Add(-time.Duration(secondsAgo) * time.Second), Account: account,
		Source: "iam.amazonaws.com", Name: operation, Region: "us-east-1", ReadOnly: strings.HasPrefix(operation, "Get"),
		Identity: audit.UserIdentity{Type: "IAMUser", UserName: user, AccountID: account, AccessKeyID: "AKIA" + strings.ToUpper(user)},
	}
	e.SetRequest(&iam.GetUserInput{UserName: aws.String(on)}, audit.NewRedactor(nil))
	if err := h.trail.Enqueue(h.Context(), e); err != nil {
		h.Fatal(err)
	}
}

// lookup runs the operation as the pipeline does: parameters, preparation, handler.
func (h *history) lookup(in *cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
	h.Helper()
	c := &service.Call{Now: now, Scope: arn.Scope{Partition: "aws", Account: account}}
	if err := h.op.Validate(in); err != nil {
		return nil, err
	}
	if err := h.op.Prepare(c, in); err != nil {
		return nil, err
	}
	var out any
	err := h.store.View(h.Context(), func(r store.Reader) (err error) {
		c.Reader = r
		out, err = h.op.Handle(c, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out.(*cloudtrail.LookupEventsOutput), nil
}

func (h *history) ids(in *cloudtrail.LookupEventsInput) (ids []string) {
	h.Helper()
	out, err := h.lookup(in)
	if err != nil {
		h.Fatal(err)
	}
	for _, e := range out.Events {
		ids = append(ids, *e.EventId)
	}
	return ids
}

func by(key types.LookupAttributeKey, value string) []types.LookupAttribute {
	return []types.LookupAttribute{{AttributeKey: key, AttributeValue: &value}}
}

func TestLookupEventsSeesWhatHappenedAMomentAgo(t *testing.T) {
	h := newHistory(t)
	h.happened(2, "alice", "CreateUser", "carol")
	h.happened(1, "bob", "GetUser", "carol")
	out, err := h.lookup(&cloudtrail.LookupEventsInput{})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Events) != 2 || out.NextToken != nil {
		t.Fatalf("events: %+v, next: %v", out.Events, out.NextToken)
	}
	e := out.Events[1]
	record := aws.ToString(e.CloudTrailEvent)
	e.CloudTrailEvent = nil
	want := types.Event{
		EventId: aws.String("alice-CreateUser-2"), EventName: aws.String("CreateUser"), ReadOnly: aws.String("false"),
		AccessKeyId: aws.String("AKIAALICE"), EventTime: aws.Time(time.Date(2026, 3, 1, 11, 59, 58, 0, time.UTC)),
		EventSource: aws.String("iam.amazonaws.com"), Username: aws.String("alice"),
		Resources: []types.Resource{{ResourceType: aws.String("AWS::IAM::User"), ResourceName: aws.String("carol")}},
	}
	if !reflect.DeepEqual(e, want) {
		t.Errorf("event is %s", spell(t, &cloudtrail.LookupEventsOutput{Events: []types.Event{e}}))
	}
	if !json.Valid([]byte(record)) || !strings.Contains(record, `"requestParameters":{"userName":"carol"}`) {
		t.Errorf("record is %s", record)
	}
	// On the wire, times are seconds since 1970 and the record is a string.
	if text := spell(t, out); !strings.Contains(text, `"EventTime":1772366398`) || !strings.Contains(text, `"CloudTrailEvent":"{\"eventVersion\"`) {
		t.Errorf("on the wire: %s", text)
	}
}

func spell(t *testing.T, out any) string {
	t.Helper()
	b, err := protocol.AppendJSON(nil, out)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLookupEventsFilters(t *testing.T) {
	h := newHistory(t)
	h.happened(3, "alice", "CreateUser", "carol")
	h.happened(2, "bob", "GetUser", "carol")
	h.happened(1, "alice", "GetUser", "dave")
	for _, c := range []struct {
		key   types.LookupAttributeKey
		value string
		want  string
	}{
		{types.LookupAttributeKeyEventId, "bob-GetUser-2", "bob-GetUser-2"},
		{types.LookupAttributeKeyEventName, "GetUser", "alice-GetUser-1 bob-GetUser-2"},
		{types.LookupAttributeKeyReadOnly, "false", "alice-CreateUser-3"},
		{types.LookupAttributeKeyReadOnly, "true", "alice-GetUser-1 bob-GetUser-2"},
		{types.LookupAttributeKeyUsername, "alice", "alice-GetUser-1 alice-CreateUser-3"},
		{types.LookupAttributeKeyResourceType, "AWS::IAM::User", "alice-GetUser-1 bob-GetUser-2 alice-CreateUser-3"},
		{types.LookupAttributeKeyResourceType, "AWS::IAM::Role", ""},
		{types.LookupAttributeKeyResourceName, "carol", "bob-GetUser-2 alice-CreateUser-3"},
		{types.LookupAttributeKeyEventSource, "iam.amazonaws.com", "alice-GetUser-1 bob-GetUser-2 alice-CreateUser-3"},
		{types.LookupAttributeKeyEventSource, "sts.amazonaws.com", ""},
		{types.LookupAttributeKeyAccessKeyId, "AKIABOB", "bob-GetUser-2"},
	} {
		if got := strings.Join(h.ids(&cloudtrail.LookupEventsInput{LookupAttributes: by(c.key, c.value)}), " "); got != c.want {
			t.Errorf("%s = %s: %s, want %s", c.key, c.value, got, c.want)
		}
	}
	if got := h.ids(&cloudtrail.LookupEventsInput{StartTime: aws.Time(now.Add(-3 * time.Second)), EndTime: aws.Time(now.Add(-2 * time.Second))}); !slices.Equal(got, []string{"bob-GetUser-2"}) {
		t.Errorf("range: %v", got)
	}
	if got := h.ids(&cloudtrail.LookupEventsInput{EventCategory: types.EventCategoryInsight}); len(got) != 0 {
		t.Errorf("insights: %v", got)
	}
}

func TestLookupEventsPages(t *testing.T) {
	h := newHistory(t)
	for i := range 60 {
		h.happened(60-i, "alice", "GetUser", "carol")
	}
	if got := h.ids(&cloudtrail.LookupEventsInput{}); len(got) != 50 {
		t.Errorf("the default page has %d events, want 50", len(got))
	}
	in := &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(25), LookupAttributes: by("Username", "alice")}
	var sizes []int
	for {
		out, err := h.lookup(in)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(out.Events))
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if !slices.Equal(sizes, []int{25, 25, 10}) {
		t.Errorf("pages of %v", sizes)
	}
}

func TestLookupEventsRefuses(t *testing.T) {
	h := newHistory(t)
	for range 2 {
		h.happened(1, "alice", "GetUser", "carol")
	}
	first, err := h.lookup(&cloudtrail.LookupEventsInput{MaxResults: aws.Int32(1)})
	if err != nil || first.NextToken == nil {
		t.Fatal(first, err)
	}
	type input = cloudtrail.LookupEventsInput
	for _, c := range []struct {
		name string
		in   input
		want string
	}{
		{"two attributes", input{LookupAttributes: append(by("EventName", "a"), by("Username", "b")...)}, "InvalidLookupAttributesException"},
		{"unknown key", input{LookupAttributes: by("Colour", "blue")}, "InvalidLookupAttributesException"},
		{"key in another case", input{LookupAttributes: by("eventName", "GetUser")}, "InvalidLookupAttributesException"},
		{"no key", input{LookupAttributes: by("", "a")}, "InvalidLookupAttributesException"},
		{"no value", input{LookupAttributes: []types.LookupAttribute{{AttributeKey: "EventName"}}}, "InvalidLookupAttributesException"},
		{"empty value", input{LookupAttributes: by("EventName", "")}, "InvalidLookupAttributesException"},
		{"long value", input{LookupAttributes: by("EventName", strings.Repeat("a", 2001))}, "InvalidLookupAttributesException"},
		{"value with many underscores", input{LookupAttributes: by("EventName", strings.Repeat("_", 1001))}, "InvalidLookupAttributesException"},
		{"ReadOnly that is neither", input{LookupAttributes: by("ReadOnly", "True")}, "InvalidLookupAttributesException"},
		{"end before start", input{StartTime: aws.Time(now), EndTime: aws.Time(now.Add(-time.Second))}, "InvalidTimeRangeException"},
		{"no results", input{MaxResults: aws.Int32(0)}, "InvalidMaxResultsException"},
		{"too many results", input{MaxResults: aws.Int32(51)}, "InvalidMaxResultsException"},
		{"category", input{EventCategory: "Management"}, "InvalidEventCategoryException"},
		{"made-up token", input{NextToken: aws.String("AAAA")}, "InvalidNextTokenException"},
		{"token of another query", input{NextToken: first.NextToken, LookupAttributes: by("EventName", "GetUser")}, "InvalidNextTokenException"},
		{"token and another range", input{NextToken: first.NextToken, EndTime: aws.Time(now)}, "InvalidNextTokenException"},
	} {
		_, err := h.lookup(&c.in)
		refusal, ok := errors.AsType[smithy.APIError](err)
		if !ok || refusal.ErrorCode() != c.want || refusal.ErrorMessage() == "" {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	for name, in := range map[string]input{
		"limits":     {MaxResults: aws.Int32(50), LookupAttributes: by("EventName", strings.Repeat("_", 1000))},
		"an instant": {StartTime: aws.Time(now), EndTime: aws.Time(now)},
		"its token":  {NextToken: first.NextToken},
	} {
		if _, err := h.lookup(&in); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A store that cannot write must not keep anyone from reading.
func TestLookupEventsWhileTheDiskIsFull(t *testing.T) {
	h := newHistory(t)
	h.happened(1, "alice", "GetUser", "carol")
	if got := h.ids(&cloudtrail.LookupEventsInput{}); len(got) != 1 {
		t.Fatalf("events: %v", got)
	}
	full := &fullDisk{Store: h.store}
	trail, err := audit.NewTrail(full, audit.Options{Key: []byte("a key of sixteen bytes")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		trail.Close(gone)
	}()
	defer func(durable *audit.Trail) { h.trail = durable }(h.trail)
	h.trail, h.op = trail, api.New(trail).Operations().Operations[0]
	h.happened(1, "bob", "GetUser", "carol")
	if got := h.ids(&cloudtrail.LookupEventsInput{}); !slices.Equal(got, []string{"alice-GetUser-1"}) {
		t.Errorf("events: %v", got)
	}
}

type fullDisk struct{ store.Store }

func (*fullDisk) Append(context.Context, []store.LogEntry) error { return store.ErrUnavailable }

func TestLookupEventsIsAuthorizedOnEverything(t *testing.T) {
	h := newHistory(t)
	checks, err := h.op.Checks(nil, &cloudtrail.LookupEventsInput{})
	if err != nil || len(checks) != 1 || checks[0].Resource != "*" || checks[0].Action != "" {
		t.Errorf("checks: %+v, %v", checks, err)
	}
	if h.op.Access(nil) != service.Read || !h.op.ReadOnly {
		t.Error("LookupEvents is a read")
	}
}

// Every operation of the SDK's client is either built or declared as not built.
func TestOperationsAreComplete(t *testing.T) {
	set := api.New(nil).Operations()
	known := slices.Clone(set.NotYet)
	for _, op := range set.Operations {
		known = append(known, op.Name)
	}
	slices.Sort(known)
	var want []string
	client := reflect.TypeFor[*cloudtrail.Client]()
	for m := range client.Methods() {
		if m.Type.NumIn() == 4 && m.Type.NumOut() == 2 {
			want = append(want, m.Name)
		}
	}
	slices.Sort(want)
	if !slices.Equal(known, want) {
		t.Errorf("operations are %v,\nthe SDK has    %v", known, want)
	}
}
