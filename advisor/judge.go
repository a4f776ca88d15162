package advisor

import (
	"bytes"
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
	groups    map[string]*Group           // by name
	documents map[string]*policy.Document // by text; nil: not to be read
	unread    map[string]bool             // what holds a document that cannot be read
	admins    map[string]bool             // by user ARN
	anything  *policy.Set                 // allows everything
}

func newJudge(f *Facts) *judge {
	j := &judge{Facts: f, groups: map[string]*Group{}, documents: map[string]*policy.Document{}, unread: map[string]bool{}, admins: map[string]bool{}}
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
	cached := fmt.Sprint(kind, " ", text)
	doc, ok := j.documents[cached]
	if !ok {
		// AWS shows its own policies with the white space that their authors put there:
		// with it, ReadOnlyAccess is longer than any policy may be.
		if len(text) > policy.MaxDocumentChars {
			var tight bytes.Buffer
			if json.Compact(&tight, []byte(text)) == nil {
				text = tight.String()
			}
		}
		doc, _ = policy.Parse(text, kind)
		j.documents[cached] = doc
	}
	if doc == nil {
		j.unread[holder] = true
	}
	return doc
}

// attached are the documents of an entity.
func (j *judge) attached(p *Permissions, holder string) []policy.Attached {
	var docs []policy.Attached
	for _, arn := range p.Attached {
		if doc := j.parse(j.Policies[arn].Document, policy.ManagedPolicy, holder); doc != nil {
			docs = append(docs, policy.Attached{Source: policy.Source{Type: policy.SourceCustomerManaged, ID: j.Policies[arn].Name, ARN: arn}, Document: doc})
		}
	}
	for _, in := range p.Inline {
		if doc := j.parse(in.Document, policy.InlinePolicy, holder); doc != nil {
			docs = append(docs, policy.Attached{Source: policy.Source{Type: policy.SourceUserInline, ID: in.Name}, Document: doc})
		}
	}
	return docs
}

// principal is a user with all that bears on what they may do.
type principal struct {
	caller policy.Caller
	inputs policy.Inputs
	name   string
	tags   map[string]string
	// documents and limits are the texts of the policies and of the boundary.
	documents, limits []string
}

func (j *judge) user(u *User) *principal {
	docs := j.attached(&u.Permissions, u.ARN)
	for _, name := range u.Groups {
		if g := j.groups[name]; g != nil {
			docs = append(docs, j.attached(&g.Permissions, g.ARN)...)
		}
	}
	p := &principal{
		caller: policy.Caller{Type: policy.User, Account: j.Account, ARN: u.ARN, PrincipalARN: u.ARN, ID: u.ID},
		name:   u.Name, tags: u.Tags,
	}
	p.hold(docs, j.boundary(&u.Permissions, u.ARN))
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
	p.hold(j.attached(&r.Permissions, r.ARN), j.boundary(&r.Permissions, r.ARN))
	return p
}

// hold gives a principal their policies and a boundary, nil if there is none.
func (p *principal) hold(docs, limits []policy.Attached) {
	p.inputs.Identity = policy.NewSet(docs)
	for _, d := range docs {
		p.documents = append(p.documents, d.Document.Text())
	}
	if limits == nil {
		return
	}
	p.inputs.Boundary = policy.NewSet(limits)
	for _, d := range limits {
		p.limits = append(p.limits, d.Document.Text())
	}
}

// boundary is the document that limits an entity; nil if nothing does, and empty if it
// cannot be read, which allows nothing.
func (j *judge) boundary(p *Permissions, holder string) []policy.Attached {
	if p.Boundary == "" {
		return nil
	}
	docs := []policy.Attached{}
	if doc := j.parse(j.Policies[p.Boundary].Document, policy.ManagedPolicy, holder); doc != nil {
		docs = append(docs, policy.Attached{Source: policy.Source{Type: policy.SourceBoundary, ARN: p.Boundary}, Document: doc})
	}
	return docs
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
	c.SetBool("aws:PrincipalIsAWSService", false)
	c.SetString("aws:ResourceAccount", j.Account)
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
	c := j.context(p, how)
	c.SetString("iam:PolicyARN", "arn:"+j.Partition+":iam::aws:policy/AdministratorAccess")
	for _, ask := range [...]struct{ action, resource string }{
		{"iam:CreateUser", "user"}, {"iam:CreateAccessKey", "user"}, {"iam:AttachUserPolicy", "user"}, {"iam:PutUserPolicy", "user"},
		{"iam:AttachRolePolicy", "role"}, {"iam:PutRolePolicy", "role"}, {"iam:UpdateAssumeRolePolicy", "role"}, {"iam:CreatePolicyVersion", "policy"},
	} {
		resource := fmt.Sprintf("arn:%s:iam::%s:%s/any/where/anybody", j.Partition, j.Account, ask.resource)
		if !policy.Evaluate(&policy.Request{Caller: &p.caller, Action: ask.action, Resource: resource, Context: c}, &p.inputs, nil).Allowed {
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
	p := &principal{caller: policy.Caller{Type: policy.User, Account: j.Account, ARN: "arn:" + j.Partition + ":iam::" + j.Account + ":user/anybody", ID: "AIDAANYBODYANYBODY234"}, name: "anybody"}
	p.caller.PrincipalARN = p.caller.ARN
	p.inputs.Identity = policy.NewSet([]policy.Attached{{Document: doc}})
	c := j.context(p, withMFA)
	for _, ask := range [...]struct{ action, resource string }{
		{"anything:AtAll", "arn:" + j.Partition + ":anything:any-where-1:" + j.Account + ":any/thing"},
		{"iam:CreateUser", "arn:" + j.Partition + ":iam::" + j.Account + ":user/any/where/anybody"},
		{"sts:AssumeRole", "arn:" + j.Partition + ":iam::" + j.Account + ":role/any/where/anybody"},
		{"s3:DeleteBucket", "arn:" + j.Partition + ":s3:::anybody-any-where"},
	} {
		if !policy.Evaluate(&policy.Request{Caller: &p.caller, Action: ask.action, Resource: ask.resource, Context: c}, &p.inputs, nil).Allowed {
			return false
		}
	}
	return true
}

// assumes tells whether a principal may assume a role of the account.
func (j *judge) assumes(p *principal, how signedIn, role *Role, trust *policy.Set) bool {
	in := p.inputs
	in.Resource, in.ResourceIsTrust = trust, true
	c := j.context(p, how)
	c.SetString("sts:RoleSessionName", "somebody")
	return policy.Evaluate(&policy.Request{Caller: &p.caller, Action: "sts:AssumeRole", Resource: role.ARN, ResourceAccount: j.Account, Context: c}, &in, nil).Allowed
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
		caller: policy.Caller{Type: policy.User, Account: account, ARN: arn, PrincipalARN: arn, ID: "AIDAANYBODYANYBODY234"},
		inputs: policy.Inputs{Identity: j.anything}, name: "anybody",
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
