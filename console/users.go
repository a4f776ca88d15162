package console

import (
	"context"
	"crypto/rand"
	"encoding/csv"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// userRoutes are the pages of IAM users.
func (c *Console) userRoutes() []Route {
	return []Route{
		{Pattern: "GET /users", Handle: c.showUsers},
		{Pattern: "GET /users/new", Handle: c.newUser},
		{Pattern: "POST /users", Handle: c.createUser},
		{Pattern: "GET /users/{name}", Handle: c.showUser},
		{Pattern: "POST /users/{name}/rename", Handle: c.renameUser},
		{Pattern: "POST /users/{name}/delete", Handle: c.deleteUser},
		{Pattern: "POST /users/{name}/groups", Handle: c.addUserToGroup},
		{Pattern: "POST /users/{name}/groups/remove", Handle: c.removeUserFromGroup},
		{Pattern: "POST /users/{name}/policies", Handle: c.attachUserPolicy},
		{Pattern: "POST /users/{name}/policies/detach", Handle: c.detachUserPolicy},
		{Pattern: "POST /users/{name}/boundary", Handle: c.setUserBoundary},
		{Pattern: "POST /users/{name}/password", Handle: c.setUserPassword},
		{Pattern: "POST /users/{name}/password/delete", Handle: c.deleteUserPassword},
		{Pattern: "POST /users/{name}/mfa/remove", Handle: c.removeUserMFA},
		{Pattern: "POST /users/{name}/tags", Handle: c.tagUser},
	}
}

// shownUsers is how many users a page has.
const shownUsers = 50

type usersPage struct {
	Now     time.Time
	Problem *Problem
	Rows    []userRow
	Filter  Filter
	Path    Field
	Pager   Pager
	Empty   Empty
	Basic   string // why the rows have no credentials
	// Groups tells that the rows have groups; NoGroups is why not, if the person may not see them.
	Groups   bool
	NoGroups *Denied
}

// userRow is a user in a list; what is not known is Unknown.
type userRow struct {
	Name, Path string
	MFA        State
	Password   State
	Keys       State
	Active     time.Time // last use of password or key
	Created    time.Time
	Known      bool
	Groups     []string
	More       int // groups that are not shown
}

// shownGroups is how many groups of a user a list shows.
const shownGroups = 3

// showUsers lists users with the state of their credentials, which the report of this moment
// has in one call; where that may not be read, or a path is asked for, ListUsers has to do.
func (c *Console) showUsers(v *Visit) error {
	body := usersPage{Now: v.Now, Filter: Filter{Table: "users", Label: "Find users on this page", Noun: "user"},
		Path: Field{Name: "path", Label: "Path prefix", Value: v.Query("path"), Optional: true, Placeholder: "/team/", Autocomplete: "off", MaxLength: 512},
		Empty: Empty{Icon: "user", Title: "No users yet", Text: "A user is a person or a program that needs credentials of its own. People are best off with MFA; programs with roles.",
			Action: Step{"Create a user", "/users/new"}, Command: &Command{Line: "aws iam create-user --user-name alice"}, More: Step{"Which credential should I use?", "/credential-advisor"}}}
	command := []string{"aws", "iam", "list-users"}
	if body.Path.Value != "" {
		command = append(command, "--path-prefix", body.Path.Value)
	}
	var next string
	var err error
	if body.Path.Value == "" {
		marker, groups, _ := strings.Cut(v.Query("marker"), markerOfGroups)
		body.Rows, next, err = reportedUsers(v, marker)
		if err == nil && len(body.Rows) > 0 && (marker == "" || groups != "") {
			groups, err = v.groupsOf(body.Rows, groups)
			if body.NoGroups = v.deniedOf(err); body.NoGroups != nil {
				err = nil
			} else if body.Groups = err == nil; next != "" {
				next += markerOfGroups + groups
			}
		}
	}
	if body.Path.Value != "" || refused(err) {
		if err != nil {
			body.Basic = "To see MFA, passwords and keys here takes iam:GetCredentialReport."
		}
		body.Rows, next, err = listedUsers(v, body.Path.Value)
	}
	if err != nil {
		body.Problem = v.ProblemOf(err)
	}
	body.Filter.Count = len(body.Rows)
	body.Pager = pagerOf(v, next)
	return v.Render("users", Page{Title: "Users", Lead: "IAM users have credentials of their own: a console password, MFA devices, access keys.", CLI: []Command{CLI(command...)}, Body: body})
}

// markerOfGroups is between the marker of the report and that of the groups.
const markerOfGroups = "~"

// groupsOf says of users who follow each other in which groups they are, in one call instead
// of one of each. It returns from where it goes on.
func (v *Visit) groupsOf(rows []userRow, marker string) (next string, err error) {
	in := &iam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{types.EntityTypeUser}}
	if marker != "" {
		in.Marker = &marker
	}
	for at := 0; at < len(rows); { // long inline policies fill a page sooner
		in.MaxItems = aws.Int32(int32(len(rows) - at))
		out, err := v.API().IAM.GetAccountAuthorizationDetails(v.Request.Context(), in)
		if err != nil {
			return "", err
		}
		for _, u := range out.UserDetailList {
			at++
			if i := slices.IndexFunc(rows, func(r userRow) bool { return r.Name == aws.ToString(u.UserName) }); i >= 0 {
				shown := min(len(u.GroupList), shownGroups)
				rows[i].Groups, rows[i].More = u.GroupList[:shown], len(u.GroupList)-shown
			}
		}
		if in.Marker = out.Marker; !out.IsTruncated || len(out.UserDetailList) == 0 {
			break
		}
	}
	return aws.ToString(in.Marker), nil
}

func reportedUsers(v *Visit, marker string) ([]userRow, string, error) {
	in := &lanyard.GetFreshCredentialReportInput{MaxItems: aws.Int32(shownUsers)}
	if marker != "" {
		in.Marker = &marker
	}
	out, err := lanyard.Call[lanyard.GetFreshCredentialReportOutput](v.Request.Context(), v.API().Lanyard, in)
	if err != nil {
		return nil, "", err
	}
	lines, err := csv.NewReader(strings.NewReader(aws.ToString(out.Content))).ReadAll()
	if err != nil || len(lines) == 0 {
		return nil, "", fmt.Errorf("the credential report: %w", err)
	}
	column := make(map[string]int)
	for i, name := range lines[0] {
		column[name] = i
	}
	var rows []userRow
	for _, line := range lines[1:] {
		if row := reportedUser(v.Now, func(name string) string { return line[column[name]] }); row.Name != "<root_account>" {
			rows = append(rows, row)
		}
	}
	return rows, aws.ToString(out.Marker), nil
}

// reportedUser reads a line of a credential report.
func reportedUser(now time.Time, cell func(string) string) userRow {
	row := userRow{Name: cell("user"), Known: true, Created: reportedTime(cell("user_creation_time"))}
	if _, path, ok := strings.Cut(cell("arn"), ":user"); ok {
		row.Path = strings.TrimSuffix(path, row.Name)
	}
	password := cell("password_enabled") == "true"
	row.Password, row.MFA = State{Neutral, "None"}, State{Neutral, "None"}
	if password {
		row.Password = State{Info, "Set"}
		row.MFA = State{Bad, "None, with a password"}
	}
	if cell("mfa_active") == "true" {
		row.MFA = State{Good, "Active"}
	}
	row.Active = reportedTime(cell("password_last_used"))
	active, oldest := 0, time.Time{}
	for _, n := range []string{"1", "2"} {
		used := reportedTime(cell("access_key_" + n + "_last_used_date"))
		if used.After(row.Active) {
			row.Active = used
		}
		if cell("access_key_"+n+"_active") != "true" {
			continue
		}
		active++
		if made := reportedTime(cell("access_key_" + n + "_last_rotated")); oldest.IsZero() || made.Before(oldest) {
			oldest = made
		}
	}
	row.Keys = State{Neutral, "None"}
	if active > 0 {
		age := int(now.Sub(oldest) / day)
		row.Keys = State{Good, fmt.Sprintf("%d active, %s old", active, count(age, "day"))}
		if age > 90 {
			row.Keys.Kind = Warning
		}
	}
	return row
}

func reportedTime(cell string) time.Time {
	t, err := time.Parse(time.RFC3339, cell)
	if err != nil { // N/A, no_information, not_supported
		return time.Time{}
	}
	return t
}

func listedUsers(v *Visit, path string) ([]userRow, string, error) {
	in := &iam.ListUsersInput{MaxItems: aws.Int32(shownUsers)}
	if path != "" {
		in.PathPrefix = &path
	}
	if marker := v.Query("marker"); marker != "" {
		in.Marker = &marker
	}
	out, err := v.API().IAM.ListUsers(v.Request.Context(), in)
	if err != nil {
		return nil, "", err
	}
	rows := make([]userRow, 0, len(out.Users))
	for _, u := range out.Users {
		rows = append(rows, userRow{Name: aws.ToString(u.UserName), Path: aws.ToString(u.Path), Created: aws.ToTime(u.CreateDate), Active: aws.ToTime(u.PasswordLastUsed)})
	}
	return rows, aws.ToString(out.Marker), nil
}

// newUserPage asks for what a user begins with.
type newUserPage struct {
	Problem *Problem
	Fields  []Field
	Groups  []string
	Chosen  map[string]bool
}

func (c *Console) newUser(v *Visit) error { return c.newUserForm(v, nil) }

func (c *Console) newUserForm(v *Visit, refused error) error {
	body := newUserPage{Chosen: map[string]bool{}, Fields: []Field{
		{Name: "name", Label: "User name", Value: v.Form("name"), Autofocus: true, Autocomplete: "off", MaxLength: 64, Hint: "Letters, digits and +=,.@_-"},
		{Name: "path", Label: "Path", Value: v.Form("path"), Optional: true, Autocomplete: "off", MaxLength: 512, Placeholder: "/", Hint: "Such as /team/: groups users in ARNs"},
		{Name: "password", Label: "Console password: make one, to be changed at the first sign-in", Type: "checkbox", Checked: v.Form("password") != ""},
	}}
	for _, group := range v.Request.PostForm["group"] {
		body.Chosen[group] = true
	}
	if out, err := v.API().IAM.ListGroups(v.Request.Context(), &iam.ListGroupsInput{MaxItems: aws.Int32(100)}); err == nil {
		for _, g := range out.Groups {
			body.Groups = append(body.Groups, aws.ToString(g.GroupName))
		}
	}
	page := Page{Title: "Create user", Crumbs: []Crumb{{"Users", "/users"}}, CLI: []Command{
		CLI("aws", "iam", "create-user", "--user-name", firstOf(v.Form("name"), "alice")),
		CLI("aws", "iam", "add-user-to-group", "--user-name", firstOf(v.Form("name"), "alice"), "--group-name", "developers"),
	}, Body: &body}
	if refused != nil {
		body.Problem, page.Status = v.ProblemOf(refused), http.StatusUnprocessableEntity
	}
	return v.Render("newuser", page)
}

// createUser makes a user, adds it to groups and gives it a password. Should a later step be
// refused, the user is there, and the page says what is lacking.
func (c *Console) createUser(v *Visit) error {
	ctx, api, name := v.Request.Context(), v.API(), v.Form("name")
	if v.Form("password") != "" {
		if err := v.StepUp("/users/new"); err != nil {
			return err
		}
	}
	in := &iam.CreateUserInput{UserName: &name}
	if path := v.Form("path"); path != "" {
		in.Path = &path
	}
	if _, err := api.IAM.CreateUser(ctx, in); err != nil {
		return c.newUserForm(v, err)
	}
	v.Flash(Good, "User "+name+" was created.")
	for _, group := range v.Request.PostForm["group"] {
		if _, err := api.IAM.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: &name, GroupName: aws.String(group)}); err != nil {
			v.Flash(Bad, "It was not added to the group "+group+": "+problemOf(err).Why)
		}
	}
	if v.Form("password") == "" {
		return v.Redirect(userPath(name, ""))
	}
	password, err := makePassword(ctx, api)
	if err == nil {
		_, err = api.IAM.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: &name, Password: &password, PasswordResetRequired: true})
	}
	if err != nil {
		v.Flash(Bad, "It has no password: "+problemOf(err).Why)
		return v.Redirect(userPath(name, "credentials"))
	}
	return c.showPassword(v, name, password)
}

// makePassword draws a password that the account's policy takes: 20 characters of all kinds,
// or as many as the policy asks for.
func makePassword(ctx context.Context, api *API) (string, error) {
	length := 20
	if out, err := api.IAM.GetAccountPasswordPolicy(ctx, &iam.GetAccountPasswordPolicyInput{}); err == nil {
		length = max(length, int(aws.ToInt32(out.PasswordPolicy.MinimumPasswordLength)))
	}
	kinds := []string{"ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz", "23456789", "!@#%^*-_=+"}
	all := strings.Join(kinds, "")
	draw := func(n int) (int, error) {
		i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
		if err != nil {
			return 0, err
		}
		return int(i.Int64()), nil
	}
	text := make([]byte, length)
	for i := range text {
		from := all
		if i < len(kinds) {
			from = kinds[i]
		}
		n, err := draw(len(from))
		if err != nil {
			return "", err
		}
		text[i] = from[n]
	}
	for i := len(text) - 1; i > 0; i-- { // Fisher and Yates: the kinds come anywhere
		j, err := draw(i + 1)
		if err != nil {
			return "", err
		}
		text[i], text[j] = text[j], text[i]
	}
	return string(text), nil
}

// passwordPage shows a password that was made, once.
type passwordPage struct{ Secret Secret }

func (c *Console) showPassword(v *Visit, name, password string) error {
	signIn := c.config.URL.String() + "/signin?" + url.Values{"account": {firstOf(v.Person.Alias, v.Person.Account)}}.Encode()
	return v.Render("password", Page{
		Title: "The password of " + name, Crumbs: []Crumb{{"Users", "/users"}, {name, userPath(name, "")}},
		Lead: "Give it to them over a channel that nobody else reads. They choose their own at the first sign-in.",
		Body: passwordPage{Secret{
			Title: "Console sign-in",
			Rows:  []SecretRow{{Label: "Sign-in page", Value: signIn}, {Label: "User name", Value: name}, {Label: "Password", Value: password, Masked: true}},
			File:  name + "_credentials.csv", CSV: [][]string{{"User name", "Password", "Console sign-in URL"}, {name, password, signIn}},
			Done: "/stored", Leave: userPath(name, "credentials"), Extra: []Option{{Value: "to", Text: userPath(name, "credentials")}},
		}},
	})
}

// userPath is the page of a user, or a tab of it.
func userPath(name, tab string) string {
	path := "/users/" + url.PathEscape(name)
	if tab != "" {
		path += "?tab=" + tab
	}
	return path
}

// userPage is one user. Which parts are filled depends on the tab.
type userPage struct {
	Now     time.Time
	Name    string
	Path    string // of the page, for forms
	Could   string // where one sees what they could do
	Summary []Pair
	Tabs    []Tab
	Tab     string
	Problem *Problem
	Parts   map[string]*part // that are missing

	// permissions
	Policies   []policyRow
	Attach     Field
	Boundary   string
	BoundaryIn Field

	// groups
	Groups  []string
	Joining Field

	// credentials
	Login    []Pair
	HasLogin bool
	Password Confirm
	NoLogin  Confirm
	Devices  []deviceRow
	Keys     AccessKeys

	// tags
	Tags []Field

	// activity
	Events []eventRow

	// use
	Use *useView

	Rename Confirm
	Delete Confirm
}

// policyRow is a policy by which somebody may something.
type policyRow struct {
	Name, Path, Kind string
	Via              string // the group that has it
	ViaPath          string
	ARN              string
	Remove           *Confirm
}

type deviceRow struct {
	Kind, Serial string
	Enabled      time.Time
	Remove       Confirm
}

var userTabs = []Tab{{Text: "Permissions", Path: "permissions"}, {Text: "Groups", Path: "groups"}, {Text: "Security credentials", Path: "credentials"}, {Text: "Tags", Path: "tags"}, {Text: "Use", Path: "use"}, {Text: "Activity", Path: "activity"}}

func (c *Console) showUser(v *Visit) error { return c.userForm(v, nil) }

func (c *Console) userForm(v *Visit, refused error) error {
	ctx, api, name := v.Request.Context(), v.API(), v.Request.PathValue("name")
	out, err := api.IAM.GetUser(ctx, &iam.GetUserInput{UserName: &name})
	if err != nil {
		if refused != nil {
			return refused
		}
		return err
	}
	u := out.User
	tab := firstOf(v.Query("tab"), v.Form("tab"), "permissions")
	body := &userPage{Now: v.Now, Name: aws.ToString(u.UserName), Could: couldDo("user/" + aws.ToString(u.UserName)), Path: userPath(name, ""), Tab: tab, Parts: map[string]*part{}, Summary: []Pair{
		{Key: "ARN", Value: aws.ToString(u.Arn), Mono: true, Copy: true}, {Key: "Unique id", Value: aws.ToString(u.UserId), Mono: true, Copy: true},
		{Key: "Path", Value: aws.ToString(u.Path), Mono: true}, {Key: "Created", Value: written(v.Now, aws.ToTime(u.CreateDate))},
		{Key: "Password last used", Value: written(v.Now, aws.ToTime(u.PasswordLastUsed))},
	}}
	known := false
	for _, t := range userTabs {
		known = known || t.Path == tab
		body.Tabs = append(body.Tabs, Tab{Text: t.Text, Path: userPath(name, t.Path), Current: t.Path == tab})
	}
	if !known {
		return errNoPage
	}
	body.Rename = Confirm{ID: "rename", Open: "Rename", Title: "Rename " + name + "?", Text: "The ARN changes: policies that name it by ARN do not follow.", Action: body.Path + "/rename", Button: "Rename",
		Fields: []Field{{Name: "new", Label: "New name", Value: name, Autocomplete: "off", MaxLength: 64}}}
	body.Delete = Confirm{ID: "delete", Open: "Delete user", Title: "Delete " + name + "?", Text: "Deleted with the user: console password, access keys, MFA devices, inline policies, memberships, SSH keys and certificates. This cannot be undone.",
		Action: body.Path + "/delete", Button: "Delete user", Danger: true, Typed: name}
	cli := []Command{CLI("aws", "iam", "get-user", "--user-name", name)}
	switch tab {
	case "permissions":
		cli = append(cli, c.userPermissions(ctx, v, u, body)...)
	case "groups":
		cli = append(cli, c.userGroups(ctx, v, u, body)...)
	case "credentials":
		cli = append(cli, c.userCredentials(ctx, v, u, body)...)
	case "tags":
		body.Tags = tagFields(u.Tags)
		cli = append(cli, CLI("aws", "iam", "tag-user", "--user-name", name, "--tags", "Key=team,Value=platform"))
	case "use":
		if body.Use, err = v.entityUse(aws.ToString(u.Arn)); err != nil {
			return err
		}
		if v.WantsFragment() {
			return v.Fragment("user", "look", body)
		}
		cli = append(cli, accessedCLI(aws.ToString(u.Arn))...)
	case "activity":
		cli = append(cli, c.userActivity(ctx, v, u, body)...)
	}
	page := Page{Title: body.Name, Crumbs: []Crumb{{"Users", "/users"}}, CLI: cli, Body: body}
	if refused != nil {
		body.Problem, page.Status = v.ProblemOf(refused), http.StatusUnprocessableEntity
	}
	return v.Render("user", page)
}

// written is a time as plain text: when in UTC, and how long ago.
func written(now, t time.Time) string {
	if t.IsZero() {
		return "Never"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC") + ", " + ago(now, t)
}

// atOnce runs what does not depend on each other at once.
func atOnce(all ...func()) {
	var group sync.WaitGroup
	for _, f := range all {
		group.Go(f)
	}
	group.Wait()
}

// part is why a part of a page is missing.
type part struct {
	Denied  *Denied
	Problem *Problem
}

// missing says why a part of a page is not there.
func (v *Visit) missing(err error) *part {
	if denied := v.deniedOf(err); denied != nil {
		return &part{Denied: denied}
	}
	return &part{Problem: v.ProblemOf(err)}
}

// parts collects which parts of a page could not be had. It is safe for concurrent use.
type parts struct {
	v     *Visit
	mu    sync.Mutex
	found map[string]*part
}

func (p *parts) note(name string, err error) {
	if err == nil {
		return
	}
	why := p.v.missing(err)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found[name] == nil {
		p.found[name] = why
	}
}

// maxGroupsShown bounds the groups whose policies are looked at for one user: AWS's quota.
const maxGroupsShown = 20

func (c *Console) userPermissions(ctx context.Context, v *Visit, u *types.User, body *userPage) []Command {
	api, name := v.API(), u.UserName
	missing := &parts{v: v, found: body.Parts}
	var attached, inline, viaGroups []policyRow
	atOnce(func() {
		out, err := api.IAM.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: name, MaxItems: aws.Int32(100)})
		if missing.note("policies", err); err != nil {
			return
		}
		for _, p := range out.AttachedPolicies {
			row := managedRow(p)
			row.Remove = detachConfirm("detach-"+row.Name, row, body.Path+"/policies/detach")
			attached = append(attached, row)
		}
	}, func() {
		out, err := api.IAM.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: name, MaxItems: aws.Int32(100)})
		if missing.note("policies", err); err != nil {
			return
		}
		for _, p := range out.PolicyNames {
			inline = append(inline, inlineRow(body.Path, p))
		}
	}, func() {
		groups, err := api.IAM.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: name, MaxItems: aws.Int32(maxGroupsShown)})
		if missing.note("groups", err); err != nil {
			return
		}
		for _, g := range groups.Groups {
			out, err := api.IAM.ListAttachedGroupPolicies(ctx, &iam.ListAttachedGroupPoliciesInput{GroupName: g.GroupName})
			if missing.note("groups", err); err != nil {
				return
			}
			via := policyRow{Via: aws.ToString(g.GroupName), ViaPath: "/groups/" + url.PathEscape(aws.ToString(g.GroupName))}
			for _, p := range out.AttachedPolicies {
				row := managedRow(p)
				row.Via, row.ViaPath = via.Via, via.ViaPath
				viaGroups = append(viaGroups, row)
			}
			names, err := api.IAM.ListGroupPolicies(ctx, &iam.ListGroupPoliciesInput{GroupName: g.GroupName})
			if missing.note("groups", err); err != nil {
				return
			}
			for _, p := range names.PolicyNames {
				via.Name, via.Kind, via.Path = p, "Inline", inlinePath(via.ViaPath, p)
				viaGroups = append(viaGroups, via)
			}
		}
	})
	body.Policies = append(append(attached, inline...), viaGroups...)
	if u.PermissionsBoundary != nil {
		body.Boundary = aws.ToString(u.PermissionsBoundary.PermissionsBoundaryArn)
	}
	body.Attach = policyField("policy", "Attach a policy", "")
	body.BoundaryIn = policyField("boundary", "Permissions boundary", body.Boundary)
	body.BoundaryIn.Optional, body.BoundaryIn.Hint = true, "The most that this user may ever do, whatever its policies say. Empty: none."
	return []Command{CLI("aws", "iam", "list-attached-user-policies", "--user-name", *name), CLI("aws", "iam", "attach-user-policy", "--user-name", *name, "--policy-arn", "arn:aws:iam::aws:policy/ReadOnlyAccess")}
}

// managedRow is a managed policy in a list.
func managedRow(p types.AttachedPolicy) policyRow {
	row := policyRow{Name: aws.ToString(p.PolicyName), ARN: aws.ToString(p.PolicyArn), Kind: "Customer managed"}
	row.Path = "/policies/" + url.PathEscape(row.ARN)
	if strings.Contains(row.ARN, ":iam::aws:") {
		row.Kind = "AWS managed"
	}
	return row
}

func detachConfirm(id string, row policyRow, action string) *Confirm {
	return &Confirm{ID: id, Open: "Detach", Title: "Detach " + row.Name + "?", Text: "What only this policy allows is denied from then on. The policy itself stays.", Action: action, Hidden: []Option{{Value: "policy", Text: row.ARN}}, Button: "Detach", Danger: true}
}

// policyField asks for a managed policy, by its ARN or by the name of one of AWS's.
func policyField(name, label, value string) Field {
	return Field{Name: name, Label: label, Value: value, Autocomplete: "off", Mono: true, MaxLength: 2048, Placeholder: "ReadOnlyAccess", Hint: "The ARN of a managed policy, or the name of one of AWS's"}
}

// policyARN completes what was typed into a policyField.
func policyARN(typed string) string {
	if typed == "" || strings.HasPrefix(typed, "arn:") {
		return typed
	}
	return "arn:aws:iam::aws:policy/" + typed
}

func (c *Console) userGroups(ctx context.Context, v *Visit, u *types.User, body *userPage) []Command {
	missing := &parts{v: v, found: body.Parts}
	var all []Option
	atOnce(func() {
		out, err := v.API().IAM.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: u.UserName, MaxItems: aws.Int32(100)})
		if missing.note("groups", err); err != nil {
			return
		}
		for _, g := range out.Groups {
			body.Groups = append(body.Groups, aws.ToString(g.GroupName))
		}
	}, func() {
		out, err := v.API().IAM.ListGroups(ctx, &iam.ListGroupsInput{MaxItems: aws.Int32(300)})
		if err != nil {
			return // the name can be typed
		}
		for _, g := range out.Groups {
			all = append(all, Option{Value: aws.ToString(g.GroupName), Text: aws.ToString(g.GroupName)})
		}
	})
	body.Joining = Field{Name: "group", Label: "Add to a group", Autocomplete: "off", MaxLength: 128}
	if len(all) > 0 {
		body.Joining.Type, body.Joining.Options = "select", all
	}
	return []Command{CLI("aws", "iam", "list-groups-for-user", "--user-name", *u.UserName), CLI("aws", "iam", "add-user-to-group", "--user-name", *u.UserName, "--group-name", "developers")}
}

func (c *Console) userCredentials(ctx context.Context, v *Visit, u *types.User, body *userPage) []Command {
	api, name := v.API(), u.UserName
	missing := &parts{v: v, found: body.Parts}
	atOnce(func() {
		out, err := api.IAM.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: name})
		var none *types.NoSuchEntityException
		switch {
		case errors.As(err, &none):
			body.Login = []Pair{{Key: "Console password", State: &State{Neutral, "None"}}}
		case err != nil:
			missing.note("login", err)
		default:
			body.HasLogin = true
			body.Login = []Pair{{Key: "Console password", State: &State{Info, "Set"}}, {Key: "Since", Value: written(v.Now, aws.ToTime(out.LoginProfile.CreateDate))}}
			if out.LoginProfile.PasswordResetRequired {
				body.Login = append(body.Login, Pair{Key: "At the next sign-in", Value: "has to be changed"})
			}
		}
	}, func() {
		out, err := api.IAM.ListMFADevices(ctx, &iam.ListMFADevicesInput{UserName: name})
		if missing.note("mfa", err); err != nil {
			return
		}
		for i, d := range out.MFADevices {
			row := deviceRow{Serial: aws.ToString(d.SerialNumber), Enabled: aws.ToTime(d.EnableDate)}
			row.Kind = deviceKind(row.Serial)
			row.Remove = Confirm{ID: fmt.Sprintf("device-%d", i), Open: "Remove", Title: "Remove this MFA device?", Text: "The user signs in without it from then on. All their sessions in the console end.", Action: body.Path + "/mfa/remove", Hidden: []Option{{Value: "serial", Text: row.Serial}}, Button: "Remove device", Danger: true}
			body.Devices = append(body.Devices, row)
		}
	}, func() { body.Keys = v.accessKeys(*name) })
	body.Password = Confirm{ID: "password", Open: "Make a console password", Title: "Make a console password?", Text: "It is shown once. The user has to choose their own at the first sign-in.", Action: body.Path + "/password", Button: "Make a password"}
	if body.HasLogin {
		body.Password.Open, body.Password.Title, body.Password.Button = "Reset the password", "Reset the password?", "Reset the password"
		body.Password.Text = "The old one works no longer, and all the user's sessions in the console end. " + body.Password.Text
	}
	body.NoLogin = Confirm{ID: "no-login", Open: "Remove console access", Title: "Remove console access?", Text: "The password is deleted and the user's sessions in the console end. Access keys go on working.", Action: body.Path + "/password/delete", Button: "Remove console access", Danger: true}
	return []Command{CLI("aws", "iam", "get-login-profile", "--user-name", *name), CLI("aws", "iam", "list-mfa-devices", "--user-name", *name), CLI("aws", "iam", "list-access-keys", "--user-name", *name)}
}

// deviceKind says what an MFA device is, by its serial number.
func deviceKind(serial string) string {
	switch {
	case strings.Contains(serial, ":u2f/"):
		return "Passkey or security key"
	case strings.Contains(serial, ":mfa/"):
		return "Authenticator app"
	}
	return "Hardware token"
}

// emptyTags is how many empty lines the form of tags offers.
const emptyTags = 2

// tagFields are the tags as a form: pairs of key and value.
func tagFields(tags []types.Tag) []Field {
	var fields []Field
	pair := func(key, value string) {
		n := len(fields) / 2
		fields = append(fields,
			Field{Name: fmt.Sprintf("key%d", n), Label: fmt.Sprintf("Key %d", n+1), Value: key, Optional: true, Autocomplete: "off", MaxLength: 128},
			Field{Name: fmt.Sprintf("value%d", n), Label: fmt.Sprintf("Value %d", n+1), Value: value, Optional: true, Autocomplete: "off", MaxLength: 256})
	}
	for _, t := range tags {
		pair(aws.ToString(t.Key), aws.ToString(t.Value))
	}
	for range emptyTags {
		pair("", "")
	}
	return fields
}

// typedTags reads the form of tags.
func (v *Visit) typedTags() map[string]string {
	tags := make(map[string]string)
	for n := range 50 + emptyTags {
		if key := v.Form(fmt.Sprintf("key%d", n)); key != "" {
			tags[key] = v.Form(fmt.Sprintf("value%d", n))
		}
	}
	return tags
}

func (c *Console) userActivity(ctx context.Context, v *Visit, u *types.User, body *userPage) []Command {
	api, missing := v.API(), &parts{v: v, found: body.Parts}
	var err error
	body.Events, err = deeds(ctx, api, aws.ToString(u.UserName), aws.ToString(u.Arn), 20)
	missing.note("events", err)
	return []Command{
		CLI("aws", "cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=Username,AttributeValue="+*u.UserName),
	}
}

// change does one thing to a user: on success it says so and leads back to a tab, else the
// page shows what was refused.
func (c *Console) changeUser(v *Visit, tab, done string, err error) error {
	name := v.Request.PathValue("name")
	if err != nil {
		v.Request.Form.Set("tab", tab)
		v.Request.PostForm.Set("tab", tab)
		return c.userForm(v, err)
	}
	v.Flash(Good, done)
	return v.Redirect(userPath(name, tab))
}

func (c *Console) renameUser(v *Visit) error {
	name, to := v.Request.PathValue("name"), v.Form("new")
	if _, err := v.API().IAM.UpdateUser(v.Request.Context(), &iam.UpdateUserInput{UserName: &name, NewUserName: &to}); err != nil {
		return c.userForm(v, err)
	}
	v.Flash(Good, name+" is called "+to+" now.")
	return v.Redirect(userPath(to, ""))
}

func (c *Console) addUserToGroup(v *Visit) error {
	name, group := v.Request.PathValue("name"), v.Form("group")
	_, err := v.API().IAM.AddUserToGroup(v.Request.Context(), &iam.AddUserToGroupInput{UserName: &name, GroupName: &group})
	return c.changeUser(v, "groups", "Added to "+group+".", err)
}

func (c *Console) removeUserFromGroup(v *Visit) error {
	name, group := v.Request.PathValue("name"), v.Form("group")
	_, err := v.API().IAM.RemoveUserFromGroup(v.Request.Context(), &iam.RemoveUserFromGroupInput{UserName: &name, GroupName: &group})
	return c.changeUser(v, "groups", "Removed from "+group+".", err)
}

func (c *Console) attachUserPolicy(v *Visit) error {
	name, policy := v.Request.PathValue("name"), policyARN(v.Form("policy"))
	_, err := v.API().IAM.AttachUserPolicy(v.Request.Context(), &iam.AttachUserPolicyInput{UserName: &name, PolicyArn: &policy})
	return c.changeUser(v, "permissions", "The policy was attached.", err)
}

func (c *Console) detachUserPolicy(v *Visit) error {
	name, policy := v.Request.PathValue("name"), v.Form("policy")
	_, err := v.API().IAM.DetachUserPolicy(v.Request.Context(), &iam.DetachUserPolicyInput{UserName: &name, PolicyArn: &policy})
	return c.changeUser(v, "permissions", "The policy was detached.", err)
}

func (c *Console) setUserBoundary(v *Visit) error {
	ctx, api, name, boundary := v.Request.Context(), v.API(), v.Request.PathValue("name"), policyARN(v.Form("boundary"))
	var err error
	done := "The permissions boundary was set."
	if boundary == "" {
		_, err = api.IAM.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: &name})
		done = "The user has no permissions boundary any more."
	} else {
		_, err = api.IAM.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: &name, PermissionsBoundary: &boundary})
	}
	return c.changeUser(v, "permissions", done, err)
}

// setUserPassword makes a console password, or another one.
func (c *Console) setUserPassword(v *Visit) error {
	ctx, api, name := v.Request.Context(), v.API(), v.Request.PathValue("name")
	if err := v.StepUp(userPath(name, "credentials")); err != nil {
		return err
	}
	password, err := makePassword(ctx, api)
	if err != nil {
		return err
	}
	_, err = api.IAM.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: &name, Password: &password, PasswordResetRequired: true})
	var exists *types.EntityAlreadyExistsException
	if errors.As(err, &exists) {
		_, err = api.IAM.UpdateLoginProfile(ctx, &iam.UpdateLoginProfileInput{UserName: &name, Password: &password, PasswordResetRequired: aws.Bool(true)})
	}
	if err != nil {
		return c.changeUser(v, "credentials", "", err)
	}
	return c.showPassword(v, name, password)
}

func (c *Console) deleteUserPassword(v *Visit) error {
	name := v.Request.PathValue("name")
	if err := v.StepUp(userPath(name, "credentials")); err != nil {
		return err
	}
	_, err := v.API().IAM.DeleteLoginProfile(v.Request.Context(), &iam.DeleteLoginProfileInput{UserName: &name})
	return c.changeUser(v, "credentials", "The user has no console password any more.", err)
}

// removeUserMFA deactivates a device, and deletes a virtual one.
func (c *Console) removeUserMFA(v *Visit) error {
	ctx, api, name, serial := v.Request.Context(), v.API(), v.Request.PathValue("name"), v.Form("serial")
	if err := v.StepUp(userPath(name, "credentials")); err != nil {
		return err
	}
	_, err := api.IAM.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: &name, SerialNumber: &serial})
	if err == nil && strings.Contains(serial, ":mfa/") {
		_, err = api.IAM.DeleteVirtualMFADevice(ctx, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &serial})
	}
	return c.changeUser(v, "credentials", "The MFA device was removed.", err)
}

// tagUser makes the user's tags those of the form.
func (c *Console) tagUser(v *Visit) error {
	ctx, api, name, wanted := v.Request.Context(), v.API(), v.Request.PathValue("name"), v.typedTags()
	out, err := api.IAM.ListUserTags(ctx, &iam.ListUserTagsInput{UserName: &name})
	if err != nil {
		return c.changeUser(v, "tags", "", err)
	}
	set, remove := changedTags(out.Tags, wanted)
	if len(remove) > 0 {
		_, err = api.IAM.UntagUser(ctx, &iam.UntagUserInput{UserName: &name, TagKeys: remove})
	}
	if err == nil && len(set) > 0 {
		_, err = api.IAM.TagUser(ctx, &iam.TagUserInput{UserName: &name, Tags: set})
	}
	return c.changeUser(v, "tags", "The tags were saved.", err)
}

// changedTags is what leads from the tags that are to those that are wanted.
func changedTags(have []types.Tag, wanted map[string]string) (set []types.Tag, remove []string) {
	present := make(map[string]string)
	for _, t := range have {
		key := aws.ToString(t.Key)
		present[key] = aws.ToString(t.Value)
		if _, ok := wanted[key]; !ok {
			remove = append(remove, key)
		}
	}
	for key, value := range wanted {
		if old, ok := present[key]; !ok || old != value {
			set = append(set, types.Tag{Key: aws.String(key), Value: aws.String(value)})
		}
	}
	return set, remove
}

// deleteUser deletes a user with all that hangs on it, in the order that leaves the user
// without credentials first should a step be refused.
func (c *Console) deleteUser(v *Visit) error {
	name := v.Request.PathValue("name")
	if err := v.StepUp(userPath(name, "")); err != nil {
		return err
	}
	if v.Form("typed") != name {
		return c.userForm(v, &Problem{Status: http.StatusUnprocessableEntity, Title: "The user was not deleted", Why: "The name that was typed is not " + name + ".", Do: []Step{{Text: "Type the name to confirm."}}})
	}
	if err := emptyUser(v.Request.Context(), v.API().IAM, &name); err != nil {
		return c.userForm(v, err)
	}
	if _, err := v.API().IAM.DeleteUser(v.Request.Context(), &iam.DeleteUserInput{UserName: &name}); err != nil {
		return c.userForm(v, err)
	}
	v.Flash(Good, "User "+name+" was deleted.")
	return v.Redirect("/users")
}
