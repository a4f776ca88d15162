package console

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

func (c *Console) checklistRoutes() []Route {
	return []Route{
		{Pattern: "GET /checklists", Handle: c.showChecklists},
		{Pattern: "GET /checklists/{name}", Handle: c.showChecklist},
	}
}

// progressPrefix begins the names of the states in which a person's progress is kept, and
// progressKept is how many are.
const (
	progressPrefix = "checklist/"
	progressKept   = 40
)

// Progress is how far a person came with a checklist. What was seen done stays so.
type progress struct {
	List    string              `json:"list"`
	Subject string              `json:"subject,omitempty"`
	Steps   int                 `json:"steps"`
	Done    int                 `json:"done"`
	Seen    map[string]doneStep `json:"seen"` // by the step's id
}

// doneStep is a step that the server saw done.
type doneStep struct {
	At       time.Time          `json:"at"`
	Evidence []advisor.Evidence `json:"evidence,omitempty"`
	Skipped  bool               `json:"skipped,omitempty"` // it does not apply
}

// stateName is where progress is kept. A subject may hold what a state's name may not.
func stateName(list, subject string) string {
	if subject == "" {
		return progressPrefix + list
	}
	sum := sha256.Sum256([]byte(subject))
	return progressPrefix + list + "/" + hex.EncodeToString(sum[:8])
}

// progresses are those of the person, the one that moved last first.
func (v *Visit) progresses(ctx context.Context) ([]progress, error) {
	out, err := lanyard.Call[lanyard.ListStatesOutput](ctx, v.API().Lanyard, &lanyard.ListStatesInput{Prefix: aws.String(progressPrefix)})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out.States, func(a, b lanyard.State) int { return b.Changed.Compare(*a.Changed) })
	var list []progress
	for _, s := range out.States {
		var p progress
		if err := json.Unmarshal([]byte(*s.Value), &p); err == nil { // what a later version wrote is left out
			list = append(list, p)
		}
	}
	return list, nil
}

// progressOn reads the person's progress with one checklist.
func (v *Visit) progressOn(list, subject string) (*progress, error) {
	p := &progress{List: list, Subject: subject, Seen: map[string]doneStep{}}
	out, err := lanyard.Call[lanyard.GetStateOutput](v.Request.Context(), v.API().Lanyard, &lanyard.GetStateInput{Name: aws.String(stateName(list, subject))})
	var none *lanyard.Failure
	if errors.As(err, &none) && none.Code == "ResourceNotFoundException" {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(*out.State.Value), p); err != nil || p.Seen == nil {
		return &progress{List: list, Subject: subject, Seen: map[string]doneStep{}}, nil // it is seen again
	}
	return p, nil
}

// keepProgress writes it, in the place of the oldest if there are many.
func (v *Visit) keepProgress(p *progress) error {
	ctx, client := v.Request.Context(), v.API().Lanyard
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("write the progress: %w", err)
	}
	out, err := lanyard.Call[lanyard.ListStatesOutput](ctx, client, &lanyard.ListStatesInput{Prefix: aws.String(progressPrefix)})
	if err != nil {
		return err
	}
	name := stateName(p.List, p.Subject)
	if len(out.States) >= progressKept && !slices.ContainsFunc(out.States, func(s lanyard.State) bool { return *s.Name == name }) {
		oldest := slices.MinFunc(out.States, func(a, b lanyard.State) int { return a.Changed.Compare(*b.Changed) })
		if _, err := lanyard.Call[lanyard.DeleteStateOutput](ctx, client, &lanyard.DeleteStateInput{Name: oldest.Name}); err != nil {
			return err
		}
	}
	_, err = lanyard.Call[lanyard.PutStateOutput](ctx, client, &lanyard.PutStateInput{Name: &name, Value: aws.String(string(text))})
	return err
}

// note takes over what a checklist says now, and tells whether that is news.
func (p *progress) note(list *advisor.Checklist) bool {
	news := p.Steps != len(list.Steps)
	p.Steps = len(list.Steps)
	done := 0
	for i := range list.Steps {
		s := &list.Steps[i]
		_, seen := p.Seen[s.ID]
		if s.State != advisor.NotYet && !seen {
			p.Seen[s.ID] = doneStep{At: list.At, Evidence: firstOfEvidence(s.Evidence), Skipped: s.State == advisor.NotApplicable}
			news = true
		}
		if shown := p.step(list, i); shown.Done || shown.Skipped {
			done++
		}
	}
	news = news || p.Done != done
	p.Done = done
	return news
}

// firstOfEvidence is as much as is kept: a state is small.
func firstOfEvidence(list []advisor.Evidence) []advisor.Evidence {
	var kept []advisor.Evidence
	for _, e := range list[:min(len(list), 4)] {
		if len(e.Value) > 256 {
			e.Value = strings.ToValidUTF8(e.Value[:256], "") + "…"
		}
		kept = append(kept, e)
	}
	return kept
}

// shownStep is a step on its page.
type shownStep struct {
	advisor.Step
	Number        int
	Done, Skipped bool
	// Undone is a step about the account that was done once and is so no longer.
	Undone   bool
	At       time.Time // when it was seen done
	Commands []Command
	More     int // commands, and evidence, that are not shown
	MoreSeen int
}

// What is shown of a step: in a large account it may be about thousands.
const (
	shownCommands = 12
	shownEvidence = 12
)

// step is a step with what was seen. A step of a procedure that was done stays done: its
// evidence may have gone with the key that it was about. What an account must be is asked
// as of now.
func (p *progress) step(list *advisor.Checklist, i int) shownStep {
	s := shownStep{Step: list.Steps[i], Number: i + 1}
	seen, was := p.Seen[s.ID]
	s.At = seen.At
	if n := len(s.Evidence); n > shownEvidence {
		s.Evidence, s.MoreSeen = s.Evidence[:shownEvidence], n-shownEvidence
	}
	switch {
	case s.State == advisor.Done:
		s.Done = true
	case s.State == advisor.NotApplicable:
		s.Skipped = true
	case was && list.Subject == advisor.AboutAccount:
		s.Undone = !seen.Skipped
	case was:
		s.Done, s.Skipped, s.Evidence = !seen.Skipped, seen.Skipped, seen.Evidence
		s.MoreSeen = 0
	}
	if s.Done || s.Skipped {
		return s
	}
	for _, line := range s.Step.Commands[:min(len(s.Step.Commands), shownCommands)] {
		s.Commands = append(s.Commands, Command{Line: line})
	}
	s.More = len(s.Step.Commands) - len(s.Commands)
	return s
}

type checklistsPage struct {
	Now      time.Time
	Lists    []checklistCard
	Progress []progressRow
}

type checklistCard struct {
	advisor.ChecklistInfo
	Path  string // empty: it is about a key, which is asked for
	State State
	Key   Field
}

type progressRow struct {
	Title, Of, Path string
	Done, Steps     int
}

func (c *Console) showChecklists(v *Visit) error {
	kept, err := v.progresses(v.Request.Context())
	if err != nil {
		return err
	}
	body := checklistsPage{Now: v.Now, Progress: progressRows(kept), Lists: checklistCards(kept, func(advisor.Subject) bool { return true })}
	return v.Render("checklists", Page{
		Title: "Checklists", Lead: "Guided steps. Each says why, leads to its page and its command, and ticks itself when the server sees that it is done.",
		CLI:  []Command{CLI("lanyard", "advise", "checklist"), CLI("lanyard", "advise", "checklist", advisor.SecureAccount)},
		Body: body,
	})
}

// checklistCards are the checklists about some subjects, with the newest progress.
func checklistCards(kept []progress, about func(advisor.Subject) bool) []checklistCard {
	var cards []checklistCard
	for _, info := range advisor.Checklists() {
		if !about(info.Subject) {
			continue
		}
		card := checklistCard{ChecklistInfo: info, State: State{Neutral, "Not begun"}, Path: advisor.ChecklistPage(info.Name, "")}
		if info.Subject == advisor.AboutKey {
			card.Path, card.State = "", State{}
			card.Key = Field{Name: "key", Label: "Access key id", Mono: true, Placeholder: "AKIA…", MaxLength: 128, Autocomplete: "off"}
		} else if i := slices.IndexFunc(kept, func(p progress) bool { return p.List == info.Name }); i >= 0 {
			card.State = kept[i].state()
		}
		cards = append(cards, card)
	}
	return cards
}

func (p *progress) state() State {
	switch {
	case p.Steps > 0 && p.Done >= p.Steps:
		return State{Good, "Done"}
	case p.Done == 0:
		return State{Neutral, "Not begun"}
	default:
		return State{Info, fmt.Sprintf("%d of %d done", p.Done, p.Steps)}
	}
}

func progressRows(kept []progress) []progressRow {
	var rows []progressRow
	for _, p := range kept {
		info, ok := advisor.ChecklistNamed(p.List)
		if !ok {
			continue
		}
		rows = append(rows, progressRow{Title: info.Title, Of: p.Subject, Path: checklistPath(&info, p.Subject), Done: p.Done, Steps: p.Steps})
	}
	return rows
}

func checklistPath(info *advisor.ChecklistInfo, subject string) string {
	if info.Subject == advisor.AboutPerson && subject != "" {
		return advisor.ChecklistPage(info.Name, "") + "?" + url.Values{"user": {subject}}.Encode()
	}
	return advisor.ChecklistPage(info.Name, subject)
}

type checklistPage struct {
	Now     time.Time
	Info    advisor.ChecklistInfo
	Of      string
	Look    lookLine
	Poll    string // the path to ask again at while something is to do; empty: not any more
	Denied  *Denied
	Problem *Problem
	Ask     *Field // for what it is about
	Steps   []shownStep
	Done    int
	Kept    bool // the progress
}

// pollFor is for how long a page that is left open asks again: not for ever, which would
// keep the session from ending by itself.
const pollFor = 10 * time.Minute

func (c *Console) showChecklist(v *Visit) error {
	info, ok := advisor.ChecklistNamed(v.Request.PathValue("name"))
	if !ok {
		return errNoPage
	}
	body := checklistPage{Now: v.Now, Info: info}
	page := Page{Title: info.Title, Lead: info.Text, Crumbs: []Crumb{{"Checklists", "/checklists"}}, CLI: []Command{CLI("lanyard", "advise", "checklist", info.Name)}}
	subject, ask := checklistSubject(v, &info)
	if ask != nil {
		body.Ask, page.Body = ask, &body
		if ask.Error != "" {
			page.Status = http.StatusUnprocessableEntity
		}
		return v.Render("checklist", page)
	}
	if subject != "" {
		flag := map[advisor.Subject]string{advisor.AboutKey: "--key", advisor.AboutPerson: "--user"}[info.Subject]
		page.CLI = []Command{CLI("lanyard", "advise", "checklist", info.Name, flag, subject)}
	}
	if err := v.fillChecklist(&body, &info, subject); err != nil {
		return err
	}
	page.Body = &body
	if v.WantsFragment() {
		if body.Poll != "" && !body.Look.Refreshing && v.Query("seen") == body.digest() {
			return v.NoNews() // what is open on the page stays open
		}
		return v.Fragment("checklist", "look", &body)
	}
	return v.Render("checklist", page)
}

// digest tells whether a page that is open shows what is so.
func (p *checklistPage) digest() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %+v", p.Done, p.Steps))
	return hex.EncodeToString(sum[:8])
}

// checklistSubject is what the checklist is about, or the question for it.
func checklistSubject(v *Visit, info *advisor.ChecklistInfo) (string, *Field) {
	switch info.Subject {
	case advisor.AboutKey:
		id := v.Query("key")
		if arn.IsAccessKey(id) {
			return id, nil
		}
		ask := &Field{Name: "key", Label: "Access key id", Value: id, Mono: true, Placeholder: "AKIA…", MaxLength: 128, Autocomplete: "off", Hint: "It is in the credentials file, in the report of the leak, or on the user's page."}
		if id != "" {
			ask.Error = "A long-term access key id is AKIA and 16 more letters and digits."
		}
		return "", ask
	case advisor.AboutPerson:
		if name := v.Query("user"); name != "" {
			return name, nil
		}
		if v.Person.Kind == "IAM user" {
			return v.Person.Name, nil
		}
		return "", &Field{Name: "user", Label: "User name", MaxLength: 64, Autocomplete: "off", Hint: "You are not signed in as an IAM user. Whose credentials is it about?"}
	default:
		return "", nil
	}
}

func (v *Visit) fillChecklist(p *checklistPage, info *advisor.ChecklistInfo, subject string) error {
	path := checklistPath(info, subject)
	p.Look = lookLine{Path: path}
	seen, err := v.checklist(info, subject)
	if errors.Is(err, advisor.ErrUnknownKey) {
		p.Problem = &Problem{Status: http.StatusNotFound, Title: "There is no such key", Why: "This account has no access key " + subject + ", and its trail knows of none.", ID: v.ID,
			Do: []Step{{"Ask for another.", "/checklists/" + info.Name}}}
		return nil
	}
	var ok bool
	if ok, p.Denied, err = v.seen(&p.Look, seen, err); !ok {
		return err
	}
	list := seen.checklist
	p.Of = list.Of
	kept, err := v.progressOn(info.Name, subject)
	if err != nil {
		return err
	}
	if kept.note(list) {
		if err := v.keepProgress(kept); err != nil {
			return err
		}
	}
	for i := range list.Steps {
		p.Steps = append(p.Steps, kept.step(list, i))
	}
	p.Done = kept.Done
	began := v.Now
	if at, err := strconv.ParseInt(v.Query("since"), 10, 64); err == nil {
		began = time.Unix(at, 0)
	}
	if p.Done < len(p.Steps) && v.Now.Sub(began).Abs() < pollFor {
		p.Poll = path + map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] +
			url.Values{"since": {strconv.FormatInt(began.Unix(), 10)}, "seen": {p.digest()}}.Encode()
	}
	return nil
}

// checklist is the person's look at a checklist. That of the account comes with the
// findings; of a key or a person, what matters are also reads, so it is looked each time.
func (v *Visit) checklist(info *advisor.ChecklistInfo, subject string) (*view, error) {
	if info.Subject != advisor.AboutAccount {
		return v.console.surveys.of(v.looker(), surveyKey{account: v.Person.Account, session: v.Person.looks(), what: forChecklist, name: info.Name, subject: subject})
	}
	seen, err := v.survey()
	if err != nil {
		return nil, err
	}
	list := seen.checklists[info.Name]
	if list.err != nil {
		return nil, list.err
	}
	one := *seen.look
	one.checklist = list.Checklist
	return &view{&one, seen.Refreshing}, nil
}
