package console

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/arn"
)

func (c *Console) credentialAdvisorRoutes() []Route {
	return []Route{{Pattern: "GET /credential-advisor", Handle: c.adviseCredential}}
}

type credentialAdvisorPage struct {
	Fields []Field
	Asked  bool // there is advice
	Best   *shownMethod
	Others []shownMethod
	Later  []shownMethod
	Avoid  []advisor.Avoided
	Notes  []string
}

// shownMethod is a way of getting credentials, with its commands.
type shownMethod struct {
	advisor.Method
	Set []Command
}

// workName is a name for the role or user in the commands, with room for what is added.
var workName = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{1,50}$`)

// adviseCredential asks the questions, all of them at once: a form that leads to its own
// address, so that the advice can be kept and sent.
func (c *Console) adviseCredential(v *Visit) error {
	answers := advisor.Answers{}
	for _, q := range advisor.Questions() {
		if answer := v.Query(q.ID); answer != "" {
			answers[q.ID] = answer
		}
	}
	name := v.Query("name")
	asked := len(answers) > 0
	if name == "" {
		name = "app"
	}
	page := Page{
		Title: "Which credential should I use?", Lead: "Five questions; then the ways that fit, the best first, with the commands that set them up here.",
		Nav: advisor.CredentialPage, CLI: []Command{CLI(credentialCommand(answers, name)...)},
	}
	body := credentialAdvisorPage{Fields: credentialFields(answers, name)}
	if asked {
		situation, err := answers.Situation(name)
		var wrong *advisor.AnswerError
		switch {
		case errors.As(err, &wrong):
			page.Status = http.StatusUnprocessableEntity
			for i := range body.Fields {
				if body.Fields[i].Name == wrong.Question.ID {
					body.Fields[i].Error = map[bool]string{true: "Choose one.", false: fmt.Sprintf("%q is no answer to this. Choose one.", wrong.Answer)}[wrong.Answer == ""]
				}
			}
		case err != nil:
			return err
		case !workName.MatchString(name):
			page.Status = http.StatusUnprocessableEntity
			body.Fields[len(body.Fields)-1].Error = "A name has letters, digits and +=,.@_- only, at most 50."
		default:
			v.advise(&body, situation)
		}
	}
	page.Body = body
	return v.Render("credentialadvisor", page)
}

func credentialCommand(answers advisor.Answers, name string) []string {
	words := []string{"lanyard", "advise", "credential"}
	for _, q := range advisor.Questions() {
		if answer := answers[q.ID]; answer != "" {
			words = append(words, "--"+q.ID, answer)
		}
	}
	if name != "app" {
		words = append(words, "--name", name)
	}
	return words
}

func credentialFields(answers advisor.Answers, name string) []Field {
	var fields []Field
	for _, q := range advisor.Questions() {
		if answers[advisor.AskWho] != "" && !answers.Matters(&q) {
			continue
		}
		f := Field{Name: q.ID, Label: q.Text, Type: "radio", Value: answers[q.ID], Hint: q.Help}
		if f.Value == "" {
			f.Value = q.Default
		}
		for _, o := range q.Options {
			f.Options = append(f.Options, Option{Value: o.Value, Text: strings.TrimSuffix(sentence(o.Text), ".")})
		}
		if q.ID == advisor.AskLasting {
			f.Hint = ""
		}
		if len(q.When) > 0 {
			f.Hint = strings.TrimSpace(f.Hint + " Only where a person needs access.")
		}
		if len(f.Options) > 5 {
			f.Type = "select"
			f.Options = append([]Option{{Value: "", Text: "Choose…"}}, f.Options...)
		}
		fields = append(fields, f)
	}
	return append(fields, Field{Name: "name", Label: "What is it called?", Value: name, MaxLength: 50, Hint: "The name of the user or role in the commands.", Autocomplete: "off"})
}

func (v *Visit) advise(p *credentialAdvisorPage, s *advisor.Situation) {
	advice := advisor.Recommend(s, &advisor.Installation{
		Endpoint: v.URL().Scheme + "://" + v.URL().Host, Region: v.console.config.Region,
		Account: v.Person.Account, Partition: string(arn.PartitionOf(v.console.config.Region)), Offers: v.console.offers,
	})
	p.Asked = true
	for _, a := range advice.Avoid {
		p.Avoid = append(p.Avoid, advisor.Avoided{What: strings.TrimSuffix(sentence(a.What), "."), Why: sentence(a.Why)})
	}
	for _, n := range advice.Notes {
		p.Notes = append(p.Notes, note(n))
	}
	for _, m := range advice.Methods {
		shown := shownMethod{Method: m}
		for _, line := range m.Commands {
			shown.Set = append(shown.Set, Command{Line: line})
		}
		if p.Best == nil {
			p.Best = &shown
		} else {
			p.Others = append(p.Others, shown)
		}
	}
	for _, m := range advice.Later {
		p.Later = append(p.Later, shownMethod{Method: m})
	}
}

// note is a sentence, of which an address may be the beginning.
func note(text string) string {
	if strings.HasPrefix(text, "http") {
		return text + "."
	}
	return sentence(text)
}

// offers tells whether this version has an operation.
func (c *Console) offers(operation string) bool {
	return c.config.Offers != nil && c.config.Offers(operation)
}
