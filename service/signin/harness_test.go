package signin_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/uuid"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/constraint"
	"github.com/lanyard-iam/lanyard/endpoint"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/password"
	"github.com/lanyard-iam/lanyard/keyring"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/service/iam"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/service/signin"
	"github.com/lanyard-iam/lanyard/service/sts"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/sigv4"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/store/memory"
)

const (
	account  = arn.AccountID("111122223333")
	alice    = "AIDAALICEALICEALICEX"
	role     = "AROADEVELOPERSDEVELO"
	adminDoc = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	// loginDoc is AWS's SignInLocalDevelopmentAccess.
	loginDoc = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["signin:AuthorizeOAuth2Access","signin:CreateOAuth2Token"],"Resource":"arn:aws:signin:*:*:oauth2/public-client/*"}]}`
)

// world is a server with sign-in, IAM and STS, an account with a user and a role, and a
// clock. It is reached over HTTP, as clients reach it.
type world struct {
	t        *testing.T
	db       store.Store
	trail    *audit.Trail
	sessions *session.Codec
	signin   *signin.Service
	api      http.Handler
	http     *httptest.Server
	ahead    time.Duration // of the machine's time
}

func (w *world) now() time.Time { return time.Now().Add(w.ahead) }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: memory.New()}
	t.Cleanup(func() { w.db.Close() })
	seal, err := keyring.GenerateSealKey(rand.Reader)
	w.must(err)
	ring, err := keyring.New(seal, rand.Reader, time.Now())
	w.must(err)
	managed, err := awsmanaged.Load()
	w.must(err)
	constraints, err := constraint.Load()
	w.must(err)
	w.trail, err = audit.NewTrail(w.db, audit.Options{Key: make([]byte, 32), Retention: 24 * time.Hour})
	w.must(err)
	t.Cleanup(func() { w.trail.Close(context.Background()) })
	w.sessions = session.NewCodec(ring)
	policies := authz.New(managed)
	authenticator := &authn.Authenticator{Verifier: sigv4.NewVerifier(0), Sessions: w.sessions, Ring: ring}
	w.signin = signin.New(signin.Config{
		Sessions: w.sessions,
		Again:    authenticator.Again,
		Origins:  func() []string { return []string{"http://localhost:4747", w.http.URL} },
		Key:      []byte("a key"),
	})
	people, err := iam.New(iam.Config{
		Ring: ring, Managed: managed, Authz: policies, JobKey: []byte("key"),
		Markers:   service.NewMarkers([]byte("a key of thirty-two bytes, really")),
		Passwords: password.NewHasher(password.Cost{Memory: 16, Time: 1, Threads: 1}, 2),
		Actions:   func(string) []string { return nil },
	})
	w.must(err)
	tokens := sts.New(sts.Config{Sessions: w.sessions, MFA: &authn.MFA{Ring: ring}, Trust: policies.TrustPolicy, Decode: (&authz.Messages{Ring: ring}).Open, Managed: managed})
	services, err := endpoint.NewServices([]service.Set{people.Operations(), tokens.Operations(), w.signin.Operations(), lanyard.New(lanyard.Config{Sessions: w.sessions, Trail: w.trail}).Operations()}, constraints)
	w.must(err)
	w.api = &endpoint.Handler{
		Store: w.db, Authn: authenticator, Authz: policies, Messages: &authz.Messages{Ring: ring},
		Trail: w.trail, Redact: audit.NewRedactor(nil), Services: services,
		Strangers: endpoint.NewStrangers(slog.New(slog.DiscardHandler), func(endpoint.Reason) {}),
		Log:       slog.New(slog.DiscardHandler),
		Clock:     w.now, SignatureClock: time.Now, Rand: rand.Reader, Region: "us-east-1",
	}
	federation := &signin.Federation{API: w.api, Public: func() *url.URL { return &url.URL{Scheme: "http", Host: "localhost:4747"} }}
	mux := http.NewServeMux()
	mux.Handle("/", w.api)
	mux.Handle(signin.FederationPath, federation)
	w.http = httptest.NewServer(mux)
	t.Cleanup(w.http.Close)

	w.edit(func(tx store.Tx) {
		w.must(identity.Accounts.Put(tx, &identity.Account{ID: account, Partition: "aws"}, string(account)))
		w.must(identity.Roles.Put(tx, &identity.Role{Account: account, ID: role, Name: "developers", Path: "/", MaxSessionDuration: 3600, Inline: []identity.InlinePolicy{{Name: "all", Document: adminDoc}}}, string(account), "developers"))
		w.must(identity.Entities.Put(tx, &identity.Entity{Account: account, Type: identity.TypeRole, Name: "developers"}, role))
		w.must(identity.Entities.Put(tx, &identity.Entity{Account: account, Type: identity.TypeUser, Name: "alice"}, alice))
	})
	w.user(adminDoc, loginDoc)
	return w
}

// user makes the user anew, with these policies.
func (w *world) user(policies ...string) {
	u := &identity.User{Account: account, ID: alice, Name: "alice", Path: "/", Login: &identity.LoginProfile{Hash: "first"}}
	for i, p := range policies {
		u.Inline = append(u.Inline, identity.InlinePolicy{Name: string(rune('a' + i)), Document: p})
	}
	w.edit(func(tx store.Tx) { w.must(identity.Users.Put(tx, u, string(account), "alice")) })
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) edit(fn func(store.Tx)) {
	w.t.Helper()
	w.must(w.db.Update(context.Background(), func(tx store.Tx) error { fn(tx); return nil }))
}

// console signs the user in to the console and yields what the console calls with.
func (w *world) console() sigv4.Credentials {
	return w.browser(&session.Session{Kind: session.User, Account: account, PrincipalID: alice, MFAKnown: true, MFA: true, MFATime: w.now().Add(-time.Minute)})
}

func (w *world) browser(s *session.Session) (c sigv4.Credentials) {
	w.t.Helper()
	w.edit(func(tx store.Tx) {
		cookie, err := w.sessions.NewBrowser(tx, s, &identity.BrowserSession{}, w.now(), rand.Reader)
		w.must(err)
		b, err := w.sessions.OpenBrowser(tx, cookie, w.now())
		w.must(err)
		made := b.Credentials(w.sessions)
		c = sigv4.Credentials{AccessKeyID: made.AccessKeyID, SecretAccessKey: made.SecretAccessKey, SessionToken: made.SessionToken}
	})
	return c
}

func (w *world) mint(s *session.Session) session.Credentials {
	w.t.Helper()
	made, err := w.sessions.Mint(s, rand.Reader)
	w.must(err)
	return made
}

// program is `aws login` on somebody's machine.
type program struct {
	w        *world
	client   string
	redirect string
	state    string
	verifier string
	key      *ecdsa.PrivateKey
	skew     time.Duration // of its clock
}

func (w *world) program() *program {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	return &program{
		w: w, client: signin.SameDevice, redirect: "http://127.0.0.1:53037/oauth/callback", key: key,
		state: uuid.NewString(), verifier: strings.ReplaceAll(uuid.NewString()+uuid.NewString(), "-", ""),
	}
}

func (w *world) remoteProgram() *program {
	p := w.program()
	p.client, p.redirect = signin.CrossDevice, w.http.URL+"/v1/sessions/confirmation"
	return p
}

// query is the query string of the URL that the AWS CLI opens (awscli/customizations/login
// of 2.36.7), in its order.
func (p *program) query() string {
	challenge := sha256.Sum256([]byte(p.verifier))
	var q strings.Builder
	for i, kv := range [][2]string{
		{"response_type", "code"}, {"client_id", p.client}, {"state", p.state}, {"code_challenge_method", "SHA-256"},
		{"scope", "openid"}, {"redirect_uri", p.redirect}, {"code_challenge", strings.TrimRight(base64.URLEncoding.EncodeToString(challenge[:]), "=")},
	} {
		if i > 0 {
			q.WriteByte('&')
		}
		q.WriteString(kv[0] + "=" + url.QueryEscape(kv[1]))
	}
	return q.String()
}

// authorize has the person agree.
func (p *program) authorize(by sigv4.Credentials) (*signin.AuthorizeOAuth2AccessOutput, error) {
	p.w.t.Helper()
	r, err := p.w.signin.ParseAuthorize(p.query())
	if err != nil {
		return nil, err
	}
	again, err := p.w.signin.ParseAuthorize(r.Query())
	if err != nil || *again != *r {
		p.w.t.Errorf("the request carried on: %+v, %v", again, err)
	}
	c := &signin.Client{URL: p.w.http.URL, Region: "us-east-1", Credentials: by, HTTP: p.w.http.Client(), Now: time.Now}
	return c.Authorize(context.Background(), r)
}

// code has the person agree and yields the code that comes back.
func (p *program) code(by sigv4.Credentials) string {
	p.w.t.Helper()
	out, err := p.authorize(by)
	p.w.must(err)
	if out.Location == nil {
		return p.confirmed(aws.ToString(out.ConfirmationCode))
	}
	u, err := url.Parse(*out.Location)
	p.w.must(err)
	if got := u.Scheme + "://" + u.Host + u.Path; got != p.redirect || u.Query().Get("state") != p.state || u.Query().Get("iss") != "http://localhost:4747" {
		p.w.t.Errorf("back to %s", *out.Location)
	}
	return u.Query().Get("code")
}

// confirmed takes apart what a person pastes, as the CLI does.
func (p *program) confirmed(pasted string) string {
	p.w.t.Helper()
	text, err := base64.StdEncoding.DecodeString(pasted)
	p.w.must(err)
	q, err := url.ParseQuery(string(text))
	p.w.must(err)
	if q.Get("state") != p.state || !strings.HasPrefix(string(text), "state=") {
		p.w.t.Errorf("pasted %s", text)
	}
	return q.Get("code")
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// proof is a DPoP proof as the CLI makes it; change spoils it.
func (p *program) proof(change func(head, jwk, claims map[string]any)) string {
	p.w.t.Helper()
	point, err := p.key.PublicKey.Bytes()
	p.w.must(err)
	jwk := map[string]any{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
	head := map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}
	claims := map[string]any{"htm": "POST", "htu": p.w.http.URL + "/v1/token", "iat": time.Now().Add(p.skew).Unix(), "jti": uuid.NewString()}
	if change != nil {
		change(head, jwk, claims)
	}
	h, err := json.Marshal(head)
	p.w.must(err)
	c, err := json.Marshal(claims)
	p.w.must(err)
	signed := b64(h) + "." + b64(c)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, digest[:])
	p.w.must(err)
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + b64(signature)
}

// reply is an answer to /v1/token.
type reply struct {
	status                           int
	errorType                        string
	requestID                        string
	AccessToken                      struct{ AccessKeyID, SecretAccessKey, SessionToken string }
	TokenType, RefreshToken, IDToken string
	ExpiresIn                        int
	Error, Message                   string
	text                             string
}

// post sends a body to /v1/token, with proofs.
func (p *program) post(body map[string]any, proofs ...string) *reply {
	p.w.t.Helper()
	text, err := json.Marshal(body)
	p.w.must(err)
	r, err := http.NewRequest("POST", p.w.http.URL+"/v1/token", bytes.NewReader(text))
	p.w.must(err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "aws-cli/2.36.7 md/command#login")
	for _, proof := range proofs {
		r.Header.Add("DPoP", proof)
	}
	answer, err := p.w.http.Client().Do(r)
	p.w.must(err)
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	p.w.must(err)
	out := &reply{status: answer.StatusCode, errorType: answer.Header.Get("x-amzn-ErrorType"), requestID: answer.Header.Get("x-amzn-RequestId"), text: string(read)}
	if got := answer.Header.Get("Content-Type"); got != "application/json" {
		p.w.t.Errorf("content type %s", got)
	}
	p.w.must(json.Unmarshal(read, out))
	return out
}

func (p *program) codeBody(code string) map[string]any {
	return map[string]any{"clientId": p.client, "grantType": "authorization_code", "code": code, "codeVerifier": p.verifier, "redirectUri": p.redirect}
}

func (p *program) redeem(code string) *reply {
	p.w.t.Helper()
	return p.post(p.codeBody(code), p.proof(nil))
}

func (p *program) refreshBody(token string) map[string]any {
	return map[string]any{"clientId": p.client, "grantType": "refresh_token", "refreshToken": token}
}

func (p *program) refresh(token string) *reply {
	p.w.t.Helper()
	return p.post(p.refreshBody(token), p.proof(nil))
}

// login is the whole of it.
func (p *program) login() *reply {
	p.w.t.Helper()
	return p.redeem(p.code(p.w.console())).good(p.w.t)
}

func (r *reply) good(t *testing.T) *reply {
	t.Helper()
	if r.status != 200 || r.TokenType != "aws_sigv4" || r.AccessToken.SecretAccessKey == "" || r.RefreshToken == "" {
		t.Fatalf("status %d: %s", r.status, r.text)
	}
	return r
}

// refused insists on a refusal.
func (r *reply) refused(t *testing.T, what string, status int, exception, code string) {
	t.Helper()
	if r.status != status || r.errorType != exception || r.Error != code || r.Message == "" || r.AccessToken.AccessKeyID != "" {
		t.Errorf("%s: status %d, %s: %s; want %d %s %s", what, r.status, r.errorType, r.text, status, exception, code)
	}
}

// pem is the key as it is in the cache of the CLI.
func (p *program) pem() string {
	der, err := x509.MarshalECPrivateKey(p.key)
	p.w.must(err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func (w *world) config(id, secret, token string) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &w.http.URL, HTTPClient: w.http.Client(),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token}, nil
		}),
	}
}

// arn is whose the credentials of a reply are.
func (w *world) arn(r *reply) (string, error) {
	out, err := awssts.NewFromConfig(w.config(r.AccessToken.AccessKeyID, r.AccessToken.SecretAccessKey, r.AccessToken.SessionToken)).GetCallerIdentity(context.Background(), &awssts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Arn), nil
}

func (w *world) iam(r *reply) *awsiam.Client {
	return awsiam.NewFromConfig(w.config(r.AccessToken.AccessKeyID, r.AccessToken.SecretAccessKey, r.AccessToken.SessionToken))
}

// records are the records of the account's trail with a name, newest first.
func (w *world) records(name string) (records []string) {
	w.t.Helper()
	w.must(w.trail.Sync(context.Background()))
	w.must(w.db.View(context.Background(), func(r store.Reader) error {
		page, err := w.trail.Lookup(r, audit.Query{Account: account, Attribute: audit.EventName, Value: name, Limit: 50, Now: w.now()})
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			records = append(records, string(e.Record))
		}
		return nil
	}))
	return records
}

// recorded is how many records of a name there are.
func (w *world) recorded(name string) (n int) {
	w.t.Helper()
	w.must(w.trail.Sync(context.Background()))
	w.must(w.db.View(context.Background(), func(r store.Reader) error {
		q := audit.Query{Account: account, Attribute: audit.EventName, Value: name, Limit: 50, Now: w.now()}
		for {
			page, err := w.trail.Lookup(r, q)
			if err != nil {
				return err
			}
			n += len(page.Entries)
			if q.Token = page.Next; q.Token == "" {
				return nil
			}
		}
	}))
	return n
}
