package policytest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/lanyard-iam/lanyard/authz"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
)

// The bounds of a file of tests: its size, how many tests it may come to, and how large a
// document that it names may be, and all documents together with the empty lines that stand
// for what is above them.
const (
	MaxFile      = 1 << 20
	maxCases     = 10_000
	maxDocument  = 512 << 10
	maxDocuments = 64 << 20
)

// Case is a test of a file: there may be several in one entry, for each of its actions on
// each of its resources.
type Case struct {
	Test
	Line int    // of the entry
	As   string // who asks, as the file calls it
	// Offline are the policies by which it is judged, nil if the principal is one of a
	// server's.
	Offline *authz.Hypothesis
}

// Title is the name of the test, or else the request.
func (c *Case) Title() string { return cmp.Or(c.Name, c.Action+" on "+c.Resource) }

// Fault is a mistake in a file.
type Fault struct {
	Path         string
	Line, Column int // from 1; 0: not known
	Text         string
}

func (f *Fault) Error() string {
	text := f.Path
	for _, n := range []int{f.Line, f.Column} {
		if n > 0 {
			text += fmt.Sprint(":", n)
		}
	}
	return text + ": " + f.Text
}

// Read reads a file of tests, YAML or JSON, whose documents open finds by the paths that
// the file gives. Any mistake is a *Fault.
func Read(path string, text []byte, open func(path string) ([]byte, error), now time.Time) ([]Case, error) {
	r := &reader{path: path, open: open, now: now, docs: map[document]*policy.Document{}, principals: map[string]*authz.Hypothesis{}}
	if len(text) > MaxFile {
		return nil, r.fault(nil, "the file is larger than %d bytes", MaxFile)
	}
	root, err := r.parse(text)
	if err != nil {
		return nil, err
	}
	members, err := r.mapping(root, "principals", "tests")
	if err != nil {
		return nil, err
	}
	if n := members["principals"]; n != nil {
		if n.Kind != yaml.MappingNode {
			return nil, r.fault(n, "principals are names, each with what it has")
		}
		for i := 0; i < len(n.Content); i += 2 {
			if err := r.principal(n.Content[i], n.Content[i+1]); err != nil {
				return nil, err
			}
		}
	}
	n := members["tests"]
	if n == nil || n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		return nil, r.fault(cmp.Or(n, root), "there are no tests: they are a list under the key tests")
	}
	for _, one := range n.Content {
		if err := r.test(one); err != nil {
			return nil, err
		}
	}
	return r.cases, nil
}

type reader struct {
	path       string
	open       func(string) ([]byte, error)
	now        time.Time
	docs       map[document]*policy.Document
	size       int                          // of docs
	principals map[string]*authz.Hypothesis // nil: the server's
	cases      []Case
}

// document is a text that is read as a kind of policy.
type document struct {
	kind policy.Kind
	text string
}

func (r *reader) fault(n *yaml.Node, format string, args ...any) error {
	f := &Fault{Path: r.path, Text: fmt.Sprintf(format, args...)}
	if n != nil {
		f.Line, f.Column = n.Line, n.Column
	}
	return f
}

// parse reads the one document of a file. What YAML can do beyond that (aliases, tags) has
// no use here, and would only make it harder to say what a file means.
func (r *reader) parse(text []byte) (*yaml.Node, error) {
	if t := bytes.TrimSpace(text); len(t) > 0 && t[0] == '{' { // JSON, which may be indented by tabs
		text = escape.ReplaceAllFunc(bytes.ReplaceAll(text, []byte("\t"), []byte(" ")), asInYAML)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, more yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, r.fault(nil, "the file is empty")
	case err != nil:
		return nil, r.fault(nil, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, r.fault(nil, "there is more than one YAML document")
	}
	if len(document.Content) != 1 {
		return nil, r.fault(nil, "the file is empty")
	}
	return document.Content[0], r.plain(document.Content[0], 0)
}

// escape is an escape of a JSON string, those of two halves of a character being one.
var escape = regexp.MustCompile(`\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|.)`)

// asInYAML writes an escape that YAML does not have as what it stands for.
func asInYAML(text []byte) []byte {
	if string(text) == `\/` {
		return text[1:]
	}
	if len(text) == 2 {
		return text
	}
	var char string
	if json.Unmarshal([]byte(`"`+string(text)+`"`), &char) != nil {
		return text
	}
	return []byte(char)
}

func (r *reader) plain(n *yaml.Node, depth int) error {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return r.fault(n, "anchors and aliases are not taken")
	case n.Style&yaml.TaggedStyle != 0:
		return r.fault(n, "tags are not taken")
	case depth > 32:
		return r.fault(n, "it is nested too deeply")
	}
	for i, child := range n.Content {
		if err := r.plain(child, depth+1); err != nil {
			return err
		}
		if n.Kind != yaml.MappingNode || i%2 != 0 {
			continue
		}
		if child.Kind != yaml.ScalarNode {
			return r.fault(child, "a key is a word")
		}
		for j := 0; j < i; j += 2 {
			if i > 2000 {
				return r.fault(n, "there are too many keys")
			}
			if n.Content[j].Value == child.Value {
				return r.fault(child, "the key %q is there twice", child.Value)
			}
		}
	}
	return nil
}

// mapping are the members of n, which may have no others than keys.
func (r *reader) mapping(n *yaml.Node, keys ...string) (map[string]*yaml.Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, r.fault(n, "here are to be %s, each with a value", strings.Join(keys, ", "))
	}
	members := map[string]*yaml.Node{}
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		if !slices.Contains(keys, key.Value) {
			return nil, r.fault(key, "the key %q is not known; known are %s", key.Value, strings.Join(keys, ", "))
		}
		members[key.Value] = n.Content[i+1]
	}
	return members, nil
}

// text is a value that is one word or text, "" if there is none.
func (r *reader) text(n *yaml.Node) (string, error) {
	switch {
	case n == nil:
		return "", nil
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Value == "":
		return "", r.fault(n, "a text is wanted here")
	}
	return n.Value, nil
}

// list is a value that is one text or a list of them.
func (r *reader) list(n *yaml.Node) ([]string, error) {
	var list []string
	for _, item := range items(n) {
		text, err := r.text(item)
		if err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, nil
}

func items(n *yaml.Node) []*yaml.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		return n.Content
	}
	return []*yaml.Node{n}
}

func (r *reader) principal(name, n *yaml.Node) error {
	members, err := r.mapping(n, "arn", "tags", "policies", "boundary", "scps")
	if err != nil {
		return err
	}
	h := &authz.Hypothesis{Now: r.now, Account: "123456789012"}
	text, err := r.text(members["arn"])
	if err != nil {
		return err
	}
	if text != "" {
		if h.Caller, err = Caller(text); err != nil {
			return r.fault(members["arn"], "%v", err)
		}
		h.Account = h.Caller.Account
	}
	if members["policies"] == nil {
		if text == "" || len(members) > 1 {
			return r.fault(n, "%s has no policies. Of a principal of the server, only the arn is given", name.Value)
		}
		h = &authz.Hypothesis{Caller: h.Caller}
	}
	tags, err := r.keys(members["tags"])
	if err != nil {
		return err
	}
	for _, tag := range tags {
		h.Tags = append(h.Tags, identity.Tag{Key: tag.Name, Value: strings.Join(tag.Values, " ")})
	}
	if h.Identity, err = r.documents(members["policies"], policy.InlinePolicy, policy.SourceCustomerManaged); err != nil {
		return err
	}
	boundary, err := r.documents(members["boundary"], policy.ManagedPolicy, policy.SourceBoundary)
	if err != nil {
		return err
	}
	if len(boundary) > 1 {
		return r.fault(members["boundary"], "a principal has one boundary")
	}
	if len(boundary) == 1 {
		h.Boundary = policy.NewSet(boundary)
	}
	scps, err := r.documents(members["scps"], policy.ServiceControlPolicy, policy.SourceSCP)
	if err != nil {
		return err
	}
	if members["scps"] != nil {
		h.SCPs = []*policy.Set{policy.NewSet(scps)}
	}
	r.principals[name.Value] = h
	return nil
}

// keys are names with one value or several, in the order of the file.
func (r *reader) keys(n *yaml.Node) ([]Key, error) {
	if n == nil {
		return nil, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, r.fault(n, "here are to be names, each with a value or a list")
	}
	var list []Key
	for i := 0; i < len(n.Content); i += 2 {
		values, err := r.list(n.Content[i+1])
		if err != nil {
			return nil, err
		}
		list = append(list, Key{n.Content[i].Value, values})
	}
	return list, nil
}

func (r *reader) test(n *yaml.Node) error {
	members, err := r.mapping(n, "name", "principal", "policies", "action", "resource", "context", "resource-policy", "resource-owner", "expect")
	if err != nil {
		return err
	}
	var t Test
	var who, expect string
	for key, to := range map[string]*string{"name": &t.Name, "principal": &who, "expect": &expect, "resource-owner": &t.ResourceOwner} {
		if *to, err = r.text(members[key]); err != nil {
			return err
		}
	}
	for _, key := range []string{"action", "expect"} {
		if members[key] == nil {
			return r.fault(n, "the test has no %s", key)
		}
	}
	t.Expect = Expect(expect)
	if t.Context, err = r.keys(members["context"]); err != nil {
		return err
	}
	if given := members["resource-policy"]; given != nil {
		var path string
		if t.ResourcePolicy, path, err = r.document(given); err != nil {
			return err
		}
		if _, _, err := resourceSide(t.ResourcePolicy); err != nil {
			return inDocument(path, err)
		}
	}
	actions, err := r.list(members["action"])
	if err != nil {
		return err
	}
	resources, err := r.list(members["resource"])
	if err != nil {
		return err
	}
	if members["resource"] == nil {
		resources = []string{"*"}
	}
	if len(actions)*len(resources) == 0 {
		return r.fault(n, "the test has no action, or no resource")
	}
	var offline *authz.Hypothesis
	switch known, ok := r.principals[who]; {
	case (who == "") == (members["policies"] == nil):
		return r.fault(n, "a test has either a principal or policies")
	case who == "":
		offline = &authz.Hypothesis{Now: r.now, Account: "123456789012"}
		if offline.Identity, err = r.documents(members["policies"], policy.InlinePolicy, policy.SourceCustomerManaged); err != nil {
			return err
		}
	case ok:
		if known.Caller != nil {
			t.Principal = known.Caller.PrincipalARN
		}
		if known.Account != "" {
			offline = known
		}
	default:
		if _, err := Caller(who); err != nil {
			return r.fault(members["principal"], "%q is neither a principal of this file nor an ARN of a user or a role", who)
		}
		t.Principal = who
	}
	if len(r.cases)+len(actions)*len(resources) > maxCases {
		return r.fault(n, "the file comes to more than %d tests", maxCases)
	}
	name := t.Name
	for _, t.Action = range actions {
		for _, t.Resource = range resources {
			if t.Name = name; name != "" && len(actions) > 1 {
				t.Name += ", " + t.Action
			}
			if name != "" && len(resources) > 1 {
				t.Name += ", " + t.Resource
			}
			if err := t.Check(); err != nil {
				return r.fault(n, "%v", err)
			}
			r.cases = append(r.cases, Case{Test: t, Line: n.Line, As: who, Offline: offline})
		}
	}
	return nil
}

func (r *reader) documents(n *yaml.Node, kind policy.Kind, source policy.SourceType) ([]policy.Attached, error) {
	var list []policy.Attached
	for _, item := range items(n) {
		text, path, err := r.document(item)
		if err != nil {
			return nil, err
		}
		key := document{kind, text}
		doc := r.docs[key]
		if doc == nil {
			if r.size += len(text); r.size > maxDocuments {
				return nil, r.fault(item, "the policies are larger than %d bytes together", maxDocuments)
			}
			if doc, err = policy.Parse(text, kind); err != nil {
				return nil, inDocument(path, err)
			}
			r.docs[key] = doc
		}
		list = append(list, policy.Attached{Source: policy.Source{Type: source, ID: path}, Document: doc})
	}
	return list, nil
}

// inDocument is the fault that a document has.
func inDocument(path string, err error) error {
	fault := &Fault{Path: path, Text: err.Error()}
	if syntax, ok := errors.AsType[*policy.SyntaxError](err); ok {
		fault.Line, fault.Column = syntax.Line, syntax.Column
		if syntax.Detail != "" {
			fault.Text += " " + syntax.Detail
		}
	}
	return fault
}

// document finds a document: a path, JSON as text, or the document itself. Its lines are
// those of the file in which it stands.
func (r *reader) document(n *yaml.Node) (text, path string, err error) {
	if n.Kind == yaml.MappingNode {
		w := written{line: 1}
		w.value(n)
		return w.String(), r.path, nil
	}
	if text, err = r.text(n); err != nil {
		return "", "", err
	}
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		lines := n.Line
		if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
			lines--
		}
		return strings.Repeat("\n", lines) + text, r.path, nil
	}
	b, err := r.open(text)
	if err != nil {
		return "", "", r.fault(n, "%v", err)
	}
	if len(b) > maxDocument {
		return "", "", r.fault(n, "%s is larger than %d bytes", text, maxDocument)
	}
	return string(b), text, nil
}

// written writes a document of YAML as JSON, every value on the line on which it stands, so
// that what is said of the document points into the file. The numbers and truth values of
// conditions may be text.
type written struct {
	strings.Builder
	line int
}

func (w *written) value(n *yaml.Node) {
	for ; w.line < n.Line; w.line++ {
		w.WriteByte('\n')
	}
	open, shut := "[", "]"
	switch n.Kind {
	case yaml.MappingNode:
		open, shut = "{", "}"
	case yaml.SequenceNode:
	default:
		quoted, _ := json.Marshal(n.Value) // of a string: cannot fail
		w.Write(quoted)
		return
	}
	w.WriteString(open)
	for i, child := range n.Content {
		switch {
		case i == 0:
		case n.Kind == yaml.MappingNode && i%2 == 1:
			w.WriteByte(':')
		default:
			w.WriteByte(',')
		}
		w.value(child)
	}
	w.WriteString(shut)
}
