package policy

import (
	"fmt"
	"io"
	"strings"
)

// Render writes the trace for people: the answer first, then what each layer of
// policy said, then the smallest change that would allow a denied request.
// Text of policies and requests is written with control characters escaped.
func (t *Trace) Render(w io.Writer) error {
	var b strings.Builder
	answer := "DENIED"
	if t.Decision.Effect == Allowed {
		answer = "ALLOWED"
	}
	fmt.Fprintf(&b, "%s  %s  on %s\n", answer, t.Action, t.Resource)
	fmt.Fprintf(&b, "  by    %s (%s)\n\n", t.Principal.Name, t.Principal.Type)
	for i := range t.Layers {
		t.Layers[i].render(&b)
	}
	fmt.Fprintf(&b, "  → %s\n", t.Decision.summary())
	if changes := t.Suggest(); len(changes) > 0 {
		b.WriteString("\n  Smallest change:\n")
		for _, g := range changes {
			fmt.Fprintf(&b, "    - %s\n", g.Text)
		}
	}
	_, err := io.WriteString(w, Printable(b.String()))
	return err
}

// Verdict is what decided, in one line.
func (t *Trace) Verdict() string { return t.Decision.summary() }

// Printable keeps a terminal safe from what names and values may hold.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r >= 0x7F && r < 0xA0 || r == '\u2028' || r == '\u2029' ||
			r >= '\u202A' && r <= '\u202E' || r >= '\u2066' && r <= '\u2069' {
			return '�'
		}
		return r
	}, s)
}

// PrintableLine is Printable for what has to stay on one line, so that a name cannot look
// like a line of ours.
func PrintableLine(s string) string { return strings.ReplaceAll(Printable(s), "\n", "�") }

func (d *TracedDecision) summary() string {
	text := map[Effect]string{Allowed: "allowed", ExplicitDeny: "explicit deny", ImplicitDeny: "implicit deny"}[d.Effect]
	if d.Effect == ImplicitDeny {
		return text + ": no " + d.Layer.String() + " allows it"
	}
	if d.Policy == nil {
		return text
	}
	s := TracedStatement{Policy: *d.Policy, Statement: d.Statement, Sid: d.Sid}
	return text + " by " + s.name() + ", " + d.Layer.String()
}

func (l *TracedLayer) render(b *strings.Builder) {
	title := l.Layer.String()
	if l.Level > 0 {
		title = fmt.Sprintf("%s, level %d", title, l.Level)
	}
	line := func(outcome, detail string) {
		b.WriteString(strings.TrimRight(fmt.Sprintf("  %-33s %-10s %s", title, outcome, detail), " "))
		b.WriteByte('\n')
		title = ""
	}
	switch {
	case l.Exempt != "":
		line("exempt", l.Exempt)
		return
	case !l.Present:
		line("none", "")
		return
	}
	for i := range l.Matched {
		s := &l.Matched[i]
		line(strings.ToLower(s.Effect), s.describe())
		for _, c := range s.Conditions {
			line("", "  "+c.describe())
		}
	}
	if len(l.Matched) > 0 {
		return
	}
	line("no match", fmt.Sprintf("%s, %s", count(l.Policies, "policy", "policies"), count(l.Statements, "statement", "statements")))
	if len(l.Near) == 0 {
		return
	}
	s := &l.Near[0]
	line("", "nearest is "+s.describe())
	if !s.PrincipalMatches {
		line("", "  it is about other principals")
	}
	if !s.ActionMatches {
		line("", "  it is about other actions")
	}
	if !s.ResourceMatches {
		line("", "  it is about other resources: "+s.list(s.Resource, s.NotResource))
	}
	for _, c := range s.Conditions {
		line("", "  "+c.describe())
	}
}

// maxShown is how many actions or resources of a statement a person is shown: the
// line says where the others are.
const maxShown = 4

// list writes the values of an element, negated or not.
func (s *TracedStatement) list(values []string, not bool) string {
	text := strings.Join(values[:min(len(values), maxShown)], ", ")
	switch {
	case s.TruncatedElements && len(values) == maxTracedValues: // the trace has not all of them
		text += ", and more"
	case len(values) > maxShown:
		text += fmt.Sprintf(", and %d more", len(values)-maxShown)
	}
	if not {
		return "all but " + text
	}
	return text
}

// Where names the statement and says where it stands.
func (s *TracedStatement) Where() string {
	if s.EndLine > s.Line {
		return fmt.Sprintf("%s, lines %d-%d", s.name(), s.Line, s.EndLine)
	}
	return fmt.Sprintf("%s, line %d", s.name(), s.Line)
}

// Does says what the statement does.
func (s *TracedStatement) Does() string {
	verb := map[string]string{"Allow": "allows", "Deny": "denies"}[s.Effect]
	return verb + " " + s.list(s.Action, s.NotAction)
}

func (s *TracedStatement) describe() string { return s.Where() + ", " + s.Does() }

func (c *TracedCondition) describe() string {
	outcome := "not met"
	if c.Holds {
		outcome = "met"
	}
	return fmt.Sprintf("%s: %s; seen: %s", outcome, c, c.seen())
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
