package main

import (
	"bufio"
	"net"
	"strings"
	"testing"

	"github.com/lanyard-iam/lanyard/sigv4"
)

// TestAnswers: the lean client reads what a server may answer, one after the other on
// one connection, and refuses what it would misread.
func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer string
		keep   bool
		status int
		body   string
		fails  bool
	}{
		{"read and dropped", "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\nhello", false, 200, "", false},
		{"kept", "HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello", true, 200, "hello", false},
		{"a refusal is kept", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", false, 403, "no", false},
		{"empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true, 200, "", false},
		{"without a length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, 0, "", true},
		{"cut off", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", false, 200, "", true},
		{"not HTTP", "220 mail.example ESMTP\r\n", false, 0, "", true},
		{"too short", "HTTP\r\n", false, 0, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			near, far := net.Pipe()
			defer near.Close()
			go func() {
				defer far.Close()
				if _, err := far.Read(make([]byte, 64)); err == nil {
					_, _ = far.Write([]byte(tt.answer))
				}
			}()
			c := &connection{near, bufio.NewReader(near)}
			status, body, err := c.send(request("GET / HTTP/1.1\r\n\r\n"), tt.keep)
			if (err != nil) != tt.fails || status != tt.status || string(body) != tt.body {
				t.Errorf("status %d, body %q, error %v; want %d, %q, failure %v", status, body, err, tt.status, tt.body, tt.fails)
			}
			if !tt.fails && c.in.Buffered() > 0 {
				t.Errorf("%d bytes of the answer are left for the next request", c.in.Buffered())
			}
		})
	}
}

func TestSignedRequestIsHTTP(t *testing.T) {
	s := &server{address: "127.0.0.1:4747"}
	r, err := s.sign(sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "secret"}, "iam", "GetUser", "UserName", "a b")
	if err != nil {
		t.Fatal(err)
	}
	head, body, ok := strings.Cut(string(r), "\r\n\r\n")
	if !ok || body != "Action=GetUser&UserName=a+b&Version=2010-05-08" {
		t.Errorf("body %q", body)
	}
	for _, want := range []string{"POST / HTTP/1.1\r\n", "\r\nHost: 127.0.0.1:4747\r\n", "\r\nContent-Length: 46\r\n", "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/"} {
		if !strings.Contains(head, want) {
			t.Errorf("no %q in %q", want, head)
		}
	}
}
