package console

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// A step ticks itself when it is done, and the account's comes undone when it is so no
// longer; progress is the person's.
func TestChecklist_SecureAccount(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.get("/checklists").contains(t, "Secure this account", "Not begun", "Rotate a key")
	a := w.settled("/checklists/secure-account")
	a.contains(t, "To do: 4. Set a password policy", "password policy", "none", "Do it here", "aws iam update-account-password-policy", "Steps tick themselves")
	client := w.api().IAM
	_, err := client.UpdateAccountPasswordPolicy(t.Context(), &iam.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: aws.Int32(14)})
	w.must(err)
	a = w.settled("/checklists/secure-account")
	a.contains(t, "Done: 4. Set a password policy", "minimum length", "14")
	w.get("/checklists").contains(t, " of 7 done", "Your progress")
	w.later(time.Hour / 2)
	_, err = client.DeleteAccountPasswordPolicy(t.Context(), &iam.DeleteAccountPasswordPolicyInput{})
	w.must(err)
	w.settled("/checklists/secure-account").contains(t, "To do: 4. Set a password policy", "No longer so", "30 minutes ago")
	if a := w.get("/checklists/nonsense"); a.StatusCode != http.StatusNotFound {
		t.Errorf("%d", a.StatusCode)
	}
	w.signIn("alice", everything)
	w.get("/checklists").lacks(t, "Your progress")
}

// What was seen done with a key stays done, also when the key and its events are gone.
func TestChecklist_RotateKey(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	client := w.api().IAM
	_, err := client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("carol")})
	w.must(err)
	made, err := client.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String("carol")})
	w.must(err)
	key := *made.AccessKey.AccessKeyId
	path := "/checklists/rotate-key?key=" + key
	before := strings.Count(w.settled(path).body, "Done: ")
	_, err = client.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String("carol")})
	w.must(err)
	_, err = client.UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{UserName: aws.String("carol"), AccessKeyId: &key, Status: types.StatusTypeInactive})
	w.must(err)
	w.later(time.Minute)
	a := w.settled(path)
	a.contains(t, key, "event", "UpdateAccessKey")
	after := strings.Count(a.body, "Done: ")
	if after <= before {
		t.Errorf("%d steps are done after, %d before", after, before)
	}
	_, err = client.DeleteAccessKey(t.Context(), &iam.DeleteAccessKeyInput{UserName: aws.String("carol"), AccessKeyId: &key})
	w.must(err)
	w.later(time.Minute)
	if n := strings.Count(w.settled(path).body, "Done: "); n < after {
		t.Errorf("%d of %d steps stay done", n, after)
	}
	w.get("/checklists").contains(t, "Rotate a key", key)

	w.get("/checklists/rotate-key").contains(t, "What is it about?", "Access key id")
	if a := w.get("/checklists/rotate-key?key=" + url.QueryEscape(`"><script>`)); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("%d", a.StatusCode)
	}
	w.settled("/checklists/key-leaked?key=AKIAIOSFODNN7EXAMPLE").contains(t, "There is no such key", "AKIAIOSFODNN7EXAMPLE")
}

// A person without rights over others sees their own.
func TestChecklist_OfOneself(t *testing.T) {
	w := newWorld(t)
	w.signIn("dave", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["iam:GetUser","iam:ListAccessKeys","iam:ListMFADevices","iam:ListAttachedUserPolicies"],"Resource":"arn:aws:iam::*:user/${aws:username}"},
		{"Effect":"Allow","Action":"cloudtrail:LookupEvents","Resource":"*"}]}`)
	w.settled("/checklists/first-credentials").contains(t, "My first temporary credentials", "dave", "To do: ")
	w.get("/checklists/secure-account").contains(t, "You may not see this: it takes iam:GetAccountAuthorizationDetails.")
	w.settled("/checklists/first-credentials?user=erin").contains(t, "You may not see this: it takes iam:GetUser.")
	w.signInRoot()
	w.get("/checklists/first-credentials").contains(t, "Whose credentials is it about?")
}

// A page that is open asks again: it is told when there is no news, and not for ever.
func TestChecklist_Polls(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	poll := func(path string) *answered {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Host = w.console.config.URL.Host
		r.Header.Set("HX-Request", "true")
		return w.do(r)
	}
	pathIn := func(a *answered) string {
		_, rest, _ := strings.Cut(a.body, `hx-get="`)
		path, _, _ := strings.Cut(rest, `"`)
		return strings.ReplaceAll(path, "&amp;", "&")
	}
	w.patient()
	w.console.surveys.host = w.console.surveys.clock // no work takes time, so that there is no rest after it
	path := pathIn(w.get("/checklists/secure-account"))
	path = pathIn(poll(path)) // the first page may have counted its own progress as a change
	if a := poll(path); a.StatusCode != http.StatusNoContent {
		t.Errorf("no news: %d\n%s", a.StatusCode, a.body)
	}
	_, err := w.api().IAM.UpdateAccountPasswordPolicy(t.Context(), &iam.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: aws.Int32(14)})
	w.must(err)
	if a := poll(path); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "Done: </span>") {
		t.Errorf("news: %d\n%s", a.StatusCode, a.body)
	}
	w.later(pollFor)
	if a := poll(path); a.StatusCode != http.StatusOK || strings.Contains(a.body, "every 15s") {
		t.Errorf("it asks for ever: %d\n%s", a.StatusCode, a.body)
	}
}

// Progress is bounded: the oldest goes.
func TestChecklist_ProgressIsBounded(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	for i := range progressKept + 5 {
		w.later(time.Second)
		v := w.visit()
		w.must(v.keepProgress(&progress{List: "rotate-key", Subject: fmt.Sprint("AKIA", i)}))
	}
	out, err := lanyard.Call[lanyard.ListStatesOutput](context.Background(), w.api().Lanyard, &lanyard.ListStatesInput{Prefix: aws.String(progressPrefix)})
	w.must(err)
	if len(out.States) != progressKept {
		t.Errorf("%d are kept", len(out.States))
	}
	for _, s := range out.States {
		if strings.Contains(*s.Value, `"AKIA0"`) {
			t.Error("the oldest is kept")
		}
	}
}

// visit is a visit of who is signed in, to call what pages call.
func (w *world) visit() *Visit {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(w.cookies[SessionCookie])
	p, err := w.console.config.Person(r)
	w.must(err)
	return &Visit{Request: r, Person: p, Now: w.now, console: w.console, api: w.console.config.API(p, r)}
}
