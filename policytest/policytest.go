// Package policytest owns what is expected of policies: a test is a request with the answer
// that it should get, and is judged by the engine that decides about real requests. It has
// the file in which people keep tests beside their policies, and its reports.
//
// Whose policies are asked is not known here: a file brings documents, the server has
// principals, package service/lanyard keeps tests with a policy.
package policytest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/policy"
)

// Test is a request and the answer that is expected.
type Test struct {
	Name      string
	Principal string // ARN of a user or a role; empty: whoever has the policies
	Action    string
	Resource  string // an ARN or "*"
	Context   []Key  // condition keys
	// ResourcePolicy is the document of the resource's own policy, or of a role's trust
	// policy, and ResourceOwner the account of a resource whose ARN names none.
	ResourcePolicy string
	ResourceOwner  string
	Expect         Expect
}

// Key is a condition key with its values.
type Key struct {
	Name   string
	Values []string
}

// Expect is an expected answer.
type Expect string

// The expected answers. Denied is met by either kind of denial.
const (
	Allowed      Expect = "allowed"
	Denied       Expect = "denied"
	ExplicitDeny Expect = "explicitDeny"
	ImplicitDeny Expect = "implicitDeny"
)

// Met tells whether a decision, as the policy simulator calls it, is the expected one.
func (e Expect) Met(decision string) bool {
	return string(e) == decision || e == Denied && (decision == string(ExplicitDeny) || decision == string(ImplicitDeny))
}

// Check says what is wrong with a test.
func (t *Test) Check() error {
	prefix, name, _ := strings.Cut(t.Action, ":")
	if prefix == "" || name == "" || strings.ContainsAny(t.Action, "*?$ ") || strings.Contains(name, ":") {
		return fmt.Errorf("the action %q is none: it is service:Operation, without wildcards", t.Action)
	}
	if _, err := arn.Parse(t.Resource); err != nil && t.Resource != "*" {
		return fmt.Errorf("the resource %q is neither an ARN nor *", t.Resource)
	}
	if !slices.Contains([]Expect{Allowed, Denied, ExplicitDeny, ImplicitDeny}, t.Expect) {
		return fmt.Errorf("what is expected is allowed, denied, explicitDeny or implicitDeny, not %q", string(t.Expect))
	}
	if t.Principal != "" {
		if _, err := Caller(t.Principal); err != nil {
			return err
		}
	}
	if t.ResourceOwner != "" {
		if _, err := arn.ParseAccountID(t.ResourceOwner); err != nil {
			return fmt.Errorf("the owner %q is no account id", t.ResourceOwner)
		}
	}
	if t.ResourcePolicy != "" {
		if t.Principal == "" {
			return errors.New("the policy of a resource is about who asks: say which principal")
		}
		if _, _, err := resourceSide(t.ResourcePolicy); err != nil {
			return fmt.Errorf("the resource's policy: %w", err)
		}
	}
	return t.setKeys(&policy.Context{})
}

// Caller is the user or role that an ARN names, as far as the ARN tells.
func Caller(text string) (*authn.Principal, error) {
	a, err := arn.Parse(text)
	account, notAccount := arn.ParseAccountID(a.Account)
	kind, path, name := a.Split()
	if err != nil || notAccount != nil || a.Service != "iam" || a.Region != "" || name == "" || kind != "user" && kind != "role" {
		return nil, fmt.Errorf("the principal %q is no ARN of a user or a role", text)
	}
	p := &authn.Principal{Kind: authn.AssumedRole, Account: account, Name: name, Path: path, PrincipalARN: text}
	if kind == "user" { // of a role, neither the session's ARN nor its aws:userid is known
		p.Kind, p.ARN = authn.User, text
	}
	return p, nil
}

// resourceSide reads the policy of a resource, which is a role's trust policy if its
// statements have no Resource.
func resourceSide(text string) (set *policy.Set, trust bool, err error) {
	source := policy.Source{Type: policy.SourceResource, ID: "resource policy"}
	doc, err := policy.Parse(text, policy.ResourcePolicy)
	if err != nil {
		var notTrust error
		if doc, notTrust = policy.Parse(text, policy.TrustPolicy); notTrust != nil {
			return nil, false, err
		}
		trust, source = true, policy.Source{Type: policy.SourceTrust, ID: "trust policy"}
	}
	return policy.NewSet([]policy.Attached{{Source: source, Document: doc}}), trust, nil
}

func (t *Test) setKeys(ctx *policy.Context) error {
	seen := map[string]bool{}
	for _, k := range t.Context {
		folded := strings.ToLower(k.Name)
		if k.Name == "" || seen[folded] {
			return fmt.Errorf("the context key %q is empty, or there twice", k.Name)
		}
		seen[folded] = true
		ok := len(k.Values) > 0
		if len(k.Values) == 1 {
			ok = ctx.SetTyped(k.Name, KeyType(k.Name), k.Values[0])
		} else if ok {
			ok = ctx.SetTypedList(k.Name, KeyType(k.Name), k.Values)
		}
		if !ok {
			return fmt.Errorf("%q is no value of the context key %s", strings.Join(k.Values, ", "), k.Name)
		}
	}
	return nil
}

// KeyType is the type of a condition key: AWS's own that are no text are known.
func KeyType(key string) policy.KeyType {
	switch strings.ToLower(key) {
	case "aws:multifactorauthpresent", "aws:securetransport", "aws:viaawsservice", "aws:principalisawsservice":
		return policy.BooleanKey
	case "aws:multifactorauthage", "aws:epochtime", "s3:max-keys", "iam:servicespecificcredentialagedays":
		return policy.NumericKey
	case "aws:sourceip", "aws:vpcsourceip":
		return policy.IPKey
	case "aws:currenttime", "aws:tokenissuetime":
		return policy.DateKey
	}
	return policy.StringKey
}

// Result is what became of a test.
type Result struct {
	Decision string // allowed, explicitDeny or implicitDeny; empty: it could not be decided
	Passed   bool
	// Verdict is what decided, in a line; of a test that could not be judged, why.
	Verdict string
	// Because are the statements that decided, or the one that comes nearest to allowing it,
	// with the lines on which they stand. Missing
	// are the condition keys that statements ask for and the test does not give.
	Because []string
	Missing []string
	// Changes is the least that would have to change for a denied request to be allowed.
	Changes []string
}

// Discreet tells of a policy that whoever asks may not read it: a result names its
// statements and their places, and not what they say. nil tells so of none.
type Discreet func(*policy.TracedPolicy) bool

// Unjudged is the result of a test that cannot be judged.
func Unjudged(format string, args ...any) Result {
	return Result{Verdict: fmt.Sprintf(format, args...)}
}

// maxBecause is how many statements a result names.
const maxBecause = 8

// Judge holds the test against the policies of h. What h does not know of the caller, the
// principal's ARN says.
func (t *Test) Judge(h authz.Hypothesis, discreet Discreet) (Result, error) {
	if discreet == nil {
		discreet = func(*policy.TracedPolicy) bool { return false }
	}
	says := func(s *policy.TracedStatement) string {
		if discreet(&s.Policy) {
			return s.Where()
		}
		return s.Where() + ", " + s.Does()
	}
	if h.Caller == nil && t.Principal != "" {
		caller, err := Caller(t.Principal)
		if err != nil {
			return Result{}, err
		}
		h.Caller, h.Account = caller, caller.Account
	}
	if t.ResourcePolicy != "" {
		var err error
		if h.Resource, h.Trust, err = resourceSide(t.ResourcePolicy); err != nil {
			return Result{}, err
		}
	}
	h.Owner = cmp.Or(arn.AccountID(t.ResourceOwner), h.Owner)
	h.Given = t.setKeys
	simulator, err := authz.NewSimulator(&h)
	if err != nil {
		return Result{}, err
	}
	answer, trace := simulator.Ask(t.Action, t.Resource), simulator.Explain(t.Action, t.Resource)
	r := Result{Decision: answer.Effect.String(), Verdict: trace.Verdict(), Missing: answer.Missing}
	for _, said := range []string{"implicit deny: ", "explicit deny ", "allowed "} { // by Decision
		r.Verdict = strings.TrimPrefix(r.Verdict, said)
	}
	r.Passed = t.Expect.Met(r.Decision)
	for i := range trace.Layers {
		if l := &trace.Layers[i]; answer.Effect == policy.ImplicitDeny && l.Layer == answer.Layer && len(l.Matched) == 0 && len(l.Near) > 0 && len(r.Because) == 0 {
			r.Because = append(r.Because, "nearest is "+says(&l.Near[0]))
		}
		for j := range trace.Layers[i].Matched {
			s := &trace.Layers[i].Matched[j]
			if decides := answer.Effect == policy.ExplicitDeny && s.Effect == "Deny" || answer.Allowed && s.Effect == "Allow"; decides && len(r.Because) < maxBecause {
				r.Because = append(r.Because, says(s))
			}
		}
	}
	for _, change := range trace.Suggest() {
		if change.Policy == nil || !discreet(change.Policy) {
			r.Changes = append(r.Changes, change.Text)
		}
	}
	return r, nil
}

// Cost is what it costs to judge a test at most: characters of policies times characters of
// what they are compared with, which is what the worst patterns take.
func (t *Test) Cost(h *authz.Hypothesis) int {
	policies := len(t.ResourcePolicy)
	add := func(docs []policy.Attached) {
		for i := range docs {
			policies += len(strings.TrimLeft(docs[i].Document.Text(), "\n")) // those of a file begin on its lines
		}
	}
	add(h.Identity)
	for _, set := range append([]*policy.Set{h.Boundary}, h.SCPs...) {
		if set != nil {
			add(set.Documents())
		}
	}
	request := len(t.Action) + len(t.Resource)
	for _, k := range t.Context {
		for _, v := range k.Values {
			request += len(v)
		}
	}
	return policies * request
}

// MaxCost bounds what all tests that are judged together cost. Ordinary ones are hundreds of
// times cheaper.
const MaxCost = 1 << 30
