package iam

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// The list of all operations is that of the SDK.
func TestAllOperationsAreTheSDKs(t *testing.T) {
	var want []string
	for i := range reflect.TypeFor[*iam.Client]().NumMethod() {
		if m := reflect.TypeFor[*iam.Client]().Method(i); m.Name != "Options" {
			want = append(want, m.Name)
		}
	}
	if got := strings.Fields(allOperations); !slices.Equal(got, want) {
		t.Errorf("the SDK has %d operations, the list %d", len(want), len(got))
	}
}

// Every operation of AWS's is either built or known to be missing, under the types
// of its name, with a question to the policy engine.
func TestOperations(t *testing.T) {
	set := newWorld(t).iam.Operations()
	seen := slices.Clone(set.NotYet)
	for _, op := range set.Operations {
		seen = append(seen, op.Name)
		in, out := reflect.TypeOf(op.NewInput()).Elem(), reflect.TypeOf(op.NewOutput()).Elem()
		if in.Name() != op.Name+"Input" || out.Name() != op.Name+"Output" {
			t.Errorf("%s takes a %s and gives a %s", op.Name, in, out)
		}
		if op.Checks == nil {
			t.Errorf("%s asks for no permission", op.Name)
		}
		reads := strings.HasPrefix(op.Name, "Get") || strings.HasPrefix(op.Name, "List") || strings.HasPrefix(op.Name, "Generate") || strings.HasPrefix(op.Name, "Simulate")
		if reads != op.ReadOnly {
			t.Errorf("%s: read-only is %v", op.Name, op.ReadOnly)
		}
	}
	slices.Sort(seen)
	if all := strings.Fields(allOperations); !slices.Equal(seen, all) {
		t.Errorf("%d operations are built or to come, of %d", len(seen), len(all))
	}
}
