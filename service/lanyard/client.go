package lanyard

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/lanyard-iam/lanyard/internal/ownclient"
	"github.com/lanyard-iam/lanyard/protocol"
)

// Client calls the service. All fields must be set.
type Client = ownclient.Client

// Failure is an answer that refuses.
type Failure = ownclient.Failure

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
	text, err := c.Post(ctx, SigningName, "/", http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {Target + "." + name}}, body)
	if err != nil {
		return nil, err
	}
	out := new(O)
	return out, protocol.DecodeJSON(text, out)
}
