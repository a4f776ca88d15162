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
		if doc := r.ofARN(policyARN, arn).Document; doc != nil && r.unlimited(doc) {
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
	in := &Installation{Account: r.Account, Partition: r.Partition}
	may := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"%s"}}`, in.role(role))
	return append(in.makeAdministrator(role),
		fmt.Sprintf("aws iam put-%s-policy --%s-name %s --policy-name assume-administrator --policy-document %s", kind, kind, quote(name), quote(may)))
}

// makeAdministrator makes a role that may do everything, for who has MFA and is allowed
// to assume it.
func (in *Installation) makeAdministrator(role string) []string {
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:%s:iam::%s:root"},"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}}`, in.Partition, in.Account)
	return []string{
		fmt.Sprintf("aws iam create-role --role-name %s --assume-role-policy-document %s", quote(role), quote(trust)),
		fmt.Sprintf("aws iam attach-role-policy --role-name %s --policy-arn arn:%s:iam::aws:policy/AdministratorAccess", quote(role), in.Partition),
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

// trustsAnySubject: a token of an OpenID Connect provider opens the role, whoever its
// subject is.
func trustsAnySubject(r *review, rule *Rule) {
	for i := range r.Roles {
		role := &r.Roles[i]
		doc, trust := r.trustOf(role)
		if doc == nil {
			continue
		}
		var open []string
		for _, p := range doc.Principals() {
			if p.Kind == policy.FederatedPrincipal && !slices.Contains(open, p.Value) && r.anySubject(p.Value, role, trust) {
				open = append(open, p.Value)
			}
		}
		if open == nil {
			continue
		}
		fix := updateTrust(role, "")
		if text := withSubject(role.Trust, open); text != "" {
			fix = []string{
				`printf 'The subject that may come in, such as repo:acme/app:ref:refs/heads/main: '; read -r SUBJECT`,
				fmt.Sprintf("aws iam update-assume-role-policy --role-name %s --policy-document %s", quote(role.Name), strings.ReplaceAll(quote(text), subject, `'"$SUBJECT"'`)),
			}
		}
		r.add(rule, role.ARN, nil, fix, Evidence{"providers", strings.Join(open, ", ")}, Evidence{"condition on the subject", "none"}, Evidence{"last used", moment(role.Used)})
	}
}

// anySubject tells whether a token with a subject that nobody can have thought of gets
// in, with an audience that the provider is registered for.
func (r *judge) anySubject(provider string, role *Role, trust *policy.Set) bool {
	_, issuer, ok := strings.Cut(provider, ":oidc-provider/")
	if !ok {
		return false
	}
	audiences := []string{"sts.amazonaws.com"}
	if i := slices.IndexFunc(r.Providers, func(p Provider) bool { return p.ARN == provider }); i >= 0 && len(r.Providers[i].Audiences) > 0 {
		audiences = r.Providers[i].Audiences
	}
	for _, audience := range audiences {
		for _, who := range []string{"anybody", "repo:anybody/anything:ref:refs/heads/main", "project_path:anybody/anything:ref_type:branch:ref:main", "system:serviceaccount:anywhere:anybody"} {
			c := new(policy.Context)
			c.SetString(issuer+":sub", who)
			c.SetString(issuer+":aud", audience)
			c.SetTime("aws:CurrentTime", r.Now)
			c.SetString("sts:RoleSessionName", "somebody")
			c.SetString("aws:FederatedProvider", provider)
			caller := policy.Caller{Type: policy.WebIdentity, Federated: provider}
			in := policy.Inputs{Resource: trust, ResourceIsTrust: true}
			if policy.Evaluate(&policy.Request{Caller: &caller, Action: "sts:AssumeRoleWithWebIdentity", Resource: role.ARN, ResourceAccount: r.Account, Context: c}, &in, nil).Allowed {
				return true
			}
		}
	}
	return false
}

// subject stands in a document for what the shell is to put there.
const subject = "THE-SUBJECT-TO-BE"

// withSubject is a trust policy in which the open providers' tokens must have one subject.
func withSubject(text string, open []string) string {
	document, statements := statementsOf(text)
	if document == nil {
		return ""
	}
	for _, s := range statements {
		p, ok := s["Principal"].(map[string]any)
		if s["Effect"] != "Allow" || !ok {
			continue
		}
		condition, _ := s["Condition"].(map[string]any)
		if condition == nil {
			condition = map[string]any{}
		}
		for _, provider := range words(p["Federated"]) {
			if !slices.Contains(open, provider) {
				continue
			}
			_, issuer, _ := strings.Cut(provider, ":oidc-provider/")
			// One that asks for any subject asks for none.
			for _, operator := range condition {
				if keys, ok := operator.(map[string]any); ok {
					for key := range keys {
						if strings.EqualFold(key, issuer+":sub") {
							delete(keys, key)
						}
					}
				}
			}
			equals, _ := condition["StringEquals"].(map[string]any)
			if equals == nil {
				equals = map[string]any{}
			}
			equals[issuer+":sub"] = subject
			condition["StringEquals"] = equals
		}
		for operator, keys := range condition {
			if m, ok := keys.(map[string]any); ok && len(m) == 0 {
				delete(condition, operator)
			}
		}
		if len(condition) > 0 {
			s["Condition"] = condition
		}
	}
	document["Statement"] = statements
	return compact(document)
}

// allowsService: a policy of the account's own, managed or inline, allows all actions
// of a service on all resources, without a condition. Of people's policies that allow
// everything there is POLICY-01.
func allowsService(r *review, rule *Rule) {
	attached := map[string]int{}
	inline := func(kind, name, arn string, p *Permissions, people bool) {
		for _, a := range p.Attached {
			if doc := r.ofARN(a, a).Document; doc != nil && !(people && r.unlimited(doc)) {
				attached[a]++
			}
		}
		for _, in := range p.Inline {
			doc := r.parse(in.Document, policy.InlinePolicy, arn)
			wide := r.wholeServices(in.Document)
			if doc == nil || wide == nil || people && r.unlimited(doc) {
				continue
			}
			r.add(rule, arn, nil, []string{
				fmt.Sprintf("aws iam get-%s-policy --%s-name %s --policy-name %s", kind, kind, quote(name), quote(in.Name)),
				"aws iam generate-service-last-accessed-details --granularity ACTION_LEVEL --arn " + quote(arn),
			}, Evidence{"inline policy", in.Name}, Evidence{"allows everywhere", strings.Join(wide, ", ")})
		}
	}
	members := map[string]bool{}
	for i := range r.Users {
		u := &r.Users[i]
		inline("user", u.Name, u.ARN, &u.Permissions, true)
		for _, g := range u.Groups {
			members[g] = true
		}
	}
	for i := range r.Groups {
		g := &r.Groups[i]
		inline("group", g.Name, g.ARN, &g.Permissions, members[g.Name])
	}
	for i := range r.Roles {
		role := &r.Roles[i]
		inline("role", role.Name, role.ARN, &role.Permissions, false)
	}
	for arn, p := range r.Policies {
		if accountOf(arn) != r.Account || attached[arn] == 0 {
			continue // AWS's own, or a boundary
		}
		doc := r.parse(p.Document, policy.ManagedPolicy, arn)
		wide := r.wholeServices(p.Document)
		if doc == nil || wide == nil {
			continue
		}
		r.add(rule, arn, nil, []string{
			fmt.Sprintf(`aws iam get-policy-version --policy-arn %s --version-id "$(aws iam get-policy --policy-arn %s --query Policy.DefaultVersionId --output text)"`, quote(arn), quote(arn)),
			"aws iam generate-service-last-accessed-details --granularity ACTION_LEVEL --arn " + quote(arn),
		}, Evidence{"attached to", counted(attached[arn], "place")}, Evidence{"allows everywhere", strings.Join(wide, ", ")})
	}
}

// wholeServices are the patterns by which a document allows all of a service, or of
// all, on all resources and under no condition.
func (j *judge) wholeServices(text string) []string {
	wide, known := j.wide[text]
	if !known {
		wide = wholeServices(j.statements(text))
		j.wide[text] = wide
	}
	return wide
}

func wholeServices(statements []map[string]any) []string {
	var wide []string
	for _, s := range statements {
		if s["Effect"] != "Allow" || s["Condition"] != nil || !slices.Contains(words(s["Resource"]), "*") {
			continue
		}
		for _, action := range words(s["Action"]) {
			service, name, ok := strings.Cut(action, ":")
			if (action == "*" || ok && service != "" && strings.Trim(name, "*") == "" && name != "") && !slices.Contains(wide, action) {
				wide = append(wide, action)
			}
		}
	}
	return wide
}

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
