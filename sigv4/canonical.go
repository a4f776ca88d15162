package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// scratch is the working memory of one signature. Building the canonical
// request in one reused buffer costs no allocation, and hashing it in one go is
// faster than feeding a hash piece by piece.
type scratch struct {
	canonical []byte // the canonical request
	toSign    []byte // the string to sign
	encoded   []byte // query parameters, encoded, in order of arrival
	params    []param
	payload   []byte // the sixth part of the canonical request
	signature []byte // the computed signature in hex
	raw       []byte // the same before encoding, then the signature to compare with
}

// param is one query parameter: scratch.encoded[start:equal] is its name,
// [equal:end] its value.
type param struct{ start, equal, end int }

// maxKept is the largest buffer that returns to the pool, so that one huge
// request does not pin its memory for good.
const maxKept = 64 << 10

func (s *scratch) reusable() bool { return cap(s.canonical)+cap(s.encoded) <= maxKept }

// build fills s.canonical and s.toSign for the request. Before it, s.payload has
// to hold a SHA-256 in hex, or the literal the request declares.
func (s *scratch) build(a *Authorization, r *Request, style Style) *Error {
	path, query, ok := r.split()
	if !ok || !validMethod(r.Method) {
		return &Error{Kind: SignatureMismatch}
	}
	b := append(s.canonical[:0], r.Method...)
	b = append(b, '\n')
	if style == S3 {
		// A line break would let path and query trade places in the canonical
		// request; nothing that HTTP permits in a target is refused here.
		for i := range len(path) {
			if path[i] <= ' ' || path[i] == 0x7f {
				return &Error{Kind: SignatureMismatch}
			}
		}
		b = append(b, path...)
	} else {
		b = appendNormalPath(b, path)
	}
	b = append(b, '\n')
	if query != "" {
		if b, ok = s.appendQuery(b, query, a.Presigned); !ok {
			return badQuery("The query string has an invalid percent-escape.")
		}
	}
	b = append(b, '\n')
	for name := range strings.SplitSeq(a.SignedHeaders, ";") {
		b = append(b, name...)
		b = append(b, ':')
		if name == "host" {
			b, ok = appendTrimmed(b, r.Host)
		} else {
			b, ok = appendValues(b, r.values(name))
		}
		if !ok {
			return &Error{Kind: SignatureMismatch}
		}
		b = append(b, '\n')
	}
	b = append(b, '\n')
	b = append(b, a.SignedHeaders...)
	b = append(b, '\n')
	b = append(b, s.payload...)
	s.canonical = b

	sum := sha256.Sum256(b)
	t := append(s.toSign[:0], algorithm+"\n"...)
	t = append(t, a.Timestamp...)
	t = append(t, '\n')
	t = append(t, a.Scope...)
	t = append(t, '\n')
	s.toSign = hex.AppendEncode(t, sum[:])
	return nil
}

// validMethod: a method is a token (RFC 9110, 9.1), kept in its own case.
func validMethod(method string) bool {
	for i := range len(method) {
		if !isToken(method[i]) {
			return false
		}
	}
	return method != ""
}

// appendNormalPath appends the canonical URI of every service but S3: "." and
// empty segments go, ".." takes its predecessor along, and what remains, already
// encoded, is encoded once more. A final slash stays.
func appendNormalPath(b []byte, path string) []byte {
	start := len(b)
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			if slash := bytes.LastIndexByte(b[start:], '/'); slash >= 0 {
				b = b[:start+slash]
			}
		default:
			b = append(b, '/')
			for i := range len(segment) {
				b = appendEncoded(b, segment[i])
			}
		}
	}
	if len(b) == start || strings.HasSuffix(path, "/") {
		b = append(b, '/')
	}
	return b
}

// appendQuery appends the canonical query: every parameter decoded and encoded
// again, sorted by encoded name, then value. Only "&" separates parameters; "+"
// is a space, as it is to whoever decodes the query later. The signature of a
// presigned request is left out.
func (s *scratch) appendQuery(b []byte, raw string, presigned bool) ([]byte, bool) {
	s.encoded, s.params = s.encoded[:0], s.params[:0]
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		p := param{start: len(s.encoded)}
		var ok bool
		if s.encoded, ok = appendRecoded(s.encoded, name); !ok {
			return b, false
		}
		p.equal = len(s.encoded)
		if presigned && string(s.encoded[p.start:]) == queryNames[qSignature] {
			s.encoded = s.encoded[:p.start]
			continue
		}
		if s.encoded, ok = appendRecoded(s.encoded, value); !ok {
			return b, false
		}
		p.end = len(s.encoded)
		s.params = append(s.params, p)
	}
	slices.SortFunc(s.params, func(x, y param) int {
		if c := bytes.Compare(s.encoded[x.start:x.equal], s.encoded[y.start:y.equal]); c != 0 {
			return c
		}
		return bytes.Compare(s.encoded[x.equal:x.end], s.encoded[y.equal:y.end])
	})
	for i, p := range s.params {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, s.encoded[p.start:p.equal]...)
		b = append(b, '=')
		b = append(b, s.encoded[p.equal:p.end]...)
	}
	return b, true
}

// appendRecoded decodes a raw name or value and appends it in canonical encoding.
func appendRecoded(b []byte, raw string) ([]byte, bool) {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(raw) {
				return b, false
			}
			high, low := unhex(raw[i+1]), unhex(raw[i+2])
			if high > 15 || low > 15 {
				return b, false
			}
			c = high<<4 | low
			i += 2
		}
		b = appendEncoded(b, c)
	}
	return b, true
}

// unhex returns the value of a hex digit, or more than 15.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// appendEncoded appends c, percent-encoded unless it is unreserved (RFC 3986, 2.3).
func appendEncoded(b []byte, c byte) []byte {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
		c == '-', c == '_', c == '.', c == '~':
		return append(b, c)
	}
	const digits = "0123456789ABCDEF"
	return append(b, '%', digits[c>>4], digits[c&15])
}

// appendValues appends the values of one signed header, joined by commas in the
// order of arrival. A signed header that did not arrive fails.
func appendValues(b []byte, values []string) ([]byte, bool) {
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		var ok bool
		if b, ok = appendTrimmed(b, value); !ok {
			return b, false
		}
	}
	return b, len(values) > 0
}

// appendTrimmed appends a header value without white space at its ends and with
// inner runs of it as one space. Control characters fail: a line break in a
// value could pass for another signed header.
func appendTrimmed(b []byte, value string) ([]byte, bool) {
	value = strings.Trim(value, " \t")
	for start, i := 0, 0; ; i++ {
		// A word ends at white space or with the value.
		if i < len(value) && value[i] > ' ' && value[i] != 0x7f {
			continue
		}
		b = append(b, value[start:i]...)
		if i == len(value) {
			return b, true
		}
		for ; value[i] == ' ' || value[i] == '\t'; i++ {
		}
		if value[i] < ' ' || value[i] == 0x7f {
			return b, false
		}
		b, start = append(b, ' '), i
	}
}
