package lanyard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/lanyardtest"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

const (
	reads  = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:Get*","s3:Put*"],"Resource":"*"}}`
	bounds = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}}`
	trusts = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}}`
)

// tested is a server with the policy Readers, alice who has it, bob who is bounded by
// it and may all, and carol who has nothing.
func tested(t *testing.T) (*lanyardtest.Lanyard, *iam.Client, string) {
	t.Helper()
	l := lanyardtest.New(t)
	client := iam.NewFromConfig(l.Config())
	made, err := client.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("Readers"), Path: aws.String("/team/"), PolicyDocument: aws.String(reads)})
	if err != nil {
		t.Fatal(err)
	}
	arn := made.Policy.Arn
	for _, name := range []string{"alice", "bob", "carol"} {
		if _, err := client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.AttachUserPolicy(t.Context(), &iam.AttachUserPolicyInput{UserName: aws.String("alice"), PolicyArn: arn}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutUserPermissionsBoundary(t.Context(), &iam.PutUserPermissionsBoundaryInput{UserName: aws.String("bob"), PermissionsBoundary: arn}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.AttachUserPolicy(t.Context(), &iam.AttachUserPolicyInput{UserName: aws.String("bob"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")}); err != nil {
		t.Fatal(err)
	}
	return l, client, *arn
}

func expecting(l *lanyardtest.Lanyard, user, action, expected string) lanyard.PolicyTest {
	test := lanyard.PolicyTest{Action: &action, Expected: &expected}
	if user != "" {
		test.PrincipalArn = aws.String("arn:aws:iam::" + l.Account + ":user/" + user)
	}
	return test
}

// Tests run on the version in force and on a draft that nobody has yet, through everything
// that bears on the principal.
func TestPolicyTests(t *testing.T) {
	l, client, policy := tested(t)
	c := clientFor(l, l.AccessKeyID, l.SecretAccessKey)
	assume := expecting(l, "bob", "sts:AssumeRole", "denied")
	assume.ResourcePolicy, assume.ResourceArn = aws.String(trusts), aws.String("arn:aws:iam::"+l.Account+":role/r")
	trusted := assume
	trusted.Context = []lanyard.PolicyTestKey{{Key: aws.String("aws:MultiFactorAuthPresent"), Values: []string{"true"}}}
	tests := []lanyard.PolicyTest{
		expecting(l, "alice", "s3:PutObject", "allowed"), expecting(l, "bob", "s3:PutObject", "allowed"), expecting(l, "bob", "iam:CreateUser", "implicitDeny"),
		expecting(l, "carol", "s3:GetObject", "denied"), expecting(l, "", "s3:PutObject", "allowed"), assume, trusted, expecting(l, "nobody", "s3:GetObject", "denied"),
	}
	got, err := lanyard.Call[lanyard.GetPolicyTestsOutput](t.Context(), c, &lanyard.GetPolicyTestsInput{PolicyArn: &policy})
	if err != nil || len(got.Tests) != 0 || got.By != nil {
		t.Fatalf("before: %+v, %v", got, err)
	}
	if _, err := lanyard.Call[lanyard.PutPolicyTestsOutput](t.Context(), c, &lanyard.PutPolicyTestsInput{PolicyArn: &policy, LockToken: got.LockToken, Tests: tests}); err != nil {
		t.Fatal(err)
	}
	run := func(draft string) string {
		t.Helper()
		in := &lanyard.RunPolicyTestsInput{PolicyArn: &policy}
		if draft != "" {
			in.PolicyDocument = &draft
		}
		out, err := lanyard.Call[lanyard.RunPolicyTestsOutput](t.Context(), c, in)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for i := range out.Results {
			r := &out.Results[i]
			fmt.Fprintf(&b, "%s %s: %s %v %v\n", aws.ToString(r.Test.PrincipalArn)[max(0, strings.LastIndex(aws.ToString(r.Test.PrincipalArn), "/")):], *r.Test.Action, aws.ToString(r.Decision), *r.Passed, *r.Attached)
		}
		fmt.Fprintf(&b, "%d %d", *out.Passed, *out.Failed)
		return b.String()
	}
	if got, want := run(""), `/alice s3:PutObject: allowed true true
/bob s3:PutObject: allowed true true
/bob iam:CreateUser: implicitDeny true true
/carol s3:GetObject: implicitDeny true false
 s3:PutObject: allowed true true
/bob sts:AssumeRole: implicitDeny true true
/bob sts:AssumeRole: implicitDeny true true
/nobody s3:GetObject:  false false
7 1`; got != want {
		t.Errorf("in force:\n%s", got)
	}
	// The draft stands in for the policy, as permissions and as boundary, and for nothing else.
	if got, want := run(bounds), `/alice s3:PutObject: implicitDeny false true
/bob s3:PutObject: implicitDeny false true
/bob iam:CreateUser: implicitDeny true true
/carol s3:GetObject: implicitDeny true false
 s3:PutObject: implicitDeny false true
/bob sts:AssumeRole: implicitDeny true true
/bob sts:AssumeRole: implicitDeny true true
/nobody s3:GetObject:  false false
4 4`; got != want {
		t.Errorf("of the draft:\n%s", got)
	}
	if got := run(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:*","sts:AssumeRole"],"Resource":"*"}}`); !strings.Contains(got, "/bob sts:AssumeRole: implicitDeny true true\n/bob sts:AssumeRole: allowed false true\n") {
		t.Errorf("of a boundary that lets bob assume, who is trusted with MFA:\n%s", got)
	}

	// It is on the trail, with the policy.
	trail := cloudtrail.NewFromConfig(l.Config())
	events, err := trail.LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range events.Events {
		seen[*e.EventName] = seen[*e.EventName] || len(e.Resources) == 1 && *e.Resources[0].ResourceName == policy
	}
	if !seen["PutPolicyTests"] || !seen["RunPolicyTests"] {
		t.Errorf("on the trail: %v", seen)
	}

	// Tests go with their policy: one of the same name has none.
	for _, user := range []string{"alice"} {
		if _, err := client.DetachUserPolicy(t.Context(), &iam.DetachUserPolicyInput{UserName: &user, PolicyArn: &policy}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.DeleteUserPermissionsBoundary(t.Context(), &iam.DeleteUserPermissionsBoundaryInput{UserName: aws.String("bob")}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeletePolicy(t.Context(), &iam.DeletePolicyInput{PolicyArn: &policy}); err != nil {
		t.Fatal(err)
	}
	if _, err := lanyard.Call[lanyard.GetPolicyTestsOutput](t.Context(), c, &lanyard.GetPolicyTestsInput{PolicyArn: &policy}); !strings.HasPrefix(code(err), "ResourceNotFoundException") {
		t.Errorf("of a policy that is gone: %v", err)
	}
	if _, err := client.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("Readers"), Path: aws.String("/team/"), PolicyDocument: aws.String(reads)}); err != nil {
		t.Fatal(err)
	}
	if got := run(""); got != "0 0" {
		t.Errorf("a new policy of the name has tests:\n%s", got)
	}
}

// What is wrong changes nothing and is said.
func TestPolicyTestsHaveBounds(t *testing.T) {
	l, _, policy := tested(t)
	c := clientFor(l, l.AccessKeyID, l.SecretAccessKey)
	good := expecting(l, "alice", "s3:GetObject", "allowed")
	put := func(change func(*lanyard.PutPolicyTestsInput)) error {
		in := &lanyard.PutPolicyTestsInput{PolicyArn: &policy, Tests: []lanyard.PolicyTest{good}}
		change(in)
		_, err := lanyard.Call[lanyard.PutPolicyTestsOutput](t.Context(), c, in)
		return err
	}
	with := func(change func(*lanyard.PolicyTest)) func(*lanyard.PutPolicyTestsInput) {
		return func(in *lanyard.PutPolicyTestsInput) { change(&in.Tests[0]) }
	}
	if err := put(func(in *lanyard.PutPolicyTestsInput) { in.LockToken = aws.String("0") }); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*lanyard.PutPolicyTestsInput)
		says   string
	}{
		"changed meanwhile": {func(in *lanyard.PutPolicyTestsInput) { in.LockToken = aws.String("0") }, "ConcurrentModificationException"},
		"none":              {func(in *lanyard.PutPolicyTestsInput) { in.Tests = []lanyard.PolicyTest{} }, "ValidationException"},
		"too many":          {func(in *lanyard.PutPolicyTestsInput) { in.Tests = make([]lanyard.PolicyTest, 101) }, "ValidationException"},
		"too large": {func(in *lanyard.PutPolicyTestsInput) {
			good := good
			good.ResourceArn = aws.String("arn:aws:s3:::" + strings.Repeat("x", 2000))
			for range 20 {
				in.Tests = append(in.Tests, good)
			}
		}, "LimitExceededException"},
		"AWS's own": {func(in *lanyard.PutPolicyTestsInput) {
			in.PolicyArn = aws.String("arn:aws:iam::aws:policy/IAMFullAccess")
		}, "AWS manages"},
		"no policy": {func(in *lanyard.PutPolicyTestsInput) { in.PolicyArn = good.PrincipalArn }, "is no ARN of a policy"},
		"another path": {func(in *lanyard.PutPolicyTestsInput) {
			in.PolicyArn = aws.String(strings.Replace(policy, "/team/", "/", 1))
		}, "ResourceNotFoundException"},
		"another account": {func(in *lanyard.PutPolicyTestsInput) {
			in.PolicyArn = aws.String("arn:aws:iam::444455556666:policy/team/Readers")
		}, "ResourceNotFoundException"},
		"a foreign principal":   {with(func(p *lanyard.PolicyTest) { p.PrincipalArn = aws.String("arn:aws:iam::444455556666:user/alice") }), "is not of account"},
		"a group":               {with(func(p *lanyard.PolicyTest) { p.PrincipalArn = aws.String("arn:aws:iam::" + l.Account + ":group/g") }), "no ARN of a user or a role"},
		"a wildcard":            {with(func(p *lanyard.PolicyTest) { p.Action = aws.String("s3:*") }), "without wildcards"},
		"no ARN":                {with(func(p *lanyard.PolicyTest) { p.ResourceArn = aws.String("bucket") }), "neither an ARN"},
		"another answer":        {with(func(p *lanyard.PolicyTest) { p.Expected = aws.String("maybe") }), "ValidationException"},
		"no answer":             {with(func(p *lanyard.PolicyTest) { p.Expected = nil }), "ValidationException"},
		"two lines":             {with(func(p *lanyard.PolicyTest) { p.Name = aws.String("a\nb") }), "on one line"},
		"a broken trust policy": {with(func(p *lanyard.PolicyTest) { p.ResourcePolicy = aws.String("{}") }), "the resource's policy"},
		"no value":              {with(func(p *lanyard.PolicyTest) { p.Context = []lanyard.PolicyTestKey{{Key: aws.String("a:b")}} }), "ValidationException"},
	} {
		if err := put(c.change); !strings.Contains(code(err), c.says) {
			t.Errorf("%s: %s, want %s", name, code(err), c.says)
		}
	}
	got, err := lanyard.Call[lanyard.GetPolicyTestsOutput](t.Context(), c, &lanyard.GetPolicyTestsInput{PolicyArn: &policy})
	if err != nil || len(got.Tests) != 1 || *got.Tests[0].Action != "s3:GetObject" || *got.By != administrator {
		t.Errorf("kept: %+v, %v", got, err)
	}
	if err := put(func(in *lanyard.PutPolicyTestsInput) { in.LockToken = got.LockToken }); err != nil {
		t.Errorf("with the token: %v", err)
	}
	_, err = lanyard.Call[lanyard.RunPolicyTestsOutput](t.Context(), c, &lanyard.RunPolicyTestsInput{PolicyArn: &policy, PolicyDocument: aws.String("{\n}")})
	if !strings.Contains(code(err), "PolicyDocument, line 1, column 1") {
		t.Errorf("a broken draft: %v", code(err))
	}
	if _, err := lanyard.Call[lanyard.DeletePolicyTestsOutput](t.Context(), c, &lanyard.DeletePolicyTestsInput{PolicyArn: &policy}); err != nil {
		t.Error(err)
	}
}

// What tests cost is bounded: those beyond are not run, and say so, and those before are.
func TestRunPolicyTestsHasABudget(t *testing.T) {
	l, _, policy := tested(t)
	var resources []string
	for i := range 2000 {
		resources = append(resources, fmt.Sprintf(`"arn:aws:s3:::bucket-%04d/*%s"`, i, strings.Repeat("x", 20)))
	}
	draft := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":[` + strings.Join(resources, ",") + `]}}`
	test := expecting(l, "", "s3:GetObject", "denied")
	test.ResourceArn = aws.String("arn:aws:s3:::b/" + strings.Repeat("y", 2000))
	tests := make([]lanyard.PolicyTest, 12)
	for i := range tests {
		tests[i] = test
	}
	out, err := lanyard.Call[lanyard.RunPolicyTestsOutput](t.Context(), clientFor(l, l.AccessKeyID, l.SecretAccessKey), &lanyard.RunPolicyTestsInput{PolicyArn: &policy, PolicyDocument: &draft, Tests: tests})
	if err != nil {
		t.Fatal(err)
	}
	first, last := out.Results[0], out.Results[len(tests)-1]
	if !aws.ToBool(first.Passed) || aws.ToBool(last.Passed) || last.Decision != nil || !strings.Contains(aws.ToString(last.Verdict), "was not run") {
		t.Errorf("the first: %v %s, the last: %v %s", *first.Passed, *first.Verdict, *last.Passed, *last.Verdict)
	}
	if *out.Passed == 0 || *out.Failed == 0 || int(*out.Passed+*out.Failed) != len(tests) {
		t.Errorf("%d passed, %d failed", *out.Passed, *out.Failed)
	}
}

// What the principal's other policies say is not told: whoever may simulate does not learn
// it either.
func TestRunPolicyTestsIsDiscreet(t *testing.T) {
	l, client, policy := tested(t)
	if _, err := client.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: aws.String("alice"), PolicyName: aws.String("own"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessage*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/secret":"swordfish"}}},{"Effect":"Deny","Action":"s3:PutObjectAcl*","Resource":"*"}]}`)}); err != nil {
		t.Fatal(err)
	}
	c := newUser(t, l, "runner", "lanyard:RunPolicyTests", "iam:SimulatePrincipalPolicy", "iam:GetPolicyVersion")
	out, err := lanyard.Call[lanyard.RunPolicyTestsOutput](t.Context(), c, &lanyard.RunPolicyTestsInput{PolicyArn: &policy, Tests: []lanyard.PolicyTest{
		expecting(l, "alice", "sqs:SendMessage", "allowed"), expecting(l, "alice", "s3:PutObjectAcl", "allowed"), expecting(l, "alice", "s3:PutObject", "denied"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for i := range out.Results {
		r := &out.Results[i]
		said = append(append(append(said, *r.Verdict), r.Because...), r.Changes...)
	}
	all := strings.Join(said, "\n")
	for _, secret := range []string{"swordfish", "SendMessage*", "PutObjectAcl*"} {
		if strings.Contains(all, secret) {
			t.Errorf("%s is told:\n%s", secret, all)
		}
	}
	for _, says := range []string{"nearest is own[1], line 1", "own[2], line 1", "Readers[1], line 1, allows s3:Get*, s3:Put*"} {
		if !strings.Contains(all, says) {
			t.Errorf("%q is not told:\n%s", says, all)
		}
	}
}

// To run tests is to look into what others may do: it takes the permissions of simulating. And
// whoever may not read the policy, or its tests, has to bring them.
func TestRunPolicyTestsAsksForSimulating(t *testing.T) {
	l, _, policy := tested(t)
	alice, alone := expecting(l, "alice", "s3:GetObject", "allowed"), expecting(l, "", "s3:GetObject", "allowed")
	admin := clientFor(l, l.AccessKeyID, l.SecretAccessKey)
	if _, err := lanyard.Call[lanyard.PutPolicyTestsOutput](t.Context(), admin, &lanyard.PutPolicyTestsInput{PolicyArn: &policy, Tests: []lanyard.PolicyTest{alice, alone}}); err != nil {
		t.Fatal(err)
	}
	run, principal, custom, document, tests := "lanyard:RunPolicyTests", "iam:SimulatePrincipalPolicy", "iam:SimulateCustomPolicy", "iam:GetPolicyVersion", "lanyard:GetPolicyTests"
	for i, c := range []struct {
		may   []string
		draft bool
		tests []lanyard.PolicyTest // nil: those that are kept
		says  string
	}{
		{may: []string{principal, custom, document, tests}, says: run},
		{may: []string{run, custom, document, tests}, says: principal},
		{may: []string{run, principal, document, tests}, says: custom},
		{may: []string{run, principal, custom, tests}, says: document},
		{may: []string{run, principal, custom, document}, says: tests},
		{may: []string{run, principal, custom, document, tests}, says: "<nil>"},
		{may: []string{run, principal, custom, tests}, draft: true, says: "<nil>"},
		{may: []string{run, principal}, draft: true, tests: []lanyard.PolicyTest{alone}, says: custom},
		{may: []string{run, principal}, draft: true, tests: []lanyard.PolicyTest{alice}, says: "<nil>"},
	} {
		in := &lanyard.RunPolicyTestsInput{PolicyArn: &policy, Tests: c.tests}
		if c.draft {
			in.PolicyDocument = aws.String(reads)
		}
		_, err := lanyard.Call[lanyard.RunPolicyTestsOutput](t.Context(), newUser(t, l, fmt.Sprint("runner", i), c.may...), in)
		if !strings.Contains(code(err), c.says) {
			t.Errorf("%d: %s, want %s", i, code(err), c.says)
		}
	}
}

// A lock token of tests that were deleted is not that of what was kept since, however soon.
func TestLockTokenOfPolicyTests(t *testing.T) {
	l, _, policy := tested(t)
	c := clientFor(l, l.AccessKeyID, l.SecretAccessKey)
	put := func(action string, token *string) (*string, error) {
		in := &lanyard.PutPolicyTestsInput{PolicyArn: &policy, LockToken: token, Tests: []lanyard.PolicyTest{expecting(l, "alice", action, "allowed")}}
		out, err := lanyard.Call[lanyard.PutPolicyTestsOutput](t.Context(), c, in)
		if err != nil {
			return nil, err
		}
		return out.LockToken, nil
	}
	first, err := put("s3:GetObject", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := lanyard.Call[lanyard.GetPolicyTestsOutput](t.Context(), c, &lanyard.GetPolicyTestsInput{PolicyArn: &policy}); err != nil || *got.LockToken != *first {
		t.Fatalf("token %v and not %s, %v", got, *first, err)
	}
	if _, err := lanyard.Call[lanyard.DeletePolicyTestsOutput](t.Context(), c, &lanyard.DeletePolicyTestsInput{PolicyArn: &policy}); err != nil {
		t.Fatal(err)
	}
	if _, err := put("s3:PutObject", aws.String("0")); err != nil {
		t.Fatal(err)
	}
	if _, err := put("s3:GetObject", first); err == nil || !strings.Contains(err.Error(), "ConcurrentModificationException") {
		t.Errorf("a token from before: %v", err)
	}
}
