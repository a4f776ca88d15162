package policy

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
)

// SourceType is how a policy bears on a request.
type SourceType uint8

// The types of source.
const (
	SourceUserInline SourceType = iota + 1
	SourceGroupInline
	SourceRoleInline
	SourceAWSManaged
	SourceCustomerManaged
	SourceBoundary
	SourceSession
	SourceResource
	SourceTrust
	SourceSCP
	SourceRCP
)

func (t SourceType) String() string { return name(sourceTypeNames, t) }

// MarshalText writes the type's name.
func (t SourceType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (t *SourceType) UnmarshalText(b []byte) error { return unmarshalName(sourceTypeNames, t, b) }

func sourceTypeNames() []string {
	return []string{
		SourceUserInline: "user inline policy", SourceGroupInline: "group inline policy",
		SourceRoleInline: "role inline policy", SourceAWSManaged: "AWS managed policy",
		SourceCustomerManaged: "customer managed policy", SourceBoundary: "permissions boundary",
		SourceSession: "session policy", SourceResource: "resource-based policy",
		SourceTrust: "role trust policy", SourceSCP: "service control policy",
		SourceRCP: "resource control policy",
	}
}

// Source names where a document came from, for reasons and messages.
type Source struct {
	Type SourceType
	// OwnerType is what kind of thing the policy is attached to, Owner its name.
	OwnerType OwnerType
	// ID is the policy's name.
	ID string
	// ARN is the policy's; empty for policies that are not managed.
	ARN   string
	Owner string
}

// OwnerType is a kind of entity that a policy is attached to.
type OwnerType uint8

// The types of owner. The zero value is none: the policy is not attached.
const (
	OwnerUser OwnerType = iota + 1
	OwnerGroup
	OwnerRole
)

// AttachedTo names the owner, as user/alice or group/devs; "" if there is none.
func (s *Source) AttachedTo() string {
	prefix := [...]string{OwnerUser: "user/", OwnerGroup: "group/", OwnerRole: "role/"}[s.OwnerType]
	return prefix + s.Owner
}

// Attached is a document with where it came from.
type Attached struct {
	Source   Source
	Document *Document
}

// Set is the documents of one layer of policy for one caller or resource,
// merged and indexed. It is immutable and safe for concurrent use. A Set of no
// documents allows nothing.
type Set struct {
	docs []Attached
	// index is nil in small sets, whose statements are looked at one by one.
	index *index
}

// fewPatterns is the number of action patterns up to which trying each is as
// fast as the index, and much smaller.
const fewPatterns = 12

// NewSet merges documents. The order of documents does not change a decision,
// only which of several equal reasons is named: the first.
func NewSet(docs []Attached) *Set {
	s := MakeSet(slices.Clone(docs))
	return &s
}

// MakeSet is NewSet for those who embed a Set. It keeps docs, which must not be
// changed from then on.
func MakeSet(docs []Attached) Set {
	s := Set{docs: docs}
	patterns := 0
	for _, d := range docs {
		for _, s := range d.Document.list() {
			patterns += len(s.actions)
		}
	}
	if patterns > fewPatterns {
		s.index = newIndex(s.docs)
	}
	return s
}

// Documents returns the documents of the set, which must not be changed.
func (s *Set) Documents() []Attached { return s.docs }

// verdict is what the statements of one set say to a request.
type verdict struct {
	// allow and deny are 1 + the ordinal of the first statement that matched
	// with that effect, ordinals counting through all documents; 0 for none.
	allow, deny int32
	// forms are the forms by which allowing statements named the caller.
	forms grantForm
	// more is whether a statement beside that of allow allows it, too, or might: it
	// was not looked at.
	more bool
	// all, if set, collects all statements that allow.
	all *ordinals
}

// judge collects the verdict of all statements. A nil set says nothing.
func (s *Set) judge(q *query) (v verdict) {
	s.judgeInto(q, &v)
	return v
}

func (s *Set) judgeInto(q *query, v *verdict) {
	switch {
	case s == nil:
	case s.index != nil:
		s.index.judge(q, v)
	default:
		ordinal := int32(0)
		for i := range s.docs {
			d := s.docs[i].Document
			if d.code != "" {
				d.judgeCompact(q, v, ordinal)
				ordinal += int32(d.Len())
				continue
			}
			statements := d.statements
			for j := range statements {
				ordinal++
				v.consider(&statements[j], ordinal, unknownPattern, unknownPattern, q)
			}
		}
	}
}

// Which pattern of a statement the index has found to be the candidate.
const (
	unknownPattern = math.MaxUint16     // none: try all
	matchedPattern = math.MaxUint16 - 1 // and it is known to match
)

// consider adds a statement to the verdict if it matches. Of its actions and
// resources only the patterns with the indexes given are tried.
func (v *verdict) consider(s *statement, ordinal int32, action, resource uint16, q *query) {
	// A later statement adds nothing to an earlier one of the same effect, unless
	// it names the caller in another way.
	if s.deny {
		if v.deny != 0 && ordinal >= v.deny {
			return
		}
	} else if v.allow != 0 && ordinal >= v.allow && s.principals == nil && v.all == nil {
		v.more = v.more || ordinal > v.allow
		return
	}
	switch action {
	case matchedPattern:
	case unknownPattern:
		if !s.matchesAction(q) {
			return
		}
	default:
		if !matchAction(s.actions[action], q.action) {
			return
		}
	}
	switch resource {
	case matchedPattern:
	case unknownPattern:
		if !s.matchesResource(q) {
			return
		}
	default:
		if !s.resources[resource].match(q.resource, q.tail, q.context) {
			return
		}
	}
	forms, ok := s.matchesPrincipal(q)
	if !ok || !s.matchesConditions(q) {
		return
	}
	v.add(s.deny, ordinal, forms)
}

// add counts a statement that matches.
func (v *verdict) add(deny bool, ordinal int32, forms grantForm) {
	if deny {
		if v.deny == 0 || ordinal < v.deny {
			v.deny = ordinal
		}
		return
	}
	v.forms |= forms
	v.more = v.more || v.allow != 0 && ordinal != v.allow
	if v.allow == 0 || ordinal < v.allow {
		v.allow = ordinal
	}
	if v.all != nil {
		v.all.add(ordinal)
	}
}

// statement returns the document and the statement of an ordinal.
func (s *Set) statement(ordinal int32) (*Attached, int) {
	i := int(ordinal) - 1
	if s.index != nil {
		d := s.index.documents[i]
		return &s.docs[d.number], i - int(d.first)
	}
	for d := range s.docs {
		n := s.docs[d].Document.Len()
		if i < n {
			return &s.docs[d], i
		}
		i -= n
	}
	return nil, 0
}

// index finds the statements that could match an action and a resource.
//
// Statements stand in buckets by action: one per full name, one per literal
// text before a wildcard ("iam:get" for iam:Get*; "" for * and NotAction).
// In a bucket they stand by the literal text with which the sixth part of their
// resource begins. An action's buckets are its own and those of its prefixes;
// a resource's statements, those of its prefixes.
type index struct {
	statements []*statement // by ordinal - 1
	documents  []documentOf // "
	exact      map[string]*bucket
	prefixes   prefixTable
	wild       []bucket // beside prefixes.keys
}

// documentOf is the document of a statement and the statements before it.
type documentOf struct{ number, first int32 }

// bucket is the candidates for some actions, sorted by resource prefix:
// candidates[from[i]:from[i+1]] are those of resources.keys[i].
type bucket struct {
	resources  prefixTable
	from       []int32
	candidates []candidate
}

// candidate is a statement with the patterns of it that stand to be tried.
type candidate struct {
	ordinal          int32
	action, resource uint16
}

// maxPairs bounds what one statement may put into the index. A statement with
// more pairs of action and resource stands there once per action.
const maxPairs = 512

func newIndex(docs []Attached) *index {
	x := &index{exact: make(map[string]*bucket)}
	type pending = map[string][]candidate // by resource prefix
	exact, wild := map[string]pending{}, map[string]pending{}
	put := func(buckets map[string]pending, action string, resource string, c candidate) {
		b := buckets[action]
		if b == nil {
			b = make(pending)
			buckets[action] = b
		}
		b[resource] = append(b[resource], c)
	}
	for number, d := range docs {
		first := int32(len(x.statements))
		statements := d.Document.list()
		for i := range statements {
			s := &statements[i]
			x.statements = append(x.statements, s)
			x.documents = append(x.documents, documentOf{int32(number), first})
			ordinal := int32(len(x.statements))
			entries := resourceEntries(s)
			if s.notAction {
				for _, r := range entries {
					put(wild, "", r.prefix, candidate{ordinal, unknownPattern, r.pattern})
				}
				continue
			}
			for j, pattern := range s.actions {
				buckets, action, found := wild, strings.ToLower(literalPrefix(pattern)), uint16(j)
				if len(action) == len(pattern) {
					buckets, found = exact, matchedPattern
				} else if pattern[len(action):] == "*" {
					found = matchedPattern
				}
				for _, r := range entries {
					put(buckets, action, r.prefix, candidate{ordinal, found, r.pattern})
				}
			}
		}
	}
	for action, b := range exact {
		x.exact[action] = newBucket(b)
	}
	x.prefixes = newPrefixTable(slices.Collect(maps.Keys(wild)))
	x.wild = make([]bucket, len(x.prefixes.keys))
	for i, action := range x.prefixes.keys {
		x.wild[i] = *newBucket(wild[action])
	}
	return x
}

type resourceEntry struct {
	prefix  string
	pattern uint16
}

// resourceEntries returns under which prefixes a statement is to be found.
func resourceEntries(s *statement) []resourceEntry {
	switch {
	case len(s.resources) == 0:
		return []resourceEntry{{"", matchedPattern}}
	case s.notResource:
		return []resourceEntry{{"", unknownPattern}}
	case len(s.resources)*len(s.actions) > maxPairs || len(s.resources) >= matchedPattern:
		common := s.resources[0].literalTail()
		for i := range s.resources {
			common = commonPrefix(common, s.resources[i].literalTail())
		}
		return []resourceEntry{{common, unknownPattern}}
	}
	entries := make([]resourceEntry, len(s.resources))
	for i := range s.resources {
		entries[i] = resourceEntry{s.resources[i].literalTail(), uint16(i)}
		if s.resources[i].form == anyARN {
			entries[i].pattern = matchedPattern
		}
	}
	return entries
}

func commonPrefix(a, b string) string {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

func newBucket(byResource map[string][]candidate) *bucket {
	b := &bucket{resources: newPrefixTable(slices.Collect(maps.Keys(byResource)))}
	for _, prefix := range b.resources.keys {
		b.from = append(b.from, int32(len(b.candidates)))
		b.candidates = append(b.candidates, byResource[prefix]...)
	}
	b.from = append(b.from, int32(len(b.candidates)))
	return b
}

func (x *index) judge(q *query, v *verdict) {
	if b := x.exact[string(q.action)]; b != nil {
		x.judgeBucket(b, q, v)
	}
	for i := longest(&x.prefixes, q.action); i >= 0; i = x.prefixes.parents[i] {
		x.judgeBucket(&x.wild[i], q, v)
	}
}

func (x *index) judgeBucket(b *bucket, q *query, v *verdict) {
	tail := ""
	if q.tail >= 0 {
		tail = q.resource[q.tail:]
	}
	for i := longest(&b.resources, tail); i >= 0; i = b.resources.parents[i] {
		for _, c := range b.candidates[b.from[i]:b.from[i+1]] {
			v.consider(x.statements[c.ordinal-1], c.ordinal, c.action, c.resource, q)
		}
	}
}

// prefixTable holds sorted strings, each with the place of the longest other
// one that is its prefix, or -1. All keys that are prefixes of a text are then
// the longest such key and its line of parents.
//
// Most steps of the search compare eight bytes at once: heads holds those that
// follow what all keys but the empty one have in common.
type prefixTable struct {
	keys    []string
	parents []int32
	heads   []uint64
	common  string
}

func newPrefixTable(keys []string) prefixTable {
	slices.Sort(keys)
	t := prefixTable{keys: keys, parents: make([]int32, len(keys)), heads: make([]uint64, len(keys))}
	for i := range keys {
		// In sorted order what is a prefix of keys[i] is one of its predecessor,
		// or the predecessor itself.
		p := int32(i) - 1
		for p >= 0 && !strings.HasPrefix(keys[i], keys[p]) {
			p = t.parents[p]
		}
		t.parents[i] = p
	}
	if n := len(keys); n > 0 {
		t.common = commonPrefix(cmp.Or(keys[0], keys[min(1, n-1)]), keys[n-1])
	}
	for i, key := range keys {
		t.heads[i] = head(strings.TrimPrefix(key, t.common))
	}
	return t
}

// head returns the first eight bytes of s as a number that sorts as they do.
func head[T string | []byte](s T) uint64 {
	var h uint64
	for i := range min(8, len(s)) {
		h |= uint64(s[i]) << (56 - 8*i)
	}
	return h
}

// longest returns the place of the longest key that is a prefix of text, or -1.
func longest[T string | []byte](t *prefixTable, text T) int32 {
	if len(text) < len(t.common) || string(text[:len(t.common)]) != t.common {
		if len(t.keys) > 0 && t.keys[0] == "" {
			return 0
		}
		return -1
	}
	h := head(text[len(t.common):])
	low, high := 0, len(t.keys) // keys[:low] <= text < keys[high:]
	for low < high {
		middle := int(uint(low+high) / 2)
		if at := t.heads[middle]; h < at || h == at && string(text) < t.keys[middle] {
			high = middle
		} else {
			low = middle + 1
		}
	}
	i := int32(low) - 1
	for i >= 0 && (len(text) < len(t.keys[i]) || string(text[:len(t.keys[i])]) != t.keys[i]) {
		i = t.parents[i]
	}
	return i
}
