package transfer

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/policy"
)

// Result is what became of an entity.
type Result string

// The results.
const (
	Created   Result = "created"
	Updated   Result = "updated"
	Unchanged Result = "unchanged"
	LeftOut   Result = "left out"
	Failed    Result = "failed"
)

// Report is what an import did, or would do. Its JSON keys are stable.
type Report struct {
	Source  arn.AccountID `json:"source"` // account of the file
	Account arn.AccountID `json:"account"`
	DryRun  bool          `json:"dryRun"`
	// Rewritten counts ARNs and ids of the source account in documents that were
	// replaced by those of the account.
	Rewritten int            `json:"rewritten"`
	Entities  []Entity       `json:"entities"`
	Summary   map[Result]int `json:"summary"`
}

// Entity is what became of one user, group, role or policy.
type Entity struct {
	Type   string `json:"type"`
	Name   string `json:"name"`
	Result Result `json:"result"`
	// Reason says why it was left out, or failed.
	Reason string `json:"reason,omitempty"`
	// Changes are what was done, in order; what had been done before a failure stays.
	Changes []string `json:"changes,omitempty"`
	// LeftOut are pieces of it that are not here.
	LeftOut []Omission `json:"leftOut,omitempty"`

	kind kind
	// failed is the error of the service.
	failed error
}

// Omission is a piece that was left out, and why.
type Omission struct {
	What   string `json:"what"`
	Reason string `json:"reason"`
}

func (e *Entity) omit(what, format string, args ...any) {
	e.LeftOut = append(e.LeftOut, Omission{what, fmt.Sprintf(format, args...)})
}

func (e *Entity) leaveOut(format string, args ...any) {
	e.Result, e.Reason, e.Changes = LeftOut, fmt.Sprintf(format, args...), nil
}

// Write prints the report as text, or as JSON.
func (r *Report) Write(w io.Writer, asJSON bool) error {
	r.summarize()
	if asJSON {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "    ")
		return e.Encode(r)
	}
	var b strings.Builder
	line := func(what, kind, name, text string) {
		fmt.Fprintf(&b, "%s\n", strings.TrimRight(fmt.Sprintf("%-10s %-18s %-32s %s", what, kind, name, text), " "))
	}
	for i := range r.Entities {
		e := &r.Entities[i]
		switch e.Result {
		case Unchanged:
		case LeftOut, Failed:
			line(string(e.Result), e.Type, e.Name, e.Reason)
		default:
			line(string(e.Result), e.Type, e.Name, strings.Join(e.Changes, "; "))
		}
		for _, o := range e.LeftOut {
			line("left out", "  of "+e.Type, e.Name, o.What+": "+o.Reason)
		}
	}
	verb := "into"
	if r.DryRun {
		verb = "dry run, nothing was changed: into"
	}
	parts := []string{}
	for _, result := range []Result{Created, Updated, Unchanged, LeftOut, Failed} {
		if n := r.Summary[result]; n > 0 || result == Unchanged {
			parts = append(parts, fmt.Sprintf("%d %s", n, result))
		}
	}
	if n := r.pieces(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d left out of what is here", n))
	}
	fmt.Fprintf(&b, "%s %s: %s\n", verb, r.Account, strings.Join(parts, ", "))
	if r.Rewritten > 0 {
		fmt.Fprintf(&b, "account %s became %s %d times in policy documents\n", r.Source, r.Account, r.Rewritten)
	}
	_, err := io.WriteString(w, policy.Printable(b.String()))
	return err
}

func (r *Report) summarize() {
	r.Summary = map[Result]int{}
	for i := range r.Entities {
		r.Summary[r.Entities[i].Result]++
	}
}

// pieces counts what is missing of entities that are here.
func (r *Report) pieces() (n int) {
	for i := range r.Entities {
		n += len(r.Entities[i].LeftOut)
	}
	return n
}

// Err is an error if something failed.
func (r *Report) Err() error {
	for i := range r.Entities {
		if e := &r.Entities[i]; e.Result == Failed {
			return fmt.Errorf("%s %s: %s", e.Type, e.Name, e.Reason)
		}
	}
	return nil
}
