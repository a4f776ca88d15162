package protocol

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/aws/smithy-go/traits"
)

// shape is a Go type of the SDK seen as a Smithy shape. Pointers are not part
// of a shape: they say that a member is optional, see [member].
type shape struct {
	kind     kind
	typ      reflect.Type
	elem     *shape    // of lists and maps
	members  []member  // of structures, in the order of the Go fields
	variants []variant // of unions
	byName   map[string]int
	// format is how a timestamp is written where it is not what its place has by
	// itself; empty where it is.
	format string
}

type kind uint8

const (
	kindString kind = iota + 1 // string and every enumeration
	kindBool
	kindInteger // int32, int64
	kindFloat   // float32, float64
	kindTimestamp
	kindBlob
	kindList
	kindMap
	kindStructure
	kindUnion // an SDK interface with one Go type per member
)

// member is a member of a structure.
type member struct {
	name    string // on the wire
	index   int    // of the Go field
	pointer bool   // the field is a pointer to the shape's type
	shape   *shape
	tags    tags
	schema  *smithy.Schema // nil where the SDK brings none
}

// variant is one member of a union.
type variant struct {
	name  string
	typ   reflect.Type // of the struct whose only member, Value, is the value
	shape *shape
	tags  tags
}

// shapes remembers shapeOf's answers. It is a memo of a pure function of the
// type, bounded by the number of types in the binary, and so not state that
// anyone could observe; encoding/json does the same.
var shapes sync.Map // reflect.Type → *shape

// structureOf returns the shape of the struct type t.
func structureOf(t reflect.Type) (*shape, error) {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape), nil
	}
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("protocol: %v is not a structure of the SDK", t)
	}
	s, err := shapeOf(t, nil, make(map[reflect.Type]*shape))
	if err != nil {
		return nil, fmt.Errorf("protocol: %v: %w", t, err)
	}
	actual, _ := shapes.LoadOrStore(t, s)
	return actual.(*shape), nil
}

// shapeOf derives the shape of t; seen breaks the recursion of types that
// contain themselves. The names of members are those of the schema where the SDK
// brings one, and otherwise those of the Go fields (see wireName).
func shapeOf(t reflect.Type, schema *smithy.Schema, seen map[reflect.Type]*shape) (*shape, error) {
	if s, ok := seen[t]; ok {
		return s, nil
	}
	s := &shape{typ: t}
	if t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]() {
		seen[t] = s
	}
	var err error
	switch t.Kind() {
	case reflect.String:
		s.kind = kindString
	case reflect.Bool:
		s.kind = kindBool
	case reflect.Int32, reflect.Int64:
		s.kind = kindInteger
	case reflect.Float32, reflect.Float64:
		s.kind = kindFloat
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			s.kind = kindBlob
			break
		}
		s.kind = kindList
		s.elem, err = shapeOf(t.Elem(), listMember(schema), seen)
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return nil, fmt.Errorf("map with keys of type %v", t.Key())
		}
		s.kind = kindMap
		s.elem, err = shapeOf(t.Elem(), mapValue(schema), seen)
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			s.kind = kindTimestamp
			if f, ok := smithy.SchemaTrait[*traits.TimestampFormat](schema); ok {
				s.format = f.Format
			}
			break
		}
		s.kind = kindStructure
		err = s.addMembers(schema, seen)
	case reflect.Interface:
		s.kind = kindUnion
		err = s.addVariants(seen)
	default:
		err = fmt.Errorf("unsupported type %v", t)
	}
	return s, err
}

func listMember(schema *smithy.Schema) *smithy.Schema {
	if schema == nil {
		return nil
	}
	return schema.ListMember()
}

func mapValue(schema *smithy.Schema) *smithy.Schema {
	if schema == nil {
		return nil
	}
	return schema.MapValue()
}

// memberOf finds the member of a schema that a Go field of the SDK stands for: the
// SDK capitalizes its name, and appends _ where Go has other uses for it.
func memberOf(schema *smithy.Schema, field string) *smithy.Schema {
	for name, m := range schema.Members() {
		if strings.EqualFold(name, strings.TrimSuffix(field, "_")) {
			return m
		}
	}
	return nil
}

func (s *shape) addMembers(schema *smithy.Schema, seen map[reflect.Type]*shape) error {
	s.byName = make(map[string]int)
	for i := range s.typ.NumField() {
		f := s.typ.Field(i)
		// ResultMetadata is the client's own: what happened on the way.
		if !f.IsExported() || f.Type == reflect.TypeFor[middleware.Metadata]() {
			continue
		}
		m := member{name: wireName(s.typ.Name(), f.Name), index: i}
		if schema != nil {
			m.schema = memberOf(schema, f.Name)
			if m.schema == nil {
				return fmt.Errorf("the schema of %v has no member for %s", schema.ID(), f.Name)
			}
			m.name = m.schema.MemberName()
			if n, ok := smithy.SchemaTrait[*traits.JSONName](m.schema); ok {
				m.name = n.Name
			}
		}
		t := f.Type
		if t.Kind() == reflect.Pointer {
			m.pointer = true
			t = t.Elem()
		}
		var err error
		if m.shape, err = shapeOf(t, m.schema, seen); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		m.tags = tagsOf(m.name)
		s.byName[m.name] = len(s.members)
		s.members = append(s.members, m)
	}
	return nil
}

func (s *shape) addVariants(seen map[reflect.Type]*shape) error {
	variants := unionVariants(s.typ)
	if variants == nil {
		return fmt.Errorf("unknown union %v", s.typ)
	}
	for _, t := range variants {
		_, name, _ := strings.Cut(t.Name(), s.typ.Name()+"Member")
		value, _ := t.FieldByName("Value")
		elem, err := shapeOf(value.Type, nil, seen)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.variants = append(s.variants, variant{name, t, elem, tagsOf(name)})
	}
	return nil
}

// unionVariants lists the Go types that implement a union of the SDK, which
// reflection cannot find out.
func unionVariants(union reflect.Type) []reflect.Type {
	if union == reflect.TypeFor[iamtypes.PolicyIdentifier]() {
		return []reflect.Type{
			reflect.TypeFor[iamtypes.PolicyIdentifierMemberInlinePolicyIdentifier](),
			reflect.TypeFor[iamtypes.PolicyIdentifierMemberPolicyArn](),
			reflect.TypeFor[iamtypes.PolicyIdentifierMemberPolicyType](),
		}
	}
	return nil
}

// wireName returns the name on the wire of a Go field of an SDK type. The SDK
// capitalizes the few members that AWS's models do not.
func wireName(structure, field string) string {
	switch structure + "." + field {
	case "PolicyDescriptorType.Arn", // sts
		"ListDelegationRequestsOutput.IsTruncated", // iam
		"DescribeTrailsInput.IncludeShadowTrails",  // cloudtrail, as the two below
		"DescribeTrailsInput.TrailNameList",
		"DescribeTrailsOutput.TrailList":
		return strings.ToLower(field[:1]) + field[1:]
	}
	return field
}

// lookup returns the member of that name, or nil when there is none. A name
// that differs from a member's in case alone is an error: ignoring policy= where
// Policy= was meant would answer with more than was asked for.
func (s *shape) lookup(name string) (*member, error) {
	if i, ok := s.byName[name]; ok {
		return &s.members[i], nil
	}
	for i := range s.members {
		if strings.EqualFold(s.members[i].name, name) {
			return nil, fmt.Errorf("%s must be spelled %s", name, s.members[i].name)
		}
	}
	return nil, nil
}

// variant is lookup for the members of a union.
func (s *shape) variant(name string) *variant {
	for i := range s.variants {
		if s.variants[i].name == name {
			return &s.variants[i]
		}
	}
	return nil
}

// variantOf returns the variant that the union's value, a non-nil interface,
// holds, and the value inside it.
func (s *shape) variantOf(union reflect.Value) (*variant, reflect.Value) {
	held := union.Elem()
	if held.Kind() == reflect.Pointer {
		held = held.Elem()
	}
	for i := range s.variants {
		if held.IsValid() && s.variants[i].typ == held.Type() {
			return &s.variants[i], held.FieldByName("Value")
		}
	}
	return nil, reflect.Value{}
}

// target returns the settable value behind the member of structure v, making
// the pointer's target where there is one.
func (m *member) target(v reflect.Value) reflect.Value {
	f := v.Field(m.index)
	if !m.pointer {
		return f
	}
	p := reflect.New(m.shape.typ)
	f.Set(p)
	return p.Elem()
}

// value returns the value of the member of structure v and whether it is there
// to be sent. Nil is absent; so is the empty string of an enumeration, which Go
// cannot tell from a missing one, and a zero time. An empty list that is not nil
// is there, and so are a plain false and 0.
func (m *member) value(v reflect.Value) (reflect.Value, bool) {
	f := v.Field(m.index)
	if m.pointer {
		return f.Elem(), !f.IsNil()
	}
	switch m.shape.kind {
	case kindString, kindTimestamp:
		return f, !f.IsZero()
	case kindBlob, kindList, kindMap, kindUnion:
		return f, !f.IsNil()
	}
	return f, true
}

// input returns the struct that in points to, and its shape.
func input(in any) (reflect.Value, *shape, error) {
	v := reflect.ValueOf(in)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return v, nil, fmt.Errorf("protocol: cannot decode into %T", in)
	}
	s, err := structureOf(v.Type().Elem())
	return v.Elem(), s, err
}

// output returns the struct that out is or points to, and its shape; the shape
// is nil when out is nil, which stands for no output.
func output(out any) (reflect.Value, *shape, error) {
	v := reflect.ValueOf(out)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if !v.IsValid() {
		return v, nil, nil
	}
	s, err := structureOf(v.Type())
	return v, s, err
}
