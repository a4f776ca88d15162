package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/server"
)

// endpointServices are the services of this version, as the AWS CLI spells them
// in AWS_ENDPOINT_URL_….
var endpointServices = []string{"IAM", "STS", "CLOUDTRAIL", "SIGNIN"}

func newEnv() *cobra.Command {
	var (
		p        place
		account  string
		duration time.Duration
		root     bool
		shell    string
		unset    bool
		output   string
	)
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print temporary credentials of the owner of this host, for eval",
		Long: `Print AWS_… variables with temporary credentials for the account, for eval.

The credentials come over a local socket that only the owner of the server can
open; nothing is stored. They are those of the role LanyardOwner, under your
login name, and end by themselves. --root gives a session of the root user
instead, for what only root may do.

AWS CLI 1.29 and 2.13 and later read the endpoint from these variables; with an
older one, such as Debian's 2.9.19, add --endpoint-url "$LANYARD_ENDPOINT".`,
		Example: `  eval "$(lanyard env)"
  eval "$(lanyard env --account 444455556666 --duration 15m)"
  eval "$(lanyard env --unset)"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			write, err := shellWriter(shell)
			if err != nil {
				return err
			}
			if unset {
				for _, name := range envNames() {
					write(out, name, nil)
				}
				return nil
			}
			running, err := p.connect()
			if err != nil {
				return err
			}
			var reply server.CredentialsReply
			if err := running.call(cmd.Context(), http.MethodPost, "/credentials", server.CredentialsRequest{
				Account: arn.AccountID(account), Seconds: int(duration.Seconds()), Root: root,
			}, &reply); err != nil {
				return err
			}
			switch output {
			case "":
			case "json":
				return json.NewEncoder(out).Encode(processCredentials(reply))
			default:
				return usageError("--output %q: say json, or nothing", output)
			}
			values := map[string]string{
				"AWS_ACCESS_KEY_ID":     reply.AccessKeyID,
				"AWS_SECRET_ACCESS_KEY": reply.SecretAccessKey,
				"AWS_SESSION_TOKEN":     reply.SessionToken,
				"AWS_REGION":            reply.Region,
				"AWS_DEFAULT_REGION":    reply.Region,
				"LANYARD_ENDPOINT":      reply.URL,
			}
			for _, name := range envNames() {
				v, ok := values[name]
				if !ok {
					v = reply.URL
				}
				write(out, name, &v)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "# lanyard: %s until %s; IAM, STS and CloudTrail at %s. Undo: eval \"$(lanyard env --unset)\"\n",
				reply.ARN, reply.Expires.Local().Format("15:04"), reply.URL)
			return nil
		},
	}
	p.dataFlag(cmd)
	p.socketFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&account, "account", "", "account `id` (default the first)")
	f.DurationVar(&duration, "duration", time.Hour, "how long they live: 15m to 12h")
	f.BoolVar(&root, "root", false, "a session of the root user")
	f.StringVar(&shell, "shell", "sh", "`name` of the shell: sh, fish or powershell")
	f.BoolVar(&unset, "unset", false, "print what removes the variables")
	f.StringVar(&output, "output", "", "`format`: json, as a credential_process prints it")
	return cmd
}

// envNames are the variables that env sets, in order.
func envNames() []string {
	names := []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "LANYARD_ENDPOINT"}
	for _, s := range endpointServices {
		names = append(names, "AWS_ENDPOINT_URL_"+s)
	}
	return names
}

// shellWriter writes an assignment (or, with nil, a removal) for a shell.
func shellWriter(shell string) (func(w io.Writer, name string, value *string), error) {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	switch shell {
	case "sh", "bash", "zsh":
		return func(w io.Writer, name string, value *string) {
			if value == nil {
				fmt.Fprintf(w, "unset %s\n", name)
				return
			}
			fmt.Fprintf(w, "export %s=%s\n", name, quote(*value))
		}, nil
	case "fish":
		return func(w io.Writer, name string, value *string) {
			if value == nil {
				fmt.Fprintf(w, "set -e %s\n", name)
				return
			}
			// In fish, a single-quoted string knows two escapes: \\ and \'.
			fmt.Fprintf(w, "set -gx %s '%s'\n", name, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(*value))
		}, nil
	case "powershell":
		return func(w io.Writer, name string, value *string) {
			if value == nil {
				fmt.Fprintf(w, "Remove-Item -ErrorAction SilentlyContinue Env:%s\n", name)
				return
			}
			fmt.Fprintf(w, "$Env:%s = '%s'\n", name, strings.ReplaceAll(*value, "'", "''"))
		}, nil
	}
	return nil, usageError("--shell %q: say sh, fish or powershell", shell)
}

// processCredentials is the form that the AWS CLI expects of a credential_process.
func processCredentials(r server.CredentialsReply) any {
	return struct {
		Version         int
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      time.Time
	}{1, r.AccessKeyID, r.SecretAccessKey, r.SessionToken, r.Expires}
}
