package console

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// testsView is the tab of a policy's tests.
type testsView struct {
	Rows    []testRow
	By      string
	Changed time.Time
	Ran     bool // they were run just now
	Failed  int
	Token   string
	Index   int // of the test in the form; -1 is a new one
	Fields  []Field
	Denied  *Denied
	// RunDenied is why they were not run, Problem why the form was refused.
	RunDenied *Denied
	Problem   *Problem
}

// testRow is a test, with its result once it was run.
type testRow struct {
	Index                   int
	Name, Principal, Path   string
	Action, Resource        string
	Context                 []string
	More                    string // that it also brings
	Expected                State
	Result                  *State
	Verdict                 string
	Because, Missing, Other []string
	Simulator               string // the same question, in the simulator
	Change                  string // where it is edited; empty: not here
}

// draftTests are the tests that a draft does not pass. Whoever saves it all the same says so
// of this text: Digest stands for it.
type draftTests struct {
	Rows   []testRow
	Of     int
	Digest string
}

func answerState(word string) State {
	if word == "allowed" {
		return State{Good, "Allowed"}
	}
	return State{Neutral, map[string]string{"denied": "Denied", "explicitDeny": "Denied explicitly", "implicitDeny": "Denied: nothing allows it"}[word]}
}

func rowOf(i int, t *lanyard.PolicyTest) testRow {
	row := testRow{
		Index: i, Name: aws.ToString(t.Name), Action: aws.ToString(t.Action), Resource: aws.ToString(t.ResourceArn), Expected: answerState(aws.ToString(t.Expected)), Context: contextLines(t.Context),
	}
	if t.ResourcePolicy != nil {
		row.More = "with a policy of the resource"
	}
	if arn := aws.ToString(t.PrincipalArn); arn != "" {
		row.Principal, row.Path = shortName(arn), pathOf(arn)
		resource := row.Resource
		if resource == "*" {
			resource = ""
		}
		row.Simulator = "/simulator?" + url.Values{"principal": {arn}, "actions": {row.Action}, "resources": {resource}, "context": {strings.Join(row.Context, "\n")}}.Encode()
	}
	return row
}

// judged adds a result.
func (row *testRow) judged(r *lanyard.PolicyTestResult) {
	row.Result = &State{Good, "As expected"}
	if !aws.ToBool(r.Passed) {
		row.Result = &State{Bad, "Could not be judged"}
		if r.Decision != nil {
			row.Result.Word = answerState(*r.Decision).Word
		}
	}
	row.Because, row.Missing = r.Because, r.MissingContext
	if len(r.Because) == 0 || aws.ToString(r.Decision) == "implicitDeny" { // else the statements say it
		row.Verdict = aws.ToString(r.Verdict)
	}
	if !aws.ToBool(r.Attached) && r.Decision != nil {
		row.Other = append(row.Other, row.Principal+" does not have this policy.")
	}
	if aws.ToString(r.Test.Expected) == "allowed" {
		for _, one := range r.Changes {
			row.Other = append(row.Other, "To allow it: "+one+".")
		}
	}
}

func contextLines(keys []lanyard.PolicyTestKey) []string {
	var list []string
	for _, k := range keys {
		for _, value := range k.Values {
			list = append(list, aws.ToString(k.Key)+"="+value)
		}
	}
	return list
}

// policyTests is the tab. typed gives what was typed into the form that came back, or is nil.
func (v *Visit) policyTests(p *policyPage, typed func(string) string) (*testsView, error) {
	ctx, client, shown := v.Request.Context(), v.API().Lanyard, &testsView{Index: -1}
	got, err := lanyard.Call[lanyard.GetPolicyTestsOutput](ctx, client, &lanyard.GetPolicyTestsInput{PolicyArn: &p.ARN})
	if shown.Denied = v.deniedOf(err); err != nil {
		if shown.Denied != nil {
			err = nil
		}
		return shown, err
	}
	shown.By, shown.Changed, shown.Token = aws.ToString(got.By), aws.ToTime(got.Changed), aws.ToString(got.LockToken)
	for i := range got.Tests {
		row := rowOf(i, &got.Tests[i])
		row.Change = fmt.Sprintf("%s?tab=tests&edit=%d#test", p.Action, i)
		shown.Rows = append(shown.Rows, row)
	}
	if v.Query("run") != "" && len(shown.Rows) > 0 {
		out, err := lanyard.Call[lanyard.RunPolicyTestsOutput](ctx, client, &lanyard.RunPolicyTestsInput{PolicyArn: &p.ARN, Tests: got.Tests})
		if shown.RunDenied = v.deniedOf(err); err != nil && shown.RunDenied == nil {
			return nil, err
		}
		if err == nil {
			shown.Ran, shown.Failed = true, int(aws.ToInt32(out.Failed))
			for i := range out.Results {
				shown.Rows[i].judged(&out.Results[i])
			}
		}
	}
	if typed == nil {
		test := &lanyard.PolicyTest{Expected: aws.String("allowed")}
		if i, err := strconv.Atoi(v.Query("edit")); err == nil && i >= 0 && i < len(got.Tests) {
			shown.Index, test = i, &got.Tests[i]
		}
		typed = func(name string) string {
			return map[string]string{
				"name": aws.ToString(test.Name), "principal": aws.ToString(test.PrincipalArn), "action": aws.ToString(test.Action), "resource": aws.ToString(test.ResourceArn),
				"context": strings.Join(contextLines(test.Context), "\n"), "resourcepolicy": aws.ToString(test.ResourcePolicy), "owner": aws.ToString(test.ResourceOwner), "expected": aws.ToString(test.Expected),
			}[name]
		}
	} else {
		shown.Index, _ = strconv.Atoi(typed("test"))
		shown.Token = typed("token")
	}
	shown.Fields = testFields(typed)
	return shown, nil
}

func testFields(typed func(string) string) []Field {
	var answers []Option
	for _, word := range []string{"allowed", "denied", "explicitDeny", "implicitDeny"} {
		answers = append(answers, Option{Value: word, Text: answerState(word).Word})
	}
	fields := []Field{
		{Name: "name", Label: "What it is about", Optional: true, MaxLength: 128, Placeholder: "CI uploads releases"},
		{Name: "principal", Label: "Who", Optional: true, Mono: true, MaxLength: 2048, Placeholder: "user/alice", Hint: "An ARN, or user/NAME, role/NAME: with all of their policies. Empty: this policy alone."},
		{Name: "action", Label: "Action", Mono: true, MaxLength: 128, Placeholder: "s3:GetObject"},
		{Name: "resource", Label: "Resource", Optional: true, Mono: true, MaxLength: 2048, Hint: "An ARN. Empty: every resource."},
		{Name: "expected", Label: "Expected", Type: "select", Options: answers},
		{Name: "context", Label: "Context", Optional: true, Type: "textarea", Rows: 3, Mono: true, Hint: "What conditions ask for, one on each line: aws:MultiFactorAuthPresent=true."},
		{Name: "resourcepolicy", Label: "Policy of the resource", Optional: true, Type: "textarea", Rows: 3, Mono: true, MaxLength: 10240, Hint: "A bucket policy, say, or the trust policy of a role that is assumed."},
		{Name: "owner", Label: "Account of the resource", Optional: true, Mono: true, MaxLength: 12, Hint: "If its ARN names none."},
	}
	for i := range fields {
		fields[i].Value, fields[i].Autocomplete = typed(fields[i].Name), "off"
	}
	return fields
}

// saveTest adds, changes or removes a test.
func (c *Console) saveTest(v *Visit) error {
	arn := v.Request.PathValue("arn")
	err := v.changeTests(arn)
	back := managedPath(arn) + "?tab=tests"
	switch {
	case err == nil && v.Form("do") == "remove":
		v.Flash(Good, "The test was removed.")
		return v.Redirect(back)
	case err == nil:
		return v.Redirect(back + "&run=1")
	}
	page, _, pageErr := c.policyPage(v, arn, "tests")
	if pageErr != nil {
		return pageErr
	}
	if page.Tests, pageErr = v.policyTests(page, v.Form); pageErr != nil {
		return pageErr
	}
	page.Tests.Problem = v.formProblem(err)
	return c.renderPolicy(v, page, http.StatusUnprocessableEntity)
}

func (v *Visit) changeTests(arn string) error {
	ctx, client, token := v.Request.Context(), v.API().Lanyard, v.Form("token")
	got, err := lanyard.Call[lanyard.GetPolicyTestsOutput](ctx, client, &lanyard.GetPolicyTestsInput{PolicyArn: &arn})
	if err != nil {
		return err
	}
	tests := got.Tests
	i, err := strconv.Atoi(v.Form("test"))
	if err != nil || i >= len(tests) || i < 0 && v.Form("do") == "remove" || aws.ToString(got.LockToken) != token {
		return &Problem{
			Status: http.StatusConflict, Title: "Someone else changed the tests at the same time",
			Why: "They are not those that the page showed. Nothing was changed.", Do: []Step{{"See what is there now.", managedPath(arn) + "?tab=tests"}},
		}
	}
	if v.Form("do") == "remove" {
		if tests = slices.Delete(tests, i, i+1); len(tests) == 0 {
			_, err = lanyard.Call[lanyard.DeletePolicyTestsOutput](ctx, client, &lanyard.DeletePolicyTestsInput{PolicyArn: &arn})
			return err
		}
	} else {
		test, err := v.typedTest()
		if err != nil {
			return err
		}
		if i < 0 {
			tests = append(tests, *test)
		} else {
			tests[i] = *test
		}
	}
	_, err = lanyard.Call[lanyard.PutPolicyTestsOutput](ctx, client, &lanyard.PutPolicyTestsInput{PolicyArn: &arn, Tests: tests, LockToken: &token})
	return err
}

func (v *Visit) typedTest() (*lanyard.PolicyTest, error) {
	optional := func(name string) *string {
		if text := v.Form(name); text != "" {
			return &text
		}
		return nil
	}
	test := &lanyard.PolicyTest{
		Name: optional("name"), PrincipalArn: optional("principal"), Action: optional("action"), ResourceArn: optional("resource"),
		ResourcePolicy: optional("resourcepolicy"), ResourceOwner: optional("owner"), Expected: optional("expected"),
	}
	if test.PrincipalArn != nil {
		who, err := principalARN(v, *test.PrincipalArn)
		if err != nil {
			return nil, err
		}
		test.PrincipalArn = &who
	}
	entries, err := contextOf(v.Form("context"))
	for _, e := range entries {
		test.Context = append(test.Context, lanyard.PolicyTestKey{Key: e.ContextKeyName, Values: e.ContextKeyValues})
	}
	return test, err
}

// testDraft runs a policy's tests on a document before it is saved. It returns those that
// fail; nil if none does, or if the person has said of this very text that it is to be saved
// all the same.
func (v *Visit) testDraft(arn, text string) (*draftTests, error) {
	sum := sha256.Sum256([]byte(text))
	failing := &draftTests{Digest: hex.EncodeToString(sum[:])}
	if v.Form("tested") == failing.Digest {
		return nil, nil
	}
	out, err := lanyard.Call[lanyard.RunPolicyTestsOutput](v.Request.Context(), v.API().Lanyard, &lanyard.RunPolicyTestsInput{PolicyArn: &arn, PolicyDocument: &text})
	if denied := v.deniedOf(err); denied != nil {
		v.Flash(Warning, fmt.Sprintf("Its tests were not run: you do not have %s.", firstOf(denied.Action, "the permission")))
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for i := range out.Results {
		if r := &out.Results[i]; !aws.ToBool(r.Passed) {
			row := rowOf(i, &r.Test)
			row.judged(r)
			failing.Rows = append(failing.Rows, row)
		}
	}
	failing.Of = len(out.Results)
	if len(failing.Rows) == 0 {
		return nil, nil
	}
	return failing, nil
}
