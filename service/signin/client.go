package signin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/protocol"
	"github.com/lanyard-iam/lanyard/sigv4"
)

// Client asks for codes on behalf of somebody who is signed in to the console: its
// credentials are those of the browser session. All fields must be set.
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

// Authorize is AuthorizeOAuth2Access. A refusal is a smithy.APIError with AWS's code and
// message.
func (c *Client) Authorize(ctx context.Context, request *AuthorizeRequest) (*AuthorizeOAuth2AccessOutput, error) {
	body, err := json.Marshal(map[string]string{
		"responseType": "code", "clientId": request.ClientID, "redirectUri": request.RedirectURI, "scope": request.Scope,
		"state": request.State, "codeChallenge": request.CodeChallenge, "codeChallengeMethod": request.CodeChallengeMethod,
	})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+authorizePath, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	signer := sigv4.Signer{Credentials: c.Credentials, Region: c.Region, Service: SigningName}
	if err := signer.SignHeader(r, body, c.Now()); err != nil {
		return nil, err
	}
	answer, err := c.HTTP.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	read, err := io.ReadAll(io.LimitReader(answer.Body, protocol.MaxBody))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if answer.StatusCode == http.StatusOK {
		out := new(AuthorizeOAuth2AccessOutput)
		return out, json.Unmarshal(read, out)
	}
	refused := &Failure{RequestID: answer.Header.Get(protocol.HeaderRequestID), Status: answer.StatusCode}
	refused.Code, refused.Fault = answer.Header.Get(protocol.HeaderErrorType), smithy.FaultClient
	if answer.StatusCode >= 500 {
		refused.Fault = smithy.FaultServer
	}
	var said struct{ Message string }
	_ = json.Unmarshal(read, &said) // what is missing is empty
	refused.Message = said.Message
	return nil, refused
}

// Failure is an answer that refuses.
type Failure struct {
	smithy.GenericAPIError
	// RequestID finds the request in the trail.
	RequestID string
	// Status is that of HTTP.
	Status int
}

// HTTPStatusCode is Status, as the SDK's errors tell it.
func (f *Failure) HTTPStatusCode() int { return f.Status }

// ServiceRequestID is the request's id, as the SDK's errors tell it.
func (f *Failure) ServiceRequestID() string { return f.RequestID }
