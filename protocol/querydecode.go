package protocol

import (
	"encoding/base64"
	"iter"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// DecodeQuery sets the fields of in, a pointer to an input struct of the SDK,
// from the parameters of f as awsQuery serializes them: lists as Name.member.N,
// maps as Name.entry.N.key and .value, structures as Name.Member, blobs in
// base64, timestamps in ISO 8601, and Name= for an empty list. Fields without a
// parameter are left alone; parameters without a field (Action, Version, members
// of a newer model) are ignored.
//
// The elements of a list must be numbered 1, 2, … without a gap, as every SDK
// numbers them. A name that differs from a member's in case alone, or a value in
// the wrong place (a scalar where the model has a list …), is refused.
//
// Errors in the request are of type [smithy.APIError], code MalformedInput. What
// in holds after an error is of no use.
// See https://smithy.io/2.0/aws/protocols/aws-query-protocol.html.
func DecodeQuery(f Form, in any) error {
	v, s, err := input(in)
	if err != nil {
		return err
	}
	return s.decodeMembers(v, f.params, 0)
}

// decodeMembers sets the members of the structure v. The names of all params
// share their first at bytes, and members' names begin there.
func (s *shape) decodeMembers(v reflect.Value, params []param, at int) error {
	for group := range groups(params, at) {
		name := group.segment(at)
		m, err := s.lookup(name)
		if err != nil {
			return malformedQuery(group[0].name, err.Error())
		}
		if m == nil {
			continue // not a member that we know
		}
		if err := m.shape.decode(m.target(v), group, at+len(name)); err != nil {
			return err
		}
	}
	return nil
}

// decode sets v, of the shape's type, from the params of one member: those
// named exactly name[:at], or name[:at] and '.' and more.
func (s *shape) decode(v reflect.Value, params paramGroup, at int) error {
	first := params[0]
	if len(first.name) > at { // '.' and more
		switch s.kind {
		case kindStructure:
			return s.decodeMembers(v, params, at+1)
		case kindUnion:
			return s.decodeVariant(v, params, at+1)
		case kindList:
			return s.decodeList(v, params, at+1)
		case kindMap:
			return s.decodeMap(v, params, at+1)
		}
		return malformedQuery(first.name, "structure or list found where not expected")
	}
	if len(params) > 1 { // both Name and Name.more
		return malformedQuery(params[1].name, first.name+" has a value and members")
	}
	return s.decodeScalar(v, first)
}

func (s *shape) decodeScalar(v reflect.Value, p param) error {
	switch s.kind {
	case kindString:
		v.SetString(p.value)
	case kindBool:
		if p.value != "true" && p.value != "false" {
			return malformedQuery(p.name, "boolean must be true or false")
		}
		v.SetBool(p.value == "true")
	case kindInteger:
		n, err := strconv.ParseInt(p.value, 10, s.typ.Bits())
		if err != nil || p.value[0] == '+' {
			return malformedQuery(p.name, "not an integer, or out of range")
		}
		v.SetInt(n)
	case kindFloat:
		x, err := strconv.ParseFloat(p.value, s.typ.Bits())
		if err != nil {
			return malformedQuery(p.name, "not a number, or out of range")
		}
		v.SetFloat(x)
	case kindTimestamp:
		t, err := time.Parse(time.RFC3339, p.value)
		if err != nil {
			return malformedQuery(p.name, "timestamp must follow ISO8601")
		}
		v.Set(reflect.ValueOf(t.UTC()))
	case kindBlob:
		b, err := base64.StdEncoding.Strict().DecodeString(p.value)
		if err != nil {
			return malformedQuery(p.name, "blob must be base64")
		}
		v.SetBytes(b)
	case kindList:
		if p.value != "" {
			return malformedQuery(p.name, "list expected")
		}
		v.Set(reflect.MakeSlice(s.typ, 0, 0))
	case kindMap:
		if p.value != "" {
			return malformedQuery(p.name, "map expected")
		}
		v.Set(reflect.MakeMap(s.typ))
	default:
		return malformedQuery(p.name, "structure expected")
	}
	return nil
}

// decodeList sets v from params named member.N…, beginning at at.
func (s *shape) decodeList(v reflect.Value, params paramGroup, at int) error {
	at, n, err := params.numbered("member", at)
	if err != nil {
		return err
	}
	list := reflect.MakeSlice(s.typ, n, n)
	for group := range groups(params, at) {
		number := group.segment(at)
		i, err := group.index(number, n)
		if err != nil {
			return err
		}
		if err := s.elem.decode(list.Index(i), group, at+len(number)); err != nil {
			return err
		}
	}
	v.Set(list)
	return nil
}

// decodeMap sets v from params named entry.N.key and entry.N.value.
func (s *shape) decodeMap(v reflect.Value, params paramGroup, at int) error {
	at, n, err := params.numbered("entry", at)
	if err != nil {
		return err
	}
	entries := reflect.MakeMapWithSize(s.typ, n)
	for group := range groups(params, at) {
		number := group.segment(at)
		if _, err := group.index(number, n); err != nil {
			return err
		}
		prefix := group[0].name[:at+len(number)]
		var key, value paramGroup
		for part := range groups(group, len(prefix)+1) {
			switch part.segment(len(prefix) + 1) {
			case "key":
				key = part
			case "value":
				value = part
			}
		}
		if len(key) != 1 || key[0].name != prefix+".key" || len(value) == 0 || len(key)+len(value) != len(group) {
			return malformedQuery(prefix, "a map entry has one key and one value")
		}
		k := reflect.New(s.typ.Key()).Elem()
		k.SetString(key[0].value)
		if entries.MapIndex(k).IsValid() {
			return malformedQuery(prefix, "the key is given more than once")
		}
		elem := reflect.New(s.elem.typ).Elem()
		if err := s.elem.decode(elem, value, len(prefix)+len(".value")); err != nil {
			return err
		}
		entries.SetMapIndex(k, elem)
	}
	v.Set(entries)
	return nil
}

// decodeVariant sets the union v from the params of its one member.
func (s *shape) decodeVariant(v reflect.Value, params paramGroup, at int) error {
	name := params.segment(at)
	variant := s.variant(name)
	if variant == nil {
		return malformedQuery(params[0].name, "no such member of the union")
	}
	for group := range groups(params, at) {
		if len(group) != len(params) {
			return malformedQuery(params[0].name, "exactly one member of the union may be set")
		}
	}
	held := reflect.New(variant.typ)
	if err := variant.shape.decode(held.Elem().FieldByName("Value"), params, at+len(name)); err != nil {
		return err
	}
	v.Set(held)
	return nil
}

// paramGroup is a non-empty run of neighbouring params.
type paramGroup []param

// groups yields the runs of params whose names agree in the segment that
// begins at at.
func groups(params []param, at int) iter.Seq[paramGroup] {
	return func(yield func(paramGroup) bool) {
		for len(params) > 0 {
			segment := paramGroup(params).segment(at)
			n := 1
			for n < len(params) && paramGroup(params[n:]).segment(at) == segment {
				n++
			}
			if !yield(params[:n]) {
				return
			}
			params = params[n:]
		}
	}
}

// segment returns the part of the first name from at to the next '.', or "" if
// the name is not that long.
func (g paramGroup) segment(at int) string {
	name := g[0].name
	if at > len(name) {
		return ""
	}
	name = name[at:]
	if i := strings.IndexByte(name, '.'); i >= 0 {
		name = name[:i]
	}
	return name
}

// numbered checks that every name goes on with word (member or entry) and a
// number, and returns where the number begins and how many numbers there are.
func (g paramGroup) numbered(word string, at int) (numberAt, count int, err error) {
	for _, p := range g {
		rest, ok := strings.CutPrefix(p.name[at:], word)
		if !ok || !strings.HasPrefix(rest, ".") {
			return 0, 0, malformedQuery(p.name, word+".N expected")
		}
	}
	numberAt = at + len(word) + 1
	for range groups(g, numberAt) {
		count++
	}
	return numberAt, count, nil
}

// index returns the zero-based index that number, 1 to count, stands for. As
// count distinct numbers are read, none is missing when all are in range.
func (g paramGroup) index(number string, count int) (int, error) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > count || number[0] == '0' || number[0] == '+' {
		return 0, malformedQuery(g[0].name, "elements must be numbered 1, 2, 3 and so on without a gap")
	}
	return n - 1, nil
}

func malformedQuery(name, what string) error {
	return refuse("MalformedInput", name+": "+what)
}
