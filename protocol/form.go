package protocol

import (
	"bytes"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// MaxBody bounds a request body, form or JSON, in bytes. The largest request
	// that is of use here, a 131,072-character policy document with every
	// character percent-encoded, is under 400 KB.
	MaxBody = 1 << 20

	// MaxParameters bounds the parameters of one form. The largest request, an
	// AssumeRole with every list at its documented maximum, has under 200;
	// thousands only cost memory and time (compare CVE-2025-61726).
	MaxParameters = 2000

	// maxShared is the largest body, in bytes, whose values share one buffer.
	// The values of a larger one are copied: else a user name that is kept for
	// years could keep a megabyte of junk that came with it.
	maxShared = 16 << 10

	// maxParameterName bounds a parameter's name; the longest that the models
	// can spell is under 150 bytes.
	maxParameterName = 512
)

// Form is a strictly parsed application/x-www-form-urlencoded body or query
// string. The zero Form is empty. A Form does not change once parsed.
type Form struct {
	// params is sorted by [compareNames], so that all parameters below a member
	// (Tags.member.1.Key, Tags.member.1.Value …) are neighbours.
	params []param
}

type param struct{ name, value string }

// ParseForm parses raw, which is split on '&' alone: ';' is an ordinary
// character, as it is for AWS. Names that are not printable ASCII, empty names,
// bad percent-escapes, invalid UTF-8, more than [MaxParameters] parameters and
// more than [MaxBody] bytes are refused, and so are two names that are equal or
// differ in case alone, or that differ from Action and Version in case alone.
//
// Errors are of type [smithy.APIError], code MalformedQueryString or
// RequestEntityTooLarge.
func ParseForm(raw []byte) (Form, error) { return parseForm(raw, false) }

// ParseQuery parses the query string of a restJson request: as strictly as
// ParseForm, but a name may come more than once, which is how lists are written.
func ParseQuery(raw string) (Form, error) { return parseForm([]byte(raw), true) }

func parseForm(raw []byte, lists bool) (Form, error) {
	if len(raw) > MaxBody {
		return Form{}, refuse("RequestEntityTooLarge", "The request body is too large.")
	}
	count := bytes.Count(raw, []byte{'&'}) + 1
	if count > MaxParameters {
		return Form{}, refuse("MalformedQueryString", "The request has too many parameters.")
	}

	// One buffer takes every decoded byte; names and values are slices of it.
	var text strings.Builder
	text.Grow(len(raw))
	params := make([]param, 0, count)
	for rest := raw; len(rest) > 0; {
		pair := rest
		if i := bytes.IndexByte(rest, '&'); i >= 0 {
			pair, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		if len(pair) == 0 {
			continue
		}
		name, value := pair, pair[len(pair):]
		if i := bytes.IndexByte(pair, '='); i >= 0 {
			name, value = pair[:i], pair[i+1:]
		}
		start := text.Len()
		if !appendUnescaped(&text, name) {
			return Form{}, badEscape()
		}
		middle := text.Len()
		if !appendUnescaped(&text, value) {
			return Form{}, badEscape()
		}
		// The builder never grows beyond what was reserved, so earlier slices
		// of its text stay valid.
		whole := text.String()
		p := param{name: whole[start:middle], value: whole[middle:]}
		if len(raw) > maxShared {
			p = param{name: strings.Clone(p.name), value: strings.Clone(p.value)}
		}
		if err := p.check(); err != nil {
			return Form{}, err
		}
		params = append(params, p)
	}

	byName := func(a, b param) int { return compareNames(a.name, b.name) }
	if !slices.IsSortedFunc(params, byName) {
		slices.SortStableFunc(params, byName)
	}
	for i := 1; i < len(params); i++ {
		if lists && params[i-1].name == params[i].name {
			continue
		}
		if compareNames(params[i-1].name, params[i].name) == 0 {
			return Form{}, refuse("MalformedQueryString", "The parameter "+params[i].name+" is given more than once.")
		}
	}
	return Form{params}, nil
}

func badEscape() error {
	return refuse("MalformedQueryString", "The query string contains a syntax error.")
}

// check refuses names and values that must not get further.
func (p param) check() error {
	if p.name == "" || len(p.name) > maxParameterName {
		return badEscape()
	}
	for _, c := range []byte(p.name) {
		if c <= ' ' || c > '~' {
			return badEscape()
		}
	}
	if !utf8.ValidString(p.value) {
		return refuse("MalformedQueryString", "The value of "+p.name+" is not valid UTF-8.")
	}
	for _, exact := range [...]string{"Action", "Version"} {
		if p.name != exact && strings.EqualFold(p.name, exact) {
			return refuse("MalformedQueryString", "The parameter "+p.name+" must be spelled "+exact+".")
		}
	}
	return nil
}

// appendUnescaped appends s without its percent- and plus-encoding and reports
// whether every escape was well formed.
func appendUnescaped(text *strings.Builder, s []byte) bool {
	for {
		// Runs of ordinary bytes, by far the most, are copied at once.
		i := 0
		for i < len(s) && s[i] != '%' && s[i] != '+' {
			i++
		}
		text.Write(s[:i])
		if i == len(s) {
			return true
		}
		if s[i] == '+' {
			text.WriteByte(' ')
			s = s[i+1:]
			continue
		}
		if len(s) < i+3 {
			return false
		}
		high, low := unhex(s[i+1]), unhex(s[i+2])
		if high > 15 || low > 15 {
			return false
		}
		text.WriteByte(high<<4 | low)
		s = s[i+3:]
	}
}

// unhex returns the value of a hexadecimal digit, or more than 15.
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

// compareNames orders parameter names without regard to case and with '.'
// before every other character: twins compare equal, and the parameters of one
// member are never parted by those of another (Tags, Tags.member.1, Tags-x).
func compareNames(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := foldName(a[i]), foldName(b[i]); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

func foldName(c byte) byte {
	switch {
	case c == '.':
		return 0
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	}
	return c
}

// RequestForm returns the form that holds a request's parameters: that of the
// body, or that of the query string if the body is empty. Parameters come from
// one place: beside a body, the query string may hold only the X-Amz-
// parameters of a presigned request, and a body may hold none of those. Anything
// else could make two readers see two requests, and is refused with
// code MalformedQueryString.
func RequestForm(query, body Form) (Form, error) {
	if body.Len() == 0 {
		return query, nil
	}
	for _, p := range query.params {
		if !isAuthentication(p.name) {
			return Form{}, refuse("MalformedQueryString", "The parameter "+p.name+" must not be in the query string of a request that has a body.")
		}
	}
	for _, p := range body.params {
		if isAuthentication(p.name) {
			return Form{}, refuse("MalformedQueryString", "The parameter "+p.name+" must not be in the body.")
		}
	}
	return body, nil
}

// isAuthentication reports whether a parameter of this name, in whatever case,
// is part of a presigned request's signature.
func isAuthentication(name string) bool {
	const prefix = "X-Amz-"
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

// Get returns the value of the parameter, or "" if there is none.
func (f Form) Get(name string) string {
	value, _ := f.Lookup(name)
	return value
}

// Lookup returns the value of the parameter and whether it was given.
func (f Form) Lookup(name string) (string, bool) {
	i, found := slices.BinarySearchFunc(f.params, name, func(p param, name string) int {
		return compareNames(p.name, name)
	})
	if !found || f.params[i].name != name {
		return "", false
	}
	return f.params[i].value, true
}

// values returns all values of the parameter, in their order.
func (f Form) values(name string) (values []string) {
	i, _ := slices.BinarySearchFunc(f.params, name, func(p param, name string) int {
		return compareNames(p.name, name)
	})
	for ; i < len(f.params) && f.params[i].name == name; i++ {
		values = append(values, f.params[i].value)
	}
	return values
}

// Len returns the number of parameters.
func (f Form) Len() int { return len(f.params) }

// All yields every parameter, in an order of no meaning.
func (f Form) All() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, p := range f.params {
			if !yield(p.name, p.value) {
				return
			}
		}
	}
}
