package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/scan"
	"github.com/lanyard-iam/lanyard/server"
)

func newScan() *cobra.Command {
	var (
		p       place
		history bool
		staged  bool
		allow   []string
		output  string
	)
	cmd := &cobra.Command{
		Use:   "scan PATH...",
		Short: "Find access keys in files and git histories",
		Long: `Find access key ids (AKIA…, ASIA…) that have a secret near them: in files and
folders; with --history in every version of every file that a git repository
keeps; with --staged in what is staged, for a pre-commit hook. It says which
work here, if the server runs on this host and is yours, and shows no more of a
secret than four characters.

AWS's examples are no findings, nor are lines with lanyard:allow in them, nor
paths that --allow names. Skipped are binary files and those above 5 MiB.
Exit code 0: nothing was found, 1: something was.`,
		Example: `  lanyard scan .
  lanyard scan --history ~/src/app --allow testdata --allow '*.golden'
  lanyard scan --staged      in .git/hooks/pre-commit: stops the commit`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case history && staged:
				return usageError("--history and --staged exclude each other")
			case staged && len(args) > 0:
				return usageError("--staged is about the repository of this folder and takes no path")
			case history && len(args) > 1:
				return usageError("--history is about one repository")
			case !history && !staged && len(args) == 0:
				return usageError("say where: a file or a folder, for example .")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "" && output != "json" {
				return usageError("--output %q: say json, or nothing", output)
			}
			s := &scan.Scanner{Allow: allow}
			if err := s.Check(); err != nil {
				return usageError("--allow: %w", err)
			}
			var result *scan.Result
			var err error
			what := "file"
			switch dir := strings.Join(args, ""); {
			case staged:
				result, err = s.Staged(cmd.Context(), "")
			case history:
				what = "version"
				result, err = s.History(cmd.Context(), dir)
			default:
				result, err = s.Tree(cmd.Context(), args...)
			}
			switch {
			case cmd.Context().Err() != nil:
				return &failure{code: exitInterrupted, err: errors.New("interrupted: not everything was looked at")}
			case err != nil:
				return configError(err, "")
			}
			report := scanReport{Findings: make([]scanFinding, len(result.Findings)), Scanned: result.Files, Skipped: result.Skipped}
			for i, f := range result.Findings {
				report.Findings[i] = scanFinding{Path: f.Path, Line: f.Line, Commit: f.Commit, Standing: "not checked", ID: f.ID, Secret: scan.Mask(f.Secrets[0])}
			}
			running, err := p.connect()
			switch {
			case err == nil && len(result.Findings) > 0:
				if err := report.check(cmd.Context(), running, result.Findings); err != nil {
					// The findings are worth more than what is known of them.
					fmt.Fprintf(cmd.ErrOrStderr(), "lanyard: which of them work is not checked: %v\n", err)
				}
			case err != nil && p.socket+p.data != "":
				return err
			}
			if output == "json" {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(report)
			} else {
				err = report.write(cmd.OutOrStdout())
				if report.Scanned != 1 {
					what += "s"
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "%d found in %d %s, %d skipped\n", len(report.Findings), report.Scanned, what, report.Skipped)
			}
			if err == nil && len(report.Findings) > 0 {
				err = &failure{code: exitNo, err: errNo{}}
			}
			return err
		},
	}
	p.dataFlag(cmd)
	p.socketFlag(cmd)
	f := cmd.Flags()
	f.BoolVar(&history, "history", false, "look at a repository's history (default that of\nthis folder)")
	f.BoolVar(&staged, "staged", false, "look at what is staged for the next commit")
	f.StringArrayVar(&allow, "allow", nil, "`pattern` of paths to leave out, as a whole or by\nany folder or name of them; may be repeated")
	f.StringVar(&output, "output", "", "`format`: json")
	return cmd
}

// scanReport is what lanyard scan prints.
type scanReport struct {
	Findings []scanFinding `json:"findings"`
	Scanned  int           `json:"scanned"`
	Skipped  int           `json:"skipped"`
	Checked  bool          `json:"checked"` // a server was asked
}

type scanFinding struct {
	Path     string          `json:"path"`
	Line     int             `json:"line"`
	Commit   string          `json:"commit,omitempty"`
	ID       string          `json:"accessKeyId"`
	Secret   string          `json:"secret"` // masked
	Standing server.Standing `json:"standing"`
	Match    bool            `json:"secretMatches"`
	Account  string          `json:"account,omitempty"`
	UserARN  string          `json:"userArn,omitempty"`
}

// check asks the server about all candidates, in as many requests as it takes.
func (r *scanReport) check(ctx context.Context, running *local, found []scan.Finding) error {
	// The same key lies in many places: it is asked about once.
	answers := map[server.Candidate]server.KeyCheck{}
	var ask []server.Candidate
	for _, f := range found {
		for _, secret := range f.Secrets {
			c := server.Candidate{ID: f.ID, Secret: secret}
			if _, ok := answers[c]; !ok {
				answers[c] = server.KeyCheck{}
				ask = append(ask, c)
			}
		}
	}
	for len(ask) > 0 {
		n := min(len(ask), server.MaxCandidates)
		var reply server.KeyCheckReply
		if err := running.call(ctx, http.MethodPost, "/keys/check", server.KeyCheckRequest{Keys: ask[:n]}, &reply); err != nil {
			return err
		}
		if len(reply.Keys) != n {
			return errors.New("the server does not answer for each key")
		}
		for i, answer := range reply.Keys {
			answers[ask[i]] = answer
		}
		ask = ask[n:]
	}
	r.Checked = true
	for i, f := range found {
		for j, secret := range f.Secrets {
			answer := answers[server.Candidate{ID: f.ID, Secret: secret}]
			if j == 0 || answer.Match {
				to := &r.Findings[i]
				to.Secret, to.Standing, to.Match, to.Account, to.UserARN = scan.Mask(secret), answer.Standing, answer.Match, string(answer.Account), answer.UserARN
			}
		}
	}
	return nil
}

func (r *scanReport) write(out io.Writer) error {
	w := new(strings.Builder)
	for _, f := range r.Findings {
		if f.Commit != "" {
			fmt.Fprintf(w, "%.12s ", f.Commit)
		}
		fmt.Fprintf(w, "%s:%d: %s with secret %s: %s\n", f.Path, f.Line, f.ID, f.Secret, f.says())
	}
	_, err := io.WriteString(out, policy.Printable(w.String()))
	return err
}

// says is what is known of a key in words, and what to do.
func (f *scanFinding) says() string {
	switch {
	case f.Standing == server.KeyActive && f.Match:
		return "WORKS HERE, of " + f.UserARN + ": lanyard respond key " + f.ID
	case f.Standing == server.KeyActive:
		return "an active key of " + f.UserARN + ", but not its secret"
	case f.Standing == server.KeyInactive && f.Match:
		return "an inactive key of " + f.UserARN + ", and its secret"
	case f.Standing == server.KeyInactive:
		return "an inactive key of " + f.UserARN + ", but not its secret"
	case f.Standing == server.KeyGone:
		return "no key that is here now; its id names account " + f.Account
	case f.Standing == server.KeyTemporary:
		return "temporary credentials of account " + f.Account + ", which end by themselves within 36 hours"
	case f.Standing == server.KeyUnknown:
		return "not of this server"
	}
	return string(f.Standing)
}
