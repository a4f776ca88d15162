package constraint

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxViolations bounds the violations that are collected, and with them the
	// size of the answer to a request that is wrong in thousands of places.
	maxViolations = 100

	// maxShown bounds the code points of a value that is repeated in a message.
	// AWS repeats it all, policy documents included.
	maxShown = 1024
)

// Validate checks in, a pointer to the input struct of the operation in the AWS
// SDK, and returns nil or a *[Violations]. Any other error is the server's: an
// operation that the table does not know, or a struct that is not its input.
func (t *Table) Validate(operation string, in any) error {
	op := t.operations[operation]
	if op == nil {
		return fmt.Errorf("constraint: %s has no operation %q", t.Service, operation)
	}
	v := reflect.ValueOf(in)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem().Kind() != reflect.Struct {
		return fmt.Errorf("constraint: %s does not take a %T", operation, in)
	}
	v = v.Elem()
	p := op.plan.Load()
	if p == nil || p.typ != v.Type() {
		var err error
		if p, err = op.newPlan(v.Type()); err != nil {
			return err
		}
	}
	var found []Violation
	if p.root != nil {
		found = p.root.check(v, t.style, found)
	}
	if len(found) == 0 {
		return nil
	}
	return &Violations{Code: t.style.code, List: found[:min(len(found), maxViolations)]}
}

// plan is how the input of an operation is checked, given its Go type.
type plan struct {
	typ  reflect.Type
	root *node // nil if nothing is to be checked
}

// newPlan makes the operation's plan for t and remembers it.
func (op *operation) newPlan(t reflect.Type) (*plan, error) {
	if t.Name() != op.name+"Input" {
		return nil, fmt.Errorf("constraint: %s does not take a %v", op.name, t)
	}
	p := &plan{typ: t}
	if op.input != nil {
		var err error
		if p.root, err = newNode(op.input, t, make(map[*rule]bool)); err != nil {
			return nil, fmt.Errorf("constraint: %s: %w", op.name, err)
		}
	}
	op.plan.Store(p)
	return p, nil
}

// node is a rule bound to a Go type. Subtrees in which there is nothing to check
// are nil.
type node struct {
	rule   *rule
	fields []field // of structures
	key    *node   // of maps
	elem   *node   // of lists and maps
}

// field is a member of a structure.
type field struct {
	index    int
	path     string // the member's name as messages spell it
	required bool
	pointer  bool
	node     *node
}

// newNode binds r to t. above holds the structures that are being bound, so that
// one which contains itself does not go on for ever; there is none so far.
func newNode(r *rule, t reflect.Type, above map[*rule]bool) (*node, error) {
	if !fits(r.kind, t) {
		return nil, fmt.Errorf("shape %s (%s) is not a %v", r.name, r.kind, t)
	}
	if above[r] {
		return nil, fmt.Errorf("shape %s contains itself", r.name)
	}
	n := &node{rule: r}
	above[r] = true
	defer delete(above, r)
	var err error
	switch r.kind {
	case "structure":
		for _, m := range r.members {
			if err := n.addField(m, t, above); err != nil {
				return nil, err
			}
		}
		// Go's order is that of the documentation.
		slices.SortFunc(n.fields, func(a, b field) int { return a.index - b.index })
	case "map":
		if n.key, err = newNode(r.key, t.Key(), above); err != nil {
			return nil, err
		}
		fallthrough
	case "list":
		if n.elem, err = newNode(r.elem, t.Elem(), above); err != nil {
			return nil, err
		}
	}
	if !r.constrains() && n.fields == nil && n.key == nil && n.elem == nil {
		return nil, nil
	}
	return n, nil
}

func (n *node) addField(m memberRule, t reflect.Type, above map[*rule]bool) error {
	// The SDK capitalizes members that the models do not.
	f, ok := t.FieldByName(strings.ToUpper(m.name[:1]) + m.name[1:])
	if !ok {
		return fmt.Errorf("%v has no member %s", t, m.name)
	}
	ft := f.Type
	if ft.Kind() == reflect.Pointer {
		ft = ft.Elem()
	}
	below, err := newNode(m.rule, ft, above)
	if err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	if below != nil || m.required {
		n.fields = append(n.fields, field{
			index:    f.Index[0],
			path:     lowerFirst(m.name),
			required: m.required,
			pointer:  f.Type.Kind() == reflect.Pointer,
			node:     below,
		})
	}
	return nil
}

func lowerFirst(s string) string {
	return string(unicode.ToLower(rune(s[0]))) + s[1:]
}

// fits reports whether values of the Go type can be of the model's type.
func fits(kind string, t reflect.Type) bool {
	switch kind {
	case "structure", "timestamp":
		return t.Kind() == reflect.Struct
	case "list", "blob":
		return t.Kind() == reflect.Slice
	case "map":
		return t.Kind() == reflect.Map
	case "string":
		return t.Kind() == reflect.String
	case "boolean":
		return t.Kind() == reflect.Bool
	case "integer", "long":
		return t.Kind() == reflect.Int32 || t.Kind() == reflect.Int64
	case "float", "double":
		return t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64
	}
	return false
}

// check appends what is wrong with v to found. The paths of what it appends
// are relative to v.
func (n *node) check(v reflect.Value, style style, found []Violation) []Violation {
	if len(found) >= maxViolations {
		return found
	}
	r := n.rule
	switch r.kind {
	case "structure":
		for i := range n.fields {
			found = n.fields[i].check(v.Field(n.fields[i].index), style, found)
		}
	case "string":
		found = r.checkString(v.String(), style, found)
	case "integer", "long":
		switch x := v.Int(); {
		case r.hasMax && x > r.max:
			found = append(found, r.violation(atMost+strconv.FormatInt(r.max, 10), strconv.FormatInt(x, 10), style))
		case r.hasMin && x < r.min:
			found = append(found, r.violation(atLeast+strconv.FormatInt(r.min, 10), strconv.FormatInt(x, 10), style))
		}
	case "list":
		found = n.checkList(v, style, found)
	case "map":
		found = n.checkMap(v, style, found)
	case "blob":
		found = r.checkLength(v.Len(), "", found)
	}
	return found
}

func (f *field) check(v reflect.Value, style style, found []Violation) []Violation {
	// Go cannot tell an enumeration's missing value from an empty one, nor the
	// zero of a number or boolean without pointer from either.
	absent := false
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		absent = v.IsNil()
	case reflect.String:
		absent = v.Len() == 0
	}
	if absent {
		if f.required {
			found = append(found, Violation{Path: f.path, Value: style.show("null"), Constraint: notNull})
		}
		return found
	}
	if f.node == nil {
		return found
	}
	if f.pointer {
		v = v.Elem()
	}
	before := len(found)
	found = f.node.check(v, style, found)
	return under(f.path, found, before)
}

// under puts name before the paths of found[from:].
func under(name string, found []Violation, from int) []Violation {
	for i := from; i < len(found); i++ {
		if found[i].Path == "" {
			found[i].Path = name
		} else {
			found[i].Path = name + "." + found[i].Path
		}
	}
	return found
}

func (r *rule) checkString(s string, style style, found []Violation) []Violation {
	length := 0
	if r.hasMin || r.hasMax {
		length = utf8.RuneCountInString(s)
	}
	tooLong, tooShort := r.hasMax && int64(length) > r.max, r.hasMin && int64(length) < r.min
	// AWS names the pattern first. A value that is too long is not put through
	// an automaton: a body of a megabyte would keep it busy.
	if r.pattern != nil && !(tooLong && r.pattern.slow()) && !r.pattern.match(s) {
		found = append(found, r.violation(matchPattern+r.pattern.text, s, style))
	}
	if tooLong || tooShort {
		found = r.checkLength(length, style.quote(r, s), found)
	}
	if len(r.enum) > 0 && !slices.Contains(r.enum, s) {
		found = append(found, r.violation(style.enumeration(r), s, style))
	}
	return found
}

// checkLength checks the length of a string, in code points, or the size of a
// list, map or blob, which AWS calls its length too.
func (r *rule) checkLength(length int, shown string, found []Violation) []Violation {
	if r.hasMax && int64(length) > r.max {
		found = append(found, Violation{Value: shown, Constraint: atMostLong + strconv.FormatInt(r.max, 10)})
	}
	if r.hasMin && int64(length) < r.min {
		found = append(found, Violation{Value: shown, Constraint: atLeastLong + strconv.FormatInt(r.min, 10)})
	}
	return found
}

func (n *node) checkList(v reflect.Value, style style, found []Violation) []Violation {
	r := n.rule
	if before := len(found); r.hasMin || r.hasMax {
		if found = r.checkLength(v.Len(), "", found); len(found) > before {
			return found // its elements are not looked at: there may be any number
		}
	}
	if n.elem == nil {
		return found
	}
	switch r.elem.kind {
	case "structure", "list", "map":
		for i := range v.Len() {
			before := len(found)
			if found = n.elem.check(v.Index(i), style, found); len(found) == before {
				continue
			}
			found = under(strconv.Itoa(i+1)+".member", found, before)
			if len(found) >= maxViolations {
				return found
			}
		}
		return found
	}
	for i := range v.Len() {
		if n.elem.violates(v.Index(i)) {
			return append(found, Violation{
				Value:      style.showList(r.elem, v),
				Constraint: "Member must satisfy constraint: [" + strings.Join(r.elem.sentences(style), ", ") + "]",
			})
		}
	}
	return found
}

func (n *node) checkMap(v reflect.Value, style style, found []Violation) []Violation {
	r := n.rule
	if before := len(found); r.hasMin || r.hasMax {
		if found = r.checkLength(v.Len(), "", found); len(found) > before {
			return found
		}
	}
	var badKey, badValue bool
	for entries := v.MapRange(); entries.Next(); {
		badKey = badKey || n.key != nil && n.key.violates(entries.Key())
		badValue = badValue || n.elem != nil && n.elem.violates(entries.Value())
	}
	if badKey {
		found = append(found, Violation{Constraint: "Map keys must satisfy constraint: [" + strings.Join(r.key.sentences(style), ", ") + "]"})
	}
	if badValue {
		found = append(found, Violation{Constraint: "Map value must satisfy constraint: [" + strings.Join(r.elem.sentences(style), ", ") + "]"})
	}
	return found
}

// violates reports whether check would find anything wrong with v.
func (n *node) violates(v reflect.Value) bool {
	return len(n.check(v, style{terse: true}, nil)) > 0
}

// sentences returns all constraints of the rule of an element, in the order in
// which AWS lists them.
func (r *rule) sentences(style style) (all []string) {
	most, least := atMostLong, atLeastLong
	if r.kind != "string" {
		most, least = atMost, atLeast
	}
	if r.hasMax {
		all = append(all, most+strconv.FormatInt(r.max, 10))
	}
	if r.hasMin {
		all = append(all, least+strconv.FormatInt(r.min, 10))
	}
	if r.pattern != nil {
		all = append(all, matchPattern+r.pattern.text)
	}
	if len(r.enum) > 0 {
		all = append(all, style.enumeration(r))
	}
	return all
}

func (r *rule) violation(constraint, value string, style style) Violation {
	return Violation{Value: style.quote(r, value), Constraint: constraint}
}

func (s style) enumeration(r *rule) string {
	if s.terse {
		return oneOf
	}
	return oneOf + ": [" + strings.Join(r.enum, ", ") + "]"
}

// show returns text, or "" in a service that does not show values.
func (s style) show(text string) string {
	if s.terse {
		return ""
	}
	return text
}

// quote returns value in quotes if it may be shown, cut to maxShown.
func (s style) quote(r *rule, value string) string {
	if s.terse || r.sensitive {
		return ""
	}
	return "'" + shorten(value) + "'"
}

// showList returns the elements of the list v, whose elements are of r, if they
// may be shown.
func (s style) showList(r *rule, v reflect.Value) string {
	if s.terse || r.sensitive {
		return ""
	}
	var b strings.Builder
	for i := range v.Len() {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, v.Index(i))
		if b.Len() > 4*maxShown {
			break
		}
	}
	return "'[" + shorten(b.String()) + "]'"
}

// shorten cuts s after maxShown code points.
func shorten(s string) string {
	n := 0
	for i := range s {
		if n++; n > maxShown {
			return s[:i] + "…"
		}
	}
	return s
}
