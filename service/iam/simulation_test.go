package iam

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/session"
	"github.com/lanyard-iam/lanyard/store"
	"pgregory.net/rapid"
)

func userARN(name string) string  { return arn.Scope{Partition: "aws", Account: ours}.User("/", name) }
func groupARN(name string) string { return arn.Scope{Partition: "aws", Account: ours}.Group("/", name) }
func roleARN(name string) string  { return arn.Scope{Partition: "aws", Account: ours}.Role("/", name) }

// same compares anything by its JSON.
func same(t tester, what string, got, want any) {
	t.Helper()
	if asJSON(got) != asJSON(want) {
		t.Errorf("%s:\n got %s\nwant %s", what, asJSON(got), asJSON(want))
	}
}

// places are the statements of a result, with where they stand.
func places(r types.EvaluationResult) (list []string) {
	for _, s := range r.MatchedStatements {
		list = append(list, fmt.Sprintf("%s %s %d:%d-%d:%d", s.SourcePolicyType, *s.SourcePolicyId, s.StartPosition.Line, s.StartPosition.Column, s.EndPosition.Line, s.EndPosition.Column))
	}
	return list
}

func entry(name string, t types.ContextKeyTypeEnum, values ...string) types.ContextEntry {
	return types.ContextEntry{ContextKeyName: &name, ContextKeyType: t, ContextKeyValues: values}
}

// decisions are the decisions of a simulation as text: one word for each action.
func decisions(list []types.EvaluationResult) string {
	var words []string
	for _, r := range list {
		words = append(words, string(r.EvalDecision))
	}
	return strings.Join(words, " ")
}

// custom simulates policies given as text.
func (w *world) custom(in iam.SimulateCustomPolicyInput) []types.EvaluationResult {
	w.t.Helper()
	return do(w.root(), w.iam.SimulateCustomPolicy, &in).EvaluationResults
}

func (w *world) principal(in iam.SimulatePrincipalPolicyInput) []types.EvaluationResult {
	w.t.Helper()
	return do(w.root(), w.iam.SimulatePrincipalPolicy, &in).EvaluationResults
}

func TestSimulateCustomPolicy(t *testing.T) {
	w := newWorld(t)
	const text = `{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
    {
      "Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*",
      "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
    }
  ]
}`
	in := iam.SimulateCustomPolicyInput{PolicyInputList: []string{text}, ActionNames: []string{"s3:GetObject", "s3:DeleteBucket", "ec2:RunInstances"}}
	got := w.custom(in)
	if d := decisions(got); d != "allowed explicitDeny implicitDeny" {
		t.Fatal(d)
	}
	allowed, denied, none := got[0], got[1], got[2]
	same(t, "statement", places(allowed), []string{"none PolicyInputList.1 4:5-4:59"})
	same(t, "resource", *allowed.EvalResourceName, "*")
	if allowed.ResourceSpecificResults != nil || allowed.EvalDecisionDetails != nil || allowed.PermissionsBoundaryDecisionDetail != nil || allowed.OrganizationsDecisionDetail != nil {
		t.Errorf("for all resources: %s", asJSON(allowed))
	}
	same(t, "missing", allowed.MissingContextValues, []string{})
	// The deny stands alone, and says what it would have liked to know.
	same(t, "deny", places(denied), []string{"none PolicyInputList.1 5:5-8:6"})
	same(t, "missing", denied.MissingContextValues, []string{"aws:MultiFactorAuthPresent"})
	same(t, "nothing matched", none.MatchedStatements, []types.Statement{})

	in.ContextEntries = []types.ContextEntry{entry("aws:multifactorauthpresent", types.ContextKeyTypeEnumBoolean, "true")}
	got = w.custom(in)
	if d := decisions(got); d != "allowed allowed implicitDeny" || len(got[1].MissingContextValues) != 0 {
		t.Errorf("with MFA: %s", asJSON(got))
	}
}

func TestSimulateOnResources(t *testing.T) {
	w := newWorld(t)
	const mine, other = "arn:aws:s3:::mine/x", "arn:aws:s3:::other/x"
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::mine/*","Condition":{"StringEquals":{"aws:SourceVpc":"v"}}},` +
		`{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::closed/*"}]}`
	in := iam.SimulateCustomPolicyInput{PolicyInputList: []string{text}, ActionNames: []string{"s3:GetObject"}, ResourceArns: []string{mine, other},
		ContextEntries: []types.ContextEntry{entry("aws:SourceVpc", types.ContextKeyTypeEnumString, "v")}}
	got := w.custom(in)
	if len(got) != 1 || got[0].EvalDecision != "implicitDeny" || *got[0].EvalResourceName != "*" || len(got[0].MatchedStatements) != 0 || got[0].EvalDecisionDetails == nil {
		t.Fatalf("%s", asJSON(got))
	}
	var each []string
	for _, r := range got[0].ResourceSpecificResults {
		each = append(each, fmt.Sprint(*r.EvalResourceName, " ", r.EvalResourceDecision, " ", len(r.MatchedStatements)))
	}
	same(t, "results", each, []string{mine + " allowed 1", other + " implicitDeny 0"})

	// What is strictest counts, with its statements.
	in.ResourceArns = []string{mine, other, "arn:aws:s3:::closed/x"}
	got = w.custom(in)
	if got[0].EvalDecision != "explicitDeny" || len(got[0].MatchedStatements) != 1 || got[0].MatchedStatements[0].StartPosition.Column != 165 {
		t.Errorf("%s", asJSON(got[0]))
	}
	in.ResourceArns = []string{mine, mine + "y"}
	got = w.custom(in)
	if got[0].EvalDecision != "allowed" || len(got[0].MatchedStatements) != 1 {
		t.Errorf("one statement for both: %s", asJSON(got[0]))
	}
	in.ResourceArns, in.ContextEntries = []string{mine}, nil
	got = w.custom(in)
	same(t, "missing", got[0].MissingContextValues, []string{"aws:SourceVpc"})
	same(t, "missing for the resource", got[0].ResourceSpecificResults[0].MissingContextValues, []string{"aws:SourceVpc"})
	same(t, "resource", *got[0].EvalResourceName, mine)

	in.ResourceArns = []string{"mine"}
	refused(w.root(), w.iam.SimulateCustomPolicy, &in, "InvalidInput", "ResourceNames are not in a valid ARN format: mine.")
}

func TestSimulatePrincipalPolicy(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	w.user("alice")
	w.group("devs")
	w.join("alice", "devs")
	managed := w.policy("reads", allow("s3:Get*", "arn:aws:s3:::${aws:username}/*"))
	do(root, w.iam.AttachUserPolicy, &iam.AttachUserPolicyInput{UserName: aws.String("alice"), PolicyArn: &managed})
	do(root, w.iam.AttachGroupPolicy, &iam.AttachGroupPolicyInput{GroupName: aws.String("devs"), PolicyArn: aws.String("arn:aws:iam::aws:policy/IAMReadOnlyAccess")})
	do(root, w.iam.PutUserPolicy, &iam.PutUserPolicyInput{UserName: aws.String("alice"), PolicyName: aws.String("own"), PolicyDocument: aws.String(allow("sqs:*", "*"))})
	do(root, w.iam.PutGroupPolicy, &iam.PutGroupPolicyInput{GroupName: aws.String("devs"), PolicyName: aws.String("queue"), PolicyDocument: aws.String(allow("sqs:SendMessage", "*"))})
	do(root, w.iam.TagUser, &iam.TagUserInput{UserName: aws.String("alice"), Tags: []types.Tag{tag("team", "red")}})

	in := func() *iam.SimulatePrincipalPolicyInput {
		return &iam.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(userARN("alice")), ActionNames: []string{"sqs:SendMessage", "s3:GetObject", "ec2:RunInstances"},
			ResourceArns: []string{"arn:aws:s3:::alice/x"}}
	}
	sources := func(r types.EvaluationResult) (list []string) {
		for _, s := range r.MatchedStatements {
			list = append(list, string(s.SourcePolicyType)+" "+*s.SourcePolicyId)
		}
		return list
	}
	got := w.principal(*in())
	if d := decisions(got); d != "allowed allowed implicitDeny" {
		t.Errorf("%s", d)
	}
	same(t, "sources", sources(got[0]), []string{"user user_alice_own", "group group_devs_queue"})
	same(t, "sources", sources(got[1]), []string{"user-managed reads"})
	same(t, "missing", got[1].MissingContextValues, []string{})
	reads := in()
	reads.ActionNames = []string{"iam:ListUsers"}
	same(t, "sources", sources(w.principal(*reads)[0]), []string{"aws-managed IAMReadOnlyAccess"})

	// The group alone, which has no name to put into ${aws:username}.
	group := in()
	group.PolicySourceArn = aws.String(groupARN("devs"))
	if d := decisions(w.principal(*group)); d != "allowed implicitDeny implicitDeny" {
		t.Errorf("the group: %s", d)
	}

	// As somebody else with alice's policies, whose tags are not looked up.
	bob := in()
	bob.CallerArn = aws.String(userARN("bob"))
	bob.PolicyInputList = []string{allowIf("sns:Publish", "*", `{"StringEquals":{"aws:PrincipalTag/team":"red"}}`)}
	bob.ActionNames = append(bob.ActionNames, "sns:Publish")
	got = w.principal(*bob)
	if d := decisions(got); d != "allowed implicitDeny implicitDeny implicitDeny" {
		t.Errorf("as bob: %s", d)
	}
	same(t, "missing", got[3].MissingContextValues, []string{"aws:PrincipalTag/team"})
	bob.CallerArn = nil
	if d := decisions(w.principal(*bob)); d != "allowed allowed implicitDeny allowed" {
		t.Errorf("as alice: %s", d)
	}

	// What is given in the request counts before what is known.
	given := in()
	given.ContextEntries = []types.ContextEntry{entry("AWS:username", types.ContextKeyTypeEnumString, "carol")}
	if d := decisions(w.principal(*given)); d != "allowed implicitDeny implicitDeny" {
		t.Errorf("as carol: %s", d)
	}

	// A boundary of the request takes the place of the user's own.
	do(root, w.iam.PutUserPermissionsBoundary, &iam.PutUserPermissionsBoundaryInput{UserName: aws.String("alice"), PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")})
	got = w.principal(*in())
	if d := decisions(got); d != "implicitDeny allowed implicitDeny" || got[0].PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary ||
		!got[1].PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary || !got[1].ResourceSpecificResults[0].PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary {
		t.Errorf("within the boundary: %s", asJSON(got))
	}
	bounded := in()
	bounded.PermissionsBoundaryPolicyInputList = []string{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}`}
	got = w.principal(*bounded)
	if d := decisions(got); d != "allowed explicitDeny implicitDeny" {
		t.Errorf("within the boundary of the request: %s", d)
	}
	same(t, "sources", sources(got[1]), []string{"none PermissionsBoundaryPolicyInputList.1"})

	// What if a policy were not there?
	without := func(identifiers ...types.PolicyIdentifier) string {
		t.Helper()
		without := in()
		without.PolicyExclusionList = identifiers
		return decisions(w.principal(*without))
	}
	boundary := &types.PolicyIdentifierMemberPolicyType{Value: "permission-boundary"}
	same(t, "without the boundary", without(boundary), "allowed allowed implicitDeny")
	same(t, "without managed", without(boundary, &types.PolicyIdentifierMemberPolicyType{Value: "user-managed"}), "allowed implicitDeny implicitDeny")
	same(t, "without an ARN", without(boundary, &types.PolicyIdentifierMemberPolicyArn{Value: "arn:aws:iam::111122223333:policy/r?a*"}), "allowed implicitDeny implicitDeny")
	same(t, "without inline", without(boundary, &types.PolicyIdentifierMemberPolicyType{Value: "inline"}), "implicitDeny allowed implicitDeny")
	ofGroup := &types.PolicyIdentifierMemberInlinePolicyIdentifier{Value: types.InlinePolicyIdentifierType{AttachmentName: aws.String("dev*"), AttachmentType: "group", PolicyName: aws.String("queue")}}
	ofUser := &types.PolicyIdentifierMemberInlinePolicyIdentifier{Value: types.InlinePolicyIdentifierType{AttachmentName: aws.String("alice"), AttachmentType: "user", PolicyName: aws.String("own")}}
	same(t, "without the group's", without(boundary, ofGroup), "allowed allowed implicitDeny")
	same(t, "without both", without(boundary, ofGroup, ofUser), "implicitDeny allowed implicitDeny")
	for _, wrong := range []struct {
		id      types.PolicyIdentifier
		message string
	}{
		{&types.PolicyIdentifierMemberPolicyType{Value: "x"}, "Invalid policy type: x"},
		{&types.PolicyIdentifierMemberPolicyArn{Value: "arn:aws:iam::*:policy/x"}, "Invalid policy identifier: arn:aws:iam::*:policy/x"},
		{&types.PolicyIdentifierMemberPolicyArn{Value: "arn:aws:iam::111122223333:policy/*x*"}, "Invalid policy identifier: arn:aws:iam::111122223333:policy/*x*"},
		{&types.PolicyIdentifierMemberInlinePolicyIdentifier{}, "Invalid inline policy identifier:  of  "},
		{nil, "A policy identifier has exactly one of PolicyType, PolicyArn and InlinePolicyIdentifier."},
	} {
		bad := in()
		bad.PolicyExclusionList = []types.PolicyIdentifier{wrong.id}
		refused(root, w.iam.SimulatePrincipalPolicy, bad, "InvalidInput", wrong.message)
	}
}

func TestSimulateRole(t *testing.T) {
	w := newWorld(t)
	w.role("deploy")
	do(w.root(), w.iam.PutRolePolicy, &iam.PutRolePolicyInput{RoleName: aws.String("deploy"), PolicyName: aws.String("p"),
		PolicyDocument: aws.String(allow("s3:*", "arn:aws:s3:::${aws:userid}/*"))})
	in := iam.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(roleARN("deploy")), ActionNames: []string{"s3:GetObject"}, ResourceArns: []string{"arn:aws:s3:::AROA:ci/x"}}
	got := w.principal(in)
	if got[0].EvalDecision != "implicitDeny" {
		t.Errorf("%s", asJSON(got))
	}
	// Which session it would be is not known.
	same(t, "missing", got[0].MissingContextValues, []string{"aws:userid"})
	in.ContextEntries = []types.ContextEntry{entry("aws:userid", types.ContextKeyTypeEnumString, "AROA:ci")}
	got = w.principal(in)
	if got[0].EvalDecision != "allowed" || got[0].MatchedStatements[0].SourcePolicyType != "role" || *got[0].MatchedStatements[0].SourcePolicyId != "role_deploy_p" {
		t.Errorf("%s", asJSON(got))
	}
}

// A trust policy as the resource's policy decides about AssumeRole as it would.
func TestSimulateTrustPolicy(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	w.may("alice", allow("sts:AssumeRole", "*"))
	simulate := func(trust string, entries ...types.ContextEntry) types.EvaluationResult {
		t.Helper()
		return w.principal(iam.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(userARN("alice")), ActionNames: []string{"sts:AssumeRole"},
			ResourceArns: []string{roleARN("deploy")}, ResourcePolicy: &trust, ContextEntries: entries})[0]
	}
	trusting := func(principal, effect, condition string) string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":%q,"Principal":{"AWS":%q},"Action":"sts:AssumeRole","Condition":%s}}`, effect, principal, condition)
	}
	got := simulate(trusting(userARN("alice"), "Allow", "{}"))
	if got.EvalDecision != "allowed" || len(got.MatchedStatements) != 2 || got.MatchedStatements[1].SourcePolicyType != "resource" || *got.MatchedStatements[1].SourcePolicyId != "ResourcePolicy" {
		t.Errorf("trusted: %s", asJSON(got))
	}
	// In the same account, too, a role must trust.
	if got := simulate(trusting(userARN("bob"), "Allow", "{}")); got.EvalDecision != "implicitDeny" {
		t.Errorf("not trusted: %s", asJSON(got))
	}
	if got := simulate(trusting(userARN("alice"), "Deny", "{}")); got.EvalDecision != "explicitDeny" || *got.MatchedStatements[0].SourcePolicyId != "ResourcePolicy" {
		t.Errorf("denied: %s", asJSON(got))
	}
	mfa := trusting(string(ours), "Allow", `{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`)
	if got := simulate(mfa); got.EvalDecision != "implicitDeny" || !slices.Contains(got.MissingContextValues, "aws:MultiFactorAuthPresent") {
		t.Errorf("without MFA: %s", asJSON(got))
	}
	if got := simulate(mfa, entry("aws:MultiFactorAuthPresent", types.ContextKeyTypeEnumBoolean, "true")); got.EvalDecision != "allowed" {
		t.Errorf("with MFA: %s", asJSON(got))
	}
}

func TestSimulateAcrossAccounts(t *testing.T) {
	w := newWorld(t)
	bucket := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":%q},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}}`, userARN("alice"))
	in := iam.SimulateCustomPolicyInput{
		PolicyInputList: []string{allow("s3:GetObject", "*")}, ActionNames: []string{"s3:GetObject"}, ResourceArns: []string{"arn:aws:s3:::b/x", "arn:aws:s3:::c/x"},
		ResourcePolicy: &bucket, ResourceOwner: aws.String("arn:aws:iam::444455556666:root"), CallerArn: aws.String(userARN("alice")),
		PermissionsBoundaryPolicyInputList: []string{allow("*", "*")},
	}
	got := w.custom(in)[0]
	same(t, "details", got.EvalDecisionDetails, map[string]types.PolicyEvaluationDecisionType{"IAM Policy": "allowed", "Resource Policy": "implicitDeny", "Permissions Boundary Policy": "allowed"})
	same(t, "details on b", got.ResourceSpecificResults[0].EvalDecisionDetails, map[string]types.PolicyEvaluationDecisionType{"IAM Policy": "allowed", "Resource Policy": "allowed", "Permissions Boundary Policy": "allowed"})
	same(t, "decisions", fmt.Sprint(got.EvalDecision, got.ResourceSpecificResults[0].EvalResourceDecision, got.ResourceSpecificResults[1].EvalResourceDecision), "implicitDenyallowedimplicitDeny")

	// In one account the bucket's policy suffices; across, both sides must allow.
	in.PolicyInputList, in.ResourceArns = []string{allow("a:b", "*")}, in.ResourceArns[:1]
	if got := w.custom(in)[0]; got.EvalDecision != "implicitDeny" || got.EvalDecisionDetails["IAM Policy"] != "implicitDeny" {
		t.Errorf("%s", asJSON(got))
	}
	for _, owner := range []*string{nil, aws.String(string(ours))} {
		in.ResourceOwner = owner
		if got := w.custom(in)[0]; got.EvalDecision != "allowed" || len(got.EvalDecisionDetails) != 0 || got.EvalDecisionDetails == nil {
			t.Errorf("%s", asJSON(got))
		}
	}
	// Without anything from the resource's side it is not judged, whose ever it is.
	identityOnly := iam.SimulateCustomPolicyInput{PolicyInputList: []string{allow("sqs:*", "*")}, ActionNames: []string{"sqs:SendMessage"}, ResourceArns: []string{"arn:aws:sqs:us-east-1:444455556666:q"}}
	if d := decisions(w.custom(identityOnly)); d != "allowed" {
		t.Error(d)
	}
	identityOnly.ResourceOwner = aws.String("444455556666")
	if d := decisions(w.custom(identityOnly)); d != "implicitDeny" {
		t.Error(d)
	}
	in.ResourceOwner = aws.String("arn:aws:iam::444455556666:user/x")
	refused(w.root(), w.iam.SimulateCustomPolicy, &in, "InvalidInput", "'arn:aws:iam::444455556666:user/x' is not a valid as a Resource Owner.")
	in.ResourceOwner, in.CallerArn = nil, nil
	refused(w.root(), w.iam.SimulateCustomPolicy, &in, "InvalidInput", "Invalid caller - Caller cannot be null or empty.")
	in.CallerArn = aws.String(groupARN("devs"))
	refused(w.root(), w.iam.SimulateCustomPolicy, &in, "InvalidInput", "Invalid caller - Caller must be an IAM user or role in this context.")
	in.CallerArn = aws.String("arn:aws:sts::111122223333:assumed-role/r/s")
	refused(w.root(), w.iam.SimulateCustomPolicy, &in, "InvalidInput", "Invalid Entity Arn: arn:aws:sts::111122223333:assumed-role/r/s does not clearly define entity type and name.")
}

func TestSimulateServiceControlPolicies(t *testing.T) {
	w := newWorld(t)
	level := func(documents ...string) types.OrderedOrganizationPolicyType {
		return types.OrderedOrganizationPolicyType{ServiceControlPolicyInputList: documents}
	}
	in := iam.SimulateCustomPolicyInput{PolicyInputList: []string{allow("*", "*")}, ActionNames: []string{"s3:GetObject", "ec2:RunInstances", "iam:GetUser"},
		OrderedOrganizationPolicyInputList: []types.OrderedOrganizationPolicyType{level(allow("*", "*")), level(allow("s3:*", "*"), allow("iam:*", "*"), statement("Deny", "iam:*", "*", ""))}}
	got := w.custom(in)
	if d := decisions(got); d != "allowed implicitDeny explicitDeny" {
		t.Errorf("%s", d)
	}
	if !got[0].OrganizationsDecisionDetail.AllowedByOrganizations || got[1].OrganizationsDecisionDetail.AllowedByOrganizations || got[2].OrganizationsDecisionDetail.AllowedByOrganizations || len(got[2].MatchedStatements) != 0 {
		t.Errorf("%s", asJSON(got))
	}
	in.OrderedOrganizationPolicyInputList[0].ServiceControlPolicyInputList[0] = "{"
	refused(w.root(), w.iam.SimulateCustomPolicy, &in, "InvalidInput", "OrderedOrganizationPolicyInputList.1.ServiceControlPolicyInputList.1, line 1, column 2: This policy contains invalid Json")
}

func TestSimulatedContextValues(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		condition string
		entry     types.ContextEntry
		want      string
	}{
		{`{"StringLike":{"a:key":"b*"}}`, entry("a:key", "string", "bc"), "allowed"},
		{`{"ForAllValues:StringEquals":{"a:key":["b","c"]}}`, entry("a:key", "stringList", "b", "c"), "allowed"},
		{`{"ForAllValues:StringEquals":{"a:key":["b","c"]}}`, entry("a:key", "stringList", "b", "d"), "implicitDeny"},
		{`{"ForAnyValue:StringEquals":{"a:key":["b","c"]}}`, entry("a:key", "stringList", "d", "c"), "allowed"},
		{`{"Null":{"a:key":"true"}}`, entry("a:key", "stringList"), "allowed"},
		{`{"NumericLessThan":{"a:key":"10"}}`, entry("a:key", "numeric", "9.5"), "allowed"},
		{`{"ForAnyValue:NumericEquals":{"a:key":"10"}}`, entry("a:key", "numericList", "3", "10"), "allowed"},
		{`{"Bool":{"a:key":"true"}}`, entry("a:key", "boolean", "True"), "allowed"},
		{`{"ForAllValues:Bool":{"a:key":"true"}}`, entry("a:key", "booleanList", "true", "false"), "implicitDeny"},
		{`{"IpAddress":{"a:key":"10.0.0.0/8"}}`, entry("a:key", "ip", "10.1.2.3"), "allowed"},
		{`{"ForAnyValue:IpAddress":{"a:key":"2001:db8::/32"}}`, entry("a:key", "ipList", "10.1.2.3", "2001:db8::1"), "allowed"},
		{`{"BinaryEquals":{"a:key":"QmluYXJ5"}}`, entry("a:key", "binary", "QmluYXJ5"), "allowed"},
		{`{"ForAnyValue:BinaryEquals":{"a:key":"QmluYXJ5"}}`, entry("a:key", "binaryList", "QQ==", "QmluYXJ5"), "allowed"},
		{`{"DateLessThan":{"a:key":"2026-01-02"}}`, entry("a:key", "date", "2026-01-01T12:00:00Z"), "allowed"},
		{`{"ForAllValues:DateLessThan":{"a:key":"2026-01-02"}}`, entry("a:key", "dateList", "1600000000", "2027-01-01"), "implicitDeny"},
		{`{"DateEquals":{"aws:CurrentTime":"2026-03-01T12:00:00.5Z"}}`, entry("a:key", "string", ""), "allowed"},
		{`{"DateLessThan":{"aws:CurrentTime":"2026-01-01"}}`, entry("aws:CurrentTime", "date", "2025-06-01"), "allowed"},
		{`{"StringEquals":{"aws:ResourceAccount":"111122223333"}}`, entry("a:key", "string", "x"), "allowed"},
		{`{"StringEquals":{"aws:ResourceAccount":"9"}}`, entry("aws:ResourceAccount", "string", "9"), "allowed"},
	} {
		got := w.custom(iam.SimulateCustomPolicyInput{PolicyInputList: []string{allowIf("s3:Get", "*", c.condition)}, ActionNames: []string{"s3:Get"}, ContextEntries: []types.ContextEntry{c.entry}})
		if string(got[0].EvalDecision) != c.want {
			t.Errorf("%s with %s: %s, want %s", c.condition, asJSON(c.entry), got[0].EvalDecision, c.want)
		}
	}
	for _, c := range []struct {
		entries []types.ContextEntry
		message string
	}{
		{[]types.ContextEntry{entry("a:key", "numeric", "nine")}, "Invalid value for the context key a:key of type numeric: nine"},
		{[]types.ContextEntry{entry("a:key", "boolean", "yes")}, "Invalid value for the context key a:key of type boolean: yes"},
		{[]types.ContextEntry{entry("a:key", "ip", "10.0.0.0/8")}, "Invalid value for the context key a:key of type ip: 10.0.0.0/8"},
		{[]types.ContextEntry{entry("a:key", "binary", "?")}, "Invalid value for the context key a:key of type binary: ?"},
		{[]types.ContextEntry{entry("a:key", "date", "yesterday")}, "Invalid value for the context key a:key of type date: yesterday"},
		{[]types.ContextEntry{entry("a:key", "dateList", "2026", "yesterday")}, "Invalid value for the context key a:key of type dateList: 2026, yesterday"},
		{[]types.ContextEntry{entry("a:key", "string", "x", "y")}, "Invalid value for the context key a:key of type string: x, y"},
		{[]types.ContextEntry{entry("a:key", "string")}, "Invalid value for the context key a:key of type string: "},
		{[]types.ContextEntry{entry("a:key", "", "x")}, "The context key a:key has no valid ContextKeyType."},
		{[]types.ContextEntry{{ContextKeyType: "string"}}, "A context entry has no ContextKeyName."},
		{[]types.ContextEntry{entry("a:key", "string", "x"), entry("A:Key", "string", "x")}, "The context key A:Key is given twice."},
	} {
		refused(w.root(), w.iam.SimulateCustomPolicy, &iam.SimulateCustomPolicyInput{PolicyInputList: []string{allow("*", "*")}, ActionNames: []string{"s3:Get"}, ContextEntries: c.entries}, "InvalidInput", c.message)
	}
}

func TestSimulationRefusesWrongInput(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	ok := func() iam.SimulateCustomPolicyInput {
		return iam.SimulateCustomPolicyInput{PolicyInputList: []string{allow("*", "*")}, ActionNames: []string{"s3:Get"}}
	}
	for _, action := range []string{"s3", "s3:", ":Get", "s3:*", "s3:Ge?", "*", "s3:a:b"} {
		in := ok()
		in.ActionNames = []string{action}
		refused(root, w.iam.SimulateCustomPolicy, &in, "InvalidInput", "Invalid action name: "+action+". An action is service:Operation, without wildcards.")
	}
	in := ok()
	in.PolicyInputList = append(in.PolicyInputList, "{\n  \"Version\": \"2012-10-17\", \"Statement\": {\"Effect\": \"Allow\", \"Action\": \"*\"}}")
	refused(root, w.iam.SimulateCustomPolicy, &in, "InvalidInput", "PolicyInputList.2, line 2, column 41: Policy statement must contain resources.")
	in = ok()
	in.PermissionsBoundaryPolicyInputList = []string{allow("*", "*"), allow("*", "*")}
	refused(root, w.iam.SimulateCustomPolicy, &in, "InvalidInput", "Only one permissions boundary policy can be given in PermissionsBoundaryPolicyInputList.")
	in.PermissionsBoundaryPolicyInputList = []string{"x"}
	refused(root, w.iam.SimulateCustomPolicy, &in, "InvalidInput", "PermissionsBoundaryPolicyInputList.1, line 1, column 1: This policy contains invalid Json")
	in = ok()
	in.CallerArn, in.ResourcePolicy = aws.String(userARN("a")), aws.String("{}")
	refused(root, w.iam.SimulateCustomPolicy, &in, "InvalidInput", "ResourcePolicy, line 1, column 1: Syntax errors in policy.")

	in = ok()
	in.ResourceHandlingOption = aws.String("EC2-VPC-EBS")
	refused(root, w.iam.SimulateCustomPolicy, &in, "InvalidInput", "ResourceHandlingOption EC2-VPC-EBS needs a resource of the type instance.")
	for _, kind := range []string{"instance", "image", "security-group", "network-interface", "volume"} {
		in.ResourceArns = append(in.ResourceArns, "arn:aws:ec2:us-east-1:111122223333:"+kind+"/x")
	}
	if got := w.custom(in); len(got[0].ResourceSpecificResults) != 5 {
		t.Errorf("%s", asJSON(got))
	}
	in.ResourceHandlingOption = aws.String("EC2")
	refused(root, w.iam.SimulateCustomPolicy, &in, "InvalidInput", "Invalid ResourceHandlingOption: EC2")
}

func TestSimulationAsksWhoseItIs(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.user("bob")
	w.group("devs")
	w.role("r")
	onAlice := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(userARN("alice")), ActionNames: []string{"s3:Get"}}
	keys := &iam.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: onAlice.PolicySourceArn}
	grants := &iam.ListPoliciesGrantingServiceAccessInput{Arn: onAlice.PolicySourceArn, ServiceNamespaces: []string{"s3"}}
	custom := &iam.SimulateCustomPolicyInput{PolicyInputList: []string{allow("*", "*")}, ActionNames: []string{"s3:Get"}}
	denied(alice, w.iam.SimulatePrincipalPolicy, onAlice)
	denied(alice, w.iam.GetContextKeysForPrincipalPolicy, keys)
	denied(alice, w.iam.ListPoliciesGrantingServiceAccess, grants)
	denied(alice, w.iam.SimulateCustomPolicy, custom)
	denied(alice, w.iam.GetContextKeysForCustomPolicy, &iam.GetContextKeysForCustomPolicyInput{PolicyInputList: custom.PolicyInputList})

	w.may("alice", allow("iam:*", userARN("alice")), allow("iam:SimulateCustomPolicy", "*"))
	do(alice, w.iam.SimulatePrincipalPolicy, onAlice)
	do(alice, w.iam.GetContextKeysForPrincipalPolicy, keys)
	do(alice, w.iam.ListPoliciesGrantingServiceAccess, grants)
	do(alice, w.iam.SimulateCustomPolicy, custom)
	onBob := *onAlice
	onBob.PolicySourceArn = aws.String(userARN("bob"))
	denied(alice, w.iam.SimulatePrincipalPolicy, &onBob)

	// By tags, of the one that the ARN names exactly.
	do(w.root(), w.iam.TagUser, &iam.TagUserInput{UserName: aws.String("bob"), Tags: []types.Tag{tag("open", "yes")}})
	w.may("alice", allowIf("iam:SimulatePrincipalPolicy", "*", `{"StringEquals":{"aws:ResourceTag/open":"yes"}}`))
	do(alice, w.iam.SimulatePrincipalPolicy, &onBob)
	denied(alice, w.iam.SimulatePrincipalPolicy, onAlice)
	onBob.PolicySourceArn = aws.String(userARN("BOB"))
	denied(alice, w.iam.SimulatePrincipalPolicy, &onBob)

	root := w.root()
	source := func(s string) *iam.SimulatePrincipalPolicyInput {
		return &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &s, ActionNames: []string{"s3:Get"}}
	}
	for s, name := range map[string]string{userARN("none"): "user with name none", groupARN("none"): "group with name none", roleARN("none"): "role with name none",
		"arn:aws:iam::111122223333:user/x/alice": "user with name alice", userARN("ALICE"): "user with name ALICE"} {
		refused(root, w.iam.SimulatePrincipalPolicy, source(s), "NoSuchEntity", "The "+name+" cannot be found.")
		refused(root, w.iam.GetContextKeysForPrincipalPolicy, &iam.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: &s}, "NoSuchEntity", "The "+name+" cannot be found.")
		refused(root, w.iam.ListPoliciesGrantingServiceAccess, &iam.ListPoliciesGrantingServiceAccessInput{Arn: &s, ServiceNamespaces: []string{"s3"}}, "NoSuchEntity", "The "+name+" cannot be found.")
	}
	for _, s := range []string{"arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:policy/x", "arn:aws:sts::111122223333:assumed-role/r/s", "arn:aws:iam::x:user/alice", "arn:aws:iam::111122223333:user", "not an ARN at all, but long"} {
		refused(root, w.iam.SimulatePrincipalPolicy, source(s), "InvalidInput", "Invalid Entity Arn: "+s+" does not clearly define entity type and name.")
	}
	// Another account is not ours to look into, not even for root.
	denied(w.rootOf(theirs), w.iam.SimulatePrincipalPolicy, onAlice)
	denied(w.rootOf(theirs), w.iam.GetContextKeysForPrincipalPolicy, keys)
	denied(w.rootOf(theirs), w.iam.ListPoliciesGrantingServiceAccess, grants)
}

func TestSimulationPages(t *testing.T) {
	w := newWorld(t)
	in := iam.SimulateCustomPolicyInput{PolicyInputList: []string{allow("*", "*")}, MaxItems: aws.Int32(2)}
	for i := range 5 {
		in.ActionNames = append(in.ActionNames, fmt.Sprintf("s3:Get%d", i))
	}
	walk := func() (seen []string, pages int) {
		t.Helper()
		in.Marker = nil
		for {
			out := do(w.root(), w.iam.SimulateCustomPolicy, &in)
			for _, r := range out.EvaluationResults {
				seen = append(seen, *r.EvalActionName)
			}
			pages++
			if !out.IsTruncated {
				return seen, pages
			}
			in.Marker = out.Marker
		}
	}
	if seen, pages := walk(); pages != 3 || !slices.Equal(seen, in.ActionNames) {
		t.Errorf("%d pages: %q", pages, seen)
	}
	in.Marker = aws.String("x")
	refused(w.root(), w.iam.SimulateCustomPolicy, &in, "ValidationError", "Invalid Marker.")

	// What costs much comes in more pages, and what costs too much not at all.
	in.MaxItems, in.ActionNames = nil, in.ActionNames[:2]
	in.PolicyInputList = []string{allow("*", "arn:aws:s3:::"+strings.Repeat("?a", 50_000))}
	in.ResourceArns = nil
	for i := range 3 {
		in.ResourceArns = append(in.ResourceArns, fmt.Sprintf("arn:aws:s3:::%s%d", strings.Repeat("a", 2000), i))
	}
	if seen, pages := walk(); pages != 2 || !slices.Equal(seen, in.ActionNames) {
		t.Errorf("%d pages: %q", pages, seen)
	}
	in.Marker = nil
	for i := range 10 {
		in.ResourceArns = append(in.ResourceArns, fmt.Sprintf("arn:aws:s3:::%s%d", strings.Repeat("b", 2000), i))
	}
	refused(w.root(), w.iam.SimulateCustomPolicy, &in, "InvalidInput", "The simulation is too large. Give fewer or shorter resources, context values or policies at a time.")

	// So does what has much to tell.
	many := strings.Repeat(`{"Effect":"Allow","Action":"*","Resource":"*"},`, 2000)
	in.PolicyInputList = []string{`{"Version":"2012-10-17","Statement":[` + strings.TrimSuffix(many, ",") + `]}`}
	in.ResourceArns = []string{"arn:aws:s3:::a", "arn:aws:s3:::b"}
	in.ActionNames = []string{"s3:Get0", "s3:Get1", "s3:Get2"}
	if seen, pages := walk(); pages != 2 || !slices.Equal(seen, in.ActionNames) {
		t.Errorf("%d pages: %q", pages, seen)
	}
	// One action cannot be told in two pages.
	in.Marker, in.ResourceArns = nil, nil
	for i := range maxMatchedOfAction/2000 + 1 {
		in.ResourceArns = append(in.ResourceArns, fmt.Sprintf("arn:aws:s3:::b%d", i))
	}
	refused(w.root(), w.iam.SimulateCustomPolicy, &in, "InvalidInput", "The simulation is too large. Give fewer or shorter resources, context values or policies at a time.")
}

func TestContextKeys(t *testing.T) {
	w := newWorld(t)
	w.user("alice")
	w.group("devs")
	w.join("alice", "devs")
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:us-west-2:123456789012:table/${aws:username}-${*}",
		"Condition":{"DateGreaterThan":{"aws:CurrentTime":"2015-08-16T12:00:00Z"},"StringLike":{"AWS:CurrentTime":"x","s3:prefix":["home/${aws:PrincipalTag/team, 'none'}"]},
		"ArnLike":{"aws:SourceArn":"arn:aws:s3:::${aws:userid}"}}}]}`
	got := do(w.root(), w.iam.GetContextKeysForCustomPolicy, &iam.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{text}})
	same(t, "keys", got.ContextKeyNames, []string{"aws:CurrentTime", "aws:PrincipalTag/team", "aws:SourceArn", "aws:userid", "aws:username", "s3:prefix"})
	// An old policy's ${…} is plain text.
	got = do(w.root(), w.iam.GetContextKeysForCustomPolicy, &iam.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{strings.Replace(text, "2012-10-17", "2008-10-17", 1)}})
	same(t, "keys", got.ContextKeyNames, []string{"aws:CurrentTime", "aws:SourceArn", "s3:prefix"})
	got = do(w.root(), w.iam.GetContextKeysForCustomPolicy, &iam.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{allow("*", "*")}})
	same(t, "none", got.ContextKeyNames, []string{})
	refused(w.root(), w.iam.GetContextKeysForCustomPolicy, &iam.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{"{}"}}, "InvalidInput", "PolicyInputList.1, line 1, column 1: Syntax errors in policy.")

	w.may("alice", allowIf("a:b", "*", `{"Bool":{"aws:SecureTransport":"true"}}`))
	do(w.root(), w.iam.PutGroupPolicy, &iam.PutGroupPolicyInput{GroupName: aws.String("devs"), PolicyName: aws.String("p"), PolicyDocument: aws.String(allowIf("a:b", "*", `{"StringEquals":{"aws:RequestedRegion":"x"}}`))})
	do(w.root(), w.iam.PutUserPermissionsBoundary, &iam.PutUserPermissionsBoundaryInput{UserName: aws.String("alice"), PermissionsBoundary: aws.String(w.policy("b", allowIf("a:b", "*", `{"Bool":{"aws:ViaAWSService":"true"}}`)))})
	of := func(source string, more ...string) []string {
		t.Helper()
		return do(w.root(), w.iam.GetContextKeysForPrincipalPolicy, &iam.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: &source, PolicyInputList: more}).ContextKeyNames
	}
	same(t, "of alice", of(userARN("alice")), []string{"aws:RequestedRegion", "aws:SecureTransport"})
	same(t, "of devs", of(groupARN("devs")), []string{"aws:RequestedRegion"})
	same(t, "and more", of(groupARN("devs"), allow("a:b", "arn:aws:s3:::${aws:userid}")), []string{"aws:RequestedRegion", "aws:userid"})
	refused(w.root(), w.iam.GetContextKeysForPrincipalPolicy, &iam.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: aws.String(userARN("alice")), PolicyInputList: []string{"x"}},
		"InvalidInput", "PolicyInputList.1, line 1, column 1: This policy contains invalid Json")
}

func TestListPoliciesGrantingServiceAccess(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	w.user("alice")
	w.group("devs")
	w.join("alice", "devs")
	w.role("r")
	managed := w.policy("reads", allow("s3:Get*", "*"))
	do(root, w.iam.AttachUserPolicy, &iam.AttachUserPolicyInput{UserName: aws.String("alice"), PolicyArn: &managed})
	do(root, w.iam.AttachGroupPolicy, &iam.AttachGroupPolicyInput{GroupName: aws.String("devs"), PolicyArn: &managed})
	do(root, w.iam.AttachRolePolicy, &iam.AttachRolePolicyInput{RoleName: aws.String("r"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
	do(root, w.iam.PutGroupPolicy, &iam.PutGroupPolicyInput{GroupName: aws.String("devs"), PolicyName: aws.String("queue"), PolicyDocument: aws.String(allow("SQS:SendMessage", "*"))})
	do(root, w.iam.PutUserPolicy, &iam.PutUserPolicyInput{UserName: aws.String("alice"), PolicyName: aws.String("others"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["s3:*","sqs:SendMessage"],"Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*"}]}`)})
	do(root, w.iam.PutUserPermissionsBoundary, &iam.PutUserPermissionsBoundaryInput{UserName: aws.String("alice"), PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})

	list := func(a string, namespaces ...string) (rows []string) {
		t.Helper()
		out := do(root, w.iam.ListPoliciesGrantingServiceAccess, &iam.ListPoliciesGrantingServiceAccessInput{Arn: &a, ServiceNamespaces: namespaces})
		for _, e := range out.PoliciesGrantingServiceAccess {
			row := *e.ServiceNamespace + ":"
			for _, p := range e.Policies {
				row += fmt.Sprint(" ", *p.PolicyName, " ", p.PolicyType, " ", p.EntityType, " ", aws.ToString(p.EntityName), " ", aws.ToString(p.PolicyArn), ";")
			}
			rows = append(rows, row)
		}
		return rows
	}
	reads := " reads MANAGED   " + managed + ";"
	same(t, "of alice", list(userARN("alice"), "s3", "sqs", "ec2"), []string{"s3:" + reads, "sqs: others INLINE USER alice ; queue INLINE GROUP devs ;", "ec2: others INLINE USER alice ;"})
	same(t, "of devs", list(groupARN("devs"), "ec2", "s3"), []string{"ec2:", "s3:" + reads})
	same(t, "of r", list(roleARN("r"), "anything"), []string{"anything: AdministratorAccess MANAGED   arn:aws:iam::aws:policy/AdministratorAccess;"})

	// Pages are of a hundred services.
	in := &iam.ListPoliciesGrantingServiceAccessInput{Arn: aws.String(roleARN("r"))}
	for i := range 150 {
		in.ServiceNamespaces = append(in.ServiceNamespaces, fmt.Sprintf("s%d", i))
	}
	first := do(root, w.iam.ListPoliciesGrantingServiceAccess, in)
	in.Marker = first.Marker
	second := do(root, w.iam.ListPoliciesGrantingServiceAccess, in)
	if !first.IsTruncated || second.IsTruncated || len(first.PoliciesGrantingServiceAccess) != 100 || len(second.PoliciesGrantingServiceAccess) != 50 || *second.PoliciesGrantingServiceAccess[49].ServiceNamespace != "s149" {
		t.Errorf("%d, then %d", len(first.PoliciesGrantingServiceAccess), len(second.PoliciesGrantingServiceAccess))
	}
}

// T122: the simulator says what enforcement does, of users and roles, with
// boundaries, tags, resource and trust policies, within an account and across.
func TestT122_SimulationAgreesWithEnforcement(t *testing.T) {
	w := newWorld(t)
	var counts [3]int
	rapid.Check(t, func(t *rapid.T) {
		w.empty(t)
		q := drawQuestion(t, w)
		var want authz.Result
		var trace *policy.Trace
		w.view(func(r store.Reader) (err error) {
			if want, err = w.authz.Decide(r, q.caller, &q.check, &q.env); err == nil {
				trace, err = w.authz.Explain(r, q.caller, &q.check, &q.env)
			}
			return err
		})
		in := &iam.SimulatePrincipalPolicyInput{
			PolicySourceArn: &q.caller.PrincipalARN, ActionNames: []string{q.check.Action}, ResourceArns: []string{q.check.Resource},
			ResourceOwner: aws.String(string(q.check.Account)), ResourcePolicy: q.resourcePolicy,
		}
		for _, k := range trace.Context { // exactly the request's keys
			kind := types.ContextKeyTypeEnumString
			if k.Key == "aws:TagKeys" {
				kind = types.ContextKeyTypeEnumStringList
			}
			in.ContextEntries = append(in.ContextEntries, entry(k.Key, kind, k.Values...))
		}
		got := do(w.root(), w.iam.SimulatePrincipalPolicy, in).EvaluationResults[0]
		if string(got.EvalDecision) != want.Effect.String() {
			t.Fatalf("simulated %s, enforced %s by %s\n%s\n%s", got.EvalDecision, want.Effect, want.Layer, asJSON(in), asJSON(got))
		}
		if want.Allowed && len(got.MatchedStatements) == 0 || want.Effect == policy.ExplicitDeny && len(got.MatchedStatements) == 0 {
			t.Fatalf("%s by no statement: %s", got.EvalDecision, asJSON(got))
		}
		counts[want.Effect]++
	})
	for effect, n := range counts {
		if n == 0 {
			t.Errorf("no case was %s: %v", policy.Effect(effect), counts)
		}
	}
}

// question is a request of a user or of a role's session.
type question struct {
	caller         *authn.Principal
	check          authz.Check
	env            authz.Environment
	resourcePolicy *string
}

func drawQuestion(t *rapid.T, w *world) question {
	root := w.root()
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	oneIn := func(n int, label string) bool { return rapid.IntRange(1, n).Draw(t, label) == 1 }
	resource := func() string {
		return pick("resource", "*", "*", "arn:aws:iam::111122223333:role/*", "arn:aws:iam::111122223333:user/${aws:username}", "arn:aws:s3:::b/${aws:PrincipalTag/team}", "arn:aws:iam::444455556666:role/far")
	}
	condition := func() any {
		op := pick("operator", "StringEquals", "StringNotEquals", "StringLikeIfExists", "ForAllValues:StringEquals", "ForAnyValue:StringLike", "StringEqualsIgnoreCase")
		key := pick("key", "aws:username", "aws:PrincipalTag/team", "aws:TagKeys", "aws:PrincipalArn", "aws:ResourceAccount", "aws:userid", "aws:RequestTag/team")
		value := pick("value", "alice", "red", "*", "${aws:username}", "team", "arn:aws:iam::111122223333:user/alice", "111122223333", "${aws:PrincipalTag/team}")
		return map[string]any{op: map[string]any{key: value},
			"BoolIfExists":    map[string]any{"aws:MultiFactorAuthPresent": pick("MFA", "true", "true", "false")},
			"DateGreaterThan": map[string]any{"aws:CurrentTime": pick("date", "2020-01-01", "2020-01-01", "2030-01-01")},
			"IpAddress":       map[string]any{"aws:SourceIp": pick("block", "198.51.100.0/24", "0.0.0.0/0", "10.0.0.0/8")}}
	}
	document := func(principals, trust bool) string {
		var list []any
		for range rapid.IntRange(1, 3).Draw(t, "statements") {
			s := map[string]any{"Effect": pick("effect", "Allow", "Allow", "Allow", "Deny")}
			if trust {
				s["Action"] = pick("trusted", "sts:AssumeRole", "sts:AssumeRole*", "sts:TagSession")
			} else {
				s["Action"] = pick("pattern", "*", "*", "iam:*", "iam:Get*", "s3:GetObject", "sts:AssumeRole")
				s["Resource"] = resource()
			}
			if principals {
				s["Principal"] = map[string]any{"AWS": pick("principal", "*", "111122223333", userARN("alice"), roleARN("r"), userARN("bob"))}
			}
			if oneIn(3, "conditional") {
				s["Condition"] = condition()
			}
			list = append(list, s)
		}
		b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": list})
		if err != nil {
			t.Fatalf("%v", err)
		}
		return string(b)
	}

	var boundary *string
	if oneIn(3, "bounded") {
		boundary = aws.String(w.policy("boundary", document(false, false)))
	}
	tags := []types.Tag{tag("team", pick("team", "red", "blue"))}
	q := question{env: authz.Environment{Now: w.now, SourceIP: netip.MustParseAddr("198.51.100.7"), UserAgent: "x", Secure: true, Region: "us-east-1", Partition: "aws"}}
	if rapid.Bool().Draw(t, "a role") {
		do(root, w.iam.CreateRole, &iam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(trusting(string(ours))), PermissionsBoundary: boundary, Tags: tags})
		do(root, w.iam.PutRolePolicy, &iam.PutRolePolicyInput{RoleName: aws.String("r"), PolicyName: aws.String("p"), PolicyDocument: aws.String(document(false, false))})
		r := w.roleRecord("r")
		w.view(func(rd store.Reader) (err error) {
			q.caller, err = authn.OfSession(rd, &session.Session{Kind: session.Role, Account: ours, PrincipalID: r.ID, Name: "ci", Issued: w.now, Expires: w.now.Add(time.Hour), MFAKnown: true}, "aws")
			return err
		})
	} else {
		do(root, w.iam.CreateUser, &iam.CreateUserInput{UserName: aws.String("alice"), PermissionsBoundary: boundary, Tags: tags})
		w.group("devs")
		w.join("alice", "devs")
		do(root, w.iam.PutGroupPolicy, &iam.PutGroupPolicyInput{GroupName: aws.String("devs"), PolicyName: aws.String("p"), PolicyDocument: aws.String(document(false, false))})
		w.may("alice", document(false, false))
		managed := w.policy("managed", document(false, false))
		do(root, w.iam.AttachUserPolicy, &iam.AttachUserPolicyInput{UserName: aws.String("alice"), PolicyArn: &managed})
		q.caller = w.as("alice").p
		if oneIn(2, "MFA") {
			q.caller = w.as("alice").inSession().p
		}
	}
	q.check = authz.Check{
		Action:   pick("action", "iam:GetUser", "s3:GetObject", "sts:AssumeRole", "iam:CreateRole"),
		Resource: pick("asked", "*", "arn:aws:iam::111122223333:user/alice", "arn:aws:iam::111122223333:role/r", "arn:aws:s3:::b/red", "arn:aws:iam::444455556666:role/far"),
		Account:  ours,
	}
	if strings.Contains(q.check.Resource, string(theirs)) {
		q.check.Account = theirs
	} else if q.check.Resource[0] == '*' || strings.Contains(q.check.Resource, "s3") {
		q.check.Account = arn.AccountID(pick("owner", string(ours), string(theirs)))
	}
	if oneIn(2, "tagged") {
		q.check = q.check.WithRequestTags([]identity.Tag{{Key: "team", Value: pick("tag", "red", "blue")}})
	}
	if oneIn(2, "resource policy") {
		kind, trust := policy.ResourcePolicy, q.check.Action == "sts:AssumeRole"
		if trust {
			kind = policy.TrustPolicy
		}
		text := document(true, trust)
		doc, err := policy.Parse(text, kind)
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		q.resourcePolicy, q.check.Trust = &text, trust
		q.check.ResourcePolicy = policy.NewSet([]policy.Attached{{Source: policy.Source{Type: policy.SourceResource}, Document: doc}})
	}
	return q
}

func BenchmarkSimulate(b *testing.B) {
	w := newWorld(b)
	w.user("alice")
	for i := range 10 {
		managed := w.policy(fmt.Sprintf("p%d", i), allowIf("s3:Get*", fmt.Sprintf("arn:aws:s3:::bucket%d/*", i), `{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}`))
		do(w.root(), w.iam.AttachUserPolicy, &iam.AttachUserPolicyInput{UserName: aws.String("alice"), PolicyArn: &managed})
	}
	in := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(userARN("alice"))}
	for i := range 100 {
		in.ActionNames = append(in.ActionNames, fmt.Sprintf("s3:GetThing%d", i))
	}
	for i := range 10 {
		in.ResourceArns = append(in.ResourceArns, fmt.Sprintf("arn:aws:s3:::bucket%d/x", i))
	}
	for b.Loop() {
		if out := do(w.root(), w.iam.SimulatePrincipalPolicy, in); len(out.EvaluationResults) != 100 {
			b.Fatal(len(out.EvaluationResults))
		}
	}
}
