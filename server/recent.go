package server

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
)

// recentBytes is how much of the log is kept in memory, for support bundles.
const recentBytes = 256 << 10

// recent keeps the last lines of the log. It is written to by one line at a time.
type recent struct {
	mu    sync.Mutex
	lines [][]byte
	bytes int
}

// Write implements io.Writer. What is longer than all that is kept is cut.
func (r *recent) Write(line []byte) (int, error) {
	kept := bytes.Clone(line[:min(len(line), recentBytes/16)])
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, kept)
	r.bytes += len(kept)
	for r.bytes > recentBytes {
		r.bytes -= len(r.lines[0])
		r.lines[0] = nil
		r.lines = r.lines[1:]
	}
	return len(line), nil
}

// text is what is kept, redacted.
func (r *recent) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, line := range r.lines {
		b.WriteString(redacted(strings.TrimRight(string(line), "\n")))
		b.WriteByte('\n')
	}
	return b.String()
}

// What is taken out of texts that leave the installation. Secrets are not in the log to begin
// with; these are who and what is in the accounts, and whatever looks like a secret.
var (
	anARN     = regexp.MustCompile(`arn:[a-z-]+:[a-z0-9-]*:[a-z0-9-]*:[^\s"',)\\]*`)
	aKeyID    = regexp.MustCompile(`\b(A[A-Z]{3})[A-Z0-9]{12,124}\b`)
	anAccount = regexp.MustCompile(`\b[0-9]{12}\b`)
	anEmail   = regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+`)
	aLong     = regexp.MustCompile(`[A-Za-z0-9+/=_-]{20,}`)
	aUUID     = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
)

// redacted replaces in a text what names somebody or something, and what may be a secret.
func redacted(text string) string {
	text = anARN.ReplaceAllString(text, "[ARN]")
	text = aKeyID.ReplaceAllString(text, "$1[ID]")
	text = anEmail.ReplaceAllString(text, "[NAME@HOST]")
	text = anAccount.ReplaceAllString(text, "[ACCOUNT]")
	return aLong.ReplaceAllStringFunc(text, func(s string) string {
		if aUUID.MatchString(s) || !looksRandom(s) {
			return s
		}
		return "[REDACTED]"
	})
}

// looksRandom tells keys and tokens from words, names of functions and paths.
func looksRandom(s string) bool {
	var digits, upper, lower, turns int
	apart := strings.ContainsAny(s, "/-_")
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'A' && c <= 'Z':
			upper++
			if i > 0 && s[i-1] >= 'a' && s[i-1] <= 'z' {
				turns++
			}
		case c >= 'a' && c <= 'z':
			lower++
		}
	}
	if digits == 0 {
		return turns > len(s)/6
	}
	return upper > 0 && lower > 0 || !apart
}
