package protocol

import (
	"encoding/base64"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends the awsJson body of out to dst: an output struct of the
// SDK, or a pointer to one; nil and an output without members give {}. Members
// that are nil are left out. Timestamps are epoch seconds with milliseconds
// where there are any, blobs base64; maps come in the order of their keys.
//
// The error is of the server's making: a type that is not the SDK's.
// See https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html.
func AppendJSON(dst []byte, out any) ([]byte, error) {
	v, s, err := output(out)
	if err != nil {
		return dst, err
	}
	if s == nil {
		return append(dst, "{}"...), nil
	}
	return s.appendJSON(dst, v)
}

// AppendJSONError appends the awsJson body of e to dst.
func AppendJSONError(dst []byte, e ErrorBody) []byte {
	dst = append(dst, `{"__type":`...)
	dst = appendJSONString(dst, e.Code)
	dst = append(dst, `,"message":`...)
	dst = appendJSONString(dst, e.Message)
	return append(dst, '}')
}

func (s *shape) appendJSON(dst []byte, v reflect.Value) (_ []byte, err error) {
	switch s.kind {
	case kindString:
		return appendJSONString(dst, v.String()), nil
	case kindBool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case kindInteger:
		return strconv.AppendInt(dst, v.Int(), 10), nil
	case kindFloat:
		return appendJSONFloat(dst, v.Float(), s.typ.Bits()), nil
	case kindTimestamp:
		if s.format == "" || s.format == epochSeconds {
			return appendEpoch(dst, timeOf(v)), nil
		}
		return appendJSONString(dst, formatTimestamp(timeOf(v), s.format)), nil
	case kindBlob:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v.Bytes())
		return append(dst, '"'), nil
	case kindList:
		dst = append(dst, '[')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = s.elem.appendJSON(dst, v.Index(i)); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	case kindMap:
		dst = append(dst, '{')
		for i, key := range sortedKeys(v) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSONString(dst, key.String())
			dst = append(dst, ':')
			if dst, err = s.elem.appendJSON(dst, v.MapIndex(key)); err != nil {
				return dst, err
			}
		}
		return append(dst, '}'), nil
	case kindUnion:
		held, value := s.variantOf(v)
		if held == nil {
			return dst, fmt.Errorf("protocol: %v holds no known member", s.typ)
		}
		dst = append(dst, '{')
		dst = appendJSONString(dst, held.name)
		dst = append(dst, ':')
		if dst, err = held.shape.appendJSON(dst, value); err != nil {
			return dst, err
		}
		return append(dst, '}'), nil
	}
	dst = append(dst, '{')
	for i, empty := 0, true; i < len(s.members); i++ {
		m := &s.members[i]
		value, present := m.value(v)
		if !present {
			continue
		}
		if !empty {
			dst = append(dst, ',')
		}
		empty = false
		dst = appendJSONString(dst, m.name)
		dst = append(dst, ':')
		if dst, err = m.shape.appendJSON(dst, value); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// appendJSONFloat appends x, and in quotes the three values that JSON's numbers
// lack, as Smithy has it.
func appendJSONFloat(dst []byte, x float64, bits int) []byte {
	switch {
	case math.IsNaN(x):
		return append(dst, `"NaN"`...)
	case math.IsInf(x, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(x, -1):
		return append(dst, `"-Infinity"`...)
	}
	return strconv.AppendFloat(dst, x, 'g', -1, bits)
}

// appendEpoch appends t as seconds since 1970 with at most three decimals.
func appendEpoch(dst []byte, t time.Time) []byte {
	milli := t.UnixMilli()
	if milli < 0 {
		dst = append(dst, '-')
		milli = -milli
	}
	dst = strconv.AppendInt(dst, milli/1000, 10)
	if milli %= 1000; milli == 0 {
		return dst
	}
	dst = append(dst, '.', '0'+byte(milli/100), '0'+byte(milli/10%10), '0'+byte(milli%10))
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// appendJSONString appends s in quotes. Besides what JSON demands it escapes
// '<', '>' and '&', so that no reader who mistakes the body for HTML finds
// markup in it; bytes that are not UTF-8 become U+FFFD.
func appendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
				i++
				continue
			}
			dst = append(dst, s[done:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, `\n`...)
			case '\r':
				dst = append(dst, `\r`...)
			case '\t':
				dst = append(dst, `\t`...)
			default:
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			done = i
			continue
		}
		r, width := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && width == 1 {
			dst = append(dst, s[done:i]...)
			dst = append(dst, "\uFFFD"...)
			done = i + width
		}
		i += width
	}
	dst = append(dst, s[done:]...)
	return append(dst, '"')
}
