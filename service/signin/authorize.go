package signin

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/prelude"
	"github.com/aws/smithy-go/traits"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/protocol"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// The programs that may ask (AWS's fixed client ids): `aws login`, which listens on the
// machine of the browser, and `aws login --remote`, into which a person pastes a code.
const (
	SameDevice  = "arn:aws:signin:::devtools/same-device"
	CrossDevice = "arn:aws:signin:::devtools/cross-device"
)

// The paths of `aws login`.
const (
	authorizePath    = "/v1/authorize"
	confirmationPath = "/v1/sessions/confirmation"
	tokenPath        = "/v1/token"
	callbackPath     = "/oauth/callback"
)

// How long a code may wait to be redeemed. The CLI on the same device does it at once; a
// person carries the other one from one machine to another.
const (
	sameDeviceCode  = time.Minute
	crossDeviceCode = 10 * time.Minute
)

// maxCodes bounds the codes of one person that wait; the oldest goes for a new one. Of a role
// it is one bearer's: whoever may assume it chooses the session's name, and ends nothing that
// others have under the same. maxOfName bounds what all have who share one, be it codes or
// sign-in sessions; then new ones are refused.
const (
	maxCodes  = 10
	maxOfName = 1000
)

// AuthorizeRequest is what `aws login` asks a person for, with the query string of
// /v1/authorize. One that ParseAuthorize returns is good: codes may be sent to RedirectURI.
type AuthorizeRequest struct {
	ClientID            string
	RedirectURI         string
	Scope               string
	State               string
	CodeChallenge       string
	CodeChallengeMethod string
}

// SameDevice tells whether the program runs on the machine of the browser.
func (r *AuthorizeRequest) SameDevice() bool { return r.ClientID == SameDevice }

// Resource is the last part of the ARN by which policies know the program: localhost or
// remote.
func (r *AuthorizeRequest) Resource() string { return publicClient(r.ClientID) }

func publicClient(clientID string) string {
	if clientID == SameDevice {
		return "localhost"
	}
	return "remote"
}

// Query is the request as a query string, for forms that carry it on.
func (r *AuthorizeRequest) Query() string {
	return url.Values{
		"response_type": {"code"}, "client_id": {r.ClientID}, "redirect_uri": {r.RedirectURI}, "scope": {r.Scope},
		"state": {r.State}, "code_challenge": {r.CodeChallenge}, "code_challenge_method": {r.CodeChallengeMethod},
	}.Encode()
}

// ParseAuthorize reads the query string of /v1/authorize. An error says what is wrong with
// it and is to be shown on a page of ours: a request that is not good is never answered by
// a redirect, since then whoever made it chose where to.
func (s *Service) ParseAuthorize(query string) (*AuthorizeRequest, error) {
	if len(query) > 8<<10 {
		return nil, invalid("The request is too long.")
	}
	form, err := protocol.ParseForm([]byte(query)) // which refuses what is given twice
	if err != nil {
		return nil, refusal(err)
	}
	r := &AuthorizeRequest{
		ClientID:            form.Get("client_id"),
		RedirectURI:         form.Get("redirect_uri"),
		Scope:               form.Get("scope"),
		State:               form.Get("state"),
		CodeChallenge:       form.Get("code_challenge"),
		CodeChallengeMethod: form.Get("code_challenge_method"),
	}
	if form.Get("response_type") != "code" {
		return nil, invalid("response_type must be code.")
	}
	return r, s.check(r)
}

func (s *Service) check(r *AuthorizeRequest) error {
	switch {
	case r.ClientID != SameDevice && r.ClientID != CrossDevice:
		return invalid("client_id is none that this server knows.")
	case r.CodeChallengeMethod != "SHA-256":
		return invalid("code_challenge_method must be SHA-256.")
	case r.Scope != "openid":
		return invalid("scope must be openid.")
	case !printable(r.State, 512):
		return invalid("state is missing, too long, or has characters that it may not have.")
	}
	challenge, err := base64.RawURLEncoding.Strict().DecodeString(r.CodeChallenge)
	if err != nil || len(challenge) != 32 {
		return invalid("code_challenge must be a SHA-256 digest in base64url.")
	}
	if r.SameDevice() {
		if !isCallback(r.RedirectURI) {
			return invalid("redirect_uri must be http://127.0.0.1:PORT" + callbackPath + ".")
		}
	} else if !s.own(r.RedirectURI, confirmationPath) {
		return invalid("redirect_uri must be " + s.public() + confirmationPath + ".")
	}
	return nil
}

// printable tells whether a text has 1 to most visible ASCII characters.
func printable(text string, most int) bool {
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return text != "" && len(text) <= most
}

// isCallback tells whether a URL is that of a program on the machine of the browser: the
// loopback literal, where only the port varies (RFC 8252, 7.3), in one spelling.
func isCallback(uri string) bool {
	rest, ok := strings.CutPrefix(uri, "http://127.0.0.1:")
	port, exact := strings.CutSuffix(rest, callbackPath)
	n, err := strconv.ParseUint(port, 10, 16)
	return ok && exact && err == nil && n > 0 && strconv.FormatUint(n, 10) == port
}

// Denied is where the browser goes when the person says no: back to the program on the
// same device, else nowhere (empty).
func (s *Service) Denied(r *AuthorizeRequest) string {
	if !r.SameDevice() {
		return ""
	}
	return s.callback(r.RedirectURI, "error", "access_denied", r.State)
}

// callback is the URL of a program with an answer to it.
func (s *Service) callback(uri, name, value, state string) string {
	// As RFC 6749 and RFC 9207 have it.
	return uri + "?" + name + "=" + url.QueryEscape(value) + "&state=" + url.QueryEscape(state) + "&iss=" + url.QueryEscape(s.public())
}

// AuthorizeOAuth2AccessInput is what the person agrees to, as it came to /v1/authorize.
type AuthorizeOAuth2AccessInput struct {
	ResponseType, ClientId, RedirectUri, Scope, State, CodeChallenge, CodeChallengeMethod *string
}

// AuthorizeOAuth2AccessOutput is what the program gets. Of two members one is set.
type AuthorizeOAuth2AccessOutput struct {
	// Location is where the browser is to go: to the program on the same device.
	Location *string
	// ConfirmationCode is for the person, who pastes it into `aws login --remote`.
	ConfirmationCode *string
}

// AWS's operation is a GET that answers with a page; ours is what the page does.
func authorizeSchemas() (op, in, out *smithy.Schema) {
	op = schema("AuthorizeOAuth2Access", smithy.ShapeTypeOperation, &traits.HTTP{Method: "POST", URI: authorizePath, Code: 200})
	in = schema("AuthorizeOAuth2AccessRequest", smithy.ShapeTypeStructure)
	for _, name := range []string{"responseType", "clientId", "redirectUri", "scope", "state", "codeChallenge", "codeChallengeMethod"} {
		in.AddMember(name, prelude.String)
	}
	out = schema("AuthorizeOAuth2AccessResponse", smithy.ShapeTypeStructure)
	for _, name := range []string{"location", "confirmationCode"} {
		out.AddMember(name, prelude.String)
	}
	return op, in, out
}

func mayAuthorize(c *service.Call, in *AuthorizeOAuth2AccessInput) ([]authz.Check, error) {
	return []authz.Check{authz.On(c.Scope.PublicClient(c.Region, publicClient(text(in.ClientId))))}, nil
}

func recordAuthorize(in *AuthorizeOAuth2AccessInput, _ bool) (request, response any) {
	return map[string]string{
		"scope": text(in.Scope), "redirect_uri": text(in.RedirectUri),
		"code_challenge_method": text(in.CodeChallengeMethod), "client_id": text(in.ClientId),
	}, nil
}

// AuthorizeOAuth2Access makes the code with which a program gets credentials of the
// caller, who is signed in to the console: no other credentials can ask, so that whoever
// has an access key has not a way to the freedoms of a console session.
func (s *Service) AuthorizeOAuth2Access(c *service.Call, in *AuthorizeOAuth2AccessInput) (*AuthorizeOAuth2AccessOutput, error) {
	sn := c.Principal.Session
	if sn == nil || !sn.Console {
		return nil, service.Denied("Cannot call AuthorizeOAuth2Access without being signed in to the console")
	}
	r := &AuthorizeRequest{
		ClientID: text(in.ClientId), RedirectURI: text(in.RedirectUri), Scope: text(in.Scope), State: text(in.State),
		CodeChallenge: text(in.CodeChallenge), CodeChallengeMethod: text(in.CodeChallengeMethod),
	}
	if err := s.check(r); err != nil {
		return nil, err
	}
	lifetime := crossDeviceCode
	if r.SameDevice() {
		lifetime = sameDeviceCode
	}
	code, err := s.newCode(c, c.Principal, &identity.OAuthCode{
		Purpose:     identity.ForCredentials,
		Expires:     c.Now.Add(lifetime),
		ClientID:    r.ClientID,
		RedirectURI: r.RedirectURI,
		Challenge:   r.CodeChallenge,
	})
	if err != nil {
		return nil, err
	}
	additional(c, success{Success: "true"})
	if r.SameDevice() {
		location := s.callback(r.RedirectURI, "code", code, r.State)
		return &AuthorizeOAuth2AccessOutput{Location: &location}, nil
	}
	// As AWS's page shows it; the CLI takes it apart.
	confirmation := base64.StdEncoding.EncodeToString([]byte("state=" + url.QueryEscape(r.State) + "&code=" + code))
	return &AuthorizeOAuth2AccessOutput{ConfirmationCode: &confirmation}, nil
}

// additional sets additionalEventData.
func additional(c *service.Call, data any) {
	if text, err := json.Marshal(data); err == nil {
		c.Event.Additional = text
	}
}

// newCode keeps a code for a principal's session and returns it: the person's id, by which
// their codes are found together, and 256 bits of chance, in characters that no URL has to
// escape.
func (s *Service) newCode(c *service.Call, p *authn.Principal, code *identity.OAuthCode) (string, error) {
	var err error
	if code.AccessKeyID, code.Token, err = s.sealed(p.Session, c.Rand); err != nil {
		return "", err
	}
	if code.Stamp, err = stampOf(c.Reader, p); err != nil {
		return "", err
	}
	code.Account, code.PersonID, code.Created = p.Account, p.Session.Person(), c.Now
	if err := s.makeRoom(c.Tx, p, c.Now); err != nil {
		return "", err
	}
	secret, err := newSecret(c.Rand)
	if err != nil {
		return "", err
	}
	return person(code.PersonID) + "." + secret, identity.OAuthCodes.Put(c.Tx, code, code.PersonID, identity.Digest(secret))
}

// makeRoom removes the codes of a person that have expired, and the oldest of the same bearer
// above the bound.
func (s *Service) makeRoom(tx store.Tx, p *authn.Principal, now time.Time) error {
	type waiting struct {
		key     store.Key
		created time.Time
	}
	var own []waiting
	kept := 0
	err := identity.OAuthCodes.Scan(tx, "", func(key store.Key, code *identity.OAuthCode) bool {
		switch {
		case !now.Before(code.Expires):
			tx.Delete(key)
		case s.sameBearer(p.Session, code.AccessKeyID, code.Token):
			own = append(own, waiting{key, code.Created})
			kept++
		default:
			kept++
		}
		return true
	}, p.Session.Person())
	slices.SortFunc(own, func(a, b waiting) int { return a.created.Compare(b.created) })
	for ; len(own) >= maxCodes; own = own[1:] {
		tx.Delete(own[0].key)
		kept--
	}
	if err == nil && kept >= maxOfName {
		return throttled("Too many sign-ins are under way as " + p.ARN + ".")
	}
	return err
}

// sameBearer tells whether the session that a record holds is of the same bearer as another of
// the same person id.
func (s *Service) sameBearer(own *session.Session, accessKeyID, token string) bool {
	of, err := s.config.Sessions.Open(accessKeyID, token)
	return err == nil && own.SameBearer(of)
}

const secretSize = 32 // bytes

func newSecret(rand io.Reader) (string, error) {
	secret := make([]byte, secretSize)
	if _, err := io.ReadFull(rand, secret); err != nil {
		return "", fmt.Errorf("draw a secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(secret), nil
}

// person is a person's id in codes and refresh tokens.
func person(id string) string { return base64.RawURLEncoding.EncodeToString([]byte(id)) }

// splitSecret takes a code or refresh token apart: the person's id, what stands between,
// and the secret.
func splitSecret(code string, parts int) (id, between, secret string, ok bool) {
	split := strings.Split(code, ".")
	if len(split) != parts || len(split[parts-1]) != base64.RawURLEncoding.EncodedLen(secretSize) {
		return "", "", "", false
	}
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(split[0])
	if err != nil || len(decoded) == 0 || strings.ContainsRune(string(decoded), 0) {
		return "", "", "", false
	}
	if parts == 3 {
		between = split[1]
	}
	return string(decoded), between, split[parts-1], true
}
