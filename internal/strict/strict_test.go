package strict

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// server is an http.Server behind the profile, on loopback.
type server struct {
	addr    string
	refused chan Violation
}

// echoBody answers with the method and the body, or 400 if the body is broken.
func echoBody(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "bad body", http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%s %s", r.Method, body)
}

func serve(t testing.TB, handler http.HandlerFunc, config *tls.Config) server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	refused := make(chan Violation, 16)
	s := &http.Server{Handler: handler}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(&Listener{Listener: l, Refused: func(_ net.Addr, v Violation) { refused <- v }})
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return server{l.Addr().String(), refused}
}

// client is a raw connection to a server.
type client struct {
	testing.TB
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, s server) client {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return client{t, c, bufio.NewReader(c)}
}

func (c client) send(raw string) {
	// The server may refuse and close before all of it is written.
	_, _ = io.WriteString(c.Conn, raw)
}

// wants reads one response.
func (c client) wants(status int, body string) {
	c.Helper()
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.Fatalf("no response: %v", err)
	}
	got, err := io.ReadAll(r.Body)
	if err != nil {
		c.Fatal(err)
	}
	if r.StatusCode != status || string(got) != body {
		c.Fatalf("got %d %q, want %d %q", r.StatusCode, got, status, body)
	}
	if status == http.StatusBadRequest {
		if !r.Close || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
			c.Fatalf("headers of the refusal: %v", r.Header)
		}
	}
}

// wantsClosed fails if the server says any more.
func (c client) wantsClosed() {
	c.Helper()
	if rest, _ := io.ReadAll(c.r); len(rest) > 0 {
		c.Fatalf("after the refusal came %q", rest)
	}
}

const badRequest = "400 Bad Request"

// request joins lines to the head of a request.
func request(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

func repeat(n int, line func(int) string) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = line(i)
	}
	return lines
}

// Each row is refused with 400 and a closed connection; its twin, different in
// one detail, is served.
func TestProfile(t *testing.T) {
	get := func(lines ...string) string {
		return request(append([]string{"GET / HTTP/1.1", "Host: good"}, lines...)...)
	}
	post := func(lines ...string) string {
		return request(append([]string{"POST / HTTP/1.1", "Host: good"}, lines...)...)
	}
	plain := get()
	for _, row := range []struct {
		name    string
		refused string
		why     Violation
		twin    string
	}{
		{"T013_ConnectionNominates_amz", get("X-Amz-Content-Sha256: a", "Connection: close, X-Amz-Content-Sha256"), NominatedHeader, get("X-Amz-Content-Sha256: a", "Connection: keep-alive, TE")},
		{"T013_ConnectionNominates_authorization", get("Connection: authorization"), NominatedHeader, get("Connection: ,keep-alive ,")},
		{"T013_ConnectionNominates_host", get("Connection: keep-alive", "Connection:\tHost"), NominatedHeader, get("Connection: keep-alive", "Connection:\ttrailer")},
		{"T013_ConnectionNominates_content", get("Connection: Content-Type"), NominatedHeader, get("Connection: Upgrade, HTTP2-Settings")},
		{"T013_ConnectionLongOption", get("Connection: " + strings.Repeat("a", 33)), NominatedHeader, get("Connection: ")},
		{"T014_SpaceBeforeColon", get("X-Amz-Security-Token : a"), BadName, get("X_Amz_Security_Token: a")},
		{"T015_FoldingSpace", get("X-Amz-Meta-A: 1", " 2"), Folding, get("X-Amz-Meta-A: 1", "B: 2")},
		{"T015_FoldingTab", get("X-Amz-Meta-A: 1", "\t2"), Folding, get("X-Amz-Meta-A: 1\t2")},
		{"T015_FoldingFirstLine", request("GET / HTTP/1.1", " Host: good"), Folding, plain},
		{"T016_NULInValue", get("A: b\x00c"), BadValue, get("A: b c")},
		{"T016_CRInValue", get("A: b\rc"), BareCR, get("A: b", "C: d")},
		{"T016_LFInValue", get("A: b\nC: d"), BareLF, get("A: b", "C: d")},
		{"T016_HighByteInValue", get("A: \x80"), BadValue, get("A: ~")},
		{"T016_UTF8InValue", get("A: é"), BadValue, get("A: e")},
		{"T016_DELInValue", get("A: \x7f"), BadValue, get("A: ~")},
		{"T016_HighByteInName", get("A\xff: b"), BadName, get("A!: b")},
		{"T016_ControlInName", get("A\x01: b"), BadName, get("A: b")},
		{"T016_NoName", get(": b"), BadName, get("A: b")},
		{"T016_NoColon", get("Abc"), BadName, get("Abc:")},
		{"T017_TwoAuthorizations", get("Authorization: a", "authorization: a"), RepeatedAuthorization, get("Authorization: a", "Authorizations: a")},
		{"T020_ControlInTarget", request("GET /\x01 HTTP/1.1", "Host: good"), BadTarget, plain},
		{"T020_HighByteInTarget", request("GET /é HTTP/1.1", "Host: good"), BadTarget, request("GET /%C3%A9 HTTP/1.1", "Host: good")},
		{"T020_TabInRequestLine", request("GET\t/ HTTP/1.1", "Host: good"), BadMethod, plain},
		{"RequestLine_TwoSpaces", request("GET  / HTTP/1.1", "Host: good"), BadTarget, plain},
		{"RequestLine_SpaceInTarget", request("GET /a b HTTP/1.1", "Host: good"), BadVersion, request("GET /a%20b HTTP/1.1", "Host: good")},
		{"RequestLine_Fragment", request("GET /#a HTTP/1.1", "Host: good"), BadTarget, request("GET /%23a HTTP/1.1", "Host: good")},
		{"RequestLine_HTTP2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BadTarget, plain},
		{"RequestLine_Version2", request("GET / HTTP/2.0", "Host: good"), BadVersion, request("GET / HTTP/1.0", "Host: good")},
		{"RequestLine_Version12", request("GET / HTTP/1.2", "Host: good"), BadVersion, plain},
		{"RequestLine_LowerCaseVersion", request("GET / http/1.1", "Host: good"), BadVersion, plain},
		{"RequestLine_NoVersion", request("GET /", "Host: good"), BadTarget, plain},
		{"RequestLine_EmptyMethod", request(" / HTTP/1.1", "Host: good"), BadMethod, plain},
		{"RequestLine_LongMethod", request(strings.Repeat("A", 33)+" / HTTP/1.1", "Host: good"), BadMethod, request(strings.Repeat("A", 32)+" / HTTP/1.1", "Host: good")},
		{"RequestLine_Asterisk", request("OPTIONS * HTTP/1.1", "Host: good"), BadTarget, request("OPTIONS / HTTP/1.1", "Host: good")},
		{"RequestLine_Connect", request("CONNECT good:443 HTTP/1.1", "Host: good:443"), BadTarget, plain},
		{"RequestLine_EmptyLineBefore", "\r\n" + plain, BadMethod, plain},
		{"RequestLine_TrailingCRs", request("GET / HTTP/1.1\r", "Host: good"), BareCR, plain},
		{"Host_Twice", get("Host: good"), RepeatedHost, get("Hosts: good")},
		{"Host_Missing", request("GET / HTTP/1.1", "A: b"), MissingHost, plain},
		{"Host_Long", request("GET / HTTP/1.1", "Host: "+strings.Repeat("a", 273)), BadHost, request("GET / HTTP/1.1", "Host: "+strings.Repeat("a", 272))},
		{"Host_TwoWords", request("GET / HTTP/1.1", "Host: good evil"), BadHost, request("GET / HTTP/1.1", "Host: good\t ")},
		{"T046_OtherTarget", request("GET http://other/x HTTP/1.1", "Host: good"), TargetNotHost, request("GET http://good/x HTTP/1.1", "Host: good")},
		{"T046_OtherTargetNoPath", request("GET http://good.evil HTTP/1.1", "Host: good"), TargetNotHost, request("GET HTTP://Good HTTP/1.1", "Host: gooD")},
		{"T046_OtherPort", request("GET http://good:81/ HTTP/1.1", "Host: good"), TargetNotHost, request("GET http://good:81/ HTTP/1.1", "Host: good:81")},
		{"T046_UserInfo", request("GET http://good@other/ HTTP/1.1", "Host: good"), BadTarget, request("GET http://other/ HTTP/1.1", "Host: other")},
		{"T046_OtherScheme", request("GET ftp://good/ HTTP/1.1", "Host: good"), BadTarget, request("GET https://good/ HTTP/1.1", "Host: good")},
		{"T051_LengthAndChunked", post("Content-Length: 3", "Transfer-Encoding: chunked") + "0\r\n\r\n", LengthAndEncoding, post("Content-Length: 3") + "abc"},
		{"T051_ChunkedAndLength", post("Transfer-Encoding: chunked", "Content-Length: 3") + "0\r\n\r\n", LengthAndEncoding, post("Transfer-Encoding: chunked") + "0\r\n\r\n"},
		{"T051_DifferingLengths", post("Content-Length: 3", "Content-Length: 4") + "abcd", RepeatedLength, post("Content-Length: 4") + "abcd"},
		{"T051_EqualLengths", post("Content-Length: 3", "Content-Length: 3") + "abc", RepeatedLength, post("Content-Length: 3") + "abc"},
		{"T051_LengthList", post("Content-Length: 3, 3") + "abc", BadLength, post("Content-Length: \t3 \t") + "abc"},
		{"T051_LengthSigned", post("Content-Length: +3") + "abc", BadLength, post("Content-Length: 03") + "abc"},
		{"T051_LengthNegative", post("Content-Length: -3"), BadLength, post("Content-Length: 0")},
		{"T051_LengthHex", post("Content-Length: 0x3") + "abc", BadLength, post("Content-Length: 3") + "abc"},
		{"T051_LengthEmpty", post("Content-Length:"), BadLength, post("Content-Length:0")},
		{"T051_LengthHuge", post("Content-Length: " + strings.Repeat("9", 19)), BadLength, post("Content-Length: " + strings.Repeat("0", 18))},
		{"T051_Identity", post("Transfer-Encoding: identity"), BadEncoding, post("Transfer-Encoding: Chunked") + "0\r\n\r\n"},
		{"T051_OtherCoding", post("Transfer-Encoding: xchunked") + "0\r\n\r\n", BadEncoding, post("Transfer-Encoding:  chunked\t") + "0\r\n\r\n"},
		{"T051_CodingList", post("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n", BadEncoding, post("Transfer-Encoding: chunked") + "0\r\n\r\n"},
		{"T051_CodingTwice", post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "0\r\n\r\n", BadEncoding, post("Transfer-Encoding: chunked") + "0\r\n\r\n"},
		{"T051_CodingVT", post("Transfer-Encoding: \x0bchunked") + "0\r\n\r\n", BadValue, post("Transfer-Encoding: \tchunked") + "0\r\n\r\n"},
		{"T051_ChunkedIn10", request("POST / HTTP/1.0", "Host: good", "Transfer-Encoding: chunked") + "0\r\n\r\n", BadEncoding, request("POST / HTTP/1.0", "Host: good", "Content-Length: 0")},
		{"T051_TEchunked", get("TE: xchunked"), BadTE, get("TE: trailers")},
		{"T051_BareLFHeader", "GET / HTTP/1.1\r\nHost: good\nA: b\r\n\r\n", BareLF, get("A: b")},
		{"T051_BareLFRequestLine", "GET / HTTP/1.1\nHost: good\r\n\r\n", BadVersion, plain},
		{"T051_BareLFBlock", "GET / HTTP/1.1\r\nHost: good\r\n\n", BareLF, plain},
		{"T051_CRWithoutLFBlock", "GET / HTTP/1.1\r\nHost: good\r\n\rx", BareCR, plain},
		{"HeaderBlock_Large", get("A: " + strings.Repeat("a", MaxHeaderBlock)), HeadersTooLarge, get("A: " + strings.Repeat("a", MaxHeaderBlock-len(get("A: "))))},
		{"HeaderBlock_LongTarget", request("GET /"+strings.Repeat("a", MaxHeaderBlock)+" HTTP/1.1", "Host: good"), HeadersTooLarge, request("GET /"+strings.Repeat("a", MaxHeaderBlock/2)+" HTTP/1.1", "Host: good")},
		{"HeaderBlock_OneByteTooLarge", get("A: " + strings.Repeat("a", MaxHeaderBlock+1-len(get("A: ")))), HeadersTooLarge, plain},
		{"HeaderBlock_101Lines", get(repeat(MaxHeaders, func(i int) string { return fmt.Sprintf("A%d: b", i) })...), TooManyHeaders, get(repeat(MaxHeaders-1, func(i int) string { return fmt.Sprintf("A%d: b", i) })...)},
		{"Cookies_101", get("Cookie: " + strings.Join(repeat(101, func(i int) string { return fmt.Sprintf("c%d=1", i) }), "; ")), TooManyCookies, get("Cookie: " + strings.Join(repeat(100, func(i int) string { return fmt.Sprintf("c%d=1", i) }), "; "))},
		{"Cookies_101OverLines", get("Cookie: a=1", "Cookie: "+strings.Repeat("a=1;", 99)+"a=1"), TooManyCookies, get("Cookie: a=1", "Cookie: "+strings.Repeat("a=1;", 98)+"a=1")},
		{"ChunkExtension", post("Transfer-Encoding: chunked") + "3;a=b\r\nabc\r\n0\r\n\r\n", BadChunk, post("Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					http.Error(w, badRequest, http.StatusBadRequest)
				}
			}, nil)
			c := dial(t, s)
			c.send(row.refused)
			if row.why == BadChunk { // told by the handler: the headers were in order
				c.wants(400, badRequest+"\n")
			} else {
				c.wants(400, badRequest)
			}
			c.wantsClosed()
			if got := <-s.refused; got != row.why {
				t.Errorf("refused for %v, want %v", got, row.why)
			}
			c = dial(t, s)
			c.send(row.twin)
			c.wants(200, "")
			if len(s.refused) > 0 {
				t.Errorf("the twin was refused: %v", <-s.refused)
			}
		})
	}
}

// Chunk framing, in a body the handler is already reading.
func TestT051_ChunkFraming(t *testing.T) {
	s := serve(t, echoBody, nil)
	const head = "POST / HTTP/1.1\r\nHost: good\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, body := range []string{
		"3\nabc\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "\r\n", "0x3\r\nabc\r\n0\r\n\r\n", "-1\r\n", "+3\r\nabc\r\n0\r\n\r\n",
		" 3\r\nabc\r\n0\r\n\r\n", "3 \r\nabc\r\n0\r\n\r\n", "ffffffffffffffff1\r\n", "3\r\nabc\r\n0\r\nA: b\n\r\n", "3\r\nabc\r\n0\r\n folded\r\n\r\n", "3\r\nabc\r\n0\r\nA\x00: b\r\n\r\n", "g\r\n",
	} {
		c := dial(t, s)
		c.send(head + body)
		c.wants(400, "bad body\n")
		c.wantsClosed()
	}
	for _, body := range []string{"3\r\nabc\r\n0\r\n\r\n", "003\r\nabc\r\n00\r\n\r\n", "1\r\na\r\n2\r\nbc\r\n0\r\nAuthorization: x\r\nTransfer-Encodings: y\r\n\r\n"} {
		c := dial(t, s)
		c.send(head + body)
		c.wants(200, "POST abc")
	}
}

// Requests before a bad one, on the same connection and even in the same
// packet, are answered; the bad one is refused in its turn.
func TestPipelining(t *testing.T) {
	s := serve(t, echoBody, nil)
	const (
		first  = "POST / HTTP/1.1\r\nHost: good\r\nContent-Length: 27\r\n\r\nGET / HTTP/1.1\r\n folded\r\n\r\n"
		second = "PUT / HTTP/1.1\r\nHost: good\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na\n\x00\r\n\r\n0\r\nA: b\r\n\r\n"
		bad    = "GET / HTTP/1.1\r\nHost: good\r\nHost: good\r\n\r\n"
	)
	c := dial(t, s)
	c.send(first + second + first + bad + first)
	c.wants(200, "POST GET / HTTP/1.1\r\n folded\r\n\r\n")
	c.wants(200, "PUT a\n\x00\r\n")
	c.wants(200, "POST GET / HTTP/1.1\r\n folded\r\n\r\n")
	c.wants(400, badRequest)
	c.wantsClosed()
	if got := <-s.refused; got != RepeatedHost {
		t.Errorf("refused for %v", got)
	}
}

// What arrives while a request is being served neither disturbs its handler nor
// its answer.
func TestViolationDuringRequest(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-leave
		if r.Context().Err() != nil {
			t.Error("the request was cancelled")
		}
		_, _ = io.WriteString(w, "done")
	}, nil)
	c := dial(t, s)
	c.send("GET / HTTP/1.1\r\nHost: good\r\n\r\n")
	<-entered
	c.send("\x00")
	if got := <-s.refused; got != BadMethod { // the bad byte has been seen
		t.Errorf("refused for %v", got)
	}
	close(leave)
	c.wants(200, "done")
	c.wants(400, badRequest)
	c.wantsClosed()
}

// A body that waits for permission is framed like any other.
func TestExpectContinue(t *testing.T) {
	s := serve(t, echoBody, nil)
	c := dial(t, s)
	for range 2 {
		c.send("PUT / HTTP/1.1\r\nHost: good\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
		c.wants(100, "")
		c.send("\n\x00\r\n")
		c.wants(200, "PUT \n\x00\r\n")
	}
}

// A slow client's bytes are judged as they come.
func TestByteByByte(t *testing.T) {
	s := serve(t, echoBody, nil)
	c := dial(t, s)
	for _, b := range []byte("POST / HTTP/1.1\r\nHost: good\r\nContent-Length: 3\r\n\r\nabc") {
		c.send(string([]byte{b}))
	}
	c.wants(200, "POST abc")
	for _, b := range []byte("GET / HTTP/1.1\r\nHost: good\r\n f") {
		c.send(string([]byte{b}))
	}
	c.wants(400, badRequest)
	c.wantsClosed()
}

func TestOverTLS(t *testing.T) {
	example := httptest.NewUnstartedServer(nil)
	example.StartTLS()
	certificate := example.TLS.Certificates[0]
	example.Close()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || !r.TLS.HandshakeComplete {
			t.Errorf("TLS state %+v", r.TLS)
		}
		_, _ = io.WriteString(w, "ok")
	}, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}})
	raw := dial(t, s)
	t.Run("handshake", func(t *testing.T) {
		c := tls.Client(raw.Conn, &tls.Config{InsecureSkipVerify: true})
		secured := client{t, c, bufio.NewReader(c)}
		secured.send("GET / HTTP/1.1\r\nHost: good\r\n\r\n")
		secured.wants(200, "ok")
		secured.send("GET / HTTP/1.1\r\nHost: good\r\n\x00")
		secured.wants(400, badRequest)
	})
	t.Run("plain HTTP", func(t *testing.T) {
		c := dial(t, s)
		c.send("GET / HTTP/1.1\r\nHost: good\r\n\r\n")
		if answer, _ := io.ReadAll(c.r); bytes.Contains(answer, []byte("200")) {
			t.Errorf("served %q without TLS", answer)
		}
	})
}

func TestConnUnwraps(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
			_, _ = io.WriteString(c, "GET ")
			defer c.Close()
			_, _ = io.ReadAll(c)
		}
	}()
	c, err := (&Listener{Listener: l}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	strict := c.(*Conn)
	if _, ok := strict.NetConn().(*net.TCPConn); !ok {
		t.Errorf("NetConn is a %T", strict.NetConn())
	}
	if _, ok := c.(interface{ ConnectionState() tls.ConnectionState }); ok {
		t.Error("a plain connection claims a TLS state")
	}
	if err := strict.CloseWrite(); err != nil {
		t.Error(err)
	}
	buf := make([]byte, 10)
	if n, err := c.Read(buf); n != 4 || err != nil {
		t.Errorf("Read = %d, %v", n, err)
	}
}

func TestViolationTexts(t *testing.T) {
	seen := map[string]bool{}
	for v := Violation(0); v <= violations; v++ {
		text := v.Error()
		if len(text) < len("strict: x") || seen[text] && v != violations {
			t.Errorf("violation %d: %q", v, text)
		}
		seen[text] = true
	}
}

func TestT050_Queries(t *testing.T) {
	many := func(n int) string {
		return strings.Join(repeat(n, func(i int) string { return fmt.Sprintf("p%d=1", i) }), "&")
	}
	for _, row := range []struct {
		refused string
		why     error
		twin    string
	}{
		{"x=1;y=2", Semicolon, "x=1&y=2"},
		{"z=%zz", BadEscape, "z=%7a"},
		{"z=%", BadEscape, "z=%25"},
		{"z=%4", BadEscape, "z=%40"},
		{"%g0=1", BadEscape, "%60=1"},
		{many(1001), TooManyParameters, many(1000)},
		{strings.Repeat("&", 10_000), TooManyParameters, strings.Repeat("&", 999)},
		// T020
		{"Action=a&action=a", CaseTwins, "Action=a&Action=a"},
		{"X-Amz-Credential=a&x-amz-credential=a", CaseTwins, "X-Amz-Credential=a&X-Amz-Credentials=a"},
		{"Action=a&%61ction=a", CaseTwins, "Action=a&%41ction=a"},
		{many(40) + "&P3=1", CaseTwins, many(40) + "&p3=1"},
		{many(23) + "&P3=1", CaseTwins, many(23) + "&p3=1"},
	} {
		if err := CheckQuery(row.refused); err != row.why {
			t.Errorf("%.40s: got %v, want %v", row.refused, err, row.why)
		}
		if err := CheckQuery(row.twin); err != nil {
			t.Errorf("%.40s: %v", row.twin, err)
		}
	}
	for target, want := range map[string]error{
		"/": nil, "/?": nil, "/a%00b": NulInPath, "/a%20b": nil, "/?a=%00": nil, "/?a;b": Semicolon, "/a;b?c": nil, "http://h/%00": NulInPath,
	} {
		if err := CheckTarget(target); err != want {
			t.Errorf("%s: got %v, want %v", target, err, want)
		}
	}
}

// Every byte at every place of a value is judged as if it stood alone.
func TestValueBytes(t *testing.T) {
	for at := range 20 {
		for b := range 256 {
			p := []byte(strings.Repeat("~", 20))
			p[at] = byte(b)
			s := scanner{state: inValue}
			good := s.scan(p)
			switch {
			case b == '\r' && (good == at+1 || s.violation == 0), b != '\r' && isText(byte(b)) == (s.violation == 0) && (good == at || s.violation == 0):
			default:
				t.Fatalf("byte %#x at %d: %d good bytes, %v", b, at, good, s.violation)
			}
		}
	}
}
