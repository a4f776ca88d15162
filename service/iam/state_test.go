package iam

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/lanyard-iam/lanyard/arn"
	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/internal/webauthnx"
	"github.com/lanyard-iam/lanyard/mfa"
	"github.com/lanyard-iam/lanyard/service"
	"github.com/lanyard-iam/lanyard/store"
	"pgregory.net/rapid"
)

// Whatever people do in whatever order: records and indexes agree, nothing refers
// to what is gone, and a deletion succeeds exactly when nothing hangs on what is
// deleted.
func TestAnySequenceOfOperationsKeepsTheAccountConsistent(t *testing.T) {
	w := newWorld(t)
	w.iam.limits.PoliciesPerUser, w.iam.limits.RolesPerAccount = 2, 3
	rapid.Check(t, func(t *rapid.T) {
		w.empty(t)
		m := &machine{w: w, t: t, root: w.root()}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				w.consistent(t)
				m.check()
			},
			"create":   m.create,
			"delete":   m.delete,
			"rename":   m.rename,
			"attach":   m.attach,
			"boundary": m.boundary,
			"inline":   m.inline,
			"version":  m.version,
			"profile":  m.profile,
			"provider": m.provider,
			"token":    m.token,
			"key":      m.securityKey,
			"trust":    m.trust,
			"member":   m.member,
			"linked":   m.linked,
		})
	})
}

// machine takes random steps as root. There are few names, so that steps meet; some
// differ only in case.
type machine struct {
	w    *world
	t    *rapid.T
	root actor
}

func (m *machine) name(t *rapid.T) *string {
	return aws.String(rapid.SampledFrom([]string{"a", "A", "b"}).Draw(t, "name"))
}

func (m *machine) policyARN(t *rapid.T) *string {
	return aws.String(rapid.SampledFrom([]string{
		"arn:aws:iam::111122223333:policy/a", "arn:aws:iam::111122223333:policy/A", "arn:aws:iam::111122223333:policy/b", readOnly, administrator,
	}).Draw(t, "policy"))
}

// took checks how a step ended: it was done, or refused with an error of the API.
func (m *machine) took(t *rapid.T, err error) (done bool) {
	if err == nil {
		return true
	}
	known := []string{"NoSuchEntity", "EntityAlreadyExists", "LimitExceeded", "DeleteConflict", "MalformedPolicyDocument", "AccessDenied"}
	if !slices.Contains(known, codeOf(err)) {
		t.Fatalf("%v", err)
	}
	return false
}

func (m *machine) create(t *rapid.T) {
	name, s := m.name(t), m.w.iam
	var err error
	switch rapid.IntRange(0, 4).Draw(t, "what") {
	case 0:
		in := &iam.CreateUserInput{UserName: name}
		if rapid.Bool().Draw(t, "bounded") {
			in.PermissionsBoundary = m.policyARN(t)
		}
		_, err = try(m.root, s.CreateUser, in)
	case 1:
		_, err = try(m.root, s.CreateGroup, &iam.CreateGroupInput{GroupName: name})
	case 2:
		in := &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(trusting("*"))}
		if rapid.Bool().Draw(t, "bounded") {
			in.PermissionsBoundary = m.policyARN(t)
		}
		_, err = try(m.root, s.CreateRole, in)
	case 3:
		var made *iam.CreatePolicyOutput
		if made, err = try(m.root, s.CreatePolicy, &iam.CreatePolicyInput{PolicyName: name, PolicyDocument: aws.String(allow("s3:*", "*"))}); err == nil {
			m.w.testPolicy(*made.Policy.PolicyId)
		}
	default:
		_, err = try(m.root, s.CreateInstanceProfile, &iam.CreateInstanceProfileInput{InstanceProfileName: name})
	}
	m.took(t, err)
}

// delete deletes something, and compares whether that worked with what hung on it.
func (m *machine) delete(t *rapid.T) {
	name, s := m.name(t), m.w.iam
	key := identity.Fold(*name)
	var err error
	free := false
	look := func(fn func(r store.Reader) bool) {
		m.w.view(func(r store.Reader) error { free = fn(r); return nil })
	}
	switch rapid.IntRange(0, 4).Draw(t, "what") {
	case 0:
		look(func(r store.Reader) bool {
			u, err := identity.Users.Get(r, string(ours), key)
			return err == nil && len(u.Attached)+len(u.Inline)+len(u.Groups)+len(u.MFA) == 0
		})
		_, err = try(m.root, s.DeleteUser, &iam.DeleteUserInput{UserName: name})
	case 1:
		look(func(r store.Reader) bool {
			g, err := identity.Groups.Get(r, string(ours), key)
			return err == nil && len(g.Attached)+len(g.Inline) == 0 && !m.anyUser(r, func(u *identity.User) bool { return slices.Contains(u.Groups, g.ID) })
		})
		_, err = try(m.root, s.DeleteGroup, &iam.DeleteGroupInput{GroupName: name})
	case 2:
		look(func(r store.Reader) bool {
			role, err := identity.Roles.Get(r, string(ours), key)
			return err == nil && len(role.Attached)+len(role.Inline)+len(role.InstanceProfiles) == 0
		})
		_, err = try(m.root, s.DeleteRole, &iam.DeleteRoleInput{RoleName: name})
	case 3:
		p := m.policyARN(t)
		look(func(r store.Reader) bool {
			record := m.policyRecord(r, *p)
			return record != nil && len(record.Versions) == 1 && !slices.Contains(m.uses(r), *p)
		})
		_, err = try(m.root, s.DeletePolicy, &iam.DeletePolicyInput{PolicyArn: p})
	default:
		look(func(r store.Reader) bool {
			p, err := identity.InstanceProfiles.Get(r, string(ours), key)
			return err == nil && p.Role == ""
		})
		_, err = try(m.root, s.DeleteInstanceProfile, &iam.DeleteInstanceProfileInput{InstanceProfileName: name})
	}
	if m.took(t, err) != free {
		t.Fatalf("deleted: %v, free: %v", err, free)
	}
}

func (m *machine) rename(t *rapid.T) {
	from, to := m.name(t), m.name(t)
	var err error
	if rapid.Bool().Draw(t, "user") {
		_, err = try(m.root, m.w.iam.UpdateUser, &iam.UpdateUserInput{UserName: from, NewUserName: to})
	} else {
		_, err = try(m.root, m.w.iam.UpdateGroup, &iam.UpdateGroupInput{GroupName: from, NewGroupName: to})
	}
	m.took(t, err)
}

func (m *machine) bearer(t *rapid.T) bearerOps {
	return rapid.SampledFrom(allBearers(m.w)).Draw(t, "bearer")
}

func (m *machine) attach(t *rapid.T) {
	b, name, p := m.bearer(t), *m.name(t), *m.policyARN(t)
	if rapid.IntRange(0, 2).Draw(t, "detach") == 0 {
		m.took(t, b.detach(m.root, name, p))
		return
	}
	m.took(t, b.attach(m.root, name, p))
}

func (m *machine) boundary(t *rapid.T) {
	b, name := m.bearer(t), *m.name(t)
	switch {
	case b.boundary == nil:
	case rapid.IntRange(0, 2).Draw(t, "remove") == 0:
		m.took(t, b.noBoundary(m.root, name))
	default:
		m.took(t, b.boundary(m.root, name, *m.policyARN(t)))
	}
}

func (m *machine) inline(t *rapid.T) {
	b, name, policyName := m.bearer(t), *m.name(t), *m.name(t)
	if rapid.IntRange(0, 2).Draw(t, "remove") == 0 {
		m.took(t, b.delete(m.root, name, policyName))
		return
	}
	m.took(t, b.put(m.root, name, policyName, allow("s3:*", "*")))
}

func (m *machine) version(t *rapid.T) {
	p, s := m.policyARN(t), m.w.iam
	id := aws.String(versionID(rapid.IntRange(1, 8).Draw(t, "version")))
	var err error
	switch rapid.IntRange(0, 3).Draw(t, "what") {
	case 0:
		_, err = try(m.root, s.SetDefaultPolicyVersion, &iam.SetDefaultPolicyVersionInput{PolicyArn: p, VersionId: id})
	case 1:
		free := false
		m.w.view(func(r store.Reader) error {
			record := m.policyRecord(r, *p)
			free = record != nil && versionID(record.Default) != *id &&
				slices.ContainsFunc(record.Versions, func(v identity.PolicyVersion) bool { return versionID(v.Number) == *id })
			return nil
		})
		_, err = try(m.root, s.DeletePolicyVersion, &iam.DeletePolicyVersionInput{PolicyArn: p, VersionId: id})
		if (err == nil) != free {
			t.Fatalf("deleted version: %v, free: %v", err, free)
		}
	default:
		_, err = try(m.root, s.CreatePolicyVersion, &iam.CreatePolicyVersionInput{PolicyArn: p, PolicyDocument: aws.String(allow("s3:*", "*")), SetAsDefault: rapid.Bool().Draw(t, "default")})
	}
	m.took(t, err)
}

func (m *machine) profile(t *rapid.T) {
	profile, role := m.name(t), m.name(t)
	var err error
	if rapid.IntRange(0, 2).Draw(t, "remove") == 0 {
		_, err = try(m.root, m.w.iam.RemoveRoleFromInstanceProfile, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: profile, RoleName: role})
	} else {
		_, err = try(m.root, m.w.iam.AddRoleToInstanceProfile, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: profile, RoleName: role})
	}
	m.took(t, err)
}

func (m *machine) provider(t *rapid.T) {
	name, s := m.name(t), m.w.iam
	var err error
	switch rapid.IntRange(0, 3).Draw(t, "what") {
	case 0:
		_, err = try(m.root, s.CreateOpenIDConnectProvider, &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://" + *name)})
	case 1:
		_, err = try(m.root, s.DeleteOpenIDConnectProvider, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String("arn:aws:iam::111122223333:oidc-provider/" + *name)})
	case 2:
		_, err = try(m.root, s.CreateSAMLProvider, &iam.CreateSAMLProviderInput{Name: name, SAMLMetadataDocument: samlMetadata("x", "")})
	default:
		_, err = try(m.root, s.DeleteSAMLProvider, &iam.DeleteSAMLProviderInput{SAMLProviderArn: aws.String("arn:aws:iam::111122223333:saml-provider/" + *name)})
	}
	m.took(t, err)
}

// token takes a step with a hardware token, whose codes are always new ones.
func (m *machine) token(t *rapid.T) {
	name, s := m.name(t), m.w.iam
	serial := rapid.SampledFrom([]string{"TOKEN-0001", "TOKEN-0002"}).Draw(t, "serial")
	seed := []byte("the seed of " + serial)
	m.w.later(2 * time.Minute)
	owner := func(fn func(c *service.Call) error) {
		err := m.w.asOwner(ours, fn)
		if _, refused := errors.AsType[*TokenError](err); err != nil && !refused {
			t.Fatalf("%v", err)
		}
	}
	switch rapid.IntRange(0, 4).Draw(t, "what") {
	case 0, 1:
		owner(func(c *service.Call) error {
			return s.ImportTokens(c, []mfa.Token{{Line: 1, Serial: serial, Seed: seed}})
		})
	case 2:
		_, err := try(m.root, s.EnableMFADevice, device{m.w, serial, seed}.pair(*name))
		m.took(t, err)
	case 3:
		_, err := try(m.root, s.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{UserName: name, SerialNumber: &serial})
		m.took(t, err)
	default:
		owner(func(c *service.Call) error { return s.RemoveToken(c, serial) })
	}
}

// securityKey registers a security key, or takes one from its user, who may have another
// name by now.
func (m *machine) securityKey(t *rapid.T) {
	name := m.name(t)
	serial := "u2f/user/a/" + rapid.SampledFrom([]string{"key-1", "key-2"}).Draw(t, "serial")
	var owner string
	taken := false
	m.w.view(func(r store.Reader) error {
		if u, err := identity.FindUser(r, ours, *name); err == nil && len(u.MFA) < 8 {
			owner = u.ID
		}
		taken = identity.MFADevices.Has(r, string(ours), serial)
		return nil
	})
	if owner != "" && !taken {
		m.w.putSecurityKey(person{name: *name}, &identity.MFADevice{
			Account: ours, Path: "u2f/user/a/", Name: strings.TrimPrefix(serial, "u2f/user/a/"), Owner: owner, Enabled: second(m.w.now),
			WebAuthn: &webauthnx.Credential{ID: []byte(serial)},
		})
		return
	}
	_, err := try(m.root, m.w.iam.DeactivateMFADevice, &iam.DeactivateMFADeviceInput{UserName: name, SerialNumber: aws.String(identity.SerialOf(arn.Scope{Partition: "aws", Account: ours}, serial))})
	m.took(t, err)
}

func (m *machine) trust(t *rapid.T) {
	kind := rapid.SampledFrom([]string{"user", "role"}).Draw(t, "kind")
	document := trusting("arn:aws:iam::111122223333:" + kind + "/" + *m.name(t))
	_, err := try(m.root, m.w.iam.UpdateAssumeRolePolicy, &iam.UpdateAssumeRolePolicyInput{RoleName: m.name(t), PolicyDocument: &document})
	m.took(t, err)
}

func (m *machine) member(t *rapid.T) {
	user, group := m.name(t), m.name(t)
	var err error
	if rapid.IntRange(0, 2).Draw(t, "remove") == 0 {
		_, err = try(m.root, m.w.iam.RemoveUserFromGroup, &iam.RemoveUserFromGroupInput{UserName: user, GroupName: group})
	} else {
		_, err = try(m.root, m.w.iam.AddUserToGroup, &iam.AddUserToGroupInput{UserName: user, GroupName: group})
	}
	m.took(t, err)
}

// linked makes the service-linked role of a service, or deletes it.
func (m *machine) linked(t *rapid.T) {
	exists := false
	m.w.view(func(r store.Reader) error {
		exists = identity.Roles.Has(r, string(ours), "awsserviceroleforecs")
		return nil
	})
	remove := rapid.Bool().Draw(t, "delete")
	var err error
	if remove {
		_, err = try(m.root, m.w.iam.DeleteServiceLinkedRole, &iam.DeleteServiceLinkedRoleInput{RoleName: aws.String("AWSServiceRoleForECS")})
	} else {
		_, err = try(m.root, m.w.iam.CreateServiceLinkedRole, &iam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("ecs.amazonaws.com")})
	}
	if (err == nil) != (exists == remove) {
		t.Fatalf("delete %v of a role that exists: %v: %v", remove, exists, err)
	}
}

// check looks at what refers to something else, and at what the API shows of it.
func (m *machine) check() {
	m.w.view(func(r store.Reader) error {
		for _, p := range m.uses(r) {
			if !strings.HasPrefix(p, "arn:aws:iam::aws:policy/") && m.policyRecord(r, p) == nil {
				m.t.Errorf("%s is used and does not exist", p)
			}
		}
		each(m, r, identity.Policies, func(p *identity.Policy) {
			numbers := make([]int, len(p.Versions))
			for i, v := range p.Versions {
				numbers[i] = v.Number
			}
			if !slices.IsSorted(numbers) || len(slices.Compact(numbers)) != len(p.Versions) || len(numbers) > 5 ||
				!slices.Contains(numbers, p.Default) || slices.Max(numbers) > p.Last || p.DefaultDocument() == "" {
				m.t.Errorf("policy %s: default %d of %v, last %d", p.Name, p.Default, numbers, p.Last)
			}
		})
		each(m, r, identity.Roles, func(role *identity.Role) {
			for _, name := range role.InstanceProfiles {
				if p, err := identity.InstanceProfiles.Get(r, string(ours), name); err != nil || p.Role != identity.Fold(role.Name) {
					m.t.Errorf("role %s is not in profile %s: %v", role.Name, name, err)
				}
			}
			m.bears(roleBearer(role))
		})
		each(m, r, identity.InstanceProfiles, func(p *identity.InstanceProfile) {
			if p.Role == "" {
				return
			}
			role, err := identity.Roles.Get(r, string(ours), p.Role)
			if err != nil || !slices.Contains(role.InstanceProfiles, identity.Fold(p.Name)) {
				m.t.Errorf("profile %s holds %s: %v", p.Name, p.Role, err)
			}
		})
		each(m, r, identity.Users, func(u *identity.User) { m.bears(userBearer(u)) })
		each(m, r, identity.Groups, func(g *identity.Group) { m.bears(groupBearer(g)) })
		return nil
	})
	// Everything can be shown, at any moment.
	if _, err := try(m.root, m.w.iam.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{}); err != nil {
		m.t.Errorf("details: %v", err)
	}
}

// bears checks that what hangs on a bearer hangs there once, and in order.
func (m *machine) bears(b *bearer) {
	if sorted := slices.Sorted(slices.Values(*b.attached)); len(slices.Compact(sorted)) != len(*b.attached) {
		m.t.Errorf("%s %s: attached twice: %q", b.kind, b.name, *b.attached)
	}
	names := make([]string, len(*b.inline))
	for i, p := range *b.inline {
		names[i] = p.Name
	}
	if !slices.IsSorted(names) || len(slices.Compact(names)) != len(*b.inline) {
		m.t.Errorf("%s %s: inline policies %q", b.kind, b.name, names)
	}
}

func each[T any](m *machine, r store.Reader, table store.Table[T], fn func(*T)) {
	if err := table.Scan(r, "", func(_ store.Key, v *T) bool { fn(v); return true }, string(ours)); err != nil {
		m.t.Fatalf("%v", err)
	}
}

func (m *machine) anyUser(r store.Reader, is func(*identity.User) bool) (found bool) {
	each(m, r, identity.Users, func(u *identity.User) { found = found || is(u) })
	return found
}

// policyRecord is the customer managed policy with exactly this ARN, or nil.
func (m *machine) policyRecord(r store.Reader, policyARN string) *identity.Policy {
	name := policyARN[strings.LastIndexByte(policyARN, '/')+1:]
	p, err := identity.Policies.Get(r, string(ours), identity.Fold(name))
	if err != nil || p.ARN("aws") != policyARN {
		return nil
	}
	return p
}

// uses are the ARNs of all policies that anyone has, as permissions or boundary,
// found in the records and not in the index.
func (m *machine) uses(r store.Reader) (all []string) {
	each(m, r, identity.Users, func(u *identity.User) { all = append(append(all, u.Attached...), u.Boundary) })
	each(m, r, identity.Groups, func(g *identity.Group) { all = append(all, g.Attached...) })
	each(m, r, identity.Roles, func(role *identity.Role) { all = append(append(all, role.Attached...), role.Boundary) })
	return slices.DeleteFunc(all, func(p string) bool { return p == "" })
}
