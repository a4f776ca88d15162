package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// typical is the request of the AWS CLI's `iam get-user`, signed with temporary
// credentials or not, as a server sees it.
func typical(tb testing.TB, token string) (Request, Credentials) {
	tb.Helper()
	body := []byte("Action=GetUser&Version=2010-05-08&UserName=alice")
	r, err := http.NewRequest("POST", "https://iam.lanyard.test:8443/", bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "identity")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("User-Agent", "aws-cli/2.31.0 md/awscrt#0.27.6 ua/2.1 os/linux#6.1.0 md/arch#x86_64 lang/python#3.13.7 md/pyimpl#CPython m/Z,b,E cfg/retry-mode#standard md/installer#exe sid/0123456789ab md/prompt#off md/command#iam.get-user")
	c := Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", SessionToken: token}
	signer := Signer{Credentials: c, Region: "us-east-1", Service: "iam"}
	if err := signer.SignHeader(r, body, signingTime); err != nil {
		tb.Fatal(err)
	}
	q := outgoing(r, body)
	q.Header.Set("Content-Length", "48")
	return q, c
}

func benchmarkVerify(b *testing.B, r Request, key Key) {
	v := NewVerifier(0)
	o := Options{Service: "iam"}
	b.ReportAllocs()
	for b.Loop() {
		a, err := Parse(&r)
		if err != nil {
			b.Fatal(err)
		}
		if err := v.Verify(&a, &r, o, key, signingTime); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	r, c := typical(b, "")
	benchmarkVerify(b, r, secret(c.SecretAccessKey))
}

func BenchmarkVerifySessionToken(b *testing.B) {
	r, c := typical(b, string(bytes.Repeat([]byte("FwoGZXIv"), 60)))
	benchmarkVerify(b, r, secret(c.SecretAccessKey))
}

func BenchmarkVerifyPresigned(b *testing.B) {
	r, err := http.NewRequest("GET", "https://sts.lanyard.test/?Action=GetCallerIdentity&Version=2011-06-15", nil)
	if err != nil {
		b.Fatal(err)
	}
	c := Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	signer := Signer{Credentials: c, Region: "us-east-1", Service: "iam"}
	if err := signer.Presign(r, nil, time.Minute, signingTime); err != nil {
		b.Fatal(err)
	}
	benchmarkVerify(b, outgoing(r, nil), secret(c.SecretAccessKey))
}

func BenchmarkVerifyParallel(b *testing.B) {
	r, c := typical(b, "")
	v, o, key := NewVerifier(0), Options{Service: "iam"}, secret(c.SecretAccessKey)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			a, err := Parse(&r)
			if err != nil {
				b.Error(err)
			}
			if err := v.Verify(&a, &r, o, key, signingTime); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkVerifyColdKey derives the signing key for every request, as a request
// with an unknown key makes it do.
func BenchmarkVerifyColdKey(b *testing.B) {
	r, _ := typical(b, "")
	v, o := NewVerifier(0), Options{Service: "iam"}
	key := Key{Err: &Error{Kind: InvalidClientToken}}
	b.ReportAllocs()
	for b.Loop() {
		a, err := Parse(&r)
		if err != nil {
			b.Fatal(err)
		}
		if v.Verify(&a, &r, o, key, signingTime) != key.Err {
			b.Fatal("accepted")
		}
	}
}

// BenchmarkSDKSign is the yardstick: verifying by signing the request again with
// the SDK's signer and comparing.
func BenchmarkSDKSign(b *testing.B) {
	q, c := typical(b, "")
	credentials := aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey}
	r, err := http.NewRequest("POST", "https://iam.lanyard.test:8443/", bytes.NewReader(q.Body))
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"Accept-Encoding", "Content-Type"} {
		r.Header.Set(name, q.Header.Get(name))
	}
	sdk := v4.NewSigner()
	b.ReportAllocs()
	for b.Loop() {
		sum := sha256.Sum256(q.Body)
		if err := sdk.SignHTTP(b.Context(), credentials, r, hex.EncodeToString(sum[:]), "iam", "us-east-1", signingTime); err != nil {
			b.Fatal(err)
		}
	}
}

// TestVerifyAllocations holds the figure the package promises.
func TestVerifyAllocations(t *testing.T) {
	r, c := typical(t, "")
	v, o, key := NewVerifier(0), Options{Service: "iam"}, secret(c.SecretAccessKey)
	allocations := testing.AllocsPerRun(200, func() {
		a, err := Parse(&r)
		if err == nil {
			err = v.Verify(&a, &r, o, key, signingTime)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 5 {
		t.Errorf("a warm verification allocates %v times, want at most 5", allocations)
	}
}
