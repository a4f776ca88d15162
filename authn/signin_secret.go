package authn

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

// Two kinds of secret are handed out: those that a browser keeps, of 256 bits, and those
// that people type, copy and keep on paper, of 80 bits. All are kept as digests only.

const secretBytes = 32

// drawSecret draws a secret for a cookie.
func drawSecret(rand io.Reader) (string, error) {
	b := make([]byte, secretBytes)
	if _, err := io.ReadFull(rand, b); err != nil {
		return "", fmt.Errorf("draw the secret of a cookie: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

func wellFormedSecret(s string) bool { return len(s) == base64.RawURLEncoding.EncodedLen(secretBytes) }

// crockford is Douglas Crockford's base32: no I, L, O or U, which are misread or swear.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	codeBytes = 10 // 80 bits, 16 characters
	codeGroup = 4
)

// drawCode draws a code for people: XXXX-XXXX-XXXX-XXXX.
func drawCode(rand io.Reader) (string, error) {
	b := make([]byte, codeBytes)
	if _, err := io.ReadFull(rand, b); err != nil {
		return "", fmt.Errorf("draw a code: %w", err)
	}
	var out strings.Builder
	for i := range codeBytes * 8 / 5 {
		if i > 0 && i%codeGroup == 0 {
			out.WriteByte('-')
		}
		at := i * 5 // bit
		n := uint16(b[at/8]) << 8
		if at/8+1 < len(b) {
			n |= uint16(b[at/8+1])
		}
		out.WriteByte(crockford[n>>(11-at%8)&31])
	}
	return out.String(), nil
}

// readCode is a code as drawCode writes it, of one that was typed in any case, with or
// without dashes and spaces, and with the letters that look like digits.
func readCode(typed string) (string, bool) {
	if len(typed) > 64 {
		return "", false
	}
	var out strings.Builder
	n := 0
	for _, r := range strings.ToUpper(typed) {
		switch r {
		case '-', ' ', '\t', '\r', '\n':
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if r > 'Z' || !strings.ContainsRune(crockford, r) {
			return "", false
		}
		if n > 0 && n%codeGroup == 0 {
			out.WriteByte('-')
		}
		out.WriteRune(r)
		n++
	}
	return out.String(), n == codeBytes*8/5
}
