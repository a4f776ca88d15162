package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/lanyard-iam/lanyard/service/lanyard"
)

// hiddenValue is that of a field of the page.
func hiddenValue(t *testing.T, a *answered, name string) string {
	t.Helper()
	found, value := false, ""
	walk(a.doc, func(n *html.Node) {
		if is, _ := attribute(n, "name"); is == name && !found {
			found = true
			value, _ = attribute(n, "value")
		}
	})
	if !found {
		t.Fatalf("there is no field %s", name)
	}
	return value
}

const (
	uploads = `{"Version":"2012-10-17","Statement":[{"Sid":"Up","Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::releases/*"}]}`
	nearly  = `{"Version":"2012-10-17","Statement":[{"Sid":"Up","Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::relaeses/*"}]}`
)

// Tests are added, run, changed and removed on the page of their policy, and stand between
// a draft that breaks one and the version in force.
func TestPolicyTests(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	arn := w.makePolicy("Uploads", uploads)
	w.attach("ci", arn)
	path := managedPath(arn)
	tab := path + "?tab=tests"
	page := w.get(tab)
	page.contains(t, "There are none.", "Add a test")
	test := url.Values{"test": {"-1"}, "token": {hiddenValue(t, page, "token")}, "name": {"CI <b>uploads"}, "principal": {"user/ci"}, "action": {"s3:PutObject"}, "resource": {"arn:aws:s3:::releases/app"}, "expected": {"allowed"}, "context": {"aws:SourceIp=192.0.2.1"}}

	// What is wrong comes back as it was typed.
	bad := func(field, value string, says ...string) {
		t.Helper()
		form := url.Values{}
		for k, v := range test {
			form[k] = v
		}
		form.Set(field, value)
		a := w.post(path+"/tests", form)
		if a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s %q: %d", field, value, a.StatusCode)
		}
		a.contains(t, says...)
		if name := hiddenValue(t, a, "name"); name != "CI <b>uploads" {
			t.Errorf("what was typed is gone: %q", name)
		}
	}
	bad("action", "s3:*", "without wildcards")
	bad("principal", "user/nobody", "There is no such thing")
	bad("principal", "group/x", "There is no such thing")
	bad("context", "x", "The context could not be read")
	bad("context", "aws:SourceIp=home", "no value of the context key")
	bad("token", "1-1", "Someone else changed the tests")
	bad("test", "7", "Someone else changed the tests")

	page = w.leads(w.post(path+"/tests", test), tab+"&run=1")
	page.contains(t, "All as expected", "CI <b>uploads", "user ci", "aws:SourceIp=192.0.2.1", "Uploads[1] (Up), line 1, allows s3:PutObject", "Last changed by root", "Simulate")
	if again := w.post(path+"/tests", test); again.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("with the token of before: %d", again.StatusCode)
	}
	alone := url.Values{"test": {"-1"}, "token": {hiddenValue(t, page, "token")}, "action": {"iam:CreateUser"}, "expected": {"allowed"}}
	page = w.leads(w.post(path+"/tests", alone), tab+"&run=1")
	page.contains(t, "1 failure", "This policy alone", "no identity-based policy allows it", "To allow it: add iam:CreateUser")
	edit := w.get(tab + "&edit=1")
	edit.contains(t, "Change the test", "Save and run")
	if value := hiddenValue(t, edit, "action"); value != "iam:CreateUser" {
		t.Errorf("the form has %q", value)
	}
	alone.Set("test", "1")
	alone.Set("token", hiddenValue(t, edit, "token"))
	alone.Set("expected", "implicitDeny")
	page = w.leads(w.post(path+"/tests", alone), tab+"&run=1")
	page.contains(t, "All as expected")

	// A draft that breaks a test is not saved at once: not before, and not after, it was edited.
	save := url.Values{"document": {nearly}, "default": {"on"}}
	a := w.post(path+"/versions", save)
	a.contains(t, "1 of 2 tests would fail", "no identity-based policy allows it", "nearest is Uploads[1] (Up), line 1", "Save all the same", "relaeses")
	a.lacks(t, "iam:CreateUser")
	w.get(path+"?tab=versions").contains(t, "1 of 5")
	digest := hiddenValue(t, a, "tested")
	save.Set("tested", digest)
	save.Set("document", nothing)
	w.post(path+"/versions", save).contains(t, "1 of 2 tests would fail")
	w.get(path+"?tab=versions").contains(t, "1 of 5")
	save.Set("document", nearly)
	w.leads(w.post(path+"/versions", save), path+"?tab=versions").contains(t, "Version v2 was saved and is in force")
	w.leads(w.post(path+"/versions", url.Values{"document": {uploads + " "}, "default": {"on"}}), path+"?tab=versions").contains(t, "v3 was saved and is in force")

	// Nor is a version that breaks one put in force.
	a = w.post(path+"/versions/default", url.Values{"version": {"v2"}})
	a.contains(t, "1 of 2 tests would fail", "Put v2 in force all the same")
	w.get(path).contains(t, "Default version v3")
	w.leads(w.post(path+"/versions/default", url.Values{"version": {"v2"}, "tested": {hiddenValue(t, a, "tested")}}), path+"?tab=versions").contains(t, "v2 is in force")
	w.leads(w.post(path+"/versions/default", url.Values{"version": {"v1"}}), path+"?tab=versions").contains(t, "v1 is in force")

	// Removed, one and the last.
	for _, left := range []string{"CI <b>uploads", "There are none"} {
		remove := url.Values{"do": {"remove"}, "test": {map[string]string{"CI <b>uploads": "1", "There are none": "0"}[left]}, "token": {hiddenValue(t, w.get(tab), "token")}}
		w.leads(w.post(path+"/tests", remove), tab).contains(t, "The test was removed", left)
	}
	// AWS's own policies have no tests: nobody here changes them.
	if text := textOf(w.get(managedPath("arn:aws:iam::aws:policy/IAMFullAccess") + "?tab=tests").doc); strings.Contains(text, "Add a test") {
		t.Error("a policy of AWS's takes tests")
	}
}

// expects gives a policy tests.
func (w *world) expects(arn string, tests ...lanyard.PolicyTest) error {
	_, err := lanyard.Call[lanyard.PutPolicyTestsOutput](w.t.Context(), w.api().Lanyard, &lanyard.PutPolicyTestsInput{PolicyArn: &arn, Tests: tests})
	return err
}

// Who may save and not run tests saves, and is told that they were not run.
func TestPolicyTestsOfThoseWithFewRights(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	arn := w.makePolicy("Uploads", uploads)
	path := managedPath(arn)
	action, expected := "s3:PutObject", "allowed"
	w.must(w.expects(arn, lanyard.PolicyTest{Action: &action, Expected: &expected}))
	w.signIn("editor", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:GetPolicy*","iam:ListPolicyVersions","iam:CreatePolicyVersion","iam:SetDefaultPolicyVersion"],"Resource":"*"}}`)
	w.get(path+"?tab=tests").contains(t, "About this policy", "lanyard:GetPolicyTests")
	w.leads(w.post(path+"/versions", url.Values{"document": {nearly}, "default": {"on"}}), path+"?tab=versions").contains(t, "v2 was saved and is in force", "Its tests were not run: you do not have lanyard:RunPolicyTests")
	w.signIn("reader", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:GetPolicy*","lanyard:GetPolicyTests"],"Resource":"*"}}`)
	w.get(path+"?tab=tests&run=1").contains(t, "Not run yet", "lanyard:RunPolicyTests", "s3:PutObject")
	w.post(path+"/tests", url.Values{"test": {"-1"}, "token": {hiddenValue(t, w.get(path+"?tab=tests"), "token")}, "action": {"s3:GetObject"}, "expected": {"denied"}}).contains(t, "You do not have permission for this")
}
