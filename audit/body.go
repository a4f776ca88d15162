package audit

import (
	"encoding/base64"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The spellings of dates inside bodies; AWS's services differ.
const (
	dateIAM = "Jan 2, 2006 3:04:05 PM"
	dateSTS = "Jan 2, 2006, 3:04:05 PM"
)

// Redactor writes operations' inputs and outputs (the SDK's structs) as
// requestParameters and responseElements, without what is secret. It keeps a plan
// for each type, so one Redactor serves all requests; it is safe for concurrent use.
type Redactor struct {
	sensitive func(operation string) (input, output []string)
	plans     sync.Map // reflect.Type to *plan
}

// NewRedactor makes a Redactor that drops, beside the secrets that it knows, the
// members that sensitive returns for an operation: those that the service models
// mark. A path is made of member names and * for the elements of a list or map,
// "VirtualMFADevices.*.Base32StringSeed". sensitive may be nil; it is called once
// for each type.
func NewRedactor(sensitive func(operation string) (input, output []string)) *Redactor {
	return &Redactor{sensitive: sensitive}
}

// SetRequest records an operation's input, a pointer to a struct. An input without
// any member set is recorded as null, as AWS does.
func (e *Event) SetRequest(in any, r *Redactor) {
	e.request = r.record(e, in, false)
}

// SetResponse records an operation's output, a pointer to a struct. As AWS does, it
// leaves out the answers of reads, unless they hand out credentials, and records
// an answer that says nothing as null.
func (e *Event) SetResponse(out any, r *Redactor) {
	e.response = r.record(e, out, e.ReadOnly)
}

func (r *Redactor) record(e *Event, v any, onlyCredentials bool) []byte {
	value := reflect.ValueOf(v)
	for value.Kind() == reflect.Pointer {
		if value.IsNil() {
			return nil
		}
		value = value.Elem()
	}
	if !value.IsValid() {
		return nil
	}
	p := r.plan(value.Type())
	if p.unrecorded || onlyCredentials && !p.credentials {
		return nil
	}
	w := writer{event: e, dst: make([]byte, 0, p.size.Load())}
	p.write(&w, value)
	if n := int64(len(w.dst)); n > p.size.Load() && n <= largestStart {
		p.size.Store(n)
	}
	if string(w.dst) == "{}" {
		return nil
	}
	return w.dst
}

// Buffers for bodies begin with the length of the longest one of their type so far,
// within limits.
const (
	smallestStart = 64
	largestStart  = 4 << 10
)

// plan is how values of one type are recorded.
type plan struct {
	write       encoder
	unrecorded  bool
	credentials bool // has a member Credentials
	size        atomic.Int64
}

// encoder writes a value, which is neither nil nor empty.
type encoder func(w *writer, v reflect.Value)

// writer is where a body goes, and the event that collects its references.
type writer struct {
	dst   []byte
	event *Event
}

func (r *Redactor) plan(t reflect.Type) *plan {
	if p, ok := r.plans.Load(t); ok {
		return p.(*plan)
	}
	p := r.compile(t)
	r.plans.Store(t, p)
	return p
}

func (r *Redactor) compile(t reflect.Type) *plan {
	operation, isInput := strings.CutSuffix(t.Name(), "Input")
	operation = strings.TrimSuffix(operation, "Output")
	c := compiler{date: dateSTS, open: make(map[reflect.Type]*encoder)}
	if r.sensitive != nil {
		input, output := r.sensitive(operation)
		if c.sensitive = output; isInput {
			c.sensitive = input
		}
	}
	if strings.HasSuffix(t.PkgPath(), "/service/iam") {
		c.date = dateIAM
	}
	p := &plan{write: c.encoder(t, ""), unrecorded: unrecorded(operation)}
	p.size.Store(smallestStart)
	if t.Kind() == reflect.Struct {
		_, p.credentials = t.FieldByName("Credentials")
	}
	return p
}

// compiler makes the plan of one type.
type compiler struct {
	sensitive []string // paths
	date      string   // layout
	// open are the structs being compiled, for those that contain themselves.
	open map[reflect.Type]*encoder
}

func (c *compiler) encoder(t reflect.Type, path string) encoder {
	if t == reflect.TypeFor[time.Time]() {
		date := c.date
		return func(w *writer, v reflect.Value) {
			w.dst = append(w.dst, '"')
			w.dst = v.Interface().(time.Time).UTC().AppendFormat(w.dst, date)
			w.dst = append(w.dst, '"')
		}
	}
	switch t.Kind() {
	case reflect.Pointer:
		elem := c.encoder(t.Elem(), path)
		return func(w *writer, v reflect.Value) { elem(w, v.Elem()) }
	case reflect.Struct:
		return c.structure(t, path)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return writeBytes
		}
		return c.list(t, path)
	case reflect.Map:
		return c.mapping(t, path)
	case reflect.String:
		return func(w *writer, v reflect.Value) {
			text := v.String()
			if misplaced(text) {
				text = hidden
			}
			w.dst = appendText(w.dst, text, math.MaxInt)
		}
	case reflect.Bool:
		return func(w *writer, v reflect.Value) { w.dst = strconv.AppendBool(w.dst, v.Bool()) }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(w *writer, v reflect.Value) { w.dst = strconv.AppendInt(w.dst, v.Int(), 10) }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return func(w *writer, v reflect.Value) { w.dst = strconv.AppendUint(w.dst, v.Uint(), 10) }
	case reflect.Float32, reflect.Float64:
		return writeFloat
	}
	// Unions and documents: no operation of ours has one. What cannot be looked
	// through for secrets is not recorded.
	return func(w *writer, v reflect.Value) { w.dst = append(w.dst, "null"...) }
}

// recorded is a member of a struct.
type recorded struct {
	index     int
	key       string // "userName":
	write     encoder
	reference string // the type of resource that it names, or empty
}

func (c *compiler) structure(t reflect.Type, path string) encoder {
	if known, ok := c.open[t]; ok {
		return func(w *writer, v reflect.Value) { (*known)(w, v) }
	}
	var self encoder
	c.open[t] = &self
	var members []recorded
	for i := range t.NumField() {
		f := t.Field(i)
		at := strings.TrimPrefix(path+"."+f.Name, ".")
		if !f.IsExported() || f.Name == "ResultMetadata" || secret(f.Name) || slices.Contains(c.sensitive, at) {
			continue
		}
		m := recorded{
			index: i,
			key:   strconv.Quote(recordedName(f.Name)) + ":",
			write: c.encoder(f.Type, at),
		}
		if f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.String {
			m.reference = referenceType(t.Name(), f.Name)
		}
		members = append(members, m)
	}
	delete(c.open, t)
	self = func(w *writer, v reflect.Value) {
		w.dst = append(w.dst, '{')
		first := true
		for i := range members {
			m := &members[i]
			field := v.Field(m.index)
			if absent(field) {
				continue
			}
			if !first {
				w.dst = append(w.dst, ',')
			}
			first = false
			w.dst = append(w.dst, m.key...)
			m.write(w, field)
			if m.reference != "" && !misplaced(field.Elem().String()) {
				w.event.refer(Reference{Type: m.reference, Name: field.Elem().String()})
			}
		}
		w.dst = append(w.dst, '}')
	}
	return self
}

// absent tells whether a member was not set. Empty strings that are not pointers are
// enumerations without a value; false and 0 are values.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return v.IsNil()
	case reflect.String:
		return v.Len() == 0
	}
	return false
}

func (c *compiler) list(t reflect.Type, path string) encoder {
	elem := c.encoder(t.Elem(), path+".*")
	return func(w *writer, v reflect.Value) {
		w.dst = append(w.dst, '[')
		for i := range v.Len() {
			if i > 0 {
				w.dst = append(w.dst, ',')
			}
			item := v.Index(i)
			if item.Kind() == reflect.Pointer && item.IsNil() {
				w.dst = append(w.dst, "null"...)
				continue
			}
			elem(w, item)
		}
		w.dst = append(w.dst, ']')
	}
}

// mapping writes a map with its keys in order and as they are.
func (c *compiler) mapping(t reflect.Type, path string) encoder {
	elem := c.encoder(t.Elem(), path+".*")
	return func(w *writer, v reflect.Value) {
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		w.dst = append(w.dst, '{')
		first := true
		for _, key := range keys {
			item := v.MapIndex(key)
			if absent(item) && item.Kind() != reflect.String {
				continue
			}
			if !first {
				w.dst = append(w.dst, ',')
			}
			first = false
			w.dst = appendText(w.dst, key.String(), maxName)
			w.dst = append(w.dst, ':')
			elem(w, item)
		}
		w.dst = append(w.dst, '}')
	}
}

func writeBytes(w *writer, v reflect.Value) {
	w.dst = append(w.dst, '"')
	w.dst = base64.StdEncoding.AppendEncode(w.dst, v.Bytes())
	w.dst = append(w.dst, '"')
}

func writeFloat(w *writer, v reflect.Value) {
	f := v.Float()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		w.dst = append(w.dst, "null"...)
		return
	}
	w.dst = strconv.AppendFloat(w.dst, f, 'g', -1, 64)
}
