package lanyard_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/server"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

func notifications(t *testing.T, c *lanyard.Client) *lanyard.SecurityNotifications {
	t.Helper()
	out, err := lanyard.Call[lanyard.GetSecurityNotificationsOutput](t.Context(), c, &lanyard.GetSecurityNotificationsInput{})
	if err != nil {
		t.Fatal(err)
	}
	return out.Notifications
}

func putNotifications(t *testing.T, c *lanyard.Client, in lanyard.PutSecurityNotificationsInput) (secret, refused string) {
	t.Helper()
	out, err := lanyard.Call[lanyard.PutSecurityNotificationsOutput](t.Context(), c, &in)
	if err != nil {
		return "", code(err)
	}
	return aws.ToString(out.WebhookSecret), ""
}

// TestSecurityNotifications: what is set is what is kept; a secret is shown once, for a new
// URL or on request; the trail has neither URL nor secret.
func TestSecurityNotifications(t *testing.T) {
	l := lanyardtest.New(t, func(c *server.Config) {
		c.MailServer, c.MailFrom = "smtp://127.0.0.1:9", "lanyard@example.com" // nobody is there
	})
	c := clientFor(l, l.AccessKeyID, l.SecretAccessKey)
	if n := notifications(t, c); n.WebhookUrl != nil || len(n.MailAddresses) != 0 || !*n.MailRoot || !*n.MailOffered || n.RootMailAddress != nil || len(n.Destinations) != 0 {
		t.Errorf("default: %+v", n)
	}
	url := "https://127.0.0.1:9/services/T000/verysecret?token=alsosecret"
	first, refused := putNotifications(t, c, lanyard.PutSecurityNotificationsInput{WebhookUrl: &url, MailAddresses: []string{"a@example.com", "A@example.com", "b@example.com"}})
	if refused != "" || !strings.HasPrefix(first, "whsec_") {
		t.Fatalf("%q, %s", first, refused)
	}
	n := notifications(t, c)
	if aws.ToString(n.WebhookUrl) != url || fmt.Sprint(n.MailAddresses) != "[a@example.com b@example.com]" || len(n.Destinations) != 3 || n.PreviousSecretUntil != nil {
		t.Errorf("%+v", n)
	}
	for _, d := range n.Destinations {
		if d.Waiting == nil || *d.Waiting != 1 || d.WaitingSince == nil {
			t.Errorf("%s: %+v", *d.Destination, d)
		}
	}
	same := lanyard.PutSecurityNotificationsInput{WebhookUrl: &url, MailRoot: aws.Bool(false)}
	if secret, refused := putNotifications(t, c, same); secret != "" || refused != "" {
		t.Errorf("the same URL: %q, %s", secret, refused)
	}
	n = notifications(t, c)
	if *n.MailRoot || len(n.MailAddresses) != 0 || len(n.Destinations) != 3 || !aws.ToBool(n.Destinations[1].Removed) {
		t.Errorf("removed addresses, which are told of it: %+v", n)
	}
	same.RotateSecret = aws.Bool(true)
	second, refused := putNotifications(t, c, same)
	if second == "" || second == first || refused != "" {
		t.Errorf("another secret: %q, %s", second, refused)
	}
	if until := notifications(t, c).PreviousSecretUntil; until == nil || until.Sub(l.Now()).Round(time.Minute) != 24*time.Hour {
		t.Errorf("the secret before it is good until %v", until)
	}
	l.Advance(25 * time.Hour)
	if until := notifications(t, c).PreviousSecretUntil; until != nil {
		t.Errorf("the secret before it is good until %v", until)
	}

	for want, in := range map[string]lanyard.PutSecurityNotificationsInput{
		"not a URL such as https://":         {WebhookUrl: aws.String("hooks")},
		"does not begin with https://":       {WebhookUrl: aws.String("http://hooks.example.com/")},
		"inside the network of this server":  {WebhookUrl: aws.String("https://169.254.169.254/latest/meta-data")},
		"user name or password":              {WebhookUrl: aws.String("https://a:b@hooks.example.com/")},
		"length less than or equal to 1024":  {WebhookUrl: aws.String("https://hooks.example.com/" + strings.Repeat("x", 1024))},
		"There is no webhook":                {RotateSecret: aws.Bool(true)},
		`"nobody" is not an e-mail address`:  {MailAddresses: []string{"nobody"}},
		"length less than or equal to 5":     {MailAddresses: []string{"a@b.c", "b@b.c", "c@b.c", "d@b.c", "e@b.c", "f@b.c"}},
		`"a@b.c\nRCPT TO:<x@y.z>" is not an`: {MailAddresses: []string{"a@b.c\nRCPT TO:<x@y.z>"}},
	} {
		if _, refused := putNotifications(t, c, in); !strings.HasPrefix(refused, "ValidationException") || !strings.Contains(refused, want) || strings.Contains(refused, "a:b") {
			t.Errorf("%s: %s", want, refused)
		}
	}
	if got := aws.ToString(notifications(t, c).WebhookUrl); got != url {
		t.Errorf("what was refused changed it: %s", got)
	}

	events, err := cloudtrail.NewFromConfig(l.Config()).LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{})
	if err != nil {
		t.Fatal(err)
	}
	seen := false
	for _, e := range events.Events {
		record := *e.CloudTrailEvent
		seen = seen || *e.EventName == "PutSecurityNotifications" && strings.Contains(record, `"webhookHost":"127.0.0.1:9"`) && strings.Contains(record, "b@example.com")
		for _, secret := range []string{"verysecret", "alsosecret", first, second} {
			if strings.Contains(record, secret) {
				t.Errorf("on record with %s: %s", secret, record)
			}
		}
	}
	if !seen {
		t.Error("not on record with host and addresses")
	}
	for i, in := range []any{&lanyard.GetSecurityNotificationsInput{}, &lanyard.PutSecurityNotificationsInput{}, &lanyard.SendTestNotificationInput{}} {
		_, err := lanyard.Call[struct{}](t.Context(), newUser(t, l, fmt.Sprintf("eve-%d", i)), in)
		if !strings.HasPrefix(code(err), "AccessDenied") {
			t.Errorf("eve, %T: %s", in, code(err))
		}
	}
}

func TestNotificationsWithoutAMailServer(t *testing.T) {
	l := lanyardtest.New(t)
	c := clientFor(l, l.AccessKeyID, l.SecretAccessKey)
	if _, refused := putNotifications(t, c, lanyard.PutSecurityNotificationsInput{MailAddresses: []string{"a@example.com"}}); !strings.Contains(refused, "--mail-server") {
		t.Errorf("%s", refused)
	}
	if _, err := lanyard.Call[lanyard.SendTestNotificationOutput](t.Context(), c, &lanyard.SendTestNotificationInput{}); !strings.Contains(code(err), "There is nobody to tell: set a webhook first") {
		t.Errorf("%s", code(err))
	}
	for _, options := range []func(*server.Config){
		func(c *server.Config) { c.MailFrom = "lanyard@example.com" },
		func(c *server.Config) { c.MailServer = "mail.example.com" },
		func(c *server.Config) { c.MailServer = "smtp://mail.example.com" },
		func(c *server.Config) {
			c.MailServer, c.MailFrom, c.MailPasswordFile = "smtp://u@mail.example.com", "lanyard@example.com", "/nothing/there"
		},
		func(c *server.Config) { c.EgressAllow = []string{"example.com"} },
	} {
		config := server.Config{Dev: true, Listen: "127.0.0.1:0"}
		options(&config)
		if s, err := server.New(config); err == nil {
			_ = s.Close()
			t.Errorf("started with %+v", config)
		}
	}
}

// TestSendTestNotification: the answer is what the receiver said, and no more; it is kept;
// and nobody is flooded.
func TestSendTestNotification(t *testing.T) {
	l := lanyardtest.New(t)
	c := clientFor(l, l.AccessKeyID, l.SecretAccessKey)
	var status atomic.Int32
	status.Store(http.StatusTeapot)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(int(status.Load()))
		_, _ = w.Write([]byte("the inside of a network"))
	}))
	defer receiver.Close()
	if _, refused := putNotifications(t, c, lanyard.PutSecurityNotificationsInput{WebhookUrl: aws.String(receiver.URL + "/verysecret")}); refused != "" {
		t.Fatal(refused)
	}
	send := func() (*lanyard.SendTestNotificationOutput, string) {
		out, err := lanyard.Call[lanyard.SendTestNotificationOutput](t.Context(), c, &lanyard.SendTestNotificationInput{})
		if err != nil {
			return nil, code(err)
		}
		return out, ""
	}
	host := strings.TrimPrefix(receiver.URL, "http://")
	if _, refused := send(); refused != "NotificationNotDeliveredException: "+host+": it answered 418." {
		t.Errorf("%s", refused)
	}
	if d := notifications(t, c).Destinations[0]; aws.ToString(d.LastFailure) != "it answered 418" || d.LastFailed == nil || d.LastDelivered != nil {
		t.Errorf("%+v", d)
	}
	status.Store(http.StatusOK)
	if _, refused := send(); !strings.HasPrefix(refused, "LimitExceededException") {
		t.Errorf("a moment later: %s", refused)
	}
	l.Advance(10 * time.Second)
	out, refused := send()
	if refused != "" || fmt.Sprint(out.Destinations) != "["+receiver.URL+"/verysecret]" {
		t.Errorf("%+v, %s", out, refused)
	}
	if d := notifications(t, c).Destinations[0]; d.LastDelivered == nil {
		t.Errorf("%+v", d)
	}
}

// TestPowerUsersChangeNoRules: AWS's PowerUserAccess allows whatever is not of IAM and the
// account. Who must sign in with MFA, and who is told of what, is.
func TestPowerUsersChangeNoRules(t *testing.T) {
	l := lanyardtest.New(t)
	c := newUser(t, l, "power")
	_, err := iam.NewFromConfig(l.Config()).AttachUserPolicy(t.Context(), &iam.AttachUserPolicyInput{UserName: aws.String("power"), PolicyArn: aws.String("arn:aws:iam::aws:policy/PowerUserAccess")})
	if err != nil {
		t.Fatal(err)
	}
	url := aws.String("http://127.0.0.1:9/hook")
	for in, action := range map[any]string{
		&lanyard.GetSecurityNotificationsInput{}:                "account:PutAlternateContact",
		&lanyard.PutSecurityNotificationsInput{WebhookUrl: url}: "account:PutAlternateContact",
		&lanyard.SendTestNotificationInput{}:                    "account:PutAlternateContact",
		&lanyard.PutSignInRulesInput{}:                          "iam:UpdateAccountPasswordPolicy",
	} {
		if _, err := lanyard.Call[struct{}](t.Context(), c, in); !strings.HasPrefix(code(err), "AccessDenied") || !strings.Contains(code(err), action) {
			t.Errorf("%T: %s", in, code(err))
		}
	}
	if _, err := lanyard.Call[struct{}](t.Context(), newUser(t, l, "rules", "iam:UpdateAccountPasswordPolicy"), &lanyard.PutSignInRulesInput{}); err != nil {
		t.Errorf("rules: %v", err)
	}
	// As with AWS, policies can tell the security contact from the others.
	for kind, want := range map[string]bool{"SECURITY": true, "BILLING": false} {
		name := "contacts-" + kind
		c := newUser(t, l, name)
		document := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"account:PutAlternateContact","Resource":"*",
			"Condition":{"ForAnyValue:StringEquals":{"account:AlternateContactTypes":"` + kind + `"}}}}`
		if _, err := iam.NewFromConfig(l.Config()).PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: &document}); err != nil {
			t.Fatal(err)
		}
		if _, refused := putNotifications(t, c, lanyard.PutSecurityNotificationsInput{WebhookUrl: url}); (refused == "") != want {
			t.Errorf("%s: %q", kind, refused)
		}
	}
}
