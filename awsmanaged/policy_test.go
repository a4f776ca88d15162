package awsmanaged_test

import (
	"testing"

	"github.com/lanyard-iam/lanyard/awsmanaged"
	"github.com/lanyard-iam/lanyard/policy"
)

// What the policies are for, and what they must not give.
func TestWhatThePoliciesAllow(t *testing.T) {
	const (
		alice  = "arn:aws:iam::111122223333:user/alice"
		bob    = "arn:aws:iam::111122223333:user/bob"
		object = "arn:aws:s3:::bucket/object"
		any    = "*"
	)
	c, err := awsmanaged.Load()
	if err != nil {
		t.Fatal(err)
	}
	sets := map[string]*policy.Set{}
	for p := range c.All() {
		doc, err := policy.Parse(p.DefaultDocument(), policy.ManagedPolicy)
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		sets[p.Name] = policy.NewSet([]policy.Attached{{Document: doc}})
	}
	caller := &policy.Caller{Type: policy.User, Account: "111122223333", ARN: alice, PrincipalARN: alice, ID: "AIDAALICE"}
	check := func(want bool, name, action, resource string) {
		t.Helper()
		var ctx policy.Context
		ctx.SetString("aws:username", "alice")
		req := &policy.Request{Caller: caller, Action: action, Resource: resource, ResourceAccount: "111122223333", Context: &ctx}
		if got := policy.Evaluate(req, &policy.Inputs{Identity: sets[name]}, nil).Allowed; got != want {
			t.Errorf("%s: %s on %s: allowed = %v", name, action, resource, got)
		}
	}
	allow := func(name, action, resource string) { t.Helper(); check(true, name, action, resource) }
	deny := func(name, action, resource string) { t.Helper(); check(false, name, action, resource) }

	allow("AdministratorAccess", "iam:CreateUser", bob)
	deny("AWSDenyAll", "sts:GetCallerIdentity", any)
	allow("PowerUserAccess", "s3:PutObject", object)
	allow("PowerUserAccess", "iam:ListRoles", any)
	deny("PowerUserAccess", "iam:CreateUser", bob)
	deny("PowerUserAccess", "iam:AttachUserPolicy", alice)
	deny("PowerUserAccess", "organizations:LeaveOrganization", any)
	allow("ReadOnlyAccess", "iam:GetUser", bob)
	allow("ReadOnlyAccess", "s3:GetObject", object)
	allow("ReadOnlyAccess", "cloudtrail:LookupEvents", any)
	deny("ReadOnlyAccess", "iam:CreateAccessKey", alice)
	deny("ReadOnlyAccess", "s3:PutObject", object)
	deny("ReadOnlyAccess", "sts:AssumeRole", any)
	deny("ReadOnlyAccess", "secretsmanager:GetSecretValue", any)
	allow("ViewOnlyAccess", "iam:ListUsers", any)
	deny("ViewOnlyAccess", "s3:GetObject", object)
	deny("ViewOnlyAccess", "iam:GetUser", bob)
	allow("SecurityAudit", "iam:GetAccountAuthorizationDetails", any)
	allow("SecurityAudit", "s3:GetBucketPolicy", "arn:aws:s3:::bucket")
	deny("SecurityAudit", "s3:GetObject", object)
	deny("SecurityAudit", "dynamodb:GetItem", any)
	allow("Billing", "ce:GetCostAndUsage", any)
	deny("Billing", "iam:ListUsers", any)
	allow("IAMFullAccess", "iam:PassRole", any)
	deny("IAMFullAccess", "s3:GetObject", object)
	allow("IAMReadOnlyAccess", "iam:SimulatePrincipalPolicy", alice)
	deny("IAMReadOnlyAccess", "iam:TagUser", alice)
	allow("IAMUserChangePassword", "iam:ChangePassword", alice)
	allow("IAMUserChangePassword", "iam:ChangePassword", "arn:aws:iam::111122223333:user/team/alice")
	deny("IAMUserChangePassword", "iam:ChangePassword", bob)
	deny("IAMUserChangePassword", "iam:ChangePassword", "arn:aws:iam::111122223333:user/xalice")
	allow("IAMUserSSHKeys", "iam:UploadSSHPublicKey", alice)
	deny("IAMUserSSHKeys", "iam:UploadSSHPublicKey", bob)
	allow("IAMSelfManageServiceSpecificCredentials", "iam:CreateServiceSpecificCredential", alice)
	deny("IAMSelfManageServiceSpecificCredentials", "iam:ResetServiceSpecificCredential", bob)
	allow("IAMAccessAnalyzerReadOnlyAccess", "access-analyzer:ValidatePolicy", any)
	deny("IAMAccessAnalyzerReadOnlyAccess", "access-analyzer:CreateAnalyzer", any)
	allow("AmazonS3FullAccess", "s3:DeleteObject", object)
	deny("AmazonS3FullAccess", "dynamodb:GetItem", any)
	allow("AmazonS3ReadOnlyAccess", "s3:GetObject", object)
	deny("AmazonS3ReadOnlyAccess", "s3:PutObject", object)
	allow("AmazonDynamoDBFullAccess", "dynamodb:DeleteTable", any)
	deny("AmazonDynamoDBFullAccess", "iam:PassRole", any) // without a service to pass to
	allow("AmazonEC2ReadOnlyAccess", "ec2:DescribeInstances", any)
	deny("AmazonEC2ReadOnlyAccess", "ec2:RunInstances", any)
	allow("AWSCloudTrail_ReadOnlyAccess", "cloudtrail:GetTrail", any)
	deny("AWSCloudTrail_ReadOnlyAccess", "cloudtrail:StopLogging", any)
	allow("AWSLambdaBasicExecutionRole", "logs:PutLogEvents", any)
	deny("AWSLambdaBasicExecutionRole", "logs:GetLogEvents", any)
	allow("AWSOrganizationsServiceTrustPolicy", "iam:CreateServiceLinkedRole", any)
	deny("AWSOrganizationsServiceTrustPolicy", "iam:CreateRole", any)
	allow("AmazonEKSClusterPolicy", "ec2:DescribeInstances", any)
	deny("AmazonEKSClusterPolicy", "iam:PassRole", any)
	allow("AmazonSSMManagedInstanceCore", "ssm:UpdateInstanceInformation", any)
	deny("AmazonSSMManagedInstanceCore", "ssm:SendCommand", any)
	allow("AmazonECSTaskExecutionRolePolicy", "ecr:GetAuthorizationToken", any)
	deny("AmazonECSTaskExecutionRolePolicy", "ecr:PutImage", any)
	deny("IAMDeleteRootUserCredentials", "iam:CreateAccessKey", any) // it only denies: it narrows what root may do
}
