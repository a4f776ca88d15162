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
	out := new(O)
	if err := call(ctx, c, in, out); err != nil {
		return nil, err
	}
	return out, nil
}

func call(ctx context.Context, c *Client, in, out any) error {
	name, ok := strings.CutSuffix(reflect.TypeOf(in).Elem().Name(), "Input")
	if !ok {
		return fmt.Errorf("%T is no input of an operation", in)
	}
	body, err := protocol.AppendJSON(nil, in)
	if err != nil {
		return err
	}
	text, err := c.Post(ctx, SigningName, "/", http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {Target + "." + name}}, body)
	if err != nil {
		return err
	}
	return protocol.DecodeJSON(text, out)
}
