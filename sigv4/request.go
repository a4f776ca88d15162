package sigv4

import (
	"net/http"
	"net/textproto"
	"strings"
)

// Style is how a service canonicalises what it signs.
type Style uint8

const (
	// General is the style of every service but S3: the path is normalised and
	// encoded once more, and the body is always part of the signature.
	General Style = iota
	// S3 signs the path exactly as sent, and names its payload hash in
	// x-amz-content-sha256, where the body may be declared unsigned.
	S3
)

// Request is a request as it arrived. Nothing in it is copied or changed.
type Request struct {
	Method string
	Target string      // request-target of the request line, undecoded: http.Request.RequestURI
	Host   string      // Host header as received, port included
	Header http.Header // keys in net/http's canonical form; Host may be absent
	Body   []byte      // the whole body
}

// Received describes a request that net/http's server has read, with its body.
func Received(r *http.Request, body []byte) Request {
	return Request{Method: r.Method, Target: r.RequestURI, Host: r.Host, Header: r.Header, Body: body}
}

// outgoing describes a request that net/http's client is about to send.
func outgoing(r *http.Request, body []byte) Request {
	q := Request{Method: r.Method, Target: r.URL.RequestURI(), Host: r.Host, Header: r.Header, Body: body}
	if q.Method == "" {
		q.Method = http.MethodGet
	}
	if q.Host == "" {
		q.Host = r.URL.Host
	}
	return q
}

// split cuts the request-target into path and raw query. An absolute-form
// target (RFC 9112, 3.2.2) must name the same host as the Host header: the
// signature covers one of them only.
func (r *Request) split() (path, query string, ok bool) {
	target := r.Target
	if !strings.HasPrefix(target, "/") {
		_, rest, found := strings.Cut(target, "://")
		if !found {
			return "", "", false
		}
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		if !strings.EqualFold(rest[:end], r.Host) {
			return "", "", false
		}
		target = rest[end:]
	}
	path, query, _ = strings.Cut(target, "?")
	if path == "" {
		path = "/"
	}
	return path, query, true
}

// values returns the values of a header by its lower-case name, in the order of
// arrival. It builds net/http's form of the key on the stack.
func (r *Request) values(lower string) []string {
	var buf [64]byte
	if len(lower) > len(buf) {
		return r.Header[textproto.CanonicalMIMEHeaderKey(lower)]
	}
	key := append(buf[:0], lower...)
	start := true
	for i, c := range key {
		if start && 'a' <= c && c <= 'z' {
			key[i] = c - ('a' - 'A')
		}
		start = c == '-'
	}
	return r.Header[string(key)]
}

// single returns the value of a header that may occur once at most.
func (r *Request) single(lower string) (value string, present, ok bool) {
	switch v := r.values(lower); len(v) {
	case 0:
		return "", false, true
	case 1:
		return v[0], true, true
	default:
		return "", true, false
	}
}
