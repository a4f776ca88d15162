package console

import (
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

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// selfManaged is what people may do with their own keys, as AWS's example policy has it.
const selfManaged = `{"Version":"2012-10-17","Statement":[
	{"Effect":"Allow","Action":["iam:*AccessKey*","iam:GetUser"],"Resource":"arn:aws:iam::*:user/${aws:username}"},
	{"Effect":"Allow","Action":"cloudtrail:LookupEvents","Resource":"*"}]}`

// with is the API in the hands of a program that has a key.
func (w *world) with(id, secret, agent, address string) *API {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = address
	r.Header.Set("User-Agent", agent)
	return newAPI(w.aws, region, session.Credentials{AccessKeyID: id, SecretAccessKey: secret}, nil, r)
}

// everything that is on the trail of the account.
func (w *world) everything() string {
	w.t.Helper()
	w.must(w.trail.Sync(w.t.Context()))
	var all strings.Builder
	w.must(w.store.View(w.t.Context(), func(r store.Reader) error {
		for q := (audit.Query{Account: ours, Now: w.now.Add(time.Second)}); ; {
			page, err := w.trail.Lookup(r, q)
			if err != nil {
				return err
			}
			for _, e := range page.Entries {
				all.WriteString(e.Record + "\n")
			}
			if q.Token = page.Next; q.Token == "" {
				return nil
			}
		}
	}))
	return all.String()
}

var secretKey = regexp.MustCompile(`[A-Za-z0-9+/]{40}`)

// fieldsOf are the hidden fields of the form that posts to an action.
func (a *answered) fieldsOf(t *testing.T, action string) url.Values {
	t.Helper()
	_, form, found := strings.Cut(a.body, `<form action="`+action+`" method="post"`)
	if !found {
		t.Fatalf("no form posts to %s:\n%s", action, a.body)
	}
	form, _, _ = strings.Cut(form, "</form>")
	fields := url.Values{}
	for _, input := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(form, -1) {
		fields.Set(input[1], strings.ReplaceAll(input[2], "&amp;", "&"))
	}
	return fields
}

// made reads the key out of the page that shows it.
func (a *answered) made(t *testing.T) (id, secret string) {
	t.Helper()
	if a.StatusCode != http.StatusOK || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d, %s: %s", a.StatusCode, a.Header.Get("Cache-Control"), a.body)
	}
	file := regexp.MustCompile(`data:text/csv;charset=utf-8,([^"]*)"`).FindStringSubmatch(a.body)
	if file == nil {
		t.Fatalf("no file to download: %s", a.body)
	}
	text, err := url.PathUnescape(strings.ReplaceAll(file[1], "&#43;", "+"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text, "\r\n")
	if lines[0] != "Access key ID,Secret access key" {
		t.Errorf("the file begins %q", lines[0])
	}
	id, secret, _ = strings.Cut(lines[1], ",")
	if !arn.IsAccessKey(id) || !secretKey.MatchString(secret) {
		t.Fatalf("the file has %q", lines[1])
	}
	a.contains(t, "This is the only time it can be seen.", id, secret, "I have stored it")
	return id, secret
}

// nowhere fails if a secret can be had again: from a page, the log, the trail, a cookie.
func (w *world) nowhere(secret string, pages ...string) {
	w.t.Helper()
	for _, path := range pages {
		if a := w.get(path); strings.Contains(a.body, secret) || strings.Contains(a.body, url.QueryEscape(secret)) {
			w.t.Errorf("%s shows the secret again", path)
		}
	}
	if strings.Contains(w.log.String(), secret) {
		w.t.Error("the log has the secret")
	}
	if strings.Contains(w.everything(), secret) {
		w.t.Error("the trail has the secret")
	}
	for _, cookie := range w.cookies {
		if strings.Contains(cookie.Value, secret) {
			w.t.Errorf("the cookie %s has the secret", cookie.Name)
		}
	}
}

// A person rotates their own key, and each page tells how far it has come. T251, T369: the
// secret is in one answer, which no browser keeps, and nowhere else.
func TestT369_RotationOfAnAccessKey(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", selfManaged)

	// The first key.
	form := w.get("/access-keys/new?user=alice")
	form.contains(t, "Which credential should I use?", "Access key for alice")
	fields := form.fieldsOf(t, "/access-keys")
	a := w.post("/access-keys", fields)
	old, oldSecret := a.made(t)
	stored := w.post("/access-keys/stored", a.fieldsOf(t, "/access-keys/stored"))
	page := "/access-keys/" + old
	if stored.StatusCode != http.StatusSeeOther || stored.Header.Get("Location") != page {
		t.Errorf("stored: %d, to %s", stored.StatusCode, stored.Header.Get("Location"))
	}
	w.nowhere(oldSecret, page, "/access-keys/new?user=alice", page+"/use")

	// The same form again, as Back and Reload send it, makes no second key.
	if again := w.post("/access-keys", fields); again.StatusCode != http.StatusConflict || secretKey.MatchString(textOf(again.doc)) {
		t.Errorf("sent again: %d %s", again.StatusCode, textOf(again.doc))
	}

	// Step 1.
	w.later(100 * day)
	program := w.with(old, oldSecret, "cron/1.0 <b>on</b> ci", "198.51.100.7:443")
	_, err := stsOf(program).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	w.must(err)
	w.later(25 * time.Hour)
	w.signIn("alice")
	a = w.get(page)
	a.contains(t, "101 days", "Rotate in three steps", "Make a new key", "198.51.100.7", "cron/1.0")
	a = w.post("/access-keys", a.fieldsOf(t, "/access-keys"))
	fresh, freshSecret := a.made(t)
	if to := w.post("/access-keys/stored", a.fieldsOf(t, "/access-keys/stored")).Header.Get("Location"); to != page {
		t.Errorf("stored: to %s", to)
	}
	w.nowhere(freshSecret, page, "/access-keys/"+fresh)
	w.get("/access-keys/"+fresh).contains(t, "This is the newer of two keys")

	// Step 2: both work, and where they are used is seen live.
	w.get(page).contains(t, fresh, "The new key has not been used yet")
	look := func(want ...string) *answered {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, page+"/use?user=alice&look=1", nil)
		r.Host = w.console.config.URL.Host
		r.Header.Set("HX-Request", "true")
		a := w.do(r)
		a.contains(t, want...)
		return a
	}
	later := w.with(fresh, freshSecret, "cron/2.0", "203.0.113.9:443")
	_, err = stsOf(later).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	w.must(err)
	w.later(2 * time.Minute)
	look("Only the new key is used", "203.0.113.9", "cron/2.0", "sts, us-east-1")
	_, err = stsOf(program).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	w.must(err)
	w.later(time.Minute)
	if a := look("Both keys are used", "Old key", "New key"); !strings.Contains(a.body, page+"/use?look=2&amp;user=alice") {
		t.Errorf("it does not look again: %s", a.body)
	}

	// Step 3: off, watched, on again, off, and gone.
	a = w.post(page+"/status", w.get(page).fieldsOf(t, page+"/status"))
	if a.Header.Get("Location") != page {
		t.Fatalf("deactivated: %d %s", a.StatusCode, a.body)
	}
	w.get(page).contains(t, "is inactive. It can be reactivated", "Nobody asks for the old key", "Reactivate", "Delete "+old)
	if _, err = stsOf(program).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err == nil {
		t.Fatal("an inactive key works")
	}
	w.must(w.trail.Sync(t.Context()))
	w.later(time.Minute)
	a = w.get(page)
	a.contains(t, "Something still has the old key", "198.51.100.7")
	w.post(page+"/status", a.fieldsOf(t, page+"/status"))
	w.get(page).contains(t, "works again", "Deactivate the old key")
	_, err = stsOf(program).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	w.must(err)
	w.post(page+"/status", w.get(page).fieldsOf(t, page+"/status"))

	remove := url.Values{"user": {"alice"}, "typed": {"AKIA"}}
	if a := w.post(page+"/delete", remove); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("deleted though the id was not typed: %d", a.StatusCode)
	}
	remove.Set("typed", old)
	if to := w.post(page+"/delete", remove).Header.Get("Location"); to != "/security" {
		t.Errorf("deleted: to %s", to)
	}
	w.get("/access-keys/"+fresh).contains(t, "was deleted", "1. Make a new key", "Active")
	w.signIn("admin", allowAll)
	w.get(page).contains(t, "Deleted", "See what it did")
}

// What hands out a credential, or destroys one, asks for a factor of the last minutes.
func TestAccessKeysAskForAFactor(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", selfManaged)
	fields := w.get("/access-keys/new").fieldsOf(t, "/access-keys")
	id, _ := w.post("/access-keys", fields).made(t)
	fields.Set("have", id)
	w.later(recently)
	page := "/access-keys/" + id
	for path, form := range map[string]url.Values{
		"/access-keys":   fields,
		page + "/delete": {"user": {"alice"}, "typed": {id}},
		page + "/status": {"user": {"alice"}, "status": {"Active"}},
		"/exposed-key":   {"id": {id}},
	} {
		if a := w.post(path, form); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/signin/factor?") {
			t.Errorf("%s: %d to %s", path, a.StatusCode, a.Header.Get("Location"))
		}
	}
	if out, err := w.api().IAM.ListAccessKeys(t.Context(), &iam.ListAccessKeysInput{UserName: aws.String("alice")}); err != nil || len(out.AccessKeyMetadata) != 1 || out.AccessKeyMetadata[0].Status != types.StatusTypeActive {
		t.Errorf("keys %+v, %v", out, err)
	}
}

// At the quota, the page names the key that nobody uses, and offers to remove it.
func TestAccessKeyQuota(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", selfManaged)
	first, firstSecret := w.post("/access-keys", w.get("/access-keys/new").fieldsOf(t, "/access-keys")).made(t)
	w.later(time.Hour)
	w.signIn("alice")
	second, _ := w.post("/access-keys", w.get("/access-keys/new").fieldsOf(t, "/access-keys")).made(t)
	_, err := stsOf(w.with(first, firstSecret, "app", "192.0.2.4:1")).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	w.must(err)
	w.later(time.Minute)
	a := w.get("/access-keys/new?user=alice")
	a.contains(t, "The one that can go first is "+second, "never used", "Deactivate "+second)
	if strings.Contains(a.body, `action="/access-keys"`) {
		t.Error("a third key is offered")
	}
	to := w.post("/access-keys/"+second+"/status", a.fieldsOf(t, "/access-keys/"+second+"/status")).Header.Get("Location")
	a = w.get(to)
	a.contains(t, "Delete "+second)
	remove := a.fieldsOf(t, "/access-keys/"+second+"/delete")
	remove.Set("typed", second)
	if to := w.post("/access-keys/"+second+"/delete", remove).Header.Get("Location"); to != "/access-keys/new?user=alice" {
		t.Errorf("deleted: to %s", to)
	}
	w.get("/access-keys/new?user=alice").contains(t, "Create access key")
}

// T253: the root user is told why there are no keys for it, and gets none.
func TestT253_RootGetsNoAccessKey(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	a := w.get("/access-keys/new")
	a.contains(t, "The root user cannot have access keys", "lanyard env --root")
	if strings.Contains(a.body, `action="/access-keys"`) {
		t.Error("root is offered a key")
	}
	if a := w.post("/access-keys", url.Values{"user": {"root"}}); a.StatusCode == http.StatusOK {
		t.Errorf("root got one: %s", a.body)
	}
}

// Who may not see or do something is told what is missing, and sees the rest.
func TestAccessKeysWithFewRights(t *testing.T) {
	w := newWorld(t)
	w.signIn("bob", selfManaged)
	id, _ := w.post("/access-keys", w.get("/access-keys/new").fieldsOf(t, "/access-keys")).made(t)
	w.signIn("carol", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListAccessKeys","Resource":"*"}]}`)
	w.get("/access-keys/"+id).contains(t, "you lack iam:GetAccessKeyLastUsed", "it takes cloudtrail:LookupEvents")
	for _, a := range []*answered{
		w.post("/access-keys", url.Values{"user": {"bob"}, "have": {id}}),
		w.post("/access-keys/"+id+"/status", url.Values{"user": {"bob"}, "status": {"Inactive"}}),
		w.post("/access-keys/"+id+"/delete", url.Values{"user": {"bob"}, "typed": {id}}),
	} {
		if a.StatusCode != http.StatusForbidden {
			t.Errorf("status %d", a.StatusCode)
		}
		a.contains(t, "You do not have permission", "is not authorized to perform")
	}
	w.get("/users/bob?tab=credentials")
	w.signIn("dave", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:*","Resource":"*"}]}`)
	for _, path := range []string{"/access-keys/" + id, "/access-keys/new?user=bob", "/exposed-key?id=" + id} {
		a := w.get(path)
		if path != "/access-keys/new?user=bob" && a.StatusCode < 400 {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	for _, path := range []string{"/access-keys/%3Cscript%3E", "/access-keys/AKIAIOSFODNN7EXAMPLE", "/access-keys/ASIAIOSFODNN7EXAMPLE"} {
		if a := w.get(path); a.StatusCode < 400 || a.StatusCode >= 500 || strings.Contains(a.body, "<script>") {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
}

// The list of keys is a part of the page of their user, empty, full or refused.
func TestAccessKeysOfAUser(t *testing.T) {
	w := newWorld(t)
	w.signIn("bob", selfManaged)
	w.signIn("admin", allowAll)
	page := "/users/bob?tab=credentials"
	w.get(page).contains(t, "bob has no access keys, and may not need one", "Which credential should I use?")
	id, _ := w.post("/access-keys", w.get("/access-keys/new?user=bob").fieldsOf(t, "/access-keys")).made(t)
	w.later(91 * day)
	w.signIn("admin", allowAll)
	a := w.get(page)
	a.contains(t, id, "Active", "91 days", "Never", "Rotate", "This key leaked", "Create access key")
	if !strings.Contains(a.body, `href="/exposed-key?id=`+id+`"`) || !strings.Contains(a.body, `href="/access-keys/`+id+`"`) {
		t.Error("the keys lead nowhere")
	}
	w.signIn("guest", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:GetUser","Resource":"*"}]}`)
	w.get(page).contains(t, "it takes iam:ListAccessKeys")
}

// "Last used" is noted now and then: a key that was used before the new one was made, and
// again since, shows the first of the two. The trail knows better.
func TestRotationSeesUseThatIAMDidNotNote(t *testing.T) {
	now := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	for _, test := range []struct {
		seen time.Time
		want string
	}{
		{at(-3), "The new key is used, and the old one no longer since"},
		{at(-1), "Both keys are used"},
		{time.Time{}, "The new key is used, and the old one no longer since"},
	} {
		r := rotation{Now: now, Stage: 2,
			Old: &accessKey{Created: at(-60), Use: keyUse{Known: true, At: at(-5)}},
			New: &accessKey{Created: at(-2), Use: keyUse{Known: true, At: at(-1)}}}
		if got := r.verdict(sightings{Last: test.seen}).Title; got != test.want {
			t.Errorf("the old key seen at %v: %s", test.seen, got)
		}
	}
}
