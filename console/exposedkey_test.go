package console

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/chromedp/chromedp"

	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/test/browser"
)

// leak makes a user with a key that was used at home, and then by a thief who began a
// session and made a user.
func (w *world) leak() (id string, thief, minted *API) {
	w.t.Helper()
	w.signIn("victim", allowAll)
	id, secret := w.post("/access-keys", w.get("/access-keys/new").fieldsOf(w.t, "/access-keys")).made(w.t)
	ctx := w.t.Context()
	home := w.with(id, secret, "app/1.0", "192.0.2.1:9")
	_, err := stsOf(home).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	w.must(err)
	w.later(8 * day)
	thief = w.with(id, secret, "curl/8 <script>alert(1)</script>", "198.51.100.66:9")
	_, err = thief.IAM.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("mallory")})
	w.must(err)
	_, err = thief.IAM.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("nobody")})
	if err == nil {
		w.t.Fatal("nobody is there")
	}
	out, err := stsOf(thief).GetSessionToken(ctx, &sts.GetSessionTokenInput{})
	w.must(err)
	minted = w.withSession(out)
	_, err = stsOf(minted).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	w.must(err)
	w.later(time.Minute)
	w.must(w.trail.Sync(ctx))
	return id, thief, minted
}

func (w *world) withSession(out *sts.GetSessionTokenOutput) *API {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "198.51.100.67:9"
	r.Header.Set("User-Agent", "python/3")
	return newAPI(w.aws, region, session.Credentials{
		AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken,
	}, nil, r)
}

func (w *world) fragment(method, path string, form url.Values) *answered {
	w.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Host = w.console.config.URL.Host
	r.Header.Set("HX-Request", "true")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return w.do(r)
}

// stopped fails unless the key and what it began are over, and the user is quarantined.
func (w *world) stopped(id string, thief, minted *API) {
	w.t.Helper()
	ctx := w.t.Context()
	for name, api := range map[string]*API{"the key": thief, "its session": minted} {
		if _, err := stsOf(api).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err == nil {
			w.t.Errorf("%s goes on", name)
		}
	}
	on, err := w.api().IAM.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: aws.String("victim")})
	w.must(err)
	if len(on.AttachedPolicies) != 1 || *on.AttachedPolicies[0].PolicyName != "AWSCompromisedKeyQuarantineV3" {
		w.t.Errorf("the user has %+v", on.AttachedPolicies)
	}
}

// One button stops a leaked key, step by step, and then tells what it did.
func TestExposedKey(t *testing.T) {
	w := newWorld(t)
	id, thief, minted := w.leak()
	w.signIn("admin", allowAll)
	w.get("/exposed-key").contains(t, "Which key?", "never enter the secret")
	page := "/exposed-key?id=" + id
	a := w.get(page)
	a.contains(t, "victim", "The key works", "To do", "Stop this key now")

	// As htmx sends them: each answer asks for the next step.
	form := a.fieldsOf(t, "/exposed-key")
	form.Set("quarantine", "on")
	form.Set("replace", "on")
	var secret, shown string
	for _, step := range exposedSteps {
		if form.Get("step") != step {
			t.Fatalf("asked for %s, want %s", form.Get("step"), step)
		}
		a = w.fragment(http.MethodPost, "/exposed-key", form)
		a.contains(t, stepWords[step].title, "Done")
		if step == "replace" {
			shown, secret = a.made(t)
			break
		}
		form = a.fieldsOf(t, "/exposed-key")
	}
	if !strings.Contains(a.body, "/exposed-key/report?id="+id) {
		t.Errorf("the report is not asked for: %s", a.body)
	}
	w.stopped(id, thief, minted)
	w.nowhere(secret, page, "/exposed-key/report"+strings.TrimPrefix(page, "/exposed-key"), "/exposed-key/report.json?id="+id, "/exposed-key/report.md?id="+id, "/access-keys/"+shown)

	// The report.
	w.later(time.Second)
	a = w.get("/exposed-key/report?id=" + id)
	a.contains(t, "by the key and", "by 1 session", "Look at what it made or opened", "user mallory", "aws iam get-user --user-name mallory",
		"198.51.100.66 New", "192.0.2.1", "What it changed", "iam CreateUser", "What was denied or failed", "iam GetUser", "Sessions that it began", "What it read", "Draft of a note", "not believed")
	if strings.Contains(a.body, "<script>alert") {
		t.Error("what a caller sent is markup")
	}
	if text := textOf(a.doc); strings.Contains(text, "192.0.2.1 New") {
		t.Error("an address from before the leak is new")
	}
	a = w.get("/exposed-key/report.json?id=" + id)
	var report struct {
		Key   struct{ UserName string }
		Steps []struct{ Step, State string }
		Calls []struct{ Operation string }
	}
	if err := json.Unmarshal([]byte(a.body), &report); err != nil || report.Key.UserName != "victim" || len(report.Steps) != 3 || len(report.Calls) < 5 {
		t.Errorf("JSON: %v %s", err, a.body)
	}
	for _, s := range report.Steps {
		if s.State != "already" {
			t.Errorf("%s: %s", s.Step, s.State)
		}
	}
	a = w.get("/exposed-key/report.md?id=" + id)
	a.contains(t, "# Access key "+id+" leaked", "## What was done", "- deactivate: ", "## Still to do", "user `mallory`", "`198.51.100.66`")
	if got := a.Header.Get("Content-Disposition"); got != "attachment; filename="+id+".md" {
		t.Errorf("saved as %s", got)
	}

	// Once more: everything was done already, and no third key comes of it.
	w.get(page).contains(t, "The key is stopped", "Was done already")
	a = w.post("/exposed-key", url.Values{"id": {id}, "quarantine": {"on"}, "replace": {"on"}})
	a.contains(t, "What was done", "Was done already", "The user has the key "+shown)
	if secretKey.MatchString(regexp.MustCompile(`AKIA\w+`).ReplaceAllString(textOf(a.doc), "")) {
		t.Error("a secret is shown again")
	}
}

// Without a script one form does it all, and a replacement is in the answer, once.
func TestExposedKeyWithoutScript(t *testing.T) {
	w := newWorld(t)
	id, thief, minted := w.leak()
	w.signIn("admin", allowAll)
	a := w.post("/exposed-key", url.Values{"id": {id}, "quarantine": {"on"}, "replace": {"on"}, "leaked": {w.now.Add(-day).Format(localTime)}})
	a.contains(t, "Deactivate the key Done", "End the sessions that it began Done", "Quarantine its user Done", "Make a replacement Done")
	_, secret := a.made(t)
	w.stopped(id, thief, minted)
	w.nowhere(secret, "/exposed-key?id="+id)

	// A key that the leaked one made is no replacement.
	w = newWorld(t)
	id, thief, _ = w.leak()
	_, err := thief.IAM.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String("victim")})
	w.must(err)
	w.must(w.trail.Sync(t.Context()))
	w.signIn("admin", allowAll)
	a = w.post("/exposed-key", url.Values{"id": {id}, "replace": {"on"}})
	a.contains(t, "Make a replacement Could not be done", "was made by the leaked one")
	if strings.Contains(textOf(a.doc), "Quarantine its user") {
		t.Error("quarantined, and nobody asked for it")
	}
}

// Who may only do a part of it does that part, and is told what else has to be done.
func TestExposedKeyWithFewRights(t *testing.T) {
	w := newWorld(t)
	id, _, _ := w.leak()
	w.signIn("helper", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:UpdateAccessKey","iam:GetAccessKeyLastUsed"],"Resource":"*"}]}`)
	a := w.post("/exposed-key", url.Values{"id": {id}, "quarantine": {"on"}, "replace": {"on"}})
	a.contains(t, "Deactivate the key Done", "End the sessions that it began Done", "Quarantine its user Could not be done",
		"iam:ListAttachedUserPolicies", "The user's other credentials are not limited", "Make a replacement Could not be done", "iam:CreateAccessKey")
	if a := w.get("/exposed-key/report?id=" + id); a.StatusCode < 400 {
		t.Errorf("the report: %d", a.StatusCode)
	} else {
		a.contains(t, "cloudtrail:LookupEvents")
	}
	w.signIn("nobody", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:*","Resource":"*"}]}`)
	if a := w.post("/exposed-key", url.Values{"id": {id}}); a.StatusCode < 400 {
		t.Errorf("nobody: %d", a.StatusCode)
	}
	w.signIn("admin", allowAll)
	keys, err := w.api().IAM.ListAccessKeys(t.Context(), &iam.ListAccessKeysInput{UserName: aws.String("victim")})
	w.must(err)
	if keys.AccessKeyMetadata[0].Status != types.StatusTypeInactive {
		t.Error("the key is active")
	}

	// Deleted meanwhile, it can still be dealt with.
	_, err = w.api().IAM.DeleteAccessKey(t.Context(), &iam.DeleteAccessKeyInput{UserName: aws.String("victim"), AccessKeyId: &id})
	w.must(err)
	w.get("/exposed-key?id="+id).contains(t, "the key was deleted", "whose it was is not on record")
	w.get("/exposed-key/report?id="+id).contains(t, "user mallory")
}

func TestExposedKeyOfNonsense(t *testing.T) {
	w := newWorld(t)
	w.signIn("admin", allowAll)
	for query, want := range map[string]string{
		"id=root":                 "no access keys",
		"id=ASIAIOSFODNN7EXAMPLE": "That is the id of a session",
		"id=%3Cscript%3E":         "That is no access key id",
		"id=AKIAIOSFODNN7EXAMPLE&leaked=2999-01-01T00:00": "Enter a time in the past",
		"id=AKIAIOSFODNN7EXAMPLE&leaked=yesterday":        "Enter a time in the past",
	} {
		a := w.get("/exposed-key?" + query)
		if a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", query, a.StatusCode)
		}
		a.contains(t, want)
		form, _ := url.ParseQuery(query)
		if a := w.post("/exposed-key", form); a.StatusCode != http.StatusSeeOther {
			t.Errorf("posted %s: %d", query, a.StatusCode)
		}
		if a := w.get("/exposed-key/report?" + query); a.StatusCode != http.StatusBadRequest {
			t.Errorf("report of %s: %d", query, a.StatusCode)
		}
	}
	if a := w.get("/exposed-key?id=AKIAIOSFODNN7EXAMPLE"); a.StatusCode < 400 || a.StatusCode >= 500 {
		t.Errorf("a key of nobody: %d", a.StatusCode)
	}
}

// In a browser, the steps of a response follow each other and the report comes by itself; a
// rotation is watched live. What is shown is looked at in light and dark, wide and narrow.
func TestAccessKeysInABrowser(t *testing.T) {
	b := browser.New(t)
	w := newWorld(t)
	id, _, _ := w.leak()
	w.signIn("alice", allowAll)
	w.at(time.Now().UTC())
	w.signIn("alice", allowAll)
	cookie := w.cookies[SessionCookie]
	server := b.Serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.AddCookie(cookie)
		w.console.ServeHTTP(rw, r)
	}))
	u, err := url.Parse(server.URL)
	w.must(err)
	w.console.config.URL = &url.URL{Scheme: "http", Host: "localhost:" + u.Port()}
	base := w.console.config.URL.String()

	b.Open(base + "/access-keys/new?user=alice")
	b.WaitText("Do you need one?")
	b.Screenshots("access-key-new")
	b.Press("Create access key")
	b.WaitText("This is the only time")
	b.Screenshots("access-key-made")
	b.Press("I have stored it")
	b.WaitText("Rotate in three steps")
	b.Press("Make a new key")
	b.WaitText("This is the only time")
	// The page has the address of the rotation: Back and Reload make and show nothing.
	if path := b.Path(); !strings.HasPrefix(path, "/access-keys/AKIA") {
		t.Errorf("the page with a secret is at %s", path)
	}
	b.Do(chromedp.Reload())
	b.WaitText("The new key has not been used yet")
	b.Screenshots("access-key-rotation")
	b.Press("Deactivate the old key")
	b.WaitText("Nobody asks for the old key")
	b.Screenshots("access-key-off")
	b.Open(base + "/access-keys/new?user=alice")
	b.WaitText("there are two")
	b.Screenshots("access-key-quota")

	b.Open(base + "/exposed-key")
	b.Screenshots("exposed-key-which")
	b.Fill("id", id)
	b.Press("Go on")
	b.WaitText("How far it is")
	b.Screenshots("exposed-key")
	b.Click("#replace")
	b.Press("Stop this key now")
	b.WaitText("This is the only time")
	b.WaitText("Draft of a note")
	b.Screenshots("exposed-key-done")
	b.Open(base + "/exposed-key/report?id=" + id)
	b.Screenshots("exposed-key-report")
}
