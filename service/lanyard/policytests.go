package lanyard

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/policytest"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
)

// maxPolicyTests is how large the tests of one policy may be together, in bytes.
const maxPolicyTests = 32 << 10

// Tests are kept with a policy, not with the account: whoever changes the policy is who has
// to know what it is for, sees them beside it, and has them run on the draft before it is
// saved. They go with the policy.
type (
	// PolicyTest is a request and the answer that is expected: allowed, denied,
	// explicitDeny or implicitDeny. Without PrincipalArn only the policy itself is asked,
	// otherwise all policies of that user or role, its boundary included.
	PolicyTest struct {
		Name, PrincipalArn, Action, ResourceArn, ResourcePolicy, ResourceOwner, Expected *string

		Context []PolicyTestKey
	}
	// PolicyTestKey is a condition key with its values.
	PolicyTestKey struct {
		Key    *string
		Values []string
	}

	// GetPolicyTestsInput names a customer managed policy.
	GetPolicyTestsInput struct{ PolicyArn *string }
	// GetPolicyTestsOutput are its tests. LockToken tells this state of them from others;
	// By and Changed are absent if none were ever saved.
	GetPolicyTestsOutput struct {
		Tests         []PolicyTest
		LockToken, By *string
		Changed       *time.Time
	}
	// PutPolicyTestsInput replaces all tests of a policy, with a LockToken only if they are
	// still those that came with it.
	PutPolicyTestsInput struct {
		PolicyArn, LockToken *string
		Tests                []PolicyTest
	}
	// PutPolicyTestsOutput has the new LockToken.
	PutPolicyTestsOutput struct{ LockToken *string }
	// DeletePolicyTestsInput names a policy, whose tests all go.
	DeletePolicyTestsInput struct{ PolicyArn *string }
	// DeletePolicyTestsOutput is empty.
	DeletePolicyTestsOutput struct{}

	// RunPolicyTestsInput runs the tests of a policy, or others, on the version in force or
	// on a draft, which nobody has yet.
	RunPolicyTestsInput struct {
		PolicyArn, PolicyDocument *string
		Tests                     []PolicyTest
	}
	// RunPolicyTestsOutput are the results in the order of the tests.
	RunPolicyTestsOutput struct {
		Results        []PolicyTestResult
		Passed, Failed *int32
	}
	// PolicyTestResult is what became of a test. Decision is allowed, explicitDeny or
	// implicitDeny, absent if it could not be judged; Verdict says what decided. Attached
	// tells whether the principal has the policy.
	PolicyTestResult struct {
		Test                             PolicyTest
		Decision, Verdict                *string
		Passed, Attached                 *bool
		Because, MissingContext, Changes []string
	}
)

// GetPolicyTests returns the tests of a policy.
func (s *Service) GetPolicyTests(c *service.Call, in *GetPolicyTestsInput) (*GetPolicyTestsOutput, error) {
	p, err := testedPolicy(c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	kept, err := keptTests(c, p)
	if err != nil {
		return nil, err
	}
	out := &GetPolicyTestsOutput{Tests: []PolicyTest{}, LockToken: lockToken(kept)}
	if kept.Revision > 0 {
		out.By, out.Changed = &kept.By, &kept.At
	}
	for i := range kept.Tests {
		out.Tests = append(out.Tests, testShown(&kept.Tests[i]))
	}
	return out, nil
}

// PutPolicyTests replaces the tests of a policy.
func (s *Service) PutPolicyTests(c *service.Call, in *PutPolicyTestsInput) (*PutPolicyTestsOutput, error) {
	p, err := testedPolicy(c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	kept, err := keptTests(c, p)
	if err != nil {
		return nil, err
	}
	if in.LockToken != nil && *in.LockToken != *lockToken(kept) {
		return nil, &service.Error{Code: "ConcurrentModificationException", Status: http.StatusConflict, Message: "The tests were changed meanwhile. Read them again."}
	}
	set := &identity.PolicyTestSet{By: who(c.Principal), At: c.Now.UTC().Truncate(time.Second), Revision: kept.Revision + 1}
	for i := range in.Tests {
		t, err := testGiven(c, i, &in.Tests[i])
		if err != nil {
			return nil, err
		}
		set.Tests = append(set.Tests, *t)
	}
	text, err := json.Marshal(set)
	if err != nil {
		return nil, err
	}
	if len(text) > maxPolicyTests {
		return nil, limitExceeded("The tests of a policy have at most %d bytes together. These have %d.", maxPolicyTests, len(text))
	}
	onRecord(c, p)
	return &PutPolicyTestsOutput{LockToken: lockToken(set)}, identity.PolicyTests.Put(c.Tx, set, c.Account(), p.ID)
}

// DeletePolicyTests deletes the tests of a policy, if it has any.
func (s *Service) DeletePolicyTests(c *service.Call, in *DeletePolicyTestsInput) (*DeletePolicyTestsOutput, error) {
	p, err := testedPolicy(c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	onRecord(c, p)
	identity.PolicyTests.Delete(c.Tx, c.Account(), p.ID)
	return &DeletePolicyTestsOutput{}, nil
}

// RunPolicyTests judges tests by the engine that decides about real requests.
func (s *Service) RunPolicyTests(c *service.Call, in *RunPolicyTestsInput) (*RunPolicyTestsOutput, error) {
	p, err := testedPolicy(c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	onRecord(c, p)
	text := p.DefaultDocument()
	if in.PolicyDocument != nil {
		text = *in.PolicyDocument
	}
	draft, err := policy.Parse(text, policy.ManagedPolicy)
	if syntax, ok := errors.AsType[*policy.SyntaxError](err); ok {
		return nil, service.Invalid("PolicyDocument, line %d, column %d: %s", syntax.Line, syntax.Column, syntax.Message)
	}
	if err != nil {
		return nil, err
	}
	tests, err := testsToRun(c, p, in)
	if err != nil {
		return nil, err
	}
	run := testRun{s: s, c: c, policy: p, draft: draft, known: map[string]*asked{}}
	out := &RunPolicyTestsOutput{Results: []PolicyTestResult{}, Passed: new(int32), Failed: new(int32)}
	for i := range tests {
		result, attached, err := run.judge(&tests[i])
		if err != nil {
			return nil, err
		}
		if result.Passed {
			*out.Passed++
		} else {
			*out.Failed++
		}
		shown := PolicyTestResult{
			Test: testShown(&tests[i]), Verdict: &result.Verdict, Passed: &result.Passed, Attached: &attached,
			Because: result.Because, MissingContext: result.Missing, Changes: result.Changes,
		}
		if result.Decision != "" {
			shown.Decision = &result.Decision
		}
		out.Results = append(out.Results, shown)
	}
	return out, nil
}

// testRun runs the tests of one policy.
type testRun struct {
	s      *Service
	c      *service.Call
	policy *identity.Policy
	draft  *policy.Document
	known  map[string]*asked
	cost   int
}

// asked is by what a principal's tests are judged; nil: there is no such principal.
type asked struct {
	authz.Hypothesis
	attached bool
}

func (r *testRun) judge(record *identity.PolicyTest) (policytest.Result, bool, error) {
	t := asTest(record)
	h, ok := r.known[t.Principal]
	if !ok {
		var err error
		if h, err = r.hypothesis(t.Principal); err != nil {
			return policytest.Result{}, false, err
		}
		r.known[t.Principal] = h
	}
	if h == nil {
		return policytest.Unjudged("there is no %s", t.Principal), false, nil
	}
	if r.cost += t.Cost(&h.Hypothesis); r.cost > policytest.MaxCost {
		// An error would keep the tests before it from being seen, and a draft from being saved.
		return policytest.Unjudged("the tests are too many for so large policies: this one was not run"), h.attached, nil
	}
	result, err := t.Judge(h.Hypothesis, r.discreet)
	return result, h.attached, err
}

// discreet tells of policies that the caller may not read: to run tests, as to simulate,
// takes no permission to see what the principal's other policies say.
func (r *testRun) discreet(p *policy.TracedPolicy) bool {
	return p.ARN != r.policy.ARN("aws") && p.Type != policy.SourceResource && p.Type != policy.SourceTrust
}

// hypothesis are the policies of a principal, with the draft in place of the policy.
func (r *testRun) hypothesis(principal string) (*asked, error) {
	c := r.c
	key := r.policy.ARN("aws") // as policies are known in records
	draft := policy.Attached{Source: policy.Source{Type: policy.SourceCustomerManaged, ID: r.policy.Name, ARN: key}, Document: r.draft}
	h := &asked{Hypothesis: authz.Hypothesis{Account: c.Scope.Account, Now: c.Now}}
	if principal == "" {
		h.Identity, h.attached = []policy.Attached{draft}, true
		return h, nil
	}
	who, err := policytest.Caller(principal)
	if err != nil {
		return nil, err
	}
	id, tags, err := principalOf(c, principal)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if who.ID = id; who.Kind == authn.User {
		who.UserID = id
	}
	own, err := r.s.config.Authz.PoliciesOf(c.Reader, id)
	if err != nil {
		return nil, err
	}
	h.Caller, h.Tags, h.Identity, h.Boundary = who, tags, own.Identity, own.Boundary
	for i := range h.Identity {
		if h.Identity[i].Source.ARN == key {
			h.Identity[i].Document, h.attached = r.draft, true
		}
	}
	if own.Boundary != nil {
		bounds := slices.Clone(own.Boundary.Documents())
		for i := range bounds {
			if bounds[i].Source.ARN == key {
				bounds[i].Document, h.attached = r.draft, true
			}
		}
		h.Boundary = policy.NewSet(bounds)
	}
	return h, nil
}

// principalOf finds a user or role by its ARN, which has to be exact.
func principalOf(c *service.Call, text string) (id string, tags []identity.Tag, err error) {
	a, err := arn.Parse(text)
	if err != nil {
		return "", nil, store.ErrNotFound
	}
	found := ""
	switch kind, _, name := a.Split(); kind {
	case "user":
		var u *identity.User
		if u, err = identity.FindUser(c.Reader, c.Scope.Account, name); err == nil {
			id, tags, found = u.ID, u.Tags, u.ARN(c.Scope.Partition)
		}
	default:
		var r *identity.Role
		if r, err = identity.FindRole(c.Reader, c.Scope.Account, name); err == nil {
			id, tags, found = r.ID, r.Tags, r.ARN(c.Scope.Partition)
		}
	}
	if err == nil && found != text {
		err = store.ErrNotFound
	}
	return id, tags, err
}

// policyNamed finds a customer managed policy of the account by its ARN, or returns
// store.ErrNotFound.
func policyNamed(c *service.Call, text string) (*identity.Policy, error) {
	a, err := arn.Parse(text)
	kind, _, name := a.Split()
	if err != nil || a.Service != "iam" || kind != "policy" || name == "" {
		return nil, service.Invalid("%s is no ARN of a policy.", text)
	}
	if a.Account == "aws" {
		return nil, service.Invalid("A policy that AWS manages has no tests: nobody here changes it.")
	}
	p, err := identity.Policies.Get(c.Reader, c.Account(), identity.Fold(name))
	if err == nil && p.ARN(c.Scope.Partition) != text {
		err = store.ErrNotFound
	}
	return p, err
}

func testedPolicy(c *service.Call, text string) (*identity.Policy, error) {
	p, err := policyNamed(c, text)
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("Policy %s does not exist.", text)
	}
	return p, err
}

func onRecord(c *service.Call, p *identity.Policy) {
	c.Event.Resources = []audit.Resource{{ARN: p.ARN(c.Scope.Partition), AccountID: c.Scope.Account, Type: "AWS::IAM::Policy"}}
}

func keptTests(c *service.Call, p *identity.Policy) (*identity.PolicyTestSet, error) {
	kept, err := identity.PolicyTests.Get(c.Reader, c.Account(), p.ID)
	if errors.Is(err, store.ErrNotFound) {
		return &identity.PolicyTestSet{}, nil
	}
	return kept, err
}

// lockToken tells the states of a set apart, also those before and after all were deleted.
func lockToken(set *identity.PolicyTestSet) *string {
	if set.Revision == 0 {
		return aws.String("0")
	}
	text, err := json.Marshal(set)
	if err != nil {
		panic(err) // strings, numbers and times
	}
	sum := sha256.Sum256(text)
	return aws.String(base64.RawURLEncoding.EncodeToString(sum[:16]))
}

// testsToRun are the tests of the request, or else those of the policy.
func testsToRun(c *service.Call, p *identity.Policy, in *RunPolicyTestsInput) ([]identity.PolicyTest, error) {
	if in.Tests == nil {
		kept, err := keptTests(c, p)
		return kept.Tests, err
	}
	var tests []identity.PolicyTest
	for i := range in.Tests {
		t, err := testGiven(c, i, &in.Tests[i])
		if err != nil {
			return nil, err
		}
		tests = append(tests, *t)
	}
	return tests, nil
}

// testGiven checks a test of a request.
func testGiven(c *service.Call, i int, in *PolicyTest) (*identity.PolicyTest, error) {
	t := &identity.PolicyTest{
		Name: strings.TrimSpace(aws.ToString(in.Name)), Principal: aws.ToString(in.PrincipalArn), Action: aws.ToString(in.Action), Resource: cmp.Or(aws.ToString(in.ResourceArn), "*"),
		ResourcePolicy: aws.ToString(in.ResourcePolicy), ResourceOwner: aws.ToString(in.ResourceOwner), Expected: aws.ToString(in.Expected),
	}
	for _, k := range in.Context {
		t.Context = append(t.Context, identity.PolicyTestKey{Key: aws.ToString(k.Key), Values: k.Values})
	}
	if strings.ContainsFunc(t.Name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return nil, service.Invalid("Test %d: its name is to be on one line.", i+1)
	}
	test := asTest(t)
	if err := test.Check(); err != nil {
		return nil, service.Invalid("Test %d: %v.", i+1, err)
	}
	if caller, err := policytest.Caller(t.Principal); err == nil && caller.Account != c.Scope.Account {
		return nil, service.Invalid("Test %d: %s is not of account %s.", i+1, t.Principal, c.Account())
	}
	return t, nil
}

func asTest(t *identity.PolicyTest) *policytest.Test {
	test := &policytest.Test{
		Name: t.Name, Principal: t.Principal, Action: t.Action, Resource: t.Resource,
		ResourcePolicy: t.ResourcePolicy, ResourceOwner: t.ResourceOwner, Expect: policytest.Expect(t.Expected),
	}
	for _, k := range t.Context {
		test.Context = append(test.Context, policytest.Key{Name: k.Key, Values: k.Values})
	}
	return test
}

func testShown(t *identity.PolicyTest) PolicyTest {
	optional := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	out := PolicyTest{
		Name: optional(t.Name), PrincipalArn: optional(t.Principal), Action: &t.Action, ResourceArn: &t.Resource,
		ResourcePolicy: optional(t.ResourcePolicy), ResourceOwner: optional(t.ResourceOwner), Expected: &t.Expected,
	}
	for i := range t.Context {
		out.Context = append(out.Context, PolicyTestKey{Key: &t.Context[i].Key, Values: t.Context[i].Values})
	}
	return out
}

// onTested asks about a policy by its ARN; whether it exists is told to those who may ask.
func onTested[I any](get func(*I) *string) func(*service.Call, *I) ([]authz.Check, error) {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		name := *get(in)
		check := authz.On(name)
		p, err := policyNamed(c, name)
		switch {
		case err == nil:
			check = check.WithResourceTags(p.Tags)
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
		return []authz.Check{check}, nil
	}
}

// mayRunPolicyTests asks, beside its own action, for what simulating the same takes: a test
// tells what its principal may do. What the caller does not bring, the answer tells: so they
// must be allowed to read that.
func mayRunPolicyTests(c *service.Call, in *RunPolicyTestsInput) ([]authz.Check, error) {
	checks, err := onTested(func(in *RunPolicyTestsInput) *string { return in.PolicyArn })(c, in)
	if err != nil {
		return nil, err
	}
	if in.PolicyDocument == nil {
		checks = append(checks, checks[0].WithAction("iam:GetPolicyVersion"))
	}
	if in.Tests == nil {
		checks = append(checks, checks[0].WithAction("lanyard:GetPolicyTests"))
	}
	var tests []identity.PolicyTest
	if p, err := policyNamed(c, *in.PolicyArn); err == nil {
		if tests, err = testsToRun(c, p, in); err != nil {
			return nil, err
		}
	}
	seen := map[string]bool{}
	for i := range tests {
		who := tests[i].Principal
		if seen[who] {
			continue
		}
		seen[who] = true
		if who == "" {
			checks = append(checks, authz.On("*").WithAction("iam:SimulateCustomPolicy"))
			continue
		}
		_, tags, err := principalOf(c, who)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		checks = append(checks, authz.On(who).WithAction("iam:SimulatePrincipalPolicy").WithResourceTags(tags))
	}
	return checks, nil
}
