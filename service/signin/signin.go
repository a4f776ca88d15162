// Package signin owns the operations of AWS Sign-In: `aws login`, which lets a program on
// a person's machine have short-lived credentials of theirs (an authorization code with
// PKCE, redeemed and refreshed with proof of a key, RFC 7636 and RFC 9449), and the
// federation endpoint, which turns the temporary credentials of an identity broker into a
// session of the console.
//
// The pages on which people consent are package console's, which calls
// AuthorizeOAuth2Access with [Client]. What a browser session is, is package session's.
//
// Sources: AWS Sign-In API Reference; IAM User Guide, "Enable custom identity broker
// access to the AWS console"; the public sources of the AWS CLI and SDKs.
package signin

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/signin"
	"github.com/aws/aws-sdk-go-v2/service/signin/schemas"
	"github.com/aws/aws-sdk-go-v2/service/signin/types"
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/sigv4"
	"github.com/lanyard-iam/lanyard/store"
)

// SigningName is the service in the credential scope.
const SigningName = "signin"

// Config is what sign-in is built from. All fields must be set.
type Config struct {
	Sessions *session.Codec
	// Again finds the principal of a session and says whether it is still good.
	Again func(r store.Reader, p *authn.Principal, partition arn.Partition) (*authn.Principal, error)
	// Origins are the URLs, without a path, by which clients reach this server: the first
	// is the public one, where the console is. It is empty where there is no console.
	Origins func() []string
	// Key signs identity tokens.
	Key []byte
}

// Service is AWS Sign-In. It is safe for concurrent use.
type Service struct{ config Config }

// New makes sign-in.
func New(config Config) *Service { return &Service{config: config} }

// Operations is the service as the pipeline sees it.
func (s *Service) Operations() service.Set {
	return service.Set{
		SigningName:  SigningName,
		EventSource:  "signin.amazonaws.com",
		Version:      schemas.Signin.Version,
		ActionPrefix: "signin",
		Operations: []service.Operation{
			service.Op("AuthorizeOAuth2Access", service.Write, s.AuthorizeOAuth2Access, mayAuthorize,
				service.At[AuthorizeOAuth2AccessInput](authorizeSchemas()),
				service.RecordedAs[AuthorizeOAuth2AccessInput](true),
				service.RecordedWith(recordAuthorize),
				service.ForConsole[AuthorizeOAuth2AccessInput]()),
			service.Op("CreateOAuth2Token", service.Write, s.CreateOAuth2Token, mayCreateToken,
				service.At[signin.CreateOAuth2TokenInput](schemas.CreateOAuth2Token, schemas.CreateOAuth2TokenRequest, schemas.CreateOAuth2TokenResponse),
				service.Public(s.whoCreatesToken),
				service.RecordedAs[signin.CreateOAuth2TokenInput](true),
				service.RecordedWith(recordToken)),
			service.Op("GetSigninToken", service.Write, s.GetSigninToken, nil,
				service.At[GetSigninTokenInput](getSigninTokenSchemas()),
				service.Public(s.whoGetsSigninToken),
				service.RecordedWith(recordSigninToken),
				service.ForConsole[GetSigninTokenInput]()),
			service.Op("ConsoleLogin", service.Write, s.ConsoleLogin, nil,
				service.At[ConsoleLoginInput](consoleLoginSchemas()),
				service.Public(s.whoLogsIn),
				service.RecordedWith(recordConsoleLogin),
				service.ForConsole[ConsoleLoginInput]()),
		},
		NotYet:   names(notYet()),
		NotYetAt: notYet(),
		Refusal:  refusal,
	}
}

// notYet are the operations of AWS's that are not built.
func notYet() []*smithy.Schema {
	return []*smithy.Schema{
		schemas.CreateOAuth2TokenWithIAM,
		schemas.CreateOAuth2TokenWithTokenExchange,
		schemas.DeleteConsoleAuthorizationConfiguration,
		schemas.DeleteResourcePermissionStatement,
		schemas.GetConsoleAuthorizationConfiguration,
		schemas.GetResourcePolicy,
		schemas.IntrospectOAuth2TokenWithIAM,
		schemas.ListResourcePermissionStatements,
		schemas.PutConsoleAuthorizationConfiguration,
		schemas.PutResourcePermissionStatement,
		schemas.RevokeOAuth2TokenWithIAM,
	}
}

func names(all []*smithy.Schema) []string {
	names := make([]string, len(all))
	for i, schema := range all {
		names[i] = schema.ID().Name
	}
	return names
}

// refusal says an error in the exceptions of sign-in, whose clients look at their member
// error.
func refusal(err error) error {
	var api smithy.APIError
	if _, ok := errors.AsType[*sigv4.Error](err); ok || !errors.As(err, &api) {
		return err
	}
	switch api.(type) {
	case *types.AccessDeniedException, *types.ValidationException, *types.TooManyRequestsError, *types.InternalServerException:
		return err
	}
	switch code := api.ErrorCode(); code {
	case "AccessDenied", "AccessDeniedException":
		return denied(types.OAuth2ErrorCodeInsufficientPermissions, api.ErrorMessage())
	case "UnknownOperationException", "UnsupportedOperationException", "InvalidAction":
		return err
	}
	if api.ErrorFault() == smithy.FaultServer {
		return err
	}
	return invalid(api.ErrorMessage())
}

// denied is AWS's AccessDeniedException: 401 where the person has to sign in again, 403
// where that alone would not help.
func denied(code types.OAuth2ErrorCode, message string) error {
	status := http.StatusForbidden
	if code == types.OAuth2ErrorCodeTokenExpired || code == types.OAuth2ErrorCodeAuthcodeExpired {
		status = http.StatusUnauthorized
	}
	return service.WithStatus(&types.AccessDeniedException{Error_: code, Message: &message}, status)
}

func invalid(message string) error {
	return &types.ValidationException{Error_: types.OAuth2ErrorCodeInvalidRequest, Message: &message}
}

func throttled(message string) error {
	return &types.TooManyRequestsError{Error_: types.OAuth2ErrorCodeInvalidRequest, Message: &message}
}

// public is the URL of the console, or empty.
func (s *Service) public() string {
	if origins := s.config.Origins(); len(origins) > 0 {
		return origins[0]
	}
	return ""
}

// own tells whether a URL is one of ours plus a path.
func (s *Service) own(uri, path string) bool {
	origin, ok := strings.CutSuffix(uri, path)
	return ok && slices.Contains(s.config.Origins(), origin)
}

// within returns the path, query and fragment of a URL within the console, which is
// written as a whole or from the path on. Anything else is not within: another host,
// scheme or user, and what a browser would read as such.
func (s *Service) within(destination string) (path string, ok bool) {
	for _, c := range []byte(destination) {
		if c <= ' ' || c > '~' || c == '\\' {
			return "", false
		}
	}
	u, err := url.Parse(destination)
	if err != nil || u.User != nil || u.Opaque != "" {
		return "", false
	}
	if u.Scheme != "" || u.Host != "" {
		if !slices.Contains(s.config.Origins(), u.Scheme+"://"+u.Host) {
			return "", false
		}
		u.Scheme, u.Host = "", ""
		if u.Path == "" {
			u.Path = "/"
		}
	}
	path = u.String()
	return path, strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//")
}

// sealed makes a token that holds a session, with its times: for records, which nobody
// gets to see.
func (s *Service) sealed(of *session.Session, rand io.Reader) (accessKeyID, token string, err error) {
	held := *of
	held.Console = false // it does not end with the browser session
	credentials, err := s.config.Sessions.Mint(&held, rand)
	return credentials.AccessKeyID, credentials.SessionToken, err
}

// principal is who a session that a record holds speaks for, at a time. An error that
// is nil, with no principal, means that the session is not good any more.
func (s *Service) principal(c *service.Call, accessKeyID, token, stamp string) (*authn.Principal, error) {
	sn, err := s.config.Sessions.Open(accessKeyID, token)
	if err != nil || !c.Now.Before(sn.Expires) {
		return nil, nil // the key under it is retired, or it has run out
	}
	same, err := session.SameStamp(c.Reader, sn.Person(), stamp)
	if err != nil {
		return nil, err
	}
	if !same {
		return nil, denied(types.OAuth2ErrorCodeUserCredentialsChanged, "The password or the MFA devices of the user have changed. Sign in again.")
	}
	p, err := s.config.Again(c.Reader, &authn.Principal{Session: sn}, c.Scope.Partition)
	if _, refused := errors.AsType[*sigv4.Error](err); refused {
		return nil, nil // revoked, or the user or role is gone
	}
	if err != nil {
		return nil, err
	}
	// As in CloudTrail's records: what was signed with is no access key of the caller's.
	own := *p
	own.AccessKeyID = ""
	return &own, nil
}

// Sweep deletes codes and sign-in sessions that have expired, at most some at once, and
// tells whether there may be more.
func Sweep(tx store.Tx, now time.Time) (more bool, err error) {
	const atOnce = 500
	var keys []store.Key
	err = identity.OAuthCodes.Scan(tx, "", func(key store.Key, code *identity.OAuthCode) bool {
		if !now.Before(code.Expires) {
			keys = append(keys, key)
		}
		return len(keys) < atOnce
	})
	if err == nil {
		err = identity.OAuthGrants.Scan(tx, "", func(key store.Key, grant *identity.OAuthGrant) bool {
			if !now.Before(grant.Expires) {
				keys = append(keys, key)
			}
			return len(keys) < atOnce
		})
	}
	for _, key := range keys {
		tx.Delete(key)
	}
	return len(keys) >= atOnce, err
}

// success is additionalEventData of AWS's records of `aws login`.
type success struct {
	GrantType        string `json:"grant_type,omitempty"`
	SignInSessionARN string `json:"signInSessionArn,omitempty"`
	Success          string `json:"success"`
}

func text(p *string) string { return aws.ToString(p) }

// schema begins the schemas of an operation that AWS documents and the SDK has not.
func schema(name string, kind smithy.ShapeType, traits ...smithy.Trait) *smithy.Schema {
	return smithy.NewSchema(smithy.ShapeID{Namespace: "com.amazonaws.signin", Name: name}, kind, 0, traits...)
}
