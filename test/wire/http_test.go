package wire_test

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/server"
)

// signedList is a signed ListUsers, ready to be bent.
func (w *world) signedList() *message {
	m := w.form(versionIAM, "ListUsers")
	m.sign(signature{by: w.admin, at: w.now(), service: "iam"})
	return m
}

// malformed sends bytes that are no acceptable HTTP and insists on 400 and on
// the end of the connection.
func (w *world) malformed(what string, raw []byte) {
	w.t.Helper()
	c := dial(w.t, w.address)
	defer c.Close()
	if _, err := c.Write(raw); err != nil {
		w.t.Logf("%s: write: %v", what, err)
	}
	if r := receive(w.t, c); r.status != http.StatusBadRequest && r.status != http.StatusRequestHeaderFieldsTooLarge && r.status != http.StatusNotImplemented {
		w.t.Errorf("%s: %d %s, want 400", what, r.status, r.body)
		return
	}
	// Whatever else was sent is not another request.
	if rest, err := io.ReadAll(c); len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		w.t.Errorf("%s: the connection stays open: %q, %v", what, rest, err)
	}
}

// T013 to T017, T046, T051: each of these is the same signed request with one
// thing bent, which proxies and servers are known to read differently.
func TestT013_T014_T015_T016_T051_MalformedHTTP(t *testing.T) {
	w := newWorld(t)
	w.ok(w.send(w.signedList()))
	w.ok(w.send(func() *message { m := w.signedList(); m.add("Connection", "close"); return m }()))
	for what, bend := range map[string]func(*message){
		"T013: a signed header nominated as hop-by-hop": func(m *message) { m.add("Connection", "close, X-Amz-Date") },
		"T014: space before the colon":                  func(m *message) { m.lines = append(m.lines, "X-Amz-Security-Token : x") },
		"T015: folded line":                             func(m *message) { m.lines = append(m.lines, "X-Amz-Meta-A: 1\r\n 2") },
		"T016: NUL in a value":                          func(m *message) { m.add("X-Note", "a\x00b") },
		"T016: bare CR in a value":                      func(m *message) { m.add("X-Note", "a\rb") },
		"T016: bare LF ends a line":                     func(m *message) { m.lines = append(m.lines, "X-Note: a\nX-Other: b") },
		"T016: byte above ASCII in a name":              func(m *message) { m.lines = append(m.lines, "X-N\xf6te: a") },
		"T017: two Authorization headers":               func(m *message) { m.add("Authorization", m.get("Authorization")) },
		"T046: two hosts":                               func(m *message) { m.add("Host", "other.example.org") },
		"T046: absolute target of another host":         func(m *message) { m.target = "http://other.example.org/" },
		"T051: length and chunks":                       func(m *message) { m.add("Transfer-Encoding", "chunked") },
		"T051: two lengths":                             func(m *message) { m.add("Content-Length", "1") },
		"T051: unknown coding":                          func(m *message) { m.del("Content-Length"); m.add("Transfer-Encoding", "xchunked") },
		"T051: identity":                                func(m *message) { m.del("Content-Length"); m.add("Transfer-Encoding", "identity") },
		"T051: length with a sign":                      func(m *message) { m.edit("Content-Length", "", "+") },
		"T051: HTTP/1.2":                                func(m *message) { m.version = "HTTP/1.2" },
		"T051: HTTP/0.9":                                func(m *message) { m.version = "" },
	} {
		m := w.signedList()
		bend(m)
		w.malformed(what, m.bytes())
	}
	chunked := func(framing string) []byte {
		m := w.signedList()
		m.del("Content-Length")
		m.add("Transfer-Encoding", "chunked")
		m.body = fmt.Sprintf(framing, len(m.body), m.body)
		return m.bytes()
	}
	w.ok(send(t, w.address, chunked("%x\r\n%s\r\n0\r\n\r\n")))
	for what, framing := range map[string]string{
		"T051: bare LF in chunks":       "%x\n%s\n0\n\n",
		"T031: size with a prefix":      "0x%x\r\n%s\r\n0\r\n\r\n",
		"T031: size that overflows":     "ffffffffffffffff%x\r\n%s\r\n0\r\n\r\n",
		"T031: negative size":           "-%x\r\n%s\r\n0\r\n\r\n",
		"T051: no line end after chunk": "%x\r\n%s0\r\n\r\n",
	} {
		r := send(t, w.address, chunked(framing))
		if r.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", what, r.status, r.body)
		}
	}
	// A request behind the body is another request, and is refused by itself.
	smuggled := w.signedList()
	r := send(t, w.address, append(smuggled.bytes(), "GET /livez HTTP/1.1\r\nHost: x\r\nX-A: a\nb\r\n\r\n"...))
	w.ok(r)
}

// T014 (T616): the underscore form of a header is not the header.
func TestT014_Underscores(t *testing.T) {
	w := newWorld(t)
	session := w.assume(w.role(allow("iam:*")))
	w.tryAll(session,
		lie{what: "T014: token under another name", signed: func(s *signature) { s.by.token = "" }, before: func(m *message) { m.add("X_Amz_Security_Token", session.token) }, status: forbidden, code: badKey, stranger: true},
		lie{what: "T014: a twin beside the token", before: func(m *message) { m.add("X_Amz_Security_Token", "x") }, signed: func(s *signature) { s.headers = []string{"host", "x-amz-date", "x-amz-security-token"} }, status: fine},
	)
}

// T050 (T618): one rule for splitting queries; what does not follow it is refused.
func TestT050_Queries(t *testing.T) {
	w := newWorld(t)
	key := w.key(w.user(allow("iam:*")))
	add := func(s string) func(*message) { return func(m *message) { m.target += s } }
	for what, query := range map[string]string{
		"semicolon":         "&x=1;y=2",
		"bad escape":        "&z=%zz",
		"short escape":      "&z=%2",
		"10,001 parameters": strings.Repeat("&a=1", 10_001),
	} {
		user := w.name("made")
		m := w.get("Action=CreateUser&UserName=" + user + "&Version=2010-05-08")
		add(query)(m)
		m.sign(signature{by: key, at: w.now(), service: "iam", expires: "60"})
		if r := w.send(m); r.status < 400 || r.status >= 500 || w.exists(user) {
			t.Errorf("T050: %s: %d %s", what, r.status, r.body)
		}
	}
	w.try(key, lie{what: "T050: plain", presigned: true, status: fine})
}

// T052: HTTP/2 is not spoken, neither with prior knowledge nor by upgrade.
func TestT052_NoHTTP2(t *testing.T) {
	w := newWorld(t)
	w.malformed("T052: prior knowledge", []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
	m := w.signedList()
	m.add("Connection", "Upgrade, HTTP2-Settings")
	m.add("Upgrade", "h2c")
	m.add("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA")
	if r := w.send(m); r.status == http.StatusSwitchingProtocols {
		t.Errorf("T052: upgraded: %d", r.status)
	}
}

// T053: what comes as a trailer is no header.
func TestT053_Trailers(t *testing.T) {
	w := newWorld(t)
	m := w.signedList()
	authorization := m.get("Authorization")
	m.del("Content-Length")
	m.add("Transfer-Encoding", "chunked")
	body := fmt.Sprintf("%x\r\n%s\r\n0\r\n", len(m.body), m.body)
	m.body = body + "Authorization: " + authorization + "\r\n\r\n"
	m.del("Authorization")
	if r := w.send(m); r.status < 400 || r.status >= 500 {
		t.Errorf("T053: signature in the trailer: %d %s", r.status, r.body)
	}
	m.add("Authorization", authorization)
	m.body = body + "\r\n"
	w.ok(w.send(m))
}

// T402, T625: large things are refused by their size.
func TestT402_LargeRequests(t *testing.T) {
	w := newWorld(t)
	w.malformed("T402: 1 MB of headers", append([]byte("GET /livez HTTP/1.1\r\nHost: x\r\nX-A: "), bytes.Repeat([]byte("a"), 1<<20)...))
	w.malformed("T402: 10,000 cookies", []byte("GET /livez HTTP/1.1\r\nHost: x\r\nCookie: "+strings.Repeat("a=b; ", 3000)+"\r\n\r\n"))
	large := func(m *message) *message {
		m.sign(signature{by: w.admin, at: w.now(), service: "iam"})
		return m
	}
	for what, m := range map[string]*message{
		"T402: declared 10 MB":   {method: "POST", target: "/", version: "HTTP/1.1", lines: []string{"Host: " + w.address, "Content-Length: 10485760"}},
		"T402: body of 1.1 MB":   large(w.form(versionIAM, "CreateUser", "UserName", strings.Repeat("a", 1100<<10))),
		"T625: 100,000 keys":     large(w.post("Action=ListUsers&Version=2010-05-08" + strings.Repeat("&a=", 100_000))),
		"T402: chunks of 1.1 MB": {method: "POST", target: "/", version: "HTTP/1.1", lines: []string{"Host: " + w.address, "Content-Type: application/x-www-form-urlencoded", "Transfer-Encoding: chunked"}, body: "113000\r\n" + strings.Repeat("a", 0x113000) + "\r\n0\r\n\r\n"},
	} {
		if r := w.send(m); r.status != http.StatusRequestEntityTooLarge && r.status != http.StatusBadRequest {
			t.Errorf("%s: %d %.200s", what, r.status, r.body)
		}
	}
	// Just so large as is allowed, it is looked at.
	w.refused(w.send(large(w.form(versionIAM, "CreateUser", "UserName", strings.Repeat("a", 900<<10)))), "ValidationError")
	w.ok(w.send(w.signedList()))
}

// T403: nothing is unpacked.
func TestT403_NoContentEncoding(t *testing.T) {
	w := newWorld(t)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(bytes.Repeat([]byte("a"), 4<<20))
	_ = z.Close()
	for _, body := range []string{packed.String(), w.form(versionIAM, "ListUsers").body} {
		m := w.post(body)
		m.add("Content-Encoding", "gzip")
		m.sign(signature{by: w.admin, at: w.now(), service: "iam"})
		if r := w.send(m); r.status != http.StatusUnsupportedMediaType {
			t.Errorf("T403: %d %.200s", r.status, r.body)
		}
	}
}

// T549, T408: JSON that is deep, wide or cut short is an error of the client and
// ends nothing.
func TestT549_T408_HostileBodies(t *testing.T) {
	w := newWorld(t)
	for what, body := range map[string]string{
		"deep":           strings.Repeat(`{"a":`, 100_000),
		"wide":           `{` + strings.Repeat(`"a":1,`, 100_000) + `"b":1}`,
		"duplicate":      `{"MaxResults":1,"MaxResults":2}`,
		"case twins":     `{"MaxResults":1,"maxresults":2}`,
		"cut short":      `{"MaxResults":`,
		"two values":     `{}{}`,
		"not an object":  `[]`,
		"wrong type":     `{"MaxResults":"many"}`,
		"huge number":    `{"MaxResults":1e309}`,
		"bad UTF-8":      "{\"NextToken\":\"\xff\"}",
		"lone surrogate": `{"NextToken":"\ud800"}`,
		"NUL":            "{\"NextToken\":\"\x00\"}",
	} {
		r := w.lookup(w.admin, body)
		if r.status != http.StatusBadRequest || r.code() == "" {
			t.Errorf("T549: %s: %d %.200s", what, r.status, r.body)
		}
	}
	w.ok(w.lookup(w.admin, `{"MaxResults":1}`))
}

// T401: someone slow holds a connection and nothing else; half a request does
// nothing.
func TestT401_SlowAndHalfRequests(t *testing.T) {
	w := newWorld(t)
	user := w.name("made")
	m := w.form(versionIAM, "CreateUser", "UserName", user)
	m.sign(signature{by: w.admin, at: w.now(), service: "iam"})
	raw := m.bytes()
	var idle []net.Conn
	for i := range 200 { // held open at every place of the request
		c := dial(t, w.address)
		defer c.Close()
		if _, err := c.Write(raw[:i*(len(raw)-1)/199]); err != nil {
			t.Fatal(err)
		}
		idle = append(idle, c)
	}
	w.ok(w.send(w.signedList())) // meanwhile others are served
	for _, c := range idle[:199] {
		c.Close()
	}
	if w.exists(user) {
		t.Error("T401: half a request was acted on")
	}
	// The twin, of which the last byte arrives after all.
	if _, err := idle[199].Write(raw[len(raw)-1:]); err != nil {
		t.Fatal(err)
	}
	w.ok(receive(t, idle[199]))
	if !w.exists(user) {
		t.Error("T401: the whole request was not acted on")
	}
	// A body that ends before its length.
	half := w.form(versionIAM, "CreateUser", "UserName", w.name("made"))
	half.sign(signature{by: w.admin, at: w.now(), service: "iam"})
	c := dial(t, w.address)
	defer c.Close()
	cut := half.bytes()
	if _, err := c.Write(cut[:len(cut)-1]); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if r := receive(t, c); r.status < 400 || r.status >= 500 {
		t.Errorf("T401: a body cut short: %d %s", r.status, r.body)
	}
}

// T411, T412: there is no default credential, and no way to make one over the
// network.
func TestT411_T412_NoDefaultCredentials(t *testing.T) {
	w, config := newDurableWorld(t, nil)
	for _, pair := range [][2]string{{"admin", "admin"}, {"minioadmin", "minioadmin"}, {"test", "test"}, {"root", "root"}, {string(ours), ""}, {"AKIALANYARDTESTADMIN", "x"}} {
		if r := w.iam(credentials{id: pair[0], secret: pair[1]}, "ListUsers"); r.code() != badKey {
			t.Errorf("T411: %s: %d %s", pair, r.status, r.body)
		}
	}
	w.ok(w.iam(w.admin, "ListUsers"))
	if r := w.iam(w.admin, "ListUsers"); r.field("UserName") != "" {
		t.Errorf("T411: a fresh installation has a user: %s", r.body)
	}
	again := config
	again.Accounts = append(again.Accounts, ours)
	if _, err := server.Init(again); err == nil {
		t.Error("T412: initialised twice")
	}
	info, err := os.Stat(config.Socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("T412: the owner's socket: %v %v", info.Mode(), err)
	}
}

// T414: metrics are on their own listener and have no identities in them.
func TestT414_Metrics(t *testing.T) {
	config := server.Config{Dev: true, Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", Version: "test"}
	dir, err := os.MkdirTemp("", "lanyard")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	config.Socket = filepath.Join(dir, "s")
	l := lanyardtest.Start(t, config)
	w := attach(t, l)
	user, key := w.caller()
	w.iam(key, "ListUsers")
	resp, err := http.Get(l.AdminURL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if !bytes.Contains(text, []byte(`lanyard_requests_total{operation="ListUsers",service="iam",status="4xx"} 1`)) {
		t.Errorf("T414: no metric of the request:\n%.2000s", text)
	}
	for _, identity := range []string{user, key.id, key.secret, string(ours), "LanyardOwner"} {
		if bytes.Contains(text, []byte(identity)) {
			t.Errorf("T414: metrics name %s", identity)
		}
	}
	for _, path := range []string{"/debug/pprof/", "/debug/vars", "/", "/livez"} {
		if resp, err := http.Get(l.AdminURL + path); err != nil || resp.StatusCode != http.StatusNotFound {
			t.Errorf("T414: %s on the admin listener: %v %v", path, resp.Status, err)
		}
	}
}

// certificate writes a certificate for 127.0.0.1 and its key.
func certificate(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// T416 (T580): TLS 1.2 and later, HTTP/1.1 only.
func TestT416_TLS(t *testing.T) {
	dir, err := os.MkdirTemp("", "lanyard")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	config := server.Config{Dev: true, Listen: "127.0.0.1:0", Version: "test", Socket: filepath.Join(dir, "s")}
	config.TLSCert, config.TLSKey = certificate(t, dir, "one")
	l := lanyardtest.Start(t, config)
	address := strings.TrimPrefix(l.URL, "https://")
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"}})
		if (err == nil) != ok {
			t.Errorf("T416: %s: %v", tls.VersionName(version), err)
		}
		if err != nil {
			continue
		}
		if got := c.ConnectionState().NegotiatedProtocol; got != "http/1.1" && got != "" {
			t.Errorf("T052: %s offers %s", tls.VersionName(version), got)
		}
		fmt.Fprintf(c, "GET /livez HTTP/1.1\r\nHost: %s\r\n\r\n", address)
		if r := receive(t, c); r.body != "ok\n" {
			t.Errorf("T416: %s: %d %s", tls.VersionName(version), r.status, r.body)
		}
		c.Close()
	}
	for _, suite := range tls.InsecureCipherSuites() {
		c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
		if err == nil {
			c.Close()
			t.Errorf("T416: %s is accepted", suite.Name)
		}
	}
}
