package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/server"
)

func newClaim() *cobra.Command {
	var (
		p               place
		account, output string
	)
	cmd := &cobra.Command{
		Use:   "claim",
		Short: "Print a link by which root's sign-in is set up",
		Long: `Print a link by which the root user of an account is set up in a browser: an
e-mail address to sign in with, a passkey or a password with an MFA device, and
recovery codes.

The link works once, for 15 minutes; a new one ends the one before. It is no
standing credential, and there is no default password. Only the owner of the
running server can make one, and that is on record. An account is claimed once:
lanyard recover is for root who lost the password or the device.`,
		Example: `  lanyard claim
  lanyard claim --account 123456789012`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return printLink(cmd, &p, "/claim", server.ClaimRequest{Account: arn.AccountID(account)}, output)
		},
	}
	linkFlags(cmd, &p, &account, &output)
	return cmd
}

func newRecover() *cobra.Command {
	var (
		p               place
		account, output string
		root            bool
		user            string
	)
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Print a link for somebody who lost their MFA device",
		Long: `Print a link by which somebody who lost their MFA devices comes in again. It
works once, for 15 minutes; a new one ends the one before.

A user still has to show the password, and then sets a new device up, which
takes the place of all that they had; who forgot the password needs a new one
(aws iam update-login-profile). Root sets everything anew, as at the claim.

Only the owner of the running server can make such a link, and that is on
record. An administrator in the console can make one for a user, too.`,
		Example: `  lanyard recover --root
  lanyard recover --user alice --account 123456789012`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if root == (user != "") {
				return usageError("say whom: --root, or --user NAME")
			}
			return printLink(cmd, &p, "/recover", server.RecoverRequest{Account: arn.AccountID(account), Root: root, User: user}, output)
		},
	}
	linkFlags(cmd, &p, &account, &output)
	cmd.Flags().BoolVar(&root, "root", false, "for the root user")
	cmd.Flags().StringVar(&user, "user", "", "for the user of this `name`")
	return cmd
}

func linkFlags(cmd *cobra.Command, p *place, account, output *string) {
	p.dataFlag(cmd)
	p.socketFlag(cmd)
	cmd.Flags().StringVar(account, "account", "", "account `id` (default the first)")
	cmd.Flags().StringVar(output, "output", "", "`format`: json")
}

// printLink asks for a link and prints it, alone on standard output.
func printLink(cmd *cobra.Command, p *place, path string, request any, output string) error {
	if output != "" && output != "json" {
		return usageError("--output %q: say json, or nothing", output)
	}
	running, err := p.connect()
	if err != nil {
		return err
	}
	var reply server.LinkReply
	if err := running.call(cmd.Context(), http.MethodPost, path, request, &reply); err != nil {
		return err
	}
	if output == "json" {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(reply)
	}
	fmt.Fprintln(cmd.OutOrStdout(), reply.URL)
	sayLink(cmd.ErrOrStderr(), reply)
	return nil
}

func sayLink(w io.Writer, reply server.LinkReply) {
	fmt.Fprintf(w, "For %s. Works once, until %s. Whoever has it comes in: give it to nobody else.\n",
		reply.ARN, reply.Expires.Local().Format(time.TimeOnly))
}
