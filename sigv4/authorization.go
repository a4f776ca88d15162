package sigv4

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"

	// isoBasic is the form of X-Amz-Date.
	isoBasic = "20060102T150405Z"

	// maxAccessKeyID is the longest access key id of AWS's accessKeyIdType.
	maxAccessKeyID = 128
	// maxScopePart bounds region and service, which become part of cache keys;
	// AWS's longest names have about 30 bytes.
	maxScopePart = 64
	// maxPresigned is seven days, the longest X-Amz-Expires of any service.
	maxPresigned = 7 * 24 * time.Hour
)

// Authorization is what a request says about its own signature. None of it is
// true until [Verifier.Verify] has returned nil.
type Authorization struct {
	AccessKeyID string
	Scope       string // Date/Region/Service/terminator, as in the string to sign
	Date        string // yyyymmdd
	Region      string
	Service     string // signing name, such as "iam"

	SignedHeaders string // lower-case names in ascending order, joined by ";"
	Signature     string

	Time      time.Time // when it was signed, UTC
	Timestamp string    // the same as yyyymmddThhmmssZ

	// SecurityToken is the session token of temporary credentials, or "". That
	// it belongs to AccessKeyID is for the caller to check.
	SecurityToken string

	Presigned bool
	Expires   time.Duration // of a presigned request: 1 s to 7 days

	dateHeader bool   // Time comes from Date, as X-Amz-Date is absent
	bodyHash   string // X-Amz-Content-Sha256 of a presigned query
}

// Signed reports whether a header, by its lower-case name, is among the signed ones.
func (a *Authorization) Signed(name string) bool {
	for signed := range strings.SplitSeq(a.SignedHeaders, ";") {
		if signed == name {
			return true
		}
	}
	return false
}

// Parse reads the Authorization header or the presigned query of a request. It
// needs no secret, follows the grammar to the letter and accepts one mechanism
// only. Its errors are of type [*Error]; with one comes the zero Authorization.
func Parse(r *Request) (Authorization, error) {
	_, rawQuery, ok := r.split()
	if !ok {
		return Authorization{}, incomplete("The request-target '%s' is not a path, or names another host.", echo(r.Target))
	}
	var query authQuery
	if rawQuery != "" {
		if err := query.read(rawQuery); err != nil {
			return Authorization{}, err
		}
	}
	headers := r.values("authorization")
	presigned := query.has(qAlgorithm) || query.has(qCredential) || query.has(qSignature)
	var (
		a   Authorization
		err *Error
	)
	switch {
	case presigned && len(headers) > 0, len(headers) > 1:
		err = &Error{Kind: TwoMechanisms, Message: "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"}
	case presigned:
		err = a.parseQuery(r, &query)
	case len(headers) == 1:
		err = a.parseHeader(r, headers[0])
	default:
		err = &Error{Kind: MissingToken}
	}
	if err != nil {
		return Authorization{}, err
	}
	return a, nil
}

// parseHeader reads "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…".
func (a *Authorization) parseHeader(r *Request, header string) *Error {
	scheme, rest, _ := strings.Cut(header, " ")
	if scheme != algorithm {
		// Whatever follows a foreign scheme may be a password or a bearer token.
		return incomplete("Unsupported AWS 'algorithm': '%s'.", echo(scheme))
	}
	var credential string
	var hasCredential, hasSignedHeaders, hasSignature bool
	if rest != "" { // else the texts on missing parameters say it best
		for piece := range strings.SplitSeq(rest, ",") {
			if seenAny := hasCredential || hasSignedHeaders || hasSignature; seenAny {
				piece = strings.TrimLeft(piece, " \t")
			}
			name, value, ok := strings.Cut(piece, "=")
			if !ok {
				return incomplete("'%s' not a valid key=value pair (missing equal-sign) in Authorization header: '%s'.", echo(piece), echo(header))
			}
			var field *string
			var seen *bool
			switch name {
			case "Credential":
				field, seen = &credential, &hasCredential
			case "SignedHeaders":
				field, seen = &a.SignedHeaders, &hasSignedHeaders
			case "Signature":
				field, seen = &a.Signature, &hasSignature
			default:
				return incomplete("'%s' is not a parameter of the Authorization header: '%s'.", echo(name), echo(header))
			}
			if *seen {
				return incomplete("Authorization header has more than one '%s' parameter. Authorization=%s", name, echo(header))
			}
			*field, *seen = value, true
		}
	}
	date, hasDate, once := r.single("x-amz-date")
	if !hasDate {
		date, hasDate, once = r.single("date")
		a.dateHeader = hasDate
	}
	if !once {
		return incomplete("Authorization header requires one 'X-Amz-Date' or 'Date' header. Authorization=%s", echo(header))
	}
	if !hasCredential || !hasSignature || !hasSignedHeaders || !hasDate {
		return missingParameters(hasCredential, hasSignature, hasSignedHeaders, hasDate, header)
	}

	if err := a.parseCredential(credential, Incomplete); err != nil {
		return err
	}
	if !validSignedHeaders(a.SignedHeaders) {
		return incomplete("'SignedHeaders' must be lower-case header names in ascending order, separated by semicolons, got '%s'", echo(a.SignedHeaders))
	}
	if !a.setTime(date) {
		return incomplete("Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", echo(date))
	}
	if a.SecurityToken, _, once = r.single("x-amz-security-token"); !once {
		return &Error{Kind: InvalidSessionToken}
	}
	return nil
}

// missingParameters is AWS's list of everything an Authorization header lacks.
func missingParameters(credential, signature, signedHeaders, date bool, header string) *Error {
	var text strings.Builder
	for _, p := range [...]struct {
		has  bool
		name string
	}{{credential, "Credential"}, {signature, "Signature"}, {signedHeaders, "SignedHeaders"}} {
		if !p.has {
			text.WriteString("Authorization header requires '" + p.name + "' parameter. ")
		}
	}
	if !date {
		text.WriteString("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
	}
	return incomplete("%sAuthorization=%s", text.String(), echo(header))
}

// parseCredential reads "keyid/date/region/service/term". The parts are cut
// here; whether they are the right ones is for Verify.
func (a *Authorization) parseCredential(credential string, kind ErrorKind) *Error {
	parts, n := [5]string{}, 0
	for part := range strings.SplitSeq(credential, "/") {
		if n < len(parts) {
			parts[n] = part
		}
		n++
	}
	if n != len(parts) || parts[1] == "" || parts[2] == "" || parts[3] == "" || parts[4] == "" ||
		len(parts[2]) > maxScopePart || len(parts[3]) > maxScopePart {
		return &Error{Kind: kind, Message: "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '" + echo(credential) + "'"}
	}
	if !validAccessKeyID(parts[0]) {
		return &Error{Kind: InvalidClientToken}
	}
	if parts[4] != terminator {
		return &Error{Kind: kind, Message: "Credential should be scoped with a valid terminator: '" + terminator + "', not '" + echo(parts[4]) + "'."}
	}
	a.AccessKeyID, a.Date, a.Region, a.Service = parts[0], parts[1], parts[2], parts[3]
	a.Scope = credential[len(a.AccessKeyID)+1:]
	return nil
}

// setTime reads X-Amz-Date or, if that is absent, Date: RFC 1123 in its two
// spellings (botocore writes -0000 for GMT) or the ISO form.
func (a *Authorization) setTime(date string) bool {
	t, ok := parseISOBasic(date)
	if !ok && a.dateHeader {
		var err error
		if t, err = time.Parse(http.TimeFormat, date); err != nil {
			t, err = time.Parse(time.RFC1123Z, date)
		}
		t, ok = t.UTC(), err == nil
		date = t.Format(isoBasic)
	}
	a.Time, a.Timestamp = t, date
	return ok
}

// parseISOBasic reads yyyymmddThhmmssZ. time.Parse alone would take a fraction
// of a second as well.
func parseISOBasic(s string) (time.Time, bool) {
	if len(s) != len(isoBasic) {
		return time.Time{}, false
	}
	t, err := time.Parse(isoBasic, s)
	return t, err == nil
}

// validAccessKeyID keeps what cannot be an access key id away from look-ups and
// logs: it is 1 to 128 printable ASCII characters, none of which Credential=
// gives a meaning of its own.
func validAccessKeyID(id string) bool {
	if id == "" || len(id) > maxAccessKeyID {
		return false
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == '/' || c == ',' {
			return false
		}
	}
	return true
}

// validRegion: lower-case letters, digits and hyphens, as in us-east-1.
func validRegion(region string) bool {
	for i := range len(region) {
		if c := region[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return region != ""
}

// validSignedHeaders reports whether a list is one that a correct signer writes.
// It is never sorted or lowered into validity: two spellings of one signature
// would be two requests to anything that remembers requests.
func validSignedHeaders(list string) bool {
	previous := ""
	for name := range strings.SplitSeq(list, ";") {
		if name <= previous { // "" is never greater
			return false
		}
		for i := range len(name) {
			if c := name[i]; !('a' <= c && c <= 'z' || c == '-') && (!isToken(c) || 'A' <= c && c <= 'Z') {
				return false
			}
		}
		previous = name
	}
	return true
}

// isToken reports whether c may stand in a header name or a method (RFC 9110, 5.6.2).
func isToken(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// The X-Amz-* parameters that carry a presigned signature.
const (
	qAlgorithm = iota
	qCredential
	qDate
	qExpires
	qSignedHeaders
	qSignature
	qSecurityToken
	qContentSHA256
	qParameters
)

var queryNames = [qParameters]string{
	"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
	"X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Content-Sha256",
}

// longestQueryName lets read pass over names that, escapes and all, are too long
// to be one of ours.
const longestQueryName = len("X-Amz-Content-Sha256")

// authQuery is the part of a query string that belongs to the signature.
type authQuery struct {
	seen   [qParameters]bool
	values [qParameters]string
}

func (q *authQuery) has(parameter int) bool { return q.seen[parameter] }

// read finds the signature's parameters in a raw query. Each may stand there
// once, in AWS's own spelling: a second one or a case twin is refused, since the
// next reader of the query might pick the other.
func (q *authQuery) read(raw string) *Error {
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if len(name) > 3*longestQueryName {
			continue
		}
		if strings.Contains(name, "%") {
			plain, err := url.PathUnescape(name)
			if err != nil {
				return badQuery("The query string has an invalid percent-escape.")
			}
			name = plain
		}
		parameter := -1
		for i, known := range queryNames {
			if strings.EqualFold(name, known) {
				parameter = i
				break
			}
		}
		if parameter < 0 {
			continue
		}
		known := queryNames[parameter]
		if name != known {
			return badQuery("Query parameter '%s' must be spelled '%s'.", echo(name), known)
		}
		if q.seen[parameter] {
			return badQuery("Query parameter '%s' occurs more than once.", known)
		}
		if strings.ContainsAny(value, "%+") {
			plain, err := url.QueryUnescape(value)
			if err != nil {
				return badQuery("Query parameter '%s' has an invalid percent-escape.", known)
			}
			value = plain
		}
		q.seen[parameter], q.values[parameter] = true, value
	}
	return nil
}

// parseQuery reads the signature of a presigned request.
func (a *Authorization) parseQuery(r *Request, q *authQuery) *Error {
	for _, parameter := range [...]int{qAlgorithm, qCredential, qSignature, qDate, qSignedHeaders, qExpires} {
		if !q.has(parameter) {
			return badQuery("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
		}
	}
	a.Presigned = true
	a.Signature = q.values[qSignature]
	a.SignedHeaders = q.values[qSignedHeaders]
	a.SecurityToken = q.values[qSecurityToken]
	a.bodyHash = q.values[qContentSHA256]
	if q.values[qAlgorithm] != algorithm {
		return badQuery("X-Amz-Algorithm only supports \"%s\"", algorithm)
	}
	if err := a.parseCredential(q.values[qCredential], BadQuery); err != nil {
		return err
	}
	if !validSignedHeaders(a.SignedHeaders) {
		return badQuery("X-Amz-SignedHeaders must be lower-case header names in ascending order, separated by semicolons, got '%s'", echo(a.SignedHeaders))
	}
	if !a.setTime(q.values[qDate]) {
		return badQuery("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
	}
	expires, ok := parseExpires(q.values[qExpires])
	if !ok {
		return badQuery("X-Amz-Expires must be a whole number of seconds from 1 to %d", maxPresigned/time.Second)
	}
	a.Expires = expires
	if len(r.values("x-amz-security-token")) > 0 {
		return badQuery("X-Amz-Security-Token of a presigned request belongs into its query.")
	}
	return nil
}

// parseExpires takes digits alone: no sign, space, exponent or leading zero.
func parseExpires(s string) (time.Duration, bool) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > int(maxPresigned/time.Second) || strconv.Itoa(n) != s {
		return 0, false
	}
	return time.Duration(n) * time.Second, true
}
