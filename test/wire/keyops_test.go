package wire_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// allowOn allows actions on one resource.
func allowOn(resource string, actions ...string) string {
	return document(map[string]any{"Effect": "Allow", "Action": actions, "Resource": resource})
}

// What is asked about a key takes the permissions that the same takes on AWS, on the key's
// user; keys of other accounts are as unknown as those that never were (T293, T389).
func TestT389_OperationsOnALeakedKey(t *testing.T) {
	w, _ := newDurableWorld(t, nil)
	name, leaked := w.caller(allow("iam:*", "sts:*"))
	_, bystander := w.caller(allow("sts:*"))
	_, helper := w.caller(allowOn(userARN(name), "iam:ListAccessKeys", "iam:UpdateAccessKey"), allow("cloudtrail:LookupEvents"))
	_, stranger := w.caller(allowOn(userARN("someone-else"), "iam:ListAccessKeys", "iam:UpdateAccessKey"))
	other := w.owner(theirs, false)
	minted := w.temporary(w.sts(leaked, "GetSessionToken"))
	w.ok(w.sts(minted, "GetCallerIdentity"))
	w.ok(w.sts(bystander, "GetCallerIdentity"))

	var described struct {
		AccessKey struct {
			ID, UserName, UserARN string
			Exists, Active        bool
		}
	}
	read := func(r *reply, out any) {
		t.Helper()
		if err := json.Unmarshal([]byte(w.ok(r).body), out); err != nil {
			t.Fatal(err)
		}
	}
	read(w.own(helper, "DescribeAccessKey", "AccessKeyId", leaked.id), &described)
	if k := described.AccessKey; k.ID != leaked.id || k.UserName != name || k.UserARN != userARN(name) || !k.Exists || !k.Active {
		t.Errorf("described %+v", k)
	}
	for _, operation := range []string{"DescribeAccessKey", "ListKeyCalls", "RevokeSessions"} {
		w.refused(w.own(stranger, operation, "AccessKeyId", leaked.id), "AccessDeniedException")
	}
	const nobodys = "AKIAIOSFODNN7EXAMPLE"
	for _, operation := range []string{"DescribeAccessKey", "RevokeSessions"} {
		unknown := strings.ReplaceAll(w.refused(w.own(w.admin, operation, "AccessKeyId", nobodys), "ResourceNotFoundException").body, nobodys, "ID")
		foreign := strings.ReplaceAll(w.refused(w.own(other, operation, "AccessKeyId", leaked.id), "ResourceNotFoundException").body, leaked.id, "ID")
		if unknown != foreign {
			t.Errorf("%s tells a foreign key from none: %s, %s", operation, foreign, unknown)
		}
		w.refused(w.own(helper, operation, "AccessKeyId", nobodys), "AccessDeniedException")
	}

	type calls struct {
		Calls     []struct{ AccessKeyID string }
		NextToken *string
	}
	var of calls
	read(w.own(helper, "ListKeyCalls", "AccessKeyId", leaked.id), &of)
	seen := map[string]int{}
	for _, c := range of.Calls {
		seen[c.AccessKeyID]++
	}
	if len(seen) != 2 || seen[leaked.id] != 1 || seen[minted.id] != 1 {
		t.Errorf("calls of %s and %s: %v", leaked.id, minted.id, seen)
	}
	of = calls{}
	read(w.own(other, "ListKeyCalls", "AccessKeyId", leaked.id), &of)
	if len(of.Calls) != 0 {
		t.Errorf("another account reads %+v", of.Calls)
	}
	w.refused(w.own(helper, "ListKeyCalls", "AccessKeyId", leaked.id, "NextToken", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "ValidationException")

	w.ok(w.own(helper, "RevokeSessions", "AccessKeyId", leaked.id))
	w.refused(w.sts(minted, "GetCallerIdentity"), "ExpiredToken")
	w.ok(w.sts(leaked, "GetCallerIdentity"))
	record := w.ok(w.lookup(w.admin, `{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"RevokeSessions"}]}`)).body
	for _, want := range []string{leaked.id, "issuedBefore", helper.id} {
		if !strings.Contains(record, want) {
			t.Errorf("the trail lacks %s: %.1500s", want, record)
		}
	}
}

// T293: the sessions of a user, or of a role, end for who may put a policy on it, and for
// nobody else; those of others go on.
func TestT293_RevokeSessionsOfAUserAndOfARole(t *testing.T) {
	w := newWorld(t)
	name, key := w.caller(allow("sts:*"))
	role, second := w.role(allow("sts:*")), w.role(allow("sts:*"))
	_, forUser := w.caller(allowOn(userARN(name), "iam:PutUserPolicy"))
	_, forRole := w.caller(allowOn(roleARN(role), "iam:PutRolePolicy"))
	own := w.temporary(w.sts(key, "GetSessionToken"))
	worn, other := w.assume(role), w.assume(second)

	w.refused(w.own(forRole, "RevokeSessions", "UserName", name), "AccessDeniedException")
	w.refused(w.own(forUser, "RevokeSessions", "RoleName", role), "AccessDeniedException")
	w.refused(w.own(w.admin, "RevokeSessions"), "ValidationException")
	w.refused(w.own(w.admin, "RevokeSessions", "UserName", name, "RoleName", role), "ValidationException")
	w.refused(w.own(w.admin, "RevokeSessions", "RoleName", "nobody"), "ResourceNotFoundException")
	for _, c := range []credentials{own, worn, other} {
		w.ok(w.sts(c, "GetCallerIdentity"))
	}
	w.ok(w.own(forUser, "RevokeSessions", "UserName", name))
	w.refused(w.sts(own, "GetCallerIdentity"), "ExpiredToken")
	w.ok(w.sts(worn, "GetCallerIdentity"))
	w.ok(w.own(forRole, "RevokeSessions", "RoleName", role))
	w.refused(w.sts(worn, "GetCallerIdentity"), "ExpiredToken")
	w.ok(w.sts(other, "GetCallerIdentity"))
	if r := w.sts(key, "GetCallerIdentity"); r.status != http.StatusOK {
		t.Errorf("the key itself stopped: %s", r.body)
	}
}
