package protocol

import (
	"net/http"
	"strings"
)

// Protocol is a wire protocol that the server speaks.
type Protocol uint8

const (
	// Query is awsQuery: form parameters in, XML out; IAM and STS.
	Query Protocol = iota + 1
	// JSON11 is awsJson 1.1: JSON both ways, operation in X-Amz-Target; CloudTrail.
	JSON11
	// RESTJSON is restJson1: method and URI name the operation, JSON both ways;
	// sign-in.
	RESTJSON
)

// String returns the name the Smithy specification gives the protocol.
func (p Protocol) String() string {
	switch p {
	case Query:
		return "awsQuery"
	case JSON11:
		return "awsJson1_1"
	case RESTJSON:
		return "restJson1"
	}
	return "unknown protocol"
}

// ContentType returns the media type of every response of the protocol,
// errors included.
func (p Protocol) ContentType() string {
	switch p {
	case JSON11:
		return "application/x-amz-json-1.1"
	case RESTJSON:
		return "application/json"
	}
	return "text/xml"
}

// HeaderRequestID is the header that carries the request id in all protocols.
// AWS spells it x-amzn-RequestId; this is Go's canonical form of the same name.
const HeaderRequestID = "X-Amzn-Requestid"

// SetHeader sets the headers that AWS sends with every response of the
// protocol.
func (p Protocol) SetHeader(h http.Header, requestID string) {
	values := [...]string{p.ContentType(), requestID} // Header.Set would make a slice of each
	h["Content-Type"] = values[0:1:1]
	h[HeaderRequestID] = values[1:2:2]
}

// AppendError appends the error body of the protocol to dst. The namespace is
// used by Query alone.
func (p Protocol) AppendError(dst []byte, namespace string, e ErrorBody, requestID string) []byte {
	switch p {
	case JSON11:
		return AppendJSONError(dst, e)
	case RESTJSON:
		return AppendRESTError(dst, e)
	}
	return AppendQueryError(dst, namespace, e, requestID)
}

// CheckHeader refuses a request body that does not claim to be the protocol's,
// with code UnsupportedMediaType: another Content-Type (whose parameters, such
// as charset, are not looked at: bodies are UTF-8 whatever they claim), or any
// Content-Encoding. No client compresses requests to these services, and what is
// never inflated cannot be a bomb.
func (p Protocol) CheckHeader(h http.Header) error {
	want := "application/x-www-form-urlencoded"
	if p != Query {
		want = p.ContentType()
	}
	media, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(media), want) || len(h.Values("Content-Type")) > 1 {
		return refuse("UnsupportedMediaType", "The Content-Type must be "+want+".")
	}
	if len(h.Values("Content-Encoding")) > 0 {
		return refuse("UnsupportedMediaType", "The request body must not have a Content-Encoding.")
	}
	return nil
}

// Namespace returns the XML namespace of a Query service, for example
// https://iam.amazonaws.com/doc/2010-05-08/ for iam and 2010-05-08.
func Namespace(service, version string) string {
	return "https://" + service + ".amazonaws.com/doc/" + version + "/"
}

// ParseTarget splits an X-Amz-Target header into the service's target prefix,
// freed of the Java package that some clients put before it, and the operation:
// com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents and
// CloudTrail_20131101.LookupEvents both yield CloudTrail_20131101 and
// LookupEvents. ok is false when the header does not have that form.
func ParseTarget(target string) (prefix, operation string, ok bool) {
	dot := strings.LastIndexByte(target, '.')
	if dot < 0 {
		return "", "", false
	}
	prefix, operation = target[:dot], target[dot+1:]
	if dot = strings.LastIndexByte(prefix, '.'); dot >= 0 {
		prefix = prefix[dot+1:]
	}
	return prefix, operation, isName(prefix) && isName(operation)
}

// isName reports whether s could be the name of a service or an operation. It
// keeps what clients send out of log lines and metrics until it is known.
func isName(s string) bool {
	for _, c := range []byte(s) {
		if c != '_' && !isAlphanumeric(c) {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
