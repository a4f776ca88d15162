package advisor

import (
	"fmt"
	"slices"
	"strings"
)

// Trusted is whom a role's trust policy names, in words.
type Trusted struct {
	// Kind is anyone, account, user, role, session, service, oidc or saml.
	Kind string `json:"kind"`
	// Name is what people call it: an account's id, a user's name, a provider's host.
	Name string `json:"name"`
	ARN  string `json:"arn,omitempty"`
	// Only says under which conditions, such as "with MFA".
	Only string `json:"only,omitempty"`
}

func (t *Trusted) String() string {
	text := map[string]string{"anyone": "anyone", "account": "account " + t.Name, "service": t.Name, "oidc": "tokens of " + t.Name, "saml": "assertions of " + t.Name}[t.Kind]
	switch {
	case t.Name == thisAccount:
		text = thisAccount
	case text == "":
		text = t.Kind + " " + t.Name
	}
	if t.Only != "" {
		text += " " + t.Only
	}
	return text
}

const thisAccount = "this account"

// trusted are those whom the statements that allow name.
func (j *judge) trusted(role *Role) []Trusted {
	var list []Trusted
	_, statements := statementsOf(role.Trust)
	for _, s := range statements {
		if s["Effect"] != "Allow" {
			continue
		}
		only := conditionInWords(s["Condition"])
		if _, not := s["NotPrincipal"]; not || s["Principal"] == "*" {
			list = append(list, Trusted{Kind: "anyone", Only: only})
			continue
		}
		principals, ok := s["Principal"].(map[string]any)
		if !ok {
			continue
		}
		for _, kind := range []string{"AWS", "Service", "Federated"} {
			for _, value := range words(principals[kind]) {
				t := j.trustedPrincipal(kind, value)
				t.Only = only
				if !slices.Contains(list, t) {
					list = append(list, t)
				}
			}
		}
	}
	return list
}

func (j *judge) trustedPrincipal(kind, value string) Trusted {
	last := value[strings.LastIndexAny(value, "/:")+1:]
	switch {
	case kind == "Service":
		return Trusted{Kind: "service", Name: value}
	case kind == "Federated" && strings.Contains(value, ":saml-provider/"):
		return Trusted{Kind: "saml", Name: last, ARN: value}
	case kind == "Federated":
		_, issuer, ok := strings.Cut(value, ":oidc-provider/")
		if !ok {
			return Trusted{Kind: "oidc", Name: value}
		}
		return Trusted{Kind: "oidc", Name: issuer, ARN: value}
	case value == "*":
		return Trusted{Kind: "anyone"}
	}
	account := accountOf(value)
	name := account
	if account == j.Account {
		name = thisAccount
	}
	switch resource := value[strings.LastIndexByte(value, ':')+1:]; {
	case value == account || resource == "root":
		return Trusted{Kind: "account", Name: name, ARN: "arn:" + j.Partition + ":iam::" + account + ":root"}
	case strings.HasPrefix(resource, "user/"):
		return Trusted{Kind: "user", Name: j.inAccount(last, account), ARN: value}
	case strings.HasPrefix(resource, "role/"):
		return Trusted{Kind: "role", Name: j.inAccount(last, account), ARN: value}
	case strings.HasPrefix(resource, "assumed-role/"):
		return Trusted{Kind: "session", Name: j.inAccount(strings.TrimPrefix(resource, "assumed-role/"), account), ARN: value}
	}
	return Trusted{Kind: "principal", Name: value} // the unique id of who is no more
}

func (j *judge) inAccount(name, account string) string {
	if account == j.Account {
		return name
	}
	return name + " of account " + account
}

// conditionInWords says what a statement asks for beside the principal.
func conditionInWords(condition any) string {
	operators, ok := condition.(map[string]any)
	if !ok || len(operators) == 0 {
		return ""
	}
	var said []string
	add := func(text string) {
		if !slices.Contains(said, text) {
			said = append(said, text)
		}
	}
	for _, keys := range operators {
		m, ok := keys.(map[string]any)
		if !ok {
			continue
		}
		for key, value := range m {
			switch lower := strings.ToLower(key); {
			case lower == "aws:multifactorauthpresent" && slices.Contains(words(value), "true"), lower == "aws:multifactorauthpresent" && value == true, lower == "aws:multifactorauthage":
				add("with MFA")
			case lower == "sts:externalid":
				add("with an external id")
			case strings.HasSuffix(lower, ":sub"):
				add("for " + strings.Join(words(value), ", "))
			case strings.HasSuffix(lower, ":aud"):
			case lower == "aws:sourceip":
				add("from " + strings.Join(words(value), ", "))
			case lower == "aws:principalorgid":
				add("of the organization " + strings.Join(words(value), ", "))
			default:
				add("if " + key + " fits")
			}
		}
	}
	slices.Sort(said)
	return strings.Join(said, " and ")
}

// maxAsked bounds the pairs of people and roles of which the policy engine is asked
// whether the one can assume the other.
const maxAsked = 200_000

// reach is which people and roles of the account can assume which roles, by role ARN.
type reach struct {
	people, roles map[string][]string // names
	by            map[string][]string // roles that a user can assume, by user ARN
}

// reaches asks for all pairs. ok is false where there are too many.
func (j *judge) reaches() (r *reach, ok bool) {
	r = &reach{people: map[string][]string{}, roles: map[string][]string{}, by: map[string][]string{}}
	if (len(j.Users)+len(j.Roles))*len(j.Roles) > maxAsked {
		return r, false
	}
	askers := j.askers(j.Roles)
	for i := range j.Roles {
		role := &j.Roles[i]
		doc, trust := j.trustOf(role)
		if doc == nil {
			continue
		}
		for i := range askers {
			a := &askers[i]
			if _, ok := j.signIn(a, role, trust); !ok {
				continue
			}
			if a.kind == "role" {
				r.roles[role.ARN] = append(r.roles[role.ARN], a.name)
			} else {
				r.people[role.ARN] = append(r.people[role.ARN], a.name)
				r.by[a.arn] = append(r.by[a.arn], role.Name)
			}
		}
	}
	return r, true
}

// notAsked is the note where there are too many pairs.
func (j *judge) notAsked() string {
	return fmt.Sprintf("who can assume which role was not asked: %d users and %d roles are too many at once; look at one role's page", len(j.Users), len(j.Roles))
}
