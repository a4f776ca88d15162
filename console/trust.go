package console

import (
	"slices"
	"strings"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/policy"
)

// Trust is one thing that a trust policy says, as a sentence.
type Trust struct {
	Deny bool
	// Wide is everyone, whatever their account, without any condition.
	Wide bool
	Who  string
	May  string // "assume this role"
	When []string
}

func (t Trust) String() string {
	may := " may "
	if t.Deny {
		may = " may not "
	}
	text := t.Who + may + t.May
	if len(t.When) > 0 {
		text += ", " + strings.Join(t.When, ", and ")
	}
	return text + "."
}

// State marks the sentence.
func (t Trust) State() State {
	switch {
	case t.Deny:
		return State{Bad, "Deny"}
	case t.Wide:
		return State{Warning, "Everyone"}
	}
	return State{Good, "Allow"}
}

// trustInWords turns the trust policy of a role of an account into sentences: who may
// assume it, and under which conditions. Denials come first, as they win.
func trustInWords(account, text string) ([]Trust, error) {
	d, err := readDocument(text)
	if err != nil {
		return nil, err
	}
	var list []Trust
	for i := range d.Statement {
		list = append(list, d.Statement[i].trust(account)...)
	}
	slices.SortStableFunc(list, func(a, b Trust) int {
		switch {
		case a.Deny == b.Deny:
			return 0
		case a.Deny:
			return -1
		}
		return 1
	})
	return list, nil
}

// trust makes a sentence for each whom the statement names.
func (s *statement) trust(account string) []Trust {
	t := Trust{Deny: !s.allows(), May: s.trustedActions(), When: s.when()}
	if len(s.NotPrincipal) > 0 {
		var names []string
		for _, kind := range principalTypes {
			for _, value := range s.NotPrincipal[kind] {
				names = append(names, lowerFirst(trusted(account, kind, value)))
			}
		}
		t.Who, t.Wide = "Everyone but "+listed(names, "and"), !t.Deny && len(s.Condition) == 0
		return []Trust{t}
	}
	var list []Trust
	for _, kind := range principalTypes {
		for _, value := range s.Principal[kind] {
			one := t
			one.Who = trusted(account, kind, value)
			one.Wide = value == "*" && !t.Deny && len(s.Condition) == 0
			if _, issuer, ok := strings.Cut(value, ":oidc-provider/"); ok && kind == "Federated" {
				one.When = nil
				for _, phrase := range t.When {
					one.When = append(one.When, strings.ReplaceAll(phrase, issuer+":", "the token’s "))
				}
			}
			list = append(list, one)
		}
	}
	return list
}

var principalTypes = []string{"AWS", "Service", "Federated", "CanonicalUser"}

// trusted says who a principal is.
func trusted(account, kind, value string) string {
	switch kind {
	case "Service":
		return "The AWS service " + value
	case "Federated":
		if _, name, ok := strings.Cut(value, ":saml-provider/"); ok {
			return "Whoever the SAML provider " + name + " vouches for"
		}
		if _, issuer, ok := strings.Cut(value, ":oidc-provider/"); ok {
			return "The holder of a token of " + issuer
		}
		return "The holder of a token of " + value
	case "CanonicalUser":
		return "The canonical user " + value
	}
	of := func(id string) string {
		if id == account {
			return "this account"
		}
		return "the account " + id
	}
	if value == "*" {
		return "Everyone, in every account,"
	}
	if id, err := arn.ParseAccountID(value); err == nil {
		value = string(id)
		return "Every user and role of " + of(value) + " whose own policies allow it"
	}
	a, err := arn.Parse(value)
	if err != nil {
		// IAM answers with the unique id where there was a name.
		return "A user or role that has been deleted (" + value + ")"
	}
	sort, _, name := a.Split()
	switch a.Service + ":" + sort {
	case "iam:user", "iam:role":
		return "The " + sort + " " + name + " of " + of(a.Account)
	case "sts:assumed-role":
		return "The session " + strings.TrimPrefix(a.Resource, "assumed-role/") + " of a role of " + of(a.Account)
	case "sts:federated-user":
		return "The federated user " + name + " of " + of(a.Account)
	}
	if a.Resource == "root" {
		return "Every user and role of " + of(a.Account) + " whose own policies allow it"
	}
	return value
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// trustActions are the actions of trust policies, and what they let somebody do.
var trustActions = []struct{ action, words string }{
	{"sts:assumerole", "assume this role"},
	{"sts:assumerolewithsaml", "assume this role with a SAML assertion"},
	{"sts:assumerolewithwebidentity", "assume this role with a token"},
	{"sts:tagsession", "pass session tags"},
	{"sts:setsourceidentity", "set a source identity"},
	{"sts:setcontext", "pass a context"},
}

// trustedActions says what the statement is about.
func (s *statement) trustedActions() string {
	var names []string
	ways := 0
	for _, known := range trustActions {
		matches := func(pattern string) bool { return policy.Glob(strings.ToLower(pattern), known.action) }
		named := slices.ContainsFunc(s.Action, matches)
		if len(s.NotAction) > 0 {
			named = !slices.ContainsFunc(s.NotAction, matches)
		}
		if !named {
			continue
		}
		if strings.HasPrefix(known.action, "sts:assumerole") {
			ways++
		}
		names = append(names, known.words)
	}
	if ways == 3 {
		names = append([]string{"assume this role in every way"}, names[3:]...)
	}
	if len(names) == 0 {
		return "do nothing with this role"
	}
	return listed(names, "and")
}
