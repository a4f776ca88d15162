package advisor_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lanyard-iam/lanyard/advisor"
)

// TestAssumers: who can assume a role, or may, and by what.
func TestAssumers(t *testing.T) {
	const deploy, ours, theirs = "arn:aws:iam::111122223333:role/deploy", `{"AWS":"111122223333"}`, `{"AWS":"arn:aws:iam::444455556666:root"}`
	const provider = "arn:aws:iam::111122223333:oidc-provider/token.example.com"
	cond := func(text string) string { return `,"Condition":{` + text + `}` }
	mfa := cond(`"Bool":{"aws:MultiFactorAuthPresent":"true"}`)
	external := cond(`"StringEquals":{"sts:ExternalId":"x"}`)
	may := allow("sts:AssumeRole", deploy)
	unless := func(condition string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:*","Resource":"*"},{"Effect":"Deny","Action":"sts:*","Resource":"*"` + condition + `}]}`
	}
	const all = "user all can by AdministratorAccess of group admins"
	for _, c := range []struct {
		what, trust, policy string // the policy is bob's
		want                string
	}{
		{"the account", trust(ours, ""), may, all + "; user bob can by p; role other can by p"},
		{"another role", trust(ours, ""), allow("sts:AssumeRole", "arn:aws:iam::111122223333:role/x"), all},
		{"with MFA, which no role has", trust(ours, mfa), may, strings.ReplaceAll(all, "can by", "may with MFA by") + "; user bob may with MFA by p"},
		{"an external id", trust(ours, external), may, strings.ReplaceAll(all, "can by", "may with an external id by") + "; user bob may with an external id by p; role other may with an external id by p"},
		{"MFA in the policy", trust(ours, ""), strings.TrimSuffix(may, "}}") + mfa + "}}", all + "; user bob may with MFA by p"},
		{"a Deny without MFA", trust(ours, ""), unless(cond(`"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}`)), all + "; user bob may with MFA by p"},
		{"a Deny from elsewhere", trust(ours, ""), unless(cond(`"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}`)), all + "; user bob may unless aws:SourceIp makes a Deny apply by p; role other may unless aws:SourceIp makes a Deny apply by p"},
		{"a Deny", trust(ours, ""), unless(""), all},
		{"a tag that bob does not have", trust(ours, cond(`"StringEquals":{"aws:PrincipalTag/team":"a"}`)), may, "role other may if aws:PrincipalTag/team fits by p"},
		{"a tag that all has", trust(ours, cond(`"StringEquals":{"aws:PrincipalTag/job":"ops"}`)), may, all + "; role other may if aws:PrincipalTag/job fits by p"},
		{"a session tag", trust(ours, cond(`"StringLike":{"aws:RequestTag/project":"*"}`)), may, strings.ReplaceAll(all, "can by", "may if aws:RequestTag/project fits by") + "; user bob may if aws:RequestTag/project fits by p; role other may if aws:RequestTag/project fits by p"},
		{"the role's tag", trust(ours, ""), strings.TrimSuffix(may, "}}") + cond(`"StringEquals":{"aws:ResourceTag/stage":"test"}`) + "}}", all + "; user bob can by p; role other can by p"},
		{"another tag of the role", trust(ours, ""), strings.TrimSuffix(may, "}}") + cond(`"StringEquals":{"aws:ResourceTag/stage":"live"}`) + "}}", all},
		{"bob alone, who needs no policy", trust(`{"AWS":"arn:aws:iam::111122223333:user/bob"}`, ""), "", "user bob can"},
		{"a foreign account", trust(theirs, ""), may, "account 444455556666 foreign"},
		{"with an external id", trust(theirs, external), may, "account 444455556666 foreign with an external id"},
		{"of a foreign organization", trust(`"*"`, cond(`"StringEquals":{"aws:PrincipalOrgID":"o-1"}`)), "", "anyone  foreign of the organization o-1"},
		{"a foreign role", trust(`{"AWS":"arn:aws:iam::444455556666:role/ci"}`, ""), "", "role ci of account 444455556666 foreign"},
		{"a service", trust(`{"Service":"ec2.amazonaws.com"}`, ""), may, "service ec2.amazonaws.com can"},
		{"a service on behalf of an account", trust(`{"Service":"ec2.amazonaws.com"}`, cond(`"StringEquals":{"aws:SourceAccount":"111122223333"}`)), "", "service ec2.amazonaws.com may if aws:SourceAccount fits"},
		{"a token", strings.Replace(trust(`{"Federated":"`+provider+`"}`, cond(`"StringEquals":{"token.example.com:sub":"repo:a"}`)), "AssumeRole", "AssumeRoleWithWebIdentity", 1), may, "oidc token.example.com may for repo:a"},
		{"a token, by the wrong action", trust(`{"Federated":"`+provider+`"}`, ""), may, ""},
		{"who is no more", trust(`{"AWS":"AIDADELETEDDELETED234"}`, ""), may, ""},
		{"a trust policy that denies", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Deny","Principal":"*","Action":"sts:*"}]}`, may, ""},
		{"no trust policy", "x", may, ""},
	} {
		f := safe()
		f.Users = []advisor.User{
			{Name: "all", ARN: "arn:aws:iam::111122223333:user/all", ID: "AIDAALLALLALLALLALL23", Groups: []string{"admins"}, Tags: map[string]string{"job": "ops"}},
			{Name: "bob", ARN: "arn:aws:iam::111122223333:user/bob", ID: "AIDABOBBOBBOBBOBBOB23"},
		}
		f.Roles[0].Trust, f.Roles[0].ARN, f.Roles[0].Name, f.Roles[0].Tags = c.trust, deploy, "deploy", map[string]string{"stage": "test"}
		f.Roles = append(f.Roles, advisor.Role{Name: "other", ARN: "arn:aws:iam::111122223333:role/other", ID: "AROAOTHEROTHEROTHER23", Path: "/", Trust: trust(ours, "")})
		if c.policy != "" {
			f.Users[1].Inline = []advisor.Inline{{"p", c.policy}}
			f.Roles[1].Inline = f.Users[1].Inline
		}
		var got []string
		for _, a := range advisor.Assumers(f, deploy) {
			text := a.Kind + " " + a.Name
			switch {
			case a.Foreign:
				text += " foreign"
			case a.When == "":
				text += " can"
			default:
				text += " may"
			}
			if a.When != "" {
				text += " " + a.When
			}
			if a.By != "" {
				text += " by " + a.By
			}
			if got = append(got, text); a.Trust != "Statement 1" {
				t.Errorf("%s: %s by %q of the trust policy", c.what, a.Name, a.Trust)
			}
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, text, c.want)
		}
	}
	if found := advisor.Assumers(safe(), deploy+"-none"); found != nil {
		t.Error(fmt.Sprint("of a role that is not there: ", found))
	}
}
