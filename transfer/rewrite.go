package transfer

import (
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
	if w.keep || w.from == w.to || from == "" || !strings.Contains(text, from) {
		return text, 0
	}
	var b strings.Builder
	n := 0
	for {
		i := strings.Index(text, from)
		if i < 0 {
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
