package console

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lanyard-iam/lanyard/test/browser"
)

// browse serves the console to a browser, as who is signed in. From here on its clock is the
// real one.
func (w *world) browse(b *browser.Browser) string {
	w.t.Helper()
	server := b.Serve(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		r.AddCookie(w.cookies[SessionCookie])
		w.console.ServeHTTP(out, r)
	}))
	u, err := url.Parse(server.URL)
	w.must(err)
	w.console.config.URL = &url.URL{Scheme: "http", Host: "localhost:" + u.Port()}
	w.at(time.Now().UTC())
	return w.console.config.URL.String()
}

// The pages that advise, in a browser: what was put right goes from a page that is open,
// and their pictures.
func TestAdviceInABrowser(t *testing.T) {
	b := browser.New(t)
	w := newWorld(t)
	w.console.config.Offers = func(string) bool { return false }
	base := w.browse(b)
	w.signInRoot()
	w.somebodyUnsafe("mallory")
	w.somebodyUnsafe("a-person-with-a-long-name.of-finance@accounting.example.com")
	for i, days := range []int{400, 200, 100, 40, 10, 5} {
		name := fmt.Sprint("deploy-", i)
		w.at(time.Now().UTC().AddDate(0, 0, -days))
		w.signInRoot()
		client := w.api().IAM
		_, err := client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name})
		w.must(err)
		_, err = client.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name})
		w.must(err)
	}
	w.at(time.Now().UTC())
	w.signInRoot()
	client := w.api().IAM
	_, err := client.CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: aws.String("administrators")})
	w.must(err)
	_, err = client.AttachGroupPolicy(t.Context(), &iam.AttachGroupPolicyInput{GroupName: aws.String("administrators"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
	w.must(err)
	_, err = client.AddUserToGroup(t.Context(), &iam.AddUserToGroupInput{GroupName: aws.String("administrators"), UserName: aws.String("mallory")})
	w.must(err)
	_, err = client.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("open"), AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}`)})
	w.must(err)
	w.signIn("intern", nothing)
	_, _ = w.api().IAM.ListUsers(t.Context(), &iam.ListUsersInput{})
	w.signInRoot()

	b.Open(base + "/")
	b.WaitText("Most urgent")
	b.WaitText("Anyone can assume a role")
	b.Screenshots("home")
	b.Open(base + "/findings")
	b.WaitText("By kind")
	b.Screenshots("findings")
	b.Open(base + "/findings/suppress?id=ROOT-01&arn=arn:aws:iam::111122223333:root")
	b.Screenshots("findings-suppress")
	b.Fill("reason", "The token is ordered.")
	b.Press("Suppress")
	b.WaitText("is suppressed until")
	b.Open(base + "/findings?show=suppressed")
	b.WaitText("The token is ordered.")
	b.Screenshots("findings-suppressed")

	b.Open(base + "/checklists")
	b.Screenshots("checklists")
	b.Open(base + "/checklists/secure-account")
	b.WaitText("Set a password policy")
	b.Screenshots("checklist")
	w.patient()
	b.Open(base + "/checklists/secure-account")
	_, err = w.api().IAM.UpdateAccountPasswordPolicy(t.Context(), &iam.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: aws.Int32(14)})
	w.must(err)
	b.WaitText("minimum length") // nobody presses anything

	b.Open(base + "/credential-advisor")
	b.Screenshots("credential-advisor")
	b.Open(base + "/credential-advisor?who=workload&where=container&reaches=yes&lasting=1h&name=billing")
	b.WaitText("Use this")
	b.Screenshots("credential-advice")

	b.Open(base + "/access-plan")
	b.WaitText("Break-glass")
	b.Screenshots("access-plan")
	b.Fill("draft", "2027-q1")
	b.Click("#people summary")
	b.Fill("note-people", "Mallory leaves in May.")
	b.Press("Save draft")
	b.WaitText("The draft 2027-q1 is saved.")

	w.signIn("intern")
	b.Open(base + "/")
	b.WaitText("You may not see this")
	b.Screenshots("home-denied")
}
