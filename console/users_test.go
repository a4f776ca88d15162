package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

func TestUsers(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.get("/users").contains(t, "No users yet", "aws iam create-user")
	w.post("/users", url.Values{"name": {"a b"}}).contains(t, "User name has a form")
	_, err := w.api().IAM.CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: aws.String("developers")})
	w.must(err)
	w.get("/users/new").contains(t, "developers")
	w.post("/users", url.Values{"name": {"alice"}, "path": {"/team/"}, "group": {"developers", "nobody"}}).leadsTo(t, "/users/alice")
	w.get("/users/alice").contains(t, "User alice was created.", "It was not added to the group nobody", "arn:aws:iam::111122223333:user/team/alice")
	w.get("/users").contains(t, "alice", "/team/", "1 user")
	w.get("/users?path=/team/").contains(t, "alice")
	w.get("/users?path=/other/").contains(t, "No user has a path that begins so.")
	if a := w.get("/users/mallory"); a.StatusCode != http.StatusNotFound {
		t.Errorf("a user that is not there: %d", a.StatusCode)
	}
	if a := w.get("/users/alice?tab=nonsense"); a.StatusCode != http.StatusNotFound {
		t.Errorf("a tab that is not there: %d", a.StatusCode)
	}

	// permissions
	w.post("/users/alice/policies", url.Values{"policy": {"ReadOnlyAccess"}}).leadsTo(t, "/users/alice?tab=permissions")
	w.post("/users/alice/policies", url.Values{"policy": {"NoSuchPolicy"}}).contains(t, "There is no such thing any more")
	w.post("/users/alice/inline", url.Values{"inline": {"own"}, "document": {`{"Version":"2012-10-17","Statement":[{"Effect":"Alow","Action":"s3:*","Resource":"*"}]}`}}).contains(t, "Line 1, column")
	w.post("/users/alice/inline", url.Values{"inline": {"own"}, "document": {everything}}).leadsTo(t, "/users/alice?tab=permissions")
	w.post("/users/alice/boundary", url.Values{"boundary": {"PowerUserAccess"}}).leadsTo(t, "/users/alice?tab=permissions")
	_, err = w.api().IAM.AttachGroupPolicy(t.Context(), &iam.AttachGroupPolicyInput{GroupName: aws.String("developers"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonS3FullAccess")})
	w.must(err)
	w.get("/users/alice").contains(t, "ReadOnlyAccess", "own", "AmazonS3FullAccess", "developers", "directly")
	w.post("/users/alice/policies/detach", url.Values{"policy": {"arn:aws:iam::aws:policy/ReadOnlyAccess"}}).leadsTo(t, "/users/alice?tab=permissions")

	// groups, tags
	w.post("/users/alice/groups/remove", url.Values{"group": {"developers"}}).leadsTo(t, "/users/alice?tab=groups")
	w.get("/users/alice?tab=groups").contains(t, "In no group.")
	w.post("/users/alice/groups", url.Values{"group": {"developers"}}).leadsTo(t, "/users/alice?tab=groups")
	w.post("/users/alice/tags", url.Values{"key0": {"team"}, "value0": {"platform"}, "key1": {"x"}}).leadsTo(t, "/users/alice?tab=tags")
	w.post("/users/alice/tags", url.Values{"key0": {"team"}, "value0": {"data"}}).leadsTo(t, "/users/alice?tab=tags")
	out, err := w.api().IAM.ListUserTags(t.Context(), &iam.ListUserTagsInput{UserName: aws.String("alice")})
	w.must(err)
	if len(out.Tags) != 1 || *out.Tags[0].Key != "team" || *out.Tags[0].Value != "data" {
		t.Errorf("tags are %v", out.Tags)
	}
	w.get("/users/alice?tab=activity").contains(t, "No change and no sign-in is among the last events.")

	// rename, delete
	w.post("/users/alice/rename", url.Values{"new": {"alicia"}}).leadsTo(t, "/users/alicia")
	_, err = w.api().IAM.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String("alicia")})
	w.must(err)
	w.get("/users/alicia?tab=credentials").contains(t, "AKIA", "Active", "Console password None")
	w.post("/users/alicia/delete", url.Values{"typed": {"alice"}}).contains(t, "The user was not deleted")
	w.later(recently)
	w.post("/users/alicia/delete", url.Values{"typed": {"alicia"}}).leadsTo(t, "/signin/factor?to=%2Fusers%2Falicia")
	w.signInRoot()
	w.post("/users/alicia/delete", url.Values{"typed": {"alicia"}}).leadsTo(t, "/users")
	w.get("/users").contains(t, "User alicia was deleted.", "No users yet")
}

// A password that the console makes is shown once, and is in no log, no trail and no other page.
func TestMadePassword(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	a := w.post("/users", url.Values{"name": {"bob"}, "password": {"on"}})
	a.contains(t, "The password of bob", "only time it can be seen", "https://id.example.com/signin?account=111122223333")
	_, rest, _ := strings.Cut(a.body, `<span class="hidden"> Password</span></summary><code>`)
	password, _, _ := strings.Cut(rest, "<")
	password = strings.NewReplacer("&#43;", "+", "&amp;", "&").Replace(password)
	if len(password) < 20 {
		t.Fatalf("the password is %q", password)
	}
	in := url.Values{"account": {string(ours)}, "username": {"bob"}, "password": {password}}
	w.later(0)
	w.post("/signin", in).leadsTo(t, "/signin/password")
	w.post("/signin/password", url.Values{"password": {goodPassword}, "again": {goodPassword}})
	w.signInRoot()
	for _, path := range []string{"/users/bob?tab=credentials", "/events?by=", "/events/export?by=&format=json"} {
		if strings.Contains(w.get(path).body, password) {
			t.Errorf("the password is in %s", path)
		}
	}
	if strings.Contains(w.log.String(), password) {
		t.Error("the password is in the log")
	}
	w.post("/users/bob/password", nil).contains(t, "The password of bob")
	w.post("/users/bob/password/delete", nil).leadsTo(t, "/users/bob?tab=credentials")
	w.get("/users/bob?tab=credentials").contains(t, "Console password None")
}

func TestMakePassword(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	_, err := w.api().IAM.UpdateAccountPasswordPolicy(t.Context(), &iam.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: aws.Int32(30), RequireSymbols: true, RequireNumbers: true, RequireLowercaseCharacters: true, RequireUppercaseCharacters: true})
	w.must(err)
	var made []string
	for range 50 {
		p, err := makePassword(t.Context(), w.api())
		w.must(err)
		if len(p) != 30 || !strings.ContainsAny(p, "!@#%^*-_=+") || !strings.ContainsAny(p, "23456789") || strings.ToLower(p) == p || strings.ToUpper(p) == p || slices.Contains(made, p) {
			t.Fatalf("made %q", p)
		}
		made = append(made, p)
	}
}

func TestGroups(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.get("/groups").contains(t, "No groups yet")
	w.post("/groups", url.Values{"name": {"developers"}}).leadsTo(t, "/groups/developers")
	w.post("/groups", url.Values{"name": {"developers"}}).contains(t, "That name is taken")
	_, err := w.api().IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("alice")})
	w.must(err)
	w.post("/groups/developers/members", url.Values{"user": {"alice"}}).leadsTo(t, "/groups/developers")
	w.post("/groups/developers/members", url.Values{"user": {"nobody"}}).contains(t, "There is no such thing any more")
	w.post("/groups/developers/policies", url.Values{"policy": {"ReadOnlyAccess"}}).leadsTo(t, "/groups/developers")
	w.post("/groups/developers/inline", url.Values{"inline": {"own"}, "document": {everything}}).leadsTo(t, "/groups/developers")
	w.get("/groups/developers").contains(t, "alice", "ReadOnlyAccess", "own", "Inline")
	w.post("/groups/developers/members/remove", url.Values{"user": {"alice"}}).leadsTo(t, "/groups/developers")
	w.post("/groups/developers/members", url.Values{"user": {"alice"}}).leadsTo(t, "/groups/developers")
	w.post("/groups/developers/rename", url.Values{"new": {"engineers"}}).leadsTo(t, "/groups/engineers")
	w.post("/groups/engineers/delete", url.Values{"typed": {"x"}}).contains(t, "The group was not deleted")
	w.post("/groups/engineers/delete", url.Values{"typed": {"engineers"}}).leadsTo(t, "/groups")
	w.get("/groups").contains(t, "Group engineers was deleted.", "No groups yet")
	w.signIn("carol", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetGroup","iam:GetUser"],"Resource":"*"}]}`)
	w.get("/groups").contains(t, "You do not have permission for this", "iam:ListGroups")
	w.get("/users/carol").contains(t, "You may not see this", "iam:List")
}
