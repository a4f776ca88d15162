package advisor

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lanyard-iam/lanyard/policy"
)

// judge asks the policy engine about the account.
type judge struct {
	*Facts
	groups    map[string]*Group // by name
	documents map[written]*legible
	unread    map[string]bool     // what holds a document that cannot be read
	admins    map[string]bool     // by user ARN
	anything  *policy.Set         // allows everything
	managed   map[string]*legible // by ARN
	summaries map[string]summary  // of documents, by text
	free      map[*policy.Document]bool
	answers   map[string]answers          // by what policies somebody has
	wide      map[string][]string         // see wholeServices, by text
	parsed    map[string][]map[string]any // statements, by text; read only
}

// written is a document as it is written.
type written struct {
	kind policy.Kind
	text string
}

// legible is a document, each text once.
type legible struct {
	*policy.Document // nil: it cannot be read
	number           int
	// plain tells that what it allows is the same for everybody who has it, whenever and
	// from wherever they ask: it has no condition and no variable.
	plain bool
}

// answers are what was asked about all who have the same plain policies.
type answers struct {
	level Level // empty: not asked yet
	// everything is by how one is signed in; nil: not asked yet.
	everything [withMFA + 1]*bool
}

func newJudge(f *Facts) *judge {
	j := &judge{Facts: f, groups: map[string]*Group{}, documents: map[written]*legible{}, unread: map[string]bool{}, admins: map[string]bool{},
		managed: map[string]*legible{}, summaries: map[string]summary{}, free: map[*policy.Document]bool{}, answers: map[string]answers{},
		wide: map[string][]string{}, parsed: map[string][]map[string]any{}}
	for i := range f.Groups {
		j.groups[f.Groups[i].Name] = &f.Groups[i]
	}
	everything := j.parse(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, policy.ManagedPolicy, "")
	j.anything = policy.NewSet([]policy.Attached{{Document: everything}})
	return j
}

// notes say what could not be judged.
func (j *judge) notes() []string {
	var notes []string
	for _, what := range slices.Sorted(maps.Keys(j.unread)) {
		notes = append(notes, "not judged, since it cannot be read: a policy of "+what)
	}
	return notes
}

// parse compiles a document, each text once. What cannot be read allows nothing here,
// and is noted.
func (j *judge) parse(text string, kind policy.Kind, holder string) *policy.Document {
	return j.read(text, kind, holder).Document
}

func (j *judge) read(text string, kind policy.Kind, holder string) *legible {
	doc, ok := j.documents[written{kind, text}]
	if !ok {
		// AWS shows its own policies with the white space that their authors put there:
		// with it, ReadOnlyAccess is longer than any policy may be.
		short := text
		if len(text) > policy.MaxDocumentChars {
			var tight bytes.Buffer
			if json.Compact(&tight, []byte(text)) == nil {
				short = tight.String()
			}
		}
		doc = &legible{number: len(j.documents), plain: plainDocument(text)}
		doc.Document, _ = policy.Parse(short, kind)
		j.documents[written{kind, text}] = doc
	}
	if doc.Document == nil {
		j.unread[holder] = true
	}
	return doc
}

// plainDocument tells whether a document has neither conditions nor variables. In doubt it
// has: what is escaped may be anything.
func plainDocument(text string) bool {
	return !strings.ContainsAny(text, "\\$") && !strings.Contains(strings.ToLower(text), "condition")
}

// ofARN is the managed policy with an ARN.
func (j *judge) ofARN(arn, holder string) *legible {
	doc, ok := j.managed[arn]
	if !ok {
		doc = j.read(j.Policies[arn].Document, policy.ManagedPolicy, holder)
		j.managed[arn] = doc
	}
	if doc.Document == nil {
		j.unread[holder] = true
	}
	return doc
}

// statements are those of a document, which are not to be changed.
func (j *judge) statements(text string) []map[string]any {
	list, known := j.parsed[text]
	if !known {
		_, list = statementsOf(text)
		j.parsed[text] = list
	}
	return list
}

// held are the documents of an entity. Which of them somebody has is in the profile.
func (j *judge) held(p *Permissions, holder string, who *profile) {
	owner, of := holderOf(holder)
	for _, arn := range p.Attached {
		if doc := j.ofARN(arn, holder); doc.Document != nil {
			who.docs = append(who.docs, policy.Attached{Source: policy.Source{Type: policy.SourceCustomerManaged, OwnerType: of, Owner: owner, ID: j.Policies[arn].Name, ARN: arn}, Document: doc.Document})
			who.has(doc)
		}
	}
	for _, in := range p.Inline {
		if doc := j.read(in.Document, policy.InlinePolicy, holder); doc.Document != nil {
			who.docs = append(who.docs, policy.Attached{Source: policy.Source{Type: policy.SourceUserInline, OwnerType: of, Owner: owner, ID: in.Name}, Document: doc.Document})
			who.has(doc)
		}
	}
}

// holderOf is whose policies those of an entity are, by its ARN.
func holderOf(holder string) (name string, of policy.OwnerType) {
	resource := holder[strings.LastIndexByte(holder, ':')+1:]
	switch kind, _, _ := strings.Cut(resource, "/"); kind {
	case "user":
		of = policy.OwnerUser
	case "group":
		of = policy.OwnerGroup
	case "role":
		of = policy.OwnerRole
	}
	return resource[strings.LastIndexByte(resource, '/')+1:], of
}

// profile is which policies somebody has.
type profile struct {
	docs, limits []policy.Attached
	key          []byte
	special      bool // one of them is not plain
}

func (p *profile) has(doc *legible) {
	p.key = binary.AppendUvarint(p.key, uint64(doc.number))
	p.special = p.special || !doc.plain
}

// principal is a user with all that bears on what they may do.
type principal struct {
	caller policy.Caller
	name   string
	tags   map[string]string
	// docs are the policies. limits is the boundary: nil if nothing limits.
	docs, limits []policy.Attached
	compiled     policy.Inputs // see inputs
	// profile is the same of all whose policies are the same and mean the same for
	// everybody; empty where they do not.
	profile string
}

func (j *judge) user(u *User) *principal {
	var who profile
	j.held(&u.Permissions, u.ARN, &who)
	for _, name := range u.Groups {
		if g := j.groups[name]; g != nil {
			j.held(&g.Permissions, g.ARN, &who)
		}
	}
	p := &principal{
		caller: policy.Caller{Type: policy.User, Account: j.Account, ARN: u.ARN, PrincipalARN: u.ARN, ID: u.ID},
		name:   u.Name, tags: u.Tags,
	}
	j.hold(p, &who, &u.Permissions, u.ARN)
	return p
}

// session is somebody who assumed a role.
func (j *judge) session(r *Role) *principal {
	p := &principal{
		caller: policy.Caller{
			Type: policy.AssumedRole, Account: j.Account, ARN: "arn:" + j.Partition + ":sts::" + j.Account + ":assumed-role/" + r.Name + "/somebody",
			PrincipalARN: r.ARN, ID: r.ID,
		},
		tags: r.Tags,
	}
	var who profile
	j.held(&r.Permissions, r.ARN, &who)
	j.hold(p, &who, &r.Permissions, r.ARN)
	return p
}

// hold gives a principal their policies, and the boundary if there is one. One that cannot
// be read allows nothing.
func (j *judge) hold(p *principal, who *profile, limited *Permissions, holder string) {
	if limited.Boundary != "" {
		who.key = append(who.key, '|') // behind as many numbers as there are documents
		who.limits = []policy.Attached{}
		if doc := j.ofARN(limited.Boundary, holder); doc.Document != nil {
			who.limits = append(who.limits, policy.Attached{Source: policy.Source{Type: policy.SourceBoundary, ARN: limited.Boundary}, Document: doc.Document})
			who.has(doc)
		}
	}
	p.docs, p.limits = who.docs, who.limits
	if !who.special {
		p.profile = fmt.Sprintf("%d/%d/%s", p.caller.Type, len(who.docs), who.key)
	}
}

// inputs are the policies as the engine takes them.
func (p *principal) inputs() *policy.Inputs {
	if p.compiled.Identity == nil {
		p.compiled.Identity = policy.NewSet(p.docs)
		if p.limits != nil {
			p.compiled.Boundary = policy.NewSet(p.limits)
		}
	}
	return &p.compiled
}

// signedIn is how MFA stands in a request: the key is absent when it is signed with a
// long-term access key.
type signedIn uint8

const (
	withKey signedIn = iota
	withoutMFA
	withMFA
)

// context has the keys of a request that are known in advance. The address is not:
// what is allowed from some places only is not allowed here.
func (j *judge) context(p *principal, how signedIn) *policy.Context {
	c := new(policy.Context)
	switch how {
	case withMFA:
		c.SetBool("aws:MultiFactorAuthPresent", true)
		c.SetInt("aws:MultiFactorAuthAge", 60)
	case withoutMFA:
		c.SetBool("aws:MultiFactorAuthPresent", false)
	}
	c.SetTime("aws:CurrentTime", j.Now)
	c.SetInt("aws:EpochTime", j.Now.Unix())
	c.SetBool("aws:SecureTransport", true)
	c.SetBool("aws:ViaAWSService", false)
	c.SetBool("aws:PrincipalIsAWSService", p.caller.Type == policy.Service)
	c.SetString("aws:ResourceAccount", j.Account)
	if p.caller.PrincipalARN == "" { // a service, or whoever has a token
		return c
	}
	c.SetString("aws:PrincipalArn", p.caller.PrincipalARN)
	c.SetString("aws:PrincipalAccount", p.caller.Account)
	c.SetString("aws:PrincipalType", p.caller.Type.String())
	id := p.caller.ID
	if p.caller.Type == policy.AssumedRole {
		id += ":somebody"
	}
	c.SetString("aws:userid", id)
	if p.name != "" {
		c.SetString("aws:username", p.name)
	}
	for k, v := range p.tags {
		c.SetString("aws:PrincipalTag/"+k, v)
	}
	return c
}

// everything tells whether a principal may do what makes anybody an administrator:
// whoever may do these to any user, role and policy can give themselves the rest.
func (j *judge) everything(p *principal, how signedIn) bool {
	if p.profile == "" {
		return j.asksEverything(p, how)
	}
	known := j.answers[p.profile]
	if known.everything[how] == nil {
		known.everything[how] = new(bool)
		*known.everything[how] = j.asksEverything(p, how)
		j.answers[p.profile] = known
	}
	return *known.everything[how]
}

func (j *judge) asksEverything(p *principal, how signedIn) bool {
	c := j.context(p, how)
	c.SetString("iam:PolicyARN", "arn:"+j.Partition+":iam::aws:policy/AdministratorAccess")
	for _, ask := range [...]struct{ action, resource string }{
		{"iam:CreateUser", "user"}, {"iam:CreateAccessKey", "user"}, {"iam:AttachUserPolicy", "user"}, {"iam:PutUserPolicy", "user"},
		{"iam:AttachRolePolicy", "role"}, {"iam:PutRolePolicy", "role"}, {"iam:UpdateAssumeRolePolicy", "role"}, {"iam:CreatePolicyVersion", "policy"},
	} {
		resource := fmt.Sprintf("arn:%s:iam::%s:%s/any/where/anybody", j.Partition, j.Account, ask.resource)
		if !policy.Evaluate(&policy.Request{Caller: &p.caller, Action: ask.action, Resource: resource, Context: c}, p.inputs(), nil).Allowed {
			return false
		}
	}
	return true
}

// administrator tells whether a user can do everything by the credentials at hand: with
// an active key, or after signing in with a password and no MFA.
func (j *judge) administrator(u *User) bool {
	is, known := j.admins[u.ARN]
	if !known {
		p := j.user(u)
		is = u.activeKeys() > 0 && j.everything(p, withKey) || u.Password != nil && j.everything(p, withoutMFA)
		j.admins[u.ARN] = is
	}
	return is
}

// unlimited tells whether a document alone allows all actions on all resources, at
// least with MFA.
func (j *judge) unlimited(doc *policy.Document) bool {
	is, known := j.free[doc]
	if !known {
		is = j.asksUnlimited(doc)
		j.free[doc] = is
	}
	return is
}

func (j *judge) asksUnlimited(doc *policy.Document) bool {
	p := &principal{caller: policy.Caller{Type: policy.User, Account: j.Account, ARN: "arn:" + j.Partition + ":iam::" + j.Account + ":user/anybody", ID: "AIDAANYBODYANYBODY234"}, name: "anybody"}
	p.caller.PrincipalARN = p.caller.ARN
	p.docs = []policy.Attached{{Document: doc}}
	c := j.context(p, withMFA)
	for _, ask := range [...]struct{ action, resource string }{
		{"anything:AtAll", "arn:" + j.Partition + ":anything:any-where-1:" + j.Account + ":any/thing"},
		{"iam:CreateUser", "arn:" + j.Partition + ":iam::" + j.Account + ":user/any/where/anybody"},
		{"sts:AssumeRole", "arn:" + j.Partition + ":iam::" + j.Account + ":role/any/where/anybody"},
		{"s3:DeleteBucket", "arn:" + j.Partition + ":s3:::anybody-any-where"},
	} {
		if !policy.Evaluate(&policy.Request{Caller: &p.caller, Action: ask.action, Resource: ask.resource, Context: c}, p.inputs(), nil).Allowed {
			return false
		}
	}
	return true
}

// trustOf is a role's trust policy, nil if it cannot be read.
func (j *judge) trustOf(r *Role) (*policy.Document, *policy.Set) {
	doc := j.parse(r.Trust, policy.TrustPolicy, r.ARN)
	if doc == nil {
		return nil, nil
	}
	return doc, policy.NewSet([]policy.Attached{{Source: policy.Source{Type: policy.SourceTrust}, Document: doc}})
}

// stranger is somebody of another account who may do everything there.
func (j *judge) stranger(account string) *principal {
	arn := "arn:" + j.Partition + ":iam::" + account + ":user/any/where/anybody"
	return &principal{
		caller:   policy.Caller{Type: policy.User, Account: account, ARN: arn, PrincipalARN: arn, ID: "AIDAANYBODYANYBODY234"},
		compiled: policy.Inputs{Identity: j.anything}, name: "anybody",
	}
}

// unnamed is an account that a text does not name.
func unnamed(text string) string {
	for n := 0; ; n++ {
		if account := fmt.Sprintf("%012d", 987_654_321_000-n); !strings.Contains(text, account) {
			return account
		}
	}
}
