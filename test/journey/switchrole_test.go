package journey

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/lanyard-iam/lanyard/test/browser"
)

// A person works as a role of another account for a while: by a link, with the role's
// permissions and no others, under a name that the bar shows; then as themselves again. Both
// accounts have it on their trail.
func TestSwitchRoleJourney(t *testing.T) {
	needAWS(t)
	const other, password = "444455556666", "Quiet-rivers-7-run-deep"
	b := tab{browser.New(t), nil}
	s := serve(t, t.TempDir(), "--dev", "--account", account, "--account", other)
	b.installation = s
	t.Cleanup(func() { b.Open("about:blank") })

	here, there := s.owner("--account", account), s.owner("--account", other)
	do := func(k keys, args ...string) string {
		t.Helper()
		out, err := s.aws(k, args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	do(here, "iam", "create-user", "--user-name", "alice")
	do(here, "iam", "create-login-profile", "--user-name", "alice", "--password", password)
	do(here, "iam", "put-user-policy", "--user-name", "alice", "--policy-name", "switch", "--policy-document",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["sts:AssumeRole","iam:ListGroups"],"Resource":"*"}}`)
	do(there, "iam", "create-account-alias", "--account-alias", "acme-prod")
	do(there, "iam", "create-role", "--role-name", "operator", "--assume-role-policy-document",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+account+`:user/alice"},"Action":"sts:AssumeRole"}}`)
	do(there, "iam", "put-role-policy", "--role-name", "operator", "--policy-name", "groups", "--policy-document",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:CreateGroup","iam:ListGroups","iam:GetGroup"],"Resource":"*"}}`)

	b.password("alice", password)
	b.signedIn("alice")
	b.Open(b.page("/switchrole", "account", "acme-prod", "roleName", "operator", "displayName", "Operations", "color", "purple"))
	b.signedIn("alice") // a link alone does nothing
	b.Press("Switch role")
	b.signedIn("Operations")
	b.Click("header .who")
	b.WaitText("Operations (Role)")
	menu := b.Text("#person")
	for _, want := range []string{"alice (IAM user)", "acme-prod", "4444-5555-6666"} {
		if !strings.Contains(strings.Join(strings.Fields(menu), " "), want) {
			t.Errorf("the menu lacks %q: %s", want, menu)
		}
	}
	b.Screenshots("journey-switched")

	b.Open(b.page("/groups")) // the role may do this
	b.Press("Create group")
	b.Fill("name", "on-call")
	b.Press("Create group")
	b.Wait(`document.readyState === "complete" && document.querySelector("h1")?.textContent === "on-call"`)
	b.Expect("422")
	b.Open(b.page("/users/new")) // and this it may not
	b.Fill("name", "bob")
	b.Press("Create user")
	b.WaitText("arn:aws:sts::" + other + ":assumed-role/operator/alice is not authorized to perform: iam:CreateUser")

	b.Open(b.page("/groups"))
	b.Click("header .who")
	b.Press("Back to alice")
	b.signedIn("alice")
	b.Open(b.page("/groups"))
	b.WaitText("Groups")
	if strings.Contains(b.Text("main"), "on-call") {
		t.Error("alice sees the other account's groups")
	}
	if out := do(there, "iam", "list-groups", "--query", "Groups[].GroupName", "--output", "text"); out != "on-call" {
		t.Errorf("groups: %q", out)
	}

	// What the trail of an account says of a name, oldest first.
	records := func(k keys, names ...string) (list []string) {
		t.Helper()
		var out struct {
			Events []struct{ CloudTrailEvent string }
		}
		if err := json.Unmarshal([]byte(do(k, "cloudtrail", "lookup-events", "--output", "json")), &out); err != nil {
			t.Fatal(err)
		}
		for _, e := range out.Events {
			var record struct {
				EventName, ErrorCode string
				UserIdentity         struct{ Arn string }
				AdditionalEventData  struct{ SwitchFrom string }
			}
			if err := json.Unmarshal([]byte(e.CloudTrailEvent), &record); err != nil {
				t.Fatal(err)
			}
			if slices.Contains(names, record.EventName) && record.UserIdentity.Arn != "" { // the owner of the host has none
				list = append(list, strings.TrimSpace(strings.Join([]string{record.EventName, record.UserIdentity.Arn, record.ErrorCode, record.AdditionalEventData.SwitchFrom}, " ")))
			}
		}
		slices.Reverse(list)
		return list
	}
	const alice, as = "arn:aws:iam::" + account + ":user/alice", "arn:aws:sts::" + other + ":assumed-role/operator/alice"
	for _, trail := range []struct {
		of   keys
		want []string
	}{
		{there, []string{"SwitchRole " + as + "  " + alice, "CreateGroup " + as, "CreateUser " + as + " AccessDenied", "ExitRole " + as + "  " + alice}},
		{here, []string{"ConsoleLogin " + alice, "AssumeRole " + alice}},
	} {
		names := []string{"ConsoleLogin", "SwitchRole", "ExitRole", "CreateUser"}
		if trail.of == here {
			names = []string{"ConsoleLogin", "AssumeRole", "SwitchRole", "ExitRole"}
		} else {
			names = append(names, "CreateGroup")
		}
		if got := records(trail.of, names...); !slices.Equal(got, trail.want) {
			t.Errorf("on the trail:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(trail.want, "\n"))
		}
	}
}
