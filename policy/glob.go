package policy

import (
	"strings"
	"unicode/utf8"
)

// matchGlob reports whether s as a whole matches p, in which * stands for any
// run of characters, the empty one included, and ? for exactly one.
//
// After each * the text up to the next one is looked for from the left, once:
// there is no backtracking over more than one *, and no pattern costs more than
// len(p)·len(s) steps; without ? the search is linear.
func matchGlob(p, s string) bool {
	star := strings.IndexByte(p, '*')
	if star < 0 {
		n, ok := matchChunk(p, s)
		return ok && n == len(s)
	}
	n, ok := matchChunk(p[:star], s)
	if !ok {
		return false
	}
	p, s = p[star+1:], s[n:]
	for {
		star = strings.IndexByte(p, '*')
		if star < 0 {
			return matchSuffix(p, s)
		}
		n, ok = findChunk(p[:star], s)
		if !ok {
			return false
		}
		p, s = p[star+1:], s[n:]
	}
}

// matchChunk reports whether s begins with the chunk, a pattern without *, and
// how many bytes of s the chunk takes.
func matchChunk(chunk, s string) (n int, ok bool) {
	for {
		one := strings.IndexByte(chunk, '?')
		if one < 0 {
			return n + len(chunk), strings.HasPrefix(s[n:], chunk)
		}
		if !strings.HasPrefix(s[n:], chunk[:one]) {
			return 0, false
		}
		n += one
		if n == len(s) {
			return 0, false
		}
		_, width := utf8.DecodeRuneInString(s[n:])
		n += width
		chunk = chunk[one+1:]
	}
}

// findChunk finds the leftmost place in s where the chunk matches, and returns
// the end of the match.
func findChunk(chunk, s string) (end int, ok bool) {
	if strings.IndexByte(chunk, '?') < 0 {
		i := strings.Index(s, chunk)
		return i + len(chunk), i >= 0
	}
	for i := range s {
		if n, ok := matchChunk(chunk, s[i:]); ok {
			return i + n, true
		}
	}
	return 0, false
}

// matchSuffix reports whether s ends with the chunk.
func matchSuffix(chunk, s string) bool {
	if strings.IndexByte(chunk, '?') < 0 {
		return strings.HasSuffix(s, chunk)
	}
	from := len(s)
	for range utf8.RuneCountInString(chunk) {
		if from == 0 {
			return false
		}
		_, width := utf8.DecodeLastRuneInString(s[:from])
		from -= width
	}
	n, ok := matchChunk(chunk, s[from:])
	return ok && from+n == len(s)
}

// matchAction is matchGlob for action names, which are compared without regard
// to case. The action is lower-case already.
func matchAction(p string, action []byte) bool {
	pi, ai := 0, 0
	star, mark := -1, 0
	for {
		switch {
		case pi < len(p) && p[pi] == '*':
			star, mark = pi, ai
			pi++
			continue
		case pi < len(p) && ai < len(action) && (p[pi] == '?' || lower(p[pi]) == action[ai]):
			pi++
			ai++
			continue
		case pi == len(p) && ai == len(action):
			return true
		case star < 0 || mark == len(action):
			return false
		}
		mark++
		pi, ai = star+1, mark
	}
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// foldAt returns byte i of s with case folded, for ASCII and the letters
// U+00C0 to U+00DE. These are all the letters with case that a policy may
// spell out. Wider folding would let characters such as the Kelvin sign pass
// for letters of condition keys and tag names.
func foldAt(s string, i int) byte {
	c := s[i]
	if c < utf8.RuneSelf {
		return lower(c)
	}
	const latin1Lead, multiplication = 0xC3, 0x97
	if c >= 0x80 && c <= 0x9E && c != multiplication && i > 0 && s[i-1] == latin1Lead {
		c += 0x20
	}
	return c
}

// equalFold compares without regard to case, as foldAt understands it.
func equalFold(a, b string) bool {
	if a == b {
		return true
	}
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && foldAt(a, i) != foldAt(b, i) {
			return false
		}
	}
	return true
}

// hashFold is a hash that is equal for names that equalFold holds equal. It takes
// eight bytes at once: a decision hashes the name of every condition key. Setting
// the bit in which upper and lower case differ, in ASCII as in the second byte of
// U+00C0 to U+00FE, folds more than equalFold does, which costs a collision at most.
func hashFold(s string) uint32 {
	const fold, prime = 0x2020202020202020, 0x9E3779B97F4A7C15
	h := uint64(len(s))
	for ; len(s) >= 8; s = s[8:] {
		h = (h ^ (word(s) | fold)) * prime
		h ^= h >> 32
	}
	var rest uint64
	for i := range len(s) {
		rest = rest<<8 | uint64(s[i])
	}
	h = (h ^ (rest | fold)) * prime
	return uint32(h >> 32)
}

// word is the first eight bytes of s.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
