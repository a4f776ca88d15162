package console

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/lanyard-iam/lanyard/advisor"
)

// sectionRows is how many rows of a section are on a page of its own.
const sectionRows = 100

// sectionPage is one section of the plan, of which the plan's own page has the beginning.
type sectionPage struct {
	Look    lookLine
	Denied  *Denied
	Section advisor.Section // with the rows of this page
	Filter  Filter
	Pager   Pager
	Empty   *Empty
}

func sectionPath(id string, change url.Values) string {
	path := advisor.AccessPlanPage + "/sections/" + url.PathEscape(id)
	if text := change.Encode(); text != "" {
		path += "?" + text
	}
	return path
}

func (c *Console) showPlanSection(v *Visit) error {
	id := v.Request.PathValue("id")
	all := new(advisor.Plan).Sections()
	i := slices.IndexFunc(all, func(s advisor.Section) bool { return s.ID == id })
	if i < 0 {
		return errNoPage
	}
	body := sectionPage{Look: lookLine{Path: v.Request.URL.RequestURI()}, Section: all[i]}
	seen, err := v.survey()
	var ok bool
	if ok, body.Denied, err = v.seen(&body.Look, seen, err); err != nil {
		return err
	}
	if ok {
		v.fillSection(&body, &seen.sections[i])
	}
	if v.WantsFragment() {
		return v.Fragment("plansection", "look", body)
	}
	return v.Render("plansection", Page{
		Title: body.Section.Title, Lead: body.Section.Text, Nav: advisor.AccessPlanPage, Crumbs: []Crumb{{"Access plan", advisor.AccessPlanPage}},
		CLI: []Command{CLI("lanyard", "advise", "plan")}, Body: body,
	})
}

// fillSection has the rows in which the word of the filter is, of one page.
func (v *Visit) fillSection(p *sectionPage, s *advisor.Section) {
	p.Section = *s
	rows, word, change := s.Rows, strings.ToLower(v.Query("filter")), url.Values{}
	if word != "" {
		change.Set("filter", word)
		rows = nil
		for _, row := range s.Rows {
			if slices.ContainsFunc(row, func(c advisor.Cell) bool { return within(c.Text, word) }) {
				rows = append(rows, row)
			}
		}
	}
	p.Filter = Filter{Table: "plan", Label: "Find in " + strings.ToLower(s.Title), Value: word, Path: sectionPath(s.ID, nil), Count: len(rows), Noun: "row"}
	first, last, pager := v.rowsOf(len(rows), func() string { return sectionPath(s.ID, change) }, change)
	p.Pager = pager
	p.Section.Rows = rows[first:last]
	switch {
	case len(rows) > 0:
	case word != "":
		p.Empty = &Empty{Icon: "search", Title: "Nothing like that", Text: "No row has “" + word + "” in it.", Action: Step{"Show all", sectionPath(s.ID, nil)}}
	default:
		p.Empty = &Empty{Icon: "shield", Title: "Nothing here", Text: s.Empty, Action: Step{"Back to the plan", advisor.AccessPlanPage}}
	}
}

// rowsOf are which of n rows are on the page that is asked for. path is that of the change,
// which gets the number of the next page.
func (v *Visit) rowsOf(n int, path func() string, change url.Values) (first, last int, pager Pager) {
	page, _ := strconv.Atoi(v.Query("page")) // what is no number is the first
	page = max(1, min(page, (n+sectionRows-1)/sectionRows))
	first = (page - 1) * sectionRows
	last = min(first+sectionRows, n)
	if page > 1 {
		pager.First = path()
	}
	pager.Shown = fmt.Sprintf("Rows %d–%d of %d", first+1, last, n)
	if last < n {
		change.Set("page", strconv.Itoa(page+1))
		pager.Next = path()
	}
	return first, last, pager
}
