package store

import "strings"

// Key names a record: one byte for its kind, then the parts of its name joined by
// 0x00. Keys sort by kind, then part by part, so that the records of one account
// (or of one user) lie together and can be scanned by prefix.
//
// A part may hold any bytes: 0x00 and 0x01, which no AWS name contains, are escaped
// (as 0x01 0x01 and 0x01 0x02, which keeps the order), so that a hostile name cannot
// pose as two parts.
type Key string

// MakeKey builds the key of a record from the parts of its name.
func MakeKey(kind Kind, parts ...string) Key { return joined(kind, parts, "") }

// Prefix is the common beginning of the keys that have these parts, and at least one
// part more.
func Prefix(kind Kind, parts ...string) Key {
	if len(parts) == 0 {
		return joined(kind, nil, "")
	}
	return joined(kind, parts, "\x00")
}

func joined(kind Kind, parts []string, end string) Key {
	n := len(parts) + len(end)
	for _, p := range parts {
		n += len(p)
	}
	var b strings.Builder
	b.Grow(max(n, 1))
	b.WriteByte(byte(kind))
	for i, p := range parts {
		if i > 0 {
			b.WriteByte(0)
		}
		if strings.IndexByte(p, 0) < 0 && strings.IndexByte(p, 1) < 0 {
			b.WriteString(p)
		} else {
			b.WriteString(escaper.Replace(p))
		}
	}
	b.WriteString(end)
	return Key(b.String())
}

var (
	escaper   = strings.NewReplacer("\x00", "\x01\x01", "\x01", "\x01\x02")
	unescaper = strings.NewReplacer("\x01\x01", "\x00", "\x01\x02", "\x01")
)

// Kind returns the kind of the key's record.
func (k Key) Kind() Kind {
	if k == "" {
		return 0
	}
	return Kind(k[0])
}

// Parts returns the parts that the key was made of.
func (k Key) Parts() []string {
	if len(k) < 2 {
		return nil
	}
	parts := strings.Split(string(k[1:]), "\x00")
	for i, p := range parts {
		parts[i] = unescape(p)
	}
	return parts
}

// Last returns the last part of the key, by which the records of one prefix differ.
func (k Key) Last() string {
	if len(k) < 2 {
		return ""
	}
	return unescape(string(k[max(1, strings.LastIndexByte(string(k), 0)+1):]))
}

func unescape(part string) string {
	if strings.IndexByte(part, 1) < 0 {
		return part
	}
	return unescaper.Replace(part)
}
