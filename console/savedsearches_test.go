package console

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/test/browser"
)

var savedLink = regexp.MustCompile(`<li><a href="([^"]+)"( aria-current="true")?>([^<]+)</a>`)

// searches are the saved searches on the page: name to path.
func (a *answered) searches() (names []string, paths map[string]string) {
	paths = map[string]string{}
	for _, m := range savedLink.FindAllStringSubmatch(a.body, -1) {
		names = append(names, m[3])
		paths[m[3]] = strings.ReplaceAll(m[1], "&amp;", "&")
	}
	return names, paths
}

func TestSavedSearches(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", everything)
	w.makeUser("bob", "/")
	w.get("/events").lacks(t, "Saved searches")

	// What is shown without a word is saved in words.
	plain := url.Values{"name": {"  what   changed "}, "by": {"ReadOnly"}, "value": {"false"}, "column": {"who", "outcome", "resources"}}
	a := w.get("/events")
	for name, values := range plain {
		for _, value := range values {
			if name != "name" {
				a.marked(t, `<input type="hidden" name="`+name+`" value="`+value+`">`)
			}
		}
	}
	w.post("/events/searches", plain).leadsTo(t, "/events?by=ReadOnly&column=who&column=outcome&column=resources&value=false")
	a = w.get("/events?by=ReadOnly&column=who&column=outcome&column=resources&value=false")
	a.contains(t, "The search what changed is saved.", "Saved searches")
	a.marked(t, `aria-current="true">what changed</a>`)

	// A name that is there, in whatever case, asks; the same search again does not.
	w.post("/events/searches", plain).leadsTo(t, "/events?by=ReadOnly&column=who&column=outcome&column=resources&value=false")
	other := url.Values{"name": {"What Changed"}, "by": {"EventName"}, "value": {"CreateUser"}, "last": {"7d"}, "column": {"who", "from"}}
	asked := w.post("/events/searches", other)
	if asked.StatusCode != http.StatusConflict {
		t.Errorf("%s", asked.Status)
	}
	asked.contains(t, "There is a search of that name", "Replace", "Cancel")
	asked.marked(t, `name="replace" value="yes"`, `name="last" value="7d"`, `name="value" value="CreateUser"`, `name="column" value="from"`)
	if _, paths := w.get("/events").searches(); !strings.Contains(paths["what changed"], "by=ReadOnly") {
		t.Errorf("replaced unasked: %v", paths)
	}
	other.Set("replace", "yes")
	w.post("/events/searches", other).leadsTo(t, "/events?by=EventName&column=who&column=from&last=7d&value=CreateUser")
	names, paths := w.get("/events").searches()
	if !slices.Equal(names, []string{"What Changed"}) || paths["What Changed"] != "/events?by=EventName&column=who&column=from&last=7d&value=CreateUser" {
		t.Fatalf("%v", paths)
	}

	// The range is that of the moment.
	w.get(paths["What Changed"]).lacks(t, "No event matches.")
	w.later(8 * 24 * time.Hour)
	w.signIn("alice", everything)
	w.get(paths["What Changed"]).contains(t, "No event matches.")
	w.get("/events?by=EventName&value=CreateUser").contains(t, "bob")
	w.get(paths["What Changed"]).contains(t, "--start-time "+w.now.Add(-7*24*time.Hour).UTC().Format(time.RFC3339))

	// They are the person's own.
	w.signIn("carol", everything)
	w.get("/events").lacks(t, "Saved searches")
	w.signIn("alice", everything)

	remove := regexp.MustCompile(`name="id" value="(events/[0-9a-f]+)"`).FindStringSubmatch(w.get("/events").body)[1]
	w.post("/events/searches/delete", url.Values{"id": {remove}}).leadsTo(t, "/events")
	w.get("/events").contains(t, "The search What Changed is removed.")
	w.get("/events").lacks(t, "Saved searches")
	w.post("/events/searches/delete", url.Values{"id": {remove}}).leadsTo(t, "/events")
	w.get("/").lacks(t, "DeleteState", "PutState")
}

func TestSavedSearchesAreBounded(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", everything)
	save := func(name string, more ...string) *answered {
		form := url.Values{"name": {name}, "by": {"EventName"}, "value": {"CreateUser"}}
		for i := 0; i < len(more); i += 2 {
			form.Set(more[i], more[i+1])
		}
		return w.post("/events/searches", form)
	}
	for _, name := range []string{"", "   ", strings.Repeat("é", 81), "a\x00b", "left\u202eright"} {
		if a := save(name); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%q: %s", name, a.Status)
		}
	}
	for _, more := range [][]string{{"by", "Nonsense"}, {"value", ""}, {"by", ""}, {"last", "2y"}, {"since", "yesterday"}, {"last", "7d", "since", "2026-01-01T00:00"}, {"value", strings.Repeat("x", 2001)}} {
		if a := save("wrong", more...); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%q: %s", more, a.Status)
		} else {
			a.contains(t, "The filter is not complete")
		}
	}
	hostile := `"><script>alert(1)</script>`
	if a := save(hostile, "value", hostile); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%s", a.Status)
	}
	a := w.get("/events")
	a.contains(t, hostile)
	a.lacks(t, "Error")
	if strings.Contains(a.body, "<script>alert") {
		t.Error("markup of a name")
	}
	if a := save(strings.Repeat("é", 80), "value", strings.Repeat("x", 2000)); a.StatusCode != http.StatusSeeOther {
		t.Errorf("%s", a.Status)
	}
	for i := range mostSearches - 2 {
		if a := save(fmt.Sprint("search ", i)); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d: %s", i, a.Status)
		}
	}
	if a := save("one more"); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("%s", a.Status)
	} else {
		a.contains(t, "There are 20 saved searches")
	}
	if a := save("search 3", "value", "DeleteUser", "replace", "yes"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("%s", a.Status)
	}
	// What a person puts there by the API is read as a filter, whatever it is.
	_, err := lanyard.Call[lanyard.PutStateOutput](t.Context(), w.api().Lanyard, &lanyard.PutStateInput{Name: aws.String("events/mine"), Value: aws.String(`{"name":"mine","query":"by=EventName&value=x&format=csv&marker=zzz&column=nonsense&at=1"}`)})
	w.must(err)
	if _, paths := w.get("/events").searches(); paths["mine"] != "/events?by=EventName&value=x" {
		t.Errorf("%q", paths["mine"])
	}
}

// The pages of a range that ends now belong to the first one.
func TestPagesOfARange(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", everything)
	for i := range 120 {
		w.makeUser(fmt.Sprintf("user%03d", i), "/")
	}
	w.must(w.trail.Sync(t.Context()))
	next := regexp.MustCompile(`<a class="button" href="([^"]+)" rel="next">`)
	seen, pages := map[string]bool{}, 0
	for path := "/events?by=EventName&value=CreateUser&last=1h"; path != ""; pages++ {
		a := w.get(path)
		a.lacks(t, "not valid")
		for _, name := range regexp.MustCompile(`user\d{3}`).FindAllString(a.body, -1) {
			seen[name] = true
		}
		path = ""
		if m := next.FindStringSubmatch(a.body); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
		w.later(10 * time.Minute) // somebody reads slowly
		w.signIn("alice", everything)
	}
	if len(seen) != 120 || pages < 3 {
		t.Errorf("%d users on %d pages", len(seen), pages)
	}
	w.get("/events?by=&last=2y").contains(t, "That is none of the ranges.")
	w.get("/events?by=&last=7d&since=2026-01-01T00:00").contains(t, "Choose this, or say from when to when.")
}

// Searches are saved, opened and removed by the keyboard.
func TestSavedSearchesInABrowser(t *testing.T) {
	b := browser.New(t)
	w := newWorld(t)
	w.later(time.Since(w.now)) // the browser's clock is the real one
	w.signIn("alice", everything)
	w.makeUser("bob", "/")
	base := w.enter(b)
	b.Expect("status of 409")
	for name, query := range map[string]string{"Denied to me today": "by=&last=24h", "Who signed in": "by=EventName&value=ConsoleLogin&last=7d", "A search with a rather long name that has to wrap on a telephone, or so": "by=Username&value=bob"} {
		b.Open(base + "/events?" + query)
		b.Fill("name", name)
		b.Keys("\r")
		b.WaitText("The search " + name + " is saved.")
	}
	b.Screenshots("events-saved")
	b.Open(base + "/events?by=&last=1h")
	b.Fill("name", "who signed in")
	b.Press("Save")
	b.WaitText("There is a search of that name")
	b.Screenshots("events-replace")
	b.Press("Replace")
	b.WaitText("The search who signed in is saved.")
}
