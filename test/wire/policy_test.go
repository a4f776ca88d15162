package wire_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// T101 to T108: a document that can be read in two ways is stored nowhere,
// whichever operation brings it. Package policy has the long list of such
// documents; here is one of each row for every way in.
func TestT101_T108_MalformedDocuments(t *testing.T) {
	w := newWorld(t)
	good := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:b","Resource":"*"}]}`
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + string(ours) + `"},"Action":"sts:AssumeRole"}]}`
	bend := func(old, new string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				t.Fatalf("%s does not contain %s", s, old)
			}
			return strings.Replace(s, old, new, 1)
		}
	}
	bends := map[string]func(string) string{
		"T101: two effects":           bend(`"Effect":"Allow"`, `"Effect":"Deny","Effect":"Allow"`),
		"T101: two statements":        bend(`"Statement":`, `"Statement":[],"Statement":`),
		"T102: effect":                bend(`"Effect"`, `"effect"`),
		"T102: a twin in other case":  bend(`"Effect":"Allow"`, `"Effect":"Deny","eFFECT":"Allow"`),
		"T103: unknown element":       bend(`"Effect"`, `"Efect":"Deny","Effect"`),
		"T103: Action and NotAction":  bend(`"Action"`, `"NotAction":"a:c","Action"`),
		"T104: invalid UTF-8":         bend(`"Effect"`, "\"Sid\":\"\xff\",\"Effect\""),
		"T104: byte order mark":       func(s string) string { return "\ufeff" + s },
		"T105: trailing text":         func(s string) string { return s + " trailing" },
		"T105: two documents":         func(s string) string { return s + s },
		"T106: deep":                  bend(`"Action":`, `"Action":`+strings.Repeat("[", 10_000)),
		"T107: a number":              bend(`"Effect":"Allow"`, `"Effect":5`),
		"T107: a list of effects":     bend(`"Effect":"Allow"`, `"Effect":["Allow"]`),
		"T107: null":                  bend(`"Effect":"Allow"`, `"Effect":null`),
		"T108: version of the future": bend("2012-10-17", "2099-01-01"),
		"empty":                       func(string) string { return "{}" },
	}
	role, user, group := w.role(), w.user(), w.group()
	managed := w.policy(good)
	for _, way := range []struct {
		name, text string
		call       func(document string) *reply
	}{
		{"CreatePolicy", good, func(d string) *reply {
			return w.iam(w.admin, "CreatePolicy", "PolicyName", w.name("policy"), "PolicyDocument", d)
		}},
		{"CreatePolicyVersion", good, func(d string) *reply {
			return w.iam(w.admin, "CreatePolicyVersion", "PolicyArn", managed, "PolicyDocument", d)
		}},
		{"PutUserPolicy", good, func(d string) *reply {
			return w.iam(w.admin, "PutUserPolicy", "UserName", user, "PolicyName", "p", "PolicyDocument", d)
		}},
		{"PutGroupPolicy", good, func(d string) *reply {
			return w.iam(w.admin, "PutGroupPolicy", "GroupName", group, "PolicyName", "p", "PolicyDocument", d)
		}},
		{"PutRolePolicy", good, func(d string) *reply {
			return w.iam(w.admin, "PutRolePolicy", "RoleName", role, "PolicyName", "p", "PolicyDocument", d)
		}},
		{"CreateRole", trust, func(d string) *reply {
			return w.iam(w.admin, "CreateRole", "RoleName", w.name("role"), "AssumeRolePolicyDocument", d)
		}},
		{"UpdateAssumeRolePolicy", trust, func(d string) *reply {
			return w.iam(w.admin, "UpdateAssumeRolePolicy", "RoleName", role, "PolicyDocument", d)
		}},
		{"AssumeRole", good, func(d string) *reply {
			return w.sts(w.admin, "AssumeRole", "RoleArn", roleARN(role), "RoleSessionName", "wire", "Policy", d)
		}},
	} {
		for what, change := range bends {
			r := way.call(change(way.text))
			// What breaks the pattern of the parameter does not get as far as the parser.
			if code := r.code(); code != "MalformedPolicyDocument" && code != "ValidationError" && code != "LimitExceeded" && code != "MalformedQueryString" {
				t.Errorf("%s: %s: %d %s", way.name, what, r.status, r.body)
			}
		}
		w.ok(way.call(way.text))
	}
	// T103: a principal has no place in an identity policy, a resource none in a trust policy.
	w.refused(w.iam(w.admin, "PutUserPolicy", "UserName", user, "PolicyName", "p", "PolicyDocument", trust), "MalformedPolicyDocument")
	w.refused(w.iam(w.admin, "CreateRole", "RoleName", w.name("role"), "AssumeRolePolicyDocument", good), "MalformedPolicyDocument")
}

// T106: 6,144 characters that are no white space, and not one more.
func TestT106_Size(t *testing.T) {
	w := newWorld(t)
	sized := func(n int) string {
		empty := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:b","Resource":[%s]}]}`
		room := n - (len(empty) - 2)
		var list []string
		for room > 0 {
			l := min(room, 200)
			if rest := room - l; rest > 0 && rest < 20 {
				l -= 20
			}
			text := fmt.Sprintf("%q", "arn:aws:s3:::"+strings.Repeat("a", l-16))
			list = append(list, text)
			room -= len(text) + 1
		}
		text := fmt.Sprintf(empty, strings.Join(list, ", "))
		return strings.Replace(text, "a\"]", "a"+strings.Repeat("a", n-len(strings.ReplaceAll(text, " ", "")))+"\"]", 1)
	}
	w.ok(w.iam(w.admin, "CreatePolicy", "PolicyName", "fits", "PolicyDocument", sized(6144)))
	w.refused(w.iam(w.admin, "CreatePolicy", "PolicyName", "large", "PolicyDocument", sized(6145)), "LimitExceeded")
}

// T110: what stands for a variable is text: no wildcard, and not expanded again.
func TestT110_SubstitutedValuesAreLiteral(t *testing.T) {
	w := newWorld(t)
	own := document(map[string]any{"Effect": "Allow", "Action": "iam:GetUser", "Resource": "arn:aws:iam::*:user/${aws:PrincipalTag/team}"})
	victim := w.user()
	for _, tag := range []string{"*", "user-?", "${aws:username}"} {
		name, key := w.caller(own)
		r := w.iam(w.admin, "TagUser", "UserName", name, "Tags.member.1.Key", "team", "Tags.member.1.Value", tag)
		if r.status != http.StatusOK {
			w.refused(r, "ValidationError") // AWS has no such tag values
			continue
		}
		w.refused(w.iam(key, "GetUser", "UserName", victim), "AccessDenied")
	}
	name, key := w.caller(own)
	w.ok(w.iam(w.admin, "TagUser", "UserName", name, "Tags.member.1.Key", "team", "Tags.member.1.Value", victim))
	w.ok(w.iam(key, "GetUser", "UserName", victim))
}

// T114, T115, T078: an explicit deny wins from wherever it comes, boundaries and
// session policies only narrow, and a change counts from the next request on.
func TestT114_T115_T078_LayersOfPolicies(t *testing.T) {
	w := newWorld(t)
	name, key := w.caller(allow("iam:*"))
	group := w.group(deny("iam:ListUsers"))
	list := func() *reply { w.t.Helper(); return w.iam(key, "ListUsers") }
	w.ok(list())
	w.ok(w.iam(w.admin, "AddUserToGroup", "GroupName", group, "UserName", name))
	w.refused(list(), "AccessDenied")
	w.ok(w.iam(w.admin, "RemoveUserFromGroup", "GroupName", group, "UserName", name))
	w.ok(list())
	w.bounded(name, w.policy(allow("iam:GetUser")))
	w.refused(list(), "AccessDenied")
	w.ok(w.iam(w.admin, "DeleteUserPermissionsBoundary", "UserName", name))
	w.ok(list())
	role := w.role(allow("iam:GetUser"))
	session := w.assume(role, "Policy", allow("*"))
	w.refused(w.iam(session, "ListUsers"), "AccessDenied")
	w.ok(w.iam(session, "GetUser", "UserName", name))
	narrow := w.assume(role, "Policy", allow("iam:ListUsers"))
	w.refused(w.iam(narrow, "GetUser", "UserName", name), "AccessDenied")
	version := w.policy(allow("iam:ListUsers"))
	other, otherKey := w.caller()
	w.ok(w.iam(w.admin, "AttachUserPolicy", "UserName", other, "PolicyArn", version))
	w.ok(w.iam(otherKey, "ListUsers"))
	w.ok(w.iam(w.admin, "CreatePolicyVersion", "PolicyArn", version, "PolicyDocument", deny("iam:ListUsers"), "SetAsDefault", "true"))
	w.refused(w.iam(otherKey, "ListUsers"), "AccessDenied")
	w.ok(w.iam(w.admin, "SetDefaultPolicyVersion", "PolicyArn", version, "VersionId", "v1"))
	w.ok(w.iam(otherKey, "ListUsers"))
}

// T116: across accounts both sides must allow.
func TestT116_AcrossAccounts(t *testing.T) {
	w := newWorld(t)
	foreign := w.owner(theirs, false)
	_, allowed := w.caller(allow("sts:AssumeRole"))
	_, plain := w.caller()
	makeRole := func(name, trust string) string {
		w.ok(w.iam(foreign, "CreateRole", "RoleName", name, "AssumeRolePolicyDocument", trust))
		return "arn:aws:iam::" + string(theirs) + ":role/" + name
	}
	trustful, closed := makeRole("open", trusting(string(ours))), makeRole("closed", trusting(string(theirs)))
	assume := func(by credentials, role string) *reply {
		return w.sts(by, "AssumeRole", "RoleArn", role, "RoleSessionName", "wire")
	}
	w.refused(assume(plain, trustful), "AccessDenied")
	w.refused(assume(allowed, closed), "AccessDenied")
	w.refused(assume(allowed, "arn:aws:iam::"+string(theirs)+":role/absent"), "AccessDenied")
	r := w.ok(assume(allowed, trustful))
	// T300: the session acts in their account and not in ours.
	session := r.credentials()
	if got := w.ok(w.sts(session, "GetCallerIdentity")).field("Account"); got != string(theirs) {
		t.Errorf("T116: the session belongs to %s", got)
	}
}

// T121: who is made again under an old name is another one.
func TestT121_RecreatedPrincipal(t *testing.T) {
	w := newWorld(t)
	name, key := w.caller(allow("sts:AssumeRole"))
	role := w.name("role")
	w.ok(w.iam(w.admin, "CreateRole", "RoleName", role, "AssumeRolePolicyDocument", trusting(userARN(name))))
	assume := func(by credentials) *reply {
		return w.sts(by, "AssumeRole", "RoleArn", roleARN(role), "RoleSessionName", "wire")
	}
	w.ok(assume(key))
	w.ok(w.iam(w.admin, "DeleteAccessKey", "UserName", name, "AccessKeyId", key.id))
	w.ok(w.iam(w.admin, "DeleteUserPolicy", "UserName", name, "PolicyName", "p0"))
	w.ok(w.iam(w.admin, "DeleteUser", "UserName", name))
	shown, err := url.QueryUnescape(w.ok(w.iam(w.admin, "GetRole", "RoleName", role)).field("AssumeRolePolicyDocument"))
	if err != nil || !strings.Contains(shown, `"AIDA`) {
		t.Errorf("T121: the trust policy shows %s", shown)
	}
	w.ok(w.iam(w.admin, "CreateUser", "UserName", name))
	w.ok(w.iam(w.admin, "PutUserPolicy", "UserName", name, "PolicyName", "p0", "PolicyDocument", allow("sts:AssumeRole")))
	again := w.key(name)
	w.refused(assume(again), "AccessDenied")
	w.ok(w.iam(w.admin, "UpdateAssumeRolePolicy", "RoleName", role, "PolicyDocument", trusting(userARN(name))))
	w.ok(assume(again))
}

// T124: what belongs to another account is not found by naming it (T300, T554).
func TestT300_T554_ForeignARNs(t *testing.T) {
	w := newWorld(t)
	foreign := w.owner(theirs, false)
	w.ok(w.iam(foreign, "CreatePolicy", "PolicyName", "secret", "PolicyDocument", allow("a:b")))
	arn := "arn:aws:iam::" + string(theirs) + ":policy/secret"
	for _, operation := range []string{"GetPolicy", "ListPolicyVersions", "DeletePolicy", "ListEntitiesForPolicy", "ListPolicyTags"} {
		r := w.iam(w.admin, operation, "PolicyArn", arn)
		if r.code() != "AccessDenied" && r.code() != "NoSuchEntity" && r.code() != "ValidationError" {
			t.Errorf("T300: %s on a policy of another account: %d %s", operation, r.status, r.body)
		}
		if operation != "DeletePolicy" {
			w.ok(w.iam(foreign, operation, "PolicyArn", arn))
		}
	}
	user := w.user()
	r := w.iam(w.admin, "AttachUserPolicy", "UserName", user, "PolicyArn", arn)
	if r.status == http.StatusOK {
		t.Error("T300: another account's policy was attached")
	}
	if r := w.iam(w.admin, "PutUserPermissionsBoundary", "UserName", user, "PermissionsBoundary", arn); r.status == http.StatusOK {
		t.Error("T300: another account's policy became a boundary")
	}
}

// T125: policy versions have a limit, and the default one stays.
func TestT125_PolicyVersions(t *testing.T) {
	w := newWorld(t)
	arn := w.policy(allow("a:b"))
	for range 4 {
		w.ok(w.iam(w.admin, "CreatePolicyVersion", "PolicyArn", arn, "PolicyDocument", allow("a:c")))
	}
	w.refused(w.iam(w.admin, "CreatePolicyVersion", "PolicyArn", arn, "PolicyDocument", allow("a:d")), "LimitExceeded")
	w.refused(w.iam(w.admin, "DeletePolicyVersion", "PolicyArn", arn, "VersionId", "v1"), "DeleteConflict")
	w.ok(w.iam(w.admin, "DeletePolicyVersion", "PolicyArn", arn, "VersionId", "v2"))
	w.refused(w.iam(w.admin, "SetDefaultPolicyVersion", "PolicyArn", arn, "VersionId", "v2"), "NoSuchEntity")
	w.ok(w.iam(w.admin, "SetDefaultPolicyVersion", "PolicyArn", arn, "VersionId", "v3"))
}

// T126: however writers race, one version is the default.
func TestT126_OneDefaultVersion(t *testing.T) {
	w := newWorld(t)
	arn := w.policy(allow("a:b"))
	w.ok(w.iam(w.admin, "CreatePolicyVersion", "PolicyArn", arn, "PolicyDocument", allow("a:c")))
	var racers sync.WaitGroup
	for i := range 8 {
		racers.Go(func() {
			for range 10 {
				if i%2 == 0 {
					w.iam(w.admin, "SetDefaultPolicyVersion", "PolicyArn", arn, "VersionId", fmt.Sprint("v", 1+i%4/2))
				} else {
					w.iam(w.admin, "CreatePolicyVersion", "PolicyArn", arn, "PolicyDocument", allow("a:d"), "SetAsDefault", "true")
				}
			}
		})
	}
	for range 50 {
		defaults := 0
		for _, v := range w.ok(w.iam(w.admin, "ListPolicyVersions", "PolicyArn", arn)).fields("IsDefaultVersion") {
			if v == "true" {
				defaults++
			}
		}
		if defaults != 1 {
			t.Errorf("T126: %d versions are the default", defaults)
		}
	}
	racers.Wait()
	if n := len(w.iam(w.admin, "ListPolicyVersions", "PolicyArn", arn).fields("VersionId")); n > 5 {
		t.Errorf("T126: %d versions", n)
	}
}

// T128: a document comes back byte for byte.
func TestT128_TextIsKept(t *testing.T) {
	w := newWorld(t)
	text := "{\n\t\"Version\" : \"2012-10-17\",\n  \"Statement\": {\"Sid\":\"\",\"Effect\":\"Allow\", \"Action\":[\"a:b\"],\"Resource\":\"*\", \"Condition\":{\"StringLike\":{\"aws:userid\":\"é+%20&*~\"}}}\r\n}"
	user := w.user()
	w.ok(w.iam(w.admin, "PutUserPolicy", "UserName", user, "PolicyName", "p", "PolicyDocument", text))
	got, err := url.PathUnescape(w.ok(w.iam(w.admin, "GetUserPolicy", "UserName", user, "PolicyName", "p")).field("PolicyDocument"))
	if err != nil || got != text {
		t.Errorf("T128: %q came back as %q, %v", text, got, err)
	}
}

// T397: a list goes on only where it stopped, for the account that asked.
func TestT397_Markers(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.user()
	}
	marker := w.ok(w.iam(w.admin, "ListUsers", "MaxItems", "2")).field("Marker")
	w.ok(w.iam(w.admin, "ListUsers", "MaxItems", "2", "Marker", marker))
	flipped := []byte(marker)
	flipped[len(flipped)/2] ^= 1
	for what, bad := range map[string]string{"flipped": string(flipped), "cut": marker[:len(marker)-1], "longer": marker + "A", "made up": "AAAA"} {
		if r := w.iam(w.admin, "ListUsers", "MaxItems", "2", "Marker", bad); r.status != http.StatusBadRequest {
			t.Errorf("T397: marker %s: %d %s", what, r.status, r.body)
		}
	}
	w.refused(w.iam(w.admin, "ListGroups", "Marker", marker), "ValidationError")
	w.refused(w.iam(w.owner(theirs, false), "ListUsers", "Marker", marker), "ValidationError")
	// CloudTrail's tokens likewise.
	var page struct{ NextToken string }
	if err := json.Unmarshal([]byte(w.ok(w.lookup(w.admin, `{"MaxResults":1}`)).body), &page); err != nil || page.NextToken == "" {
		t.Fatalf("T397: no token: %v", err)
	}
	w.ok(w.lookup(w.admin, fmt.Sprintf(`{"MaxResults":1,"NextToken":%q}`, page.NextToken)))
	w.refused(w.lookup(w.admin, fmt.Sprintf(`{"MaxResults":1,"NextToken":%q}`, page.NextToken[1:])), "InvalidNextTokenException")
}
