package console

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

func (c *Console) credentialReportRoutes() []Route {
	return []Route{
		{Pattern: "GET /credential-report", Handle: c.showCredentialReport},
		{Pattern: "POST /credential-report", Handle: c.makeCredentialReport},
		{Pattern: "GET /credential-report/download", Handle: c.downloadCredentialReport},
		{Pattern: "GET /credential-report/history", Handle: c.showReportHistory},
		{Pattern: "GET /credential-report/compare", Handle: c.compareReports},
	}
}

// The pages of the credential report.
const (
	reportPath  = "/credential-report"
	historyPath = reportPath + "/history"
	comparePath = reportPath + "/compare"
)

// shownReport is how many users of a report, or changes, are on a page.
const shownReport = 100

// reportLife is for how long AWS's operation has the newest report.
const reportLife = 4 * time.Hour

// keptReport is a report that is kept.
type keptReport struct {
	ID                         string
	Made                       time.Time
	Users, WithoutMFA, OldKeys int
	Newest                     bool
}

// Path leads to the report, Download to its file.
func (r keptReport) Path() string { return reportPath + "?" + url.Values{"id": {r.ID}}.Encode() }

// Download is where the file is.
func (r keptReport) Download() string {
	return reportPath + "/download?" + url.Values{"id": {r.ID}}.Encode()
}

// Day is the report in a list of days.
func (r keptReport) Day() string { return r.Made.UTC().Format(time.DateOnly) }

// keptReports are the reports that are kept, the newest first.
func (v *Visit) keptReports() ([]keptReport, error) {
	out, err := lanyard.Call[lanyard.ListCredentialReportsOutput](v.Request.Context(), v.API().Lanyard, &lanyard.ListCredentialReportsInput{})
	if err != nil {
		return nil, err
	}
	var all []keptReport
	for i := range out.Reports {
		all = append(all, keptReportOf(&out.Reports[i]))
		all[i].Newest = i == 0
	}
	return all, nil
}

func keptReportOf(r *lanyard.CredentialReport) keptReport {
	return keptReport{
		ID: aws.ToString(r.Id), Made: aws.ToTime(r.GeneratedTime), Users: int(aws.ToInt32(r.Users)),
		WithoutMFA: int(aws.ToInt32(r.WithoutMFA)), OldKeys: int(aws.ToInt32(r.OldKeys)),
	}
}

func reportTabs(current string) []Tab {
	tabs := []Tab{{Text: "Report", Path: reportPath}, {Text: "History", Path: historyPath}, {Text: "Compare", Path: comparePath}}
	for i := range tabs {
		tabs[i].Current = tabs[i].Path == current
	}
	return tabs
}

// credentialReportPage is a credential report, as AWS makes it.
type credentialReportPage struct {
	Now     time.Time
	Tabs    []Tab
	Denied  *Denied
	Problem *Problem
	Report  *keptReport // nil: there is none
	State   string
	Head    []string
	Rows    [][]string
	Word    string // that is looked for
	Filter  Filter
	Pager   Pager
	Empty   Empty
}

func (c *Console) showCredentialReport(v *Visit) error {
	body := credentialReportPage{Now: v.Now, Tabs: reportTabs(reportPath), Word: v.Query("filter"), Empty: Empty{Icon: "report", Title: "No credential report yet",
		Text:    "A report lists every user with the state of their password, MFA and access keys.",
		Command: &Command{Line: "aws iam generate-credential-report"}}}
	page := Page{
		Title: "Credential report", Lead: "Every user with password, MFA and access keys, as AWS reports them.", Nav: reportPath,
		CLI: []Command{CLI("aws", "iam", "generate-credential-report"), {Comment: "The newest report, for four hours", Line: "aws iam get-credential-report --query Content --output text | base64 -d"}},
	}
	all, err := v.keptReports()
	if err == nil && (len(all) == 0 || v.Now.Sub(all[0].Made) >= reportLife) && v.Query("id") == "" {
		if body.State, err = v.reportState(); err != nil {
			return err
		}
	}
	if id := v.Query("id"); err == nil && (len(all) > 0 || id != "") {
		if id == "" {
			id = all[0].ID
		}
		err = v.readReport(&body, id, len(all) > 0 && id == all[0].ID)
	}
	if body.Denied = v.deniedOf(err); body.Denied == nil && err != nil {
		return err
	}
	page.Body = body
	return v.Render("credentialreport", page)
}

// reportState says whether a report is being made.
func (v *Visit) reportState() (string, error) {
	_, err := v.API().IAM.GetCredentialReport(v.Request.Context(), &iam.GetCredentialReportInput{})
	var coming *iamtypes.CredentialReportNotReadyException
	var missing *iamtypes.CredentialReportNotPresentException
	var expired *iamtypes.CredentialReportExpiredException
	switch {
	case errors.As(err, &coming):
		return "A new report is being made. Reload this page in a moment.", nil
	case errors.As(err, &missing), errors.As(err, &expired):
		return "", nil
	}
	return "", err
}

// readReport takes a page of a report.
func (v *Visit) readReport(p *credentialReportPage, id string, newest bool) error {
	in := &lanyard.GetCredentialReportInput{Id: &id, MaxItems: aws.Int32(shownReport)}
	if p.Word != "" {
		in.Query = &p.Word
	}
	if marker := v.Query("marker"); marker != "" {
		in.Marker = &marker
	}
	out, err := lanyard.Call[lanyard.GetCredentialReportOutput](v.Request.Context(), v.API().Lanyard, in)
	if err != nil {
		return err
	}
	all, err := csv.NewReader(strings.NewReader(aws.ToString(out.Content))).ReadAll()
	if err != nil || len(all) == 0 {
		return fmt.Errorf("the credential report %s: %w", id, err)
	}
	report := keptReportOf(out.Report)
	report.Newest = newest
	p.Report = &report
	for _, name := range all[0] {
		p.Head = append(p.Head, strings.ReplaceAll(name, "_", " "))
	}
	p.Rows = all[1:]
	p.Pager = pagerOf(v, aws.ToString(out.Marker))
	p.Filter = Filter{Table: "report", Label: "Find users", Value: p.Word, Count: len(p.Rows), Noun: "user"}
	if p.Word != "" || p.Pager.First != "" || p.Pager.Next != "" { // else all of them are here
		p.Filter.Path, p.Filter.Hidden = reportPath, []Option{{Value: "id", Text: id}}
	}
	return nil
}

func (c *Console) makeCredentialReport(v *Visit) error {
	out, err := v.API().IAM.GenerateCredentialReport(v.Request.Context(), &iam.GenerateCredentialReportInput{})
	if err != nil {
		return err
	}
	switch out.State {
	case iamtypes.ReportStateTypeStarted: // which is the end of it, too
		v.Flash(Good, "A report was made.")
	case iamtypes.ReportStateTypeComplete:
		v.Flash(Info, "There is a report of the last four hours: it stays the newest until it is four hours old.")
	default:
		v.Flash(Info, "The report is being made.")
	}
	return v.Redirect(reportPath)
}

// mostDownloaded bounds a file.
const mostDownloaded = 256 << 20

// downloadCredentialReport hands out a report that is kept, the newest if none is named, as
// AWS's operation has it.
func (c *Console) downloadCredentialReport(v *Visit) error {
	id := v.Query("id")
	if id == "" {
		all, err := v.keptReports()
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return &Problem{Status: http.StatusNotFound, Title: "There is no credential report", Why: "None was made yet.", Do: []Step{{"Make one.", reportPath}}}
		}
		id = all[0].ID
	}
	text, made, err := wholeReport(v.Request.Context(), v.API(), id)
	if err != nil {
		return err
	}
	return v.Download("credential-report-"+made.UTC().Format(time.DateOnly)+".csv", "text/csv; charset=utf-8", text)
}

func wholeReport(ctx context.Context, api *API, id string) (text []byte, made time.Time, err error) {
	for in := (&lanyard.GetCredentialReportInput{Id: &id}); ; {
		out, err := lanyard.Call[lanyard.GetCredentialReportOutput](ctx, api.Lanyard, in)
		if err != nil {
			return nil, time.Time{}, err
		}
		piece := aws.ToString(out.Content)
		if in.Marker != nil {
			_, piece, _ = strings.Cut(piece, "\n") // the heading
		}
		if text = append(text, piece...); len(text) > mostDownloaded {
			return nil, time.Time{}, fmt.Errorf("the credential report %s has more than %d bytes", id, mostDownloaded)
		}
		if in.Marker = out.Marker; in.Marker == nil {
			return text, aws.ToTime(out.Report.GeneratedTime), nil
		}
	}
}

// reportHistoryPage are the reports that are kept.
type reportHistoryPage struct {
	Now     time.Time
	Tabs    []Tab
	Denied  *Denied
	Reports []keptReport
	Chart   *Chart // of two and more
	Weekly  Command
	Empty   Empty
}

// weekly has a report made every week, by cron.
var weekly = Command{Comment: "crontab -e: a report every Monday at six", Line: "0 6 * * 1 aws iam generate-credential-report"}

func (c *Console) showReportHistory(v *Visit) error {
	body := reportHistoryPage{Now: v.Now, Tabs: reportTabs(historyPath), Weekly: weekly, Empty: Empty{
		Icon: "report", Title: "No credential report yet",
		Text:    "Of each day the last report is kept, and of those the newest twelve. A report a week shows who came, who left and whose credentials changed.",
		Command: &weekly, More: Step{"Make the first one now.", reportPath},
	}}
	var err error
	body.Reports, err = v.keptReports()
	if body.Denied = v.deniedOf(err); body.Denied == nil && err != nil {
		return err
	}
	if len(body.Reports) > 1 {
		body.Chart = historyChart(body.Reports)
	}
	return v.Render("reporthistory", Page{
		Title: "Credential reports", Lead: "The reports of earlier days, to see what changed since.", Nav: reportPath,
		CLI: []Command{CLI("aws", "iam", "generate-credential-report"), weekly}, Body: body,
	})
}

// historyChart draws the reports in the order of time.
func historyChart(reports []keptReport) *Chart {
	n := len(reports)
	labels, users := make([]string, n), make([]string, n)
	noMFA, old := Series{Name: "Passwords without MFA", Kind: Bad, Values: make([]int, n)}, Series{Name: "Keys over 90 days", Kind: Info, Values: make([]int, n)}
	for i := range reports {
		r, at := &reports[i], n-1-i
		labels[at], users[at], noMFA.Values[at], old.Values[at] = r.Day(), fmt.Sprint(r.Users), r.WithoutMFA, r.OldKeys
	}
	chart := Lines("Fewer is better", "Report", labels, []Series{noMFA, old})
	chart.Head = append(chart.Head, "Users")
	for i := range chart.Rows {
		chart.Rows[i] = append(chart.Rows[i], users[i])
	}
	return &chart
}

// comparisonPage is what changed from one report to another.
type comparisonPage struct {
	Now      time.Time
	Tabs     []Tab
	Denied   *Denied
	Empty    *Empty // there are not two reports
	Fields   []Field
	From, To keptReport
	Summary  []Tab // of all changes, by kind
	Rows     []changedUser
	Narrowed bool
	Pager    Pager
	LastUsed bool
}

type changedUser struct {
	Name, ARN, Path string
	What            State
	Lines           []advisor.ChangeLine
}

// changeKinds are the kinds of changes, with their words.
var changeKinds = []struct {
	what, text string
	state      State
}{
	{"opens", "Opens a way in", State{Warning, "Opens a way in"}},
	{advisor.UserAdded, "Added", State{Info, "Added"}},
	{advisor.UserRemoved, "Removed", State{Neutral, "Removed"}},
	{advisor.UserRecreated, "Made anew", State{Warning, "Made anew"}},
	{advisor.UserChanged, "Changed", State{Info, "Changed"}},
}

// compareReports compares two reports, the newest two if none are named.
func (c *Console) compareReports(v *Visit) error {
	body := comparisonPage{Now: v.Now, Tabs: reportTabs(comparePath), LastUsed: v.Query("used") != ""}
	page := Page{
		Title: "Compare credential reports", Lead: "Who came and who left from one report to another, and whose credentials changed.", Nav: reportPath,
		Crumbs: []Crumb{{"Credential report", reportPath}}, CLI: []Command{CLI("aws", "iam", "generate-credential-report"), weekly},
	}
	all, err := v.keptReports()
	if body.Denied = v.deniedOf(err); body.Denied == nil && err != nil {
		return err
	}
	from, to := v.Query("from"), v.Query("to")
	switch {
	case body.Denied != nil:
	case len(all) < 2 && from == "" && to == "":
		body.Empty = &Empty{Icon: "report", Title: "Nothing to compare yet", Text: "It takes the reports of two days. A report a week shows who came, who left and whose credentials changed.", Command: &weekly,
			More: Step{"Make a report now.", reportPath}}
	default:
		if from == "" && to == "" {
			from, to = all[1].ID, all[0].ID
		}
		if from > to { // the ids are times
			from, to = to, from
		}
		if err := v.compareReports(&body, all, from, to); err != nil {
			return err
		}
	}
	page.Body = body
	return v.Render("reportcompare", page)
}

func (v *Visit) compareReports(p *comparisonPage, all []keptReport, from, to string) error {
	in := &lanyard.CompareCredentialReportsInput{From: &from, To: &to, MaxItems: aws.Int32(shownReport), LastUsed: &p.LastUsed}
	word, what := v.Query("filter"), v.Query("what")
	p.Narrowed = word != "" || what != ""
	for _, given := range []struct {
		text string
		to   **string
	}{{word, &in.Query}, {what, &in.What}, {v.Query("marker"), &in.Marker}} {
		if given.text != "" {
			*given.to = &given.text
		}
	}
	out, err := lanyard.Call[lanyard.CompareCredentialReportsOutput](v.Request.Context(), v.API().Lanyard, in)
	if err != nil {
		return err
	}
	p.From, p.To = keptReportOf(out.From), keptReportOf(out.To)
	var days []Option
	for _, r := range all {
		days = append(days, Option{Value: r.ID, Text: r.Made.UTC().Format("2006-01-02 15:04")})
	}
	counts := map[string]*int32{"opens": out.Opens, advisor.UserAdded: out.Added, advisor.UserRemoved: out.Removed, advisor.UserRecreated: out.Recreated, advisor.UserChanged: out.Changed}
	kinds := []Option{{Value: "", Text: "All changes"}}
	states := map[string]State{}
	for _, k := range changeKinds {
		kinds = append(kinds, Option{Value: k.what, Text: fmt.Sprintf("%s (%d)", k.text, aws.ToInt32(counts[k.what]))})
		states[k.what] = k.state
	}
	p.Fields = []Field{
		{Name: "from", Label: "From", Type: "select", Value: from, Options: days, Hint: "UTC"},
		{Name: "to", Label: "To", Type: "select", Value: to, Options: days, Hint: "UTC"},
		{Name: "what", Label: "Show", Type: "select", Value: what, Options: kinds, Optional: true},
		{Name: "filter", Label: "User name has", Value: word, Optional: true, Autocomplete: "off", MaxLength: 128},
		{Name: "used", Label: "Also when passwords and keys were last used", Type: "checkbox", Value: "on", Checked: p.LastUsed},
	}
	for i := range out.Changes {
		c := &out.Changes[i]
		row := changedUser{Name: aws.ToString(c.UserName), ARN: aws.ToString(c.Arn), What: states[aws.ToString(c.What)]}
		for _, l := range c.Lines {
			row.Lines = append(row.Lines, advisor.ChangeLine{Text: aws.ToString(l.Text), Opens: aws.ToBool(l.Opens)})
		}
		if aws.ToString(c.What) != advisor.UserRemoved && !strings.HasSuffix(row.ARN, ":root") {
			row.Path = "/users/" + url.PathEscape(row.Name)
		}
		p.Rows = append(p.Rows, row)
	}
	p.Pager = pagerOf(v, aws.ToString(out.Marker))
	return nil
}
