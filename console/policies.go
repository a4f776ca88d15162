package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/lanyard-iam/lanyard/internal/paging"
)

// policyRoutes are the pages of managed policies. An ARN in an address is one escaped
// segment; only the page itself also takes it as it is, as people paste it.
func (c *Console) policyRoutes() []Route {
	return []Route{
		{Pattern: "GET /policies", Handle: c.listPolicies},
		{Pattern: "GET /policies/new", Handle: c.newPolicy},
		{Pattern: "POST /policies", Handle: c.createPolicy},
		{Pattern: "POST /policies/lint", Handle: c.lintPolicy},
		{Pattern: "GET /policies/{arn...}", Handle: c.showPolicy},
		{Pattern: "POST /policies/{arn}/versions", Handle: c.savePolicy},
		{Pattern: "POST /policies/{arn}/versions/default", Handle: c.setDefaultVersion},
		{Pattern: "POST /policies/{arn}/versions/delete", Handle: c.deleteVersion},
		{Pattern: "POST /policies/{arn}/tests", Handle: c.saveTest},
		{Pattern: "POST /policies/{arn}/attach", Handle: c.attachPolicy},
		{Pattern: "POST /policies/{arn}/detach", Handle: c.detachPolicy},
		{Pattern: "POST /policies/{arn}/delete", Handle: c.deletePolicy},
	}
}

// managedPath is the page of a managed policy.
func managedPath(arn string) string { return "/policies/" + url.PathEscape(arn) }

type policiesPage struct {
	Now    time.Time
	AWS    bool
	Tabs   []Tab
	Filter Filter
	Rows   []listedPolicy
	Pager  Pager
	Empty  Empty
	Denied *Denied
}

type listedPolicy struct {
	Name, ARN, Path  string
	Attached, Bounds int32
	Version          string
	Updated          time.Time
}

const (
	policiesPerPage = 100
	// mostListed bounds how much is listed to look for a name: AWS has 1,500 policies, and
	// an account has no more by default.
	mostListed = 20 * 1000
)

func (c *Console) listPolicies(v *Visit) error {
	page := policiesPage{Now: v.Now, AWS: v.Query("scope") == "aws"}
	scope, of := types.PolicyScopeTypeLocal, "/policies"
	if page.AWS {
		scope, of = types.PolicyScopeTypeAws, "/policies?scope=aws"
	}
	page.Tabs = []Tab{
		{Text: "Customer managed", Path: "/policies", Current: !page.AWS},
		{Text: "AWS managed", Path: "/policies?scope=aws", Current: page.AWS},
	}
	filter := v.Query("filter")
	marker, err := v.listPolicies(&page, scope, filter)
	if page.Denied = v.deniedOf(err); err != nil && page.Denied == nil {
		return err
	}
	query := url.Values{}
	if page.AWS {
		query.Set("scope", "aws")
	}
	if v.Query("marker") != "" {
		page.Pager.First = of
	}
	if marker != "" {
		query.Set("marker", marker)
		page.Pager.Next = "/policies?" + query.Encode()
	}
	page.Pager.Shown = count(len(page.Rows), "policy") + " on this page"
	page.Filter = Filter{Table: "policies", Label: "Find policies by name", Value: filter, Path: of, Count: len(page.Rows), Noun: "policy"}
	page.Empty = Empty{
		Icon: "policy", Title: "No policies of your own yet",
		Text:    "A policy says which actions on which resources are allowed or denied. Attach it to users, groups and roles.",
		Action:  Step{"Create policy", "/policies/new"},
		Command: &Command{Line: "aws iam create-policy --policy-name NAME --policy-document file://policy.json"},
		More:    Step{"See what AWS has made", "/policies?scope=aws"},
	}
	if filter != "" {
		page.Empty = Empty{Icon: "search", Title: "No policy has this in its name", Text: "Looked for “" + filter + "” in the names of policies.", More: Step{"Show all", of}}
	}
	return v.Render("policies", Page{
		Title: "Policies",
		Lead:  "What may be done, written down once and attached where it is needed.",
		CLI:   []Command{CLI("aws", "iam", "list-policies", "--scope", map[bool]string{false: "Local", true: "AWS"}[page.AWS])},
		Body:  page,
	})
}

// listPolicies reads one page, or all that have a text in their name. It gives the marker of the
// next page.
func (v *Visit) listPolicies(p *policiesPage, scope types.PolicyScopeType, filter string) (marker string, err error) {
	in := &iam.ListPoliciesInput{Scope: scope, MaxItems: aws.Int32(policiesPerPage)}
	if filter != "" {
		in.MaxItems = aws.Int32(1000)
	} else if marker := v.Query("marker"); marker != "" {
		in.Marker = &marker
	}
	for listed := 0; listed < mostListed; {
		out, err := v.API().IAM.ListPolicies(v.Request.Context(), in)
		if err != nil {
			return "", err
		}
		for _, found := range out.Policies {
			listed++
			if filter == "" || strings.Contains(strings.ToLower(*found.PolicyName), strings.ToLower(filter)) {
				p.Rows = append(p.Rows, listedPolicy{
					Name: *found.PolicyName, ARN: *found.Arn, Path: managedPath(*found.Arn),
					Attached: aws.ToInt32(found.AttachmentCount), Bounds: aws.ToInt32(found.PermissionsBoundaryUsageCount),
					Version: aws.ToString(found.DefaultVersionId), Updated: aws.ToTime(found.UpdateDate),
				})
			}
		}
		in.Marker = out.Marker
		if filter == "" || !out.IsTruncated {
			break
		}
	}
	if filter != "" {
		return "", nil
	}
	return aws.ToString(in.Marker), nil
}

// policyPage is a policy with the part of it that is looked at.
type policyPage struct {
	Now      time.Time
	Name     string
	ARN      string
	Action   string // of forms: the path of the policy
	AWS      bool   // managed by AWS: nobody changes it
	About    []Pair
	Tabs     []Tab
	Tab      string
	Delete   Confirm
	Denied   *Denied
	Document *documentView
	Versions *versionsView
	Attached *attachedView
	Use      *useView
	Tests    *testsView
	Edit     *editView
}

// documentView is a document in words and as it is.
type documentView struct {
	Version string
	Access  []Grant
	Code    Code
	Denied  *Denied
}

func viewDocument(label, text string) (*documentView, error) {
	text = pretty(text)
	access, err := summary(text)
	if err != nil {
		return nil, err
	}
	return &documentView{Access: access, Code: Code{Label: label, Text: text}}, nil
}

type versionsView struct {
	Rows   []versionRow
	Diff   *Diff
	Same   bool // the two that are compared are the same text
	From   Field
	To     Field
	Denied *Denied
	// Failing are the tests that a version does not pass that was to be put in force.
	Failing  *draftTests
	Proposed string
}

type versionRow struct {
	ID      string
	Default bool
	Created time.Time
	Delete  Confirm
}

type attachedView struct {
	Rows   []attachedRow
	Pager  Pager
	Kind   Field
	Name   Field
	Denied *Denied
	// Problem is why the last try to attach failed.
	Problem *Problem
}

type attachedRow struct {
	Kind, Name, Path string
	Boundary         bool
	Detach           Confirm
}

// editView is the editor of a version.
type editView struct {
	Editor  Editor
	Default Field
	Remove  *Field // which version makes room, where there are five
	Failing *draftTests
	Problem *Problem
}

const mostVersions = 5

func (c *Console) showPolicy(v *Visit) error {
	arn := v.Request.PathValue("arn")
	page, got, err := c.policyPage(v, arn, v.Query("tab"))
	if err != nil {
		return err
	}
	ctx, client := v.Request.Context(), v.API().IAM
	switch page.Tab {
	case "versions":
		page.Versions, err = v.policyVersions(page)
	case "attachments":
		page.Attached, err = v.policyAttachments(page)
	case "tests":
		page.Tests, err = v.policyTests(page, nil)
	case "use":
		if page.Use, err = v.policyUse(page, got); err == nil && v.WantsFragment() {
			return v.Fragment("policy", "look", page)
		}
	case "edit":
		text := ""
		if got != nil {
			version := cmp.Or(v.Query("version"), aws.ToString(got.DefaultVersionId))
			if text, err = versionText(ctx, client, arn, version); err == nil {
				text = pretty(text)
			}
		}
		if err == nil {
			page.Edit, err = v.editPolicy(page, NewEditor(EditManaged, documentLabel, text))
		}
	default:
		if got == nil {
			break
		}
		var text string
		text, err = versionText(ctx, client, arn, *got.DefaultVersionId)
		if denied := v.deniedOf(err); denied != nil {
			page.Document, err = &documentView{Denied: denied}, nil
		} else if err == nil {
			page.Document, err = viewDocument("Policy document", text)
		}
	}
	if err != nil {
		return err
	}
	return c.renderPolicy(v, page, 0)
}

func (c *Console) renderPolicy(v *Visit, page *policyPage, status int) error {
	cli := []Command{CLI("aws", "iam", "get-policy", "--policy-arn", page.ARN)}
	switch page.Tab {
	case "versions":
		cli = []Command{CLI("aws", "iam", "list-policy-versions", "--policy-arn", page.ARN)}
	case "attachments":
		cli = []Command{CLI("aws", "iam", "list-entities-for-policy", "--policy-arn", page.ARN)}
	case "tests":
		cli = []Command{{Comment: "Tests that lie in files, in CI", Line: "lanyard policy test policies.test.yaml"}}
	case "use":
		cli = accessedCLI(page.ARN)
	case "edit":
		cli = []Command{CLI("aws", "iam", "create-policy-version", "--policy-arn", page.ARN, "--policy-document", "file://policy.json", "--set-as-default")}
	}
	return v.Render("policy", Page{
		Title: page.Name, Crumbs: []Crumb{{"Policies", "/policies"}}, CLI: cli, Status: status, Body: page,
	})
}

// policyPage is what all tabs have. The policy itself is nil if the person may not see
// it.
func (c *Console) policyPage(v *Visit, arn, tab string) (*policyPage, *types.Policy, error) {
	page := &policyPage{Now: v.Now, ARN: arn, Action: managedPath(arn), Tab: tab, Name: arn[strings.LastIndexByte(arn, '/')+1:]}
	if page.Name == "" {
		page.Name = arn
	}
	page.AWS = strings.Contains(arn, ":iam::aws:policy/")
	out, err := v.API().IAM.GetPolicy(v.Request.Context(), &iam.GetPolicyInput{PolicyArn: &arn})
	if page.Denied = v.deniedOf(err); err != nil && page.Denied == nil {
		return nil, nil, err
	}
	var got *types.Policy
	attached := 0
	if err == nil {
		got = out.Policy
		attached = int(aws.ToInt32(got.AttachmentCount) + aws.ToInt32(got.PermissionsBoundaryUsageCount))
		page.Name = *got.PolicyName
		kind := "Customer managed"
		if page.AWS {
			kind = "AWS managed"
		}
		page.About = []Pair{
			{Key: "Type", Value: kind},
			{Key: "ARN", Value: arn, Mono: true, Copy: true},
			{Key: "Description", Value: aws.ToString(got.Description)},
			{Key: "Created", Value: aws.ToTime(got.CreateDate).Format(time.DateTime) + " UTC"},
			{Key: "Updated", Value: aws.ToTime(got.UpdateDate).Format(time.DateTime) + " UTC"},
			{Key: "Default version", Value: aws.ToString(got.DefaultVersionId)},
			{Key: "Attached to", Value: fmt.Sprint(aws.ToInt32(got.AttachmentCount))},
			{Key: "Permissions boundary of", Value: fmt.Sprint(aws.ToInt32(got.PermissionsBoundaryUsageCount))},
		}
		for _, tag := range got.Tags {
			page.About = append(page.About, Pair{Key: "Tag " + *tag.Key, Value: aws.ToString(tag.Value)})
		}
	}
	if page.AWS && (tab == "edit" || tab == "tests") {
		page.Tab = ""
	}
	page.Tabs = []Tab{
		{Text: "Document", Path: page.Action, Current: !slices.Contains([]string{"versions", "attachments", "use", "tests", "edit"}, page.Tab)},
		{Text: "Versions", Path: page.Action + "?tab=versions", Current: page.Tab == "versions"},
		{Text: "Attachments", Path: page.Action + "?tab=attachments", Current: page.Tab == "attachments", Count: attached},
		{Text: "Use", Path: page.Action + "?tab=use", Current: page.Tab == "use"},
	}
	if !page.AWS {
		page.Tabs = append(page.Tabs, Tab{Text: "Tests", Path: page.Action + "?tab=tests", Current: page.Tab == "tests"}, Tab{Text: "Edit", Path: page.Action + "?tab=edit", Current: page.Tab == "edit"})
		page.Delete = Confirm{
			ID: "delete-policy", Open: "Delete", Title: "Delete the policy " + page.Name + "?",
			Text:   "All its versions go. It is taken from everyone who has it: " + count(attached, "attachment") + ". This cannot be undone.",
			Action: page.Action + "/delete", Button: "Delete policy", Danger: true, Typed: page.Name,
		}
	}
	return page, got, nil
}

func versionText(ctx context.Context, client *iam.Client, arn, version string) (string, error) {
	out, err := client.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: &version})
	if err != nil {
		return "", err
	}
	return unescapeDocument(out.PolicyVersion.Document), nil
}

// listVersions lists all versions, the newest first. There are five at most, of AWS's
// own policies more.
func listVersions(ctx context.Context, client *iam.Client, arn string) ([]types.PolicyVersion, error) {
	var all []types.PolicyVersion
	for pages := paging.Of(client.ListPolicyVersions, &iam.ListPolicyVersionsInput{PolicyArn: &arn}); pages.HasMorePages() && len(all) < 1000; {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Versions...)
	}
	slices.SortStableFunc(all, func(a, b types.PolicyVersion) int { return b.CreateDate.Compare(*a.CreateDate) })
	return all, nil
}

func (v *Visit) policyVersions(p *policyPage) (*versionsView, error) {
	ctx, client := v.Request.Context(), v.API().IAM
	all, err := listVersions(ctx, client, p.ARN)
	if denied := v.deniedOf(err); denied != nil {
		return &versionsView{Denied: denied}, nil
	}
	if err != nil {
		return nil, err
	}
	view := &versionsView{}
	var options []Option
	var inForce, other string
	for _, found := range all {
		row := versionRow{ID: *found.VersionId, Default: found.IsDefaultVersion, Created: *found.CreateDate}
		row.Delete = Confirm{
			ID: "delete-" + row.ID, Open: "Delete", Title: "Delete version " + row.ID + "?",
			Text:   "Its document is gone for good. The version in force stays as it is.",
			Action: p.Action + "/versions/delete", Hidden: []Option{{Value: "version", Text: row.ID}}, Button: "Delete version", Danger: true,
		}
		view.Rows = append(view.Rows, row)
		options = append(options, Option{Value: row.ID, Text: row.ID + map[bool]string{true: " (default)"}[row.Default]})
		if row.Default {
			inForce = row.ID
		} else if other == "" {
			other = row.ID
		}
	}
	from, to := cmp.Or(v.Query("from"), other), cmp.Or(v.Query("to"), inForce)
	view.From = Field{Name: "from", Label: "From", Type: "select", Value: from, Options: options}
	view.To = Field{Name: "to", Label: "To", Type: "select", Value: to, Options: options}
	if from == "" || len(all) < 2 {
		return view, nil
	}
	var before, after string
	err = together(
		func() (err error) { before, err = versionText(ctx, client, p.ARN, from); return err },
		func() (err error) { after, err = versionText(ctx, client, p.ARN, to); return err },
	)
	if denied := v.deniedOf(err); denied != nil {
		view.Denied = denied
		return view, nil
	}
	if err != nil {
		return nil, err
	}
	diff := DiffOf(from, to, pretty(before), pretty(after))
	view.Diff = &diff
	view.Same = !slices.ContainsFunc(diff.Lines, func(l DiffLine) bool { return l.Change != Same })
	return view, nil
}

func (v *Visit) policyAttachments(p *policyPage) (*attachedView, error) {
	view := &attachedView{
		Kind: Field{Name: "kind", Label: "Attach to a", Type: "select", Value: "user", Options: []Option{{Value: "user", Text: "User"}, {Value: "group", Text: "Group"}, {Value: "role", Text: "Role"}}},
		Name: Field{Name: "name", Label: "Its name", Autocomplete: "off", MaxLength: 128},
	}
	in := &iam.ListEntitiesForPolicyInput{PolicyArn: &p.ARN, MaxItems: aws.Int32(100), PolicyUsageFilter: types.PolicyUsageTypePermissionsPolicy}
	if marker := v.Query("marker"); marker != "" {
		in.Marker = &marker
		view.Pager.First = p.Action + "?tab=attachments"
	}
	var out, bounds *iam.ListEntitiesForPolicyOutput
	calls := []func() error{func() (err error) { out, err = v.API().IAM.ListEntitiesForPolicy(v.Request.Context(), in); return err }}
	if in.Marker == nil {
		calls = append(calls, func() (err error) {
			bounds, err = v.API().IAM.ListEntitiesForPolicy(v.Request.Context(), &iam.ListEntitiesForPolicyInput{
				PolicyArn: &p.ARN, MaxItems: aws.Int32(100), PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary})
			return err
		})
	}
	err := together(calls...)
	if view.Denied = v.deniedOf(err); err != nil {
		if view.Denied != nil {
			err = nil
		}
		return view, err
	}
	view.add(p, out, false)
	if bounds != nil {
		view.add(p, bounds, true)
	}
	if out.IsTruncated {
		view.Pager.Next = p.Action + "?" + url.Values{"tab": {"attachments"}, "marker": {*out.Marker}}.Encode()
	}
	view.Pager.Shown = count(len(view.Rows), "attachment") + " on this page"
	return view, nil
}

func (a *attachedView) add(p *policyPage, out *iam.ListEntitiesForPolicyOutput, boundary bool) {
	add := func(kind, name string) {
		id := fmt.Sprintf("detach-%d", len(a.Rows))
		a.Rows = append(a.Rows, attachedRow{
			Kind: upperFirst(kind), Name: name, Path: "/" + kind + "s/" + url.PathEscape(name), Boundary: boundary,
			Detach: Confirm{
				ID: id, Open: "Detach", Title: "Detach from the " + kind + " " + name + "?",
				Text:   "What only this policy allows, " + name + " can no longer do, from the next request on.",
				Action: p.Action + "/detach", Hidden: []Option{{Value: "kind", Text: kind}, {Value: "name", Text: name}}, Button: "Detach policy", Danger: true,
			},
		})
	}
	for _, one := range out.PolicyUsers {
		add("user", *one.UserName)
	}
	for _, one := range out.PolicyGroups {
		add("group", *one.GroupName)
	}
	for _, one := range out.PolicyRoles {
		add("role", *one.RoleName)
	}
}

func (v *Visit) editPolicy(p *policyPage, e Editor) (*editView, error) {
	e.Old = true
	view := &editView{
		Editor:  e,
		Default: Field{Name: "default", Label: "Put it in force", Type: "checkbox", Checked: true, Hint: "Else the version is kept beside the one in force, and can be made the default later."},
	}
	all, err := listVersions(v.Request.Context(), v.API().IAM, p.ARN)
	if err != nil && !refused(err) {
		return nil, err
	}
	if len(all) < mostVersions {
		return view, nil
	}
	remove := Field{Name: "remove", Label: "Which version is deleted to make room", Type: "radio",
		Hint: "A policy has five versions at most, and this one has five. The default version cannot be deleted."}
	for _, found := range slices.Backward(all) { // the oldest first: it is missed least
		if !found.IsDefaultVersion {
			remove.Options = append(remove.Options, Option{Value: *found.VersionId, Text: *found.VersionId, Hint: "Saved " + ago(v.Now, *found.CreateDate)})
		}
	}
	remove.Value = remove.Options[0].Value
	view.Remove = &remove
	return view, nil
}

// savePolicy saves a document as a new version.
func (c *Console) savePolicy(v *Visit) error {
	arn, e := v.Request.PathValue("arn"), typedEditor(v, EditManaged, documentLabel)
	remove, inForce := v.Form("remove"), v.Form("default") != ""
	ctx, client := v.Request.Context(), v.API().IAM
	err := e.fault()
	var failing *draftTests
	if err == nil {
		if failing, err = v.testDraft(arn, e.Text); failing != nil {
			err = errDraft
		}
	}
	if err == nil {
		if remove != "" {
			// It may have been deleted by the try before this one.
			_, err = client.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: &remove})
			if err != nil && problemOf(err).Code == "NoSuchEntity" {
				err = nil
			}
		}
		if err == nil {
			var out *iam.CreatePolicyVersionOutput
			if out, err = client.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: &e.Text, SetAsDefault: inForce}); err == nil {
				if inForce {
					v.Flash(Good, "Version "+*out.PolicyVersion.VersionId+" was saved and is in force.")
				} else {
					v.Flash(Good, "Version "+*out.PolicyVersion.VersionId+" was saved. It is not in force.")
				}
				return v.Redirect(managedPath(arn) + "?tab=versions")
			}
		}
	}
	page, got, pageErr := c.policyPage(v, arn, "edit")
	if pageErr != nil {
		return pageErr
	}
	if e.Do == doCompare && got != nil {
		saved, savedErr := versionText(ctx, client, arn, *got.DefaultVersionId)
		if savedErr != nil {
			err = savedErr
		} else {
			e.compare(saved)
		}
	}
	if page.Edit, pageErr = v.editPolicy(page, e); pageErr != nil {
		return pageErr
	}
	page.Edit.Default.Checked = inForce
	if page.Edit.Remove != nil && remove != "" {
		page.Edit.Remove.Value = remove
	}
	page.Edit.Problem, page.Edit.Failing = v.formProblem(err), failing
	return c.renderPolicy(v, page, e.status(err))
}

// errFaulty sends a document back to its editor, which says what is wrong with it.
var errFaulty = &Problem{Status: http.StatusUnprocessableEntity, Title: "The document has a fault"}

// errDraft sends a document back to its editor, since something else than to save it was
// asked for.
var errDraft = errors.New("the document is not to be saved now")

// documentLabel is what the field of a policy is called.
const documentLabel = "Policy document"

// formProblem is what stands above a form that comes back. Of a faulty document the
// editor itself says it.
func (v *Visit) formProblem(err error) *Problem {
	if err == nil || errors.Is(err, errFaulty) || errors.Is(err, errDraft) {
		return nil
	}
	return v.ProblemOf(err)
}

func (c *Console) setDefaultVersion(v *Visit) error {
	arn, version := v.Request.PathValue("arn"), v.Form("version")
	if text, err := versionText(v.Request.Context(), v.API().IAM, arn, version); err == nil {
		failing, err := v.testDraft(arn, text)
		if err != nil {
			return err
		}
		if failing != nil {
			return c.proposeVersion(v, arn, version, failing)
		}
	} else if !refused(err) {
		return err
	}
	if _, err := v.API().IAM.SetDefaultPolicyVersion(v.Request.Context(), &iam.SetDefaultPolicyVersionInput{PolicyArn: &arn, VersionId: &version}); err != nil {
		return err
	}
	v.Flash(Good, "Version "+version+" is in force.")
	return v.Redirect(managedPath(arn) + "?tab=versions")
}

// proposeVersion shows the tests that a version does not pass before it is put in force.
func (c *Console) proposeVersion(v *Visit, arn, version string, failing *draftTests) error {
	page, _, err := c.policyPage(v, arn, "versions")
	if err != nil {
		return err
	}
	if page.Versions, err = v.policyVersions(page); err != nil {
		return err
	}
	page.Versions.Failing, page.Versions.Proposed = failing, version
	return c.renderPolicy(v, page, 0)
}

func (c *Console) deleteVersion(v *Visit) error {
	arn, version := v.Request.PathValue("arn"), v.Form("version")
	back := managedPath(arn) + "?tab=versions"
	if err := v.StepUp(back); err != nil {
		return err
	}
	if _, err := v.API().IAM.DeletePolicyVersion(v.Request.Context(), &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: &version}); err != nil {
		return err
	}
	v.Flash(Good, "Version "+version+" was deleted.")
	return v.Redirect(back)
}

func (c *Console) attachPolicy(v *Visit) error {
	arn, kind, name := v.Request.PathValue("arn"), v.Form("kind"), v.Form("name")
	err := attachTo(v.Request.Context(), v.API().IAM, arn, kind, name)
	if err == nil {
		v.Flash(Good, "The policy was attached to the "+kind+" "+name+".")
		return v.Redirect(managedPath(arn) + "?tab=attachments")
	}
	page, _, pageErr := c.policyPage(v, arn, "attachments")
	if pageErr != nil {
		return pageErr
	}
	if page.Attached, pageErr = v.policyAttachments(page); pageErr != nil {
		return pageErr
	}
	page.Attached.Kind.Value, page.Attached.Name.Value = kind, name
	page.Attached.Problem = v.ProblemOf(err)
	return c.renderPolicy(v, page, http.StatusUnprocessableEntity)
}

// errKind is for forms that nobody sent from our pages.
func errKind(kind string) error {
	return &Problem{
		Status: http.StatusBadRequest, Title: "That is neither a user nor a group nor a role",
		Why: fmt.Sprintf("The form says %q. Policies are attached to users, groups and roles.", kind), Do: []Step{{Text: "Go back, reload the page and try again."}},
	}
}

func attachTo(ctx context.Context, client *iam.Client, arn, kind, name string) (err error) {
	switch kind {
	case "user":
		_, err = client.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{PolicyArn: &arn, UserName: &name})
	case "group":
		_, err = client.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{PolicyArn: &arn, GroupName: &name})
	case "role":
		_, err = client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{PolicyArn: &arn, RoleName: &name})
	default:
		err = errKind(kind)
	}
	return err
}

func detachFrom(ctx context.Context, client *iam.Client, arn, kind, name string) (err error) {
	switch kind {
	case "user":
		_, err = client.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{PolicyArn: &arn, UserName: &name})
	case "group":
		_, err = client.DetachGroupPolicy(ctx, &iam.DetachGroupPolicyInput{PolicyArn: &arn, GroupName: &name})
	case "role":
		_, err = client.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{PolicyArn: &arn, RoleName: &name})
	default:
		err = errKind(kind)
	}
	return err
}

func (c *Console) detachPolicy(v *Visit) error {
	arn, kind, name := v.Request.PathValue("arn"), v.Form("kind"), v.Form("name")
	if err := detachFrom(v.Request.Context(), v.API().IAM, arn, kind, name); err != nil {
		return err
	}
	v.Flash(Good, "The policy was detached from the "+kind+" "+name+".")
	return v.Redirect(managedPath(arn) + "?tab=attachments")
}

// deletePolicy takes a policy from everyone who has it, then its versions, then itself,
// as AWS's console does. A permissions boundary is not taken from anyone: that would
// widen what they may do, so the service's refusal stands.
func (c *Console) deletePolicy(v *Visit) error {
	arn := v.Request.PathValue("arn")
	if err := v.StepUp(managedPath(arn)); err != nil {
		return err
	}
	ctx, client := v.Request.Context(), v.API().IAM
	bounds, err := client.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: &arn, PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary})
	if err != nil {
		return err
	}
	if n := len(bounds.PolicyUsers) + len(bounds.PolicyRoles); n > 0 {
		return &Problem{
			Status: http.StatusConflict, Title: "It is still in use",
			Why: "The policy is the permissions boundary of a user or a role. Without it, they could do more than they may now, so it is not taken from them here. Nothing was changed.",
			Do:  []Step{{"See whose boundary it is.", managedPath(arn) + "?tab=attachments"}},
		}
	}
	for {
		out, err := client.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: &arn})
		if err != nil {
			return err
		}
		for _, one := range out.PolicyUsers {
			err = cmp.Or(err, detachFrom(ctx, client, arn, "user", *one.UserName))
		}
		for _, one := range out.PolicyGroups {
			err = cmp.Or(err, detachFrom(ctx, client, arn, "group", *one.GroupName))
		}
		for _, one := range out.PolicyRoles {
			err = cmp.Or(err, detachFrom(ctx, client, arn, "role", *one.RoleName))
		}
		if err != nil {
			return err
		}
		if !out.IsTruncated {
			break
		}
	}
	versions, err := listVersions(ctx, client, arn)
	if err != nil {
		return err
	}
	for _, found := range versions {
		if !found.IsDefaultVersion {
			if _, err := client.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: found.VersionId}); err != nil {
				return err
			}
		}
	}
	if _, err := client.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &arn}); err != nil {
		return err
	}
	v.Flash(Good, "The policy "+arn[strings.LastIndexByte(arn, '/')+1:]+" was deleted.")
	return v.Redirect("/policies")
}

type newPolicyPage struct {
	Name        Field
	Description Field
	Editor      Editor
	Problem     *Problem
}

func policyForm(name, description string, e Editor) newPolicyPage {
	return newPolicyPage{
		Name:        Field{Name: "name", Label: "Policy name", Value: name, Autocomplete: "off", MaxLength: 128, Hint: "Letters, digits and + = , . @ _ -"},
		Description: Field{Name: "description", Label: "Description", Value: description, Autocomplete: "off", MaxLength: 1000, Optional: true, Hint: "It cannot be changed later."},
		Editor:      e,
	}
}

func (c *Console) renderNewPolicy(v *Visit, page newPolicyPage, status int) error {
	return v.Render("policyedit", Page{
		Title: "Create policy", Crumbs: []Crumb{{"Policies", "/policies"}}, Status: status,
		Lead: "What the document does not allow is denied.",
		CLI:  []Command{CLI("aws", "iam", "create-policy", "--policy-name", cmp.Or(page.Name.Value, "NAME"), "--policy-document", "file://policy.json")},
		Body: page,
	})
}

func (c *Console) newPolicy(v *Visit) error {
	return c.renderNewPolicy(v, policyForm("", "", NewEditor(EditManaged, documentLabel, proposedDocument(v))), 0)
}

// proposedDocument is what a new policy begins with: what the address says is to be allowed,
// which is how the simulator leads here.
func proposedDocument(v *Visit) string {
	query := v.Request.URL.Query()
	actions, resources := query["action"], query["resource"]
	if len(actions) == 0 {
		actions = []string{"s3:GetObject"}
	}
	if len(resources) == 0 {
		resources = []string{"arn:aws:s3:::example-bucket/*"}
		if len(query["action"]) > 0 {
			resources = []string{"*"}
		}
	}
	return statementText(actions, resources)
}

// statementText is a document that allows actions on resources.
func statementText(actions, resources []string) string {
	type entry struct{ Effect, Action, Resource any }
	text, err := json.MarshalIndent(struct {
		Version   string
		Statement []entry
	}{"2012-10-17", []entry{{"Allow", oneOrMany(actions), oneOrMany(resources)}}}, "", "  ")
	if err != nil {
		panic(err) // strings can always be encoded
	}
	return string(text)
}

func oneOrMany(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func (c *Console) createPolicy(v *Visit) error {
	page := policyForm(v.Form("name"), v.Form("description"), typedEditor(v, EditManaged, documentLabel))
	err := page.Editor.fault()
	if err == nil {
		in := &iam.CreatePolicyInput{PolicyName: &page.Name.Value, PolicyDocument: &page.Editor.Text}
		if page.Description.Value != "" {
			in.Description = &page.Description.Value
		}
		var out *iam.CreatePolicyOutput
		if out, err = v.API().IAM.CreatePolicy(v.Request.Context(), in); err == nil {
			v.Flash(Good, "The policy "+page.Name.Value+" was created. Attach it to whom it is for.")
			return v.Redirect(managedPath(*out.Policy.Arn) + "?tab=attachments")
		}
	}
	page.Problem = v.formProblem(err)
	return c.renderNewPolicy(v, page, page.Editor.status(err))
}
