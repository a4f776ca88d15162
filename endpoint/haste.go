package endpoint

import (
	"strings"
	"time"
)

const (
	// answerInOneRead is how many bytes of an answer net/http's client reads with its
	// header (http.Transport.ReadBufferSize is 4 KiB, of which headers take a part).
	answerInOneRead = 3 << 10
	// haste is how long a longer answer to the Go SDK on the same host waits. The
	// client needs some microseconds; a busy host makes a few milliseconds of them.
	haste = 3 * time.Millisecond
)

// tooFast tells whether an answer could overtake its request. The AWS SDK for Go
// closes the body of a request as soon as the answer begins. net/http, which sends
// that body straight from its reader, looks for its end once more afterwards; the
// reader of smithy-go, closed by then, answers with an error (safeReadCloser.WriteTo
// returns io.EOF), and net/http drops the connection with what it has not read of
// the answer: "use of closed network connection". Over a network the answer never
// comes that early. On the same host it does: Terraform fails in the middle of a list.
func tooFast(x *exchange, answer int) bool {
	return answer > answerInOneRead && x.env.SourceIP.IsLoopback() && strings.Contains(x.env.UserAgent, "aws-sdk-go-v2/")
}
