package advisor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lanyard-iam/lanyard/policy"
)

// allowsEverything: a user, or a group with members, has a policy that allows all
// actions on all resources.
func allowsEverything(r *review, rule *Rule) {
	members := map[string]int{}
	for i := range r.Users {
		u := &r.Users[i]
		for _, g := range u.Groups {
			members[g]++
		}
		r.unlimitedPolicies(rule, &u.Permissions, "user", u.Name, u.ARN)
	}
	for i := range r.Groups {
		g := &r.Groups[i]
		if n := members[g.Name]; n > 0 {
			r.unlimitedPolicies(rule, &g.Permissions, "group", g.Name, g.ARN, Evidence{"members", fmt.Sprint(n)})
		}
	}
}

func (r *review) unlimitedPolicies(rule *Rule, p *Permissions, kind, name, arn string, more ...Evidence) {
	var fix []string
	var evidence []Evidence
	for _, policyARN := range p.Attached {
		if doc := r.parse(r.Policies[policyARN].Document, policy.ManagedPolicy, arn); doc != nil && r.unlimited(doc) {
			evidence = append(evidence, Evidence{"policy", policyARN})
			fix = append(fix, fmt.Sprintf("aws iam detach-%s-policy --%s-name %s --policy-arn %s", kind, kind, quote(name), quote(policyARN)))
		}
	}
	for _, in := range p.Inline {
		if doc := r.parse(in.Document, policy.InlinePolicy, arn); doc != nil && r.unlimited(doc) {
			evidence = append(evidence, Evidence{"inline policy", in.Name})
			fix = append(fix, fmt.Sprintf("aws iam delete-%s-policy --%s-name %s --policy-name %s", kind, kind, quote(name), quote(in.Name)))
		}
	}
	if fix == nil {
		return
	}
	r.add(rule, arn, nil, slices.Concat(r.roleInstead(kind, name), fix), append(evidence, more...)...)
}

// roleInstead makes a role that may do everything, for an hour and with MFA, and lets
// who had the policy assume it. So nobody is locked out by the fix.
func (r *review) roleInstead(kind, name string) []string {
	role := "administrator-of-" + kind + "-" + name
	role = role[:min(len(role), 64)]
	arn := fmt.Sprintf("arn:%s:iam::%s:role/%s", r.Partition, r.Account, role)
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:%s:iam::%s:root"},"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}}`, r.Partition, r.Account)
	may := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"%s"}}`, arn)
	return []string{
		fmt.Sprintf("aws iam create-role --role-name %s --assume-role-policy-document %s", quote(role), quote(trust)),
		fmt.Sprintf("aws iam attach-role-policy --role-name %s --policy-arn arn:%s:iam::aws:policy/AdministratorAccess", quote(role), r.Partition),
		fmt.Sprintf("aws iam put-%s-policy --%s-name %s --policy-name assume-administrator --policy-document %s", kind, kind, quote(name), quote(may)),
	}
}

// trustsAnyone: somebody of an account that the trust policy does not name gets in.
func trustsAnyone(r *review, rule *Rule) {
	for i := range r.Roles {
		role := &r.Roles[i]
		doc, trust := r.trustOf(role)
		if doc == nil || !r.anyone(role, trust) {
			continue
		}
		var named []string
		for _, p := range doc.Principals() {
			named = append(named, p.Value)
		}
		r.add(rule, role.ARN, nil, updateTrust(role, r.closed(role.Trust)), Evidence{"principals", strings.Join(named, ", ")}, Evidence{"last used", moment(role.Used)})
	}
}

func (r *judge) anyone(role *Role, trust *policy.Set) bool {
	who := r.stranger(unnamed(role.Trust))
	return r.assumes(who, withoutMFA, role, trust) || r.assumes(who, withMFA, role, trust)
}

// trustsForeignAccount: everybody of an account that it names gets in, without an
// external id and any other condition.
func trustsForeignAccount(r *review, rule *Rule) {
	for i := range r.Roles {
		role := &r.Roles[i]
		doc, trust := r.trustOf(role)
		if doc == nil || r.anyone(role, trust) {
			continue
		}
		open := r.openAccounts(role, doc, trust)
		if len(open) == 0 {
			continue
		}
		var fix []string
		if text := withExternalID(role.Trust, open); text != "" {
			fix = append([]string{`EXTERNAL_ID=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n'); echo "External id, to be given to them: $EXTERNAL_ID"`}, updateTrust(role, text)...)
		} else {
			fix = updateTrust(role, "")
		}
		r.add(rule, role.ARN, nil, fix, Evidence{"accounts", strings.Join(open, ", ")}, Evidence{"condition", "none"}, Evidence{"last used", moment(role.Used)})
	}
}

// openAccounts are the foreign accounts all of which a trust policy lets in.
func (r *judge) openAccounts(role *Role, doc *policy.Document, trust *policy.Set) []string {
	var open []string
	for _, p := range doc.Principals() {
		if p.Kind != policy.AccountPrincipal {
			continue
		}
		account := accountOf(p.Value)
		if account != r.Account && !slices.Contains(open, account) && r.assumes(r.stranger(account), withoutMFA, role, trust) {
			open = append(open, account)
		}
	}
	slices.Sort(open)
	return open
}

// accountOf is the account of an account principal: its id, or that in root's ARN.
func accountOf(principal string) string {
	if parts := strings.Split(principal, ":"); len(parts) == 6 {
		return parts[4]
	}
	return principal
}

// updateTrust is the command that gives a role a trust policy, or, where none can be
// proposed, the one that shows it.
func updateTrust(role *Role, document string) []string {
	if document == "" {
		return []string{"aws iam get-role --role-name " + quote(role.Name) + " --query Role.AssumeRolePolicyDocument"}
	}
	return []string{fmt.Sprintf("aws iam update-assume-role-policy --role-name %s --policy-document %s", quote(role.Name),
		strings.ReplaceAll(quote(document), externalID, `'"$EXTERNAL_ID"'`))}
}

// externalID stands in a document for what the shell is to put there.
const externalID = "THE-EXTERNAL-ID-TO-BE"

// statementsOf reads a document as JSON to change its statements.
func statementsOf(text string) (document map[string]any, statements []map[string]any) {
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return nil, nil
	}
	list, ok := document["Statement"].([]any)
	if !ok {
		list = []any{document["Statement"]}
	}
	for _, s := range list {
		m, ok := s.(map[string]any)
		if !ok {
			return nil, nil
		}
		statements = append(statements, m)
	}
	return document, statements
}

// closed is a trust policy with the account itself in the place of everybody.
func (r *judge) closed(text string) string {
	document, statements := statementsOf(text)
	if document == nil {
		return ""
	}
	own := "arn:" + r.Partition + ":iam::" + r.Account + ":root"
	for _, s := range statements {
		if s["Effect"] != "Allow" {
			continue
		}
		if _, not := s["NotPrincipal"]; not {
			delete(s, "NotPrincipal")
			s["Principal"] = map[string]any{"AWS": own}
		}
		if s["Principal"] == "*" {
			s["Principal"] = map[string]any{"AWS": own}
		}
		p, ok := s["Principal"].(map[string]any)
		if !ok {
			continue
		}
		for kind, value := range p {
			switch v := value.(type) {
			case string:
				if v == "*" {
					delete(p, kind)
					p["AWS"] = own
				}
			case []any:
				for i := range v {
					if v[i] == "*" && kind == "AWS" {
						v[i] = own
					}
				}
			}
		}
	}
	document["Statement"] = statements
	return compact(document)
}

// withExternalID is a trust policy in which the open accounts have to send an external
// id. They get a statement of their own where others share theirs.
func withExternalID(text string, open []string) string {
	document, statements := statementsOf(text)
	if document == nil {
		return ""
	}
	var changed []map[string]any
	for _, s := range statements {
		p, ok := s["Principal"].(map[string]any)
		if s["Effect"] != "Allow" || !ok || strings.Contains(compact(s["Condition"]), "sts:ExternalId") {
			changed = append(changed, s)
			continue
		}
		values, ok := p["AWS"].([]any)
		if !ok {
			values = []any{p["AWS"]}
		}
		var them, others []any
		for _, v := range values {
			if name, ok := v.(string); ok && slices.Contains(open, accountOf(name)) && (name == accountOf(name) || strings.HasSuffix(name, ":root")) {
				them = append(them, v)
			} else if v != nil {
				others = append(others, v)
			}
		}
		if them == nil {
			changed = append(changed, s)
			continue
		}
		theirs := map[string]any{}
		for k, v := range s {
			theirs[k] = v
		}
		theirs["Principal"] = map[string]any{"AWS": them}
		theirs["Condition"] = andExternalID(s["Condition"])
		if len(others) > 0 || len(p) > 1 {
			rest := map[string]any{}
			for k, v := range p {
				rest[k] = v
			}
			delete(rest, "AWS")
			if len(others) > 0 {
				rest["AWS"] = others
			}
			s["Principal"] = rest
			delete(theirs, "Sid")
			changed = append(changed, s)
		}
		changed = append(changed, theirs)
	}
	document["Statement"] = changed
	return compact(document)
}

func andExternalID(condition any) map[string]any {
	out := map[string]any{}
	if c, ok := condition.(map[string]any); ok {
		for k, v := range c {
			out[k] = v
		}
	}
	equals := map[string]any{"sts:ExternalId": externalID}
	if e, ok := out["StringEquals"].(map[string]any); ok {
		for k, v := range e {
			equals[k] = v
		}
	}
	out["StringEquals"] = equals
	return out
}
