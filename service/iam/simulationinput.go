package iam

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/service"
)

// What a simulation is given: its parameters, checked and compiled.

// simulated is the input of both simulations.
type simulated struct {
	actions, resources, policies, boundaries        []string
	scps                                            []types.OrderedOrganizationPolicyType
	resourcePolicy, resourceOwner, caller, handling *string
	entries                                         []types.ContextEntry
	source                                          *bearer // of SimulatePrincipalPolicy
}

// check refuses actions and resources that are none, and sets the default resource.
func (q *simulated) check() error {
	for _, action := range q.actions {
		if prefix, name, _ := strings.Cut(action, ":"); prefix == "" || name == "" || strings.ContainsAny(name, ":") || strings.ContainsAny(action, "*?$ ") {
			return invalidInput("Invalid action name: %s. An action is service:Operation, without wildcards.", action)
		}
	}
	if len(q.resources) == 0 {
		q.resources = []string{"*"}
	}
	kinds := make(map[string]bool) // of EC2 resources
	for _, resource := range q.resources {
		if resource == "*" {
			continue
		}
		a, err := arn.Parse(resource)
		if err != nil {
			return invalidInput("ResourceNames are not in a valid ARN format: %s.", resource)
		}
		if kind, _, _ := a.Split(); a.Service == "ec2" {
			kinds[kind] = true
		}
	}
	if q.handling == nil {
		return nil
	}
	needed := ec2Scenario(*q.handling)
	if len(needed) == 0 {
		return invalidInput("Invalid ResourceHandlingOption: %s", *q.handling)
	}
	for _, kind := range needed {
		if !kinds[kind] {
			return invalidInput("ResourceHandlingOption %s needs a resource of the type %s.", *q.handling, kind)
		}
	}
	return nil
}

// ec2Scenario returns the types of EC2 resource that a ResourceHandlingOption needs,
// none for what is no such option.
func ec2Scenario(option string) (kinds []string) {
	const always = "instance image security-group"
	needed := ""
	switch option {
	case "EC2-Classic-InstanceStore":
		needed = always
	case "EC2-Classic-EBS":
		needed = always + " volume"
	case "EC2-VPC-InstanceStore":
		needed = always + " network-interface"
	case "EC2-VPC-InstanceStore-Subnet":
		needed = always + " network-interface subnet"
	case "EC2-VPC-EBS":
		needed = always + " network-interface volume"
	case "EC2-VPC-EBS-Subnet":
		needed = always + " network-interface subnet volume"
	}
	return strings.Fields(needed)
}

// complete adds to h what the request brings.
func (q *simulated) complete(c *service.Call, h *authz.Hypothesis) error {
	given, err := parseInputs("PolicyInputList", q.policies, policy.InlinePolicy)
	if err != nil {
		return err
	}
	h.Identity = append(h.Identity, given...)
	if len(q.boundaries) > 1 {
		return invalidInput("Only one permissions boundary policy can be given in PermissionsBoundaryPolicyInputList.")
	}
	if len(q.boundaries) == 1 {
		boundary, err := parseInputs("PermissionsBoundaryPolicyInputList", q.boundaries, policy.InlinePolicy)
		if err != nil {
			return err
		}
		h.Boundary = policy.NewSet(boundary)
	}
	for i, level := range q.scps {
		scps, err := parseInputs(fmt.Sprintf("OrderedOrganizationPolicyInputList.%d.ServiceControlPolicyInputList", i+1), level.ServiceControlPolicyInputList, policy.ServiceControlPolicy)
		if err != nil {
			return err
		}
		h.SCPs = append(h.SCPs, policy.NewSet(scps))
	}
	if err := q.identify(c, h); err != nil {
		return err
	}
	if q.resourceOwner != nil {
		if h.Owner, err = parseOwner(*q.resourceOwner); err != nil {
			return err
		}
	}
	h.Given = q.setEntries
	return q.resourceSide(h)
}

// identify sets the caller: of a simulated principal what is on record, of another
// CallerArn only what the ARN itself says, since nobody was asked whether more may
// be known.
func (q *simulated) identify(c *service.Call, h *authz.Hypothesis) error {
	var caller entityARN
	switch {
	case q.source != nil && (q.caller == nil || *q.caller == q.source.arn(c.Scope)):
		caller = entityARN{text: q.source.arn(c.Scope), account: c.Scope.Account, kind: q.source.kind, path: q.source.path, name: q.source.name, id: q.source.id}
		h.Tags = q.source.tags
	case q.caller == nil:
		return nil
	default:
		var err error
		if caller, err = parseEntityARN(*q.caller); err != nil {
			return err
		}
	}
	h.Account = caller.account
	switch caller.kind {
	case identity.TypeUser:
		h.Caller = &authn.Principal{
			Kind: authn.User, Account: caller.account, ID: caller.id, Name: caller.name, Path: caller.path,
			ARN: caller.text, PrincipalARN: caller.text, UserID: caller.id,
		}
	case identity.TypeRole: // neither the session's ARN nor its aws:userid is known
		h.Caller = &authn.Principal{
			Kind: authn.AssumedRole, Account: caller.account, ID: caller.id, Name: caller.name, Path: caller.path,
			PrincipalARN: caller.text,
		}
	}
	return nil
}

// resourceSide sets the resource's policy, which is a role's trust policy if its
// statements have no Resource.
func (q *simulated) resourceSide(h *authz.Hypothesis) error {
	if q.resourcePolicy == nil {
		return nil
	}
	switch {
	case h.Caller != nil:
	case q.source == nil && q.caller == nil:
		return invalidInput("Invalid caller - Caller cannot be null or empty.")
	default: // a group, which is nobody's caller
		return invalidInput("Invalid caller - Caller must be an IAM user or role in this context.")
	}
	source := policy.Source{Type: policy.SourceResource, ID: "ResourcePolicy"}
	doc, err := policy.Parse(*q.resourcePolicy, policy.ResourcePolicy)
	if err != nil {
		trust, notTrust := policy.Parse(*q.resourcePolicy, policy.TrustPolicy)
		if notTrust != nil {
			return malformedInput("ResourcePolicy", err)
		}
		doc, h.Trust, source.Type = trust, true, policy.SourceTrust
	}
	h.Resource = policy.NewSet([]policy.Attached{{Source: source, Document: doc}})
	return nil
}

// setEntries sets the condition keys of the request.
func (q *simulated) setEntries(ctx *policy.Context) error {
	seen := make(map[string]bool)
	for _, e := range q.entries {
		name := aws.ToString(e.ContextKeyName)
		if name == "" {
			return invalidInput("A context entry has no ContextKeyName.")
		}
		if seen[identity.Fold(name)] {
			return invalidInput("The context key %s is given twice.", name)
		}
		seen[identity.Fold(name)] = true
		t, list, ok := contextKeyType(e.ContextKeyType)
		if !ok {
			return invalidInput("The context key %s has no valid ContextKeyType.", name)
		}
		if list {
			ok = ctx.SetTypedList(name, t, e.ContextKeyValues)
		} else {
			ok = len(e.ContextKeyValues) == 1 && ctx.SetTyped(name, t, e.ContextKeyValues[0])
		}
		if !ok {
			return invalidInput("Invalid value for the context key %s of type %s: %s", name, e.ContextKeyType, strings.Join(e.ContextKeyValues, ", "))
		}
	}
	return nil
}

// contextKeyType reads a ContextKeyType.
func contextKeyType(s types.ContextKeyTypeEnum) (t policy.KeyType, list, ok bool) {
	single, list := strings.CutSuffix(string(s), "List")
	for t := policy.StringKey; t <= policy.IPKey; t++ {
		if t.String() == single {
			return t, list, true
		}
	}
	return 0, false, false
}

// work is what one action costs at most.
func (q *simulated) work(h *authz.Hypothesis) int {
	policies, request := 0, 0
	sets := append([]*policy.Set{h.Boundary, h.Resource}, h.SCPs...)
	for _, a := range h.Identity {
		policies += len(a.Document.Text())
	}
	for _, set := range sets {
		if set == nil {
			continue
		}
		for _, a := range set.Documents() {
			policies += len(a.Document.Text())
		}
	}
	entries := 0
	for _, e := range q.entries {
		for _, v := range e.ContextKeyValues {
			entries += len(v)
		}
	}
	const action = 128 // the longest
	for _, resource := range q.resources {
		request += action + len(resource) + entries
	}
	return policies * request
}

// parseInputs compiles policies of a request, called after their place in it.
func parseInputs(list string, texts []string, kind policy.Kind) ([]policy.Attached, error) {
	out := make([]policy.Attached, len(texts))
	for i, text := range texts {
		name := fmt.Sprintf("%s.%d", list, i+1)
		doc, err := policy.Parse(text, kind)
		if err != nil {
			return nil, malformedInput(name, err)
		}
		out[i] = policy.Attached{Source: policy.Source{ID: name}, Document: doc}
	}
	return out, nil
}

func malformedInput(name string, err error) error {
	if syntax, ok := errors.AsType[*policy.SyntaxError](err); ok {
		return invalidInput("%s, line %d, column %d: %s", name, syntax.Line, syntax.Column, syntax.Message)
	}
	return err
}

// parseOwner reads a ResourceOwner: an account's ARN, or its id.
func parseOwner(s string) (arn.AccountID, error) {
	id := s
	if a, err := arn.Parse(s); err == nil && a.Service == "iam" && a.Region == "" && a.Resource == "root" {
		id = a.Account
	}
	account, err := arn.ParseAccountID(id)
	if err != nil {
		return "", invalidInput("'%s' is not a valid as a Resource Owner.", s) // AWS's words
	}
	return account, nil
}

// parseExclusions makes of a PolicyExclusionList the question whether a policy is
// left out.
func parseExclusions(list []types.PolicyIdentifier) (func(*policy.Source) bool, error) {
	var rules []func(*policy.Source) bool
	for _, identifier := range list {
		rule, err := parseExclusion(identifier)
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return func(s *policy.Source) bool {
		return slices.ContainsFunc(rules, func(rule func(*policy.Source) bool) bool { return rule(s) })
	}, nil
}

func parseExclusion(identifier types.PolicyIdentifier) (func(*policy.Source) bool, error) {
	switch id := identifier.(type) {
	case *types.PolicyIdentifierMemberPolicyType:
		return excludeType(id.Value)
	case *types.PolicyIdentifierMemberPolicyArn:
		a, err := arn.Parse(id.Value)
		kind, _, name := a.Split()
		if err != nil || a.Service != "iam" || a.Region != "" || kind != "policy" || name == "" || strings.Count(id.Value, "*") > 1 ||
			strings.ContainsAny(strings.TrimSuffix(id.Value, a.Resource), "*?") {
			return nil, invalidInput("Invalid policy identifier: %s", id.Value)
		}
		a.Partition = canonicalPartition // as in records
		pattern := a.String()
		return func(s *policy.Source) bool {
			return s.Type != policy.SourceBoundary && s.ARN != "" && policy.Glob(pattern, s.ARN)
		}, nil
	case *types.PolicyIdentifierMemberInlinePolicyIdentifier:
		v := id.Value
		name := aws.ToString(v.AttachmentName)
		if name == "" || strings.Count(name, "*") > 1 || aws.ToString(v.PolicyName) == "" || !slices.Contains(v.AttachmentType.Values(), v.AttachmentType) {
			return nil, invalidInput("Invalid inline policy identifier: %s of %s %s", aws.ToString(v.PolicyName), v.AttachmentType, name)
		}
		return func(s *policy.Source) bool {
			return isInline(s) && s.ID == *v.PolicyName && policy.Glob(string(v.AttachmentType)+"/"+name, s.AttachedTo())
		}, nil
	}
	return nil, invalidInput("A policy identifier has exactly one of PolicyType, PolicyArn and InlinePolicyIdentifier.")
}

func excludeType(t types.PolicyIdentifierPolicyType) (func(*policy.Source) bool, error) {
	switch t {
	case types.PolicyIdentifierPolicyTypeInline:
		return isInline, nil
	case types.PolicyIdentifierPolicyTypeAwsManaged:
		return func(s *policy.Source) bool { return s.Type == policy.SourceAWSManaged }, nil
	case types.PolicyIdentifierPolicyTypeUserManaged:
		return func(s *policy.Source) bool { return s.Type == policy.SourceCustomerManaged }, nil
	case types.PolicyIdentifierPolicyTypePermissionBoundary:
		return func(s *policy.Source) bool { return s.Type == policy.SourceBoundary }, nil
	case types.PolicyIdentifierPolicyTypeScp, types.PolicyIdentifierPolicyTypeRcp: // there are none
		return func(*policy.Source) bool { return false }, nil
	}
	return nil, invalidInput("Invalid policy type: %s", cmp.Or(string(t), "none"))
}
