package audit

import (
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const hex = "0123456789abcdef"

// truncated ends a text that was cut to its limit.
const truncated = "...[truncated]"

// plain are the bytes that stand for themselves in a JSON string. Like
// encoding/json we escape <, > and &, since records end up in web pages, too.
var plain = func() (t [256]bool) {
	for c := byte(' '); c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return t
}()

// appendText writes s as a JSON string of at most limit bytes before escaping.
//
// Everything that does not print is escaped: records are read in terminals, where
// a raw escape sequence or a change of writing direction could show a reader
// something else than what is recorded. Bytes that are no UTF-8 become U+FFFD.
func appendText(dst []byte, s string, limit int) []byte {
	if len(s) > limit {
		return append(appendEscaped(append(dst, '"'), cut(s, limit-len(truncated))), truncated+`"`...)
	}
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

// cut returns the first n bytes of s, or up to three fewer, so that they do not end
// in half a character. s is longer than n.
func cut(s string, n int) string {
	for i := n; i > 0 && i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n]
}

func appendEscaped[S string | []byte](dst []byte, s S) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		if c < utf8.RuneSelf {
			dst = appendASCII(dst, c)
			i++
			start = i
			continue
		}
		r, size := decodeRune(s[i:])
		dst = appendRune(dst, r)
		i += size
		start = i
	}
	return append(dst, s[start:]...)
}

func appendASCII(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// appendRune writes a character beyond ASCII: as it is if it prints. U+FFFD does not
// count as such; in a record it stands for bytes that were none.
func appendRune(dst []byte, r rune) []byte {
	if r != utf8.RuneError && unicode.IsPrint(r) {
		return utf8.AppendRune(dst, r)
	}
	if r1, r2 := utf16.EncodeRune(r); r1 != unicode.ReplacementChar {
		return appendUnit(appendUnit(dst, r1), r2)
	}
	return appendUnit(dst, r)
}

func appendUnit(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

func decodeRune[S string | []byte](s S) (rune, int) {
	return utf8.DecodeRuneInString(string(s[:min(len(s), utf8.UTFMax)]))
}

// appendValid writes JSON that is known to be valid on one line, with the same
// care for what does not print as appendText. Beyond ASCII, and for control
// characters, valid JSON has such bytes only inside strings, or as white space
// between values.
func appendValid(dst, valid []byte) []byte {
	for i := 0; i < len(valid); {
		c := valid[i]
		switch {
		case plain[c] || c == '"' || c == '\\':
			dst = append(dst, c)
			i++
		case c == '\n' || c == '\r' || c == '\t':
			i++
		case c < utf8.RuneSelf:
			dst = appendASCII(dst, c)
			i++
		default:
			r, size := decodeRune(valid[i:])
			dst = appendRune(dst, r)
			i += size
		}
	}
	return dst
}
