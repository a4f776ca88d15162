package console

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// systemRoutes are the settings of the account.
func (c *Console) systemRoutes() []Route {
	return []Route{
		{Pattern: "GET /settings", Handle: c.showSettings},
		{Pattern: "POST /settings/password-policy", Handle: c.setPasswordPolicy},
		{Pattern: "POST /settings/password-policy/delete", Handle: c.deletePasswordPolicy},
		{Pattern: "POST /settings/sign-in", Handle: c.setSignInRules},
		{Pattern: "POST /settings/alias", Handle: c.setAlias},
	}
}

// settingsPage are the rules of the account.
type settingsPage struct {
	Account  []Pair
	Alias    Field
	Policy   []Field // of the password policy
	Custom   bool    // there is one of the account's own
	Problem  *Problem
	Delete   Confirm
	Rules    []Field // of signing in
	Since    time.Time
	NoRules  *part
	Notify   notifyPart
	Server   installation
	Now      time.Time
	Problems []*Problem
}

func (c *Console) showSettings(v *Visit) error { return c.settingsForm(v, nil) }

// settingsForm shows the settings, with what was wrong with a change to them.
func (c *Console) settingsForm(v *Visit, refused error) error {
	ctx, api := v.Request.Context(), v.API()
	body := settingsPage{
		Account: []Pair{{Key: "Account id", Value: v.Person.Account, Mono: true, Copy: true}, {Key: "Region", Value: c.config.Region}, {Key: "Console", Value: c.config.URL.String(), Mono: true, Copy: true}},
		Alias: Field{Name: "alias", Label: "Account alias", Value: v.Person.Alias, Optional: true, Autocomplete: "off", MaxLength: 63,
			Hint: "Lower-case letters, digits and hyphens. People can sign in with it in place of the account id. Empty removes it."},
		Delete: Confirm{ID: "default-policy", Open: "Use the default policy", Title: "Use AWS's default password policy?", Text: "The account's own password policy is deleted. The default asks for 8 characters of three kinds.", Action: "/settings/password-policy/delete", Button: "Use the default"},
	}
	if refused != nil {
		body.Problems = append(body.Problems, v.ProblemOf(refused))
	}
	body.Server = v.installation()
	out, err := api.IAM.GetAccountPasswordPolicy(ctx, &iam.GetAccountPasswordPolicyInput{})
	var none *iamtypes.NoSuchEntityException
	switch {
	case err == nil:
		body.Custom = true
		body.Policy = policyFields(out.PasswordPolicy)
	case errors.As(err, &none):
		body.Policy = policyFields(&iamtypes.PasswordPolicy{MinimumPasswordLength: aws.Int32(8), AllowUsersToChangePassword: true})
	default:
		body.Problem = v.ProblemOf(err)
	}
	rules, err := lanyard.Call[lanyard.GetSignInRulesOutput](ctx, api.Lanyard, &lanyard.GetSignInRulesInput{})
	if err == nil {
		body.Rules, body.Since = ruleFields(rules.Rules), aws.ToTime(rules.Rules.Since)
	} else {
		missing := &parts{v: v, found: map[string]*part{}}
		missing.note("rules", err)
		body.NoRules = missing.found["rules"]
	}
	body.Notify = c.notifications(v)
	body.Now = v.Now
	if refused != nil { // what was typed stays
		switch v.Request.URL.Path {
		case "/settings/password-policy":
			v.typedInto(body.Policy)
		case "/settings/sign-in":
			v.typedInto(body.Rules)
		case "/settings/notifications":
			v.typedInto(body.Notify.Fields)
		case "/settings/alias":
			body.Alias.Value = v.Form("alias")
		}
	}
	page := Page{Title: "Settings", Body: body, CLI: []Command{
		CLI("aws", "iam", "get-account-password-policy"),
		CLI("aws", "iam", "update-account-password-policy", "--minimum-password-length", "15", "--allow-users-to-change-password"),
		CLI("aws", "iam", "create-account-alias", "--account-alias", "example"),
		{Comment: "On the host of the server: a copy of all data", Line: CLI("lanyard", "backup", "/var/backups/lanyard").Line},
	}}
	if refused != nil {
		page.Status = http.StatusUnprocessableEntity
	}
	return v.Render("settings", page)
}

// typedInto puts what was typed into the fields of a form.
func (v *Visit) typedInto(fields []Field) {
	for i := range fields {
		f := &fields[i]
		if text := v.Form(f.Name); f.Type == "checkbox" {
			f.Checked = text != ""
		} else {
			f.Value = text
		}
	}
}

func policyFields(p *iamtypes.PasswordPolicy) []Field {
	number := func(n *int32) string {
		if aws.ToInt32(n) == 0 {
			return ""
		}
		return strconv.Itoa(int(*n))
	}
	check := func(name, label string, on bool) Field {
		return Field{Name: name, Label: label, Type: "checkbox", Checked: on}
	}
	return []Field{
		{Name: "length", Label: "Minimum length", Type: "number", Value: number(p.MinimumPasswordLength), Hint: "6 to 128. Length protects more than kinds of characters do: 15 or more for passwords without MFA."},
		check("upper", "At least one upper-case letter", p.RequireUppercaseCharacters),
		check("lower", "At least one lower-case letter", p.RequireLowercaseCharacters),
		check("numbers", "At least one number", p.RequireNumbers),
		check("symbols", "At least one symbol", p.RequireSymbols),
		{Name: "age", Label: "Days until a password expires", Type: "number", Value: number(p.MaxPasswordAge), Optional: true, Hint: "1 to 1095; empty: never. People who have to change passwords choose weaker ones."},
		check("hard", "An administrator has to reset a password that has expired", aws.ToBool(p.HardExpiry)),
		{Name: "reuse", Label: "Earlier passwords that cannot be used again", Type: "number", Value: number(p.PasswordReusePrevention), Optional: true, Hint: "1 to 24; empty: none"},
		check("change", "Users may change their own password", p.AllowUsersToChangePassword),
	}
}

// ruleFields are the account's rules for signing in.
func ruleFields(r *lanyard.SignInRules) []Field {
	days := func(n *int32) string { return strconv.Itoa(int(aws.ToInt32(n))) }
	return []Field{
		{Name: "mfa", Label: "Everybody who signs in with a password needs an MFA device", Type: "checkbox", Checked: aws.ToBool(r.MFARequired),
			Hint: "Who has none is led through setting one up at the next sign-in. Root always is."},
		{Name: "grace", Label: "Days of grace before a device is needed", Type: "number", Value: days(r.GraceDays), Hint: "0 to 90, counted from when MFA was first required, or from when the user was given a password."},
		{Name: "remember", Label: "Days for which a browser is remembered", Type: "number", Value: days(r.RememberDays), Hint: "0 to 90. In a browser that is remembered, no second factor is asked for. 0: it is asked for at every sign-in. Root is always asked."},
	}
}

func (c *Console) setSignInRules(v *Visit) error {
	if err := v.StepUp("/settings"); err != nil {
		return err
	}
	on := v.Form("mfa") != ""
	in := &lanyard.PutSignInRulesInput{MFARequired: &on}
	for name, to := range map[string]**int32{"grace": &in.GraceDays, "remember": &in.RememberDays} {
		n, err := strconv.ParseInt(v.Form(name), 10, 32)
		if err != nil || n < 0 || n > 90 {
			return c.settingsForm(v, &Problem{Status: http.StatusUnprocessableEntity, Title: "The rules for signing in were not changed", Why: "Days are a whole number from 0 to 90.", Do: []Step{{Text: "Correct it and save again."}}})
		}
		*to = aws.Int32(int32(n))
	}
	if _, err := lanyard.Call[lanyard.PutSignInRulesOutput](v.Request.Context(), v.API().Lanyard, in); err != nil {
		return c.settingsForm(v, err)
	}
	v.Flash(Good, "The rules for signing in were changed.")
	return v.Redirect("/settings")
}

func (c *Console) setPasswordPolicy(v *Visit) error {
	if err := v.StepUp("/settings"); err != nil {
		return err
	}
	var faults []string
	number := func(name, label string) *int32 {
		text := v.Form(name)
		if text == "" {
			return nil
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			faults = append(faults, label+" is a whole number.")
			return nil
		}
		return aws.Int32(int32(n))
	}
	on := func(name string) bool { return v.Form(name) != "" }
	in := &iam.UpdateAccountPasswordPolicyInput{
		MinimumPasswordLength: number("length", "The minimum length"), RequireUppercaseCharacters: on("upper"), RequireLowercaseCharacters: on("lower"),
		RequireNumbers: on("numbers"), RequireSymbols: on("symbols"), MaxPasswordAge: number("age", "The number of days"),
		PasswordReusePrevention: number("reuse", "The number of earlier passwords"), AllowUsersToChangePassword: on("change"),
	}
	if on("hard") {
		in.HardExpiry = aws.Bool(true)
	}
	if len(faults) > 0 {
		return c.settingsForm(v, &Problem{Status: http.StatusUnprocessableEntity, Title: "The password policy was not changed", Why: strings.Join(faults, " "), Do: []Step{{Text: "Correct it and save again."}}})
	}
	if _, err := v.API().IAM.UpdateAccountPasswordPolicy(v.Request.Context(), in); err != nil {
		return c.settingsForm(v, err)
	}
	v.Flash(Good, "The password policy was changed. It holds for the next password that is set.")
	return v.Redirect("/settings")
}

func (c *Console) deletePasswordPolicy(v *Visit) error {
	if err := v.StepUp("/settings"); err != nil {
		return err
	}
	if _, err := v.API().IAM.DeleteAccountPasswordPolicy(v.Request.Context(), &iam.DeleteAccountPasswordPolicyInput{}); err != nil {
		return c.settingsForm(v, err)
	}
	v.Flash(Good, "The account uses the default password policy.")
	return v.Redirect("/settings")
}

// setAlias changes the account's alias: AWS's API replaces one by creating another.
func (c *Console) setAlias(v *Visit) error {
	ctx, api, alias := v.Request.Context(), v.API(), v.Form("alias")
	if alias == v.Person.Alias {
		return v.Redirect("/settings")
	}
	if alias == "" {
		if _, err := api.IAM.DeleteAccountAlias(ctx, &iam.DeleteAccountAliasInput{AccountAlias: &v.Person.Alias}); err != nil {
			return c.settingsForm(v, err)
		}
		v.Flash(Good, "The account has no alias any more.")
		return v.Redirect("/settings")
	}
	if _, err := api.IAM.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: &alias}); err != nil {
		return c.settingsForm(v, err)
	}
	v.Flash(Good, "The account is called "+alias+".")
	return v.Redirect("/settings")
}
