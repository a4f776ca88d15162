package scan

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// ErrGit: git is not installed, or what it was asked about is no repository of it.
var ErrGit = errors.New("git")

// git prepares a command of git in a folder. Nothing of the repository runs, and nothing
// is fetched.
func git(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "core.fsmonitor=false", "-c", "core.quotePath=false"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_NO_LAZY_FETCH=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0")
	return cmd
}

// failed is the error of a command of git with what it said.
func failed(cmd *exec.Cmd, err error) error {
	text, _ := cmd.Stderr.(*bytes.Buffer)
	said := ""
	if text != nil {
		said, _, _ = strings.Cut(strings.TrimSpace(text.String()), "\n")
	}
	if said == "" {
		said = err.Error()
	}
	return fmt.Errorf("%w: %s", ErrGit, said)
}

// object is the content of a file that git keeps.
type object struct{ id, path string }

// History looks at every version of every file that the repository of a folder keeps in
// its branches, tags and stashes.
func (s *Scanner) History(ctx context.Context, dir string) (*Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	list := git(ctx, dir, "rev-list", "--objects", "--all", fmt.Sprintf("--filter=blob:limit=%d", MaxFile+1))
	list.Stderr = new(bytes.Buffer)
	out, err := list.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := list.Start(); err != nil {
		return nil, failed(list, err)
	}
	objects := func(yield func(object) bool) error {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			// Commits have no path; the top tree has an empty one.
			id, name, _ := strings.Cut(lines.Text(), " ")
			if name != "" && !s.allowed(name) && !yield(object{id, name}) {
				break
			}
		}
		return lines.Err()
	}
	err = s.contents(ctx, dir, objects)
	if err != nil {
		cancel()
	}
	if e := list.Wait(); e != nil && err == nil {
		err = failed(list, e)
	}
	result := s.finish()
	if err == nil {
		err = nameCommits(ctx, dir, result)
	}
	return result, err
}

// Staged looks at the files that are staged in the repository of a folder, whole, as they
// would be committed.
func (s *Scanner) Staged(ctx context.Context, dir string) (*Result, error) {
	// Elsewhere than in a repository, git diff compares files.
	cmd := git(ctx, dir, "rev-parse", "--git-dir")
	cmd.Stderr = new(bytes.Buffer)
	if err := cmd.Run(); err != nil {
		return nil, failed(cmd, err)
	}
	cmd = git(ctx, dir, "diff", "--cached", "--raw", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-abbrev", "--diff-filter=ACMT", "--ignore-submodules=all")
	cmd.Stderr = new(bytes.Buffer)
	out, err := cmd.Output()
	if err != nil {
		return nil, failed(cmd, err)
	}
	// :100644 100644 before after M NUL path NUL
	fields := strings.Split(string(out), "\x00")
	err = s.contents(ctx, dir, func(yield func(object) bool) error {
		for i := 0; i+1 < len(fields); i += 2 {
			meta := strings.Fields(fields[i])
			if len(meta) != 5 {
				return fmt.Errorf("%w: diff says %q", ErrGit, fields[i])
			}
			if !s.allowed(fields[i+1]) && !yield(object{meta[3], fields[i+1]}) {
				break
			}
		}
		return nil
	})
	return s.finish(), err
}

// contents looks at objects, one after the other, through one git that reads them.
func (s *Scanner) contents(ctx context.Context, dir string, objects func(yield func(object) bool) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := git(ctx, dir, "cat-file", "--batch", "--buffer")
	cmd.Stderr = new(bytes.Buffer)
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return failed(cmd, err)
	}
	asked := make(chan object, 1<<16) // git answers in the order of the questions
	listed := make(chan error, 1)
	go func() {
		defer close(asked)
		questions := bufio.NewWriter(in)
		var broken error
		err := objects(func(o object) bool {
			select {
			case asked <- o:
			default: // the answers are waited for: what was asked must be on its way
				if broken = questions.Flush(); broken != nil {
					return false
				}
				select {
				case asked <- o:
				case <-ctx.Done():
					return false
				}
			}
			_, broken = fmt.Fprintln(questions, o.id)
			return broken == nil
		})
		listed <- errors.Join(err, broken, questions.Flush(), in.Close())
	}()
	err = s.answers(bufio.NewReaderSize(out, 1<<16), asked)
	if err != nil {
		cancel()
	}
	if e := <-listed; e != nil && err == nil {
		err = e
	}
	if e := cmd.Wait(); e != nil && err == nil {
		err = failed(cmd, e)
	}
	return err
}

// answers reads what git says of each object that was asked for.
func (s *Scanner) answers(r *bufio.Reader, asked <-chan object) error {
	var buf []byte
	for o := range asked {
		line, err := r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("%w: the answer on %s: %w", ErrGit, o.id, err)
		}
		head := strings.Fields(line)
		if len(head) == 2 && head[1] == "missing" { // of a clone that has not everything
			s.skips.Add(1)
			continue
		}
		if len(head) != 3 || head[0] != o.id {
			return fmt.Errorf("%w: the answer on %s is %q", ErrGit, o.id, strings.TrimSpace(line))
		}
		size, err := strconv.ParseInt(head[2], 10, 64)
		if err != nil || size < 0 {
			return fmt.Errorf("%w: the size of %s is %q", ErrGit, o.id, head[2])
		}
		if head[1] != "blob" || size > MaxFile {
			if head[1] == "blob" {
				s.skips.Add(1)
			}
			if _, err := io.CopyN(io.Discard, r, size+1); err != nil {
				return fmt.Errorf("%w: %w", ErrGit, err)
			}
			continue
		}
		if int64(cap(buf)) < size {
			buf = make([]byte, size)
		}
		if _, err := io.ReadFull(r, buf[:size]); err != nil {
			return fmt.Errorf("%w: %w", ErrGit, err)
		}
		if _, err := r.ReadByte(); err != nil {
			return fmt.Errorf("%w: %w", ErrGit, err)
		}
		s.look(o.path, o.id, buf[:size])
	}
	return nil
}

// maxNamed bounds the search for commits, each of which walks the history.
const maxNamed = 50

// nameCommits finds the first commit with each version of a file that something was
// found in.
func nameCommits(ctx context.Context, dir string, result *Result) error {
	named := map[string]string{}
	for i := range result.Findings {
		f := &result.Findings[i]
		commit, ok := named[f.blob]
		if !ok && len(named) < maxNamed {
			cmd := git(ctx, dir, "log", "--all", "-m", "--topo-order", "--reverse", "--format=%H", "--no-patch", "--find-object="+f.blob)
			cmd.Stderr = new(bytes.Buffer)
			out, err := cmd.Output()
			if err != nil {
				return failed(cmd, err)
			}
			commit, _, _ = strings.Cut(string(out), "\n")
			named[f.blob] = commit
		}
		f.Commit = commit
	}
	return nil
}
