package main

import (
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"github.com/lanyard-iam/lanyard/advisor"
)

func newAdvisePlan() *cobra.Command {
	var (
		s              surveyed
		output, review string
	)
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Print the access plan of an account",
		Long: `Print the access plan of an account: root, who comes in when nothing else works
(users with the tag break-glass), people, groups, roles and who can assume them,
workloads, identity providers, what is unsafe, and when to look again (in 90 days,
or on --review). What somebody may do is in words: administrator, power user,
custom, read only, assumes roles, own credentials, nothing.`,
		Example: `  lanyard advise plan
  lanyard advise plan --output markdown --review 2026-12-31 > plan.md`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" && output != "markdown" {
				return usageError("--output %q: say text, json or markdown", output)
			}
			var until time.Time
			if review != "" {
				var err error
				if until, err = time.Parse(time.DateOnly, review); err != nil {
					return usageError("--review is a date such as 2026-12-31")
				}
			}
			surveyor, err := s.surveyor(cmd.Context())
			if err != nil {
				return err
			}
			facts, err := surveyor.ReadAll(cmd.Context())
			if err != nil {
				return &failure{code: exitCode(err), err: err}
			}
			if !until.IsZero() && until.Before(facts.Now.Truncate(24*time.Hour)) {
				return usageError("--review %s is over", review)
			}
			plan := advisor.MakePlan(facts, until)
			switch output {
			case "json":
				return json.NewEncoder(cmd.OutOrStdout()).Encode(plan)
			case "markdown":
				return plan.WriteMarkdown(cmd.OutOrStdout())
			}
			return plan.WriteText(cmd.OutOrStdout())
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&output, "output", "text", "`format`: text, json or markdown")
	cmd.Flags().StringVar(&review, "review", "", "`date` of the next review (default in 90 days)")
	return cmd
}
