// Package notify tells people of what they should know of their account at once: that root
// signed in, that somebody was let in without their MFA device, that the rules were changed.
//
// The event of such a deed puts a notice for each destination of the account into the deed's
// own transaction ([Outbox.Put], which the trail calls): both are there or neither is, and no
// crash loses a notice. One worker ([Outbox.Run]) delivers what waits, again and again for
// three days, at least once; receivers know an event that comes twice by its id.
//
// What waits is bounded: of one kind of event, only so many notices wait for one destination,
// and the newest of them stands for all that come later.
//
// Who may see and change the destinations is decided by service/lanyard; which addresses may
// be connected to by internal/egress.
package notify

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/egress"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/store"
)

// Bounds of what waits.
const (
	// maxAlike is how many notices of one kind wait for one destination.
	maxAlike = 10
	// maxFormer is how many notices of an account wait for destinations that it no longer has.
	maxFormer = 20
)

// Config is what an Outbox works with. Mail may be nil: then nothing is mailed.
type Config struct {
	Store store.Store
	Ring  *keyring.Ring
	Guard *egress.Guard
	Mail  *Mail
	// ConsoleURL is the public address of the console, empty if there is none.
	ConsoleURL func() string
	Log        *slog.Logger
	Clock      func() time.Time
}

// Outbox is what waits to be told. It is safe for concurrent use.
type Outbox struct {
	config Config
	hooks  *http.Client
	wake   chan struct{} // a notice was put
	pace   pace
}

// New returns the outbox of a store.
func New(c Config) *Outbox {
	return &Outbox{config: c, hooks: c.Guard.Client(hookTimeout, maxAnswer), wake: make(chan struct{}, 1)}
}

// Mails tells whether mail is sent at all.
func (o *Outbox) Mails() bool { return o.config.Mail != nil }

// Put puts notices of an event into its transaction, if people are told of such. Of other
// events it reads nothing.
func (o *Outbox) Put(tx store.Tx, e *audit.Event) error {
	text, advice := tell(e)
	if text == "" || e.ErrorCode != "" || e.ErrorMessage != "" {
		return nil
	}
	settings, err := Settings(tx, e.Account)
	if err != nil {
		return err
	}
	to, err := o.Destinations(tx, e.Account, settings)
	if err != nil {
		return err
	}
	changed := e.Name == putNotifications
	if changed {
		to = append(to, settings.Former...)
	}
	n := identity.Notice{
		Account: e.Account, ID: e.ID, Slot: e.ID, Time: e.Time.UTC(), First: e.Time.UTC(), Event: e.Name,
		Who: who(e), SourceIP: e.SourceIP, Text: text, Advice: advice,
	}
	for _, n.To = range to {
		if err := put(tx, n); err != nil {
			return err
		}
	}
	if changed {
		err = o.forgetFormer(tx, e.Account, settings)
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return err
}

// Settings are the destinations of an account.
func Settings(r store.Reader, account arn.AccountID) (*identity.Notifications, error) {
	s, err := identity.NotificationsOf.Get(r, string(account))
	if errors.Is(err, store.ErrNotFound) {
		return &identity.Notifications{}, nil
	}
	return s, err
}

// Destinations are whom an account tells now.
func (o *Outbox) Destinations(r store.Reader, account arn.AccountID, s *identity.Notifications) (to []identity.Destination, err error) {
	if s.Webhook != nil {
		to = append(to, *s.Webhook)
	}
	if o.config.Mail == nil {
		return to, nil
	}
	to = append(to, s.Contacts...)
	root, err := RootMail(r, account)
	if err == nil && root != "" && !s.NotRoot && !slices.ContainsFunc(to, named(root)) {
		to = append(to, identity.Destination{To: root})
	}
	return to, err
}

// RootMail is the e-mail address of an account's root user, or empty.
func RootMail(r store.Reader, account arn.AccountID) (string, error) {
	a, err := identity.Accounts.Get(r, string(account))
	if err != nil {
		return "", err
	}
	return a.RootEmail, nil
}

func named(to string) func(identity.Destination) bool {
	return func(d identity.Destination) bool { return d.To == to }
}

func key(n *identity.Notice) []string {
	return []string{string(n.Account), identity.Digest(n.To.To), n.Event, n.Slot}
}

// put adds a notice or, where many of its kind wait, lets the newest of them stand for both.
func put(tx store.Tx, n identity.Notice) error {
	alike, newest := 0, (*identity.Notice)(nil)
	err := identity.Notices.Scan(tx, "", func(_ store.Key, w *identity.Notice) bool {
		alike++
		if newest == nil || !w.Time.Before(newest.Time) {
			newest = w
		}
		return true
	}, key(&n)[:3]...)
	if err != nil {
		return err
	}
	if alike >= maxAlike {
		n.More, n.First, n.Slot = newest.More+1, newest.First, newest.Slot
		n.Attempts, n.Next = newest.Attempts, newest.Next
	}
	return identity.Notices.Put(tx, &n, key(&n)...)
}

// forgetFormer bounds what waits for destinations that were removed. Those that were
// destinations for the longest are kept, with the news of the removal first, so that whoever
// changes the destinations over and over keeps it from nobody who was there before.
func (o *Outbox) forgetFormer(tx store.Tx, account arn.AccountID, s *identity.Notifications) error {
	present, err := o.Destinations(tx, account, s)
	if err != nil {
		return err
	}
	var former []*identity.Notice
	err = identity.Notices.Scan(tx, "", func(_ store.Key, n *identity.Notice) bool {
		if !slices.ContainsFunc(present, named(n.To.To)) {
			former = append(former, n)
		}
		return true
	}, string(account))
	if err != nil || len(former) <= maxFormer {
		return err
	}
	slices.SortFunc(former, func(a, b *identity.Notice) int {
		return cmp.Or(a.To.Since.Compare(b.To.Since), removals(a)-removals(b), b.Time.Compare(a.Time))
	})
	for _, n := range former[maxFormer:] {
		identity.Notices.Delete(tx, key(n)...)
	}
	return nil
}

func removals(n *identity.Notice) int {
	if n.Event == putNotifications {
		return 0
	}
	return 1
}

// Waiting is what waits for one destination.
type Waiting struct {
	Notices int
	Since   time.Time // of the oldest event
}

// Waiting counts what waits, by destination, for an account or, if it is empty, for all.
func (o *Outbox) Waiting(r store.Reader, account arn.AccountID) (map[string]Waiting, error) {
	var of []string
	if account != "" {
		of = []string{string(account)}
	}
	all := map[string]Waiting{}
	err := identity.Notices.Scan(r, "", func(_ store.Key, n *identity.Notice) bool {
		w := all[n.To.To]
		w.Notices++
		if w.Since.IsZero() || n.First.Before(w.Since) {
			w.Since = n.First
		}
		all[n.To.To] = w
		return true
	}, of...)
	return all, err
}

// NewSecret makes the secret of a webhook: as its owner is shown it, once, and sealed.
func (o *Outbox) NewSecret(account arn.AccountID, rand io.Reader) (shown string, sealed []byte, err error) {
	secret := make([]byte, secretBytes)
	if _, err := io.ReadFull(rand, secret); err != nil {
		return "", nil, err
	}
	sealed, err = o.config.Ring.Seal(keyring.PrivateKeys, identity.SecretLabel(account), secret)
	return encodeSecret(secret), sealed, err
}

// secrets are the keys by which a notice is signed now: the newest first.
func (o *Outbox) secrets(n *identity.Notice, s *identity.Notifications, now time.Time) (keys [][]byte, err error) {
	by := n.To
	if s.Webhook != nil && s.Webhook.To == by.To {
		by = *s.Webhook
	}
	sealed := [][]byte{by.Secret}
	if len(by.Previous) > 0 && now.Before(by.PreviousUntil) {
		sealed = append(sealed, by.Previous)
	}
	for _, text := range sealed {
		key, err := o.config.Ring.Open(keyring.PrivateKeys, identity.SecretLabel(n.Account), text)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// send makes one attempt to deliver a notice.
func (o *Outbox) send(ctx context.Context, n *identity.Notice, s *identity.Notifications) error {
	if !isHook(n.To.To) {
		if o.config.Mail == nil {
			return failure("no mail server is set up", nil)
		}
		return o.config.Mail.send(ctx, n, o.link(n))
	}
	keys, err := o.secrets(n, s, o.config.Clock())
	if err != nil {
		return failure("its secret does not open", err)
	}
	return o.post(ctx, n, keys)
}

// link leads to the event in the console, or is empty.
func (o *Outbox) link(n *identity.Notice) string {
	console := o.config.ConsoleURL()
	if console == "" {
		return ""
	}
	return console + "/events/" + n.ID
}

// Test sends a notice, without its words, as a test.
func (o *Outbox) Test(ctx context.Context, s *identity.Notifications, n identity.Notice) error {
	n.First = n.Time
	n.Text = "This is a test of the account's security notifications, which somebody asked for."
	n.Advice = "There is nothing to do."
	return o.send(ctx, &n, s)
}

// Failure is why a notice was not delivered, in words that tell nothing of the inside of a
// network and no secret of a URL. Its cause is for nobody but the log.
type Failure struct {
	Why   string
	cause error
}

func failure(why string, cause error) *Failure { return &Failure{why, cause} }

func (f *Failure) Error() string { return f.Why }
func (f *Failure) Unwrap() error { return f.cause }
