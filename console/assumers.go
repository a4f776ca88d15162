package console

import (
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/advisor"
)

// assumersView is who can assume a role. Template "assumers" draws it.
type assumersView struct {
	Look   lookLine
	Denied *Denied
	All    int // how many they are, of whom Can can, whatever else is decided
	Can    int
	Word   string // they are found by
	Filter Filter
	Rows   []assumerRow // of this page
	Pager  Pager
}

// Rest are how many may, if a condition holds.
func (a *assumersView) Rest() int { return a.All - a.Can }

// assumerRow is somebody who can assume a role.
type assumerRow struct{ advisor.Assumer }

// Who names them in a sentence.
func (a assumerRow) Who() string {
	switch a.Kind {
	case "anyone":
		return "Anyone, in any account"
	case "account":
		return "Whoever the account " + a.Name + " lets"
	case "service":
		return a.Name
	case "oidc":
		return "Tokens of " + a.Name
	case "saml":
		return "Assertions of " + a.Name
	}
	return a.Name
}

// Sort is what they are.
func (a assumerRow) Sort() string {
	switch a.Kind {
	case "anyone", "account":
		return "Other account"
	case "oidc", "saml":
		return "Federated"
	}
	return strings.ToUpper(a.Kind[:1]) + a.Kind[1:]
}

// State is whether they can.
func (a assumerRow) State() State {
	switch {
	case a.Kind == "anyone":
		return State{Warning, "May"}
	case a.When == "" && !a.Foreign:
		return State{Good, "Can"}
	}
	return State{Info, "May"}
}

// If is what decides.
func (a assumerRow) If() string {
	when := a.When
	if a.Foreign {
		when = strings.TrimPrefix(when+" and if their own account allows it", " and ")
	}
	return when
}

// assumers is the tab of who can assume a role. That the person may still look is asked each
// time.
func (v *Visit) assumers(arn, tab string) (*assumersView, error) {
	shown := &assumersView{Look: lookLine{Path: v.Request.URL.RequestURI()}, Word: v.Query("filter")}
	key := surveyKey{what: forAssumers, account: v.Person.Account, session: v.Person.looks(), subject: arn}
	_, err := v.API().IAM.GetAccountAuthorizationDetails(v.Request.Context(), &iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(1)})
	var last *view
	switch {
	case err == nil:
		last, err = v.console.surveys.of(v.looker(), key)
	case refused(err):
		v.console.surveys.forget(key.account, key.session)
	}
	var ok bool
	if ok, shown.Denied, err = v.seen(&shown.Look, last, err); !ok {
		return shown, err
	}
	change, word := url.Values{"tab": {"assumers"}}, strings.ToLower(shown.Word)
	if word != "" {
		change.Set("filter", shown.Word)
	}
	var rows []assumerRow
	for _, a := range last.assumers {
		row := assumerRow{a}
		if shown.All++; row.State().Kind == Good {
			shown.Can++
		}
		if slices.ContainsFunc([]string{row.Who(), row.Sort(), a.When, a.Trust, a.By}, func(text string) bool { return within(text, word) }) {
			rows = append(rows, row)
		}
	}
	first, end, pager := v.rowsOf(len(rows), func() string { return v.Request.URL.Path + "?" + change.Encode() }, change)
	shown.Rows, shown.Pager = rows[first:end], pager
	shown.Filter = Filter{Table: "assumers", Label: "Find who can assume it", Value: shown.Word, Path: tab, Count: len(rows), Noun: "row", Hidden: []Option{{Value: "tab", Text: "assumers"}}}
	return shown, nil
}

// principalOf is the ARN of some user of the account of a role.
func principalOf(role string) string {
	account, _, _ := strings.Cut(role, ":role/")
	return account + ":user/alice"
}
