package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/lanyard-iam/lanyard/advisor"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/server"
)

// answers are what was said to the questions; empty: to be asked.
type answers struct{ who, where, browser, reaches, lasting string }

func newAdviseCredential() *cobra.Command {
	var (
		p             place
		given         answers
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
			s, err := situation(given, name, in, cmd.ErrOrStderr())
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
	f.StringVar(&given.who, "who", "", "`person` or workload")
	f.StringVar(&given.where, "where", "", "`place`: machine, elsewhere, container, kubernetes,\ngithub, gitlab, ci, cloud, onpremises, instance")
	f.StringVar(&given.browser, "browser", "", "`yes` or no: can a browser be opened there?\n(default no)")
	f.StringVar(&given.reaches, "reaches", "", "`yes` or no: does the network reach the server?\n(default yes)")
	f.StringVar(&given.lasting, "lasting", "", "`time`: 1h, 8h, always (default always)")
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
func situation(given answers, name string, in io.Reader, out io.Writer) (*advisor.Situation, error) {
	s := &advisor.Situation{Name: name}
	var lines *bufio.Reader
	if in != nil {
		lines = bufio.NewReader(in)
	}
	type option struct{ value, text string }
	choose := func(flag, given, question, otherwise string, options []option) (string, error) {
		for i := 0; ; i++ {
			asked := given == ""
			if asked {
				if lines == nil {
					if otherwise == "" {
						return "", usageError("say --%s", flag)
					}
					given = otherwise
				} else {
					fmt.Fprintf(out, "%s\n", question)
					for n, o := range options {
						fmt.Fprintf(out, "  %2d  %s\n", n+1, o.text)
					}
					fmt.Fprint(out, "> ")
					line, err := lines.ReadString('\n')
					if given = strings.TrimSpace(line); given == "" {
						given = otherwise
					}
					if err != nil && given == "" {
						return "", usageError("no answer: say --%s", flag)
					}
				}
			}
			for n, o := range options {
				if given == o.value || asked && given == strconv.Itoa(n+1) {
					return o.value, nil
				}
			}
			if !asked || lines == nil || i >= 3 {
				var values []string
				for _, o := range options {
					values = append(values, o.value)
				}
				return "", usageError("--%s %q: say %s", flag, given, strings.Join(values, ", "))
			}
			given = ""
		}
	}
	yesNo := []option{{"yes", "yes"}, {"no", "no"}}
	who, err := choose("who", given.who, "What needs access?", "", []option{{"person", "a person"}, {"workload", "a program"}})
	if err != nil {
		return nil, err
	}
	s.Workload = who == "workload"
	var places []option
	for _, p := range advisor.Places() {
		places = append(places, option{string(p.Where), p.Text})
	}
	where, err := choose("where", given.where, "Where does it run?", "", places)
	if err != nil {
		return nil, err
	}
	s.Where = advisor.Where(where)
	if !s.Workload || given.browser != "" {
		browser, err := choose("browser", given.browser, "Can a browser be opened there?", "no", yesNo)
		if err != nil {
			return nil, err
		}
		s.Browser = browser == "yes"
	}
	reaches, err := choose("reaches", given.reaches, "Does the network there reach this server?", "yes", yesNo)
	if err != nil {
		return nil, err
	}
	s.Reaches = reaches == "yes"
	lasting := given.lasting
	if lasting != "" && lasting != "always" {
		if s.Lasting, err = time.ParseDuration(lasting); err != nil || s.Lasting <= 0 {
			return nil, usageError("--lasting %q: say a time such as 1h, or always", lasting)
		}
		return s, nil
	}
	lasting, err = choose("lasting", lasting, "For how long?", "always", []option{{"1h", "an hour at most"}, {"12h", "a working day"}, {"always", "for ever, or again and again"}})
	if err == nil && lasting != "always" {
		s.Lasting, err = time.ParseDuration(lasting)
	}
	return s, err
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
			fmt.Fprintf(w, "  %s: %s\n", m.Title, m.Why)
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
