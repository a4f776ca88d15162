package advisor

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/policy"
)

// Checklist is a guide of several steps. A step is done when the server sees that it is;
// nobody ticks it.
type Checklist struct {
	ChecklistInfo
	// Of is what it is about: an account, a user name, an access key.
	Of    string    `json:"of"`
	At    time.Time `json:"at"`
	Steps []Step    `json:"steps"`
	// Done counts the steps that are done or do not apply.
	Done int `json:"done"`
}

// ChecklistInfo is what a list of checklists shows.
type ChecklistInfo struct {
	Name    string  `json:"name"`
	Title   string  `json:"title"`
	Text    string  `json:"text"`
	Subject Subject `json:"subject"`
}

// Subject is what a checklist is about.
type Subject string

// The subjects.
const (
	AboutAccount Subject = "account"
	AboutPerson  Subject = "person"
	AboutKey     Subject = "key"
)

// The names of the checklists.
const (
	SecureAccount    = "secure-account"
	FirstCredentials = "first-credentials"
	RotateKey        = "rotate-key"
	KeyLeaked        = "key-leaked"
)

// Checklists are all checklists.
func Checklists() []ChecklistInfo {
	return []ChecklistInfo{
		{SecureAccount, "Secure this account", "What every account needs before it holds anything of value.", AboutAccount},
		{FirstCredentials, "My first temporary credentials", "From a key that lies on a disk to credentials that end by themselves.", AboutPerson},
		{RotateKey, "Rotate a key", "Put a new key in the place of an old one, while both work.", AboutKey},
		{KeyLeaked, "A key has leaked", "Stop it first, look what it did, then go back to work.", AboutKey},
	}
}

// ChecklistNamed finds a checklist.
func ChecklistNamed(name string) (ChecklistInfo, bool) {
	list := Checklists()
	i := slices.IndexFunc(list, func(c ChecklistInfo) bool { return c.Name == name })
	if i < 0 {
		return ChecklistInfo{}, false
	}
	return list[i], true
}

// StepState is how far a step is.
type StepState string

// The states of a step.
const (
	Done          StepState = "done"
	NotYet        StepState = "not yet"
	NotApplicable StepState = "not applicable"
)

// Step is one thing to do.
type Step struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Why   string `json:"why"`
	// Page is where it is done in the console, Commands do it in a shell.
	Page     string     `json:"page"`
	Commands []string   `json:"commands"`
	State    StepState  `json:"state"`
	Evidence []Evidence `json:"evidence"` // what the server saw
}

// Query is a search of the trail by LookupEvents, whose answer a checklist needs. It is
// comparable.
type Query struct {
	// Attribute is one of LookupEvents, such as EventName, and Value its value.
	Attribute string `json:"attribute"`
	Value     string `json:"value"`
	// Events are the names of the events that matter, with commas between; empty: all.
	Events string `json:"events,omitempty"`
	// Mentions are words that the record must hold, with spaces between.
	Mentions string `json:"mentions,omitempty"`
	// Enough is after how many of them the search can end; 0: at the collector's bound.
	Enough int `json:"enough,omitempty"`
}

// Matches tells whether an event with this name and record is asked for.
func (q *Query) Matches(name, record string) bool {
	for word := range strings.FieldsSeq(q.Mentions) {
		if !strings.Contains(record, word) {
			return false
		}
	}
	return q.Events == "" || slices.Contains(strings.Split(q.Events, ","), name)
}

// Event is what is looked at of CloudTrail's record.
type Event struct {
	ID, RequestID string
	At            time.Time
	Name, Source  string
	// User is the user's name, or the session's; Type is userIdentity's.
	User, Type string
	// Key is the access key that signed the request.
	Key string
	// MFA tells whether it was made in a session with MFA.
	MFA bool
	// Error is the code of the error that it ended with.
	Error string
	// Request and Response are the record's members, nil where it has none.
	Request, Response map[string]any
}

// Progress is what the server saw of what a checklist is about.
type Progress struct {
	// User is the person, or the owner of the key; empty if nobody knows whose it was.
	User string
	Key  string
	// Events are the answers to queries, newest first.
	Events map[Query][]Event
}

// ErrUnknownKey: the server never saw the access key.
var ErrUnknownKey = errors.New("no such access key is or was here")

// Wanted are the queries that a checklist needs and that Progress does not answer yet.
// It is asked again after they are answered, until it returns none.
func Wanted(name string, f *Facts, p *Progress) []Query { return NewStudy(f).Wanted(name, p) }

// Wanted is [Wanted] of the facts that are studied.
func (s *Study) Wanted(name string, p *Progress) []Query {
	m := &marking{Study: s, Progress: p}
	m.mark(name)
	return m.wanted
}

// MakeChecklist says how far a checklist is. Of the facts it needs the account for
// SecureAccount, else the one user.
func MakeChecklist(name string, f *Facts, p *Progress) (*Checklist, error) {
	return NewStudy(f).Checklist(name, p)
}

// Checklist is [MakeChecklist] of the facts that are studied.
func (s *Study) Checklist(name string, p *Progress) (*Checklist, error) {
	info, ok := ChecklistNamed(name)
	if !ok {
		return nil, fmt.Errorf("there is no checklist %q", name)
	}
	m := &marking{Study: s, Progress: p}
	m.mark(name)
	if len(m.wanted) > 0 {
		return nil, fmt.Errorf("the trail was not asked for %+v", m.wanted)
	}
	if info.Subject == AboutKey && m.unknown() {
		return nil, ErrUnknownKey
	}
	c := &Checklist{ChecklistInfo: info, At: m.Now.UTC(), Steps: m.steps, Of: map[Subject]string{AboutAccount: m.Account, AboutPerson: p.User, AboutKey: p.Key}[info.Subject]}
	for i := range c.Steps {
		if c.Steps[i].State != NotYet {
			c.Done++
		}
		c.Steps[i].Evidence = nonNil(c.Steps[i].Evidence)
	}
	return c, nil
}

// marking is a checklist under way.
type marking struct {
	*Study
	*Progress
	steps  []Step
	wanted []Query
}

func (m *marking) mark(name string) {
	switch name {
	case SecureAccount:
		m.secureAccount()
	case FirstCredentials:
		m.firstCredentials()
	case RotateKey:
		m.rotateKey()
	case KeyLeaked:
		m.keyLeaked()
	}
}

// events answers a query, or notes that it is to be asked.
func (m *marking) events(q Query) []Event {
	list, ok := m.Events[q]
	if !ok && !slices.Contains(m.wanted, q) {
		m.wanted = append(m.wanted, q)
	}
	return list
}

// step adds a step. What is not done yet has evidence, too: what is in the way.
func (m *marking) step(s Step, state StepState, evidence ...Evidence) {
	s.State, s.Evidence = state, evidence
	m.steps = append(m.steps, s)
}

// when makes a state of a yes or no.
func when(done bool) StepState {
	if done {
		return Done
	}
	return NotYet
}

// subject is the user that the checklist is about, nil if there is none.
func (m *marking) subject() *User {
	i := slices.IndexFunc(m.Users, func(u User) bool { return u.Name == m.User })
	if i < 0 {
		return nil
	}
	return &m.Users[i]
}

// text is a member of a request's or response's parameters, by a path with dots.
func text(members map[string]any, path string) string {
	for {
		name, rest, more := strings.Cut(path, ".")
		value := members[name]
		if !more {
			s, _ := value.(string)
			return s
		}
		members, _ = value.(map[string]any)
		path = rest
	}
}

// seen is an event as evidence.
func seen(e *Event) []Evidence {
	return []Evidence{{"event", e.Name}, {"at", moment(e.At)}, {"event id", e.ID}}
}

// WriteText writes a checklist for a terminal.
func (c *Checklist) WriteText(out io.Writer) error {
	w := new(strings.Builder)
	fmt.Fprintf(w, "%s (%s): %d of %d\n%s\n", c.Title, c.Of, c.Done, len(c.Steps), c.Text)
	for i := range c.Steps {
		s := &c.Steps[i]
		fmt.Fprintf(w, "\n%d. [%s] %s\n", i+1, s.State, s.Title)
		for _, e := range s.Evidence {
			fmt.Fprintf(w, "     %s: %s\n", e.Name, e.Value)
		}
		if s.State != NotYet {
			continue
		}
		fmt.Fprintf(w, "   why  %s\n", s.Why)
		for j, command := range s.Commands {
			fmt.Fprintf(w, "   %s   %s\n", map[bool]string{true: "do", false: "  "}[j == 0], command)
		}
	}
	_, err := io.WriteString(out, policy.Printable(w.String()))
	return err
}
