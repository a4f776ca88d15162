package iam

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/service"
)

// maxSimulationWork bounds what one answer of the simulator may cost. It is counted
// as characters of policies times characters of what they are compared with, which
// is what the worst patterns take; a page ends early then. Ordinary policies are
// hundreds of times cheaper.
const maxSimulationWork = 1 << 30

// How many statements a page names before it ends early, and how many one action may
// have on all resources together: a policy can have thousands, each of which is named
// for each resource.
const (
	maxMatchedStatements = 5000
	maxMatchedOfAction   = 50_000
)

// SimulateCustomPolicy decides about hypothetical requests by policies given as text.
func (s *Service) SimulateCustomPolicy(c *service.Call, in *iam.SimulateCustomPolicyInput) (*iam.SimulateCustomPolicyOutput, error) {
	q := simulated{
		actions: in.ActionNames, resources: in.ResourceArns, policies: in.PolicyInputList, boundaries: in.PermissionsBoundaryPolicyInputList,
		scps: in.OrderedOrganizationPolicyInputList, resourcePolicy: in.ResourcePolicy, resourceOwner: in.ResourceOwner,
		caller: in.CallerArn, handling: in.ResourceHandlingOption, entries: in.ContextEntries,
	}
	page, err := s.simulate(c, in, &q, &authz.Hypothesis{Account: c.Scope.Account, Now: c.Now})
	if err != nil {
		return nil, err
	}
	return &iam.SimulateCustomPolicyOutput{EvaluationResults: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// SimulatePrincipalPolicy decides about hypothetical requests by the policies of a
// user, group or role.
func (s *Service) SimulatePrincipalPolicy(c *service.Call, in *iam.SimulatePrincipalPolicyInput) (*iam.SimulatePrincipalPolicyOutput, error) {
	source, err := findEntity(c, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	excluded, err := parseExclusions(in.PolicyExclusionList)
	if err != nil {
		return nil, err
	}
	own, err := s.authz.PoliciesOf(c.Reader, source.id)
	if err != nil {
		return nil, err
	}
	h := &authz.Hypothesis{
		Account:  c.Scope.Account,
		Identity: slices.DeleteFunc(own.Identity, func(a policy.Attached) bool { return excluded(&a.Source) }),
		Now:      c.Now,
	}
	if own.Boundary != nil && !excluded(&own.Boundary.Documents()[0].Source) {
		h.Boundary = own.Boundary
	}
	q := simulated{
		actions: in.ActionNames, resources: in.ResourceArns, policies: in.PolicyInputList, boundaries: in.PermissionsBoundaryPolicyInputList,
		resourcePolicy: in.ResourcePolicy, resourceOwner: in.ResourceOwner,
		caller: in.CallerArn, handling: in.ResourceHandlingOption, entries: in.ContextEntries, source: source,
	}
	page, err := s.simulate(c, in, &q, h)
	if err != nil {
		return nil, err
	}
	return &iam.SimulatePrincipalPolicyOutput{EvaluationResults: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// GetContextKeysForCustomPolicy lists the condition keys in policies given as text.
func (s *Service) GetContextKeysForCustomPolicy(_ *service.Call, in *iam.GetContextKeysForCustomPolicyInput) (*iam.GetContextKeysForCustomPolicyOutput, error) {
	given, err := parseInputs("PolicyInputList", in.PolicyInputList, policy.InlinePolicy)
	if err != nil {
		return nil, err
	}
	return &iam.GetContextKeysForCustomPolicyOutput{ContextKeyNames: contextKeys(given)}, nil
}

// GetContextKeysForPrincipalPolicy lists the condition keys in the policies of a
// user, group or role.
func (s *Service) GetContextKeysForPrincipalPolicy(c *service.Call, in *iam.GetContextKeysForPrincipalPolicyInput) (*iam.GetContextKeysForPrincipalPolicyOutput, error) {
	source, err := findEntity(c, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	given, err := parseInputs("PolicyInputList", in.PolicyInputList, policy.InlinePolicy)
	if err != nil {
		return nil, err
	}
	own, err := s.authz.PoliciesOf(c.Reader, source.id)
	if err != nil {
		return nil, err
	}
	return &iam.GetContextKeysForPrincipalPolicyOutput{ContextKeyNames: contextKeys(append(own.Identity, given...))}, nil
}

func contextKeys(policies []policy.Attached) []string {
	docs := make([]*policy.Document, len(policies))
	for i := range policies {
		docs[i] = policies[i].Document
	}
	return append([]string{}, policy.ContextKeys(docs...)...)
}

// ListPoliciesGrantingServiceAccess lists, service by service, the policies of a
// user, group or role that allow anything in it.
func (s *Service) ListPoliciesGrantingServiceAccess(c *service.Call, in *iam.ListPoliciesGrantingServiceAccessInput) (*iam.ListPoliciesGrantingServiceAccessOutput, error) {
	source, err := findEntity(c, *in.Arn)
	if err != nil {
		return nil, err
	}
	own, err := s.authz.PoliciesOf(c.Reader, source.id)
	if err != nil {
		return nil, err
	}
	page, err := service.Page(c, s.markers, in, func(after string, yield func(string, types.ListPoliciesGrantingServiceAccessEntry) bool) error {
		for i, namespace := range in.ServiceNamespaces {
			cursor := listIndex(i)
			if cursor <= after {
				continue
			}
			entry := types.ListPoliciesGrantingServiceAccessEntry{ServiceNamespace: aws.String(namespace), Policies: []types.PolicyGrantingServiceAccess{}}
			seen := make(map[string]bool) // a managed policy may hang on a user and on its groups
			for _, a := range own.Identity {
				if a.Document.Grants(namespace) && (a.Source.ARN == "" || !seen[a.Source.ARN]) {
					seen[a.Source.ARN] = true
					entry.Policies = append(entry.Policies, toGrantingPolicy(c, &a.Source))
				}
			}
			if !yield(cursor, entry) {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.ListPoliciesGrantingServiceAccessOutput{PoliciesGrantingServiceAccess: page.Items, IsTruncated: page.IsTruncated, Marker: page.Marker}, nil
}

// listIndex is the cursor of an item in a list that the request itself brings.
func listIndex(i int) string { return fmt.Sprintf("%06d", i) }

// simulate answers page by page: one result for each action.
func (s *Service) simulate(c *service.Call, in any, q *simulated, h *authz.Hypothesis) (service.Paged[types.EvaluationResult], error) {
	var none service.Paged[types.EvaluationResult]
	if err := q.check(); err != nil {
		return none, err
	}
	if err := q.complete(c, h); err != nil {
		return none, err
	}
	simulator, err := authz.NewSimulator(h)
	if err != nil {
		return none, err
	}
	work := q.work(h)
	if work > maxSimulationWork {
		return none, simulationTooLarge()
	}
	return service.Page(c, s.markers, in, func(after string, yield func(string, types.EvaluationResult) bool) error {
		for i, spent, statements := 0, 0, 0; i < len(q.actions); i++ {
			cursor := listIndex(i)
			if cursor <= after {
				continue
			}
			if spent += work; spent > maxSimulationWork || statements > maxMatchedStatements {
				return service.ErrPageFull
			}
			result, named, err := q.evaluate(simulator, q.actions[i], h)
			if err != nil {
				return err
			}
			statements += named
			if !yield(cursor, result) {
				return nil
			}
		}
		return nil
	})
}

func simulationTooLarge() error {
	return invalidInput("The simulation is too large. Give fewer or shorter resources, context values or policies at a time.")
}

// evaluate asks about one action on all resources. It tells how many statements it
// names.
func (q *simulated) evaluate(simulator *authz.Simulator, action string, h *authz.Hypothesis) (out types.EvaluationResult, named int, err error) {
	bounded, organized := h.Boundary != nil, h.SCPs != nil
	inOrganization := true
	results := make([]types.ResourceSpecificResult, len(q.resources))
	for i := range q.resources {
		answer := simulator.Ask(action, q.resources[i])
		if named += len(answer.Matched); named > maxMatchedOfAction {
			return out, 0, simulationTooLarge()
		}
		results[i] = types.ResourceSpecificResult{
			EvalResourceName:     &q.resources[i],
			EvalResourceDecision: toDecision(answer.Effect),
			MatchedStatements:    toStatements(answer.Matched),
			MissingContextValues: append([]string{}, answer.Missing...),
		}
		if bounded {
			results[i].PermissionsBoundaryDecisionDetail = &types.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: answer.Boundary == policy.Allowed}
		}
		if answer.CrossAccount && answer.Layer != policy.LayerSCP {
			results[i].EvalDecisionDetails = decisionDetails(&answer, bounded)
		}
		inOrganization = inOrganization && answer.SCP == policy.Allowed
	}
	out = summarize(results)
	out.EvalActionName = &action
	if organized {
		out.OrganizationsDecisionDetail = &types.OrganizationsDecisionDetail{AllowedByOrganizations: inOrganization}
	}
	if len(q.resources) == 1 && q.resources[0] == "*" {
		out.ResourceSpecificResults = nil
		if len(out.EvalDecisionDetails) == 0 {
			out.EvalDecisionDetails = nil
		}
	}
	return out, named, nil
}

// summarize is the result of an action: that of the resource on which the least is
// allowed, made by the statements that made it there.
func summarize(results []types.ResourceSpecificResult) types.EvaluationResult {
	out := types.EvaluationResult{
		EvalResourceName: aws.String("*"), EvalDecisionDetails: map[string]types.PolicyEvaluationDecisionType{},
		MatchedStatements: []types.Statement{}, ResourceSpecificResults: results,
	}
	if len(results) == 1 {
		out.EvalResourceName = results[0].EvalResourceName
	}
	missing := make(map[string]bool)
	for i := range results {
		out.EvalDecision = stricter(out.EvalDecision, results[i].EvalResourceDecision)
		for _, key := range results[i].MissingContextValues {
			missing[key] = true
		}
		for kind, decision := range results[i].EvalDecisionDetails {
			out.EvalDecisionDetails[kind] = stricter(out.EvalDecisionDetails[kind], decision)
		}
		if d := results[i].PermissionsBoundaryDecisionDetail; d != nil && (out.PermissionsBoundaryDecisionDetail == nil || !d.AllowedByPermissionsBoundary) {
			out.PermissionsBoundaryDecisionDetail = d
		}
	}
	type place struct {
		policy       string
		line, column int32
	}
	seen := make(map[place]bool)
	for i := range results {
		if results[i].EvalResourceDecision != out.EvalDecision {
			continue
		}
		for _, s := range results[i].MatchedStatements {
			at := place{string(s.SourcePolicyType) + *s.SourcePolicyId, s.StartPosition.Line, s.StartPosition.Column}
			if !seen[at] {
				seen[at] = true
				out.MatchedStatements = append(out.MatchedStatements, s)
			}
		}
	}
	out.MissingContextValues = append([]string{}, slices.Sorted(maps.Keys(missing))...)
	return out
}

func toDecision(e policy.Effect) types.PolicyEvaluationDecisionType {
	return types.PolicyEvaluationDecisionType(e.String())
}

// stricter returns the decision that allows less; none at all allows most.
func stricter(a, b types.PolicyEvaluationDecisionType) types.PolicyEvaluationDecisionType {
	for _, d := range []types.PolicyEvaluationDecisionType{types.PolicyEvaluationDecisionTypeExplicitDeny, types.PolicyEvaluationDecisionTypeImplicitDeny} {
		if a == d || b == d {
			return d
		}
	}
	return types.PolicyEvaluationDecisionTypeAllowed
}

// decisionDetails is what each kind of policy says to a request across accounts.
func decisionDetails(a *authz.Simulated, bounded bool) map[string]types.PolicyEvaluationDecisionType {
	details := map[string]types.PolicyEvaluationDecisionType{
		"IAM Policy":      toDecision(a.Identity),
		"Resource Policy": toDecision(a.Resource),
	}
	if bounded {
		details["Permissions Boundary Policy"] = toDecision(a.Boundary)
	}
	return details
}

func toStatements(list []policy.Match) []types.Statement {
	out := make([]types.Statement, len(list))
	for i, m := range list {
		out[i] = types.Statement{
			SourcePolicyId:   aws.String(sourceID(&m.Source)),
			SourcePolicyType: sourceType(&m.Source),
			StartPosition:    &types.Position{Line: int32(m.Start.Line), Column: int32(m.Start.Column)},
			EndPosition:      &types.Position{Line: int32(m.End.Line), Column: int32(m.End.Column)},
		}
	}
	return out
}

// sourceID is how the simulator calls a policy: a managed one by its name, one of
// the request by its place there, an inline one as in user_alice_policy.
func sourceID(s *policy.Source) string {
	if isInline(s) {
		return strings.Replace(s.AttachedTo(), "/", "_", 1) + "_" + s.ID
	}
	return s.ID
}

func isInline(s *policy.Source) bool {
	return s.Type == policy.SourceUserInline || s.Type == policy.SourceGroupInline || s.Type == policy.SourceRoleInline
}

func sourceType(s *policy.Source) types.PolicySourceType {
	switch s.Type {
	case policy.SourceUserInline:
		return types.PolicySourceTypeUser
	case policy.SourceGroupInline:
		return types.PolicySourceTypeGroup
	case policy.SourceRoleInline:
		return types.PolicySourceTypeRole
	case policy.SourceResource, policy.SourceTrust:
		return types.PolicySourceTypeResource
	}
	a, err := arn.Parse(s.ARN) // managed policies, as boundaries too
	switch {
	case err != nil:
		return types.PolicySourceTypeNone
	case a.Account == awsOwner:
		return types.PolicySourceTypeAwsManaged
	}
	return types.PolicySourceTypeUserManaged
}

func toGrantingPolicy(c *service.Call, s *policy.Source) types.PolicyGrantingServiceAccess {
	if !isInline(s) {
		return types.PolicyGrantingServiceAccess{
			PolicyName: &s.ID, PolicyType: types.PolicyTypeManaged, PolicyArn: aws.String(inPartition(s.ARN, c.Scope.Partition)),
		}
	}
	kind, name, _ := strings.Cut(s.AttachedTo(), "/")
	return types.PolicyGrantingServiceAccess{
		PolicyName: &s.ID, PolicyType: types.PolicyTypeInline,
		EntityType: types.PolicyOwnerEntityType(strings.ToUpper(kind)), EntityName: &name,
	}
}

// maySimulateText asks for an operation on policies that come with the request.
func maySimulateText[I any](*service.Call, *I) ([]authz.Check, error) {
	return []authz.Check{authz.On("*")}, nil
}
