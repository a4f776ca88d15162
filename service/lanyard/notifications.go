package lanyard

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/notify"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

const (
	// previousSecret is for how long the secret of a webhook signs beside a new one.
	previousSecret = 24 * time.Hour
	// testsEvery is how often a test can be sent: addresses may be of people who did not ask.
	testsEvery = 10 * time.Second
)

// SecurityNotifications are whom an account tells of security events.
type SecurityNotifications struct {
	WebhookUrl          *string
	PreviousSecretUntil *time.Time // until then what is sent is signed with the secret before the present one, too
	MailAddresses       []string
	MailRoot            *bool   // root's own address is told, too
	RootMailAddress     *string // absent as long as root has none
	MailOffered         *bool   // there is a mail server; otherwise nothing is mailed
	Destinations        []NotificationDestination
}

// NotificationDestination is how it goes with a destination. One that was removed is there
// as long as something waits for it.
type NotificationDestination struct {
	Destination               *string // a URL or e-mail address
	Removed                   *bool
	Waiting                   *int32
	WaitingSince              *time.Time
	LastDelivered, LastFailed *time.Time
	LastFailure               *string
	GivenUp                   *int32 // so many events were never told
}

type (
	// GetSecurityNotificationsInput is empty.
	GetSecurityNotificationsInput struct{}
	// GetSecurityNotificationsOutput is whom the account tells.
	GetSecurityNotificationsOutput struct{ Notifications *SecurityNotifications }
	// PutSecurityNotificationsInput says whom the account tells from now on. What is left out
	// goes back to its default: no webhook, no addresses but root's. A webhook with another
	// URL than before, or with RotateSecret, gets a new secret.
	PutSecurityNotificationsInput struct {
		WebhookUrl    *string
		RotateSecret  *bool
		MailAddresses []string
		MailRoot      *bool
	}
	// PutSecurityNotificationsOutput has the secret of the webhook if it is a new one: it is
	// not shown again.
	PutSecurityNotificationsOutput struct{ WebhookSecret *string }
	// SendTestNotificationInput is empty.
	SendTestNotificationInput struct{}
	// SendTestNotificationOutput are the destinations that took the test.
	SendTestNotificationOutput struct{ Destinations []string }
)

// GetSecurityNotifications returns whom the account tells, and how it goes.
func (s *Service) GetSecurityNotifications(c *service.Call, _ *GetSecurityNotificationsInput) (*GetSecurityNotificationsOutput, error) {
	settings, err := notify.Settings(c.Reader, c.Scope.Account)
	if err != nil {
		return nil, err
	}
	root, err := notify.RootMail(c.Reader, c.Scope.Account)
	if err != nil {
		return nil, err
	}
	present, err := s.config.Outbox.Destinations(c.Reader, c.Scope.Account, settings)
	if err != nil {
		return nil, err
	}
	waiting, err := s.config.Outbox.Waiting(c.Reader, c.Scope.Account)
	if err != nil {
		return nil, err
	}
	out := &SecurityNotifications{MailAddresses: []string{}, MailRoot: aws.Bool(!settings.NotRoot), MailOffered: aws.Bool(s.config.Outbox.Mails()), Destinations: []NotificationDestination{}}
	if w := settings.Webhook; w != nil {
		out.WebhookUrl = &w.To
		if c.Now.Before(w.PreviousUntil) {
			out.PreviousSecretUntil = &w.PreviousUntil
		}
	}
	for _, d := range settings.Contacts {
		out.MailAddresses = append(out.MailAddresses, d.To)
	}
	if root != "" {
		out.RootMailAddress = &root
	}
	row := func(to string) *NotificationDestination {
		out.Destinations = append(out.Destinations, NotificationDestination{Destination: &to})
		d := &out.Destinations[len(out.Destinations)-1]
		if w, ok := waiting[to]; ok {
			d.Waiting, d.WaitingSince = aws.Int32(int32(w.Notices)), &w.Since
			delete(waiting, to)
		}
		return d
	}
	for _, p := range present {
		d, told := row(p.To), settings.Told[p.To]
		d.LastDelivered, d.LastFailed = instant(told.Delivered), instant(told.Failed)
		if told.Failure != "" {
			d.LastFailure = &told.Failure
		}
		if told.GivenUp > 0 {
			d.GivenUp = aws.Int32(int32(told.GivenUp))
		}
	}
	var removed []string
	for to := range waiting {
		removed = append(removed, to)
	}
	slices.Sort(removed)
	for _, to := range removed {
		row(to).Removed = aws.Bool(true)
	}
	return &GetSecurityNotificationsOutput{Notifications: out}, nil
}

// onSecurityContact asks as AWS's PutAlternateContact does for the contact that AWS tells of
// security events.
func onSecurityContact[I any](*service.Call, *I) ([]authz.Check, error) {
	return []authz.Check{authz.On("*").WithList("account:AlternateContactTypes", []string{"SECURITY"})}, nil
}

// PutSecurityNotifications says whom the account tells. Destinations that it removes are told
// of that: whoever turns notifications off is seen.
func (s *Service) PutSecurityNotifications(c *service.Call, in *PutSecurityNotificationsInput) (*PutSecurityNotificationsOutput, error) {
	old, err := notify.Settings(c.Reader, c.Scope.Account)
	if err != nil {
		return nil, err
	}
	before, err := s.config.Outbox.Destinations(c.Reader, c.Scope.Account, old)
	if err != nil {
		return nil, err
	}
	now := c.Now.UTC().Truncate(time.Second)
	next := *old
	next.NotRoot = in.MailRoot != nil && !*in.MailRoot
	if next.Contacts, err = s.contacts(in.MailAddresses, old.Contacts, now); err != nil {
		return nil, err
	}
	out := &PutSecurityNotificationsOutput{}
	if next.Webhook, out.WebhookSecret, err = s.webhook(c, in, old.Webhook, now); err != nil {
		return nil, err
	}
	after, err := s.config.Outbox.Destinations(c.Reader, c.Scope.Account, &next)
	if err != nil {
		return nil, err
	}
	next.Former = nil
	for _, d := range before {
		if !slices.ContainsFunc(after, func(a identity.Destination) bool { return a.To == d.To }) {
			next.Former = append(next.Former, d)
		}
	}
	return out, identity.NotificationsOf.Put(c.Tx, &next, c.Account())
}

// contacts are the addresses as they are kept. Those that were there stay since when they were,
// and where no mail is sent stay for when it is.
func (s *Service) contacts(addresses []string, old []identity.Destination, now time.Time) (list []identity.Destination, err error) {
	for _, address := range addresses {
		if err := notify.CheckAddress(address); err != nil {
			return nil, service.Invalid("%s.", err)
		}
		same := func(d identity.Destination) bool { return strings.EqualFold(d.To, address) }
		if slices.ContainsFunc(list, same) {
			continue
		}
		d := identity.Destination{To: address, Since: now}
		if i := slices.IndexFunc(old, same); i >= 0 {
			d.Since = old[i].Since
		} else if !s.config.Outbox.Mails() {
			return nil, service.Invalid("This server sends no mail: its owner starts it with --mail-server. Until then, only a webhook can be told.")
		}
		list = append(list, d)
	}
	return list, nil
}

// webhook is the webhook as it is kept, and its secret if that is new. The trail gets no URL:
// that of a chat has a secret in it.
func (s *Service) webhook(c *service.Call, in *PutSecurityNotificationsInput, old *identity.Destination, now time.Time) (w *identity.Destination, shown *string, err error) {
	to := aws.ToString(in.WebhookUrl)
	if to == "" {
		if aws.ToBool(in.RotateSecret) {
			return nil, nil, service.Invalid("There is no webhook, and so no secret of one.")
		}
		return nil, nil, nil
	}
	if err := s.config.Outbox.CheckURL(to); err != nil {
		return nil, nil, service.Invalid("That is no address for a webhook: %s.", err)
	}
	if c.Event.Additional, err = json.Marshal(map[string]string{"webhookHost": notify.HostOf(to)}); err != nil {
		return nil, nil, err
	}
	same := old != nil && old.To == to
	if same && !aws.ToBool(in.RotateSecret) {
		return old, nil, nil
	}
	w = &identity.Destination{To: to, Since: now}
	if same {
		w.Since, w.Previous, w.PreviousUntil = old.Since, old.Secret, now.Add(previousSecret)
	}
	secret, sealed, err := s.config.Outbox.NewSecret(c.Scope.Account, c.Rand)
	if err != nil {
		return nil, nil, fmt.Errorf("secret of a webhook: %w", err)
	}
	w.Secret = sealed
	return w, &secret, nil
}

// tested is how a test went with one destination.
type tested struct {
	to  string
	err error
}

// sendTest sends the test, which takes a while, before the transaction.
func (s *Service) sendTest(c *service.Call, _ *SendTestNotificationInput) error {
	settings, err := notify.Settings(c.Reader, c.Scope.Account)
	if err != nil {
		return err
	}
	to, err := s.config.Outbox.Destinations(c.Reader, c.Scope.Account, settings)
	if err != nil {
		return err
	}
	if len(to) == 0 {
		return notFound("There is nobody to tell: set a webhook%s first.", map[bool]string{true: " or an e-mail address"}[s.config.Outbox.Mails()])
	}
	if err := c.Update(func(tx store.Tx) error { return mayTest(tx, c.Scope.Account, c.Now) }); err != nil {
		return err
	}
	results := make([]tested, len(to))
	var sending sync.WaitGroup
	for i, d := range to {
		sending.Go(func() {
			results[i] = tested{d.To, s.config.Outbox.Test(c.Context, settings, identity.Notice{
				Account: c.Scope.Account, To: d, ID: c.Event.ID, Time: c.Now.UTC(), Event: c.Event.Name, Who: c.Principal.ARN, SourceIP: c.Event.SourceIP,
			})}
		})
	}
	sending.Wait()
	if err := context.Cause(c.Context); err != nil {
		return err // nobody waits for the answer, and failures may be because of that
	}
	c.Keep(results)
	return nil
}

// mayTest counts a test, or refuses one that follows another too soon.
func mayTest(tx store.Tx, account arn.AccountID, now time.Time) error {
	settings, err := notify.Settings(tx, account)
	if err != nil {
		return err
	}
	if since := now.Sub(settings.Tested); since >= 0 && since < testsEvery {
		return limitExceeded("A test was sent a moment ago. Wait for %d seconds.", int(testsEvery/time.Second))
	}
	next := *settings
	next.Tested = now.UTC()
	return identity.NotificationsOf.Put(tx, &next, string(account))
}

// SendTestNotification sends a test to all destinations, and says what became of it.
func (s *Service) SendTestNotification(c *service.Call, _ *SendTestNotificationInput) (*SendTestNotificationOutput, error) {
	results, _ := c.Kept().([]tested)
	out := &SendTestNotificationOutput{Destinations: []string{}}
	var failed []string
	for _, r := range results {
		if err := s.config.Outbox.Note(c.Tx, c.Scope.Account, r.to, r.err, c.Now.UTC()); err != nil {
			return nil, err
		}
		if r.err == nil {
			out.Destinations = append(out.Destinations, r.to)
		} else {
			failed = append(failed, fmt.Sprintf("%s: %s.", notify.HostOf(r.to), r.err))
		}
	}
	if len(failed) == 0 {
		return out, nil
	}
	message := strings.Join(failed, " ")
	for _, to := range out.Destinations {
		message += fmt.Sprintf(" %s took it.", notify.HostOf(to))
	}
	return nil, service.Commit(&service.Error{Code: "NotificationNotDeliveredException", Status: http.StatusBadRequest, Message: message})
}
