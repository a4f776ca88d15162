package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/spf13/cobra"

	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/policytest"
)

func newPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Test what policies allow and deny, in CI too",
		Long: `Test what policies allow and deny.

  lanyard policy test FILE...     hold policies against a table of tests`,
		Example: `  lanyard policy test policies.test.yaml`,
		RunE: func(_ *cobra.Command, args []string) error {
			return usageError("say what: lanyard policy test FILE...")
		},
	}
	cmd.AddCommand(newPolicyTest())
	return cmd
}

func newPolicyTest() *cobra.Command {
	var (
		s      surveyed
		output string
	)
	cmd := &cobra.Command{
		Use:   "test FILE...",
		Short: "Hold policies against a table of tests",
		Long: `Hold policies against tests: who, which action, on what, and the answer that is
expected. The engine is that of the server. Policies that the file names, by
path or in its text, need no server; a principal that is an ARN is asked about
with SimulatePrincipalPolicy: at the server of this host, or --endpoint-url.

  principals:
    ci: {arn: "arn:aws:iam::111122223333:role/ci", policies: [deploy.json]}
  tests:
    - name: CI uploads, and no more
      principal: ci
      action: [s3:DeleteObject, s3:PutBucketPolicy]
      resource: arn:aws:s3:::releases/app
      expect: denied

docs/policy-tests.md says all that may be in it. Exit code 0: all came out as
expected, 1: some did not, 252: a file has a fault.`,
		Example: `  lanyard policy test policies/*.test.yaml --output junit > policies.xml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("say which file of tests")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			write := map[string]func(*policytest.Report, io.Writer) error{
				"text": (*policytest.Report).WriteText, "junit": (*policytest.Report).WriteJUnit,
				"json": func(r *policytest.Report, w io.Writer) error { return json.NewEncoder(w).Encode(r) },
			}[output]
			if write == nil {
				return usageError("--output %q: say text, json or junit", output)
			}
			report := &policytest.Report{Tests: []policytest.Outcome{}}
			if err := s.test(cmd.Context(), report, args); err != nil {
				return err
			}
			err := write(report, cmd.OutOrStdout())
			fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d tests came out as expected\n", report.Passed, len(report.Tests))
			if err == nil && report.Failed > 0 {
				err = &failure{code: exitNo, err: errNo{}}
			}
			return err
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&output, "output", "text", "`format`: text, json or junit")
	return cmd
}

// test judges the tests of files. All files are read before any is judged.
func (s *surveyed) test(ctx context.Context, report *policytest.Report, files []string) error {
	cases := make([][]policytest.Case, len(files))
	now, cost, remote := time.Now(), 0, false
	for i, file := range files {
		text, err := readRegular(file, policytest.MaxFile)
		if err != nil {
			return &failure{code: exitUsage, err: err}
		}
		beside := func(path string) ([]byte, error) {
			if !filepath.IsAbs(path) {
				path = filepath.Join(filepath.Dir(file), path)
			}
			return readRegular(path, policytest.MaxFile)
		}
		if cases[i], err = policytest.Read(file, text, beside, now); err != nil {
			return &failure{code: exitUsage, err: errors.New(policy.PrintableLine(err.Error()))}
		}
		for j := range cases[i] {
			if c := &cases[i][j]; c.Offline == nil {
				remote = true
			} else if cost += c.Cost(c.Offline); cost > policytest.MaxCost {
				return usageError("%s:%d: these are too many tests of too large policies at once", file, c.Line)
			}
		}
	}
	var client *iam.Client
	if remote {
		a, err := s.connectAPI(ctx, s.account, s.endpoint)
		if err != nil {
			return err
		}
		client = a.iam
	}
	for i, file := range files {
		for j := range cases[i] {
			c := &cases[i][j]
			err := ctx.Err() // whoever presses Ctrl-C does not wait for the rest
			if err != nil {
				return err
			}
			var result policytest.Result
			if c.Offline != nil {
				result, err = c.Judge(*c.Offline, nil)
			} else {
				result, err = simulate(ctx, client, &c.Test)
			}
			if err != nil {
				return err
			}
			report.Add(file, c, result)
		}
	}
	return nil
}

// readRegular reads a file that is no larger than most.
func readRegular(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", path)
	case info.Size() > most:
		return nil, fmt.Errorf("%s is larger than %d bytes", path, most)
	}
	return os.ReadFile(path)
}

// simulate asks a server about a principal of its own.
func simulate(ctx context.Context, client *iam.Client, t *policytest.Test) (policytest.Result, error) {
	in := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &t.Principal, ActionNames: []string{t.Action}}
	if t.Resource != "*" {
		in.ResourceArns = []string{t.Resource}
	}
	if t.ResourcePolicy != "" {
		in.ResourcePolicy, in.CallerArn = &t.ResourcePolicy, &t.Principal
	}
	if t.ResourceOwner != "" {
		in.ResourceOwner = aws.String("arn:aws:iam::" + t.ResourceOwner + ":root")
	}
	for _, k := range t.Context {
		e := types.ContextEntry{ContextKeyName: &k.Name, ContextKeyValues: k.Values, ContextKeyType: types.ContextKeyTypeEnum(policytest.KeyType(k.Name).String())}
		if len(k.Values) > 1 {
			e.ContextKeyType += "List"
		}
		in.ContextEntries = append(in.ContextEntries, e)
	}
	out, err := client.SimulatePrincipalPolicy(ctx, in)
	if missing := new(types.NoSuchEntityException); errors.As(err, &missing) {
		return policytest.Unjudged("the server has no %s", t.Principal), nil
	}
	if err != nil {
		return policytest.Result{}, &failure{code: exitService, err: err}
	}
	if len(out.EvaluationResults) != 1 {
		return policytest.Result{}, &failure{code: exitService, err: errors.New("the server does not answer for the action")}
	}
	answer := &out.EvaluationResults[0]
	r := policytest.Result{Decision: string(answer.EvalDecision), Missing: answer.MissingContextValues}
	r.Passed = t.Expect.Met(r.Decision)
	switch b := answer.PermissionsBoundaryDecisionDetail; {
	case answer.EvalDecision != types.PolicyEvaluationDecisionTypeImplicitDeny:
		r.Verdict = strings.ToLower(string(answer.EvalDecision))
	case b != nil && !b.AllowedByPermissionsBoundary:
		r.Verdict = "no permissions boundary allows it"
	default:
		r.Verdict = "no statement allows it"
	}
	for _, m := range answer.MatchedStatements {
		r.Because = append(r.Because, fmt.Sprintf("%s, lines %d-%d", aws.ToString(m.SourcePolicyId), m.StartPosition.Line, m.EndPosition.Line))
	}
	return r, nil
}
