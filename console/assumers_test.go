package console

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// The tab of who can assume a role says who can, who may, and by what; it follows changes.
func TestWhoCanAssumeARole(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	api := w.api()
	w.makeRole("deploy")
	const path, deploy = "/roles/deploy?tab=assumers", "arn:aws:iam::111122223333:role/deploy"
	w.settled(path).contains(t, "0 can, 0 may", "Nobody. The trust policy lets nobody in", "aws iam simulate-principal-policy")

	assume := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"` + deploy + `"}}`
	arn := w.makePolicy("MayDeploy", assume)
	w.attach("bob", arn)
	_, err := api.IAM.CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: aws.String("ops")})
	w.must(err)
	_, err = api.IAM.PutGroupPolicy(t.Context(), &iam.PutGroupPolicyInput{GroupName: aws.String("ops"), PolicyName: aws.String("inline"), PolicyDocument: &assume})
	w.must(err)
	_, err = api.IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("carol")})
	w.must(err)
	_, err = api.IAM.AddUserToGroup(t.Context(), &iam.AddUserToGroupInput{UserName: aws.String("carol"), GroupName: aws.String("ops")})
	w.must(err)
	page := w.settled(path)
	page.contains(t, "2 can, 0 may", "bob", "MayDeploy", "carol", "inline of group ops", "Statement 1")
	for _, link := range []string{`href="/users/bob"`, `href="/policies/` + arn + `"`} {
		if !strings.Contains(page.body, link) {
			t.Errorf("no %s", link)
		}
	}

	// A condition, a service, and markup where a condition has it.
	trust := `{"Version":"2012-10-17","Statement":[
		{"Sid":"People","Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}},
		{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},
		{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"StringEquals":{"sts:RoleSessionName":"` + strings.ReplaceAll(markup, `"`, `\"`) + `","aws:PrincipalTag/<i>":"x"}}}]}`
	_, err = api.IAM.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("deploy"), PolicyDocument: &trust})
	w.must(err)
	page = w.settled(path)
	page.contains(t, "1 can, 3 may", "with MFA", "Statement 1, People", "ec2.amazonaws.com", "None is needed", "Anyone, in any account", "from 10.0.0.0/8", "if aws:PrincipalTag/<i> fits", "and if their own account allows it", "Not known here")
	page = w.settled(path + "&filter=OPS")
	page.contains(t, "carol")
	page.lacks(t, "MayDeploy")
	w.settled(path+"&filter="+url.QueryEscape(markup)).contains(t, "Nobody of these has", markup)

	// Whoever may not read the account sees what it takes, also if they saw it before.
	w.signIn("dave", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetRole","Resource":"*"}}`)
	page = w.settled(path)
	page.contains(t, "Unique id", "You may not see this", "iam:GetAccountAuthorizationDetails")
	page.lacks(t, "MayDeploy")
}

// Many of them are on several pages.
func TestManyCanAssumeARole(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	var named []string
	for i := range sectionRows + 5 {
		named = append(named, fmt.Sprintf(`"s%03d.x.com"`, i))
	}
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":[` + strings.Join(named, ",") + `]},"Action":"sts:AssumeRole"}}`
	w.makeRole("r")
	_, err := w.api().IAM.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("r"), PolicyDocument: &trust})
	w.must(err)
	first := w.settled("/roles/r?tab=assumers")
	first.contains(t, "105 can, 0 may", "s099", "Rows 1–100 of 105")
	first.lacks(t, "s100")
	w.settled(next(t, first)).contains(t, "s100", "s104", "First page")
}
