package policy

import "strings"

// arnTail returns where the sixth part of an ARN begins: after the fifth colon.
// It returns -1 for text that is not an ARN.
func arnTail(s string) int {
	if !strings.HasPrefix(s, "arn:") {
		return -1
	}
	return sixthPart(s)
}

// sixthPart returns the offset after the fifth colon, or -1.
func sixthPart(s string) int {
	colons := 0
	for i := range len(s) {
		if s[i] == ':' {
			if colons++; colons == 5 {
				return i + 1
			}
		}
	}
	return -1
}

// arnPattern is one entry of Resource or NotResource, or one value of an ARN
// condition operator. The first five parts are matched one by one, so that a
// wildcard never reaches over a colon; the sixth is the rest of the ARN, in
// which a wildcard crosses anything.
type arnPattern struct {
	text string
	// tail is where the sixth part begins in text.
	tail uint32
	form arnForm
	// literalHead: the first five parts hold no wildcard and compare at once.
	literalHead bool
	// variables is the sixth part compiled, if it has any.
	variables *template
}

type arnForm uint8

const (
	neverARN  arnForm = iota // not an ARN, or a variable where none is resolved: matches nothing
	anyARN                   // the pattern "*"
	exactARN                 // the sixth part holds no wildcard
	prefixARN                // the sixth part is literal text and one final *
	globARN                  // any other wildcards
	variableARN
)

// newARNPattern compiles text; variables says whether ${…} is resolved.
func newARNPattern(text string, variables bool) (arnPattern, error) {
	p := arnPattern{text: text}
	if text == "*" {
		p.form = anyARN
		return p, nil
	}
	tail := sixthPart(text)
	if tail < 0 {
		return p, nil
	}
	head, rest := text[:tail], text[tail:]
	p.tail = uint32(tail)
	p.literalHead = !strings.ContainsAny(head, "*?")
	// Variables are resolved in the sixth part only. Before it, ${…} is left as
	// the literal text it is, which no ARN contains.
	if variables && strings.Contains(rest, "${") {
		t, err := parseTemplate(rest, true)
		if err != nil {
			return p, err
		}
		p.form, p.variables = variableARN, &t
		return p, nil
	}
	switch i := strings.IndexAny(rest, "*?"); {
	case i < 0:
		p.form = exactARN
	case i == len(rest)-1 && rest[i] == '*':
		p.form = prefixARN
	default:
		p.form = globARN
	}
	return p, nil
}

// match reports whether the ARN s matches, tail being arnTail(s).
func (p *arnPattern) match(s string, tail int, c *Context) bool {
	if p.form == anyARN {
		return true
	}
	if p.form == neverARN || tail < 0 {
		return false
	}
	head, rest := p.text[:p.tail], p.text[p.tail:]
	if p.literalHead {
		if s[:tail] != head {
			return false
		}
	} else if !matchHead(head, s[:tail]) {
		return false
	}
	switch s = s[tail:]; p.form {
	case exactARN:
		return s == rest
	case prefixARN:
		return strings.HasPrefix(s, rest[:len(rest)-1])
	case globARN:
		return matchGlob(rest, s)
	default:
		return p.variables.match(s, c, false)
	}
}

// matchHead compares the first five parts, each with its final colon.
func matchHead(p, s string) bool {
	for p != "" {
		i, j := strings.IndexByte(p, ':'), strings.IndexByte(s, ':')
		if !matchGlob(p[:i], s[:j]) {
			return false
		}
		p, s = p[i+1:], s[j+1:]
	}
	return true
}

// literalTail returns the literal text with which the sixth part of every
// matching ARN begins, and so what the index may tell patterns apart by.
func (p *arnPattern) literalTail() string {
	switch p.form {
	case exactARN:
		return p.text[p.tail:]
	case prefixARN, globARN:
		rest := p.text[p.tail:]
		return rest[:strings.IndexAny(rest, "*?")]
	case variableARN:
		if t := (*p.variables)[0]; t.kind == literalToken {
			return t.text
		}
	}
	return ""
}
