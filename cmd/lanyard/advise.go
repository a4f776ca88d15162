package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/server"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/survey"
)

func newAdvise() *cobra.Command {
	var (
		s      surveyed
		output string
		failOn string
	)
	cmd := &cobra.Command{
		Use:   "advise",
		Short: "Say what is unsafe in an account, and how to fix it",
		Long: `Say what is unsafe in an account, with evidence and the AWS CLI commands that
end each finding, and a score. The policy engine decides what somebody may do.
Exit code 1: something at or above --fail-on is open.

  lanyard advise credential         which credential should I use?
  lanyard advise plan               the account's access plan, to print
  lanyard advise checklist NAME     guided steps, which tick themselves
  lanyard advise fix ID ARN         print the commands of one finding
  lanyard advise suppress ID ARN    accept a finding for a time, with a reason
  lanyard advise unsuppress ID ARN  accept it no longer`,
		Example: `  lanyard advise
  lanyard advise --fail-on high --output json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("lanyard advise does not know %q: see lanyard advise --help", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return usageError("--output %q: say text or json", output)
			}
			var level advisor.Severity
			if failOn != "" {
				if err := level.UnmarshalText([]byte(failOn)); err != nil {
					return usageError("--fail-on: %w", err)
				}
			}
			facts, err := s.read(cmd.Context())
			if err != nil {
				return err
			}
			report := advisor.Review(facts)
			if output == "json" {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(report)
			} else {
				err = printReport(cmd.OutOrStdout(), report)
			}
			if err == nil && failOn != "" && report.AtLeast(level) > 0 {
				err = &failure{code: exitNo, err: errNo{}}
			}
			return err
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&output, "output", "text", "`format`: text or json")
	cmd.Flags().StringVar(&failOn, "fail-on", "", "exit 1 at this `severity`: high, medium or low")
	cmd.AddCommand(newAdviseCredential(), newAdviseFix(), newAdvisePlan(), newAdviseChecklist(), newAdviseSuppress(), newAdviseUnsuppress())
	return cmd
}

// surveyed is the account that a command looks at.
type surveyed struct {
	place
	account, endpoint string
}

func (s *surveyed) flags(cmd *cobra.Command) {
	s.dataFlag(cmd)
	s.socketFlag(cmd)
	cmd.Flags().StringVar(&s.account, "account", "", "account `id` (default the first)")
	cmd.Flags().StringVar(&s.endpoint, "endpoint-url", "", "`URL` of a server, with AWS_… credentials")
}

// read gathers the facts of the account.
func (s *surveyed) read(ctx context.Context) (*advisor.Facts, error) {
	surveyor, err := s.surveyor(ctx)
	if err != nil {
		return nil, err
	}
	facts, err := surveyor.Read(ctx)
	if err != nil {
		return nil, &failure{code: exitCode(err), err: err}
	}
	return facts, nil
}

// surveyor reads the account, with our own service if it is there.
func (s *surveyed) surveyor(ctx context.Context) (*survey.Surveyor, error) {
	a, err := s.connectAPI(ctx, s.account, s.endpoint)
	if err != nil {
		return nil, err
	}
	surveyor := &survey.Surveyor{IAM: a.iam, CloudTrail: survey.Trail{LookupEvents: a.trail.LookupEvents}, Account: string(a.account), Partition: string(a.partition)}
	surveyor.Without = a.without
	if a.lanyard != nil {
		surveyor.Ours(a.lanyard)
	}
	if a.local != nil {
		surveyor.Now = func(ctx context.Context) (time.Time, error) {
			var reply server.StatusReply
			err := a.local.call(ctx, http.MethodGet, "/status", nil, &reply)
			return reply.Time, err
		}
	}
	return surveyor, nil
}

// printReport writes findings for people. Names are other people's: they are kept from
// the terminal's control.
func printReport(out io.Writer, r *advisor.Report) error {
	w := new(strings.Builder)
	for i := range r.Findings {
		f := &r.Findings[i]
		printFinding(w, f)
		if s := f.Suppression; s != nil {
			fmt.Fprintf(w, "  suppression by %s ended %s: %s\n", s.By, s.Until.UTC().Format(time.RFC3339), s.Reason)
		}
		fmt.Fprintf(w, "  why   %s\n", f.Why)
		for j, command := range f.Fix {
			fmt.Fprintf(w, "  %s   %s\n", map[bool]string{true: "fix", false: "   "}[j == 0], command)
		}
		fmt.Fprintln(w)
	}
	if len(r.Suppressed) > 0 {
		fmt.Fprintf(w, "Suppressed:\n\n")
		for i := range r.Suppressed {
			f := &r.Suppressed[i]
			printFinding(w, f)
			s := f.Suppression
			fmt.Fprintf(w, "  suppressed by %s on %s until %s: %s\n\n", s.By, s.At.UTC().Format(time.DateOnly), s.Until.UTC().Format(time.RFC3339), s.Reason)
		}
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "Note: %s.\n", note)
	}
	fmt.Fprintf(w, "Account %s: score %d of 100; %d high, %d medium, %d low, %d suppressed\n", r.Account, r.Score, r.High, r.Medium, r.Low, len(r.Suppressed))
	_, err := io.WriteString(out, policy.Printable(w.String()))
	return err
}

func printFinding(w io.Writer, f *advisor.Finding) {
	fmt.Fprintf(w, "%-6s  %-9s  %s\n  %s\n", strings.ToUpper(f.Severity.String()), f.ID, f.Title, strings.TrimSpace(f.ARN+"  "+f.Key))
	for _, e := range f.Evidence {
		fmt.Fprintf(w, "        %s: %s\n", e.Name, e.Value)
	}
}

// findingArgs are the id of a finding and the ARN that it is about.
func findingArgs(cmd *cobra.Command, args []string) error {
	if len(args) != 2 {
		return usageError("say which finding: its id and the ARN, as lanyard advise prints them")
	}
	if _, ok := advisor.RuleOf(args[0]); !ok {
		return usageError("%q is no finding's id: say one such as KEY-01", args[0])
	}
	if _, err := arn.Parse(args[1]); err != nil {
		return usageError("%q is no ARN", args[1])
	}
	return nil
}

func newAdviseFix() *cobra.Command {
	var s surveyed
	cmd := &cobra.Command{
		Use:   "fix ID ARN",
		Short: "Print the commands that end a finding",
		Long: `Print the commands that end a finding, and nothing else, for a shell. Read them
first: a key that is deleted is gone. Exit code 1: there is no such finding.`,
		Example: `  lanyard advise fix KEY-02 arn:aws:iam::111122223333:user/alice > fix.sh`,
		Args:    findingArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			facts, err := s.read(cmd.Context())
			if err != nil {
				return err
			}
			report := advisor.Review(facts)
			found := false
			for _, f := range append(report.Findings, report.Suppressed...) {
				if f.ID == args[0] && f.ARN == args[1] {
					found = true
					for _, command := range f.Fix {
						fmt.Fprintln(cmd.OutOrStdout(), command)
					}
				}
			}
			if !found {
				return &failure{code: exitNo, err: fmt.Errorf("%s is not found at %s", args[0], args[1])}
			}
			return nil
		},
	}
	s.flags(cmd)
	return cmd
}

func newAdviseSuppress() *cobra.Command {
	var (
		s             surveyed
		reason, until string
	)
	cmd := &cobra.Command{
		Use:   "suppress ID ARN",
		Short: "Accept a finding for a time",
		Long: `Accept a finding for a time, of a year at most. It is shown apart from then on,
with the reason and your name, takes nothing from the score and does not
fail --fail-on. It is on the trail. A date means the end of that day in UTC.`,
		Example: `  lanyard advise suppress KEY-01 arn:aws:iam::111122223333:user/scanner \
      --reason "the vendor rotates it in December" --until 2026-12-31`,
		Args: findingArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" || until == "" {
				return usageError("say why and for how long: --reason and --until")
			}
			end, err := time.Parse(time.RFC3339, until)
			if day, e := time.Parse(time.DateOnly, until); e == nil {
				end, err = day.AddDate(0, 0, 1), nil
			}
			if err != nil {
				return usageError("--until is a date such as 2026-12-31, or a time such as 2026-12-31T12:00:00Z")
			}
			client, err := s.ownService(cmd.Context(), args[1])
			if err != nil {
				return err
			}
			out, err := lanyard.Call[lanyard.PutSuppressionOutput](cmd.Context(), client, &lanyard.PutSuppressionInput{FindingId: &args[0], Arn: &args[1], Reason: &reason, Until: &end})
			if err != nil {
				return &failure{code: exitCode(err), err: err}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s\t%s\tsuppressed until %s\n", args[0], policy.Printable(args[1]), out.Suppression.Until.UTC().Format(time.RFC3339))
			return nil
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why it is accepted")
	cmd.Flags().StringVar(&until, "until", "", "`date` on which it ends")
	return cmd
}

func newAdviseUnsuppress() *cobra.Command {
	var s surveyed
	cmd := &cobra.Command{
		Use:     "unsuppress ID ARN",
		Short:   "Accept a finding no longer",
		Long:    `Accept a finding no longer: it is shown with the others again.`,
		Example: `  lanyard advise unsuppress KEY-01 arn:aws:iam::111122223333:user/scanner`,
		Args:    findingArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := s.ownService(cmd.Context(), args[1])
			if err != nil {
				return err
			}
			if _, err := lanyard.Call[lanyard.DeleteSuppressionOutput](cmd.Context(), client, &lanyard.DeleteSuppressionInput{FindingId: &args[0], Arn: &args[1]}); err != nil {
				return &failure{code: exitCode(err), err: err}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s\t%s\tsuppressed no longer\n", args[0], policy.Printable(args[1]))
			return nil
		},
	}
	s.flags(cmd)
	return cmd
}

// ownService reaches our own service in the account of an ARN.
func (s *surveyed) ownService(ctx context.Context, entity string) (*lanyard.Client, error) {
	if s.account == "" {
		s.account = strings.SplitN(entity+":::::", ":", 6)[4]
	}
	a, err := s.connectAPI(ctx, s.account, s.endpoint)
	if err != nil {
		return nil, err
	}
	switch {
	case a.lanyard != nil:
		return a.lanyard, nil
	case a.suppressing != nil: // to suppress does not take to see what is suppressed
		return a.suppressing, nil
	}
	return nil, &failure{code: exitService, err: errors.New(a.without)}
}
