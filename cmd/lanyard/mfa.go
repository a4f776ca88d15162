package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/server"
)

func newMFA() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mfa",
		Short: "Bring in hardware tokens that show one-time codes",
		Long: `Bring hardware tokens into an account, list them, or remove them.

A token shows six digits, new ones every 30 seconds (TOTP with SHA-1). Its maker
delivers its serial number and its seed; once imported, it is given to a person
by its serial number (aws iam enable-mfa-device) and used like any MFA device.

  lanyard mfa import FILE       from CSV lines: serial number, seed
  lanyard mfa list              which there are, and who uses them
  lanyard mfa remove SERIAL...  those that nobody uses`,
		Example: `  lanyard mfa import tokens.csv
  aws iam enable-mfa-device --user-name alice --serial-number GAHT12345678 \
      --authentication-code1 123456 --authentication-code2 654321`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("lanyard mfa does not know %q: say import, list or remove", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return usageError("say what to do: lanyard mfa import, list or remove")
		},
	}
	cmd.AddCommand(newMFAImport(), newMFAList(), newMFARemove())
	return cmd
}

func newMFAImport() *cobra.Command {
	var t tokens
	cmd := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Import hardware tokens",
		Long: `Import the hardware tokens in a file: all of them, or none.

Each line has a serial number, a comma and the seed in hex or base32; a seed
that could be either needs the word in a third column. Lines that begin with #
and a first line "serial,seed" are passed over. Without FILE, or with -, it is
standard input. The seeds are kept sealed and cannot be read again: delete the
file when it is imported. An import is on the trail as ImportHardwareMFADevice.`,
		Example: `  lanyard mfa import tokens.csv
  gpg --decrypt tokens.csv.gpg | lanyard mfa import`,
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readInput(cmd, args, server.MaxTokenFile)
			if err != nil {
				return err
			}
			reply, err := t.call(cmd, http.MethodPost, "/tokens", server.TokensRequest{Account: arn.AccountID(t.account), File: string(text)})
			if err != nil {
				return err
			}
			return t.print(cmd, reply, func(token server.TokenReply) string { return token.Serial + "\timported" })
		},
	}
	t.flags(cmd)
	return cmd
}

func newMFAList() *cobra.Command {
	var t tokens
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List hardware tokens",
		Long:    `List the hardware tokens of an account, and who uses them.`,
		Example: `  lanyard mfa list`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			reply, err := t.call(cmd, http.MethodGet, "/tokens?account="+url.QueryEscape(t.account), nil)
			if err != nil {
				return err
			}
			return t.print(cmd, reply, func(token server.TokenReply) string { return token.Serial + "\t" + token.User })
		},
	}
	t.flags(cmd)
	return cmd
}

func newMFARemove() *cobra.Command {
	var t tokens
	cmd := &cobra.Command{
		Use:   "remove SERIAL...",
		Short: "Remove hardware tokens",
		Long: `Remove hardware tokens that nobody uses, with their seeds: all that are named, or
none. One that is in use is deactivated first (aws iam deactivate-mfa-device).`,
		Example: `  lanyard mfa remove GAHT12345678`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("say which tokens: their serial numbers")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			reply, err := t.call(cmd, http.MethodDelete, "/tokens", server.TokensRequest{Account: arn.AccountID(t.account), Serials: args})
			if err != nil {
				return err
			}
			return t.print(cmd, reply, func(token server.TokenReply) string { return token.Serial + "\tremoved" })
		},
	}
	t.flags(cmd)
	return cmd
}

// tokens is what the commands on hardware tokens have in common.
type tokens struct {
	place
	account string
	output  string
}

func (t *tokens) flags(cmd *cobra.Command) {
	t.dataFlag(cmd)
	t.socketFlag(cmd)
	cmd.Flags().StringVar(&t.account, "account", "", "account `id` (default the first)")
	cmd.Flags().StringVar(&t.output, "output", "", "`format`: json")
}

func (t *tokens) call(cmd *cobra.Command, method, path string, in any) (reply server.TokensReply, err error) {
	if t.output != "" && t.output != "json" {
		return reply, usageError("--output %q: say json, or nothing", t.output)
	}
	running, err := t.connect()
	if err != nil {
		return reply, err
	}
	return reply, running.call(cmd.Context(), method, path, in, &reply)
}

func (t *tokens) print(cmd *cobra.Command, reply server.TokensReply, line func(server.TokenReply) string) error {
	if t.output == "json" {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(reply)
	}
	for _, token := range reply.Tokens {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), line(token)); err != nil {
			return err
		}
	}
	return nil
}
