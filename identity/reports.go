package identity

import (
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
