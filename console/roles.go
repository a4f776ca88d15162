package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// roleRoutes are the pages of roles.
func (c *Console) roleRoutes() []Route {
	return []Route{
		{Pattern: "GET /roles", Handle: c.showRoles},
		{Pattern: "GET /roles/new", Handle: c.newRole},
		{Pattern: "POST /roles", Handle: c.createRole},
		{Pattern: "GET /roles/{name}", Handle: c.showRole},
		{Pattern: "POST /roles/{name}/policies", Handle: c.attachRolePolicy},
		{Pattern: "POST /roles/{name}/policies/detach", Handle: c.detachRolePolicy},
		{Pattern: "POST /roles/{name}/boundary", Handle: c.setRoleBoundary},
		{Pattern: "POST /roles/{name}/trust", Handle: c.setTrust},
		{Pattern: "POST /roles/{name}/settings", Handle: c.setRole},
		{Pattern: "POST /roles/{name}/tags", Handle: c.tagRole},
		{Pattern: "POST /roles/{name}/revoke", Handle: c.revokeRole},
		{Pattern: "POST /roles/{name}/delete", Handle: c.deleteRole},
	}
}

func rolePath(name, tab string) string {
	path := "/roles/" + url.PathEscape(name)
	if tab != "" {
		path += "?tab=" + tab
	}
	return path
}

type rolesPage struct {
	Now    time.Time
	Denied *Denied
	Rows   []roleRow
	Filter Filter
	Path   Field
	Pager  Pager
	Empty  Empty
}

type roleRow struct {
	Name, Link, Path string
	Trusted          []string
	More             int
	Longest          string
	Created          time.Time
}

const (
	shownRoles = 50
	// shownTrusted is how many of those who may assume a role a list shows.
	shownTrusted = 2
)

func (c *Console) showRoles(v *Visit) error {
	body := rolesPage{
		Now:    v.Now,
		Filter: Filter{Table: "roles", Label: "Find roles on this page", Noun: "role"},
		Path:   Field{Name: "path", Label: "Path prefix", Value: v.Query("path"), Optional: true, Placeholder: "/team/", Autocomplete: "off", MaxLength: 512},
		Empty: Empty{Icon: "role", Title: "No roles yet", Text: "A role has permissions, but no password and no keys: whom it trusts takes it for a while, with credentials that end by themselves.",
			Action: Step{"Create a role", "/roles/new"}, Command: &Command{Line: "aws iam create-role --role-name NAME --assume-role-policy-document file://trust.json"}, More: Step{"Which credential should I use?", "/credential-advisor"}},
	}
	in := &iam.ListRolesInput{MaxItems: aws.Int32(shownRoles)}
	command := []string{"aws", "iam", "list-roles"}
	if prefix := body.Path.Value; prefix != "" {
		in.PathPrefix = &prefix
		command = append(command, "--path-prefix", prefix)
		body.Empty = Empty{Icon: "search", Title: "No role has this path", Text: "Looked for roles whose path begins with “" + prefix + "”.", More: Step{"Show all", "/roles"}}
	}
	if marker := v.Query("marker"); marker != "" {
		in.Marker = &marker
	}
	out, err := v.API().IAM.ListRoles(v.Request.Context(), in)
	if body.Denied = v.deniedOf(err); err != nil && body.Denied == nil {
		return err
	}
	if err == nil {
		for i := range out.Roles {
			body.Rows = append(body.Rows, v.roleRow(&out.Roles[i]))
		}
		body.Pager = pagerOf(v, aws.ToString(out.Marker))
		body.Pager.Shown = count(len(body.Rows), "role") + " on this page"
	}
	body.Filter.Count = len(body.Rows)
	return v.Render("roles", Page{
		Title: "Roles", Lead: "Permissions without a password or keys: whom a role trusts takes it for a while.",
		CLI: []Command{CLI(command...)}, Body: body,
	})
}

func (v *Visit) roleRow(r *types.Role) roleRow {
	row := roleRow{
		Name: *r.RoleName, Link: rolePath(*r.RoleName, ""), Path: aws.ToString(r.Path),
		Longest: inHours(aws.ToInt32(r.MaxSessionDuration)), Created: aws.ToTime(r.CreateDate),
	}
	trust, err := trustInWords(v.Person.Account, unescapeDocument(r.AssumeRolePolicyDocument))
	if err != nil {
		return row
	}
	for _, t := range trust {
		if !t.Deny && !slices.Contains(row.Trusted, t.Who) {
			row.Trusted = append(row.Trusted, strings.TrimSuffix(t.Who, ","))
		}
	}
	if n := len(row.Trusted); n > shownTrusted {
		row.Trusted, row.More = row.Trusted[:shownTrusted], n-shownTrusted
	}
	return row
}

// inHours is a length of sessions in words.
func inHours(seconds int32) string {
	d := time.Duration(seconds) * time.Second
	if d%time.Hour == 0 {
		return count(int(d/time.Hour), "hour")
	}
	return left(d)
}

// rolePage is one role. Which parts are filled depends on the tab.
type rolePage struct {
	Now     time.Time
	Name    string
	Path    string // of the page, for forms
	Could   string // where one sees what they could do
	Summary []Pair
	Tabs    []Tab
	Tab     string
	Problem *Problem
	Parts   map[string]*part // that are missing
	Delete  Confirm

	// permissions
	Policies   []policyRow
	Attach     Field
	Boundary   string
	BoundaryIn Field

	// trust
	Trust  []Trust
	Code   Code
	Editor Editor

	// sessions
	Settings []Field
	Events   []eventRow
	Use      *useView
	Assumers *assumersView
	Revoke   Confirm
	Assume   Command

	// tags
	Tags []Field
}

var roleTabs = []Tab{{Text: "Permissions", Path: "permissions"}, {Text: "Trust", Path: "trust"}, {Text: "Who can assume this", Path: "assumers"}, {Text: "Sessions", Path: "sessions"}, {Text: "Use", Path: "use"}, {Text: "Tags", Path: "tags"}}

func (c *Console) showRole(v *Visit) error {
	return c.roleForm(v, firstOf(v.Query("tab"), "permissions"), nil, nil)
}

// roleForm shows a tab of a role: after a refusal, with why and with what was typed.
func (c *Console) roleForm(v *Visit, tab string, refused error, typed *Editor) error {
	ctx, name := v.Request.Context(), v.Request.PathValue("name")
	out, err := v.API().IAM.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		if refused != nil {
			return refused
		}
		return err
	}
	r := out.Role
	used := types.RoleLastUsed{}
	if r.RoleLastUsed != nil {
		used = *r.RoleLastUsed
	}
	lastUsed := written(v.Now, aws.ToTime(used.LastUsedDate))
	if used.Region != nil {
		lastUsed += ", in " + *used.Region
	}
	body := &rolePage{Now: v.Now, Name: *r.RoleName, Could: couldDo("role/" + *r.RoleName), Path: rolePath(name, ""), Tab: tab, Parts: map[string]*part{}, Summary: []Pair{
		{Key: "ARN", Value: aws.ToString(r.Arn), Mono: true, Copy: true}, {Key: "Unique id", Value: aws.ToString(r.RoleId), Mono: true, Copy: true},
		{Key: "Description", Value: aws.ToString(r.Description)}, {Key: "Created", Value: written(v.Now, aws.ToTime(r.CreateDate))},
		{Key: "Last used", Value: lastUsed}, {Key: "Longest session", Value: inHours(aws.ToInt32(r.MaxSessionDuration))},
	}}
	for _, t := range roleTabs {
		current := t.Path == tab || t.Path == "trust" && tab == "edit-trust"
		body.Tabs = append(body.Tabs, Tab{Text: t.Text, Path: rolePath(name, t.Path), Current: current})
	}
	body.Delete = Confirm{ID: "delete", Open: "Delete role", Title: "Delete " + name + "?",
		Text:   "Its inline policies go with it, it leaves its instance profiles, and managed policies are detached. Sessions of it can do nothing more. This cannot be undone.",
		Action: body.Path + "/delete", Button: "Delete role", Danger: true, Typed: name}
	cli := []Command{CLI("aws", "iam", "get-role", "--role-name", name)}
	switch tab {
	case "permissions":
		cli = append(cli, v.rolePermissions(body, ctx, r)...)
	case "trust", "edit-trust":
		text := pretty(unescapeDocument(r.AssumeRolePolicyDocument))
		if body.Trust, err = trustInWords(v.Person.Account, text); err != nil {
			return err
		}
		body.Code = Code{Label: "Trust policy", Text: text}
		body.Editor = NewEditor(EditTrust, "Trust policy", text)
		if typed != nil {
			body.Editor = *typed
			if typed.Do == doCompare {
				body.Editor.compare(text)
			}
		}
		body.Editor.Old = true
		cli = append(cli, CLI("aws", "iam", "update-assume-role-policy", "--role-name", name, "--policy-document", "file://trust.json"))
	case "sessions":
		cli = append(cli, v.roleSessions(body, ctx, r)...)
	case "use":
		if body.Use, err = v.entityUse(*r.Arn); err != nil {
			return err
		}
		if v.WantsFragment() {
			return v.Fragment("role", "look", body)
		}
		cli = append(cli, accessedCLI(*r.Arn)...)
	case "assumers":
		if body.Assumers, err = v.assumers(*r.Arn, body.Path); err != nil {
			return err
		}
		if v.WantsFragment() {
			return v.Fragment("role", "look", body)
		}
		cli = append(cli, CLI("aws", "iam", "simulate-principal-policy", "--policy-source-arn", principalOf(*r.Arn), "--action-names", "sts:AssumeRole", "--resource-arns", *r.Arn))
	case "tags":
		body.Tags = tagFields(r.Tags)
		cli = append(cli, CLI("aws", "iam", "tag-role", "--role-name", name, "--tags", "Key=team,Value=platform"))
	default:
		return errNoPage
	}
	page := Page{Title: body.Name, Crumbs: []Crumb{{"Roles", "/roles"}}, CLI: cli, Body: body}
	if refused != nil {
		body.Problem, page.Status = v.formProblem(refused), body.Editor.status(refused)
	}
	return v.Render("role", page)
}

func (v *Visit) rolePermissions(p *rolePage, ctx context.Context, r *types.Role) []Command {
	api, missing := v.API(), &parts{v: v, found: p.Parts}
	var attached, inline []policyRow
	atOnce(func() {
		out, err := api.IAM.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: r.RoleName, MaxItems: aws.Int32(100)})
		if missing.note("policies", err); err != nil {
			return
		}
		for i, found := range out.AttachedPolicies {
			row := managedRow(found)
			row.Remove = detachConfirm(fmt.Sprintf("detach-%d", i), row, p.Path+"/policies/detach")
			attached = append(attached, row)
		}
	}, func() {
		out, err := api.IAM.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: r.RoleName, MaxItems: aws.Int32(100)})
		if missing.note("inline", err); err != nil {
			return
		}
		for _, found := range out.PolicyNames {
			inline = append(inline, inlineRow(p.Path, found))
		}
	})
	p.Policies = append(attached, inline...)
	if r.PermissionsBoundary != nil {
		p.Boundary = aws.ToString(r.PermissionsBoundary.PermissionsBoundaryArn)
	}
	p.Attach = policyField("policy", "Attach a policy", "")
	p.BoundaryIn = policyField("boundary", "Permissions boundary", p.Boundary)
	p.BoundaryIn.Optional, p.BoundaryIn.Hint = true, "The most that this role may ever do, whatever its policies say. Empty: none."
	return []Command{
		CLI("aws", "iam", "list-attached-role-policies", "--role-name", *r.RoleName),
		CLI("aws", "iam", "attach-role-policy", "--role-name", *r.RoleName, "--policy-arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
	}
}

// keptEvents is how far back the trail can be searched.
const keptEvents = 90 * day

func (v *Visit) roleSessions(p *rolePage, ctx context.Context, r *types.Role) []Command {
	api, missing, name := v.API(), &parts{v: v, found: p.Parts}, *r.RoleName
	hours := Field{Name: "longest", Label: "Longest session", Type: "select", Value: strconv.Itoa(int(aws.ToInt32(r.MaxSessionDuration)))}
	for n := 1; n <= 12; n++ {
		hours.Options = append(hours.Options, Option{Value: strconv.Itoa(n * 3600), Text: count(n, "hour")})
	}
	if !slices.ContainsFunc(hours.Options, func(o Option) bool { return o.Value == hours.Value }) {
		hours.Options = append(hours.Options, Option{Value: hours.Value, Text: inHours(aws.ToInt32(r.MaxSessionDuration))})
	}
	p.Settings = []Field{
		{Name: "description", Label: "Description", Value: aws.ToString(r.Description), Optional: true, Autocomplete: "off", MaxLength: 1000},
		hours,
	}
	p.Revoke = Confirm{
		ID: "revoke", Open: "Revoke active sessions", Title: "Revoke the active sessions of " + name + "?",
		Text:   "Every session that was begun until now can do nothing more. Whoever the role trusts can begin a new one.",
		Action: p.Path + "/revoke", Button: "Revoke sessions", Danger: true,
	}
	from := v.Now.Add(-keptEvents)
	out, err := firstEvents(ctx, api, &cloudtrail.LookupEventsInput{
		MaxResults: aws.Int32(50), StartTime: &from,
		LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: cttypes.LookupAttributeKeyResourceName, AttributeValue: r.Arn}},
	})
	missing.note("events", err)
	if err == nil {
		for i := range out.Events {
			if event := eventOf(&out.Events[i]); strings.HasPrefix(event.Name, "AssumeRole") {
				p.Events = append(p.Events, event)
			}
		}
	}
	return []Command{
		CLI("aws", "sts", "assume-role", "--role-arn", *r.Arn, "--role-session-name", "NAME"),
		CLI("aws", "iam", "update-role", "--role-name", name, "--max-session-duration", "3600"),
		CLI("aws", "cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=ResourceName,AttributeValue="+*r.Arn),
	}
}

// changeRole ends a change: on success it says so and leads back to a tab, else the page
// shows what was refused.
func (c *Console) changeRole(v *Visit, tab, done string, err error) error {
	if err != nil {
		return c.roleForm(v, tab, err, nil)
	}
	v.Flash(Good, done)
	return v.Redirect(rolePath(v.Request.PathValue("name"), tab))
}

func (c *Console) attachRolePolicy(v *Visit) error {
	name, arn := v.Request.PathValue("name"), policyARN(v.Form("policy"))
	_, err := v.API().IAM.AttachRolePolicy(v.Request.Context(), &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: &arn})
	return c.changeRole(v, "permissions", "The policy was attached.", err)
}

func (c *Console) detachRolePolicy(v *Visit) error {
	name, arn := v.Request.PathValue("name"), v.Form("policy")
	_, err := v.API().IAM.DetachRolePolicy(v.Request.Context(), &iam.DetachRolePolicyInput{RoleName: &name, PolicyArn: &arn})
	return c.changeRole(v, "permissions", "The policy was detached.", err)
}

func (c *Console) setRoleBoundary(v *Visit) error {
	name, arn := v.Request.PathValue("name"), policyARN(v.Form("boundary"))
	if arn == "" {
		_, err := v.API().IAM.DeleteRolePermissionsBoundary(v.Request.Context(), &iam.DeleteRolePermissionsBoundaryInput{RoleName: &name})
		return c.changeRole(v, "permissions", "The role has no permissions boundary any more.", err)
	}
	_, err := v.API().IAM.PutRolePermissionsBoundary(v.Request.Context(), &iam.PutRolePermissionsBoundaryInput{RoleName: &name, PermissionsBoundary: &arn})
	return c.changeRole(v, "permissions", "The permissions boundary was set.", err)
}

func (c *Console) setTrust(v *Visit) error {
	name := v.Request.PathValue("name")
	e := typedEditor(v, EditTrust, "Trust policy")
	err := e.fault()
	if err == nil {
		_, err = v.API().IAM.UpdateAssumeRolePolicy(v.Request.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &name, PolicyDocument: &e.Text})
	}
	if err != nil {
		return c.roleForm(v, "edit-trust", err, &e)
	}
	return c.changeRole(v, "trust", "The trust policy was saved. Sessions that are there go on.", nil)
}

func (c *Console) setRole(v *Visit) error {
	name, description := v.Request.PathValue("name"), v.Form("description")
	seconds, err := strconv.ParseInt(v.Form("longest"), 10, 32)
	if err != nil {
		return c.roleForm(v, "sessions", &Problem{Status: http.StatusUnprocessableEntity, Title: "That is no length of a session", Why: "A session lasts a whole number of seconds.", Do: []Step{{Text: "Choose one of the lengths."}}}, nil)
	}
	_, err = v.API().IAM.UpdateRole(v.Request.Context(), &iam.UpdateRoleInput{RoleName: &name, Description: &description, MaxSessionDuration: aws.Int32(int32(seconds))})
	return c.changeRole(v, "sessions", "The settings were saved.", err)
}

// tagRole makes the role's tags those of the form.
func (c *Console) tagRole(v *Visit) error {
	ctx, client, name := v.Request.Context(), v.API().IAM, v.Request.PathValue("name")
	out, err := client.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: &name})
	if err != nil {
		return c.changeRole(v, "tags", "", err)
	}
	set, remove := changedTags(out.Tags, v.typedTags())
	if len(remove) > 0 {
		_, err = client.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &name, TagKeys: remove})
	}
	if err == nil && len(set) > 0 {
		_, err = client.TagRole(ctx, &iam.TagRoleInput{RoleName: &name, Tags: set})
	}
	return c.changeRole(v, "tags", "The tags were saved.", err)
}

// revokeRole asks for no recent factor: it takes access away, perhaps in a hurry.
func (c *Console) revokeRole(v *Visit) error {
	name := v.Request.PathValue("name")
	_, err := lanyard.Call[lanyard.RevokeSessionsOutput](v.Request.Context(), v.API().Lanyard, &lanyard.RevokeSessionsInput{RoleName: &name})
	return c.changeRole(v, "sessions", "The sessions of "+name+" that were begun until now can do nothing more.", err)
}

// deleteRole deletes a role with all that hangs on it.
func (c *Console) deleteRole(v *Visit) error {
	name := v.Request.PathValue("name")
	if err := v.StepUp(rolePath(name, "")); err != nil {
		return err
	}
	if v.Form("typed") != name {
		return c.roleForm(v, "permissions", &Problem{Status: http.StatusUnprocessableEntity, Title: "The role was not deleted", Why: "The name that was typed is not " + name + ".", Do: []Step{{Text: "Type the name to confirm."}}}, nil)
	}
	err := emptyRole(v.Request.Context(), v.API().IAM, &name)
	if err == nil {
		_, err = v.API().IAM.DeleteRole(v.Request.Context(), &iam.DeleteRoleInput{RoleName: &name})
	}
	if err != nil {
		return c.roleForm(v, "permissions", err, nil)
	}
	v.Flash(Good, "The role "+name+" was deleted.")
	return v.Redirect("/roles")
}
