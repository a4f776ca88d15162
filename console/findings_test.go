package console

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"pgregory.net/rapid"

	"github.com/lanyard-iam/lanyard/advisor"
)

const (
	allowAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	// mayReview is what takes to look at findings, and not more.
	mayReview = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:GetAccountAuthorizationDetails","iam:GetCredentialReport"],"Resource":"*"}}`
)

// patient makes pages wait until the account is read. The clock of a world stands still, so
// that each change is of this very second, and to look again is due at each visit: a page that
// is shown meanwhile is never of this moment.
func (w *world) patient() {
	const long = 20 * time.Second
	s := w.console.surveys
	s.mu.Lock()
	defer s.mu.Unlock()
	s.patience, s.slow = func() <-chan time.Time { return time.After(long) }, long
}

// settled opens a page until it is of this moment: looks rest after one another.
func (w *world) settled(path string) *answered {
	w.t.Helper()
	w.patient()
	for deadline := time.Now().Add(20 * time.Second); ; {
		a := w.get(path)
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, "looking again") && !strings.Contains(a.body, "Reading the account") {
			return a
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s does not settle", path)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// lacks fails if the page has any of these.
func (a *answered) lacks(t *testing.T, texts ...string) {
	t.Helper()
	text := textOf(a.doc)
	for _, no := range texts {
		if strings.Contains(text, no) {
			t.Errorf("%q is in the answer:\n%s", no, text)
		}
	}
}

// somebodyUnsafe has a password and no MFA.
func (w *world) somebodyUnsafe(name string) {
	w.t.Helper()
	client := w.api().IAM
	_, err := client.CreateUser(context.Background(), &iam.CreateUserInput{UserName: &name})
	w.must(err)
	_, err = client.CreateLoginProfile(context.Background(), &iam.CreateLoginProfileInput{UserName: &name, Password: aws.String("Correct-Horse-7")})
	w.must(err)
}

// A finding is there with evidence and its ways out, and gone as soon as it is put right.
func TestFindings(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.somebodyUnsafe("mallory")
	a := w.settled("/findings")
	a.contains(t, "Findings", "A user with a password has no MFA", "user mallory", "arn:aws:iam::111122223333:user/mallory", "MFA-01", "The root user has no MFA", "As of 09:00:00 UTC", "Fix it", "Suppress…")
	if !strings.Contains(a.body, `href="/users/mallory"`) || !strings.Contains(a.body, "enable-mfa-device") {
		t.Error("no way to fix it")
	}
	_, err := w.api().IAM.DeleteLoginProfile(t.Context(), &iam.DeleteLoginProfileInput{UserName: aws.String("mallory")})
	w.must(err)
	w.settled("/findings").lacks(t, "mallory", "MFA-01")
}

// What is accepted is apart with its reason, without waiting for a survey, and comes back
// when its day is over or somebody takes it back.
func TestFindings_Suppressed(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.settled("/findings").contains(t, "The root user has no MFA")
	root := "arn:aws:iam::111122223333:root"
	form := w.get("/findings/suppress?" + url.Values{"id": {"ROOT-01"}, "arn": {root}}.Encode())
	form.contains(t, "Suppress a finding", "The root user has no MFA", "Why is it accepted?")
	if !strings.Contains(form.body, `value="2026-12-27"`) {
		t.Error("the end is not offered in 30 days")
	}
	if a := w.get("/findings/suppress?id=NONE-1&arn=x"); a.StatusCode != http.StatusNotFound {
		t.Errorf("no such rule: %d", a.StatusCode)
	}
	answer := func(reason, until string) *answered {
		return w.post("/findings/suppress", url.Values{"id": {"ROOT-01"}, "arn": {root}, "reason": {reason}, "until": {until}})
	}
	for _, wrong := range [][2]string{{"", "2026-12-27"}, {"x", "tomorrow"}, {"x", "2020-01-01"}, {"x", "2030-01-01"}} {
		a := answer(wrong[0], wrong[1])
		if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, wrong[1]) {
			t.Errorf("%v: %d", wrong, a.StatusCode)
		}
	}
	if a := answer("the token <b>is ordered</b>", "2026-12-01"); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/findings" {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	w.get("/findings").contains(t, "ROOT-01 of root is suppressed until 2026-12-01.")
	w.get("/findings").lacks(t, "The root user has no MFA")
	w.get("/findings?show=suppressed").contains(t, "The root user has no MFA", "Accepted by root", "the token <b>is ordered</b>", "Show it again")
	w.later(5 * 24 * time.Hour)
	w.signInRoot()
	w.settled("/findings").contains(t, "The root user has no MFA", "A suppression has ended")
	if a := answer("again", "2026-12-20"); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if a := w.post("/findings/unsuppress", url.Values{"id": {"ROOT-01"}, "arn": {root}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	w.settled("/findings").contains(t, "The root user has no MFA")
	w.settled("/findings?show=suppressed").contains(t, "Nothing is suppressed")
}

// Who may not look is told what is missing; who may look at a part sees that part, and
// what is left out. A look that was kept is not for who may no longer look.
func TestFindings_Denied(t *testing.T) {
	w := newWorld(t)
	w.signIn("nobody", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"*"}}`)
	a := w.get("/findings")
	a.contains(t, "You may not see this: it takes iam:GetAccountAuthorizationDetails.", "Why?")
	if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `href="/why/`) {
		t.Error("no way to see why")
	}
	if a := w.get("/findings/export"); a.StatusCode != http.StatusForbidden {
		t.Errorf("export: %d", a.StatusCode)
	}
	w.signIn("auditor", mayReview)
	a = w.settled("/findings")
	a.contains(t, "The root user has no MFA", "Not looked at, or not decided", "the trail: uses of root", "suppressions")
	auditor := w.cookies[SessionCookie]
	w.signInRoot()
	_, err := w.api().IAM.DeleteUserPolicy(t.Context(), &iam.DeleteUserPolicyInput{UserName: aws.String("auditor"), PolicyName: aws.String("test-a")})
	w.must(err)
	w.cookies[SessionCookie] = auditor
	a = w.get("/findings")
	a.contains(t, "You may not see this")
	a.lacks(t, "The root user has no MFA")
}

// A list of many is in pages, by kind, and can be narrowed; names are text.
func TestFindings_Many(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	many := &advisor.Report{Account: string(ours), At: w.now, Suppressed: []advisor.Finding{}}
	for i := range 60 {
		rule, _ := advisor.RuleOf([]string{"KEY-01", "MFA-01"}[i%2])
		name := string(rune('a'+i/26)) + string(rune('a'+i%26))
		many.Findings = append(many.Findings, advisor.Finding{
			ID: rule.ID, Severity: rule.Severity, Title: rule.Title, ARN: "arn:aws:iam::111122223333:user/" + name + `<script>"'&`,
			Ref: rule.ID + "-" + name, Page: "/users/" + name, Fix: []string{`aws iam x --user-name '<b>'`}, Evidence: []advisor.Evidence{{Name: "<i>", Value: `"><script>`}},
		})
	}
	w.console.surveys.read = func(context.Context, *looker, *surveyKey) (*look, error) { return &look{report: many}, nil }
	a := w.settled("/findings")
	a.contains(t, "By kind", "60 findings", "Findings 1–25 of 60", "Next page", `user aa<script>"'&`)
	w.get("/findings?page=3").contains(t, "Findings 51–60 of 60")
	w.get("/findings?page=99").contains(t, "Findings 51–60 of 60")
	w.get("/findings?page=-1").contains(t, "Findings 1–25 of 60")
	w.get("/findings?rule=KEY-01").contains(t, "Only KEY-01", "30 findings")
	w.get("/findings?severity=high&filter=BB").contains(t, "Only high severity, “bb”", "1 finding")
	w.get("/findings?filter="+url.QueryEscape(`"><script>`)).contains(t, "Nothing like that")

	export := w.get("/findings/export")
	var back advisor.Report
	if err := json.Unmarshal([]byte(export.body), &back); err != nil || len(back.Findings) != 60 || !strings.Contains(export.Header.Get("Content-Disposition"), "findings-111122223333.json") {
		t.Errorf("%v: %d findings, %s", err, len(back.Findings), export.Header)
	}
}

// While the first look is under way the page says so, and asks again; then it is swapped.
func TestFindings_Looking(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	go1 := make(chan struct{})
	read := w.console.surveys.read
	w.console.surveys.read = func(ctx context.Context, p *looker, key *surveyKey) (*look, error) {
		<-go1
		return read(ctx, p, key)
	}
	a := w.get("/findings")
	a.contains(t, "Reading the account for the first time", "Look now")
	if !strings.Contains(a.body, `hx-trigger="every 1s"`) || !strings.Contains(a.body, `hx-get="/findings"`) {
		t.Error("it does not ask again")
	}
	if a := w.get("/findings/export"); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("export: %d", a.StatusCode)
	}
	close(go1)
	w.settled("/findings")
	r := httptest.NewRequest(http.MethodGet, "/findings", nil)
	r.Host = w.console.config.URL.Host
	r.Header.Set("HX-Request", "true")
	part := w.do(r)
	if !strings.HasPrefix(strings.TrimSpace(part.body), `<div id="look"`) || strings.Contains(part.body, "every 1s") {
		t.Errorf("the part: %.200s", part.body)
	}
}

// A filter finds what strings.ToLower would.
func TestWithin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("aAbBzZ[{@`ÄäİK")), 0, 12, -1).Draw(t, "text")
		word := strings.ToLower(rapid.StringOfN(rapid.SampledFrom([]rune("aAbBzZ[{@`ÄäİK")), 0, 3, -1).Draw(t, "word"))
		if got, want := within(text, word), strings.Contains(strings.ToLower(text), word); got != want {
			t.Fatalf("%q in %q: %t", word, text, got)
		}
	})
}
