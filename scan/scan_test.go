package scan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tree makes files below a new folder.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, dir, name, text)
	}
	return dir
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// places are where something was found.
func places(r *Result, dir string) string {
	var list []string
	for _, f := range r.Findings {
		list = append(list, fmt.Sprintf("%s:%d", strings.TrimPrefix(strings.TrimPrefix(f.Path, dir), "/"), f.Line))
	}
	return strings.Join(list, " ")
}

func planted(n uint64) string { return id + " " + secretOf(n) }

func TestTree(t *testing.T) {
	dir := tree(t, map[string]string{
		"a.env":             "x\n" + planted(1),
		"deep/er/b.tf":      planted(2) + "\n\n" + planted(2),
		".git/config":       planted(3),
		"sub/.git/objects":  planted(3),
		".hidden/c":         planted(4),
		"testdata/d":        planted(5),
		"e.golden":          planted(6),
		"program":           "\x00" + planted(7),
		"large":             strings.Repeat(" ", MaxFile) + planted(8),
		"almost":            strings.Repeat(" ", MaxFile-len(planted(9))) + planted(9),
		"empty":             "",
		"strange\nname\x1b": planted(10),
	})
	if err := os.Symlink(filepath.Join(dir, "a.env"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	s := &Scanner{Allow: []string{"testdata", "*.golden"}}
	r, err := s.Tree(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := places(r, dir), ".hidden/c:1 a.env:2 almost:1 deep/er/b.tf:1 deep/er/b.tf:3 strange\nname\x1b:1"; got != want {
		t.Errorf("found %q, want %q", got, want)
	}
	if r.Skipped != 1 || r.Files != 7 {
		t.Errorf("looked at %d, skipped %d", r.Files, r.Skipped)
	}
	// A file that is named is looked at, by a link, too.
	if r, err = new(Scanner).Tree(t.Context(), filepath.Join(dir, "link"), filepath.Join(dir, "testdata")); err != nil || len(r.Findings) != 2 {
		t.Errorf("named: %+v, %v", r, err)
	}
	if _, err = new(Scanner).Tree(t.Context(), filepath.Join(dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = new(Scanner).Tree(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if err := (&Scanner{Allow: []string{"["}}).Check(); err == nil {
		t.Error("a malformed pattern passes")
	}
}

// repository is a git repository; run is git in it.
func repository(t *testing.T) (dir string, run func(args ...string) string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	dir = t.TempDir()
	run = func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "HOME="+dir,
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("init", "-q", "-b", "main")
	return dir, run
}

// What was removed, or lies on another branch, or came with a merge alone, is found, with
// the commit that brought it; what is not committed is not.
func TestHistory(t *testing.T) {
	dir, run := repository(t)
	commit := func() string { run("add", "-A"); run("commit", "-qm", "x"); return run("rev-parse", "HEAD") }
	write(t, dir, "readme", "nothing")
	commit()
	write(t, dir, "conf/ä b.env", "\n"+planted(1))
	removed := commit()
	run("rm", "-q", "-r", "conf")
	commit()
	run("checkout", "-q", "-b", "side")
	write(t, dir, "side.env", planted(2))
	side := commit()
	run("checkout", "-q", "main")
	write(t, dir, "main", "main")
	commit()
	run("merge", "-q", "--no-commit", "--no-ff", "side")
	write(t, dir, "evil.env", planted(3))
	run("rm", "-q", "-f", "side.env")
	merged := commit()
	write(t, dir, "testdata/x", planted(4))
	write(t, dir, "large", strings.Repeat(" ", MaxFile)+planted(5))
	commit()
	write(t, dir, "later", planted(6))

	r, err := (&Scanner{Allow: []string{"testdata"}}).History(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := places(r, ""), "conf/ä b.env:2 evil.env:1 side.env:1"; got != want {
		t.Fatalf("found %q, want %q", got, want)
	}
	for i, want := range []string{removed, merged, side} {
		if got := r.Findings[i].Commit; got != want {
			t.Errorf("%s came with %s, want %s", r.Findings[i].Path, got, want)
		}
	}

	// Many objects, more than are asked about at once.
	for i := range 300 {
		write(t, dir, fmt.Sprintf("many/%d", i), strings.Repeat(fmt.Sprint(i), 2000))
	}
	commit()
	if r, err = new(Scanner).History(t.Context(), filepath.Join(dir, "many")); err != nil || r.Files < 300 || len(r.Findings) != 5 {
		t.Errorf("many: %+v, %v", r, err)
	}
	if _, err := new(Scanner).History(t.Context(), t.TempDir()); !errors.Is(err, ErrGit) {
		t.Errorf("no repository: %v", err)
	}
}

// Staged is what the commit would have, not what lies in the folder.
func TestStaged(t *testing.T) {
	dir, run := repository(t)
	staged := func() string {
		t.Helper()
		r, err := (&Scanner{Allow: []string{"*.golden"}}).Staged(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return places(r, "")
	}
	write(t, dir, "a\nb.env", planted(1))
	write(t, dir, "c.golden", planted(2))
	write(t, dir, "later", planted(3))
	run("add", "a\nb.env", "c.golden")
	write(t, dir, "a\nb.env", "removed again, but not from what is staged")
	if got := staged(); got != "a\nb.env:1" { // before the first commit
		t.Errorf("found %q", got)
	}
	run("commit", "-qm", "x")
	if got := staged(); got != "" {
		t.Errorf("nothing is staged, found %q", got)
	}
	run("rm", "-q", "--cached", "a\nb.env")
	run("mv", "c.golden", "c.env")
	if got := staged(); got != "c.env:1" {
		t.Errorf("found %q", got)
	}
	if _, err := new(Scanner).Staged(t.Context(), t.TempDir()); !errors.Is(err, ErrGit) {
		t.Errorf("no repository: %v", err)
	}
}

func TestMask(t *testing.T) {
	if got := Mask(secretOf(1)); len(got) != 4+len("…") {
		t.Errorf("shows %s", got)
	}
}

// BenchmarkTree is a tree of 10,000 files of 4 KB, two of which have a key.
func BenchmarkTree(b *testing.B) {
	files := map[string]string{"x/a.env": planted(1), "y/b.env": planted(2)}
	text := strings.Repeat("func main() { fmt.Println(\"hello IAM\") } // a line of source\n", 64)
	for i := range 10_000 {
		files[fmt.Sprintf("d%d/f%d.go", i%100, i)] = text
	}
	dir := tree(b, files)
	b.SetBytes(int64(10_000 * len(text)))
	for b.Loop() {
		r, err := new(Scanner).Tree(b.Context(), dir)
		if err != nil || len(r.Findings) != 2 {
			b.Fatalf("%+v, %v", r, err)
		}
	}
}
