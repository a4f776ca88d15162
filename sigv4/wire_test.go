package sigv4_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/lanyard-iam/lanyard/sigv4"
)

// ExampleVerifier is a server's whole use of the package.
func ExampleVerifier() {
	verifier := sigv4.NewVerifier(0)
	secrets := map[string]string{"AKIAIOSFODNN7EXAMPLE": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	handle := func(r *http.Request, body []byte, now time.Time) error {
		request := sigv4.Received(r, body)
		authorization, err := sigv4.Parse(&request)
		if err != nil {
			return err
		}
		key := sigv4.Key{Err: &sigv4.Error{Kind: sigv4.InvalidClientToken}}
		if secret, ok := secrets[authorization.AccessKeyID]; ok {
			key = sigv4.Key{Secret: func() (string, error) { return secret, nil }}
		}
		return verifier.Verify(&authorization, &request, sigv4.Options{Service: "iam"}, key, now)
	}

	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	signer := sigv4.Signer{
		Credentials: sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
		Region:      "us-east-1",
		Service:     "iam",
	}
	r := httptest.NewRequest("POST", "/", nil)
	if err := signer.SignHeader(r, []byte("Action=ListUsers"), now); err != nil {
		panic(err)
	}
	fmt.Println(handle(r, []byte("Action=ListUsers"), now))
	fmt.Println(handle(r, []byte("Action=DeleteUser"), now))
	// Output:
	// <nil>
	// sigv4: SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.
}

// Through net/http on both sides: what its client and server add, fold or drop
// does not break a signature of the SDK's or of ours.
func TestOverTheWire(t *testing.T) {
	credentials := sigv4.Credentials{AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", SessionToken: "FwoGZXIvYXdzEBYaDH"}
	verifier := sigv4.NewVerifier(0)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		request := sigv4.Received(r, body)
		authorization, err := sigv4.Parse(&request)
		if err == nil {
			key := sigv4.Key{Secret: func() (string, error) { return credentials.SecretAccessKey, nil }}
			err = verifier.Verify(&authorization, &request, sigv4.Options{Service: "svc"}, key, now)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
		}
	}))
	defer server.Close()

	ours := sigv4.Signer{Credentials: credentials, Region: "eu-west-1", Service: "svc"}
	sdk := v4.NewSigner()
	theirs := aws.Credentials{AccessKeyID: credentials.AccessKeyID, SecretAccessKey: credentials.SecretAccessKey, SessionToken: credentials.SessionToken}
	signers := map[string]func(r *http.Request, body []byte) error{
		"header": func(r *http.Request, body []byte) error { return ours.SignHeader(r, body, now) },
		"query":  func(r *http.Request, body []byte) error { return ours.Presign(r, body, time.Minute, now) },
		"SDK header": func(r *http.Request, body []byte) error {
			sum := sha256.Sum256(body)
			return sdk.SignHTTP(t.Context(), theirs, r, hex.EncodeToString(sum[:]), "svc", "eu-west-1", now)
		},
		"unsigned": func(*http.Request, []byte) error { return nil },
	}
	for name, sign := range signers {
		for _, target := range []string{"/", "/a%20b/c%3Dd", "/?b=2&a=1&a=%2F&empty", "/x?q=a%2Bb%20c"} {
			for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
				var body []byte
				if method != "GET" && name != "query" {
					body = []byte("Action=GetUser&Version=2010-05-08")
				}
				r, err := http.NewRequest(method, server.URL+target, bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
				r.Header.Add("X-Amz-Meta-A", " one  two ")
				r.Header.Add("X-Amz-Meta-A", "three")
				if err := sign(r, body); err != nil {
					t.Fatal(err)
				}
				response, err := server.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				answer, _ := io.ReadAll(response.Body)
				response.Body.Close()
				if refused := response.StatusCode == 403; refused != (name == "unsigned") {
					t.Errorf("%s %s %s: %d %s", name, method, target, response.StatusCode, strings.TrimSpace(string(answer)))
				}
			}
		}
	}
}
