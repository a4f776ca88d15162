package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/respond"
	"github.com/lanyard-iam/lanyard/server"
)

// leakedBefore is how long ago a key leaked if nobody says.
const leakedBefore = 7 * 24 * time.Hour

func newRespond() *cobra.Command {
	var (
		p            place
		replace      bool
		secretFile   string
		noQuarantine bool
		leaked       string
		output       string
	)
	cmd := &cobra.Command{
		Use:   "respond key ID",
		Short: "Stop an access key that leaked, and report what it did",
		Long: `Respond to an access key (AKIA…) that leaked. In this order: deactivate it; end
the sessions that it minted, directly and through other sessions, and nobody
else's; put AWS's quarantine policy on its user; read the trail; and, with
--replace, make the user another key, whose secret is shown once on a terminal
and else written to a file of mode 0600.

The report tells every call of the key and its sessions, from where, what it
changed and what it made that has to be looked at. It works for a deleted key,
too. Run again, the command does what is left and says what was done already.
Exit code 254: a step failed, or the server does not know the key.`,
		Example: `  lanyard respond key AKIAIOSFODNN7EXAMPLE --replace
  lanyard respond key AKIAIOSFODNN7EXAMPLE --leaked 2026-01-02T15:04:05Z
  lanyard respond key AKIAIOSFODNN7EXAMPLE --output json > report.json`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0 || args[0] != "key":
				return usageError("say what leaked: lanyard respond key AKIA…")
			case len(args) != 2:
				return usageError("say which access key, one at a time")
			case args[1] == "root":
				return usageError("the root user has no access keys here; lanyard revoke root ends its sessions")
			case arn.IsSessionKey(args[1]):
				return usageError("%s is of a session: lanyard revoke ends those of its user or role, or name the long-term key that minted it", args[1])
			case !arn.IsAccessKey(args[1]):
				return usageError("%q is no access key id: those are AKIA and 16 more characters", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			now := time.Now()
			since := now.Add(-leakedBefore)
			if leaked != "" {
				at, err := time.Parse(time.RFC3339, leaked)
				if err != nil || at.After(now) {
					return usageError("--leaked is a time in the past such as 2026-01-02T15:04:05Z")
				}
				since = at
			}
			switch {
			case output != "" && output != "json":
				return usageError("--output %q: say json, or nothing", output)
			case secretFile != "" && !replace:
				return usageError("--secret-file is of a replacement: say --replace, too")
			}
			running, err := p.connect()
			if err != nil {
				return err
			}
			var key identity.KeyState
			if err := running.call(cmd.Context(), http.MethodGet, "/key?id="+url.QueryEscape(args[1]), nil, &key); err != nil {
				return err
			}
			a, err := p.connectAPI(cmd.Context(), string(key.Account), "")
			if err != nil {
				return err
			}
			r := &respond.Responder{
				Key: &key, Server: respond.Server{Revoke: keyServer{running}.Revoke, Calls: keyServer{running}.Calls}, IAM: a.iam, Partition: a.partition,
				Leaked: since, NoQuarantine: noQuarantine, KeepReads: output == "json",
			}
			var shown *terminalVault
			if replace {
				r.OpenVault = func(user string) (respond.Vault, error) {
					if out, ok := cmd.OutOrStdout().(*os.File); ok && output == "" && secretFile == "" && term.IsTerminal(int(out.Fd())) {
						shown = &terminalVault{out: out}
						return shown, nil
					}
					return newFileVault(secretFile, user)
				}
			}
			report, err := r.Run(cmd.Context())
			if e := report.Write(cmd.OutOrStdout(), output == "json", time.Now()); e != nil && err == nil {
				err = e
			}
			if shown != nil {
				if e := shown.show(); e != nil && err == nil {
					err = e
				}
			}
			if err != nil {
				return &failure{code: exitCode(err), err: fmt.Errorf("the response is not complete: %w", err), hint: "What was done stays; the same command goes on from there."}
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
	f.BoolVar(&replace, "replace", false, "make the user another key")
	f.StringVar(&secretFile, "secret-file", "", "`FILE` for the new key's secret (default\nUSER_accessKeys.csv, if not on a terminal)")
	f.BoolVar(&noQuarantine, "no-quarantine", false, "leave the user's policies as they are")
	f.StringVar(&leaked, "leaked", "", "`time` when it leaked: what is seen first after\nit is marked as new (default a week ago)")
	f.StringVar(&output, "output", "", "`format`: json, with every single call")
	return cmd
}

// keyServer is the owner's socket, as package respond asks it.
type keyServer struct{ *local }

func (k keyServer) Revoke(ctx context.Context, id string) (time.Time, error) {
	var reply server.RevokeReply
	if err := k.call(ctx, http.MethodPost, "/revoke", server.RevokeRequest{Principals: []string{id}}, &reply); err != nil {
		return time.Time{}, err
	}
	if len(reply.Revoked) != 1 {
		return time.Time{}, errors.New("the server does not say what it revoked")
	}
	return reply.Revoked[0].Before, nil
}

func (k keyServer) Calls(ctx context.Context, id string, yield func(*audit.KeyCall)) (*audit.KeyTrail, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://local/keys/calls?id="+url.QueryEscape(id), nil)
	if err != nil {
		return nil, err
	}
	client := *k.client
	client.Timeout = 0 // a long trail takes its time
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var e struct{ Error string }
		if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || e.Error == "" {
			e.Error = resp.Status
		}
		return nil, &failure{code: exitService, err: &refusal{resp.StatusCode, e.Error}}
	}
	lines := json.NewDecoder(bufio.NewReaderSize(resp.Body, 1<<16))
	for {
		var line server.KeyCallsLine
		err := lines.Decode(&line)
		switch {
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case line.Error != "":
			return nil, errors.New(line.Error)
		case line.Trail != nil:
			return line.Trail, nil
		case line.Call != nil:
			yield(line.Call)
		}
	}
}

// terminalVault shows a secret once, behind the report.
type terminalVault struct {
	out        io.Writer
	id, secret string
}

func (v *terminalVault) Keep(_, id, secret string) (string, error) {
	v.id, v.secret = id, secret
	return "below, and is shown this once", nil
}

func (v *terminalVault) Discard() {}

func (v *terminalVault) show() error {
	if v.id == "" {
		return nil
	}
	_, err := fmt.Fprintf(v.out, "\nThe new key; its secret cannot be shown again:\n  AWS_ACCESS_KEY_ID=%s\n  AWS_SECRET_ACCESS_KEY=%s\n", v.id, v.secret)
	return err
}

// fileVault writes a secret into a new file, in the form of AWS's console.
type fileVault struct{ file *os.File }

func newFileVault(path, user string) (*fileVault, error) {
	if path == "" {
		path = user + "_accessKeys.csv"
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &fileVault{file}, nil
}

func (v *fileVault) Keep(_, id, secret string) (string, error) {
	w := csv.NewWriter(v.file)
	err := w.WriteAll([][]string{{"Access key ID", "Secret access key"}, {id, secret}})
	if err == nil {
		err = v.file.Sync()
	}
	if e := v.file.Close(); err == nil {
		err = e
	}
	if err != nil {
		_ = os.Remove(v.file.Name())
	}
	return "in " + v.file.Name(), err
}

func (v *fileVault) Discard() {
	_ = v.file.Close()
	_ = os.Remove(v.file.Name())
}
