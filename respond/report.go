package respond

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
)

// Report says what was done, and what the key did. As JSON it is for programs.
type Report struct {
	Key         *identity.KeyState `json:"key"`
	Steps       []Step             `json:"steps"`
	Replacement string             `json:"replacementAccessKeyId,omitempty"`
	// Trail is the part of the trail that was read: what happened before is not known.
	Trail audit.KeyTrail `json:"trail"`
	// NewSince is since when an address or a program that is seen first is new; zero if
	// the key made no call before it, so that there is nothing to compare with.
	NewSince  time.Time `json:"newSince,omitzero"`
	Sessions  []Session `json:"sessions"`
	Addresses []Source  `json:"addresses"`
	Agents    []Source  `json:"userAgents"`
	Made      []Made    `json:"made"`
	Reads     []ReadSum `json:"reads"`
	Attempts  *Source   `json:"attempts,omitempty"` // calls in the key's name that were not believed
	Calls     []Call    `json:"calls"`              // oldest first
	leaked    time.Time
	keepReads bool
	before    bool // whether a call was made before leaked
	addresses map[string]*Source
	agents    map[string]*Source
	reads     map[[2]string]*ReadSum
	counts    struct{ key, sessions, changes, refused int }
}

// Session is one that the key minted, directly or through another session.
type Session struct {
	AccessKeyID string        `json:"accessKeyId"`
	Operation   string        `json:"operation"`
	Account     arn.AccountID `json:"account"`
	ARN         string        `json:"arn,omitempty"`
	By          string        `json:"by"` // the key that asked for it
	Began       time.Time     `json:"began"`
	Expires     time.Time     `json:"expires,omitzero"`
}

// Source is an address, or a program, from which calls came.
type Source struct {
	Name  string    `json:"name"`
	Calls int       `json:"calls"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	New   bool      `json:"new"`
}

// Made is something that the key made or changed so that it may open a way back in.
type Made struct {
	Time    time.Time     `json:"time"`
	Account arn.AccountID `json:"account"`
	Kind    string        `json:"kind"`
	Name    string        `json:"name"`
	Look    string        `json:"command"` // shows what it is
	id      string        // of an access key
}

// ReadSum counts the calls of an operation that changed nothing.
type ReadSum struct {
	Service   string    `json:"service"`
	Operation string    `json:"operation"`
	Calls     int       `json:"calls"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
}

// Name is service and operation.
func (s *ReadSum) Name() string { return service(s.Service) + " " + s.Operation }

// Outcome is how a call ended.
type Outcome string

// How a call ended.
const (
	OK          Outcome = "ok"
	Denied      Outcome = "denied" // it lacked a permission
	CallFailed  Outcome = "failed"
	NotBelieved Outcome = "not believed" // a wrong secret, or a key or session that was over
)

// Call is a request by the key or one of its sessions.
type Call struct {
	Time        time.Time     `json:"time"`
	Account     arn.AccountID `json:"account"`
	RequestID   string        `json:"requestId"`
	Service     string        `json:"service"`
	Operation   string        `json:"operation"`
	AccessKeyID string        `json:"accessKeyId"`
	ARN         string        `json:"arn,omitempty"`
	Address     string        `json:"sourceIPAddress"`
	Agent       string        `json:"userAgent"`
	ReadOnly    bool          `json:"readOnly"`
	Outcome     Outcome       `json:"outcome"`
	Error       string        `json:"error,omitempty"`
	Resources   []string      `json:"resources,omitempty"`
}

// Name is service and operation.
func (c *Call) Name() string { return service(c.Service) + " " + c.Operation }

// record is what is read of CloudTrail's record.
type record struct {
	EventTime    time.Time `json:"eventTime"`
	EventSource  string    `json:"eventSource"`
	EventName    string    `json:"eventName"`
	RequestID    string    `json:"requestID"`
	SourceIP     string    `json:"sourceIPAddress"`
	UserAgent    string    `json:"userAgent"`
	ErrorCode    string    `json:"errorCode"`
	ErrorMessage string    `json:"errorMessage"`
	UserIdentity struct {
		Type string `json:"type"`
		ARN  string `json:"arn"`
	} `json:"userIdentity"`
	Request  map[string]any `json:"requestParameters"`
	Response map[string]any `json:"responseElements"`
}

func newReport(key *identity.KeyState, leaked time.Time, keepReads bool) *Report {
	return &Report{
		Key: key, leaked: leaked, keepReads: keepReads,
		Sessions: []Session{}, Addresses: []Source{}, Agents: []Source{}, Made: []Made{}, Reads: []ReadSum{}, Calls: []Call{},
		addresses: map[string]*Source{}, agents: map[string]*Source{}, reads: map[[2]string]*ReadSum{},
	}
}

// Err tells which steps failed.
func (r *Report) Err() error {
	var names []string
	for _, s := range r.Steps {
		if s.State == Failed {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return errors.New("not everything could be done: " + strings.Join(names, ", "))
}

// add takes one call into the report.
func (r *Report) add(c *audit.KeyCall) {
	var rec record
	if err := json.Unmarshal(c.Record, &rec); err != nil {
		// The trail writes JSON; what is not is shown rather than lost.
		r.Calls = append(r.Calls, Call{Account: c.Account, AccessKeyID: c.AccessKeyID, Outcome: CallFailed, Error: "the record cannot be read"})
		return
	}
	call := Call{
		Time: rec.EventTime, Account: c.Account, RequestID: rec.RequestID, Service: rec.EventSource, Operation: rec.EventName,
		AccessKeyID: c.AccessKeyID, ARN: rec.UserIdentity.ARN, Address: rec.SourceIP, Agent: rec.UserAgent,
		ReadOnly: c.ReadOnly, Outcome: OK,
	}
	for _, ref := range c.Resources {
		call.Resources = append(call.Resources, ref.Name)
	}
	if rec.ErrorCode != "" {
		call.Outcome, call.Error = CallFailed, rec.ErrorCode+": "+rec.ErrorMessage
		if c.Denied {
			call.Outcome = Denied
		}
	}
	if rec.UserIdentity.Type == "Unknown" {
		// Anybody can name a key: it tells nothing of who holds it.
		call.Outcome = NotBelieved
		if r.Attempts == nil {
			r.Attempts = &Source{Name: call.Address}
		}
		r.Attempts.count(call.Time)
		r.Calls = append(r.Calls, call)
		return
	}
	if call.Time.Before(r.leaked) {
		r.before = true
	}
	count(r.addresses, call.Address, call.Time)
	count(r.agents, audit.Program(call.Agent), call.Time)
	if call.AccessKeyID == r.Key.ID {
		r.counts.key++
	} else {
		r.counts.sessions++
	}
	switch {
	case call.Outcome != OK:
		r.counts.refused++
	case !call.ReadOnly:
		r.counts.changes++
	}
	if call.Outcome == OK {
		r.addEffects(&call, &rec)
	}
	if call.Outcome == OK && call.ReadOnly && rec.text(sessionKey) == "" {
		sum := r.reads[[2]string{call.Service, call.Operation}]
		if sum == nil {
			sum = &ReadSum{Service: call.Service, Operation: call.Operation, First: call.Time, Last: call.Time}
			r.reads[[2]string{call.Service, call.Operation}] = sum
		}
		sum.Calls++
		sum.First, sum.Last = earlier(sum.First, call.Time), later(sum.Last, call.Time)
		if !r.keepReads {
			return
		}
	}
	r.Calls = append(r.Calls, call)
}

// sessionKey is where the record of a request that began a session names its key.
const sessionKey = "@credentials.accessKeyId"

// addEffects notes what a call left behind: a session, or something that was made.
func (r *Report) addEffects(call *Call, rec *record) {
	if id := rec.text(sessionKey); id != "" && rec.EventSource == "sts.amazonaws.com" {
		s := Session{
			AccessKeyID: id, Operation: call.Operation, Account: call.Account, By: call.AccessKeyID, Began: call.Time,
			ARN: cmp.Or(rec.text("@assumedRoleUser.arn"), rec.text("@federatedUser.arn"), call.ARN),
		}
		// CloudTrail writes "Jan 2, 2006, 3:04:05 PM" in records of STS.
		for _, layout := range []string{"Jan 2, 2006, 3:04:05 PM", "Jan 2, 2006 3:04:05 PM", time.RFC3339} {
			if at, err := time.Parse(layout, rec.text("@credentials.expiration")); err == nil {
				s.Expires = at.UTC()
				break
			}
		}
		r.Sessions = append(r.Sessions, s)
	}
	if rec.EventSource != "iam.amazonaws.com" || call.ReadOnly {
		return
	}
	if kind, name, look := openings(rec.EventName); kind != "" {
		m := Made{Time: call.Time, Account: call.Account, Kind: kind, Name: rec.fill(name, false), Look: rec.fill(look, true)}
		if rec.EventName == "CreateAccessKey" {
			m.id = rec.text("@accessKey.accessKeyId")
		}
		r.Made = append(r.Made, m)
	}
}

// madeKey tells whether the leaked key, or a session of it, made another access key.
func (r *Report) madeKey(id string) bool {
	return slices.ContainsFunc(r.Made, func(m Made) bool { return m.id == id })
}

// finish puts what was counted into order.
func (r *Report) finish(trail *audit.KeyTrail) {
	r.Trail = *trail
	if r.before {
		r.NewSince = r.leaked
	}
	list := func(sources map[string]*Source) []Source {
		all := make([]Source, 0, len(sources))
		for _, s := range sources {
			s.New = r.before && !s.First.Before(r.leaked)
			all = append(all, *s)
		}
		slices.SortFunc(all, func(a, b Source) int { return cmp.Or(b.First.Compare(a.First), cmp.Compare(a.Name, b.Name)) })
		return all
	}
	r.Addresses, r.Agents = list(r.addresses), list(r.agents)
	for _, key := range slices.SortedFunc(maps.Keys(r.reads), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		r.Reads = append(r.Reads, *r.reads[key])
	}
	// Accounts were read one after the other.
	slices.SortStableFunc(r.Calls, func(a, b Call) int { return a.Time.Compare(b.Time) })
	slices.SortStableFunc(r.Sessions, func(a, b Session) int { return a.Began.Compare(b.Began) })
	slices.SortStableFunc(r.Made, func(a, b Made) int { return a.Time.Compare(b.Time) })
}

func count(sources map[string]*Source, name string, at time.Time) {
	s := sources[name]
	if s == nil {
		s = &Source{Name: name}
		sources[name] = s
	}
	s.count(at)
}

func (s *Source) count(at time.Time) {
	if s.Calls == 0 {
		s.First, s.Last = at, at
	}
	s.Calls++
	s.First, s.Last = earlier(s.First, at), later(s.Last, at)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Write prints the report. What callers sent is in it: in the text it is kept from the
// terminal's control.
func (r *Report) Write(w io.Writer, asJSON bool, now time.Time) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	text := new(strings.Builder)
	r.write(text, now)
	_, err := io.WriteString(w, policy.Printable(text.String()))
	return err
}

func (r *Report) write(w *strings.Builder, now time.Time) {
	k := r.Key
	fmt.Fprintf(w, "access key %s", k.ID)
	if k.Exists {
		fmt.Fprintf(w, " of %s, made %s\n", k.UserARN, moment(k.Created, now))
	} else {
		fmt.Fprintf(w, " of account %s, deleted\n", k.Account)
	}
	w.WriteString("\nDone:\n")
	for _, s := range r.Steps {
		fmt.Fprintf(w, "  %-10s  %-7s  %s\n", s.Name, s.State, s.Detail)
	}
	if k.Password {
		fmt.Fprintf(w, "\n  The user's password goes on working: aws iam delete-login-profile --user-name %s\n", quote(k.UserName))
	}
	for _, other := range k.Others {
		if other.Active {
			fmt.Fprintf(w, "\n  The user's other key %s goes on working; if it lay in the same place: lanyard respond key %s\n", other.ID, other.ID)
		}
	}
	if r.Trail.To.IsZero() {
		return
	}
	fmt.Fprintf(w, "\nThe trail goes back to %s; what the key did before that is not known.\n", moment(r.Trail.From, now))
	w.WriteString(r.Summary() + "\n")
	r.writeMade(w, now)
	r.writeSources(w, now)
	if len(r.Sessions) > 0 {
		w.WriteString("\nSessions that it minted:\n")
		for _, s := range r.Sessions {
			fmt.Fprintf(w, "  %s  %s  %s by %s", instant(s.Began), s.AccessKeyID, s.Operation, s.By)
			if s.ARN != "" {
				fmt.Fprintf(w, ": %s", s.ARN)
			}
			w.WriteByte('\n')
		}
	}
	r.writeCalls(w, "What it changed", -1, func(c *Call) bool { return c.Outcome == OK && !c.ReadOnly })
	r.writeCalls(w, "What was denied or failed", -1, func(c *Call) bool { return c.Outcome == Denied || c.Outcome == CallFailed })
	if len(r.Reads) > 0 {
		w.WriteString("\nWhat it read (each call: --output json):\n")
		for _, s := range r.Reads {
			fmt.Fprintf(w, "  %s: %s, first %s, last %s\n", s.Name(), plural(s.Calls, "call"), instant(s.First), instant(s.Last))
		}
	}
	if a := r.Attempts; a != nil {
		fmt.Fprintf(w, "\nCalls in its name that were not believed (a wrong secret, or after it was stopped): %d, first %s, last %s\n", a.Calls, instant(a.First), instant(a.Last))
		r.writeCalls(w, "", maxAttempts, func(c *Call) bool { return c.Outcome == NotBelieved })
	}
}

func (r *Report) writeMade(w *strings.Builder, now time.Time) {
	if len(r.Made) == 0 {
		return
	}
	w.WriteString("\nLook at what it made or opened:\n")
	for _, m := range r.Made {
		fmt.Fprintf(w, "  %s  %s %s", instant(m.Time), m.Kind, m.Name)
		if m.Account != r.Key.Account {
			fmt.Fprintf(w, " in account %s", m.Account)
		}
		fmt.Fprintf(w, "\n      %s\n", m.Look)
	}
}

func (r *Report) writeSources(w *strings.Builder, now time.Time) {
	for _, part := range []struct {
		title   string
		sources []Source
	}{{"Addresses", r.Addresses}, {"Programs", r.Agents}} {
		if len(part.sources) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s", part.title)
		if r.NewSince.IsZero() {
			fmt.Fprintf(w, " (the key made no call before %s to compare with)", instant(r.leaked))
		}
		w.WriteString(":\n")
		for _, s := range part.sources {
			mark := "    "
			if s.New {
				mark = "NEW "
			}
			fmt.Fprintf(w, "  %s%s: %s, first %s, last %s\n", mark, s.Name, plural(s.Calls, "call"), instant(s.First), instant(s.Last))
		}
	}
}

// maxAttempts bounds the list of what is no call of the key: anybody can make it long.
const maxAttempts = 20

// writeCalls lists the calls of one kind, at most limit, with who made them where it was
// not the key.
func (r *Report) writeCalls(w *strings.Builder, title string, limit int, of func(*Call) bool) {
	for i := range r.Calls {
		c := &r.Calls[i]
		if !of(c) {
			continue
		}
		if title != "" {
			fmt.Fprintf(w, "\n%s:\n", title)
			title = ""
		}
		fmt.Fprintf(w, "  %s  %s", instant(c.Time), c.Name())
		if len(c.Resources) > 0 {
			fmt.Fprintf(w, " %s", strings.Join(c.Resources, " "))
		}
		fmt.Fprintf(w, " from %s", c.Address)
		if a := r.addresses[c.Address]; a != nil && a.New {
			w.WriteString(" (NEW)")
		}
		if c.AccessKeyID != r.Key.ID {
			fmt.Fprintf(w, " by %s", c.AccessKeyID)
		}
		program, _, _ := strings.Cut(c.Agent, " ") // the whole is in the list of programs
		fmt.Fprintf(w, "\n      %s, request %s\n", program, c.RequestID)
		if c.Error != "" {
			fmt.Fprintf(w, "      %s\n", c.Error)
		}
		if limit--; limit == 0 {
			w.WriteString("  and more: --output json\n")
			return
		}
	}
}

func moment(t, now time.Time) string {
	return instant(t) + " (" + humanize.RelTime(t, now, "ago", "ahead") + ")"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func service(source string) string { return strings.TrimSuffix(source, ".amazonaws.com") }
