package ownclient

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/protocol"
	"github.com/lanyard-iam/lanyard/sigv4"
)

type server func(*http.Request) *http.Response

func (s server) Do(r *http.Request) (*http.Response, error) { return s(r), nil }

func answer(status int, body string, header ...string) *http.Response {
	a := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(header); i += 2 {
		a.Header.Set(header[i], header[i+1])
	}
	return a
}

func TestPost(t *testing.T) {
	now := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	post := func(s server) (string, error) {
		c := &Client{URL: "https://id.example.com", Region: "us-east-1", HTTP: s, Now: func() time.Time { return now },
			Credentials: sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "secret"}}
		text, err := c.Post(t.Context(), "lanyard", "/x", http.Header{"Content-Type": {"application/json"}}, []byte("{}"))
		return string(text), err
	}

	text, err := post(func(r *http.Request) *http.Response {
		if r.URL.String() != "https://id.example.com/x" || r.Header.Get("Content-Type") != "application/json" || !strings.Contains(r.Header.Get("Authorization"), "/20261127/us-east-1/lanyard/") {
			t.Errorf("sent %s %v", r.URL, r.Header)
		}
		return answer(http.StatusOK, `{"a":1}`)
	})
	if err != nil || text != `{"a":1}` {
		t.Errorf("%q, %v", text, err)
	}

	for name, c := range map[string]struct {
		answer *http.Response
		code   string
		fault  smithy.ErrorFault
	}{
		"awsJson":      {answer(400, `{"__type":"x#ValidationException","message":"m"}`, protocol.HeaderRequestID, "id"), "ValidationException", smithy.FaultClient},
		"without a #":  {answer(403, `{"__type":"AccessDeniedException","Message":"m"}`, protocol.HeaderRequestID, "id"), "AccessDeniedException", smithy.FaultClient},
		"restJson":     {answer(403, `{"message":"m"}`, protocol.HeaderRequestID, "id", protocol.HeaderErrorType, "AccessDeniedException"), "AccessDeniedException", smithy.FaultClient},
		"server fault": {answer(500, `{"__type":"x#InternalFailure","message":"m"}`, protocol.HeaderRequestID, "id"), "InternalFailure", smithy.FaultServer},
	} {
		_, err := post(func(*http.Request) *http.Response { return c.answer })
		var f *Failure
		if !errors.As(err, &f) || f.ErrorCode() != c.code || f.ErrorMessage() != "m" || f.ErrorFault() != c.fault || f.ServiceRequestID() != "id" || f.HTTPStatusCode() != c.answer.StatusCode {
			t.Errorf("%s: %#v", name, err)
		}
	}
	if _, err := post(func(*http.Request) *http.Response { return answer(502, "<html>") }); err == nil {
		t.Error("an answer of something else is taken")
	}
}

// As the SDK, it signs by the server's clock once it knows that its own is wrong.
func TestSkew(t *testing.T) {
	now := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	theirs := now.Add(-2 * time.Hour)
	var signed []string
	c := &Client{URL: "https://id.example.com", Region: "us-east-1", Now: func() time.Time { return now }, Credentials: sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "secret"},
		HTTP: server(func(r *http.Request) *http.Response {
			signed = append(signed, r.Header.Get("X-Amz-Date"))
			if len(signed) == 1 {
				return answer(403, `{"__type":"InvalidSignatureException","message":"m"}`, "Date", theirs.Format(http.TimeFormat))
			}
			return answer(http.StatusOK, "{}")
		})}
	if _, err := c.Post(t.Context(), "lanyard", "/", http.Header{}, []byte("{}")); err != nil || len(signed) != 2 || signed[1] != "20261127T070000Z" {
		t.Errorf("signed at %v: %v", signed, err)
	}
}
