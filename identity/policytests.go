package identity

import (
	"time"

	"github.com/lanyard-iam/lanyard/store"
)

// PolicyTests are the tests that customer managed policies have.
var PolicyTests = store.Table[PolicyTestSet]{Kind: store.PolicyTests} // account, policy's unique id

// PolicyTestSet is the tests of one policy.
type PolicyTestSet struct {
	Tests    []PolicyTest `json:"tests"`
	By       string       `json:"by"` // login name of who saved them
	At       time.Time    `json:"at"`
	Revision int          `json:"rev"` // one more each time they are saved
}

// PolicyTest is a request and the answer that is expected.
type PolicyTest struct {
	Name           string          `json:"name,omitempty"`
	Principal      string          `json:"principal,omitempty"` // ARN; empty: whoever has the policy, and no other
	Action         string          `json:"action"`
	Resource       string          `json:"resource"`
	Context        []PolicyTestKey `json:"context,omitempty"`
	ResourcePolicy string          `json:"resourcePolicy,omitempty"`
	ResourceOwner  string          `json:"resourceOwner,omitempty"`
	Expected       string          `json:"expected"`
}

// PolicyTestKey is a condition key with its values.
type PolicyTestKey struct {
	Key    string   `json:"k"`
	Values []string `json:"v"`
}
