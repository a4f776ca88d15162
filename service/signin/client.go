package signin

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/lanyard-iam/lanyard/internal/ownclient"
)

// Client asks for codes on behalf of somebody who is signed in to the console: its
// credentials are those of the browser session. All fields must be set.
type Client ownclient.Client

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
	text, err := (*ownclient.Client)(c).Post(ctx, SigningName, authorizePath, http.Header{"Content-Type": {"application/json"}}, body)
	if err != nil {
		return nil, err
	}
	out := new(AuthorizeOAuth2AccessOutput)
	return out, json.Unmarshal(text, out)
}
