package console

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

func TestSearch(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	api := w.api()
	for i := range 3 {
		_, err := api.IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String(fmt.Sprintf("deploy-%d", i)), Path: aws.String("/ci/")})
		w.must(err)
	}
	group, err := api.IAM.CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: aws.String("Deployers")})
	w.must(err)

	find := func(query string) *answered { return w.get("/search?q=" + url.QueryEscape(query)) }
	find("").contains(t, "Type a part of the name")
	a := find("DEPLOY")
	a.contains(t, "deploy-0", "deploy-1", "deploy-2", "Deployers", "arn:aws:iam::111122223333:user/ci/deploy-2")
	if strings.Contains(textOf(a.doc), "AdministratorAccess") {
		t.Error("a policy that does not match is shown")
	}
	find(strings.Repeat("é", 1500)).contains(t, "Nothing matches")
	find("user/ci/deploy-").contains(t, "deploy-0", "deploy-2")
	find("/CI/").contains(t, "deploy-0", "deploy-2")
	find("<b>nobody").contains(t, "Nothing matches “<b>nobody”")
	for query, want := range map[string]string{
		"deploy-1":                                            "/users/deploy-1",
		" AdministratorAccess ":                               "", // AdministratorAccess-Amplify is another
		aws.ToString(group.Group.GroupId):                     "/groups/Deployers",
		"111122223333:group":                                  "/groups/Deployers",
		"7C1E0C52-0d3f-4b7b-93a5-8a51e43ce7d2":                "/why/7c1e0c52-0d3f-4b7b-93a5-8a51e43ce7d2",
		"akiaiosfodnn7example":                                "/access-keys/AKIAIOSFODNN7EXAMPLE",
		"arn:aws:iam::111122223333:role/x/Read":               "/roles/Read",
		"arn:aws:iam::aws:policy/job-function/ViewOnlyAccess": "/policies/arn:aws:iam::aws:policy%2Fjob-function%2FViewOnlyAccess",
	} {
		if got := find(query).Header.Get("Location"); got != want {
			t.Errorf("%q leads to %q, not to %q", query, got, want)
		}
	}

	w.signIn("carol", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:ListUsers","iam:ListGroups"],"Resource":"*"}]}`)
	a = find("deploy-1")
	a.contains(t, "You may not list roles, policies", "deploy-1")
	if a.StatusCode != 200 {
		t.Errorf("status %d", a.StatusCode)
	}
}

// TestSearchShowsSomeOfMany stops at a hundred and says so.
func TestSearchShowsSomeOfMany(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	a := w.get("/search?q=amazon")
	a.contains(t, "There is more")
	if n := strings.Count(a.body, `data-label="Kind"`); n != maxFound {
		t.Errorf("%d are shown", n)
	}
}
