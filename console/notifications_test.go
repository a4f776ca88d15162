package console

import (
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/notify"
	"github.com/lanyard-iam/lanyard/store"
)

func TestNotificationSettings(t *testing.T) {
	w := newWorld(t)
	w.signIn("viewer", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetAccountPasswordPolicy","Resource":"*"}}`)
	w.get("/settings").contains(t, "Security notifications", "account:PutAlternateContact")

	var status atomic.Int32
	status.Store(http.StatusOK)
	var came atomic.Int32
	receiver := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		came.Add(1)
		rw.WriteHeader(int(status.Load()))
	}))
	defer receiver.Close()
	host := strings.TrimPrefix(receiver.URL, "http://")
	w.signIn("alice", everything)
	a := w.get("/settings")
	a.contains(t, "Nobody is told yet", "Root has no address yet")
	a.lacks(t, "Send a test", "Make a new secret")

	hook := receiver.URL + "/verysecret"
	a = w.post("/settings/notifications", url.Values{"webhook": {hook}, "addresses": {" a@example.com\r\nb@example.com, c@example.com\n"}, "root": {"on"}})
	a.contains(t, "security notifications were changed", "only time it can be seen", "whsec_", host)
	w.post("/settings/notifications/stored", nil).leadsTo(t, "/settings#notifications")
	a = w.get("/settings")
	a.contains(t, "Send a test", "Make a new secret", host, "Nothing sent yet", "1 since", "a@example.com b@example.com c@example.com")
	if strings.Contains(a.body, "whsec_") {
		t.Error("the secret is seen again")
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.outbox.Run(ctx)
	}()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		a = w.get("/settings")
		if text := textOf(a.doc); strings.Contains(text, "Delivered") && strings.Count(text, "The mail server could not be reached.") == 3 {
			break
		}
		if time.Now().After(deadline) {
			a.contains(t, "Delivered", "Fails", "The mail server could not be reached.")
			break
		}
	}
	stop()
	<-ended

	// The mail server does not answer, so the test fails, with what became of each.
	a = w.post("/settings/notifications/test", nil)
	a.contains(t, "the mail server could not be reached", host+" took it")
	w.post("/settings/notifications", url.Values{"webhook": {hook}, "root": {"on"}}).leadsTo(t, "/settings#notifications")
	w.get("/settings").contains(t, "Removed", "It is told of that.")
	w.later(10 * time.Second)
	w.post("/settings/notifications/test", nil).leadsTo(t, "/settings#notifications")
	w.get("/settings").contains(t, "The test was taken by "+host+".")
	w.later(10 * time.Second)
	status.Store(http.StatusInternalServerError)
	w.post("/settings/notifications/test", nil).contains(t, host+": it answered 500.")
	w.post("/settings/notifications/test", nil).contains(t, "A test was sent a moment ago")

	// What is wrong is said, and what was typed stays.
	a = w.post("/settings/notifications", url.Values{"webhook": {"http://hooks.example.com/"}, "addresses": {"<b>nobody</b>"}})
	a.contains(t, "is not an e-mail address")
	if !strings.Contains(a.body, `value="http://hooks.example.com/"`) || !strings.Contains(a.body, html.EscapeString("<b>nobody</b>")) || strings.Contains(a.body, "<b>nobody") {
		t.Errorf("what was typed: %s", a.body)
	}
	w.post("/settings/notifications", url.Values{"webhook": {"http://hooks.example.com/"}}).contains(t, "does not begin with https://")
	w.post("/settings/notifications", url.Values{"webhook": {hook}, "rotate": {"on"}}).contains(t, "whsec_")
	w.get("/settings").contains(t, "secret before the present one signs")

	w.later(11 * time.Minute)
	w.post("/settings/notifications", url.Values{"webhook": {hook}}).leadsTo(t, "/signin/factor?to=%2Fsettings%23notifications")

	// Whatever a destination is called, it is text.
	w.edit(func(tx store.Tx) error {
		return identity.NotificationsOf.Put(tx, &identity.Notifications{
			Contacts: []identity.Destination{{To: "<script>alert(1)</script>"}},
			Told:     map[string]identity.Delivery{"<script>alert(1)</script>": {Failed: w.now, Failure: "<i>x</i>", GivenUp: 2}},
		}, string(ours))
	})
	a = w.get("/settings")
	a.contains(t, "2 were given up")
	if strings.Contains(a.body, "<script>alert") || strings.Contains(a.body, "<i>x") {
		t.Errorf("markup: %s", a.body)
	}
}

// Where no mail is sent, saving a webhook does not decide that root is not told by mail later.
func TestNotificationSettingsWithoutMail(t *testing.T) {
	w := newWorld(t, func(c *notify.Config) { c.Mail = nil })
	w.signIn("alice", everything)
	a := w.get("/settings")
	a.contains(t, "This server sends no mail")
	a.lacks(t, "Security contacts")
	form := a.fieldsOf(t, "/settings/notifications")
	form.Set("webhook", "https://127.0.0.1:9/")
	w.post("/settings/notifications", form).contains(t, "whsec_")
	w.must(w.store.View(t.Context(), func(r store.Reader) error {
		s, err := identity.NotificationsOf.Get(r, string(ours))
		if err == nil && s.NotRoot {
			t.Error("root is not to be told any more")
		}
		return err
	}))
}

// A server that was started without its mail server keeps the addresses for when there is one
// again, and the rest of the form can be saved. New ones are refused.
func TestNotificationSettingsKeepAddresses(t *testing.T) {
	w := newWorld(t, func(c *notify.Config) { c.Mail = nil })
	w.must(w.store.Update(t.Context(), func(tx store.Tx) error {
		return identity.NotificationsOf.Put(tx, &identity.Notifications{Contacts: []identity.Destination{{To: "a@example.com"}, {To: "b@example.com"}}}, string(ours))
	}))
	w.signIn("alice", everything)
	form := w.get("/settings").fieldsOf(t, "/settings/notifications")
	form.Set("webhook", "https://127.0.0.1:9/")
	form.Set("addresses", "a@example.com\nb@example.com") // as the page has them
	w.post("/settings/notifications", form).contains(t, "whsec_")
	form.Set("addresses", "a@example.com")
	w.post("/settings/notifications", form).leadsTo(t, "/settings#notifications")
	form.Set("addresses", "a@example.com\nc@example.com")
	w.post("/settings/notifications", form).contains(t, "This server sends no mail: its owner starts it with --mail-server")
	w.must(w.store.View(t.Context(), func(r store.Reader) error {
		s, err := identity.NotificationsOf.Get(r, string(ours))
		if err == nil && (len(s.Contacts) != 1 || s.Contacts[0].To != "a@example.com") {
			t.Errorf("%+v", s.Contacts)
		}
		return err
	}))
}
