package identity

import (
	"slices"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/store"
)

// CredentialReports has the newest credential report of each account.
var CredentialReports = store.Table[CredentialReport]{Kind: store.Report} // account

// CredentialReportStream is the log that holds the text of credential reports. They
// are large and seldom read: they are not part of the state, which is in memory.
const CredentialReportStream = "reports/credentials"

// CredentialReport is where the text of a report is: in Pieces entries of
// CredentialReportStream, at the time Generated, which are parts of one gzip stream.
type CredentialReport struct {
	ID        string    `json:"id"` // begins the entries that are its pieces
	Generated time.Time `json:"at"`
	Pieces    int       `json:"pieces"`
	Bytes     int       `json:"bytes"` // of the text
}

// Activities has what users and roles last used of each service.
var Activities = store.Table[Activity]{Kind: store.Activity} // unique id, service namespace

// Activity is when a user or role last called a service, and each action of it. Calls
// that were refused count too. Its size is bounded by the number of actions that are
// known.
type Activity struct {
	At      time.Time   `json:"at"`
	Region  string      `json:"r"`
	Actions []ActionUse `json:"a,omitempty"` // sorted by name
}

// ActionUse is when and in which region an action was last called.
type ActionUse struct {
	Name   string    `json:"n"`
	At     time.Time `json:"at"`
	Region string    `json:"r"`
}

// Note enters the call of an action. It reports false, and changes nothing, if there is
// an entry that is not older than the call by more than grain.
func (a *Activity) Note(use ActionUse, grain time.Duration) bool {
	i, found := slices.BinarySearchFunc(a.Actions, use.Name, func(u ActionUse, name string) int { return strings.Compare(u.Name, name) })
	switch {
	case !found:
		a.Actions = slices.Insert(a.Actions, i, use)
	case a.Actions[i].Region == use.Region && use.At.Sub(a.Actions[i].At) < grain:
		return false
	default:
		a.Actions[i] = use
	}
	if !use.At.Before(a.At) {
		a.At, a.Region = use.At, use.Region
	}
	return true
}
