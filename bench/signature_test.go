package bench

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/lanyard-iam/lanyard/sigv4"
)

const (
	accessKeyID = "AKIAIOSFODNN7EXAMPLE"
	secretKey   = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// received is the AWS CLI's `iam get-user` as a server sees it.
func received(tb testing.TB) sigv4.Request {
	tb.Helper()
	body := []byte("Action=GetUser&Version=2010-05-08&UserName=alice")
	r, err := http.NewRequest("POST", "http://127.0.0.1:4747/", bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sum := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: secretKey}
	if err := sdk.NewSigner().SignHTTP(tb.Context(), credentials, r, hex.EncodeToString(sum[:]), "iam", "us-east-1", now); err != nil {
		tb.Fatal(err)
	}
	// Added after signing, as the CLI and the HTTP client do.
	r.Header.Set("User-Agent", "aws-cli/2.31.0 md/awscrt#0.27.6 ua/2.1 os/linux#6.1.0 md/arch#x86_64 lang/python#3.13.7 md/pyimpl#CPython")
	r.Header.Set("Accept-Encoding", "identity")
	r.Header.Set("Content-Length", "48")
	return sigv4.Request{Method: r.Method, Target: "/", Host: r.Host, Header: r.Header, Body: body}
}

// verifyLanyard verifies with a key that was used before.
func verifyLanyard(tb testing.TB, q sigv4.Request) func() bool {
	v := sigv4.NewVerifier(0)
	key := sigv4.Key{Secret: func() (string, error) { return secretKey, nil }}
	return func() bool {
		a, err := sigv4.Parse(&q)
		return err == nil && v.Verify(&a, &q, sigv4.Options{Service: "iam"}, key, now) == nil
	}
}

// verifyBySigning is what services do that have only a signer: sign the request again
// with the SDK, with the headers that the client signed, and compare.
func verifyBySigning(tb testing.TB, q sigv4.Request) func() bool {
	signer := sdk.NewSigner()
	credentials := aws.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: secretKey}
	return func() bool {
		claimed := q.Header.Get("Authorization")
		_, signed, ok := strings.Cut(claimed, "SignedHeaders=")
		if !ok {
			return false
		}
		signed, _, _ = strings.Cut(signed, ",")
		r, err := http.NewRequest(q.Method, "http://"+q.Host+q.Target, bytes.NewReader(q.Body))
		if err != nil {
			return false
		}
		for name := range strings.SplitSeq(signed, ";") {
			if name != "host" && name != "content-length" {
				r.Header[http.CanonicalHeaderKey(name)] = q.Header.Values(name)
			}
		}
		sum := sha256.Sum256(q.Body)
		if err := signer.SignHTTP(tb.Context(), credentials, r, hex.EncodeToString(sum[:]), "iam", "us-east-1", now); err != nil {
			return false
		}
		return subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(claimed)) == 1
	}
}

type verifier struct {
	name    string
	prepare func(testing.TB, sigv4.Request) func() bool
}

func verifiers() []verifier {
	return []verifier{{"lanyard", verifyLanyard}, {"sdk-signing-again", verifyBySigning}}
}

// TestVerifiersAgree: both accept the request as it was signed, and refuse it changed.
func TestVerifiersAgree(t *testing.T) {
	for _, v := range verifiers() {
		q := received(t)
		if !v.prepare(t, q)() {
			t.Errorf("%s refuses what the SDK signed", v.name)
		}
		q.Body = bytes.Replace(q.Body, []byte("alice"), []byte("carol"), 1)
		if v.prepare(t, q)() {
			t.Errorf("%s accepts another body", v.name)
		}
	}
}

// BenchmarkSignature verifies one request, its key warm.
func BenchmarkSignature(b *testing.B) {
	for _, v := range verifiers() {
		b.Run(v.name, func(b *testing.B) {
			verify := v.prepare(b, received(b))
			if !verify() {
				b.Fatal("refused")
			}
			b.ReportAllocs()
			for b.Loop() {
				verify()
			}
		})
	}
}
