package strict

import (
	"net/url"
	"strings"
)

// CheckTarget judges a request-target (http.Request.RequestURI) that has come
// through a [Listener]: no NUL in its path, and a query that every parser reads
// alike: [CheckQuery]. Its errors are of type [Violation].
func CheckTarget(target string) error {
	path, query, _ := strings.Cut(target, "?")
	if strings.Contains(path, "%00") {
		return NulInPath
	}
	return CheckQuery(query)
}

// CheckQuery judges a raw query string. Parameters are separated by "&" alone,
// decode without error, number MaxParameters at most, and none differs from
// another in case only: parameter names are case-sensitive, and not every reader
// knows.
func CheckQuery(raw string) error {
	if raw == "" {
		return nil
	}
	count := strings.Count(raw, "&") + 1
	if count > MaxParameters {
		return TooManyParameters
	}
	if strings.Contains(raw, ";") {
		return Semicolon
	}
	names := nameSet{}
	if count > len(names.few) {
		names.many = make(map[string]string, count)
	}
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if !validEscapes(value) || !validEscapes(name) {
			return BadEscape
		}
		if strings.ContainsAny(name, "%+") {
			name, _ = url.QueryUnescape(name) // cannot fail: its escapes are valid
		}
		if !names.add(name) {
			return CaseTwins
		}
	}
	return nil
}

func validEscapes(s string) bool {
	for {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			return true
		}
		if s = s[i+1:]; len(s) < 2 || !isHex(s[0]) || !isHex(s[1]) {
			return false
		}
		s = s[2:]
	}
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= lower(c) && lower(c) <= 'f'
}

// nameSet finds names that differ in the case of ASCII letters only. A few names
// are compared with each other, many go into a map by their lower-case form.
type nameSet struct {
	few  [24]string
	n    int
	many map[string]string
}

// add reports whether the name is new or a plain repetition.
func (s *nameSet) add(name string) bool {
	if s.many != nil {
		key := []byte(name)
		for i, c := range key {
			key[i] = lower(c)
		}
		first, seen := s.many[string(key)]
		if !seen {
			s.many[string(key)] = name
		}
		return !seen || first == name
	}
	for _, other := range s.few[:s.n] {
		if equalFold(other, name) && other != name {
			return false
		}
	}
	s.few[s.n] = name
	s.n++
	return true
}

func equalFold(x, y string) bool {
	if len(x) != len(y) {
		return false
	}
	for i := range len(x) {
		if lower(x[i]) != lower(y[i]) {
			return false
		}
	}
	return true
}
