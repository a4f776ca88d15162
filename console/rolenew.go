package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/arn"
)

// newRolePage is the form of a new role, for one kind of whom it trusts.
type newRolePage struct {
	By      string
	Kinds   []Tab
	About   string
	Trust   []Field
	Editor  *Editor
	Role    []Field
	Denied  *Denied
	Missing *Empty // there is nothing to choose from
	Problem *Problem
}

// roleKinds are the ways to say whom a new role trusts.
var roleKinds = []struct{ by, text, about string }{
	{"user", "This account", "People and programs of this account take the role when they need it, and only then have its permissions. Their own policies have to allow sts:AssumeRole on it."},
	{"account", "Another account", "Users and roles of another account take the role. Where that account belongs to somebody who serves many customers, agree on an external ID: else others could make them use your role."},
	{"oidc", "OIDC", "Programs that have a token of an OpenID Connect provider, as CI systems and clusters give them, take the role without any key."},
	{"saml", "SAML", "People whom your organisation’s SAML provider vouches for take the role."},
	{"service", "AWS service", "A service acts with the role on your behalf."},
	{"json", "JSON", "Write the trust policy yourself."},
}

// samlAudience is for whom assertions are made.
const samlAudience = "https://signin.aws.amazon.com/saml"

func (c *Console) newRole(v *Visit) error {
	return c.newRoleForm(v, firstOf(v.Query("by"), "user"), v.Query, nil, nil)
}

// newRoleForm shows the form, with what was typed after a refusal.
func (c *Console) newRoleForm(v *Visit, by string, typed func(string) string, refused error, wrong map[string]string) error {
	page := newRolePage{By: by}
	for _, kind := range roleKinds {
		page.Kinds = append(page.Kinds, Tab{Text: kind.text, Path: "/roles/new?by=" + kind.by, Current: kind.by == by})
		if kind.by == by {
			page.About = kind.about
		}
	}
	if page.About == "" {
		return errNoPage
	}
	field := func(name, label, hint string, optional bool) Field {
		return Field{Name: name, Label: label, Hint: hint, Optional: optional, Value: typed(name), Error: wrong[name], Autocomplete: "off", MaxLength: 2048}
	}
	// A form that was sent has the hidden field by: what is not ticked then was unticked.
	mfa := Field{Name: "mfa", Label: "Only with MFA", Type: "checkbox", Checked: typed("mfa") != "" || refused == nil && wrong == nil, Hint: "The request has to come from a session that was begun with MFA. Programs with only an access key cannot."}
	switch by {
	case "user":
		page.Trust = []Field{field("user", "Only this user", "The name of a user. Empty: every user and role of this account whose own policies allow it.", true), mfa}
	case "account":
		mfa.Checked = typed("mfa") != ""
		page.Trust = []Field{field("account", "Account id", "12 digits", false), field("external", "External ID", "A value that you both know and that is not a secret: 2 to 1,224 characters.", true), mfa}
		page.Trust[0].InputMode, page.Trust[0].MaxLength = "numeric", 14
	case "oidc", "saml":
		if err := v.trustedProviders(&page, typed("provider"), wrong["provider"]); err != nil {
			return err
		}
		if by == "oidc" {
			page.Trust = append(page.Trust,
				field("audience", "Audience", "For whom the token has to be made, such as sts.amazonaws.com.", false),
				field("subject", "Subject", "Whom the token has to be about. * stands for any text: repo:example/app:ref:refs/heads/main", false))
		} else {
			audience := field("audience", "Audience", "The address for which the assertion has to be made.", false)
			audience.Value = firstOf(audience.Value, samlAudience)
			page.Trust = append(page.Trust, audience)
		}
	case "service":
		page.Trust = []Field{field("service", "Service principal", "Such as ec2.amazonaws.com or lambda.amazonaws.com.", false)}
		page.Trust[0].Mono = true
	case "json":
		text := typed("document")
		if text == "" && refused == nil {
			text = trustText("sts:AssumeRole", map[string]any{"AWS": "arn:aws:iam::" + v.Person.Account + ":root"}, map[string]map[string]any{"Bool": {"aws:MultiFactorAuthPresent": "true"}})
		}
		e := NewEditor(EditTrust, "Trust policy", text)
		page.Editor = &e
	}
	name := field("name", "Role name", "Letters, digits and + = , . @ _ -", false)
	name.MaxLength = 64
	policy, boundary := policyField("policy", "Attach a policy", typed("policy")), policyField("boundary", "Permissions boundary", typed("boundary"))
	policy.Optional, boundary.Optional = true, true
	description := field("description", "Description", "", true)
	description.MaxLength = 1000
	page.Role = []Field{name, description, policy, boundary}
	p := Page{
		Title: "Create role", Crumbs: []Crumb{{"Roles", "/roles"}}, Lead: "First whom the role trusts, then what it may do.",
		CLI: []Command{CLI("aws", "iam", "create-role", "--role-name", firstOf(typed("name"), "NAME"), "--assume-role-policy-document", "file://trust.json")},
	}
	if refused != nil || wrong != nil {
		p.Status = http.StatusUnprocessableEntity
	}
	if refused != nil {
		page.Problem = v.formProblem(refused)
	}
	p.Body = page
	return v.Render("rolenew", p)
}

// trustedProviders lets one of the account's identity providers be chosen.
func (v *Visit) trustedProviders(p *newRolePage, chosen, wrong string) error {
	var arns []string
	var err error
	if p.By == "oidc" {
		var out *iam.ListOpenIDConnectProvidersOutput
		if out, err = v.API().IAM.ListOpenIDConnectProviders(v.Request.Context(), &iam.ListOpenIDConnectProvidersInput{}); err == nil {
			for _, one := range out.OpenIDConnectProviderList {
				arns = append(arns, *one.Arn)
			}
		}
	} else {
		var out *iam.ListSAMLProvidersOutput
		if out, err = v.API().IAM.ListSAMLProviders(v.Request.Context(), &iam.ListSAMLProvidersInput{}); err == nil {
			for _, one := range out.SAMLProviderList {
				arns = append(arns, *one.Arn)
			}
		}
	}
	provider := Field{Name: "provider", Label: "Identity provider", Value: chosen, Error: wrong}
	switch p.Denied = v.deniedOf(err); {
	case p.Denied != nil: // its ARN can be typed
		provider.Mono, provider.Hint = true, "The ARN of the provider."
	case err != nil:
		return err
	case len(arns) == 0:
		p.Missing = &Empty{Icon: "link", Title: "There is no such identity provider yet", Text: "A role can trust a provider once the account knows it.", Action: Step{"Add a provider", "/identity-providers/new?type=" + p.By}}
	default:
		provider.Type = "select"
		for _, one := range arns {
			provider.Options = append(provider.Options, Option{Value: one, Text: one[strings.IndexByte(one, '/')+1:]})
		}
	}
	p.Trust = append(p.Trust, provider)
	return nil
}

// trustText is a trust policy with one statement.
func trustText(action string, principal map[string]any, conditions map[string]map[string]any) string {
	type entry struct {
		Effect    string
		Principal map[string]any
		Action    string
		Condition map[string]map[string]any `json:",omitempty"`
	}
	text, err := json.MarshalIndent(struct {
		Version   string
		Statement []entry
	}{"2012-10-17", []entry{{"Allow", principal, action, conditions}}}, "", "  ")
	if err != nil {
		panic(err) // strings can always be encoded
	}
	return string(text)
}

// trustFor makes the trust policy of what somebody chose, or says which fields are wrong.
// me is the ARN of who chooses.
func trustFor(me, by string, typed func(string) string) (text string, wrong map[string]string) {
	own, err := arn.Parse(me)
	if err != nil {
		own.Partition = "aws"
	}
	iamARN := func(account, resource string) string {
		return "arn:" + string(own.Partition) + ":iam::" + account + ":" + resource
	}
	conditions := map[string]map[string]any{}
	when := func(operator, key, value string) {
		if conditions[operator] == nil {
			conditions[operator] = map[string]any{}
		}
		conditions[operator][key] = value
	}
	if (by == "user" || by == "account") && typed("mfa") != "" {
		when("Bool", "aws:MultiFactorAuthPresent", "true")
	}
	wrong = map[string]string{}
	need := func(name, says string) string {
		value := typed(name)
		if value == "" {
			wrong[name] = says
		}
		return value
	}
	action, principal := "sts:AssumeRole", map[string]any{}
	switch by {
	case "user":
		principal["AWS"] = iamARN(own.Account, "root")
		if user := typed("user"); user != "" {
			principal["AWS"] = iamARN(own.Account, "user/"+user)
			if strings.HasPrefix(user, "arn:") {
				principal["AWS"] = user
			}
		}
	case "account":
		id, err := arn.ParseAccountID(strings.NewReplacer("-", "", " ", "").Replace(typed("account")))
		if err != nil {
			wrong["account"] = "An account id has 12 digits."
		}
		principal["AWS"] = iamARN(string(id), "root")
		if external := typed("external"); external != "" {
			when("StringEquals", "sts:ExternalId", external)
		}
	case "oidc":
		provider := need("provider", "Choose a provider.")
		_, issuer, _ := strings.Cut(provider, ":oidc-provider/")
		if provider != "" && issuer == "" {
			wrong["provider"] = "That is not the ARN of an OIDC provider."
		}
		action, principal["Federated"] = "sts:AssumeRoleWithWebIdentity", provider
		when("StringEquals", issuer+":aud", need("audience", "Say for whom the tokens are made."))
		subject, operator := need("subject", "Say whom the tokens are about: without it, every token of the provider would do."), "StringEquals"
		if strings.ContainsAny(subject, "*?") {
			operator = "StringLike"
		}
		when(operator, issuer+":sub", subject)
	case "saml":
		action, principal["Federated"] = "sts:AssumeRoleWithSAML", need("provider", "Choose a provider.")
		when("StringEquals", "SAML:aud", need("audience", "Say for which address the assertions are made."))
	case "service":
		principal["Service"] = need("service", "Name the service.")
	}
	if len(wrong) > 0 {
		return "", wrong
	}
	return trustText(action, principal, conditions), nil
}

func (c *Console) createRole(v *Visit) error {
	by := v.Form("by")
	text, wrong := trustFor(v.Person.ARN, by, v.Form)
	if by == "json" {
		text, wrong = v.Request.PostFormValue("document"), nil
		if NewEditor(EditTrust, "", text).Faulty() {
			return c.newRoleForm(v, by, v.Form, errFaulty, nil)
		}
	} else if !slices.ContainsFunc(roleKinds, func(k struct{ by, text, about string }) bool { return k.by == by }) {
		return errNoPage
	}
	if wrong != nil {
		return c.newRoleForm(v, by, v.Form, nil, wrong)
	}
	ctx, client, name := v.Request.Context(), v.API().IAM, v.Form("name")
	in := &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &text}
	if description := v.Form("description"); description != "" {
		in.Description = &description
	}
	if boundary := policyARN(v.Form("boundary")); boundary != "" {
		in.PermissionsBoundary = &boundary
	}
	out, err := client.CreateRole(ctx, in)
	if err != nil {
		return c.newRoleForm(v, by, v.Form, err, nil)
	}
	if policy := policyARN(v.Form("policy")); policy != "" {
		if _, err := client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: out.Role.RoleName, PolicyArn: &policy}); err != nil {
			v.Flash(Warning, "The role "+name+" was created, but the policy was not attached: "+v.ProblemOf(err).Why)
			return v.Redirect(rolePath(name, ""))
		}
	}
	v.Flash(Good, "The role "+aws.ToString(out.Role.RoleName)+" was created.")
	return v.Redirect(rolePath(name, "trust"))
}

// newRolePath leads to the form with a provider chosen.
func newRolePath(by, provider string) string {
	return "/roles/new?" + url.Values{"by": {by}, "provider": {provider}}.Encode()
}
