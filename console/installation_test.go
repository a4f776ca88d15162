package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// server is what the server says of itself, with hostile names where others choose them.
func (w *world) server() *lanyard.DescribeServerOutput {
	if w.described != nil {
		return w.described
	}
	now := w.clock()
	check := func(name, state, text string) lanyard.ServerCheck {
		return lanyard.ServerCheck{Name: &name, State: &state, Text: &text}
	}
	at := func(ago time.Duration) *time.Time { return aws.Time(now.Add(-ago)) }
	key := func(class string, ago time.Duration, active bool) lanyard.ServerDataKey {
		return lanyard.ServerDataKey{Protects: &class, Created: at(ago), Active: &active}
	}
	return &lanyard.DescribeServerOutput{
		Version: aws.String("0.1.0"), Started: at(26 * time.Hour), Now: &now, Dev: aws.Bool(false),
		Checks: []lanyard.ServerCheck{
			check("store", lanyard.StateGood, "last written 2 s ago"),
			check("trail", lanyard.StateGood, "0 records wait to be written; they are kept for 90 days"),
			check("certificate", lanyard.StateWarning, "ends in 9 days: put a new one into its files and send SIGHUP"),
			check("backup", lanyard.StateWarning, "the last one is 9 days old, 42.8 MB: lanyard backup takes one"),
		},
		Store: &lanyard.ServerStore{Directory: aws.String("/var/lib/lanyard"), Records: aws.Int64(41234), RecordBytes: aws.Int64(12_300_000), DatabaseBytes: aws.Int64(42_800_000),
			FreeBytes: aws.Int64(74e9), DiskBytes: aws.Int64(252e9), LastWrite: at(2 * time.Second)},
		Trail: &lanyard.ServerTrail{Queued: aws.Int64(3), Failures: aws.Int64(0), RetentionDays: aws.Int64(90)},
		TLS: &lanyard.ServerTLS{By: aws.String(lanyard.TLSServer), Subject: aws.String("CN=<script>alert(1)</script>"), Names: []string{"id.example.com", "192.0.2.1"},
			Issuer: aws.String("CN=Example CA"), NotBefore: at(81 * day), NotAfter: at(-9 * day), KeyType: aws.String("ECDSA, P-256"), File: aws.String("/etc/lanyard/cert.pem")},
		SealKey: &lanyard.ServerSealKey{Id: aws.String("d214986ef855dd2c"), Origin: aws.String("/etc/lanyard/seal.key"),
			Keys: []lanyard.ServerDataKey{key("access-key-secret", 400*day, true), key("session-token", 400*day, false), key("session-token", 2*day, true)}},
		Backup: &lanyard.ServerBackup{Begun: at(9 * day), Bytes: aws.Int64(42_800_000)},
		Settings: []lanyard.ServerSetting{
			{Name: aws.String("listen"), Value: aws.String("0.0.0.0:443"), Origin: aws.String("flag")},
			{Name: aws.String("retention-days"), Value: aws.String("90"), Origin: aws.String("default")},
			{Name: aws.String("url"), Value: aws.String("https://id.example.com"), Origin: aws.String("LANYARD_URL")},
		},
	}
}

func TestSettingsOfTheInstallation(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", everything)
	a := w.get("/settings")
	a.contains(t, "ECDSA, P-256", "in 9 days", "id.example.com, 192.0.2.1",
		"d214986ef855dd2c", "/etc/lanyard/seal.key", "Secrets of access keys", "Opens only",
		"Take a backup", "42.8 MB", "LANYARD_URL", "Default", "36 hours", "12 hours at most")
	checkHTML(t, a.body)
	if !strings.Contains(a.body, "CN=&lt;script&gt;alert(1)") {
		t.Error("markup of a certificate")
	}

	d := w.server()
	d.Backup, d.SealKey.Origin = nil, aws.String("environment")
	d.Checks[3].Text = aws.String("never")
	d.TLS = &lanyard.ServerTLS{By: aws.String(lanyard.TLSProxy)}
	w.described = d
	w.get("/settings").contains(t, "Never", "LANYARD_SEAL_KEY", "A proxy in front")
	w.described = &lanyard.DescribeServerOutput{Version: d.Version, Started: d.Started, Now: d.Now, Dev: aws.Bool(true), Trail: d.Trail, TLS: &lanyard.ServerTLS{By: aws.String(lanyard.TLSNone)}}
	w.get("/settings").contains(t, "everything is in memory", "the server listens on loopback")
	w.get("/health").contains(t, "Everything works", "Off: --admin-listen")
	w.described = nil

	w.get("/licences").contains(t, "github.com/spf13/cobra", "Apache-2.0", "0BSD", "modernc.org/sqlite")

	// What is the server's is for who may see it; the rest of the page is there.
	w.signIn("bob", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]}`)
	a = w.get("/settings")
	a.contains(t, "Password policy", "36 hours", "lanyard:DescribeServer")
	for _, secret := range []string{"d214986ef855dd2c", "/etc/lanyard", "0.0.0.0:443", "Example CA"} {
		if strings.Contains(a.body, secret) {
			t.Errorf("%s is shown to who may not see it", secret)
		}
	}
}

func TestHealth(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", everything)
	a := w.get("/health")
	a.contains(t, "Everything works; look at what is marked", "ends in 9 days", "the last one is 9 days old", "41234, about 12.3 MB", "Download the support bundle", "/var/lib/lanyard", "3 records")
	checkHTML(t, a.body)
	d := w.server()
	d.Checks[0].State, d.Checks[0].Text = aws.String(lanyard.StateFailed), aws.String("not ready: the server's log says why")
	d.Metrics = aws.String("http://127.0.0.1:9090/metrics")
	w.described = d
	w.get("/health").contains(t, "Something is wrong", "Fails", "http://127.0.0.1:9090/metrics")
	w.described = nil

	w.signIn("bob", nothing)
	a = w.get("/health")
	a.contains(t, "The server answers", "lanyard:DescribeServer")
	if strings.Contains(a.body, "/var/lib") || strings.Contains(a.body, "support-bundle") {
		t.Error("figures are shown to who may not see them")
	}
}

func TestSupportBundleOfTheConsole(t *testing.T) {
	w := newWorld(t)
	w.signIn("bob", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"lanyard:Describe*","Resource":"*"}]}`)
	w.post("/health/support-bundle", nil).contains(t, "lanyard:CreateSupportBundle")
	w.signIn("alice", everything)
	a := w.post("/health/support-bundle", nil)
	if a.StatusCode != http.StatusOK || a.body != "PK bundle" || a.Header.Get("Content-Type") != "application/zip" || !strings.Contains(a.Header.Get("Content-Disposition"), "lanyard-support-2") {
		t.Errorf("%d %q %v", a.StatusCode, a.body, a.Header)
	}
	w.must(w.trail.Sync(t.Context()))
	events, err := w.api().CloudTrail.LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: cttypes.LookupAttributeKeyEventName, AttributeValue: aws.String("CreateSupportBundle")}}})
	w.must(err)
	if len(events.Events) != 2 {
		t.Fatalf("%d events", len(events.Events))
	}
	for _, e := range events.Events {
		if strings.Contains(*e.CloudTrailEvent, "UEsgYnVuZGxl") {
			t.Error("the bundle is on the trail")
		}
	}
	// A factor that was shown long ago is asked for again.
	w.later(time.Hour / 2)
	w.post("/health/support-bundle", nil).leadsTo(t, "/signin/factor?to=%2Fhealth")
}
