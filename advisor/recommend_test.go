package advisor_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/advisor"
)

// TestRecommend: the best of what is offered comes first; what is not offered is never
// among the methods, and what does not fit nowhere.
func TestRecommend(t *testing.T) {
	person := func(where advisor.Where, browser bool) advisor.Situation {
		return advisor.Situation{Where: where, Browser: browser, Reaches: true, Name: "alice"}
	}
	program := func(where advisor.Where, lasting time.Duration) advisor.Situation {
		return advisor.Situation{Workload: true, Where: where, Reaches: true, Lasting: lasting, Name: "app"}
	}
	for _, c := range []struct {
		what           string
		s              advisor.Situation
		methods, later string
	}{
		{"the owner at the server", person(advisor.Machine, false), "owner mfa-role", ""},
		{"a person with a browser", person(advisor.Elsewhere, true), "mfa-role", "sso aws-login"},
		{"a person without", person(advisor.Elsewhere, false), "mfa-role", ""},
		{"a program at the server", program(advisor.Machine, 0), "owner-role", "agent"},
		{"a container", program(advisor.Container, 0), "key-role", "agent"},
		{"a job in GitHub Actions", program(advisor.GitHub, time.Hour), "handed-session key-role", "web-identity"},
		{"one of two hours, longer than a session of the owner's", program(advisor.GitHub, 2*time.Hour), "key-role", "web-identity"},
		{"Kubernetes", program(advisor.Kubernetes, 0), "key-role", "web-identity"},
		{"a server on premises", program(advisor.OnPremises, 0), "key-role", "roles-anywhere"},
	} {
		in := &advisor.Installation{Endpoint: "https://id.example.com", Region: "eu-central-1", Account: account, Partition: "aws", Offers: func(string) bool { return false }}
		a := advisor.Recommend(&c.s, in)
		ids := func(list []advisor.Method) string {
			var out []string
			for _, m := range list {
				out = append(out, m.ID)
			}
			return strings.Join(out, " ")
		}
		if got, later := ids(a.Methods), ids(a.Later); got != c.methods || later != c.later {
			t.Errorf("%s: %q, later %q; not %q, later %q", c.what, got, later, c.methods, c.later)
		}
		for _, m := range a.Methods {
			text := strings.Join(m.Commands, "\n")
			if m.ID != "owner" && (!strings.Contains(text, in.Endpoint) || !strings.Contains(text, account) || !strings.Contains(text, in.Region)) {
				t.Errorf("%s: %s is not of this installation:\n%s", c.what, m.ID, text)
			}
		}
		for _, m := range a.Later {
			if len(m.Missing) == 0 || m.Feature == "" || len(m.Commands) > 0 {
				t.Errorf("%s: %s is not built, and nothing is said of what it comes with: %+v", c.what, m.ID, m)
			}
		}
		if len(a.Avoid) < 2 {
			t.Errorf("%s: avoid %v", c.what, a.Avoid)
		}
	}
}

// TestWhatIsBuiltIsRecommended: a method becomes one as soon as its operations are there.
func TestWhatIsBuiltIsRecommended(t *testing.T) {
	in := &advisor.Installation{Endpoint: "https://id.example.com", Region: "eu-central-1", Account: account, Partition: "aws", Offers: func(op string) bool { return op == "signin:CreateOAuth2Token" }}
	a := advisor.Recommend(&advisor.Situation{Where: advisor.Elsewhere, Browser: true, Reaches: true, Name: "alice"}, in)
	if a.Methods[0].ID != "aws-login" || len(a.Methods[0].Commands) == 0 || len(a.Later) != 1 {
		t.Errorf("%+v", a)
	}
	in.Offers = func(string) bool { return true }
	if a = advisor.Recommend(&advisor.Situation{Workload: true, Where: advisor.GitHub, Reaches: true, Name: "job"}, in); len(a.Later) != 0 || a.Methods[0].ID != "key-role" || len(a.Notes) != 1 {
		t.Errorf("what is built without commands here is called missing, or a method: %+v", a)
	}
}

// TestQuestions: whoever answers one after the other comes to an end, was asked only
// what matters, and has a situation; what is no answer is refused by name.
func TestQuestions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		answers := advisor.Answers{}
		asked := map[string]bool{}
		for q := answers.Next(); q != nil; q = answers.Next() {
			if asked[q.ID] || !answers.Matters(q) {
				t.Fatalf("%s is asked after %v", q.ID, answers)
			}
			asked[q.ID] = true
			answers[q.ID] = rapid.SampledFrom(q.Options).Draw(t, q.ID).Value
		}
		s, err := answers.Situation("alice")
		if err != nil || asked[advisor.AskBrowser] == s.Workload || string(s.Where) != answers[advisor.AskWhere] || s.Name != "alice" {
			t.Fatalf("%v: %+v, %v", answers, s, err)
		}
		q := rapid.SampledFrom(advisor.Questions()).Draw(t, "spoilt")
		answers[q.ID] = "-1h"
		wrong, ok := errors.AsType[*advisor.AnswerError](func() error { _, err := answers.Situation(""); return err }())
		if !ok || wrong.Question.ID != q.ID {
			t.Errorf("%v is a situation: %v", answers, wrong)
		}
	})
	if s, err := (advisor.Answers{"who": "workload", "where": "ci"}).Situation("job"); err != nil || !s.Reaches || s.Lasting != 0 {
		t.Errorf("defaults: %+v, %v", s, err)
	}
	if _, err := (advisor.Answers{"where": "ci"}).Situation("job"); err == nil || err.Error() != `who "": say person, workload` {
		t.Errorf("nobody: %v", err)
	}
	if s, err := (advisor.Answers{"who": "person", "where": "ci", "lasting": "8h"}).Situation("x"); err != nil || s.Lasting != 8*time.Hour {
		t.Errorf("8h: %+v, %v", s, err)
	}
}
