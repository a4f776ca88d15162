package wire_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/lanyard-iam/lanyard/endpoint"
)

// A denial explains itself to the caller's account. What belongs to the account of
// the role stays there: its trust policy, the external id in it, its tags, and
// whether there is such a role at all (T281).
func TestT281_ADenialTellsNothingOfAnotherAccountsRole(t *testing.T) {
	w := newWorld(t)
	admin := w.owner(theirs, false)
	const externalID = "canary-external-id"
	trust := `{"Version":"2012-10-17","Statement":[{"Sid":"canarySid","Effect":"Allow","Principal":{"AWS":"` + string(ours) + `"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"` + externalID + `"}}}]}`
	w.ok(w.iam(admin, "CreateRole", "RoleName", "guarded", "AssumeRolePolicyDocument", trust,
		"Tags.member.1.Key", "canary-tag", "Tags.member.1.Value", "canary-value"))
	assume := func(role string) (decoded, why string) {
		r := w.refused(w.sts(w.admin, "AssumeRole", "RoleArn", "arn:aws:iam::"+string(theirs)+":role/"+role, "RoleSessionName", "wire"), "AccessDenied")
		message := r.header.Get(endpoint.HeaderAuthorizationMessage)
		if message == "" {
			t.Fatal("the denial has no authorization message")
		}
		out := w.ok(w.sts(w.admin, "DecodeAuthorizationMessage", "EncodedMessage", message))
		return strings.ReplaceAll(out.body, role, "ROLE"), strings.ReplaceAll(r.body, role, "ROLE")
	}
	decoded, _ := assume("guarded")
	for _, canary := range []string{externalID, "canarySid", "canary-tag", "canary-value", "sts:ExternalId"} {
		if strings.Contains(decoded, canary) {
			t.Errorf("the message tells %q:\n%s", canary, decoded)
		}
	}
	absent, _ := assume("nothing")
	// What differs between any two requests is not about the role.
	changing := regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z|\b1[0-9]{9}\b|<RequestId>.*</RequestId>`)
	if a, b := changing.ReplaceAllString(decoded, "…"), changing.ReplaceAllString(absent, "…"); a != b {
		t.Errorf("a role that is there and one that is not are told apart:\n%s\n%s", a, b)
	}
	// Who may decide about the role sees all of it, in their own account.
	if r := w.iam(admin, "GetRole", "RoleName", "guarded"); !strings.Contains(r.body, externalID) {
		t.Errorf("the role's own account does not see its trust policy: %s", r.body)
	}
}
