package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service/lanyard"
	"github.com/lanyard-iam/lanyard/test/browser"
)

// serve opens the world to a browser, which is then signed in as who is.
func (w *world) serve(b *browser.Browser) string {
	w.t.Helper()
	signedIn := w.cookies[SessionCookie].Value
	server := b.Serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.AddCookie(&http.Cookie{Name: SessionCookie, Value: signedIn}) //nolint:gosec // a request has no attributes
		w.console.ServeHTTP(rw, r)
	}))
	u, _ := url.Parse(server.URL)
	w.console.config.URL = &url.URL{Scheme: "http", Host: "localhost:" + u.Port()}
	return w.console.config.URL.String()
}

// TestPolicyPagesInABrowser types into the editor, and takes the pictures of all pages.
func TestPolicyPagesInABrowser(t *testing.T) {
	b := browser.New(t)
	w := newWorld(t)
	w.at(time.Now().UTC())
	w.signInRoot()
	arn := w.makePolicy("Deployers", allowOne)
	w.makePolicy("Readers-of-everything-in-the-archive-of-last-year", nothing)
	w.post(managedPath(arn)+"/versions", url.Values{"document": {pretty(nothing)}, "default": {"on"}})
	w.signIn("alice", everything)
	w.makeRole("deploy-production")
	_, err := w.api().IAM.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: aws.String("deploy-production"), PolicyArn: &arn})
	w.must(err)
	w.post("/roles/deploy-production/inline", url.Values{"inline": {"mine"}, "document": {nothing}})
	w.post("/roles", url.Values{"by": {"service"}, "service": {"ec2.amazonaws.com"}, "name": {"web"}})
	_, err = stsOf(w.api()).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/deploy-production"), RoleSessionName: aws.String("ci")})
	w.must(err)
	w.post("/identity-providers", url.Values{"type": {"oidc"}, "url": {"https://token.actions.githubusercontent.com"}, "audience": {"sts.amazonaws.com"}})
	w.post("/identity-providers", url.Values{"type": {"saml"}, "name": {"ADFS"}, "metadata": {samlMetadata(t, w.now.Add(-day), w.now.Add(10*day))}})
	people := w.makePolicy("People", administers)
	w.attach("bob", people)
	w.calls("bob", identity.ActionUse{Name: "CreateUser", At: w.now.Add(-day), Region: region}, identity.ActionUse{Name: "GetUser", At: w.now.Add(-100 * day), Region: region})
	w.must(w.expects(people,
		lanyard.PolicyTest{Name: aws.String("Bob makes people"), PrincipalArn: aws.String("arn:aws:iam::111122223333:user/bob"), Action: aws.String("iam:CreateUser"), Expected: aws.String("allowed")},
		lanyard.PolicyTest{Action: aws.String("iam:DeleteUser"), Expected: aws.String("explicitDeny")},
		lanyard.PolicyTest{Name: aws.String("Nobody reads the archive without MFA"), PrincipalArn: aws.String("arn:aws:iam::111122223333:user/bob"), Action: aws.String("s3:GetObject"), ResourceArn: aws.String("arn:aws:s3:::archive-of-last-year/reports/2025/summary.pdf"),
			Context: []lanyard.PolicyTestKey{{Key: aws.String("aws:MultiFactorAuthPresent"), Values: []string{"false"}}}, Expected: aws.String("denied")},
	))
	base := w.serve(b)

	b.Open(base + managedPath(people) + "?tab=edit")
	b.Fill("document", pretty(nothing))
	b.Press("Save new version")
	b.WaitText("would fail")
	b.Screenshots("policy-failing")
	b.Open(base + "/policies/new")
	b.Fill("document", "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": []\n}")
	b.WaitText("Line 3, column")
	b.Screenshots("policy-new")
	for name, path := range map[string]string{
		"policies": "/policies", "policies-aws": "/policies?scope=aws&filter=iam",
		"policy": managedPath(arn), "policy-versions": managedPath(arn) + "?tab=versions", "policy-attachments": managedPath(arn) + "?tab=attachments", "policy-tests": managedPath(people) + "?tab=tests&run=1", "policy-use": managedPath(people) + "?tab=use", "policy-edit": managedPath(arn) + "?tab=edit",
		"roles": "/roles", "role": "/roles/deploy-production", "role-trust": "/roles/deploy-production?tab=trust", "role-assumers": "/roles/deploy-production?tab=assumers", "role-sessions": "/roles/deploy-production?tab=sessions", "user-use": "/users/bob?tab=use", "users": "/users", "users-disable": "/users/disable?user=alice&user=bob&user=nobody", "role-inline": "/roles/deploy-production/inline?policy=mine", "role-new": "/roles/new?by=account", "role-new-json": "/roles/new?by=json",
		"simulator": "/simulator?" + url.Values{"principal": {"role/deploy-production"}, "actions": {"s3:ListAllMyBuckets\ns3:GetObject\ns3:PutObject"}, "resources": {"arn:aws:s3:::b/x\narn:aws:s3:::c/x"}}.Encode(),
		"providers": "/identity-providers", "provider-new": "/identity-providers/new", "provider-saml": providerPath("arn:aws:iam::111122223333:saml-provider/ADFS"), "provider-oidc": providerPath("arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"),
		"policy-aws": managedPath("arn:aws:iam::aws:policy/IAMFullAccess"),
	} {
		b.Open(base + path)
		b.Screenshots(name)
	}

	// A test is removed by a button outside of its form.
	b.Open(base + managedPath(people) + "?tab=tests")
	b.Click(`button[form=remove][value="1"]`)
	b.WaitText("The test was removed")
	if text := b.Text("main"); strings.Contains(text, "iam:DeleteUser") || !strings.Contains(text, "Bob makes people") {
		t.Errorf("another test was removed:\n%s", text)
	}
}
