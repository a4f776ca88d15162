package main

import (
	"encoding/base32"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lanyard-iam/lanyard/mfa"
)

func newTOTP() *cobra.Command {
	var at string
	var steps int
	cmd := &cobra.Command{
		Use:   "totp [FILE]",
		Short: "Print the code of a TOTP seed, for scripts and for learning",
		Long: `Print the six-digit code that an authenticator app would show for a seed.

FILE holds the Base32 seed, as create-virtual-mfa-device --bootstrap-method
Base32StringSeed writes it; without FILE it is read from standard input. A seed
on a disk is no second factor: use this in tests and to learn, not for people.`,
		Example: `  lanyard totp seed.txt
  lanyard totp --steps 1 seed.txt     the code after the present one`,
		Hidden: true, // help has 24 lines
		Args:   oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readInput(cmd, args, 4096)
			if err != nil {
				return err
			}
			seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(strings.TrimRight(strings.TrimSpace(string(text)), "=")))
			if err != nil || len(seed) == 0 {
				return usageError("not a Base32 seed")
			}
			now := time.Now()
			if at != "" {
				if now, err = time.Parse(time.RFC3339, at); err != nil {
					return usageError("--at is a time such as 2026-01-02T15:04:05Z")
				}
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), mfa.Code(seed, mfa.StepAt(now)+int64(steps)))
			return err
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "`time` of the code (default now)")
	cmd.Flags().IntVar(&steps, "steps", 0, "how many 30-second `steps` later or earlier")
	return cmd
}
