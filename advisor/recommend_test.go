package advisor_test

import (
	"strings"
	"testing"
	"time"

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
		{"a person with a browser", person(advisor.Elsewhere, true), "mfa-role", "sso"},
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
		if len(a.Avoid) < 2 {
			t.Errorf("%s: avoid %v", c.what, a.Avoid)
		}
	}
}
