package constraint

import (
	_ "embed"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

//go:embed data/iam.txt
var iamData string

//go:embed data/sts.txt
var stsData string

//go:embed data/cloudtrail.txt
var cloudtrailData string

//go:embed data/signin.txt
var signinData string

//go:embed data/lanyard.txt
var lanyardData string

// Table holds the constraints of one service. It is safe for concurrent use.
type Table struct {
	// Service is the service's short name, Version the version of its API.
	Service, Version string

	style      style
	operations map[string]*operation
	errors     map[string]Exception // by the name of the shape
	statuses   map[string]int       // by code
}

// style is how a service words its messages.
type style struct {
	code string // of the error
	// terse services show neither the offending value nor the values of an
	// enumeration. IAM turned terse in the course of 2024.
	terse bool
}

type operation struct {
	name      string
	input     *rule // nil if there is none
	unsigned  bool
	sensitive struct{ input, output []string }
	plan      atomic.Pointer[plan]
}

// Exception is an error shape of the model.
type Exception struct {
	// Name is the shape's name, NoSuchEntityException; Code is what goes over
	// the wire, NoSuchEntity.
	Name, Code string
	// Status is the HTTP status, or 0 where the model has none.
	Status int
}

// Load returns the tables of all services, by name.
func Load() (map[string]*Table, error) {
	tables := make(map[string]*Table)
	for _, service := range []string{"iam", "sts", "cloudtrail", "signin", "lanyard"} {
		t, err := New(service)
		if err != nil {
			return nil, err
		}
		tables[service] = t
	}
	return tables, nil
}

// New returns the table of a service: iam, sts, cloudtrail, signin or lanyard. An error means
// that there is none, or that the embedded data are broken.
func New(service string) (*Table, error) {
	switch service {
	case "iam":
		return parse(iamData, style{code: "ValidationError", terse: true})
	case "sts":
		return parse(stsData, style{code: "ValidationError"})
	case "cloudtrail":
		return parse(cloudtrailData, style{code: "ValidationException"})
	case "signin":
		return parse(signinData, style{code: "ValidationException", terse: true})
	case "lanyard":
		return parse(lanyardData, style{code: "ValidationException"})
	}
	return nil, fmt.Errorf("constraint: no data for service %q", service)
}

// Operations yields the names of the service's operations, sorted.
func (t *Table) Operations() iter.Seq[string] {
	return slices.Values(slices.Sorted(maps.Keys(t.operations)))
}

// Unsigned reports whether the operation is called without credentials.
func (t *Table) Unsigned(operation string) bool {
	op := t.operations[operation]
	return op != nil && op.unsigned
}

// Sensitive returns the paths of the members of the operation's input and output
// that hold secrets, such as Password or VirtualMFADevices.*.Base32StringSeed:
// wire names joined by dots, * for each element of a list or map.
func (t *Table) Sensitive(operation string) (input, output []string) {
	op := t.operations[operation]
	if op == nil {
		return nil, nil
	}
	return slices.Clone(op.sensitive.input), slices.Clone(op.sensitive.output)
}

// Exception returns the modelled error of that name, NoSuchEntityException.
func (t *Table) Exception(name string) (Exception, bool) {
	e, ok := t.errors[name]
	return e, ok
}

// Status returns the HTTP status that the model gives an error code on the wire,
// such as NoSuchEntity; ok is false where it gives none.
func (t *Table) Status(code string) (status int, ok bool) {
	status, ok = t.statuses[code]
	return status, ok
}

// rule is a shape's constraints.
type rule struct {
	name      string
	kind      string // the first field of its line
	min, max  int64
	hasMin    bool
	hasMax    bool
	sensitive bool
	enum      []string
	pattern   *pattern
	members   []memberRule // of structures
	key, elem *rule        // elem of lists and maps, key of maps
}

type memberRule struct {
	name     string // on the wire
	required bool
	rule     *rule
}

// constrains reports whether the rule itself limits anything.
func (r *rule) constrains() bool {
	return r.hasMin || r.hasMax || len(r.enum) > 0 || r.pattern != nil
}

// parse reads a data file.
func parse(data string, style style) (*Table, error) {
	t := &Table{
		style:      style,
		operations: make(map[string]*operation),
		errors:     make(map[string]Exception),
		statuses:   make(map[string]int),
	}
	p := parser{rules: make(map[string]*rule), patterns: make(map[string]*pattern)}
	number := 0
	for line := range strings.Lines(data) {
		number++
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		if err := p.line(t, fields); err != nil {
			return nil, fmt.Errorf("constraint: %s, line %d: %w", t.Service, number, err)
		}
	}
	for name, r := range p.rules {
		if r.kind == "" {
			return nil, fmt.Errorf("constraint: %s: shape %s is used but not described", t.Service, name)
		}
	}
	return t, nil
}

type parser struct {
	rules    map[string]*rule
	patterns map[string]*pattern
}

// rule returns the rule of that name, which may be described by a later line.
func (p *parser) rule(name string) *rule {
	r := p.rules[name]
	if r == nil {
		r = &rule{name: name}
		p.rules[name] = r
	}
	return r
}

func (p *parser) line(t *Table, fields []string) error {
	if len(fields) < 2 {
		return fmt.Errorf("%d fields", len(fields))
	}
	kind, name, rest := fields[0], fields[1], fields[2:]
	switch kind {
	case "service":
		if len(rest) != 1 {
			return fmt.Errorf("service without a version")
		}
		t.Service, t.Version = name, rest[0]
		return nil
	case "operation":
		return p.operation(t, name, rest)
	case "error":
		if len(rest) != 2 {
			return fmt.Errorf("error %s: %d fields", name, len(rest))
		}
		status, err := strconv.Atoi(rest[1])
		if err != nil {
			return err
		}
		t.errors[name] = Exception{Name: name, Code: rest[0], Status: status}
		if status != 0 {
			t.statuses[rest[0]] = status
		}
		return nil
	}
	return p.shape(kind, name, rest)
}

func (p *parser) operation(t *Table, name string, fields []string) error {
	if len(fields) == 0 {
		return fmt.Errorf("operation %s without an input", name)
	}
	op := &operation{name: name}
	if fields[0] != "-" {
		op.input = p.rule(fields[0])
	}
	for _, f := range fields[1:] {
		switch key, path, _ := strings.Cut(f, "="); key {
		case "unsigned":
			op.unsigned = true
		case "in":
			op.sensitive.input = append(op.sensitive.input, path)
		case "out":
			op.sensitive.output = append(op.sensitive.output, path)
		default:
			return fmt.Errorf("operation %s: unknown field %q", name, f)
		}
	}
	t.operations[name] = op
	return nil
}

func (p *parser) shape(kind, name string, fields []string) error {
	r := p.rule(name)
	if r.kind != "" {
		return fmt.Errorf("shape %s is described twice", name)
	}
	r.kind = kind
	switch kind {
	case "structure":
		for _, f := range fields {
			member, shape, ok := strings.Cut(f, "=")
			if !ok {
				return fmt.Errorf("structure %s: member %q has no shape", name, f)
			}
			member, required := strings.CutSuffix(member, "!")
			r.members = append(r.members, memberRule{member, required, p.rule(shape)})
		}
		return nil
	case "list":
		if len(fields) < 1 {
			return fmt.Errorf("list %s without an element", name)
		}
		r.elem, fields = p.rule(fields[0]), fields[1:]
	case "map":
		if len(fields) < 2 {
			return fmt.Errorf("map %s without key and value", name)
		}
		r.key, r.elem, fields = p.rule(fields[0]), p.rule(fields[1]), fields[2:]
	case "string", "integer", "long", "float", "double", "boolean", "timestamp", "blob":
	default:
		return fmt.Errorf("shape %s of unknown type %q", name, kind)
	}
	return r.limit(fields, p)
}

// limit sets the limits that fields state.
func (r *rule) limit(fields []string, p *parser) error {
	for _, f := range fields {
		key, value, _ := strings.Cut(f, "=")
		var err error
		switch key {
		case "min":
			r.hasMin = true
			r.min, err = strconv.ParseInt(value, 10, 64)
		case "max":
			r.hasMax = true
			r.max, err = strconv.ParseInt(value, 10, 64)
		case "sensitive":
			r.sensitive = true
		case "enum":
			r.enum = append(r.enum, value)
		case "pattern":
			if p.patterns[value] == nil {
				p.patterns[value] = &pattern{text: value}
			}
			r.pattern = p.patterns[value]
		default:
			err = fmt.Errorf("unknown field %q", f)
		}
		if err != nil {
			return fmt.Errorf("shape %s: %w", r.name, err)
		}
	}
	if (r.hasMin || r.hasMax) && !slices.Contains([]string{"string", "integer", "long", "list", "map", "blob"}, r.kind) {
		return fmt.Errorf("shape %s: limits of a %s are not checked", r.name, r.kind)
	}
	return nil
}
