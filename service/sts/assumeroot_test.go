package sts_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
)

// T290: no session on a root user comes from an account that manages no organization,
// whatever its policies say, with a task policy or with any other.
func TestT290_AssumeRoot(t *testing.T) {
	const (
		everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
		audit      = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"
	)
	w := newWorld(t)
	alice := w.user(ours, "alice", everything)
	nobody := w.user(ours, "nobody")
	role := w.role(ours, "Worker", trusts(alice.ARN), may(everything))
	worker := w.assumed(alice, role)

	ask := func(target, task string, seconds *int32) *awssts.AssumeRootInput {
		return &awssts.AssumeRootInput{TargetPrincipal: &target, TaskPolicyArn: &types.PolicyDescriptorType{Arn: &task}, DurationSeconds: seconds}
	}
	for _, target := range []string{string(ours), string(theirs), "arn:aws:iam::" + string(theirs) + ":root", "999999999999"} {
		root := target
		if len(target) == 12 {
			root = "arn:aws:iam::" + target + ":root"
		}
		for _, task := range []string{
			audit,
			"arn:aws:iam::aws:policy/root-task/SQSUnlockQueuePolicy",
			"arn:aws:iam::aws:policy/AdministratorAccess", // not a task
			"arn:aws:iam::aws:policy/root-task/AdministratorAccess",
			"arn:aws:iam::" + string(ours) + ":policy/root-task/IAMAuditRootUserCredentials",
		} {
			for _, p := range []string{"alice", "nobody", "worker", "root"} {
				caller := alice
				switch p {
				case "nobody":
					caller = nobody
				case "worker":
					caller = worker
				case "root":
					caller = w.root(ours)
				}
				_, err := w.call(caller, "AssumeRoot", ask(target, task, nil))
				w.refused(p+" on "+target+" with "+task, err, "AccessDenied", "User: "+caller.ARN+" is not authorized to perform: sts:AssumeRoot on resource: "+root)
			}
		}
	}

	for _, target := range []string{"not-an-account", "arn:aws:iam::" + string(theirs) + ":user/alice", "arn:aws-cn:iam::" + string(theirs) + ":root", "arn:aws:sts::" + string(theirs) + ":root", "arn:aws:iam::x:root"} {
		_, err := w.call(alice, "AssumeRoot", ask(target, audit, nil))
		w.refused(target, err, "ValidationError", target+" is invalid")
	}
	_, err := w.call(alice, "AssumeRoot", ask(string(theirs), audit, aws.Int32(901)))
	w.refused("for too long", err, "ValidationError", "1 validation error detected: Value '901' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to 900")
	if _, err := w.call(alice, "AssumeRoot", &awssts.AssumeRootInput{TargetPrincipal: aws.String(string(theirs)), TaskPolicyArn: &types.PolicyDescriptorType{}}); err == nil {
		t.Error("a session without a task")
	}
}
