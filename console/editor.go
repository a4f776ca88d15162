package console

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/lanyard-iam/lanyard/policy"
)

// Editor is the field for a policy document, with what is to be said about it line by
// line. Template "editor" draws it; the form around it posts "document" to the page's
// own handler, which asks with Faulty whether the text can be saved. While somebody
// types, /policies/lint answers with the same findings.
type Editor struct {
	Kind     EditorKind
	Label    string
	Text     string
	Findings []Finding
	Size     int // characters that count
	Limit    int

	Old     bool   // there is a saved text to compare with
	Do      string // what else than saving was asked for
	Changes *Diff
	Same    bool // saving would change nothing
}

// What the buttons beside Save ask for.
const (
	doFormat  = "format"
	doCompare = "compare"
)

// EditorKind is what a document is for.
type EditorKind string

// The kinds of document that are edited.
const (
	EditManaged EditorKind = "managed"
	EditUser    EditorKind = "user"  // a user's inline policy
	EditGroup   EditorKind = "group" // a group's
	EditRole    EditorKind = "role"  // a role's
	EditTrust   EditorKind = "trust"
)

// Finding is one thing to know about a line of a document. Bad ones keep it from being
// saved.
type Finding struct {
	Kind    Kind
	Line    int // from 1
	Column  int // from 1; 0 is the whole line
	Text    string
	Excerpt string // of the line
}

// Where says where it is.
func (f Finding) Where() string {
	if f.Column > 0 {
		return fmt.Sprintf("Line %d, column %d", f.Line, f.Column)
	}
	return fmt.Sprintf("Line %d", f.Line)
}

// rules are the kind by which package policy reads a document, and the quota of its size
// in characters that are not white space. Those of inline policies are shared by all
// inline policies of one user, group or role.
func (k EditorKind) rules() (policy.Kind, int) {
	switch k {
	case EditUser:
		return policy.InlinePolicy, 2048
	case EditGroup:
		return policy.InlinePolicy, 5120
	case EditRole:
		return policy.InlinePolicy, 10240
	case EditTrust:
		return policy.TrustPolicy, 2048
	}
	return policy.ManagedPolicy, 6144
}

// NewEditor checks a text.
func NewEditor(kind EditorKind, label, text string) Editor {
	as, limit := kind.rules()
	e := Editor{Kind: kind, Label: label, Text: text, Limit: limit, Size: policy.CountNonSpace(text)}
	if strings.TrimSpace(text) == "" {
		return e
	}
	e.Findings = lint(text, as)
	// The account's own quota may be higher: the service has the last word.
	if e.Size > e.Limit {
		e.Findings = append(e.Findings, Finding{Kind: Warning, Line: 1,
			Text: fmt.Sprintf("The document has %d characters that are not white space. The quota is %d by default.", e.Size, e.Limit)})
	}
	lines := strings.Split(text, "\n")
	for i := range e.Findings {
		f := &e.Findings[i]
		if f.Line >= 1 && f.Line <= len(lines) {
			f.Excerpt = shorten(strings.TrimSpace(lines[f.Line-1]), 80)
		}
	}
	return e
}

// typedEditor is the editor with what was posted. Its fault keeps it from being saved where
// another button than Save was pressed.
func typedEditor(v *Visit, kind EditorKind, label string) Editor {
	text, do := v.Request.PostFormValue("document"), v.Form("do")
	if do == doFormat {
		text = pretty(text)
	}
	e := NewEditor(kind, label, text)
	e.Do = do
	return e
}

// fault is why the document is not to be saved now, or nil.
func (e Editor) fault() error {
	switch {
	case e.Do == doFormat || e.Do == doCompare:
		return errDraft
	case e.Faulty():
		return errFaulty
	}
	return nil
}

// status is that of the page of a form that came back with an error.
func (e Editor) status(err error) int {
	if err == nil || errors.Is(err, errDraft) {
		return http.StatusOK
	}
	return http.StatusUnprocessableEntity
}

// compare shows what saving would change. Indentation and the order of lines in the saved
// text are the person's own matter: both are formatted before.
func (e *Editor) compare(saved string) {
	before, after := pretty(saved), pretty(e.Text)
	if e.Same = before == after; !e.Same {
		d := DiffOf("saved", "edited", before, after)
		e.Changes = &d
	}
}

// NoChange says that saving would change nothing.
func (e Editor) NoChange() Alert {
	return Alert{Kind: Info, Title: "No changes", Text: "The document says what the saved one says."}
}

// Faulty tells whether something keeps the document from being saved.
func (e Editor) Faulty() bool {
	return strings.TrimSpace(e.Text) == "" || slices.ContainsFunc(e.Findings, func(f Finding) bool { return f.Kind == Bad })
}

// Rows is the height of the field.
func (e Editor) Rows() int { return min(max(strings.Count(e.Text, "\n")+2, 16), 40) }

func shorten(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// lintPolicy answers while somebody types.
func (c *Console) lintPolicy(v *Visit) error {
	e := NewEditor(EditorKind(v.Form("kind")), "", v.Request.PostFormValue("document"))
	if !v.WantsFragment() {
		return &Problem{
			Status: http.StatusBadRequest, Title: "This is checked in the editor",
			Why: "The address answers the editor of policies while somebody types.",
			Do:  []Step{{"Create a policy.", "/policies/new"}},
		}
	}
	return v.Fragment("policyedit", "findings", e)
}

// lint says what is wrong with a document, or else what is likely not meant.
func lint(text string, kind policy.Kind) []Finding {
	_, err := policy.Parse(text, kind)
	var fault *policy.SyntaxError
	if errors.As(err, &fault) {
		f := Finding{Kind: Bad, Line: fault.Line, Column: fault.Column, Text: fault.Message}
		if fault.Detail != "" {
			f.Text += " " + upperFirst(fault.Detail) + "."
		}
		return []Finding{f}
	}
	d, readErr := readDocument(text)
	if err = cmp.Or(err, readErr); err != nil {
		return []Finding{{Kind: Bad, Line: 1, Text: err.Error()}}
	}
	var l linter
	if d.Version != "2012-10-17" && strings.Contains(text, "${") {
		l.add(Warning, lineAt(text, strings.Index(text, "${")), "Policy variables are replaced only in documents of \"Version\": \"2012-10-17\". Here they are plain text.")
	}
	for i := range d.Statement {
		if kind == policy.TrustPolicy {
			l.trust(&d.Statement[i])
		} else {
			l.permissions(&d.Statement[i])
		}
	}
	return l.findings
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

type linter struct{ findings []Finding }

func (l *linter) add(kind Kind, line int, text string) {
	l.findings = append(l.findings, Finding{Kind: kind, Line: line, Text: text})
}

// lineOf is the line within a statement on which a value stands, as it is spelled.
func (s *statement) lineOf(value string) int {
	if at := strings.Index(s.raw, `"`+value+`"`); at >= 0 {
		return s.Line + strings.Count(s.raw[:at], "\n")
	}
	return s.Line
}

func (l *linter) permissions(s *statement) {
	if !s.allows() {
		l.denial(s)
		return
	}
	anywhere := slices.Contains(s.Resource, "*")
	switch {
	case len(s.NotAction) > 0:
		l.add(Warning, s.lineOf("NotAction"), "NotAction with Allow allows every action that it does not name, also those of services that come later.")
	case slices.Contains(s.Action, "*") && anywhere && len(s.Condition) == 0:
		l.add(Warning, s.lineOf("Action"), "This allows every action on every resource: whoever has it is an administrator.")
		return
	}
	for _, action := range s.Action {
		switch {
		case strings.EqualFold(action, "iam:*") && anywhere:
			l.add(Warning, s.lineOf(action), "Whoever may do everything in IAM can give themselves every other permission.")
		case anywhere && action != "*" && policy.Glob(strings.ToLower(action), "iam:passrole"):
			l.add(Warning, s.lineOf(action), "iam:PassRole on every resource lets its holder hand any role of the account to a service. Name the roles.")
		}
	}
	if len(s.NotResource) > 0 {
		l.add(Warning, s.lineOf("NotResource"), "NotResource with Allow allows every resource that it does not name, also those that are made later.")
	}
}

// denial warns of the best-known trap: requests signed with an access key have no
// aws:MultiFactorAuthPresent at all.
func (l *linter) denial(s *statement) {
	for operator, keys := range s.Condition {
		for key, values := range keys {
			if strings.EqualFold(operator, "Bool") && strings.EqualFold(key, "aws:MultiFactorAuthPresent") && slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, "false") }) {
				l.add(Warning, s.lineOf(operator), "A request signed with an access key has no aws:MultiFactorAuthPresent, so this does not deny it. BoolIfExists does.")
			}
		}
	}
}

func (l *linter) trust(s *statement) {
	if !s.allows() {
		return
	}
	if len(s.NotPrincipal) > 0 {
		l.add(Warning, s.lineOf("NotPrincipal"), "NotPrincipal with Allow trusts everyone whom it does not name, also in other accounts and without an account.")
	}
	keys := s.conditionKeys()
	for _, value := range s.Principal["AWS"] {
		if value == "*" && len(s.Condition) == 0 {
			l.add(Warning, s.lineOf("*"), "This trusts everyone, in every account. Name whom you trust, or add a condition.")
		}
	}
	for _, value := range s.Principal["Federated"] {
		_, issuer, oidc := strings.Cut(value, ":oidc-provider/")
		has := func(suffix string) bool {
			return slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, issuer+suffix) })
		}
		switch {
		case oidc && !has(":sub"):
			l.add(Warning, s.lineOf(value), "Every token of "+issuer+" is trusted, whoever it is about. Add a condition on "+issuer+":sub.")
		case oidc && !has(":aud"):
			l.add(Info, s.lineOf(value), "A condition on "+issuer+":aud says for whom the tokens have to be made.")
		case strings.Contains(value, ":saml-provider/") && !slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, "SAML:aud") }):
			l.add(Info, s.lineOf(value), "A condition on SAML:aud says for which sign-in address the assertions have to be made.")
		}
	}
}

func (s *statement) conditionKeys() []string {
	var list []string
	for _, keys := range s.Condition {
		for key := range keys {
			list = append(list, key)
		}
	}
	return list
}
