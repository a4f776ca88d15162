package transfer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/lanyard-iam/lanyard/identity"
	"github.com/lanyard-iam/lanyard/policy"
	"github.com/lanyard-iam/lanyard/server"
)

// How each kind of entity is compared with what there is, and changed.

func size(document string) int { return policy.CountNonSpace(document) }

// pieces are what an entity will have of its policies.
type pieces struct {
	inline   map[string]string
	attached []string
	boundary string
	tags     []types.Tag
}

// bearer finds out which policies a user, group or role can have here. Without one that
// denies, or without its boundary, it would be allowed more than in the source, and is
// left out.
func (im *Importer) bearer(ctx context.Context, e *entity, out *Entity, inlineQuota, attachedQuota types.SummaryKeyType) (*pieces, error) {
	p := &pieces{inline: map[string]string{}}
	if e.boundary != "" {
		p.boundary = im.rewrite.name(e.boundary)
		why, _, err := im.unavailable(ctx, p.boundary)
		if err != nil {
			return nil, err
		}
		if why != "" {
			out.leaveOut("it would have no permissions boundary: %s: %s", e.boundary, why)
			return p, nil
		}
	}
	without := func(what, why string, denies bool) bool {
		if denies {
			out.leaveOut("it would be allowed more than in the source, without %s, which may deny: %s", what, why)
			return false
		}
		out.omit(what, "%s", why)
		return true
	}
	total, limit := 0, im.state.quota(inlineQuota)
	for _, in := range e.inline {
		document, n := im.rewrite.document(in.document)
		_, err := policy.Parse(document, policy.InlinePolicy)
		if total += size(document); err == nil && total > limit {
			err = fmt.Errorf("all inline policies together have more than %d characters, the quota", limit)
		}
		if err != nil {
			if !without("inline policy "+in.name, err.Error(), denies(document)) {
				return p, nil
			}
			total -= size(document)
			continue
		}
		im.report.Rewritten += n
		p.inline[in.name] = document
	}
	for _, name := range e.attached {
		name := im.rewrite.name(name)
		why, denies, err := im.unavailable(ctx, name)
		if err != nil {
			return nil, err
		}
		if limit := im.state.quota(attachedQuota); why == "" && len(p.attached) >= limit {
			why = fmt.Sprintf("more than %d are attached, the quota", limit)
		}
		if why != "" {
			if !without("attached policy "+name, why, denies) {
				return p, nil
			}
			continue
		}
		p.attached = append(p.attached, name)
	}
	for _, t := range e.tags {
		if strings.HasPrefix(strings.ToLower(t.key), "aws:") || strings.HasPrefix(strings.ToLower(t.value), "aws:") {
			out.omit("tag "+t.key, "only AWS itself sets tags that begin with aws:")
			continue
		}
		p.tags = append(p.tags, types.Tag{Key: ptr(t.key), Value: ptr(t.value)})
	}
	return p, nil
}

// room tells whether one more entity may be made.
func (im *Importer) room(k kind, out *Entity, quota types.SummaryKeyType) bool {
	if limit := im.state.quota(quota); im.count[k] >= limit {
		out.leaveOut("over quota: there are %d already", limit)
		return false
	}
	im.count[k]++
	return true
}

// syncPolicies adds and removes inline and attached policies.
func syncPolicies(w *work, have *having, p *pieces,
	put func(context.Context, *string, *string) error, drop func(context.Context, *string) error,
	attach, detach func(context.Context, *string) error) {
	for _, name := range sorted(p.inline) {
		if document := p.inline[name]; have == nil || have.inline[name] != digestOf(document) {
			w.adds(func(ctx context.Context) error { return put(ctx, &name, &document) }, "inline policy %s", name)
		}
	}
	for _, name := range p.attached {
		if have == nil || !have.attached[name] {
			w.adds(func(ctx context.Context) error { return attach(ctx, &name) }, "attach %s", name)
		}
	}
	if have == nil {
		return
	}
	for _, name := range sorted(have.attached) {
		if !slices.Contains(p.attached, name) {
			w.removes(func(ctx context.Context) error { return detach(ctx, &name) }, "detach %s", name)
		}
	}
	for _, name := range sorted(have.inline) {
		if _, stays := p.inline[name]; !stays {
			w.removes(func(ctx context.Context) error { return drop(ctx, &name) }, "delete inline policy %s", name)
		}
	}
}

// syncTags sets and removes tags.
func syncTags(w *work, have *having, p *pieces, set func(context.Context, []types.Tag) error, drop func(context.Context, []string) error) {
	var changed []types.Tag
	var names []string
	want := map[string]bool{}
	for _, t := range p.tags {
		want[*t.Key] = true
		if v, ok := have.tags[*t.Key]; !ok || v != *t.Value {
			changed, names = append(changed, t), append(names, *t.Key)
		}
	}
	if len(changed) > 0 {
		w.adds(func(ctx context.Context) error { return set(ctx, changed) }, "tag %s", strings.Join(names, ", "))
	}
	var gone []string
	for _, k := range sorted(have.tags) {
		if !want[k] {
			gone = append(gone, k)
		}
	}
	if len(gone) > 0 {
		w.removes(func(ctx context.Context) error { return drop(ctx, gone) }, "untag %s", strings.Join(gone, ", "))
	}
}

func (im *Importer) user(ctx context.Context, e *entity, out *Entity) (*work, error) {
	w, c := &work{out: out}, im.Client
	p, err := im.bearer(ctx, e, out, "UserPolicySizeQuota", "AttachedPoliciesPerUserQuota")
	if err != nil || out.Result == LeftOut {
		return w, err
	}
	memberships, ok := im.memberships(e, out)
	have := im.state.of[users][identity.Fold(e.name)]
	if !ok || have == nil && !im.room(users, out, "UsersQuota") {
		return w, nil
	}
	name := &e.name
	switch {
	case have == nil:
		out.Result = Created
		w.adds(func(ctx context.Context) error {
			in := &iam.CreateUserInput{UserName: name, Path: &e.path, Tags: p.tags}
			if p.boundary != "" {
				in.PermissionsBoundary = &p.boundary
			}
			_, err := c.CreateUser(ctx, in)
			return err
		}, "create%s", atPath(e.path))
	case have.name != e.name || have.path != e.path:
		was := have.name
		w.adds(func(ctx context.Context) error {
			_, err := c.UpdateUser(ctx, &iam.UpdateUserInput{UserName: &was, NewUserName: name, NewPath: &e.path})
			return err
		}, "move to %s", e.path+e.name)
	}
	if have != nil {
		if p.boundary != "" && have.boundary != p.boundary {
			w.adds(func(ctx context.Context) error {
				_, err := c.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: name, PermissionsBoundary: &p.boundary})
				return err
			}, "boundary %s", p.boundary)
		}
		syncTags(w, have, p, func(ctx context.Context, tags []types.Tag) error {
			_, err := c.TagUser(ctx, &iam.TagUserInput{UserName: name, Tags: tags})
			return err
		}, func(ctx context.Context, keys []string) error {
			_, err := c.UntagUser(ctx, &iam.UntagUserInput{UserName: name, TagKeys: keys})
			return err
		})
	}
	syncPolicies(w, have, p, func(ctx context.Context, policy, document *string) error {
		_, err := c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: policy, PolicyDocument: document})
		return err
	}, func(ctx context.Context, policy *string) error {
		_, err := c.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: name, PolicyName: policy})
		return err
	}, func(ctx context.Context, policy *string) error {
		_, err := c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: policy})
		return err
	}, func(ctx context.Context, policy *string) error {
		_, err := c.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: name, PolicyArn: policy})
		return err
	})
	for _, group := range memberships {
		if have == nil || !have.groups[identity.Fold(group)] {
			w.adds(func(ctx context.Context) error {
				_, err := c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: name, GroupName: &group})
				return err
			}, "join %s", group)
		}
	}
	if have != nil {
		for _, group := range sorted(have.groups) {
			if !slices.ContainsFunc(memberships, func(m string) bool { return identity.Fold(m) == group }) {
				w.removes(func(ctx context.Context) error {
					_, err := c.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{UserName: name, GroupName: &group})
					return err
				}, "leave %s", group)
			}
		}
		if p.boundary == "" && have.boundary != "" { // last: it limits what else there is
			w.removes(func(ctx context.Context) error {
				_, err := c.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: name})
				return err
			}, "take off the boundary")
		}
	}
	return w, nil
}

// memberships are the groups that the user can be in.
func (im *Importer) memberships(e *entity, out *Entity) (list []string, ok bool) {
	limit := im.state.quota("GroupsPerUserQuota")
	for _, name := range e.groups {
		at := key{groups, identity.Fold(name)}
		why, denies := "", im.denying[at]
		if _, left := im.leftOut[at]; left {
			why = "it was left out"
		} else if im.present[at] == "" {
			why, denies = "there is no such group", true
		} else if len(list) >= limit {
			why = fmt.Sprintf("a user is in %d groups at most", limit)
		}
		if why != "" && denies {
			out.leaveOut("it would be allowed more than in the source, without the group %s, which may deny: %s", name, why)
			return nil, false
		}
		if why != "" {
			out.omit("group "+name, "%s", why)
			continue
		}
		list = append(list, name)
	}
	return list, true
}

func (im *Importer) group(ctx context.Context, e *entity, out *Entity) (*work, error) {
	w, c := &work{out: out}, im.Client
	at := key{groups, identity.Fold(e.name)}
	im.denying[at] = e.denies()
	for _, name := range e.attached {
		_, denies, err := im.unavailable(ctx, im.rewrite.name(name))
		if err != nil {
			return w, err
		}
		im.denying[at] = im.denying[at] || denies
	}
	p, err := im.bearer(ctx, e, out, "GroupPolicySizeQuota", "AttachedPoliciesPerGroupQuota")
	if err != nil || out.Result == LeftOut {
		return w, err
	}
	name := &e.name
	have := im.state.of[groups][at.name]
	switch {
	case have == nil:
		if !im.room(groups, out, "GroupsQuota") {
			return w, nil
		}
		out.Result = Created
		w.adds(func(ctx context.Context) error {
			_, err := c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: name, Path: &e.path})
			return err
		}, "create%s", atPath(e.path))
	case have.name != e.name || have.path != e.path:
		was := have.name
		w.adds(func(ctx context.Context) error {
			_, err := c.UpdateGroup(ctx, &iam.UpdateGroupInput{GroupName: &was, NewGroupName: name, NewPath: &e.path})
			return err
		}, "move to %s", e.path+e.name)
	}
	syncPolicies(w, have, p, func(ctx context.Context, policy, document *string) error {
		_, err := c.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: name, PolicyName: policy, PolicyDocument: document})
		return err
	}, func(ctx context.Context, policy *string) error {
		_, err := c.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: name, PolicyName: policy})
		return err
	}, func(ctx context.Context, policy *string) error {
		_, err := c.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: name, PolicyArn: policy})
		return err
	}, func(ctx context.Context, policy *string) error {
		_, err := c.DetachGroupPolicy(ctx, &iam.DetachGroupPolicyInput{GroupName: name, PolicyArn: policy})
		return err
	})
	return w, nil
}

func (im *Importer) role(ctx context.Context, e *entity, out *Entity) (*work, error) {
	w, c := &work{out: out}, im.Client
	have := im.state.of[roles][identity.Fold(e.name)]
	switch {
	case strings.HasPrefix(e.path, "/aws-service-role/"):
		out.leaveOut("a service-linked role, which its service makes")
	case strings.HasPrefix(e.path, "/aws-reserved/"):
		out.leaveOut("a role of AWS's own, such as IAM Identity Center's")
	case e.name == server.OwnerRole && e.path == "/lanyard/":
		out.leaveOut("the role of the owner of a host with Lanyard: each has its own")
	case have != nil && (have.path != e.path || have.name != e.name):
		out.leaveOut("there is %s already, and a role cannot be moved", have.arn)
	}
	if out.Result == LeftOut {
		return w, nil
	}
	p, err := im.bearer(ctx, e, out, "RolePolicySizeQuota", "AttachedPoliciesPerRoleQuota")
	if err != nil || out.Result == LeftOut || have == nil && !im.room(roles, out, "RolesQuota") {
		return w, err
	}
	name := &e.name
	if have == nil {
		out.Result = Created
		w.adds(func(ctx context.Context) error {
			in := &iam.CreateRoleInput{RoleName: name, Path: &e.path, Tags: p.tags, AssumeRolePolicyDocument: ptr(nobody)}
			if p.boundary != "" {
				in.PermissionsBoundary = &p.boundary
			}
			_, err := c.CreateRole(ctx, in)
			return err
		}, "create%s", atPath(e.path))
	} else {
		if p.boundary != "" && have.boundary != p.boundary {
			w.adds(func(ctx context.Context) error {
				_, err := c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: &p.boundary})
				return err
			}, "boundary %s", p.boundary)
		}
		syncTags(w, have, p, func(ctx context.Context, tags []types.Tag) error {
			_, err := c.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: tags})
			return err
		}, func(ctx context.Context, keys []string) error {
			_, err := c.UntagRole(ctx, &iam.UntagRoleInput{RoleName: name, TagKeys: keys})
			return err
		})
	}
	syncPolicies(w, have, p, func(ctx context.Context, policy, document *string) error {
		_, err := c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: policy, PolicyDocument: document})
		return err
	}, func(ctx context.Context, policy *string) error {
		_, err := c.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: policy})
		return err
	}, func(ctx context.Context, policy *string) error {
		_, err := c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: policy})
		return err
	}, func(ctx context.Context, policy *string) error {
		_, err := c.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: policy})
		return err
	})
	im.syncProfiles(w, e, have, out)
	if have != nil && p.boundary == "" && have.boundary != "" { // last: it limits what else there is
		w.removes(func(ctx context.Context) error {
			_, err := c.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: name})
			return err
		}, "take off the boundary")
	}
	return w, nil
}

// syncProfiles makes instance profiles and puts the role into them.
func (im *Importer) syncProfiles(w *work, e *entity, have *having, out *Entity) {
	c, role := im.Client, identity.Fold(e.name)
	want := map[string]bool{}
	for _, p := range e.profiles {
		folded := identity.Fold(p.name)
		want[folded] = true
		have := im.state.profiles[folded]
		switch {
		case have == nil:
			if len(im.state.profiles) >= im.state.quota("InstanceProfilesQuota") {
				out.omit("instance profile "+p.name, "over quota")
				continue
			}
			im.state.profiles[folded] = &havingProfile{name: p.name, path: p.path, roles: []string{role}}
			w.adds(func(ctx context.Context) error {
				_, err := c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: &p.name, Path: &p.path})
				return err
			}, "create instance profile %s", p.name)
		case have.path != p.path || have.name != p.name:
			out.omit("instance profile "+p.name, "there is %s already, and a profile cannot be moved", have.path+have.name)
			continue
		case slices.Contains(have.roles, role):
			continue
		case len(have.roles) > 0:
			out.omit("instance profile "+p.name, "it has the role %s", have.roles[0])
			continue
		}
		w.adds(func(ctx context.Context) error {
			_, err := c.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &p.name, RoleName: &e.name})
			return err
		}, "into instance profile %s", p.name)
	}
	if have == nil {
		return
	}
	for _, name := range sorted(have.profiles) {
		if !want[name] {
			w.removes(func(ctx context.Context) error {
				_, err := c.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: &name, RoleName: &e.name})
				return err
			}, "out of instance profile %s", name)
		}
	}
}

// policy makes a customer managed policy with its versions. Their numbers are given by
// the service, so they count from 1 here.
func (im *Importer) policy(_ context.Context, e *entity, out *Entity) (*work, error) {
	w, c := &work{out: out}, im.Client
	want := im.versions(e, out)
	if out.Result == LeftOut {
		return w, nil
	}
	have := im.state.of[policies][identity.Fold(e.name)]
	name := im.rewrite.name(e.arn.String())
	if have == nil {
		if !im.room(policies, out, "PoliciesQuota") {
			return w, nil
		}
		out.Result = Created
		w.adds(func(ctx context.Context) error {
			in := &iam.CreatePolicyInput{PolicyName: &e.name, Path: &e.path, PolicyDocument: &want[0].document}
			if e.description != "" {
				in.Description = &e.description
			}
			_, err := c.CreatePolicy(ctx, in)
			return err
		}, "create%s", atPath(e.path))
		for _, v := range want[1:] {
			w.adds(func(ctx context.Context) error { return im.putVersion(ctx, name, v) }, "version %s", v.id)
		}
		for i, v := range want {
			if number := "v" + strconv.Itoa(i+1); v.id != number {
				w.add[i].text += fmt.Sprintf(" (%s here is %s there)", number, v.id)
			}
		}
		return w, nil
	}
	if have.arn != name {
		out.leaveOut("there is %s already, and a policy cannot be moved", have.arn)
		return w, nil
	}
	im.syncVersions(w, name, want, have.versions)
	return w, nil
}

// versions are those of a policy that can be had, oldest first.
func (im *Importer) versions(e *entity, out *Entity) []version {
	var list []version
	limit, most := im.state.quota("PolicySizeQuota"), im.state.quota("VersionsPerPolicyQuota")
	ordered := slices.Clone(e.versions)
	number := func(v version) int { n, _ := strconv.Atoi(strings.TrimPrefix(v.id, "v")); return n }
	slices.SortStableFunc(ordered, func(a, b version) int { return cmp.Compare(number(a), number(b)) })
	for _, v := range ordered {
		var n int
		v.document, n = im.rewrite.document(v.document)
		_, err := policy.Parse(v.document, policy.ManagedPolicy)
		if err == nil {
			err = fits(v.document, limit)
		}
		switch {
		case err == nil:
			im.report.Rewritten += n
			list = append(list, v)
		case v.inForce:
			out.leaveOut("its default version %s: %v", v.id, err)
			return nil
		default:
			out.omit("version "+v.id, "%v", err)
		}
	}
	for len(list) > most {
		i := slices.IndexFunc(list, func(v version) bool { return !v.inForce })
		out.omit("version "+list[i].id, "a policy has %d versions at most", most)
		list = slices.Delete(list, i, i+1)
	}
	return list
}

func (im *Importer) putVersion(ctx context.Context, name string, v version) error {
	_, err := im.Client.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &name, PolicyDocument: &v.document, SetAsDefault: v.inForce})
	return err
}

// syncVersions makes the versions of a policy those that are wanted, whatever their
// numbers. What is in force is replaced at once, never absent.
func (im *Importer) syncVersions(w *work, name string, want []version, have []havingVersion) {
	c := im.Client
	drop := func(v havingVersion) {
		w.adds(func(ctx context.Context) error {
			_, err := c.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: &name, VersionId: &v.id})
			return err
		}, "delete version %s", v.id)
	}
	used := make([]bool, len(have))
	match := func(v version, inForce bool) int {
		for i := range have {
			if !used[i] && have[i].digest == digestOf(v.document) && (!inForce || have[i].inForce) {
				return i
			}
		}
		return -1
	}
	at := make([]int, len(want))
	for i := range at {
		at[i] = -1
		if want[i].inForce {
			if at[i] = match(want[i], true); at[i] < 0 {
				at[i] = match(want[i], false)
			}
			if at[i] >= 0 {
				used[at[i]] = true
			}
		}
	}
	for i := range at {
		if !want[i].inForce {
			if at[i] = match(want[i], false); at[i] >= 0 {
				used[at[i]] = true
			}
		}
	}
	count := len(have)
	for i, v := range have {
		if !used[i] && !v.inForce {
			drop(v)
			count--
		}
	}
	for i, v := range want {
		switch {
		case !v.inForce || at[i] >= 0 && have[at[i]].inForce:
		case at[i] >= 0:
			id := have[at[i]].id
			w.adds(func(ctx context.Context) error {
				_, err := c.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: &name, VersionId: &id})
				return err
			}, "default version %s", id)
		default:
			if count >= im.state.quota("VersionsPerPolicyQuota") { // one that stays has to make room
				j := slices.IndexFunc(at, func(k int) bool { return k >= 0 && !have[k].inForce })
				if j >= 0 {
					drop(have[at[j]])
					at[j] = -1
				}
			}
			w.adds(func(ctx context.Context) error { return im.putVersion(ctx, name, v) }, "new default version")
		}
	}
	for i, v := range have {
		if !used[i] && v.inForce {
			drop(v)
		}
	}
	for i, v := range want {
		if !v.inForce && at[i] < 0 {
			w.adds(func(ctx context.Context) error { return im.putVersion(ctx, name, v) }, "new version")
		}
	}
}

// atPath says where an entity is made, unless it is at the top.
func atPath(path string) string {
	if path == "/" {
		return ""
	}
	return " at " + path
}
