package signin_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

func base64URL(text string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(text) }

// T222: a proof is for one request, to this server, now, and by one key.
func TestT222_Proofs(t *testing.T) {
	w := newWorld(t)
	p := w.program()
	r := p.login()
	type m = map[string]any
	for what, change := range map[string]func(head, jwk, claims m){
		"another type":          func(h, _, _ m) { h["typ"] = "JWT" },
		"no type":               func(h, _, _ m) { delete(h, "typ") },
		"no algorithm":          func(h, _, _ m) { h["alg"] = "none" },
		"RS256":                 func(h, _, _ m) { h["alg"] = "RS256" },
		"HS256":                 func(h, _, _ m) { h["alg"] = "HS256" },
		"ES384":                 func(h, _, _ m) { h["alg"] = "ES384" },
		"an extension":          func(h, _, _ m) { h["crit"] = []string{"b64"} },
		"no key":                func(h, _, _ m) { delete(h, "jwk") },
		"a private key":         func(_, k, _ m) { k["d"] = "AA" },
		"another curve":         func(_, k, _ m) { k["crv"] = "P-384" },
		"another kind of key":   func(_, k, _ m) { k["kty"] = "OKP" },
		"a point off the curve": func(_, k, _ m) { k["x"] = strings.Repeat("A", 42) + "E" },
		"no point":              func(_, k, _ m) { k["x"] = "" },
		"a number for a point":  func(_, k, _ m) { k["x"] = 1 },
		"a point of 33 bytes":   func(_, k, _ m) { k["x"] = "AA" + k["x"].(string) },
		"the key of somebody": func(h, _, _ m) {
			h["jwk"] = m{"kty": "EC", "crv": "P-256", "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}
		},
		"a GET":                  func(_, _, c m) { c["htm"] = "GET" },
		"a small method":         func(_, _, c m) { c["htm"] = "post" },
		"no method":              func(_, _, c m) { delete(c, "htm") },
		"another server":         func(_, _, c m) { c["htu"] = "https://us-east-1.signin.aws.amazon.com/v1/token" },
		"another path":           func(_, _, c m) { c["htu"] = w.http.URL + "/v1/authorize" },
		"a query string":         func(_, _, c m) { c["htu"] = w.http.URL + "/v1/token?a=b" },
		"no URL":                 func(_, _, c m) { delete(c, "htu") },
		"no id":                  func(_, _, c m) { delete(c, "jti") },
		"an empty id":            func(_, _, c m) { c["jti"] = "" },
		"a long id":              func(_, _, c m) { c["jti"] = strings.Repeat("x", 257) },
		"no time":                func(_, _, c m) { delete(c, "iat") },
		"a time of text":         func(_, _, c m) { c["iat"] = fmt.Sprint(time.Now().Unix()) },
		"six minutes ago":        func(_, _, c m) { c["iat"] = time.Now().Add(-6 * time.Minute).Unix() },
		"in six minutes":         func(_, _, c m) { c["iat"] = time.Now().Add(6 * time.Minute).Unix() },
		"too much":               func(_, _, c m) { c["x"] = strings.Repeat("x", 5000) },
		"the end of all times":   func(_, _, c m) { c["iat"] = int64(1) << 62 },
		"the beginning of them":  func(_, _, c m) { c["iat"] = -(int64(1) << 62) },
		"a time with a fraction": func(_, _, c m) { c["iat"] = 1e300 },
	} {
		p.post(p.refreshBody(r.RefreshToken), p.proof(change)).refused(t, "T222: "+what, 400, "ValidationException", "INVALID_REQUEST")
		code := p.code(w.console())
		p.post(p.codeBody(code), p.proof(change)).refused(t, "T222: code, "+what, 400, "ValidationException", "INVALID_REQUEST")
	}
	good := p.proof(nil)
	parts := strings.Split(good, ".")
	for what, proofs := range map[string][]string{
		"none": {}, "two": {p.proof(nil), p.proof(nil)}, "no JWT": {"x"}, "two parts": {parts[0] + "." + parts[1]}, "four parts": {good + ".x"},
		"no signature": {parts[0] + "." + parts[1] + "."}, "another signature": {parts[0] + "." + parts[1] + "." + strings.Split(p.proof(nil), ".")[2]},
		"a signature of zeros": {parts[0] + "." + parts[1] + "." + strings.Repeat("A", 86)}, "padding": {good + "=="}, "a loose last character": {good[:len(good)-1] + "_"},
	} {
		if what == "a loose last character" && good[len(good)-1] == '_' {
			continue
		}
		p.post(p.refreshBody(r.RefreshToken), proofs...).refused(t, "T222: "+what, 400, "ValidationException", "INVALID_REQUEST")
	}
	// Five minutes to either side are a clock that is not exact.
	for _, skew := range []time.Duration{-290 * time.Second, 290 * time.Second} {
		p.skew = skew
		p.refresh(r.RefreshToken).good(t)
	}
	p.skew = 0
	// The message helps who has the wrong endpoint.
	other := p.post(p.refreshBody(r.RefreshToken), p.proof(func(_, _, c m) { c["htu"] = "http://lanyard.example/v1/token" }))
	if !strings.Contains(other.Message, "http://localhost:4747") || strings.Contains(other.Message, "lanyard.example") {
		t.Error(other.text)
	}
	// By the public name it is the same server.
	p.post(p.refreshBody(r.RefreshToken), p.proof(func(_, _, c m) { c["htu"] = "http://localhost:4747/v1/token" })).good(t)

	p.post(p.refreshBody(r.RefreshToken), good).good(t)
	p.post(p.refreshBody(r.RefreshToken), good).refused(t, "T222: replay", 400, "ValidationException", "INVALID_REQUEST")
	// Neither is the proof of the redemption good for more.
	q := w.program()
	proof := q.proof(nil)
	got := q.post(q.codeBody(q.code(w.console())), proof).good(t)
	q.post(q.refreshBody(got.RefreshToken), proof).refused(t, "T222: replay of the first", 400, "ValidationException", "INVALID_REQUEST")
	// Who refreshes all the time has to wait.
	for range 63 {
		q.refresh(got.RefreshToken).good(t)
	}
	q.refresh(got.RefreshToken).refused(t, "T222: many", 429, "TooManyRequestsError", "INVALID_REQUEST")
}
