package scan

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"unicode/utf16"
)

// Marker, on the line of a key or of its secret, says that they are meant to be there.
const Marker = "lanyard:allow"

// How far apart a key and its secret may lie: what people write as one thing.
const (
	maxLines = 4
	maxBytes = 1024
)

// maxPerFile bounds the matches of one file, and maxSecrets the candidates of one match.
const (
	maxPerFile = 1000
	maxSecrets = 4
)

const (
	idLength     = 20
	secretLength = 40
)

// match is an access key id with what may be its secret, nearest first.
type match struct {
	line    int // from 1
	id      string
	secrets []string
}

// matches finds access key ids that have a secret near them in the text of a file.
func matches(text []byte) (found []match) {
	text = utf8Of(text)
	var places []int // of secrets, looked for where there is an id
	line, counted := 1, 0
	for at := nextID(text, 0); at >= 0 && len(found) < maxPerFile; at = nextID(text, at+idLength) {
		line += bytes.Count(text[counted:at], []byte{'\n'})
		counted = at
		if places == nil {
			places = secretsIn(text)
			if len(places) == 0 {
				return nil
			}
		}
		id := text[at : at+idLength]
		if isExample(id) {
			continue
		}
		if secrets := near(text, places, at); len(secrets) > 0 && !isAllowed(text, at) {
			found = append(found, match{line, string(id), secrets})
		}
	}
	return found
}

// nextID is where the next access key id begins, or -1.
func nextID(text []byte, from int) int {
	for from < len(text) {
		i := bytes.Index(text[from:], []byte("IA"))
		if i < 0 {
			return -1
		}
		at := from + i - 2
		from += i + 2
		if at >= 0 && isID(text, at) {
			return at
		}
	}
	return -1
}

func isID(text []byte, at int) bool {
	if at+idLength > len(text) {
		return false
	}
	if prefix := string(text[at : at+4]); prefix != "AKIA" && prefix != "ASIA" {
		return false
	}
	for _, c := range text[at+4 : at+idLength] {
		if !isUpper(c) && !isDigit(c) {
			return false
		}
	}
	return !continues(text, at+idLength, isWord) && (at == 0 || !isWord(text[at-1]) || escaped(text, at))
}

// near picks from the places of secrets, in order, those that belong to the key at a
// place, nearest first.
func near(text []byte, places []int, at int) (secrets []string) {
	from, _ := slices.BinarySearch(places, at-maxBytes)
	to, _ := slices.BinarySearch(places, at+maxBytes)
	around := slices.Clone(places[from:to])
	distance := func(place int) int {
		if place < at {
			return 2*(at-place) + 1 // what follows is nearer
		}
		return 2 * (place - at)
	}
	slices.SortFunc(around, func(a, b int) int { return distance(a) - distance(b) })
	for _, place := range around {
		if len(secrets) == maxSecrets {
			break
		}
		between := text[min(at, place):max(at, place)]
		secret := string(text[place : place+secretLength])
		if bytes.Count(between, []byte{'\n'}) <= maxLines && !isAllowed(text, place) && !slices.Contains(secrets, secret) {
			secrets = append(secrets, secret)
		}
	}
	return secrets
}

// secretsIn are the places of what may be secrets, in order.
func secretsIn(text []byte) (places []int) {
	for i := 0; i < len(text); i++ {
		start := i
		for i < len(text) && isSecretByte(text[i]) {
			i++
		}
		if i-start < secretLength {
			continue
		}
		if place := secretIn(text, start, i); place >= 0 {
			places = append(places, place)
		}
	}
	return places
}

// secretIn is where in a run of the characters of secrets one begins, or -1.
func secretIn(text []byte, start, end int) int {
	if end < len(text) && text[end] == '=' && (end+1 == len(text) || !isSecretByte(text[end+1])) {
		return -1 // padded base64 of something else
	}
	if escaped(text, start+1) && end-start > secretLength {
		start++ // \n in a string of a program
	}
	for end-start > secretLength && text[start] == '/' {
		start++ // a comment, or the end of a path
	}
	if end-start != secretLength {
		return -1
	}
	s := text[start:end]
	if isExample(s) || !isRandom(s) {
		return -1
	}
	return start
}

// isRandom tells texts that were drawn from names, paths and hashes: in 40 characters of
// base64 both cases are met, more than hexadecimal digits, and few twice.
func isRandom(s []byte) bool {
	var upper, lower, beyondHex bool
	var counts [256]int
	for _, c := range s {
		upper = upper || isUpper(c)
		lower = lower || c >= 'a' && c <= 'z'
		beyondHex = beyondHex || !isDigit(c) && (c < 'a' || c > 'f') && (c < 'A' || c > 'F')
		counts[c]++
	}
	entropy := 0.0
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(s))
			entropy -= p * math.Log2(p)
		}
	}
	return upper && lower && beyondHex && entropy > 3.8
}

// isExample tells the keys and secrets of AWS's documentation.
func isExample(s []byte) bool { return bytes.Contains(s, []byte("EXAMPLE")) }

// isAllowed tells whether the line of a place has the marker. The line is looked at no
// further than people write.
func isAllowed(text []byte, at int) bool {
	begin := max(0, at-maxBytes)
	begin += bytes.LastIndexByte(text[begin:at], '\n') + 1
	end := min(len(text), at+maxBytes)
	if n := bytes.IndexByte(text[at:end], '\n'); n >= 0 {
		end = at + n
	}
	return bytes.Contains(text[begin:end], []byte(Marker))
}

// escaped tells whether the character before a place belongs to an escape: \n, \t, \r.
func escaped(text []byte, at int) bool {
	return at >= 2 && at <= len(text) && text[at-2] == '\\' && (text[at-1] == 'n' || text[at-1] == 't' || text[at-1] == 'r')
}

func continues(text []byte, at int, is func(byte) bool) bool { return at < len(text) && is(text[at]) }

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isWord(c byte) bool  { return isUpper(c) || isDigit(c) || c >= 'a' && c <= 'z' }

func isSecretByte(c byte) bool { return isWord(c) || c == '/' || c == '+' }

// isBinary tells whether a file is no text, as git does: by a zero byte near its start.
// UTF-16, which Windows writes, is text.
func isBinary(text []byte) bool {
	return byteOrder(text) == nil && bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0
}

func byteOrder(text []byte) binary.ByteOrder {
	switch {
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}):
		return binary.LittleEndian
	case bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		return binary.BigEndian
	}
	return nil
}

// utf8Of is a text in UTF-8.
func utf8Of(text []byte) []byte {
	order := byteOrder(text)
	if order == nil {
		return text
	}
	units := make([]uint16, 0, len(text)/2)
	for i := 2; i+1 < len(text); i += 2 {
		units = append(units, order.Uint16(text[i:]))
	}
	return []byte(string(utf16.Decode(units)))
}
