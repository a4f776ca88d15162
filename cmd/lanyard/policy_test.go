package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lanyard-iam/lanyard/policytest"
)

// Ctrl-C ends a run of tests.
func TestPolicyTestEndsWithItsContext(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.test.yaml")
	text := `tests: [{policies: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: "s3:*", Resource: "*"}]}, action: s3:GetObject, expect: allowed}]`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	report := &policytest.Report{}
	if err := new(surveyed).test(ctx, report, []string{file}); err != nil || report.Passed != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	end()
	if err := new(surveyed).test(ctx, report, []string{file}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
