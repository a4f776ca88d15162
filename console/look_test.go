package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/lanyard-iam/lanyard/audit"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/service/signin"
	"github.com/lanyard-iam/lanyard/store"
	"github.com/lanyard-iam/lanyard/test/browser"
)

// furnished is a world with something on every page.
func furnished(t *testing.T) (w *world, denied, key string) {
	t.Helper()
	w = newWorld(t)
	w.signInRoot()
	ctx, api := t.Context(), w.api()
	_, err := api.IAM.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: aws.String("example-prod")})
	w.must(err)
	for _, group := range []string{"administrators", "developers"} {
		_, err := api.IAM.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: &group})
		w.must(err)
	}
	_, err = api.IAM.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: aws.String("administrators"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
	w.must(err)
	_, err = api.IAM.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("deploy"), Path: aws.String("/team/"), PolicyDocument: aws.String(`{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"},
    {"Sid": "Write", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::releases/*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}
  ]
}`)})
	w.must(err)
	_, err = api.IAM.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: aws.String("arn:aws:iam::111122223333:policy/team/deploy"), SetAsDefault: true,
		PolicyDocument: aws.String("{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\"Sid\": \"Read\", \"Effect\": \"Allow\", \"Action\": [\"s3:GetObject\", \"s3:ListBucket\"], \"Resource\": \"*\"}\n  ]\n}")})
	w.must(err)
	for _, name := range []string{"alice", "bob", "carol", "deploy-production", "a-user-with-a-rather-long-name-that-has-to-wrap-on-a-telephone"} {
		_, err := api.IAM.CreateUser(ctx, &iam.CreateUserInput{UserName: &name, Path: aws.String("/team/"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("platform")}}})
		w.must(err)
		if !strings.Contains(name, "-") {
			_, err = api.IAM.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: &name, Password: aws.String(goodPassword)})
			w.must(err)
			_, err = api.IAM.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: &name, GroupName: aws.String("developers")})
			w.must(err)
		}
	}
	for _, name := range []string{"deploy-production", "alice"} {
		made, err := api.IAM.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name})
		w.must(err)
		key = *made.AccessKey.AccessKeyId
	}
	_, err = api.IAM.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: aws.String("alice"), GroupName: aws.String("administrators")})
	w.must(err)
	_, err = api.IAM.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("alice"), PolicyArn: aws.String("arn:aws:iam::111122223333:policy/team/deploy")})
	w.must(err)
	_, err = api.IAM.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("deployer"), Description: aws.String("Deploys releases"),
		AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"},"StringEquals":{"sts:ExternalId":"4711"}}}]}`)})
	w.must(err)
	_, err = api.IAM.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("deployer"), PolicyArn: aws.String("arn:aws:iam::111122223333:policy/team/deploy")})
	w.must(err)
	_, err = api.IAM.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://token.actions.example.com"), ClientIDList: []string{"sts.amazonaws.com"}, ThumbprintList: []string{strings.Repeat("a1", 20)}})
	w.must(err)
	w.later(100 * day)
	w.edit(func(tx store.Tx) error {
		hook, contact := "https://hooks.example.com/services/T000/B000", "security-of-the-whole-company@example.com"
		return identity.NotificationsOf.Put(tx, &identity.Notifications{
			Webhook: &identity.Destination{To: hook}, Contacts: []identity.Destination{{To: contact}},
			Told: map[string]identity.Delivery{
				hook: {Delivered: w.now.Add(-time.Hour)}, contact: {Failed: w.now.Add(-time.Minute), Failure: "the mail server refused the address (550)", GivenUp: 2},
			},
		}, string(ours))
	})
	w.edit(func(tx store.Tx) error {
		return w.outbox.Put(tx, &audit.Event{ID: "7c1e0c52-3a55-4a0e-9d0c-6b8f7e2d9a11", Name: "PutSignInRules", Account: ours, Time: w.now})
	})
	w.signIn("carol", `{"Version":"2012-10-17","Statement":[{"Sid":"OwnTeam","Effect":"Allow","Action":"iam:CreateUser","Resource":"arn:aws:iam::*:user/team/*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}]}`)
	_, err = w.api().IAM.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("mallory")})
	denied = problemOf(err).ID
	w.signIn("alice")
	_, err = stsOf(w.api()).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	w.must(err)
	_, err = w.api().IAM.GenerateCredentialReport(ctx, &iam.GenerateCredentialReportInput{})
	w.must(err)
	w.must(w.trail.Sync(ctx))
	return w, denied, key
}

// enter serves the world to a browser in which its person is signed in.
func (w *world) enter(b *browser.Browser) string {
	w.t.Helper()
	server := b.Serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/enter" {
			http.SetCookie(rw, &http.Cookie{Name: SessionCookie, Value: w.cookies[SessionCookie].Value, Path: "/", Secure: true, HttpOnly: true})
			http.Redirect(rw, r, "/settings", http.StatusSeeOther)
			return
		}
		if r.URL.Path == signin.FederationPath {
			f := w.federationEndpoint()
			f.ServeHTTP(rw, r)
			return
		}
		w.console.ServeHTTP(rw, r)
	}))
	u, _ := url.Parse(server.URL)
	w.console.config.URL = &url.URL{Scheme: "http", Host: "localhost:" + u.Port()}
	base := w.console.config.URL.String()
	b.Open(base + "/enter")
	return base
}

// TestPages looks at every page in a browser: no complaint of its console, no breach of the
// policy, no page wider than the screen. LANYARD_SCREENSHOTS keeps the pictures.
func TestPages(t *testing.T) {
	b := browser.New(t)
	w, denied, key := furnished(t)
	// The browser's clock is the real one; the world's has to be near it.
	w.later(time.Until(w.now))
	w.signIn("alice")
	base := w.enter(b)
	role, policy := url.PathEscape("deployer"), url.PathEscape("arn:aws:iam::111122223333:policy/team/deploy")
	paths := map[string]string{
		"GET /users/{name}": "/users/alice", "GET /groups/{name}": "/groups/developers", "GET /roles/{name}": "/roles/" + role,
		"GET /policies/{arn...}": "/policies/" + policy, "GET /policies/{arn}": "/policies/" + policy, "GET /access-keys/{id}": "/access-keys/" + key,
		"GET /why/{id}": "/why/" + denied, "GET /checklists/{name}": "/checklists/secure-account",
	}
	for _, route := range w.console.routes() {
		path, ok := strings.CutPrefix(route.Pattern, "GET ")
		if !ok || route.Access == Anyone || strings.Contains(path, "export") || strings.Contains(path, "download") || strings.Contains(path, ".") || path == "/console" || path == "/exposed-key/report" || path == "/findings/suppress" {
			continue
		}
		if wildcard.MatchString(path) {
			if path, ok = paths[route.Pattern]; !ok {
				continue
			}
		}
		path = strings.TrimSuffix(path, "{$}")
		name := strings.Trim(strings.NewReplacer("/", "-", "{", "", "}", "", "$", "", ".", "").Replace(strings.TrimPrefix(route.Pattern, "GET ")), "-")
		if name == "" {
			name = "home"
		}
		b.Run(t, name, func(*testing.T) {
			b.Open(base + path)
			b.Screenshots(name)
		})
	}
	b.Open(base + "/security/mfa/new")
	b.Press("Add a hardware token that shows codes")
	b.WaitText("Serial number")
	b.Screenshots("security-mfa-token")
	for _, tab := range []string{"groups", "credentials", "tags", "activity"} {
		b.Open(base + "/users/alice?tab=" + tab)
		b.Screenshots("user-" + tab)
	}
}
