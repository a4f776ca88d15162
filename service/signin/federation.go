package signin

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/signin/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/prelude"
	"github.com/aws/smithy-go/traits"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// FederationPath is where an identity broker brings temporary credentials and is given a
// sign-in token for them, and where browsers bring that.
const FederationPath = "/federation"

// signinTokenLifetime is for how long a sign-in token can be used (IAM User Guide).
const signinTokenLifetime = 15 * time.Minute

// GetSigninTokenInput is what a broker sends. Session is JSON: sessionId, sessionKey and
// sessionToken.
type GetSigninTokenInput struct {
	Session         *string
	SessionDuration *int32
	SessionType     *string
}

// GetSigninTokenOutput is what it gets.
type GetSigninTokenOutput struct{ SigninToken *string }

func getSigninTokenSchemas() (op, in, out *smithy.Schema) {
	op = schema("GetSigninToken", smithy.ShapeTypeOperation, &traits.HTTP{Method: "GET", URI: FederationPath + "?Action=getSigninToken", Code: 200})
	in = schema("GetSigninTokenRequest", smithy.ShapeTypeStructure)
	in.AddMember("session", prelude.String, &traits.HTTPQuery{Name: "Session"})
	in.AddMember("sessionDuration", prelude.Integer, &traits.HTTPQuery{Name: "SessionDuration"})
	in.AddMember("sessionType", prelude.String, &traits.HTTPQuery{Name: "SessionType"})
	out = schema("GetSigninTokenResponse", smithy.ShapeTypeStructure)
	out.AddMember("signinToken", prelude.String, &traits.JSONName{Name: "SigninToken"})
	return op, in, out
}

func recordSigninToken(in *GetSigninTokenInput, _ bool) (request, response any) {
	if in.SessionDuration == nil {
		return nil, nil
	}
	return map[string]int32{"sessionDuration": *in.SessionDuration}, nil
}

// whoGetsSigninToken believes who has temporary credentials, secret access key included.
func (s *Service) whoGetsSigninToken(c *service.Call, in *GetSigninTokenInput) (*authn.Principal, error) {
	wrong := invalid("The credentials in Session are not valid temporary credentials.")
	var given struct {
		ID    string `json:"sessionId"`
		Key   string `json:"sessionKey"`
		Token string `json:"sessionToken"`
	}
	if err := json.Unmarshal([]byte(text(in.Session)), &given); err != nil {
		return nil, invalid("Session must be JSON with sessionId, sessionKey and sessionToken.")
	}
	if given.Token == "" {
		return nil, invalid("Session has no sessionToken: long-term credentials cannot be used, those of AssumeRole or GetFederationToken can.")
	}
	sn, err := s.config.Sessions.Open(given.ID, given.Token)
	if err != nil || subtle.ConstantTimeCompare([]byte(s.config.Sessions.Secret(sn)), []byte(given.Key)) != 1 {
		return nil, wrong
	}
	c.Event.Account = sn.Account
	c.Event.Identity.AccountID = string(sn.Account)
	p, err := s.principal(c, given.ID, given.Token, "")
	if err == nil && p == nil {
		return nil, wrong
	}
	if err != nil {
		return nil, err
	}
	p.AccessKeyID = given.ID // here it is one of the caller's
	return p, nil
}

// GetSigninToken gives a broker what a browser can sign in with, once: to the console, as
// the role or federated user whose credentials the broker has.
func (s *Service) GetSigninToken(c *service.Call, in *GetSigninTokenInput) (*GetSigninTokenOutput, error) {
	sn := c.Principal.Session
	if sn.Kind != session.Role && sn.Kind != session.Federated || sn.SignIn != "" || sn.Console {
		return nil, invalid("Only credentials of AssumeRole and its kin, and of GetFederationToken, can be used to sign in to the console.")
	}
	code := &identity.OAuthCode{Purpose: identity.ForConsole, Expires: earlier(c.Now.Add(signinTokenLifetime), sn.Expires)}
	if in.SessionDuration != nil {
		if sn.Kind == session.Federated || sn.Chained {
			return nil, invalid("SessionDuration must be left out with credentials of GetFederationToken and of role chaining.")
		}
		code.Duration = *in.SessionDuration
	}
	token, err := s.newCode(c, c.Principal, code)
	if err != nil {
		return nil, err
	}
	return &GetSigninTokenOutput{SigninToken: &token}, nil
}

// ConsoleLoginInput is what a browser brings. Present is whose session is in it already, if
// one is (see session.Session.Bearer), which Federation adds.
type ConsoleLoginInput struct{ SigninToken, Issuer, Destination, Present *string }

// ConsoleLoginOutput is what the browser is given: Cookie is the value of the cookie of its
// session (see session.Codec.NewBrowser), Location a path within the console.
type ConsoleLoginOutput struct{ Cookie, Location *string }

const presentParameter = "Present"

func consoleLoginSchemas() (op, in, out *smithy.Schema) {
	op = schema("ConsoleLogin", smithy.ShapeTypeOperation, &traits.HTTP{Method: "GET", URI: FederationPath + "?Action=login", Code: 200})
	in = schema("ConsoleLoginRequest", smithy.ShapeTypeStructure)
	for _, name := range []string{"SigninToken", "Issuer", "Destination", presentParameter} {
		in.AddMember(name, prelude.String, &traits.HTTPQuery{Name: name})
	}
	out = schema("ConsoleLoginResponse", smithy.ShapeTypeStructure)
	out.AddMember("cookie", prelude.String)
	out.AddMember("location", prelude.String)
	return op, in, out
}

// recordConsoleLogin is CloudTrail's record of a sign-in.
func recordConsoleLogin(_ *ConsoleLoginInput, ok bool) (request, response any) {
	if ok {
		return nil, map[string]string{"ConsoleLogin": "Success"}
	}
	return nil, map[string]string{"ConsoleLogin": "Failure"}
}

const failedAuthentication = "Failed authentication"

// whoLogsIn finds for whom a sign-in token was made.
func (s *Service) whoLogsIn(c *service.Call, in *ConsoleLoginInput) (*authn.Principal, error) {
	c.Event.Type = "AwsConsoleSignIn"
	c.Event.RequestID = "" // as AWS's records of sign-ins have none
	failed := denied(types.OAuth2ErrorCodeAuthcodeExpired, failedAuthentication)
	key, ok := codeKey(text(in.SigninToken))
	if !ok {
		return nil, failed
	}
	code, err := identity.OAuthCodes.Get(c.Reader, key...)
	if errors.Is(err, store.ErrNotFound) || err == nil && code.Purpose != identity.ForConsole {
		return nil, failed
	}
	if err != nil {
		return nil, err
	}
	c.Event.Account = code.Account
	c.Event.Identity.AccountID = string(code.Account)
	additional(c, s.login(in, c))
	if !code.Used.IsZero() || !c.Now.Before(code.Expires) {
		return nil, failed
	}
	p, err := s.principal(c, code.AccessKeyID, code.Token, code.Stamp)
	if err == nil && p == nil {
		return nil, failed
	}
	return p, err
}

// login is additionalEventData of a sign-in. A federated one is without MFA to CloudTrail,
// whatever the identity provider asked for.
func (s *Service) login(in *ConsoleLoginInput, c *service.Call) any {
	to, _ := s.within(text(in.Destination))
	return struct {
		LoginTo       string `json:"LoginTo,omitempty"`
		MobileVersion string `json:"MobileVersion"`
		MFAUsed       string `json:"MFAUsed"`
	}{s.public() + to, "No", "No"}
}

// ConsoleLogin makes a browser session of a sign-in token.
func (s *Service) ConsoleLogin(c *service.Call, in *ConsoleLoginInput) (*ConsoleLoginOutput, error) {
	additional(c, s.login(in, c))
	to, ok := s.within(text(in.Destination))
	if !ok {
		return nil, invalid("Destination must be a page of this console: " + s.public() + "/")
	}
	if issuer := text(in.Issuer); issuer != "" && !isPage(issuer) {
		return nil, invalid("Issuer must be the http or https URL of the identity provider's sign-in page.")
	}
	// A link that somebody made must not change who is signed in: what a person then does and
	// types would be somebody else's. AWS refuses it, too; the token can still be used. The
	// names of sessions do not tell people apart, so only the very same credentials may.
	if present := text(in.Present); present != "" && present != bearer(c.Principal.Session) {
		return nil, service.WithStatus(invalid("You must first sign out before signing in as "+c.Principal.ARN+" with other credentials."), http.StatusConflict)
	}
	key, _ := codeKey(text(in.SigninToken))
	var code identity.OAuthCode
	err := identity.OAuthCodes.Edit(c.Tx, func(found *identity.OAuthCode) error {
		found.Used = c.Now
		code = *found
		return nil
	}, key...)
	if err != nil {
		return nil, err
	}
	own := *c.Principal.Session
	if code.Duration > 0 {
		own.Expires = c.Now.Add(time.Duration(code.Duration) * time.Second)
	}
	own.Expires = earlier(own.Expires, c.Now.Add(session.BrowserLifetime))
	cookie, err := s.config.Sessions.NewBrowser(c.Tx, &own, &identity.BrowserSession{
		Address:   c.Event.SourceIP,
		UserAgent: cut(c.Event.UserAgent, 256),
		Issuer:    text(in.Issuer),
	}, c.Now, c.Rand)
	if errors.Is(err, session.ErrTooManyBrowsers) {
		return nil, throttled("Too many browsers are signed in as " + c.Principal.ARN + ".")
	}
	return &ConsoleLoginOutput{Cookie: &cookie, Location: &to}, err
}

// bearer is the Bearer of a session as text.
func bearer(s *session.Session) string { return hex.EncodeToString(s.Bearer[:]) }

// isPage tells whether a text is the URL of a page.
func isPage(text string) bool {
	if !printable(text, 2048) {
		return false
	}
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// BrowserCookie is the cookie of a browser session.
const BrowserCookie = "__Host-lanyard"

// Federation answers at FederationPath. API is the endpoint, to which it hands what
// AWS's clients send in several ways in one of them.
type Federation struct {
	API http.Handler
	// Public is the URL of the console, or nil where there is none: then nobody can sign in.
	Public func() *url.URL
	// Console is where people see what became of it; nil where there is none.
	Console *Console
}

// Console is the console as the federation endpoint needs it: functions, since in an
// interface a console would have the linker keep all that can be reached from its type, and
// that is every operation of AWS's clients.
type Console struct {
	// SignedIn is the session of a browser, nil if nobody is signed in.
	SignedIn func(r *http.Request) (*session.Browser, error)
	// SignOut ends a session.
	SignOut func(ctx context.Context, b *session.Browser) error
	// Refused shows a browser that it was not signed in.
	Refused func(w http.ResponseWriter, r *http.Request, status int, message string)
	// Taken asks somebody who is signed in whether to sign out, and then to go on with the
	// sign-in of which this is the query. The message says as whom.
	Taken func(w http.ResponseWriter, r *http.Request, query, message string)
}

// ServeHTTP answers one request.
func (f *Federation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		// Whoever looks whether the address is there must not use a token up.
		w.Header().Set("Allow", "GET, POST")
		f.refuse(w, r, http.StatusMethodNotAllowed, "Use GET or POST.")
		return
	}
	asked, ok := asGET(w, r)
	if !ok {
		f.refuse(w, r, http.StatusBadRequest, "Give the parameters in the query string or in a form, not in both.")
		return
	}
	public := f.Public()
	switch action := asked.URL.Query().Get("Action"); {
	case action == "getSigninToken":
		f.API.ServeHTTP(w, asked)
	case public == nil:
		f.refuse(w, r, http.StatusNotFound, "This server has no console: it was not told its URL.")
	case action == "login" && !followed(r):
		f.refuse(w, r, http.StatusForbidden, "A sign-in link is to be followed. Here a page, or the browser ahead of time, has loaded it.")
	case action == "login" && (r.Host != public.Host || r.Method == http.MethodPost):
		// The cookie belongs to the console's name, and browsers leave it out where another site
		// posts: then nobody would seem to be signed in. The token is not used yet.
		http.Redirect(w, r, public.String()+asked.URL.RequestURI(), http.StatusSeeOther)
	case action == "login":
		f.login(w, asked)
	case action == "logout":
		// The console asks, so that no page of others can sign somebody out.
		http.Redirect(w, r, public.String()+"/signout", http.StatusSeeOther)
	default:
		f.refuse(w, r, http.StatusBadRequest, "Action must be getSigninToken, login or logout.")
	}
}

// followed tells whether a person sees where a request leads. What a page of another site
// loads as an image or in a frame comes without the cookie that says who is signed in, so that
// nobody would be asked, and what a browser loads ahead of time uses the link up. What sends
// no such headers is an old browser or a program, and is believed.
func followed(r *http.Request) bool {
	to := r.Header.Get("Sec-Fetch-Dest")
	return (to == "" || to == "document") && !strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch")
}

// maxForm bounds a form; the largest has a session token of the longest kind.
const maxForm = 64 << 10

// asGET is the request with its parameters in the query string.
func asGET(w http.ResponseWriter, r *http.Request) (*http.Request, bool) {
	asked := r.Clone(r.Context())
	asked.Method = http.MethodGet
	asked.Body, asked.ContentLength, asked.TransferEncoding = http.NoBody, 0, nil
	asked.Header.Del("Content-Type")
	asked.Header.Del("Content-Encoding")
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil || len(r.PostForm) > 0 && r.URL.RawQuery != "" {
			return nil, false
		}
		if len(r.PostForm) > 0 {
			asked.URL.RawQuery = r.PostForm.Encode()
		}
	}
	asked.RequestURI = asked.URL.RequestURI()
	return asked, true
}

// login signs a browser in.
func (f *Federation) login(w http.ResponseWriter, r *http.Request) {
	var present *session.Browser
	query := r.URL.Query()
	query.Del(presentParameter)
	brought := query.Encode()
	if f.Console != nil {
		var err error
		if present, err = f.Console.SignedIn(r); err != nil {
			f.refuse(w, r, http.StatusInternalServerError, "Who is signed in could not be found out.")
			return
		}
		if present != nil {
			query.Set(presentParameter, bearer(present.Session))
		}
	}
	asked := r.Clone(r.Context())
	asked.URL.RawQuery = query.Encode()
	asked.RequestURI = asked.URL.RequestURI()
	answer := &answer{header: make(http.Header), status: http.StatusOK}
	f.API.ServeHTTP(answer, asked)
	var body struct{ Cookie, Location, Message string }
	err := json.Unmarshal(answer.body, &body)
	switch {
	case err == nil && answer.status == http.StatusConflict && present != nil:
		f.Console.Taken(w, r, brought, body.Message)
		return
	case err != nil || answer.status != http.StatusOK:
		f.refuse(w, r, answer.status, body.Message)
		return
	}
	if present != nil { // whose cookie is replaced
		if err := f.Console.SignOut(r.Context(), present); err != nil {
			f.refuse(w, r, http.StatusInternalServerError, "The session before could not be ended.")
			return
		}
	}
	http.SetCookie(w, &http.Cookie{Name: BrowserCookie, Value: body.Cookie, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, body.Location, http.StatusSeeOther)
}

func (f *Federation) refuse(w http.ResponseWriter, r *http.Request, status int, message string) {
	if f.Console != nil {
		f.Console.Refused(w, r, status, message)
		return
	}
	http.Error(w, message, status)
}

// answer keeps an answer of the endpoint.
type answer struct {
	header http.Header
	status int
	body   []byte
}

func (a *answer) Header() http.Header    { return a.header }
func (a *answer) WriteHeader(status int) { a.status = status }
func (a *answer) Write(b []byte) (int, error) {
	a.body = append(a.body, b...)
	return len(b), nil
}
