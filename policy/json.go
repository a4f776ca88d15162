package policy

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The standard decoder is too kind for documents that decide who may do what:
// it keeps the last of two equal keys, matches struct fields in any case,
// replaces invalid UTF-8 and stops at the first value. This reader refuses all
// of these, and keeps the byte offset of each value for error messages.

const (
	// MaxDocumentChars is the longest policy text that any AWS operation takes
	// (shape policyDocumentType, 131,072 characters). IAM's quotas are smaller,
	// and are the service's to check.
	MaxDocumentChars = 131072

	// maxDepth bounds nesting, and so the reader's recursion. A policy that uses
	// every element nests seven levels.
	maxDepth = 64

	// fewMembers is the size up to which duplicate keys are found by comparing
	// each pair; larger objects get a map, so that no document costs n².
	fewMembers = 12
)

type nodeKind uint8

const (
	objectNode nodeKind = iota + 1
	arrayNode
	stringNode
	numberNode
	boolNode
	nullNode
)

// node is one JSON value. text is the decoded string, or a number's or
// boolean's own spelling: IAM compares numbers in conditions as decimals, so
// they are never turned into floats.
type node struct {
	kind       nodeKind
	start, end int
	text       string
	members    []member
	items      []node
}

type member struct {
	name  string
	at    int
	value node
}

// get returns the member called name, or nil.
func (n *node) get(name string) *member {
	for i := range n.members {
		if n.members[i].name == name {
			return &n.members[i]
		}
	}
	return nil
}

type reader struct {
	text string
	pos  int
}

// readJSON parses text, which must be one JSON value and nothing else.
func readJSON(text string) (node, *SyntaxError) {
	r := reader{text: text}
	if err := r.checkCharacters(); err != nil {
		return node{}, err
	}
	r.space()
	n, err := r.value(1)
	if err != nil {
		return node{}, err
	}
	r.space()
	if r.pos != len(text) {
		return node{}, r.notJSON("text after the end of the document")
	}
	return n, nil
}

// checkCharacters holds the document to its size and to the characters that
// IAM takes: tab, line feed, carriage return and U+0020 to U+00FF.
func (r *reader) checkCharacters() *SyntaxError {
	if len(r.text) > utf8.RuneLen('ÿ')*MaxDocumentChars || utf8.RuneCountInString(r.text) > MaxDocumentChars {
		return r.fail(0, msgSyntax, "the document is longer than "+strconv.Itoa(MaxDocumentChars)+" characters")
	}
	for i, c := range r.text {
		switch {
		case c >= ' ' && c <= 'ÿ', c == '\t', c == '\n', c == '\r':
		case c == utf8.RuneError:
			return r.fail(i, msgSyntax, "the document is not valid UTF-8")
		default:
			return r.fail(i, msgSyntax, "character "+strconv.QuoteRuneToASCII(c)+" is not allowed in a policy")
		}
	}
	return nil
}

func (r *reader) fail(at int, message, detail string) *SyntaxError {
	return syntaxError(r.text, at, message, detail)
}

func (r *reader) notJSON(detail string) *SyntaxError {
	return r.fail(r.pos, msgNotJSON, detail)
}

func (r *reader) space() {
	for r.pos < len(r.text) {
		switch r.text[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

func (r *reader) peek() byte {
	if r.pos < len(r.text) {
		return r.text[r.pos]
	}
	return 0
}

func (r *reader) value(depth int) (node, *SyntaxError) {
	if depth > maxDepth {
		return node{}, r.fail(r.pos, msgSyntax, "nested more than "+strconv.Itoa(maxDepth)+" levels deep")
	}
	switch c := r.peek(); {
	case c == '{':
		return r.object(depth)
	case c == '[':
		return r.array(depth)
	case c == '"':
		return r.str()
	case c == '-' || c >= '0' && c <= '9':
		return r.number()
	case c == 't':
		return r.word("true", boolNode)
	case c == 'f':
		return r.word("false", boolNode)
	case c == 'n':
		return r.word("null", nullNode)
	case r.pos == len(r.text):
		return node{}, r.notJSON("the document ends too early")
	}
	return node{}, r.notJSON("a value was expected here")
}

func (r *reader) word(w string, kind nodeKind) (node, *SyntaxError) {
	if !strings.HasPrefix(r.text[r.pos:], w) {
		return node{}, r.notJSON("a value was expected here")
	}
	n := node{kind: kind, start: r.pos, end: r.pos + len(w), text: w}
	r.pos = n.end
	return n, nil
}

func (r *reader) object(depth int) (node, *SyntaxError) {
	n := node{kind: objectNode, start: r.pos}
	var seen map[string]bool
	r.pos++
	for r.space(); r.peek() != '}'; r.space() {
		if len(n.members) > 0 {
			if r.peek() != ',' {
				return node{}, r.notJSON("a comma or a closing brace was expected here")
			}
			r.pos++
			r.space()
		}
		if r.peek() != '"' {
			return node{}, r.notJSON("a quoted name was expected here")
		}
		key, err := r.str()
		if err != nil {
			return node{}, err
		}
		if len(n.members) == fewMembers {
			seen = make(map[string]bool)
			for _, m := range n.members {
				seen[m.name] = true
			}
		}
		if seen[key.text] || seen == nil && n.get(key.text) != nil {
			return node{}, r.fail(key.start, msgSyntax, "duplicate key "+strconv.Quote(key.text))
		}
		if seen != nil {
			seen[key.text] = true
		}
		r.space()
		if r.peek() != ':' {
			return node{}, r.notJSON("a colon was expected here")
		}
		r.pos++
		r.space()
		v, err := r.value(depth + 1)
		if err != nil {
			return node{}, err
		}
		n.members = append(n.members, member{key.text, key.start, v})
	}
	r.pos++
	n.end = r.pos
	return n, nil
}

func (r *reader) array(depth int) (node, *SyntaxError) {
	n := node{kind: arrayNode, start: r.pos}
	r.pos++
	for r.space(); r.peek() != ']'; r.space() {
		if len(n.items) > 0 {
			if r.peek() != ',' {
				return node{}, r.notJSON("a comma or a closing bracket was expected here")
			}
			r.pos++
			r.space()
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, v)
	}
	r.pos++
	n.end = r.pos
	return n, nil
}

// number reads a number by JSON's grammar and keeps its spelling.
func (r *reader) number() (node, *SyntaxError) {
	n := node{kind: numberNode, start: r.pos}
	digits := func() bool {
		from := r.pos
		for c := r.peek(); c >= '0' && c <= '9'; c = r.peek() {
			r.pos++
		}
		return r.pos > from
	}
	if r.peek() == '-' {
		r.pos++
	}
	if r.peek() == '0' {
		r.pos++
	} else if !digits() {
		return node{}, r.notJSON("a digit was expected here")
	}
	if r.peek() == '.' {
		r.pos++
		if !digits() {
			return node{}, r.notJSON("a digit was expected here")
		}
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.pos++
		if c := r.peek(); c == '+' || c == '-' {
			r.pos++
		}
		if !digits() {
			return node{}, r.notJSON("a digit was expected here")
		}
	}
	n.end = r.pos
	n.text = r.text[n.start:n.end]
	return n, nil
}

// str reads a string. One without escapes shares the document's memory.
func (r *reader) str() (node, *SyntaxError) {
	n := node{kind: stringNode, start: r.pos}
	r.pos++
	from := r.pos
	var b []byte
	for {
		if r.pos == len(r.text) {
			return node{}, r.notJSON("the string is not closed")
		}
		switch c := r.text[r.pos]; {
		case c == '"':
			n.text = r.text[from:r.pos]
			if b != nil {
				n.text = string(append(b, n.text...))
			}
			r.pos++
			n.end = r.pos
			return n, nil
		case c < ' ':
			return node{}, r.notJSON("a control character inside a string")
		case c == '\\':
			b = append(b, r.text[from:r.pos]...)
			if b == nil {
				b = []byte{}
			}
			c, err := r.escape()
			if err != nil {
				return node{}, err
			}
			b = utf8.AppendRune(b, c)
			from = r.pos
		default:
			r.pos++
		}
	}
}

// escape reads one escape sequence. It refuses what cannot be text: control
// characters and lone surrogates.
func (r *reader) escape() (rune, *SyntaxError) {
	at := r.pos
	r.pos++
	c := r.peek()
	r.pos++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 't':
		return '\t', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 'u':
		u, ok := r.hex4()
		if ok && utf16.IsSurrogate(u) {
			ok = strings.HasPrefix(r.text[r.pos:], `\u`)
			if ok {
				r.pos += 2
				var low rune
				low, ok = r.hex4()
				u = utf16.DecodeRune(u, low)
				ok = ok && u != utf8.RuneError
			}
		}
		if ok && (u >= ' ' || u == '\t' || u == '\n' || u == '\r') {
			return u, nil
		}
		return 0, r.fail(at, msgSyntax, "this escape is not a character of text")
	case 'b', 'f':
		return 0, r.fail(at, msgSyntax, "control characters are not allowed in a policy")
	}
	r.pos = at
	return 0, r.notJSON("unknown escape in a string")
}

func (r *reader) hex4() (rune, bool) {
	if len(r.text)-r.pos < 4 {
		return 0, false
	}
	u, err := strconv.ParseUint(r.text[r.pos:r.pos+4], 16, 16)
	r.pos += 4
	return rune(u), err == nil
}
