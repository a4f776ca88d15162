package console

import (
	"context"
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/internal/paging"
)

type searchPage struct {
	Query  string
	Found  []found
	More   bool     // there is more than is shown
	Closed []string // what the person may not list
}

// found is one thing whose name, ARN or id matches.
type found struct{ Kind, Name, ARN, ID, Path string }

// maxFound is how many results one page shows. Who needs more, types more.
const maxFound = 100

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
	for _, list := range searchLists {
		found, err := list.list(v.Request.Context(), v.API().IAM)
		if err != nil && problemOf(err).Code == "AccessDenied" {
			page.Closed = append(page.Closed, list.noun)
			continue
		}
		if err != nil {
			return err
		}
		for _, f := range found {
			if f.matches(page.Query) {
				page.Found = append(page.Found, f)
			}
		}
	}
	if len(page.Found) == 1 && len(page.Closed) == 0 {
		return v.Redirect(page.Found[0].Path)
	}
	if page.More = len(page.Found) > maxFound; page.More {
		page.Found = page.Found[:maxFound]
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

// matches reports whether the name or the ARN contains the query, or the unique id is it.
func (f found) matches(query string) bool {
	query = strings.ToLower(query)
	return strings.Contains(strings.ToLower(f.Name), query) || strings.Contains(strings.ToLower(f.ARN), query) || strings.EqualFold(f.ID, query)
}

// searchLists are where a search looks.
var searchLists = []struct {
	noun string
	list func(context.Context, *iam.Client) ([]found, error)
}{
	{"users", func(ctx context.Context, client *iam.Client) (all []found, err error) {
		for pages := paging.Of(client.ListUsers, &iam.ListUsersInput{MaxItems: aws.Int32(1000)}); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, u := range page.Users {
				all = append(all, found{"User", *u.UserName, *u.Arn, *u.UserId, "/users/" + url.PathEscape(*u.UserName)})
			}
		}
		return all, nil
	}},
	{"groups", func(ctx context.Context, client *iam.Client) (all []found, err error) {
		for pages := paging.Of(client.ListGroups, &iam.ListGroupsInput{MaxItems: aws.Int32(1000)}); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, g := range page.Groups {
				all = append(all, found{"Group", *g.GroupName, *g.Arn, *g.GroupId, "/groups/" + url.PathEscape(*g.GroupName)})
			}
		}
		return all, nil
	}},
	{"roles", func(ctx context.Context, client *iam.Client) (all []found, err error) {
		for pages := paging.Of(client.ListRoles, &iam.ListRolesInput{MaxItems: aws.Int32(1000)}); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, r := range page.Roles {
				all = append(all, found{"Role", *r.RoleName, *r.Arn, *r.RoleId, "/roles/" + url.PathEscape(*r.RoleName)})
			}
		}
		return all, nil
	}},
	{"policies", func(ctx context.Context, client *iam.Client) (all []found, err error) {
		for pages := paging.Of(client.ListPolicies, &iam.ListPoliciesInput{MaxItems: aws.Int32(1000)}); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, p := range page.Policies {
				all = append(all, found{"Policy", *p.PolicyName, *p.Arn, *p.PolicyId, managedPath(*p.Arn)})
			}
		}
		return all, nil
	}},
}
