package console

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// groupRoutes are the pages of user groups.
func (c *Console) groupRoutes() []Route {
	return []Route{
		{Pattern: "GET /groups", Handle: c.showGroups},
		{Pattern: "POST /groups", Handle: c.createGroup},
		{Pattern: "GET /groups/{name}", Handle: c.showGroup},
		{Pattern: "POST /groups/{name}/rename", Handle: c.renameGroup},
		{Pattern: "POST /groups/{name}/delete", Handle: c.deleteGroup},
		{Pattern: "POST /groups/{name}/members", Handle: c.addMember},
		{Pattern: "POST /groups/{name}/members/remove", Handle: c.removeMember},
		{Pattern: "POST /groups/{name}/policies", Handle: c.attachGroupPolicy},
		{Pattern: "POST /groups/{name}/policies/detach", Handle: c.detachGroupPolicy},
	}
}

type groupsPage struct {
	Now     time.Time
	Problem *Problem // what was refused
	Denied  *Problem // why there is no list
	Rows    []groupRow
	Filter  Filter
	Pager   Pager
	Empty   Empty
	Create  Confirm
}

type groupRow struct {
	Name, Path string
	Created    time.Time
}

func (c *Console) showGroups(v *Visit) error { return c.groupsForm(v, nil) }

func (c *Console) groupsForm(v *Visit, refused error) error {
	body := groupsPage{Now: v.Now,
		Empty: Empty{Icon: "users", Title: "No groups yet", Text: "A group gives its policies to all its members: change them in one place when a job changes.", Command: &Command{Line: "aws iam create-group --group-name developers"}},
		Create: Confirm{ID: "create", Open: "Create group", Title: "Create group", Text: "Members have the policies of the group beside their own.", Action: "/groups", Button: "Create group",
			Fields: []Field{{Name: "name", Label: "Group name", Autocomplete: "off", MaxLength: 128}, {Name: "path", Label: "Path", Optional: true, Placeholder: "/", Autocomplete: "off", MaxLength: 512}}}}
	in := &iam.ListGroupsInput{MaxItems: aws.Int32(shownUsers)}
	if marker := v.Query("marker"); marker != "" {
		in.Marker = &marker
	}
	out, err := v.API().IAM.ListGroups(v.Request.Context(), in)
	if err != nil {
		body.Denied = v.ProblemOf(err)
		out = &iam.ListGroupsOutput{}
	}
	for _, g := range out.Groups {
		body.Rows = append(body.Rows, groupRow{aws.ToString(g.GroupName), aws.ToString(g.Path), aws.ToTime(g.CreateDate)})
	}
	body.Filter = Filter{Table: "groups", Label: "Find groups on this page", Count: len(body.Rows), Noun: "group"}
	body.Pager = pagerOf(v, aws.ToString(out.Marker))
	page := Page{Title: "Groups", Lead: "A group gives its policies to its members.", CLI: []Command{CLI("aws", "iam", "list-groups")}, Body: &body}
	if refused != nil {
		body.Problem, page.Status = v.ProblemOf(refused), http.StatusUnprocessableEntity
	}
	return v.Render("groups", page)
}

func groupPath(name string) string { return "/groups/" + url.PathEscape(name) }

func (c *Console) createGroup(v *Visit) error {
	name := v.Form("name")
	in := &iam.CreateGroupInput{GroupName: &name}
	if path := v.Form("path"); path != "" {
		in.Path = &path
	}
	if _, err := v.API().IAM.CreateGroup(v.Request.Context(), in); err != nil {
		return c.groupsForm(v, err)
	}
	v.Flash(Good, "Group "+name+" was created.")
	return v.Redirect(groupPath(name))
}

// groupPage is one group.
type groupPage struct {
	Now      time.Time
	Name     string
	Path     string
	Could    string // where one sees what its members could do
	Summary  []Pair
	Problem  *Problem
	Parts    map[string]*part
	Members  []memberRow
	Pager    Pager
	Add      Field
	Policies []policyRow
	Attach   Field
	Rename   Confirm
	Delete   Confirm
}

type memberRow struct {
	Name, Path string
	Created    time.Time
	Remove     Confirm
}

func (c *Console) showGroup(v *Visit) error { return c.groupForm(v, nil) }

func (c *Console) groupForm(v *Visit, refused error) error {
	ctx, api, name := v.Request.Context(), v.API(), v.Request.PathValue("name")
	in := &iam.GetGroupInput{GroupName: &name, MaxItems: aws.Int32(shownUsers)}
	if marker := v.Query("marker"); marker != "" {
		in.Marker = &marker
	}
	out, err := api.IAM.GetGroup(ctx, in)
	if err != nil {
		if refused != nil {
			return refused
		}
		return err
	}
	body := groupPage{Now: v.Now, Name: aws.ToString(out.Group.GroupName), Could: couldDo("group/" + aws.ToString(out.Group.GroupName)), Path: groupPath(name), Parts: map[string]*part{}, Pager: pagerOf(v, aws.ToString(out.Marker)),
		Summary: []Pair{{Key: "ARN", Value: aws.ToString(out.Group.Arn), Mono: true, Copy: true}, {Key: "Unique id", Value: aws.ToString(out.Group.GroupId), Mono: true, Copy: true}, {Key: "Created", Value: written(v.Now, aws.ToTime(out.Group.CreateDate))}},
		Add:     Field{Name: "user", Label: "Add a user", Autocomplete: "off", MaxLength: 64},
		Attach:  policyField("policy", "Attach a policy", ""),
		Rename:  Confirm{ID: "rename", Open: "Rename", Title: "Rename " + name + "?", Text: "The ARN changes: policies that name it by ARN do not follow.", Action: groupPath(name) + "/rename", Button: "Rename", Fields: []Field{{Name: "new", Label: "New name", Value: name, Autocomplete: "off", MaxLength: 128}}},
		Delete:  Confirm{ID: "delete", Open: "Delete group", Title: "Delete " + name + "?", Text: "Its members stay, and lose what only the group allowed them. Inline policies of the group are deleted.", Action: groupPath(name) + "/delete", Button: "Delete group", Danger: true, Typed: name},
	}
	for _, u := range out.Users {
		member := aws.ToString(u.UserName)
		body.Members = append(body.Members, memberRow{Name: member, Path: userPath(member, ""), Created: aws.ToTime(u.CreateDate),
			Remove: Confirm{ID: "remove-" + member, Open: "Remove", Title: "Remove " + member + " from the group?", Text: "The user loses what only the group allowed.", Action: body.Path + "/members/remove", Hidden: []Option{{Value: "user", Text: member}}, Button: "Remove", Danger: true}})
	}
	c.groupPolicies(ctx, v, &body)
	page := Page{Title: body.Name, Crumbs: []Crumb{{"Groups", "/groups"}}, CLI: []Command{
		CLI("aws", "iam", "get-group", "--group-name", name),
		CLI("aws", "iam", "attach-group-policy", "--group-name", name, "--policy-arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
	}, Body: &body}
	if refused != nil {
		body.Problem, page.Status = v.ProblemOf(refused), http.StatusUnprocessableEntity
	}
	return v.Render("group", page)
}

func (c *Console) groupPolicies(ctx context.Context, v *Visit, body *groupPage) {
	api := v.API()
	missing := &parts{v: v, found: body.Parts}
	var attached, inline []policyRow
	atOnce(func() {
		out, err := api.IAM.ListAttachedGroupPolicies(ctx, &iam.ListAttachedGroupPoliciesInput{GroupName: &body.Name, MaxItems: aws.Int32(100)})
		if missing.note("policies", err); err != nil {
			return
		}
		for _, p := range out.AttachedPolicies {
			row := managedRow(p)
			row.Remove = detachConfirm("detach-"+row.Name, row, body.Path+"/policies/detach")
			attached = append(attached, row)
		}
	}, func() {
		out, err := api.IAM.ListGroupPolicies(ctx, &iam.ListGroupPoliciesInput{GroupName: &body.Name, MaxItems: aws.Int32(100)})
		if missing.note("policies", err); err != nil {
			return
		}
		for _, name := range out.PolicyNames {
			inline = append(inline, inlineRow(body.Path, name))
		}
	})
	body.Policies = append(attached, inline...)
}

// changed ends a change to a group.
func (c *Console) changedGroup(v *Visit, done string, err error) error {
	if err != nil {
		return c.groupForm(v, err)
	}
	v.Flash(Good, done)
	return v.Redirect(groupPath(v.Request.PathValue("name")))
}

func (c *Console) renameGroup(v *Visit) error {
	name, to := v.Request.PathValue("name"), v.Form("new")
	if _, err := v.API().IAM.UpdateGroup(v.Request.Context(), &iam.UpdateGroupInput{GroupName: &name, NewGroupName: &to}); err != nil {
		return c.groupForm(v, err)
	}
	v.Flash(Good, name+" is called "+to+" now.")
	return v.Redirect(groupPath(to))
}

func (c *Console) addMember(v *Visit) error {
	name, user := v.Request.PathValue("name"), v.Form("user")
	_, err := v.API().IAM.AddUserToGroup(v.Request.Context(), &iam.AddUserToGroupInput{GroupName: &name, UserName: &user})
	return c.changedGroup(v, user+" was added.", err)
}

func (c *Console) removeMember(v *Visit) error {
	name, user := v.Request.PathValue("name"), v.Form("user")
	_, err := v.API().IAM.RemoveUserFromGroup(v.Request.Context(), &iam.RemoveUserFromGroupInput{GroupName: &name, UserName: &user})
	return c.changedGroup(v, user+" was removed.", err)
}

func (c *Console) attachGroupPolicy(v *Visit) error {
	name, policy := v.Request.PathValue("name"), policyARN(v.Form("policy"))
	_, err := v.API().IAM.AttachGroupPolicy(v.Request.Context(), &iam.AttachGroupPolicyInput{GroupName: &name, PolicyArn: &policy})
	return c.changedGroup(v, "The policy was attached.", err)
}

func (c *Console) detachGroupPolicy(v *Visit) error {
	name, policy := v.Request.PathValue("name"), v.Form("policy")
	_, err := v.API().IAM.DetachGroupPolicy(v.Request.Context(), &iam.DetachGroupPolicyInput{GroupName: &name, PolicyArn: &policy})
	return c.changedGroup(v, "The policy was detached.", err)
}

// deleteGroup deletes a group with its policies and memberships.
func (c *Console) deleteGroup(v *Visit) error {
	ctx, api, name := v.Request.Context(), v.API(), v.Request.PathValue("name")
	if err := v.StepUp(groupPath(name)); err != nil {
		return err
	}
	if v.Form("typed") != name {
		return c.groupForm(v, &Problem{Status: http.StatusUnprocessableEntity, Title: "The group was not deleted", Why: "The name that was typed is not " + name + ".", Do: []Step{{Text: "Type the name to confirm."}}})
	}
	if err := emptyGroup(ctx, api.IAM, &name); err != nil {
		return c.groupForm(v, err)
	}
	if _, err := api.IAM.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: &name}); err != nil {
		return c.groupForm(v, err)
	}
	v.Flash(Good, "Group "+name+" was deleted.")
	return v.Redirect("/groups")
}
