package samlx

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	validator "github.com/mattermost/xml-roundtrip-validator"
)

// Bounds of a document. They are far above what identity providers write, and bound
// what reading costs.
const (
	maxDepth      = 64
	maxElements   = 20_000
	maxAttributes = 128 // of one element
)

const byteOrderMark = "\ufeff"

// element is a node of a document that was read: names are in their namespaces,
// entities are resolved, comments are gone.
type element struct {
	name     xml.Name
	attrs    []xml.Attr
	text     []byte // all the character data directly inside, joined
	children []*element
}

// attr is the value of an attribute without namespace, or "".
func (e *element) attr(name string) string {
	for _, a := range e.attrs {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// all calls fn for each child of that name.
func (e *element) all(space, local string, fn func(*element)) {
	for _, child := range e.children {
		if child.name.Space == space && child.name.Local == local {
			fn(child)
		}
	}
}

// reader builds the tree of a document.
type reader struct {
	decoder *xml.Decoder
	root    *element
	open    []*element
	count   int
	ids     map[string]bool
}

// parse reads a document of at most maxBytes. encoding/xml is lax where SAML must not
// be: it takes document type declarations, second roots, text beside the root, an
// attribute twice, an ID twice. All of these are refused, as are processing
// instructions and encodings other than UTF-8, and every document that would not
// survive being written again as it was read.
func parse(doc string, maxBytes int) (*element, error) {
	if len(doc) > maxBytes {
		return nil, fmt.Errorf("it is longer than %d bytes", maxBytes)
	}
	if !utf8.ValidString(doc) {
		return nil, errors.New("it is not UTF-8")
	}
	text := []byte(strings.TrimPrefix(doc, byteOrderMark)) // some providers begin with one
	r := &reader{decoder: xml.NewDecoder(bytes.NewReader(text)), ids: make(map[string]bool)}
	for {
		at := r.decoder.InputOffset()
		token, err := r.decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, plain(err)
		}
		if err := r.take(token, at); err != nil {
			line, _ := r.decoder.InputPos()
			return nil, fmt.Errorf("%w on line %d", err, line)
		}
	}
	if r.root == nil {
		return nil, errors.New("it has no element")
	}
	if err := validator.Validate(bytes.NewReader(text)); err != nil {
		return nil, errors.New("its namespaces or names are ambiguous")
	}
	return r.root, nil
}

// plain is what the decoder found wrong, without what it found: a document may hold
// anything.
func plain(err error) error {
	if syntax, ok := errors.AsType[*xml.SyntaxError](err); ok {
		return fmt.Errorf("it is not well-formed XML on line %d", syntax.Line)
	}
	return errors.New("it is not XML in UTF-8")
}

func (r *reader) take(token xml.Token, at int64) error {
	switch t := token.(type) {
	case xml.StartElement:
		return r.start(t)
	case xml.EndElement:
		r.open = r.open[:len(r.open)-1] // the decoder sees to it that they match
	case xml.CharData:
		if len(r.open) > 0 {
			e := r.open[len(r.open)-1]
			e.text = append(e.text, t...)
		} else if len(bytes.TrimSpace(t)) > 0 {
			return errors.New("there is text outside the root element")
		}
	case xml.Directive:
		return errors.New("there is a document type declaration")
	case xml.ProcInst:
		if t.Target != "xml" || at != 0 {
			return errors.New("there is a processing instruction")
		}
	}
	return nil
}

func (r *reader) start(t xml.StartElement) error {
	r.count++
	switch {
	case len(r.open) == 0 && r.root != nil:
		return errors.New("there is a second root element")
	case len(r.open) >= maxDepth:
		return fmt.Errorf("elements are nested deeper than %d", maxDepth)
	case r.count > maxElements:
		return fmt.Errorf("there are more than %d elements", maxElements)
	case len(t.Attr) > maxAttributes:
		return fmt.Errorf("an element has more than %d attributes", maxAttributes)
	}
	seen := make(map[xml.Name]bool, len(t.Attr))
	for _, a := range t.Attr {
		if seen[a.Name] {
			return errors.New("an element has an attribute twice")
		}
		seen[a.Name] = true
		if a.Name.Local == "ID" && a.Name.Space == "" {
			if r.ids[a.Value] {
				return errors.New("two elements have the same ID")
			}
			r.ids[a.Value] = true
		}
	}
	e := &element{name: t.Name, attrs: t.Attr}
	if r.root == nil {
		r.root = e
	} else {
		parent := r.open[len(r.open)-1]
		parent.children = append(parent.children, e)
	}
	r.open = append(r.open, e)
	return nil
}
