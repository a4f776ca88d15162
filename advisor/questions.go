package advisor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Question is one of those by which a situation is described. The terminal and the
// console ask the same.
type Question struct {
	ID   string `json:"id"` // also the name of the flag and of the form's field
	Text string `json:"text"`
	Help string `json:"help,omitempty"`
	// Options are the answers to choose from.
	Options []Option `json:"options"`
	// Default is taken where nobody answers; empty: an answer is needed.
	Default string `json:"default,omitempty"`
	// When are the answers to former questions that make this one matter; all of them. A
	// question without any always matters.
	When []Condition `json:"when,omitempty"`
}

// Option is an answer to choose.
type Option struct {
	Value string `json:"value"`
	Text  string `json:"text"`
}

// Condition holds if the answer to a question is one of the values.
type Condition struct {
	Question string   `json:"question"`
	Values   []string `json:"values"`
}

// The questions' ids.
const (
	AskWho     = "who"
	AskWhere   = "where"
	AskBrowser = "browser"
	AskReaches = "reaches"
	AskLasting = "lasting"
)

// Questions are all questions, in the order in which they are asked.
func Questions() []Question {
	yesNo := []Option{{"yes", "yes"}, {"no", "no"}}
	return []Question{
		{ID: AskWho, Text: "What needs access?", Options: []Option{{"person", "a person"}, {"workload", "a program"}}},
		{ID: AskWhere, Text: "Where does it run?", Help: "For a person: where they type.", Options: []Option{
			{string(Machine), "this machine, as the user who runs the server"}, {string(Elsewhere), "another machine, or as another user"}, {string(Container), "a container"},
			{string(Kubernetes), "Kubernetes"}, {string(GitHub), "GitHub Actions"}, {string(GitLab), "GitLab CI"}, {string(CI), "another CI"}, {string(Cloud), "another cloud"},
			{string(OnPremises), "a server on premises"}, {string(Instance), "a virtual machine with an instance metadata service"},
		}},
		{ID: AskBrowser, Text: "Can a browser be opened there?", Options: yesNo, Default: "no", When: []Condition{{AskWho, []string{"person"}}}},
		{ID: AskReaches, Text: "Does the network there reach this server?", Options: yesNo, Default: "yes"},
		{ID: AskLasting, Text: "For how long?", Help: "Or a time such as 8h.", Default: "always", Options: []Option{{"1h", "an hour at most"}, {"12h", "a working day"}, {"always", "for ever, or again and again"}}},
	}
}

// Answers are what was said, by question.
type Answers map[string]string

// Matters tells whether a question is to be asked after these answers.
func (a Answers) Matters(q *Question) bool {
	return !slices.ContainsFunc(q.When, func(c Condition) bool { return !slices.Contains(c.Values, a[c.Question]) })
}

// Next is the first question that matters and has no answer, nil if there is none. A
// question with a default is asked, too.
func (a Answers) Next() *Question {
	list := Questions()
	for i := range list {
		if q := &list[i]; a[q.ID] == "" && a.Matters(q) {
			return q
		}
	}
	return nil
}

// AnswerError is an answer that is none to its question, or one that lacks.
type AnswerError struct {
	Question *Question
	Answer   string
}

func (e *AnswerError) Error() string {
	var values []string
	for _, o := range e.Question.Options {
		values = append(values, o.Value)
	}
	return fmt.Sprintf("%s %q: say %s", e.Question.ID, e.Answer, strings.Join(values, ", "))
}

// Accepts tells whether an answer is one to the question.
func (q *Question) Accepts(answer string) bool {
	if slices.ContainsFunc(q.Options, func(o Option) bool { return o.Value == answer }) {
		return true
	}
	if q.ID != AskLasting {
		return false
	}
	d, err := time.ParseDuration(answer)
	return err == nil && d > 0
}

// Situation makes a situation of the answers, of name for the user or role in the
// commands. What was not said has its default.
func (a Answers) Situation(name string) (*Situation, error) {
	said := Answers{}
	list := Questions()
	for i := range list {
		q := &list[i]
		answer := a[q.ID]
		if answer == "" {
			answer = q.Default
		}
		if !q.Accepts(answer) {
			return nil, &AnswerError{q, answer}
		}
		said[q.ID] = answer
	}
	s := &Situation{Name: name, Workload: said[AskWho] == "workload", Where: Where(said[AskWhere]), Browser: said[AskBrowser] == "yes", Reaches: said[AskReaches] == "yes"}
	s.Lasting, _ = time.ParseDuration(said[AskLasting]) // always is zero
	return s, nil
}
