package identity

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/store"
)

// CredentialReportsOf has the credential reports of each account that are kept.
var CredentialReportsOf = store.Table[CredentialReports]{Kind: store.Report} // account

// The bounds of what is kept of an account. A report of 10,000 users takes less than 0.7 MB.
const (
	MaxCredentialReports     = 12
	MaxCredentialReportBytes = 64 << 20 // in all, as they are stored; the newest is kept in any case
)

// CredentialReports are the credential reports of an account, the one that was made last
// first: of each day (in UTC) the last one, and of those the newest.
//
// This list, with what the history shows of each, is in the state; the texts are in a log of
// the account (CredentialReportStream). They are large, seldom read, and never changed: in the
// state they would be in memory for good, some 8 MB for 10,000 users, and be read and verified
// at each start. A log is trimmed by time alone, so that the earlier reports of a day go with
// the oldest that is kept and not before; they cost disk, a few hours' worth of it for each day.
// The trail's retention does not touch them: a report a month makes a year's history.
type CredentialReports struct {
	Reports []CredentialReport `json:"reports"`
}

// CredentialReport is where the text of a report is, and what the history shows of it: the
// text is in Pieces entries of CredentialReportStream, at the time Generated.
type CredentialReport struct {
	ID        string    `json:"id"` // begins the entries that are its pieces
	Generated time.Time `json:"at"` // to the second
	Pieces    int       `json:"pieces"`
	Bytes     int       `json:"bytes"`  // of the text
	Stored    int       `json:"stored"` // bytes of the pieces
	// Users counts the users, WithoutMFA those of them with a console password and without an
	// MFA device, OldKeys active access keys that were more than 90 days old.
	Users      int `json:"users"`
	WithoutMFA int `json:"noMFA"`
	OldKeys    int `json:"oldKeys"`
}

// CredentialReportStreams begins the names of the logs that hold credential reports.
const CredentialReportStreams = "reports/credentials/"

// CredentialReportStream is the log with the texts of an account's reports.
func CredentialReportStream(account arn.AccountID) string {
	return CredentialReportStreams + string(account)
}

// Newest is the report that was made last, nil if there is none.
func (c *CredentialReports) Newest() *CredentialReport {
	if len(c.Reports) == 0 {
		return nil
	}
	return &c.Reports[0]
}

// Oldest is the time of the oldest report, zero if there is none. Texts from before it are
// of no report any more.
func (c *CredentialReports) Oldest() (at time.Time) {
	for i := range c.Reports {
		if t := c.Reports[i].Generated; at.IsZero() || t.Before(at) {
			at = t
		}
	}
	return at
}

// Add puts a report in front, and drops those that are no longer kept.
func (c *CredentialReports) Add(made *CredentialReport) {
	day := func(r *CredentialReport) string { return r.Generated.UTC().Format(time.DateOnly) }
	kept, stored := []CredentialReport{*made}, made.Stored
	for i := range c.Reports {
		r := &c.Reports[i]
		if day(r) == day(made) {
			continue
		}
		if stored += r.Stored; len(kept) == MaxCredentialReports || stored > MaxCredentialReportBytes {
			break
		}
		kept = append(kept, *r)
	}
	c.Reports = kept
}

// CredentialReportsIn are the reports of an account, none if no one was ever made.
func CredentialReportsIn(r store.Reader, account arn.AccountID) (*CredentialReports, error) {
	all, err := CredentialReportsOf.Get(r, string(account))
	if errors.Is(err, store.ErrNotFound) {
		return new(CredentialReports), nil
	}
	return all, err
}

// CredentialReportWriter makes the pieces of a report. Close ends it; then its CredentialReport
// is complete, and Append stores it.
type CredentialReportWriter struct {
	CredentialReport
	pieces [][]byte
	text   []byte // of the piece under way
}

// reportPieceBytes is how much text is in a log entry that holds a piece of a report. Each is
// compressed by itself, as a block of the kind that the log of store/sqlite has: several times
// quicker to read than gzip, and no other code in the program.
const reportPieceBytes = 128 << 10

// NewCredentialReport begins a report. The id must be unique within the account's second.
func NewCredentialReport(id string, generated time.Time) *CredentialReportWriter {
	return &CredentialReportWriter{CredentialReport: CredentialReport{ID: id, Generated: generated}, text: make([]byte, 0, reportPieceBytes)}
}

// Write adds to the text.
func (w *CredentialReportWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), reportPieceBytes-len(w.text))
		w.text, rest = append(w.text, rest[:n]...), rest[n:]
		if len(w.text) == reportPieceBytes {
			w.endPiece()
		}
	}
	w.Bytes += len(p)
	return len(p), nil
}

func (w *CredentialReportWriter) endPiece() {
	packed := s2.Encode(nil, w.text)
	piece := append(pieceHead(w.ID, len(w.pieces)), packed...)
	w.pieces = append(w.pieces, slices.Clip(piece))
	w.Stored += len(piece)
	w.text = w.text[:0]
}

// Close ends the text.
func (w *CredentialReportWriter) Close() error {
	if len(w.text) > 0 {
		w.endPiece()
	}
	w.text, w.Pieces = nil, len(w.pieces)
	return nil
}

// Append stores the pieces.
func (w *CredentialReportWriter) Append(tx store.Tx, account arn.AccountID) {
	for _, piece := range w.pieces {
		tx.Append(CredentialReportStream(account), w.Generated, piece)
	}
}

// pieceHead begins a piece: of which report it is, and which piece.
func pieceHead(id string, n int) []byte { return fmt.Appendf(nil, "%s %d\n", id, n) }

// Text reads the text of a report. store.ErrNotFound is that it is gone: the log of a
// development server is bounded.
func (c *CredentialReport) Text(r store.Reader, account arn.AccountID) (io.Reader, error) {
	pieces := make([][]byte, c.Pieces)
	found := 0
	err := r.ScanLog(CredentialReportStream(account), store.LogQuery{From: c.Generated, To: c.Generated}, func(e store.LogEntry) bool {
		head, piece, _ := bytes.Cut(e.Data, []byte("\n"))
		id, number, _ := strings.Cut(string(head), " ")
		if n, err := strconv.Atoi(number); err == nil && id == c.ID && n >= 0 && n < len(pieces) && pieces[n] == nil {
			pieces[n] = bytes.Clone(piece)
			found++
		}
		return found < len(pieces)
	})
	if err != nil {
		return nil, err
	}
	if found < len(pieces) {
		return nil, fmt.Errorf("credential report %s: %w", c.ID, store.ErrNotFound)
	}
	return &reportReader{pieces: pieces}, nil
}

// reportReader unpacks pieces one after the other.
type reportReader struct {
	pieces     [][]byte // that are left
	text, room []byte   // of the piece under way: what is left, and its buffer
}

func (r *reportReader) Read(p []byte) (int, error) {
	for len(r.text) == 0 {
		if len(r.pieces) == 0 {
			return 0, io.EOF
		}
		n, err := s2.DecodedLen(r.pieces[0])
		if err == nil && n > reportPieceBytes {
			err = errors.New("a piece is too long")
		}
		if err == nil {
			r.room, err = s2.Decode(r.room, r.pieces[0])
		}
		if err != nil {
			return 0, err
		}
		r.text, r.pieces = r.room, r.pieces[1:]
	}
	n := copy(p, r.text)
	r.text = r.text[n:]
	return n, nil
}

// WriteText writes the text of a report, all that it should be and no more: an error comes
// after what is not.
func (c *CredentialReport) WriteText(r store.Reader, account arn.AccountID, w io.Writer) error {
	in, err := c.Text(r, account)
	if err != nil {
		return err
	}
	n, err := io.Copy(w, in)
	if err == nil && n != int64(c.Bytes) {
		err = fmt.Errorf("it has %d bytes and should have %d", n, c.Bytes)
	}
	if err != nil {
		return fmt.Errorf("credential report %s: %w", c.ID, err)
	}
	return nil
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
