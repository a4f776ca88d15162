package sigv4

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Protocol is the family of AWS wire protocols in which an error is told; the
// same refusal has another code and status in each.
type Protocol uint8

const (
	Query   Protocol = iota // IAM, STS
	AWSJSON                 // awsJson 1.0 and 1.1: CloudTrail, Organizations, …
	REST                    // restJson1: the SSO portal, Roles Anywhere, …
	RESTXML                 // S3
	protocols
)

// ErrorKind says why a request was refused.
type ErrorKind uint8

const (
	// MissingToken: the request carries no signature at all.
	MissingToken ErrorKind = iota + 1
	// Incomplete: the Authorization header does not follow the grammar.
	Incomplete
	// BadQuery: the X-Amz-* parameters of a presigned request do not follow the grammar.
	BadQuery
	// TwoMechanisms: an Authorization header and a presigned query at once.
	TwoMechanisms
	// InvalidClientToken: the access key id is unknown, inactive or cannot exist.
	InvalidClientToken
	// InvalidSessionToken: the session token is missing, damaged or of another key.
	InvalidSessionToken
	// ExpiredToken: the session of the temporary credentials has ended.
	ExpiredToken
	// SignatureMismatch: the signature is not the one the secret makes.
	SignatureMismatch
	// WrongScope: the credential scope names another service or day, or no valid region.
	WrongScope
	// WrongRegion: the credential scope names a region other than the one asked for.
	WrongRegion
	// TimeSkewed: the request was signed too long ago or too far ahead.
	TimeSkewed
	// PresignedExpired: X-Amz-Expires has run out.
	PresignedExpired
	// PresignedNotYet: the presigned request is dated in the future.
	PresignedNotYet
	// UnsignedHeader: host, the date or an x-amz-* header is not among the signed headers.
	UnsignedHeader
	// BodyHash: the body is not the one that x-amz-content-sha256 declares.
	BodyHash
	// UnsignedBody: the body is declared unsigned, or not at all, where it has to be signed.
	UnsignedBody
	kinds
)

// Texts that several rows share.
const (
	textMismatch   = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	textMismatchS3 = "The request signature we calculated does not match the signature you provided. Check your key and signing method."
	textBadToken   = "The security token included in the request is invalid"
	textExpired    = "The security token included in the request is expired"
	textUnsigned   = "There were headers present in the request which were not signed"
)

// answer is how one protocol tells one kind of refusal. An empty text means the
// error's own message.
type answer struct {
	code   string
	status int
	text   string
}

// answers is the table of authentication errors, one row per kind; the columns
// are Query, AWSJSON, REST and RESTXML.
var answers = [kinds][protocols]answer{
	MissingToken: {
		{"MissingAuthenticationToken", 403, "Request is missing Authentication Token"},
		{"MissingAuthenticationTokenException", 400, "Request is missing Authentication Token"},
		{"MissingAuthenticationTokenException", 403, "Missing Authentication Token"},
		{"AccessDenied", 403, "Access Denied"},
	},
	Incomplete: {
		{"IncompleteSignature", 400, ""},
		{"IncompleteSignatureException", 400, ""},
		{"IncompleteSignatureException", 403, ""},
		{"AuthorizationHeaderMalformed", 400, ""},
	},
	BadQuery: {
		{"IncompleteSignature", 400, ""},
		{"IncompleteSignatureException", 400, ""},
		{"IncompleteSignatureException", 400, ""},
		{"AuthorizationQueryParametersError", 400, ""},
	},
	TwoMechanisms: {
		{"InvalidArgument", 400, ""},
		{"InvalidArgument", 400, ""},
		{"InvalidArgument", 400, ""},
		{"InvalidArgument", 400, ""},
	},
	InvalidClientToken: {
		{"InvalidClientTokenId", 403, textBadToken},
		{"UnrecognizedClientException", 400, textBadToken + "."},
		{"UnrecognizedClientException", 403, textBadToken + "."},
		{"InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."},
	},
	InvalidSessionToken: {
		{"InvalidClientTokenId", 403, textBadToken},
		{"UnrecognizedClientException", 400, textBadToken + "."},
		{"UnrecognizedClientException", 403, textBadToken + "."},
		{"InvalidToken", 400, "The provided token is malformed or otherwise invalid."},
	},
	ExpiredToken: {
		{"ExpiredToken", 403, textExpired},
		{"ExpiredTokenException", 400, textExpired},
		{"ExpiredTokenException", 403, textExpired},
		{"ExpiredToken", 400, "The provided token has expired."},
	},
	SignatureMismatch: {
		{"SignatureDoesNotMatch", 403, textMismatch},
		{"InvalidSignatureException", 403, textMismatch},
		{"InvalidSignatureException", 403, textMismatch},
		{"SignatureDoesNotMatch", 403, textMismatchS3},
	},
	WrongScope: {
		{"SignatureDoesNotMatch", 403, ""},
		{"InvalidSignatureException", 403, ""},
		{"InvalidSignatureException", 403, ""},
		{"SignatureDoesNotMatch", 403, ""},
	},
	WrongRegion: {
		{"SignatureDoesNotMatch", 403, ""},
		{"InvalidSignatureException", 403, ""},
		{"InvalidSignatureException", 403, ""},
		{"AuthorizationHeaderMalformed", 400, ""},
	},
	TimeSkewed: {
		{"SignatureDoesNotMatch", 403, ""},
		{"InvalidSignatureException", 400, ""},
		{"InvalidSignatureException", 400, ""},
		{"RequestTimeTooSkewed", 403, "The difference between the request time and the current time is too large."},
	},
	PresignedExpired: {
		{"SignatureDoesNotMatch", 403, ""},
		{"InvalidSignatureException", 400, ""},
		{"InvalidSignatureException", 400, ""},
		{"AccessDenied", 403, "Request has expired"},
	},
	PresignedNotYet: {
		{"SignatureDoesNotMatch", 403, ""},
		{"InvalidSignatureException", 400, ""},
		{"InvalidSignatureException", 400, ""},
		{"AccessDenied", 403, "Request is not valid yet"},
	},
	UnsignedHeader: {
		{"AccessDenied", 403, ""},
		{"AccessDeniedException", 403, ""},
		{"AccessDeniedException", 403, ""},
		{"AccessDenied", 403, textUnsigned},
	},
	BodyHash: {
		{"SignatureDoesNotMatch", 403, textMismatch},
		{"InvalidSignatureException", 403, textMismatch},
		{"InvalidSignatureException", 403, textMismatch},
		{"XAmzContentSHA256Mismatch", 400, "The provided 'x-amz-content-sha256' header does not match what was computed."},
	},
	UnsignedBody: {
		{"SignatureDoesNotMatch", 403, textMismatch},
		{"InvalidSignatureException", 403, textMismatch},
		{"InvalidSignatureException", 403, textMismatch},
		{"InvalidRequest", 400, ""},
	},
}

// Error is a refusal. A caller that looks up keys and sessions makes its own by
// Kind alone (&Error{Kind: ExpiredToken}), so that all authentication errors
// speak from one table.
type Error struct {
	Kind ErrorKind

	// Message is the text of those kinds whose text depends on the request; for
	// the others the table has it. Client input in it is shortened and holds
	// printable ASCII only.
	Message string

	// Details are the elements that S3 adds to its error body, in order.
	Details []Detail

	// CanonicalRequest and StringToSign are what the signature should have been
	// made of. They are set on SignatureMismatch when [Options.Echo] asks for
	// it, and may hold the caller's session token: never log them.
	CanonicalRequest, StringToSign string
}

// Detail is one extra element of an S3 error body.
type Detail struct{ Name, Value string }

// Code returns the error's code and HTTP status in a protocol.
func (e *Error) Code(p Protocol) (code string, status int) {
	a := e.answer(p)
	return a.code, a.status
}

// Text returns the message that a protocol sends to the caller.
func (e *Error) Text(p Protocol) string {
	text := e.answer(p).text
	if text == "" {
		text = e.Message
	}
	if e.CanonicalRequest != "" && p != RESTXML {
		text += "\n\nThe Canonical String for this request should have been\n'" + e.CanonicalRequest +
			"'\n\nThe String-to-Sign should have been\n'" + e.StringToSign + "'\n"
	}
	return text
}

// Error is the text for logs: the code and text of the query protocol, never
// the canonical request.
func (e *Error) Error() string {
	a := e.answer(Query)
	if a.text == "" {
		a.text = e.Message
	}
	return "sigv4: " + a.code + ": " + a.text
}

// answer finds the row; a kind or protocol that does not exist is refused all
// the same.
func (e *Error) answer(p Protocol) answer {
	if e.Kind == 0 || e.Kind >= kinds || p >= protocols {
		return answer{"AccessDenied", http.StatusForbidden, "Access Denied"}
	}
	return answers[e.Kind][p]
}

// maxEcho bounds how much of a header or parameter a message repeats. AWS
// repeats all of it; a hostile 10 kB key id need not come back, nor fill a log.
const maxEcho = 1024

// echo makes client input fit for a message.
func echo(s string) string {
	tail := ""
	if len(s) > maxEcho {
		s, tail = s[:maxEcho], "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s) + tail
}

func incomplete(format string, args ...any) *Error {
	return &Error{Kind: Incomplete, Message: fmt.Sprintf(format, args...)}
}

func badQuery(format string, args ...any) *Error {
	return &Error{Kind: BadQuery, Message: fmt.Sprintf(format, args...)}
}

// expired is the refusal of a signature made before now-window.
func expired(kind ErrorKind, signed, now time.Time, window time.Duration) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %s)",
		signed.Format(isoBasic), now.Add(-window).Format(isoBasic), now.Format(isoBasic), windowText(window))}
}

// notYet is the refusal of a signature made after now+window.
func notYet(kind ErrorKind, signed, now time.Time, window time.Duration) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + %s)",
		signed.Format(isoBasic), now.Add(window).Format(isoBasic), now.Format(isoBasic), windowText(window))}
}

// windowText is "15 min.": AWS counts in minutes. A presigned lifetime that is
// no whole number of them is told in seconds.
func windowText(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d min.", d/time.Minute)
	}
	return fmt.Sprintf("%d sec.", d/time.Second)
}
