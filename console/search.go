package console

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/service/lanyard"
)

type searchPage struct {
	Query  string
	Found  []found
	More   bool     // there is more than is shown
	Closed []string // what the person may not list
}

// found is one thing whose name, ARN or id matches.
type found struct{ Kind, Name, ARN, Path string }

// maxFound is how many results one page shows. Who needs more, types more.
const maxFound = 100

// maxQuery is the longest query that FindEntities takes.
const maxQuery = 2048

// search finds what somebody types into the bar: an id leads to its page, anything else
// is looked for in names, ARNs and unique ids.
func (c *Console) search(v *Visit) error {
	page := searchPage{Query: v.Query("q")}
	if page.Query == "" {
		return v.Render("search", Page{Title: "Search", Body: page})
	}
	if path := pathOf(page.Query); path != "" {
		return v.Redirect(path)
	}
	if len(page.Query) > maxQuery { // no name or ARN is so long
		return v.Render("search", Page{Title: "Search", Body: page})
	}
	for _, kind := range searched {
		out, err := lanyard.Call[lanyard.FindEntitiesOutput](v.Request.Context(), v.API().Lanyard, &lanyard.FindEntitiesInput{Type: aws.String(kind.name), Query: &page.Query})
		if err != nil && strings.HasPrefix(problemOf(err).Code, "AccessDenied") {
			page.Closed = append(page.Closed, kind.noun)
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range out.Entities {
			page.Found = append(page.Found, found{kind.name, *e.Name, *e.Arn, kind.path(&e)})
		}
		page.More = page.More || out.IsTruncated
	}
	if len(page.Found) == 1 && len(page.Closed) == 0 {
		return v.Redirect(page.Found[0].Path)
	}
	if len(page.Found) > maxFound {
		page.Found, page.More = page.Found[:maxFound], true
	}
	return v.Render("search", Page{Title: "Search", Body: page})
}

var requestID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// pathOf is the page of what can only be one thing: a request id, an access key id, the
// ARN of something that has a page.
func pathOf(query string) string {
	if id := strings.ToLower(query); requestID.MatchString(id) {
		return "/why/" + id
	}
	if id := strings.ToUpper(query); arn.IsAccessKey(id) {
		return "/access-keys/" + id
	}
	a, err := arn.Parse(query)
	if err != nil || a.Service != "iam" {
		return ""
	}
	switch kind, _, name := a.Split(); kind {
	case "user", "group", "role":
		return "/" + kind + "s/" + url.PathEscape(name)
	case "policy":
		return managedPath(query)
	}
	return ""
}

// searched is what a search looks for.
var searched = []struct {
	name, noun string
	path       func(*lanyard.FoundEntity) string
}{
	{"User", "users", func(e *lanyard.FoundEntity) string { return "/users/" + url.PathEscape(*e.Name) }},
	{"Group", "groups", func(e *lanyard.FoundEntity) string { return "/groups/" + url.PathEscape(*e.Name) }},
	{"Role", "roles", func(e *lanyard.FoundEntity) string { return "/roles/" + url.PathEscape(*e.Name) }},
	{"Policy", "policies", func(e *lanyard.FoundEntity) string { return managedPath(*e.Arn) }},
}
