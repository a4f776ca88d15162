package lanyard

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/protocol"
	"github.com/lanyard-iam/lanyard/sigv4"
)

// Client calls the service. All fields must be set.
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

// Call performs the operation that has the input type of in: GetDecision for a
// *GetDecisionInput. Refusals are smithy.APIError.
//
//	out, err := lanyard.Call[lanyard.GetDecisionOutput](ctx, client, &lanyard.GetDecisionInput{})
func Call[O any](ctx context.Context, c *Client, in any) (*O, error) {
	name, ok := strings.CutSuffix(reflect.TypeOf(in).Elem().Name(), "Input")
	if !ok {
		return nil, fmt.Errorf("%T is no input of an operation", in)
	}
	body, err := protocol.AppendJSON(nil, in)
	if err != nil {
		return nil, err
	}
	now := c.Now()
	answer, text, err := c.send(ctx, name, body, now)
	if err != nil {
		return nil, err
	}
	if skew, wrong := skewed(answer, now); wrong {
		if answer, text, err = c.send(ctx, name, body, c.Now().Add(skew)); err != nil {
			return nil, err
		}
	}
	if answer.StatusCode != http.StatusOK {
		return nil, failure(answer, text)
	}
	out := new(O)
	return out, protocol.DecodeJSON(text, out)
}

func (c *Client) send(ctx context.Context, name string, body []byte, at time.Time) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/", bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", Target+"."+name)
	signer := sigv4.Signer{Credentials: c.Credentials, Region: c.Region, Service: SigningName}
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
		return nil, nil, fmt.Errorf("read the answer to %s: %w", name, err)
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
}

// ServiceRequestID is the request's id, as the SDK's errors tell it.
func (f *Failure) ServiceRequestID() string { return f.RequestID }

func failure(answer *http.Response, text []byte) error {
	var body struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	_ = json.Unmarshal(text, &body) // what is missing is empty
	_, code, found := strings.Cut(body.Type, "#")
	if !found {
		code = body.Type
	}
	f := &Failure{RequestID: answer.Header.Get(protocol.HeaderRequestID)}
	f.Code, f.Message, f.Fault = code, body.Message, smithy.FaultClient
	if answer.StatusCode >= 500 {
		f.Fault = smithy.FaultServer
	}
	return f
}
