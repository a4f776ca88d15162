// Command lanyard is the server and its tools. One file per subcommand; what they
// do is in package server and below, here is how they are called and how they
// speak: data on standard output, prose on standard error, the AWS CLI's exit
// codes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// version is set by the linker for releases.
var version = "0.1.0-dev"

// Exit codes: the AWS CLI's, and 1 for "the answer is no".
const (
	exitOK          = 0
	exitNo          = 1
	exitInterrupted = 130
	exitUsage       = 252
	exitConfig      = 253
	exitService     = 254
	exitOther       = 255
)

// failure is an error with its exit code and with what to try next.
type failure struct {
	code int
	err  error
	hint string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func usageError(format string, args ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, args...)}
}

func configError(err error, hint string) error {
	return &failure{code: exitConfig, err: err, hint: hint}
}

func main() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) }

// Main runs the command line and returns the exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	f, ok := errors.AsType[*failure](err)
	if !ok {
		f = &failure{code: exitOther, err: err}
		if errors.Is(err, context.Canceled) {
			f.code = exitInterrupted
		}
	}
	if f.err != nil && f.err.Error() != "" {
		fmt.Fprintf(stderr, "lanyard: %v\n", f.err)
	}
	if f.hint != "" {
		fmt.Fprintf(stderr, "%s\n", f.hint)
	}
	return f.code
}

// printHelp prints a command's help: of lanyard itself a screen of 24 lines, of others
// at most 80 columns. It is no template: package text/template finds methods by name, so
// that the linker would keep every method of every type, 10 MB of them.
func printHelp(cmd *cobra.Command, _ []string) {
	out := cmd.OutOrStdout()
	if cmd.HasParent() {
		fmt.Fprintf(out, "%s\n\nUsage:\n  %s\n\nExamples:\n%s\n\nFlags:\n%s",
			cmd.Long, cmd.UseLine(), cmd.Example, cmd.LocalFlags().FlagUsagesWrapped(80))
		return
	}
	fmt.Fprintf(out, "%s\n\n", cmd.Long)
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			fmt.Fprintf(out, "  %-9s %s\n", c.Name(), c.Short)
		}
	}
	fmt.Fprint(out, `
lanyard COMMAND --help says more.
`)
}

const about = `Lanyard is the AWS identity system for your own servers, in AWS's own protocol.

  lanyard server --dev        try it: in memory, loopback only
  eval "$(lanyard env)"       in another terminal: an hour of credentials`

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "lanyard",
		Short:         "The AWS identity system for your own servers",
		Long:          about,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return fromEnvironment(cmd)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if asked, _ := cmd.Flags().GetBool("version"); asked {
				return printVersion(cmd)
			}
			return cmd.Help()
		},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("unknown command %q; lanyard help lists the commands", args[0])
			}
			return nil
		},
	}
	root.Flags().BoolP("version", "v", false, "version for lanyard")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &failure{code: exitUsage, err: err, hint: "Run `" + cmd.CommandPath() + " --help` for the flags."}
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpFunc(printHelp)
	for _, cmd := range []*cobra.Command{
		newServer(), newInit(), newBackup(), newRestore(), newClaim(), newRecover(), newEnv(), newWhy(), newRevoke(), newRespond(), newScan(), newSupport(), newAdvise(), newPolicy(), newImport(), newExport(), newMFA(), newTOTP(), newVersion(), newMan(), newHash(),
	} {
		root.AddCommand(cmd)
	}
	return root
}

// noArgs refuses arguments where a command takes none.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError("%s takes no argument %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// oneArg refuses a second argument.
func oneArg(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usageError("%s takes one argument, not %d", cmd.CommandPath(), len(args))
	}
	return nil
}

// readInput reads the file that is the argument, or without one, or with -, standard
// input. More than so many bytes are bad usage.
func readInput(cmd *cobra.Command, args []string, most int) ([]byte, error) {
	in := cmd.InOrStdin()
	if len(args) == 1 && args[0] != "-" {
		file, err := os.Open(args[0])
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(text) > most {
		return nil, usageError("the file has more than %d bytes", most)
	}
	return text, nil
}

// fromVariable marks flags whose value is from the environment.
const fromVariable = "variable"

// fromEnvironment gives every flag that was not set its twin from the
// environment: --seal-key-file is LANYARD_SEAL_KEY_FILE.
func fromEnvironment(cmd *cobra.Command) error {
	var err error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "help" || f.Name == "version" {
			return
		}
		name := "LANYARD_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if v, ok := os.LookupEnv(name); ok && v != "" {
			if e := cmd.Flags().Set(f.Name, v); e != nil && err == nil {
				err = configError(fmt.Errorf("%s=%q: %w", name, v, e), "")
			}
			_ = cmd.Flags().SetAnnotation(f.Name, fromVariable, []string{name})
		}
	})
	return err
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Print the version of this binary; GET /version tells that of a server.",
		Example: `  lanyard version`,
		Hidden:  true, // help has 24 lines, and --version says the same
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return printVersion(cmd) },
	}
}

func printVersion(cmd *cobra.Command) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "lanyard %s\n", version)
	return err
}
