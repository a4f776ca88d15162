package console

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// notifyRoutes change whom the account tells of security events.
func (c *Console) notifyRoutes() []Route {
	return []Route{
		{Pattern: "POST /settings/notifications", Handle: c.setNotifications},
		{Pattern: "POST /settings/notifications/test", Handle: c.testNotifications},
		{Pattern: "POST /settings/notifications/stored", Handle: func(v *Visit) error { return v.Redirect("/settings#notifications") }},
	}
}

// notifyPart is the part of the settings about whom the account tells.
type notifyPart struct {
	Missing  *part
	Fields   []Field
	Rows     []notifyRow
	Previous time.Time // until then the secret before this one signs, too
	Now      time.Time
}

// notifyRow is one destination, and how it goes.
type notifyRow struct {
	To      string
	State   State
	Last    time.Time // of what State says
	Detail  string
	Waiting string
}

func (c *Console) notifications(v *Visit) notifyPart {
	out, err := lanyard.Call[lanyard.GetSecurityNotificationsOutput](v.Request.Context(), v.API().Lanyard, &lanyard.GetSecurityNotificationsInput{})
	if err != nil {
		return notifyPart{Missing: v.missing(err)}
	}
	n := out.Notifications
	p := notifyPart{Previous: aws.ToTime(n.PreviousSecretUntil), Now: v.Now, Fields: []Field{
		{Name: "webhook", Label: "Webhook", Type: "url", Value: aws.ToString(n.WebhookUrl), Optional: true, Autocomplete: "off", MaxLength: 1024,
			Hint: "An https address that takes a POST with JSON, signed after the Standard Webhooks convention. A new address gets a new secret. Empty: none."},
	}}
	if n.WebhookUrl != nil {
		p.Fields = append(p.Fields, Field{Name: "rotate", Label: "Make a new secret for the webhook", Type: "checkbox", Hint: "For a day, the old one and the new one both sign."})
	}
	if aws.ToBool(n.MailOffered) || len(n.MailAddresses) > 0 {
		p.Fields = append(p.Fields, Field{Name: "addresses", Label: "Security contacts", Type: "textarea", Rows: 3, Value: strings.Join(n.MailAddresses, "\n"), Optional: true, Hint: "Up to five e-mail addresses, one a line."})
	}
	if !aws.ToBool(n.MailOffered) {
		p.Fields[0].Hint += " This server sends no mail; its owner can set a mail server (--mail-server)."
		if aws.ToBool(n.MailRoot) { // stays so, for when there is one
			p.Fields = append(p.Fields, Field{Name: "root", Type: "hidden", Value: "on"})
		}
	} else {
		hint := "Root has no address yet."
		if n.RootMailAddress != nil {
			hint = "It is " + *n.RootMailAddress + "."
		}
		p.Fields = append(p.Fields, Field{Name: "root", Label: "Root's e-mail address, too", Type: "checkbox", Checked: aws.ToBool(n.MailRoot), Hint: hint})
	}
	for _, d := range n.Destinations {
		p.Rows = append(p.Rows, notifyRowOf(&d))
	}
	return p
}

func notifyRowOf(d *lanyard.NotificationDestination) notifyRow {
	row := notifyRow{To: hostOf(*d.Destination), State: State{Info, "Nothing sent yet"}}
	delivered, failed := aws.ToTime(d.LastDelivered), aws.ToTime(d.LastFailed)
	switch {
	case aws.ToBool(d.Removed):
		row.State, row.Detail = State{Info, "Removed"}, "It is told of that."
	case failed.After(delivered):
		row.State, row.Last, row.Detail = State{Bad, "Fails"}, failed, sentence(aws.ToString(d.LastFailure))
	case !delivered.IsZero():
		row.State, row.Last = State{Good, "Delivered"}, delivered
	}
	if n := aws.ToInt32(d.GivenUp); n > 0 {
		row.Detail = strings.TrimSpace(fmt.Sprintf("%s %d were given up after three days.", row.Detail, n))
	}
	if n := aws.ToInt32(d.Waiting); n > 0 {
		row.Waiting = fmt.Sprintf("%d since %s", n, d.WaitingSince.Format("2006-01-02 15:04 UTC"))
	}
	return row
}

// hostOf is a destination without what may be secret in it.
func hostOf(to string) string {
	if u, err := url.Parse(to); err == nil && u.Host != "" {
		return u.Host
	}
	return to
}

func (c *Console) setNotifications(v *Visit) error {
	if err := v.StepUp("/settings#notifications"); err != nil {
		return err
	}
	addresses := strings.FieldsFunc(v.Form("addresses"), func(r rune) bool { return r == '\n' || r == '\r' || r == ',' })
	for i := range addresses {
		addresses[i] = strings.TrimSpace(addresses[i])
	}
	addresses = slices.DeleteFunc(addresses, func(a string) bool { return a == "" })
	webhook, on := v.Form("webhook"), func(name string) *bool { return aws.Bool(v.Form(name) != "") }
	out, err := lanyard.Call[lanyard.PutSecurityNotificationsOutput](v.Request.Context(), v.API().Lanyard, &lanyard.PutSecurityNotificationsInput{
		WebhookUrl: &webhook, RotateSecret: on("rotate"), MailAddresses: addresses, MailRoot: on("root"),
	})
	if err != nil {
		return c.settingsForm(v, err)
	}
	v.Flash(Good, "The security notifications were changed. Send a test to see that they arrive.")
	if out.WebhookSecret == nil {
		return v.Redirect("/settings#notifications")
	}
	return v.Render("webhook-secret", Page{
		Title: "Secret of the webhook", Crumbs: []Crumb{{"Settings", "/settings"}},
		Lead: "Whoever receives the notifications checks with it that they come from here.",
		Body: Secret{
			Title: "Secret of the webhook",
			Rows:  []SecretRow{{Label: "Webhook", Value: hostOf(webhook)}, {Label: "Secret", Value: *out.WebhookSecret, Masked: true}},
			Done:  "/settings/notifications/stored", Leave: "/settings#notifications",
		},
	})
}

func (c *Console) testNotifications(v *Visit) error {
	out, err := lanyard.Call[lanyard.SendTestNotificationOutput](v.Request.Context(), v.API().Lanyard, &lanyard.SendTestNotificationInput{})
	if err != nil {
		return c.settingsForm(v, err)
	}
	for i, to := range out.Destinations {
		out.Destinations[i] = hostOf(to)
	}
	v.Flash(Good, "The test was taken by "+strings.Join(out.Destinations, ", ")+".")
	return v.Redirect("/settings#notifications")
}
