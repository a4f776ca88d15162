package identity

import (
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/store"
)

// RoleDeletions are the deletions of service-linked roles that were asked for.
var RoleDeletions = store.Table[RoleDeletion]{Kind: store.RoleDeletion} // account, task id

// RoleDeletion is a deletion of a service-linked role. The role is deleted as soon as
// that is asked for, so a record says that it succeeded, and when.
type RoleDeletion struct {
	Deleted time.Time `json:"deleted"`
}

// LinkedService is the principal of the service that a role is linked to, empty for a
// role that is not service-linked.
func (r *Role) LinkedService() string {
	rest, ok := strings.CutPrefix(r.Path, arn.ServiceLinkedPath)
	if !ok {
		return ""
	}
	return strings.TrimSuffix(rest, "/")
}
