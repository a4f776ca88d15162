package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// maxSupport bounds what is read from the server.
const maxSupport = 64 << 20

func newSupport() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use:   "support [FILE|DIR]",
		Short: "Collect what helps to find out what is wrong with a server",
		Long: `Write a zip of what helps somebody else to find out what is wrong with a server
that runs: version and build, the settings in force and where they are from,
health, how many records of each kind there are, metrics, what the program does
at this moment, and the last lines of its log. The trail says
CreateSupportBundle.

Secrets, and what the accounts hold, are not put into it. There are file names,
the server's addresses and hosts of webhooks in it, and an error in the log may
name what it was about: look through it before you hand it on. FILE is a new
file. In a directory, by default the current one, it is called
lanyard-support-TIME.zip.`,
		Example: `  lanyard support
  lanyard support /tmp/lanyard.zip && unzip -p /tmp/lanyard.zip log.jsonl`,
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "lanyard-support-" + time.Now().UTC().Format("20060102T150405Z") + ".zip"
			file := name
			if len(args) == 1 {
				file = args[0]
				if info, err := os.Stat(file); err == nil && info.IsDir() {
					file = filepath.Join(file, name)
				}
			}
			if _, err := os.Lstat(file); err == nil {
				return usageError("%s: %v; a bundle is a new file", file, fs.ErrExist)
			}
			running, err := p.connect()
			if err != nil {
				return err
			}
			bundle, err := running.fetch(cmd.Context(), "/support")
			if err != nil {
				return err
			}
			if err := writeNew(file, bundle); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), file)
			return err
		},
	}
	p.dataFlag(cmd)
	p.socketFlag(cmd)
	return cmd
}

// writeNew writes a new file of mode 0600, or none.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(path)
	}
	return err
}

// fetch asks the server for bytes.
func (l *local) fetch(ctx context.Context, path string) ([]byte, error) {
	var text bytes.Buffer
	err := l.ask(ctx, http.MethodPost, path, nil, func(body io.Reader) error {
		n, err := io.Copy(&text, io.LimitReader(body, maxSupport+1))
		if err == nil && n > maxSupport {
			err = errors.New("the server answers with too much")
		}
		return err
	})
	return text.Bytes(), err
}
