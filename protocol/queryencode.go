package protocol

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// AppendQueryResponse appends the awsQuery response of operation to dst: out, an
// output struct of the SDK or a pointer to one, in <OperationResult>, and the
// request id. Operations that the model gives no output have no result element.
//
// Members that are nil are left out; an empty list that is not nil becomes
// <Name/>. The document is indented the way AWS indents it. Maps come in the
// order of their keys, so that equal outputs give equal bytes.
//
// The error is of the server's making: a type that is not the SDK's.
func AppendQueryResponse(dst []byte, namespace, operation string, out any, requestID string) ([]byte, error) {
	v, s, err := output(out)
	if err != nil {
		return dst, err
	}
	dst = append(dst, "<"...)
	dst = append(dst, operation...)
	dst = append(dst, `Response xmlns="`...)
	dst = appendText(dst, namespace)
	dst = append(dst, "\">\n"...)
	if s != nil && len(s.members) > 0 || hasEmptyResult(operation) {
		if dst, err = s.appendResult(dst, operation, v); err != nil {
			return dst, err
		}
	}
	dst = append(dst, "  <ResponseMetadata>\n    <RequestId>"...)
	dst = appendText(dst, requestID)
	dst = append(dst, "</RequestId>\n  </ResponseMetadata>\n</"...)
	dst = append(dst, operation...)
	return append(dst, "Response>\n"...), nil
}

// appendResult appends the element of the output v, or of nothing if s is nil.
func (s *shape) appendResult(dst []byte, operation string, v reflect.Value) (_ []byte, err error) {
	start := len(dst)
	dst = append(dst, "  <"...)
	dst = append(dst, operation...)
	dst = append(dst, "Result>\n"...)
	opened := len(dst)
	if s != nil {
		if dst, err = s.appendMembers(dst, v, 2); err != nil {
			return dst, err
		}
	}
	if len(dst) == opened {
		dst = append(dst[:start], "  <"...)
		dst = append(dst, operation...)
		return append(dst, "Result/>\n"...), nil
	}
	dst = append(dst, "  </"...)
	dst = append(dst, operation...)
	return append(dst, "Result>\n"...), nil
}

// hasEmptyResult reports whether the model gives operation an output that has no
// members, which the Go type does not tell from having none. Clients insist on
// its element.
func hasEmptyResult(operation string) bool {
	return operation == "UpdateRole" || operation == "PutAccountProperties"
}

// AppendQueryError appends the awsQuery body of e to dst, laid out as the real
// service lays it out.
func AppendQueryError(dst []byte, namespace string, e ErrorBody, requestID string) []byte {
	dst = append(dst, `<ErrorResponse xmlns="`...)
	dst = appendText(dst, namespace)
	dst = append(dst, "\">\n  <Error>\n    <Type>"...)
	dst = append(dst, e.Fault.String()...)
	dst = append(dst, "</Type>\n    <Code>"...)
	dst = appendText(dst, e.Code)
	dst = append(dst, "</Code>\n    <Message>"...)
	dst = appendText(dst, e.Message)
	dst = append(dst, "</Message>\n  </Error>\n  <RequestId>"...)
	dst = appendText(dst, requestID)
	return append(dst, "</RequestId>\n</ErrorResponse>\n"...)
}

// tags is how an element of one name is written: "<Name>", "</Name>" and
// "<Name/>", the last two with the newline that follows.
type tags struct{ open, close, empty string }

func tagsOf(name string) tags {
	return tags{"<" + name + ">", "</" + name + ">\n", "<" + name + "/>\n"}
}

// appendMembers appends the members of the structure v, indented by depth.
func (s *shape) appendMembers(dst []byte, v reflect.Value, depth int) (_ []byte, err error) {
	for i := range s.members {
		m := &s.members[i]
		value, present := m.value(v)
		if !present {
			continue
		}
		if dst, err = m.shape.appendXML(dst, m.tags, value, depth); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// appendXML appends v as one element and a newline, indented by depth.
func (s *shape) appendXML(dst []byte, t tags, v reflect.Value, depth int) (_ []byte, err error) {
	dst = appendIndent(dst, depth)
	switch s.kind {
	case kindList, kindMap:
		if v.Len() == 0 {
			return append(dst, t.empty...), nil
		}
	}
	dst = append(dst, t.open...)
	switch s.kind {
	case kindString:
		dst = appendText(dst, v.String())
	case kindBool:
		dst = strconv.AppendBool(dst, v.Bool())
	case kindInteger:
		dst = strconv.AppendInt(dst, v.Int(), 10)
	case kindFloat:
		dst = strconv.AppendFloat(dst, v.Float(), 'g', -1, s.typ.Bits())
	case kindTimestamp:
		dst = timeOf(v).UTC().AppendFormat(dst, "2006-01-02T15:04:05Z")
	case kindBlob:
		dst = base64.StdEncoding.AppendEncode(dst, v.Bytes())
	default:
		dst = append(dst, '\n')
		if dst, err = s.appendChildren(dst, v, depth+1); err != nil {
			return dst, err
		}
		dst = appendIndent(dst, depth)
	}
	return append(dst, t.close...), nil
}

// appendChildren appends what is inside an element that holds elements.
func (s *shape) appendChildren(dst []byte, v reflect.Value, depth int) (_ []byte, err error) {
	switch s.kind {
	case kindStructure:
		return s.appendMembers(dst, v, depth)
	case kindUnion:
		held, value := s.variantOf(v)
		if held == nil {
			return dst, fmt.Errorf("protocol: %v holds no known member", s.typ)
		}
		return held.shape.appendXML(dst, held.tags, value, depth)
	case kindList:
		element := tagsOf("member")
		for i := range v.Len() {
			if dst, err = s.elem.appendXML(dst, element, v.Index(i), depth); err != nil {
				return dst, err
			}
		}
	case kindMap:
		element := tagsOf("value")
		for _, key := range sortedKeys(v) {
			dst = appendIndent(dst, depth)
			dst = append(dst, "<entry>\n"...)
			dst = appendIndent(dst, depth+1)
			dst = append(dst, "<key>"...)
			dst = appendText(dst, key.String())
			dst = append(dst, "</key>\n"...)
			if dst, err = s.elem.appendXML(dst, element, v.MapIndex(key), depth+1); err != nil {
				return dst, err
			}
			dst = appendIndent(dst, depth)
			dst = append(dst, "</entry>\n"...)
		}
	}
	return dst, nil
}

// appendIndent appends two spaces for each level of depth.
func appendIndent(dst []byte, depth int) []byte {
	const spaces = "                                "
	for depth > len(spaces)/2 {
		dst = append(dst, spaces...)
		depth -= len(spaces) / 2
	}
	return append(dst, spaces[:2*depth]...)
}

// plain are the bytes that stand for themselves in XML.
var plain = func() (t [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		t[c] = c != '&' && c != '<' && c != '>' && c != '"'
	}
	return t
}()

// appendText appends s as XML character data. A carriage return is written as a
// reference, because parsers turn a plain one into a line feed. What XML 1.0
// cannot express at all (most control characters, U+FFFE, U+FFFF, bytes that are
// not UTF-8) becomes U+FFFD: what AWS does with them is not documented, and as
// its parameters' patterns keep them out it hardly matters, but the document
// must not break.
func appendText(dst []byte, s string) []byte {
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		width, escaped := 1, ""
		switch c {
		case '\t', '\n':
		case '\r':
			escaped = "&#xD;"
		case '&':
			escaped = "&amp;"
		case '<':
			escaped = "&lt;"
		case '>':
			escaped = "&gt;"
		case '"':
			escaped = "&quot;"
		default:
			var r rune
			r, width = utf8.DecodeRuneInString(s[i:])
			if r < ' ' || r == utf8.RuneError || r == 0xFFFE || r == 0xFFFF {
				escaped = "\uFFFD"
			}
		}
		if escaped != "" {
			dst = append(dst, s[done:i]...)
			dst = append(dst, escaped...)
			done = i + width
		}
		i += width
	}
	return append(dst, s[done:]...)
}

// sortedKeys returns the keys of a map whose keys are strings.
func sortedKeys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

// timeOf returns the time in v without the allocation that v.Interface costs.
func timeOf(v reflect.Value) time.Time {
	if v.CanAddr() {
		return *v.Addr().Interface().(*time.Time)
	}
	return v.Interface().(time.Time)
}
