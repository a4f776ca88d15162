package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/lanyard-iam/lanyard/policytest"
)

// simulatorRoutes are the policy simulator. What is asked about somebody's policies is in
// the address, so that it can be shared; a policy that is typed is posted.
func (c *Console) simulatorRoutes() []Route {
	return []Route{
		{Pattern: "GET /simulator", Handle: func(v *Visit) error { return c.simulate(v, v.Query) }},
		{Pattern: "POST /simulator", Handle: func(v *Visit) error { return c.simulate(v, v.Form) }},
	}
}

type simulatorPage struct {
	Custom  bool
	arn     string // whose policies, once it is known
	Tabs    []Tab
	Who     Field
	Editor  *Editor
	Fields  []Field
	Problem *Problem
	Denied  *Denied
	Heads   []string // the resources, if there are several
	Matrix  []simulatedRow
	Results []simulated
	Missing []string
	More    bool // there are results beyond those shown
}

// simulated is the decision about one action on one resource.
type simulated struct {
	Action, Resource string
	Decision         State
	Because          []string
	Missing          []string
	Allow            string // where a policy that allows it begins; empty if it is allowed
}

// simulatedRow is an action with its decision for each resource.
type simulatedRow struct {
	Action string
	Cells  []State
}

const mostSimulated = 1000

// telling are actions by which one sees what sort of power somebody has: over who may do
// what, over data, and over what watches them.
var telling = []string{
	"iam:CreateUser", "iam:CreateAccessKey", "iam:AttachUserPolicy", "iam:PassRole", "iam:ListUsers", "sts:AssumeRole", "cloudtrail:LookupEvents",
	"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "secretsmanager:GetSecretValue", "kms:Decrypt", "ec2:RunInstances", "lambda:InvokeFunction",
}

// couldDo is where one sees what somebody (user/NAME, group/NAME, role/NAME) could do.
func couldDo(who string) string {
	return "/simulator?" + url.Values{"principal": {who}, "actions": {strings.Join(telling, "\n")}}.Encode()
}

func (c *Console) simulate(v *Visit, typed func(string) string) error {
	page := simulatorPage{Custom: typed("mode") == "custom"}
	page.Tabs = []Tab{{Text: "A user, group or role", Path: "/simulator", Current: !page.Custom}, {Text: "A policy of my own", Path: "/simulator?mode=custom", Current: page.Custom}}
	lines := func(name, label, hint string, optional bool) Field {
		return Field{Name: name, Label: label, Hint: hint, Value: typed(name), Type: "textarea", Rows: 3, Mono: true, Optional: optional}
	}
	page.Who = Field{Name: "principal", Label: "Whose policies", Value: typed("principal"), Mono: true, MaxLength: 2048, Autocomplete: "off", Placeholder: "user/alice", Hint: "An ARN, or user/NAME, group/NAME, role/NAME."}
	page.Fields = []Field{
		lines("actions", "Actions", "One on each line, such as s3:GetObject.", false),
		lines("resources", "Resources", "ARNs, one on each line. Empty: every resource.", true),
		lines("context", "Context", "What conditions ask for, one on each line: aws:MultiFactorAuthPresent=true. A key that is there twice has several values.", true),
	}
	if page.Custom {
		text := typed("document")
		if text == "" {
			text = statementText([]string{"s3:GetObject"}, []string{"*"})
		}
		// An inline policy may be what a managed one may not; the simulator takes both.
		e := NewEditor(EditRole, "Policy document", text)
		page.Editor = &e
	}
	status := 0
	if len(linesOf(typed("actions"))) > 0 {
		err := v.simulate(&page, typed)
		if page.Denied = v.deniedOf(err); err != nil && page.Denied == nil {
			if p := v.ProblemOf(err); p.Status >= http.StatusInternalServerError || sessionOver(err) {
				return err
			}
			page.Problem, status = v.formProblem(err), http.StatusUnprocessableEntity
		}
	}
	return v.Render("simulator", Page{
		Title: "Policy simulator", Lead: "What would be allowed, by the same engine that decides about real requests. Nothing is done.",
		CLI: []Command{simulatorCLI(&page, typed)}, Status: status, Body: page,
	})
}

func simulatorCLI(p *simulatorPage, typed func(string) string) Command {
	words := []string{"aws", "iam", "simulate-principal-policy", "--policy-source-arn", firstOf(p.arn, "ARN")}
	if p.Custom {
		words = []string{"aws", "iam", "simulate-custom-policy", "--policy-input-list", "file://policy.json"}
	}
	words = append(append(words, "--action-names"), linesOf(firstOf(typed("actions"), "s3:GetObject"))...)
	if resources := linesOf(typed("resources")); len(resources) > 0 {
		words = append(append(words, "--resource-arns"), resources...)
	}
	return CLI(words...)
}

func linesOf(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// simulate asks for the decisions.
func (v *Visit) simulate(p *simulatorPage, typed func(string) string) error {
	context, err := contextOf(typed("context"))
	if err != nil {
		return err
	}
	ctx, client := v.Request.Context(), v.API().IAM
	actions, resources := linesOf(typed("actions")), linesOf(typed("resources"))
	var results []types.EvaluationResult
	if p.Custom {
		if p.Editor.Faulty() {
			return errFaulty
		}
		in := &iam.SimulateCustomPolicyInput{ActionNames: actions, ResourceArns: resources, ContextEntries: context, PolicyInputList: []string{p.Editor.Text}}
		for len(results) < mostSimulated {
			out, err := client.SimulateCustomPolicy(ctx, in)
			if err != nil {
				return err
			}
			results, p.More, in.Marker = append(results, out.EvaluationResults...), out.IsTruncated, out.Marker
			if !out.IsTruncated {
				break
			}
		}
	} else {
		who, err := principalARN(v, typed("principal"))
		if err != nil {
			return err
		}
		p.arn = who
		in := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &who, ActionNames: actions, ResourceArns: resources, ContextEntries: context}
		for len(results) < mostSimulated {
			out, err := client.SimulatePrincipalPolicy(ctx, in)
			if err != nil {
				return err
			}
			results, p.More, in.Marker = append(results, out.EvaluationResults...), out.IsTruncated, out.Marker
			if !out.IsTruncated {
				break
			}
		}
	}
	p.show(results, resources)
	return nil
}

// show lays the decisions out: each with its reasons, and all in a matrix where there are
// several resources.
func (p *simulatorPage) show(results []types.EvaluationResult, resources []string) {
	missing := map[string]bool{}
	add := func(s simulated) {
		p.Results = append(p.Results, s)
		for _, key := range s.Missing {
			if !missing[strings.ToLower(key)] {
				missing[strings.ToLower(key)] = true
				p.Missing = append(p.Missing, key)
			}
		}
	}
	for i := range results {
		r := &results[i]
		action := aws.ToString(r.EvalActionName)
		if len(r.ResourceSpecificResults) == 0 {
			add(decided(action, aws.ToString(r.EvalResourceName), r.EvalDecision, r.MatchedStatements, r.MissingContextValues))
			continue
		}
		for j := range r.ResourceSpecificResults {
			one := &r.ResourceSpecificResults[j]
			add(decided(action, aws.ToString(one.EvalResourceName), one.EvalResourceDecision, one.MatchedStatements, one.MissingContextValues))
		}
	}
	if len(resources) < 2 {
		return
	}
	p.Heads = resources
	column := map[string]int{}
	for i, resource := range resources {
		column[resource] = i
	}
	row := map[string]int{}
	for _, s := range p.Results {
		at, ok := row[s.Action]
		if !ok {
			at = len(p.Matrix)
			row[s.Action] = at
			p.Matrix = append(p.Matrix, simulatedRow{s.Action, make([]State, len(resources))})
			for i := range p.Matrix[at].Cells {
				p.Matrix[at].Cells[i] = State{Neutral, "Not decided"}
			}
		}
		if i, ok := column[s.Resource]; ok {
			p.Matrix[at].Cells[i] = s.Decision
		}
	}
}

func decided(action, resource string, decision types.PolicyEvaluationDecisionType, matched []types.Statement, missing []string) simulated {
	s := simulated{Action: action, Resource: firstOf(resource, "*"), Missing: missing}
	switch decision {
	case types.PolicyEvaluationDecisionTypeAllowed:
		s.Decision = State{Good, "Allowed"}
	case types.PolicyEvaluationDecisionTypeExplicitDeny:
		s.Decision = State{Bad, "Denied explicitly"}
	default:
		s.Decision = State{Bad, "Denied: nothing allows it"}
		s.Allow = "/policies/new?" + url.Values{"action": {action}, "resource": {s.Resource}}.Encode()
	}
	for _, one := range matched {
		s.Because = append(s.Because, because(&one))
	}
	return s
}

func because(s *types.Statement) string {
	text := firstOf(aws.ToString(s.SourcePolicyId), "the policy")
	if s.StartPosition == nil || s.EndPosition == nil {
		return text
	}
	if s.StartPosition.Line == s.EndPosition.Line {
		return fmt.Sprintf("%s, line %d, from column %d", text, s.StartPosition.Line, s.StartPosition.Column)
	}
	return fmt.Sprintf("%s, lines %d to %d", text, s.StartPosition.Line, s.EndPosition.Line)
}

// principalARN completes "user/alice".
func principalARN(v *Visit, typed string) (string, error) {
	kind, name, _ := strings.Cut(typed, "/")
	ctx, client := v.Request.Context(), v.API().IAM
	switch {
	case strings.HasPrefix(typed, "arn:"):
		return typed, nil
	case kind == "user" && name != "":
		out, err := client.GetUser(ctx, &iam.GetUserInput{UserName: &name})
		if err != nil {
			return "", err
		}
		return *out.User.Arn, nil
	case kind == "group" && name != "":
		out, err := client.GetGroup(ctx, &iam.GetGroupInput{GroupName: &name, MaxItems: aws.Int32(1)})
		if err != nil {
			return "", err
		}
		return *out.Group.Arn, nil
	case kind == "role" && name != "":
		out, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
		if err != nil {
			return "", err
		}
		return *out.Role.Arn, nil
	}
	return "", &Problem{
		Status: http.StatusUnprocessableEntity, Title: "That is nobody whose policies could be looked at",
		Why: "The simulator takes the ARN of a user, a group or a role, or a name with its kind before it.", Do: []Step{{Text: "Write, say, user/alice."}},
	}
}

// contextOf reads key=value lines. A key that is there several times has a list of values.
func contextOf(text string) ([]types.ContextEntry, error) {
	var entries []types.ContextEntry
	at := map[string]int{}
	for _, line := range linesOf(text) {
		key, value, ok := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" {
			return nil, &Problem{
				Status: http.StatusUnprocessableEntity, Title: "The context could not be read",
				Why: fmt.Sprintf("The line %q is not a key, an equals sign and a value.", line), Do: []Step{{Text: "Write, say, aws:MultiFactorAuthPresent=true."}},
			}
		}
		if i, ok := at[strings.ToLower(key)]; ok {
			entries[i].ContextKeyValues = append(entries[i].ContextKeyValues, value)
			if !strings.HasSuffix(string(entries[i].ContextKeyType), "List") {
				entries[i].ContextKeyType += "List"
			}
			continue
		}
		at[strings.ToLower(key)] = len(entries)
		entries = append(entries, types.ContextEntry{ContextKeyName: &key, ContextKeyValues: []string{value}, ContextKeyType: types.ContextKeyTypeEnum(policytest.KeyType(key).String())})
	}
	return entries, nil
}
