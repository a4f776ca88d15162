package identity

import (
	"time"

	"github.com/lanyard-iam/lanyard/store"
)

// Suppressions are the findings of the advisor that somebody accepted for a time.
var Suppressions = store.Table[Suppression]{Kind: store.Suppression} // account, finding's id, entity's ARN

// Suppression is somebody's decision to live with a finding.
type Suppression struct {
	ID     string    `json:"id"`  // of the finding, such as KEY-01
	ARN    string    `json:"arn"` // of the entity that it is about
	Reason string    `json:"reason"`
	By     string    `json:"by"` // login name
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"` // the moment from which the finding is shown again
}
