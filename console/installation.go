package console

import (
	_ "embed" // licences.tsv
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/session"
)

// installationRoutes are about the server, which all accounts share: how it was set up, whether
// it is well, and what it is made of.
func (c *Console) installationRoutes() []Route {
	return []Route{
		{Pattern: "GET /health", Handle: c.showHealth},
		{Pattern: "POST /health/support-bundle", Handle: c.downloadSupport},
		{Pattern: "GET /licences", Handle: c.showLicences},
	}
}

// installation are the panels of the settings that the server was started with.
type installation struct {
	Sessions []Pair // whoever may see the page may see these
	Missing  *part
	TLS      []Pair
	SealKey  []Pair
	Keys     []dataKey
	Backup   []Pair
	Warn     *Alert // about backups
	Settings []settingRow
	Now      time.Time
}

type dataKey struct {
	Protects string
	Created  time.Time
	State    State
}

type settingRow struct{ Flag, Value, From, Default string }

// describe asks the server about itself.
func (v *Visit) describe() (*lanyard.DescribeServerOutput, error) {
	return lanyard.Call[lanyard.DescribeServerOutput](v.Request.Context(), v.API().Lanyard, &lanyard.DescribeServerInput{})
}

func (v *Visit) installation() installation {
	out := installation{Now: v.Now, Sessions: sessionLengths()}
	d, err := v.describe()
	if err != nil {
		out.Missing = v.missing(err)
		return out
	}
	out.TLS = tlsPairs(d)
	if k := d.SealKey; k != nil {
		from := Pair{Key: "Kept in", Value: aws.ToString(k.Origin), Mono: true}
		if from.Value == "environment" {
			from = Pair{Key: "Kept in", Value: "LANYARD_SEAL_KEY", Mono: true}
		}
		out.SealKey = []Pair{{Key: "Id of the seal key", Value: aws.ToString(k.Id), Mono: true, Copy: true}, from, {Key: "Keys under it", Value: fmt.Sprint(len(k.Keys))}}
		for _, key := range k.Keys {
			row := dataKey{Protects: protects(aws.ToString(key.Protects)), Created: aws.ToTime(key.Created), State: State{Good, "In use"}}
			if !aws.ToBool(key.Active) {
				row.State = State{Neutral, "Opens only"}
			}
			out.Keys = append(out.Keys, row)
		}
	}
	out.Backup, out.Warn = backupPairs(d)
	for _, s := range d.Settings {
		row := settingRow{Flag: "--" + aws.ToString(s.Name), Value: aws.ToString(s.Value)}
		if row.From = aws.ToString(s.Origin); row.From == "default" {
			row.From, row.Default = "", "Default"
		} else if row.From == "flag" {
			row.From = row.Flag
		}
		out.Settings = append(out.Settings, row)
	}
	return out
}

// protects says what keys of a class are for.
func protects(class string) string {
	if text, ok := map[string]string{
		"access-key-secret": "Secrets of access keys", "mfa-seed": "Seeds of MFA devices", "private-key": "Private keys",
		"session-token": "Temporary credentials", "authorization-message": "Encoded messages",
	}[class]; ok {
		return text
	}
	return class
}

// sessionLengths are how long what somebody begins goes on. They are AWS's, and cannot be set.
func sessionLengths() []Pair {
	return []Pair{
		{Key: "Browsers", Value: fmt.Sprintf("%d hours at most, ended when unused for %d minutes", int(session.BrowserLifetime.Hours()), int(session.BrowserIdle.Minutes()))},
		{Key: "AssumeRole", Value: "15 minutes to the role's maximum session duration (1 to 12 hours); 1 hour if a role's session asks"},
		{Key: "GetSessionToken", Value: "15 minutes to 36 hours; root 1 hour"},
		{Key: "GetFederationToken", Value: "15 minutes to 36 hours"},
		{Key: "aws login", Value: "12 hours, renewed every 15 minutes"},
		{Key: "One-time links", Value: "15 minutes, one use"},
		{Key: "A factor for what destroys", Value: fmt.Sprintf("shown within the last %d minutes", int(recently.Minutes()))},
	}
}

func tlsPairs(d *lanyard.DescribeServerOutput) []Pair {
	t := d.TLS
	switch aws.ToString(t.By) {
	case lanyard.TLSProxy:
		return []Pair{{Key: "TLS", Value: "A proxy in front speaks it (--plain-http): its certificate is its own"}}
	case lanyard.TLSNone:
		return []Pair{{Key: "TLS", Value: "None: the server listens on loopback. --tls-cert and --tls-key set it up"}}
	}
	ends := Pair{Key: "Ends", State: &State{Good, ""}}
	for _, check := range d.Checks {
		if aws.ToString(check.Name) == "certificate" {
			ends.State.Kind = kindOf(check.State)
		}
	}
	ends.State.Word = aws.ToTime(t.NotAfter).Format("2006-01-02")
	if left := aws.ToTime(t.NotAfter).Sub(aws.ToTime(d.Now)); left > 0 {
		ends.State.Word += ", in " + count(int(left/day), "day")
	} else {
		ends.State.Word += ", which is over"
	}
	return []Pair{
		{Key: "Certificate of", Value: aws.ToString(t.Subject)}, {Key: "Names", Value: strings.Join(t.Names, ", ")}, {Key: "Issuer", Value: aws.ToString(t.Issuer)},
		{Key: "Key", Value: aws.ToString(t.KeyType)}, ends, {Key: "File (--tls-cert)", Value: aws.ToString(t.File), Mono: true},
	}
}

func backupPairs(d *lanyard.DescribeServerOutput) (pairs []Pair, warn *Alert) {
	if aws.ToBool(d.Dev) {
		return []Pair{{Key: "Last backup", Value: "None can be: everything is in memory (--dev)"}}, nil
	}
	last := Pair{Key: "Last backup", State: &State{Warning, "Never"}}
	if b := d.Backup; b != nil {
		last.State = &State{Good, ago(aws.ToTime(d.Now), aws.ToTime(b.Begun)) + ", " + aws.ToTime(b.Begun).UTC().Format("2006-01-02 15:04 UTC")}
		pairs = append(pairs, Pair{Key: "Size", Value: megabytes(aws.ToInt64(b.Bytes))})
	}
	for _, check := range d.Checks {
		if aws.ToString(check.Name) != "backup" || aws.ToString(check.State) == lanyard.StateGood {
			continue
		}
		last.State.Kind = kindOf(check.State)
		warn = &Alert{Kind: Warning, Title: "Take a backup", Text: "Everything since the last one is lost with the disk. On the host, while the server runs: lanyard backup DIR. Daily, from cron or a timer, is a good beginning."}
	}
	return append([]Pair{last}, pairs...), warn
}

func megabytes(n int64) string {
	if n < 1e6 {
		return fmt.Sprintf("%.0f kB", max(float64(n)/1e3, 1))
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// kindOf is how the state of a check looks.
func kindOf(state *string) Kind {
	switch aws.ToString(state) {
	case lanyard.StateGood:
		return Good
	case lanyard.StateWarning:
		return Warning
	default:
		return Bad
	}
}

// healthPage is the state of the server.
type healthPage struct {
	OK      State
	Version string
	Checks  []healthRow
	Figures []Pair
	Bundle  bool
	Missing *part
}

type healthRow struct {
	Name  string
	State State
	Text  string
}

func (c *Console) showHealth(v *Visit) error { return c.healthWith(v, nil) }

func (c *Console) healthWith(v *Visit, refused error) error {
	body := healthPage{OK: State{Good, "Everything works"}, Version: c.config.Version}
	page := Page{Title: "Health", Lead: "The server, which all accounts share, as of now.", CLI: []Command{
		{Comment: "From any machine", Line: CLI("curl", "-s", c.config.URL.String()+"/readyz?verbose").Line},
		{Comment: "On the host: what helps to find out what is wrong", Line: CLI("lanyard", "support", "lanyard-support.zip").Line},
	}}
	d, err := v.describe()
	if err != nil {
		// What everybody can ask is answered all the same.
		if c.config.Ready != nil && c.config.Ready(v.Request.Context()) != nil {
			body.OK = State{Bad, "The server is not ready"}
		} else {
			body.OK.Word = "The server answers"
		}
		body.Missing = v.missing(err)
	} else {
		body.Bundle, body.Figures = true, figures(d)
		for _, check := range d.Checks {
			row := healthRow{Name: aws.ToString(check.Name), State: State{kindOf(check.State), "Works"}, Text: aws.ToString(check.Text)}
			switch row.State.Kind {
			case Warning:
				row.State.Word = "Look at it"
				if body.OK.Kind == Good {
					body.OK = State{Warning, "Everything works; look at what is marked"}
				}
			case Bad:
				row.State.Word, body.OK = "Fails", State{Bad, "Something is wrong"}
			}
			body.Checks = append(body.Checks, row)
		}
	}
	if refused != nil {
		problem := v.ProblemOf(refused)
		page.Status, body.Bundle = problem.Status, false
		body.Missing = v.missing(refused)
	}
	page.Body = body
	return v.Render("health", page)
}

// figures are measures of the server, and where there are more.
func figures(d *lanyard.DescribeServerOutput) []Pair {
	metrics := Pair{Key: "Metrics", Value: "Off: --admin-listen 127.0.0.1:9090 serves them to Prometheus"}
	if d.Metrics != nil {
		metrics = Pair{Key: "Metrics", Value: *d.Metrics, Mono: true, Copy: true}
	}
	pairs := []Pair{{Key: "Started", Value: aws.ToTime(d.Started).UTC().Format("2006-01-02 15:04:05 UTC")}, {Key: "Server time", Value: aws.ToTime(d.Now).UTC().Format("2006-01-02 15:04:05 UTC")}}
	if s := d.Store; s != nil {
		pairs = append(pairs, Pair{Key: "Data directory", Value: aws.ToString(s.Directory), Mono: true})
		if s.DatabaseBytes != nil && s.RecordBytes != nil {
			pairs = append(pairs,
				Pair{Key: "Records", Value: fmt.Sprintf("%d, about %s", aws.ToInt64(s.Records), megabytes(*s.RecordBytes))},
				Pair{Key: "All files", Value: megabytes(*s.DatabaseBytes)})
		}
		if s.LastWrite != nil {
			pairs = append(pairs, Pair{Key: "Last write", Value: s.LastWrite.UTC().Format("2006-01-02 15:04:05 UTC")})
		}
	}
	return append(pairs,
		Pair{Key: "Waiting for the trail", Value: count(int(aws.ToInt64(d.Trail.Queued)), "record")},
		Pair{Key: "Failed writes of the trail", Value: fmt.Sprint(aws.ToInt64(d.Trail.Failures))}, metrics)
}

// downloadSupport hands out the support bundle.
func (c *Console) downloadSupport(v *Visit) error {
	if err := v.StepUp("/health"); err != nil {
		return err
	}
	out, err := lanyard.Call[lanyard.CreateSupportBundleOutput](v.Request.Context(), v.API().Lanyard, &lanyard.CreateSupportBundleInput{})
	if err != nil {
		return c.healthWith(v, err)
	}
	return v.Download("lanyard-support-"+v.Now.UTC().Format("20060102T150405Z")+".zip", "application/zip", out.Bundle)
}

// licencesTSV are the modules that are linked into the binary, as docgen writes them.
//
//go:embed licences.tsv
var licencesTSV string

type licence struct{ Module, Version, Licence string }

func (c *Console) showLicences(v *Visit) error {
	all := []licence{{"Go, its standard library", runtime.Version(), "BSD-3-Clause"}, {"htmx.org, with hx-csp", "4.0.1", "0BSD"}}
	for line := range strings.Lines(licencesTSV) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 3 {
			all = append(all, licence{f[0], f[1], f[2]})
		}
	}
	return v.Render("licences", Page{Title: "Licences", Lead: "What others wrote and Lanyard is made of. Their texts are in the modules' repositories.",
		Crumbs: []Crumb{{Text: "Settings", Path: "/settings"}}, Nav: "/settings", Body: all})
}
