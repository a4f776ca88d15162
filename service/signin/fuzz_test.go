package signin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// Whatever comes as a proof: what is believed was signed for us, now, by a P-256 key.
func FuzzVerifyProof(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	f.Add("..")
	b64 := base64.RawURLEncoding.EncodeToString
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	point, _ := key.PublicKey.Bytes()
	// Indented, as AWS's SDK for Go writes it.
	signed := b64([]byte("{\n  \"typ\": \"dpop+jwt\",\n  \"alg\": \"ES256\",\n  \"jwk\": {\"kty\": \"EC\", \"x\": \""+b64(point[1:33])+"\", \"y\": \""+b64(point[33:])+"\", \"crv\": \"P-256\"}\n}")) + "." +
		b64([]byte(`{"htm":"POST","htu":"https://x/v1/token","iat":1800000000,"jti":"a"}`))
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		f.Fatal(err)
	}
	good := signed + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	if _, err := verifyProof([]string{good}, []string{"https://x/v1/token"}, now); err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(b64([]byte(`{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}}`)) + "." +
		b64([]byte(`{"htm":"POST","htu":"https://x/v1/token","iat":1800000000,"jti":"a"}`)) + "." + strings.Repeat("A", 86))
	f.Fuzz(func(t *testing.T, header string) {
		got, err := verifyProof([]string{header}, []string{"https://x/v1/token"}, now)
		if err == nil && (got.key == "" || got.id == "" || got.until.Before(now)) {
			t.Errorf("%+v", got)
		}
		if err != nil && strings.Contains(err.Error(), header) && len(header) > 3 {
			t.Error("the answer repeats what came")
		}
	})
}

// Whatever comes as a request to authorize: where a code may go is this machine or ours.
func FuzzParseAuthorize(f *testing.F) {
	s := New(Config{Origins: func() []string { return []string{"https://id.example.com"} }})
	challenge := strings.Repeat("A", 43)
	good := url.Values{"response_type": {"code"}, "client_id": {SameDevice}, "redirect_uri": {"http://127.0.0.1:5000/oauth/callback"}, "scope": {"openid"}, "state": {"s"}, "code_challenge": {challenge}, "code_challenge_method": {"SHA-256"}}
	f.Add(good.Encode())
	good.Set("client_id", CrossDevice)
	good.Set("redirect_uri", "https://id.example.com/v1/sessions/confirmation")
	f.Add(good.Encode())
	f.Fuzz(func(t *testing.T, query string) {
		r, err := s.ParseAuthorize(query)
		if err != nil {
			return
		}
		u, err := url.Parse(r.RedirectURI)
		if err != nil || !(u.Scheme == "http" && u.Hostname() == "127.0.0.1" && u.Path == "/oauth/callback" || r.RedirectURI == "https://id.example.com/v1/sessions/confirmation") || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			t.Errorf("a code may go to %q", r.RedirectURI)
		}
		if again, err := s.ParseAuthorize(r.Query()); err != nil || *again != *r {
			t.Errorf("%+v is not %+v, %v", again, r, err)
		}
	})
}

// Whatever comes as a destination: a browser that follows it stays with us.
func FuzzWithin(f *testing.F) {
	s := New(Config{Origins: func() []string { return []string{"https://id.example.com"} }})
	for _, seed := range []string{"/", "/users?x=1#y", "https://id.example.com/users", "//evil.example", `/\evil`, "https://id.example.com@evil/", "/a/../b", "?x", "javascript:x"} {
		f.Add(seed)
	}
	base, _ := url.Parse("https://id.example.com/federation")
	f.Fuzz(func(t *testing.T, destination string) {
		to, ok := s.within(destination)
		if !ok {
			return
		}
		u, err := base.Parse(to)
		if err != nil || u.Scheme != "https" || u.Host != "id.example.com" || u.User != nil || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") ||
			slices.ContainsFunc([]byte(to), func(c byte) bool { return c <= ' ' || c == '\\' || c > '~' }) {
			t.Errorf("%q leads to %q", destination, to)
		}
	})
}
