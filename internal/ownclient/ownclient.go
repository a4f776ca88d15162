// Package ownclient calls operations for which the SDK has no client: it sends signed JSON,
// once more if the clocks are apart, and tells refusals as the SDK does. What the operations
// are, and what is in the JSON, is their packages' business.
package ownclient

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/protocol"
	"github.com/lanyard-iam/lanyard/sigv4"
)

// Client calls a server. All fields must be set.
type Client struct {
	URL         string
	Region      string
	Credentials sigv4.Credentials
	HTTP        interface {
		Do(*http.Request) (*http.Response, error)
	}
	// Now is the time of signatures.
	Now func() time.Time
}

// Post sends a body to the path of an operation of a service, by its signing name, and
// returns the body of the answer. A refusal is a *Failure.
func (c *Client) Post(ctx context.Context, service, path string, header http.Header, body []byte) ([]byte, error) {
	now := c.Now()
	answer, text, err := c.send(ctx, service, path, header, body, now)
	if err != nil {
		return nil, err
	}
	if skew, wrong := skewed(answer, now); wrong {
		if answer, text, err = c.send(ctx, service, path, header, body, c.Now().Add(skew)); err != nil {
			return nil, err
		}
	}
	if answer.StatusCode != http.StatusOK {
		return nil, failure(answer, text)
	}
	return text, nil
}

func (c *Client) send(ctx context.Context, service, path string, header http.Header, body []byte, at time.Time) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	r.Header = header.Clone()
	signer := sigv4.Signer{Credentials: c.Credentials, Region: c.Region, Service: service}
	if err := signer.SignHeader(r, body, at); err != nil {
		return nil, nil, err
	}
	answer, err := c.HTTP.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, protocol.MaxBody))
	if err != nil {
		return nil, nil, fmt.Errorf("read the answer of %s: %w", service, err)
	}
	return answer, text, nil
}

// maxSkew is how far the clocks may be apart before a refusal is thought to be for that.
const maxSkew = 4 * time.Minute

// skewed tells whether a refused request was signed at another time than the server's, as
// the SDKs do, and how far off it was.
func skewed(answer *http.Response, at time.Time) (time.Duration, bool) {
	theirs, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil || answer.StatusCode == http.StatusOK {
		return 0, false
	}
	skew := theirs.Sub(at)
	return skew, skew.Abs() > maxSkew
}

// Failure is an answer that refuses.
type Failure struct {
	smithy.GenericAPIError
	// RequestID finds the request in the trail.
	RequestID string
	// Status is that of HTTP.
	Status int
}

// ServiceRequestID is the request's id, as the SDK's errors tell it.
func (f *Failure) ServiceRequestID() string { return f.RequestID }

// HTTPStatusCode is Status, as the SDK's errors tell it.
func (f *Failure) HTTPStatusCode() int { return f.Status }

// failure reads a refusal of awsJson, which has its code in the body, or of restJson, which
// has it in a header.
func failure(answer *http.Response, text []byte) error {
	var body struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	_ = json.Unmarshal(text, &body) // what is missing is empty
	code := cmp.Or(body.Type, answer.Header.Get(protocol.HeaderErrorType))
	f := &Failure{RequestID: answer.Header.Get(protocol.HeaderRequestID), Status: answer.StatusCode}
	f.Code, f.Message, f.Fault = code[strings.LastIndexByte(code, '#')+1:], body.Message, smithy.FaultClient
	if answer.StatusCode >= 500 {
		f.Fault = smithy.FaultServer
	}
	return f
}
