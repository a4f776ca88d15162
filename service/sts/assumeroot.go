package sts

import (
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/service"
)

// rootTasks are the policies that may scope a privileged session; nothing else can be
// done in one.
var rootTasks = []string{
	"IAMAuditRootUserCredentials",
	"IAMCreateRootUserPassword",
	"IAMDeleteRootUserCredentials",
	"S3UnlockBucketPolicy",
	"SQSUnlockQueuePolicy",
}

// mayAssumeRoot states what must be allowed for a privileged session on the root user of
// a member account: sts:AssumeRoot on that user, for a task. Root users may not ask.
func mayAssumeRoot(c *service.Call, in *sts.AssumeRootInput) ([]authz.Check, error) {
	target, err := rootTarget(c, *in.TargetPrincipal)
	if err != nil {
		return nil, err
	}
	task := aws.ToString(in.TaskPolicyArn.Arn)
	if c.Principal.Kind == authn.Root || !isRootTask(c.Scope.Partition, task) {
		return nil, rootDenied(c, target)
	}
	check := authz.Check{Action: "sts:AssumeRoot", Resource: target, Short: true}
	return []authz.Check{check.With("sts:TaskPolicyArn", task)}, nil
}

// AssumeRoot gives a session to the management account of an organization, or to one
// that it delegates to, while central root access is enabled. Accounts here belong to
// no organization, so nobody can be that: the answer is the one of AWS to others.
func (s *Service) AssumeRoot(c *service.Call, in *sts.AssumeRootInput) (*sts.AssumeRootOutput, error) {
	target, err := rootTarget(c, *in.TargetPrincipal)
	if err != nil {
		return nil, err
	}
	return nil, rootDenied(c, target)
}

// rootTarget is the ARN of the root user that is meant: by an account id, or as it is.
func rootTarget(c *service.Call, principal string) (string, error) {
	id := principal
	a, err := arn.Parse(principal)
	if err == nil {
		id = a.Account
	}
	account, bad := arn.ParseAccountID(id)
	if bad != nil {
		return "", service.Invalid("%s is invalid", principal)
	}
	root := arn.Scope{Partition: c.Scope.Partition, Account: account}.Root()
	if err == nil && root != principal {
		return "", service.Invalid("%s is invalid", principal)
	}
	return root, nil
}

// isRootTask tells whether a policy is one of those for root sessions.
func isRootTask(partition arn.Partition, policy string) bool {
	return slices.ContainsFunc(rootTasks, func(name string) bool {
		return policy == "arn:"+string(partition)+":iam::aws:policy/root-task/"+name
	})
}

func rootDenied(c *service.Call, target string) error {
	return service.Denied(fmt.Sprintf("User: %s is not authorized to perform: sts:AssumeRoot on resource: %s", c.Principal.ARN, target))
}
