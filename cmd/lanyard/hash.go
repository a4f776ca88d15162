package main

import (
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

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

// giveWay lets every other process go before this one. With a high nice value alone, Linux
// lets a process that computes finish its slice of some milliseconds first.
func giveWay() {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return // where it cannot be told so, it is in the way at times, and right all the same
	}
	for _, thread := range threads { // those that come later inherit it
		if id, err := strconv.Atoi(thread.Name()); err == nil {
			_ = unix.SchedSetAttr(id, &unix.SchedAttr{Policy: unix.SCHED_IDLE}, 0)
		}
	}
}
