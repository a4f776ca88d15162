package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
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

// A manual page says what --help says; nothing that a command is described with is taken for
// a request of roff.
func TestManual(t *testing.T) {
	dir := t.TempDir()
	if err := writeManual(dir, newRoot()); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "lanyard-policy-test.1"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		request, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(line, ".") && !slices.Contains([]string{".TH", ".SH", ".B", ".nf", ".fi"}, request) {
			t.Errorf("a request: %s", line)
		}
	}
	for _, says := range []string{".TH LANYARD-POLICY-TEST 1", "lanyard\\-policy\\-test \\- Hold policies", "\\-\\-output format", "\n  lanyard policy test ", "lanyard\\-policy(1)"} {
		if !strings.Contains(string(page), says) {
			t.Errorf("%q is not in\n%s", says, page)
		}
	}
	if got := roff(".a\\b\n'c-d\n.e`^~"); got != "\\&.a\\eb\n\\(aqc\\-d\n\\&.e\\(ga\\(ha\\(ti" {
		t.Errorf("%q", got)
	}
}
