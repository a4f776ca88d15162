package wire_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// attacker is a user who wants more than they may.
type attacker struct {
	name string
	key  credentials
}

// escalation is one of the known ways from a permission on IAM to all of them.
type escalation struct {
	row     string
	actions []string // what the attacker is granted, and nothing else
	// prepare makes what is there before: victims, groups, policies.
	prepare func(w *world, a attacker) (target string)
	// attempt is the decisive call, and what the attacker signs with after it.
	attempt func(w *world, a attacker, target string) (*reply, func() credentials)
	// effect checks what the attempt gave, where that is not power by itself; nil
	// means that it is.
	effect func(w *world, target string) bool
}

const administrator = "arn:aws:iam::aws:policy/AdministratorAccess"

// power is whether a caller can do what no policy of theirs meant to allow.
func (w *world) power(by credentials) bool {
	w.t.Helper()
	r := w.iam(by, "CreateGroup", "GroupName", w.name("power"))
	if r.status != http.StatusOK && r.code() != "AccessDenied" {
		w.t.Errorf("power: %d %s", r.status, r.body)
	}
	return r.status == http.StatusOK
}

// simple is an attempt of one call after which the attacker uses their own key.
func simple(operation string, parameters func(a attacker, target string) []string) func(*world, attacker, string) (*reply, func() credentials) {
	return func(w *world, a attacker, target string) (*reply, func() credentials) {
		return w.iam(a.key, operation, parameters(a, target)...), func() credentials { return a.key }
	}
}

// mighty is a user who may do everything.
func mighty(w *world, _ attacker) string {
	name := w.user()
	w.ok(w.iam(w.admin, "AttachUserPolicy", "UserName", name, "PolicyArn", administrator))
	return name
}

// membership is a group of which the attacker is a member.
func membership(w *world, a attacker) string {
	group := w.group()
	w.ok(w.iam(w.admin, "AddUserToGroup", "GroupName", group, "UserName", a.name))
	return group
}

// trustedRole is a role without permissions that trusts the attacker by name.
func trustedRole(w *world, a attacker) string {
	role := w.name("role")
	w.ok(w.iam(w.admin, "CreateRole", "RoleName", role, "AssumeRolePolicyDocument", trusting(userARN(a.name))))
	return role
}

// byRole is an attempt after which the attacker uses a session of the role.
func byRole(operation string, more ...string) func(*world, attacker, string) (*reply, func() credentials) {
	return func(w *world, a attacker, role string) (*reply, func() credentials) {
		r := w.iam(a.key, operation, append([]string{"RoleName", role}, more...)...)
		return r, func() credentials {
			return w.sts(a.key, "AssumeRole", "RoleArn", roleARN(role), "RoleSessionName", "wire").credentials()
		}
	}
}

// escalations are T311 to T329, T334 and T336, as far as there are such operations.
var escalations = []escalation{
	{row: "T311", actions: []string{"iam:CreatePolicyVersion"},
		prepare: func(w *world, a attacker) string {
			arn := w.policy(allow("a:b"))
			w.ok(w.iam(w.admin, "AttachUserPolicy", "UserName", a.name, "PolicyArn", arn))
			return arn
		},
		attempt: simple("CreatePolicyVersion", func(_ attacker, arn string) []string {
			return []string{"PolicyArn", arn, "PolicyDocument", allow("*"), "SetAsDefault", "true"}
		})},
	{row: "T312", actions: []string{"iam:SetDefaultPolicyVersion"},
		prepare: func(w *world, a attacker) string {
			arn := w.policy(allow("*"))
			w.ok(w.iam(w.admin, "CreatePolicyVersion", "PolicyArn", arn, "PolicyDocument", allow("a:b"), "SetAsDefault", "true"))
			w.ok(w.iam(w.admin, "AttachUserPolicy", "UserName", a.name, "PolicyArn", arn))
			return arn
		},
		attempt: simple("SetDefaultPolicyVersion", func(_ attacker, arn string) []string {
			return []string{"PolicyArn", arn, "VersionId", "v1"}
		})},
	{row: "T313", actions: []string{"iam:CreateAccessKey"}, prepare: mighty,
		attempt: func(w *world, a attacker, victim string) (*reply, func() credentials) {
			r := w.iam(a.key, "CreateAccessKey", "UserName", victim)
			return r, r.credentials
		}},
	{row: "T314", actions: []string{"iam:CreateLoginProfile"}, prepare: mighty,
		attempt: simple("CreateLoginProfile", func(_ attacker, victim string) []string {
			return []string{"UserName", victim, "Password", password}
		}),
		effect: hasPassword},
	{row: "T315", actions: []string{"iam:UpdateLoginProfile"},
		prepare: func(w *world, a attacker) string {
			victim := mighty(w, a)
			w.ok(w.iam(w.admin, "CreateLoginProfile", "UserName", victim, "Password", "the-Victims-0wn-words"))
			return victim
		},
		attempt: simple("UpdateLoginProfile", func(_ attacker, victim string) []string {
			return []string{"UserName", victim, "Password", password}
		}),
		effect: hasPassword},
	{row: "T316", actions: []string{"iam:AttachUserPolicy"},
		attempt: simple("AttachUserPolicy", func(a attacker, _ string) []string {
			return []string{"UserName", a.name, "PolicyArn", administrator}
		})},
	{row: "T317", actions: []string{"iam:AttachGroupPolicy"}, prepare: membership,
		attempt: simple("AttachGroupPolicy", func(_ attacker, group string) []string {
			return []string{"GroupName", group, "PolicyArn", administrator}
		})},
	{row: "T318", actions: []string{"iam:AttachRolePolicy"}, prepare: trustedRole, attempt: byRole("AttachRolePolicy", "PolicyArn", administrator)},
	{row: "T319", actions: []string{"iam:PutUserPolicy"},
		attempt: simple("PutUserPolicy", func(a attacker, _ string) []string {
			return []string{"UserName", a.name, "PolicyName", "more", "PolicyDocument", allow("*")}
		})},
	{row: "T320", actions: []string{"iam:PutGroupPolicy"}, prepare: membership,
		attempt: simple("PutGroupPolicy", func(_ attacker, group string) []string {
			return []string{"GroupName", group, "PolicyName", "more", "PolicyDocument", allow("*")}
		})},
	{row: "T321", actions: []string{"iam:PutRolePolicy"}, prepare: trustedRole, attempt: byRole("PutRolePolicy", "PolicyName", "more", "PolicyDocument", allow("*"))},
	{row: "T322", actions: []string{"iam:AddUserToGroup"},
		prepare: func(w *world, _ attacker) string { return w.group(allow("*")) },
		attempt: simple("AddUserToGroup", func(a attacker, group string) []string {
			return []string{"GroupName", group, "UserName", a.name}
		})},
	{row: "T323", actions: []string{"iam:UpdateAssumeRolePolicy", "sts:AssumeRole"},
		prepare: func(w *world, _ attacker) string {
			role := w.name("role")
			w.ok(w.iam(w.admin, "CreateRole", "RoleName", role, "AssumeRolePolicyDocument", trusting(string(theirs))))
			w.ok(w.iam(w.admin, "AttachRolePolicy", "RoleName", role, "PolicyArn", administrator))
			return role
		},
		attempt: byRole("UpdateAssumeRolePolicy", "PolicyDocument", trusting(string(ours)))},
	{row: "T324/T325", actions: []string{"iam:AddRoleToInstanceProfile", "iam:PassRole"},
		prepare: func(w *world, a attacker) string {
			name := w.role(allow("*"))
			w.ok(w.iam(w.admin, "CreateInstanceProfile", "InstanceProfileName", name))
			return name
		},
		attempt: simple("AddRoleToInstanceProfile", func(_ attacker, name string) []string {
			return []string{"InstanceProfileName", name, "RoleName", name}
		}),
		effect: func(w *world, name string) bool {
			return w.ok(w.iam(w.admin, "GetInstanceProfile", "InstanceProfileName", name)).field("RoleName") == name
		}},
	{row: "T326", actions: []string{"iam:CreateServiceSpecificCredential"}, prepare: mighty,
		attempt: simple("CreateServiceSpecificCredential", func(_ attacker, victim string) []string {
			return []string{"UserName", victim, "ServiceName", codecommit}
		}),
		effect: has("ListServiceSpecificCredentials", "ServiceSpecificCredentialId")},
	{row: "T327", actions: []string{"iam:DeactivateMFADevice"},
		prepare: func(w *world, a attacker) string {
			victim := mighty(w, a)
			w.newDevice().enable(victim)
			return victim
		},
		attempt: func(w *world, a attacker, victim string) (*reply, func() credentials) {
			serial := w.ok(w.iam(w.admin, "ListMFADevices", "UserName", victim)).field("SerialNumber")
			return w.iam(a.key, "DeactivateMFADevice", "UserName", victim, "SerialNumber", serial), func() credentials { return a.key }
		},
		effect: func(w *world, victim string) bool {
			return w.ok(w.iam(w.admin, "ListMFADevices", "UserName", victim)).field("SerialNumber") == ""
		}},
	{row: "T329", actions: []string{"iam:DeleteUserPolicy"},
		prepare: func(w *world, a attacker) string {
			w.ok(w.iam(w.admin, "PutUserPolicy", "UserName", a.name, "PolicyName", "groups", "PolicyDocument", allow("iam:CreateGroup")))
			w.ok(w.iam(w.admin, "PutUserPolicy", "UserName", a.name, "PolicyName", "no-groups", "PolicyDocument", deny("iam:CreateGroup")))
			return ""
		},
		attempt: simple("DeleteUserPolicy", func(a attacker, _ string) []string {
			return []string{"UserName", a.name, "PolicyName", "no-groups"}
		})},
	{row: "T329", actions: []string{"iam:DetachUserPolicy"},
		prepare: func(w *world, a attacker) string {
			arn := w.policy(deny("iam:CreateGroup"))
			w.ok(w.iam(w.admin, "PutUserPolicy", "UserName", a.name, "PolicyName", "groups", "PolicyDocument", allow("iam:CreateGroup")))
			w.ok(w.iam(w.admin, "AttachUserPolicy", "UserName", a.name, "PolicyArn", arn))
			return arn
		},
		attempt: simple("DetachUserPolicy", func(a attacker, arn string) []string {
			return []string{"UserName", a.name, "PolicyArn", arn}
		})},
	{row: "T334", actions: []string{"iam:TagUser"},
		prepare: func(w *world, a attacker) string {
			w.ok(w.iam(w.admin, "PutUserPolicy", "UserName", a.name, "PolicyName", "by-tag", "PolicyDocument", byTag))
			return ""
		},
		attempt: simple("TagUser", func(a attacker, _ string) []string {
			return []string{"UserName", a.name, "Tags.member.1.Key", "team", "Tags.member.1.Value", "owners"}
		})},
	{row: "T334", actions: []string{"iam:TagRole"},
		prepare: func(w *world, a attacker) string {
			role := trustedRole(w, a)
			w.ok(w.iam(w.admin, "PutRolePolicy", "RoleName", role, "PolicyName", "by-tag", "PolicyDocument", byTag))
			return role
		},
		attempt: byRole("TagRole", "Tags.member.1.Key", "team", "Tags.member.1.Value", "owners")},
	{row: "T336", actions: []string{"iam:UploadSSHPublicKey"}, prepare: mighty,
		attempt: func(w *world, a attacker, victim string) (*reply, func() credentials) {
			return w.iam(a.key, "UploadSSHPublicKey", "UserName", victim, "SSHPublicKeyBody", w.sshKey()), func() credentials { return a.key }
		},
		effect: has("ListSSHPublicKeys", "SSHPublicKeyId")},
	{row: "T336", actions: []string{"iam:UploadSigningCertificate"}, prepare: mighty,
		attempt: func(w *world, a attacker, victim string) (*reply, func() credentials) {
			body, _ := w.certificate()
			return w.iam(a.key, "UploadSigningCertificate", "UserName", victim, "CertificateBody", body), func() credentials { return a.key }
		},
		effect: has("ListSigningCertificates", "CertificateId")},
}

// has shows that a list of what the victim has is not empty.
func has(list, field string) func(*world, string) bool {
	return func(w *world, victim string) bool {
		w.t.Helper()
		return w.ok(w.iam(w.admin, list, "UserName", victim)).field(field) != ""
	}
}

// byTag allows everything to whoever has a tag.
var byTag = document(map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": map[string]any{"StringEquals": map[string]any{"aws:PrincipalTag/team": "owners"}}})

// hasPassword shows that the attacker's password is the victim's: the victim can
// change it.
func hasPassword(w *world, victim string) bool {
	w.t.Helper()
	r := w.iam(w.admin, "GetLoginProfile", "UserName", victim)
	if r.status != http.StatusOK {
		return false
	}
	return w.iam(w.key(victim), "ChangePassword", "OldPassword", password, "NewPassword", password+"?").status == http.StatusOK
}

// T311 to T336: without the permission it is refused, with it alone it works as
// on AWS: whoever gives these permissions gives all.
func TestT311_T336_Escalations(t *testing.T) {
	w := newWorld(t)
	for _, e := range escalations {
		name, key := w.caller()
		a := attacker{name, key}
		target := ""
		if e.prepare != nil {
			target = e.prepare(w, a)
		}
		if w.power(a.key) {
			t.Fatalf("%s: the attacker has power from the start", e.row)
		}
		for i := range e.actions {
			if i == 0 { // without any, and below without one of two
				r, _ := e.attempt(w, a, target)
				w.denied(e.row+" without permission", e.actions[0], r)
			} else if e.actions[i] == "iam:PassRole" {
				w.ok(w.iam(w.admin, "PutUserPolicy", "UserName", name, "PolicyName", "grant", "PolicyDocument", allow(e.actions[0])))
				r, _ := e.attempt(w, a, target)
				w.denied(e.row+" without "+e.actions[i], e.actions[i], r)
			}
		}
		if e.effect != nil && e.effect(w, target) {
			t.Errorf("%s: the refused attempt had an effect", e.row)
		}
		w.ok(w.iam(w.admin, "PutUserPolicy", "UserName", name, "PolicyName", "grant", "PolicyDocument", allow(e.actions...)))
		r, gained := e.attempt(w, a, target)
		w.ok(r)
		if e.effect != nil {
			if !e.effect(w, target) {
				t.Errorf("%s: no effect", e.row)
			}
		} else if !w.power(gained()) {
			t.Errorf("%s: the attempt worked and gave no power", e.row)
		}
		if rec := w.record(r); rec == nil || "iam:"+rec.EventName != e.actions[0] || rec.UserIdentity.ARN != userARN(name) {
			t.Errorf("%s: the record is %v", e.row, rec)
		}
	}
}

// delegated is the permissions boundary of AWS's pattern for delegation: whoever
// has it may make and change principals that have it, too, and nothing else. (IAM
// User Guide, "Delegating responsibility to others using permissions boundaries".)
func delegated(arn string) string {
	has := map[string]any{"StringEquals": map[string]any{"iam:PermissionsBoundary": arn}}
	return document(
		map[string]any{"Effect": "Allow", "Action": []string{"iam:Get*", "iam:List*", "sts:AssumeRole"}, "Resource": "*"},
		map[string]any{"Effect": "Allow", "Condition": has, "Resource": "*", "Action": []string{
			"iam:CreateUser", "iam:CreateRole", "iam:AttachUserPolicy", "iam:DetachUserPolicy", "iam:PutUserPolicy", "iam:DeleteUserPolicy",
			"iam:AttachRolePolicy", "iam:DetachRolePolicy", "iam:PutRolePolicy", "iam:DeleteRolePolicy",
			"iam:PutUserPermissionsBoundary", "iam:PutRolePermissionsBoundary",
		}},
		map[string]any{"Effect": "Allow", "Action": []string{"iam:CreateAccessKey", "iam:TagUser", "iam:UpdateLoginProfile", "iam:CreateLoginProfile"}, "Resource": []string{
			"arn:aws:iam::*:user/delegated/*", "arn:aws:iam::*:user/${aws:username}",
		}},
		// Groups change what their members may, and the boundary stays the members' limit.
		map[string]any{"Effect": "Allow", "Action": []string{"iam:AddUserToGroup", "iam:AttachGroupPolicy", "iam:PutGroupPolicy", "iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"}, "Resource": "*"},
		map[string]any{"Effect": "Deny", "Action": []string{"iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeletePolicy", "iam:DeletePolicyVersion"}, "Resource": arn},
		map[string]any{"Effect": "Deny", "Action": []string{"iam:DeleteUserPermissionsBoundary", "iam:DeleteRolePermissionsBoundary"}, "Resource": "*"},
	)
}

// T311 to T336, third part: inside a permissions boundary no sequence of these
// leads out of it. The attacker's own policies allow everything.
func TestT311_T336_InsideABoundary(t *testing.T) {
	w := newWorld(t)
	boundary := policyARN("Delegation")
	w.ok(w.iam(w.admin, "CreatePolicy", "PolicyName", "Delegation", "PolicyDocument", delegated(boundary)))
	name, key := w.caller(allow("*"))
	w.bounded(name, boundary)
	a := attacker{name, key}
	inside := func(what string, by ...credentials) {
		t.Helper()
		for _, c := range append(by, key) {
			if c.id != "" && w.power(c) {
				t.Fatalf("%s: the attacker left the boundary", what)
			}
		}
	}
	inside("at first")
	// Each known way by itself, and all of them one after the other.
	worked := 0
	for _, e := range escalations {
		target := ""
		if e.prepare != nil {
			target = e.prepare(w, a)
		}
		r, gained := e.attempt(w, a, target)
		switch {
		case r.status == http.StatusOK:
			worked++
			inside(e.row, gained())
			if e.effect != nil {
				t.Errorf("%s: works inside the boundary", e.row)
			}
		case r.code() != "AccessDenied":
			t.Errorf("%s: %d %s", e.row, r.status, r.body)
		}
	}
	if worked < 5 {
		t.Errorf("only %d attempts got anywhere: the boundary refuses all, which proves nothing", worked)
	}

	// T328: the boundary itself.
	wide := w.policy(allow("*"))
	for what, r := range map[string]*reply{
		"delete one's own":             w.iam(key, "DeleteUserPermissionsBoundary", "UserName", name),
		"exchange one's own":           w.iam(key, "PutUserPermissionsBoundary", "UserName", name, "PermissionsBoundary", wide),
		"change its policy":            w.iam(key, "CreatePolicyVersion", "PolicyArn", boundary, "PolicyDocument", allow("*"), "SetAsDefault", "true"),
		"delete its policy":            w.iam(key, "DeletePolicy", "PolicyArn", boundary),
		"make a user without":          w.iam(key, "CreateUser", "UserName", "free", "Path", "/delegated/"),
		"make a user with another":     w.iam(key, "CreateUser", "UserName", "free", "Path", "/delegated/", "PermissionsBoundary", wide),
		"make a role without":          w.iam(key, "CreateRole", "RoleName", "free", "AssumeRolePolicyDocument", trusting(string(ours))),
		"give power to one without":    w.iam(key, "AttachUserPolicy", "UserName", mighty(w, a), "PolicyArn", administrator),
		"get a key of one without":     w.iam(key, "CreateAccessKey", "UserName", mighty(w, a)),
		"delete another's":             w.iam(key, "DeleteUserPermissionsBoundary", "UserName", w.user()),
		"make a group (not delegated)": w.iam(key, "CreateGroup", "GroupName", "free"),
	} {
		w.refused(r, "AccessDenied")
		inside(what)
	}
	// A child with the boundary, everything allowed to it, and its key: it is
	// where its maker is.
	w.ok(w.iam(key, "CreateUser", "UserName", "child", "Path", "/delegated/", "PermissionsBoundary", boundary))
	w.ok(w.iam(key, "PutUserPolicy", "UserName", "child", "PolicyName", "all", "PolicyDocument", allow("*")))
	child := w.ok(w.iam(key, "CreateAccessKey", "UserName", "child")).credentials()
	inside("a child", child)
	w.ok(w.iam(child, "ListUsers"))
	w.ok(w.iam(key, "CreateRole", "RoleName", "child", "AssumeRolePolicyDocument", trusting(string(ours)), "PermissionsBoundary", boundary))
	w.ok(w.iam(key, "AttachRolePolicy", "RoleName", "child", "PolicyArn", administrator))
	session := w.ok(w.sts(key, "AssumeRole", "RoleArn", roleARN("child"), "RoleSessionName", "wire")).credentials()
	inside("a session of a child role", session)
	w.ok(w.iam(session, "ListUsers"))
	// And what the administrator may.
	w.ok(w.iam(w.admin, "DeleteUserPermissionsBoundary", "UserName", name))
	if !w.power(key) {
		t.Error("T328: without the boundary the attacker's policies allow everything")
	}
}

// T328: with the permission, a boundary can be taken away.
func TestT328_OnlyDeleteBoundary(t *testing.T) {
	w := newWorld(t)
	for _, action := range []string{"iam:DeleteUserPermissionsBoundary", "iam:PutUserPermissionsBoundary"} {
		name, key := w.caller(allow("*"))
		parameters := []string{"UserName", name}
		if strings.Contains(action, "Put") {
			parameters = append(parameters, "PermissionsBoundary", administrator)
		}
		w.bounded(name, w.policy(allow("a:b")))
		_, operation, _ := strings.Cut(action, ":")
		w.denied("T328", action, w.iam(key, operation, parameters...))
		w.bounded(name, w.policy(allow(action)))
		if w.power(key) {
			t.Error("T328: power inside the boundary")
		}
		w.ok(w.iam(key, operation, parameters...))
		if !w.power(key) {
			t.Errorf("T328: no power after %s", action)
		}
	}
}

// T336: an old key that is switched on again works again.
func TestT336_OnlyUpdateAccessKey(t *testing.T) {
	w := newWorld(t)
	victim := mighty(w, attacker{})
	old := w.key(victim)
	w.ok(w.iam(w.admin, "UpdateAccessKey", "UserName", victim, "AccessKeyId", old.id, "Status", "Inactive"))
	name, key := w.caller()
	parameters := []string{"UserName", victim, "AccessKeyId", old.id, "Status", "Active"}
	w.denied("T336", "iam:UpdateAccessKey", w.iam(key, "UpdateAccessKey", parameters...))
	if r := w.iam(old, "ListUsers"); r.code() != badKey {
		t.Errorf("T336: the inactive key: %d %s", r.status, r.body)
	}
	w.ok(w.iam(w.admin, "PutUserPolicy", "UserName", name, "PolicyName", "grant", "PolicyDocument", allow("iam:UpdateAccessKey")))
	w.ok(w.iam(key, "UpdateAccessKey", parameters...))
	if !w.power(old) {
		t.Error("T336: the key is not active")
	}
}

// T303: PassRole is asked for the role that is passed, and for what it is passed to.
func TestT303_PassRole(t *testing.T) {
	w := newWorld(t)
	for service, ok := range map[string]bool{"ec2.amazonaws.com": true, "lambda.amazonaws.com": false} {
		_, key := w.caller(allow("iam:AddRoleToInstanceProfile"), document(map[string]any{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": map[string]any{"StringEquals": map[string]any{"iam:PassedToService": service}}}))
		profile, role := onProfile()(w, ""), w.role()
		r := w.iam(key, "AddRoleToInstanceProfile", append(slices.Clone(profile), "RoleName", role)...)
		if ok {
			w.ok(r)
		} else {
			w.denied("T303", "iam:PassRole", r)
		}
	}
}
