package sigv4

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// caller makes signed requests for the abuse cases: an honest one, changed in
// one detail before or after it is signed.
type caller struct {
	credentials Credentials
	service     string
	style       Style
	presigned   time.Duration // zero: header form
	at          time.Time     // zero: signingTime
	before      func(*http.Request)
	scope       func(*Authorization) // changes what is signed, not only what is sent
	after       func(*Request)
}

var alice = Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}

func (c caller) request(t testing.TB) Request {
	t.Helper()
	if c.credentials == (Credentials{}) {
		c.credentials = alice
	}
	if c.service == "" {
		c.service = "iam"
	}
	if c.at.IsZero() {
		c.at = signingTime
	}
	method, url, body := "POST", "http://iam.lanyard.test/", []byte("Action=ListUsers&Version=2010-05-08")
	if c.presigned > 0 {
		method, url, body = "GET", url+"?Action=ListUsers&Version=2010-05-08", nil
	}
	r, err := http.NewRequest(method, url, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	if c.before != nil {
		c.before(r)
	}
	signer := Signer{Credentials: c.credentials, Region: "us-east-1", Service: c.service, Style: c.style}
	if c.presigned > 0 {
		err = signer.Presign(r, body, c.presigned, c.at)
	} else {
		err = signer.SignHeader(r, body, c.at)
	}
	if err != nil {
		t.Fatal(err)
	}
	q := outgoing(r, body)
	if c.scope != nil {
		resign(t, &q, c)
	}
	if c.after != nil {
		c.after(&q)
	}
	return q
}

// resign signs the request again with an Authorization that no Signer would
// make, so that only the detail under test can be the reason for a refusal.
func resign(t testing.TB, q *Request, c caller) {
	t.Helper()
	a, err := Parse(q)
	if err != nil {
		t.Fatal(err)
	}
	c.scope(&a)
	s := scratch{payload: []byte(hashHex(q.Body))}
	if err := s.build(&a, q, c.style); err != nil {
		t.Fatal(err)
	}
	key := signer{key: SigningKey(c.credentials.SecretAccessKey, a.Date, a.Region, a.Service)}
	key.sign(&s)
	q.Header.Set("Authorization", algorithm+" Credential="+a.AccessKeyID+"/"+a.Scope+", SignedHeaders="+a.SignedHeaders+", Signature="+string(s.signature))
}

func (c caller) verify(t testing.TB, o Options) error {
	t.Helper()
	if o.Service == "" {
		o.Service = "iam"
	}
	o.Style = c.style
	return verify(c.request(t), o, secret(alice.SecretAccessKey), signingTime)
}

// accept and refuse are the two halves of every case: the twin of a refused
// request differs in one detail and passes.
func (c caller) accept(t testing.TB, what string) {
	t.Helper()
	if err := c.verify(t, Options{}); err != nil {
		t.Errorf("%s: refused: %v", what, err)
	}
}

func (c caller) refuse(t testing.TB, what, code string, status int) *Error {
	t.Helper()
	protocol := Query
	if c.style == S3 {
		protocol = RESTXML
	}
	return refused(t, what, c.verify(t, Options{}), protocol, code, status)
}

func refused(t testing.TB, what string, err error, p Protocol, code string, status int) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("%s: got %v, want %s", what, err, code)
	}
	if gotCode, gotStatus := e.Code(p); gotCode != code || gotStatus != status {
		t.Errorf("%s: got %s %d (%s), want %s %d", what, gotCode, gotStatus, e.Text(p), code, status)
	}
	return e
}

func set(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func header(name string, change func(string) string) func(*Request) {
	return func(r *Request) { r.Header.Set(name, change(r.Header.Get(name))) }
}

func replace(old, new string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, new, 1) }
}

func target(old, new string) func(*Request) {
	return func(r *Request) { r.Target = strings.Replace(r.Target, old, new, 1) }
}

func TestT001_ClockSkew(t *testing.T) {
	inside, outside := 15*time.Minute-10*time.Second, 15*time.Minute+10*time.Second
	caller{at: signingTime.Add(-inside)}.accept(t, "14:50 old")
	caller{at: signingTime.Add(inside)}.accept(t, "14:50 ahead")
	e := caller{at: signingTime.Add(-outside)}.refuse(t, "15:10 old", "SignatureDoesNotMatch", 403)
	if want := "Signature expired: 20260102T024855Z is now earlier than 20260102T024905Z (20260102T030405Z - 15 min.)"; e.Text(Query) != want {
		t.Errorf("got  %s\nwant %s", e.Text(Query), want)
	}
	e = caller{at: signingTime.Add(outside)}.refuse(t, "15:10 ahead", "SignatureDoesNotMatch", 403)
	if want := "Signature not yet current: 20260102T031915Z is still later than 20260102T031905Z (20260102T030405Z + 15 min.)"; e.Text(Query) != want {
		t.Errorf("got  %s\nwant %s", e.Text(Query), want)
	}
	json := Options{Skew: JSONSkew}
	if err := (caller{at: signingTime.Add(10*time.Second - JSONSkew)}).verify(t, json); err != nil {
		t.Errorf("4:50 old on a JSON service: %v", err)
	}
	e = refused(t, "5:10 old", caller{at: signingTime.Add(-10*time.Second - JSONSkew)}.verify(t, json), AWSJSON, "InvalidSignatureException", 400)
	if want := "Signature expired: 20260102T025855Z is now earlier than 20260102T025905Z (20260102T030405Z - 5 min.)"; e.Text(AWSJSON) != want {
		t.Errorf("got  %s\nwant %s", e.Text(AWSJSON), want)
	}
}

func TestT002_ClockSkewS3(t *testing.T) {
	caller{style: S3, at: signingTime.Add(-14*time.Minute - 50*time.Second)}.accept(t, "14:50 old")
	for _, off := range []time.Duration{-15*time.Minute - 10*time.Second, 15*time.Minute + 10*time.Second} {
		e := caller{style: S3, at: signingTime.Add(off)}.refuse(t, off.String(), "RequestTimeTooSkewed", 403)
		if fmt.Sprint(e.Details[1]) != "{ServerTime 2026-01-02T03:04:05Z}" {
			t.Errorf("details %v", e.Details)
		}
	}
}

func TestT004_Dates(t *testing.T) {
	caller{before: set("Date", "Thu, 01 Jan 2015 00:00:00 GMT")}.accept(t, "X-Amz-Date wins over Date")
	for _, date := range []string{"20260230T250000Z", "20260102T030405", "20260102T030405.5Z", "2026-01-02T03:04:05Z", "", "20260102T030405+0000"} {
		caller{after: header("X-Amz-Date", func(string) string { return date })}.refuse(t, "date "+date, "IncompleteSignature", 400)
	}
	e := caller{scope: func(a *Authorization) { a.Date, a.Scope = "20260101", "20260101/us-east-1/iam/aws4_request" }}.
		refuse(t, "another day in the scope", "SignatureDoesNotMatch", 403)
	if want := "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20260101' != '20260102', from '20260102T030405Z'."; e.Text(Query) != want {
		t.Errorf("got  %s\nwant %s", e.Text(Query), want)
	}
	caller{after: func(r *Request) { r.Header.Add("X-Amz-Date", r.Header.Get("X-Amz-Date")) }}.refuse(t, "two dates", "IncompleteSignature", 400)
}

// Date alone may carry the time, in both RFC 1123 spellings and the ISO form,
// as long as it is signed.
func TestDateHeader(t *testing.T) {
	for _, date := range []string{"Fri, 02 Jan 2026 03:04:05 GMT", "Fri, 02 Jan 2026 03:04:05 -0000", "Fri, 02 Jan 2026 05:04:05 +0200", "20260102T030405Z"} {
		withDate := func(signed string) caller {
			return caller{credentials: alice, before: set("Date", date), scope: func(a *Authorization) {
				a.SignedHeaders = signed
			}, after: func(r *Request) { r.Header.Del("X-Amz-Date") }}
		}
		withDate("date;host").accept(t, date)
		withDate("host").refuse(t, date+" unsigned", "AccessDenied", 403)
	}
	caller{after: func(r *Request) { r.Header.Del("X-Amz-Date") }}.refuse(t, "no date at all", "IncompleteSignature", 400)
}

func TestT005_WrongRegion(t *testing.T) {
	here, there := Options{Region: "us-east-1"}, Options{Region: "eu-west-1"}
	for _, style := range []Style{General, S3} {
		if err := (caller{style: style}).verify(t, here); err != nil {
			t.Error(err)
		}
	}
	e := refused(t, "general", caller{}.verify(t, there), Query, "SignatureDoesNotMatch", 403)
	if want := "Credential should be scoped to a valid region, not 'us-east-1'. "; e.Text(Query) != want {
		t.Errorf("got %q, want %q", e.Text(Query), want)
	}
	e = refused(t, "S3", caller{style: S3}.verify(t, there), RESTXML, "AuthorizationHeaderMalformed", 400)
	if len(e.Details) != 1 || e.Details[0] != (Detail{"Region", "eu-west-1"}) {
		t.Errorf("details %v", e.Details)
	}
	for _, region := range []string{"US-EAST-1", "us_east_1", "us east", "é"} {
		caller{credentials: alice, scope: func(a *Authorization) {
			a.Region, a.Scope = region, "20260102/"+region+"/iam/aws4_request"
		}}.refuse(t, "region "+region, "SignatureDoesNotMatch", 403)
	}
}

func TestT006_WrongService(t *testing.T) {
	for _, c := range []struct{ signed, endpoint string }{{"s3", "iam"}, {"sts", "iam"}, {"iam", "s3"}, {"iam", ""}} {
		err := verify(caller{service: c.signed}.request(t), Options{Service: c.endpoint}, secret(alice.SecretAccessKey), signingTime)
		e := refused(t, c.signed+" at "+c.endpoint, err, Query, "SignatureDoesNotMatch", 403)
		if want := "Credential should be scoped to correct service: '" + c.endpoint + "'. "; e.Text(Query) != want {
			t.Errorf("got %q, want %q", e.Text(Query), want)
		}
		for _, p := range []Protocol{AWSJSON, REST, RESTXML} {
			if _, status := e.Code(p); status != 403 {
				t.Errorf("protocol %d answers %d", p, status)
			}
		}
	}
	caller{service: "iam"}.accept(t, "iam at iam")
}

func TestT007_ScopeParts(t *testing.T) {
	for _, change := range [][2]string{
		{"aws4_request", "aws4_request2"}, {"aws4_request", ""}, {"/aws4_request", ""}, {"aws4_request", "aws4_request/x"},
		{"/us-east-1/", "//"}, {"/iam/", "//"}, {"/20260102/", "//"}, {"/iam/", "/" + strings.Repeat("m", 65) + "/"},
	} {
		c := caller{after: header("Authorization", replace(change[0], change[1]))}
		c.refuse(t, change[1], "IncompleteSignature", 400)
		c.style = S3
		err := verify(c.request(t), Options{Service: "iam", Style: S3}, secret(alice.SecretAccessKey), signingTime)
		refused(t, change[1], err, RESTXML, "AuthorizationHeaderMalformed", 400)
	}
	e := caller{after: header("Authorization", replace("/aws4_request", ""))}.refuse(t, "4 parts", "IncompleteSignature", 400)
	if want := "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKIAIOSFODNN7EXAMPLE/20260102/us-east-1/iam'"; e.Message != want {
		t.Errorf("got  %s\nwant %s", e.Message, want)
	}
	e = caller{after: header("Authorization", replace("aws4_request", "aws4"))}.refuse(t, "terminator", "IncompleteSignature", 400)
	if want := "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws4'."; e.Message != want {
		t.Errorf("got  %s\nwant %s", e.Message, want)
	}
}

func TestT008_HostUnsigned(t *testing.T) {
	caller{credentials: alice, scope: func(a *Authorization) { a.SignedHeaders = "host;x-amz-date" }}.accept(t, "host signed")
	caller{credentials: alice, scope: func(a *Authorization) { a.SignedHeaders = "x-amz-date" }}.refuse(t, "host unsigned", "AccessDenied", 403)
}

func TestT009_UnsignedAmzHeader(t *testing.T) {
	for _, name := range []string{"X-Amz-Acl", "X-Amz-Copy-Source", "X-Amz-Meta-A", "X-Amz-Target", "X-Amz-Content-Sha256"} {
		for _, style := range []Style{General, S3} {
			if style == S3 && name == "X-Amz-Content-Sha256" {
				continue // always signed there
			}
			value := "v"
			if name == "X-Amz-Content-Sha256" {
				value = hashHex([]byte("Action=ListUsers&Version=2010-05-08"))
			}
			caller{style: style, before: set(name, value)}.accept(t, name+" signed")
			e := caller{style: style, after: func(r *Request) { r.Header.Set(name, value) }}.refuse(t, name+" unsigned", "AccessDenied", 403)
			if lower := strings.ToLower(name); !strings.Contains(e.Text(Query), lower) || e.Details[0] != (Detail{"HeadersNotSigned", lower}) {
				t.Errorf("%s is not named: %s, %v", lower, e.Text(Query), e.Details)
			}
		}
	}
	// A key that net/http would never make does not slip past either.
	caller{after: func(r *Request) { r.Header["x-amz-acl"] = []string{"public-read"} }}.refuse(t, "raw map key", "AccessDenied", 403)
	caller{after: func(r *Request) { r.Header.Set("X-Amzn-Trace-Id", "Root=1") }}.accept(t, "x-amzn- is not x-amz-")
}

func TestT010_SessionToken(t *testing.T) {
	session := alice
	session.SessionToken = "FwoGZXIvYXdzEBYaDH"
	for _, lifetime := range []time.Duration{0, time.Minute} {
		caller{credentials: session, presigned: lifetime}.accept(t, "with its token")
		q := caller{credentials: session, presigned: lifetime}.request(t)
		if a, err := Parse(&q); err != nil || a.SecurityToken != session.SessionToken {
			t.Errorf("token %q, %v", a.SecurityToken, err)
		}
	}
	const header = "X-Amz-Security-Token"
	caller{credentials: session, after: func(r *Request) { r.Header.Del(header) }}.refuse(t, "removed", "SignatureDoesNotMatch", 403)
	caller{credentials: session, after: func(r *Request) { r.Header.Set(header, "another") }}.refuse(t, "swapped", "SignatureDoesNotMatch", 403)
	caller{credentials: session, after: func(r *Request) { r.Header.Add(header, "another") }}.refuse(t, "doubled", "InvalidClientTokenId", 403)
	caller{after: func(r *Request) { r.Header.Set(header, "added") }}.refuse(t, "added unsigned", "AccessDenied", 403)
	caller{presigned: time.Minute, after: func(r *Request) { r.Target += "&" + header + "=added" }}.refuse(t, "added to the URL", "SignatureDoesNotMatch", 403)
	caller{credentials: session, presigned: time.Minute, after: target("&"+header+"=FwoGZXIvYXdzEBYaDH", "")}.refuse(t, "removed from the URL", "SignatureDoesNotMatch", 403)
	caller{credentials: session, presigned: time.Minute, after: func(r *Request) { r.Header.Set(header, "x") }}.refuse(t, "in both places", "IncompleteSignature", 400)
}

func TestT011_SignedHeadersList(t *testing.T) {
	for _, list := range []string{"x-amz-date;host", "host;host;x-amz-date", "Host;x-amz-date", "host;;x-amz-date", ";host;x-amz-date", "host;x-amz-date;", "", "host x-amz-date", "ho\tst;x-amz-date"} {
		caller{after: header("Authorization", replace("host;x-amz-date", list))}.refuse(t, "list "+list, "IncompleteSignature", 400)
	}
	caller{after: header("Authorization", replace("host;x-amz-date", "host;x-absent;x-amz-date"))}.refuse(t, "listed but missing", "SignatureDoesNotMatch", 403)
	caller{credentials: alice, before: set("X-Present", "1"), scope: func(a *Authorization) { a.SignedHeaders = "host;x-amz-date;x-present" }}.accept(t, "listed and present")
}

func TestT012_RepeatedHeader(t *testing.T) {
	twice := func(values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header["X-Amz-Meta-A"] = values }
	}
	caller{before: twice("1", "2")}.accept(t, "sent twice")
	caller{before: twice("1", "2"), after: func(r *Request) { r.Header["X-Amz-Meta-A"] = []string{"2", "1"} }}.refuse(t, "swapped", "SignatureDoesNotMatch", 403)
	caller{before: twice("1"), after: func(r *Request) { r.Header.Add("X-Amz-Meta-A", "2") }}.refuse(t, "one added", "SignatureDoesNotMatch", 403)
	caller{before: twice("1", "2"), after: func(r *Request) { r.Header.Set("X-Amz-Meta-A", "1") }}.refuse(t, "one removed", "SignatureDoesNotMatch", 403)
}

func TestT014_Underscores(t *testing.T) {
	q := caller{after: func(r *Request) { r.Header["X_amz_security_token"] = []string{"forged"} }}.request(t)
	a, err := Parse(&q)
	if err != nil || a.SecurityToken != "" {
		t.Errorf("underscores passed for dashes: %q, %v", a.SecurityToken, err)
	}
}

func TestT016_ControlCharacters(t *testing.T) {
	for _, value := range []string{"a\nhost:evil", "a\rb", "a\x00b"} {
		q := caller{before: set("X-Amz-Meta-A", "a")}.request(t)
		q.Header.Set("X-Amz-Meta-A", value)
		refused(t, value, verify(q, Options{Service: "iam"}, secret(alice.SecretAccessKey), signingTime), Query, "SignatureDoesNotMatch", 403)
	}
	// A line break in a path must not be able to move the border of the query.
	q := caller{style: S3}.request(t)
	q.Target = "/\nx"
	refused(t, "path", verify(q, Options{Service: "iam", Style: S3}, secret(alice.SecretAccessKey), signingTime), RESTXML, "SignatureDoesNotMatch", 403)
}

func TestT017_TwoAuthorizations(t *testing.T) {
	caller{after: func(r *Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }}.refuse(t, "two headers", "InvalidArgument", 400)
}

func TestT018_TwoMechanisms(t *testing.T) {
	for _, parameter := range []string{"X-Amz-Signature=0", "X-Amz-Credential=a", "X-Amz-Algorithm=AWS4-HMAC-SHA256", "X%2DAmz-Signature=0"} {
		caller{after: func(r *Request) { r.Target = "/?" + parameter }}.refuse(t, parameter, "InvalidArgument", 400)
	}
	caller{before: func(r *http.Request) { r.URL.RawQuery = "X-Amz-Other=0" }}.accept(t, "another parameter")
}

func TestT019_RepeatedQueryParameters(t *testing.T) {
	honest := caller{presigned: time.Minute}
	honest.accept(t, "once each")
	for _, name := range queryNames[:qSecurityToken] {
		for _, spelled := range []string{name, strings.Replace(name, "-", "%2D", 1)} {
			e := caller{presigned: time.Minute, after: func(r *Request) { r.Target += "&" + spelled + "=1" }}.refuse(t, spelled, "IncompleteSignature", 400)
			if code, status := e.Code(RESTXML); code != "AuthorizationQueryParametersError" || status != 400 {
				t.Errorf("%s: %s %d", spelled, code, status)
			}
		}
	}
}

func TestT020_CaseTwins(t *testing.T) {
	for _, name := range queryNames {
		for _, twin := range []string{strings.ToLower(name), strings.ToUpper(name)} {
			caller{presigned: time.Minute, after: func(r *Request) { r.Target += "&" + twin + "=1" }}.refuse(t, twin, "IncompleteSignature", 400)
		}
	}
}

func TestT022_OtherAlgorithms(t *testing.T) {
	for _, scheme := range []string{"AWS3-HMAC-SHA256", "AWS4-HMAC-SHA1", "AWS4-ECDSA-P256-SHA256", "aws4-hmac-sha256", "AWS4-HMAC-SHA256\t", ""} {
		caller{after: header("Authorization", replace(algorithm, scheme))}.refuse(t, scheme, "IncompleteSignature", 400)
	}
	for _, value := range []string{"AWS AKIAIOSFODNN7EXAMPLE:c2lnbmF0dXJl", "Bearer hunter2hunter2", "Basic aHVudGVyMg==", "AWS4-HMAC-SHA256"} {
		e := caller{after: func(r *Request) { r.Header.Set("Authorization", value) }}.refuse(t, value, "IncompleteSignature", 400)
		if _, credential, _ := strings.Cut(value, " "); credential != "" && strings.Contains(e.Error(), credential) {
			t.Errorf("the error repeats a credential: %v", e)
		}
	}
	for _, value := range []string{"AWS4-ECDSA-P256-SHA256", "aws4-hmac-sha256", ""} {
		caller{presigned: time.Minute, after: target("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm="+value)}.refuse(t, "query "+value, "IncompleteSignature", 400)
	}
}

func TestT024_SignatureForms(t *testing.T) {
	q := caller{}.request(t)
	a, err := Parse(&q)
	if err != nil {
		t.Fatal(err)
	}
	good := a.Signature
	for _, bad := range []string{"", good[:63], good + "0", strings.ToUpper(good), strings.Repeat("0", 64), strings.Repeat("g", 64), " " + good} {
		caller{after: header("Authorization", replace(good, bad))}.refuse(t, "signature "+bad, "SignatureDoesNotMatch", 403)
	}
}

func TestT026_HostileAccessKeyIDs(t *testing.T) {
	for _, id := range []string{strings.Repeat("A", 10<<10), strings.Repeat("A", 129), "AKIA'--\x00", "AKIA\r", "AKIAé", "", "AK IA"} {
		looked := false
		q := caller{after: header("Authorization", replace(alice.AccessKeyID, id))}.request(t)
		err := verify(q, Options{Service: "iam"}, Key{Secret: func() (string, error) { looked = true; return "x", nil }}, signingTime)
		e := refused(t, id, err, Query, "InvalidClientTokenId", 403)
		if looked || len(e.Error()) > 2*maxEcho {
			t.Errorf("id of %d bytes: looked up %v, message of %d bytes", len(id), looked, len(e.Error()))
		}
	}
	caller{after: header("Authorization", replace(alice.AccessKeyID, "AKIA/x"))}.refuse(t, "slash", "IncompleteSignature", 400)
	e := caller{after: header("Authorization", func(s string) string { return s + strings.Repeat(",x\x01é", 4<<10) })}.refuse(t, "10 kB of junk", "IncompleteSignature", 400)
	if strings.ContainsFunc(e.Message, func(r rune) bool { return r < ' ' || r > '~' }) || len(e.Message) > 3*maxEcho {
		t.Errorf("message of %d bytes holds raw input", len(e.Message))
	}
}

func TestT027_BodyHash(t *testing.T) {
	other := func(r *Request) { r.Body = []byte("Action=DeleteUser") }
	caller{style: S3, after: other}.refuse(t, "S3", "XAmzContentSHA256Mismatch", 400)
	caller{after: other}.refuse(t, "IAM, no header", "SignatureDoesNotMatch", 403)
	declared := set("X-Amz-Content-Sha256", hashHex([]byte("Action=ListUsers&Version=2010-05-08")))
	caller{before: declared}.accept(t, "IAM, header")
	caller{before: declared, after: other}.refuse(t, "IAM, header", "SignatureDoesNotMatch", 403)
	caller{before: func(r *http.Request) {
		declared(r)
		r.Header["X-Amz-Content-Sha256"] = append(r.Header["X-Amz-Content-Sha256"], "UNSIGNED-PAYLOAD")
	}}.refuse(t, "declared twice", "SignatureDoesNotMatch", 403)
}

func TestT028_UnsignedPayload(t *testing.T) {
	unsigned := caller{style: S3, presigned: time.Minute}
	if err := unsigned.verify(t, Options{AllowUnsignedPayload: true}); err != nil {
		t.Errorf("S3 over TLS: %v", err)
	}
	refused(t, "S3 on plain HTTP", unsigned.verify(t, Options{}), RESTXML, "InvalidRequest", 400)
	for _, literal := range []string{unsignedPayload, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "unsigned-payload", strings.Repeat("A", 64)} {
		c := caller{before: set("X-Amz-Content-Sha256", literal)}
		refused(t, "IAM "+literal, c.verify(t, Options{AllowUnsignedPayload: true}), Query, "SignatureDoesNotMatch", 403)
	}
	q := caller{style: S3}.request(t)
	q.Header.Del("X-Amz-Content-Sha256")
	refused(t, "S3 without the header", verify(q, Options{Service: "iam", Style: S3}, secret(alice.SecretAccessKey), signingTime), RESTXML, "InvalidRequest", 400)
}

// T034, T501 to T503: no payload mode opens a way around the signature.
func TestT034_ForgedSignatureInEveryMode(t *testing.T) {
	for _, literal := range []string{"", hashHex(nil), unsignedPayload, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "x"} {
		for _, style := range []Style{General, S3} {
			q := caller{style: style}.request(t)
			q.Body = nil
			q.Header.Set("X-Amz-Content-Sha256", literal)
			a, err := Parse(&q)
			if err != nil {
				t.Fatal(err)
			}
			q.Header.Set("Authorization", algorithm+" Credential="+a.AccessKeyID+"/"+a.Scope+",SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature="+strings.Repeat("ab", 32))
			err = verify(q, Options{Service: "iam", Style: style, AllowUnsignedPayload: true}, secret(alice.SecretAccessKey), signingTime)
			if e, ok := errors.AsType[*Error](err); !ok || e.Kind != SignatureMismatch && literal != "" {
				t.Errorf("style %d, %q: %v", style, literal, err)
			}
		}
	}
}

// T035, T502: the same with the credential in the query only.
func TestT035_ForgedPresignedSignature(t *testing.T) {
	for _, style := range []Style{General, S3} {
		q := caller{style: style, presigned: time.Minute}.request(t)
		q.Method, q.Target = "PUT", q.Target[:len(q.Target)-64]+strings.Repeat("ab", 32)
		q.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
		err := verify(q, Options{Service: "iam", Style: style, AllowUnsignedPayload: true}, secret(alice.SecretAccessKey), signingTime)
		refused(t, "unsigned header", err, RESTXML, "AccessDenied", 403)
		q.Header.Del("X-Amz-Content-Sha256")
		err = verify(q, Options{Service: "iam", Style: style, AllowUnsignedPayload: true}, secret(alice.SecretAccessKey), signingTime)
		refused(t, "made-up signature", err, RESTXML, "SignatureDoesNotMatch", 403)
	}
}

func TestT037_Expires(t *testing.T) {
	for _, expires := range []string{"604801", "-1", "0", "1e3", "%2B5", "+5", "%205", "05", "", "99999999999999999999", "60 "} {
		e := caller{presigned: time.Minute, after: target("X-Amz-Expires=60", "X-Amz-Expires="+expires)}.refuse(t, "expires "+expires, "IncompleteSignature", 400)
		if code, _ := e.Code(RESTXML); code != "AuthorizationQueryParametersError" {
			t.Errorf("S3 says %s", code)
		}
	}
	for _, name := range queryNames[:qSecurityToken] {
		caller{presigned: time.Minute, after: target(name+"=", "Other=")}.verifyFails(t, "missing "+name)
	}
	caller{presigned: 7 * 24 * time.Hour}.accept(t, "seven days")
}

func (c caller) verifyFails(t testing.TB, what string) {
	t.Helper()
	if c.verify(t, Options{}) == nil {
		t.Errorf("%s: accepted", what)
	}
}

func TestT038_PresignedLifetime(t *testing.T) {
	o := Options{Service: "iam", Style: S3, AllowUnsignedPayload: true}
	at := func(style Style, lifetime, age time.Duration, o Options) error {
		o.Style = style
		return verify(caller{style: style, presigned: lifetime}.request(t), o, secret(alice.SecretAccessKey), signingTime.Add(age))
	}
	if err := at(S3, time.Hour, time.Hour, o); err != nil {
		t.Error(err)
	}
	e := refused(t, "1 s late", at(S3, time.Hour, time.Hour+time.Second, o), RESTXML, "AccessDenied", 403)
	if got, want := fmt.Sprint(e.Text(RESTXML), e.Details), "Request has expired[{X-Amz-Expires 3600} {Expires 2026-01-02T04:04:05Z} {ServerTime 2026-01-02T04:04:06Z}]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	refused(t, "10 min ahead", at(S3, time.Hour, -10*time.Minute, o), RESTXML, "AccessDenied", 403)
	if err := at(S3, time.Hour, -4*time.Minute, o); err != nil {
		t.Error(err)
	}
	// Other services cap the lifetime, whatever the URL says.
	if err := at(General, time.Hour, 15*time.Minute, o); err != nil {
		t.Error(err)
	}
	e = refused(t, "15 min 1 s", at(General, time.Hour, 15*time.Minute+time.Second, o), Query, "SignatureDoesNotMatch", 403)
	if want := "Signature expired: 20260102T030405Z is now earlier than 20260102T030406Z (20260102T031906Z - 15 min.)"; e.Text(Query) != want {
		t.Errorf("got  %s\nwant %s", e.Text(Query), want)
	}
	o.MaxExpires = time.Hour
	if err := at(General, time.Hour, 20*time.Minute, o); err != nil {
		t.Error(err)
	}
}

func TestT040_OtherMethods(t *testing.T) {
	for _, method := range []string{"HEAD", "PUT", "DELETE", "get", "GET\n/"} {
		caller{presigned: time.Minute, after: func(r *Request) { r.Method = method }}.refuse(t, method, "SignatureDoesNotMatch", 403)
	}
	// An override header does nothing here; it is for nobody to obey.
	caller{presigned: time.Minute, after: func(r *Request) { r.Header.Set("X-Http-Method-Override", "DELETE") }}.accept(t, "inert header")
}

func TestT041_ParametersAdded(t *testing.T) {
	for _, added := range []string{"versionId=1", "acl", "response-content-disposition=attachment", "Action=AssumeRole", "=", "a"} {
		caller{presigned: time.Minute, after: func(r *Request) { r.Target += "&" + added }}.refuse(t, added, "SignatureDoesNotMatch", 403)
		caller{after: func(r *Request) { r.Target += "?" + added }}.refuse(t, added, "SignatureDoesNotMatch", 403)
	}
}

// T042 to T044: each style signs odd paths by its own rule, and what one accepts
// the other does not.
func TestT042_OddPaths(t *testing.T) {
	for _, path := range []string{"/a//b", "/a/./b", "/a/../b", "/a/", "//a", "/a%2Fb", "/%2e%2e/a", "/a%252e", "/a+b", "/a;b", "/a%20b"} {
		odd := func(r *http.Request) {
			r.URL, _ = url.Parse("http://iam.lanyard.test" + path)
		}
		general, s3 := caller{before: odd}, caller{style: S3, before: odd}
		general.accept(t, path)
		s3.accept(t, path)
		if strings.ContainsAny(path, "%+;") || strings.Contains(path, "/.") || strings.Contains(path, "//") {
			// Signed by one rule and verified by the other.
			crossed := caller{before: func(r *http.Request) {
				odd(r)
				r.Header.Set("X-Amz-Content-Sha256", hashHex([]byte("Action=ListUsers&Version=2010-05-08")))
			}}
			err := verify(crossed.request(t), Options{Service: "iam", Style: S3}, secret(alice.SecretAccessKey), signingTime)
			refused(t, path+" across styles", err, RESTXML, "SignatureDoesNotMatch", 403)
		}
	}
	caller{style: S3, before: func(r *http.Request) { r.URL.Path = "/a/b" }, after: func(r *Request) { r.Target = "/a//b" }}.refuse(t, "slash doubled", "SignatureDoesNotMatch", 403)
	caller{style: S3, before: func(r *http.Request) { r.URL.Path = "/a/b" }, after: func(r *Request) { r.Target = "/a%2Fb" }}.refuse(t, "slash encoded", "SignatureDoesNotMatch", 403)
}

func TestT045_Host(t *testing.T) {
	for _, host := range []string{"iam.lanyard.test:80", "iam.lanyard.test.", "IAM.lanyard.test", "127.0.0.1", ""} {
		caller{after: func(r *Request) { r.Host = host }}.refuse(t, "host "+host, "SignatureDoesNotMatch", 403)
	}
	caller{after: func(r *Request) { r.Header.Set("X-Forwarded-Host", "evil") }}.accept(t, "forwarded host is ignored")
}

func TestT046_AbsoluteTarget(t *testing.T) {
	caller{after: func(r *Request) { r.Target = "http://iam.lanyard.test/" }}.accept(t, "same host")
	caller{after: func(r *Request) { r.Target = "http://iam.lanyard.test" }}.accept(t, "same host, no path")
	for _, target := range []string{"http://other/", "http://other@iam.lanyard.test/", "*", "iam.lanyard.test:80", ""} {
		caller{after: func(r *Request) { r.Target = target }}.refuse(t, target, "IncompleteSignature", 400)
	}
}

func TestT050_OddQueries(t *testing.T) {
	for _, query := range []string{"z=%zz", "z=%", "z=%4", "%z=1"} {
		caller{after: func(r *Request) { r.Target += "?" + query }}.verifyFails(t, query)
	}
	// ";" is data: "a=1;b=2" is one parameter, for the signature as for every reader after it.
	caller{before: func(r *http.Request) { r.URL.RawQuery = "a=1;b=2" }}.accept(t, "semicolon")
	caller{before: func(r *http.Request) { r.URL.RawQuery = "a=1;b=2" }, after: target(";", "&")}.refuse(t, "semicolon", "SignatureDoesNotMatch", 403)
	caller{before: func(r *http.Request) { r.URL.RawQuery = "a=1&b=2" }, after: target("a=1&b=2", "b=2&&a=1")}.accept(t, "order and empty pieces have no meaning")
	caller{before: func(r *http.Request) { r.URL.RawQuery = "a=%2B" }, after: target("%2B", "+")}.refuse(t, "plus is a space", "SignatureDoesNotMatch", 403)
}

// T053: net/http keeps trailers apart from headers; what stands there counts for nothing.
func TestT053_Trailers(t *testing.T) {
	q := caller{after: func(r *Request) {
		r.Header.Del("Authorization")
		r.Header.Set("Trailer", "Authorization")
	}}.request(t)
	refused(t, "trailer", verify(q, Options{Service: "iam"}, secret(alice.SecretAccessKey), signingTime), Query, "MissingAuthenticationToken", 403)
}

func TestT057_ErrorsShowNoKey(t *testing.T) {
	q := caller{}.request(t)
	q.Body = []byte("Action=Other")
	key := SigningKey(alice.SecretAccessKey, "20260102", "us-east-1", "iam")
	a, err := Parse(&q)
	if err != nil {
		t.Fatal(err)
	}
	s := scratch{payload: []byte(hashHex(q.Body))}
	if err := s.build(&a, &q, General); err != nil {
		t.Fatal(err)
	}
	(&signer{key: key}).sign(&s)
	for _, echo := range []bool{false, true} {
		e := refused(t, "wrong body", verify(q, Options{Service: "iam", Echo: echo}, secret(alice.SecretAccessKey), signingTime), Query, "SignatureDoesNotMatch", 403)
		shown := fmt.Sprintf("%+v %s %s %s", *e, e.Error(), e.Text(Query), e.Text(RESTXML))
		for _, forbidden := range []string{string(s.signature), fmt.Sprintf("%x", key), alice.SecretAccessKey} {
			if strings.Contains(shown, forbidden) {
				t.Errorf("the error shows a secret: %s", shown)
			}
		}
		if strings.Contains(e.Error(), "Canonical String") {
			t.Error("the log text repeats the canonical request")
		}
		const first = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
		want := first
		if echo {
			want += "\n\nThe Canonical String for this request should have been\n'" + string(s.canonical) + "'\n\nThe String-to-Sign should have been\n'" + string(s.toSign) + "'\n"
		}
		if got := e.Text(Query); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// T058: what the request alone decides is answered the same whatever the key is,
// and whatever the key is, a refusal derives one signing key.
func TestT058_NoOracle(t *testing.T) {
	unknown := Key{Err: &Error{Kind: InvalidClientToken}}
	for what, c := range map[string]caller{
		"old":             {at: signingTime.Add(-time.Hour)},
		"other service":   {service: "sts"},
		"unsigned header": {after: func(r *Request) { r.Header.Set("X-Amz-Acl", "x") }},
		"missing header":  {after: header("Authorization", replace("host;", "host;via;"))},
	} {
		q, o := c.request(t), Options{Service: "iam"}
		known, stranger := verify(q, o, secret("wrong"), signingTime), verify(q, o, unknown, signingTime)
		if known == nil || known.Error() != stranger.Error() {
			t.Errorf("%s: %v for a known key, %v for an unknown one", what, known, stranger)
		}
	}
	q := caller{}.request(t)
	a, err := Parse(&q)
	if err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(0)
	o := Options{Service: "iam"}
	if err := v.Verify(&a, &q, o, secret(alice.SecretAccessKey), signingTime); err != nil {
		t.Fatal(err)
	}
	q.Body = []byte("other")
	wantKind(t, v.Verify(&a, &q, o, unknown, signingTime), InvalidClientToken)
	// The least of many runs: under the race detector sync.Pool drops what it holds at
	// random, and what it dropped is allocated anew.
	allocations := func(key Key) float64 {
		least := math.Inf(1)
		for range 200 {
			least = min(least, testing.AllocsPerRun(1, func() { _ = v.Verify(&a, &q, o, key, signingTime) }))
		}
		return least
	}
	wrong, none := allocations(secret(alice.SecretAccessKey)), allocations(unknown)
	// The derivation is most of the work, and its allocations count it.
	if none < 20 || wrong < none || wrong > none+10 {
		t.Errorf("a wrong signature allocates %v times, an unknown key %v times", wrong, none)
	}
}

func TestT059_UselessKeys(t *testing.T) {
	q := caller{}.request(t)
	internal := errors.New("store is down")
	for what, c := range map[string]struct {
		key  Key
		code string
	}{
		"no secret at all":    {Key{}, "InvalidClientTokenId"},
		"empty secret":        {secret(""), "InvalidClientTokenId"},
		"inactive or deleted": {Key{Err: &Error{Kind: InvalidClientToken}, Secret: secret(alice.SecretAccessKey).Secret}, "InvalidClientTokenId"},
		"session over":        {Key{Err: &Error{Kind: ExpiredToken}, Secret: secret(alice.SecretAccessKey).Secret}, "ExpiredToken"},
	} {
		refused(t, what, verify(q, Options{Service: "iam"}, c.key, signingTime), Query, c.code, 403)
	}
	if err := verify(q, Options{Service: "iam"}, Key{Secret: func() (string, error) { return alice.SecretAccessKey, internal }}, signingTime); err != internal {
		t.Errorf("got %v, want the store's own error", err)
	}
	// Nothing signed with the empty secret, or with the stand-in for it, passes.
	for _, text := range []string{"no secret access key has this text"} {
		forged := alice
		forged.SecretAccessKey = text
		q := caller{credentials: forged}.request(t)
		wantKind(t, verify(q, Options{Service: "iam"}, secret(""), signingTime), InvalidClientToken)
	}
	empty := caller{credentials: Credentials{AccessKeyID: alice.AccessKeyID}, scope: func(*Authorization) {}}
	forged := caller{}.request(t)
	resign(t, &forged, empty)
	wantKind(t, verify(forged, Options{Service: "iam"}, secret(""), signingTime), InvalidClientToken)
	// A key that has worked and is cached is refused as soon as the caller says so.
	v := NewVerifier(0)
	a, err := Parse(&q)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(&a, &q, Options{Service: "iam"}, secret(alice.SecretAccessKey), signingTime); err != nil {
		t.Fatal(err)
	}
	wantKind(t, v.Verify(&a, &q, Options{Service: "iam"}, Key{Err: &Error{Kind: InvalidClientToken}}, signingTime), InvalidClientToken)
	wantKind(t, v.Verify(&a, &q, Options{Service: "iam"}, Key{}, signingTime), InvalidClientToken)
}

// The texts of the fact book, word for word.
func TestIncompleteTexts(t *testing.T) {
	for authorization, want := range map[string]string{
		"AWS4-HMAC-SHA256":                                         "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256",
		"AWS4-HMAC-SHA256 Credential=a":                            "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256 Credential=a",
		"AWS4-HMAC-SHA256 hello":                                   "'hello' not a valid key=value pair (missing equal-sign) in Authorization header: 'AWS4-HMAC-SHA256 hello'.",
		"AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b Signature": "Authorization header requires 'Signature' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b Signature",
	} {
		r := Request{Method: "POST", Target: "/", Host: "h", Header: http.Header{"Authorization": {authorization}}}
		_, err := Parse(&r)
		if e := wantKind(t, err, Incomplete); e.Message != want {
			t.Errorf("got  %s\nwant %s", e.Message, want)
		}
	}
	for _, authorization := range []string{
		"AWS4-HMAC-SHA256 Credential=a, Credential=a, SignedHeaders=host, Signature=0",
		"AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=0, Extra=1",
		"AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=0,",
		"AWS4-HMAC-SHA256  Credential=a, SignedHeaders=host, Signature=0",
		"AWS4-HMAC-SHA256,Credential=a, SignedHeaders=host, Signature=0",
	} {
		r := Request{Method: "POST", Target: "/", Host: "h", Header: http.Header{"Authorization": {authorization}, "X-Amz-Date": {"20260102T030405Z"}}}
		_, err := Parse(&r)
		wantKind(t, err, Incomplete)
	}
}

// TestErrorTable: every kind has a code, a status and a text in every protocol.
func TestErrorTable(t *testing.T) {
	for kind := MissingToken; kind < kinds; kind++ {
		for p := range protocols {
			e := Error{Kind: kind, Message: "m"}
			code, status := e.Code(p)
			if code == "" || status != 400 && status != 403 || e.Text(p) == "" {
				t.Errorf("kind %d, protocol %d: %q %d %q", kind, p, code, status, e.Text(p))
			}
			if isJSON := p == AWSJSON || p == REST; isJSON != strings.HasSuffix(code, "Exception") && kind != TwoMechanisms {
				t.Errorf("kind %d, protocol %d: code %s", kind, p, code)
			}
		}
	}
	for _, e := range []Error{{}, {Kind: kinds}} {
		if code, status := e.Code(Query); code != "AccessDenied" || status != 403 {
			t.Errorf("an unknown kind answers %s %d", code, status)
		}
	}
}

func TestVerifierCache(t *testing.T) {
	v := NewVerifier(3)
	calls := 0
	counted := func(s string) Key {
		return Key{Secret: func() (string, error) { calls++; return s, nil }}
	}
	check := func(id string, wantCalls int) {
		t.Helper()
		c := Credentials{AccessKeyID: id, SecretAccessKey: "secret of " + id}
		q := caller{credentials: c}.request(t)
		a, err := Parse(&q)
		if err != nil {
			t.Fatal(err)
		}
		calls = 0
		if err := v.Verify(&a, &q, Options{Service: "iam"}, counted(c.SecretAccessKey), signingTime); err != nil {
			t.Fatal(err)
		}
		if calls != wantCalls {
			t.Errorf("%s: the secret was opened %d times, want %d", id, calls, wantCalls)
		}
	}
	check("A", 1)
	check("A", 0)
	v.Forget("A")
	check("A", 1)
	check("A", 0)
	for i := range 20 {
		check(fmt.Sprint("B", i), 1)
	}
	if n := len(v.cache.keys); n != 3 {
		t.Errorf("the cache holds %d keys, want 3", n)
	}

	// A wrong signature caches nothing, so strangers cannot push keys out.
	q := caller{credentials: Credentials{AccessKeyID: "C", SecretAccessKey: "wrong"}}.request(t)
	a, err := Parse(&q)
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, v.Verify(&a, &q, Options{Service: "iam"}, counted("right"), signingTime), SignatureMismatch)
	if _, held := v.cache.keys[keyID{"C", a.Date, a.Region, a.Service}]; held {
		t.Error("a refused key is cached")
	}

	// A key forgotten while its secret is being read is not kept.
	c := Credentials{AccessKeyID: "D", SecretAccessKey: "d"}
	q = caller{credentials: c}.request(t)
	if a, err = Parse(&q); err != nil {
		t.Fatal(err)
	}
	slow := Key{Secret: func() (string, error) { v.Forget("D"); return "d", nil }}
	if err := v.Verify(&a, &q, Options{Service: "iam"}, slow, signingTime); err != nil {
		t.Fatal(err)
	}
	if _, held := v.cache.keys[keyID{"D", a.Date, a.Region, a.Service}]; held {
		t.Error("a forgotten key is cached")
	}
}

func TestSignerRefuses(t *testing.T) {
	now := signingTime
	request := func() *http.Request {
		r, err := http.NewRequest("GET", "http://host/", nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	good := Signer{Credentials: alice, Region: "us-east-1", Service: "iam"}
	for what, change := range map[string]func(*Signer, *http.Request){
		"no key id":  func(s *Signer, _ *http.Request) { s.Credentials.AccessKeyID = "" },
		"no secret":  func(s *Signer, _ *http.Request) { s.Credentials.SecretAccessKey = "" },
		"no region":  func(s *Signer, _ *http.Request) { s.Region = "" },
		"no service": func(s *Signer, _ *http.Request) { s.Service = "" },
		"no URL":     func(_ *Signer, r *http.Request) { r.URL = nil },
		"bad query":  func(_ *Signer, r *http.Request) { r.URL.RawQuery = "a=%zz" },
		"bad header": func(_ *Signer, r *http.Request) { r.Header["X-A"] = []string{"a\nb"} },
	} {
		s, r := good, request()
		change(&s, r)
		if s.SignHeader(r, nil, now) == nil || r.Header.Get("Authorization") != "" {
			t.Errorf("%s: signed", what)
		}
		if s.Presign(r, nil, time.Minute, now) == nil {
			t.Errorf("%s: presigned", what)
		}
	}
	for _, lifetime := range []time.Duration{0, -time.Second, time.Millisecond, 1500 * time.Millisecond, 7*24*time.Hour + time.Second} {
		if good.Presign(request(), nil, lifetime, now) == nil {
			t.Errorf("presigned for %v", lifetime)
		}
	}
	if err := good.SignHeader(&http.Request{URL: request().URL}, nil, now); err != nil {
		t.Errorf("a bare request: %v", err)
	}
}

// Many callers share one key and one Verifier; run with -race.
func TestVerifierConcurrent(t *testing.T) {
	v := NewVerifier(2)
	good, bad := caller{}.request(t), caller{after: func(r *Request) { r.Body = nil }}.request(t)
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for range 100 {
				if i == 0 {
					v.Forget(alice.AccessKeyID)
				}
				for _, c := range []struct {
					r  *Request
					ok bool
				}{{&good, true}, {&bad, false}} {
					a, err := Parse(c.r)
					if err != nil {
						t.Error(err)
						return
					}
					err = v.Verify(&a, c.r, Options{Service: "iam"}, secret(alice.SecretAccessKey), signingTime)
					if (err == nil) != c.ok {
						t.Errorf("verified: %v, want %v", err, c.ok)
					}
				}
			}
		})
	}
	callers.Wait()
}
