package server

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/internal/egress"
	"github.com/lanyard-iam/lanyard/notify"
	"github.com/lanyard-iam/lanyard/service/iam"
)

// Defaults of Config.
const (
	DefaultListen    = "127.0.0.1:4747"
	DefaultAccount   = arn.AccountID("111122223333") // of --dev: an account id of AWS's documentation
	DefaultRegion    = "us-east-1"
	DefaultRetention = 90 * 24 * time.Hour // CloudTrail's event history
	DefaultDrain     = 20 * time.Second
)

// Config is everything that decides how a server runs. The zero value, with Dev
// set, is usable.
type Config struct {
	// Dev keeps everything in memory, listens on loopback over plain HTTP, and
	// offers the settable clock and the reset.
	Dev bool
	// Listen is the address of the one listener; AdminListen that of metrics,
	// empty for none.
	Listen      string
	AdminListen string
	// Accounts exist at start; the first is the default of the local socket.
	// Without Dev they are made by Init and this is empty.
	Accounts []arn.AccountID
	Region   string
	// DataDir holds the database and the local socket; unused with Dev.
	DataDir string
	// SealKeyFile is the file with the seal key, which must not lie in DataDir.
	SealKeyFile string
	// SealKey is the seal key itself (base64), for environments without files, and
	// CredentialsDirectory systemd's folder of credentials, in which the key is
	// named keyring.Credential. They are looked at, in this order, where there is
	// no SealKeyFile.
	SealKey              string
	CredentialsDirectory string
	// Socket is the path of the local socket; empty means the default.
	Socket string
	// TLSCert and TLSKey are PEM files. Without them the server speaks plain
	// HTTP, which it does beyond loopback only if PlainHTTP says so: then a
	// proxy in front must speak TLS.
	TLSCert, TLSKey string
	PlainHTTP       bool
	// URL is where people reach the console with a browser: https://id.example.com, or
	// http://localhost:PORT. Links and the origin of passkeys come from it and from no
	// header of a request. Its host is a name, since passkeys belong to names. Empty means
	// localhost where the server listens on loopback, and no console elsewhere.
	URL string
	// AccessKey is "ID:SECRET" of a fixed key of an administrator; Dev only.
	AccessKey string
	// Retention is how long the trail is kept.
	Retention time.Duration
	// Limits are IAM's quotas; the zero value means AWS's defaults. Quotas sets some
	// of them, as "NAME=NUMBER", by the names that AWS's messages have.
	Limits iam.Limits
	Quotas []string
	// EgressAllow are networks beside the public internet to which the server may connect
	// when somebody with rights in an account names an address, of a webhook for example.
	// Dev allows loopback.
	EgressAllow []string
	// MailServer is smtp://USER@HOST:PORT or smtps://USER@HOST:PORT; empty sends no mail.
	// MailFrom is the sender, MailPasswordFile has the password of USER.
	MailServer, MailFrom, MailPasswordFile string
	// RootCAs are whom the certificates of webhooks and of the mail server are to be from, and
	// Resolver knows their names; nil means the system's. Tests set them.
	RootCAs  *x509.CertPool
	Resolver *net.Resolver
	// Drain is how long a stopping server waits for requests under way.
	Drain time.Duration

	// HashCommand is the command that hashes passwords in a process of its own
	// ([password.Serve]); nil hashes in the server's, where it delays other requests.
	HashCommand func() *exec.Cmd

	// Settings are what the server was told and by what, for people to look at. No secret is
	// among them.
	Settings []Setting

	Log     *slog.Logger
	Version string
	// Clock and Rand are the sources of time and randomness; nil means the
	// machine's. Tests set them.
	Clock func() time.Time
	Rand  io.Reader
}

// Setting is a flag with its value, and where that is from: "flag", "default", or the name of a
// variable.
type Setting struct{ Name, Value, Origin string }

// Validate fills in defaults and refuses what cannot be right or is not safe.
func (c *Config) Validate() error {
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if c.Region == "" {
		c.Region = DefaultRegion
	}
	if c.Retention == 0 {
		c.Retention = DefaultRetention
	}
	if c.Retention < 0 {
		return errors.New("the retention of the trail cannot be negative")
	}
	if c.Drain == 0 {
		c.Drain = DefaultDrain
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := c.setQuotas(); err != nil {
		return err
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("TLS needs both a certificate file and a key file")
	}
	for _, a := range c.Accounts {
		if _, err := arn.ParseAccountID(string(a)); err != nil {
			return fmt.Errorf("account %q: %w", a, err)
		}
	}
	loopback, err := isLoopback(c.Listen)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", c.Listen, err)
	}
	if _, err := c.console(); err != nil {
		return err
	}
	if _, err := c.egress(); err != nil {
		return err
	}
	if c.Dev {
		return c.validateDev(loopback)
	}
	if c.AccessKey != "" {
		return errors.New("a fixed access key exists in --dev only: it would be a standing secret; use `lanyard env`")
	}
	if c.DataDir == "" {
		return errors.New("no data directory: say --data DIR, or --dev for a server in memory")
	}
	if c.SealKeyFile == "" && c.SealKey == "" && c.CredentialsDirectory == "" {
		return errors.New("no seal key: say --seal-key-file FILE")
	}
	if c.SealKeyFile != "" && within(c.DataDir, c.SealKeyFile) {
		return errors.New("the seal key must not lie in the data directory: whoever copies the one would have the other")
	}
	if !loopback && c.TLSCert == "" && !c.PlainHTTP {
		return fmt.Errorf("%s is not loopback: give --tls-cert and --tls-key, or say --plain-http if a proxy in front speaks TLS", c.Listen)
	}
	return nil
}

// console is URL, or nil where it is empty.
func (c *Config) console() (*url.URL, error) {
	if c.URL == "" {
		return nil, nil
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("the URL of the console: %w", err)
	}
	host := u.Hostname()
	_, notName := netip.ParseAddr(host)
	switch {
	case u.Scheme != "https" && u.Scheme != "http", host == "", u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "", u.User != nil:
		return nil, fmt.Errorf("the URL of the console is https://NAME or https://NAME:PORT, and not %q", c.URL)
	case notName == nil:
		return nil, fmt.Errorf("the URL of the console needs a name and not the address %s: passkeys belong to names", host)
	case u.Scheme == "http" && host != "localhost":
		return nil, fmt.Errorf("the URL of the console %q: browsers sign in over https only, or on localhost", c.URL)
	}
	u.Path, u.Host = "", strings.ToLower(u.Host)
	return u, nil
}

// egress is the guard of what is connected to.
func (c *Config) egress() (*egress.Guard, error) {
	allow, err := egress.ParseAllow(c.EgressAllow)
	if err != nil {
		return nil, fmt.Errorf("--egress-allow: %w", err)
	}
	if c.Dev {
		allow = append(allow, egress.Loopback()...)
	}
	return &egress.Guard{Allow: allow, RootCAs: c.RootCAs, Resolver: c.Resolver}, nil
}

// mail is the mail server, or nil where there is none.
func (c *Config) mail() (*notify.Mail, error) {
	if c.MailServer == "" {
		if c.MailFrom != "" || c.MailPasswordFile != "" {
			return nil, errors.New("there is no mail server: say --mail-server smtp://USER@HOST:PORT")
		}
		return nil, nil
	}
	password := ""
	if c.MailPasswordFile != "" {
		text, err := os.ReadFile(c.MailPasswordFile)
		if err != nil {
			return nil, fmt.Errorf("the mail server's password: %w", err)
		}
		password = strings.TrimRight(string(text), "\r\n")
	}
	m, err := notify.ParseMail(c.MailServer, c.MailFrom, password)
	if err == nil {
		m.Guard.RootCAs, m.Guard.Resolver = c.RootCAs, c.Resolver
	}
	return m, err
}

// setQuotas brings Quotas into Limits.
func (c *Config) setQuotas() error {
	if len(c.Quotas) > 0 && c.Limits == (iam.Limits{}) {
		c.Limits = iam.DefaultLimits()
	}
	for _, q := range c.Quotas {
		name, number, ok := strings.Cut(q, "=")
		n, err := strconv.Atoi(number)
		if !ok || err != nil {
			return fmt.Errorf("a quota is written NAME=NUMBER, for example UsersPerAccount=10000, and not %q", q)
		}
		if err := c.Limits.Set(name, n); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) validateDev(loopback bool) error {
	if !loopback {
		return fmt.Errorf("--dev listens on loopback only, and %s is not", c.Listen)
	}
	if c.DataDir != "" {
		return errors.New("--dev keeps everything in memory: it takes no data directory")
	}
	if len(c.Accounts) == 0 {
		c.Accounts = []arn.AccountID{DefaultAccount}
	}
	if c.AccessKey != "" {
		if _, _, err := c.fixedKey(); err != nil {
			return err
		}
	}
	return nil
}

// fixedKey splits AccessKey. Any id and secret that a client can send will do.
func (c *Config) fixedKey() (id, secret string, err error) {
	id, secret, ok := strings.Cut(c.AccessKey, ":")
	if !ok || id == "" || secret == "" {
		return "", "", errors.New("the access key is written ID:SECRET, for example test:test")
	}
	for _, c := range []byte(id) {
		// What a credential scope cannot carry cannot be sent.
		if c <= ' ' || c > '~' || c == '/' || c == ',' || c == '=' {
			return "", "", fmt.Errorf("no client can send the access key id %q", id)
		}
	}
	return id, secret, nil
}

func isLoopback(address string) (bool, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false, err
	}
	if host == "localhost" {
		return true, nil
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback(), nil
}

func within(dir, file string) bool {
	d, err1 := filepath.Abs(dir)
	f, err2 := filepath.Abs(file)
	if err1 != nil || err2 != nil {
		return false
	}
	rel, err := filepath.Rel(d, f)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
