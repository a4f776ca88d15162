package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/store"
)

// Attribute is what LookupEvents filters by (CloudTrail API, LookupAttribute).
type Attribute string

// The attributes of LookupEvents. Values match exactly, and in their case.
const (
	EventID      Attribute = "EventId"
	EventName    Attribute = "EventName"
	ReadOnly     Attribute = "ReadOnly" // "true" or "false"
	Username     Attribute = "Username"
	ResourceType Attribute = "ResourceType"
	ResourceName Attribute = "ResourceName"
	EventSource  Attribute = "EventSource"
	AccessKeyID  Attribute = "AccessKeyId"
)

// Query is what Lookup looks for.
type Query struct {
	Account arn.AccountID
	// Attribute and Value filter; an empty Attribute does not.
	Attribute Attribute
	Value     string
	// Denied leaves out all but requests that lacked a permission.
	Denied bool
	// Start and End are inclusive, to the second; zero means unbounded.
	Start, End time.Time
	// Limit is the largest number of entries returned; MaxPage if it is 0 or larger.
	Limit int
	// Token continues the Lookup that returned it. All but Limit must be as it was.
	Token string
	// Now is the time of the request: what the retention has passed is not shown.
	Now time.Time
}

// MaxPage is the largest page of LookupEvents, and the default.
const MaxPage = 50

// Page is an answer to a Query.
type Page struct {
	Entries []Entry // newest first
	// Next continues behind this page; it is empty after the last one. A page with
	// few entries or none may have a Next.
	Next string
}

// The number of entries that one call reads. They bound its time: a search for what
// happened long ago, or never, may take several calls of Lookup. Find has no way to
// go on, so it goes further. What the store leaves out, because it lacks the mark of what
// is looked for, costs little but not nothing: each time that it says how far it has come,
// with a chapter of some thousand records on disk, counts as passedCost entries. So Lookup
// passes about a million records, and Find twenty.
const (
	lookupBudget = 50_000
	findBudget   = 1_000_000
	passedCost   = 50
)

// ErrToken: the token of a Query was not made for it.
var ErrToken = errors.New("audit: invalid page token")

// Lookup returns a page of an account's records. Records that wait in the queue are
// not seen; call Sync before the snapshot r is taken to see those, too.
//
// Entries are in the order of time to within the time that records wait in the queue.
func (t *Trail) Lookup(r store.Reader, q Query) (Page, error) {
	if q.Limit <= 0 || q.Limit > MaxPage {
		q.Limit = MaxPage
	}
	match := q.matcher()
	if q.Denied {
		attribute := match
		match = func(h *header) bool { return h.flags&flagDenied != 0 && attribute(h) }
	}
	after, err := t.openToken(&q)
	if err != nil {
		return Page{}, err
	}
	type found struct {
		at    time.Time
		entry Entry
	}
	var (
		page    []found
		last    store.Cursor // behind what was read, or behind the page once it is full
		more    bool
		scanned int
		broken  error
	)
	w := t.window(&q, after)
	// spend counts work, of what lies up to a place, and tells whether to go on behind it.
	spend := func(n int, at store.Cursor) bool {
		if scanned += n; scanned >= lookupBudget {
			more, last = true, at
			return false
		}
		return true
	}
	w.Passed = func(at store.Cursor) bool { return spend(passedCost, at) }
	err = r.ScanLog(stream(q.Account), w, func(le store.LogEntry) bool {
		h, err := parse(le.Data)
		if err != nil {
			broken = err
			return false
		}
		if match(&h) {
			if len(page) == q.Limit {
				more = true
				return false
			}
			page = append(page, found{le.At, h.entry(le.At)})
			last = le.Cursor
			if q.Attribute == EventID {
				return false // there is one
			}
		}
		return spend(1, le.Cursor)
	})
	if err = errors.Join(err, broken); errors.Is(err, store.ErrCursor) {
		return Page{}, ErrToken
	} else if err != nil {
		return Page{}, fmt.Errorf("look up events: %w", err)
	}
	// Stores keep the order to within a second, and records of changes overtake
	// those that wait in the queue.
	slices.SortStableFunc(page, func(a, b found) int { return b.at.Compare(a.at) })
	result := Page{Entries: make([]Entry, len(page))}
	for i, f := range page {
		result.Entries[i] = f.entry
	}
	if more {
		result.Next = t.sealToken(&q, last)
	}
	return result, nil
}

// window is the part of the stream that a query is about.
func (t *Trail) window(q *Query, after store.Cursor) store.LogQuery {
	from := q.Now.Add(-t.options.Retention)
	if q.Start.After(from) {
		from = q.Start
	}
	// eventTime, which is compared, has whole seconds: an event of 10:00:00.7 lies
	// before a start of 10:00:00.5, and in a range that ends at 10:00:00.
	w := store.LogQuery{From: from.Add(time.Second - 1).Truncate(time.Second), NewestFirst: true, After: after, Marks: q.marks()}
	if !q.End.IsZero() {
		w.To = q.End.Truncate(time.Second).Add(time.Second - 1)
	}
	return w
}

func (q *Query) matcher() func(*header) bool {
	field := func(i int) func(*header) bool {
		return func(h *header) bool { return string(h.fields[i]) == q.Value }
	}
	switch q.Attribute {
	case "":
		return func(*header) bool { return true }
	case EventID:
		return field(fieldID)
	case EventName:
		return field(fieldName)
	case EventSource:
		return field(fieldSource)
	case Username:
		return field(fieldUsername)
	case AccessKeyID:
		return field(fieldAccessKey)
	case ReadOnly:
		return func(h *header) bool {
			return q.Value == "true" && h.flags&flagReadOnly != 0 || q.Value == "false" && h.flags&flagReadOnly == 0
		}
	case ResourceType, ResourceName:
		return func(h *header) (found bool) {
			h.each(func(typ, name []byte) bool {
				if q.Attribute == ResourceType {
					name = typ
				}
				found = string(name) == q.Value
				return !found
			})
			return found
		}
	}
	return func(*header) bool { return false }
}

// Find returns the record of a request, with its decision, or store.ErrNotFound. It
// reads as far back as its budget goes.
func (t *Trail) Find(r store.Reader, account arn.AccountID, requestID string) (*Entry, error) {
	return t.newest(r, account, markOf(markRequest, requestID), func(h *header) bool { return string(h.fields[fieldRequest]) == requestID })
}

// LastDenied returns the newest record of a request that lacked a permission, with its
// decision, or store.ErrNotFound. It reads as far back as its budget goes.
func (t *Trail) LastDenied(r store.Reader, account arn.AccountID) (*Entry, error) {
	return t.newest(r, account, markOfFlag(markDenied), func(h *header) bool { return h.flags&flagDenied != 0 })
}

func (t *Trail) newest(r store.Reader, account arn.AccountID, mark store.Mark, match func(*header) bool) (found *Entry, err error) {
	left := findBudget
	var broken error
	passed := func(store.Cursor) bool {
		left -= passedCost
		return left > 0
	}
	err = r.ScanLog(stream(account), store.LogQuery{NewestFirst: true, Marks: []store.Mark{mark}, Passed: passed}, func(le store.LogEntry) bool {
		var h header
		if h, broken = parse(le.Data); broken != nil {
			return false
		}
		if match(&h) {
			found, broken = h.explained(le.At)
			return false
		}
		left--
		return left > 0
	})
	if err = errors.Join(err, broken); err != nil {
		return nil, fmt.Errorf("search the trail: %w", err)
	}
	if found == nil {
		return nil, store.ErrNotFound
	}
	return found, nil
}

// A token is a MAC and the cursor behind which to go on. It is bound to the query, so
// that it cannot be used to read what its bearer did not ask for, nor made up.
const tokenMAC = 16

func (t *Trail) sealToken(q *Query, cursor store.Cursor) string {
	return base64.RawURLEncoding.EncodeToString(append(t.mac(q, string(cursor)), cursor...))
}

func (t *Trail) openToken(q *Query) (store.Cursor, error) {
	if q.Token == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(q.Token)
	if err != nil || len(b) <= tokenMAC {
		return "", ErrToken
	}
	cursor := string(b[tokenMAC:])
	if !hmac.Equal(b[:tokenMAC], t.mac(q, cursor)) {
		return "", ErrToken
	}
	return store.Cursor(cursor), nil
}

func (t *Trail) mac(q *Query, cursor string) []byte {
	m := hmac.New(sha256.New, t.options.Key)
	var b []byte
	for _, s := range [...]string{"lanyard LookupEvents token 1", string(q.Account), string(q.Attribute), q.Value, instant(q.Start), instant(q.End), cursor} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	if q.Denied {
		b = append(b, "denied"...)
	}
	m.Write(b)
	return m.Sum(nil)[:tokenMAC]
}

// instant writes a time so that equal instants, and no others, are equal.
func instant(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}
