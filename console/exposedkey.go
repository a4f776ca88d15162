package console

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/respond"
)

// exposedKeyRoutes are what is done when an access key leaked. What has been done is seen
// from the key and its user; nothing is kept of it but the trail.
func (c *Console) exposedKeyRoutes() []Route {
	return []Route{
		{Pattern: "GET /exposed-key", Handle: c.showExposedKey},
		{Pattern: "POST /exposed-key", Handle: c.respondToKey},
		{Pattern: "GET /exposed-key/report", Handle: c.showKeyReport},
		{Pattern: "GET /exposed-key/report.json", Handle: c.exportKeyReport},
		{Pattern: "GET /exposed-key/report.md", Handle: c.exportKeyReport},
	}
}

// leakedBefore is how long ago a key leaked if nobody says, as lanyard respond has it.
const leakedBefore = 7 * day

// The steps, in the order that leaves the safer state behind an interruption.
var exposedSteps = []string{"deactivate", "revoke", "quarantine", "replace"}

// exposure is what the person says of a key that leaked.
type exposure struct {
	ID         string
	Leaked     time.Time
	Quarantine bool
	Replace    bool
}

const localTime = "2006-01-02T15:04"

// query is the address of what is known of the exposure.
func (e exposure) query() string {
	return "?" + url.Values{"id": {e.ID}, "leaked": {e.Leaked.UTC().Format(localTime)}}.Encode()
}

func (e exposure) Page() string     { return "/exposed-key" + e.query() }
func (e exposure) Report() string   { return "/exposed-key/report" + e.query() }
func (e exposure) JSON() string     { return "/exposed-key/report.json" + e.query() }
func (e exposure) Markdown() string { return "/exposed-key/report.md" + e.query() }
func (e exposure) Since() string    { return e.Leaked.UTC().Format(localTime) }

func (e exposure) since(wrong string) Field {
	return Field{
		Name: "leaked", Label: "Since when may it be in other hands? (UTC)", Type: "datetime-local", Value: e.Since(), Optional: true,
		Hint: "Addresses and programs that are first seen after it are marked as new.", Error: wrong,
	}
}

// exposureOf reads what the person says, and what is wrong with it: by field.
func (v *Visit) exposureOf(value func(string) string) (e exposure, wrong map[string]string) {
	wrong = map[string]string{}
	e = exposure{ID: value("id"), Leaked: v.Now.Add(-leakedBefore).Truncate(time.Minute), Quarantine: value("quarantine") != "", Replace: value("replace") != ""}
	switch {
	case e.ID == "":
	case e.ID == "root":
		wrong["id"] = "The root user has no access keys."
	case arn.IsSessionKey(e.ID):
		wrong["id"] = "That is the id of a session, which ends by itself. Enter the long-term key (AKIA…) that began it; the trail says which."
	case !arn.IsAccessKey(e.ID):
		wrong["id"] = "That is no access key id: those are AKIA and 16 more characters. The secret is not needed, and belongs in no form."
	}
	if text := value("leaked"); text != "" {
		at, err := time.Parse(localTime, text)
		if err != nil || at.After(v.Now) {
			wrong["leaked"] = "Enter a time in the past, in UTC."
		} else {
			e.Leaked = at
		}
	}
	return e, wrong
}

type exposedPage struct {
	exposure
	Key    *identity.KeyState // nil until one is named
	State  []stepRow
	Fields []Field
	Open   bool // there is something left to do
}

// stepRow is a step, in words.
type stepRow struct {
	Title  string
	State  State
	Detail string
	// Problem is why it failed, Then what to do about it.
	Problem *Problem
	Then    string
}

// stepWords say what a step does, and what to do where it cannot be done.
var stepWords = map[string]struct{ title, then string }{
	"deactivate": {"Deactivate the key", "The key still works. Whoever may iam:UpdateAccessKey on this user can stop it; so can whoever owns the host, with lanyard respond key."},
	"revoke":     {"End the sessions that it began", "Sessions that the key began go on until they expire, for up to 36 hours. Whoever may iam:UpdateAccessKey on this user can end them; so can whoever owns the host, with lanyard respond key."},
	"quarantine": {"Quarantine its user", "The user's other credentials are not limited. Whoever may iam:AttachUserPolicy on this user can attach AWSCompromisedKeyQuarantineV3."},
	"replace":    {"Make a replacement", "No new key was made. The user's page shows the keys that there are."},
}

var stepStates = map[respond.State]State{
	respond.Done: {Good, "Done"}, respond.Already: {Good, "Was done already"}, respond.Skipped: {Neutral, "Left out"},
	respond.Failed: {Bad, "Could not be done"}, respond.Pending: {Warning, "To do"},
}

func (v *Visit) stepRow(s respond.Step) stepRow {
	words := stepWords[s.Name]
	row := stepRow{Title: words.title, State: stepStates[s.State], Detail: sentence(s.Detail)}
	if s.State == respond.Failed {
		row.Then = words.then
		if s.Err != nil {
			row.Problem, row.Detail = v.ProblemOf(s.Err), ""
		}
	}
	return row
}

func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

func (v *Visit) responder(e exposure, key *identity.KeyState) *respond.Responder {
	return &respond.Responder{
		Key: key, Server: respond.Server{Revoke: v.keyAPI().Revoke, Calls: v.keyAPI().Calls}, IAM: v.API().IAM, Partition: arn.PartitionOf(v.console.config.Region),
		Leaked: e.Leaked, NoQuarantine: !e.Quarantine,
	}
}

func exposedPageOf(e exposure, body exposedPage) Page {
	page := Page{
		Title: "An access key leaked", Crumbs: []Crumb{{"My security", "/security"}},
		Lead: "Stop it first, find out what it did afterwards. Every step can be done again, and takes up where it stopped.",
	}
	if e.ID != "" {
		page.CLI = []Command{
			{Comment: "All of it, on the host", Line: CLI("lanyard", "respond", "key", e.ID).Line},
			CLI("aws", "iam", "update-access-key", "--access-key-id", e.ID, "--status", "Inactive"),
			CLI("aws", "cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=AccessKeyId,AttributeValue="+e.ID),
		}
		if body.Key != nil && body.Key.UserName != "" {
			page.Crumbs = append(page.Crumbs, Crumb{e.ID, "/access-keys/" + url.PathEscape(e.ID)})
			page.CLI[1] = CLI("aws", "iam", "update-access-key", "--user-name", body.Key.UserName, "--access-key-id", e.ID, "--status", "Inactive")
		}
	}
	page.Body = body
	return page
}

func (c *Console) showExposedKey(v *Visit) error {
	e, wrong := v.exposureOf(v.Query)
	body := exposedPage{exposure: e}
	if e.ID == "" || len(wrong) > 0 {
		body.Fields = []Field{
			{Name: "id", Label: "Access key ID", Value: e.ID, Mono: true, MaxLength: 128, Autofocus: true, Autocomplete: "off", Placeholder: "AKIA…", Hint: "The id alone: never enter the secret.", Error: wrong["id"]},
			e.since(wrong["leaked"]),
		}
		page := exposedPageOf(exposure{}, body)
		if len(wrong) > 0 {
			page.Status = http.StatusUnprocessableEntity
		}
		return v.Render("exposed-key", page)
	}
	key, err := v.describeKey(e.ID)
	if err != nil {
		return err
	}
	body.Key, body.Fields = key, []Field{e.since("")}
	for _, s := range v.responder(e, key).Look(v.Request.Context()) {
		body.State = append(body.State, v.stepRow(s))
		body.Open = body.Open || s.State == respond.Pending || s.State == respond.Failed
	}
	return v.Render("exposed-key", exposedPageOf(e, body))
}

// exposedDone is what has been done by one request.
type exposedDone struct {
	exposure
	Rows   []stepRow
	Next   string // the step that comes next; empty after the last
	Title  string // of that step
	Secret *Secret
}

// respondToKey takes the steps. To htmx each is an answer of its own, which asks for the
// next; without a script, all are one page. None keeps the others from being taken.
func (c *Console) respondToKey(v *Visit) error {
	e, wrong := v.exposureOf(v.Form)
	if e.ID == "" || len(wrong) > 0 {
		return v.Redirect("/exposed-key?" + url.Values{"id": {e.ID}, "leaked": {v.Form("leaked")}}.Encode())
	}
	if err := v.StepUp(e.Page()); err != nil {
		return err
	}
	key, err := v.describeKey(e.ID)
	if err != nil {
		return err
	}
	done := exposedDone{exposure: e}
	r := v.responder(e, key)
	steps := exposedSteps
	if v.WantsFragment() {
		at := max(0, slices.Index(steps, v.Form("step")))
		done.Next = e.after(at)
		done.Title = stepWords[done.Next].title
		steps = steps[at : at+1]
	}
	for _, name := range steps {
		if s, taken := v.takeStep(r, e, name, &done); taken {
			done.Rows = append(done.Rows, v.stepRow(s))
		}
	}
	if v.WantsFragment() {
		if steps[0] == exposedSteps[0] {
			return v.Fragment("exposed-key", "begun", done)
		}
		return v.Fragment("exposed-key", "done", done)
	}
	page := exposedPageOf(e, exposedPage{Key: key})
	page.Body = done
	return v.Render("exposed-key-done", page)
}

// after is the step behind the one at an index, of those that were asked for; empty if it
// was the last.
func (e exposure) after(at int) string {
	for _, name := range exposedSteps[at+1:] {
		if name == "quarantine" && !e.Quarantine || name == "replace" && !e.Replace {
			continue
		}
		return name
	}
	return ""
}

func (v *Visit) takeStep(r *respond.Responder, e exposure, name string, done *exposedDone) (respond.Step, bool) {
	ctx := v.Request.Context()
	switch name {
	case "deactivate":
		return r.Deactivate(ctx), true
	case "revoke":
		return r.Revoke(ctx), true
	case "quarantine":
		return r.Quarantine(ctx), e.Quarantine
	}
	if !e.Replace {
		return respond.Step{}, false
	}
	report := new(respond.Report)
	if len(r.Key.Others) > 0 { // one may be the thief's
		var err error
		if report, err = r.Report(ctx); err != nil {
			return respond.Step{Name: name, State: respond.Failed, Err: err}, true
		}
	}
	vault := new(pageVault)
	r.OpenVault = func(string) (respond.Vault, error) { return vault, nil }
	step := r.Replace(ctx, report)
	if vault.id != "" {
		secret := secretOfKey(r.Key.UserName, vault.id, vault.secret, e.Page())
		done.Secret = &secret
	}
	return step, true
}

// pageVault hands a secret to the page that answers, and to nothing else.
type pageVault struct{ id, secret string }

func (p *pageVault) Keep(_, id, secret string) (string, error) {
	p.id, p.secret = id, secret
	return "below, and is shown this once", nil
}

func (p *pageVault) Discard() {}

// maxRows bounds the tables of a report on a page; the exports have everything.
const maxRows = 200

type keyReportPage struct {
	exposure
	Now     time.Time
	Report  *respond.Report
	Summary string
	Listing Code
	Sources []sourceTable
	Changes callTable
	Refused callTable
	Strange callTable
}

// sourceTable is where the calls came from.
type sourceTable struct {
	Title   string
	Now     time.Time
	Sources []respond.Source
	Alone   bool // there is nothing to compare with
}

// callTable is a part of the calls.
type callTable struct {
	Title string
	Rows  []callRow
	More  int
}

type callRow struct {
	respond.Call
	NewAddress bool
	BySession  bool
}

// Why is where the request is explained.
func (r callRow) Why() string { return "/why/" + url.PathEscape(r.RequestID) }

// Program is the first word of the user agent: the whole is in the list of programs.
func (r callRow) Program() string {
	program, _, _ := strings.Cut(r.Agent, " ")
	return program
}

// keyReport reads what a key did. Keep says whether each call that changed nothing is in it.
func (v *Visit) keyReport(keep bool) (exposure, *respond.Report, error) {
	e, wrong := v.exposureOf(v.Query)
	if e.ID == "" || len(wrong) > 0 {
		return e, nil, &Problem{
			Status: http.StatusBadRequest, Title: "There is no report of that",
			Why: "The address names no access key, or a time that is not in the past.", Do: []Step{{"Name the key.", "/exposed-key"}},
		}
	}
	key, err := v.describeKey(e.ID)
	if err != nil {
		return e, nil, err
	}
	v.keyAPI().FindPassword(v.Request.Context(), key)
	r := v.responder(e, key)
	r.KeepReads = keep
	report, err := r.Report(v.Request.Context())
	return e, report, err
}

func (c *Console) showKeyReport(v *Visit) error {
	e, report, err := v.keyReport(false)
	if err != nil {
		return err
	}
	alone := report.NewSince.IsZero()
	body := keyReportPage{
		exposure: e, Now: v.Now, Report: report, Summary: report.Summary(), Listing: Code{Label: "The note", Text: report.Note(v.Now)},
		Sources: []sourceTable{{"Addresses", v.Now, report.Addresses, alone}, {"Programs", v.Now, report.Agents, alone}},
	}
	fresh := map[string]bool{}
	for _, s := range report.Addresses {
		fresh[s.Name] = s.New
	}
	body.Changes = callTable{Title: "What it changed"}
	body.Refused = callTable{Title: "What was denied or failed"}
	body.Strange = callTable{Title: "Calls in its name that were not believed"}
	for i := len(report.Calls) - 1; i >= 0; i-- { // newest first
		call := report.Calls[i]
		row := callRow{call, fresh[call.Address], call.AccessKeyID != e.ID}
		switch {
		case call.Outcome == respond.NotBelieved:
			body.Strange.add(row)
		case call.Outcome != respond.OK:
			body.Refused.add(row)
		case !call.ReadOnly:
			body.Changes.add(row)
		}
	}
	if v.WantsFragment() {
		return v.Fragment("exposed-key-report", "report", body)
	}
	page := exposedPageOf(e, exposedPage{Key: report.Key})
	page.Title, page.Lead, page.Body = "What "+e.ID+" did", "", body
	return v.Render("exposed-key-report", page)
}

func (t *callTable) add(row callRow) {
	if len(t.Rows) == maxRows {
		t.More++
		return
	}
	t.Rows = append(t.Rows, row)
}

func (c *Console) exportKeyReport(v *Visit) error {
	e, report, err := v.keyReport(true)
	if err != nil {
		return err
	}
	if strings.HasSuffix(v.Request.URL.Path, ".md") {
		return v.Download(e.ID+".md", "text/markdown; charset=utf-8", []byte(report.Markdown(v.Now)))
	}
	var b bytes.Buffer
	if err := report.Write(&b, true, v.Now); err != nil {
		return err
	}
	return v.Download(e.ID+".json", "application/json", b.Bytes())
}
