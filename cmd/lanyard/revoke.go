package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/server"
	"github.com/lanyard-iam/lanyard/session"
)

func newRevoke() *cobra.Command {
	var (
		p       place
		account string
		before  string
		output  string
	)
	cmd := &cobra.Command{
		Use:   "revoke NAME...",
		Short: "End the sessions of users, roles, root or keys",
		Long: `End every session of a user, a role or the root user that was begun before now:
temporary credentials of AssumeRole, GetSessionToken, GetFederationToken and
lanyard env are refused from the next request on. All that are named, or none.

NAME is an ARN, a unique id, user/NAME, role/NAME, root, or a name that only one
of them has. The id of an access key (AKIA…) ends the sessions that it minted,
directly and through others, and nobody else's of the same roles; lanyard
respond does so, and more. A revocation cannot be taken back.

It ends sessions only: access keys and passwords go on working, and who may
begin a session may begin a new one. To stop a person, deactivate those first
(aws iam update-access-key --status Inactive, aws iam delete-login-profile), and
revoke the roles, too, whose sessions the person began.`,
		Example: `  lanyard revoke alice
  lanyard revoke role/deploy arn:aws:iam::111122223333:root
  lanyard revoke --before 2026-01-02T15:04:05Z user/alice`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("say whose sessions: a user, a role, or root")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			request := server.RevokeRequest{Principals: args, Account: arn.AccountID(account)}
			if before != "" {
				at, err := time.Parse(time.RFC3339, before)
				if err != nil {
					return usageError("--before is a time such as 2026-01-02T15:04:05Z")
				}
				request.Before = at
			}
			if output != "" && output != "json" {
				return usageError("--output %q: say json, or nothing", output)
			}
			running, err := p.connect()
			if err != nil {
				return err
			}
			var reply server.RevokeReply
			if err := running.call(cmd.Context(), http.MethodPost, "/revoke", request, &reply); err != nil {
				return err
			}
			if output == "json" {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(reply)
			}
			for _, r := range reply.Revoked {
				name := r.ARN
				if r.Type == "key" {
					name = r.ID
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s\tended sessions issued before %s\n", name, r.Before.UTC().Format(time.RFC3339))
				fmt.Fprint(cmd.ErrOrStderr(), stillWorks(r))
			}
			return nil
		},
	}
	p.dataFlag(cmd)
	p.socketFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&account, "account", "", "account `id` of names (default the first)")
	f.StringVar(&before, "before", "", "end those issued before this `time` (default now)")
	f.StringVar(&output, "output", "", "`format`: json")
	return cmd
}

// stillWorks says what a revocation left as it was.
func stillWorks(r session.Subject) string {
	switch {
	case r.Type == "key" && len(r.AccessKeys) > 0:
		return "  the key is active and can begin new sessions; lanyard respond key " + r.ID + " stops it\n"
	case r.Type == "key":
		return ""
	case r.Type == "role":
		return "  whom the role trusts can begin new sessions\n"
	case r.Type == "root":
		return "  the owner of this host can begin new sessions (lanyard env --root)\n"
	case len(r.AccessKeys) == 0 && !r.Password:
		return "  the user has no active access key and no password\n"
	}
	var left []string
	if len(r.AccessKeys) > 0 {
		left = append(left, "access keys "+strings.Join(r.AccessKeys, ", "))
	}
	if r.Password {
		left = append(left, "the password")
	}
	return "  still working, for they are no sessions: " + strings.Join(left, " and ") + "\n"
}
