package audit

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/store"
)

// KeyCall is a request that an access key made, or a session that goes back to it.
type KeyCall struct {
	Account     arn.AccountID   `json:"account"` // whose trail it is on
	AccessKeyID string          `json:"accessKeyId"`
	ReadOnly    bool            `json:"readOnly"`
	Denied      bool            `json:"denied,omitempty"` // it lacked a permission
	Resources   []Reference     `json:"resources,omitempty"`
	Record      json.RawMessage `json:"record"` // CloudTrail's
}

// KeyTrail is the part of the trail in which calls were looked for.
type KeyTrail struct {
	From     time.Time       `json:"from"` // the oldest record of any of the accounts
	To       time.Time       `json:"to"`
	Accounts []arn.AccountID `json:"accounts"`
}

// CallQuery is what KeyCalls looks for.
type CallQuery struct {
	Account arn.AccountID
	// Keys are the access keys, with the time when their session began; zero for
	// long-term keys. Sessions that are met are added.
	Keys map[string]time.Time
	// Token continues the KeyCalls that returned it, in the same account.
	Token string
	// Now is the time of the request: what the retention has passed is not shown.
	Now time.Time
}

// CallPage is an answer to a CallQuery.
type CallPage struct {
	Calls []KeyCall // oldest first
	// Oldest is the time of the account's oldest record of any key; zero if there is
	// none. Only the first page has it.
	Oldest time.Time
	// Next continues behind this page; it is empty after the last one. A page with
	// few calls or none may have a Next.
	Next string
}

// How much one page of KeyCalls holds, so that it fits an answer: most records are of one
// or two KB, the largest of 256.
const (
	maxCalls     = 500
	maxCallBytes = 320 << 10
)

// A scan looks for the marks of the keys. For the mark of a session that is met the scan
// begins again, which costs more than to read on: so the next plainStretch records are read
// whatever they are, for where one session begins there may be many. Of more keys than
// maxMarked most stretches of a trail have one, and no marks are looked for.
const (
	plainStretch = 2000
	maxMarked    = 100
)

// A token carries the sessions that may still be used. None lasts longer than
// longestSession, which is that of GetSessionToken with room to spare; of a key that has
// begun more than maxCarried since, the calls of the oldest may be missed.
const (
	longestSession = 37 * time.Hour
	maxCarried     = 5000
)

// KeyCalls returns a page of what access keys did in an account, oldest first, and what the
// sessions did that go back to them. Sessions are known by the records of the requests
// that began them, which are on the trail before the session can be used. What a session
// did that was begun in another account is found only if its key is given; whoever may
// read several accounts reads them until no key is added any more.
//
// Records that wait in the queue are not seen; call Sync before.
func (t *Trail) KeyCalls(r store.Reader, q CallQuery) (CallPage, error) {
	about := Query{Account: q.Account, Attribute: keyCalls, Now: q.Now, Token: q.Token}
	opened, err := t.openToken(&about)
	if err != nil {
		return CallPage{}, err
	}
	after, err := unpackCalls(string(opened), q.Keys)
	if err != nil {
		return CallPage{}, err
	}
	w := t.window(&about, after)
	w.NewestFirst = false
	page := CallPage{Calls: []KeyCall{}}
	var broken error
	if q.Token == "" {
		err = r.ScanLog(stream(q.Account), w, func(le store.LogEntry) bool {
			page.Oldest = le.At.UTC()
			return false
		})
		if err != nil {
			return CallPage{}, fmt.Errorf("read the trail of account %s: %w", q.Account, err)
		}
	}
	scanned, size := 0, 0
	last := after        // behind it begins the next page
	var lastAt time.Time // of an entry before that; zero if there was none
	end := func(at time.Time) {
		page.Next = t.sealToken(&about, packCalls(last, q.Keys, at.Add(-longestSession)))
	}
	w.Passed = func(at store.Cursor) bool {
		last = at
		if scanned += passedCost; scanned < lookupBudget {
			return true
		}
		end(lastAt)
		return false
	}
	plain := 0 // so many records are read next whatever they are
	for again := true; again && err == nil && broken == nil; {
		again = false
		w.After, w.Marks = last, nil
		marked := plain == 0 && len(q.Keys) <= maxMarked
		if marked {
			for id := range q.Keys {
				w.Marks = append(w.Marks, markOf(markAccessKey, id))
			}
		}
		err = r.ScanLog(stream(q.Account), w, func(le store.LogEntry) bool {
			full := scanned >= lookupBudget || len(page.Calls) == maxCalls
			var h header
			if h, broken = parse(le.Data); broken != nil {
				return false
			}
			if _, wanted := q.Keys[string(h.fields[fieldAccessKey])]; wanted && !full {
				e := h.entry(le.At)
				if size += len(e.Record); size > maxCallBytes && len(page.Calls) > 0 {
					full = true
				} else {
					if minted := mintedKey(&e); minted != "" {
						if _, known := q.Keys[minted]; !known && marked {
							again, plain = true, plainStretch
						}
						q.Keys[minted] = le.At
					}
					page.Calls = append(page.Calls, KeyCall{
						Account: q.Account, AccessKeyID: e.AccessKeyID, ReadOnly: e.ReadOnly, Denied: h.flags&flagDenied != 0,
						Resources: e.References, Record: json.RawMessage(e.Record),
					})
				}
			}
			if full {
				again = false
				end(le.At)
				return false
			}
			last, lastAt = le.Cursor, le.At
			scanned++
			if !marked && plain > 0 {
				plain--
				again = plain == 0 && len(q.Keys) <= maxMarked
			}
			return !again
		})
	}
	if err = errors.Join(err, broken); errors.Is(err, store.ErrCursor) {
		return CallPage{}, ErrToken
	} else if err != nil {
		return CallPage{}, fmt.Errorf("read the trail of account %s: %w", q.Account, err)
	}
	return page, nil
}

// packCalls writes where a page ends and the keys that go on being looked for: the
// long-term ones, and the newest sessions of those that began after a moment.
func packCalls(cursor store.Cursor, keys map[string]time.Time, since time.Time) store.Cursor {
	var carried []string
	for id, began := range keys {
		if began.IsZero() || began.After(since) {
			carried = append(carried, id)
		}
	}
	slices.SortFunc(carried, func(a, b string) int {
		x, y := keys[a], keys[b]
		switch {
		case x.IsZero() && !y.IsZero():
			return -1
		case y.IsZero() && !x.IsZero():
			return 1
		}
		return cmp.Or(y.Compare(x), cmp.Compare(a, b))
	})
	b := appendField(nil, string(cursor))
	for _, id := range carried[:min(len(carried), maxCarried)] {
		b = binary.AppendUvarint(appendField(b, id), uint64(unix(keys[id])))
	}
	return store.Cursor(b)
}

// unix is a time in seconds, and 0 for the zero time.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// unpackCalls is packCalls backwards. What it reads was authenticated.
func unpackCalls(packed string, keys map[string]time.Time) (store.Cursor, error) {
	if packed == "" {
		return "", nil
	}
	rest := []byte(packed)
	text := func() (string, bool) {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > uint64(len(rest)-size) {
			return "", false
		}
		s := string(rest[size : size+int(n)])
		rest = rest[size+int(n):]
		return s, true
	}
	cursor, ok := text()
	for ok && len(rest) > 0 {
		var id string
		if id, ok = text(); !ok {
			break
		}
		began, size := binary.Uvarint(rest)
		if ok = size > 0; !ok {
			break
		}
		rest = rest[size:]
		var at time.Time
		if began > 0 {
			at = time.Unix(int64(began), 0)
		}
		keys[id] = at
	}
	if !ok {
		return "", ErrToken
	}
	return store.Cursor(cursor), nil
}

// keyCalls keeps the tokens of KeyCalls apart from those of Lookup.
const keyCalls Attribute = "calls of keys"

// mintedKey is the key of the session that a request began, or empty.
func mintedKey(e *Entry) string {
	if e.Source != "sts.amazonaws.com" {
		return ""
	}
	var r struct {
		ResponseElements struct {
			Credentials struct {
				AccessKeyID string `json:"accessKeyId"`
			} `json:"credentials"`
		} `json:"responseElements"`
	}
	if err := json.Unmarshal([]byte(e.Record), &r); err != nil {
		return ""
	}
	return r.ResponseElements.Credentials.AccessKeyID
}
