// Package server builds a running Lanyard from one Config: the store and its
// keys, the services, the endpoint, the listeners, the local socket of the owner;
// it starts them, keeps them, and stops them. All wiring is here, as struct
// literals; no other package knows how the parts are put together.
package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/console"
	"github.com/lanyard-iam/lanyard/constraint"
	"github.com/lanyard-iam/lanyard/endpoint"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/password"
	"github.com/lanyard-iam/lanyard/internal/strict"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/notify"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/service/cloudtrail"
	"github.com/lanyard-iam/lanyard/service/iam"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/service/signin"
	"github.com/lanyard-iam/lanyard/service/sts"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/sigv4"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
	"github.com/lanyard-iam/lanyard/store/sqlite"
)

// Limits of the listener. Requests are small; whoever is slow holds a connection
// and nothing else.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 60 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 32 << 10
	trimEvery         = time.Hour
	// maxConnections bounds the memory of connections, idle or half-open: about
	// 10 kB each. Further ones wait to be accepted.
	maxConnections = 8192
)

// Server is a Lanyard that runs from New to Close.
type Server struct {
	config   Config
	log      *slog.Logger
	clock    *clock
	rand     io.Reader
	store    store.Store
	memory   *memory.Store // the store of --dev, for the reset
	start    memory.Snapshot
	ring     *keyring.Ring
	sessions *session.Codec
	authz    *authz.Authorizer
	trail    *audit.Trail
	outbox   *notify.Outbox
	redact   *audit.Redactor
	managed  *awsmanaged.Catalogue
	iam      *iam.Service

	passwords *password.Hasher
	hashing   *password.Processes // nil if passwords are hashed in this process
	strangers *endpoint.Strangers
	signIns   *authn.SignIns
	// securityKeys runs the ceremonies of security keys; it yields nil where browsers offer none.
	securityKeys func() *authn.WebAuthn

	usage    *usage
	metrics  *metrics
	services *endpoint.Services
	actions  map[string][]string // the operations of each service
	aws      *endpoint.Handler
	console  *console.Console // nil where there is none
	login    *signin.Service  // aws login and federation

	listener net.Listener
	admin    net.Listener
	local    *localSocket
	certs    *certificates

	began      time.Time // by the machine's clock
	sealOrigin string    // where the seal key is from

	recent  recent // lines of the log
	counted counted

	checking sync.Mutex // held while keys that were found somewhere are looked at
}

// New opens the store, makes what must exist, and listens. Nothing is answered
// before Run.
func New(config Config) (_ *Server, err error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	s := &Server{config: config, rand: random(config), clock: newClock(config), began: time.Now()}
	s.log = slog.New(slog.NewMultiHandler(config.Log.Handler(), slog.NewJSONHandler(&s.recent, nil)))
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()
	if err := s.open(); err != nil {
		return nil, err
	}
	if err := s.wire(); err != nil {
		return nil, err
	}
	if config.Dev {
		if err := s.startDev(); err != nil {
			return nil, err
		}
	}
	if err := s.tellRestored(context.Background()); err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	return s, s.openConsole()
}

func random(c Config) io.Reader {
	if c.Rand != nil {
		return c.Rand
	}
	return rand.Reader
}

func newClock(c Config) *clock {
	if c.Clock != nil {
		return &clock{base: c.Clock}
	}
	return &clock{base: time.Now}
}

// open opens the store and the keys in it.
func (s *Server) open() error {
	if s.config.Dev {
		s.memory = memory.New()
		s.store = s.memory
		seal, err := keyring.GenerateSealKey(s.rand)
		if err != nil {
			return err
		}
		s.ring, err = keyring.New(seal, s.rand, s.clock.Now())
		return err
	}
	seal, origin, err := s.config.sealKey()
	if err != nil {
		return err
	}
	s.sealOrigin = origin
	if !sqlite.Exists(s.config.DataDir) {
		return fmt.Errorf("%s: %w", s.config.DataDir, ErrNotInitialized)
	}
	st, err := sqlite.Open(s.config.DataDir)
	if err != nil {
		return fmt.Errorf("open the data directory %s: %w", s.config.DataDir, err)
	}
	s.store = st
	if s.ring, err = loadRing(st, seal); err != nil {
		return err
	}
	s.config.Accounts, err = accounts(st, s.config.Region)
	return err
}

// makeServices builds what answers operations, without the way in.
func (s *Server) makeServices() error {
	var err error
	if s.managed, err = awsmanaged.Load(); err != nil {
		return err
	}
	s.authz = authz.New(s.managed)
	s.passwords = password.NewHasher(password.Recommended(), hashing())
	if s.config.HashCommand != nil {
		s.hashing = password.NewProcesses(s.config.HashCommand, s.log)
		s.passwords.Use(s.hashing)
	}
	s.iam, err = iam.New(iam.Config{
		Ring:      s.ring,
		Markers:   service.NewMarkers(s.key("list markers")),
		Passwords: s.passwords,
		Managed:   s.managed,
		Authz:     s.authz,
		Limits:    s.config.Limits,
		JobKey:    s.key("access report jobs"),
		Actions:   func(namespace string) []string { return s.actions[namespace] },
	})
	return err
}

// hashing is how many passwords are hashed at a time: a core is left to requests.
func hashing() int { return max(1, runtime.NumCPU()-1) }

// key derives a key for one purpose, the same after every start.
func (s *Server) key(purpose string) []byte {
	return s.ring.Active(keyring.SessionTokens).Derive(purpose, nil, 32)
}

// wire puts the parts together.
func (s *Server) wire() error {
	if err := s.makeServices(); err != nil {
		return err
	}
	constraints, err := constraint.Load()
	if err != nil {
		return err
	}
	s.sessions = session.NewCodec(s.ring)
	s.redact = audit.NewRedactor(func(operation string) (input, output []string) {
		for _, table := range constraints { // no two services have an operation of one name
			in, out := table.Sensitive(operation)
			input, output = append(input, in...), append(output, out...)
		}
		return input, output
	})
	if s.outbox, err = s.newOutbox(); err != nil {
		return err
	}
	s.trail, err = audit.NewTrail(s.store, audit.Options{
		Key:       s.key("event history pages"),
		Retention: s.config.Retention,
		Notable:   s.outbox.Put,
		Failed:    func(err error) { s.log.Error("audit records wait to be written", "error", err) },
	})
	if err != nil {
		return err
	}
	s.usage = newUsage(s.store, s.log)
	s.login = signin.New(signin.Config{
		Sessions: s.sessions,
		Again:    s.authenticator().Again,
		Origins:  s.origins,
		Key:      s.key("identity tokens"),
	})
	s.securityKeys = sync.OnceValue(s.newKeys)
	sets := s.sets()
	s.actions = make(map[string][]string)
	for _, set := range sets {
		for _, op := range set.Operations {
			for _, action := range append([]string{op.MainAction(set.ActionPrefix)}, op.Actions...) {
				if prefix, name, _ := strings.Cut(action, ":"); action != passRole && !slices.Contains(s.actions[prefix], name) {
					s.actions[prefix] = append(s.actions[prefix], name)
				}
			}
		}
	}
	s.services, err = endpoint.NewServices(sets, constraints)
	if err != nil {
		return err
	}
	s.metrics = newMetrics(s)
	s.strangers = endpoint.NewStrangers(s.log, s.metrics.notRecorded)
	s.signIns = s.newSignIns()
	s.aws = s.newAWS()
	return nil
}

// sets are the services, in the order of the documents. A new service is one
// entry here.
func (s *Server) sets() []service.Set {
	return []service.Set{
		s.iam.Operations(),
		sts.New(sts.Config{
			Sessions: s.sessions,
			MFA:      &authn.MFA{Ring: s.ring},
			Trust:    s.authz.TrustPolicy,
			Decode:   (&authz.Messages{Ring: s.ring}).Open,
			Managed:  s.managed,
		}).Operations(),
		cloudtrail.New(s.trail).Operations(),
		s.login.Operations(),
		lanyard.New(lanyard.Config{
			Sessions: s.sessions, ConsoleURL: s.consoleAddress, Trail: s.trail, CredentialReport: s.iam.WriteCredentialReport,
			Keys: s.securityKeys, DevicesPerPerson: s.limits().MFADevicesPerUser, Authz: s.authz,
			Managed: s.managed,
			Outbox:  s.outbox,
			Ring:    s.ring, TokensPerAccount: s.limits().UsersPerAccount, Passwords: s.passwords,
			Describe: s.describe, SupportBundle: s.supportBundle,
		}).Operations(),
	}
}

// Operations are the services that a server offers, for documents.
func Operations() ([]service.Set, error) {
	s := &Server{config: Config{Dev: true}, rand: rand.Reader, clock: newClock(Config{})}
	if err := s.config.Validate(); err != nil {
		return nil, err
	}
	defer s.Close()
	if err := s.open(); err != nil {
		return nil, err
	}
	if err := s.wire(); err != nil {
		return nil, err
	}
	return s.sets(), nil
}

func (s *Server) authenticator() *authn.Authenticator {
	return &authn.Authenticator{Verifier: sigv4.NewVerifier(0), Sessions: s.sessions, Ring: s.ring, RoleByID: s.authz.RoleByID}
}

// newAWS is the front door of AWS clients.
func (s *Server) newAWS() *endpoint.Handler {
	h := &endpoint.Handler{
		Store:          s.store,
		Authn:          s.authenticator(),
		Authz:          s.authz,
		Messages:       &authz.Messages{Ring: s.ring},
		Trail:          s.trail,
		Redact:         s.redact,
		Services:       s.services,
		Strangers:      s.strangers,
		Log:            s.log,
		Clock:          s.clock.Now,
		SignatureClock: s.clock.Now,
		Rand:           s.rand,
		Region:         s.config.Region,
		Pause:          time.Sleep,
		Observe:        s.metrics.observe,
		Used:           s.usage.Note,
	}
	if s.config.Dev {
		h.SignatureClock = s.signatureClock
	}
	return h
}

// openConsole makes the front door of browsers, if it has an address.
func (s *Server) openConsole() error {
	u := s.ConsoleURL()
	if u == nil {
		return nil
	}
	// The SDK signs by the machine's clock, whatever the clock of --dev says.
	own := s.newAWS()
	own.SignatureClock, own.Pause = time.Now, nil
	gate := &console.Gate{Store: s.store, Sessions: s.sessions, AWS: own, Region: s.config.Region, Clock: s.clock.Now}
	var err error
	s.console, err = console.New(console.Config{
		URL:     u,
		Region:  s.config.Region,
		Person:  gate.Person,
		API:     gate.API,
		SignIns: s.signIns,
		Login:   s.login,
		Offers:  s.offers(),
		Version: s.config.Version,
		Ready:   s.ready,
		Log:     s.log,
		Clock:   s.clock.Now,
		Rand:    s.rand,
	})
	return err
}

// offers tells which operations are there and do what they say.
func (s *Server) offers() func(operation string) bool {
	built := map[string]bool{}
	for _, set := range s.sets() {
		for _, op := range set.Operations {
			built[set.SigningName+":"+op.Name] = op.NotOffered == ""
		}
	}
	return func(operation string) bool { return built[operation] }
}

// forConsole tells whether a request is a browser's, for a page. What is signed, or names an
// operation, is an AWS client's, whatever its path.
func (s *Server) forConsole(r *http.Request) bool {
	if s.console == nil || r.Header.Get("Authorization") != "" || r.Header.Get("X-Amz-Target") != "" {
		return false
	}
	query := r.URL.Query()
	if query.Has("X-Amz-Algorithm") || r.URL.Path == "/" && query.Has("Action") {
		return false
	}
	return s.console.Owns(r)
}

// federation is where identity brokers send browsers.
func (s *Server) federation() *signin.Federation {
	f := &signin.Federation{API: s.aws, Public: s.ConsoleURL}
	if c := s.console; c != nil {
		f.Console = &signin.Console{SignedIn: c.SignedIn, SignOut: c.SignOut, Refused: c.Refused, Taken: c.Taken}
	}
	return f
}

func (s *Server) handler() http.Handler {
	routes := map[string]http.HandlerFunc{
		"/livez":   s.serveLive,
		"/readyz":  s.serveReady,
		"/version": s.serveVersion,

		signin.FederationPath: s.federation().ServeHTTP,
	}
	if s.config.Dev {
		routes["/_lanyard/clock"] = devOnly(s.serveClock)
		routes["/_lanyard/reset"] = devOnly(s.serveReset)
	}
	// A plain map and not http.ServeMux, which cleans and redirects paths; by the
	// path as it was sent, so that there is one spelling of each.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if route, ok := routes[r.URL.EscapedPath()]; ok && r.Header.Get("Authorization") == "" {
			route(w, r)
			return
		}
		if s.forConsole(r) {
			s.console.ServeHTTP(w, r)
			return
		}
		s.aws.ServeHTTP(w, r)
	})
}

func (s *Server) listen() error {
	var err error
	if s.config.TLSCert != "" {
		if s.certs, err = loadCertificates(s.config.TLSCert, s.config.TLSKey); err != nil {
			return err
		}
	}
	if s.listener, err = net.Listen("tcp", s.config.Listen); err != nil {
		return fmt.Errorf("listen: %w (another server may use the address: choose one with --listen)", err)
	}
	if s.config.AdminListen != "" {
		if s.admin, err = net.Listen("tcp", s.config.AdminListen); err != nil {
			return fmt.Errorf("listen for metrics: %w", err)
		}
	}
	s.local, err = s.listenLocal()
	return err
}

// Run answers requests until ctx ends, then waits for those under way, at most
// Config.Drain, and closes everything.
func (s *Server) Run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.background(background)
	}()

	wire := limitConnections(s.listener, maxConnections)
	if s.certs != nil {
		wire = s.certs.listener(wire)
	}
	main := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	servers := []*http.Server{main}
	failed := make(chan error, 3)
	serve := func(srv *http.Server, l net.Listener) {
		if err := srv.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}
	go serve(main, &strict.Listener{Listener: wire, Refused: s.refused})
	local := &http.Server{Handler: s.localHandler(), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, ConnContext: peerContext}
	servers = append(servers, local)
	go serve(local, s.local.Listener)
	if s.admin != nil {
		admin := &http.Server{Handler: s.metrics.handler(), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout}
		servers = append(servers, admin)
		go serve(admin, s.admin)
	}

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.Drain)
	defer cancel()
	for _, srv := range servers {
		if srv.Shutdown(drain) != nil {
			_ = srv.Close()
		}
	}
	stop()
	<-done
	return errors.Join(err, s.Close())
}

// refused is told of requests that the strict HTTP profile did not let through.
func (s *Server) refused(from net.Addr, why strict.Violation) {
	s.metrics.refused.Inc()
	s.log.Debug("malformed HTTP", "from", from.String(), "violation", why)
}

// background does what is not an answer to a request.
func (s *Server) background(ctx context.Context) {
	var uses sync.WaitGroup
	uses.Go(func() { s.usage.Run(ctx) })
	uses.Go(func() { s.outbox.Run(ctx) })
	defer uses.Wait() // the last uses are written before the store closes
	trim := time.NewTicker(trimEvery)
	defer trim.Stop()
	for {
		if err := s.trail.Trim(ctx, s.clock.Now()); err != nil && ctx.Err() == nil {
			s.log.Warn("the trail was not trimmed", "error", err)
		}
		s.sweepSignIns(ctx)
		if err := s.trimReports(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("credential reports were not trimmed", "error", err)
		}
		for more := true; more; {
			err := s.store.Update(ctx, func(tx store.Tx) (err error) {
				more, err = signin.Sweep(tx, s.clock.Now())
				return err
			})
			if err != nil {
				more = false
				if ctx.Err() == nil {
					s.log.Warn("expired sign-in codes were not deleted", "error", err)
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-trim.C:
		}
	}
}

// trimReports deletes the texts of credential reports that are no longer kept.
func (s *Server) trimReports(ctx context.Context) error {
	oldest := map[arn.AccountID]time.Time{}
	err := s.store.View(ctx, func(r store.Reader) error {
		return identity.CredentialReportsOf.Scan(r, "", func(key store.Key, kept *identity.CredentialReports) bool {
			oldest[arn.AccountID(identity.CredentialReportsOf.Cursor(key))] = kept.Oldest()
			return true
		})
	})
	for account, at := range oldest {
		err = cmp.Or(err, s.store.TrimLog(ctx, identity.CredentialReportStream(account), at))
	}
	return err
}

// Close releases what the server holds. Run does it by itself.
func (s *Server) Close() error {
	var errs []error
	if s.listener != nil {
		_ = s.listener.Close()
	}
	if s.admin != nil {
		_ = s.admin.Close()
	}
	if s.local != nil {
		s.local.Close()
	}
	if s.console != nil {
		s.console.Close()
	}
	if s.hashing != nil {
		s.hashing.Close()
	}
	if s.trail != nil {
		ctx, cancel := context.WithTimeout(context.Background(), s.config.Drain)
		errs = append(errs, s.trail.Close(ctx))
		cancel()
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}

// URL is the address that clients use as their endpoint.
func (s *Server) URL() string {
	scheme := "http"
	if s.config.TLSCert != "" {
		scheme = "https"
	}
	return scheme + "://" + s.listener.Addr().String()
}

// ConsoleURL is where people reach the console, or nil if there is none: a server beyond
// loopback has one only if it is told its name.
func (s *Server) ConsoleURL() *url.URL {
	if u, _ := s.config.console(); u != nil { // validated
		return u
	}
	if loopback, _ := isLoopback(s.config.Listen); !loopback {
		return nil
	}
	scheme := "http"
	if s.config.TLSCert != "" {
		scheme = "https"
	}
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	return &url.URL{Scheme: scheme, Host: "localhost:" + port}
}

// origins are the URLs by which clients reach the server, the console's first. On loopback
// they are all names of it: a client that was told one of them is not told another by us.
func (s *Server) origins() []string {
	var all []string
	if public := s.ConsoleURL(); public != nil {
		all = append(all, public.String())
	}
	if loopback, _ := isLoopback(s.config.Listen); loopback {
		scheme, _, _ := strings.Cut(s.URL(), ":")
		_, port, _ := net.SplitHostPort(s.listener.Addr().String())
		for _, host := range []string{"localhost", "127.0.0.1", "[::1]"} {
			if origin := scheme + "://" + host + ":" + port; !slices.Contains(all, origin) {
				all = append(all, origin)
			}
		}
	}
	return all
}

// AdminURL is the address of metrics, or empty.
func (s *Server) AdminURL() string {
	if s.admin == nil {
		return ""
	}
	return "http://" + s.admin.Addr().String()
}

// SocketPath is where the local owner's socket is.
func (s *Server) SocketPath() string { return s.local.path }

// ReloadCertificates reads the certificate files again; connections made from
// now on use what they hold. On an error the old ones stay.
func (s *Server) ReloadCertificates() error {
	if s.certs == nil {
		return nil
	}
	return s.certs.reload()
}

// Accounts are the accounts of the installation, the default one first.
func (s *Server) Accounts() []arn.AccountID { return s.config.Accounts }

func (s *Server) serveLive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n")
}

// checks are what has to work for requests to be answered.
func (s *Server) checks(ctx context.Context) []check {
	return []check{
		{"store", s.store.View(ctx, func(store.Reader) error { return nil })},
		{"trail", s.trailReady()},
	}
}

type check struct {
	name string
	err  error
}

// sizeOf is how many bytes the files of a directory have.
func sizeOf(dir string) (size int64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was there a moment ago
		}
		if err != nil {
			return 0, err
		}
		if info.Mode().IsRegular() {
			size += info.Size()
		}
	}
	return size, nil
}

// ready is an error while requests cannot be answered, which names no more than serveReady.
func (s *Server) ready(ctx context.Context) error {
	var failing error
	for _, c := range s.checks(ctx) {
		if c.err != nil {
			failing = errors.Join(failing, fmt.Errorf("%s: not ready", c.name))
			s.log.Warn("not ready", "check", c.name, "error", c.err)
		}
	}
	return failing
}

// serveReady says whether requests can be answered: 503 names what is wrong.
func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if failing := s.ready(r.Context()); failing != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, failing)
		return
	}
	if r.URL.Query().Has("verbose") {
		for _, c := range s.checks(r.Context()) {
			fmt.Fprintf(w, "%s: ok\n", c.name)
		}
	}
	_, _ = io.WriteString(w, "ready\n")
}

// trailReady is an error while audit records cannot be written.
func (s *Server) trailReady() error {
	if st := s.trail.Stats(); st.Failing {
		return fmt.Errorf("%d audit records wait to be written", st.Queued)
	}
	return nil
}

func (s *Server) serveVersion(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, "{\"version\":%q}\n", s.config.Version)
}

// sealKey reads the seal key from where the configuration says it is.
func (c *Config) sealKey() (key keyring.SealKey, origin string, err error) {
	key, origin, err = c.sealSource().Find()
	if errors.Is(err, keyring.ErrNoSealKey) {
		return key, "", fmt.Errorf("there is no seal key at %s: run `lanyard init` first, or restore the key from its backup", c.SealKeyFile)
	}
	return key, origin, err
}

func (c *Config) sealSource() keyring.Source {
	return keyring.Source{File: c.SealKeyFile, Value: c.SealKey, CredentialsDirectory: c.CredentialsDirectory}
}
