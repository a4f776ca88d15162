package respond

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// API is a Server with the permissions of whoever calls: it sees the trail of their
// account, and of nobody else's.
type API struct {
	IAM     *iam.Client
	Lanyard *lanyard.Client
	Account arn.AccountID
	Now     func() time.Time
}

// Describe tells whose a key is. Who may not list the keys of its user, but ask when it was
// last used, learns the user's name: such a key is taken to be active.
func (a *API) Describe(ctx context.Context, id string) (*identity.KeyState, error) {
	out, err := lanyard.Call[lanyard.DescribeAccessKeyOutput](ctx, a.Lanyard, &lanyard.DescribeAccessKeyInput{AccessKeyId: &id})
	switch {
	case err == nil:
		return out.AccessKey, nil
	case !denied(err):
		return nil, err
	}
	last, e := a.IAM.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &id})
	if e != nil {
		return nil, err
	}
	return &identity.KeyState{ID: id, Account: a.Account, Exists: true, Active: true, UserName: aws.ToString(last.UserName)}, nil
}

// FindPassword notes whether the user of a key can sign in with a password, if the caller
// may know.
func (a *API) FindPassword(ctx context.Context, key *identity.KeyState) {
	if key.Exists {
		_, err := a.IAM.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: &key.UserName})
		key.Password = err == nil
	}
}

func denied(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && (api.ErrorCode() == "AccessDenied" || api.ErrorCode() == "AccessDeniedException")
}

// Revoke ends the sessions that a key minted before now.
func (a *API) Revoke(ctx context.Context, id string) (time.Time, error) {
	out, err := lanyard.Call[lanyard.RevokeSessionsOutput](ctx, a.Lanyard, &lanyard.RevokeSessionsInput{AccessKeyId: &id})
	if err != nil {
		return time.Time{}, err
	}
	return aws.ToTime(out.IssuedBefore), nil
}

// Calls yields what a key and its sessions did, as the account's trail has it.
func (a *API) Calls(ctx context.Context, id string, yield func(*audit.KeyCall)) (*audit.KeyTrail, error) {
	now := a.Now().UTC()
	trail := &audit.KeyTrail{From: now, To: now, Accounts: []arn.AccountID{a.Account}}
	in := &lanyard.ListKeyCallsInput{AccessKeyId: &id}
	for first := true; first || in.NextToken != nil; first = false {
		page, err := lanyard.Call[lanyard.ListKeyCallsOutput](ctx, a.Lanyard, in)
		if err != nil {
			return nil, err
		}
		if page.Oldest != nil {
			trail.From = page.Oldest.UTC()
		}
		for i := range page.Calls {
			yield(&page.Calls[i])
		}
		in.NextToken = page.NextToken
	}
	return trail, nil
}
