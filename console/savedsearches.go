package console

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// A search of the event history that a person saved is a state of theirs, under the digest of
// its name: two who save at once, in two tabs, do not undo each other. What is kept is the
// filter as it stands in an address, so that a search of the last seven days stays one.
const (
	searchPrefix  = "events/"
	mostSearches  = 20
	maxSearchName = 80 // characters
)

// savedSearch is one of them.
type savedSearch struct {
	Name, Path string
	ID         string // of its state
	Current    bool
	query      string
}

// keptSearch is the state's value.
type keptSearch struct {
	Name  string `json:"name"`
	Query string `json:"query"`
}

// saveSearch is the form that saves the present filter.
type saveSearch struct {
	Name   Field
	Hidden []Option
}

// searchOf is a filter as it stands in an address: of the form's fields those that say
// something.
func searchOf(fields []Field, columns []string) url.Values {
	q := url.Values{}
	for _, f := range fields {
		if f.Value != "" {
			q.Set(f.Name, f.Value)
		}
	}
	if !q.Has("by") {
		q.Set("by", "") // all events: no word at all would be changes alone
	}
	for _, c := range eventColumns {
		if slices.Contains(columns, c.Value) {
			q.Add("column", c.Value)
		}
	}
	return q
}

func newSaveSearch(query url.Values, name string) *saveSearch {
	form := &saveSearch{Name: Field{Name: "name", Label: "Save this search as", Value: name, MaxLength: maxSearchName, Autocomplete: "off"}}
	for _, name := range []string{"by", "value", "last", "since", "until", "column"} {
		for _, value := range query[name] {
			form.Hidden = append(form.Hidden, Option{Value: name, Text: value})
		}
	}
	return form
}

// searchID is where the search of a name is kept, which does not mind case.
func searchID(name string) string {
	digest := sha256.Sum256([]byte(strings.ToLower(name)))
	return searchPrefix + hex.EncodeToString(digest[:16])
}

// savedSearches are the person's, by name.
func (v *Visit) savedSearches() ([]savedSearch, error) {
	out, err := lanyard.Call[lanyard.ListStatesOutput](v.Request.Context(), v.API().Lanyard, &lanyard.ListStatesInput{Prefix: aws.String(searchPrefix)})
	if err != nil {
		return nil, err
	}
	var all []savedSearch
	for _, s := range out.States {
		var kept keptSearch
		if err := json.Unmarshal([]byte(aws.ToString(s.Value)), &kept); err != nil {
			return nil, fmt.Errorf("read the saved search %s: %w", aws.ToString(s.Name), err)
		}
		// The person can have put any value there: an address is made of what it says.
		q, err := url.ParseQuery(kept.Query)
		if err != nil || kept.Name == "" {
			continue
		}
		_, fields := eventFilterOf(q, v.Now)
		query := searchOf(fields, q["column"]).Encode()
		all = append(all, savedSearch{Name: kept.Name, ID: aws.ToString(s.Name), Path: "/events?" + query, query: query})
	}
	slices.SortFunc(all, func(a, b savedSearch) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return all, nil
}

// replaceSearchPage asks whether a search of the same name is to be replaced.
type replaceSearchPage struct {
	Form *saveSearch
	Is   savedSearch
}

// saveSearch keeps the filter of the form under its name, and asks before it replaces one.
func (c *Console) saveSearch(v *Visit) error {
	wrong := func(title, why string, do ...Step) error {
		return &Problem{Status: http.StatusUnprocessableEntity, Title: title, Why: why, Do: append(do, Step{"Go back to the event history.", "/events"})}
	}
	name := strings.Join(strings.Fields(v.Form("name")), " ")
	if n := utf8.RuneCountInString(name); n == 0 || n > maxSearchName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return wrong("The search needs a name", fmt.Sprintf("It has at most %d characters that can be seen.", maxSearchName))
	}
	_, fields := eventFilterOf(v.Request.PostForm, v.Now)
	for _, f := range fields {
		if f.Error != "" {
			return wrong("The filter is not complete", f.Label+": "+f.Error)
		}
	}
	query := searchOf(fields, v.Request.PostForm["column"])
	all, err := v.savedSearches()
	if err != nil {
		return err
	}
	id := searchID(name)
	switch is := slices.IndexFunc(all, func(s savedSearch) bool { return s.ID == id }); {
	case is >= 0 && all[is].query != query.Encode() && v.Form("replace") == "":
		return v.Render("replacesearch", Page{
			Title: "Replace the saved search?", Crumbs: []Crumb{{"Event history", "/events"}}, Status: http.StatusConflict,
			Body: replaceSearchPage{Form: newSaveSearch(query, name), Is: all[is]},
		})
	case is < 0 && len(all) >= mostSearches:
		return wrong(fmt.Sprintf("There are %d saved searches", len(all)), "That is as many as are kept for a person. Remove one first.")
	}
	text, err := json.Marshal(keptSearch{Name: name, Query: query.Encode()})
	if err != nil {
		return fmt.Errorf("write the search: %w", err)
	}
	if _, err := lanyard.Call[lanyard.PutStateOutput](v.Request.Context(), v.API().Lanyard, &lanyard.PutStateInput{Name: &id, Value: aws.String(string(text))}); err != nil {
		return err
	}
	v.Flash(Good, "The search "+name+" is saved.")
	return v.Redirect("/events?" + query.Encode())
}

// removeSearch forgets a search.
func (c *Console) removeSearch(v *Visit) error {
	all, err := v.savedSearches()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(s savedSearch) bool { return s.ID == v.Form("id") })
	if i < 0 { // removed already, in another tab
		return v.Redirect("/events")
	}
	if _, err := lanyard.Call[lanyard.DeleteStateOutput](v.Request.Context(), v.API().Lanyard, &lanyard.DeleteStateInput{Name: &all[i].ID}); err != nil {
		return err
	}
	v.Flash(Good, "The search "+all[i].Name+" is removed.")
	return v.Redirect("/events")
}
