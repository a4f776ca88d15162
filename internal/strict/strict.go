// Package strict is a narrow HTTP/1.1 profile in front of net/http.
//
// net/http repairs or overlooks what a proxy, a signature or a second parser
// may read another way: it joins folded header lines, lets chunked coding win
// over a Content-Length, lets an absolute request-target replace Host, and drops
// query parameters it cannot decode. [Listener] watches the bytes of every
// connection before net/http reads them, and turns whatever is ambiguous into
// 400 Bad Request and a closed connection. [CheckTarget] does the same for what
// is left to the request-target.
//
// Bytes are watched where net/http reads them, neither copied nor kept, one
// request after the other: header blocks are checked, bodies are skipped by
// exactly the framing net/http will use.
//
// Left to others: timeouts, body sizes and the host's own syntax (net/http),
// the meaning of any header (sigv4, protocol), HTTP/2. A handler must not
// hijack a connection: what followed would be watched as HTTP.
package strict

// Limits of a request's head. They are far above what AWS clients send.
const (
	// MaxHeaderBlock bounds request line and headers together, in bytes; trailers
	// have the same allowance again. S3 permits 8 kB of headers and a session
	// token may take several.
	MaxHeaderBlock = 32 << 10
	// MaxHeaders bounds the header lines of a request.
	MaxHeaders = 100
	// MaxCookies bounds the cookies of a request, over all Cookie headers.
	MaxCookies = 100
	// MaxParameters bounds the parameters of a query string.
	MaxParameters = 1000

	// maxMethod is longer than any registered method.
	maxMethod = 32
	// maxHost is the longest host name (RFC 1035), a port and brackets.
	maxHost = 272
	// maxChunkDigits keeps the size of a chunk below 2^60.
	maxChunkDigits = 15
	// maxLengthDigits keeps a Content-Length below 2^63.
	maxLengthDigits = 18
)

// Violation is what a request did that the profile forbids. It is an error, and
// a small number fit for a metric's label.
type Violation uint8

const (
	BadMethod Violation = iota + 1
	BadTarget
	BadVersion
	BareCR
	BareLF
	Folding
	BadName
	BadValue
	HeadersTooLarge
	TooManyHeaders
	TooManyCookies
	MissingHost
	RepeatedHost
	BadHost
	TargetNotHost
	RepeatedAuthorization
	NominatedHeader
	BadTE
	RepeatedLength
	BadLength
	BadEncoding
	LengthAndEncoding
	BadChunk
	TooManyParameters
	BadEscape
	Semicolon
	CaseTwins
	NulInPath
	violations
)

// Error says what was wrong in words of our own: none of the request's bytes
// are in it.
func (v Violation) Error() string {
	if v == 0 || v >= violations {
		return "strict: unknown violation"
	}
	return "strict: " + [violations]string{
		BadMethod:             "method is not a token",
		BadTarget:             "request-target is neither a path nor an http URL",
		BadVersion:            "version is neither HTTP/1.1 nor HTTP/1.0",
		BareCR:                "carriage return without line feed",
		BareLF:                "line feed without carriage return",
		Folding:               "header line is folded or begins with white space",
		BadName:               "header name is not a token followed by a colon",
		BadValue:              "header value has a byte that is not printable ASCII",
		HeadersTooLarge:       "header block is too large",
		TooManyHeaders:        "too many headers",
		TooManyCookies:        "too many cookies",
		MissingHost:           "Host is missing",
		RepeatedHost:          "Host is repeated",
		BadHost:               "Host is too long",
		TargetNotHost:         "request-target and Host name different hosts",
		RepeatedAuthorization: "Authorization is repeated",
		NominatedHeader:       "Connection names a header that is not its own",
		BadTE:                 "TE asks for more than trailers",
		RepeatedLength:        "Content-Length is repeated",
		BadLength:             "Content-Length is not a number",
		BadEncoding:           "Transfer-Encoding is not chunked alone, or not HTTP/1.1",
		LengthAndEncoding:     "Content-Length and Transfer-Encoding together",
		BadChunk:              "chunk framing is malformed",
		TooManyParameters:     "query has too many parameters",
		BadEscape:             "query has an invalid percent-escape",
		Semicolon:             "query has a semicolon",
		CaseTwins:             "query has parameters that differ in case only",
		NulInPath:             "path has a NUL",
	}[v]
}
