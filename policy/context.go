package policy

import (
	"encoding/base64"
	"iter"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Context holds the condition keys of one request with their values. Key names
// are compared without regard to case. The zero value is an empty context; a
// Context may be Reset and used again, and then allocates nothing. It is not
// safe for concurrent change; concurrent decisions may read it.
type Context struct {
	entries []entry
	// chains finds entries by their key's hash: 1 + the index of the first
	// entry of each chain, continued by entry.next.
	chains [64]uint16
}

type entry struct {
	key   string
	hash  uint32
	next  uint16
	multi bool
	value value
	set   []string // the values of a multivalued key
}

// value is one value of a condition key in the type it was given in. Text is
// made of the other types only where a policy compares them as text.
type value struct {
	kind valueKind
	s    string
	i    int64
	t    time.Time
	ip   netip.Addr
}

type valueKind uint8

const (
	stringValue valueKind = iota
	intValue
	timeValue
	addrValue
)

func (v *value) text() string {
	switch v.kind {
	case intValue:
		return strconv.FormatInt(v.i, 10)
	case timeValue:
		return v.t.UTC().Format(time.RFC3339Nano)
	case addrValue:
		return v.ip.String()
	}
	return v.s
}

// Reset removes all keys and keeps the memory.
func (c *Context) Reset() {
	clear(c.entries)
	c.entries = c.entries[:0]
	clear(c.chains[:])
}

// SetString sets a single-valued key of type String, ARN or Binary (the bytes,
// not base64). An empty value is present, but null.
func (c *Context) SetString(key, v string) {
	c.slot(key).value = value{s: v}
}

// SetStrings sets a multivalued key such as aws:TagKeys. A key without values
// is absent. The slice is kept, not copied.
func (c *Context) SetStrings(key string, values []string) {
	e := c.slot(key)
	e.multi, e.set = true, values
}

// SetBool sets a key of type Boolean.
func (c *Context) SetBool(key string, v bool) {
	c.slot(key).value = value{s: strconv.FormatBool(v)}
}

// SetInt sets a key of type Numeric, or of type Date in seconds since 1970.
func (c *Context) SetInt(key string, v int64) {
	c.slot(key).value = value{kind: intValue, i: v}
}

// SetTime sets a key of type Date.
func (c *Context) SetTime(key string, v time.Time) {
	c.slot(key).value = value{kind: timeValue, t: v}
}

// SetIP sets a key of type IP address. An IPv4 address mapped into IPv6 is the
// IPv4 address. An address with a zone matches no policy value.
func (c *Context) SetIP(key string, v netip.Addr) {
	c.slot(key).value = value{kind: addrValue, ip: v.Unmap()}
}

// KeyType is the type of a condition key.
type KeyType uint8

// The types of condition keys.
const (
	StringKey KeyType = iota
	NumericKey
	BooleanKey
	DateKey
	BinaryKey // its values are given in base64
	IPKey
)

// String is the type's name in the policy simulator's ContextKeyType (IAM API Reference,
// ContextEntry).
func (t KeyType) String() string {
	switch t {
	case NumericKey:
		return "numeric"
	case BooleanKey:
		return "boolean"
	case DateKey:
		return "date"
	case BinaryKey:
		return "binary"
	case IPKey:
		return "ip"
	default:
		return "string"
	}
}

// SetTyped sets a single-valued key from text, as the policy simulator is given it.
// ok is false, and nothing is set, where the text is no value of the type.
func (c *Context) SetTyped(key string, t KeyType, text string) (ok bool) {
	v, ok := parseValue(t, text)
	if ok {
		c.slot(key).value = v
	}
	return ok
}

// SetTypedList is SetTyped for a multivalued key.
func (c *Context) SetTypedList(key string, t KeyType, texts []string) (ok bool) {
	values := make([]string, len(texts))
	for i, text := range texts {
		v, ok := parseValue(t, text)
		if !ok {
			return false
		}
		values[i] = v.text()
	}
	c.SetStrings(key, values)
	return true
}

func parseValue(t KeyType, text string) (v value, ok bool) {
	v.s = text
	switch t {
	case NumericKey:
		_, ok = parseDecimal(text)
	case BooleanKey:
		v.s = strings.ToLower(text)
		ok = v.s == "true" || v.s == "false"
	case DateKey:
		v = value{kind: timeValue}
		v.t, ok = parseInstant(text)
	case BinaryKey:
		b, err := base64.StdEncoding.DecodeString(text)
		v.s, ok = string(b), err == nil
	case IPKey:
		v = value{kind: addrValue}
		v.ip, ok = parseAddr(text)
	default:
		ok = true
	}
	return v, ok
}

// Has reports whether a key is present.
func (c *Context) Has(key string) bool { return c.find(key, hashFold(key)) != nil }

// Get returns a key's values as text. ok is false for an absent key.
func (c *Context) Get(key string) (values []string, ok bool) {
	e := c.find(key, hashFold(key))
	if e == nil {
		return nil, false
	}
	return e.texts(), true
}

// All returns the keys with their values as text, in the order they were set.
func (c *Context) All() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		if c == nil {
			return
		}
		for i := range c.entries {
			if e := &c.entries[i]; e.present() && !yield(e.key, e.texts()) {
				return
			}
		}
	}
}

func (e *entry) present() bool { return !e.multi || len(e.set) > 0 }

func (e *entry) texts() []string {
	if e.multi {
		return e.set
	}
	return []string{e.value.text()}
}

// slot returns the entry of key, emptied, making one if need be.
func (c *Context) slot(key string) *entry {
	hash := hashFold(key)
	if e := c.lookup(key, hash); e != nil {
		e.multi, e.set = false, nil
		return e
	}
	chain := &c.chains[hash%uint32(len(c.chains))]
	c.entries = append(c.entries, entry{key: key, hash: hash, next: *chain})
	*chain = uint16(len(c.entries))
	return &c.entries[len(c.entries)-1]
}

func (c *Context) lookup(key string, hash uint32) *entry {
	for i := c.chains[hash%uint32(len(c.chains))]; i != 0; {
		e := &c.entries[i-1]
		if e.hash == hash && equalFold(e.key, key) {
			return e
		}
		i = e.next
	}
	return nil
}

// find returns the entry of a key that is present, or nil.
func (c *Context) find(key string, hash uint32) *entry {
	if c == nil {
		return nil
	}
	e := c.lookup(key, hash)
	if e == nil || !e.present() {
		return nil
	}
	return e
}
