package console

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/constraint"
	"github.com/lanyard-iam/lanyard/endpoint"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/egress"
	"github.com/lanyard-iam/lanyard/internal/password"
	"github.com/lanyard-iam/lanyard/internal/webauthnx"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/notify"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/service/cloudtrail"
	iamservice "github.com/lanyard-iam/lanyard/service/iam"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/service/signin"
	stsservice "github.com/lanyard-iam/lanyard/service/sts"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/sigv4"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

const (
	ours   = arn.AccountID("111122223333")
	region = "us-east-1"
)

// world is a console over the whole API, as package server wires it, with its own clock.
// Nobody is signed in until signIn or signInRoot.
type world struct {
	*tester
	store    store.Store
	ring     *keyring.Ring
	sessions *session.Codec
	trail    *audit.Trail
	outbox   *notify.Outbox
	aws      *endpoint.Handler
	signIns  *authn.SignIns
	// described is what the server says of itself, in place of what server makes up.
	described *lanyard.DescribeServerOutput
}

// newWorld makes an installation with one account.
func newWorld(t *testing.T, options ...func(*notify.Config)) *world {
	t.Helper()
	x := &tester{t: t, site: "https://id.example.com", now: time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC), cookies: map[string]*http.Cookie{}}
	w := &world{tester: x, store: memory.New()}
	t.Cleanup(func() { _ = w.store.Close() })
	clock := x.clock
	seal, err := keyring.GenerateSealKey(rand.Reader)
	w.must(err)
	w.ring, err = keyring.New(seal, rand.Reader, x.now)
	w.must(err)
	w.sessions = session.NewCodec(w.ring)
	w.edit(func(tx store.Tx) error {
		return identity.Accounts.Put(tx, &identity.Account{ID: ours, Partition: "aws", Created: x.now}, string(ours))
	})
	managed, err := awsmanaged.Load()
	w.must(err)
	authorizer := authz.New(managed)
	key := func(purpose string) []byte { return w.ring.Active(keyring.SessionTokens).Derive(purpose, nil, 32) }
	passwords := password.NewHasher(password.Cost{Memory: 16, Time: 1, Threads: 1}, 2)
	people, err := iamservice.New(iamservice.Config{
		Ring:      w.ring,
		Markers:   service.NewMarkers(key("markers")),
		Passwords: passwords,
		Managed:   managed,
		Authz:     authorizer,
		JobKey:    key("jobs"),
		Actions: func(namespace string) []string {
			if namespace == "iam" {
				return []string{"CreateUser", "DeleteUser", "GetUser", "ListUsers", "TagUser"}
			}
			return nil
		},
	})
	w.must(err)
	constraints, err := constraint.Load()
	w.must(err)
	redact := audit.NewRedactor(func(operation string) (input, output []string) {
		for _, table := range constraints {
			in, out := table.Sensitive(operation)
			input, output = append(input, in...), append(output, out...)
		}
		return input, output
	})
	telling := notify.Config{
		Store: w.store, Ring: w.ring, Guard: &egress.Guard{Allow: egress.Loopback()},
		ConsoleURL: func() string { return x.site }, Log: slog.New(slog.NewTextHandler(&x.log, nil)), Clock: clock,
		Mail: &notify.Mail{Host: "127.0.0.1", Port: "9", Guard: egress.Anywhere()}, // nobody is there
	}
	for _, option := range options {
		option(&telling)
	}
	w.outbox = notify.New(telling)
	w.trail, err = audit.NewTrail(w.store, audit.Options{Key: key("history"), Notable: w.outbox.Put, Failed: func(err error) { t.Error(err) }})
	w.must(err)
	t.Cleanup(func() { _ = w.trail.Close(context.Background()) })
	keys := func() *authn.WebAuthn {
		site, err := webauthnx.ForURL(x.site, "Lanyard")
		w.must(err)
		rp, err := webauthnx.New(site)
		w.must(err)
		return &authn.WebAuthn{Site: rp, Ring: w.ring}
	}
	messages := &authz.Messages{Ring: w.ring}
	authenticator := &authn.Authenticator{Verifier: sigv4.NewVerifier(0), Sessions: w.sessions, Ring: w.ring, RoleByID: authorizer.RoleByID}
	login := signin.New(signin.Config{
		Sessions: w.sessions, Again: authenticator.Again, Key: key("identity tokens"),
		Origins: func() []string { return []string{"https://id.example.com"} },
	})
	services, err := endpoint.NewServices([]service.Set{
		people.Operations(),
		stsservice.New(stsservice.Config{
			Sessions: w.sessions, MFA: &authn.MFA{Ring: w.ring}, Trust: authorizer.TrustPolicy, Decode: messages.Open, Managed: managed,
		}).Operations(),
		cloudtrail.New(w.trail).Operations(),
		lanyard.New(lanyard.Config{
			Trail: w.trail, Sessions: w.sessions, CredentialReport: people.WriteCredentialReport, Keys: keys, DevicesPerPerson: 8, Authz: authorizer, Managed: managed,
			Ring: w.ring, TokensPerAccount: 5000, Passwords: passwords, Outbox: w.outbox,
			ConsoleURL:    func() string { return "https://id.example.com" },
			Describe:      func(context.Context) (*lanyard.DescribeServerOutput, error) { return w.server(), nil },
			SupportBundle: func(context.Context) ([]byte, error) { return []byte("PK bundle"), nil },
		}).Operations(),
		login.Operations(),
	}, constraints)
	w.must(err)
	log := slog.New(slog.NewTextHandler(&x.log, nil))
	w.aws = &endpoint.Handler{
		Store: w.store, Messages: messages, Trail: w.trail, Redact: redact, Services: services, Log: log,
		Authn:     authenticator,
		Authz:     authorizer,
		Used:      w.used,
		Strangers: endpoint.NewStrangers(log, func(endpoint.Reason) {}),
		Clock:     clock, SignatureClock: time.Now, Rand: rand.Reader, Region: region,
	}
	gate := &Gate{Store: w.store, Sessions: w.sessions, AWS: w.aws, Region: region, Clock: clock}
	w.signIns = authn.NewSignIns(authn.SignInConfig{
		Store: w.store, Ring: w.ring, Sessions: w.sessions, Passwords: passwords, Trail: w.trail, Redact: redact, Keys: keys, Log: log,
		Clock: clock, Rand: rand.Reader, Region: region,
		URL:              func() string { return "https://id.example.com" },
		Admit:            func(netip.Addr, arn.AccountID, time.Time) bool { return true },
		DevicesPerPerson: 8, DevicesPerAccount: 5000,
	})
	x.console, err = New(Config{
		URL: &url.URL{Scheme: "https", Host: "id.example.com"}, Region: region,
		Person: gate.Person, API: gate.API, SignIns: w.signIns, Login: login, Log: log, Clock: clock,
	})
	w.must(err)
	return w
}

// used notes the use of a long-term key, at once.
func (w *world) used(p *authn.Principal, service, _, region string, at time.Time, _ ...string) {
	if p.Session == nil && p.AccessKeyID != "" {
		w.edit(func(tx store.Tx) error {
			return identity.LastUses.Put(tx, &identity.LastUse{At: at, Service: service, Region: region}, p.AccessKeyID)
		})
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) edit(fn func(store.Tx) error) {
	w.t.Helper()
	w.must(w.store.Update(context.Background(), fn))
}

// later lets time pass.
func (w *world) later(d time.Duration) { w.at(w.now.Add(d)) }

// signInRoot signs the root user in, with MFA of this moment.
func (w *world) signInRoot() { w.signInAs(session.Root, string(ours)) }

// signIn signs a user in, with MFA of this moment. Policies are documents that are all the
// user may do; a user who is there already keeps what they have if there is none.
func (w *world) signIn(name string, policies ...string) {
	w.t.Helper()
	w.signInRoot()
	root := w.api()
	out, err := root.IAM.GetUser(context.Background(), &iam.GetUserInput{UserName: &name})
	if err != nil {
		made, err := root.IAM.CreateUser(context.Background(), &iam.CreateUserInput{UserName: &name})
		w.must(err)
		out = &iam.GetUserOutput{User: made.User}
	}
	for i, document := range policies {
		_, err := root.IAM.PutUserPolicy(context.Background(), &iam.PutUserPolicyInput{
			UserName: &name, PolicyName: aws.String("test-" + string(rune('a'+i))), PolicyDocument: &document})
		w.must(err)
	}
	w.signInAs(session.User, *out.User.UserId)
}

func (w *world) signInAs(kind session.Kind, id string) {
	w.t.Helper()
	var cookie string
	w.edit(func(tx store.Tx) error {
		var err error
		s := &session.Session{Kind: kind, Account: ours, PrincipalID: id, MFAKnown: true, MFA: true, MFATime: w.now}
		cookie, err = w.sessions.NewBrowser(tx, s, &identity.BrowserSession{
			Factors: []identity.Factor{identity.ByPassword, identity.ByTOTP}, FactorTime: w.now,
		}, w.now, rand.Reader)
		return err
	})
	w.cookies[SessionCookie] = &http.Cookie{Name: SessionCookie, Value: cookie}
}

// api is the API in the hands of who is signed in.
func (w *world) api() *API {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(w.cookies[SessionCookie])
	p, err := w.console.config.Person(r)
	w.must(err)
	if p == nil {
		w.t.Fatal("nobody is signed in")
	}
	return w.console.config.API(p, r)
}

// The console is a client like any other: policies decide, and the trail says who, from
// which browser, and that it was the console.
func TestAPIOfThePersonSignedIn(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iam:GetUser","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}},
		{"Effect":"Allow","Action":["cloudtrail:LookupEvents","sts:DecodeAuthorizationMessage"],"Resource":"*"}]}`)
	api := w.api()
	me, err := api.IAM.GetUser(t.Context(), &iam.GetUserInput{})
	w.must(err)
	if aws.ToString(me.User.UserName) != "alice" {
		t.Errorf("signed in as %s", *me.User.UserName)
	}
	_, err = api.IAM.ListUsers(t.Context(), &iam.ListUsersInput{})
	p := problemOf(err)
	if p.Code != "AccessDenied" || p.ID == "" {
		t.Fatalf("ListUsers: %v", err)
	}
	out, err := lanyard.Call[lanyard.GetDecisionOutput](t.Context(), api.Lanyard, &lanyard.GetDecisionInput{RequestId: &p.ID})
	w.must(err)
	record := *out.Record
	for _, want := range []string{`"sessionCredentialFromConsole":"true"`, `"mfaAuthenticated":"true"`, `"userName":"alice"`, `"sourceIPAddress":"192.0.2.1"`, `"errorCode":"AccessDenied"`} {
		if !strings.Contains(record, want) {
			t.Errorf("the record lacks %s: %s", want, record)
		}
	}
	_, err = lanyard.Call[lanyard.GetStateOutput](t.Context(), api.Lanyard, &lanyard.GetStateInput{Name: aws.String("plan/x")})
	var failure *lanyard.Failure
	if !errors.As(err, &failure) || failure.Code != "ResourceNotFoundException" || failure.RequestID == "" {
		t.Errorf("a state that is not there: %v", err)
	}
}

// A session ends when it is idle, when it is old, and when what its person signs in with
// changes (T238, T249, T250).
func TestT250_SessionsEnd(t *testing.T) {
	signedIn := func(w *world) bool {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(w.cookies[SessionCookie])
		p, err := w.console.config.Person(r)
		w.must(err)
		return p != nil
	}
	for name, end := range map[string]func(w *world){
		"T250 idle": func(w *world) { w.later(session.BrowserIdle) },
		"T250 total": func(w *world) {
			for range 12 {
				w.later(59 * time.Minute)
				if !signedIn(w) {
					w.t.Fatal("ended too early")
				}
			}
			w.later(12 * time.Minute)
		},
		"T249 password made": func(w *world) {
			_, err := w.api().IAM.CreateLoginProfile(t.Context(), &iam.CreateLoginProfileInput{UserName: aws.String("bob"), Password: aws.String("Correct-horse-9-battery")})
			w.must(err)
		},
		"T238 user deleted": func(w *world) {
			bob := w.cookies[SessionCookie]
			w.signInRoot()
			api := w.api()
			_, err := api.IAM.DeleteUserPolicy(t.Context(), &iam.DeleteUserPolicyInput{UserName: aws.String("bob"), PolicyName: aws.String("test-a")})
			w.must(err)
			_, err = api.IAM.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("bob")})
			w.must(err)
			w.cookies[SessionCookie] = bob
		},
		"T250 a page that polls": func(w *world) {
			for range 6 {
				w.later(10 * time.Minute)
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header.Set("HX-Request", "true")
				r.AddCookie(w.cookies[SessionCookie])
				_, err := w.console.config.Person(r)
				w.must(err)
			}
		},
		"T239 forged": func(w *world) { w.cookies[SessionCookie].Value += "x" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.signIn("bob", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
			if !signedIn(w) {
				t.Fatal("not signed in")
			}
			end(w)
			if signedIn(w) {
				t.Error("still signed in")
			}
		})
	}
}

// T249: a page that began before its session ended does nothing after, and does not bring it
// back.
func TestT249_NothingAfterTheEnd(t *testing.T) {
	for name, end := range map[string]func(w *world, root *API){
		"signed out": func(w *world, _ *API) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.AddCookie(w.cookies[SessionCookie])
			p, err := w.console.config.Person(r)
			w.must(err)
			w.must(w.signIns.SignOut(t.Context(), p.Browser))
		},
		"password reset": func(w *world, root *API) {
			_, err := root.IAM.CreateLoginProfile(t.Context(), &iam.CreateLoginProfileInput{UserName: aws.String("bob"), Password: aws.String("Correct-horse-9-battery")})
			w.must(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.signInRoot()
			root := w.api()
			w.signIn("bob", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
			api := w.api()
			_, err := api.IAM.GetUser(t.Context(), &iam.GetUserInput{})
			w.must(err)
			end(w, root)
			_, err = api.IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("eve")})
			if !sessionOver(err) {
				t.Errorf("a change after the end: %v", err)
			}
			if _, err := root.IAM.GetUser(t.Context(), &iam.GetUserInput{}); err != nil {
				t.Errorf("root: %v", err)
			}
		})
	}
}

// stsOf calls STS with the credentials of an API.
func stsOf(api *API) *sts.Client {
	c := api.Lanyard.Credentials
	return sts.NewFromConfig(aws.Config{Region: region, BaseEndpoint: aws.String(inProcess), HTTPClient: api.Lanyard.HTTP,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, nil
		})})
}
