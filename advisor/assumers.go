package advisor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lanyard-iam/lanyard/policy"
)

// Assumer is somebody who can assume a role, or may if a condition holds.
type Assumer struct {
	// Kind is user, role, or session of the account, or as that of a [Trusted].
	Kind, Name string
	Page       string // empty where there is none
	// When is under which conditions, in words. Where there are none they can do it now.
	When string
	// Foreign tells that another account has a say, of which nothing is known here.
	Foreign bool
	// Trust is the statement of the trust policy that lets them, By the policy that allows
	// them sts:AssumeRole: empty where the trust policy is enough, or the policy is not ours.
	Trust, By string
	ByPage    string
}

// Assumers are who can assume one role of an account, by its trust policy and their own
// permissions: first whom it names from outside, then users and roles.
func Assumers(f *Facts, roleARN string) []Assumer {
	i := slices.IndexFunc(f.Roles, func(r Role) bool { return r.ARN == roleARN })
	if i < 0 {
		return nil
	}
	j, role := newJudge(f), &f.Roles[i]
	doc, trust := j.trustOf(role)
	if doc == nil {
		return nil
	}
	var list []Assumer
	conditional := !plainDocument(role.Trust)
	for _, a := range append(j.outsiders(role), j.askers(f.Roles[i:i+1])...) {
		how, can := j.signIn(&a, role, trust)
		if !can && !conditional && a.profile != "" {
			continue // no condition decides
		}
		if found, ok := j.grounds(&a, how, can, role, trust); ok {
			list = append(list, found)
		}
	}
	return list
}

// asker is somebody of whom is asked whether they can assume roles.
type asker struct {
	*principal
	kind, name, arn string
	action          string // empty: sts:AssumeRole
	foreign         bool
}

// askers are the users and roles of the account that can assume any of some roles at all: by a
// policy of theirs, or since they are named.
func (j *judge) askers(roles []Role) []asker {
	named := func(arn string) bool {
		return slices.ContainsFunc(roles, func(r Role) bool { return strings.Contains(r.Trust, `"`+arn) })
	}
	var list []asker
	for i := range j.Users {
		u := &j.Users[i]
		if p := j.user(u); len(p.docs) > 0 || named(u.ARN) {
			list = append(list, asker{principal: p, kind: "user", name: u.Name, arn: u.ARN})
		}
	}
	for i := range j.Roles {
		role := &j.Roles[i]
		if p := j.session(role); len(p.docs) > 0 || named(role.ARN) {
			list = append(list, asker{principal: p, kind: "role", name: role.Name, arn: role.ARN})
		}
	}
	return list
}

// outsiders are those whom a trust policy names and who are no users and roles of the account,
// and sessions of its roles.
func (j *judge) outsiders(role *Role) []asker {
	var list []asker
	seen := map[string]bool{}
	for _, t := range j.trusted(role) {
		key := t.Kind + " " + t.Name + " " + t.ARN
		if seen[key] {
			continue
		}
		seen[key] = true
		a := asker{kind: t.Kind, name: t.Name, arn: t.ARN}
		foreign := accountOf(t.ARN) != j.Account
		switch {
		case t.Kind == "anyone":
			a.foreign, a.principal = true, j.stranger(unnamed(role.Trust))
		case t.Kind == "service":
			a.principal = &principal{caller: policy.Caller{Type: policy.Service, Service: t.Name}}
		case t.Kind == "oidc":
			a.principal = &principal{caller: policy.Caller{Type: policy.WebIdentity, Federated: cmp.Or(t.ARN, t.Name)}}
			a.action = "sts:AssumeRoleWithWebIdentity"
		case t.Kind == "saml":
			a.principal = &principal{caller: policy.Caller{Type: policy.SAML, Federated: t.ARN}}
			a.action = "sts:AssumeRoleWithSAML"
		case t.Kind == "account" && foreign:
			a.foreign, a.principal = true, j.stranger(accountOf(t.ARN))
		case (t.Kind == "user" || t.Kind == "role" || t.Kind == "session") && foreign:
			a.foreign, a.principal = true, j.stranger(accountOf(t.ARN))
			a.caller.ARN, a.caller.PrincipalARN = t.ARN, t.ARN
			if t.Kind != "user" {
				a.caller.Type = policy.AssumedRole
			}
		case t.Kind == "session":
			name, _, _ := strings.Cut(t.Name, "/")
			i := slices.IndexFunc(j.Roles, func(r Role) bool { return r.Name == name })
			if i < 0 {
				continue
			}
			a.principal = j.session(&j.Roles[i])
			a.caller.ARN = t.ARN
		default: // the account itself, whose users and roles are asked; or who is no more
			continue
		}
		list = append(list, a)
	}
	return list
}

// signIn is how somebody has to be signed in to assume a role, if they can.
func (j *judge) signIn(a *asker, role *Role, trust *policy.Set) (how signedIn, ok bool) {
	if a.arn == role.ARN {
		return 0, false
	}
	for _, how := range [...]signedIn{withoutMFA, withKey, withMFA} {
		if how == withMFA && !a.withMFA() {
			continue
		}
		if req, in := j.assuming(a, how, role, trust); policy.Evaluate(&req, &in, nil).Allowed {
			return how, true
		}
	}
	return 0, false
}

// withMFA tells whether somebody can be signed in with MFA. No role's session is, even one
// that began with a code.
func (a *asker) withMFA() bool { return a.caller.Type == policy.User }

// assumes tells whether a principal may assume a role of the account.
func (j *judge) assumes(p *principal, how signedIn, role *Role, trust *policy.Set) bool {
	req, in := j.assuming(&asker{principal: p}, how, role, trust)
	return policy.Evaluate(&req, &in, nil).Allowed
}

// assuming is the request to assume a role of the account.
func (j *judge) assuming(a *asker, how signedIn, role *Role, trust *policy.Set) (policy.Request, policy.Inputs) {
	in := *a.inputs()
	in.Resource, in.ResourceIsTrust = trust, true
	c := j.context(a.principal, how)
	c.SetString("sts:RoleSessionName", "somebody")
	for k, v := range role.Tags {
		c.SetString("aws:ResourceTag/"+k, v)
		c.SetString("iam:ResourceTag/"+k, v)
	}
	action := cmp.Or(a.action, "sts:AssumeRole")
	return policy.Request{Caller: &a.caller, Action: action, Resource: role.ARN, ResourceAccount: j.Account, Context: c}, in
}

// grounds says by what somebody can assume a role. Where they cannot as the request is known
// in advance, ok tells whether they may if they add to it, or come from elsewhere.
func (j *judge) grounds(a *asker, how signedIn, can bool, role *Role, trust *policy.Set) (found Assumer, ok bool) {
	found = Assumer{Kind: a.kind, Name: a.name, Foreign: a.foreign}
	if !a.foreign && a.arn != "" && a.action == "" {
		found.Page = pageOf(cmp.Or(a.caller.PrincipalARN, a.arn))
	}
	if !can && a.withMFA() {
		how = withMFA
	}
	var when []string
	add := func(text string) {
		if text != "" && !slices.Contains(when, text) {
			when = append(when, text)
		}
	}
	req, in := j.assuming(a, how, role, trust)
	if can {
		d, sole, g := policy.EvaluateGrounds(&req, &in)
		if sole {
			found.by(d.Layer, &policy.Ground{Policy: policy.TracedPolicy{Name: d.Source.ID, ARN: d.Source.ARN, Owner: d.Source.AttachedTo()}, Statement: d.Statement, Sid: d.Sid})
		} else if g != nil {
			for _, layer := range g.Needed {
				var best *policy.Ground
				var open []policy.TracedCondition
				for i := range g.Statements {
					s := &g.Statements[i]
					if s.Layer != layer {
						continue
					}
					if asks := a.open(s.Conditions); best == nil || len(asks) < len(open) {
						best, open = s, asks
					}
				}
				if best != nil {
					found.by(layer, best)
					add(inWords(open))
				}
			}
		}
		if how == withMFA && !strings.Contains(strings.Join(when, " "), "with MFA") { // a Deny asks for it
			add("with MFA")
		}
		found.When = strings.Join(when, " and ")
		return found, true
	}
	var t policy.Trace
	policy.Evaluate(&req, &in, &t)
	for _, b := range t.Blocks {
		text, may := a.passes(&t, b)
		if !may {
			return found, false
		}
		add(text)
	}
	for i := range t.Layers {
		if s := a.lets(&t.Layers[i]); s != nil {
			found.by(t.Layers[i].Layer, &policy.Ground{Policy: s.Policy, Statement: s.Statement, Sid: s.Sid})
		}
	}
	found.When = strings.Join(when, " and ")
	return found, len(when) > 0 && a.arn != role.ARN
}

// by notes a statement that lets somebody.
func (a *Assumer) by(layer policy.Layer, s *policy.Ground) {
	switch {
	case layer == policy.LayerTrust:
		a.Trust = fmt.Sprint("Statement ", s.Statement)
		if s.Sid != "" {
			a.Trust += ", " + s.Sid
		}
	case layer == policy.LayerIdentity && s.Policy.Name != "":
		a.By = s.Policy.Name
		if group, ok := strings.CutPrefix(s.Policy.Owner, "group/"); ok {
			a.By += " of group " + group
		}
		if s.Policy.ARN != "" {
			a.ByPage = PolicyPage(s.Policy.ARN)
		}
	}
}

// lets is the statement of a layer that allows, or would if what is asked for were met: the
// one that asks for least.
func (a *asker) lets(l *policy.TracedLayer) (best *policy.TracedStatement) {
	asks := 0
	for _, list := range [][]policy.TracedStatement{l.Matched, l.Near} {
		for i := range list {
			s := &list[i]
			if s.Effect != "Allow" || !s.PrincipalMatches || !s.ActionMatches || !s.ResourceMatches || !a.meets(s.Conditions) {
				continue
			}
			if n := len(a.open(s.Conditions)); best == nil || n < asks {
				best, asks = s, n
			}
		}
	}
	return best
}

// passes tells whether somebody gets past what denies, and in words how.
func (a *asker) passes(t *policy.Trace, b policy.TracedBlock) (when string, ok bool) {
	for i := range t.Layers {
		l := &t.Layers[i]
		if l.Layer != b.Layer {
			continue
		}
		if b.Effect != policy.ExplicitDeny {
			s := a.lets(l)
			if s == nil {
				return "", false
			}
			return inWords(a.open(s.Conditions)), true
		}
		var keys []string
		for _, s := range l.Matched {
			if s.Effect != "Deny" {
				continue
			}
			open := a.open(s.Conditions)
			if len(open) == 0 {
				return "", false
			}
			keys = append(keys, open[0].Key)
		}
		return "unless " + strings.Join(keys, " and ") + " makes a Deny apply", len(keys) > 0
	}
	return "", false
}

// meets tells whether somebody can meet conditions.
func (a *asker) meets(list []policy.TracedCondition) bool {
	return !slices.ContainsFunc(list, func(c policy.TracedCondition) bool { return !c.Holds && !a.decides(c.Key) })
}

// open are the conditions that are met, or not, by how a request is made.
func (a *asker) open(list []policy.TracedCondition) []policy.TracedCondition {
	return slices.DeleteFunc(slices.Clone(list), func(c policy.TracedCondition) bool { return !a.decides(c.Key) })
}

// openKeys begin the condition keys whose values whoever asks, or where they are, decides.
var openKeys = [...]string{
	"sts:", "aws:requesttag/", "aws:tagkeys", "aws:sourceip", "aws:vpcsourceip", "aws:sourcevpc", "aws:sourceidentity", "aws:useragent", "aws:referer",
	"aws:requestedregion", "aws:tokenissuetime", "aws:sourceaccount", "aws:sourcearn", "aws:sourceorg",
}

// decides tells whether a condition key is not known in advance of somebody.
func (a *asker) decides(key string) bool {
	key = strings.ToLower(key)
	if slices.ContainsFunc(openKeys[:], func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
		return true
	}
	switch {
	case a.foreign: // all that is known is the account
		return strings.HasPrefix(key, "aws:principal") || strings.HasPrefix(key, "aws:user") || strings.HasPrefix(key, "aws:multifactorauth")
	case a.action != "":
		return !strings.HasPrefix(key, "aws:") && !strings.HasPrefix(key, "iam:") // what is in the token, or the assertion
	case a.caller.Type == policy.User:
		return strings.HasPrefix(key, "aws:multifactorauth")
	case a.caller.Type == policy.AssumedRole:
		return strings.HasPrefix(key, "aws:principaltag/") || key == "aws:userid" // of the session
	}
	return false
}

// inWords says what conditions ask for.
func inWords(list []policy.TracedCondition) string {
	all := map[string]any{}
	for _, c := range list {
		values := make([]any, len(c.Values))
		for i, v := range c.Values {
			values[i] = v
		}
		keys, _ := all[c.Operator].(map[string]any)
		if keys == nil {
			keys = map[string]any{}
			all[c.Operator] = keys
		}
		keys[c.Key] = values
	}
	return conditionInWords(all)
}
