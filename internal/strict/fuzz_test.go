package strict

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// typical is what the AWS CLI sends for `iam get-user` with temporary
// credentials.
var typical = request("POST / HTTP/1.1", "Host: iam.lanyard.test:8443", "Accept-Encoding: identity",
	"Content-Type: application/x-www-form-urlencoded; charset=utf-8",
	"User-Agent: aws-cli/2.31.0 md/awscrt#0.27.6 ua/2.1 os/linux#6.1.0 md/arch#x86_64 lang/python#3.13.7 md/pyimpl#CPython m/Z,b,E cfg/retry-mode#standard md/installer#exe sid/0123456789ab md/prompt#off md/command#iam.get-user",
	"X-Amz-Date: 20260102T030405Z", "X-Amz-Security-Token: "+strings.Repeat("FwoGZXIv", 40),
	"Authorization: AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20260102/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=cb297b9b48d0e27a7d1126db92127222633d012868fe4670b6f2fd814f8d3d78",
	"Content-Length: 48") + "Action=GetUser&Version=2010-05-08&UserName=alice"

var seeds = []string{
	"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n",
	typical + typical,
	"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.0\r\n\r\nGET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1F\r\n" + strings.Repeat("x", 31) + "\r\n0\r\nTrailer-A: b\r\n\r\nPUT /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab",
	"GET / HTTP/1.1\r\nHost: h\r\nConnection: close, te\r\nTE: trailers\r\nCookie: a=b; c=d\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\nConnection: host\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n\r\n\r\n",
}

// FuzzSplits: the verdict, the number of good bytes and all that was learned are
// the same however the bytes are cut.
func FuzzSplits(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), []byte{1, 7, 30})
	}
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		var whole, single, cut scanner
		good := whole.scan(data)
		if good < len(data) != (whole.violation != 0) {
			t.Fatalf("%d of %d bytes are good, violation %v", good, len(data), whole.violation)
		}
		n := 0
		for n < len(data) && single.scan(data[n:n+1]) == 1 {
			n++
		}
		if n != good || !same(single, whole) {
			t.Fatalf("byte by byte: %d good bytes, %v, %+v\nat once: %d, %v, %+v", n, single.violation, single.head, good, whole.violation, whole.head)
		}
		n = 0
		for i := 0; n < len(data); i++ {
			size := len(data) - n
			if len(cuts) > 0 {
				size = min(size, int(cuts[i%len(cuts)]))
			}
			if size == 0 {
				size = 1
			}
			got := cut.scan(data[n : n+size])
			n += got
			if got < size {
				break
			}
		}
		if n != good || !same(cut, whole) {
			t.Fatalf("cut: %d good bytes, %v, %+v\nat once: %d, %v, %+v", n, cut.violation, cut.head, good, whole.violation, whole.head)
		}
	})
}

// same compares verdicts and, as long as there is something to go on with, all
// that was learned.
func same(x, y scanner) bool {
	return x.violation == y.violation && (x.violation != 0 || x == y)
}

// boundaries returns the offsets at which requests end, and how many bytes are
// good.
func boundaries(data []byte) (ends []int, good int) {
	var s scanner
	for i := range data {
		if s.scan(data[i:i+1]) == 0 {
			return ends, i
		}
		if s.state == inMethod && s.head == (head{}) {
			ends = append(ends, i+1)
		}
	}
	return ends, len(data)
}

// FuzzFraming: the profile and net/http cut a connection into the same
// requests. Where they did not, one request could hide within another.
func FuzzFraming(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ends, good := boundaries(data)
		source := bytes.NewReader(data[:good])
		r := bufio.NewReader(source)
		for i := 0; ; i++ {
			q, err := http.ReadRequest(r)
			if err == nil {
				_, err = io.Copy(io.Discard, q.Body)
			}
			if err != nil {
				return // the rest is incomplete, or net/http is stricter still
			}
			end := good - source.Len() - r.Buffered()
			if i >= len(ends) || ends[i] != end {
				t.Fatalf("request %d ends at %d for net/http, the profile has %v\n%q", i, end, ends, data)
			}
			if len(q.Header["Authorization"]) > 1 || len(q.Header["Content-Length"]) > 1 || len(q.TransferEncoding) > 0 && len(q.Header["Content-Length"]) > 0 {
				t.Fatalf("ambiguous headers %v", q.Header)
			}
		}
	})
}

// FuzzCheckQuery: what passes, net/url decodes in full.
func FuzzCheckQuery(f *testing.F) {
	for _, s := range []string{"", "a=1&b=2", "a=%20+&=&&c", "X=1&x=2", "a;b", "%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if CheckQuery(raw) != nil {
			return
		}
		q, err := http.NewRequest("GET", "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		q.URL.RawQuery = raw
		if err := q.ParseForm(); err != nil {
			t.Fatalf("%q passes, but %v", raw, err)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	data := []byte(typical)
	var s scanner
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if s.scan(data) != len(data) {
			b.Fatal(s.violation)
		}
	}
}

// BenchmarkScanBody is a large upload: bodies are passed over, not looked at.
func BenchmarkScanBody(b *testing.B) {
	data := []byte(request("PUT / HTTP/1.1", "Host: h", "Content-Length: 1048576") + strings.Repeat("x", 1<<20))
	var s scanner
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if s.scan(data) != len(data) {
			b.Fatal(s.violation)
		}
	}
}

// BenchmarkReadRequest is net/http's own parsing of the same bytes, for scale.
func BenchmarkReadRequest(b *testing.B) {
	data := []byte(typical)
	source := bytes.NewReader(data)
	r := bufio.NewReader(source)
	b.ReportAllocs()
	for b.Loop() {
		source.Reset(data)
		r.Reset(source)
		if _, err := http.ReadRequest(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckQuery(b *testing.B) {
	const query = "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c"
	b.ReportAllocs()
	for b.Loop() {
		if err := CheckQuery(query); err != nil {
			b.Fatal(err)
		}
	}
}
