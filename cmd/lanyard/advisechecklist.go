package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/arn"
)

func newAdviseChecklist() *cobra.Command {
	var (
		s                 surveyed
		name, key, output string
	)
	cmd := &cobra.Command{
		Use:   "checklist [NAME]",
		Short: "Go through guided steps, which tick themselves",
		Long: `Go through guided steps. Each says why, which page and which command do it, and
is done when the server sees that it is, by the account and by the trail. Without
a name: the list of them.

  secure-account                    what every account needs
  first-credentials --user NAME     from a key to temporary credentials
  rotate-key --key AKIA...          a new key in the place of an old one
  key-leaked --key AKIA...          what to do when a key has leaked

Exit code 1: something is still to be done.`,
		Example: `  lanyard advise checklist secure-account
  lanyard advise checklist rotate-key --key AKIAIOSFODNN7EXAMPLE`,
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return usageError("--output %q: say text or json", output)
			}
			if len(args) == 0 {
				return listChecklists(cmd, output)
			}
			info, ok := advisor.ChecklistNamed(args[0])
			if !ok {
				return usageError("there is no checklist %q: lanyard advise checklist lists them", args[0])
			}
			subject, err := checklistSubject(info, name, key)
			if err != nil {
				return err
			}
			surveyor, err := s.surveyor(cmd.Context())
			if err != nil {
				return err
			}
			list, err := surveyor.Checklist(cmd.Context(), info.Name, subject)
			if errors.Is(err, advisor.ErrUnknownKey) {
				return &failure{code: exitService, err: fmt.Errorf("%s: %w", key, err)}
			}
			if err != nil {
				return &failure{code: exitCode(err), err: err}
			}
			if output == "json" {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(list)
			} else {
				err = list.WriteText(cmd.OutOrStdout())
			}
			if err == nil && list.Done < len(list.Steps) {
				err = &failure{code: exitNo, err: errNo{}}
			}
			return err
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&name, "user", "", "`NAME` of the user whose credentials it is about")
	cmd.Flags().StringVar(&key, "key", "", "`ID` of the access key that it is about")
	cmd.Flags().StringVar(&output, "output", "text", "`format`: text or json")
	return cmd
}

// checklistSubject is what a checklist is about, if that was said, and nothing else.
func checklistSubject(info advisor.ChecklistInfo, name, key string) (string, error) {
	switch {
	case info.Subject != advisor.AboutKey && key != "":
		return "", usageError("%s is not about a key", info.Name)
	case info.Subject != advisor.AboutPerson && name != "":
		return "", usageError("%s is not about a user", info.Name)
	case info.Subject == advisor.AboutPerson && name == "":
		return "", usageError("say whose credentials: --user NAME")
	case info.Subject == advisor.AboutKey && !arn.IsAccessKey(key):
		return "", usageError("--key %q: say the id of a long-term access key, AKIA and 16 more characters", key)
	case info.Subject == advisor.AboutKey:
		return key, nil
	}
	return name, nil
}

func listChecklists(cmd *cobra.Command, output string) error {
	if output == "json" {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(advisor.Checklists())
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
	for _, c := range advisor.Checklists() {
		fmt.Fprintf(w, "%s\t%s: %s\n", c.Name, c.Title, c.Text)
	}
	return w.Flush()
}
