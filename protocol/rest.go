package protocol

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

// Binding is how one operation of a restJson service lies in HTTP: what of its
// input is in the path, the query string, headers and the body, and the same of
// its output. See https://smithy.io/2.0/spec/http-bindings.html.
type Binding struct {
	input, output *layout
	route         pattern
	status        int
}

// layout is an input or output structure and where its members are.
type layout struct {
	body    *shape  // the members of the body; nil where there are none
	payload *member // the one member that is the whole body
	outside []placed
}

// placed is a member outside the body.
type placed struct {
	*member
	place place
	key   string // of the label, parameter or header
}

type place uint8

const (
	inPath place = iota + 1
	inQuery
	inHeader
)

// Bind reads the binding of an operation from the SDK's schemas. in and out are
// the SDK's input and output structures. It fails for what no service here has:
// header prefixes, free query parameters and status codes as members.
func Bind(op *smithy.OperationSchema, in, out reflect.Type) (*Binding, error) {
	h, ok := smithy.SchemaTrait[*traits.HTTP](op.Schema)
	if !ok {
		return nil, fmt.Errorf("protocol: %v has no HTTP binding", op.ID())
	}
	b := &Binding{status: h.Code}
	var err error
	if b.route, err = parsePattern(h.Method, h.URI); err != nil {
		return nil, fmt.Errorf("protocol: %v: %w", op.ID(), err)
	}
	if b.input, err = layoutOf(in, op.Input); err != nil {
		return nil, fmt.Errorf("protocol: input of %v: %w", op.ID(), err)
	}
	if b.output, err = layoutOf(out, op.Output); err != nil {
		return nil, fmt.Errorf("protocol: output of %v: %w", op.ID(), err)
	}
	for _, p := range b.input.outside {
		if p.place == inPath && !b.route.hasLabel(p.key) {
			return nil, fmt.Errorf("protocol: %v has no label %s", op.ID(), p.key)
		}
	}
	for _, p := range b.output.outside {
		if p.place != inHeader {
			return nil, fmt.Errorf("protocol: output of %v: %s is not in a header", op.ID(), p.key)
		}
	}
	return b, nil
}

func layoutOf(t reflect.Type, schema *smithy.Schema) (*layout, error) {
	whole, err := shapeOf(t, schema, make(map[reflect.Type]*shape))
	if err != nil {
		return nil, err
	}
	if whole.kind != kindStructure {
		return nil, fmt.Errorf("%v is not a structure", t)
	}
	l := new(layout)
	body := &shape{kind: kindStructure, typ: t, byName: make(map[string]int)}
	for i := range whole.members {
		m := &whole.members[i]
		p := placed{member: m}
		if _, ok := smithy.SchemaTrait[*traits.HTTPLabel](m.schema); ok {
			p.place, p.key = inPath, m.schema.MemberName()
		} else if q, ok := smithy.SchemaTrait[*traits.HTTPQuery](m.schema); ok {
			p.place, p.key = inQuery, q.Name
		} else if h, ok := smithy.SchemaTrait[*traits.HTTPHeader](m.schema); ok {
			p.place, p.key = inHeader, http.CanonicalHeaderKey(h.Name)
		} else if _, ok := smithy.SchemaTrait[*traits.HTTPPayload](m.schema); ok {
			if m.shape.kind != kindStructure {
				return nil, fmt.Errorf("the payload %s is no structure", m.name)
			}
			l.payload = m
			continue
		} else if unsupported(m.schema) {
			return nil, fmt.Errorf("%s is in a place that is not supported", m.name)
		} else {
			body.byName[m.name] = len(body.members)
			body.members = append(body.members, *m)
			continue
		}
		switch m.shape.kind {
		case kindStructure, kindUnion, kindMap:
			return nil, fmt.Errorf("%s is a %v outside the body", m.name, m.shape.typ)
		case kindList:
			if p.place != inQuery {
				return nil, fmt.Errorf("%s is a list in a place for one value", m.name)
			}
		}
		l.outside = append(l.outside, p)
	}
	if len(body.members) > 0 {
		l.body = body
	}
	return l, nil
}

func unsupported(m *smithy.Schema) bool {
	_, prefix := smithy.SchemaTrait[*traits.HTTPPrefixHeaders](m)
	_, parameters := smithy.SchemaTrait[*traits.HTTPQueryParams](m)
	_, code := smithy.SchemaTrait[*traits.HTTPResponseCode](m)
	return prefix || parameters || code
}

// pattern is a method and a URI template: /profiles/{profileId}?with=this.
type pattern struct {
	method   string
	segments []string // of the path; a label is {name}
	literals []param  // that the query string must have
}

func parsePattern(method, uri string) (pattern, error) {
	path, query, _ := strings.Cut(uri, "?")
	p := pattern{method: method, segments: segments(path)}
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "+}") {
		return p, fmt.Errorf("URI template %q", uri)
	}
	form, err := ParseQuery(query)
	p.literals = form.params
	return p, err
}

// segments splits a path, without the slash that it begins with.
func segments(path string) []string {
	return strings.Split(strings.TrimPrefix(path, "/"), "/")
}

// label returns the name in a segment of a template, if it is a label.
func label(segment string) (name string, ok bool) {
	if len(segment) < 3 || segment[0] != '{' {
		return "", false
	}
	return segment[1 : len(segment)-1], true
}

func (p *pattern) hasLabel(name string) bool {
	for _, s := range p.segments {
		if l, ok := label(s); ok && l == name {
			return true
		}
	}
	return false
}

// matches tells whether the path, as it was sent, fits. A label stands for one
// segment, which is not empty.
func (p *pattern) matches(path []string) bool {
	if len(path) != len(p.segments) {
		return false
	}
	for i, s := range p.segments {
		if _, ok := label(s); ok && path[i] == "" || !ok && path[i] != s {
			return false
		}
	}
	return true
}

// Routes finds what is served at a method and URI.
type Routes[T any] struct{ routes []route[T] }

type route[T any] struct {
	pattern
	to T
}

// Add adds the place of an operation.
func (r *Routes[T]) Add(op *smithy.Schema, to T) error {
	h, ok := smithy.SchemaTrait[*traits.HTTP](op)
	if !ok {
		return fmt.Errorf("protocol: %v has no HTTP binding", op.ID())
	}
	p, err := parsePattern(h.Method, h.URI)
	if err != nil {
		return fmt.Errorf("protocol: %v: %w", op.ID(), err)
	}
	r.routes = append(r.routes, route[T]{p, to})
	return nil
}

// Has tells whether anything is served at the path, by whatever method. It is the
// path as it was sent: there is one spelling of each.
func (r *Routes[T]) Has(path string) bool {
	split := segments(path)
	for i := range r.routes {
		if r.routes[i].matches(split) {
			return true
		}
	}
	return false
}

// Find returns what is served at the method, path and query string. Where several
// fit, the one that says most about the query string is meant.
func (r *Routes[T]) Find(method, path string, query Form) (to T, ok bool) {
	split := segments(path)
	most := -1
candidates:
	for i := range r.routes {
		p := &r.routes[i].pattern
		if p.method != method || len(p.literals) <= most || !p.matches(split) {
			continue
		}
		for _, l := range p.literals {
			if value, given := query.Lookup(l.name); !given || value != l.value {
				continue candidates
			}
		}
		to, ok, most = r.routes[i].to, true, len(p.literals)
	}
	return to, ok
}

// Decode sets the fields of in, a pointer to the operation's input structure, from
// a request that was found to be the operation's: its path as it was sent, query
// string, headers and body. It is as strict as DecodeJSON; a parameter or header
// that holds one value must not come twice.
//
// Errors in the request are of type [smithy.APIError], code
// SerializationException or RequestEntityTooLarge.
func (b *Binding) Decode(path string, query Form, h http.Header, body []byte, in any) error {
	v := reflect.ValueOf(in)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("protocol: cannot decode into %T", in)
	}
	v = v.Elem()
	for _, p := range b.input.outside {
		var values []string
		switch p.place {
		case inPath:
			values = b.labels(path, p.key)
		case inQuery:
			values = query.values(p.key)
		case inHeader:
			values = h[p.key]
		}
		if len(values) == 0 {
			continue
		}
		if p.shape.kind == kindList {
			list := reflect.MakeSlice(p.shape.typ, len(values), len(values))
			for i, text := range values {
				if err := p.shape.elem.decodeText(list.Index(i), text, p.place); err != nil {
					return refuse("SerializationException", p.key+": "+err.Error())
				}
			}
			p.target(v).Set(list)
			continue
		}
		if len(values) > 1 {
			return refuse("SerializationException", p.key+" is given more than once.")
		}
		if err := p.shape.decodeText(p.target(v), values[0], p.place); err != nil {
			return refuse("SerializationException", p.key+": "+err.Error())
		}
	}
	if m := b.input.payload; m != nil {
		if len(body) == 0 {
			return nil
		}
		return decodeJSON(body, m.shape, m.target(v))
	}
	s := b.input.body
	if s == nil {
		s = &shape{kind: kindStructure, typ: v.Type()} // it must still be JSON
	}
	return decodeJSON(body, s, v)
}

// labels are the values in the place of a label: one.
func (b *Binding) labels(path, name string) []string {
	for i, s := range segments(path) {
		if l, ok := label(b.route.segments[i]); ok && l == name {
			if text, err := url.PathUnescape(s); err == nil && utf8.ValidString(text) {
				return []string{text}
			}
			return []string{"", ""} // badly escaped: refused
		}
	}
	return nil
}

// decodeText sets v, of shape s, from text outside a body.
func (s *shape) decodeText(v reflect.Value, text string, at place) (err error) {
	if !utf8.ValidString(text) {
		return fmt.Errorf("not valid UTF-8")
	}
	switch s.kind {
	case kindString:
		v.SetString(text)
	case kindBool:
		if text != "true" && text != "false" {
			return fmt.Errorf("boolean expected")
		}
		v.SetBool(text == "true")
	case kindInteger:
		n, err := strconv.ParseInt(text, 10, s.typ.Bits())
		if err != nil {
			return fmt.Errorf("integer expected, or out of range")
		}
		v.SetInt(n)
	case kindFloat:
		x, err := strconv.ParseFloat(text, s.typ.Bits())
		if err != nil {
			return fmt.Errorf("number expected, or out of range")
		}
		v.SetFloat(x)
	case kindTimestamp:
		t, ok := parseTimestamp(text, s.formatAt(at))
		if !ok {
			return fmt.Errorf("timestamp expected, or out of range")
		}
		v.Set(reflect.ValueOf(t))
	case kindBlob:
		data, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return fmt.Errorf("base64 expected")
		}
		v.SetBytes(data)
	default:
		return fmt.Errorf("a %v has no text", s.typ)
	}
	return nil
}

// text is v as it is written outside a body.
func (s *shape) text(v reflect.Value, at place) string {
	switch s.kind {
	case kindString:
		return v.String()
	case kindBool:
		return strconv.FormatBool(v.Bool())
	case kindInteger:
		return strconv.FormatInt(v.Int(), 10)
	case kindFloat:
		return strconv.FormatFloat(v.Float(), 'g', -1, s.typ.Bits())
	case kindTimestamp:
		return formatTimestamp(timeOf(v), s.formatAt(at))
	case kindBlob:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	}
	return ""
}

// formatAt is the format of a timestamp outside a body.
func (s *shape) formatAt(at place) string {
	switch {
	case s.format != "":
		return s.format
	case at == inHeader:
		return httpDate
	}
	return dateTime
}

// AppendResponse appends the body of out, the operation's output structure or a
// pointer to one, to dst, and sets the headers that hold members of it. It returns
// the status of the answer. The error is of the server's making.
func (b *Binding) AppendResponse(dst []byte, h http.Header, out any) ([]byte, int, error) {
	v := reflect.ValueOf(out)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if !v.IsValid() {
		return append(dst, "{}"...), b.status, nil
	}
	for _, p := range b.output.outside {
		if value, ok := p.value(v); ok {
			h.Set(p.key, p.shape.text(value, inHeader))
		}
	}
	var err error
	switch l := b.output; {
	case l.payload != nil:
		if value, ok := l.payload.value(v); ok {
			dst, err = l.payload.shape.appendJSON(dst, value)
		}
	case l.body != nil:
		dst, err = l.body.appendJSON(dst, v)
	default:
		dst = append(dst, "{}"...)
	}
	return dst, b.status, err
}

// HeaderErrorType is the header in which restJson says the error code. AWS spells
// it x-amzn-ErrorType; this is Go's canonical form of the same name.
const HeaderErrorType = "X-Amzn-Errortype"

// AppendRESTError appends the restJson body of e to dst. The code belongs into
// [HeaderErrorType].
func AppendRESTError(dst []byte, e ErrorBody) []byte {
	dst = append(dst, '{')
	for _, m := range e.Members {
		dst = appendJSONString(dst, m.Name)
		dst = append(dst, ':')
		dst = appendJSONString(dst, m.Text)
		dst = append(dst, ',')
	}
	dst = append(dst, `"message":`...)
	dst = appendJSONString(dst, e.Message)
	return append(dst, '}')
}

// The formats of timestamps, by the names of Smithy's timestampFormat.
const (
	dateTime     = "date-time"
	httpDate     = "http-date"
	epochSeconds = "epoch-seconds"
)

func parseTimestamp(text, format string) (time.Time, bool) {
	var t time.Time
	var err error
	switch format {
	case httpDate:
		t, err = http.ParseTime(text)
	case epochSeconds:
		var x float64
		if x, err = strconv.ParseFloat(text, 64); err == nil && x > -maxEpoch && x < maxEpoch {
			t = time.UnixMilli(int64(math.Round(x * 1000)))
		}
	default:
		t, err = time.Parse(time.RFC3339Nano, text)
	}
	return t.UTC(), err == nil && t.Year() >= 1
}

func formatTimestamp(t time.Time, format string) string {
	switch format {
	case httpDate:
		return t.UTC().Format(http.TimeFormat)
	case epochSeconds:
		return string(appendEpoch(nil, t))
	}
	return t.UTC().Format("2006-01-02T15:04:05.999Z07:00")
}
