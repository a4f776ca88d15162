package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

func (c *Console) findingRoutes() []Route {
	return []Route{
		{Pattern: "GET /findings", Handle: c.showFindings},
		{Pattern: "GET /findings/export", Handle: c.exportFindings},
		{Pattern: "GET /findings/suppress", Handle: c.showSuppress},
		{Pattern: "POST /findings/suppress", Handle: c.suppress},
		{Pattern: "POST /findings/unsuppress", Handle: c.unsuppress},
	}
}

// findingsAtOnce is how many findings a page has, and rulesShown from how many on there is
// a list of the kinds.
const (
	findingsAtOnce = 25
	rulesShown     = 8
)

// lookLine says of when a page is, and asks again while a newer look is being made.
// Template "look-line" is swapped together with what is in the element with the id "look".
type lookLine struct {
	At         time.Time // zero: there is no look yet
	Refreshing bool
	// ByHand tells that the page does not ask by itself: it would take away what somebody
	// is writing into it.
	ByHand bool
	Path   string
}

// Clock is the time of day of the look.
func (l lookLine) Clock() string { return l.At.UTC().Format("15:04:05 MST") }

type findingsPage struct {
	Now        time.Time
	Look       lookLine
	Denied     *Denied
	Ring       Chart
	Counts     []severityCount
	Tabs       []Tab
	Suppressed bool // the tab
	Filter     Filter
	Rules      []ruleCount
	Narrowed   string // what the list is narrowed to
	Findings   []shownFinding
	Empty      *Empty
	Pager      Pager
	Notes      []string
}

type severityCount struct {
	Level string
	Count int
	Path  string
}

type ruleCount struct {
	ID, Title, Level, Path string
	Count                  int
}

// shownFinding is a finding as the page has it.
type shownFinding struct {
	advisor.Finding
	Who      string // of whom or of what it is, in short
	Suppress string // path of the form
	Commands []Command
}

// report returns the review of the account for a page, or none where the person may not
// look or nobody has yet.
func (v *Visit) report() (*view, lookLine, *Denied, error) {
	line := lookLine{Path: v.Request.URL.RequestURI()}
	seen, err := v.review()
	ok, denied, err := v.seen(&line, seen, err)
	if !ok {
		return nil, line, denied, err
	}
	return seen, line, nil, nil
}

// seen fills in what a page says of a look at the account. If it is not ok, there is none to
// show: denied says why, if the person may not look; otherwise there is none yet.
func (v *Visit) seen(line *lookLine, seen *view, err error) (ok bool, denied *Denied, _ error) {
	switch {
	case errors.Is(err, errLooking):
		line.Refreshing = true
		return false, nil, nil
	case refused(err):
		return false, v.deniedOf(err), nil
	case err != nil:
		return false, nil, err
	}
	line.At, line.Refreshing = seen.began, seen.Refreshing
	return true, nil, nil
}

func (c *Console) showFindings(v *Visit) error {
	seen, line, denied, err := v.report()
	if err != nil {
		return err
	}
	body := findingsPage{Now: v.Now, Look: line, Denied: denied, Suppressed: v.Query("show") == "suppressed"}
	if seen != nil {
		v.fillFindings(&body, seen)
	}
	if v.WantsFragment() {
		return v.Fragment("findings", "look", body)
	}
	return v.Render("findings", Page{
		Title: "Findings",
		Lead:  "What is unsafe in this account, with what was seen and how to put it right.",
		CLI: []Command{
			{Comment: "The same list, to read or for a script. It exits 1 while something of high severity is open.", Line: "lanyard advise --fail-on high"},
			{Line: "lanyard advise --output json"},
		},
		Body: body,
	})
}

// findingsPath is the list, narrowed.
func findingsPath(change url.Values) string {
	if text := change.Encode(); text != "" {
		return advisor.FindingsPage + "?" + text
	}
	return advisor.FindingsPage
}

func (v *Visit) fillFindings(p *findingsPage, seen *view) {
	r := seen.report
	p.Ring = Ring("Safety score", r.Score)
	p.Notes = r.Notes
	p.Counts = severityCounts(r)
	p.Tabs = []Tab{
		{Text: "Open", Path: findingsPath(nil), Count: len(r.Findings), Current: !p.Suppressed},
		{Text: "Suppressed", Path: findingsPath(url.Values{"show": {"suppressed"}}), Count: len(r.Suppressed), Current: p.Suppressed},
	}
	list := r.Findings
	narrow := url.Values{}
	if p.Suppressed {
		list = r.Suppressed
		narrow.Set("show", "suppressed")
	} else if len(list) > rulesShown {
		p.Rules = rulesOf(list)
	}
	var words []string
	var is []func(*advisor.Finding) bool
	keep := func(name, value, text string, fits func(*advisor.Finding) bool) {
		if value == "" {
			return
		}
		narrow.Set(name, value)
		words = append(words, text)
		is = append(is, fits)
	}
	severity, rule, word := v.Query("severity"), v.Query("rule"), strings.ToLower(v.Query("filter"))
	keep("severity", severity, severity+" severity", func(f *advisor.Finding) bool { return f.Severity.String() == severity })
	keep("rule", rule, rule, func(f *advisor.Finding) bool { return f.ID == rule })
	keep("filter", word, "“"+word+"”", func(f *advisor.Finding) bool {
		if strings.Contains(word, " ") {
			return within(f.ID+" "+f.Title+" "+f.ARN+" "+f.Key, word)
		}
		return within(f.ID, word) || within(f.Title, word) || within(f.ARN, word) || within(f.Key, word)
	})
	if len(is) > 0 {
		var fitting []advisor.Finding
		for i := range list {
			if !slices.ContainsFunc(is, func(fits func(*advisor.Finding) bool) bool { return !fits(&list[i]) }) {
				fitting = append(fitting, list[i])
			}
		}
		list = fitting
	}
	p.Narrowed = strings.Join(words, ", ")
	p.Filter = Filter{Table: "findings", Label: "Find by name, ARN or key", Value: word, Path: advisor.FindingsPage, Count: len(list), Noun: "finding"}

	page, _ := strconv.Atoi(v.Query("page")) // what is no number is the first
	page = max(1, min(page, (len(list)+findingsAtOnce-1)/findingsAtOnce))
	first := (page - 1) * findingsAtOnce
	last := min(first+findingsAtOnce, len(list))
	if page > 1 {
		p.Pager.First = findingsPath(narrow)
	}
	if last < len(list) {
		next := url.Values{"page": {strconv.Itoa(page + 1)}}
		for name, values := range narrow {
			next[name] = values
		}
		p.Pager.Next = findingsPath(next)
	}
	p.Pager.Shown = fmt.Sprintf("Findings %d–%d of %d", first+1, last, len(list))
	for i := min(first, last); i < last; i++ {
		p.Findings = append(p.Findings, showFinding(&list[i]))
	}
	if len(p.Findings) == 0 {
		p.Empty = emptyFindings(p.Suppressed, p.Narrowed != "")
	}
}

// within tells whether a text holds a word of small letters, whatever the case of its own:
// names are what the API lets through, so that nearly all are ASCII.
func within(text, word string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return strings.Contains(strings.ToLower(text), word)
		}
	}
	for i := 0; i+len(word) <= len(text); i++ {
		j := 0
		for j < len(word) && lower(text[i+j]) == word[j] {
			j++
		}
		if j == len(word) {
			return true
		}
	}
	return false
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

func severityCounts(r *advisor.Report) []severityCount {
	return []severityCount{
		{"high", r.High, findingsPath(url.Values{"severity": {"high"}})},
		{"medium", r.Medium, findingsPath(url.Values{"severity": {"medium"}})},
		{"low", r.Low, findingsPath(url.Values{"severity": {"low"}})},
	}
}

func emptyFindings(suppressed, narrowed bool) *Empty {
	switch {
	case narrowed:
		return &Empty{Icon: "search", Title: "Nothing like that", Text: "There is no such finding.", Action: Step{"Show all", advisor.FindingsPage}}
	case suppressed:
		return &Empty{Icon: "shield", Title: "Nothing is suppressed", Text: "A finding that you can live with for a time is suppressed with a reason and an end date. It takes nothing from the score until then."}
	default:
		return &Empty{Icon: "shield", Title: "Nothing is open", Text: "Every rule was applied, and this account breaks none of them.", More: Step{"Make an access plan, to keep it so", advisor.AccessPlanPage}}
	}
}

func showFinding(f *advisor.Finding) shownFinding {
	shown := shownFinding{Finding: *f, Who: shortName(f.ARN), Suppress: "/findings/suppress?" + url.Values{"id": {f.ID}, "arn": {f.ARN}}.Encode()}
	for _, line := range f.Fix {
		shown.Commands = append(shown.Commands, Command{Line: line})
	}
	return shown
}

// shortName is an ARN in short: user alice, root.
func shortName(entity string) string {
	parts := strings.SplitN(entity, ":", 6)
	if len(parts) < 6 {
		return entity
	}
	kind, rest, found := strings.Cut(parts[5], "/")
	name := rest[strings.LastIndexByte(rest, '/')+1:]
	if kind == "assumed-role" {
		return "role " + rest // and the session's name
	}
	if !found || name == "" {
		return parts[5]
	}
	return kind + " " + name
}

// rulesOf counts the findings of each kind.
func rulesOf(list []advisor.Finding) []ruleCount {
	var counts []ruleCount
	for n := range list {
		f := &list[n]
		i := slices.IndexFunc(counts, func(c ruleCount) bool { return c.ID == f.ID })
		if i < 0 {
			i = len(counts)
			counts = append(counts, ruleCount{ID: f.ID, Title: f.Title, Level: f.Severity.String(), Path: findingsPath(url.Values{"rule": {f.ID}})})
		}
		counts[i].Count++
	}
	return counts
}

func (c *Console) exportFindings(v *Visit) error {
	seen, _, denied, err := v.report()
	switch {
	case err != nil:
		return err
	case denied != nil:
		return &Problem{Status: http.StatusForbidden, Title: "You do not have permission for this", Why: "It takes " + denied.Action + ".", ID: denied.ID,
			Do: []Step{{"See why, and the smallest change that would allow it.", "/why/" + url.PathEscape(denied.ID)}}}
	case seen == nil:
		return stillLooking(advisor.FindingsPage)
	}
	text, err := json.MarshalIndent(seen.report, "", "  ")
	if err != nil {
		return fmt.Errorf("write the findings: %w", err)
	}
	return v.Download("findings-"+v.Person.Account+".json", "application/json", append(text, '\n'))
}

// stillLooking is the answer to what wants a whole look while there is none.
func stillLooking(back string) error {
	return &Problem{
		Status: http.StatusServiceUnavailable, Title: "The account is still being read",
		Why: "A large account takes some seconds, the first time.",
		Do:  []Step{{"Go back, and take it when the page is there.", back}},
	}
}

// suppressPage is the form that accepts a finding.
type suppressPage struct {
	Rule    advisor.Rule
	Level   string
	ARN     string
	Who     string
	Fields  []Field
	Problem *Problem
}

// The ends that a suppression is offered, in days.
const defaultSuppression = 30

func (c *Console) showSuppress(v *Visit) error {
	return c.suppressForm(v, v.Query("id"), v.Query("arn"), "", v.Now.AddDate(0, 0, defaultSuppression).Format(time.DateOnly), nil)
}

func (c *Console) suppressForm(v *Visit, id, entity, reason, until string, failed error) error {
	rule, ok := advisor.RuleOf(id)
	if !ok || entity == "" {
		return errNoPage
	}
	body := suppressPage{Rule: rule, Level: rule.Severity.String(), ARN: entity, Who: shortName(entity)}
	body.Fields = []Field{
		{Name: "id", Type: "hidden", Value: id},
		{Name: "arn", Type: "hidden", Value: entity},
		{Name: "reason", Label: "Why is it accepted?", Value: reason, MaxLength: 500, Hint: "Who looks next reads this. Say what makes it safe enough, or what has to happen first."},
		{Name: "until", Label: "Until", Type: "date", Value: until, Hint: "It is shown again after this day (UTC), at most a year from now."},
	}
	page := Page{
		Title: "Suppress a finding", Lead: "It is set apart and takes nothing from the score until the day that you choose. Your name, the reason and the day are on the trail.",
		Crumbs: []Crumb{{"Findings", advisor.FindingsPage}},
		CLI:    []Command{CLI("lanyard", "advise", "suppress", id, entity, "--reason", "…", "--until", until)},
	}
	if failed != nil {
		page.Status = http.StatusUnprocessableEntity
		body.Problem = v.ProblemOf(failed)
	}
	page.Body = body
	return v.Render("suppress", page)
}

func (c *Console) suppress(v *Visit) error {
	id, entity, reason, until := v.Form("id"), v.Form("arn"), v.Form("reason"), v.Form("until")
	day, err := time.Parse(time.DateOnly, until)
	if err != nil {
		err = &Problem{Status: http.StatusUnprocessableEntity, Title: "That is no date", Why: "The end is a day such as " + v.Now.AddDate(0, 0, defaultSuppression).Format(time.DateOnly) + "."}
	} else {
		_, err = lanyard.Call[lanyard.PutSuppressionOutput](v.Request.Context(), v.API().Lanyard, &lanyard.PutSuppressionInput{
			FindingId: &id, Arn: &entity, Reason: &reason, Until: aws.Time(day.AddDate(0, 0, 1)),
		})
	}
	if err != nil {
		return c.suppressForm(v, id, entity, reason, until, err)
	}
	v.Flash(Good, fmt.Sprintf("%s of %s is suppressed until %s.", id, shortName(entity), until))
	return v.Redirect(advisor.FindingsPage)
}

func (c *Console) unsuppress(v *Visit) error {
	id, entity := v.Form("id"), v.Form("arn")
	if _, err := lanyard.Call[lanyard.DeleteSuppressionOutput](v.Request.Context(), v.API().Lanyard, &lanyard.DeleteSuppressionInput{FindingId: &id, Arn: &entity}); err != nil {
		return err
	}
	v.Flash(Good, fmt.Sprintf("%s of %s is suppressed no longer.", id, shortName(entity)))
	return v.Redirect(findingsPath(url.Values{"show": {"suppressed"}}))
}
