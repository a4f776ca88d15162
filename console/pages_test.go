package console

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lanyard-iam/lanyard/service/lanyard"
)

const (
	everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	nothing    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}`
)

var wildcard = regexp.MustCompile(`\{[a-z]+(\.\.\.)?\}`)

// Every page, whatever its address names: for somebody who may do everything, and for
// somebody who may do nothing. None breaks, and each is well-formed (T243).
func TestT243_EveryPage(t *testing.T) {
	w := newWorld(t)
	for who, document := range map[string]string{"admin": everything, "nobody": nothing} {
		w.signIn(who, document)
		for _, route := range w.console.routes() {
			path, ok := strings.CutPrefix(route.Pattern, "GET ")
			if !ok {
				continue
			}
			for _, value := range []string{"admin", "7c1e0c52-3a55-4a0e-9d0c-6b8f7e2d9a11", `<script>alert("1")</script>`, "arn:aws:iam::aws:policy/AdministratorAccess", "AKIAIOSFODNN7EXAMPLE"} {
				a := w.get(wildcard.ReplaceAllString(strings.TrimSuffix(path, "{$}"), url.PathEscape(value)))
				if a.StatusCode >= 500 {
					t.Errorf("%s with %s for %s: %d\n%s", path, value, who, a.StatusCode, w.log.String())
				}
				if strings.Contains(a.body, `<script>alert(`) {
					t.Errorf("T243: %s writes markup that came with the address", path)
				}
				if !wildcard.MatchString(path) {
					break
				}
			}
		}
	}
}

func TestWhyDenied(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", `{"Version":"2012-10-17","Statement":[{"Sid":"Own","Effect":"Allow","Action":"iam:CreateUser","Resource":"arn:aws:iam::*:user/team/*"}]}`)
	_, err := w.api().IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("bob")})
	id := problemOf(err).ID
	w.get("/why/"+id).contains(t, "You do not have permission for this", "sts:DecodeAuthorizationMessage")
	w.get("/why").contains(t, "cloudtrail:LookupEvents")

	w.signInRoot()
	w.get("/why").contains(t, "iam:CreateUser", "arn:aws:iam::111122223333:user/bob", "user/alice")
	w.get("/why?user=alice").contains(t, "iam:CreateUser", "Show all")
	w.get("/why?user=mallory").contains(t, "No denial matches.")
	w.get("/why?since=yesterday").contains(t, "Write the time as")
	w.get("/why?id="+id).leadsTo(t, "/why/"+id)
	w.get("/why?id=x").contains(t, "36 characters")
	w.get("/why/"+id).contains(t, "Denied", "is not authorized to perform: iam:CreateUser", "implicit deny", "smallest change", "identity-based policy", "arn:aws:iam::*:user/team/*", "Sid Own", "Does not match", "aws:MultiFactorAuthPresent")

	// What is to be added is written where it belongs.
	_, err = w.api().IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("carol"), Path: aws.String("/team/")})
	w.must(err)
	w.signIn("carol")
	_, err = w.api().IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("dave")})
	id = problemOf(err).ID
	w.signInRoot()
	at := regexp.MustCompile(`href="(/users/carol/inline\?[^"]+)">Write it as an inline policy`).FindStringSubmatch(w.get("/why/" + id).body)
	if at == nil {
		t.Fatal("no link to where the policy is written")
	}
	a := w.get(html.UnescapeString(at[1]))
	a.contains(t, "Add an inline policy")
	if text := html.UnescapeString(a.body); !strings.Contains(text, `"Action": "iam:CreateUser"`) || !strings.Contains(text, `"Resource": "arn:aws:iam::111122223333:user/dave"`) {
		t.Errorf("the policy is not begun: %s", text)
	}
	if a := w.get("/why/7c1e0c52-3a55-4a0e-9d0c-6b8f7e2d9a11"); a.StatusCode != http.StatusBadRequest && a.StatusCode != http.StatusNotFound {
		t.Errorf("a request that was never made: %d", a.StatusCode)
	}
}

func TestEventHistory(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", everything)
	for _, name := range []string{"bob", "carol"} {
		_, err := w.api().IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name, Tags: nil})
		w.must(err)
	}
	// As in AWS's console, what nobody chose is changes and sign-ins: not what pages read.
	a := w.get("/events")
	a.contains(t, "CreateUser", "Changes and sign-ins", "AttributeKey=ReadOnly,AttributeValue=false", "Show all")
	_, err := w.api().IAM.ListUsers(t.Context(), &iam.ListUsersInput{})
	w.must(err)
	w.must(w.trail.Sync(t.Context()))
	for path, reads := range map[string]bool{
		"/events": false, "/events?column=who": false, "/events/export?format=csv": false,
		"/events?by=": true, "/events/export?by=&format=csv": true, "/events?since=2000-01-01T00:00": true,
	} {
		if got := w.get(path).body; strings.Contains(got, "ListUsers") != reads || !strings.Contains(got, "CreateUser") {
			t.Errorf("%s: %s", path, got)
		}
	}
	a = w.get("/events?by=EventName&value=CreateUser&column=who&column=source&column=key&column=from")
	a.contains(t, "CreateUser", "alice", "iam.amazonaws.com", "192.0.2.1", "Show all")
	w.get("/events?by=Nonsense&value=x").contains(t, "That is no attribute of an event.")
	w.get("/events?value=x").contains(t, "Say what the value is of.")
	export := w.get("/events/export?by=EventName&value=CreateUser&format=json")
	if got := strings.Count(export.body, `"eventName": "CreateUser"`); got != 3 || !strings.Contains(export.Header.Get("Content-Disposition"), "event-history.json") {
		t.Errorf("exported %d events: %s", got, export.body)
	}
	w.get("/events/export?by=EventName&value=CreateUser&format=csv").contains(t, "Event time,Event name", "CreateUser,alice")
	id := regexp.MustCompile(`"eventID": "([^"]+)"`).FindStringSubmatch(export.body)[1]
	w.get("/events/"+id).contains(t, "CreateUser", "By", "the console", "Succeeded")
	if a := w.get("/events/7c1e0c52-3a55-4a0e-9d0c-6b8f7e2d9a11"); a.StatusCode != http.StatusNotFound {
		t.Errorf("an event that never was: %d", a.StatusCode)
	}
}

func TestPlainCell(t *testing.T) {
	for in, want := range map[string]string{"": "", "alice": "alice", "=1+1": "'=1+1", "@x": "'@x", "-1": "'-1"} {
		if got := plainCell(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestSettings(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.get("/settings").contains(t, "The account uses AWS's default")
	policy := url.Values{"length": {"15"}, "change": {"on"}, "reuse": {"5"}}
	w.post("/settings/password-policy", policy).leadsTo(t, "/settings")
	w.get("/settings").contains(t, "The password policy was changed", "policy of its own", "12 hours at most, ended when unused for 60 minutes")
	policy.Set("length", "many")
	w.post("/settings/password-policy", policy).contains(t, "whole number")
	policy.Set("length", "3")
	w.post("/settings/password-policy", policy).contains(t, "Minimum password length")
	w.post("/settings/password-policy/delete", nil).leadsTo(t, "/settings")
	w.post("/settings/alias", url.Values{"alias": {"Not An Alias"}}).contains(t, "Account alias has a form")
	w.post("/settings/alias", url.Values{"alias": {"example"}}).leadsTo(t, "/settings")
	w.get("/settings").contains(t, "The account is called example.")
	w.post("/settings/alias", url.Values{"alias": {""}}).leadsTo(t, "/settings")
	w.get("/settings").contains(t, "no alias any more")
	w.later(recently)
	w.post("/settings/password-policy", policy).leadsTo(t, "/signin/factor?to=%2Fsettings")
}

// What one did oneself is at My security, and what a user did on their page: not what the
// pages read meanwhile, and not what a role's session of the same name did.
func TestDeeds(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", everything)
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"sts:AssumeRole"}}`, ours)
	role, err := w.api().IAM.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("deploy"), AssumeRolePolicyDocument: &trust})
	w.must(err)
	_, err = w.api().IAM.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("deploy"), PolicyName: aws.String("all"), PolicyDocument: aws.String(everything)})
	w.must(err)
	session, err := stsOf(w.api()).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: role.Role.Arn, RoleSessionName: aws.String("alice")})
	w.must(err)
	_, err = w.withSession(&sts.GetSessionTokenOutput{Credentials: session.Credentials}).IAM.CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: aws.String("made-by-the-role")})
	w.must(err)
	for range 60 {
		_, err := w.api().IAM.ListGroups(t.Context(), &iam.ListGroupsInput{})
		w.must(err)
	}
	_, err = lanyard.Call[lanyard.PutStateOutput](t.Context(), w.api().Lanyard, &lanyard.PutStateInput{Name: aws.String("a-note"), Value: aws.String(`"of a page"`)})
	w.must(err)
	w.must(w.trail.Sync(t.Context()))
	for _, path := range []string{"/security", "/users/alice?tab=activity"} {
		a := w.get(path)
		a.contains(t, "CreateRole", "PutRolePolicy")
		a.lacks(t, "ListGroups", "CreateGroup", "PutState")
	}
	w.get("/").lacks(t, "PutState")
}

// From a user, a group and a role one sees what they could do.
func TestWhatCouldTheyDo(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", everything)
	_, err := w.api().IAM.CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: aws.String("team")})
	w.must(err)
	for path, words := range map[string]string{"/users/alice": "What could this user do?", "/groups/team": "What could its members do?"} {
		a := w.get(path)
		a.contains(t, words)
		at := regexp.MustCompile(`href="(/simulator\?[^"]+)"`).FindStringSubmatch(a.body)
		if at == nil {
			t.Fatal("no link to the simulator")
		}
		w.get(html.UnescapeString(at[1])).contains(t, "Decisions", "iam:CreateAccessKey", "s3:DeleteObject")
	}
}
