package transfer

import (
	"strconv"
	"strings"

	"github.com/lanyard-iam/lanyard/arn"
)

// rewriter replaces the account of the file by the one that is imported into.
type rewriter struct {
	from, to arn.AccountID
	keep     bool // documents stay as they are
	// partition is that of this installation, for ARNs outside of documents.
	partition arn.Partition
}

// document rewrites the ARNs of a policy document whose account is that of the file,
// and values that are nothing but its id, such as a principal. It returns how many. A
// name that has the id in it, such as a bucket's, is a name and stays.
func (w *rewriter) document(text string) (string, int) {
	from := string(w.from)
	if w.keep || w.from == w.to || from == "" {
		return text, 0
	}
	original := text
	text = plain(text)
	if !strings.Contains(text, from) {
		return original, 0
	}
	var b strings.Builder
	n := 0
	for {
		i := strings.Index(text, from)
		if i < 0 {
			if n == 0 {
				return original, 0
			}
			b.WriteString(text)
			return b.String(), n
		}
		rest := text[i+len(from):]
		b.WriteString(text[:i])
		if isAccountOfARN(b.String(), rest) || isWholeValue(text[:i], rest) {
			b.WriteString(string(w.to))
			n++
		} else {
			b.WriteString(from)
		}
		text = rest
	}
}

// plain writes the printable ASCII characters of a JSON text that are escaped without
// need as themselves, so that what is looked for is found however it is spelled.
func plain(text string) string {
	if !strings.Contains(text, `\u00`) && !strings.Contains(text, `\/`) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		switch {
		case text[i+1] == '/':
			b.WriteByte('/')
			i++
			continue
		case text[i+1] == 'u' && i+6 <= len(text):
			if c, err := strconv.ParseUint(text[i+2:i+6], 16, 16); err == nil && c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
				b.WriteByte(byte(c))
				i += 5
				continue
			}
		}
		b.WriteString(text[i : i+2]) // an escape that is needed, or two backslashes
		i++
	}
	return b.String()
}

// isAccountOfARN tells whether what stands between before and after is the fifth part of
// an ARN.
func isAccountOfARN(before, after string) bool {
	if !strings.HasPrefix(after, ":") || !strings.HasSuffix(before, ":") {
		return false
	}
	start := strings.LastIndexByte(before, '"') + 1
	parts := strings.Split(before[start:], ":")
	return len(parts) == 5 && parts[0] == "arn" && parts[4] == ""
}

// isWholeValue tells whether it is all of a string that is not the name of a member.
func isWholeValue(before, after string) bool {
	if !strings.HasSuffix(before, `"`) || strings.HasSuffix(before, `\"`) || !strings.HasPrefix(after, `"`) {
		return false
	}
	return !strings.HasPrefix(strings.TrimLeft(after[1:], " \t\r\n"), ":")
}

// name rewrites the ARN of something in IAM: its account and its partition.
func (w *rewriter) name(text string) string {
	a, err := arn.Parse(text)
	if err != nil {
		return text
	}
	a.Partition = w.partition
	if a.Account == string(w.from) {
		a.Account = string(w.to)
	}
	return a.String()
}
