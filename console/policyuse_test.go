package console

import (
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"golang.org/x/net/html"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/store"
)

// calls notes calls of iam by a user.
func (w *world) calls(user string, uses ...identity.ActionUse) {
	w.t.Helper()
	out, err := w.api().IAM.GetUser(w.t.Context(), &iam.GetUserInput{UserName: &user})
	w.must(err)
	w.edit(func(tx store.Tx) error {
		a := &identity.Activity{}
		for _, use := range uses {
			a.Note(use, 0)
		}
		return identity.Activities.Put(tx, a, *out.User.UserId, "iam")
	})
}

func (w *world) attach(user, arn string) {
	w.t.Helper()
	_, err := w.api().IAM.CreateUser(w.t.Context(), &iam.CreateUserInput{UserName: &user})
	w.must(err)
	_, err = w.api().IAM.AttachUserPolicy(w.t.Context(), &iam.AttachUserPolicyInput{UserName: &user, PolicyArn: &arn})
	w.must(err)
}

const administers = `{"Version":"2012-10-17","Statement":[
	{"Sid":"People","Effect":"Allow","Action":["iam:*User","iam:TagUser","s3:GetObject"],"Resource":"*"},
	{"Sid":"Lists","Effect":"Allow","Action":"IAM:listusers","Resource":"*"},
	{"Effect":"Deny","Action":"iam:DeleteUser","Resource":"*"}]}`

func TestPolicyUse(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	arn := w.makePolicy("People", administers)
	path := managedPath(arn)
	w.settled(path+"?tab=use").contains(t, "nobody could use it", "younger than 90 days")
	w.attach("alice", arn)
	w.attach("bob", arn)
	at := func(days int) time.Time { return w.now.Add(-time.Duration(days) * day) }

	w.later(200 * day)
	w.signInRoot()
	w.calls("alice", identity.ActionUse{Name: "CreateUser", At: at(30), Region: region}, identity.ActionUse{Name: "GetUser", At: at(91), Region: region})
	w.calls("bob", identity.ActionUse{Name: "CreateUser", At: at(3), Region: region}, identity.ActionUse{Name: "DeleteUser", At: at(1), Region: region})
	page := w.settled(path + "?tab=use")
	page.contains(t, "1 used, 3 not", "iam:CreateUser", "3 days ago", "user bob", "Not for 90 days", "user alice", "Never used: iam", "TagUser", "ListUsers", "Not tracked", "s3", "Without what is unused")
	page.lacks(t, "younger than 90 days", "The document was changed", "if the account")

	// The draft is the policy without what is unused, in the editor. Nothing is saved.
	draft, do := "", ""
	walk(page.doc, func(n *html.Node) {
		switch name, _ := attribute(n, "name"); name {
		case "document":
			draft, _ = attribute(n, "value")
		case "do":
			do, _ = attribute(n, "value")
		}
	})
	want := pretty(`{"Version":"2012-10-17","Statement":[{"Sid":"People","Effect":"Allow","Action":["iam:CreateUser","s3:GetObject"],"Resource":"*"},
		{"Effect":"Deny","Action":"iam:DeleteUser","Resource":"*"}]}`)
	if draft != want {
		t.Errorf("the draft is\n%s\nnot\n%s", draft, want)
	}
	w.post(path+"/versions", url.Values{"document": {draft}, "default": {"on"}, "do": {do}}).contains(t, "What saving changes", "Save as a new version")
	w.get(path+"?tab=versions").contains(t, "1 of 5")

	// Whoever may not look sees which action it takes, and the rest of the page.
	w.signIn("carol", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:GetPolicy","iam:GetPolicyVersion"],"Resource":"*"}}`)
	w.settled(path+"?tab=use").contains(t, "About this policy", "iam:GenerateServiceLastAccessedDetails")
	w.signIn("dave", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:GetPolicy","iam:GetPolicyVersion","iam:GenerateServiceLastAccessedDetails"],"Resource":"*"}}`)
	w.settled(path+"?tab=use").contains(t, "iam:GetServiceLastAccessedDetails")
}

// The same of one user or role, through whichever policies.
func TestUseOfUsersAndRoles(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.attach("alice", w.makePolicy("People", administers))
	w.calls("alice", identity.ActionUse{Name: "CreateUser", At: w.now.Add(-day), Region: region}, identity.ActionUse{Name: "ListRoles", At: w.now.Add(-2 * day), Region: region})
	w.makeRole("deploy")
	w.settled("/users/alice?tab=use").contains(t, "2 used, 3 not", "iam:CreateUser", "iam:ListRoles", "2 days ago", "Never used: iam", "TagUser", "Not tracked", "s3", "generate-service-last-accessed-details")
	w.settled("/roles/deploy?tab=use").contains(t, "Used and unused actions", "0 used, 0 not")
	w.signIn("carol", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:GetUser","iam:GetRole"],"Resource":"*"}}`)
	for _, path := range []string{"/users/alice?tab=use", "/roles/deploy?tab=use"} {
		w.settled(path).contains(t, "Unique id", "iam:GenerateServiceLastAccessedDetails")
	}
}

// What cannot be told is not proposed.
func TestPolicyUseWithoutADraft(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	bounding, all, unused := w.makePolicy("Bounding", administers), w.makePolicy("All", everything), w.makePolicy("Unused", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*"}}`)
	w.attach("alice", bounding)
	w.attach("bob", all)
	w.attach("carol", unused)
	_, err := w.api().IAM.PutUserPermissionsBoundary(t.Context(), &iam.PutUserPermissionsBoundaryInput{UserName: aws.String("bob"), PermissionsBoundary: &bounding})
	w.must(err)
	w.later(100 * day)
	w.signInRoot()
	for arn, says := range map[string]string{
		bounding: "The policy bounds what a user or a role may do, too", all: "The policy allows every action of every service", unused: "Nothing of the policy that is tracked was used",
	} {
		page := w.settled(managedPath(arn) + "?tab=use")
		page.contains(t, says)
		page.lacks(t, "Open in the editor")
	}
	// Of a pattern, what cannot be known to be unused stays.
	mixed := w.makePolicy("Mixed", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*"}}`)
	w.attach("erin", mixed)
	w.calls("erin", identity.ActionUse{Name: "GetUser", At: w.now.Add(-day), Region: region})
	page := w.settled(managedPath(mixed) + "?tab=use")
	page.contains(t, "iam:PassRole: services elsewhere ask for it")
	if draft := hiddenValue(t, page, "document"); draft != pretty(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetUser","iam:PassRole"],"Resource":"*"}]}`) {
		t.Errorf("the draft is %s", draft)
	}
	managed := "arn:aws:iam::aws:policy/IAMFullAccess"
	w.attach("dave", managed)
	w.calls("dave", identity.ActionUse{Name: "CreateUser", At: w.now.Add(-day), Region: region})
	w.settled(managedPath(managed)+"?tab=use").contains(t, "1 used", "Make a policy of my own of it")
	w.post("/policies", url.Values{"document": {`{"Version":"2012-10-17","Statement":[]}`}, "do": {"format"}}).contains(t, "Create policy")
}
