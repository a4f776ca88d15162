package policy

import (
	"encoding/binary"
	"strings"
)

// A compact document is one whose statements are written one after another into a
// few dozen bytes, each string of them as its place in the document's text. They take
// a tenth of the memory, and a decision reads them in two places and not in ten: what
// a role of many has for itself has to come from main memory, read after read.
//
// The price is to read the statements anew in each decision, which for as few as
// these costs less than to fetch them.
//
//	code      = number of statements, Sid of each, statements
//	statement = elements, start, end, actions, resources, conditions
//	action    = string
//	resource  = string, tail, form | literalHead
//	condition = comparison, qualifier | ifExists | negated, key, values
//	string    = offset, length
//
// Everything is an unsigned varint; lists begin with their length.

// Bounds of a compact document.
const (
	compactStatements = 8
	compactValues     = 8    // of a condition: a decision reads them into an array
	compactText       = 4096 // bytes, so that to find the strings costs little
)

// Compact returns the document with its statements in compact form, or as it is if
// they are too many, or hold what is not plain text: principals, variables, values of
// other types, strings with escapes.
func (d *Document) Compact() Document {
	if d.code != "" || len(d.statements) > compactStatements || len(d.text) > compactText {
		return *d
	}
	w := compactWriter{text: d.text}
	w.number(len(d.statements))
	for i := range d.statements {
		w.number(int(d.statements[i].sidAt))
	}
	for i := range d.statements {
		w.statement(&d.statements[i])
	}
	if w.failed {
		return *d
	}
	return Document{text: d.text, code: string(w.code)}
}

// Touch reads a little of each line of memory that a decision needs of a compact
// document. Reads that do not depend on each other are fetched at the same time, while
// those of the decision would wait for one another. The result is there to be used:
// reads whose outcome nobody uses are not made.
func (d *Document) Touch() (sum int) {
	if d.code == "" {
		return 0
	}
	const line = 64
	for i := 0; i < len(d.text); i += line {
		sum += int(d.text[i])
	}
	return sum + int(d.code[0])
}

type compactWriter struct {
	text   string
	code   []byte
	failed bool
}

func (w *compactWriter) number(n int) { w.code = binary.AppendUvarint(w.code, uint64(n)) }

// str writes a string as the first place where the text has it.
func (w *compactWriter) str(s string) {
	at := strings.Index(w.text, s)
	w.failed = w.failed || at < 0
	w.number(max(at, 0))
	w.number(len(s))
}

func (w *compactWriter) flags(flags ...bool) {
	n := 0
	for i, f := range flags {
		if f {
			n |= 1 << i
		}
	}
	w.number(n)
}

func (w *compactWriter) statement(s *statement) {
	w.flags(s.deny, s.notAction, s.notResource)
	w.number(int(s.start))
	w.number(int(s.end))
	w.number(len(s.actions))
	for _, a := range s.actions {
		w.str(a)
	}
	w.number(len(s.resources))
	for i := range s.resources {
		r := &s.resources[i]
		w.str(r.text)
		w.number(int(r.tail))
		w.number(int(r.form))
		w.flags(r.literalHead)
		w.failed = w.failed || r.variables != nil
	}
	w.number(len(s.conditions))
	for i := range s.conditions {
		c := &s.conditions[i]
		w.number(int(c.comparison))
		w.number(int(c.qualifier))
		w.flags(c.ifExists, c.negated)
		w.str(c.key)
		w.number(len(c.values))
		for _, v := range c.values {
			w.str(v)
		}
		w.failed = w.failed || c.operands != nil || len(c.values) > compactValues
	}
	w.failed = w.failed || s.principals != nil || s.notPrincipal
}

// compactReader reads back what compactWriter wrote.
type compactReader struct{ text, code string }

func (r *compactReader) number() int {
	n := uint(0)
	for shift := uint(0); ; shift += 7 {
		b := r.code[0]
		r.code = r.code[1:]
		n |= uint(b&0x7f) << shift
		if b < 0x80 {
			return int(n)
		}
	}
}

func (r *compactReader) str() string {
	at := r.number()
	return r.text[at : at+r.number()]
}

func (r *compactReader) resource() arnPattern {
	return arnPattern{text: r.str(), tail: uint32(r.number()), form: arnForm(r.number()), literalHead: r.number() != 0}
}

// condition reads a condition, its values into the array given.
func (r *compactReader) condition(values []string) condition {
	c := condition{comparison: comparison(r.number()), qualifier: qualifier(r.number())}
	flags := r.number()
	c.ifExists, c.negated = flags&1 != 0, flags&2 != 0
	c.key = r.str()
	c.hash = hashFold(c.key)
	c.values = values[:r.number()]
	for i := range c.values {
		c.values[i] = r.str()
	}
	return c
}

// open begins to read the statements of a compact document, and returns how many
// there are.
func (d *Document) open() (r compactReader, statements int) {
	r = compactReader{d.text, d.code}
	statements = r.number()
	for range statements {
		r.number() // its Sid
	}
	return r, statements
}

// head reads what stands before a statement's actions.
func (r *compactReader) head() (s statement) {
	flags := r.number()
	s.deny, s.notAction, s.notResource = flags&1 != 0, flags&2 != 0, flags&4 != 0
	s.start, s.end = uint32(r.number()), uint32(r.number())
	return s
}

// judgeCompact adds to v the verdict of a compact document, ordinal statements being
// before it.
func (d *Document) judgeCompact(q *query, v *verdict, ordinal int32) {
	var values [compactValues]string
	r, n := d.open()
	for range n {
		ordinal++
		s := r.head()
		action := false
		for range r.number() {
			action = matchAction(r.str(), q.action) || action
		}
		resources := r.number()
		resource := resources == 0
		for range resources {
			p := r.resource()
			resource = p.match(q.resource, q.tail, q.context) || resource
		}
		matches := action != s.notAction && (resource != s.notResource || resources == 0)
		for range r.number() {
			c := r.condition(values[:])
			matches = matches && c.holds(q.context)
		}
		if matches {
			v.add(s.deny, ordinal, 0)
		}
	}
}

// conditional tells whether statement i has conditions.
func (d *Document) conditional(i int) bool {
	if d.code == "" {
		return len(d.statements[i].conditions) > 0
	}
	var values [compactValues]string
	r, _ := d.open()
	for at := 0; ; at++ {
		r.head()
		for range r.number() {
			r.str()
		}
		for range r.number() {
			r.resource()
		}
		n := r.number()
		if at == i {
			return n > 0
		}
		for range n {
			r.condition(values[:])
		}
	}
}

// list returns the statements in full, whatever the form of the document.
func (d *Document) list() []statement {
	if d.code == "" {
		return d.statements
	}
	r, n := d.open()
	list := make([]statement, n)
	for i := range list {
		list[i] = r.head()
		s := &list[i]
		s.sidAt = d.sidAt(i)
		for range r.number() {
			s.actions = append(s.actions, r.str())
		}
		for range r.number() {
			s.resources = append(s.resources, r.resource())
		}
		for range r.number() {
			s.conditions = append(s.conditions, r.condition(make([]string, compactValues)))
		}
	}
	return list
}

// sidAt returns where the Sid of statement i stands, or 0.
func (d *Document) sidAt(i int) uint32 {
	if d.code == "" {
		return d.statements[i].sidAt
	}
	r := compactReader{code: d.code}
	r.number()
	for range i {
		r.number()
	}
	return uint32(r.number())
}
