package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// The questions are a form that leads to its own address; the advice has the commands for
// this installation.
func TestCredentialAdvisor(t *testing.T) {
	w := newWorld(t)
	w.console.config.Offers = func(operation string) bool { return operation == "sts:AssumeRoleWithWebIdentity" }
	w.signIn("alice", nothing)
	a := w.get("/credential-advisor")
	a.contains(t, "Which credential should I use?", "What needs access?", "Where does it run?", "For how long?", "Show what fits")
	a.lacks(t, "Set it up here")

	a = w.get("/credential-advisor?who=workload&where=container&reaches=yes&lasting=1h&name=billing")
	a.contains(t, "Use this", "A role's session, handed over", "Set it up here", "--role-name billing", "https://id.example.com", "arn:aws:iam::111122223333:role/billing", "If that does not do", "Avoid", "Secrets in an image or a repository",
		"Would be better, but is not in this version", "The credential agent", "lanyard advise credential --who workload --where container")
	if !strings.Contains(a.body, `value="billing"`) || !strings.Contains(a.body, `value="container" selected`) {
		t.Error("the answers are not in the form")
	}
	for query, want := range map[string]string{
		"who=workload":                            "Choose one.",
		"who=robot&where=machine":                 "\"robot\" is no answer to this.",
		"who=person&where=machine&name=%3Cscript": "letters, digits and",
	} {
		if a := w.get("/credential-advisor?" + query); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", query, a.StatusCode)
		} else {
			a.contains(t, want)
		}
	}
	for _, who := range []string{"person", "workload"} {
		for _, where := range []advisor.Where{advisor.Machine, advisor.Kubernetes, advisor.GitHub, advisor.Instance, advisor.OnPremises} {
			if a := w.get("/credential-advisor?" + url.Values{"who": {who}, "where": {string(where)}}.Encode()); a.StatusCode != http.StatusOK {
				t.Errorf("%s on %s: %d", who, where, a.StatusCode)
			}
		}
	}
}

// A draft keeps what is written, for one person; the exports have it.
func TestAccessPlan(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.somebodyUnsafe("mallory")
	w.somebodyUnsafe("erin")
	a := w.settled("/access-plan")
	a.contains(t, "Access plan", "erin", "password", "Break-glass", "Workloads", "Recommendations", "Next review", "2027-02-25", "Note on people")
	save := func(form url.Values) *answered { return w.post("/access-plan", form) }
	for want, form := range map[string]url.Values{
		"needs a name":     {"draft": {"A b"}},
		"no day":           {"draft": {"q1"}, "review": {"soon"}},
		"within five":      {"draft": {"q1"}, "review": {"2099-01-01"}},
		"no such section":  {"draft": {"q1"}, "note-x": {"y"}},
		"note is too long": {"draft": {"q1"}, "note-people": {strings.Repeat("ü", maxNote+1)}},
	} {
		if a := save(form); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", want, a.StatusCode)
		} else {
			a.contains(t, want)
		}
	}
	a = save(url.Values{"draft": {"q1"}, "review": {"2027-03-01"}, "note-people": {"erin leaves in <i>May</i>\r\nask her boss"}})
	a.leadsTo(t, "/access-plan?draft=q1")
	w.get("/access-plan?draft=q1").contains(t, "The draft q1 is saved.")
	a = w.settled("/access-plan?draft=q1")
	a.contains(t, "erin leaves in <i>May</i>", "2027-03-01", "Delete draft")
	w.get("/checklists").lacks(t, "q1")

	markdown := w.get("/access-plan/export?draft=q1&format=markdown")
	if !strings.Contains(markdown.body, "Note: erin leaves in \\<i\\>May\\</i\\><br>ask her boss") || !strings.Contains(markdown.body, "next review 2027-03-01") || !strings.Contains(markdown.Header.Get("Content-Disposition"), "access-plan-111122223333-q1.md") {
		t.Errorf("%s\n%s", markdown.Header, markdown.body)
	}
	var back advisor.Plan
	if err := json.Unmarshal([]byte(w.get("/access-plan/export?draft=q1&format=json").body), &back); err != nil || !strings.Contains(back.Comments["people"], "ask her boss") || len(back.People) != 2 {
		t.Errorf("%v %+v", err, back.Comments)
	}
	if a := w.get("/access-plan/export?format=exe"); a.StatusCode != http.StatusNotFound {
		t.Errorf("%d", a.StatusCode)
	}
	if a := w.get("/access-plan?draft=..%2Fother"); a.StatusCode != http.StatusNotFound {
		t.Errorf("%d", a.StatusCode)
	}

	// Another person has drafts of their own, and sees only what they may.
	root := w.cookies[SessionCookie]
	w.signIn("auditor", mayReview)
	w.settled("/access-plan").lacks(t, "q1", "erin leaves")
	if a := w.get("/access-plan?draft=q1"); a.StatusCode < 400 || a.StatusCode >= 500 {
		t.Errorf("another's draft: %d", a.StatusCode)
	}
	w.signIn("nobody", nothing)
	w.get("/access-plan").contains(t, "You may not see this: it takes iam:GetAccountAuthorizationDetails.")
	if a := w.get("/access-plan/export?format=json"); a.StatusCode != http.StatusForbidden {
		t.Errorf("export: %d", a.StatusCode)
	}
	w.cookies[SessionCookie] = root
	w.post("/access-plan/delete", url.Values{"draft": {"q1"}}).leadsTo(t, "/access-plan")
	w.get("/access-plan").contains(t, "The draft q1 is deleted.")
}

// Home shows what matters, and quietly less to who may see less.
func TestHome(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.somebodyUnsafe("mallory")
	made, err := w.api().IAM.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String("mallory")})
	w.must(err)
	_, err = w.api().IAM.CreateAccountAlias(t.Context(), &iam.CreateAccountAliasInput{AccountAlias: aws.String("acme-prod")})
	w.must(err)
	w.signIn("alice", nothing)
	_, err = w.api().IAM.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("bob")})
	id := problemOf(err).ID
	w.signInRoot()
	a := w.settled("/")
	a.contains(t, "Home", "Safety score", "A user with a password has no MFA", "user mallory", "Access keys by age", "iam:DeleteUser", "alice", "acme-prod", "us-east-1", "Root user", "Secure this account", "Sign-ins", "What is new", "CreateAccessKey", "CreateAccountAlias")
	if !strings.Contains(a.body, `href="/why/`+id+`"`) {
		t.Error("the denial does not lead to its explanation")
	}
	if strings.Contains(a.body, *made.AccessKey.AccessKeyId) {
		t.Error("home shows a key id")
	}
	for range 60 { // which is not what is new, and hides nothing that is
		_, err := w.api().IAM.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("nobody")})
		if err == nil {
			t.Fatal("nobody was deleted")
		}
	}
	w.later(25 * time.Hour)
	w.signInRoot()
	w.settled("/").contains(t, "Nothing was denied", "CreateAccountAlias")

	w.signIn("alice")
	a = w.settled("/")
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%d", a.StatusCode)
	}
	a.contains(t, "You may not see this: it takes iam:GetAccountAuthorizationDetails.", "You may not see this: it takes cloudtrail:LookupEvents.", "My first temporary credentials")
	a.lacks(t, "mallory", "Safety score")
}

// What a refused part of a survey leaves is in no state of the person.
func TestStatesAreSmall(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	notes := url.Values{"draft": {"big"}}
	for _, s := range new(advisor.Plan).Sections() {
		notes.Set("note-"+s.ID, strings.Repeat("x", maxNote))
	}
	w.post("/access-plan", notes).leadsTo(t, "/access-plan?draft=big")
	for name := range notes {
		if name != "draft" {
			notes.Set(name, strings.Repeat("\"", maxNote))
		}
	}
	if a := w.post("/access-plan", notes); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("too large a draft: %d", a.StatusCode)
	}
	out, err := lanyard.Call[lanyard.GetStateOutput](t.Context(), w.api().Lanyard, &lanyard.GetStateInput{Name: aws.String("plan/big")})
	w.must(err)
	if strings.Contains(*out.State.Value, `\"\"`) {
		t.Error("what was refused is kept")
	}
}

// A section with many rows has a page of its own, which is filtered and goes on.
func TestPlanSection(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	for i := range 130 {
		name := fmt.Sprintf("person-%03d", i)
		_, err := w.api().IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name})
		w.must(err)
	}
	w.signIn("auditor", mayReview)
	a := w.settled("/access-plan")
	a.contains(t, "Show all: People", "person-010")
	a.lacks(t, "person-110")
	a = w.settled("/access-plan/sections/people")
	a.contains(t, "person-010", "Rows 1–100 of 13", "Next page")
	a.lacks(t, "person-125")
	a = w.settled("/access-plan/sections/people?page=2")
	a.contains(t, "person-125", "First page")
	a.lacks(t, "person-010", "Next page")
	w.settled("/access-plan/sections/people?page=99").contains(t, "person-125")
	a = w.settled("/access-plan/sections/people?filter=SON-12")
	a.contains(t, "person-121", "10 rows")
	a.lacks(t, "person-010")
	a = w.settled("/access-plan/sections/people?filter=%3Cb%3E")
	a.contains(t, "No row has “<b>” in it") // as text: checkHTML would find an element
	w.settled("/access-plan/sections/federation").contains(t, "There are no identity providers.")
	if a := w.get("/access-plan/sections/other"); a.StatusCode != http.StatusNotFound {
		t.Errorf("a section that is not there: %d", a.StatusCode)
	}
	w.signIn("intern")
	w.get("/access-plan/sections/people").contains(t, "iam:GetAccountAuthorizationDetails")
}
