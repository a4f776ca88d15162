package notify_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/internal/egress/egresstest"
	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/server"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/sigv4"
)

// A whole server: what is done by the API and on the host comes by webhook and by mail, with
// no link and no secret in it.
func TestDeedsOfAServerAreTold(t *testing.T) {
	hook := newReceiver(t)
	box := newMailbox(t, func(m *mailbox) { m.cert = hook.cert() })
	trusted := x509.NewCertPool()
	trusted.AddCert(hook.Certificate())
	l := lanyardtest.New(t, func(c *server.Config) {
		c.MailServer, c.MailFrom = "smtp://example.com:"+box.port(), "lanyard@example.com"
		c.RootCAs, c.Resolver = trusted, egresstest.Names(t, "127.0.0.1")
	})
	own := &lanyard.Client{
		URL: l.URL, Region: l.Config().Region, HTTP: l.Config().HTTPClient, Now: l.Now,
		Credentials: sigv4.Credentials{AccessKeyID: l.AccessKeyID, SecretAccessKey: l.SecretAccessKey},
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put, err := lanyard.Call[lanyard.PutSecurityNotificationsOutput](t.Context(), own, &lanyard.PutSecurityNotificationsInput{
		WebhookUrl: aws.String(hook.url()), MailAddresses: []string{"security@example.com"},
	})
	must(err)
	_, err = lanyard.Call[lanyard.SendTestNotificationOutput](t.Context(), own, &lanyard.SendTestNotificationInput{})
	must(err)

	people := iam.NewFromConfig(l.Config())
	_, err = people.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("bob")})
	must(err)
	_, err = people.CreateLoginProfile(t.Context(), &iam.CreateLoginProfileInput{UserName: aws.String("bob"), Password: aws.String("Correct-horse-9-staple")})
	must(err)
	_, err = people.AttachUserPolicy(t.Context(), &iam.AttachUserPolicyInput{UserName: aws.String("bob"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3")})
	must(err)
	_, err = people.UpdateAccountPasswordPolicy(t.Context(), &iam.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: aws.Int32(6)})
	must(err)
	_, err = lanyard.Call[lanyard.PutSignInRulesOutput](t.Context(), own, &lanyard.PutSignInRulesInput{})
	must(err)
	link, err := lanyard.Call[lanyard.CreateRecoveryLinkOutput](t.Context(), own, &lanyard.CreateRecoveryLinkInput{UserName: aws.String("bob")})
	must(err)
	// The owner of the host makes a link, and takes root's credentials.
	local := func(path, body string) map[string]any {
		t.Helper()
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://lanyard"+path, strings.NewReader(body))
		must(err)
		resp, err := server.NewLocalClient(l.Socket).Do(r)
		must(err)
		defer resp.Body.Close()
		reply := map[string]any{}
		must(json.NewDecoder(resp.Body).Decode(&reply))
		return reply
	}
	claim := local("/claim", "{}")
	root := local("/credentials", `{"root":true}`)

	want := []string{"PutSecurityNotifications", "SendTestNotification", "AttachUserPolicy", "UpdateAccountPasswordPolicy", "PutSignInRules", "CreateRecoveryLink", "CreateOneTimeLink", "AssumeRoot"}
	slices.Sort(want)
	var events, mailed []string
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		events, mailed = nil, nil
		for _, got := range hook.all() {
			events = append(events, got.body["event"].(string))
		}
		for _, letter := range box.letters() {
			_, rest, _ := strings.Cut(letter.body, "\r\nEvent    ")
			name, _, _ := strings.Cut(rest, " ")
			mailed = append(mailed, name)
		}
		slices.Sort(events)
		slices.Sort(mailed)
		if slices.Equal(events, want) && slices.Equal(mailed, want) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("want %v\nwebhook %v\nmail %v", want, events, mailed)
		}
	}
	if box.plain > 0 {
		t.Errorf("%d letters came without TLS", box.plain)
	}
	_, linkSecret, _ := strings.Cut(*link.RecoveryLink, "#")
	_, claimSecret, _ := strings.Cut(claim["url"].(string), "#")
	var all strings.Builder
	for _, got := range hook.all() {
		if !verify(*put.WebhookSecret, got) {
			t.Errorf("%s is not signed", got.raw)
		}
		all.Write(got.raw)
	}
	for _, letter := range box.letters() {
		all.WriteString(letter.raw)
		all.WriteString(letter.body)
	}
	for _, secret := range []string{linkSecret, claimSecret, fmt.Sprint(root["secretAccessKey"]), fmt.Sprint(root["sessionToken"]), *put.WebhookSecret, "verysecret"} {
		if len(secret) < 10 || strings.Contains(all.String(), secret) {
			t.Errorf("%q was told", secret)
		}
	}
	for _, text := range []string{"http://localhost:", "on the server's host", "user bob was quarantined"} {
		if !strings.Contains(all.String(), text) {
			t.Errorf("nobody is told of %s", text)
		}
	}
}
