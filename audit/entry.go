package audit

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/store"
)

// A stored entry is
//
//	version            1 byte: 1
//	flags              1 byte: readOnly, denied
//	eventID, requestID, eventName, eventSource, Username, AccessKeyId
//	number of references, then type and name of each
//	length of the companion, 4 bytes big endian; the Decision as JSON, or nothing
//	the record         the rest
//
// where each text is a length (unsigned varint) and bytes. What LookupEvents filters
// by comes first, so that a search need not parse records. Entries live as long as
// the retention: an older version is read for ever, a newer one is refused.
const entryVersion = 1

const (
	flagReadOnly = 1 << iota
	flagDenied
)

// Entry is a record as it is found in the trail, with what LookupEvents shows of it.
type Entry struct {
	ID          string
	RequestID   string
	Name        string
	Source      string
	Username    string // empty if the caller has none
	AccessKeyID string // empty if the request was not signed with one
	ReadOnly    bool
	Time        time.Time // second precision
	References  []Reference
	// Record is the CloudTrail record, JSON on one line.
	Record string
	// Decision is set by Find and LastDenied, if the request came to one.
	Decision *Decision
}

// streams begins the names of the logs that are trails.
const streams = "trail/"

// stream is where an account's records are.
func stream(account arn.AccountID) string { return streams + string(account) }

// appendEntry appends the event as it is stored.
func (e *Event) appendEntry(dst []byte) []byte {
	var flags byte
	if e.ReadOnly {
		flags |= flagReadOnly
	}
	if e.denied() {
		flags |= flagDenied
	}
	dst = append(dst, entryVersion, flags)
	for _, s := range [...]string{e.ID, e.RequestID, e.Name, e.Source, e.Identity.username(), e.Identity.AccessKeyID} {
		dst = appendField(dst, s)
	}
	dst = e.appendReferences(dst)
	length := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = e.Decision.append(dst)
	binary.BigEndian.PutUint32(dst[length:], uint32(len(dst)-length-4))
	return e.AppendRecord(dst)
}

// appendReferences writes what request and response name, and the resources that the
// operation itself listed.
func (e *Event) appendReferences(dst []byte) []byte {
	for _, r := range e.Resources {
		e.refer(Reference{Type: r.Type, Name: r.ARN})
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.references)))
	for _, r := range e.references {
		dst = appendField(appendField(dst, r.Type), r.Name)
	}
	return dst
}

func appendField(dst []byte, s string) []byte {
	if len(s) > maxName {
		s = cut(s, maxName)
	}
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// append writes the decision as encoding/json reads it, with a trace that is no JSON,
// or too large, left out.
func (d *Decision) append(dst []byte) []byte {
	if d == nil {
		return dst
	}
	dst = append(dst, `{"allowed":`...)
	dst = strconv.AppendBool(dst, d.Allowed)
	dst = append(dst, `,"action":`...)
	dst = appendText(dst, d.Action, maxName)
	dst = append(dst, `,"resource":`...)
	dst = appendText(dst, d.Resource, maxName)
	dst = optional(dst, `,"layer":`, d.Layer, maxName)
	dst = optional(dst, `,"policy":`, d.Policy, maxName)
	dst = optional(dst, `,"owner":`, d.Owner, maxName)
	dst = optional(dst, `,"sid":`, d.Sid, maxName)
	dst = append(dst, `,"statement":`...)
	dst = strconv.AppendInt(dst, int64(d.Index), 10)
	if len(d.Trace) > 0 && json.Valid(d.Trace) {
		start := len(dst)
		dst = append(dst, `,"trace":`...)
		if dst = appendValid(dst, d.Trace); len(dst)-start > maxTrace {
			dst = dst[:start]
		}
	}
	if d.Sole {
		dst = append(dst, `,"sole":true`...)
	}
	if d.Grounds != nil {
		dst = appendGrounds(dst, d.Grounds)
	}
	return append(dst, '}')
}

// maxGrounds bounds the grounds of an allowed request. A statement that does not fit is
// counted instead.
const maxGrounds = 2048

// appendGrounds writes why a request was allowed as encoding/json reads it.
func appendGrounds(dst []byte, g *policy.Grounds) []byte {
	begin := len(dst)
	dst = append(dst, `,"grounds":{"needed":[`...)
	for i, layer := range g.Needed {
		dst = appendText(comma(dst, i), layer.String(), maxName)
	}
	dst = append(dst, `],"statements":[`...)
	omitted := g.Omitted
	for i, n := 0, 0; i < len(g.Statements); i++ {
		start := len(dst)
		if dst = appendGround(comma(dst, n), &g.Statements[i]); len(dst)-begin > maxGrounds {
			dst = dst[:start]
			omitted++
			continue
		}
		n++
	}
	dst = append(dst, ']')
	if omitted > 0 {
		dst = strconv.AppendInt(append(dst, `,"omitted":`...), int64(omitted), 10)
	}
	return append(dst, '}')
}

func appendGround(dst []byte, s *policy.Ground) []byte {
	dst = appendText(append(dst, `{"layer":`...), s.Layer.String(), maxName)
	dst = appendText(append(dst, `,"policy":{"type":`...), s.Policy.Type.String(), maxName)
	dst = optional(dst, `,"name":`, s.Policy.Name, maxName)
	dst = optional(dst, `,"arn":`, s.Policy.ARN, maxName)
	dst = optional(dst, `,"owner":`, s.Policy.Owner, maxName)
	dst = strconv.AppendInt(append(dst, `},"statement":`...), int64(s.Statement), 10)
	dst = optional(dst, `,"sid":`, s.Sid, maxName)
	if len(s.Conditions) > 0 {
		dst = append(dst, `,"conditions":[`...)
		for i := range s.Conditions {
			c := &s.Conditions[i]
			dst = appendText(append(comma(dst, i), `{"operator":`...), c.Operator, maxName)
			dst = appendText(append(dst, `,"key":`...), c.Key, maxName)
			dst = appendTexts(append(dst, `,"values":`...), c.Values)
			dst = strconv.AppendBool(append(dst, `,"present":`...), c.Present)
			if len(c.Seen) > 0 {
				dst = appendTexts(append(dst, `,"seen":`...), c.Seen)
			}
			dst = strconv.AppendBool(append(dst, `,"holds":`...), c.Holds)
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func appendTexts(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		dst = appendText(comma(dst, i), s, maxName)
	}
	return append(dst, ']')
}

// comma separates the elements of a list, of which this is number i from 0.
func comma(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return dst
}

// header is an entry taken apart: parts of its bytes.
type header struct {
	flags      byte
	fields     [6][]byte // ID, request, name, source, user name, access key
	references []byte    // count, then pairs
	decision   []byte
	record     []byte
}

// The places in header.fields.
const (
	fieldID = iota
	fieldRequest
	fieldName
	fieldSource
	fieldUsername
	fieldAccessKey
)

var errEntry = errors.New("audit: an entry of the trail cannot be read")

// parse takes an entry apart without copying.
func parse(data []byte) (h header, err error) {
	if len(data) < 2 {
		return h, errEntry
	}
	if data[0] != entryVersion {
		return h, fmt.Errorf("%w: its version is %d, this release knows %d", errEntry, data[0], entryVersion)
	}
	h.flags = data[1]
	rest := data[2:]
	ok := true
	field := func() (f []byte) {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > uint64(len(rest)-size) {
			ok = false
			return nil
		}
		f, rest = rest[size:size+int(n)], rest[size+int(n):]
		return f
	}
	for i := range h.fields {
		h.fields[i] = field()
	}
	count, size := binary.Uvarint(rest)
	if !ok || size <= 0 || count > maxReferences {
		return header{}, errEntry
	}
	start := rest
	rest = rest[size:]
	for range 2 * count {
		field()
	}
	h.references = start[:len(start)-len(rest)]
	if !ok || len(rest) < 4 {
		return header{}, errEntry
	}
	n := binary.BigEndian.Uint32(rest)
	rest = rest[4:]
	if uint64(n) > uint64(len(rest)) {
		return header{}, errEntry
	}
	h.decision, h.record = rest[:n], rest[n:]
	return h, nil
}

// each calls fn for the references until it returns false. parse has checked their form.
func (h *header) each(fn func(typ, name []byte) bool) {
	count, size := binary.Uvarint(h.references)
	rest := h.references[size:]
	field := func() (f []byte) {
		n, size := binary.Uvarint(rest)
		f, rest = rest[size:size+int(n)], rest[size+int(n):]
		return f
	}
	for range count {
		typ, name := field(), field()
		if !fn(typ, name) {
			return
		}
	}
}

// entry copies what was found out of the store's bytes.
func (h *header) entry(at time.Time) Entry {
	e := Entry{
		ID:          string(h.fields[fieldID]),
		RequestID:   string(h.fields[fieldRequest]),
		Name:        string(h.fields[fieldName]),
		Source:      string(h.fields[fieldSource]),
		Username:    string(h.fields[fieldUsername]),
		AccessKeyID: string(h.fields[fieldAccessKey]),
		ReadOnly:    h.flags&flagReadOnly != 0,
		Time:        at.UTC().Truncate(time.Second),
		Record:      string(h.record),
	}
	h.each(func(typ, name []byte) bool {
		e.References = append(e.References, Reference{Type: string(typ), Name: string(name)})
		return true
	})
	return e
}

// explained is entry with the decision.
func (h *header) explained(at time.Time) (*Entry, error) {
	e := h.entry(at)
	if len(h.decision) > 0 {
		e.Decision = new(Decision)
		if err := json.Unmarshal(h.decision, e.Decision); err != nil {
			return nil, fmt.Errorf("%w: decision: %v", errEntry, err)
		}
	}
	return &e, nil
}

// entries encodes the event, and its copies, as log entries.
func (t *Trail) entries(e *Event) ([]store.LogEntry, error) {
	if e.ID == "" || e.Time.IsZero() {
		return nil, errors.New("audit: event without id or time")
	}
	entries := make([]store.LogEntry, 0, 1+len(e.Copies))
	entry, err := t.entry(e)
	if err != nil {
		return nil, err
	}
	entries = append(entries, entry)
	for _, c := range e.Copies {
		other := *e
		other.ID, other.Account, other.Identity = c.ID, c.Account, c.Identity
		// Why the caller's own policies allowed it is not the other account's business.
		other.Decision = nil
		if entry, err = t.entry(&other); err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

func (t *Trail) entry(e *Event) (store.LogEntry, error) {
	if _, err := arn.ParseAccountID(string(e.Account)); err != nil {
		return store.LogEntry{}, fmt.Errorf("audit: event %s belongs to no account: %w", e.ID, err)
	}
	scratch := t.scratch.Get().(*[]byte)
	defer t.scratch.Put(scratch)
	*scratch = e.appendEntry((*scratch)[:0])
	if len(*scratch) > store.MaxEntryBytes {
		// Only texts that nobody checked can add up to this. Nothing is recorded, so the
		// request fails; in the queue it would stand in the way of all others.
		return store.LogEntry{}, fmt.Errorf("audit: event %s of %d bytes: %w", e.ID, len(*scratch), store.ErrTooLarge)
	}
	h, err := parse(*scratch)
	if err != nil {
		return store.LogEntry{}, err
	}
	return store.LogEntry{Stream: stream(e.Account), At: e.Time, Data: bytes.Clone(*scratch), Marks: h.marks()}, nil
}
