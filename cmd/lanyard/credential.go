package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/server"
)

func newAdviseCredential() *cobra.Command {
	var (
		p             place
		given         = map[string]*string{}
		account, name string
		output        string
	)
	cmd := &cobra.Command{
		Use:   "credential",
		Short: "Say which credential to use",
		Long: `Say which way of getting credentials fits, best first, with the commands that
set it up here, what to avoid, and what would be better but is not built yet.
Asks on a terminal what the flags do not say.`,
		Example: `  lanyard advise credential
  lanyard advise credential --who workload --where github --lasting 1h`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return usageError("--output %q: say text or json", output)
			}
			if !roleName.MatchString(name) {
				return usageError("--name %q: letters, digits and +=,.@_- only, at most 50", name)
			}
			var in io.Reader
			if file, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(file.Fd())) {
				in = file
			}
			answers := advisor.Answers{}
			for id, answer := range given {
				answers[id] = *answer
			}
			s, err := situation(answers, name, in, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			running, err := p.connect()
			if err != nil {
				return err
			}
			var status server.StatusReply
			if err := running.call(cmd.Context(), http.MethodGet, "/status", nil, &status); err != nil {
				return err
			}
			if account == "" {
				account = string(status.Accounts[0])
			}
			offered, err := offeredOperations()
			if err != nil {
				return err
			}
			advice := advisor.Recommend(s, &advisor.Installation{
				Endpoint: status.URL, Region: status.Region, Account: account, Partition: string(arn.PartitionOf(status.Region)),
				Offers: func(operation string) bool { return offered[operation] },
			})
			if output == "json" {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(advice)
			}
			return printAdvice(cmd.OutOrStdout(), advice)
		},
	}
	p.dataFlag(cmd)
	p.socketFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&account, "account", "", "account `id` (default the first)")
	f.StringVar(&name, "name", "app", "`name` of the user or role in the commands")
	usages := map[string]string{
		advisor.AskWho:     "`person` or workload",
		advisor.AskWhere:   "`place`: machine, elsewhere, container, kubernetes,\ngithub, gitlab, ci, cloud, onpremises, instance",
		advisor.AskBrowser: "`yes` or no: can a browser be opened there?\n(default no)",
		advisor.AskReaches: "`yes` or no: does the network reach the server?\n(default yes)",
		advisor.AskLasting: "`time`: 1h, 8h, always (default always)",
	}
	for _, q := range advisor.Questions() {
		given[q.ID] = f.String(q.ID, "", usages[q.ID])
	}
	f.StringVar(&output, "output", "text", "`format`: text or json")
	return cmd
}

// roleName is a name that leaves room for what is added to it.
var roleName = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{1,50}$`)

// offeredOperations are the operations that are built, as sts:AssumeRole.
func offeredOperations() (map[string]bool, error) {
	sets, err := server.Operations()
	if err != nil {
		return nil, err
	}
	offered := map[string]bool{}
	for _, set := range sets {
		for _, op := range set.Operations {
			if op.NotOffered == "" {
				offered[set.SigningName+":"+op.Name] = true
			}
		}
	}
	return offered, nil
}

// situation makes a situation of the answers. What they lack is asked for, if there is
// somebody to ask; else it has its default, or is an error.
func situation(given advisor.Answers, name string, in io.Reader, out io.Writer) (*advisor.Situation, error) {
	answers := maps.Clone(given)
	if in != nil {
		lines := bufio.NewReader(in)
		for q := answers.Next(); q != nil; q = answers.Next() {
			answer, err := ask(q, lines, out)
			if err != nil {
				return nil, err
			}
			answers[q.ID] = answer
		}
	}
	s, err := answers.Situation(name)
	wrong, ok := errors.AsType[*advisor.AnswerError](err)
	switch {
	case ok && wrong.Answer == "":
		return nil, usageError("say --%s", wrong.Question.ID)
	case err != nil:
		return nil, usageError("--%w", err)
	}
	return s, nil
}

// ask asks a question until the answer is one: an option's number or word, or nothing
// for the default.
func ask(q *advisor.Question, lines *bufio.Reader, out io.Writer) (string, error) {
	for range 4 {
		fmt.Fprintf(out, "%s\n", q.Text)
		for n, o := range q.Options {
			fmt.Fprintf(out, "  %2d  %s\n", n+1, o.Text)
		}
		fmt.Fprint(out, "> ")
		line, err := lines.ReadString('\n')
		answer := strings.TrimSpace(line)
		if answer == "" {
			answer = q.Default
		}
		if n, e := strconv.Atoi(answer); e == nil && n >= 1 && n <= len(q.Options) {
			answer = q.Options[n-1].Value
		}
		if q.Accepts(answer) {
			return answer, nil
		}
		if err != nil {
			break
		}
	}
	return "", usageError("no answer: say --%s", q.ID)
}

func printAdvice(out io.Writer, a *advisor.Advice) error {
	w := new(strings.Builder)
	for i, m := range a.Methods {
		fmt.Fprintf(w, "%d. %s\n   %s\n\n", i+1, m.Title, m.Why)
		for _, command := range m.Commands {
			fmt.Fprintf(w, "     %s\n", command)
		}
		fmt.Fprintln(w)
	}
	if len(a.Methods) == 0 {
		fmt.Fprint(w, "Nothing that this version offers fits.\n\n")
	}
	if len(a.Later) > 0 {
		fmt.Fprint(w, "Better, but not in this version:\n")
		for _, m := range a.Later {
			fmt.Fprintf(w, "  %s: %s It comes with %s.\n", m.Title, m.Why, m.Feature)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, "Avoid:\n")
	for _, v := range a.Avoid {
		fmt.Fprintf(w, "  %s: %s\n", v.What, v.Why)
	}
	for _, note := range a.Notes {
		fmt.Fprintf(w, "Note: %s.\n", note)
	}
	_, err := io.WriteString(out, policy.Printable(w.String()))
	return err
}
