package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

func TestInlinePolicies(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	_, err := w.api().IAM.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("alice")})
	w.must(err)
	_, err = w.api().IAM.CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: aws.String("developers")})
	w.must(err)
	_, err = w.api().IAM.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("deploy"), AssumeRolePolicyDocument: aws.String(trusting("arn:aws:iam::111122223333:root"))})
	w.must(err)
	_, err = w.api().IAM.AddUserToGroup(t.Context(), &iam.AddUserToGroupInput{UserName: aws.String("alice"), GroupName: aws.String("developers")})
	w.must(err)

	faulty := strings.Replace(everything, "Allow", "Alow", 1)
	for _, x := range []struct{ path, back string }{
		{"/users/alice", "/users/alice?tab=permissions"},
		{"/groups/developers", "/groups/developers"},
		{"/roles/deploy", "/roles/deploy?tab=permissions"},
	} {
		t.Run(x.path, func(t *testing.T) {
			w.get(x.back).contains(t, "Add an inline policy")
			fresh := w.get(x.path + "/inline")
			fresh.contains(t, "Policy name", "example-bucket", "Format", "put-")
			fresh.lacks(t, "Show the changes")
			post := func(more ...string) *answered {
				form := url.Values{}
				for i := 0; i < len(more); i += 2 {
					form.Set(more[i], more[i+1])
				}
				return w.post(x.path+"/inline", form)
			}
			// A fault, and a button that is not Save, save nothing.
			if a := post("inline", "mine", "document", faulty); a.StatusCode != http.StatusUnprocessableEntity {
				t.Errorf("a faulty document: %d", a.StatusCode)
			} else {
				a.contains(t, "Line 1, column", "mine")
			}
			if a := post("inline", "mine", "document", everything, "do", "format"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "\n  &#34;Version&#34;: &#34;2012-10-17&#34;,\n") {
				t.Errorf("formatted: %d\n%s", a.StatusCode, a.body)
			}
			post("inline", "mine", "document", "{not json", "do", "format").contains(t, "{not json", "Line 1")
			if a := w.get(x.path + "/inline?policy=mine"); a.StatusCode != http.StatusNotFound {
				t.Errorf("before it is saved: %d", a.StatusCode)
			}
			post("inline", "no name", "document", nothing).contains(t, "What was typed is not valid", "ListAllMyBuckets")

			if post("inline", "mine", "document", nothing).Header.Get("Location") != x.back {
				t.Error("a good document was not saved")
			}
			w.get(x.back).contains(t, "was saved", "mine", "Inline")
			w.get(x.path+"/inline?policy=mine").contains(t, "s3:ListAllMyBuckets", "Show the changes")

			// Nobody replaces a policy who means to add one.
			if a := post("inline", "mine", "document", everything); a.StatusCode != http.StatusUnprocessableEntity {
				t.Errorf("a second one of the same name: %d", a.StatusCode)
			} else {
				a.contains(t, "There is a policy of this name", "Edit the one that is there.")
			}
			changed := strings.Replace(nothing, "s3:ListAllMyBuckets", "s3:GetObject", 1)
			post("inline", "mine", "existing", "yes", "document", nothing, "do", "compare").contains(t, "No changes")
			post("inline", "mine", "existing", "yes", "document", changed, "do", "compare").contains(t, "What saving changes", "− \"Action\": \"s3:ListAllMyBuckets\"", "+ \"Action\": \"s3:GetObject\"")
			post("inline", "gone", "existing", "yes", "document", changed, "do", "compare").contains(t, "There is no such thing any more")
			w.get(x.path+"/inline?policy=mine").contains(t, "s3:ListAllMyBuckets")
			post("inline", "mine", "existing", "yes", "document", changed)
			saved := w.get(x.path + "/inline?policy=mine")
			saved.contains(t, "s3:GetObject")
			saved.lacks(t, "ListAllMyBuckets")
		})
	}
	if a := w.get("/users/alice"); !strings.Contains(a.body, `href="/groups/developers/inline?policy=mine"`) {
		t.Error("the group's inline policy is not linked from its member")
	}
	for _, path := range []string{"/users/alice", "/groups/developers", "/roles/deploy"} {
		w.post(path+"/inline/delete", url.Values{"policy": {"mine"}})
		if a := w.get(path + "/inline?policy=mine"); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s, deleted: %d", path, a.StatusCode)
		}
		if a := w.post(path+"/inline/delete", url.Values{"policy": {"mine"}}); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s, deleted twice: %d", path, a.StatusCode)
		}
	}

	// Who may write and not read can add a policy, and is told what is missing for the rest.
	w.signIn("writer", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:PutUserPolicy","Resource":"*"}}`)
	w.post("/users/alice/inline", url.Values{"inline": {"theirs"}, "document": {nothing}}).leadsTo(t, "/users/alice?tab=permissions")
	w.get("/users/alice/inline?policy=theirs").contains(t, "iam:GetUserPolicy")
	w.post("/groups/developers/inline", url.Values{"inline": {"theirs"}, "document": {nothing}}).contains(t, "iam:PutGroupPolicy")
}

// The editors of managed policies and of trust policies have the same buttons.
func TestEditorTools(t *testing.T) {
	w := newWorld(t)
	w.signInRoot()
	w.post("/policies", url.Values{"name": {"p"}, "document": {nothing}, "do": {"format"}}).contains(t, "\"Version\": \"2012-10-17\",")
	out, err := w.api().IAM.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: aws.String(nothing)})
	w.must(err) // it was not made before
	at := managedPath(*out.Policy.Arn)
	w.get(at+"?tab=edit").contains(t, "Show the changes", "Format")
	w.post(at+"/versions", url.Values{"document": {strings.Replace(nothing, "s3:", "ec2:", 1)}, "do": {"compare"}}).contains(t, "What saving changes", "− \"Action\": \"s3:", "+ \"Action\": \"ec2:")
	w.get(at+"?tab=versions").contains(t, "1 of 5")

	_, err = w.api().IAM.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(trusting("arn:aws:iam::111122223333:root"))})
	w.must(err)
	w.post("/roles/r/trust", url.Values{"document": {trusting("*")}, "do": {"compare"}}).contains(t, "What saving changes", "+ \"AWS\": \"*\"", "trusts everyone")
	w.get("/roles/r?tab=trust").lacks(t, "\"AWS\": \"*\"")
}

func trusting(who string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + who + `"},"Action":"sts:AssumeRole"}}`
}
