package console

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/test/browser"
)

// reports makes a report now and returns its id.
func (w *world) report() string {
	w.t.Helper()
	w.post("/credential-report", nil).leadsTo(w.t, "/credential-report")
	return w.now.UTC().Format("20060102T150405Z")
}

func (w *world) makeUser(name, path string) {
	w.t.Helper()
	_, err := w.api().IAM.CreateUser(w.t.Context(), &iam.CreateUserInput{UserName: &name, Path: &path})
	w.must(err)
}

// setPassword gives a user a console password.
func (w *world) setPassword(name string) {
	w.t.Helper()
	_, err := w.api().IAM.CreateLoginProfile(w.t.Context(), &iam.CreateLoginProfileInput{UserName: &name, Password: aws.String("Correct-Horse-9")})
	w.must(err)
}

// week passes; the person signs in again.
func (w *world) week() {
	w.later(7 * 24 * time.Hour)
	w.signIn("alice", everything)
}

// marked checks the markup of an answer; contains looks at its text.
func (a *answered) marked(t *testing.T, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(a.body, want) {
			t.Errorf("%q is not in the markup:\n%s", want, a.body[strings.Index(a.body, "<main"):])
		}
	}
}

func TestCredentialReportPage(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", everything)
	w.get("/credential-report").contains(t, "No credential report yet", "aws iam generate-credential-report")
	w.get("/credential-report/history").contains(t, "No credential report yet", "0 6 * * 1 aws iam generate-credential-report")
	w.get("/credential-report/compare").contains(t, "Nothing to compare yet", "0 6 * * 1 aws iam generate-credential-report")
	if a := w.get("/credential-report/download"); a.StatusCode != http.StatusNotFound {
		t.Errorf("nothing to download: %s", a.Status)
	}
	w.makeUser("carol", "/")
	w.setPassword("carol")
	first := w.report()
	w.get("/credential-report").contains(t, "A report was made.", "<root_account>", "alice", "mfa active")
	w.get("/credential-report").marked(t, `data-filter="report"`)
	page := w.get("/credential-report/history")
	page.contains(t, w.now.UTC().Format(time.DateOnly), "One report compares with nothing")
	page.lacks(t, "Trend", `name="from"`)
	w.get("/credential-report/compare").contains(t, "Nothing to compare yet")
	w.report()
	w.get("/credential-report").contains(t, "There is a report of the last four hours")
	download := w.get("/credential-report/download")
	if !strings.HasPrefix(download.body, "user,arn,") || !strings.Contains(download.Header.Get("Content-Disposition"), "credential-report-"+w.now.UTC().Format(time.DateOnly)+".csv") {
		t.Errorf("downloaded %q, %s", download.body, download.Header)
	}

	// After four hours it is still there, and that of another day stays beside it.
	w.week()
	w.get("/credential-report").contains(t, "7 days ago", "alice")
	if a := w.get("/credential-report/download"); a.body != download.body {
		t.Errorf("downloaded %q", a.body)
	}
	w.makeUser("late", "/")
	second := w.report()
	w.get("/credential-report").contains(t, "late", "As of", "just now")
	page = w.get("/credential-report?id=" + first)
	page.contains(t, "An earlier report: ", "Show the newest")
	page.marked(t, "/credential-report/download?id="+first)
	page.lacks(t, "late")
	if a := w.get("/credential-report/download?id=" + first); a.body != download.body {
		t.Errorf("the earlier one: %q", a.body)
	}
	a := w.get("/credential-report/history")
	a.contains(t, "Trend")
	a.marked(t, "<svg", "Passwords without MFA: 1 on ", "Keys over 90 days: 0 on ", `name="from" value="`+first+`" aria-label="From the report of `+w.now.AddDate(0, 0, -7).UTC().Format(time.DateOnly)+`" checked`, `name="to" value="`+second+`"`)
	a.lacks(t, "One report compares")
	for _, id := range []string{"20010101T000000Z", "../../etc/passwd", "<script>", strings.Repeat("9", 16)} {
		for _, path := range []string{"/credential-report?id=", "/credential-report/download?id=", "/credential-report/compare?to=" + first + "&from="} {
			if a := w.get(path + url.QueryEscape(id)); a.StatusCode < 400 || a.StatusCode >= 500 {
				t.Errorf("%s%s: %s", path, id, a.Status)
			}
		}
	}
}

func TestCompareReportsPage(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", everything)
	w.makeUser("=1+1", "/") // would be a formula in a spreadsheet; AWS writes it so
	w.makeUser("a,b", `/"><script>alert(1)</script>/`)
	w.makeUser("gone", "/")
	w.makeUser("again", "/")
	w.makeUser("carol", "/")
	w.setPassword("carol")
	first := w.report()
	w.week()
	client := w.api().IAM
	for _, name := range []string{"gone", "again"} {
		_, err := client.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: &name})
		w.must(err)
	}
	w.makeUser("again", "/")
	w.makeUser("new", `/"><img/src=x>/`)
	w.setPassword("a,b")
	_, err := client.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String("=1+1")})
	w.must(err)
	w.edit(func(tx store.Tx) error {
		return identity.Users.Edit(tx, func(u *identity.User) error {
			u.PasswordLastUsed = w.now
			return nil
		}, string(ours), "carol")
	})
	second := w.report()

	all := w.get("/credential-report/compare?from=" + first + "&to=" + second)
	all.contains(t, "Opens a way in (2)", "Added (1)", "Removed (1)", "Made anew (1)", "A console password was set.", "Access key 1 was made on ", "This is another user of the same name")
	all.marked(t, `<a href="/users/=1&#43;1">`)
	all.lacks(t, "<script>alert", "<img/src=x", `href="/users/gone"`, "was last used")
	rows := func(query string) (names string) {
		if !strings.HasPrefix(query, "?") {
			query = "?from=" + first + "&to=" + second + query
		}
		a := w.get("/credential-report/compare" + query)
		a.contains(t, "From 2026-11-27 to 2026-12-04")
		for _, m := range regexp.MustCompile(`<th scope="row">(?:<a[^>]*>)?([^<]+)`).FindAllStringSubmatch(a.body, -1) {
			names += m[1] + " "
		}
		return names
	}
	for query, want := range map[string]string{
		"":                                 "=1&#43;1 a,b again gone new ",
		"?":                                "=1&#43;1 a,b again gone new ", // the newest two
		"?from=" + second + "&to=" + first: "=1&#43;1 a,b again gone new ",
		"&what=removed":                    "gone ",
		"&what=opens":                      "=1&#43;1 a,b ",
		"&what=opens&filter=B":             "a,b ",
		"&filter=ag":                       "again ",
		"&filter=%3Cscript%3E":             "",
		"&used=on":                         "=1&#43;1 a,b again carol gone new ",
		"&used=on&filter=a&what=changed":   "a,b carol ",
	} {
		if got := rows(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	w.get("/credential-report/compare?from="+first+"&to="+second+"&used=on").contains(t, "The password was used on ")
	w.get("/credential-report/compare?from="+first+"&to="+second+"&filter=%3Cscript%3E").contains(t, "No change is like that.")
	w.get("/credential-report/compare?from="+first+"&to="+first).contains(t, "Nothing changed")
	if a := w.get("/credential-report/compare?from=" + first + "&to=" + second + "&what=everything"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("%s", a.Status)
	}
	if a := w.get("/credential-report/download?id=" + first); !strings.Contains(a.body, "\n=1+1,arn:aws:iam::") {
		t.Errorf("%s", a.body)
	}
}

// A page has a hundred users, whatever the report has, and finds others in the whole of it.
func TestManyUsersInAReport(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", everything)
	w.edit(func(tx store.Tx) error {
		for i := range 250 {
			name := fmt.Sprintf("user%04d", i)
			u := &identity.User{Account: ours, ID: fmt.Sprintf("AIDA%017d", i), Name: name, Path: "/", Created: w.now}
			if err := identity.Users.Put(tx, u, string(ours), name); err != nil {
				return err
			}
			if err := identity.Entities.Put(tx, &identity.Entity{Account: ours, Type: identity.TypeUser, Name: name}, u.ID); err != nil {
				return err
			}
		}
		return nil
	})
	id := w.report()
	next := regexp.MustCompile(`<a class="button" href="([^"]+)" rel="next">`)
	seen := 0
	for path := "/credential-report"; path != ""; {
		a := w.get(path)
		n := strings.Count(a.body, `<th scope="row">`)
		if n > shownReport {
			t.Fatalf("%d users on a page", n)
		}
		seen += n
		path = ""
		if m := next.FindStringSubmatch(a.body); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
		a.marked(t, `action="/credential-report"`, `name="id" value="`+id+`"`)
	}
	if seen != 252 { // with root and alice
		t.Errorf("%d users", seen)
	}
	page := w.get("/credential-report?id=" + id + "&filter=R0249")
	page.contains(t, "user0249", "1 user")
	page.lacks(t, "user0001")
	w.get("/credential-report?id="+id+"&filter=nobody").contains(t, "No user of the report has this in the name.")
	if a := w.get("/credential-report/download"); strings.Count(a.body, "\n") != 253 {
		t.Errorf("%d lines", strings.Count(a.body, "\n"))
	}
}

func TestCredentialReportDenied(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", everything)
	id := w.report()
	w.week()
	w.report()
	w.signIn("bob")
	for _, path := range []string{"/credential-report", "/credential-report?id=" + id, "/credential-report/history", "/credential-report/compare", "/credential-report/compare?from=" + id + "&to=" + id} {
		a := w.get(path)
		a.contains(t, "You may not see this: it takes iam:GetCredentialReport", "Why?")
		a.lacks(t, "root_account", "20260")
		if a.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	if a := w.get("/credential-report/download?id=" + id); a.StatusCode < 400 {
		t.Errorf("%s", a.Status)
	}
}

// Somebody looks at the trend, chooses two reports and reads what changed.
func TestCredentialReportsInABrowser(t *testing.T) {
	b := browser.New(t)
	w := newWorld(t)
	const weeks = 9
	w.later(time.Since(w.now) - weeks*7*24*time.Hour) // the browser's clock is the real one
	w.signIn("alice", everything)
	for i := range 12 {
		w.makeUser(fmt.Sprintf("person%02d", i), "/")
		if i%3 == 0 {
			w.setPassword(fmt.Sprintf("person%02d", i))
		}
		_, err := w.api().IAM.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String(fmt.Sprintf("person%02d", i))})
		w.must(err)
	}
	w.report()
	for i := range weeks {
		w.week()
		switch i {
		case 2:
			w.makeUser("a-user-with-a-rather-long-name-that-has-to-wrap-on-a-telephone", "/")
			w.setPassword("a-user-with-a-rather-long-name-that-has-to-wrap-on-a-telephone")
		case 4:
			_, err := w.api().IAM.DeleteLoginProfile(t.Context(), &iam.DeleteLoginProfileInput{UserName: aws.String("person03")})
			w.must(err)
			w.makeUser("contractor", "/")
		case 7:
			w.setPassword("person04")
			w.setPassword("person05")
			_, err := w.api().IAM.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("contractor")})
			w.must(err)
			w.makeUser("contractor", "/")
		}
		w.report()
	}
	base := w.enter(b)
	b.Open(base + "/credential-report/history")
	b.WaitText("Passwords without MFA")
	b.Screenshots("credential-report-history-full")
	b.Open(base + "/credential-report/history")
	b.Press("Compare")
	b.WaitText("From ")
	b.Wait(`location.pathname === "/credential-report/compare"`)
	b.Open(base + "/credential-report/compare?used=on&from=" + w.now.Add(-weeks*7*24*time.Hour).UTC().Format("20060102T150405Z") + "&to=" + w.now.UTC().Format("20060102T150405Z"))
	b.WaitText("A console password was set.")
	b.Screenshots("credential-report-compare-full")
	b.Open(base + "/credential-report")
	b.Screenshots("credential-report-full")
}

// The pages of an account with 10,000 users and two reports, between which each user's key was
// used. -v tells how long they take.
func TestReportPagesOf10000Users(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	w := newWorld(t)
	w.signIn("alice", everything)
	made := w.now
	use := func(step int) {
		for from := 0; from < 10_000; from += 1000 {
			w.edit(func(tx store.Tx) error {
				for i := from; i < from+1000; i++ {
					name, key := fmt.Sprintf("user%06d", i), fmt.Sprintf("AKIA%016d", i)
					u := &identity.User{Account: ours, ID: fmt.Sprintf("AIDA%017d", i), Name: name, Path: "/", Created: made, AccessKeys: []string{key}}
					if step > 0 && i%50 == 0 {
						u.MFA = []identity.EnabledDevice{{Serial: "/phone", Enabled: w.now}}
					}
					for _, err := range []error{
						identity.Users.Put(tx, u, string(ours), name), identity.Entities.Put(tx, &identity.Entity{Account: ours, Type: identity.TypeUser, Name: name}, u.ID),
						identity.AccessKeys.Put(tx, &identity.AccessKey{ID: key, Account: ours, UserID: u.ID, UserName: name, Created: made}, key),
						identity.LastUses.Put(tx, &identity.LastUse{At: w.now.Add(time.Duration(i) * -time.Minute), Service: "sts", Region: "us-east-1"}, key),
					} {
						if err != nil {
							return err
						}
					}
				}
				return nil
			})
		}
	}
	use(0)
	first := w.report()
	w.week()
	use(1)
	second := w.report()
	for name, path := range map[string]string{
		"report": "/credential-report", "earlier": "/credential-report?id=" + first, "find": "/credential-report?filter=009999", "history": "/credential-report/history",
		"compare": "/credential-report/compare?from=" + first + "&to=" + second, "compare with uses": "/credential-report/compare?used=on&from=" + first + "&to=" + second,
	} {
		var took []time.Duration
		for range 60 {
			r := httptest.NewRequest(http.MethodGet, w.site+path, nil)
			r.AddCookie(w.cookies[SessionCookie])
			answer := httptest.NewRecorder()
			start := time.Now()
			w.console.ServeHTTP(answer, r)
			took = append(took, time.Since(start))
			if answer.Code != http.StatusOK {
				t.Fatalf("%s: %d", path, answer.Code)
			}
		}
		slices.Sort(took)
		t.Logf("%-18s p50 %.1f ms, p95 %.1f ms", name, took[30].Seconds()*1e3, took[57].Seconds()*1e3)
		if took[30] > 500*time.Millisecond { // twenty times what it takes
			t.Errorf("%s takes %s", name, took[30])
		}
	}
}
