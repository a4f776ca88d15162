package console

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

func TestSimulator(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.get("/simulator").contains(t, "Whose policies", "One on each line", "aws iam simulate-principal-policy")
	w.get("/simulator?mode=custom").contains(t, "Policy document")
	own := allowOne
	_, err := w.api().IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("bob"), Path: aws.String("/team/")})
	w.must(err)
	_, err = w.api().IAM.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: aws.String("bob"), PolicyName: aws.String("mine"), PolicyDocument: &own})
	w.must(err)
	w.makeRole("deploy")

	ask := func(more url.Values) *answered {
		form := url.Values{"principal": {"user/bob"}, "actions": {"s3:GetObject\n\n s3:PutObject "}, "resources": {"arn:aws:s3:::b/x\r\narn:aws:s3:::c/x"}}
		for key, values := range more {
			form[key] = values
		}
		return w.get("/simulator?" + form.Encode())
	}
	ask(nil).contains(t, "At a glance", "s3:PutObject", "Denied: nothing allows it", "Add to the context", "aws:MultiFactorAuthPresent", "Add to policy", "--policy-source-arn arn:aws:iam::111122223333:user/team/bob")
	mfa := url.Values{"context": {"aws:MultiFactorAuthPresent=true"}}
	ask(mfa).contains(t, "Allowed", "user_bob_mine, line 1", "arn:aws:s3:::c/x")
	ask(mfa).lacks(t, "Add to the context")
	ask(url.Values{"principal": {"arn:aws:iam::111122223333:user/team/bob"}, "resources": {""}}).contains(t, "s3:GetObject", "* Denied")
	ask(url.Values{"principal": {"role/deploy"}, "actions": {"s3:GetObject"}}).contains(t, "No statement")
	ask(url.Values{"context": {"aws:TagKeys=a\naws:TagKeys=b\naws:SourceIp=192.0.2.1"}}).contains(t, "Denied")

	for want, more := range map[string]url.Values{
		"There is no such thing":        {"principal": {"user/nobody"}},
		"That is nobody whose policies": {"principal": {"tree/bob"}},
		"The context could not be read": {"context": {"aws:x"}},
		"That was refused":              {"actions": {"GetObject"}},
		"<script>alert(1)</script>":     {"actions": {"<script>alert(1)</script>"}},
		"Context key name needs":        {"context": {"x=1"}},
	} {
		a := ask(more)
		a.contains(t, want)
		if a.StatusCode < 400 {
			t.Errorf("%s: %d", want, a.StatusCode)
		}
	}

	custom := url.Values{"mode": {"custom"}, "document": {allowOne}, "actions": {"s3:GetObject"}, "resources": {"arn:aws:s3:::b/x"}, "context": {"aws:MultiFactorAuthPresent=true"}}
	w.post("/simulator", custom).contains(t, "Allowed", "line 1")
	custom.Set("document", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`)
	w.post("/simulator", custom).contains(t, "Denied explicitly")
	custom.Set("document", `{`)
	if a := w.post("/simulator", custom); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a document with a fault: %d", a.StatusCode)
	}

	// What the simulator leads to allows it.
	w.get("/policies/new?action=s3%3APutObject&resource=arn%3Aaws%3As3%3A%3A%3Ac%2Fx").contains(t, `"Action": "s3:PutObject"`, `"Resource": "arn:aws:s3:::c/x"`)

	w.signIn("dave", nothing)
	ask(nil).contains(t, "You may not see this: it takes iam:GetUser")
	ask(url.Values{"principal": {"arn:aws:iam::111122223333:user/team/bob"}}).contains(t, "it takes iam:SimulatePrincipalPolicy")
	w.post("/simulator", custom).contains(t, "Line 1")
}
