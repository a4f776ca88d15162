package policytest

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/lanyard-iam/lanyard/policy"
)

// The types of condition keys have the names that the policy simulator has for them.
func TestKeyTypesAreIAMs(t *testing.T) {
	for kind := policy.StringKey; kind <= policy.IPKey; kind++ {
		if name := types.ContextKeyTypeEnum(kind.String()); !slices.Contains(name.Values(), name) {
			t.Errorf("%d: %q is no ContextKeyType", kind, name)
		}
	}
	for key, want := range map[string]types.ContextKeyTypeEnum{
		"aws:MultiFactorAuthPresent": types.ContextKeyTypeEnumBoolean,
		"aws:MultiFactorAuthAge":     types.ContextKeyTypeEnumNumeric,
		"aws:SourceIp":               types.ContextKeyTypeEnumIp,
		"aws:CurrentTime":            types.ContextKeyTypeEnumDate,
		"aws:PrincipalTag/team":      types.ContextKeyTypeEnumString,
	} {
		if got := KeyType(key).String(); got != string(want) {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}
