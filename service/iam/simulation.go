package iam

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/service"
)

// maxSimulationWork bounds what one answer of the simulator may cost. It is counted
// as characters of policies times characters of what they are compared with, which
// is what the worst patterns take; a page ends early then. Ordinary policies are
// hundreds of times cheaper.
const maxSimulationWork = 1 << 30

// maxMatchedStatements is how many statements a page names before it ends early.
const maxMatchedStatements = 5000

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
		return none, invalidInput("The simulation is too large. Give fewer or shorter resources, context values or policies at a time.")
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
			result := q.evaluate(simulator, q.actions[i], h)
			for j := range result.ResourceSpecificResults {
				statements += len(result.ResourceSpecificResults[j].MatchedStatements)
			}
			if !yield(cursor, result) {
				return nil
			}
		}
		return nil
	})
}

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
	switch types.ContextKeyTypeEnum(single) {
	case types.ContextKeyTypeEnumString:
		return policy.StringKey, list, true
	case types.ContextKeyTypeEnumNumeric:
		return policy.NumericKey, list, true
	case types.ContextKeyTypeEnumBoolean:
		return policy.BooleanKey, list, true
	case types.ContextKeyTypeEnumDate:
		return policy.DateKey, list, true
	case types.ContextKeyTypeEnumBinary:
		return policy.BinaryKey, list, true
	case types.ContextKeyTypeEnumIp:
		return policy.IPKey, list, true
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

// evaluate asks about one action on all resources.
func (q *simulated) evaluate(simulator *authz.Simulator, action string, h *authz.Hypothesis) types.EvaluationResult {
	bounded, organized := h.Boundary != nil, h.SCPs != nil
	inOrganization := true
	results := make([]types.ResourceSpecificResult, len(q.resources))
	for i := range q.resources {
		answer := simulator.Ask(action, q.resources[i])
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
	out := summarize(results)
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
	return out
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

// entityARN is the ARN of a user, group or role, taken apart; id is its unique id, if
// that is known.
type entityARN struct {
	text, path, name, id string
	account              arn.AccountID
	kind                 identity.EntityType
}

func parseEntityARN(s string) (entityARN, error) {
	a, err := arn.Parse(s)
	account, notAccount := arn.ParseAccountID(a.Account)
	kind, path, name := a.Split()
	switch e := (entityARN{text: s, path: path, name: name, account: account, kind: identity.EntityType(kind)}); e.kind {
	case identity.TypeUser, identity.TypeGroup, identity.TypeRole:
		if err == nil && notAccount == nil && a.Service == "iam" && a.Region == "" && name != "" {
			return e, nil
		}
	}
	return entityARN{}, invalidInput("Invalid Entity Arn: %s does not clearly define entity type and name.", s)
}

// findEntity finds the user, group or role of an ARN, which must be right in path and
// case, too.
func findEntity(c *service.Call, text string) (*bearer, error) {
	e, err := parseEntityARN(text)
	if err != nil {
		return nil, err
	}
	b, err := findBearer(c, e.kind, e.name)
	if err != nil {
		return nil, err
	}
	if b.arn(c.Scope) != text {
		return nil, noSuchEntity("The %s with name %s cannot be found.", e.kind, e.name)
	}
	return b, nil
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

// onEntity states that an operation asks about the user, group or role whose ARN get
// finds in its input.
func onEntity[I any](get func(*I) *string) checks[I] {
	return func(c *service.Call, in *I) ([]authz.Check, error) {
		name := *get(in)
		e, err := parseEntityARN(name)
		if err != nil {
			return nil, err
		}
		asked := authz.Check{Resource: name, Account: e.account}
		if e.account != c.Scope.Account {
			return []authz.Check{asked}, nil
		}
		check, _, err := checkBearer(c, e.kind, e.name)
		if err != nil {
			return nil, err
		}
		if check.Resource != name { // of the entity that is meant nothing is known
			check = asked
		}
		return []authz.Check{check}, nil
	}
}

// maySimulateText asks for an operation on policies that come with the request.
func maySimulateText[I any](*service.Call, *I) ([]authz.Check, error) {
	return []authz.Check{authz.On("*")}, nil
}
