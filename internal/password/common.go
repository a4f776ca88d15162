package password

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// commonText are passwords that many people have, one a line, sorted: those of at least
// eight characters among the 30,000 most frequent in zxcvbn's list (npm zxcvbn 4.4.2, MIT,
// https://github.com/dropbox/zxcvbn), and the most frequent of six and seven.
//
//go:embed common.txt
var commonText string

var commonList = sync.OnceValue(func() []string { return strings.Fields(commonText) })

// Common tells whether a password is one that is tried first: because many people have it,
// or such a one is in it with digits and signs around it, or it is a short text again and
// again, or a row of characters.
func Common(password string) bool {
	text := strings.ToLower(normal(password))
	bare := strings.TrimFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })
	for _, t := range []string{text, bare, unleet(text), unleet(bare)} {
		if _, found := slices.BinarySearch(commonList(), t); found && len(t)*2 > len(text) {
			return true
		}
	}
	return isRepeated(text) || isRow(text)
}

// unleet undoes the usual replacements of letters.
func unleet(text string) string {
	return strings.NewReplacer("0", "o", "1", "l", "3", "e", "4", "a", "@", "a", "5", "s", "$", "s", "7", "t", "!", "i").Replace(text)
}

// isRepeated tells whether a text is a short one, or a common password, again and again.
func isRepeated(text string) bool {
	for n := 1; n*2 <= len(text); n++ {
		if len(text)%n == 0 && strings.Repeat(text[:n], len(text)/n) == text && (n <= 4 || Common(text[:n])) {
			return true
		}
	}
	return false
}

// isRow tells whether each character is the one after, or before, the one before it, as on
// the keyboard or in the alphabet.
func isRow(text string) bool {
	for _, row := range []string{"abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertyuiopasdfghjklzxcvbnm"} {
		if len(text) >= 4 && (strings.Contains(row, text) || strings.Contains(reversed(row), text)) {
			return true
		}
	}
	return false
}

func reversed(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

// Derived tells whether a password is little more than one of the names: that of the
// person, of the account, or of the mail address.
func Derived(password string, names ...string) bool {
	text := strings.ToLower(normal(password))
	for _, name := range names {
		name = strings.ToLower(name)
		local, _, _ := strings.Cut(name, "@")
		for _, part := range []string{name, local} {
			if len(part) < 3 {
				continue
			}
			if rest := strings.ReplaceAll(strings.ReplaceAll(text, part, ""), reversed(part), ""); len(rest) < len(text) && len(rest) < 6 {
				return true
			}
		}
	}
	return false
}
