package console

import (
	"context"
	"net/http"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// inlineHolder is a kind of entity that has inline policies: a user, a group, a role.
type inlineHolder struct {
	kind   EditorKind
	crumb  Crumb
	path   func(name string) string // its page
	back   func(name string) string // the part of it that lists the policies
	read   func(ctx context.Context, client *iam.Client, name, policy string) (document *string, err error)
	write  func(ctx context.Context, client *iam.Client, name, policy, document string) error
	remove func(ctx context.Context, client *iam.Client, name, policy string) error
}

func inlineHolders() []inlineHolder {
	return []inlineHolder{
		{
			kind: EditUser, crumb: Crumb{"Users", "/users"},
			path: func(name string) string { return userPath(name, "") },
			back: func(name string) string { return userPath(name, "permissions") },
			read: func(ctx context.Context, client *iam.Client, name, policy string) (*string, error) {
				out, err := client.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: &name, PolicyName: &policy})
				if err != nil {
					return nil, err
				}
				return out.PolicyDocument, nil
			},
			write: func(ctx context.Context, client *iam.Client, name, policy, document string) error {
				_, err := client.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: &policy, PolicyDocument: &document})
				return err
			},
			remove: func(ctx context.Context, client *iam.Client, name, policy string) error {
				_, err := client.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: &name, PolicyName: &policy})
				return err
			},
		},
		{
			kind: EditGroup, crumb: Crumb{"Groups", "/groups"}, path: groupPath, back: groupPath,
			read: func(ctx context.Context, client *iam.Client, name, policy string) (*string, error) {
				out, err := client.GetGroupPolicy(ctx, &iam.GetGroupPolicyInput{GroupName: &name, PolicyName: &policy})
				if err != nil {
					return nil, err
				}
				return out.PolicyDocument, nil
			},
			write: func(ctx context.Context, client *iam.Client, name, policy, document string) error {
				_, err := client.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: &name, PolicyName: &policy, PolicyDocument: &document})
				return err
			},
			remove: func(ctx context.Context, client *iam.Client, name, policy string) error {
				_, err := client.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: &name, PolicyName: &policy})
				return err
			},
		},
		{
			kind: EditRole, crumb: Crumb{"Roles", "/roles"},
			path: func(name string) string { return rolePath(name, "") },
			back: func(name string) string { return rolePath(name, "permissions") },
			read: func(ctx context.Context, client *iam.Client, name, policy string) (*string, error) {
				out, err := client.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &name, PolicyName: &policy})
				if err != nil {
					return nil, err
				}
				return out.PolicyDocument, nil
			},
			write: func(ctx context.Context, client *iam.Client, name, policy, document string) error {
				_, err := client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &policy, PolicyDocument: &document})
				return err
			},
			remove: func(ctx context.Context, client *iam.Client, name, policy string) error {
				_, err := client.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: &policy})
				return err
			},
		},
	}
}

// inlineRoutes are the pages of inline policies, at the addresses of who has them.
func (c *Console) inlineRoutes() []Route {
	var routes []Route
	for _, h := range inlineHolders() {
		at := h.crumb.Path + "/{name}/inline"
		routes = append(routes,
			Route{Pattern: "GET " + at, Handle: h.show},
			Route{Pattern: "POST " + at, Handle: h.save},
			Route{Pattern: "POST " + at + "/delete", Handle: h.erase})
	}
	return routes
}

// inlinePath is the editor of an inline policy; without a policy, of a new one.
func inlinePath(holder, policy string) string {
	if policy == "" {
		return holder + "/inline"
	}
	return holder + "/inline?" + url.Values{"policy": {policy}}.Encode()
}

// inlineRow is an inline policy in a list of those that holder has.
func inlineRow(holder, name string) policyRow {
	return policyRow{Name: name, Kind: "Inline", Path: inlinePath(holder, name), Remove: &Confirm{
		ID: "inline-" + name, Open: "Delete", Title: "Delete the inline policy " + name + "?", Text: "What only this policy allows is denied from then on.",
		Action: holder + "/inline/delete", Hidden: []Option{{Value: "policy", Text: name}}, Button: "Delete policy", Danger: true,
	}}
}

type inlinePage struct {
	Action   string
	Back     string
	Problem  *Problem
	Name     Field
	Existing bool
	Editor   Editor
}

// page is the form. An existing policy keeps its name.
func (h inlineHolder) page(v *Visit, policy string, existing bool, e Editor, err error) error {
	name := v.Request.PathValue("name")
	e.Old = existing
	body := inlinePage{
		Action: inlinePath(h.path(name), ""), Back: h.back(name), Existing: existing, Editor: e, Problem: v.formProblem(err),
		Name: Field{Name: "inline", Label: "Policy name", Value: policy, Autocomplete: "off", MaxLength: 128, ReadOnly: existing, Hint: "Letters, digits and + = , . @ _ -"},
	}
	title := "Add an inline policy"
	if existing {
		title = policy
	}
	holder := string(h.kind)
	return v.Render("inline", Page{
		Title: title, Lead: "A policy that only the " + holder + " " + name + " has, and that goes with it.", Nav: h.crumb.Path,
		Crumbs: []Crumb{h.crumb, {name, h.back(name)}}, Status: e.status(err),
		CLI:  []Command{CLI("aws", "iam", "put-"+holder+"-policy", "--"+holder+"-name", name, "--policy-name", firstOf(policy, "NAME"), "--policy-document", "file://policy.json")},
		Body: body,
	})
}

// saved is the policy as it is.
func (h inlineHolder) saved(v *Visit, policy string) (string, error) {
	document, err := h.read(v.Request.Context(), v.API().IAM, v.Request.PathValue("name"), policy)
	if err != nil {
		return "", err
	}
	return unescapeDocument(document), nil
}

func (h inlineHolder) show(v *Visit) error {
	policy, text := v.Query("policy"), proposedDocument(v)
	if policy != "" {
		saved, err := h.saved(v, policy)
		if err != nil {
			return err
		}
		text = pretty(saved)
	}
	return h.page(v, policy, policy != "", NewEditor(h.kind, documentLabel, text), nil)
}

func (h inlineHolder) save(v *Visit) error {
	ctx, name, policy, existing := v.Request.Context(), v.Request.PathValue("name"), v.Form("inline"), v.Form("existing") != ""
	e := typedEditor(v, h.kind, documentLabel)
	if e.Do == doCompare && existing {
		saved, err := h.saved(v, policy)
		if err != nil {
			return h.page(v, policy, existing, e, err)
		}
		e.compare(saved)
	}
	err := e.fault()
	if err == nil && !existing {
		// Put would replace it. Who may not read it is told nothing, and may.
		if _, found := h.saved(v, policy); found == nil {
			err = &Problem{
				Status: http.StatusConflict, Title: "There is a policy of this name", Why: "The " + string(h.kind) + " " + name + " has an inline policy " + policy + " already. It was not changed.",
				Do: []Step{{Text: "Choose another name."}, {"Edit the one that is there.", inlinePath(h.path(name), policy)}},
			}
		}
	}
	if err == nil {
		err = h.write(ctx, v.API().IAM, name, policy, e.Text)
	}
	if err != nil {
		return h.page(v, policy, existing, e, err)
	}
	v.Flash(Good, "The inline policy "+policy+" was saved.")
	return v.Redirect(h.back(name))
}

func (h inlineHolder) erase(v *Visit) error {
	name, policy := v.Request.PathValue("name"), v.Form("policy")
	if err := h.remove(v.Request.Context(), v.API().IAM, name, policy); err != nil {
		return err
	}
	v.Flash(Good, "The inline policy "+policy+" was deleted.")
	return v.Redirect(h.back(name))
}
