// Package login_test plays `aws login` against a running server: the person signs in and
// consents on the pages of the console, and the program redeems and refreshes. No AWS CLI
// that has the command can be had from the package registries, so its exchanges are made
// here as its source makes them.
package login_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/uuid"

	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/mfa"
)

const password = "correct horse battery staple 9!X"

// alice is a user with a password, an authenticator app, and AWS's policy for `aws login`.
type alice struct {
	*lanyardtest.Lanyard
	t    *testing.T
	seed []byte
	step int64 // of the code that was used last
}

func newAlice(t *testing.T) *alice {
	t.Helper()
	a := &alice{Lanyard: lanyardtest.New(t), t: t}
	c, ctx := iam.NewFromConfig(a.Config()), t.Context()
	_, err := c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("alice")})
	a.must(err)
	_, err = c.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: aws.String("alice"), Password: aws.String(password)})
	a.must(err)
	_, err = c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("alice"), PolicyArn: aws.String("arn:aws:iam::aws:policy/SignInLocalDevelopmentAccess")})
	a.must(err)
	device, err := c.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("phone")})
	a.must(err)
	a.seed, err = base32.StdEncoding.DecodeString(string(device.VirtualMFADevice.Base32StringSeed))
	a.must(err)
	a.step = mfa.StepAt(a.Now())
	_, err = c.EnableMFADevice(ctx, &iam.EnableMFADeviceInput{
		UserName: aws.String("alice"), SerialNumber: device.VirtualMFADevice.SerialNumber,
		AuthenticationCode1: aws.String(mfa.Code(a.seed, a.step-1)), AuthenticationCode2: aws.String(mfa.Code(a.seed, a.step)),
	})
	a.must(err)
	return a
}

func (a *alice) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// code is the next one that the app shows.
func (a *alice) code() string {
	a.step = max(a.step+1, mfa.StepAt(a.Now()))
	return mfa.Code(a.seed, a.step)
}

// console is the URL of the pages; on loopback it is not that of the API.
func (a *alice) console() string {
	u, err := url.Parse(a.URL)
	a.must(err)
	return "http://localhost:" + u.Port()
}

// visitor is a browser without a script: it keeps cookies, sends forms, follows redirects.
type visitor struct {
	t       *testing.T
	client  *http.Client
	cookies map[string]string
	at      *url.URL
	status  int
	body    string
}

func newVisitor(t *testing.T) *visitor {
	return &visitor{t: t, cookies: map[string]string{}, client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// send goes to an address, relative to the page that is open, and where it leads.
func (v *visitor) send(method, to string, form url.Values) *visitor {
	v.t.Helper()
	for range 10 {
		u, err := url.Parse(to)
		if err != nil {
			v.t.Fatal(err)
		}
		if v.at != nil {
			u = v.at.ResolveReference(u)
		}
		r, err := http.NewRequest(method, u.String(), strings.NewReader(form.Encode()))
		if err != nil {
			v.t.Fatal(err)
		}
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		for name, value := range v.cookies {
			if u.Hostname() == "localhost" { // they are the console's
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
		}
		answer, err := v.client.Do(r)
		if err != nil {
			v.t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			v.t.Fatal(err)
		}
		for _, c := range answer.Cookies() {
			if v.cookies[c.Name] = c.Value; c.MaxAge < 0 {
				delete(v.cookies, c.Name)
			}
		}
		v.at, v.status, v.body = u, answer.StatusCode, string(body)
		if to = answer.Header.Get("Location"); to == "" {
			return v
		}
		if answer.StatusCode != http.StatusPermanentRedirect {
			method, form = http.MethodGet, nil
		}
	}
	v.t.Fatalf("led in circles, to %s", to)
	return nil
}

func (v *visitor) get(to string) *visitor { v.t.Helper(); return v.send(http.MethodGet, to, nil) }

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// submit fills in the form of the page that posts to action, and sends it.
func (v *visitor) submit(action string, fields ...string) *visitor {
	v.t.Helper()
	_, form, ok := strings.Cut(v.body, `<form action="`+action+`" method="post"`)
	if !ok {
		v.t.Fatalf("at %s (%d): no form for %s:\n%s", v.at, v.status, action, v.body)
	}
	form, _, _ = strings.Cut(form, "</form>")
	values := url.Values{}
	for _, found := range hidden.FindAllStringSubmatch(form, -1) {
		values.Set(html.UnescapeString(found[1]), html.UnescapeString(found[2]))
	}
	for i := 0; i+1 < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	return v.send(http.MethodPost, action, values)
}

func (v *visitor) shows(texts ...string) *visitor {
	v.t.Helper()
	for _, text := range texts {
		if !strings.Contains(v.body, html.EscapeString(text)) {
			v.t.Fatalf("at %s (%d): %q is not on the page:\n%s", v.at, v.status, text, v.body)
		}
	}
	return v
}

// cli is `aws login`: awscli/customizations/login of AWS CLI 2.36.7.
type cli struct {
	a        *alice
	client   string
	redirect string
	state    string
	verifier string
	key      *ecdsa.PrivateKey
	back     chan url.Values // what came to the listener
}

// newCLI starts a program that listens, as on the machine of the browser.
func newCLI(a *alice) *cli {
	a.t.Helper()
	p := newRemoteCLI(a)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	a.must(err)
	p.client, p.redirect = "arn:aws:signin:::devtools/same-device", "http://"+listener.Addr().String()+"/oauth/callback"
	p.back = make(chan url.Values, 1)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/oauth/callback" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		p.back <- r.URL.Query()
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>aws login</title><p>You can close this window.")
	})}
	go func() { _ = server.Serve(listener) }()
	a.t.Cleanup(func() { _ = server.Close() })
	return p
}

func newRemoteCLI(a *alice) *cli {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.must(err)
	return &cli{
		a: a, client: "arn:aws:signin:::devtools/cross-device", redirect: a.URL + "/v1/sessions/confirmation",
		state: uuid.NewString(), verifier: rand.Text() + rand.Text() + rand.Text()[:12], key: key,
	}
}

// url is what the CLI opens in the browser.
func (p *cli) url() string {
	challenge := sha256.Sum256([]byte(p.verifier))
	return p.a.URL + "/v1/authorize?response_type=code" +
		"&client_id=" + url.QueryEscape(p.client) +
		"&state=" + p.state +
		"&code_challenge_method=SHA-256" +
		"&scope=openid" +
		"&redirect_uri=" + url.QueryEscape(p.redirect) +
		"&code_challenge=" + strings.TrimRight(base64.URLEncoding.EncodeToString(challenge[:]), "=")
}

// received is what came to the listener.
func (p *cli) received() url.Values {
	p.a.t.Helper()
	select {
	case q := <-p.back:
		if q.Get("state") != p.state {
			p.a.t.Fatalf("the state is another: %v", q)
		}
		return q
	case <-time.After(20 * time.Second):
		p.a.t.Fatal("nothing came back")
		return nil
	}
}

// pasted takes apart what a person copied off the page.
func (p *cli) pasted(text string) string {
	p.a.t.Helper()
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	p.a.must(err)
	q, err := url.ParseQuery(string(decoded))
	p.a.must(err)
	if q.Get("state") != p.state || q.Get("code") == "" {
		p.a.t.Fatalf("pasted %s", decoded)
	}
	return q.Get("code")
}

func (p *cli) proof() string {
	b64 := base64.RawURLEncoding.EncodeToString
	point, err := p.key.PublicKey.Bytes()
	p.a.must(err)
	head, err := json.Marshal(map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": map[string]string{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}})
	p.a.must(err)
	claims, err := json.Marshal(map[string]any{"htm": "POST", "htu": p.a.URL + "/v1/token", "iat": time.Now().Unix(), "jti": uuid.NewString()})
	p.a.must(err)
	signed := b64(head) + "." + b64(claims)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, digest[:])
	p.a.must(err)
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + b64(signature)
}

// tokens is the answer of /v1/token.
type tokens struct {
	AccessToken                      struct{ AccessKeyID, SecretAccessKey, SessionToken string }
	TokenType, RefreshToken, IDToken string
	ExpiresIn                        int
	Error, Message                   string
}

func (p *cli) token(body map[string]string) (int, *tokens) {
	p.a.t.Helper()
	text, err := json.Marshal(body)
	p.a.must(err)
	r, err := http.NewRequest(http.MethodPost, p.a.URL+"/v1/token", bytes.NewReader(text))
	p.a.must(err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "aws-cli/2.36.7 md/command#login")
	r.Header.Set("DPoP", p.proof())
	answer, err := http.DefaultClient.Do(r)
	p.a.must(err)
	defer answer.Body.Close()
	out := new(tokens)
	p.a.must(json.NewDecoder(answer.Body).Decode(out))
	return answer.StatusCode, out
}

func (p *cli) redeem(code string) (int, *tokens) {
	p.a.t.Helper()
	return p.token(map[string]string{"clientId": p.client, "grantType": "authorization_code", "code": code, "codeVerifier": p.verifier, "redirectUri": p.redirect})
}

func (p *cli) refresh(token string) (int, *tokens) {
	p.a.t.Helper()
	return p.token(map[string]string{"clientId": p.client, "grantType": "refresh_token", "refreshToken": token})
}

// caller is whose the credentials are.
func (a *alice) caller(c *tokens) string {
	a.t.Helper()
	out, err := sts.NewFromConfig(a.ConfigFor(c.AccessToken.AccessKeyID, c.AccessToken.SecretAccessKey, c.AccessToken.SessionToken)).
		GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
	a.must(err)
	return *out.Arn
}

// works insists that a code is good for credentials, and those for more of them.
func (p *cli) works(code string) *tokens {
	p.a.t.Helper()
	status, got := p.redeem(code)
	if status != http.StatusOK || got.TokenType != "aws_sigv4" || got.ExpiresIn < 1 || got.ExpiresIn > 900 || got.RefreshToken == "" {
		p.a.t.Fatalf("redeem: %d %+v", status, got)
	}
	const arn = "arn:aws:iam::111122223333:user/alice"
	part := strings.Split(got.IDToken, ".")
	claims, err := base64.RawURLEncoding.DecodeString(part[1])
	p.a.must(err)
	var id struct{ Sub string }
	if err := json.Unmarshal(claims, &id); err != nil || id.Sub != arn {
		p.a.t.Errorf("identity token: %s (%v)", claims, err)
	}
	if who := p.a.caller(got); who != arn {
		p.a.t.Errorf("credentials of %s", who)
	}
	status, more := p.refresh(got.RefreshToken)
	if status != http.StatusOK || more.AccessToken.SecretAccessKey == got.AccessToken.SecretAccessKey || p.a.caller(more) != arn {
		p.a.t.Errorf("refresh: %d %+v", status, more)
	}
	return more
}

// signIn goes through password and code, at the sign-in page that is open.
func (a *alice) signIn(v *visitor) {
	a.t.Helper()
	v.shows("Sign in").submit("/signin", "account", a.Account, "username", "alice", "password", password)
	v.shows("Second factor").submit("/signin/factor", "code", a.code())
}

func TestSameDevice(t *testing.T) {
	a := newAlice(t)
	p, v := newCLI(a), newVisitor(t)
	v.get(p.url())
	if v.at.Path != "/signin" || "http://"+v.at.Host != a.console() {
		t.Fatalf("led to %s", v.at)
	}
	a.signIn(v)
	v.shows("Sign in to the AWS CLI?", "on this computer", "alice", "With MFA", strings.TrimPrefix(strings.TrimSuffix(p.redirect, "/oauth/callback"), "http://"))
	v.submit("/v1/authorize", "answer", "allow").shows("You can close this window.")
	back := p.received()
	if back.Get("iss") != a.console() || back.Has("error") {
		t.Errorf("back: %v", back)
	}
	got := p.works(back.Get("code"))

	// The code is spent, and what was got with it ends (T208).
	if status, again := p.redeem(back.Get("code")); status != http.StatusUnauthorized || again.Error != "AUTHCODE_EXPIRED" {
		t.Errorf("the code twice: %d %+v", status, again)
	}
	if status, again := p.refresh(got.RefreshToken); status != http.StatusUnauthorized || again.Error != "TOKEN_EXPIRED" {
		t.Errorf("after that: %d %+v", status, again)
	}

	// No is an answer, too.
	p = newCLI(a)
	v.get(p.url()).submit("/v1/authorize", "answer", "cancel").shows("You can close this window.")
	if back := p.received(); back.Get("error") != "access_denied" || back.Has("code") {
		t.Errorf("cancelled: %v", back)
	}
	a.recorded("AuthorizeOAuth2Access", "CreateOAuth2Token", "ConsoleLogin")
}

// recorded insists on records in the trail, with no secret in them.
func (a *alice) recorded(names ...string) {
	a.t.Helper()
	for _, name := range names {
		out, err := cloudtrail.NewFromConfig(a.Config()).LookupEvents(a.t.Context(), &cloudtrail.LookupEventsInput{
			LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: cttypes.LookupAttributeKeyEventName, AttributeValue: &name}},
		})
		a.must(err)
		if len(out.Events) == 0 {
			a.t.Errorf("no record of %s", name)
		}
		for _, e := range out.Events {
			if record := *e.CloudTrailEvent; strings.Contains(record, password) || strings.Contains(record, "code_verifier") {
				a.t.Errorf("a secret in the trail: %s", record)
			}
		}
	}
}

var copyable = regexp.MustCompile(`<pre tabindex="0"><code>([^<]+)</code></pre>`)

func TestAnotherDevice(t *testing.T) {
	a := newAlice(t)
	p, v := newRemoteCLI(a), newVisitor(t)
	v.get(p.url())
	a.signIn(v)
	v.shows("on another device", "Did you start this yourself").submit("/v1/authorize", "answer", "allow").shows("Paste this code")
	if v.at.RawQuery != "" {
		t.Errorf("the address has %s", v.at.RawQuery)
	}
	got := p.works(p.pasted(html.UnescapeString(copyable.FindStringSubmatch(v.body)[1])))

	// What ends every session of the person ends this one: here, another password.
	_, err := iam.NewFromConfig(a.Config()).UpdateLoginProfile(t.Context(), &iam.UpdateLoginProfileInput{UserName: aws.String("alice"), Password: aws.String(password + "!")})
	a.must(err)
	if status, more := p.refresh(got.RefreshToken); status != http.StatusForbidden || more.Error != "USER_CREDENTIALS_CHANGED" {
		t.Errorf("with another password: %d %+v", status, more)
	}
	// The page asks for a sign-in again, and nothing is lost.
	if v.get(p.url()); v.at.Path != "/signin" {
		t.Errorf("still signed in: %s", v.at)
	}
}

// mayNot takes AWS's policy away.
func (a *alice) mayNot() {
	a.t.Helper()
	_, err := iam.NewFromConfig(a.Config()).DetachUserPolicy(a.t.Context(), &iam.DetachUserPolicyInput{
		UserName: aws.String("alice"), PolicyArn: aws.String("arn:aws:iam::aws:policy/SignInLocalDevelopmentAccess")})
	a.must(err)
}

// broker is an identity broker: it has credentials of a role and wants a page of the console.
func (a *alice) broker(issuer, destination string) string {
	a.t.Helper()
	ctx := a.t.Context()
	c := iam.NewFromConfig(a.Config())
	_, err := c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("developers"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + a.Account + `"},"Action":"sts:AssumeRole"}]}`)})
	a.must(err)
	_, err = c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("developers"), PolicyArn: aws.String("arn:aws:iam::aws:policy/IAMReadOnlyAccess")})
	a.must(err)
	out, err := sts.NewFromConfig(a.Config()).AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + a.Account + ":role/developers"), RoleSessionName: aws.String("carol@example.com")})
	a.must(err)
	session, err := json.Marshal(map[string]string{"sessionId": *out.Credentials.AccessKeyId, "sessionKey": *out.Credentials.SecretAccessKey, "sessionToken": *out.Credentials.SessionToken})
	a.must(err)
	answer, err := http.Get(a.URL + "/federation?Action=getSigninToken&SessionDuration=1800&Session=" + url.QueryEscape(string(session)))
	a.must(err)
	defer answer.Body.Close()
	var got struct{ SigninToken string }
	a.must(json.NewDecoder(answer.Body).Decode(&got))
	if answer.StatusCode != http.StatusOK || got.SigninToken == "" {
		a.t.Fatalf("no sign-in token: %d", answer.StatusCode)
	}
	return a.URL + "/federation?Action=login&Issuer=" + url.QueryEscape(issuer) + "&Destination=" + url.QueryEscape(destination) + "&SigninToken=" + url.QueryEscape(got.SigninToken)
}

func TestFederation(t *testing.T) {
	a := newAlice(t)
	v := newVisitor(t)
	link := a.broker("https://sso.example.com/portal", a.console()+"/users")
	v.get(link)
	if v.at.Path != "/users" || v.status != http.StatusOK {
		t.Fatalf("led to %s: %d\n%s", v.at, v.status, v.body)
	}
	v.shows("developers/carol@example.com", "Federated user", "alice")

	// The link is good once, and what is wrong with another is a page.
	other := newVisitor(t)
	if other.get(link); other.status != http.StatusUnauthorized || len(other.cookies) > 0 {
		t.Errorf("the link twice: %d %v", other.status, other.cookies)
	}
	other.shows("The sign-in link did not work", "used before")
	if other.get(a.console() + "/federation?Action=dance"); other.status != http.StatusBadRequest {
		t.Errorf("no such action: %d", other.status)
	}
	other.shows("The sign-in link did not work", "Action must be getSigninToken, login or logout.")

	v.get(a.URL + "/federation?Action=logout")
	if v.at.Path != "/signout" {
		t.Fatalf("logout led to %s", v.at)
	}
	v.shows("Sign out?", "developers/carol@example.com").submit("/signout").shows("You are signed out", "Go to sso.example.com")
	if v.get("/users"); v.at.Path != "/signin" {
		t.Errorf("still signed in: %s", v.at)
	}
}

// "Not you?" leads through the sign-in page and back to the question.
func TestSomebodyElse(t *testing.T) {
	a := newAlice(t)
	c, bob := iam.NewFromConfig(a.Config()), aws.String("bob")
	_, err := c.CreateUser(t.Context(), &iam.CreateUserInput{UserName: bob})
	a.must(err)
	_, err = c.CreateLoginProfile(t.Context(), &iam.CreateLoginProfileInput{UserName: bob, Password: aws.String(password + "bob")})
	a.must(err)
	p, v := newCLI(a), newVisitor(t)
	v.get(p.url())
	a.signIn(v)
	other := regexp.MustCompile(`<a href="([^"]+)">Not you\?`).FindStringSubmatch(v.shows("alice").body)
	v.get(html.UnescapeString(other[1])).shows("Sign in")
	root := regexp.MustCompile(`<a href="([^"]+)">Root user`).FindStringSubmatch(v.body)
	user := regexp.MustCompile(`<a href="([^"]+)">IAM user`).FindStringSubmatch(v.get(html.UnescapeString(root[1])).shows("E-mail address of the root user").body)
	v.get(html.UnescapeString(user[1]))
	v.submit("/signin", "account", a.Account, "username", "bob", "password", password+"bob")
	v.shows("Sign in to the AWS CLI?", "bob", "Without MFA")
}

// The person sees what has their credentials, and ends it; an old sign-in is asked for a
// factor before it gives any.
func TestMySecurity(t *testing.T) {
	a := newAlice(t)
	p, v := newCLI(a), newVisitor(t)
	v.get(p.url())
	a.signIn(v)
	v.submit("/v1/authorize", "answer", "allow")
	got := p.works(p.received().Get("code"))
	v.get(a.console()+"/security").shows("Where you are signed in", "the session of aws login")
	_, v.body, _ = strings.Cut(v.body, `<th scope="row"><code>aws login</code>`)
	v.submit("/security/sessions/end")
	if v.at.Path != "/security" || strings.Contains(v.body, "of aws login") {
		t.Errorf("at %s, still there:\n%s", v.at, v.body)
	}
	if status, more := p.refresh(got.RefreshToken); status != http.StatusUnauthorized || more.Error != "TOKEN_EXPIRED" {
		t.Errorf("having ended it: %d %+v", status, more)
	}

	a.Advance(11 * time.Minute)
	p = newCLI(a)
	v.get(p.url()).shows("Show that it is you").submit("/signin/factor", "code", a.code())
	v.shows("Sign in to the AWS CLI?").submit("/v1/authorize", "answer", "allow")
	p.works(p.received().Get("code"))
}
