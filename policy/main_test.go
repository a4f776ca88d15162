package policy

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// defaultChecks is how many random scenes each property sees unless
// -rapid.checks says otherwise; TestAgainstReference decides twelve requests in
// each.
const defaultChecks = "300"

func TestMain(m *testing.M) {
	flag.Parse()
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "rapid.checks" })
	if !set {
		flag.Set("rapid.checks", defaultChecks)
		flag.Set("rapid.nofailfile", "true") // a failure prints its seed
	}
	os.Exit(m.Run())
}
