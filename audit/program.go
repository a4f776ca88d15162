package audit

import "strings"

// callMarks begin the words of an SDK's user agent that tell of the one call: which of the
// SDK's features it used, in no order, which service it is to, and which command of the
// AWS CLI made it.
var callMarks = [...]string{"m/", "ft/", "api/", "md/command#"}

// Program is a user agent without what differs from call to call: two calls of one program
// have the same.
func Program(userAgent string) string {
	words := strings.Fields(userAgent)
	kept := words[:0]
next:
	for _, word := range words {
		for _, mark := range callMarks {
			if strings.HasPrefix(word, mark) {
				continue next
			}
		}
		kept = append(kept, word)
	}
	return strings.Join(kept, " ")
}
