package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/server"
)

// place is where a Lanyard keeps its things; several commands take it.
type place struct {
	data, sealKeyFile, sealKey, socket string
}

func (p *place) dataFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.data, "data", "", "data `directory` (default "+shown(defaultData())+")")
}

func (p *place) socketFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.socket, "socket", "", "`path` of the owner's local socket")
}

func (p *place) sealKeyFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.sealKeyFile, "seal-key-file", "", "`file` with the seal key (default "+shown(defaultSealKeyFile())+")")
}

// defaultData is /var/lib/lanyard for root, else the XDG state directory.
func defaultData() string {
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" { // systemd
		return dir
	}
	if os.Getuid() == 0 {
		return "/var/lib/lanyard"
	}
	return filepath.Join(xdg("XDG_STATE_HOME", ".local/state"), "lanyard")
}

// defaultSealKeyFile is apart from the data: who copies the one has not the other.
func defaultSealKeyFile() string {
	if os.Getuid() == 0 {
		return "/etc/lanyard/seal.key"
	}
	return filepath.Join(xdg("XDG_CONFIG_HOME", ".config"), "lanyard", "seal.key")
}

func xdg(variable, fallback string) string {
	if dir := os.Getenv(variable); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return fallback
	}
	return filepath.Join(home, fallback)
}

// shown writes a path for help texts, which must not depend on who asks.
func shown(path string) string {
	if home, err := os.UserHomeDir(); err == nil && home != "/" {
		if rest, ok := strings.CutPrefix(path, home+"/"); ok {
			return "~/" + rest
		}
	}
	return path
}

// fill puts the defaults of a server that keeps its data in.
func (p *place) fill() {
	if p.data == "" {
		p.data = defaultData()
	}
	p.sealKey = os.Getenv("LANYARD_SEAL_KEY")
	if p.sealKeyFile == "" {
		p.sealKeyFile = defaultSealKeyFile()
	}
}

func newServer() *cobra.Command {
	var (
		p        place
		c        server.Config
		accounts []string
		days     int
		logLevel string
	)
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run the server",
		Long: `Run the server: IAM, STS and CloudTrail on one address.

With --dev everything is in memory and thrown away at exit; for CI,
--access-key gives an administrator a fixed key, and the clock and the state
can be set by POST /_lanyard/clock and /_lanyard/reset. Without --dev the data
directory is one that "lanyard init" made.

Every flag has a twin in the environment: --seal-key-file is
LANYARD_SEAL_KEY_FILE. SIGTERM drains and stops, SIGHUP reads the
certificates again, SIGUSR1 writes the goroutines to standard error.`,
		Example: `  lanyard server --dev
  lanyard server --dev --access-key test:test --account 000000000000
  lanyard server --data /var/lib/lanyard --listen 0.0.0.0:443 \
      --tls-cert cert.pem --tls-key key.pem`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, a := range accounts {
				c.Accounts = append(c.Accounts, arn.AccountID(a))
			}
			if days < 0 {
				return usageError("--retention-days cannot be negative")
			}
			c.Retention = time.Duration(days) * 24 * time.Hour
			c.Version = version
			c.HashCommand = hashCommand()
			c.Socket = p.socket
			var err error
			if c.Log, err = newLogger(cmd.ErrOrStderr(), logLevel); err != nil {
				return err
			}
			if c.Dev {
				if p.data != "" && cmd.Flags().Changed("data") {
					c.DataDir = p.data
				}
			} else {
				if len(accounts) > 0 {
					return usageError("--account names the accounts of --dev; `lanyard init --account` makes those of a data directory")
				}
				p.fill()
				c.DataDir, c.SealKeyFile, c.SealKey = p.data, p.sealKeyFile, p.sealKey
				c.CredentialsDirectory = os.Getenv("CREDENTIALS_DIRECTORY") // systemd
			}
			c.Settings = settings(cmd, &p)
			return runServer(cmd.Context(), cmd.ErrOrStderr(), c)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&c.Dev, "dev", false, "in memory, loopback, plain HTTP")
	f.StringVar(&c.Listen, "listen", server.DefaultListen, "`address` to listen on")
	f.StringVar(&c.URL, "url", "", "`URL` at which browsers reach the console (default localhost, on loopback)")
	f.StringVar(&c.AdminListen, "admin-listen", "", "`address` for Prometheus metrics (default none)")
	f.StringSliceVar(&accounts, "account", nil, "account `id` of --dev; may be repeated (default "+string(server.DefaultAccount)+")")
	f.StringVar(&c.Region, "region", server.DefaultRegion, "`region` of requests that name none")
	f.StringVar(&c.AccessKey, "access-key", "", "fixed key of an administrator of --dev, as `ID:SECRET`")
	f.StringVar(&c.TLSCert, "tls-cert", "", "certificate `file` (PEM)")
	f.StringVar(&c.TLSKey, "tls-key", "", "private key `file` (PEM)")
	f.BoolVar(&c.PlainHTTP, "plain-http", false, "allow HTTP beyond loopback: a proxy in front speaks TLS")
	f.IntVar(&days, "retention-days", 90, "how many `days` the trail is kept")
	f.StringSliceVar(&c.Quotas, "quota", nil, "quota of IAM, as `NAME=NUMBER`; may be repeated (default AWS's)")
	f.StringSliceVar(&c.EgressAllow, "egress-allow", nil, "`network` beside the public internet that webhooks may be in, as 10.20.0.0/16; may be repeated")
	f.StringVar(&c.MailServer, "mail-server", "", "mail `server` for security notifications: smtp://USER@HOST:PORT or smtps://…")
	f.StringVar(&c.MailFrom, "mail-from", "", "e-mail `address` that they come from")
	f.StringVar(&c.MailPasswordFile, "mail-password-file", "", "`file` with the password for the mail server")
	f.StringVar(&logLevel, "log-level", "info", "`level`: debug, info, warn or error")
	p.dataFlag(cmd)
	p.sealKeyFlag(cmd)
	p.socketFlag(cmd)
	return cmd
}

// shownSettings are the flags whose values people may see in the console: no secret can be in
// them. Of all others it is said only whether they are set.
var shownSettings = []string{
	"account", "admin-listen", "data", "dev", "egress-allow", "listen", "log-level", "mail-from", "mail-password-file", "mail-server", "plain-http", "quota", "region", "retention-days", "seal-key-file", "socket", "tls-cert", "tls-key", "url",
}

// settings are the flags in force, and where they are from.
func settings(cmd *cobra.Command, p *place) (all []server.Setting) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		s := server.Setting{Name: f.Name, Value: strings.Trim(f.Value.String(), "[]"), Origin: "default"}
		if f.Changed {
			s.Origin = "flag"
		}
		if v := f.Annotations[fromVariable]; len(v) > 0 {
			s.Origin = v[0]
		}
		switch {
		case !slices.Contains(shownSettings, f.Name) && s.Value != "":
			s.Value = "set"
		case f.Name == "data" && s.Value == "":
			s.Value = p.data
		case f.Name == "seal-key-file" && s.Value == "":
			s.Value = p.sealKeyFile
		}
		all = append(all, s)
	})
	return all
}

// newLogger logs text to a terminal and JSON to anything else.
func newLogger(w io.Writer, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usageError("--log-level %q: say debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return slog.New(slog.NewTextHandler(w, options)), nil
	}
	return slog.New(slog.NewJSONHandler(w, options)), nil
}

// gcPercent lets the heap grow to four times what lives: requests leave short-lived
// garbage beside a state that is small and stays. GOGC overrides it.
const gcPercent = 300

// ballastBytes count as living for gcPercent, but are never touched, so that the system
// gives no memory for them: without them, the state of a small installation would be
// collected around some twenty times a second under load.
const ballastBytes = 16 << 20

func runServer(ctx context.Context, stderr io.Writer, c server.Config) error {
	ballast := make([]byte, ballastBytes)
	defer runtime.KeepAlive(ballast)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	s, err := server.New(c)
	if err != nil {
		return configError(err, "")
	}
	announce(stderr, s, c)
	// Models, templates and policies are parsed at start; a server that is idle afterwards
	// would keep what that left behind.
	go debug.FreeOSMemory()

	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(hup)
	stopped := make(chan struct{})
	defer close(stopped)
	go func() {
		for {
			select {
			case <-stopped:
				return
			case sig := <-hup:
				if sig == syscall.SIGUSR1 {
					_ = pprof.Lookup("goroutine").WriteTo(stderr, 1)
				} else if err := s.ReloadCertificates(); err != nil {
					c.Log.Error("reload", "error", err)
				}
			}
		}
	}()
	return s.Run(ctx)
}

// announce says where the server is and what to do next.
func announce(w io.Writer, s *server.Server, c server.Config) {
	socket := ""
	if c.Dev && s.SocketPath() != server.DefaultSocket() {
		socket = " --socket " + s.SocketPath()
	} else if !c.Dev && c.DataDir != defaultData() {
		socket = " --data " + c.DataDir
	}
	mode := "data in " + c.DataDir
	if c.Dev {
		mode = "dev mode: loopback only, data is thrown away at exit"
	}
	fmt.Fprintf(w, "Lanyard %s  %s\n\n", c.Version, mode)
	fmt.Fprintf(w, "  Endpoint    %s\n", s.URL())
	if url := s.ConsoleURL(); url != nil {
		fmt.Fprintf(w, "  Console     %s\n", url)
	}
	for i, a := range s.Accounts() {
		label := "  Account     "
		if i > 0 {
			label = "              "
		}
		fmt.Fprintf(w, "%s%s\n", label, a)
	}
	fmt.Fprintf(w, "  Region      %s\n", c.Region)
	if url := s.AdminURL(); url != "" {
		fmt.Fprintf(w, "  Metrics     %s/metrics\n", url)
	}
	if c.Dev {
		announceClaim(w, s, socket)
	}
	fmt.Fprintf(w, "\n  In another terminal:\n      eval \"$(lanyard env%s)\"\n      aws sts get-caller-identity\n      lanyard why --last%s\n\n", socket, socket)
}

// announceClaim prints the link by which a development server's root user is set up.
func announceClaim(w io.Writer, s *server.Server, socket string) {
	link, err := s.ClaimLink(context.Background())
	if err != nil || link == nil { // the error is in the log of lanyard claim, which is next
		fmt.Fprintf(w, "\n  Claim it    lanyard claim%s\n", socket)
		return
	}
	fmt.Fprintf(w, "\n  Claim it    %s      one use, 15 minutes\n              (again later: lanyard claim%s)\n", link.URL, socket)
}
