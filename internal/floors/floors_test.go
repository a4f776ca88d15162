// Package floors tests the architecture: which package may import which. The
// picture is that of ARCHITECTURE.md; a new package is put into it before it
// compiles here.
package floors_test

import (
	"go/build"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// floors lists the packages from the ground up. A package may import what lies on
// a lower line, never what lies on its own line or above. A trailing /... stands
// for everything below a folder.
var floors = [][]string{
	{"arn", "internal/cache", "internal/strict", "internal/password", "internal/paging", "internal/certificate", "internal/sshkey", "internal/egress", "internal/egress/egresstest", "keyring"},
	{"internal/samlx", "internal/webauthnx", "internal/webauthnx/softkey", "policy", "sigv4", "protocol", "constraint", "mfa", "awsmanaged"},
	{"constraint/gen", "awsmanaged/gen", "awsmanaged/pack"},
	{"internal/ownclient"},
	{"advisor"},
	{"store"},
	{"store/internal/..."},
	{"store/memory", "store/sqlite"},
	{"store/storetest"},
	{"audit"},
	{"identity"},
	{"session", "notify"},
	{"authn"},
	{"authz"},
	{"policytest"},
	{"service"},
	{"service/..."},
	{"survey", "respond"},
	{"endpoint", "console"},
	{"test/browser"},
	{"server"},
	{"lanyardtest", "transfer", "scan"},
	{"cmd/...", "internal/docgen", "internal/floors", "test/..."},
}

const module = "github.com/lanyard-iam/lanyard/"

// floorOf finds the line of a package, by its most specific entry.
func floorOf(pkg string) int {
	best, length := -1, -1
	for i, line := range floors {
		for _, entry := range line {
			prefix, wild := strings.CutSuffix(entry, "/...")
			if (pkg == entry || wild && strings.HasPrefix(pkg, prefix+"/")) && len(prefix) > length {
				best, length = i, len(prefix)
			}
		}
	}
	return best
}

func TestNoPackageImportsUpward(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		switch base := d.Name(); {
		case rel == ".":
			return nil
		case strings.HasPrefix(base, "."), base == "testdata", base == "bench", base == "tools", base == "bin":
			return filepath.SkipDir
		}
		pkg, err := build.ImportDir(path, 0)
		if err != nil || len(pkg.GoFiles) == 0 {
			return nil // no Go files that are built
		}
		seen++
		from := floorOf(filepath.ToSlash(rel))
		if from < 0 {
			t.Errorf("package %s is on no floor: add it to the picture", rel)
			return nil
		}
		for _, imported := range pkg.Imports {
			name, ours := strings.CutPrefix(imported, module)
			if !ours {
				continue
			}
			if strings.HasPrefix(name, rel+"/internal/") {
				continue // a package's own internals
			}
			if to := floorOf(name); to >= from {
				t.Errorf("%s imports %s, which is not below it", rel, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 10 {
		t.Fatalf("only %d packages seen: the test looks in the wrong place", seen)
	}
}
