package sigv4

import (
	"bufio"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"
)

// received parses a request as net/http's server would, from text with LF or
// CRLF line ends. The request line is cut by hand, as the signing suite has
// spaces and UTF-8 in it.
func received(t testing.TB, text string) Request {
	t.Helper()
	head, body, _ := strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n")
	line, headers, _ := strings.Cut(head, "\n")
	method, target, _ := strings.Cut(line, " ")
	target = strings.TrimSuffix(target, " HTTP/1.1")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(
		"GET / HTTP/1.1\r\n" + strings.ReplaceAll(headers, "\n", "\r\n") + "\r\n\r\n")))
	if err != nil {
		t.Fatalf("request does not parse: %v\n%s", err, text)
	}
	return Request{Method: method, Target: target, Host: r.Host, Header: r.Header, Body: []byte(body)}
}

func secret(s string) Key { return Key{Secret: func() (string, error) { return s, nil }} }

func verify(r Request, o Options, key Key, now time.Time) error {
	a, err := Parse(&r)
	if err != nil {
		return err
	}
	return NewVerifier(0).Verify(&a, &r, o, key, now)
}

// The signature recomputed for the fact book and by botocore.
func TestIAMRequest(t *testing.T) {
	r := received(t, `POST / HTTP/1.1
Host: iam.lanyard.test:8443
Content-Type: application/x-www-form-urlencoded; charset=utf-8
X-Amz-Date: 20260102T030405Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260102/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=cb297b9b48d0e27a7d1126db92127222633d012868fe4670b6f2fd814f8d3d78

Action=GetUser&Version=2010-05-08`)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := verify(r, Options{Service: "iam"}, secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), now); err != nil {
		t.Error(err)
	}
}

// The seed signature of S3's streaming example: the headers of a chunked upload,
// which this package canonicalises but does not accept as a complete request.
func TestS3StreamingSeed(t *testing.T) {
	r := received(t, `PUT /examplebucket/chunkObject.txt HTTP/1.1
Host: s3.amazonaws.com
Content-Encoding: aws-chunked
X-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
X-Amz-Date: 20130524T000000Z
X-Amz-Decoded-Content-Length: 66560
X-Amz-Storage-Class: REDUCED_REDUNDANCY
X-Amz-Trailer: x-amz-checksum-crc32c
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e

`)
	now := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	o := Options{Service: "s3", Style: S3, AllowUnsignedPayload: true}
	key := secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
	wantKind(t, verify(r, o, key, now), UnsignedBody) // the signature holds, the mode is not ours
	r.Header.Set("X-Amz-Storage-Class", "STANDARD")
	wantKind(t, verify(r, o, key, now), SignatureMismatch)
}

// Requests of AWS's public signing suite (awslabs/aws-c-auth), by the names they
// have there.
func TestSigningSuite(t *testing.T) {
	const (
		credential = "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="
		vanilla    = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
		letters    = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	)
	for _, v := range []struct{ name, line, headers, signed, signature, body string }{
		{"get-vanilla", "GET /", "", "", vanilla, ""},
		{"get-relative-relative-normalized", "GET /example1/example2/../..", "", "", vanilla, ""},
		{"get-slash-dot-slash-normalized", "GET /./", "", "", vanilla, ""},
		{"get-slash-pointless-dot-normalized", "GET /./example", "", "", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5", ""},
		{"get-slashes-normalized", "GET //example//", "", "", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84", ""},
		{"get-space-normalized", "GET /example space/", "", "", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741", ""},
		{"get-unreserved", "GET /" + letters, "", "", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f", ""},
		{"get-utf8", "GET /ሴ", "", "", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85", ""},
		{"get-vanilla-empty-query-key", "GET /?Param1=value1", "", "", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb", ""},
		{"get-vanilla-query-order-key-case", "GET /?Param2=value2&Param1=value1", "", "", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500", ""},
		{"get-vanilla-query-order-encoded", "GET /?Param-3=Value3&Param=Value2&%E1%88%B4=Value1", "", "", "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac", ""},
		{"get-vanilla-query-unreserved", "GET /?" + letters + "=" + letters, "", "", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197", ""},
		{"get-vanilla-utf8-query", "GET /?ሴ=bar", "", "", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04", ""},
		{"get-header-key-duplicate", "GET /", "My-Header1:value2\nMy-Header1:value2\nMy-Header1:value1\n", "host;my-header1;x-amz-date", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea", ""},
		{"get-header-value-order", "GET /", "My-Header1:value4\nMy-Header1:value1\nMy-Header1:value3\nMy-Header1:value2\n", "host;my-header1;x-amz-date", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01", ""},
		{"get-header-value-trim", "GET /", "My-Header1: value1\nMy-Header2: \"a   b   c\"\n", "host;my-header1;my-header2;x-amz-date", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736", ""},
		{"get-vanilla-with-session-token", "GET /", "X-Amz-Security-Token:6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267\n", "host;x-amz-date;x-amz-security-token", "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8", ""},
		{"post-x-www-form-urlencoded", "POST /", "Content-Type:application/x-www-form-urlencoded\nContent-Length:13\nX-Amz-Content-Sha256:9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e\n", "content-length;content-type;host;x-amz-content-sha256;x-amz-date", "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b", "Param1=value1"},
	} {
		t.Run(v.name, func(t *testing.T) {
			signed := v.signed
			if signed == "" {
				signed = "host;x-amz-date"
			}
			r := received(t, v.line+" HTTP/1.1\nHost:example.amazonaws.com\n"+v.headers+
				"X-Amz-Date:20150830T123600Z\n"+credential+signed+", Signature="+v.signature+"\n\n"+v.body)
			o, key := Options{Service: "service"}, secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
			now := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
			if err := verify(r, o, key, now); err != nil {
				t.Fatal(err)
			}
			// The twin: another method, the same signature.
			r.Method = "PATCH"
			wantKind(t, verify(r, o, key, now), SignatureMismatch)
		})
	}
}

// IAM's example of deriving a signing key, from the page "Create a signed AWS API request".
func TestSigningKey(t *testing.T) {
	key := SigningKey("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215", "us-east-1", "iam")
	const want = "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"
	if got := hex.EncodeToString(key[:]); got != want {
		t.Errorf("SigningKey = %s, want %s", got, want)
	}
}

func TestNormalPath(t *testing.T) {
	for path, want := range map[string]string{
		"/":               "/",
		"//":              "/",
		"/.":              "/",
		"/..":             "/",
		"/../../a":        "/a",
		"/a/./b/":         "/a/b/",
		"/a//b":           "/a/b",
		"/a/b/..":         "/a",
		"/a/b/../":        "/a/",
		"/a/...":          "/a/...",
		"/a%20b":          "/a%2520b",
		"/%2e%2e/b":       "/%252e%252e/b",
		"/a+b;c=d,e:f@g!": "/a%2Bb%3Bc%3Dd%2Ce%3Af%40g%21",
		"/~x_y-z.1":       "/~x_y-z.1",
	} {
		prefix := []byte("GET\n/not/this\n")
		if got := string(appendNormalPath(prefix, path)); got != "GET\n/not/this\n"+want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestTrimmed(t *testing.T) {
	for value, want := range map[string]string{
		"":            "",
		"   ":         "",
		" a ":         "a",
		"a   b \t c ": "a b c",
		`"a   b"`:     `"a b"`,
	} {
		got, ok := appendTrimmed([]byte("x:"), value)
		if !ok || string(got) != "x:"+want {
			t.Errorf("%q: %q, %v; want %q", value, got, ok, want)
		}
	}
	for _, value := range []string{"a\nb", "a\rb", "a\x00b", "a\x7fb"} {
		if _, ok := appendTrimmed(nil, value); ok {
			t.Errorf("%q was accepted", value)
		}
	}
}
