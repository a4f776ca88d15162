package console

import (
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/advisor"
)

func (c *Console) homeRoutes() []Route {
	return []Route{{Pattern: "GET /{$}", Handle: c.showHome}}
}

// How much of each there is on the home page.
const (
	homeFindings = 5
	homeSignIns  = 6
	homeDenials  = 6
	homeChanges  = 6
)

type homePage struct {
	Now time.Time

	Look     lookLine
	Review   *Denied // no findings may be seen
	Ring     Chart
	Counts   []severityCount
	Findings []shownFinding
	More     int
	Keys     *Chart

	TrailLook   lookLine
	TrailDenied *Denied
	SignIns     []eventRow
	Changes     []eventRow
	Denials     []denialRow
	MoreDenials bool

	Facts      []Pair
	Checklists []checklistCard
}

// showHome asks for all parts at once. A part that the person may not see says so, and the
// others are there.
func (c *Console) showHome(v *Visit) error {
	body := homePage{Now: v.Now}
	err := together(
		func() error { return v.homeReview(&body) },
		func() error { return v.homeTrail(&body) },
		func() error { return v.homeFacts(&body) },
		func() error { return v.homeChecklists(&body) },
	)
	if err != nil {
		return err
	}
	// One line says of when the page is, and asks again for all of it.
	body.Look.Refreshing = body.Look.Refreshing || body.TrailLook.Refreshing
	if v.WantsFragment() {
		return v.Fragment("home", "look", body)
	}
	return v.Render("home", Page{
		Title: "Home", Nav: "/",
		CLI: []Command{
			{Comment: "The score and the findings", Line: "lanyard advise"},
			CLI("aws", "cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=ConsoleLogin", "--max-items", "10"),
			CLI("aws", "iam", "get-account-summary"),
		},
		Body: body,
	})
}

func (v *Visit) homeReview(p *homePage) error {
	seen, line, denied, err := v.report()
	p.Look, p.Review = line, denied
	if err != nil || seen == nil {
		return err
	}
	r := seen.report
	p.Ring, p.Counts = Ring("Safety score", r.Score), severityCounts(r)
	for i := range r.Findings[:min(len(r.Findings), homeFindings)] {
		p.Findings = append(p.Findings, showFinding(&r.Findings[i]))
	}
	p.More = len(r.Findings) - len(p.Findings)
	total := 0
	for _, age := range seen.keyAges {
		total += age.Value
	}
	if total > 0 {
		keys := Histogram("Access keys by age", "Age", "Active keys", seen.keyAges)
		p.Keys = &keys
	}
	return nil
}

func (v *Visit) homeTrail(p *homePage) error {
	probe, err := v.API().CloudTrail.LookupEvents(v.Request.Context(), &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(1)})
	if refused(err) {
		p.TrailDenied = v.deniedOf(err)
		return nil
	}
	if err != nil || probe == nil {
		return err
	}
	seen, err := v.console.surveys.of(v.looker(), surveyKey{account: v.Person.Account, session: v.Person.looks(), what: forTrail})
	if errors.Is(err, errLooking) {
		p.TrailLook.Refreshing = true
		return nil
	}
	if err != nil {
		return err
	}
	p.TrailLook = lookLine{At: seen.began, Refreshing: seen.Refreshing}
	for i := range seen.trail.signIns {
		p.SignIns = append(p.SignIns, eventOf(&seen.trail.signIns[i]))
	}
	for i := range seen.trail.changes {
		e := &seen.trail.changes[i]
		row := eventOf(e)
		row.Resources = ""
		for _, r := range e.Resources {
			if row.Resources == "" && aws.ToString(r.ResourceType) != "AWS::IAM::AccessKey" {
				row.Resources = shortName(aws.ToString(r.ResourceName))
			}
		}
		p.Changes = append(p.Changes, row)
	}
	for i := range seen.trail.denials {
		row := denialOf(&seen.trail.denials[i])
		if v.Now.Sub(row.At) > day {
			continue // since it was looked
		}
		row.Who, row.Resource = shortName(row.Who), shortName(row.Resource)
		p.Denials = append(p.Denials, row)
	}
	p.MoreDenials = seen.trail.moreDenials
	return nil
}

func (v *Visit) homeFacts(p *homePage) error {
	p.Facts = []Pair{{Key: "Account", Value: v.Person.Digits(), Copy: false, Mono: true}, {Key: "Alias", Value: v.Person.Alias, Path: advisor.SettingsPage}, {Key: "Region", Value: v.console.config.Region, Mono: true}}
	if v.Person.Alias == "" {
		p.Facts[1].Value = "none yet"
	}
	out, err := v.API().IAM.GetAccountSummary(v.Request.Context(), &iam.GetAccountSummaryInput{})
	if refused(err) {
		return nil // the rest says enough
	}
	if err != nil {
		return err
	}
	root := State{Bad, "No MFA"}
	if out.SummaryMap["AccountMFAEnabled"] > 0 {
		root = State{Good, "MFA"}
	}
	p.Facts = append(p.Facts, Pair{Key: "Root user", State: &root})
	for _, entry := range []struct{ key, noun, path string }{{"Users", "user", advisor.UsersPage}, {"Groups", "group", "/groups"}, {"Roles", "role", "/roles"}, {"Policies", "policy", "/policies"}} {
		p.Facts = append(p.Facts, Pair{Key: entry.key, Value: fmt.Sprint(out.SummaryMap[entry.key]), Path: entry.path})
	}
	return nil
}

func (v *Visit) homeChecklists(p *homePage) error {
	kept, err := v.progresses(v.Request.Context())
	if err != nil {
		return err
	}
	p.Checklists = checklistCards(kept, func(s advisor.Subject) bool { return s != advisor.AboutKey })
	for i := range kept { // and the keys that are being worked on
		info, ok := advisor.ChecklistNamed(kept[i].List)
		if ok && info.Subject == advisor.AboutKey && kept[i].Done < kept[i].Steps && len(p.Checklists) < 5 {
			card := checklistCard{ChecklistInfo: info, State: kept[i].state(), Path: checklistPath(&info, kept[i].Subject)}
			card.Title += " " + kept[i].Subject
			p.Checklists = append(p.Checklists, card)
		}
	}
	return nil
}
