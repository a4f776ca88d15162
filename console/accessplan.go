package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

func (c *Console) accessPlanRoutes() []Route {
	return []Route{
		{Pattern: "GET /access-plan", Handle: c.showPlan},
		{Pattern: "GET /access-plan/sections/{id}", Handle: c.showPlanSection},
		{Pattern: "POST /access-plan", Handle: c.savePlan},
		{Pattern: "POST /access-plan/delete", Handle: c.deletePlan},
		{Pattern: "GET /access-plan/export", Handle: c.exportPlan},
	}
}

// The bounds of drafts and of what a page shows of a plan.
const (
	planPrefix = "plan/"
	maxNote    = 2000 // characters
	planRows   = 25   // of a section; the rest is on a page of its own
)

// planName is the name of a draft.
var planName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,47}$`)

// draft is what a person wrote to a plan.
type draft struct {
	Review string            `json:"review,omitempty"` // a day
	Notes  map[string]string `json:"notes,omitempty"`  // by section
}

type planPage struct {
	Now      time.Time
	Look     lookLine
	Denied   *Denied
	Problem  *Problem
	Account  string
	Draft    string // its name; empty: none is open
	Saved    time.Time
	Drafts   []planDraft
	Review   Field
	Name     Field
	Plan     *advisor.Plan
	Sections []planSection
	Export   url.Values
	Remove   Confirm
}

type planDraft struct {
	Name, Path string
	Changed    time.Time
	Current    bool
}

type planSection struct {
	advisor.Section
	More int // rows that are not shown
	Note Field
}

// ExportPath is the plan as a file.
func (p planPage) ExportPath(format string) string {
	q := maps.Clone(p.Export)
	q.Set("format", format)
	return "/access-plan/export?" + q.Encode()
}

func planPath(name string) string {
	if name == "" {
		return advisor.AccessPlanPage
	}
	return advisor.AccessPlanPage + "?" + url.Values{"draft": {name}}.Encode()
}

func (c *Console) showPlan(v *Visit) error {
	name := v.Query("draft")
	d, saved, err := v.planDraft(name)
	if err != nil {
		return err
	}
	return c.planPage(v, name, d, saved, nil)
}

// planDraft reads a draft of the person, an empty one if no name is given.
func (v *Visit) planDraft(name string) (*draft, time.Time, error) {
	d := &draft{Notes: map[string]string{}}
	if name == "" {
		return d, time.Time{}, nil
	}
	if !planName.MatchString(name) {
		return nil, time.Time{}, errNoPage
	}
	out, err := lanyard.Call[lanyard.GetStateOutput](v.Request.Context(), v.API().Lanyard, &lanyard.GetStateInput{Name: aws.String(planPrefix + name)})
	if err != nil {
		return nil, time.Time{}, err
	}
	if err := json.Unmarshal([]byte(*out.State.Value), d); err != nil {
		return nil, time.Time{}, fmt.Errorf("read the draft %s: %w", name, err)
	}
	if d.Notes == nil {
		d.Notes = map[string]string{}
	}
	return d, *out.State.Changed, nil
}

// plan is the access plan for a day of review, without what is written to it.
func (v *Visit) plan(review string) (*view, error) {
	seen, err := v.survey()
	if err != nil {
		return nil, err
	}
	day, err := time.Parse(time.DateOnly, review)
	if err != nil {
		return seen, nil // none: as the plan was made
	}
	other := *seen.look
	other.plan = seen.plan.On(day)
	other.sections = slices.Clone(seen.sections)
	for i := range other.sections {
		if s := &other.sections[i]; s.ID == advisor.RecommendationSection {
			*s = other.plan.Recommended()
		}
	}
	return &view{&other, seen.Refreshing}, nil
}

func (c *Console) planPage(v *Visit, name string, d *draft, saved time.Time, failed error) error {
	body := planPage{
		Now: v.Now, Account: v.Person.Account, Draft: name, Saved: saved, Look: lookLine{Path: planPath(name)},
		Review: Field{Name: "review", Label: "Next review", Type: "date", Value: d.Review, Optional: true, Hint: "The day on which somebody goes through this again. Empty: in 90 days."},
		Name:   Field{Name: "draft", Label: "Name of the draft", Value: name, MaxLength: 48, Autocomplete: "off", Hint: "Small letters, digits and dashes. Drafts are yours alone.", Mono: true},
		Export: url.Values{"draft": {name}},
		Remove: Confirm{ID: "remove-draft", Open: "Delete draft", Title: "Delete this draft?", Text: "Its notes and its day of review are gone. The plan itself is made from the account, and stays.", Action: "/access-plan/delete",
			Hidden: []Option{{Value: "draft", Text: name}}, Button: "Delete", Danger: true},
	}
	page := Page{
		Title: "Access plan", Lead: "Who and what can come in, by which credential, and what they may do: to be read, talked over, printed and signed.",
		Nav: advisor.AccessPlanPage, CLI: []Command{CLI("lanyard", "advise", "plan"), {Line: "lanyard advise plan --output markdown > plan.md"}},
	}
	if failed != nil {
		body.Problem, page.Status = v.ProblemOf(failed), http.StatusUnprocessableEntity
	}
	var err error
	if body.Drafts, err = v.planDrafts(name); err != nil {
		return err
	}
	day := d.Review
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		day = ""
	}
	seen, err := v.plan(day)
	var ok bool
	if ok, body.Denied, err = v.seen(&body.Look, seen, err); err != nil {
		return err
	}
	if ok {
		body.Look.ByHand = true
		body.Plan = seen.plan
		for _, s := range shownSections(seen.sections) {
			s.Note = Field{Name: "note-" + s.ID, Label: "Note on " + strings.ToLower(s.Title), Type: "textarea", Rows: 2, Value: d.Notes[s.ID], MaxLength: maxNote, Optional: true}
			body.Sections = append(body.Sections, s)
		}
	}
	page.Body = body
	if v.WantsFragment() {
		return v.Fragment("accessplan", "look", body)
	}
	return v.Render("accessplan", page)
}

// shownSections are the sections with as many rows as a page can show.
func shownSections(all []advisor.Section) []planSection {
	var list []planSection
	for _, s := range all {
		shown := planSection{Section: s}
		if len(s.Rows) > planRows {
			shown.Rows, shown.More = slices.Clone(s.Rows[:planRows]), len(s.Rows)-planRows
		}
		list = append(list, shown)
	}
	return list
}

func (v *Visit) planDrafts(current string) ([]planDraft, error) {
	out, err := lanyard.Call[lanyard.ListStatesOutput](v.Request.Context(), v.API().Lanyard, &lanyard.ListStatesInput{Prefix: aws.String(planPrefix)})
	if err != nil {
		return nil, err
	}
	var list []planDraft
	for _, s := range out.States {
		name := strings.TrimPrefix(*s.Name, planPrefix)
		if planName.MatchString(name) {
			list = append(list, planDraft{Name: name, Path: planPath(name), Changed: *s.Changed, Current: name == current})
		}
	}
	return list, nil
}

// savePlan keeps what is written to the plan, under the name in the form.
func (c *Console) savePlan(v *Visit) error {
	name, d := v.Form("draft"), &draft{Review: v.Form("review"), Notes: map[string]string{}}
	for field := range v.Request.PostForm {
		if section, ok := strings.CutPrefix(field, "note-"); ok && v.Form(field) != "" {
			d.Notes[section] = strings.ReplaceAll(v.Form(field), "\r\n", "\n")
		}
	}
	if err := d.check(v, name); err != nil {
		return c.planPage(v, name, d, time.Time{}, err)
	}
	text, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("write the draft: %w", err)
	}
	if _, err := lanyard.Call[lanyard.PutStateOutput](v.Request.Context(), v.API().Lanyard, &lanyard.PutStateInput{Name: aws.String(planPrefix + name), Value: aws.String(string(text))}); err != nil {
		return c.planPage(v, name, d, time.Time{}, err)
	}
	v.Flash(Good, "The draft "+name+" is saved.")
	return v.Redirect(planPath(name))
}

func (d *draft) check(v *Visit, name string) error {
	wrong := func(title, why string) error {
		return &Problem{Status: http.StatusUnprocessableEntity, Title: title, Why: why}
	}
	if !planName.MatchString(name) {
		return wrong("The draft needs a name", "It has small letters, digits and dashes, at most 48, such as "+v.Now.Format("2006-01")+"-review.")
	}
	if d.Review != "" {
		day, err := time.Parse(time.DateOnly, d.Review)
		if err != nil || day.Before(v.Now.AddDate(-1, 0, 0)) || day.After(v.Now.AddDate(5, 0, 0)) {
			return wrong("That is no day for a review", "Write it as 2027-02-25, within five years.")
		}
	}
	sections := new(advisor.Plan).Sections()
	for section, note := range d.Notes {
		if !slices.ContainsFunc(sections, func(s advisor.Section) bool { return s.ID == section }) {
			return wrong("There is no such section", "The plan has no section to which a note was sent.")
		}
		if utf8.RuneCountInString(note) > maxNote {
			return wrong("A note is too long", fmt.Sprintf("A note has at most %d characters.", maxNote))
		}
	}
	return nil
}

func (c *Console) deletePlan(v *Visit) error {
	name := v.Form("draft")
	if !planName.MatchString(name) {
		return errNoPage
	}
	if _, err := lanyard.Call[lanyard.DeleteStateOutput](v.Request.Context(), v.API().Lanyard, &lanyard.DeleteStateInput{Name: aws.String(planPrefix + name)}); err != nil {
		return err
	}
	v.Flash(Good, "The draft "+name+" is deleted.")
	return v.Redirect(advisor.AccessPlanPage)
}

// exportPlan is the whole plan with what is written to it.
func (c *Console) exportPlan(v *Visit) error {
	name := v.Query("draft")
	d, _, err := v.planDraft(name)
	if err != nil {
		return err
	}
	seen, err := v.plan(d.Review)
	if errors.Is(err, errLooking) {
		return stillLooking(planPath(name))
	}
	if err != nil {
		return err
	}
	whole := *seen.plan
	whole.Comments = d.Notes
	file := "access-plan-" + v.Person.Account
	if name != "" {
		file += "-" + name
	}
	switch v.Query("format") {
	case "json":
		text, err := json.MarshalIndent(&whole, "", "  ")
		if err != nil {
			return fmt.Errorf("write the plan: %w", err)
		}
		return v.Download(file+".json", "application/json", append(text, '\n'))
	case "markdown":
		var text bytes.Buffer
		if err := whole.WriteMarkdown(&text); err != nil {
			return fmt.Errorf("write the plan: %w", err)
		}
		return v.Download(file+".md", "text/markdown; charset=utf-8", text.Bytes())
	default:
		return errNoPage
	}
}
