package policytest

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/lanyard-iam/lanyard/policy"
)

// Report is what became of tests. Its JSON keys are stable.
type Report struct {
	Tests  []Outcome `json:"tests"`
	Passed int       `json:"passed"`
	Failed int       `json:"failed"`
}

// Outcome is a test with its result.
type Outcome struct {
	File      string   `json:"file,omitempty"`
	Line      int      `json:"line,omitempty"`
	Name      string   `json:"name"`
	Principal string   `json:"principal,omitempty"`
	Action    string   `json:"action"`
	Resource  string   `json:"resource"`
	Expected  Expect   `json:"expected"`
	Decision  string   `json:"decision,omitempty"` // absent: it could not be decided
	Passed    bool     `json:"passed"`
	Verdict   string   `json:"verdict"`
	Because   []string `json:"because,omitempty"`
	Missing   []string `json:"missingContext,omitempty"`
	Changes   []string `json:"changes,omitempty"`
}

// Add adds a test of a file.
func (r *Report) Add(file string, c *Case, result Result) {
	r.Tests = append(r.Tests, Outcome{
		File: file, Line: c.Line, Name: c.Title(), Principal: c.As, Action: c.Action, Resource: c.Resource, Expected: c.Expect,
		Decision: result.Decision, Passed: result.Passed, Verdict: result.Verdict,
		Because: result.Because, Missing: result.Missing, Changes: result.Changes,
	})
	if result.Passed {
		r.Passed++
	} else {
		r.Failed++
	}
}

func (o *Outcome) place() string {
	if o.Line == 0 {
		return o.File
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}

// reasons is why a test did not come out as expected, line by line.
func (o *Outcome) reasons() []string {
	request := o.Action + " on " + o.Resource
	if o.Principal != "" {
		request = o.Principal + ": " + request
	}
	got := "could not be judged"
	if o.Decision != "" {
		got = "got " + o.Decision
	}
	lines := []string{request, fmt.Sprintf("expected %s, %s: %s", o.Expected, got, o.Verdict)}
	lines = append(lines, o.Because...)
	if o.Expected == Allowed {
		for _, one := range o.Changes {
			lines = append(lines, "to allow it: "+one)
		}
	}
	if len(o.Missing) > 0 {
		lines = append(lines, "not in the test's context: "+strings.Join(o.Missing, ", "))
	}
	return lines
}

// WriteText writes a line for each test, and below those that failed why.
func (r *Report) WriteText(out io.Writer) error {
	var b strings.Builder
	for i := range r.Tests {
		o := &r.Tests[i]
		mark := "ok  "
		if !o.Passed {
			mark = "FAIL"
		}
		fmt.Fprintf(&b, "%s  %s\n", mark, policy.PrintableLine(o.place()+"  "+o.Name))
		if !o.Passed {
			for _, line := range o.reasons() {
				fmt.Fprintf(&b, "      %s\n", policy.PrintableLine(line))
			}
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// WriteJUnit writes the XML that CI systems show tests from: a suite for each file.
func (r *Report) WriteJUnit(out io.Writer) error {
	var b strings.Builder
	attribute := func(name, value string) {
		fmt.Fprintf(&b, ` %s="`, name)
		_ = xml.EscapeText(&b, []byte(value)) // into memory
		b.WriteByte('"')
	}
	fmt.Fprintf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"%d\" failures=\"%d\">\n", len(r.Tests), r.Failed)
	for from := 0; from < len(r.Tests); {
		file, failed, to := r.Tests[from].File, 0, from
		for ; to < len(r.Tests) && r.Tests[to].File == file; to++ {
			if !r.Tests[to].Passed {
				failed++
			}
		}
		b.WriteString(" <testsuite")
		attribute("name", file)
		fmt.Fprintf(&b, " tests=\"%d\" failures=\"%d\">\n", to-from, failed)
		for ; from < to; from++ {
			o := &r.Tests[from]
			b.WriteString("  <testcase")
			attribute("classname", file)
			attribute("name", o.Name+" ("+o.Action+" on "+o.Resource+")")
			attribute("file", file)
			attribute("line", fmt.Sprint(o.Line))
			if o.Passed {
				b.WriteString("/>\n")
				continue
			}
			lines := o.reasons()
			b.WriteString("><failure")
			attribute("message", lines[1])
			b.WriteByte('>')
			_ = xml.EscapeText(&b, []byte(strings.Join(lines, "\n")))
			b.WriteString("</failure></testcase>\n")
		}
		b.WriteString(" </testsuite>\n")
	}
	b.WriteString("</testsuites>\n")
	_, err := io.WriteString(out, b.String())
	return err
}
