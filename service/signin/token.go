package signin

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/signin"
	"github.com/aws/aws-sdk-go-v2/service/signin/types"
	"github.com/google/uuid"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// How long credentials and sign-in sessions of `aws login` are good (AWS Sign-In API,
// CreateOAuth2Token). A sign-in session never outlives the session of the console in
// which the person agreed to it.
const (
	accessLifetime  = 15 * time.Minute
	sessionLifetime = 12 * time.Hour
)

// maxSessions bounds the sign-in sessions of one person, or of one bearer as maxCodes does; the
// one that was not used for the longest time ends for a new one.
const maxSessions = 20

// The grant types.
const (
	byCode    = "authorization_code"
	byRefresh = "refresh_token"
)

// whoCreatesToken finds for whom credentials are asked: who agreed to the code, or whose
// sign-in session the refresh token is of. What it finds out it keeps for the handler.
func (s *Service) whoCreatesToken(c *service.Call, in *signin.CreateOAuth2TokenInput) (*authn.Principal, error) {
	body := in.TokenInput
	kept, again := c.Kept().(proof) // it costs a signature
	if !again {
		var err error
		if kept, err = verifyProof(c.Header[proofHeader], s.tokenURLs(), c.SignedNow); err != nil {
			return nil, invalid(err.Error())
		}
		c.Keep(kept)
	}
	if text(body.GrantType) == byCode {
		found, err := s.findCode(c, body)
		if err != nil {
			return nil, err
		}
		return s.who(c, found.AccessKeyID, found.Token, found.Stamp, types.OAuth2ErrorCodeAuthcodeExpired)
	}
	grant, err := s.findGrant(c, body, kept)
	if err != nil {
		return nil, err
	}
	return s.who(c, grant.AccessKeyID, grant.Token, grant.Stamp, types.OAuth2ErrorCodeTokenExpired)
}

func (s *Service) who(c *service.Call, accessKeyID, token, stamp string, expired types.OAuth2ErrorCode) (*authn.Principal, error) {
	p, err := s.principal(c, accessKeyID, token, stamp)
	if err == nil && p == nil {
		return nil, denied(expired, "The session has ended. Sign in again.")
	}
	return p, err
}

func (s *Service) tokenURLs() []string {
	origins := slices.Clone(s.config.Origins())
	for i := range origins {
		origins[i] += tokenPath
	}
	return origins
}

// codeKey is the key of the record of a code.
func codeKey(code string) (key []string, ok bool) {
	id, _, secret, ok := splitSecret(code, 2)
	return []string{id, identity.Digest(secret)}, ok
}

// findCode finds the code of a request and says whether who brings it is whom it was
// given to.
func (s *Service) findCode(c *service.Call, body *types.CreateOAuth2TokenRequestBody) (*identity.OAuthCode, error) {
	switch {
	case body.Code == nil || body.CodeVerifier == nil || body.RedirectUri == nil:
		return nil, invalid("code, codeVerifier and redirectUri are required with the grant type " + byCode + ".")
	case body.RefreshToken != nil:
		return nil, invalid("refreshToken does not go with the grant type " + byCode + ".")
	}
	unknown := denied(types.OAuth2ErrorCodeAuthcodeExpired, "The authorization code is not valid, was used, or has expired. Sign in again.")
	key, ok := codeKey(*body.Code)
	if !ok {
		return nil, unknown
	}
	code, err := identity.OAuthCodes.Get(c.Reader, key...)
	if errors.Is(err, store.ErrNotFound) || err == nil && code.Purpose != identity.ForCredentials {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	c.Event.Account = code.Account
	c.Event.Identity.AccountID = string(code.Account)
	if !c.Now.Before(code.Expires) {
		return nil, unknown
	}
	challenge := sha256.Sum256([]byte(*body.CodeVerifier))
	matches := subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(challenge[:])), []byte(code.Challenge))
	if matches != 1 || text(body.ClientId) != code.ClientID || *body.RedirectUri != code.RedirectURI {
		return nil, invalid("The authorization code was given for another client, redirect URI or code verifier.")
	}
	return code, nil
}

// grantKey is the key of the record of the sign-in session of a refresh token.
func grantKey(refreshToken string) (key []string, secret string, ok bool) {
	id, session, secret, ok := splitSecret(refreshToken, 3)
	return []string{id, session}, secret, ok && session != "" && !strings.ContainsRune(session, 0)
}

// findGrant finds the sign-in session of a refresh token, which is bound to a key.
func (s *Service) findGrant(c *service.Call, body *types.CreateOAuth2TokenRequestBody, by proof) (*identity.OAuthGrant, error) {
	switch {
	case body.RefreshToken == nil:
		return nil, invalid("refreshToken is required with the grant type " + byRefresh + ".")
	case body.Code != nil || body.CodeVerifier != nil || body.RedirectUri != nil:
		return nil, invalid("code, codeVerifier and redirectUri do not go with the grant type " + byRefresh + ".")
	}
	ended := denied(types.OAuth2ErrorCodeTokenExpired, "The session has ended. Sign in again.")
	key, secret, ok := grantKey(*body.RefreshToken)
	if !ok {
		return nil, ended
	}
	grant, err := identity.OAuthGrants.Get(c.Reader, key...)
	if errors.Is(err, store.ErrNotFound) || err == nil && !identity.SameDigest(grant.Secret, identity.Digest(secret)) {
		return nil, ended
	}
	if err != nil {
		return nil, err
	}
	c.Event.Account = grant.Account
	c.Event.Identity.AccountID = string(grant.Account)
	switch {
	case !c.Now.Before(grant.Expires):
		return nil, ended
	case !identity.SameDigest(grant.Key, by.key):
		return nil, denied(types.OAuth2ErrorCodeTokenExpired, "The refresh token is bound to another key. Sign in again.")
	case text(body.ClientId) != grant.ClientID:
		return nil, invalid("The refresh token was given to another client.")
	}
	return grant, nil
}

func mayCreateToken(c *service.Call, in *signin.CreateOAuth2TokenInput) ([]authz.Check, error) {
	return []authz.Check{authz.On(c.Scope.PublicClient(c.Region, publicClient(text(in.TokenInput.ClientId))))}, nil
}

func recordToken(in *signin.CreateOAuth2TokenInput, _ bool) (request, response any) {
	if in.TokenInput == nil || in.TokenInput.ClientId == nil {
		return nil, nil
	}
	return map[string]string{"client_id": *in.TokenInput.ClientId}, nil
}

// CreateOAuth2Token gives a program credentials of the person who agreed to it: for a code,
// once, and then, again and again, for the refresh token that it got with the first ones.
//
// A refresh token stays the same. It is worth nothing without the private key, and AWS's
// clients, which may refresh at the same time, rely on that.
func (s *Service) CreateOAuth2Token(c *service.Call, in *signin.CreateOAuth2TokenInput) (*signin.CreateOAuth2TokenOutput, error) {
	by, ok := c.Kept().(proof)
	if !ok {
		return nil, errors.New("the proof was not verified")
	}
	if text(in.TokenInput.GrantType) == byCode {
		return s.redeem(c, in.TokenInput, by)
	}
	return s.refresh(c, in.TokenInput, by)
}

// redeem makes a sign-in session of a code.
func (s *Service) redeem(c *service.Call, body *types.CreateOAuth2TokenRequestBody, by proof) (*signin.CreateOAuth2TokenOutput, error) {
	key, _ := codeKey(*body.Code)
	code, err := identity.OAuthCodes.Get(c.Tx, key...)
	if err != nil {
		return nil, err
	}
	if code.Grant != "" {
		// Two have the code, and one of them is not whom it was meant for: what the first
		// got ends (RFC 6749, 4.1.2).
		identity.OAuthGrants.Delete(c.Tx, code.PersonID, code.Grant)
		return nil, service.Commit(denied(types.OAuth2ErrorCodeAuthcodeExpired, "The authorization code was used before. Sign in again."))
	}
	sn := c.Principal.Session
	id, err := uuid.NewRandomFromReader(c.Rand)
	if err != nil {
		return nil, fmt.Errorf("draw the id of a sign-in session: %w", err)
	}
	secret, err := newSecret(c.Rand)
	if err != nil {
		return nil, err
	}
	grant := &identity.OAuthGrant{
		Account: code.Account, PersonID: code.PersonID, ClientID: code.ClientID,
		Created: c.Now, LastUsed: c.Now, Expires: earlier(c.Now.Add(sessionLifetime), sn.Expires),
		AccessKeyID: code.AccessKeyID, Token: code.Token, Stamp: code.Stamp,
		Secret: identity.Digest(secret), Key: by.key,
		Address: c.Event.SourceIP, UserAgent: cut(c.Event.UserAgent, 256),
	}
	use(grant, by, c.SignedNow)
	if err := s.endOldest(c.Tx, c.Principal, c.Now); err != nil {
		return nil, err
	}
	if err := identity.OAuthGrants.Put(c.Tx, grant, grant.PersonID, id.String()); err != nil {
		return nil, err
	}
	err = identity.OAuthCodes.Edit(c.Tx, func(code *identity.OAuthCode) error {
		code.Used, code.Grant = c.Now, id.String()
		return nil
	}, key...)
	if err != nil {
		return nil, err
	}
	out, err := s.credentials(c, grant, id.String(), person(grant.PersonID)+"."+id.String()+"."+secret, byCode)
	if err != nil {
		return nil, err
	}
	idToken, err := s.idToken(c, grant)
	out.TokenOutput.IdToken = &idToken
	return out, err
}

// endOldest makes room for one more sign-in session of a bearer.
func (s *Service) endOldest(tx store.Tx, p *authn.Principal, now time.Time) error {
	person := p.Session.Person()
	all, err := session.Logins(tx, person, now)
	if err != nil {
		return err
	}
	kept := len(all)
	own := slices.DeleteFunc(all, func(l session.Login) bool { return !s.sameBearer(p.Session, l.AccessKeyID, l.Token) })
	slices.SortFunc(own, func(a, b session.Login) int {
		return cmp.Or(b.LastUsed.Compare(a.LastUsed), strings.Compare(a.ID, b.ID))
	})
	for i := maxSessions - 1; i < len(own); i++ {
		identity.OAuthGrants.Delete(tx, person, own[i].ID)
		kept--
	}
	if kept >= maxOfName {
		return throttled("Too many programs are signed in as " + p.ARN + ".")
	}
	return nil
}

func (s *Service) refresh(c *service.Call, body *types.CreateOAuth2TokenRequestBody, by proof) (*signin.CreateOAuth2TokenOutput, error) {
	key, _, _ := grantKey(*body.RefreshToken)
	var grant *identity.OAuthGrant
	err := identity.OAuthGrants.Edit(c.Tx, func(g *identity.OAuthGrant) error {
		switch use(g, by, c.SignedNow) {
		case replayed:
			return invalid("The DPoP proof was used before.")
		case tooMany:
			return throttled("Rate exceeded")
		}
		g.LastUsed = c.Now
		grant = g
		return nil
	}, key...)
	if err != nil {
		return nil, err
	}
	return s.credentials(c, grant, key[1], *body.RefreshToken, byRefresh)
}

// credentials makes the answer: a session of the person like that of the console, and with
// its issue time, so that whatever ends older sessions ends it, too.
func (s *Service) credentials(c *service.Call, grant *identity.OAuthGrant, id, refreshToken, by string) (*signin.CreateOAuth2TokenOutput, error) {
	own := *c.Principal.Session
	own.Console = false
	own.SignIn = c.Scope.SignInSession(c.Region, id)
	now := c.Now.Truncate(time.Second)
	own.Expires = earlier(now.Add(accessLifetime), grant.Expires)
	made, err := s.config.Sessions.Mint(&own, c.Rand)
	if err != nil {
		return nil, err
	}
	lifetime := int32(own.Expires.Sub(now) / time.Second)
	if lifetime < 1 {
		return nil, denied(types.OAuth2ErrorCodeTokenExpired, "The session has ended. Sign in again.")
	}
	additional(c, success{GrantType: by, SignInSessionARN: own.SignIn, Success: "true"})
	return &signin.CreateOAuth2TokenOutput{TokenOutput: &types.CreateOAuth2TokenResponseBody{
		AccessToken: &types.AccessToken{
			AccessKeyId:     aws.String(made.AccessKeyID),
			SecretAccessKey: aws.String(made.SecretAccessKey),
			SessionToken:    aws.String(made.SessionToken),
		},
		TokenType:    aws.String("aws_sigv4"),
		ExpiresIn:    &lifetime,
		RefreshToken: &refreshToken,
	}}, nil
}

// idToken tells the program whose credentials it has: sub is the ARN, by which `aws login`
// names the session. No client verifies it, since it comes over the connection on which
// the credentials do; it is signed with a key of our own, so that we could.
func (s *Service) idToken(c *service.Call, grant *identity.OAuthGrant) (string, error) {
	header := []byte(`{"alg":"HS256","typ":"JWT"}`)
	claims, err := json.Marshal(struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
	}{s.public(), c.Principal.ARN, grant.ClientID, c.Now.Unix(), grant.Expires.Unix()})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode(header) + "." + encode(claims)
	mac := hmac.New(sha256.New, s.config.Key)
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil)), nil
}

// stampOf is the SignInStamp of a principal who has a sign-in of their own.
func stampOf(r store.Reader, p *authn.Principal) (string, error) {
	if p.Kind != authn.User && p.Kind != authn.Root {
		return "", nil
	}
	return session.Stamp(r, p.Session.Person())
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// cut shortens a text that a client chose.
func cut(text string, most int) string {
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}
