package advisor

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lanyard-iam/lanyard/policy"
)

// Section is a part of a plan as people read it: a table.
type Section struct {
	ID    string
	Title string
	// Text says what the table is. Where there is nothing, Empty says what that means.
	Text, Empty string
	Head        []string
	Rows        [][]Cell
}

// Cell is a value of a table.
type Cell struct {
	Text string
	Page string // what it is about, if it has a page
	// Alert marks what should not be so.
	Alert bool
}

func cell(text string) Cell { return Cell{Text: text} }

func listed(list []string, none string) Cell {
	if len(list) == 0 {
		return cell(none)
	}
	return cell(strings.Join(list, ", "))
}

// Sections are the plan's tables, in the order in which they are read.
func (p *Plan) Sections() []Section {
	return []Section{p.rootSection(), p.peopleSection("break-glass", "Break-glass", "Who comes in when nothing else works: users with the tag "+BreakGlassTag+".", "Nobody is tagged "+BreakGlassTag+": only root is left in an emergency.", p.BreakGlass),
		p.peopleSection("people", "People", "Users with a password, an MFA device, or nothing yet.", "There are no people here.", p.People),
		p.groupSection(), p.roleSection(), p.workloadSection(), p.federationSection(), p.findingSection(), p.Recommended()}
}

func (p *Plan) rootSection() Section {
	r := &p.Root
	s := Section{ID: "root", Title: "Root user", Text: "Root may do everything, and no policy restrains it.", Head: []string{"What", "State"}}
	row := func(what, state string, alert bool) {
		s.Rows = append(s.Rows, []Cell{cell(what), {Text: state, Page: r.Page, Alert: alert}})
	}
	if r.Email != "" {
		row("E-mail", r.Email, false)
	}
	state := "none"
	if r.MFA {
		state = "yes"
		if len(r.Factors) > 0 {
			state = strings.Join(r.Factors, ", ")
		}
	}
	row("MFA", state, !r.MFA)
	switch {
	case !r.PasswordChanged.IsZero():
		row("Password", "changed "+dayOf(r.PasswordChanged)+", last used "+dayOf(r.PasswordUsed), false)
	case !r.PasswordUsed.IsZero():
		row("Password", "last used "+dayOf(r.PasswordUsed), false)
	}
	row("Access keys", fmt.Sprint(r.AccessKeys), r.AccessKeys > 0)
	used := dayOf(r.LastUsed)
	if r.LastUsed.IsZero() {
		used = "not in the last " + days(RecentRoot)
	}
	row("Last used", used, false)
	return s
}

func (p *Plan) peopleSection(id, title, text, empty string, people []PlannedPerson) Section {
	s := Section{ID: id, Title: title, Text: text, Empty: empty, Head: []string{"Name", "May", "By", "Groups", "Assumes", "MFA", "Credentials", "Last used"}}
	for i := range people {
		u := &people[i]
		may := string(u.Level)
		if u.AtMost != u.Level {
			may += ", by a role " + string(u.AtMost)
		}
		factor := Cell{Text: "none", Alert: len(u.Credentials) > 0}
		if u.MFA {
			factor = listed(u.Factors, "yes")
		}
		s.Rows = append(s.Rows, []Cell{
			{Text: u.Name, Page: u.Page}, cell(may), listed(u.Policies, "no policy"), listed(u.Groups, "none"), listed(u.Roles, "none"), factor, p.credentials(u.Credentials), cell(dayOf(u.LastUsed)),
		})
	}
	return s
}

func (p *Plan) credentials(held []Credential) Cell {
	var list []string
	alert := false
	for i := range held {
		c := &held[i]
		text := c.Kind
		if c.ID != "" {
			text += " " + c.ID
		}
		if !c.Created.IsZero() {
			text += " of " + dayOf(c.Created)
		}
		if !c.Active {
			text += " (inactive)"
		} else if c.Kind == "access key" && p.At.Sub(c.Created) >= MaxKeyAge {
			alert = true
		}
		list = append(list, text)
	}
	out := listed(list, "none: cannot sign in")
	out.Alert = alert
	return out
}

func (p *Plan) groupSection() Section {
	s := Section{ID: "groups", Title: "Groups", Text: "What their members may do.", Empty: "There are no groups.", Head: []string{"Name", "May", "By", "Members"}}
	for i := range p.Groups {
		g := &p.Groups[i]
		s.Rows = append(s.Rows, []Cell{{Text: g.Name, Page: g.Page}, cell(string(g.Level)), listed(g.Policies, "no policy"), listed(g.Members, "nobody")})
	}
	return s
}

func (p *Plan) roleSection() Section {
	s := Section{
		ID: "roles", Title: "Roles", Text: "Whom they trust, and who of this account can assume them (with MFA, if that is asked for).", Empty: "There are no roles.",
		Head: []string{"Name", "May", "By", "Trusts", "People who can assume it", "Roles that can", "Last used"},
	}
	for i := range p.Roles {
		r := &p.Roles[i]
		var trusts []string
		anyone := false
		for j := range r.Trusts {
			trusts = append(trusts, r.Trusts[j].String())
			anyone = anyone || r.Trusts[j].Kind == "anyone" && r.Trusts[j].Only == ""
		}
		trust := listed(trusts, "nobody")
		trust.Alert = anyone
		s.Rows = append(s.Rows, []Cell{
			{Text: r.Name, Page: r.Page}, cell(string(r.Level)), listed(r.Policies, "no policy"), trust, listed(r.People, "nobody"), listed(r.FromRoles, "none"), cell(dayOf(r.LastUsed)),
		})
	}
	return s
}

func (p *Plan) workloadSection() Section {
	s := Section{
		ID: "workloads", Title: "Workloads", Text: "Programs: the roles that services and identity providers can assume, and users that have access keys only.", Empty: "No program has a way in of its own.",
		Head: []string{"Name", "Comes in by", "May", "By", "Credentials", "Last used"},
	}
	for i := range p.Workloads {
		w := &p.Workloads[i]
		by := listed(w.By, "")
		by.Alert = w.LongLived
		held := cell("temporary ones")
		if w.LongLived {
			held = p.credentials(w.Credentials)
		}
		s.Rows = append(s.Rows, []Cell{{Text: w.Name, Page: w.Page}, by, cell(string(w.Level)), listed(w.Policies, "no policy"), held, cell(dayOf(w.LastUsed))})
	}
	return s
}

func (p *Plan) federationSection() Section {
	s := Section{ID: "federation", Title: "Federation", Text: "Identity providers, whose people and programs come in by roles.", Empty: "There are no identity providers.", Head: []string{"Name", "Kind", "Ends", "Roles that trust it"}}
	for i := range p.Federation {
		f := &p.Federation[i]
		ends := cell("its keys are fetched")
		if !f.Expires.IsZero() {
			ends = Cell{Text: dayOf(f.Expires), Alert: f.Expires.Sub(p.At) <= expiresSoon}
		} else if f.Kind == "SAML" {
			ends = cell("not known")
		}
		s.Rows = append(s.Rows, []Cell{{Text: f.Name, Page: f.Page}, cell(f.Kind), ends, listed(f.Roles, "none")})
	}
	return s
}

func (p *Plan) findingSection() Section {
	s := Section{ID: "findings", Title: "Open findings", Text: fmt.Sprintf("Score %d of 100; %s suppressed.", p.Score, counted(len(p.Suppressed), "finding")), Empty: "Nothing unsafe was found.", Head: []string{"Severity", "Finding", "Where"}}
	for i := range p.Findings {
		f := &p.Findings[i]
		where := f.ARN
		if f.Key != "" {
			where += " " + f.Key
		}
		s.Rows = append(s.Rows, []Cell{{Text: f.Severity.String(), Alert: f.Severity == High}, {Text: f.ID + " " + f.Title, Page: FindingsPage + "#" + f.Ref}, {Text: where, Page: f.Page}})
	}
	return s
}

// RecommendationSection is the id of the section that depends on the day of review.
const RecommendationSection = "recommendations"

// Recommended is that section alone.
func (p *Plan) Recommended() Section {
	s := Section{ID: RecommendationSection, Title: "Recommendations", Text: "In this order.", Empty: "There is nothing to recommend.", Head: []string{"Do", "Why", "Command"}}
	for i := range p.Recommendations {
		r := &p.Recommendations[i]
		s.Rows = append(s.Rows, []Cell{{Text: r.Text, Page: r.Page}, cell(r.Why), cell(strings.Join(r.Commands, "\n"))})
	}
	return s
}

// reviewLine says when the plan is to be looked at again.
func (p *Plan) reviewLine() string {
	if p.Overdue {
		return "review was due on " + dayOf(p.Review)
	}
	return "next review " + dayOf(p.Review)
}

// WriteText writes the plan for a terminal, which names of others cannot steer.
func (p *Plan) WriteText(out io.Writer) error {
	w := new(strings.Builder)
	fmt.Fprintf(w, "Access plan of account %s, %s, %s\n", p.Account, p.At.Format(time.RFC3339), p.reviewLine())
	for _, s := range p.Sections() {
		fmt.Fprintf(w, "\n%s: %s\n", strings.ToUpper(s.Title), s.Text)
		if len(s.Rows) == 0 {
			fmt.Fprintf(w, "  %s\n", s.Empty)
		}
		for _, row := range s.Rows {
			switch s.ID {
			case "root":
				fmt.Fprintf(w, "  %s %-12s %s\n", flag(row), row[0].Text, row[1].Text)
				continue
			case "findings":
				fmt.Fprintf(w, "  %s %-7s %s\n            %s\n", flag(row), row[0].Text, row[1].Text, row[2].Text)
				continue
			}
			fmt.Fprintf(w, "  %s %s\n", flag(row), row[0].Text)
			for i, c := range row[1:] {
				for j, line := range strings.Split(c.Text, "\n") {
					if line == "" {
						continue
					}
					name := ""
					if j == 0 {
						name = strings.ToLower(s.Head[i+1])
					}
					fmt.Fprintf(w, "      %-24s %s\n", name, line)
				}
			}
		}
	}
	if len(p.Notes) > 0 {
		fmt.Fprintln(w)
	}
	for _, note := range p.Notes {
		fmt.Fprintf(w, "Note: %s.\n", note)
	}
	_, err := io.WriteString(out, policy.Printable(w.String()))
	return err
}

// flag marks a row in which something should not be so.
func flag(row []Cell) string {
	for i := range row {
		if row[i].Alert {
			return "!"
		}
	}
	return " "
}

// WriteMarkdown writes the plan to be printed and signed.
func (p *Plan) WriteMarkdown(out io.Writer) error {
	w := new(strings.Builder)
	fmt.Fprintf(w, "# Access plan of account %s\n\nAs of %s; %s.\n", p.Account, p.At.Format(time.RFC3339), p.reviewLine())
	for _, s := range p.Sections() {
		fmt.Fprintf(w, "\n## %s\n\n%s\n\n", s.Title, plain(s.Text))
		if comment := p.Comments[s.ID]; comment != "" {
			fmt.Fprintf(w, "Note: %s\n\n", plain(comment))
		}
		if len(s.Rows) == 0 {
			fmt.Fprintf(w, "%s\n", plain(s.Empty))
			continue
		}
		fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(s.Head, " | "), strings.Repeat(" --- |", len(s.Head)))
		for _, row := range s.Rows {
			fmt.Fprint(w, "|")
			for i, c := range row {
				text := plain(c.Text)
				if s.ID == "recommendations" && i == 2 && c.Text != "" {
					text = code(c.Text)
				}
				if c.Alert {
					text = "**" + text + "**"
				}
				fmt.Fprintf(w, " %s |", text)
			}
			fmt.Fprintln(w)
		}
	}
	if len(p.Notes) > 0 {
		fmt.Fprint(w, "\n## Notes\n\n")
	}
	for _, note := range p.Notes {
		fmt.Fprintf(w, "- %s.\n", plain(note))
	}
	fmt.Fprint(w, "\nReviewed by: ____________________    on: ____________________\n")
	_, err := io.WriteString(out, w.String())
	return err
}

// plain is a text of others as Markdown that means nothing but itself.
func plain(text string) string {
	var w strings.Builder
	for _, r := range policy.Printable(text) {
		if r == '\n' {
			w.WriteString("<br>")
			continue
		}
		if strings.ContainsRune("\\`*_{}[]<>()#!|~&", r) {
			w.WriteByte('\\')
		}
		w.WriteRune(r)
	}
	return w.String()
}

// code is text in a table's cell as it is typed. A bar would end the cell.
func code(text string) string {
	var lines []string
	for _, line := range strings.Split(policy.Printable(text), "\n") {
		lines = append(lines, "`"+strings.ReplaceAll(line, "|", `\|`)+"`")
	}
	return strings.Join(lines, "<br>")
}
