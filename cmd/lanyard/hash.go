package main

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lanyard-iam/lanyard/internal/password"
)

// hashCommand is how the server starts newHash: this program again, with nothing of the
// server's environment, in which there may be secrets.
func hashCommand() func() *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	return func() *exec.Cmd {
		cmd := exec.Command(self, "hash-passwords")
		cmd.Env = []string{"GOMAXPROCS=1"}
		cmd.Dir = "/"
		return cmd
	}
}

// newHash is the process in which the server hashes passwords.
func newHash() *cobra.Command {
	return &cobra.Command{
		Use:   "hash-passwords",
		Short: "Hash passwords for the server, which starts this by itself",
		Long: `Reads from standard input what to hash, as the server writes it, and ends
with it. Hashing is costly on purpose; in a process of its own it does not
keep the server's other requests waiting. Nobody needs to type this.`,
		Example: "  lanyard hash-passwords < /dev/null",
		Hidden:  true,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signal.Ignore(syscall.SIGHUP, syscall.SIGUSR1) // they are for the server
			giveWay()                                      // a request is answered in microseconds, a password takes milliseconds anyway
			return password.Serve(cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
