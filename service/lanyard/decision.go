package lanyard

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// syncPatience is how long a look at the trail waits for records that are in the queue.
const syncPatience = 2 * time.Second

// GetDecisionInput names a request of the caller's account by the id in its answer; without
// an id it means the last one that was denied.
type GetDecisionInput struct {
	RequestId *string
}

// GetDecisionOutput is what is on record of a request. Record is CloudTrail's record and
// Decision, absent where no policy was asked, audit.Decision: both JSON.
type GetDecisionOutput struct {
	Record   *string
	Decision *string
}

// GetDecision tells why a request of the account was allowed or denied.
func (s *Service) GetDecision(c *service.Call, in *GetDecisionInput) (*GetDecisionOutput, error) {
	var found *audit.Entry
	var err error
	if in.RequestId == nil {
		found, err = s.config.Trail.LastDenied(c.Reader, c.Scope.Account)
	} else {
		found, err = s.config.Trail.Find(c.Reader, c.Scope.Account, *in.RequestId)
	}
	switch {
	case errors.Is(err, store.ErrNotFound) && in.RequestId == nil:
		return nil, notFound("No request of this account was denied.")
	case errors.Is(err, store.ErrNotFound):
		return nil, notFound("No request with the id %s is on record in this account.", *in.RequestId)
	case err != nil:
		return nil, err
	}
	out := &GetDecisionOutput{Record: aws.String(string(found.Record))}
	if found.Decision != nil {
		text, err := json.Marshal(found.Decision)
		if err != nil {
			return nil, err
		}
		out.Decision = aws.String(string(text))
	}
	return out, nil
}

// syncTrail waits until what the caller did before is in the trail. What waits longer is
// not lost.
func syncTrail[I any](s *Service) func(*service.Call, *I) error {
	return func(c *service.Call, _ *I) error {
		ctx, cancel := context.WithTimeout(c.Context, syncPatience)
		defer cancel()
		_ = s.config.Trail.Sync(ctx)
		return nil
	}
}

// account is the check of operations that know no resources: their action on "*".
func account[I any](*service.Call, *I) ([]authz.Check, error) {
	return []authz.Check{authz.On("*")}, nil
}
