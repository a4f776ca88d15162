package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind is where a document is to be used, which decides what it may contain.
type Kind uint8

// The kinds of document.
const (
	ManagedPolicy         Kind = iota + 1 // a customer or AWS managed policy, also as a boundary
	InlinePolicy                          // a user's, group's or role's own
	SessionPolicy                         // passed to AssumeRole and the like
	TrustPolicy                           // a role's AssumeRolePolicyDocument
	ResourcePolicy                        // on a bucket, a queue, a key …
	ServiceControlPolicy                  // SCP
	ResourceControlPolicy                 // RCP
)

// Document is a policy document, parsed and compiled. It does not change.
type Document struct {
	text       string
	statements []statement
	// code is the statements of a compact document, which has no others.
	code string
}

// SyntaxError says why a document was refused. Its text is AWS's message, to be
// answered with the code MalformedPolicyDocument. Line and Column (from 1, in
// characters) and Detail are for people: an editor, `lanyard why`.
type SyntaxError struct {
	Message string
	Detail  string
	Line    int
	Column  int
}

func (e *SyntaxError) Error() string { return e.Message }

var errUnknownName = errors.New("policy: unknown name")

func syntaxError(text string, at int, message, detail string) *SyntaxError {
	line, column := position(text, at)
	return &SyntaxError{Message: message, Detail: detail, Line: line, Column: column}
}

// position turns a byte offset into a line and a column, both from 1.
func position(text string, at int) (line, column int) {
	places := newPlaces(text)
	p := places.of(at)
	return p.Line, p.Column
}

// places turns byte offsets, each behind the one before, into lines and columns: all
// together cost one pass over the text.
type places struct {
	text string
	at   int
	last Position
}

func newPlaces(text string) places { return places{text: text, last: Position{1, 1}} }

func (p *places) of(at int) Position {
	at = min(at, len(p.text))
	passed := p.text[p.at:at]
	if n := strings.Count(passed, "\n"); n > 0 {
		p.last = Position{p.last.Line + n, 1}
		passed = passed[strings.LastIndexByte(passed, '\n')+1:]
	}
	p.last.Column += utf8.RuneCountInString(passed)
	p.at = at
	return p.last
}

// Text returns the document as it was given to Parse.
func (d *Document) Text() string { return d.text }

// sid returns the Sid of statement i of the document, or "".
func (d *Document) sid(i int) string {
	at := d.sidAt(i)
	if at == 0 {
		return ""
	}
	r := reader{text: d.text, pos: int(at)}
	n, _ := r.str() // Parse has read it before
	return n.text
}

// Len returns the number of statements.
func (d *Document) Len() int {
	if d.code != "" {
		return int(d.code[0]) // no more than compactStatements
	}
	return len(d.statements)
}

// Principals returns the entries of all Principal and NotPrincipal elements in
// document order; for checking that those of a trust policy exist.
func (d *Document) Principals() []Principal {
	var list []Principal
	for _, s := range d.list() {
		for _, p := range s.principals {
			list = append(list, Principal{Type: p.typ(), Value: p.text, Kind: p.kind})
		}
	}
	return list
}

// WithPins returns the document with user and role ARNs of its principals tied
// to unique ids (AIDA…, AROA…): such an ARN then names the entity with that id
// only, not one that is made under the same name later. ARNs that pins lacks
// are left alone.
func (d *Document) WithPins(pins map[string]string) *Document {
	pinned := *d
	pinned.statements, pinned.code = slices.Clone(d.list()), ""
	for i := range pinned.statements {
		s := &pinned.statements[i]
		s.principals = slices.Clone(s.principals)
		for j := range s.principals {
			if p := &s.principals[j]; p.kind == UserPrincipal || p.kind == RolePrincipal {
				p.pin = pins[p.text]
			}
		}
	}
	return &pinned
}

// ReplacePrincipals returns the document's text with each AWS principal p as
// f(p), and every other byte as it was. This is how a trust policy is shown
// after an entity that it names was deleted: with the unique id in place of the
// ARN.
func (d *Document) ReplacePrincipals(f func(principal string) string) string {
	root, err := readJSON(d.text)
	if err != nil { // Parse has read it before
		return d.text
	}
	var b strings.Builder
	done := 0
	for n := range principalNodes(&root) {
		if p := f(n.text); p != n.text {
			quoted, _ := json.Marshal(p) // of a string: cannot fail
			b.WriteString(d.text[done:n.start])
			b.Write(quoted)
			done = n.end
		}
	}
	b.WriteString(d.text[done:])
	return b.String()
}

// ReplaceActions returns the document's text with each action of an Allow's Action element
// as f(action), which may be several; a statement that none is left in goes. left is how
// many statements stay.
func (d *Document) ReplaceActions(f func(action string) []string) (text string, left int) {
	root, err := readJSON(d.text)
	if err != nil { // Parse has read it before
		return d.text, d.Len()
	}
	list := &root.get("Statement").value
	var statements []string
	for s := range list.each() {
		effect, actions := s.get("Effect"), s.get("Action")
		if effect == nil || !equalFold(effect.value.text, "Allow") || actions == nil {
			statements = append(statements, d.text[s.start:s.end])
			continue
		}
		var kept []string
		same := true
		for n := range actions.value.each() {
			to := f(n.text)
			same = same && len(to) == 1 && to[0] == n.text
			for _, one := range to {
				if !slices.Contains(kept, one) {
					kept = append(kept, one)
				}
			}
		}
		switch {
		case same:
			statements = append(statements, d.text[s.start:s.end])
		case len(kept) > 0:
			quoted, _ := json.Marshal(kept) // of strings: cannot fail
			statements = append(statements, d.text[s.start:actions.value.start]+string(quoted)+d.text[actions.value.end:s.end])
		}
	}
	return d.text[:list.start] + "[" + strings.Join(statements, ",") + "]" + d.text[list.end:], len(statements)
}

// principalNodes yields the strings under AWS of each Principal element.
func principalNodes(root *node) iter.Seq[*node] {
	return func(yield func(*node) bool) {
		statements := root.get("Statement")
		if statements == nil {
			return
		}
		for s := range statements.value.each() {
			for _, m := range s.members {
				if m.name != "Principal" && m.name != "NotPrincipal" {
					continue
				}
				for _, typ := range m.value.members {
					if typ.name != "AWS" {
						continue
					}
					for n := range typ.value.each() {
						if !yield(n) {
							return
						}
					}
				}
			}
		}
	}
}

// each yields the items of an array, or a value that stands for itself: arrays
// of one may drop their brackets everywhere in a policy.
func (n *node) each() iter.Seq[*node] {
	return func(yield func(*node) bool) {
		if n.kind != arrayNode {
			yield(n)
			return
		}
		for i := range n.items {
			if !yield(&n.items[i]) {
				return
			}
		}
	}
}

// CountNonSpace returns a policy's size by IAM's measure: its characters, white
// space not counted.
func CountNonSpace(text string) int {
	n := 0
	for _, c := range text {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			n++
		}
	}
	return n
}

// Parse checks text by the rules that AWS applies when a policy of this kind is
// saved, and compiles it. The error is a *SyntaxError.
func Parse(text string, kind Kind) (*Document, error) {
	if kind < ManagedPolicy || kind > ResourceControlPolicy {
		return nil, fmt.Errorf("policy: unknown kind %d", kind)
	}
	p := parser{text: text, kind: kind}
	d, err := p.document()
	if err != nil { // a nil *SyntaxError must not become a non-nil error
		return nil, err
	}
	return d, nil
}
