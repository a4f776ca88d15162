package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lanyard-iam/lanyard/server"
	"github.com/lanyard-iam/lanyard/store/sqlite"
)

func newBackup() *cobra.Command {
	var (
		p      place
		output string
	)
	cmd := &cobra.Command{
		Use:   "backup FILE|DIR",
		Short: "Copy all data into a file, while the server runs",
		Long: `Copy all data, state and trail, into a new file: while the server runs, without
keeping its requests waiting, or from the data directory of one that is stopped.
Into a directory, the file is called lanyard-TIME.db. It has mode 0600 and gets
its name when it is complete and all of it was read back; before that, and if it
fails, there is none. The trail says CreateBackup and BackupCompleted.

The seal key is not in it: keep that apart. Secrets in the backup are sealed and
worth nothing without the key; names, policies and the trail can be read by
whoever has the file. To store it elsewhere, encrypt it:

  age -r age1… -o lanyard.db.age lanyard.db`,
		Example: `  lanyard backup /var/backups/lanyard
  lanyard backup before-the-upgrade.db`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("say into which file, or directory")
			}
			return oneArg(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "" && output != "json" {
				return usageError("--output %q: say json, or nothing", output)
			}
			file, err := server.BackupFile(args[0], time.Now())
			if errors.Is(err, fs.ErrExist) {
				return usageError("%v; a backup is a new file", err)
			}
			if err != nil {
				return backupError(err, args[0])
			}
			report, err := p.backup(cmd.Context(), file)
			if err != nil {
				return err
			}
			if output == "json" {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(report)
			}
			fmt.Fprintln(cmd.OutOrStdout(), report.File)
			w := cmd.ErrOrStderr()
			tellBackup(w, &report.BackupReport)
			key := report.SealKey
			if key == "" {
				key = "LANYARD_SEAL_KEY"
			}
			fmt.Fprintf(w, `
Not in it: the seal key %s, which is in %s.
Keep that apart from the backup: without it no secret in the backup opens, and no
server starts on it.
`, report.SealKeyID, key)
			return nil
		},
	}
	p.dataFlag(cmd)
	p.sealKeyFlag(cmd)
	p.socketFlag(cmd)
	cmd.Flags().StringVar(&output, "output", "", "`format`: json")
	return cmd
}

// takenBackup is a backup with the place of the key that it needs.
type takenBackup struct {
	server.BackupReport
	SealKey string `json:"sealKey"`
}

// backup copies the data of the server that runs, or of none.
func (p *place) backup(ctx context.Context, file string) (_ *takenBackup, err error) {
	ask, done, err := p.backupSource(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	begun, err := ask(server.BackupRequest{})
	if err != nil {
		return nil, err
	}
	// The server goes first; but a copy that takes for ever would keep its log from being begun
	// anew.
	stepBack()
	taken := &takenBackup{SealKey: begun.SealKey}
	err = sqlite.Copy(ctx, begun.DataDir, file, func(st *sqlite.Store) error {
		report, err := server.Inspect(st)
		if err != nil {
			return err
		}
		if report.Backup == nil || report.Backup.ID != begun.ID {
			return errors.New("another backup was begun meanwhile")
		}
		taken.BackupReport = *report
		return nil
	})
	if err != nil {
		return nil, backupError(err, file)
	}
	taken.File = file
	if info, err := os.Stat(file); err == nil {
		taken.Bytes = info.Size()
	}
	if _, err := ask(server.BackupRequest{ID: begun.ID, Bytes: taken.Bytes}); err != nil {
		// It is there, and good; what is lacking is that the server knows.
		return nil, fmt.Errorf("%s is complete, but the server was not told: %w", file, err)
	}
	return taken, nil
}

// backupSource is what has to be told of a backup: the server that runs, else the data directory.
func (p *place) backupSource(ctx context.Context) (ask func(server.BackupRequest) (*server.BackupReply, error), done func() error, err error) {
	running, connectErr := p.connect()
	if connectErr == nil {
		var status server.StatusReply
		if connectErr = running.call(ctx, http.MethodGet, "/status", nil, &status); connectErr == nil {
			return func(in server.BackupRequest) (*server.BackupReply, error) {
				reply := new(server.BackupReply)
				return reply, running.call(ctx, http.MethodPost, "/backup", in, reply)
			}, func() error { return nil }, nil
		}
	}
	if p.socket != "" {
		return nil, nil, connectErr
	}
	p.fill()
	if !sqlite.Exists(p.data) {
		return nil, nil, connectErr
	}
	off, err := server.OpenOffline(server.Config{DataDir: p.data, SealKeyFile: p.sealKeyFile, SealKey: p.sealKey, Version: version})
	if err != nil {
		return nil, nil, configError(err, "")
	}
	return func(in server.BackupRequest) (*server.BackupReply, error) { return off.Backup(ctx, in) }, off.Close, nil
}

// backupError says how a backup failed in the words of whoever typed the command.
func backupError(err error, file string) error {
	hint := ""
	switch {
	case errors.Is(err, sqlite.ErrTooBusy):
		hint = "Try again when less is written, or stop the server first."
	case errors.Is(err, fs.ErrPermission):
		hint = "The backup is written by this command, as its user, and not by the server."
	case errors.Is(err, fs.ErrNotExist):
		hint = "Make the directory " + filepath.Dir(file) + " first: mkdir -m 700 …"
	}
	return &failure{code: exitOther, err: fmt.Errorf("no backup was made: %w", err), hint: hint}
}

// tellBackup says what a backup holds.
func tellBackup(w io.Writer, b *server.BackupReport) {
	if b.Backup != nil {
		fmt.Fprintf(w, "taken      %s by %s, of Lanyard %s\n", b.Backup.Begun.UTC().Format(time.RFC3339), b.Backup.By, b.Backup.Version)
	}
	fmt.Fprintf(w, "size       %.*f MB, verified\n", decimals(b.Bytes), float64(b.Bytes)/1e6)
	fmt.Fprintf(w, "accounts   %s\n", strings.Trim(fmt.Sprint(b.Accounts), "[]"))
	fmt.Fprintf(w, "holds      %s, %s, %s\n", plural(b.Users, "user"), plural(b.Roles, "role"), plural(b.AccessKeys, "access key"))
	if !b.LastEvent.IsZero() {
		fmt.Fprintf(w, "last event %s %s\n", b.LastEvent.UTC().Format(time.RFC3339), b.LastName)
	}
}

// plural is a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// decimals are those of a size in MB.
func decimals(bytes int64) int {
	if bytes < 10e6 {
		return 2
	}
	return 0
}

func newRestore() *cobra.Command {
	var (
		p      place
		dry    bool
		output string
	)
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a data directory of a backup, or verify one",
		Long: `Make a data directory of a backup, in one that is empty or not there yet. All
of the backup is verified, and that the seal key opens it, before anything is in
place. With --dry-run nothing more is done; where there is no seal key, the rest
is verified.

A backup takes everything back, the end of things too. What is good for a time
only ends with the restoration, whenever it was begun: all sessions, temporary
credentials, sign-ins, one-time links, remembered browsers, and codes of the
last minute. What lasts is good again: access keys, passwords, MFA devices,
users and permissions that were deleted, changed or deactivated after the
backup, and recovery codes that were used. Go through them before you start the
server. The trail says RestoreBackup.`,
		Example: `  lanyard restore --dry-run lanyard-20260102T150405Z.db
  lanyard restore --data /var/lib/lanyard lanyard-20260102T150405Z.db`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("say which file: what lanyard backup made")
			}
			return oneArg(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "" && output != "json" {
				return usageError("--output %q: say json, or nothing", output)
			}
			p.fill()
			c := server.Config{DataDir: p.data, SealKeyFile: p.sealKeyFile, SealKey: p.sealKey, CredentialsDirectory: os.Getenv("CREDENTIALS_DIRECTORY"), Version: version}
			restored, err := server.Restore(cmd.Context(), c, args[0], dry)
			if err != nil {
				hint := "Nothing was restored."
				if errors.Is(err, sqlite.ErrNotEmpty) {
					hint = "A backup is restored into an empty directory. Move the old data away, and keep it until the new is in use."
				}
				if dry {
					hint = ""
				}
				return configError(err, hint)
			}
			if output == "json" {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(restored)
			}
			tellRestored(cmd.ErrOrStderr(), restored, &p)
			return nil
		},
	}
	p.dataFlag(cmd)
	p.sealKeyFlag(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "verify the backup, and restore nothing")
	cmd.Flags().StringVar(&output, "output", "", "`format`: json")
	return cmd
}

func tellRestored(w io.Writer, r *server.Restored, p *place) {
	tellBackup(w, &r.BackupReport)
	switch {
	case r.KeyTried:
		fmt.Fprintf(w, "seal key   %s, and it is at hand\n", r.SealKeyID)
	default:
		fmt.Fprintf(w, "seal key   %s: not at hand, and so not tried\n", r.SealKeyID)
	}
	if r.DataDir == "" {
		fmt.Fprint(w, "\nThe backup is good. Nothing was restored (--dry-run).\n")
		return
	}
	at := ""
	if r.DataDir != defaultData() {
		at = " --data " + shellWord(r.DataDir)
	}
	key := ""
	if p.sealKeyFile != defaultSealKeyFile() && p.sealKey == "" {
		key = " --seal-key-file " + shellWord(p.sealKeyFile)
	}
	since := r.LastEvent
	if r.Backup != nil {
		since = r.Backup.Begun
	}
	fmt.Fprintf(w, `restored   %s, at %s by the clock of this host

Ended, whenever it was begun: every session and temporary credential,
%s, %s, sign-ins under way, remembered
browsers, codes of authenticator apps of the last minute.

GOOD AGAIN is what was ended after %s:
access keys, passwords, MFA devices, users and permissions that were deleted,
changed or deactivated since, and recovery codes that were used since. Go through
them, and do again what has to be. Where the old data is still there, its trail
says what was done: lanyard server --data OLD, and aws cloudtrail lookup-events.

Start it:    lanyard server%s%s
Look at it:  lanyard advise%s
`, r.DataDir, r.Time.Format(time.RFC3339), plural(r.BrowserSessions, "browser session"), plural(r.Links, "one-time link"), since.UTC().Format(time.RFC3339), at, key, at)
}

// shellWord writes an argument for a shell.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:,@%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
