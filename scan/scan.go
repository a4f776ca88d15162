// Package scan owns the search for access keys that lie where they should not: in files,
// in what is about to be committed, in the history of a repository. It finds the id of an
// access key with what may be its secret near it, and keeps nothing else.
//
// Whether a key works is the server's knowledge; see server.KeyCheckRequest.
package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// MaxFile is the size of the largest file that is looked at, in bytes.
const MaxFile = 5 << 20

// Finding is an access key id with a secret near it.
type Finding struct {
	Path   string
	Line   int
	Commit string // in a history: the first commit with it; empty if that was not looked up
	ID     string
	// Secrets are what may be the secret, likeliest first. They are for the question
	// whether they work, and for nobody's eyes: see Mask.
	Secrets []string

	blob string
}

// Mask is what may be shown of a secret.
func Mask(secret string) string { return secret[:min(4, len(secret))] + "…" }

// Result is what was found, and how much was looked at.
type Result struct {
	Findings []Finding
	Files    int // or versions of files, in a history
	Skipped  int // too large, or not readable; binary files count as looked at
}

// Scanner looks for access keys. Its methods may be called once.
type Scanner struct {
	// Allow are patterns of paths that are not looked at, as path.Match has them, for a
	// path as a whole or for any of its elements.
	Allow []string

	mu     sync.Mutex
	result Result
	files  atomic.Int64
	skips  atomic.Int64
}

// Check tells whether the patterns are well formed.
func (s *Scanner) Check() error {
	for _, pattern := range s.Allow {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("pattern %q: %w", pattern, err)
		}
	}
	return nil
}

func (s *Scanner) allowed(name string) bool {
	name = strings.TrimPrefix(filepath.ToSlash(name), "./")
	return slices.ContainsFunc(s.Allow, func(pattern string) bool {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
		for element := range strings.SplitSeq(name, "/") {
			if ok, _ := path.Match(pattern, element); ok {
				return true
			}
		}
		return false
	})
}

// look looks at one text.
func (s *Scanner) look(name, blob string, text []byte) {
	s.files.Add(1)
	if isBinary(text) {
		return
	}
	found := matches(text)
	if len(found) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range found {
		s.result.Findings = append(s.result.Findings, Finding{Path: name, Line: m.line, ID: m.id, Secrets: m.secrets, blob: blob})
	}
}

func (s *Scanner) finish() *Result {
	r := &s.result
	r.Files, r.Skipped = int(s.files.Load()), int(s.skips.Load())
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		if c := strings.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		if c := strings.Compare(a.blob, b.blob); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	return r
}

// Tree looks at files and at what is below folders, except repositories' own folders.
// Symbolic links are not followed. What cannot be read is skipped, unless it was named.
func (s *Scanner) Tree(ctx context.Context, roots ...string) (*Result, error) {
	names := make(chan string, 256)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			buf := make([]byte, 0, 64<<10)
			for name := range names {
				buf = s.lookAtFile(name, buf)
			}
		})
	}
	err := func() error {
		for _, root := range roots {
			if _, err := os.Stat(root); err != nil {
				return err
			}
			if err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
				switch {
				case ctx.Err() != nil:
					return ctx.Err()
				case err != nil:
					s.skips.Add(1)
					if d != nil && d.IsDir() {
						return fs.SkipDir
					}
					return nil
				case d.IsDir() && name != root && (d.Name() == ".git" || s.allowed(name)):
					return fs.SkipDir
				case d.IsDir():
					return nil
				case name == root && d.Type()&fs.ModeSymlink != 0: // one that was named
				case !d.Type().IsRegular():
					return nil
				case s.allowed(name):
					return nil
				}
				names <- name
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	}()
	close(names)
	workers.Wait()
	return s.finish(), err
}

// lookAtFile reads into buf, which it returns, perhaps grown.
func (s *Scanner) lookAtFile(name string, buf []byte) []byte {
	file, err := os.Open(name)
	if err != nil {
		s.skips.Add(1)
		return buf
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > MaxFile {
		s.skips.Add(1)
		return buf
	}
	if n := int(info.Size()) + 1; cap(buf) < n {
		buf = make([]byte, 0, n)
	}
	n, err := io.ReadFull(file, buf[:min(cap(buf), MaxFile+1)])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		s.skips.Add(1)
		return buf
	}
	s.look(name, "", buf[:n])
	return buf
}
