package iam

import (
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Nobody may do anything by default: each operation on roles and policies is
// refused to a user without permissions, whether what it names exists or not, and
// the refusal names the operation's own action.
func TestPolicyOperationsAreDeniedByDefault(t *testing.T) {
	w := newWorld(t)
	mallory := w.user("thing")
	w.group("thing")
	w.role("thing")
	w.profile("thing")
	w.policy("thing", allow("*", "*"))
	for _, op := range w.iam.policyOperations() {
		for _, name := range []string{"thing", "none"} {
			in := op.NewInput()
			fillInput(in, name)
			_, err := mallory.perform(op, in)
			if codeOf(err) != "AccessDenied" || !strings.Contains(err.Error(), "is not authorized to perform: iam:"+op.Name+" on resource: ") {
				t.Errorf("%s of %s: %v", op.Name, name, err)
			}
		}
	}
	w.consistent(t)
}

// fillInput sets the names that an input has; policies are named by ARN.
func fillInput(in any, name string) {
	v := reflect.ValueOf(in).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i).Name
		if v.Field(i).Type() != reflect.TypeFor[*string]() {
			continue
		}
		switch {
		case field == "PolicyArn" || field == "PermissionsBoundary":
			v.Field(i).Set(reflect.ValueOf(aws.String("arn:aws:iam::111122223333:policy/" + name)))
		case strings.HasSuffix(field, "Name"):
			v.Field(i).Set(reflect.ValueOf(aws.String(name)))
		}
	}
}
