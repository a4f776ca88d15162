package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"golang.org/x/net/html"
)

const (
	allowOne = `{"Version":"2012-10-17","Statement":[{"Sid":"Own","Effect":"Allow","Action":["s3:GetObject","s3:List*"],"Resource":"arn:aws:s3:::b/*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}]}`
	markup   = `<script>alert("1")</script>`
)

// leads fails unless the answer leads to a path, and follows it.
func (w *world) leads(a *answered, path string) *answered {
	w.t.Helper()
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path {
		text := ""
		if a.doc != nil {
			text = textOf(a.doc)
		}
		w.t.Fatalf("%d, to %q, not to %q: %s", a.StatusCode, a.Header.Get("Location"), path, text)
	}
	return w.get(path)
}

// makePolicy makes a customer managed policy and gives its ARN.
func (w *world) makePolicy(name, document string) string {
	w.t.Helper()
	out, err := w.api().IAM.CreatePolicy(w.t.Context(), &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document})
	w.must(err)
	return *out.Policy.Arn
}

func TestPolicies(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.get("/policies").contains(t, "No policies of your own yet", "Create policy", "aws iam create-policy")
	w.get("/policies?scope=aws&filter=readonlyaccess").contains(t, "ReadOnlyAccess")
	w.get("/policies?scope=aws&filter=%3Cb%3Enothing").contains(t, "Looked for “<b>nothing”")
	for i := range 103 {
		w.makePolicy(fmt.Sprintf("p-%03d", i), nothing)
	}
	first := w.get("/policies")
	first.contains(t, "p-000", "p-099", "100 policies on this page")
	first.lacks(t, "p-100")
	second := w.get(next(t, first))
	second.contains(t, "p-100", "p-102", "First page")
	second.lacks(t, "p-099")
	w.get("/policies?filter=P-10").contains(t, "p-100", "p-102", "3 policies")
	if a := w.get("/policies?marker=nonsense"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a marker that nobody gave: %d", a.StatusCode)
	}
}

// next is where "Next page" leads.
func next(t *testing.T, a *answered) string {
	t.Helper()
	path := ""
	walk(a.doc, func(n *html.Node) {
		if rel, _ := attribute(n, "rel"); rel == "next" {
			path, _ = attribute(n, "href")
		}
	})
	if path == "" {
		t.Fatal("there is no next page")
	}
	return path
}

func TestPolicy(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	api := w.api()
	for _, name := range []string{"bob", "carol"} {
		_, err := api.IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name})
		w.must(err)
	}

	// Created with a fault, then without.
	form := url.Values{"name": {"Own"}, "description": {markup}, "document": {"{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{\"Effect\": \"Alow\", \"Action\": \"s3:GetObject\", \"Resource\": \"*\"}]\n}"}, "kind": {"managed"}}
	a := w.post("/policies", form)
	a.contains(t, "Line 3, column", "Effect is", "Own", "Alow")
	if a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a fault: %d", a.StatusCode)
	}
	form.Set("document", allowOne)
	form.Set("name", "not a name")
	w.post("/policies", form).contains(t, "What was typed is not valid", "Policy name")
	form.Set("name", "Own")
	arn := "arn:aws:iam::111122223333:policy/Own"
	path := managedPath(arn)
	w.leads(w.post("/policies", form), path+"?tab=attachments").contains(t, "was created", "Nobody has this policy")
	w.post("/policies", form).contains(t, "That name is taken")

	// In words, as JSON, by its ARN as people paste it.
	for _, path := range []string{path, "/policies/" + arn} {
		w.get(path).contains(t, "What it says", "s3", "All of List…; GetObject", "arn:aws:s3:::b/*", "with MFA", `"Sid": "Own"`, markup)
	}

	// Attached and detached.
	w.post(path+"/attach", url.Values{"kind": {"user"}, "name": {"nobody"}}).contains(t, "There is no such thing", "nobody")
	w.post(path+"/attach", url.Values{"kind": {"tree"}, "name": {"bob"}}).contains(t, "neither a user")
	for _, name := range []string{"bob", "carol"} {
		w.leads(w.post(path+"/attach", url.Values{"kind": {"user"}, "name": {name}}), path+"?tab=attachments").contains(t, name, "User")
	}
	w.leads(w.post(path+"/detach", url.Values{"kind": {"user"}, "name": {"bob"}}), path+"?tab=attachments").contains(t, "was detached from the user bob", "carol")

	// Versions: saved, compared, put in force, deleted, and no more than five.
	save := url.Values{"document": {nothing}}
	w.leads(w.post(path+"/versions", save), path+"?tab=versions").contains(t, "v2 was saved. It is not in force", "v1", "In force", "ListAllMyBuckets")
	w.leads(w.post(path+"/versions/default", url.Values{"version": {"v2"}}), path+"?tab=versions").contains(t, "v2 is in force")
	w.get(path+"?tab=versions&from=v2&to=v2").contains(t, "The two versions are the same")
	if a := w.get(path + "?tab=versions&from=v9&to=v2"); a.StatusCode != http.StatusNotFound {
		t.Errorf("a version that is not there: %d", a.StatusCode)
	}
	save.Set("default", "on")
	for range 3 {
		w.leads(w.post(path+"/versions", save), path+"?tab=versions")
	}
	w.get(path+"?tab=edit").contains(t, "Which version is deleted to make room", "v1", "v4")
	w.post(path+"/versions", save).contains(t, "The quota is used up", "Which version is deleted")
	save.Set("remove", "v1")
	page := w.leads(w.post(path+"/versions", save), path+"?tab=versions")
	page.contains(t, "v6 was saved and is in force", "5 of 5")
	page.lacks(t, "v1")
	save.Set("document", `{"Version":"2012-10-17"}`)
	save.Set("remove", "v2")
	w.post(path+"/versions", save).contains(t, "Statement is missing")
	w.get(path+"?tab=versions").contains(t, "v2") // nothing was deleted for it
	w.leads(w.post(path+"/versions/delete", url.Values{"version": {"v2"}}), path+"?tab=versions").contains(t, "v2 was deleted")

	// Deleted, from wherever it is attached; not where it is a boundary.
	_, err := api.IAM.PutUserPermissionsBoundary(t.Context(), &iam.PutUserPermissionsBoundaryInput{UserName: aws.String("bob"), PermissionsBoundary: &arn})
	w.must(err)
	w.get(path+"?tab=attachments").contains(t, "Permissions boundary", "bob")
	w.post(path+"/delete", nil).contains(t, "It is still in use", "Nothing was changed")
	w.get(path+"?tab=attachments").contains(t, "carol")
	_, err = api.IAM.DeleteUserPermissionsBoundary(t.Context(), &iam.DeleteUserPermissionsBoundaryInput{UserName: aws.String("bob")})
	w.must(err)
	w.leads(w.post(path+"/delete", nil), "/policies").contains(t, "The policy Own was deleted", "No policies of your own yet")
	if a := w.get(path); a.StatusCode != http.StatusNotFound {
		t.Errorf("a policy that is gone: %d", a.StatusCode)
	}

	// What destroys asks for a recent factor.
	w.makePolicy("Own", nothing)
	w.later(recently)
	if a := w.post(path+"/delete", nil); !strings.HasPrefix(a.Header.Get("Location"), "/signin/factor?to=") {
		t.Errorf("deleted without a recent factor: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
}

// A policy of AWS is to be read, not to be changed. A policy whose path has what an
// address has keeps its own page.
func TestPolicyAddresses(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	a := w.get(managedPath("arn:aws:iam::aws:policy/AdministratorAccess"))
	a.contains(t, "AWS managed", "Every service", "Every action", "Every resource")
	a.lacks(t, "Save as a new version", "Delete policy")
	w.get(managedPath("arn:aws:iam::aws:policy/AdministratorAccess")+"?tab=edit").lacks(t, "Save new version")
	for _, path := range []string{"/a/b/", "/versions/", "/../", "/@=+,/"} {
		out, err := w.api().IAM.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("versions"), Path: &path, PolicyDocument: aws.String(nothing)})
		w.must(err)
		at := managedPath(*out.Policy.Arn)
		w.get(at).contains(t, *out.Policy.Arn)
		w.leads(w.post(at+"/versions", url.Values{"document": {allowOne}}), at+"?tab=versions").contains(t, "v2 was saved")
		w.leads(w.post(at+"/delete", nil), "/policies").contains(t, "was deleted")
	}
}

// Who may see little sees what that is, and why not more.
func TestPoliciesOfAPersonWithFewRights(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	arn := w.makePolicy("Own", allowOne)
	w.signIn("dave", nothing)
	for _, path := range []string{"/policies", "/policies?scope=aws&filter=x", managedPath(arn), managedPath(arn) + "?tab=versions", managedPath(arn) + "?tab=attachments", managedPath(arn) + "?tab=edit"} {
		a := w.get(path)
		a.contains(t, "You may not see this: it takes iam:", "Why?")
		if a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	w.get("/policies/new").contains(t, "Policy document")
	w.post("/policies", url.Values{"name": {"x"}, "document": {nothing}}).contains(t, "You do not have permission for this", "iam:CreatePolicy", `ListAllMyBuckets`)
	w.post(managedPath(arn)+"/versions", url.Values{"document": {nothing}}).contains(t, "iam:CreatePolicyVersion", "ListAllMyBuckets")

	w.signIn("erin", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetPolicy","iam:ListPolicyVersions"],"Resource":"*"}]}`)
	w.get(managedPath(arn)).contains(t, "Customer managed", "it takes iam:GetPolicyVersion")
	w.get(managedPath(arn)+"?tab=versions").contains(t, "v1")
}

func TestLint(t *testing.T) {
	for text, want := range map[string]string{
		nothing: "",
		`{`:     "bad 1:2",
		"{\n\"Version\":\"2012-10-17\",\n\"Statement\":[\n{\"Effect\":\"Allow\",\"Action\":\"s3GetObject\",\"Resource\":\"*\"}]}": "bad 4:28",
		allowAll: "warning 1:0",
		"{\"Version\":\"2012-10-17\",\"Statement\":[\n{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\",\n\"Condition\":{\"Bool\":{\"aws:MultiFactorAuthPresent\":\"false\"}}},\n{\"Effect\":\"Allow\",\"Action\":[\"s3:Get*\",\n\"iam:Pass*\"],\"Resource\":\"*\"}]}": "warning 3:0, warning 5:0",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"iam:*","NotResource":"arn:aws:s3:::x"}}`:                                                                                                                                                          "warning 1:0, warning 1:0",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*"}}`:                                                                                                                                                                             "warning 1:0",
	} {
		e := NewEditor(EditManaged, "", text)
		var got []string
		for _, f := range e.Findings {
			got = append(got, fmt.Sprintf("%s %d:%d", f.Kind, f.Line, f.Column))
			if f.Excerpt == "" {
				t.Errorf("%s: no line is shown", text)
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %v, not %s", text, got, want)
		}
		if e.Faulty() != strings.HasPrefix(want, "bad") {
			t.Errorf("%s: faulty %v", text, e.Faulty())
		}
	}
	if e := NewEditor(EditManaged, "", `{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::x/${aws:username}"}}`); !e.Faulty() {
		t.Error("a managed policy of 2008")
	}
	if e := NewEditor(EditUser, "", `{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::x/${aws:username}"}}`); len(e.Findings) != 1 || e.Findings[0].Kind != Warning {
		t.Errorf("variables in 2008: %v", e.Findings)
	}
}

// While somebody types, the same findings come as a fragment.
func TestLintAsYouType(t *testing.T) {
	w := newWorld(t)
	w.signIn("dave", nothing)
	form := url.Values{"document": {"{\n<b>"}, "kind": {"managed"}}
	if a := w.post("/policies/lint", form); a.StatusCode != http.StatusBadRequest {
		t.Errorf("as a page: %d", a.StatusCode)
	}
	a := w.fragment(http.MethodPost, "/policies/lint", form)
	a.contains(t, "Line 2, column 1", "<b>", "characters")
	if strings.Contains(a.body, "<html") || strings.Contains(a.body, "<b>") {
		t.Errorf("not a fragment: %s", a.body)
	}
}
