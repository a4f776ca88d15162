package sigv4

import (
	"errors"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"
)

// flat and parsed turn a request's headers into fuzzable text and back, one
// "Name: value" per line.
func flat(h http.Header) string {
	var lines []string
	for name, values := range h {
		for _, v := range values {
			lines = append(lines, name+": "+v)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func parsed(lines string) http.Header {
	h := http.Header{}
	for line := range strings.SplitSeq(lines, "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			key := textproto.CanonicalMIMEHeaderKey(name)
			h[key] = append(h[key], strings.Trim(value, " \t"))
		}
	}
	return h
}

func seed(f *testing.F) {
	session := alice
	session.SessionToken = "FwoGZXIvYXdzEBYaDH"
	for _, style := range []Style{General, S3} {
		for _, lifetime := range []time.Duration{0, time.Minute} {
			for _, c := range []Credentials{alice, session} {
				q := caller{credentials: c, style: style, presigned: lifetime}.request(f)
				f.Add(q.Method, q.Target, q.Host, flat(q.Header), string(q.Body), style == S3)
			}
		}
	}
	q := caller{before: func(r *http.Request) { r.URL.Path = "/a//b/../c"; r.URL.RawQuery = "b=%20&a=+&=&;" }}.request(f)
	f.Add(q.Method, q.Target, q.Host, flat(q.Header), string(q.Body), false)
	f.Add("POST", "http://iam.lanyard.test?", "iam.lanyard.test", flat(q.Header)+"\nX-Amz-Meta-A: a  b\nDate: Fri, 02 Jan 2026 03:04:05 -0000", "", false)
}

// FuzzParse: a failed Parse returns nothing, a good one returns what its grammar
// promises.
func FuzzParse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, method, target, host, headers, body string, _ bool) {
		r := Request{Method: method, Target: target, Host: host, Header: parsed(headers), Body: []byte(body)}
		a, err := Parse(&r)
		if err != nil {
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Kind == 0 || a != (Authorization{}) {
				t.Fatalf("%v came with %+v", err, a)
			}
			for p := range protocols {
				if text := e.Text(p); text == "" || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
					t.Fatalf("text %q", text)
				}
			}
			return
		}
		if strings.Count(a.Scope, "/") != 3 || a.AccessKeyID == "" || len(a.AccessKeyID) > maxAccessKeyID ||
			a.Time.Format(isoBasic) != a.Timestamp || a.Scope != a.Date+"/"+a.Region+"/"+a.Service+"/"+terminator ||
			a.Presigned != (a.Expires > 0) || a.Expires > maxPresigned || !slices.IsSorted(strings.Split(a.SignedHeaders, ";")) {
			t.Fatalf("parsed %+v", a)
		}
	})
}

// FuzzVerify: whatever is accepted was signed with the secret, by a reading of
// the specification that shares no code with ours, and says what it has to say.
func FuzzVerify(f *testing.F) {
	seed(f)
	v := NewVerifier(0)
	f.Fuzz(func(t *testing.T, method, target, host, headers, body string, s3 bool) {
		r := Request{Method: method, Target: target, Host: host, Header: parsed(headers), Body: []byte(body)}
		o := Options{Service: "iam", AllowUnsignedPayload: true}
		if s3 {
			o.Style = S3
		}
		a, err := Parse(&r)
		if err != nil {
			return
		}
		if err := v.Verify(&a, &r, o, secret(alice.SecretAccessKey), signingTime); err != nil {
			return
		}
		if !referenceAccepts(&r, alice.SecretAccessKey, o.Style) {
			t.Fatalf("accepted %+v as %+v", r, a)
		}
		if !a.Signed("host") || a.Service != "iam" || a.Time.Sub(signingTime).Abs() > DefaultSkew {
			t.Fatalf("accepted %+v", a)
		}
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Amz-") && !a.Signed(strings.ToLower(name)) {
				t.Fatalf("accepted with %s unsigned", name)
			}
		}
	})
}
