package notify_test

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/egress"
	"github.com/lanyard-iam/lanyard/internal/egress/egresstest"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/notify"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

const (
	ours   = arn.AccountID("111122223333")
	theirs = arn.AccountID("444455556666")
	root   = "root@example.com"
)

// world is an outbox over a trail, with its own clock and one account that root has claimed.
type world struct {
	t      *testing.T
	store  store.Store
	ring   *keyring.Ring
	trail  *audit.Trail
	outbox *notify.Outbox
	now    time.Time
	log    strings.Builder
	events int
}

// newWorld makes a world. Names lead to loopback, which is allowed; cert is trusted.
func newWorld(t *testing.T, box *mailbox, cert *x509.Certificate) *world {
	t.Helper()
	w := &world{t: t, store: memory.New(), now: time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)}
	t.Cleanup(func() { _ = w.store.Close() })
	seal, err := keyring.GenerateSealKey(rand.Reader)
	w.must(err)
	w.ring, err = keyring.New(seal, rand.Reader, w.now)
	w.must(err)
	pool := x509.NewCertPool()
	if cert != nil {
		pool.AddCert(cert)
	}
	guard := &egress.Guard{Allow: egress.Loopback(), RootCAs: pool, Resolver: egresstest.Names(t, "127.0.0.1")}
	var mailer *notify.Mail
	if box != nil {
		scheme, user, password := "smtp", "", ""
		if box.implicit {
			scheme = "smtps"
		}
		if box.password != "" {
			user, password = "lanyard%40example.com@", "sesame"
		}
		mailer, err = notify.ParseMail(scheme+"://"+user+"example.com:"+box.port(), "Lanyard <lanyard@example.com>", password)
		w.must(err)
		mailer.Guard = guard
	}
	w.outbox = notify.New(notify.Config{
		Store: w.store, Ring: w.ring, Guard: guard, Mail: mailer,
		ConsoleURL: func() string { return "https://id.example.com" },
		Log:        slog.New(slog.NewTextHandler(&w.log, nil)),
		Clock:      func() time.Time { return w.now },
	})
	w.trail, err = audit.NewTrail(w.store, audit.Options{Key: make([]byte, 32), Notable: w.outbox.Put})
	w.must(err)
	t.Cleanup(func() { _ = w.trail.Close(context.Background()) })
	w.edit(func(tx store.Tx) error {
		for _, id := range []arn.AccountID{ours, theirs} {
			if err := identity.Accounts.Put(tx, &identity.Account{ID: id, Partition: "aws", RootEmail: map[arn.AccountID]string{ours: root}[id]}, string(id)); err != nil {
				return err
			}
		}
		return nil
	})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) edit(fn func(store.Tx) error) {
	w.t.Helper()
	w.must(w.store.Update(w.t.Context(), fn))
}

// put sets destinations, each since a second after the one before.
func (w *world) put(s identity.Notifications) {
	w.t.Helper()
	w.edit(func(tx store.Tx) error { return identity.NotificationsOf.Put(tx, &s, string(ours)) })
}

// hook is a webhook of the account with a new secret, as its owner is shown it.
func (w *world) hook(url string) (*identity.Destination, string) {
	w.t.Helper()
	shown, sealed, err := w.outbox.NewSecret(ours, rand.Reader)
	w.must(err)
	return &identity.Destination{To: url, Secret: sealed, Since: w.now}, shown
}

// event is one that has not happened yet.
func (w *world) event(name string) *audit.Event {
	w.events++
	return &audit.Event{
		ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", w.events), Time: w.now, Source: "signin.amazonaws.com", Name: name, Region: "us-east-1", Account: ours, SourceIP: "198.51.100.7",
		Identity: audit.UserIdentity{Type: "Root", ARN: "arn:aws:iam::111122223333:root", PrincipalID: string(ours), AccountID: string(ours)},
	}
}

// happens makes an event happen.
func (w *world) happens(e *audit.Event) {
	w.t.Helper()
	w.edit(func(tx store.Tx) error { return w.trail.AppendTo(tx, e) })
}

// waiting are the notices that wait.
func (w *world) waiting() (all []identity.Notice) {
	w.t.Helper()
	w.must(w.store.View(w.t.Context(), func(r store.Reader) error {
		return identity.Notices.Scan(r, "", func(_ store.Key, n *identity.Notice) bool {
			all = append(all, *n)
			return true
		})
	}))
	return all
}

func (w *world) settings() (s *identity.Notifications) {
	w.t.Helper()
	w.must(w.store.View(w.t.Context(), func(r store.Reader) (err error) {
		s, err = notify.Settings(r, ours)
		return err
	}))
	return s
}

func (w *world) round() {
	w.t.Helper()
	w.must(w.outbox.Round(w.t.Context()))
}

// receiver is a webhook's other end.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	during func()
	got    []received
}

type received struct {
	header http.Header
	raw    []byte
	body   map[string]any
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{status: http.StatusNoContent}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		raw, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.during != nil {
			r.during()
		}
		got := received{header: req.Header, raw: raw}
		if err := json.Unmarshal(raw, &got.body); err != nil {
			t.Errorf("%v: %s", err, raw)
		}
		if r.status < 300 {
			r.got = append(r.got, got)
		}
		rw.WriteHeader(r.status)
		_, _ = io.WriteString(rw, "whatever it says")
	}))
	r.Config.ErrorLog = log.New(io.Discard, "", 0) // some do not trust it
	r.StartTLS()
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// url is its address by a name that its certificate has.
func (r *receiver) url() string {
	return strings.Replace(r.URL, "127.0.0.1", "example.com", 1) + "/hook?token=verysecret"
}

func (r *receiver) cert() *tls.Certificate { return &r.TLS.Certificates[0] }

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func TestWhatPeopleAreTold(t *testing.T) {
	w := newWorld(t, nil, nil)
	redact := audit.NewRedactor(nil)
	user := func(e *audit.Event, name string) {
		e.Identity = audit.UserIdentity{Type: "IAMUser", ARN: "arn:aws:iam::111122223333:user/" + name, UserName: name}
	}
	about := func(e *audit.Event, in any) { e.SetRequest(in, redact) }
	quarantine := "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"
	for _, c := range []struct {
		name   string
		change func(*audit.Event)
		text   string // empty: nobody is told
		advice string
	}{
		{"ConsoleLogin", nil, "The root user signed in", "sign in as root"},
		{"ConsoleLogin", func(e *audit.Event) { e.SetSignIn("Failed authentication") }, "", ""},
		{"ConsoleLogin", func(e *audit.Event) { user(e, "alice") }, "", ""},
		{"AssumeRoot", nil, "took temporary credentials of the root user", "lanyard recover"},
		{"AssumeRoot", func(e *audit.Event) { e.ErrorCode = "AccessDenied" }, "", ""},
		{"CheckMfa", func(e *audit.Event) { e.Additional = []byte(`{"MfaType":"Virtual MFA"}`) }, "", ""},
		{"CheckMfa", func(e *audit.Event) { user(e, "alice"); e.Additional = []byte(`{"MfaType":"Recovery Code"}`) }, "A recovery code was used", "the user's password"},
		{"CheckMfa", func(e *audit.Event) { e.Additional = []byte(`{"MfaType":"Recovery Code"}`) }, "A recovery code was used", "sign in as root"},
		{"CreateOneTimeLink", func(e *audit.Event) {
			e.Identity = audit.UserIdentity{Type: "AWSService", InvokedBy: "local"}
			e.Resources = []audit.Resource{{ARN: "arn:aws:iam::111122223333:root"}}
		}, "made a one-time link by which the root user", "sign in as root"},
		{"CreateRecoveryLink", func(e *audit.Event) { e.Resources = []audit.Resource{{ARN: "arn:aws:iam::111122223333:user/bob"}} }, "arn:aws:iam::111122223333:user/bob can sign in without", "the user's password"},
		{"PasswordRecoveryRequested", nil, "A one-time link was used", ""},
		{"PasswordRecoveryCompleted", nil, "set up anew", ""},
		{"EmailUpdated", nil, "another e-mail address", ""},
		{"PasswordUpdated", nil, "root user's password was changed", ""},
		{"EnableMFADevice", func(e *audit.Event) { about(e, &iam.EnableMFADeviceInput{UserName: aws.String("AWS ROOT USER")}) }, "added for the root user", "sign in as root"},
		{"EnableMFADevice", func(e *audit.Event) { about(e, &iam.EnableMFADeviceInput{UserName: aws.String("bob")}) }, "added for user bob", "the user's password"},
		{"EnableMFADevice", func(e *audit.Event) { user(e, "alice") }, "added for arn:aws:iam::111122223333:user/alice", ""},
		{"DeactivateMFADevice", func(e *audit.Event) { about(e, &iam.DeactivateMFADeviceInput{UserName: aws.String("bob")}) }, "device of user bob was deactivated", ""},
		{"CreateRecoveryCodes", nil, "made anew", ""},
		{"UpdateAccountPasswordPolicy", nil, "password policy was changed", "take the change back"},
		{"DeleteAccountPasswordPolicy", nil, "password policy was deleted", ""},
		{"PutSignInRules", nil, "rules for signing in", ""},
		{"PutSecurityNotifications", nil, "security notifications were changed", ""},
		{"AttachUserPolicy", func(e *audit.Event) {
			about(e, &iam.AttachUserPolicyInput{UserName: aws.String("bob"), PolicyArn: &quarantine})
		}, "user bob was quarantined", "Exposed key"},
		{"DetachUserPolicy", func(e *audit.Event) {
			about(e, &iam.DetachUserPolicyInput{UserName: aws.String("bob"), PolicyArn: &quarantine})
		}, "quarantine of user bob was taken off", ""},
		{"AttachUserPolicy", func(e *audit.Event) {
			about(e, &iam.AttachUserPolicyInput{UserName: aws.String("bob"), PolicyArn: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")})
		}, "", ""},
		{"PasswordSprayDetected", func(e *audit.Event) {
			e.Identity = audit.UserIdentity{Type: "AWSService", InvokedBy: "signin.amazonaws.com"}
		}, "Very many sign-ins fail", "New browsers"},
		{"RestoreBackup", nil, "restored from a backup", "good again"}, {"CreateBackup", nil, "", ""},
		{"CreateUser", nil, "", ""}, {"DeleteUser", nil, "", ""}, {"CreateAccessKey", nil, "", ""}, {"GetSecurityNotifications", nil, "", ""},
	} {
		e := w.event(c.name)
		if c.change != nil {
			c.change(e)
		}
		if c.text == "" {
			w.must(w.outbox.Put(nil, e)) // it has no transaction to look at
			continue
		}
		hook, _ := w.hook("https://hooks.example.com/")
		w.put(identity.Notifications{Webhook: hook})
		w.happens(e)
		got := w.waiting()
		if len(got) != 1 || !strings.Contains(got[0].Text, c.text) || !strings.Contains(got[0].Advice, c.advice) || got[0].ID != e.ID || got[0].Event != c.name {
			t.Errorf("%s: %+v", c.name, got)
		}
		w.edit(func(tx store.Tx) error {
			return identity.Notices.Scan(tx, "", func(key store.Key, _ *identity.Notice) bool { tx.Delete(key); return true })
		})
	}
}

func TestADeedAndItsNoticeAreThereOrNeither(t *testing.T) {
	w := newWorld(t, nil, nil)
	hook, _ := w.hook("https://hooks.example.com/")
	w.put(identity.Notifications{Webhook: hook})
	stop := errors.New("no")
	err := w.store.Update(t.Context(), func(tx store.Tx) error { return errors.Join(w.trail.AppendTo(tx, w.event("PutSignInRules")), stop) })
	if !errors.Is(err, stop) || len(w.waiting()) != 0 {
		t.Errorf("a deed that was not done: %v, %v", err, w.waiting())
	}
	w.happens(w.event("PutSignInRules"))
	if got := w.waiting(); len(got) != 1 {
		t.Errorf("a deed that was done: %v", got)
	}
	e := w.event("PutSignInRules")
	e.Account = theirs // has nobody to tell
	w.happens(e)
	if got := w.waiting(); len(got) != 1 {
		t.Errorf("another account's: %v", got)
	}
}

// verify checks a webhook's signature as a receiver does, which knows nothing of us.
func verify(secret string, got received) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(got.header.Get("webhook-id") + "." + got.header.Get("webhook-timestamp") + "." + string(got.raw)))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return slices.Contains(strings.Fields(got.header.Get("webhook-signature")), want)
}

func TestWebhook(t *testing.T) {
	r := newReceiver(t)
	w := newWorld(t, nil, r.Certificate())
	hook, secret := w.hook(r.url())
	w.put(identity.Notifications{Webhook: hook})
	e := w.event("ConsoleLogin")
	w.happens(e)
	w.round()
	got := r.all()
	if len(got) != 1 || len(w.waiting()) != 0 {
		t.Fatalf("%v came, %v waits, %s", got, w.waiting(), w.log.String())
	}
	want := map[string]any{
		"id": e.ID, "time": "2026-11-27T09:00:00Z", "account": string(ours), "event": "ConsoleLogin", "who": "arn:aws:iam::111122223333:root", "sourceIPAddress": "198.51.100.7",
		"text": "The root user signed in to the console.", "advice": got[0].body["advice"], "link": "https://id.example.com/events/" + e.ID,
	}
	if fmt.Sprint(got[0].body) != fmt.Sprint(want) {
		t.Errorf("body: %v", got[0].body)
	}
	at, err := strconv.ParseInt(got[0].header.Get("webhook-timestamp"), 10, 64)
	if err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute || got[0].header.Get("webhook-id") != e.ID || got[0].header.Get("Content-Type") != "application/json" {
		t.Errorf("header: %v", got[0].header)
	}
	if !strings.HasPrefix(secret, "whsec_") || !verify(secret, got[0]) || verify("whsec_"+base64.StdEncoding.EncodeToString(make([]byte, 32)), got[0]) {
		t.Error("the signature is not right")
	}
	if told := w.settings().Told[r.url()]; !told.Delivered.Equal(w.now) || told.Failure != "" {
		t.Errorf("told: %+v", told)
	}

	// A new secret: both sign for a day, then the new one alone. What waited is signed with it, too.
	w.happens(w.event("PutSignInRules"))
	next, fresh := w.hook(r.url())
	next.Previous, next.PreviousUntil = hook.Secret, w.now.Add(24*time.Hour)
	w.put(identity.Notifications{Webhook: next})
	w.round()
	w.now = w.now.Add(24 * time.Hour)
	w.happens(w.event("PutSignInRules"))
	w.round()
	got = r.all()[1:]
	if len(got) != 2 || !verify(secret, got[0]) || !verify(fresh, got[0]) || verify(secret, got[1]) || !verify(fresh, got[1]) {
		t.Errorf("signatures while secrets change: %d", len(got))
	}
}

func TestFailuresAreTriedAgain(t *testing.T) {
	r := newReceiver(t)
	w := newWorld(t, nil, r.Certificate())
	hook, _ := w.hook(r.url())
	w.put(identity.Notifications{Webhook: hook})
	r.answers(http.StatusServiceUnavailable)
	began := w.now
	w.happens(w.event("ConsoleLogin"))
	attempts := 0
	var last time.Duration
	for len(w.waiting()) > 0 && attempts < 100 {
		w.round()
		attempts++
		if left := w.waiting(); len(left) > 0 {
			pause := left[0].Next.Sub(w.now)
			if pause < last || pause > 8*time.Hour {
				t.Errorf("pause %d is %s", attempts, pause)
			}
			w.round() // it is not due yet
			if again := w.waiting(); again[0].Attempts != attempts {
				t.Fatalf("tried before it was due: %+v", again)
			}
			last, w.now = pause, left[0].Next
		}
	}
	if tried := w.now.Sub(began); tried < 72*time.Hour || tried > 82*time.Hour || attempts < 10 {
		t.Errorf("given up after %s and %d attempts", tried, attempts)
	}
	if told := w.settings().Told[r.url()]; told.GivenUp != 1 || told.Failure != "it answered 503" || !told.Failed.Equal(w.now) {
		t.Errorf("told: %+v", told)
	}
	if log := w.log.String(); !strings.Contains(log, "given up") || strings.Contains(log, "verysecret") || strings.Count(log, "tried again") != 1 {
		t.Errorf("log: %s", log)
	}
	// One that a receiver does not take stands in nobody's way.
	w.happens(w.event("ConsoleLogin"))
	w.round()
	r.answers(http.StatusOK)
	w.happens(w.event("PutSignInRules"))
	w.round()
	if got := r.all(); len(got) != 1 || got[0].body["event"] != "PutSignInRules" {
		t.Errorf("the other: %v", got)
	}
	w.now = w.now.Add(time.Minute)
	w.round()
	if got := r.all(); len(got) != 2 || len(w.waiting()) != 0 {
		t.Errorf("both: %v", got)
	}
}

func TestFloodsAreMerged(t *testing.T) {
	r := newReceiver(t)
	w := newWorld(t, nil, r.Certificate())
	hook, _ := w.hook(r.url())
	w.put(identity.Notifications{Webhook: hook})
	r.answers(http.StatusBadGateway)
	const flood = 500
	for range flood {
		w.now = w.now.Add(time.Second)
		w.happens(w.event("ConsoleLogin"))
		w.round()
	}
	w.happens(w.event("PutSignInRules"))
	if n := len(w.waiting()); n != 11 {
		t.Fatalf("%d notices wait", n)
	}
	// More come while the last one is on its way: they are not lost with it.
	r.answers(http.StatusOK)
	w.now = w.now.Add(9 * time.Hour)
	during := 0
	r.during = func() {
		if during < 3 {
			during++
			w.happens(w.event("ConsoleLogin"))
		}
	}
	for i := 0; i < 5 && len(w.waiting()) > 0; i++ {
		w.round()
	}
	told, ids := 0, map[string]bool{}
	for _, got := range r.all() {
		id := got.body["id"].(string)
		if ids[id] {
			t.Errorf("%s came twice", id)
		}
		ids[id] = true
		if got.body["event"] == "ConsoleLogin" {
			told++
			if n, ok := got.body["more"].(float64); ok {
				told += int(n)
				if !strings.Contains(got.body["text"].(string), fmt.Sprintf("And %d more of that kind since ", int(n))) || got.body["since"] == nil {
					t.Errorf("%v", got.body)
				}
			}
		}
	}
	if told != flood+3 {
		t.Errorf("%d of %d events were told, %d wait", told, flood+3, len(w.waiting()))
	}
}

func TestAFloodDoesNotGiveUpTheNewest(t *testing.T) {
	r := newReceiver(t)
	w := newWorld(t, nil, r.Certificate())
	hook, _ := w.hook(r.url())
	w.put(identity.Notifications{Webhook: hook})
	r.answers(http.StatusNotFound)
	const events = 50
	for range events {
		w.happens(w.event("ConsoleLogin"))
		for range 12 { // each attempt that fails ends a round
			w.round()
		}
		w.now = w.now.Add(2 * time.Hour)
	}
	left := w.waiting()
	newest := slices.MaxFunc(left, func(a, b identity.Notice) int { return a.Time.Compare(b.Time) })
	if w.now.Sub(newest.Time) > 2*time.Hour {
		t.Errorf("the newest that waits is of %s", newest.Time)
	}
	wait := 0
	for _, n := range left {
		wait += n.More + 1
	}
	if gone := w.settings().Told[r.url()].GivenUp; gone == 0 || gone+wait != events {
		t.Errorf("%d given up, %d wait", gone, wait)
	}
}

// Who turns notifications off is seen by those who were told until then, however often the
// destinations are changed.
func TestRemovedDestinationsAreTold(t *testing.T) {
	w := newWorld(t, nil, nil)
	loyal, _ := w.hook("https://loyal.example.com/")
	change := func(to *identity.Destination) {
		t.Helper()
		w.now = w.now.Add(time.Second)
		old := w.settings()
		next := identity.Notifications{Webhook: to}
		if old.Webhook != nil {
			next.Former = []identity.Destination{*old.Webhook}
		}
		w.edit(func(tx store.Tx) error {
			return errors.Join(identity.NotificationsOf.Put(tx, &next, string(ours)), w.trail.AppendTo(tx, w.event("PutSecurityNotifications")))
		})
	}
	change(loyal)
	for range 15 { // something else waits for it, too
		w.happens(w.event("ConsoleLogin"))
		w.happens(w.event("PutSignInRules"))
	}
	for i := range 200 {
		to, _ := w.hook(fmt.Sprintf("https://%d.example.com/", i))
		change(to)
	}
	change(nil)
	got := w.waiting()
	if len(got) > 25 {
		t.Errorf("%d notices wait", len(got))
	}
	if !slices.ContainsFunc(got, func(n identity.Notice) bool {
		return n.To.To == loyal.To && n.Event == "PutSecurityNotifications" && n.Time.After(loyal.Since.Add(time.Second))
	}) {
		t.Error("the destination that was there for the longest does not hear of it")
	}
}

func TestMail(t *testing.T) {
	r := newReceiver(t) // for its certificate
	for name, change := range map[string]func(*mailbox){
		"STARTTLS":     func(m *mailbox) { m.cert = r.cert() },
		"signed in":    func(m *mailbox) { m.cert, m.password = r.cert(), "sesame" },
		"implicit TLS": func(m *mailbox) { m.cert, m.implicit, m.password = r.cert(), true, "sesame" },
	} {
		t.Run(name, func(t *testing.T) {
			box := newMailbox(t, change)
			w := newWorld(t, box, r.Certificate())
			w.put(identity.Notifications{Contacts: []identity.Destination{{To: "security@example.com"}}})
			e := w.event("ConsoleLogin")
			w.happens(e)
			w.round()
			got := box.letters()
			if len(got) != 2 || box.plain != 0 || len(w.waiting()) != 0 {
				t.Fatalf("%d letters, %d of them without TLS, log: %s", len(got), box.plain, w.log.String())
			}
			var to []string
			for _, l := range got {
				to = append(to, l.to)
				if h := l.header; h.Get("From") != `"Lanyard" <lanyard@example.com>` || h.Get("To") != "<"+l.to+">" || h.Get("Message-ID") != "<"+e.ID+"@example.com>" ||
					h.Get("Auto-Submitted") != "auto-generated" || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") || l.subject(t) != "Account 111122223333: The root user signed in to the console." {
					t.Errorf("header: %v", h)
				}
				for _, want := range []string{"The root user signed in", "111122223333", "2026-11-27 09:00:00 UTC", "arn:aws:iam::111122223333:root", "198.51.100.7", "ConsoleLogin", "https://id.example.com/events/" + e.ID, "If you did not expect it"} {
					if !strings.Contains(l.body, want) {
						t.Errorf("no %s in: %s", want, l.body)
					}
				}
			}
			slices.Sort(to)
			if fmt.Sprint(to) != "[root@example.com security@example.com]" {
				t.Errorf("to %v", to)
			}
		})
	}
}

func TestMailThatIsNotTaken(t *testing.T) {
	r := newReceiver(t)
	for name, c := range map[string]struct {
		change func(*mailbox)
		trust  *x509.Certificate
		why    string
	}{
		"no TLS":              {nil, r.Certificate(), "the mail server offers no TLS"},
		"another's authority": {func(m *mailbox) { m.cert = r.cert() }, nil, "certificate is not trusted"},
		"wrong password":      {func(m *mailbox) { m.cert, m.password = r.cert(), "another" }, r.Certificate(), "did not let us sign in (535)"},
		"refused address": {func(m *mailbox) {
			m.cert, m.refuses = r.cert(), map[string]string{"RCPT": "550 no such user, and here is a secret"}
		}, r.Certificate(), "refused the address (550)"},
		"refused message":  {func(m *mailbox) { m.cert, m.refuses = r.cert(), map[string]string{"DATA": "451 later"} }, r.Certificate(), "refused the message (451)"},
		"dropped half-way": {func(m *mailbox) { m.cert, m.drops = r.cert(), true }, r.Certificate(), "refused the message"},
	} {
		t.Run(name, func(t *testing.T) {
			box := newMailbox(t, c.change)
			w := newWorld(t, box, c.trust)
			w.happens(w.event("ConsoleLogin"))
			w.round()
			if told := w.settings().Told[root]; !strings.Contains(told.Failure, c.why) || strings.Contains(told.Failure, "secret") {
				t.Errorf("told: %+v", told)
			}
			if len(box.letters()) != 0 || len(w.waiting()) != 1 {
				t.Errorf("%d letters, %d wait", len(box.letters()), len(w.waiting()))
			}
		})
	}
	box := newMailbox(t, func(m *mailbox) { m.silent = true })
	w := newWorld(t, box, r.Certificate())
	w.happens(w.event("ConsoleLogin"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_ = w.outbox.Round(ctx) // the server stops while a mail server is silent
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a silent mail server held us up for %s", took)
	}
	if left := w.waiting(); len(left) != 1 || left[0].Attempts != 0 {
		t.Errorf("an attempt that was broken off counts: %+v", left)
	}
}

// A mail server that takes everything is no reason to send a thousand letters.
func TestMailIsPaced(t *testing.T) {
	r := newReceiver(t)
	box := newMailbox(t, func(m *mailbox) { m.cert = r.cert() })
	w := newWorld(t, box, r.Certificate())
	const flood = 300
	for range flood {
		w.happens(w.event("EnableMFADevice"))
		w.round()
	}
	if n := len(box.letters()); n != 20 {
		t.Errorf("%d letters at once", n)
	}
	if n := len(w.waiting()); n != 10 {
		t.Errorf("%d wait", n)
	}
	for range 10 {
		before := len(box.letters())
		w.round()
		if n := len(box.letters()); n != before {
			t.Errorf("%d letters too early", n-before)
		}
		w.now = w.now.Add(30 * time.Second)
		w.round()
	}
	told := 0
	for _, l := range box.letters() {
		told++
		if _, rest, ok := strings.Cut(l.body, "And "); ok {
			var more int
			if _, err := fmt.Sscanf(rest, "%d more of that kind", &more); err != nil {
				t.Error(err)
			}
			told += more
		}
	}
	if told != flood || len(w.waiting()) != 0 {
		t.Errorf("%d of %d events were told, %d letters", told, flood, len(box.letters()))
	}
}

// Whatever a name has in it, it adds no header and no command.
func TestMailOfHostileNames(t *testing.T) {
	r := newReceiver(t)
	box := newMailbox(t, func(m *mailbox) { m.cert = r.cert() })
	w := newWorld(t, box, r.Certificate())
	e := w.event("EnableMFADevice")
	e.Identity = audit.UserIdentity{Type: "FederatedUser", ARN: "arn:aws:sts::111122223333:federated-user/x\r\nBcc: mallory@example.net\r\n\r\n.\r\nMAIL FROM:<x>\u2028é" + strings.Repeat("ü", 100)}
	e.SourceIP = "::1\r\nX-Evil: 1"
	w.happens(e)
	w.round()
	got := box.letters()
	if len(got) != 1 || got[0].header == nil {
		t.Fatalf("%d letters: %s", len(got), w.log.String())
	}
	for name := range got[0].header {
		switch name {
		case "From", "To", "Subject", "Date", "Message-Id", "Auto-Submitted", "Mime-Version", "Content-Type", "Content-Transfer-Encoding":
		default:
			t.Errorf("header %s", name)
		}
	}
	if s := got[0].subject(t); !strings.Contains(s, "Bcc: mallory@example.net") || strings.ContainsAny(s, "\r\n") {
		t.Errorf("subject %q", s)
	}
	for line := range strings.Lines(got[0].raw) {
		if len(line) > 1000 || strings.HasPrefix(line, "Bcc:") || strings.HasPrefix(line, "X-Evil:") {
			t.Errorf("line %q", line)
		}
	}
}

func TestMailServersAndAddressesAreChecked(t *testing.T) {
	for _, c := range [][3]string{
		{"mail.example.com", "a@example.com", ""}, {"http://mail.example.com", "a@example.com", ""}, {"smtp://", "a@example.com", ""}, {"smtp://user:hunter2@mail.example.com", "a@example.com", "x"},
		{"smtp://mail.example.com/x", "a@example.com", ""}, {"smtp://mail.example.com", "", ""}, {"smtp://mail.example.com", "nobody", ""}, {"smtp://user@mail.example.com", "a@example.com", ""},
		{"smtp://mail.example.com", "a@example.com", "x"}, {"smtp://u@mail.example.com", "a@example.com", "x\ny"},
	} {
		if _, err := notify.ParseMail(c[0], c[1], c[2]); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", c, err)
		}
	}
	for server, want := range map[string]string{"smtp://mail.example.com": "587", "smtps://mail.example.com": "465", "smtp://localhost:25": "25"} {
		m, err := notify.ParseMail(server, "Lanyard <lanyard@example.com>", "")
		if err != nil || m.Port != want {
			t.Errorf("%s: %+v, %v", server, m, err)
		}
	}
	for _, wrong := range []string{"", "a", "@example.com", "A <a@example.com>", "a@example.com, b@example.com", "a@example.com\r\nRCPT TO:<b@example.com>", `"a b"@example.com`, "ä@example.com", "a@" + strings.Repeat("x", 260)} {
		if notify.CheckAddress(wrong) == nil {
			t.Errorf("%q was taken for an address", wrong)
		}
	}
	if err := notify.CheckAddress("security+lanyard@example.com"); err != nil {
		t.Error(err)
	}
}

// What is said of a failure helps, and tells nothing of the inside of a network.
func TestWhyAWebhookWasNotReached(t *testing.T) {
	r := newReceiver(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	test := func(w *world, url string) string {
		hook, _ := w.hook(url)
		return fmt.Sprint(w.outbox.Test(t.Context(), &identity.Notifications{Webhook: hook}, identity.Notice{Account: ours, ID: "x", To: *hook, Time: w.now, Event: "SendTestNotification"}))
	}
	w := newWorld(t, nil, nil)
	trusting := newWorld(t, nil, r.Certificate())
	closed := newMailbox(t, nil)
	_ = closed.Close()
	for url, want := range map[string]string{
		r.url(): "it answered 302, and redirects are not followed",
		strings.Replace(r.URL, "127.0.0.1", "other.test", 1): "its certificate is not trusted, or is for another name",
		"https://example.com:" + closed.port():               "it could not be reached, or did not answer in time",
		strings.Replace(plain.URL, "http:", "https:", 1):     "it does not speak TLS",
		"https://10.0.0.1/":                                  "its address is inside the network of this server: the server's owner can allow it with --egress-allow",
	} {
		r.answers(http.StatusFound)
		if got := test(trusting, url); got != want {
			t.Errorf("%s: %s", url, got)
		}
	}
	if got := test(w, r.url()); got != "its certificate is not trusted, or is for another name" {
		t.Errorf("not trusted: %s", got)
	}
	for url, want := range map[string]string{"https://hooks.example.com/a": "", "nourl": "not a URL", "https://x.example.com/a b": "spaces", "https://x.example.com/#a": "not a URL", "https://x.example.com/ä": "letters", "mailto:a@example.com": "not a URL", "http://hooks.example.com": "https://", "https://192.168.1.1/": "--egress-allow"} {
		if err := w.outbox.CheckURL(url); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// The worker itself: it wakes up for a notice, and a destination that hangs holds up no other.
func TestRun(t *testing.T) {
	r := newReceiver(t)
	box := newMailbox(t, func(m *mailbox) { m.silent = true })
	w := newWorld(t, box, r.Certificate())
	hook, _ := w.hook(r.url())
	w.put(identity.Notifications{Webhook: hook})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.outbox.Run(ctx)
	}()
	for n := 1; n <= 3; n++ {
		w.happens(w.event("ConsoleLogin"))
		for deadline := time.Now().Add(10 * time.Second); len(r.all()) < n || len(w.waiting()) != n; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) { // of each, that for the mail server waits
				t.Fatalf("%d of %d came, %d wait", len(r.all()), n, len(w.waiting()))
			}
		}
	}
	stop()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
	if n := len(w.waiting()); n != 3 {
		t.Errorf("%d wait for the mail server", n)
	}
}

// full is a store on a disk that is full.
type full struct{ store.Store }

func (f full) Update(ctx context.Context, fn func(store.Tx) error) error {
	return f.Store.Update(ctx, func(tx store.Tx) error {
		w := &watched{Tx: tx}
		if err := fn(w); err != nil || !w.wrote {
			return err
		}
		return store.ErrUnavailable
	})
}

// watched tells whether a transaction wrote.
type watched struct {
	store.Tx
	wrote bool
}

func (w *watched) Put(key store.Key, item *store.Item) { w.wrote = true; w.Tx.Put(key, item) }
func (w *watched) Delete(key store.Key)                { w.wrote = true; w.Tx.Delete(key) }

// What cannot be kept as delivered will come again, but not again and again at once.
func TestAFullDiskIsNoFlood(t *testing.T) {
	r := newReceiver(t)
	w := newWorld(t, nil, r.Certificate())
	hook, _ := w.hook(r.url())
	w.put(identity.Notifications{Webhook: hook})
	w.happens(w.event("ConsoleLogin"))
	pool := x509.NewCertPool()
	pool.AddCert(r.Certificate())
	o := notify.New(notify.Config{
		Store: full{w.store}, Ring: w.ring, Guard: &egress.Guard{Allow: egress.Loopback(), RootCAs: pool, Resolver: egresstest.Names(t, "127.0.0.1")},
		ConsoleURL: func() string { return "" }, Log: slog.New(slog.DiscardHandler), Clock: func() time.Time { return w.now },
	})
	ctx, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer stop()
	o.Run(ctx)
	if n := len(r.all()); n != 1 || len(w.waiting()) != 1 {
		t.Errorf("it came %d times, %d wait", n, len(w.waiting()))
	}
}

// BenchmarkPut is what the outbox costs a request that nobody is told of.
func BenchmarkPut(b *testing.B) {
	o := notify.New(notify.Config{Guard: &egress.Guard{}})
	e := &audit.Event{Name: "CreateUser"}
	b.ReportAllocs()
	for b.Loop() {
		if err := o.Put(nil, e); err != nil {
			b.Fatal(err)
		}
	}
}

// What was to be tried again at a time that a wrong clock had made up is tried when the clock is
// right again, and not in a year.
func TestTheClockIsSetBack(t *testing.T) {
	r := newReceiver(t)
	w := newWorld(t, nil, r.Certificate())
	hook, _ := w.hook(r.url())
	w.put(identity.Notifications{Webhook: hook})
	r.answers(http.StatusServiceUnavailable)
	w.now = w.now.AddDate(1, 0, 0)
	for range 15 {
		w.happens(w.event("ConsoleLogin"))
		w.round()
	}
	w.now = w.now.AddDate(-1, 0, 0)
	r.answers(http.StatusOK)
	w.happens(w.event("ConsoleLogin"))
	w.round()
	if left := w.waiting(); len(left) != 0 {
		t.Errorf("%d wait, until %s", len(left), left[0].Next)
	}
}

// Whoever makes a flood of letters does not put off what they want to hide: the kind that there
// is least of goes first.
func TestAFloodHidesNothing(t *testing.T) {
	r := newReceiver(t)
	box := newMailbox(t, func(m *mailbox) { m.cert = r.cert() })
	w := newWorld(t, box, r.Certificate())
	flood := func() {
		for range 10 {
			for _, name := range []string{"EnableMFADevice", "DeactivateMFADevice", "PutSignInRules", "UpdateAccountPasswordPolicy"} {
				w.happens(w.event(name))
			}
		}
	}
	flood()
	w.round()
	flood()
	before := len(box.letters())
	w.now = w.now.Add(time.Second)
	w.happens(w.event("ConsoleLogin"))
	for range 6 {
		w.now = w.now.Add(30 * time.Second)
		w.round()
	}
	seen := false
	for _, l := range box.letters()[before:] {
		seen = seen || strings.Contains(l.body, "Event    ConsoleLogin")
	}
	if !seen {
		t.Errorf("%d letters later root's sign-in is not told", len(box.letters())-before)
	}
}
