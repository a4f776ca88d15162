package transfer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
)

// Bounds of what is read. The text of one entity is held in memory, never that of two
// kinds of entity at once; of all others only where in the file they are.
const (
	MaxFile     = 256 << 20
	maxEntity   = 16 << 20
	maxEntities = 100_000
)

// kind is a kind of entity.
type kind uint8

const (
	users kind = iota
	groups
	roles
	policies
	awsPolicies
	kinds
)

func (k kind) String() string {
	return [...]string{"user", "group", "role", "policy", "AWS managed policy"}[k]
}

// lists are the members of the file, and what they hold.
func listOf(member string) (kind, bool) {
	switch member {
	case "UserDetailList":
		return users, true
	case "GroupDetailList":
		return groups, true
	case "RoleDetailList":
		return roles, true
	case "Policies":
		return policies, true
	}
	return 0, false
}

// entity is a user, group, role or managed policy of the file.
type entity struct {
	kind       kind
	name, path string
	arn        arn.ARN
	id         string
	created    time.Time
	updated    time.Time
	inline     []inline
	attached   []string // ARNs
	boundary   string
	tags       []tag
	groups     []string
	trust      string
	profiles   []profile
	// of a managed policy
	description string
	versions    []version // as in the file: newest first
}

type (
	inline  struct{ name, document string }
	tag     struct{ key, value string }
	profile struct{ name, path string }
	version struct {
		id, document string
		inForce      bool
		created      time.Time
	}
)

// place is where an entity is in the file.
type place struct {
	name   string
	arn    string
	id     string
	offset int64
	size   int
	denies bool // a policy in it denies something
}

// File is an account in the form of get-account-authorization-details.
type File struct {
	r         io.ReaderAt
	places    [kinds][]place
	account   arn.AccountID
	partition arn.Partition
}

// Account is the account that the file is of; empty if it has no entity of any.
func (f *File) Account() arn.AccountID { return f.account }

// Open reads a file once from beginning to end and checks its form. The error names the
// entity that is wrong.
func Open(r io.ReaderAt, size int64) (*File, error) {
	if size > MaxFile {
		return nil, fmt.Errorf("the file has %d bytes, at most %d are read", size, int64(MaxFile))
	}
	f := &File{r: r}
	budget := &budget{r: io.NewSectionReader(r, 0, size)}
	d := json.NewDecoder(budget)
	budget.renew()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("not the output of get-account-authorization-details: a JSON object is expected (%v)", cause(err))
	}
	seen := map[string]bool{}
	names := [kinds]map[string]bool{}
	for i := range names {
		names[i] = map[string]bool{}
	}
	lists := 0
	for d.More() {
		budget.renew()
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("at byte %d: %w", d.InputOffset(), cause(err))
		}
		member, _ := t.(string)
		if seen[member] {
			return nil, fmt.Errorf("%.40q is there twice", member)
		}
		seen[member] = true
		k, ok := listOf(member)
		if !ok {
			var v json.RawMessage
			if err := d.Decode(&v); err != nil {
				return nil, fmt.Errorf("%.40q: %w", member, cause(err))
			}
			if err := ignorable(member, string(v)); err != nil {
				return nil, err
			}
			continue
		}
		lists++
		if err := f.index(d, budget, member, k, &names); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, fmt.Errorf("the file is cut off at byte %d: %w", d.InputOffset(), cause(err))
	}
	budget.renew()
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something follows the end at byte %d", d.InputOffset())
	}
	if lists == 0 {
		return nil, errors.New("not the output of get-account-authorization-details: there is no UserDetailList, GroupDetailList, RoleDetailList or Policies")
	}
	return f, nil
}

// ignorable refuses what does not belong into the file, or says that it is but a part.
func ignorable(member, value string) error {
	switch member {
	case "IsTruncated":
		if value == "false" {
			return nil
		}
		return errors.New("the file is one page of several (IsTruncated): print it without --max-items and --no-paginate")
	case "Marker", "NextToken":
		if value == "null" || value == `""` {
			return nil
		}
		return fmt.Errorf("the file is one page of several (%s): print it without --max-items and --no-paginate", member)
	case "ResponseMetadata":
		return nil
	}
	return fmt.Errorf("%.40q is not part of get-account-authorization-details", member)
}

// index passes over one list and notes where its entities are.
func (f *File) index(d *json.Decoder, budget *budget, member string, k kind, names *[kinds]map[string]bool) error {
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return fmt.Errorf("%s is not a list (%v)", member, cause(err))
	}
	for n := 1; d.More(); n++ {
		budget.renew()
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return fmt.Errorf("%s, number %d: %w", member, n, cause(err))
		}
		e, err := parse(k, raw)
		if err != nil {
			return fmt.Errorf("%s, number %d: %w", member, n, err)
		}
		if err := f.sameAccount(e); err != nil {
			return err
		}
		folded := identity.Fold(e.name)
		if e.kind == awsPolicies {
			folded = e.path + e.name
		}
		if names[e.kind][folded] {
			return fmt.Errorf("%s, number %d: %s %s is there twice", member, n, e.kind, e.name)
		}
		names[e.kind][folded] = true
		at := place{name: e.name, arn: e.arn.String(), id: e.id, offset: d.InputOffset() - int64(len(raw)), size: len(raw), denies: e.denies()}
		f.places[e.kind] = append(f.places[e.kind], at)
		if total := len(names[users]) + len(names[groups]) + len(names[roles]) + len(names[policies]) + len(names[awsPolicies]); total > maxEntities {
			return fmt.Errorf("there are more than %d entities", maxEntities)
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("%s: %w", member, cause(err))
	}
	return nil
}

func (f *File) sameAccount(e *entity) error {
	if e.kind == awsPolicies {
		return nil
	}
	account, err := arn.ParseAccountID(e.arn.Account)
	if err != nil {
		return fmt.Errorf("%s %s: %s: %w", e.kind, e.name, e.arn, err)
	}
	if f.account == "" {
		f.account, f.partition = account, e.arn.Partition
	}
	if f.account != account || f.partition != e.arn.Partition {
		return fmt.Errorf("%s %s is of account %s, others are of %s: a file is of one account", e.kind, e.name, account, f.account)
	}
	return nil
}

// read returns an entity of the file.
func (f *File) read(k kind, at place) (*entity, error) {
	raw := make([]byte, at.size)
	if _, err := f.r.ReadAt(raw, at.offset); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s %s: %w", k, at.name, err)
	}
	if k == awsPolicies {
		k = policies
	}
	e, err := parse(k, raw)
	if err == nil && e.name != at.name {
		err = errors.New("the file was changed while it was read")
	}
	return e, err
}

// budget bounds what a decoder reads before it is renewed.
type budget struct {
	r    io.Reader
	left int
}

var errEntityTooLarge = fmt.Errorf("it is longer than %d bytes", maxEntity)

// renew allows one entity more, and what the decoder reads ahead.
func (b *budget) renew() { b.left = maxEntity }

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errEntityTooLarge
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// cause is an error of encoding/json in which the end of the file is not the word EOF.
func cause(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file ends here")
	}
	return err
}

// parse reads one entity. Names of members are compared exactly, and none may be there
// twice; members that are not known are of a later version of the API and ignored.
func parse(k kind, raw []byte) (*entity, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("it is not UTF-8")
	}
	o, err := newObject(raw)
	if err != nil {
		return nil, err
	}
	e := &entity{kind: k}
	nameMember, idMember := "UserName", "UserId"
	switch k {
	case groups:
		nameMember, idMember = "GroupName", "GroupId"
	case roles:
		nameMember, idMember = "RoleName", "RoleId"
	case policies:
		nameMember, idMember = "PolicyName", "PolicyId"
	}
	e.name = o.text(nameMember, true)
	o.what = fmt.Sprintf("%s %.64q: ", k, e.name)
	e.path, e.id = o.text("Path", true), o.text(idMember, false)
	e.created = o.time("CreateDate")
	text := o.text("Arn", true)
	switch k {
	case users:
		e.inline = o.inline("UserPolicyList")
		e.groups = o.texts("GroupList")
	case groups:
		e.inline = o.inline("GroupPolicyList")
	case roles:
		e.inline = o.inline("RolePolicyList")
		e.trust = o.document("AssumeRolePolicyDocument")
		o.each("InstanceProfileList", func(p *object) {
			e.profiles = append(e.profiles, profile{p.text("InstanceProfileName", true), p.text("Path", true)})
		})
	case policies:
		e.description, e.updated = o.text("Description", false), o.time("UpdateDate")
		inForce := o.text("DefaultVersionId", true)
		o.each("PolicyVersionList", func(v *object) {
			id := v.text("VersionId", true)
			e.versions = append(e.versions, version{id: id, document: v.document("Document"), created: v.time("CreateDate"), inForce: id == inForce})
		})
	}
	if k != policies {
		o.each("AttachedManagedPolicies", func(a *object) { e.attached = append(e.attached, a.text("PolicyArn", true)) })
	}
	if k == users || k == roles {
		if b := o.object("PermissionsBoundary"); b != nil {
			e.boundary = b.text("PermissionsBoundaryArn", true)
		}
		o.each("Tags", func(t *object) { e.tags = append(e.tags, tag{t.text("Key", true), t.text("Value", false)}) })
	}
	if *o.err != nil {
		return nil, *o.err
	}
	return e, e.check(text)
}

// check finds contradictions in an entity.
func (e *entity) check(text string) error {
	var err error
	if e.arn, err = arn.Parse(text); err != nil {
		return fmt.Errorf("%s %.64q: %w", e.kind, e.name, err)
	}
	if want := e.kind.String() + e.path + e.name; e.arn.Service != "iam" || e.arn.Region != "" || e.arn.Resource != want || !strings.HasPrefix(e.path, "/") {
		return fmt.Errorf("%s %.64q: the ARN is not that of its path and name: %.200q", e.kind, e.name, text)
	}
	seen := map[string]bool{}
	unique := func(list, name string) {
		if seen[list+"\x00"+name] && err == nil {
			err = fmt.Errorf("%s %.64q: %s: %.64q is there twice", e.kind, e.name, list, name)
		}
		seen[list+"\x00"+name] = true
	}
	for _, p := range e.inline {
		unique("inline policies", p.name)
	}
	for _, name := range e.attached {
		unique("attached policies", name)
	}
	for _, t := range e.tags {
		unique("tags", identity.Fold(t.key))
	}
	for _, name := range e.groups {
		unique("groups", identity.Fold(name))
	}
	for _, p := range e.profiles {
		unique("instance profiles", identity.Fold(p.name))
	}
	for _, v := range e.versions {
		unique("versions", v.id)
	}
	if err != nil || e.kind != policies {
		return err
	}
	inForce := 0
	for _, v := range e.versions {
		if v.inForce {
			inForce++
		}
	}
	if inForce != 1 {
		return fmt.Errorf("policy %.64q: its default version is not among its versions", e.name)
	}
	if e.arn.Account == "aws" {
		e.kind = awsPolicies
	}
	return nil
}

// denies tells whether a document of the entity denies something. A document that
// cannot be read counts: nobody knows what is in it.
func (e *entity) denies() bool {
	for _, p := range e.inline {
		if denies(p.document) {
			return true
		}
	}
	for _, v := range e.versions {
		if v.inForce && denies(v.document) {
			return true
		}
	}
	return false
}

func denies(document string) bool {
	return !json.Valid([]byte(document)) || strings.Contains(document, "Deny") || strings.Contains(document, `\u`)
}

// object is a JSON object with its members, and the first error met in it and in all
// that is inside it.
type object struct {
	what    string
	members map[string]json.RawMessage
	err     *error
}

func newObject(raw []byte) (*object, error) {
	o := &object{members: map[string]json.RawMessage{}, err: new(error)}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is not an object")
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := t.(string)
		if _, twice := o.members[name]; twice {
			return nil, fmt.Errorf("%.40q is there twice", name)
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		o.members[name] = v
	}
	return o, nil
}

func (o *object) fail(format string, args ...any) {
	if *o.err == nil {
		*o.err = fmt.Errorf("%s"+format, append([]any{o.what}, args...)...)
	}
}

// member is a member that is there and not null.
func (o *object) member(name string) (json.RawMessage, bool) {
	v, ok := o.members[name]
	return v, ok && string(v) != "null"
}

func (o *object) text(name string, needed bool) (s string) {
	v, ok := o.member(name)
	if !ok {
		if needed {
			o.fail("%s is missing", name)
		}
		return ""
	}
	if err := json.Unmarshal(v, &s); err != nil {
		o.fail("%s is not a string", name)
	}
	return s
}

func (o *object) time(name string) time.Time {
	s := o.text(name, false)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		o.fail("%s is not a time", name)
	}
	return t.UTC()
}

func (o *object) list(name string) (list []json.RawMessage) {
	if v, ok := o.member(name); ok {
		if err := json.Unmarshal(v, &list); err != nil {
			o.fail("%s is not a list", name)
		}
	}
	return list
}

func (o *object) texts(name string) []string {
	var list []string
	for _, v := range o.list(name) {
		var s string
		if err := json.Unmarshal(v, &s); err != nil || string(v) == "null" {
			o.fail("%s has something that is not a string", name)
		}
		list = append(list, s)
	}
	return list
}

// inside is an object in the object, reporting to it.
func (o *object) inside(name string, raw []byte) *object {
	in, err := newObject(raw)
	if err != nil {
		o.fail("%s: %v", name, err)
		return nil
	}
	in.what, in.err = o.what+name+": ", o.err
	return in
}

func (o *object) object(name string) *object {
	if v, ok := o.member(name); ok {
		return o.inside(name, v)
	}
	return nil
}

func (o *object) each(name string, fn func(*object)) {
	for _, v := range o.list(name) {
		if in := o.inside(name, v); in != nil {
			fn(in)
		}
	}
}

func (o *object) inline(name string) []inline {
	var list []inline
	o.each(name, func(p *object) { list = append(list, inline{p.text("PolicyName", true), p.document("PolicyDocument")}) })
	return list
}

// document is a policy document: an object, as the AWS CLI prints it, or a string,
// percent-encoded as the API has it or not.
func (o *object) document(name string) string {
	v, ok := o.member(name)
	if !ok {
		o.fail("%s is missing", name)
		return ""
	}
	if v[0] == '"' {
		text := o.text(name, true)
		if !strings.HasPrefix(strings.TrimSpace(text), "{") {
			decoded, err := url.PathUnescape(text)
			if err != nil {
				o.fail("%s is neither JSON nor percent-encoded", name)
			}
			text = decoded
		}
		return text
	}
	return compact(string(v))
}

// compact is a document without white space, or as it is if it is no JSON.
func compact(document string) string {
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(document)); err != nil {
		return document
	}
	return b.String()
}
