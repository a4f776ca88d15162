// Package wire holds the abuse cases: what someone sends who wants more than
// they were given, as bytes over a socket to a running server. Each test bears
// the number of its row in the threat model, each refusal has a twin that
// differs in one detail and is accepted, and of each refusal two more things are
// asked: that nothing changed, and that the trail knows of it.
//
// The rules of a single package (the grammar of an Authorization header, of a
// policy document, of a token) are tested at length beside that package under
// the same numbers. Here is what only the whole shows.
package wire_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lanyard-iam/lanyard/sigv4"
)

// message is a request as it goes over the wire, in parts, each of which can be
// bent. No HTTP library sees it, so nothing is put right on the way.
type message struct {
	method, target, version string
	lines                   []string // header lines, without their ends
	body                    string
}

func (m *message) bytes() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s\r\n", m.method, m.target, m.version)
	for _, line := range m.lines {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n" + m.body)
	return b.Bytes()
}

// index finds the first line of a header, or -1.
func (m *message) index(name string) int {
	return slices.IndexFunc(m.lines, func(line string) bool {
		n, _, _ := strings.Cut(line, ":")
		return strings.EqualFold(n, name)
	})
}

func (m *message) get(name string) string {
	i := m.index(name)
	if i < 0 {
		return ""
	}
	_, value, _ := strings.Cut(m.lines[i], ":")
	return strings.TrimSpace(value)
}

func (m *message) add(name, value string) { m.lines = append(m.lines, name+": "+value) }

func (m *message) set(name, value string) {
	m.del(name)
	m.add(name, value)
}

func (m *message) del(name string) {
	for i := m.index(name); i >= 0; i = m.index(name) {
		m.lines = slices.Delete(m.lines, i, i+1)
	}
}

// edit replaces a part of a header's value that must be there.
func (m *message) edit(name, old, new string) {
	value := m.get(name)
	if !strings.Contains(value, old) {
		panic(fmt.Sprintf("%s: %q does not contain %q", name, value, old))
	}
	m.set(name, strings.Replace(value, old, new, 1))
}

// credentials are what a caller signs with.
type credentials struct{ id, secret, token string }

// signature says what is signed, by default what an honest client signs. Its
// fields are the lies that a client can tell and sign nevertheless.
type signature struct {
	by      credentials
	at      time.Time
	region  string
	service string
	date    string   // of the scope
	end     string   // of the scope
	stamp   string   // X-Amz-Date
	headers []string // SignedHeaders, as listed
	payload string   // hash of the body
	expires string   // X-Amz-Expires; not empty makes it presigned
}

// sign computes a signature without the help of package sigv4, so that a
// mistake there is not made here, too. (TestSignatures compares the two.)
func (m *message) sign(s signature) {
	if s.stamp == "" {
		s.stamp = s.at.UTC().Format("20060102T150405Z")
	}
	if s.date == "" {
		s.date = s.at.UTC().Format("20060102")
	}
	if s.region == "" {
		s.region = "us-east-1"
	}
	if s.end == "" {
		s.end = "aws4_request"
	}
	if s.payload == "" {
		sum := sha256.Sum256([]byte(m.body))
		s.payload = hex.EncodeToString(sum[:])
	}
	scope := s.date + "/" + s.region + "/" + s.service + "/" + s.end
	path, query, _ := strings.Cut(m.target, "?")
	if s.expires == "" {
		m.set("X-Amz-Date", s.stamp)
		if s.by.token != "" {
			m.set("X-Amz-Security-Token", s.by.token)
		}
	}
	if s.headers == nil {
		for _, line := range m.lines {
			name, _, _ := strings.Cut(line, ":")
			name = strings.ToLower(name)
			if name == "host" || name == "content-type" || strings.HasPrefix(name, "x-") {
				s.headers = append(s.headers, name)
			}
		}
		slices.Sort(s.headers)
		s.headers = slices.Compact(s.headers)
	}
	list := strings.Join(s.headers, ";")
	if s.expires != "" {
		parameters := [][2]string{
			{"X-Amz-Algorithm", "AWS4-HMAC-SHA256"},
			{"X-Amz-Credential", s.by.id + "/" + scope},
			{"X-Amz-Date", s.stamp},
			{"X-Amz-Expires", s.expires},
			{"X-Amz-Security-Token", s.by.token},
			{"X-Amz-SignedHeaders", list},
		}
		for _, p := range parameters {
			if p[1] != "" {
				query += "&" + p[0] + "=" + escape(p[1])
			}
		}
		query = strings.TrimPrefix(query, "&")
	}
	var canonical strings.Builder
	parts := strings.Split(query, "&")
	slices.Sort(parts)
	fmt.Fprintf(&canonical, "%s\n%s\n%s\n", m.method, path, strings.Join(parts, "&"))
	for _, name := range s.headers {
		var values []string
		for _, line := range m.lines {
			if n, v, _ := strings.Cut(line, ":"); strings.EqualFold(n, name) {
				values = append(values, strings.TrimSpace(v))
			}
		}
		fmt.Fprintf(&canonical, "%s:%s\n", strings.ToLower(name), strings.Join(values, ","))
	}
	fmt.Fprintf(&canonical, "\n%s\n%s", list, s.payload)
	sum := sha256.Sum256([]byte(canonical.String()))
	toSign := "AWS4-HMAC-SHA256\n" + s.stamp + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	key := []byte("AWS4" + s.by.secret)
	for _, part := range []string{s.date, s.region, s.service, s.end, toSign} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	if s.expires != "" {
		m.target = path + "?" + query + "&X-Amz-Signature=" + hex.EncodeToString(key)
		return
	}
	m.set("Authorization", "AWS4-HMAC-SHA256 Credential="+s.by.id+"/"+scope+", SignedHeaders="+list+", Signature="+hex.EncodeToString(key))
}

// escape is the percent-encoding of Signature Version 4.
func escape(s string) string {
	return strings.NewReplacer("+", "%20", "%7E", "~").Replace(url.QueryEscape(s))
}

// reply is an answer.
type reply struct {
	status int
	header http.Header
	body   string
}

// send writes raw bytes to a new connection and reads one answer. An answer that
// does not come is status 0.
func send(t testing.TB, address string, raw []byte) *reply {
	t.Helper()
	c := dial(t, address)
	defer c.Close()
	if _, err := c.Write(raw); err != nil {
		t.Logf("write: %v", err) // the server may have answered and closed already
	}
	return receive(t, c)
}

func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	// A server that hangs fails the test and not the run.
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

func receive(t testing.TB, c net.Conn) *reply {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return &reply{body: err.Error()}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read body: %v", err)
	}
	return &reply{status: resp.StatusCode, header: resp.Header, body: string(body)}
}

// failure is the code and message of an error, in either protocol.
func (r *reply) failure() (code, message string) {
	if r.status >= 200 && r.status < 300 {
		return "", ""
	}
	if strings.HasPrefix(r.body, "{") {
		var e struct {
			Type     string `json:"__type"`
			Message  string `json:"message"`
			Message2 string `json:"Message"`
		}
		if json.Unmarshal([]byte(r.body), &e) == nil {
			return e.Type[strings.LastIndexByte(e.Type, '#')+1:], e.Message + e.Message2
		}
	}
	var e struct {
		Error struct{ Code, Message string }
	}
	if xml.Unmarshal([]byte(r.body), &e) == nil {
		return e.Error.Code, e.Error.Message
	}
	return "", r.body
}

func (r *reply) code() string {
	code, _ := r.failure()
	return code
}

func (r *reply) message() string {
	_, message := r.failure()
	return message
}

func (r *reply) requestID() string { return r.header.Get("X-Amzn-Requestid") }

// field is the first element of a name in an XML answer, and fields are all.
func (r *reply) field(name string) string {
	if all := r.fields(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

func (r *reply) fields(name string) []string {
	var found []string
	d := xml.NewDecoder(strings.NewReader(r.body))
	for {
		token, err := d.Token()
		if err != nil {
			return found
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == name {
			var text string
			if d.DecodeElement(&text, &start) != nil {
				return found
			}
			found = append(found, text)
		}
	}
}

func (r *reply) credentials() credentials {
	return credentials{r.field("AccessKeyId"), r.field("SecretAccessKey"), r.field("SessionToken")}
}

// The signatures made here by hand are those of package sigv4.
func TestSignatures(t *testing.T) {
	by := credentials{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "a token/+="}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	g := sigv4.Signer{Credentials: sigv4.Credentials{AccessKeyID: by.id, SecretAccessKey: by.secret, SessionToken: by.token}, Region: "eu-west-1", Service: "iam"}
	for _, presigned := range []bool{false, true} {
		m := &message{method: "POST", target: "/?b=2&a=1%20", version: "HTTP/1.1", lines: []string{"Host: iam.example.org", "Content-Type: text/plain"}, body: "a body"}
		r, err := http.NewRequest(m.method, "http://iam.example.org"+m.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "text/plain")
		s := signature{by: by, at: now, region: "eu-west-1", service: "iam"}
		if presigned {
			s.expires = "60"
			err = g.Presign(r, []byte(m.body), time.Minute, now)
		} else {
			err = g.SignHeader(r, []byte(m.body), now)
		}
		if err != nil {
			t.Fatal(err)
		}
		m.sign(s)
		if got, want := m.get("Authorization"), r.Header.Get("Authorization"); got != want {
			t.Errorf("Authorization:\n%s\npackage sigv4 makes\n%s", got, want)
		}
		if got, want := m.target, r.URL.RequestURI(); got != want {
			t.Errorf("target:\n%s\npackage sigv4 makes\n%s", got, want)
		}
	}
}
