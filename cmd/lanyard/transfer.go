package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/lanyard-iam/lanyard/server"
	"github.com/lanyard-iam/lanyard/transfer"
)

func newImport() *cobra.Command {
	var (
		p           place
		account     string
		endpoint    string
		dryRun      bool
		keepAccount bool
		awsManaged  bool
		output      string
	)
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Make the users, groups, roles and policies of an AWS account here",
		Long: `Make the users, groups, roles, managed policies and instance profiles of an AWS
account here, from what aws iam get-account-authorization-details prints there
("-" reads standard input). No secrets: keys, passwords and MFA devices are not
in it. Descriptions and session lengths of roles are not in it either.

What FILE has is made, or made equal to it; what it has not stays as it is. The
changes are ordinary requests, each authorized and on the trail. They are not
one transaction: whenever it is interrupted, the same command goes on from
there, and changes nothing once all is done. A role is trusted by nobody until
everything else of it is there.

ARNs in policies that name FILE's account become this account's. What cannot be
had here is left out, and the report says why; so that nothing is allowed more
than in AWS, what would lack a policy that denies, or its boundary, is left out
with it. Exit code 254: the service refused a change.`,
		Example: `  aws iam get-account-authorization-details > account.json
  lanyard import --dry-run account.json
  lanyard import --aws-managed account.json --output json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("say which file: the output of aws iam get-account-authorization-details")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "" && output != "json" {
				return usageError("--output %q: say json, or nothing", output)
			}
			if awsManaged && endpoint != "" {
				return usageError("--aws-managed is for the owner of the host, without --endpoint-url")
			}
			in, size, done, err := openInput(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			defer done()
			file, err := transfer.Open(in, size)
			if err != nil {
				return usageError("%s: %w", args[0], err)
			}
			a, err := p.connectAPI(cmd.Context(), account, endpoint)
			if err != nil {
				return err
			}
			im := &transfer.Importer{
				Client: a.iam, Account: a.account, Partition: a.partition, Accounts: a.accounts, KeepAccount: keepAccount, DryRun: dryRun,
			}
			if awsManaged {
				im.PutManaged = a.local.putManaged
			}
			report, err := im.Run(cmd.Context(), file)
			if e := report.Write(cmd.OutOrStdout(), output == "json"); e != nil && err == nil {
				err = e
			}
			if err != nil {
				return &failure{code: exitCode(err), err: fmt.Errorf("the import stopped: %w", err), hint: "What was done stays; the same command goes on from there."}
			}
			if err := report.Err(); err != nil {
				return &failure{code: exitService, err: err}
			}
			return nil
		},
	}
	p.dataFlag(cmd)
	p.socketFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&account, "account", "", "account `id` to import into (default the first)")
	f.BoolVar(&dryRun, "dry-run", false, "say what would change, and change nothing")
	f.BoolVar(&keepAccount, "keep-account", false, "leave the account of ARNs in policies")
	f.BoolVar(&awsManaged, "aws-managed", false, "take FILE's AWS managed policies, too, for all\naccounts")
	f.StringVar(&endpoint, "endpoint-url", "", "`URL` of a server, with AWS_… credentials")
	f.StringVar(&output, "output", "", "`format` of the report: json")
	return cmd
}

func newExport() *cobra.Command {
	var (
		p        place
		account  string
		endpoint string
	)
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print an account as lanyard import reads it",
		Long: `Print an account's users, groups, roles and managed policies, in the form of
aws iam get-account-authorization-details, which lanyard import reads. There are
no secrets in it. It is read in pages: change nothing meanwhile.`,
		Example: `  lanyard export > account.json
  lanyard export --account 444455556666 | jq '.RoleDetailList[].RoleName'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := p.connectAPI(cmd.Context(), account, endpoint)
			if err != nil {
				return err
			}
			if err := transfer.Export(cmd.Context(), a.iam, cmd.OutOrStdout()); err != nil {
				return &failure{code: exitCode(err), err: fmt.Errorf("the export is not complete: %w", err)}
			}
			return nil
		},
	}
	p.dataFlag(cmd)
	p.socketFlag(cmd)
	cmd.Flags().StringVar(&account, "account", "", "account `id` (default the first)")
	cmd.Flags().StringVar(&endpoint, "endpoint-url", "", "`URL` of a server, with AWS_… credentials")
	return cmd
}

// exitCode is that of an error of the service, of an interruption, or of anything else.
func exitCode(err error) int {
	if errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	if transfer.Refused(err) {
		return exitService
	}
	return exitOther
}

// openInput opens a file to be read at any place. Standard input, and what cannot be
// read so, is copied into a file without a name first.
func openInput(name string, stdin io.Reader) (in io.ReaderAt, size int64, done func(), err error) {
	source := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, 0, nil, err
		}
		info, err := file.Stat()
		if err != nil {
			_ = file.Close()
			return nil, 0, nil, err
		}
		if info.Mode().IsRegular() {
			return file, info.Size(), func() { _ = file.Close() }, nil
		}
		defer file.Close()
		source = file
	}
	copied, err := os.CreateTemp("", "lanyard-import-")
	if err != nil {
		return nil, 0, nil, err
	}
	_ = os.Remove(copied.Name())
	size, err = io.Copy(copied, io.LimitReader(source, transfer.MaxFile+1))
	if err != nil {
		_ = copied.Close()
		return nil, 0, nil, err
	}
	return copied, size, func() { _ = copied.Close() }, nil
}

// putManaged hands an AWS managed policy to the server.
func (l *local) putManaged(ctx context.Context, in server.ManagedPolicy) (reply server.ManagedPolicyReply, err error) {
	err = l.call(ctx, http.MethodPost, "/managed-policies", in, &reply)
	if r, ok := errors.AsType[*refusal](err); ok && r.status == http.StatusBadRequest {
		err = transfer.Refusal(r.text)
	}
	return reply, err
}
