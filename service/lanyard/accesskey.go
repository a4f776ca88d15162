package lanyard

import (
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
)

// What is asked about access keys that leaked. The owner of the host can ask the same
// over the local socket, across accounts.
type (
	// DescribeAccessKeyInput names a long-term access key.
	DescribeAccessKeyInput struct{ AccessKeyId *string }
	// DescribeAccessKeyOutput is whose the key is and what else the user has. Whether
	// there is a password is left to GetLoginProfile.
	DescribeAccessKeyOutput struct{ AccessKey *identity.KeyState }

	// ListKeyCallsInput names a long-term access key, or that of a session.
	ListKeyCallsInput struct{ AccessKeyId, NextToken *string }
	// ListKeyCallsOutput is what the key and its sessions did, oldest first, as far as it
	// is on the account's trail. Oldest, in the first answer, is the trail's oldest
	// record. Answers without calls may have a NextToken.
	ListKeyCallsOutput struct {
		Calls     []audit.KeyCall
		Oldest    *time.Time
		NextToken *string
	}

	// RevokeSessionsInput names one: a key, whose sessions are those that it minted, a
	// user or a role.
	RevokeSessionsInput struct{ AccessKeyId, UserName, RoleName *string }
	// RevokeSessionsOutput says which sessions are over: those that were issued before
	// that moment, which is a whole second.
	RevokeSessionsOutput struct{ IssuedBefore *time.Time }
)

// DescribeAccessKey tells whose a key of the account is, also of one that was deleted.
func (s *Service) DescribeAccessKey(c *service.Call, in *DescribeAccessKeyInput) (*DescribeAccessKeyOutput, error) {
	key, err := accessKey(c, *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	key.Password = false
	return &DescribeAccessKeyOutput{AccessKey: key}, nil
}

// ListKeyCalls lists what a key and its sessions did.
func (s *Service) ListKeyCalls(c *service.Call, in *ListKeyCallsInput) (*ListKeyCallsOutput, error) {
	page, err := s.config.Trail.KeyCalls(c.Reader, audit.CallQuery{
		Account: c.Scope.Account,
		Keys:    map[string]time.Time{*in.AccessKeyId: {}},
		Token:   aws.ToString(in.NextToken),
		Now:     c.Now,
	})
	if errors.Is(err, audit.ErrToken) {
		return nil, service.Invalid("The NextToken is not of this list.")
	}
	if err != nil {
		return nil, err
	}
	out := &ListKeyCallsOutput{Calls: page.Calls}
	if !page.Oldest.IsZero() {
		out.Oldest = &page.Oldest
	}
	if page.Next != "" {
		out.NextToken = &page.Next
	}
	return out, nil
}

// RevokeSessions ends sessions that were issued until now. As on AWS, where a policy is
// attached for it, it is never taken back, and whoever may begin a session may begin a new
// one: at the earliest in the second after.
func (s *Service) RevokeSessions(c *service.Call, in *RevokeSessionsInput) (*RevokeSessionsOutput, error) {
	var given string
	switch {
	case in.AccessKeyId != nil:
		if _, err := accessKey(c, *in.AccessKeyId); err != nil {
			return nil, err
		}
		given = *in.AccessKeyId
	case in.UserName != nil:
		given = "user/" + *in.UserName
	default:
		given = "role/" + *in.RoleName
	}
	found, err := session.FindSubject(c.Reader, c.Scope, given)
	if _, nobody := errors.AsType[session.NoSubject](err); nobody {
		return nil, notFound("%s", err)
	}
	if err != nil {
		return nil, err
	}
	if err := found.End(c.Tx, c.Now); err != nil {
		return nil, err
	}
	kinds := map[string]string{"user": "AWS::IAM::User", "role": "AWS::IAM::Role", "key": "AWS::IAM::AccessKey"}
	resource := audit.Resource{ARN: found.ARN, AccountID: found.Account, Type: kinds[found.Type]}
	if found.Type == "key" {
		resource.ARN = found.ID
	}
	c.Event.Resources = append(c.Event.Resources, resource)
	return &RevokeSessionsOutput{IssuedBefore: &found.Before}, nil
}

// accessKey describes a key of the caller's account. Of keys of others it is as if there
// were none.
func accessKey(c *service.Call, id string) (*identity.KeyState, error) {
	var key *identity.KeyState
	err := error(store.ErrNotFound)
	if arn.IsAccessKey(id) {
		key, err = identity.DescribeKey(c.Reader, c.Scope.Partition, id)
	}
	if err == nil && key.Account != c.Scope.Account {
		err = store.ErrNotFound
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("The Access Key with id %s cannot be found", id)
	}
	return key, err
}

// onAccessKey is the check of what acts on a key: the resource is its user. A key that
// nobody has belongs to nobody whom a policy could name, so that only callers who may
// ask about everybody learn that.
func onAccessKey(c *service.Call, id string) (authz.Check, error) {
	key, err := identity.AccessKeys.Get(c.Reader, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && key.Account != c.Scope.Account {
		return authz.On("*"), nil
	}
	if err != nil {
		return authz.Check{}, err
	}
	u, err := identity.UserByID(c.Reader, key.UserID)
	if err != nil {
		return authz.Check{}, err
	}
	return authz.On(u.ARN(c.Scope.Partition)).WithResourceTags(u.Tags), nil
}

func mayDescribeAccessKey(c *service.Call, in *DescribeAccessKeyInput) ([]authz.Check, error) {
	check, err := onAccessKey(c, *in.AccessKeyId)
	return []authz.Check{check}, err
}

// mayRevokeSessions asks for what the same takes on AWS, whose console puts a policy on the
// role or user; for a key, for what stops the key itself.
func mayRevokeSessions(c *service.Call, in *RevokeSessionsInput) ([]authz.Check, error) {
	named := 0
	for _, name := range []*string{in.AccessKeyId, in.UserName, in.RoleName} {
		if name != nil {
			named++
		}
	}
	if named != 1 {
		return nil, service.Invalid("Name one: an AccessKeyId, a UserName or a RoleName.")
	}
	var check authz.Check
	var err error
	switch {
	case in.AccessKeyId != nil:
		check, err = onAccessKey(c, *in.AccessKeyId)
	case in.UserName != nil:
		var u *identity.User
		if u, err = identity.FindUser(c.Reader, c.Scope.Account, *in.UserName); err == nil {
			check = bounded(c, authz.On(u.ARN(c.Scope.Partition)), u.Boundary).WithResourceTags(u.Tags).WithAction("iam:PutUserPolicy")
		} else if errors.Is(err, store.ErrNotFound) {
			check, err = authz.On(c.Scope.User("/", *in.UserName)).WithAction("iam:PutUserPolicy"), nil
		}
	default:
		var r *identity.Role
		if r, err = identity.FindRole(c.Reader, c.Scope.Account, *in.RoleName); err == nil {
			check = bounded(c, authz.On(r.ARN(c.Scope.Partition)), r.Boundary).WithResourceTags(r.Tags).WithAction("iam:PutRolePolicy")
		} else if errors.Is(err, store.ErrNotFound) {
			check, err = authz.On(c.Scope.Role("/", *in.RoleName)).WithAction("iam:PutRolePolicy"), nil
		}
	}
	return []authz.Check{check}, err
}

// bounded adds the boundary that the user or role has, whose ARN is kept as of partition aws.
func bounded(c *service.Call, check authz.Check, boundary string) authz.Check {
	if boundary == "" {
		return check
	}
	return check.With("iam:PermissionsBoundary", "arn:"+string(c.Scope.Partition)+strings.TrimPrefix(boundary, "arn:aws"))
}
