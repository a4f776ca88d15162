// Package awsmanaged owns the policies that AWS manages and every account can
// attach: arn:aws:iam::aws:policy/ReadOnlyAccess and its kin; and which services have
// a service-linked role, with which name and policy. They are data in the program,
// the same for all accounts; nobody can change them, and they need no store.
//
// Each is a file below data, at the path and under the name of its ARN:
// data/job-function/Billing.json is arn:aws:iam::aws:policy/job-function/Billing.
// To add a policy, add a file; gen brings all of them up to date. Documents are AWS's own, as of the "updated" of each,
// except where the file says "approximation": then ours is the least that the name
// promises. There are some 1,500 and a request names one or two, so a policy is read
// when it is first asked for, with the few that are packed beside it.
//
// Who has a policy attached is kept by package identity, what a document means
// is package policy's business.
package awsmanaged

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lanyard-iam/lanyard/arn"
)

// archive is the folder data, packed: a twelfth of its size in every binary. Its file
// "places" has the path and name of each policy, in order, a line each, and an empty line
// after each group; the file "0" is the JSON array of the policies of the first group, and
// so on. Policies that are compressed together take half of what they would take alone.
// `make data` writes it; a test holds it and the folder together.
//
//go:embed data.zip
var archive string

// owner stands in place of the account in the ARN of an AWS managed policy.
const owner = "aws"

// Policy is one AWS managed policy. It is shared: read only.
type Policy struct {
	Name string // "Billing"
	Path string // "/job-function/"

	place   string // both, joined: the order of the catalogue
	content func() *Content
}

// Content is what the file of a policy says.
type Content struct {
	ID          string // ANPA…: AWS's own id where it is known, else derived from the ARN
	Description string // empty where it is not known
	Created     time.Time
	Updated     time.Time
	// Approximation is true when the document is not AWS's own but a shorter one
	// that grants a part of it.
	Approximation bool
	// InForce is the id of the default version; empty means the last.
	InForce string
	// Versions are in order. AWS keeps older ones too,
	// which nothing can refer to but GetPolicyVersion.
	Versions []Version
}

// Version is one version of a policy.
type Version struct {
	ID       string // "v5"
	Created  time.Time
	Document string // as it is shown
}

// New makes a policy that is not in the catalogue. place is its path and name, joined;
// content is asked for when it is needed, more than once.
func New(place string, content func() *Content) *Policy {
	slash := strings.LastIndexByte(place, '/')
	return &Policy{Name: place[slash+1:], Path: place[:slash+1], place: place, content: content}
}

// Place is path and name, joined: the order of the catalogue.
func (p *Policy) Place() string { return p.place }

// Place takes path and name, joined, out of an ARN of an AWS managed policy, of any
// partition.
func Place(name string) (string, bool) {
	a, err := arn.Parse(name)
	if err != nil || a.Service != "iam" || a.Region != "" || a.Account != owner {
		return "", false
	}
	rest, ok := strings.CutPrefix(a.Resource, "policy/")
	return "/" + rest, ok && rest != ""
}

// ARN is the policy's ARN in a partition.
func (p *Policy) ARN(partition arn.Partition) string {
	return "arn:" + string(partition) + ":iam::" + owner + ":policy" + p.Path + p.Name
}

// Content reads the policy's file, once. The files are part of the program and a
// test reads them all, so one that is wrong cannot be met: it panics.
func (p *Policy) Content() *Content { return p.content() }

// DefaultDocument is the document in force, to be judged by: without the white space
// that makes it readable, with which ReadOnlyAccess would be longer than any policy
// may be.
func (p *Policy) DefaultDocument() string {
	var compact bytes.Buffer
	_ = json.Compact(&compact, []byte(p.Content().Default().Document)) // it is JSON: it was indented
	return compact.String()
}

// Default is the version in force.
func (c *Content) Default() *Version {
	if v, ok := c.Version(c.InForce); ok {
		return v
	}
	return &c.Versions[len(c.Versions)-1]
}

// Version finds a version by its id.
func (c *Content) Version(id string) (*Version, bool) {
	i := slices.IndexFunc(c.Versions, func(v Version) bool { return v.ID == id })
	if i < 0 {
		return nil, false
	}
	return &c.Versions[i], true
}

// Attachable tells whether customers may attach the policy. Policies of
// service-linked roles are not (AWS answers PolicyNotAttachable).
func (p *Policy) Attachable() bool { return !strings.HasPrefix(p.Path, arn.ServiceLinkedPath) }

// Catalogue is the set of AWS managed policies. It never changes and is safe for
// concurrent use.
type Catalogue struct {
	byPlace map[string]*Policy // "/job-function/Billing"
	sorted  []*Policy          // by place
	linked  map[string]*ServiceLinkedRole
}

// Find finds a policy by its ARN, of any partition.
func (c *Catalogue) Find(name string) (*Policy, bool) {
	place, ok := Place(name)
	if !ok {
		return nil, false
	}
	p, ok := c.byPlace[place]
	return p, ok
}

// All yields the policies sorted by path and name.
func (c *Catalogue) All() iter.Seq[*Policy] { return slices.Values(c.sorted) }

// After yields the policies that follow a path and name joined, in the order of
// All. There need not be such a policy.
func (c *Catalogue) After(pathName string) iter.Seq[*Policy] {
	i, found := slices.BinarySearchFunc(c.sorted, pathName, func(p *Policy, key string) int {
		return strings.Compare(p.place, key)
	})
	if found {
		i++
	}
	return slices.Values(c.sorted[i:])
}

// Len is the number of policies.
func (c *Catalogue) Len() int { return len(c.sorted) }

// Load lists the catalogue that is built into the program.
func Load() (*Catalogue, error) {
	files, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, fmt.Errorf("open the AWS managed policies: %w", err)
	}
	c, err := load(files)
	if err != nil {
		return nil, err
	}
	return c, c.readServiceLinked(serviceLinked)
}

func load(files fs.FS) (*Catalogue, error) {
	places, err := fs.ReadFile(files, "places")
	if err != nil {
		return nil, fmt.Errorf("load AWS managed policies: %w", err)
	}
	c := &Catalogue{byPlace: make(map[string]*Policy)}
	for n, group := range strings.Split(strings.TrimSpace(string(places)), "\n\n") {
		group := strings.Split(group, "\n")
		contents := sync.OnceValue(func() []*Content {
			contents, err := read(files, strconv.Itoa(n), group)
			if err != nil {
				panic(fmt.Sprintf("AWS managed policies: %v", err))
			}
			return contents
		})
		for i, place := range group {
			p := New(place, func() *Content { return contents()[i] })
			c.byPlace[place] = p
			c.sorted = append(c.sorted, p)
		}
	}
	slices.SortFunc(c.sorted, func(a, b *Policy) int { return strings.Compare(a.place, b.place) })
	return c, nil
}

// read reads one file of the archive, which has the policies of these places.
func read(files fs.FS, name string, places []string) ([]*Content, error) {
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	var group []json.RawMessage
	if err := json.Unmarshal(text, &group); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(group) != len(places) {
		return nil, fmt.Errorf("%s has %d policies and not %d", name, len(group), len(places))
	}
	contents := make([]*Content, len(group))
	for i, place := range places {
		if contents[i], err = parse(place, group[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", place, err)
		}
	}
	return contents, nil
}

// parse reads what the file of one policy says.
func parse(place string, text []byte) (*Content, error) {
	var in struct {
		ID            string    `json:"id"`
		Description   string    `json:"description"`
		Approximation bool      `json:"approximation"`
		Created       time.Time `json:"created"`
		Updated       time.Time `json:"updated"`
		Versions      []struct {
			ID       string          `json:"id"`
			Created  time.Time       `json:"created"`
			Document json.RawMessage `json:"document"`
		} `json:"versions"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return nil, err
	}
	if in.Created.IsZero() || in.Updated.IsZero() || len(in.Versions) == 0 {
		return nil, errors.New("created, updated and versions are needed")
	}
	if in.ID == "" {
		in.ID = DerivedID(place)
	}
	c := &Content{
		ID: in.ID, Description: in.Description, Approximation: in.Approximation,
		Created: in.Created, Updated: in.Updated,
	}
	for _, v := range in.Versions {
		if v.ID == "" || v.Created.IsZero() || len(v.Document) == 0 {
			return nil, errors.New("a version needs id, created and document")
		}
		// AWS shows its documents indented by four spaces.
		var document bytes.Buffer
		if err := json.Indent(&document, v.Document, "", "    "); err != nil {
			return nil, err
		}
		c.Versions = append(c.Versions, Version{ID: v.ID, Created: v.Created, Document: document.String()})
	}
	return c, nil
}

// DerivedID is a unique id for a policy whose own is not known, the same in every
// installation and release. place is its path and name, joined.
func DerivedID(place string) string {
	sum := sha256.Sum256([]byte("data" + place + ".json"))
	return arn.PrefixPolicy + base32.StdEncoding.EncodeToString(sum[:])[:idLength-len(arn.PrefixPolicy)]
}

// idLength is the length of AWS's unique ids of policies.
const idLength = 21
