package policy

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// template is a string with policy variables, compiled. What a variable stands
// for is compared as literal text: a user named "*" gains nothing, and a value
// is never expanded twice.
// (docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html)
type template []token

type token struct {
	kind tokenKind
	// hasDefault: fallback is used where the key is absent.
	hasDefault bool
	hash       uint32
	text       string // literal text, or the condition key
	fallback   string
}

type tokenKind uint8

const (
	literalToken tokenKind = iota + 1
	starToken
	oneToken
	variableToken
)

var (
	errVariableOpen    = errors.New("a policy variable is not closed: } is missing")
	errVariableName    = errors.New("a policy variable has no name")
	errVariableSpace   = errors.New("a policy variable's name holds a space")
	errVariableDefault = errors.New("a policy variable's default must be written ${key, 'default'}")
)

// parseTemplate compiles s; wild says whether * and ? are wildcards in it.
func parseTemplate(s string, wild bool) (template, error) {
	var t template
	var text []byte
	flush := func() {
		if len(text) > 0 {
			t = append(t, token{kind: literalToken, text: string(text)})
			text = text[:0]
		}
	}
	for s != "" {
		switch {
		case strings.HasPrefix(s, "${"):
			v, n, err := parseVariable(s)
			if err != nil {
				return nil, err
			}
			if v.kind == literalToken {
				text = append(text, v.text...)
			} else {
				flush()
				t = append(t, v)
			}
			s = s[n:]
			continue
		case wild && s[0] == '*':
			flush()
			t = append(t, token{kind: starToken})
		case wild && s[0] == '?':
			flush()
			t = append(t, token{kind: oneToken})
		default:
			text = append(text, s[0])
		}
		s = s[1:]
	}
	flush()
	return t, nil
}

// parseVariable reads one ${…} at the start of s and returns its length.
func parseVariable(s string) (v token, n int, err error) {
	for _, escaped := range []string{"${*}", "${?}", "${$}"} {
		if strings.HasPrefix(s, escaped) {
			return token{kind: literalToken, text: escaped[2:3]}, len(escaped), nil
		}
	}
	end := strings.IndexAny(s, "},")
	if end < 0 {
		return token{}, 0, errVariableOpen
	}
	key := s[len("${"):end]
	if key == "" {
		return token{}, 0, errVariableName
	}
	if strings.ContainsAny(key, " \t\r\n${") {
		return token{}, 0, errVariableSpace
	}
	v = token{kind: variableToken, text: key, hash: hashFold(key)}
	if s[end] == '}' {
		return v, end + 1, nil
	}
	fallback, ok := strings.CutPrefix(s[end:], ", '")
	if !ok {
		return token{}, 0, errVariableDefault
	}
	fallback, _, ok = strings.Cut(fallback, "'}")
	if !ok || strings.ContainsRune(fallback, '\'') {
		return token{}, 0, errVariableDefault
	}
	v.hasDefault, v.fallback = true, fallback
	return v, end + len(", '") + len(fallback) + len("'}"), nil
}

// resolve returns the text a token stands for. A variable without a value, or
// with several, stands for nothing: what contains it does not match.
func (t *token) resolve(c *Context) (string, bool) {
	if t.kind == literalToken {
		return t.text, true
	}
	e := c.find(t.text, t.hash)
	if e == nil {
		return t.fallback, t.hasDefault
	}
	if e.multi {
		return "", false
	}
	return e.value.text(), true
}

// match reports whether s as a whole matches. It backtracks over the last * only.
func (t template) match(s string, c *Context, fold bool) bool {
	ti, si := 0, 0
	star, mark := -1, 0
	for {
		if ti < len(t) {
			switch tok := &t[ti]; tok.kind {
			case starToken:
				star, mark = ti, si
				ti++
				continue
			case oneToken:
				if si < len(s) {
					_, width := utf8.DecodeRuneInString(s[si:])
					si += width
					ti++
					continue
				}
			default:
				text, ok := tok.resolve(c)
				if !ok {
					return false
				}
				rest := s[si:]
				if len(rest) >= len(text) && (rest[:len(text)] == text || fold && equalFold(rest[:len(text)], text)) {
					si += len(text)
					ti++
					continue
				}
			}
		} else if si == len(s) {
			return true
		}
		if star < 0 || mark == len(s) {
			return false
		}
		_, width := utf8.DecodeRuneInString(s[mark:])
		mark += width
		ti, si = star+1, mark
	}
}

// split cuts a template at its literal colons into at most n templates, the
// last taking the rest.
func (t template) split(n int) []template {
	var parts []template
	part := template{}
	for _, tok := range t {
		for tok.kind == literalToken && len(parts) < n-1 {
			before, after, found := strings.Cut(tok.text, ":")
			if !found {
				break
			}
			if before != "" {
				part = append(part, token{kind: literalToken, text: before})
			}
			parts, part = append(parts, part), template{}
			tok.text = after
		}
		if tok.kind != literalToken || tok.text != "" {
			part = append(part, tok)
		}
	}
	return append(parts, part)
}
