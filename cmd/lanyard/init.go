package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/server"
)

func newInit() *cobra.Command {
	var (
		p        place
		accounts []string
		region   string
	)
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a data directory with its seal key and accounts",
		Long: `Make a data directory with its seal key and accounts.

The seal key protects every secret in the data directory. It is kept apart from
it: back up both, in different places. Without the key nothing in the data
directory can be opened; there is no way around it.`,
		Example: `  lanyard init --account 123456789012
  lanyard init --data ./data --seal-key-file ./seal.key --account 123456789012`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(accounts) == 0 {
				return usageError("name at least one account, for example --account 123456789012")
			}
			p.fill()
			c := server.Config{DataDir: p.data, SealKeyFile: p.sealKeyFile, SealKey: p.sealKey, Region: region, Version: version}
			for _, a := range accounts {
				c.Accounts = append(c.Accounts, arn.AccountID(a))
			}
			report, err := server.Init(c)
			if err != nil {
				return configError(err, "")
			}
			w := cmd.ErrOrStderr()
			fmt.Fprintf(w, "data       %s\n", report.DataDir)
			switch {
			case p.sealKey != "":
				fmt.Fprintf(w, "seal key   from LANYARD_SEAL_KEY\n")
			case report.SealKeyMade:
				fmt.Fprintf(w, "seal key   %s (new: back it up apart from the data)\n", report.SealKeyFile)
			default:
				fmt.Fprintf(w, "seal key   %s (was there)\n", report.SealKeyFile)
			}
			for _, a := range report.Accounts {
				fmt.Fprintf(w, "account    %s\n", a)
			}
			at := ""
			if p.data != defaultData() {
				at = " --data " + p.data
			}
			key := ""
			if p.sealKeyFile != defaultSealKeyFile() && p.sealKey == "" {
				key = " --seal-key-file " + p.sealKeyFile
			}
			fmt.Fprintf(w, "\nStart it:  lanyard server%s%s\nUse it:    eval \"$(lanyard env%s)\"\nClaim it:  lanyard claim%s\n", at, key, at, at)
			return nil
		},
	}
	p.dataFlag(cmd)
	p.sealKeyFlag(cmd)
	cmd.Flags().StringSliceVar(&accounts, "account", nil, "account `id` to make: 12 digits; may be repeated")
	cmd.Flags().StringVar(&region, "region", server.DefaultRegion, "`region` whose partition the first ARNs are written in")
	return cmd
}
