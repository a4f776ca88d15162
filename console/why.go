package console

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// whyRoutes explain decisions: which were denied, and why one was.
func (c *Console) whyRoutes() []Route {
	return []Route{
		{Pattern: "GET /why", Handle: c.showDenials},
		{Pattern: "GET /why/{id}", Handle: c.showWhy},
	}
}

// denialsPage lists what was denied, and finds a request by its id.
type denialsPage struct {
	Now      time.Time
	Problem  *Problem
	ID       Field
	Username Field
	Since    Field
	Until    Field
	Rows     []denialRow
	Pager    Pager
	Empty    Empty
	Filtered bool
}

type denialRow struct {
	At       time.Time
	Who      string
	Action   string
	Resource string
	Message  string
	Path     string
}

// shownDenials is how many denials a page has.
const shownDenials = 25

func (c *Console) showDenials(v *Visit) error {
	if id := v.Query("id"); requestID.MatchString(strings.ToLower(id)) {
		return v.Redirect("/why/" + url.PathEscape(id))
	}
	body := denialsPage{
		Now:      v.Now,
		ID:       Field{Name: "id", Label: "Request id", Value: v.Query("id"), Autocomplete: "off", Mono: true, MaxLength: 64, Hint: "In every answer as x-amzn-RequestId, in every error, and in the event history."},
		Username: Field{Name: "user", Label: "Who", Value: v.Query("user"), Optional: true, Autocomplete: "off", MaxLength: 128, Hint: "A user name, or a session name"},
		Since:    Field{Name: "since", Label: "From", Type: "datetime-local", Value: v.Query("since"), Optional: true, Hint: "UTC"},
		Until:    Field{Name: "until", Label: "To", Type: "datetime-local", Value: v.Query("until"), Optional: true, Hint: "UTC"},
		Empty: Empty{Icon: "check", Title: "Nothing was denied", Text: "When a request lacks a permission, it is listed here with the policy, the statement and the condition that decided.",
			Command: &Command{Line: "lanyard why --last"}},
	}
	if body.ID.Value != "" {
		body.ID.Error = "A request id has 36 characters, like 7c1e0c52-3a55-4a0e-9d0c-6b8f7e2d9a11."
	}
	in := &lanyard.ListDenialsInput{MaxResults: aws.Int32(shownDenials)}
	body.Filtered = body.Username.Value != "" || body.Since.Value != "" || body.Until.Value != ""
	if body.Username.Value != "" {
		in.Username = &body.Username.Value
	}
	in.StartTime, in.EndTime = typedTime(&body.Since), typedTime(&body.Until)
	if token := v.Query("marker"); token != "" {
		in.NextToken = &token
	}
	out, err := lanyard.Call[lanyard.ListDenialsOutput](v.Request.Context(), v.API().Lanyard, in)
	if err != nil {
		body.Problem = v.ProblemOf(err)
		out = &lanyard.ListDenialsOutput{}
	}
	for i := range out.Denials {
		body.Rows = append(body.Rows, denialOf(&out.Denials[i]))
	}
	body.Pager = pagerOf(v, aws.ToString(out.NextToken))
	command := []string{"aws", "cloudtrail", "lookup-events", "--max-items", "50", "--query", "Events[?contains(CloudTrailEvent, 'AccessDenied')].[EventTime,Username,EventName]", "--output", "table"}
	return v.Render("denials", Page{
		Title: "Why denied", Lead: "Every decision can be explained: which policy, which statement, which condition, and the values that were seen.",
		CLI:  []Command{{Comment: "The last denial, explained, on the server's host", Line: "lanyard why --last"}, CLI(command...)},
		Body: body,
	})
}

// typedTime reads a field of a date and time, in UTC.
func typedTime(f *Field) *time.Time {
	if f.Value == "" {
		return nil
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.Parse(layout, f.Value); err == nil {
			return &t
		}
	}
	f.Error = "Write the time as 2026-11-27T09:30, in UTC."
	return nil
}

// pagerOf leads on behind a marker, with the present query, and back to the first page.
func pagerOf(v *Visit, next string) Pager {
	at := func(marker string) string {
		q := v.Request.URL.Query()
		q.Del("marker")
		if marker != "" {
			q.Set("marker", marker)
		}
		if len(q) == 0 {
			return v.Request.URL.Path
		}
		return v.Request.URL.Path + "?" + q.Encode()
	}
	var p Pager
	if v.Query("marker") != "" {
		p.First = at("")
	}
	if next != "" {
		p.Next = at(next)
	}
	return p
}

func denialOf(d *lanyard.Denial) denialRow {
	r := recordOf(aws.ToString(d.Record))
	row := denialRow{
		At:      aws.ToTime(d.EventTime),
		Who:     r.who(),
		Action:  prefixOf(aws.ToString(d.EventSource)) + ":" + aws.ToString(d.EventName),
		Message: r.ErrorMessage,
		Path:    "/why/" + url.PathEscape(aws.ToString(d.RequestId)),
	}
	if _, rest, ok := strings.Cut(r.ErrorMessage, " on resource: "); ok {
		row.Resource, _, _ = strings.Cut(rest, " ")
	}
	return row
}

// prefixOf is the prefix of IAM actions of an event source.
func prefixOf(source string) string {
	prefix, _, _ := strings.Cut(source, ".")
	return prefix
}

// record is what pages show of CloudTrail's record.
type record struct {
	EventTime    time.Time       `json:"eventTime"`
	EventSource  string          `json:"eventSource"`
	EventName    string          `json:"eventName"`
	EventType    string          `json:"eventType"`
	EventID      string          `json:"eventID"`
	Region       string          `json:"awsRegion"`
	RequestID    string          `json:"requestID"`
	SourceIP     string          `json:"sourceIPAddress"`
	UserAgent    string          `json:"userAgent"`
	ErrorCode    string          `json:"errorCode"`
	ErrorMessage string          `json:"errorMessage"`
	ReadOnly     bool            `json:"readOnly"`
	Console      string          `json:"sessionCredentialFromConsole"`
	Response     json.RawMessage `json:"responseElements"`
	Additional   json.RawMessage `json:"additionalEventData"`
	UserIdentity struct {
		Type        string `json:"type"`
		ARN         string `json:"arn"`
		UserName    string `json:"userName"`
		InvokedBy   string `json:"invokedBy"`
		AccessKeyID string `json:"accessKeyId"`
		Session     struct {
			Attributes struct {
				MFA string `json:"mfaAuthenticated"`
			} `json:"attributes"`
		} `json:"sessionContext"`
	} `json:"userIdentity"`
}

// recordOf reads a record; what cannot be read stays empty.
func recordOf(text string) record {
	var r record
	_ = json.Unmarshal([]byte(text), &r)
	return r
}

func (r *record) who() string {
	id := &r.UserIdentity
	for _, name := range []string{id.ARN, id.UserName, id.InvokedBy, id.Type} {
		if name != "" {
			return name
		}
	}
	return "unknown"
}

// indented is a record for people.
func indented(text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return text
	}
	return string(out)
}

// whyPage explains one request.
type whyPage struct {
	Answer  State
	Action  string
	Message string // AWS's sentence of a denial
	Facts   []Pair
	// Verdict is what decided, in one sentence.
	Verdict string
	Changes []changeRow
	Layers  []layerRow
	Context []contextRow
	Grounds []groundRow
	Record  Code
	Untold  string // why there is no more to tell
}

type changeRow struct {
	Text string
	Path string // to the editor of the policy
	Open string // what the link says
}

// layerRow is what one kind of policy says.
type layerRow struct {
	Title      string
	State      State
	Detail     string
	Decided    bool
	Statements []statementRow
	Omitted    int
}

// statementRow is a statement held against the request, element by element.
type statementRow struct {
	Name       string
	Path       string
	Attached   string
	Effect     string
	Applies    bool
	Place      string
	Elements   []elementRow
	Conditions []conditionRow
}

type elementRow struct {
	Name    string
	Values  string
	Matches State
}

type conditionRow struct {
	Operator, Key, Wanted, Seen string
	Holds                       State
}

type contextRow struct{ Key, Values string }

type groundRow struct{ Layer, Text string }

func (c *Console) showWhy(v *Visit) error {
	id := v.Request.PathValue("id")
	if !requestID.MatchString(strings.ToLower(id)) {
		return errNoPage
	}
	out, err := lanyard.Call[lanyard.GetDecisionOutput](v.Request.Context(), v.API().Lanyard, &lanyard.GetDecisionInput{RequestId: &id})
	if err != nil {
		return err
	}
	r := recordOf(aws.ToString(out.Record))
	body := whyPage{Record: Code{Label: "The record in the trail", Text: indented(aws.ToString(out.Record))}}
	var decision *audit.Decision
	if out.Decision != nil {
		decision = new(audit.Decision)
		if err := json.Unmarshal([]byte(*out.Decision), decision); err != nil {
			return fmt.Errorf("the decision of %s: %w", id, err)
		}
	}
	if err := body.explain(&r, decision, v.Person.Account); err != nil {
		return fmt.Errorf("the decision of %s: %w", id, err)
	}
	body.Facts = []Pair{
		{Key: "Who", Value: r.who(), Mono: true, Copy: true},
		{Key: "MFA", Value: yesNo(r.UserIdentity.Session.Attributes.MFA == "true")},
		{Key: "When", Value: r.EventTime.UTC().Format(time.RFC3339)},
		{Key: "From", Value: r.SourceIP},
		{Key: "With", Value: r.UserAgent},
		{Key: "Access key", Value: r.UserIdentity.AccessKeyID, Mono: true},
		{Key: "Region", Value: r.Region},
		{Key: "Request id", Value: r.RequestID, Mono: true, Copy: true},
	}
	return v.Render("why", Page{
		Title: body.Action, Crumbs: []Crumb{{"Why denied", "/why"}},
		CLI:  []Command{{Comment: "On the server's host", Line: CLI("lanyard", "why", id).Line}},
		Body: body,
	})
}

func yesNo(b bool) string {
	if b {
		return "Yes"
	}
	return "No"
}

// explain fills in what was decided, and why.
func (p *whyPage) explain(r *record, d *audit.Decision, account string) error {
	p.Action = prefixOf(r.EventSource) + ":" + r.EventName
	p.Message = r.ErrorMessage
	switch {
	case d != nil && !d.Allowed:
		p.Answer = State{Bad, "Denied"}
	case r.ErrorCode != "":
		p.Answer = State{Warning, "Failed: " + r.ErrorCode}
	default:
		p.Answer = State{Good, "Allowed"}
	}
	if d == nil {
		p.Untold = "No policy was asked: the request was refused before, or it needs no permission."
		return nil
	}
	p.Action = d.Action
	if len(d.Trace) > 0 {
		var t policy.Trace
		if err := json.Unmarshal(d.Trace, &t); err != nil {
			return err
		}
		p.trace(&t, account)
		return nil
	}
	p.Verdict = "Allowed by " + d.Layer
	if d.Policy != "" {
		p.Verdict = fmt.Sprintf("Allowed by statement %d of %s", d.Index, d.Policy)
		if d.Owner != "" {
			p.Verdict += ", attached to " + d.Owner
		}
	}
	if d.Sole {
		p.Changes = []changeRow{{Text: "To deny it, take it out of that statement: nothing else allowed it.", Path: policyPath(d.Policy, d.Owner), Open: openPolicy}}
	}
	if d.Grounds != nil {
		for _, g := range d.Grounds.Statements {
			p.Grounds = append(p.Grounds, groundRow{Layer: g.Layer.String(), Text: groundText(&g)})
		}
	}
	return nil
}

const openPolicy = "Open the policy"

// whereToAdd is where one writes what a suggestion wants to be added: filled in, for the
// principals of this account. Others' pages are not here.
func whereToAdd(t *policy.Trace, s *policy.Suggestion, account string) (path, open string) {
	if t.Principal.Account != account {
		return "", ""
	}
	who := strings.SplitN(firstOf(t.Principal.ARN, t.Principal.Name), ":", 6)
	if len(who) < 6 {
		return "", ""
	}
	holder := policyPath("", who[5])
	if kind, rest, _ := strings.Cut(who[5], "/"); holder != "" {
		holder = "/" + kind + "s/" + url.PathEscape(rest[strings.LastIndexByte(rest, '/')+1:]) // without the path
	}
	switch {
	case holder == "":
	case s.Layer == policy.LayerIdentity:
		return holder + "/inline?" + url.Values{"action": {t.Action}, "resource": {t.Resource}}.Encode(), "Write it as an inline policy"
	case s.Layer == policy.LayerBoundary:
		return holder, "Open who has the boundary"
	}
	return "", ""
}

func (p *whyPage) trace(t *policy.Trace, account string) {
	p.Verdict = t.Verdict()
	for _, s := range t.Suggest() {
		row := changeRow{Text: s.Text}
		if s.Policy != nil {
			row.Path, row.Open = policyPath(firstOf(s.Policy.ARN, s.Policy.Name), s.Policy.Owner), openPolicy
		} else {
			row.Path, row.Open = whereToAdd(t, &s, account)
		}
		p.Changes = append(p.Changes, row)
	}
	for i := range t.Layers {
		p.Layers = append(p.Layers, layerOf(&t.Layers[i], t))
	}
	for _, k := range t.Context {
		p.Context = append(p.Context, contextRow{k.Key, strings.Join(k.Values, ", ")})
	}
}

func layerOf(l *policy.TracedLayer, t *policy.Trace) layerRow {
	row := layerRow{Title: l.Layer.String(), Decided: l.Layer == t.Decision.Layer && l.Exempt == "", Omitted: l.Omitted}
	if l.Level > 0 {
		row.Title = fmt.Sprintf("%s, level %d", row.Title, l.Level)
	}
	switch {
	case l.Exempt != "":
		row.State, row.Detail = State{Neutral, "Does not apply"}, l.Exempt
		return row
	case !l.Present:
		row.State, row.Detail = State{Neutral, "None"}, "there is no such policy"
		return row
	case l.Effect == policy.ExplicitDeny:
		row.State = State{Bad, "Denies"}
	case l.Effect == policy.Allowed:
		row.State = State{Good, "Allows"}
	default:
		row.State = State{Warning, "No match"}
	}
	row.Detail = count(l.Policies, "policy") + ", " + count(l.Statements, "statement")
	for i := range l.Matched {
		row.Statements = append(row.Statements, statementOf(&l.Matched[i], true))
	}
	for i := range l.Near {
		row.Statements = append(row.Statements, statementOf(&l.Near[i], false))
	}
	return row
}

func statementOf(s *policy.TracedStatement, applies bool) statementRow {
	row := statementRow{
		Name: firstOf(s.Policy.Name, s.Policy.ARN), Path: policyPath(firstOf(s.Policy.ARN, s.Policy.Name), s.Policy.Owner),
		Attached: s.Policy.Owner, Effect: s.Effect, Applies: applies,
		Place: fmt.Sprintf("statement %d, line %d", s.Statement, s.Line),
	}
	if s.Sid != "" {
		row.Place += ", Sid " + s.Sid
	}
	matches := func(ok bool) State {
		if ok {
			return State{Good, "Matches"}
		}
		return State{Bad, "Does not match"}
	}
	name := func(not bool, element string) string {
		if not {
			return "Not" + element
		}
		return element
	}
	if !s.PrincipalMatches {
		row.Elements = append(row.Elements, elementRow{"Principal", "somebody else", matches(false)})
	}
	row.Elements = append(row.Elements, elementRow{name(s.NotAction, "Action"), strings.Join(s.Action, ", "), matches(s.ActionMatches)})
	if len(s.Resource) > 0 {
		row.Elements = append(row.Elements, elementRow{name(s.NotResource, "Resource"), strings.Join(s.Resource, ", "), matches(s.ResourceMatches)})
	}
	for _, k := range s.Conditions {
		condition := conditionRow{Operator: k.Operator, Key: k.Key, Wanted: strings.Join(k.Values, ", "), Seen: strings.Join(k.Seen, ", "), Holds: State{Bad, "Does not hold"}}
		if !k.Present {
			condition.Seen = "not in the request"
		}
		if k.Holds {
			condition.Holds = State{Good, "Holds"}
		}
		row.Conditions = append(row.Conditions, condition)
	}
	return row
}

func groundText(g *policy.Ground) string {
	text := fmt.Sprintf("statement %d of %s", g.Statement, firstOf(g.Policy.Name, g.Policy.ARN))
	if g.Policy.Owner != "" {
		text += ", attached to " + g.Policy.Owner
	}
	for _, k := range g.Conditions {
		text += fmt.Sprintf("; %s %s %s, seen %s", k.Key, k.Operator, strings.Join(k.Values, ", "), firstOf(strings.Join(k.Seen, ", "), "nothing"))
	}
	return text
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// policyPath is the page of a policy: of a managed one by its ARN, of an inline one that of
// who has it ("user/alice"). Empty if it has none.
func policyPath(name, owner string) string {
	if strings.HasPrefix(name, "arn:") && strings.Contains(name, ":policy/") {
		return "/policies/" + url.PathEscape(name)
	}
	kind, who, ok := strings.Cut(owner, "/")
	switch {
	case ok && (kind == "user" || kind == "group" || kind == "role"):
		return "/" + kind + "s/" + url.PathEscape(who)
	case strings.HasPrefix(name, "arn:") && strings.Contains(name, ":role/"):
		return "/roles/" + url.PathEscape(name[strings.LastIndexByte(name, '/')+1:])
	}
	return ""
}
