package sigv4

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// signingTime is when the requests of these tests are signed and, unless a test
// says otherwise, verified.
var signingTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// generator makes random requests and credentials.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 4))} }

func (g generator) text(alphabet string, least, most int) string {
	letters := []rune(alphabet)
	b := make([]rune, least+g.IntN(most-least+1))
	for i := range b {
		b[i] = letters[g.IntN(len(letters))]
	}
	return string(b)
}

const (
	alnum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	// nasty has every character that some encoder treats as special.
	nasty = alnum + " -_.~!*'();:@&=+$,/?#[]%\"<>\\^`{|}éሴ\U0001F511\x00\n"
)

func (g generator) credentials() Credentials {
	c := Credentials{AccessKeyID: "AKIA" + g.text(alnum, 12, 16), SecretAccessKey: g.text(alnum+"+/", 1, 90)}
	if g.IntN(2) == 0 {
		c.SessionToken = g.text(alnum+"+/=", 1, 300)
	}
	return c
}

// request makes one that net/http's client could send.
func (g generator) request(style Style) (*http.Request, []byte) {
	u := url.URL{Scheme: "http", Host: g.text(alnum, 1, 20) + []string{"", ":8443", ".example.com"}[g.IntN(3)]}
	for range 1 + g.IntN(3) {
		segment := g.text(nasty, 1, 8)
		if style == General {
			// The SDK does not normalise; botocore and AWS do. They agree on paths
			// that are normal already.
			segment = "s" + strings.ReplaceAll(segment, "/", "")
		}
		u.Path += "/" + segment
	}
	query := url.Values{}
	for range g.IntN(6) {
		query.Add(g.text(nasty, 1, 6), g.text(nasty, 0, 12))
	}
	u.RawQuery = query.Encode()
	body := []byte(g.text(nasty, 0, 200))
	r, err := http.NewRequest([]string{"GET", "POST", "PUT", "DELETE", "HEAD"}[g.IntN(5)], u.String(), bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	// The body's length is signed by the SDK where net/http will send it.
	r.Header.Set("Content-Type", "application/"+g.text(alnum, 1, 10))
	for range g.IntN(4) {
		// Each value has a letter at its ends: net/http trims what it reads.
		r.Header.Add("X-Amz-Meta-"+g.text(alnum, 1, 4), "a"+g.text(alnum+"   ,;=\"", 0, 20)+"z")
	}
	r.Header.Set("User-Agent", "oracle")
	return r, body
}

// arrived is the request as a server would see it.
func arrived(r *http.Request, body []byte) Request {
	q := outgoing(r, body)
	q.Header = r.Header.Clone()
	if len(body) > 0 {
		q.Header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	return q
}

// The SDK signs, we verify; then we sign and a slow reading of the
// specification verifies.
func TestHeaderAgainstSDK(t *testing.T) {
	g := newGenerator(1)
	sdk := v4.NewSigner()
	verifier := NewVerifier(16)
	for i := range 2500 {
		style := Style(i % 2)
		r, body := g.request(style)
		c := g.credentials()
		hash := sha256.Sum256(body)
		if style == S3 {
			r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(hash[:]))
		}
		err := sdk.SignHTTP(t.Context(), aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken},
			r, hex.EncodeToString(hash[:]), "svc", "eu-west-1", signingTime, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = style == S3 })
		if err != nil {
			t.Fatal(err)
		}
		q := arrived(r, body)
		a, err := Parse(&q)
		if err != nil {
			t.Fatalf("%d: %v\n%s %s %v", i, err, q.Method, q.Target, q.Header)
		}
		if a.AccessKeyID != c.AccessKeyID || a.SecurityToken != c.SessionToken || a.Region != "eu-west-1" || a.Service != "svc" || a.Presigned || !a.Time.Equal(signingTime) {
			t.Fatalf("%d: parsed %+v", i, a)
		}
		o := Options{Service: "svc", Style: style}
		if err := verifier.Verify(&a, &q, o, secret(c.SecretAccessKey), signingTime); err != nil {
			t.Fatalf("%d: %v\n%s %s %v", i, err, q.Method, q.Target, q.Header)
		}
		if err := verifier.Verify(&a, &q, o, secret(c.SecretAccessKey), signingTime); err != nil {
			t.Fatalf("%d: with a cached key: %v", i, err)
		}
		verifier.Forget(c.AccessKeyID)
		wantKind(t, verifier.Verify(&a, &q, o, secret(c.SecretAccessKey+"x"), signingTime), SignatureMismatch)

		// Our own signature of the same request.
		signer := Signer{Credentials: c, Region: "eu-west-1", Service: "svc", Style: style}
		if err := signer.SignHeader(r, body, signingTime); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		q = arrived(r, body)
		if !referenceAccepts(&q, c.SecretAccessKey, style) {
			t.Fatalf("%d: the reference refuses our signature of %s %s %v", i, q.Method, q.Target, q.Header)
		}
		if err := verify(q, o, secret(c.SecretAccessKey), signingTime); err != nil {
			t.Fatalf("%d: our own signature: %v", i, err)
		}
	}
}

func TestPresignedAgainstSDK(t *testing.T) {
	g := newGenerator(2)
	sdk := v4.NewSigner()
	for i := range 1500 {
		style := Style(i % 2)
		r, body := g.request(style)
		r.Method = http.MethodGet
		r.ContentLength = 0
		c := g.credentials()
		sum := sha256.Sum256(body)
		hash := hex.EncodeToString(sum[:])
		if style == S3 {
			hash = unsignedPayload
		}
		plain := r.Clone(t.Context())
		query := r.URL.Query()
		expires := 1 + g.IntN(900)
		query.Set("X-Amz-Expires", strconv.Itoa(expires))
		r.URL.RawQuery = query.Encode()
		signed, headers, err := sdk.PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken},
			r, hash, "svc", "eu-west-1", signingTime, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = style == S3 })
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(signed)
		if err != nil {
			t.Fatal(err)
		}
		q := Request{Method: r.Method, Target: u.RequestURI(), Host: u.Host, Header: headers, Body: body}
		a, err := Parse(&q)
		if err != nil {
			t.Fatalf("%d: %v\n%s", i, err, signed)
		}
		if !a.Presigned || a.Expires != time.Duration(expires)*time.Second || a.SecurityToken != c.SessionToken || a.AccessKeyID != c.AccessKeyID {
			t.Fatalf("%d: parsed %+v from %s", i, a, signed)
		}
		o := Options{Service: "svc", Style: style, AllowUnsignedPayload: true}
		if err := verify(q, o, secret(c.SecretAccessKey), signingTime); err != nil {
			t.Fatalf("%d: %v\n%s", i, err, signed)
		}
		wantKind(t, verify(q, o, secret(c.SecretAccessKey), signingTime.Add(a.Expires+time.Second)), PresignedExpired)

		signer := Signer{Credentials: c, Region: "eu-west-1", Service: "svc", Style: style}
		if err := signer.Presign(plain, body, a.Expires, signingTime); err != nil {
			t.Fatal(err)
		}
		q = outgoing(plain, body)
		if !referenceAccepts(&q, c.SecretAccessKey, style) {
			t.Fatalf("%d: the reference refuses our signature of %s", i, q.Target)
		}
		if err := verify(q, o, secret(c.SecretAccessKey), signingTime); err != nil {
			t.Fatalf("%d: our own signature: %v", i, err)
		}
	}
}

// referenceAccepts is the specification read as plainly as possible, sharing no
// code with the package: whether the request's signature is the one made by
// secret, whatever time it is. It takes net/url's decoding, maps and strings.
func referenceAccepts(r *Request, secret string, style Style) bool {
	target := r.Target
	if !strings.HasPrefix(target, "/") {
		u, err := url.Parse(target)
		if err != nil {
			return false
		}
		target = u.RequestURI()
	}
	rawPath, rawQuery, _ := strings.Cut(target, "?")
	query := map[string][]string{}
	var pairs [][2]string
	for pair := range strings.SplitSeq(rawQuery, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		if err1 != nil || err2 != nil {
			return false
		}
		query[name] = append(query[name], value)
		if name != "X-Amz-Signature" {
			encode := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
			pairs = append(pairs, [2]string{encode(name), encode(value)})
		}
	}
	slices.SortFunc(pairs, func(x, y [2]string) int { return slices.Compare(x[:], y[:]) })
	var canonicalQuery []string
	for _, p := range pairs {
		canonicalQuery = append(canonicalQuery, p[0]+"="+p[1])
	}

	get := func(name string) string { return strings.Join(r.Header[http.CanonicalHeaderKey(name)], ",") }
	var credential, signedHeaders, signature, date, payload string
	sum := sha256.Sum256(r.Body)
	payload = hex.EncodeToString(sum[:])
	if header := get("authorization"); header != "" {
		for piece := range strings.SplitSeq(strings.TrimPrefix(header, "AWS4-HMAC-SHA256 "), ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(piece), "=")
			switch name {
			case "Credential":
				credential = value
			case "SignedHeaders":
				signedHeaders = value
			case "Signature":
				signature = value
			}
		}
		date = get("x-amz-date")
		if date == "" {
			parsed, err := time.Parse(time.RFC1123, get("date"))
			if err != nil {
				if parsed, err = time.Parse(time.RFC1123Z, get("date")); err != nil {
					parsed, _ = time.Parse(isoBasic, get("date"))
				}
			}
			date = parsed.UTC().Format("20060102T150405Z")
		}
	} else {
		one := func(name string) string {
			if len(query[name]) != 1 {
				return ""
			}
			return query[name][0]
		}
		credential, signedHeaders = one("X-Amz-Credential"), one("X-Amz-SignedHeaders")
		signature, date = one("X-Amz-Signature"), one("X-Amz-Date")
		if style == S3 {
			payload = "UNSIGNED-PAYLOAD"
		}
		if declared := one("X-Amz-Content-Sha256"); declared != "" {
			payload = declared
		}
	}
	if declared := get("x-amz-content-sha256"); declared != "" {
		payload = declared
	}
	scope := strings.SplitN(credential, "/", 2)
	parts := strings.Split(credential, "/")
	if len(parts) != 5 {
		return false
	}

	path := rawPath
	if style == General {
		var kept []string
		for segment := range strings.SplitSeq(rawPath, "/") {
			switch segment {
			case "", ".":
			case "..":
				kept = kept[:max(0, len(kept)-1)]
			default:
				kept = append(kept, strings.ReplaceAll(url.QueryEscape(segment), "+", "%20"))
			}
		}
		path = "/" + strings.Join(kept, "/")
		if strings.HasSuffix(rawPath, "/") && len(kept) > 0 {
			path += "/"
		}
	}

	var headers strings.Builder
	for name := range strings.SplitSeq(signedHeaders, ";") {
		values := r.Header[http.CanonicalHeaderKey(name)]
		if name == "host" {
			values = []string{r.Host}
		}
		var trimmed []string
		for _, v := range values {
			isSpace := func(c rune) bool { return c == ' ' || c == '\t' }
			trimmed = append(trimmed, strings.Join(strings.FieldsFunc(v, isSpace), " "))
		}
		headers.WriteString(name + ":" + strings.Join(trimmed, ",") + "\n")
	}
	canonical := strings.Join([]string{r.Method, path, strings.Join(canonicalQuery, "&"), headers.String(), signedHeaders, payload}, "\n")
	canonicalSum := sha256.Sum256([]byte(canonical))
	toSign := "AWS4-HMAC-SHA256\n" + date + "\n" + scope[1] + "\n" + hex.EncodeToString(canonicalSum[:])
	key := []byte("AWS4" + secret)
	for _, message := range []string{parts[1], parts[2], parts[3], parts[4], toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(message))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key) == signature
}

// Every byte of what a signature covers matters, and every byte of the signature.
func TestByteFlips(t *testing.T) {
	c := Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", SessionToken: "FwoGZXIvYXdzEBYaDH"}
	for _, style := range []Style{General, S3} {
		for _, presigned := range []bool{false, true} {
			body := []byte("Action=GetUser&Version=2010-05-08")
			r, err := http.NewRequest("POST", "http://iam.lanyard.test:8443/a/b%3Dc?Marker=x%20y&List=1", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("X-Amz-Target", "Service.Operation")
			signer := Signer{Credentials: c, Region: "us-east-1", Service: "iam", Style: style}
			if presigned {
				err = signer.Presign(r, body, time.Minute, signingTime)
			} else {
				err = signer.SignHeader(r, body, signingTime)
			}
			if err != nil {
				t.Fatal(err)
			}
			o := Options{Service: "iam", Style: style, AllowUnsignedPayload: true}
			whole := outgoing(r, body)
			if err := verify(whole, o, secret(c.SecretAccessKey), signingTime); err != nil {
				t.Fatal(err)
			}
			refused := func(what string, q Request) {
				t.Helper()
				a, err := Parse(&q)
				if err != nil {
					return
				}
				// The access key id itself is not signed: it chooses the secret.
				key := secret(c.SecretAccessKey)
				if a.AccessKeyID != c.AccessKeyID {
					key = secret("another user's")
				}
				if NewVerifier(0).Verify(&a, &q, o, key, signingTime) == nil {
					t.Errorf("style %d, presigned %v: accepted with %s", style, presigned, what)
				}
			}
			flips(whole.Method, func(s string) { q := whole; q.Method = s; refused("method "+s, q) })
			flips(whole.Host, func(s string) { q := whole; q.Host = s; refused("host "+s, q) })
			flips(whole.Target, func(s string) {
				if sameTarget(s, whole.Target, style) {
					return
				}
				q := whole
				q.Target = s
				refused("target "+s, q)
			})
			if !(style == S3 && presigned) {
				flips(string(body), func(s string) { q := whole; q.Body = []byte(s); refused("body "+s, q) })
			}
			for name, values := range whole.Header {
				flips(values[0], func(s string) {
					if strings.TrimSpace(s) == strings.TrimSpace(values[0]) || sameAuthorization(s, values[0]) {
						return
					}
					q := whole
					q.Header = whole.Header.Clone()
					q.Header.Set(name, s)
					refused(name+": "+s, q)
				})
			}
		}
	}
}

// flips calls f with s after each change of one bit in one byte, each removal
// and each doubling of a byte.
func flips(s string, f func(string)) {
	for i := range len(s) {
		for bit := range 8 {
			f(s[:i] + string([]byte{s[i] ^ 1<<bit}) + s[i+1:])
		}
		f(s[:i] + s[i+1:])
		f(s[:i+1] + s[i:])
	}
}

// sameTarget reports whether two targets say the same, spelled differently:
// %3d for %3D in a query, // for / in a path that is normalised.
func sameTarget(x, y string, style Style) bool {
	meaning := func(target string) string {
		path, query, _ := strings.Cut(target, "?")
		if style == General {
			path = string(appendNormalPath(nil, path))
		}
		var s scratch
		b, ok := s.appendQuery(nil, query, false)
		if !ok {
			return target
		}
		return path + "?" + string(b)
	}
	return meaning(x) == meaning(y)
}

// sameAuthorization: white space around commas has no meaning.
func sameAuthorization(x, y string) bool {
	squeeze := func(s string) string { return strings.NewReplacer(", ", ",", ",\t", ",").Replace(s) }
	return strings.ReplaceAll(squeeze(x), ", ", ",") == squeeze(y)
}
