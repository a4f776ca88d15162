package console

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lanyard-iam/lanyard/session"
)

func TestTrustInWords(t *testing.T) {
	for statement, want := range map[string]string{
		`"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`:                                                                                                                                       "Every user and role of this account whose own policies allow it may assume this role, with MFA.",
		`"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::444455556666:root","arn:aws:iam::111122223333:user/team/bob"]},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringEquals":{"sts:ExternalId":"x1"},"IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.0.2.0/24"]}}`: "Every user and role of the account 444455556666 whose own policies allow it may assume this role and pass session tags, from the address 10.0.0.0/8 or 192.0.2.0/24, and with the external ID x1. The user bob of this account may assume this role and pass session tags, from the address 10.0.0.0/8 or 192.0.2.0/24, and with the external ID x1.",
		`"Effect":"Allow","Principal":"*","Action":"sts:*"`: "Everyone, in every account, may assume this role in every way, pass session tags, set a source identity and pass a context.",
		`"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/token.example.com/a"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"token.example.com/a:sub":"repo:*"},"StringEquals":{"token.example.com/a:aud":"sts"}}`:    "The holder of a token of token.example.com/a may assume this role with a token, if the token’s aud is sts, and if the token’s sub looks like repo:*.",
		`"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:saml-provider/ADFS"},"Action":"sts:AssumeRoleWithSAML"`:                                                                                                                                           "Whoever the SAML provider ADFS vouches for may assume this role with a SAML assertion.",
		`"Effect":"Allow","Principal":{"Federated":"accounts.google.com","Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole*"`:                                                                                                                                             "The AWS service ec2.amazonaws.com may assume this role in every way. The holder of a token of accounts.google.com may assume this role in every way.",
		`"Effect":"Deny","NotPrincipal":{"AWS":["arn:aws:iam::444455556666:role/r","AIDAEXAMPLEEXAMPLE000"]},"Action":"sts:AssumeRole","Condition":{"NumericLessThan":{"aws:MultiFactorAuthAge":"60"}}`:                                                                         "Everyone but the role r of the account 444455556666 and a user or role that has been deleted (AIDAEXAMPLEEXAMPLE000) may not assume this role, with MFA of the last 60 seconds.",
		`"Effect":"Allow","Principal":{"AWS":["arn:aws:sts::444455556666:assumed-role/r/s","arn:aws:sts::444455556666:federated-user/f"]},"Action":"sts:SetSourceIdentity","Condition":{"ForAnyValue:StringLikeIfExists":{"aws:TagKeys":"a*"},"Null":{"aws:SourceVpc":"true"}}`: "The session r/s of a role of the account 444455556666 may set a source identity, if one of aws:TagKeys looks like a*, or is not there, and if aws:SourceVpc is not there. The federated user f of the account 444455556666 may set a source identity, if one of aws:TagKeys looks like a*, or is not there, and if aws:SourceVpc is not there.",
	} {
		trust, err := trustInWords("111122223333", `{"Version":"2012-10-17","Statement":[{`+statement+`}]}`)
		if err != nil {
			t.Errorf("%s: %v", statement, err)
			continue
		}
		var got []string
		for _, one := range trust {
			got = append(got, one.String())
			if one.Wide != strings.Contains(statement, `"*"`) {
				t.Errorf("%s: wide %v", statement, one.Wide)
			}
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s:\n got %s\nwant %s", statement, text, want)
		}
	}
	trust, err := trustInWords("111122223333", `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"},{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}]}`)
	if err != nil || !trust[0].Deny || trust[1].Deny {
		t.Errorf("what denies does not come first: %v %v", trust, err)
	}
}

// makeRole makes a role that this account may assume.
func (w *world) makeRole(name string) {
	w.t.Helper()
	trust := trustText("sts:AssumeRole", map[string]any{"AWS": "arn:aws:iam::111122223333:root"}, nil)
	_, err := w.api().IAM.CreateRole(w.t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust, Description: aws.String(markup)})
	w.must(err)
}

func TestRoles(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.get("/roles").contains(t, "No roles yet", "Create a role")
	for i := range 53 {
		w.makeRole(fmt.Sprintf("r-%03d", i))
	}
	first := w.get("/roles")
	first.contains(t, "r-000", "r-049", "Every user and role of this account", "1 hour")
	first.lacks(t, "r-050")
	w.get(next(t, first)).contains(t, "r-050", "r-052", "First page")
	w.get("/roles?path=/%3Cb%3E/").contains(t, "Looked for roles whose path begins with “/<b>/”")
}

func TestCreateRole(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	api := w.api()
	_, err := api.IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("bob")})
	w.must(err)
	for _, kind := range roleKinds {
		w.get("/roles/new?by="+kind.by).contains(t, kind.about)
	}
	w.get("/roles/new?by=oidc").contains(t, "There is no such identity provider yet")
	if a := w.get("/roles/new?by=magic"); a.StatusCode != http.StatusNotFound {
		t.Errorf("by magic: %d", a.StatusCode)
	}
	provider, err := api.IAM.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://token.example.com"), ThumbprintList: []string{strings.Repeat("a", 40)}})
	w.must(err)
	oidc := *provider.OpenIDConnectProviderArn
	w.get("/roles/new?by=oidc").contains(t, "token.example.com")

	for i, c := range []struct {
		form url.Values
		want string // a sentence on the page of the role, or what is wrong
	}{
		{url.Values{"by": {"user"}, "mfa": {"on"}}, "Every user and role of this account whose own policies allow it may assume this role, with MFA."},
		{url.Values{"by": {"user"}, "user": {"bob"}}, "The user bob of this account may assume this role."},
		{url.Values{"by": {"user"}, "user": {"nobody"}}, "! Invalid principal in policy"},
		{url.Values{"by": {"account"}, "account": {"1111-2222-3333"}, "external": {"a-b"}}, "may assume this role, with the external ID a-b."},
		{url.Values{"by": {"account"}, "account": {"1"}}, "! An account id has 12 digits."},
		{url.Values{"by": {"oidc"}, "provider": {oidc}, "audience": {"sts"}, "subject": {"repo:x/*"}}, "if the token’s aud is sts, and if the token’s sub looks like repo:x/*."},
		{url.Values{"by": {"oidc"}, "provider": {oidc}, "audience": {"sts"}}, "! Say whom the tokens are about"},
		{url.Values{"by": {"oidc"}, "provider": {"x"}, "audience": {"sts"}, "subject": {"s"}}, "! That is not the ARN of an OIDC provider."},
		{url.Values{"by": {"saml"}, "audience": {"x"}}, "! There is no such identity provider yet"},
		{url.Values{"by": {"service"}, "service": {"ec2.amazonaws.com"}}, "The AWS service ec2.amazonaws.com may assume this role."},
		{url.Values{"by": {"service"}}, "! Name the service."},
		{url.Values{"by": {"json"}, "document": {`{"Statement":[`}}, "! Line 1, column"},
		{url.Values{"by": {"json"}, "document": {`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}`}}, "Everyone, in every account, may assume this role."},
		{url.Values{"by": {"magic"}}, "! There is no such page"},
	} {
		name := fmt.Sprintf("r%d", i)
		c.form.Set("name", name)
		c.form.Set("description", markup)
		a := w.post("/roles", c.form)
		if wrong, ok := strings.CutPrefix(c.want, "! "); ok {
			a.contains(t, wrong)
			continue
		}
		w.leads(a, "/roles/"+name+"?tab=trust").contains(t, "was created", c.want, markup)
	}
	form := url.Values{"by": {"user"}, "name": {"attached"}, "policy": {"ReadOnlyAccess"}, "boundary": {"PowerUserAccess"}}
	w.leads(w.post("/roles", form), "/roles/attached?tab=trust")
	w.get("/roles/attached").contains(t, "ReadOnlyAccess", "AWS managed")
	form.Set("name", "half")
	form.Set("policy", "NoSuchPolicy")
	w.leads(w.post("/roles", form), "/roles/half").contains(t, "was created, but the policy was not attached", "NoSuchPolicy")
	w.post("/roles", form).contains(t, "That name is taken")
}

func TestRole(t *testing.T) {
	w := newWorld(t)
	w.signIn("alice", everything)
	w.makeRole("deploy")
	own := w.makePolicy("Own", nothing)
	const path = "/roles/deploy"

	// Permissions.
	w.get(path).contains(t, "No policy: nothing is allowed.", "arn:aws:iam::111122223333:role/deploy", markup)
	w.leads(w.post(path+"/policies", url.Values{"policy": {own}}), path+"?tab=permissions").contains(t, "Own", "Customer managed")
	w.post(path+"/policies", url.Values{"policy": {"NoSuchPolicy"}}).contains(t, "There is no such thing", "NoSuchPolicy")
	w.get(path+"/inline").contains(t, "Save the inline policy")
	w.post(path+"/inline", url.Values{"inline": {"mine"}, "document": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}`}}).contains(t, "Line 1, column", "mine")
	w.post(path+"/inline", url.Values{"inline": {"not a name"}, "document": {nothing}}).contains(t, "What was typed is not valid", "ListAllMyBuckets")
	w.leads(w.post(path+"/inline", url.Values{"inline": {"mine"}, "document": {nothing}}), path+"?tab=permissions").contains(t, "mine", "Inline")
	w.get(path+"/inline?policy=mine").contains(t, "s3:ListAllMyBuckets")
	if a := w.get(path + "/inline?policy=none"); a.StatusCode != http.StatusNotFound {
		t.Errorf("an inline policy that is not there: %d", a.StatusCode)
	}
	w.leads(w.post(path+"/inline/delete", url.Values{"policy": {"mine"}}), path+"?tab=permissions").lacks(t, "mine Inline")
	w.leads(w.post(path+"/policies/detach", url.Values{"policy": {own}}), path+"?tab=permissions").contains(t, "was detached")
	w.leads(w.post(path+"/boundary", url.Values{"boundary": {"ReadOnlyAccess"}}), path+"?tab=permissions").contains(t, "boundary was set")
	w.leads(w.post(path+"/boundary", nil), path+"?tab=permissions").contains(t, "no permissions boundary any more")

	// Trust.
	w.get(path+"?tab=trust").contains(t, "Every user and role of this account whose own policies allow it may assume this role.", `"Principal"`)
	w.post(path+"/trust", url.Values{"document": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:GetObject"}]}`}}).contains(t, "Line 1, column", "Trust Policy statement actions")
	w.post(path+"/trust", url.Values{"document": {trustText("sts:AssumeRole", map[string]any{"AWS": "arn:aws:iam::111122223333:user/nobody"}, nil)}}).contains(t, "Invalid principal in policy", "user/nobody")
	w.leads(w.post(path+"/trust", url.Values{"document": {trustText("sts:AssumeRole", map[string]any{"AWS": "arn:aws:iam::111122223333:user/alice"}, nil)}}), path+"?tab=trust").contains(t, "The user alice of this account may assume this role.")

	// Sessions: who began them, and their end.
	w.get(path+"?tab=sessions").contains(t, "Nobody, as far as the trail says.")
	out, err := stsOf(w.api()).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/deploy"), RoleSessionName: aws.String("ci")})
	w.must(err)
	w.get(path+"?tab=sessions").contains(t, "alice", "AssumeRole", "Succeeded", "192.0.2.1")
	ci := newAPI(w.aws, region, session.Credentials{
		AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken,
	}, nil, httptest.NewRequest(http.MethodGet, "/", nil))
	_, err = stsOf(ci).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	w.must(err)
	w.leads(w.post(path+"/settings", url.Values{"longest": {"7200"}, "description": {"Deploys."}}), path+"?tab=sessions").contains(t, "2 hours", "Deploys.")
	w.post(path+"/settings", url.Values{"longest": {"soon"}}).contains(t, "That is no length of a session")
	w.post(path+"/settings", url.Values{"longest": {"1"}}).contains(t, "Max session duration has to be 3600 at least")
	w.later(time.Minute)
	w.leads(w.post(path+"/revoke", nil), path+"?tab=sessions").contains(t, "can do nothing more")
	if _, err := stsOf(ci).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err == nil {
		t.Error("the session goes on")
	}
	w.get("/events?by=EventName&value=RevokeSessions").contains(t, "role/deploy")

	// Tags.
	w.leads(w.post(path+"/tags", url.Values{"key0": {"team"}, "value0": {"platform"}}), path+"?tab=tags").contains(t, "The tags were saved")
	if a := w.get(path + "?tab=nonsense"); a.StatusCode != http.StatusNotFound {
		t.Errorf("a tab that is not there: %d", a.StatusCode)
	}

	// Deleted, with what hangs on it.
	w.post(path+"/policies", url.Values{"policy": {own}})
	w.post(path+"/inline", url.Values{"inline": {"mine"}, "document": {nothing}})
	api := w.api()
	_, err = api.IAM.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("p")})
	w.must(err)
	_, err = api.IAM.AddRoleToInstanceProfile(t.Context(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("p"), RoleName: aws.String("deploy")})
	w.must(err)
	w.post(path+"/delete", url.Values{"typed": {"deplo"}}).contains(t, "The role was not deleted")
	w.leads(w.post(path+"/delete", url.Values{"typed": {"deploy"}}), "/roles").contains(t, "The role deploy was deleted")
	if a := w.get(path); a.StatusCode != http.StatusNotFound {
		t.Errorf("a role that is gone: %d", a.StatusCode)
	}
	w.later(recently)
	if a := w.post("/roles/x/delete", nil); !strings.HasPrefix(a.Header.Get("Location"), "/signin/factor?to=") {
		t.Errorf("deleted without a recent factor: %d", a.StatusCode)
	}
}

func TestRolesOfAPersonWithFewRights(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.makeRole("deploy")
	w.signIn("dave", nothing)
	w.get("/roles").contains(t, "You may not see this: it takes iam:ListRoles")
	w.get("/roles/deploy").contains(t, "You do not have permission for this", "iam:GetRole")
	w.get("/roles/new?by=oidc").contains(t, "it takes iam:ListOpenIDConnectProviders", "The ARN of the provider.")
	w.post("/roles", url.Values{"by": {"user"}, "name": {"x"}}).contains(t, "iam:CreateRole")

	w.signIn("erin", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:GetRole","Resource":"*"}]}`)
	w.get("/roles/deploy").contains(t, "deploy", "it takes iam:ListAttachedRolePolicies")
	w.get("/roles/deploy?tab=trust").contains(t, "may assume this role.")
	w.get("/roles/deploy?tab=sessions").contains(t, "it takes cloudtrail:LookupEvents")
	w.post("/roles/deploy/trust", url.Values{"document": {trustText("sts:AssumeRole", map[string]any{"Service": "ec2.amazonaws.com"}, nil)}}).contains(t, "iam:UpdateAssumeRolePolicy", "ec2.amazonaws.com")
	w.post("/roles/deploy/revoke", nil).contains(t, "You do not have permission for this")
}
