package constraint

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// pattern is a regular expression of a model, in the dialect of java.util.regex
// that AWS's services use. It must match the whole of a value. It is compiled
// when first needed: a start-up does without a hundred compilations.
type pattern struct {
	text string // as AWS writes it in messages

	once  sync.Once
	class *class         // set if the pattern is one repeated character class
	re    *regexp.Regexp // otherwise
}

// match reports whether s matches as a whole. A pattern that does not compile
// matches nothing (there is none: a test compiles them all).
func (p *pattern) match(s string) bool {
	p.compile()
	switch {
	case p.class != nil:
		return p.class.match(s)
	case p.re != nil:
		return p.re.MatchString(s)
	}
	return false
}

// slow reports whether the pattern needs an automaton.
func (p *pattern) slow() bool {
	p.compile()
	return p.class == nil
}

func (p *pattern) compile() {
	p.once.Do(func() { p.class, p.re, _ = compile(p.text) })
}

// compile translates a Java pattern and compiles it. Most patterns are a single
// class such as [\w+=,.@-]+, which a table decides ten times as fast as an
// automaton.
func compile(java string) (*class, *regexp.Regexp, error) {
	re2, err := translate(java)
	if err != nil {
		return nil, nil, err
	}
	tree, err := syntax.Parse(re2, syntax.Perl)
	if err != nil {
		return nil, nil, fmt.Errorf("constraint: pattern %s: %w", java, err)
	}
	if c := classOf(tree); c != nil {
		return c, nil, nil
	}
	re, err := regexp.Compile(`\A(?:` + re2 + `)\z`)
	return nil, re, err
}

// translate rewrites what Java and Go spell or understand differently:
//
//   - \uXXXX is \x{XXXX}; a pair of surrogates is the character it encodes.
//     (\u10000 is U+1000 and a 0, in AWS's patterns as in Java.)
//   - \s includes vertical tab.
//   - The dot stops at all of Java's line terminators, unless (?s) is set.
//   - The one look-ahead of the models, a hyphen not followed by a hyphen in
//     account aliases, which Go's automata cannot express.
func translate(java string) (string, error) {
	if java == `^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$` {
		// Equal for the lengths 3 to 63, which the shape demands as well.
		return `[a-z0-9]+(-[a-z0-9]+)*`, nil
	}
	var b strings.Builder
	inClass, dotAll := false, strings.HasPrefix(java, "(?s)")
	for i := 0; i < len(java); i++ {
		switch c := java[i]; {
		case c == '\\' && i+1 < len(java):
			i++
			switch java[i] {
			case 'u':
				r, n, err := unicodeEscape(java[i-1:])
				if err != nil {
					return "", err
				}
				fmt.Fprintf(&b, `\x{%X}`, r)
				i += n - 2
			case 's':
				if inClass {
					b.WriteString(`\s\x0B`)
				} else {
					b.WriteString(`[\s\x0B]`)
				}
			default:
				b.WriteString(java[i-1 : i+1])
			}
		case c == '[':
			if inClass {
				return "", fmt.Errorf("constraint: pattern %s: a class inside a class", java)
			}
			inClass = true
			b.WriteByte(c)
		case c == ']':
			inClass = false
			b.WriteByte(c)
		case c == '.' && !inClass && !dotAll:
			b.WriteString(`[^\n\r\x{85}\x{2028}\x{2029}]`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// unicodeEscape reads \uXXXX, or two of them that are a surrogate pair, at the
// beginning of s, and returns the character and the number of bytes read.
func unicodeEscape(s string) (r rune, n int, err error) {
	read := func(s string) (rune, bool) {
		if len(s) < 6 || s[:2] != `\u` {
			return 0, false
		}
		v, err := strconv.ParseUint(s[2:6], 16, 16)
		return rune(v), err == nil
	}
	high, ok := read(s)
	if !ok {
		return 0, 0, fmt.Errorf("constraint: bad escape %.6s", s)
	}
	if !utf16.IsSurrogate(high) {
		return high, 6, nil
	}
	low, ok := read(s[6:])
	if r = utf16.DecodeRune(high, low); !ok || r == utf8.RuneError {
		return 0, 0, fmt.Errorf("constraint: lone surrogate %.6s", s)
	}
	return r, 12, nil
}

// class is a character class repeated any number of times.
type class struct {
	ascii  [utf8.RuneSelf]bool
	ranges []rune // pairs of first and last, sorted
	empty  bool   // whether the empty string matches
}

// classOf returns the class that tree consists of, or nil.
func classOf(tree *syntax.Regexp) *class {
	// A match of the whole makes ^ and $ at the ends superfluous.
	if tree.Op == syntax.OpConcat {
		sub := tree.Sub
		if sub[0].Op == syntax.OpBeginText {
			sub = sub[1:]
		}
		if len(sub) > 0 && sub[len(sub)-1].Op == syntax.OpEndText {
			sub = sub[:len(sub)-1]
		}
		if len(sub) != 1 {
			return nil
		}
		tree = sub[0]
	}
	if tree.Op != syntax.OpStar && tree.Op != syntax.OpPlus {
		return nil
	}
	c := &class{empty: tree.Op == syntax.OpStar}
	switch elem := tree.Sub[0]; elem.Op {
	case syntax.OpCharClass:
		c.ranges = elem.Rune
	case syntax.OpAnyChar:
		c.ranges = []rune{0, utf8.MaxRune}
	default:
		return nil
	}
	for i := 0; i < len(c.ranges); i += 2 {
		for r := c.ranges[i]; r <= min(c.ranges[i+1], utf8.RuneSelf-1); r++ {
			c.ascii[r] = true
		}
	}
	return c
}

func (c *class) match(s string) bool {
	if s == "" {
		return c.empty
	}
	for i := 0; i < len(s); {
		if b := s[i]; b < utf8.RuneSelf {
			if !c.ascii[b] {
				return false
			}
			i++
			continue
		}
		r, width := utf8.DecodeRuneInString(s[i:])
		if !c.contains(r) {
			return false
		}
		i += width
	}
	return true
}

// contains reports whether r is in one of the ranges.
func (c *class) contains(r rune) bool {
	low, high := 0, len(c.ranges)/2
	for low < high {
		middle := (low + high) / 2
		switch {
		case r < c.ranges[2*middle]:
			high = middle
		case r > c.ranges[2*middle+1]:
			low = middle + 1
		default:
			return true
		}
	}
	return false
}
