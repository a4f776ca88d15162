package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// A terminal has 24 lines of 80 columns: the help fits the screen, that of each
// command its width, and each has an example.
func TestHelpFitsATerminal(t *testing.T) {
	const lines, columns = 24, 80
	help := func(args ...string) string {
		var out, errs bytes.Buffer
		if code := Main(args, &out, &errs); code != exitOK || errs.Len() > 0 {
			t.Fatalf("lanyard %s: exit code %d, %s", strings.Join(args, " "), code, errs.String())
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > columns {
				t.Errorf("lanyard %s: %d columns: %s", strings.Join(args, " "), n, line)
			}
		}
		return out.String()
	}
	if n := strings.Count(help("help"), "\n"); n > lines {
		t.Errorf("lanyard help has %d lines", n)
	}
	commands := newRoot().Commands()
	if len(commands) < 7 {
		t.Fatalf("%d commands", len(commands))
	}
	for _, cmd := range commands {
		text := help(cmd.Name(), "--help")
		if cmd.Long == "" || cmd.Example == "" || !strings.Contains(text, cmd.Example) {
			t.Errorf("lanyard %s --help lacks a text or an example:\n%s", cmd.Name(), text)
		}
	}
}
