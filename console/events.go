package console

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
)

// eventRoutes are the trail.
func (c *Console) eventRoutes() []Route {
	return []Route{
		{Pattern: "GET /events", Handle: c.showEvents},
		{Pattern: "GET /events/{id}", Handle: c.showEvent},
		{Pattern: "GET /events/export", Handle: c.exportEvents},
		{Pattern: "POST /events/searches", Handle: c.saveSearch},
		{Pattern: "POST /events/searches/delete", Handle: c.removeSearch},
	}
}

// The sizes of a page of events, and of an export.
const (
	shownEvents    = 50
	exportedEvents = 5000
	readForDeeds   = 100  // in which changes of somebody are looked for
	readForChanges = 1000 // in which changes are, not on a page's time: others may only sign in, or be refused
)

type eventsPage struct {
	Now      time.Time
	Problem  *Problem
	Saved    []savedSearch
	Save     *saveSearch // nil: the filter is not complete
	Fields   []Field
	Columns  []Option // that can be shown, with Text
	Shown    map[string]bool
	Rows     []eventRow
	Pager    Pager
	Export   []Step
	Filtered bool
	Changes  bool // and sign-ins alone, since nobody asked for more
}

type eventRow struct {
	ID, Name, Source, Who, From, Key, Error, Resources string
	At                                                 time.Time
	ReadOnly                                           bool
	Outcome                                            State
}

// eventColumns are the columns beside time and name.
var eventColumns = []Option{
	{Value: "who", Text: "Who"}, {Value: "outcome", Text: "Outcome"}, {Value: "resources", Text: "Resources"},
	{Value: "source", Text: "Service"}, {Value: "from", Text: "From"}, {Value: "key", Text: "Access key"},
}

var usualColumns = []string{"who", "outcome", "resources"}

// changesAlone tells that nobody chose what to see: then it is changes and sign-ins, as in
// AWS's console. The pages themselves read so much that a change would be hard to find.
func changesAlone(v *Visit) bool {
	q := v.Request.URL.Query()
	return !q.Has("by") && !q.Has("value") && !q.Has("since") && !q.Has("until") && !q.Has("last")
}

// The ranges of time that end now. A search that is saved with one is always of the newest.
var lastRanges = []struct {
	value, text string
	long        time.Duration
}{
	{"1h", "The last hour", time.Hour}, {"3h", "The last 3 hours", 3 * time.Hour}, {"24h", "The last 24 hours", day},
	{"7d", "The last 7 days", 7 * day}, {"30d", "The last 30 days", 30 * day}, {"90d", "The last 90 days", 90 * day},
}

// eventFilter reads what a page is asked for.
func eventFilter(v *Visit) (*cloudtrail.LookupEventsInput, []Field) {
	q := v.Request.URL.Query()
	if changesAlone(v) {
		q = url.Values{"by": {string(types.LookupAttributeKeyReadOnly)}, "value": {"false"}, "marker": q["marker"]}
	}
	now := v.Now
	if at, err := time.Parse(time.RFC3339, q.Get("at")); err == nil && q.Get("marker") != "" && at.Before(now) {
		now = at // a page belongs to the first one, and begins where that did
	}
	in, fields := eventFilterOf(q, now)
	if token := q.Get("marker"); token != "" {
		in.NextToken = &token
	}
	return in, fields
}

// eventFilterOf reads a filter, of which a time range that ends now ends at a given moment.
func eventFilterOf(q url.Values, now time.Time) (*cloudtrail.LookupEventsInput, []Field) {
	attributes := []Option{{Value: "", Text: "All events"}}
	for _, key := range types.LookupAttributeKey("").Values() {
		attributes = append(attributes, Option{Value: string(key), Text: attributeName(key)})
	}
	by := Field{Name: "by", Label: "Find by", Type: "select", Value: q.Get("by"), Options: attributes, Optional: true}
	value := Field{Name: "value", Label: "Value", Value: q.Get("value"), Optional: true, Autocomplete: "off", MaxLength: maxValue}
	last := Field{Name: "last", Label: "When", Type: "select", Value: q.Get("last"), Options: []Option{{Value: "", Text: "Any time, or:"}}, Optional: true}
	since := Field{Name: "since", Label: "From", Type: "datetime-local", Value: q.Get("since"), Optional: true, Hint: "UTC"}
	until := Field{Name: "until", Label: "To", Type: "datetime-local", Value: q.Get("until"), Optional: true, Hint: "UTC"}
	in := &cloudtrail.LookupEventsInput{StartTime: typedTime(&since), EndTime: typedTime(&until)}
	ranged := false
	for _, r := range lastRanges {
		last.Options = append(last.Options, Option{Value: r.value, Text: r.text})
		if r.value == last.Value {
			ranged = true
			in.StartTime = aws.Time(now.UTC().Truncate(time.Second).Add(-r.long))
		}
	}
	switch {
	case last.Value != "" && !ranged:
		last.Error = "That is none of the ranges."
	case ranged && (since.Value != "" || until.Value != ""):
		last.Error = "Choose this, or say from when to when."
	}
	if len(value.Value) > maxValue {
		value.Error = "That is too long."
	}
	switch known := slices.ContainsFunc(attributes, func(o Option) bool { return o.Value == by.Value }); {
	case by.Value == "" && value.Value != "":
		by.Error = "Say what the value is of."
	case !known:
		by.Error = "That is no attribute of an event."
	case by.Value != "" && value.Value == "":
		value.Error = "Say which one."
	case by.Value != "":
		in.LookupAttributes = []types.LookupAttribute{{AttributeKey: types.LookupAttributeKey(by.Value), AttributeValue: &value.Value}}
	}
	return in, []Field{by, value, last, since, until}
}

// maxValue is how long a value is at most, in bytes.
const maxValue = 2000

func attributeName(key types.LookupAttributeKey) string {
	switch key {
	case types.LookupAttributeKeyEventId:
		return "Event id"
	case types.LookupAttributeKeyEventName:
		return "Event name"
	case types.LookupAttributeKeyReadOnly:
		return "Read-only (true or false)"
	case types.LookupAttributeKeyUsername:
		return "User name"
	case types.LookupAttributeKeyResourceType:
		return "Resource type"
	case types.LookupAttributeKeyResourceName:
		return "Resource name"
	case types.LookupAttributeKeyEventSource:
		return "Event source"
	case types.LookupAttributeKeyAccessKeyId:
		return "Access key id"
	}
	return string(key)
}

func (c *Console) showEvents(v *Visit) error {
	in, fields := eventFilter(v)
	in.MaxResults = aws.Int32(shownEvents)
	shown := v.Request.URL.Query()["column"]
	body := eventsPage{Now: v.Now, Fields: fields, Columns: eventColumns, Shown: map[string]bool{}, Filtered: len(in.LookupAttributes) > 0 || in.StartTime != nil || in.EndTime != nil, Changes: changesAlone(v)}
	if len(shown) == 0 {
		shown = usualColumns
	}
	for _, column := range shown {
		body.Shown[column] = true
	}
	var out *cloudtrail.LookupEventsOutput
	var refusal error
	err := together(
		func() error {
			out, refusal = v.API().CloudTrail.LookupEvents(v.Request.Context(), in)
			return nil
		},
		func() (err error) {
			body.Saved, err = v.savedSearches()
			return err
		},
	)
	if err != nil {
		return err
	}
	if refusal != nil {
		body.Problem = v.ProblemOf(refusal)
		out = &cloudtrail.LookupEventsOutput{}
	}
	query := searchOf(fields, shown)
	for i := range body.Saved {
		body.Saved[i].Current = body.Saved[i].query == query.Encode()
	}
	if !slices.ContainsFunc(fields, func(f Field) bool { return f.Error != "" }) {
		body.Save = newSaveSearch(query, "")
	}
	for i := range out.Events {
		body.Rows = append(body.Rows, eventOf(&out.Events[i]))
	}
	body.Pager = pagerOf(v, aws.ToString(out.NextToken))
	if next, err := url.Parse(body.Pager.Next); err == nil && body.Pager.Next != "" && query.Get("last") != "" {
		q := next.Query()
		if q.Get("at") == "" || v.Query("marker") == "" {
			q.Set("at", v.Now.UTC().Format(time.RFC3339))
		}
		next.RawQuery = q.Encode()
		body.Pager.Next = next.String()
	}
	for _, format := range []string{"json", "csv"} {
		q := v.Request.URL.Query()
		q.Del("marker")
		q.Del("at")
		q.Set("format", format)
		body.Export = append(body.Export, Step{Text: "Export " + strings.ToUpper(format), Path: "/events/export?" + q.Encode()})
	}
	return v.Render("events", Page{
		Title: "Event history", Lead: "Every call of the API and every sign-in, allowed or not, in CloudTrail's format.",
		CLI: []Command{lookupCommand(in)}, Body: body,
	})
}

// lookupCommand is the command line that looks the same events up.
func lookupCommand(in *cloudtrail.LookupEventsInput) Command {
	words := []string{"aws", "cloudtrail", "lookup-events", "--max-items", "50"}
	for _, a := range in.LookupAttributes {
		words = append(words, "--lookup-attributes", "AttributeKey="+string(a.AttributeKey)+",AttributeValue="+aws.ToString(a.AttributeValue))
	}
	if in.StartTime != nil {
		words = append(words, "--start-time", in.StartTime.UTC().Format(time.RFC3339))
	}
	if in.EndTime != nil {
		words = append(words, "--end-time", in.EndTime.UTC().Format(time.RFC3339))
	}
	return CLI(words...)
}

func eventOf(e *types.Event) eventRow {
	r := recordOf(aws.ToString(e.CloudTrailEvent))
	row := eventRow{
		ID: aws.ToString(e.EventId), Name: aws.ToString(e.EventName), Source: aws.ToString(e.EventSource),
		Who: firstOf(aws.ToString(e.Username), r.who()), From: r.SourceIP, Key: aws.ToString(e.AccessKeyId),
		At: aws.ToTime(e.EventTime), ReadOnly: r.ReadOnly, Error: r.ErrorCode, Outcome: State{Good, "Succeeded"},
	}
	if r.ErrorCode != "" {
		row.Outcome = State{Bad, r.ErrorCode}
	} else if strings.Contains(string(r.Response), `"ConsoleLogin":"Failure"`) {
		row.Outcome = State{Bad, "Failed"}
	}
	var names []string
	for _, resource := range e.Resources {
		names = append(names, aws.ToString(resource.ResourceName))
	}
	row.Resources = strings.Join(names[:min(len(names), 2)], ", ")
	return row
}

// isDeed tells whether a record is of something that somebody did, and not of what a page
// looked up or noted for itself.
func (r *record) isDeed() bool {
	return !r.ReadOnly && r.EventName != "PutState" && r.EventName != "DeleteState"
}

// deeds are the newest changes and sign-ins of somebody, not of others who have the same
// name, as a user and the session of a role can.
func deeds(ctx context.Context, api *API, name, arn string, most int) (rows []eventRow, err error) {
	found, err := eventsAmong(ctx, api, types.LookupAttributeKeyUsername, name, readForDeeds, most, func(r *record) bool {
		return r.isDeed() && (r.UserIdentity.ARN == "" || r.UserIdentity.ARN == arn)
	})
	for i := range found {
		rows = append(rows, eventOf(&found[i]))
	}
	return rows, err
}

// eventsAmong are the newest events with an attribute that are changes and wanted, among so
// many events.
func eventsAmong(ctx context.Context, api *API, key types.LookupAttributeKey, value string, among, most int, wanted func(*record) bool) (found []types.Event, err error) {
	in := &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(50), LookupAttributes: []types.LookupAttribute{{AttributeKey: key, AttributeValue: &value}}}
	for read := 0; read < among; {
		out, err := firstEvents(ctx, api, in)
		if err != nil {
			return nil, err
		}
		read += len(out.Events)
		for i := range out.Events {
			if aws.ToString(out.Events[i].ReadOnly) == "true" { // most are, and reading records takes time
				continue
			}
			if r := recordOf(aws.ToString(out.Events[i].CloudTrailEvent)); !wanted(&r) {
				continue
			}
			if found = append(found, out.Events[i]); len(found) == most {
				return found, nil
			}
		}
		if in.NextToken = out.NextToken; in.NextToken == nil || len(out.Events) == 0 {
			break
		}
	}
	return found, nil
}

// eventPage is one event.
type eventPage struct {
	Outcome State
	Why     string
	Facts   []Pair
	Record  Code
}

func (c *Console) showEvent(v *Visit) error {
	id := v.Request.PathValue("id")
	e, err := eventByID(v.Request.Context(), v.API(), id)
	if err != nil {
		return err
	}
	r := recordOf(aws.ToString(e.CloudTrailEvent))
	row := eventOf(e)
	body := eventPage{Outcome: row.Outcome, Record: Code{Label: "The record", Text: indented(aws.ToString(e.CloudTrailEvent))}}
	if r.RequestID != "" && r.EventType == "AwsApiCall" {
		body.Why = "/why/" + url.PathEscape(r.RequestID)
	}
	body.Facts = []Pair{
		{Key: "When", Value: row.At.UTC().Format(time.RFC3339)}, {Key: "Who", Value: r.who(), Mono: true, Copy: true},
		{Key: "Service", Value: row.Source}, {Key: "From", Value: r.SourceIP}, {Key: "With", Value: r.UserAgent},
		{Key: "Access key", Value: row.Key, Mono: true, Copy: true}, {Key: "Region", Value: r.Region}, {Key: "Error", Value: r.ErrorMessage},
		{Key: "Request id", Value: r.RequestID, Mono: true, Copy: true}, {Key: "Event id", Value: r.EventID, Mono: true, Copy: true},
	}
	if r.Console == "true" {
		body.Facts = append(body.Facts, Pair{Key: "By", Value: "the console"})
	}
	return v.Render("event", Page{
		Title: row.Name, Crumbs: []Crumb{{"Event history", "/events"}},
		CLI:  []Command{CLI("aws", "cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=EventId,AttributeValue="+id)},
		Body: body,
	})
}

// eventByID finds an event of the account.
func eventByID(ctx context.Context, api *API, id string) (*types.Event, error) {
	if !requestID.MatchString(strings.ToLower(id)) {
		return nil, errNoPage
	}
	in := &cloudtrail.LookupEventsInput{LookupAttributes: []types.LookupAttribute{{AttributeKey: types.LookupAttributeKeyEventId, AttributeValue: &id}}}
	out, err := firstEvents(ctx, api, in)
	if err != nil {
		return nil, err
	}
	if len(out.Events) > 0 {
		return &out.Events[0], nil
	}
	return nil, &Problem{Status: http.StatusNotFound, Title: "There is no such event", Why: "No event with this id is in the trail, or it is older than what is kept.", Do: []Step{{"Look in the event history.", "/events"}}}
}

// firstEvents is the first page of a look-up that has events. In a long trail a page may be
// empty and still have a next one: a page of the console goes through some of these.
func firstEvents(ctx context.Context, api *API, in *cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
	next := *in
	for pages := 0; ; pages++ {
		out, err := api.CloudTrail.LookupEvents(ctx, &next)
		if err != nil || len(out.Events) > 0 || out.NextToken == nil || pages == 20 {
			return out, err
		}
		next.NextToken = out.NextToken
	}
}

// exportEvents hands out what the filter finds, the newest first, as a file.
func (c *Console) exportEvents(v *Visit) error {
	in, fields := eventFilter(v)
	for _, f := range fields {
		if f.Error != "" {
			return &Problem{Status: http.StatusBadRequest, Title: "The filter is not complete", Why: f.Label + ": " + f.Error, Do: []Step{{"Go back to the event history.", "/events"}}}
		}
	}
	in.NextToken = nil
	var events []types.Event
	for len(events) < exportedEvents {
		out, err := v.API().CloudTrail.LookupEvents(v.Request.Context(), in)
		if err != nil {
			return err
		}
		events = append(events, out.Events...)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if v.Query("format") == "csv" {
		var b strings.Builder
		w := csv.NewWriter(&b)
		rows := [][]string{{"Event time", "Event name", "User name", "Event source", "Source IP address", "Access key", "Error code", "Read-only", "Resources", "Request ID", "Event ID"}}
		for i := range events {
			row := eventOf(&events[i])
			r := recordOf(aws.ToString(events[i].CloudTrailEvent))
			rows = append(rows, []string{row.At.UTC().Format(time.RFC3339), row.Name, row.Who, row.Source, row.From, row.Key, r.ErrorCode, yesNo(row.ReadOnly), row.Resources, r.RequestID, row.ID})
		}
		for i := range rows {
			for j, cell := range rows[i] {
				rows[i][j] = plainCell(cell)
			}
		}
		if err := w.WriteAll(rows); err != nil {
			return err
		}
		return v.Download("event-history.csv", "text/csv; charset=utf-8", []byte(b.String()))
	}
	records := make([]json.RawMessage, 0, len(events))
	for i := range events {
		records = append(records, json.RawMessage(aws.ToString(events[i].CloudTrailEvent)))
	}
	text, err := json.MarshalIndent(map[string]any{"Records": records}, "", "  ")
	if err != nil {
		return err
	}
	return v.Download("event-history.json", "application/json", text)
}

// plainCell keeps a spreadsheet from taking a cell for a formula: what callers sent is in
// the events.
func plainCell(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
