package protocol

import (
	"encoding/base64"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth bounds the nesting of a JSON body. The deepest input of the
// services here has six levels; the bound keeps the parser's stack small.
const maxJSONDepth = 64

// DecodeJSON sets the fields of in, a pointer to an input struct of the SDK,
// from an awsJson body: one JSON object (RFC 8259), timestamps in epoch seconds,
// blobs in base64. A member that is null is as good as absent; members without a
// field (of a newer model) are ignored. An empty body stands for {}.
//
// The JSON is held to more than the grammar: a name given twice in one object,
// a name that differs from a member's in case alone, lone surrogates, invalid
// UTF-8, nesting beyond 64 levels, anything after the object, and more than
// [MaxBody] bytes are refused, in ignored members too.
//
// Errors in the request are of type [smithy.APIError], code
// SerializationException or RequestEntityTooLarge. What in holds after an error
// is of no use.
func DecodeJSON(body []byte, in any) error {
	v, s, err := input(in)
	if err != nil {
		return err
	}
	return decodeJSON(body, s, v)
}

// decodeJSON sets v, of shape s, from a body.
func decodeJSON(body []byte, s *shape, v reflect.Value) error {
	if len(body) > MaxBody {
		return refuse("RequestEntityTooLarge", "The request body is too large.")
	}
	if len(body) == 0 {
		return nil
	}
	if !utf8.Valid(body) {
		return refuse("SerializationException", "The request body is not valid UTF-8.")
	}
	d := jsonDecoder{text: string(body)}
	d.space()
	if err := d.decode(s, v); err != nil {
		return err
	}
	d.space()
	if d.at != len(d.text) {
		return d.refuse("nothing may follow the object")
	}
	return nil
}

// jsonDecoder reads text, which is valid UTF-8, from at on. Strings without
// escapes are slices of it, unless it is large.
type jsonDecoder struct {
	text  string
	at    int
	depth int
}

func (d *jsonDecoder) refuse(what string) error {
	return refuse("SerializationException", "JSON, byte "+strconv.Itoa(d.at)+": "+what)
}

func (d *jsonDecoder) space() {
	for d.at < len(d.text) {
		switch d.text[d.at] {
		case ' ', '\t', '\n', '\r':
			d.at++
		default:
			return
		}
	}
}

// peek returns the next byte, or 0 at the end; 0 itself is no JSON.
func (d *jsonDecoder) peek() byte {
	if d.at < len(d.text) {
		return d.text[d.at]
	}
	return 0
}

// take consumes word if it comes next.
func (d *jsonDecoder) take(word string) bool {
	if strings.HasPrefix(d.text[d.at:], word) {
		d.at += len(word)
		return true
	}
	return false
}

// decode sets v, of shape s, from the next value.
func (d *jsonDecoder) decode(s *shape, v reflect.Value) error {
	switch s.kind {
	case kindString:
		text, err := d.string()
		if err != nil {
			return err
		}
		v.SetString(text)
	case kindBool:
		switch {
		case d.take("true"):
			v.SetBool(true)
		case d.take("false"):
			v.SetBool(false)
		default:
			return d.refuse("boolean expected")
		}
	case kindInteger:
		number, err := d.number()
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(number, 10, s.typ.Bits())
		if err != nil {
			return d.refuse("integer expected, or out of range")
		}
		v.SetInt(n)
	case kindFloat:
		x, err := d.float(s.typ.Bits())
		if err != nil {
			return err
		}
		v.SetFloat(x)
	case kindTimestamp:
		t, err := d.timestamp(s.format)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(t))
	case kindBlob:
		text, err := d.string()
		if err != nil {
			return err
		}
		b, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return d.refuse("blob must be base64")
		}
		v.SetBytes(b)
	case kindList:
		return d.decodeList(s, v)
	case kindMap:
		return d.decodeMap(s, v)
	case kindUnion:
		return d.decodeUnion(s, v)
	case kindStructure:
		return d.decodeMembers(s, v)
	}
	return nil
}

func (d *jsonDecoder) decodeMembers(s *shape, v reflect.Value) error {
	return d.object(func(name string) error {
		m, err := s.lookup(name)
		if err != nil {
			return d.refuse(err.Error())
		}
		if m == nil {
			return d.skip()
		}
		if d.take("null") {
			return nil
		}
		return d.decode(m.shape, m.target(v))
	})
}

func (d *jsonDecoder) decodeList(s *shape, v reflect.Value) error {
	list := reflect.MakeSlice(s.typ, 0, 0)
	err := d.array(func() error {
		// A list of the SDK has no place for null, and dropping one would
		// move its neighbours.
		elem := reflect.New(s.elem.typ).Elem()
		if err := d.decode(s.elem, elem); err != nil {
			return err
		}
		list = reflect.Append(list, elem)
		return nil
	})
	v.Set(list)
	return err
}

func (d *jsonDecoder) decodeMap(s *shape, v reflect.Value) error {
	entries := reflect.MakeMap(s.typ)
	err := d.object(func(name string) error {
		elem := reflect.New(s.elem.typ).Elem()
		if err := d.decode(s.elem, elem); err != nil {
			return err
		}
		entries.SetMapIndex(reflect.ValueOf(name).Convert(s.typ.Key()), elem)
		return nil
	})
	v.Set(entries)
	return err
}

func (d *jsonDecoder) decodeUnion(s *shape, v reflect.Value) error {
	err := d.object(func(name string) error {
		variant := s.variant(name)
		if variant == nil {
			return d.refuse("no such member of the union")
		}
		if d.take("null") {
			return nil
		}
		if !v.IsNil() {
			return d.refuse("exactly one member of the union may be set")
		}
		held := reflect.New(variant.typ)
		v.Set(held)
		return d.decode(variant.shape, held.Elem().FieldByName("Value"))
	})
	if err == nil && v.IsNil() {
		return d.refuse("exactly one member of the union must be set")
	}
	return err
}

// skip reads the next value, whatever it is, as strictly as any other.
func (d *jsonDecoder) skip() error {
	switch c := d.peek(); {
	case c == '{':
		return d.object(func(string) error { return d.skip() })
	case c == '[':
		return d.array(d.skip)
	case c == '"':
		_, err := d.string()
		return err
	case c == '-' || '0' <= c && c <= '9':
		_, err := d.number()
		return err
	}
	if d.take("true") || d.take("false") || d.take("null") {
		return nil
	}
	return d.refuse("value expected")
}

// object reads an object and calls value for each member, with its name, where
// its value begins.
func (d *jsonDecoder) object(value func(name string) error) error {
	var seen nameSet
	return d.sequence('{', '}', "object expected", func() error {
		name, err := d.string()
		if err != nil {
			return err
		}
		if !seen.add(name) {
			return d.refuse("the name is given more than once")
		}
		d.space()
		if !d.take(":") {
			return d.refuse("':' expected")
		}
		d.space()
		return value(name)
	})
}

// array reads an array and calls value where each element begins.
func (d *jsonDecoder) array(value func() error) error {
	return d.sequence('[', ']', "array expected", value)
}

// sequence reads open, items parted by commas, and close.
func (d *jsonDecoder) sequence(open, close byte, expected string, item func() error) error {
	if d.peek() != open {
		return d.refuse(expected)
	}
	if d.depth++; d.depth > maxJSONDepth {
		return d.refuse("nested too deeply")
	}
	d.at++
	d.space()
	if d.peek() == close {
		d.at++
		d.depth--
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		d.space()
		c := d.peek()
		if c != ',' && c != close {
			return d.refuse("',' or '" + string(rune(close)) + "' expected")
		}
		d.at++
		if c == close {
			d.depth--
			return nil
		}
		d.space()
	}
}

// string reads a string.
func (d *jsonDecoder) string() (string, error) {
	if d.peek() != '"' {
		return "", d.refuse("string expected")
	}
	d.at++
	start := d.at
	for d.at < len(d.text) {
		switch c := d.text[d.at]; {
		case c == '"':
			d.at++
			s := d.text[start : d.at-1]
			if len(d.text) > maxShared {
				s = strings.Clone(s)
			}
			return s, nil
		case c == '\\':
			return d.escapedString(d.text[start:d.at])
		case c < ' ':
			return "", d.refuse("control character in a string")
		}
		d.at++
	}
	return "", d.refuse("unfinished string")
}

// escapedString goes on reading a string, of which done is the beginning, from
// its first escape.
func (d *jsonDecoder) escapedString(done string) (string, error) {
	text := append(make([]byte, 0, len(done)+64), done...)
	for d.at < len(d.text) {
		c := d.text[d.at]
		d.at++
		switch {
		case c == '"':
			return string(text), nil
		case c < ' ':
			return "", d.refuse("control character in a string")
		case c != '\\':
			text = append(text, c)
			continue
		}
		escape := d.peek()
		d.at++
		switch escape {
		case '"', '\\', '/':
			text = append(text, escape)
		case 'b':
			text = append(text, '\b')
		case 'f':
			text = append(text, '\f')
		case 'n':
			text = append(text, '\n')
		case 'r':
			text = append(text, '\r')
		case 't':
			text = append(text, '\t')
		case 'u':
			r, ok := d.hex4()
			if ok && utf16.IsSurrogate(r) {
				var low rune
				if ok = d.take(`\u`); ok {
					low, ok = d.hex4()
				}
				r = utf16.DecodeRune(r, low)
				ok = ok && r != utf8.RuneError
			}
			if !ok {
				return "", d.refuse("bad \\u escape")
			}
			text = utf8.AppendRune(text, r)
		default:
			return "", d.refuse("bad escape")
		}
	}
	return "", d.refuse("unfinished string")
}

// hex4 reads four hexadecimal digits.
func (d *jsonDecoder) hex4() (rune, bool) {
	if len(d.text)-d.at < 4 {
		return 0, false
	}
	var r rune
	for _, c := range []byte(d.text[d.at : d.at+4]) {
		digit := unhex(c)
		if digit > 15 {
			return 0, false
		}
		r = r<<4 | rune(digit)
	}
	d.at += 4
	return r, true
}

// number reads a number and returns its text.
func (d *jsonDecoder) number() (string, error) {
	start := d.at
	d.take("-")
	if !d.take("0") && !d.digits() {
		return "", d.refuse("number expected")
	}
	if d.take(".") && !d.digits() {
		return "", d.refuse("digit expected")
	}
	if d.take("e") || d.take("E") {
		if !d.take("+") {
			d.take("-")
		}
		if !d.digits() {
			return "", d.refuse("digit expected")
		}
	}
	return d.text[start:d.at], nil
}

// digits reads digits and reports whether there was one.
func (d *jsonDecoder) digits() bool {
	start := d.at
	for c := d.peek(); '0' <= c && c <= '9'; c = d.peek() {
		d.at++
	}
	return d.at > start
}

// float reads a floating-point number, or the name of one in quotes.
func (d *jsonDecoder) float(bits int) (float64, error) {
	switch {
	case d.take(`"NaN"`):
		return math.NaN(), nil
	case d.take(`"Infinity"`):
		return math.Inf(1), nil
	case d.take(`"-Infinity"`):
		return math.Inf(-1), nil
	}
	number, err := d.number()
	if err != nil {
		return 0, err
	}
	x, err := strconv.ParseFloat(number, bits)
	if err != nil {
		return 0, d.refuse("number out of range")
	}
	return x, nil
}

// timestamp reads a timestamp in a format of Smithy's; empty means epoch-seconds.
func (d *jsonDecoder) timestamp(format string) (time.Time, error) {
	if format == "" || format == epochSeconds {
		return d.epoch()
	}
	text, err := d.string()
	if err != nil {
		return time.Time{}, err
	}
	t, ok := parseTimestamp(text, format)
	if !ok {
		return time.Time{}, d.refuse("timestamp expected, or out of range")
	}
	return t, nil
}

// maxEpoch is the first second of the year 10000, which no timestamp format of
// AWS's can write.
const maxEpoch = 253_402_300_800

// epoch reads a timestamp in seconds since 1970, exact to the millisecond.
func (d *jsonDecoder) epoch() (time.Time, error) {
	number, err := d.number()
	if err != nil {
		return time.Time{}, err
	}
	x, err := strconv.ParseFloat(number, 64)
	if err != nil || x <= -maxEpoch || x >= maxEpoch {
		return time.Time{}, d.refuse("timestamp out of range")
	}
	return time.UnixMilli(int64(math.Round(x * 1000))).UTC(), nil
}

// nameSet is the set of names seen in one object. Most objects have a few.
type nameSet struct {
	few  []string
	many map[string]struct{}
}

// add adds name and reports whether it was not there.
func (s *nameSet) add(name string) bool {
	if s.many == nil {
		for _, seen := range s.few {
			if seen == name {
				return false
			}
		}
		if len(s.few) < 16 {
			s.few = append(s.few, name)
			return true
		}
		s.many = make(map[string]struct{}, 2*len(s.few))
		for _, seen := range s.few {
			s.many[seen] = struct{}{}
		}
	}
	if _, ok := s.many[name]; ok {
		return false
	}
	s.many[name] = struct{}{}
	return true
}
